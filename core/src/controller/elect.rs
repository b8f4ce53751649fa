//! Who leads a partition, and who is in its ISR, when a broker comes or goes (KIP-497, KIP-841).
//!
//! A member that goes leaves every ISR in which another stays; the last one stays, since nobody else is known to have all
//! that is committed. Whoever leads must be in the ISR and alive; without such a replica nobody leads.

use crate::metadata::{Image, MetadataRecord, Partition};
use crate::msg::record::metadata::PartitionChangeRecord;
use crate::types::{BrokerId, Uuid};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What the partitions of one broker become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// It can be reached by nobody any more, or is about to be.
    Goes,
    /// It is back, with everything that it had.
    Comes,
    /// It leads on at once, but may have lost what it had.
    Forgot,
}

/// The changes of partitions that follow from a broker's turn.
pub(super) fn changes(image: &Image, who: BrokerId, turn: Turn) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in image.topics() {
        let held = topic.partitions.iter().filter(|(_, partition)| partition.replicas.contains(&who));
        records.extend(held.filter_map(|(index, partition)| {
            let change = change(image, partition, who, turn)?;
            Some(record(topic.id, *index, partition, &change))
        }));
    }
    records
}

/// The next state of a partition: its ISR and its leader.
struct Change {
    isr: Vec<BrokerId>,
    leader: BrokerId,
    /// A reign begins, even if the leader stays.
    is_reign: bool,
}

fn change(image: &Image, partition: &Arc<Partition>, who: BrokerId, turn: Turn) -> Option<Change> {
    let is_alive = |id: &BrokerId| *id != who && image.broker(*id).is_some_and(|broker| broker.is_active());
    let is_member = partition.isr.contains(&who);
    match turn {
        Turn::Comes => (partition.leader == BrokerId::NONE && is_member).then(|| Change {
            isr: partition.isr.clone(),
            leader: who,
            is_reign: true,
        }),
        Turn::Goes | Turn::Forgot => {
            let others: Vec<BrokerId> = partition.isr.iter().copied().filter(|id| *id != who).collect();
            let isr = if others.is_empty() { partition.isr.clone() } else { others };
            let stays = turn == Turn::Forgot && isr.contains(&who);
            let leader = match partition.leader {
                leader if leader != who => leader,
                _ if stays => who,
                _ => first(partition, |id| isr.contains(id) && is_alive(id)),
            };
            let is_reign = partition.leader == who;
            (is_reign || isr != partition.isr).then_some(Change { isr, leader, is_reign })
        }
    }
}

/// The first replica, in the order of preference, that may lead.
fn first(partition: &Partition, may_lead: impl Fn(&BrokerId) -> bool) -> BrokerId {
    partition.replicas.iter().copied().find(may_lead).unwrap_or(BrokerId::NONE)
}

fn record(topic: Uuid, index: i32, before: &Partition, change: &Change) -> MetadataRecord {
    let isr = (change.isr != before.isr).then(|| change.isr.iter().map(|id| id.0).collect());
    let mut record = PartitionChangeRecord { partition_id: index, topic_id: topic, isr, ..Default::default() };
    if change.is_reign {
        record.leader = change.leader.0;
    }
    MetadataRecord::PartitionChange(record)
}
