//! A bound on bytes a second (KIP-73). What goes out is owed, and paid off as time passes; while more is owed than one second
//! pays, nothing more goes out. So a rate holds over any time longer than a second, however large one answer is.

use crate::types::{Mono, Now};
use core::time::Duration;

/// What is owed. The rate is told each time, since it may be set anew at any moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Throttle {
    owed: u64,
    at: Mono,
}

impl Throttle {
    /// So many bytes went out.
    pub fn spend(&mut self, now: Now, rate: u64, bytes: u64) {
        self.owed = self.owed_at(now.mono, rate).saturating_add(bytes);
        self.at = now.mono;
    }

    /// When more may go out, or when it is worth asking again; none if it may now.
    pub fn opens_at(&self, now: Now, rate: u64) -> Option<Mono> {
        let over = self.owed_at(now.mono, rate).saturating_sub(rate);
        if over == 0 && rate > 0 {
            return None;
        }
        let wait = (u128::from(over) * SECOND_NS).div_ceil(u128::from(rate.max(1)));
        let wait = u64::try_from(wait).map_or(WAIT_MAX, Duration::from_nanos);
        Some(now.mono + wait.clamp(WAIT_MIN, WAIT_MAX))
    }

    fn owed_at(&self, now: Mono, rate: u64) -> u64 {
        let paid = now.since(self.at).as_nanos() * u128::from(rate) / SECOND_NS;
        self.owed.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX))
    }
}

const SECOND_NS: u128 = 1_000_000_000;
/// Nothing is worth waiting for less.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// A rate that is raised is noticed after so long.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "throttle_test.rs"]
mod throttle_test;
