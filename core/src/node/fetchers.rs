//! A lane's followers and their leaders: one fetch at a time for each leader, for all of the lane's logs that follow it.
//!
//! ```text
//!   a log wants more ──▶ Idle ── Said::Fetch ──▶ Asking ── Order::FetchEnded ──▶ Idle       (at once, while somebody wants more)
//!                         ▲                        │
//!                         └────── a pause ─────────┘  if it went wrong
//! ```

use crate::types::{BrokerId, LogId, Mono};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// Who wants to fetch from whom.
#[derive(Clone, Hash, Debug, Default)]
pub struct Fetchers {
    leaders: BTreeMap<BrokerId, Fetcher>,
}

#[derive(Clone, Hash, Debug, Default)]
struct Fetcher {
    /// Logs that want more.
    wanting: BTreeSet<LogId>,
    is_asking: bool,
    /// Nothing is asked before then.
    ask_at: Mono,
}

impl Fetchers {
    /// A log wants more of this leader.
    pub fn wants(&mut self, leader: BrokerId, log: LogId) {
        self.leaders.entry(leader).or_default().wanting.insert(log);
    }

    /// A log wants nothing of this leader any more.
    pub fn rests(&mut self, leader: BrokerId, log: LogId) {
        let Some(fetcher) = self.leaders.get_mut(&leader) else { return };
        fetcher.wanting.remove(&log);
        if fetcher.wanting.is_empty() && !fetcher.is_asking {
            self.leaders.remove(&leader);
        }
    }

    /// The leader to be asked next, and for which logs.
    pub fn next(&mut self, now: Mono) -> Option<(BrokerId, BTreeSet<LogId>)> {
        let is_due = |one: &&mut Fetcher| !one.is_asking && one.ask_at <= now && !one.wanting.is_empty();
        let (leader, fetcher) = self.leaders.iter_mut().find(|(_, one)| is_due(one))?;
        fetcher.is_asking = true;
        Some((*leader, fetcher.wanting.clone()))
    }

    /// A fetch from this leader ended; the next one may follow after `pause`.
    pub fn ended(&mut self, leader: BrokerId, now: Mono, pause: Duration) {
        let Some(fetcher) = self.leaders.get_mut(&leader) else { return };
        (fetcher.is_asking, fetcher.ask_at) = (false, now + pause);
        if fetcher.wanting.is_empty() {
            self.leaders.remove(&leader);
        }
    }

    /// When the next pause is over.
    pub fn deadline(&self, now: Mono) -> Option<Mono> {
        let paused = |one: &&Fetcher| !one.is_asking && one.ask_at > now && !one.wanting.is_empty();
        self.leaders.values().filter(paused).map(|one| one.ask_at).min()
    }
}

#[cfg(test)]
#[path = "fetchers_test.rs"]
mod fetchers_test;
