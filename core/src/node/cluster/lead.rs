//! The controller at work: what is asked of it is decided, appended, and told once it is committed.

use super::forward::block;
use super::{From, Phase, RETRY, Then};
use crate::boundary::{Action, Effect, Effects, Lost, Note};
use crate::controller::{Ask, Controller, Reply};
use crate::metadata::{Delta, record};
use crate::msg::broker_registration::BrokerRegistrationResponse;
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::follow::CHANGES_PER_STEP_MAX;
use crate::node::groups::OFFSETS_TOPIC;
use crate::quorum::{Quorum, QuorumOut};
use crate::shard::Cx;
use crate::types::{BrokerEpoch, BrokerId, LogId, Now, Offset, Str};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

impl Node {
    /// No room for a decision: whoever waits is refused, and a new reign begins with what is durable, after a while.
    pub(super) fn metadata_full(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.retry_at.is_some() {
            return;
        }
        out.note(Note::DiskFull { log: LogId::METADATA });
        self.cluster.retry_at = Some(now.mono + RETRY);
        match self.cluster.quorum.is_sole() {
            true => self.uncrown(now, out),
            false => self.with_quorum(now, out, Quorum::give_up),
        }
    }

    /// The controller here is none any more: what it decided and nobody has committed may stand or not.
    fn uncrown(&mut self, now: Now, out: &mut Effects) {
        self.cluster.controller = None;
        self.cluster.leases.abandon();
        for (_, from, _) in core::mem::take(&mut self.cluster.promised) {
            // Nobody knows whether the decision will stand, so nothing may be said of it.
            match from {
                From::Client(ticket) => out.push(Effect::Hangup { conn: ticket.conn }),
                From::Call(call) => self.called(now, call, Err(Lost::Unknown), out),
                From::Own | From::Nobody => {}
            }
        }
        self.refuse_numbers(out);
    }

    pub(super) fn carry_quorum(&mut self, now: Now, said: Vec<QuorumOut>, out: &mut Effects) {
        for one in said {
            match one {
                QuorumOut::Vote { term, voted } => {
                    self.cluster.store(Action::Vote { term, voted }, Then::Voted(term, voted), out);
                }
                QuorumOut::AskVote { to, ask } => self.ask_vote(to, ask, out),
                QuorumOut::TellVoter { to, term } => self.tell_voter(to, term, out),
                QuorumOut::TellEnd { to, term, successors } => self.tell_end((to, term), &successors, out),
                QuorumOut::Append(batches) => {
                    let then = Then::Appended(self.cluster.quorum.log().end());
                    self.cluster.store(Action::Append { batches }, then, out);
                }
                QuorumOut::Truncate { from, end } => {
                    out.note(Note::Truncated { log: LogId::METADATA, from, to: end });
                    self.cluster.store(Action::Truncate { end }, Then::Changed(end), out);
                }
                QuorumOut::BeginAnew { start } => self.begin_image_anew(start, out),
                QuorumOut::Lead { .. } if self.cluster.quorum.is_sole() => self.crown(now, out),
                QuorumOut::Lead { .. } => self.cluster.leases.elected(),
                QuorumOut::Follow { leader, term } => {
                    out.note(Note::Controller { leader, term });
                    self.cluster.voting.last_leader = Some(leader);
                    self.cluster.observing.turn(now.mono);
                    self.cluster.enlisting.turn(now.mono);
                    self.tell_followers(now.mono, out);
                    self.leave_on(now, out);
                }
                QuorumOut::Deposed => {
                    self.uncrown(now, out);
                    self.read_again();
                    self.tell_followers(now.mono, out);
                }
                QuorumOut::Committed { end } => self.committed(now, end, out),
                QuorumOut::Trim { start } => {
                    self.cluster.store(Action::Trim { start }, Then::Trimmed(start), out);
                }
            }
        }
    }

    /// The image has everything that was committed when this node was elected: it is the controller.
    fn crown(&mut self, now: Now, out: &mut Effects) {
        let me = self.cluster.life.me.id;
        // Whoever is no broker, or is not registered yet, has not followed any of it.
        self.reconfigure();
        self.cluster.tend_first(now.mono + self.config.leaders.check_interval);
        self.cluster.controller = Some(Controller::new(self.cluster.image.clone()));
        let until = now.mono + self.config.broker.session_timeout;
        // The line to the last leader broke, or it would lead still: if its broker lives it is heard of at once.
        let last = self.cluster.voting.last_leader.replace(me).map(|id| (id, now.mono + LAST_LEADER));
        self.cluster.leases.begin(&self.cluster.image, me, until, last);
        out.note(Note::Controller { leader: me, term: self.cluster.quorum.term() });
    }

    /// The reign of this node has begun, and what came before is in the image.
    pub(super) fn begin_reign(&mut self, now: Now, bytes: u64, out: &mut Effects) {
        self.cluster.reading.replay = None;
        self.cluster.quorum.replayed(bytes);
        self.crown(now, out);
        self.cluster.enlisting.turn(now.mono);
        if self.cluster.image.features().is_empty() {
            self.ask_controller(now, From::Own, &Ask::Bootstrap, out);
        }
    }

    /// Everything before `end` is committed: it becomes public, and what depends on it is said.
    fn committed(&mut self, now: Now, end: Offset, out: &mut Effects) {
        self.tell_followers(now.mono, out);
        if !self.cluster.quorum.is_sole() && self.cluster.controller.is_none() {
            return self.load_on(now, out);
        }
        let deltas = self.cluster.controller.as_mut().map_or(Vec::new(), |controller| controller.committed(end));
        for delta in deltas {
            self.cluster.image = delta.after().clone();
            if matches!(self.cluster.phase, Phase::Following | Phase::Ready) {
                self.follow(&delta);
            }
        }
        // What the quorum writes for itself changes nothing, and counts; a snapshot once it is whole, for whoever reads on behind it.
        let end_of_image = self.cluster.quorum.open_run().map_or(end, |from| end.min(from));
        if self.cluster.controller.is_some() && self.cluster.image.end() < end_of_image {
            self.cluster.image = Arc::new(self.cluster.image.until(end_of_image));
        }
        while self.cluster.promised.front().is_some_and(|(needed, ..)| *needed <= end) {
            let (_, from, reply) = self.cluster.promised.pop_front().expect("just seen");
            self.following.tell(from, reply);
        }
        self.follow_on(now, CHANGES_PER_STEP_MAX, out);
        if self.cluster.phase == Phase::Electing {
            self.cluster.phase = Phase::Registering;
            match self.cluster.image.features().is_empty() {
                true => self.ask_controller(now, From::Own, &Ask::Bootstrap, out),
                false => self.register(now, out),
            }
        }
    }

    fn register(&mut self, now: Now, out: &mut Effects) {
        if !self.config.broker.roles.is_broker() {
            self.cluster.phase = Phase::Ready;
            return;
        }
        if self.cluster.epoch != BrokerEpoch::NONE {
            // A new reign in the same life of this process: it is registered already.
            self.cluster.phase = Phase::Following;
            if !self.following.is_busy() {
                self.followed(out);
            }
            return self.tell_lost(now, out);
        }
        let registration = self.registration(self.cluster.life.incarnation);
        self.ask_controller(now, From::Own, &Ask::Register(registration), out);
    }

    /// A question for the controller. Its answer waits for everything that it could rest on.
    pub(in crate::node) fn ask_controller(&mut self, now: Now, from: From, ask: &Ask, out: &mut Effects) {
        let Some(controller) = &mut self.cluster.controller else {
            return self.refuse_controller(now, from, out);
        };
        let mut cx = Cx { now, config: &self.config, rng: &mut self.rng, notes: &mut out.notes };
        let verdict = controller.decide(&mut cx, ask);
        if !verdict.records.is_empty() {
            let encoded: Vec<_> = verdict.records.iter().map(record::encode).collect();
            let batch = self.cluster.quorum.append(&encoded, now, &self.functions).expect("the controller leads");
            let applied = controller.apply(batch.base_offset(), &verdict.records);
            assert!(applied.is_ok(), "INV-12: what is decided can be applied: {applied:?}");
            let then = Then::Appended(batch.end_offset());
            self.cluster.store(Action::Append { batches: alloc::vec![batch] }, then, out);
        }
        let needed = self.cluster.quorum.log().end();
        let is_committed = needed <= self.cluster.quorum.high_watermark();
        for reply in verdict.replies {
            match is_committed {
                true => self.following.tell(from, reply),
                false => self.cluster.promised.push_back((needed, from, reply)),
            }
        }
        self.follow_on(now, CHANGES_PER_STEP_MAX, out);
        self.take_snapshot(now, out);
    }

    /// Writes the whole image once more, if the log has grown enough since it was last written.
    fn take_snapshot(&mut self, now: Now, out: &mut Effects) {
        let Some(controller) = &self.cluster.controller else { return };
        if self.cluster.quorum.wants_snapshot(self.config.quorum.snapshot_bytes_between) {
            let records: Vec<_> = controller.head().to_records().iter().map(record::encode).collect();
            let batches = self.cluster.quorum.snapshot(&records, now, &self.functions).expect("the controller leads");
            let then = Then::Appended(self.cluster.quorum.log().end());
            self.cluster.store(Action::Append { batches }, then, out);
        }
    }

    /// There is no controller at the moment: the connection ends, and the client asks again.
    pub(super) fn refuse_controller(&mut self, now: Now, from: From, out: &mut Effects) {
        match from {
            From::Client(ticket) => out.push(Effect::Hangup { conn: ticket.conn }),
            From::Call(call) => self.called(now, call, Err(Lost::NotSent), out),
            From::Own => self.refuse_numbers(out),
            From::Nobody => {}
        }
    }

    /// A decision is committed.
    pub(in crate::node) fn decided(&mut self, now: Now, from: From, reply: Reply, out: &mut Effects) {
        match reply {
            Reply::Bootstrapped if self.cluster.quorum.is_sole() => self.register(now, out),
            Reply::Bootstrapped => {}
            Reply::Fenced | Reply::Tended { has_more: false } => {}
            Reply::Tended { has_more: true } => self.cluster.tend_on(now.mono),
            Reply::Registered(epoch) if from != From::Own => {
                if let From::Client(ticket) = from {
                    let response = BrokerRegistrationResponse { broker_epoch: epoch.0, ..Default::default() };
                    out.push(Effect::Reply { ticket, body: Some(Response::BrokerRegistration(response)) });
                }
            }
            Reply::Registered(epoch) if !self.cluster.quorum.is_sole() => self.enlisted_as(now, epoch, out),
            Reply::Registered(epoch) => {
                self.cluster.epoch = epoch;
                // It has it in its log; this is for a start with settings that name other voters too.
                self.cluster.store(Action::Registration { epoch }, Then::Stray, out);
                self.trusted(out);
                self.cluster.phase = Phase::Following;
                self.drop_strays(out);
                let delta = Delta::from_nothing(self.cluster.image.clone());
                self.follow(&delta);
                self.tell_lost(now, out);
            }
            Reply::Created(_) => {}
            Reply::ProducerIds(ids) => match from {
                From::Client(ticket) => out.push(Effect::Reply { ticket, body: Some(block(ids)) }),
                From::Own => self.numbered(now, ids, out),
                From::Call(_) | From::Nobody => {}
            },
            Reply::Response(body) => match from {
                From::Client(ticket) => out.push(Effect::Reply { ticket, body: Some(body) }),
                From::Call(call) => self.called(now, call, Ok(body), out),
                From::Own => self.lease_held(now, self.cluster.life.me.id, Ok(body), out),
                From::Nobody => {}
            },
        }
    }

    /// The first question about a group makes the topic that coordinators live in.
    pub(in crate::node) fn create_offsets_topic(&mut self, now: Now, out: &mut Effects) {
        self.create_missing(now, alloc::vec![Str::from_static(OFFSETS_TOPIC)], out);
    }

    /// A client's request that changes the metadata. `None` if it is no such request.
    pub(in crate::node) fn admin_ask(request: Request, version: i16) -> Option<Ask> {
        Some(match request {
            Request::CreateTopics(body) => Ask::CreateTopics(body),
            Request::DeleteTopics(body) => Ask::DeleteTopics(body, version),
            Request::CreatePartitions(body) => Ask::CreatePartitions(body),
            Request::AlterConfigs(body) => Ask::AlterConfigs(body),
            Request::ElectLeaders(body) => Ask::ElectLeaders(body),
            Request::AlterPartitionReassignments(body) => Ask::Reassign(body),
            Request::UnregisterBroker(body) => Ask::Unregister(BrokerId(body.broker_id)),
            Request::IncrementalAlterConfigs(body) => Ask::IncrementalAlterConfigs(body),
            _ => return None,
        })
    }
}

/// How long a new controller waits to hear of the broker that led before.
const LAST_LEADER: Duration = Duration::from_millis(500);
