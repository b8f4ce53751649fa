//! What a machine knows of one log without its records: where it starts and ends, what of it is durable, which epoch
//! wrote what, and which producers number their batches.

mod epochs;
mod producers;
mod snapshot;
mod window;

pub use epochs::{EpochEnd, EpochStart, Epochs};
pub use producers::{Producer, ProducerRefusal, Producers, Verdict};
pub use snapshot::SnapshotFault;
pub use window::{KeptBatch, Window};

use crate::record::CheckedBatch;
use crate::types::{LeaderEpoch, Offset, OffsetRange, Wall};

/// One log. `start ≤ durable ≤ end` always (INV-01).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Log {
    start: Offset,
    durable: Offset,
    end: Offset,
    epochs: Epochs,
    producers: Producers,
}

/// What cutting a log back did to its producers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum AfterCut {
    /// Nothing: all that is remembered lies before the cut.
    Whole,
    /// What is remembered rests on batches that are gone: hand in what holds at the new end ([`Log::set_producers`])
    /// before anything is appended.
    Rebuild,
}

impl Log {
    /// An empty log whose first record will have the offset `start`.
    pub fn empty(start: Offset) -> Self {
        Self { start, durable: start, end: start, ..Self::default() }
    }

    /// A log as it was found on disk, all of it durable.
    pub fn recovered(range: OffsetRange, epochs: Epochs, producers: Producers) -> Self {
        let log = Self { start: range.start, durable: range.end, end: range.end, epochs, producers };
        log.check();
        log
    }

    /// The first offset that may be read.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The first offset behind what is flushed.
    pub fn durable(&self) -> Offset {
        self.durable
    }

    /// The first offset behind what was appended, durable or not.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Which epoch wrote what.
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Who numbers batches here.
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// Takes note of a stamped batch that goes behind the last one, at `now` by our clock.
    pub fn append(&mut self, batch: &CheckedBatch, now: Wall) {
        let header = batch.header();
        let base = header.base_offset;
        assert!(base >= self.end, "a batch at {base:?} in a log that ends at {:?}", self.end);
        self.epochs.append(header.leader_epoch, base);
        self.producers.apply(batch, now);
        self.end = header.end_offset();
        self.check();
    }

    /// Everything below `end` is flushed. Flushes are reported in any order; the last word counts.
    pub fn stored(&mut self, end: Offset) {
        assert!(end <= self.end, "nobody flushed what was never appended");
        self.durable = self.durable.max(end);
        self.check();
    }

    /// Where to cut a log that follows another, which says that of the epochs up to this one it has what lies before `end`; none if
    /// that leaves nothing to cut. An epoch that only the other has is none of ours: where it ends there may be in the middle of
    /// a batch here, and what we have of the one before it is to be asked about again (KIP-279).
    ///
    /// ```text
    ///   the other   │ 1 │ 2 │ 4 │            of the epochs up to 3 it has what lies before 35: epoch 2
    ///              30  34  35  36
    ///   this        │ 1        │ 3 │         is cut at 37, and not within the last batch of epoch 1
    ///              30         37  38
    /// ```
    pub fn common_end(&self, epoch: LeaderEpoch, end: Offset) -> Option<Offset> {
        let ours = self.epochs.end_of(epoch, self.end);
        let common = if ours.epoch == epoch { ours.end.min(end) } else { ours.end };
        let to = common.max(self.start);
        (ours.end != Offset::NONE && to < self.end).then_some(to)
    }

    /// Drops everything from `end` on.
    pub fn truncate(&mut self, end: Offset) -> AfterCut {
        assert!(end >= self.start && end <= self.end, "a log is cut within itself");
        self.end = end;
        self.durable = self.durable.min(end);
        self.epochs.truncate(end);
        self.check();
        if self.producers.reach_behind(end) { AfterCut::Rebuild } else { AfterCut::Whole }
    }

    /// Replaces what is remembered of producers, after [`AfterCut::Rebuild`].
    pub fn set_producers(&mut self, producers: Producers) {
        assert!(!producers.reach_behind(self.end), "what is remembered rests on what is in the log");
        self.producers = producers;
    }

    /// Drops everything below `start`; nothing if that is gone already. Producers are remembered beyond their batches,
    /// until they expire.
    pub fn trim(&mut self, start: Offset) {
        assert!(start <= self.durable, "what is dropped for good was durable before");
        if start > self.start {
            self.start = start;
            self.epochs.trim(start);
        }
        self.check();
    }

    /// Nothing of the log is kept: its next record has the offset `start`, which lies behind its end. Who numbered batches in
    /// between is unknown, so nobody's last number is: a producer that goes on is taken at its word (KIP-360). Which epochs wrote
    /// in between is unknown too.
    pub fn begin_anew(&mut self, start: Offset) {
        self.leap(start);
        self.epochs = Epochs::default();
    }

    /// The same for a voter, which judges others by the last epoch that it knows (Raft, section 5.4.1): that one stays.
    pub fn begin_anew_as_voter(&mut self, start: Offset) {
        self.leap(start);
        self.epochs.trim(start);
    }

    fn leap(&mut self, start: Offset) {
        assert!(start > self.end, "a log begins anew behind what it held");
        (self.start, self.durable, self.end) = (start, start, start);
        self.producers = Producers::default();
        self.check();
    }

    /// Forgets silent producers; see [`Producers::expire`].
    pub fn expire_producers(&mut self, now: Wall, silence_ms: i64) -> usize {
        self.producers.expire(now, silence_ms)
    }

    /// INV-01: a log starts before what is durable ends, and that ends before the log does.
    pub fn check(&self) {
        let is_ordered = self.start <= self.durable && self.durable <= self.end;
        assert!(is_ordered, "INV-01: start, durable end and end stand in this order: {self:?}");
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod log_test;
