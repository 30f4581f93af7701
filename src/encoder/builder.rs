//! Chooses how an encoder works, and opens it.

use std::fmt;

use super::Encoder;
use super::spare::Spare;
use crate::engine::{Engine, EngineOptions, Opened};
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::GpuOptions;
use crate::lanes::SimdLevel;
use crate::shape::ScanOrder;

/// Chooses how an [`Encoder`] works.
///
/// ```
/// use runmask::{Encoder, Engine, ScanOrder};
/// let encoder = Encoder::builder()
///     .engine(Engine::Simd)
///     .order(ScanOrder::RowMajor)
///     .background(None)
///     .threads(1)
///     .build()?;
/// assert_eq!(encoder.threads(), 1);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct EncoderBuilder {
    engine: Engine,
    options: EngineOptions,
    order: ScanOrder,
    background: Background,
    threads: Option<usize>,
    strip_rows: Option<u32>,
    memory: Option<u64>,
}

/// The label that has no runs of its own; 0 unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Background(Option<u64>);

impl Default for Background {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl fmt::Debug for EncoderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncoderBuilder")
            .field("engine", &self.engine)
            .field("order", &self.order)
            .field("background", &self.background.0)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl EncoderBuilder {
    /// Which engine marks; [`Engine::Auto`] unless set. A named engine is never replaced by another.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Which SIMD level the simd engine uses; the best of the machine unless set.
    pub fn simd_level(mut self, level: SimdLevel) -> Self {
        self.options.level = Some(level);
        self
    }

    /// The order in which pixels are numbered; column-major unless set.
    pub fn order(mut self, order: ScanOrder) -> Self {
        self.order = order;
        self
    }

    /// The label without runs of its own, or `None` for runs of every label; 0 unless set.
    pub fn background(mut self, background: Option<u64>) -> Self {
        self.background = Background(background);
        self
    }

    /// How many threads work; all of the machine's (or of the surrounding rayon pool) unless set.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Rows of memory in a strip, at least 1; chosen from the mask unless set. The result does not depend on it.
    pub fn strip_rows(mut self, rows: u32) -> Self {
        self.strip_rows = Some(rows.max(1));
        self
    }

    /// Bytes that the rows, boundaries and runs of a source may take, all that they need on the way included, but not what
    /// the source itself takes ([`OpenOptions::memory`](crate::source::OpenOptions::memory)).
    ///
    /// Unless set, 200 MiB and 32 bytes for each byte that the mask takes where it is stored: a file of few bytes that
    /// claims to be huge is not served with memory that the machine may not have. Masks whose stored bytes are not known
    /// ([`Source::stored_bytes`](crate::source::Source::stored_bytes)) may take any. More ends in [`Error::Memory`]
    /// before it is taken.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// How the gpu engine opens its device.
    #[cfg(feature = "gpu")]
    pub fn gpu(mut self, options: GpuOptions) -> Self {
        self.options.gpu = options;
        self
    }

    /// Opens the engine; an error when a named one is missing.
    pub fn build(self) -> Result<Encoder> {
        let opened = Opened::new(self.engine, &self.options)?;
        let pool = match self.threads {
            None => None,
            Some(threads) => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads.max(1))
                    .build()
                    .map_err(|error| Error::Engine { engine: self.engine.name(), message: error.to_string() })?,
            ),
        };
        Ok(Encoder {
            opened,
            pool,
            order: self.order,
            background: self.background.0,
            strip_rows: self.strip_rows,
            memory: self.memory,
            spare: Spare::default(),
        })
    }
}
