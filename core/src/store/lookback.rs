//! How far back a walk looks for what a log knew of numbering producers before a cut: a stretch right before it, and as long as
//! that does not tell enough, one eight times as long. Whoever writes at the time of a cut has its last batches close to it, and a
//! follower that is cut keeps everybody waiting.
//!
//! ```text
//!   from                                                                             cut
//!    ├───────────────── all ──────────────────┬────────── eight times ──────┬─ first ─┤
//! ```

use super::entry::Cut;
use super::index::Place;
use super::log::Log;
use crate::types::Offset;

/// A stretch of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lookback {
    /// The first offset of the segment before which nothing is looked for.
    from: Offset,
    /// Where it ends, by offset, and by segment and byte.
    pub(super) end: Offset,
    cut: (Offset, u64),
    /// How long it is at least; [`ALL`] if it begins at `from`.
    bytes: u64,
}

/// Where a stretch begins: a segment of the log, and a byte of it.
pub(super) struct Beginning {
    pub(super) segment: usize,
    pub(super) position: u64,
}

impl Lookback {
    /// From the beginning of a log to its end.
    pub(super) fn over_all(log: &Log) -> Self {
        let from = log.segments[0].base;
        Self { from, end: log.end, cut: (from, 0), bytes: ALL }
    }

    /// So many bytes before a cut, and never further back than to the front of this segment.
    pub(super) fn before(cut: &Cut, from: Offset, bytes: u64, log: &Log) -> Self {
        Self { from, end: cut.end, cut: (cut.segment, cut.position), bytes }.within(log)
    }

    /// Is there nothing before it that could be looked at?
    pub(super) fn is_all(&self) -> bool {
        self.bytes == ALL
    }

    /// A longer one.
    pub(super) fn wider(self, log: &Log) -> Self {
        Self { bytes: self.bytes.saturating_mul(WIDER), ..self }.within(log)
    }

    fn within(self, log: &Log) -> Self {
        let Beginning { segment, position } = self.beginning(log);
        let is_all = position == 0 && segment <= log.segment_at(self.from);
        Self { bytes: if is_all { ALL } else { self.bytes }, ..self }
    }

    /// Where it begins, if batches ended where bytes say so.
    pub(super) fn beginning(&self, log: &Log) -> Beginning {
        let first = log.segment_at(self.from);
        if self.is_all() {
            return Beginning { segment: first, position: 0 };
        }
        let (mut segment, mut left) = (log.segment_at(self.cut.0), self.bytes);
        let mut end = self.cut.1;
        while end < left && segment > first {
            left -= end;
            segment -= 1;
            end = log.segments[segment].bytes;
        }
        Beginning { segment, position: end.saturating_sub(left) }
    }

    /// Where a walk through it begins, of what an index knows.
    pub(super) fn place(log: &Log, beginning: &Beginning) -> Option<Place> {
        log.segments[beginning.segment].index.floor_at(beginning.position)
    }
}

/// Longer than any log.
const ALL: u64 = u64::MAX;
/// So many times as long.
const WIDER: u64 = 8;
