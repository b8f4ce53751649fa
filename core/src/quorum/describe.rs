//! DescribeQuorum (KIP-595, KIP-836, KIP-853): who votes, who leads, and how far everybody is.

use super::{Leader, Quorum, Role};
use crate::msg::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Node, PartitionData, ReplicaState, TopicData,
};
use crate::types::{BrokerId, ErrorCode, Str, Uuid, Wall};
use alloc::vec::Vec;

/// The metadata log, as tools name it.
const TOPIC: &str = "__cluster_metadata";

impl Quorum {
    /// Answers DescribeQuorum. `nodes` are the voters with their addresses.
    pub fn describe(&self, request: &DescribeQuorumRequest, nodes: Vec<Node>, now: Wall) -> DescribeQuorumResponse {
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
        let state = |id: BrokerId| self.state(leader, id, now);
        let voters = self.electorate.now();
        let observers = leader.followers.keys().copied().filter(|id| !voters.contains(*id));
        let partition = PartitionData {
            leader_id: self.me.id.0,
            leader_epoch: leader.term.0,
            high_watermark: self.high_watermark.0,
            current_voters: voters.iter().map(state).collect(),
            observers: observers.map(state).collect(),
            ..PartitionData::default()
        };
        DescribeQuorumResponse {
            topics: alloc::vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: alloc::vec![partition] }],
            nodes,
            ..DescribeQuorumResponse::default()
        }
    }

    /// How far a voter or an observer is, as its leader knows.
    fn state(&self, leader: &Leader, id: BrokerId, now: Wall) -> ReplicaState {
        let (end, heard, caught_up) = match leader.followers.get(&id) {
            Some(progress) => (progress.end.0, progress.heard.1.0, progress.caught_up.map_or(UNKNOWN, |at| at.0)),
            None if id == self.me.id => (self.log.end().0, now.0, now.0),
            None => (UNKNOWN, UNKNOWN, UNKNOWN),
        };
        // The directories of other members are not known where voters do not change.
        let directory = match self.electorate.now().get(id) {
            _ if id == self.me.id => self.me.directory,
            Some(node) => node.directory,
            None => leader.followers.get(&id).map_or(Uuid::ZERO, |progress| progress.directory),
        };
        ReplicaState {
            replica_id: id.0,
            replica_directory_id: directory,
            log_end_offset: end,
            last_fetch_timestamp: heard,
            last_caught_up_timestamp: caught_up,
        }
    }
}

/// An answer as this version can carry it: directories and addresses came with version 2 (KIP-853).
pub fn in_version(mut answer: DescribeQuorumResponse, version: i16) -> DescribeQuorumResponse {
    if version < 2 {
        answer.nodes.clear();
        let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for one in partitions.flat_map(|one| one.current_voters.iter_mut().chain(&mut one.observers)) {
            one.replica_directory_id = Uuid::ZERO;
        }
    }
    answer
}

/// What is told of a member that was not heard of in this reign.
const UNKNOWN: i64 = -1;

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
