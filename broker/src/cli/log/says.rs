//! What the records of internal topics say.

use bytes::Bytes;
use ottla_core::msg::record::group::{GroupMetadataValue, OffsetCommitValue};
use ottla_core::wire::{self, GroupKey, WireError};
use std::path::Path;

/// A record in words, if the folder of its segment is one of an internal topic and the record can be read.
pub fn record(file: &Path, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<String> {
    let folder = std::path::absolute(file).ok()?.parent()?.file_name()?.to_str()?.to_owned();
    let (topic, _) = folder.rsplit_once('-')?;
    match topic {
        "__consumer_offsets" => group(key?, value).ok(),
        "__cluster_metadata" => metadata(value?).ok(),
        _ => None,
    }
}

fn group(key: &[u8], value: Option<&[u8]>) -> Result<String, WireError> {
    let key = wire::decode_group_key(Bytes::copy_from_slice(key), BUDGET_BYTES)?;
    let Some(value) = value.map(Bytes::copy_from_slice) else { return Ok(format!("{key:?} is forgotten")) };
    match &key {
        GroupKey::OffsetCommit(place) => {
            let (_, value) = wire::decode_versioned::<OffsetCommitValue>(value, BUDGET_BYTES)?;
            Ok(format!("{place:?} {value:?}"))
        }
        GroupKey::GroupMetadata(group) => {
            let (_, value) = wire::decode_versioned::<GroupMetadataValue>(value, BUDGET_BYTES)?;
            Ok(format!("{group:?} {value:?}"))
        }
    }
}

fn metadata(value: &[u8]) -> Result<String, WireError> {
    wire::decode_metadata_record(Bytes::copy_from_slice(value), BUDGET_BYTES).map(|record| format!("{record:?}"))
}

const BUDGET_BYTES: usize = 16 << 20;
