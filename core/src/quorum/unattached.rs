//! A member that knows a term and no leader in it.

use super::candidate::Candidate;
use crate::types::{LeaderEpoch, Mono};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unattached {
    /// The highest term that was seen.
    pub(super) term: LeaderEpoch,
    /// Since when nobody leads.
    pub(super) since: Mono,
}

impl Unattached {
    /// When to stand for election. The only voter waits for nobody: no other leader can be on its way.
    pub(super) fn deadline(&self) -> Mono {
        self.since
    }

    /// Stands in the next term.
    pub(super) fn stand(&self) -> Candidate {
        Candidate { term: self.term.next() }
    }
}
