//! Producer ids are given to brokers in blocks, so that a broker can number producers without asking each time.

use super::{Reply, Verdict};
use crate::metadata::{Image, MetadataRecord};
use crate::msg::record::metadata::ProducerIdsRecord;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, ProducerId};

/// How many ids a broker gets at a time, as in Kafka.
const BLOCK: i64 = 1000;

/// A block of producer ids that were never given out before and never will be again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProducerIds {
    /// The first one.
    pub first: ProducerId,
    /// How many there are.
    pub count: i64,
}

pub(super) fn allocate(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> Verdict {
    let refused = |error| Verdict::reply(Reply::ProducerIds(Err(error)));
    match image.broker(broker) {
        None => return refused(ErrorCode::BrokerIdNotRegistered),
        Some(registered) if registered.epoch != epoch => return refused(ErrorCode::StaleBrokerEpoch),
        Some(_) => {}
    }
    let first = image.producer_id_next();
    let Some(next_producer_id) = first.checked_add(BLOCK) else { return refused(ErrorCode::UnknownServerError) };
    let record = ProducerIdsRecord { broker_id: broker.0, broker_epoch: epoch.0, next_producer_id };
    let ids = ProducerIds { first: ProducerId(first), count: BLOCK };
    Verdict {
        records: alloc::vec![MetadataRecord::ProducerIds(record)],
        replies: alloc::vec![Reply::ProducerIds(Ok(ids))],
    }
}
