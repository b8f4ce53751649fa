//! Image → records. Applied to an empty image, in this order, they make the same image again; so a snapshot is nothing
//! but a run of records (KIP-630).

use super::image::{Broker, Image, Partition};
use super::record::MetadataRecord;
use crate::msg::record::metadata::{
    BrokerEndpoint, BrokerFeature, ConfigRecord, FeatureLevelRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, TopicRecord,
};
use crate::types::{BrokerId, Uuid};
use alloc::vec::Vec;

impl Image {
    /// Records that make this image out of nothing: features, brokers, topics with their partitions, settings, producer
    /// ids.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for (name, level) in self.features() {
            let record = FeatureLevelRecord { name: name.clone(), feature_level: *level };
            records.push(MetadataRecord::FeatureLevel(record));
        }
        records.extend(self.brokers().map(|broker| MetadataRecord::RegisterBroker(broker.to_record())));
        for topic in self.topics() {
            let record = TopicRecord { name: topic.name.clone(), topic_id: topic.id };
            records.push(MetadataRecord::Topic(record));
            let partition = |(index, one): (&i32, &alloc::sync::Arc<Partition>)| one.to_record(topic.id, *index);
            records.extend(topic.partitions.iter().map(partition).map(MetadataRecord::Partition));
        }
        for (resource, own) in self.resources() {
            records.extend(own.iter().map(|(name, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.kind,
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                })
            }));
        }
        if self.producer_id_next() != 0 {
            // Whose block the last one was does not matter any more.
            let (broker_id, broker_epoch) = (-1, -1);
            let record = ProducerIdsRecord { broker_id, broker_epoch, next_producer_id: self.producer_id_next() };
            records.push(MetadataRecord::ProducerIds(record));
        }
        records
    }
}

impl Broker {
    /// The record that registers this broker as it is.
    pub fn to_record(&self) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id.0,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch.0,
            end_points: self
                .endpoints
                .iter()
                .map(|endpoint| BrokerEndpoint {
                    name: endpoint.listener.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.protocol,
                })
                .collect(),
            features: self
                .features
                .iter()
                .map(|feature| BrokerFeature {
                    name: feature.name.clone(),
                    min_supported_version: feature.first,
                    max_supported_version: feature.last,
                })
                .collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned_directories.clone(),
        }
    }
}

impl Partition {
    /// The record that sets a partition to this state.
    pub fn to_record(&self, topic: Uuid, index: i32) -> PartitionRecord {
        let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect::<Vec<_>>();
        let is_eligible = !self.eligible.is_empty() || !self.last_eligible.is_empty();
        PartitionRecord {
            partition_id: index,
            topic_id: topic,
            replicas: ids(&self.replicas),
            isr: ids(&self.isr),
            removing_replicas: ids(&self.removing),
            adding_replicas: ids(&self.adding),
            leader: self.leader.0,
            leader_recovery_state: i8::from(self.recovering),
            leader_epoch: self.leader_epoch.0,
            partition_epoch: self.partition_epoch.0,
            directories: self.directories.clone(),
            eligible_leader_replicas: is_eligible.then(|| ids(&self.eligible)),
            last_known_elr: is_eligible.then(|| ids(&self.last_eligible)),
        }
    }
}
