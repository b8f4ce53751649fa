//! What leaders here propose of their ISRs goes to the controller: one request at a time, with all that gathered while the one
//! before was under way. So the controller judges them in the order in which they were made.

use super::Node;
use super::calls::CallFor;
use super::cluster::From;
use super::lane::Order;
use crate::boundary::{Effect, Effects, Lost};
use crate::controller::Ask;
use crate::msg::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, PartitionData, PartitionResult, TopicData,
};
use crate::msg::{Request, Response};
use crate::partition::{IsrAnswer, IsrAsk};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogId, Mono, Now, PartitionEpoch};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

/// Proposals, and answers to them.
#[derive(Clone, Hash, Debug, Default)]
pub struct Proposals {
    /// Those that go with the next request. Of a log that is led anew meanwhile only the newest: the one before is void.
    next: BTreeMap<LogId, IsrAsk>,
    /// A request is under way.
    is_asking: bool,
    /// Answers that are told after a while, since whoever is told asks again at once.
    later: VecDeque<(Mono, LogId, IsrAsk, IsrAnswer)>,
}

impl Proposals {
    /// When the next answer is told.
    pub fn deadline(&self) -> Option<Mono> {
        self.later.front().map(|(at, ..)| *at)
    }

    /// A leader proposes another ISR.
    pub fn propose(&mut self, log: LogId, ask: IsrAsk) {
        self.next.insert(log, ask);
    }
}

impl Node {
    /// The controller is asked for what gathered, over the lease or in this very process. False if there was nothing to ask.
    pub(super) fn propose_next(&mut self, now: Now, out: &mut Effects) -> bool {
        if self.proposals.is_asking || self.proposals.next.is_empty() {
            return false;
        }
        let mut asked = Vec::new();
        while asked.len() < PROPOSED_AT_ONCE
            && let Some(one) = self.proposals.next.pop_first()
        {
            asked.push(one);
        }
        let body = AlterPartitionRequest {
            broker_id: self.config.broker.id.0,
            broker_epoch: self.cluster.epoch().0,
            topics: proposals(&asked),
        };
        self.proposals.is_asking = true;
        let call = self.calls.begin(CallFor::Isr(asked));
        match self.cluster.lease() {
            Some(line) => {
                let wait = self.config.broker.session_timeout;
                out.push(Effect::Call { call, line, body: Request::AlterPartition(body), wait });
            }
            None => self.ask_controller(now, From::Call(call), &Ask::AlterPartition(body), out),
        }
        true
    }

    /// The controller judged proposals, or nobody knows. What may be asked again is told after a while.
    pub(super) fn proposed(&mut self, now: Now, asked: Vec<(LogId, IsrAsk)>, body: Result<Response, Lost>) {
        self.proposals.is_asking = false;
        let body = match body {
            Ok(Response::AlterPartition(body)) => Some(body),
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => None,
        };
        let answers = Answers::of(body.as_ref());
        for (log, ask) in asked {
            match answers.about(log) {
                answer @ IsrAnswer::Is { .. } => self.order(now, log, Order::IsrAnswered(log, ask, answer)),
                answer @ (IsrAnswer::Refused(_) | IsrAnswer::Lost) => {
                    self.proposals.later.push_back((now.mono + PAUSE, log, ask, answer));
                }
            }
        }
    }

    /// Tells what was to be told after a while.
    pub(super) fn propose_on(&mut self, now: Now) {
        while self.proposals.deadline().is_some_and(|at| at <= now.mono) {
            let Some((_, log, asked, answer)) = self.proposals.later.pop_front() else { return };
            self.order(now, log, Order::IsrAnswered(log, asked, answer));
        }
    }
}

/// What the controller said.
enum Answers<'a> {
    Lost,
    /// Of the whole request.
    Refused(ErrorCode),
    /// Of each partition.
    Told(BTreeMap<LogId, &'a PartitionResult>),
}

impl<'a> Answers<'a> {
    fn of(body: Option<&'a AlterPartitionResponse>) -> Self {
        let Some(body) = body else { return Self::Lost };
        match ErrorCode::from_code(body.error_code) {
            Some(ErrorCode::None) => {}
            Some(error) => return Self::Refused(error),
            None => return Self::Lost,
        }
        let partitions = body.topics.iter().flat_map(|topic| {
            let log = |one: &PartitionResult| LogId { topic: topic.topic_id, partition: one.partition_index };
            topic.partitions.iter().map(move |one| (log(one), one))
        });
        Self::Told(partitions.collect())
    }

    fn about(&self, log: LogId) -> IsrAnswer {
        match self {
            Self::Lost => IsrAnswer::Lost,
            Self::Refused(error) => IsrAnswer::Refused(*error),
            Self::Told(partitions) => partitions.get(&log).map_or(IsrAnswer::Lost, |one| judged(one)),
        }
    }
}

/// The proposals as a request has them: those of a topic together.
fn proposals(asked: &[(LogId, IsrAsk)]) -> Vec<TopicData> {
    let mut topics: Vec<TopicData> = Vec::new();
    for (log, ask) in asked {
        if topics.last().is_none_or(|last| last.topic_id != log.topic) {
            topics.push(TopicData { topic_id: log.topic, ..TopicData::default() });
        }
        topics.last_mut().expect("just made").partitions.push(proposal(*log, ask));
    }
    topics
}

fn proposal(log: LogId, ask: &IsrAsk) -> PartitionData {
    let member = |(id, epoch): &(BrokerId, BrokerEpoch)| BrokerState { broker_id: id.0, broker_epoch: epoch.0 };
    PartitionData {
        partition_index: log.partition,
        leader_epoch: ask.leader_epoch.0,
        new_isr_with_epochs: ask.members.iter().map(member).collect(),
        leader_recovery_state: 0,
        partition_epoch: ask.partition_epoch.0,
        ..PartitionData::default()
    }
}

fn judged(partition: &PartitionResult) -> IsrAnswer {
    match ErrorCode::from_code(partition.error_code) {
        Some(ErrorCode::None) => IsrAnswer::Is {
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            partition_epoch: PartitionEpoch(partition.partition_epoch),
            members: partition.isr.iter().copied().map(BrokerId).collect(),
        },
        Some(error) => IsrAnswer::Refused(error),
        None => IsrAnswer::Lost,
    }
}

/// Before so long a proposal is not made again.
const PAUSE: Duration = Duration::from_millis(50);
/// The most proposals of one request.
const PROPOSED_AT_ONCE: usize = 1_000;

#[cfg(test)]
#[path = "propose_test.rs"]
mod propose_test;
