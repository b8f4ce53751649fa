//! Large appends go past the journal: their whole blocks are written straight into the segment, beside the group's own
//! write and not after it. The group holds the headers of the batches and what of them lies in the last block, so that no
//! block is ever written twice; it is acknowledged when all its writes have ended.
//!
//! Replay takes the word of such an entry that all before the last block is in the file. That is so because
//!
//! - nothing of the log is under way to its file, and what was written behind the journal is flushed; what was not
//!   written yet goes along;
//! - the file's name is flushed, and all segments before it are whole, flushed and named;
//! - no removal that the journal has can be replayed and take any of these files with it ([`Journal::is_grave`]);
//! - a block that the file ends in is in the journal's generation before it is written again (law 2);
//! - the next group begins when all writes of this one have ended. Only of the last one it is not known whether they did:
//!   verify.rs looks.
//!
//! There is room before anything is written: a full disk must not be met when the journal says already that all went well.
//!
//! [`Journal::is_grave`]: super::journal::Journal::is_grave

use super::buffer::{block_ceil, block_floor};
use super::commit::{Admitted, Building, FIXED_COST, Queued};
use super::entry::{Change, ENTRY_BYTES, JournalEntry, PLACE_BYTES};
use super::log::{Cached, Log};
use super::ops::{Key, Purpose};
use super::segment::{Segment, Writer};
use super::{Store, StoreConfig, StoreOut, fail};
use crate::boundary::{Action, DiskFault, FileDone, FileFault, FileOp};
use crate::plant::{Bug, planted};
use crate::record::{CheckedBatch, HEADER_BYTES};
use crate::types::limit::BLOCK_BYTES;
use crate::types::{Offset, Wall};
use alloc::vec;
use alloc::vec::Vec;

/// Batches of one log that go beside the group.
pub(super) struct Beside {
    pub(super) log: u32,
    segment: Offset,
    position: u64,
    batches: Vec<CheckedBatch>,
    bytes: u64,
}

/// Which way the next batch of an append goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// With the group, into the journal.
    Journal,
    /// Beside it.
    Beside,
    /// That way too, but there is no room for what the group has to say of it.
    NoRoom,
    /// Behind this group.
    Later,
    /// It is too large for the journal and the segment's file is not ready for it.
    Wait,
}

impl Store {
    /// Which way the first of these batches goes. The log is ready for it unless it has to roll.
    pub(super) fn way(&self, building: &Building, number: u32, batches: &[CheckedBatch], now: Wall) -> Way {
        let log = &self.logs[&number];
        let first = &batches[0];
        if let Some(beside) = building.beside.iter().find(|beside| beside.log == number) {
            let room = log.active().writer.as_ref().map_or(0, |writer| writer.room);
            let end = log.active().bytes + first.bytes_len() as u64;
            let is_out = log.must_roll(first.header(), now) || first.header().attributes.is_control();
            return match () {
                () if is_out || block_floor(end) > room => Way::Later,
                () if beside.bytes >= self.config.group_bytes_max as u64 => Way::Later,
                () if building.left() < HEADER_BYTES => Way::NoRoom,
                () => Way::Beside,
            };
        }
        let is_free = !building.has(number) && building.beside.len() < BESIDE_MAX;
        if is_free && self.may_bypass(log, batches, now) {
            return if building.left() < BESIDE_COST { Way::NoRoom } else { Way::Beside };
        }
        let whole = self.journal.overhead() + FIXED_COST + first.bytes_len();
        if whole as u64 > self.journal.half_bytes { Way::Wait } else { Way::Journal }
    }

    /// Are these batches large enough to go past the journal, and is everything ready for that?
    pub(super) fn may_bypass(&self, log: &Log, batches: &[CheckedBatch], now: Wall) -> bool {
        let end = log.large_end(batches, now, &self.config, self.journal.half_bytes);
        end.is_some_and(|end| log.is_clear_to(end, self.journal.generation))
    }

    /// What an append of these batches adds to a group at most, if it goes beside it.
    pub(super) fn cost_beside(&self, queued: &Queued, now: Wall) -> Option<usize> {
        let (Action::Append { batches }, Some(number)) = (&queued.action, self.numbers.get(&queued.id)) else {
            return None;
        };
        let batches = &batches[queued.taken..];
        let is_so = self.may_bypass(&self.logs[number], batches, now);
        is_so.then_some(FIXED_COST + BESIDE_COST + batches.len() * HEADER_BYTES)
    }

    /// An append that is too large for the journal waits until its segment's file is ready for it.
    pub(super) fn wait_for_file(
        &mut self,
        building: &mut Building,
        now: Wall,
        number: u32,
        queued: Queued,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        if building.has(number) {
            return Admitted::Later(queued);
        }
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        let Action::Append { batches } = &queued.action else {
            unreachable!("only for appends");
        };
        let first = &batches[queued.taken];
        let is_first_step = if log.must_roll(first.header(), now) {
            let base = first.base_offset();
            if !building.entry(number, Change::Roll { base, at: now }) {
                return Admitted::NoRoom(queued);
            }
            log.roll(base, now, self.journal.sequence);
            true
        } else if log.is_covered(self.journal.generation) {
            false
        } else {
            let tail = log.tail();
            let (segment, position) = (log.active().base, log.active().bytes - tail.len() as u64);
            if !building.entry(number, Change::Tail { segment, position, bytes: tail.into() }) {
                return Admitted::NoRoom(queued);
            }
            true
        };
        if is_first_step {
            log.covered = self.journal.generation;
            log.changed = self.journal.generation;
            self.changed.insert(number);
            return Admitted::Later(queued);
        }
        let end = log.active().bytes + first.bytes_len() as u64;
        log.want(end, self.journal.generation);
        log.waits_for_file = true;
        log.waiting.push_back(queued);
        let key = (number, log.active().base);
        if self.journal.is_grave(log) {
            // The generation ends as soon as it can, and then there is another try.
            self.journal.bypassed = u64::MAX;
            self.health.stalled.insert(key);
        }
        self.drive_log(number, out);
        Admitted::Taken
    }

    /// Something happened to a log's files: an append that waits for that has another try.
    pub(super) fn retry_large(&mut self, number: u32, out: &mut Vec<StoreOut>) {
        let Some(log) = self.logs.get_mut(&number).filter(|log| log.waits_for_file) else {
            return;
        };
        let is_under_way = |writer: &Writer| writer.is_busy || writer.is_growing || writer.goal.is_some();
        let is_full = self.health.retry_at.is_some();
        let mut writers = log.segments.iter().rev().map_while(|segment| segment.writer.as_ref());
        if !is_full && writers.any(|writer| is_under_way(writer)) {
            return;
        }
        log.waits_for_file = false;
        for queued in core::mem::take(&mut log.waiting).into_iter().rev() {
            if is_full && queued.taken == 0 && matches!(queued.action, Action::Append { .. }) {
                log.is_refusing = true;
                fail(queued.op, DiskFault::Full, out);
            } else {
                self.queue.push_front(queued);
            }
        }
    }

    /// Writes what goes beside a group, and puts into the group what it has to say of it. Returns how many writes.
    pub(super) fn launch_beside(&mut self, building: &mut Building, out: &mut Vec<StoreOut>) -> u32 {
        let mut writes = 0;
        for beside in core::mem::take(&mut building.beside) {
            let Beside { log: number, segment, position, batches, bytes } = beside;
            let log = self.logs.get_mut(&number).expect("nothing deletes it in this group");
            let end = position + bytes;
            let writer = log.active().writer.as_deref().expect("it was looked at before");
            let (from, written) = (block_floor(writer.written), writer.written);
            let mut buffer = self.cache.beside.take((block_ceil(end) - from) as usize);
            buffer.put(writer.head.as_ref().expect("it was looked at before"));
            let is_whole = log.copy_cached(segment, written, position, |part| buffer.put(part));
            assert!(is_whole, "what no file holds is in memory");
            let mut places = Vec::with_capacity(batches.len());
            for batch in &batches {
                let at = buffer.len();
                buffer.put(&batch.header().to_bytes());
                buffer.put(batch.body());
                places.push(at..buffer.len());
            }
            let buffer = self.cache.beside.freeze(buffer);
            let whole = (block_floor(end) - from) as usize;
            let tail = buffer.slice(whole..whole + (end - block_floor(end)) as usize);
            let headers = batches.iter().map(|batch| *batch.header()).collect();
            let change = Change::Bypass { segment, position, headers, tail };
            building.buffer.put(&JournalEntry { log: number, change }.to_bytes());
            let mut last = Offset::ZERO;
            for (batch, at) in batches.iter().zip(places) {
                last = batch.end_offset();
                let (base, position) = (batch.base_offset(), from + at.start as u64);
                log.cached.push_back(Cached { base, end: last, segment, position, bytes: buffer.slice(at) });
            }
            self.journal.bypassed = self.journal.bypassed.saturating_add(bytes);
            self.cache.hold(buffer.len(), vec![(number, last)]);
            if whole == 0 {
                // Only the first batches of a large append fitted, and all of them lie in the last block.
                continue;
            }
            let writer = log.active_mut().writer.as_mut().expect("it was looked at before");
            writer.is_busy = true;
            writer.wanted = 0;
            let file = writer.file.expect("it was looked at before");
            let op = FileOp::WriteAt { file, at: from, parts: vec![buffer.slice(..whole)], durable: true };
            self.ops.ask(Purpose::Bypass((number, segment), block_floor(end)), op, out);
            writes += 1;
        }
        writes
    }

    /// A write beside the group under way ended.
    pub(super) fn bypass_written(
        &mut self,
        key: Key,
        written: u64,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        if outcome.is_ok()
            && let Some(segment) = self.logs.get_mut(&key.0).and_then(|log| log.segment_mut(key.1))
            && let Some(writer) = &mut segment.writer
        {
            writer.is_busy = false;
            writer.is_long = true;
            writer.is_suspect = false;
            writer.written = written;
            writer.head = Some(Vec::new());
        }
        self.group_written(outcome, out);
    }

    /// Begins with another generation once as much went past this one as it could have held twice.
    pub(super) fn is_much_bypassed(&self) -> bool {
        self.journal.bypassed >= 2 * self.journal.half_bytes
    }
}

impl Building {
    /// Takes a batch that goes beside the group; there is room for what has to be said of it.
    pub(super) fn put_beside(&mut self, number: u32, log: &mut Log, batch: &CheckedBatch) {
        if !self.beside.iter().any(|beside| beside.log == number) {
            let (segment, position) = (log.active().base, log.active().bytes);
            self.beside.push(Beside { log: number, segment, position, batches: Vec::new(), bytes: 0 });
            self.reserved += BESIDE_COST - HEADER_BYTES;
            self.entries += 1;
            self.touch(number);
        }
        let beside = self.beside.iter_mut().find(|beside| beside.log == number).expect("it is there now");
        beside.bytes += batch.bytes_len() as u64;
        beside.batches.push(batch.clone());
        self.reserved += HEADER_BYTES;
    }
}

impl Log {
    /// Where these batches would end in the last segment, if they are large.
    pub(super) fn large_end(
        &self,
        batches: &[CheckedBatch],
        now: Wall,
        config: &StoreConfig,
        half_bytes: u64,
    ) -> Option<u64> {
        let first = batches.first()?;
        if self.must_roll(first.header(), now) {
            return None;
        }
        let from = self.active().bytes;
        let (mut end, mut count) = (from, 0);
        for batch in batches {
            let next = end + batch.bytes_len() as u64;
            let is_elsewhere = count > 0 && next > u64::from(self.spec.settings.segment_bytes);
            if is_elsewhere || batch.header().attributes.is_control() {
                break;
            }
            (end, count) = (next, count + 1);
        }
        let bytes_min = (config.bypass_bytes_min as u64).clamp(BLOCK_BYTES as u64, half_bytes / 2);
        let is_large = end - from >= bytes_min && count * HEADER_BYTES as u64 * HEADERS_SHARE <= end - from;
        is_large.then_some(end)
    }

    /// May batches up to this position of the last segment be written straight into it?
    pub(super) fn is_clear_to(&self, end: u64, generation: u64) -> bool {
        self.active().writer.as_ref().is_some_and(|writer| {
            let is_idle = !writer.is_busy && writer.goal.is_none();
            let is_settled = !writer.is_unsynced || planted(Bug::BypassWhileJournalled);
            let is_open = writer.file.is_some() && writer.is_named && writer.head.is_some();
            is_idle && is_settled && is_open && self.is_covered(generation) && block_floor(end) <= writer.room
        })
    }

    /// Does this generation of the journal hold the block that the last segment's file ends in?
    fn is_covered(&self, generation: u64) -> bool {
        let written = self.active().written();
        self.covered == generation || written.is_multiple_of(BLOCK_BYTES as u64)
    }

    /// A large append would have gone straight into the last segment, up to here: that is made ready for the next one,
    /// and the segments before it are brought to their end.
    pub(super) fn want(&mut self, end: u64, generation: u64) {
        let is_covered = self.covered == generation;
        let mut segments = self.segments.iter_mut().rev();
        let Some(writer) = segments.next().and_then(|active| active.writer.as_mut()) else {
            return;
        };
        writer.wanted = end;
        for segment in segments {
            let bytes = segment.bytes;
            let Some(writer) = &mut segment.writer else {
                break;
            };
            if writer.goal.is_none() {
                writer.goal = Some(bytes);
                writer.may_be_cut = is_covered;
            }
        }
    }

    /// Are all segments before the last one in their files for good?
    pub(super) fn is_alone(&self) -> bool {
        self.segments.iter().rev().skip(1).all(|segment| segment.writer.is_none())
    }
}

impl Segment {
    /// To which length the file of the last segment, which has a name, is to be extended; none if it is long enough.
    pub(super) fn more_room(&self, writer: &Writer, segment_bytes: u32, room_bytes: u64) -> Option<u64> {
        let most = u64::from(segment_bytes).max(writer.wanted);
        let least = (self.bytes + room_bytes / 2).min(most).max(writer.wanted);
        let is_wanted = !writer.is_growing && writer.room < least;
        is_wanted.then(|| block_ceil((self.bytes + room_bytes).min(most).max(writer.wanted)))
    }
}

/// What a group has to say of one log's batches, besides all headers but the first.
const BESIDE_COST: usize = ENTRY_BYTES + PLACE_BYTES + 4 + BLOCK_BYTES + HEADER_BYTES;
/// So many logs may write beside one group; those of the others go with it.
const BESIDE_MAX: usize = 4;
/// Headers may be this part of what goes past the journal.
const HEADERS_SHARE: u64 = 16;
const _: () = assert!(BESIDE_COST <= FIXED_COST);
