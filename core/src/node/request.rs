//! Which machine answers which request.

use super::Node;
use super::front::{Front, FrontCx, FrontOut};
use super::groups::NO_TRANSACTIONS;
use crate::boundary::{Asker, Effect, Effects, Ignored, Note};
use crate::config::Address;
use crate::metadata::answer::{self, Known};
use crate::metadata::features;
use crate::msg::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use crate::msg::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use crate::msg::describe_quorum::{Listener, Node as QuorumNode};
use crate::msg::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::msg::{ApiKey, Request, Response};
use crate::quorum::{VoterEndpoint, VoterNode, in_version};
use crate::types::{BrokerId, ErrorCode, ListenerType, Now, Str, Ticket};
use alloc::vec::Vec;

/// Who asks, and in which version.
type Caller<'a> = (Ticket, &'a Asker, i16);

impl Node {
    /// Any request but Produce, which the connection turns into what the boundary calls one.
    pub(super) fn request(&mut self, now: Now, caller: Caller<'_>, body: Request, out: &mut Effects) {
        let (ticket, asker, version) = caller;
        if !self.is_answering(asker, &body) {
            out.note(Note::Ignored(Ignored::NotReady));
            return out.push(Effect::Hangup { conn: ticket.conn });
        }
        match body {
            Request::Produce(_) => out.push(Effect::Hangup { conn: ticket.conn }),
            Request::Vote(_) | Request::BeginQuorumEpoch(_) | Request::EndQuorumEpoch(_) => {
                self.voter_asks(now, ticket, &body, out);
            }
            Request::BrokerRegistration(body) => self.registered_by(now, (ticket, asker), body, out),
            Request::BrokerHeartbeat(body) => self.heartbeat_of(now, (ticket, asker), &body, out),
            Request::AllocateProducerIds(body) => self.numbers_asked_by(now, ticket, &body, out),
            Request::DescribeQuorum(_) | Request::ListPartitionReassignments(_) if self.cluster.lease().is_some() => {
                self.administer(now, (ticket, version), body, out);
            }
            // A voter that wants to be found elsewhere asks the controller itself.
            Request::UpdateRaftVoter(_) => self.turn_over(now, ticket, &body, out),
            Request::UpdateFeatures(body) => self.features_asked(now, (ticket, version), body, out),
            Request::AlterPartition(body) => self.isr_asked_by(now, (ticket, asker), body, out),
            Request::Fetch(body) if asker.listener_type == ListenerType::Controller => {
                self.fetch_metadata(now, ticket, &body, out);
            }
            Request::Fetch(_)
            | Request::ListOffsets(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::DeleteRecords(_)
            | Request::DescribeProducers(_)
            | Request::DescribeLogDirs(_) => {
                let caller = (ticket, asker.listener, version);
                self.with_front(now, out, |front, cx, said| ask_front(front, cx, caller, body, said));
            }
            Request::AlterReplicaLogDirs(body) => self.alter_log_dirs(ticket, body, out),
            Request::AssignReplicasToDirs(body) => self.assigned_by(now, ticket, body, out),
            Request::FindCoordinator(body) => self.find_coordinator(now, caller, body, out),
            Request::OffsetCommit(_)
            | Request::OffsetFetch(_)
            | Request::JoinGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::SyncGroup(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::DeleteGroups(_)
            | Request::OffsetDelete(_) => self.group_request(now, caller, body, out),
            Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterConfigs(_)
            | Request::ElectLeaders(_)
            | Request::AlterPartitionReassignments(_)
            | Request::UnregisterBroker(_)
            | Request::AddRaftVoter(_)
            | Request::RemoveRaftVoter(_)
            | Request::IncrementalAlterConfigs(_) => self.administer(now, (ticket, version), body, out),
            Request::InitProducerId(body) => self.number(now, ticket, &body, out),
            Request::ConsumerGroupHeartbeat(_) => {
                out.push(Effect::Reply { ticket, body: Some(no_consumer_protocol().into()) });
            }
            Request::Metadata(_)
            | Request::ApiVersions(_)
            | Request::DescribeCluster(_)
            | Request::DescribeTopicPartitions(_)
            | Request::DescribeConfigs(_)
            | Request::ListConfigResources(_)
            | Request::ListPartitionReassignments(_)
            | Request::DescribeQuorum(_) => {
                self.answer_known(now, caller, &body, out);
            }
        }
    }

    /// Answers what is known, and has topics made that were asked for and are not there.
    fn answer_known(&mut self, now: Now, caller: Caller<'_>, body: &Request, out: &mut Effects) {
        let ticket = caller.0;
        let (body, missing) = self.known_answer(now, caller, body);
        out.push(Effect::Reply { ticket, body: Some(body) });
        let missing = self.slices.allowed(ticket, missing);
        if !missing.is_empty() {
            self.create_missing(now, missing, out);
        }
    }

    /// Clients come when this broker is ready; voters must reach each other before it can be.
    fn is_answering(&self, asker: &Asker, body: &Request) -> bool {
        let is_early = asker.listener_type == ListenerType::Controller || matches!(body, Request::ApiVersions(_));
        is_early || self.cluster.is_ready()
    }

    /// What is known answers at once; with it, the topics that somebody named and that are to be created.
    fn known_answer(&self, now: Now, (ticket, asker, version): Caller<'_>, request: &Request) -> (Response, Vec<Str>) {
        let listener = self.config.broker.listeners.get(asker.listener);
        let known = Known {
            image: self.slices.image_of(ticket).unwrap_or(self.cluster.shared_image()),
            config: &self.config,
            cluster_id: &self.cluster.id,
            leader: self.cluster.quorum().leader().unwrap_or(BrokerId::NONE),
            listener: listener.map_or("", |listener| &listener.name),
            version,
        };
        let response = match request {
            Request::Metadata(body) => {
                let answer = answer::metadata(&known, body);
                return (Response::Metadata(answer.response), answer.create);
            }
            Request::ApiVersions(body) => Response::ApiVersions(self.api_versions(body, asker.listener_type, version)),
            Request::DescribeCluster(body) => {
                Response::DescribeCluster(answer::describe_cluster(&known, &self.controllers(), body))
            }
            Request::DescribeTopicPartitions(body) => {
                Response::DescribeTopicPartitions(answer::describe_topic_partitions(&known, body))
            }
            Request::DescribeConfigs(body) => Response::DescribeConfigs(answer::describe_configs(&known, body)),
            Request::ListConfigResources(body) => {
                Response::ListConfigResources(answer::list_config_resources(&known, body))
            }
            other => self.standing_answer(now, (ticket, version), other),
        };
        (response, Vec::new())
    }

    /// What the controller answers of how things stand, and others while there is none.
    pub(super) fn standing_answer(&self, now: Now, (ticket, version): (Ticket, i16), request: &Request) -> Response {
        match request {
            Request::ListPartitionReassignments(body) => {
                let image = self.slices.image_of(ticket).unwrap_or(self.cluster.shared_image());
                Response::ListPartitionReassignments(answer::list_reassignments(image, body))
            }
            Request::DescribeQuorum(body) => {
                let quorum = self.cluster.quorum();
                Response::DescribeQuorum(in_version(quorum.describe(body, self.voters(), now.wall), version))
            }
            other => unreachable!("not answered by what is known: {other:?}"),
        }
    }

    /// Where the voters of the quorum are found, as far as it is known.
    fn controllers(&self) -> Vec<(BrokerId, Address)> {
        let of = |voter: &VoterNode| {
            let at = voter.endpoints.first()?;
            Some((voter.id, Address { host: at.host.clone(), port: at.port }))
        };
        self.cluster.quorum().voters().nodes().iter().filter_map(of).collect()
    }

    /// The voters of the quorum, and where they are reached.
    fn voters(&self) -> Vec<QuorumNode> {
        let me = self.config.broker.id;
        let node = |voter: &VoterNode| {
            let at = |one: &VoterEndpoint| Listener { name: one.name.clone(), host: one.host.clone(), port: one.port };
            let listeners = match voter.id == me && voter.endpoints.is_empty() {
                true => self.voter_listeners(),
                false => voter.endpoints.iter().map(at).collect(),
            };
            QuorumNode { node_id: voter.id.0, listeners }
        };
        self.cluster.quorum().voters().nodes().iter().map(node).collect()
    }

    /// Where this member of the quorum is reached. Without a listener of its own it answers tools at those of the broker.
    fn voter_listeners(&self) -> Vec<Listener> {
        let listeners = &self.config.broker.listeners;
        let last = listeners.last().map(|listener| listener.listener_type);
        let own = listeners.iter().filter(|listener| Some(listener.listener_type) == last).filter_map(|listener| {
            let at = listener.advertised.as_ref()?;
            Some(Listener { name: listener.name.clone(), host: at.host.clone(), port: at.port })
        });
        own.collect()
    }

    /// Every API that is answered on this listener, and none that is not. A client that looks for another cluster or node is sent away
    /// (KIP-1242).
    fn api_versions(&self, request: &ApiVersionsRequest, on: ListenerType, version: i16) -> ApiVersionsResponse {
        let api = |api: &ApiKey| {
            let facts = api.facts();
            ApiVersion { api_key: api.code(), min_version: facts.announced_first, max_version: facts.last }
        };
        let answered = ApiKey::ALL.iter().filter(|api| api.is_on(on));
        let mut response = ApiVersionsResponse { api_keys: answered.map(api).collect(), ..Default::default() };
        let kraft_version = i16::from(self.cluster.quorum().is_changing());
        features::describe(self.cluster.image(), kraft_version, &mut response);
        let is_elsewhere = request.cluster_id.as_ref().is_some_and(|id| *id != self.cluster.id)
            || request.node_id >= 0 && request.node_id != self.config.broker.id.0;
        if version >= 5 && is_elsewhere {
            response.error_code = ErrorCode::RebootstrapRequired.code();
        }
        response
    }

    fn number(&mut self, now: Now, ticket: Ticket, request: &InitProducerIdRequest, out: &mut Effects) {
        if request.transactional_id.is_none() {
            return self.init_producer_id(now, ticket, out);
        }
        // Transactions are not built: saying so at the first step keeps a producer from believing in them.
        let response = InitProducerIdResponse {
            error_code: NO_TRANSACTIONS.code(),
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        out.push(Effect::Reply { ticket, body: Some(Response::InitProducerId(response)) });
    }
}

/// What is asked of logs.
fn ask_front(
    front: &mut Front,
    cx: &mut FrontCx<'_>,
    (ticket, listener, version): (Ticket, usize, i16),
    body: Request,
    said: &mut Vec<FrontOut>,
) {
    match body {
        Request::Fetch(body) => front.fetch(cx, (ticket, listener, version), body, said),
        Request::ListOffsets(body) => front.list_offsets(cx, (ticket, version), body, said),
        Request::OffsetForLeaderEpoch(body) => front.epoch_ends(cx, ticket, body, said),
        Request::DeleteRecords(body) => front.delete_records(cx, ticket, body, said),
        Request::DescribeProducers(body) => front.describe_producers(cx, ticket, body, said),
        Request::DescribeLogDirs(body) => front.log_dirs(cx, ticket, body, said),
        other => unreachable!("nothing that logs answer: {other:?}"),
    }
}

/// Some clients look for another coordinator for ever where this API is not announced (KIP-848).
fn no_consumer_protocol() -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        error_message: Some(Str::from_static("the consumer protocol is not built: group.protocol=classic")),
        ..Default::default()
    }
}
