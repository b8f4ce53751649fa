//! Voters among themselves: who votes for whom, who leads, who leads no more (KIP-595).

use super::METADATA_TOPIC;
use super::joining::Joining;
use crate::boundary::{Effect, Effects, Lost, Purpose};
use crate::config::{Address, Config};
use crate::msg::begin_quorum_epoch::{self as begin, BeginQuorumEpochRequest, BeginQuorumEpochResponse};
use crate::msg::end_quorum_epoch::{self as end, EndQuorumEpochRequest, EndQuorumEpochResponse};
use crate::msg::vote::{
    NodeEndpoint, PartitionData, PartitionResult, TopicData, TopicResult, VoteRequest, VoteResponse,
};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::{Quorum, VoteAsk, VoteTold, Voter, VoterEndpoint, VoterNode, door_of};
use crate::types::{BrokerId, ConnId, ErrorCode, LeaderEpoch, ListenerType, Now, Offset, Str, Ticket, Uuid};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What this node has to do with the voters.
#[derive(Clone, Hash, Debug)]
pub(super) struct Voting {
    /// Where the nodes are found that were said to lead. The newest word may be of an older leader than the one that is believed.
    told: BTreeMap<BrokerId, Address>,
    /// `controller.quorum.bootstrap.servers`.
    pub(super) doors: Vec<Address>,
    /// Who led last, as this node knows.
    pub(super) last_leader: Option<BrokerId>,
    /// Those that asked for a vote, and wait until it is durable here.
    undecided: Vec<(Ticket, VoteAsk)>,
    /// Its own place among voters that come and go.
    pub(super) joining: Joining,
}

impl Voting {
    /// Of a node that starts.
    pub(super) fn new(me: Voter, config: &Config) -> Self {
        let endpoint = |(name, at): (Str, Address)| VoterEndpoint { name, host: at.host, port: at.port };
        let endpoints = match config.broker.roles.is_controller() {
            true => controller_endpoints(config).map(endpoint).collect(),
            false => Vec::new(),
        };
        let own = VoterNode { id: me.id, directory: me.directory, endpoints };
        Self {
            told: BTreeMap::new(),
            doors: config.quorum.bootstrap.clone(),
            last_leader: None,
            undecided: Vec::new(),
            joining: Joining::new(own, config.quorum.may_join),
        }
    }

    /// Where a node of the quorum is found: whoever leads where it said so itself, any other voter where voters are known to be. What one
    /// said that led once may be older than that.
    pub(super) fn address(&self, of: BrokerId, quorum: &Quorum) -> Option<Address> {
        if let Some(place) = door_of(of) {
            return self.doors.get(place).cloned();
        }
        let told = self.told.get(&of).cloned();
        let known = quorum.voters().get(of).and_then(|node| node.endpoints.first());
        let known = known.map(|at| Address { host: at.host.clone(), port: at.port });
        if quorum.leader() == Some(of) { told.or(known) } else { known.or(told) }
    }

    /// A node was said to lead, and to be found there.
    fn tell(&mut self, of: BrokerId, at: Address) {
        if self.told.len() >= TOLD_MAX && !self.told.contains_key(&of) {
            self.told.clear();
        }
        self.told.insert(of, at);
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
            voter_directory_id: self.directory_of(to),
            last_offset_epoch: ask.last.0,
            last_offset: ask.end.0,
            pre_vote: ask.is_pre,
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
            voter_directory_id: self.directory_of(to),
            partition_index: 0,
        };
        let topic =
            begin::TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
        let body = BeginQuorumEpochRequest {
            cluster_id: Some(self.cluster.id.clone()),
            voter_id: to.0,
            topics: alloc::vec![topic],
            leader_endpoints: self
                .own_endpoints()
                .map(|(name, at)| begin::LeaderEndpoint { name, host: at.host, port: at.port })
                .collect(),
        };
        self.call_voter(to, CallFor::Reign, Request::BeginQuorumEpoch(body), out);
    }

    /// Tells a voter that this node leads no more.
    pub(super) fn tell_end(&mut self, (to, term): (BrokerId, LeaderEpoch), successors: &[BrokerId], out: &mut Effects) {
        let candidate =
            |id: &BrokerId| end::ReplicaInfo { candidate_id: id.0, candidate_directory_id: self.directory_of(*id) };
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
            leader_endpoints: self
                .own_endpoints()
                .map(|(name, at)| end::LeaderEndpoint { name, host: at.host, port: at.port })
                .collect(),
        };
        self.call_voter(to, CallFor::Reign, Request::EndQuorumEpoch(body), out);
    }

    /// The directory of a voter, so that another node under its number knows that it is not meant.
    fn directory_of(&self, voter: BrokerId) -> Uuid {
        self.cluster.quorum.voters().get(voter).map_or(Uuid::ZERO, |node| node.directory)
    }

    /// Where this node is reached by others of the quorum.
    pub(super) fn own_endpoints(&self) -> impl Iterator<Item = (Str, Address)> + '_ {
        controller_endpoints(&self.config)
    }

    /// Who leads, and where that is, for nodes that may not know.
    pub(super) fn leader_endpoint(&self) -> Option<(BrokerId, Address)> {
        let leader = self.cluster.quorum.leader()?;
        let at = match leader == self.config.broker.id {
            true => self.own_endpoints().next().map(|(_, at)| at),
            false => self.cluster.voting.address(leader, &self.cluster.quorum),
        };
        Some((leader, at?))
    }

    /// A leader that somebody speaks of, if this node can reach it: there, or where it is known to be.
    pub(super) fn known_leader(&mut self, id: i32, at: Option<(Str, u16)>) -> Option<BrokerId> {
        let leader = Some(BrokerId(id)).filter(|id| id.0 >= 0)?;
        if let Some((host, port)) = at.filter(|(host, port)| !host.is_empty() && *port != 0) {
            self.cluster.voting.tell(leader, Address { host, port });
        }
        let is_reachable = self.cluster.voting.address(leader, &self.cluster.quorum).is_some();
        (is_reachable || leader == self.config.broker.id).then_some(leader)
    }

    fn call_voter(&mut self, to: BrokerId, what: CallFor, body: Request, out: &mut Effects) {
        // A record of voters may name no address: such a voter is found when it asks.
        let Some(line) = self.cluster.line(to, Purpose::Quorum) else { return };
        let call = self.calls.begin(what);
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
        let endpoint = body.node_endpoints.iter().find(|node| node.node_id == told.leader_id);
        let leader = self.known_leader(told.leader_id, endpoint.map(|node| (node.host.clone(), node.port)));
        let term = LeaderEpoch(told.leader_epoch);
        let told = VoteTold { term, leader, is_granted: told.vote_granted };
        self.with_quorum(now, out, |quorum, cx, said| quorum.vote_told((whom, &asked), told, cx, said));
    }

    /// A voter has heard who leads. It may know better.
    pub(in crate::node) fn reign_told(&mut self, now: Now, body: Result<Response, Lost>, out: &mut Effects) {
        let Ok(Response::BeginQuorumEpoch(body)) = body else { return };
        if let Some(told) = body.topics.first().and_then(|topic| topic.partitions.first()) {
            let endpoint = body.node_endpoints.iter().find(|node| node.node_id == told.leader_id);
            let leader = self.known_leader(told.leader_id, endpoint.map(|node| (node.host.clone(), node.port)));
            let term = LeaderEpoch(told.leader_epoch);
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
            _ if self.is_not_me(body.voter_id) => Err(ErrorCode::InvalidVoterKey),
            Some(partition) if self.is_another(partition.voter_directory_id) => Err(ErrorCode::InvalidVoterKey),
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
        let leader = self.leader_endpoint();
        let quorum = &self.cluster.quorum;
        self.cluster.voting.undecided.retain(|(ticket, ask)| match quorum.verdict(ask) {
            None => true,
            Some(told) => {
                let body = Some(Response::Vote(verdict(told, leader.clone())));
                out.push(Effect::Reply { ticket: *ticket, body });
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
            _ if self.is_not_me(body.voter_id) => (ErrorCode::InvalidVoterKey, None),
            Some(one) if self.is_another(one.voter_directory_id) => (ErrorCode::InvalidVoterKey, None),
            Some(one) => {
                let endpoint = body.leader_endpoints.first().map(|one| (one.host.clone(), one.port));
                let told = match self.known_leader(one.leader_id, endpoint) {
                    None => Err(ErrorCode::InconsistentVoterSet),
                    Some(leader) => {
                        let reign = (leader, LeaderEpoch(one.leader_epoch));
                        self.with_quorum(now, out, |quorum, cx, said| quorum.begun(reign, cx, said))
                    }
                };
                (ErrorCode::None, Some(told))
            }
        };
        let (term, leader) = self.cluster.quorum.told();
        let result = |told: Result<(), ErrorCode>| begin::PartitionResult {
            partition_index: 0,
            error_code: told.err().unwrap_or(ErrorCode::None).code(),
            leader_id: leader.unwrap_or(BrokerId::NONE).0,
            leader_epoch: term.0,
        };
        let topic = |told| begin::TopicResult {
            topic_name: Str::from_static(METADATA_TOPIC),
            partitions: alloc::vec![result(told)],
        };
        let node = |(id, at): (BrokerId, Address)| begin::NodeEndpoint { node_id: id.0, host: at.host, port: at.port };
        let body = BeginQuorumEpochResponse {
            error_code: error.code(),
            topics: told.map(topic).into_iter().collect(),
            node_endpoints: self.leader_endpoint().map(node).into_iter().collect(),
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
        let (term, leader) = self.cluster.quorum.told();
        let result = |told: Result<(), ErrorCode>| end::PartitionResult {
            partition_index: 0,
            error_code: told.err().unwrap_or(ErrorCode::None).code(),
            leader_id: leader.unwrap_or(BrokerId::NONE).0,
            leader_epoch: term.0,
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

    /// Is another voter meant? An address of the settings may be wrong, and its answer must not count for two.
    fn is_not_me(&self, id: i32) -> bool {
        id >= 0 && id != self.config.broker.id.0
    }

    /// Is a voter of this number meant that has another directory?
    fn is_another(&self, directory: Uuid) -> bool {
        directory != Uuid::ZERO && directory != self.cluster.life.me.directory
    }

    fn is_elsewhere(&self, cluster: Option<&Str>) -> bool {
        cluster.is_some_and(|id| *id != self.cluster.id)
    }
}

fn verdict(told: VoteTold, leader: Option<(BrokerId, Address)>) -> VoteResponse {
    let partition = PartitionResult {
        partition_index: 0,
        error_code: ErrorCode::None.code(),
        leader_id: told.leader.unwrap_or(BrokerId::NONE).0,
        leader_epoch: told.term.0,
        vote_granted: told.is_granted,
    };
    let topic = TopicResult { topic_name: Str::from_static(METADATA_TOPIC), partitions: alloc::vec![partition] };
    let node = |(id, at): (BrokerId, Address)| NodeEndpoint { node_id: id.0, host: at.host, port: at.port };
    let node_endpoints = leader.filter(|(id, _)| Some(*id) == told.leader).map(node);
    VoteResponse {
        topics: alloc::vec![topic],
        node_endpoints: node_endpoints.into_iter().collect(),
        ..VoteResponse::default()
    }
}

/// Where a node with these settings is reached by others of the quorum.
fn controller_endpoints(config: &Config) -> impl Iterator<Item = (Str, Address)> + '_ {
    let listeners = config.broker.listeners.iter();
    let of_controllers = listeners.filter(|listener| listener.listener_type == ListenerType::Controller);
    of_controllers.filter_map(|listener| Some((listener.name.clone(), listener.advertised.clone()?)))
}

/// Of more nodes than this nobody speaks who has not made them up: all are forgotten then, and those who lead are told of again.
const TOLD_MAX: usize = 64;
