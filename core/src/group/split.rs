//! Requests that name many groups are cut into one question a group, since each group has its own coordinator, and the
//! answers are put together again. Pure functions for whoever stands between connections and shards.

use super::ask::Ask;
use super::offsets::{FETCH_BATCH_VERSION, fetch_answer};
use crate::msg::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::msg::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use crate::msg::list_groups::ListGroupsResponse;
use crate::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{ErrorCode, Str};
use alloc::vec;
use alloc::vec::Vec;

/// The partition of `__consumer_offsets` that a group belongs to, of `partitions` in all: Java's `String.hashCode`
/// without its sign. Also right for transactional ids and `__transaction_state`.
pub fn coordinator_partition(group_id: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has partitions");
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions
}

/// The questions that make up a request about groups, each with the partition whose coordinator has to answer it, in the
/// request's order. A list is asked of every partition. `None` if the request is not about groups.
pub fn split(request: Request, version: i16, partitions: i32) -> Option<Vec<(i32, Ask)>> {
    let one = |group: &Str, ask: Ask| vec![(coordinator_partition(group, partitions), ask)];
    Some(match request {
        Request::JoinGroup(body) => one(&body.group_id.clone(), Ask::Join(body)),
        Request::SyncGroup(body) => one(&body.group_id.clone(), Ask::Sync(body)),
        Request::Heartbeat(body) => one(&body.group_id.clone(), Ask::Heartbeat(body)),
        Request::LeaveGroup(body) => one(&body.group_id.clone(), Ask::Leave(body)),
        Request::OffsetCommit(body) => one(&body.group_id.clone(), Ask::Commit(body)),
        Request::OffsetDelete(body) => one(&body.group_id.clone(), Ask::OffsetDelete(body)),
        Request::OffsetFetch(body) if version < FETCH_BATCH_VERSION => one(&body.group_id.clone(), Ask::Fetch(body)),
        Request::OffsetFetch(body) => {
            let require_stable = body.require_stable;
            let part = |group: OffsetFetchRequestGroup| {
                let at = coordinator_partition(&group.group_id, partitions);
                let groups = vec![group];
                (at, Ask::Fetch(OffsetFetchRequest { groups, require_stable, ..Default::default() }))
            };
            body.groups.into_iter().map(part).collect()
        }
        Request::DescribeGroups(body) => {
            let include_authorized_operations = body.include_authorized_operations;
            let part = |group: Str| {
                let at = coordinator_partition(&group, partitions);
                (at, Ask::Describe(DescribeGroupsRequest { groups: vec![group], include_authorized_operations }))
            };
            body.groups.into_iter().map(part).collect()
        }
        Request::DeleteGroups(body) => delete_parts(body, partitions),
        Request::ListGroups(body) => (0..partitions).map(|at| (at, Ask::List(body.clone()))).collect(),
        _ => return None,
    })
}

/// A group that is named twice is deleted, and answered, once.
fn delete_parts(body: DeleteGroupsRequest, partitions: i32) -> Vec<(i32, Ask)> {
    let mut parts: Vec<(i32, Ask)> = Vec::new();
    let mut seen = alloc::collections::BTreeSet::new();
    for group in body.groups_names {
        if seen.insert(group.clone()) {
            let at = coordinator_partition(&group, partitions);
            parts.push((at, Ask::Delete(DeleteGroupsRequest { groups_names: vec![group] })));
        }
    }
    parts
}

/// The answer to a request from the answers to its questions, in their order. One question has one answer; a request
/// without groups has an empty one. A list lacks what is led elsewhere; any other error of a part is the answer's.
pub fn join(api: ApiKey, version: i16, parts: Vec<Response>) -> Response {
    match api {
        ApiKey::OffsetFetch if version >= FETCH_BATCH_VERSION => {
            let of = |part| if let Response::OffsetFetch(body) = part { body.groups } else { Vec::new() };
            fetch_answer(version, parts.into_iter().flat_map(of).collect()).into()
        }
        ApiKey::DescribeGroups => {
            let of = |part| if let Response::DescribeGroups(body) = part { body.groups } else { Vec::new() };
            let groups = parts.into_iter().flat_map(of).collect();
            DescribeGroupsResponse { groups, ..Default::default() }.into()
        }
        ApiKey::DeleteGroups => {
            let of = |part| if let Response::DeleteGroups(body) = part { body.results } else { Vec::new() };
            let results = parts.into_iter().flat_map(of).collect();
            DeleteGroupsResponse { results, ..Default::default() }.into()
        }
        ApiKey::ListGroups => join_lists(parts).into(),
        _ => parts.into_iter().next().expect("one question, one answer"),
    }
}

fn join_lists(parts: Vec<Response>) -> ListGroupsResponse {
    let mut whole = ListGroupsResponse::default();
    for part in parts {
        let Response::ListGroups(mut part) = part else { continue };
        match part.error_code {
            0 => whole.groups.append(&mut part.groups),
            elsewhere if elsewhere == ErrorCode::NotCoordinator.code() => {}
            _ => return part,
        }
    }
    whole
}

#[cfg(test)]
#[path = "split_test.rs"]
mod split_test;
