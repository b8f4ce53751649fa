//! When silent producers may be forgotten: silence is counted by the wall clock, which somebody may set. What was sent just
//! before that, or before a start, may be sent again, and must then be known.

use crate::types::{Mono, Now, Wall};
use core::time::Duration;

/// For how long the wall clock has gone on as time does.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Steady {
    compared: Option<Compared>,
}

/// The two clocks when they were last looked at, and since when they agree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Compared {
    since: Mono,
    mono: Mono,
    wall: Wall,
}

impl Steady {
    /// Looks at the clocks. True once they have agreed, from look to look, for longer than anybody sends a batch again.
    pub fn for_long(&mut self, now: Now) -> bool {
        let before = self.compared.filter(|last| last.agrees_with(now));
        let since = before.map_or(now.mono, |last| last.since);
        self.compared = Some(Compared { since, mono: now.mono, wall: now.wall });
        now.mono.since(since) >= LONG
    }
}

impl Compared {
    fn agrees_with(self, now: Now) -> bool {
        let passed = i64::try_from(now.mono.since(self.mono).as_millis()).unwrap_or(i64::MAX);
        let shown = now.wall.0.saturating_sub(self.wall.0);
        shown.abs_diff(passed) <= SET_MS
    }
}

/// Clients give a batch up after two minutes unless told otherwise (`delivery.timeout.ms`).
const LONG: Duration = Duration::from_secs(15 * 60);
/// A wall clock that is off by more than this between two looks was set.
const SET_MS: u64 = 60_000;

#[cfg(test)]
#[path = "steady_test.rs"]
mod steady_test;
