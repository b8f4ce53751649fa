//! What a node counts when it is asked how its replicas and its cluster are: one walk over the partitions that it holds, and
//! where it is the active controller one over all there are.

use super::{Node, View};
use crate::metadata;
use crate::types::{BrokerId, LeaderEpoch, Offset};

/// The counts of one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Census {
    /// What this broker holds.
    pub held: Held,
    /// The controller does not let this broker lead, or does not know it.
    pub is_fenced: bool,
    /// What is counted where the active controller is, and nowhere else.
    pub reign: Option<Reign>,
    /// How this node stands in the metadata quorum.
    pub quorum: Standpoint,
}

/// What a broker holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Held {
    /// Replicas, led or not.
    pub replicas: usize,
    /// Partitions that it leads.
    pub led: usize,
    /// Of these, those that lack an in-sync replica. Replicas on their way in do not count before they have arrived.
    pub under_replicated: usize,
    /// Of these, those that take no `acks=all`.
    pub under_min_isr: usize,
    /// Of these, those that would take none if one more replica fell out of sync.
    pub at_min_isr: usize,
}

/// What a controller counts in the whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reign {
    /// Partitions.
    pub partitions: usize,
    /// Of these, those that nobody leads.
    pub leaderless: usize,
    /// Brokers that may lead.
    pub active: usize,
    /// Brokers that are registered, and may not.
    pub fenced: usize,
}

/// How a node stands in the metadata quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standpoint {
    /// The term.
    pub term: LeaderEpoch,
    /// Who leads, as far as is known here.
    pub leader: Option<BrokerId>,
    /// So far the log is committed, as far as is known here.
    pub high_watermark: Offset,
    /// So far it reaches here.
    pub end: Offset,
}

impl Default for Standpoint {
    fn default() -> Self {
        Self { term: LeaderEpoch(0), leader: None, high_watermark: Offset::ZERO, end: Offset::ZERO }
    }
}

impl View<'_> {
    /// Counts everything.
    pub fn census(&self) -> Census {
        let node = self.node;
        let quorum = node.cluster.quorum();
        let me = node.config.broker.id;
        // Another process may have this number.
        let known = node.cluster.image().broker(me).filter(|broker| broker.epoch == node.cluster.epoch());
        let is_up = known.is_some_and(|broker| !broker.fenced);
        Census {
            held: held(node, me),
            is_fenced: node.config.broker.roles.is_broker() && !is_up,
            reign: node.cluster.is_controller().then(|| reign(node)),
            quorum: Standpoint {
                term: quorum.term(),
                leader: quorum.leader(),
                high_watermark: quorum.high_watermark(),
                end: quorum.log().end(),
            },
        }
    }
}

fn held(node: &Node, me: BrokerId) -> Held {
    let mut held = Held::default();
    for (log, replica) in node.view().partitions() {
        held.replicas += 1;
        let Some(known) = node.cluster.image().partition(log).filter(|known| known.leader == me) else { continue };
        held.led += 1;
        held.under_replicated += usize::from(is_under_replicated(known));
        match replica.isr_spare() {
            Some(spare) if spare < 0 => held.under_min_isr += 1,
            Some(0) => held.at_min_isr += 1,
            Some(_) | None => {}
        }
    }
    held
}

/// As Kafka counts: without those that a reassignment brings in.
fn is_under_replicated(of: &metadata::Partition) -> bool {
    let wanted = of.replicas.iter().filter(|replica| !of.adding.contains(replica)).count();
    of.isr.len() < wanted
}

fn reign(node: &Node) -> Reign {
    let image = node.cluster.image();
    let mut reign = Reign::default();
    for broker in image.brokers() {
        *(if broker.fenced { &mut reign.fenced } else { &mut reign.active }) += 1;
    }
    for partition in image.topics().flat_map(|topic| topic.partitions.values()) {
        reign.partitions += 1;
        reign.leaderless += usize::from(partition.leader == BrokerId::NONE);
    }
    reign
}

#[cfg(test)]
#[path = "census_test.rs"]
mod census_test;
