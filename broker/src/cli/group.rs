//! `ottla group`.

use super::remote::{Cluster, Remote, check, check_with, odd};
use super::show;
use super::topic::{LATEST, offsets};
use crate::flags::{GroupCommand, Reach};
use ottla_core::msg::describe_groups::{DescribeGroupsRequest, DescribedGroup, DescribedGroupMember};
use ottla_core::msg::find_coordinator::FindCoordinatorRequest;
use ottla_core::msg::list_groups::{ListGroupsRequest, ListedGroup};
use ottla_core::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use ottla_core::msg::record::consumer::ConsumerProtocolAssignment;
use ottla_core::msg::{ApiKey, Response};
use ottla_core::wire;
use serde_json::json;
use std::collections::BTreeMap;

pub fn run(command: GroupCommand) -> Result<(), String> {
    match command {
        GroupCommand::List { reach } => list(&reach),
        GroupCommand::Describe { name, reach } => describe(&name, &reach),
    }
}

fn list(reach: &Reach) -> Result<(), String> {
    let mut cluster = Cluster::connect(&reach.broker)?;
    let brokers: Vec<i32> = cluster.metadata(Some(&[]), false)?.brokers.iter().map(|one| one.node_id).collect();
    let mut groups: Vec<ListedGroup> = Vec::new();
    for broker in brokers {
        let told = cluster.broker(broker)?.call(ListGroupsRequest::default(), ApiKey::ListGroups.facts().last)?;
        let Response::ListGroups(told) = told else { return Err(odd(&reach.broker)) };
        check(told.error_code, "ListGroups")?;
        groups.extend(told.groups);
    }
    groups.sort_by(|one, two| one.group_id.cmp(&two.group_id));
    if reach.json {
        for group in &groups {
            show::json(&json!({
                "group": group.group_id.as_str(), "state": group.group_state.as_str(),
                "protocol": group.protocol_type.as_str(), "type": group.group_type.as_str(),
            }));
        }
        return Ok(());
    }
    if groups.is_empty() {
        show::line("no groups");
        return Ok(());
    }
    let row = |group: &ListedGroup| {
        vec![group.group_id.to_string(), group.group_state.to_string(), group.protocol_type.to_string()]
    };
    show::line(&show::table(&["GROUP", "STATE", "PROTOCOL"], groups.iter().map(row).collect()));
    Ok(())
}

/// One line of a group's offsets.
struct Line {
    topic: String,
    partition: i32,
    committed: i64,
    end: i64,
    owner: String,
}

fn describe(name: &str, reach: &Reach) -> Result<(), String> {
    let mut cluster = Cluster::connect(&reach.broker)?;
    cluster.metadata(Some(&[]), false)?;
    let coordinator = coordinator(&mut cluster, name)?;
    let group = described(cluster.broker(coordinator)?, name)?;
    let committed = committed(cluster.broker(coordinator)?, name)?;
    if group.members.is_empty() && committed.is_empty() && group.group_state == "Dead" {
        return Err(format!("there is no group {name}"));
    }
    let owners = owners(&group.members);
    let mut lines = Vec::new();
    let mut ends: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
    let assigned = owners.keys().filter(|place| !committed.contains_key(*place)).map(|place| (place.clone(), -1));
    let mut places: Vec<((String, i32), i64)> = committed.clone().into_iter().chain(assigned).collect();
    places.sort();
    for ((topic, partition), committed) in places {
        if !ends.contains_key(&topic) {
            // The topic may be gone while its offsets are kept.
            let found = match cluster.topic(&topic, false) {
                Ok(known) => offsets(&mut cluster, &topic, &known, LATEST)?,
                Err(_) => BTreeMap::new(),
            };
            ends.insert(topic.clone(), found);
        }
        let end = ends[&topic].get(&partition).copied().unwrap_or(-1);
        let owner = owners.get(&(topic.clone(), partition)).cloned().unwrap_or_default();
        lines.push(Line { topic, partition, committed, end, owner });
    }
    print(&group, &lines, reach);
    Ok(())
}

fn print(group: &DescribedGroup, lines: &[Line], reach: &Reach) {
    let lag = |line: &Line| (line.committed >= 0 && line.end >= 0).then(|| line.end - line.committed);
    if reach.json {
        let members = group.members.iter().map(|member| {
            json!({
                "id": member.member_id.as_str(), "instance": member.group_instance_id.as_deref(),
                "client": member.client_id.as_str(), "host": member.client_host.as_str(),
            })
        });
        let partitions = lines.iter().map(|line| {
            json!({
                "topic": line.topic, "partition": line.partition, "committed": line.committed, "end": line.end,
                "lag": lag(line), "member": line.owner,
            })
        });
        show::json(&json!({
            "group": group.group_id.as_str(), "state": group.group_state.as_str(),
            "protocol": group.protocol_type.as_str(), "assignor": group.protocol_data.as_str(),
            "members": members.collect::<Vec<_>>(), "partitions": partitions.collect::<Vec<_>>(),
        }));
        return;
    }
    let (state, members) = (&group.group_state, group.members.len());
    show::line(&format!("{}  {state}, {members} members  {}", group.group_id, group.protocol_data));
    let shown = |offset: i64| if offset < 0 { "-".to_owned() } else { offset.to_string() };
    let row = |line: &Line| {
        let lag = lag(line).map_or("-".to_owned(), |lag| lag.to_string());
        vec![
            line.topic.clone(),
            line.partition.to_string(),
            shown(line.committed),
            shown(line.end),
            lag,
            line.owner.clone(),
        ]
    };
    if !lines.is_empty() {
        let header = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"];
        show::line(&show::table(&header, lines.iter().map(row).collect()));
    }
}

fn coordinator(cluster: &mut Cluster, name: &str) -> Result<i32, String> {
    let request = FindCoordinatorRequest { coordinator_keys: vec![name.into()], ..Default::default() };
    for _ in 0..TRIES {
        let told = cluster.any().call(request.clone(), ApiKey::FindCoordinator.facts().last)?;
        let Response::FindCoordinator(told) = told else { return Err(odd(name)) };
        let found = told.coordinators.into_iter().next().ok_or_else(|| odd(name))?;
        if found.error_code == ottla_core::types::ErrorCode::CoordinatorNotAvailable.code() {
            std::thread::sleep(PAUSE);
            continue;
        }
        check_with(found.error_code, found.error_message.as_deref(), name)?;
        return Ok(found.node_id);
    }
    Err(format!("group {name}: no coordinator"))
}

fn described(remote: &mut Remote, name: &str) -> Result<DescribedGroup, String> {
    let request = DescribeGroupsRequest { groups: vec![name.into()], ..Default::default() };
    // From version 6 on a group that does not exist is an error; before, it is in state Dead.
    let Response::DescribeGroups(told) = remote.call(request, 5)? else { return Err(odd(name)) };
    let group = told.groups.into_iter().next().ok_or_else(|| odd(name))?;
    check(group.error_code, name)?;
    Ok(group)
}

fn committed(remote: &mut Remote, name: &str) -> Result<BTreeMap<(String, i32), i64>, String> {
    let group = OffsetFetchRequestGroup { group_id: name.into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    // Later versions name topics by their ids.
    let Response::OffsetFetch(told) = remote.call(request, 9)? else { return Err(odd(name)) };
    let group = told.groups.into_iter().next().ok_or_else(|| odd(name))?;
    check(group.error_code, name)?;
    let mut committed = BTreeMap::new();
    for topic in group.topics {
        for one in topic.partitions.iter().filter(|one| one.committed_offset >= 0) {
            committed.insert((topic.name.to_string(), one.partition_index), one.committed_offset);
        }
    }
    Ok(committed)
}

/// Who owns which partition. Members of other protocols own nothing that can be read here.
fn owners(members: &[DescribedGroupMember]) -> BTreeMap<(String, i32), String> {
    let mut owners = BTreeMap::new();
    for member in members {
        let assignment = wire::decode_versioned::<ConsumerProtocolAssignment>(member.member_assignment.clone(), BUDGET);
        let Ok((_, assignment)) = assignment else { continue };
        for topic in assignment.assigned_partitions {
            for partition in topic.partitions {
                owners.insert((topic.topic.to_string(), partition), member.member_id.to_string());
            }
        }
    }
    owners
}

const BUDGET: usize = 1 << 20;
const TRIES: usize = 50;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
