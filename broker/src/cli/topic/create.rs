//! `ottla topic create`.

use super::{Cluster, Done, Reach, TIMEOUT_MS, check, setting, show, silent};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use serde_json::json;

/// What to make.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CreateFlags {
    /// Its name: up to 249 letters, digits, dots, dashes and underscores
    topic: String,
    /// Number of partitions; the broker's num.partitions if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Number of replicas; the broker's default.replication.factor if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replicas: Option<i16>,
    /// A setting of the topic by Kafka's name; may be given many times
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// It is no mistake if the topic is there already
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla topic create`.
pub fn run(flags: &CreateFlags) -> Done<()> {
    let config = |(name, value): &(String, String)| CreatableTopicConfig {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
    };
    let topic = CreatableTopic {
        name: flags.topic.as_str().into(),
        num_partitions: flags.partitions.unwrap_or(-1),
        replication_factor: flags.replicas.unwrap_or(-1),
        configs: flags.configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let remote = cluster.any()?;
    let Response::CreateTopics(told) = remote.call(request)? else { return Err(remote.odd()) };
    let made = told.topics.into_iter().next().ok_or_else(|| silent(&flags.topic))?;
    let checked = check(made.error_code, made.error_message.as_deref(), &format!("topic {}", flags.topic));
    let is_old = made.error_code == ottla_core::types::ErrorCode::TopicAlreadyExists.code();
    if is_old && flags.if_not_exists {
        return if flags.reach.json {
            show::json(&json!({ "topic": flags.topic, "created": false }))
        } else {
            show::line(&format!("{} is there already", flags.topic))
        };
    }
    checked?;
    let (partitions, replicas) = (made.num_partitions, made.replication_factor);
    if flags.reach.json {
        let id = made.topic_id.to_string();
        let (topic, created) = (&flags.topic, true);
        return show::json(&json!({
            "topic": topic, "created": created, "id": id, "partitions": partitions, "replicas": replicas,
        }));
    }
    show::line(&format!("{} is made: partitions {partitions}, replicas {replicas}", flags.topic))
}

const EXAMPLES: &str = "\
Examples:
  ottla topic create orders                                  as many partitions as num.partitions says
  ottla topic create orders --partitions 6 --replicas 3
  ottla topic create sessions --config retention.ms=3600000  records are kept for an hour";
