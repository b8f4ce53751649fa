//! What only the controller can decide, asked of a broker that is not it: clients' requests go on as they are, and so do this
//! broker's own.
//!
//! ```text
//!              a controller is known                       it answers
//!   asked ─────────────────────────────▶ passed on ──────────────────▶ answered
//!     │  ▲                                  │    └── it may have done it, or not ──▶ hung up on
//!     │  └── once more, a moment later ──┐  │ it was not reached
//!     └── there is none at the moment ──▶ put off ── for a minute ──▶ hung up on
//! ```

use super::From;
use super::features::features_told;
use super::numbers::NO_NUMBERS;
use crate::boundary::{Effect, Effects, Line, Lost, Purpose};
use crate::controller::{Ask, ProducerIds, deletions_told, missing};
use crate::msg::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use crate::msg::create_topics::CreateTopicsRequest;
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::in_version;
use crate::types::{BrokerEpoch, BrokerId, ConnId, ErrorCode, Mono, Now, ProducerId, Str, Ticket};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// What a client asked that is the controller's to decide.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Asked {
    /// Where the answer goes.
    pub ticket: Ticket,
    /// The client speaks this version.
    pub version: i16,
    /// What it asked.
    pub body: Request,
    /// It has gone round long enough then.
    until: Mono,
}

/// What was asked while nobody was the controller, or the one that was known could not be reached.
#[derive(Clone, Hash, Debug, Default)]
pub struct PutOff {
    asked: Vec<Asked>,
    /// When it is tried once more.
    at: Option<Mono>,
}

impl PutOff {
    /// When it is tried once more.
    pub fn deadline(&self) -> Option<Mono> {
        self.at
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        self.asked.retain(|asked| asked.ticket.conn != conn);
    }
}

impl Node {
    /// A client asks what is the controller's to decide. It may go on to another, in the newest version.
    pub(in crate::node) fn administer(
        &mut self,
        now: Now,
        (ticket, version): (Ticket, i16),
        body: Request,
        out: &mut Effects,
    ) {
        let body = body.in_newest();
        self.seek_controller(now, Asked { ticket, version, body, until: now.mono + WAIT }, out);
    }

    /// Decides it, passes it on, or keeps it until one of the two can be done.
    fn seek_controller(&mut self, now: Now, asked: Asked, out: &mut Effects) {
        if let Some(lease) = self.cluster.lease() {
            let line = Arc::new(Line { purpose: Purpose::Forward, ..Line::clone(&lease) });
            let body = asked.body.clone();
            let wait = asked.until.since(now.mono).min(ANSWERED_WITHIN);
            let call = self.calls.begin(CallFor::Client(Box::new(asked)));
            return out.push(Effect::Call { call, line, body, wait });
        }
        let Asked { ticket, version, body, .. } = asked;
        match body {
            // What is known is told whoever leads.
            Request::DescribeQuorum(_) | Request::ListPartitionReassignments(_) => {
                let body = self.standing_answer(now, (ticket, version), &body);
                out.push(Effect::Reply { ticket, body: Some(body) });
            }
            body if self.cluster.controller.is_none() => self.put_off(now, Asked { body, ..asked }),
            Request::AddRaftVoter(_) | Request::RemoveRaftVoter(_) => self.turn_over(now, ticket, &body, out),
            Request::UpdateFeatures(body) => self.change_features(now, ticket, &body, out),
            body => {
                let ask = Self::admin_ask(body, version).expect("these change the metadata");
                self.ask_controller(now, From::Client(ticket), &ask, out);
            }
        }
    }

    fn put_off(&mut self, now: Now, asked: Asked) {
        self.calls.put_off.asked.push(asked);
        self.calls.put_off.at.get_or_insert(now.mono + AGAIN);
    }

    /// What was put off is tried once more. Whoever has waited too long is hung up on, and asks again.
    pub(in crate::node) fn ask_again(&mut self, now: Now, out: &mut Effects) {
        if self.calls.put_off.at.is_none_or(|at| at > now.mono) {
            return;
        }
        self.calls.put_off.at = None;
        for asked in core::mem::take(&mut self.calls.put_off.asked) {
            match asked.until <= now.mono {
                true => out.push(Effect::Hangup { conn: asked.ticket.conn }),
                false => self.seek_controller(now, asked, out),
            }
        }
    }

    /// The controller answered a client's request, or could not be asked. If nobody knows whether it did what was asked, the
    /// client is not to know either.
    pub(in crate::node) fn forwarded(
        &mut self,
        now: Now,
        asked: Box<Asked>,
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        let ticket = asked.ticket;
        let body = match body {
            // The controller was asked in the newest version, and older ones cannot carry all of that.
            Ok(Response::DescribeQuorum(body)) => Response::DescribeQuorum(in_version(body, asked.version)),
            Ok(Response::UpdateFeatures(told)) => Response::UpdateFeatures(features_told(&asked.body, told)),
            Ok(Response::DeleteTopics(told)) => Response::DeleteTopics(deletions_told(asked.version, told)),
            Ok(body) => body,
            Err(Lost::NotSent) => return self.put_off(now, *asked),
            Err(Lost::Unknown) => return out.push(Effect::Hangup { conn: ticket.conn }),
        };
        out.push(Effect::Reply { ticket, body: Some(body) });
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
                _ => Err(NO_NUMBERS),
            },
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => Err(NO_NUMBERS),
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

/// A line on which nothing comes for so long is given up, and a new one made (`controller.socket.timeout.ms`, as it is by default).
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How long a client's request may take until the controller has answered it: longer than clients wait.
const WAIT: Duration = Duration::from_secs(60);
/// What could not be asked is tried again after so long.
const AGAIN: Duration = Duration::from_millis(50);
