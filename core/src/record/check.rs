//! What a client sent → a batch that may be appended, in two steps. [`prove`] runs at the connection and knows only the
//! bytes: structure, CRC, every record walked once. [`admit`] runs in the partition and knows the topic; it looks at the
//! header and at the facts that the walk brought, never at the records again.

use super::{
    CRC_FROM, CheckedBatch, Compression, Functions, HEADER_BYTES, Header, HeaderFault, NO_TIMESTAMP, Record,
    RecordError, RecordReason, Refusal, TimestampType,
};
use crate::types::{Wall, limit};
use alloc::vec::Vec;
use bytes::Bytes;

/// A batch from a client that holds what its header says. It has no place in a log yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proved {
    batch: CheckedBatch,
    facts: Facts,
}

/// What the walk over the records of a batch found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Facts {
    /// The length of the batch as it was sent.
    pub sent_bytes: usize,
    /// The smallest timestamp and the index of its first record; none if no record has one.
    pub earliest: Option<(Wall, u32)>,
    /// The largest timestamp and the index of its first record; none if no record has one.
    pub latest: Option<(Wall, u32)>,
    /// The records without a key.
    pub keyless: Option<Keyless>,
}

/// Which records of a batch have no key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Keyless {
    /// The index of the first.
    pub first: u32,
    /// The index of the last.
    pub last: u32,
    /// How many there are between the two, both counted.
    pub count: u32,
}

/// What a connection knows when it proves a batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProveRules {
    /// The version of the Produce request.
    pub version: i16,
    /// Nothing larger can be admitted by any topic, so nothing larger is walked.
    pub batch_bytes_max: usize,
}

/// What a topic demands of its batches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TopicRules {
    /// `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// `segment.bytes`: a batch is never split between segments.
    pub segment_bytes: usize,
    /// `cleanup.policy` has `compact`.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`; none is `producer`: batches stay as they were sent.
    pub compression: Option<Compression>,
}

impl TopicRules {
    /// The codec that this batch must be rebuilt with before it is admitted (see [`super::recompress`]); usually none.
    pub fn wants(&self, proved: &Proved) -> Option<Compression> {
        self.compression.filter(|codec| *codec != proved.batch.compression())
    }
}

impl Proved {
    /// The batch, with the base offset 0 and the leader epoch that the client sent.
    pub fn batch(&self) -> &CheckedBatch {
        &self.batch
    }

    /// What its records say.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The same facts about a rebuilt batch.
    pub(super) fn rebuilt(&self, batch: CheckedBatch) -> Self {
        Self { batch, facts: self.facts }
    }
}

/// Proves that `bytes` are exactly one batch as clients may send it. The body of the result shares `bytes`. `scratch` is
/// where compressed records are unpacked; it is left empty and no larger than [`limit::SCRATCH_KEPT_BYTES`].
pub fn prove(bytes: Bytes, rules: &ProveRules, f: &Functions, scratch: &mut Vec<u8>) -> Result<Proved, Refusal> {
    prove_within(bytes, usize::MAX, rules, f, scratch)
}

/// The same where compressed records may become no more than so many bytes: beyond that the batch is taken for a bomb.
pub fn prove_within(
    bytes: Bytes,
    unpacked_bytes_max: usize,
    rules: &ProveRules,
    f: &Functions,
    scratch: &mut Vec<u8>,
) -> Result<Proved, Refusal> {
    let header = Header::read(&bytes).map_err(|fault| match fault {
        HeaderFault::Short => Refusal::NoBatch,
        HeaderFault::Magic(magic) => Refusal::Magic(magic),
        HeaderFault::Length(length) => Refusal::Length(length),
    })?;
    if header.batch_bytes() > bytes.len() {
        return Err(Refusal::NoBatch);
    }
    if header.batch_bytes() < bytes.len() {
        return Err(Refusal::SecondBatch);
    }
    if bytes.len() > rules.batch_bytes_max {
        return Err(Refusal::TooLarge { bytes: bytes.len(), bytes_max: rules.batch_bytes_max });
    }
    let computed = (f.crc32c)(0, &bytes[CRC_FROM..]);
    if computed != header.crc {
        return Err(Refusal::Crc { stored: header.crc, computed });
    }
    let codec = prove_header(&header, rules)?;
    let body = bytes.slice(HEADER_BYTES..);
    let walked = match codec {
        Compression::None => walk(&header, &body),
        Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
            let cap = records_bytes_max(body.len()).min(unpacked_bytes_max);
            let walked = unpack(codec, &body, cap, f, scratch).and_then(|()| walk(&header, scratch));
            scratch.clear();
            scratch.shrink_to(limit::SCRATCH_KEPT_BYTES);
            walked
        }
    };
    let facts = Facts { sent_bytes: bytes.len(), ..walked? };
    Ok(Proved { batch: CheckedBatch { header, body }, facts })
}

fn prove_header(header: &Header, rules: &ProveRules) -> Result<Compression, Refusal> {
    let Header { attributes, count, last_offset_delta, .. } = *header;
    let codec = attributes.compression().ok_or(Refusal::UnknownCompression)?;
    if codec == Compression::Zstd && rules.version < 7 {
        return Err(Refusal::ZstdTooEarly);
    }
    if attributes.is_control() {
        return Err(Refusal::Control);
    }
    if header.base_offset.0 != 0 {
        return Err(Refusal::BaseOffset(header.base_offset.0));
    }
    if count <= 0 || last_offset_delta != count - 1 {
        return Err(Refusal::Count { count, last_offset_delta });
    }
    let is_numbered = header.base_sequence >= 0 && header.producer_epoch.0 >= 0;
    if header.has_producer() && !is_numbered || attributes.is_transactional() && !header.has_producer() {
        return Err(Refusal::Producer);
    }
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(Refusal::TimestampType);
    }
    Ok(codec)
}

fn unpack(codec: Compression, body: &[u8], cap: usize, f: &Functions, scratch: &mut Vec<u8>) -> Result<(), Refusal> {
    scratch.clear();
    (f.decompress)(codec, body, cap, scratch)?;
    Ok(())
}

/// How many bytes this many compressed ones may become.
pub(super) fn records_bytes_max(compressed: usize) -> usize {
    compressed.saturating_mul(limit::RECORDS_RATIO_MAX).clamp(limit::RECORDS_BYTES_FREE, limit::RECORDS_BYTES_MAX)
}

fn walk(header: &Header, records: &[u8]) -> Result<Facts, Refusal> {
    let mut rest = records;
    let mut facts = Facts { sent_bytes: 0, earliest: None, latest: None, keyless: None };
    for index in 0..header.count as u32 {
        let record = Record::take(&mut rest).map_err(|_| Refusal::Record(index))?;
        if record.offset_delta as u32 != index {
            return Err(Refusal::Record(index));
        }
        let timestamp = header.base_timestamp.0.checked_add(record.timestamp_delta);
        let timestamp = Wall(timestamp.ok_or(Refusal::Record(index))?);
        if timestamp != NO_TIMESTAMP {
            if facts.earliest.is_none_or(|(earliest, _)| timestamp < earliest) {
                facts.earliest = Some((timestamp, index));
            }
            if facts.latest.is_none_or(|(latest, _)| timestamp > latest) {
                facts.latest = Some((timestamp, index));
            }
        }
        if record.key.is_none() {
            let keyless = facts.keyless.get_or_insert(Keyless { first: index, last: index, count: 0 });
            keyless.last = index;
            keyless.count += 1;
        }
    }
    if !rest.is_empty() {
        return Err(Refusal::Trailing);
    }
    Ok(facts)
}

/// Decides whether a topic takes the batch, and gives it the timestamps that the topic demands: the leader's clock under
/// LogAppendTime, else the largest timestamp of its records if the header contradicts them. Both make a new CRC.
pub fn admit(proved: &Proved, rules: &TopicRules, now: Wall, f: &Functions) -> Result<CheckedBatch, Refusal> {
    let Proved { batch, facts } = proved;
    // Kafka measures what was sent and, after a rebuild, what will be stored.
    let bytes = facts.sent_bytes.max(batch.bytes_len());
    if bytes > rules.batch_bytes_max {
        return Err(Refusal::TooLarge { bytes, bytes_max: rules.batch_bytes_max });
    }
    if batch.bytes_len() > rules.segment_bytes {
        return Err(Refusal::OverSegment { bytes: batch.bytes_len(), bytes_max: rules.segment_bytes });
    }
    if rules.compacted
        && let Some(keyless) = facts.keyless
    {
        return Err(Refusal::Keyless(keyless_errors(keyless)));
    }
    match rules.timestamp_type {
        TimestampType::LogAppendTime => Ok(batch.with_log_append_time(now, f)),
        TimestampType::CreateTime => {
            let errors = timestamp_errors(facts, rules, now);
            if !errors.is_empty() {
                return Err(Refusal::Timestamps(errors));
            }
            // Negative timestamps do not count, as in Kafka: the maximum starts from "none".
            let max = facts.latest.map_or(NO_TIMESTAMP, |(latest, _)| latest.max(NO_TIMESTAMP));
            Ok(batch.with_max_timestamp(TimestampType::CreateTime, max, f))
        }
    }
}

fn keyless_errors(keyless: Keyless) -> Vec<RecordError> {
    // The walk kept no list. If the keyless records are one run (one record, or all of them) it can be told apart.
    let is_run = keyless.last - keyless.first + 1 == keyless.count;
    let end = if is_run { keyless.last + 1 } else { keyless.first + 1 };
    (keyless.first..end)
        .take(limit::RECORD_ERRORS_MAX)
        .map(|index| RecordError { index, reason: RecordReason::Keyless })
        .collect()
}

fn timestamp_errors(facts: &Facts, rules: &TopicRules, now: Wall) -> Vec<RecordError> {
    let first = Wall(now.0.saturating_sub(rules.timestamp_before_max_ms));
    let last = Wall(now.0.saturating_add(rules.timestamp_after_max_ms));
    let early = facts.earliest.filter(|(earliest, _)| *earliest < first);
    let late = facts.latest.filter(|(latest, _)| *latest > last);
    [early, late]
        .into_iter()
        .flatten()
        .map(|(found, index)| RecordError { index, reason: RecordReason::Timestamp { found, first, last } })
        .collect()
}

#[cfg(test)]
#[path = "check_test.rs"]
mod check_test;
