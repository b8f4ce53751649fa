//! How records come into a log at its leader, and when that is acknowledged.

use super::parked::Promise;
use super::role::Role;
use super::stragglers::Stragglers;
use super::{Answer, Appended, PartKey, Partition, PartitionCx, PartitionOut, Refused, State, Then};
use crate::boundary::{Action, Job};
use crate::log::Verdict;
use crate::record::{CheckedBatch, Compression, Header, Proved, Refusal, admit};
use crate::types::{ErrorCode, Offset};
use alloc::vec;
use alloc::vec::Vec;

/// How a produce is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Acks {
    /// As soon as the batch is accepted; it may still be lost.
    None,
    /// When this broker has flushed it; it may still be lost with this broker.
    Leader,
    /// When it is committed.
    Committed,
}

/// A produce that is not appended yet because it, or one before it, is being recompressed.
#[derive(Clone, Hash, Debug)]
pub(super) struct Staged {
    pub(super) asker: Option<(PartKey, Acks)>,
    proved: Proved,
    /// The job is done, or was never needed.
    ready: bool,
}

impl Partition {
    /// A client's batch. With `Acks::None` the answer tells only whether it was accepted.
    pub fn produce(
        &mut self,
        cx: PartitionCx<'_>,
        (key, acks): (PartKey, Acks),
        proved: Proved,
        out: &mut Vec<PartitionOut>,
    ) {
        let wanted = self.spec.rules.wants(&proved);
        let Role::Leader(leader) = &mut self.role else {
            return refuse(Some(key), Refused::plain(ErrorCode::NotLeaderOrFollower), out);
        };
        let asker = match acks {
            Acks::Leader | Acks::Committed => Some((key, acks)),
            Acks::None => {
                out.push(PartitionOut::Answer(key, Answer::Produced(Ok(Appended::UNKNOWN))));
                None
            }
        };
        let is_first = leader.staged.is_empty();
        if wanted.is_none() && is_first {
            return self.admit(cx, asker, &proved, out);
        }
        leader.staged.push_back(Staged { asker, ready: wanted.is_none(), proved: proved.clone() });
        if let Some(to) = wanted.filter(|_| is_first) {
            self.recompress(proved, to, out);
        }
    }

    /// A batch of our own: a coordinator's records. The answer comes when it is committed, or at once if it is refused.
    pub fn append(&mut self, cx: PartitionCx<'_>, key: PartKey, batch: &CheckedBatch, out: &mut Vec<PartitionOut>) {
        let asker = Some((key, Acks::Committed));
        match self.closed().or_else(|| self.too_few(asker)) {
            Some(error) => refuse(Some(key), Refused::plain(error), out),
            None => self.write(cx, asker, batch, out),
        }
    }

    fn recompress(&mut self, batch: Proved, to: Compression, out: &mut Vec<PartitionOut>) {
        let job = Job::Recompress { batch, to };
        self.jobs += 1;
        out.push(PartitionOut::Work(job, Then::Recompressed(self.jobs)));
    }

    /// The first staged batch is ready or refused; so are those behind it, up to the next that needs work. What was staged
    /// in an earlier reign is gone, and its job says nothing of what is staged now. The topic may want another codec by now, or none.
    pub(super) fn recompressed(
        &mut self,
        cx: PartitionCx<'_>,
        job: u64,
        outcome: Result<Proved, Refusal>,
        out: &mut Vec<PartitionOut>,
    ) {
        if job != self.jobs {
            return;
        }
        let Some(first) = self.staged() else { return };
        match outcome {
            Ok(proved) => self.admit(cx, first.asker, &proved, out),
            Err(refusal) => refuse(first.asker.map(|(key, _)| key), Refused::from(&refusal), out),
        }
        while let Role::Leader(leader) = &self.role
            && let Some(next) = leader.staged.front()
        {
            if !next.ready
                && let Some(to) = self.spec.rules.wants(&next.proved)
            {
                return self.recompress(next.proved.clone(), to, out);
            }
            let next = self.staged().expect("looked at it");
            self.admit(cx, next.asker, &next.proved, out);
        }
    }

    fn staged(&mut self) -> Option<Staged> {
        match &mut self.role {
            Role::Leader(leader) => leader.staged.pop_front(),
            Role::Follower(_) => None,
        }
    }

    /// The decisions that need the topic and the producer, then the append.
    fn admit(
        &mut self,
        cx: PartitionCx<'_>,
        asker: Option<(PartKey, Acks)>,
        proved: &Proved,
        out: &mut Vec<PartitionOut>,
    ) {
        let key = asker.map(|(key, _)| key);
        if let Some(error) = self.closed().or_else(|| self.too_few(asker)) {
            self.await_again(cx, proved.batch().header());
            return refuse(key, Refused::plain(error), out);
        }
        let batch = match admit(proved, &self.spec.rules, cx.now.wall, cx.functions) {
            Ok(batch) => batch,
            Err(refusal) => return refuse(key, Refused::from(&refusal), out),
        };
        match self.log.producers().check(batch.header()) {
            Verdict::New => match self.too_early(cx, batch.header()) {
                Some(error) => {
                    self.await_again(cx, batch.header());
                    refuse(key, Refused::plain(error), out);
                }
                None => {
                    self.await_no_more(batch.header());
                    self.write(cx, asker, &batch, out);
                }
            },
            Verdict::Duplicate { range, timestamp } => {
                let append_time = Some(timestamp).filter(|_| batch.header().log_append_time().is_some());
                let appended = Appended { base: range.start, append_time, log_start: self.log.start() };
                self.promise(asker, range.end, appended, out);
            }
            Verdict::Refused(refusal) => refuse(key, Refused::plain(refusal.code()), out),
        }
    }

    fn write(
        &mut self,
        cx: PartitionCx<'_>,
        asker: Option<(PartKey, Acks)>,
        batch: &CheckedBatch,
        out: &mut Vec<PartitionOut>,
    ) {
        let base = self.log.end();
        let batch = batch.stamped(base, self.spec.assignment.leader_epoch);
        let (end, append_time) = (batch.end_offset(), batch.header().log_append_time());
        self.put(cx, vec![batch], out);
        self.promise(asker, end, Appended { base, append_time, log_start: self.log.start() }, out);
    }

    /// Stamped batches go into the log.
    pub(super) fn put(&mut self, cx: PartitionCx<'_>, batches: Vec<CheckedBatch>, out: &mut Vec<PartitionOut>) {
        for batch in &batches {
            self.log.append(batch, cx.now.wall);
            self.recent.push(batch.base_offset(), batch.bytes_len());
        }
        self.changes += 1;
        out.push(PartitionOut::Act(Action::Append { batches }, Then::Appended(self.log.end())));
    }

    /// The answer leaves once everything below `end` is committed, or flushed here if that is enough.
    fn promise(
        &mut self,
        asker: Option<(PartKey, Acks)>,
        end: Offset,
        appended: Appended,
        out: &mut Vec<PartitionOut>,
    ) {
        let Some((key, acks)) = asker else { return };
        let (committed, durable) = (self.high_watermark, self.log.durable());
        let Role::Leader(leader) = &mut self.role else { unreachable!("only a leader appends for somebody") };
        if end <= acks.reached(committed, durable) {
            out.push(PartitionOut::Answer(key, Answer::Produced(Ok(appended))));
        } else {
            leader.promises.push_back(Promise { key, acks, end, appended });
        }
    }

    /// Why nothing can be appended now, if so.
    pub(super) fn closed(&self) -> Option<ErrorCode> {
        match (&self.role, self.state) {
            (Role::Follower(_), _) => Some(ErrorCode::NotLeaderOrFollower),
            (Role::Leader(_), State::Open) => None,
            (Role::Leader(_), State::Reloading | State::Offline) => Some(ErrorCode::KafkaStorageError),
        }
    }

    /// Whoever wants a record on all in-sync replicas is refused while these are too few.
    fn too_few(&self, asker: Option<(PartKey, Acks)>) -> Option<ErrorCode> {
        let Role::Leader(leader) = &self.role else { return None };
        let wants_all = asker.is_some_and(|(_, acks)| acks == Acks::Committed);
        let is_enough = leader.isr_size(&self.spec.assignment).is_enough();
        (wants_all && !is_enough).then_some(ErrorCode::NotEnoughReplicas)
    }

    /// A producer of which nothing is known does not begin with 0: what it sent before may have yet to come (stragglers.rs). A log
    /// that nobody ever wrote to has forgotten nobody (KAFKA-15591).
    fn too_early(&self, cx: PartitionCx<'_>, header: &Header) -> Option<ErrorCode> {
        let Role::Leader(leader) = &self.role else { return None };
        if !self.is_stranger(header) || header.base_sequence == 0 {
            return None;
        }
        if self.log.end() == Offset::ZERO {
            return Some(ErrorCode::OutOfOrderSequenceNumber);
        }
        let nobody = Stragglers::default();
        let stragglers = leader.stragglers.as_deref().unwrap_or(&nobody);
        let may_come = stragglers.may_come_before(header, leader.since, cx.now.mono);
        may_come.then_some(ErrorCode::NotLeaderOrFollower)
    }

    /// It numbers its batches, and is not known.
    fn is_stranger(&self, header: &Header) -> bool {
        header.has_producer() && self.log.producers().get(header.producer_id).is_none()
    }

    /// A batch was refused that may be sent again: of a producer that is not known what follows it is not taken before it.
    fn await_again(&mut self, cx: PartitionCx<'_>, header: &Header) {
        let is_stranger = self.is_stranger(header);
        if let Role::Leader(leader) = &mut self.role
            && is_stranger
        {
            leader.stragglers.get_or_insert_default().refuse(header, cx.now.mono);
        }
    }

    /// A batch was taken: its producer is known.
    fn await_no_more(&mut self, header: &Header) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(stragglers) = &mut leader.stragglers {
            stragglers.forget(header.producer_id);
            if stragglers.is_empty() {
                leader.stragglers = None;
            }
        }
    }

    /// Promises that are kept by now are told.
    pub(super) fn keep_promises(&mut self, out: &mut Vec<PartitionOut>) {
        let (committed, durable) = (self.high_watermark, self.log.durable());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.promises.retain(|promise| {
            let kept = promise.end <= promise.acks.reached(committed, durable);
            if kept {
                out.push(PartitionOut::Answer(promise.key, Answer::Produced(Ok(promise.appended))));
            }
            !kept
        });
    }

    pub(super) fn refuse_promises(&mut self, out: &mut Vec<PartitionOut>) {
        let Role::Leader(leader) = &mut self.role else { return };
        for promise in leader.promises.drain(..) {
            refuse(Some(promise.key), Refused::plain(ErrorCode::KafkaStorageError), out);
        }
    }
}

impl Acks {
    /// So far is acknowledged, where so far is committed and so far flushed here.
    pub(super) fn reached(self, committed: Offset, durable: Offset) -> Offset {
        match self {
            Self::None | Self::Leader => durable,
            Self::Committed => committed,
        }
    }
}

pub(super) fn refuse(key: Option<PartKey>, refused: Refused, out: &mut Vec<PartitionOut>) {
    if let Some(key) = key {
        out.push(PartitionOut::Answer(key, Answer::Produced(Err(refused))));
    }
}
