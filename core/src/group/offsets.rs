//! Committed offsets: remembering, telling and forgetting them. They belong to a group's name, not to its members: they
//! outlive every generation.

use super::ask::{Caller, commit_refused};
use super::desk::Desk;
use super::record::GroupRecord;
use super::{GroupMap, OffsetMap};
use crate::msg::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use crate::msg::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use crate::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::msg::record::group::{OffsetCommitKey, OffsetCommitValue};
use crate::types::{ErrorCode, LeaderEpoch, Offset, Str, Uuid, Wall};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// The committed offsets of one group, by topic and partition.
pub(super) type Topics = BTreeMap<Str, BTreeMap<i32, Committed>>;

/// One committed offset.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Committed {
    /// Where the commit stands in the shard's log: the later of two commits holds, even if one of them belonged to a
    /// transaction that ended after the other.
    pub at: Offset,
    /// The next offset that the group wants to read.
    pub offset: Offset,
    /// The leader epoch of the record before it (KIP-320).
    pub leader_epoch: LeaderEpoch,
    /// Whatever the committer wants to find again.
    pub metadata: Str,
    /// When it was committed.
    pub committed: Wall,
    /// When it expires, if the commit said so (before version 5).
    pub expires: Option<Wall>,
    /// The topic's id at the commit; zero in records of older versions.
    pub topic_id: Uuid,
}

impl Committed {
    /// What the record says, in memory of its own.
    pub fn read(at: Offset, value: &OffsetCommitValue) -> Self {
        Self {
            at,
            offset: Offset(value.offset),
            leader_epoch: LeaderEpoch(value.leader_epoch),
            metadata: value.metadata.detached(),
            committed: Wall(value.commit_timestamp),
            expires: (value.expire_timestamp >= 0).then_some(Wall(value.expire_timestamp)),
            topic_id: value.topic_id,
        }
    }
}

/// Answers an OffsetCommit once the offsets are remembered.
pub(super) fn commit(groups: &GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &OffsetCommitRequest) {
    if let Err(error) = may_commit(groups, caller.version, request) {
        return desk.reply(caller.ticket, commit_refused(request, error));
    }
    if let Some(group) = groups.get(&request.group_id) {
        group.live.committed(desk, &request.member_id);
    }
    let now = desk.cx.now.wall.0;
    let keep_ms = request.retention_time_ms;
    let expires = if keep_ms == DEFAULT_RETENTION { NEVER } else { now.saturating_add(keep_ms.max(0)) };
    let length_max = desk.cx.config.offsets.metadata_bytes_max;
    let mut records = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let error = if is_too_long(partition.committed_metadata.as_ref(), length_max) {
                ErrorCode::OffsetMetadataTooLarge
            } else {
                let (group, topic_name) = (request.group_id.clone(), topic.name.clone());
                let key = OffsetCommitKey { group, topic: topic_name, partition: partition.partition_index };
                let value = Some(value(partition, topic.topic_id, (now, expires)));
                records.push(GroupRecord::Offset { key, value });
                ErrorCode::None
            };
            let (partition_index, error_code) = (partition.partition_index, error.code());
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
        }
        let (name, topic_id) = (topic.name.clone(), topic.topic_id);
        response.topics.push(OffsetCommitResponseTopic { name, topic_id, partitions });
    }
    // A commit is remembered as a whole or not at all.
    if !desk.fits(&records) {
        return desk.reply(caller.ticket, commit_refused(request, ErrorCode::InvalidCommitOffsetSize));
    }
    desk.write(records, vec![(caller.ticket, response.into())]);
}

fn may_commit(groups: &GroupMap, version: i16, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    match groups.get(&request.group_id) {
        Some(group) => group.live.may_commit(request),
        // Nobody is a member of it, so this is a consumer that only wants its offsets kept, or an administrator.
        None if request.generation_id_or_member_epoch < 0 => Ok(()),
        None if version >= GROUP_NOT_FOUND_VERSION => Err(ErrorCode::GroupIdNotFound),
        None => Err(ErrorCode::IllegalGeneration),
    }
}

/// Kafka counts the metadata's length as Java does, in UTF-16 units; never more than the bytes.
fn is_too_long(metadata: Option<&Str>, length_max: u32) -> bool {
    let length_max = usize::try_from(length_max).unwrap_or(usize::MAX);
    metadata.is_some_and(|text| text.len() > length_max && text.encode_utf16().count() > length_max)
}

fn value(partition: &OffsetCommitRequestPartition, topic_id: Uuid, (now, expires): (i64, i64)) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        commit_timestamp: now,
        expire_timestamp: expires,
        topic_id,
    }
}

/// Answers an OffsetFetch, once everything that it shows is committed: no reader sees an offset that could be lost.
pub(super) fn fetch(
    groups: &GroupMap,
    offsets: &OffsetMap,
    desk: &mut Desk<'_, '_>,
    caller: &Caller<'_>,
    request: OffsetFetchRequest,
) {
    let asked = fetch_groups(request, caller.version);
    let found = asked.into_iter().map(|group| {
        let known = groups.contains_key(&group.group_id);
        fetch_group(offsets.get(&group.group_id).filter(|_| known), group)
    });
    let answer = fetch_answer(caller.version, found.collect());
    desk.reply_committed(caller.ticket, answer);
}

fn fetch_group(known: Option<&Topics>, asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let topics = match asked.topics {
        None => known.into_iter().flatten().map(|(name, partitions)| whole_topic(name, partitions)).collect(),
        Some(topics) => topics.into_iter().map(|topic| some_partitions(known, topic)).collect(),
    };
    OffsetFetchResponseGroup { group_id: asked.group_id, topics, error_code: 0 }
}

fn whole_topic(name: &Str, partitions: &BTreeMap<i32, Committed>) -> OffsetFetchResponseTopics {
    let partitions = partitions.iter().map(|(index, committed)| found(*index, Some(committed)));
    OffsetFetchResponseTopics { name: name.clone(), topic_id: Uuid::ZERO, partitions: partitions.collect() }
}

fn some_partitions(known: Option<&Topics>, asked: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let committed = known.and_then(|topics| topics.get(&asked.name));
    // A commit for a topic of the same name that is gone is no commit for this one.
    let same =
        |known: &&Committed| known.topic_id.is_zero() || asked.topic_id.is_zero() || known.topic_id == asked.topic_id;
    let one = |index: &i32| found(*index, committed.and_then(|partitions| partitions.get(index)).filter(same));
    let partitions = asked.partition_indexes.iter().map(one).collect();
    OffsetFetchResponseTopics { name: asked.name, topic_id: asked.topic_id, partitions }
}

fn found(partition_index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(Offset::NONE, |committed| committed.offset).0,
        committed_leader_epoch: committed.map_or(LeaderEpoch::NONE, |committed| committed.leader_epoch).0,
        metadata: Some(committed.map(|committed| committed.metadata.clone()).unwrap_or_default()),
        error_code: 0,
    }
}

/// The groups of the request in the shape of version 8, which has many.
pub(super) fn fetch_groups(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= FETCH_BATCH_VERSION {
        return request.groups;
    }
    let topic = |topic: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
        name: topic.name,
        partition_indexes: topic.partition_indexes,
        ..Default::default()
    };
    let topics = request.topics.map(|topics| topics.into_iter().map(topic).collect());
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }]
}

/// The answer in the shape of the version: before 8 there is one group, and its fields are the answer's own.
pub(super) fn fetch_answer(version: i16, mut groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    if version >= FETCH_BATCH_VERSION {
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let group = groups.pop().unwrap_or_default();
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: group.error_code, ..Default::default() }
}

/// The answer that refuses all groups of the request. Version 1 has no error but the partitions' (KAFKA-19439).
pub(super) fn fetch_refused(request: &OffsetFetchRequest, version: i16, error: ErrorCode) -> OffsetFetchResponse {
    let refuse = |group: OffsetFetchRequestGroup| {
        if version >= FETCH_ERROR_VERSION {
            let (group_id, error_code) = (group.group_id, error.code());
            return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
        }
        let topics = group.topics.unwrap_or_default().iter().map(|topic| refused_topic(topic, error)).collect();
        OffsetFetchResponseGroup { group_id: group.group_id, topics, error_code: 0 }
    };
    let groups = fetch_groups(request.clone(), version).into_iter().map(refuse).collect();
    fetch_answer(version, groups)
}

/// The topic with this error at each of its partitions.
pub(super) fn refused_topic(topic: &OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let one = |index: &i32| OffsetFetchResponsePartitions { error_code: error.code(), ..found(*index, None) };
    let partitions = topic.partition_indexes.iter().map(one).collect();
    OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

/// Answers an OffsetDelete once the offsets are forgotten (KIP-496).
pub(super) fn delete(
    groups: &GroupMap,
    offsets: &OffsetMap,
    desk: &mut Desk<'_, '_>,
    caller: &Caller<'_>,
    request: &OffsetDeleteRequest,
) {
    let outcome = if request.group_id.is_empty() {
        Err(ErrorCode::InvalidGroupId)
    } else {
        groups.get(&request.group_id).ok_or(ErrorCode::GroupIdNotFound)
    };
    let group = outcome.and_then(|group| {
        let others = !group.live.members().is_empty() && !group.live.is_consumer();
        if others { Err(ErrorCode::NonEmptyGroup) } else { Ok(&group.live) }
    });
    let live = match group {
        Ok(live) => live,
        Err(error) => {
            let refused = OffsetDeleteResponse { error_code: error.code(), ..Default::default() };
            return desk.reply(caller.ticket, refused);
        }
    };
    let known = offsets.get(&request.group_id);
    let mut records = Vec::new();
    let mut response = OffsetDeleteResponse::default();
    for topic in &request.topics {
        let subscribed = live.is_subscribed(&topic.name);
        let error = if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
        if !subscribed {
            records.extend(gone(&request.group_id, known, topic));
        }
        response.topics.push(deleted_topic(topic, error));
    }
    desk.write_chunked(records, vec![(caller.ticket, response.into())]);
}

/// Tombstones of those partitions that have something to forget.
fn gone(group: &Str, known: Option<&Topics>, topic: &OffsetDeleteRequestTopic) -> Vec<GroupRecord> {
    let Some(committed) = known.and_then(|topics| topics.get(&topic.name)) else { return Vec::new() };
    let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
    indexes
        .filter(|index| committed.contains_key(index))
        .map(|index| GroupRecord::offset_gone(group, &topic.name, index))
        .collect()
}

/// The topic with this outcome at each of its partitions.
pub(super) fn deleted_topic(topic: &OffsetDeleteRequestTopic, error: ErrorCode) -> OffsetDeleteResponseTopic {
    let one = |index: i32| OffsetDeleteResponsePartition { partition_index: index, error_code: error.code() };
    let partitions = topic.partitions.iter().map(|partition| one(partition.partition_index)).collect();
    OffsetDeleteResponseTopic { name: topic.name.clone(), partitions }
}

const DEFAULT_RETENTION: i64 = -1;
const NEVER: i64 = -1;
/// From here on a missing group has an error of its own.
const GROUP_NOT_FOUND_VERSION: i16 = 9;
const FETCH_ERROR_VERSION: i16 = 2;
pub(super) const FETCH_BATCH_VERSION: i16 = 8;

#[cfg(test)]
#[path = "offsets_test.rs"]
mod offsets_test;
