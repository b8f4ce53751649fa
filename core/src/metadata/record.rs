//! Records of the metadata log, in Kafka's own format: `kafka-dump-log --cluster-metadata-decoder` reads ours.

use crate::record::{CheckedBatch, Functions, Placed, WalkFault};
use crate::types::Str;
use crate::wire;
use alloc::format;
use alloc::vec::Vec;
use bytes::Bytes;

pub use crate::msg::MetadataRecord;

/// The most bytes that decoding one record may allocate: many times the largest that is ever written.
const BUDGET_BYTES: usize = 64 << 20;

/// The value of a record as it stands in the log.
pub fn encode(record: &MetadataRecord) -> Bytes {
    wire::encode_metadata_record(record, version(record)).expect("what we decide fits the version that we write")
}

/// Reads the value of a record. The error says why this version cannot read it: rot, or a record of a newer version.
pub fn decode(value: Bytes) -> Result<MetadataRecord, Str> {
    wire::decode_metadata_record(value, BUDGET_BYTES).map_err(|fault| Str::from(format!("{fault:?}")))
}

/// The records of a batch of the metadata log; none of a control batch, which concerns the quorum.
pub fn read_batch(batch: &CheckedBatch, f: &Functions) -> Result<Vec<MetadataRecord>, Str> {
    if batch.header().attributes.is_control() {
        return Ok(Vec::new());
    }
    let mut scratch = Vec::new();
    let walk = batch.walk(f, &mut scratch).map_err(|fault| Str::from(format!("{fault:?}")))?;
    let record = |placed: Result<Placed<'_>, WalkFault>| {
        let placed = placed.map_err(|fault| Str::from(format!("{fault:?}")))?;
        let value = placed.record.value.ok_or(Str::from_static("a record without a value"))?;
        decode(Bytes::copy_from_slice(value))
    };
    walk.map(record).collect()
}

/// The version that is written under `metadata.version` 30. What says nothing of eligible leader replicas is written as it was
/// before there were any.
fn version(record: &MetadataRecord) -> i16 {
    match record {
        MetadataRecord::RegisterBroker(_) => 4,
        MetadataRecord::BrokerRegistrationChange(_) => 3,
        MetadataRecord::Partition(record) if record.eligible_leader_replicas.is_some() => 2,
        MetadataRecord::PartitionChange(record)
            if record.eligible_leader_replicas.is_some() || record.last_known_elr.is_some() =>
        {
            2
        }
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => 1,
        MetadataRecord::FeatureLevel(_)
        | MetadataRecord::UnregisterBroker(_)
        | MetadataRecord::Topic(_)
        | MetadataRecord::Config(_)
        | MetadataRecord::FenceBroker(_)
        | MetadataRecord::UnfenceBroker(_)
        | MetadataRecord::RemoveTopic(_)
        | MetadataRecord::ProducerIds(_)
        | MetadataRecord::NoOp(_)
        | MetadataRecord::BeginTransaction(_)
        | MetadataRecord::EndTransaction(_)
        | MetadataRecord::AbortTransaction(_)
        | MetadataRecord::RegisterController(_)
        | MetadataRecord::UnregisterController(_)
        | MetadataRecord::ClearElr(_) => 0,
    }
}
