use crate::boundary::{Effect, Effects};
use crate::msg::Request;
use crate::msg::find_coordinator::FindCoordinatorRequest;
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::node::scene_test::Scene;
use crate::partition::{Answer, PartKey, Refused};
use crate::types::{ConnId, ErrorCode, Str, Ticket};
use std::vec;
use std::vec::Vec;

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
}
