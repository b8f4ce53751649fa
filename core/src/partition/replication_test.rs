//! Replication in a world of its own: three to five replicas of one partition with stores that lose what is not flushed, a
//! network that delays, loses and doubles, and a controller that elects from the ISR alone. Each seed is another history.
//!
//! After each step: what is committed never changes, every member of the ISR has all of it flushed, and what was acknowledged
//! is committed, on as many replicas as was asked for. When the faults stop, all logs become the same, byte for byte.

use super::{
    Acks, Answer, Assignment, Fetched, FollowerFetch, IsrAnswer, IsrAsk, PartKey, Partition, PartitionCx, PartitionOut,
    PartitionSpec, Peer, Peers, Then,
};
use crate::boundary::{Action, DiskFault, Done, LogSettings, LogSpec, Note, Query};
use crate::log::{AfterCut, Log, Producers};
use crate::record::{
    Builder, CheckedBatch, Functions, NewRecord, ProveRules, Proved, TimestampType, TopicRules, prove,
};
use crate::types::{
    BrokerEpoch, BrokerId, ConnId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, PartitionEpoch, ProducerEpoch,
    ProducerId, Rng, Str, Ticket, Uuid, Wall, limit,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use std::vec;

const SLOW: Functions = Functions::slow();
const LOG: LogId = LogId { topic: Uuid([7; 16]), partition: 0 };
const LAG_MAX: Duration = Duration::from_millis(20);
const STEPS: u64 = 350;
const ROUNDS_MAX: u64 = 400;

/// What one broker's disk holds, and what it was told to do and has not done.
struct Disk {
    log: Log,
    batches: Vec<CheckedBatch>,
    queue: VecDeque<(Then, Order)>,
    /// An append failed; all others do until it was asked what there is.
    is_refusing: bool,
    /// What is known of producers from batches that are dropped.
    forgotten: Producers,
}

enum Order {
    Act(Action),
    Tell,
}

impl Disk {
    fn new() -> Self {
        Self {
            log: Log::empty(Offset::ZERO),
            batches: Vec::new(),
            queue: VecDeque::new(),
            is_refusing: false,
            forgotten: Producers::default(),
        }
    }

    /// Does the next thing; of an append perhaps only so many batches, as a crash leaves it.
    fn work(&mut self, is_full: bool, batches_max: usize) -> Option<(Then, Result<Done, DiskFault>)> {
        let (then, order) = self.queue.pop_front()?;
        let outcome = match order {
            Order::Tell => {
                self.is_refusing = false;
                Ok(Done::Log(Box::new(self.log.clone())))
            }
            Order::Act(Action::Append { .. }) if is_full || self.is_refusing => {
                self.is_refusing = true;
                Err(DiskFault::Full)
            }
            Order::Act(action) => {
                self.act(action, batches_max);
                Ok(Done::Stored { start: self.log.start(), end: self.log.end() })
            }
        };
        Some((then, outcome))
    }

    fn act(&mut self, action: Action, batches_max: usize) {
        match action {
            Action::Append { batches } => {
                for batch in batches.into_iter().take(batches_max) {
                    self.log.append(&batch, Wall(0));
                    self.log.stored(batch.end_offset());
                    self.batches.push(batch);
                }
            }
            Action::Truncate { end } => {
                let kept = self.batches.partition_point(|batch| batch.end_offset() <= end);
                let end = self.batches.get(kept).map_or(self.log.end(), CheckedBatch::base_offset);
                self.batches.truncate(kept);
                if self.log.truncate(end.max(self.log.start())) == AfterCut::Rebuild {
                    let mut producers = self.forgotten.clone();
                    self.batches.iter().for_each(|batch| producers.apply(batch, Wall(0)));
                    self.log.set_producers(producers);
                }
            }
            Action::Trim { start } if start > self.log.end() => {
                self.log.begin_anew(start);
                self.forgotten = self.log.producers().clone();
                self.batches.clear();
            }
            Action::Trim { start } => {
                self.log.trim(start);
                let kept = self.batches.partition_point(|batch| batch.end_offset() <= start);
                self.batches.drain(..kept).for_each(|batch| self.forgotten.apply(&batch, Wall(0)));
            }
            Action::Create(_) | Action::Configure(_) => {}
            Action::Retain { .. }
            | Action::Delete
            | Action::Vote { .. }
            | Action::Registration { .. }
            | Action::Move(_) => {
                unreachable!("nobody asks for it here")
            }
        }
    }

    /// All that can be read, flushed or not: a store has the newest in memory.
    fn held(&self) -> Vec<CheckedBatch> {
        let mut held = self.batches.clone();
        for (_, order) in &self.queue {
            match order {
                Order::Act(Action::Append { batches }) if !self.is_refusing => held.extend_from_slice(batches),
                Order::Act(_) | Order::Tell => break,
            }
        }
        held
    }

    fn batch_at(&self, base: Offset) -> Option<&CheckedBatch> {
        let at = self.batches.binary_search_by_key(&base, CheckedBatch::base_offset).ok()?;
        self.batches.get(at)
    }
}

struct Broker {
    id: BrokerId,
    /// The registration of this life.
    epoch: BrokerEpoch,
    /// None while it is down.
    partition: Option<Partition>,
    disk: Disk,
    /// So far it knows what the controller decided.
    seen: usize,
    /// Proposals under way, in order, and what the controller said.
    calls: VecDeque<(IsrAsk, Option<IsrAnswer>)>,
}

/// One state of the cluster, as the controller decided it.
#[derive(Clone)]
struct Image {
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    isr: Vec<BrokerId>,
    peers: Vec<Peer>,
}

impl Image {
    fn peer(&mut self, id: BrokerId) -> &mut Peer {
        self.peers.iter_mut().find(|peer| peer.id == id).expect("all are registered")
    }

    fn is_alive(&self, id: BrokerId) -> bool {
        self.peers.iter().any(|peer| peer.id == id && peer.may_join)
    }

    /// Somebody of the ISR leads, or nobody; never anybody else.
    fn elect(&mut self, wanted: Option<BrokerId>) {
        let alive: Vec<_> = self.isr.iter().copied().filter(|id| self.is_alive(*id)).collect();
        let wanted = wanted.filter(|id| alive.contains(id)).or(alive.first().copied());
        self.leader = wanted.unwrap_or(BrokerId::NONE);
        self.leader_epoch = self.leader_epoch.next();
        self.partition_epoch = self.partition_epoch.next();
    }

    fn fence(&mut self, id: BrokerId) {
        self.peer(id).may_join = false;
        if self.isr.contains(&id) && self.isr.len() > 1 {
            self.isr.retain(|member| *member != id);
            self.partition_epoch = self.partition_epoch.next();
        }
        if self.leader == id {
            self.elect(None);
        }
    }

    fn unfence(&mut self, id: BrokerId) {
        self.peer(id).may_join = true;
        if self.leader == BrokerId::NONE {
            self.elect(None);
        }
    }

    /// AlterPartition, judged in Kafka's order.
    fn alter(&mut self, from: BrokerId, ask: &IsrAsk) -> IsrAnswer {
        if self.leader != from || self.leader_epoch != ask.leader_epoch {
            return IsrAnswer::Refused(ErrorCode::FencedLeaderEpoch);
        }
        if self.partition_epoch != ask.partition_epoch {
            return IsrAnswer::Refused(ErrorCode::InvalidUpdateVersion);
        }
        let is_eligible = |(id, epoch): &(BrokerId, BrokerEpoch)| {
            let peer = self.peers.iter().find(|peer| peer.id == *id).expect("all are registered");
            peer.may_join && (peer.epoch == *epoch || *epoch == BrokerEpoch::NONE)
        };
        if !ask.members.iter().all(is_eligible) {
            return IsrAnswer::Refused(ErrorCode::IneligibleReplica);
        }
        self.isr = ask.members.iter().map(|(id, _)| *id).collect();
        self.partition_epoch = self.partition_epoch.next();
        IsrAnswer::Is {
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            members: self.isr.clone(),
        }
    }
}

#[derive(Clone)]
enum Message {
    Fetch { from: usize, epoch: BrokerEpoch, to: usize, fetch: FollowerFetch },
    Fetched { to: usize, life: BrokerEpoch, asked: FollowerFetch, fetched: Fetched },
}

struct World {
    rng: Rng,
    now: Mono,
    isr_min: usize,
    has_faults: bool,
    /// How hard it is struck, of 4.
    fury: u64,
    has_trims: bool,
    /// Little is written and much of it dropped, so that logs begin and end at the same offsets.
    is_meagre: bool,
    /// One that hears late of what the controller decides, and seldom asks.
    slow: usize,
    brokers: Vec<Broker>,
    /// What the controller decided, state after state.
    history: Vec<Image>,
    registrations: i64,
    wire: Vec<Message>,
    /// Everything that was ever committed, in order.
    committed: Vec<CheckedBatch>,
    /// Everything before it was dropped, as a client was told.
    dropped: Offset,
    /// Produces by their ticket: what was written.
    produced: BTreeMap<u64, (Acks, Bytes)>,
    tickets: u64,
    client: Client,
    tally: Tally,
}

/// One that numbers its batches and sends each until it is acknowledged, to whoever leads by then.
#[derive(Default)]
struct Client {
    /// The number of the batch that it wants to be rid of.
    next: u64,
    /// Under which tickets it was sent.
    sent: Vec<u64>,
    /// The last try has no answer yet.
    is_waiting: bool,
}

/// What happened, to see that the world is not too quiet.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    acked: u64,
    cuts: u64,
    elections: u64,
    joins: u64,
    leaves: u64,
    anew: u64,
    numbered: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = rng.between(3, 5) as usize;
        let isr_min = 1 + rng.below(3).min(rng.below(3)) as usize;
        let ids: Vec<_> = (0..count).map(|at| BrokerId(at as i32)).collect();
        let peers = ids.iter().map(|id| Peer { id: *id, epoch: BrokerEpoch(0), may_join: true }).collect();
        let (leader_epoch, partition_epoch) = (LeaderEpoch::FIRST, PartitionEpoch::FIRST);
        let first = Image { leader: ids[0], leader_epoch, partition_epoch, isr: ids.clone(), peers };
        let broker = |id: &BrokerId| Broker {
            id: *id,
            epoch: BrokerEpoch(0),
            partition: None,
            disk: Disk::new(),
            seen: 0,
            calls: VecDeque::new(),
        };
        let (fury, slow) = (rng.between(1, 4), rng.below(8) as usize);
        let mut world = Self {
            rng,
            now: Mono(1),
            isr_min,
            has_faults: true,
            fury,
            has_trims: seed.is_multiple_of(2),
            is_meagre: seed.is_multiple_of(4),
            slow,
            brokers: ids.iter().map(broker).collect(),
            history: vec![first],
            registrations: 0,
            wire: Vec::new(),
            committed: Vec::new(),
            dropped: Offset::ZERO,
            produced: BTreeMap::new(),
            tickets: 0,
            client: Client::default(),
            tally: Tally::default(),
        };
        (0..count).for_each(|at| world.start(at));
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    fn image(&self) -> &Image {
        self.history.last().expect("there is a first state")
    }

    fn decide(&mut self, change: impl FnOnce(&mut Image)) {
        let mut next = self.image().clone();
        let before = (next.leader_epoch, next.isr.len());
        change(&mut next);
        self.tally.elections += u64::from(next.leader_epoch != before.0);
        self.tally.joins += u64::from(next.isr.len() > before.1);
        self.tally.leaves += u64::from(next.isr.len() < before.1);
        self.history.push(next);
        self.check_members();
    }

    fn spec(&self, at: usize) -> PartitionSpec {
        let image = &self.history[self.brokers[at].seen];
        PartitionSpec {
            assignment: Assignment {
                me: self.brokers[at].id,
                leader: image.leader,
                leader_epoch: image.leader_epoch,
                partition_epoch: image.partition_epoch,
                replicas: self.brokers.iter().map(|broker| broker.id).collect(),
                isr: image.isr.clone(),
                eligible: Vec::new(),
                lost: Vec::new(),
                isr_min: self.isr_min,
                recovering: false,
            },
            rules: RULES,
            log: LogSpec { topic: Str::from("orders"), settings: LogSettings::default() },
            is_leader_throttled: false,
            is_follower_throttled: false,
            compacted_only: false,
        }
    }

    /// Something happens at a broker that is up, with what it knows of the cluster.
    fn at<T>(
        &mut self,
        at: usize,
        event: impl FnOnce(&mut Partition, PartitionCx<'_>, &mut Vec<PartitionOut>) -> T,
    ) -> Option<T> {
        let peers = Peers::new(self.history[self.brokers[at].seen].peers.clone());
        let now = Now { mono: self.now, wall: Wall(0) };
        let cx = PartitionCx {
            now,
            functions: &SLOW,
            producer_silence_ms: i64::MAX,
            peers: &peers,
            lag_max: LAG_MAX,
            fetch_backoff: LAG_MAX,
            followers_serve: true,
            throttled_until: None,
        };
        let mut out = Vec::new();
        let partition = self.brokers[at].partition.as_mut()?;
        let answer = event(partition, cx, &mut out);
        partition.check();
        self.carry(at, out);
        Some(answer)
    }

    fn carry(&mut self, at: usize, out: Vec<PartitionOut>) {
        self.look(at);
        for one in out {
            match one {
                PartitionOut::Act(action, then) => {
                    self.tally.cuts += u64::from(matches!(action, Action::Truncate { .. }));
                    self.tally.anew +=
                        u64::from(matches!(then, Then::Appended(_)) && matches!(action, Action::Trim { .. }));
                    self.brokers[at].disk.queue.push_back((then, Order::Act(action)));
                }
                PartitionOut::Ask(Query::Log, then) => self.brokers[at].disk.queue.push_back((then, Order::Tell)),
                PartitionOut::AskIsr(ask) => self.brokers[at].calls.push_back((ask, None)),
                PartitionOut::Answer(key, Answer::Produced(Ok(appended))) => {
                    self.acknowledged(key.ticket.seq, appended.base);
                }
                PartitionOut::Answer(key, Answer::Produced(Err(refused))) => {
                    self.refused(key.ticket.seq, refused.error);
                }
                PartitionOut::Answer(_, Answer::Trimmed(Ok(start))) => self.dropped = self.dropped.max(start),
                PartitionOut::Leads(range) => {
                    let end = self.committed.last().map_or(Offset::ZERO, CheckedBatch::end_offset);
                    let partition = self.brokers[at].partition.as_ref().expect("it speaks");
                    // Of a reign that is over already it may say what it likes.
                    let is_over = partition.spec.assignment.leader_epoch != self.image().leader_epoch;
                    assert!(is_over || range.start >= self.dropped, "what was dropped for a client is there again");
                    assert!(is_over || end <= range.end, "what was committed is not in what this leader would load");
                }
                PartitionOut::Note(note @ Note::Contradicted { .. }) => {
                    panic!("nobody leads here who lacks what is committed: {note:?}")
                }
                PartitionOut::Answer(..) | PartitionOut::Grew(..) | PartitionOut::Note(_) => {}
                PartitionOut::Ask(..) | PartitionOut::Work(..) => unreachable!("nobody asks for it here"),
            }
        }
    }

    /// What this broker says is committed, is.
    fn look(&mut self, at: usize) {
        let broker = &self.brokers[at];
        let Some(partition) = &broker.partition else { return };
        let end = self.committed.last().map_or(Offset::ZERO, CheckedBatch::end_offset);
        let watermark = partition.high_watermark();
        for batch in broker.disk.batches.iter().filter(|batch| batch.end_offset() <= watermark) {
            if batch.base_offset() >= end {
                self.committed.push(batch.clone());
            }
        }
        let grown = self.committed.last().map_or(Offset::ZERO, CheckedBatch::end_offset);
        assert!(watermark <= grown, "{:?} says that all before {watermark:?} is committed", broker.id);
        if grown > end {
            self.check_members();
        }
    }

    /// A log agrees with what is committed, as far as it goes or as far as it must.
    fn check_log(&self, at: usize, must: Offset) {
        let Broker { id, disk, .. } = &self.brokers[at];
        assert!(disk.log.end() >= must, "{id:?} has {:?}..{:?} of {must:?}", disk.log.start(), disk.log.end());
        let first = self.committed.partition_point(|batch| batch.end_offset() <= disk.log.start());
        for batch in self.committed[first..].iter().take_while(|batch| batch.end_offset() <= must) {
            let ours = disk.batch_at(batch.base_offset());
            assert_eq!(ours, Some(batch), "{id:?} has something else than what is committed");
        }
    }

    /// Whoever may be elected has all that is committed, flushed.
    fn check_members(&self) {
        let end = self.committed.last().map_or(Offset::ZERO, CheckedBatch::end_offset);
        for at in 0..self.brokers.len() {
            if self.image().isr.contains(&self.brokers[at].id) {
                self.check_log(at, end);
            }
        }
    }

    /// A batch may be refused for many reasons, but not for its number: nothing is sent before what it follows is known to
    /// be committed.
    fn refused(&mut self, ticket: u64, error: ErrorCode) {
        assert!(self.produced.remove(&ticket).is_some(), "a produce is answered once");
        if self.client.sent.last() == Some(&ticket) {
            self.client.is_waiting = false;
            assert!(error.is_retriable(), "batch {} after {:?} is {error:?}", self.client.next, self.client.sent);
        }
    }

    fn acknowledged(&mut self, ticket: u64, base: Offset) {
        let (acks, body) = self.produced.remove(&ticket).expect("a produce is answered once");
        if self.client.sent.contains(&ticket) {
            self.tally.numbered += 1;
            self.client = Client { next: self.client.next + 1, ..Client::default() };
        }
        if acks != Acks::Committed {
            return;
        }
        self.tally.acked += 1;
        let at = self.committed.binary_search_by_key(&base, CheckedBatch::base_offset);
        let batch = &self.committed[at.expect("what is acknowledged is committed")];
        assert_eq!(*batch.body(), body, "what is acknowledged at {base:?} is what was sent");
        let has = |broker: &&Broker| broker.disk.log.start() > base || broker.disk.batch_at(base) == Some(batch);
        let holders = self.brokers.iter().filter(has).count();
        assert!(holders >= self.isr_min, "acknowledged on {holders} of {} that were asked for", self.isr_min);
    }

    /// A life begins: the broker registers, and learns at least of that.
    fn start(&mut self, at: usize) {
        self.registrations += 1;
        let (id, epoch) = (self.brokers[at].id, BrokerEpoch(self.registrations));
        // One that can prove that nothing is lost keeps its place; else it counts as one that died.
        let is_whole = self.rng.chance(1, 2);
        self.decide(|image| {
            if !is_whole && image.partition_epoch != PartitionEpoch::FIRST {
                image.fence(id);
            }
            image.peer(id).epoch = epoch;
            image.unfence(id);
        });
        let seen = self.history.len() - 1;
        let broker = &mut self.brokers[at];
        (broker.epoch, broker.seen) = (epoch, seen);
        let spec = self.spec(at);
        let log = self.brokers[at].disk.log.clone();
        let peers = Peers::new(self.image().peers.clone());
        let now = Now { mono: self.now, wall: Wall(0) };
        let cx = PartitionCx {
            now,
            functions: &SLOW,
            producer_silence_ms: i64::MAX,
            peers: &peers,
            lag_max: LAG_MAX,
            fetch_backoff: LAG_MAX,
            followers_serve: true,
            throttled_until: None,
        };
        let mut out = Vec::new();
        let partition = Partition::recovered(cx, LOG, spec, (log, true), &mut out);
        partition.check();
        self.brokers[at].partition = Some(partition);
        self.carry(at, out);
    }

    /// A life ends. Of what the disk was to do a part is done, and nobody heard of it.
    fn crash(&mut self, at: usize) {
        if self.brokers[at].partition.take().is_none() {
            return;
        }
        while self.rng.chance(1, 2) {
            let batches_max = self.below(4);
            if self.brokers[at].disk.work(false, batches_max).is_none() || batches_max < 3 {
                break;
            }
        }
        let disk = &mut self.brokers[at].disk;
        (disk.is_refusing, disk.queue) = (false, VecDeque::new());
        // What it proposed last may have arrived.
        if self.rng.chance(1, 2) {
            self.judge(at);
        }
        self.brokers[at].calls.clear();
        self.produced.retain(|ticket, _| ticket % BROKERS_MAX != at as u64);
        self.client.is_waiting &= self.client.sent.last().is_some_and(|ticket| self.produced.contains_key(ticket));
        self.check_members();
    }

    fn judge(&mut self, at: usize) {
        let id = self.brokers[at].id;
        let Some((ask, None)) = self.brokers[at].calls.front().cloned() else { return };
        let mut answer = IsrAnswer::Lost;
        self.decide(|image| answer = image.alter(id, &ask));
        self.brokers[at].calls[0].1 = Some(answer);
    }

    /// The first proposal under way goes one step further.
    fn call_on(&mut self, at: usize) {
        let is_lost = self.has_faults && self.rng.chance(1, 6);
        match self.brokers[at].calls.front() {
            None => return,
            Some((_, None)) if !is_lost => return self.judge(at),
            Some(_) => {}
        }
        let (ask, answer) = self.brokers[at].calls.pop_front().expect("looked at it");
        let answer = answer.filter(|_| !is_lost).unwrap_or(IsrAnswer::Lost);
        self.at(at, |partition, cx, out| partition.isr_answered(cx, &ask, answer, out));
    }

    fn work(&mut self, at: usize) {
        let is_full = self.has_faults && self.rng.chance(1, 150);
        if let Some((then, outcome)) = self.brokers[at].disk.work(is_full, usize::MAX) {
            if self.brokers[at].partition.is_some() {
                self.at(at, |partition, cx, out| partition.done(cx, then, outcome, out));
            }
            self.check_members();
        }
    }

    /// A follower asks, whether or not it has asked before.
    fn poll(&mut self, at: usize) {
        let now = self.now;
        let Some(partition) = &self.brokers[at].partition else { return };
        if let Some((leader, fetch)) = partition.wants(now) {
            let to = leader.0 as usize;
            self.wire.push(Message::Fetch { from: at, epoch: self.brokers[at].epoch, to, fetch });
        }
    }

    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let at = self.below(self.wire.len());
        let is_doubled = self.has_faults && self.rng.chance(1, 8);
        let message = if is_doubled { self.wire[at].clone() } else { self.wire.swap_remove(at) };
        if self.has_faults && self.rng.chance(1, 8) {
            return;
        }
        match message {
            Message::Fetch { from, epoch, to, fetch } => self.serve(from, epoch, to, fetch),
            Message::Fetched { to, life, asked, fetched } => {
                if self.brokers[to].epoch == life {
                    self.at(to, |partition, cx, out| partition.fetched(cx, asked, fetched, out));
                }
            }
        }
    }

    fn serve(&mut self, from: usize, epoch: BrokerEpoch, to: usize, fetch: FollowerFetch) {
        self.tickets += 1;
        let key = key(self.tickets * BROKERS_MAX + to as u64);
        let who = (self.brokers[from].id, epoch);
        let readable = self.at(to, |partition, cx, out| {
            let readable = partition.fetched_by(cx, key, who, fetch, out);
            partition.unwatch(key.ticket);
            readable
        });
        let Some(readable) = readable else { return };
        let mut batches = Vec::new();
        if !readable.is_urgent() {
            // Now and then the answer is full with what it says of others.
            let most = if self.has_faults { self.below(4) } else { 1 + self.below(3) };
            let held = self.brokers[to].disk.held();
            let served = held.iter().filter(|one| one.end_offset() > fetch.from && one.base_offset() < readable.end);
            batches = served.take(most).cloned().collect();
        }
        let fetched = Fetched {
            error: readable.error,
            high_watermark: readable.high_watermark,
            log_start: readable.log_start,
            end: readable.end,
            diverging: readable.diverging,
            batches,
        };
        let life = self.brokers[from].epoch;
        if life == epoch {
            self.wire.push(Message::Fetched { to: from, life, asked: fetch, fetched });
        }
    }

    fn produce(&mut self, at: usize, acks: Acks) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets * BROKERS_MAX + at as u64;
        let records = 1 + self.below(3);
        let proved = batch(ticket, records, None);
        if self.brokers[at].partition.is_some() {
            self.produced.insert(ticket, (acks, proved.batch().body().clone()));
            self.at(at, |partition, cx, out| partition.produce(cx, (key(ticket), acks), proved, out));
        }
        ticket
    }

    /// The client goes on, or loses patience.
    fn send(&mut self) {
        let leader = self.image().leader;
        if leader == BrokerId::NONE || self.client.is_waiting && self.rng.chance(3, 4) {
            return;
        }
        let at = leader.0 as usize;
        if self.brokers[at].partition.is_none() {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets * BROKERS_MAX + at as u64;
        let number = i32::try_from(self.client.next).expect("a short history");
        let proved = batch(u64::from(NUMBERED) + self.client.next, 1, Some(number));
        self.client.sent.push(ticket);
        self.client.is_waiting = true;
        self.produced.insert(ticket, (Acks::Committed, proved.batch().body().clone()));
        self.at(at, |partition, cx, out| partition.produce(cx, (key(ticket), Acks::Committed), proved, out));
    }

    /// What was numbered is there once, in its order.
    fn check_numbers(&self) {
        let numbered = self.committed.iter().filter(|batch| batch.header().has_producer());
        let numbers: Vec<_> = numbered.map(|batch| batch.header().base_sequence).collect();
        let all: Vec<_> = (0..numbers.len() as i32).collect();
        assert_eq!(numbers, all, "each batch once, in order");
        assert!(self.client.next <= numbers.len() as u64, "what was acknowledged is there");
    }

    fn trim(&mut self, at: usize) {
        self.tickets += 1;
        let key = key(self.tickets * BROKERS_MAX + at as u64);
        let back = self.below(3) as i64;
        self.at(at, |partition, cx, out| {
            let to = Offset((partition.high_watermark().0 - back).max(0));
            partition.trim(cx, key, to, out);
        });
    }

    /// A broker hears what the controller decided, now and then several decisions at once.
    fn hear(&mut self, at: usize) {
        let newest = self.history.len() - 1;
        let seen = self.brokers[at].seen;
        if seen < newest && self.brokers[at].partition.is_some() {
            self.brokers[at].seen = if self.rng.chance(1, 3) { newest } else { seen + 1 };
            let spec = self.spec(at);
            self.at(at, |partition, cx, out| partition.assign(cx, spec, out));
        }
    }

    fn wake(&mut self, at: usize) {
        let now = self.now;
        self.at(at, |partition, cx, out| {
            if partition.deadline(cx).is_some_and(|at| at <= now) {
                partition.wake(cx, out);
            }
        });
    }

    fn step(&mut self) {
        self.now = self.now + Duration::from_micros(self.rng.below(800));
        let at = self.below(self.brokers.len());
        if self.is_meagre && self.rng.chance(1, 12) {
            return self.trim(at);
        }
        match self.below(100) {
            64..=70 if self.is_meagre && self.rng.chance(1, 2) => {}
            0..=27 => self.deliver(),
            28..=47 if at == self.slow && !self.rng.chance(1, 4) => {}
            71..=83 if at == self.slow && !self.rng.chance(1, 6) => {}
            28..=47 => self.poll(at),
            48..=63 => self.work(at),
            64..=66 => self.send(),
            67..=70 => {
                let acks = [Acks::Committed, Acks::Committed, Acks::Leader][self.below(3)];
                let leader = self.image().leader;
                let at = if self.rng.chance(3, 4) && leader != BrokerId::NONE { leader.0 as usize } else { at };
                self.produce(at, acks);
            }
            71..=83 => self.hear(at),
            84..=90 => self.call_on(at),
            91..=93 => self.wake(at),
            // Who begins anew knows nothing of earlier producers, and may store a batch again that was dropped.
            94..=95 if self.has_trims => self.trim(at),
            _ if self.rng.chance(self.fury, 4) => self.strike(at),
            _ => {}
        }
    }

    fn strike(&mut self, at: usize) {
        let id = self.brokers[at].id;
        match self.below(6) {
            0 => self.crash(at),
            1..=2 if self.brokers[at].partition.is_none() => self.start(at),
            1..=2 => self.decide(|image| {
                if !image.is_alive(id) {
                    image.unfence(id)
                }
            }),
            3 => self.decide(|image| image.fence(id)),
            4 => self.decide(|image| image.elect(Some(id))),
            _ => self.now = self.now + LAG_MAX,
        }
    }

    /// The faults stop: everybody is up, everything arrives.
    fn heal(&mut self) {
        self.has_faults = false;
        self.now = self.now + limit::FULL_DISK_PAUSE;
        for at in 0..self.brokers.len() {
            let id = self.brokers[at].id;
            if self.brokers[at].partition.is_none() {
                self.start(at);
            } else {
                self.decide(|image| {
                    if !image.is_alive(id) {
                        image.unfence(id)
                    }
                });
            }
        }
        let mut last = None;
        for round in 0..ROUNDS_MAX {
            self.now = self.now + Duration::from_millis(1);
            for at in 0..self.brokers.len() {
                (0..3).for_each(|_| self.hear(at));
                (0..3).for_each(|_| self.work(at));
                (0..2).for_each(|_| self.call_on(at));
                self.wake(at);
                self.poll(at);
            }
            (0..2 * self.brokers.len()).for_each(|_| self.deliver());
            let leader = self.image().leader.0 as usize;
            if round % 16 == 8 && last.is_none() && self.is_settled() {
                last = Some(self.produce(leader, Acks::Committed));
            } else if last.is_some_and(|ticket| !self.produced.contains_key(&ticket)) && self.is_settled() {
                return;
            }
        }
        panic!("all is well again, and yet it does not settle");
    }

    /// Everybody is in sync, and all logs are the same. One that led before may have dropped more than this leader knows.
    fn is_settled(&self) -> bool {
        let image = self.image();
        let Some(leader) = self.brokers.get(image.leader.0 as usize) else { return false };
        let is_same = |broker: &Broker| {
            let partition = broker.partition.as_ref().expect("all are up");
            let start = leader.disk.log.start().max(broker.disk.log.start());
            let kept = |disk: &Disk| -> Vec<CheckedBatch> {
                disk.batches.iter().filter(|batch| batch.end_offset() > start).cloned().collect()
            };
            broker.seen == self.history.len() - 1
                && broker.disk.log.start() >= leader.disk.log.start()
                && kept(&broker.disk) == kept(&leader.disk)
                && partition.log().end() == leader.disk.log.end()
                && partition.high_watermark() == leader.disk.log.end()
        };
        image.isr.len() == self.brokers.len() && self.brokers.iter().all(is_same)
    }
}

const BROKERS_MAX: u64 = 8;
/// Numbered batches say something else than all others.
const NUMBERED: u32 = 1 << 31;
const RULES: TopicRules = TopicRules {
    batch_bytes_max: 1 << 20,
    segment_bytes: 1 << 30,
    compacted: false,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    compression: None,
};

fn key(seq: u64) -> PartKey {
    PartKey { ticket: Ticket { conn: ConnId(1), seq }, topic: 0, partition: 0 }
}

fn batch(ticket: u64, records: usize, number: Option<i32>) -> Proved {
    let mut builder = Builder::new();
    if let Some(number) = number {
        builder = builder.numbered(ProducerId(5), ProducerEpoch(0), number);
    }
    for _ in 0..records {
        builder.push(&NewRecord { timestamp: Wall(9), value: Some(&ticket.to_be_bytes()), ..NewRecord::default() });
    }
    let rules = ProveRules { version: 9, batch_bytes_max: 1 << 20 };
    prove(builder.build_plain(&SLOW).to_bytes(), &rules, &SLOW, &mut Vec::new()).expect("well made")
}

/// One history; panics if anything is wrong with it.
fn run(seed: u64) -> Tally {
    let mut world = World::new(seed);
    (0..STEPS).for_each(|_| world.step());
    world.heal();
    if !world.has_trims {
        world.check_numbers();
    }
    world.tally
}

#[test]
#[cfg(not(feature = "plant"))]
fn whatever_fails_what_is_acknowledged_stays_and_all_logs_become_the_same() {
    let mut sum = Tally::default();
    for seed in 0..SEEDS {
        let tally = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        sum.acked += tally.acked;
        sum.cuts += tally.cuts;
        sum.elections += tally.elections;
        sum.joins += tally.joins;
        sum.leaves += tally.leaves;
        sum.anew += tally.anew;
        sum.numbered += tally.numbered;
    }
    std::println!("{sum:?} in {SEEDS} seeds");
    let floors = [sum.acked, sum.cuts, sum.elections, sum.joins, sum.leaves, sum.anew, sum.numbered];
    assert!(floors.iter().all(|many| *many > SEEDS / 50), "too quiet a world: {sum:?}");
}

#[cfg(not(feature = "plant"))]
const SEEDS: u64 = 5000;

/// To be run alone, since what is planted is planted in the whole process:
/// `cargo test -p ottla-core --features plant --lib replication -- --nocapture`.
#[test]
#[cfg(feature = "plant")]
fn every_planted_bug_of_replication_is_found() {
    use crate::plant::{Bug, plant};
    const SEEDS_MAX: u64 = 20_000;
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::OF_REPLICATION {
        plant(Some(bug));
        let found = (0..SEEDS_MAX).find_map(|seed| Some((seed + 1, std::panic::catch_unwind(|| run(seed)).err()?)));
        match found {
            Some((seeds, why)) => {
                let why = why.downcast_ref::<std::string::String>().map_or("it does not settle", |why| why.as_str());
                std::println!("{bug:?}: {seeds} seeds: {why}");
            }
            None => missed.push(bug),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "not found: {missed:?}");
}
