//! A store of chunks that counts what is asked of it, and masks by definition.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::error::Place;
use crate::source::{Block, Pixels};

/// A chunk as the store keeps it. Labels are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stored {
    Absent,
    /// So many rows of one label.
    Constant(u8, u32),
    /// All labels, those beyond the mask included.
    Labels(Vec<u8>),
    Damaged,
}

#[derive(Debug)]
struct Store {
    grid: Grid,
    chunks: Vec<Stored>,
    /// Bytes of a stream; none without streams.
    stream_bytes: Option<u64>,
    decoded: AtomicU32,
    streamed: AtomicU32,
}

impl Store {
    fn new(shape: (u32, u32), chunk: (u32, u32), last_is_cut: bool, chunks: Vec<Stored>) -> Self {
        let [shape, chunk] = [shape, chunk].map(|(height, width)| Shape { height, width });
        let grid = Grid { shape, dtype: Dtype::U8, chunk, last_is_cut, fill: 9 };
        assert_eq!(chunks.len() as u64, u64::from(grid.across()) * u64::from(grid.down()));
        Self { grid, chunks, stream_bytes: Some(10), decoded: 0.into(), streamed: 0.into() }
    }

    fn chunk(&self, at: At<u32>) -> &Stored {
        assert_eq!(at.place, at.band * self.grid.across() + at.across);
        &self.chunks[at.place as usize]
    }

    fn stored_labels(&self, at: At<u32>) -> Result<Vec<u8>> {
        let pixels = self.grid.stored_rows(at.band) as usize * self.grid.chunk.width as usize;
        match self.chunk(at) {
            Stored::Labels(labels) if labels.len() == pixels => Ok(labels.clone()),
            Stored::Constant(label, rows) if *rows == self.grid.stored_rows(at.band) => Ok(vec![*label; pixels]),
            Stored::Absent => Ok(vec![9; pixels]),
            other => {
                let place = Place::Part(format!("chunk {}", at.place));
                Err(Error::format(place, "labels", format!("{other:?}")))
            }
        }
    }

    /// Row `row` of what the mask shows of a chunk.
    fn shown_row<'a>(&self, at: At<u32>, labels: &'a [u8], row: u32) -> &'a [u8] {
        &labels[row as usize * self.grid.chunk.width as usize..][..self.grid.columns(at.across).len()]
    }

    /// The mask that these chunks are, by definition; the chunks must be sound.
    fn mask(&self) -> Vec<u8> {
        let Shape { height, width } = self.grid.shape;
        let pixel = |row: u32, column: u32| {
            let (band, across) = (row / self.grid.chunk.height, column / self.grid.chunk.width);
            let place = band * self.grid.across() + across;
            match &self.chunks[place as usize] {
                Stored::Absent => 9,
                Stored::Constant(label, _) => *label,
                Stored::Labels(labels) => {
                    let (row, column) = (row % self.grid.chunk.height, column % self.grid.chunk.width);
                    labels[(row * self.grid.chunk.width + column) as usize]
                }
                Stored::Damaged => unreachable!("a damaged chunk is no mask"),
            }
        };
        (0..height).flat_map(|row| (0..width).map(move |column| pixel(row, column))).collect()
    }
}

impl Chunks for Store {
    type Place = u32;
    type Scratch = Vec<u8>;
    type Stream = Vec<u8>;

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn name(&self) -> &Path {
        Path::new("a store")
    }

    fn stored_bytes(&self) -> u64 {
        0
    }

    fn places(&self, bands: Range<u32>) -> Result<Vec<u32>> {
        Ok((bands.start * self.grid.across()..bands.end * self.grid.across()).collect())
    }

    fn length(&self, place: u32) -> Option<u64> {
        match &self.chunks[place as usize] {
            // Every second one is found out only by looking.
            Stored::Absent => place.is_multiple_of(2).then_some(0),
            Stored::Constant(..) => Some(3),
            Stored::Labels(labels) => Some(labels.len() as u64),
            Stored::Damaged => None,
        }
    }

    fn fetch(&self, at: At<u32>, bytes: &mut Vec<u8>) -> Result<Fetched> {
        *bytes = match self.chunk(at) {
            Stored::Absent => return Ok(Fetched::Absent),
            // The same bytes, however many rows are missing; no labels look like this.
            Stored::Constant(label, _) => vec![*label, 255, 255],
            Stored::Labels(labels) => labels.clone(),
            Stored::Damaged => return Ok(Fetched::Unread),
        };
        Ok(Fetched::Read)
    }

    fn decode<'a>(&self, at: At<u32>, _: &[u8], labels: &'a mut Vec<u8>) -> Result<Labels<'a>> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        *labels = self.stored_labels(at)?;
        Ok(Labels { bytes: labels, row_bytes: self.grid.chunk.width as usize })
    }

    fn work_bytes(&self, _: At<u32>) -> u64 {
        10
    }

    fn stream_bytes(&self, _: At<u32>) -> Option<u64> {
        self.stream_bytes
    }

    fn stream(&self, at: At<u32>) -> Result<Vec<u8>> {
        self.streamed.fetch_add(1, Ordering::Relaxed);
        // What is wrong with a stream shows when it is read.
        Ok(self.stored_labels(at).unwrap_or_default())
    }

    fn read_stream(&self, at: At<u32>, labels: &mut Vec<u8>, first: u32, rows: &mut [&mut [u8]]) -> Result<()> {
        if labels.is_empty() {
            self.stored_labels(at)?;
        }
        for (row, number) in rows.iter_mut().zip(first..) {
            row.copy_from_slice(self.shown_row(at, labels, number));
        }
        Ok(())
    }
}

/// The mask, `rows` rows at a time; what repeats is copied from above, and its pixels are counted.
fn read(source: &mut ChunkedSource<Store>, rows: u32, sparse: bool) -> Result<(Vec<u8>, u64)> {
    let Shape { height, width } = source.shape();
    let (mut all, mut repeated, mut row) = (Vec::new(), 0, 0);
    while row < height {
        let mut buffer = vec![0xa5; rows.min(height - row) as usize * width as usize];
        let mut repeats = Vec::new();
        source.read(&mut buffer, sparse.then_some(&mut repeats))?;
        for Repeat { rows, columns } in repeats {
            assert!(rows.start > 0 && !rows.is_empty() && !columns.is_empty());
            let piece = |row: u32| {
                let start = row as usize * width as usize;
                start + columns.start as usize..start + columns.end as usize
            };
            let last = buffer[piece(rows.end - 1)].to_vec();
            for row in rows.clone() {
                buffer.copy_within(piece(row - 1), piece(row).start);
                repeated += columns.len() as u64;
            }
            assert_eq!(buffer[piece(rows.end - 1)], last, "the last row is there without the others");
        }
        row += (buffer.len() / width as usize) as u32;
        all.extend(buffer);
    }
    Ok((all, repeated))
}

/// The mask, read in blocks of at most `rows` rows, and what was given of each block: rows, columns, and whether it is pixels.
fn read_blocks(source: &mut ChunkedSource<Store>, rows: u32) -> Result<(Vec<u8>, Vec<Given>)> {
    let Shape { height, width } = source.shape();
    let (mut all, mut given, mut row) = (Vec::new(), Vec::new(), 0);
    while row < height {
        let blocks = Mutex::new((vec![None; (rows.min(height - row) * width) as usize], Vec::new()));
        let count = source.read_blocks(rows.min(height - row), &|block| {
            let (found, given) = &mut *blocks.lock().unwrap();
            let Block { rows, columns, pixels, .. } = block;
            let labels = matches!(pixels, Pixels::Rows { .. });
            for (number, row) in rows.clone().enumerate() {
                for (index, column) in columns.clone().enumerate() {
                    let label = match pixels {
                        Pixels::Label(label) => label as u8,
                        Pixels::Rows { labels, row_bytes } => labels[number * row_bytes + index],
                    };
                    let before = found[(row * width + column) as usize].replace(label);
                    assert_eq!(before, None, "a pixel is given once");
                }
            }
            given.push((rows, columns, labels));
            Ok(())
        })?;
        assert!(count > 0 && count <= rows);
        let (found, mut these) = blocks.into_inner().unwrap();
        all.extend(found[..(count * width) as usize].iter().map(|label| label.expect("every pixel is given")));
        these.sort_unstable_by_key(|(rows, columns, _)| (rows.start, columns.start));
        let place = |(rows, columns, labels): Given| (row + rows.start..row + rows.end, columns, labels);
        given.extend(these.into_iter().map(place));
        row += count;
    }
    Ok((all, given))
}

type Given = (Range<u32>, Range<u32>, bool);

const PLENTY: Memory = Memory { chunk: u64::MAX, held: u64::MAX, streams: u64::MAX };

fn pool(threads: usize) -> Option<rayon::ThreadPool> {
    Some(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
}

#[test]
fn chunks_with_the_same_bytes_are_decoded_once() {
    let chunks = (0..12).map(|index| match index {
        0 | 5 => Stored::Absent,
        4 => Stored::Labels((0..16).collect()),
        index => Stored::Constant(index % 2, 4),
    });
    let store = Store::new((16, 12), (4, 4), false, chunks.collect());
    let expected = store.mask();
    let mut source = ChunkedSource::new(store, pool(1), PLENTY);
    assert_eq!(read(&mut source, 4, true).unwrap(), (expected, 11 * 3 * 4));
    assert_eq!(source.reader.chunks.decoded.into_inner(), 3);
}

/// The bytes of a sound short chunk are a damaged chunk where rows are missing, also when the short one was seen first.
#[test]
fn a_short_chunk_does_not_vouch_for_a_taller_one() {
    let chunks = vec![Stored::Constant(1, 4), Stored::Constant(7, 2), Stored::Constant(7, 2)];
    let source = ChunkedSource::new(Store::new((10, 5), (4, 5), true, chunks), pool(1), PLENTY);
    let read = |band: u32, rows: usize| {
        let mut labels = vec![0xa5; rows * 5];
        let at = At { band, across: 0, place: band };
        source.reader.read(at, &mut Rows::Together { rows: &mut labels, row_bytes: 5 }, false).map(|_| labels)
    };
    assert_eq!(read(2, 2).unwrap(), [7; 10]);
    assert!(read(1, 4).unwrap_err().to_string().starts_with("chunk 1: "));
    assert_eq!(read(2, 2).unwrap(), [7; 10]);
}

/// A chunk that shows only a constant part of itself says nothing about a whole one with the same bytes.
#[test]
fn a_part_of_a_chunk_does_not_vouch_for_the_whole() {
    let mut labels = vec![5; 16];
    labels[15] = 6;
    let store = Store::new((4, 7), (4, 4), false, vec![Stored::Labels(labels.clone()), Stored::Labels(labels)]);
    let expected = store.mask();
    let source = ChunkedSource::new(store, pool(1), PLENTY);
    let at = |across: u32| At { band: 0, across, place: across };
    for across in [1, 0] {
        let mut rows = vec![0; 4 * source.grid().columns(across).len()];
        let row_bytes = rows.len() / 4;
        source.reader.read(at(across), &mut Rows::Together { rows: &mut rows, row_bytes }, false).unwrap();
        for (row, found) in rows.chunks(row_bytes).enumerate() {
            assert_eq!(found, &expected[row * 7 + 4 * across as usize..][..row_bytes]);
        }
    }
}

/// Blocks are the chunks, each as it was decoded; those of one label are known by it and decoded once.
#[test]
fn blocks_are_the_chunks() {
    let labels = |seed: u8| Stored::Labels((0..100 * 4).map(|index| seed + (index % 7) as u8).collect());
    let chunks =
        vec![labels(1), Stored::Absent, Stored::Constant(3, 100), Stored::Constant(3, 100), labels(2), labels(3)];
    for threads in [1, 2] {
        let store = Store::new((170, 10), (100, 4), false, chunks.clone());
        let expected = store.mask();
        let mut source = ChunkedSource::new(store, pool(threads), PLENTY);
        let (found, given) = read_blocks(&mut source, 170).unwrap();
        assert_eq!(found, expected);
        let columns = [0..4, 4..8, 8..10];
        let rows = [0..100, 100..170];
        let labels = [true, false, false, false, true, true];
        let blocks = rows.iter().flat_map(|rows| columns.iter().map(|columns| (rows.clone(), columns.clone())));
        let expected: Vec<Given> =
            blocks.zip(labels).map(|((rows, columns), labels)| (rows, columns, labels)).collect();
        assert_eq!(given, expected);
        let decoded = source.reader.chunks.decoded.into_inner();
        // The chunk at the right shows only a part of itself, so that it says nothing about the next.
        assert!(decoded == 5, "{decoded}");
    }
}

/// With many threads each has little memory: then fewer of them decode, as long as these are some.
#[test]
fn fewer_threads_decode_large_chunks() {
    let store = || Store::new((100, 24), (100, 4), false, (1..7).map(|label| Stored::Constant(label, 100)).collect());
    for (streams, count) in [(80, 100), (79, 0)] {
        // Each chunk takes 10 bytes to be decoded.
        let mut source = ChunkedSource::new(store(), pool(3), Memory { chunk: 5, held: 0, streams });
        let given = AtomicU32::new(0);
        let take = |block: Block<'_>| {
            given.fetch_add(block.columns.end - block.columns.start, Ordering::Relaxed);
            Ok(())
        };
        assert_eq!(source.read_blocks(100, &take).unwrap(), count);
        assert_eq!(given.into_inner(), if count > 0 { 24 } else { 0 });
    }
}

/// Low chunks are put together until a block is worth marking; those of which only some rows are asked for are cut.
#[test]
fn low_chunks_become_one_block() {
    let chunks = (0..3 * 40).map(|index| match index % 5 {
        0 => Stored::Absent,
        index => Stored::Constant(index as u8 % 2, 5),
    });
    let chunks: Vec<Stored> = chunks.collect();
    for (rows, expected) in [(200, vec![65, 65, 65, 5]), (7, [5; 40].to_vec()), (66, vec![65, 65, 65, 5])] {
        let store = Store::new((200, 11), (5, 4), false, chunks.clone());
        let mask = store.mask();
        let mut source = ChunkedSource::new(store, pool(2), PLENTY);
        let (found, given) = read_blocks(&mut source, rows).unwrap();
        assert_eq!(found, mask);
        let heights = given.iter().filter(|(_, columns, _)| columns.start == 0).map(|(rows, ..)| rows.end - rows.start);
        assert_eq!(heights.collect::<Vec<u32>>(), expected, "{rows}");
    }
    // In the middle of a chunk, and not to its end.
    let mut source = ChunkedSource::new(Store::new((200, 11), (5, 4), false, chunks), pool(1), PLENTY);
    source.skip(2).unwrap();
    let rows = Mutex::new(Vec::new());
    let take = |block: Block<'_>| {
        rows.lock().unwrap().push(block.rows);
        Ok(())
    };
    assert_eq!((source.read_blocks(2, &take).unwrap(), source.read_blocks(3, &take).unwrap()), (2, 1));
    assert_eq!(rows.into_inner().unwrap(), [0..2, 0..2, 0..2, 0..1, 0..1, 0..1]);
}

/// An encoder marks every chunk where it was decoded: it decodes none twice, however little memory there is for rows.
#[test]
fn an_encoder_takes_blocks() {
    let labels = |seed: u32| {
        let label = |index: u32| (index / 3150 * seed + index % 70 / 9 * (seed % 2)) as u8 % 3;
        Stored::Labels((0..70 * 90).map(label).collect())
    };
    let chunks: Vec<Stored> = (0..6 * 40).map(labels).collect();
    for threads in [1, 3] {
        let store = Store::new((500, 2800), (90, 70), false, chunks.clone());
        let mask = store.mask();
        let expected = crate::Encoder::builder().build().unwrap();
        let expected = expected.encode(&crate::LabelMask::new(&mask, store.grid.shape).unwrap()).unwrap();
        let memory = Memory { chunk: 2 * (70 * 90 + 10), held: 0, streams: 0 };
        let mut source = ChunkedSource::new(store, None, memory);
        let encoder = crate::Encoder::builder().threads(threads).memory(900_000).build().unwrap();
        // A band of rows takes 252,000 bytes, more than a quarter of that: by rows it would be read in parts.
        assert_eq!(encoder.encode_source(&mut source).unwrap(), expected);
        // Every sixth has one label, and is known by the first of them. By rows it would be three times as many.
        assert_eq!(source.reader.chunks.decoded.into_inner(), 5 * 40 + 1);
    }
}

#[test]
fn an_absent_chunk_of_any_size_costs_nothing() {
    let side = 1 << 31;
    let store = Store::new((side, 100), (side, side), false, vec![Stored::Absent]);
    let mut source = ChunkedSource::new(store, pool(1), Memory { chunk: 0, held: 0, streams: 0 });
    let (mut rows, mut repeats) = (vec![0; 1000 * 100], Vec::new());
    for _ in 0..1000 {
        repeats.clear();
        source.read(&mut rows, Some(&mut repeats)).unwrap();
        assert_eq!(repeats, [Repeat { rows: 1..1000, columns: 0..100 }]);
    }
    assert!(rows[..100] == [9; 100] && rows[100..99_900].iter().all(|&label| label == 0));
}

#[test]
fn the_first_chunks_are_held_and_the_others_are_streams_or_decoded_anew() {
    let chunks = || (0..6).map(|index| Stored::Labels((0..40).map(|label| label * (index + 1)).collect())).collect();
    for (memory, expected) in [
        // Decoded and streamed: all held; three held; one held and three streams; none held.
        (Memory { chunk: 100, held: 240, streams: 0 }, (6, 0)),
        (Memory { chunk: 100, held: 120, streams: 30 }, (3, 3)),
        // Three parts: the last two chunks are decoded for each.
        (Memory { chunk: 100, held: 40, streams: 30 }, (1 + 2 * 3, 3)),
        (Memory { chunk: 0, held: 0, streams: 60 }, (0, 6)),
    ] {
        for threads in [1, 3] {
            let store = Store::new((10, 24), (10, 4), false, chunks());
            let mask = store.mask();
            let mut source = ChunkedSource::new(store, pool(threads), memory);
            assert_eq!(read(&mut source, 4, false).unwrap().0, mask);
            let Store { decoded, streamed, .. } = source.reader.chunks;
            assert_eq!((decoded.into_inner(), streamed.into_inner()), expected, "{memory:?}");
        }
    }
    let store = Store::new((10, 24), (10, 4), false, chunks());
    let mut source = ChunkedSource::new(store, pool(1), Memory { chunk: 20, held: 0, streams: 30 });
    let error = read(&mut source, 4, false).unwrap_err();
    assert!(matches!(error, Error::Memory { needed: 40, limit: Some(30), .. }), "{error:?}");
}

fn chunks(count: usize, pixels: usize, rows: u32, sound: bool) -> impl Strategy<Value = Vec<Stored>> {
    let chunk = prop_oneof![
        2 => Just(Stored::Absent),
        4 => (0..3_u8).prop_map(move |label| Stored::Constant(label, rows)),
        2 => prop::collection::vec(0..3_u8, pixels).prop_map(Stored::Labels),
        if sound { 0 } else { 1 } => Just(Stored::Damaged),
    ];
    prop::collection::vec(chunk, count)
}

fn stores(sound: bool) -> impl Strategy<Value = Store> {
    (1..20_u32, 1..20_u32, 1..9_u32, 1..9_u32).prop_flat_map(move |(height, width, tall, wide)| {
        let count = height.div_ceil(tall) * width.div_ceil(wide);
        let chunks = chunks(count as usize, (tall * wide) as usize, tall, sound);
        chunks.prop_map(move |chunks| Store::new((height, width), (tall, wide), false, chunks))
    })
}

fn memories() -> impl Strategy<Value = Memory> {
    // Any of the three ways always works, so that too little memory is no error.
    let some = || prop_oneof![Just(0), 1..200_u64, Just(u64::MAX)];
    (some(), some()).prop_flat_map(|(held, streams)| {
        let chunk =
            if streams == u64::MAX { prop_oneof![Just(0), Just(u64::MAX)].boxed() } else { Just(u64::MAX).boxed() };
        chunk.prop_map(move |chunk| Memory { chunk, held, streams })
    })
}

proptest! {
    /// The labels are those of the chunks, however the rows are asked for and whatever memory there is.
    #[test]
    fn a_sound_store_is_its_mask(
        store in stores(true), memory in memories(), rows in 1..25_u32, threads in 1..4_usize, sparse: bool,
    ) {
        let expected = store.mask();
        let mut source = ChunkedSource::new(store, pool(threads), memory);
        prop_assert_eq!(read(&mut source, rows, sparse).unwrap().0, expected);
    }

    /// The same in blocks.
    #[test]
    fn a_sound_store_is_its_blocks(store in stores(true), rows in 1..25_u32, threads in 1..4_usize) {
        let expected = store.mask();
        let mut source = ChunkedSource::new(store, pool(threads), PLENTY);
        prop_assert_eq!(read_blocks(&mut source, rows).unwrap().0, expected);
    }

    /// A damaged store is always an error: the same one for every number of threads, time after time.
    #[test]
    fn a_damaged_store_is_an_error_whatever_the_threads_do(
        store in stores(false), memory in memories(), rows in 1..25_u32, sparse: bool, blocks: bool,
    ) {
        let memory = if blocks { PLENTY } else { memory };
        let damaged = store.chunks.contains(&Stored::Damaged);
        let read_with = |threads: usize| {
            let Store { grid, chunks, stream_bytes, .. } = &store;
            let store = Store {
                grid: grid.clone(),
                chunks: chunks.clone(),
                stream_bytes: *stream_bytes,
                decoded: 0.into(),
                streamed: 0.into(),
            };
            let mut source = ChunkedSource::new(store, pool(threads), memory);
            let found = if blocks { read_blocks(&mut source, rows).map(drop) } else { read(&mut source, rows, sparse).map(drop) };
            found.map_err(|error| error.to_string())
        };
        let found = read_with(1);
        prop_assert_eq!(found.is_err(), damaged);
        for threads in [2, 4, 4, 4] {
            prop_assert_eq!(read_with(threads), found.clone());
        }
    }
}
