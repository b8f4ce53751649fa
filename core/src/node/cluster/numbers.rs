//! Numbers for idempotent producers, from a block that the controller gave this broker (KIP-730).

use crate::boundary::{Effect, Effects};
use crate::controller::ProducerIds;
use crate::msg::Response;
use crate::msg::init_producer_id::InitProducerIdResponse;
use crate::node::Node;
use crate::types::{ConnId, ErrorCode, Now, ProducerId, Ticket};
use alloc::vec::Vec;

/// What is left of the block, and who waits for the next.
#[derive(Clone, Hash, Debug)]
pub(super) struct Numbers {
    block: ProducerIds,
    waiting: Vec<Ticket>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { block: ProducerIds { first: ProducerId(0), count: 0 }, waiting: Vec::new() }
    }
}

impl Numbers {
    /// The connection is gone: nobody on it waits any more.
    pub(super) fn closed(&mut self, conn: ConnId) {
        self.waiting.retain(|ticket| ticket.conn != conn);
    }
}

impl Node {
    /// A number for a producer, from the block that this broker has.
    pub(in crate::node) fn init_producer_id(&mut self, now: Now, ticket: Ticket, out: &mut Effects) {
        let ids = &mut self.cluster.numbers.block;
        if ids.count == 0 {
            self.cluster.numbers.waiting.push(ticket);
            if self.cluster.numbers.waiting.len() == 1 {
                self.ask_for_numbers(now, out);
            }
            return;
        }
        let id = ids.first;
        *ids = ProducerIds { first: ProducerId(id.0 + 1), count: ids.count - 1 };
        let response = InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() };
        out.push(Effect::Reply { ticket, body: Some(Response::InitProducerId(response)) });
    }

    /// Nobody can give out numbers now.
    pub(super) fn refuse_numbers(&mut self, out: &mut Effects) {
        self.numbered_none(NO_NUMBERS, out);
    }

    fn numbered_none(&mut self, error: ErrorCode, out: &mut Effects) {
        for ticket in core::mem::take(&mut self.cluster.numbers.waiting) {
            refuse_number(ticket, error, out);
        }
    }

    /// There is a block again, or the reason why there is none.
    pub(super) fn numbered(&mut self, now: Now, ids: Result<ProducerIds, ErrorCode>, out: &mut Effects) {
        match ids {
            Ok(ids) => {
                self.cluster.numbers.block = ids;
                for ticket in core::mem::take(&mut self.cluster.numbers.waiting) {
                    self.init_producer_id(now, ticket, out);
                }
            }
            Err(error) => self.numbered_none(error, out),
        }
    }
}

/// Ask again, as Kafka says it too. At CoordinatorNotAvailable Java's producer would look for the coordinator of a transaction
/// that it does not have.
pub(super) const NO_NUMBERS: ErrorCode = ErrorCode::CoordinatorLoadInProgress;

fn refuse_number(ticket: Ticket, error: ErrorCode, out: &mut Effects) {
    let response =
        InitProducerIdResponse { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() };
    out.push(Effect::Reply { ticket, body: Some(Response::InitProducerId(response)) });
}
