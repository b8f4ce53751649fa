use super::boot::FoundLog;
use super::calls::CallFor;
use super::coordinators::Coordinators;
use super::front::Front;
use super::groups::Gathering;
use super::node_test::with_topic;
use super::post::Post;
use super::scene_test::{Scene, batch};
use super::slices::Slices;
use super::{Mono, Node};
use crate::boundary::{HardState, Input};
use crate::config::{Config, Setting};
use crate::log::Log;
use crate::msg::Request;
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::delete_groups::DeleteGroupsRequest;
use crate::msg::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use crate::msg::fetch::{FetchPartition, FetchRequest, FetchTopic};
use crate::msg::find_coordinator::FindCoordinatorRequest;
use crate::msg::init_producer_id::InitProducerIdRequest;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::quorum::FetchAsk;
use crate::types::{BrokerId, CallId, ConnId, LeaderEpoch, LogId, Offset, Rng, Str, Uuid, limit};
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

/// Something that is done to a node or a scene.
type Named<'a, T> = (&'a str, &'a dyn Fn(&mut T));

/// A node with something in each of its parts: a request that waits, a group, a cut request behind it.
fn busy() -> Scene {
    let mut scene = with_coordinator();
    join(&mut scene);
    delete_two_groups(&mut scene);
    fetch(&mut scene, -1);
    scene
}

fn with_coordinator() -> Scene {
    let mut scene = with_topic(2);
    produce(&mut scene, 0, 3);
    let request = FindCoordinatorRequest { key: Str::from("readers"), ..Default::default() };
    scene.ask(2, Request::FindCoordinator(request));
    scene
}

fn produce(scene: &mut Scene, partition: i32, records: usize) {
    scene.produce(1, "orders", vec![(partition, batch(records))]);
}

fn fetch(scene: &mut Scene, session_epoch: i32) {
    let partition = FetchPartition { fetch_offset: 3, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: Str::from("orders"), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: if session_epoch < 0 { 1 } else { 0 },
        max_bytes: 1 << 20,
        session_epoch,
        topics: vec![topic],
        ..Default::default()
    };
    scene.ask(11, Request::Fetch(request));
}

fn join(scene: &mut Scene) {
    let protocol = JoinGroupRequestProtocol { name: Str::from("range"), ..Default::default() };
    let request = JoinGroupRequest {
        group_id: Str::from("readers"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: Str::from("consumer"),
        protocols: vec![protocol],
        ..Default::default()
    };
    scene.ask(3, Request::JoinGroup(request));
    scene.pass(Duration::from_millis(1));
}

fn commit(scene: &mut Scene, offset: i64) {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: Str::from("orders"), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: Str::from("readers"),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    scene.ask(8, Request::OffsetCommit(request));
}

fn delete_two_groups(scene: &mut Scene) {
    let groups_names = vec![Str::from("one"), Str::from("another")];
    scene.ask(2, Request::DeleteGroups(DeleteGroupsRequest { groups_names }));
}

fn delete_records(scene: &mut Scene) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 3 }];
    let topics = vec![DeleteRecordsTopic { name: Str::from("orders"), partitions }];
    scene.ask(2, Request::DeleteRecords(DeleteRecordsRequest { topics, timeout_ms: 1_000 }));
}

fn create(scene: &mut Scene) {
    let topic =
        CreatableTopic { name: Str::from("more"), num_partitions: 1, replication_factor: 1, ..Default::default() };
    scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..Default::default() }));
}

const ASK: FetchAsk =
    FetchAsk { term: LeaderEpoch(1), from: Offset(0), last: LeaderEpoch(1), high_watermark: Offset(0) };

fn other_config() -> Config {
    let setting = |(key, value)| Setting {
        key: Str::from_static(key),
        value: Str::from_static(value),
        origin: Str::from_static("test"),
    };
    Config::read([("num.partitions", "7")].map(setting)).expect("good settings").0
}

#[test]
fn every_part_of_a_node_shows_in_its_digest() {
    let node = busy().node;
    // Named one by one, so that a new part has to be thought of here.
    let Node { config: _, file_config: _, functions: _, rng: _, front: _, lanes: _, post: _, .. } = &node;
    let Node { cluster: _, coordinators: _, groups: _, directories: _, retaining: _, scratch: _, .. } = &node;
    let Node { following: _, slices: _, calls: _, .. } = &node;
    let log = LogId { topic: Uuid([3; 16]), partition: 0 };
    let vote = Some((LeaderEpoch(1), Some(BrokerId(1))));
    let hard = HardState { vote, registration: None };
    let found = FoundLog { id: log, log: Log::empty(Offset(0)), hard, is_online: true, directory: 0 };
    let other_cluster = with_topic(1).node.cluster;
    let changes: &[Named<Node>] = &[
        ("config", &|node| node.config = other_config()),
        ("rng", &|node| node.rng = Rng::new(1)),
        ("front", &|node| node.front = Front::new(limit::REQUEST_COST_MAX)),
        ("lanes", &|node| drop(node.lanes.pop())),
        ("post", &|node| node.post = Post::new(1, Duration::ZERO)),
        ("cluster", &|node| node.cluster = other_cluster.clone()),
        ("coordinators", &|node| node.coordinators = Coordinators::default()),
        ("groups", &|node| node.groups = Gathering::default()),
        ("slices", &|node| node.slices = Slices::new(7)),
        ("calls", &|node| assert_eq!(node.calls.begin(CallFor::Metadata(BrokerId(1), ASK)), CallId(0))),
        ("directories", &|node| node.directories.holds(log, 1)),
        ("found", &|node| drop(node.directories.found.insert(log, found.clone()))),
        ("retaining", &|node| node.retaining.at = Mono(node.retaining.at.0 + 1)),
    ];
    for (part, change) in changes {
        let mut changed = node.clone();
        change(&mut changed);
        assert_ne!(changed.digest(), node.digest(), "another {part} does not show");
        assert_ne!(changed.freeze(), node.freeze(), "another {part} is not kept");
    }
}

#[test]
fn whatever_happens_to_a_node_shows_in_its_digest() {
    let histories: &[Named<Scene>] = &[
        ("nothing", &|_| {}),
        ("a batch", &|scene| produce(scene, 0, 1)),
        ("a longer batch", &|scene| produce(scene, 0, 2)),
        ("a batch elsewhere", &|scene| produce(scene, 1, 1)),
        ("a batch on its way", &|scene| {
            scene.is_slow = true;
            produce(scene, 0, 1);
        }),
        ("a fetch that waits", &|scene| fetch(scene, -1)),
        ("a fetch session", &|scene| fetch(scene, 0)),
        ("a fetch whose client went", &|scene| {
            fetch(scene, -1);
            scene.step(Input::Closed { conn: ConnId(1) });
        }),
        ("records deleted", &delete_records),
        ("a topic", &create),
        ("a producer's number", &|scene| {
            let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
            scene.ask(4, Request::InitProducerId(request));
        }),
        ("a member", &join),
        ("an offset", &|scene| commit(scene, 1)),
        ("another offset", &|scene| commit(scene, 2)),
        ("groups deleted", &delete_two_groups),
        ("ten minutes", &|scene| scene.pass(Duration::from_secs(600))),
    ];
    let mut seen: Vec<(&str, u64)> = Vec::new();
    for (what, happen) in histories {
        let run = || {
            let mut scene = with_coordinator();
            happen(&mut scene);
            scene.node.digest()
        };
        let digest = run();
        assert_eq!(run(), digest, "{what} is not the same twice");
        let twin = seen.iter().find(|(_, other)| *other == digest);
        assert!(twin.is_none(), "{what} looks like {twin:?}");
        seen.push((what, digest));
    }
}
