//! A process that is to end hands over what it leads before it does (controlled shutdown, KIP-631).
//!
//! ```text
//!   Stop ──▶ Asking ── the controller has moved its partitions ──▶ Told ── that is known here ──▶ Released
//!              └───────────── nobody else is up, or it takes too long ─────────────────────────────▲
//! ```
//!
//! The controller has put its decision into the log when it says that the broker may stop. It is waited for until it is known
//! here as well, and so about everywhere: clients that are closed find the new leaders.

use super::{From, Phase};
use crate::boundary::Effects;
use crate::controller::{Ask, Heartbeat};
use crate::node::Node;
use crate::quorum::Quorum;
use crate::types::{Mono, Now};
use core::time::Duration;

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Leaving {
    /// The controller is asked, until then.
    Asking(Mono),
    /// It has moved everything; that is to be known here, until then.
    Told(Mono),
    /// Nobody needs this process any more.
    Released,
}

impl Leaving {
    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Asking(until) | Self::Told(until) => Some(*until),
            Self::Released => None,
        }
    }
}

impl super::Cluster {
    /// May the process end that is to?
    pub(in crate::node) fn is_released(&self) -> bool {
        self.leaving == Some(Leaving::Released)
    }

    /// Is there anything to be handed over still?
    pub(in crate::node) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }
}

impl Node {
    /// The process is to end.
    pub(in crate::node) fn leave(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.leaving.is_some() {
            return;
        }
        if !self.config.broker.roles.is_broker() && self.cluster.phase == Phase::Ready {
            // Nobody's logs are here; only the quorum may be led.
            self.cluster.leaving = Some(Leaving::Told(now.mono + HANDOVER_MAX));
            return self.leave_on(now, out);
        }
        let me = self.config.broker.id;
        let is_alone = !self.cluster.image.brokers().any(|broker| broker.id != me && !broker.fenced);
        if is_alone || self.cluster.phase != Phase::Ready {
            self.cluster.leaving = Some(Leaving::Released);
            return;
        }
        self.cluster.leaving = Some(Leaving::Asking(now.mono + HANDOVER_MAX));
        match self.cluster.quorum.is_sole() {
            false => self.enlist_soon(now, out),
            true => {
                let (known, epoch) = (self.cluster.image.end(), self.cluster.epoch);
                let heartbeat = Heartbeat {
                    id: me,
                    epoch,
                    known,
                    want_fence: false,
                    want_shut_down: true,
                    lost: self.directories.lost(),
                };
                self.ask_controller(now, From::Own, &Ask::Heartbeat(heartbeat), out);
            }
        }
        self.leave_on(now, out);
    }

    /// The controller says that this broker may stop.
    pub(super) fn may_leave(&mut self, now: Now, out: &mut Effects) {
        if let Some(Leaving::Asking(until)) = self.cluster.leaving {
            self.cluster.leaving = Some(Leaving::Told(until));
            self.leave_on(now, out);
        }
    }

    /// Goes as soon as what was decided is known here, or when that takes too long. A leader of the quorum resigns first.
    pub(in crate::node) fn leave_on(&mut self, now: Now, out: &mut Effects) {
        let (until, is_told) = match self.cluster.leaving {
            Some(Leaving::Asking(until)) => (until, false),
            Some(Leaving::Told(until)) => (until, true),
            Some(Leaving::Released) | None => return,
        };
        let own = self.cluster.image.broker(self.config.broker.id);
        let is_known = own.is_none_or(|broker| !broker.is_active()) && !self.following.is_busy();
        let is_done = is_told && is_known;
        if is_done && self.cluster.quorum.is_leader() && !self.cluster.quorum.is_sole() {
            self.with_quorum(now, out, Quorum::resign);
        }
        // Without a majority of the voters there is nobody to hand anything over to, and may never be.
        let is_led = self.cluster.quorum.leader().is_some();
        let until = if is_led { until } else { until.min(now.mono + LEADERLESS_MAX) };
        self.cluster.leaving = Some(match () {
            () if until <= now.mono || is_done && is_led => Leaving::Released,
            () if is_told => Leaving::Told(until),
            () => Leaving::Asking(until),
        });
    }
}

/// So long is waited for another leader of the metadata quorum.
const LEADERLESS_MAX: Duration = Duration::from_secs(1);
/// After so long a process ends whatever it leads still.
const HANDOVER_MAX: Duration = Duration::from_secs(5);
