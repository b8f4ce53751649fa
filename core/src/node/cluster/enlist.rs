//! A broker and the controller that runs elsewhere: it registers, and says now and then that it lives (KIP-631).
//!
//! ```text
//!   Loading ── all that is committed is known ──▶ Registering ── the registration is in the image ──▶ Following ──▶ Ready
//!                                                     ▲                                           what is known is
//!                                                     │                                           taken up, and the
//!                                                     └── the controller knows another            controller lets
//!                                                         registration, or none                   it lead
//! ```

use super::{From, Phase, Then};
use crate::boundary::{Action, Asker, Effect, Effects, Lost, Note};
use crate::config::Durability;
use crate::controller::{Ask, Heartbeat, Registration};
use crate::metadata::{Broker, Delta, Endpoint, features};
use crate::msg::alter_partition::AlterPartitionRequest;
use crate::msg::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use crate::msg::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, Feature, Listener as RegisteredListener,
};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::node::follow::CHANGES_PER_STEP_MAX;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, ListenerType, Mono, Now, Offset, Str, Ticket, Uuid};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Where a broker stands with its controller.
#[derive(Clone, Hash, Debug)]
pub(super) struct Enlisting {
    /// Who was asked last and has not answered.
    calling: Option<BrokerId>,
    /// Nothing is said before then.
    call_at: Mono,
    /// There is something to be said as soon as that one has answered.
    is_urgent: bool,
}

impl Enlisting {
    pub(super) fn new(now: Mono) -> Self {
        Self { calling: None, call_at: now, is_urgent: false }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.calling.is_none().then_some(self.call_at)
    }

    /// There is another controller: it is to hear of this broker at once.
    pub(super) fn turn(&mut self, now: Mono) {
        *self = Self::new(now);
    }
}

impl Node {
    /// What this broker says of itself when it starts.
    pub(super) fn registration(&self, incarnation: Uuid) -> Registration {
        let me = &self.config.broker;
        let for_clients = me.listeners.iter().filter(|listener| listener.listener_type == ListenerType::Broker);
        let listeners = for_clients.filter_map(|listener| {
            let at = listener.advertised.as_ref()?;
            Some(Endpoint { listener: listener.name.clone(), host: at.host.clone(), port: at.port, protocol: 0 })
        });
        Registration {
            id: me.id,
            incarnation,
            endpoints: listeners.collect(),
            rack: me.rack.clone(),
            // One that failed is told of behind it: it is lost for now, and has not gone for good.
            directories: self.directories.all(),
            unproved: self.directories.unproved(),
            is_durable: self.config.store.durability == Durability::Durable,
            whole_since: self.cluster.whole_since(),
            is_controller: self.cluster.quorum.is_sole(),
            epoch: BrokerEpoch(self.cluster.quorum.log().end().0),
        }
    }

    /// Says what is to be said to the controller by now.
    pub(super) fn enlist(&mut self, now: Now, out: &mut Effects) {
        let is_due = self.cluster.enlisting.deadline().is_some_and(|at| at <= now.mono);
        let is_due = is_due && self.config.broker.roles.is_broker();
        let is_keeping = self.cluster.life.keeping.is_some();
        if self.cluster.phase == Phase::Loading || self.cluster.quorum.is_sole() || !is_due || is_keeping {
            return;
        }
        let Some(line) = self.cluster.lease() else { return self.enlist_here(now, out) };
        let (what, body) = match self.cluster.epoch {
            BrokerEpoch::NONE => {
                let incarnation = self.cluster.life.incarnation;
                (CallFor::Registration(line.to), register(&self.cluster.id, self.registration(incarnation)))
            }
            epoch => {
                let lost = self.directories.lost();
                let told = heartbeat((self.config.broker.id, epoch), self.known(), self.cluster.is_leaving(), lost);
                (CallFor::Heartbeat(line.to), told)
            }
        };
        let call = self.calls.begin(what);
        self.cluster.enlisting.calling = Some(line.to);
        out.push(Effect::Call { call, line, body, wait: self.config.broker.session_timeout });
    }

    /// The same where the controller is in this process, or nowhere. Nobody has a lease with itself.
    fn enlist_here(&mut self, now: Now, out: &mut Effects) {
        let me = self.config.broker.id;
        let image = self.cluster.image.clone();
        self.enlist_in(now, PAUSE);
        if self.cluster.controller.is_none() || image.features().is_empty() {
            return;
        }
        let ask = match image.broker(me) {
            _ if self.cluster.epoch == BrokerEpoch::NONE => {
                Ask::Register(self.registration(self.cluster.life.incarnation))
            }
            Some(known)
                if !known.fenced
                    && known.epoch == self.cluster.epoch
                    && !self.cluster.is_leaving()
                    && !known.directories.iter().any(|id| self.directories.lost().contains(id)) =>
            {
                return self.enlist_in(now, self.config.broker.heartbeat_interval);
            }
            Some(_) | None => Ask::Heartbeat(Heartbeat {
                id: me,
                epoch: self.cluster.epoch,
                known: self.known(),
                want_fence: false,
                want_shut_down: self.cluster.is_leaving(),
                lost: self.directories.lost(),
            }),
        };
        self.ask_controller(now, From::Own, &ask, out);
    }

    /// Whoever is a cluster of its own tells itself what it has lost, as soon as it is registered.
    pub(in crate::node) fn tell_lost(&mut self, now: Now, out: &mut Effects) {
        let has_lost = !self.directories.lost().is_empty();
        if has_lost && self.cluster.quorum.is_sole() && self.cluster.epoch != BrokerEpoch::NONE {
            let ask = Ask::Heartbeat(Heartbeat {
                id: self.config.broker.id,
                epoch: self.cluster.epoch,
                known: self.known(),
                want_fence: false,
                want_shut_down: false,
                lost: self.directories.lost(),
            });
            self.ask_controller(now, From::Nobody, &ask, out);
        }
    }

    /// The metadata before this offset are taken up here.
    fn known(&self) -> Offset {
        if self.following.is_busy() { Offset::ZERO } else { self.cluster.image.end() }
    }

    /// What is to be said is said at once, or as soon as the controller has answered what was said before.
    pub(in crate::node) fn enlist_soon(&mut self, now: Now, out: &mut Effects) {
        self.cluster.enlisting.call_at = now.mono;
        self.cluster.enlisting.is_urgent = self.cluster.enlisting.calling.is_some();
        self.enlist(now, out);
    }

    /// The next thing is said after so long.
    fn enlist_in(&mut self, now: Now, pause: Duration) {
        let pause = if self.cluster.enlisting.is_urgent { Duration::ZERO } else { pause };
        self.cluster.enlisting = Enlisting { calling: None, call_at: now.mono + pause, is_urgent: false };
    }

    /// Is this the controller whose answer is waited for?
    fn is_awaited(&self, whom: BrokerId) -> bool {
        self.cluster.enlisting.calling == Some(whom) || whom == self.config.broker.id
    }

    /// The controller answered a registration, or nobody did.
    pub(in crate::node) fn enlisted(
        &mut self,
        now: Now,
        whom: BrokerId,
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        match body {
            _ if !self.is_awaited(whom) => {}
            Ok(Response::BrokerRegistration(BrokerRegistrationResponse { error_code: 0, broker_epoch, .. })) => {
                self.enlisted_as(now, BrokerEpoch(broker_epoch), out);
            }
            Ok(Response::BrokerRegistration(BrokerRegistrationResponse { error_code, .. }))
                if error_code == ErrorCode::DuplicateBrokerRegistration.code() =>
            {
                out.note(self.duplicate());
                self.enlist_in(now, PAUSE);
            }
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => self.enlist_in(now, PAUSE),
        }
        self.enlist(now, out);
    }

    /// Who else has the number of this broker, as far as the metadata say it.
    fn duplicate(&self) -> Note {
        let broker = self.config.broker.id;
        let other = self.cluster.image.broker(broker);
        let at = other.and_then(|other| other.endpoints.first());
        Note::Duplicate {
            broker,
            host: at.map(|at| at.host.clone()).unwrap_or_default(),
            port: at.map_or(0, |at| at.port),
            incarnation: other.map_or(Uuid::ZERO, |other| other.incarnation),
        }
    }

    /// This broker is registered. It says so once that is kept; the only voter has it in its log.
    pub(super) fn enlisted_as(&mut self, now: Now, epoch: BrokerEpoch, out: &mut Effects) {
        if self.cluster.quorum.is_sole() {
            return self.registered(now, epoch, out);
        }
        self.cluster.life.keeping = Some(epoch);
        self.cluster.store(Action::Registration { epoch }, Then::Registered(epoch), out);
    }

    /// There is no room to keep it: it is asked for again.
    pub(super) fn unregistered(&mut self, now: Now, out: &mut Effects) {
        self.cluster.life.keeping = None;
        self.enlist_in(now, PAUSE);
        self.metadata_full(now, out);
    }

    /// All that is done from here on is done under this registration.
    pub(super) fn registered(&mut self, now: Now, epoch: BrokerEpoch, out: &mut Effects) {
        self.cluster.epoch = epoch;
        (self.cluster.life.registration, self.cluster.life.keeping) = (Some(epoch), None);
        self.trusted(out);
        self.enlist_in(now, Duration::ZERO);
        self.take_up_registration(now, out);
    }

    /// The controller answered a heartbeat, or nobody did. One that is not let lead yet asks again soon.
    pub(in crate::node) fn lease_held(
        &mut self,
        now: Now,
        whom: BrokerId,
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        let interval = self.config.broker.heartbeat_interval;
        match body {
            _ if !self.is_awaited(whom) => {}
            Ok(Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                error_code: 0, should_shut_down: true, ..
            })) => {
                self.may_leave(now, out);
                self.enlist_in(now, interval);
            }
            Ok(Response::BrokerHeartbeat(BrokerHeartbeatResponse { error_code: 0, is_fenced, .. })) => {
                self.enlist_in(now, if is_fenced || self.cluster.is_leaving() { PAUSE } else { interval });
            }
            Ok(Response::BrokerHeartbeat(told)) => {
                let error = ErrorCode::from_code(told.error_code);
                if matches!(error, Some(ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered)) {
                    // Another life of this number has registered since, or none is known: this one registers anew. It has
                    // all of its own.
                    self.cluster.epoch = BrokerEpoch::NONE;
                    self.cluster.life.incarnation = Uuid(self.rng.bytes16());
                }
                self.enlist_in(now, PAUSE);
            }
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => self.enlist_in(now, PAUSE),
        }
        self.enlist(now, out);
    }

    /// Once the image knows of this registration everything in it is taken up.
    pub(super) fn take_up_registration(&mut self, now: Now, out: &mut Effects) {
        let epoch = self.cluster.epoch;
        let is_known = |broker: &Arc<Broker>| epoch != BrokerEpoch::NONE && broker.epoch == epoch;
        let is_registered = self.cluster.image.broker(self.config.broker.id).is_some_and(is_known);
        if self.cluster.phase == Phase::Registering && !self.cluster.quorum.is_sole() && is_registered {
            self.cluster.phase = Phase::Following;
            self.drop_strays(out);
            let delta = Delta::from_nothing(self.cluster.image.clone());
            self.follow(&delta);
            self.follow_on(now, CHANGES_PER_STEP_MAX, out);
        }
    }

    /// A broker registers with this controller. As with heartbeats, what comes late over a connection that it has given up says
    /// nothing; nor does what may come from a life that ended before the controller was elected. Whoever lives asks again.
    pub(in crate::node) fn registered_by(
        &mut self,
        now: Now,
        (ticket, asker): (Ticket, &Asker),
        body: BrokerRegistrationRequest,
        out: &mut Effects,
    ) {
        let id = BrokerId(body.broker_id);
        self.cluster.leases.asked_over(asker.conn);
        if self.cluster.leases.is_given_up(id, asker.conn) || self.cluster.leases.is_from_before(asker.conn) {
            return out.push(Effect::Hangup { conn: ticket.conn });
        }
        let known = self.cluster.controller.as_ref().and_then(|controller| controller.head().broker(id));
        // The same life over another connection, since it lost the one over which it asked first.
        let is_again = known.is_some_and(|known| known.incarnation == body.incarnation_id);
        let refusal = match &self.cluster.controller {
            None => Some(ErrorCode::NotController),
            Some(_) if body.cluster_id != self.cluster.id => Some(ErrorCode::InconsistentClusterId),
            Some(_) if !is_sensible(&body) => Some(ErrorCode::InvalidRequest),
            Some(_) if id == self.config.broker.id => Some(ErrorCode::DuplicateBrokerRegistration),
            Some(_) if !is_again && self.cluster.leases.is_held_by_another(id, asker.conn) => {
                Some(ErrorCode::DuplicateBrokerRegistration)
            }
            Some(_) => None,
        };
        if let Some(error) = refusal {
            let response = BrokerRegistrationResponse { error_code: error.code(), ..Default::default() };
            return out.push(Effect::Reply { ticket, body: Some(Response::BrokerRegistration(response)) });
        }
        let registration = told(body, BrokerEpoch(self.cluster.quorum.log().end().0));
        self.ask_controller(now, From::Client(ticket), &Ask::Register(registration), out);
        let known = self.cluster.controller.as_ref().and_then(|controller| controller.head().broker(id));
        if let Some(epoch) = known.map(|broker| broker.epoch) {
            self.hear_of(now, id, epoch, asker);
        }
    }

    /// A broker says that it lives. What comes late over a connection that it has given up says nothing, and the lease does not end
    /// with that one.
    pub(in crate::node) fn heartbeat_of(
        &mut self,
        now: Now,
        (ticket, asker): (Ticket, &Asker),
        body: &BrokerHeartbeatRequest,
        out: &mut Effects,
    ) {
        let (id, epoch) = (BrokerId(body.broker_id), BrokerEpoch(body.broker_epoch));
        self.cluster.leases.asked_over(asker.conn);
        if self.cluster.leases.is_given_up(id, asker.conn) {
            return out.push(Effect::Hangup { conn: ticket.conn });
        }
        let Some(controller) = &self.cluster.controller else {
            let response =
                BrokerHeartbeatResponse { error_code: ErrorCode::NotController.code(), ..Default::default() };
            return out.push(Effect::Reply { ticket, body: Some(Response::BrokerHeartbeat(response)) });
        };
        if controller.head().broker(id).is_some_and(|broker| broker.epoch == epoch) && id != self.config.broker.id {
            self.hear_of(now, id, epoch, asker);
        }
        let heartbeat = Heartbeat {
            id,
            epoch,
            known: Offset(body.current_metadata_offset),
            want_fence: body.want_fence,
            want_shut_down: body.want_shut_down,
            lost: body.offline_log_dirs.clone(),
        };
        self.ask_controller(now, From::Client(ticket), &Ask::Heartbeat(heartbeat), out);
    }

    /// A leader asks for another ISR. What comes over a connection that its broker has given up is void: it may have been settled
    /// over another one since.
    pub(in crate::node) fn isr_asked_by(
        &mut self,
        now: Now,
        (ticket, asker): (Ticket, &Asker),
        body: AlterPartitionRequest,
        out: &mut Effects,
    ) {
        let (id, epoch) = (BrokerId(body.broker_id), BrokerEpoch(body.broker_epoch));
        if self.cluster.leases.is_given_up(id, asker.conn) {
            return out.push(Effect::Hangup { conn: ticket.conn });
        }
        let head = self.cluster.controller.as_ref().map(|controller| controller.head().clone());
        if head.is_some_and(|head| head.broker(id).is_some_and(|broker| broker.epoch == epoch)) {
            self.hear_of(now, id, epoch, asker);
        }
        self.ask_controller(now, From::Client(ticket), &Ask::AlterPartition(body), out);
    }

    fn hear_of(&mut self, now: Now, id: BrokerId, epoch: BrokerEpoch, asker: &Asker) {
        self.cluster.leases.heard(id, epoch, asker.conn, now.mono + self.config.broker.session_timeout);
    }
}

fn register(cluster: &crate::types::Str, of: Registration) -> Request {
    let listener = |one: Endpoint| RegisteredListener {
        name: one.listener,
        host: one.host,
        port: one.port,
        security_protocol: one.protocol,
    };
    let unproved = of.unproved.into_iter().map(features::unproved);
    let ranges = features::supported().into_iter().chain(of.is_durable.then(features::durable)).chain(unproved);
    let feature = |one: crate::metadata::FeatureRange| Feature {
        name: one.name,
        min_supported_version: one.first,
        max_supported_version: one.last,
    };
    Request::BrokerRegistration(BrokerRegistrationRequest {
        broker_id: of.id.0,
        cluster_id: cluster.clone(),
        incarnation_id: of.incarnation,
        listeners: of.endpoints.into_iter().map(listener).collect(),
        features: ranges.map(feature).collect(),
        rack: of.rack,
        is_migrating_zk_broker: false,
        log_dirs: of.directories,
        previous_broker_epoch: of.whole_since.unwrap_or(BrokerEpoch::NONE).0,
    })
}

/// Could a broker say that of itself? What is registered stays in the metadata log.
fn is_sensible(body: &BrokerRegistrationRequest) -> bool {
    let (listeners, directories) = (&body.listeners, &body.log_dirs);
    let distinct: BTreeSet<&Uuid> = directories.iter().collect();
    let is_short = |text: &Str| text.len() <= NAME_BYTES_MAX;
    body.broker_id >= 0
        && listeners.iter().all(|one| is_short(&one.name) && is_short(&one.host))
        && body.rack.as_ref().is_none_or(is_short)
        && (1..=LISTENERS_MAX).contains(&listeners.len())
        && (1..=DIRECTORIES_MAX).contains(&directories.len())
        && distinct.len() == directories.len()
        && !distinct.contains(&Uuid::ZERO)
}

fn told(body: BrokerRegistrationRequest, epoch: BrokerEpoch) -> Registration {
    let endpoint = |one: RegisteredListener| Endpoint {
        listener: one.name,
        host: one.host,
        port: one.port,
        protocol: one.security_protocol,
    };
    Registration {
        id: BrokerId(body.broker_id),
        incarnation: body.incarnation_id,
        endpoints: body.listeners.into_iter().map(endpoint).collect(),
        rack: body.rack,
        directories: body.log_dirs,
        unproved: body.features.iter().filter_map(|one| features::unproved_in(&one.name)).collect(),
        is_durable: body.features.iter().any(|one| one.name == features::durable().name),
        whole_since: Some(BrokerEpoch(body.previous_broker_epoch)).filter(|epoch| *epoch != BrokerEpoch::NONE),
        is_controller: false,
        epoch,
    }
}

fn heartbeat((me, epoch): (BrokerId, BrokerEpoch), known: Offset, want_shut_down: bool, lost: Vec<Uuid>) -> Request {
    Request::BrokerHeartbeat(BrokerHeartbeatRequest {
        broker_id: me.0,
        broker_epoch: epoch.0,
        current_metadata_offset: known.0,
        want_fence: false,
        want_shut_down,
        offline_log_dirs: lost,
        cordoned_log_dirs: None,
    })
}

/// More listeners no broker has.
const LISTENERS_MAX: usize = 100;
/// Names of hosts, listeners and racks are no longer.
const NAME_BYTES_MAX: usize = 255;
/// More disks no machine has.
const DIRECTORIES_MAX: usize = 1_000;
/// After so long a broker that is not where it wants to be asks again.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
#[path = "enlist_test.rs"]
mod enlist_test;
