//! `ottla quorum`: the controllers, which vote on the metadata.

use super::cluster::{Cluster, TIMEOUT_MS};
use super::mistake::{Mistake, check};
use super::{Done, Reach, show, units};
use clap::{Args, Subcommand};
use ottla_core::msg::Response;
use ottla_core::msg::add_raft_voter::{AddRaftVoterRequest, Listener};
use ottla_core::msg::describe_quorum::{
    DescribeQuorumRequest, Node, PartitionData, ReplicaState, RequestPartitionData, RequestTopicData,
};
use ottla_core::msg::remove_raft_voter::RemoveRaftVoterRequest;
use ottla_core::types::Uuid;
use serde_json::json;

/// What to do with the quorum.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLES)]
pub enum QuorumCommand {
    /// Who leads, who votes, who follows, and how far each is
    Describe(DescribeFlags),
    /// Let a controller vote that follows already
    Add(AddFlags),
    /// Let a controller vote no more
    Remove(RemoveFlags),
}

/// How to describe the quorum.
#[derive(Args, Debug)]
pub struct DescribeFlags {
    #[command(flatten)]
    reach: Reach,
}

/// Who is to vote.
#[derive(Args, Debug)]
pub struct AddFlags {
    /// Its `node.id`
    #[arg(value_name = "NODE")]
    node: i32,
    /// Where the other controllers reach it: the name of its controller listener and an address
    #[arg(long, value_name = "NAME://HOST:PORT", value_parser = listener)]
    listener: Listener,
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    reach: Reach,
}

/// Who is to vote no more.
#[derive(Args, Debug)]
pub struct RemoveFlags {
    /// Its `node.id`
    #[arg(value_name = "NODE")]
    node: i32,
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    reach: Reach,
}

/// Which of the directories of a node is meant, if there are several.
#[derive(Args, Debug)]
struct Directory {
    /// Its directory's id, if `describe` shows several of this node
    #[arg(long = "directory-id", value_name = "ID", value_parser = directory_id)]
    id: Option<Uuid>,
}

/// Runs `ottla quorum`.
pub fn run(command: QuorumCommand) -> Done<()> {
    match command {
        QuorumCommand::Describe(flags) => describe(&flags),
        QuorumCommand::Add(flags) => add(&flags),
        QuorumCommand::Remove(flags) => remove(&flags),
    }
}

fn describe(flags: &DescribeFlags) -> Done<()> {
    let (quorum, nodes) = ask(&mut Cluster::connect(&flags.reach.bootstrap_server)?)?;
    let members = quorum.current_voters.iter().map(|one| (one, "voter"));
    let members: Vec<_> = members.chain(quorum.observers.iter().map(|one| (one, "observer"))).collect();
    let role =
        |one: &ReplicaState, role: &'static str| if one.replica_id == quorum.leader_id { "leader" } else { role };
    let end =
        members.iter().find(|(one, _)| one.replica_id == quorum.leader_id).map_or(-1, |(one, _)| one.log_end_offset);
    let lag = |one: &ReplicaState| (one.log_end_offset >= 0).then(|| (end - one.log_end_offset).max(0));
    // Voters that stand in the settings are known without their directories.
    let directory =
        |one: &ReplicaState| Some(one.replica_directory_id).filter(|id| !id.is_zero()).map(|id| id.to_string());
    let address = |one: &ReplicaState| {
        let listener = nodes.iter().find(|node| node.node_id == one.replica_id)?.listeners.first()?;
        Some(format!("{}://{}:{}", listener.name, listener.host, listener.port))
    };
    if flags.reach.json {
        for (one, named) in &members {
            show::json(&json!({
                "node": one.replica_id, "role": role(one, named), "directory": directory(one),
                "end": one.log_end_offset, "lag": lag(one), "caught_up": units::date(one.last_caught_up_timestamp),
                "address": address(one), "term": quorum.leader_epoch, "committed": quorum.high_watermark,
            }))?;
        }
        return Ok(());
    }
    let (leader, term, committed) = (quorum.leader_id, quorum.leader_epoch, quorum.high_watermark);
    show::line(&format!("controller {leader}  term {term}  committed up to {committed}"))?;
    let row = |(one, named): &(&ReplicaState, &'static str)| {
        vec![
            one.replica_id.to_string(),
            role(one, named).to_owned(),
            directory(one).unwrap_or_else(|| "-".into()),
            one.log_end_offset.to_string(),
            lag(one).map_or_else(|| "-".into(), |lag| lag.to_string()),
            units::date(one.last_caught_up_timestamp),
            address(one).unwrap_or_else(|| "-".into()),
        ]
    };
    let header = ["NODE", "ROLE", "DIRECTORY", "END", "LAG", "CAUGHT UP", "ADDRESS"];
    show::line(&show::table(&header, members.iter().map(row).collect()))
}

fn add(flags: &AddFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let (quorum, _) = ask(&mut cluster)?;
    let directory = flags.directory.of(flags.node, &quorum.observers, "follows the metadata without a vote")?;
    let request = AddRaftVoterRequest {
        cluster_id: None,
        timeout_ms: TIMEOUT_MS,
        voter_id: flags.node,
        voter_directory_id: directory,
        listeners: vec![flags.listener.clone()],
        ..Default::default()
    };
    let remote = cluster.any()?;
    let Response::AddRaftVoter(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), &format!("node {}", flags.node))?;
    tell(&flags.reach, flags.node, directory, true)
}

fn remove(flags: &RemoveFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let (quorum, _) = ask(&mut cluster)?;
    let directory = flags.directory.of(flags.node, &quorum.current_voters, "votes")?;
    let request = RemoveRaftVoterRequest { cluster_id: None, voter_id: flags.node, voter_directory_id: directory };
    let remote = cluster.any()?;
    let Response::RemoveRaftVoter(told) = remote.call(request)? else { return Err(remote.odd()) };
    check(told.error_code, told.error_message.as_deref(), &format!("node {}", flags.node))?;
    tell(&flags.reach, flags.node, directory, false)
}

fn tell(reach: &Reach, id: i32, directory: Uuid, votes: bool) -> Done<()> {
    if reach.json {
        return show::json(&json!({ "node": id, "directory": directory.to_string(), "votes": votes }));
    }
    let how = if votes { "votes" } else { "votes no more" };
    show::line(&format!("node {id} with directory {directory} {how}"))
}

impl Directory {
    /// The id of the directory that is meant, of those that this node has here.
    fn of(&self, node: i32, members: &[ReplicaState], does: &str) -> Done<Uuid> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let found: Vec<Uuid> =
            members.iter().filter(|one| one.replica_id == node).map(|one| one.replica_directory_id).collect();
        match found[..] {
            [id] => Ok(id),
            [] => {
                let what = format!("no node {node} {does}");
                Err(Mistake::new(what).then("`ottla quorum describe` shows who does what; is it started?"))
            }
            _ => {
                let ids: Vec<String> = found.iter().map(Uuid::to_string).collect();
                let what = format!("node {node} is there with several directories: {}", ids.join(", "));
                Err(Mistake::new(what).then("name one with --directory-id"))
            }
        }
    }
}

/// The quorum, as whoever leads it sees it.
fn ask(cluster: &mut Cluster) -> Done<(PartitionData, Vec<Node>)> {
    cluster.patiently(|cluster| {
        let remote = cluster.any()?;
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topic = RequestTopicData { topic_name: METADATA.into(), partitions };
        let told = remote.call(DescribeQuorumRequest { topics: vec![topic] })?;
        let Response::DescribeQuorum(told) = told else { return Err(remote.odd()) };
        check(told.error_code, told.error_message.as_deref(), "the quorum")?;
        let partition = told.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let partition = partition.ok_or_else(|| remote.odd())?;
        check(partition.error_code, partition.error_message.as_deref(), "the quorum")?;
        Ok((partition, told.nodes))
    })
}

/// `CONTROLLER://four.example:9093`.
fn listener(text: &str) -> Result<Listener, String> {
    let expected = || "expected NAME://HOST:PORT, such as CONTROLLER://four.example:9093".to_owned();
    let (name, address) = text.split_once("://").ok_or_else(expected)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(expected)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() || host.is_empty() {
        return Err(expected());
    }
    Ok(Listener { name: name.into(), host: host.into(), port })
}

fn directory_id(text: &str) -> Result<Uuid, String> {
    Uuid::parse(text).ok_or_else(|| "expected the 22 characters that `ottla quorum describe` shows".into())
}

/// The topic that the metadata are.
const METADATA: &str = "__cluster_metadata";
const EXAMPLES: &str = "\
Examples:
  ottla quorum describe
  ottla quorum add 4 --listener CONTROLLER://four.example:9093
  ottla quorum remove 1";
