//! `bench`: the keys that other programs read, and an answer that is checked.

use crate::{Folder, json};

#[test]
fn the_report_has_every_key() {
    let folder = Folder::new();
    folder.ok("synth cells --height 300 --width 400 -o mask.npy");
    for (options, engine) in [
        ("--engine simd -j 1", "simd"),
        ("--engine scalar -j 2", "scalar"),
        ("", "simd"),
        ("--layout column", "simd"),
        ("--order row", "simd"),
    ] {
        let report = json(&folder.ok(&format!("bench mask.npy --json --samples 3 {options}")));
        assert_eq!((&report["height"], &report["width"], &report["dtype"]), (&300.into(), &400.into(), &"u32".into()));
        assert_eq!(report["engine"], engine);
        assert_eq!(report["level"].is_string(), engine == "simd");
        assert_eq!(report["samples"], 3);
        let facts = json(&folder.ok("info mask.npy --json"));
        assert_eq!(report["labels"], facts["labels"]);
        if options != "--order row" {
            assert_eq!(report["runs"], facts["runs"], "{options}");
        }
        assert!(report["threads"].as_u64() >= Some(1));
        for key in ["encode_s", "read_sweep_s", "decode_s", "fill_s", "write_s"] {
            assert!(report[key].as_f64() > Some(0.0), "{key}: {report}");
        }
        assert!(
            report["stages"]["mark_s"].as_f64() > Some(0.0) && report["stages"]["compaction_s"].as_f64() > Some(0.0)
        );
    }
    let threads = json(&folder.ok("bench mask.npy --json --samples 1 -j 3"));
    assert_eq!(threads["threads"], 3);
}

#[test]
fn a_person_gets_a_table_and_needs_no_mask() {
    let folder = Folder::new();
    let text = folder.ok("bench --synth noise --height 100 --width 100 --samples 3");
    for part in ["synthetic noise", "read sweep", "encode", "mark", "compaction", "fill", "decode", "x fill"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    folder.fails_with("bench --resident", &["--engine gpu"]);
    folder.fails_with("bench missing.npy", &["missing.npy"]);
}

#[cfg(feature = "gpu")]
#[test]
fn the_gpu_engine_adds_its_figures() {
    let folder = Folder::new();
    let report = json(&folder.ok("engines --json"));
    let gpu = &report["engines"][2];
    if gpu["available"] == false {
        let required = std::env::var_os("RUNMASK_TEST_GPU").is_some_and(|value| value == "require");
        assert!(!required, "RUNMASK_TEST_GPU=require, but {gpu}");
        eprintln!("NOT TESTED: no adapter for the gpu engine ({gpu})");
        return;
    }
    for options in ["", "--resident"] {
        let words = format!("bench --synth cells --height 200 --width 300 --engine gpu --json --samples 2 {options}");
        let report = json(&folder.ok(&words));
        assert_eq!(report["engine"], "gpu");
        assert!(report["adapter"].as_str().is_some_and(|name| !name.is_empty()), "{report}");
        for key in ["bytes_per_pixel", "copy_rate", "encode_s"] {
            assert!(report[key].as_f64() > Some(0.0), "{key}: {report}");
        }
        assert!(report.get("kernel_s").is_some() && report.get("share_of_copy_rate").is_some(), "{report}");
        if !report["kernel_s"].is_null() {
            let kernels = report["kernel_s"].as_object().unwrap();
            let parts: f64 =
                ["mark", "column_scan", "scatter"].map(|kernel| kernels[kernel].as_f64().unwrap()).iter().sum();
            assert!((kernels["sum"].as_f64().unwrap() - parts).abs() < 1e-6, "{report}");
        }
        assert_eq!(report["resident"], !options.is_empty());
    }
}
