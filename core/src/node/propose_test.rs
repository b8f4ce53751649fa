use crate::boundary::Input;
use crate::msg::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use crate::msg::{Request, Response};
use crate::node::observe_test::{BROKER, CONTROLLER, talk};
use crate::node::scene_test::Scene;
use crate::partition::IsrAsk;
use crate::types::{BrokerEpoch, BrokerId, CallId, LeaderEpoch, LogId, PartitionEpoch, Uuid};
use std::vec;
use std::vec::Vec;

fn log(topic: u8, partition: i32) -> LogId {
    LogId { topic: Uuid([topic; 16]), partition }
}

fn ask(leader_epoch: i32) -> IsrAsk {
    IsrAsk {
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(4),
        members: vec![(BrokerId(2), BrokerEpoch(9))],
    }
}

/// The proposals that are under way.
fn asked(scene: &Scene) -> Vec<(CallId, AlterPartitionRequest)> {
    let body = |(call, _, body): &(CallId, _, Request)| match body {
        Request::AlterPartition(body) => Some((*call, body.clone())),
        _ => None,
    };
    scene.calls.iter().filter_map(body).collect()
}

#[test]
fn proposals_go_together_and_gather_while_others_are_under_way() {
    let (mut controller, mut scene) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut scene, &mut controller);
    let propose = |scene: &mut Scene, log: LogId, epoch: i32| scene.node.proposals.propose(log, ask(epoch));
    for one in [log(1, 0), log(2, 5), log(1, 3)] {
        propose(&mut scene, one, 1);
    }
    scene.step(Input::Wake);
    let first = asked(&scene);
    let partitions = |body: &AlterPartitionRequest| {
        let indexes = |topic: &crate::msg::alter_partition::TopicData| -> Vec<i32> {
            topic.partitions.iter().map(|one| one.partition_index).collect()
        };
        body.topics.iter().map(|topic| (topic.topic_id.0[0], indexes(topic))).collect::<Vec<_>>()
    };
    assert_eq!(first.len(), 1);
    assert_eq!(partitions(&first[0].1), vec![(1, vec![0, 3]), (2, vec![5])]);
    // What is led anew before it could be asked is asked as it is then.
    propose(&mut scene, log(3, 0), 1);
    propose(&mut scene, log(3, 0), 2);
    scene.step(Input::Wake);
    assert_eq!(asked(&scene).len(), 1, "one request at a time");
    let body = Response::AlterPartition(AlterPartitionResponse::default());
    scene.calls.clear();
    scene.step(Input::Response { call: first[0].0, body: Ok(body) });
    let second = asked(&scene);
    assert_eq!(second.len(), 1);
    assert_eq!(partitions(&second[0].1), vec![(3, vec![0])]);
    assert_eq!(second[0].1.topics[0].partitions[0].leader_epoch, 2);
}
