//! `ottla partition`: where the replicas of partitions are, and who leads.

mod elect;
mod list;
mod moves;
mod plan;

use super::cluster::{Cluster, TIMEOUT_MS};
use super::mistake::{Mistake, check};
use super::{Done, Reach, show};
use clap::{Args, Subcommand};
use ottla_core::msg::metadata::MetadataResponseTopic;
use std::collections::BTreeSet;

/// What to do with partitions.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLES)]
pub enum PartitionCommand {
    /// Leaders, replicas, who is in sync and who may lead without loss
    List(list::ListFlags),
    /// Put replicas on other brokers
    Move(moves::MoveFlags),
    /// Moves that are under way
    Moves(moves::MovesFlags),
    /// Take moves back that are under way
    Cancel(moves::CancelFlags),
    /// Let the first replica lead again, or, where all who have everything are lost, one that lacks records
    Elect(elect::ElectFlags),
}

/// Which partitions are meant.
#[derive(Args, Debug)]
pub struct Which {
    /// Names of topics
    #[arg(value_name = "TOPIC", required_unless_present = "all", conflicts_with = "all")]
    topics: Vec<String>,
    /// Every topic, the brokers' own ones too
    #[arg(long)]
    all: bool,
    /// Only these partitions of the topic
    #[arg(short, long = "partition", value_name = "N", value_delimiter = ',', conflicts_with = "all")]
    partitions: Vec<i32>,
}

impl Which {
    /// The topics, each with the partitions that are meant.
    fn find(&self, cluster: &mut Cluster) -> Done<Vec<MetadataResponseTopic>> {
        if !self.partitions.is_empty() && self.topics.len() != 1 {
            return Err(Mistake::new("--partition is for one topic").then("name that one alone"));
        }
        let mut topics = match self.all {
            true => cluster.metadata(None, false)?.topics,
            false => {
                let named = self.topics.iter().collect::<BTreeSet<_>>().into_iter();
                named.map(|name| cluster.metadata(Some(&[name]), false)).try_fold(Vec::new(), |mut all, told| {
                    all.extend(told?.topics);
                    Ok::<_, Mistake>(all)
                })?
            }
        };
        for topic in &mut topics {
            let name = topic.name.as_deref().unwrap_or_default();
            check(topic.error_code, None, &format!("topic {name}"))?;
            let is_there = |wanted: &i32| topic.partitions.iter().any(|one| one.partition_index == *wanted);
            if let Some(absent) = self.partitions.iter().find(|wanted| !is_there(wanted)) {
                let what = format!("topic {name} has no partition {absent}");
                return Err(Mistake::new(what).then(format!("`ottla partition list {name}` shows them")));
            }
            let is_meant = |index: i32| self.partitions.is_empty() || self.partitions.contains(&index);
            topic.partitions.retain(|one| is_meant(one.partition_index));
            topic.partitions.sort_by_key(|one| one.partition_index);
        }
        topics.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(topics)
    }
}

/// Runs `ottla partition`.
pub fn run(command: PartitionCommand) -> Done<()> {
    match command {
        PartitionCommand::List(flags) => list::run(&flags),
        PartitionCommand::Move(flags) => moves::run(&flags),
        PartitionCommand::Moves(flags) => moves::list(&flags),
        PartitionCommand::Cancel(flags) => moves::cancel(&flags),
        PartitionCommand::Elect(flags) => elect::run(&flags),
    }
}

/// Brokers, separated by commas; a dash for none.
fn brokers(ids: &[i32]) -> String {
    if ids.is_empty() { "-".into() } else { ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",") }
}

/// `1 partition`, `2 partitions`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

const EXAMPLES: &str = "\
Examples:
  ottla partition list --under-replicated
  ottla partition move --all --off 3                    shows where everything on broker 3 would go
  ottla partition move --all --off 3 --execute --wait
  ottla partition move orders --to 1,2,4 --execute
  ottla partition move orders --partition 0 --replicas 4,2,1 --execute
  ottla partition moves
  ottla partition elect --all";
