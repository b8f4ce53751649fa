//! The quorum that keeps the metadata log: Raft as KRaft has it (KIP-595), with a single voter in this version, and any number
//! of observers that follow it.
//!
//! ```text
//!                 wake                     voted                       (a restart)
//!   Unattached ────────▶ Candidate ────────────────▶ Leader ──────────────────────────▶ Unattached
//!        │                   │                          │
//!        │                   └ out: Vote                ├ out: Lead, Append(LeaderChange)
//!        └ deadline: at once,                           └ stored ▶ out: Committed
//!          it is the only voter
//!
//!   Observer   (for good: it has no vote)
//!        └ ask, fetched ▶ out: Append, Truncate, BeginAnew;  stored ▶ out: Committed
//! ```
//!
//! | event | function | what comes out |
//! |---|---|---|
//! | the process starts | [`Quorum::boot`] | |
//! | the deadline passes | [`Quorum::wake`] | [`QuorumOut::Vote`], to be made durable |
//! | the vote is durable | [`Quorum::voted`] | [`QuorumOut::Lead`], [`QuorumOut::Append`] |
//! | the controller decided | [`Quorum::append`] | the batch, in its place |
//! | a batch is durable | [`Quorum::stored`] | [`QuorumOut::Committed`], [`QuorumOut::Trim`] behind a snapshot |
//! | the log has grown | [`Quorum::snapshot`] | the image as a run of batches |
//! | a follower fetches | [`Quorum::readable`] | what it may read, or why not |
//! | an observer wants more | [`Quorum::ask`], [`Quorum::fetched`] | what the leader has, made its own |
//! | an observer has a snapshot | [`Quorum::saved`] | [`QuorumOut::Trim`] of what lies before it |
//!
//! Terms grow by one with each start, and nobody ever votes twice in one: the vote is durable before anything is said
//! (Raft, section 5.2). What a leader commits begins with a record of its own reign (section 5.4.2).

mod candidate;
mod describe;
mod leader;
mod observer;
mod run;
mod serve;
mod unattached;

pub use observer::{FetchAsk, FetchTold, Taken};
pub use serve::Readable;

use crate::log::Log;
use crate::record::{CheckedBatch, Functions};
use crate::types::{BrokerId, LeaderEpoch, Mono, Now, Offset, Uuid};
use alloc::vec::Vec;
use bytes::Bytes;
use candidate::Candidate;
use leader::Leader;
use observer::Observer;
use run::Run;
use unattached::Unattached;

/// The member of the quorum that runs here.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Quorum {
    me: Voter,
    log: Log,
    role: Role,
    high_watermark: Offset,
    /// Bytes of the log that no snapshot holds.
    bytes_unsaved: u64,
    /// A snapshot that is not committed yet.
    run: Option<Run>,
}

/// A voter: its number, and the directory that its log lies in (KIP-853).
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
    Observer(Observer),
}

/// What the quorum wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum QuorumOut {
    /// Make this vote durable, then call [`Quorum::voted`].
    Vote {
        /// The term.
        term: LeaderEpoch,
        /// For whom.
        voted: BrokerId,
    },
    /// Append these batches to the metadata log, then call [`Quorum::stored`].
    Append(Vec<CheckedBatch>),
    /// Forget everything from this offset on, then call [`Quorum::stored`].
    Truncate {
        /// Where the log ends from now on.
        end: Offset,
    },
    /// Forget everything: the log begins at this offset, which lies behind its end. Then call [`Quorum::stored`]. What was made
    /// of the log is to be made anew, from the snapshot that it will begin with.
    BeginAnew {
        /// Where the log begins from now on.
        start: Offset,
    },
    /// This member leads from now on, and its reign begins at this offset: everything before is there to be applied.
    Lead {
        /// The term.
        term: LeaderEpoch,
        /// Offset of the first record of the reign.
        from: Offset,
    },
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
    /// A member that starts, with the vote and the log that were found on disk.
    pub fn boot(me: Voter, vote: Option<(LeaderEpoch, Option<BrokerId>)>, log: Log, now: Now) -> Self {
        let term = vote.map_or(LeaderEpoch::FIRST, |(term, _)| term);
        let last = log.epochs().latest().unwrap_or(LeaderEpoch::FIRST);
        let unattached = Unattached { term: term.max(last), since: now.mono };
        let high_watermark = log.start();
        let role = Role::Unattached(unattached);
        Self { me, log, role, high_watermark, bytes_unsaved: 0, run: None }
    }

    /// A node without a vote that starts with the log that was found on disk, and fetches from `leader`.
    pub fn observe(me: Voter, leader: BrokerId, log: Log) -> Self {
        let term = log.epochs().latest().unwrap_or(LeaderEpoch::NONE);
        let high_watermark = log.start();
        let role = Role::Observer(Observer::of(leader, term));
        Self { me, log, role, high_watermark, bytes_unsaved: 0, run: None }
    }

    /// When to call [`Quorum::wake`].
    pub fn deadline(&self) -> Option<Mono> {
        match &self.role {
            Role::Unattached(role) => Some(role.deadline()),
            Role::Candidate(_) | Role::Leader(_) | Role::Observer(_) => None,
        }
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Now, out: &mut Vec<QuorumOut>) {
        if let Role::Unattached(role) = &self.role
            && role.deadline() <= now.mono
        {
            let candidate = role.stand();
            out.push(QuorumOut::Vote { term: candidate.term, voted: self.me.id });
            self.role = Role::Candidate(candidate);
        }
    }

    /// The vote of this term is durable. Of a single voter that is the majority.
    pub fn voted(&mut self, term: LeaderEpoch, now: Now, f: &Functions, out: &mut Vec<QuorumOut>) {
        let Role::Candidate(candidate) = &self.role else { return };
        assert!(candidate.term == term, "a vote is persisted once a term");
        let leader = candidate.win(self.log.end());
        out.push(QuorumOut::Lead { term, from: leader.from });
        let batch = leader.change(self.me, now.wall, f);
        self.role = Role::Leader(leader);
        self.log.append(&batch, now.wall);
        out.push(QuorumOut::Append(alloc::vec![batch]));
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
        self.observed(end, out);
        let Role::Leader(leader) = &self.role else { return };
        let committed = leader.committed(self.log.durable());
        if let Some(end) = committed.filter(|end| *end > self.high_watermark) {
            self.high_watermark = end;
            out.push(QuorumOut::Committed { end });
        }
        if let Some(run) = self.run.filter(|run| run.end <= self.high_watermark) {
            self.run = None;
            out.push(QuorumOut::Trim { start: run.from });
        }
        self.check();
    }

    /// A snapshot that begins at `start` is committed and was read: an observer needs nothing before it.
    pub fn saved(&self, start: Offset, out: &mut Vec<QuorumOut>) {
        if self.is_observer() && start > self.log.start() && start <= self.high_watermark {
            out.push(QuorumOut::Trim { start });
        }
    }

    /// Everything before `start` is in a snapshot and was dropped.
    pub fn trimmed(&mut self, start: Offset) {
        // An observer may have begun anew behind it meanwhile.
        self.log.trim(start);
    }

    /// The current term.
    pub fn term(&self) -> LeaderEpoch {
        match &self.role {
            Role::Unattached(role) => role.term,
            Role::Candidate(role) => role.term,
            Role::Leader(role) => role.term,
            Role::Observer(role) => role.term,
        }
    }

    /// Who leads, as far as this member knows.
    pub fn leader(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Unattached(_) | Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.me.id),
            Role::Observer(role) => Some(role.leader),
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

    /// What is committed is durable, and what is durable was appended.
    pub fn check(&self) {
        self.log.check();
        assert!(self.high_watermark <= self.log.durable(), "INV-13: nothing is committed before it is durable");
    }
}

/// This member does not lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NotLeader;

#[cfg(test)]
#[path = "quorum_test.rs"]
mod quorum_test;
