//! AlterPartitionReassignments (KIP-455): a partition is to be held by other brokers.
//!
//! ```text
//!   replicas [1 2 3] ── to [4 2] ──▶ replicas [4 2 1 3], adding [4], removing [1 3] ── [4 2] are in sync ──▶ replicas [4 2]
//!                                        └── cancelled ──▶ replicas [2 1 3]
//! ```
//!
//! Who is added fetches like any follower and joins the ISR; who leaves serves until then, and deletes its log when it reads that
//! it is no replica any more. The state is all in the partition, so it outlives the controller.

use super::change::{Draft, Terms};
use super::directories::may_lead;
use super::topics::check_listed;
use super::{Refusal, Reply, Verdict};
use crate::config::Config;
use crate::metadata::{Image, MetadataRecord, Partition};
use crate::msg::Response;
use crate::msg::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::types::{BrokerId, ErrorCode, LogId, Str, limit};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Judges all partitions of a request, each alone.
pub(super) fn alter(image: &Image, config: &Config, request: &AlterPartitionReassignmentsRequest) -> Verdict {
    let mut response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        ..AlterPartitionReassignmentsResponse::default()
    };
    let mut records = Vec::new();
    let asked: usize = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    if asked as i64 > limit::PARTITIONS_PER_REQUEST_MAX {
        response.error_code = ErrorCode::PolicyViolation.code();
        let why = format!("a request may not move more than {} partitions", limit::PARTITIONS_PER_REQUEST_MAX);
        response.error_message = Some(Str::explanation(&why));
        return Verdict::reply(Reply::Response(Response::AlterPartitionReassignments(response)));
    }
    let mut seen = BTreeSet::new();
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|one| {
            let is_new = seen.insert((&topic.name, one.partition_index));
            let outcome = match is_new {
                true => reassign(image, config, &topic.name, one, request.allow_replication_factor_change),
                false => Err((ErrorCode::InvalidRequest, "the partition is named more than once".to_string())),
            };
            let refusal = match outcome {
                Ok(record) => {
                    records.extend(record);
                    None
                }
                Err(refusal) => Some(refusal),
            };
            ReassignablePartitionResponse {
                partition_index: one.partition_index,
                error_code: refusal.as_ref().map_or(ErrorCode::None, |(error, _)| *error).code(),
                error_message: refusal.map(|(_, why)| Str::explanation(&why)),
            }
        });
        response
            .responses
            .push(ReassignableTopicResponse { name: topic.name.clone(), partitions: partitions.collect() });
    }
    Verdict { records, replies: alloc::vec![Reply::Response(Response::AlterPartitionReassignments(response))] }
}

fn reassign(
    image: &Image,
    config: &Config,
    name: &Str,
    asked: &ReassignablePartition,
    may_change_factor: bool,
) -> Result<Option<MetadataRecord>, Refusal> {
    let unknown =
        || (ErrorCode::UnknownTopicOrPartition, format!("there is no partition {} of '{name}'", asked.partition_index));
    let topic = image.topic_named(name).ok_or_else(unknown)?;
    let partition = topic.partitions.get(&asked.partition_index).ok_or_else(unknown)?;
    let terms = Terms::of(image, config, name);
    let mut draft = Draft::new(image, partition, terms);
    match &asked.replicas {
        Some(target) => {
            let target: Vec<BrokerId> = target.iter().copied().map(BrokerId).collect();
            aim(image, partition, &mut draft, target, may_change_factor)?;
        }
        None => cancel(partition, &mut draft, terms)?,
    }
    let next = draft.finish(|id| may_lead(image, partition, id));
    Ok(next.record(LogId { topic: topic.id, partition: asked.partition_index }))
}

/// Who held the partition before anything was to be moved.
fn original(partition: &Partition) -> Vec<BrokerId> {
    partition.replicas.iter().copied().filter(|id| !partition.adding.contains(id)).collect()
}

fn aim(
    image: &Image,
    partition: &Arc<Partition>,
    draft: &mut Draft<'_>,
    target: Vec<BrokerId>,
    may_change_factor: bool,
) -> Result<(), Refusal> {
    check_listed(image, &target)?;
    let original = original(partition);
    let factor = partition.replicas.iter().filter(|id| !partition.removing.contains(id)).count();
    if !may_change_factor && target.len() != factor {
        let why = format!("the partition has {factor} replica(s), and {} are asked for", target.len());
        return Err((ErrorCode::InvalidReplicationFactor, why));
    }
    draft.adding = target.iter().copied().filter(|id| !original.contains(id)).collect();
    draft.removing = partition.replicas.iter().copied().filter(|id| !target.contains(id)).collect();
    draft.replicas = target;
    draft.replicas.extend(&draft.removing);
    Ok(())
}

fn cancel(partition: &Arc<Partition>, draft: &mut Draft<'_>, terms: Terms) -> Result<(), Refusal> {
    if partition.adding.is_empty() && partition.removing.is_empty() {
        return Err((ErrorCode::NoReassignmentInProgress, "no replica of the partition is being moved".to_string()));
    }
    let original = original(partition);
    let has_all = |id: &&BrokerId| partition.isr.contains(id) || partition.eligible.contains(id);
    let (now, left) = (partition.replicas.iter().filter(has_all).count(), original.iter().filter(has_all).count());
    if left < terms.least_of(original.len()).min(now) && !terms.may_be_unclean {
        let why = format!("only {left} of the replicas that would be left have all that is committed");
        return Err((ErrorCode::InvalidReplicaAssignment, why));
    }
    draft.isr.retain(|id| original.contains(id));
    draft.replicas = original;
    draft.adding.clear();
    draft.removing.clear();
    Ok(())
}
