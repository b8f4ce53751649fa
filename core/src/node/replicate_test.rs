use super::CHECKED_IN_STEP_MAX;
use crate::boundary::{Input, Purpose};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::fetch::FetchRequest;
use crate::msg::{Request, Response};
use crate::node::observe_test::{BROKER, CONTROLLER};
use crate::node::scene_test::{Scene, batch};
use crate::types::{BrokerId, ListenerType, LogId, Str};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// Carries calls of the broker to the controller and answers back for a while. Gives what its followers asked.
pub fn talk(broker: &mut Scene, controller: &mut Scene) -> Vec<FetchRequest> {
    let mut asked = Vec::new();
    for _ in 0..30 {
        broker.pass(Duration::from_millis(30));
        for (call, line, body) in core::mem::take(&mut broker.calls) {
            assert_eq!(line.to, BrokerId(1));
            if let (Purpose::Replicas(_), Request::Fetch(body)) = (line.purpose, &body) {
                asked.push(body.clone());
            }
            let listener = if line.port == 9093 { ListenerType::Controller } else { ListenerType::Broker };
            let version = body.api_key().facts().last;
            let ticket = controller.ask_on(listener, version, body);
            if matches!(line.purpose, Purpose::Metadata | Purpose::Replicas(_)) {
                controller.pass(Duration::from_millis(600));
            }
            let body = controller.answer(ticket).expect("answered by now").expect("not silent");
            broker.step(Input::Response { call, body: Ok(body) });
        }
    }
    asked
}

/// A controller that leads, and a broker that follows; the log whose preferred leader is the controller.
fn pair(partitions: i32) -> (Scene, Scene, LogId) {
    pair_with(CONTROLLER, partitions)
}

/// The same with these settings of the controller.
pub fn pair_with(settings: &[(&str, &str)], partitions: i32) -> (Scene, Scene, LogId) {
    let (mut controller, mut broker) = (Scene::new(settings), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    let topic = CreatableTopic {
        name: Str::from("orders"),
        num_partitions: partitions,
        replication_factor: 2,
        ..CreatableTopic::default()
    };
    let body = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ticket = controller.ask(7, Request::CreateTopics(body));
    let Some(Some(Response::CreateTopics(made))) = controller.answer(ticket) else { panic!("answered") };
    assert_eq!(made.topics[0].error_code, 0);
    let image = controller.node.view().image();
    let led = |partition: &i32| {
        let log = LogId { topic: made.topics[0].topic_id, partition: *partition };
        image.partition(log).is_some_and(|one| one.leader == BrokerId(1))
    };
    let partition = (0..partitions).find(led).expect("it leads some of them");
    let log = LogId { topic: made.topics[0].topic_id, partition };
    talk(&mut broker, &mut controller);
    (controller, broker, log)
}

fn named(request: &FetchRequest) -> usize {
    request.topics.iter().map(|topic| topic.partitions.len()).sum()
}

#[test]
fn a_follower_names_what_is_quiet_once() {
    let (mut controller, mut broker, log) = pair(40);
    let quiet = talk(&mut broker, &mut controller);
    assert!(!quiet.is_empty(), "it asks on and on");
    for request in &quiet {
        assert!(request.session_id != 0 && request.session_epoch > 0 && named(request) == 0, "{request:?}");
    }
    controller.produce(-1, "orders", vec![(log.partition, batch(3))]);
    let busy = talk(&mut broker, &mut controller);
    assert_eq!(broker.log(log).end().0, 3);
    assert_eq!(busy.iter().map(named).sum::<usize>(), 1, "its new end alone");
}

#[test]
fn a_session_that_the_leader_forgot_begins_anew_at_once() {
    let (mut controller, mut broker, log) = pair(4);
    controller.restart(CONTROLLER);
    controller.pass(Duration::from_millis(10));
    talk(&mut broker, &mut controller);
    controller.produce(1, "orders", vec![(log.partition, batch(2))]);
    let asked = talk(&mut broker, &mut controller);
    assert_eq!(broker.log(log).end().0, 2, "{asked:?}");
}

#[test]
fn the_checksums_of_a_long_answer_are_looked_at_off_the_nodes_thread() {
    let (mut controller, mut broker, log) = pair(4);
    controller.produce(1, "orders", vec![(log.partition, batch(10))]);
    talk(&mut broker, &mut controller);
    assert_eq!((broker.log(log).end().0, broker.jobs), (10, 0));
    let many = CHECKED_IN_STEP_MAX / 8;
    controller.produce(1, "orders", vec![(log.partition, batch(many))]);
    talk(&mut broker, &mut controller);
    assert_eq!((broker.log(log).end().0, broker.jobs), (10 + many as i64, 1));
}
