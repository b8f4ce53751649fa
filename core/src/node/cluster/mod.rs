//! The cluster's metadata on this broker: hosts the quorum and the controller, and publishes the image.
//!
//! ```text
//!   Loading ──▶ (Electing) ──▶ Registering ──▶ Following ──▶ Ready
//!      the log                      the cluster has begun and   what is known is
//!      is applied                   this broker is part of it   is taken up
//! ```
//!
//! Decisions are appended as one batch each; their replies leave when it is committed. Nothing is public before that.
//!
//! What is committed is read from the log, whoever leads; the image is made of nothing else. A node that is elected becomes the
//! active controller when it has read all of that, its own first record included; its decisions then go into the image as they
//! are committed. When it leads no more it reads on where the image ends, and what it had decided beyond that is void.
//!
//! The only voter of a quorum reads its whole log first, and is elected then (Electing): nobody could have cut it.

mod enlist;
mod features;
mod forward;
mod joining;
mod lead;
mod leases;
mod leaving;
mod life;
mod load;
mod numbers;
mod observe;
mod serve;
mod survey;
mod tend;
mod turnover;
mod vote;

pub use forward::{Asked, PutOff};

use super::{Node, OWNER_CLUSTER, op_id};
use crate::boundary::{Action, DiskFault, Done, Effect, Effects, Fault, HardState, Line, Purpose, Query};
use crate::config::Config;
use crate::controller::{Controller, Reply};
use crate::log::Log;
use crate::metadata::{Broker, Image, Replay};
use crate::quorum::{Member, Quorum, QuorumCx, QuorumOut, Times, Voter, VoterEndpoint, VoterNode, Voters};
use crate::types::{
    BrokerEpoch, BrokerId, CallId, ConnId, LeaderEpoch, ListenerType, LogId, Mono, Now, Offset, OpId, Str, Ticket, Uuid,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use enlist::Enlisting;
use leases::Leases;
use leaving::Leaving;
use life::Life;
use numbers::Numbers;
use observe::Observing;
use serve::Followers;
use vote::Voting;

/// The metadata log, and everything that is made from it.
#[derive(Clone, Hash, Debug)]
pub struct Cluster {
    /// The cluster's id, as clients see it.
    pub id: Str,
    phase: Phase,
    quorum: Quorum,
    /// Present while this broker leads the quorum.
    controller: Option<Controller>,
    /// What is committed, for everybody.
    image: Arc<Image>,
    reading: Reading,
    /// This start of this process.
    life: Life,
    /// Decisions under way: what must be committed, whom to tell, what.
    promised: VecDeque<(Offset, From, Reply)>,
    ops: BTreeMap<OpId, Then>,
    ops_begun: u64,
    retry_at: Option<Mono>,
    voting: Voting,
    /// How it follows the log of another.
    observing: Observing,
    /// How it stands with the controller.
    enlisting: Enlisting,
    /// Who follows the log of this node.
    followers: Followers,
    /// Whom this controller hears of.
    leases: Leases,
    /// When this controller looks after its partitions.
    tend_at: Option<tend::At>,
    /// Whether the process is to end.
    leaving: Option<Leaving>,
    /// This broker's registration.
    epoch: BrokerEpoch,
    numbers: Numbers,
}

/// The metadata log as it is read.
#[derive(Clone, Hash, Debug)]
struct Reading {
    /// What it says so far. A node that leads has no more to read.
    replay: Option<Replay>,
    /// Where the piece begins that is being read.
    from: Option<Offset>,
    /// What is public is not what the next record builds on: nothing yet, or what was known before the log began anew.
    is_anew: bool,
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
    /// This broker as well, for what it calls when the controller runs elsewhere.
    Call(CallId),
    /// Nobody waits for the answer.
    Nobody,
}

impl From {
    /// The connection is gone: if it asked, nobody waits any more.
    pub fn closed(&mut self, conn: ConnId) {
        if matches!(self, Self::Client(ticket) if ticket.conn == conn) {
            *self = Self::Nobody;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// A piece of the log from here on, to be looked through for who votes.
    Survey(Offset),
    /// A piece of the log from here on, to be applied.
    Load(Offset),
    Created,
    /// A log that nobody claims is gone, as far as its directory goes.
    Stray,
    Voted(LeaderEpoch, Option<BrokerId>),
    /// The broker may act under this registration.
    Registered(BrokerEpoch),
    Appended(Offset),
    /// The log was cut back to here, or begins anew here.
    Changed(Offset),
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
    /// The voters that the quorum begins with, if this directory was formatted for one of them.
    pub founders: Voters,
    /// The metadata log, if there was one.
    pub log: Option<Log>,
    /// What was kept with it.
    pub hard: HardState,
    /// Whether the directory came back whole.
    pub is_whole: bool,
    /// Which start of the process this is: drawn anew each time.
    pub incarnation: Uuid,
}

impl Cluster {
    /// The metadata before anything was read; [`Node::load_metadata`] goes on.
    pub fn new(found: Found, config: &Config, cx: &mut QuorumCx<'_>) -> Self {
        let log = found.log.unwrap_or_else(|| Log::empty(Offset::ZERO));
        let member = member(found.me, found.founders, config);
        let life = Life {
            me: found.me,
            is_broker: config.broker.roles.is_broker(),
            incarnation: found.incarnation,
            is_whole: found.is_whole,
            registration: found.hard.registration,
            keeping: None,
        };
        Self {
            id: found.id,
            phase: Phase::Loading,
            quorum: Quorum::boot(member, found.hard.vote, log, cx),
            controller: None,
            image: Arc::default(),
            reading: Reading { replay: Some(Replay::default()), from: None, is_anew: true },
            life,
            promised: VecDeque::new(),
            ops: BTreeMap::new(),
            ops_begun: 0,
            retry_at: None,
            voting: Voting::new(found.me, config),
            observing: Observing::new(cx.now.mono),
            enlisting: Enlisting::new(cx.now.mono),
            followers: Followers::default(),
            leases: Leases::default(),
            tend_at: None,
            leaving: None,
            epoch: BrokerEpoch::NONE,
            numbers: Numbers::default(),
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

    /// The registration since which this directory has everything that it acknowledged: the last that was kept. A life that did not
    /// come so far did nothing. The only voter has all in its log before it begins.
    fn whole_since(&self) -> Option<BrokerEpoch> {
        let epoch = match self.quorum.is_sole() {
            true => self.image.broker(self.life.me.id).map(|broker| broker.epoch),
            false => self.life.registration,
        };
        epoch.filter(|_| self.life.is_whole)
    }

    /// The quorum's member here.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// This broker's registration; [`BrokerEpoch::NONE`] while it has none.
    pub fn epoch(&self) -> BrokerEpoch {
        self.epoch
    }

    /// Over which line the controller is asked; none if it would be here, or is nowhere.
    pub fn lease(&self) -> Option<Arc<Line>> {
        let leader = self.quorum.leader().filter(|leader| *leader != self.life.me.id)?;
        self.line(leader, Purpose::Lease)
    }

    /// Over which line the controller is asked that this node was told of.
    fn line(&self, to: BrokerId, purpose: Purpose) -> Option<Arc<Line>> {
        let at = self.voting.address(to, &self.quorum)?;
        Some(Arc::new(Line { to, host: at.host, port: at.port, purpose }))
    }

    /// Whether the active controller is here.
    pub fn is_controller(&self) -> bool {
        self.controller.is_some()
    }

    /// True once clients may come.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// When the cluster wants to be woken.
    pub fn deadline(&self) -> Option<Mono> {
        let own = if self.may_elect() { self.retry_at.or(self.quorum.deadline()) } else { self.retry_at };
        let is_idle = self.retry_at.is_none() && self.quorum.ask().is_some();
        let asking = self.observing.deadline().filter(|_| is_idle);
        let is_enlisting = self.life.is_broker && self.phase != Phase::Loading && !self.quorum.is_sole();
        let is_enlisting = is_enlisting && self.life.keeping.is_none();
        let enlisting = self.enlisting.deadline().filter(|_| is_enlisting);
        let leaving = self.leaving.as_ref().and_then(Leaving::deadline);
        let tending = self.tend_at.as_ref().map(tend::At::mono);
        let joining = self.voting.joining.deadline(&self.quorum);
        let others = [self.followers.deadline(), self.leases.deadline(), asking, enlisting, leaving, tending, joining];
        own.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// The only voter is elected when its log is read; among several that takes its course at any time.
    fn may_elect(&self) -> bool {
        !self.quorum.is_sole() || self.phase == Phase::Electing
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        self.promised.iter_mut().for_each(|(_, from, _)| from.closed(conn));
        self.numbers.closed(conn);
        self.followers.closed(conn);
        self.voting.closed(conn);
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
    /// Time-outs that are due.
    pub(super) fn cluster_wake(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.retry_at.is_some_and(|at| at <= now.mono) {
            self.cluster.retry_at = None;
            self.cluster.read(Query::Log, Then::Reload, out);
        } else if self.cluster.may_elect() && self.cluster.retry_at.is_none() {
            self.with_quorum(now, out, Quorum::wake);
        }
        self.leases_wake(now, out);
        self.tend(now, out);
        self.leave_on(now, out);
        self.tell_followers(now.mono, out);
        self.observe(now, out);
        self.enlist(now, out);
        self.join_voters(now, out);
    }

    /// An operation on the metadata log ended.
    pub(super) fn cluster_done(&mut self, now: Now, op: OpId, outcome: Result<Done, DiskFault>, out: &mut Effects) {
        let then = self.cluster.ops.remove(&op).expect("INV-04: an operation ends once, and only if it began");
        match (then, outcome) {
            (Then::Survey(_), Ok(Done::Records(records))) => self.surveyed(now, &records, out),
            (Then::Load(from), Ok(Done::Records(records))) => self.loaded(now, from, &records, out),
            // The log began anew meanwhile.
            (Then::Load(from), Err(DiskFault::OutOfRange)) if self.cluster.reading.from != Some(from) => {}
            (Then::Voted(term, voted), Ok(_)) => {
                self.with_quorum(now, out, |quorum, cx, said| quorum.voted((term, voted), cx, said));
                self.tell_voters(out);
            }
            (Then::Registered(epoch), Ok(_)) => self.registered(now, epoch, out),
            (Then::Appended(end), Ok(_)) => {
                // An append of an earlier reign may end after the log was taken from the store again.
                if self.cluster.quorum.log().durable() < end && self.cluster.retry_at.is_none() {
                    self.with_quorum(now, out, |quorum, _, said| quorum.stored(end, said));
                }
            }
            (Then::Changed(end), Ok(Done::Stored { end: kept, .. })) if kept < end => {
                // A batch that is cut through is kept away as a whole: the leader's log begins within it.
                self.cluster.read(Query::Log, Then::Reload, out);
            }
            (Then::Changed(end), Ok(_)) => self.with_quorum(now, out, |quorum, _, said| quorum.stored(end, said)),
            (Then::Created, Ok(_)) | (Then::Stray, _) => {}
            (Then::Trimmed(start), Ok(_)) => self.cluster.quorum.trimmed(start),
            (Then::Reload, Ok(Done::Log(log))) => {
                if self.cluster.quorum.is_sole() {
                    self.cluster.phase = Phase::Electing;
                }
                self.with_quorum(now, out, |quorum, cx, said| quorum.reload(*log, cx, said));
                self.cluster_wake(now, out);
            }
            (Then::Registered(_), Err(DiskFault::Full)) => self.unregistered(now, out),
            (_, Err(DiskFault::Full)) => self.metadata_full(now, out),
            (_, Ok(_) | Err(_)) => out.push(Effect::Halt { fault: Fault::MetadataOffline }),
        }
        // What is durable by now may be told, and asked for more.
        self.tell_followers(now.mono, out);
        self.observe(now, out);
    }

    /// Lets the quorum take part in something, and carries out what it says.
    pub(super) fn with_quorum<T>(
        &mut self,
        now: Now,
        out: &mut Effects,
        act: impl FnOnce(&mut Quorum, &mut QuorumCx<'_>, &mut Vec<QuorumOut>) -> T,
    ) -> T {
        let mut said = Vec::new();
        let mut cx = QuorumCx { now, rng: &mut self.rng, functions: &self.functions };
        let told = act(&mut self.cluster.quorum, &mut cx, &mut said);
        self.carry_quorum(now, said, out);
        told
    }

    /// All that was known at start is followed. Clients may come, unless the controller does not let this broker lead yet.
    pub(super) fn followed(&mut self, out: &mut Effects) {
        let is_up = |broker: &Arc<Broker>| !broker.fenced;
        if self.cluster.phase == Phase::Following && self.cluster.image.broker(self.config.broker.id).is_some_and(is_up)
        {
            self.cluster.phase = Phase::Ready;
            self.throttle_moves(out);
        }
    }

    /// Logs that are not this broker's any more as it is registered: their topic was deleted, or they were moved away. They go before
    /// any is made, since one may have the name of one of them.
    fn drop_strays(&mut self, out: &mut Effects) {
        let me = self.config.broker.id;
        let image = self.cluster.image.clone();
        let is_mine = |log: &LogId| image.partition(*log).is_some_and(|partition| partition.replicas.contains(&me));
        let strays: Vec<LogId> = self.directories.found.keys().copied().filter(|log| !is_mine(log)).collect();
        for log in strays {
            self.directories.found.remove(&log);
            self.cluster.store_for(log, Action::Delete, out);
        }
    }

    /// Whether this broker leads the partition.
    pub(super) fn is_leading(&self, log: LogId) -> bool {
        self.cluster.image.partition(log).is_some_and(|partition| partition.leader == self.config.broker.id)
    }
}

impl Cluster {
    fn store_for(&mut self, log: LogId, action: Action, out: &mut Effects) {
        let op = self.begin(Then::Stray);
        out.push(Effect::Store { op, log, action });
    }
}

/// This node as a member of the quorum. Where the settings name neither voters nor an address to find them at it is the only one.
fn member(me: Voter, founders: Voters, config: &Config) -> Member {
    let quorum = &config.quorum;
    let times = Times {
        election: quorum.election_timeout,
        backoff_max: quorum.election_backoff_max,
        fetch: quorum.fetch_timeout,
    };
    let listener = config.broker.listeners.iter().find(|one| one.listener_type == ListenerType::Controller);
    let name = listener.map_or(Str::default(), |listener| listener.name.clone());
    let named = quorum.voters.iter().map(|voter| {
        let endpoint = VoterEndpoint { name: name.clone(), host: voter.host.clone(), port: voter.port };
        VoterNode { id: voter.id, directory: Uuid::ZERO, endpoints: alloc::vec![endpoint] }
    });
    let (voters, is_fixed) = match (&quorum.voters[..], &quorum.bootstrap[..]) {
        ([], []) => (Voters::numbered([me.id]), true),
        ([], _) => (founders, false),
        _ => (Voters::new(named), true),
    };
    let may_vote = config.broker.roles.is_controller();
    Member { me, voters, is_fixed, may_vote, doors: quorum.bootstrap.len(), times }
}

/// The metadata log, as Kafka names its topic.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// So much of the metadata log is applied in one step.
const LOAD_BYTES: u32 = 64 << 10;
/// After so long a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
