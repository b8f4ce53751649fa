//! Fetches of the metadata log, from those who follow it (KIP-595). One that there is no news for waits.

use crate::boundary::{Effect, Effects, Slot};
use crate::msg::Response;
use crate::msg::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::node::Node;
use crate::quorum::{FetchAsk, Readable, Voter};
use crate::types::{BrokerId, ConnId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, Str, Ticket, Uuid};
use alloc::vec::Vec;
use core::time::Duration;

/// A fetch of the metadata log that is not answered yet.
#[derive(Clone, Hash, Debug)]
pub struct Parked {
    ticket: Ticket,
    until: Mono,
    ask: FetchAsk,
    bytes_max: u32,
}

/// The followers that wait for news of the metadata log.
#[derive(Clone, Hash, Debug, Default)]
pub struct Followers {
    parked: Vec<Parked>,
    /// Answers whose records are being read.
    serving: Vec<Ticket>,
}

impl Followers {
    /// When the first of them has waited long enough.
    pub fn deadline(&self) -> Option<Mono> {
        self.parked.iter().map(|one| one.until).min()
    }

    /// The connection is gone.
    pub fn closed(&mut self, conn: ConnId) {
        self.parked.retain(|one| one.ticket.conn != conn);
    }
}

impl Node {
    /// A request for the metadata log. On a listener of controllers there is no other log to fetch.
    pub(in crate::node) fn fetch_metadata(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: &FetchRequest,
        out: &mut Effects,
    ) {
        self.cluster.leases.asked_over(ticket.conn);
        if request.cluster_id.as_ref().is_some_and(|id| *id != self.cluster.id) {
            return refuse(ticket, ErrorCode::InconsistentClusterId, out);
        }
        let [topic] = request.topics.as_slice() else { return refuse(ticket, ErrorCode::InvalidRequest, out) };
        let is_named = topic.topic_id == Uuid::METADATA_TOPIC || topic.topic == super::METADATA_TOPIC;
        let [partition] = topic.partitions.as_slice() else { return refuse(ticket, ErrorCode::InvalidRequest, out) };
        if !is_named || partition.partition != 0 {
            return refuse(ticket, ErrorCode::UnknownTopicOrPartition, out);
        }
        let ask = FetchAsk {
            term: LeaderEpoch(partition.current_leader_epoch),
            from: Offset(partition.fetch_offset),
            last: LeaderEpoch(partition.last_fetched_epoch),
            high_watermark: Offset(partition.high_watermark),
        };
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
        let bytes_max = u32::try_from(request.max_bytes.min(partition.partition_max_bytes)).unwrap_or(0).min(BYTES_MAX);
        let id = BrokerId(request.replica_state.replica_id.max(request.replica_id));
        let who = Voter { id, directory: partition.replica_directory_id };
        self.with_quorum(now, out, |quorum, _, said| quorum.heard_of(who, ask, now, said));
        self.cluster.followers.parked.push(Parked { ticket, until: now.mono + wait, ask, bytes_max });
        self.tell_followers(now.mono, out);
    }

    /// Answers everybody for whom there is news by now, or who has waited long enough.
    pub(super) fn tell_followers(&mut self, now: Mono, out: &mut Effects) {
        let mut parked = core::mem::take(&mut self.cluster.followers.parked);
        parked.retain(|one| {
            let readable = self.cluster.quorum.readable(one.ask);
            let is_due = readable.is_news(one.ask) || one.until <= now;
            if is_due {
                self.tell_follower(one, readable, out);
            }
            !is_due
        });
        self.cluster.followers.parked = parked;
    }

    fn tell_follower(&mut self, one: &Parked, readable: Readable, out: &mut Effects) {
        let quorum = &self.cluster.quorum;
        let (term, leader) = quorum.told();
        let leader = LeaderIdAndEpoch { leader_id: leader.map_or(-1, |leader| leader.0), leader_epoch: term.0 };
        let diverging_epoch = readable
            .diverging
            .map_or_else(EpochEndOffset::default, |(epoch, end)| EpochEndOffset { epoch: epoch.0, end_offset: end.0 });
        let partition = PartitionData {
            partition_index: 0,
            error_code: readable.error.code(),
            high_watermark: readable.high_watermark.0,
            log_start_offset: readable.log_start.0,
            diverging_epoch,
            current_leader: leader,
            records: crate::record::Records::EMPTY,
            ..PartitionData::default()
        };
        let topic = FetchableTopicResponse {
            topic: Str::from_static(super::METADATA_TOPIC),
            topic_id: Uuid::METADATA_TOPIC,
            partitions: alloc::vec![partition],
        };
        let node_endpoints = self.leader_endpoint().map(|(id, at)| NodeEndpoint {
            node_id: id.0,
            host: at.host,
            port: i32::from(at.port),
            rack: None,
        });
        let body = FetchResponse {
            responses: alloc::vec![topic],
            node_endpoints: node_endpoints.into_iter().collect(),
            ..FetchResponse::default()
        };
        let has_records =
            readable.error == ErrorCode::None && readable.diverging.is_none() && one.ask.from < readable.end;
        if !has_records {
            return out.push(Effect::Reply { ticket: one.ticket, body: Some(Response::Fetch(body)) });
        }
        let slot = Slot {
            topic: 0,
            partition: 0,
            log: LogId::METADATA,
            from: one.ask.from,
            end: readable.end,
            bytes_max: one.bytes_max,
        };
        self.cluster.followers.serving.push(one.ticket);
        out.push(Effect::Serve { ticket: one.ticket, body, slots: alloc::vec![slot], bytes_max: one.bytes_max });
    }

    /// The bytes of such an answer are out; true if it was one.
    pub(in crate::node) fn metadata_served(&mut self, ticket: Ticket) -> bool {
        let serving = &mut self.cluster.followers.serving;
        let place = serving.iter().position(|one| *one == ticket);
        place.map(|place| serving.swap_remove(place)).is_some()
    }
}

fn refuse(ticket: Ticket, error: ErrorCode, out: &mut Effects) {
    let body = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
    out.push(Effect::Reply { ticket, body: Some(Response::Fetch(body)) });
}

/// Nobody is kept waiting for longer, whatever it asks.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Nobody is given more at a time: what is read is held in memory until it is sent.
const BYTES_MAX: u32 = 8 << 20;
