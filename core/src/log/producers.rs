//! Idempotence (KIP-98): what one log remembers of the producers that number their batches, so that a batch that is sent
//! again is not appended again and none is appended out of its order.
//!
//! ```text
//!            first batch, any sequence            epoch above: sequence 0
//!   unknown ───────────────────────────▶ known ─────────────────────────▶ known, window empty but for it
//!      ▲                                 │   ▲ epoch the same: sequence = last + 1 (after 2^31−1 comes 0)
//!      └── nothing for the expiry time ──┘   │ epoch the same and one of the last five: duplicate, its old offsets
//!          and no open transaction           └ epoch below, or any other sequence: refused
//! ```
//!
//! The state is a function of the batches of the log and of when they were appended here. Leader, follower and store each
//! keep their own copy by applying the same batches; batches that are appended but not yet durable count.
//!
//! A log that is cut back cannot be followed backwards: batches that a window let go are gone. Where
//! [`Producers::reach_behind`] says so, the owner starts again from a copy taken at or before the cut and applies the
//! batches between that copy and the cut.

use super::window::{KeptBatch, Window};
use crate::record::{CheckedBatch, EndTxn, Header, NO_TIMESTAMP, sequence_after};
use crate::types::{ErrorCode, Offset, OffsetRange, ProducerEpoch, ProducerId, Wall, limit};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The numbering producers of one log.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Producers {
    entries: BTreeMap<ProducerId, Producer>,
}

/// What is remembered of one producer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Producer {
    /// Its incarnation.
    pub epoch: ProducerEpoch,
    /// The reign of the coordinator that last ended a transaction of it; −1 for none.
    pub coordinator_epoch: i32,
    /// The largest timestamp of its last batch, as DescribeProducers tells it.
    pub last_timestamp: Wall,
    /// When this log last heard of it, by our own clock: expiry counts from here, whatever timestamps a producer sends.
    pub seen: Wall,
    /// The first offset of its open transaction.
    pub txn_start: Option<Offset>,
    /// The last offset that any of this rests on.
    pub last_offset: Offset,
    /// Its last batches in this epoch.
    pub window: Window,
}

/// What to do with a batch from a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// Append it.
    New,
    /// It is in the log already: answer as if it had been appended now, with the offsets that it got then.
    Duplicate {
        /// Where it lies.
        range: OffsetRange,
        /// Its largest timestamp, which under LogAppendTime is part of the answer.
        timestamp: Wall,
    },
    /// It must not be appended.
    Refused(ProducerRefusal),
}

/// Why a numbered batch must not be appended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProducerRefusal {
    /// A later incarnation of the producer has written.
    StaleEpoch {
        /// The epoch that the log knows.
        known: ProducerEpoch,
    },
    /// A new incarnation does not begin with sequence 0.
    EpochNotBegun,
    /// Batches are missing before this one, or it is older than all that we remember.
    OutOfOrder {
        /// The last sequence in the log; [`crate::record::NO_SEQUENCE`] if there is none in this epoch.
        last: i32,
    },
    /// The producer has a transaction open, and the batch is not part of it.
    OutsideTransaction,
}

impl ProducerRefusal {
    /// What the protocol calls it.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::StaleEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            Self::EpochNotBegun | Self::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
            Self::OutsideTransaction => ErrorCode::InvalidTxnState,
        }
    }
}

impl Producer {
    fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            seen: Wall(0),
            txn_start: None,
            last_offset: Offset::NONE,
            window: Window::default(),
        }
    }

    /// Kafka's rules in Kafka's order: epoch, sequence, transaction.
    fn refusal(&self, header: &Header) -> Option<ProducerRefusal> {
        if header.producer_epoch < self.epoch {
            return Some(ProducerRefusal::StaleEpoch { known: self.epoch });
        }
        if header.producer_epoch > self.epoch {
            if header.base_sequence != 0 {
                return Some(ProducerRefusal::EpochNotBegun);
            }
        } else {
            // After "none in this epoch" (−1, left by a marker that began the epoch) comes 0, too.
            let last = self.window.last_sequence();
            if header.base_sequence != sequence_after(last, 1) {
                return Some(ProducerRefusal::OutOfOrder { last });
            }
        }
        let is_outside = self.txn_start.is_some() && !header.attributes.is_transactional();
        is_outside.then_some(ProducerRefusal::OutsideTransaction)
    }

    /// Is all that is remembered told by the batches in its window, so that earlier ones would add nothing? A transaction may have
    /// begun before them, and so may its epoch if they are few.
    pub fn rests_on_itself(&self) -> bool {
        let is_plain = self.txn_start.is_none() && self.coordinator_epoch < 0;
        is_plain && (self.window.is_full() || self.window.begins_epoch())
    }

    /// Did it write nothing before this offset? That is certain only of the first epoch, and while its first batch is remembered.
    pub fn began_behind(&self, end: Offset) -> bool {
        let first = self.window.kept().first().filter(|_| self.epoch == ProducerEpoch(0) && self.window.begins_epoch());
        first.is_some_and(|first| first.range.start >= end)
    }

    /// What is left of it when all from `end` on is cut off, as far as its window tells; none if that is nothing.
    fn left_before(&self, end: Offset) -> Option<Self> {
        let window = self.window.before(end);
        let last = window.kept().last()?;
        Some(Self {
            last_timestamp: last.timestamp,
            last_offset: Offset(last.range.end.0 - 1),
            txn_start: self.txn_start.filter(|start| *start < end),
            window,
            ..self.clone()
        })
    }

    fn append(&mut self, header: &Header) {
        self.enter(header);
        if header.base_sequence != sequence_after(self.window.last_sequence(), 1) {
            // Its leader had forgotten it and took it at its word: what it goes on from is this, here as there.
            self.window.clear();
        }
        self.window.push(KeptBatch::of(header));
        if header.attributes.is_transactional() && self.txn_start.is_none() {
            self.txn_start = Some(header.base_offset);
        }
    }

    fn end_txn(&mut self, end: &EndTxn, header: &Header) {
        self.enter(header);
        self.coordinator_epoch = end.coordinator_epoch;
        self.txn_start = None;
    }

    fn enter(&mut self, header: &Header) {
        if header.producer_epoch != self.epoch {
            self.epoch = header.producer_epoch;
            self.window.clear();
        }
        self.last_timestamp = header.max_timestamp;
        self.last_offset = self.last_offset.max(header.last_offset());
    }
}

impl Producers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True where nobody numbers batches.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One of them.
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.entries.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.entries.iter().map(|(id, producer)| (*id, producer))
    }

    /// Judges a batch that a client sent. Batches without a producer, and those of producers that nobody here remembers
    /// (expired, or cut off with the start of the log), are always new, whatever their number.
    pub fn check(&self, header: &Header) -> Verdict {
        if !header.has_producer() {
            return Verdict::New;
        }
        let Some(known) = self.entries.get(&header.producer_id) else {
            return Verdict::New;
        };
        if header.producer_epoch == known.epoch
            && let Some(kept) = known.window.find(header.base_sequence, header.last_sequence())
        {
            return Verdict::Duplicate { range: kept.range, timestamp: kept.timestamp };
        }
        match known.refusal(header) {
            Some(refusal) => Verdict::Refused(refusal),
            None => Verdict::New,
        }
    }

    /// Takes note of a batch in its place in the log, whoever put it there; `now` is our clock as it is appended (or
    /// replayed). Data batches only count if they have a producer, control batches only if they end a transaction.
    pub fn apply(&mut self, batch: &CheckedBatch, now: Wall) {
        let header = batch.header();
        if !header.has_producer() {
            return;
        }
        if header.attributes.is_control() {
            if let Some(end) = EndTxn::read(batch) {
                self.entry(header, now).end_txn(&end, header);
            }
            return;
        }
        self.apply_data(header, now);
    }

    /// The same for a batch of which only the header is at hand; it is no control batch.
    pub fn apply_data(&mut self, header: &Header, now: Wall) {
        if header.has_producer() {
            self.entry(header, now).append(header);
        }
    }

    fn entry(&mut self, header: &Header, now: Wall) -> &mut Producer {
        if self.entries.len() >= limit::PRODUCERS_PER_LOG_MAX && !self.entries.contains_key(&header.producer_id) {
            self.forget_the_oldest();
        }
        let producer = self.entries.entry(header.producer_id).or_insert_with(|| Producer::new(header.producer_epoch));
        producer.seen = now;
        producer
    }

    /// A stranger may invent producer ids as fast as he can produce. The tenth that was silent longest goes at once, so
    /// that the search for it is paid for by many batches.
    fn forget_the_oldest(&mut self) {
        let idle = self.entries.iter().filter(|(_, producer)| producer.txn_start.is_none());
        let mut idle: Vec<_> = idle.map(|(id, producer)| (producer.seen, *id)).collect();
        let tenth = limit::PRODUCERS_PER_LOG_MAX / 10;
        if idle.len() > tenth {
            idle.select_nth_unstable(tenth);
            idle.truncate(tenth);
        }
        for (_, id) in idle {
            self.entries.remove(&id);
        }
    }

    /// Forgets whoever was silent for `silence_ms` and has no transaction open (`producer.id.expiration.ms`); gives how
    /// many those were.
    pub fn expire(&mut self, now: Wall, silence_ms: i64) -> usize {
        let before = self.entries.len();
        self.entries
            .retain(|_, producer| producer.txn_start.is_some() || now.0.saturating_sub(producer.seen.0) < silence_ms);
        before - self.entries.len()
    }

    /// Does anything that is remembered rest on offsets from `end` on? Then cutting the log there needs a rebuild.
    pub fn reach_behind(&self, end: Offset) -> bool {
        self.entries.values().any(|producer| producer.last_offset >= end)
    }

    /// Adds to what was `found` before a cut of those whose newest batches go with it what is remembered of them here: all that such
    /// a producer may send again was among its last batches, however far apart those lie.
    pub fn eked_out(&self, mut found: Self, end: Offset) -> Self {
        for (id, producer) in self.entries.iter().filter(|(_, producer)| producer.last_offset >= end) {
            let Some(left) = producer.left_before(end) else { continue };
            let known = found.entries.get(id).map_or(0, |found| found.window.kept().len());
            if left.window.kept().len() > known {
                found.entries.insert(*id, left);
            }
        }
        found
    }

    /// Takes in what was found out about some of them.
    pub fn adopt(&mut self, found: Self) {
        self.entries.extend(found.entries);
    }
}

impl FromIterator<(ProducerId, Producer)> for Producers {
    fn from_iter<T: IntoIterator<Item = (ProducerId, Producer)>>(producers: T) -> Self {
        Self { entries: producers.into_iter().collect() }
    }
}

#[cfg(test)]
#[path = "producers_test.rs"]
mod producers_test;
