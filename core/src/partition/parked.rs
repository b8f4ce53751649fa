//! Who waits at a partition: promises for the high watermark, watchers for new records.

use super::answer::{Appended, PartKey};
use crate::types::Offset;

/// An acknowledgement that leaves when everything below `end` is committed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Promise {
    /// Whose.
    pub key: PartKey,
    /// What must be committed.
    pub end: Offset,
    /// What is then said.
    pub appended: Appended,
}

/// A fetch that waits for more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Watcher {
    /// Whose.
    pub key: PartKey,
    /// From where it reads.
    pub from: Offset,
}
