//! One drawn mask through every engine and level of the processor, cut in many ways, and back.

use std::ops::{ControlFlow, Range};

use rayon::ThreadPool;
use runmask::source::{Repeat, Source, TakeBlock};
use runmask::{Decoder, Dtype, Encoder, Engine, Label, LabelMask, LabelRuns, ScanOrder, Shape, SimdLevel};

use crate::draw::{self, Drawn, Laid, Numbers, of_any_type};
#[cfg(feature = "zarr")]
use crate::files;
use crate::ledger::Totals;
use crate::{oracle, quick, small};

/// Pixels of a mask that is compared with the definition too, at most.
const DEFINITION: usize = 20_000;
/// Bytes of a huge mask, at most.
const HUGE_BYTES: u64 = 200 << 20;

pub(crate) const ORDERS: [ScanOrder; 2] = [ScanOrder::ColumnMajor, ScanOrder::RowMajor];

/// What a thread of the soak keeps from mask to mask.
pub(crate) struct Worker {
    /// Threads for encoders and decoders that work on several.
    pools: Vec<ThreadPool>,
    levels: Vec<SimdLevel>,
    /// Encoders that keep their memory from mask to mask, one for each of [`ORDERS`].
    kept: Vec<Encoder>,
}

/// Text for an error that the library gave where there should be none.
pub(crate) fn told(what: &str) -> impl Fn(runmask::Error) -> String + '_ {
    move |error| format!("{what}: {error}")
}

impl Worker {
    pub(crate) fn new() -> Result<Self, String> {
        let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pools = [2, 3, 8].map(pool).into_iter().collect::<Result<_, _>>();
        let kept = ORDERS.map(|order| Encoder::builder().order(order).build()).into_iter().collect::<Result<_, _>>();
        Ok(Self {
            pools: pools.map_err(|error| error.to_string())?,
            levels: SimdLevel::all(),
            kept: kept.map_err(told("an encoder"))?,
        })
    }

    /// Does some work on one thread, the worker's own, or on several.
    pub(crate) fn on_threads<R: Send>(
        &self,
        numbers: &mut Numbers,
        pixels: usize,
        work: impl FnOnce() -> R + Send,
    ) -> (usize, R) {
        // To wake other threads takes longer than a tiny mask.
        let odds = if pixels < DEFINITION { 16 } else { 4 };
        match numbers.once_in(odds) {
            true => {
                let pool = &self.pools[numbers.below(self.pools.len() as u64) as usize];
                (pool.current_num_threads(), pool.install(work))
            }
            false => (1, work()),
        }
    }
}

/// Draws one mask and compares everything that is made of it.
pub(crate) fn mask(worker: &Worker, numbers: &mut Numbers) -> Result<Totals, String> {
    let most = match numbers.below(1000) {
        0 => HUGE_BYTES,
        1..40 => 1 << 24,
        40..300 => 1 << 21,
        _ => 1 << 14,
    };
    of_any_type!(numbers, of_type(worker, numbers, most))
}

fn of_type<T: Label>(worker: &Worker, numbers: &mut Numbers, most: u64) -> Result<Totals, String> {
    let drawn: Drawn<T> = draw::mask(numbers, most.min(HUGE_BYTES / T::DTYPE.bytes() as u64));
    let about = || format!("{} {} {}", drawn.content, T::DTYPE, drawn.shape);
    let mut totals = Totals::default();
    compare(worker, numbers, &drawn, &mut totals).map_err(|text| format!("{}: {text}", about()))?;
    if drawn.pixels.len() <= small::MOST_PIXELS {
        small::mask(numbers, &drawn, &mut totals).map_err(|text| format!("{}: {text}", about()))?;
    }
    #[cfg(feature = "zarr")]
    files::mask(worker, numbers, &drawn, &mut totals).map_err(|text| format!("{}: {text}", about()))?;
    Ok(totals)
}

/// A label that has no runs of its own: 0, none, one that occurs, or one that does not, which may be too large for the type.
pub(crate) fn background<T: Label>(numbers: &mut Numbers, drawn: &Drawn<T>) -> Option<u64> {
    match numbers.below(8) {
        0..4 => Some(0),
        4 => None,
        _ => Some(numbers.pick(&drawn.labels)),
    }
}

fn compare<T: Label>(
    worker: &Worker,
    numbers: &mut Numbers,
    drawn: &Drawn<T>,
    totals: &mut Totals,
) -> Result<(), String> {
    let (shape, count) = (drawn.shape, drawn.pixels.len());
    let plain = LabelMask::new(&drawn.pixels, shape).map_err(told("a mask"))?;
    let laid = Laid::sometimes(numbers, drawn, 1 << 22);
    let laid = match &laid {
        Some(laid) => Some((laid.name, laid.mask().map_err(told(laid.name))?)),
        None => None,
    };
    let mut decoded = vec![T::default(); count];
    let orders = if count > 1 << 24 { vec![numbers.pick(&ORDERS)] } else { ORDERS.to_vec() };
    for order in orders {
        let background = background(numbers, drawn);
        let expected = quick::runs(&drawn.pixels, shape, order, background).map_err(told("the expected runs"))?;
        if count <= DEFINITION {
            let mask = laid.map_or(plain, |(_, mask)| mask);
            if oracle::runs(&mask, order, background) != oracle::of(&expected) {
                return Err(format!("{order}, background {background:?}: the two oracles of this program differ"));
            }
            totals.add("definition", count);
        }
        let case = Case { worker, order, background, expected: &expected, shape };
        let views: Vec<_> = [("rows", plain)].into_iter().chain(laid).collect();
        for &level in &worker.levels {
            // The portable level takes several times as long as the others.
            let times = if level.name() == "fallback" { 1 } else { 4 };
            for _ in 0..times {
                let (layout, mask) = numbers.pick(&views);
                let name = format!("simd {level}");
                let builder = Encoder::builder().engine(Engine::Simd).simd_level(level);
                case.encode(numbers, builder, &name, layout, &mask)?;
                totals.add(&name, count);
            }
        }
        if count < 1 << 20 || numbers.once_in(4) {
            let (layout, mask) = numbers.pick(&views);
            case.encode(numbers, Encoder::builder().engine(Engine::Scalar), "scalar", layout, &mask)?;
            totals.add("scalar", count);
        }
        let kept = ORDERS.iter().zip(&worker.kept).find(|(kept, _)| **kept == order);
        if let (Some((_, encoder)), Some(0)) = (kept, background) {
            let (layout, mask) = numbers.pick(&views);
            let found = encoder.encode(&mask).map_err(told("kept"))?;
            case.same(&found, || format!("an encoder that keeps its memory, {layout}"))?;
            encoder.recycle(found);
            totals.add("simd kept", count);
        }
        let level = numbers.pick(&worker.levels);
        let builder = || Encoder::builder().engine(Engine::Simd).simd_level(level);
        case.stream(numbers, builder(), drawn)?;
        totals.add("streams", count);
        if count < 1 << 22 {
            case.blocks(numbers, builder(), &drawn.pixels)?;
            totals.add("blocks", count);
        }
        if count < 1 << 22 && case.decode_columns(numbers, drawn)? {
            totals.add("decode", count);
        }
        for _ in 0..4 {
            if case.decode(numbers, drawn, &mut decoded)? {
                totals.add("decode", count);
            }
        }
    }
    Ok(())
}

/// A mask, an order and a background, with the runs that there must be.
struct Case<'a> {
    worker: &'a Worker,
    order: ScanOrder,
    background: Option<u64>,
    expected: &'a LabelRuns,
    shape: Shape,
}

impl Case<'_> {
    fn settings(&self) -> String {
        format!("{}, background {:?}", self.order, self.background)
    }

    fn builder(&self, numbers: &mut Numbers, builder: runmask::EncoderBuilder) -> (runmask::EncoderBuilder, String) {
        let builder = builder.order(self.order).background(self.background);
        // Small strips of many pixels are slow, and no other code than small strips of few.
        let side = self.shape.height.max(self.shape.width).max(1);
        let least = if self.shape.pixels() < 1 << 16 { 1 } else { (side / 64).max(1) };
        match numbers.once_in(3) {
            true => (builder, "strips as the library likes".to_owned()),
            false => {
                let rows = numbers.log_between(least.min(side), side);
                (builder.strip_rows(rows), format!("strips of {rows} rows"))
            }
        }
    }

    fn same(&self, found: &LabelRuns, how: impl FnOnce() -> String) -> Result<(), String> {
        if found == self.expected {
            return Ok(());
        }
        let (runs, expected) = (found.runs(), self.expected.runs());
        let place = runs.iter().zip(expected).position(|(found, expected)| found != expected);
        let place = place.unwrap_or(runs.len().min(expected.len()));
        Err(format!(
            "{}, {}: {} labels and {} runs, expected {} and {}; run {place} is {:?}, expected {:?}",
            how(),
            self.settings(),
            found.labels().len(),
            runs.len(),
            self.expected.labels().len(),
            expected.len(),
            runs.get(place),
            expected.get(place),
        ))
    }

    fn encode<T: Label>(
        &self,
        numbers: &mut Numbers,
        builder: runmask::EncoderBuilder,
        name: &str,
        layout: &str,
        mask: &LabelMask<'_, T>,
    ) -> Result<(), String> {
        let (builder, strips) = self.builder(numbers, builder);
        let encoder = builder.build().map_err(told(name))?;
        let two_stages = numbers.once_in(4);
        let (threads, found) = self.worker.on_threads(numbers, self.expected.run_count(), || match two_stages {
            true => encoder.boundaries(mask).and_then(|boundaries| encoder.compact(&boundaries)),
            false => encoder.encode(mask),
        });
        let how = || format!("{name}, {layout}, {strips}, {threads} threads");
        self.same(&found.map_err(told(&how()))?, how)
    }

    /// The mask row by row from a source, as a file would come.
    fn stream<T: Label>(
        &self,
        numbers: &mut Numbers,
        builder: runmask::EncoderBuilder,
        drawn: &Drawn<T>,
    ) -> Result<(), String> {
        let (builder, strips) = self.builder(numbers, builder);
        let encoder = builder.build().map_err(told("a stream"))?;
        let band = numbers.log_between(1, drawn.shape.height.max(1));
        let panel = numbers.once_in(2).then(|| numbers.log_between(1, drawn.shape.width.max(1)));
        let mut source = Rows { pixels: &drawn.pixels, shape: drawn.shape, next: 0, band, panel };
        let (threads, found) =
            self.worker.on_threads(numbers, self.expected.run_count(), || encoder.encode_source(&mut source));
        let how = || format!("a stream in bands of {band}, {strips}, repeats of {panel:?} columns, {threads} threads");
        self.same(&found.map_err(told(&how()))?, how)
    }

    /// The mask in blocks, from memory or from a source, put together again as they are or packed.
    fn blocks<T: Label>(
        &self,
        numbers: &mut Numbers,
        builder: runmask::EncoderBuilder,
        pixels: &[T],
    ) -> Result<(), String> {
        let Shape { height, width } = self.shape;
        let (tall, wide) =
            (height.div_ceil(numbers.between(1, 4)).max(1), width.div_ceil(numbers.between(1, 4)).max(1));
        let encoder = self.builder(numbers, builder).0.build().map_err(told("blocks"))?;
        let mut parts = Vec::new();
        for row in (0..height).step_by(tall as usize) {
            for column in (0..width).step_by(wide as usize) {
                let block = Shape { height: tall.min(height - row), width: wide.min(width - column) };
                let origin = row as usize * width as usize + column as usize;
                let part = match numbers.once_in(2) {
                    true => {
                        let rows = pixels[origin..].chunks(width as usize).take(block.height as usize);
                        let pixels: Vec<T> = rows.flat_map(|row| &row[..block.width as usize]).copied().collect();
                        let band = numbers.log_between(1, block.height);
                        let mut source = Rows { pixels: &pixels, shape: block, next: 0, band, panel: None };
                        let go_on = &mut |_| ControlFlow::Continue(());
                        encoder.encode_source_block(&mut source, (row, column), self.shape, go_on)
                    }
                    false => LabelMask::with_strides(pixels, origin, block, width as isize, 1)
                        .and_then(|mask| encoder.encode_block(&mask, (row, column), self.shape)),
                };
                parts.push(part.map_err(told("a block"))?);
            }
        }
        // Nothing merged has no shape.
        if parts.is_empty() {
            return Ok(());
        }
        let packed = numbers.once_in(2);
        let (threads, merged) = self.worker.on_threads(numbers, self.expected.run_count(), || merged(&parts, packed));
        let how = || format!("blocks of {tall} x {wide}, packed: {packed}, {threads} threads");
        self.same(&merged.map_err(told(&how()))?, how)?;
        let unpacked = LabelRuns::unpack(&self.expected.pack()).map_err(told("unpacked"))?;
        self.same(&unpacked, || "packed and unpacked".to_owned())
    }

    /// The background to decode with: a label without runs, if there is one.
    fn decoded_background<T: Label>(&self) -> Option<u64> {
        let fits = |label: u64| label <= T::DTYPE.max() && self.expected.get(label).is_none();
        let free = || (0..=T::DTYPE.max()).rev().find(|&label| fits(label));
        self.background.filter(|&label| fits(label)).or_else(free)
    }

    /// Decodes column after column.
    fn decode_columns<T: Label>(&self, numbers: &mut Numbers, drawn: &Drawn<T>) -> Result<bool, String> {
        let Some(background) = self.decoded_background::<T>() else { return Ok(false) };
        let width = self.shape.width as usize;
        let column = |column: usize| drawn.pixels.get(column..).unwrap_or_default().iter().step_by(width);
        let columns = (0..width).flat_map(column);
        let expected: Vec<T> = columns.copied().collect();
        let rubbish = T::from_u64(numbers.next() & T::DTYPE.max()).unwrap_or_default();
        let mut decoded = vec![rubbish; expected.len()];
        let decoder =
            Decoder::new(self.expected, background).map_err(told("a decoder"))?.layout(ScanOrder::ColumnMajor);
        let (threads, answer) =
            self.worker.on_threads(numbers, self.expected.run_count(), || decoder.decode_into(&mut decoded));
        let how = || format!("decoded column after column on {threads} threads, {}", self.settings());
        answer.map_err(told(&how()))?;
        if decoded == expected { Ok(true) } else { Err(format!("{}: other pixels", how())) }
    }

    /// Decodes in one of the ways there are; `false` where the mask has no label left that could be the background.
    fn decode<T: Label>(&self, numbers: &mut Numbers, drawn: &Drawn<T>, decoded: &mut [T]) -> Result<bool, String> {
        let Some(background) = self.decoded_background::<T>() else { return Ok(false) };
        let decoder = Decoder::new(self.expected, background).map_err(told("a decoder"))?;
        let way = numbers.below(4);
        let rubbish = T::from_u64(numbers.next() & T::DTYPE.max()).unwrap_or_default();
        let (threads, answer) = self.worker.on_threads(numbers, self.expected.run_count(), || match way {
            0 => {
                decoded.fill(T::from_u64(background).unwrap_or_default());
                decoder.prefilled(true).decode_into(decoded)
            }
            1 => {
                let mut at = 0;
                decoder.decode_rows::<T>(|rows| {
                    decoded[at..at + rows.len()].copy_from_slice(rows);
                    at += rows.len();
                    Ok(())
                })?;
                // What was not given is not the mask.
                decoded[at..].fill(rubbish);
                Ok(())
            }
            _ => {
                decoded.fill(rubbish);
                decoder.decode_into(decoded)
            }
        });
        let how = || format!("decoded in way {way} on {threads} threads, {}", self.settings());
        answer.map_err(told(&how()))?;
        match bytemuck::cast_slice::<T, u8>(decoded) == bytemuck::cast_slice::<T, u8>(&drawn.pixels) {
            true => Ok(true),
            false => {
                let place = decoded.iter().zip(&drawn.pixels).position(|(found, expected)| found != expected);
                Err(format!("{}: pixel {place:?} differs", how()))
            }
        }
    }
}

/// Parts of a mask put together, as they are or packed.
pub(crate) fn merged(parts: &[LabelRuns], packed: bool) -> runmask::Result<LabelRuns> {
    if !packed {
        return LabelRuns::merge(parts);
    }
    let packed: Vec<Vec<u8>> = parts.iter().map(LabelRuns::pack).collect();
    let packed: Vec<&[u8]> = packed.iter().map(Vec::as_slice).collect();
    LabelRuns::merge_packed(&packed, &mut |_| ControlFlow::Continue(()))
}

/// A mask in memory that is read like a file.
struct Rows<'a, T> {
    pixels: &'a [T],
    shape: Shape,
    next: usize,
    band: u32,
    /// Columns of the parts that may be left out where they repeat the row above them.
    panel: Option<u32>,
}

impl<T: Label> Rows<'_, T> {
    /// The longest stretch of rows, all of which are like the row above them in these columns.
    fn repeated(&self, rows: Range<usize>, columns: &Range<usize>) -> Option<Range<usize>> {
        let row = |row: usize| &self.pixels[row * self.shape.width as usize..][columns.clone()];
        let like_above = |&at: &usize| row(at) == row(at - 1);
        let mut best: Option<Range<usize>> = None;
        let mut at = rows.start + 1;
        while at < rows.end {
            let end = (at..rows.end).take_while(like_above).last().map_or(at, |last| last + 1);
            if end > at && best.as_ref().is_none_or(|best| best.len() < end - at) {
                best = Some(at..end);
            }
            at = end + 1;
        }
        best
    }
}

impl<T: Label> Source for Rows<'_, T> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        T::DTYPE
    }

    fn band_rows(&self) -> u32 {
        self.band
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> runmask::Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> runmask::Result<()> {
        let (width, label) = (self.shape.width as usize, T::DTYPE.bytes());
        let count = rows.len() / (width * label).max(1);
        let read = self.next..self.next + count;
        rows.copy_from_slice(bytemuck::cast_slice(&self.pixels[read.start * width..read.end * width]));
        self.next = read.end;
        let (Some(repeats), Some(panel)) = (repeats, self.panel) else { return Ok(()) };
        for left in (0..width).step_by(panel as usize) {
            let columns = left..(left + panel as usize).min(width);
            let Some(same) = self.repeated(read.clone(), &columns) else { continue };
            let same = same.start - read.start..same.end - read.start;
            // All of them but the last may hold anything.
            for row in same.start..same.end - 1 {
                rows[(row * width + columns.start) * label..(row * width + columns.end) * label].fill(0xa5);
            }
            repeats.push(Repeat {
                rows: same.start as u32..same.end as u32,
                columns: columns.start as u32..columns.end as u32,
            });
        }
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> runmask::Result<()> {
        self.next += rows as usize;
        Ok(())
    }
}
