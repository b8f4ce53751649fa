//! The 61 bytes before the records of a batch (message format v2, KIP-98).
//!
//! | at | field | | at | field |
//! |---|---|---|---|---|
//! | 0 | base offset | | 27 | base timestamp |
//! | 8 | length of what follows this field | | 35 | maximum timestamp |
//! | 12 | leader epoch | | 43 | producer id |
//! | 16 | magic (2) | | 51 | producer epoch |
//! | 17 | CRC-32C of all that follows it | | 53 | base sequence |
//! | 21 | attributes | | 57 | record count |
//! | 23 | last offset delta | | 61 | the records |
//!
//! Base offset and leader epoch lie before the CRC, so that a broker can stamp a batch without touching what the
//! producer signed.

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall};

/// The length of a batch header.
pub const HEADER_BYTES: usize = 61;
/// What the length field does not count: the base offset and itself.
pub const LENGTH_FROM: usize = 12;
/// Where the CRC starts to look.
pub const CRC_FROM: usize = 21;
/// The only message format that is stored or accepted.
pub const MAGIC: i8 = 2;
/// "This record has no timestamp", as producers write it.
pub const NO_TIMESTAMP: Wall = Wall(-1);
/// "This batch is not numbered", as producers write it.
pub const NO_SEQUENCE: i32 = -1;

/// The header of one batch. A value that was read has a length of at least [`HEADER_BYTES`] and magic 2; nothing else
/// about it is proved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// The offset of the first record (of the first that there was, once the log is compacted).
    pub base_offset: Offset,
    /// Bytes of the batch behind the length field.
    pub length: i32,
    /// The reign in which the batch was appended; −1 as long as nobody has stamped it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C over everything behind it.
    pub crc: u32,
    /// Compression, timestamp type and what kind of batch this is.
    pub attributes: Attributes,
    /// The distance from the first record to the last, in offsets and in sequence numbers.
    pub last_offset_delta: i32,
    /// What record timestamps are counted from; the delete horizon instead if the attributes say so.
    pub base_timestamp: Wall,
    /// The largest timestamp of the batch.
    pub max_timestamp: Wall,
    /// Who numbered the batch; [`ProducerId::NONE`] for nobody.
    pub producer_id: ProducerId,
    /// The incarnation of that producer.
    pub producer_epoch: ProducerEpoch,
    /// The number of the first record; [`NO_SEQUENCE`] if the batch is not numbered.
    pub base_sequence: i32,
    /// How many records follow.
    pub count: i32,
}

/// Why bytes are no batch header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeaderFault {
    /// Fewer than 61 bytes.
    Short,
    /// Another message format.
    Magic(i8),
    /// A length that a header alone would exceed.
    Length(i32),
}

impl Header {
    /// Reads the first 61 bytes of a batch.
    pub fn read(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderFault::Short);
        };
        let magic = i8::from_be_bytes(field(bytes, 16));
        if magic != MAGIC {
            return Err(HeaderFault::Magic(magic));
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        if length < (HEADER_BYTES - LENGTH_FROM) as i32 {
            return Err(HeaderFault::Length(length));
        }
        Ok(Self {
            base_offset: Offset(i64::from_be_bytes(field(bytes, 0))),
            length,
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(bytes, 12))),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, 21))),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: Wall(i64::from_be_bytes(field(bytes, 27))),
            max_timestamp: Wall(i64::from_be_bytes(field(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(field(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(bytes, 51))),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            count: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    /// Writes all 61 bytes.
    pub fn write(&self, out: &mut [u8; HEADER_BYTES]) {
        out[0..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.length.to_be_bytes());
        out[12..16].copy_from_slice(&self.leader_epoch.0.to_be_bytes());
        out[16..17].copy_from_slice(&MAGIC.to_be_bytes());
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.0.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.0.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.0.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.count.to_be_bytes());
    }

    /// The header as bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        self.write(&mut bytes);
        bytes
    }

    /// The whole length of the batch, header included. Only for headers that were read or built (a length that is
    /// negative is refused by [`Header::read`]).
    pub fn batch_bytes(&self) -> usize {
        usize::try_from(self.length).expect("a header that was read has a length") + LENGTH_FROM
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The first offset behind the batch.
    pub fn end_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The number of the last record; [`NO_SEQUENCE`] if the batch is not numbered.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// Did an idempotent or transactional producer (or a transaction marker's coordinator) sign this batch?
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// The timestamp that all records share although they do not carry it, or `None` if each has its own.
    pub fn log_append_time(&self) -> Option<Wall> {
        match self.attributes.timestamp_type() {
            TimestampType::LogAppendTime => Some(self.max_timestamp),
            TimestampType::CreateTime => None,
        }
    }

    /// When tombstones and aborted markers of this batch may go (KIP-534); `None` if compaction has not said yet.
    pub fn delete_horizon(&self) -> Option<Wall> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

/// The sequence number `records` after `from`: after 2^31−1 comes 0 (KIP-98).
pub fn sequence_after(from: i32, records: i32) -> i32 {
    (i64::from(from) + i64::from(records)).rem_euclid(1 << 31) as i32
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    core::array::from_fn(|index| bytes[at + index])
}

/// The sixteen attribute bits of a batch. Bits 7 to 15 mean nothing and are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records; `None` for the three numbers that no codec has.
    pub fn compression(self) -> Option<Compression> {
        Compression::from_id((self.0 & Self::COMPRESSION) as i8)
    }

    /// Whose clock the timestamps are from.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Does the batch belong to a transaction?
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Are the records markers of the brokers instead of somebody's data?
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Does the base timestamp field hold the delete horizon (KIP-534)?
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same with this codec.
    #[must_use]
    pub fn with_compression(self, codec: Compression) -> Self {
        Self(self.0 & !Self::COMPRESSION | i16::from(codec.id()))
    }

    /// The same with this timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, kind: TimestampType) -> Self {
        match kind {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// The same, part of a transaction.
    #[must_use]
    pub fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// The same, with control records inside.
    #[must_use]
    pub fn control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy in the framing of xerial's Java library.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878 (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The number in the attributes.
    pub fn id(self) -> i8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Whose clock the timestamps of a batch are from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum TimestampType {
    /// Each record carries the time its producer gave it.
    #[default]
    CreateTime,
    /// All records have the time at which the leader appended them.
    LogAppendTime,
}

#[cfg(test)]
#[path = "header_test.rs"]
mod header_test;
