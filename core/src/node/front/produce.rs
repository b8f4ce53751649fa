//! Produce: one batch a partition goes out, one acknowledgement comes back.

use super::{Body, Front, FrontCx, FrontOut, Pending, key, topic_id};
use crate::boundary::{Produce, ProduceTopic};
use crate::metadata::Image;
use crate::msg::produce::{BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse};
use crate::node::lane::PartAsk;
use crate::partition::{Acks, Appended, PartKey, Refused};
use crate::types::{ErrorCode, LogId, Ticket, Uuid};
use alloc::vec::Vec;

impl Front {
    /// A producer's request.
    pub fn produce(&mut self, cx: &mut FrontCx<'_>, ticket: Ticket, body: Produce, out: &mut Vec<FrontOut>) {
        let acks = match body.acks {
            0 => Acks::None,
            1 => Acks::Leader,
            // All, or a number that is refused.
            _ => Acks::Committed,
        };
        let (timeout, wanted_acks) = (body.timeout, body.acks);
        let mut response = ProduceResponse::default();
        let mut parts = Vec::new();
        for topic in body.topics {
            let id = target(cx.image, &topic);
            let mut answers = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let mut answer = nobody_answered(partition.index);
                let place = key(ticket, response.responses.len(), answers.len());
                match (judge_acks(wanted_acks), id, partition.batch) {
                    (Err(error), ..) | (_, Err(error), _) => answer.error_code = error.code(),
                    (.., Err(refusal)) => refuse(&mut answer, Refused::from(&refusal)),
                    (Ok(()), Ok(_), Ok(proved)) if proved.batch().header().attributes.is_transactional() => {
                        answer.error_code = ErrorCode::InvalidTxnState.code();
                    }
                    (Ok(()), Ok(id), Ok(proved)) => {
                        let log = LogId { topic: id, partition: partition.index };
                        parts.push((log, place, PartAsk::Produce(acks, proved)));
                    }
                }
                answers.push(answer);
            }
            response.responses.push(TopicProduceResponse {
                name: topic.name,
                topic_id: topic.id,
                partition_responses: answers,
            });
        }
        let left = parts.len();
        let pending = match acks {
            Acks::Leader | Acks::Committed => {
                Pending { left, deadline: Some(cx.now.mono + timeout), body: Body::Produce(response) }
            }
            Acks::None => {
                let asked: usize = response.responses.iter().map(|topic| topic.partition_responses.len()).sum();
                Pending { left, deadline: None, body: Body::Silent(left < asked) }
            }
        };
        self.begin(cx, ticket, pending, &mut parts, out);
    }
}

/// The topic to write to. What coordinators keep is theirs alone: a record of somebody else would shift every offset that
/// they count on.
fn target(image: &Image, topic: &ProduceTopic) -> Result<Uuid, ErrorCode> {
    let id = topic_id(image, &topic.name, topic.id)?;
    let is_internal = image.topic(id).is_some_and(|topic| topic.is_internal());
    if is_internal { Err(ErrorCode::InvalidTopicException) } else { Ok(id) }
}

fn judge_acks(acks: i16) -> Result<(), ErrorCode> {
    match acks {
        -1..=1 => Ok(()),
        _ => Err(ErrorCode::InvalidRequiredAcks),
    }
}

/// What is said if the time is over before the part comes home.
fn nobody_answered(index: i32) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: ErrorCode::RequestTimedOut.code(),
        base_offset: -1,
        ..PartitionProduceResponse::default()
    }
}

/// The part came home.
pub(super) fn fill(response: &mut ProduceResponse, key: PartKey, outcome: Result<Appended, Refused>) {
    let answer = &mut response.responses[key.topic as usize].partition_responses[key.partition as usize];
    match outcome {
        Ok(appended) => {
            answer.error_code = ErrorCode::None.code();
            answer.base_offset = appended.base.0;
            answer.log_append_time_ms = appended.append_time.map_or(-1, |time| time.0);
            answer.log_start_offset = appended.log_start.0;
        }
        Err(refused) => refuse(answer, refused),
    }
}

fn refuse(answer: &mut PartitionProduceResponse, refused: Refused) {
    answer.error_code = refused.error.code();
    answer.error_message = refused.message;
    answer.record_errors = refused
        .records
        .into_iter()
        .map(|(batch_index, message)| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some(message),
        })
        .collect();
}
