//! The framing of records that Kafka keeps in logs of its own.
//!
//! | log | bytes |
//! |---|---|
//! | `__cluster_metadata` | value: uvarint frame version (1), uvarint kind, uvarint version, fields |
//! | `__consumer_offsets` | key: i16 kind, fields; value: i16 version, fields |
//! | control batches and others | fields; the version is known from elsewhere |

use super::generated::{read_metadata, write_metadata};
use super::{Message, Reader, WireError, Writer, message, put_message};
use crate::msg::MetadataRecord;
use crate::msg::record::group::{GroupMetadataKey, OffsetCommitKey};
use bytes::Bytes;

/// The only framing of metadata records so far.
const METADATA_FRAME: u32 = 1;
/// The kinds of key in `__consumer_offsets`; kinds above belong to the group types of KIP-848 and later.
const KIND_OFFSET_COMMIT: i16 = 1;
const KIND_GROUP_METADATA: i16 = 2;

/// The key of a record in `__consumer_offsets`.
#[derive(Clone, PartialEq, Debug)]
pub enum GroupKey {
    /// The value is an `OffsetCommitValue`.
    OffsetCommit(OffsetCommitKey),
    /// The value is a `GroupMetadataValue`.
    GroupMetadata(GroupMetadataKey),
}

/// Reads the value of a record of the metadata log.
pub fn decode_metadata_record(value: Bytes, budget: usize) -> Result<MetadataRecord, WireError> {
    let mut r = Reader::new(&value, budget);
    let frame = r.uvarint()?;
    let (key, version) = (r.uvarint()?, r.uvarint()?);
    if frame != METADATA_FRAME {
        return Err(WireError::UnknownRecord(key));
    }
    let version = i16::try_from(version).map_err(|_| WireError::UnknownVersion { version: i16::MAX })?;
    let record = read_metadata(key, &mut r, version)?;
    r.finish()?;
    Ok(record)
}

/// The value of a record of the metadata log, in this version of the record.
pub fn encode_metadata_record(record: &MetadataRecord, version: i16) -> Result<Bytes, WireError> {
    let mut w = Writer::new();
    w.uvarint(METADATA_FRAME);
    w.uvarint(record.key());
    w.uvarint(u32::try_from(version).map_err(|_| WireError::UnknownVersion { version })?);
    write_metadata(record, &mut w, version)?;
    Ok(w.into_bytes())
}

/// Reads the key of a record of `__consumer_offsets`.
pub fn decode_group_key(key: Bytes, budget: usize) -> Result<GroupKey, WireError> {
    let mut r = Reader::new(&key, budget);
    let key = match r.i16()? {
        // Kind 0 is the offset commit of brokers before 0.8.3; the fields are the same.
        0 | KIND_OFFSET_COMMIT => GroupKey::OffsetCommit(message(&mut r, 0)?),
        KIND_GROUP_METADATA => GroupKey::GroupMetadata(message(&mut r, 0)?),
        other => return Err(WireError::UnknownRecord(u32::from(other.cast_unsigned()))),
    };
    r.finish()?;
    Ok(key)
}

/// The key of a record of `__consumer_offsets`.
pub fn encode_group_key(key: &GroupKey) -> Result<Bytes, WireError> {
    let mut w = Writer::new();
    match key {
        GroupKey::OffsetCommit(key) => {
            w.i16(KIND_OFFSET_COMMIT);
            put_message(key, &mut w, 0)?;
        }
        GroupKey::GroupMetadata(key) => {
            w.i16(KIND_GROUP_METADATA);
            put_message(key, &mut w, 0)?;
        }
    }
    Ok(w.into_bytes())
}

/// Reads a message behind its version as i16: the value of a group record, or what a consumer tells its group.
pub fn decode_versioned<M: Message>(bytes: Bytes, budget: usize) -> Result<(i16, M), WireError> {
    let mut r = Reader::new(&bytes, budget);
    let version = r.i16()?;
    let body = message(&mut r, version)?;
    r.finish()?;
    Ok((version, body))
}

/// A message behind its version as i16.
pub fn encode_versioned<M: Message>(body: &M, version: i16) -> Result<Bytes, WireError> {
    let mut w = Writer::new();
    w.i16(version);
    put_message(body, &mut w, version)?;
    Ok(w.into_bytes())
}

/// Reads a message whose version is known from elsewhere.
pub fn decode_message<M: Message>(bytes: Bytes, version: i16, budget: usize) -> Result<M, WireError> {
    let mut r = Reader::new(&bytes, budget);
    let body = message(&mut r, version)?;
    r.finish()?;
    Ok(body)
}

/// A message without any frame.
pub fn encode_message<M: Message>(body: &M, version: i16) -> Result<Bytes, WireError> {
    let mut w = Writer::new();
    put_message(body, &mut w, version)?;
    Ok(w.into_bytes())
}

#[cfg(test)]
#[path = "record_test.rs"]
mod record_test;
