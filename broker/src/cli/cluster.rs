//! A cluster as the tools see it: who leads what, and a connection to whoever is asked.

use super::Done;
use super::mistake::{Mistake, check};
use super::remote::Remote;
use ottla_core::msg::Response;
use ottla_core::msg::find_coordinator::FindCoordinatorRequest;
use ottla_core::msg::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic};
use ottla_core::types::ErrorCode;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The brokers of a cluster, reached from those that were named.
pub struct Cluster {
    bootstrap: String,
    first: Option<Remote>,
    /// What the last Metadata answer says of them.
    addresses: BTreeMap<i32, String>,
    others: BTreeMap<i32, Remote>,
    /// How long it is worth while to ask again.
    patience: Duration,
}

impl Cluster {
    /// Reaches a cluster through the first of these brokers that answers.
    pub fn connect(bootstrap: &str) -> Done<Self> {
        let (addresses, others) = (BTreeMap::new(), BTreeMap::new());
        let mut cluster = Self { bootstrap: bootstrap.into(), first: None, addresses, others, patience: PATIENCE };
        cluster.any()?;
        Ok(cluster)
    }

    /// The same, but asks again for so long only.
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A broker that was named.
    pub fn any(&mut self) -> Done<&mut Remote> {
        if self.first.is_none() {
            let mut last = Mistake::new("no broker is named").then("use --bootstrap-server HOST:PORT");
            for address in self.bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty()) {
                match Remote::connect(address) {
                    Ok(remote) => {
                        self.first = Some(remote);
                        break;
                    }
                    Err(mistake) => last = mistake,
                }
            }
            if self.first.is_none() {
                return Err(last);
            }
        }
        Ok(self.first.as_mut().expect("it was just put there"))
    }

    /// The broker of this number.
    pub fn broker(&mut self, id: i32) -> Done<&mut Remote> {
        if !self.addresses.contains_key(&id) {
            self.metadata(Some(&[]), false)?;
        }
        if !self.others.contains_key(&id) {
            let address = self.addresses.get(&id);
            let address = address.ok_or_else(|| Mistake::lost(format!("the cluster names no broker {id}")))?;
            let remote = Remote::connect(address)?;
            self.others.insert(id, remote);
        }
        Ok(self.others.get_mut(&id).expect("it was just put there"))
    }

    /// The numbers of all brokers.
    pub fn brokers(&mut self) -> Done<Vec<i32>> {
        self.metadata(Some(&[]), false)?;
        Ok(self.addresses.keys().copied().collect())
    }

    /// All connections are of no more use; the next request opens new ones.
    pub fn forget(&mut self) {
        self.first = None;
        self.others.clear();
    }

    /// Asks again and again for as long as the answer may still turn out well.
    pub fn patiently<T>(&mut self, mut ask: impl FnMut(&mut Self) -> Done<T>) -> Done<T> {
        let started = Instant::now();
        loop {
            match ask(self) {
                Err(mistake) if mistake.is_retriable() && started.elapsed() < self.patience => {
                    if super::interrupt::is_asked() {
                        return Err(Mistake::interrupted());
                    }
                    if mistake.is_lost() {
                        self.forget();
                    }
                    std::thread::sleep(PAUSE);
                }
                told => return told,
            }
        }
    }

    /// What the cluster says of these topics, or of all.
    pub fn metadata(&mut self, topics: Option<&[&str]>, may_create: bool) -> Done<MetadataResponse> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: may_create,
            ..Default::default()
        };
        let remote = self.any()?;
        let Response::Metadata(told) = remote.call(request)? else { return Err(remote.odd()) };
        check(told.error_code, None, "Metadata")?;
        self.addresses = told.brokers.iter().map(|one| (one.node_id, format!("{}:{}", one.host, one.port))).collect();
        Ok(told)
    }

    /// What the cluster says of one topic: its partitions by number, each with a leader.
    pub fn topic(&mut self, name: &str, may_create: bool) -> Done<MetadataResponseTopic> {
        self.patiently(|cluster| {
            let told = cluster.metadata(Some(&[name]), may_create)?;
            let topic = told.topics.into_iter().next();
            let mut topic = topic.ok_or_else(|| Mistake::odd(&cluster.bootstrap))?;
            // A retriable code means patience; only a topic that is being made can turn out to exist.
            let is_absent = topic.error_code == ErrorCode::UnknownTopicOrPartition.code() && !may_create;
            let checked = check(topic.error_code, None, &format!("topic {name}"));
            if is_absent {
                return Ok(Err(checked.expect_err("the code is an error")));
            }
            checked?;
            if topic.partitions.is_empty() {
                return Err(Mistake::odd(&cluster.bootstrap));
            }
            if topic.partitions.iter().any(|partition| partition.leader_id < 0) {
                check(ErrorCode::LeaderNotAvailable.code(), None, &format!("topic {name}"))?;
            }
            topic.partitions.sort_by_key(|partition| partition.partition_index);
            Ok(Ok(topic))
        })?
    }

    /// The offset of each partition at a time in milliseconds, or one of the special ones; −1 if nothing is so late.
    pub fn offsets(&mut self, topic: &MetadataResponseTopic, timestamp: i64) -> Done<BTreeMap<i32, i64>> {
        let name = topic.name.clone().unwrap_or_default();
        let mut leaders: BTreeMap<i32, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for one in &topic.partitions {
            let wanted = ListOffsetsPartition { partition_index: one.partition_index, timestamp, ..Default::default() };
            leaders.entry(one.leader_id).or_default().push(wanted);
        }
        let mut offsets = BTreeMap::new();
        for (leader, partitions) in leaders {
            let topics = vec![ListOffsetsTopic { name: name.clone(), partitions }];
            let request = ListOffsetsRequest { replica_id: -1, topics, timeout_ms: TIMEOUT_MS, ..Default::default() };
            let remote = self.broker(leader)?;
            let Response::ListOffsets(told) = remote.call(request)? else { return Err(remote.odd()) };
            for one in told.topics.into_iter().flat_map(|topic| topic.partitions) {
                check(one.error_code, None, &format!("{name}-{}", one.partition_index))?;
                offsets.insert(one.partition_index, one.offset);
            }
        }
        Ok(offsets)
    }

    /// The number of the broker that coordinates a group.
    pub fn coordinator(&mut self, group: &str) -> Done<i32> {
        self.patiently(|cluster| {
            let request = FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
            let remote = cluster.any()?;
            let Response::FindCoordinator(told) = remote.call(request)? else { return Err(remote.odd()) };
            let found = told.coordinators.into_iter().next().ok_or_else(|| remote.odd())?;
            check(found.error_code, found.error_message.as_deref(), &format!("group {group}"))?;
            cluster.metadata(Some(&[]), false)?;
            Ok(found.node_id)
        })
    }
}

/// `ListOffsets` for the first offset.
pub const EARLIEST: i64 = -2;
/// `ListOffsets` for the end.
pub const LATEST: i64 = -1;
/// What we allow a broker for an administrative request.
pub const TIMEOUT_MS: i32 = 30_000;
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
