//! A member that gathers votes. At first it only asks who would vote for it (KIP-996), and disturbs nobody; with a majority
//! behind it, it begins a term, votes for itself, and asks in earnest.

use super::Voters;
use crate::types::{BrokerId, Mono};
use alloc::collections::BTreeSet;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Candidate {
    /// Nothing is at stake yet.
    pub(super) is_pre: bool,
    /// Who votes for it.
    pub(super) granted: BTreeSet<BrokerId>,
    /// Who does not.
    refused: BTreeSet<BrokerId>,
    /// The round is over then.
    pub(super) until: Mono,
}

/// How a round of votes stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    Open,
    Won,
    Lost,
}

impl Candidate {
    /// A round that begins: its own vote is the first.
    pub(super) fn new(me: BrokerId, is_pre: bool, until: Mono) -> Self {
        Self { is_pre, granted: [me].into(), refused: BTreeSet::new(), until }
    }

    /// A voter has answered.
    pub(super) fn count(&mut self, who: BrokerId, is_granted: bool) {
        match is_granted {
            true => self.granted.insert(who),
            false => self.refused.insert(who),
        };
    }

    pub(super) fn result(&self, voters: &Voters) -> Count {
        match () {
            () if self.granted.iter().filter(|id| voters.contains(**id)).count() >= voters.majority() => Count::Won,
            () if voters.is_lost(self.refused.len()) => Count::Lost,
            () => Count::Open,
        }
    }
}
