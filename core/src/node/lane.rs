//! The logs of one lane. Lanes share nothing: each owns the partitions that hash to it, and hears and speaks only in
//! [`Order`]s and [`Said`]s, so that a lane could live on a thread of its own.

use super::FoundLog;
use super::fetchers::{Fetchers, ReplicaAsk};
use super::replicate::Brought;
use crate::boundary::{Action, DiskFault, Done, Effect, Note};
use crate::partition::{
    Acks, Answer, FollowerFetch, IsrAnswer, IsrAsk, PartKey, Partition, PartitionCx, PartitionOut, PartitionSpec,
    ReadAsk, Then, WantedOffset, Wish,
};
use crate::record::{CheckedBatch, Proved};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogId, Mono, Offset, OffsetRange, OpId, Ticket};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a lane is told to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Something for one partition; it is answered under the key.
    Ask(LogId, PartKey, PartAsk),
    /// The fetch is answered: nobody watches any more.
    Unwatch(LogId, Ticket),
    /// Hold this partition from now on; its log is new or was recovered.
    Hold(LogId, Box<PartitionSpec>, Option<Box<FoundLog>>),
    /// The partition's settings or assignment changed.
    Assign(LogId, Box<PartitionSpec>),
    /// The partition is gone with its topic.
    Delete(LogId),
    /// An operation of this lane ended.
    Done(OpId, Result<Done, DiskFault>),
    /// The bytes of a serve could not be read.
    Unreadable(LogId, DiskFault),
    /// Look through the logs from this one on for records that may go.
    Retain(LogId),
    /// A fetch from this leader is over.
    Fetched(BrokerId, Box<Brought>),
    /// The controller judged what a leader proposed.
    IsrAnswered(LogId, IsrAsk, IsrAnswer),
    /// The deadline that was told last has passed.
    Wake,
}

/// One part of a request.
#[derive(Clone, Debug)]
pub enum PartAsk {
    /// Append what a client sent.
    Produce(Acks, Proved),
    /// Append what a coordinator wrote.
    Append(CheckedBatch),
    /// What may be read? The reader is near these brokers.
    Read(ReadAsk, Near),
    /// What may be read by a follower, in its life of this registration?
    Follow((BrokerId, BrokerEpoch), FollowerFetch),
    /// Which offset belongs to this time?
    OffsetFor(LeaderEpoch, WantedOffset),
    /// Where does this epoch end? The first is the client's own current epoch.
    EpochEnd(LeaderEpoch, LeaderEpoch),
    /// Everything before this offset may go.
    Trim(Offset),
    /// Who numbers batches here?
    Producers,
    /// How many bytes does it take?
    Size,
    /// And how many does the copy in another directory?
    Future,
}

/// The brokers of a reader's rack, if it is to be sent there.
pub type Near = Option<Arc<[BrokerId]>>;

/// What a lane says.
#[derive(Clone, Debug)]
pub enum Said {
    /// The answer to one part.
    Answer(PartKey, Answer),
    /// A watcher may read more now.
    Grew(PartKey, crate::partition::Readable),
    /// There are more logs to be looked through, from this one on.
    RetainOn(LogId),
    /// Followers want more of this leader.
    Fetch(BrokerId, ReplicaAsk),
    /// Throttled replicas were given so many bytes.
    Took(u64),
    /// A leader proposes another ISR.
    Propose(LogId, IsrAsk),
    /// This broker leads the log, and knows all that is committed of it; the log spans this.
    Leads(LogId, OffsetRange),
    /// When the lane is to be woken from now on.
    WakeAt(Option<Mono>),
    /// The log is deleted before anything that is said behind this.
    Dropped(LogId),
    /// The log is made next, and is to be where its broker has it.
    Place(LogId),
    /// To be done by the world.
    Effect(Effect),
    /// For people and oracles.
    Note(Note),
}

/// The logs of one lane, and the operations under way for them.
#[derive(Clone, Hash, Debug)]
pub struct Lane {
    /// This lane's place among the others; part of every operation's id.
    number: u64,
    /// In the map itself they would take up twice the room, since half of it is empty.
    partitions: BTreeMap<LogId, Box<Held>>,
    ops: BTreeMap<OpId, (LogId, Then)>,
    ops_begun: u64,
    fetchers: Fetchers,
    /// When each partition wants to be woken.
    deadlines: BTreeSet<(Mono, LogId)>,
    /// What was told of that.
    wake_at: Option<Mono>,
}

/// A partition of this lane.
#[derive(Clone, Hash, Debug)]
struct Held {
    partition: Partition,
    /// From whom it wants more, or will.
    wish: Wish,
    /// What it wants waits for the throttle.
    is_held_back: bool,
    /// Its place among the deadlines.
    deadline: Option<Mono>,
    /// Operations before this one belong to a log of the same name that was held and given up before.
    since: OpId,
}

impl Lane {
    /// A lane without logs.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            partitions: BTreeMap::new(),
            ops: BTreeMap::new(),
            ops_begun: 0,
            fetchers: Fetchers::default(),
            deadlines: BTreeSet::new(),
            wake_at: None,
        }
    }

    /// The partitions of this lane, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (&LogId, &Partition)> {
        self.partitions.iter().map(|(log, held)| (log, &held.partition))
    }

    /// One partition.
    pub fn partition(&self, log: LogId) -> Option<&Partition> {
        self.partitions.get(&log).map(|held| &held.partition)
    }

    fn held(&mut self, log: LogId) -> Option<&mut Partition> {
        self.partitions.get_mut(&log).map(|held| &mut held.partition)
    }

    /// Does what it is told. `scratch` is an empty buffer, and is left empty.
    pub fn obey(&mut self, cx: PartitionCx<'_>, order: Order, scratch: &mut Vec<PartitionOut>, said: &mut Vec<Said>) {
        self.follow(cx, order, scratch, said);
        self.fetch_on(cx, said);
        let next = self.deadlines.first().map(|(at, _)| *at);
        let next = next.into_iter().chain(self.fetchers.deadline(cx.now.mono, cx.throttled_until)).min();
        if next != self.wake_at {
            self.wake_at = next;
            said.push(Said::WakeAt(next));
        }
    }

    fn follow(&mut self, cx: PartitionCx<'_>, order: Order, scratch: &mut Vec<PartitionOut>, said: &mut Vec<Said>) {
        match order {
            Order::Ask(log, key, ask) => self.ask(cx, (log, key), ask, scratch, said),
            Order::Unwatch(log, ticket) => {
                if let Some(partition) = self.held(log) {
                    partition.unwatch(ticket);
                }
            }
            Order::Hold(log, spec, found) => {
                let partition = match found {
                    None => Partition::create(cx, log, *spec, scratch),
                    Some(found) => Partition::recovered(cx, log, *spec, (found.log, found.is_online), scratch),
                };
                let since = super::op_id(self.ops_begun, self.number);
                let held = Held { partition, wish: Wish::None, is_held_back: false, deadline: None, since };
                let before = self.partitions.insert(log, Box::new(held));
                assert!(before.is_none(), "a partition is held once: {log:?}");
                self.carry(cx, log, scratch, said);
            }
            Order::Assign(log, spec) => {
                if let Some(partition) = self.held(log) {
                    partition.assign(cx, *spec, scratch);
                }
                self.carry(cx, log, scratch, said);
            }
            Order::Delete(log) => {
                self.forget(log);
                if let Some(held) = self.partitions.remove(&log) {
                    held.partition.delete(scratch);
                }
                self.carry(cx, log, scratch, said);
                said.push(Said::Dropped(log));
            }
            Order::Done(op, outcome) => self.done(cx, op, outcome, scratch, said),
            Order::Unreadable(log, fault) => {
                if let Some(partition) = self.held(log) {
                    partition.unreadable(fault, scratch);
                }
                self.carry(cx, log, scratch, said);
            }
            Order::Retain(from) => self.retain(cx, from, scratch, said),
            Order::Fetched(leader, brought) => self.fetched(cx, leader, *brought, scratch, said),
            Order::IsrAnswered(log, asked, answer) => {
                if let Some(partition) = self.held(log) {
                    partition.isr_answered(cx, &asked, answer, scratch);
                }
                self.carry(cx, log, scratch, said);
            }
            Order::Wake => self.wake(cx, scratch, said),
        }
    }

    fn wake(&mut self, cx: PartitionCx<'_>, scratch: &mut Vec<PartitionOut>, said: &mut Vec<Said>) {
        self.wake_at = None;
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= cx.now.mono).take(WOKEN_AT_ONCE);
        for log in due.map(|(_, log)| *log).collect::<Vec<_>>() {
            if let Some(partition) = self.held(log) {
                partition.wake(cx, scratch);
            }
            self.carry(cx, log, scratch, said);
        }
    }

    /// Asks every leader that somebody wants more of, and that is not being asked.
    fn fetch_on(&mut self, cx: PartitionCx<'_>, said: &mut Vec<Said>) {
        while let Some((leader, ask)) = self.fetchers.next(cx.now.mono, cx.throttled_until) {
            said.push(Said::Fetch(leader, ask));
        }
    }

    /// A leader answered what its followers here asked, or nobody did. Who could make nothing of what it was told asks again
    /// after a while.
    fn fetched(
        &mut self,
        cx: PartitionCx<'_>,
        leader: BrokerId,
        brought: Brought,
        scratch: &mut Vec<PartitionOut>,
        said: &mut Vec<Said>,
    ) {
        for (log, fetched) in brought.parts {
            let Some(asked) = self.fetchers.asked(leader, log) else { continue };
            let Some(partition) = self.held(log) else { continue };
            let pause = fetched.pause(cx.fetch_backoff);
            if partition.is_throttled() {
                said.push(Said::Took(fetched.batches.iter().map(|batch| batch.bytes_len() as u64).sum()));
            }
            partition.fetched(cx, asked, fetched, scratch);
            self.carry(cx, log, scratch, said);
            let wish = self.partitions.get(&log).map(|held| held.wish);
            if let Some(pause) = pause
                && wish == Some(Wish::Now(leader, asked))
            {
                self.fetchers.fails(leader, log, cx.now.mono + pause);
            }
        }
        self.fetchers.ended(leader, cx.now.mono, brought.session, brought.pause);
    }

    /// What a partition wants of others, and when, may be something else now.
    fn look_at(&mut self, cx: PartitionCx<'_>, log: LogId) {
        let Some(held) = self.partitions.get_mut(&log) else { return };
        let wish = held.partition.wish(cx.now.mono);
        let deadline = held.partition.deadline(cx);
        let before = (held.wish, held.deadline);
        let was_held_back = held.is_held_back;
        // What is under way goes on; what is held back does so no longer than it must.
        let is_held_back =
            (before.0 != wish || was_held_back) && cx.throttled_until.is_some() && held.partition.is_throttled();
        if before == (wish, deadline) && was_held_back == is_held_back {
            return;
        }
        let is_new = before.0 != wish || was_held_back != is_held_back;
        (held.wish, held.is_held_back, held.deadline) = (wish, is_held_back, deadline);
        self.unlist(log, before, wish.leader());
        match wish {
            _ if !is_new => {}
            Wish::None => {}
            Wish::Soon(leader) => self.fetchers.takes(leader, log),
            Wish::Now(leader, fetch) if is_held_back => self.fetchers.holds_back(leader, log, fetch),
            Wish::Now(leader, fetch) => self.fetchers.wants(leader, log, fetch),
        }
        self.deadlines.extend(deadline.map(|at| (at, log)));
    }

    fn forget(&mut self, log: LogId) {
        if let Some(held) = self.partitions.get(&log) {
            let before = (held.wish, held.deadline);
            self.unlist(log, before, None);
        }
    }

    fn unlist(&mut self, log: LogId, (wish, deadline): (Wish, Option<Mono>), stays_with: Option<BrokerId>) {
        if let Some(leader) = wish.leader().filter(|leader| Some(*leader) != stays_with) {
            self.fetchers.rests(leader, log);
        }
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, log));
        }
    }

    fn ask(
        &mut self,
        cx: PartitionCx<'_>,
        (log, key): (LogId, PartKey),
        ask: PartAsk,
        scratch: &mut Vec<PartitionOut>,
        said: &mut Vec<Said>,
    ) {
        let Some(partition) = self.held(log) else {
            said.push(Said::Answer(key, ask.refused(ErrorCode::UnknownTopicOrPartition)));
            return;
        };
        match ask {
            PartAsk::Produce(acks, proved) => partition.produce(cx, (key, acks), proved, scratch),
            PartAsk::Append(batch) => partition.append(cx, key, &batch, scratch),
            PartAsk::Read(ask, near) => {
                let readable = partition.read(key, ask, near.as_deref().unwrap_or_default());
                said.push(Said::Answer(key, Answer::Readable(readable)));
            }
            PartAsk::Follow(follower, fetch) => {
                let readable = partition.fetched_by(cx, key, follower, fetch, scratch);
                said.push(Said::Answer(key, Answer::Readable(readable)));
            }
            PartAsk::OffsetFor(current, wanted) => partition.offset_for(key, current, wanted, scratch),
            PartAsk::EpochEnd(current, asked) => {
                said.push(Said::Answer(key, Answer::EpochEnd(partition.epoch_end(current, asked))));
            }
            PartAsk::Trim(to) => partition.trim(cx, key, to, scratch),
            PartAsk::Producers => said.push(Said::Answer(key, Answer::Producers(partition.producers()))),
            PartAsk::Size => partition.size(key, scratch),
            PartAsk::Future => partition.future_size(key, scratch),
        }
        self.carry(cx, log, scratch, said);
    }

    fn done(
        &mut self,
        cx: PartitionCx<'_>,
        op: OpId,
        outcome: Result<Done, DiskFault>,
        scratch: &mut Vec<PartitionOut>,
        said: &mut Vec<Said>,
    ) {
        let (log, then) = self.ops.remove(&op).expect("INV-04: an operation ends once, and only if it began");
        match self.partitions.get_mut(&log).filter(|held| held.since <= op) {
            Some(held) => {
                let partition = &mut held.partition;
                let before = partition.log().start();
                partition.done(cx, then, outcome, scratch);
                let after = partition.log().start();
                if before < after {
                    let is_asked = matches!(then, Then::Trimmed(_));
                    said.push(Said::Note(Note::Trimmed { log, before, after, is_asked }));
                }
            }
            None => {
                if let Some((key, answer)) = then.orphaned() {
                    said.push(Said::Answer(key, answer));
                }
                said.push(Said::Note(Note::Ignored(crate::boundary::Ignored::LogGone)));
            }
        }
        self.carry(cx, log, scratch, said);
    }

    /// A look at thousands of logs is many short steps: `RetainOn` says where to go on.
    fn retain(&mut self, cx: PartitionCx<'_>, from: LogId, scratch: &mut Vec<PartitionOut>, said: &mut Vec<Said>) {
        let mut logs: Vec<LogId> =
            self.partitions.range(from..).map(|(log, _)| *log).take(RETAINED_AT_ONCE + 1).collect();
        if logs.len() > RETAINED_AT_ONCE {
            said.extend(logs.pop().map(Said::RetainOn));
        }
        for log in logs {
            if let Some(partition) = self.held(log) {
                partition.retain(cx, scratch);
            }
            self.carry(cx, log, scratch, said);
        }
    }

    /// Gives each operation of a partition its id and hands everything on.
    fn carry(&mut self, cx: PartitionCx<'_>, log: LogId, scratch: &mut Vec<PartitionOut>, said: &mut Vec<Said>) {
        self.look_at(cx, log);
        for out in scratch.drain(..) {
            let one = match out {
                PartitionOut::Act(action, then) => {
                    if let Action::Create(_) = action {
                        said.push(Said::Place(log));
                    }
                    Said::Effect(Effect::Store { op: self.begin(log, then), log, action })
                }
                PartitionOut::Ask(query, then) => Said::Effect(Effect::Read { op: self.begin(log, then), log, query }),
                PartitionOut::Work(job, then) => Said::Effect(Effect::Job { op: self.begin(log, then), job }),
                PartitionOut::Answer(key, answer) => Said::Answer(key, answer),
                PartitionOut::Grew(key, readable) => Said::Grew(key, readable),
                PartitionOut::AskIsr(ask) => Said::Propose(log, ask),
                PartitionOut::Leads(range) => Said::Leads(log, range),
                PartitionOut::Note(note) => Said::Note(note),
            };
            said.push(one);
        }
    }

    fn begin(&mut self, log: LogId, then: Then) -> OpId {
        let op = super::op_id(self.ops_begun, self.number);
        self.ops_begun += 1;
        self.ops.insert(op, (log, then));
        op
    }

    /// What must hold between any two steps.
    pub fn check(&self) {
        self.partitions.values().for_each(|held| held.partition.check());
    }
}

impl PartAsk {
    /// The answer of this kind that says no.
    fn refused(&self, error: ErrorCode) -> Answer {
        match self {
            Self::Produce(..) | Self::Append(_) => Answer::Produced(Err(crate::partition::Refused::plain(error))),
            Self::Read(..) | Self::Follow(..) => Answer::Readable(crate::partition::Readable::error(error)),
            Self::OffsetFor(..) => Answer::Offset(Err(error)),
            Self::EpochEnd(..) => Answer::EpochEnd(Err(error)),
            Self::Trim(_) => Answer::Trimmed(Err(error)),
            Self::Producers => Answer::Producers(Err(error)),
            Self::Size | Self::Future => Answer::Size(Err(error)),
        }
    }
}

/// So many logs are looked through in one step.
const RETAINED_AT_ONCE: usize = 1000;
/// So many are woken in one step.
const WOKEN_AT_ONCE: usize = 200;

#[cfg(test)]
#[path = "lane_test.rs"]
mod lane_test;
