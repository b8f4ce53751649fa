//! Metadata: who leads what, and where everybody is.

use super::{CLUSTER_OPERATIONS, Known, TOPIC_OPERATIONS, numbers};
use crate::metadata::{Partition, Topic, check_name, is_internal};
use crate::msg::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::types::{BrokerId, ErrorCode, Str, Uuid, limit};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// An answer to Metadata, and the topics that asking for them brings into being: they are answered as unknown, and the
/// client asks again.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MetadataAnswer {
    /// What is said.
    pub response: MetadataResponse,
    /// To be created through the controller, which knows their settings.
    pub create: Vec<Str>,
}

/// Answers Metadata.
pub fn metadata(known: &Known<'_>, request: &MetadataRequest) -> MetadataAnswer {
    let is_misshapen = request.topics.iter().flatten().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero());
    if is_misshapen && known.version < 12 {
        return MetadataAnswer { response: refused(request, ErrorCode::InvalidRequest), create: Vec::new() };
    }
    let mut answer = MetadataAnswer { response: cluster(known, request), create: Vec::new() };
    match wanted(known, request) {
        Wanted::All => answer.response.topics = known.image.topics().map(|one| topic(known, one)).collect(),
        Wanted::Ids(ids) => answer.response.topics = ids.into_iter().map(|id| topic_of_id(known, id)).collect(),
        Wanted::Names(names) => {
            let may_create = request.allow_auto_topic_creation && known.config.topics.auto_create;
            for name in names {
                match known.image.topic_named(&name) {
                    Some(one) => answer.response.topics.push(topic(known, one)),
                    None => {
                        answer.response.topics.push(unknown(&name));
                        if may_create && answer.create.len() < CREATED_AT_ONCE && check_name(&name).is_ok() {
                            answer.create.push(name.detached());
                        }
                    }
                }
            }
        }
    }
    if request.include_topic_authorized_operations && known.version >= 8 {
        let good = |topic: &&mut MetadataResponseTopic| topic.name.is_some();
        answer.response.topics.iter_mut().filter(good).for_each(|topic| {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        });
    }
    answer
}

/// The answer that refuses all of a request.
pub fn refused(request: &MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let topic = |topic: &crate::msg::metadata::MetadataRequestTopic| MetadataResponseTopic {
        error_code: error.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    let topics = request.topics.iter().flatten().map(topic).collect();
    MetadataResponse { topics, error_code: error.code(), ..MetadataResponse::default() }
}

/// More topics than these would be refused anyway: each has a partition at least.
const CREATED_AT_ONCE: usize = limit::PARTITIONS_PER_REQUEST_MAX as usize;

enum Wanted {
    All,
    Ids(Vec<Uuid>),
    Names(Vec<Str>),
}

fn wanted(known: &Known<'_>, request: &MetadataRequest) -> Wanted {
    let Some(topics) = &request.topics else { return Wanted::All };
    if topics.is_empty() && known.version == 0 {
        return Wanted::All;
    }
    let mut ids: Vec<Uuid> = topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        // As in Kafka, names beside ids are not looked at.
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        return Wanted::Ids(ids);
    }
    let mut seen = BTreeSet::new();
    let names = topics.iter().filter_map(|topic| topic.name.clone());
    Wanted::Names(names.filter(|name| seen.insert(name.clone())).collect())
}

fn cluster(known: &Known<'_>, request: &MetadataRequest) -> MetadataResponse {
    let brokers = known.alive().map(|(broker, endpoint)| MetadataResponseBroker {
        node_id: broker.id.0,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    });
    let mut response = MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(known.cluster_id.clone()),
        controller_id: known.controller(),
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations && (8..=10).contains(&known.version) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn topic(known: &Known<'_>, topic: &Arc<Topic>) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().map(|(index, one)| partition(known, *index, one));
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

fn topic_of_id(known: &Known<'_>, id: Uuid) -> MetadataResponseTopic {
    match known.image.topic(id) {
        Some(one) => topic(known, one),
        None => MetadataResponseTopic {
            error_code: ErrorCode::UnknownTopicId.code(),
            name: None,
            topic_id: id,
            ..MetadataResponseTopic::default()
        },
    }
}

fn unknown(name: &Str) -> MetadataResponseTopic {
    let error = match check_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    MetadataResponseTopic {
        error_code: error.code(),
        name: Some(name.clone()),
        is_internal: is_internal(name),
        ..MetadataResponseTopic::default()
    }
}

fn partition(known: &Known<'_>, index: i32, partition: &Partition) -> MetadataResponsePartition {
    // Version 0 leaves brokers that are down out of the lists and says so; later ones list everybody.
    let listed = |brokers: &[BrokerId]| {
        let all = numbers(brokers).into_iter();
        all.filter(|id| known.version > 0 || known.is_alive(BrokerId(*id))).collect::<Vec<i32>>()
    };
    let (replicas, isr) = (listed(&partition.replicas), listed(&partition.isr));
    let is_short = replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len();
    let leader = known.leader(partition);
    let error = match leader {
        Some(_) if is_short => ErrorCode::ReplicaNotAvailable,
        Some(_) => ErrorCode::None,
        None if known.image.broker(partition.leader).is_some() && known.version >= 6 => ErrorCode::ListenerNotFound,
        None => ErrorCode::LeaderNotAvailable,
    };
    MetadataResponsePartition {
        error_code: error.code(),
        partition_index: index,
        leader_id: leader.map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: replicas,
        isr_nodes: isr,
        offline_replicas: known.offline(partition),
    }
}
