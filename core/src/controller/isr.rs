//! AlterPartition: a leader asks for another ISR (KIP-497). Nothing is changed unless the leader knows the state that it
//! wants to follow, and every member that it names is alive in the life in which the leader heard of it (KIP-841, KIP-903).

use super::change::{Draft, Terms};
use super::directories::may_lead;
use super::{Reply, Verdict};
use crate::config::Config;
use crate::metadata::{Broker, Image, MetadataRecord, Partition};
use crate::msg::Response;
use crate::msg::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, PartitionData, PartitionResult, TopicResult,
};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Judges all partitions of a request, each alone.
pub(super) fn alter(image: &Image, config: &Config, request: &AlterPartitionRequest) -> Verdict {
    let mut response = AlterPartitionResponse::default();
    let mut records = Vec::new();
    let leader = BrokerId(request.broker_id);
    if image.broker(leader).is_none_or(|broker| broker.epoch != BrokerEpoch(request.broker_epoch)) {
        response.error_code = ErrorCode::StaleBrokerEpoch.code();
        return Verdict::reply(Reply::Response(Response::AlterPartition(response)));
    }
    let mut seen = BTreeSet::new();
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|asked| {
            let log = LogId { topic: topic.topic_id, partition: asked.partition_index };
            let judged = match seen.insert(log) {
                true => judge(image, leader, log, asked),
                // A second change would rest on the state before the first.
                false => Err(ErrorCode::InvalidRequest),
            };
            match judged {
                Ok(members) => altered(image, config, log, (leader, &members), &mut records),
                Err(error) => refused(asked.partition_index, error),
            }
        });
        response.topics.push(TopicResult { topic_id: topic.topic_id, partitions: partitions.collect() });
    }
    Verdict { records, replies: alloc::vec![Reply::Response(Response::AlterPartition(response))] }
}

/// The members that are asked for, if they may be asked for.
fn judge(
    image: &Image,
    leader: BrokerId,
    log: LogId,
    asked: &PartitionData,
) -> Result<Vec<(BrokerId, BrokerEpoch)>, ErrorCode> {
    let gone =
        if image.topic(log.topic).is_none() { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
    let partition = image.partition(log).ok_or(gone)?;
    // A leader that knows more than we do talks to a controller of the past.
    if asked.leader_epoch > partition.leader_epoch.0 || asked.partition_epoch > partition.partition_epoch.0 {
        return Err(ErrorCode::NotController);
    }
    if asked.leader_epoch < partition.leader_epoch.0 {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if partition.leader != leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if asked.partition_epoch < partition.partition_epoch.0 {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let members: Vec<(BrokerId, BrokerEpoch)> =
        asked.new_isr_with_epochs.iter().map(|one| (BrokerId(one.broker_id), BrokerEpoch(one.broker_epoch))).collect();
    judge_members(image, leader, partition, &members)?;
    Ok(members)
}

/// Changes the ISR. That may end a reassignment, and with it the reign of a leader that is to go: it is told to look for news.
fn altered(
    image: &Image,
    config: &Config,
    log: LogId,
    (leader, members): (BrokerId, &[(BrokerId, BrokerEpoch)]),
    records: &mut Vec<MetadataRecord>,
) -> PartitionResult {
    let topic = image.topic(log.topic).expect("its partition was judged");
    let partition = image.partition(log).expect("it was judged");
    let mut draft = Draft::new(image, partition, Terms::of(image, config, &topic.name));
    draft.isr = partition.replicas.iter().copied().filter(|id| is_named(members, *id)).collect();
    draft.recovered = true;
    let mut next = draft.finish(|id| may_lead(image, partition, id));
    // Who proposes what is already so wants to be sure that nothing comes true any more that was proposed before.
    next.confirm();
    records.extend(next.record(log));
    let after = next.after;
    if after.leader != leader {
        return refused(log.partition, ErrorCode::NewLeaderElected);
    }
    PartitionResult {
        partition_index: log.partition,
        error_code: 0,
        leader_id: after.leader.0,
        leader_epoch: after.leader_epoch.0,
        isr: after.isr.iter().map(|id| id.0).collect(),
        leader_recovery_state: i8::from(after.recovering),
        partition_epoch: after.partition_epoch.0,
    }
}

fn is_named(members: &[(BrokerId, BrokerEpoch)], id: BrokerId) -> bool {
    members.iter().any(|(member, _)| *member == id)
}

fn judge_members(
    image: &Image,
    leader: BrokerId,
    partition: &Arc<Partition>,
    members: &[(BrokerId, BrokerEpoch)],
) -> Result<(), ErrorCode> {
    let is_replica = |(id, _): &(BrokerId, BrokerEpoch)| partition.replicas.contains(id);
    if !is_named(members, leader) || !members.iter().all(is_replica) {
        return Err(ErrorCode::InvalidRequest);
    }
    let may_be = |(id, epoch): &(BrokerId, BrokerEpoch)| {
        let is_life = |broker: &Broker| *epoch == BrokerEpoch::NONE || *epoch == broker.epoch;
        may_lead(image, partition, *id) && image.broker(*id).is_some_and(|broker| is_life(broker))
    };
    if members.iter().all(may_be) { Ok(()) } else { Err(ErrorCode::IneligibleReplica) }
}

fn refused(partition_index: i32, error: ErrorCode) -> PartitionResult {
    PartitionResult { partition_index, error_code: error.code(), ..PartitionResult::default() }
}
