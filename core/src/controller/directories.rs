//! In which data directory of its broker a replica is (KIP-858). Where a broker has several the controller chooses the one that holds
//! the fewest replicas; so everybody knows which replicas are lost with a directory, without being told by its broker.

use super::brokers::Registration;
use crate::metadata::{Broker, Image, MetadataRecord, Partition};
use crate::msg::record::metadata::PartitionChangeRecord;
use crate::types::{BrokerId, LogId, Uuid};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Chooses directories where records leave them open, for brokers that have several.
pub(super) fn settle(image: &Image, records: &mut [MetadataRecord]) {
    if !image.brokers().any(|broker| broker.directories.len() > 1) {
        return;
    }
    let mut chooser = Chooser { image, counts: None };
    for record in records {
        if let MetadataRecord::Partition(record) = record {
            chooser.fill(&record.replicas, &mut record.directories);
        } else if let MetadataRecord::PartitionChange(record) = record
            && let Some(directories) = &mut record.directories
        {
            let log = LogId { topic: record.topic_id, partition: record.partition_id };
            let before = || image.partition(log).map(|partition| ids(&partition.replicas));
            let replicas = record.replicas.clone().or_else(before).unwrap_or_default();
            chooser.fill(&replicas, directories);
        }
    }
}

struct Chooser<'a> {
    image: &'a Image,
    /// How many replicas each directory holds, once somebody wants to know.
    counts: Option<BTreeMap<(BrokerId, Uuid), usize>>,
}

impl Chooser<'_> {
    fn fill(&mut self, replicas: &[i32], directories: &mut [Uuid]) {
        for (id, directory) in replicas.iter().zip(directories).filter(|(_, directory)| directory.is_zero()) {
            if let Some(broker) = self.image.broker(BrokerId(*id)).filter(|broker| broker.directories.len() > 1) {
                *directory = self.choose(broker.id, &broker.directories);
            }
        }
    }

    fn choose(&mut self, id: BrokerId, among: &[Uuid]) -> Uuid {
        let counts = self.counts.get_or_insert_with(|| count(self.image));
        let held = |directory: &&Uuid| counts.get(&(id, **directory)).copied().unwrap_or(0);
        let chosen = among.iter().min_by_key(held).copied().unwrap_or(Uuid::ZERO);
        *counts.entry((id, chosen)).or_default() += 1;
        chosen
    }
}

fn count(image: &Image) -> BTreeMap<(BrokerId, Uuid), usize> {
    let mut counts = BTreeMap::new();
    for (_, partition) in partitions(image) {
        for (id, directory) in partition.replicas.iter().zip(&partition.directories) {
            *counts.entry((*id, *directory)).or_default() += 1;
        }
    }
    counts
}

/// Replicas whose directory did not come back are made anew in another one. Who led last has nothing any more, and is not to lead
/// as the last known to have been eligible (KIP-966): where nobody else is, an operator decides whose records are kept.
pub(super) fn replace(image: &Image, registration: &Registration) -> Vec<MetadataRecord> {
    let mut chooser = Chooser { image, counts: None };
    let is_away = |partition: &Partition| {
        let directory = partition.directory_of(registration.id);
        !directory.is_zero() && !registration.directories.contains(&directory)
    };
    let missing = partitions(image).filter(|(_, partition)| is_away(partition));
    let replaced = missing.map(|(log, partition)| {
        let chosen = chooser.choose(registration.id, &registration.directories);
        let at = |(id, directory): (&BrokerId, Uuid)| if *id == registration.id { chosen } else { directory };
        let directories = partition.replicas.iter().map(|id| (id, partition.directory_of(*id))).map(at).collect();
        let led_last = partition.leader == registration.id || partition.last_eligible.contains(&registration.id);
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: log.partition,
            topic_id: log.topic,
            directories: Some(directories),
            last_known_elr: (led_last && partition.replicas.len() > 1).then(Vec::new),
            ..PartitionChangeRecord::default()
        })
    });
    replaced.collect()
}

/// Is the replica lost, as far as anybody knows? Its directory did not come back, or may be an older copy of what it was. A replica of
/// which nobody knows the directory may be in any.
pub(super) fn is_missing(partition: &Partition, registration: &Registration) -> bool {
    let directory = partition.directory_of(registration.id);
    match directory.is_zero() {
        true => !registration.unproved.is_empty(),
        false => !registration.directories.contains(&directory) || registration.unproved.contains(&directory),
    }
}

/// May this broker lead the partition? It is up, and so is the directory that holds its replica.
pub(super) fn may_lead(image: &Image, partition: &Partition, id: BrokerId) -> bool {
    let holds = |broker: &Arc<Broker>| broker.is_active() && broker.has_online(partition.directory_of(id));
    image.broker(id).is_some_and(holds)
}

fn partitions(image: &Image) -> impl Iterator<Item = (LogId, &Arc<Partition>)> {
    image.topics().flat_map(|topic| {
        let log = |index: &i32| LogId { topic: topic.id, partition: *index };
        topic.partitions.iter().map(move |(index, partition)| (log(index), partition))
    })
}

fn ids(replicas: &[BrokerId]) -> Vec<i32> {
    replicas.iter().map(|id| id.0).collect()
}
