//! Names and ids of topics in questions about offsets: what the coordinator is never asked because the cluster's
//! metadata answer it. Pure functions for whoever holds the metadata.

use super::ask::Ask;
use super::offsets::{deleted_topic, refused_topic};
use crate::msg::Response;
use crate::msg::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::msg::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponseTopic,
};
use crate::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponseTopics};
use crate::types::{ErrorCode, Str, Uuid};
use alloc::vec::Vec;

/// What the metadata know of topics.
pub trait KnownTopics {
    /// The id of the topic and how many partitions it has.
    fn by_name(&self, name: &Str) -> Option<(Uuid, i32)>;
    /// The name of the topic.
    fn by_id(&self, id: Uuid) -> Option<Str>;
}

/// The part of an answer that the metadata have given already.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Aside {
    /// Nothing: the coordinator's answer is the answer.
    Nothing,
    /// Topics and partitions that do not exist.
    Commit(OffsetCommitResponse),
    /// Topics whose ids nobody knows.
    Fetch(Vec<OffsetFetchResponseTopics>),
    /// Ids have to be filled in where the coordinator gave all it has.
    FetchAll,
    /// Topics and partitions that do not exist.
    Delete(OffsetDeleteResponse),
}

/// Fills in names and ids, and takes out of the question what does not exist. If nothing is left of a commit, the answer
/// is complete and there is nothing to ask.
pub fn resolve(ask: Ask, version: i16, topics: &dyn KnownTopics) -> (Result<Ask, Response>, Aside) {
    match ask {
        Ask::Commit(request) => resolve_commit(request, version, topics),
        Ask::OffsetDelete(request) => {
            let (request, aside) = resolve_delete(request, topics);
            (Ok(Ask::OffsetDelete(request)), Aside::Delete(aside))
        }
        Ask::Fetch(request) if version >= FETCH_ID_VERSION => {
            let (request, aside) = resolve_fetch(request, topics);
            (Ok(Ask::Fetch(request)), aside)
        }
        other => (Ok(other), Aside::Nothing),
    }
}

/// The whole answer: the coordinator's with what the metadata had to say.
pub fn complete(response: Response, aside: Aside, topics: &dyn KnownTopics) -> Response {
    match (response, aside) {
        (Response::OffsetCommit(answer), Aside::Commit(aside)) => merge_commit(aside, answer).into(),
        (Response::OffsetDelete(answer), Aside::Delete(aside)) => merge_delete(aside, answer).into(),
        (Response::OffsetFetch(mut answer), Aside::Fetch(unknown)) => {
            for group in answer.groups.iter_mut().filter(|group| group.error_code == 0).take(1) {
                group.topics.extend(unknown.iter().cloned());
            }
            answer.into()
        }
        (Response::OffsetFetch(mut answer), Aside::FetchAll) => {
            for topic in answer.groups.iter_mut().flat_map(|group| &mut group.topics) {
                topic.topic_id = topics.by_name(&topic.name).map_or(Uuid::ZERO, |(id, _)| id);
            }
            // Without an id a topic has no place in this version's answer.
            answer.groups.iter_mut().for_each(|group| group.topics.retain(|topic| !topic.topic_id.is_zero()));
            answer.into()
        }
        (response, _) => response,
    }
}

fn resolve_commit(
    mut request: OffsetCommitRequest,
    version: i16,
    topics: &dyn KnownTopics,
) -> (Result<Ask, Response>, Aside) {
    let mut aside = OffsetCommitResponse::default();
    let mut kept = Vec::with_capacity(request.topics.len());
    for mut topic in request.topics {
        let known = if version >= COMMIT_ID_VERSION {
            topic.name = topics.by_id(topic.topic_id).unwrap_or_default();
            let found = topics.by_name(&topic.name).filter(|_| !topic.name.is_empty());
            found.ok_or(ErrorCode::UnknownTopicId)
        } else {
            topics.by_name(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        let partitions = core::mem::take(&mut topic.partitions);
        match known {
            Err(error) => aside.topics.push(refused_commit(&topic, &partitions, error)),
            Ok((id, count)) => {
                topic.topic_id = id;
                let exists = |partition: &OffsetCommitRequestPartition| (0..count).contains(&partition.partition_index);
                let (there, missing): (Vec<_>, Vec<_>) = partitions.into_iter().partition(exists);
                if !missing.is_empty() {
                    let error = ErrorCode::UnknownTopicOrPartition;
                    aside.topics.push(refused_commit(&topic, &missing, error));
                }
                if !there.is_empty() {
                    topic.partitions = there;
                    kept.push(topic);
                }
            }
        }
    }
    if kept.is_empty() {
        return (Err(aside.into()), Aside::Nothing);
    }
    request.topics = kept;
    (Ok(Ask::Commit(request)), Aside::Commit(aside))
}

fn refused_commit(
    topic: &OffsetCommitRequestTopic,
    partitions: &[OffsetCommitRequestPartition],
    error: ErrorCode,
) -> OffsetCommitResponseTopic {
    let one = |partition: &OffsetCommitRequestPartition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code: error.code(),
    };
    let partitions = partitions.iter().map(one).collect();
    OffsetCommitResponseTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

fn merge_commit(mut aside: OffsetCommitResponse, answer: OffsetCommitResponse) -> OffsetCommitResponse {
    for mut topic in answer.topics {
        match aside.topics.iter_mut().find(|known| known.name == topic.name && known.topic_id == topic.topic_id) {
            Some(known) => known.partitions.append(&mut topic.partitions),
            None => aside.topics.push(topic),
        }
    }
    aside
}

/// A request of this shape has one group: see [`super::split`].
fn resolve_fetch(mut request: OffsetFetchRequest, topics: &dyn KnownTopics) -> (OffsetFetchRequest, Aside) {
    let group: Option<&mut OffsetFetchRequestGroup> = request.groups.first_mut();
    let Some(asked) = group.and_then(|group| group.topics.as_mut()) else { return (request, Aside::FetchAll) };
    let mut unknown = Vec::new();
    asked.retain_mut(|topic| match topics.by_id(topic.topic_id) {
        Some(name) => {
            topic.name = name;
            true
        }
        None => {
            unknown.push(refused_topic(topic, ErrorCode::UnknownTopicId));
            false
        }
    });
    (request, Aside::Fetch(unknown))
}

fn resolve_delete(
    mut request: OffsetDeleteRequest,
    topics: &dyn KnownTopics,
) -> (OffsetDeleteRequest, OffsetDeleteResponse) {
    let mut aside = OffsetDeleteResponse::default();
    let mut kept = Vec::with_capacity(request.topics.len());
    for mut topic in request.topics {
        let count = topics.by_name(&topic.name).map_or(0, |(_, count)| count);
        let partitions = core::mem::take(&mut topic.partitions);
        let (there, missing): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| (0..count).contains(&partition.partition_index));
        if !missing.is_empty() {
            let missing = OffsetDeleteRequestTopic { name: topic.name.clone(), partitions: missing };
            aside.topics.push(deleted_topic(&missing, ErrorCode::UnknownTopicOrPartition));
        }
        if !there.is_empty() {
            topic.partitions = there;
            kept.push(topic);
        }
    }
    request.topics = kept;
    (request, aside)
}

/// An error of the whole group hides everything else.
fn merge_delete(mut aside: OffsetDeleteResponse, answer: OffsetDeleteResponse) -> OffsetDeleteResponse {
    if answer.error_code != 0 {
        return answer;
    }
    for OffsetDeleteResponseTopic { name, mut partitions } in answer.topics {
        match aside.topics.iter_mut().find(|known| known.name == name) {
            Some(known) => known.partitions.append(&mut partitions),
            None => aside.topics.push(OffsetDeleteResponseTopic { name, partitions }),
        }
    }
    aside
}

/// From here on topics go by their ids.
const COMMIT_ID_VERSION: i16 = 10;
const FETCH_ID_VERSION: i16 = 10;

#[cfg(test)]
#[path = "topics_test.rs"]
mod topics_test;
