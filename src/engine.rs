//! Engines: who marks the boundaries.
//!
//! The only place that dispatches. Gets a [`Strip`] and an engine; gives its boundaries.

use std::fmt;
use std::str::FromStr;

use fearless_simd::Level;

use crate::boundary::{Boundaries, scalar, simd};
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::mask::Label;
use crate::names::{self, names};
use crate::spare::Spare;
use crate::strip::Strip;

/// A choice of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Engine {
    /// The fastest as measured; falls back to another when one is missing or fails.
    #[default]
    Auto,
    /// The definition: one pixel after the other. For checking, not for speed.
    Scalar,
    /// The processor's vector instructions.
    Simd,
    /// Compute shaders through wgpu.
    Gpu,
}

names! { "an engine", Engine { Auto => "auto", Scalar => "scalar", Simd => "simd", Gpu => "gpu" } }

/// A SIMD level of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SimdLevel(pub(crate) Level);

impl SimdLevel {
    /// The best level of this machine.
    pub fn best() -> Self {
        Self(Level::new())
    }

    /// Every level of this machine, the portable fallback first, the best last.
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Self(Level::fallback())];
        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            levels.extend(best.as_sse2().map(|level| Self(Level::Sse2(level))));
            levels.extend(best.as_sse4_2().map(|level| Self(Level::Sse4_2(level))));
            levels.extend(best.as_avx2().map(|level| Self(Level::Avx2(level))));
            levels.extend(best.as_avx512().map(|level| Self(Level::Avx512(level))));
        }
        #[cfg(target_arch = "aarch64")]
        levels.extend(best.as_neon().map(|level| Self(Level::Neon(level))));
        levels
    }

    /// `fallback`, `sse2`, `sse4.2`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse2(_) => "sse2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse4_2(_) => "sse4.2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(_) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
            _ => "fallback",
        }
    }
}

impl PartialEq for SimdLevel {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for SimdLevel {}

impl fmt::Display for SimdLevel {
    /// Writes the name, as [`SimdLevel::name`] gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SimdLevel {
    type Err = Error;

    /// The level of this name; an [`Error::Argument`] that lists the levels of this machine when it is none of them.
    fn from_str(text: &str) -> Result<Self> {
        names::find("a SIMD level of this machine", text, &Self::all(), Self::name)
    }
}

/// An engine ready to mark strips.
#[derive(Debug)]
pub(crate) enum Marker {
    Scalar,
    Simd(SimdLevel),
    #[cfg(feature = "gpu")]
    Gpu(Box<Gpu>),
}

impl Marker {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Scalar => Engine::Scalar,
            Self::Simd(_) => Engine::Simd,
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => Engine::Gpu,
        }
    }

    pub(crate) fn mark<T: Label>(&self, strip: Strip<'_, T>, spare: &Spare) -> Result<Boundaries<T>> {
        match self {
            Self::Scalar => Ok(scalar::mark(strip)),
            Self::Simd(level) => {
                let mut workspace = spare.take();
                let marked = simd::mark_with(*level, strip, &mut workspace, spare.take());
                spare.give(workspace);
                Ok(marked)
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => crate::boundary::gpu::mark(gpu, strip),
        }
    }
}

#[cfg_attr(feature = "gpu", expect(dead_code, reason = "only used where the gpu engine is left out"))]
pub(crate) fn missing_gpu() -> Error {
    Error::Engine { engine: "gpu", message: "this build of the library has no gpu engine (feature `gpu`)".into() }
}
