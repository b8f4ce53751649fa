//! Our own calls to other nodes: whose answer is whose.

use super::Node;
use super::cluster::{Asked, PutOff};
use super::replicate::ReplicaFetch;
use crate::boundary::{Effects, Lost};
use crate::msg::Response;
use crate::partition::IsrAsk;
use crate::quorum::{FetchAsk, VoteAsk};
use crate::types::{BrokerId, CallId, ConnId, LogId, Now};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a call is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CallFor {
    /// More of the metadata log, from this node.
    Metadata(BrokerId, FetchAsk),
    /// A voter is asked for its vote.
    Vote(BrokerId, VoteAsk),
    /// A voter is told who leads, or that somebody does no more.
    Reign,
    /// The controller, which is there, is to know of this broker.
    Registration(BrokerId),
    /// And that it lives.
    Heartbeat(BrokerId),
    /// More of what followers follow.
    Replicas(ReplicaFetch),
    /// Leaders want other ISRs.
    Isr(Vec<(LogId, IsrAsk)>),
    /// What a client asked that is the controller's to decide.
    Client(Box<Asked>),
    /// This controller wants another record of voters.
    Joining,
    /// A block of producer ids.
    Numbers,
    /// Nobody waits for the answer.
    Nobody,
}

/// The calls under way.
#[derive(Clone, Hash, Debug, Default)]
pub struct Calls {
    begun: u64,
    waiting: BTreeMap<CallId, CallFor>,
    /// What waits for somebody to ask it of.
    pub(super) put_off: PutOff,
}

impl Calls {
    /// The name of one more call.
    pub fn begin(&mut self, what: CallFor) -> CallId {
        let call = CallId(self.begun);
        self.begun += 1;
        self.waiting.insert(call, what);
        call
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        let of = |what: &&mut CallFor| match what {
            CallFor::Client(asked) => asked.ticket.conn == conn,
            CallFor::Metadata(..)
            | CallFor::Vote(..)
            | CallFor::Reign
            | CallFor::Registration(_)
            | CallFor::Heartbeat(_)
            | CallFor::Replicas(_)
            | CallFor::Isr(_)
            | CallFor::Joining
            | CallFor::Numbers
            | CallFor::Nobody => false,
        };
        self.waiting.values_mut().filter(of).for_each(|what| *what = CallFor::Nobody);
        self.put_off.closed(conn);
    }
}

impl Node {
    /// A call ended: whoever made it learns how.
    pub(super) fn called(&mut self, now: Now, call: CallId, body: Result<Response, Lost>, out: &mut Effects) {
        let what = self.calls.waiting.remove(&call).expect("INV-03: a call ends once, and only if it was made");
        match what {
            CallFor::Metadata(whom, asked) => self.metadata_fetched(now, (whom, asked), body, out),
            CallFor::Vote(whom, asked) => self.vote_came(now, (whom, asked), body, out),
            CallFor::Reign => self.reign_told(now, body, out),
            CallFor::Registration(whom) => self.enlisted(now, whom, body, out),
            CallFor::Heartbeat(whom) => self.lease_held(now, whom, body, out),
            CallFor::Replicas(fetch) => self.replicas_fetched(now, fetch, body, out),
            CallFor::Isr(asked) => self.proposed(now, asked, body),
            CallFor::Client(asked) => self.forwarded(now, asked, body, out),
            CallFor::Joining => self.joined(now),
            CallFor::Numbers => self.numbers_came(now, body, out),
            CallFor::Nobody => {}
        }
    }
}
