//! Several data directories as one: each is a store of its own, with its own journal and catalogue, and a log lives in one of them.
//! So a directory that fails takes its logs with it and no others. What is asked of a log goes to its directory; which that is
//! was decided before the log was made. The first directory is where everything is that nobody put elsewhere.

use super::mark::Marks;
use super::moving::Moves;
use super::{RecoveredLog, Store, StoreOut};
use crate::boundary::{Action, CopyId, DiskFault, Done, FileDone, FileFault, MoveStage, Query, Slot};
use crate::record::Records;
use crate::types::limit::DIRECTORIES_MAX;
use crate::types::{FileOpId, LogId, Mono, Now, OpId, Ticket, Uuid};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// All data directories of a broker.
pub struct Stores {
    pub(super) stores: Vec<Store>,
    /// Logs that are not in the first directory.
    pub(super) places: BTreeMap<LogId, usize>,
    /// Where logs are to be made that are asked for next.
    wanted: BTreeMap<LogId, usize>,
    /// Where logs are to be made that were asked for.
    coming: BTreeMap<OpId, (LogId, usize)>,
    pub(super) moves: Moves,
    pub(super) marks: Marks,
    /// Deletions under way, and of which copies, as far as those were made already.
    dying: BTreeMap<OpId, (LogId, Option<CopyId>)>,
    /// Copies whose deletion failed with their directory: it still has them when it comes back.
    buried: BTreeMap<LogId, Vec<CopyId>>,
    /// Logs whose deletion has ended, one way or the other.
    gone: Vec<LogId>,
    /// What is asked of logs that are made again, and are not gone yet where they were.
    behind: BTreeMap<LogId, Vec<Behind>>,
    /// Fetch answers whose records come from several directories.
    joining: BTreeMap<Ticket, Joining>,
    /// Empty between calls; kept for its memory.
    scratch: Vec<StoreOut>,
}

/// What waits until a log is gone where it was.
enum Behind {
    Change(OpId, LogId, Action),
    Question(OpId, LogId, Query),
}

/// A fetch answer whose parts come one by one.
struct Joining {
    bytes_max: u32,
    /// In the order of service.
    slots: Vec<Option<Result<Records, DiskFault>>>,
    /// Which of them were asked of each directory that has not answered.
    asked: BTreeMap<usize, Vec<usize>>,
}

/// Two copies of one log of which nobody knows which one counts: a directory was copied, or was away while another took its place.
#[derive(Clone, Debug)]
pub struct Twice {
    /// The copy in the later directory.
    pub log: RecoveredLog,
    /// That.
    pub directory: usize,
}

/// Logs, and in which directory each is.
pub type Places = Vec<(RecoveredLog, usize)>;

impl Stores {
    /// These directories, in the order of the settings, and what was found in each. Gives back each log once, and where it is.
    pub fn open(found: Vec<(Store, Vec<RecoveredLog>)>, life: Uuid) -> Result<(Self, Places), Box<Twice>> {
        assert!(!found.is_empty() && found.len() <= DIRECTORIES_MAX, "settings name some, and no more");
        let mut stores = Vec::with_capacity(found.len());
        let mut copies: BTreeMap<LogId, Vec<(RecoveredLog, usize)>> = BTreeMap::new();
        for (at, (store, logs)) in found.into_iter().enumerate() {
            stores.push(store);
            for log in logs {
                copies.entry(log.id).or_default().push((log, at));
            }
        }
        let (places, wanted, coming, joining) = Default::default();
        let marks = Marks::new(&stores, life);
        let (dying, buried) = (BTreeMap::new(), BTreeMap::new());
        let (gone, behind) = (Vec::new(), BTreeMap::new());
        let moves = Moves::default();
        let scratch = Vec::new();
        let mut all =
            Self { stores, places, wanted, coming, moves, marks, dying, buried, gone, behind, joining, scratch };
        let logs = copies.into_values().map(|copies| all.settle(copies)).collect::<Result<Vec<_>, _>>()?;
        Ok((all, logs.into_iter().flatten().collect()))
    }

    /// Of several copies of a log one counts. What an ended process left half done with the others is gone on with.
    fn settle(&mut self, copies: Vec<(RecoveredLog, usize)>) -> Result<Option<(RecoveredLog, usize)>, Box<Twice>> {
        let (futures, mut copies): (Vec<_>, Vec<_>) = copies.into_iter().partition(|(log, _)| log.whence.is_future);
        let is_over = |one: &(RecoveredLog, usize), other: &(RecoveredLog, usize)| {
            let names = (self.copy(one), self.copy(other));
            one.1 == other.1 || one.0.whence.is_over(names, &other.0.whence) || other.0.is_blank()
        };
        // A directory that was away when others were used has older copies.
        let is_fresh = |one: &(RecoveredLog, usize)| self.marks.is_fresh(one.1);
        let is_any_fresh = copies.iter().any(is_fresh);
        let counts = |one: &(RecoveredLog, usize)| !is_any_fresh || is_fresh(one);
        let is_first = |one: &(RecoveredLog, usize)| {
            counts(one) && copies.iter().filter(|other| counts(other)).all(|other| is_over(one, other))
        };
        let first = copies.iter().position(is_first);
        let Some(first) = first else {
            // One that is damaged may have counted: what said so may be what is damaged. Nobody uses it, and nobody makes another.
            if copies.is_empty()
                && let Some(at) = futures.iter().position(|(log, _)| !log.is_online)
            {
                let (log, at) = futures.into_iter().nth(at).expect("just found");
                if at != 0 {
                    self.places.insert(log.id, at);
                }
                return Ok(Some((log, at)));
            }
            futures.into_iter().for_each(|(log, at)| self.discard(log.id, at));
            return copies.pop().map_or(Ok(None), |(log, directory)| Err(Box::new(Twice { log, directory })));
        };
        let (log, at) = copies.swap_remove(first);
        if at != 0 {
            self.places.insert(log.id, at);
        }
        let is_there = |copy: CopyId| self.stores.iter().any(|store| store.directory() == copy.directory);
        if log.whence.leaving.is_some_and(|copy| !is_there(copy)) {
            self.keep(log.id, at);
        }
        // A copy that cannot be used takes no other with it.
        let mut is_moving = !log.is_online;
        for (_, other) in copies.into_iter().filter(|_| log.is_online) {
            if core::mem::replace(&mut is_moving, true) {
                self.discard(log.id, other);
            } else {
                self.clear_move(log.id, other, at);
            }
        }
        for (_, other) in futures {
            if core::mem::replace(&mut is_moving, true) {
                self.discard(log.id, other);
            } else {
                self.resume_move(log.id, at, other);
            }
        }
        Ok(Some((log, at)))
    }

    fn copy(&self, (log, at): &(RecoveredLog, usize)) -> CopyId {
        CopyId { directory: self.stores[*at].directory(), number: log.number }
    }

    /// A log that is made next is to be in this directory. What was asked of one before it goes to where that is.
    pub fn place(&mut self, log: LogId, directory: usize) {
        assert!(directory < self.stores.len(), "the node knows how many there are");
        self.wanted.insert(log, directory);
    }

    /// Where a log is, or is to be made.
    pub(super) fn home_of(&self, log: LogId) -> usize {
        let coming = self.coming.values().rfind(|(other, _)| *other == log);
        coming.map_or_else(|| self.place_of(log), |(_, at)| *at)
    }

    /// Says what is to be said. A log whose move has ended may have been deleted and made again elsewhere meanwhile.
    pub(super) fn tell(&mut self, out: &mut Vec<StoreOut>) {
        for one in self.moves.take_unsaid() {
            out.push(match one {
                StoreOut::Moved { log, stage: MoveStage::Ended, .. } => {
                    StoreOut::Moved { log, directory: self.home_of(log), stage: MoveStage::Ended }
                }
                other => other,
            });
        }
    }

    /// What all moves together copy in a second. Those that an earlier process began wait until this is said.
    pub fn throttle_moves(&mut self, bytes_per_second: u64) {
        self.moves.throttle(bytes_per_second);
    }

    /// As [`Store::submit`]. Whoever makes a log again says again where.
    pub fn submit(&mut self, op: OpId, log: LogId, action: Action) {
        if self.stores.len() == 1 {
            return self.stores[0].submit(op, log, action);
        }
        if matches!(action, Action::Create(_)) && !self.coming.contains_key(&op) {
            let at = self.wanted.remove(&log).unwrap_or_default();
            self.coming.insert(op, (log, at));
        }
        let Some(action) = self.marks.admits(op, log, action) else { return };
        let Some(action) = self.admits(op, log, action) else { return };
        if let Action::Delete = action {
            self.forsake(log);
        }
        let Some(action) = self.moves.admits(op, log, action) else { return };
        match self.coming.remove(&op) {
            Some((_, 0)) => self.places.remove(&log),
            Some((_, at)) => self.places.insert(log, at),
            None => None,
        };
        let at = self.place_of(log);
        if let Action::Delete = action {
            self.places.remove(&log);
            let copy = self.stores[at].log_of(log).map(|_| self.stores[at].copy_id(log));
            self.dying.insert(op, (log, copy));
            self.discard_others(log, at);
        }
        assert!(self.marks.is_done(), "INV-18: every directory knows of this life before anything is changed in it");
        let over = if let Action::Create(_) = action { self.buried(log, at) } else { Vec::new() };
        self.stores[at].submit(op, log, action);
        if !over.is_empty() {
            self.count_over(log, at, over);
        }
    }

    /// A log that is deleted goes with every copy of it that does not count: one that a move left behind when the directory failed that
    /// it went to, or over which a damaged one counts.
    fn discard_others(&mut self, log: LogId, at: usize) {
        let holds = |other: usize| !self.stores[other].is_offline() && self.stores[other].log_of(log).is_some();
        let others: Vec<usize> = (0..self.stores.len()).filter(|other| *other != at && holds(*other)).collect();
        others.into_iter().for_each(|other| self.discard(log, other));
    }

    /// Copies of a log in directories that were given up: they are there still when those come back.
    fn buried(&self, log: LogId, at: usize) -> Vec<CopyId> {
        let others = self.stores.iter().enumerate().filter(|(other, store)| *other != at && store.is_offline());
        let held = others.filter_map(|(_, store)| store.log_of(log).map(|_| store.copy_id(log)));
        held.chain(self.buried.get(&log).into_iter().flatten().copied()).collect()
    }

    /// A log is not made again before it is gone for good where it was: of two copies nobody would know which one counts. All that is
    /// asked of it meanwhile waits with that, and so does another log of its name.
    fn admits(&mut self, op: OpId, log: LogId, action: Action) -> Option<Action> {
        let is_dying = |copy: &(LogId, Option<CopyId>)| copy.0 == log;
        let again = matches!(action, Action::Create(_)) && self.dying.values().any(is_dying);
        let Some(whom) = self.ahead_of(log, &action).or_else(|| again.then_some(log)) else { return Some(action) };
        self.behind.entry(whom).or_default().push(Behind::Change(op, log, action));
        None
    }

    /// Behind whose deletion a change of this log waits, if it does.
    fn ahead_of(&self, log: LogId, action: &Action) -> Option<LogId> {
        let name = |log: LogId, action: &Action| match action {
            Action::Create(spec) => Some((spec.topic.clone(), log.partition)),
            _ => None,
        };
        let own = name(log, action);
        let is_before = |one: &Behind| match one {
            Behind::Change(_, other, action) => *other == log || own.is_some() && name(*other, action) == own,
            Behind::Question(_, other, _) => *other == log,
        };
        self.behind.iter().find(|(_, all)| all.iter().any(is_before)).map(|(whom, _)| *whom)
    }

    /// What waited for the end of a deletion goes on.
    fn go_on(&mut self, out: &mut Vec<StoreOut>) {
        for gone in core::mem::take(&mut self.gone) {
            for one in self.behind.remove(&gone).unwrap_or_default() {
                match one {
                    Behind::Change(op, log, action) => self.submit(op, log, action),
                    Behind::Question(op, log, query) => self.query(op, log, &query, out),
                }
            }
        }
    }

    /// As [`Store::query`].
    pub fn query(&mut self, op: OpId, log: LogId, query: &Query, out: &mut Vec<StoreOut>) {
        if let Query::Future = query {
            let outcome =
                self.future_of(log).map(|(bytes, lag)| Done::Future { bytes, lag }).ok_or(DiskFault::NoSuchLog);
            return out.push(StoreOut::Done { op, outcome });
        }
        let waits = |one: &Behind| matches!(one, Behind::Change(_, other, _) if *other == log);
        if let Some(behind) = self.behind.values_mut().find(|all| all.iter().any(waits)) {
            return behind.push(Behind::Question(op, log, query.clone()));
        }
        if self.marks.answers(op, log, query) && self.moves.answers(op, log, query) {
            let at = self.place_of(log);
            self.with(at, out, |store, out| store.query(op, log, query, out));
        }
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
        self.drive(now.mono, out);
        loop {
            for at in 0..self.stores.len() {
                self.with(at, out, |store, out| store.turn(now, out));
            }
            if self.gone.is_empty() {
                break;
            }
            self.go_on(out);
        }
    }

    /// All that waits for something goes on as far as it can.
    fn drive(&mut self, now: Mono, out: &mut Vec<StoreOut>) {
        self.go_on(out);
        self.drive_moves(now, out);
    }

    /// As [`Store::deadline`].
    pub fn deadline(&self) -> Option<Mono> {
        self.stores.iter().filter_map(Store::deadline).chain(self.moves.deadline()).min()
    }

    /// As [`Store::file_done`].
    pub fn file_done(&mut self, now: Now, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        let (at, own) = unnamed(id);
        self.with(at, out, |store, out| store.file_done(now, own, outcome, out));
        self.drive(now.mono, out);
    }

    /// As [`Store::shut`].
    pub fn shut(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        self.moves.stop();
        self.drive(now.mono, out);
        for at in 0..self.stores.len() {
            self.with(at, out, |store, out| store.shut(now, out));
        }
    }

    /// As [`Store::is_quiet`].
    pub fn is_quiet(&self) -> bool {
        self.stores.iter().all(Store::is_quiet)
    }

    /// The directories of which it is not known that they were used last when the first was: they may be older copies.
    pub fn unproved(&self) -> Vec<Uuid> {
        let all = self.stores.iter().enumerate();
        all.filter(|(at, _)| !self.marks.is_fresh(*at)).map(|(_, store)| store.directory()).collect()
    }

    /// Is there a directory without room?
    pub fn is_full(&self) -> bool {
        self.stores.iter().any(Store::is_full)
    }

    /// The logs that are kept.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.stores.iter().flat_map(Store::logs)
    }

    /// As [`Store::check`].
    pub fn check(&self) {
        self.stores.iter().for_each(Store::check);
    }

    /// Was this directory given up?
    pub fn is_offline(&self, directory: usize) -> bool {
        self.stores[directory].is_offline()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.stores.len()
    }

    pub(super) fn place_of(&self, log: LogId) -> usize {
        self.places.get(&log).copied().unwrap_or(0)
    }

    /// Lets a directory act; what it says is told apart from what the others say.
    pub(super) fn with(
        &mut self,
        at: usize,
        out: &mut Vec<StoreOut>,
        act: impl FnOnce(&mut Store, &mut Vec<StoreOut>),
    ) {
        if self.stores.len() == 1 {
            return act(&mut self.stores[at], out);
        }
        let mut said = core::mem::take(&mut self.scratch);
        act(&mut self.stores[at], &mut said);
        for one in said.drain(..) {
            match one {
                StoreOut::File { id, op } => out.push(StoreOut::File { id: named(at, id), op }),
                StoreOut::Served { ticket, slots } => out.extend(self.joined(at, ticket, slots)),
                StoreOut::Done { op, outcome } => {
                    if let Some((log, copy)) = self.dying.remove(&op) {
                        self.gone.push(log);
                        if outcome.is_err() {
                            self.buried.entry(log).or_default().extend(copy);
                        }
                    }
                    if let Some(outcome) = self.marks.heard(op, outcome) {
                        out.extend(self.moves.heard(op, outcome).map(|outcome| StoreOut::Done { op, outcome }));
                    }
                }
                StoreOut::Note(note) if self.moves.hides(at, &note) => {}
                StoreOut::Note(_) | StoreOut::Moved { .. } => out.push(one),
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
