use crate::boundary::{Action, DiskFault, Done, LogSettings, LogSpec, Note, Query};
use crate::log::Log;
use crate::partition::{
    Acks, Answer, Assignment, Fetched, FollowerFetch, IsrAnswer, IsrAsk, PartKey, Partition, PartitionCx, PartitionOut,
    PartitionSpec, Peer, Peers, ReadAsk, Readable, Then, WantedOffset,
};
use crate::record::{Builder, Compression, Functions, NewRecord, ProveRules, Proved, TimestampType, TopicRules, prove};
use crate::types::{
    BrokerEpoch, BrokerId, ConnId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, PartitionEpoch, Str, Ticket, Uuid,
    Wall,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

const SLOW: Functions = Functions::slow();
const ME: BrokerId = BrokerId(1);
const B: BrokerId = BrokerId(2);
const C: BrokerId = BrokerId(3);
const LAG_MAX: Duration = Duration::from_nanos(100);

struct Scene {
    partition: Partition,
    peers: Peers,
    now: u64,
    out: Vec<PartitionOut>,
}

fn spec(leader: BrokerId, epoch: i32, partition_epoch: i32, isr: &[BrokerId]) -> PartitionSpec {
    PartitionSpec {
        assignment: Assignment {
            me: ME,
            leader,
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(partition_epoch),
            replicas: vec![ME, B, C],
            isr: isr.to_vec(),
            eligible: Vec::new(),
            lost: Vec::new(),
            isr_min: 2,
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

fn key(seq: u64) -> PartKey {
    PartKey { ticket: Ticket { conn: ConnId(1), seq }, topic: 0, partition: 0 }
}

fn batch(records: usize) -> Proved {
    let mut builder = Builder::new();
    (0..records).for_each(|_| builder.push(&NewRecord { value: Some(b"value"), ..NewRecord::default() }));
    let rules = ProveRules { version: 9, batch_bytes_max: 1 << 20 };
    prove(builder.build_plain(&SLOW).to_bytes(), &rules, &SLOW, &mut Vec::new()).expect("well made")
}

fn fetch(from: i64, last_fetched: i32) -> FollowerFetch {
    FollowerFetch {
        from: Offset(from),
        current_epoch: LeaderEpoch(3),
        last_fetched: LeaderEpoch(last_fetched),
        log_start: Offset(0),
        watch_below: 1,
        is_glance: false,
    }
}

fn ask(partition_epoch: i32, members: &[(BrokerId, i64)]) -> IsrAsk {
    let members = members.iter().map(|(id, epoch)| (*id, BrokerEpoch(*epoch))).collect();
    IsrAsk { leader_epoch: LeaderEpoch(3), partition_epoch: PartitionEpoch(partition_epoch), members }
}

impl Scene {
    /// Leads in epoch 3 with these in sync.
    fn led(isr: &[BrokerId]) -> Self {
        Self::assigned(spec(ME, 3, 5, isr))
    }

    fn assigned(spec: PartitionSpec) -> Self {
        let peer = |id| Peer { id, epoch: BrokerEpoch(7), may_join: true };
        let peers = Peers::new([ME, B, C].map(peer).to_vec());
        let mut out = Vec::new();
        let cx = PartitionCx {
            now: Now { mono: Mono(1000), wall: Wall(0) },
            functions: &SLOW,
            producer_silence_ms: i64::MAX,
            peers: &peers,
            lag_max: LAG_MAX,
            fetch_backoff: LAG_MAX,
            followers_serve: false,
            throttled_until: None,
        };
        let partition = Partition::create(cx, LogId { topic: Uuid([1; 16]), partition: 0 }, spec, &mut out);
        Self { partition, peers, now: 1000, out: Vec::new() }
    }

    fn with<T>(&mut self, event: impl FnOnce(&mut Partition, PartitionCx<'_>, &mut Vec<PartitionOut>) -> T) -> T {
        let now = Now { mono: Mono(self.now), wall: Wall(0) };
        let cx = PartitionCx {
            now,
            functions: &SLOW,
            producer_silence_ms: i64::MAX,
            peers: &self.peers,
            lag_max: LAG_MAX,
            fetch_backoff: LAG_MAX,
            followers_serve: false,
            throttled_until: None,
        };
        let answer = event(&mut self.partition, cx, &mut self.out);
        self.partition.check();
        answer
    }

    fn produce(&mut self, seq: u64, acks: Acks, records: usize) {
        self.with(|partition, cx, out| partition.produce(cx, (key(seq), acks), batch(records), out));
    }

    fn stored(&mut self, end: i64) {
        let done = Done::Stored { start: Offset(0), end: Offset(end) };
        self.with(|partition, cx, out| partition.done(cx, Then::Appended(Offset(end)), Ok(done), out));
    }

    fn fetched_by(&mut self, id: BrokerId, fetch: FollowerFetch) -> Readable {
        self.with(|partition, cx, out| {
            partition.fetched_by(cx, key(90 + id.0 as u64), (id, BrokerEpoch(7)), fetch, out)
        })
    }

    fn answered(&mut self, asked: &IsrAsk, answer: IsrAnswer) {
        self.with(|partition, cx, out| partition.isr_answered(cx, asked, answer, out));
    }

    fn assign(&mut self, spec: PartitionSpec) {
        self.with(|partition, cx, out| partition.assign(cx, spec, out));
    }

    fn wake(&mut self) {
        self.with(|partition, cx, out| partition.wake(cx, out));
    }

    fn deadline(&mut self) -> Option<Mono> {
        self.with(|partition, cx, _| partition.deadline(cx))
    }

    fn committed(&self) -> i64 {
        self.partition.high_watermark().0
    }

    /// The answers to produces, since it was last looked: by whom, and the error.
    fn answers(&mut self) -> Vec<(u64, ErrorCode)> {
        let answers = self.out.iter().filter_map(|out| match out {
            PartitionOut::Answer(key, Answer::Produced(Ok(_))) => Some((key.ticket.seq, ErrorCode::None)),
            PartitionOut::Answer(key, Answer::Produced(Err(refused))) => Some((key.ticket.seq, refused.error)),
            PartitionOut::Answer(key, Answer::Offset(Err(error))) => Some((key.ticket.seq, *error)),
            _ => None,
        });
        let answers = answers.collect();
        self.out.retain(|out| !matches!(out, PartitionOut::Answer(..)));
        answers
    }

    fn proposals(&mut self) -> Vec<IsrAsk> {
        let asks = self.out.iter().filter_map(|out| match out {
            PartitionOut::AskIsr(ask) => Some(ask.clone()),
            _ => None,
        });
        let asks = asks.collect();
        self.out.retain(|out| !matches!(out, PartitionOut::AskIsr(_)));
        asks
    }
}

#[test]
fn what_all_must_have_waits_for_every_member_of_the_isr_and_what_one_must_have_for_none() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 2);
    scene.produce(2, Acks::Leader, 2);
    scene.stored(4);
    assert_eq!(scene.answers(), vec![(2, ErrorCode::None)]);
    assert_eq!(scene.committed(), 0);
    scene.fetched_by(B, fetch(2, 3));
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None)], "its ask is its acknowledgement");
    assert_eq!(scene.committed(), 2);
    scene.fetched_by(B, fetch(4, 3));
    assert_eq!(scene.committed(), 4);
}

#[test]
fn a_follower_reads_what_is_flushed_and_a_client_what_is_committed() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 2);
    assert_eq!(scene.fetched_by(B, fetch(0, -1)).end, Offset(0), "what may be lost yet is given to nobody");
    scene.stored(2);
    let told = scene.out.iter().any(
        |out| matches!(out, PartitionOut::Grew(key, readable) if key.ticket.seq == 92 && readable.end == Offset(2)),
    );
    assert!(told, "a follower that waits hears of every flush");
    let readable = scene.fetched_by(B, fetch(0, -1));
    assert_eq!((readable.end, readable.high_watermark), (Offset(2), Offset(0)));
    assert!(readable.bytes > 0);
    let read = ReadAsk {
        from: Offset(0),
        current_epoch: LeaderEpoch::NONE,
        last_fetched: LeaderEpoch::NONE,
        watch_below: 1,
        only_leader: true,
    };
    let readable = scene.with(|partition, _, _| partition.read(key(5), read, &[]));
    assert_eq!((readable.end, readable.bytes), (Offset(0), 0));
}

#[test]
fn a_fetch_of_another_reign_or_of_no_replica_counts_for_nothing() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 1);
    scene.stored(1);
    let of = |epoch| FollowerFetch { current_epoch: LeaderEpoch(epoch), ..fetch(1, 3) };
    assert_eq!(scene.fetched_by(B, of(2)).error, ErrorCode::FencedLeaderEpoch);
    assert_eq!(scene.fetched_by(B, of(4)).error, ErrorCode::UnknownLeaderEpoch);
    assert_eq!(scene.fetched_by(BrokerId(9), of(3)).error, ErrorCode::UnknownLeaderEpoch);
    assert_eq!(scene.fetched_by(BrokerId(9), of(-1)).error, ErrorCode::NotLeaderOrFollower);
    assert_eq!(scene.committed(), 0);
}

#[test]
fn a_fetch_of_an_earlier_life_counts_for_nothing() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 1);
    scene.stored(1);
    let peer = |id| Peer { id, epoch: BrokerEpoch(8), may_join: true };
    scene.peers = Peers::new([ME, B, C].map(peer).to_vec());
    assert_eq!(scene.fetched_by(B, fetch(1, 3)).error, ErrorCode::NotLeaderOrFollower);
    assert_eq!(scene.committed(), 0);
}

#[test]
fn a_follower_with_another_history_learns_where_they_part_and_counts_for_nothing() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 2);
    scene.stored(2);
    assert_eq!(scene.fetched_by(B, fetch(2, 1)).diverging, Some((LeaderEpoch(1), Offset(0))));
    assert_eq!(scene.committed(), 0);
    let mut newer = spec(ME, 6, 6, &[ME, B]);
    newer.assignment.leader_epoch = LeaderEpoch(6);
    scene.assign(newer);
    let of = |from, last| FollowerFetch { current_epoch: LeaderEpoch(6), ..fetch(from, last) };
    let parts = scene.fetched_by(B, of(4, 3)).diverging;
    assert_eq!(parts, Some((LeaderEpoch(3), Offset(2))), "the reign before ended where this one began");
    assert_eq!(scene.fetched_by(B, of(2, 5)).diverging, Some((LeaderEpoch(3), Offset(2))), "a reign we never saw");
    assert_eq!(scene.fetched_by(B, of(2, 3)).diverging, None);
    assert_eq!(scene.committed(), 2);
}

#[test]
fn a_follower_that_caught_up_is_proposed_once_and_counts_at_once() {
    let mut scene = Scene::led(&[ME, B]);
    scene.fetched_by(C, fetch(0, -1));
    let asked = ask(5, &[(ME, 7), (B, -1), (C, 7)]);
    assert_eq!(scene.proposals(), vec![asked.clone()], "each as it registered when it was heard of");
    scene.fetched_by(C, fetch(0, -1));
    assert_eq!(scene.proposals(), vec![]);
    scene.produce(1, Acks::Committed, 1);
    scene.stored(1);
    scene.fetched_by(B, fetch(1, 3));
    assert_eq!(scene.committed(), 0, "the controller may have agreed");
    scene.answered(&asked, IsrAnswer::Lost);
    assert_eq!(scene.proposals(), vec![asked.clone()], "nobody knows: the same again");
    scene.answered(&asked, IsrAnswer::Refused(ErrorCode::IneligibleReplica));
    let as_it_is = ask(5, &[(ME, -1), (B, -1)]);
    assert_eq!(scene.proposals(), vec![as_it_is.clone()], "whoever has the first is not to carry it out");
    scene.now += 101;
    scene.wake();
    assert_eq!(scene.committed(), 0, "it may have");
    let (leader_epoch, partition_epoch) = (LeaderEpoch(3), PartitionEpoch(6));
    scene.answered(&as_it_is, IsrAnswer::Is { leader_epoch, partition_epoch, members: vec![ME, B] });
    scene.wake();
    assert_eq!(scene.committed(), 1, "and then it is not");
}

#[test]
fn a_follower_is_not_proposed_before_it_has_what_the_reign_began_with() {
    let mut scene = Scene::assigned(spec(ME, 2, 4, &[ME, B]));
    scene.produce(1, Acks::Committed, 3);
    scene.stored(3);
    scene.assign(spec(ME, 3, 5, &[ME, B]));
    assert_eq!(scene.committed(), 0, "more may be committed than is known");
    scene.fetched_by(C, fetch(2, 2));
    assert_eq!(scene.proposals(), vec![]);
    scene.fetched_by(C, fetch(3, 2));
    assert_eq!(scene.proposals().len(), 1);
}

#[test]
fn a_follower_that_keeps_what_was_dropped_here_is_not_proposed() {
    // It wrote other records there once, in a reign that nobody remembers here.
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 3);
    scene.stored(3);
    scene.fetched_by(B, fetch(3, 3));
    let trimmed = Done::Stored { start: Offset(3), end: Offset(3) };
    scene.with(|partition, cx, out| partition.done(cx, Then::Trimmed(key(9)), Ok(trimmed), out));
    let told = scene.fetched_by(C, fetch(3, 1));
    assert_eq!((told.error, told.log_start), (ErrorCode::OffsetOutOfRange, Offset(3)), "where all fits it begins anew");
    assert_eq!(scene.proposals(), vec![]);
    assert_eq!(scene.fetched_by(C, fetch(3, 3)).error, ErrorCode::None, "it has the same reign's last record");
    assert_eq!(scene.proposals(), vec![]);
    scene.fetched_by(C, FollowerFetch { log_start: Offset(3), ..fetch(3, -1) });
    assert_eq!(scene.proposals().len(), 1);
}

#[test]
fn behind_a_leader_that_recovers_nobody_joins_with_a_hole() {
    let joins = |recovering, eligible: &[BrokerId], (log_start, last_fetched)| {
        let mut unclean = spec(ME, 3, 4, &[ME, B]);
        (unclean.assignment.recovering, unclean.assignment.eligible) = (recovering, eligible.to_vec());
        let mut scene = Scene::assigned(unclean);
        scene.produce(1, Acks::Committed, 3);
        scene.stored(3);
        scene.fetched_by(B, fetch(3, 3));
        scene.fetched_by(C, FollowerFetch { log_start: Offset(log_start), ..fetch(3, last_fetched) });
        !scene.proposals().is_empty()
    };
    let empty = (3, -1);
    assert!(joins(false, &[], empty), "what lies before it was dropped by rule");
    assert!(!joins(true, &[], empty), "what lies before it may be committed");
    assert!(!joins(true, &[B], empty), "and whoever else is eligible changes nothing of that");
    assert!(joins(true, &[C], empty), "who is eligible had it");
    assert!(joins(true, &[], (2, 3)), "what is there is what the leader has");
    assert!(joins(true, &[], (0, 3)));
}

#[test]
fn a_leader_that_began_anew_knows_nothing_of_who_wrote_before() {
    // Epoch 2 wrote what is here, epoch 3 what was dropped before anybody gave it: a follower has all of that, and another what
    // epoch 2 wrote beyond what was kept.
    for last_fetched in [2, 3] {
        let mut scene = Scene::assigned(spec(ME, 2, 4, &[ME, B]));
        scene.produce(1, Acks::Committed, 3);
        scene.stored(3);
        scene.assign(spec(B, 3, 5, &[B]));
        let glance = |from| FollowerFetch { log_start: Offset(0), is_glance: true, ..fetch(from, -1) };
        let anew = Fetched {
            error: ErrorCode::OffsetOutOfRange,
            high_watermark: Offset(7),
            log_start: Offset(7),
            end: Offset(7),
            diverging: None,
            batches: Vec::new(),
        };
        let asked = FollowerFetch { is_glance: false, ..fetch(3, 2) };
        scene.with(|partition, cx, out| partition.fetched(cx, asked, anew.clone(), out));
        let seen = Fetched { error: ErrorCode::None, ..anew };
        scene.with(|partition, cx, out| partition.fetched(cx, glance(7), seen, out));
        let begun = Done::Stored { start: Offset(7), end: Offset(7) };
        scene.with(|partition, cx, out| partition.done(cx, Then::Appended(Offset(7)), Ok(begun), out));
        scene.assign(spec(ME, 4, 6, &[ME, C]));
        let current_epoch = LeaderEpoch(4);
        let told = scene.fetched_by(B, FollowerFetch { current_epoch, ..fetch(7, last_fetched) });
        assert_eq!((told.error, told.diverging), (ErrorCode::OffsetOutOfRange, None), "last of epoch {last_fetched}");
        let told = scene.fetched_by(C, FollowerFetch { current_epoch, ..fetch(7, last_fetched) });
        assert_eq!((told.error, told.diverging), (ErrorCode::None, None), "who is in sync has what is committed");
    }
}

#[test]
fn a_follower_that_is_fenced_or_restarted_since_is_not_proposed() {
    let mut scene = Scene::led(&[ME, B]);
    scene.peers = Peers::new(vec![Peer { id: C, epoch: BrokerEpoch(7), may_join: false }]);
    scene.fetched_by(C, fetch(0, -1));
    scene.peers = Peers::new(vec![Peer { id: C, epoch: BrokerEpoch(6), may_join: true }]);
    scene.fetched_by(C, fetch(0, -1));
    assert_eq!(scene.proposals(), vec![], "7 is a life that nobody has heard of here");
}

#[test]
fn a_member_that_falls_behind_is_proposed_to_leave_and_counts_until_it_is_gone() {
    let mut scene = Scene::led(&[ME, B, C]);
    scene.fetched_by(B, fetch(0, -1));
    scene.produce(1, Acks::Committed, 1);
    assert_eq!(scene.deadline(), Some(Mono(1101)), "C was not heard of, and has the usual time");
    scene.stored(1);
    scene.now = 1050;
    scene.fetched_by(B, fetch(1, 3));
    scene.now = 1100;
    scene.wake();
    assert_eq!(scene.proposals(), vec![]);
    assert_eq!(scene.deadline(), Some(Mono(1101)));
    scene.now = 1101;
    scene.wake();
    let asked = ask(5, &[(ME, 7), (B, 7)]);
    assert_eq!(scene.proposals(), vec![asked.clone()]);
    assert_eq!((scene.committed(), scene.deadline()), (0, None), "the controller may refuse");
    let is = IsrAnswer::Is { leader_epoch: LeaderEpoch(3), partition_epoch: PartitionEpoch(6), members: vec![ME, B] };
    scene.answered(&asked, is);
    assert_eq!(scene.committed(), 0, "and only the metadata tell whether C is eligible still");
    scene.assign(spec(ME, 3, 6, &[ME, B]));
    assert_eq!(scene.committed(), 1);
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None)]);
}

#[test]
fn with_too_few_in_sync_nothing_is_committed_and_only_who_wants_all_is_refused() {
    let mut scene = Scene::led(&[ME]);
    scene.produce(1, Acks::Committed, 1);
    assert_eq!(scene.answers(), vec![(1, ErrorCode::NotEnoughReplicas)]);
    scene.produce(2, Acks::Leader, 1);
    scene.produce(3, Acks::None, 1);
    scene.stored(2);
    assert_eq!(scene.answers(), vec![(3, ErrorCode::None), (2, ErrorCode::None)]);
    assert_eq!(scene.committed(), 0);
    scene.assign(spec(ME, 3, 6, &[ME, B]));
    scene.fetched_by(B, fetch(2, 3));
    assert_eq!(scene.committed(), 2);
}

#[test]
fn a_promise_outlives_an_isr_that_became_too_small_and_is_kept_when_it_has_grown_again() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 1);
    scene.stored(1);
    scene.assign(spec(ME, 3, 6, &[ME]));
    assert_eq!((scene.answers(), scene.committed()), (vec![], 0));
    scene.assign(spec(ME, 3, 7, &[ME, B]));
    scene.fetched_by(B, fetch(1, 3));
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None)]);
}

#[test]
fn who_waits_at_a_leader_that_leads_no_more_is_told() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 1);
    scene.fetched_by(B, fetch(0, -1));
    scene.assign(spec(B, 4, 6, &[ME, B]));
    assert_eq!(scene.answers(), vec![(1, ErrorCode::NotLeaderOrFollower)]);
    let told = scene.out.iter().any(|out| {
        matches!(out, PartitionOut::Grew(key, readable)
            if key.ticket.seq == 92 && readable.error == ErrorCode::NotLeaderOrFollower)
    });
    assert!(told);
    scene.stored(1);
    scene.produce(2, Acks::Leader, 1);
    assert_eq!(scene.answers(), vec![(2, ErrorCode::NotLeaderOrFollower)]);
    let of = FollowerFetch { current_epoch: LeaderEpoch(4), ..fetch(0, -1) };
    assert_eq!(scene.fetched_by(C, of).error, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn a_leader_of_two_reigns_keeps_what_waits_and_knows_nothing_of_its_followers() {
    let mut scene = Scene::led(&[ME, B, C]);
    scene.produce(1, Acks::Committed, 1);
    scene.produce(2, Acks::Committed, 1);
    scene.stored(2);
    scene.fetched_by(B, fetch(2, 3));
    scene.fetched_by(C, fetch(1, 3));
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None)]);
    // It may not have heard of a reign between the two, in which B was cut back.
    scene.assign(spec(ME, 5, 7, &[ME, B, C]));
    assert_eq!(scene.committed(), 1, "the high watermark stays");
    let of = |from, last| FollowerFetch { current_epoch: LeaderEpoch(5), ..fetch(from, last) };
    scene.fetched_by(C, of(2, 3));
    assert_eq!(scene.committed(), 1, "B has not been heard of");
    scene.fetched_by(B, of(2, 3));
    assert_eq!(scene.answers(), vec![(2, ErrorCode::None)]);
}

#[test]
fn what_was_staged_in_an_earlier_reign_never_comes_back() {
    let mut squeezed = spec(ME, 3, 5, &[ME, B]);
    squeezed.rules.compression = Some(Compression::Gzip);
    let mut scene = Scene::assigned(squeezed);
    scene.produce(1, Acks::Committed, 1);
    let Some(PartitionOut::Work(_, then)) = scene.out.pop() else { panic!("it is recompressed elsewhere") };
    scene.assign(spec(B, 4, 6, &[ME, B]));
    assert_eq!(scene.answers(), vec![(1, ErrorCode::NotLeaderOrFollower)]);
    scene.assign(spec(ME, 5, 7, &[ME, B]));
    let done = Done::Job(crate::boundary::JobDone::Recompressed(Ok(batch(1))));
    scene.with(|partition, cx, out| partition.done(cx, then, Ok(done), out));
    let appends = scene.out.iter().filter(|out| matches!(out, PartitionOut::Act(Action::Append { .. }, _)));
    assert_eq!(appends.count(), 0);
}

#[test]
fn a_job_of_an_earlier_reign_says_nothing_of_what_is_staged_now() {
    let squeezed = |leader, epoch, partition_epoch| {
        let mut spec = spec(leader, epoch, partition_epoch, &[ME]);
        (spec.rules.compression, spec.assignment.isr_min) = (Some(Compression::Gzip), 1);
        spec
    };
    let job = |scene: &mut Scene| {
        let at = scene.out.iter().position(|out| matches!(out, PartitionOut::Work(..))).expect("it is at work");
        let PartitionOut::Work(_, then) = scene.out.remove(at) else { unreachable!("looked for") };
        then
    };
    let ended = |scene: &mut Scene, then, records| {
        let done = Done::Job(crate::boundary::JobDone::Recompressed(Ok(batch(records))));
        scene.with(|partition, cx, out| partition.done(cx, then, Ok(done), out));
    };
    let mut scene = Scene::assigned(squeezed(ME, 3, 5));
    scene.produce(1, Acks::Committed, 1);
    let stale = job(&mut scene);
    scene.assign(squeezed(B, 4, 6));
    scene.assign(squeezed(ME, 5, 7));
    scene.answers();
    scene.produce(2, Acks::Committed, 2);
    scene.produce(3, Acks::Committed, 3);
    let second = job(&mut scene);
    ended(&mut scene, stale, 1);
    ended(&mut scene, second, 2);
    let third = job(&mut scene);
    ended(&mut scene, third, 3);
    scene.stored(2);
    assert_eq!(scene.answers(), vec![(2, ErrorCode::None)], "what the second waits for is stored, and no more");
    scene.stored(5);
    assert_eq!(scene.answers(), vec![(3, ErrorCode::None)]);
}

#[test]
fn what_is_staged_when_no_codec_is_wanted_any_more_is_taken_as_it_is() {
    let mut squeezed = spec(ME, 3, 5, &[ME]);
    (squeezed.rules.compression, squeezed.assignment.isr_min) = (Some(Compression::Gzip), 1);
    let mut plain = squeezed.clone();
    plain.rules.compression = None;
    let mut scene = Scene::assigned(squeezed);
    scene.produce(1, Acks::Committed, 1);
    scene.produce(2, Acks::Committed, 2);
    let Some(PartitionOut::Work(_, then)) = scene.out.pop() else { panic!("it is recompressed elsewhere") };
    scene.assign(plain);
    let done = Done::Job(crate::boundary::JobDone::Recompressed(Ok(batch(1))));
    scene.with(|partition, cx, out| partition.done(cx, then, Ok(done), out));
    scene.stored(3);
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None), (2, ErrorCode::None)]);
}

#[test]
fn the_end_is_not_told_before_all_that_may_be_committed_is_known() {
    let mut scene = Scene::assigned(spec(ME, 2, 4, &[ME, B]));
    scene.produce(1, Acks::Committed, 3);
    scene.stored(3);
    scene.assign(spec(ME, 3, 5, &[ME, B]));
    let ask = |scene: &mut Scene, wanted| {
        scene.with(|partition, _, out| partition.offset_for(key(4), LeaderEpoch::NONE, wanted, out));
    };
    for wanted in [WantedOffset::Latest, WantedOffset::MaxTime] {
        ask(&mut scene, wanted);
        assert!(scene.answers().contains(&(4, ErrorCode::OffsetNotAvailable)));
    }
    scene.fetched_by(B, fetch(3, 2));
    ask(&mut scene, WantedOffset::Latest);
    assert_eq!(scene.answers(), vec![(1, ErrorCode::None)]);
    ask(&mut scene, WantedOffset::MaxTime);
    let looks = |out: &PartitionOut| matches!(out, PartitionOut::Ask(Query::MaxTime { end: Offset(3) }, _));
    assert!(scene.out.iter().any(looks));
}

#[test]
fn an_answer_of_another_reign_is_passed_over() {
    let mut scene = Scene::led(&[ME, B]);
    scene.fetched_by(C, fetch(0, -1));
    let asked = scene.proposals().remove(0);
    scene.assign(spec(ME, 4, 6, &[ME, B]));
    scene.out.clear();
    scene.answered(&asked, IsrAnswer::Refused(ErrorCode::IneligibleReplica));
    assert!(matches!(scene.out[..], [PartitionOut::Note(Note::Ignored(_))]));
}

#[test]
fn a_glance_sees_what_followers_see_and_acknowledges_nothing() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 1);
    scene.stored(1);
    let readable = scene.fetched_by(B, FollowerFetch { is_glance: true, ..fetch(1, -1) });
    assert_eq!((readable.end, scene.committed()), (Offset(1), 0));
}

#[test]
fn a_leader_that_lost_what_it_had_not_flushed_compares_itself_with_its_followers_again() {
    // It followed, and leads before the disk has taken what it was given.
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 3);
    scene.assign(spec(ME, 4, 6, &[ME, B]));
    let of = |from| FollowerFetch { current_epoch: LeaderEpoch(4), ..fetch(from, 3) };
    assert_eq!(scene.fetched_by(B, of(3)).diverging, None, "it has more of that than we have flushed");
    scene.with(|partition, cx, out| partition.done(cx, Then::Appended(Offset(3)), Err(DiskFault::Full), out));
    let log = Done::Log(Box::new(Log::empty(Offset(0))));
    scene.with(|partition, cx, out| partition.done(cx, Then::Reloaded, Ok(log), out));
    scene.produce(2, Acks::Committed, 1);
    scene.stored(1);
    assert_eq!(scene.committed(), 0, "what B has there is something else");
    assert_eq!(scene.fetched_by(B, of(3)).diverging, Some((LeaderEpoch(3), Offset(0))));
}

#[test]
fn records_are_dropped_for_a_client_when_every_live_replica_has_dropped_them() {
    let mut scene = Scene::led(&[ME, B, C]);
    scene.produce(1, Acks::Leader, 4);
    scene.stored(4);
    for id in [B, C] {
        scene.fetched_by(id, fetch(4, 3));
    }
    scene.out.clear();
    scene.with(|partition, cx, out| partition.trim(cx, key(5), Offset(3), out));
    let trimmed = Done::Stored { start: Offset(3), end: Offset(4) };
    scene.with(|partition, cx, out| partition.done(cx, Then::Trimmed(key(5)), Ok(trimmed), out));
    let confirmed = |scene: &Scene| {
        scene.out.iter().any(|out| matches!(out, PartitionOut::Answer(_, Answer::Trimmed(Ok(Offset(3))))))
    };
    assert!(!confirmed(&scene), "whoever leads next would show them again");
    scene.fetched_by(B, FollowerFetch { log_start: Offset(3), ..fetch(4, 3) });
    assert!(!confirmed(&scene));
    let gone = |id| Peer { id, epoch: BrokerEpoch(7), may_join: id != C };
    scene.peers = Peers::new([ME, B, C].map(gone).to_vec());
    scene.wake();
    assert!(!confirmed(&scene), "one that is down is eligible perhaps");
    scene.assign(spec(ME, 3, 6, &[ME, B]));
    assert!(confirmed(&scene), "a broker that is down, and may not lead, is not waited for");
    scene.with(|partition, cx, out| partition.trim(cx, key(6), Offset(4), out));
    let trimmed = Done::Stored { start: Offset(4), end: Offset(4) };
    scene.with(|partition, cx, out| partition.done(cx, Then::Trimmed(key(6)), Ok(trimmed), out));
    scene.assign(spec(B, 4, 6, &[B]));
    let refused = Answer::Trimmed(Err(ErrorCode::NotLeaderOrFollower));
    assert!(scene.out.iter().any(|out| matches!(out, PartitionOut::Answer(_, answer) if *answer == refused)));
}

#[test]
fn a_reader_is_sent_to_the_nearest_follower_that_is_in_sync_and_keeps_what_it_wants() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 2);
    scene.stored(2);
    let sent_to = |scene: &mut Scene, from, near: &[BrokerId]| {
        let ask = ReadAsk {
            from: Offset(from),
            current_epoch: LeaderEpoch(3),
            last_fetched: LeaderEpoch::NONE,
            watch_below: 0,
            only_leader: false,
        };
        let readable = scene.with(|partition, _, _| partition.read(key(5), ask, near));
        assert!(readable.elsewhere.is_none() || readable.is_urgent(), "it is told at once");
        readable.elsewhere
    };
    assert_eq!(sent_to(&mut scene, 0, &[B]), None, "nothing is known of it yet");
    scene.fetched_by(B, FollowerFetch { log_start: Offset(1), ..fetch(2, 3) });
    scene.fetched_by(C, fetch(1, 3));
    assert_eq!(sent_to(&mut scene, 2, &[B, C]), Some(B));
    assert_eq!(sent_to(&mut scene, 1, &[C]), None, "what is not in sync may stay behind for ever");
    assert_eq!(sent_to(&mut scene, 0, &[B]), None, "it has dropped that");
    assert_eq!(sent_to(&mut scene, 3, &[B]), None, "it does not have that");
    assert_eq!(sent_to(&mut scene, 2, &[]), None, "nobody is near");
}

#[test]
fn a_deletion_is_not_confirmed_while_others_may_lead_that_have_not_heard_of_it() {
    let mut scene = Scene::led(&[ME, B]);
    scene.produce(1, Acks::Committed, 3);
    scene.stored(3);
    scene.fetched_by(B, fetch(3, 3));
    scene.fetched_by(C, fetch(3, 3));
    // Both are gone, and the ISR is too small to commit anything: either may lead once it is back (KIP-966).
    scene.peers = Peers::new(vec![Peer { id: ME, epoch: BrokerEpoch(7), may_join: true }]);
    scene.assign(spec(ME, 3, 6, &[ME]));
    scene.answers();
    scene.with(|partition, cx, out| partition.trim(cx, key(5), Offset(2), out));
    let trimmed = Done::Stored { start: Offset(2), end: Offset(3) };
    scene.with(|partition, cx, out| partition.done(cx, Then::Trimmed(key(5)), Ok(trimmed), out));
    let is_confirmed = |scene: &Scene| {
        scene.out.iter().any(|out| matches!(out, PartitionOut::Answer(_, Answer::Trimmed(Ok(Offset(2))))))
    };
    assert!(!is_confirmed(&scene));
    let peer = |id| Peer { id, epoch: BrokerEpoch(7), may_join: true };
    scene.peers = Peers::new([ME, B].map(peer).to_vec());
    scene.assign(spec(ME, 3, 7, &[ME, B]));
    assert!(!is_confirmed(&scene), "one is back in sync, and has not dropped them");
    scene.fetched_by(B, FollowerFetch { log_start: Offset(2), ..fetch(3, 3) });
    assert!(is_confirmed(&scene));
}

#[test]
fn whoever_joins_has_dropped_what_was_dropped_while_it_was_away() {
    let mut scene = Scene::led(&[ME, C]);
    scene.produce(1, Acks::Leader, 4);
    scene.stored(4);
    scene.fetched_by(C, fetch(4, 3));
    scene.fetched_by(B, fetch(2, 3));
    assert!(scene.proposals().is_empty(), "it lags behind");
    scene.with(|partition, cx, out| partition.trim(cx, key(5), Offset(2), out));
    let trimmed = Done::Stored { start: Offset(2), end: Offset(4) };
    scene.with(|partition, cx, out| partition.done(cx, Then::Trimmed(key(5)), Ok(trimmed), out));
    scene.fetched_by(B, fetch(4, 3));
    assert!(scene.proposals().is_empty(), "it would bring back what it has not dropped");
    scene.fetched_by(B, FollowerFetch { log_start: Offset(2), ..fetch(4, 3) });
    assert_eq!(scene.proposals().len(), 1);
}

#[test]
fn a_replica_whose_directory_is_lost_holds_nobody_up_however_lately_it_was_in_sync() {
    let mut scene = Scene::led(&[ME, B, C]);
    scene.fetched_by(B, fetch(0, -1));
    scene.fetched_by(C, fetch(0, -1));
    scene.produce(1, Acks::Committed, 2);
    scene.stored(2);
    scene.fetched_by(B, fetch(2, 3));
    // It left the ISR, and might be about to join again: it is waited for as long as any that falls behind.
    scene.assign(spec(ME, 3, 6, &[ME, B]));
    assert_eq!(scene.committed(), 0);
    let mut lost = spec(ME, 3, 7, &[ME, B]);
    lost.assignment.lost = vec![C];
    scene.assign(lost);
    assert_eq!(scene.committed(), 2);
}
