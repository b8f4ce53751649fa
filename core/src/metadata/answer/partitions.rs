//! DescribeTopicPartitions (KIP-966): Metadata in portions, with a cursor.

use super::{Known, TOPIC_OPERATIONS, numbers};
use crate::metadata::{Partition, Topic, check_name, is_internal};
use crate::msg::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use crate::types::{ErrorCode, Str};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Answers DescribeTopicPartitions, topics in the order of their names. A request that cannot be meant, such as a cursor
/// outside its topics, is an error: the protocol has no field for it, so the answer is that error for each topic named.
pub fn describe_topic_partitions(
    known: &Known<'_>,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let from = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
    let asked: BTreeSet<&Str> =
        request.topics.iter().map(|topic| &topic.name).filter(|name| name.as_str() >= from).collect();
    let is_foreign = |cursor: &Cursor| !request.topics.is_empty() && !asked.contains(&cursor.topic_name);
    if request.cursor.as_ref().is_some_and(|cursor| cursor.partition_index < 0 || is_foreign(cursor)) {
        return refused(request);
    }
    let limit = known.config.fetch.described_partitions_max;
    let limit = u32::try_from(request.response_partition_limit).unwrap_or(0).min(limit).max(1) as usize;
    let mut portion = Portion { known, left: limit, response: DescribeTopicPartitionsResponse::default() };
    let first = |name: &Str| match &request.cursor {
        Some(cursor) if cursor.topic_name == *name => cursor.partition_index,
        Some(_) | None => 0,
    };
    if request.topics.is_empty() {
        for topic in known.image.topics_from(from) {
            if portion.is_full(&topic.name) || portion.add(topic, first(&topic.name)) {
                break;
            }
        }
    } else {
        for name in asked {
            let is_full = portion.is_full(name)
                || match known.image.topic_named(name) {
                    Some(topic) => portion.add(topic, first(name)),
                    None => portion.add_unknown(name),
                };
            if is_full {
                break;
            }
        }
    }
    portion.response
}

struct Portion<'a, 'b> {
    known: &'b Known<'a>,
    left: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Portion<'_, '_> {
    /// True, and the cursor set to this topic, if not one partition more may be told.
    fn is_full(&mut self, next: &Str) -> bool {
        if self.left == 0 {
            self.response.next_cursor = Some(Cursor { topic_name: next.clone(), partition_index: 0 });
        }
        self.left == 0
    }

    /// Adds as many partitions as fit; true if that was not all.
    fn add(&mut self, topic: &Arc<Topic>, first: i32) -> bool {
        let mut rest = topic.partitions.from(&first);
        let told: Vec<_> =
            rest.by_ref().take(self.left).map(|(index, one)| partition(self.known, *index, one)).collect();
        if let Some((index, _)) = rest.next() {
            self.response.next_cursor = Some(Cursor { topic_name: topic.name.clone(), partition_index: *index });
        }
        self.left -= told.len();
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: topic.is_internal(),
            partitions: told,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        self.response.next_cursor.is_some()
    }

    fn add_unknown(&mut self, name: &Str) -> bool {
        let error = match check_name(name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        };
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: error.code(),
            name: Some(name.clone()),
            is_internal: is_internal(name),
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        false
    }
}

fn partition(known: &Known<'_>, index: i32, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode::None.code(),
        partition_index: index,
        leader_id: known.leader(partition).map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: numbers(&partition.replicas),
        isr_nodes: numbers(&partition.isr),
        eligible_leader_replicas: Some(numbers(&partition.eligible)),
        last_known_elr: Some(numbers(&partition.last_eligible)),
        offline_replicas: known.offline(partition),
    }
}

fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topic = |topic: &crate::msg::describe_topic_partitions::TopicRequest| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    let topics = request.topics.iter().map(topic).collect();
    DescribeTopicPartitionsResponse { topics, ..DescribeTopicPartitionsResponse::default() }
}
