use crate::group::stage_test::{Stage, again, consumer, error, instance, offset, remembered, with_protocols};
use crate::group::{Ask, GroupRecord};
use crate::msg::heartbeat::HeartbeatRequest;
use crate::msg::join_group::JoinGroupRequest;
use crate::msg::leave_group::MemberIdentity;
use crate::msg::offset_commit::OffsetCommitRequest;
use crate::types::{ErrorCode, Str};
use alloc::vec;

fn beat(stage: &mut Stage, member: &Str, name: &str) -> ErrorCode {
    stage.heartbeat_as(HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: member.clone(),
        group_instance_id: Some(name.into()),
    })
}

#[test]
fn a_static_member_is_named_after_its_instance_and_joins_at_once() {
    let mut stage = Stage::new();
    let ticket = stage.join(instance("i"));
    assert!(stage.is_waiting(ticket));
    stage.pass(3_000);
    assert!(stage.joined(ticket).member_id.starts_with("i-"));
}

#[test]
fn a_restarted_static_member_keeps_its_assignment_without_a_rebalance() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![instance("a"), instance("b")]);
    let follower = ids[1].split('-').next().expect("an instance").into();
    let ticket = stage.join(JoinGroupRequest { group_instance_id: Some(follower), ..consumer() });
    let answer = stage.joined(ticket);
    assert_eq!((stage.state(), answer.generation_id, answer.skip_assignment), ("Stable", 1, false));
    assert_ne!(answer.member_id, ids[1]);
    // The new id is remembered with the old assignment.
    let (generation, members) = remembered(&stage.last());
    assert_eq!(generation, 1);
    assert!(members.contains(&(answer.member_id.as_str().into(), ids[1].as_str().into())));
    let sync = stage.sync(1, &answer.member_id, &[]);
    assert_eq!(stage.synced(sync).assignment, ids[1].as_bytes());
}

#[test]
fn a_restarted_static_leader_is_told_to_leave_the_assignment_alone() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![instance("a"), instance("b")]);
    let leader: Str = ids[0].split('-').next().expect("an instance").into();
    let request = JoinGroupRequest { group_instance_id: Some(leader), ..consumer() };
    let new = stage.ask(9, Ask::Join(request.clone()));
    let new = stage.joined(new);
    assert_eq!((new.leader == new.member_id, new.skip_assignment, new.members.len()), (true, true, 2));
    // An older one must not take itself for the leader: it is told the id that led before.
    let old = stage.ask(8, Ask::Join(request));
    let old = stage.joined(old);
    assert_eq!((&old.leader, old.skip_assignment, old.members.len()), (&new.member_id, false, 0));
    assert_eq!(stage.state(), "Stable");
}

#[test]
fn a_replaced_static_member_is_fenced_everywhere() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![instance("a")]);
    let ticket = stage.join(instance("a"));
    let new = stage.joined(ticket).member_id;
    assert_eq!(beat(&mut stage, &ids[0], "a"), ErrorCode::FencedInstanceId);
    assert_eq!(beat(&mut stage, &new, "a"), ErrorCode::None);
    assert_eq!(beat(&mut stage, &new, "b"), ErrorCode::UnknownMemberId);
    let late = stage.join(again(&ids[0], instance("a")));
    assert_eq!(error(stage.joined(late).error_code), ErrorCode::FencedInstanceId);
    let commit = OffsetCommitRequest { group_instance_id: Some("a".into()), ..offset(1, &ids[0], 5) };
    assert_eq!(stage.commit(8, commit), ErrorCode::FencedInstanceId);
    let member =
        MemberIdentity { member_id: ids[0].clone(), group_instance_id: Some("a".into()), ..Default::default() };
    assert_eq!(stage.leave_as(vec![member]), [ErrorCode::FencedInstanceId]);
}

#[test]
fn a_static_member_that_changes_the_chosen_protocol_calls_for_a_new_generation() {
    let mut stage = Stage::new();
    let names = ["range", "sticky"];
    let first = JoinGroupRequest { group_instance_id: Some("a".into()), ..with_protocols(&names) };
    stage.stable(vec![first]);
    let turned = JoinGroupRequest { group_instance_id: Some("a".into()), ..with_protocols(&["sticky", "range"]) };
    let ticket = stage.join(turned);
    let answer = stage.joined(ticket);
    assert_eq!((answer.generation_id, answer.protocol_name), (2, Some("sticky".into())));
}

#[test]
fn a_static_member_that_is_replaced_while_it_waits_is_told_so() {
    let mut stage = Stage::new();
    let first = stage.join(instance("a"));
    let second = stage.join(instance("a"));
    assert_eq!(error(stage.joined(first).error_code), ErrorCode::FencedInstanceId);
    assert_eq!(stage.members().len(), 1);
    stage.pass(6_000);
    assert_eq!(stage.joined(second).generation_id, 1);
}

#[test]
fn a_replacement_before_the_assignment_is_made_calls_for_a_new_generation() {
    let mut stage = Stage::new();
    let waiting = [instance("a"), instance("b")].map(|request| stage.join(request));
    stage.pass(6_000);
    let joined = waiting.map(|ticket| stage.joined(ticket));
    let leader = &joined[0].leader;
    let follower = joined.iter().find(|one| one.member_id != *leader).expect("the other one");
    let sync = stage.sync(1, &follower.member_id, &[]);
    let name: Str = follower.member_id.split('-').next().expect("an instance").into();
    let new = stage.join(JoinGroupRequest { group_instance_id: Some(name), ..consumer() });
    assert_eq!(error(stage.synced(sync).error_code), ErrorCode::FencedInstanceId);
    assert_eq!(stage.state(), "PreparingRebalance");
    assert!(stage.is_waiting(new));
}

#[test]
fn static_members_are_not_turned_out_by_a_rebalance_but_by_their_session() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![instance("a"), consumer()]);
    let keeper = ids.iter().find(|id| id.starts_with("client-")).expect("the dynamic one").clone();
    let news = stage.join(again(&keeper, with_protocols(&["range", "sticky"])));
    for _ in 0..12 {
        stage.pass(5_000);
        let late = ids.iter().find(|id| id.starts_with("a-")).expect("the static one").clone();
        beat(&mut stage, &late, "a");
    }
    assert_eq!(stage.joined(news).generation_id, 2);
    assert_eq!(stage.members().len(), 2, "the static member is still there");
    let GroupRecord::Metadata { value: Some(_), .. } = stage.last() else { panic!("a group") };
    stage.pass(10_000);
    assert_eq!(stage.members().len(), 0, "nobody was heard of");
}

#[test]
fn a_generation_of_static_members_none_of_whom_came_is_waited_for() {
    let mut stage = Stage::new();
    let patient = |name: &str| JoinGroupRequest { session_timeout_ms: 600_000, ..instance(name) };
    let ids = stage.stable(vec![patient("a"), patient("b"), consumer()]);
    let keeper = ids.iter().find(|id| id.starts_with("client-")).expect("the dynamic one").clone();
    assert_eq!(stage.leave(&[&keeper]), [ErrorCode::None]);
    stage.pass(130_000);
    assert_eq!((stage.state(), stage.members().len()), ("PreparingRebalance", 2));
    let id = ids.iter().find(|id| id.starts_with("b-")).expect("a static one").clone();
    let back = stage.join(again(&id, patient("b")));
    stage.pass(60_000);
    assert_eq!(stage.joined(back).leader, id, "who came leads");
}

#[test]
fn members_that_allow_no_time_to_come_back_do_not_keep_us_busy() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![instance("a"), consumer()]);
    let hasty = JoinGroupRequest { rebalance_timeout_ms: 0, ..instance("a") };
    let ticket = stage.join(hasty);
    assert_eq!(error(stage.joined(ticket).error_code), ErrorCode::None);
    let other = ids.iter().find(|id| id.starts_with("client-")).expect("the dynamic one").clone();
    stage.leave(&[&other]);
    stage.step(|shard, cx, out| shard.wake(cx, out));
    let now = stage.now.mono;
    assert!(stage.shard.deadline().is_some_and(|at| at > now));
    assert_eq!((stage.state(), stage.members().len()), ("PreparingRebalance", 1));
}
