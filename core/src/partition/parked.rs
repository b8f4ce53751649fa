//! Who waits at a partition: promises for what is committed or flushed, watchers for new records.

use super::answer::{Appended, PartKey};
use super::produce::Acks;
use crate::types::{BrokerId, Offset};

/// An acknowledgement that leaves when everything below `end` is committed, or flushed here if that is all that was asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Promise {
    /// Whose.
    pub key: PartKey,
    /// What it waits for.
    pub acks: Acks,
    /// So far.
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
    /// How far it may.
    pub reader: Reader,
}

/// Who reads, and so how far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reader {
    /// Up to the high watermark.
    Client,
    /// Up to the leader's durable end: what is not flushed may be gone after a crash, and then nobody may have it.
    Follower(BrokerId),
}
