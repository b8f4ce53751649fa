//! Votes: asked for, given, counted.
//!
//! ```text
//!        candidate                                       voter
//!   stand ── AskVote{is_pre} ──────────────────────────▶ vote_asked ── verdict: would it? (nothing is kept)
//!   vote_told ◀──────────────────────────────────────────────┘
//!     │ a majority would
//!   mark(term + 1, itself) ── durable ── AskVote ──────▶ vote_asked ── mark(term, candidate) ── durable ── verdict
//!   vote_told ◀─────────────────────────────────────────────────────────────────────────────────────────────┘
//!     │ a majority has
//!   lead
//! ```

use super::candidate::Count;
use super::change::voters_at;
use super::{Ballot, Candidate, Leader, Quorum, QuorumCx, QuorumOut, Role, Unattached};
use crate::plant::{Bug, planted};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Offset};
use alloc::vec::Vec;

/// A voter asks another for its vote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VoteAsk {
    /// Who asks.
    pub from: BrokerId,
    /// The term that it stands in; before it stands, the one that it is in.
    pub term: LeaderEpoch,
    /// The term of its last batch; [`LeaderEpoch::NONE`] without one.
    pub last: LeaderEpoch,
    /// Where its log ends.
    pub end: Offset,
    /// It only wants to know.
    pub is_pre: bool,
}

/// A voter answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VoteTold {
    /// Its term.
    pub term: LeaderEpoch,
    /// Who leads in it, if it can reach that one.
    pub leader: Option<BrokerId>,
    /// Whether it votes for whoever asked.
    pub is_granted: bool,
}

impl Quorum {
    /// Nobody leads, as far as this voter can tell: it asks who would vote for it. The only voter need not ask.
    pub(super) fn stand(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let until = self.times.round(cx);
        self.enter(Role::Candidate(Candidate::new(self.me.id, true, until)), out);
        self.ask_votes(out);
        self.count(cx, out);
    }

    /// Puts its question to every other voter, as soon as it may say its term.
    fn ask_votes(&self, out: &mut Vec<QuorumOut>) {
        let Role::Candidate(candidate) = &self.role else { return };
        if !self.ballot.is_kept {
            return;
        }
        let ask = VoteAsk {
            from: self.me.id,
            term: self.ballot.term,
            last: self.last(),
            end: self.log.end(),
            is_pre: candidate.is_pre,
        };
        out.extend(self.electorate.now().others(self.me.id).map(|to| QuorumOut::AskVote { to, ask }));
    }

    /// What the votes so far come to.
    fn count(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let Role::Candidate(candidate) = &self.role else { return };
        match candidate.result(self.electorate.now()) {
            Count::Open => {}
            Count::Lost => self.rest(cx, out),
            Count::Won if candidate.is_pre => {
                let until = self.times.round(cx);
                if self.ballot.term >= TERM_MAX {
                    return self.rest(cx, out);
                }
                self.role = Role::Candidate(Candidate::new(self.me.id, false, until));
                self.mark(self.ballot.term.next(), Some(self.me.id), out);
            }
            Count::Won if self.ballot.is_kept => self.lead(cx, out),
            Count::Won => {}
        }
    }

    /// This term and this vote are durable.
    pub fn voted(
        &mut self,
        (term, voted): (LeaderEpoch, Option<BrokerId>),
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) {
        if (term, voted) != (self.ballot.term, self.ballot.voted) || self.ballot.is_kept {
            return;
        }
        self.ballot = Ballot::kept(term, voted);
        self.ask_votes(out);
        self.count(cx, out);
    }

    /// A voter asks for a vote. The answer is [`Quorum::verdict`], once that says something.
    pub fn vote_asked(&mut self, ask: &VoteAsk, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        if !self.may_judge(ask) || self.asleep_until.is_some() || self.believable(ask.term).is_err() {
            return;
        }
        self.outdone(ask.term, None, cx, out);
        let is_free = self.ballot.term == ask.term && self.ballot.voted.is_none();
        if !ask.is_pre
            && is_free
            && matches!(self.role, Role::Unattached(_) | Role::Candidate(_))
            && self.is_behind(ask)
        {
            self.mark(ask.term, Some(ask.from), out);
            let until = self.times.courtesy(cx);
            self.enter(Role::Unattached(Unattached::until(until)), out);
        }
    }

    /// What a voter that asked is told; nothing as long as term and vote are not durable.
    pub fn verdict(&self, ask: &VoteAsk) -> Option<VoteTold> {
        if self.asleep_until.is_some() {
            return None;
        }
        let leader = self.leader().filter(|_| self.has_leader());
        let told = VoteTold { term: self.ballot.term, leader, is_granted: false };
        if !self.may_judge(ask) || ask.term < self.ballot.term {
            return Some(told).filter(|_| self.ballot.is_kept);
        }
        let is_granted = match ask.is_pre {
            true => self.is_behind(ask) && !self.has_leader(),
            false => (self.ballot.term, self.ballot.voted) == (ask.term, Some(ask.from)),
        };
        (self.ballot.is_kept || planted(Bug::VoteBeforeKept)).then_some(VoteTold { is_granted, ..told })
    }

    /// A voter answered.
    pub fn vote_told(
        &mut self,
        (who, asked): (BrokerId, &VoteAsk),
        told: VoteTold,
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) {
        self.outdone(told.term, told.leader, cx, out);
        let is_now = asked.term == self.ballot.term && told.term == self.ballot.term;
        if let Role::Candidate(candidate) = &mut self.role
            && is_now
            && candidate.is_pre == asked.is_pre
        {
            candidate.count(who, told.is_granted);
            self.count(cx, out);
        }
    }

    /// Somebody speaks of a term, and perhaps of who leads in it. True if this member follows that leader now.
    pub fn outdone(
        &mut self,
        term: LeaderEpoch,
        leader: Option<BrokerId>,
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> bool {
        if self.asleep_until.is_some() || term > TERM_MAX {
            return false;
        }
        if term > self.ballot.term {
            self.mark(term, None, out);
            let until = self.times.backoff(self.rounds, cx);
            self.enter(Role::Unattached(Unattached::until(until)), out);
        }
        match leader {
            Some(leader) if term == self.ballot.term => self.attach(leader, cx, out),
            Some(_) | None => false,
        }
    }

    /// Who speaks up unasked is not believed much: a stranger could use up the terms there are, or drive voters so far apart that none
    /// believes another. A member that fell so far behind asks the others itself, and whoever is asked is believed. One that knows of no
    /// term yet believes anything.
    pub(super) fn believable(&self, term: LeaderEpoch) -> Result<(), ErrorCode> {
        let leap = term.0.saturating_sub(self.ballot.term.0);
        match self.ballot.term > LeaderEpoch::FIRST && leap > LEAP_MAX {
            true => Err(ErrorCode::InvalidRequest),
            false => Ok(()),
        }
    }

    /// No round, no reign: waits, and stands again unless a leader is heard of.
    pub(super) fn rest(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let until = self.times.backoff(self.rounds, cx);
        self.rounds = self.rounds.saturating_add(1);
        self.enter(Role::Unattached(Unattached::until(until)), out);
    }

    /// This member cannot lead for now: its disk does not let it.
    pub fn give_up(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        // Nor may one be elected for what its disk refused.
        if matches!(self.role, Role::Leader(_) | Role::Candidate(_)) {
            self.rest(cx, out);
        }
    }

    fn lead(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let Role::Candidate(candidate) = &self.role else { unreachable!("only a candidate is elected") };
        let (term, from) = (self.ballot.term, self.log.end());
        let leader = Leader::new(term, from, cx.now);
        let batch = leader.change(self.me, &self.electorate, &candidate.granted, cx.now.wall, cx.functions);
        self.rounds = 0;
        out.push(QuorumOut::Lead { term, from });
        self.enter(Role::Leader(leader), out);
        let mut batches = alloc::vec![batch];
        if self.electorate.is_unwritten() {
            let place = (from.plus(1), term);
            batches.extend(voters_at(self.electorate.now(), place, cx.now.wall, cx.functions));
        }
        for batch in &batches {
            self.log.append(batch, cx.now.wall);
            self.electorate.learn(batch).expect("it was made just now");
        }
        out.push(QuorumOut::Append(batches));
        if !self.is_sole() {
            self.reign_on(cx, out);
        }
    }

    /// The one place where a role changes. A leader that goes leaves behind what the disk is still busy with: nothing is asked
    /// for before that is done.
    pub(super) fn enter(&mut self, role: Role, out: &mut Vec<QuorumOut>) {
        if self.is_leader() {
            self.run = None;
            if self.log.durable() < self.log.end() {
                self.changing = Some(self.log.end());
            }
            out.push(QuorumOut::Deposed);
        }
        self.role = role;
    }

    /// Votes are asked of voters. Whoever asks may know better who they are (KIP-853), and needs a majority of those.
    fn may_judge(&self, ask: &VoteAsk) -> bool {
        self.may_vote && ask.from != self.me.id
    }

    /// Does whoever asks have at least what is here (Raft, section 5.4.1)? Of a log that was dropped to begin anew its last term is known still:
    /// what it helped to commit is in the log of whoever has more of that, or of a later one.
    fn is_behind(&self, ask: &VoteAsk) -> bool {
        let last = self.log.epochs().latest().unwrap_or(LeaderEpoch::NONE);
        (last, self.log.end()) <= (ask.last, ask.end) || planted(Bug::ShorterLogElected)
    }

    /// Is there a leader that this member can reach? One that leads itself is sure of that.
    fn has_leader(&self) -> bool {
        match &self.role {
            Role::Leader(_) => true,
            Role::Follower(follower) => follower.is_content(),
            Role::Unattached(_) | Role::Candidate(_) => false,
        }
    }

    /// The term of the last batch.
    pub(super) fn last(&self) -> LeaderEpoch {
        let is_empty = self.log.start() == self.log.end();
        self.log.epochs().latest().filter(|_| !is_empty).unwrap_or(LeaderEpoch::NONE)
    }
}

/// Ten elections a second for three years.
const TERM_MAX: LeaderEpoch = LeaderEpoch(1 << 30);
/// So many elections hardly anybody misses.
const LEAP_MAX: i32 = 16;

#[cfg(test)]
#[path = "election_test.rs"]
mod election_test;
