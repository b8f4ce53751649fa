//! Who votes, as the log says it (KIP-853). A member goes by the last record of voters in its log, committed or not (Raft, section
//! 4.1): so it keeps, of each that it may have to go back behind, where it stands.
//!
//! ```text
//!   base ── what the settings say, or a record that was trimmed ──▶ record at 7 ──▶ record at 31
//!                                                                                    ▲ this counts
//!                       a truncation to 20 takes it away, and the one at 7 counts again
//! ```

use super::voters::Unreadable;
use super::{Voter, Voters};
use crate::record::CheckedBatch;
use crate::types::Offset;
use alloc::vec::Vec;

/// Who votes, and since where in the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Electorate {
    base: Voters,
    origin: Origin,
    /// Records of voters in the log, by their offsets.
    records: Vec<(Offset, Voters)>,
}

/// Who said so, before any record that may be cut away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Origin {
    /// The settings: these voters stay, until a record says otherwise.
    Settings,
    /// Whoever founds the quorum. The first leader writes it into the log.
    Founders,
    /// The log.
    Log,
}

impl Electorate {
    /// Before anything was read of the log. Voters of the settings are fixed.
    pub(super) fn new(base: Voters, is_fixed: bool) -> Self {
        let origin = if is_fixed { Origin::Settings } else { Origin::Founders };
        Self { base, origin, records: Vec::new() }
    }

    /// Who votes now.
    pub(super) fn now(&self) -> &Voters {
        self.records.last().map_or(&self.base, |(_, voters)| voters)
    }

    /// May voters come and go? Not those of the settings.
    pub(super) fn is_changing(&self) -> bool {
        self.origin != Origin::Settings || !self.records.is_empty()
    }

    /// Is it yet to be written into the log who votes?
    pub(super) fn is_unwritten(&self) -> bool {
        self.origin == Origin::Founders && self.records.is_empty()
    }

    /// Where the record stands that counts, if the log has one.
    pub(super) fn since(&self) -> Option<Offset> {
        self.records.last().map(|(at, _)| *at)
    }

    /// Takes the next batch of the log. A snapshot says again what is known.
    ///
    /// # Errors
    /// It names voters in a way that cannot be read.
    pub(super) fn learn(&mut self, batch: &CheckedBatch) -> Result<(), Unreadable> {
        if let Some(voters) = Voters::in_batch(batch)?.filter(|voters| voters != self.now() || !self.is_in_log()) {
            self.records.push((batch.base_offset(), voters));
        }
        Ok(())
    }

    /// The log ends here now.
    pub(super) fn cut(&mut self, end: Offset) {
        self.records.retain(|(at, _)| *at < end);
    }

    /// The log begins here now: what was said before still holds.
    pub(super) fn trim(&mut self, start: Offset) {
        while self.records.first().is_some_and(|(at, _)| *at < start) {
            let (_, voters) = self.records.remove(0);
            (self.base, self.origin) = (voters, Origin::Log);
        }
    }

    /// Does this node vote in a set that may be the one that stands? That is the last one known to be committed, and those behind it:
    /// each may be lost still.
    pub(super) fn may_have(&self, who: Voter, committed: Offset) -> bool {
        let first = self.records.partition_point(|(at, _)| *at < committed);
        let known = first.checked_sub(1).map_or(&self.base, |last| &self.records[last].1);
        known.has(who) || self.records[first..].iter().any(|(_, voters)| voters.has(who))
    }

    fn is_in_log(&self) -> bool {
        self.origin == Origin::Log || !self.records.is_empty()
    }

    /// Does this node vote, with the directory that it has?
    pub(super) fn has(&self, who: Voter) -> bool {
        self.now().has(who)
    }
}

#[cfg(test)]
#[path = "electorate_test.rs"]
mod electorate_test;
