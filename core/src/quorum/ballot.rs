//! What a voter must not forget: the term that it is in, and whom it voted for in it. Nothing that depends on either is said
//! before it is durable: else a voter that crashed could vote for two in one term (Raft, section 5.2).

use super::{Quorum, QuorumOut};
use crate::types::{BrokerId, LeaderEpoch};
use alloc::vec::Vec;

/// The term, the vote, and whether both are on disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ballot {
    /// The highest term that was seen.
    pub(super) term: LeaderEpoch,
    /// Whom this member votes for in it.
    pub(super) voted: Option<BrokerId>,
    /// Whether both may be told.
    pub(super) is_kept: bool,
    /// The highest term that may be told.
    pub(super) told: LeaderEpoch,
}

impl Ballot {
    /// What is on disk.
    pub(super) fn kept(term: LeaderEpoch, voted: Option<BrokerId>) -> Self {
        Self { term, voted, is_kept: true, told: term }
    }
}

impl Quorum {
    /// The term, and who leads in it, as this member may tell them. A term that its disk does not have it may forget: others that
    /// heard of it would find nobody any more who is in it.
    pub fn told(&self) -> (LeaderEpoch, Option<BrokerId>) {
        (self.ballot.told, self.leader().filter(|_| self.ballot.is_kept))
    }

    /// From now on this is the term and the vote. Whoever has no vote has nothing to keep: it finds the term again with the
    /// leader.
    pub(super) fn mark(&mut self, term: LeaderEpoch, voted: Option<BrokerId>, out: &mut Vec<QuorumOut>) {
        let is_forward = term > self.ballot.term || term == self.ballot.term && self.ballot.voted.is_none();
        assert!(is_forward, "INV-17: nobody votes twice in a term, and no term comes back");
        self.ballot = match self.may_vote {
            true => Ballot { term, voted, is_kept: false, ..self.ballot },
            false => Ballot::kept(term, voted),
        };
        if self.may_vote {
            out.push(QuorumOut::Vote { term, voted });
        }
    }
}
