//! The data directories of this broker: which log is where, and which of them are lost.

use super::follow::Todo;
use super::moves::Assigning;
use super::{FoundLog, Node};
use crate::boundary::{Effect, Effects, Fault};
use crate::types::{LogId, Mono, Now, Str, Uuid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The data directories of a broker, by their place in its settings.
#[derive(Clone, Hash, Debug)]
pub struct Directories {
    ids: Vec<Uuid>,
    lost: BTreeSet<usize>,
    /// Those that the controller does not know yet to have been lost, or older, before this process began.
    pub(super) unproved: BTreeSet<usize>,
    /// Logs that are not in the first.
    places: BTreeMap<LogId, usize>,
    /// Logs that were on disk at start and that the metadata have not claimed yet.
    pub found: BTreeMap<LogId, FoundLog>,
    /// Logs that are on their way to another directory, and to which.
    moving: BTreeMap<LogId, usize>,
    /// Where replicas are to be that this broker does not have yet, as somebody said.
    wishes: BTreeMap<(Str, i32), usize>,
    /// What the controller is to be told.
    pub(super) assigning: Assigning,
}

impl Directories {
    /// These, of which none is lost, and what was found in them.
    pub fn new((ids, unproved): (Vec<Uuid>, BTreeSet<usize>), found: BTreeMap<LogId, FoundLog>) -> Self {
        let (moving, wishes) = (BTreeMap::new(), BTreeMap::new());
        Self {
            ids,
            unproved,
            lost: BTreeSet::new(),
            places: BTreeMap::new(),
            found,
            moving,
            wishes,
            assigning: Assigning::default(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// The ids of all of them.
    pub fn all(&self) -> Vec<Uuid> {
        self.ids.clone()
    }

    /// The ids of those that are lost.
    pub fn lost(&self) -> Vec<Uuid> {
        self.lost.iter().map(|at| self.ids[*at]).collect()
    }

    /// The ids of those whose replicas are not trusted.
    pub fn unproved(&self) -> Vec<Uuid> {
        self.unproved.iter().map(|at| self.ids[*at]).collect()
    }

    /// Is this one lost?
    pub fn is_lost(&self, at: usize) -> bool {
        self.lost.contains(&at)
    }

    /// Where a log is.
    pub fn place_of(&self, log: LogId) -> usize {
        self.places.get(&log).copied().unwrap_or(0)
    }

    /// A log is held there from now on.
    pub fn holds(&mut self, log: LogId, at: usize) {
        match at {
            0 => drop(self.places.remove(&log)),
            _ => drop(self.places.insert(log, at)),
        }
    }

    /// A log is held no longer.
    pub fn forget(&mut self, log: LogId) {
        self.places.remove(&log);
        self.moving.remove(&log);
        self.assigning.forget(log);
    }

    /// The id of one.
    pub fn id(&self, at: usize) -> Uuid {
        self.ids[at]
    }

    /// To which directory a log is on its way.
    pub fn going_to(&self, log: LogId) -> Option<usize> {
        self.moving.get(&log).copied()
    }

    /// A log is on its way to this directory, or nowhere.
    pub fn goes(&mut self, log: LogId, to: Option<usize>) {
        match to {
            Some(at) => drop(self.moving.insert(log, at)),
            None => drop(self.moving.remove(&log)),
        }
    }

    /// A replica that this broker does not have is to be in this directory, should it ever be made. More of them than anybody means are
    /// not remembered.
    pub fn wish(&mut self, topic: Str, partition: i32, at: usize) {
        if self.wishes.len() < WISHES_MAX || self.wishes.contains_key(&(topic.clone(), partition)) {
            // The name is a piece of its request, which is not to be kept for it.
            self.wishes.insert((topic.detached(), partition), at);
        }
    }

    /// Where a replica that is made now is to be, if somebody said.
    pub fn granted(&mut self, topic: &Str, partition: i32) -> Option<usize> {
        self.wishes.remove(&(topic.clone(), partition)).filter(|at| !self.is_lost(*at))
    }

    /// When the controller is to be told where replicas are.
    pub fn deadline(&self) -> Option<Mono> {
        self.assigning.deadline()
    }

    /// Where a new log is to be: in the directory that the cluster chose, else in that with the fewest of `logs` logs.
    pub fn choose(&self, wanted: Uuid, logs: impl FnOnce() -> usize) -> usize {
        let online = |at: &usize| !self.is_lost(*at);
        if let Some(at) = (0..self.count()).filter(online).find(|at| self.ids[*at] == wanted) {
            return at;
        }
        if self.count() == 1 {
            return 0;
        }
        let mut counts = alloc::vec![0; self.count()];
        self.places.values().for_each(|at| counts[*at] += 1);
        counts[0] = logs().saturating_sub(self.places.len());
        (0..self.count()).filter(online).min_by_key(|at| counts[*at]).unwrap_or(0)
    }
}

impl Node {
    /// This broker is registered, and whatever was in directories that are not to be trusted is taken out.
    pub(super) fn trusted(&mut self, out: &mut Effects) {
        if !core::mem::take(&mut self.directories.unproved).is_empty() && self.directories.count() > 1 {
            out.push(Effect::Trust);
        }
    }

    /// A data directory was given up: its logs can be neither read nor written, and others are to lead them. Without the first one there
    /// are no metadata, and nothing can go on: what breaks with this process tells the controller at once.
    pub(super) fn directory_lost(&mut self, now: Now, at: usize, out: &mut Effects) {
        if at == 0 {
            // Who goes anyway goes.
            if !self.cluster.is_leaving() {
                out.push(Effect::Halt { fault: Fault::MetadataOffline });
            }
            return;
        }
        if at >= self.directories.count() || !self.directories.lost.insert(at) {
            return;
        }
        let logs = self.directories.places.iter().filter(|(_, place)| **place == at).map(|(log, _)| *log);
        let todo: Vec<Todo> = logs.map(Todo::Unreadable).collect();
        self.following.do_soon(now.mono, todo);
        self.enlist_soon(now, out);
        self.tell_lost(now, out);
    }
}

/// So many wishes for replicas that are not there are remembered.
const WISHES_MAX: usize = 10_000;

#[cfg(test)]
#[path = "directories_test.rs"]
mod directories_test;
