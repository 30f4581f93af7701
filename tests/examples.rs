//! The examples run, and do what they say.

#![cfg(feature = "gpu")]

#[path = "../examples/gpu_resident.rs"]
mod gpu_resident;

use runmask::gpu::{Gpu, GpuOptions};

mod adapter;

#[test]
fn a_mask_that_never_leaves_the_gpu() {
    if adapter::open(&GpuOptions::default()).is_some() {
        gpu_resident::main().unwrap();
    }
}
