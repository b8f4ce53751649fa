//! One replica of a partition: what is appended, what of it is committed, and who waits for either. Its leader takes records
//! and knows how far its followers are; a follower fetches from the leader and does as it does.
//!
//! ```text
//!                  ┌───────────── assigned to another broker ────────────┐
//!                  │    who waits is told, what is staged is dropped     ▼
//!   ──▶ assigned Leader                                              Follower ◀── assigned to another broker, or nobody
//!                  ▲                                                     │
//!                  └──── assigned to this broker: a new reign begins ────┘
//!                        at the log's end, the high watermark stays
//!
//!              ┌──────── the store told what it holds ────────┐
//!              ▼                                              │
//!   ──▶ Open ───── an append failed, or the log is cut ──▶ Reloading
//!              │
//!              └── rot, or the directory is offline ──▶ Offline      (for good)
//! ```
//!
//! | comes in | goes out |
//! |---|---|
//! | `assign` | the other role; in the same reign what is committed may move on |
//! | `produce`, `append` | `Act(Append)`; the answer when the high watermark reaches the batch's end |
//! | `read`, `unwatch` | what may be read, here or at which follower; `Grew` whenever that changes, while somebody watches |
//! | `fetched_by` | what a follower may read; its ask is its acknowledgement; `AskIsr` when it may join the ISR |
//! | `isr_answered`, `wake` | `AskIsr` when one falls behind; what is committed may move on |
//! | `wants`, `fetched` | what a follower asks of its leader; `Act(Append)`, or `Act(Truncate)` where histories part |
//! | `offset_for`, `epoch_end`, `trim`, `producers`, `size` | the answer, at once or after the store spoke |
//! | `done` | the store or a job finished what was asked of it |
//!
//! What is committed is flushed on every replica that must have it: a leader counts itself up to its durable end, and a
//! follower asks for no more than what follows its own. See docs/protocol/replication.md.

mod answer;
mod follower;
mod isr;
mod leader;
mod lookup;
mod parked;
mod produce;
mod progress;
mod recent;
mod role;
mod steady;
mod stragglers;
mod trim;
mod watermark;

pub use answer::{ActiveProducer, Answer, Appended, PartKey, Readable, Refused};
pub use follower::{Fetched, Wish};
pub use isr::{Isr, IsrAnswer, IsrAsk, Settled};
pub use leader::FollowerFetch;
pub use lookup::{ReadAsk, WantedOffset};
pub use produce::Acks;
pub use progress::{Peer, Peers, Progress};
pub use role::{Assignment, PartitionSpec};

use crate::boundary::{Action, DiskFault, Done, Job, JobDone, LogSettings, Note, Query};
use crate::log::Log;
use crate::record::Functions;
use crate::types::{ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, OffsetRange, Wall};
use alloc::vec::Vec;
use core::time::Duration;
use parked::Watcher;
use recent::Recent;
use role::Role;
use steady::Steady;

/// One replica of one partition.
#[derive(Clone, Hash, Debug)]
pub struct Partition {
    id: LogId,
    state: State,
    log: Log,
    high_watermark: Offset,
    spec: PartitionSpec,
    role: Role,
    /// Appends, and new beginnings, of which the store has not told yet what became of them.
    changes: usize,
    /// Jobs that were begun; the number of one tells whether it is still waited for.
    jobs: u64,
    recent: Recent,
    /// Fetches that wait for more.
    watchers: Vec<Watcher>,
    steady: Steady,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Open,
    Reloading,
    Offline,
}

/// What a partition asks for.
#[derive(Clone, Debug)]
pub enum PartitionOut {
    /// A change to the log.
    Act(Action, Then),
    /// A question to the log.
    Ask(Query, Then),
    /// Work off the node's thread.
    Work(Job, Then),
    /// The answer to one part of a request.
    Answer(PartKey, Answer),
    /// More may be read than when this watcher last heard.
    Grew(PartKey, Readable),
    /// A proposal to the controller. It ends in one [`Partition::isr_answered`]; whoever carries it leaves some time
    /// before it asks what was lost again.
    AskIsr(IsrAsk),
    /// This broker leads, and everything that was committed before its reign is known to be: whoever makes something of the
    /// whole log may begin. Said once a reign.
    Leads(OffsetRange),
    /// For people and oracles.
    Note(Note),
}

/// What the end of an operation means to the partition that asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Then {
    /// An append up to this offset.
    Appended(Offset),
    /// A truncation.
    Cut,
    /// A trim that somebody waits for.
    Trimmed(PartKey),
    /// A change nobody waits for.
    Settled,
    /// Bytes on disk.
    Sized(PartKey),
    /// The batch of a lookup by time; without one, of the maximum.
    FoundBatch(PartKey, Option<Wall>),
    /// The record within the batch, whose leader epoch is known.
    FoundTime(PartKey, LeaderEpoch),
    /// The first staged batch in its new compression, if this is the job that it waits for.
    Recompressed(u64),
    /// What the store holds after a failed append or a truncation.
    Reloaded,
}

impl Then {
    /// What is said if the partition is gone by then.
    pub fn orphaned(self) -> Option<(PartKey, Answer)> {
        let gone = ErrorCode::UnknownTopicOrPartition;
        match self {
            Self::Trimmed(key) => Some((key, Answer::Trimmed(Err(gone)))),
            Self::Sized(key) => Some((key, Answer::Size(Err(gone)))),
            Self::FoundBatch(key, ..) | Self::FoundTime(key, _) => Some((key, Answer::Offset(Err(gone)))),
            Self::Appended(_) | Self::Cut | Self::Settled | Self::Recompressed(_) | Self::Reloaded => None,
        }
    }
}

/// What every handler of a partition may use of the world.
#[derive(Clone, Copy, Debug)]
pub struct PartitionCx<'a> {
    /// The clocks.
    pub now: Now,
    /// Checksum and compression.
    pub functions: &'a Functions,
    /// `producer.id.expiration.ms`.
    pub producer_silence_ms: i64,
    /// The brokers of the cluster.
    pub peers: &'a Peers,
    /// `replica.lag.time.max.ms`.
    pub lag_max: Duration,
    /// `replica.fetch.backoff.ms`.
    pub fetch_backoff: Duration,
    /// Consumers read from followers too: these are told at once of what is committed.
    pub followers_serve: bool,
    /// Before then no throttled replica fetches, if they have fetched too much.
    pub throttled_until: Option<Mono>,
}

impl Partition {
    /// A partition that did not exist before: asks the store to create its log.
    pub fn create(cx: PartitionCx<'_>, id: LogId, spec: PartitionSpec, out: &mut Vec<PartitionOut>) -> Self {
        out.push(PartitionOut::Act(Action::Create(spec.log.clone()), Then::Settled));
        Self::begin(cx, id, spec, Log::empty(Offset::ZERO), out)
    }

    /// A partition whose log was found on disk; one whose bytes are not all there stays offline.
    pub fn recovered(
        cx: PartitionCx<'_>,
        id: LogId,
        spec: PartitionSpec,
        (log, is_online): (Log, bool),
        out: &mut Vec<PartitionOut>,
    ) -> Self {
        let mut partition = Self::begin(cx, id, spec, log, out);
        if !is_online {
            partition.go_offline(DiskFault::Rot, out);
        }
        partition
    }

    /// Nobody kept a high watermark; all that is left of what it was is that it lay behind the start of the log. It grows
    /// again as soon as the followers, or the leader, have been heard.
    fn begin(cx: PartitionCx<'_>, id: LogId, spec: PartitionSpec, log: Log, out: &mut Vec<PartitionOut>) -> Self {
        let mut partition = Self {
            id,
            state: State::Open,
            high_watermark: log.start(),
            role: Role::nobody(),
            recent: Recent::from(log.end()),
            log,
            spec,
            watchers: Vec::new(),
            changes: 0,
            jobs: 0,
            steady: Steady::default(),
        };
        partition.begin_reign(cx, out);
        partition
    }

    /// The first offset behind what is committed, as far as it is known here.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The first offset that a reader of committed transactions must not see; without transactions the high watermark.
    pub fn last_stable(&self) -> Offset {
        self.high_watermark()
    }

    /// What is known of the log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How the log is kept.
    pub fn settings(&self) -> &LogSettings {
        &self.spec.log.settings
    }

    /// Something that this partition asked for has ended.
    pub fn done(
        &mut self,
        cx: PartitionCx<'_>,
        then: Then,
        outcome: Result<Done, DiskFault>,
        out: &mut Vec<PartitionOut>,
    ) {
        match (then, outcome) {
            (Then::Appended(end), outcome) => {
                self.changes -= 1;
                match outcome {
                    Ok(_) => self.stored(cx, end, out),
                    Err(fault) => self.append_failed(cx, fault, out),
                }
            }
            (Then::Cut, Ok(_) | Err(DiskFault::Full)) => out.push(PartitionOut::Ask(Query::Log, Then::Reloaded)),
            (Then::Cut, Err(fault)) => self.go_offline(fault, out),
            (Then::Settled, Ok(Done::Stored { start, .. })) => self.trimmed(start),
            (Then::Settled, Ok(_) | Err(_)) => {}
            (Then::Reloaded, Ok(Done::Log(log))) => self.reloaded(cx, *log, out),
            (Then::Reloaded, Ok(_)) => self.go_offline(DiskFault::Rot, out),
            (Then::Reloaded, Err(fault)) => self.go_offline(fault, out),
            (Then::Recompressed(job), Ok(Done::Job(JobDone::Recompressed(outcome)))) => {
                self.recompressed(cx, job, outcome, out);
            }
            (Then::Recompressed(_), Ok(_) | Err(_)) => unreachable!("a job ends as the job that it was"),
            (Then::Trimmed(_) | Then::Sized(_) | Then::FoundBatch(..) | Then::FoundTime(..), outcome) => {
                self.looked_up(cx, then, outcome, out)
            }
        }
    }

    fn stored(&mut self, cx: PartitionCx<'_>, end: Offset, out: &mut Vec<PartitionOut>) {
        if self.state != State::Open || end <= self.log.durable() {
            return;
        }
        self.log.stored(end);
        match &self.role {
            Role::Leader(_) => self.flushed(cx, out),
            Role::Follower(_) => self.follow_watermark(out),
        }
    }

    fn trimmed(&mut self, start: Offset) {
        if self.state == State::Open && start <= self.log.durable() {
            self.log.trim(start);
            self.high_watermark = self.high_watermark.max(start);
        }
    }

    /// Nothing behind the durable end will come any more: every append after the failed one fails as well, since it
    /// would leave a gap.
    fn append_failed(&mut self, cx: PartitionCx<'_>, fault: DiskFault, out: &mut Vec<PartitionOut>) {
        match (self.state, fault) {
            (State::Open, DiskFault::Full) => {
                self.state = State::Reloading;
                self.refuse_promises(out);
                self.pause(cx);
                out.push(PartitionOut::Note(Note::DiskFull { log: self.id }));
                out.push(PartitionOut::Ask(Query::Log, Then::Reloaded));
            }
            (State::Open, DiskFault::Offline | DiskFault::Rot | DiskFault::NoSuchLog | DiskFault::OutOfRange) => {
                self.go_offline(fault, out);
            }
            (State::Reloading | State::Offline, _) => {}
        }
    }

    fn reloaded(&mut self, cx: PartitionCx<'_>, log: Log, out: &mut Vec<PartitionOut>) {
        if self.state != State::Reloading {
            return;
        }
        self.recent = Recent::from(log.end());
        // Cut below it only where an unclean leader had less.
        self.high_watermark = self.high_watermark.clamp(log.start(), log.durable());
        self.log = log;
        self.state = State::Open;
        match &mut self.role {
            Role::Leader(leader) => {
                leader.restart(&self.log, &self.spec.assignment, cx.now.mono);
                self.flushed(cx, out);
                self.confirm_trims(cx, out);
            }
            Role::Follower(_) => self.follow_watermark(out),
        }
    }

    /// Everything from `end` on goes. What that leaves is for the store to say.
    fn cut(&mut self, end: Offset, out: &mut Vec<PartitionOut>) {
        self.state = State::Reloading;
        out.push(PartitionOut::Note(Note::Truncated { log: self.id, from: self.log.end(), to: end }));
        out.push(PartitionOut::Act(Action::Truncate { end }, Then::Cut));
    }

    fn go_offline(&mut self, fault: DiskFault, out: &mut Vec<PartitionOut>) {
        self.state = State::Offline;
        self.refuse_promises(out);
        self.refuse_trims(ErrorCode::KafkaStorageError, out);
        out.push(PartitionOut::Note(Note::LogOffline { log: self.id, fault }));
        self.tell_watchers(Readable::error(ErrorCode::KafkaStorageError), out);
    }

    /// The bytes that a serve was to send could not be read.
    pub fn unreadable(&mut self, fault: DiskFault, out: &mut Vec<PartitionOut>) {
        match fault {
            DiskFault::Rot | DiskFault::Offline => self.go_offline(fault, out),
            DiskFault::Full | DiskFault::NoSuchLog | DiskFault::OutOfRange => {}
        }
    }

    /// The partition goes away with its topic: everybody who waits is told so.
    pub fn delete(mut self, out: &mut Vec<PartitionOut>) {
        self.leave(ErrorCode::UnknownTopicOrPartition, out);
        out.push(PartitionOut::Act(Action::Delete, Then::Settled));
    }

    /// Old records may go now, as the topic's settings say, and so may the memory of producers that fell silent. Followers
    /// drop what their leader dropped.
    pub fn retain(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        if self.steady.for_long(cx.now) {
            self.log.expire_producers(cx.now.wall, cx.producer_silence_ms);
        }
        let settings = self.settings();
        let bounded = settings.retention_age.is_some() || settings.retention_bytes.is_some();
        let is_due = settings.delete && bounded && self.log.start() < self.high_watermark();
        if self.state == State::Open && is_due && matches!(self.role, Role::Leader(_)) {
            let action = Action::Retain { now: cx.now.wall, limit: self.high_watermark() };
            out.push(PartitionOut::Act(action, Then::Settled));
        }
    }

    /// What must hold between any two steps.
    pub fn check(&self) {
        self.log.check();
        let committed = self.high_watermark();
        assert!(
            self.log.start() <= committed && committed <= self.log.durable(),
            "INV-14: what is committed is flushed, and what is dropped was committed: {:?}",
            self.id
        );
        let Role::Leader(leader) = &self.role else { return };
        leader.check(self.id, committed, &self.log);
        assert!(
            self.state == State::Open || !leader.is_awaited(),
            "INV-03: nobody waits for a partition that takes nothing: {:?}",
            self.id
        );
    }
}

#[cfg(test)]
#[path = "partition_test.rs"]
mod partition_test;
#[cfg(test)]
#[path = "replication_test.rs"]
mod replication_test;
