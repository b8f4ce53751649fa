//! What only a leader has: who waits at it, who its followers are and how far, and the ISR that it proposes.
//!
//! A follower's ask is its acknowledgement. It asks from its own durable end on, so whatever lies before is flushed there;
//! and it is given nothing that is not flushed here. So "acknowledged" means flushed on every in-sync replica.

use super::isr::{Isr, IsrAnswer, IsrAsk, Settled};
use super::parked::{Promise, Reader};
use super::produce::Staged;
use super::progress::{Peers, Progress};
use super::role::{Assignment, Role};
use super::stragglers::Stragglers;
use super::trim::Trim;
use super::watermark::{self, IsrSize};
use super::{PartKey, Partition, PartitionCx, PartitionOut, Readable, State};
use crate::boundary::{Ignored, Note};
use crate::log::{EpochStart, Log};
use crate::plant::{Bug, planted};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogId, Mono, Offset, OffsetRange};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The leader of one partition in one reign.
#[derive(Clone, Hash, Debug)]
pub(super) struct Leader {
    /// When this reign began here.
    pub(super) since: Mono,
    /// Batches that wait for one before them to be recompressed, in order.
    pub(super) staged: VecDeque<Staged>,
    pub(super) promises: VecDeque<Promise>,
    pub(super) trims: Vec<Trim>,
    /// Who was refused something in this reign, and is not known.
    pub(super) stragglers: Option<Box<Stragglers>>,
    isr: Isr,
    /// All replicas but this one.
    followers: Vec<Progress>,
    /// Unknown until the store has said how far the log goes.
    started: Option<Started>,
    /// It was said that all that is committed is known.
    is_announced: bool,
}

/// Where a reign began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Started {
    /// The first offset of its epoch.
    epoch: EpochStart,
    /// The log's end when this broker took it up. Everything that was committed by then lies before it, whether or not the
    /// high watermark that is known here says so.
    end: Offset,
}

/// What a follower asks of its leader, and by that acknowledges: all before `from` is flushed there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FollowerFetch {
    /// The durable end of its log.
    pub from: Offset,
    /// The reign that it believes in; `NONE` if it does not say.
    pub current_epoch: LeaderEpoch,
    /// The epoch of its last batch, or `NONE` if it has none (KIP-595).
    pub last_fetched: LeaderEpoch,
    /// The first offset that it keeps.
    pub log_start: Offset,
    /// With fewer bytes than this it is told whenever more can be read, until `unwatch`; 0 asks for no telling.
    pub watch_below: u64,
    /// It only looks, at what clients may read, and acknowledges nothing: its log is to begin anew at `from` but has not.
    /// To be sent as a client's.
    pub is_glance: bool,
}

impl Leader {
    pub(super) fn new(assignment: &Assignment, now: Mono) -> Self {
        let mut leader = Self {
            since: now,
            staged: VecDeque::new(),
            promises: VecDeque::new(),
            trims: Vec::new(),
            stragglers: None,
            isr: Isr::new(assignment.partition_epoch, Vec::new()),
            followers: Vec::new(),
            started: None,
            is_announced: false,
        };
        leader.begin(assignment, now);
        leader
    }

    /// A reign begins: nothing is known of anybody.
    pub(super) fn begin(&mut self, assignment: &Assignment, now: Mono) {
        self.since = now;
        self.stragglers = None;
        self.isr = Isr::new(assignment.partition_epoch, assignment.isr.clone());
        self.started = None;
        self.is_announced = false;
        self.followers.clear();
        self.take_up_followers(assignment, now);
    }

    /// The log is known, for the first time in this reign.
    pub(super) fn start(&mut self, log: &Log, epoch: LeaderEpoch) {
        let written = log.epochs().entries().last().filter(|entry| entry.epoch == epoch);
        let start = written.map_or(log.end(), |entry| entry.start);
        let end = self.started.map_or(log.end(), |started| started.end.min(log.end()));
        self.started = Some(Started { epoch: EpochStart { epoch, start }, end });
    }

    /// The log may be shorter than it was. Followers may have been compared with what is gone: they have to be once more.
    pub(super) fn restart(&mut self, log: &Log, assignment: &Assignment, now: Mono) {
        // What was refused meanwhile may be behind what is sent now.
        self.since = now;
        self.followers.clear();
        self.take_up_followers(assignment, now);
        self.start(log, assignment.leader_epoch);
    }

    /// News of the same reign.
    pub(super) fn learn(&mut self, assignment: &Assignment, now: Mono) {
        self.isr.learn(assignment.partition_epoch, &assignment.isr);
        self.take_up_followers(assignment, now);
    }

    fn take_up_followers(&mut self, assignment: &Assignment, now: Mono) {
        self.followers.retain(|follower| assignment.replicas.contains(&follower.id));
        for id in assignment.replicas.iter().filter(|id| **id != assignment.me) {
            if !self.followers.iter().any(|follower| follower.id == *id) {
                self.followers.push(Progress::unknown(*id, self.isr.members().contains(id), now));
            }
        }
    }

    /// Must this replica have what is committed, or will it soon?
    pub(super) fn counts(&self, id: BrokerId) -> bool {
        self.isr.counts(id)
    }

    pub(super) fn isr_size(&self, assignment: &Assignment) -> IsrSize {
        IsrSize::new(self.isr.members().len(), assignment.isr_min, assignment.replicas.len())
    }

    /// Where this reign's epoch begins.
    pub(super) fn epoch_start(&self) -> Option<EpochStart> {
        self.started.map(|started| started.epoch)
    }

    /// False while something may be committed that the high watermark known here does not say yet (KIP-207).
    pub(super) fn knows_committed(&self, high_watermark: Offset) -> bool {
        self.started.is_some_and(|started| started.end <= high_watermark)
    }

    /// What all replicas that may lead next have dropped, this one to `here`. One that is down by now is eligible perhaps, as long as it
    /// is in the ISR as far as is known here. One that its broker has lost comes with nothing, if at all.
    pub(super) fn low_watermark(&self, peers: &Peers, lost: &[BrokerId], here: Offset) -> Offset {
        let is_up = |id: BrokerId| peers.is_alive(id) && !lost.contains(&id);
        let awaited = self.followers.iter().filter(|follower| is_up(follower.id) || self.isr.counts(follower.id));
        awaited.map(|follower| follower.log_start).fold(here, Offset::min)
    }

    pub(super) fn is_awaited(&self) -> bool {
        !self.promises.is_empty()
    }

    /// The ends that the high watermark must not pass: of all who may be in the ISR, and of those who are about to join and
    /// would otherwise run after it for ever.
    fn counted<'a>(
        &'a self,
        cx: &'a PartitionCx<'_>,
        lost: &'a [BrokerId],
        durable: Offset,
    ) -> impl Iterator<Item = Offset> + 'a {
        let joins = move |follower: &Progress| {
            let is_near = follower.is_caught_up(durable, cx.now.mono, cx.lag_max) && cx.peers.may_join(follower);
            is_near && !lost.contains(&follower.id)
        };
        let counted = self.followers.iter().filter(move |one| self.isr.counts(one.id) || joins(one));
        counted.map(|follower| follower.end)
    }

    /// Members that have not been caught up for too long, of whom nothing was proposed yet.
    fn laggards(&self, cx: &PartitionCx<'_>, durable: Offset) -> Vec<BrokerId> {
        let members = self.followers.iter().filter(|one| self.isr.is_settled() && self.isr.members().contains(&one.id));
        members.filter(|one| !one.is_caught_up(durable, cx.now.mono, cx.lag_max)).map(|one| one.id).collect()
    }

    /// Where a reader is to be sent that reads from `from` on and is near these brokers: to the member of the ISR among them
    /// that is furthest, if it keeps that offset (KIP-392). One that is not in sync might stay behind for ever.
    pub(super) fn nearest(&self, near: &[BrokerId], from: Offset) -> Option<BrokerId> {
        let serves = |one: &&Progress| one.log_start <= from && from <= one.end;
        let followers = self.followers.iter().filter(|one| near.contains(&one.id));
        let members = followers.filter(|one| self.isr.members().contains(&one.id)).filter(serves);
        members.max_by_key(|one| (one.end, one.caught_up(), one.id)).map(|one| one.id)
    }

    fn ask(&self, assignment: &Assignment, members: &[BrokerId], peers: &Peers) -> IsrAsk {
        let registered = |id: &BrokerId| {
            let follower = self.followers.iter().find(|follower| follower.id == *id);
            (*id, follower.map_or_else(|| peers.epoch(*id), |follower| follower.epoch))
        };
        IsrAsk {
            leader_epoch: assignment.leader_epoch,
            partition_epoch: self.isr.epoch(),
            members: members.iter().map(registered).collect(),
        }
    }

    pub(super) fn check(&self, id: LogId, committed: Offset, log: &Log) {
        let waits = |promise: &Promise| {
            promise.acks.reached(committed, log.durable()) < promise.end && promise.end <= log.end()
        };
        assert!(
            self.promises.iter().all(waits),
            "INV-02: a promise waits for what is there already, or for what was never appended: {id:?}"
        );
    }
}

impl Partition {
    /// A follower asks for more. Whatever it asks for, it is told the truth about its history first: before that nothing of
    /// what it says counts (KIP-101, KIP-320). Errors as in Kafka: another reign, a broker that is no replica, or one whose
    /// registration is over.
    pub fn fetched_by(
        &mut self,
        cx: PartitionCx<'_>,
        key: PartKey,
        (id, epoch): (BrokerId, BrokerEpoch),
        fetch: FollowerFetch,
        out: &mut Vec<PartitionOut>,
    ) -> Readable {
        if let Err(error) = self.fetchable_by((id, epoch), fetch.current_epoch, cx.peers) {
            return Readable::error(error);
        }
        if fetch.is_glance {
            return self.readable(Reader::Follower(id), fetch.from);
        }
        let readable = self.readable_after(Reader::Follower(id), fetch.from, fetch.last_fetched);
        if let Some((epoch, end)) = readable.diverging {
            let asked = fetch.from;
            out.push(PartitionOut::Note(Note::Parted { log: self.id, follower: id, asked, epoch, end }));
        }
        if readable.is_urgent() {
            return readable;
        }
        let durable = self.log.durable();
        let Role::Leader(leader) = &mut self.role else { unreachable!("only a leader is asked by followers") };
        let follower = leader.followers.iter_mut().find(|follower| follower.id == id).expect("looked for before");
        follower.asked(cx.now.mono, fetch.from, epoch, durable);
        follower.log_start = fetch.log_start;
        // Each time anew: what is dropped here while it was away it has to drop as well before it may lead.
        follower.is_comparable = fetch.log_start >= self.log.start();
        // First this: who joins holds back what is committed.
        self.grow_by(cx, id, fetch.last_fetched, out);
        self.advance(cx, out);
        let readable = self.readable(Reader::Follower(id), fetch.from);
        self.watch(key, Reader::Follower(id), (fetch.from, fetch.watch_below), &readable);
        readable
    }

    fn fetchable_by(
        &self,
        (id, epoch): (BrokerId, BrokerEpoch),
        current_epoch: LeaderEpoch,
        peers: &Peers,
    ) -> Result<(), ErrorCode> {
        self.fence(current_epoch)?;
        let Role::Leader(leader) = &self.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        if self.state != State::Open {
            return Err(ErrorCode::KafkaStorageError);
        }
        if !leader.followers.iter().any(|follower| follower.id == id) {
            // It names our reign, so one of us has yet to hear of its newest state.
            let is_named = current_epoch != LeaderEpoch::NONE;
            return Err(if is_named { ErrorCode::UnknownLeaderEpoch } else { ErrorCode::NotLeaderOrFollower });
        }
        if epoch != BrokerEpoch::NONE && epoch < peers.epoch(id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        Ok(())
    }

    /// Proposes a follower that has caught up for the ISR. It must have what the log held when the reign began, since more
    /// of that may be committed than is known here; and it must have dropped what was dropped here, since nobody can tell
    /// any more whether it had the same.
    fn grow_by(&mut self, cx: PartitionCx<'_>, id: BrokerId, last_fetched: LeaderEpoch, out: &mut Vec<PartitionOut>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.isr.is_settled() || leader.isr.members().contains(&id) {
            return;
        }
        let follower = leader.followers.iter().find(|follower| follower.id == id).expect("it just fetched");
        let floor = leader.started.map(|started| started.end.max(self.high_watermark));
        let floor = floor.filter(|_| !planted(Bug::GrowthIgnoresReign)).unwrap_or(self.high_watermark);
        // What an empty log lacks before it was perhaps committed since an unclean election. A log in which there is anything was
        // compared, and whoever is eligible had all: what they dropped was to be dropped.
        let Assignment { recovering, eligible, .. } = &self.spec.assignment;
        let is_proved = last_fetched != LeaderEpoch::NONE || eligible.contains(&id);
        let has_hole = *recovering && !is_proved && follower.log_start > self.log.start();
        if follower.end < floor || !follower.is_comparable || has_hole || !cx.peers.may_join(follower) {
            return;
        }
        let mut members = leader.isr.members().to_vec();
        members.push(id);
        let ask = leader.ask(&self.spec.assignment, &members, cx.peers);
        leader.isr.grow(id, ask.clone());
        out.push(PartitionOut::AskIsr(ask));
    }

    /// The controller answered the proposal `asked`, or its answer was lost.
    pub fn isr_answered(
        &mut self,
        cx: PartitionCx<'_>,
        asked: &IsrAsk,
        answer: IsrAnswer,
        out: &mut Vec<PartitionOut>,
    ) {
        let epoch = self.spec.assignment.leader_epoch;
        let settled = match &mut self.role {
            Role::Leader(leader) if asked.leader_epoch == epoch => leader.isr.answered(asked, answer),
            Role::Leader(_) | Role::Follower(_) => Settled::Stale,
        };
        match settled {
            Settled::Changed | Settled::Kept => self.advance(cx, out),
            Settled::Waits => {}
            Settled::Again(ask) => out.push(PartitionOut::AskIsr(ask)),
            Settled::Stale => out.push(PartitionOut::Note(Note::Ignored(Ignored::AnswerStale))),
        }
    }

    /// Time has passed: who fell behind is proposed to leave the ISR, and who was about to join is waited for no more.
    pub fn wake(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        self.advance(cx, out);
        let durable = self.log.durable();
        let Role::Leader(leader) = &mut self.role else { return };
        let laggards = leader.laggards(&cx, durable);
        if self.state != State::Open || laggards.is_empty() {
            return;
        }
        let members: Vec<_> = leader.isr.members().iter().copied().filter(|id| !laggards.contains(id)).collect();
        let ask = leader.ask(&self.spec.assignment, &members, cx.peers);
        leader.isr.shrink(ask.clone());
        out.push(PartitionOut::AskIsr(ask));
        self.advance(cx, out);
    }

    /// When `wake` has something to do although nothing happened, if that is so.
    pub fn deadline(&self, cx: PartitionCx<'_>) -> Option<Mono> {
        let leader = match &self.role {
            Role::Leader(leader) => leader,
            Role::Follower(follower) => return follower.deadline(cx.now.mono),
        };
        let durable = self.log.durable();
        let lags = leader.followers.iter().filter_map(|follower| {
            let at = follower.lags_from(durable, cx.lag_max)?;
            let is_member = leader.isr.members().contains(&follower.id);
            let is_open = if is_member { leader.isr.is_settled() } else { at > cx.now.mono };
            is_open.then_some(at)
        });
        lags.min().filter(|_| self.state == State::Open)
    }

    /// More is flushed here.
    pub(super) fn flushed(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        let before = self.high_watermark;
        self.move_on(cx);
        self.keep_promises(out);
        self.tell_readers(true, self.high_watermark > before, out);
        self.announce(out);
    }

    /// More may be committed.
    pub(super) fn advance(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        let before = self.high_watermark;
        self.move_on(cx);
        if self.high_watermark > before {
            self.keep_promises(out);
            self.tell_readers(cx.followers_serve, true, out);
        }
        self.announce(out);
        self.confirm_trims(cx, out);
    }

    /// Says once a reign that all that is committed is known.
    fn announce(&mut self, out: &mut Vec<PartitionOut>) {
        let (start, end) = (self.log.start(), self.log.end());
        let Role::Leader(leader) = &mut self.role else { return };
        if self.state == State::Open && !leader.is_announced && leader.knows_committed(self.high_watermark) {
            leader.is_announced = true;
            out.push(PartitionOut::Leads(OffsetRange { start, end }));
        }
    }

    fn move_on(&mut self, cx: PartitionCx<'_>) {
        let durable = self.log.durable();
        let Role::Leader(leader) = &self.role else { return };
        if self.state != State::Open {
            return;
        }
        let mut size = leader.isr_size(&self.spec.assignment);
        if planted(Bug::CommitBelowMinIsr) {
            size.needed = 0;
        }
        let counted = leader.counted(&cx, &self.spec.assignment.lost, durable);
        self.high_watermark = watermark::of_leader(self.high_watermark, durable, counted, size);
    }
}

#[cfg(all(test, not(feature = "plant")))]
#[path = "leader_test.rs"]
mod leader_test;
