use super::observe_test::{BROKER, CONTROLLER, talk};
use super::scene_test::Scene;
use crate::boundary::{Input, Lost, Purpose};
use crate::msg::begin_quorum_epoch::{self as begin, BeginQuorumEpochRequest};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::describe_quorum::{DescribeQuorumRequest, RequestPartitionData, RequestTopicData};
use crate::msg::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::msg::{Request, Response};
use crate::types::{BrokerId, ErrorCode, ListenerType};
use crate::wire::encode_message;
use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

/// A controller without a vote that joins by itself, and is reached at this port.
fn joiner(listeners: &str) -> Vec<(&str, &str)> {
    std::vec![
        ("node.id", "2"),
        ("controller.quorum.bootstrap.servers", "node-1:9093"),
        ("controller.quorum.auto.join.enable", "true"),
        ("listeners", listeners),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ]
}

fn raise(feature: &str, level: i16) -> UpdateFeaturesRequest {
    let update = FeatureUpdateKey { feature: feature.into(), max_version_level: level, ..FeatureUpdateKey::default() };
    UpdateFeaturesRequest { feature_updates: std::vec![update], ..UpdateFeaturesRequest::default() }
}

fn asked(scene: &mut Scene, body: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let ticket = scene.ask(1, Request::UpdateFeatures(body));
    match scene.answer(ticket) {
        Some(Some(Response::UpdateFeatures(told))) => told,
        other => panic!("{other:?}"),
    }
}

/// Calls of the one are answered by the other.
fn carry(from: &mut Scene, to: &mut Scene) {
    for (call, line, body) in core::mem::take(&mut from.calls) {
        let version = body.api_key().facts().last;
        let ticket = to.ask_on(ListenerType::Controller, version, body);
        if line.purpose == Purpose::Metadata {
            to.pass(Duration::from_millis(600));
        }
        let body = to.answer(ticket).flatten().ok_or(Lost::Unknown);
        from.step(Input::Response { call, body });
    }
}

fn until(one: &mut Scene, two: &mut Scene, is_so: impl Fn(&Scene) -> bool) {
    for _ in 0..500 {
        two.pass(Duration::from_millis(30));
        carry(two, one);
        carry(one, two);
        if is_so(one) {
            return;
        }
    }
    panic!("{:?}\n{:?}", one.node.cluster.quorum(), two.node.cluster.quorum());
}

#[test]
fn voters_of_the_settings_come_and_go_from_then_on_and_a_controller_joins_by_itself() {
    let mut one = Scene::new(CONTROLLER);
    let told = asked(&mut one, raise("metadata.version", 31));
    assert_eq!(told.error_code, ErrorCode::InvalidUpdateVersion.code());
    assert!(told.error_message.is_some_and(|why| why.contains("only supports versions 30-30")));
    let tried = UpdateFeaturesRequest { validate_only: true, ..raise("kraft.version", 1) };
    assert_eq!(asked(&mut one, tried).error_code, 0);
    assert!(!one.node.cluster.quorum().is_changing());
    let told = asked(&mut one, raise("kraft.version", 1));
    assert_eq!((told.error_code, &*told.results[0].feature), (0, "kraft.version"));
    assert!(one.node.cluster.quorum().is_changing());

    let topic =
        CreatableTopic { name: "t".into(), num_partitions: 1, replication_factor: 1, ..CreatableTopic::default() };
    one.ask(
        7,
        Request::CreateTopics(CreateTopicsRequest { topics: std::vec![topic], ..CreateTopicsRequest::default() }),
    );
    let mut settings = CONTROLLER.to_vec();
    settings[0] = ("controller.quorum.bootstrap.servers", "node-1:9093");
    one.restart(&settings);
    for _ in 0..100 {
        one.pass(Duration::from_millis(100));
    }
    let image = one.node.view().image().clone();
    let partition = &image.topic_named("t").expect("it was made").partitions.get(&0).expect("it has one");
    assert_eq!(partition.leader, BrokerId(1));
    assert!(!partition.recovering, "it lost nothing, and it has a registration to show");

    let mut two = Scene::new(&joiner("PLAINTEXT://node-2:9092,CONTROLLER://node-2:9093"));
    until(&mut one, &mut two, |one| one.node.cluster.quorum().voters().contains(BrokerId(2)));
    until(&mut one, &mut two, |one| one.node.cluster.quorum().is_caught_up());

    two.restart(&joiner("PLAINTEXT://node-2:9092,CONTROLLER://node-2:9193"));
    until(&mut one, &mut two, |one| {
        let voters = one.node.cluster.quorum().voters();
        voters.get(BrokerId(2)).is_some_and(|node| node.endpoints[0].port == 9193)
    });
}

#[test]
fn a_broker_passes_it_on_and_names_each_feature_for_whoever_asks_as_of_old() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let ticket = broker.ask(1, Request::UpdateFeatures(raise("kraft.version", 1)));
    carry(&mut broker, &mut controller);
    let Some(Some(Response::UpdateFeatures(told))) = broker.answer(ticket) else { panic!("it is answered") };
    assert_eq!((told.error_code, &*told.results[0].feature), (0, "kraft.version"));
    let many = UpdateFeaturesRequest {
        feature_updates: std::vec![FeatureUpdateKey::default(); 101],
        ..UpdateFeaturesRequest::default()
    };
    assert_eq!(asked(&mut broker, many).error_code, ErrorCode::InvalidRequest.code());
}

#[test]
fn a_broker_passes_on_who_votes_as_the_version_of_whoever_asks_can_carry_it() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    for version in 0..=2 {
        let partitions = std::vec![RequestPartitionData { partition_index: 0 }];
        let topics = std::vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
        let ticket = broker.ask(version, Request::DescribeQuorum(DescribeQuorumRequest { topics }));
        carry(&mut broker, &mut controller);
        let Some(Some(Response::DescribeQuorum(told))) = broker.answer(ticket) else { panic!("it is answered") };
        assert_eq!(told.topics[0].partitions[0].leader_id, 1);
        assert_eq!(told.nodes.is_empty(), version < 2);
        encode_message(&told, version).expect("it can be written");
    }
}

/// This node leads, in this term, and is to be found at a host of its name.
fn reigns(leader: i32, term: i32) -> Request {
    reigns_at(leader, term, &std::format!("node-{leader}"))
}

/// This node leads, in this term, and is to be found at this host.
fn reigns_at(leader: i32, term: i32, host: &str) -> Request {
    let partition = begin::PartitionData { leader_id: leader, leader_epoch: term, ..begin::PartitionData::default() };
    let topic = begin::TopicData { topic_name: "__cluster_metadata".into(), partitions: std::vec![partition] };
    let endpoint = begin::LeaderEndpoint { name: "CONTROLLER".into(), host: host.into(), port: 9093 };
    let body = BeginQuorumEpochRequest {
        topics: std::vec![topic],
        leader_endpoints: std::vec![endpoint],
        ..Default::default()
    };
    Request::BeginQuorumEpoch(body)
}

#[test]
fn a_late_word_of_an_older_leader_does_not_make_it_forget_where_the_newer_one_is() {
    let mut two = Scene::new(&joiner("PLAINTEXT://node-2:9092,CONTROLLER://node-2:9093"));
    two.ask_on(ListenerType::Controller, 1, reigns(7, 3));
    two.ask_on(ListenerType::Controller, 1, reigns(8, 2));
    for _ in 0..3 {
        for (call, ..) in core::mem::take(&mut two.calls) {
            two.step(Input::Response { call, body: Err(Lost::NotSent) });
        }
        two.pass(Duration::from_millis(100));
    }
    let (_, line, _) = two.calls.iter().find(|(_, line, _)| line.purpose == Purpose::Metadata).expect("it asks");
    assert_eq!((line.to, &*line.host), (BrokerId(7), "node-7"));
}

/// Where this node is asked such a thing, once it is; nobody answers.
fn asked_at(scene: &mut Scene, to: i32, purpose: Purpose) -> String {
    for _ in 0..100 {
        for (call, line, _) in core::mem::take(&mut scene.calls) {
            if line.to == BrokerId(to) && line.purpose == purpose {
                return line.host.to_string();
            }
            scene.step(Input::Response { call, body: Err(Lost::NotSent) });
        }
        scene.pass(Duration::from_millis(100));
    }
    panic!("it asks: {:?}", scene.node.cluster.quorum());
}

#[test]
fn one_that_led_once_is_asked_for_its_vote_where_voters_are_said_to_be() {
    let mut two = Scene::new(&[
        ("node.id", "2"),
        ("controller.quorum.voters", "1@node-1:9093,2@node-2:9093,3@node-3:9093"),
        ("listeners", "PLAINTEXT://node-2:9092,CONTROLLER://node-2:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ]);
    two.ask_on(ListenerType::Controller, 1, reigns_at(3, 5, "for-now"));
    assert_eq!(asked_at(&mut two, 3, Purpose::Metadata), "for-now", "it leads, and said so itself");
    two.ask_on(ListenerType::Controller, 1, reigns(1, 6));
    assert_eq!(asked_at(&mut two, 3, Purpose::Quorum), "node-3");
}
