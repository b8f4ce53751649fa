//! Requests that the image alone answers: pure functions from what is known and asked to what is said.
//!
//! | request | function |
//! |---|---|
//! | Metadata | [`metadata`] |
//! | DescribeCluster | [`describe_cluster`] |
//! | DescribeTopicPartitions | [`describe_topic_partitions`] |
//! | DescribeConfigs | [`describe_configs`] |
//! | ListConfigResources | [`list_config_resources`] |
//! | ListPartitionReassignments | [`list_reassignments`] |

mod cluster;
mod configs;
mod partitions;
mod reassignments;
mod resources;
mod topics;

pub use cluster::describe_cluster;
pub use configs::{describe_configs, effective_topic};
pub use partitions::describe_topic_partitions;
pub use reassignments::list_reassignments;
pub use resources::list_config_resources;
pub use topics::{MetadataAnswer, metadata, refused};

use super::{Broker, Endpoint, Image, Partition};
use crate::config::{Config, Listener};
use crate::types::{BrokerId, ListenerType, Str};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What an answer is made from, beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The metadata.
    pub image: &'a Image,
    /// This broker's settings.
    pub config: &'a Config,
    /// The cluster's id.
    pub cluster_id: &'a Str,
    /// Who leads the metadata quorum; [`BrokerId::NONE`] if this node does not know.
    pub leader: BrokerId,
    /// The name of the listener that the request came through: the answer tells addresses of that listener.
    pub listener: &'a str,
    /// Version of the API that the request was written in.
    pub version: i16,
}

impl<'a> Known<'a> {
    /// The listener that the request came through.
    fn own_listener(&self) -> Option<&'a Listener> {
        self.config.broker.listeners.iter().find(|listener| listener.name == *self.listener)
    }

    fn listener_type(&self) -> ListenerType {
        self.own_listener().map_or(ListenerType::Broker, |listener| listener.listener_type)
    }

    /// The brokers that clients may turn to, with their addresses.
    fn alive(&self) -> impl Iterator<Item = (&'a Arc<Broker>, &'a Endpoint)> {
        let listener = self.listener;
        let reach = move |broker: &'a Arc<Broker>| Some((broker, broker.endpoint(listener)?));
        self.image.brokers().filter(|broker| !broker.fenced).filter_map(reach)
    }

    fn is_alive(&self, broker: BrokerId) -> bool {
        self.image.broker(broker).is_some_and(|broker| !broker.fenced && broker.endpoint(self.listener).is_some())
    }

    /// Where clients send what is for the controller: Kafka names any living broker, which passes it on. We name the
    /// first.
    fn controller(&self) -> i32 {
        self.alive().next().map_or(-1, |(broker, _)| broker.id.0)
    }

    /// Whom a client can ask for this partition; `None` while nobody leads it or its leader has no such listener.
    fn leader(&self, partition: &Partition) -> Option<BrokerId> {
        self.image.broker(partition.leader)?.endpoint(self.listener).map(|_| partition.leader)
    }

    fn offline(&self, partition: &Partition) -> Vec<i32> {
        let is_offline = |id: &BrokerId| {
            let has_it = |broker: &Arc<Broker>| broker.has_online(partition.directory_of(*id));
            !self.is_alive(*id) || !self.image.broker(*id).is_some_and(has_it)
        };
        partition.replicas.iter().copied().filter(is_offline).map(|id| id.0).collect()
    }
}

/// All operations on a topic, as bits: whoever asks may do everything, since nobody is refused anything (KIP-430).
const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// All operations on the cluster, likewise.
const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

fn numbers(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| broker.0).collect()
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod answer_test;
