//! Engines: which one marks the boundaries.
//!
//! Gets a choice of engine and what was asked of it; gives the engine, opened; guarantees that a named engine is never
//! replaced by another. This is the only place that knows which engines there are: what else depends on an engine, the
//! engine says of itself as a [`Marker`]. A further engine is a file and an arm in [`Opened::new`].

use std::fmt;

use crate::boundary::Marker;
use crate::boundary::scalar::ScalarEngine;
use crate::boundary::simd::SimdEngine;
#[cfg(not(feature = "gpu"))]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Gpu, GpuOptions};
use crate::lanes::SimdLevel;
use crate::names::names;

/// A choice of engine.
///
/// All engines give the same runs; they differ in speed and in what they need.
///
/// ```
/// use runmask::{Encoder, Engine, LabelMask, Shape};
/// let pixels = [0u16, 7, 7, 0, 7, 0];
/// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
/// let fastest = Encoder::builder().engine("auto".parse()?).build()?;
/// assert_eq!(fastest.engine_info().engine, Engine::Simd);
/// let scalar = Encoder::builder().engine(Engine::Scalar).build()?;
/// assert_eq!(fastest.encode(&mask)?, scalar.encode(&mask)?);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Engine {
    /// The fastest as measured for masks in host memory, which is [`Engine::Simd`] on every machine.
    #[default]
    Auto,
    /// The definition: one pixel after the other. For checking, not for speed.
    Scalar,
    /// The processor's vector instructions. Every machine has this engine, if only at the level `fallback`.
    Simd,
    /// Compute shaders through wgpu. An error where the library was built without the feature `gpu`, and where no adapter
    /// can be opened.
    Gpu,
}

names! { "an engine", Engine { Auto => "auto", Scalar => "scalar", Simd => "simd", Gpu => "gpu" } }

/// What is asked of an engine beside its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineOptions {
    /// The level of the simd engine; the best of the machine unless set.
    pub(crate) level: Option<SimdLevel>,
    /// How the gpu engine opens its device.
    #[cfg(feature = "gpu")]
    pub(crate) gpu: GpuOptions,
}

/// An engine that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    engine: Engine,
    pub(crate) marker: Box<dyn Marker>,
}

impl Opened {
    pub(crate) fn new(engine: Engine, options: &EngineOptions) -> Result<Self> {
        let (engine, marker): (Engine, Box<dyn Marker>) = match engine {
            Engine::Scalar => (engine, Box::new(ScalarEngine)),
            // A mask in host memory has to cross a bus to reach a GPU, which takes longer than marking it here.
            Engine::Auto | Engine::Simd => {
                (Engine::Simd, Box::new(SimdEngine::new(options.level.unwrap_or_else(SimdLevel::best))))
            }
            #[cfg(feature = "gpu")]
            Engine::Gpu => (engine, Box::new(Gpu::open(&options.gpu)?)),
            #[cfg(not(feature = "gpu"))]
            Engine::Gpu => {
                let message = "this build of the library has no gpu engine (feature `gpu`)".into();
                return Err(Error::Engine { engine: "gpu", message });
            }
        };
        Ok(Self { engine, marker })
    }

    pub(crate) fn info(&self) -> EngineInfo {
        EngineInfo { engine: self.engine, detail: self.marker.detail() }
    }
}

/// Which engine works, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineInfo {
    /// The engine; never [`Engine::Auto`].
    pub engine: Engine,
    /// The SIMD level or the name of the GPU adapter; empty for the scalar engine.
    pub detail: String,
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.engine)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}
