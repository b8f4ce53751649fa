//! The records of `__consumer_offsets`, in the versions that Kafka 4.3 writes, so that its tools read ours.
//!
//! | key | value | a tombstone means |
//! |---|---|---|
//! | `OffsetCommitKey` v0 (kind 1) | `OffsetCommitValue` v4; v1 if the commit named its own retention | no offset is committed |
//! | `GroupMetadataKey` v0 (kind 2) | `GroupMetadataValue` v3 | there is no such group |

use crate::msg::record::group::{
    GroupMetadataKey, GroupMetadataValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
use crate::types::Str;
use crate::wire::{
    GroupKey, Message, WireError, decode_group_key, decode_versioned, encode_group_key, encode_versioned,
};
use bytes::Bytes;

/// One record of a shard.
#[derive(Clone, PartialEq, Debug)]
pub enum GroupRecord {
    /// What a group has committed for one partition.
    Offset {
        /// Which group and partition.
        key: OffsetCommitKey,
        /// The commit; nothing from now on if it is missing.
        value: Option<OffsetCommitValue>,
    },
    /// What a group is.
    Metadata {
        /// Which group.
        key: GroupMetadataKey,
        /// The group; gone from now on if it is missing.
        value: Option<GroupMetadataValue>,
    },
}

impl GroupRecord {
    /// The partition has no committed offset any more.
    pub(super) fn offset_gone(group: &Str, topic: &Str, partition: i32) -> Self {
        let key = OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition };
        Self::Offset { key, value: None }
    }

    /// The group is no more.
    pub(super) fn group_gone(group: &Str) -> Self {
        Self::Metadata { key: GroupMetadataKey { group: group.clone() }, value: None }
    }

    /// The key's bytes.
    pub fn encode_key(&self) -> Bytes {
        let key = match self {
            Self::Offset { key, .. } => GroupKey::OffsetCommit(key.clone()),
            Self::Metadata { key, .. } => GroupKey::GroupMetadata(key.clone()),
        };
        encode_group_key(&key).expect("names came through the wire and fit it again")
    }

    /// The value's bytes; `None` is a tombstone.
    pub fn encode_value(&self) -> Option<Bytes> {
        match self {
            Self::Offset { value, .. } => value.as_ref().map(|value| {
                let version = if value.expire_timestamp >= 0 { OFFSET_EXPIRING_VERSION } else { OFFSET_VERSION };
                encode(value, version)
            }),
            Self::Metadata { value, .. } => value.as_ref().map(|value| encode(value, METADATA_VERSION)),
        }
    }

    /// Never less than what the record takes in a batch.
    pub(super) fn bytes_bound(&self) -> usize {
        match self {
            Self::Offset { key, value } => {
                let metadata = value.as_ref().map_or(0, |value| value.metadata.len());
                RECORD_BYTES + key.group.len() + key.topic.len() + metadata
            }
            Self::Metadata { key, value: None } => RECORD_BYTES + key.group.len(),
            Self::Metadata { key, value: Some(value) } => {
                let names = [Some(&value.protocol_type), value.protocol.as_ref(), value.leader.as_ref()];
                let names: usize = names.into_iter().flatten().map(|name| name.len()).sum();
                let members: usize = value.members.iter().map(member_bytes).sum();
                RECORD_BYTES + key.group.len() + names + members
            }
        }
    }

    /// Reads a record as it lies in the log. `Ok(None)` is a kind that this version does not know and may skip: the
    /// other types of groups have records of their own in the same log. An error is a record that is not understood
    /// although its kind is.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, WireError> {
        let key = match decode_group_key(key, RECORD_BUDGET_BYTES) {
            Ok(key) => key,
            Err(WireError::UnknownRecord(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(match key {
            GroupKey::OffsetCommit(key) => Self::Offset { key, value: decode(value)? },
            GroupKey::GroupMetadata(key) => Self::Metadata { key, value: decode(value)? },
        }))
    }
}

fn member_bytes(member: &MemberMetadata) -> usize {
    let instance = member.group_instance_id.as_ref().map_or(0, |id| id.len());
    let texts = member.member_id.len() + instance + member.client_id.len() + member.client_host.len();
    MEMBER_BYTES + texts + member.subscription.len() + member.assignment.len()
}

fn encode<M: Message>(value: &M, version: i16) -> Bytes {
    encode_versioned(value, version).expect("what came through the wire fits it again")
}

fn decode<M: Message>(value: Option<Bytes>) -> Result<Option<M>, WireError> {
    let Some(bytes) = value else { return Ok(None) };
    let (_, value) = decode_versioned(bytes, RECORD_BUDGET_BYTES)?;
    Ok(Some(value))
}

/// The version that carries the id of the topic (KIP-848).
const OFFSET_VERSION: i16 = 4;
/// The only version with a time of expiry of its own; the commit's leader epoch is lost in it, as in Kafka.
const OFFSET_EXPIRING_VERSION: i16 = 1;
const METADATA_VERSION: i16 = 3;
/// Memory for the arrays of one record; a record is no longer than a batch.
const RECORD_BUDGET_BYTES: usize = 64 << 20;
/// Lengths, numbers and the record's own frame, generously.
const RECORD_BYTES: usize = 100;
/// Lengths and numbers of a member.
const MEMBER_BYTES: usize = 24;

#[cfg(test)]
#[path = "record_test.rs"]
mod record_test;
