//! A controller looks after its own place among voters that come and go (KIP-853): it tells the leader where it listens if the
//! voters' record says otherwise, and it joins by itself if `controller.quorum.auto.join.enable` lets it (KIP-1186).
//!
//! ```text
//!   no voter of this number ───────────────────▶ AddRaftVoter ────┐
//!   one with a directory that is not this one ─▶ RemoveRaftVoter ─┤─▶ looked at again after the fetch time-out
//!   this one, reached elsewhere ───────────────▶ UpdateRaftVoter ─┘
//! ```

use crate::boundary::{Effect, Effects, Purpose};
use crate::msg::Request;
use crate::msg::add_raft_voter::{self as add, AddRaftVoterRequest};
use crate::msg::remove_raft_voter::RemoveRaftVoterRequest;
use crate::msg::update_raft_voter::{self as update, KRaftVersionFeature, UpdateRaftVoterRequest};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::{Change, Quorum, Voter, VoterEndpoint, VoterNode};
use crate::record::KRAFT_VERSION;
use crate::types::{Mono, Now, Str};

/// What this node wants of the voters' record.
#[derive(Clone, Hash, Debug)]
pub(super) struct Joining {
    /// What it is to say of this node; without an endpoint where this is no controller.
    own: VoterNode,
    may_join: bool,
    is_asking: bool,
    /// Nothing is asked before then.
    ask_at: Mono,
}

impl Joining {
    /// Nothing was asked yet.
    pub(super) fn new(own: VoterNode, may_join: bool) -> Self {
        Self { own, may_join, is_asking: false, ask_at: Mono(0) }
    }

    /// When it asks, if there is something to be asked.
    pub(super) fn deadline(&self, quorum: &Quorum) -> Option<Mono> {
        self.wanted(quorum).filter(|_| !self.is_asking).map(|_| self.ask_at)
    }

    fn wanted(&self, quorum: &Quorum) -> Option<Change> {
        let is_known = quorum.is_changing() && quorum.told().1.is_some() && quorum.is_caught_up();
        if !is_known || self.own.endpoints.is_empty() {
            return None;
        }
        let Voter { id, directory } = Voter { id: self.own.id, directory: self.own.directory };
        match quorum.voters().get(id) {
            Some(node) if node.directory == directory => {
                (node.endpoints != self.own.endpoints).then(|| Change::Update(self.own.clone()))
            }
            _ if !self.may_join || quorum.is_leader() => None,
            Some(node) => Some(Change::Remove(Voter { id, directory: node.directory })),
            None => Some(Change::Add(self.own.clone())),
        }
    }
}

impl Node {
    /// Asks for what this controller wants of the voters' record, if it is time.
    pub(super) fn join_voters(&mut self, now: Now, out: &mut Effects) {
        let (joining, quorum) = (&self.cluster.voting.joining, &self.cluster.quorum);
        let Some(change) = joining.wanted(quorum).filter(|_| !joining.is_asking && joining.ask_at <= now.mono) else {
            return;
        };
        let pause = self.config.quorum.fetch_timeout;
        if quorum.is_leader() {
            self.cluster.voting.joining.ask_at = now.mono + pause;
            // Not now, perhaps: then it is asked for again.
            let _ = self.with_quorum(now, out, |quorum, cx, said| quorum.change_voters(&change, cx, said));
            return;
        }
        let (term, Some(leader)) = quorum.told() else { return };
        let body = asked(&self.cluster.id, term.0, change);
        let Some(line) = self.cluster.line(leader, Purpose::Metadata) else {
            // One that votes no more leads until that is committed, and nothing says where it is reached.
            self.cluster.voting.joining.ask_at = now.mono + pause;
            return;
        };
        self.cluster.voting.joining.is_asking = true;
        let call = self.calls.begin(CallFor::Joining);
        out.push(Effect::Call { call, line, body, wait: pause });
    }

    /// The leader answered, or nobody did. What came of it the log will say.
    pub(in crate::node) fn joined(&mut self, now: Now) {
        let joining = &mut self.cluster.voting.joining;
        joining.is_asking = false;
        joining.ask_at = now.mono + self.config.quorum.fetch_timeout;
    }
}

fn asked(cluster: &Str, term: i32, change: Change) -> Request {
    let cluster_id = Some(cluster.clone());
    match change {
        Change::Add(node) => {
            let listener = |one: VoterEndpoint| add::Listener { name: one.name, host: one.host, port: one.port };
            Request::AddRaftVoter(AddRaftVoterRequest {
                cluster_id,
                timeout_ms: TIMEOUT_MS,
                voter_id: node.id.0,
                voter_directory_id: node.directory,
                listeners: node.endpoints.into_iter().map(listener).collect(),
                // The answer comes over the connection of its fetches, without which nothing is committed.
                ack_when_committed: false,
            })
        }
        Change::Remove(who) => Request::RemoveRaftVoter(RemoveRaftVoterRequest {
            cluster_id,
            voter_id: who.id.0,
            voter_directory_id: who.directory,
        }),
        Change::Update(node) => {
            let listener = |one: VoterEndpoint| update::Listener { name: one.name, host: one.host, port: one.port };
            Request::UpdateRaftVoter(UpdateRaftVoterRequest {
                cluster_id,
                current_leader_epoch: term,
                voter_id: node.id.0,
                voter_directory_id: node.directory,
                listeners: node.endpoints.into_iter().map(listener).collect(),
                kraft_version_feature: KRaftVersionFeature {
                    min_supported_version: 0,
                    max_supported_version: KRAFT_VERSION,
                },
            })
        }
    }
}

/// For whoever answers later than at once.
const TIMEOUT_MS: i32 = 2000;
