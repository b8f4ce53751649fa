//! `ottla partition list`.

use super::{Cluster, Done, Mistake, Reach, brokers, check, show};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponsePartition as Partition, TopicRequest,
};
use serde_json::json;

/// Which partitions to list.
#[derive(Args, Debug)]
pub struct ListFlags {
    /// Names of topics; all of them if none is given
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only those that lack an in-sync replica
    #[arg(long)]
    under_replicated: bool,
    /// Only those that nobody leads
    #[arg(long)]
    unavailable: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla partition list`.
pub fn run(flags: &ListFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let mut partitions = describe(&mut cluster, &flags.topics)?;
    let lacks = |one: &Partition| one.isr_nodes.len() < one.replica_nodes.len();
    partitions.retain(|(_, one)| !flags.under_replicated || lacks(one));
    partitions.retain(|(_, one)| !flags.unavailable || one.leader_id < 0);
    let eligible = |one: &Partition| one.eligible_leader_replicas.clone().unwrap_or_default();
    if flags.reach.json {
        for (topic, one) in &partitions {
            show::json(&json!({
                "topic": topic, "partition": one.partition_index, "leader": one.leader_id, "epoch": one.leader_epoch,
                "replicas": one.replica_nodes, "isr": one.isr_nodes, "elr": eligible(one), "offline": one.offline_replicas,
            }))?;
        }
        return Ok(());
    }
    if partitions.is_empty() {
        return show::line("no such partitions");
    }
    let row = |(topic, one): &(String, Partition)| {
        vec![
            format!("{topic}-{}", one.partition_index),
            if one.leader_id < 0 { "none".into() } else { one.leader_id.to_string() },
            brokers(&one.replica_nodes),
            brokers(&one.isr_nodes),
            brokers(&eligible(one)),
            brokers(&one.offline_replicas),
        ]
    };
    let header = ["PARTITION", "LEADER", "REPLICAS", "ISR", "ELR", "OFFLINE"];
    show::line(&show::table(&header, partitions.iter().map(row).collect()))
}

/// All partitions of these topics, or of all; the broker tells them in portions.
fn describe(cluster: &mut Cluster, topics: &[String]) -> Done<Vec<(String, Partition)>> {
    let remote = cluster.any()?;
    let (mut partitions, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let request = DescribeTopicPartitionsRequest {
            topics: topics.iter().map(|name| TopicRequest { name: name.as_str().into() }).collect(),
            cursor: cursor.clone(),
            ..Default::default()
        };
        let Response::DescribeTopicPartitions(told) = remote.call(request)? else { return Err(remote.odd()) };
        for topic in told.topics {
            let name = topic.name.as_deref().unwrap_or_default().to_owned();
            check(topic.error_code, None, &format!("topic {name}"))?;
            partitions.extend(topic.partitions.into_iter().map(|one| (name.clone(), one)));
        }
        match told.next_cursor {
            None => return Ok(partitions),
            next if next == cursor => return Err(Mistake::new("the broker tells the same partitions again and again")),
            next => cursor = next,
        }
    }
}
