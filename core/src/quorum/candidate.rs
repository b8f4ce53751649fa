//! A member that stands for election. Its own vote counts only once it is durable: else it could vote for somebody else
//! in the same term after a crash.

use super::leader::Leader;
use crate::types::{LeaderEpoch, Offset};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Candidate {
    /// The term that it stands in.
    pub(super) term: LeaderEpoch,
}

impl Candidate {
    /// Elected, with a log that ends here.
    pub(super) fn win(&self, end: Offset) -> Leader {
        Leader { term: self.term, from: end }
    }
}
