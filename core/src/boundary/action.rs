//! What a node asks of the store: changes to logs and questions about them.

use crate::record::CheckedBatch;
use crate::types::{BrokerId, LeaderEpoch, Offset, Str, Wall};
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
    /// Bounds, epochs and producers: the truth of a log after an append to it failed.
    Log,
}
