//! Sources are encoded as masks in memory are, whatever the pieces they come in, and in bounded memory.

mod oracle;

use std::ops::ControlFlow;

use runmask::source::synth::{Kind, Synth};
use runmask::source::{Repeat, Source, TakeBlock, skip_by_reading};
use runmask::{Decoder, Dtype, Encoder, Engine, Error, LabelMask, Result, Run, ScanOrder, Shape};

/// Rows from memory, in groups of a height of its own.
struct Rows {
    shape: Shape,
    pixels: Vec<u16>,
    row: usize,
    group: u32,
}

impl Source for Rows {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        Dtype::U16
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.pixels[self.row * self.shape.width as usize..]);
        rows.copy_from_slice(&bytes[..rows.len()]);
        self.row += rows.len() / 2 / self.shape.width as usize;
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        skip_by_reading(self, rows)
    }

    fn band_rows(&self) -> u32 {
        self.group
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }
}

fn synth(kind: Kind, shape: Shape) -> Vec<u16> {
    let mut pixels = vec![0u16; shape.pixels() as usize];
    Synth::new(kind, shape, Dtype::U16, Some(300), 3)
        .unwrap()
        .read_rows(bytemuck::cast_slice_mut(&mut pixels))
        .unwrap();
    pixels
}

#[test]
fn a_source_gives_the_runs_of_its_mask() {
    for (kind, shape) in [
        (Kind::Cells, Shape { height: 3001, width: 170 }),
        (Kind::Cells, Shape { height: 40, width: 9000 }),
        (Kind::Noise, Shape { height: 77, width: 130 }),
        (Kind::Glomeruli, Shape { height: 1200, width: 5000 }),
        (Kind::Cells, Shape { height: 0, width: 9 }),
        (Kind::Cells, Shape { height: 1, width: 1 }),
    ] {
        let pixels = synth(kind, shape);
        let mask = LabelMask::new(&pixels, shape).unwrap();
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            let expected = oracle::runs(&mask, order, Some(0));
            for (group, threads) in [(1, 1), (7, 2), (256, 2), (4096, 3)] {
                let encoder = Encoder::builder().order(order).threads(threads).build().unwrap();
                let mut rows = Rows { shape, pixels: pixels.clone(), row: 0, group };
                let found = encoder.encode_source(&mut rows).unwrap();
                assert_eq!(oracle::of(&found), expected, "{kind:?} {shape} {order}, groups of {group}");
                assert_eq!(rows.row as u64 * u64::from(shape.width), shape.pixels());
            }
        }
    }
}

/// A block of a mask, from memory or from a source, has the runs that it has by itself, moved to its place in the mask.
#[test]
fn a_block_has_the_positions_of_its_mask() {
    for (kind, shape) in [
        (Kind::Cells, Shape { height: 700, width: 900 }),
        (Kind::Noise, Shape { height: 77, width: 130 }),
        (Kind::Noise, Shape { height: 1, width: 130 }),
        (Kind::Noise, Shape { height: 130, width: 1 }),
        (Kind::Glomeruli, Shape { height: 300, width: 200 }),
        (Kind::Cells, Shape { height: 0, width: 9 }),
    ] {
        let pixels = synth(kind, shape);
        let mask = LabelMask::new(&pixels, shape).unwrap();
        for (above, left, below, right) in [(0, 0, 0, 0), (5, 7, 0, 0), (0, 0, 3, 1), (0, 9, 0, 2), (4, 0, 1, 0)] {
            let whole = Shape { height: above + shape.height + below, width: left + shape.width + right };
            for (number, order) in [ScanOrder::ColumnMajor, ScanOrder::RowMajor].into_iter().enumerate() {
                for background in [Some(0), Some(3), None] {
                    let encoder = Encoder::builder().order(order).background(background).threads(1 + 2 * number);
                    let encoder = encoder.build().unwrap();
                    let expected = encoder.encode(&mask).unwrap().place((above.into(), left.into()), whole).unwrap();
                    let what = format!("{kind:?} {shape} at {above}, {left} of {whole}, {order}, {background:?}");
                    assert_eq!(encoder.encode_block(&mask, (above, left), whole).unwrap(), expected, "{what}");
                    let mut rows = Rows { shape, pixels: pixels.clone(), row: 0, group: 16 };
                    let watch = &mut |_| ControlFlow::Continue(());
                    let found = encoder.encode_source_block(&mut rows, (above, left), whole, watch).unwrap();
                    assert_eq!(found, expected, "{what}, rows");
                    let mut tiles = Tiles { rows: Rows { row: 0, ..rows }, tile: (16, 8), left_out: 0 };
                    let found = encoder.encode_source_block(&mut tiles, (above, left), whole, watch).unwrap();
                    assert_eq!(found, expected, "{what}, tiles");
                    let outside = encoder.encode_source_block(&mut tiles, (above + below + 1, left), whole, watch);
                    assert!(matches!(outside, Err(Error::Argument(_))), "{what}");
                }
            }
        }
    }
}

/// Rows from memory in which every tile that repeats its first row is left out: what stands there instead is no label of
/// the mask.
struct Tiles {
    rows: Rows,
    /// Height and width of a tile.
    tile: (u32, u32),
    left_out: usize,
}

impl Source for Tiles {
    fn shape(&self) -> Shape {
        self.rows.shape
    }

    fn dtype(&self) -> Dtype {
        Dtype::U16
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<()> {
        const NO_LABEL: u16 = 54_321;
        self.rows.read_rows(rows)?;
        let Some(repeats) = repeats else { return Ok(()) };
        let width = self.rows.shape.width;
        let labels: &mut [u16] = bytemuck::cast_slice_mut(rows);
        let height = labels.len() as u32 / width;
        for top in (0..height).step_by(self.tile.0 as usize) {
            let bottom = height.min(top + self.tile.0);
            for left in (0..width).step_by(self.tile.1 as usize) {
                let columns = left..width.min(left + self.tile.1);
                let at = |row: u32, column: u32| (row * width + column) as usize;
                let same = |row| columns.clone().all(|column| labels[at(row, column)] == labels[at(top, column)]);
                if bottom - top < 2 || !(top + 1..bottom).all(same) {
                    continue;
                }
                for row in top + 1..bottom - 1 {
                    labels[at(row, columns.start)..at(row, columns.end)].fill(NO_LABEL);
                    self.left_out += columns.len();
                }
                repeats.push(Repeat { rows: top + 1..bottom, columns });
            }
        }
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        self.rows.skip(rows)
    }

    fn band_rows(&self) -> u32 {
        self.rows.group
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }
}

#[test]
fn what_repeats_is_not_looked_at() {
    for (kind, shape, tile) in [
        (Kind::Glomeruli, Shape { height: 1200, width: 5000 }, (16, 16)),
        (Kind::Glomeruli, Shape { height: 700, width: 3000 }, (64, 100)),
        (Kind::Cells, Shape { height: 300, width: 2500 }, (5, 3)),
        (Kind::Noise, Shape { height: 40, width: 40 }, (2, 1)),
    ] {
        let pixels = synth(kind, shape);
        let mask = LabelMask::new(&pixels, shape).unwrap();
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            let expected = oracle::runs(&mask, order, Some(0));
            for (group, threads, strip) in [(64, 1, 1000), (320, 2, 1000), (128, 2, 7), (64, 1, 1)] {
                for engine in [Engine::Simd, Engine::Scalar] {
                    let encoder = Encoder::builder().engine(engine).order(order).threads(threads).strip_rows(strip);
                    let rows = Rows { shape, pixels: pixels.clone(), row: 0, group };
                    let mut tiles = Tiles { rows, tile, left_out: 0 };
                    let found = encoder.build().unwrap().encode_source(&mut tiles).unwrap();
                    assert_eq!(oracle::of(&found), expected, "{kind:?} {shape} {order} {engine}, groups of {group}");
                    let sparse = order == ScanOrder::ColumnMajor && kind == Kind::Glomeruli;
                    assert!(!sparse || tiles.left_out as u64 > shape.pixels() / 8, "{}", tiles.left_out);
                }
            }
        }
    }
}

/// One encoder for masks of all sizes and types, with and without its memory given back.
#[test]
fn kept_memory_does_not_show() {
    let encoders: Vec<Encoder> =
        [1, 2].map(|threads| Encoder::builder().threads(threads).build().unwrap()).into_iter().collect();
    for round in 0..3 {
        for (kind, shape) in [
            (Kind::Cells, Shape { height: 301, width: 1170 }),
            (Kind::Noise, Shape { height: 77, width: 130 }),
            (Kind::Glomeruli, Shape { height: 2200, width: 500 }),
            (Kind::Noise, Shape { height: 190, width: 530 }),
            (Kind::Cells, Shape { height: 1, width: 1 }),
        ] {
            let pixels = synth(kind, shape);
            let mask = LabelMask::new(&pixels, shape).unwrap();
            let bytes: Vec<u8> = pixels.iter().map(|&label| label as u8).collect();
            let narrow = LabelMask::fortran(&bytes, shape).unwrap();
            for encoder in &encoders {
                let found = encoder.encode(&mask).unwrap();
                assert_eq!(oracle::of(&found), oracle::runs(&mask, ScanOrder::ColumnMajor, Some(0)));
                let other = encoder.encode(&narrow).unwrap();
                assert_eq!(oracle::of(&other), oracle::runs(&narrow, ScanOrder::ColumnMajor, Some(0)));
                if round > 0 {
                    encoder.recycle(found);
                    encoder.recycle(other);
                }
                let boundaries = encoder.boundaries(&mask).unwrap();
                let again = encoder.compact(&boundaries).unwrap();
                assert_eq!(again, encoder.compact(&boundaries).unwrap());
                encoder.recycle_boundaries(boundaries);
            }
        }
    }
}

/// Pieces side by side in a strip, and strips stacked to taller ones: more columns and rows than one piece.
#[test]
fn wide_sources_are_cut_and_stacked() {
    let shape = Shape { height: 1500, width: 9000 };
    let pixels = synth(Kind::Cells, shape);
    let mask = LabelMask::new(&pixels, shape).unwrap();
    let expected = Encoder::builder().engine(Engine::Scalar).build().unwrap().encode(&mask).unwrap();
    for threads in [1, 2, 8] {
        let encoder = Encoder::builder().threads(threads).build().unwrap();
        assert_eq!(encoder.encode(&mask).unwrap(), expected, "{threads} threads, in memory");
        let mut rows = Rows { shape, pixels: pixels.clone(), row: 0, group: 50 };
        assert_eq!(encoder.encode_source(&mut rows).unwrap(), expected, "{threads} threads, streamed");
    }
}

#[test]
fn too_little_memory_is_an_error_before_it_is_taken() {
    let shape = Shape { height: 2000, width: 2000 };
    let mut source = Synth::new(Kind::Noise, shape, Dtype::U8, None, 1).unwrap();
    let encoder = Encoder::builder().memory(20 << 20).build().unwrap();
    match encoder.encode_source(&mut source) {
        Err(Error::Memory { limit: Some(limit), needed, .. }) => assert!(limit == 20 << 20 && needed > limit),
        other => panic!("{other:?}"),
    }
    // A header's word alone: the rows do not fit, and nothing is read.
    let huge = Shape { height: 1_000_000_000, width: 100_000_000 };
    let mut source = Synth::new(Kind::Glomeruli, huge, Dtype::U64, Some(1), 1).unwrap();
    assert!(matches!(encoder.encode_source(&mut source), Err(Error::Memory { .. })));
}

/// A mask whose source says that it stands for so many stored bytes, and for one more with each byte of labels that is read
/// when `counts` says so.
struct Stored {
    mask: Synth,
    band_rows: u32,
    bytes: u64,
    counts: bool,
}

impl Source for Stored {
    fn shape(&self) -> Shape {
        self.mask.shape()
    }

    fn dtype(&self) -> Dtype {
        self.mask.dtype()
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        self.mask.skip(rows)
    }

    fn band_rows(&self) -> u32 {
        self.band_rows
    }

    fn stored_bytes(&self) -> Option<u64> {
        Some(self.bytes)
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<()> {
        assert!(rows.len() <= 200 << 20);
        self.bytes += if self.counts { rows.len() as u64 } else { 0 };
        self.mask.read(rows, repeats)
    }
}

/// A source of a few stored bytes may be of any size, but not take memory in proportion to it.
#[test]
fn a_shape_alone_is_no_reason_to_take_memory() {
    let encode = |height, width, order| {
        let mask = Synth::new(Kind::Glomeruli, Shape { height, width }, Dtype::U8, Some(3), 1).unwrap();
        let mut claim = Stored { mask, band_rows: u32::MAX, bytes: 1000, counts: false };
        Encoder::builder().order(order).build().unwrap().encode_source(&mut claim)
    };
    use ScanOrder::{ColumnMajor, RowMajor};
    for (height, width, order) in [(1, 1 << 29, ColumnMajor), (2, 1 << 29, ColumnMajor), (u32::MAX, 1 << 20, RowMajor)]
    {
        match encode(height, width, order) {
            Err(Error::Memory { limit: Some(limit), needed, .. }) => assert!(limit < 201 << 20 && needed > limit),
            other => panic!("{:?}", other.map(|runs| runs.run_count())),
        }
    }
    assert!(encode(20_000, 50, ColumnMajor).unwrap().run_count() > 0);
    assert!(encode(3, 2_000_000, ColumnMajor).unwrap().run_count() > 0);
    assert!(encode(1, 50_000_000, ColumnMajor).unwrap().run_count() > 0);
    assert!(encode(5_000_000, 3, RowMajor).unwrap().run_count() > 0);
}

/// What was read of a stream justifies the memory for its runs, though nothing was known of it before.
#[test]
fn bytes_that_are_read_justify_memory() {
    let mask = Synth::new(Kind::Noise, Shape { height: 3500, width: 3500 }, Dtype::U8, None, 1).unwrap();
    let mut stream = Stored { mask, band_rows: 1, bytes: 0, counts: true };
    let runs = Encoder::builder().build().unwrap().encode_source(&mut stream).unwrap();
    // 16 bytes for a run and 5 for its boundary are more than any mask may take.
    assert!(runs.run_count() * 20 > 200 << 20);
}

/// A mask of one row or one column is the same in both orders.
#[test]
fn one_row_and_one_column() {
    for shape in [Shape { height: 1, width: 5000 }, Shape { height: 5000, width: 1 }, Shape { height: 1, width: 1 }] {
        let pixels = synth(Kind::Noise, shape).into_iter().map(|label| label % 3).collect::<Vec<_>>();
        let mask = LabelMask::new(&pixels, shape).unwrap();
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            for background in [Some(0), None] {
                let encoder = Encoder::builder().order(order).background(background).threads(2).build().unwrap();
                let mut rows = Rows { shape, pixels: pixels.clone(), row: 0, group: 3 };
                let found = encoder.encode_source(&mut rows).unwrap();
                assert_eq!((found.order(), found.shape()), (order, Some(shape)));
                assert_eq!(oracle::of(&found), oracle::runs(&mask, order, background));
                assert_eq!(found, encoder.encode(&mask).unwrap());
            }
        }
    }
}

/// Little memory changes how a mask is read and marked, and not what is found.
#[test]
fn little_memory_gives_the_same_runs() {
    for (kind, shape) in [
        (Kind::Cells, Shape { height: 900, width: 1170 }),
        (Kind::Noise, Shape { height: 77, width: 130 }),
        (Kind::Glomeruli, Shape { height: 2200, width: 500 }),
    ] {
        let pixels = synth(kind, shape);
        let mask = LabelMask::new(&pixels, shape).unwrap();
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            let expected = oracle::runs(&mask, order, Some(0));
            for (memory, group) in [(4 << 20, 1), (4 << 20, 500), (8 << 20, 64), (1 << 30, 64)] {
                let encoder = Encoder::builder().order(order).threads(3).memory(memory).build().unwrap();
                let rows = Rows { shape, pixels: pixels.clone(), row: 0, group };
                let mut tiles = Tiles { rows, tile: (16, 16), left_out: 0 };
                let found = encoder.encode_source(&mut tiles).unwrap();
                assert_eq!(oracle::of(&found), expected, "{kind:?} {shape} {order} {memory} bytes, groups of {group}");
            }
        }
    }
}

#[test]
fn progress_ends_with_every_row_done() {
    let encoder = Encoder::builder().build().unwrap();
    let shape = Shape { height: 5000, width: 9000 };
    let mut source = Synth::new(Kind::Glomeruli, shape, Dtype::U16, None, 1).unwrap();
    let mut seen = Vec::new();
    let runs = encoder.encode_source_with(&mut source, &mut |progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    });
    assert!(runs.unwrap().run_count() > 0);
    assert!(seen.len() > 1 && seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(seen.last(), Some(&(90_000_000, 90_000_000)));
}

#[test]
fn the_caller_can_stop() {
    let encoder = Encoder::builder().build().unwrap();
    let shape = Shape { height: u32::MAX, width: 100_000 };
    let mut source = Synth::new(Kind::Glomeruli, shape, Dtype::U8, Some(1), 1).unwrap();
    let mut calls = 0;
    let stopped = encoder.encode_source_with(&mut source, &mut |_| {
        calls += 1;
        if calls < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(calls, 3);
    // The encoder is as good as before.
    let mut small = Synth::new(Kind::Cells, Shape { height: 99, width: 98 }, Dtype::U8, Some(9), 1).unwrap();
    assert_eq!(encoder.encode_source(&mut small).unwrap().labels().len(), 9);
}

/// A source behind any number of references and boxes is still read in parts, without what repeats.
#[test]
fn references_and_boxes_pass_on_what_repeats() {
    let shape = Shape { height: 640, width: 320 };
    let rows = Rows { shape, pixels: vec![7; shape.pixels() as usize], row: 0, group: 64 };
    let mut tiles = Tiles { rows, tile: (64, 64), left_out: 0 };
    let mut wrapped: Box<dyn Source + '_> = Box::new(&mut tiles);
    let encoder = Encoder::builder().build().unwrap();
    assert_eq!(wrapped.band_rows(), 64);
    let runs = encoder.encode_source(&mut &mut wrapped).unwrap();
    assert_eq!(runs.get(7), Some(&[Run { start: 0, length: shape.pixels() }][..]));
    drop(wrapped);
    assert_eq!(tiles.left_out, 10 * 62 * 320);
}

/// A mask of more than 2^32 pixels in little memory: a thin frame around nothing, made up row by row.
struct Frame {
    shape: Shape,
    row: u32,
}

impl Source for Frame {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        Dtype::U8
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        for row in rows.chunks_exact_mut(self.shape.width as usize) {
            let edge = self.row == 0 || self.row == self.shape.height - 1;
            row.fill(u8::from(edge));
            let last = row.len() - 1;
            (row[0], row[last]) = (2, 3);
            self.row += 1;
        }
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        self.row += rows;
        Ok(())
    }

    fn band_rows(&self) -> u32 {
        1
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }
}

/// What the frame's runs are, worked out by hand.
fn frame_runs(shape: Shape) -> [(u64, Vec<Run>); 3] {
    let (height, width) = (u64::from(shape.height), u64::from(shape.width));
    // The bottom of a column and the top of the next one follow each other.
    let mut ones = vec![Run { start: height, length: 1 }];
    ones.extend((1..width - 2).map(|column| Run { start: (column + 1) * height - 1, length: 2 }));
    ones.push(Run { start: (width - 1) * height - 1, length: 1 });
    [
        (1, ones),
        (2, vec![Run { start: 0, length: height }]),
        (3, vec![Run { start: (width - 1) * height, length: height }]),
    ]
}

fn frame_encodes_and_decodes(shape: Shape) {
    let runs = Encoder::builder().build().unwrap().encode_source(&mut Frame { shape, row: 0 }).unwrap();
    assert_eq!(runs.labels(), [1, 2, 3]);
    for (label, expected) in frame_runs(shape) {
        assert!(runs.get(label) == Some(&expected[..]), "label {label} of {shape}");
    }
    let mut frame = Frame { shape, row: 0 };
    let mut rows = 0;
    Decoder::new(&runs, 0)
        .unwrap()
        .decode_rows::<u8>(|found| {
            let mut expected = vec![0; found.len()];
            frame.read_rows(&mut expected)?;
            assert!(found == expected, "rows from {rows}");
            rows += found.len() / shape.width as usize;
            Ok(())
        })
        .unwrap();
    assert_eq!(rows as u32, shape.height);
}

#[test]
fn a_frame_encodes_and_decodes() {
    frame_encodes_and_decodes(Shape { height: 300, width: 5000 });
}

#[test]
#[ignore = "reads and writes 2^32 pixels and more: minutes without optimisation"]
fn a_frame_of_more_than_2_to_the_32_pixels_encodes_and_decodes() {
    frame_encodes_and_decodes(Shape { height: 65_600, width: 65_600 });
}

/// Positions, gaps and lengths past 2^29, 2^31 and 2^32 without a mask of that size: a mask of few, long columns.
#[test]
fn positions_past_every_power_of_two_are_exact() {
    use runmask::Layout;
    use runmask::boundary::{Boundaries, MaskBoundaries};

    // Three columns of 2^32 - 1 pixels; a run that crosses a column end, one past 2^33, and the very last pixel.
    let height = u32::MAX;
    let tall = u64::from(height);
    let shape = Shape { height, width: 3 };
    let boundaries = Boundaries::new(
        vec![0, 3, 6, 9],
        vec![0, 1 << 29, 1 << 31, 0, 10, height - 1, 0, 1, height - 1],
        vec![0u64, 7, u64::MAX, u64::MAX, 0, 9, 9, 0, 9],
    )
    .unwrap();
    for layout in [Layout::Across, Layout::Along] {
        for threads in [1, 2] {
            let mask =
                MaskBoundaries::new(shape, ScanOrder::ColumnMajor, layout, vec![(0, boundaries.clone())]).unwrap();
            let runs = Encoder::builder().threads(threads).build().unwrap().compact(&mask).unwrap();
            assert_eq!(runs.labels(), [7, 9, u64::MAX]);
            assert_eq!(runs.get(7), Some(&[Run { start: 1 << 29, length: (1 << 31) - (1 << 29) }][..]));
            let end = tall - (1 << 31) + 10;
            assert_eq!(runs.get(u64::MAX), Some(&[Run { start: 1 << 31, length: end }][..]));
            assert_eq!(
                runs.get(9),
                Some(&[Run { start: 2 * tall - 1, length: 2 }, Run { start: 3 * tall - 1, length: 1 }][..])
            );
        }
    }
}
