//! `ottla partition elect`.

use super::{Cluster, Done, Mistake, Reach, TIMEOUT_MS, Which, check, count, show};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use ottla_core::types::ErrorCode;
use serde_json::json;

/// Where to elect.
#[derive(Args, Debug)]
pub struct ElectFlags {
    #[command(flatten)]
    which: Which,
    /// Where nobody leads, let a replica lead that may lack acknowledged records. They are lost then
    #[arg(long, conflicts_with = "all")]
    unclean: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla partition elect`.
pub fn run(flags: &ElectFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let topics = flags.which.find(&mut cluster)?;
    let named = topics.iter().map(|topic| TopicPartitions {
        topic: topic.name.clone().unwrap_or_default(),
        partitions: topic.partitions.iter().map(|one| one.partition_index).collect(),
    });
    let request = ElectLeadersRequest {
        election_type: if flags.unclean { UNCLEAN } else { PREFERRED },
        topic_partitions: Some(named.collect()),
        timeout_ms: TIMEOUT_MS,
    };
    let remote = cluster.any()?;
    let Response::ElectLeaders(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, None, "the election")?;
    let (mut elected, mut kept, mut refused) = (0, 0, Vec::new());
    for result in told.replica_election_results {
        for one in result.partition_result {
            let name = format!("{}-{}", result.topic, one.partition_id);
            let checked = check(one.error_code, one.error_message.as_deref(), &name);
            let is_kept = one.error_code == ErrorCode::ElectionNotNeeded.code();
            if flags.reach.json {
                let is_elected = checked.is_ok();
                show::json(
                    &json!({ "topic": result.topic.as_str(), "partition": one.partition_id, "elected": is_elected }),
                )?;
            }
            match checked {
                Ok(()) => elected += 1,
                Err(_) if is_kept => kept += 1,
                Err(mistake) => refused.push(mistake.to_string()),
            }
        }
    }
    if !flags.reach.json {
        let kept = if kept == 0 { String::new() } else { format!("; {} needed none", count(kept, "partition")) };
        show::line(&format!("{} got another leader{kept}", count(elected, "partition")))?;
    }
    if refused.is_empty() { Ok(()) } else { Err(Mistake::all(refused)) }
}

/// Kafka's numbers of the two kinds of elections.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;
