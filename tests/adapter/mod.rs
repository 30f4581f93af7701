//! The adapter that tests of the gpu engine run on.

use super::{Gpu, GpuOptions};

/// A device, as `RUNMASK_TEST_GPU` wishes: `off` gives none, `auto` (unset) one when there is an adapter, and says loudly
/// when there is none, `require` panics without one.
pub(crate) fn open(options: &GpuOptions) -> Option<Gpu> {
    let wish = std::env::var("RUNMASK_TEST_GPU").unwrap_or_else(|_| "auto".into());
    match wish.as_str() {
        "off" => {
            eprintln!("RUNMASK_TEST_GPU=off: THIS TEST OF THE GPU ENGINE DID NOT RUN");
            None
        }
        "auto" if Gpu::adapters().expect("adapters can be listed").is_empty() => {
            eprintln!("THERE IS NO ADAPTER: THIS TEST OF THE GPU ENGINE DID NOT RUN");
            None
        }
        "auto" | "require" => Some(Gpu::open(options).expect("the adapter opens")),
        other => panic!("RUNMASK_TEST_GPU is `{other}`: off, auto or require"),
    }
}
