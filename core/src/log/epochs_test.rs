use super::{EpochEnd, EpochStart, Epochs};
use crate::types::{LeaderEpoch, Offset};
use alloc::collections::BTreeMap;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::vec;
use std::vec::Vec;

fn epochs(entries: &[(i32, i64)]) -> Epochs {
    let entries = entries.iter().map(|&(epoch, start)| EpochStart { epoch: LeaderEpoch(epoch), start: Offset(start) });
    Epochs::from_entries(entries.collect()).unwrap()
}

fn end(epoch: i32, end: i64) -> EpochEnd {
    EpochEnd { epoch: LeaderEpoch(epoch), end: Offset(end) }
}

#[test]
fn the_end_of_an_epoch_is_told_as_kafka_tells_it() {
    let known = epochs(&[(2, 6), (4, 11), (7, 15)]);
    let asked = |epoch| known.end_of(LeaderEpoch(epoch), Offset(20));
    assert_eq!(asked(7), end(7, 20), "the current epoch ends where the log does");
    assert_eq!(asked(4), end(4, 15));
    assert_eq!(asked(5), end(4, 15), "an epoch that wrote nothing: the one before it");
    assert_eq!(asked(2), end(2, 11));
    assert_eq!(asked(1), end(1, 6), "an epoch whose records are gone: where the first known one begins");
    assert_eq!(asked(8), EpochEnd::UNKNOWN, "an epoch from the future");
    assert_eq!(asked(-1), EpochEnd::UNKNOWN);
    assert_eq!(Epochs::default().end_of(LeaderEpoch(0), Offset(0)), EpochEnd::UNKNOWN);
}

#[test]
fn a_reign_that_has_written_nothing_ends_the_one_before_it() {
    let known = epochs(&[(2, 6), (4, 11)]);
    let reign = EpochStart { epoch: LeaderEpoch(9), start: Offset(20) };
    let asked = |epoch| known.end_under(LeaderEpoch(epoch), reign, Offset(20));
    assert_eq!(asked(9), end(9, 20));
    assert_eq!(asked(4), end(4, 20));
    assert_eq!(asked(7), end(4, 20), "a reign that was never heard of here");
    assert_eq!(asked(3), end(2, 11));
    assert_eq!(asked(1), end(1, 6));
    assert_eq!(asked(10), EpochEnd::UNKNOWN, "a reign to come");
    assert_eq!(asked(-1), EpochEnd::UNKNOWN);
}

#[test]
fn trimming_keeps_the_epoch_that_wrote_on() {
    let mut known = epochs(&[(2, 6), (4, 11), (7, 15)]);
    known.trim(Offset(5));
    assert_eq!(known, epochs(&[(2, 6), (4, 11), (7, 15)]));
    known.trim(Offset(11));
    assert_eq!(known, epochs(&[(4, 11), (7, 15)]));
    known.trim(Offset(13));
    assert_eq!(known, epochs(&[(4, 13), (7, 15)]));
    known.trim(Offset(20));
    assert_eq!(known, epochs(&[(7, 20)]));
}

#[test]
fn entries_that_do_not_grow_are_refused() {
    let start = |epoch, start| EpochStart { epoch: LeaderEpoch(epoch), start: Offset(start) };
    assert_eq!(Epochs::from_entries(vec![start(1, 0), start(1, 5)]), None);
    assert_eq!(Epochs::from_entries(vec![start(1, 5), start(2, 5)]), None);
    assert_eq!(Epochs::from_entries(vec![start(-1, 0)]), None);
}

/// What the log's batches would say: the epoch of every offset, one by one.
#[derive(Clone, Debug, Default)]
struct Naive {
    first: i64,
    offsets: BTreeMap<i64, i32>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Append { grow: i32, records: i64 },
    Truncate { back: i64 },
    Trim { forth: i64 },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let append = (0..3i32, 1..5i64).prop_map(|(grow, records)| Change::Append { grow, records });
    let truncate = (0..6i64).prop_map(|back| Change::Truncate { back });
    let trim = (0..6i64).prop_map(|forth| Change::Trim { forth });
    proptest::collection::vec(prop_oneof![4 => append, 1 => truncate, 1 => trim], 0..40)
}

proptest! {
    #[test]
    fn the_history_says_what_the_offsets_say(changes in changes(), asked in 0..60i32) {
        let (mut naive, mut known) = (Naive::default(), Epochs::default());
        let (mut log_end, mut epoch) = (0, 0);
        for change in changes {
            match change {
                Change::Append { grow, records } => {
                    epoch += grow;
                    known.append(LeaderEpoch(epoch), Offset(log_end));
                    naive.offsets.extend((log_end..log_end + records).map(|offset| (offset, epoch)));
                    log_end += records;
                }
                Change::Truncate { back } => {
                    log_end = (log_end - back).max(naive.first);
                    known.truncate(Offset(log_end));
                    naive.offsets.split_off(&log_end);
                    epoch += 1;
                }
                Change::Trim { forth } => {
                    naive.first = (naive.first + forth).min(log_end);
                    known.trim(Offset(naive.first));
                    naive.offsets = naive.offsets.split_off(&naive.first);
                }
            }
            for (&offset, &epoch) in &naive.offsets {
                prop_assert_eq!(known.epoch_at(Offset(offset)), Some(LeaderEpoch(epoch)));
            }
            prop_assert!(Epochs::from_entries(known.entries().to_vec()).is_some());
        }
        let next = naive.offsets.iter().find(|(_, epoch)| **epoch > asked).map(|(offset, _)| *offset);
        let answer = known.end_of(LeaderEpoch(asked), Offset(log_end));
        if let Some(next) = next {
            prop_assert_eq!(answer.end, Offset(next));
        } else if naive.offsets.values().any(|epoch| *epoch == asked) {
            prop_assert_eq!(answer, end(asked, log_end));
        }
    }

    #[test]
    fn appending_keeps_both_numbers_growing(batches in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..30)) {
        let mut known = Epochs::default();
        for (epoch, start) in batches {
            known.append(LeaderEpoch(i32::from(epoch)), Offset(i64::from(start)));
            prop_assert!(Epochs::from_entries(known.entries().to_vec()).is_some());
            prop_assert_eq!(known.latest(), Some(LeaderEpoch(i32::from(epoch))));
        }
    }
}
