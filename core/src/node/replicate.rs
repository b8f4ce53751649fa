//! Between replicas: fetches of followers go out, what leaders answer comes in, and what a leader proposes of its ISR goes to
//! the controller.

use super::Node;
use super::calls::CallFor;
use super::cluster::From;
use super::lane::Order;
use super::post::Letter;
use crate::boundary::{Effect, Effects, Line, Lost, Purpose};
use crate::controller::Ask;
use crate::metadata::Image;
use crate::msg::alter_partition::{AlterPartitionRequest, BrokerState, PartitionData, TopicData};
use crate::msg::fetch::{self, FetchPartition, FetchRequest, FetchTopic, ReplicaState};
use crate::msg::{Request, Response};
use crate::partition::{Fetched, FollowerFetch, IsrAnswer, IsrAsk, Peer, Peers};
use crate::record::{Functions, check_stored};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, PartitionEpoch};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// One fetch from a leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReplicaFetch {
    /// Whose followers fetch.
    pub lane: usize,
    /// From whom.
    pub leader: BrokerId,
    /// What of each log.
    pub asked: Vec<(LogId, FollowerFetch)>,
}

/// Answers about ISRs that are told after a while, since whoever is told asks again at once.
#[derive(Clone, Hash, Debug, Default)]
pub struct Proposals {
    later: VecDeque<(Mono, LogId, IsrAsk, IsrAnswer)>,
}

impl Proposals {
    /// When the next is told.
    pub fn deadline(&self) -> Option<Mono> {
        self.later.front().map(|(at, ..)| *at)
    }
}

/// The brokers of a cluster, as far as ISRs depend on them.
pub fn peers(image: &Image) -> Peers {
    let peer = |broker: &Arc<crate::metadata::Broker>| Peer {
        id: broker.id,
        epoch: broker.epoch,
        may_join: broker.is_active(),
    };
    Peers::new(image.brokers().map(peer).collect())
}

impl Node {
    /// A lane's followers want more of a leader. Without its address there is nobody to ask; its registration will come.
    pub(super) fn fetch_replicas(&mut self, now: Now, fetch: ReplicaFetch, out: &mut Effects) {
        let listener = &self.config.broker.inter_broker_listener;
        let leader = self.cluster.image().broker(fetch.leader);
        let Some(at) = leader.and_then(|leader| leader.endpoint(listener)) else {
            return self.fetch_ended(now, &fetch, self.config.replica.backoff);
        };
        let purpose = Purpose::Replicas(fetch.lane);
        let line = Line { to: fetch.leader, host: at.host.clone(), port: at.port, purpose };
        let body = Request::Fetch(self.replica_request(&fetch.asked));
        let wait = self.config.replica.fetch_wait + WAIT;
        let call = self.calls.begin(CallFor::Replicas(fetch));
        out.push(Effect::Call { call, line: Arc::new(line), body, wait });
    }

    /// A glance acknowledges nothing, so it goes as a client's and does not wait; all of a request do or none.
    fn replica_request(&self, asked: &[(LogId, FollowerFetch)]) -> FetchRequest {
        let config = &self.config.replica;
        let is_glance = asked.iter().any(|(_, fetch)| fetch.is_glance);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (log, fetch) in asked.iter().filter(|(_, fetch)| fetch.is_glance == is_glance) {
            if topics.last().is_none_or(|last| last.topic_id != log.topic) {
                topics.push(FetchTopic { topic_id: log.topic, ..FetchTopic::default() });
            }
            let partition = FetchPartition {
                partition: log.partition,
                current_leader_epoch: fetch.current_epoch.0,
                fetch_offset: fetch.from.0,
                last_fetched_epoch: fetch.last_fetched.0,
                log_start_offset: fetch.log_start.0,
                partition_max_bytes: bounded(config.fetch_bytes_max),
                ..FetchPartition::default()
            };
            topics.last_mut().expect("just made").partitions.push(partition);
        }
        let me = ReplicaState { replica_id: self.config.broker.id.0, replica_epoch: self.cluster.epoch().0 };
        let wait = if is_glance { Duration::ZERO } else { config.fetch_wait };
        FetchRequest {
            replica_state: if is_glance { ReplicaState::default() } else { me },
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: bounded(config.fetch_bytes_min),
            max_bytes: bounded(config.response_bytes_max),
            topics,
            ..FetchRequest::default()
        }
    }

    /// The leader answered, or nobody did.
    pub(super) fn replicas_fetched(&mut self, now: Now, fetch: ReplicaFetch, body: Result<Response, Lost>) {
        let backoff = self.config.replica.backoff;
        let Ok(Response::Fetch(body)) = body else { return self.fetch_ended(now, &fetch, backoff) };
        let mut is_well = body.error_code == 0;
        for topic in body.responses {
            for partition in topic.partitions {
                let log = LogId { topic: topic.topic_id, partition: partition.partition_index };
                let Some((_, asked)) = fetch.asked.iter().find(|(known, _)| *known == log) else { continue };
                match fetched(partition, &self.functions) {
                    Some(fetched) => {
                        is_well &= fetched.error == ErrorCode::None || fetched.error == ErrorCode::OffsetOutOfRange;
                        self.order(now, log, Order::Fetched(log, *asked, Box::new(fetched)));
                    }
                    None => is_well = false,
                }
            }
        }
        self.fetch_ended(now, &fetch, if is_well { Duration::ZERO } else { backoff });
    }

    fn fetch_ended(&mut self, now: Now, fetch: &ReplicaFetch, pause: Duration) {
        let order = Order::FetchEnded(fetch.leader, pause);
        self.post.send(Letter::ToLane(fetch.lane, order), now.mono, &mut self.rng);
    }

    /// A leader here proposes another ISR. The controller is asked over the lease, or in this very process.
    pub(super) fn propose(&mut self, now: Now, log: LogId, ask: IsrAsk, out: &mut Effects) {
        let body = AlterPartitionRequest {
            broker_id: self.config.broker.id.0,
            broker_epoch: self.cluster.epoch().0,
            topics: alloc::vec![proposal(log, &ask)],
        };
        let call = self.calls.begin(CallFor::Isr(log, ask));
        match self.cluster.lease() {
            Some(line) => {
                let wait = self.config.broker.session_timeout;
                out.push(Effect::Call { call, line, body: Request::AlterPartition(body), wait });
            }
            None => self.ask_controller(now, From::Call(call), &Ask::AlterPartition(body), out),
        }
    }

    /// The controller judged a proposal, or nobody knows. What may be asked again is told after a while.
    pub(super) fn proposed(&mut self, now: Now, log: LogId, asked: IsrAsk, body: Result<Response, Lost>) {
        let answer = match body {
            Ok(Response::AlterPartition(body)) => match (ErrorCode::from_code(body.error_code), body.topics.first()) {
                (Some(ErrorCode::None), Some(topic)) => topic.partitions.first().map_or(IsrAnswer::Lost, judged),
                (Some(error), _) if error.is_error() => IsrAnswer::Refused(error),
                _ => IsrAnswer::Lost,
            },
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => IsrAnswer::Lost,
        };
        match answer {
            IsrAnswer::Is { .. } => self.order(now, log, Order::IsrAnswered(log, asked, answer)),
            IsrAnswer::Refused(_) | IsrAnswer::Lost => {
                self.proposals.later.push_back((now.mono + PAUSE, log, asked, answer));
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

fn proposal(log: LogId, ask: &IsrAsk) -> TopicData {
    let member =
        |(id, epoch): &(BrokerId, crate::types::BrokerEpoch)| BrokerState { broker_id: id.0, broker_epoch: epoch.0 };
    let partition = PartitionData {
        partition_index: log.partition,
        leader_epoch: ask.leader_epoch.0,
        new_isr_with_epochs: ask.members.iter().map(member).collect(),
        leader_recovery_state: 0,
        partition_epoch: ask.partition_epoch.0,
        ..PartitionData::default()
    };
    TopicData { topic_id: log.topic, partitions: alloc::vec![partition] }
}

fn judged(partition: &crate::msg::alter_partition::PartitionResult) -> IsrAnswer {
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

/// What a leader says of one partition; nothing if its batches are broken.
fn fetched(partition: fetch::PartitionData, functions: &Functions) -> Option<Fetched> {
    let diverging = &partition.diverging_epoch;
    let batches: Result<Vec<_>, _> = check_stored(partition.records.to_bytes(), functions).collect();
    Some(Fetched {
        error: ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError),
        high_watermark: Offset(partition.high_watermark),
        log_start: Offset(partition.log_start_offset),
        diverging: (diverging.epoch >= 0).then_some((LeaderEpoch(diverging.epoch), Offset(diverging.end_offset))),
        batches: batches.ok()?,
    })
}

fn bounded(bytes: u32) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// How much longer than it may wait a fetch may take.
const WAIT: Duration = Duration::from_secs(10);
/// Before so long a proposal is not made again.
const PAUSE: Duration = Duration::from_millis(50);
