//! Time enters the core as an argument, never as a call.

use core::ops::Add;
use core::time::Duration;

/// Nanoseconds since this process started; never goes back. All deadlines are in this time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// The time that passed since `earlier`; zero if `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Saturates: a deadline beyond 500 years is never reached.
    fn add(self, wait: Duration) -> Self {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// Milliseconds since 1970 by this machine's wall clock, which may jump both ways. Only for what users see: record
/// timestamps, retention by age, offset expiry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wall(pub i64);

/// Both clocks, read once for one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For what users see.
    pub wall: Wall,
}
