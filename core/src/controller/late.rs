//! Requests whose time was over before anything could be decided. A time-out counts up to the decision, as in Kafka: what is
//! decided is answered when it is committed, however long that takes. Since a request is decided in the step that brings
//! it, only a time-out that is not positive ever runs out.

use super::Ask;
use crate::msg::Response;
use crate::msg::create_partitions::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use crate::msg::create_topics::{CreatableTopicResult, CreateTopicsResponse};
use crate::msg::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsResponse};
use crate::types::{ErrorCode, Str};

/// The answer to a request without any time; `None` if there is time left, or nobody counts it.
pub(super) fn refused(ask: &Ask) -> Option<Response> {
    let error_code = ErrorCode::RequestTimedOut.code();
    match ask {
        Ask::CreateTopics(request) if request.timeout_ms <= 0 => {
            let result = |name: &Str| CreatableTopicResult { name: name.clone(), error_code, ..Default::default() };
            let topics = request.topics.iter().map(|topic| result(&topic.name)).collect();
            Some(CreateTopicsResponse { topics, ..Default::default() }.into())
        }
        Ask::DeleteTopics(request, _) if request.timeout_ms <= 0 => {
            let result = |topic: &DeleteTopicState| DeletableTopicResult {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                error_code,
                ..Default::default()
            };
            let responses = request.topics.iter().map(result).collect();
            Some(DeleteTopicsResponse { responses, ..Default::default() }.into())
        }
        Ask::CreatePartitions(request) if request.timeout_ms <= 0 => {
            let result =
                |name: &Str| CreatePartitionsTopicResult { name: name.clone(), error_code, ..Default::default() };
            let results = request.topics.iter().map(|topic| result(&topic.name)).collect();
            Some(CreatePartitionsResponse { results, ..Default::default() }.into())
        }
        Ask::CreateTopics(_)
        | Ask::DeleteTopics(..)
        | Ask::CreatePartitions(_)
        | Ask::Bootstrap
        | Ask::Register(_)
        | Ask::Heartbeat(_)
        | Ask::Fence(..)
        | Ask::AlterPartition(_)
        | Ask::ElectLeaders(_)
        | Ask::Tend { .. }
        | Ask::Reassign(_)
        | Ask::Assign(_)
        | Ask::Unregister(_)
        | Ask::CreateMissing(_)
        | Ask::AlterConfigs(_)
        | Ask::IncrementalAlterConfigs(_)
        | Ask::AllocateProducerIds { .. } => None,
    }
}
