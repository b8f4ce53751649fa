//! World time, and the clocks of the nodes: each runs at a pace of its own, may stand still, and its wall clock may jump
//! both ways.

use ottla_core::types::{Mono, Now, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since the run began, as the world counts. Nothing inside a node ever sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Debug)]
pub struct At(pub u64);

impl At {
    /// When the run begins.
    pub const START: Self = Self(0);

    /// So many milliseconds after the start.
    pub const fn millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// So many seconds after the start.
    pub const fn secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }
}

impl Add<Duration> for At {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for At {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}

/// The clocks of one machine. Anchored where its pace last changed.
#[derive(Clone, Debug)]
pub struct Clock {
    anchor: At,
    mono_ns: u64,
    wall_ns: i64,
    pace_permille: u64,
    frozen: bool,
}

impl Clock {
    /// A clock that shows this wall time at the start of the run.
    pub fn new(wall: Wall) -> Self {
        Self { anchor: At::START, mono_ns: 0, wall_ns: wall.0 * 1_000_000, pace_permille: 1000, frozen: false }
    }

    /// Both clocks at this moment.
    pub fn now(&self, at: At) -> Now {
        let passed = self.passed(at);
        let wall_ns = self.wall_ns + i64::try_from(passed).expect("a run is shorter than 292 years");
        Now { mono: Mono(self.mono_ns + passed), wall: Wall(wall_ns.div_euclid(1_000_000)) }
    }

    /// The first moment at which this clock shows `mono` or later; `None` while it stands still.
    pub fn when(&self, mono: Mono) -> Option<At> {
        let ahead = u128::from(mono.0.saturating_sub(self.mono_ns));
        if ahead == 0 {
            return Some(self.anchor);
        }
        if self.frozen {
            return None;
        }
        let wait = (ahead * 1000).div_ceil(u128::from(self.pace_permille));
        Some(At(self.anchor.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))))
    }

    /// From now on it runs at so many thousandths of the world's pace.
    pub fn set_pace(&mut self, at: At, permille: u64) {
        self.settle(at);
        self.pace_permille = permille;
    }

    /// It stands still until it is thawed.
    pub fn freeze(&mut self, at: At) {
        self.settle(at);
        self.frozen = true;
    }

    /// It goes on from where it stood.
    pub fn thaw(&mut self, at: At) {
        self.settle(at);
        self.frozen = false;
    }

    /// The wall clock jumps; deadlines do not care.
    pub fn jump(&mut self, at: At, millis: i64) {
        self.settle(at);
        self.wall_ns = (self.wall_ns + millis * 1_000_000).max(0);
    }

    /// A new process counts its own monotonic time from zero.
    pub fn reboot(&mut self, at: At) {
        self.settle(at);
        self.mono_ns = 0;
    }

    fn passed(&self, at: At) -> u64 {
        if self.frozen {
            return 0;
        }
        let passed = u128::from(at.0 - self.anchor.0) * u128::from(self.pace_permille) / 1000;
        u64::try_from(passed).expect("a run is shorter than 584 years")
    }

    fn settle(&mut self, at: At) {
        let passed = self.passed(at);
        self.anchor = at;
        self.mono_ns += passed;
        self.wall_ns += i64::try_from(passed).expect("a run is shorter than 292 years");
    }
}

#[cfg(test)]
#[path = "clock_test.rs"]
mod clock_test;
