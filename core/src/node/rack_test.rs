//! Consumers that read from followers of their rack (KIP-392), as their leader sees them.

use super::observe_test::{BROKER, CONTROLLER, talk};
use super::scene_test::{Scene, batch};
use crate::msg::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData, ReplicaState};
use crate::msg::{Request, Response};
use crate::types::{BrokerId, Str, Ticket};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const SELECTOR: (&str, &str) = ("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector");

/// Broker 1, in rack a, leads `orders`; broker 2, in rack b, follows.
pub fn led(settings: &[(&str, &str)]) -> Scene {
    led_with(settings, &[])
}

/// The same with settings of the topic.
pub fn led_with(settings: &[(&str, &str)], configs: &[(&str, &str)]) -> Scene {
    let mut controller = Scene::new(&[CONTROLLER, &[("broker.rack", "a")], settings].concat());
    let mut broker = Scene::new(&[BROKER, &[("broker.rack", "b")]].concat());
    talk(&mut broker, &mut controller);
    let assignments = vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![1, 2] }];
    let config =
        |(name, value): &(&str, &str)| CreatableTopicConfig { name: Str::from(*name), value: Some(Str::from(*value)) };
    let topic = CreatableTopic {
        name: Str::from("orders"),
        num_partitions: -1,
        replication_factor: -1,
        assignments,
        configs: configs.iter().map(config).collect(),
    };
    let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ticket = controller.ask(7, Request::CreateTopics(body));
    controller.answer(ticket).expect("it is answered");
    controller
}

fn fetch(scene: &Scene, from: i64, session: (i32, i32)) -> FetchRequest {
    let image = scene.node.view().image();
    let topic = image.topic_named("orders").expect("it was made");
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: 0,
        fetch_offset: from,
        last_fetched_epoch: if from > 0 { 0 } else { -1 },
        log_start_offset: 0,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topics = vec![FetchTopic { topic_id: topic.id, partitions: vec![partition], ..FetchTopic::default() }];
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_id: session.0,
        session_epoch: session.1,
        topics,
        ..FetchRequest::default()
    }
}

/// As broker 2 asks.
pub fn follow(scene: &mut Scene, from: i64, session: (i32, i32)) -> Ticket {
    let epoch = scene.node.view().image().broker(BrokerId(2)).expect("registered").epoch;
    let replica_state = ReplicaState { replica_id: 2, replica_epoch: epoch.0 };
    let body = FetchRequest { replica_state, ..fetch(scene, from, session) };
    scene.ask(18, Request::Fetch(body))
}

fn consume(scene: &mut Scene, version: i16, rack: &str) -> PartitionData {
    let mut body = FetchRequest { rack_id: Str::from(rack), ..fetch(scene, 0, (0, -1)) };
    if version < 13 {
        body.topics[0].topic = Str::from("orders");
    }
    let ticket = scene.ask(version, Request::Fetch(body));
    answer(scene, ticket).expect("at once").responses.remove(0).partitions.remove(0)
}

pub fn answer(scene: &mut Scene, ticket: Ticket) -> Option<FetchResponse> {
    match scene.answer(ticket)? {
        Some(Response::Fetch(body)) => Some(body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_consumer_is_sent_to_the_follower_of_its_rack_and_others_are_served() {
    let mut scene = led(&[SELECTOR]);
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let first = follow(&mut scene, 0, (0, 0));
    let id = answer(&mut scene, first).expect("it has records").session_id;
    follow(&mut scene, 1, (id, 1));
    let sent = consume(&mut scene, 18, "b");
    assert_eq!((sent.preferred_read_replica, sent.records.is_empty(), sent.high_watermark), (2, true, 1));
    for (version, rack) in [(10, "b"), (18, "a"), (18, "c"), (18, "")] {
        let served = consume(&mut scene, version, rack);
        assert_eq!((served.preferred_read_replica, served.records.is_empty()), (-1, false), "{version} {rack}");
    }
}

#[test]
fn without_a_selector_everybody_is_served_by_the_leader() {
    let mut scene = led(&[]);
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let first = follow(&mut scene, 0, (0, 0));
    let id = answer(&mut scene, first).expect("it has records").session_id;
    let parked = follow(&mut scene, 1, (id, 1));
    assert!(answer(&mut scene, parked).is_none(), "what is committed can wait, since nobody reads there");
    let served = consume(&mut scene, 18, "b");
    assert_eq!((served.preferred_read_replica, served.records.is_empty()), (-1, false));
}

#[test]
fn a_follower_at_which_consumers_read_is_told_at_once_what_is_committed() {
    let mut scene = led(&[SELECTOR]);
    scene.produce(1, "orders", vec![(0, batch(1))]);
    let first = follow(&mut scene, 0, (0, 0));
    let first = answer(&mut scene, first).expect("it has records");
    assert_eq!(first.responses[0].partitions[0].high_watermark, 0);
    let told = follow(&mut scene, 1, (first.session_id, 1));
    let told = answer(&mut scene, told).expect("its own ask commits the record");
    assert_eq!(told.responses[0].partitions[0].high_watermark, 1);
    let parked = follow(&mut scene, 1, (first.session_id, 2));
    assert!(answer(&mut scene, parked).is_none(), "it knows");
    scene.pass(Duration::from_millis(600));
    let told: Vec<_> = answer(&mut scene, parked).expect("its time is over").responses;
    assert!(told.len() <= 1);
}
