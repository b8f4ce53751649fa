use super::Fetched;
use crate::boundary::{Action, DiskFault, Done, LogSettings, LogSpec, Note, Query};
use crate::log::{Log, Producers};
use crate::partition::{
    Assignment, FollowerFetch, PartKey, Partition, PartitionCx, PartitionOut, PartitionSpec, Peers, ReadAsk, Readable,
    Then,
};
use crate::record::{Builder, CheckedBatch, Functions, NewRecord, TimestampType, TopicRules};
use crate::types::{
    BrokerId, ConnId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, PartitionEpoch, Str, Ticket, Uuid, Wall,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

const SLOW: Functions = Functions::slow();
static NOBODY: Peers = Peers::NONE;
const ME: BrokerId = BrokerId(1);
const LEADER: BrokerId = BrokerId(2);

struct Scene {
    partition: Partition,
    now: u64,
    out: Vec<PartitionOut>,
}

fn spec(leader: BrokerId, epoch: i32) -> PartitionSpec {
    PartitionSpec {
        assignment: Assignment {
            me: ME,
            leader,
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
            replicas: vec![ME, LEADER],
            isr: vec![LEADER],
            eligible: Vec::new(),
            lost: Vec::new(),
            isr_min: 1,
            recovering: false,
        },
        rules: TopicRules {
            batch_bytes_max: 1 << 20,
            segment_bytes: 1 << 30,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            compression: None,
        },
        log: LogSpec { topic: Str::from("orders"), settings: LogSettings::default() },
        is_leader_throttled: false,
        is_follower_throttled: false,
        compacted_only: false,
    }
}

/// So many records from an offset on, of an epoch.
fn batch(base: i64, records: usize, epoch: i32) -> CheckedBatch {
    let mut builder = Builder::new().at(Offset(base), LeaderEpoch(epoch));
    (0..records).for_each(|_| builder.push(&NewRecord { value: Some(b"value"), ..NewRecord::default() }));
    builder.build_plain(&SLOW)
}

fn log(batches: &[CheckedBatch]) -> Log {
    let mut log = Log::empty(batches.first().map_or(Offset::ZERO, CheckedBatch::base_offset));
    for batch in batches {
        log.append(batch, Wall(0));
    }
    log.stored(log.end());
    log
}

fn given(batches: Vec<CheckedBatch>, high_watermark: i64, log_start: i64) -> Fetched {
    Fetched {
        error: ErrorCode::None,
        high_watermark: Offset(high_watermark),
        log_start: Offset(log_start),
        end: Offset(high_watermark),
        diverging: None,
        batches,
    }
}

fn parting(epoch: i32, end: i64) -> Fetched {
    Fetched { diverging: Some((LeaderEpoch(epoch), Offset(end))), ..given(Vec::new(), 0, 0) }
}

impl Scene {
    /// Follows in epoch 9 with this log.
    fn of(batches: &[CheckedBatch]) -> Self {
        let mut scene = Self { partition: partition(log(batches)), now: 0, out: Vec::new() };
        scene.with(|partition, cx, out| partition.assign(cx, spec(LEADER, 9), out));
        scene.out.clear();
        scene
    }

    fn with<T>(&mut self, event: impl FnOnce(&mut Partition, PartitionCx<'_>, &mut Vec<PartitionOut>) -> T) -> T {
        let answer = event(&mut self.partition, cx(self.now), &mut self.out);
        self.partition.check();
        answer
    }

    fn wants(&self) -> Option<FollowerFetch> {
        self.partition.wants(Mono(self.now)).map(|(leader, fetch)| {
            assert_eq!(leader, LEADER);
            fetch
        })
    }

    /// From where it asks, and the epoch of its last batch.
    fn asks(&self) -> Option<(i64, i32)> {
        self.wants().map(|fetch| (fetch.from.0, fetch.last_fetched.0))
    }

    fn fetched(&mut self, fetched: Fetched) {
        let asked = self.wants().expect("it asks");
        self.with(|partition, cx, out| partition.fetched(cx, asked, fetched, out));
    }

    fn done(&mut self, then: Then, outcome: Result<Done, DiskFault>) {
        self.with(|partition, cx, out| partition.done(cx, then, outcome, out));
    }

    fn stored(&mut self, end: i64) {
        let start = self.partition.log().start();
        self.done(Then::Appended(Offset(end)), Ok(Done::Stored { start, end: Offset(end) }));
    }

    /// The one truncation that was asked for is done; the store holds this now.
    fn cut(&mut self, kept: &[CheckedBatch]) -> i64 {
        let mut cuts = self.out.drain(..).filter_map(|out| match out {
            PartitionOut::Act(Action::Truncate { end }, Then::Cut) => Some(end),
            _ => None,
        });
        let end = cuts.next().expect("it is cut");
        assert!(cuts.next().is_none(), "once");
        drop(cuts);
        assert_eq!(self.wants(), None, "while it is being cut nothing is asked for");
        self.done(Then::Cut, Ok(Done::Stored { start: Offset(0), end }));
        assert!(matches!(self.out[..], [PartitionOut::Ask(Query::Log, Then::Reloaded)]));
        assert_eq!(self.wants(), None);
        self.done(Then::Reloaded, Ok(Done::Log(Box::new(log(kept)))));
        self.out.clear();
        end.0
    }

    fn read(&mut self, from: i64, epoch: i32, only_leader: bool) -> Readable {
        let ask = ReadAsk {
            from: Offset(from),
            current_epoch: LeaderEpoch(epoch),
            last_fetched: LeaderEpoch::NONE,
            watch_below: 1,
            only_leader,
        };
        let key = PartKey { ticket: Ticket { conn: ConnId(3), seq: 1 }, topic: 0, partition: 0 };
        self.with(|partition, _, _| partition.read(key, ask, &[]))
    }

    /// What whoever reads here was told since it was last looked.
    fn grown(&mut self) -> Vec<Readable> {
        let grown = self.out.drain(..).filter_map(|out| match out {
            PartitionOut::Grew(_, readable) => Some(readable),
            _ => None,
        });
        grown.collect()
    }

    fn actions(&mut self) -> Vec<Action> {
        let actions = self.out.drain(..).filter_map(|out| match out {
            PartitionOut::Act(action, _) => Some(action),
            _ => None,
        });
        actions.collect()
    }
}

fn cx(now: u64) -> PartitionCx<'static> {
    PartitionCx {
        now: Now { mono: Mono(now), wall: Wall(0) },
        functions: &SLOW,
        producer_silence_ms: i64::MAX,
        peers: &NOBODY,
        lag_max: Duration::from_secs(1),
        fetch_backoff: Duration::from_secs(1),
        followers_serve: false,
        throttled_until: None,
    }
}

fn partition(log: Log) -> Partition {
    let id = LogId { topic: Uuid([1; 16]), partition: 0 };
    Partition::recovered(cx(0), id, spec(BrokerId::NONE, 8), (log, true), &mut Vec::new())
}

#[test]
fn a_follower_asks_from_what_it_has_flushed_and_not_before_it_has() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    assert_eq!(scene.asks(), Some((2, 1)));
    scene.fetched(given(vec![batch(2, 2, 1), batch(4, 1, 9)], 3, 0));
    let [Action::Append { batches }] = &scene.actions()[..] else { panic!("all in one") };
    assert_eq!(*batches, vec![batch(2, 2, 1), batch(4, 1, 9)], "as they are stamped");
    assert_eq!(scene.asks(), None);
    assert_eq!(scene.partition.high_watermark(), Offset(2), "what is not flushed here is not committed here");
    scene.stored(5);
    assert_eq!(scene.asks(), Some((5, 9)));
    assert_eq!(scene.partition.high_watermark(), Offset(3));
    scene.fetched(given(Vec::new(), 1, 0));
    assert_eq!(scene.partition.high_watermark(), Offset(3), "a new leader may know less");
}

#[test]
fn a_follower_of_nobody_asks_for_nothing() {
    let empty = partition(log(&[]));
    assert_eq!(empty.wants(Mono(0)), None);
    let mut scene = Scene::of(&[]);
    assert_eq!(scene.asks(), Some((0, -1)), "and one without records names no epoch");
    scene.with(|partition, cx, out| partition.assign(cx, spec(BrokerId::NONE, 10), out));
    assert_eq!(scene.wants(), None);
}

#[test]
fn a_follower_is_cut_where_the_epoch_ended_and_not_at_its_high_watermark() {
    // KIP-101: what lies between its high watermark and its end may be committed.
    let mut scene = Scene::of(&[batch(0, 2, 1), batch(2, 2, 1)]);
    assert_eq!(scene.partition.high_watermark(), Offset(0));
    assert_eq!(scene.asks(), Some((4, 1)), "nothing goes before the leader was asked");
    scene.fetched(parting(1, 2));
    assert_eq!(scene.cut(&[batch(0, 2, 1)]), 2);
    assert_eq!(scene.asks(), Some((2, 1)));
}

#[test]
fn what_is_committed_is_not_cut_off_whatever_a_leader_says() {
    let ours = [batch(0, 2, 1), batch(2, 2, 1)];
    let mut scene = Scene::of(&ours);
    scene.fetched(given(Vec::new(), 3, 0));
    assert_eq!(scene.partition.high_watermark(), Offset(3));
    scene.out.clear();
    scene.fetched(parting(1, 2));
    let [PartitionOut::Note(Note::Contradicted { leader, to, committed, .. })] = scene.out[..] else {
        panic!("{:?}", scene.out)
    };
    assert_eq!((leader, to, committed), (LEADER, Offset(2), Offset(3)));
    assert_eq!((scene.wants(), scene.partition.log().end()), (None, Offset(4)), "it keeps what it has");
    // What is not known to be committed goes as ever.
    let mut scene = Scene::of(&ours);
    scene.fetched(given(Vec::new(), 2, 0));
    scene.fetched(parting(1, 2));
    assert_eq!(scene.cut(&ours[..1]), 2);
}

#[test]
fn where_an_operator_let_anybody_lead_committed_records_may_go() {
    let ours = [batch(0, 2, 1), batch(2, 2, 1)];
    let mut scene = Scene::of(&ours);
    scene.fetched(given(Vec::new(), 4, 0));
    let mut unclean = spec(LEADER, 10);
    unclean.assignment.recovering = true;
    scene.with(|partition, cx, out| partition.assign(cx, unclean, out));
    scene.out.clear();
    scene.fetched(parting(1, 2));
    assert_eq!(scene.cut(&ours[..1]), 2);
    assert_eq!(scene.partition.high_watermark(), Offset(2));
}

/// Behind a leader that may lack what was committed, with a log of one batch that begins at 12.
fn behind_who_lacks_it() -> Scene {
    let mut scene = Scene::of(&[batch(12, 2, 3)]);
    let mut unclean = spec(LEADER, 10);
    unclean.assignment.recovering = true;
    scene.with(|partition, cx, out| partition.assign(cx, unclean, out));
    scene.out.clear();
    scene
}

impl Scene {
    /// All of it is dropped.
    fn emptied(&mut self) {
        self.fetched(parting(3, 12));
        self.done(Then::Cut, Ok(Done::Stored { start: Offset(12), end: Offset(12) }));
        self.done(Then::Reloaded, Ok(Done::Log(Box::new(Log::empty(Offset(12))))));
        self.out.clear();
        assert_eq!(self.asks(), Some((12, -1)));
    }

    /// The log was asked to be made again, and is.
    fn made_again(&mut self) {
        let made = self.out.iter().filter(|out| matches!(out, PartitionOut::Act(Action::Create(_), Then::Cut))).count();
        let gone = self.out.iter().filter(|out| matches!(out, PartitionOut::Act(Action::Delete, _))).count();
        assert_eq!((gone, made), (1, 1), "{:?}", self.out);
        self.done(Then::Settled, Ok(Done::Stored { start: Offset(12), end: Offset(14) }));
        self.done(Then::Cut, Ok(Done::Stored { start: Offset(0), end: Offset(0) }));
        self.done(Then::Reloaded, Ok(Done::Log(Box::new(Log::empty(Offset(0))))));
        self.out.clear();
        assert_eq!(self.asks(), Some((0, -1)));
    }
}

#[test]
fn an_empty_log_that_begins_behind_an_unclean_leader_does_not_go_on_with_a_hole() {
    let mut scene = behind_who_lacks_it();
    scene.emptied();
    scene.fetched(given(vec![batch(12, 5, 10)], 17, 0));
    scene.made_again();

    let mut scene = behind_who_lacks_it();
    scene.emptied();
    let mut trusted = spec(LEADER, 10);
    trusted.assignment.recovering = true;
    trusted.assignment.isr.push(ME);
    scene.with(|partition, cx, out| partition.assign(cx, trusted, out));
    scene.fetched(given(vec![batch(12, 5, 10)], 17, 0));
    scene.stored(17);
    assert_eq!(scene.asks(), Some((17, 10)), "who is in sync may have dropped what the next leader has yet to drop");

    for (eligible, is_kept) in [(ME, true), (BrokerId(77), false)] {
        let mut scene = behind_who_lacks_it();
        scene.emptied();
        let mut waiting = spec(LEADER, 10);
        (waiting.assignment.recovering, waiting.assignment.eligible) = (true, std::vec![eligible]);
        scene.with(|partition, cx, out| partition.assign(cx, waiting, out));
        scene.fetched(given(vec![batch(12, 5, 10)], 17, 0));
        let is_deleted = scene.out.iter().any(|out| matches!(out, PartitionOut::Act(Action::Delete, _)));
        assert_eq!(!is_deleted, is_kept, "so has who is eligible, and nobody else");
    }
}

#[test]
fn what_an_unclean_leader_has_too_is_not_fetched_again() {
    let mut scene = behind_who_lacks_it();
    scene.fetched(given(Vec::new(), 14, 0));
    scene.fetched(given(vec![batch(14, 5, 10)], 19, 0));
    assert!(matches!(scene.actions()[..], [Action::Append { .. }]));
    scene.stored(19);
    assert_eq!(scene.asks(), Some((19, 10)));
}

#[test]
fn a_log_that_begins_behind_the_end_of_an_unclean_leader_is_made_again() {
    let mut scene = behind_who_lacks_it();
    scene.fetched(parting(3, 5));
    scene.made_again();
    scene.fetched(given(vec![batch(0, 5, 2)], 5, 0));
    scene.stored(5);
    assert_eq!(scene.asks(), Some((5, 2)));

    let mut scene = behind_who_lacks_it();
    scene.emptied();
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 5, 0) });
    scene.made_again();
}

#[test]
fn a_batch_of_an_unclean_leader_that_reaches_across_the_start_is_not_refused_for_ever() {
    let mut scene = behind_who_lacks_it();
    scene.emptied();
    scene.fetched(given(vec![batch(10, 5, 10)], 15, 0));
    scene.made_again();
}

#[test]
fn an_epoch_that_only_the_leader_knows_is_asked_about_once_more() {
    // KIP-279: ours is 0 0 2 2, the leader's 0 1 1 1 1; it knows nothing of 2, and we nothing of 1.
    let ours = [batch(0, 5, 0), batch(5, 5, 0), batch(10, 10, 2)];
    let mut scene = Scene::of(&ours);
    assert_eq!(scene.asks(), Some((20, 2)));
    scene.fetched(parting(1, 30));
    assert_eq!(scene.cut(&ours[..2]), 10, "all that was not written before that epoch");
    assert_eq!(scene.asks(), Some((10, 0)));
    scene.fetched(parting(0, 5));
    assert_eq!(scene.cut(&ours[..1]), 5);
}

#[test]
fn no_batch_is_cut_through_where_an_epoch_of_the_leaders_ended() {
    // Ours is 1 1 1 3, the leader's 1 2 4: of what is not above 3 it has what lies before 5, and that is within a batch of ours.
    let ours = [batch(0, 4, 1), batch(4, 3, 1), batch(7, 1, 3)];
    let mut scene = Scene::of(&ours);
    scene.fetched(parting(2, 5));
    assert_eq!(scene.cut(&ours[..2]), 7, "what is ours of epoch 1 may all be common");
    assert_eq!(scene.asks(), Some((7, 1)));
    scene.fetched(parting(1, 4));
    assert_eq!(scene.cut(&ours[..1]), 4);
    assert_eq!(scene.asks(), Some((4, 1)));
}

#[test]
fn of_what_the_leader_has_dropped_nobody_knows_what_is_common_and_we_begin_where_it_does() {
    // Ours is 1 1 8 8, of which 1 1 is committed; the leader's begins at 3, and all that it knows of 8 is that 9 began there.
    let ours = [batch(0, 2, 1), batch(2, 1, 8), batch(3, 1, 8)];
    let mut scene = Scene::of(&ours);
    scene.fetched(given(Vec::new(), 2, 0));
    scene.fetched(Fetched { log_start: Offset(3), ..parting(8, 3) });
    assert_eq!(scene.asks(), Some((3, -1)), "nothing goes before it is known where the first batch there begins");
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance) && scene.actions().is_empty());
    scene.fetched(given(vec![batch(3, 2, 9)], 5, 3));
    let actions = scene.actions();
    let [Action::Trim { start: Offset(3) }, Action::Truncate { end: Offset(3) }] = &actions[..] else {
        panic!("at no moment does it end before that: {actions:?}");
    };
    scene.done(Then::Settled, Ok(Done::Stored { start: Offset(3), end: Offset(4) }));
    scene.done(Then::Cut, Ok(Done::Stored { start: Offset(3), end: Offset(3) }));
    scene.done(Then::Reloaded, Ok(Done::Log(Box::new(Log::empty(Offset(3))))));
    scene.out.clear();
    scene.fetched(given(vec![batch(3, 2, 9)], 5, 3));
    assert!(matches!(scene.actions()[..], [Action::Append { .. }]));
    scene.stored(5);
    assert_eq!(scene.asks(), Some((5, 9)));
}

#[test]
fn an_epoch_that_both_know_is_kept_as_far_as_both_have_it() {
    let ours = [batch(0, 4, 0), batch(4, 4, 3)];
    let mut scene = Scene::of(&ours);
    scene.fetched(parting(0, 9));
    assert_eq!(scene.cut(&ours[..1]), 4, "the leader has more of it: the rest is fetched");
}

#[test]
fn what_the_leader_dropped_is_dropped_here_as_far_as_it_is_known_to_be_committed() {
    let mut scene = Scene::of(&[batch(0, 2, 1), batch(2, 2, 1)]);
    scene.fetched(given(Vec::new(), 3, 2));
    assert!(matches!(scene.actions()[..], [Action::Trim { start: Offset(2) }]));
    scene.fetched(given(Vec::new(), 3, 2));
    assert!(scene.actions().is_empty(), "once");
    scene.done(Then::Settled, Ok(Done::Stored { start: Offset(2), end: Offset(4) }));
    assert_eq!(scene.partition.log().start(), Offset(2));
}

#[test]
fn a_log_that_ends_before_the_leaders_begins_is_begun_anew() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    let gone = Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 9, 7) };
    scene.fetched(gone);
    assert_eq!(scene.asks(), Some((7, -1)), "nothing that is here goes before there is something else");
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance), "and nothing is acknowledged");
    scene.fetched(given(vec![batch(6, 3, 4)], 9, 7));
    let actions = scene.actions();
    let [Action::Trim { start: Offset(6) }, Action::Append { .. }] = &actions[..] else {
        panic!("the first batch that the leader keeps begins before its log does: {actions:?}");
    };
    scene.stored(6);
    assert_eq!(scene.wants(), None, "the beginning is flushed, but not all of it");
    scene.stored(9);
    assert_eq!(scene.asks(), Some((9, 4)));
    assert_eq!(scene.partition.high_watermark(), Offset(9));
    scene.fetched(given(Vec::new(), 9, 7));
    assert!(matches!(scene.actions()[..], [Action::Trim { start: Offset(7) }]));
}

#[test]
fn a_log_that_ends_where_the_leaders_begins_is_begun_anew_before_anything_of_it_counts() {
    // What is here before 7 may be of a reign that was lost: the leader has dropped all that would tell.
    let mut scene = Scene::of(&[batch(0, 5, 1), batch(5, 2, 1)]);
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 9, 7) });
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance && fetch.from == Offset(7)));
    scene.fetched(Fetched { end: Offset(9), ..given(Vec::new(), 9, 7) });
    assert!(scene.actions().is_empty(), "the batch that holds 7 may begin before it");
    scene.fetched(given(vec![batch(6, 3, 4)], 9, 7));
    let actions = scene.actions();
    let [Action::Trim { start: Offset(6) }, Action::Truncate { end: Offset(6) }] = &actions[..] else {
        panic!("all of it goes: {actions:?}");
    };
    assert_eq!(scene.partition.high_watermark(), Offset(0), "nobody reads it meanwhile");
    scene.done(Then::Settled, Ok(Done::Stored { start: Offset(6), end: Offset(7) }));
    scene.done(Then::Cut, Ok(Done::Stored { start: Offset(6), end: Offset(6) }));
    scene.done(Then::Reloaded, Ok(Done::Log(Box::new(Log::empty(Offset(6))))));
    scene.out.clear();
    scene.fetched(given(vec![batch(6, 3, 4)], 9, 7));
    assert!(matches!(scene.actions()[..], [Action::Append { .. }, ..]));
}

#[test]
fn a_batch_that_holds_the_leaders_start_does_not_go_on_with_what_was_not_compared() {
    // The leader has 6 and 7 in one batch and dropped the first of them: nothing tells of whom 5 is here.
    let ours = [batch(0, 5, 1), batch(5, 1, 1)];
    let mut scene = Scene::of(&ours);
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 9, 7) });
    scene.fetched(given(vec![batch(6, 3, 4)], 9, 7));
    let actions = scene.actions();
    let [Action::Trim { start: Offset(6) }, Action::Truncate { end: Offset(6) }] = &actions[..] else {
        panic!("all of it goes: {actions:?}");
    };
    assert_eq!(scene.partition.high_watermark(), Offset(0), "nobody reads it meanwhile");
}

#[test]
fn a_glance_where_the_leader_has_dropped_more_meanwhile_goes_on_there() {
    let mut scene = Scene::of(&[batch(0, 5, 1), batch(5, 4, 1)]);
    scene.fetched(Fetched { log_start: Offset(3), ..parting(1, 3) });
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance && fetch.from == Offset(3)));
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 8, 6) });
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance && fetch.from == Offset(6)));
    scene.fetched(given(vec![batch(6, 3, 4)], 9, 6));
    assert!(matches!(scene.actions()[..], [Action::Trim { start: Offset(6) }, Action::Truncate { end: Offset(6) }]));
}

#[test]
fn a_glance_that_is_shown_nothing_of_what_there_is_is_made_again() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 7, 7) });
    let full = Fetched { end: Offset(9), ..given(Vec::new(), 7, 7) };
    scene.fetched(full);
    assert!(scene.actions().is_empty(), "the batch that holds 7 may begin before it");
    assert!(scene.wants().is_some_and(|fetch| fetch.is_glance && fetch.from == Offset(7)));
}

#[test]
fn a_log_is_begun_anew_at_the_end_of_a_leader_that_keeps_nothing() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    scene.fetched(Fetched { error: ErrorCode::OffsetOutOfRange, ..given(Vec::new(), 7, 7) });
    scene.fetched(given(Vec::new(), 7, 7));
    assert!(matches!(scene.actions()[..], [Action::Trim { start: Offset(7) }]));
    assert_eq!(scene.wants(), None, "to ask from there says that all before is done with");
    scene.stored(7);
    assert_eq!(scene.asks(), Some((7, -1)), "an empty log names no epoch");
}

#[test]
fn an_answer_to_another_question_is_passed_over() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    let asked = scene.wants().expect("it asks");
    scene.fetched(given(vec![batch(2, 1, 1)], 0, 0));
    scene.out.clear();
    let stale = |scene: &mut Scene, asked| {
        let again = given(vec![batch(2, 1, 1)], 0, 0);
        scene.with(|partition, cx, out| partition.fetched(cx, asked, again, out));
        let is_ignored = matches!(scene.out[..], [PartitionOut::Note(Note::Ignored(_))]);
        scene.out.clear();
        is_ignored
    };
    assert!(stale(&mut scene, asked), "the same answer twice, while it is appended");
    scene.stored(3);
    assert!(stale(&mut scene, asked), "and after that");
    let asked = scene.wants().expect("it asks");
    scene.with(|partition, cx, out| partition.assign(cx, spec(LEADER, 10), out));
    scene.out.clear();
    assert!(stale(&mut scene, asked), "and in another reign");
}

#[test]
fn batches_that_no_leader_of_this_reign_gives_are_not_taken() {
    let bad = [
        vec![batch(3, 1, 1)],
        vec![batch(2, 1, 10)],
        vec![batch(2, 1, 0)],
        vec![batch(2, 2, 1), batch(3, 1, 1)],
        vec![batch(2, 1, 5), batch(3, 1, 4)],
    ];
    for batches in bad {
        let mut scene = Scene::of(&[batch(0, 2, 1)]);
        scene.fetched(given(batches.clone(), 0, 0));
        assert!(scene.actions().is_empty(), "a gap, a reign to come or that is over, an overlap: {batches:?}");
    }
}

#[test]
fn a_batch_that_reaches_across_the_end_replaces_what_is_there() {
    let mut scene = Scene::of(&[batch(0, 2, 1), batch(2, 2, 1)]);
    scene.fetched(given(vec![batch(2, 4, 1)], 0, 0));
    assert_eq!(scene.cut(&[batch(0, 2, 1)]), 2);
}

#[test]
fn after_a_full_disk_a_follower_asks_the_store_and_then_waits_a_while() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    scene.fetched(given(vec![batch(2, 1, 1)], 0, 0));
    scene.out.clear();
    scene.done(Then::Appended(Offset(3)), Err(DiskFault::Full));
    assert!(scene.out.iter().any(|out| matches!(out, PartitionOut::Ask(Query::Log, Then::Reloaded))));
    scene.done(Then::Reloaded, Ok(Done::Log(Box::new(log(&[batch(0, 2, 1)])))));
    assert_eq!(scene.wants(), None);
    let at = scene.partition.deadline(cx(0)).expect("it will ask again");
    scene.now = at.0;
    assert_eq!(scene.asks(), Some((2, 1)));
}

#[test]
fn a_follower_whose_disk_is_offline_asks_for_nothing() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    scene.fetched(given(vec![batch(2, 1, 1)], 0, 0));
    scene.done(Then::Appended(Offset(3)), Err(DiskFault::Offline));
    assert_eq!(scene.wants(), None);
}

#[test]
fn who_leads_after_it_followed_keeps_what_it_knew_to_be_committed() {
    let mut scene = Scene::of(&[batch(0, 2, 1), batch(2, 2, 1)]);
    scene.fetched(given(Vec::new(), 3, 0));
    let mut next = spec(ME, 10);
    next.assignment.isr = vec![ME, LEADER];
    scene.with(|partition, cx, out| partition.assign(cx, next, out));
    assert_eq!(scene.partition.high_watermark(), Offset(3));
    assert_eq!(scene.partition.log().producers(), &Producers::default());
}

#[test]
fn a_consumer_reads_from_a_follower_what_that_knows_to_be_committed_and_no_more() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    assert_eq!(scene.read(0, 9, true).error, ErrorCode::NotLeaderOrFollower, "it does not know of followers");
    assert_eq!(scene.read(0, 8, false).error, ErrorCode::FencedLeaderEpoch);
    assert_eq!(scene.read(0, 10, false).error, ErrorCode::UnknownLeaderEpoch);
    assert_eq!(scene.read(3, 9, false).error, ErrorCode::NotLeaderOrFollower, "behind its end: the leader knows");
    let waits = scene.read(0, 9, false);
    assert_eq!(
        (waits.error, waits.end, waits.bytes),
        (ErrorCode::None, Offset(0), 0),
        "nothing is known to be committed"
    );
    scene.fetched(given(vec![batch(2, 2, 9)], 3, 0));
    let told = scene.grown();
    assert_eq!(told.iter().map(|one| one.end).collect::<Vec<_>>(), vec![Offset(2)], "what is flushed here of it");
    assert!(told[0].bytes > 0);
    scene.stored(4);
    assert_eq!(scene.grown().iter().map(|one| one.end).collect::<Vec<_>>(), vec![Offset(3)]);
    assert_eq!(scene.read(2, 9, false).high_watermark, Offset(3));
}

#[test]
fn who_waits_at_a_follower_is_told_when_another_leads() {
    let mut scene = Scene::of(&[batch(0, 2, 1)]);
    scene.read(0, 9, false);
    scene.with(|partition, cx, out| partition.assign(cx, spec(BrokerId(3), 10), out));
    assert_eq!(scene.grown().iter().map(|one| one.error).collect::<Vec<_>>(), vec![ErrorCode::NotLeaderOrFollower]);
}
