use crate::group::stage_test::{Stage, again, consumer, error, remembered};
use crate::group::{Ask, GroupOut};
use crate::msg::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use crate::msg::sync_group::SyncGroupRequest;
use crate::msg::{Response, heartbeat::HeartbeatRequest};
use crate::types::{ErrorCode, ListenerType, Str};
use alloc::vec;
use alloc::vec::Vec;

/// Two members of a generation without assignments: the leader, the follower.
fn generation(stage: &mut Stage) -> (Str, Str) {
    let waiting = [consumer(), consumer()].map(|request| stage.enter(request).1);
    stage.pass(6_000);
    let joined = waiting.map(|ticket| stage.joined(ticket));
    let leader = joined[0].leader.clone();
    let other = joined.iter().find(|one| one.member_id != leader).expect("the other one");
    (leader, other.member_id.clone())
}

#[test]
fn the_leaders_assignment_reaches_everybody_and_the_log() {
    let mut stage = Stage::new();
    let (leader, other) = generation(&mut stage);
    let early = stage.sync(1, &other, &[]);
    assert!(stage.is_waiting(early));
    let sync = stage.sync(1, &leader, &[(&leader, "one"), (&other, "two"), (&"stranger".into(), "three")]);
    let (mine, theirs) = (stage.synced(sync), stage.synced(early));
    assert_eq!((&*mine.assignment, &*theirs.assignment), (&b"one"[..], &b"two"[..]));
    assert_eq!((mine.protocol_type, mine.protocol_name), (Some("consumer".into()), Some("range".into())));
    let mut expected = [(leader.as_str().into(), "one".into()), (other.as_str().into(), "two".into())];
    expected.sort();
    assert_eq!(remembered(&stage.last()), (1, expected.to_vec()));
}

#[test]
fn answers_wait_for_the_record_that_they_depend_on() {
    let mut stage = Stage::new();
    let (leader, other) = generation(&mut stage);
    let sync = stage.sync(1, &leader, &[(&other, "two")]);
    stage.synced(sync);
    // Whoever comes late waits for the commit as well: a verdict without records.
    let mut late = None;
    stage.step(|shard, cx, out| {
        let ticket = crate::types::Ticket { conn: crate::types::ConnId(99), seq: 0 };
        let asker = crate::boundary::Asker {
            conn: ticket.conn,
            client_id: "c".into(),
            host: "/h".into(),
            listener: 0,
            listener_type: ListenerType::Broker,
        };
        let caller = crate::group::Caller { ticket, asker: &asker, version: 3 };
        let request =
            SyncGroupRequest { group_id: "g".into(), generation_id: 1, member_id: other.clone(), ..Default::default() };
        shard.ask(cx, &caller, Ask::Sync(request), out);
        late = out.pop();
    });
    let Some(GroupOut::Verdict { records, replies }) = late else { panic!("a verdict: {late:?}") };
    let Response::SyncGroup(body) = &replies[0].1 else { panic!("a sync") };
    assert_eq!((records.len(), &*body.assignment), (0, &b"two"[..]));
}

#[test]
fn whom_the_leader_forgets_gets_nothing() {
    let mut stage = Stage::new();
    let (leader, other) = generation(&mut stage);
    let early = stage.sync(1, &other, &[]);
    stage.sync(1, &leader, &[(&leader, "all")]);
    let answer = stage.synced(early);
    assert_eq!((error(answer.error_code), answer.assignment.len()), (ErrorCode::None, 0));
}

#[test]
fn an_assignment_that_no_batch_can_hold_is_refused_and_made_anew() {
    let mut stage = Stage::new();
    let (leader, other) = generation(&mut stage);
    let early = stage.sync(1, &other, &[]);
    let large = "x".repeat(1 << 20);
    let lines = stage.log.len();
    let sync = stage.sync(1, &leader, &[(&other, &large)]);
    for ticket in [early, sync] {
        assert_eq!(error(stage.synced(ticket).error_code), ErrorCode::UnknownServerError);
    }
    assert_eq!((stage.state(), stage.log.len()), ("PreparingRebalance", lines));
}

#[test]
fn a_sync_of_another_generation_or_a_stranger_is_refused() {
    let mut stage = Stage::new();
    let missing = stage.sync(1, &"m".into(), &[]);
    assert_eq!(error(stage.synced(missing).error_code), ErrorCode::UnknownMemberId);
    let (leader, _) = generation(&mut stage);
    for (generation, id, expected) in [
        (2, leader.clone(), ErrorCode::IllegalGeneration),
        (0, leader.clone(), ErrorCode::IllegalGeneration),
        (1, "stranger".into(), ErrorCode::UnknownMemberId),
    ] {
        let ticket = stage.sync(generation, &id, &[]);
        assert_eq!(error(stage.synced(ticket).error_code), expected);
    }
    let (_, waiting) = stage.enter(consumer());
    assert!(stage.is_waiting(waiting));
    let called = stage.sync(1, &leader, &[]);
    assert_eq!(error(stage.synced(called).error_code), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_sync_has_to_believe_in_the_chosen_protocol() {
    let mut stage = Stage::new();
    let (leader, _) = generation(&mut stage);
    let request = |kind: Option<&str>, name: Option<&str>| SyncGroupRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: leader.clone(),
        protocol_type: kind.map(Str::from),
        protocol_name: name.map(Str::from),
        ..Default::default()
    };
    for (version, body) in [
        (5, request(None, Some("range"))),
        (5, request(Some("consumer"), None)),
        (5, request(Some("connect"), Some("range"))),
        (5, request(Some("consumer"), Some("sticky"))),
    ] {
        let ticket = stage.ask(version, Ask::Sync(body));
        assert_eq!(error(stage.synced(ticket).error_code), ErrorCode::InconsistentGroupProtocol);
    }
    let old = stage.ask(4, Ask::Sync(request(None, None)));
    assert_eq!(error(stage.synced(old).error_code), ErrorCode::None);
}

#[test]
fn a_heartbeat_says_what_the_member_should_do() {
    let mut stage = Stage::new();
    assert_eq!(stage.heartbeat(0, &"m".into()), ErrorCode::UnknownMemberId);
    let (leader, other) = generation(&mut stage);
    assert_eq!(stage.heartbeat(1, &leader), ErrorCode::None, "while the leader divides the work");
    let waiting = stage.sync(1, &other, &[]);
    stage.settle_with(&leader, waiting);
    assert_eq!(stage.heartbeat(1, &leader), ErrorCode::None);
    assert_eq!(stage.heartbeat(0, &leader), ErrorCode::IllegalGeneration);
    stage.join(again(&leader, consumer()));
    assert_eq!(stage.heartbeat(1, &other), ErrorCode::RebalanceInProgress);
    let nameless = HeartbeatRequest { group_id: "".into(), ..Default::default() };
    assert_eq!(stage.heartbeat_as(nameless), ErrorCode::InvalidGroupId);
}

impl Stage {
    fn settle_with(&mut self, leader: &Str, waiting: crate::types::Ticket) {
        let sync = self.sync(1, leader, &[]);
        self.synced(sync);
        self.synced(waiting);
    }
}

#[test]
fn the_last_member_to_leave_leaves_an_empty_group() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    assert_eq!(stage.leave(&[&ids[0]]), [ErrorCode::None]);
    assert_eq!(stage.state(), "PreparingRebalance");
    assert_eq!(stage.leave(&[&ids[1]]), [ErrorCode::None]);
    assert_eq!((stage.state(), remembered(&stage.last())), ("Empty", (2, vec![])));
    assert_eq!(stage.leave(&[&ids[1]]), [ErrorCode::UnknownMemberId]);
}

#[test]
fn many_members_leave_at_once_each_with_an_answer_of_its_own() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer(), crate::group::stage_test::instance("i")]);
    let promise = stage.join(consumer());
    let promised = stage.joined(promise).member_id;
    let by_id = |id: &Str| MemberIdentity { member_id: id.clone(), ..Default::default() };
    let by_name = |name: &str| MemberIdentity { group_instance_id: Some(name.into()), ..Default::default() };
    let dynamic: Vec<&Str> = ids.iter().filter(|id| id.starts_with("client-")).collect();
    let leaving = vec![by_id(dynamic[0]), by_id(&"stranger".into()), by_name("i"), by_name("j"), by_id(&promised)];
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(stage.leave_as(leaving), [ErrorCode::None, unknown, ErrorCode::None, unknown, ErrorCode::None]);
    assert_eq!(stage.members(), [dynamic[1].clone()]);
}

#[test]
fn before_version_3_the_error_is_the_answers_own() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer()]);
    let leave = |id: &Str| LeaveGroupRequest { group_id: "g".into(), member_id: id.clone(), ..Default::default() };
    for (id, expected) in [(&"stranger".into(), ErrorCode::UnknownMemberId), (&ids[0], ErrorCode::None)] {
        let ticket = stage.ask(2, Ask::Leave(leave(id)));
        let expected = LeaveGroupResponse { error_code: expected.code(), ..Default::default() };
        assert_eq!(stage.taken(ticket), expected.into());
    }
}

#[test]
fn whoever_leaves_while_others_wait_for_it_ends_their_wait() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    let leader = stage.join(again(&ids[0], consumer()));
    assert!(stage.is_waiting(leader));
    stage.leave(&[&ids[1]]);
    assert_eq!(stage.joined(leader).generation_id, 2);
}

#[test]
fn whoever_is_taken_out_while_it_waits_is_told_so() {
    let mut stage = Stage::new();
    let (id, waiting) = stage.enter(consumer());
    stage.leave(&[&id]);
    assert_eq!(error(stage.joined(waiting).error_code), ErrorCode::UnknownMemberId);
    stage.pass(3_000);
    assert_eq!((stage.state(), remembered(&stage.last())), ("Empty", (1, vec![])));
}
