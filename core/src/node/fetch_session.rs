//! A follower's side of an incremental fetch session (KIP-227): its leader remembers what is wanted of it, so only what changes is
//! named, and a thousand quiet partitions cost an ask nothing.
//!
//! ```text
//!   None ── everything is named (0, 0) ──▶ asked ── the answer carries an id ──▶ Open(id, 1)
//!    ▲ ▲                                     │                                      │  changes are named (id, n)
//!    │ └──────── an answer without an id ────┘                                      ▼
//!    └─ (id, 0) ────── no answer, another id, or an error of the session ─────── Open(id, n + 1)
//! ```
//!
//! What the leader holds is exactly what [`FetchSession::asked`] says while an ask is under way, which tells what an answer
//! answers.

use crate::partition::FollowerFetch;
use crate::types::LogId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What one leader is asked for, and what of that it knows already.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct FetchSession {
    /// The session's name; 0 if there is none.
    id: i32,
    /// The number of the next ask; 0 of the one that begins a session.
    epoch: i32,
    /// The leader had no room for a session: everything is named each time.
    is_refused: bool,
    /// What the leader holds.
    known: BTreeMap<LogId, FollowerFetch>,
    /// What it has yet to be told.
    fresh: BTreeMap<LogId, FollowerFetch>,
    /// What it is to forget.
    gone: BTreeSet<LogId>,
}

/// What one ask of a session says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionAsk {
    /// The session's name and the number of the ask.
    pub session: (i32, i32),
    /// What is new.
    pub named: Vec<(LogId, FollowerFetch)>,
    /// What is wanted no more.
    pub forgotten: Vec<LogId>,
    /// More is to be named at once in another ask.
    pub has_more: bool,
}

impl FetchSession {
    /// This is wanted of a log from now on.
    pub fn want(&mut self, log: LogId, fetch: FollowerFetch) {
        self.gone.remove(&log);
        match self.known.get(&log) == Some(&fetch) {
            true => self.fresh.remove(&log),
            false => self.fresh.insert(log, fetch),
        };
    }

    /// Nothing is wanted of a log any more. Gives what was.
    pub fn forget(&mut self, log: LogId) -> Option<FollowerFetch> {
        let fresh = self.fresh.remove(&log);
        let known = self.known.get(&log).filter(|_| self.gone.insert(log));
        fresh.or(known.copied())
    }

    /// Nothing is wanted of any log.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.known.len() == self.gone.len()
    }

    /// What the leader is told next.
    pub fn ask(&mut self) -> SessionAsk {
        if self.epoch == 0 {
            let known = core::mem::take(&mut self.known);
            for (log, fetch) in known.into_iter().filter(|(log, _)| !self.gone.contains(log)) {
                self.fresh.entry(log).or_insert(fetch);
            }
            self.gone.clear();
        }
        let most = if self.epoch == 0 && self.is_refused { usize::MAX } else { NAMED_AT_ONCE };
        let mut named = Vec::new();
        while named.len() < most
            && let Some((log, fetch)) = self.fresh.pop_first()
        {
            self.known.insert(log, fetch);
            named.push((log, fetch));
        }
        let mut forgotten = Vec::new();
        while forgotten.len() < most
            && let Some(log) = self.gone.pop_first()
        {
            self.known.remove(&log);
            forgotten.push(log);
        }
        let has_more = !self.fresh.is_empty() || !self.gone.is_empty();
        SessionAsk { session: (self.id, self.epoch), named, forgotten, has_more }
    }

    /// What was asked of a log by the ask that is under way.
    pub fn asked(&self, log: LogId) -> Option<FollowerFetch> {
        self.known.get(&log).copied()
    }

    /// The leader answered under this name of a session.
    pub fn answered(&mut self, id: i32) {
        match self.epoch {
            0 => (self.id, self.epoch, self.is_refused) = (id, i32::from(id != 0), id == 0),
            epoch if self.id == id => self.epoch = epoch.checked_add(1).unwrap_or(1),
            _ => self.broken(),
        }
    }

    /// Nobody knows what the leader holds: everything is named anew, in a session that takes the place of this one.
    pub fn broken(&mut self) {
        self.epoch = 0;
    }
}

/// So many logs are named in one ask, and so many forgotten.
pub const NAMED_AT_ONCE: usize = 1_000;

#[cfg(test)]
#[path = "fetch_session_test.rs"]
mod fetch_session_test;
