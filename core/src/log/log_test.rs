use super::{AfterCut, Epochs, Log, Producers};
use crate::record::{Builder, CheckedBatch, Functions, NewRecord};
use crate::types::{LeaderEpoch, Offset, OffsetRange, ProducerEpoch, ProducerId, Wall};

fn batch(base: i64, epoch: i32, sequence: i32) -> CheckedBatch {
    let record = NewRecord { value: Some(b"value"), ..NewRecord::default() };
    Builder::new()
        .numbered(ProducerId(1), ProducerEpoch(0), sequence)
        .at(Offset(base), LeaderEpoch(epoch))
        .with(&record)
        .with(&record)
        .build_plain(&Functions::slow())
}

fn appended(batches: &[CheckedBatch]) -> Log {
    let mut log = Log::empty(Offset(10));
    batches.iter().for_each(|batch| log.append(batch, Wall(5)));
    log
}

#[test]
fn the_ends_move_with_appends_and_flushes() {
    let mut log = appended(&[batch(10, 0, 0), batch(12, 1, 2)]);
    assert_eq!((log.start(), log.durable(), log.end()), (Offset(10), Offset(10), Offset(14)));
    log.stored(Offset(14));
    log.stored(Offset(12));
    assert_eq!(log.durable(), Offset(14), "flushes are reported in any order");
    log.trim(Offset(13));
    log.trim(Offset(11));
    assert_eq!(log.start(), Offset(13));
    assert_eq!(log.epochs().entries().len(), 1);
    assert_eq!(log.producers().len(), 1, "producers outlive their batches");
}

#[test]
fn a_cut_says_when_the_producers_must_be_rebuilt() {
    let whole = appended(&[batch(10, 0, 0), batch(12, 1, 2)]);
    let mut log = whole.clone();
    assert_eq!(log.truncate(Offset(14)), AfterCut::Whole);
    assert_eq!(log, whole);
    log.stored(Offset(14));
    assert_eq!(log.truncate(Offset(12)), AfterCut::Rebuild);
    assert_eq!((log.durable(), log.end()), (Offset(12), Offset(12)));
    let rest = appended(&[batch(10, 0, 0)]);
    log.set_producers(rest.producers().clone());
    assert_eq!(log.producers(), rest.producers());
    assert_eq!(log.epochs(), rest.epochs());
}

#[test]
fn a_recovered_log_is_durable_to_its_end() {
    let range = OffsetRange { start: Offset(3), end: Offset(9) };
    let log = Log::recovered(range, Epochs::default(), Producers::default());
    assert_eq!((log.start(), log.durable(), log.end()), (Offset(3), Offset(9), Offset(9)));
}

#[test]
#[should_panic(expected = "in a log that ends at")]
fn a_batch_over_another_is_a_bug_of_ours() {
    appended(&[batch(10, 0, 0), batch(11, 0, 2)]);
}

#[test]
#[should_panic(expected = "was durable before")]
fn what_is_not_flushed_is_not_trimmed() {
    appended(&[batch(10, 0, 0)]).trim(Offset(12));
}

#[test]
fn a_log_that_begins_anew_keeps_nothing_and_all_of_that_is_flushed() {
    let mut log = appended(&[batch(10, 0, 0), batch(12, 1, 2)]);
    log.begin_anew(Offset(20));
    assert_eq!(log.producers().len(), 0, "what they numbered in between is unknown");
    assert_eq!((log.start(), log.durable(), log.end()), (Offset(20), Offset(20), Offset(20)));
    assert_eq!(log.epochs().latest(), None, "and so is who wrote in between");
    log.append(&batch(20, 3, 4), Wall(5));
    assert_eq!(log.epochs().latest(), Some(LeaderEpoch(3)));
    assert_eq!(log.epochs().end_of(LeaderEpoch(3), log.end()).end, Offset(22));
}

#[test]
fn a_voters_log_that_begins_anew_keeps_the_last_epoch_that_it_knows() {
    let mut log = appended(&[batch(10, 0, 0), batch(12, 1, 2)]);
    log.begin_anew_as_voter(Offset(20));
    assert_eq!((log.start(), log.end()), (Offset(20), Offset(20)));
    assert_eq!(log.epochs().latest(), Some(LeaderEpoch(1)));
}
