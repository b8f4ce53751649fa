//! Which brokers the controller hears of: each holds a lease as long as its connection stands and its heartbeats come.
//!
//! A connection that breaks ends the lease at once: a process that was killed is fenced within a round trip. One that hangs is
//! fenced after `broker.session.timeout.ms`. A new controller knows nobody's connection: it gives everybody that time, but
//! little to the leader before it, which could not be reached.
//!
//! A process that died may be heard of later still: what it sent was held up on the way. Connections are numbered in the order in
//! which they are accepted, so its own is older than any of the process behind it, and what comes over it says nothing, however
//! long ago that one has ended as well:
//!
//! ```text
//!   life 1 ── connects as 5, registers ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶ older than 7: void
//!   life 2 ────────── connects as 7, registers, leads, ends
//! ```

use super::From;
use crate::boundary::Effects;
use crate::controller::Ask;
use crate::metadata::Image;
use crate::node::Node;
use crate::types::{BrokerEpoch, BrokerId, ConnId, Mono, Now};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The leases of all brokers but the controller's own.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<BrokerId, Lease>,
    /// The latest connection that each broker was heard over, in any reign of this process.
    latest: BTreeMap<BrokerId, ConnId>,
    /// The latest connection that anything was asked over.
    newest: Option<ConnId>,
    /// What that was when this node was elected: whoever had connected may have ended since, and been registered again elsewhere.
    newest_before: Option<ConnId>,
}

#[derive(Clone, Copy, Hash, Debug)]
struct Lease {
    epoch: BrokerEpoch,
    /// The connection that its last message came over; none if nothing came yet.
    conn: Option<ConnId>,
    until: Mono,
}

impl Leases {
    /// A reign begins: every broker that is up has until then to be heard of, and one of them perhaps another time.
    pub(super) fn begin(&mut self, image: &Image, me: BrokerId, until: Mono, special: Option<(BrokerId, Mono)>) {
        let up = image.brokers().filter(|broker| !broker.fenced && broker.id != me);
        let until = |id| special.filter(|(known, _)| *known == id).map_or(until, |(_, until)| until);
        let lease = |epoch, id| Lease { epoch, conn: None, until: until(id) };
        self.held = up.map(|broker| (broker.id, lease(broker.epoch, broker.id))).collect();
    }

    /// The reign is over, and nobody holds anything.
    pub(super) fn abandon(&mut self) {
        self.held.clear();
    }

    /// This node was elected.
    pub(super) fn elected(&mut self) {
        self.newest_before = self.newest;
    }

    /// Something was asked over this connection.
    pub(super) fn asked_over(&mut self, conn: ConnId) {
        self.newest = self.newest.max(Some(conn));
    }

    /// A broker was heard of.
    pub(super) fn heard(&mut self, id: BrokerId, epoch: BrokerEpoch, conn: ConnId, until: Mono) {
        self.held.insert(id, Lease { epoch, conn: Some(conn), until });
        self.latest.insert(id, conn);
    }

    /// Is there a broker of this number that lives, over another connection?
    pub(super) fn is_held_by_another(&self, id: BrokerId, conn: ConnId) -> bool {
        self.held.get(&id).is_some_and(|lease| lease.conn.is_some_and(|known| known != conn))
    }

    /// Has the broker come over a later connection than this one?
    pub(super) fn is_given_up(&self, id: BrokerId, conn: ConnId) -> bool {
        self.latest.get(&id).is_some_and(|known| *known > conn)
    }

    /// Did this connection stand before the reign began?
    pub(super) fn is_from_before(&self, conn: ConnId) -> bool {
        self.newest_before.is_some_and(|newest| conn <= newest)
    }

    /// The leases that end now: those of this connection, or those that are over.
    fn end(&mut self, is_over: impl Fn(&Lease) -> bool) -> Vec<(BrokerId, BrokerEpoch)> {
        let over: Vec<_> =
            self.held.iter().filter(|(_, lease)| is_over(lease)).map(|(id, lease)| (*id, lease.epoch)).collect();
        self.held.retain(|_, lease| !is_over(lease));
        over
    }

    /// When the first of them is over.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.held.values().map(|lease| lease.until).min()
    }
}

impl Node {
    /// Is what this broker says over this connection void, since it has come over a later one?
    pub(in crate::node) fn is_given_up(&self, id: BrokerId, conn: ConnId) -> bool {
        self.cluster.leases.is_given_up(id, conn)
    }

    /// A connection is gone, and with it the leases of whoever was at its other end.
    pub(in crate::node) fn leases_closed(&mut self, now: Now, conn: ConnId, out: &mut Effects) {
        let over = self.cluster.leases.end(|lease| lease.conn == Some(conn));
        self.fence(now, over, out);
    }

    /// Fences whoever was not heard of for too long.
    pub(super) fn leases_wake(&mut self, now: Now, out: &mut Effects) {
        let over = self.cluster.leases.end(|lease| lease.until <= now.mono);
        self.fence(now, over, out);
    }

    fn fence(&mut self, now: Now, over: Vec<(BrokerId, BrokerEpoch)>, out: &mut Effects) {
        for (id, epoch) in over {
            self.ask_controller(now, From::Nobody, &Ask::Fence(id, epoch), out);
        }
    }
}

#[cfg(test)]
#[path = "leases_test.rs"]
mod leases_test;
