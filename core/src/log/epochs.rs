//! Which leader epoch wrote which offsets of one log (KIP-101, KIP-279): where a follower and its leader, or a consumer
//! and its log, part ways.

use crate::types::{LeaderEpoch, Offset};
use alloc::vec::Vec;

/// Leader epochs and where each began, both strictly growing. An epoch that appended nothing has no entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Epochs {
    entries: Vec<EpochStart>,
}

/// One epoch and the first offset that it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset (that is still in the log, for the oldest epoch).
    pub start: Offset,
}

/// The answer to "where did this epoch end?".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EpochEnd {
    /// The epoch that the answer is about: the asked one, or the largest before it that wrote anything.
    pub epoch: LeaderEpoch,
    /// The first offset behind what that epoch wrote.
    pub end: Offset,
}

impl EpochEnd {
    /// "We cannot say", as the protocol writes it.
    pub const UNKNOWN: Self = Self { epoch: LeaderEpoch::NONE, end: Offset::NONE };
}

impl Epochs {
    /// The entries, oldest first.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// From entries that were kept; `None` if they do not grow.
    pub fn from_entries(entries: Vec<EpochStart>) -> Option<Self> {
        let is_growing = entries.is_sorted_by(|one, next| one.epoch < next.epoch && one.start < next.start);
        let is_natural =
            entries.first().is_none_or(|first| first.epoch >= LeaderEpoch::FIRST && first.start >= Offset::ZERO);
        (is_growing && is_natural).then_some(Self { entries })
    }

    /// The epoch of the last batch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// A batch of `epoch` begins at `start`. Entries that contradict it (not smaller in both numbers) go: they described
    /// offsets that were never written or are overwritten now.
    pub fn append(&mut self, epoch: LeaderEpoch, start: Offset) {
        assert!(epoch >= LeaderEpoch::FIRST && start >= Offset::ZERO, "only stamped batches are appended");
        if let Some(last) = self.entries.last()
            && last.epoch == epoch
            && last.start <= start
        {
            return;
        }
        let kept = self.entries.partition_point(|entry| entry.epoch < epoch && entry.start < start);
        self.entries.truncate(kept);
        self.entries.push(EpochStart { epoch, start });
    }

    /// Where `asked` ended, in a log that ends at `log_end`, exactly as OffsetForLeaderEpoch answers it:
    /// the current epoch ends at the log's end; an epoch in the past where the next one began, named after the largest
    /// epoch not above it; an epoch before all that we know where the first one we know began; an epoch from the future
    /// is unknown.
    pub fn end_of(&self, asked: LeaderEpoch, log_end: Offset) -> EpochEnd {
        if asked == LeaderEpoch::NONE {
            return EpochEnd::UNKNOWN;
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= asked);
        let floor = after.checked_sub(1).map(|at| self.entries[at].epoch);
        match (floor, self.entries.get(after)) {
            (Some(floor), None) if floor == asked => EpochEnd { epoch: asked, end: log_end },
            (_, None) => EpochEnd::UNKNOWN,
            (floor, Some(next)) => EpochEnd { epoch: floor.unwrap_or(asked), end: next.start },
        }
    }

    /// The same as a leader answers it in a reign that began at `reign.start`, whether or not it has written anything yet:
    /// the epoch before ended there at the latest.
    pub fn end_under(&self, asked: LeaderEpoch, reign: EpochStart, log_end: Offset) -> EpochEnd {
        if asked == LeaderEpoch::NONE || asked > reign.epoch {
            return EpochEnd::UNKNOWN;
        }
        if asked == reign.epoch {
            return EpochEnd { epoch: asked, end: log_end };
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= asked);
        let floor = after.checked_sub(1).map(|at| self.entries[at].epoch);
        let end = self.entries.get(after).map_or(reign.start, |next| next.start);
        EpochEnd { epoch: floor.unwrap_or(asked), end }
    }

    /// The epoch that wrote `offset`; none before the first entry.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        after.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    /// The log now ends at `end`: epochs that began there or later wrote nothing that is left.
    pub fn truncate(&mut self, end: Offset) {
        self.entries.retain(|entry| entry.start < end);
    }

    /// The log now starts at `start`: epochs that ended there or before go, and the one that wrote on begins there.
    /// An epoch that wrote everything below `start` and nothing after stays with an empty range, as in Kafka: it is the
    /// only witness of the log's latest epoch.
    pub fn trim(&mut self, start: Offset) {
        let covered = self.entries.partition_point(|entry| entry.start <= start);
        if covered == 0 {
            return;
        }
        self.entries.drain(..covered - 1);
        self.entries[0].start = start;
    }
}

#[cfg(test)]
#[path = "epochs_test.rs"]
mod epochs_test;
