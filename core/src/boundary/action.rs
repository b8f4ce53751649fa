//! What a node asks of the store: changes to logs and questions about them.

use crate::log::Log;
use crate::record::CheckedBatch;
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, Str, Uuid, Wall};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// A change to one log. Each is a journal record, replayed in order after a crash.
#[derive(Clone, Debug)]
pub enum Action {
    /// The log begins to exist, empty, at offset 0.
    Create(LogSpec),
    /// The log's settings change from now on.
    Configure(LogSettings),
    /// Batches, each stamped with its base offset and leader epoch, in order and without a gap between their base
    /// offset and the log's end (a gap that the batches themselves show, after compaction, is allowed).
    Append {
        /// The batches.
        batches: Vec<CheckedBatch>,
    },
    /// Everything at and behind `end` is forgotten.
    Truncate {
        /// The new end.
        end: Offset,
    },
    /// Everything before `start` is forgotten (`DeleteRecords`, or a snapshot taken).
    Trim {
        /// The new start.
        start: Offset,
    },
    /// Whole segments are forgotten by age or size, as the log's settings say; never past `limit`.
    Retain {
        /// The wall clock of the decision.
        now: Wall,
        /// The high watermark: nothing at or behind it is forgotten.
        limit: Offset,
    },
    /// The log ceases to exist.
    Delete,
    /// The hard state of the metadata quorum: kept before anything is said (Raft section 5).
    Vote {
        /// The term.
        term: LeaderEpoch,
        /// The candidate this node voted for in it.
        voted: Option<BrokerId>,
    },
    /// The broker is registered: kept before it says so, so that its next life can name the last registration under which anything
    /// was stored here (KIP-966).
    Registration {
        /// The registration's epoch.
        epoch: BrokerEpoch,
    },
    /// A step of a log from one data directory to another: only directories ask it of each other (store/moving.rs).
    Move(MoveStep),
}

/// What a directory is asked while a log moves (store/whence.rs has the picture).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MoveStep {
    /// A copy begins to exist, empty, that does not count.
    Future(LogSpec),
    /// The log may be left for this copy.
    Leave(CopyId),
    /// It is not left: that copy never counts.
    Stay,
    /// The copy counts from now on.
    Promote(Box<Promotion>),
    /// No step of a log: the directory takes part in this life.
    Mark(Mark),
}

/// What a node keeps beside the metadata log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct HardState {
    /// A term, and whom this node voted for in it.
    pub vote: Option<(LeaderEpoch, Option<BrokerId>)>,
    /// The last registration of the broker.
    pub registration: Option<BrokerEpoch>,
}

/// In which life a directory was used last (store/mark.rs).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Mark {
    /// That one. Zero if it never was beside others.
    pub life: Uuid,
    /// The one before.
    pub before: Uuid,
    /// Directories that failed before they had it, and the life that each of them knows.
    pub lost: Vec<(Uuid, Uuid)>,
}

/// What a copy takes over as it begins to count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Promotion {
    /// Copies that do not count beside it.
    pub over: Vec<CopyId>,
    /// Copies that never count.
    pub stays: Vec<CopyId>,
    /// What the log is, as the copy that it is made of knows: where it starts and ends, whose batches are where, and who numbers them.
    pub log: Log,
    /// There are too many of those for the journal: the new copy knows whom it saw as it was made.
    pub is_without_producers: bool,
}

/// One copy of a log: its number in a directory, where no number is ever given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CopyId {
    /// The directory's id.
    pub directory: Uuid,
    /// The log's number in it.
    pub number: u32,
}

/// What a new log is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogSpec {
    /// The topic's name, for whoever looks at the directory.
    pub topic: Str,
    /// How it is kept.
    pub settings: LogSettings,
}

/// How a log is kept; a part of the topic's configuration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogSettings {
    /// `segment.bytes`: a segment is closed before it would grow beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment whose first record is older than this (in record time against append time) is closed.
    pub segment_age: Duration,
    /// `index.interval.bytes`: distance between two entries of the sparse index.
    pub index_interval_bytes: u32,
    /// `retention.ms`; `None` keeps for ever.
    pub retention_age: Option<Duration>,
    /// `retention.bytes`; `None` keeps any size.
    pub retention_bytes: Option<u64>,
    /// `cleanup.policy` contains `delete`: the two above apply.
    pub delete: bool,
}

impl Default for LogSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_age: Duration::from_secs(7 * 24 * 3600),
            index_interval_bytes: 4096,
            retention_age: Some(Duration::from_secs(7 * 24 * 3600)),
            retention_bytes: None,
            delete: true,
        }
    }
}

/// A question to one log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Query {
    /// Whole batches from the one that holds `from`, none that begins at or behind `end`; at least one if there is one.
    Records {
        /// First offset wanted.
        from: Offset,
        /// First offset not wanted.
        end: Offset,
        /// Bound on the bytes, except for the first batch.
        bytes_max: u32,
    },
    /// The first batch that begins before `end` and whose maximum timestamp is at least `target`.
    AtTime {
        /// The wanted time.
        target: Wall,
        /// First offset not wanted.
        end: Offset,
    },
    /// The batch before `end` with the largest maximum timestamp, the earliest of several (KIP-734).
    MaxTime {
        /// First offset not wanted.
        end: Offset,
    },
    /// Bytes on disk.
    Size,
    /// Bytes on disk of the copy that is made in another directory, and how far it lags behind.
    Future,
    /// Bounds, epochs and producers: the truth of a log after an append to it failed.
    Log,
}
