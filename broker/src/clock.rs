//! The only reader of the operating system's clocks and of its chance.

use crate::seam::Instant;
use ottla_core::types::{Mono, Now, Wall};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Both clocks of this process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Monotonic time begins now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Both clocks. A wall clock before 1970 reads 0.
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: Mono(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            wall: Wall(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// A deadline as the runtime's timers want it.
    pub fn instant(&self, deadline: Mono) -> Instant {
        let elapsed = self.started.elapsed();
        self.started + deadline.since(Mono(0)).min(elapsed + FAR)
    }
}

/// A seed that nobody can guess.
///
/// # Panics
/// If the operating system has no chance to give, which it always has once it is up.
pub fn seed() -> u64 {
    getrandom::u64().expect("the operating system gives random bytes")
}

/// Timers that are so far away are as good as never.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
#[path = "clock_test.rs"]
mod clock_test;
