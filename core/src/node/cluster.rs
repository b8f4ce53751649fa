//! The cluster's metadata on this broker: hosts the quorum and the controller, and publishes the image.
//!
//! ```text
//!   Loading ──▶ Electing ──▶ Registering ──▶ Following ──▶ Ready
//!      the log        the vote is      the cluster has begun and   what is known
//!      is applied     durable          this broker is part of it   is taken up
//!                ▲                                              │
//!                └──── an append failed for want of room: what is durable stands, a new reign begins
//! ```
//!
//! Decisions are appended as one batch each; their replies leave when it is committed. Nothing is public before that.

use super::follow::CHANGES_PER_STEP_MAX;
use super::{Node, OWNER_CLUSTER, op_id};
use crate::boundary::{Action, DiskFault, Done, Effect, Effects, Fault, LogSettings, LogSpec, Note, Query};
use crate::config::Durability;
use crate::controller::{Ask, Controller, ProducerIds, Registration, Reply};
use crate::log::Log;
use crate::metadata::{Delta, Endpoint, Image, Replay, record};
use crate::msg::init_producer_id::InitProducerIdResponse;
use crate::msg::{Request, Response};
use crate::quorum::{Quorum, QuorumOut, Voter};
use crate::record::{Records, check_stored};
use crate::shard::Cx;
use crate::types::{
    BrokerEpoch, ConnId, ErrorCode, LeaderEpoch, ListenerType, LogId, Mono, Now, Offset, OpId, Str, Ticket, Uuid,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The metadata log, and everything that is made from it.
#[derive(Clone, Hash, Debug)]
pub struct Cluster {
    /// The cluster's id, as clients see it.
    pub id: Str,
    phase: Phase,
    me: Voter,
    quorum: Quorum,
    /// Present while this broker leads the quorum.
    controller: Option<Controller>,
    /// What is committed, for everybody.
    image: Arc<Image>,
    /// The log so far, while it is read at start.
    replay: Option<Replay>,
    /// Whether the directory came back whole.
    is_whole: bool,
    /// Where the last reign that was found began. A registration before it may not have been the last: that one may be
    /// lost.
    last_reign: Offset,
    /// Decisions under way: what must be committed, whom to tell, what.
    promised: VecDeque<(Offset, From, Reply)>,
    ops: BTreeMap<OpId, Then>,
    ops_begun: u64,
    vote: Option<(LeaderEpoch, Option<crate::types::BrokerId>)>,
    retry_at: Option<Mono>,
    epoch: BrokerEpoch,
    producer_ids: ProducerIds,
    /// Who waits for a block of producer ids.
    numberless: Vec<Ticket>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Loading,
    Electing,
    Registering,
    Following,
    Ready,
}

/// Who asked the controller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum From {
    /// A client, which gets the answer.
    Client(Ticket),
    /// This broker itself.
    Own,
}

impl From {
    /// The connection is gone: if it asked, nobody waits any more.
    pub fn closed(&mut self, conn: ConnId) {
        if matches!(self, Self::Client(ticket) if ticket.conn == conn) {
            *self = Self::Own;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// A piece of the log to be applied.
    Load,
    Created,
    Voted(LeaderEpoch),
    Appended(Offset),
    /// What lies before a snapshot is gone.
    Trimmed(Offset),
    /// What the store holds after a failed append.
    Reload,
}

/// What the cluster starts from.
pub struct Found {
    /// The cluster's id.
    pub id: Str,
    /// This broker as a voter.
    pub me: Voter,
    /// The metadata log, if there was one.
    pub log: Option<Log>,
    /// The vote that was kept.
    pub vote: Option<(LeaderEpoch, Option<crate::types::BrokerId>)>,
    /// Whether the directory came back whole.
    pub is_whole: bool,
}

impl Cluster {
    /// The metadata before anything was read; [`Node::load_metadata`] goes on.
    pub fn new(found: Found, now: Now) -> Self {
        let log = found.log.unwrap_or_else(|| Log::empty(Offset::ZERO));
        // A vote of which the log knows nothing tells of a reign that is lost altogether. A reign that began before the log
        // does left a snapshot, and with it its registration.
        let reign = log.epochs().entries().last().copied();
        let is_known = |(term, _)| reign.is_none_or(|reign| reign.epoch == term);
        let last_reign = reign.map_or(Offset::ZERO, |reign| reign.start);
        let last_reign = if last_reign == log.start() { Offset::ZERO } else { last_reign };
        Self {
            id: found.id,
            phase: Phase::Loading,
            me: found.me,
            quorum: Quorum::boot(found.me, found.vote, log, now),
            controller: None,
            image: Arc::default(),
            replay: Some(Replay::default()),
            is_whole: found.is_whole && found.vote.is_none_or(is_known),
            last_reign,
            promised: VecDeque::new(),
            ops: BTreeMap::new(),
            ops_begun: 0,
            vote: found.vote,
            retry_at: None,
            epoch: BrokerEpoch::NONE,
            producer_ids: ProducerIds { first: crate::types::ProducerId(0), count: 0 },
            numberless: Vec::new(),
        }
    }

    /// What is committed.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The same, to be kept.
    pub fn shared_image(&self) -> &Arc<Image> {
        &self.image
    }

    /// The quorum's member here.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// True once clients may come.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// When the cluster wants to be woken.
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Electing => self.retry_at.or(self.quorum.deadline()),
            Phase::Loading | Phase::Registering | Phase::Following | Phase::Ready => self.retry_at,
        }
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        self.promised.iter_mut().for_each(|(_, from, _)| from.closed(conn));
        self.numberless.retain(|ticket| ticket.conn != conn);
    }

    fn begin(&mut self, then: Then) -> OpId {
        let op = op_id(self.ops_begun, OWNER_CLUSTER);
        self.ops_begun += 1;
        self.ops.insert(op, then);
        op
    }

    fn store(&mut self, action: Action, then: Then, out: &mut Effects) {
        let op = self.begin(then);
        out.push(Effect::Store { op, log: LogId::METADATA, action });
    }

    fn read(&mut self, query: Query, then: Then, out: &mut Effects) {
        let op = self.begin(then);
        out.push(Effect::Read { op, log: LogId::METADATA, query });
    }
}

impl Node {
    /// The first thing that a node does: make its metadata log, or read it.
    pub(super) fn load_metadata(&mut self, now: Now, is_new: bool, out: &mut Effects) {
        if is_new {
            let settings = LogSettings { delete: false, ..LogSettings::default() };
            let spec = LogSpec { topic: Str::from_static(METADATA_TOPIC), settings };
            self.cluster.store(Action::Create(spec), Then::Created, out);
        }
        self.load_on(now, self.cluster.quorum.log().start(), out);
    }

    fn load_on(&mut self, now: Now, from: Offset, out: &mut Effects) {
        let end = self.cluster.quorum.log().end();
        if from < end {
            return self.cluster.read(Query::Records { from, end, bytes_max: LOAD_BYTES }, Then::Load, out);
        }
        if let Some(replay) = self.cluster.replay.take() {
            self.cluster.image = replay.image().clone();
            self.cluster.quorum.replayed(replay.bytes());
        }
        self.cluster.phase = Phase::Electing;
        self.cluster_wake(now, out);
    }

    /// Time-outs that are due.
    pub(super) fn cluster_wake(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.retry_at.is_some_and(|at| at <= now.mono) {
            self.cluster.retry_at = None;
            self.cluster.read(Query::Log, Then::Reload, out);
        } else if self.cluster.phase == Phase::Electing && self.cluster.retry_at.is_none() {
            let mut said = Vec::new();
            self.cluster.quorum.wake(now, &mut said);
            self.carry_quorum(now, said, out);
        }
    }

    /// An operation on the metadata log ended.
    pub(super) fn cluster_done(&mut self, now: Now, op: OpId, outcome: Result<Done, DiskFault>, out: &mut Effects) {
        let then = self.cluster.ops.remove(&op).expect("INV-04: an operation ends once, and only if it began");
        match (then, outcome) {
            (Then::Load, Ok(Done::Records(records))) => self.loaded(now, &records, out),
            (Then::Voted(term), Ok(_)) => {
                self.cluster.vote = Some((term, Some(self.cluster.me.id)));
                let mut said = Vec::new();
                self.cluster.quorum.voted(term, now, &self.functions, &mut said);
                self.carry_quorum(now, said, out);
            }
            (Then::Appended(end), Ok(_)) => {
                let mut said = Vec::new();
                // An append of an earlier reign may end after the log was taken from the store again.
                if self.cluster.quorum.log().durable() < end && self.cluster.retry_at.is_none() {
                    self.cluster.quorum.stored(end, &mut said);
                }
                self.carry_quorum(now, said, out);
            }
            (Then::Created, Ok(_)) => {}
            (Then::Trimmed(start), Ok(_)) => self.cluster.quorum.trimmed(start),
            (Then::Reload, Ok(Done::Log(log))) => {
                let (me, vote) = (self.cluster.me, self.cluster.vote);
                self.cluster.quorum = Quorum::boot(me, vote, *log, now);
                self.cluster.phase = Phase::Electing;
                self.cluster_wake(now, out);
            }
            (_, Err(DiskFault::Full)) => self.metadata_full(now, out),
            (_, Ok(_) | Err(_)) => out.push(Effect::Halt { fault: Fault::MetadataOffline }),
        }
    }

    fn loaded(&mut self, now: Now, records: &Records, out: &mut Effects) {
        let replay = self.cluster.replay.as_mut().expect("the log is read while it is being loaded");
        for batch in check_stored(records.to_bytes(), &self.functions) {
            let batch = batch.map_err(|fault| Str::from(alloc::format!("{fault:?}")));
            if let Err(why) = batch.and_then(|batch| replay.take(&batch, &self.functions)) {
                return out.push(Effect::Halt { fault: Fault::MetadataUnreadable(why) });
            }
        }
        let next = replay.image().end();
        self.load_on(now, next, out);
    }

    /// No room for a decision: whoever waits is refused, and a new reign begins with what is durable, after a while.
    fn metadata_full(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.retry_at.is_some() {
            return;
        }
        out.note(Note::DiskFull { log: LogId::METADATA });
        self.cluster.retry_at = Some(now.mono + RETRY);
        self.cluster.controller = None;
        for (_, from, _) in core::mem::take(&mut self.cluster.promised) {
            // Nobody knows whether the decision will stand, so nothing may be said of it.
            if let From::Client(ticket) = from {
                out.push(Effect::Hangup { conn: ticket.conn });
            }
        }
        for ticket in core::mem::take(&mut self.cluster.numberless) {
            refuse_number(ticket, ErrorCode::CoordinatorNotAvailable, out);
        }
    }

    fn carry_quorum(&mut self, now: Now, said: Vec<QuorumOut>, out: &mut Effects) {
        for one in said {
            match one {
                QuorumOut::Vote { term, voted } => {
                    self.cluster.store(Action::Vote { term, voted: Some(voted) }, Then::Voted(term), out);
                }
                QuorumOut::Append(batch) => {
                    let then = Then::Appended(batch.end_offset());
                    self.cluster.store(Action::Append { batches: alloc::vec![batch] }, then, out);
                }
                QuorumOut::Lead { term, .. } => {
                    self.cluster.controller = Some(Controller::new(self.cluster.image.clone()));
                    out.note(Note::Controller { leader: self.cluster.me.id, term });
                }
                QuorumOut::Committed { end } => self.committed(now, end, out),
                QuorumOut::Trim { start } => {
                    self.cluster.store(Action::Trim { start }, Then::Trimmed(start), out);
                }
            }
        }
    }

    /// Everything before `end` is committed: it becomes public, and what depends on it is said.
    fn committed(&mut self, now: Now, end: Offset, out: &mut Effects) {
        let deltas = self.cluster.controller.as_mut().map_or(Vec::new(), |controller| controller.committed(end));
        for delta in deltas {
            self.cluster.image = delta.after().clone();
            if matches!(self.cluster.phase, Phase::Following | Phase::Ready) {
                self.follow(&delta);
            }
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
        if self.cluster.epoch != BrokerEpoch::NONE {
            // A new reign in the same life of this process: it is registered already.
            self.cluster.phase = Phase::Following;
            if !self.following.is_busy() {
                self.followed(out);
            }
            return;
        }
        let me = &self.config.broker;
        let for_clients = me.listeners.iter().filter(|listener| listener.listener_type == ListenerType::Broker);
        let listeners = for_clients.filter_map(|listener| {
            let at = listener.advertised.as_ref()?;
            Some(Endpoint { listener: listener.name.clone(), host: at.host.clone(), port: at.port, protocol: 0 })
        });
        let known = self.cluster.image.broker(me.id).map(|broker| broker.epoch);
        let registration = Registration {
            id: me.id,
            incarnation: Uuid(self.rng.bytes16()),
            endpoints: listeners.collect(),
            rack: me.rack.clone(),
            directories: alloc::vec![self.cluster.me.directory],
            is_durable: self.config.store.durability == Durability::Durable,
            whole_since: known.filter(|epoch| self.cluster.is_whole && epoch.0 >= self.cluster.last_reign.0),
            epoch: BrokerEpoch(self.cluster.quorum.log().end().0),
        };
        self.ask_controller(now, From::Own, &Ask::Register(registration), out);
    }

    /// A question for the controller. Its answer waits for everything that it could rest on.
    pub(super) fn ask_controller(&mut self, now: Now, from: From, ask: &Ask, out: &mut Effects) {
        let Some(controller) = &mut self.cluster.controller else {
            return self.refuse_controller(from, out);
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
    fn refuse_controller(&self, from: From, out: &mut Effects) {
        if let From::Client(ticket) = from {
            out.push(Effect::Hangup { conn: ticket.conn });
        }
    }

    /// A decision is committed.
    pub(super) fn decided(&mut self, now: Now, from: From, reply: Reply, out: &mut Effects) {
        match reply {
            Reply::Bootstrapped => self.register(now, out),
            Reply::Registered(epoch) => {
                self.cluster.epoch = epoch;
                self.cluster.phase = Phase::Following;
                let delta = Delta::from_nothing(self.cluster.image.clone());
                self.follow(&delta);
            }
            Reply::Created(_) => {}
            Reply::ProducerIds(Ok(ids)) => {
                self.cluster.producer_ids = ids;
                for ticket in core::mem::take(&mut self.cluster.numberless) {
                    self.init_producer_id(now, ticket, out);
                }
            }
            Reply::ProducerIds(Err(error)) => {
                for ticket in core::mem::take(&mut self.cluster.numberless) {
                    refuse_number(ticket, error, out);
                }
            }
            Reply::Response(body) => {
                if let From::Client(ticket) = from {
                    out.push(Effect::Reply { ticket, body: Some(body) });
                }
            }
        }
    }

    /// All that was known at start is followed: clients may come.
    pub(super) fn followed(&mut self, out: &mut Effects) {
        if self.cluster.phase == Phase::Following {
            self.cluster.phase = Phase::Ready;
            self.drop_strays(out);
        }
    }

    /// Logs that no topic claims are what a crash left of a deletion: ids are never reused.
    fn drop_strays(&mut self, out: &mut Effects) {
        for (log, _) in core::mem::take(&mut self.found) {
            self.cluster.store_for(log, Action::Delete, out);
        }
    }

    /// A number for a producer, from the block that this broker has.
    pub(super) fn init_producer_id(&mut self, now: Now, ticket: Ticket, out: &mut Effects) {
        let ids = &mut self.cluster.producer_ids;
        if ids.count == 0 {
            self.cluster.numberless.push(ticket);
            if self.cluster.numberless.len() == 1 {
                let ask = Ask::AllocateProducerIds { broker: self.cluster.me.id, epoch: self.cluster.epoch };
                self.ask_controller(now, From::Own, &ask, out);
            }
            return;
        }
        let id = ids.first;
        *ids = ProducerIds { first: crate::types::ProducerId(id.0 + 1), count: ids.count - 1 };
        let response = InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() };
        out.push(Effect::Reply { ticket, body: Some(Response::InitProducerId(response)) });
    }

    /// The first question about a group makes the topic that coordinators live in.
    pub(super) fn create_offsets_topic(&mut self, now: Now, out: &mut Effects) {
        self.create_missing(now, alloc::vec![Str::from_static(super::groups::OFFSETS_TOPIC)], out);
    }

    /// Topics that somebody asked for and that do not exist.
    pub(super) fn create_missing(&mut self, now: Now, names: Vec<Str>, out: &mut Effects) {
        self.ask_controller(now, From::Own, &Ask::CreateMissing(names), out);
    }

    /// Whether this broker leads the partition.
    pub(super) fn is_leading(&self, log: LogId) -> bool {
        self.cluster.image.partition(log).is_some_and(|partition| partition.leader == self.config.broker.id)
    }

    /// A client's request that changes the metadata. `None` if it is no such request.
    pub(super) fn admin_ask(request: Request, version: i16) -> Option<Ask> {
        Some(match request {
            Request::CreateTopics(body) => Ask::CreateTopics(body),
            Request::DeleteTopics(body) => Ask::DeleteTopics(body, version),
            Request::CreatePartitions(body) => Ask::CreatePartitions(body),
            Request::AlterConfigs(body) => Ask::AlterConfigs(body),
            Request::IncrementalAlterConfigs(body) => Ask::IncrementalAlterConfigs(body),
            _ => return None,
        })
    }
}

impl Cluster {
    fn store_for(&mut self, log: LogId, action: Action, out: &mut Effects) {
        let op = self.begin(Then::Created);
        out.push(Effect::Store { op, log, action });
    }
}

fn refuse_number(ticket: Ticket, error: ErrorCode, out: &mut Effects) {
    let response =
        InitProducerIdResponse { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() };
    out.push(Effect::Reply { ticket, body: Some(Response::InitProducerId(response)) });
}

/// The metadata log, as Kafka names its topic.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// So much of the metadata log is applied in one step.
const LOAD_BYTES: u32 = 64 << 10;
/// After so long a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
