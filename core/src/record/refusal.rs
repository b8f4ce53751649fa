//! Every reason for which a batch that a client sent is not appended, and what Kafka tells the client then.

use super::CodecFault;
use crate::types::{ErrorCode, Wall};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why a batch was refused. Nothing of it was appended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// There is no whole batch in the request.
    NoBatch,
    /// Something follows the batch: since produce version 3 exactly one is allowed.
    SecondBatch,
    /// A message format other than 2.
    Magic(i8),
    /// A length field that no batch can have.
    Length(i32),
    /// The checksum does not fit the bytes.
    Crc {
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// Larger than `max.message.bytes`.
    TooLarge {
        /// The length of the batch.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// Larger than a segment of the log may be.
    OverSegment {
        /// The length of the batch.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// Zstandard before produce version 7 (KIP-110).
    ZstdTooEarly,
    /// A compression number that no codec has.
    UnknownCompression,
    /// The records do not decompress.
    NotDecompressible,
    /// More comes out of the compressed records than [`crate::types::limit::RECORDS_BYTES_MAX`] and the ratio allow.
    Bomb,
    /// A control batch: only brokers write those.
    Control,
    /// Clients send base offset 0.
    BaseOffset(i64),
    /// No records, or a count that contradicts the offsets of the batch.
    Count {
        /// The count in the header.
        count: i32,
        /// The distance to the last record in the header.
        last_offset_delta: i32,
    },
    /// Producer fields that no producer may send.
    Producer,
    /// A record that cannot be read, or does not have the offset that its place demands.
    Record(u32),
    /// Bytes follow the last record.
    Trailing,
    /// The batch says LogAppendTime, which is the broker's to say.
    TimestampType,
    /// Records without a key on a compacted topic.
    Keyless(Vec<RecordError>),
    /// Timestamps outside what the topic allows.
    Timestamps(Vec<RecordError>),
}

/// One record that made its batch be refused (KIP-467).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RecordError {
    /// The place of the record in its batch, from 0.
    pub index: u32,
    /// What is wrong with it.
    pub reason: RecordReason,
}

/// What is wrong with one record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordReason {
    /// It has no key.
    Keyless,
    /// Its timestamp lies outside the window.
    Timestamp {
        /// What it carries.
        found: Wall,
        /// The first that is allowed.
        first: Wall,
        /// The last that is allowed.
        last: Wall,
    },
}

impl Refusal {
    /// What the protocol calls it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Crc { .. } | Self::Length(_) => ErrorCode::CorruptMessage,
            Self::TooLarge { .. } | Self::Bomb => ErrorCode::MessageTooLarge,
            Self::OverSegment { .. } => ErrorCode::RecordListTooLarge,
            Self::ZstdTooEarly | Self::UnknownCompression => ErrorCode::UnsupportedCompressionType,
            Self::TimestampType | Self::Timestamps(_) => ErrorCode::InvalidTimestamp,
            Self::NoBatch
            | Self::SecondBatch
            | Self::Magic(_)
            | Self::NotDecompressible
            | Self::Control
            | Self::BaseOffset(_)
            | Self::Count { .. }
            | Self::Producer
            | Self::Record(_)
            | Self::Trailing
            | Self::Keyless(_) => ErrorCode::InvalidRecord,
        }
    }

    /// The records to blame, as far as single ones are.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            Self::Keyless(errors) | Self::Timestamps(errors) => errors,
            Self::NoBatch
            | Self::SecondBatch
            | Self::Magic(_)
            | Self::Length(_)
            | Self::Crc { .. }
            | Self::TooLarge { .. }
            | Self::OverSegment { .. }
            | Self::ZstdTooEarly
            | Self::UnknownCompression
            | Self::NotDecompressible
            | Self::Bomb
            | Self::Control
            | Self::BaseOffset(_)
            | Self::Count { .. }
            | Self::Producer
            | Self::Record(_)
            | Self::Trailing
            | Self::TimestampType => &[],
        }
    }

    /// The sentence for the client.
    pub fn message(&self) -> String {
        alloc::format!("{self}")
    }
}

impl From<CodecFault> for Refusal {
    fn from(fault: CodecFault) -> Self {
        match fault {
            CodecFault::Corrupt => Self::NotDecompressible,
            CodecFault::OverCap => Self::Bomb,
            CodecFault::Unknown => Self::UnknownCompression,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBatch => f.write_str("there is no whole record batch here"),
            Self::SecondBatch => f.write_str("exactly one record batch is allowed for each partition"),
            Self::Magic(magic) => write!(f, "record batches have message format 2, not {magic}"),
            Self::Length(length) => write!(f, "no record batch has the length {length}"),
            Self::Crc { stored, computed } => {
                write!(f, "the batch is corrupt: it says crc {stored}, its bytes give {computed}")
            }
            Self::TooLarge { bytes, bytes_max } => {
                write!(f, "the batch has {bytes} bytes, max.message.bytes allows {bytes_max}")
            }
            Self::OverSegment { bytes, bytes_max } => {
                write!(f, "the batch has {bytes} bytes, segment.bytes allows {bytes_max}")
            }
            Self::ZstdTooEarly => f.write_str("zstd needs Produce version 7 or later"),
            Self::UnknownCompression => f.write_str("the batch names a compression that does not exist"),
            Self::NotDecompressible => f.write_str("the records of the batch cannot be decompressed"),
            Self::Bomb => f.write_str("the records of the batch are too large once decompressed; send smaller batches"),
            Self::Control => f.write_str("clients do not write control records"),
            Self::BaseOffset(base) => write!(f, "the base offset of a produced batch is 0, not {base}"),
            Self::Count { count, last_offset_delta } => {
                write!(f, "the batch counts {count} records and numbers them 0 to {last_offset_delta}")
            }
            Self::Producer => f.write_str("the producer id, epoch and sequence of the batch contradict each other"),
            Self::Record(index) => write!(f, "record {index} of the batch cannot be read"),
            Self::Trailing => f.write_str("bytes follow the last record of the batch"),
            Self::TimestampType => f.write_str("producers do not set the timestamp type to LogAppendTime"),
            Self::Keyless(_) => f.write_str("a compacted topic takes no records without a key"),
            Self::Timestamps(_) => f.write_str("timestamps of the batch are outside what the topic allows"),
        }
    }
}

impl RecordError {
    /// The sentence for the client.
    pub fn message(&self) -> String {
        match self.reason {
            RecordReason::Keyless => String::from("a compacted topic takes no record without a key"),
            RecordReason::Timestamp { found, first, last } => {
                alloc::format!("timestamp {} is not within {} to {}", found.0, first.0, last.0)
            }
        }
    }
}
