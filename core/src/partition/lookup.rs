//! Questions that change nothing but perhaps the start of the log: what may be read, which offset belongs to a time or an
//! epoch, who produces, how much room it takes.

use super::answer::{ActiveProducer, Answer, PartKey, Readable};
use super::parked::{Reader, Watcher};
use super::role::Role;
use super::{Partition, PartitionCx, PartitionOut, State, Then};
use crate::boundary::{DiskFault, Done, Job, JobDone, Query};
use crate::log::EpochEnd;
use crate::plant::{Bug, planted};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Offset, Ticket, Wall};
use alloc::vec::Vec;

/// What a fetch wants of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReadAsk {
    /// From which offset on.
    pub from: Offset,
    /// The leader epoch that the client knows, or `NONE` (KIP-320).
    pub current_epoch: LeaderEpoch,
    /// The epoch of the last record that the reader has, or `NONE` (KIP-595).
    pub last_fetched: LeaderEpoch,
    /// With fewer bytes than this the asker is told whenever more can be read, until `unwatch`; 0 asks for no telling.
    pub watch_below: u64,
    /// Only the leader is to answer: the client does not know that followers may (KIP-392).
    pub only_leader: bool,
}

/// The special times of `ListOffsets`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WantedOffset {
    /// The end that this reader may see.
    Latest,
    /// The first record.
    Earliest,
    /// The record with the largest timestamp (KIP-734).
    MaxTime,
    /// What only tiered storage can answer.
    Tiered,
    /// The first record at or after a time.
    AtTime(Wall),
}

impl Partition {
    /// What a client may read from an offset on: of a leader, or of a follower as far as it knows what is committed. A leader
    /// sends one away that is nearer to a follower of these (KIP-392).
    pub fn read(&mut self, key: PartKey, ask: ReadAsk, near: &[BrokerId]) -> Readable {
        let asked = match ask.only_leader {
            true => self.asked_of_leader(ask.current_epoch),
            false => self.asked_of_replica(ask.current_epoch),
        };
        if let Err(error) = asked {
            return Readable::error(error);
        }
        if let Role::Leader(leader) = &self.role
            && let Some(follower) = leader.nearest(near, ask.from)
        {
            return Readable { elsewhere: Some(follower), bytes: 0, ..self.readable(Reader::Client, ask.from) };
        }
        if let Role::Follower(_) = &self.role
            && ask.from > self.log.end()
        {
            // It has yet to fetch that, or lacks it for good: the leader knows. Out of range would make whoever takes this for the leader
            // begin anew.
            return Readable::error(ErrorCode::NotLeaderOrFollower);
        }
        let readable = self.readable_after(Reader::Client, ask.from, ask.last_fetched);
        self.watch(key, Reader::Client, (ask.from, ask.watch_below), &readable);
        readable
    }

    /// This request is answered; nobody is to be told any more.
    pub fn unwatch(&mut self, ticket: Ticket) {
        self.watchers.retain(|watcher| watcher.key.ticket != ticket);
    }

    /// Keeps who has less to read than it wants.
    pub(super) fn watch(
        &mut self,
        key: PartKey,
        reader: Reader,
        (from, watch_below): (Offset, u64),
        readable: &Readable,
    ) {
        if readable.bytes < watch_below && !readable.is_urgent() {
            self.watchers.push(Watcher { key, from, reader });
        }
    }

    /// Tells the followers that watch, the clients, or both.
    pub(super) fn tell_readers(&self, followers: bool, clients: bool, out: &mut Vec<PartitionOut>) {
        let told = |watcher: &&Watcher| match watcher.reader {
            Reader::Follower(_) => followers,
            Reader::Client => clients,
        };
        for watcher in self.watchers.iter().filter(told) {
            out.push(PartitionOut::Grew(watcher.key, self.readable(watcher.reader, watcher.from)));
        }
    }

    /// Tells everybody who watches the same.
    pub(super) fn tell_watchers(&self, readable: Readable, out: &mut Vec<PartitionOut>) {
        out.extend(self.watchers.iter().map(|watcher| PartitionOut::Grew(watcher.key, readable)));
    }

    /// What may be read by one whose last record is of this epoch: if our histories part, where. Only then it matters that it
    /// may be ahead of our end.
    pub(super) fn readable_after(&self, reader: Reader, from: Offset, last_fetched: LeaderEpoch) -> Readable {
        let readable = self.readable(reader, from);
        if from < self.log.start() || last_fetched == LeaderEpoch::NONE {
            return readable;
        }
        let ours = self.end_of(last_fetched);
        // Of a follower that ends where this log begins nobody can tell whether it has what was there, unless the same epoch wrote
        // on here or it is in sync: it is to begin anew.
        let first = self.log.epochs().entries().first();
        let is_known = from > self.log.start() || first.is_some_and(|first| last_fetched == first.epoch);
        let is_unknown = !is_known && matches!(reader, Reader::Follower(id) if !self.spec.assignment.isr.contains(&id));
        if ours.end == Offset::NONE || is_unknown {
            return Readable { error: ErrorCode::OffsetOutOfRange, bytes: 0, ..readable };
        }
        let is_other = ours.epoch < last_fetched && !planted(Bug::EpochsNotCompared);
        if is_other || ours.end < from {
            let diverging = Some((ours.epoch, ours.end));
            return Readable { error: ErrorCode::None, diverging, bytes: 0, ..readable };
        }
        readable
    }

    pub(super) fn readable(&self, reader: Reader, from: Offset) -> Readable {
        let within = self.log.start() <= from && from <= self.log.end();
        let (end, bytes_end) = match reader {
            Reader::Client => (self.high_watermark(), self.last_stable()),
            Reader::Follower(_) => (self.log.durable(), self.log.durable()),
        };
        let is_throttled = match (&self.role, reader) {
            (Role::Leader(leader), Reader::Follower(id)) => self.spec.is_leader_throttled && !leader.counts(id),
            (Role::Leader(_), Reader::Client) | (Role::Follower(_), _) => false,
        };
        Readable {
            error: if within { ErrorCode::None } else { ErrorCode::OffsetOutOfRange },
            high_watermark: self.high_watermark(),
            last_stable: self.last_stable(),
            end,
            log_start: self.log.start(),
            bytes: if within { self.recent.bytes_between(from, bytes_end) } else { 0 },
            diverging: None,
            elsewhere: None,
            is_throttled,
        }
    }

    /// Only a leader answers clients that ask for more than records, and only while its log can be read.
    fn asked_of_leader(&self, named: LeaderEpoch) -> Result<(), ErrorCode> {
        self.fence(named)?;
        match &self.role {
            Role::Follower(_) => Err(ErrorCode::NotLeaderOrFollower),
            Role::Leader(_) => self.asked_of_replica(named),
        }
    }

    fn asked_of_replica(&self, named: LeaderEpoch) -> Result<(), ErrorCode> {
        self.fence(named)?;
        match self.state {
            State::Offline => Err(ErrorCode::KafkaStorageError),
            State::Open | State::Reloading => Ok(()),
        }
    }

    /// False while more may be committed than is known here (KIP-207).
    pub(super) fn knows_committed(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => leader.knows_committed(self.high_watermark()),
            Role::Follower(_) => false,
        }
    }

    /// Where an epoch ended here; for a leader its own reign has begun even if nothing was written in it.
    fn end_of(&self, asked: LeaderEpoch) -> EpochEnd {
        let reign = match &self.role {
            Role::Leader(leader) => leader.epoch_start(),
            Role::Follower(_) => None,
        };
        match reign {
            Some(reign) => self.log.epochs().end_under(asked, reign, self.log.end()),
            None => self.log.epochs().end_of(asked, self.log.end()),
        }
    }

    /// A request that names a leader epoch must name ours (KIP-320).
    pub(super) fn fence(&self, named: LeaderEpoch) -> Result<(), ErrorCode> {
        let epoch = self.spec.assignment.leader_epoch;
        if named == LeaderEpoch::NONE || named == epoch {
            Ok(())
        } else if named < epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else {
            Err(ErrorCode::UnknownLeaderEpoch)
        }
    }

    /// Which offset belongs to a time (KIP-79, KIP-734, KIP-207).
    pub fn offset_for(
        &mut self,
        key: PartKey,
        current_epoch: LeaderEpoch,
        wanted: WantedOffset,
        out: &mut Vec<PartitionOut>,
    ) {
        let answer = match self.asked_of_leader(current_epoch) {
            Err(error) => Err(error),
            Ok(()) => match wanted {
                // What was acknowledged in the reign before may be the answer, and nobody can tell yet how far that goes.
                WantedOffset::Latest | WantedOffset::MaxTime if !self.knows_committed() => {
                    Err(ErrorCode::OffsetNotAvailable)
                }
                WantedOffset::Latest => Ok((Wall(-1), self.last_stable(), self.latest_epoch())),
                WantedOffset::Earliest => Ok((Wall(-1), self.log.start(), self.earliest_epoch())),
                WantedOffset::Tiered => Ok(NOTHING),
                WantedOffset::MaxTime => {
                    let query = Query::MaxTime { end: self.last_stable() };
                    return out.push(PartitionOut::Ask(query, Then::FoundBatch(key, None)));
                }
                WantedOffset::AtTime(target) => {
                    let query = Query::AtTime { target, end: self.last_stable() };
                    return out.push(PartitionOut::Ask(query, Then::FoundBatch(key, Some(target))));
                }
            },
        };
        out.push(PartitionOut::Answer(key, Answer::Offset(answer)));
    }

    fn latest_epoch(&self) -> LeaderEpoch {
        self.log.epochs().entries().last().map_or(LeaderEpoch::NONE, |entry| entry.epoch)
    }

    fn earliest_epoch(&self) -> LeaderEpoch {
        self.log
            .epochs()
            .entries()
            .first()
            .filter(|entry| entry.start <= self.log.start())
            .map_or(LeaderEpoch::NONE, |entry| entry.epoch)
    }

    /// Where the records of an epoch end (KIP-101, KIP-279).
    pub fn epoch_end(
        &self,
        current_epoch: LeaderEpoch,
        asked: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), ErrorCode> {
        match self.asked_of_leader(current_epoch) {
            // Epochs are in memory.
            Ok(()) | Err(ErrorCode::KafkaStorageError) => {}
            Err(error) => return Err(error),
        }
        let end = self.end_of(asked);
        Ok((end.epoch, end.end))
    }

    /// How many bytes the log takes.
    pub fn size(&self, key: PartKey, out: &mut Vec<PartitionOut>) {
        out.push(PartitionOut::Ask(Query::Size, Then::Sized(key)));
    }

    /// The same of the copy that is made in another directory.
    pub fn future_size(&self, key: PartKey, out: &mut Vec<PartitionOut>) {
        out.push(PartitionOut::Ask(Query::Future, Then::Sized(key)));
    }

    /// Who numbers batches here (KIP-664).
    pub fn producers(&self) -> Result<Vec<ActiveProducer>, ErrorCode> {
        if matches!(self.role, Role::Follower(_)) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let producers = self.log.producers().iter().map(|(id, producer)| ActiveProducer {
            id,
            epoch: producer.epoch,
            last_sequence: producer.window.last_sequence(),
            last_timestamp: producer.last_timestamp,
        });
        Ok(producers.collect())
    }

    /// The store or a job answered a question.
    pub(super) fn looked_up(
        &mut self,
        cx: PartitionCx<'_>,
        then: Then,
        outcome: Result<Done, DiskFault>,
        out: &mut Vec<PartitionOut>,
    ) {
        let (key, answer) = match (then, outcome) {
            (Then::Trimmed(key), Ok(Done::Stored { start, .. })) => {
                self.trimmed(start);
                return self.trim_done(cx, key, start, out);
            }
            (Then::Trimmed(key), _) => (key, Answer::Trimmed(Err(ErrorCode::KafkaStorageError))),
            (Then::Sized(key), Ok(Done::Size(bytes))) => (key, Answer::Size(Ok((bytes, 0)))),
            (Then::Sized(key), Ok(Done::Future { bytes, lag })) => (key, Answer::Size(Ok((bytes, lag)))),
            (Then::Sized(key), _) => (key, Answer::Size(Err(ErrorCode::KafkaStorageError))),
            (Then::FoundBatch(key, target), Ok(Done::Batch(Some(batch)))) => {
                let then = Then::FoundTime(key, batch.header().leader_epoch);
                let job = match target {
                    Some(target) => Job::FindTime { batch, from: self.log.start(), target },
                    None => Job::FindMaxTime { batch },
                };
                return out.push(PartitionOut::Work(job, then));
            }
            (Then::FoundBatch(key, ..) | Then::FoundTime(key, _), Ok(_)) if !self.knows_committed() => {
                (key, Answer::Offset(Err(ErrorCode::OffsetNotAvailable)))
            }
            (Then::FoundBatch(key, ..), Ok(_)) => (key, Answer::Offset(Ok(NOTHING))),
            (Then::FoundTime(key, epoch), Ok(Done::Job(JobDone::Time(Some((offset, time)))))) => {
                (key, Answer::Offset(Ok((time, offset, epoch))))
            }
            (Then::FoundTime(key, _), Ok(_)) => (key, Answer::Offset(Ok(NOTHING))),
            (Then::FoundBatch(key, ..) | Then::FoundTime(key, _), Err(_)) => {
                (key, Answer::Offset(Err(ErrorCode::KafkaStorageError)))
            }
            (Then::Appended(_) | Then::Cut | Then::Settled | Then::Recompressed(_) | Then::Reloaded, _) => {
                unreachable!("not a question")
            }
        };
        out.push(PartitionOut::Answer(key, answer));
    }
}

/// No record answers the question.
const NOTHING: (Wall, Offset, LeaderEpoch) = (Wall(-1), Offset::NONE, LeaderEpoch::NONE);
