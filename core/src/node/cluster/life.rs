//! Who this node is, and what its directory was like when its process started: by that the controller tells what it may be trusted
//! with.
//!
//! The log that was found ends with what was committed and, perhaps, with what never was. So it counts as read only up to where it is
//! still the same, and a registration that was cut away with its end is none that anybody knows of.

use crate::quorum::Voter;
use crate::types::{BrokerEpoch, Offset, Uuid};
use alloc::vec::Vec;

/// One start of the process.
#[derive(Clone, Hash, Debug)]
pub(super) struct Life {
    pub(super) me: Voter,
    /// It registers, and serves clients.
    pub(super) is_broker: bool,
    /// Drawn anew at each start.
    pub(super) incarnation: Uuid,
    /// Whether the directory came back whole.
    pub(super) is_whole: bool,
    /// Where the metadata log ended that was found, or up to where it is still the same.
    pub(super) found_end: Offset,
    /// The last registration of this broker that this log tells of, once it is read.
    pub(super) found_epoch: Option<BrokerEpoch>,
    /// All of them, committed or not, each with where its batch ends, until this life has a registration of its own.
    surveyed: Vec<(Offset, BrokerEpoch)>,
}

impl Life {
    /// A start, and where the metadata log ended that it found.
    pub(super) fn new(me: Voter, is_broker: bool, (incarnation, is_whole): (Uuid, bool), found_end: Offset) -> Self {
        let (found_epoch, surveyed) = (None, Vec::new());
        Self { me, is_broker, incarnation, is_whole, found_end, found_epoch, surveyed }
    }

    /// The log that was found tells of this registration, in the batch that ends there.
    pub(super) fn survey(&mut self, end: Offset, epoch: BrokerEpoch) {
        self.surveyed.push((end, epoch));
    }

    /// This life has a registration of its own.
    pub(super) fn registered(&mut self) {
        self.surveyed.clear();
    }

    /// The end of the log was cut away.
    pub(super) fn cut(&mut self, end: Offset) {
        self.found_end = self.found_end.min(end);
        self.surveyed.retain(|(at, _)| *at <= end);
    }

    /// The log that was found has to make room for the one that its leader has now. What it told of this broker counts: a
    /// registration that was never committed is none that the controller knows.
    pub(super) fn forget_found_log(&mut self) {
        self.found_end = Offset::ZERO;
        if let Some((_, epoch)) = self.surveyed.pop() {
            self.found_epoch = Some(epoch);
            self.surveyed.clear();
        }
    }
}

#[cfg(test)]
#[path = "life_test.rs"]
mod life_test;
