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
}

impl Quorum {
    /// From now on this is the term and the vote. Whoever has no vote has nothing to keep: it finds the term again with the
    /// leader.
    pub(super) fn mark(&mut self, term: LeaderEpoch, voted: Option<BrokerId>, out: &mut Vec<QuorumOut>) {
        let is_forward = term > self.ballot.term || term == self.ballot.term && self.ballot.voted.is_none();
        assert!(is_forward, "INV-17: nobody votes twice in a term, and no term comes back");
        self.ballot = Ballot { term, voted, is_kept: !self.may_vote };
        if self.may_vote {
            out.push(QuorumOut::Vote { term, voted });
        }
    }
}
