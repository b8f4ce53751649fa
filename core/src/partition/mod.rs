//! One partition as its leader sees it: what is appended, what of it is committed, and who waits for either.
//!
//! ```text
//!              ┌──────── the store told what it holds ────────┐
//!              ▼                                              │
//!   ──▶ Open ───── an append failed, the disk is full ──▶ Reloading
//!              │
//!              └── rot, or the directory is offline ──▶ Offline      (for good)
//! ```
//!
//! | comes in | goes out |
//! |---|---|
//! | `produce`, `append` | `Act(Append)`; the answer when the high watermark reaches the batch's end |
//! | `read`, `unwatch` | what may be read; `Grew` whenever that changes, while somebody watches |
//! | `offset_for`, `epoch_end`, `trim`, `producers`, `size` | the answer, at once or after the store spoke |
//! | `done` | the store or a job finished what was asked of it |
//!
//! With one replica the high watermark is the durable end of the log, so what is committed is what was flushed.

mod answer;
mod isr;
mod lookup;
mod parked;
mod progress;
mod recent;
mod steady;
mod watermark;

pub use answer::{ActiveProducer, Answer, Appended, PartKey, Readable, Refused};
pub use isr::{Isr, IsrAnswer, IsrAsk, Settled};
pub use lookup::{ReadAsk, WantedOffset};
use parked::{Promise, Watcher};
pub use progress::{Peer, Peers, Progress};
use recent::Recent;
use steady::Steady;
pub use watermark::{IsrSize, of_follower, of_leader};

use crate::boundary::{Action, DiskFault, Done, Job, JobDone, LogSettings, LogSpec, Note, Query};
use crate::log::{Log, Verdict};
use crate::record::{CheckedBatch, Functions, Proved, TopicRules, admit};
use crate::types::{ErrorCode, LeaderEpoch, LogId, Now, Offset, Wall};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// The leader's view of one partition.
#[derive(Clone, Hash, Debug)]
pub struct Partition {
    id: LogId,
    epoch: LeaderEpoch,
    state: State,
    log: Log,
    spec: PartitionSpec,
    /// Batches that wait for one before them to be recompressed, in order.
    staged: VecDeque<Staged>,
    promises: VecDeque<Promise>,
    watchers: Vec<Watcher>,
    recent: Recent,
    steady: Steady,
}

/// What the topic's configuration means for one partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PartitionSpec {
    /// The reign in which this broker leads.
    pub epoch: LeaderEpoch,
    /// What batches must satisfy.
    pub rules: TopicRules,
    /// How the log is kept.
    pub log: LogSpec,
    /// `DeleteRecords` is refused: the topic is compacted and nothing else.
    pub compacted_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Open,
    Reloading,
    Offline,
}

/// A produce that is not appended yet because it, or one before it, is being recompressed.
#[derive(Clone, Hash, Debug)]
struct Staged {
    key: Option<PartKey>,
    proved: Proved,
    /// The job is done, or was never needed.
    ready: bool,
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
    /// For people and oracles.
    Note(Note),
}

/// What the end of an operation means to the partition that asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Then {
    /// An append up to this offset.
    Appended(Offset),
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
    /// The first staged batch in its new compression.
    Recompressed,
    /// What the store holds after a failed append.
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
            Self::Appended(_) | Self::Settled | Self::Recompressed | Self::Reloaded => None,
        }
    }
}

/// How a produce is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Acks {
    /// As soon as the batch is accepted; it may still be lost.
    None,
    /// When it is committed. With one replica this is also what `acks=1` means: the leader's own disk has it.
    Committed,
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
}

impl Partition {
    /// A partition that did not exist before: asks the store to create its log.
    pub fn create(id: LogId, spec: PartitionSpec, out: &mut Vec<PartitionOut>) -> Self {
        out.push(PartitionOut::Act(Action::Create(spec.log.clone()), Then::Settled));
        Self::lead(id, spec, Log::empty(Offset::ZERO), out)
    }

    /// A partition whose log was found on disk; one whose bytes are not all there stays offline.
    pub fn recovered(id: LogId, spec: PartitionSpec, log: Log, is_online: bool, out: &mut Vec<PartitionOut>) -> Self {
        let mut partition = Self::lead(id, spec, log, out);
        if !is_online {
            partition.go_offline(DiskFault::Rot, out);
        }
        partition
    }

    fn lead(id: LogId, spec: PartitionSpec, log: Log, out: &mut Vec<PartitionOut>) -> Self {
        out.push(PartitionOut::Note(Note::Leading { log: id, epoch: spec.epoch, from: log.end() }));
        let recent = Recent::from(log.end());
        Self {
            id,
            epoch: spec.epoch,
            state: State::Open,
            log,
            spec,
            staged: VecDeque::new(),
            promises: VecDeque::new(),
            watchers: Vec::new(),
            recent,
            steady: Steady::default(),
        }
    }

    /// The configuration or the reign changed.
    pub fn configure(&mut self, spec: PartitionSpec, out: &mut Vec<PartitionOut>) {
        if spec.log.settings != self.spec.log.settings {
            out.push(PartitionOut::Act(Action::Configure(spec.log.settings.clone()), Then::Settled));
        }
        if spec.epoch != self.epoch {
            self.epoch = spec.epoch;
            out.push(PartitionOut::Note(Note::Leading { log: self.id, epoch: self.epoch, from: self.log.end() }));
        }
        self.spec = spec;
    }

    /// The first offset behind what is committed.
    pub fn high_watermark(&self) -> Offset {
        self.log.durable()
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

    /// A client's batch. With `Acks::None` the answer tells only whether it was accepted.
    pub fn produce(
        &mut self,
        cx: PartitionCx<'_>,
        (key, acks): (PartKey, Acks),
        proved: Proved,
        out: &mut Vec<PartitionOut>,
    ) {
        let wanted = self.spec.rules.wants(&proved);
        let key = match acks {
            Acks::Committed => Some(key),
            Acks::None => {
                out.push(PartitionOut::Answer(key, Answer::Produced(Ok(Appended::UNKNOWN))));
                None
            }
        };
        if wanted.is_none() && self.staged.is_empty() {
            return self.admit(cx, key, &proved, out);
        }
        if self.staged.is_empty() {
            self.recompress(&proved, out);
        }
        self.staged.push_back(Staged { key, ready: wanted.is_none(), proved });
    }

    /// A batch of our own: a coordinator's records. The answer comes when it is committed, or at once if it is refused.
    pub fn append(&mut self, cx: PartitionCx<'_>, key: PartKey, batch: &CheckedBatch, out: &mut Vec<PartitionOut>) {
        match self.closed() {
            Some(error) => refuse(Some(key), Refused::plain(error), out),
            None => self.write(cx, Some(key), batch, out),
        }
    }

    fn recompress(&self, proved: &Proved, out: &mut Vec<PartitionOut>) {
        let to = self.spec.rules.wants(proved).expect("only asked where a codec is wanted");
        let job = Job::Recompress { batch: proved.clone(), to };
        out.push(PartitionOut::Work(job, Then::Recompressed));
    }

    /// The first staged batch is ready or refused; so are those behind it, up to the next that needs work.
    fn recompressed(
        &mut self,
        cx: PartitionCx<'_>,
        outcome: Result<Proved, crate::record::Refusal>,
        out: &mut Vec<PartitionOut>,
    ) {
        let first = self.staged.pop_front().expect("a job was under way for it");
        match outcome {
            Ok(proved) => self.admit(cx, first.key, &proved, out),
            Err(refusal) => refuse(first.key, Refused::from(&refusal), out),
        }
        while let Some(next) = self.staged.front() {
            if !next.ready {
                let proved = next.proved.clone();
                return self.recompress(&proved, out);
            }
            let next = self.staged.pop_front().expect("looked at it");
            self.admit(cx, next.key, &next.proved, out);
        }
    }

    /// The decisions that need the topic and the producer, then the append.
    fn admit(&mut self, cx: PartitionCx<'_>, key: Option<PartKey>, proved: &Proved, out: &mut Vec<PartitionOut>) {
        if let Some(error) = self.closed() {
            return refuse(key, Refused::plain(error), out);
        }
        let batch = match admit(proved, &self.spec.rules, cx.now.wall, cx.functions) {
            Ok(batch) => batch,
            Err(refusal) => return refuse(key, Refused::from(&refusal), out),
        };
        match self.log.producers().check(batch.header()) {
            Verdict::New => {
                self.write(cx, key, &batch, out);
            }
            Verdict::Duplicate { range, timestamp } => {
                let append_time = Some(timestamp).filter(|_| batch.header().log_append_time().is_some());
                let appended = Appended { base: range.start, append_time, log_start: self.log.start() };
                self.promise(key, range.end, appended, out);
            }
            Verdict::Refused(refusal) => refuse(key, Refused::plain(refusal.code()), out),
        }
    }

    fn write(&mut self, cx: PartitionCx<'_>, key: Option<PartKey>, batch: &CheckedBatch, out: &mut Vec<PartitionOut>) {
        let base = self.log.end();
        let batch = batch.stamped(base, self.epoch);
        self.log.append(&batch, cx.now.wall);
        self.recent.push(base, batch.bytes_len());
        let (end, append_time) = (batch.end_offset(), batch.header().log_append_time());
        out.push(PartitionOut::Act(Action::Append { batches: vec![batch] }, Then::Appended(end)));
        self.promise(key, end, Appended { base, append_time, log_start: self.log.start() }, out);
    }

    /// The answer leaves once everything below `end` is committed.
    fn promise(&mut self, key: Option<PartKey>, end: Offset, appended: Appended, out: &mut Vec<PartitionOut>) {
        let Some(key) = key else { return };
        if end <= self.high_watermark() {
            out.push(PartitionOut::Answer(key, Answer::Produced(Ok(appended))));
        } else {
            self.promises.push_back(Promise { key, end, appended });
        }
    }

    /// Why nothing can be appended now, if so.
    fn closed(&self) -> Option<ErrorCode> {
        match self.state {
            State::Open => None,
            State::Reloading | State::Offline => Some(ErrorCode::KafkaStorageError),
        }
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
            (Then::Appended(end), Ok(_)) => self.stored(end, out),
            (Then::Appended(_), Err(fault)) => self.append_failed(fault, out),
            (Then::Settled, Ok(Done::Stored { start, .. })) => self.trimmed(start),
            (Then::Settled, Ok(_) | Err(_)) => {}
            (Then::Reloaded, Ok(Done::Log(log))) => self.reloaded(*log),
            (Then::Reloaded, Ok(_)) => self.go_offline(DiskFault::Rot, out),
            (Then::Reloaded, Err(fault)) => self.go_offline(fault, out),
            (Then::Recompressed, Ok(Done::Job(JobDone::Recompressed(outcome)))) => self.recompressed(cx, outcome, out),
            (Then::Recompressed, Ok(_) | Err(_)) => unreachable!("a job ends as the job that it was"),
            (Then::Trimmed(_) | Then::Sized(_) | Then::FoundBatch(..) | Then::FoundTime(..), outcome) => {
                self.looked_up(then, outcome, out)
            }
        }
    }

    fn stored(&mut self, end: Offset, out: &mut Vec<PartitionOut>) {
        if self.state != State::Open || end <= self.log.durable() {
            return;
        }
        self.log.stored(end);
        let committed = self.high_watermark();
        self.promises.retain(|promise| {
            let kept = promise.end <= committed;
            if kept {
                out.push(PartitionOut::Answer(promise.key, Answer::Produced(Ok(promise.appended))));
            }
            !kept
        });
        for watcher in &self.watchers {
            out.push(PartitionOut::Grew(watcher.key, self.readable(watcher.from)));
        }
    }

    fn trimmed(&mut self, start: Offset) {
        if self.state == State::Open && start <= self.log.durable() {
            self.log.trim(start);
        }
    }

    /// Nothing behind the durable end will come any more: every append after the failed one fails as well, since it
    /// would leave a gap.
    fn append_failed(&mut self, fault: DiskFault, out: &mut Vec<PartitionOut>) {
        match (self.state, fault) {
            (State::Open, DiskFault::Full) => {
                self.state = State::Reloading;
                self.refuse_promises(out);
                out.push(PartitionOut::Note(Note::DiskFull { log: self.id }));
                out.push(PartitionOut::Ask(Query::Log, Then::Reloaded));
            }
            (State::Open, DiskFault::Offline | DiskFault::Rot | DiskFault::NoSuchLog | DiskFault::OutOfRange) => {
                self.go_offline(fault, out);
            }
            (State::Reloading | State::Offline, _) => {}
        }
    }

    fn reloaded(&mut self, log: Log) {
        self.recent = Recent::from(log.end());
        self.log = log;
        self.state = State::Open;
    }

    fn go_offline(&mut self, fault: DiskFault, out: &mut Vec<PartitionOut>) {
        self.state = State::Offline;
        self.refuse_promises(out);
        out.push(PartitionOut::Note(Note::LogOffline { log: self.id, fault }));
        for watcher in &self.watchers {
            out.push(PartitionOut::Grew(watcher.key, Readable::error(ErrorCode::KafkaStorageError)));
        }
    }

    fn refuse_promises(&mut self, out: &mut Vec<PartitionOut>) {
        for promise in self.promises.drain(..) {
            refuse(Some(promise.key), Refused::plain(ErrorCode::KafkaStorageError), out);
        }
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
        for promise in self.promises.drain(..) {
            refuse(Some(promise.key), Refused::plain(ErrorCode::UnknownTopicOrPartition), out);
        }
        for staged in self.staged.drain(..) {
            refuse(staged.key, Refused::plain(ErrorCode::UnknownTopicOrPartition), out);
        }
        for watcher in &self.watchers {
            out.push(PartitionOut::Grew(watcher.key, Readable::error(ErrorCode::UnknownTopicOrPartition)));
        }
        out.push(PartitionOut::Act(Action::Delete, Then::Settled));
    }

    /// Old records may go now, as the topic's settings say, and so may the memory of producers that fell silent.
    pub fn retain(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        if self.steady.for_long(cx.now) {
            self.log.expire_producers(cx.now.wall, cx.producer_silence_ms);
        }
        let settings = self.settings();
        let bounded = settings.retention_age.is_some() || settings.retention_bytes.is_some();
        if self.state == State::Open && settings.delete && bounded && self.log.start() < self.high_watermark() {
            let action = Action::Retain { now: cx.now.wall, limit: self.high_watermark() };
            out.push(PartitionOut::Act(action, Then::Settled));
        }
    }

    /// What must hold between any two steps.
    pub fn check(&self) {
        self.log.check();
        let committed = self.high_watermark();
        assert!(
            self.promises.iter().all(|promise| committed < promise.end && promise.end <= self.log.end()),
            "INV-02: a promise waits for what is committed already, or for what was never appended: {:?}",
            self.id
        );
        assert!(
            self.state == State::Open || self.promises.is_empty(),
            "INV-03: nobody waits for a partition that takes nothing: {:?}",
            self.id
        );
    }
}

fn refuse(key: Option<PartKey>, refused: Refused, out: &mut Vec<PartitionOut>) {
    if let Some(key) = key {
        out.push(PartitionOut::Answer(key, Answer::Produced(Err(refused))));
    }
}

#[cfg(test)]
#[path = "partition_test.rs"]
mod partition_test;
