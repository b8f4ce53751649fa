//! What can be cut of a request: pieces off its front, and their answers put together again. Pure functions.
//!
//! The lists of a request are turned round first, so that a piece is taken off their ends and never moves what is left.

use crate::metadata::Image;
use crate::msg::describe_log_dirs::DescribableLogDirTopic;
use crate::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::msg::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseTopics};
use crate::msg::{Request, Response};
use crate::types::{Uuid, limit};
use alloc::vec::Vec;

/// What a request is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Measure<'a> {
    /// What is known.
    pub image: &'a Image,
    /// The version of the request.
    pub version: i16,
    /// What it may cost.
    pub most: usize,
    /// How many partitions a topic has if nobody says so.
    pub partitions_default: i32,
}

/// Does the request cost more than it may? One is a partition that is looked for and asked, about 4 µs. It is counted no
/// further than needed.
#[expect(clippy::too_many_lines, reason = "one arm an API")]
pub fn is_long(request: &Request, measure: &Measure<'_>) -> bool {
    let Measure { image, version, most, partitions_default } = *measure;
    match request {
        Request::Metadata(body) if is_of_all(body, version) => {
            exceeds(most, image.topics().map(|topic| of_topic(topic.partitions.len())))
        }
        Request::Metadata(body) => exceeds(most, body.topics.iter().flatten().map(|topic| of_metadata(image, topic))),
        Request::DescribeConfigs(body) => exceeds(most, body.resources.iter().map(|_| DESCRIBED)),
        Request::ListOffsets(body) => exceeds(most, body.topics.iter().map(|topic| 1 + topic.partitions.len())),
        Request::OffsetForLeaderEpoch(body) => {
            exceeds(most, body.topics.iter().map(|topic| 1 + topic.partitions.len()))
        }
        Request::DeleteRecords(body) => exceeds(most, body.topics.iter().map(|topic| 1 + topic.partitions.len())),
        Request::DescribeProducers(body) => {
            exceeds(most, body.topics.iter().map(|topic| 1 + topic.partition_indexes.len()))
        }
        Request::DescribeLogDirs(body) => match &body.topics {
            Some(topics) => exceeds(most, topics.iter().map(|topic| 1 + topic.partitions.len())),
            None => exceeds(most, image.topics().map(|topic| 1 + topic.partitions.len())),
        },
        // What is refused as a whole must be seen as a whole.
        Request::CreateTopics(body) => {
            let asked = body.topics.iter().map(|topic| match topic.assignments.len() {
                0 if topic.num_partitions < 0 => i64::from(partitions_default),
                0 => i64::from(topic.num_partitions),
                assigned => assigned as i64,
            });
            let is_refused = asked.sum::<i64>() > limit::PARTITIONS_PER_REQUEST_MAX;
            !is_refused && exceeds(most, body.topics.iter().map(|_| CREATED))
        }
        Request::DeleteTopics(body) => body.topics.len() + body.topic_names.len() > most,
        Request::CreatePartitions(body) => {
            let asked: i64 = body.topics.iter().map(|topic| i64::from(topic.count)).sum();
            asked <= limit::PARTITIONS_PER_REQUEST_MAX && exceeds(most, body.topics.iter().map(|_| CREATED))
        }
        Request::AlterConfigs(body) => exceeds(most, body.resources.iter().map(|one| ALTERED + one.configs.len())),
        Request::IncrementalAlterConfigs(body) => {
            exceeds(most, body.resources.iter().map(|one| ALTERED + one.configs.len()))
        }
        Request::DescribeGroups(body) => exceeds(most, body.groups.iter().map(|_| GROUP)),
        Request::DeleteGroups(body) => exceeds(most, body.groups_names.iter().map(|_| GROUP)),
        Request::OffsetFetch(body) => {
            let old = body.topics.iter().flatten().map(|topic| 1 + topic.partition_indexes.len());
            let groups = body.groups.iter().map(|group| {
                let topics = group.topics.iter().flatten().map(|topic| 1 + topic.partition_indexes.len());
                GROUP + topics.sum::<usize>()
            });
            exceeds(most, old.chain(groups))
        }
        Request::OffsetDelete(body) => exceeds(most, body.topics.iter().map(|topic| 1 + topic.partitions.len())),
        // These are short, or what they ask belongs together.
        Request::Produce(_)
        | Request::Fetch(_)
        | Request::OffsetCommit(_)
        | Request::FindCoordinator(_)
        | Request::JoinGroup(_)
        | Request::Heartbeat(_)
        | Request::ConsumerGroupHeartbeat(_)
        | Request::LeaveGroup(_)
        | Request::SyncGroup(_)
        | Request::ListGroups(_)
        | Request::ApiVersions(_)
        | Request::InitProducerId(_)
        | Request::AddRaftVoter(_)
        | Request::RemoveRaftVoter(_)
        | Request::UpdateRaftVoter(_)
        | Request::UpdateFeatures(_)
        | Request::DescribeQuorum(_)
        | Request::Vote(_)
        | Request::BeginQuorumEpoch(_)
        | Request::EndQuorumEpoch(_)
        | Request::AlterPartition(_)
        | Request::ElectLeaders(_)
        | Request::AlterPartitionReassignments(_)
        | Request::ListPartitionReassignments(_)
        | Request::UnregisterBroker(_)
        | Request::BrokerRegistration(_)
        | Request::BrokerHeartbeat(_)
        | Request::AllocateProducerIds(_)
        | Request::AlterReplicaLogDirs(_)
        | Request::AssignReplicasToDirs(_)
        | Request::DescribeCluster(_)
        | Request::ListConfigResources(_)
        | Request::DescribeTopicPartitions(_) => false,
    }
}

/// Prepares a request for being cut: "all topics" are named, and lists stand on their heads.
pub fn turn(request: &mut Request, version: i16, image: &Image) {
    match request {
        Request::Metadata(body) => {
            if is_of_all(body, version) {
                let named = |name| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name) };
                body.topics = Some(image.topics().map(|topic| named(topic.name.clone())).collect());
            }
            body.topics.iter_mut().for_each(|topics| topics.reverse());
        }
        Request::DescribeConfigs(body) => body.resources.reverse(),
        Request::ListOffsets(body) => over(&mut body.topics, |topic| topic.partitions.reverse()),
        Request::OffsetForLeaderEpoch(body) => over(&mut body.topics, |topic| topic.partitions.reverse()),
        Request::DeleteRecords(body) => over(&mut body.topics, |topic| topic.partitions.reverse()),
        Request::DescribeProducers(body) => over(&mut body.topics, |topic| topic.partition_indexes.reverse()),
        Request::DescribeLogDirs(body) => {
            let all = || {
                image.topics().map(|topic| DescribableLogDirTopic {
                    topic: topic.name.clone(),
                    partitions: topic.partitions.iter().map(|(index, _)| *index).collect(),
                })
            };
            over(body.topics.get_or_insert_with(|| all().collect()), |topic| topic.partitions.reverse());
        }
        Request::CreateTopics(body) => body.topics.reverse(),
        Request::DeleteTopics(body) => {
            body.topics.reverse();
            body.topic_names.reverse();
        }
        Request::CreatePartitions(body) => body.topics.reverse(),
        Request::AlterConfigs(body) => body.resources.reverse(),
        Request::IncrementalAlterConfigs(body) => body.resources.reverse(),
        Request::DescribeGroups(body) => body.groups.reverse(),
        Request::DeleteGroups(body) => body.groups_names.reverse(),
        Request::OffsetFetch(body) => {
            body.topics.iter_mut().for_each(|topics| over(topics, |topic| topic.partition_indexes.reverse()));
            over(&mut body.groups, |group| {
                group.topics.iter_mut().for_each(|topics| over(topics, |topic| topic.partition_indexes.reverse()));
            });
        }
        Request::OffsetDelete(body) => over(&mut body.topics, |topic| topic.partitions.reverse()),
        other => unreachable!("never cut: {other:?}"),
    }
}

/// Takes a piece off a list that stands on its head, and makes a request of it that is otherwise like the whole.
macro_rules! piece {
    ($kind:ident, $most:ident, $body:ident, $list:ident, $take:ident($($how:expr)?)) => {{
        let mut rest = core::mem::take(&mut $body.$list);
        let mut piece = $body.clone();
        piece.$list = $take(&mut rest, $most $(, $how)?);
        let is_last = rest.is_empty();
        $body.$list = rest;
        (Request::$kind(piece), is_last)
    }};
}

/// The same where the list may be null.
macro_rules! piece_of_some {
    ($kind:ident, $most:ident, $body:ident, $list:ident, $take:ident($($how:expr)?)) => {{
        let mut rest = $body.$list.take().unwrap_or_default();
        let mut piece = $body.clone();
        piece.$list = Some($take(&mut rest, $most $(, $how)?));
        let is_last = rest.is_empty();
        $body.$list = Some(rest);
        (Request::$kind(piece), is_last)
    }};
}

/// The next piece of a turned request, of about this cost, and whether it is the last.
pub fn next(request: &mut Request, image: &Image, most: usize) -> (Request, bool) {
    match request {
        Request::Metadata(body) => {
            piece_of_some!(Metadata, most, body, topics, some(|topic| of_metadata(image, topic)))
        }
        Request::DescribeConfigs(body) => piece!(DescribeConfigs, most, body, resources, some(|_| DESCRIBED)),
        Request::ListOffsets(body) => piece!(ListOffsets, most, body, topics, nested(|it| &mut it.partitions)),
        Request::OffsetForLeaderEpoch(body) => {
            piece!(OffsetForLeaderEpoch, most, body, topics, nested(|it| &mut it.partitions))
        }
        Request::DeleteRecords(body) => {
            piece!(DeleteRecords, most, body, topics, nested(|it| &mut it.partitions))
        }
        Request::DescribeProducers(body) => {
            piece!(DescribeProducers, most, body, topics, nested(|it| &mut it.partition_indexes))
        }
        Request::DescribeLogDirs(body) => {
            piece_of_some!(DescribeLogDirs, most, body, topics, nested(|it| &mut it.partitions))
        }
        Request::CreateTopics(body) => piece!(CreateTopics, most, body, topics, some(|_| CREATED)),
        Request::DeleteTopics(body) if body.topic_names.is_empty() => {
            piece!(DeleteTopics, most, body, topics, some(|_| 1))
        }
        // No version has names beside ids.
        Request::DeleteTopics(body) => piece!(DeleteTopics, most, body, topic_names, some(|_| 1)),
        Request::CreatePartitions(body) => piece!(CreatePartitions, most, body, topics, some(|_| CREATED)),
        Request::AlterConfigs(body) => {
            piece!(AlterConfigs, most, body, resources, some(|one| ALTERED + one.configs.len()))
        }
        Request::IncrementalAlterConfigs(body) => {
            piece!(IncrementalAlterConfigs, most, body, resources, some(|one| ALTERED + one.configs.len()))
        }
        Request::DescribeGroups(body) => piece!(DescribeGroups, most, body, groups, some(|_| GROUP)),
        Request::DeleteGroups(body) => piece!(DeleteGroups, most, body, groups_names, some(|_| GROUP)),
        Request::OffsetFetch(body) if body.groups.is_empty() => {
            piece_of_some!(OffsetFetch, most, body, topics, nested(|it| &mut it.partition_indexes))
        }
        Request::OffsetFetch(body) => piece!(OffsetFetch, most, body, groups, groups()),
        Request::OffsetDelete(body) => piece!(OffsetDelete, most, body, topics, nested(|it| &mut it.partitions)),
        other => unreachable!("never cut: {other:?}"),
    }
}

/// Puts the answer to the next piece behind what was answered before. A topic that was cut in two is one again.
pub fn join(whole: &mut Response, piece: Response) {
    match (whole, piece) {
        (Response::Metadata(whole), Response::Metadata(piece)) => whole.topics.extend(piece.topics),
        (Response::DescribeConfigs(whole), Response::DescribeConfigs(piece)) => whole.results.extend(piece.results),
        (Response::ListOffsets(whole), Response::ListOffsets(piece)) => {
            glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
        }
        (Response::OffsetForLeaderEpoch(whole), Response::OffsetForLeaderEpoch(piece)) => {
            glue(&mut whole.topics, piece.topics, |a, b| a.topic == b.topic, |it| &mut it.partitions);
        }
        (Response::DeleteRecords(whole), Response::DeleteRecords(piece)) => {
            glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
        }
        (Response::DescribeProducers(whole), Response::DescribeProducers(piece)) => {
            glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
        }
        (Response::DescribeLogDirs(whole), Response::DescribeLogDirs(piece)) => {
            // One for each directory, in the same order.
            for (whole, piece) in whole.results.iter_mut().zip(piece.results) {
                glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
            }
        }
        (Response::CreateTopics(whole), Response::CreateTopics(piece)) => whole.topics.extend(piece.topics),
        (Response::DeleteTopics(whole), Response::DeleteTopics(piece)) => whole.responses.extend(piece.responses),
        (Response::CreatePartitions(whole), Response::CreatePartitions(piece)) => whole.results.extend(piece.results),
        (Response::AlterConfigs(whole), Response::AlterConfigs(piece)) => whole.responses.extend(piece.responses),
        (Response::IncrementalAlterConfigs(whole), Response::IncrementalAlterConfigs(piece)) => {
            whole.responses.extend(piece.responses);
        }
        (Response::DescribeGroups(whole), Response::DescribeGroups(piece)) => whole.groups.extend(piece.groups),
        (Response::DeleteGroups(whole), Response::DeleteGroups(piece)) => whole.results.extend(piece.results),
        (Response::OffsetFetch(whole), Response::OffsetFetch(piece)) => {
            whole.error_code = first_error(whole.error_code, piece.error_code);
            glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
            for mut group in piece.groups {
                match whole.groups.last_mut().filter(|last| last.group_id == group.group_id) {
                    Some(last) => {
                        last.error_code = first_error(last.error_code, group.error_code);
                        let is_one = |a: &OffsetFetchResponseTopics, b: &OffsetFetchResponseTopics| {
                            (&a.name, a.topic_id) == (&b.name, b.topic_id)
                        };
                        let topics = core::mem::take(&mut group.topics);
                        glue(&mut last.topics, topics, is_one, |it| &mut it.partitions);
                    }
                    None => whole.groups.push(group),
                }
            }
        }
        (Response::OffsetDelete(whole), Response::OffsetDelete(piece)) => {
            whole.error_code = first_error(whole.error_code, piece.error_code);
            glue(&mut whole.topics, piece.topics, |a, b| a.name == b.name, |it| &mut it.partitions);
        }
        (whole, piece) => unreachable!("pieces are answered alike: {whole:?} {piece:?}"),
    }
}

fn is_of_all(body: &MetadataRequest, version: i16) -> bool {
    body.topics.as_ref().is_none_or(|topics| topics.is_empty() && version == 0)
}

fn of_metadata(image: &Image, topic: &MetadataRequestTopic) -> usize {
    let found = match &topic.name {
        Some(name) => image.topic_named(name),
        None => image.topic(topic.topic_id),
    };
    of_topic(found.map_or(0, |topic| topic.partitions.len()))
}

/// What is known already is told much faster than anything can be asked.
fn of_topic(partitions: usize) -> usize {
    1 + partitions / 8
}

fn exceeds(most: usize, mut costs: impl Iterator<Item = usize>) -> bool {
    let mut left = most;
    costs.any(|cost| {
        let is_over = cost > left;
        left = left.saturating_sub(cost);
        is_over
    })
}

fn over<T>(list: &mut [T], each: impl FnMut(&mut T)) {
    list.reverse();
    list.iter_mut().for_each(each);
}

/// Items worth a piece off the end of a turned list, in their first order.
fn some<T>(rest: &mut Vec<T>, most: usize, cost: impl Fn(&T) -> usize) -> Vec<T> {
    let mut taken = Vec::new();
    let mut spent = 0;
    while spent < most {
        let Some(item) = rest.pop() else { break };
        spent += cost(&item);
        taken.push(item);
    }
    taken
}

/// The same for a list of lists. One that does not fit is cut in two.
fn nested<T: Clone, P>(rest: &mut Vec<T>, most: usize, inner: impl Fn(&mut T) -> &mut Vec<P>) -> Vec<T> {
    let mut taken = Vec::new();
    let mut left = most;
    while left > 0 {
        let Some(mut topic) = rest.pop() else { break };
        let mut items = core::mem::take(inner(&mut topic));
        let mut piece = topic.clone();
        let mut first = items.split_off(items.len().saturating_sub(left));
        first.reverse();
        left = left.saturating_sub(1 + first.len());
        *inner(&mut piece) = first;
        taken.push(piece);
        if !items.is_empty() {
            *inner(&mut topic) = items;
            rest.push(topic);
        }
    }
    taken
}

/// The same for groups, of which each has topics of its own, or wants all.
fn groups(rest: &mut Vec<OffsetFetchRequestGroup>, most: usize) -> Vec<OffsetFetchRequestGroup> {
    let Some(mut group) = rest.pop() else { return Vec::new() };
    let Some(mut topics) = group.topics.take() else { return alloc::vec![group] };
    let mut piece = group.clone();
    piece.topics = Some(nested(&mut topics, most, |topic| &mut topic.partition_indexes));
    if !topics.is_empty() {
        group.topics = Some(topics);
        rest.push(group);
    }
    alloc::vec![piece]
}

fn glue<T, P>(
    whole: &mut Vec<T>,
    piece: Vec<T>,
    is_one: impl Fn(&T, &T) -> bool,
    inner: impl Fn(&mut T) -> &mut Vec<P>,
) {
    let mut piece = piece.into_iter();
    if let Some(mut first) = piece.next() {
        match whole.last_mut().filter(|last| is_one(last, &first)) {
            Some(last) => inner(last).append(inner(&mut first)),
            None => whole.push(first),
        }
    }
    whole.extend(piece);
}

fn first_error(before: i16, now: i16) -> i16 {
    if before == 0 { now } else { before }
}

/// A topic that is created, with one partition.
const CREATED: usize = 5;
/// A resource whose settings are described.
const DESCRIBED: usize = 15;
/// A resource whose settings are altered, without them.
const ALTERED: usize = 5;
/// A group that is described or deleted.
const GROUP: usize = 2;

#[cfg(test)]
#[path = "cut_test.rs"]
mod cut_test;
