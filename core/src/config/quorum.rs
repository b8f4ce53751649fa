//! What ties a node to others: its roles, the voters of the metadata quorum, and how replicas follow their leader.

use super::keys::items;
use super::listener::Address;
use super::read::Reader;
use super::{BrokerConfig, QuorumConfig, QuorumVoter, ReplicaConfig, Roles};
use crate::types::{BrokerId, ListenerType};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `process.roles`.
pub(super) fn roles(reader: &mut Reader) -> Roles {
    let text = reader.text("process.roles").unwrap_or_default().to_string();
    let mut roles: Vec<&str> = items(&text).collect();
    roles.sort_unstable();
    match &roles[..] {
        ["broker", "controller"] => return Roles::BrokerAndController,
        ["broker"] => return Roles::Broker,
        ["controller"] => return Roles::Controller,
        _ => reader.mistake("process.roles", "broker, controller or broker,controller"),
    }
    Roles::BrokerAndController
}

/// The metadata quorum, as this broker sees it.
pub(super) fn read(reader: &mut Reader, broker: &BrokerConfig) -> QuorumConfig {
    const VOTERS: &str = "controller.quorum.voters";
    let text = reader.text(VOTERS).unwrap_or_default().to_string();
    const DOORS: &str = "controller.quorum.bootstrap.servers";
    let doors = reader.text(DOORS).unwrap_or_default().to_string();
    let bootstrap: Option<Vec<Address>> =
        items(&doors).map(|item| Address::parse(item).filter(Address::is_reachable)).collect();
    if bootstrap.is_none() {
        reader.mistake(DOORS, "HOST:PORT of controllers, addresses that others can connect to");
    }
    let voters: Option<Vec<QuorumVoter>> = items(&text).map(voter).collect();
    match voters.as_deref() {
        None => reader.mistake(VOTERS, "ID@HOST:PORT, an address that others can connect to"),
        Some(voters) => {
            if let Some(allowed) = disagreement(voters, !doors.is_empty(), broker) {
                reader.mistake(VOTERS, &allowed);
            }
        }
    }
    let has_door = broker.listeners.iter().any(|one| one.listener_type == ListenerType::Controller);
    if broker.roles.is_controller() && !(text.is_empty() && doors.is_empty()) && !has_door {
        reader.mistake("controller.listener.names", "the name of a listener: a voter is reached through it");
    }
    let bytes = reader.number_or_zero("metadata.log.max.record.bytes.between.snapshots");
    QuorumConfig {
        election_timeout: reader.millis("controller.quorum.election.timeout.ms"),
        election_backoff_max: reader.millis("controller.quorum.election.backoff.max.ms"),
        snapshot_bytes_between: bytes.unsigned_abs(),
        voters: voters.unwrap_or_default(),
        bootstrap: bootstrap.unwrap_or_default(),
        may_join: reader.flag("controller.quorum.auto.join.enable"),
        fetch_timeout: reader.millis("controller.quorum.fetch.timeout.ms"),
        request_timeout: reader.millis("controller.quorum.request.timeout.ms"),
        retry_backoff: reader.millis("controller.quorum.retry.backoff.ms"),
    }
}

fn voter(item: &str) -> Option<QuorumVoter> {
    let (id, address) = item.split_once('@')?;
    let id = id.parse().ok().filter(|id| *id >= 0)?;
    let Address { host, port } = Address::parse(address).filter(Address::is_reachable)?;
    Some(QuorumVoter { id: BrokerId(id), host, port })
}

/// What would have to be given where these cannot be the voters of a cluster that has this broker.
fn disagreement(voters: &[QuorumVoter], has_doors: bool, broker: &BrokerConfig) -> Option<String> {
    let id = broker.id.0;
    let is_named = voters.iter().any(|voter| voter.id == broker.id);
    let is_twice = |place: usize| voters[..place].iter().any(|other| other.id == voters[place].id);
    if (0..voters.len()).any(is_twice) {
        return Some("each voter once".to_string());
    }
    match broker.roles {
        Roles::Broker if voters.is_empty() && !has_doors => Some(
            "ID@HOST:PORT of each controller, or controller.quorum.bootstrap.servers where controllers come and go: process.roles has \
             this node as a broker only"
                .to_string(),
        ),
        Roles::Broker if is_named => Some(format!(
            "the controllers, and process.roles has this node, {id}, as a broker only: correct either, or node.id"
        )),
        Roles::Controller | Roles::BrokerAndController if !is_named && !voters.is_empty() => Some(format!(
            "this node, {id}, among the voters, since process.roles has it as a controller: correct either, or node.id"
        )),
        Roles::Broker | Roles::Controller | Roles::BrokerAndController => None,
    }
}

/// How replicas follow their leader. The ties between these settings are Kafka's.
pub(super) fn replica(reader: &mut Reader) -> ReplicaConfig {
    for name in PAUSES {
        if reader.number(name).is_some_and(|number| number < 1) {
            reader.mistake(name, "a whole number of at least 1");
        }
    }
    for other in ["replica.lag.time.max.ms", "replica.socket.timeout.ms"] {
        if reader.number("replica.fetch.wait.max.ms") > reader.number(other) {
            reader.mistake("replica.fetch.wait.max.ms", &format!("at most {other}"));
        }
    }
    if reader.number("broker.heartbeat.interval.ms") >= reader.number("broker.session.timeout.ms") {
        let allowed = "less than broker.session.timeout.ms, best a third of it: the broker would be fenced between two heartbeats";
        reader.mistake("broker.heartbeat.interval.ms", allowed);
    }
    let selector = reader.text("replica.selector.class").unwrap_or_default();
    let (is_empty, reads_by_rack) = (selector.is_empty(), selector == RACK_AWARE);
    if !is_empty && !reads_by_rack {
        reader.mistake("replica.selector.class", &format!("empty, or {RACK_AWARE}: other classes cannot be loaded"));
    }
    ReplicaConfig {
        lag_max: reader.millis("replica.lag.time.max.ms"),
        fetch_bytes_max: reader.count("replica.fetch.max.bytes"),
        response_bytes_max: reader.count("replica.fetch.response.max.bytes"),
        fetch_bytes_min: reader.count("replica.fetch.min.bytes"),
        fetch_wait: reader.millis("replica.fetch.wait.max.ms"),
        backoff: reader.millis("replica.fetch.backoff.ms"),
        reads_by_rack,
        leader_rate: reader.number_or_zero("leader.replication.throttled.rate").unsigned_abs(),
        follower_rate: reader.number_or_zero("follower.replication.throttled.rate").unsigned_abs(),
        move_rate: reader.number_or_zero("replica.alter.log.dirs.io.max.bytes.per.second").unsigned_abs(),
    }
}

/// The selector that comes with Kafka.
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
/// Between one request to another node and the next lies at least one of these: with 0, as Kafka allows, there would be
/// no end to them.
pub(super) const PAUSES: [&str; 6] = [
    "broker.heartbeat.interval.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.request.timeout.ms",
    "controller.quorum.retry.backoff.ms",
    "replica.fetch.min.bytes",
    "replica.fetch.wait.max.ms",
];
