//! How many bytes lie between two offsets near the end of a log, without asking the disk: a fetch with `min_bytes`
//! decides by it whether to wait.

use crate::types::{Offset, limit};
use alloc::collections::VecDeque;

/// The positions of the newest batches, counted in bytes from an arbitrary zero.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Recent {
    /// First offset and first byte of each batch, in order.
    batches: VecDeque<(Offset, u64)>,
    end: Offset,
    end_bytes: u64,
}

/// More than any fetch asks for.
pub const PLENTY: u64 = i32::MAX as u64;

impl Recent {
    /// Nothing is known of what lies before `end`.
    pub fn from(end: Offset) -> Self {
        Self { batches: VecDeque::new(), end, end_bytes: 0 }
    }

    /// A batch of so many bytes was appended at `base`.
    pub fn push(&mut self, base: Offset, bytes: usize) {
        if self.batches.len() == limit::RECENT_BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back((base, self.end_bytes));
        self.end = base.plus(1);
        self.end_bytes += bytes as u64;
    }

    /// Bytes of the batches from the one that holds `from` to the last that begins before `end`; [`PLENTY`] where the
    /// first is too old to be known.
    pub fn bytes_between(&self, from: Offset, end: Offset) -> u64 {
        if from >= end {
            return 0;
        }
        let after = self.batches.partition_point(|(base, _)| *base <= from);
        let Some(first) = after.checked_sub(1) else { return PLENTY };
        let behind = self.batches.partition_point(|(base, _)| *base < end);
        let end_bytes = self.batches.get(behind).map_or(self.end_bytes, |(_, bytes)| *bytes);
        end_bytes - self.batches[first].1
    }
}

#[cfg(test)]
#[path = "recent_test.rs"]
mod recent_test;
