use super::{Coordinators, HostOut, HostState, Loading};
use crate::boundary::{DiskFault, Done, Effect, Effects};
use crate::msg::Request;
use crate::msg::find_coordinator::FindCoordinatorRequest;
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::node::scene_test::Scene;
use crate::partition::{Answer, PartKey, Refused};
use crate::record::Records;
use crate::types::{ConnId, ErrorCode, LeaderEpoch, LogId, Offset, OffsetRange, Str, Ticket, Wall};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// The question for what is committed, of which a shard waits for the answer.
fn asked(hosts: &Coordinators, log: LogId) -> PartKey {
    let HostState::Loading(Loading::Committed(seq)) = hosts.hosts[&log].state else {
        panic!("more was read than is known to be committed")
    };
    PartKey { ticket: Ticket { conn: ConnId::INTERNAL, seq }, topic: 0, partition: 0 }
}

fn commit(scene: &mut Scene, offset: i64) -> Ticket {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: Str::from("orders"), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: Str::from("readers"),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    scene.ask(8, Request::OffsetCommit(request))
}

/// Too few replicas are in sync: the first append waits for more, one that comes now is refused at once.
#[test]
fn a_later_append_may_be_refused_before_an_earlier_one_is_committed() {
    let mut scene = crate::node::node_test::with_topic(1);
    let found = FindCoordinatorRequest { key: Str::from("readers"), ..Default::default() };
    scene.ask(2, Request::FindCoordinator(found));
    scene.is_slow = true;
    commit(&mut scene, 3);
    commit(&mut scene, 4);
    let seqs: Vec<u64> = scene.node.coordinators.appends.keys().copied().collect();
    assert_eq!(seqs.len(), 2, "both wait for the disk");
    let ticket = Ticket { conn: ConnId::INTERNAL, seq: seqs[1] };
    let key = PartKey { ticket, topic: 0, partition: 0 };
    let refused = Answer::Produced(Err(Refused::plain(ErrorCode::NotEnoughReplicas)));
    let mut out = Effects::default();
    let now = scene.now;
    scene.node.with_hosts(now, &mut out, |hosts, cx, said| hosts.answered(cx, key, refused, said));
    let hangups = out.effects.iter().filter(|effect| matches!(effect, Effect::Hangup { .. })).count();
    let reads = out.effects.iter().filter(|effect| matches!(effect, Effect::Read { .. })).count();
    assert_eq!((hangups, reads), (2, 1), "nobody knows what became of either, and the log is read again");
    let read = out.effects.iter().find_map(|effect| match effect {
        Effect::Read { op, log, .. } => Some((*op, *log)),
        _ => None,
    });
    let (op, log) = read.expect("it was counted");
    let nothing = || Ok(Done::Records(Records::EMPTY));
    scene.node.with_hosts(now, &mut out, |hosts, cx, said| hosts.read(cx, op, nothing(), said));
    let state = scene.node.coordinators.hosts[&log].state;
    assert!(matches!(state, HostState::Loading(Loading::Until(_))), "the first is not durable yet: {state:?}");
}

/// What was appended and never committed may be lost with this leader: nobody is told of it before it is.
#[test]
fn nobody_is_told_what_was_read_and_is_not_committed() {
    let mut scene = crate::node::node_test::with_topic(1);
    let found = FindCoordinatorRequest { key: Str::from("readers"), ..Default::default() };
    scene.ask(2, Request::FindCoordinator(found));
    let log = *scene.node.coordinators.hosts.keys().next().expect("they are hosted");
    let read_to = OffsetRange { start: Offset(5), end: Offset(0) };
    let mut out = Effects::default();
    let now = scene.now;
    scene.node.with_hosts(now, &mut out, |hosts, cx, _| {
        let mut said = Vec::new();
        hosts.resign(log, &mut said);
        hosts.lead(cx, log, Some(read_to), &mut said);
        let HostState::Loading(Loading::Piece(op)) = hosts.hosts[&log].state else { panic!("it is read") };
        let outcome = Ok(Done::Records(Records::EMPTY));
        hosts.read(cx, op, outcome.clone(), &mut said);
        for told in [Err(ErrorCode::OffsetNotAvailable), Ok((Wall(-1), Offset(4), LeaderEpoch(0)))] {
            let asked = asked(hosts, log);
            hosts.answered(cx, asked, Answer::Offset(told), &mut said);
            assert!(hosts.is_loading() && hosts.deadline().is_some(), "it asks again, {told:?}");
            cx.now.mono = cx.now.mono + Duration::from_secs(1);
            hosts.wake(cx, &mut said);
        }
        let asked = asked(hosts, log);
        hosts.answered(cx, asked, Answer::Offset(Ok((Wall(-1), Offset(5), LeaderEpoch(0)))), &mut said);
        let HostState::Loading(Loading::Piece(op)) = hosts.hosts[&log].state else { panic!("it is read on") };
        hosts.read(cx, op, outcome, &mut said);
        assert_eq!(hosts.hosts[&log].state, HostState::Active);
    });
}

/// Nobody else would find out: groups read and write nothing of a log that is not loaded.
#[test]
fn a_partition_that_cannot_be_loaded_is_given_up_so_that_another_leads_it() {
    let mut scene = crate::node::node_test::with_topic(1);
    let found = FindCoordinatorRequest { key: Str::from("readers"), ..Default::default() };
    scene.ask(2, Request::FindCoordinator(found));
    let log = *scene.node.coordinators.hosts.keys().next().expect("they are hosted");
    let (mut out, now) = (Effects::default(), scene.now);
    scene.node.with_hosts(now, &mut out, |hosts, cx, _| {
        let mut said = Vec::new();
        hosts.resign(log, &mut said);
        hosts.lead(cx, log, Some(OffsetRange { start: Offset(5), end: Offset(0) }), &mut said);
        let HostState::Loading(Loading::Piece(op)) = hosts.hosts[&log].state else { panic!("it is read") };
        said.clear();
        hosts.read(cx, op, Err(DiskFault::Rot), &mut said);
        assert_eq!(hosts.hosts[&log].state, HostState::Failed);
        assert!(matches!(said[..], [HostOut::Unreadable(given_up, DiskFault::Rot)] if given_up == log), "{said:?}");
    });
}
