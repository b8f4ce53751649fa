//! Group commit: what waits becomes one group, one write, one flush. The next group begins when that has ended, with all
//! that came meanwhile, so that load makes groups larger instead of flushes more.

use super::buffer::Aligned;
use super::bypass::{Beside, Way};
use super::doom::Doomed;
use super::entry::{Change, Cut, ENTRY_BYTES, JournalEntry, KIND_APPEND, KIND_VOID, NO_LOG, PLACE_BYTES, head, place};
use super::journal::Journal;
use super::log::{Cached, Log};
use super::ops::Purpose;
use super::{Store, StoreOut, fail};
use crate::boundary::{Action, DiskFault, Done, FileDone, FileFault, FileOp, Mark, MoveStep, Note, Promotion};
use crate::log::Producers;
use crate::plant::{Bug, planted};
use crate::record::CheckedBatch;
use crate::types::limit::BLOCK_BYTES;
use crate::types::{LogId, Now, Offset, OpId, Wall};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

/// A change that waits for its group.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) op: OpId,
    pub(super) id: LogId,
    pub(super) action: Action,
    /// So many of its batches are in earlier groups.
    pub(super) taken: usize,
    /// Where a truncation cuts, once that is known.
    pub(super) cut: Option<Cut>,
    /// What is to be known of the producers that it concerns, once that was found out.
    pub(super) producers: Option<Producers>,
}

impl Queued {
    pub(super) fn new(op: OpId, id: LogId, action: Action) -> Self {
        Self { op, id, action, taken: 0, cut: None, producers: None }
    }

    /// Upper bound on what it adds to a group; beyond `enough` only for its first batch.
    fn cost(&self, enough: usize) -> usize {
        let mut cost = FIXED_COST + self.producers.as_ref().map_or(0, |known| known.len() * PRODUCER_COST);
        if let Action::Move(MoveStep::Promote(promotion)) = &self.action {
            cost += promotion_bytes(promotion);
        }
        if let Action::Move(MoveStep::Mark(mark)) = &self.action {
            cost += 32 * (mark.lost.len() + 2);
        }
        if let Action::Append { batches } = &self.action {
            for batch in &batches[self.taken..] {
                cost += batch.bytes_len() + ENTRY_COST;
                if cost > enough {
                    break;
                }
            }
        }
        cost
    }
}

/// An entry, a roll before it and what is around them.
const ENTRY_COST: usize = 2 * ENTRY_BYTES + 2 * PLACE_BYTES;
/// Every change that is not an append (topic names have a bound), or the tail before one.
pub(super) const FIXED_COST: usize = BLOCK_BYTES + 2 * ENTRY_COST;

/// What the journal takes of one numbering producer, at most.
pub(super) const PRODUCER_COST: usize = 512;

/// Upper bound on what the journal takes of one.
pub(super) fn promotion_bytes(promotion: &Promotion) -> usize {
    let copies = promotion.over.len() + promotion.stays.len();
    let log = &promotion.log;
    log.producers().len() * PRODUCER_COST + 16 * log.epochs().entries().len() + 32 * (copies + 4)
}

fn promotion_change(promotion: &Promotion) -> Change {
    let mut facts = Vec::new();
    promotion.log.encode(&mut facts);
    let keeps_producers = promotion.is_without_producers;
    Change::Promote {
        over: promotion.over.clone(),
        stays: promotion.stays.clone(),
        facts: facts.into(),
        keeps_producers,
    }
}

/// The group under way.
pub(super) struct Flying {
    done: Vec<Finished>,
    /// The logs it changes.
    logs: Vec<u32>,
    doomed: Vec<Doomed>,
    /// Questions about these logs, to be answered when all that is in memory is true.
    questions: Vec<(OpId, LogId)>,
    /// Writes that have not ended.
    writes: u32,
    flush: Flush,
}

/// How a group comes to be on the device for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flush {
    /// Its write sees to it, or a flush that is under way.
    Asked,
    /// It has to be flushed although the directory is relaxed, and all before it.
    Owed,
    /// Sooner or later.
    Never,
}

/// An action that ends with its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    pub(super) op: OpId,
    start: Offset,
    end: Offset,
}

/// A group in the making.
pub(super) struct Building {
    pub(super) buffer: Aligned,
    pub(super) entries: u32,
    /// The logs it changes, sorted.
    pub(super) logs: Vec<u32>,
    pieces: Vec<Piece>,
    done: Vec<Finished>,
    pub(super) doomed: Vec<Doomed>,
    /// What goes beside it, and so many bytes of the buffer that it needs.
    pub(super) beside: Vec<Beside>,
    pub(super) reserved: usize,
    /// Something in it must not be forgotten, however relaxed the directory is.
    pub(super) is_weighty: bool,
}

/// A batch in the buffer, cached once the buffer is done.
struct Piece {
    log: u32,
    segment: Offset,
    position: u64,
    base: Offset,
    end: Offset,
    at: Range<usize>,
}

/// What became of a queued action.
pub(super) enum Admitted {
    /// It is in the group, or ended, or waits with its log.
    Taken,
    /// It does not fit any more.
    NoRoom(Queued),
    /// It has to be in a later group.
    Later(Queued),
}

impl Building {
    fn new(journal: &Journal, buffer: Aligned) -> Self {
        let mut building = Self {
            buffer,
            entries: 0,
            logs: Vec::new(),
            pieces: Vec::new(),
            done: Vec::new(),
            doomed: Vec::new(),
            beside: Vec::new(),
            reserved: ENTRY_BYTES * journal.voided.len(),
            is_weighty: false,
        };
        journal.begin(&mut building.buffer);
        building
    }

    /// Appends a small entry. False, and nothing done, if it does not fit.
    pub(super) fn entry(&mut self, log: u32, change: Change) -> bool {
        let is_weighty = matches!(
            change,
            Change::Vote { .. }
                | Change::Registration(_)
                | Change::Truncate(_)
                | Change::Leave(_)
                | Change::Stay
                | Change::Promote { .. }
        );
        let bytes = JournalEntry { log, change }.to_bytes();
        if bytes.len() > self.left() {
            return false;
        }
        self.buffer.put(&bytes);
        self.entries += 1;
        self.is_weighty |= is_weighty;
        self.touch(log);
        true
    }

    /// How many bytes more it takes.
    pub(super) fn left(&self) -> usize {
        self.buffer.left() - self.reserved
    }

    pub(super) fn touch(&mut self, log: u32) {
        if let Err(at) = self.logs.binary_search(&log) {
            self.logs.insert(at, log);
        }
    }

    pub(super) fn has(&self, log: u32) -> bool {
        self.logs.binary_search(&log).is_ok()
    }

    /// The action ends with this group.
    pub(super) fn finish(&mut self, op: OpId, log: &Log) {
        self.done.push(Finished { op, start: log.start, end: log.end });
    }
}

impl Store {
    /// Begins a group of what waits, if none is under way and there is room.
    pub(super) fn start_group(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        while self.flying.is_none() && !self.queue.is_empty() && !self.health.is_offline {
            if self.is_much_bypassed() {
                self.turn_generation(out);
            }
            let room = self.room(now.wall);
            if room < self.journal.overhead() + FIXED_COST {
                if !self.turn_generation(out) {
                    return;
                }
                continue;
            }
            let buffer = self.cache.pool.take(room);
            let mut building = Building::new(&self.journal, buffer);
            let waiting = self.queue.len();
            let has_room = self.fill(&mut building, now, out);
            if building.entries > 0 {
                self.active = now.mono;
                self.launch(building, now.wall, out);
                return;
            }
            building.done.iter().for_each(|done| out.push(done.out()));
            self.cache.pool.give_up(building.buffer);
            if self.queue.len() < waiting {
                continue;
            }
            if has_room {
                // Nothing is left, or what comes next has to wait for the checkpoint.
                return;
            }
            if !self.turn_generation(out) {
                return;
            }
        }
    }

    /// Room for a group of what waits.
    fn room(&self, now: Wall) -> usize {
        let overhead = self.journal.overhead();
        let mut want = overhead;
        for queued in &self.queue {
            if want >= self.config.group_bytes_max {
                break;
            }
            let beside = self.cost_beside(queued, now);
            want += beside.unwrap_or_else(|| queued.cost(self.config.group_bytes_max - want));
        }
        want.min(self.journal.left())
    }

    /// Puts into the group what fits. False if something did not for lack of room.
    fn fill(&mut self, building: &mut Building, now: Now, out: &mut Vec<StoreOut>) -> bool {
        while let Some(queued) = self.queue.pop_front() {
            match self.admit(building, now, queued, out) {
                Admitted::Taken => {}
                Admitted::NoRoom(queued) => {
                    self.queue.push_front(queued);
                    return false;
                }
                Admitted::Later(queued) => {
                    self.queue.push_front(queued);
                    return true;
                }
            }
        }
        true
    }

    fn admit(&mut self, building: &mut Building, now: Now, queued: Queued, out: &mut Vec<StoreOut>) -> Admitted {
        if let Action::Move(MoveStep::Mark(mark)) = &queued.action {
            let mark = mark.clone();
            return self.admit_mark(building, queued, mark);
        }
        let Some(&number) = self.numbers.get(&queued.id) else {
            return self.admit_unknown(building, now, queued, out);
        };
        self.make_way(number, &queued.action, out);
        let log = self.logs.get_mut(&number).expect("numbers and logs agree");
        if !log.waiting.is_empty() {
            // In order, behind what waits for something to be read, or moved.
            log.waiting.push_back(queued);
            return Admitted::Taken;
        }
        let is_full = self.health.retry_at.is_some();
        let fault = match &queued.action {
            Action::Delete => None,
            _ if !log.is_sound() => Some(DiskFault::Rot),
            // An append of which a part is stored already is not refused any more.
            // Decisions, small as they are, go on in the journal, which has its blocks: they delete topics and so make room.
            Action::Append { .. }
                if queued.taken == 0 && (log.is_refusing || is_full && queued.id != LogId::METADATA) =>
            {
                log.is_refusing = true;
                Some(DiskFault::Full)
            }
            Action::Create(_)
            | Action::Configure(_)
            | Action::Append { .. }
            | Action::Truncate { .. }
            | Action::Trim { .. }
            | Action::Retain { .. }
            | Action::Vote { .. }
            | Action::Registration { .. }
            | Action::Move(_) => None,
        };
        if let Some(fault) = fault {
            fail(queued.op, fault, out);
            return Admitted::Taken;
        }
        match &queued.action {
            Action::Create(_) | Action::Move(MoveStep::Future(_)) => {
                building.finish(queued.op, log);
                Admitted::Taken
            }
            Action::Configure(settings) => {
                let settings = settings.clone();
                self.admit_small(building, number, queued, Change::Configure(settings))
            }
            Action::Vote { term, voted } => {
                let (term, voted) = (*term, *voted);
                self.admit_small(building, number, queued, Change::Vote { term, voted })
            }
            Action::Registration { epoch } => {
                let change = Change::Registration(*epoch);
                self.admit_small(building, number, queued, change)
            }
            Action::Move(MoveStep::Leave(copy)) => {
                let copy = *copy;
                self.admit_small(building, number, queued, Change::Leave(copy))
            }
            Action::Move(MoveStep::Stay) => self.admit_small(building, number, queued, Change::Stay),
            Action::Move(MoveStep::Promote(promotion)) => {
                let change = promotion_change(promotion);
                self.admit_small(building, number, queued, change)
            }
            Action::Move(MoveStep::Mark(_)) => unreachable!("it belongs to no log"),
            Action::Append { .. } => self.admit_append(building, now, number, queued, out),
            Action::Truncate { .. } | Action::Trim { .. } | Action::Retain { .. } | Action::Delete => {
                self.admit_shrinking(building, now, number, queued, out)
            }
        }
    }

    fn admit_mark(&mut self, building: &mut Building, queued: Queued, mark: Mark) -> Admitted {
        let bytes = JournalEntry { log: NO_LOG, change: Change::Mark(mark.clone()) }.to_bytes();
        if bytes.len() > building.left() {
            return Admitted::NoRoom(queued);
        }
        building.buffer.put(&bytes);
        building.entries += 1;
        building.is_weighty = true;
        building.done.push(Finished { op: queued.op, start: Offset::ZERO, end: Offset::ZERO });
        self.journal.mark = mark;
        Admitted::Taken
    }

    fn admit_unknown(
        &mut self,
        building: &mut Building,
        now: Now,
        queued: Queued,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        let (Action::Create(spec) | Action::Move(MoveStep::Future(spec))) = &queued.action else {
            if let Some((_, namesake)) = self.unborn.iter().find(|(id, _)| *id == queued.id) {
                self.logs.get_mut(namesake).expect("it has yet to be deleted").waiting.push_back(queued);
                return Admitted::Taken;
            }
            fail(queued.op, DiskFault::NoSuchLog, out);
            return Admitted::Taken;
        };
        let name = (spec.topic.clone(), queued.id.partition);
        self.unborn.retain(|(id, _)| *id != queued.id);
        if let Some(&number) = self.names.get(&name) {
            // An earlier log of this name has its folder still: its deletion waits for a read of its own.
            let namesake = self.logs.get_mut(&number).expect("names and logs agree");
            let is_dying = namesake.waiting.iter().any(|waiting| matches!(waiting.action, Action::Delete));
            assert!(is_dying, "two logs of one name: {name:?}");
            self.unborn.push((queued.id, number));
            namesake.waiting.push_back(queued);
            return Admitted::Taken;
        }
        let is_future = matches!(queued.action, Action::Move(_));
        let (id, at) = (queued.id, now.wall);
        let change = match is_future {
            true => Change::Future { id, spec: spec.clone(), at },
            false => Change::Create { id, spec: spec.clone(), at },
        };
        if !building.entry(self.number, change) {
            return Admitted::NoRoom(queued);
        }
        let mut log = Log::newborn(queued.id, spec.clone(), now.wall, self.journal.sequence);
        log.covered = self.journal.generation;
        log.changed = self.journal.generation;
        if is_future {
            log.whence_mut().is_future = true;
        }
        building.finish(queued.op, &log);
        out.push(StoreOut::Note(Note::LogCreated { log: queued.id, topic: spec.topic.clone() }));
        self.numbers.insert(queued.id, self.number);
        self.names.insert(name, self.number);
        self.logs.insert(self.number, Box::new(log));
        self.changed.insert(self.number);
        self.number += 1;
        Admitted::Taken
    }

    fn admit_small(&mut self, building: &mut Building, number: u32, queued: Queued, change: Change) -> Admitted {
        if !building.entry(number, change.clone()) {
            return Admitted::NoRoom(queued);
        }
        let log = self.logs.get_mut(&number).expect("looked up before");
        match (change, &queued.action) {
            (Change::Configure(settings), _) => log.spec.settings = settings,
            (Change::Vote { term, voted }, _) => log.hard_mut().vote = Some((term, voted)),
            (Change::Registration(epoch), _) => log.hard_mut().registration = Some(epoch),
            (Change::Leave(copy), _) => log.whence_mut().leaving = Some(copy),
            (Change::Stay, _) => log.whence_mut().stay(),
            (Change::Promote { over, stays, .. }, Action::Move(MoveStep::Promote(promotion))) => {
                log.promote(over, stays, (&promotion.log, promotion.is_without_producers));
            }
            _ => unreachable!("the kinds that only set something"),
        }
        log.changed = self.journal.generation;
        self.changed.insert(number);
        building.finish(queued.op, log);
        Admitted::Taken
    }

    fn admit_append(
        &mut self,
        building: &mut Building,
        now: Now,
        number: u32,
        mut queued: Queued,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        let Action::Append { batches } = &queued.action else {
            unreachable!("only for appends");
        };
        while let Some(first) = batches.get(queued.taken) {
            let log = self.logs.get_mut(&number).expect("looked up before");
            let rolls = log.must_roll(first.header(), now.wall);
            // Cold logs know nothing of their partial last block: it is read before anything covers it.
            if !rolls && !log.ready() {
                return self.wait_for_block(number, queued, out);
            }
            let rest = &batches[queued.taken..];
            match self.way(building, number, rest, now.wall) {
                Way::Journal => {
                    let Some(taken) = self.put_in_journal(building, number, rest, now.wall) else {
                        return Admitted::NoRoom(queued);
                    };
                    queued.taken += taken;
                }
                Way::Beside => {
                    let log = self.logs.get_mut(&number).expect("looked up before");
                    building.put_beside(number, log, first);
                    log.append(first, now.wall, self.config.index_interval_bytes_min);
                    log.covered = self.journal.generation;
                    log.changed = self.journal.generation;
                    self.changed.insert(number);
                    queued.taken += 1;
                }
                Way::NoRoom => return Admitted::NoRoom(queued),
                Way::Later => return Admitted::Later(queued),
                Way::Wait => return self.wait_for_file(building, now.wall, number, queued, out),
            }
        }
        building.is_weighty |= queued.id == LogId::METADATA;
        building.finish(queued.op, &self.logs[&number]);
        Admitted::Taken
    }

    /// Puts some of these batches into the group, and what must go before them; returns how many. None if there is no
    /// room even for the first.
    fn put_in_journal(
        &mut self,
        building: &mut Building,
        number: u32,
        batches: &[CheckedBatch],
        now: Wall,
    ) -> Option<usize> {
        let (first, generation) = (&batches[0], self.journal.generation);
        let log = self.logs.get_mut(&number).expect("looked up before");
        let rolls = log.must_roll(first.header(), now);
        let tail = if rolls || log.covered == generation { Vec::new() } else { log.tail() };
        let fixed = if rolls { ENTRY_BYTES + PLACE_BYTES } else { 0 }
            + if tail.is_empty() { 0 } else { ENTRY_BYTES + PLACE_BYTES + tail.len() }
            + ENTRY_BYTES
            + PLACE_BYTES;
        if fixed + first.bytes_len() > building.left() {
            return None;
        }
        if let Some(end) = log.large_end(batches, now, &self.config, self.journal.half_bytes) {
            log.want(end, generation);
        }
        if rolls {
            let is_in = building.entry(number, Change::Roll { base: first.base_offset(), at: now });
            assert!(is_in, "there was room for it");
            log.roll(first.base_offset(), now, self.journal.sequence);
        }
        if !tail.is_empty() {
            let (segment, position) = (log.active().base, log.active().bytes - tail.len() as u64);
            let is_in = building.entry(number, Change::Tail { segment, position, bytes: Bytes::from(tail) });
            assert!(is_in, "there was room for it");
        }
        log.covered = generation;
        log.changed = generation;
        self.changed.insert(number);
        Some(building.run(number, log, batches, &self.config, now))
    }

    /// The group is complete: it is written.
    fn launch(&mut self, mut building: Building, now: Wall, out: &mut Vec<StoreOut>) {
        let mut beside = Vec::new();
        let writes = self.launch_beside(&mut building, &mut beside);
        for number in core::mem::take(&mut self.journal.voided) {
            building.buffer.put(&head(number, KIND_VOID, 0));
            building.entries += 1;
            building.touch(number);
        }
        self.journal.chain = self.journal.seal(&mut building.buffer, building.entries, now, &self.functions);
        let buffer = self.cache.pool.freeze(building.buffer);
        let mut ends: Vec<(u32, Offset)> = Vec::new();
        for piece in building.pieces {
            let Some(log) = self.logs.get_mut(&piece.log) else {
                continue;
            };
            let Piece { segment, position, base, end, at, .. } = piece;
            log.cached.push_back(Cached { base, end, segment, position, bytes: buffer.slice(at) });
            match ends.last_mut() {
                Some((last, known)) if *last == piece.log => *known = end,
                _ => ends.push((piece.log, end)),
            }
        }
        let generation = self.journal.generation;
        let graves = building.doomed.iter().map(|doomed| (doomed.folder.clone(), doomed.segment, generation));
        self.journal.graves.extend(graves);
        let at = self.journal.at;
        self.journal.at += buffer.len() as u64;
        self.journal.sequence += 1;
        self.journal.logs_before.clone_from(&building.logs);
        let durable = self.config.is_durable && !planted(Bug::AckBeforeFlush);
        let op = FileOp::WriteAt { file: self.journal.file(), at, parts: alloc::vec![buffer.clone()], durable };
        self.ops.ask(Purpose::Group, op, out);
        out.append(&mut beside);
        self.cache.hold(buffer.len(), ends);
        let Building { done, logs, doomed, .. } = building;
        let flush = match building.is_weighty || !doomed.is_empty() {
            _ if self.config.is_durable => Flush::Asked,
            true => Flush::Owed,
            false => Flush::Never,
        };
        let mut flying = Flying { done, logs, doomed, questions: Vec::new(), writes: 1 + writes, flush };
        if planted(Bug::AckBeforeFlush) {
            flying.done.drain(..).for_each(|done| out.push(done.out()));
        }
        self.flying = Some(flying);
    }

    /// A write of the group under way ended.
    pub(super) fn group_written(&mut self, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        if outcome.is_err() && !planted(Bug::FailedFlushIgnored) {
            self.go_offline(out);
            return;
        }
        let flying = self.flying.as_mut().expect("a group is under way until its writes have ended");
        flying.writes -= 1;
        if flying.writes == 0 && flying.flush == Flush::Owed {
            // What stands before it may be in either file.
            flying.flush = Flush::Asked;
            flying.writes = self.journal.files.len() as u32;
            for file in self.journal.files {
                self.ops.ask(Purpose::Group, FileOp::Sync { file }, out);
            }
        }
        if flying.writes > 0 {
            return;
        }
        let flying = self.flying.take().expect("looked at above");
        if flying.flush == Flush::Asked {
            self.journal.flushed = self.journal.sequence;
        }
        for number in &flying.logs {
            if let Some(log) = self.logs.get_mut(number) {
                log.all_durable();
            }
        }
        flying.done.iter().for_each(|done| out.push(done.out()));
        flying.doomed.iter().for_each(|gone| self.pass_over(gone.log, gone.segment));
        self.doomed.extend(flying.doomed);
        for (op, log) in flying.questions {
            self.answer_facts(op, log, out);
        }
        for number in flying.logs {
            self.drive_log(number, out);
        }
        self.cache.shrink(&mut self.logs);
        self.pump_reads(out);
    }
}

impl Building {
    /// Puts batches into the group as one entry, as many as fit and belong to the log's last segment; at least the first
    /// does. Returns how many.
    fn run(
        &mut self,
        number: u32,
        log: &mut Log,
        batches: &[CheckedBatch],
        config: &super::StoreConfig,
        now: Wall,
    ) -> usize {
        let entry_at = self.buffer.len();
        let (segment, position) = (log.active().base, log.active().bytes);
        self.buffer.put(&[0; ENTRY_BYTES]);
        self.buffer.put(&place(segment, position));
        let mut count = 0;
        for batch in batches {
            let is_elsewhere = count > 0 && log.must_roll(batch.header(), now);
            if is_elsewhere || batch.bytes_len() > self.left() {
                break;
            }
            let (at, position) = (self.buffer.len(), log.active().bytes);
            self.buffer.put(&batch.header().to_bytes());
            self.buffer.put(batch.body());
            log.append(batch, now, config.index_interval_bytes_min);
            let (base, end, at) = (batch.base_offset(), batch.end_offset(), at..self.buffer.len());
            self.pieces.push(Piece { log: number, segment, position, base, end, at });
            count += 1;
        }
        assert!(count > 0, "there was room for one");
        let payload = self.buffer.len() - entry_at - ENTRY_BYTES;
        self.buffer.as_mut()[entry_at..entry_at + ENTRY_BYTES].copy_from_slice(&head(number, KIND_APPEND, payload));
        self.entries += 1;
        self.touch(number);
        count
    }
}

impl Flying {
    /// Whatever ends with it.
    pub(super) fn ops(&self) -> impl Iterator<Item = OpId> {
        let done = self.done.iter().map(|done| done.op);
        done.chain(self.questions.iter().map(|(op, _)| *op))
    }

    /// A question about a log is answered when this group has ended.
    pub(super) fn ask(&mut self, op: OpId, log: LogId) {
        self.questions.push((op, log));
    }
}

impl Finished {
    fn out(&self) -> StoreOut {
        StoreOut::Done { op: self.op, outcome: Ok(Done::Stored { start: self.start, end: self.end }) }
    }
}
