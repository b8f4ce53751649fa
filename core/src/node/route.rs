//! The only matchmaker: carries what one machine says to the machine it is for. It holds no protocol state.

use super::coordinators::{HostCx, HostOut};
use super::follow::CHANGES_PER_STEP_MAX;
use super::front::{FrontCx, FrontOut};
use super::lane::{Order, Said};
use super::post::Letter;
use super::replicate::ReplicaFetch;
use super::{Node, OWNER_CLUSTER, OWNER_COORDINATORS, OWNER_LANES, OWNER_REPLICAS, OWNER_SLICES, owner_of};
use crate::boundary::{DiskFault, Done, Effect, Effects, Fault, Note, Produce};
use crate::partition::PartitionCx;
use crate::types::{ConnId, LogId, Now, OpId, Ticket, Uuid};
use alloc::vec::Vec;

impl Node {
    pub(super) fn produce(&mut self, now: Now, ticket: Ticket, body: Produce, out: &mut Effects) {
        self.with_front(now, out, |front, cx, said| front.produce(cx, ticket, body, said));
    }

    /// An operation ended: whoever began it learns so.
    pub(super) fn done(&mut self, now: Now, op: OpId, outcome: Result<Done, DiskFault>, out: &mut Effects) {
        match owner_of(op) {
            OWNER_CLUSTER => self.cluster_done(now, op, outcome, out),
            OWNER_COORDINATORS => {
                self.with_hosts(now, out, |hosts, cx, said| hosts.read(cx, op, outcome, said));
            }
            OWNER_SLICES => match outcome {
                Ok(done) => self.encoded(op, done, out),
                Err(fault) => unreachable!("no disk has a part in a job: {fault:?}"),
            },
            OWNER_REPLICAS => match outcome {
                Ok(done) => self.check_done(now, op, done),
                Err(fault) => unreachable!("no disk has a part in a job: {fault:?}"),
            },
            lane => {
                let lane = (lane - OWNER_LANES) as usize;
                self.post.send(Letter::ToLane(lane, Order::Done(op, outcome)), now.mono, &mut self.rng);
            }
        }
    }

    /// The bytes of a fetch are out. If a log could not be read, its partition learns so.
    pub(super) fn served(
        &mut self,
        now: Now,
        ticket: Ticket,
        outcome: Result<(), (LogId, DiskFault)>,
        out: &mut Effects,
    ) {
        if self.metadata_served(ticket) {
            if let Err((_, DiskFault::Rot | DiskFault::Offline)) = outcome {
                out.push(Effect::Halt { fault: Fault::MetadataOffline });
            }
            return;
        }
        self.front.served(ticket);
        if let Err((log, fault)) = outcome {
            self.order(now, log, Order::Unreadable(log, fault));
        }
    }

    pub(super) fn closed(&mut self, now: Now, conn: ConnId, out: &mut Effects) {
        let mut said = Vec::new();
        self.front.closed(conn, &mut said);
        self.carry_front(now, said, out);
        self.coordinators.closed(conn);
        self.groups.closed(conn);
        self.cluster.closed(conn);
        self.calls.closed(conn);
        self.following.closed(conn);
        self.slices.closed(conn, out);
        self.leases_closed(now, conn, out);
    }

    /// Only time has passed.
    pub(super) fn wake(&mut self, now: Now, out: &mut Effects) {
        self.with_front(now, out, |front, cx, said| front.wake(cx, said));
        self.with_hosts(now, out, |hosts, cx, said| hosts.wake(cx, said));
        self.cluster_wake(now, out);
        self.ask_again(now, out);
        self.follow_on(now, CHANGES_PER_STEP_MAX, out);
        self.slice_on(now, out);
        self.propose_on(now);
        self.assign(now, out);
        for lane in 0..self.lanes.len() {
            if self.lanes_wake_at[lane].is_some_and(|at| at <= now.mono) {
                self.lanes_wake_at[lane] = None;
                self.post.send(Letter::ToLane(lane, Order::Wake), now.mono, &mut self.rng);
            }
        }
        for (_, lane, from) in core::mem::take(&mut self.retaining.on) {
            self.post.send(Letter::ToLane(lane, Order::Retain(from)), now.mono, &mut self.rng);
        }
        if self.retaining.at <= now.mono {
            self.retaining.at = now.mono + self.config.store.retention_check_interval;
            for lane in 0..self.lanes.len() {
                let from = LogId { topic: Uuid::ZERO, partition: 0 };
                self.post.send(Letter::ToLane(lane, Order::Retain(from)), now.mono, &mut self.rng);
            }
        }
    }

    /// Delivers letters until none is left that has arrived.
    pub(super) fn deliver(&mut self, now: Now, out: &mut Effects) {
        let mut said = Vec::new();
        while let Some(letter) = self.post.take(now.mono) {
            match letter {
                Letter::ToLane(lane, order) => {
                    let producer_silence_ms =
                        i64::try_from(self.config.producer.id_expiry.as_millis()).unwrap_or(i64::MAX);
                    let cx = PartitionCx {
                        now,
                        functions: &self.functions,
                        producer_silence_ms,
                        peers: &self.peers,
                        lag_max: self.config.replica.lag_max,
                        fetch_backoff: self.config.replica.backoff,
                        followers_serve: self.config.replica.reads_by_rack,
                        throttled_until: self.replicating.throttle.opens_at(now, self.config.replica.follower_rate),
                    };
                    self.lanes[lane].obey(cx, order, &mut self.scratch, &mut said);
                    for one in said.drain(..) {
                        self.heard(now, lane, one, out);
                    }
                }
                Letter::FromLane(_, said) => self.answered(now, said, out),
            }
        }
    }

    /// What a lane says goes out at once if it is for the world, and by post if it is for somebody in here.
    fn heard(&mut self, now: Now, lane: usize, said: Said, out: &mut Effects) {
        match said {
            Said::Effect(effect) => out.push(effect),
            Said::Note(note) => {
                if let Note::LogOffline { log, fault: DiskFault::Rot } = note {
                    self.directories.assigning.broke(log, now.mono);
                }
                out.note(note);
            }
            Said::Dropped(log) => self.following.dropped(now, log),
            Said::Place(log) => {
                let directory = self.directories.place_of(log);
                if directory > 0 {
                    out.push(Effect::Place { log, directory });
                }
            }
            // In a step of its own, at once, but behind whatever else has come in.
            Said::RetainOn(from) => {
                self.retaining.on.push((now.mono, lane, from));
            }
            Said::WakeAt(at) => self.lanes_wake_at[lane] = at,
            Said::Fetch(leader, ask) => self.fetch_replicas(now, ReplicaFetch { lane, leader }, &ask, out),
            // At the end of the step, with all others.
            Said::Propose(log, ask) => self.proposals.propose(log, ask),
            Said::Took(bytes) => self.replicating.throttle.spend(now, self.config.replica.follower_rate, bytes),
            Said::Leads(log, range) => self.leads(now, log, range, out),
            Said::Answer(..) | Said::Grew(..) => {
                self.post.send(Letter::FromLane(lane, said), now.mono, &mut self.rng);
            }
        }
    }

    fn answered(&mut self, now: Now, said: Said, out: &mut Effects) {
        match said {
            Said::Answer(key, answer) if key.ticket.conn == ConnId::INTERNAL => {
                self.with_hosts(now, out, |hosts, cx, said| hosts.answered(cx, key, answer, said));
            }
            Said::Answer(key, answer) => {
                self.with_front(now, out, |front, cx, said| front.answered(cx, key, answer, said));
            }
            Said::Grew(key, readable) => {
                self.with_front(now, out, |front, cx, said| front.grew(cx, key, readable, said));
            }
            Said::Effect(_)
            | Said::Dropped(_)
            | Said::Place(_)
            | Said::Note(_)
            | Said::RetainOn(_)
            | Said::WakeAt(_)
            | Said::Fetch(..)
            | Said::Propose(..)
            | Said::Took(_)
            | Said::Leads(..) => unreachable!("these went out when they were said"),
        }
    }

    pub(super) fn order(&mut self, now: Now, log: LogId, order: Order) {
        let lane = self.lane_of(log);
        self.post.send(Letter::ToLane(lane, order), now.mono, &mut self.rng);
    }

    pub(super) fn with_front(
        &mut self,
        now: Now,
        out: &mut Effects,
        act: impl FnOnce(&mut super::Front, &mut FrontCx<'_>, &mut Vec<FrontOut>),
    ) {
        let mut said = Vec::new();
        let image = self.cluster.image();
        let mut cx = FrontCx { now, config: &self.config, image, directories: &self.directories, rng: &mut self.rng };
        act(&mut self.front, &mut cx, &mut said);
        self.carry_front(now, said, out);
    }

    fn carry_front(&mut self, now: Now, said: Vec<FrontOut>, out: &mut Effects) {
        for one in said {
            match one {
                FrontOut::Order(log, order) => self.order(now, log, order),
                FrontOut::Effect(effect) => out.push(effect),
                FrontOut::Note(note) => out.note(note),
            }
        }
    }

    pub(super) fn with_hosts(
        &mut self,
        now: Now,
        out: &mut Effects,
        act: impl FnOnce(&mut super::Coordinators, &mut HostCx<'_>, &mut Vec<HostOut>),
    ) {
        let mut said = Vec::new();
        let mut cx =
            HostCx { now, config: &self.config, rng: &mut self.rng, functions: &self.functions, notes: &mut out.notes };
        act(&mut self.coordinators, &mut cx, &mut said);
        self.carry_hosts(now, said, out);
    }

    pub(super) fn carry_hosts(&mut self, now: Now, said: Vec<HostOut>, out: &mut Effects) {
        for one in said {
            match one {
                HostOut::Ask(log, key, ask) => self.order(now, log, Order::Ask(log, key, ask)),
                HostOut::Unreadable(log, fault) => self.order(now, log, Order::Unreadable(log, fault)),
                HostOut::Effect(effect) => out.push(effect),
                HostOut::Reply(ticket, body) => {
                    if let Some((ticket, body)) = self.groups.joined(ticket, body, self.cluster.image()) {
                        out.push(Effect::Reply { ticket, body: Some(body) });
                    }
                }
            }
        }
    }
}
