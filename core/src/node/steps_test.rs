use super::scene_test::{Scene, batch};
use crate::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::msg::delete_topics::DeleteTopicsRequest;
use crate::msg::{Request, Response};
use crate::types::{Str, Ticket};
use core::time::Duration;
use std::vec;

/// What a step may ask of the world at most when thousands of partitions change.
const EFFECTS_MAX: usize = 1000;

fn create(scene: &mut Scene, partitions: i32) -> Ticket {
    let topic = CreatableTopic {
        name: Str::from("large"),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    scene.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..Default::default() }))
}

#[test]
fn thousands_of_partitions_are_led_in_short_steps_and_told_of_afterwards() {
    let mut scene = Scene::new(&[]);
    let ticket = create(&mut scene, 1500);
    assert!(scene.answer(ticket).is_none(), "not all of them are led yet");
    assert!(scene.node.view().partitions().count() < 1500);
    scene.pass(Duration::from_millis(1));
    let Some(Some(Response::CreateTopics(response))) = scene.answer(ticket) else { panic!("answered") };
    assert_eq!(response.topics[0].error_code, 0);
    assert_eq!(scene.node.view().partitions().count(), 1500);
    assert!(scene.effects_most <= EFFECTS_MAX, "{} effects in one step", scene.effects_most);
}

#[test]
fn thousands_of_partitions_go_in_short_steps() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, 1500);
    scene.pass(Duration::from_millis(1));
    scene.effects_most = 0;
    let names = vec![Str::from("large")];
    let ticket = scene.ask(
        5,
        Request::DeleteTopics(DeleteTopicsRequest { topic_names: names, timeout_ms: 1000, ..Default::default() }),
    );
    scene.pass(Duration::from_millis(1));
    assert!(scene.answer(ticket).is_some());
    assert_eq!(scene.node.view().partitions().count(), 0);
    assert!(scene.effects_most <= EFFECTS_MAX, "{} effects in one step", scene.effects_most);
}

#[test]
fn a_topic_made_and_deleted_at_once_leaves_nothing() {
    let mut scene = Scene::new(&[]);
    create(&mut scene, 1500);
    let names = vec![Str::from("large")];
    scene.ask(
        5,
        Request::DeleteTopics(DeleteTopicsRequest { topic_names: names, timeout_ms: 1000, ..Default::default() }),
    );
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.node.view().partitions().count(), 0);
}

#[test]
fn thousands_of_logs_are_looked_through_in_short_steps() {
    let mut scene = Scene::new(&[("log.retention.check.interval.ms", "1000")]);
    create(&mut scene, 1500);
    scene.pass(Duration::from_millis(1));
    scene.produce(1, "large", (0..1500).map(|partition| (partition, batch(1))).collect());
    scene.effects_most = 0;
    scene.pass(Duration::from_millis(1100));
    assert_eq!(scene.retained, 1500, "each once");
    assert!(scene.effects_most <= EFFECTS_MAX, "{} effects in one step", scene.effects_most);
}
