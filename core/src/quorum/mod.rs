//! The quorum that keeps the metadata log: Raft as KRaft has it (KIP-595): followers pull, pre-votes come before votes
//! (KIP-996). Any number of nodes without a vote follow it too.
//!
//! ```text
//!                      nobody heard of                 a majority would          a majority has
//!   ┌──▶ Unattached ──────────────────▶ Candidate ─────────────────▶ Candidate ───────────────▶ Leader
//!   │        │  ▲                       (asks who would              (begins a term              │
//!   │        │  └───── round lost ───── vote for it)                  and asks in earnest)       │
//!   │  a     │                              │                             │                      │
//!   │ leader │ ◀────────────────────────────┴──── a leader is heard of ───┘                      │
//!   │ heard  ▼                                                                                   │
//!   │      Follower ── the line is broken, or silent ──▶ Candidate                               │
//!   └──────────────────── a higher term, no majority heard of, told to resign ◀──────────────────┘
//! ```
//!
//! A node without a vote is Unattached, asking the voters in turn who leads, or Follower. One that starts first looks through its log
//! for who votes ([`Quorum::survey`]): before that it says nothing, and asks for nothing.
//!
//! | event | function | what comes out |
//! |---|---|---|
//! | the process starts | [`Quorum::boot`] | |
//! | a batch of its log was read at start | [`Quorum::survey`] | |
//! | somebody is to vote, or to vote no more | [`Quorum::change_voters`] | [`QuorumOut::Append`] |
//! | the deadline passes | [`Quorum::wake`] | [`QuorumOut::Vote`], [`QuorumOut::AskVote`], [`QuorumOut::TellVoter`] |
//! | term and vote are durable | [`Quorum::voted`] | [`QuorumOut::AskVote`], [`QuorumOut::Lead`], [`QuorumOut::Append`] |
//! | a voter asks for a vote | [`Quorum::vote_asked`], then [`Quorum::verdict`] | [`QuorumOut::Vote`] |
//! | a voter answers | [`Quorum::vote_told`] | [`QuorumOut::Lead`] |
//! | a leader makes itself known, or resigns | [`Quorum::begun`], [`Quorum::ended`] | |
//! | the controller decided | [`Quorum::append`] | the batch, in its place |
//! | a batch is durable | [`Quorum::stored`] | [`QuorumOut::Committed`], [`QuorumOut::Trim`] behind a snapshot |
//! | the log has grown | [`Quorum::snapshot`] | the image as a run of batches |
//! | a follower fetches | [`Quorum::heard_of`], [`Quorum::readable`] | [`QuorumOut::Committed`]; what it may read, or why not |
//! | a follower wants more | [`Quorum::ask`], [`Quorum::fetched`] | what the leader has, made its own |
//! | a follower has a snapshot | [`Quorum::saved`] | [`QuorumOut::Trim`] of what lies before it |
//!
//! Nobody votes twice in a term: term and vote are durable before anything is said of them (Raft, section 5.2). What a leader
//! commits begins with a record of its own reign (section 5.4.2). The only voter of a quorum asks nobody and waits for nobody.

mod ballot;
mod candidate;
mod change;
mod describe;
mod election;
mod electorate;
mod follower;
mod leader;
mod reign;
mod run;
mod serve;
mod times;
mod unattached;
mod voters;

pub use change::Change;
pub use describe::in_version;
pub use election::{VoteAsk, VoteTold};
pub use follower::{FetchAsk, FetchTold, Taken};
pub use serve::Readable;
pub use times::Times;
pub use voters::{Unreadable, VoterEndpoint, VoterNode, Voters};

use crate::log::Log;
use crate::plant::{Bug, planted};
use crate::record::{CheckedBatch, Functions};
use crate::types::{BrokerId, LeaderEpoch, Mono, Now, Offset, Rng, Uuid};
use alloc::vec::Vec;
use ballot::Ballot;
use bytes::Bytes;
use candidate::Candidate;
use electorate::Electorate;
use follower::Follower;
use leader::Leader;
use run::Run;
use unattached::Unattached;

/// The member of the quorum that runs here.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Quorum {
    me: Voter,
    electorate: Electorate,
    /// It is asked for its vote, whether or not its own log says yet that it has one.
    may_vote: bool,
    /// The settings name it as the only voter.
    is_sole: bool,
    /// So many addresses are known at which a node may be found that knows the leader.
    doors: usize,
    times: Times,
    log: Log,
    /// Until the log was looked through up to here nobody knows who votes.
    asleep_until: Option<Offset>,
    ballot: Ballot,
    role: Role,
    high_watermark: Offset,
    /// What the last leader said is committed, here or not.
    told_watermark: Offset,
    /// The log is being changed on disk so that it ends here: nothing is asked for until that is done.
    changing: Option<Offset>,
    /// Rounds of votes that were lost since somebody led.
    rounds: u32,
    /// Bytes of the log that no snapshot holds.
    bytes_unsaved: u64,
    /// A snapshot that is not committed yet.
    run: Option<Run>,
    /// Where the snapshot ends that the log begins with; none as long as its end is not here.
    whole_at: Option<Offset>,
}

/// What a member knows of its quorum before it reads its log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Who it is.
    pub me: Voter,
    /// Who votes, as the settings or the founders of the quorum have it.
    pub voters: Voters,
    /// The settings have it: voters do not come and go.
    pub is_fixed: bool,
    /// It is a controller, which may be made a voter.
    pub may_vote: bool,
    /// So many addresses are known at which a node may be found that knows the leader (`controller.quorum.bootstrap.servers`).
    /// [`Quorum::ask`] names them by numbers that no node has: [`door`].
    pub doors: usize,
    /// How long members wait for each other.
    pub times: Times,
}

/// The number by which the quorum speaks of an address of which nobody knows whose it is.
pub const fn door(place: usize) -> BrokerId {
    BrokerId(FIRST_DOOR - place as i32)
}

/// Which address that is; none if it is a node's number.
pub fn door_of(id: BrokerId) -> Option<usize> {
    FIRST_DOOR.checked_sub(id.0).and_then(|place| usize::try_from(place).ok())
}

/// As in Kafka, where -1 is nobody.
const FIRST_DOOR: i32 = -2;

/// A member: its number, and the directory that its log lies in (KIP-853).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Voter {
    /// Its number.
    pub id: BrokerId,
    /// Its directory.
    pub directory: Uuid,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Role {
    Unattached(Unattached),
    Candidate(Candidate),
    Leader(Leader),
    Follower(Follower),
}

/// What every event comes with.
pub struct QuorumCx<'a> {
    /// The clocks.
    pub now: Now,
    /// Chance: members wait for times of different lengths, so that not all stand at once.
    pub rng: &'a mut Rng,
    /// Checksums.
    pub functions: &'a Functions,
}

/// What the quorum wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum QuorumOut {
    /// Make this term and this vote durable, then call [`Quorum::voted`].
    Vote {
        /// The term.
        term: LeaderEpoch,
        /// For whom.
        voted: Option<BrokerId>,
    },
    /// Ask this voter for its vote; its answer goes to [`Quorum::vote_told`].
    AskVote {
        /// Which voter.
        to: BrokerId,
        /// The question.
        ask: VoteAsk,
    },
    /// Tell this voter who leads (BeginQuorumEpoch). A higher term in its answer goes to [`Quorum::outdone`].
    TellVoter {
        /// Which voter.
        to: BrokerId,
        /// Our term.
        term: LeaderEpoch,
    },
    /// Tell this voter that the reign is over, and who could lead next, best first (EndQuorumEpoch).
    TellEnd {
        /// Which voter.
        to: BrokerId,
        /// The term that ends.
        term: LeaderEpoch,
        /// Who could lead.
        successors: Vec<BrokerId>,
    },
    /// Append these batches to the metadata log, then call [`Quorum::stored`].
    Append(Vec<CheckedBatch>),
    /// Forget everything from this offset on, then call [`Quorum::stored`].
    Truncate {
        /// Where the log ended.
        from: Offset,
        /// Where the log ends from now on.
        end: Offset,
    },
    /// Forget everything: the log begins at this offset, which lies behind its end. Then call [`Quorum::stored`]. What was made
    /// of the log is to be made anew, from the snapshot that it will begin with.
    BeginAnew {
        /// Where the log begins from now on.
        start: Offset,
    },
    /// This member leads from now on, and its reign begins at this offset. It knows all that is committed once
    /// [`Quorum::is_caught_up`].
    Lead {
        /// The term.
        term: LeaderEpoch,
        /// Offset of the first record of the reign.
        from: Offset,
    },
    /// This member follows from now on.
    Follow {
        /// Whom.
        leader: BrokerId,
        /// In which term.
        term: LeaderEpoch,
    },
    /// This member led, and does not any more. What it appended may be cut away by the next leader.
    Deposed,
    /// Everything before this offset is committed.
    Committed {
        /// The first offset that is not.
        end: Offset,
    },
    /// A snapshot is committed: forget everything before it, then call [`Quorum::trimmed`].
    Trim {
        /// Where the log begins from now on.
        start: Offset,
    },
}

impl Quorum {
    /// A member that starts, with the vote and the log that were found on disk. But for the only voter of the settings, who reads all
    /// of its log before anything else, it sleeps until the log was looked through.
    pub fn boot(
        member: Member,
        vote: Option<(LeaderEpoch, Option<BrokerId>)>,
        log: Log,
        cx: &mut QuorumCx<'_>,
    ) -> Self {
        let Member { me, voters, is_fixed, may_vote, doors, times } = member;
        let last = log.epochs().latest();
        let is_voter = voters.has(me);
        let is_sole = is_fixed && voters.is_sole(me.id);
        let may_vote = is_voter || may_vote && !is_fixed;
        let ballot = match vote {
            Some((term, voted)) if Some(term) >= last => {
                Ballot::kept(term, voted.filter(|_| !planted(Bug::VoteForgotten)))
            }
            Some(_) | None if may_vote => Ballot::kept(last.unwrap_or(LeaderEpoch::FIRST), None),
            Some(_) | None => Ballot::kept(last.unwrap_or(LeaderEpoch::NONE), None),
        };
        let until = if is_voter && !voters.is_sole(me.id) { times.first(cx) } else { cx.now.mono };
        Self {
            me,
            electorate: Electorate::new(voters, is_fixed),
            may_vote,
            is_sole,
            doors,
            times,
            high_watermark: log.start(),
            asleep_until: Some(log.end()).filter(|end| !is_sole && *end > log.start()),
            whole_at: Some(log.start()).filter(|start| is_sole || *start == Offset::ZERO),
            log,
            ballot,
            role: Role::Unattached(Unattached::until(until)),
            told_watermark: Offset::ZERO,
            changing: None,
            rounds: 0,
            bytes_unsaved: 0,
            run: None,
        }
    }

    /// The log that was found ends with this batch, or goes on behind it: who votes is what the last record of voters says. With the
    /// end of the log the member awakes.
    ///
    /// # Errors
    /// A record of voters cannot be read: this member is not to take part.
    pub fn survey(&mut self, batch: &CheckedBatch, cx: &mut QuorumCx<'_>) -> Result<(), Unreadable> {
        self.electorate.learn(batch)?;
        self.look_for_footer(batch);
        if self.asleep_until.is_some_and(|end| batch.end_offset() >= end) {
            self.asleep_until = None;
            let is_alone = self.electorate.now().is_sole(self.me.id);
            let until = if self.may_stand() && !is_alone { self.times.first(cx) } else { cx.now.mono };
            self.role = Role::Unattached(Unattached::until(until));
        }
        Ok(())
    }

    /// Where [`Quorum::survey`] is to stop; nothing once that is done.
    pub fn asleep_until(&self) -> Option<Offset> {
        self.asleep_until
    }

    /// The store could not do what it was asked to, and tells what it holds. Whoever led does not any more.
    pub fn reload(&mut self, log: Log, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        if self.is_sole {
            let vote = Some((self.ballot.told, self.ballot.voted.filter(|_| self.ballot.is_kept)));
            let mut electorate = self.electorate.clone();
            electorate.cut(log.end());
            *self = Self::boot(Member { is_fixed: true, ..self.member() }, vote, log, cx);
            self.electorate = electorate;
            return;
        }
        if matches!(self.role, Role::Leader(_)) {
            self.rest(cx, out);
        }
        self.changing = None;
        self.high_watermark = self.high_watermark.clamp(log.start(), log.durable());
        self.electorate.cut(log.end());
        self.log = log;
        let Ballot { term, voted, is_kept, .. } = self.ballot;
        if !is_kept {
            out.push(QuorumOut::Vote { term, voted });
        }
    }

    fn member(&self) -> Member {
        Member {
            me: self.me,
            voters: self.electorate.now().clone(),
            is_fixed: !self.electorate.is_changing(),
            may_vote: self.may_vote,
            doors: self.doors,
            times: self.times,
        }
    }

    /// When to call [`Quorum::wake`].
    pub fn deadline(&self) -> Option<Mono> {
        if self.asleep_until.is_some() {
            return None;
        }
        match &self.role {
            Role::Unattached(role) => self.may_stand().then_some(role.until),
            Role::Candidate(role) => (!self.is_sole()).then_some(role.until),
            Role::Leader(role) => (!self.is_sole()).then(|| {
                let trusted_until = role.trusted_until(self.me, self.electorate.now(), &self.times);
                if self.is_voted_out() { Mono(0) } else { role.call_at.min(trusted_until) }
            }),
            Role::Follower(role) => self.may_stand().then(|| role.deadline(&self.times)),
        }
    }

    /// Time has passed.
    pub fn wake(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        if self.deadline().is_none_or(|at| at > cx.now.mono) {
            return;
        }
        match &self.role {
            Role::Unattached(_) | Role::Follower(_) => self.stand(cx, out),
            Role::Candidate(_) => self.rest(cx, out),
            Role::Leader(_) => self.reign_on(cx, out),
        }
    }

    /// Puts records at the end of the log, as one batch. Only a leader may; the error is for whoever asked.
    pub fn append(&mut self, records: &[Bytes], now: Now, f: &Functions) -> Result<CheckedBatch, NotLeader> {
        let Role::Leader(leader) = &self.role else { return Err(NotLeader) };
        let batch = leader.batch(records, self.log.end(), now.wall, f);
        self.log.append(&batch, now.wall);
        self.bytes_unsaved += batch.bytes_len() as u64;
        Ok(batch)
    }

    /// So many bytes of the log that was found lie beside its last snapshot.
    pub fn replayed(&mut self, bytes: u64) {
        self.bytes_unsaved = bytes;
    }

    /// The log is durable up to `end`.
    pub fn stored(&mut self, end: Offset, out: &mut Vec<QuorumOut>) {
        self.log.stored(end);
        if self.changing == Some(end) {
            self.changing = None;
            self.follow_watermark(out);
        }
        self.commit(out);
    }

    /// What a majority has is committed.
    fn commit(&mut self, out: &mut Vec<QuorumOut>) {
        let Role::Leader(leader) = &self.role else { return };
        let committed = leader.committed(self.me, self.electorate.now(), self.log.durable());
        if let Some(end) = committed.map(|end| end.min(self.log.durable())).filter(|end| *end > self.high_watermark) {
            self.high_watermark = end;
            out.push(QuorumOut::Committed { end });
        }
        let is_whole = |run: &Run| run.end <= self.high_watermark;
        let is_begun = |run: &Run| run.from < self.high_watermark && planted(Bug::SnapshotTrimsEarly);
        if let Some(run) = self.run.filter(|run| is_whole(run) || is_begun(run)) {
            self.run = None;
            out.push(QuorumOut::Trim { start: run.from });
        }
        self.check();
    }

    /// A snapshot that begins at `start` is committed and was read: a follower needs nothing before it.
    pub fn saved(&self, start: Offset, out: &mut Vec<QuorumOut>) {
        if !self.is_leader() && start > self.log.start() && start <= self.high_watermark {
            out.push(QuorumOut::Trim { start });
        }
    }

    /// Everything before `start` is in a snapshot and was dropped.
    pub fn trimmed(&mut self, start: Offset) {
        // A follower may have begun anew behind it meanwhile.
        self.log.trim(start);
        self.electorate.trim(start);
    }

    /// Does this member vote, as far as its log says?
    pub fn is_voter(&self) -> bool {
        self.electorate.has(self.me)
    }

    /// Does it stand where nobody leads? Whoever is voted out, and may be the only one that has the record that says so, has to lead until
    /// that is committed (Raft, section 4.2.2). Its own vote does not count then.
    fn may_stand(&self) -> bool {
        self.is_whole() && self.electorate.may_have(self.me, self.high_watermark)
    }

    /// Do the settings name it as the only voter? Then that does not change.
    pub fn is_sole(&self) -> bool {
        self.is_sole
    }

    /// Who votes, as far as this member's log says.
    pub fn voters(&self) -> &Voters {
        self.electorate.now()
    }

    /// Are the voters records of the log (`kraft.version` 1)?
    pub fn is_changing(&self) -> bool {
        self.electorate.is_changing()
    }

    /// Does this member lead?
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Has this member begun a term in which it asks for votes?
    pub fn is_standing(&self) -> bool {
        matches!(&self.role, Role::Candidate(candidate) if !candidate.is_pre)
    }

    /// All that is committed, as far as this member can know, is here. Of a leader: its reign has begun, and with it all that was
    /// committed before; of a follower: it has all that its leader spoke of.
    pub fn is_caught_up(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => self.high_watermark > leader.from,
            Role::Follower(_) => self.told_watermark > Offset::ZERO && self.high_watermark >= self.told_watermark,
            Role::Unattached(_) | Role::Candidate(_) => false,
        }
    }

    /// The current term.
    pub fn term(&self) -> LeaderEpoch {
        self.ballot.term
    }

    /// Who leads, as far as this member knows.
    pub fn leader(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Unattached(_) | Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.me.id),
            Role::Follower(role) => Some(role.leader),
        }
    }

    /// The metadata log as this member has it.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The first offset that is not known to be committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Up to here the log can be made into an image that is never to be unmade: what is committed. The only voter's log is, all
    /// of it, since there is nobody who could cut it.
    pub fn readable_end(&self) -> Offset {
        if self.is_sole() { self.log.end() } else { self.high_watermark }
    }

    /// What is committed is durable, and what is durable was appended.
    pub fn check(&self) {
        self.log.check();
        assert!(self.high_watermark <= self.log.durable(), "INV-13: nothing is committed before it is durable");
    }
}

/// This member does not lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NotLeader;

#[cfg(any(test, feature = "plant"))]
#[path = "model_test.rs"]
pub mod model_test;
#[cfg(test)]
#[path = "quorum_test.rs"]
mod quorum_test;
