//! A node that follows the metadata log: it fetches from the leader, and keeps what the leader keeps (KIP-595).
//!
//! ```text
//!           ┌─────────────── stored ───────────────┐
//!           ▼                                      │
//!        Asking ──── records ──────────────────▶ Changing
//!                ├── histories part ───────────▶    (the log is cut)
//!                └── the leader's log begins ──▶    (the log begins anew, with the leader's snapshot)
//!                    behind the end here
//! ```
//!
//! What it asks for next is all that it says of itself: everything before that is durable here. What the leader says is
//! committed, as far as it is durable here, is known to be committed.
//!
//! A voter that cannot reach its leader for a moment, or hears nothing of it for long, takes it that nobody leads, and stands.
//! A node without a vote asks the voters in turn.

use super::{Quorum, QuorumCx, QuorumOut, Role, Times, Unattached, Voters, door};
use crate::log::AfterCut;
use crate::plant::{Bug, planted};
use crate::record::CheckedBatch;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, Wall};
use alloc::vec::Vec;
use core::time::Duration;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Follower {
    /// Whom it follows.
    pub(super) leader: BrokerId,
    /// When it last had an answer that it could use; when it began to follow, before the first.
    heard: Mono,
    /// Since when there was none, though it asked.
    failing: Option<Mono>,
    /// How long it puts up with that.
    patience: Duration,
}

impl Follower {
    pub(super) fn of(leader: BrokerId, patience: Duration, now: Mono) -> Self {
        Self { leader, heard: now, failing: None, patience }
    }

    /// When it gives its leader up.
    pub(super) fn deadline(&self, times: &Times) -> Mono {
        let silent = self.heard + times.fetch;
        self.failing.map_or(silent, |since| silent.min(since + self.patience))
    }

    /// Has it no reason to think that nobody leads?
    pub(super) fn is_content(&self) -> bool {
        self.failing.is_none()
    }
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
    /// The term of whoever answers.
    pub term: LeaderEpoch,
    /// Who leads in it, as far as that one knows.
    pub leader: Option<BrokerId>,
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

impl Quorum {
    /// What to ask next, and whom; nothing while the last answer is being written, or while nobody is known to ask.
    pub fn ask(&self) -> Option<(BrokerId, FetchAsk)> {
        let whom = match &self.role {
            Role::Follower(follower) => follower.leader,
            Role::Unattached(unattached) if !self.has_voice() => self.around(unattached.turn)?,
            Role::Unattached(_) | Role::Candidate(_) | Role::Leader(_) => return None,
        };
        let is_busy = self.changing.is_some() && !planted(Bug::UnflushedAcknowledged);
        if is_busy || !self.ballot.is_kept || self.asleep_until.is_some() {
            return None;
        }
        let ask = FetchAsk {
            term: self.ballot.term,
            from: self.log.end(),
            last: self.last(),
            high_watermark: self.high_watermark,
        };
        Some((whom, ask))
    }

    /// Who is asked after so many others: the voters in turn, and whoever is found at the addresses that are known beside them.
    fn around(&self, turn: usize) -> Option<BrokerId> {
        let voters = self.electorate.now();
        let turn = turn.checked_rem(voters.others(self.me.id).count() + self.doors)?;
        voters.others(self.me.id).chain((0..self.doors).map(door)).nth(turn)
    }

    /// Whoever was asked answered.
    pub fn fetched(
        &mut self,
        (whom, asked): (BrokerId, FetchAsk),
        told: FetchTold,
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> Taken {
        if self.ask() != Some((whom, asked)) {
            return Taken::Stale;
        }
        if told.term < self.ballot.term {
            // It knows a newer term, or the leader has yet to find out that its own is over.
            self.failed(cx, out);
            return Taken::Unsound;
        }
        if !self.outdone(told.term, told.leader, cx, out) {
            self.failed(cx, out);
            return Taken::Refused;
        }
        if told.leader != Some(whom) {
            // It knows who leads.
            return Taken::Well;
        }
        let taken = match (told.error, told.diverging) {
            (ErrorCode::FencedLeaderEpoch, _) => Taken::Well,
            (ErrorCode::OffsetOutOfRange, _) if told.log_start > self.log.end() => {
                self.begin_anew(told.log_start, out);
                Taken::Well
            }
            // What is here beyond the leader's beginning is of another history. What lies before may be committed, although that is
            // not known after a start, and be all that tells who votes: it goes when the log begins anew, which remembers that.
            (ErrorCode::OffsetOutOfRange, _) if self.log.end() > self.high_watermark => {
                let before = Offset(told.log_start.0.saturating_sub(1)).clamp(self.log.start(), self.log.end());
                self.cut(self.high_watermark.max(before), out);
                Taken::Well
            }
            (ErrorCode::None, Some((term, end))) => self.diverged(term, end, out),
            (ErrorCode::None, None) => self.take(asked, told, cx.now.wall, out),
            (_, _) => Taken::Refused,
        };
        match taken {
            Taken::Well => self.heard(cx.now),
            Taken::Stale | Taken::Unsound | Taken::Refused => self.failed(cx, out),
        }
        taken
    }

    /// The leader is there.
    fn heard(&mut self, now: Now) {
        if let Role::Follower(follower) = &mut self.role {
            (follower.heard, follower.failing) = (now.mono, None);
        }
    }

    /// There was no answer to this question, or none that could be used.
    pub fn unanswered(&mut self, asked: (BrokerId, FetchAsk), cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        if self.ask() == Some(asked) {
            self.failed(cx, out);
        }
    }

    /// Does it vote, so that it finds a leader by standing? Others go and ask.
    fn has_voice(&self) -> bool {
        self.is_voter() && self.is_whole()
    }

    fn failed(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let has_voice = self.has_voice();
        match &mut self.role {
            Role::Follower(follower) => {
                let since = *follower.failing.get_or_insert(cx.now.mono);
                if !has_voice && since + follower.patience <= cx.now.mono {
                    self.enter(Role::Unattached(Unattached::until(cx.now.mono)), out);
                }
            }
            Role::Unattached(unattached) => unattached.turn += 1,
            Role::Candidate(_) | Role::Leader(_) => {}
        }
    }

    /// Nothing of what is here is in the leader's log any more; what it begins with is a snapshot of everything before.
    fn begin_anew(&mut self, start: Offset, out: &mut Vec<QuorumOut>) {
        self.log.begin_anew_as_voter(start);
        self.electorate.trim(start);
        self.whole_at = None;
        self.high_watermark = start;
        self.changing = Some(start);
        out.push(QuorumOut::BeginAnew { start });
    }

    /// What is committed stays, whoever says otherwise.
    fn diverged(&mut self, term: LeaderEpoch, end: Offset, out: &mut Vec<QuorumOut>) -> Taken {
        match self.log.common_end(term, end).filter(|to| *to >= self.high_watermark) {
            None => Taken::Unsound,
            Some(to) => {
                self.cut(to, out);
                Taken::Well
            }
        }
    }

    fn cut(&mut self, to: Offset, out: &mut Vec<QuorumOut>) {
        let from = self.log.end();
        self.electorate.cut(to);
        let after = self.log.truncate(to);
        assert!(after == AfterCut::Whole, "nobody numbers batches of the metadata log");
        self.changing = Some(to);
        out.push(QuorumOut::Truncate { from, end: to });
    }

    fn take(&mut self, asked: FetchAsk, told: FetchTold, now: Wall, out: &mut Vec<QuorumOut>) -> Taken {
        if !is_sound(asked, &told) {
            return Taken::Unsound;
        }
        self.told_watermark = told.high_watermark;
        for batch in &told.batches {
            self.log.append(batch, now);
            self.electorate.learn(batch).expect("looked at before");
            self.look_for_footer(batch);
        }
        match told.batches.is_empty() {
            true => self.follow_watermark(out),
            false => {
                self.changing = Some(self.log.end());
                out.push(QuorumOut::Append(told.batches));
            }
        }
        Taken::Well
    }

    /// What the leader says is committed, as far as it is durable here.
    pub(super) fn follow_watermark(&mut self, out: &mut Vec<QuorumOut>) {
        let end = self.told_watermark.min(self.log.durable());
        if end > self.high_watermark {
            self.high_watermark = end;
            out.push(QuorumOut::Committed { end });
        }
    }
}

/// Whether a leader of that term has such batches: one behind the other without a gap, of terms that do not go back, and of voters that can be read.
fn is_sound(asked: FetchAsk, told: &FetchTold) -> bool {
    let (mut next, mut term) = (asked.from, asked.last.max(LeaderEpoch::FIRST));
    told.batches.iter().all(|batch| {
        let is_next = batch.base_offset() == next && batch.end_offset() > next;
        let is_grown = term <= batch.header().leader_epoch && batch.header().leader_epoch <= told.term;
        (next, term) = (batch.end_offset(), batch.header().leader_epoch);
        is_next && is_grown && Voters::in_batch(batch).is_ok()
    })
}

#[cfg(test)]
#[path = "follower_test.rs"]
mod follower_test;
