//! Logs on their way from one data directory of a broker to another (KIP-113): a copy is made beside the log while that is written and
//! read, follows it batch by batch, and then counts instead of it. whence.rs says why a crash at any moment leaves exactly one that
//! counts.
//!
//! ```text
//!   Waiting ─▶ Making ─▶ Copying ─────────────▶ Parking ──────────▶ Leaving ─▶ Promoting ─▶ Clearing ─▶ over
//!   for a turn            read here,   │        new changes wait,   nothing of the log       the log is
//!                         append there ◀─────── the rest is copied  is under way             deleted where it was
//!                         they come too fast, or one of them failed
//! ```
//!
//! Up to Parking a move can end at any time: nobody ever heard of the copy. What cuts the log cuts the copy before that goes on; what it
//! forgets at its beginning the copy forgets at the latest before it counts.

use super::commit::promotion_bytes;
use super::log::Log;
use super::{Store, StoreOut, Stores};
use crate::boundary::{Action, CopyId, DiskFault, Done, MoveStage, MoveStep, Note, Promotion, Query};
use crate::log::{Log as Facts, Producers};
use crate::record::{CheckedBatch, Records, check_stored};
use crate::types::{LogId, Mono, Offset, OffsetRange, OpId, Str};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// The moves of a broker.
#[derive(Default)]
pub(super) struct Moves {
    moves: BTreeMap<LogId, Move>,
    /// Those whose turn it is.
    active: BTreeSet<LogId>,
    /// What moves asked of directories, and which.
    asked: BTreeMap<OpId, LogId>,
    begun: u64,
    /// Of that, what ended and was not looked at.
    ended: Vec<(OpId, Result<Done, DiskFault>)>,
    /// What a node wants of its logs and has not heard of. Only where there are several directories.
    under_way: BTreeMap<OpId, (LogId, Change)>,
    /// Copies of logs, and in which directory, that do not count.
    hidden: BTreeSet<(usize, LogId)>,
    /// Logs that wait for the deletion of one of their name.
    behind: BTreeMap<LogId, LogId>,
    /// To be said with the next that is.
    unsaid: Vec<StoreOut>,
    now: Mono,
    /// So much is copied in a second at most, by all moves together; nothing before that is known.
    bytes_per_second: Option<u64>,
    /// Nothing more is copied before.
    throttled_to: Mono,
    /// The process is about to end.
    is_over: bool,
}

/// One of them.
struct Move {
    from: usize,
    to: usize,
    phase: Phase,
    /// Of which topic the log is, once that is known.
    topic: Str,
    /// What has to end before it goes on.
    awaits: Option<OpId>,
    /// The log was cut here, and the copy was not yet.
    cut: Option<Offset>,
    /// Behind this end of the copy the log has no batch before that one.
    gap: Option<(Offset, Offset)>,
    /// Cuts of the log that are under way.
    cutting: BTreeSet<OpId>,
    /// Nothing is done before.
    retry_at: Option<Mono>,
    /// What has to wait until it is certain which copy counts.
    parked: Vec<Parked>,
    parked_at: Mono,
    /// A change failed while others behind it were parked.
    is_upset: bool,
    /// Where it is to go afterwards.
    then: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Waiting,
    Making,
    Copying,
    Parking,
    Leaving,
    Promoting,
    Clearing,
}

/// What a change is to a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    Cut(Offset),
    Deletion,
    Other,
}

enum Parked {
    Change(OpId, LogId, Action),
    Question(OpId, LogId, Query),
}

impl Move {
    fn new(from: usize, to: usize, phase: Phase) -> Self {
        Self {
            from,
            to,
            phase,
            topic: Str::default(),
            awaits: None,
            cut: None,
            gap: None,
            cutting: BTreeSet::new(),
            retry_at: None,
            parked: Vec::new(),
            parked_at: Mono::default(),
            is_upset: false,
            then: None,
        }
    }

    /// Does the copy that is made not count yet, for certain?
    fn may_end(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Making | Phase::Copying | Phase::Parking => true,
            Phase::Leaving | Phase::Promoting | Phase::Clearing => false,
        }
    }

    /// The log is about to be cut, if that is what the change is.
    fn heeds(&mut self, op: OpId, change: Change) {
        if let Change::Cut(end) = change {
            self.cut = Some(self.cut.map_or(end, |cut| cut.min(end)));
            self.cutting.insert(op);
        }
    }

    fn parks(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Making | Phase::Copying => false,
            Phase::Parking | Phase::Leaving | Phase::Promoting | Phase::Clearing => true,
        }
    }
}

impl Moves {
    /// The end of something that a directory was asked for. It is given back if a node asked.
    pub(super) fn heard(&mut self, op: OpId, outcome: Result<Done, DiskFault>) -> Option<Result<Done, DiskFault>> {
        if op.0 & OWN != 0 {
            self.ended.push((op, outcome));
            return None;
        }
        if let Some((log, _)) = self.under_way.remove(&op)
            && let Some(moved) = self.moves.get_mut(&log)
        {
            moved.cutting.remove(&op);
            moved.is_upset |= outcome.is_err();
        }
        Some(outcome)
    }

    /// Is nobody told of this? Copies that do not count are nobody's business.
    pub(super) fn hides(&mut self, at: usize, note: &Note) -> bool {
        match note {
            Note::LogCreated { log, .. } | Note::LogOffline { log, .. } => self.hidden.contains(&(at, *log)),
            Note::LogDeleted { log } => self.hidden.remove(&(at, *log)),
            _ => false,
        }
    }

    fn say(&mut self, log: LogId, directory: usize, stage: MoveStage) {
        self.unsaid.push(StoreOut::Moved { log, directory, stage });
    }

    pub(super) fn take_unsaid(&mut self) -> Vec<StoreOut> {
        core::mem::take(&mut self.unsaid)
    }

    /// How much is copied in one step: no more than in a second.
    fn step_bytes(&self) -> u32 {
        let rate = self.bytes_per_second.unwrap_or(u64::MAX);
        u32::try_from(rate).unwrap_or(u32::MAX).clamp(1, COPIED_AT_ONCE_BYTES)
    }

    /// Nothing more is copied in this process; the next one goes on with what is there.
    pub(super) fn stop(&mut self) {
        self.is_over = true;
    }

    /// From now on so much is copied in a second. What an earlier rate would have had to wait for is not waited for.
    pub(super) fn throttle(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = Some(bytes_per_second);
        self.throttled_to = Mono::default();
    }

    /// A node changes a log: is it done at once? Else it is kept for later.
    pub(super) fn admits(&mut self, op: OpId, log: LogId, action: Action) -> Option<Action> {
        if let Some(moved) = self.namesake(log, &action).and_then(|other| self.moves.get_mut(&other)) {
            moved.parked.push(Parked::Change(op, log, action));
            return None;
        }
        let change = match action {
            Action::Truncate { end } => Change::Cut(end),
            Action::Delete => Change::Deletion,
            _ => Change::Other,
        };
        if let Some(moved) = self.moves.get_mut(&log) {
            if moved.parks() {
                moved.parked.push(Parked::Change(op, log, action));
                return None;
            }
            moved.heeds(op, change);
        }
        self.under_way.insert(op, (log, change));
        Some(action)
    }

    /// A node asks what became of its changes: is it told at once?
    pub(super) fn answers(&mut self, op: OpId, log: LogId, query: &Query) -> bool {
        let whom = self.behind.get(&log).copied().unwrap_or(log);
        let Some(moved) = self.moves.get_mut(&whom).filter(|moved| *query == Query::Log && moved.parks()) else {
            return true;
        };
        moved.parked.push(Parked::Question(op, log, query.clone()));
        false
    }

    /// The log of this name whose deletion waits for the end of its move: until then no other one of that name is made.
    fn namesake(&mut self, log: LogId, action: &Action) -> Option<LogId> {
        if let Some(other) = self.behind.get(&log) {
            return Some(*other);
        }
        let Action::Create(spec) = action else { return None };
        let is_meant = |(other, moved): &(&LogId, &Move)| {
            **other != log && other.partition == log.partition && moved.parks() && moved.topic == spec.topic
        };
        let other = *self.moves.iter().find(is_meant)?.0;
        self.behind.insert(log, other);
        Some(other)
    }

    /// When something is to be done although nothing happened.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = |moved: &Move| match moved.retry_at {
            Some(at) => Some(at),
            None if moved.awaits.is_some() => None,
            None if moved.phase == Phase::Parking => Some(moved.parked_at + PARKED_MAX),
            None if moved.phase == Phase::Copying && self.bytes_per_second.is_some() => {
                // Whatever else it waits for is heard of.
                Some(self.throttled_to).filter(|at| *at > self.now)
            }
            None => None,
        };
        self.active.iter().filter(|_| !self.is_over).filter_map(|log| due(&self.moves[log])).min()
    }

    fn ask(&mut self, log: LogId) -> OpId {
        self.begun += 1;
        let op = OpId(OWN | self.begun);
        self.asked.insert(op, log);
        op
    }

    /// Is anything under way that a node wants of this log?
    fn is_busy(&self, log: LogId) -> bool {
        self.under_way.values().any(|(busy, _)| *busy == log)
    }
}

impl Stores {
    /// A log is to be in this directory. One that is there already, or that is on its way elsewhere, is on its way no longer.
    pub fn relocate(&mut self, log: LogId, directory: usize) {
        assert!(directory < self.stores.len(), "the node knows how many there are");
        let at = self.home_of(log);
        match self.moves.moves.get_mut(&log) {
            Some(moved) if moved.to == directory => moved.then = None,
            Some(moved) if !moved.may_end() => moved.then = Some(directory),
            Some(moved) => {
                moved.then = Some(directory).filter(|to| *to != at);
                self.end_move(log);
            }
            None if at != directory && log != LogId::METADATA => self.begin_move(log, directory),
            None => {}
        }
    }

    /// How long the copy of a log that is being moved is, and how far it lags behind.
    pub(super) fn future_of(&self, log: LogId) -> Option<(u64, u64)> {
        let moved = self.moves.moves.get(&log).filter(|moved| moved.phase != Phase::Clearing)?;
        let own = self.stores[moved.from].log_of(log)?;
        let copy = self.stores[moved.to].log_of(log).filter(|copy| copy.is_future());
        let (bytes, end) = copy.map_or((0, Offset::ZERO), |copy| (copy.bytes(), copy.end));
        Some((bytes, own.end.since(end.min(own.end))))
    }

    /// A move that an earlier process began is gone on with: this directory has a copy already.
    pub(super) fn resume_move(&mut self, log: LogId, from: usize, to: usize) {
        let mut moved = Move::new(from, to, Phase::Waiting);
        if let (Some(own), Some(copy)) = (self.stores[from].log_of(log), self.stores[to].log_of(log)) {
            moved.cut = Some(own.parting(copy));
            moved.phase = Phase::Copying;
            moved.topic = own.spec.topic.clone();
        }
        self.moves.hidden.insert((to, log));
        self.insert_move(log, moved);
    }

    /// A move that an earlier process ended but for the log where it was: that is deleted before the log changes.
    pub(super) fn clear_move(&mut self, log: LogId, from: usize, to: usize) {
        self.moves.hidden.insert((from, log));
        let topic = self.stores[to].log_of(log).map(|log| log.spec.topic.clone()).unwrap_or_default();
        self.moves.moves.insert(log, Move { topic, ..Move::new(from, to, Phase::Clearing) });
        self.moves.active.insert(log);
    }

    /// A copy that does not count, and that nothing is made of, goes.
    pub(super) fn discard(&mut self, log: LogId, at: usize) {
        self.moves.hidden.insert((at, log));
        let op = self.moves.ask(log);
        self.stores[at].submit(op, log, Action::Delete);
    }

    /// A log that begins anew in this directory counts over these copies.
    pub(super) fn count_over(&mut self, log: LogId, at: usize, over: Vec<CopyId>) {
        let promotion = Promotion { over, stays: Vec::new(), log: Facts::default(), is_without_producers: false };
        let op = self.moves.ask(log);
        self.stores[at].submit(op, log, Action::Move(MoveStep::Promote(Box::new(promotion))));
    }

    /// A copy that counts was left for one that is not there: it stays.
    pub(super) fn keep(&mut self, log: LogId, at: usize) {
        let op = self.moves.ask(log);
        self.stores[at].submit(op, log, Action::Move(MoveStep::Stay));
    }

    /// The log is deleted: whatever is made of it goes too.
    pub(super) fn forsake(&mut self, log: LogId) {
        if let Some(moved) = self.moves.moves.get_mut(&log).filter(|moved| moved.may_end()) {
            moved.then = None;
            self.end_move(log);
        }
    }

    /// Everything that moves goes on as far as nothing has to be waited for.
    pub(super) fn drive_moves(&mut self, now: Mono, out: &mut Vec<StoreOut>) {
        self.moves.now = now;
        self.drive_marks(out);
        if !self.marks.is_done() {
            return self.tell(out);
        }
        while !self.moves.moves.is_empty() || !self.moves.ended.is_empty() {
            for (op, outcome) in core::mem::take(&mut self.moves.ended) {
                self.move_stepped(op, outcome);
            }
            while self.moves.active.len() < MOVES_AT_ONCE_MAX
                && let Some(next) = self.moves.moves.keys().find(|log| !self.moves.active.contains(log)).copied()
            {
                self.moves.active.insert(next);
            }
            for log in self.moves.active.clone() {
                self.drive_move(log);
            }
            if self.moves.ended.is_empty() {
                break;
            }
        }
        self.tell(out);
    }

    fn begin_move(&mut self, log: LogId, to: usize) {
        let from = self.home_of(log);
        let is_dying = self.moves.under_way.values().any(|(busy, change)| *busy == log && *change == Change::Deletion);
        if !is_dying && !self.stores[from].is_offline() && !self.stores[to].is_offline() {
            self.insert_move(log, Move::new(from, to, Phase::Waiting));
        }
    }

    fn insert_move(&mut self, log: LogId, mut moved: Move) {
        let under_way = self.moves.under_way.iter().filter(|(_, (busy, _))| *busy == log);
        under_way.for_each(|(op, (_, change))| moved.heeds(*op, *change));
        self.moves.say(log, moved.to, MoveStage::Begun);
        self.moves.moves.insert(log, moved);
    }

    fn move_of(&mut self, log: LogId) -> &mut Move {
        self.moves.moves.get_mut(&log).expect("a move is there until it is over")
    }

    fn drive_move(&mut self, log: LogId) {
        let now = self.moves.now;
        let Some(moved) = self.moves.moves.get_mut(&log) else { return };
        if moved.awaits.is_some() || moved.retry_at.is_some_and(|at| at > now) {
            return;
        }
        moved.retry_at = None;
        if self.moves.is_over && moved.may_end() {
            return self.unpark(log);
        }
        let (from, to) = (moved.from, moved.to);
        match moved.phase {
            Phase::Waiting if self.stores[from].is_offline() || self.stores[to].is_offline() => self.end_move(log),
            Phase::Waiting => {
                let from = self.place_of(log);
                self.move_of(log).from = from;
                if from == to {
                    return self.end_move(log);
                }
                let Some(own) = self.stores[from].log_of(log) else {
                    // It is about to be made; or will be never, and then it is deleted soon.
                    return self.wait(log, RETRY);
                };
                let spec = own.spec.clone();
                let moved = self.move_of(log);
                (moved.phase, moved.topic) = (Phase::Making, spec.topic.clone());
                self.moves.hidden.insert((to, log));
                self.step(log, to, Action::Move(MoveStep::Future(spec)));
            }
            Phase::Copying | Phase::Parking => self.copy_on(log),
            Phase::Making | Phase::Leaving | Phase::Promoting => {}
            Phase::Clearing if self.stores[to].is_offline() => self.settle_move(log),
            Phase::Clearing => {
                if self.stores[from].is_reading(log) {
                    return self.wait(log, PAUSE);
                }
                self.step(log, from, Action::Delete);
            }
        }
    }

    /// Asks a directory; the move goes on when that has ended.
    fn step(&mut self, log: LogId, at: usize, action: Action) {
        let op = self.moves.ask(log);
        self.move_of(log).awaits = Some(op);
        self.stores[at].submit(op, log, action);
    }

    fn wait(&mut self, log: LogId, time: Duration) {
        let at = self.moves.now + time;
        self.move_of(log).retry_at = Some(at);
    }

    fn move_stepped(&mut self, op: OpId, outcome: Result<Done, DiskFault>) {
        let Some(log) = self.moves.asked.remove(&op) else { return };
        let Some(moved) = self.moves.moves.get_mut(&log).filter(|moved| moved.awaits == Some(op)) else { return };
        moved.awaits = None;
        let (from, to) = (moved.from, moved.to);
        match (moved.phase, outcome) {
            (Phase::Waiting, _) => unreachable!("nothing was asked yet"),
            (Phase::Making, Ok(_)) => moved.phase = Phase::Copying,
            (Phase::Making | Phase::Leaving, Err(_)) => self.end_move(log),
            (Phase::Copying | Phase::Parking, Ok(Done::Records(records))) => self.bring(log, &records),
            (Phase::Copying | Phase::Parking, Ok(_)) => {}
            (Phase::Copying | Phase::Parking, Err(_)) => {
                moved.gap = None;
                // A disk that is full may have room later; of all else the next look at the logs tells.
                self.stores[to].forgive(log);
                self.unpark(log);
                self.wait(log, RETRY);
            }
            (Phase::Leaving, Ok(_)) => {
                let promotion = self.promotion(log);
                self.move_of(log).phase = Phase::Promoting;
                self.step(log, to, Action::Move(MoveStep::Promote(promotion)));
            }
            (Phase::Promoting, Ok(_)) => {
                moved.phase = Phase::Clearing;
                self.places.insert(log, to);
                self.moves.hidden.remove(&(to, log));
                self.moves.hidden.insert((from, log));
                self.moves.say(log, to, MoveStage::Ended);
            }
            (Phase::Promoting, Err(_)) => {
                // Whether it counts is not known. It never will.
                let op = self.moves.ask(log);
                self.stores[from].submit(op, log, Action::Move(MoveStep::Stay));
                self.end_move(log);
            }
            (Phase::Clearing, _) => self.settle_move(log),
        }
    }

    /// The log is where it was to go, and what was parked goes on there.
    fn settle_move(&mut self, log: LogId) {
        self.moves.active.remove(&log);
        let moved = self.moves.moves.remove(&log).expect("a move is there until it is over");
        self.resubmit(log, moved.parked);
        if let Some(then) = moved.then.filter(|then| *then != self.place_of(log)) {
            self.begin_move(log, then);
        }
    }

    /// The log stays where it is, for now, and its copy goes.
    fn end_move(&mut self, log: LogId) {
        self.moves.active.remove(&log);
        let moved = self.moves.moves.remove(&log).expect("a move is there until it is over");
        if moved.phase != Phase::Waiting {
            let op = self.moves.ask(log);
            self.stores[moved.to].submit(op, log, Action::Delete);
        }
        self.moves.say(log, moved.from, MoveStage::Ended);
        self.resubmit(log, moved.parked);
        if let Some(then) = moved.then {
            self.begin_move(log, then);
        }
    }

    /// What was parked goes on where the log is, and the move before that.
    fn unpark(&mut self, log: LogId) {
        let moved = self.move_of(log);
        moved.is_upset = false;
        if moved.phase == Phase::Parking {
            moved.phase = Phase::Copying;
            let parked = core::mem::take(&mut moved.parked);
            self.resubmit(log, parked);
        }
    }

    fn resubmit(&mut self, log: LogId, parked: Vec<Parked>) {
        self.moves.behind.retain(|_, other| *other != log);
        for one in parked {
            match one {
                Parked::Change(op, log, action) => self.submit(op, log, action),
                Parked::Question(op, log, query) => {
                    let mut said = core::mem::take(&mut self.moves.unsaid);
                    self.query(op, log, &query, &mut said);
                    said.append(&mut self.moves.unsaid);
                    self.moves.unsaid = said;
                }
            }
        }
    }

    /// Takes the copy one step further.
    fn copy_on(&mut self, log: LogId) {
        let now = self.moves.now;
        let moved = &self.moves.moves[&log];
        let (from, to, is_parking) = (moved.from, moved.to, moved.phase == Phase::Parking);
        let is_late = is_parking && moved.parked_at + PARKED_MAX <= now;
        let is_lost = self.stores[from].is_offline() || self.stores[to].is_offline();
        let logs = (self.stores[from].log_of(log), self.stores[to].log_of(log));
        let (Some(own), Some(copy)) = logs else { return self.end_move(log) };
        if is_lost || !own.is_sound() || !copy.is_sound() || copy.start > own.start {
            return self.end_move(log);
        }
        if moved.is_upset || is_late {
            self.unpark(log);
            return self.wait(log, PAUSE);
        }
        if !moved.cutting.is_empty() {
            return;
        }
        let (own_start, own_durable, copy_end, bytes_max) = (own.start, own.durable, copy.end, self.moves.step_bytes());
        if let Some(cut) = moved.cut.filter(|cut| *cut < copy_end) {
            let end = cut.max(copy.start);
            self.move_of(log).cut = None;
            return self.step(log, to, Action::Truncate { end });
        }
        self.move_of(log).cut = None;
        let next = copy_end.max(own_start);
        let is_held_back = self.moves.bytes_per_second.is_none() || self.moves.throttled_to > now;
        if !is_parking && is_held_back {
            return;
        }
        let moved = &self.moves.moves[&log];
        if next < own_durable && moved.gap != Some((next, own_durable)) {
            self.move_of(log).gap = Some((next, own_durable));
            let op = self.moves.ask(log);
            self.move_of(log).awaits = Some(op);
            let query = Query::Records { from: next, end: own_durable, bytes_max };
            let mut said = core::mem::take(&mut self.moves.unsaid);
            self.with(from, &mut said, |store, out| store.query(op, log, &query, out));
            self.moves.unsaid.append(&mut said);
            return;
        }
        if copy_end < own_start {
            return self.step(log, to, Action::Trim { start: own_start });
        }
        if !is_parking {
            let moved = self.move_of(log);
            (moved.phase, moved.parked_at) = (Phase::Parking, now);
        }
        self.leave(log);
    }

    /// The copy holds all that is durable, and new changes wait: if nothing is under way any more the log is left for it.
    fn leave(&mut self, log: LogId) {
        if self.moves.is_busy(log) {
            return;
        }
        let moved = &self.moves.moves[&log];
        let (from, to) = (moved.from, moved.to);
        let (store, target) = (&self.stores[from], &self.stores[to]);
        let (Some(own), Some(copy)) = (store.log_of(log), target.log_of(log)) else { return };
        let is_all_there = own.end == copy.end || moved.gap == Some((copy.end.max(own.start), own.end));
        if own.is_refusing || own.end != own.durable || !is_all_there || !own.waiting.is_empty() {
            self.unpark(log);
            return self.wait(log, PAUSE);
        }
        if copy.start < own.start {
            return self.step(log, to, Action::Trim { start: own.start });
        }
        if copy.spec.settings != own.spec.settings {
            let settings = own.spec.settings.clone();
            return self.step(log, to, Action::Configure(settings));
        }
        let copy = target.copy_id(log);
        self.move_of(log).phase = Phase::Leaving;
        self.step(log, from, Action::Move(MoveStep::Leave(copy)));
    }

    /// What the copy takes over.
    fn promotion(&self, log: LogId) -> Box<Promotion> {
        let moved = &self.moves.moves[&log];
        let (store, target) = (&self.stores[moved.from], &self.stores[moved.to]);
        let own = store.log_of(log).expect("nothing of it was under way when it was left");
        let (over, stays) = own.whence.as_deref().cloned().unwrap_or_default().passed_on(store.copy_id(log));
        let mut promotion = Promotion { over, stays, log: own.facts(), is_without_producers: false };
        if promotion_bytes(&promotion) as u64 > target.journal.half_bytes / 2 {
            let range = OffsetRange { start: own.start, end: own.end };
            promotion.log = Facts::recovered(range, own.epochs.clone(), Producers::default());
            promotion.is_without_producers = true;
        }
        Box::new(promotion)
    }

    /// Records of the log came: they are appended to the copy.
    fn bring(&mut self, log: LogId, records: &Records) {
        let to = self.moves.moves[&log].to;
        let target = &self.stores[to];
        let Some((start, end)) = target.log_of(log).map(|copy| (copy.start, copy.end)) else { return };
        let own_start = self.stores[self.moves.moves[&log].from].log_of(log).map_or(end, |own| own.start);
        // Bytes that are not those that were written are not copied: whoever reads them next finds out.
        let found: Result<Vec<CheckedBatch>, _> = check_stored(records.to_bytes(), &target.functions).collect();
        let Ok(batches) = found else { return self.end_move(log) };
        let Some(first) = batches.first().map(CheckedBatch::base_offset) else { return };
        self.move_of(log).gap = None;
        if first < end {
            return self.draw_back(log, first, start);
        }
        if first > end && own_start > end {
            // What lay between is deleted.
            let op = self.moves.ask(log);
            self.stores[to].submit(op, log, Action::Trim { start: first });
        }
        if let Some(rate) = self.moves.bytes_per_second.filter(|rate| *rate < i64::MAX as u64) {
            let nanos = records.len() as u128 * 1_000_000_000 / u128::from(rate.max(1));
            let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.moves.throttled_to = self.moves.throttled_to.max(self.moves.now) + time;
        }
        self.step(log, to, Action::Append { batches });
    }

    /// The copy ends within a batch of the log: what it has there is of a past that was cut away. One that begins there is made anew.
    fn draw_back(&mut self, log: LogId, end: Offset, start: Offset) {
        let to = self.move_of(log).to;
        if end < start {
            self.move_of(log).then = Some(to);
            return self.end_move(log);
        }
        self.step(log, to, Action::Truncate { end });
    }
}

impl Store {
    /// What there is of a log.
    pub(super) fn log_of(&self, log: LogId) -> Option<&Log> {
        self.numbers.get(&log).map(|number| &*self.logs[number])
    }

    /// What the log in this directory is called by others.
    pub(super) fn copy_id(&self, log: LogId) -> CopyId {
        CopyId { directory: self.identity.directory, number: self.numbers[&log] }
    }

    /// Appends to this log are tried again.
    fn forgive(&mut self, log: LogId) {
        if let Some(log) = self.numbers.get(&log).and_then(|number| self.logs.get_mut(number)) {
            log.is_refusing = false;
        }
    }
}

/// What moves ask, beside whatever a node asks.
const OWN: u64 = 1 << 63;
/// So many logs are copied at once; the others wait for their turn.
const MOVES_AT_ONCE_MAX: usize = 4;
/// So much is read and written in one step.
const COPIED_AT_ONCE_BYTES: u32 = 256 << 10;
/// Changes wait so long at most for the end of a copy; then they go on, and it tries again.
const PARKED_MAX: Duration = Duration::from_millis(500);
/// After what should not last.
const PAUSE: Duration = Duration::from_millis(20);
/// After a refusal.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "moving_test.rs"]
mod moving_test;
