//! Any bytes as a batch that a client sends. Length and CRC are put right first: a fuzzer does not guess checksums.

use bytes::Bytes;
use ottla_core::record::{
    CRC_FROM, Functions, HEADER_BYTES, LENGTH_FROM, MAGIC, ProveRules, TimestampType, TopicRules, admit, check_stored,
    prove,
};
use ottla_core::types::{LeaderEpoch, Offset, Wall};

/// Makes the bytes one batch as far as length, magic, base offset and CRC go; nothing if they are too few.
pub fn sealed(data: &[u8], f: &Functions) -> Option<Bytes> {
    let mut bytes = data.to_vec();
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    let length = i32::try_from(bytes.len() - LENGTH_FROM).ok()?;
    bytes[..8].fill(0);
    bytes[8..LENGTH_FROM].copy_from_slice(&length.to_be_bytes());
    bytes[16] = MAGIC as u8;
    let crc = (f.crc32c)(0, &bytes[CRC_FROM..]);
    bytes[17..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    Some(Bytes::from(bytes))
}

/// What is let in can be admitted, stored, found again unchanged and read by everybody. True if it was let in.
pub fn holds(bytes: Bytes, f: &Functions) -> bool {
    let rules = ProveRules { version: 12, batch_bytes_max: usize::MAX };
    let Ok(proved) = prove(bytes, &rules, f, &mut Vec::new()) else { return false };
    let topic = TopicRules {
        batch_bytes_max: usize::MAX,
        segment_bytes: usize::MAX,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        compression: None,
    };
    let admitted = admit(&proved, &topic, Wall(0), f).expect("the topic demands nothing");
    let stamped = admitted.stamped(Offset(1 << 40), LeaderEpoch(7));
    let stored: Vec<_> = check_stored(stamped.to_bytes(), f).collect();
    assert_eq!(stored, [Ok(stamped.clone())]);
    let mut scratch = Vec::new();
    let records = stamped.walk(f, &mut scratch).expect("it was unpacked before");
    let records: Vec<_> = records.map(|placed| placed.expect("it was walked before").offset).collect();
    assert_eq!(records.len(), stamped.header().count as usize);
    true
}
