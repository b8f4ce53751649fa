//! What is asked of a group's coordinator and what it says: the vocabulary of [`super::GroupShard`].

use super::record::GroupRecord;
use crate::boundary::Asker;
use crate::msg::Response;
use crate::msg::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use crate::msg::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use crate::msg::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::msg::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::msg::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::msg::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::msg::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::msg::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::msg::offset_fetch::OffsetFetchRequest;
use crate::msg::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::types::{ErrorCode, Str, Ticket};
use alloc::vec::Vec;

/// Who asks, and how the answer has to look.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Whose answer it will be.
    pub ticket: Ticket,
    /// What is known of the asker.
    pub asker: &'a Asker,
    /// Version of the API that the request was written in.
    pub version: i16,
}

/// One question to one shard. Requests that name many groups are cut into one question a group by [`super::split`].
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Become, or stay, a member.
    Join(JoinGroupRequest),
    /// Hand in (the leader) or ask for (everybody) an assignment.
    Sync(SyncGroupRequest),
    /// Still alive.
    Heartbeat(HeartbeatRequest),
    /// Members go (KIP-345: also by instance id, from outside).
    Leave(LeaveGroupRequest),
    /// Remember offsets; names and ids of the topics are both filled in.
    Commit(OffsetCommitRequest),
    /// What offsets are remembered; topic names are filled in.
    Fetch(OffsetFetchRequest),
    /// What the groups look like.
    Describe(DescribeGroupsRequest),
    /// Which groups there are.
    List(ListGroupsRequest),
    /// Forget empty groups and their offsets.
    Delete(DeleteGroupsRequest),
    /// Forget some offsets of a group (KIP-496).
    OffsetDelete(OffsetDeleteRequest),
}

impl Ask {
    /// The answer that refuses the question with `error`, in the shape that its version has for errors. For a shard that
    /// is not here or still loads; a heartbeat to a loading shard is answered as if all were well, as Kafka does, so that
    /// members do not rejoin for nothing.
    pub fn refused(&self, version: i16, error: ErrorCode) -> Response {
        let code = error.code();
        match self {
            Self::Join(_) => join_refused(version, Str::new(), error).into(),
            Self::Sync(_) => SyncGroupResponse { error_code: code, ..Default::default() }.into(),
            Self::Heartbeat(_) if error == ErrorCode::CoordinatorLoadInProgress => HeartbeatResponse::default().into(),
            Self::Heartbeat(_) => HeartbeatResponse { error_code: code, ..Default::default() }.into(),
            Self::Leave(_) => LeaveGroupResponse { error_code: code, ..Default::default() }.into(),
            Self::Commit(request) => commit_refused(request, error).into(),
            Self::Fetch(request) => super::offsets::fetch_refused(request, version, error).into(),
            Self::Describe(request) => {
                let groups = request.groups.iter().map(|id| described_error(id, error)).collect();
                DescribeGroupsResponse { groups, ..Default::default() }.into()
            }
            Self::List(_) => ListGroupsResponse { error_code: code, ..Default::default() }.into(),
            Self::Delete(request) => {
                let result =
                    |id: &Str| DeletableGroupResult { group_id: id.clone(), error_code: code, ..Default::default() };
                let results = request.groups_names.iter().map(result).collect();
                DeleteGroupsResponse { results, ..Default::default() }.into()
            }
            Self::OffsetDelete(_) => OffsetDeleteResponse { error_code: code, ..Default::default() }.into(),
        }
    }
}

/// What a shard wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum GroupOut {
    /// Append the records as one batch and apply them in this order before the shard is asked again. The replies leave
    /// when these records, and all that the shard had appended before, are committed; so a verdict without records waits
    /// for what is still under way.
    Verdict {
        /// To be appended.
        records: Vec<GroupRecord>,
        /// The answers that depend on them.
        replies: Vec<(Ticket, Response)>,
    },
    /// An answer that depends on nothing remembered.
    Reply(Ticket, Response),
}

/// A JoinGroup answer that only says what is wrong. Before version 7 the protocol's name cannot be null.
pub(super) fn join_refused(version: i16, member: Str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        member_id: member,
        protocol_name: nullable_name(version, None),
        ..Default::default()
    }
}

/// The protocol's name as the version wants to see it: versions below 7 know no null, the others no empty name.
pub(super) fn nullable_name(version: i16, name: Option<&Str>) -> Option<Str> {
    match name {
        Some(name) if version < 7 || !name.is_empty() => Some(name.clone()),
        Some(_) => None,
        None => (version < 7).then(Str::new),
    }
}

/// OffsetCommit has no error for the whole: every partition carries it.
pub(super) fn commit_refused(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

fn described_error(id: &Str, error: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id: id.clone(), error_code: error.code(), ..Default::default() }
}
