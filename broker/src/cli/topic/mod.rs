//! `ottla topic`.

mod alter;
mod create;
mod describe;

use super::cluster::{Cluster, TIMEOUT_MS};
use super::mistake::{Mistake, check};
use super::{Done, Reach, show};
use clap::{Args, Subcommand};
use ottla_core::msg::Response;
use ottla_core::msg::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use ottla_core::msg::metadata::MetadataResponseTopic;
use serde_json::json;

/// What to do with topics.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLES)]
pub enum TopicCommand {
    /// All topics
    List(ListFlags),
    /// Make a topic
    Create(create::CreateFlags),
    /// Partitions, offsets and settings of a topic
    Describe(describe::DescribeFlags),
    /// Change the settings of a topic, or give it more partitions
    Alter(alter::AlterFlags),
    /// Remove topics and all their records
    Delete(DeleteFlags),
}

/// Which topics to list.
#[derive(Args, Debug)]
pub struct ListFlags {
    /// The broker's own topics too
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Which topics to remove.
#[derive(Args, Debug)]
pub struct DeleteFlags {
    /// Their names
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Even the broker's own topics: without __consumer_offsets every group begins anew
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla topic`.
pub fn run(command: TopicCommand) -> Done<()> {
    match command {
        TopicCommand::List(flags) => list(&flags),
        TopicCommand::Create(flags) => create::run(&flags),
        TopicCommand::Describe(flags) => describe::run(&flags),
        TopicCommand::Alter(flags) => alter::run(&flags),
        TopicCommand::Delete(flags) => delete(&flags),
    }
}

fn list(flags: &ListFlags) -> Done<()> {
    let mut topics = Cluster::connect(&flags.reach.bootstrap_server)?.metadata(None, false)?.topics;
    topics.retain(|topic| flags.internal || !topic.is_internal);
    topics.sort_by(|one, two| one.name.cmp(&two.name));
    let name = |topic: &MetadataResponseTopic| topic.name.as_deref().unwrap_or_default().to_owned();
    let replicas = |topic: &MetadataResponseTopic| topic.partitions.first().map_or(0, |one| one.replica_nodes.len());
    if flags.reach.json {
        for topic in &topics {
            show::json(&json!({
                "topic": name(topic), "id": topic.topic_id.to_string(), "internal": topic.is_internal,
                "partitions": topic.partitions.len(), "replicas": replicas(topic),
            }))?;
        }
        return Ok(());
    }
    if topics.is_empty() {
        return show::line("no topics yet; `ottla topic create NAME` makes one");
    }
    let row = |topic| vec![name(topic), topic.partitions.len().to_string(), replicas(topic).to_string()];
    show::line(&show::table(&["TOPIC", "PARTITIONS", "REPLICAS"], topics.iter().map(row).collect()))
}

fn delete(flags: &DeleteFlags) -> Done<()> {
    let named = |name: &String| DeleteTopicState { name: Some(name.as_str().into()), ..Default::default() };
    let request = DeleteTopicsRequest {
        topics: flags.topics.iter().map(named).collect(),
        topic_names: flags.topics.iter().map(|name| name.as_str().into()).collect(),
        timeout_ms: TIMEOUT_MS,
    };
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    if !flags.force {
        keep_internal(&mut cluster, &flags.topics)?;
    }
    let remote = cluster.any()?;
    let Response::DeleteTopics(told) = remote.call(request)? else { return Err(remote.odd()) };
    let mut failed = None;
    for topic in told.responses {
        let name = topic.name.as_deref().unwrap_or_default();
        match check(topic.error_code, topic.error_message.as_deref(), &format!("topic {name}")) {
            Ok(()) if flags.reach.json => show::json(&json!({ "topic": name, "deleted": true }))?,
            Ok(()) => show::line(&format!("{name} is deleted"))?,
            Err(mistake) => failed = Some(mistake),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Brokers delete their own topics like any other, so the question is ours.
fn keep_internal(cluster: &mut Cluster, names: &[String]) -> Done<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let topics = cluster.metadata(Some(&names), false)?.topics;
    let Some(name) = topics.into_iter().find(|topic| topic.is_internal).and_then(|topic| topic.name) else {
        return Ok(());
    };
    let what = match name.as_str() {
        "__consumer_offsets" => "it holds the offsets that all groups committed",
        "__transaction_state" => "it holds what is known of all transactions",
        _ => "it is the broker's own",
    };
    Err(Mistake::new(format!("topic {name}: {what}; nothing was deleted")).then("--force deletes it all the same"))
}

/// `KEY=VALUE` in two.
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as retention.ms=60000")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// What a broker that answers nothing about a topic is told.
fn silent(name: &str) -> Mistake {
    Mistake::new(format!("topic {name}: the broker says nothing about it"))
}

/// Kafka's number of a topic among the things that have settings.
const RESOURCE_TOPIC: i8 = 2;

const EXAMPLES: &str = "\
Examples:
  ottla topic create orders --partitions 6
  ottla topic create audit --config retention.ms=-1 --config max.message.bytes=4194304
  ottla topic list
  ottla topic describe orders
  ottla topic alter orders --set retention.ms=86400000 --partitions 12
  ottla topic delete orders audit";
