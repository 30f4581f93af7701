//! Masks in files of several tiles or chunks, read as an encoder reads them: as a whole, and in bands that are merged. Zarr stores
//! are those of `stores.rs` and those that the library writes; the other files are the library's.

use std::io::Cursor;
use std::ops::ControlFlow;

use runmask::sink::{self, Compression, CreateOptions, MaskFormat, OmeVersion};
use runmask::source::{self, OpenOptions, RawLayout, Source};
use runmask::{Encoder, Error, Label, LabelRuns};

use crate::draw::{Drawn, Numbers};
use crate::engines::{ORDERS, Worker, background, merged, told};
use crate::ledger::Totals;
use crate::{quick, stores};

/// Pixels of a mask that is written by plain code, at most.
const PLAIN: usize = 1 << 19;
/// Pixels of a mask that is written by the library, at most.
const MOST: usize = 1 << 22;
/// Pixels of a mask that is written in each of these ways; of larger ones some are.
const SMALL: usize = 1 << 13;

/// Bytes of memory that are enough for any of these masks, however wide it is.
const PLENTY: u64 = 1 << 36;

/// Opens a file with some options.
type Open<'a> = dyn Fn(OpenOptions) -> runmask::Result<Box<dyn Source>> + Sync + 'a;

/// Writes and reads a mask in some of the ways there are.
pub(crate) fn mask<T: Label>(
    worker: &Worker,
    numbers: &mut Numbers,
    drawn: &Drawn<T>,
    totals: &mut Totals,
) -> Result<(), String> {
    let count = drawn.pixels.len();
    if count == 0 || count > MOST {
        return Ok(());
    }
    let file = File { worker, drawn };
    let some = |numbers: &mut Numbers, odds| numbers.once_in(if count <= SMALL { 1 } else { odds });
    if count <= PLAIN && some(numbers, 3) {
        let (zip, about) = stores::store(numbers, drawn)?;
        let open = |options: OpenOptions| source::from_bytes(zip.clone(), "a store", &options);
        let read = file.read(numbers, &open);
        if read.map_err(|text| format!("{about}: {text}"))? {
            totals.add("zarr stores", count);
        }
    }
    if some(numbers, 3) {
        file.written(numbers, totals)?;
    }
    if numbers.once_in(8) {
        file.own_store(numbers, totals)?;
    }
    Ok(())
}

struct File<'a, T> {
    worker: &'a Worker,
    drawn: &'a Drawn<T>,
}

impl<T: Label> File<'_, T> {
    fn write(&self, numbers: &mut Numbers, mut sink: Box<dyn sink::Sink + '_>) -> runmask::Result<()> {
        let width = self.drawn.shape.width as usize;
        let rows = numbers.log_between(1, self.drawn.shape.height) as usize;
        self.drawn.pixels.chunks(rows * width).try_for_each(|rows| sink.write_rows(bytemuck::cast_slice(rows)))?;
        sink.finish()
    }

    /// Written in a format of mask files, and read.
    fn written(&self, numbers: &mut Numbers, totals: &mut Totals) -> Result<(), String> {
        let mut formats = vec![MaskFormat::Tiff, MaskFormat::Tiff, MaskFormat::Raw];
        if cfg!(feature = "npy") {
            formats.push(MaskFormat::Npy);
        }
        if cfg!(feature = "image") && T::DTYPE.bytes() <= 2 {
            formats.push(MaskFormat::Png);
        }
        let format = numbers.pick(&formats);
        let shape = self.drawn.shape;
        let options = CreateOptions::new().memory(PLENTY);
        let options = options.compression(numbers.pick(Compression::ALL)).pyramid(numbers.once_in(4));
        let mut file = Cursor::new(Vec::new());
        let what = format!("a {format} file");
        let sink = sink::to_writer(&mut file, format, shape, T::DTYPE, &options).map_err(told(&what))?;
        self.write(numbers, sink).map_err(told(&what))?;
        let raw = (format == MaskFormat::Raw).then_some(RawLayout { dtype: T::DTYPE, shape });
        let bytes = file.into_inner();
        let open = |options: OpenOptions| source::from_bytes(bytes.clone(), "a file in memory", &options.raw(raw));
        if self.read(numbers, &open).map_err(|text| format!("{what}: {text}"))? {
            totals.add("mask files", self.drawn.pixels.len());
        }
        Ok(())
    }

    /// Written as an OME-Zarr store by the library, and read; its smaller levels too.
    fn own_store(&self, numbers: &mut Numbers, totals: &mut Totals) -> Result<(), String> {
        let what = "a store of the library's";
        let folder = tempfile::tempdir().map_err(|error| format!("{what}: {error}"))?;
        let path = folder.path().join("mask.zarr");
        let shape = self.drawn.shape;
        let version = numbers.pick(&[OmeVersion::V04, OmeVersion::V05, OmeVersion::V05]);
        let row_bytes = u64::from(shape.width) * T::DTYPE.bytes() as u64;
        // Low chunks, where there is little memory.
        let little = row_bytes * u64::from(numbers.log_between(64, 4096));
        let memory = numbers.pick(&[PLENTY, little]);
        let shards = version == OmeVersion::V05 && numbers.once_in(2);
        let options = CreateOptions::new().ome_version(version).shards(shards).memory(memory);
        let sink = sink::create(&path, shape, T::DTYPE, &options).map_err(told(what))?;
        self.write(numbers, sink).map_err(told(what))?;
        let open = |options: OpenOptions| source::open(&path, &options);
        if self.read(numbers, &open).map_err(|text| format!("{what}, {options:?}: {text}"))? {
            totals.add("zarr stores", self.drawn.pixels.len());
        }
        for level in 1.. {
            let step = 1_usize << level;
            if shape.height.max(shape.width).div_ceil(step as u32 / 2) <= 1024 {
                break;
            }
            let what = format!("level {level} of {what}");
            let mut source = open(OpenOptions::new().level(level)).map_err(told(&what))?;
            let width = shape.width as usize;
            let expected: Vec<T> = (self.drawn.pixels.chunks(width).step_by(step))
                .flat_map(|row| row.iter().step_by(step).copied())
                .collect();
            if let Some(difference) = self.differs(numbers, &mut *source, &expected).map_err(told(&what))? {
                return Err(format!("{what}: {difference}"));
            }
            totals.add("zarr stores", expected.len());
        }
        Ok(())
    }

    /// Read as runs, in bands, and as rows; `false` where there was too little memory for it.
    fn read(&self, numbers: &mut Numbers, open: &Open<'_>) -> Result<bool, String> {
        let Drawn { shape, pixels, .. } = self.drawn;
        let (order, background) = (numbers.pick(&ORDERS), background(numbers, self.drawn));
        let expected = quick::runs(pixels, *shape, order, background).map_err(told("the expected runs"))?;
        let memory = numbers.pick(&[4 << 20, OpenOptions::DEFAULT_MEMORY, PLENTY]);
        let little = memory < PLENTY;
        let options = OpenOptions::new().memory(memory);
        let mut encoder = Encoder::builder().order(order).background(background);
        if numbers.once_in(2) {
            encoder = encoder.strip_rows(numbers.log_between(1, shape.height));
        }
        // A file of few bytes justifies only so much memory, which masks of many labels may go beyond, unless it is given.
        let given = !numbers.once_in(3);
        if given {
            encoder = encoder.memory(PLENTY);
        }
        let little = little || !given;
        let encoder = encoder.build().map_err(told("an encoder"))?;
        let count = expected.run_count();
        let how = format!("{order}, background {background:?}, memory may be too little: {little}");
        let (threads, found) = self.worker.on_threads(numbers, count, || {
            open(options.clone()).and_then(|mut source| encoder.encode_source(&mut *source))
        });
        let Some(found) = enough(found, little).map_err(told(&how))? else { return Ok(false) };
        if found != expected {
            return Err(format!("{how}, {threads} threads: not the runs that the pixels say"));
        }
        let tall = shape.height.div_ceil(numbers.between(1, 5));
        let packed = numbers.once_in(2);
        let (threads, found) = self.worker.on_threads(numbers, count, || {
            let band = |first: u32| {
                let rows = first..(first + tall).min(shape.height);
                let mut source = open(options.clone().rows(rows))?;
                encoder.encode_source_block(&mut *source, (first, 0), *shape, &mut |_| ControlFlow::Continue(()))
            };
            let parts: Vec<LabelRuns> =
                (0..shape.height).step_by(tall as usize).map(band).collect::<runmask::Result<_>>()?;
            merged(&parts, packed)
        });
        let Some(found) = enough(found, little).map_err(told(&how))? else { return Ok(false) };
        if found != expected {
            return Err(format!("{how}, bands of {tall} rows, packed: {packed}, {threads} threads: other runs"));
        }
        let rows = open(options).and_then(|mut source| self.differs(numbers, &mut *source, pixels));
        match enough(rows, little).map_err(told(&how))? {
            Some(Some(difference)) => Err(format!("{how}: {difference}")),
            rows => Ok(rows.is_some()),
        }
    }

    /// Where the rows of a source, read some at a time, are not these pixels.
    fn differs(
        &self,
        numbers: &mut Numbers,
        source: &mut dyn Source,
        expected: &[T],
    ) -> runmask::Result<Option<String>> {
        let (shape, dtype) = (source.shape(), source.dtype());
        if dtype != T::DTYPE || shape.pixels() != expected.len() as u64 {
            return Ok(Some(format!("a mask of {dtype} and {shape}")));
        }
        let rows = numbers.log_between(1, shape.height) as usize;
        let bytes: &[u8] = bytemuck::cast_slice(expected);
        let together = rows * shape.width as usize * dtype.bytes();
        let mut found = vec![0xa5; together];
        for (piece, expected) in bytes.chunks(together).enumerate() {
            let found = &mut found[..expected.len()];
            source.read_rows(found)?;
            if found != expected {
                return Ok(Some(format!("{rows} rows from row {}: other pixels", piece * rows)));
            }
        }
        Ok(None)
    }
}

/// The answer, or nothing where the memory was meant to be too little for some masks, and was.
fn enough<R>(answer: runmask::Result<R>, little: bool) -> runmask::Result<Option<R>> {
    match answer {
        Err(Error::Memory { .. } | Error::LimitExceeded { .. }) if little => Ok(None),
        answer => answer.map(Some),
    }
}
