//! DescribeQuorum (KIP-595, KIP-836, KIP-853): who votes, who leads, and how far everybody is.

use super::{Quorum, Role};
use crate::msg::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::types::{ErrorCode, Str, Uuid, Wall};
use alloc::vec::Vec;

/// The metadata log, as tools name it.
const TOPIC: &str = "__cluster_metadata";

impl Quorum {
    /// Answers DescribeQuorum in this version of it. `listeners` are the addresses of this member.
    pub fn describe(
        &self,
        request: &DescribeQuorumRequest,
        version: i16,
        listeners: Vec<Listener>,
        now: Wall,
    ) -> DescribeQuorumResponse {
        // Directories and addresses came with version 2 (KIP-853); earlier versions cannot carry them.
        let is_full = version >= 2;
        let Role::Leader(leader) = &self.role else {
            let error_code = ErrorCode::NotLeaderOrFollower.code();
            return DescribeQuorumResponse { error_code, ..DescribeQuorumResponse::default() };
        };
        let is_metadata = match request.topics.as_slice() {
            [topic] => topic.topic_name == TOPIC && topic.partitions.iter().map(|one| one.partition_index).eq([0]),
            _ => false,
        };
        if !is_metadata {
            return unknown(request);
        }
        let me = ReplicaState {
            replica_id: self.me.id.0,
            replica_directory_id: if is_full { self.me.directory } else { Uuid::ZERO },
            log_end_offset: self.log.end().0,
            last_fetch_timestamp: now.0,
            last_caught_up_timestamp: now.0,
        };
        let partition = PartitionData {
            leader_id: self.me.id.0,
            leader_epoch: leader.term.0,
            high_watermark: self.high_watermark.0,
            current_voters: alloc::vec![me],
            ..PartitionData::default()
        };
        DescribeQuorumResponse {
            topics: alloc::vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: alloc::vec![partition] }],
            nodes: if is_full { alloc::vec![Node { node_id: self.me.id.0, listeners }] } else { Vec::new() },
            ..DescribeQuorumResponse::default()
        }
    }
}

fn unknown(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|one| PartitionData {
                partition_index: one.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                ..PartitionData::default()
            })
            .collect(),
    });
    DescribeQuorumResponse { topics: topics.collect(), ..DescribeQuorumResponse::default() }
}
