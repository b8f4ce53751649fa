//! Whatever breaks things, and writes down what it did.

mod kill;

use std::thread;
use std::time::{Duration, Instant};

use ottla_tests::harness::cluster::Cluster;

use crate::history::{Act, Clock, Event, NEMESIS, Type};

pub use kill::kill;

/// The hand on the processes of a run.
pub struct Nemesis {
    /// The processes.
    pub cluster: Cluster,
    /// The clock of the history.
    pub clock: Clock,
    /// What it did.
    pub events: Vec<Event>,
    /// Each topic of the run.
    pub topics: Vec<String>,
}

impl Nemesis {
    /// Writes down what was done just now.
    fn note(&mut self, f: Act, nodes: Vec<usize>, roles: Vec<String>) {
        let event = Event::new(self.clock.now(), NEMESIS, Type::Info, f);
        self.events.push(Event { nodes, roles, ..event });
    }

    /// Waits until every partition has a leader and all of its replicas in sync, and writes that down. False if it took
    /// longer than `patience`.
    pub fn wait_until_whole(&mut self, patience: Duration) -> bool {
        let started = Instant::now();
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        loop {
            let asked = Instant::now();
            if self.cluster.lacking(&topics) == Some(0) {
                break;
            }
            if started.elapsed() > patience {
                return false;
            }
            // A hundredth of its time at most goes into our question.
            thread::sleep((asked.elapsed() * 100).clamp(ASK_EVERY_MIN, ASK_EVERY_MAX));
        }
        self.note(Act::Whole, Vec::new(), Vec::new());
        true
    }
}

/// How often it is looked at least and most.
const ASK_EVERY_MIN: Duration = Duration::from_millis(20);
const ASK_EVERY_MAX: Duration = Duration::from_secs(2);
