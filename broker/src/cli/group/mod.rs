//! `ottla group`.

mod describe;
mod reset;

use super::cluster::Cluster;
use super::mistake::{Mistake, check};
use super::{Done, Reach, show};
use clap::{Args, Subcommand};
use ottla_core::msg::Response;
use ottla_core::msg::delete_groups::DeleteGroupsRequest;
use ottla_core::msg::list_groups::{ListGroupsRequest, ListedGroup};
use ottla_core::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use serde_json::json;
use std::collections::BTreeMap;

/// What to do with groups.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLES)]
pub enum GroupCommand {
    /// All groups
    List(Reach),
    /// State, members, offsets and lag of a group
    Describe(describe::DescribeFlags),
    /// Forget groups that have no members, with their offsets
    Delete(DeleteFlags),
    /// Move the committed offsets of a group that has no members
    ResetOffsets(reset::ResetFlags),
}

/// Which groups to forget.
#[derive(Args, Debug)]
pub struct DeleteFlags {
    /// Their names
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `ottla group`.
pub fn run(command: GroupCommand) -> Done<()> {
    match command {
        GroupCommand::List(reach) => list(&reach),
        GroupCommand::Describe(flags) => describe::run(&flags),
        GroupCommand::Delete(flags) => delete(&flags),
        GroupCommand::ResetOffsets(flags) => reset::run(&flags),
    }
}

fn list(reach: &Reach) -> Done<()> {
    let mut cluster = Cluster::connect(&reach.bootstrap_server)?;
    let mut groups: Vec<ListedGroup> = Vec::new();
    for broker in cluster.brokers()? {
        groups.extend(cluster.patiently(|cluster| {
            let remote = cluster.broker(broker)?;
            let Response::ListGroups(told) = remote.call(ListGroupsRequest::default())? else {
                return Err(remote.odd());
            };
            check(told.error_code, None, "ListGroups")?;
            Ok(told.groups)
        })?);
    }
    groups.sort_by(|one, two| one.group_id.cmp(&two.group_id));
    if reach.json {
        for group in &groups {
            show::json(&json!({
                "group": group.group_id.as_str(), "state": group.group_state.as_str(),
                "protocol": group.protocol_type.as_str(), "type": group.group_type.as_str(),
            }))?;
        }
        return Ok(());
    }
    if groups.is_empty() {
        return show::line("no groups yet; `ottla consume TOPIC --group NAME` makes one");
    }
    let row = |group: &ListedGroup| {
        vec![group.group_id.to_string(), group.group_state.to_string(), group.protocol_type.to_string()]
    };
    show::line(&show::table(&["GROUP", "STATE", "PROTOCOL"], groups.iter().map(row).collect()))
}

fn delete(flags: &DeleteFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let mut failed = None;
    for group in &flags.groups {
        match delete_one(&mut cluster, group) {
            Ok(()) if flags.reach.json => show::json(&json!({ "group": group, "deleted": true }))?,
            Ok(()) => show::line(&format!("{group} is deleted"))?,
            Err(mistake) => failed = Some(mistake),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn delete_one(cluster: &mut Cluster, group: &str) -> Done<()> {
    let coordinator = cluster.coordinator(group)?;
    cluster.patiently(|cluster| {
        let remote = cluster.broker(coordinator)?;
        let request = DeleteGroupsRequest { groups_names: vec![group.into()] };
        let Response::DeleteGroups(told) = remote.call(request)? else { return Err(remote.odd()) };
        let told = told.results.into_iter().next().ok_or_else(|| remote.odd())?;
        check(told.error_code, told.error_message.as_deref(), &format!("group {group}"))
    })
}

/// Every committed offset of a group, by topic and partition.
fn committed(cluster: &mut Cluster, coordinator: i32, group: &str) -> Done<BTreeMap<(String, i32), i64>> {
    let wanted = OffsetFetchRequestGroup { group_id: group.into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![wanted], ..Default::default() };
    let remote = cluster.broker(coordinator)?;
    let Response::OffsetFetch(told) = remote.call(request)? else { return Err(remote.odd()) };
    let told = told.groups.into_iter().next().ok_or_else(|| remote.odd())?;
    check(told.error_code, None, &format!("group {group}"))?;
    let mut committed = BTreeMap::new();
    for topic in told.topics {
        for one in topic.partitions.iter().filter(|one| one.committed_offset >= 0) {
            committed.insert((topic.name.to_string(), one.partition_index), one.committed_offset);
        }
    }
    Ok(committed)
}

/// There is no such group.
fn absent(group: &str) -> Mistake {
    Mistake::new(format!("there is no group {group}")).then("`ottla group list` shows the groups")
}

/// An offset for people; there may be none.
fn shown(offset: i64) -> String {
    if offset < 0 { "-".into() } else { offset.to_string() }
}

const EXAMPLES: &str = "\
Examples:
  ottla group list
  ottla group describe billing                                        lag is what it has not read yet
  ottla group reset-offsets billing --topic orders --to beginning     shows what would change
  ottla group reset-offsets billing --topic orders --to -100 --execute
  ottla group delete billing";
