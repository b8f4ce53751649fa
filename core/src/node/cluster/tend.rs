//! What the controller looks after without being asked: partitions without a leader that may have one, and those that are not led
//! by their preferred leader.

use super::{Cluster, From};
use crate::boundary::Effects;
use crate::controller::Ask;
use crate::node::Node;
use crate::types::{Mono, Now};

/// When it is looked next, and at what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum At {
    /// At everything, in its turn.
    Turn(Mono),
    /// At once, since settings have changed that say who may lead. Then comes everything's turn.
    Once(Mono),
}

impl At {
    pub(super) fn mono(&self) -> Mono {
        match self {
            Self::Turn(at) => *at,
            Self::Once(_) => Mono(0),
        }
    }
}

impl Cluster {
    /// Settings have changed that may say who may lead.
    pub(in crate::node) fn tend_soon(&mut self) {
        if let Some(At::Turn(at)) = self.tend_at {
            self.tend_at = Some(At::Once(at));
        }
    }

    /// A reign begins: what its settings allow is looked for at once.
    pub(super) fn tend_first(&mut self, next: Mono) {
        self.tend_at = Some(At::Once(next));
    }

    /// There was more to do than is done in one go.
    pub(super) fn tend_on(&mut self, now: Mono) {
        self.tend_at = Some(At::Turn(now));
    }
}

impl Node {
    /// Looks after partitions if it is time. A broker that is alone has nobody to give anything to.
    pub(super) fn tend(&mut self, now: Now, out: &mut Effects) {
        let next = now.mono + self.config.leaders.check_interval;
        if self.cluster.controller.is_none() || self.cluster.image.brokers().nth(1).is_none() {
            self.cluster.tend_at = None;
            return;
        }
        match self.cluster.tend_at {
            None => self.cluster.tend_at = Some(At::Turn(next)),
            Some(At::Once(at)) => {
                self.cluster.tend_at = Some(At::Turn(at));
                self.ask_controller(now, From::Nobody, &Ask::Tend { with_preferred: false }, out);
            }
            Some(At::Turn(at)) if at <= now.mono => {
                self.cluster.tend_at = Some(At::Turn(next));
                let with_preferred = self.config.leaders.rebalance;
                self.ask_controller(now, From::Nobody, &Ask::Tend { with_preferred }, out);
            }
            Some(At::Turn(_)) => {}
        }
    }
}
