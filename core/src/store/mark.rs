//! Which directories were used together. Every life of a process leaves a mark in each of its directories before anything is changed in
//! any of them, and in the first one last; so a directory whose mark is that of the first has everything that it had when the last life
//! ended, and any other may be an older copy, or was away.
//!
//! ```text
//!   start ──▶ the mark of this life, and that of the one before, to all but the first ──▶ to the first ──▶ whatever waits
//!                     │ one of them fails                                      ▲
//!                     └──────────────▶ the first says which, and what it knew ─┘
//! ```
//!
//! A process that ends between the two left this life's mark in some and that of the one before in the first: since nothing was changed
//! yet, a directory is as good with either. One that may be an older copy gets none before the controller knows that its replicas are not
//! to be trusted, since the next process must not take it for a good one. One that is given up later keeps its mark: what is in there is
//! as it was, and a log that is made anew elsewhere meanwhile counts over the one that is there.

use super::{Store, StoreOut, Stores};
use crate::boundary::{Action, DiskFault, Done, Mark, MoveStep, Query};
use crate::types::{LogId, OpId, Uuid};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The marks of a broker's directories.
pub(super) struct Marks {
    /// Which directories are as they were when the first was used last.
    fresh: Vec<bool>,
    /// In which life each was used last.
    known: Vec<Uuid>,
    /// This life's mark.
    mark: Mark,
    stage: Stage,
    /// What has to end before the next stage.
    asked: BTreeSet<OpId>,
    begun: u64,
    /// Directories that get no mark any more.
    lost: BTreeSet<usize>,
    /// A mark is to be given to those that are left, while everything goes on.
    waiting: Vec<Waiting>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    Others,
    First,
    Done,
}

enum Waiting {
    Change(OpId, LogId, Action),
    Question(OpId, LogId, Query),
}

impl Marks {
    /// Of these directories, which this process is about to use.
    pub(super) fn new(stores: &[Store], life: Uuid) -> Self {
        let first = &stores[0].journal.mark;
        let is_fresh = |(at, store): (usize, &Store)| {
            let mark = &store.journal.mark;
            let was_lost = first.lost.contains(&(store.directory(), mark.life));
            at == 0 || !first.life.is_zero() && (mark.life == first.life || mark.before == first.life || was_lost)
        };
        Self {
            fresh: stores.iter().enumerate().map(is_fresh).collect(),
            known: stores.iter().map(|store| store.journal.mark.life).collect(),
            mark: Mark { life, before: first.life, lost: Vec::new() },
            stage: if stores.len() == 1 { Stage::Done } else { Stage::Begin },
            asked: BTreeSet::new(),
            begun: 0,
            lost: BTreeSet::new(),
            waiting: Vec::new(),
        }
    }

    /// Has this directory all that it had when the first was used last?
    pub(super) fn is_fresh(&self, at: usize) -> bool {
        self.fresh[at]
    }

    /// May logs change?
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// A change is given back if it may be made; else it waits.
    pub(super) fn admits(&mut self, op: OpId, log: LogId, action: Action) -> Option<Action> {
        if self.is_done() {
            return Some(action);
        }
        self.waiting.push(Waiting::Change(op, log, action));
        None
    }

    /// May a question be asked that waits for all changes before it?
    pub(super) fn answers(&mut self, op: OpId, log: LogId, query: &Query) -> bool {
        if self.is_done() || *query != Query::Log {
            return true;
        }
        self.waiting.push(Waiting::Question(op, log, query.clone()));
        false
    }

    /// The end of something that a directory was asked for; given back if others asked.
    pub(super) fn heard(&mut self, op: OpId, outcome: Result<Done, DiskFault>) -> Option<Result<Done, DiskFault>> {
        if op.0 & OWN != OWN {
            return Some(outcome);
        }
        self.asked.remove(&op);
        None
    }

    fn ask(&mut self) -> OpId {
        self.begun += 1;
        let op = OpId(OWN | self.begun);
        self.asked.insert(op);
        op
    }
}

impl Stores {
    /// The marks go on as far as nothing has to be waited for.
    pub(super) fn drive_marks(&mut self, out: &mut Vec<StoreOut>) {
        if self.stores.len() == 1 {
            return;
        }
        for at in (1..self.stores.len()).filter(|at| self.stores[*at].is_offline()) {
            // What was in it is there when it comes back, and nobody has more of it: the first directory says so.
            let is_new = self.marks.lost.insert(at);
            if is_new && !self.marks.is_done() && self.marks.fresh[at] {
                let known = self.marks.known[at];
                self.marks.mark.lost.push((self.stores[at].directory(), known));
            }
        }
        if self.marks.stage == Stage::Begin && self.marks.asked.is_empty() {
            (1..self.stores.len()).for_each(|at| self.mark(at));
            self.marks.stage = Stage::Others;
        }
        if self.marks.stage == Stage::Others && self.marks.asked.is_empty() {
            self.mark(0);
            self.marks.stage = Stage::First;
        }
        if self.marks.stage == Stage::First && self.marks.asked.is_empty() {
            self.marks.stage = Stage::Done;
            for one in core::mem::take(&mut self.marks.waiting) {
                match one {
                    Waiting::Change(op, log, action) => self.submit(op, log, action),
                    Waiting::Question(op, log, query) => self.query(op, log, &query, out),
                }
            }
        }
    }

    /// Directories that may be older copies get their marks: nobody relies on what was in them before.
    pub fn trust(&mut self) {
        for at in 0..self.stores.len() {
            if !core::mem::replace(&mut self.marks.fresh[at], true) && self.marks.stage != Stage::Begin {
                self.mark(at);
            }
        }
    }

    fn mark(&mut self, at: usize) {
        if !self.marks.lost.contains(&at) && self.marks.fresh[at] {
            let op = self.marks.ask();
            self.stores[at].submit(op, LogId::METADATA, Action::Move(MoveStep::Mark(self.marks.mark.clone())));
        }
    }
}

/// What marks ask, beside whatever moves and a node ask.
const OWN: u64 = 0b11 << 62;

#[cfg(test)]
#[path = "mark_test.rs"]
mod mark_test;
