use super::{WalkFault, find_by_time, find_max_time};
use crate::record::{Builder, CheckedBatch, Functions, Header, NewRecord, RecordFault, TimestampType};
use crate::types::{LeaderEpoch, Offset, Wall};
use bytes::Bytes;
use proptest::prelude::{prop_assert_eq, proptest};
use std::vec::Vec;

const F: Functions = Functions::slow();

fn batch(times: &[i64]) -> CheckedBatch {
    let mut builder = Builder::new().at(Offset(100), LeaderEpoch(0));
    for time in times {
        builder.push(&NewRecord { timestamp: Wall(*time), value: Some(b"value"), ..NewRecord::default() });
    }
    builder.build_plain(&F)
}

proptest! {
    #[test]
    fn a_time_is_found_where_a_scan_finds_it(
        times in proptest::collection::vec(0..50i64, 1..20), target in 0..60i64, from in 98..125i64,
    ) {
        let batch = batch(&times);
        let at = |index: usize| (Offset(100 + index as i64), Wall(times[index]));
        let first = (0..times.len()).find(|&index| times[index] >= target && at(index).0 >= Offset(from));
        prop_assert_eq!(find_by_time(&batch, Offset(from), Wall(target), &F), Ok(first.map(at)));
        let max = *times.iter().max().unwrap();
        let first = times.iter().position(|time| *time == max);
        prop_assert_eq!(find_max_time(&batch, &F), Ok(first.map(at)));
    }

    #[test]
    fn broken_records_end_the_walk_with_one_fault(times in proptest::collection::vec(0..50i64, 1..9), at: usize, to: u8) {
        let good = batch(&times);
        let mut body = good.body().to_vec();
        let at = at % body.len();
        body[at] = to;
        let broken = CheckedBatch::sealed(*good.header(), Bytes::from(body), &F);
        let mut scratch = Vec::new();
        let found: Vec<_> = broken.walk(&F, &mut scratch).unwrap().collect();
        prop_assert_eq!(found.iter().rev().skip(1).filter(|placed| placed.is_err()).count(), 0);
    }
}

#[test]
fn under_log_append_time_all_records_have_the_time_of_the_batch() {
    let batch = batch(&[5, 9, 1]).with_log_append_time(Wall(77), &F);
    let mut scratch = Vec::new();
    let times: Vec<_> = batch.walk(&F, &mut scratch).unwrap().map(|placed| placed.unwrap().timestamp).collect();
    assert_eq!(times, [Wall(77); 3]);
    assert_eq!(find_by_time(&batch, Offset(0), Wall(70), &F), Ok(Some((Offset(100), Wall(77)))));
}

#[test]
fn a_batch_that_lies_about_its_records_is_told_apart() {
    let good = batch(&[1, 2]);
    let last = |header: Header| {
        let batch = CheckedBatch::sealed(header, good.body().clone(), &F);
        let mut scratch = Vec::new();
        batch.walk(&F, &mut scratch).unwrap().last().unwrap().unwrap_err()
    };
    let header = *good.header();
    assert_eq!(last(Header { count: 1, ..header }), WalkFault::Trailing);
    assert_eq!(last(Header { count: 3, last_offset_delta: 2, ..header }), WalkFault::Record(RecordFault::Short));
    assert_eq!(last(Header { last_offset_delta: 0, ..header }), WalkFault::Order);
    assert_eq!(last(Header { base_timestamp: Wall(i64::MAX), ..header }), WalkFault::Order);
}

#[test]
fn the_maximum_timestamp_is_rewritten_with_a_new_crc_only_if_it_changes() {
    let sent = batch(&[5, 9, 1]);
    let same = sent.with_max_timestamp(TimestampType::CreateTime, Wall(9), &F);
    assert_eq!(same, sent);
    let other = sent.with_max_timestamp(TimestampType::CreateTime, Wall(8), &F);
    assert_ne!(other.header().crc, sent.header().crc);
    assert_eq!(crate::record::check_stored(other.to_bytes(), &F).next(), Some(Ok(other)));
}
