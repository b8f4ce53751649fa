//! ListPartitionReassignments (KIP-455): what is being moved.

use super::numbers;
use crate::metadata::{Image, Partition, Topic};
use crate::msg::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Answers ListPartitionReassignments. What is not being moved is left out, and so is what does not exist.
pub fn list_reassignments(
    image: &Image,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let topics = match &request.topics {
        Some(asked) => {
            let one = |asked: &crate::msg::list_partition_reassignments::ListPartitionReassignmentsTopics| {
                let topic = image.topic_named(&asked.name)?;
                let named = |index: &i32| topic.partitions.get(index).and_then(|partition| moving(*index, partition));
                told(topic, asked.partition_indexes.iter().filter_map(named).collect())
            };
            asked.iter().filter_map(one).collect()
        }
        None => {
            let all = |topic: &Arc<Topic>| {
                let partitions = topic.partitions.iter();
                told(topic, partitions.filter_map(|(index, partition)| moving(*index, partition)).collect())
            };
            image.topics().filter_map(all).collect()
        }
    };
    ListPartitionReassignmentsResponse { topics, ..ListPartitionReassignmentsResponse::default() }
}

fn told(topic: &Topic, partitions: Vec<OngoingPartitionReassignment>) -> Option<OngoingTopicReassignment> {
    (!partitions.is_empty()).then(|| OngoingTopicReassignment { name: topic.name.clone(), partitions })
}

fn moving(partition_index: i32, partition: &Partition) -> Option<OngoingPartitionReassignment> {
    let is_moving = !partition.adding.is_empty() || !partition.removing.is_empty();
    is_moving.then(|| OngoingPartitionReassignment {
        partition_index,
        replicas: numbers(&partition.replicas),
        adding_replicas: numbers(&partition.adding),
        removing_replicas: numbers(&partition.removing),
    })
}
