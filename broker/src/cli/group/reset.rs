//! `ottla group reset-offsets`.

use super::describe::described;
use super::{committed, shown};
use crate::cli::cluster::Cluster;
use crate::cli::consume::From;
use crate::cli::mistake::{Mistake, check};
use crate::cli::{Done, Reach, show};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_core::types::Str;
use serde_json::json;
use std::collections::BTreeMap;

/// What to move, and where.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ResetFlags {
    /// Its name
    group: String,
    /// The topic
    #[arg(short, long, value_name = "TOPIC")]
    topic: String,
    /// Only this partition; may be given many times
    #[arg(short, long = "partition", value_name = "N")]
    partitions: Vec<i32>,
    /// Where to: beginning, end, an offset, -N for N before the end, a time such as 2026-11-21T10:15:00Z, or
    /// @MILLISECONDS since 1970
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true, value_parser = From::parse)]
    to: From,
    /// Do it; without this flag only what would change is shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla group reset-offsets`.
pub fn run(flags: &ResetFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let coordinator = cluster.coordinator(&flags.group)?;
    let group = cluster.patiently(|cluster| described(cluster, coordinator, &flags.group))?;
    if !group.members.is_empty() {
        let what = format!("group {} has members, which would overwrite what is set", flags.group);
        return Err(Mistake::new(what).then("stop its consumers first; `ottla group describe GROUP` shows them"));
    }
    let mut topic = cluster.topic(&flags.topic, false)?;
    if !flags.partitions.is_empty() {
        topic.partitions.retain(|partition| flags.partitions.contains(&partition.partition_index));
    }
    if topic.partitions.is_empty() {
        return Err(Mistake::new(format!("topic {} has none of these partitions", flags.topic)));
    }
    let targets = cluster.patiently(|cluster| flags.to.offsets(cluster, &topic))?;
    let before = cluster.patiently(|cluster| committed(cluster, coordinator, &flags.group))?;
    if flags.execute {
        cluster.patiently(|cluster| commit(cluster, coordinator, flags, &targets))?;
    }
    print(flags, &targets, &before)
}

/// A commit by nobody: the coordinator takes it as long as the group has no members.
fn commit(cluster: &mut Cluster, coordinator: i32, flags: &ResetFlags, targets: &BTreeMap<i32, i64>) -> Done<()> {
    let partition = |(index, offset): (&i32, &i64)| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: *offset,
        committed_metadata: Some(Str::new()),
        ..Default::default()
    };
    let partitions = targets.iter().map(partition).collect();
    let topic = OffsetCommitRequestTopic { name: flags.topic.as_str().into(), partitions, ..Default::default() };
    let request =
        OffsetCommitRequest { group_id: flags.group.as_str().into(), topics: vec![topic], ..Default::default() };
    let remote = cluster.broker(coordinator)?;
    let Response::OffsetCommit(told) = remote.call(request)? else { return Err(remote.odd()) };
    for one in told.topics.into_iter().flat_map(|topic| topic.partitions) {
        check(one.error_code, None, &format!("group {}: {}-{}", flags.group, flags.topic, one.partition_index))?;
    }
    Ok(())
}

fn print(flags: &ResetFlags, targets: &BTreeMap<i32, i64>, before: &BTreeMap<(String, i32), i64>) -> Done<()> {
    let old = |index: &i32| before.get(&(flags.topic.clone(), *index)).copied().unwrap_or(-1);
    if flags.reach.json {
        for (index, target) in targets {
            let old = Some(old(index)).filter(|offset| *offset >= 0);
            show::json(&json!({
                "group": flags.group, "topic": flags.topic, "partition": index, "before": old, "after": target,
                "executed": flags.execute,
            }))?;
        }
        return Ok(());
    }
    let row = |(index, target): (&i32, &i64)| {
        vec![flags.topic.clone(), index.to_string(), shown(old(index)), target.to_string()]
    };
    show::line(&show::table(&["TOPIC", "PARTITION", "BEFORE", "AFTER"], targets.iter().map(row).collect()))?;
    if flags.execute { Ok(()) } else { show::line("nothing is changed; add --execute to do it") }
}

const EXAMPLES: &str = "\
Examples:
  ottla group reset-offsets billing --topic orders --to beginning              what would change
  ottla group reset-offsets billing --topic orders --to beginning --execute    read everything again
  ottla group reset-offsets billing --topic orders --to end --execute          skip what is there
  ottla group reset-offsets billing --topic orders --partition 3 --to 1700 --execute
  ottla group reset-offsets billing --topic orders --to 2026-11-21T10:15:00Z --execute";
