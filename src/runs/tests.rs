use proptest::prelude::*;

use super::*;
use crate::error::Error;

const SHAPE: Shape = Shape { height: 5, width: 4 };

fn run(start: u64, length: u64) -> Run {
    Run { start, length }
}

fn parts(labels: &[u64], offsets: &[usize], runs: &[Run], shape: Option<Shape>) -> Result<LabelRuns> {
    LabelRuns::from_parts(shape, ScanOrder::ColumnMajor, labels.to_vec(), offsets.to_vec(), runs.to_vec())
}

#[test]
fn every_broken_promise_is_named() {
    let known = Some(SHAPE);
    for (labels, offsets, runs, shape, message) in [
        (&[][..], &[][..], &[][..], known, "0 offsets for 0 labels: there must be one more"),
        (&[1], &[0], &[], known, "1 offsets for 1 labels: there must be one more"),
        (&[], &[0], &[run(0, 1)], known, "offsets from 0 to 0: they must go from 0 to the 1 runs"),
        (&[1], &[1, 1], &[run(0, 1)], known, "offsets from 1 to 1: they must go from 0 to the 1 runs"),
        (&[1], &[0, 2], &[run(0, 1)], known, "offsets from 0 to 2: they must go from 0 to the 1 runs"),
        (&[1, 2, 3], &[0, 2, 1, 2], &[run(0, 1), run(2, 1)], known, "offset 2 is 1 and follows 2: offsets must ascend"),
        (
            &[1, 2],
            &[0, usize::MAX, 1],
            &[run(0, 1)],
            known,
            "offset 2 is 1 and follows 18446744073709551615: offsets must ascend",
        ),
        (&[2, 2], &[0, 0, 0], &[], known, "label 2 follows label 2: labels must ascend"),
        (&[2, 1], &[0, 0, 0], &[], known, "label 1 follows label 2: labels must ascend"),
        (&[2], &[0, 1], &[run(3, 0)], known, "label 2: the run from 3 has no pixels"),
        (
            &[2],
            &[0, 2],
            &[run(3, 2), run(4, 1)],
            known,
            "label 2: the run from 4 begins before the run before it ends, at 5: runs must ascend without overlap",
        ),
        (
            &[2],
            &[0, 1],
            &[run(19, 2)],
            known,
            "label 2: the run of 2 pixels from 19 ends outside the mask (height 5 x width 4, 20 pixels)",
        ),
        (
            &[2],
            &[0, 1],
            &[run(2, u64::MAX)],
            None,
            "label 2: the run of 18446744073709551615 pixels from 2 ends past 2^64",
        ),
    ] {
        match parts(labels, offsets, runs, shape) {
            Err(Error::Argument(found)) => assert_eq!(found, message),
            other => panic!("{other:?}, not {message}"),
        }
    }
}

#[test]
fn good_parts_come_back() {
    let (labels, offsets, runs) = (vec![0, 4, u64::MAX], vec![0, 0, 2, 3], vec![run(0, 2), run(2, 3), run(1, 19)]);
    let made = parts(&labels, &offsets, &runs, Some(SHAPE)).unwrap();
    assert_eq!(made.get(4), Some(&[run(0, 2), run(2, 3)][..]));
    assert_eq!((made.labels(), made.offsets(), made.runs()), (&labels[..], &offsets[..], &runs[..]));
    assert_eq!(made.into_parts(), (labels, offsets, runs));
}

#[test]
fn a_run_that_ends_past_every_position_neither_panics_nor_wraps() {
    assert_eq!(run(u64::MAX, 5).end(), u64::MAX);
    let mut builder = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
    assert!(builder.run(run(0, 1)).is_err());
    assert!(builder.push(run(0, 0)).is_err());
    builder.label(1).unwrap();
    assert!(builder.run(run(u64::MAX, 1)).is_err());
    builder.run(run(0, u64::MAX)).unwrap();
    builder.label(2).unwrap();
    builder.run(run(0, u64::MAX)).unwrap();
    assert_eq!(builder.finish().area(), u64::MAX);
}

proptest! {
    /// Pixels in ascending runs, some of which touch or are empty; the definition goes by pixels.
    #[test]
    fn pushed_runs_are_maximal(steps in prop::collection::vec((0_u64..3, 0_u64..4), 0..20)) {
        let mut builder = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
        builder.label(1).unwrap();
        let (mut list, mut pixels, mut position) = (Vec::new(), Vec::new(), 0);
        for (gap, length) in steps {
            let next = run(position + gap, length);
            position = next.end();
            pixels.extend(next.start..next.end());
            push(&mut list, next);
            builder.push(next).unwrap();
        }
        let mut expected: Vec<Run> = Vec::new();
        for pixel in pixels {
            match expected.last_mut() {
                Some(last) if last.start + last.length == pixel => last.length += 1,
                _ => expected.push(run(pixel, 1)),
            }
        }
        prop_assert_eq!(&list, &expected);
        prop_assert_eq!(builder.finish().into_parts().2, expected);
    }

    /// Lists of any numbers: an error or runs that a builder takes.
    #[test]
    fn any_parts_are_checked(
        labels in prop::collection::vec(0_u64..4, 0..4),
        offsets in prop::collection::vec(0_usize..4, 0..5),
        runs in prop::collection::vec((0_u64..22, 0_u64..4), 0..4),
        known in any::<bool>(),
    ) {
        let runs: Vec<Run> = runs.into_iter().map(|(start, length)| run(start, length)).collect();
        let shape = known.then_some(SHAPE);
        let build = || {
            let mut builder = LabelRunsBuilder::new(shape, ScanOrder::ColumnMajor);
            let mut at = 0;
            for (index, &label) in labels.iter().enumerate() {
                builder.label(label)?;
                let (from, to) = (*offsets.get(index).unwrap_or(&99), *offsets.get(index + 1).unwrap_or(&99));
                let Some(runs) = runs.get(from..to).filter(|_| from == at) else {
                    return Err(Error::Argument("offsets".into()));
                };
                runs.iter().try_for_each(|&run| builder.run(run))?;
                at = to;
            }
            let whole = offsets.len() == labels.len() + 1 && offsets[0] == 0 && at == runs.len();
            if whole { Ok(builder.finish()) } else { Err(Error::Argument("offsets".into())) }
        };
        let made = parts(&labels, &offsets, &runs, shape);
        match (made, build()) {
            (Ok(made), Ok(built)) => prop_assert_eq!(made, built),
            (made, built) => prop_assert!(made.is_err() && built.is_err(), "{made:?} {built:?}"),
        }
    }
}
