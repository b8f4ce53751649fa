//! A broker tells in which of its data directories replicas are (KIP-858): it has moved them, or chose another directory than the
//! controller did.

use super::elect::{found_in, lose_in};
use super::{Reply, Verdict};
use crate::config::Config;
use crate::metadata::{Image, MetadataRecord, Partition, advance};
use crate::msg::Response;
use crate::msg::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DirectoryResult, PartitionResult, TopicResult,
};
use crate::msg::record::metadata::PartitionChangeRecord;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId, Uuid};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Writes down where replicas are. One that is in a directory that is lost is led by somebody else from now on.
pub(super) fn assign(image: &Image, config: &Config, request: &AssignReplicasToDirsRequest) -> Verdict {
    let me = BrokerId(request.broker_id);
    let refused = |error: ErrorCode| {
        let response = AssignReplicasToDirsResponse { error_code: error.code(), ..Default::default() };
        Verdict::reply(Reply::Response(Response::AssignReplicasToDirs(response)))
    };
    let Some(broker) = image.broker(me) else { return refused(ErrorCode::BrokerIdNotRegistered) };
    if broker.epoch != BrokerEpoch(request.broker_epoch) {
        return refused(ErrorCode::StaleBrokerEpoch);
    }
    let mut records = Vec::new();
    let mut directories = Vec::with_capacity(request.directories.len());
    for asked in &request.directories {
        let mut topics = Vec::with_capacity(asked.topics.len());
        for topic in &asked.topics {
            let mut place = |partition_index| {
                let log = LogId { topic: topic.topic_id, partition: partition_index };
                let error = match found(image, log, me) {
                    Err(error) => error,
                    Ok(partition) => {
                        let moved = placed(log, partition, (me, asked.id));
                        let follows = match broker.has_online(asked.id) {
                            false => lose_in(image, config, me, (log, partition)),
                            // It was taken for lost where it is not.
                            true => moved.as_ref().and_then(|moved| found_in(&after(image, moved), config, me, log)),
                        };
                        records.extend(moved.into_iter().chain(follows));
                        ErrorCode::None
                    }
                };
                PartitionResult { partition_index, error_code: error.code() }
            };
            let partitions = topic.partitions.iter().map(|partition| place(partition.partition_index)).collect();
            topics.push(TopicResult { topic_id: topic.topic_id, partitions });
        }
        directories.push(DirectoryResult { id: asked.id, topics });
    }
    let response = AssignReplicasToDirsResponse { directories, ..Default::default() };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::AssignReplicasToDirs(response))] }
}

fn after(image: &Image, record: &MetadataRecord) -> Image {
    let record = core::slice::from_ref(record);
    let (after, _) = advance(&Arc::new(image.clone()), image.end(), record).expect("a replica may be elsewhere");
    Arc::unwrap_or_clone(after)
}

fn found(image: &Image, log: LogId, me: BrokerId) -> Result<&Arc<Partition>, ErrorCode> {
    if image.topic(log.topic).is_none() {
        return Err(ErrorCode::UnknownTopicId);
    }
    let partition = image.partition(log).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if partition.replicas.contains(&me) { Ok(partition) } else { Err(ErrorCode::NotLeaderOrFollower) }
}

fn placed(log: LogId, partition: &Partition, (me, directory): (BrokerId, Uuid)) -> Option<MetadataRecord> {
    if partition.directory_of(me) == directory {
        return None;
    }
    let place = |id: &BrokerId| if *id == me { directory } else { partition.directory_of(*id) };
    Some(MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: log.partition,
        topic_id: log.topic,
        directories: Some(partition.replicas.iter().map(place).collect()),
        ..PartitionChangeRecord::default()
    }))
}

#[cfg(test)]
#[path = "assign_test.rs"]
mod assign_test;
