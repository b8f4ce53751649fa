//! What only the controller can decide, asked of a broker that is not it: clients' requests go on as they are, and so do this
//! broker's own.

use super::From;
use crate::boundary::{Effect, Effects, Line, Lost, Purpose};
use crate::controller::{Ask, ProducerIds, missing};
use crate::msg::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use crate::msg::create_topics::CreateTopicsRequest;
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::in_version;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, Now, ProducerId, Str, Ticket};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

impl Node {
    /// Passes a client's request on, if the controller runs elsewhere; else gives it back.
    pub(in crate::node) fn forward(
        &mut self,
        (ticket, version): (Ticket, i16),
        body: Request,
        out: &mut Effects,
    ) -> Option<Request> {
        if self.cluster.lease().is_none() {
            return Some(body);
        }
        self.forward_as(CallFor::Client(ticket, version), body, out);
        None
    }

    /// The same, for an answer that is looked at before it is passed on. There must be a lease.
    pub(super) fn forward_as(&mut self, what: CallFor, body: Request, out: &mut Effects) {
        let lease = self.cluster.lease().expect("there is another controller");
        let line = Arc::new(Line { purpose: Purpose::Forward, ..Line::clone(&lease) });
        let call = self.calls.begin(what);
        out.push(Effect::Call { call, line, body, wait: WAIT });
    }

    /// The controller answered a client's request. If nobody knows whether it did, the client is not to know either.
    pub(in crate::node) fn forwarded(
        (ticket, version): (Ticket, i16),
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        out.push(match body {
            // The controller was asked in the newest version, and older ones cannot carry all of that.
            Ok(Response::DescribeQuorum(body)) => {
                let body = Response::DescribeQuorum(in_version(body, version));
                Effect::Reply { ticket, body: Some(body) }
            }
            Ok(body) => Effect::Reply { ticket, body: Some(body) },
            Err(Lost::NotSent | Lost::Unknown) => Effect::Hangup { conn: ticket.conn },
        });
    }

    /// Topics that somebody asked for and that do not exist.
    pub(in crate::node) fn create_missing(&mut self, now: Now, names: Vec<Str>, out: &mut Effects) {
        let Some(line) = self.cluster.lease() else {
            return self.ask_controller(now, From::Own, &Ask::CreateMissing(names), out);
        };
        let topics = names.iter().map(|name| missing(self.cluster.image(), &self.config, name)).collect();
        let wait = self.config.broker.session_timeout;
        let timeout_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let body = Request::CreateTopics(CreateTopicsRequest { topics, timeout_ms, validate_only: false });
        let call = self.calls.begin(CallFor::Nobody);
        out.push(Effect::Call { call, line, body, wait });
    }

    /// Asks for a block of producer ids.
    pub(super) fn ask_for_numbers(&mut self, now: Now, out: &mut Effects) {
        let (broker, epoch) = (self.config.broker.id, self.cluster.epoch);
        let Some(line) = self.cluster.lease() else {
            return self.ask_controller(now, From::Own, &Ask::AllocateProducerIds { broker, epoch }, out);
        };
        let body = AllocateProducerIdsRequest { broker_id: broker.0, broker_epoch: epoch.0 };
        let call = self.calls.begin(CallFor::Numbers);
        let wait = self.config.broker.session_timeout;
        out.push(Effect::Call { call, line, body: Request::AllocateProducerIds(body), wait });
    }

    /// The controller gave a block, or nobody did.
    pub(in crate::node) fn numbers_came(&mut self, now: Now, body: Result<Response, Lost>, out: &mut Effects) {
        let ids = match body {
            Ok(Response::AllocateProducerIds(body)) => match ErrorCode::from_code(body.error_code) {
                Some(ErrorCode::None) if body.producer_id_len > 0 => Ok(ProducerIds {
                    first: ProducerId(body.producer_id_start),
                    count: i64::from(body.producer_id_len),
                }),
                _ => Err(ErrorCode::CoordinatorNotAvailable),
            },
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => Err(ErrorCode::CoordinatorNotAvailable),
        };
        self.numbered(now, ids, out);
    }

    /// A broker asks this controller for a block.
    pub(in crate::node) fn numbers_asked_by(
        &mut self,
        now: Now,
        ticket: Ticket,
        body: &AllocateProducerIdsRequest,
        out: &mut Effects,
    ) {
        let (broker, epoch) = (BrokerId(body.broker_id), BrokerEpoch(body.broker_epoch));
        self.ask_controller(now, From::Client(ticket), &Ask::AllocateProducerIds { broker, epoch }, out);
    }
}

/// A block, or why there is none, as it is told to another broker.
pub(super) fn block(ids: Result<ProducerIds, ErrorCode>) -> Response {
    Response::AllocateProducerIds(match ids {
        Ok(ids) => AllocateProducerIdsResponse {
            producer_id_start: ids.first.0,
            producer_id_len: i32::try_from(ids.count).unwrap_or(i32::MAX),
            ..Default::default()
        },
        Err(error) => AllocateProducerIdsResponse { error_code: error.code(), ..Default::default() },
    })
}

/// How long a client's request may take at the controller.
const WAIT: Duration = Duration::from_secs(60);
