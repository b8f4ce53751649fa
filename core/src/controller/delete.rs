//! DeleteTopics: by name, and from version 6 on by id (KIP-516). Names are asked for as that version does.

use super::{Reply, Verdict};
use crate::metadata::{Image, MetadataRecord};
use crate::msg::Response;
use crate::msg::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use crate::msg::record::metadata::RemoveTopicRecord;
use crate::shard::Cx;
use crate::types::{ErrorCode, Str, Uuid};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Answers DeleteTopics. Topics are deleted or refused one by one.
pub(super) fn delete(image: &Image, cx: &Cx<'_>, request: &DeleteTopicsRequest, version: i16) -> Verdict {
    let asked = &request.topics;
    let targets: Vec<Result<Uuid, (ErrorCode, &str)>> =
        asked.iter().map(|topic| target(image, cx, topic, version)).collect();
    let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
    targets.iter().flatten().for_each(|id| *counts.entry(*id).or_default() += 1);
    let mut records = Vec::new();
    let responses = asked.iter().zip(&targets).map(|(topic, target)| match target {
        Ok(id) if counts[id] > 1 => result(topic, ErrorCode::InvalidRequest, "the topic is named more than once"),
        Ok(id) => {
            records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: *id }));
            let name = image.topic(*id).map(|topic| topic.name.clone());
            DeletableTopicResult { name, topic_id: *id, ..DeletableTopicResult::default() }
        }
        Err((error, why)) => result(topic, *error, why),
    });
    let responses = responses.collect();
    let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::DeleteTopics(response))] }
}

fn target(
    image: &Image,
    cx: &Cx<'_>,
    topic: &DeleteTopicState,
    version: i16,
) -> Result<Uuid, (ErrorCode, &'static str)> {
    if !cx.config.topics.delete {
        return Err((disabled(version), "delete.topic.enable is false"));
    }
    match (&topic.name, topic.topic_id) {
        (None, Uuid::ZERO) => Err((ErrorCode::InvalidRequest, "neither a name nor an id is given")),
        (Some(_), id) if !id.is_zero() => Err((ErrorCode::InvalidRequest, "both a name and an id are given")),
        (Some(name), _) => {
            let unknown = (ErrorCode::UnknownTopicOrPartition, "there is no topic of this name");
            image.topic_named(name).map(|topic| topic.id).ok_or(unknown)
        }
        (None, id) => image.topic(id).map(|_| id).ok_or((ErrorCode::UnknownTopicId, "there is no topic of this id")),
    }
}

/// The answer of a controller that was asked in the newest version, for whoever asked in this one.
pub fn deletions_told(version: i16, mut told: DeleteTopicsResponse) -> DeleteTopicsResponse {
    let newer = ErrorCode::TopicDeletionDisabled.code();
    let refused = told.responses.iter_mut().filter(|one| one.error_code == newer);
    refused.for_each(|one| one.error_code = disabled(version).code());
    told
}

/// Nobody may delete topics, as this version says it.
fn disabled(version: i16) -> ErrorCode {
    if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled }
}

fn result(topic: &DeleteTopicState, error: ErrorCode, why: &str) -> DeletableTopicResult {
    DeletableTopicResult {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        error_code: error.code(),
        error_message: Some(Str::from(why)),
    }
}
