//! Which replicas of a topic are throttled: `leader.replication.throttled.replicas` and its like (KIP-73).

use super::keys::items;
use crate::types::BrokerId;
use alloc::vec::Vec;

/// The replicas that a list names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Throttled {
    /// `*`.
    All,
    /// Partitions and brokers, in order.
    Some(Vec<(i32, BrokerId)>),
}

impl Throttled {
    /// Reads a list that was checked. A number that is too large is nobody's.
    pub(super) fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::All;
        }
        let replica = |item: &str| {
            let (partition, broker) = item.split_once(':')?;
            Some((partition.parse().ok()?, BrokerId(broker.parse().ok()?)))
        };
        let mut named: Vec<(i32, BrokerId)> = items(text).filter_map(replica).collect();
        named.sort_unstable();
        Self::Some(named)
    }

    /// Is this replica one of them?
    pub fn has(&self, partition: i32, broker: BrokerId) -> bool {
        match self {
            Self::All => true,
            Self::Some(named) => named.binary_search(&(partition, broker)).is_ok(),
        }
    }
}
