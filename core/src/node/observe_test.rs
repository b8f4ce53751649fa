use super::scene_test::Scene;
use crate::boundary::{Input, Lost, Note, Purpose};
use crate::msg::broker_heartbeat::BrokerHeartbeatRequest;
use crate::msg::broker_registration::{BrokerRegistrationRequest, Listener as RegisteredListener};
use crate::msg::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use crate::msg::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use crate::msg::find_coordinator::FindCoordinatorRequest;
use crate::msg::incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{BrokerId, ConnId, ListenerType, LogId, Offset, Str, Uuid};
use core::time::Duration;
use std::collections::BTreeSet;
use std::format;
use std::vec;
use std::vec::Vec;

const VOTERS: (&str, &str) = ("controller.quorum.voters", "1@node-1:9093");
pub const CONTROLLER: &[(&str, &str)] = &[
    VOTERS,
    ("listeners", "PLAINTEXT://node-1:9092,CONTROLLER://node-1:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ("metadata.log.max.record.bytes.between.snapshots", "4000"),
];
pub const BROKER: &[(&str, &str)] = &[
    VOTERS,
    ("process.roles", "broker"),
    ("node.id", "2"),
    ("listeners", "PLAINTEXT://node-2:9092"),
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
];

fn create(controller: &mut Scene, name: &str) {
    let topic =
        CreatableTopic { name: Str::from(name), num_partitions: 3, replication_factor: 1, ..CreatableTopic::default() };
    let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ticket = controller.ask(7, Request::CreateTopics(body));
    controller.answer(ticket).expect("it is answered");
}

/// Carries calls to the controller and answers back, until the broker waits for news.
pub fn talk(broker: &mut Scene, controller: &mut Scene) {
    for _ in 0..100 {
        broker.pass(Duration::from_millis(30));
        let calls = core::mem::take(&mut broker.calls);
        for (call, line, body) in calls {
            assert_eq!((line.to.0, &*line.host, line.port), (1, "node-1", 9093));
            let version = body.api_key().facts().last;
            let ticket = controller.ask_on(ListenerType::Controller, version, body);
            if matches!(line.purpose, Purpose::Metadata) {
                controller.pass(Duration::from_millis(600));
            }
            let body = controller.answer(ticket).expect("answered by now").expect("not silent");
            broker.step(Input::Response { call, body: Ok(body) });
        }
        if broker.node.view().is_ready()
            && broker.node.cluster.quorum().is_caught_up()
            && broker.node.view().image().says_what(controller.node.view().image())
        {
            return;
        }
    }
    panic!("{:?}\n{:?}", broker.node.cluster.quorum(), controller.node.cluster.quorum());
}

#[test]
fn a_broker_follows_the_metadata_of_the_controller() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    create(&mut controller, "one");
    talk(&mut broker, &mut controller);
    assert_eq!(broker.node.view().image().topics().count(), 1);
    create(&mut controller, "two");
    talk(&mut broker, &mut controller);
    assert_eq!(broker.node.view().image().topics().count(), 2);
}

#[test]
fn one_that_is_further_behind_than_the_log_reaches_begins_with_the_snapshot() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    create(&mut controller, "one");
    talk(&mut broker, &mut controller);
    let before = broker.log(LogId::METADATA).end();
    (0..40).for_each(|number| create(&mut controller, &format!("topic-{number}")));
    assert!(controller.log(LogId::METADATA).start() > before, "the controller forgot what this broker asks for");
    talk(&mut broker, &mut controller);
    assert!(broker.log(LogId::METADATA).start() > before);
    let mut fresh = Scene::new(BROKER);
    talk(&mut fresh, &mut controller);
}

#[test]
fn one_that_was_away_for_so_long_is_as_whole_as_it_was() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    create(&mut controller, "one");
    talk(&mut broker, &mut controller);
    let (before, epoch) = (broker.log(LogId::METADATA).end(), broker.node.cluster.epoch());
    (0..40).for_each(|number| create(&mut controller, &format!("topic-{number}")));
    assert!(controller.log(LogId::METADATA).start() > before);
    broker.restart(BROKER);
    assert_eq!(registration(&mut broker, &mut controller).previous_broker_epoch, epoch.0);
}

/// What a broker says when it registers; nothing is answered to that.
fn registration(broker: &mut Scene, controller: &mut Scene) -> BrokerRegistrationRequest {
    let mut told = (0..100).filter_map(|_| {
        broker.pass(Duration::from_millis(30));
        for (call, _, body) in core::mem::take(&mut broker.calls) {
            if let Request::BrokerRegistration(body) = body {
                return Some(body);
            }
            let version = body.api_key().facts().last;
            let ticket = controller.ask_on(ListenerType::Controller, version, body);
            controller.pass(Duration::from_millis(600));
            let body = controller.answer(ticket).expect("answered by now").expect("not silent");
            broker.step(Input::Response { call, body: Ok(body) });
        }
        None
    });
    told.next().expect("it registers")
}

#[test]
fn a_directory_that_is_older_than_it_was_is_found_out_however_often_it_starts() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let (older, epoch) = (broker.hard, broker.node.cluster.epoch());
    broker.restart(BROKER);
    talk(&mut broker, &mut controller);
    assert!(broker.node.cluster.epoch() > epoch);
    broker.hard = older;
    for _ in 0..2 {
        broker.restart(BROKER);
        let claimed = registration(&mut broker, &mut controller).previous_broker_epoch;
        assert_eq!(claimed, epoch.0, "it copies what it missed, and was not there");
    }
}

#[test]
fn a_registration_is_kept_before_anything_is_done_under_it() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    create(&mut controller, "one");
    let mut asked = Vec::new();
    for _ in 0..100 {
        broker.pass(Duration::from_millis(30));
        for (call, _, body) in core::mem::take(&mut broker.calls) {
            asked.push(body.api_key());
            let is_registration = matches!(body, Request::BrokerRegistration(_));
            let ticket = controller.ask_on(ListenerType::Controller, body.api_key().facts().last, body);
            controller.pass(Duration::from_millis(600));
            let body = controller.answer(ticket).expect("answered by now").expect("not silent");
            broker.is_slow |= is_registration;
            broker.step(Input::Response { call, body: Ok(body) });
        }
    }
    let count = |asked: &[ApiKey], what| asked.iter().filter(|key| **key == what).count();
    assert_eq!(count(&asked, ApiKey::BrokerRegistration), 1);
    assert_eq!(count(&asked, ApiKey::BrokerHeartbeat), 0, "its disk has not answered: {asked:?}");
    broker.release();
    talk(&mut broker, &mut controller);
    assert_eq!(broker.hard.registration, Some(broker.node.cluster.epoch()));
}

#[test]
fn a_directory_that_is_lost_during_a_heartbeat_is_told_of_right_behind_it() {
    let two: Vec<_> = BROKER.iter().copied().chain([("log.dirs", "one,two")]).collect();
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(&two));
    talk(&mut broker, &mut controller);
    broker.pass(Duration::from_millis(2100));
    let is_heartbeat = |(_, _, body): &(_, _, Request)| matches!(body, Request::BrokerHeartbeat(_));
    let at = broker.calls.iter().position(is_heartbeat).expect("it is time for one");
    let (call, _, body) = broker.calls.swap_remove(at);
    broker.step(Input::DirectoryLost { directory: 1 });
    let ticket = controller.ask_on(ListenerType::Controller, body.api_key().facts().last, body);
    let body = controller.answer(ticket).expect("answered by now").expect("not silent");
    broker.step(Input::Response { call, body: Ok(body) });
    let told = broker.calls.iter().find_map(|(_, _, body)| match body {
        Request::BrokerHeartbeat(body) => Some(body.offline_log_dirs.len()),
        _ => None,
    });
    assert_eq!(told, Some(1));
}

#[test]
fn a_topic_that_was_made_again_meanwhile_is_not_mistaken_for_what_is_on_disk() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let make = |controller: &mut Scene| {
        let assignments = vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![2] }];
        let (num_partitions, replication_factor) = (-1, -1);
        let name = Str::from("orders");
        let topic = CreatableTopic { name, num_partitions, replication_factor, assignments, ..Default::default() };
        let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let ticket = controller.ask(7, Request::CreateTopics(body));
        controller.answer(ticket).expect("it is answered");
    };
    make(&mut controller);
    talk(&mut broker, &mut controller);
    let topic = |scene: &Scene| scene.node.view().image().topic_named("orders").expect("it was made").id;
    let before = LogId { topic: topic(&controller), partition: 0 };
    assert!(broker.has_log(before));
    let topics = vec![DeleteTopicState { name: Some("orders".into()), topic_id: Uuid::ZERO }];
    let ticket = controller
        .ask(6, Request::DeleteTopics(DeleteTopicsRequest { topics, timeout_ms: 5000, ..Default::default() }));
    let Some(Some(Response::DeleteTopics(told))) = controller.answer(ticket) else { panic!("it is answered") };
    assert_eq!(told.responses[0].error_code, 0);
    make(&mut controller);
    broker.restart(BROKER);
    talk(&mut broker, &mut controller);
    let after = LogId { topic: topic(&controller), partition: 0 };
    assert_eq!((before == after, broker.has_log(before), broker.has_log(after)), (false, false, true));
}

#[test]
fn a_snapshot_that_came_by_lets_go_of_the_log_before_it() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    for number in 0..40 {
        create(&mut controller, &format!("topic-{number}"));
        talk(&mut broker, &mut controller);
    }
    let start = controller.log(LogId::METADATA).start();
    assert!(start > Offset::ZERO);
    assert_eq!(broker.log(LogId::METADATA).start(), start);
}

#[test]
fn it_goes_on_after_a_restart_and_after_losses() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    create(&mut controller, "one");
    talk(&mut broker, &mut controller);
    broker.restart(BROKER);
    assert_eq!(broker.node.view().image().topics().count(), 0, "nobody has said yet how far the log is committed");
    broker.pass(Duration::from_millis(10));
    let end = broker.log(LogId::METADATA).end();
    for lost in [Lost::NotSent, Lost::Unknown] {
        let (call, _, body) = broker.calls.pop().expect("it asks");
        let Request::Fetch(body) = body else { panic!("{body:?}") };
        assert_eq!(body.topics[0].partitions[0].fetch_offset, end.0, "nothing is fetched again");
        broker.step(Input::Response { call, body: Err(lost) });
        assert!(broker.calls.is_empty(), "not at once");
        broker.pass(Duration::from_millis(100));
    }
    talk(&mut broker, &mut controller);
}

#[test]
fn a_broker_is_fenced_when_its_connection_breaks_and_when_it_falls_silent() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let is_up = |scene: &Scene| scene.node.view().image().broker(BrokerId(2)).expect("registered").is_active();
    assert!(is_up(&controller) && is_up(&broker));
    controller.step(Input::Closed { conn: ConnId(1) });
    assert!(!is_up(&controller), "at once");
    // It hears of that by and by, and goes on.
    broker.pass(Duration::from_secs(3));
    talk(&mut broker, &mut controller);
    assert!(is_up(&controller));
    controller.pass(Duration::from_secs(10));
    assert!(!is_up(&controller), "after the session");
}

#[test]
fn what_comes_late_over_a_connection_that_was_given_up_does_not_fence_its_broker() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let epoch = controller.node.view().image().broker(BrokerId(2)).expect("registered").epoch;
    let beat = BrokerHeartbeatRequest { broker_id: 2, broker_epoch: epoch.0, ..BrokerHeartbeatRequest::default() };
    let beat = Request::BrokerHeartbeat(BrokerHeartbeatRequest { current_metadata_offset: i64::MAX, ..beat });
    let known = controller.node.view().image().broker(BrokerId(2)).expect("registered").clone();
    let again = BrokerRegistrationRequest {
        broker_id: 2,
        cluster_id: Str::from("ottla-test-cluster-id0"),
        incarnation_id: known.incarnation,
        listeners: vec![RegisteredListener::default()],
        log_dirs: known.directories.clone(),
        ..BrokerRegistrationRequest::default()
    };
    controller.ask_over(ConnId(7), ListenerType::Controller, 1, beat.clone());
    controller.ask_over(ConnId(5), ListenerType::Controller, 1, beat);
    controller.ask_over(ConnId(5), ListenerType::Controller, 4, Request::BrokerRegistration(again));
    assert_eq!(controller.hangups, [ConnId(5), ConnId(5)]);
    controller.step(Input::Closed { conn: ConnId(5) });
    assert!(controller.node.view().image().broker(BrokerId(2)).expect("registered").is_active());
}

#[test]
fn what_a_life_said_that_is_over_takes_nothing_from_the_one_behind_it() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    let late = registration(&mut broker, &mut controller);
    let late = BrokerRegistrationRequest { incarnation_id: Uuid([9; 16]), ..late };
    let version = ApiKey::BrokerRegistration.facts().last;
    // The next life registers, lives and ends; then comes what the one before it had sent.
    let mut next = Scene::new(BROKER);
    talk(&mut next, &mut controller);
    let epoch = next.node.cluster.epoch();
    let beat = BrokerHeartbeatRequest { broker_id: 2, broker_epoch: epoch.0, ..BrokerHeartbeatRequest::default() };
    controller.ask_over(ConnId(7), ListenerType::Controller, 1, Request::BrokerHeartbeat(beat));
    controller.step(Input::Closed { conn: ConnId(7) });
    controller.ask_over(ConnId(5), ListenerType::Controller, version, Request::BrokerRegistration(late));
    assert_eq!(controller.hangups, [ConnId(5)]);
    assert_eq!(controller.node.view().image().broker(BrokerId(2)).expect("registered").epoch, epoch);
}

#[test]
fn a_controller_that_is_no_broker_knows_the_settings_of_the_cluster() {
    let alone = [
        VOTERS,
        ("process.roles", "controller"),
        ("listeners", "CONTROLLER://node-1:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT"),
    ];
    let mut scene = Scene::new(&alone);
    let name = Str::from("min.insync.replicas");
    let configs = vec![AlterableConfig { name, config_operation: 0, value: Some("2".into()) }];
    let resources = vec![AlterConfigsResource { resource_type: 4, resource_name: Str::from(""), configs }];
    let body = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let ticket = scene.ask_on(ListenerType::Controller, 1, Request::IncrementalAlterConfigs(body));
    let Some(Some(Response::IncrementalAlterConfigs(told))) = scene.answer(ticket) else { panic!("it is answered") };
    assert_eq!(told.responses[0].error_code, 0);
    assert_eq!(scene.node.config.topic.min_insync_replicas, 2);
    scene.restart(&alone);
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.node.config.topic.min_insync_replicas, 2, "which it reads like everybody");
}

/// Who coordinates this group, as this node says.
fn coordinator(scene: &mut Scene, group: &str) -> (i16, i32, Str, i32) {
    let request = FindCoordinatorRequest { key: Str::from(group), ..Default::default() };
    let ticket = scene.ask(2, Request::FindCoordinator(request));
    let Some(Some(Response::FindCoordinator(told))) = scene.answer(ticket) else { panic!("answered") };
    (told.error_code, told.node_id, told.host, told.port)
}

#[test]
fn every_broker_names_the_coordinator_wherever_it_is() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    coordinator(&mut controller, "any");
    talk(&mut broker, &mut controller);
    let mut named = BTreeSet::new();
    for number in 0..20 {
        let group = format!("group-{number}");
        let told = coordinator(&mut broker, &group);
        assert_eq!(coordinator(&mut controller, &group), told);
        named.insert(told);
    }
    let place = |id: i32| (0, id, Str::from(format!("node-{id}")), 9092);
    assert_eq!(named, [place(1), place(2)].into());
}

#[test]
fn one_that_lost_its_connection_over_its_registration_is_not_taken_for_another() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    // Two scenes of the same seed are the same life.
    let body = registration(&mut Scene::new(BROKER), &mut controller);
    let version = Request::BrokerRegistration(body.clone()).api_key().facts().last;
    let ticket = controller.ask_over(ConnId(9), ListenerType::Controller, version, Request::BrokerRegistration(body));
    let told = controller.answer(ticket);
    let Some(Some(Response::BrokerRegistration(told))) = told else { panic!("{told:?}") };
    assert_eq!((told.error_code, told.broker_epoch), (0, broker.node.cluster.epoch().0));
}

#[test]
fn a_second_broker_of_one_number_is_told_of_the_first() {
    let (mut controller, mut first) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut first, &mut controller);
    let known = controller.node.view().image().broker(BrokerId(2)).expect("registered").clone();
    let mut second = Scene::new(BROKER);
    second.restart(BROKER);
    for _ in 0..8 {
        second.pass(Duration::from_millis(30));
        for (call, line, body) in core::mem::take(&mut second.calls) {
            // Over a connection of its own.
            let conn = ConnId(if matches!(body, Request::BrokerRegistration(_)) { 2 } else { 1 });
            let ticket = controller.ask_over(conn, ListenerType::Controller, body.api_key().facts().last, body);
            if matches!(line.purpose, Purpose::Metadata) {
                controller.pass(Duration::from_millis(600));
            }
            let body = controller.answer(ticket).expect("answered by now").expect("not silent");
            second.step(Input::Response { call, body: Ok(body) });
        }
    }
    let is_told = |note: &Note| match note {
        Note::Duplicate { broker, host, port, incarnation } => {
            (broker.0, host.as_str(), *port, *incarnation) == (2, "node-2", 9092, known.incarnation)
        }
        _ => false,
    };
    assert!(second.notes.iter().any(is_told), "{:?}", second.notes);
    assert!(!second.node.view().is_ready() && second.node.view().census().is_fenced);
}
