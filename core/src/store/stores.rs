//! Several data directories as one: each is a store of its own, with its own journal and catalogue, and a log lives in one of them.
//! So a directory that fails takes its logs with it and no others. What is asked of a log goes to its directory; which that is
//! was decided before the log was made. The first directory is where everything is that nobody put elsewhere.

use super::{Store, StoreOut};
use crate::boundary::{Action, DiskFault, FileDone, FileFault, Query, Slot};
use crate::record::Records;
use crate::types::limit::DIRECTORIES_MAX;
use crate::types::{FileOpId, LogId, Mono, Now, OpId, Ticket};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// All data directories of a broker.
pub struct Stores {
    stores: Vec<Store>,
    /// Logs that are not in the first directory.
    places: BTreeMap<LogId, usize>,
    /// Fetch answers whose records come from several directories.
    joining: BTreeMap<Ticket, Joining>,
    /// Empty between calls; kept for its memory.
    scratch: Vec<StoreOut>,
}

/// A fetch answer whose parts come one by one.
struct Joining {
    bytes_max: u32,
    /// In the order of service.
    slots: Vec<Option<Result<Records, DiskFault>>>,
    /// Which of them were asked of each directory that has not answered.
    asked: BTreeMap<usize, Vec<usize>>,
}

impl Stores {
    /// The first directory.
    pub fn new(first: Store) -> Self {
        Self { stores: alloc::vec![first], places: BTreeMap::new(), joining: BTreeMap::new(), scratch: Vec::new() }
    }

    /// One more directory, with the logs that were found in it.
    pub fn add(&mut self, store: Store, logs: impl IntoIterator<Item = LogId>) {
        let at = self.stores.len();
        assert!(at < DIRECTORIES_MAX, "settings name no more");
        self.stores.push(store);
        self.places.extend(logs.into_iter().map(|log| (log, at)));
    }

    /// A log that is made next is to be in this directory.
    pub fn place(&mut self, log: LogId, directory: usize) {
        assert!(directory < self.stores.len(), "the node knows how many there are");
        self.places.insert(log, directory);
    }

    /// As [`Store::submit`]. Whoever makes a log again says again where.
    pub fn submit(&mut self, op: OpId, log: LogId, action: Action) {
        let at = self.place_of(log);
        if let Action::Delete = action {
            self.places.remove(&log);
        }
        self.stores[at].submit(op, log, action);
    }

    /// As [`Store::query`].
    pub fn query(&mut self, op: OpId, log: LogId, query: &Query, out: &mut Vec<StoreOut>) {
        let at = self.place_of(log);
        self.with(at, out, |store, out| store.query(op, log, query, out));
    }

    /// As [`Store::serve`]. The bound on all bytes holds over all directories: what lies behind it in the order of service is left
    /// out, although it was read.
    pub fn serve(&mut self, ticket: Ticket, slots: Vec<Slot>, bytes_max: u32, out: &mut Vec<StoreOut>) {
        let mut asked: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, slot) in slots.iter().enumerate() {
            asked.entry(self.place_of(slot.log)).or_default().push(index);
        }
        if asked.len() <= 1 {
            let at = asked.keys().next().copied().unwrap_or(0);
            return self.with(at, out, |store, out| store.serve(ticket, slots, bytes_max, out));
        }
        let joining = Joining { bytes_max, slots: slots.iter().map(|_| None).collect(), asked: asked.clone() };
        self.joining.insert(ticket, joining);
        for (at, indexes) in asked {
            let part = indexes.into_iter().map(|index| slots[index].clone()).collect();
            self.with(at, out, |store, out| store.serve(ticket, part, bytes_max, out));
        }
    }

    /// As [`Store::turn`].
    pub fn turn(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        for at in 0..self.stores.len() {
            self.with(at, out, |store, out| store.turn(now, out));
        }
    }

    /// As [`Store::deadline`].
    pub fn deadline(&self) -> Option<Mono> {
        self.stores.iter().filter_map(Store::deadline).min()
    }

    /// As [`Store::file_done`].
    pub fn file_done(&mut self, now: Now, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        let (at, own) = unnamed(id);
        self.with(at, out, |store, out| store.file_done(now, own, outcome, out));
    }

    /// As [`Store::shut`].
    pub fn shut(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        for at in 0..self.stores.len() {
            self.with(at, out, |store, out| store.shut(now, out));
        }
    }

    /// As [`Store::is_quiet`].
    pub fn is_quiet(&self) -> bool {
        self.stores.iter().all(Store::is_quiet)
    }

    /// Is there a directory without room?
    pub fn is_full(&self) -> bool {
        self.stores.iter().any(Store::is_full)
    }

    /// Was this directory given up?
    pub fn is_offline(&self, directory: usize) -> bool {
        self.stores[directory].is_offline()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.stores.len()
    }

    fn place_of(&self, log: LogId) -> usize {
        self.places.get(&log).copied().unwrap_or(0)
    }

    /// Lets a directory act; what it says is told apart from what the others say.
    fn with(&mut self, at: usize, out: &mut Vec<StoreOut>, act: impl FnOnce(&mut Store, &mut Vec<StoreOut>)) {
        if self.stores.len() == 1 {
            return act(&mut self.stores[at], out);
        }
        let mut said = core::mem::take(&mut self.scratch);
        act(&mut self.stores[at], &mut said);
        for one in said.drain(..) {
            match one {
                StoreOut::File { id, op } => out.push(StoreOut::File { id: named(at, id), op }),
                StoreOut::Served { ticket, slots } => out.extend(self.joined(at, ticket, slots)),
                StoreOut::Done { .. } | StoreOut::Note(_) => out.push(one),
            }
        }
        self.scratch = said;
    }

    /// A directory found its part of a fetch answer. Gives the whole once it is there.
    fn joined(&mut self, at: usize, ticket: Ticket, found: Vec<Result<Records, DiskFault>>) -> Option<StoreOut> {
        let Some(joining) = self.joining.get_mut(&ticket) else {
            return Some(StoreOut::Served { ticket, slots: found });
        };
        let indexes = joining.asked.remove(&at).expect("a directory answers once");
        for (index, found) in indexes.into_iter().zip(found) {
            joining.slots[index] = Some(found);
        }
        if !joining.asked.is_empty() {
            return None;
        }
        let joining = self.joining.remove(&ticket).expect("it was just seen");
        Some(StoreOut::Served { ticket, slots: joining.bounded() })
    }
}

impl Joining {
    /// The first records go out whatever their length; the others as far as the bound goes (KIP-74).
    fn bounded(self) -> Vec<Result<Records, DiskFault>> {
        let (mut bytes_left, mut has_records, mut is_over) = (self.bytes_max as usize, false, false);
        let bound = |found: Option<Result<Records, DiskFault>>| {
            let records = found.expect("every directory has answered")?;
            is_over |= has_records && records.len() > bytes_left;
            if is_over {
                return Ok(Records::EMPTY);
            }
            has_records |= !records.is_empty();
            bytes_left = bytes_left.saturating_sub(records.len());
            Ok(records)
        };
        self.slots.into_iter().map(bound).collect()
    }
}

/// Which directory a file operation is for, and what that calls it.
pub fn unnamed(id: FileOpId) -> (usize, FileOpId) {
    (usize::try_from(id.0 >> OWN_BITS).unwrap_or(usize::MAX), FileOpId(id.0 & OWN))
}

/// A file operation of one directory among those of all.
pub fn named(at: usize, id: FileOpId) -> FileOpId {
    assert!(id.0 <= OWN, "a directory begins no more operations than that");
    FileOpId((at as u64) << OWN_BITS | id.0)
}

const OWN_BITS: u32 = 56;
const OWN: u64 = (1 << OWN_BITS) - 1;

#[cfg(test)]
#[path = "stores_test.rs"]
mod stores_test;
