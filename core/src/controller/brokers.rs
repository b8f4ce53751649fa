//! Brokers come, and a cluster begins.

use super::{Reply, Verdict};
use crate::metadata::{Broker, Endpoint, Image, MetadataRecord, features};
use crate::msg::record::metadata::{BrokerRegistrationChangeRecord, FeatureLevelRecord, PartitionChangeRecord};
use crate::types::{BrokerEpoch, BrokerId, Str, Uuid};
use alloc::vec::Vec;

/// What a broker says of itself when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Registration {
    /// Its number.
    pub id: BrokerId,
    /// Which start of its process this is: drawn anew each time.
    pub incarnation: Uuid,
    /// Its addresses, as clients see them.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands.
    pub rack: Option<Str>,
    /// Its data directories.
    pub directories: Vec<Uuid>,
    /// Whether it acknowledges nothing before it is flushed, in this life.
    pub is_durable: bool,
    /// The epoch of its last registration, if every directory came back whole since.
    pub whole_since: Option<BrokerEpoch>,
    /// The offset that the first record of this decision will have: a broker's epoch is the offset of its registration.
    pub epoch: BrokerEpoch,
}

/// A cluster begins with the levels of its features, as in Kafka.
pub(super) fn bootstrap() -> Verdict {
    let record = |(name, feature_level)| FeatureLevelRecord { name: Str::from_static(name), feature_level };
    let records = features::fresh().map(record).map(MetadataRecord::FeatureLevel).collect();
    Verdict { records, replies: alloc::vec![Reply::Bootstrapped] }
}

/// Registers the broker and unfences it at once: it registers with itself, so nothing is left to catch up with.
///
/// It is whole if its directories are, and if it was durable in its last life: a broker that was not may have lost what
/// it acknowledged, and cannot tell. If it is not whole each partition that it leads begins a new reign, so that a
/// consumer which saw records that are gone finds out (KIP-320).
pub(super) fn register(image: &Image, registration: &Registration) -> Verdict {
    let broker = Broker {
        id: registration.id,
        epoch: registration.epoch,
        incarnation: registration.incarnation,
        endpoints: registration.endpoints.clone(),
        features: features::supported().into_iter().chain(registration.is_durable.then(features::durable)).collect(),
        rack: registration.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        directories: registration.directories.clone(),
        cordoned_directories: None,
    };
    let unfence = BrokerRegistrationChangeRecord {
        broker_id: registration.id.0,
        broker_epoch: registration.epoch.0,
        fenced: -1,
        ..BrokerRegistrationChangeRecord::default()
    };
    let mut records = alloc::vec![
        MetadataRecord::RegisterBroker(broker.to_record()),
        MetadataRecord::BrokerRegistrationChange(unfence),
    ];
    let before = image.broker(registration.id);
    let is_whole = |before: &Broker| {
        registration.whole_since == Some(before.epoch) && before.features.contains(&features::durable())
    };
    if before.is_some_and(|before| !is_whole(before)) {
        records.extend(new_reigns(image, registration.id));
    }
    Verdict { records, replies: alloc::vec![Reply::Registered(registration.epoch)] }
}

fn new_reigns(image: &Image, leader: BrokerId) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in image.topics() {
        let led = topic.partitions.iter().filter(|(_, partition)| partition.leader == leader);
        records.extend(led.map(|(index, _)| {
            MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id: *index,
                topic_id: topic.id,
                leader: leader.0,
                ..PartitionChangeRecord::default()
            })
        }));
    }
    records
}
