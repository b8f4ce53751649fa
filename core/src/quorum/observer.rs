//! A node that follows the metadata log and has no vote: it fetches from the leader, and keeps what the leader keeps
//! (KIP-595).
//!
//! ```text
//!           ┌─────────────── stored ───────────────┐
//!           ▼                                      │
//!        Asking ──── records ──────────────────▶ Changing
//!                ├── histories part ───────────▶    (the log is cut)
//!                └── the leader's log begins ──▶    (the log begins anew, with the leader's snapshot)
//!                    behind the end of ours
//! ```
//!
//! It asks from its durable end on, so that its asking acknowledges what is flushed here and nothing else. A snapshot needs
//! no request of its own: it lies in the log.

use super::{Quorum, QuorumOut, Role};
use crate::log::Log;
use crate::record::CheckedBatch;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Offset, Wall};
use alloc::vec::Vec;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Observer {
    /// Whom it fetches from.
    pub(super) leader: BrokerId,
    /// The highest term that it heard of.
    pub(super) term: LeaderEpoch,
    /// What the leader said is committed.
    leader_watermark: Offset,
    /// Up to here the log is being changed: nothing is asked for until that is durable.
    changing: Option<Offset>,
}

/// What a follower of the metadata log asks of its leader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FetchAsk {
    /// Its term; [`LeaderEpoch::NONE`] if it knows none.
    pub term: LeaderEpoch,
    /// What comes from here on. All before it is durable where it asks.
    pub from: Offset,
    /// The term of the last batch before that; [`LeaderEpoch::NONE`] without one.
    pub last: LeaderEpoch,
    /// What it knows to be committed (KIP-1166): an answer may wait while that is all there is to say.
    pub high_watermark: Offset,
}

/// What the leader answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTold {
    /// An error, or none.
    pub error: ErrorCode,
    /// The leader's term.
    pub term: LeaderEpoch,
    /// What is committed.
    pub high_watermark: Offset,
    /// The first offset that the leader keeps.
    pub log_start: Offset,
    /// Where the histories part: the largest term that both may know, and where it ended.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Batches as the leader stamped them; the first begins where it was asked to.
    pub batches: Vec<CheckedBatch>,
}

/// What became of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It was taken; the next question may follow at once.
    Well,
    /// It belongs to a question that is not asked any more.
    Stale,
    /// No leader that this node can follow says so; it is to be asked again after a while.
    Unsound,
    /// The leader cannot answer now; it is to be asked again after a while.
    Refused,
}

impl Observer {
    pub(super) fn of(leader: BrokerId, term: LeaderEpoch) -> Self {
        Self { leader, term, leader_watermark: Offset::ZERO, changing: None }
    }
}

impl Quorum {
    /// True of a node without a vote.
    pub fn is_observer(&self) -> bool {
        matches!(self.role, Role::Observer(_))
    }

    /// The store could not do what it was asked to, and tells what it holds.
    pub fn reload(&mut self, log: Log) {
        let Role::Observer(observer) = &mut self.role else { unreachable!("only an observer takes up a log again") };
        observer.changing = None;
        self.high_watermark = self.high_watermark.clamp(log.start(), log.durable());
        self.log = log;
    }

    /// All that the leader said is committed is known to be, and durable here. False before anything was heard.
    pub fn is_caught_up(&self) -> bool {
        let Role::Observer(observer) = &self.role else { return true };
        observer.leader_watermark > Offset::ZERO && self.high_watermark >= observer.leader_watermark
    }

    /// What to ask the leader next; nothing while the last answer is being written.
    pub fn ask(&self) -> Option<FetchAsk> {
        let Role::Observer(observer) = &self.role else { return None };
        if observer.changing.is_some() {
            return None;
        }
        let is_empty = self.log.start() == self.log.end();
        Some(FetchAsk {
            term: observer.term,
            from: self.log.end(),
            last: self.log.epochs().latest().filter(|_| !is_empty).unwrap_or(LeaderEpoch::NONE),
            high_watermark: self.high_watermark,
        })
    }

    /// The leader answered.
    pub fn fetched(&mut self, asked: FetchAsk, told: FetchTold, now: Wall, out: &mut Vec<QuorumOut>) -> Taken {
        if self.ask() != Some(asked) {
            return Taken::Stale;
        }
        let Role::Observer(observer) = &mut self.role else { unreachable!("it asked") };
        let is_behind = told.term < observer.term;
        match (told.error, told.diverging) {
            // It knows a newer term, or the leader has yet to find out that its own is over.
            (_, _) if is_behind => Taken::Unsound,
            (ErrorCode::FencedLeaderEpoch, _) => {
                observer.term = told.term;
                Taken::Well
            }
            (ErrorCode::OffsetOutOfRange, _) if told.log_start > self.log.end() => {
                observer.term = told.term;
                self.begin_anew(told.log_start, out);
                Taken::Well
            }
            (ErrorCode::None, Some((term, end))) => {
                observer.term = told.term;
                self.diverged(term, end, out)
            }
            (ErrorCode::None, None) => self.take(asked, told, now, out),
            (_, _) => Taken::Refused,
        }
    }

    /// Nothing of what is here is in the leader's log any more; what it begins with is a snapshot of everything before.
    fn begin_anew(&mut self, start: Offset, out: &mut Vec<QuorumOut>) {
        self.log.begin_anew(start);
        self.high_watermark = start;
        self.change_to(start);
        out.push(QuorumOut::BeginAnew { start });
    }

    /// What is committed stays, whoever says otherwise.
    fn diverged(&mut self, term: LeaderEpoch, end: Offset, out: &mut Vec<QuorumOut>) -> Taken {
        let ours = self.log.epochs().end_of(term, self.log.end());
        let to = ours.end.min(end).max(self.log.start());
        if ours.end == Offset::NONE || to >= self.log.end() || to < self.high_watermark {
            return Taken::Unsound;
        }
        let after = self.log.truncate(to);
        assert!(after == crate::log::AfterCut::Whole, "nobody numbers batches of the metadata log");
        self.change_to(to);
        out.push(QuorumOut::Truncate { end: to });
        Taken::Well
    }

    fn take(&mut self, asked: FetchAsk, told: FetchTold, now: Wall, out: &mut Vec<QuorumOut>) -> Taken {
        if !is_sound(asked, &told) {
            return Taken::Unsound;
        }
        let Role::Observer(observer) = &mut self.role else { unreachable!("it asked") };
        observer.term = told.term;
        observer.leader_watermark = told.high_watermark;
        told.batches.iter().for_each(|batch| self.log.append(batch, now));
        match told.batches.is_empty() {
            true => self.follow_watermark(out),
            false => {
                self.change_to(self.log.end());
                out.push(QuorumOut::Append(told.batches));
            }
        }
        Taken::Well
    }

    fn change_to(&mut self, end: Offset) {
        if let Role::Observer(observer) = &mut self.role {
            observer.changing = Some(end);
        }
    }

    /// The store has done what it was asked to: the log is durable up to `end`, and ends there.
    pub(super) fn observed(&mut self, end: Offset, out: &mut Vec<QuorumOut>) {
        let Role::Observer(observer) = &mut self.role else { return };
        if observer.changing == Some(end) {
            observer.changing = None;
            self.follow_watermark(out);
        }
    }

    /// What the leader says is committed, as far as it is durable here.
    fn follow_watermark(&mut self, out: &mut Vec<QuorumOut>) {
        let Role::Observer(observer) = &self.role else { return };
        let end = observer.leader_watermark.min(self.log.durable());
        if end > self.high_watermark {
            self.high_watermark = end;
            out.push(QuorumOut::Committed { end });
        }
    }
}

/// Whether a leader of that term has such batches: one behind the other without a gap, of terms that do not go back.
fn is_sound(asked: FetchAsk, told: &FetchTold) -> bool {
    let (mut next, mut term) = (asked.from, asked.last);
    told.batches.iter().all(|batch| {
        let is_next = batch.base_offset() == next && batch.end_offset() > next;
        let is_grown = term <= batch.header().leader_epoch && batch.header().leader_epoch <= told.term;
        (next, term) = (batch.end_offset(), batch.header().leader_epoch);
        is_next && is_grown
    })
}

#[cfg(test)]
#[path = "observer_test.rs"]
mod observer_test;
