//! `ottla topic`.

use super::remote::{Cluster, check_with, odd};
use super::show;
use crate::flags::{Reach, TopicCommand};
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_core::msg::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use ottla_core::msg::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use ottla_core::msg::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_core::msg::metadata::MetadataResponseTopic;
use ottla_core::msg::{ApiKey, Response};
use serde_json::json;
use std::collections::BTreeMap;

pub fn run(command: TopicCommand) -> Result<(), String> {
    match command {
        TopicCommand::List { internal, reach } => list(internal, &reach),
        TopicCommand::Create { name, partitions, replication, configs, reach } => {
            let topic = CreatableTopic {
                name: name.as_str().into(),
                num_partitions: partitions.unwrap_or(-1),
                replication_factor: replication.unwrap_or(-1),
                configs: configs.iter().map(|text| config(text)).collect::<Result<_, _>>()?,
                ..Default::default()
            };
            create(topic, &reach)
        }
        TopicCommand::Describe { name, reach } => describe(&name, &reach),
        TopicCommand::Delete { name, reach } => delete(&name, &reach),
    }
}

fn config(text: &str) -> Result<CreatableTopicConfig, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("--config {text}: expected KEY=VALUE"))?;
    Ok(CreatableTopicConfig { name: name.trim().into(), value: Some(value.trim().into()) })
}

fn list(internal: bool, reach: &Reach) -> Result<(), String> {
    let mut topics = Cluster::connect(&reach.broker)?.metadata(None, false)?.topics;
    topics.retain(|topic| internal || !topic.is_internal);
    topics.sort_by(|one, two| one.name.cmp(&two.name));
    let name = |topic: &MetadataResponseTopic| topic.name.as_deref().unwrap_or_default().to_owned();
    let replicas = |topic: &MetadataResponseTopic| topic.partitions.first().map_or(0, |one| one.replica_nodes.len());
    if reach.json {
        for topic in &topics {
            show::json(&json!({
                "topic": name(topic), "id": topic.topic_id.to_string(), "internal": topic.is_internal,
                "partitions": topic.partitions.len(), "replicas": replicas(topic),
            }));
        }
        return Ok(());
    }
    if topics.is_empty() {
        show::line("no topics yet: `ottla topic create NAME` makes one");
        return Ok(());
    }
    let row = |topic| vec![name(topic), topic.partitions.len().to_string(), replicas(topic).to_string()];
    show::line(&show::table(&["TOPIC", "PARTITIONS", "REPLICAS"], topics.iter().map(row).collect()));
    Ok(())
}

fn create(topic: CreatableTopic, reach: &Reach) -> Result<(), String> {
    let mut cluster = Cluster::connect(&reach.broker)?;
    let name = topic.name.clone();
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let told = cluster.any().call(request, ApiKey::CreateTopics.facts().last)?;
    let Response::CreateTopics(told) = told else { return Err(odd(&reach.broker)) };
    let topic = told.topics.into_iter().next().ok_or_else(|| odd(&reach.broker))?;
    check_with(topic.error_code, topic.error_message.as_deref(), &name)?;
    if reach.json {
        show::json(&json!({
            "topic": name.as_str(), "id": topic.topic_id.to_string(),
            "partitions": topic.num_partitions, "replicas": topic.replication_factor,
        }));
    } else {
        show::line(&format!(
            "{name} exists: {} partitions, {} replicas",
            topic.num_partitions, topic.replication_factor
        ));
    }
    Ok(())
}

fn delete(name: &str, reach: &Reach) -> Result<(), String> {
    let mut cluster = Cluster::connect(&reach.broker)?;
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some(name.into()), ..Default::default() }],
        topic_names: vec![name.into()],
        timeout_ms: TIMEOUT_MS,
    };
    let told = cluster.any().call(request, ApiKey::DeleteTopics.facts().last)?;
    let Response::DeleteTopics(told) = told else { return Err(odd(&reach.broker)) };
    let topic = told.responses.into_iter().next().ok_or_else(|| odd(&reach.broker))?;
    check_with(topic.error_code, topic.error_message.as_deref(), name)?;
    if reach.json {
        show::json(&json!({ "topic": name, "deleted": true }));
    } else {
        show::line(&format!("{name} is deleted"));
    }
    Ok(())
}

fn describe(name: &str, reach: &Reach) -> Result<(), String> {
    let mut cluster = Cluster::connect(&reach.broker)?;
    let topic = cluster.topic(name, false)?;
    let starts = offsets(&mut cluster, name, &topic, EARLIEST)?;
    let ends = offsets(&mut cluster, name, &topic, LATEST)?;
    let configs = configs(&mut cluster, name)?;
    let at = |offsets: &BTreeMap<i32, i64>, index| offsets.get(&index).copied().unwrap_or(-1);
    let nodes = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    if reach.json {
        let partitions = topic.partitions.iter().map(|one| {
            let index = one.partition_index;
            json!({
                "partition": index, "leader": one.leader_id, "epoch": one.leader_epoch, "replicas": one.replica_nodes,
                "isr": one.isr_nodes, "start": at(&starts, index), "end": at(&ends, index),
            })
        });
        let configs: serde_json::Map<String, serde_json::Value> =
            configs.iter().map(|one| (one.name.to_string(), json!(one.value.as_deref()))).collect();
        show::json(&json!({
            "topic": name, "id": topic.topic_id.to_string(), "internal": topic.is_internal,
            "partitions": partitions.collect::<Vec<_>>(), "configs": configs,
        }));
        return Ok(());
    }
    show::line(&format!("{name}  id {}", topic.topic_id));
    let rows = topic.partitions.iter().map(|one| {
        let index = one.partition_index;
        let (start, end) = (at(&starts, index), at(&ends, index));
        vec![
            index.to_string(),
            one.leader_id.to_string(),
            nodes(&one.replica_nodes),
            nodes(&one.isr_nodes),
            start.to_string(),
            end.to_string(),
            (end - start).to_string(),
        ]
    });
    let header = ["PARTITION", "LEADER", "REPLICAS", "ISR", "START", "END", "RECORDS"];
    show::line(&show::table(&header, rows.collect()));
    for one in configs.iter().filter(|one| one.config_source == SOURCE_TOPIC) {
        show::line(&format!("  {}={}", one.name, one.value.as_deref().unwrap_or("")));
    }
    Ok(())
}

/// The offset of each partition at a time, or one of the special ones.
pub fn offsets(
    cluster: &mut Cluster,
    name: &str,
    topic: &MetadataResponseTopic,
    timestamp: i64,
) -> Result<BTreeMap<i32, i64>, String> {
    let mut leaders: BTreeMap<i32, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for one in &topic.partitions {
        let wanted = ListOffsetsPartition { partition_index: one.partition_index, timestamp, ..Default::default() };
        leaders.entry(one.leader_id).or_default().push(wanted);
    }
    let mut offsets = BTreeMap::new();
    for (leader, partitions) in leaders {
        let topics = vec![ListOffsetsTopic { name: name.into(), partitions }];
        let request = ListOffsetsRequest { replica_id: -1, topics, timeout_ms: TIMEOUT_MS, ..Default::default() };
        let told = cluster.broker(leader)?.call(request, ApiKey::ListOffsets.facts().last)?;
        let Response::ListOffsets(told) = told else { return Err(odd(name)) };
        for one in told.topics.into_iter().flat_map(|topic| topic.partitions) {
            check_with(one.error_code, None, &format!("{name}-{}", one.partition_index))?;
            offsets.insert(one.partition_index, one.offset);
        }
    }
    Ok(offsets)
}

fn configs(cluster: &mut Cluster, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, String> {
    let resource =
        DescribeConfigsResource { resource_type: RESOURCE_TOPIC, resource_name: name.into(), configuration_keys: None };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let told = cluster.any().call(request, ApiKey::DescribeConfigs.facts().last)?;
    let Response::DescribeConfigs(told) = told else { return Err(odd(name)) };
    let result = told.results.into_iter().next().ok_or_else(|| odd(name))?;
    check_with(result.error_code, result.error_message.as_deref(), name)?;
    Ok(result.configs)
}

/// `ListOffsets` for the first offset.
pub const EARLIEST: i64 = -2;
/// `ListOffsets` for the end.
pub const LATEST: i64 = -1;
/// Kafka's number of a topic among the things that have settings.
const RESOURCE_TOPIC: i8 = 2;
/// Kafka's number of a value that was set for the topic itself.
const SOURCE_TOPIC: i8 = 1;
const TIMEOUT_MS: i32 = 30_000;
