//! What people ask about groups: DescribeGroups, ListGroups, DeleteGroups.

use super::ask::Caller;
use super::classic::{Classic, Member, State};
use super::desk::Desk;
use super::offsets::Topics;
use super::record::GroupRecord;
use super::{GroupMap, OffsetMap};
use crate::msg::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use crate::msg::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use crate::msg::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use crate::types::{ErrorCode, Str, quoted};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Answers a DescribeGroups.
pub(super) fn describe(
    groups: &GroupMap,
    desk: &mut Desk<'_, '_>,
    caller: &Caller<'_>,
    request: DescribeGroupsRequest,
) {
    let rights = request.include_authorized_operations && caller.version >= AUTHORIZED_VERSION;
    let describe = |id: Str| match groups.get(&id) {
        Some(group) => {
            let mut described = describe_group(id, &group.live);
            if rights {
                described.authorized_operations = ALL_OPERATIONS;
            }
            described
        }
        None => missing(id, caller.version, rights),
    };
    let groups = request.groups.into_iter().map(describe).collect();
    desk.reply(caller.ticket, DescribeGroupsResponse { groups, ..Default::default() });
}

fn describe_group(group_id: Str, group: &Classic) -> DescribedGroup {
    // Metadata are those of the generation's protocol; before it is complete nobody is bound to one.
    let protocol = group.protocol.as_ref().filter(|_| group.state() == State::Stable);
    let member = |(id, member): (&Str, &Member)| DescribedGroupMember {
        member_id: id.clone(),
        group_instance_id: member.instance.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: protocol.map(|name| member.metadata(name)).unwrap_or_default(),
        member_assignment: member.assignment.clone(),
    };
    DescribedGroup {
        group_id,
        group_state: Str::from_static(group.state().name()),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        protocol_data: protocol.cloned().unwrap_or_default(),
        members: group.members().iter().map(member).collect(),
        ..Default::default()
    }
}

fn not_found(id: &Str) -> Str {
    format!("Group {} not found.", quoted(id)).into()
}

/// Before version 6 a missing group is described as a dead one, without an error.
fn missing(id: Str, version: i16, rights: bool) -> DescribedGroup {
    let mut described = DescribedGroup { group_state: Str::from_static("Dead"), ..Default::default() };
    if version >= NOT_FOUND_VERSION {
        described.error_code = ErrorCode::GroupIdNotFound.code();
        described.error_message = Some(not_found(&id));
    } else if rights {
        described.authorized_operations = ALL_OPERATIONS;
    }
    described.group_id = id;
    described
}

/// Answers a ListGroups: all groups in one of these states and of one of these types; no filter lets all through.
pub(super) fn list(groups: &GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &ListGroupsRequest) {
    let lower = |text: &Str| text.to_lowercase();
    let states: Vec<String> = request.states_filter.iter().map(|text| lower(text).trim().into()).collect();
    let types: Vec<String> = request.types_filter.iter().map(lower).collect();
    let wanted = |state: State| states.is_empty() || states.contains(&state.name().to_lowercase());
    if !types.is_empty() && !types.iter().any(|kind| kind == CLASSIC) {
        return desk.reply(caller.ticket, ListGroupsResponse::default());
    }
    let listed = groups.iter().filter(|(_, group)| wanted(group.live.state())).map(|(id, group)| ListedGroup {
        group_id: id.clone(),
        protocol_type: group.live.protocol_type.clone().unwrap_or_default(),
        group_state: Str::from_static(group.live.state().name()),
        group_type: Str::from_static(CLASSIC),
    });
    desk.reply(caller.ticket, ListGroupsResponse { groups: listed.collect(), ..Default::default() });
}

/// Answers a DeleteGroups once the groups and their offsets are forgotten.
pub(super) fn delete(
    groups: &GroupMap,
    offsets: &OffsetMap,
    desk: &mut Desk<'_, '_>,
    caller: &Caller<'_>,
    request: DeleteGroupsRequest,
) {
    let mut records = Vec::new();
    let mut results: Vec<DeletableGroupResult> = Vec::new();
    for id in request.groups_names {
        if results.iter().any(|result| result.group_id == id) {
            continue;
        }
        let (error, message) = match groups.get(&id) {
            None => (ErrorCode::GroupIdNotFound, Some(not_found(&id))),
            Some(group) if group.live.state() != State::Empty => {
                (ErrorCode::NonEmptyGroup, Some(Str::from_static("The group is not empty.")))
            }
            Some(_) => {
                forget(&id, offsets.get(&id), &mut records);
                (ErrorCode::None, None)
            }
        };
        results.push(DeletableGroupResult { group_id: id, error_code: error.code(), error_message: message });
    }
    let response = DeleteGroupsResponse { results, ..Default::default() };
    desk.write_chunked(records, vec![(caller.ticket, response.into())]);
}

fn forget(id: &Str, offsets: Option<&Topics>, records: &mut Vec<GroupRecord>) {
    for (topic, partitions) in offsets.into_iter().flatten() {
        records.extend(partitions.keys().map(|partition| GroupRecord::offset_gone(id, topic, *partition)));
    }
    records.push(GroupRecord::group_gone(id));
}

/// Kafka writes the type in lower case; its clients read it in any.
const CLASSIC: &str = "classic";
const AUTHORIZED_VERSION: i16 = 3;
const NOT_FOUND_VERSION: i16 = 6;
/// READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS: what one may do with a group where nobody is refused.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

#[cfg(test)]
#[path = "describe_test.rs"]
mod describe_test;
