use super::stage_test::{Stage, again, consumer, error, offset};
use super::{Ask, GroupRecord};
use crate::msg::Response;
use crate::msg::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::types::ErrorCode;
use crate::types::ListenerType;
use alloc::vec;
use bytes::Bytes;

#[test]
fn a_closed_connection_loses_its_answer_and_nothing_else() {
    let mut stage = Stage::new();
    let (id, lost) = stage.enter(consumer());
    let (_, waiting) = stage.enter(consumer());
    stage.give_up(lost);
    assert_eq!(stage.members().len(), 2);
    stage.pass(6_000);
    assert_eq!(stage.joined(waiting).generation_id, 1);
    assert_eq!(stage.take(lost), None);
    let back = stage.join(again(&id, consumer()));
    assert_eq!(stage.joined(back).generation_id, 1, "the member asks again and learns its generation");
}

#[test]
fn an_abandoned_shard_sends_everybody_away() {
    let mut stage = Stage::new();
    let (_, first) = stage.enter(consumer());
    let (_, second) = stage.enter(consumer());
    stage.pass(6_000);
    let (first, second) = (stage.joined(first), stage.joined(second));
    let follower = if first.leader == first.member_id { second.member_id } else { first.member_id };
    let sync = stage.sync(1, &follower, &[]);
    let replies = core::mem::take(&mut stage.shard).abandon();
    assert_eq!(replies.len(), 1);
    let Response::SyncGroup(body) = &replies[0].1 else { panic!("a sync") };
    assert_eq!((replies[0].0, error(body.error_code)), (sync, ErrorCode::NotCoordinator));
}

#[test]
fn a_shard_that_still_loads_does_not_frighten_members() {
    let beat = Ask::Heartbeat(HeartbeatRequest::default());
    assert_eq!(beat.refused(4, ErrorCode::CoordinatorLoadInProgress), HeartbeatResponse::default().into());
    let elsewhere = HeartbeatResponse { error_code: ErrorCode::NotCoordinator.code(), ..Default::default() };
    assert_eq!(beat.refused(4, ErrorCode::NotCoordinator), elsewhere.into());
}

#[test]
fn replayed_records_give_the_same_group() {
    let mut stage = Stage::new();
    let ids = stage.stable(vec![consumer(), consumer()]);
    stage.commit(9, offset(1, &ids[0], 42));
    assert_eq!(Stage::hard(&stage.replayed()), Stage::hard(&stage.shard));
    stage.reload();
    let digest = stage.digest();
    stage.reload();
    assert_eq!(stage.digest(), digest);
    assert_eq!(stage.heartbeat(1, &ids[1]), ErrorCode::None);
    assert_eq!(stage.commit(9, offset(1, &ids[1], 43)), ErrorCode::None);
}

#[test]
fn records_of_other_kinds_of_groups_are_passed_over() {
    assert_eq!(GroupRecord::decode(Bytes::from_static(b"\0\x03\0\x01g"), None), Ok(None));
    assert!(GroupRecord::decode(Bytes::from_static(b"\0\x01\0\x09g"), None).is_err());
    assert!(GroupRecord::decode(Bytes::from_static(b"\0\x02\0\x01g"), Some(Bytes::from_static(b"\0\x63"))).is_err());
}

#[test]
fn a_remembered_group_that_makes_no_sense_breaks_nothing() {
    let mut stage = Stage::new();
    stage.stable(vec![consumer(), consumer()]);
    let GroupRecord::Metadata { key, value: Some(mut value) } = stage.last() else { panic!("a group") };
    value.members.push(value.members[0].clone());
    (value.leader, value.protocol) = (Some("nobody".into()), None);
    let record = GroupRecord::Metadata { key, value: Some(value) };
    stage.log.push((record.encode_key(), record.encode_value()));
    stage.reload();
    assert_eq!((stage.state(), stage.members().len()), ("Stable", 2));
    stage.pass(10_000);
    assert_eq!(stage.state(), "Empty");
}

#[test]
#[should_panic(expected = "a verdict is applied before the next question")]
fn a_verdict_is_applied_before_the_next_question() {
    let mut stage = Stage::new();
    let mut out = vec![];
    let ticket = crate::types::Ticket { conn: crate::types::ConnId(1), seq: 0 };
    let asker = crate::boundary::Asker {
        conn: ticket.conn,
        client_id: "c".into(),
        host: "/h".into(),
        listener: 0,
        listener_type: ListenerType::Broker,
    };
    let caller = super::Caller { ticket, asker: &asker, version: 9 };
    let Stage { shard, config, now, rng, notes, .. } = &mut stage;
    let mut cx = crate::shard::Cx { now: *now, config, rng, notes };
    for at in 0..2 {
        shard.ask(&mut cx, &caller, Ask::Commit(offset(-1, "", at)), &mut out);
    }
}
