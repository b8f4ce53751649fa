//! The read model of the cluster's metadata: what brokers answer from and controllers decide upon. Built by `apply` and
//! by nothing else, so that it is a function of the log.

use super::shared_map::SharedMap;
use crate::config::{Config, Mistake, Overrides, Setting, TopicConfig};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, Str, Uuid};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Everything that the metadata log says up to an offset. Cheap to clone: all that is large is shared.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Image {
    pub(super) end: Offset,
    pub(super) features: BTreeMap<Str, i16>,
    pub(super) brokers: SharedMap<BrokerId, Arc<Broker>>,
    pub(super) topics: SharedMap<Uuid, Arc<Topic>>,
    pub(super) ids: SharedMap<Str, Uuid>,
    /// Names that hold a `.` or a `_`, with the dots made underscores: two such names may not fold into one, since metric
    /// names would collide.
    pub(super) folded: SharedMap<Str, Uuid>,
    pub(super) settings: SharedMap<Resource, Arc<Overrides>>,
    pub(super) producer_id_next: i64,
}

/// One registered broker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Broker {
    /// Its number.
    pub id: BrokerId,
    /// Which registration this is.
    pub epoch: BrokerEpoch,
    /// Which start of its process.
    pub incarnation: Uuid,
    /// Where clients reach it.
    pub endpoints: Vec<Endpoint>,
    /// The ranges of feature levels that it supports.
    pub features: Vec<FeatureRange>,
    /// Where it stands.
    pub rack: Option<Str>,
    /// It may not lead, and clients are not told of it.
    pub fenced: bool,
    /// It is about to stop.
    pub in_controlled_shutdown: bool,
    /// Its data directories (KIP-858).
    pub directories: Vec<Uuid>,
    /// Those of them that take no new partitions (KIP-1066); `None` if it never said.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

/// One advertised address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// The listener's name.
    pub listener: Str,
    /// Host name or address.
    pub host: Str,
    /// Port.
    pub port: u16,
    /// Kafka's number of the security protocol; 0 is PLAINTEXT.
    pub protocol: i16,
}

/// The levels of one feature that somebody supports, both ends included.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FeatureRange {
    /// The feature.
    pub name: Str,
    /// The lowest level.
    pub first: i16,
    /// The highest level.
    pub last: i16,
}

/// One topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Topic {
    /// Its id, never reused.
    pub id: Uuid,
    /// Its name, unique while it exists.
    pub name: Str,
    /// Its partitions by index.
    pub partitions: SharedMap<i32, Arc<Partition>>,
}

/// One partition of a topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Partition {
    /// Who is to hold it, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The data directory of each replica; zero where its broker chooses.
    pub directories: Vec<Uuid>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas on their way out.
    pub removing: Vec<BrokerId>,
    /// Replicas on their way in.
    pub adding: Vec<BrokerId>,
    /// Replicas outside the ISR that hold everything committed (KIP-966).
    pub eligible: Vec<BrokerId>,
    /// Those that were eligible before they died unclean (KIP-966).
    pub last_eligible: Vec<BrokerId>,
    /// Who leads; [`BrokerId::NONE`] if nobody can.
    pub leader: BrokerId,
    /// The reign.
    pub leader_epoch: LeaderEpoch,
    /// Which state of the partition this is.
    pub partition_epoch: PartitionEpoch,
    /// The leader was elected unclean and has not recovered yet (KIP-704).
    pub recovering: bool,
}

/// What a setting belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Resource {
    /// Kafka's number of the kind.
    pub kind: i8,
    /// A topic's name, a broker's number, or nothing for all brokers.
    pub name: Str,
}

impl Resource {
    /// The kind of topics.
    pub const TOPIC: i8 = 2;
    /// The kind of brokers.
    pub const BROKER: i8 = 4;
    /// The kind of a broker's loggers, which we do not have.
    pub const BROKER_LOGGER: i8 = 8;
    /// The kind of subscriptions to client metrics, which we do not have.
    pub const CLIENT_METRICS: i8 = 16;
    /// The kind of groups, which have no settings of their own here.
    pub const GROUP: i8 = 32;

    /// What people call the resources of a kind: as Kafka names it, and its number.
    pub fn kind_shown(kind: i8) -> String {
        let name = match kind {
            Self::TOPIC => "topics",
            Self::BROKER => "brokers",
            Self::BROKER_LOGGER => "broker loggers",
            Self::CLIENT_METRICS => "client metrics",
            Self::GROUP => "groups",
            _ => "resources of an unknown kind",
        };
        format!("{name} (type {kind})")
    }

    /// The settings of a topic.
    pub fn topic(name: &Str) -> Self {
        Self { kind: Self::TOPIC, name: name.clone() }
    }

    /// The settings of one broker.
    pub fn broker(id: BrokerId) -> Self {
        Self { kind: Self::BROKER, name: Str::from(id.0.to_string()) }
    }

    /// The settings of all brokers.
    pub fn all_brokers() -> Self {
        Self { kind: Self::BROKER, name: Str::new() }
    }
}

impl Image {
    /// Do both say the same of the cluster? Where they end may differ: not every record of the log changes what it says.
    pub fn says_what(&self, other: &Self) -> bool {
        *self == Self { end: self.end, ..other.clone() }
    }

    /// The first offset of the log that the image does not know.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The same, when nothing that was written up to there has changed it.
    pub fn until(&self, end: Offset) -> Self {
        Self { end, ..self.clone() }
    }

    /// Finalized feature levels.
    pub fn features(&self) -> &BTreeMap<Str, i16> {
        &self.features
    }

    /// The registered broker with this number.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All registered brokers by number.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// The topic with this id.
    pub fn topic(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(&id)
    }

    /// The topic with this name.
    pub fn topic_named(&self, name: impl AsRef<[u8]>) -> Option<&Arc<Topic>> {
        self.topics.get(self.ids.get(name.as_ref())?)
    }

    /// All topics by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics_from("")
    }

    /// The topics whose names are not before this one, by name.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.ids.from(name.as_bytes()).map(|(_, id)| self.topics.get(id).expect("a named topic exists"))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The partition that a log holds.
    pub fn partition(&self, log: LogId) -> Option<&Arc<Partition>> {
        self.topic(log.topic)?.partitions.get(&log.partition)
    }

    /// The topic whose name folds into the same as this one: the same name, or one that would collide with it.
    pub fn collision(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(self.folded.get(fold(name)?.as_bytes())?)
    }

    /// What was set for a resource.
    pub fn settings(&self, resource: &Resource) -> Option<&Arc<Overrides>> {
        self.settings.get(resource)
    }

    /// Every resource that anything was set for.
    pub fn resources(&self) -> impl Iterator<Item = (&Resource, &Arc<Overrides>)> {
        self.settings.iter()
    }

    /// The typed settings of a topic. An error means that what was set is not allowed under these broker settings; it was
    /// when it was set.
    pub fn topic_config(&self, name: &Str, config: &Config) -> Result<TopicConfig, Vec<Mistake>> {
        match self.settings(&Resource::topic(name)) {
            Some(own) => TopicConfig::read(own, config),
            None => Ok(config.topic.clone()),
        }
    }

    /// The dynamic settings of a broker for [`Config::overlaid`]: those of all brokers, then its own.
    pub fn broker_settings(&self, id: BrokerId) -> [Vec<Setting>; 2] {
        let read = |resource: &Resource, origin: &'static str| {
            let all = self.settings(resource).into_iter().flat_map(|own| own.iter());
            let setting = |(key, value): (&Str, &Str)| Setting {
                key: key.clone(),
                value: value.clone(),
                origin: Str::from_static(origin),
            };
            all.map(setting).collect()
        };
        [
            read(&Resource::all_brokers(), "dynamic, for all brokers"),
            read(&Resource::broker(id), "dynamic, for this broker"),
        ]
    }

    /// The first producer id that was never given out.
    pub fn producer_id_next(&self) -> i64 {
        self.producer_id_next
    }
}

impl Broker {
    /// Its address at this listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == *listener)
    }

    /// May new replicas and leaders be put here?
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The directory of a new replica, if there is no choice; else the broker chooses.
    pub fn default_directory(&self) -> Uuid {
        match self.directories.as_slice() {
            [only] => *only,
            _ => Uuid::ZERO,
        }
    }

    /// Is a replica in this directory of the broker online? Zero is a directory not chosen yet. A broker that has one
    /// directory only has everything in there, also what was in another before its disk was replaced.
    pub fn has_online(&self, directory: Uuid) -> bool {
        directory.is_zero() || self.directories.is_empty() || self.directories.contains(&directory)
    }
}

impl Partition {
    /// The directory of this replica.
    pub fn directory_of(&self, broker: BrokerId) -> Uuid {
        let at = self.replicas.iter().position(|replica| *replica == broker);
        at.and_then(|at| self.directories.get(at)).copied().unwrap_or(Uuid::ZERO)
    }
}

impl Topic {
    /// True for the topics that brokers keep their own state in.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }
}

/// True for the names of topics that brokers keep their own state in.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// A name with its dots made underscores; `None` for names that cannot collide.
pub(super) fn fold(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}
