//! A follower: it asks its leader for what comes behind its own durable end, appends what it is given as it is stamped, and
//! is cut back to where its history and its leader's part.
//!
//! ```text
//!          ┌──────────── stored ─────────────┐           ┌────── the store told what is left ──────┐
//!          ▼                                 │           ▼                                         │
//!       Asking ──── records ──────────▶ Appending     Asking ──── histories part ──────────▶ Truncating
//!          │ ▲
//!          │ └── records from the leader's start on: all before them is dropped, the log begins anew
//!          ▼     │
//!     Glancing: the leader's log begins behind the end of ours
//! ```
//!
//! Behind an unclean leader, whose log may end before ours begins, a log is made again from nothing.
//!
//! Where they part is found by epochs alone, never by a high watermark (KIP-101, KIP-279, KIP-595): the leader says where the
//! largest epoch ended that both may know, the follower keeps what it has of that epoch up to there, and asks again, until
//! the leader has nothing to say against it. What is known to be committed is not cut off at all: a log that its leader contradicts there
//! goes offline.

use super::role::Role;
use super::{FollowerFetch, Partition, PartitionCx, PartitionOut, State, Then, watermark};
use crate::boundary::{Action, Ignored, Note};
use crate::record::CheckedBatch;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Offset, limit};
use alloc::vec::Vec;
use core::time::Duration;

/// A follower of one leader in one reign.
#[derive(Clone, Hash, Debug)]
pub(super) struct Follower {
    leader: BrokerId,
    /// What the leader says is committed.
    leader_watermark: Offset,
    /// The log is to begin anew here, which is where the leader's begins: one glance tells with which batch.
    anew_at: Option<Offset>,
    /// Everything before it was asked to be dropped.
    dropped: Offset,
    /// The disk was full: nothing is asked for before then.
    paused_until: Option<Mono>,
}

/// What a leader answered.
#[derive(Clone, Hash, Debug)]
pub struct Fetched {
    /// An error, or none.
    pub error: ErrorCode,
    /// What is committed, as the leader knows.
    pub high_watermark: Offset,
    /// The first offset that the leader keeps.
    pub log_start: Offset,
    /// Where that ends which the leader gives to followers: no batches although it is behind means that the answer had no room.
    pub end: Offset,
    /// Where our histories part: the largest epoch that both may know, and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Batches as the leader stamped them, the first of which holds the offset asked for.
    pub batches: Vec<CheckedBatch>,
}

/// Of whom a partition wants more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wish {
    /// Of nobody.
    None,
    /// Of this leader, as soon as the disk has done what it was asked.
    Soon(BrokerId),
    /// This of this leader, now.
    Now(BrokerId, FollowerFetch),
}

impl Wish {
    /// Of whom.
    pub fn leader(self) -> Option<BrokerId> {
        match self {
            Self::None => None,
            Self::Soon(leader) | Self::Now(leader, _) => Some(leader),
        }
    }
}

impl Fetched {
    /// How long whoever can make nothing of it leaves before it asks again, where `backoff` is the usual pause; none if there is
    /// nothing in it to be made something of. Who leads is known here before it is known there, or a moment later.
    pub fn pause(&self, backoff: Duration) -> Option<Duration> {
        match self.error {
            ErrorCode::None => (self.diverging.is_some() || !self.batches.is_empty()).then_some(backoff),
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownTopicId
            | ErrorCode::UnknownTopicOrPartition => Some(backoff.min(NEWS_UNDER_WAY)),
            _ => Some(backoff),
        }
    }
}

impl Follower {
    pub(super) fn of(leader: BrokerId) -> Self {
        Self { leader, leader_watermark: Offset::NONE, anew_at: None, dropped: Offset::NONE, paused_until: None }
    }

    pub(super) fn deadline(&self, now: Mono) -> Option<Mono> {
        self.paused_until.filter(|at| *at > now)
    }
}

impl Partition {
    /// What a follower wants of whom. Nothing while it appends, truncates or reloads, and nothing if nobody leads. It asks from
    /// its own durable end on: by that it acknowledges that all before it is flushed here.
    pub fn wants(&self, now: Mono) -> Option<(BrokerId, FollowerFetch)> {
        let Role::Follower(follower) = &self.role else { return None };
        let is_paused = follower.paused_until.is_some_and(|at| now < at);
        if follower.leader == BrokerId::NONE || self.state != State::Open || self.changes > 0 || is_paused {
            return None;
        }
        assert!(
            self.log.durable() == self.log.end(),
            "INV-15: a follower asks for more only when all that it has is flushed: {:?}",
            self.id
        );
        let is_empty = self.log.start() == self.log.end() || follower.anew_at.is_some();
        let last_fetched = self.log.epochs().latest().filter(|_| !is_empty).unwrap_or(LeaderEpoch::NONE);
        let fetch = FollowerFetch {
            from: follower.anew_at.unwrap_or(self.log.end()),
            current_epoch: self.spec.assignment.leader_epoch,
            last_fetched,
            log_start: self.log.start(),
            watch_below: 1,
            is_glance: follower.anew_at.is_some(),
        };
        Some((follower.leader, fetch))
    }

    /// Of whom a follower wants more, now or as soon as the disk is done.
    pub fn wish(&self, now: Mono) -> Wish {
        let Role::Follower(follower) = &self.role else { return Wish::None };
        let is_at_work = match self.state {
            State::Open => self.changes > 0,
            State::Reloading => true,
            State::Offline => false,
        };
        match self.wants(now) {
            Some((leader, fetch)) => Wish::Now(leader, fetch),
            None if is_at_work && follower.leader != BrokerId::NONE => Wish::Soon(follower.leader),
            None => Wish::None,
        }
    }

    /// Does what it fetches count against the throttle of followers? Never of one that is in sync, or has all that it knows to be
    /// committed and may join (KIP-73).
    pub fn is_throttled(&self) -> bool {
        let Role::Follower(follower) = &self.role else { return false };
        let assignment = &self.spec.assignment;
        let has_all = follower.leader_watermark != Offset::NONE && follower.leader_watermark <= self.log.end();
        self.spec.is_follower_throttled && !assignment.isr.contains(&assignment.me) && !has_all
    }

    /// The leader answered what it was asked. What is not the answer to what is wanted now is passed over; after an error
    /// the same is wanted still, and whoever asks leaves some time before that.
    pub fn fetched(
        &mut self,
        cx: PartitionCx<'_>,
        asked: FollowerFetch,
        fetched: Fetched,
        out: &mut Vec<PartitionOut>,
    ) {
        // What is kept may have become less meanwhile; that changes nothing of the answer.
        let log_start = self.log.start();
        let is_wanted =
            self.wants(cx.now.mono).is_some_and(|(_, wanted)| wanted == FollowerFetch { log_start, ..asked });
        let Role::Follower(follower) = &mut self.role else { return ignore(Ignored::AnswerStale, out) };
        if !is_wanted {
            return ignore(Ignored::AnswerStale, out);
        }
        let is_dropped = follower.anew_at.unwrap_or(self.log.end()) <= fetched.log_start;
        let is_behind = fetched.end < self.log.start() && self.spec.assignment.recovering;
        match (fetched.error, fetched.diverging) {
            (ErrorCode::OffsetOutOfRange, _) if is_dropped => follower.anew_at = Some(fetched.log_start),
            (ErrorCode::OffsetOutOfRange, _) if is_behind => self.start_over(out),
            (ErrorCode::None, Some((epoch, end))) => self.diverged(epoch, end, fetched.log_start, out),
            (ErrorCode::None, None) => self.take(cx, asked, fetched, out),
            // Of another reign than ours one of us has yet to hear; all else passes.
            (_, _) => {}
        }
    }

    /// Keeps what was written here up to the leader's epoch, as far as that goes at the leader.
    fn diverged(&mut self, epoch: LeaderEpoch, end: Offset, leaders: Offset, out: &mut Vec<PartitionOut>) {
        let Some(to) = self.log.common_end(epoch, end) else {
            return ignore(Ignored::AnswerUnsound, out);
        };
        if end <= leaders && self.high_watermark < end {
            // The leader has dropped all that could be common, so nobody can tell any more what of ours was: we begin where its log does.
            let Role::Follower(follower) = &mut self.role else { unreachable!("only followers are told so") };
            follower.anew_at = Some(leaders);
            return;
        }
        match end < self.log.start() && self.spec.assignment.recovering {
            true => self.start_over(out),
            false => self.cut_back(to, out),
        }
    }

    /// Is what there is nothing that anybody counts on? It was left behind by an unclean election, and may be in no ISR before it is
    /// made again: a leader that recovers lets nobody join who begins later than it.
    fn may_start_over(&self) -> bool {
        let assignment = &self.spec.assignment;
        let is_trusted = assignment.isr.contains(&assignment.me) || assignment.eligible.contains(&assignment.me);
        assignment.recovering && !is_trusted
    }

    /// Nothing of the log is common with that of a leader who lacks what was committed, and it begins where that may never be: it is
    /// made again, and everything is fetched.
    fn start_over(&mut self, out: &mut Vec<PartitionOut>) {
        self.state = State::Reloading;
        out.push(PartitionOut::Note(Note::Truncated { log: self.id, from: self.log.end(), to: Offset::ZERO }));
        out.push(PartitionOut::Act(Action::Delete, Then::Settled));
        out.push(PartitionOut::Act(Action::Create(self.spec.log.clone()), Then::Cut));
    }

    /// All that is here goes, since the leader's log begins there. At no moment is there less than that: who is eligible may be
    /// elected at any, and give what it takes for the next offset to another record.
    fn leave_behind(&mut self, first: Offset, out: &mut Vec<PartitionOut>) {
        let first = first.max(self.log.start());
        if first >= self.high_watermark {
            out.push(PartitionOut::Act(Action::Trim { start: first }, Then::Settled));
        }
        self.cut_back(first, out);
    }

    /// What is committed stays, whoever says otherwise: a leader that lacks it has lost it, and this replica, which has it, is not
    /// to follow. Only where an operator let somebody lead who may lack it that is given up.
    fn cut_back(&mut self, to: Offset, out: &mut Vec<PartitionOut>) {
        let assignment = &self.spec.assignment;
        if to >= self.high_watermark || assignment.recovering {
            return self.cut(to, out);
        }
        let (log, leader, committed) = (self.id, assignment.leader, self.high_watermark);
        self.state = State::Offline;
        out.push(PartitionOut::Note(Note::Contradicted { log, leader, to, committed }));
    }

    fn take(&mut self, cx: PartitionCx<'_>, asked: FollowerFetch, fetched: Fetched, out: &mut Vec<PartitionOut>) {
        if !is_sound(&asked, &fetched) {
            return ignore(Ignored::AnswerUnsound, out);
        }
        let first = fetched.batches.first().map_or(asked.from, CheckedBatch::base_offset);
        let Role::Follower(follower) = &self.role else { unreachable!("asked before") };
        // What is there was compared: only an empty log may lack what its leader has before it.
        let may_lack = self.log.start() == self.log.end() && self.log.start() > fetched.log_start;
        if follower.anew_at.is_none() && may_lack && self.may_start_over() {
            return self.start_over(out);
        }
        if follower.anew_at.is_some() {
            if fetched.batches.is_empty() && fetched.end > first {
                // Which batch holds the leader's start is what the glance was for: it may begin before that.
                return;
            }
            if first <= self.log.end() && self.log.start() < self.log.end() {
                // Nothing here was compared with what the leader has: nothing of the leader's comes behind it.
                return self.leave_behind(first, out);
            }
        }
        if first < self.log.end() {
            // The leader's first batch reaches across our end: what we have from there on is not what it has.
            let to = first.max(self.log.start());
            return match to < self.log.end() {
                true => self.cut_back(to, out),
                false if self.may_start_over() => self.start_over(out),
                false => ignore(Ignored::AnswerUnsound, out),
            };
        }
        if first > self.log.end() {
            self.begin_anew(first, out);
        }
        if !fetched.batches.is_empty() {
            self.put(cx, fetched.batches, out);
        }
        let Role::Follower(follower) = &mut self.role else { unreachable!("asked before") };
        follower.anew_at = None;
        follower.leader_watermark = fetched.high_watermark;
        self.follow_watermark(out);
        self.follow_start(fetched.log_start, out);
    }

    /// Drops all that there is. The first batch that the leader keeps may begin before its log does. Nothing is asked for
    /// before that is done: a log that ends here acknowledges all before.
    fn begin_anew(&mut self, at: Offset, out: &mut Vec<PartitionOut>) {
        out.push(PartitionOut::Note(Note::Truncated { log: self.id, from: self.log.end(), to: at }));
        self.log.begin_anew(at);
        self.recent = super::recent::Recent::from(at);
        self.high_watermark = at;
        self.changes += 1;
        out.push(PartitionOut::Act(Action::Trim { start: at }, Then::Appended(at)));
    }

    /// What the leader says is committed, as far as it is flushed here.
    pub(super) fn follow_watermark(&mut self, out: &mut Vec<PartitionOut>) {
        let Role::Follower(follower) = &self.role else { return };
        let before = self.high_watermark;
        self.high_watermark =
            watermark::of_follower(self.high_watermark, follower.leader_watermark, self.log.durable());
        if self.high_watermark > before {
            self.tell_readers(false, true, out);
        }
    }

    /// Drops what the leader has dropped, once.
    fn follow_start(&mut self, leaders: Offset, out: &mut Vec<PartitionOut>) {
        let start = leaders.min(self.high_watermark);
        let Role::Follower(follower) = &mut self.role else { return };
        if start > self.log.start() && start > follower.dropped {
            follower.dropped = start;
            out.push(PartitionOut::Act(Action::Trim { start }, Then::Settled));
        }
    }

    /// The disk is full: there is no use in asking at once again.
    pub(super) fn pause(&mut self, cx: PartitionCx<'_>) {
        if let Role::Follower(follower) = &mut self.role {
            follower.paused_until = Some(cx.now.mono + limit::FULL_DISK_PAUSE);
        }
    }
}

/// Whether a leader of the reign asked for gives such batches: in order, of reigns that do not go back and are none to come
/// (KAFKA-18723), the first holding the offset asked for.
fn is_sound(asked: &FollowerFetch, fetched: &Fetched) -> bool {
    let mut epoch = asked.last_fetched.max(LeaderEpoch::FIRST);
    let mut end = None;
    fetched.batches.iter().all(|batch| {
        let header = batch.header();
        let is_next = match end {
            None => batch.base_offset() <= asked.from && asked.from < batch.end_offset(),
            Some(end) => end <= batch.base_offset(),
        };
        let is_grown = epoch <= header.leader_epoch && header.leader_epoch <= asked.current_epoch;
        (epoch, end) = (header.leader_epoch, Some(batch.end_offset()));
        is_next && is_grown
    })
}

fn ignore(why: Ignored, out: &mut Vec<PartitionOut>) {
    out.push(PartitionOut::Note(Note::Ignored(why)));
}

/// News of who leads take about so long.
const NEWS_UNDER_WAY: Duration = Duration::from_millis(50);

#[cfg(all(test, not(feature = "plant")))]
#[path = "follower_test.rs"]
mod follower_test;
