//! Scores of a segmentation against the truth, from the overlaps of both.
//!
//! Gets the overlaps of two masks, the truth first; gives panoptic quality, aggregated Jaccard index, Dice and IoU of the
//! foregrounds, and F1 for thresholds of IoU. Labels without pixels do not count. Scores of two empty masks are 1.
//!
//! | score | definition |
//! |---|---|
//! | match | a label of the truth and one of the prediction whose IoU is greater than the threshold, 0.5 for PQ |
//! | DQ | matches / (matches + half of the labels of both that have none): F1 at 0.5 |
//! | SQ | mean IoU of the matches; 0 without any |
//! | PQ | DQ times SQ |
//! | AJI | for each label of the truth the prediction of the highest IoU, which may be taken twice: sum of the intersections / (sum of the unions + areas of truth and prediction that were not taken) |
//! | F1 | 2 matches / labels of both; a label is matched once, and below 0.5 as many as possible are |

use std::ops::Range;

use super::LabelRuns;
use super::build::groups;
use super::overlap::{Overlap, Overlaps, iou};
use crate::error::{Error, Result};

/// A label and the label of the other mask that it has the highest IoU with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BestMatch {
    /// The label.
    pub label: u64,
    /// The other label, the least of those with the same IoU; `None` when it shares no pixel with any.
    pub other: Option<u64>,
    /// Their IoU; 0 without another label.
    pub iou: f64,
}

/// Scores of a prediction; what [`LabelRuns::compare`] gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scores {
    /// Panoptic quality.
    pub pq: f64,
    /// Segmentation quality: the mean IoU of matches.
    pub sq: f64,
    /// Detection quality: F1 of matches.
    pub dq: f64,
    /// Aggregated Jaccard index.
    pub aji: f64,
    /// Dice coefficient of the foregrounds.
    pub dice: f64,
    /// IoU of the foregrounds.
    pub iou: f64,
    /// Thresholds, and the F1 of matches with a greater IoU.
    pub f1: Vec<(f64, f64)>,
    /// Labels of the truth and of the prediction that match, for PQ.
    pub matched: u64,
    /// Labels of the truth.
    pub truth: u64,
    /// Labels of the prediction.
    pub prediction: u64,
}

/// The thresholds of F1 unless others are given: 0.5, 0.55 and so on to 0.95.
pub const F1_THRESHOLDS: [f64; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

impl LabelRuns {
    /// The scores of `prediction` where these runs are the truth, with F1 for each threshold of IoU, see
    /// [`F1_THRESHOLDS`].
    ///
    /// # Errors
    /// Those of [`LabelRuns::overlaps`] and of [`Overlaps::scores`].
    ///
    /// ```
    /// use runmask::{F1_THRESHOLDS, LabelMask, Shape};
    /// let shape = Shape { height: 1, width: 6 };
    /// let runs = |pixels: [u8; 6]| runmask::encode(&LabelMask::new(&pixels, shape)?);
    /// let (truth, prediction) = (runs([1, 1, 1, 1, 0, 2])?, runs([5, 5, 5, 0, 0, 0])?);
    /// let scores = truth.compare(&prediction, &F1_THRESHOLDS)?;
    /// assert_eq!((scores.sq, scores.dq), (0.75, 1.0 / 1.5));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn compare(&self, prediction: &Self, thresholds: &[f64]) -> Result<Scores> {
        self.overlaps(prediction)?.scores(thresholds)
    }
}

/// A pair with its IoU.
#[derive(Clone, Copy, Debug)]
struct Pair {
    overlap: Overlap,
    iou: f64,
    /// The place of the second label among the second mask's.
    second: usize,
}

impl Overlaps {
    /// The scores of the second mask as a prediction of the first, with F1 for each threshold of IoU.
    ///
    /// # Errors
    /// [`Error::Argument`] when a threshold is not a number from 0 to 1.
    pub fn scores(&self, thresholds: &[f64]) -> Result<Scores> {
        if let Some(wrong) = thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            return Err(Error::Argument(format!("a threshold of {wrong}: an IoU is a number from 0 to 1")));
        }
        let pairs = self.with_iou();
        let count = |areas: &[(u64, u64)]| areas.iter().filter(|entry| entry.1 > 0).count() as u64;
        let total = |areas: &[(u64, u64)]| areas.iter().map(|entry| entry.1).sum::<u64>();
        let (truth, prediction) = (count(&self.first), count(&self.second));
        let (truth_area, prediction_area) = (total(&self.first), total(&self.second));
        let shared: u64 = self.pairs.iter().map(|pair| pair.pixels).sum();
        let f1 = |matched: u64| share(2.0 * matched as f64, (truth + prediction) as f64);
        let matches: Vec<f64> = pairs.iter().map(|pair| pair.iou).filter(|&iou| iou > 0.5).collect();
        let matched = matches.len() as u64;
        let dq = f1(matched);
        let sq = match matched {
            0 => share(0.0, (truth + prediction) as f64),
            _ => matches.iter().sum::<f64>() / matched as f64,
        };
        Ok(Scores {
            pq: dq * sq,
            sq,
            dq,
            aji: self.aji(&pairs),
            dice: share(2.0 * shared as f64, truth_area as f64 + prediction_area as f64),
            iou: share(shared as f64, truth_area as f64 + (prediction_area - shared) as f64),
            f1: thresholds.iter().map(|&threshold| (threshold, f1(matches_over(&pairs, threshold)))).collect(),
            matched,
            truth,
            prediction,
        })
    }

    /// For each label of the first mask the label of the second that it has the highest IoU with.
    pub fn best_matches(&self) -> Vec<BestMatch> {
        let pairs = self.with_iou();
        let groups = of_first(&pairs);
        let mut next = groups.iter().peekable();
        self.first
            .iter()
            .map(|&(label, _)| {
                let group = next.next_if(|group| pairs[group.start].overlap.first == label);
                match group.and_then(|group| best(&pairs[group.clone()])) {
                    Some(best) => BestMatch { label, other: Some(best.overlap.second), iou: best.iou },
                    None => BestMatch { label, other: None, iou: 0.0 },
                }
            })
            .collect()
    }

    fn with_iou(&self) -> Vec<Pair> {
        let mut first = self.first.iter();
        let mut of = (0, 0);
        let mut near = 0;
        let pair = |&overlap: &Overlap| {
            // Labels of the first mask come in order.
            while of.0 != overlap.first || of.1 == 0 {
                match first.next() {
                    Some(&next) => of = next,
                    None => break,
                }
            }
            near = find(&self.second, overlap.second, near);
            let second = self.second[near].1;
            Pair { overlap, iou: iou(overlap.pixels, of.1, second), second: near }
        };
        self.pairs.iter().map(pair).collect()
    }

    fn aji(&self, pairs: &[Pair]) -> f64 {
        let areas = |areas: &[(u64, u64)]| areas.iter().map(|entry| u128::from(entry.1)).sum::<u128>();
        let (mut shared, mut all) = (0_u128, areas(&self.first) + areas(&self.second));
        let mut taken = vec![false; self.second.len()];
        for pairs in pairs.chunk_by(|a, b| a.overlap.first == b.overlap.first) {
            if let Some(Pair { overlap, second, .. }) = best(pairs) {
                shared += u128::from(overlap.pixels);
                // The areas of both are counted already, but not that of a label that is taken again.
                if std::mem::replace(&mut taken[second], true) {
                    all += u128::from(self.second[second].1);
                }
                all -= u128::from(overlap.pixels);
            }
        }
        share(shared as f64, all as f64)
    }
}

/// The place of a label in a list that holds it, near `from` if it is near.
fn find(areas: &[(u64, u64)], label: u64, from: usize) -> usize {
    // Steps that double until the label is behind.
    let (mut low, mut high, mut step) = (from, from + 1, 1);
    while low > 0 && areas[low].0 > label {
        high = low;
        low = low.saturating_sub(step);
        step *= 2;
    }
    while high < areas.len() && areas[high].0 <= label {
        low = high;
        high = (high + step).min(areas.len());
        step *= 2;
    }
    low + areas[low..high].partition_point(|entry| entry.0 < label)
}

/// A share of a whole; of nothing all is right.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 1.0 } else { part / whole }
}

/// The pairs of each label of the first mask.
fn of_first(pairs: &[Pair]) -> Vec<Range<usize>> {
    groups(pairs, |pair| pair.overlap.first)
}

/// The first pair of the highest IoU.
fn best(pairs: &[Pair]) -> Option<Pair> {
    pairs.iter().copied().reduce(|best, pair| if pair.iou > best.iou { pair } else { best })
}

/// How many pairs of an IoU over a threshold there are at most when each label is in one of them.
fn matches_over(pairs: &[Pair], threshold: f64) -> u64 {
    let over = || pairs.iter().filter(|pair| pair.iou > threshold);
    if threshold >= 0.5 {
        // Two labels cannot both have more than half of a third.
        return over().count() as u64;
    }
    let over: Vec<Pair> = over().copied().collect();
    let mut seconds: Vec<u64> = over.iter().map(|pair| pair.overlap.second).collect();
    seconds.sort_unstable();
    seconds.dedup();
    let number = |pair: &Pair| seconds.partition_point(|&second| second < pair.overlap.second);
    let candidates: Vec<Vec<usize>> =
        of_first(&over).into_iter().map(|group| over[group].iter().map(number).collect()).collect();
    let mut owner: Vec<Option<usize>> = vec![None; seconds.len()];
    let mut visited = vec![usize::MAX; seconds.len()];
    (0..candidates.len()).filter(|&label| assign(label, &candidates, &mut owner, &mut visited)).count() as u64
}

/// Finds a partner for a label of the first mask; others may have to take another one. Along such a chain of labels, each
/// entry of the path is a label and how many of its candidates were tried.
fn assign(label: usize, candidates: &[Vec<usize>], owner: &mut [Option<usize>], visited: &mut [usize]) -> bool {
    let mut path = vec![(label, 0)];
    while let Some(&mut (at, ref mut tried)) = path.last_mut() {
        let Some(&candidate) = candidates[at].get(*tried) else {
            path.pop();
            continue;
        };
        *tried += 1;
        if std::mem::replace(&mut visited[candidate], label) == label {
            continue;
        }
        match owner[candidate] {
            Some(other) => path.push((other, 0)),
            None => {
                for (label, tried) in path {
                    owner[candidates[label][tried - 1]] = Some(label);
                }
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::overlap::tests::pairs;
    use crate::runs::testing::{ORDERS, Pixels, for_threads};
    use crate::shape::ScanOrder;

    /// Pixels of both labels and of either.
    fn counts(one: &Pixels, other: &Pixels, first: u64, second: u64) -> (f64, f64) {
        let pixels = || one.labels.iter().zip(&other.labels);
        let both = pixels().filter(|(a, b)| **a == first && **b == second).count();
        let either = pixels().filter(|(a, b)| **a == first || **b == second).count();
        (both as f64, either as f64)
    }

    /// The most pairs over a threshold, by trying all assignments.
    fn most(ious: &[Vec<f64>], threshold: f64, taken: &mut Vec<bool>) -> usize {
        let Some((first, rest)) = ious.split_first() else { return 0 };
        let mut found = most(rest, threshold, taken);
        for (second, &iou) in first.iter().enumerate() {
            if iou > threshold && !taken[second] {
                taken[second] = true;
                found = found.max(1 + most(rest, threshold, taken));
                taken[second] = false;
            }
        }
        found
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-12
    }

    proptest! {
        #[test]
        fn scores_are_by_definition((truth, prediction) in pairs()) {
            let (firsts, seconds) = (truth.present(), prediction.present());
            let table: Vec<Vec<(f64, f64)>> = firsts
                .iter()
                .map(|&first| seconds.iter().map(|&second| counts(&truth, &prediction, first, second)).collect())
                .collect();
            let ious: Vec<Vec<f64>> = table.iter().map(|row| row.iter().map(|(both, either)| both / either).collect()).collect();
            let thresholds = [0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 1.0];
            for order in ORDERS {
                let (a, b) = (truth.encode(order), prediction.encode(order));
                let [found, many] = for_threads(|| a.compare(&b, &thresholds).unwrap());
                prop_assert_eq!(&found, &many);
                let labels = (firsts.len() + seconds.len()) as f64;
                if labels == 0.0 {
                    prop_assert_eq!([found.pq, found.sq, found.dq, found.aji, found.dice, found.iou], [1.0; 6]);
                    prop_assert!(found.f1.iter().all(|entry| entry.1 == 1.0));
                    continue;
                }
                let over: Vec<f64> = ious.iter().flatten().copied().filter(|&iou| iou > 0.5).collect();
                let dq = 2.0 * over.len() as f64 / labels;
                let sq = if over.is_empty() { 0.0 } else { over.iter().sum::<f64>() / over.len() as f64 };
                prop_assert!(close(found.dq, dq) && close(found.sq, sq) && close(found.pq, dq * sq));
                for &(threshold, f1) in &found.f1 {
                    let expected = 2.0 * most(&ious, threshold, &mut vec![false; seconds.len()]) as f64 / labels;
                    prop_assert!(close(f1, expected), "{} at {}, not {}", f1, threshold, expected);
                }
                let foreground = |pixels: &Pixels| pixels.labels.iter().map(|&label| label > 0).collect::<Vec<_>>();
                let (t, p) = (foreground(&truth), foreground(&prediction));
                let both = t.iter().zip(&p).filter(|(a, b)| **a && **b).count() as f64;
                let sum = t.iter().chain(&p).filter(|covered| **covered).count() as f64;
                prop_assert!(close(found.dice, 2.0 * both / sum) && close(found.iou, both / (sum - both)));
                // AJI as its authors wrote it down.
                let (mut shared, mut all) = (0.0, 0.0);
                let mut used = vec![false; seconds.len()];
                for (row, &first) in firsts.iter().enumerate() {
                    let best = (0..seconds.len()).filter(|&column| ious[row][column] > 0.0).reduce(|best, column| {
                        if ious[row][column] > ious[row][best] { column } else { best }
                    });
                    match best {
                        Some(column) => {
                            shared += table[row][column].0;
                            all += table[row][column].1;
                            used[column] = true;
                        }
                        None => all += truth.of(first).len() as f64,
                    }
                }
                all += (0..seconds.len()).filter(|&column| !used[column]).map(|column| prediction.of(seconds[column]).len() as f64).sum::<f64>();
                prop_assert!(close(found.aji, shared / all));
                for (row, best) in a.overlaps(&b).unwrap().best_matches().into_iter().enumerate() {
                    prop_assert_eq!(best.label, firsts[row]);
                    let highest = ious[row].iter().copied().fold(0.0, f64::max);
                    prop_assert!(close(best.iou, highest));
                    let first = seconds.iter().zip(&ious[row]).find(|(_, iou)| **iou == highest && highest > 0.0);
                    prop_assert_eq!(best.other, first.map(|(label, _)| *label));
                }
            }
        }
    }

    #[test]
    fn a_chain_of_labels_is_matched_as_a_whole() {
        // Each label of the truth overlaps two of the prediction, and only one assignment serves all of them.
        let (truth, prediction) = ("1 1 2 2 3 3 4", "5 6 6 7 7 8 8");
        let overlaps = Pixels::parse(truth)
            .encode(ScanOrder::RowMajor)
            .overlaps(&Pixels::parse(prediction).encode(ScanOrder::RowMajor))
            .unwrap();
        let scores = overlaps.scores(&[0.3, 0.2]).unwrap();
        assert_eq!(scores.f1[0].1, 1.0);
        assert_eq!(scores.matched, 0);
    }

    #[test]
    fn wrong_thresholds_are_refused() {
        let empty = LabelRuns::empty(None, ScanOrder::RowMajor);
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(empty.compare(&empty, &[0.5, wrong]), Err(Error::Argument(_))));
        }
    }

    #[test]
    fn labels_without_pixels_do_not_count() {
        let runs = Pixels::parse("1 1 0 2").encode(ScanOrder::RowMajor);
        let mut more = runs.clone();
        more.labels.push(9);
        more.offsets.push(more.runs.len());
        assert_eq!(more.compare(&runs, &[0.3]).unwrap(), runs.compare(&runs, &[0.3]).unwrap());
        assert_eq!(more.overlaps(&runs).unwrap().best_matches()[2], BestMatch { label: 9, other: None, iou: 0.0 });
    }
}
