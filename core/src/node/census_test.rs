use super::{Census, Held, Reign};
use crate::boundary::{Input, Note, Turn};
use crate::msg::Request;
use crate::msg::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use crate::node::observe_test::{BROKER, CONTROLLER};
use crate::node::replicate::replicate_test::{pair_with, talk};
use crate::node::scene_test::Scene;
use crate::types::{BrokerId, ConnId};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

fn census(scene: &Scene) -> Census {
    scene.node.view().census()
}

/// Whose ISR changed, as this node noted it: who joined, who left, who is in sync.
fn changes(scene: &mut Scene) -> Vec<(usize, usize, usize)> {
    let change = |note| match note {
        Note::IsrChanged { isr, joined, left, .. } => Some((joined.len(), left.len(), isr.len())),
        _ => None,
    };
    scene.notes.drain(..).filter_map(change).collect()
}

/// What became of brokers, as this node noted it.
fn turns(scene: &Scene) -> Vec<(i32, Turn, usize, usize)> {
    let turn = |note: &Note| match note {
        Note::BrokerTurned { broker, turn, active, registered } => Some((broker.0, *turn, *active, *registered)),
        _ => None,
    };
    scene.notes.iter().filter_map(turn).collect()
}

#[test]
fn a_broker_that_is_gone_is_counted_by_its_controller_and_by_who_leads_what_it_held() {
    // Its clock runs ahead of the other's here.
    let patient = [CONTROLLER, &[("broker.session.timeout.ms", "600000")]].concat();
    let (mut controller, mut broker, _) = pair_with(&patient, 4);
    let alone = CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![BrokerId(2).0] };
    let topic = CreatableTopic {
        name: "alone".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![alone],
        ..Default::default()
    };
    controller.ask(7, Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], ..Default::default() }));
    talk(&mut broker, &mut controller);
    let all = Reign { partitions: 5, leaderless: 0, active: 2, fenced: 0 };
    let told = census(&controller);
    assert_eq!((told.reign, told.held.replicas, told.is_fenced), (Some(all), 4, false));
    assert_eq!((told.held.under_replicated, told.held.under_min_isr), (0, 0));
    let followers = census(&broker);
    assert_eq!((followers.reign, followers.held.replicas, followers.is_fenced), (None, 5, false));
    assert_eq!(followers.held.led + told.held.led, 5);
    assert_eq!((told.quorum, followers.quorum.leader), (told.quorum, Some(BrokerId(1))));
    assert!(told.quorum.leader == Some(BrokerId(1)) && told.quorum.end == told.quorum.high_watermark);
    changes(&mut controller);

    controller.step(Input::Closed { conn: ConnId(1) });
    assert_eq!(turns(&controller), [(2, Turn::Fenced, 1, 2)]);
    let told = census(&controller);
    assert_eq!(told.reign, Some(Reign { leaderless: 1, active: 1, fenced: 1, ..all }));
    let held = Held { replicas: 4, led: 4, under_replicated: 4, under_min_isr: 0, at_min_isr: 4 };
    assert_eq!(told.held, held, "one in-sync replica is as few as there may be");
    assert_eq!(changes(&mut controller), [(0, 1, 1); 4]);

    broker.pass(Duration::from_secs(3));
    talk(&mut broker, &mut controller);
    talk(&mut broker, &mut controller);
    assert_eq!((turns(&controller), turns(&broker)), (vec![(2, Turn::Unfenced, 2, 2)], vec![]));
    assert_eq!(census(&controller).reign, Some(all));
    assert_eq!(census(&controller).held.under_replicated, 0);
    assert_eq!(changes(&mut controller), [(1, 0, 2); 4]);
}

#[test]
fn who_is_not_let_lead_counts_itself_as_fenced() {
    let (broker, controller) = (Scene::new(BROKER), Scene::new(CONTROLLER));
    assert_eq!((census(&broker).is_fenced, census(&broker).quorum.leader), (true, None));
    assert!(!census(&controller).is_fenced);
}
