//! Replicas that change their data directory (KIP-113), and what the controller is told of it (KIP-858). The copying is the store's
//! business (store/moving.rs); here is who asks for it, and who is to know.
//!
//! | message | from | to | why |
//! |---|---|---|---|
//! | AlterReplicaLogDirs | a tool | the broker that has the replica | another directory |
//! | AssignReplicasToDirs | the broker | the controller | the replica is not where the metadata say |

use super::Node;
use super::cluster::From;
use crate::boundary::{Effect, Effects, MoveStage};
use crate::controller::Ask;
use crate::msg::Request;
use crate::msg::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use crate::msg::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, DirectoryData, PartitionData, TopicData};
use crate::node::calls::CallFor;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LogId, Mono, Now, Str, Ticket, Uuid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// Replicas of which the controller may not know in which directory they are. They stay here until the metadata say so.
#[derive(Clone, Hash, Debug, Default)]
pub struct Assigning {
    logs: BTreeSet<LogId>,
    /// Those of this broker that can be neither read nor written, each by itself.
    broken: BTreeSet<LogId>,
    /// Nothing is said before.
    at: Mono,
}

impl Assigning {
    /// One more.
    pub fn add(&mut self, log: LogId) {
        self.logs.insert(log);
    }

    /// The replica is of no use any more, though its directory is: who has the others is to lead.
    pub fn broke(&mut self, log: LogId, now: Mono) {
        self.broken.insert(log);
        self.add(log);
        self.at = now;
    }

    /// It is held no longer.
    pub fn forget(&mut self, log: LogId) {
        self.broken.remove(&log);
    }

    /// When the controller is told next.
    pub fn deadline(&self) -> Option<Mono> {
        (!self.logs.is_empty()).then_some(self.at)
    }
}

impl Node {
    /// Somebody wants replicas in other directories.
    pub(super) fn alter_log_dirs(&mut self, ticket: Ticket, body: AlterReplicaLogDirsRequest, out: &mut Effects) {
        let mut results: BTreeMap<Str, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
        for wanted in body.dirs {
            for topic in wanted.topics {
                for partition_index in topic.partitions {
                    let error = self.alter_log_dir(&wanted.path, &topic.name, partition_index, out);
                    let error_code = error.code();
                    let result = AlterReplicaLogDirPartitionResult { partition_index, error_code };
                    results.entry(topic.name.clone()).or_default().push(result);
                }
            }
        }
        let result = |(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions };
        let results = results.into_iter().map(result).collect();
        let body = Some(AlterReplicaLogDirsResponse { results, ..Default::default() }.into());
        out.push(Effect::Reply { ticket, body });
    }

    /// In the order in which Kafka looks at it.
    fn alter_log_dir(&mut self, path: &Str, topic: &Str, partition: i32, out: &mut Effects) -> ErrorCode {
        if topic.len() > TOPIC_MOVED_BYTES_MAX {
            return ErrorCode::InvalidTopicException;
        }
        let is_meant = |known: &Str| known.trim_end_matches('/') == path.trim_end_matches('/');
        let Some(at) = self.config.store.dirs.iter().position(is_meant) else { return ErrorCode::LogDirNotFound };
        if self.directories.is_lost(at) {
            return ErrorCode::KafkaStorageError;
        }
        let known = self.cluster.image().topic_named(topic);
        let Some((id, found)) = known.and_then(|topic| Some((topic.id, topic.partitions.get(&partition)?))) else {
            self.directories.wish(topic.clone(), partition, at);
            return ErrorCode::UnknownTopicOrPartition;
        };
        let log = LogId { topic: id, partition };
        if !found.replicas.contains(&self.config.broker.id) {
            self.directories.wish(topic.clone(), partition, at);
            return ErrorCode::ReplicaNotAvailable;
        }
        if self.directories.is_lost(self.directories.place_of(log)) {
            return ErrorCode::KafkaStorageError;
        }
        out.push(Effect::Move { log, directory: at });
        ErrorCode::None
    }

    /// The store tells what becomes of a move.
    pub(super) fn moved(&mut self, now: Now, log: LogId, directory: usize, stage: MoveStage) {
        match stage {
            MoveStage::Begun => self.directories.goes(log, Some(directory)),
            MoveStage::Ended => {
                self.directories.goes(log, None);
                // It may have yet to be claimed after a start.
                if let Some(found) = self.directories.found.get_mut(&log) {
                    found.directory = directory;
                }
                let me = self.config.broker.id;
                let is_held = self.cluster.image().partition(log).is_some_and(|one| one.replicas.contains(&me));
                if is_held && self.directories.place_of(log) != directory {
                    self.directories.holds(log, directory);
                    self.directories.assigning.add(log);
                    self.directories.assigning.at = now.mono;
                }
            }
        }
    }

    /// The store is told how much may be copied, once the settings of the cluster are known and whenever they change.
    pub(super) fn throttle_moves(&self, out: &mut Effects) {
        if self.directories.count() > 1 {
            out.push(Effect::MovesThrottled(self.config.replica.move_rate));
        }
    }

    /// Tells the controller where replicas are, if it is time.
    pub(super) fn assign(&mut self, now: Now, out: &mut Effects) {
        if self.directories.assigning.deadline().is_none_or(|at| at > now.mono) {
            return;
        }
        self.directories.assigning.at = now.mono + PAUSE;
        let (me, epoch) = (self.config.broker.id, self.cluster.epoch());
        let (image, directories) = (self.cluster.image(), &self.directories);
        let is_shared = |log: LogId| image.partition(log).is_some_and(|one| one.replicas.len() > 1);
        let place = |log: LogId| match directories.assigning.broken.contains(&log) && is_shared(log) {
            true => Uuid::LOST_DIRECTORY,
            false => directories.id(directories.place_of(log)),
        };
        let is_unknown = |log: &LogId| {
            let partition = image.partition(*log);
            partition.is_some_and(|one| one.replicas.contains(&me) && one.directory_of(me) != place(*log))
        };
        let logs: BTreeSet<LogId> = directories.assigning.logs.iter().copied().filter(is_unknown).collect();
        let mut by_directory: BTreeMap<Uuid, BTreeMap<Uuid, Vec<i32>>> = BTreeMap::new();
        for log in logs.iter().take(ASSIGNED_AT_ONCE_MAX) {
            let topics = by_directory.entry(place(*log)).or_default();
            topics.entry(log.topic).or_default().push(log.partition);
        }
        self.directories.assigning.logs = logs;
        if by_directory.is_empty() || epoch == BrokerEpoch::NONE {
            return;
        }
        let partition = |partition_index| PartitionData { partition_index };
        let topic = |(topic_id, of): (Uuid, Vec<i32>)| TopicData {
            topic_id,
            partitions: of.into_iter().map(partition).collect(),
        };
        let directory = |(id, topics): (Uuid, BTreeMap<Uuid, Vec<i32>>)| DirectoryData {
            id,
            topics: topics.into_iter().map(topic).collect(),
        };
        let directories = by_directory.into_iter().map(directory).collect();
        let body = AssignReplicasToDirsRequest { broker_id: me.0, broker_epoch: epoch.0, directories };
        let Some(line) = self.cluster.lease() else {
            return self.ask_controller(now, From::Nobody, &Ask::Assign(body), out);
        };
        // Whether it was heard the metadata will tell.
        let call = self.calls.begin(CallFor::Nobody);
        let wait = self.config.broker.session_timeout;
        out.push(Effect::Call { call, line, body: Request::AssignReplicasToDirs(body), wait });
    }

    /// A broker tells this controller where its replicas are. What comes over a connection that it has given up is no longer so.
    pub(super) fn assigned_by(
        &mut self,
        now: Now,
        ticket: Ticket,
        body: AssignReplicasToDirsRequest,
        out: &mut Effects,
    ) {
        if self.is_given_up(BrokerId(body.broker_id), ticket.conn) {
            return out.push(Effect::Hangup { conn: ticket.conn });
        }
        self.ask_controller(now, From::Client(ticket), &Ask::Assign(body), out);
    }
}

/// Kafka's copy lies in a folder whose name is longer than the topic's by a partition, an id and a word, and is at most 255 bytes.
const TOPIC_MOVED_BYTES_MAX: usize = 255 - "-2147483647.".len() - 32 - "-future".len();
/// So many replicas are told of in one request.
const ASSIGNED_AT_ONCE_MAX: usize = 2000;
/// After so long the controller is told again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "moves_test.rs"]
mod moves_test;
