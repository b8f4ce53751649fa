//! Questions that change nothing but perhaps the start of the log: what may be read, which offset belongs to a time or an
//! epoch, who produces, how much room it takes.

use super::answer::{ActiveProducer, Answer, PartKey, Readable};
use super::parked::Watcher;
use super::{Partition, PartitionOut, State, Then};
use crate::boundary::{Action, DiskFault, Done, Job, JobDone, Query};
use crate::types::{ErrorCode, LeaderEpoch, Offset, Ticket, Wall};
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
    /// What may be read from an offset on.
    pub fn read(&mut self, key: PartKey, ask: ReadAsk) -> Readable {
        if let Err(error) = self.fence(ask.current_epoch) {
            return Readable::error(error);
        }
        if self.state == State::Offline {
            return Readable::error(ErrorCode::KafkaStorageError);
        }
        let mut readable = self.readable(ask.from);
        if readable.error.is_error() {
            return readable;
        }
        if ask.last_fetched != LeaderEpoch::NONE {
            let ours = self.log.epochs().end_of(ask.last_fetched, self.log.end());
            if ours.end == Offset::NONE {
                return Readable { error: ErrorCode::OffsetOutOfRange, bytes: 0, ..readable };
            }
            if ours.epoch < ask.last_fetched || ours.end < ask.from {
                readable.diverging = Some((ours.epoch, ours.end));
                readable.bytes = 0;
            }
        }
        if readable.bytes < ask.watch_below && !readable.is_urgent() {
            self.watchers.push(Watcher { key, from: ask.from });
        }
        readable
    }

    /// This request is answered; nobody is to be told any more.
    pub fn unwatch(&mut self, ticket: Ticket) {
        self.watchers.retain(|watcher| watcher.key.ticket != ticket);
    }

    pub(super) fn readable(&self, from: Offset) -> Readable {
        let within = self.log.start() <= from && from <= self.log.end();
        Readable {
            error: if within { ErrorCode::None } else { ErrorCode::OffsetOutOfRange },
            high_watermark: self.high_watermark(),
            last_stable: self.last_stable(),
            log_start: self.log.start(),
            bytes: if within { self.recent.bytes_between(from, self.last_stable()) } else { 0 },
            diverging: None,
        }
    }

    /// A request that names a leader epoch must name ours (KIP-320).
    fn fence(&self, named: LeaderEpoch) -> Result<(), ErrorCode> {
        if named == LeaderEpoch::NONE || named == self.epoch {
            Ok(())
        } else if named < self.epoch {
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
        let answer = match (self.fence(current_epoch), self.state) {
            (Err(error), _) => Err(error),
            (Ok(()), State::Offline) => Err(ErrorCode::KafkaStorageError),
            (Ok(()), State::Open | State::Reloading) => match wanted {
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
        self.fence(current_epoch)?;
        let end = self.log.epochs().end_of(asked, self.log.end());
        Ok((end.epoch, end.end))
    }

    /// Everything before `to` goes for good; `NONE` means the high watermark (KIP-107).
    pub fn trim(&mut self, key: PartKey, to: Offset, out: &mut Vec<PartitionOut>) {
        let to = if to == Offset::NONE { self.high_watermark() } else { to };
        let refused = if self.spec.compacted_only {
            Some(ErrorCode::PolicyViolation)
        } else if self.closed().is_some() {
            self.closed()
        } else if to < Offset::ZERO || to > self.high_watermark() {
            Some(ErrorCode::OffsetOutOfRange)
        } else {
            None
        };
        let answer = match refused {
            Some(error) => Err(error),
            None if to <= self.log.start() => Ok(self.log.start()),
            None => return out.push(PartitionOut::Act(Action::Trim { start: to }, Then::Trimmed(key))),
        };
        out.push(PartitionOut::Answer(key, Answer::Trimmed(answer)));
    }

    /// How many bytes the log takes.
    pub fn size(&self, key: PartKey, out: &mut Vec<PartitionOut>) {
        out.push(PartitionOut::Ask(Query::Size, Then::Sized(key)));
    }

    /// Who numbers batches here (KIP-664).
    pub fn producers(&self) -> Vec<ActiveProducer> {
        self.log
            .producers()
            .iter()
            .map(|(id, producer)| ActiveProducer {
                id,
                epoch: producer.epoch,
                last_sequence: producer.window.last_sequence(),
                last_timestamp: producer.last_timestamp,
            })
            .collect()
    }

    /// The store or a job answered a question.
    pub(super) fn looked_up(&mut self, then: Then, outcome: Result<Done, DiskFault>, out: &mut Vec<PartitionOut>) {
        let (key, answer) = match (then, outcome) {
            (Then::Trimmed(key), Ok(Done::Stored { start, .. })) => {
                self.trimmed(start);
                (key, Answer::Trimmed(Ok(start)))
            }
            (Then::Trimmed(key), _) => (key, Answer::Trimmed(Err(ErrorCode::KafkaStorageError))),
            (Then::Sized(key), Ok(Done::Size(bytes))) => (key, Answer::Size(Ok(bytes))),
            (Then::Sized(key), _) => (key, Answer::Size(Err(ErrorCode::KafkaStorageError))),
            (Then::FoundBatch(key, target), Ok(Done::Batch(Some(batch)))) => {
                let then = Then::FoundTime(key, batch.header().leader_epoch);
                let job = match target {
                    Some(target) => Job::FindTime { batch, from: self.log.start(), target },
                    None => Job::FindMaxTime { batch },
                };
                return out.push(PartitionOut::Work(job, then));
            }
            (Then::FoundBatch(key, ..), Ok(_)) => (key, Answer::Offset(Ok(NOTHING))),
            (Then::FoundTime(key, epoch), Ok(Done::Job(JobDone::Time(Some((offset, time)))))) => {
                (key, Answer::Offset(Ok((time, offset, epoch))))
            }
            (Then::FoundTime(key, _), Ok(_)) => (key, Answer::Offset(Ok(NOTHING))),
            (Then::FoundBatch(key, ..) | Then::FoundTime(key, _), Err(_)) => {
                (key, Answer::Offset(Err(ErrorCode::KafkaStorageError)))
            }
            (Then::Appended(_) | Then::Settled | Then::Recompressed | Then::Reloaded, _) => {
                unreachable!("not a question")
            }
        };
        out.push(PartitionOut::Answer(key, answer));
    }
}

/// No record answers the question.
const NOTHING: (Wall, Offset, LeaderEpoch) = (Wall(-1), Offset::NONE, LeaderEpoch::NONE);
