//! How long members of the quorum wait for each other.

use super::QuorumCx;
use crate::types::{Mono, Rng};
use core::time::Duration;

/// The times of a quorum, from its settings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Times {
    /// `controller.quorum.election.timeout.ms`: how long a round of votes may take.
    pub election: Duration,
    /// `controller.quorum.election.backoff.max.ms`: the longest pause between two of them.
    pub backoff_max: Duration,
    /// `controller.quorum.fetch.timeout.ms`: a leader that is silent for longer is none.
    pub fetch: Duration,
}

impl Times {
    /// A member that starts leaves others a moment to make themselves known. That it asks before it stands makes haste harmless.
    pub(super) fn first(&self, cx: &mut QuorumCx<'_>) -> Mono {
        cx.now.mono + between(cx.rng, Duration::ZERO, self.election / 4)
    }

    /// Whoever voted for another leaves it time to be elected and heard of.
    pub(super) fn courtesy(&self, cx: &mut QuorumCx<'_>) -> Mono {
        cx.now.mono + between(cx.rng, self.election / 4, self.election / 2)
    }

    /// A round of votes ends.
    pub(super) fn round(&self, cx: &QuorumCx<'_>) -> Mono {
        cx.now.mono + self.election
    }

    /// After so many lost rounds in a row the next one follows.
    pub(super) fn backoff(&self, rounds: u32, cx: &mut QuorumCx<'_>) -> Mono {
        let most = (BACKOFF * 2u32.saturating_pow(rounds.min(DOUBLINGS_MAX))).min(self.backoff_max);
        cx.now.mono + between(cx.rng, most / 4, most)
    }

    /// How long a follower tries to reach its leader again before it stands: members of one quorum differ in that.
    pub(super) fn patience(cx: &mut QuorumCx<'_>) -> Duration {
        between(cx.rng, PATIENCE, PATIENCE + PATIENCE / 2)
    }
}

fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    let nanos = |of: Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.between(nanos(least), nanos(most)))
}

/// The pause after the first lost round is at most so long.
const BACKOFF: Duration = Duration::from_millis(100);
/// And doubles so often.
const DOUBLINGS_MAX: u32 = 10;
/// A broken line to the leader that cannot be opened again for so long means that there is no leader.
const PATIENCE: Duration = Duration::from_millis(200);
