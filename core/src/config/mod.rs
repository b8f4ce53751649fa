//! Every setting of a broker, typed. Built once by [`Config::read`], which finds all mistakes before it gives up; after
//! that nobody meets a value that is not allowed.

mod accepted_keys;
mod broker_keys;
mod keys;
mod listener;
mod quorum;
mod read;
mod throttled;
mod topic;
mod topic_keys;

pub(crate) use keys::items;
pub use keys::{Key, Kind, Update, broker_key, broker_keys};
pub use listener::{Address, Listener};
pub use read::{Mistake, Notice, Setting};
pub use throttled::Throttled;
pub use topic::{Overrides, TopicConfig, topic_value};
pub use topic_keys::{Synonym, synonyms, topic_key, topic_keys};

use crate::types::{BrokerId, Str};
use alloc::vec::Vec;
use core::time::Duration;

/// All settings of one broker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// Who this broker is.
    pub broker: BrokerConfig,
    /// What connections may ask of us.
    pub conn: ConnConfig,
    /// How data is kept.
    pub store: StoreConfig,
    /// How topics come and go.
    pub topics: TopicsConfig,
    /// What a topic has that sets nothing of its own.
    pub topic: TopicConfig,
    /// Bounds of Fetch.
    pub fetch: FetchConfig,
    /// Classic groups.
    pub group: GroupConfig,
    /// Committed offsets.
    pub offsets: OffsetsConfig,
    /// Idempotent producers.
    pub producer: ProducerConfig,
    /// The metadata quorum.
    pub quorum: QuorumConfig,
    /// How replicas follow their leader.
    pub replica: ReplicaConfig,
    /// Who leads partitions.
    pub leaders: LeadersConfig,
    /// Where what happens to the node is recorded; none records nothing.
    pub flight: Option<FlightConfig>,
    /// What was set at start, sorted by key, each key once: for DescribeConfigs.
    given: Vec<Setting>,
    /// The same with dynamic settings on top: what the typed values were read from.
    settings: Vec<Setting>,
}

/// Who this broker is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BrokerConfig {
    /// `node.id`.
    pub id: BrokerId,
    /// `broker.rack`.
    pub rack: Option<Str>,
    /// `listeners`, with what `advertised.listeners` says of them: those for clients, of which there is one at least, then
    /// those of controllers.
    pub listeners: Vec<Listener>,
    /// `process.roles`.
    pub roles: Roles,
    /// `inter.broker.listener.name`, in capitals: through the listener of this name brokers reach each other, whoever of
    /// them it is. This broker has one, which is for clients and advertised.
    pub inter_broker_listener: Str,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `broker.session.timeout.ms`: a broker that the controller has not heard from for so long is fenced.
    pub session_timeout: Duration,
    /// `ottla.lanes`.
    pub lanes: usize,
}

/// What a process is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Roles {
    /// It keeps logs and serves clients; the controller is another node.
    Broker,
    /// It may vote in the metadata quorum, and that is all.
    Controller,
    /// Both in one.
    BrokerAndController,
}

impl Roles {
    /// May this process have a vote in the metadata quorum?
    pub fn is_controller(self) -> bool {
        match self {
            Self::Broker => false,
            Self::Controller | Self::BrokerAndController => true,
        }
    }

    /// Does it keep logs and serve clients?
    pub fn is_broker(self) -> bool {
        match self {
            Self::Controller => false,
            Self::Broker | Self::BrokerAndController => true,
        }
    }
}

/// What connections may ask of us.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConnConfig {
    /// `socket.request.max.bytes`: a longer frame closes the connection.
    pub request_bytes_max: u32,
    /// `queued.max.requests`, over all connections.
    pub requests_queued_max: u32,
    /// `queued.max.request.bytes`, over all connections; `None` sets no bound beyond the driver's own.
    pub request_bytes_queued_max: Option<u64>,
    /// `connections.max.idle.ms`; `None` closes none.
    pub idle_max: Option<Duration>,
    /// `max.connections`.
    pub connections_max: u32,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: u32,
    /// `ottla.http.listener`.
    pub http: Option<Address>,
}

/// How data is kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StoreConfig {
    /// `log.dirs`, else `log.dir`: one at least, each once. The metadata are in the first.
    pub dirs: Vec<Str>,
    /// `ottla.durability`.
    pub durability: Durability,
    /// `ottla.journal.bytes`.
    pub journal_bytes: u64,
    /// `ottla.cache.bytes`.
    pub cache_bytes: u64,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Durability {
    /// The record is on the device.
    Durable,
    /// The record is with the operating system, which writes it when it likes.
    Relaxed,
}

/// How topics come and go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TopicsConfig {
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete: bool,
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
}

/// Bounds of Fetch and of long answers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FetchConfig {
    /// `fetch.max.bytes`.
    pub bytes_max: u32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub sessions_max: u32,
    /// `max.request.partition.size.limit`.
    pub described_partitions_max: u32,
}

/// Classic groups.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub size_max: u32,
}

/// Committed offsets and the topic they are kept in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OffsetsConfig {
    /// `offsets.retention.minutes`.
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`.
    pub metadata_bytes_max: u32,
    /// `offsets.topic.num.partitions`.
    pub partitions: i32,
    /// `offsets.topic.replication.factor`, if somebody set it; else as many as there are brokers, up to three.
    pub replication_factor: Option<i16>,
    /// `offsets.topic.segment.bytes`.
    pub segment_bytes: u32,
}

/// Idempotent producers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ProducerConfig {
    /// `producer.id.expiration.ms`.
    pub id_expiry: Duration,
}

/// Who leads partitions, as their controller sees to it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LeadersConfig {
    /// `auto.leader.rebalance.enable`.
    pub rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub check_interval: Duration,
}

/// Where what happens to the node is recorded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlightConfig {
    /// `ottla.flight.dir`.
    pub dir: Str,
    /// `ottla.flight.bytes`: a recording ends before it is longer.
    pub bytes_max: u64,
}

/// The metadata quorum.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct QuorumConfig {
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout: Duration,
    /// `controller.quorum.election.backoff.max.ms`: the longest pause between two elections.
    pub election_backoff_max: Duration,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_bytes_between: u64,
    /// `controller.quorum.voters`; empty on a node that is its own controller and tells nobody.
    pub voters: Vec<QuorumVoter>,
    /// `controller.quorum.bootstrap.servers`: where controllers are found that come and go (KIP-853).
    pub bootstrap: Vec<Address>,
    /// `controller.quorum.auto.join.enable`: a controller that finds itself without a vote joins (KIP-1186).
    pub may_join: bool,
    /// `controller.quorum.fetch.timeout.ms`: whoever follows the metadata log looks for its leader again after so long
    /// without an answer.
    pub fetch_timeout: Duration,
    /// `controller.quorum.request.timeout.ms`: how long an answer from the quorum is waited for.
    pub request_timeout: Duration,
    /// `controller.quorum.retry.backoff.ms`: the pause before a request to the quorum is made again.
    pub retry_backoff: Duration,
}

/// A voter of the metadata quorum, and where it listens for controllers and brokers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct QuorumVoter {
    /// Its node id.
    pub id: BrokerId,
    /// Its host: a name, an IPv4 or an IPv6 address without brackets.
    pub host: Str,
    /// Its port, which is not 0.
    pub port: u16,
}

/// How replicas follow their leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReplicaConfig {
    /// `replica.lag.time.max.ms`: a replica that has not caught up for so long is no longer in sync.
    pub lag_max: Duration,
    /// `replica.fetch.max.bytes`, of one partition.
    pub fetch_bytes_max: u32,
    /// `replica.fetch.response.max.bytes`, of all partitions together.
    pub response_bytes_max: u32,
    /// `replica.fetch.min.bytes`: fewer are waited for.
    pub fetch_bytes_min: u32,
    /// `replica.fetch.wait.max.ms`: how long.
    pub fetch_wait: Duration,
    /// `replica.fetch.backoff.ms`: the pause after a fetch that went wrong.
    pub backoff: Duration,
    /// `replica.selector.class`: a consumer is sent to an in-sync follower of its rack.
    pub reads_by_rack: bool,
    /// `leader.replication.throttled.rate`, in bytes a second.
    pub leader_rate: u64,
    /// `follower.replication.throttled.rate`, in bytes a second.
    pub follower_rate: u64,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub move_rate: u64,
}

impl Config {
    /// Reads settings, of which a later one replaces an earlier one of the same key. Notices are for people: settings
    /// that change nothing here and keys that nobody knows. The error holds every mistake there is.
    pub fn read(settings: impl IntoIterator<Item = Setting>) -> Result<(Self, Vec<Notice>), Vec<Mistake>> {
        read::read(settings.into_iter().collect())
    }

    /// What was set at start with other settings on top: the dynamic ones of the metadata log, the weaker first. Those
    /// of an earlier call are gone. Where it listens and is told to be reached stays as the shell has filled it in.
    pub fn overlaid(&self, dynamic: impl IntoIterator<Item = Setting>) -> Result<Self, Vec<Mistake>> {
        let all = self.given.iter().cloned().chain(dynamic).collect();
        let (mut config, _) = read::read(all)?;
        config.broker.listeners = self.broker.listeners.clone();
        Ok(Self { given: self.given.clone(), ..config })
    }

    /// Everything that was set at start: to read it once more gives this very configuration, but for what the shell filled in.
    pub fn all_given(&self) -> &[Setting] {
        &self.given
    }

    /// The text that a broker setting was given at start; `None` if it was not.
    pub fn given(&self, key: &str) -> Option<&Str> {
        read::lookup(&self.given, key).map(|setting| &setting.value)
    }
}

impl Default for Config {
    /// What a broker is that was told nothing.
    fn default() -> Self {
        read::read(Vec::new()).expect("the defaults are allowed").0
    }
}

#[cfg(test)]
#[path = "config_test.rs"]
mod config_test;
