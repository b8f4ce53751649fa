//! Record batches: reading, proving, building and walking them. Record bytes are copied once on their way through the
//! core (into the journal); everything else shares the buffer they arrived in.

mod build;
mod check;
mod control;
mod crc;
mod functions;
mod header;
mod one;
mod refusal;
mod rope;
mod stored;
mod varint;
mod walk;

pub use build::{Builder, NewRecord, recompress};
pub use check::{Facts, Keyless, ProveRules, Proved, TopicRules, admit, prove, prove_within};
pub use control::{ControlKind, EndTxn, KRAFT_VERSION, quorum_control};
pub use crc::crc32c;
pub use functions::{CodecFault, Compress, Decompress, Functions};
pub use header::{
    Attributes, CRC_FROM, Compression, HEADER_BYTES, Header, HeaderFault, LENGTH_FROM, MAGIC, NO_SEQUENCE,
    NO_TIMESTAMP, TimestampType, sequence_after,
};
pub use one::{Record, RecordFault};
pub use refusal::{RecordError, RecordReason, Refusal};
pub use rope::Records;
pub use stored::{StoredBatches, StoredFault, StoredFaultKind, check_stored};
pub use walk::{Placed, Walk, WalkFault, find_by_time, find_max_time};

use crate::types::{LeaderEpoch, Offset, Wall};
use alloc::vec::Vec;
use bytes::Bytes;

/// One batch whose CRC was verified. Holding one proves that: only this room makes them. Cloning shares the body.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CheckedBatch {
    header: Header,
    body: Bytes,
}

impl CheckedBatch {
    /// The first 61 bytes, as values.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Everything behind the header: the records, compressed if the header says so.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The length of the whole batch.
    pub fn bytes_len(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// The offset of the first record.
    pub fn base_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.header.last_offset()
    }

    /// The first offset behind the batch.
    pub fn end_offset(&self) -> Offset {
        self.header.end_offset()
    }

    /// The codec of the records.
    pub fn compression(&self) -> Compression {
        self.header.attributes.compression().expect("a checked batch names its codec")
    }

    /// The same batch at this place of a log. Cheap: both fields lie outside the CRC, and the body is shared.
    #[must_use]
    pub fn stamped(&self, base: Offset, epoch: LeaderEpoch) -> Self {
        let header = Header { base_offset: base, leader_epoch: epoch, ..self.header };
        Self { header, body: self.body.clone() }
    }

    /// The same batch with the leader's time instead of the producer's (`message.timestamp.type=LogAppendTime`). Makes
    /// a new CRC: the only way in which records that nobody rebuilt differ from what was sent.
    #[must_use]
    pub fn with_log_append_time(&self, now: Wall, f: &Functions) -> Self {
        self.with_max_timestamp(TimestampType::LogAppendTime, now, f)
    }

    /// The same batch with this maximum timestamp; a new CRC only if that changes anything.
    #[must_use]
    pub fn with_max_timestamp(&self, kind: TimestampType, max: Wall, f: &Functions) -> Self {
        let attributes = self.header.attributes.with_timestamp_type(kind);
        if attributes == self.header.attributes && max == self.header.max_timestamp {
            return self.clone();
        }
        Self::sealed(Header { attributes, max_timestamp: max, ..self.header }, self.body.clone(), f)
    }

    /// Appends the bytes of the whole batch: the one copy.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes_len());
        out.extend_from_slice(&self.header.to_bytes());
        out.extend_from_slice(&self.body);
    }

    /// The whole batch in a buffer of its own.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes);
        Bytes::from(bytes)
    }

    /// The records uncompressed: in place if they are so already, else unpacked into `scratch`, within the same caps as a
    /// client's batch.
    pub fn unpacked<'a>(&'a self, f: &Functions, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], CodecFault> {
        match self.compression() {
            Compression::None => Ok(&self.body),
            codec @ (Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd) => {
                scratch.clear();
                (f.decompress)(codec, &self.body, check::records_bytes_max(self.body.len()), scratch)?;
                Ok(scratch)
            }
        }
    }

    /// Gives a header that we wrote ourselves its length and its CRC.
    fn sealed(header: Header, body: Bytes, f: &Functions) -> Self {
        let length = i32::try_from(HEADER_BYTES - LENGTH_FROM + body.len()).expect("a batch stays below 2 GiB");
        let mut header = Header { length, ..header };
        let head = (f.crc32c)(0, &header.to_bytes()[CRC_FROM..]);
        header.crc = (f.crc32c)(head, &body);
        Self { header, body }
    }
}

impl core::fmt::Debug for CheckedBatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Header { base_offset, leader_epoch, count, crc, .. } = self.header;
        write!(f, "Batch({}+{count} epoch {} crc {crc:08x})", base_offset.0, leader_epoch.0)
    }
}
