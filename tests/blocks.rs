//! Masks that are marked block by block, where they were decoded: the runs are those of the whole mask, however it is cut.

mod oracle;

use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use runmask::source::{Block, OpenOptions, Pixels, Repeat, Source, TakeBlock};
use runmask::{Dtype, Encoder, Engine, Error, LabelMask, Result, ScanOrder, Shape, source};

/// A mask in memory that gives blocks of its own cut and refuses to be read by rows.
struct Cut {
    shape: Shape,
    pixels: Vec<u16>,
    /// Height and width of a block.
    block: (u32, u32),
    next_row: u32,
    /// Rows of each block that was given.
    given: AtomicUsize,
    /// Bytes by which its rows begin too late for labels of their type.
    shifted: usize,
}

impl Cut {
    fn new(shape: Shape, pixels: Vec<u16>, block: (u32, u32)) -> Self {
        Self { shape, pixels, block, next_row: 0, given: AtomicUsize::new(0), shifted: 0 }
    }

    fn label(&self, row: u32, column: u32) -> u16 {
        self.pixels[(row * self.shape.width + column) as usize]
    }
}

fn pieces(length: u32, most: u32) -> impl Iterator<Item = Range<u32>> {
    (0..length).step_by(most as usize).map(move |start| start..length.min(start + most))
}

impl Source for Cut {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        Dtype::U16
    }

    fn band_rows(&self) -> u32 {
        self.block.0
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }

    fn read_blocks(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<u32> {
        for rows in pieces(rows, self.block.0) {
            for columns in pieces(self.shape.width, self.block.1) {
                let at = |row: u32, column: u32| self.label(self.next_row + row, column);
                let first = at(rows.start, columns.start);
                let constant = rows.clone().all(|row| columns.clone().all(|column| at(row, column) == first));
                // Rows have some bytes between them, which are no labels of the mask.
                let mut labels = vec![0xa5; self.shifted];
                for row in rows.clone() {
                    labels.extend(columns.clone().flat_map(|column| at(row, column).to_ne_bytes()));
                    labels.extend([0xa5; 6]);
                }
                let row_bytes = columns.len() * 2 + 6;
                let pixels = match constant && first % 2 == 0 {
                    true => Pixels::Label(first.into()),
                    false => Pixels::Rows { labels: &labels[self.shifted..], row_bytes },
                };
                take(Block { rows: rows.clone(), columns, pixels, stored_bytes: None })?;
                self.given.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.next_row += rows;
        Ok(rows)
    }

    fn skip(&mut self, _: u32) -> Result<()> {
        unreachable!("nothing is passed over")
    }

    fn read(&mut self, _: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        Err(Error::Argument("read by rows".into()))
    }
}

/// Few labels, in pieces of a few pixels: most runs go on in other blocks.
fn masks() -> impl Strategy<Value = (Shape, Vec<u16>)> {
    (1..90_u32, 1..40_u32, 1..9_u32, 1..9_u32).prop_flat_map(|(height, width, tall, wide)| {
        let pieces = height.div_ceil(tall) * width.div_ceil(wide);
        prop::collection::vec(0..4_u16, pieces as usize).prop_map(move |labels| {
            let label = |row: u32, column: u32| labels[(row / tall * width.div_ceil(wide) + column / wide) as usize];
            let pixels = (0..height).flat_map(|row| (0..width).map(move |column| label(row, column))).collect();
            (Shape { height, width }, pixels)
        })
    })
}

/// A Zarr store of these chunks, without those that hold only 0.
fn store(shape: Shape, pixels: &[u16], (tall, wide): (u32, u32)) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().suffix(".zarr").tempdir().unwrap();
    let metadata = serde_json::json!({
        "zarr_format": 3, "node_type": "array", "shape": [shape.height, shape.width], "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [tall, wide]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]
    });
    fs::write(folder.path().join("zarr.json"), metadata.to_string()).unwrap();
    for (band, rows) in pieces(shape.height, tall).enumerate() {
        for (across, columns) in pieces(shape.width, wide).enumerate() {
            // What lies outside of the mask is no label of it.
            let label = |row: u32, column: u32| match rows.contains(&row) && columns.contains(&column) {
                true => pixels[(row * shape.width + column) as usize],
                false => 54_321,
            };
            if rows.clone().all(|row| columns.clone().all(|column| label(row, column) == 0)) {
                continue;
            }
            let all = (rows.start..rows.start + tall).flat_map(|row| {
                (columns.start..columns.start + wide).flat_map(move |column| label(row, column).to_le_bytes())
            });
            fs::write(folder.path().join(format!("c.{band}.{across}")), all.collect::<Vec<u8>>()).unwrap();
        }
    }
    folder
}

fn blocks() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![Just((1, 1)), (1..20_u32, 1..20_u32), Just((64, 7)), (60..200_u32, 1..60_u32)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Runs by definition, whatever the blocks, the strips in them and the threads are; and no rows are read.
    #[test]
    fn blocks_of_any_size_give_the_runs_of_the_mask(
        (shape, pixels) in masks(),
        block in blocks(),
        (threads, strip, background, scalar) in (1..4_usize, 1..100_u32, prop_oneof![Just(None), (0..3_u64).prop_map(Some)], any::<bool>()),
        shifted in 0..3_usize,
    ) {
        // One row or column is one line, which is read by rows.
        prop_assume!(shape.height > 1);
        let expected = oracle::runs(&LabelMask::new(&pixels, shape).unwrap(), ScanOrder::ColumnMajor, background);
        let engine = if scalar { Engine::Scalar } else { Engine::Simd };
        let encoder = Encoder::builder().engine(engine).threads(threads).strip_rows(strip).background(background);
        let mut cut = Cut { shifted, ..Cut::new(shape, pixels, block) };
        let found = encoder.build().unwrap().encode_source(&mut cut).unwrap();
        prop_assert_eq!(oracle::of(&found), expected);
        prop_assert!(cut.given.into_inner() > 0);
    }

    /// The same from chunks of a file, of which some are absent, some repeat, and those at the edges are cut.
    #[test]
    fn chunks_of_any_size_give_the_runs_of_the_mask(
        (shape, pixels) in masks(), chunk in blocks(), threads in 1..4_usize, rows in (0..90_u32, 1..90_u32), little: bool,
    ) {
        prop_assume!(pieces(shape.height, chunk.0).count() * pieces(shape.width, chunk.1).count() < 600);
        let folder = store(shape, &pixels, chunk);
        let options = OpenOptions::new().memory(if little { 400_000 } else { 4 << 20 });
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            let encoder = Encoder::builder().threads(threads).order(order).build().unwrap();
            let encode = |options: &OpenOptions| encoder.encode_source(&mut *source::open(folder.path(), options)?);
            let mask = LabelMask::new(&pixels, shape).unwrap();
            prop_assert_eq!(oracle::of(&encode(&options).unwrap()), oracle::runs(&mask, order, Some(0)));
            // A part of the rows, which may begin and end inside of a chunk.
            let from = rows.0 % shape.height;
            let part = from..shape.height.min(from + rows.1);
            let found = encode(&options.clone().rows(part.clone())).unwrap();
            let pixels = &pixels[(part.start * shape.width) as usize..(part.end * shape.width) as usize];
            let shape = Shape { height: part.end - part.start, width: shape.width };
            prop_assert_eq!(oracle::of(&found), oracle::runs(&LabelMask::new(pixels, shape).unwrap(), order, Some(0)));
        }
    }
}

/// Chunks as tall and wide as those of real stores, in masks that are cut at the right and below.
#[test]
fn large_chunks_give_the_runs_of_the_mask() {
    let shape = Shape { height: 1500, width: 2300 };
    let label = |row: u32, column: u32| match (row / 37 + column / 53) % 5 {
        0..2 => 0,
        other => (row / 211 * 11 + column / 307 + other) as u16,
    };
    let pixels: Vec<u16> =
        (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| label(row, column))).collect();
    let expected = Encoder::builder().engine(Engine::Scalar).build().unwrap();
    let expected = expected.encode(&LabelMask::new(&pixels, shape).unwrap()).unwrap();
    for chunk in [(1024, 1024), (512, 512), (256, 2300), (1500, 100), (3, 2300), (100, 1)] {
        let folder = store(shape, &pixels, chunk);
        for (threads, memory) in [(1, 256 << 20), (2, 256 << 20), (3, 4 << 20)] {
            let options = OpenOptions::new().memory(memory);
            let encoder = Encoder::builder().threads(threads).build().unwrap();
            let found = encoder.encode_source(&mut *source::open(folder.path(), &options).unwrap()).unwrap();
            assert!(found == expected, "{chunk:?} {threads}");
        }
    }
}

/// Blocks that leave pixels out, or give them twice, are an error and no panic.
#[test]
fn blocks_that_do_not_cover_the_rows_are_refused() {
    struct Wrong(Vec<(Range<u32>, Range<u32>, Option<u64>)>);
    impl Source for Wrong {
        fn shape(&self) -> Shape {
            Shape { height: 4, width: 6 }
        }

        fn dtype(&self) -> Dtype {
            Dtype::U8
        }

        fn band_rows(&self) -> u32 {
            4
        }

        fn stored_bytes(&self) -> Option<u64> {
            None
        }

        fn read_blocks(&mut self, _: u32, take: TakeBlock<'_>) -> Result<u32> {
            let labels = [3; 24];
            for (rows, columns, label) in &self.0 {
                let pixels = label.map_or(Pixels::Rows { labels: &labels, row_bytes: 6 }, Pixels::Label);
                take(Block { rows: rows.clone(), columns: columns.clone(), pixels, stored_bytes: None })?;
            }
            Ok(4)
        }

        fn skip(&mut self, _: u32) -> Result<()> {
            Ok(())
        }

        fn read(&mut self, _: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
            Ok(())
        }
    }
    let encode = |blocks: &[(Range<u32>, Range<u32>, Option<u64>)]| {
        Encoder::builder().build().unwrap().encode_source(&mut Wrong(blocks.to_vec()))
    };
    let sound = [(0..4, 3..6, None), (0..1, 0..3, Some(3)), (1..4, 0..3, None)];
    assert_eq!(encode(&sound).unwrap().run_count(), 1);
    for wrong in [
        vec![],
        sound[..2].to_vec(),
        sound[1..].to_vec(),
        [&sound[..], &sound[..1]].concat(),
        vec![(0..4, 0..7, Some(3))],
        vec![(0..5, 0..6, Some(3))],
        vec![(1..4, 0..6, None)],
        vec![(0..4, 0..6, Some(256))],
        vec![(0..4, 0..100, None)],
        vec![(0..4, Range { start: 6, end: 0 }, Some(3))],
        vec![(0..4, 1..6, None)],
    ] {
        assert!(matches!(encode(&wrong), Err(Error::Argument(_))), "{wrong:?}");
    }
}
