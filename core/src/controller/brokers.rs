//! Brokers come, live and go, and a cluster begins.
//!
//! ```text
//!            registers            has caught up                 wants to stop
//!   ──▶ Fenced ◀──────── any      Fenced ───────────▶ Active ───────────────────▶ Stopping ──▶ its lease ends
//!                                   ▲                   │ its lease ends              │
//!                                   └───────────────────┴─────────────────────────────┘
//! ```

use super::directories;
use super::elect::{Turn, changes, changes_of, lose};
use super::{Reply, Verdict};
use crate::config::Config;
use crate::metadata::{Broker, Endpoint, Image, MetadataRecord, Partition, advance, features};
use crate::msg::Response;
use crate::msg::broker_heartbeat::BrokerHeartbeatResponse;
use crate::msg::record::metadata::{BrokerRegistrationChangeRecord, FeatureLevelRecord, UnregisterBrokerRecord};
use crate::msg::unregister_broker::UnregisterBrokerResponse;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, Offset, Str, Uuid};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a broker says of itself when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Registration {
    /// Its number.
    pub id: BrokerId,
    /// Which start of its process this is: drawn anew each time.
    pub incarnation: Uuid,
    /// Its addresses, as clients see them.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands.
    pub rack: Option<Str>,
    /// Its data directories.
    pub directories: Vec<Uuid>,
    /// Those of them that may be older copies of what they were.
    pub unproved: Vec<Uuid>,
    /// Whether it acknowledges nothing before it is flushed, in this life.
    pub is_durable: bool,
    /// The epoch of its last registration, if every directory came back whole since.
    pub whole_since: Option<BrokerEpoch>,
    /// It runs in one process with the controller.
    pub is_controller: bool,
    /// The offset that the first record of this decision will have: a broker's epoch is the offset of its registration.
    pub epoch: BrokerEpoch,
}

/// A cluster begins with the levels of its features, as in Kafka.
pub(super) fn bootstrap() -> Verdict {
    let record = |(name, feature_level)| FeatureLevelRecord { name: Str::from_static(name), feature_level };
    let records = features::fresh().map(record).map(MetadataRecord::FeatureLevel).collect();
    Verdict { records, replies: alloc::vec![Reply::Bootstrapped] }
}

/// Registers a broker. One that runs beside the controller is unfenced at once, since nothing is left to catch up with; any
/// other leads nothing, and is in no ISR, until its heartbeats say that it has caught up.
///
/// It is whole if its directories are, and if it was durable in its last life: a broker that was not may have lost what
/// it acknowledged, and cannot tell. Whoever is whole keeps what it was trusted with, however its process ended; whoever is not
/// is neither in sync nor eligible any more (Kafka's unclean shutdown, KIP-966). Where nobody else has what was committed its
/// next leadership is a new reign, so that a consumer which saw records that are gone finds out (KIP-320).
pub(super) fn register(image: &Image, config: &Config, registration: &Registration) -> Verdict {
    let before = image.broker(registration.id);
    if let Some(same) = before.filter(|before| before.incarnation == registration.incarnation) {
        return Verdict::reply(Reply::Registered(same.epoch));
    }
    let proved = before.and_then(|before| proved_since(before, registration));
    let proof = proved.filter(|_| !registration.is_controller).map(features::whole_since);
    let durable = registration.is_durable.then(features::durable);
    let broker = Broker {
        id: registration.id,
        epoch: registration.epoch,
        incarnation: registration.incarnation,
        endpoints: registration.endpoints.clone(),
        features: features::supported().into_iter().chain(durable).chain(proof).collect(),
        rack: registration.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        directories: registration.directories.clone(),
        cordoned_directories: None,
    };
    let mut records = alloc::vec![MetadataRecord::RegisterBroker(broker.to_record())];
    if registration.is_controller {
        records.push(fencing(registration.id, registration.epoch, false));
    }
    let turn = before.map(|_| match (registration.is_controller, proved.is_some()) {
        (true, true) => Turn::Comes,
        (true, false) => Turn::Returns,
        (false, true) => Turn::Goes,
        (false, false) => Turn::Forgot,
    });
    // What was in a directory that did not come back, or may be older than it was, is as lost as if all were, and nothing else is.
    let id = registration.id;
    let is_gone = |partition: &Partition| directories::is_missing(partition, registration);
    let gone = if registration.is_controller { Turn::Returns } else { Turn::Forgot };
    if let Some(turn) = turn {
        // Its directories are those that it comes with, not those that it had left.
        let known = after(image, &records);
        records.extend(changes_of(&known, config, (id, turn), |partition| !is_gone(partition)));
        records.extend(changes_of(&known, config, (id, gone), is_gone));
    }
    // Whoever held a partition may hold it no longer.
    records.extend(directories::replace(&after(image, &records), registration));
    Verdict { records, replies: alloc::vec![Reply::Registered(registration.epoch)] }
}

fn after(image: &Image, records: &[MetadataRecord]) -> Image {
    let (after, _) = advance(&Arc::new(image.clone()), image.end(), records).expect("a broker may register");
    Arc::unwrap_or_clone(after)
}

/// Since which registration a broker is whole, if it is. One that ended before it kept its last registration has done nothing in that
/// life: it is as whole as it was when it came.
fn proved_since(before: &Broker, registration: &Registration) -> Option<BrokerEpoch> {
    let claimed = registration.whole_since?;
    let was_durable = before.features.contains(&features::durable());
    match features::proof(&before.features) {
        Some(proved) if claimed == proved => Some(proved),
        Some(_) | None => (claimed == before.epoch && was_durable).then_some(claimed),
    }
}

/// What a broker says of itself now and then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Its number.
    pub id: BrokerId,
    /// Its registration.
    pub epoch: BrokerEpoch,
    /// It has taken up the metadata before this offset.
    pub known: Offset,
    /// It wants to lead nothing for now.
    pub want_fence: bool,
    /// It is about to stop.
    pub want_shut_down: bool,
    /// Those of its data directories that it has lost.
    pub lost: Vec<Uuid>,
}

/// A broker lives. It is unfenced once it knows of its own registration. One that wants to stop leaves what it leads and every
/// ISR to others, and may stop as soon as it hears so.
pub(super) fn heartbeat(image: &Image, config: &Config, heartbeat: &Heartbeat) -> Verdict {
    let refused = |error: ErrorCode| {
        let response = BrokerHeartbeatResponse { error_code: error.code(), ..BrokerHeartbeatResponse::default() };
        Verdict::reply(Reply::Response(Response::BrokerHeartbeat(response)))
    };
    let Some(broker) = image.broker(heartbeat.id) else { return refused(ErrorCode::BrokerIdNotRegistered) };
    if broker.epoch != heartbeat.epoch {
        return refused(ErrorCode::StaleBrokerEpoch);
    }
    let is_caught_up = heartbeat.known.0 > broker.epoch.0;
    let fenced = heartbeat.want_fence || broker.fenced && (!is_caught_up || heartbeat.want_shut_down);
    let mut records = Vec::new();
    let is_poorer = broker.directories.iter().any(|id| heartbeat.lost.contains(id));
    let fenced = if is_poorer { broker.fenced } else { fenced };
    if is_poorer {
        records = without(image, config, broker, &heartbeat.lost);
    } else if fenced != broker.fenced {
        records = turn(image, config, broker, fenced);
    } else if heartbeat.want_shut_down && broker.is_active() {
        records.push(stopping(broker));
        records.extend(changes(image, config, heartbeat.id, Turn::Goes));
    }
    let response = BrokerHeartbeatResponse {
        is_caught_up,
        is_fenced: fenced,
        should_shut_down: heartbeat.want_shut_down,
        ..BrokerHeartbeatResponse::default()
    };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::BrokerHeartbeat(response))] }
}

/// A broker was not heard of for too long, or its connection broke.
pub(super) fn fence(image: &Image, config: &Config, id: BrokerId, epoch: BrokerEpoch) -> Verdict {
    let up = image.broker(id).filter(|broker| broker.epoch == epoch && !broker.fenced);
    let records = up.map_or(Vec::new(), |broker| turn(image, config, broker, true));
    Verdict { records, replies: alloc::vec![Reply::Fenced] }
}

/// A broker that will not come back is forgotten. Unlike Kafka's, this controller refuses to forget one that lives: it would register
/// again at once.
pub(super) fn unregister(image: &Image, config: &Config, id: BrokerId) -> Verdict {
    let (error, records) = match image.broker(id) {
        None => (Some((ErrorCode::BrokerIdNotRegistered, format!("broker {} is not registered", id.0))), Vec::new()),
        Some(broker) if !broker.fenced => {
            let why = format!("broker {} lives: it is to be stopped first", id.0);
            (Some((ErrorCode::InvalidRequest, why)), Vec::new())
        }
        Some(broker) => {
            let mut records = changes(image, config, id, Turn::Forgot);
            let record = UnregisterBrokerRecord { broker_id: id.0, broker_epoch: broker.epoch.0 };
            records.push(MetadataRecord::UnregisterBroker(record));
            (None, records)
        }
    };
    let response = UnregisterBrokerResponse {
        error_code: error.as_ref().map_or(ErrorCode::None, |(error, _)| *error).code(),
        error_message: error.map(|(_, why)| Str::explanation(&why)),
        ..UnregisterBrokerResponse::default()
    };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::UnregisterBroker(response))] }
}

fn turn(image: &Image, config: &Config, broker: &Broker, fenced: bool) -> Vec<MetadataRecord> {
    let mut records = alloc::vec![fencing(broker.id, broker.epoch, fenced)];
    records.extend(changes(image, config, broker.id, if fenced { Turn::Goes } else { Turn::Comes }));
    records
}

/// A broker goes on without some of its directories: others lead what was in there (KIP-858). One that has none left is not heard of
/// any more.
fn without(image: &Image, config: &Config, broker: &Broker, lost: &[Uuid]) -> Vec<MetadataRecord> {
    let online: Vec<Uuid> = broker.directories.iter().copied().filter(|id| !lost.contains(id)).collect();
    if online.is_empty() {
        return Vec::new();
    }
    let mut records = alloc::vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: broker.id.0,
        broker_epoch: broker.epoch.0,
        log_dirs: online,
        ..BrokerRegistrationChangeRecord::default()
    })];
    records.extend(lose(image, config, broker.id, lost));
    records
}

fn stopping(broker: &Broker) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: broker.id.0,
        broker_epoch: broker.epoch.0,
        in_controlled_shutdown: 1,
        ..BrokerRegistrationChangeRecord::default()
    })
}

fn fencing(id: BrokerId, epoch: BrokerEpoch, fenced: bool) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: id.0,
        broker_epoch: epoch.0,
        fenced: if fenced { 1 } else { -1 },
        ..BrokerRegistrationChangeRecord::default()
    })
}
