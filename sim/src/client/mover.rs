//! A client that moves replicas and elects leaders, as an operator would, while everything else goes on.

use super::{Actor, Cx, Happened};
use ottla_core::msg::Response;
use ottla_core::msg::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition, ReassignableTopic,
};
use ottla_core::msg::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse, TopicPartitions};
use ottla_core::msg::list_partition_reassignments::ListPartitionReassignmentsRequest;
use ottla_core::types::{ErrorCode, Str};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who moves what, and how often.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// How many brokers there are, numbered from 1.
    pub brokers: usize,
    /// How many of them hold a partition.
    pub replicas: usize,
    /// About so long between two requests.
    pub pace: Duration,
}

/// Moves replicas now and then.
pub struct Mover {
    habits: Habits,
    tag: u64,
    is_asking: bool,
    finishing: bool,
}

impl Mover {
    /// One that has not begun.
    pub fn new(habits: Habits) -> Self {
        Self { habits, tag: 0, is_asking: false, finishing: false }
    }

    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || self.finishing || self.is_asking {
            return;
        }
        self.is_asking = true;
        self.tag += 1;
        let at = cx.rng.below(cx.model.topics.len() as u64) as usize;
        let name = Str::from(cx.model.topics[at].name.as_str());
        let partition_index = cx.rng.below(cx.model.topics[at].partitions as u64) as i32;
        match cx.rng.below(8) {
            0 => cx.ask(self.tag, ListPartitionReassignmentsRequest::default()),
            1 => {
                let topics = vec![TopicPartitions { topic: name, partitions: vec![partition_index] }];
                let topic_partitions = cx.rng.chance(1, 2).then_some(topics);
                cx.ask(self.tag, ElectLeadersRequest { election_type: 0, topic_partitions, timeout_ms: 5_000 });
            }
            what => {
                let replicas = (what > 2).then(|| self.draw(cx));
                let partitions = vec![ReassignablePartition { partition_index, replicas }];
                let topics = vec![ReassignableTopic { name, partitions }];
                cx.ask(self.tag, AlterPartitionReassignmentsRequest { topics, ..Default::default() });
            }
        }
    }

    /// So many brokers, in any order.
    fn draw(&self, cx: &mut Cx) -> Vec<i32> {
        let mut all: Vec<i32> = (1..=self.habits.brokers as i32).collect();
        for at in 0..self.habits.replicas {
            let other = at + cx.rng.below((all.len() - at) as u64) as usize;
            all.swap(at, other);
        }
        all.truncate(self.habits.replicas);
        all
    }

    fn moved(cx: &mut Cx, body: &AlterPartitionReassignmentsResponse) {
        for partition in body.responses.iter().flat_map(|topic| &topic.partitions) {
            match ErrorCode::from_code(partition.error_code) {
                Some(ErrorCode::None) => cx.model.mark("partitions moved"),
                Some(ErrorCode::NoReassignmentInProgress) => cx.model.mark("nothing to be cancelled"),
                // A broker that has not registered yet; a move whose cancellation would lose records.
                Some(ErrorCode::InvalidReplicaAssignment) => cx.model.mark("moves refused"),
                Some(ErrorCode::UnknownTopicOrPartition) => {}
                error => cx.model.find("moves", format!("{error:?}: {:?}", partition.error_message)),
            }
        }
    }

    fn elected(cx: &mut Cx, body: &ElectLeadersResponse) {
        for partition in body.replica_election_results.iter().flat_map(|topic| &topic.partition_result) {
            match ErrorCode::from_code(partition.error_code) {
                Some(ErrorCode::None) => cx.model.mark("preferred leaders elected"),
                Some(
                    ErrorCode::ElectionNotNeeded
                    | ErrorCode::PreferredLeaderNotAvailable
                    | ErrorCode::UnknownTopicOrPartition,
                ) => {}
                error => cx.model.find("elections", format!("{error:?}: {:?}", partition.error_message)),
            }
        }
    }

    fn rest(&mut self, cx: &mut Cx) {
        self.is_asking = false;
        let pace = self.habits.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

impl Actor for Mover {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => self.rest(cx),
            Happened::Wake => self.ask(cx),
            Happened::Answer { body: Response::AlterPartitionReassignments(body), .. } => {
                Self::moved(cx, &body);
                self.rest(cx);
            }
            Happened::Answer { body: Response::ElectLeaders(body), .. } => {
                Self::elected(cx, &body);
                self.rest(cx);
            }
            Happened::Answer { body: Response::ListPartitionReassignments(body), .. } => {
                if !body.topics.is_empty() {
                    cx.model.mark("moves listed");
                }
                self.rest(cx);
            }
            Happened::Answer { body, .. } => panic!("a mover never asked for {body:?}"),
            Happened::Down { .. } => self.is_asking = false,
        }
    }

    fn is_done(&self) -> bool {
        self.finishing
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}
