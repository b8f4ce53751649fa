use super::{FetchAsk, FetchTold, Taken};
use crate::log::{EpochStart, Epochs, Log, Producers};
use crate::quorum::quorum_test::{boot, member, with};
use crate::quorum::{Quorum, QuorumOut, VoteAsk, Voter, Voters};
use crate::record::{Builder, CheckedBatch, Functions, NewRecord};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, OffsetRange, Uuid, Wall};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

const NOW: Wall = Wall(5);
const AT: Now = Now { mono: Mono(9), wall: NOW };
const LEADER: BrokerId = BrokerId(1);

fn observer() -> Quorum {
    let me = Voter { id: BrokerId(2), directory: Uuid([2; 16]) };
    boot(me, &[1], None, Log::empty(Offset::ZERO))
}

fn batch(base: i64, count: i64, term: i32) -> CheckedBatch {
    let record = NewRecord { timestamp: NOW, key: None, value: Some(b"x"), headers: &[] };
    let builder = (0..count).fold(Builder::new(), |builder, _| builder.with(&record));
    builder.at(Offset(base), LeaderEpoch(term)).build_plain(&Functions::slow())
}

fn told(term: i32, watermark: i64, batches: Vec<CheckedBatch>) -> FetchTold {
    FetchTold {
        error: ErrorCode::None,
        term: LeaderEpoch(term),
        leader: Some(LEADER),
        high_watermark: Offset(watermark),
        log_start: Offset::ZERO,
        diverging: None,
        batches,
    }
}

/// Takes an answer, and has the store do what comes of it.
fn take(quorum: &mut Quorum, told: FetchTold) -> (Taken, Vec<QuorumOut>) {
    let mut out = Vec::new();
    let asked = quorum.ask().expect("it asks");
    let taken = with(AT, |cx| quorum.fetched(asked, told, cx, &mut out));
    out.retain(|one| !matches!(one, QuorumOut::Follow { .. }));
    if out.iter().any(|one| !matches!(one, QuorumOut::Committed { .. })) {
        assert_eq!(quorum.ask(), None, "nothing is asked for while the log changes");
        quorum.stored(quorum.log().end(), &mut out);
    }
    quorum.check();
    (taken, out)
}

#[test]
fn what_is_committed_is_what_the_leader_says_and_what_is_durable() {
    let mut quorum = observer();
    let (taken, out) = take(&mut quorum, told(1, 100, vec![batch(0, 3, 1), batch(3, 2, 1)]));
    assert_eq!(taken, Taken::Well);
    assert!(matches!(out[..], [QuorumOut::Append(_), QuorumOut::Committed { end: Offset(5) }]), "{out:?}");
    assert!(!quorum.is_caught_up());
    take(&mut quorum, told(1, 5, vec![]));
    assert!(quorum.is_caught_up());
}

#[test]
fn histories_that_part_are_cut_and_what_is_committed_is_not() {
    let mut quorum = observer();
    take(&mut quorum, told(1, 2, vec![batch(0, 2, 1), batch(2, 2, 1)]));
    let parts = |end| FetchTold { diverging: Some((LeaderEpoch(1), Offset(end))), ..told(3, 2, vec![]) };
    let (taken, out) = take(&mut quorum, parts(1));
    assert_eq!((taken, out), (Taken::Unsound, vec![]), "this leader lacks what was committed");
    let (taken, out) = take(&mut quorum, parts(2));
    assert_eq!((taken, out), (Taken::Well, vec![QuorumOut::Truncate { from: Offset(4), end: Offset(2) }]));
    let (_, ask) = quorum.ask().expect("it asks again");
    assert_eq!((ask.from, ask.last, ask.term), (Offset(2), LeaderEpoch(1), LeaderEpoch(3)));
}

#[test]
fn no_batch_is_cut_through_where_a_term_of_the_leaders_ended() {
    // Here it is 1 1 1 3, at the leader 1 2 4: of what is not above 3 it has what lies before 5, and that is within a batch here.
    let mut quorum = observer();
    take(&mut quorum, told(3, 0, vec![batch(0, 4, 1), batch(4, 3, 1), batch(7, 1, 3)]));
    let parts = |term, end| FetchTold { diverging: Some((LeaderEpoch(term), Offset(end))), ..told(4, 0, vec![]) };
    let (_, out) = take(&mut quorum, parts(2, 5));
    assert_eq!(out, vec![QuorumOut::Truncate { from: Offset(8), end: Offset(7) }]);
    let (_, out) = take(&mut quorum, parts(1, 4));
    assert_eq!(out, vec![QuorumOut::Truncate { from: Offset(7), end: Offset(4) }]);
    let (_, ask) = quorum.ask().expect("it asks again");
    assert_eq!((ask.from, ask.last), (Offset(4), LeaderEpoch(1)));
}

#[test]
fn batches_that_no_leader_of_the_term_has_are_not_taken() {
    for (why, batches) in [
        ("a gap", vec![batch(1, 1, 1)]),
        ("a gap between", vec![batch(0, 1, 1), batch(2, 1, 1)]),
        ("a term that goes back", vec![batch(0, 1, 2), batch(1, 1, 1)]),
        ("a term to come", vec![batch(0, 1, 4)]),
        ("no term", vec![batch(0, 1, -1)]),
    ] {
        let mut quorum = observer();
        assert_eq!(take(&mut quorum, told(3, 9, batches)), (Taken::Unsound, vec![]), "{why}");
    }
    let mut quorum = observer();
    take(&mut quorum, told(3, 1, vec![batch(0, 1, 3)]));
    assert_eq!(take(&mut quorum, told(2, 1, vec![])).0, Taken::Unsound, "a leader of the past");
}

#[test]
fn an_answer_to_another_question_is_passed_over() {
    let mut quorum = observer();
    let asked = quorum.ask().expect("it asks");
    take(&mut quorum, told(1, 1, vec![batch(0, 1, 1)]));
    let mut out = Vec::new();
    assert_eq!(with(AT, |cx| quorum.fetched(asked, told(1, 1, vec![batch(0, 1, 1)]), cx, &mut out)), Taken::Stale);
    assert!(out.is_empty());
}

#[test]
fn a_leader_that_begins_behind_the_end_is_begun_with() {
    let mut quorum = observer();
    take(&mut quorum, told(1, 1, vec![batch(0, 1, 1)]));
    let gone = FetchTold { error: ErrorCode::OffsetOutOfRange, log_start: Offset(50), ..told(2, 60, vec![]) };
    let (taken, out) = take(&mut quorum, gone);
    assert_eq!((taken, &out[..]), (Taken::Well, &[QuorumOut::BeginAnew { start: Offset(50) }][..]));
    let (_, ask) = quorum.ask().expect("it asks again");
    assert_eq!((ask.from, ask.last, ask.high_watermark), (Offset(50), LeaderEpoch::NONE, Offset(50)));
}

#[test]
fn what_lies_before_the_leaders_beginning_is_kept_until_the_log_begins_anew() {
    // As after a start: whether any of this is committed is not known, and it may be all that tells who votes.
    let mut quorum = observer();
    take(&mut quorum, told(1, 0, vec![batch(0, 4, 1), batch(4, 3, 1)]));
    let gone = FetchTold { error: ErrorCode::OffsetOutOfRange, log_start: Offset(5), ..told(2, 60, vec![]) };
    let (_, out) = take(&mut quorum, gone.clone());
    assert_eq!(out, vec![QuorumOut::Truncate { from: Offset(7), end: Offset(4) }]);
    let (_, out) = take(&mut quorum, gone);
    assert_eq!(out, vec![QuorumOut::BeginAnew { start: Offset(5) }]);
}

#[test]
fn who_has_only_a_part_of_the_snapshot_that_its_log_begins_with_does_not_stand() {
    let me = Voter { id: BrokerId(2), directory: Uuid([2; 16]) };
    let mut leader = leader();
    let run = leader.snapshot(&[Bytes::from_static(b"image")], AT, &Functions::slow()).expect("it leads");
    let start = run[0].base_offset();
    let started_with = |batches: &[CheckedBatch]| {
        let epochs = Epochs::from_entries(vec![EpochStart { epoch: LeaderEpoch(3), start }]).expect("one");
        let mut log = Log::recovered(OffsetRange { start, end: start }, epochs, Producers::default());
        batches.iter().for_each(|batch| log.append(batch, NOW));
        log.stored(log.end());
        let voters = Voters::numbered([1, 2, 3].map(BrokerId));
        let mut quorum = with(AT, |cx| Quorum::boot(member(me, voters, true), None, log, cx));
        for batch in batches {
            with(AT, |cx| quorum.survey(batch, cx)).expect("it can be read");
        }
        quorum
    };
    for part in 0..run.len() {
        let quorum = started_with(&run[..part]);
        assert_eq!(quorum.deadline(), None, "it does not know who votes");
        assert!(quorum.ask().is_some_and(|(whom, _)| whom == LEADER), "it asks until somebody knows who leads");
    }
    let whole = started_with(&run);
    assert!(whole.deadline().is_some() && whole.ask().is_none(), "it knows all there is to know");
    // What was dropped is not forgotten where others ask for votes.
    let dropped = started_with(&[]);
    let ask =
        |last, end| VoteAsk { from: BrokerId(3), term: LeaderEpoch(7), last: LeaderEpoch(last), end, is_pre: true };
    let would = |ask: VoteAsk| dropped.verdict(&VoteAsk { term: dropped.term(), ..ask }).map(|told| told.is_granted);
    assert_eq!(
        [(2, start.plus(9)), (3, Offset(1)), (3, start), (4, Offset(1))].map(|(last, end)| would(ask(last, end))),
        [Some(false), Some(false), Some(true), Some(true)]
    );
}

/// The leader's side.
fn leader() -> Quorum {
    let me = Voter { id: BrokerId(1), directory: Uuid([1; 16]) };
    let mut log = Log::empty(Offset::ZERO);
    [batch(0, 4, 1), batch(4, 4, 3)].iter().for_each(|batch| log.append(batch, NOW));
    log.stored(log.end());
    let mut quorum = boot(me, &[1], Some((LeaderEpoch(5), None)), log);
    let mut out = Vec::new();
    with(AT, |cx| quorum.wake(cx, &mut out));
    with(AT, |cx| quorum.voted((LeaderEpoch(6), Some(LEADER)), cx, &mut out));
    quorum.stored(Offset(9), &mut out);
    quorum
}

#[test]
fn a_leader_tells_what_it_has_where_histories_part_and_what_is_no_more() {
    let leader = leader();
    let ask = |from, last| FetchAsk {
        term: LeaderEpoch(6),
        from: Offset(from),
        last: LeaderEpoch(last),
        high_watermark: Offset::ZERO,
    };
    let plain = leader.readable(ask(8, 3));
    assert_eq!((plain.error, plain.diverging, plain.end), (ErrorCode::None, None, Offset(9)));
    assert!(plain.is_news(ask(8, 3)));
    assert!(
        !leader
            .readable(FetchAsk { high_watermark: Offset(9), ..ask(9, 6) })
            .is_news(FetchAsk { high_watermark: Offset(9), ..ask(9, 6) })
    );
    assert_eq!(leader.readable(ask(6, 1)).diverging, Some((LeaderEpoch(1), Offset(4))));
    assert_eq!(leader.readable(ask(6, 2)).diverging, Some((LeaderEpoch(1), Offset(4))));
    assert_eq!(leader.readable(ask(9, 3)).diverging, Some((LeaderEpoch(3), Offset(8))));
    assert_eq!(leader.readable(FetchAsk { term: LeaderEpoch(5), ..ask(8, 3) }).error, ErrorCode::FencedLeaderEpoch);
    assert_eq!(leader.readable(FetchAsk { term: LeaderEpoch(7), ..ask(8, 3) }).error, ErrorCode::UnknownLeaderEpoch);
    assert_eq!(observer().readable(ask(0, -1)).error, ErrorCode::NotLeaderOrFollower);
}
