//! Record → image. No clock, no chance, no choice: the same records make the same image everywhere.

use super::delta::Delta;
use super::features;
use super::image::{Broker, Endpoint, FeatureRange, Image, Partition, Resource, Topic, fold};
use super::record::MetadataRecord;
use crate::config::Overrides;
use crate::msg::record::metadata::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord, FeatureLevelRecord, PartitionChangeRecord,
    PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, Str, Uuid};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A committed record that does not fit the image: the log is not ours, or newer than we are. Nothing right can be done
/// with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unfit {
    /// Kafka's number of the kind of record.
    pub kind: u32,
    /// What it contradicts.
    pub why: &'static str,
}

/// The image after these committed records, the first of which stands at `base`, and what changed. The old image stays
/// as it is; the two share what is equal.
pub fn advance(image: &Arc<Image>, base: Offset, records: &[MetadataRecord]) -> Result<(Arc<Image>, Delta), Unfit> {
    let mut next = Image::clone(image);
    let mut touched = Touched::default();
    for record in records {
        next.apply(record, &mut touched).map_err(|why| Unfit { kind: record.key(), why })?;
    }
    next.end = base.plus(records.len() as i64);
    let next = Arc::new(next);
    Ok((next.clone(), Delta::new(image.clone(), next, touched)))
}

/// What records have touched, by key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Touched {
    pub(super) topics: Vec<Uuid>,
    pub(super) logs: Vec<LogId>,
    pub(super) resources: Vec<Resource>,
    pub(super) brokers: Vec<BrokerId>,
}

impl Image {
    fn apply(&mut self, record: &MetadataRecord, touched: &mut Touched) -> Result<(), &'static str> {
        match record {
            MetadataRecord::FeatureLevel(record) => self.set_feature(record),
            MetadataRecord::RegisterBroker(record) => self.register(record, touched),
            MetadataRecord::UnregisterBroker(record) => {
                touched.brokers.push(BrokerId(record.broker_id));
                self.brokers.remove(&BrokerId(record.broker_id)).map(drop).ok_or("there is no such broker")?;
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_registration(record, touched)?,
            MetadataRecord::FenceBroker(record) => self.fence(record.id, record.epoch, true, touched)?,
            MetadataRecord::UnfenceBroker(record) => self.fence(record.id, record.epoch, false, touched)?,
            MetadataRecord::Topic(record) => self.add_topic(record, touched)?,
            MetadataRecord::Partition(record) => self.set_partition(record, touched)?,
            MetadataRecord::PartitionChange(record) => self.change_partition(record, touched)?,
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record, touched)?,
            MetadataRecord::Config(record) => self.set_setting(record, touched),
            MetadataRecord::ProducerIds(record) => self.take_producer_ids(record)?,
            MetadataRecord::ClearElr(record) => self.clear_eligible(record, touched)?,
            MetadataRecord::NoOp(_) => {}
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {
                return Err("transactions of records (KIP-868) are not written here");
            }
            MetadataRecord::RegisterController(_) | MetadataRecord::UnregisterController(_) => {
                return Err("controllers beside brokers are not written here");
            }
        }
        Ok(())
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord) {
        match record.feature_level {
            0 => self.features.remove(&record.name),
            level => self.features.insert(record.name.detached(), level),
        };
    }

    fn register(&mut self, record: &RegisterBrokerRecord, touched: &mut Touched) {
        let id = BrokerId(record.broker_id);
        let endpoint = |end_point: &crate::msg::record::metadata::BrokerEndpoint| Endpoint {
            listener: end_point.name.detached(),
            host: end_point.host.detached(),
            port: end_point.port,
            protocol: end_point.security_protocol,
        };
        let feature = |feature: &crate::msg::record::metadata::BrokerFeature| FeatureRange {
            name: feature.name.detached(),
            first: feature.min_supported_version,
            last: feature.max_supported_version,
        };
        let broker = Broker {
            id,
            epoch: BrokerEpoch(record.broker_epoch),
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.as_ref().map(Str::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        };
        self.brokers.insert(id, Arc::new(broker));
        touched.brokers.push(id);
    }

    fn registered(&mut self, id: i32, epoch: i64, touched: &mut Touched) -> Result<&mut Broker, &'static str> {
        let id = BrokerId(id);
        touched.brokers.push(id);
        let broker = self.brokers.get_mut(&id).ok_or("there is no such broker")?;
        if broker.epoch == BrokerEpoch(epoch) { Ok(Arc::make_mut(broker)) } else { Err("the broker has another epoch") }
    }

    fn fence(&mut self, id: i32, epoch: i64, fenced: bool, touched: &mut Touched) -> Result<(), &'static str> {
        let broker = self.registered(id, epoch, touched)?;
        broker.fenced = fenced;
        if !fenced {
            features::use_up_proof(&mut broker.features);
        }
        Ok(())
    }

    fn change_registration(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
        touched: &mut Touched,
    ) -> Result<(), &'static str> {
        let broker = self.registered(record.broker_id, record.broker_epoch, touched)?;
        broker.fenced = match record.fenced {
            0 => broker.fenced,
            1 => true,
            -1 => false,
            _ => return Err("no such change of fencing"),
        };
        if !broker.fenced {
            features::use_up_proof(&mut broker.features);
        }
        broker.in_controlled_shutdown = match record.in_controlled_shutdown {
            0 => broker.in_controlled_shutdown,
            1 => true,
            _ => return Err("no such change of a controlled shutdown"),
        };
        if !record.log_dirs.is_empty() {
            broker.directories.clone_from(&record.log_dirs);
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned_directories.clone_from(&record.cordoned_log_dirs);
        }
        Ok(())
    }

    fn add_topic(&mut self, record: &TopicRecord, touched: &mut Touched) -> Result<(), &'static str> {
        let (id, name) = (record.topic_id, record.name.detached());
        if self.topics.get(&id).is_some() || self.ids.get(&name).is_some() {
            return Err("the topic exists already");
        }
        if let Some(folded) = fold(&name) {
            self.folded.insert(Str::from(folded), id);
        }
        self.ids.insert(name.clone(), id);
        self.topics.insert(id, Arc::new(Topic { id, name, partitions: super::SharedMap::default() }));
        touched.topics.push(id);
        Ok(())
    }

    fn set_partition(&mut self, record: &PartitionRecord, touched: &mut Touched) -> Result<(), &'static str> {
        let topic = self.topics.get_mut(&record.topic_id).ok_or("there is no such topic")?;
        let partition = Partition {
            replicas: brokers(&record.replicas),
            directories: if record.directories.len() == record.replicas.len() {
                record.directories.clone()
            } else {
                alloc::vec![Uuid::ZERO; record.replicas.len()]
            },
            isr: brokers(&record.isr),
            removing: brokers(&record.removing_replicas),
            adding: brokers(&record.adding_replicas),
            eligible: brokers(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
            last_eligible: brokers(record.last_known_elr.as_deref().unwrap_or_default()),
            leader: BrokerId(record.leader),
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: PartitionEpoch(record.partition_epoch),
            recovering: record.leader_recovery_state == 1,
        };
        Arc::make_mut(topic).partitions.insert(record.partition_id, Arc::new(partition));
        touched.logs.push(LogId { topic: record.topic_id, partition: record.partition_id });
        Ok(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord, touched: &mut Touched) -> Result<(), &'static str> {
        const NO_CHANGE: i32 = -2;
        let topic = self.topics.get_mut(&record.topic_id).ok_or("there is no such topic")?;
        let partition = Arc::make_mut(topic).partitions.get_mut(&record.partition_id);
        let partition = Arc::make_mut(partition.ok_or("there is no such partition")?);
        let set = |field: &mut Vec<BrokerId>, change: &Option<Vec<i32>>| {
            if let Some(change) = change {
                *field = brokers(change);
            }
        };
        set(&mut partition.isr, &record.isr);
        set(&mut partition.replicas, &record.replicas);
        set(&mut partition.removing, &record.removing_replicas);
        set(&mut partition.adding, &record.adding_replicas);
        set(&mut partition.eligible, &record.eligible_leader_replicas);
        set(&mut partition.last_eligible, &record.last_known_elr);
        if let Some(directories) = &record.directories {
            partition.directories.clone_from(directories);
        }
        if record.leader != NO_CHANGE {
            partition.leader = BrokerId(record.leader);
            partition.leader_epoch = partition.leader_epoch.next();
        }
        if record.leader_recovery_state >= 0 {
            partition.recovering = record.leader_recovery_state == 1;
        }
        partition.partition_epoch = partition.partition_epoch.next();
        touched.logs.push(LogId { topic: record.topic_id, partition: record.partition_id });
        Ok(())
    }

    fn remove_topic(&mut self, record: &RemoveTopicRecord, touched: &mut Touched) -> Result<(), &'static str> {
        let topic = self.topics.remove(&record.topic_id).ok_or("there is no such topic")?;
        self.ids.remove(&topic.name);
        if let Some(folded) = fold(&topic.name)
            && self.folded.get(folded.as_bytes()) == Some(&topic.id)
        {
            self.folded.remove(folded.as_bytes());
        }
        self.settings.remove(&Resource::topic(&topic.name));
        let log = |(partition, _): (&i32, _)| LogId { topic: topic.id, partition: *partition };
        touched.logs.extend(topic.partitions.iter().map(log));
        touched.topics.push(topic.id);
        Ok(())
    }

    fn set_setting(&mut self, record: &ConfigRecord, touched: &mut Touched) {
        let resource = Resource { kind: record.resource_type, name: record.resource_name.detached() };
        match &record.value {
            Some(value) => {
                if self.settings.get(&resource).is_none() {
                    self.settings.insert(resource.clone(), Arc::new(Overrides::new()));
                }
                let own = self.settings.get_mut(&resource).expect("it was made a moment ago");
                Arc::make_mut(own).insert(record.name.detached(), value.detached());
            }
            None => {
                let own = self.settings.get_mut(&resource).map(Arc::make_mut);
                let is_empty = own.is_some_and(|own| {
                    own.remove(&record.name);
                    own.is_empty()
                });
                if is_empty {
                    self.settings.remove(&resource);
                }
            }
        }
        touched.resources.push(resource);
    }

    fn take_producer_ids(&mut self, record: &ProducerIdsRecord) -> Result<(), &'static str> {
        // A producer id that was given out twice would let two producers pass for one.
        if record.next_producer_id <= self.producer_id_next && self.producer_id_next != 0 {
            return Err("producer ids go back");
        }
        self.producer_id_next = record.next_producer_id;
        Ok(())
    }

    fn clear_eligible(&mut self, record: &ClearElrRecord, touched: &mut Touched) -> Result<(), &'static str> {
        let named = self.ids.get(&record.topic_name).copied();
        let ids: Vec<Uuid> = match record.topic_name.is_empty() {
            true => self.topics.iter().map(|(id, _)| *id).collect(),
            false => alloc::vec![named.ok_or("there is no such topic")?],
        };
        for id in ids {
            let topic = self.topics.get_mut(&id).expect("named a moment ago");
            let held = |(_, partition): &(&i32, &Arc<Partition>)| {
                !partition.eligible.is_empty() || !partition.last_eligible.is_empty()
            };
            let indexes: Vec<i32> = topic.partitions.iter().filter(held).map(|(index, _)| *index).collect();
            for index in indexes {
                let partition = Arc::make_mut(topic).partitions.get_mut(&index).expect("listed a moment ago");
                let partition = Arc::make_mut(partition);
                partition.eligible.clear();
                partition.last_eligible.clear();
                touched.logs.push(LogId { topic: id, partition: index });
            }
        }
        Ok(())
    }
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
