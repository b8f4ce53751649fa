//! Voters come and go (KIP-853): AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter, asked of the active controller. The answer
//! leaves when the new set is committed.

use super::From;
use crate::boundary::{Effect, Effects};
use crate::controller::Reply;
use crate::msg::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
use crate::msg::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use crate::msg::update_raft_voter::{CurrentLeader, UpdateRaftVoterRequest, UpdateRaftVoterResponse};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::quorum::{Change, Voter, VoterEndpoint, VoterNode};
use crate::types::{BrokerId, ErrorCode, Now, Str, Ticket, Uuid};
use alloc::vec::Vec;

impl Node {
    /// Somebody wants other voters, and this may be the controller.
    pub(in crate::node) fn turn_over(&mut self, now: Now, ticket: Ticket, body: &Request, out: &mut Effects) {
        let (cluster, change, is_patient) = match body {
            Request::AddRaftVoter(body) => (body.cluster_id.as_ref(), added(body), body.ack_when_committed),
            Request::RemoveRaftVoter(body) => (body.cluster_id.as_ref(), removed(body), true),
            Request::UpdateRaftVoter(body) => (body.cluster_id.as_ref(), updated(body), true),
            other => unreachable!("nothing about voters: {other:?}"),
        };
        let is_elsewhere = cluster.is_some_and(|id| *id != self.cluster.id);
        let judged = match change {
            _ if is_elsewhere => Err(ErrorCode::InconsistentClusterId),
            Ok(_) if self.cluster.controller.is_none() => Err(ErrorCode::NotLeaderOrFollower),
            Ok(change) => self.with_quorum(now, out, |quorum, cx, said| quorum.change_voters(&change, cx, said)),
            Err(error) => Err(error),
        };
        let reply = self.turnover_answer(body, judged.err());
        match judged {
            Ok(needed) if is_patient && needed > self.cluster.quorum.high_watermark() => {
                self.cluster.promised.push_back((needed, From::Client(ticket), Reply::Response(reply)));
            }
            Ok(_) | Err(_) => out.push(Effect::Reply { ticket, body: Some(reply) }),
        }
    }

    fn turnover_answer(&self, asked: &Request, error: Option<ErrorCode>) -> Response {
        let error_code = error.unwrap_or(ErrorCode::None).code();
        let error_message = error.map(|error| Str::from_static(explained(error)));
        match asked {
            Request::AddRaftVoter(_) => {
                Response::AddRaftVoter(AddRaftVoterResponse { error_code, error_message, throttle_time_ms: 0 })
            }
            Request::RemoveRaftVoter(_) => {
                Response::RemoveRaftVoter(RemoveRaftVoterResponse { error_code, error_message, throttle_time_ms: 0 })
            }
            Request::UpdateRaftVoter(_) => {
                let leader = self.leader_endpoint().map(|(id, at)| CurrentLeader {
                    leader_id: id.0,
                    leader_epoch: self.cluster.quorum.told().0.0,
                    host: at.host,
                    port: i32::from(at.port),
                });
                Response::UpdateRaftVoter(UpdateRaftVoterResponse {
                    error_code,
                    current_leader: leader.unwrap_or_default(),
                    throttle_time_ms: 0,
                })
            }
            other => unreachable!("nothing about voters: {other:?}"),
        }
    }
}

fn added(body: &AddRaftVoterRequest) -> Result<Change, ErrorCode> {
    let endpoints = body.listeners.iter().map(|one| endpoint(&one.name, &one.host, one.port)).collect();
    node(body.voter_id, body.voter_directory_id, endpoints).map(Change::Add)
}

fn removed(body: &RemoveRaftVoterRequest) -> Result<Change, ErrorCode> {
    Ok(Change::Remove(Voter { id: BrokerId(body.voter_id), directory: body.voter_directory_id }))
}

fn updated(body: &UpdateRaftVoterRequest) -> Result<Change, ErrorCode> {
    let endpoints = body.listeners.iter().map(|one| endpoint(&one.name, &one.host, one.port)).collect();
    node(body.voter_id, body.voter_directory_id, endpoints).map(Change::Update)
}

fn endpoint(name: &Str, host: &Str, port: u16) -> VoterEndpoint {
    VoterEndpoint { name: name.clone(), host: host.clone(), port }
}

/// A voter that can be one: with a number, a directory, and a place where it is reached.
fn node(id: i32, directory: Uuid, endpoints: Vec<VoterEndpoint>) -> Result<VoterNode, ErrorCode> {
    let is_reachable = endpoints.iter().all(|at| !at.host.is_empty() && at.port != 0);
    let is_one = id >= 0 && directory != Uuid::ZERO && !endpoints.is_empty() && endpoints.len() <= ENDPOINTS_MAX;
    match is_one && is_reachable {
        true => Ok(VoterNode { id: BrokerId(id), directory, endpoints }),
        false => Err(ErrorCode::InvalidRequest),
    }
}

/// What people are told.
fn explained(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::UnsupportedVersion => {
            "the voters of this quorum are those of controller.quorum.voters: they change with the settings of all nodes"
        }
        ErrorCode::RequestTimedOut => {
            "not now: another change is under way, the controller has only begun, or the new voter does not follow closely yet. Try again"
        }
        ErrorCode::DuplicateVoter => "there is a voter of this number: remove it first",
        ErrorCode::VoterNotFound => "there is no voter of this number with this directory",
        ErrorCode::InvalidRequest => {
            "a voter needs a number, a directory id and a listener; and one voter must be left"
        }
        ErrorCode::InconsistentClusterId => "this is another cluster",
        _ => "this node is not the active controller",
    }
}

/// No node has more listeners for controllers.
const ENDPOINTS_MAX: usize = 16;
