use super::{ProducerRefusal, Producers, Verdict};
use crate::record::{Builder, CheckedBatch, EndTxn, Functions, Header, NO_SEQUENCE, NewRecord, sequence_after};
use crate::types::{ErrorCode, LeaderEpoch, Offset, OffsetRange, ProducerEpoch, ProducerId, Wall, limit};
use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};
use std::vec::Vec;

const F: Functions = Functions::slow();

fn numbered(id: i64, epoch: i16, sequence: i32, records: i32) -> Builder {
    let mut builder = Builder::new().numbered(ProducerId(id), ProducerEpoch(epoch), sequence);
    for _ in 0..records {
        builder.push(&NewRecord { timestamp: Wall(3), ..NewRecord::default() });
    }
    builder
}

fn at(builder: Builder, base: i64) -> CheckedBatch {
    builder.at(Offset(base), LeaderEpoch(0)).build_plain(&F)
}

fn header(id: i64, epoch: i16, sequence: i32, records: i32) -> Header {
    *at(numbered(id, epoch, sequence, records), 0).header()
}

fn marker(id: i64, epoch: i16, base: i64) -> CheckedBatch {
    let end = EndTxn {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        is_commit: true,
        coordinator_epoch: 4,
    };
    end.batch(Wall(9), &F).stamped(Offset(base), LeaderEpoch(0))
}

fn after(batches: &[CheckedBatch]) -> Producers {
    let mut producers = Producers::default();
    batches.iter().for_each(|batch| producers.apply(batch, Wall(100)));
    producers
}

fn refused(refusal: ProducerRefusal) -> Verdict {
    Verdict::Refused(refusal)
}

#[test]
fn a_repeated_batch_gets_its_first_offsets_as_long_as_it_is_one_of_five() {
    let batches: Vec<_> = (0..7).map(|index| at(numbered(1, 0, index * 2, 2), 50 + i64::from(index) * 3)).collect();
    let producers = after(&batches);
    for index in 2..7 {
        let start = Offset(50 + i64::from(index) * 3);
        let range = OffsetRange { start, end: start.plus(2) };
        assert_eq!(producers.check(&header(1, 0, index * 2, 2)), Verdict::Duplicate { range, timestamp: Wall(3) });
    }
    let out_of_order = refused(ProducerRefusal::OutOfOrder { last: 13 });
    assert_eq!(producers.check(&header(1, 0, 2, 2)), out_of_order, "the sixth last is not remembered");
    assert_eq!(producers.check(&header(1, 0, 12, 1)), out_of_order, "half a batch is no duplicate");
    assert_eq!(producers.check(&header(1, 0, 15, 1)), out_of_order, "one is missing");
    assert_eq!(producers.check(&header(1, 0, 14, 1)), Verdict::New);
    assert_eq!(ProducerRefusal::OutOfOrder { last: 13 }.code(), ErrorCode::OutOfOrderSequenceNumber);
}

#[test]
fn sequences_go_on_at_zero_behind_the_largest() {
    let producers = after(&[at(numbered(1, 0, i32::MAX - 1, 2), 0)]);
    assert_eq!(producers.check(&header(1, 0, 0, 1)), Verdict::New);
    let producers = after(&[at(numbered(1, 0, i32::MAX - 1, 4), 0)]);
    assert_eq!(producers.check(&header(1, 0, 2, 1)), Verdict::New);
    assert!(matches!(producers.check(&header(1, 0, i32::MAX - 1, 4)), Verdict::Duplicate { .. }));
}

#[test]
fn a_new_incarnation_begins_at_zero_and_fences_the_old_one() {
    let producers = after(&[at(numbered(1, 3, 0, 5), 0)]);
    assert_eq!(producers.check(&header(1, 4, 5, 1)), refused(ProducerRefusal::EpochNotBegun));
    assert_eq!(
        producers.check(&header(1, 4, 0, 5)),
        Verdict::New,
        "the same numbers in another epoch are no duplicate"
    );
    let stale = ProducerRefusal::StaleEpoch { known: ProducerEpoch(3) };
    assert_eq!(producers.check(&header(1, 2, 0, 1)), refused(stale));
    assert_eq!(stale.code(), ErrorCode::InvalidProducerEpoch);
    let producers = after(&[at(numbered(1, 3, 0, 5), 0), at(numbered(1, 4, 0, 1), 5)]);
    assert_eq!(producers.get(ProducerId(1)).unwrap().window.kept().len(), 1);
    assert!(matches!(producers.check(&header(1, 3, 0, 5)), Verdict::Refused(ProducerRefusal::StaleEpoch { .. })));
}

#[test]
fn a_producer_that_nobody_remembers_may_begin_anywhere() {
    let producers = after(&[]);
    assert_eq!(producers.check(&header(1, 2, 77, 1)), Verdict::New);
    assert_eq!(producers.check(&header(-1, -1, -1, 1)), Verdict::New);
    assert!(after(&[at(numbered(-1, -1, -1, 1), 0)]).is_empty());
}

#[test]
fn where_its_leader_had_forgotten_it_a_producer_goes_on_from_what_was_taken() {
    let told = (0..4).map(|index| at(numbered(1, 0, index, 1), 35 + i64::from(index)));
    let again = at(numbered(1, 0, 1, 1), 57);
    let producers = after(&told.chain([again]).collect::<Vec<_>>());
    let range = OffsetRange { start: Offset(57), end: Offset(58) };
    assert_eq!(producers.check(&header(1, 0, 1, 1)), Verdict::Duplicate { range, timestamp: Wall(3) });
    for sequence in [0, 3, 4] {
        assert_eq!(producers.check(&header(1, 0, sequence, 1)), refused(ProducerRefusal::OutOfOrder { last: 1 }));
    }
    assert_eq!(producers.check(&header(1, 0, 2, 1)), Verdict::New, "what lay before is not what that leader knows");
}

#[test]
fn a_transaction_opens_with_its_first_batch_and_ends_with_its_marker() {
    let begun = [at(numbered(1, 0, 0, 2).transactional(), 10), at(numbered(1, 0, 2, 2).transactional(), 12)];
    let producers = after(&begun);
    assert_eq!(producers.get(ProducerId(1)).unwrap().txn_start, Some(Offset(10)));
    assert_eq!(producers.check(&header(1, 0, 4, 1)), refused(ProducerRefusal::OutsideTransaction));
    assert_eq!(ProducerRefusal::OutsideTransaction.code(), ErrorCode::InvalidTxnState);

    let mut ended = producers.clone();
    ended.apply(&marker(1, 0, 14), Wall(200));
    let known = ended.get(ProducerId(1)).unwrap();
    assert_eq!((known.txn_start, known.coordinator_epoch, known.last_offset), (None, 4, Offset(14)));
    assert_eq!((known.last_timestamp, known.seen), (Wall(9), Wall(200)));
    assert_eq!(ended.check(&header(1, 0, 4, 1)), Verdict::New, "a marker has no number");

    let mut bumped = producers;
    bumped.apply(&marker(1, 1, 14), Wall(200));
    assert_eq!(bumped.get(ProducerId(1)).unwrap().window.last_sequence(), NO_SEQUENCE);
    assert_eq!(bumped.check(&header(1, 1, 0, 1)), Verdict::New);
    assert_eq!(bumped.check(&header(1, 1, 4, 1)), refused(ProducerRefusal::OutOfOrder { last: NO_SEQUENCE }));
}

#[test]
fn silent_producers_are_forgotten_but_not_with_an_open_transaction() {
    let mut producers = after(&[at(numbered(1, 0, 0, 1), 0), at(numbered(2, 0, 0, 1).transactional(), 1)]);
    producers.apply(&at(numbered(3, 0, 0, 1), 2), Wall(150));
    assert_eq!(producers.expire(Wall(199), 100), 0);
    assert_eq!(producers.expire(Wall(200), 100), 1);
    assert_eq!(producers.expire(Wall(10_000), 100), 1);
    assert_eq!(producers.iter().map(|(id, _)| id).collect::<Vec<_>>(), [ProducerId(2)]);
    assert_eq!(producers.expire(Wall(0), 100), 0, "a clock that went back forgets nobody");
}

#[test]
fn invented_producers_push_out_only_the_oldest() {
    let mut producers = Producers::default();
    for id in 0..limit::PRODUCERS_PER_LOG_MAX as i64 {
        producers.apply(&at(numbered(id, 0, 0, 1), id), Wall(if id == 5 { 2 } else { 1 }));
    }
    let next = limit::PRODUCERS_PER_LOG_MAX as i64;
    producers.apply(&at(numbered(next, 0, 0, 1), next), Wall(3));
    assert_eq!(producers.len(), limit::PRODUCERS_PER_LOG_MAX * 9 / 10 + 1);
    assert!(producers.get(ProducerId(5)).is_some() && producers.get(ProducerId(next)).is_some());
    assert!(producers.get(ProducerId(0)).is_none());
}

#[test]
fn what_lies_behind_a_cut_is_seen() {
    let producers = after(&[at(numbered(1, 0, 0, 2), 10), marker(2, 0, 12)]);
    assert!(producers.reach_behind(Offset(12)));
    assert!(!producers.reach_behind(Offset(13)));
}

/// Every batch of every producer that was ever appended, and nothing clever.
#[derive(Default)]
struct Naive {
    log: Vec<Header>,
}

impl Naive {
    fn check(&self, new: &Header) -> Verdict {
        let of_producer = self.log.iter().filter(|old| old.producer_id == new.producer_id);
        let Some(epoch) = of_producer.clone().map(|old| old.producer_epoch).max() else {
            return Verdict::New;
        };
        let of_epoch: Vec<_> = of_producer.filter(|old| old.producer_epoch == epoch).collect();
        if new.producer_epoch < epoch {
            return refused(ProducerRefusal::StaleEpoch { known: epoch });
        }
        if new.producer_epoch > epoch {
            return if new.base_sequence == 0 { Verdict::New } else { refused(ProducerRefusal::EpochNotBegun) };
        }
        let same = |old: &&&Header| old.base_sequence == new.base_sequence && old.count == new.count;
        if let Some(old) = of_epoch.iter().rev().take(5).find(same) {
            let range = OffsetRange { start: old.base_offset, end: old.end_offset() };
            return Verdict::Duplicate { range, timestamp: old.max_timestamp };
        }
        let last = of_epoch.last().unwrap();
        let next = (i64::from(last.base_sequence) + i64::from(last.count)) % (1 << 31);
        if i64::from(new.base_sequence) == next {
            return Verdict::New;
        }
        refused(ProducerRefusal::OutOfOrder { last: last.last_sequence() })
    }
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Next,
    Again(usize),
    Any(i32),
}

fn sends() -> impl Strategy<Value = Vec<(i64, i16, Number, i32)>> {
    let number = prop_oneof![
        6 => Just(Number::Next),
        2 => (0..8usize).prop_map(Number::Again),
        1 => prop_oneof![Just(0), Just(1), Just(i32::MAX - 2), 0..40i32].prop_map(Number::Any),
    ];
    proptest::collection::vec((0..2i64, prop_oneof![8 => Just(1i16), 1 => 0..4i16], number, 1..5i32), 0..60)
}

proptest! {
    #[test]
    fn the_window_judges_as_the_whole_history_does(sends in sends()) {
        let (mut naive, mut producers, mut end) = (Naive::default(), Producers::default(), 0);
        for (id, epoch, number, records) in sends {
            let known = producers.get(ProducerId(id)).map_or(NO_SEQUENCE, |known| known.window.last_sequence());
            let old = |back: usize| naive.log.iter().rev().filter(|old| old.producer_id.0 == id).nth(back);
            let (sequence, records) = match number {
                Number::Next => (sequence_after(known, 1), records),
                Number::Again(back) => old(back).map_or((0, records), |old| (old.base_sequence, old.count)),
                Number::Any(sequence) => (sequence, records),
            };
            let batch = at(numbered(id, epoch, sequence, records), end);
            let verdict = producers.check(batch.header());
            prop_assert_eq!(verdict, naive.check(batch.header()));
            if verdict == Verdict::New {
                producers.apply(&batch, Wall(1));
                naive.log.push(*batch.header());
                end += i64::from(records);
            }
        }
    }
}
