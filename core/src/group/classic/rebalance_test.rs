use crate::group::stage_test::{Stage, again, consumer, error, remembered};
use crate::msg::join_group::JoinGroupRequest;
use crate::types::ErrorCode;
use alloc::vec;

#[test]
fn the_first_generation_waits_three_seconds_for_more_members() {
    let mut stage = Stage::new();
    let (_, ticket) = stage.enter(consumer());
    stage.pass(2_999);
    assert!(stage.is_waiting(ticket));
    stage.pass(1);
    assert_eq!(stage.joined(ticket).generation_id, 1);
}

#[test]
fn each_newcomer_draws_the_first_wait_out_up_to_the_rebalance_timeout() {
    let mut stage = Stage::new();
    let brief = || JoinGroupRequest { rebalance_timeout_ms: 8_000, ..consumer() };
    let (_, first) = stage.enter(brief());
    let mut others = vec![];
    for _ in 0..7 {
        stage.pass(1_000);
        others.push(stage.enter(brief()).1);
    }
    stage.pass(999);
    assert!(stage.is_waiting(first), "3 s and 3 s and 2 s");
    stage.pass(1);
    assert_eq!(stage.joined(first).members.len(), 8);
    assert!(others.into_iter().all(|ticket| stage.joined(ticket).generation_id == 1));
}

#[test]
fn a_wait_in_which_nobody_came_is_the_last_one() {
    let mut stage = Stage::new();
    let (_, first) = stage.enter(consumer());
    stage.pass(1_000);
    let (_, second) = stage.enter(consumer());
    stage.pass(4_999);
    assert!(stage.is_waiting(first) && stage.is_waiting(second));
    stage.pass(1);
    assert_eq!((stage.joined(first).members.len(), stage.joined(second).generation_id), (2, 1));
}

#[test]
fn a_group_with_members_does_not_wait_longer_than_it_takes_them() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    let (_, new) = stage.enter(consumer());
    assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::RebalanceInProgress);
    let old = stage.join(again(&ids[0], consumer()));
    assert_eq!((stage.joined(old).generation_id, stage.joined(new).generation_id), (2, 2));
}

#[test]
fn members_that_do_not_come_back_in_time_are_turned_out() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let (_, new) = stage.enter(consumer());
    let back = stage.join(again(&ids[1], consumer()));
    for _ in 0..11 {
        stage.pass(5_000);
        assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::RebalanceInProgress);
    }
    assert!(stage.is_waiting(new));
    stage.pass(5_000);
    assert_eq!((stage.joined(new).generation_id, stage.members().len()), (2, 2));
    assert_ne!(stage.joined(back).leader, ids[0], "the leader is gone, so another one leads");
    assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_that_is_silent_for_a_session_is_out() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    stage.pass(9_000);
    assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::None);
    stage.pass(1_000);
    assert_eq!((stage.state(), stage.members()), ("PreparingRebalance", vec![ids[0].clone()]));
    assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_group_whose_last_member_fails_is_remembered_as_empty() {
    let mut stage = Stage::new();
    stage.stable(vec![consumer()]);
    stage.pass(10_000);
    assert_eq!((stage.state(), remembered(&stage.last())), ("Empty", (2, vec![])));
}

#[test]
fn whoever_waits_for_the_group_cannot_fail_meanwhile() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let leader = stage.join(again(&ids[0], consumer()));
    for _ in 0..11 {
        stage.pass(5_000);
        stage.heartbeat(1, &ids[1]);
    }
    assert!(stage.is_waiting(leader), "55 s without a heartbeat");
    stage.join(again(&ids[1], consumer()));
    assert_eq!(stage.joined(leader).generation_id, 2);
}

#[test]
fn a_new_member_that_waits_too_long_is_told_to_begin_again() {
    let mut stage = Stage::new();
    let slow = || JoinGroupRequest { rebalance_timeout_ms: 1_000_000, ..consumer() };
    let ids = stage.stable(vec![slow()]);
    let (id, new) = stage.enter(slow());
    for _ in 0..59 {
        stage.pass(5_000);
        stage.heartbeat(1, &ids[0]);
    }
    assert!(stage.is_waiting(new));
    stage.pass(5_000);
    let answer = stage.joined(new);
    assert_eq!((error(answer.error_code), &*answer.member_id), (ErrorCode::UnknownMemberId, ""));
    assert!(!stage.members().contains(&id));
}

#[test]
fn members_that_never_sync_are_turned_out() {
    let mut stage = Stage::new();
    let waiting = [consumer(), consumer()].map(|request| stage.enter(request));
    stage.pass(6_000);
    let leader = stage.joined(waiting[0].1).leader;
    let (idle, _) = waiting.iter().find(|(id, _)| *id != leader).expect("the other one").clone();
    let sync = stage.sync(1, &leader, &[]);
    assert_eq!(error(stage.synced(sync).error_code), ErrorCode::None);
    for _ in 0..12 {
        stage.heartbeat(1, &leader);
        stage.heartbeat(1, &idle);
        stage.pass(5_000);
    }
    assert_eq!((stage.state(), stage.members()), ("PreparingRebalance", vec![leader]));
}

#[test]
fn a_leader_that_never_syncs_gives_way() {
    let mut stage = Stage::new();
    let waiting = [consumer(), consumer()].map(|request| stage.enter(request));
    stage.pass(6_000);
    let leader = stage.joined(waiting[0].1).leader;
    let (other, _) = waiting.iter().find(|(id, _)| *id != leader).expect("the other one").clone();
    let sync = stage.sync(1, &other, &[]);
    for _ in 0..12 {
        assert!(stage.is_waiting(sync));
        stage.heartbeat(1, &leader);
        stage.pass(5_000);
    }
    assert_eq!(error(stage.synced(sync).error_code), ErrorCode::RebalanceInProgress);
    let back = stage.join(again(&other, consumer()));
    let answer = stage.joined(back);
    assert_eq!((answer.generation_id, answer.leader, answer.members.len()), (2, other, 1));
}

#[test]
fn sessions_begin_anew_when_the_coordinator_is_loaded() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    stage.pass(9_000);
    stage.reload();
    assert_eq!((stage.state(), stage.members().len()), ("Stable", 2));
    stage.pass(9_000);
    assert_eq!(stage.heartbeat(1, &ids[0]), ErrorCode::None);
    stage.pass(1_000);
    assert_eq!((stage.state(), stage.members()), ("PreparingRebalance", vec![ids[0].clone()]));
}

#[test]
fn state_changes_are_noted() {
    let mut stage = Stage::new();
    stage.stable(vec![consumer()]);
    let names: vec::Vec<_> = stage
        .notes
        .iter()
        .map(|note| match note {
            crate::boundary::Note::Group { state, .. } => *state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["PreparingRebalance", "CompletingRebalance", "Stable"]);
}
