//! What a partition says to whoever asked one part of a request.

use crate::record::Refusal;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Str, Ticket, Wall};
use alloc::vec::Vec;

/// One part of a pending request: which request, and where in its answer this part belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartKey {
    /// The request; coordinators ask under [`crate::types::ConnId::INTERNAL`].
    pub ticket: Ticket,
    /// Index of the topic in the answer.
    pub topic: u32,
    /// Index of the partition within that topic.
    pub partition: u32,
}

/// The answer to one part.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// To a produce.
    Produced(Result<Appended, Refused>),
    /// To a fetch: what may be read.
    Readable(Readable),
    /// To a lookup of an offset: record time, offset and leader epoch, each `NONE` where there is none.
    Offset(Result<(Wall, Offset, LeaderEpoch), ErrorCode>),
    /// To `OffsetForLeaderEpoch`.
    EpochEnd(Result<(LeaderEpoch, Offset), ErrorCode>),
    /// To `DeleteRecords`: the first offset still there.
    Trimmed(Result<Offset, ErrorCode>),
    /// To `DescribeProducers`.
    Producers(Result<Vec<ActiveProducer>, ErrorCode>),
    /// To `DescribeLogDirs`: bytes on disk, and how many offsets are missing there.
    Size(Result<(u64, u64), ErrorCode>),
}

/// Where a batch went.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Appended {
    /// Its first offset.
    pub base: Offset,
    /// The time the broker stamped it with, where the topic wants that.
    pub append_time: Option<Wall>,
    /// The first offset of the log at that moment.
    pub log_start: Offset,
}

impl Appended {
    /// What can be said to a producer that does not want to know (`acks=0`).
    pub const UNKNOWN: Self = Self { base: Offset::NONE, append_time: None, log_start: Offset::NONE };
}

/// Why a batch was refused, as the producer is told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Refused {
    /// The code.
    pub error: ErrorCode,
    /// What is wrong, for people.
    pub message: Option<Str>,
    /// Which records are wrong and why (KIP-467).
    pub records: Vec<(i32, Str)>,
}

impl Refused {
    /// A refusal that its code explains.
    pub fn plain(error: ErrorCode) -> Self {
        Self { error, message: None, records: Vec::new() }
    }
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let records = refusal.record_errors().iter().map(|one| (one.index as i32, Str::from(one.message()))).collect();
        Self { error: refusal.code(), message: Some(Str::from(refusal.message())), records }
    }
}

/// What may be read of a partition from some offset on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Readable {
    /// An error, or none.
    pub error: ErrorCode,
    /// The high watermark.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable: Offset,
    /// No batch that begins at or behind this offset is for this reader: the high watermark, or for a follower the end of
    /// what the leader has flushed. For readers of committed transactions the last stable offset stands in its place.
    pub end: Offset,
    /// The first offset of the log.
    pub log_start: Offset,
    /// Bytes from the offset asked for up to the bound of the reader; more than anybody asks for where it is not known.
    pub bytes: u64,
    /// Where the reader's history leaves ours (KIP-595): the largest epoch both may know, and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The reader is to read at this follower instead (KIP-392).
    pub elsewhere: Option<BrokerId>,
    /// The reader is a follower that is out of sync, and gets no more than the throttle of leaders allows (KIP-73).
    pub is_throttled: bool,
}

impl Readable {
    /// Nothing may be read.
    pub const fn error(error: ErrorCode) -> Self {
        Self {
            error,
            high_watermark: Offset::NONE,
            last_stable: Offset::NONE,
            end: Offset::NONE,
            log_start: Offset::NONE,
            bytes: 0,
            diverging: None,
            elsewhere: None,
            is_throttled: false,
        }
    }

    /// Is there a reason to answer before any byte has come?
    pub fn is_urgent(&self) -> bool {
        self.error.is_error() || self.diverging.is_some() || self.elsewhere.is_some()
    }
}

/// A producer whose state the partition remembers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ActiveProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The last sequence number it wrote.
    pub last_sequence: i32,
    /// When it wrote last.
    pub last_timestamp: Wall,
}
