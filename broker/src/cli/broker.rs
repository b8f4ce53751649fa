//! `ottla broker`: who is in the cluster, and who is to be forgotten.

use super::cluster::Cluster;
use super::mistake::{Mistake, check};
use super::{Done, Reach, show};
use clap::{Args, Subcommand};
use ottla_core::msg::Response;
use ottla_core::msg::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest};
use ottla_core::msg::unregister_broker::UnregisterBrokerRequest;
use serde_json::json;
use std::collections::BTreeMap;

/// What to do with brokers.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLES)]
pub enum BrokerCommand {
    /// All brokers, what they lead and hold
    List(ListFlags),
    /// Forget a broker that will not come back
    Unregister(UnregisterFlags),
}

/// How to list brokers.
#[derive(Args, Debug)]
pub struct ListFlags {
    #[command(flatten)]
    reach: Reach,
}

/// Which broker to forget.
#[derive(Args, Debug)]
pub struct UnregisterFlags {
    /// Its `node.id`
    #[arg(value_name = "BROKER")]
    id: i32,
    /// Even if it is up or holds replicas. One that is up registers again when it is started anew
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla broker`.
pub fn run(command: BrokerCommand) -> Done<()> {
    match command {
        BrokerCommand::List(flags) => list(&flags),
        BrokerCommand::Unregister(flags) => unregister(&flags),
    }
}

/// How many partitions a broker leads and holds, and of how many of these it lacks something.
#[derive(Clone, Copy, Default)]
struct Share {
    leads: usize,
    holds: usize,
    behind: usize,
}

fn list(flags: &ListFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let (brokers, shares) = (registered(&mut cluster)?, shares(&mut cluster)?);
    let share = |one: &DescribeClusterBroker| shares.get(&one.broker_id).copied().unwrap_or_default();
    let state = |one: &DescribeClusterBroker| if one.is_fenced { "fenced" } else { "up" };
    let rack = |one: &DescribeClusterBroker| one.rack.as_deref().unwrap_or("-").to_owned();
    let address = |one: &DescribeClusterBroker| format!("{}:{}", one.host, one.port);
    if flags.reach.json {
        for one in &brokers {
            let Share { leads, holds, behind } = share(one);
            show::json(&json!({
                "broker": one.broker_id, "address": address(one), "rack": one.rack.as_deref(), "state": state(one),
                "leads": leads, "replicas": holds, "out_of_sync": behind,
            }))?;
        }
        return Ok(());
    }
    let row = |one: &DescribeClusterBroker| {
        let Share { leads, holds, behind } = share(one);
        let counts = [leads, holds, behind].map(|count| count.to_string());
        [one.broker_id.to_string(), address(one), rack(one), state(one).into()].into_iter().chain(counts).collect()
    };
    let header = ["BROKER", "ADDRESS", "RACK", "STATE", "LEADS", "REPLICAS", "OUT OF SYNC"];
    show::line(&show::table(&header, brokers.iter().map(row).collect()))
}

fn unregister(flags: &UnregisterFlags) -> Done<()> {
    let (id, kept) = (flags.id, "it is still registered");
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    if !flags.force {
        let found = registered(&mut cluster)?.into_iter().find(|one| one.broker_id == id);
        let found = found.ok_or_else(|| {
            Mistake::new(format!("there is no broker {id}")).then("`ottla broker list` shows who is registered")
        })?;
        let holds = shares(&mut cluster)?.get(&id).map_or(0, |share| share.holds);
        if holds > 0 {
            let what = format!("broker {id} holds {holds} replicas; {kept}");
            return Err(
                Mistake::new(what).then(format!("`ottla partition move --all --off {id} --execute` moves them"))
            );
        }
        if !found.is_fenced {
            return Err(Mistake::new(format!("broker {id} is up; {kept}")).then("stop it first"));
        }
    }
    let remote = cluster.any()?;
    let request = UnregisterBrokerRequest { broker_id: id };
    let Response::UnregisterBroker(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), &format!("broker {id}"))?;
    if flags.reach.json {
        return show::json(&json!({ "broker": id, "unregistered": true }));
    }
    show::line(&format!("broker {id} is forgotten"))
}

/// Who is registered, whether up or not.
fn registered(cluster: &mut Cluster) -> Done<Vec<DescribeClusterBroker>> {
    let remote = cluster.any()?;
    let request = DescribeClusterRequest { include_fenced_brokers: true, ..Default::default() };
    let Response::DescribeCluster(mut told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), "the cluster")?;
    told.brokers.sort_by_key(|one| one.broker_id);
    Ok(told.brokers)
}

fn shares(cluster: &mut Cluster) -> Done<BTreeMap<i32, Share>> {
    let mut shares: BTreeMap<i32, Share> = BTreeMap::new();
    for one in cluster.metadata(None, false)?.topics.into_iter().flat_map(|topic| topic.partitions) {
        for broker in &one.replica_nodes {
            let share = shares.entry(*broker).or_default();
            share.holds += 1;
            share.leads += usize::from(one.leader_id == *broker);
            share.behind += usize::from(!one.isr_nodes.contains(broker));
        }
    }
    Ok(shares)
}

const EXAMPLES: &str = "\
Examples:
  ottla broker list
  ottla broker unregister 3          once it holds nothing and is stopped";
