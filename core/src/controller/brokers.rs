//! Brokers come, live and go, and a cluster begins.

use super::elect::{Turn, changes};
use super::{Reply, Verdict};
use crate::metadata::{Broker, Endpoint, Image, MetadataRecord, features};
use crate::msg::Response;
use crate::msg::broker_heartbeat::BrokerHeartbeatResponse;
use crate::msg::record::metadata::{BrokerRegistrationChangeRecord, FeatureLevelRecord};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, Offset, Str, Uuid};
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
/// other leads nothing, and is in no ISR that has another member, until its heartbeats say that it has caught up.
///
/// It is whole if its directories are, and if it was durable in its last life: a broker that was not may have lost what
/// it acknowledged, and cannot tell. If it is not whole each partition that it leads begins a new reign, so that a
/// consumer which saw records that are gone finds out (KIP-320).
pub(super) fn register(image: &Image, registration: &Registration) -> Verdict {
    let before = image.broker(registration.id);
    if let Some(same) = before.filter(|before| before.incarnation == registration.incarnation) {
        return Verdict::reply(Reply::Registered(same.epoch));
    }
    let broker = Broker {
        id: registration.id,
        epoch: registration.epoch,
        incarnation: registration.incarnation,
        endpoints: registration.endpoints.clone(),
        features: features::supported().into_iter().chain(registration.is_durable.then(features::durable)).collect(),
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
    let is_whole = |before: &Broker| {
        registration.whole_since == Some(before.epoch) && before.features.contains(&features::durable())
    };
    match before {
        Some(_) if !registration.is_controller => records.extend(changes(image, registration.id, Turn::Goes)),
        Some(before) if !is_whole(before) => records.extend(changes(image, registration.id, Turn::Forgot)),
        Some(_) | None => {}
    }
    Verdict { records, replies: alloc::vec![Reply::Registered(registration.epoch)] }
}

/// What a broker says of itself now and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}

/// A broker lives. It is unfenced once it knows of its own registration; one that wants to stop is fenced, which moves what it
/// leads, and may stop as soon as it hears so.
pub(super) fn heartbeat(image: &Image, heartbeat: &Heartbeat) -> Verdict {
    let refused = |error: ErrorCode| {
        let response = BrokerHeartbeatResponse { error_code: error.code(), ..BrokerHeartbeatResponse::default() };
        Verdict::reply(Reply::Response(Response::BrokerHeartbeat(response)))
    };
    let Some(broker) = image.broker(heartbeat.id) else { return refused(ErrorCode::BrokerIdNotRegistered) };
    if broker.epoch != heartbeat.epoch {
        return refused(ErrorCode::StaleBrokerEpoch);
    }
    let is_caught_up = heartbeat.known.0 > broker.epoch.0;
    let fenced = heartbeat.want_fence || heartbeat.want_shut_down || broker.fenced && !is_caught_up;
    let records = if fenced == broker.fenced { Vec::new() } else { turn(image, heartbeat.id, heartbeat.epoch, fenced) };
    let response = BrokerHeartbeatResponse {
        is_caught_up,
        is_fenced: fenced,
        should_shut_down: heartbeat.want_shut_down,
        ..BrokerHeartbeatResponse::default()
    };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::BrokerHeartbeat(response))] }
}

/// A broker was not heard of for too long, or its connection broke.
pub(super) fn fence(image: &Image, id: BrokerId, epoch: BrokerEpoch) -> Verdict {
    let is_up = image.broker(id).is_some_and(|broker| broker.epoch == epoch && !broker.fenced);
    let records = if is_up { turn(image, id, epoch, true) } else { Vec::new() };
    Verdict { records, replies: alloc::vec![Reply::Fenced] }
}

fn turn(image: &Image, id: BrokerId, epoch: BrokerEpoch, fenced: bool) -> Vec<MetadataRecord> {
    let mut records = alloc::vec![fencing(id, epoch, fenced)];
    records.extend(changes(image, id, if fenced { Turn::Goes } else { Turn::Comes }));
    records
}

fn fencing(id: BrokerId, epoch: BrokerEpoch, fenced: bool) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: id.0,
        broker_epoch: epoch.0,
        fenced: if fenced { 1 } else { -1 },
        ..BrokerRegistrationChangeRecord::default()
    })
}
