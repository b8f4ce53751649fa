//! Forgetting: offsets that nobody wants any more, groups without offsets, offsets of deleted topics.
//!
//! An offset expires `offsets.retention.minutes` after
//! - the group lost its last member, if it ever had one;
//! - its own commit, if nobody ever joined the group, or if the group is stable, consists of consumers and none of them
//!   subscribes to the topic.

use super::classic::{Classic, State};
use super::desk::Desk;
use super::offsets::{Committed, Topics};
use super::record::GroupRecord;
use super::{GroupMap, OffsetMap};
use crate::types::{Mono, Str, Uuid, Wall};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

/// How far the look at all groups has come.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Sweep {
    /// The next one begins then; never before the shard is loaded.
    Waiting(Option<Mono>),
    /// It is under way and goes on behind this group.
    Running(Str),
}

impl Sweep {
    /// When there is something to do.
    pub fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Waiting(at) => *at,
            Self::Running(_) => Some(Mono(0)),
        }
    }

    /// Looks at the next few groups, if it is time.
    pub fn step(&mut self, groups: &GroupMap, offsets: &OffsetMap, desk: &mut Desk<'_, '_>) {
        let from = match self {
            Self::Waiting(Some(at)) if *at <= desk.cx.now.mono => None,
            Self::Waiting(_) => return,
            Self::Running(last) => Some(last.clone()),
        };
        let start = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = groups.range::<Str, _>((start, Bound::Unbounded));
        let part: Vec<&Str> = rest.map(|(id, _)| id).take(GROUPS_PER_STEP_MAX).collect();
        let mut records = Vec::new();
        for id in &part {
            look_at(&groups[*id].live, offsets.get(*id), desk, &mut records);
        }
        *self = match part.last() {
            Some(last) if part.len() == GROUPS_PER_STEP_MAX => Self::Running((*last).clone()),
            Some(_) | None => Self::Waiting(Some(desk.cx.now.mono + desk.cx.config.offsets.retention_check_interval)),
        };
        if !records.is_empty() {
            desk.write_chunked(records, Vec::new());
        }
    }
}

fn look_at(group: &Classic, offsets: Option<&Topics>, desk: &Desk<'_, '_>, records: &mut Vec<GroupRecord>) {
    let mut left = false;
    for (topic, partitions) in offsets.into_iter().flatten() {
        for (partition, committed) in partitions {
            if !group.is_subscribed(topic) && is_expired(group, committed, desk) {
                records.push(GroupRecord::offset_gone(&group.id, topic, *partition));
            } else {
                left = true;
            }
        }
    }
    if !left && group.state() == State::Empty {
        records.push(GroupRecord::group_gone(&group.id));
    }
}

fn is_expired(group: &Classic, committed: &Committed, desk: &Desk<'_, '_>) -> bool {
    let Some(Wall(from)) = expires_from(group, committed) else { return false };
    let now = desk.cx.now.wall.0;
    let retention = i64::try_from(desk.cx.config.offsets.retention.as_millis()).unwrap_or(i64::MAX);
    match committed.expires {
        Some(Wall(at)) => now >= at,
        None => now.saturating_sub(from) >= retention,
    }
}

/// Since when nobody wants the offset; none while somebody may.
fn expires_from(group: &Classic, committed: &Committed) -> Option<Wall> {
    if group.protocol_type.is_none() {
        return Some(committed.committed);
    }
    match group.state() {
        State::Empty => Some(group.since.unwrap_or(committed.committed)),
        State::Stable if group.is_consumer() && group.knows_subscriptions() => Some(committed.committed),
        State::Stable | State::PreparingRebalance { .. } | State::CompletingRebalance => None,
    }
}

/// The topics are gone, so are all offsets committed for them. A topic of the same name that was made since is another.
pub(super) fn topics_deleted(offsets: &OffsetMap, desk: &mut Desk<'_, '_>, topics: &[(Uuid, Str)]) {
    if offsets.is_empty() {
        return;
    }
    let mut records = Vec::new();
    let gone: BTreeMap<&Str, &Uuid> = topics.iter().map(|(id, name)| (name, id)).collect();
    for (group, known) in offsets {
        // Neither thousands of groups nor thousands of topics may make this a product of both.
        let few = topics.iter().filter_map(|(id, name)| Some((known.get_key_value(name)?, id)));
        let many = || known.iter().filter_map(|entry| Some((entry, *gone.get(entry.0)?)));
        let hit: Vec<_> = if topics.len() <= known.len() { few.collect() } else { many().collect() };
        for ((name, partitions), id) in hit {
            let of_topic = partitions.iter().filter(|(_, kept)| kept.topic_id.is_zero() || kept.topic_id == *id);
            records.extend(of_topic.map(|(partition, _)| GroupRecord::offset_gone(group, name, *partition)));
        }
    }
    if !records.is_empty() {
        desk.write_chunked(records, Vec::new());
    }
}

/// How many groups are looked at in one step.
const GROUPS_PER_STEP_MAX: usize = 100;

#[cfg(test)]
#[path = "expire_test.rs"]
mod expire_test;
