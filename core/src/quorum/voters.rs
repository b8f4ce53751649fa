//! Who votes.

use crate::plant::{Bug, planted};
use crate::types::BrokerId;
use alloc::vec::Vec;

/// The voters of the quorum: at least one, each once, in the order of their numbers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Voters(Vec<BrokerId>);

impl Voters {
    /// These, in any order.
    pub fn new(ids: impl IntoIterator<Item = BrokerId>) -> Self {
        let mut ids: Vec<BrokerId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        assert!(!ids.is_empty(), "a quorum has a voter");
        Self(ids)
    }

    /// Does this node vote?
    pub fn contains(&self, id: BrokerId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.0.iter().copied()
    }

    /// All but one.
    pub fn others(&self, me: BrokerId) -> impl Iterator<Item = BrokerId> + '_ {
        self.iter().filter(move |id| *id != me)
    }

    /// The voter that comes after so many others, around and around.
    pub(super) fn around(&self, turn: usize) -> BrokerId {
        self.0[turn % self.0.len()]
    }

    /// So many of them decide.
    pub fn majority(&self) -> usize {
        if planted(Bug::HalfIsMajority) { self.0.len().div_ceil(2) } else { self.0.len() / 2 + 1 }
    }

    /// Are so many against it that no majority can be for it?
    pub(super) fn is_lost(&self, against: usize) -> bool {
        against > self.0.len() - self.majority()
    }

    /// Is this node the only voter?
    pub fn is_sole(&self, me: BrokerId) -> bool {
        self.0 == [me]
    }
}
