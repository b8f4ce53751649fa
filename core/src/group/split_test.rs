use super::{coordinator_partition, join, split};
use crate::group::Ask;
use crate::msg::delete_groups::DeleteGroupsRequest;
use crate::msg::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use crate::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
};
use crate::msg::{ApiKey, Request, Response};
use crate::types::ErrorCode;
use alloc::vec;
use alloc::vec::Vec;

#[test]
fn a_group_belongs_to_the_partition_that_java_computes() {
    // Values of `Math.abs(id.hashCode()) % 50` under Java 17.
    for (group, partition) in [("", 0), ("g", 3), ("my-group", 12), ("console-consumer-12345", 6), ("größe", 7)] {
        assert_eq!(coordinator_partition(group, 50), partition, "{group}");
    }
    // Its hash is -2^31, whose absolute value is not a number of Java's; Kafka takes 0.
    assert_eq!(coordinator_partition("polygenelubricants", 50), 0);
}

#[test]
fn a_fetch_of_many_groups_asks_one_coordinator_a_group_and_keeps_their_order() {
    let group = |id: &str| OffsetFetchRequestGroup { group_id: id.into(), ..Default::default() };
    let request =
        OffsetFetchRequest { groups: vec![group("b"), group("a")], require_stable: true, ..Default::default() };
    let parts = split(Request::OffsetFetch(request), 8, 50).expect("it is about groups");
    let of = |(at, ask): &(i32, Ask)| match ask {
        Ask::Fetch(part) => (*at, part.groups[0].group_id.clone(), part.groups.len(), part.require_stable),
        other => panic!("a fetch, not {other:?}"),
    };
    let asked: Vec<_> = parts.iter().map(of).collect();
    assert_eq!(asked, [(48, "b".into(), 1, true), (47, "a".into(), 1, true)]);
    let answer = |id: &str| {
        let groups = vec![OffsetFetchResponseGroup { group_id: id.into(), ..Default::default() }];
        Response::from(OffsetFetchResponse { groups, ..Default::default() })
    };
    let Response::OffsetFetch(whole) = join(ApiKey::OffsetFetch, 8, vec![answer("b"), answer("a")]) else {
        panic!("a fetch")
    };
    assert_eq!(whole.groups.iter().map(|group| group.group_id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn a_group_that_is_named_twice_is_deleted_once() {
    let request = DeleteGroupsRequest { groups_names: vec!["a".into(), "b".into(), "a".into()] };
    assert_eq!(split(Request::DeleteGroups(request), 2, 50).expect("it is about groups").len(), 2);
}

#[test]
fn a_list_is_asked_of_all_lacks_what_is_led_elsewhere_and_fails_with_any_other_error() {
    let parts = split(Request::ListGroups(ListGroupsRequest::default()), 5, 3).expect("it is about groups");
    assert_eq!(parts.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1, 2]);
    let listed = |id: &str| {
        let groups = vec![ListedGroup { group_id: id.into(), ..Default::default() }];
        Response::from(ListGroupsResponse { groups, ..Default::default() })
    };
    let Response::ListGroups(whole) = join(ApiKey::ListGroups, 5, vec![listed("a"), listed("b")]) else {
        panic!("a list")
    };
    assert_eq!(whole.groups.len(), 2);
    let elsewhere = parts[0].1.refused(5, ErrorCode::NotCoordinator);
    assert_eq!(join(ApiKey::ListGroups, 5, vec![elsewhere, listed("a")]), listed("a"));
    let loading = parts[0].1.refused(5, ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(join(ApiKey::ListGroups, 5, vec![listed("a"), loading.clone()]), loading);
}

#[test]
fn other_requests_are_not_about_groups() {
    assert_eq!(split(Request::Metadata(Default::default()), 12, 50), None);
}
