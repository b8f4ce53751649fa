//! `ottla topic describe`.

use super::{Cluster, Done, RESOURCE_TOPIC, Reach, check, show, silent};
use crate::cli::cluster::{EARLIEST, LATEST};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use ottla_core::msg::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What to describe.
#[derive(Args, Debug)]
pub struct DescribeFlags {
    /// Its name
    topic: String,
    /// Every setting, not only those of the topic itself
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    reach: Reach,
}

/// A topic with all that is told of it.
struct Described {
    topic: MetadataResponseTopic,
    starts: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
    configs: Vec<DescribeConfigsResourceResult>,
}

/// Runs `ottla topic describe`.
pub fn run(flags: &DescribeFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let topic = cluster.topic(&flags.topic, false)?;
    let starts = cluster.patiently(|cluster| cluster.offsets(&topic, EARLIEST))?;
    let ends = cluster.patiently(|cluster| cluster.offsets(&topic, LATEST))?;
    let mut configs = configs(&mut cluster, &flags.topic)?;
    configs.retain(|one| flags.all || one.config_source == SOURCE_TOPIC);
    let described = Described { topic, starts, ends, configs };
    if flags.reach.json { described.json(&flags.topic) } else { described.table(&flags.topic) }
}

impl Described {
    fn json(&self, name: &str) -> Done<()> {
        let partition = |one: &MetadataResponsePartition| {
            let (start, end) = self.bounds(one.partition_index);
            json!({
                "partition": one.partition_index, "leader": one.leader_id, "epoch": one.leader_epoch,
                "replicas": one.replica_nodes, "isr": one.isr_nodes, "start": start, "end": end,
            })
        };
        let partitions: Vec<Value> = self.topic.partitions.iter().map(partition).collect();
        let configs: Map<String, Value> =
            self.configs.iter().map(|one| (one.name.to_string(), json!(one.value.as_deref()))).collect();
        show::json(&json!({
            "topic": name, "id": self.topic.topic_id.to_string(), "internal": self.topic.is_internal,
            "partitions": partitions, "configs": configs,
        }))
    }

    fn table(&self, name: &str) -> Done<()> {
        show::line(&format!("{name}  id {}", self.topic.topic_id))?;
        let nodes = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let row = |one: &MetadataResponsePartition| {
            let (start, end) = self.bounds(one.partition_index);
            vec![
                one.partition_index.to_string(),
                one.leader_id.to_string(),
                nodes(&one.replica_nodes),
                nodes(&one.isr_nodes),
                start.to_string(),
                end.to_string(),
                (end - start).to_string(),
            ]
        };
        let header = ["PARTITION", "LEADER", "REPLICAS", "ISR", "START", "END", "RECORDS"];
        show::line(&show::table(&header, self.topic.partitions.iter().map(row).collect()))?;
        for one in &self.configs {
            show::line(&format!("  {}={}", one.name, one.value.as_deref().unwrap_or("")))?;
        }
        Ok(())
    }

    fn bounds(&self, partition: i32) -> (i64, i64) {
        let at = |offsets: &BTreeMap<i32, i64>| offsets.get(&partition).copied().unwrap_or(-1);
        (at(&self.starts), at(&self.ends))
    }
}

fn configs(cluster: &mut Cluster, name: &str) -> Done<Vec<DescribeConfigsResourceResult>> {
    let resource =
        DescribeConfigsResource { resource_type: RESOURCE_TOPIC, resource_name: name.into(), configuration_keys: None };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let remote = cluster.any()?;
    let Response::DescribeConfigs(told) = remote.call(request)? else { return Err(remote.odd()) };
    let result = told.results.into_iter().next().ok_or_else(|| silent(name))?;
    check(result.error_code, result.error_message.as_deref(), &format!("topic {name}"))?;
    Ok(result.configs)
}

/// Kafka's number of a value that was set for the topic itself.
const SOURCE_TOPIC: i8 = 1;
