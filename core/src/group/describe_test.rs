use crate::group::Ask;
use crate::group::stage_test::{Stage, consumer, error, offset, subscribing};
use crate::msg::Response;
use crate::msg::delete_groups::DeleteGroupsRequest;
use crate::msg::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use crate::msg::list_groups::ListGroupsRequest;
use crate::types::{ErrorCode, Str};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn describe(stage: &mut Stage, version: i16) -> DescribedGroup {
    let request = DescribeGroupsRequest { groups: vec!["g".into()], include_authorized_operations: version >= 3 };
    let ticket = stage.ask(version, Ask::Describe(request));
    let Response::DescribeGroups(body) = stage.taken(ticket) else { panic!("a description") };
    body.groups[0].clone()
}

#[test]
fn a_stable_group_is_described_with_metadata_and_assignments() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    let group = describe(&mut stage, 6);
    assert_eq!((&*group.group_state, &*group.protocol_type, &*group.protocol_data), ("Stable", "consumer", "range"));
    let member = &group.members[0];
    assert_eq!((&member.member_id, &*member.client_id, &*member.client_host), (&ids[0], "client", "/127.0.0.1"));
    assert_eq!((&member.member_metadata, &member.member_assignment), (&subscribing(&["t"]), ids[0].as_bytes()));
    assert_eq!(group.authorized_operations, 0b1101_0100_1000);
}

#[test]
fn before_the_generation_is_whole_nobody_is_bound_to_a_protocol() {
    let mut stage = Stage::new();
    stage.enter(consumer());
    let group = describe(&mut stage, 0);
    assert_eq!((&*group.group_state, &*group.protocol_data), ("PreparingRebalance", ""));
    assert_eq!((group.members.len(), group.members[0].member_metadata.len()), (1, 0));
    assert_eq!(group.authorized_operations, i32::MIN);
}

#[test]
fn a_missing_group_is_dead_and_from_version_6_on_an_error() {
    let mut stage = Stage::new();
    let (old, new) = (describe(&mut stage, 5), describe(&mut stage, 6));
    assert_eq!((&*old.group_state, error(old.error_code), old.error_message), ("Dead", ErrorCode::None, None));
    assert_eq!((&*new.group_state, error(new.error_code)), ("Dead", ErrorCode::GroupIdNotFound));
    assert_eq!(new.error_message, Some("Group g not found.".into()));
}

fn list(stage: &mut Stage, states: &[&str], types: &[&str]) -> Vec<(String, String)> {
    let texts = |all: &[&str]| all.iter().map(|text| Str::from(*text)).collect();
    let request = ListGroupsRequest { states_filter: texts(states), types_filter: texts(types) };
    let ticket = stage.ask(5, Ask::List(request));
    let Response::ListGroups(body) = stage.taken(ticket) else { panic!("a list") };
    assert!(body.groups.iter().all(|group| group.group_type == "classic"));
    let pair = |group: &crate::msg::list_groups::ListedGroup| {
        (group.group_state.as_str().into(), group.protocol_type.as_str().into())
    };
    body.groups.iter().map(pair).collect()
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut stage = Stage::new();
    stage.stable(vec![consumer()]);
    let stable = vec![("Stable".into(), "consumer".into())];
    for (states, types, listed) in [
        (&[][..], &[][..], true),
        (&["sTaBle "], &[], true),
        (&["Empty"], &[], false),
        (&["Empty", "Stable"], &["Classic"], true),
        (&[], &["consumer"], false),
        (&[], &["nonsense"], false),
        (&["nonsense"], &[], false),
    ] {
        let expected = if listed { stable.clone() } else { vec![] };
        assert_eq!(list(&mut stage, states, types), expected, "{states:?} {types:?}");
    }
}

#[test]
fn a_group_that_nobody_ever_joined_has_no_type_of_protocol() {
    let mut stage = Stage::new();
    stage.commit(9, offset(-1, "", 1));
    assert_eq!(list(&mut stage, &[], &[]), [("Empty".into(), "".into())]);
}

#[test]
fn only_empty_groups_are_deleted_with_all_their_offsets() {
    let mut stage = Stage::new();
    let delete = |stage: &mut Stage| {
        let names = vec!["g".into(), "missing".into(), "g".into()];
        let ticket = stage.ask(3, Ask::Delete(DeleteGroupsRequest { groups_names: names }));
        let Response::DeleteGroups(body) = stage.taken(ticket) else { panic!("a delete") };
        let result = |result: &crate::msg::delete_groups::DeletableGroupResult| {
            (error(result.error_code), result.error_message.clone())
        };
        body.results.iter().map(result).collect::<Vec<_>>()
    };
    let missing = (ErrorCode::GroupIdNotFound, Some("Group missing not found.".into()));
    let ids = stage.stable(vec![consumer()]);
    stage.commit(9, offset(1, &ids[0], 5));
    let busy = (ErrorCode::NonEmptyGroup, Some("The group is not empty.".into()));
    assert_eq!(delete(&mut stage), [busy, missing.clone()]);
    stage.leave(&[&ids[0]]);
    assert_eq!(delete(&mut stage), [(ErrorCode::None, None), missing]);
    assert_eq!((stage.state(), stage.shard.offsets.len()), ("Dead", 0));
    stage.reload();
    assert_eq!((stage.state(), stage.shard.offsets.len()), ("Dead", 0));
}
