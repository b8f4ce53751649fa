use crate::group::stage_test::{Stage, again, consumer, error, instance, remembered, with_protocols};
use crate::group::{Ask, GroupRecord};
use crate::msg::join_group::JoinGroupRequest;
use crate::types::{ErrorCode, limit};
use alloc::vec;

#[test]
fn a_new_member_has_to_come_back_with_the_id_that_it_is_given() {
    let mut stage = Stage::new();
    let first = stage.ask(4, Ask::Join(consumer()));
    let promise = stage.joined(first);
    assert_eq!(error(promise.error_code), ErrorCode::MemberIdRequired);
    assert!(promise.member_id.starts_with("client-") && promise.member_id.len() == 7 + 36, "{}", promise.member_id);
    assert_eq!((stage.state(), stage.members().len()), ("Empty", 0));
    // The group is remembered before anybody is in it.
    assert_eq!(remembered(&stage.last()), (0, vec![]));
    let second = stage.ask(4, Ask::Join(again(&promise.member_id, consumer())));
    assert!(stage.is_waiting(second));
    assert_eq!(stage.members(), vec![promise.member_id.clone()]);
    stage.pass(3_000);
    let joined = stage.joined(second);
    assert_eq!((joined.generation_id, joined.leader, joined.members.len()), (1, promise.member_id, 1));
}

#[test]
fn before_version_4_a_new_member_joins_at_once() {
    let mut stage = Stage::new();
    let ticket = stage.ask(3, Ask::Join(consumer()));
    assert_eq!(stage.members().len(), 1);
    stage.pass(3_000);
    assert_eq!(stage.joined(ticket).generation_id, 1);
}

#[test]
fn version_0_takes_the_session_timeout_for_the_rebalance_timeout() {
    let mut stage = Stage::new();
    let request = JoinGroupRequest { rebalance_timeout_ms: -1, session_timeout_ms: 30_000, ..consumer() };
    let ticket = stage.ask(0, Ask::Join(request));
    stage.pass(3_000);
    let member = stage.joined(ticket).member_id;
    let sync = stage.sync(1, &member, &[]);
    stage.synced(sync);
    let GroupRecord::Metadata { value: Some(value), .. } = stage.last() else { panic!("a group") };
    assert_eq!(value.members[0].rebalance_timeout, 30_000);
}

#[test]
fn a_promised_id_that_nobody_uses_is_forgotten_after_a_session() {
    let mut stage = Stage::new();
    let (_, waiting) = stage.enter(consumer());
    let promise = stage.join(consumer());
    let promised = stage.joined(promise).member_id;
    stage.pass(3_000);
    // The first join phase ends although the promised member is missing.
    stage.joined(waiting);
    stage.pass(8_000);
    let late = stage.join(again(&promised, consumer()));
    assert_eq!(error(stage.joined(late).error_code), ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_promises_only_so_many_ids_at_a_time() {
    let mut stage = Stage::new();
    for _ in 0..limit::MEMBERS_PROMISED_MAX {
        let promise = stage.join(consumer());
        assert_eq!(error(stage.joined(promise).error_code), ErrorCode::MemberIdRequired);
    }
    let refused = stage.join(consumer());
    assert_eq!(error(stage.joined(refused).error_code), ErrorCode::CoordinatorLoadInProgress, "to be tried again");
    stage.pass(60_000);
    let promise = stage.join(consumer());
    assert_eq!(error(stage.joined(promise).error_code), ErrorCode::MemberIdRequired, "promises end");
}

#[test]
fn a_long_name_makes_no_long_member_id() {
    let mut stage = Stage::new();
    let ticket = stage.join(instance(&"é".repeat(10_000)));
    stage.pass(3_000);
    assert_eq!(stage.joined(ticket).member_id.len(), 254 + 37);
}

#[test]
fn a_rebalance_waits_for_promised_members() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    let promise = stage.join(consumer());
    let promised = stage.joined(promise).member_id;
    let leader = stage.join(again(&ids[0], consumer()));
    assert!(stage.is_waiting(leader), "the promised member may still come");
    let second = stage.join(again(&promised, consumer()));
    assert_eq!((stage.joined(leader).generation_id, stage.joined(second).generation_id), (2, 2));
}

#[test]
fn what_is_wrong_with_a_request_is_said_before_the_group_is_looked_at() {
    let mut stage = Stage::new();
    let cases = [
        (JoinGroupRequest { group_id: "".into(), ..consumer() }, ErrorCode::InvalidGroupId),
        (JoinGroupRequest { session_timeout_ms: 5_999, ..consumer() }, ErrorCode::InvalidSessionTimeout),
        (JoinGroupRequest { session_timeout_ms: 1_800_001, ..consumer() }, ErrorCode::InvalidSessionTimeout),
        (JoinGroupRequest { session_timeout_ms: -1, ..consumer() }, ErrorCode::InvalidSessionTimeout),
        (again(&"stranger".into(), consumer()), ErrorCode::UnknownMemberId),
        (JoinGroupRequest { protocol_type: "".into(), ..consumer() }, ErrorCode::InconsistentGroupProtocol),
        (JoinGroupRequest { protocols: vec![], ..consumer() }, ErrorCode::InconsistentGroupProtocol),
    ];
    for (request, expected) in cases {
        let ticket = stage.join(request);
        assert_eq!(error(stage.joined(ticket).error_code), expected);
    }
    assert!(stage.log.is_empty());
}

#[test]
fn protocol_type_and_protocols_must_fit_the_group() {
    let mut stage = Stage::new();
    stage.stable(vec![consumer()]);
    let connect = JoinGroupRequest { protocol_type: "connect".into(), ..consumer() };
    for request in [connect, with_protocols(&["roundrobin"])] {
        let ticket = stage.join(request);
        assert_eq!(error(stage.joined(ticket).error_code), ErrorCode::InconsistentGroupProtocol);
    }
    assert_eq!(stage.state(), "Stable");
}

#[test]
fn the_protocol_of_most_votes_among_those_that_all_follow_is_chosen() {
    let mut stage = Stage::new();
    let wishes = [["sticky", "range", "odd"], ["range", "sticky", "even"], ["range", "sticky", "odd"]];
    let waiting = wishes.map(|names| stage.enter(with_protocols(&names)).1);
    stage.pass(9_000);
    for ticket in waiting {
        assert_eq!(stage.joined(ticket).protocol_name.expect("a name"), "range");
    }
}

#[test]
fn only_the_leader_learns_who_is_in_the_group() {
    let mut stage = Stage::new();
    let (first, one) = stage.enter(consumer());
    let (_, two) = stage.enter(consumer());
    stage.pass(6_000);
    let (one, two) = (stage.joined(one), stage.joined(two));
    assert_eq!((&one.leader, &two.leader), (&first, &first));
    assert_eq!((one.members.len(), two.members.len()), (2, 0));
    assert_eq!(one.members[0].metadata, consumer().protocols[0].metadata);
}

#[test]
fn a_follower_with_nothing_new_does_not_disturb_a_stable_group() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let ticket = stage.join(again(&ids[1], consumer()));
    let answer = stage.joined(ticket);
    assert_eq!((answer.generation_id, &answer.leader, answer.members.len()), (1, &ids[0], 0));
    assert_eq!(stage.state(), "Stable");
}

#[test]
fn the_leader_of_a_stable_group_always_calls_for_a_new_generation() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let leader = stage.join(again(&ids[0], consumer()));
    assert_eq!(stage.state(), "PreparingRebalance");
    assert_eq!(stage.heartbeat(1, &ids[1]), ErrorCode::RebalanceInProgress);
    let follower = stage.join(again(&ids[1], consumer()));
    assert_eq!((stage.joined(leader).generation_id, stage.joined(follower).leader), (2, ids[0].clone()));
}

#[test]
fn a_member_with_new_metadata_calls_for_a_new_generation() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let news = stage.join(again(&ids[1], with_protocols(&["range", "sticky"])));
    assert_eq!(stage.state(), "PreparingRebalance");
    stage.join(again(&ids[0], consumer()));
    assert_eq!(stage.joined(news).generation_id, 2);
    assert_eq!(stage.state(), "CompletingRebalance");
    let other = stage.join(again(&ids[1], with_protocols(&["range"])));
    assert!(stage.is_waiting(other));
    assert_eq!(stage.state(), "PreparingRebalance");
}

#[test]
fn a_member_that_missed_its_answer_gets_it_again() {
    let mut stage = Stage::new();
    let (first, one) = stage.enter(consumer());
    let (second, two) = stage.enter(consumer());
    stage.pass(6_000);
    stage.joined(one);
    stage.joined(two);
    for (id, members) in [(&first, 2), (&second, 0)] {
        let ticket = stage.join(again(id, consumer()));
        let answer = stage.joined(ticket);
        assert_eq!((answer.generation_id, answer.members.len()), (1, members));
    }
    assert_eq!(stage.state(), "CompletingRebalance");
}

#[test]
fn a_member_that_asks_twice_is_answered_twice() {
    let mut stage = Stage::new();
    let (id, first) = stage.enter(consumer());
    let second = stage.join(again(&id, consumer()));
    assert_eq!(error(stage.joined(first).error_code), ErrorCode::RebalanceInProgress);
    stage.pass(3_000);
    assert_eq!(stage.joined(second).generation_id, 1);
}

#[test]
fn a_full_group_turns_new_members_away() {
    let mut stage = Stage::new();
    stage.config.group.size_max = 2;
    let waiting = [consumer(), consumer()].map(|request| stage.enter(request));
    let third = stage.join(consumer());
    assert_eq!(error(stage.joined(third).error_code), ErrorCode::GroupMaxSizeReached);
    stage.pass(6_000);
    let ids = waiting.map(|(_, ticket)| stage.joined(ticket).member_id);
    let third = stage.join(consumer());
    assert_eq!(error(stage.joined(third).error_code), ErrorCode::GroupMaxSizeReached);
    let member = stage.join(again(&ids[1], consumer()));
    assert_eq!(error(stage.joined(member).error_code), ErrorCode::None);
}

#[test]
fn a_group_that_has_become_too_large_shrinks_when_it_is_loaded() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer(), consumer()]);
    stage.config.group.size_max = 2;
    stage.reload();
    assert_eq!(stage.state(), "PreparingRebalance");
    let waiting = [0, 1].map(|at: usize| stage.join(again(&ids[at], consumer())));
    let last = stage.join(again(&ids[2], consumer()));
    assert_eq!(error(stage.joined(last).error_code), ErrorCode::GroupMaxSizeReached);
    stage.pass(60_000);
    for ticket in waiting {
        assert_eq!(stage.joined(ticket).generation_id, 2);
    }
}

#[test]
fn the_name_of_the_protocol_is_null_only_where_the_version_allows() {
    let mut stage = Stage::new();
    for (version, expected) in [(6, Some("".into())), (7, None)] {
        let ticket = stage.ask(version, Ask::Join(again(&"stranger".into(), consumer())));
        assert_eq!(stage.joined(ticket).protocol_name, expected);
    }
}

#[test]
fn a_promised_id_is_no_static_member() {
    let mut stage = Stage::new();
    let promise = stage.join(consumer());
    let promised = stage.joined(promise).member_id;
    let ticket = stage.join(again(&promised, instance("i")));
    assert_eq!(error(stage.joined(ticket).error_code), ErrorCode::UnknownServerError);
}
