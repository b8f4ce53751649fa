//! Followers that are throttled (KIP-73), as their leader sees them.

use super::rack_test::{answer, follow, led_with};
use super::scene_test::{Scene, batch};
use crate::types::{LogId, Ticket};
use core::time::Duration;

const RATE: (&str, &str) = ("leader.replication.throttled.rate", "200");
const LAG: (&str, &str) = ("replica.lag.time.max.ms", "1000");
const NAMED: &[(&str, &str)] = &[("leader.replication.throttled.replicas", "0:1,7:2")];

/// Does the answer carry records? None while there is no answer.
fn brings(scene: &mut Scene, ticket: Ticket) -> Option<bool> {
    let answer = answer(scene, ticket)?;
    Some(answer.responses.iter().flat_map(|topic| &topic.partitions).any(|one| !one.records.is_empty()))
}

/// With more records than five seconds allow.
fn written(settings: &[(&str, &str)], configs: &[(&str, &str)]) -> Scene {
    let mut scene = led_with(settings, configs);
    scene.produce(1, "orders", std::vec![(0, batch(100))]);
    scene
}

fn in_sync(scene: &Scene) -> usize {
    let image = scene.node.view().image();
    let topic = image.topic_named("orders").expect("it was made");
    image.partition(LogId { topic: topic.id, partition: 0 }).expect("there").isr.len()
}

#[test]
fn a_follower_that_is_out_of_sync_gets_what_the_rate_allows_and_the_rest_later() {
    let mut scene = written(&[RATE, LAG], NAMED);
    scene.pass(Duration::from_secs(2));
    assert_eq!(in_sync(&scene), 1, "it lags");
    let first = follow(&mut scene, 0, (0, 0));
    assert_eq!(brings(&mut scene, first), Some(true), "nothing is owed yet");
    let second = follow(&mut scene, 0, (0, 0));
    assert_eq!(brings(&mut scene, second), None, "it waits as if there were nothing");
    scene.pass(Duration::from_millis(600));
    assert_eq!(brings(&mut scene, second), Some(false));
    scene.pass(Duration::from_secs(6));
    let third = follow(&mut scene, 0, (0, 0));
    assert_eq!(brings(&mut scene, third), Some(true), "it is paid off");
}

#[test]
fn a_glance_is_never_slowed() {
    // Whoever is about to begin anew takes what it is told for all there is.
    let mut scene = written(&[RATE, LAG], NAMED);
    scene.pass(Duration::from_secs(2));
    let first = follow(&mut scene, 0, (0, 0));
    assert_eq!(brings(&mut scene, first), Some(true), "from now on something is owed");
    let glance = follow(&mut scene, 0, (0, -1));
    assert_eq!(brings(&mut scene, glance), Some(true));
}

#[test]
fn a_follower_that_is_in_sync_is_never_slowed() {
    let mut scene = written(&[RATE], NAMED);
    assert_eq!(in_sync(&scene), 2);
    for _ in 0..10 {
        let ticket = follow(&mut scene, 0, (0, 0));
        assert_eq!(brings(&mut scene, ticket), Some(true));
    }
}

#[test]
fn a_replica_that_nobody_named_is_not_slowed() {
    let mut scene = written(&[RATE, LAG], &[("leader.replication.throttled.replicas", "1:1,0:2")]);
    scene.pass(Duration::from_secs(2));
    assert_eq!(in_sync(&scene), 1);
    for _ in 0..10 {
        let ticket = follow(&mut scene, 0, (0, 0));
        assert_eq!(brings(&mut scene, ticket), Some(true));
    }
}
