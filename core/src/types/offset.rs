//! Offsets: the only place where positions in a log are added and subtracted.

/// The position of a record in its log, from 0. Where a variable is called `end` it is exclusive, `last` is inclusive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// Where every log begins.
    pub const ZERO: Self = Self(0);
    /// "No such offset", as the protocol writes it.
    pub const NONE: Self = Self(-1);

    /// The offset `records` further on. Offsets of a checked batch stay below 2^63, so overflow is a bug of ours.
    #[must_use]
    pub fn plus(self, records: i64) -> Self {
        Self(self.0.checked_add(records).expect("an offset stays below 2^63"))
    }

    /// How many offsets lie in `earlier .. self`; zero if there are none.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// A half-open run of offsets, `start .. end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OffsetRange {
    /// The first offset of the run.
    pub start: Offset,
    /// The first offset behind the run.
    pub end: Offset,
}
