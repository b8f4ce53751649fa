//! kill -9, and a new process on the same data some time later.

use std::thread;
use std::time::Duration;

use super::Nemesis;
use crate::history::Act;
use crate::plan::Victim;

/// Kills, waits, starts again, and returns when all that were killed answer. False if there was nobody to kill.
pub fn kill(nemesis: &mut Nemesis, victim: Victim, down: Duration) -> bool {
    let (leader, controller) = (nemesis.cluster.leader(&nemesis.topics[0], 0), nemesis.cluster.controller());
    let nodes: Vec<usize> = match victim {
        Victim::Leader => leader.into_iter().collect(),
        Victim::Controller => controller.into_iter().collect(),
        Victim::All => nemesis.cluster.nodes().collect(),
    };
    let nodes: Vec<usize> = nodes.into_iter().filter(|node| nemesis.cluster.is_running(*node)).collect();
    if nodes.is_empty() {
        return false;
    }
    let mut roles = Vec::new();
    if victim == Victim::All {
        roles.push("all".to_owned());
    } else {
        let held = [(leader, "leader"), (controller, "controller")];
        roles.extend(held.iter().filter(|(who, _)| *who == Some(nodes[0])).map(|(_, role)| (*role).to_owned()));
    }
    let before = nemesis.clock.now();
    nemesis.cluster.kill_9(&nodes);
    nemesis.note(Act::Kill, nodes.clone(), roles);
    nemesis.events.last_mut().expect("it was just written down").since = before;
    thread::sleep(down);
    nodes.iter().for_each(|node| nemesis.cluster.spawn(*node));
    for node in nodes {
        nemesis.cluster.wait(node);
        nemesis.note(Act::Up, vec![node], Vec::new());
    }
    true
}
