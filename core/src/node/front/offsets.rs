//! The smaller questions about partitions: offsets of times and epochs, deletion of records, producers, sizes.

use super::{Body, Front, FrontCx, FrontOut, Pending, key, topic_id};
use crate::metadata::{Image, is_internal};
use crate::msg::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use crate::msg::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use crate::msg::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use crate::msg::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::msg::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use crate::node::lane::PartAsk;
use crate::partition::{ActiveProducer, PartKey, WantedOffset};
use crate::types::{ErrorCode, LeaderEpoch, LogId, Offset, Str, Ticket, Uuid, Wall};
use alloc::vec::Vec;
use core::time::Duration;

type Parts = Vec<(LogId, PartKey, PartAsk)>;

impl Front {
    /// `ListOffsets`.
    pub fn list_offsets(
        &mut self,
        cx: &mut FrontCx<'_>,
        (ticket, version): (Ticket, i16),
        request: ListOffsetsRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let mut response = ListOffsetsResponse::default();
        let mut parts = Vec::new();
        for topic in request.topics {
            let id = topic_id(cx.image, &topic.name, Uuid::ZERO);
            let mut answers = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let place = key(ticket, response.topics.len(), answers.len());
                let ask = wanted_offset(asked.timestamp)
                    .map(|wanted| PartAsk::OffsetFor(LeaderEpoch(asked.current_leader_epoch), wanted));
                let error = ask_part(&mut parts, id, asked.partition_index, place, ask);
                answers.push(ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    error_code: error.code(),
                    ..ListOffsetsPartitionResponse::default()
                });
            }
            response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions: answers });
        }
        self.ask_all(cx, ticket, Body::ListOffsets(response, version), parts, out);
    }

    /// `OffsetForLeaderEpoch`.
    pub fn epoch_ends(
        &mut self,
        cx: &mut FrontCx<'_>,
        ticket: Ticket,
        request: OffsetForLeaderEpochRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let mut response = OffsetForLeaderEpochResponse::default();
        let mut parts = Vec::new();
        for topic in request.topics {
            let id = topic_id(cx.image, &topic.topic, Uuid::ZERO);
            let mut answers = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let place = key(ticket, response.topics.len(), answers.len());
                let epochs = (LeaderEpoch(asked.current_leader_epoch), LeaderEpoch(asked.leader_epoch));
                let ask = Ok(PartAsk::EpochEnd(epochs.0, epochs.1));
                let error = ask_part(&mut parts, id, asked.partition, place, ask);
                answers.push(EpochEndOffset {
                    error_code: error.code(),
                    partition: asked.partition,
                    ..EpochEndOffset::default()
                });
            }
            response.topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions: answers });
        }
        self.ask_all(cx, ticket, Body::EpochEnds(response), parts, out);
    }

    /// `DeleteRecords`.
    pub fn delete_records(
        &mut self,
        cx: &mut FrontCx<'_>,
        ticket: Ticket,
        request: DeleteRecordsRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let mut response = DeleteRecordsResponse::default();
        let mut parts = Vec::new();
        let wait = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)).max(DISK_WAIT);
        for topic in request.topics {
            let id = match is_internal(&topic.name) {
                true => Err(ErrorCode::InvalidTopicException),
                false => topic_id(cx.image, &topic.name, Uuid::ZERO),
            };
            let mut answers = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let place = key(ticket, response.topics.len(), answers.len());
                let ask = Ok(PartAsk::Trim(Offset(asked.offset)));
                let error = ask_part(&mut parts, id, asked.partition_index, place, ask);
                // What is said if the time is over before every replica has followed.
                let error = if error.is_error() { error } else { ErrorCode::RequestTimedOut };
                answers.push(DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    low_watermark: -1,
                    error_code: error.code(),
                });
            }
            response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions: answers });
        }
        let deadline = Some(cx.now.mono + wait);
        let pending = Pending { left: parts.len(), deadline, body: Body::DeleteRecords(response) };
        self.begin(cx, ticket, pending, &mut parts, out);
    }

    /// `DescribeProducers`.
    pub fn describe_producers(
        &mut self,
        cx: &mut FrontCx<'_>,
        ticket: Ticket,
        request: DescribeProducersRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let mut response = DescribeProducersResponse::default();
        let mut parts = Vec::new();
        for topic in request.topics {
            let id = topic_id(cx.image, &topic.name, Uuid::ZERO);
            let mut answers = Vec::with_capacity(topic.partition_indexes.len());
            for index in topic.partition_indexes {
                let place = key(ticket, response.topics.len(), answers.len());
                let error = ask_part(&mut parts, id, index, place, Ok(PartAsk::Producers));
                answers.push(PartitionResponse {
                    partition_index: index,
                    error_code: error.code(),
                    ..PartitionResponse::default()
                });
            }
            response.topics.push(TopicResponse { name: topic.name, partitions: answers });
        }
        self.ask_all(cx, ticket, Body::Producers(response), parts, out);
    }

    /// `DescribeLogDirs`: no topics means all.
    pub fn log_dirs(
        &mut self,
        cx: &mut FrontCx<'_>,
        ticket: Ticket,
        request: DescribeLogDirsRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let wanted = match request.topics {
            Some(topics) => topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
            None => everything(cx.image),
        };
        let mut results = directories(cx);
        let count = results.len();
        let mut parts = Vec::new();
        for (name, indexes) in wanted {
            // Partitions that are not here are left out, as a directory does not list what it does not hold.
            let Some(topic) = cx.image.topic_named(&name) else { continue };
            let me = &cx.config.broker.id;
            let is_here = |index: &i32| topic.partitions.get(index).is_some_and(|one| one.replicas.contains(me));
            for index in indexes.into_iter().filter(is_here) {
                let log = LogId { topic: topic.id, partition: index };
                let here = (cx.directories.place_of(log), PartAsk::Size);
                let future = cx.directories.going_to(log).map(|at| (at, PartAsk::Future));
                for (at, ask) in [here].into_iter().chain(future).filter(|(at, _)| !cx.directories.is_lost(*at)) {
                    let topics = &mut results[at].topics;
                    if topics.last().is_none_or(|last| last.name != name) {
                        topics.push(DescribeLogDirsTopic { name: name.clone(), partitions: Vec::new() });
                    }
                    let (topic, answers) = (topics.len() - 1, &mut topics.last_mut().expect("just made").partitions);
                    let is_future_key = matches!(ask, PartAsk::Future);
                    parts.push((log, key(ticket, topic * count + at, answers.len()), ask));
                    answers.push(DescribeLogDirsPartition {
                        partition_index: index,
                        is_future_key,
                        ..Default::default()
                    });
                }
            }
        }
        let response = DescribeLogDirsResponse { results, ..DescribeLogDirsResponse::default() };
        self.ask_all(cx, ticket, Body::LogDirs(response), parts, out);
    }

    fn ask_all(&mut self, cx: &mut FrontCx<'_>, ticket: Ticket, body: Body, mut parts: Parts, out: &mut Vec<FrontOut>) {
        let pending = Pending { left: parts.len(), deadline: None, body };
        self.begin(cx, ticket, pending, &mut parts, out);
    }
}

/// Asks one partition, or tells why it cannot be asked.
fn ask_part(
    parts: &mut Parts,
    topic: Result<Uuid, ErrorCode>,
    partition: i32,
    place: PartKey,
    ask: Result<PartAsk, ErrorCode>,
) -> ErrorCode {
    match (topic, ask) {
        (Ok(topic), Ok(ask)) => {
            parts.push((LogId { topic, partition }, place, ask));
            ErrorCode::None
        }
        (Err(error), _) | (_, Err(error)) => error,
    }
}

/// All data directories, of which nothing is told yet but whether they are lost.
fn directories(cx: &FrontCx<'_>) -> Vec<DescribeLogDirsResult> {
    let told = |at: usize| DescribeLogDirsResult {
        error_code: if cx.directories.is_lost(at) { ErrorCode::KafkaStorageError } else { ErrorCode::None }.code(),
        log_dir: cx.config.store.dirs.get(at).cloned().unwrap_or_default(),
        ..DescribeLogDirsResult::default()
    };
    (0..cx.directories.count()).map(told).collect()
}

fn everything(image: &Image) -> Vec<(Str, Vec<i32>)> {
    let topics = image.topics();
    topics.map(|topic| (topic.name.clone(), topic.partitions.iter().map(|(index, _)| *index).collect())).collect()
}

fn wanted_offset(timestamp: i64) -> Result<WantedOffset, ErrorCode> {
    match timestamp {
        -1 => Ok(WantedOffset::Latest),
        // Without tiers everything is local.
        -2 | -4 => Ok(WantedOffset::Earliest),
        -3 => Ok(WantedOffset::MaxTime),
        -5 | -6 => Ok(WantedOffset::Tiered),
        0.. => Ok(WantedOffset::AtTime(Wall(timestamp))),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

pub(super) fn fill_offset(
    response: &mut ListOffsetsResponse,
    version: i16,
    key: PartKey,
    outcome: Result<(Wall, Offset, LeaderEpoch), ErrorCode>,
) {
    let answer = &mut response.topics[key.topic as usize].partitions[key.partition as usize];
    match outcome {
        Ok((time, offset, epoch)) => {
            (answer.timestamp, answer.offset) = (time.0, offset.0);
            if version >= FIRST_WITH_EPOCHS {
                answer.leader_epoch = epoch.0;
            }
        }
        // Clients of before KIP-207 know another code for it.
        Err(ErrorCode::OffsetNotAvailable) if version < FIRST_WITH_NOT_AVAILABLE => {
            answer.error_code = ErrorCode::LeaderNotAvailable.code();
        }
        Err(error) => answer.error_code = error.code(),
    }
}

/// The first version of `ListOffsets` that tells leader epochs (KIP-320).
const FIRST_WITH_EPOCHS: i16 = 4;
/// The first whose clients know OFFSET_NOT_AVAILABLE (KIP-207).
const FIRST_WITH_NOT_AVAILABLE: i16 = 5;

pub(super) fn fill_epoch(
    response: &mut OffsetForLeaderEpochResponse,
    key: PartKey,
    outcome: Result<(LeaderEpoch, Offset), ErrorCode>,
) {
    let answer = &mut response.topics[key.topic as usize].partitions[key.partition as usize];
    match outcome {
        Ok((epoch, end)) => (answer.leader_epoch, answer.end_offset) = (epoch.0, end.0),
        Err(error) => answer.error_code = error.code(),
    }
}

pub(super) fn fill_trim(response: &mut DeleteRecordsResponse, key: PartKey, outcome: Result<Offset, ErrorCode>) {
    let answer = &mut response.topics[key.topic as usize].partitions[key.partition as usize];
    match outcome {
        Ok(start) => (answer.low_watermark, answer.error_code) = (start.0, ErrorCode::None.code()),
        Err(error) => answer.error_code = error.code(),
    }
}

pub(super) fn fill_producers(
    response: &mut DescribeProducersResponse,
    key: PartKey,
    outcome: Result<Vec<ActiveProducer>, ErrorCode>,
) {
    let answer = &mut response.topics[key.topic as usize].partitions[key.partition as usize];
    match outcome {
        Ok(producers) => {
            answer.active_producers = producers
                .into_iter()
                .map(|one| ProducerState {
                    producer_id: one.id.0,
                    producer_epoch: i32::from(one.epoch.0),
                    last_sequence: one.last_sequence,
                    last_timestamp: one.last_timestamp.0,
                    coordinator_epoch: -1,
                    current_txn_start_offset: -1,
                })
                .collect();
        }
        Err(error) => answer.error_code = error.code(),
    }
}

pub(super) fn fill_size(response: &mut DescribeLogDirsResponse, key: PartKey, outcome: Result<(u64, u64), ErrorCode>) {
    let count = response.results.len();
    let (at, topic) = (key.topic as usize % count, key.topic as usize / count);
    let answer = &mut response.results[at].topics[topic].partitions[key.partition as usize];
    // A log that cannot be measured is listed with what a missing one has; the directory's own error says more.
    let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
    answer.partition_size = outcome.map_or(-1, |(bytes, _)| number(bytes));
    answer.offset_lag = outcome.map_or(0, |(_, lag)| number(lag));
}

/// The time-out of DeleteRecords is meant for followers. What one replica needs to drop its records is never too long.
const DISK_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "offsets_test.rs"]
mod offsets_test;
