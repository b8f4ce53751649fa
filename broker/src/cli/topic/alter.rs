//! `ottla topic alter`.

use super::{Cluster, Done, RESOURCE_TOPIC, Reach, TIMEOUT_MS, check, setting, show, silent};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_core::msg::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use serde_json::json;

/// What to change.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[group(required = true, multiple = true, id = "changes", args = ["settings", "unset", "partitions"])]
pub struct AlterFlags {
    /// Its name
    topic: String,
    /// A setting by Kafka's name and its new value; may be given many times
    #[arg(short, long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// A setting that is to have the broker's default again; may be given many times
    #[arg(short, long, value_name = "KEY")]
    unset: Vec<String>,
    /// The new number of partitions, which can only grow. Keys then belong to other partitions than before
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla topic alter`.
pub fn run(flags: &AlterFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let has_settings = !flags.settings.is_empty() || !flags.unset.is_empty();
    // These are two requests, and no broker makes one of them undone: whatever can be refused is asked about first.
    if has_settings && flags.partitions.is_some() {
        set(&mut cluster, flags, true).map_err(|mistake| mistake.then("nothing was changed"))?;
    }
    if let Some(count) = flags.partitions {
        let grown = grow(&mut cluster, &flags.topic, count);
        grown.map_err(|mistake| if has_settings { mistake.then("nothing was changed") } else { mistake })?;
    }
    if has_settings {
        set(&mut cluster, flags, false).map_err(|mistake| match flags.partitions {
            Some(count) => mistake.then(format!("it has {count} partitions now, its settings are as they were")),
            None => mistake,
        })?;
    }
    if flags.reach.json {
        show::json(&json!({ "topic": flags.topic, "altered": true }))
    } else {
        show::line(&format!("{} is altered", flags.topic))
    }
}

/// With `validate_only` the broker only says whether it would.
fn set(cluster: &mut Cluster, flags: &AlterFlags, validate_only: bool) -> Done<()> {
    let set = flags.settings.iter().map(|(name, value)| AlterableConfig {
        name: name.as_str().into(),
        config_operation: OPERATION_SET,
        value: Some(value.as_str().into()),
    });
    let unset = flags.unset.iter().map(|name| AlterableConfig {
        name: name.as_str().into(),
        config_operation: OPERATION_DELETE,
        value: None,
    });
    let resource = AlterConfigsResource {
        resource_type: RESOURCE_TOPIC,
        resource_name: flags.topic.as_str().into(),
        configs: set.chain(unset).collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only };
    let remote = cluster.any()?;
    let Response::IncrementalAlterConfigs(told) = remote.call(request)? else { return Err(remote.odd()) };
    let told = told.responses.into_iter().next().ok_or_else(|| silent(&flags.topic))?;
    check(told.error_code, told.error_message.as_deref(), &format!("topic {}", flags.topic))
}

fn grow(cluster: &mut Cluster, topic: &str, count: i32) -> Done<()> {
    let topics = vec![CreatePartitionsTopic { name: topic.into(), count, assignments: None }];
    let request = CreatePartitionsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
    let remote = cluster.any()?;
    let Response::CreatePartitions(told) = remote.call(request)? else { return Err(remote.odd()) };
    let told = told.results.into_iter().next().ok_or_else(|| silent(topic))?;
    check(told.error_code, told.error_message.as_deref(), &format!("topic {topic}"))
}

/// Kafka's numbers of what can be done to a setting.
const OPERATION_SET: i8 = 0;
const OPERATION_DELETE: i8 = 1;

const EXAMPLES: &str = "\
Examples:
  ottla topic alter orders --set retention.ms=86400000 --set max.message.bytes=4194304
  ottla topic alter orders --unset retention.ms
  ottla topic alter orders --partitions 12";
