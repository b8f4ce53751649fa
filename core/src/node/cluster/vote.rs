//! Voters among themselves: who votes for whom, who leads, who leads no more (KIP-595).

use super::METADATA_TOPIC;
use crate::boundary::{Effect, Effects, Line, Lost, Purpose};
use crate::config::QuorumVoter;
use crate::msg::begin_quorum_epoch::{self as begin, BeginQuorumEpochRequest, BeginQuorumEpochResponse};
use crate::msg::end_quorum_epoch::{self as end, EndQuorumEpochRequest, EndQuorumEpochResponse};
use crate::msg::vote::{PartitionData, PartitionResult, TopicData, TopicResult, VoteRequest, VoteResponse};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::{VoteAsk, VoteTold};
use crate::types::{BrokerId, ConnId, ErrorCode, LeaderEpoch, Now, Offset, Str, Ticket};
use alloc::vec::Vec;

/// What this node has to do with the voters.
#[derive(Clone, Hash, Debug)]
pub(super) struct Voting {
    /// Where they are.
    addresses: Vec<QuorumVoter>,
    /// Who led last, as this node knows.
    pub(super) last_leader: Option<BrokerId>,
    /// Those that asked for a vote, and wait until it is durable here.
    undecided: Vec<(Ticket, VoteAsk)>,
}

impl Voting {
    /// Of a node that starts.
    pub(super) fn new(addresses: Vec<QuorumVoter>) -> Self {
        Self { addresses, last_leader: None, undecided: Vec::new() }
    }

    /// The line to a voter.
    pub(super) fn line(&self, to: BrokerId, purpose: Purpose) -> Line {
        let voter = self.addresses.iter().find(|voter| voter.id == to).expect("the quorum speaks of voters only");
        Line { to, host: voter.host.clone(), port: voter.port, purpose }
    }

    /// The connection is gone.
    pub(super) fn closed(&mut self, conn: ConnId) {
        self.undecided.retain(|(ticket, _)| ticket.conn != conn);
    }
}

impl Node {
    /// Asks a voter for its vote.
    pub(super) fn ask_vote(&mut self, to: BrokerId, ask: VoteAsk, out: &mut Effects) {
        let partition = PartitionData {
            partition_index: 0,
            replica_epoch: ask.term.0,
            replica_id: ask.from.0,
            replica_directory_id: self.cluster.life.me.directory,
            last_offset_epoch: ask.last.0,
            last_offset: ask.end.0,
            pre_vote: ask.is_pre,
            ..PartitionData::default()
        };
        let topic = TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
        let body =
            VoteRequest { cluster_id: Some(self.cluster.id.clone()), voter_id: to.0, topics: alloc::vec![topic] };
        self.call_voter(to, CallFor::Vote(to, ask), Request::Vote(body), out);
    }

    /// Tells a voter that this node leads.
    pub(super) fn tell_voter(&mut self, to: BrokerId, term: LeaderEpoch, out: &mut Effects) {
        let partition = begin::PartitionData {
            leader_id: self.config.broker.id.0,
            leader_epoch: term.0,
            ..begin::PartitionData::default()
        };
        let topic =
            begin::TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
        let body = BeginQuorumEpochRequest {
            cluster_id: Some(self.cluster.id.clone()),
            voter_id: to.0,
            topics: alloc::vec![topic],
            ..BeginQuorumEpochRequest::default()
        };
        self.call_voter(to, CallFor::Reign, Request::BeginQuorumEpoch(body), out);
    }

    /// Tells a voter that this node leads no more.
    pub(super) fn tell_end(&mut self, (to, term): (BrokerId, LeaderEpoch), successors: &[BrokerId], out: &mut Effects) {
        let candidate = |id: &BrokerId| end::ReplicaInfo { candidate_id: id.0, ..end::ReplicaInfo::default() };
        let partition = end::PartitionData {
            leader_id: self.config.broker.id.0,
            leader_epoch: term.0,
            preferred_successors: successors.iter().map(|id| id.0).collect(),
            preferred_candidates: successors.iter().map(candidate).collect(),
            ..end::PartitionData::default()
        };
        let topic = end::TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
        let body = EndQuorumEpochRequest {
            cluster_id: Some(self.cluster.id.clone()),
            topics: alloc::vec![topic],
            ..EndQuorumEpochRequest::default()
        };
        self.call_voter(to, CallFor::Reign, Request::EndQuorumEpoch(body), out);
    }

    fn call_voter(&mut self, to: BrokerId, what: CallFor, body: Request, out: &mut Effects) {
        let call = self.calls.begin(what);
        let line = self.cluster.line(to, Purpose::Quorum);
        out.push(Effect::Call { call, line, body, wait: self.config.quorum.request_timeout });
    }

    /// A voter gave its vote or not, or was not reached.
    pub(in crate::node) fn vote_came(
        &mut self,
        now: Now,
        (whom, asked): (BrokerId, VoteAsk),
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        let Ok(Response::Vote(body)) = body else { return };
        let Some(told) = body.topics.first().and_then(|topic| topic.partitions.first()) else { return };
        let told = VoteTold {
            term: LeaderEpoch(told.leader_epoch),
            leader: leader(told.leader_id),
            is_granted: told.vote_granted,
        };
        self.with_quorum(now, out, |quorum, cx, said| quorum.vote_told((whom, &asked), told, cx, said));
    }

    /// A voter has heard who leads. It may know better.
    pub(in crate::node) fn reign_told(&mut self, now: Now, body: Result<Response, Lost>, out: &mut Effects) {
        let known = match body {
            Ok(Response::BeginQuorumEpoch(body)) => body.topics.first().and_then(|topic| {
                topic.partitions.first().map(|told| (LeaderEpoch(told.leader_epoch), leader(told.leader_id)))
            }),
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => None,
        };
        if let Some((term, leader)) = known {
            self.with_quorum(now, out, |quorum, cx, said| quorum.outdone(term, leader, cx, said));
        }
    }

    /// What voters ask of each other.
    pub(in crate::node) fn voter_asks(&mut self, now: Now, ticket: Ticket, body: &Request, out: &mut Effects) {
        match body {
            Request::Vote(body) => self.vote_asked_by(now, ticket, body, out),
            Request::BeginQuorumEpoch(body) => self.reign_began(now, ticket, body, out),
            Request::EndQuorumEpoch(body) => self.reign_ended(now, ticket, body, out),
            other => unreachable!("nothing that voters ask: {other:?}"),
        }
    }

    /// A voter asks for this one's vote.
    fn vote_asked_by(&mut self, now: Now, ticket: Ticket, body: &VoteRequest, out: &mut Effects) {
        let refused = |error: ErrorCode| VoteResponse { error_code: error.code(), ..VoteResponse::default() };
        let partition = body.topics.first().and_then(|topic| topic.partitions.first());
        let ask = match partition {
            _ if self.is_elsewhere(body.cluster_id.as_ref()) => Err(ErrorCode::InconsistentClusterId),
            None => Err(ErrorCode::InvalidRequest),
            Some(partition) => Ok(VoteAsk {
                from: BrokerId(partition.replica_id),
                term: LeaderEpoch(partition.replica_epoch),
                last: LeaderEpoch(partition.last_offset_epoch),
                end: Offset(partition.last_offset),
                is_pre: partition.pre_vote,
            }),
        };
        match ask {
            Err(error) => out.push(Effect::Reply { ticket, body: Some(Response::Vote(refused(error))) }),
            Ok(ask) => {
                self.with_quorum(now, out, |quorum, cx, said| quorum.vote_asked(&ask, cx, said));
                self.cluster.voting.undecided.push((ticket, ask));
                self.tell_voters(out);
            }
        }
    }

    /// Answers whoever asked for a vote, as far as that may be said.
    pub(super) fn tell_voters(&mut self, out: &mut Effects) {
        let quorum = &self.cluster.quorum;
        self.cluster.voting.undecided.retain(|(ticket, ask)| match quorum.verdict(ask) {
            None => true,
            Some(told) => {
                out.push(Effect::Reply { ticket: *ticket, body: Some(Response::Vote(verdict(told))) });
                false
            }
        });
    }

    /// A voter says that it leads.
    fn reign_began(&mut self, now: Now, ticket: Ticket, body: &BeginQuorumEpochRequest, out: &mut Effects) {
        let partition = body.topics.first().and_then(|topic| topic.partitions.first());
        let (error, told) = match partition {
            _ if self.is_elsewhere(body.cluster_id.as_ref()) => (ErrorCode::InconsistentClusterId, None),
            None => (ErrorCode::InvalidRequest, None),
            Some(one) => {
                let reign = (BrokerId(one.leader_id), LeaderEpoch(one.leader_epoch));
                let told = self.with_quorum(now, out, |quorum, cx, said| quorum.begun(reign, cx, said));
                (ErrorCode::None, Some(told))
            }
        };
        let result = |told: Result<(), ErrorCode>| begin::PartitionResult {
            partition_index: 0,
            error_code: told.err().unwrap_or(ErrorCode::None).code(),
            leader_id: self.cluster.quorum.leader().unwrap_or(BrokerId::NONE).0,
            leader_epoch: self.cluster.quorum.term().0,
        };
        let topic = |told| begin::TopicResult {
            topic_name: Str::from_static(METADATA_TOPIC),
            partitions: alloc::vec![result(told)],
        };
        let body = BeginQuorumEpochResponse {
            error_code: error.code(),
            topics: told.map(topic).into_iter().collect(),
            ..BeginQuorumEpochResponse::default()
        };
        out.push(Effect::Reply { ticket, body: Some(Response::BeginQuorumEpoch(body)) });
        self.observe(now, out);
    }

    /// A voter says that it leads no more.
    fn reign_ended(&mut self, now: Now, ticket: Ticket, body: &EndQuorumEpochRequest, out: &mut Effects) {
        let partition = body.topics.first().and_then(|topic| topic.partitions.first());
        let (error, told) = match partition {
            _ if self.is_elsewhere(body.cluster_id.as_ref()) => (ErrorCode::InconsistentClusterId, None),
            None => (ErrorCode::InvalidRequest, None),
            Some(one) => {
                let reign = (BrokerId(one.leader_id), LeaderEpoch(one.leader_epoch));
                let successors: Vec<BrokerId> = match &one.preferred_candidates[..] {
                    [] => one.preferred_successors.iter().copied().map(BrokerId).collect(),
                    candidates => candidates.iter().map(|one| BrokerId(one.candidate_id)).collect(),
                };
                let told = self.with_quorum(now, out, |quorum, cx, said| quorum.ended(reign, &successors, cx, said));
                (ErrorCode::None, Some(told))
            }
        };
        let result = |told: Result<(), ErrorCode>| end::PartitionResult {
            partition_index: 0,
            error_code: told.err().unwrap_or(ErrorCode::None).code(),
            leader_id: self.cluster.quorum.leader().unwrap_or(BrokerId::NONE).0,
            leader_epoch: self.cluster.quorum.term().0,
        };
        let topic = |told| end::TopicResult {
            topic_name: Str::from_static(METADATA_TOPIC),
            partitions: alloc::vec![result(told)],
        };
        let body = EndQuorumEpochResponse {
            error_code: error.code(),
            topics: told.map(topic).into_iter().collect(),
            ..EndQuorumEpochResponse::default()
        };
        out.push(Effect::Reply { ticket, body: Some(Response::EndQuorumEpoch(body)) });
    }

    fn is_elsewhere(&self, cluster: Option<&Str>) -> bool {
        cluster.is_some_and(|id| *id != self.cluster.id)
    }
}

fn verdict(told: VoteTold) -> VoteResponse {
    let partition = PartitionResult {
        partition_index: 0,
        error_code: ErrorCode::None.code(),
        leader_id: told.leader.unwrap_or(BrokerId::NONE).0,
        leader_epoch: told.term.0,
        vote_granted: told.is_granted,
    };
    let topic = TopicResult { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
    VoteResponse { topics: alloc::vec![topic], ..VoteResponse::default() }
}

fn leader(id: i32) -> Option<BrokerId> {
    Some(BrokerId(id)).filter(|id| *id != BrokerId::NONE)
}
