//! Pieces of a strip, side by side, around what a source says repeats.
//!
//! Gets a strip's width and its repeats; gives pieces that cover its columns exactly, in order, in each of which a row
//! repeats the one above all through or is to be marked.

use std::ops::Range;

use crate::source::Repeat;

/// Some columns of a strip, and which of its rows repeat there what is above them, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) columns: Range<u32>,
    pub(super) repeats: Vec<Range<u32>>,
}

/// Cuts `width` columns into pieces of at most `most`, in each of which whole rows repeat or do not.
pub(super) fn pieces(width: u32, most: u32, repeats: &[Repeat]) -> Vec<Piece> {
    let mut edges: Vec<u32> = repeats.iter().flat_map(|repeat| [repeat.columns.start, repeat.columns.end]).collect();
    edges.extend([0, width]);
    edges.sort_unstable();
    edges.dedup();
    let mut between: Vec<Piece> =
        edges.windows(2).map(|edges| Piece { columns: edges[0]..edges[1], repeats: Vec::new() }).collect();
    for repeat in repeats {
        let from = edges.partition_point(|&edge| edge < repeat.columns.start);
        let to = edges.partition_point(|&edge| edge < repeat.columns.end);
        for piece in &mut between[from..to] {
            piece.repeats.push(repeat.rows.clone());
        }
    }
    for piece in &mut between {
        piece.repeats.sort_unstable_by_key(|rows| rows.start);
    }
    between.dedup_by(|piece, before| {
        let same = piece.repeats == before.repeats;
        if same {
            before.columns.end = piece.columns.end;
        }
        same
    });
    let cut = |Piece { columns, repeats }: Piece| {
        let starts = columns.clone().step_by(most as usize);
        starts.map(move |start| {
            let end = start.saturating_add(most).min(columns.end);
            Piece { columns: start..end, repeats: repeats.clone() }
        })
    };
    between.into_iter().flat_map(cut).collect()
}

/// What of `repeats` lies in `rows`, counted from the first of these.
pub(super) fn crop(repeats: &[Repeat], rows: Range<u32>) -> Vec<Repeat> {
    let crop = |repeat: &Repeat| Repeat {
        rows: repeat.rows.start.max(rows.start).saturating_sub(rows.start)
            ..repeat.rows.end.min(rows.end).saturating_sub(rows.start),
        columns: repeat.columns.clone(),
    };
    repeats.iter().map(crop).filter(|repeat| !repeat.rows.is_empty() && !repeat.columns.is_empty()).collect()
}
