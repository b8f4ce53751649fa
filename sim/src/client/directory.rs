//! What every client asks first: do my topics exist, what are their ids, and who leads their partitions?

use super::{Address, Cx};
use crate::model::LogName;
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use ottla_core::msg::{ApiKey, Response};
use ottla_core::types::{ErrorCode, Str};
use std::collections::BTreeMap;

/// The tag under which the question is asked.
pub const DIRECTORY: u64 = u64::MAX;

/// What a client was told of the cluster. Alone, a broker leads whatever there is.
#[derive(Default, Debug)]
pub struct Directory {
    brokers: BTreeMap<i32, Address>,
    leaders: BTreeMap<LogName, i32>,
    /// Where a consumer was sent by the leader, to read from a follower (KIP-392).
    followers: BTreeMap<LogName, i32>,
}

/// Asks for the metadata of these topics.
pub fn ask(cx: &mut Cx, topics: &[usize]) {
    let named = |topic: &usize| MetadataRequestTopic {
        name: Some(Str::from(cx.model.topics[*topic].name.as_str())),
        ..Default::default()
    };
    let topics = Some(topics.iter().map(named).collect());
    // Older versions cannot say that a topic shall not be made on the way.
    let allow_auto_topic_creation = cx.versions.of(ApiKey::Metadata) < 4;
    cx.ask(DIRECTORY, MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() });
}

impl Directory {
    /// Whether the answer says that all these topics are there, with a leader for each partition; in a cluster some may
    /// have none for a while. Learns their ids and their leaders.
    pub fn answered(&mut self, cx: &mut Cx, topics: &[usize], body: Response) -> bool {
        let Response::Metadata(MetadataResponse { brokers, topics: found, .. }) = body else { return false };
        let address = |port: i32| u16::try_from(port).unwrap_or(0);
        self.brokers =
            brokers.into_iter().map(|broker| (broker.node_id, (broker.host, address(broker.port)))).collect();
        let (model, versions) = (&mut *cx.model, cx.versions);
        let mut complete = 0;
        for answer in &found {
            let Some(topic) = answer.name.as_deref().and_then(|name| model.topic_named(name)) else { continue };
            if answer.error_code != ErrorCode::None.code() {
                model.mark("topics not ready");
                continue;
            }
            let known = &model.topics[topic];
            let counts = |partition: &&_| model.cluster || leader(partition) >= 0;
            if answer.partitions.iter().filter(counts).count() != known.partitions as usize {
                model.mark("topics not ready");
                continue;
            }
            for partition in &answer.partitions {
                self.leaders.insert(LogName { topic, partition: partition.partition_index }, leader(partition));
            }
            if versions.of(ApiKey::Metadata) >= 10 {
                match known.id {
                    Some(id) if id != answer.topic_id => {
                        let text = format!("{} had id {id} and has {}", known.name, answer.topic_id);
                        model.find("topics", text);
                    }
                    Some(_) => {}
                    None => model.topics[topic].id = Some(answer.topic_id),
                }
            }
            complete += 1;
        }
        complete == topics.len()
    }

    /// The partition is read at this follower from now on.
    pub fn sent_to(&mut self, log: LogName, follower: i32) {
        self.followers.insert(log, follower);
    }

    /// The partition is read at its leader again; true if it was not.
    pub fn back_to_leader(&mut self, log: LogName) -> bool {
        self.followers.remove(&log).is_some()
    }

    /// Whether the partition is read at a follower.
    pub fn is_at_follower(&self, log: LogName) -> bool {
        self.followers.contains_key(&log)
    }

    /// Whether the partition is led, or read, where this client is connected.
    pub fn is_here(&self, cx: &Cx, log: LogName) -> bool {
        !cx.model.cluster || self.home_of(log) == Some(cx.at)
    }

    /// Where the partition is led, or read, if that is somewhere else.
    pub fn elsewhere(&self, cx: &Cx, log: LogName) -> Option<Address> {
        let home = self.home_of(log).filter(|home| cx.model.cluster && *home != cx.at);
        home.cloned()
    }

    fn home_of(&self, log: LogName) -> Option<&Address> {
        // A follower that nobody knows any more is not gone to.
        let follower = self.followers.get(&log).and_then(|id| self.brokers.get(id));
        follower.or_else(|| self.brokers.get(self.leaders.get(&log)?))
    }
}

fn leader(partition: &ottla_core::msg::metadata::MetadataResponsePartition) -> i32 {
    partition.leader_id
}

#[cfg(test)]
#[path = "directory_test.rs"]
mod directory_test;
