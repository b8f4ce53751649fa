//! A lane's followers and their leaders: one fetch at a time for each leader, for all of the lane's logs that follow it.
//!
//! ```text
//!   a log wants more ──▶ Idle ── Said::Fetch ──▶ Asking ── Order::Fetched ──▶ Taking ── all is flushed ──▶ Idle
//!                         ▲                        │
//!                         └────── a pause ─────────┘  if it went wrong
//! ```
//!
//! The next ask waits until what the last one brought is flushed: it acknowledges that. One that went out before would be kept
//! by the leader as long as nothing is new in the *other* logs, and whoever waits for these records with it.
//!
//! A log that is answered with an error is left out for a while, and so is one that the throttle holds back (KIP-73); the others of its
//! leader are not held up by it.

use super::fetch_session::FetchSession;
use crate::partition::FollowerFetch;
use crate::types::{BrokerId, LogId, Mono};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;

/// Who wants to fetch from whom.
#[derive(Clone, Hash, Debug, Default)]
pub struct Fetchers {
    leaders: BTreeMap<BrokerId, Fetcher>,
}

#[derive(Clone, Hash, Debug, Default)]
struct Fetcher {
    /// What is wanted as a follower.
    session: FetchSession,
    /// Logs that only look, which acknowledges nothing and belongs to no session.
    glancing: BTreeMap<LogId, FollowerFetch>,
    /// The last of them that was asked for: the next look goes on behind it.
    looked: Option<LogId>,
    /// The last ask was a look: now it is the session's turn, which acknowledges what is flushed.
    has_looked: bool,
    /// Logs that put on disk what they were given, and will want more.
    taking: BTreeSet<LogId>,
    /// Logs that were answered with an error: they want this again, but not before then.
    delayed: BTreeMap<LogId, (Mono, FollowerFetch)>,
    /// Logs that want this as soon as the throttle opens.
    held_back: BTreeMap<LogId, FollowerFetch>,
    asking: Asking,
    /// Nothing is asked before then.
    ask_at: Mono,
}

/// What is under way.
#[derive(Clone, Hash, Debug, Default)]
enum Asking {
    #[default]
    Nothing,
    /// An ask of the session.
    Session,
    /// A look at these.
    Glance(BTreeMap<LogId, FollowerFetch>),
}

/// One fetch from a leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaAsk {
    /// The session's name and the number of the ask; none for a glance.
    pub session: Option<(i32, i32)>,
    /// What is asked, as far as the leader does not know it.
    pub named: Vec<(LogId, FollowerFetch)>,
    /// What the leader may forget.
    pub forgotten: Vec<LogId>,
    /// The answer is not to wait for records beyond this moment, if any.
    pub by: Option<Mono>,
}

impl Fetchers {
    /// A log wants this of a leader.
    pub fn wants(&mut self, leader: BrokerId, log: LogId, fetch: FollowerFetch) {
        let fetcher = self.leaders.entry(leader).or_default();
        fetcher.forget(log);
        fetcher.want(log, fetch);
    }

    /// A log wants this of a leader, but not before the throttle opens.
    pub fn holds_back(&mut self, leader: BrokerId, log: LogId, fetch: FollowerFetch) {
        let fetcher = self.leaders.entry(leader).or_default();
        fetcher.forget(log);
        fetcher.held_back.insert(log, fetch);
    }

    /// A log will want more of this leader once it has put away what it was given.
    pub fn takes(&mut self, leader: BrokerId, log: LogId) {
        let fetcher = self.leaders.entry(leader).or_default();
        fetcher.forget(log);
        fetcher.taking.insert(log);
    }

    /// A log wants nothing of this leader any more.
    pub fn rests(&mut self, leader: BrokerId, log: LogId) {
        let Some(fetcher) = self.leaders.get_mut(&leader) else { return };
        fetcher.forget(log);
        if fetcher.is_of_no_use() {
            self.leaders.remove(&leader);
        }
    }

    /// The answer of this leader is of no use to a log, which wants the same again later.
    pub fn fails(&mut self, leader: BrokerId, log: LogId, at: Mono) {
        let Some(fetcher) = self.leaders.get_mut(&leader) else { return };
        if let Some(fetch) = fetcher.forget(log) {
            fetcher.delayed.insert(log, (at, fetch));
        }
    }

    /// The leader to be asked next, and for what; what is throttled only if that is open.
    pub fn next(&mut self, now: Mono, throttled_until: Option<Mono>) -> Option<(BrokerId, ReplicaAsk)> {
        for fetcher in self.leaders.values_mut() {
            fetcher.go_on(now);
            if throttled_until.is_none() {
                fetcher.let_go();
            }
        }
        let (leader, fetcher) = self.leaders.iter_mut().find(|(_, one)| one.is_open() && one.ask_at <= now)?;
        Some((*leader, fetcher.ask(now, throttled_until)))
    }

    /// What was asked of a log by the fetch from this leader that is under way.
    pub fn asked(&self, leader: BrokerId, log: LogId) -> Option<FollowerFetch> {
        let fetcher = self.leaders.get(&leader)?;
        match &fetcher.asking {
            Asking::Nothing => None,
            Asking::Session => fetcher.session.asked(log),
            Asking::Glance(logs) => logs.get(&log).copied(),
        }
    }

    /// A fetch from this leader ended, with an answer under this name of a session or without an answer; the next one may
    /// follow after `pause`.
    pub fn ended(&mut self, leader: BrokerId, now: Mono, session: Option<i32>, pause: Duration) {
        let Some(fetcher) = self.leaders.get_mut(&leader) else { return };
        match (core::mem::take(&mut fetcher.asking), session) {
            (Asking::Nothing | Asking::Glance(_), _) => {}
            (Asking::Session, Some(id)) => fetcher.session.answered(id),
            (Asking::Session, None) => fetcher.session.broken(),
        }
        fetcher.ask_at = now + pause;
        if fetcher.is_of_no_use() {
            self.leaders.remove(&leader);
        }
    }

    /// When the next pause is over, or the throttle may open.
    pub fn deadline(&self, now: Mono, throttled_until: Option<Mono>) -> Option<Mono> {
        let paused = self.leaders.values().filter(|one| one.is_open() && one.ask_at > now).map(|one| one.ask_at);
        let delayed = self.leaders.values().flat_map(|one| one.delayed.values()).map(|(at, _)| *at);
        let is_held_back = self.leaders.values().any(|one| !one.held_back.is_empty());
        paused.chain(delayed).chain(throttled_until.filter(|_| is_held_back)).min()
    }
}

impl Fetcher {
    fn want(&mut self, log: LogId, fetch: FollowerFetch) {
        match fetch.is_glance {
            true => drop(self.glancing.insert(log, fetch)),
            false => self.session.want(log, fetch),
        }
    }

    /// Nothing is wanted for this log now. Gives what was.
    fn forget(&mut self, log: LogId) -> Option<FollowerFetch> {
        self.taking.remove(&log);
        self.delayed.remove(&log);
        let glance = self.glancing.remove(&log).or(self.held_back.remove(&log));
        self.session.forget(log).or(glance)
    }

    /// Who was left out for a while wants again what it wanted.
    fn go_on(&mut self, now: Mono) {
        while let Some((log, fetch)) =
            self.delayed.iter().find(|(_, (at, _))| *at <= now).map(|(log, one)| (*log, one.1))
        {
            self.delayed.remove(&log);
            self.want(log, fetch);
        }
    }

    /// The throttle is open.
    fn let_go(&mut self) {
        while let Some((log, fetch)) = self.held_back.pop_first() {
            self.want(log, fetch);
        }
    }

    /// Somebody wants more, and nothing but a pause is in the way.
    fn is_open(&self) -> bool {
        let wants = !self.session.is_empty() || !self.glancing.is_empty();
        matches!(self.asking, Asking::Nothing) && self.taking.is_empty() && wants
    }

    fn is_of_no_use(&self) -> bool {
        let is_idle = matches!(self.asking, Asking::Nothing) && self.taking.is_empty() && self.delayed.is_empty();
        is_idle && self.session.is_empty() && self.glancing.is_empty() && self.held_back.is_empty()
    }

    /// Some of those that look, in turn: each may be given as much as a whole fetch of its partition.
    fn look(&mut self) -> Vec<(LogId, FollowerFetch)> {
        let behind = self.glancing.range((self.looked.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let named: Vec<_> = behind
            .chain(&self.glancing)
            .take(LOOKING_AT_ONCE.min(self.glancing.len()))
            .map(|(log, fetch)| (*log, *fetch))
            .collect();
        self.looked = named.last().map(|(log, _)| *log);
        named
    }

    fn ask(&mut self, now: Mono, throttled_until: Option<Mono>) -> ReplicaAsk {
        if !self.glancing.is_empty() && (self.session.is_empty() || !self.has_looked) {
            self.has_looked = true;
            let named = self.look();
            self.asking = Asking::Glance(named.iter().copied().collect());
            return ReplicaAsk { session: None, named, forgotten: Vec::new(), by: Some(now) };
        }
        self.has_looked = false;
        self.asking = Asking::Session;
        let ask = self.session.ask();
        let more_at = (ask.has_more || !self.glancing.is_empty()).then_some(now);
        let opens_at = throttled_until.filter(|_| !self.held_back.is_empty());
        let by = self.delayed.values().map(|(at, _)| *at).chain(more_at).chain(opens_at).min();
        ReplicaAsk { session: Some(ask.session), named: ask.named, forgotten: ask.forgotten, by }
    }
}

/// So many logs look at once: about as many as an answer has room for.
const LOOKING_AT_ONCE: usize = 16;

#[cfg(test)]
#[path = "fetchers_test.rs"]
mod fetchers_test;
