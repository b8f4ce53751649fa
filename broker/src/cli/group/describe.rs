//! `ottla group describe`.

use super::{absent, committed, shown};
use crate::cli::cluster::{Cluster, LATEST};
use crate::cli::mistake::check;
use crate::cli::{Done, Reach, show};
use clap::Args;
use ottla_core::msg::Response;
use ottla_core::msg::describe_groups::{DescribeGroupsRequest, DescribedGroup, DescribedGroupMember};
use ottla_core::msg::record::consumer::ConsumerProtocolAssignment;
use ottla_core::wire;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What to describe.
#[derive(Args, Debug)]
pub struct DescribeFlags {
    /// Its name
    group: String,
    #[command(flatten)]
    reach: Reach,
}

/// One partition that the group has to do with.
struct Line {
    topic: String,
    partition: i32,
    committed: i64,
    end: i64,
    owner: String,
}

/// Runs `ottla group describe`.
pub fn run(flags: &DescribeFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let coordinator = cluster.coordinator(&flags.group)?;
    let group = cluster.patiently(|cluster| described(cluster, coordinator, &flags.group))?;
    let committed = cluster.patiently(|cluster| committed(cluster, coordinator, &flags.group))?;
    if group.members.is_empty() && committed.is_empty() && group.group_state == "Dead" {
        return Err(absent(&flags.group));
    }
    let owners = owners(&group.members);
    let fresh = owners.keys().filter(|place| !committed.contains_key(*place)).map(|place| (place.clone(), -1));
    let places: BTreeMap<(String, i32), i64> = committed.clone().into_iter().chain(fresh).collect();
    let mut lines = Vec::new();
    let mut ends: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
    for ((topic, partition), committed) in places {
        if !ends.contains_key(&topic) {
            // The topic may be gone while its offsets are kept.
            let found = cluster.topic(&topic, false).and_then(|known| cluster.offsets(&known, LATEST));
            ends.insert(topic.clone(), found.unwrap_or_default());
        }
        let end = ends[&topic].get(&partition).copied().unwrap_or(-1);
        let owner = owners.get(&(topic.clone(), partition)).cloned().unwrap_or_default();
        lines.push(Line { topic, partition, committed, end, owner });
    }
    if flags.reach.json { print_json(&group, &lines) } else { print_table(&group, &lines) }
}

impl Line {
    fn lag(&self) -> Option<i64> {
        (self.committed >= 0 && self.end >= 0).then(|| (self.end - self.committed).max(0))
    }
}

fn print_json(group: &DescribedGroup, lines: &[Line]) -> Done<()> {
    let member = |member: &DescribedGroupMember| {
        json!({
            "id": member.member_id.as_str(), "instance": member.group_instance_id.as_deref(),
            "client": member.client_id.as_str(), "host": member.client_host.as_str(),
        })
    };
    let partition = |line: &Line| {
        let (committed, end) = (Some(line.committed).filter(|at| *at >= 0), Some(line.end).filter(|at| *at >= 0));
        json!({
            "topic": line.topic, "partition": line.partition, "committed": committed, "end": end,
            "lag": line.lag(), "member": Some(&line.owner).filter(|owner| !owner.is_empty()),
        })
    };
    let members: Vec<Value> = group.members.iter().map(member).collect();
    let partitions: Vec<Value> = lines.iter().map(partition).collect();
    let lag: i64 = lines.iter().filter_map(Line::lag).sum();
    show::json(&json!({
        "group": group.group_id.as_str(), "state": group.group_state.as_str(), "protocol": group.protocol_type.as_str(),
        "assignor": group.protocol_data.as_str(), "lag": lag, "members": members, "partitions": partitions,
    }))
}

fn print_table(group: &DescribedGroup, lines: &[Line]) -> Done<()> {
    let noun = if group.members.len() == 1 { "member" } else { "members" };
    let lag: i64 = lines.iter().filter_map(Line::lag).sum();
    let head = format!("{}  {}, {} {noun}, lag {lag}", group.group_id, group.group_state, group.members.len());
    show::line(format!("{head}  {}", group.protocol_data).trim_end())?;
    if lines.is_empty() {
        return show::line("nothing is committed");
    }
    let row = |line: &Line| {
        let lag = line.lag().map_or_else(|| "-".into(), |lag| lag.to_string());
        let (committed, end) = (shown(line.committed), shown(line.end));
        vec![line.topic.clone(), line.partition.to_string(), committed, end, lag, line.owner.clone()]
    };
    let header = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"];
    show::line(&show::table(&header, lines.iter().map(row).collect()))
}

/// What the coordinator says of a group; one that does not exist is in state `Dead`.
pub fn described(cluster: &mut Cluster, coordinator: i32, group: &str) -> Done<DescribedGroup> {
    let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
    let remote = cluster.broker(coordinator)?;
    let Response::DescribeGroups(told) = remote.call(request)? else { return Err(remote.odd()) };
    let described = told.groups.into_iter().next().ok_or_else(|| remote.odd())?;
    check(described.error_code, None, &format!("group {group}"))?;
    Ok(described)
}

/// Who owns which partition. Members of other protocols own nothing that can be read here.
fn owners(members: &[DescribedGroupMember]) -> BTreeMap<(String, i32), String> {
    let mut owners = BTreeMap::new();
    for member in members {
        let read = wire::decode_versioned::<ConsumerProtocolAssignment>(member.member_assignment.clone(), BUDGET_BYTES);
        let Ok((_, assignment)) = read else { continue };
        for topic in assignment.assigned_partitions {
            for partition in topic.partitions {
                owners.insert((topic.topic.to_string(), partition), member.member_id.to_string());
            }
        }
    }
    owners
}

const BUDGET_BYTES: usize = 4 << 20;
