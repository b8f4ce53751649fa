//! What a machine knows of one log without its records: where it starts and ends, what of it is durable, which epoch
//! wrote what, and which producers number their batches.

mod epochs;

pub use epochs::{EpochEnd, EpochStart, Epochs};

use crate::record::Header;
use crate::types::{Offset, OffsetRange};

/// One log. `start ≤ durable ≤ end` always.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Log {
    start: Offset,
    durable: Offset,
    end: Offset,
    epochs: Epochs,
}

impl Log {
    /// An empty log whose first record will have the offset `start`.
    pub fn empty(start: Offset) -> Self {
        Self { start, durable: start, end: start, ..Self::default() }
    }

    /// A log as it was found on disk, all of it durable.
    pub fn recovered(range: OffsetRange, epochs: Epochs) -> Self {
        let log = Self { start: range.start, durable: range.end, end: range.end, epochs };
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

    /// Takes note of a stamped batch that goes behind the last one.
    pub fn append(&mut self, header: &Header) {
        assert!(
            header.base_offset >= self.end,
            "a batch at {:?} in a log that ends at {:?}",
            header.base_offset,
            self.end
        );
        self.epochs.append(header.leader_epoch, header.base_offset);
        self.end = header.end_offset();
        self.check();
    }

    /// Everything below `end` is flushed. Flushes are reported in any order; the last word counts.
    pub fn stored(&mut self, end: Offset) {
        assert!(end <= self.end, "nobody flushed what was never appended");
        self.durable = self.durable.max(end);
        self.check();
    }

    /// Drops everything from `end` on.
    pub fn truncate(&mut self, end: Offset) {
        assert!(end >= self.start && end <= self.end, "a log is cut within itself");
        self.end = end;
        self.durable = self.durable.min(end);
        self.epochs.truncate(end);
        self.check();
    }

    /// Drops everything below `start`; nothing if that is gone already.
    pub fn trim(&mut self, start: Offset) {
        assert!(start <= self.durable, "what is dropped for good was durable before");
        if start > self.start {
            self.start = start;
            self.epochs.trim(start);
        }
        self.check();
    }

    /// A log starts before what is durable ends, and that ends before the log does.
    pub fn check(&self) {
        assert!(
            self.start <= self.durable && self.durable <= self.end,
            "start, durable end and end of a log stand in this order: {self:?}"
        );
    }
}
