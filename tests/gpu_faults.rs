//! What the gpu engine does when something is missing, too small or lost: one clear error, never a panic, never a leak.
#![cfg(feature = "gpu")]

mod adapter;

use std::process::Command;

use runmask::boundary::scalar;
use runmask::gpu::{self, Gpu, GpuOptions};
use runmask::{Encoder, Engine, Error, LabelMask, Shape, Strip};

fn message(error: &Error) -> String {
    assert!(matches!(error, Error::Engine { engine: "gpu", .. }), "{error:?}");
    error.to_string()
}

/// Labels in blocks of a few pixels, which look the same from one row to another or differ.
fn labels(height: u32, width: u32) -> Vec<u16> {
    (0..height).flat_map(|row| (0..width).map(move |column| ((row / 5) ^ (column / 3)) as u16 % 7)).collect()
}

fn mark(engine: &Gpu, height: u32, width: u32) -> Result<(), Error> {
    let labels = labels(height, width);
    let strip = Strip::new(LabelMask::new(&labels, Shape { height, width })?, false)?;
    assert_eq!(gpu::mark(engine, strip)?, scalar::mark(strip)?);
    Ok(())
}

#[test]
fn a_wrong_name_lists_the_adapters() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let error = message(&Gpu::open(&GpuOptions::default().adapter("no such card")).unwrap_err());
    assert!(error.contains("`no such card`") && error.contains(&engine.info().name), "{error}");
}

#[test]
fn a_part_of_the_name_in_any_case_is_enough() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let name = engine.info().name.to_uppercase();
    let part = name.split(' ').next().unwrap();
    let found = Gpu::open(&GpuOptions::default().adapter(part)).unwrap();
    assert!(found.info().name.to_uppercase().contains(part));
}

#[test]
fn a_wrong_backend_is_named() {
    let error = message(&Gpu::open(&GpuOptions::default().backend("vulcan")).unwrap_err());
    assert!(error.contains("`vulcan`") && error.contains("vulkan"), "{error}");
}

#[test]
fn a_backend_of_another_system_has_no_adapter() {
    let elsewhere = if cfg!(target_vendor = "apple") { "dx12" } else { "metal" };
    let error = message(&Gpu::open(&GpuOptions::default().backend(elsewhere)).unwrap_err());
    assert!(error.contains("no adapter") && error.contains(elsewhere), "{error}");
}

/// Runs a test that is left out otherwise in a process of its own, with a variable of its environment set.
fn elsewhere(test: &str, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let told = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{test}: {told}");
}

/// `Auto` encodes whatever the state of the graphics cards is, and says with what; the gpu engine, asked for by name, is
/// never replaced.
fn auto_goes_on() {
    let (height, width) = (70, 33);
    let labels = labels(height, width);
    let mask = LabelMask::new(&labels, Shape { height, width }).unwrap();
    let expected = Encoder::builder().engine(Engine::Scalar).build().unwrap().encode(&mask).unwrap();
    // No room on the device for anything, on top of what the environment spoils.
    let options = GpuOptions::default().memory_budget(0);
    let auto = Encoder::builder().engine(Engine::Auto).gpu(options.clone()).build().unwrap();
    assert_eq!(auto.engine_info().engine, Engine::Simd);
    assert!(auto.engine_info().to_string().starts_with("simd ("), "{}", auto.engine_info());
    assert_eq!(auto.encode(&mask).unwrap(), expected);
    let named = Encoder::builder().engine(Engine::Gpu).gpu(options).build().and_then(|gpu| gpu.encode(&mask));
    message(&named.unwrap_err());
}

/// The loader of Vulkan is told of no driver, as on a machine without one.
#[cfg(target_os = "linux")]
#[test]
fn no_adapter() {
    let nothing = "/nonexistent.json";
    elsewhere("without_drivers", &[("VK_DRIVER_FILES", nothing), ("VK_ICD_FILENAMES", nothing)]);
}

#[test]
#[ignore = "runs in a process of its own, started by no_adapter"]
fn without_drivers() {
    assert_eq!(Gpu::adapters().unwrap(), []);
    let error = message(&Gpu::open(&GpuOptions::default()).unwrap_err());
    assert!(error.contains("there is no adapter"), "{error}");
    auto_goes_on();
}

#[test]
fn variables_choose_the_adapter() {
    if adapter::open(&GpuOptions::default()).is_some() {
        elsewhere("with_a_wrong_name", &[("WGPU_ADAPTER_NAME", "no such card")]);
        elsewhere("with_a_wrong_backend", &[("WGPU_BACKEND", "vulcan")]);
    }
}

#[test]
#[ignore = "runs in a process of its own, started by variables_choose_the_adapter"]
fn with_a_wrong_name() {
    let error = message(&Gpu::open(&GpuOptions::default()).unwrap_err());
    assert!(error.contains("`no such card`"), "{error}");
    // What is asked for in the call comes first.
    Gpu::open(&GpuOptions::default().adapter("")).unwrap();
    auto_goes_on();
}

#[test]
#[ignore = "runs in a process of its own, started by variables_choose_the_adapter"]
fn with_a_wrong_backend() {
    assert!(message(&Gpu::adapters().unwrap_err()).contains("`vulcan`"));
    assert!(message(&Gpu::open(&GpuOptions::default()).unwrap_err()).contains("`vulcan`"));
    auto_goes_on();
}

/// Every allocation fails once, as the budget rises past one after the other.
#[test]
fn out_of_memory_at_every_allocation() {
    let Some(_) = adapter::open(&GpuOptions::default()) else { return };
    let mut failed = Vec::new();
    let mut budget = 0;
    loop {
        let engine = Gpu::open(&GpuOptions::default().staged().memory_budget(budget)).unwrap();
        match mark(&engine, 300, 400) {
            Ok(()) => break,
            Err(error) => {
                let message = message(&error);
                let (before, name) = message.split_once(" bytes for ").unwrap_or_else(|| panic!("{message}"));
                failed.push(name.split(" beside ").next().unwrap().to_owned());
                assert!(message.contains("out of device memory"), "{message}");
                // Nothing is kept after an error, and the next try meets the same end.
                assert_eq!(engine.memory_held(), 0, "{message}");
                mark(&engine, 300, 400).unwrap_err();
                mark(&engine, 1, 1).err().map(|error| self::message(&error));
                // The next budget has just enough for this one.
                let (_, held) = name.split_once(" beside the ").unwrap();
                let number = |text: &str| text.split(' ').next_back().unwrap().parse::<u64>().unwrap();
                let needed = number(before) + number(held.split(' ').next().unwrap());
                assert!(needed > budget, "{needed} bytes did not fit into {budget}");
                budget = needed;
            }
        }
    }
    failed.dedup();
    let expected = [
        "labels",
        "uploads",
        "parameters",
        "bits",
        "counts",
        "starts of lines",
        "groups of lines",
        "starts on the host",
        "events",
        "events on the host",
    ];
    for name in expected {
        assert!(failed.iter().any(|failed| failed == name), "{name} never failed: {failed:?}");
    }
}

/// A mask many times larger than what may be held on the device.
#[test]
fn masks_larger_than_the_budget() {
    let options = GpuOptions::default().strip_bytes(256 << 10).memory_budget(4 << 20);
    let Some(engine) = adapter::open(&options) else { return };
    mark(&engine, 4000, 3000).unwrap();
    assert!(engine.memory_held() <= 4 << 20);
}

#[test]
fn limits_too_small_for_a_pixel() {
    let Some(engine) = adapter::open(&GpuOptions::default().strip_bytes(16)) else { return };
    let error = message(&mark(&engine, 3, 3).unwrap_err());
    assert!(error.contains("no room for one pixel"), "{error}");
    message(&engine.strip_rows(3, runmask::Dtype::U16).unwrap_err());
}

#[test]
fn a_lost_device_is_an_error_from_then_on() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    mark(&engine, 100, 100).unwrap();
    engine.device().destroy();
    for _ in 0..3 {
        let error = message(&mark(&engine, 100, 100).unwrap_err());
        assert!(error.contains("lost"), "{error}");
    }
}

/// The device is destroyed while other threads work with it.
#[test]
fn a_device_lost_in_the_middle() {
    for delay in [0, 1, 3, 10, 30] {
        let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
        let engine = &engine;
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        loop {
                            if let Err(error) = mark(engine, 500, 500) {
                                return message(&error);
                            }
                        }
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(delay));
            engine.device().destroy();
            for worker in workers {
                let error = worker.join().unwrap();
                assert!(!error.is_empty());
            }
        });
        assert_eq!(engine.memory_held(), 0);
    }
}

/// Every device comes from one instance of the drivers; some drivers cannot be loaded more than some thirty times.
#[test]
fn devices_are_opened_again_and_again() {
    let Some(_) = adapter::open(&GpuOptions::default()) else { return };
    for round in 0..64 {
        let engine = Gpu::open(&GpuOptions::default()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(!Gpu::adapters().unwrap().is_empty(), "round {round}");
        if round % 16 == 0 {
            mark(&engine, 100, 100).unwrap();
        }
    }
}

/// Device memory and the process stay as large as the largest mask made them. Other tests open devices at the same time,
/// each of which takes tens of megabytes on some drivers.
#[test]
fn memory_stays_flat() {
    if adapter::open(&GpuOptions::default()).is_some() {
        elsewhere("memory_stays_flat_alone", &[]);
    }
}

#[test]
#[ignore = "runs in a process of its own, started by memory_stays_flat"]
fn memory_stays_flat_alone() {
    for options in [GpuOptions::default(), GpuOptions::default().staged()] {
        let Some(engine) = adapter::open(&options) else { return };
        memory_stays_flat_on(&engine);
    }
}

fn memory_stays_flat_on(engine: &Gpu) {
    let sizes: Vec<(u32, u32)> = (0..50).map(|i| (1 + i * 7919 % 400, 1 + i * 104_729 % 500)).collect();
    let round = || {
        for &(height, width) in &sizes {
            mark(engine, height, width).unwrap();
        }
    };
    (0..4).for_each(|_| round());
    let (held, resident) = (engine.memory_held(), resident_bytes());
    (0..16).for_each(|_| round());
    assert_eq!(engine.memory_held(), held);
    if let (Some(before), Some(after)) = (resident, resident_bytes()) {
        assert!(after < before + (24 << 20), "{before} bytes before, {after} after");
    }
}

/// Memory of this process that is in use, where the system tells.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}
