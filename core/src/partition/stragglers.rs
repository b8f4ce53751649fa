//! Producers of which a leader knows nothing, and whose first batch does not begin with number 0.
//!
//! One may have been forgotten here, and is taken at its word (KIP-360). But a batch before this one may also be on its way here
//! still, from a broker that did not lead any more, or again, since it was refused; behind this one it would be out of order for
//! good (KAFKA-14359). In a young reign time tells, and whoever was refused anything is to send that first.
//!
//! ```text
//!   the leader of the past  ◀── 0..11 ──  producer  ── 12..18 ──▶  the new one: not before 0..11
//!                           not the leader ──▶  ── 0..11 ──▶
//! ```

use crate::record::Header;
use crate::types::{Mono, ProducerEpoch, ProducerId};
use alloc::collections::BTreeMap;
use core::time::Duration;

/// A batch that the leader of the past refused is sent to the new one within this time, unless a broker hangs.
const AWAITED: Duration = Duration::from_secs(2);
/// A batch that was refused here is sent again within this time, or its producer has given it up.
const AWAITED_AGAIN: Duration = Duration::from_secs(30);
/// So many producers are awaited at most; others are taken at their word.
const AWAITED_MAX: usize = 1000;

/// The first batch that each of them was refused in this reign.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct Stragglers {
    refused: BTreeMap<ProducerId, Refused>,
}

#[derive(Clone, Copy, Hash, Debug)]
struct Refused {
    epoch: ProducerEpoch,
    sequence: i32,
    at: Mono,
}

impl Stragglers {
    /// May a batch be on its way that belongs before this one of an unknown producer, in a reign that began then?
    pub(super) fn may_come_before(&self, header: &Header, reign: Mono, now: Mono) -> bool {
        let known = self.refused.get(&header.producer_id).filter(|known| known.epoch == header.producer_epoch);
        now.since(reign) < AWAITED
            || known.is_some_and(|known| header.base_sequence > known.sequence && !known.is_over(now))
    }

    /// This batch of an unknown producer is refused, but may be sent again.
    pub(super) fn refuse(&mut self, header: &Header, now: Mono) {
        let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
        if self.refused.len() >= AWAITED_MAX {
            self.refused.retain(|_, known| !known.is_over(now));
        }
        let has_room = self.refused.len() < AWAITED_MAX;
        match self.refused.get_mut(&id) {
            Some(known) if known.epoch == epoch && known.sequence < sequence && !known.is_over(now) => {}
            Some(known) => *known = Refused { epoch, sequence, at: now },
            None if has_room => drop(self.refused.insert(id, Refused { epoch, sequence, at: now })),
            None => {}
        }
    }

    /// This producer is known from now on.
    pub(super) fn forget(&mut self, id: ProducerId) {
        self.refused.remove(&id);
    }

    /// Is there nobody to be awaited?
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }
}

impl Refused {
    fn is_over(&self, now: Mono) -> bool {
        now.since(self.at) >= AWAITED_AGAIN
    }
}

#[cfg(test)]
#[path = "stragglers_test.rs"]
mod stragglers_test;
