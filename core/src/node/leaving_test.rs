use super::observe_test::{BROKER, CONTROLLER, talk};
use super::scene_test::Scene;
use crate::boundary::{Input, Lost, Note, Turn};
use crate::types::{BrokerId, ConnId};
use core::time::Duration;
use std::vec::Vec;

fn is_leaving(scene: &Scene, id: i32) -> bool {
    scene.node.view().image().broker(BrokerId(id)).expect("registered").in_controlled_shutdown
}

#[test]
fn a_broker_that_is_to_end_waits_until_the_controller_has_moved_what_it_leads() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    broker.step(Input::Stop);
    assert!(!broker.node.view().is_released() && broker.node.view().is_ready(), "it serves on");
    talk(&mut broker, &mut controller);
    talk(&mut broker, &mut controller);
    assert!(is_leaving(&controller, 2) && is_leaving(&broker, 2));
    assert!(broker.node.view().is_released());
    controller.step(Input::Closed { conn: ConnId(1) });
    let turns = |note: &Note| match note {
        Note::BrokerTurned { broker: BrokerId(2), turn, .. } => Some(*turn),
        _ => None,
    };
    let told: Vec<Turn> = controller.notes.iter().filter_map(turns).collect();
    assert_eq!(told, [Turn::Registered, Turn::Unfenced, Turn::Leaving, Turn::Stopped]);
}

#[test]
fn the_controller_moves_what_its_own_broker_leads() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    controller.step(Input::Stop);
    controller.pass(Duration::from_millis(10));
    assert!(is_leaving(&controller, 1) && controller.node.view().is_released());
}

#[test]
fn a_broker_that_is_alone_ends_at_once() {
    let mut alone = Scene::new(&[]);
    assert!(!alone.node.view().is_released());
    alone.step(Input::Stop);
    assert!(alone.node.view().is_released() && !is_leaving(&alone, 1));
}

#[test]
fn nobody_waits_for_a_controller_that_is_gone_for_long() {
    let (mut controller, mut broker) = (Scene::new(CONTROLLER), Scene::new(BROKER));
    talk(&mut broker, &mut controller);
    broker.step(Input::Stop);
    let mut lose_calls = |millis: u64| {
        for _ in 0..millis / 100 {
            broker.pass(Duration::from_millis(100));
            for (call, ..) in core::mem::take(&mut broker.calls) {
                broker.step(Input::Response { call, body: Err(Lost::NotSent) });
            }
        }
        broker.node.view().is_released()
    };
    assert!(!lose_calls(1_000));
    assert!(lose_calls(600));
}
