//! Records → batch: for coordinators, the controller, markers, rebuilt batches, and for the clients of tests and
//! simulator. Writes what Kafka's own producer would write.

use super::{
    Attributes, CheckedBatch, CodecFault, Compression, Functions, HEADER_BYTES, Header, NO_SEQUENCE, NO_TIMESTAMP,
    Proved, Refusal, TimestampType, varint,
};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall};
use alloc::vec::Vec;
use bytes::Bytes;

/// One record to be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NewRecord<'a> {
    /// When it happened.
    pub timestamp: Wall,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in their order.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

/// A batch in the making.
#[derive(Clone, Debug)]
pub struct Builder {
    header: Header,
    codec: Compression,
    records: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A batch as a client sends it: at offset 0, in no epoch, not numbered, not compressed.
    pub fn new() -> Self {
        let header = Header {
            base_offset: Offset::ZERO,
            length: (HEADER_BYTES - super::LENGTH_FROM) as i32,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: NO_SEQUENCE,
            count: 0,
        };
        Self { header, codec: Compression::None, records: Vec::new() }
    }

    /// Compresses the records with this codec.
    #[must_use]
    pub fn compressed(mut self, codec: Compression) -> Self {
        self.codec = codec;
        self
    }

    /// Numbers the batch.
    #[must_use]
    pub fn numbered(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.transactional();
        self
    }

    /// Makes the records markers of the brokers (KIP-98, KIP-595).
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes = self.header.attributes.control();
        self
    }

    /// Gives the batch its place in a log.
    #[must_use]
    pub fn at(mut self, base: Offset, epoch: LeaderEpoch) -> Self {
        self.header.base_offset = base;
        self.header.leader_epoch = epoch;
        self
    }

    /// Appends one record.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        if self.header.count == 0 {
            self.header.base_timestamp = record.timestamp;
        }
        let timestamp_delta = record.timestamp.0.wrapping_sub(self.header.base_timestamp.0);
        self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp);
        self.header.last_offset_delta += 1;
        self.header.count += 1;
        let offset_delta = i64::from(self.header.last_offset_delta);
        let length = 1
            + varint::len_i64(timestamp_delta)
            + varint::len_i64(offset_delta)
            + nullable_len(record.key)
            + nullable_len(record.value)
            + varint::len_i64(record.headers.len() as i64)
            + record.headers.iter().map(|(key, value)| nullable_len(Some(key)) + nullable_len(*value)).sum::<usize>();
        let out = &mut self.records;
        varint::put_i64(length as i64, out);
        out.push(0);
        varint::put_i64(timestamp_delta, out);
        varint::put_i64(offset_delta, out);
        put_nullable(record.key, out);
        put_nullable(record.value, out);
        varint::put_i64(record.headers.len() as i64, out);
        for (key, value) in record.headers {
            put_nullable(Some(key), out);
            put_nullable(*value, out);
        }
    }

    /// The same with this record appended.
    #[must_use]
    pub fn with(mut self, record: &NewRecord<'_>) -> Self {
        self.push(record);
        self
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.header.count as usize
    }

    /// The length of the batch if it stays uncompressed.
    pub fn bytes_len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// Closes a batch of at least one record. The fault is [`CodecFault::Unknown`], if `f` lacks the codec.
    pub fn build(self, f: &Functions) -> Result<CheckedBatch, CodecFault> {
        assert!(self.header.count > 0, "a batch has a record");
        let header = Header { attributes: self.header.attributes.with_compression(self.codec), ..self.header };
        let body = match self.codec {
            Compression::None => self.records,
            Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
                let mut body = Vec::new();
                (f.compress)(self.codec, &self.records, &mut body)?;
                body
            }
        };
        Ok(CheckedBatch::sealed(header, Bytes::from(body), f))
    }

    /// Closes a batch of at least one record that is not to be compressed.
    pub fn build_plain(self, f: &Functions) -> CheckedBatch {
        self.compressed(Compression::None).build(f).expect("no codec is asked for")
    }
}

fn nullable_len(part: Option<&[u8]>) -> usize {
    part.map_or(1, |part| varint::len_i64(part.len() as i64) + part.len())
}

fn put_nullable(part: Option<&[u8]>, out: &mut Vec<u8>) {
    match part {
        None => varint::put_i64(-1, out),
        Some(part) => {
            varint::put_i64(part.len() as i64, out);
            out.extend_from_slice(part);
        }
    }
}

/// Rebuilds a proved batch with another codec, as `compression.type` demands. Work for a job: it unpacks and packs the
/// whole batch. What the batch says stays the same, and so do the facts about it; the CRC is new.
pub fn recompress(proved: &Proved, codec: Compression, f: &Functions) -> Result<Proved, Refusal> {
    let batch = proved.batch();
    let mut records = Vec::new();
    let plain = batch.unpacked(f, &mut records)?;
    let mut body = Vec::new();
    match codec {
        Compression::None => body.extend_from_slice(plain),
        Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
            (f.compress)(codec, plain, &mut body)?;
        }
    }
    let attributes = batch.header().attributes.with_compression(codec).with_timestamp_type(TimestampType::CreateTime);
    let header = Header { attributes, ..*batch.header() };
    Ok(proved.rebuilt(CheckedBatch::sealed(header, Bytes::from(body), f)))
}

#[cfg(test)]
#[path = "build_test.rs"]
mod build_test;
