//! CreatePartitions: a topic grows. It never shrinks.

use super::topics::{check_replicas, fresh_partition};
use super::{Refusal, Reply, Verdict, placement};
use crate::metadata::{Image, MetadataRecord};
use crate::msg::Response;
use crate::msg::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use crate::shard::Cx;
use crate::types::{BrokerId, ErrorCode, Str, limit};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Answers CreatePartitions. Topics grow or are refused one by one.
pub(super) fn create(image: &Image, cx: &mut Cx<'_>, request: &CreatePartitionsRequest) -> Verdict {
    let mut counts: BTreeMap<&Str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *counts.entry(&topic.name).or_default() += 1);
    let (mut records, mut results) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        let outcome = match counts.remove(&topic.name) {
            None => continue,
            Some(2..) => Err((ErrorCode::InvalidRequest, "the topic is named more than once".to_string())),
            Some(_) => grow(image, cx, topic, records.len()),
        };
        let (error, message) = match outcome {
            Ok(more) => {
                records.extend(more);
                (ErrorCode::None, None)
            }
            Err((error, message)) => (error, Some(Str::explanation(&message))),
        };
        let (name, error_code) = (topic.name.clone(), error.code());
        results.push(CreatePartitionsTopicResult { name, error_code, error_message: message });
    }
    if request.validate_only {
        records.clear();
    }
    let response = CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::CreatePartitions(response))] }
}

fn grow(
    image: &Image,
    cx: &mut Cx<'_>,
    asked: &CreatePartitionsTopic,
    records: usize,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let unknown = || (ErrorCode::UnknownTopicOrPartition, "there is no topic of this name".to_string());
    let topic = image.topic_named(&asked.name).ok_or_else(unknown)?;
    let has = topic.partitions.len() as i32;
    if asked.count <= has {
        let why = format!("the topic has {has} partition(s); {} would not be more", asked.count);
        return Err((ErrorCode::InvalidPartitions, why));
    }
    let added = asked.count - has;
    if records as i64 + i64::from(added) > limit::PARTITIONS_PER_REQUEST_MAX {
        let why = format!("a request may not create more than {} partitions", limit::PARTITIONS_PER_REQUEST_MAX);
        return Err((ErrorCode::PolicyViolation, why));
    }
    let factor = topic.partitions.values().next().map_or(1, |partition| partition.replicas.len());
    let placed = match &asked.assignments {
        None => placement::place(image, cx.rng, added, i16::try_from(factor).unwrap_or(i16::MAX))?,
        Some(assignments) if assignments.len() as i32 != added => {
            let why = format!("{added} partition(s) are added, but {} are assigned", assignments.len());
            return Err((ErrorCode::InvalidReplicaAssignment, why));
        }
        Some(assignments) => {
            let all = assignments.iter().map(|one| one.broker_ids.iter().copied().map(BrokerId).collect());
            let all: Vec<Vec<BrokerId>> = all.collect();
            all.iter().try_for_each(|replicas| check_replicas(image, replicas, Some(factor)))?;
            all
        }
    };
    let partition = |(index, replicas)| fresh_partition(image, replicas).to_record(topic.id, index);
    Ok((has..).zip(placed).map(partition).map(MetadataRecord::Partition).collect())
}
