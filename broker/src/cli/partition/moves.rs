//! `ottla partition move`, `moves` and `cancel`.

use super::plan::{Placed, Targets, spread};
use super::{Cluster, Done, Mistake, Reach, TIMEOUT_MS, Which, brokers, check, count, show};
use crate::cli::interrupt;
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use ottla_core::msg::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_core::types::ErrorCode;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What to move, and where to.
#[derive(Args, Debug)]
pub struct MoveFlags {
    #[command(flatten)]
    which: Which,
    /// The brokers that are to hold these partitions, all of them evenly; those that are up if not given
    #[arg(long, value_name = "BROKER", value_delimiter = ',')]
    to: Vec<i32>,
    /// Brokers that are to hold none of them
    #[arg(long, value_name = "BROKER", value_delimiter = ',')]
    off: Vec<i32>,
    /// How many replicas each is to have; as many as it has if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    factor: Option<u16>,
    /// Exactly these brokers for each of the partitions, the first is to lead
    #[arg(long, value_name = "BROKER", value_delimiter = ',', conflicts_with_all = ["to", "off", "factor"])]
    replicas: Vec<i32>,
    /// Do it. Without it is only shown what would be done
    #[arg(long)]
    execute: bool,
    /// Return when all of it is done
    #[arg(long, requires = "execute")]
    wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Which moves to list.
#[derive(Args, Debug)]
pub struct MovesFlags {
    #[command(flatten)]
    reach: Reach,
}

/// Which moves to take back.
#[derive(Args, Debug)]
pub struct CancelFlags {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla partition move`.
pub fn run(flags: &MoveFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let now = placed(&mut cluster, &flags.which)?;
    let then = target(&mut cluster, flags, &now)?;
    let changed: Vec<(Placed, Placed)> = now.into_iter().zip(then).filter(|(now, then)| now != then).collect();
    tell(flags, &changed)?;
    if changed.is_empty() || !flags.execute {
        return Ok(());
    }
    ask(&mut cluster, changed.iter().map(|(_, then)| (then.clone(), true)))?;
    if !flags.reach.json {
        show::line(&format!("{}; `ottla partition moves` shows what is left", extent(&changed)))?;
    }
    let meant: BTreeSet<(String, i32)> = changed.into_iter().map(|(_, then)| (then.topic, then.index)).collect();
    if !flags.wait {
        return Ok(());
    }
    interrupt::watch()?;
    wait(&mut cluster, &meant)
}

/// The partitions as they are. Of one that is being moved, what it is being moved to counts.
fn placed(cluster: &mut Cluster, which: &Which) -> Done<Vec<Placed>> {
    let topics = which.find(cluster)?;
    let mut placed = Vec::new();
    let mut leaving: BTreeMap<(String, i32), Vec<i32>> = BTreeMap::new();
    for topic in ongoing(cluster)? {
        let removed = topic
            .partitions
            .into_iter()
            .map(|one| ((topic.name.to_string(), one.partition_index), one.removing_replicas));
        leaving.extend(removed);
    }
    for topic in topics {
        let name = topic.name.as_deref().unwrap_or_default();
        for one in topic.partitions {
            let gone = leaving.get(&(name.to_owned(), one.partition_index));
            let stays = |broker: &i32| gone.is_none_or(|gone| !gone.contains(broker));
            let replicas = one.replica_nodes.into_iter().filter(stays).collect();
            placed.push(Placed { topic: name.to_owned(), index: one.partition_index, replicas });
        }
    }
    Ok(placed)
}

/// Where they are to be.
fn target(cluster: &mut Cluster, flags: &MoveFlags, now: &[Placed]) -> Done<Vec<Placed>> {
    if !flags.replicas.is_empty() {
        let exactly = |one: &Placed| Placed { replicas: flags.replicas.clone(), ..one.clone() };
        return Ok(now.iter().map(exactly).collect());
    }
    let up = cluster.metadata(Some(&[]), false)?.brokers;
    let up: Targets = up.into_iter().map(|one| (one.node_id, one.rack.map(|rack| rack.to_string()))).collect();
    if let Some(absent) = flags.to.iter().find(|broker| !up.contains_key(broker)) {
        let what = format!("broker {absent} is not up");
        return Err(Mistake::new(what).then("`ottla broker list` shows who is"));
    }
    let is_wanted = |broker: &i32| (flags.to.is_empty() || flags.to.contains(broker)) && !flags.off.contains(broker);
    let targets: Targets = up.into_iter().filter(|(broker, _)| is_wanted(broker)).collect();
    spread(now, &targets, flags.factor.map(usize::from)).map_err(|what| Mistake::new(what).then("nothing was moved"))
}

fn tell(flags: &MoveFlags, changed: &[(Placed, Placed)]) -> Done<()> {
    if flags.reach.json {
        for (now, then) in changed {
            show::json(&json!({
                "topic": now.topic, "partition": now.index, "replicas": now.replicas, "target": then.replicas,
                "executed": flags.execute,
            }))?;
        }
        return Ok(());
    }
    if changed.is_empty() {
        return show::line("everything is where it should be");
    }
    let row = |(now, then): &(Placed, Placed)| {
        vec![format!("{}-{}", now.topic, now.index), brokers(&now.replicas), brokers(&then.replicas)]
    };
    show::line(&show::table(&["PARTITION", "REPLICAS", "TARGET"], changed.iter().map(row).collect()))?;
    if flags.execute {
        return Ok(());
    }
    show::line(&format!("{}; nothing was moved, --execute does it", extent(changed)))
}

/// How much is to be done.
fn extent(changed: &[(Placed, Placed)]) -> String {
    let copied = changed.iter().flat_map(|(now, then)| then.replicas.iter().filter(|one| !now.replicas.contains(one)));
    format!("{}, {} to copy", count(changed.len(), "partition"), count(copied.count(), "replica"))
}

/// Asks for these replicas, or for an end of the move where the flag is false.
fn ask(cluster: &mut Cluster, wanted: impl Iterator<Item = (Placed, bool)>) -> Done<()> {
    let mut topics: BTreeMap<String, Vec<ReassignablePartition>> = BTreeMap::new();
    for (one, is_move) in wanted {
        let replicas = is_move.then_some(one.replicas);
        topics.entry(one.topic).or_default().push(ReassignablePartition { partition_index: one.index, replicas });
    }
    let topics =
        topics.into_iter().map(|(name, partitions)| ReassignableTopic { name: name.as_str().into(), partitions });
    let request =
        AlterPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics: topics.collect(), ..Default::default() };
    let remote = cluster.any()?;
    let Response::AlterPartitionReassignments(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), "the move")?;
    let mut refused = Vec::new();
    for topic in told.responses {
        for one in topic.partitions {
            let name = format!("{}-{}", topic.name, one.partition_index);
            refused.extend(
                check(one.error_code, one.error_message.as_deref(), &name).err().map(|mistake| mistake.to_string()),
            );
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Mistake::all(refused)) }
}

/// Waits until none of these is being moved any more. Ctrl-C ends the wait, not the move.
fn wait(cluster: &mut Cluster, meant: &BTreeSet<(String, i32)>) -> Done<()> {
    loop {
        let under_way = cluster.patiently(ongoing)?;
        let is_meant = |topic: &OngoingTopicReassignment, one: &OngoingPartitionReassignment| {
            meant.contains(&(topic.name.to_string(), one.partition_index))
        };
        let left =
            under_way.iter().flat_map(|topic| topic.partitions.iter().filter(|one| is_meant(topic, one))).count();
        if left == 0 {
            eprintln!("all are moved");
            return Ok(());
        }
        if interrupt::is_asked() {
            return Err(Mistake::interrupted().then("the moves go on; `ottla partition cancel` ends them"));
        }
        eprintln!("{} of {} to go", left, meant.len());
        std::thread::sleep(PAUSE);
    }
}

fn ongoing(cluster: &mut Cluster) -> Done<Vec<OngoingTopicReassignment>> {
    let request = ListPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics: None };
    let remote = cluster.any()?;
    let Response::ListPartitionReassignments(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), "the moves")?;
    Ok(told.topics)
}

/// Runs `ottla partition moves`.
pub fn list(flags: &MovesFlags) -> Done<()> {
    let topics = ongoing(&mut Cluster::connect(&flags.reach.bootstrap_server)?)?;
    let mut rows = Vec::new();
    for topic in &topics {
        for one in &topic.partitions {
            let (replicas, adding, removing) = (&one.replicas, &one.adding_replicas, &one.removing_replicas);
            if flags.reach.json {
                let (topic, partition) = (topic.name.as_str(), one.partition_index);
                show::json(&json!({
                    "topic": topic, "partition": partition, "replicas": replicas, "adding": adding, "removing": removing,
                }))?;
            }
            let name = format!("{}-{}", topic.name, one.partition_index);
            rows.push(vec![name, brokers(replicas), brokers(adding), brokers(removing)]);
        }
    }
    match rows.is_empty() {
        _ if flags.reach.json => Ok(()),
        true => show::line("nothing is being moved"),
        false => show::line(&show::table(&["PARTITION", "REPLICAS", "ADDING", "REMOVING"], rows)),
    }
}

/// Runs `ottla partition cancel`.
pub fn cancel(flags: &CancelFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let meant = placed(&mut cluster, &flags.which)?;
    let meant: BTreeSet<_> = meant.into_iter().map(|one| (one.topic, one.index)).collect();
    let mut moving = Vec::new();
    for topic in ongoing(&mut cluster)? {
        let here = topic.partitions.into_iter().map(|one| (topic.name.to_string(), one.partition_index));
        moving.extend(here.filter(|one| meant.contains(one)));
    }
    let ended = moving.len();
    if ended > 0 {
        let of = |(topic, index)| (Placed { topic, index, replicas: Vec::new() }, false);
        match ask(&mut cluster, moving.into_iter().map(of)) {
            Err(mistake) if mistake.code() == Some(ErrorCode::NoReassignmentInProgress) => {}
            asked => asked?,
        }
    }
    if flags.reach.json {
        return show::json(&json!({ "cancelled": ended }));
    }
    show::line(&match ended {
        0 => "none of these is being moved".to_owned(),
        ended => format!("{} back to where it was before", count(ended, "move")),
    })
}

const PAUSE: Duration = Duration::from_secs(1);
