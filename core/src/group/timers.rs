//! Deadlines of a shard's groups: at most one of each kind a group, and one session a member.

use crate::types::{Mono, Str};
use alloc::collections::{BTreeMap, BTreeSet};

/// What has to happen when a timer goes off.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Due {
    /// The join phase has lasted long enough.
    Join,
    /// Members that have not synced by now are lost.
    Sync,
    /// This member, or one that was promised this id, was not heard of.
    Session(Str),
}

/// One timer, by group and kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Timer {
    /// The group's id.
    pub group: Str,
    /// What it means.
    pub due: Due,
}

/// All timers. A heartbeat only moves a number: a timer that went off too early is set again when it is popped, so that
/// the ordered queue is touched once a session instead of once a heartbeat.
#[derive(Clone, Default, Hash, Debug)]
pub(super) struct Timers {
    entries: BTreeMap<Timer, Entry>,
    queue: BTreeSet<(Mono, Timer)>,
}

#[derive(Clone, Copy, Hash, Debug)]
struct Entry {
    /// When it is meant to go off.
    at: Mono,
    /// Where it stands in the queue; never later.
    queued: Mono,
}

impl Timers {
    /// Sets the timer to `at`, whatever it was set to.
    pub fn set(&mut self, timer: Timer, at: Mono) {
        if let Some(entry) = self.entries.get_mut(&timer) {
            if entry.queued <= at {
                entry.at = at;
                return;
            }
            self.queue.remove(&(entry.queued, timer.clone()));
        }
        self.queue.insert((at, timer.clone()));
        self.entries.insert(timer, Entry { at, queued: at });
    }

    /// The timer will not go off; fine if it was not set.
    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(entry) = self.entries.remove(timer) {
            self.queue.remove(&(entry.queued, timer.clone()));
        }
    }

    /// When to look again; may be earlier than the first timer, never later.
    pub fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one timer that has gone off by `now`.
    pub fn pop(&mut self, now: Mono) -> Option<Timer> {
        while self.next()? <= now {
            let (_, timer) = self.queue.pop_first()?;
            let entry = self.entries.get_mut(&timer).expect("what is queued is known");
            if entry.at <= now {
                self.entries.remove(&timer);
                return Some(timer);
            }
            entry.queued = entry.at;
            self.queue.insert((entry.at, timer));
        }
        None
    }
}

#[cfg(test)]
#[path = "timers_test.rs"]
mod timers_test;
