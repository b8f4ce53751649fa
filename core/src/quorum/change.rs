//! Voters come and go, one at a time (KIP-853; Raft, section 4.1): the leader writes a record with the new set, which counts from
//! there on, and the next may follow when that is committed.
//!
//! ```text
//!   observer ── caught up ── Change::Add ──▶ voter ── Change::Remove ──▶ observer
//!                                             │
//!   a leader that is taken away leads on until that is committed, and resigns
//! ```

use super::{Quorum, QuorumCx, QuorumOut, Role, Voter, VoterNode, Voters};
use crate::msg::record::control::KRaftVersionRecord;
use crate::record::{CheckedBatch, ControlKind, Functions, KRAFT_VERSION, quorum_control};
use crate::types::{ErrorCode, LeaderEpoch, Now, Offset, Wall};
use crate::wire::encode_message;
use alloc::vec::Vec;

/// Another set of voters is wanted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Change {
    /// With this one.
    Add(VoterNode),
    /// Without this one.
    Remove(Voter),
    /// This voter is reached elsewhere.
    Update(VoterNode),
}

impl Quorum {
    /// The leader is asked for another set of voters. Its record is appended, and counts at once; it stands when everything before
    /// the offset is committed that is given back.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER; UNSUPPORTED_VERSION where the settings name the voters; REQUEST_TIMED_OUT while another change or the
    /// beginning of the reign is not committed, or the new voter lags behind; DUPLICATE_VOTER; VOTER_NOT_FOUND; INVALID_REQUEST
    /// if no voter would be left.
    pub fn change_voters(
        &mut self,
        change: &Change,
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> Result<Offset, ErrorCode> {
        let voters = self.changed(change, cx.now)?;
        if voters == *self.electorate.now() {
            return Ok(self.log.end());
        }
        let place = (self.log.end(), self.ballot.term);
        let batch = quorum_control(ControlKind::KRaftVoters, &voters.to_value(), place, cx.now.wall, cx.functions);
        self.electorate.learn(&batch).expect("it was made just now");
        self.log.append(&batch, cx.now.wall);
        out.push(QuorumOut::Append(alloc::vec![batch]));
        Ok(self.log.end())
    }

    /// The voters of the settings become voters of the log, each with the directory that it has now: from then on they come and go
    /// (`kraft.version` 1). Where that is so already nothing is done; nor where it is only tried.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER; INVALID_REQUEST if it is not known where a voter is reached; REQUEST_TIMED_OUT while the beginning of
    /// the reign is not committed, or a voter is away or lags behind.
    pub fn write_voters(
        &mut self,
        is_tried: bool,
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> Result<Offset, ErrorCode> {
        let Role::Leader(leader) = &self.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        if self.electorate.is_changing() {
            return Ok(self.log.end());
        }
        let named = self.electorate.now();
        if named.nodes().iter().any(|node| node.endpoints.is_empty()) {
            return Err(ErrorCode::InvalidRequest);
        }
        let at = (cx.now.mono, &self.times);
        let found = |node: &VoterNode| {
            let directory = match node.id == self.me.id {
                true => self.me.directory,
                false => leader.directory_of(node.id, at)?,
            };
            Some(VoterNode { directory, ..node.clone() })
        };
        let found: Option<Vec<VoterNode>> = named.nodes().iter().map(found).collect();
        let voters = Voters::new(found.filter(|_| self.is_caught_up()).ok_or(ErrorCode::RequestTimedOut)?);
        if is_tried {
            return Ok(self.log.end());
        }
        let batches = voters_at(&voters, (self.log.end(), self.ballot.term), cx.now.wall, cx.functions);
        for batch in &batches {
            self.electorate.learn(batch).expect("it was made just now");
            self.log.append(batch, cx.now.wall);
        }
        out.push(QuorumOut::Append(batches));
        Ok(self.log.end())
    }

    fn changed(&self, change: &Change, now: Now) -> Result<Voters, ErrorCode> {
        let Role::Leader(leader) = &self.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        if !self.electorate.is_changing() {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let is_settled = self.electorate.since().is_none_or(|at| at < self.high_watermark);
        if !self.is_caught_up() || !is_settled {
            return Err(ErrorCode::RequestTimedOut);
        }
        let voters = self.electorate.now();
        match change {
            Change::Add(node) => {
                let who = Voter { id: node.id, directory: node.directory };
                match () {
                    // It started as the only voter of its settings, and does not speak with others before it starts with new ones.
                    () if self.is_sole => Err(ErrorCode::UnsupportedVersion),
                    () if voters.contains(node.id) => Err(ErrorCode::DuplicateVoter),
                    () if !leader.is_close(who, (now.mono, &self.times)) => Err(ErrorCode::RequestTimedOut),
                    () => Ok(voters.with(node.clone())),
                }
            }
            Change::Remove(who) if !voters.has(*who) => Err(ErrorCode::VoterNotFound),
            Change::Remove(who) if voters.is_sole(who.id) => Err(ErrorCode::InvalidRequest),
            Change::Remove(who) => Ok(voters.without(who.id)),
            Change::Update(node) => match voters.has(Voter { id: node.id, directory: node.directory }) {
                true => Ok(voters.with(node.clone())),
                false => Err(ErrorCode::VoterNotFound),
            },
        }
    }

    /// This leader does not vote any more, and that is committed: its reign is over.
    pub(super) fn is_voted_out(&self) -> bool {
        let is_settled = self.electorate.since().is_none_or(|at| at < self.high_watermark);
        self.is_leader() && !self.is_voter() && is_settled
    }
}

/// The version of the quorum's protocol, and its voters, as batches in their places.
pub(super) fn voters_at(
    voters: &Voters,
    (at, term): (Offset, LeaderEpoch),
    now: Wall,
    f: &Functions,
) -> Vec<CheckedBatch> {
    let version = KRaftVersionRecord { version: 0, kraft_version: KRAFT_VERSION };
    let version = encode_message(&version, 0).expect("every field has this version");
    let version = quorum_control(ControlKind::KRaftVersion, &version, (at, term), now, f);
    let place = (version.end_offset(), term);
    alloc::vec![version, quorum_control(ControlKind::KRaftVoters, &voters.to_value(), place, now, f)]
}

#[cfg(test)]
#[path = "change_test.rs"]
mod change_test;
