//! `engines`: what this machine can mark boundaries with.

use runmask::{Engine, Result, SimdLevel};
use serde::Serialize;

use crate::args::Engines;
use crate::exit::Status;

/// One engine of the list.
#[derive(Serialize)]
struct Entry {
    engine: &'static str,
    available: bool,
    /// SIMD levels or GPU adapters, the one that is taken first.
    variants: Vec<String>,
    /// Why the engine is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) fn run(args: &Engines) -> Result<Status> {
    let simd = SimdLevel::all().into_iter().rev().map(|level| level.name().to_owned()).collect();
    let entries = [
        Entry { engine: Engine::Scalar.name(), available: true, variants: Vec::new(), reason: None },
        Entry { engine: Engine::Simd.name(), available: true, variants: simd, reason: None },
        gpu(),
    ];
    let automatic = runmask::Encoder::builder().build()?.engine_info();
    if args.json {
        #[derive(Serialize)]
        struct Report {
            auto: &'static str,
            engines: [Entry; 3],
        }
        super::print_json(&Report { auto: automatic.engine.name(), engines: entries })?;
        return Ok(Status::Done);
    }
    let mut text = format!("auto    uses {automatic}\n");
    for entry in &entries {
        let what = match &entry.reason {
            Some(reason) => format!("missing: {reason}"),
            None if entry.variants.is_empty() => "the reference, for checks".into(),
            None => entry.variants.join(", "),
        };
        text.push_str(&format!("{:7} {what}\n", entry.engine));
    }
    super::print(&text)?;
    Ok(Status::Done)
}

#[cfg(feature = "gpu")]
fn gpu() -> Entry {
    let (adapters, reason) = match runmask::gpu::Gpu::adapters() {
        Ok(adapters) if adapters.is_empty() => {
            (Vec::new(), Some("no adapter: no Vulkan, Metal or DX12 driver was found".into()))
        }
        Ok(adapters) => (adapters.iter().map(ToString::to_string).collect(), None),
        Err(error) => (Vec::new(), Some(crate::exit::chain(&error))),
    };
    Entry { engine: Engine::Gpu.name(), available: reason.is_none(), variants: adapters, reason }
}

#[cfg(not(feature = "gpu"))]
fn gpu() -> Entry {
    let reason = Some("this program was built without the feature `gpu`".into());
    Entry { engine: Engine::Gpu.name(), available: false, variants: Vec::new(), reason }
}
