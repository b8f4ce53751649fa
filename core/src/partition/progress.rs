//! What a leader knows of one follower: how far it is, and when it last had everything. And what it knows of the brokers
//! that its followers are.

use crate::types::{BrokerEpoch, BrokerId, Mono, Offset};
use alloc::vec::Vec;
use core::time::Duration;

/// One follower, as its leader sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Progress {
    /// Which broker.
    pub id: BrokerId,
    /// All before it is flushed there; [`Offset::NONE`] if nothing was heard of it in this reign.
    pub end: Offset,
    /// The registration under which it fetched last.
    pub epoch: BrokerEpoch,
    /// The first offset that it keeps; [`Offset::NONE`] if nothing was heard of it in this reign.
    pub log_start: Offset,
    /// Once in this reign it kept nothing that its leader had dropped.
    pub is_comparable: bool,
    /// When it last had all that there was; never of one that joins from far behind.
    caught_up: Option<Mono>,
    /// When it fetched last, and what the leader had then.
    fetched: Option<(Mono, Offset)>,
}

impl Progress {
    /// Nothing is known in a new reign. A member of the ISR is given the time that any member has, another is given none:
    /// it does not hold anybody up before it is heard of.
    pub fn unknown(id: BrokerId, is_member: bool, now: Mono) -> Self {
        let caught_up = is_member.then_some(now);
        Self {
            id,
            end: Offset::NONE,
            epoch: BrokerEpoch::NONE,
            log_start: Offset::NONE,
            is_comparable: false,
            caught_up,
            fetched: None,
        }
    }

    /// It asks for what comes from `from` on, so it has all before that. It was caught up now if that is all there is; else
    /// at its last fetch if it has what there was then: so one that is always a little behind is not taken for one that
    /// falls behind.
    pub fn asked(&mut self, now: Mono, from: Offset, epoch: BrokerEpoch, leader_end: Offset) {
        if from >= leader_end {
            self.caught_up = self.caught_up.max(Some(now));
        } else if let Some((then, end)) = self.fetched
            && from >= end
        {
            self.caught_up = self.caught_up.max(Some(then));
        }
        let most = self.fetched.map_or(leader_end, |(_, end)| end.max(leader_end));
        self.fetched = Some((now, most));
        (self.end, self.epoch) = (from, epoch);
    }

    /// When it last had all that there was; never of one that joins from far behind.
    pub fn caught_up(&self) -> Option<Mono> {
        self.caught_up
    }

    /// Was it caught up within `lag_max` (`replica.lag.time.max.ms`), or is it now?
    pub fn is_caught_up(&self, leader_end: Offset, now: Mono, lag_max: Duration) -> bool {
        self.end >= leader_end || self.caught_up.is_some_and(|at| now.since(at) <= lag_max)
    }

    /// From when on it is not caught up any more, if nothing is heard of it; `None` if it has everything, or is not now.
    pub fn lags_from(&self, leader_end: Offset, lag_max: Duration) -> Option<Mono> {
        let at = self.caught_up.filter(|_| self.end < leader_end)?;
        Some(at + lag_max + Duration::from_nanos(1))
    }
}

/// The brokers of the cluster, as far as ISRs depend on them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Peers {
    known: Vec<Peer>,
}

/// One registered broker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Peer {
    /// Its number.
    pub id: BrokerId,
    /// Its registration.
    pub epoch: BrokerEpoch,
    /// It is neither fenced nor about to stop (KIP-841).
    pub may_join: bool,
}

impl Peers {
    /// Nobody.
    pub const NONE: Self = Self { known: Vec::new() };

    /// These.
    pub fn new(known: Vec<Peer>) -> Self {
        Self { known }
    }

    /// The registration of a broker; `NONE` of one that is not registered.
    pub fn epoch(&self, id: BrokerId) -> BrokerEpoch {
        self.get(id).map_or(BrokerEpoch::NONE, |peer| peer.epoch)
    }

    /// May the broker that fetched so be in an ISR? Only in the life in which it is registered (KIP-903).
    pub fn may_join(&self, follower: &Progress) -> bool {
        self.get(follower.id).is_some_and(|peer| peer.may_join && peer.epoch == follower.epoch)
    }

    /// Is this broker up?
    pub fn is_alive(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(|peer| peer.may_join)
    }

    fn get(&self, id: BrokerId) -> Option<&Peer> {
        self.known.iter().find(|peer| peer.id == id)
    }
}

#[cfg(test)]
#[path = "progress_test.rs"]
mod progress_test;
