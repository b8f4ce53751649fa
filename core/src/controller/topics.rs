//! Topics are created: because a client asks to, or because somebody uses one that does not exist.

use super::{Refusal, Reply, Verdict, placement};
use crate::boundary::Note;
use crate::config::{Config, Mistake, Overrides, TopicConfig};
use crate::metadata::answer::effective_topic;
use crate::metadata::{Image, MetadataRecord, Partition, Resource, check_name};
use crate::msg::Response;
use crate::msg::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use crate::msg::describe_configs::DescribeConfigsResourceResult;
use crate::msg::record::metadata::{ConfigRecord, TopicRecord};
use crate::shard::Cx;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, Str, Uuid, limit, quoted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `-1`: whatever the broker's settings say.
const BY_DEFAULT: i32 = -1;
/// The name of the metadata log, which is no topic.
const METADATA_LOG: &str = "__cluster_metadata";

/// Answers CreateTopics. Topics are created or refused one by one.
pub(super) fn create(image: &Image, cx: &mut Cx<'_>, request: &CreateTopicsRequest) -> Verdict {
    let default = i64::from(cx.config.topics.partitions);
    let total: i64 = request.topics.iter().map(|topic| partition_count(topic, default)).sum();
    let mut creation = Creation::new(image, cx.config);
    let mut counts: BTreeMap<&Str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *counts.entry(&topic.name).or_default() += 1);
    let mut results = Vec::new();
    for topic in &request.topics {
        let outcome = match counts.get(&topic.name) {
            _ if total > limit::PARTITIONS_PER_REQUEST_MAX => Err((
                ErrorCode::PolicyViolation,
                format!("a request may not create more than {} partitions", limit::PARTITIONS_PER_REQUEST_MAX),
            )),
            // Named twice: answered once, when it is met last.
            None => continue,
            Some(2..) => Err((ErrorCode::InvalidRequest, "the topic is named more than once".to_string())),
            Some(_) => creation.topic(cx, topic, request.validate_only),
        };
        counts.remove(&topic.name);
        results.push(outcome.unwrap_or_else(|(error, message)| CreatableTopicResult {
            name: topic.name.clone(),
            error_code: error.code(),
            error_message: Some(Str::explanation(&message)),
            ..CreatableTopicResult::default()
        }));
    }
    let response = CreateTopicsResponse { topics: results, ..CreateTopicsResponse::default() };
    let records = if request.validate_only { Vec::new() } else { creation.records };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::CreateTopics(response))] }
}

/// Creates topics that somebody asked for without creating them; those that exist meanwhile are well. Those that are too
/// many at once are left for the next time that somebody asks.
pub(super) fn create_missing(image: &Image, cx: &mut Cx<'_>, names: &[Str]) -> Verdict {
    let mut creation = Creation::new(image, cx.config);
    let mut results = Vec::new();
    let distinct: BTreeSet<&Str> = names.iter().collect();
    let mut total = 0;
    for name in distinct {
        let error = match image.topic_named(name) {
            Some(_) => ErrorCode::None,
            None => {
                let topic = missing(image, cx.config, name);
                let more = total + partition_count(&topic, i64::from(cx.config.topics.partitions));
                let fits = more <= limit::PARTITIONS_PER_REQUEST_MAX;
                match fits.then(|| creation.topic(cx, &topic, false)) {
                    None => ErrorCode::PolicyViolation,
                    Some(Ok(_)) => {
                        total = more;
                        ErrorCode::None
                    }
                    Some(Err((error, _))) => error,
                }
            }
        };
        results.push((name.clone(), error));
    }
    Verdict { records: creation.records, replies: alloc::vec![Reply::Created(results)] }
}

/// What a topic that creates itself is like.
pub fn missing(image: &Image, config: &Config, name: &Str) -> CreatableTopic {
    let mut topic = CreatableTopic {
        name: name.clone(),
        num_partitions: BY_DEFAULT,
        replication_factor: BY_DEFAULT as i16,
        ..CreatableTopic::default()
    };
    if *name == "__consumer_offsets" {
        let brokers = i16::try_from(image.brokers().count()).unwrap_or(i16::MAX);
        let setting =
            |name, value: String| CreatableTopicConfig { name: Str::from_static(name), value: Some(Str::from(value)) };
        topic.num_partitions = config.offsets.partitions;
        topic.replication_factor = config.offsets.replication_factor.unwrap_or(brokers.clamp(1, 3));
        topic.configs = alloc::vec![
            setting("cleanup.policy", "compact".to_string()),
            setting("compression.type", "producer".to_string()),
            setting("segment.bytes", config.offsets.segment_bytes.to_string()),
        ];
    }
    topic
}

/// How many partitions a topic would have, for the bound over a whole request.
fn partition_count(topic: &CreatableTopic, default: i64) -> i64 {
    match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
        BY_DEFAULT => default,
        count => i64::from(count.max(0)),
    }
}

struct Creation<'a> {
    image: &'a Image,
    config: &'a Config,
    records: Vec<MetadataRecord>,
    /// Names with dots made underscores that this request has taken.
    folded: BTreeSet<String>,
    /// What the settings of the last topic came to: reading and describing them takes longer than all the rest, and the
    /// topics of one request mostly set the same.
    read: Option<(Overrides, Settled)>,
}

/// What a topic's own settings come to.
#[derive(Clone)]
struct Settled {
    is_compacted: bool,
    described: Vec<CreatableTopicConfigs>,
}

impl<'a> Creation<'a> {
    fn new(image: &'a Image, config: &'a Config) -> Self {
        Self { image, config, records: Vec::new(), folded: BTreeSet::new(), read: None }
    }

    fn topic(
        &mut self,
        cx: &mut Cx<'_>,
        topic: &CreatableTopic,
        validate_only: bool,
    ) -> Result<CreatableTopicResult, Refusal> {
        self.check_name(&topic.name)?;
        let own = settings(topic)?;
        let settled = self.settle(&own)?;
        let placed = if topic.assignments.is_empty() { self.place(cx, topic)? } else { assigned(self.image, topic)? };
        if topic.name.contains(['.', '_']) {
            self.folded.insert(topic.name.replace('.', "_"));
        }
        if settled.is_compacted && !validate_only {
            cx.notes.push(Note::NotCompacted { topic: topic.name.detached() });
        }
        let id = fresh_id(self.image, cx);
        self.record(topic, id, &own, &placed);
        Ok(CreatableTopicResult {
            name: topic.name.clone(),
            topic_id: id,
            num_partitions: placed.len() as i32,
            replication_factor: placed.first().map_or(0, |replicas| replicas.len() as i16),
            configs: Some(settled.described),
            ..CreatableTopicResult::default()
        })
    }

    fn settle(&mut self, own: &Overrides) -> Result<Settled, Refusal> {
        if let Some((_, settled)) = self.read.as_ref().filter(|(known, _)| known == own) {
            return Ok(settled.clone());
        }
        let typed = TopicConfig::read(own, self.config).map_err(|all| (ErrorCode::InvalidConfig, listed(&all)))?;
        let config = |one: DescribeConfigsResourceResult| CreatableTopicConfigs {
            name: one.name,
            value: one.value,
            read_only: one.read_only,
            config_source: one.config_source,
            is_sensitive: one.is_sensitive,
        };
        let described = effective_topic(self.image, self.config, own).into_iter().map(config).collect();
        let settled = Settled { is_compacted: typed.is_compacted(), described };
        self.read = Some((own.clone(), settled.clone()));
        Ok(settled)
    }

    fn check_name(&self, name: &Str) -> Result<(), Refusal> {
        let invalid = |why: String| Err((ErrorCode::InvalidTopicException, why));
        if *name == METADATA_LOG {
            return Err((ErrorCode::InvalidRequest, format!("{METADATA_LOG} is the metadata log, not a topic")));
        }
        if self.image.topic_named(name).is_some() {
            return Err((ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if let Err(why) = check_name(name) {
            return invalid(why.to_string());
        }
        if let Some(other) = self.image.collision(name) {
            return invalid(format!("the topic '{name}' would collide in metric names with '{}'", other.name));
        }
        if name.contains(['.', '_']) && self.folded.contains(name.replace('.', "_").as_str()) {
            return invalid(format!("the topic '{name}' would collide in metric names with another of this request"));
        }
        Ok(())
    }

    fn place(&self, cx: &mut Cx<'_>, topic: &CreatableTopic) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        let factor = match topic.replication_factor {
            -1 => self.config.topics.replication_factor,
            0 | i16::MIN..-1 => {
                let why = "the replication factor must be larger than 0, or -1 for the default".to_string();
                return Err((ErrorCode::InvalidReplicationFactor, why));
            }
            factor => factor,
        };
        let partitions = match topic.num_partitions {
            BY_DEFAULT => self.config.topics.partitions,
            0 | i32::MIN..BY_DEFAULT => {
                let why = "the number of partitions must be larger than 0, or -1 for the default".to_string();
                return Err((ErrorCode::InvalidPartitions, why));
            }
            partitions => partitions,
        };
        placement::place(self.image, cx.rng, partitions, factor)
    }

    fn record(&mut self, topic: &CreatableTopic, id: Uuid, own: &Overrides, placed: &[Vec<BrokerId>]) {
        self.records.push(MetadataRecord::Topic(TopicRecord { name: topic.name.clone(), topic_id: id }));
        self.records.extend(own.iter().map(|(name, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: Resource::TOPIC,
                resource_name: topic.name.clone(),
                name: name.clone(),
                value: Some(value.clone()),
            })
        }));
        let partitions = (0..).zip(placed);
        self.records.extend(partitions.map(|(index, replicas)| {
            MetadataRecord::Partition(fresh_partition(self.image, replicas.clone()).to_record(id, index))
        }));
    }
}

/// A partition that begins to exist on these brokers. At least one of them is active.
pub(super) fn fresh_partition(image: &Image, replicas: Vec<BrokerId>) -> Partition {
    let active = |id: &BrokerId| image.broker(*id).is_some_and(|broker| broker.is_active());
    let isr: Vec<BrokerId> = replicas.iter().copied().filter(active).collect();
    let directory = |id: &BrokerId| image.broker(*id).map_or(Uuid::ZERO, |broker| broker.default_directory());
    Partition {
        directories: replicas.iter().map(directory).collect(),
        leader: *isr.first().expect("placement leaves an active broker"),
        replicas,
        isr,
        removing: Vec::new(),
        adding: Vec::new(),
        eligible: Vec::new(),
        last_eligible: Vec::new(),
        leader_epoch: LeaderEpoch::FIRST,
        partition_epoch: PartitionEpoch::FIRST,
        recovering: false,
    }
}

/// Is this a list of replicas that a new partition can have? `factor` is what its siblings have.
pub(super) fn check_replicas(image: &Image, replicas: &[BrokerId], factor: Option<usize>) -> Result<(), Refusal> {
    let refused = |why: String| Err((ErrorCode::InvalidReplicaAssignment, why));
    check_listed(image, replicas)?;
    if let Some(factor) = factor.filter(|factor| *factor != replicas.len()) {
        return refused(format!("an assignment has {} replicas and another {factor}", replicas.len()));
    }
    if !replicas.iter().any(|id| image.broker(*id).is_some_and(|broker| broker.is_active())) {
        return refused("every broker of an assignment is fenced or about to stop".to_string());
    }
    Ok(())
}

/// Are these brokers that are known, each once?
pub(super) fn check_listed(image: &Image, replicas: &[BrokerId]) -> Result<(), Refusal> {
    let refused = |why: String| Err((ErrorCode::InvalidReplicaAssignment, why));
    let distinct: BTreeSet<BrokerId> = replicas.iter().copied().collect();
    if replicas.is_empty() {
        return refused("an assignment has an empty list of replicas".to_string());
    }
    if let Some(stranger) = distinct.iter().find(|id| image.broker(**id).is_none()) {
        return refused(format!("an assignment names broker {}, which is not registered", stranger.0));
    }
    if distinct.len() < replicas.len() {
        return refused("an assignment names a broker more than once".to_string());
    }
    Ok(())
}

/// Partitions as the request places them, by index.
fn assigned(image: &Image, topic: &CreatableTopic) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    if topic.replication_factor != -1 || topic.num_partitions != BY_DEFAULT {
        let why = "with an assignment, the replication factor and the number of partitions must be -1".to_string();
        return Err((ErrorCode::InvalidRequest, why));
    }
    let mut placed: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
    let mut factor = None;
    for CreatableReplicaAssignment { partition_index, broker_ids } in &topic.assignments {
        let replicas: Vec<BrokerId> = broker_ids.iter().copied().map(BrokerId).collect();
        check_replicas(image, &replicas, factor)?;
        factor = Some(replicas.len());
        if placed.insert(*partition_index, replicas).is_some() {
            let why = format!("partition {partition_index} is assigned more than once");
            return Err((ErrorCode::InvalidReplicaAssignment, why));
        }
    }
    if !placed.keys().copied().eq(0..placed.len() as i32) {
        let why = "the partitions of an assignment must be numbered from 0 without a gap".to_string();
        return Err((ErrorCode::InvalidReplicaAssignment, why));
    }
    Ok(placed.into_values().collect())
}

fn settings(topic: &CreatableTopic) -> Result<Overrides, Refusal> {
    let mut own = Overrides::new();
    for CreatableTopicConfig { name, value } in &topic.configs {
        let Some(value) = value else {
            return Err((ErrorCode::InvalidConfig, format!("the setting {} has no value", quoted(name))));
        };
        if value.len() > limit::SETTING_BYTES_MAX {
            return Err((ErrorCode::InvalidConfig, format!("the value of {} is too long", quoted(name))));
        }
        own.insert(name.detached(), value.detached());
    }
    Ok(own)
}

/// Mistakes as one text.
pub(super) fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An id that no topic has: drawn, never reused.
fn fresh_id(image: &Image, cx: &mut Cx<'_>) -> Uuid {
    loop {
        let id = Uuid(cx.rng.bytes16());
        // Kafka keeps ids from 0 to 99 for itself, and prints those that begin with a dash badly.
        let is_reserved = id.0[..15] == [0; 15] || id.to_string().starts_with('-');
        if !is_reserved && image.topic(id).is_none() {
            return id;
        }
    }
}
