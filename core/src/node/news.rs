//! What people are told of a change of the metadata: a note for each topic, broker and feature, and for each partition that is led here. Requests that name thousands are worked off in
//! pieces, so no change has more of them than one step may.

use crate::boundary::{Note, Turn};
use crate::config::Overrides;
use crate::metadata::{Broker, Delta, Image, LogChange, Partition, Resource, Topic};
use crate::types::{BrokerId, LogId, Str};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The notes of a committed change. What is known at a start is no news.
pub fn news(delta: &Delta) -> Vec<Note> {
    if delta.is_from_nothing() {
        return Vec::new();
    }
    let mut notes: Vec<Note> = delta.topics_created().iter().map(|topic| created(delta, topic)).collect();
    notes.extend(delta.topics_grown().into_iter().map(|(topic, before)| Note::PartitionsAdded {
        topic: topic.name.clone(),
        before,
        after: topic.partitions.len(),
    }));
    notes.extend(delta.topics_configured().iter().map(|topic| configured(delta, topic)));
    notes.extend(features(delta));
    let deleted = delta.topics_deleted();
    notes.extend(deleted.iter().map(|topic| Note::TopicDeleted { topic: topic.name.clone(), id: topic.id }));
    notes
}

/// The notes of one change of a log, if this broker leads it. A change of thousands is taken up in many steps, each with its notes.
pub fn news_of(me: BrokerId, change: &LogChange) -> Vec<Note> {
    match change {
        LogChange::Changed { log, before, after } if after.leader == me => {
            isr(*log, before, after).into_iter().chain(reassigned(*log, before, after)).collect()
        }
        LogChange::Changed { .. } | LogChange::Gained { .. } | LogChange::Lost { .. } => Vec::new(),
    }
}

fn isr(log: LogId, before: &Partition, after: &Partition) -> Option<Note> {
    let without = |one: &[BrokerId], other: &[BrokerId]| -> Vec<BrokerId> {
        one.iter().copied().filter(|id| !other.contains(id)).collect()
    };
    let (joined, left) = (without(&after.isr, &before.isr), without(&before.isr, &after.isr));
    let is_news = !(joined.is_empty() && left.is_empty());
    let (isr, replicas) = (after.isr.clone(), after.replicas.len());
    is_news.then_some(Note::IsrChanged { log, isr, joined, left, replicas })
}

fn reassigned(log: LogId, before: &Partition, after: &Partition) -> Option<Note> {
    let is_moving = |one: &Partition| !(one.adding.is_empty() && one.removing.is_empty());
    let (was, replicas) = (before.replicas.clone(), after.replicas.clone());
    (is_moving(before) && !is_moving(after)).then_some(Note::Reassigned { log, before: was, replicas })
}

/// What became of brokers, for their controller to say.
pub fn news_of_brokers(delta: &Delta) -> Vec<Note> {
    if delta.is_from_nothing() {
        return Vec::new();
    }
    let after = delta.after();
    let (active, registered) = (after.brokers().filter(|one| !one.fenced).count(), after.brokers().count());
    let turned = |id: BrokerId| {
        let turn = turn(delta.before().broker(id).map(AsRef::as_ref), after.broker(id).map(AsRef::as_ref))?;
        Some(Note::BrokerTurned { broker: id, turn, active, registered })
    };
    delta.brokers().into_iter().filter_map(turned).collect()
}

fn turn(before: Option<&Broker>, after: Option<&Broker>) -> Option<Turn> {
    match (before, after) {
        (_, None) => before.map(|_| Turn::Unregistered),
        (None, Some(_)) => Some(Turn::Registered),
        (Some(before), Some(after)) if before.epoch != after.epoch => Some(Turn::Registered),
        (Some(before), Some(after)) => match (before.fenced, after.fenced) {
            (false, true) if before.in_controlled_shutdown || after.in_controlled_shutdown => Some(Turn::Stopped),
            (false, true) => Some(Turn::Fenced),
            (true, false) => Some(Turn::Unfenced),
            (true, true) | (false, false) => {
                (after.in_controlled_shutdown && !before.in_controlled_shutdown).then_some(Turn::Leaving)
            }
        },
    }
}

fn features(delta: &Delta) -> Vec<Note> {
    let (before, after) = (delta.before().features(), delta.after().features());
    let names: BTreeSet<&Str> = before.keys().chain(after.keys()).collect();
    let set = |name: &&Str| before.get(*name) != after.get(*name);
    let note = |name: &Str| Note::FeatureSet {
        feature: name.clone(),
        before: before.get(name).copied(),
        after: after.get(name).copied(),
    };
    names.into_iter().filter(set).map(note).collect()
}

fn created(delta: &Delta, topic: &Topic) -> Note {
    let replicas = topic.partitions.values().next().map_or(0, |partition| partition.replicas.len());
    let settings = set(own(delta.after(), &topic.name), None);
    let (topic, id, partitions) = (topic.name.clone(), topic.id, topic.partitions.len());
    Note::TopicCreated { topic, id, partitions, replicas, settings }
}

fn configured(delta: &Delta, topic: &Topic) -> Note {
    let (before, after) = (own(delta.before(), &topic.name), own(delta.after(), &topic.name));
    let is_unset = |name: &&Str| after.is_none_or(|after| !after.contains_key(*name));
    let unset = before.into_iter().flat_map(|before| before.keys()).filter(is_unset).cloned().collect();
    Note::TopicConfigured { topic: topic.name.clone(), set: set(after, before), unset }
}

fn own<'a>(image: &'a Image, topic: &Str) -> Option<&'a Arc<Overrides>> {
    image.settings(&Resource::topic(topic))
}

/// What has another value than before.
fn set(after: Option<&Arc<Overrides>>, before: Option<&Arc<Overrides>>) -> Vec<(Str, Str)> {
    let is_new = |(name, value): &(&Str, &Str)| before.and_then(|before| before.get(*name)) != Some(*value);
    let all = after.into_iter().flat_map(|after| after.iter()).filter(is_new);
    all.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
#[path = "news_test.rs"]
mod news_test;
