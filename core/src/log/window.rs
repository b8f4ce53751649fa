//! The last batches of one producer: what duplicates are recognised by.

use crate::record::{Header, NO_SEQUENCE};
use crate::types::{Offset, OffsetRange, Wall, limit};
use alloc::vec::Vec;

/// At most [`limit::PRODUCER_BATCHES_KEPT`] batches of one producer in one epoch, oldest first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Window {
    kept: Vec<KeptBatch>,
}

/// What is kept of one batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeptBatch {
    /// The number of its first record.
    pub base_sequence: i32,
    /// The number of its last record.
    pub last_sequence: i32,
    /// Where it lies.
    pub range: OffsetRange,
    /// Its largest timestamp.
    pub timestamp: Wall,
}

impl KeptBatch {
    pub(super) fn of(header: &Header) -> Self {
        Self {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            range: OffsetRange { start: header.base_offset, end: header.end_offset() },
            timestamp: header.max_timestamp,
        }
    }
}

impl Window {
    /// The batches, oldest first.
    pub fn kept(&self) -> &[KeptBatch] {
        &self.kept
    }

    /// The number of the last record; [`NO_SEQUENCE`] of an empty window.
    pub fn last_sequence(&self) -> i32 {
        self.kept.last().map_or(NO_SEQUENCE, |kept| kept.last_sequence)
    }

    /// Are there as many as are kept?
    pub fn is_full(&self) -> bool {
        self.kept.len() == limit::PRODUCER_BATCHES_KEPT
    }

    /// Is the first batch of the epoch among them, for certain? Number 0 comes again after 2³¹ records.
    pub fn begins_epoch(&self) -> bool {
        self.kept.first().is_some_and(|kept| kept.base_sequence == 0 && kept.range.start.0 <= i64::from(i32::MAX))
    }

    /// The batch with exactly these numbers.
    pub fn find(&self, base_sequence: i32, last_sequence: i32) -> Option<&KeptBatch> {
        self.kept.iter().find(|kept| kept.base_sequence == base_sequence && kept.last_sequence == last_sequence)
    }

    /// Those of them that end before an offset.
    pub(super) fn before(&self, end: Offset) -> Self {
        Self { kept: self.kept.iter().copied().filter(|kept| kept.range.end <= end).collect() }
    }

    pub(super) fn push(&mut self, batch: KeptBatch) {
        if self.kept.len() == limit::PRODUCER_BATCHES_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(batch);
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}
