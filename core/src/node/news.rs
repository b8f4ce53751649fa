//! What people are told of a change of the metadata: a note for each topic. Requests that name thousands are worked off in
//! pieces, so no change has more of them than one step may.

use crate::boundary::Note;
use crate::config::Overrides;
use crate::metadata::{Delta, Image, LogChange, Resource, Topic};
use crate::types::{BrokerId, Str};
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
    let deleted = delta.topics_deleted();
    notes.extend(deleted.iter().map(|topic| Note::TopicDeleted { topic: topic.name.clone(), id: topic.id }));
    notes
}

/// The notes of one change of a log that this broker leads. A change of thousands is taken up in many steps, each with its notes.
pub fn news_of(me: BrokerId, change: &LogChange) -> Option<Note> {
    let LogChange::Changed { log, before, after } = change else { return None };
    let without = |one: &[BrokerId], other: &[BrokerId]| -> Vec<BrokerId> {
        one.iter().copied().filter(|id| !other.contains(id)).collect()
    };
    let (joined, left) = (without(&after.isr, &before.isr), without(&before.isr, &after.isr));
    let is_news = after.leader == me && !(joined.is_empty() && left.is_empty());
    let (isr, replicas) = (after.isr.clone(), after.replicas.len());
    is_news.then_some(Note::IsrChanged { log: *log, isr, joined, left, replicas })
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
