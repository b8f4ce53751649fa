//! Between replicas: fetches of followers go out, and what leaders answer comes in. Checksums of a long answer are looked at
//! off the node's thread.

use super::calls::CallFor;
use super::fetchers::ReplicaAsk;
use super::lane::Order;
use super::post::Letter;
use super::throttle::Throttle;
use super::{Node, OWNER_REPLICAS, op_id};
use crate::boundary::{Done, Effect, Effects, Job, JobDone, Line, Lost, Purpose};
use crate::metadata::Image;
use crate::msg::fetch::{self, FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, ReplicaState};
use crate::msg::{Request, Response};
use crate::partition::{Fetched, FollowerFetch, Peer, Peers};
use crate::record::CheckedBatch;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, LogId, Now, Offset, OpId};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// A fetch from a leader that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReplicaFetch {
    /// Whose followers fetch.
    pub lane: usize,
    /// From whom.
    pub leader: BrokerId,
}

/// How a fetch from a leader ended.
#[derive(Clone, Hash, Debug)]
pub struct Brought {
    /// The name of the session under which the leader answered; nothing if it did not.
    pub session: Option<i32>,
    /// What it says of each log.
    pub parts: Vec<(LogId, Fetched)>,
    /// The next fetch may follow after this long.
    pub pause: Duration,
}

/// What followers here are given.
#[derive(Clone, Hash, Debug, Default)]
pub struct Replicating {
    begun: u64,
    /// Answers of leaders whose checksums are being looked at.
    checking: BTreeMap<OpId, (ReplicaFetch, Brought)>,
    /// What those that are throttled were given.
    pub throttle: Throttle,
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
    pub(super) fn fetch_replicas(&mut self, now: Now, fetch: ReplicaFetch, ask: &ReplicaAsk, out: &mut Effects) {
        let listener = &self.config.broker.inter_broker_listener;
        let leader = self.cluster.image().broker(fetch.leader);
        let Some(at) = leader.and_then(|leader| leader.endpoint(listener)) else {
            return self.fetch_lost(now, fetch, self.config.replica.backoff);
        };
        let purpose = Purpose::Replicas(fetch.lane);
        let line = Line { to: fetch.leader, host: at.host.clone(), port: at.port, purpose };
        let body = Request::Fetch(self.replica_request(now, ask));
        let wait = self.config.replica.fetch_wait + WAIT;
        let call = self.calls.begin(CallFor::Replicas(fetch));
        out.push(Effect::Call { call, line: Arc::new(line), body, wait });
    }

    /// A glance acknowledges nothing: it is a replica's fetch that has no session.
    fn replica_request(&self, now: Now, ask: &ReplicaAsk) -> FetchRequest {
        let config = &self.config.replica;
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (log, fetch) in &ask.named {
            if topics.last().is_none_or(|last| last.topic_id != log.topic) {
                topics.push(FetchTopic { topic_id: log.topic, ..FetchTopic::default() });
            }
            let partition = wanted(*log, fetch, config.fetch_bytes_max);
            topics.last_mut().expect("just made").partitions.push(partition);
        }
        let mut forgotten: Vec<ForgottenTopic> = Vec::new();
        for log in &ask.forgotten {
            if forgotten.last().is_none_or(|last| last.topic_id != log.topic) {
                forgotten.push(ForgottenTopic { topic_id: log.topic, ..ForgottenTopic::default() });
            }
            forgotten.last_mut().expect("just made").partitions.push(log.partition);
        }
        let me = ReplicaState { replica_id: self.config.broker.id.0, replica_epoch: self.cluster.epoch().0 };
        let wait = ask.by.map_or(config.fetch_wait, |by| by.since(now.mono).min(config.fetch_wait));
        let (session_id, session_epoch) = ask.session.unwrap_or((0, -1));
        FetchRequest {
            replica_state: me,
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: bounded(config.fetch_bytes_min),
            max_bytes: bounded(config.response_bytes_max),
            session_id,
            session_epoch,
            topics,
            forgotten_topics_data: forgotten,
            ..FetchRequest::default()
        }
    }

    /// The leader answered, or nobody did.
    pub(super) fn replicas_fetched(
        &mut self,
        now: Now,
        fetch: ReplicaFetch,
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        let backoff = self.config.replica.backoff;
        let Ok(Response::Fetch(body)) = body else { return self.fetch_lost(now, fetch, backoff) };
        match ErrorCode::from_code(body.error_code) {
            Some(ErrorCode::None) => {}
            Some(
                ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError,
            ) => return self.fetch_lost(now, fetch, Duration::ZERO),
            Some(_) | None => return self.fetch_lost(now, fetch, backoff),
        }
        let (brought, records) = brought(body);
        if records.iter().map(Bytes::len).sum::<usize>() <= CHECKED_IN_STEP_MAX {
            let JobDone::Checked(batches) = Job::Check(records).run(&self.functions) else {
                unreachable!("a job ends as the job that it was")
            };
            return self.replicas_checked(now, fetch, brought, batches);
        }
        let op = op_id(self.replicating.begun, OWNER_REPLICAS);
        self.replicating.begun += 1;
        self.replicating.checking.insert(op, (fetch, brought));
        out.push(Effect::Job { op, job: Job::Check(records) });
    }

    /// The checksums of a long answer were looked at.
    pub(super) fn check_done(&mut self, now: Now, op: OpId, done: Done) {
        let (fetch, brought) = self.replicating.checking.remove(&op).expect("INV-04: an operation ends once");
        let Done::Job(JobDone::Checked(batches)) = done else { unreachable!("a job ends as the job that it was") };
        self.replicas_checked(now, fetch, brought, batches);
    }

    /// Everything that the leader said goes to the lane in one letter. Of a log whose batches are broken nothing is taken.
    fn replicas_checked(
        &mut self,
        now: Now,
        fetch: ReplicaFetch,
        mut brought: Brought,
        batches: Vec<Option<Vec<CheckedBatch>>>,
    ) {
        for ((_, part), batches) in brought.parts.iter_mut().zip(batches) {
            match batches {
                Some(batches) => part.batches = batches,
                None => part.error = ErrorCode::CorruptMessage,
            }
        }
        let order = Order::Fetched(fetch.leader, Box::new(brought));
        self.post.send(Letter::ToLane(fetch.lane, order), now.mono, &mut self.rng);
    }

    fn fetch_lost(&mut self, now: Now, fetch: ReplicaFetch, pause: Duration) {
        let brought = Brought { session: None, parts: Vec::new(), pause };
        self.replicas_checked(now, fetch, brought, Vec::new());
    }
}

fn wanted(log: LogId, fetch: &FollowerFetch, bytes_max: u32) -> FetchPartition {
    FetchPartition {
        partition: log.partition,
        current_leader_epoch: fetch.current_epoch.0,
        fetch_offset: fetch.from.0,
        last_fetched_epoch: fetch.last_fetched.0,
        log_start_offset: fetch.log_start.0,
        partition_max_bytes: bounded(bytes_max),
        ..FetchPartition::default()
    }
}

/// What a leader says of each log, and the records beside it, in the same order.
fn brought(body: FetchResponse) -> (Brought, Vec<Bytes>) {
    let (mut parts, mut records) = (Vec::new(), Vec::new());
    for topic in body.responses {
        for partition in topic.partitions {
            records.push(partition.records.to_bytes());
            parts.push((LogId { topic: topic.topic_id, partition: partition.partition_index }, told(&partition)));
        }
    }
    (Brought { session: Some(body.session_id), parts, pause: Duration::ZERO }, records)
}

/// What a leader says of one partition, all but its records.
fn told(partition: &fetch::PartitionData) -> Fetched {
    let diverging = &partition.diverging_epoch;
    Fetched {
        error: ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError),
        high_watermark: Offset(partition.high_watermark),
        log_start: Offset(partition.log_start_offset),
        end: Offset(partition.last_stable_offset),
        diverging: (diverging.epoch >= 0).then_some((LeaderEpoch(diverging.epoch), Offset(diverging.end_offset))),
        batches: Vec::new(),
    }
}

fn bounded(bytes: u32) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// How much longer than it may wait a fetch may take.
const WAIT: Duration = Duration::from_secs(10);
/// Checksums of so many bytes cost a step next to nothing.
const CHECKED_IN_STEP_MAX: usize = 64 << 10;

#[cfg(test)]
#[path = "replicate_test.rs"]
pub mod replicate_test;
