//! Changes that make a log smaller: truncation, `DeleteRecords`, retention, deletion. Files go only once the change is in
//! the journal for good (doom.rs).

use super::commit::{Admitted, Building, PRODUCER_COST, Queued};
use super::doom::Doomed;
use super::entry::{Change, ENTRY_BYTES};
use super::log::Log;
use super::{Store, StoreOut};
use crate::boundary::{Action, Note};
use crate::log::Producers;
use crate::plant::{Bug, planted};
use crate::record::NO_TIMESTAMP;
use crate::types::limit::BLOCK_BYTES;
use crate::types::{Now, Offset, Wall};
use alloc::vec::Vec;

impl Store {
    pub(super) fn admit_shrinking(
        &mut self,
        building: &mut Building,
        now: Now,
        number: u32,
        queued: Queued,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        if building.has(number) {
            // Batches of this very group are not in the cache yet.
            return Admitted::Later(queued);
        }
        if self.is_checkpointed(number) && matches!(queued.action, Action::Truncate { .. }) {
            // The catalogue under way counts on what its log holds. It does not on whole segments, or logs, of which what is behind it says
            // that they are gone: a checkpoint that waits for room must not keep those from making some.
            self.cut_later(number, queued);
            return Admitted::Taken;
        }
        match &queued.action {
            Action::Truncate { end } => {
                let end = *end;
                self.admit_truncate(building, now, (number, queued), end, out)
            }
            Action::Trim { start } => {
                let start = *start;
                self.admit_trim(building, now, number, queued, start)
            }
            Action::Retain { now: wall, limit } => {
                let log = &self.logs[&number];
                let start = log.expired(*wall, *limit);
                self.admit_trim(building, now, number, queued, start)
            }
            Action::Delete => self.admit_delete(building, number, queued, out),
            Action::Create(_)
            | Action::Configure(_)
            | Action::Append { .. }
            | Action::Vote { .. }
            | Action::Registration { .. }
            | Action::Move(_) => {
                unreachable!("these make no log smaller")
            }
        }
    }

    fn admit_truncate(
        &mut self,
        building: &mut Building,
        now: Now,
        (number, mut queued): (u32, Queued),
        end: Offset,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        // One that all was dropped of and that is cut at its end has nothing to say for the producers and the epochs it knew.
        let knows_any = !log.producers.is_empty() || !log.epochs.entries().is_empty();
        let is_emptied = end == log.end && log.start == log.end && knows_any;
        if end >= log.end && !is_emptied {
            building.finish(queued.op, log);
            return Admitted::Taken;
        }
        // It may have been dropped up to there since this was asked for.
        let end = end.max(log.start);
        let Some(cut) = queued.cut.take() else {
            return self.wait_for_cut(number, queued, end, out);
        };
        let mut gone = log.segments.iter().rev().take_while(|segment| segment.base > cut.segment);
        if gone.any(|segment| segment.writer.as_ref().is_some_and(|writer| writer.is_busy || writer.is_growing)) {
            // The next segment may have the name of one that goes: whatever ends then must not be taken for a step of its.
            queued.cut = Some(cut);
            return Admitted::Later(queued);
        }
        let producers = match queued.producers.take() {
            None if log.producers.reach_behind(cut.end) => {
                queued.cut = Some(cut);
                return self.wait_for_producers(number, queued, cut, now.wall, out);
            }
            // More of them than the journal holds are new to the log again.
            found => found
                .map(|found| log.producers.eked_out(found, cut.end))
                .filter(|found| found.len() * PRODUCER_COST < self.journal.half_bytes as usize / 2),
        };
        let mut bytes = Vec::new();
        producers.iter().for_each(|found| found.encode(&mut bytes));
        if building.left() < bytes.len() + 2 * ENTRY_BYTES + BLOCK_BYTES / 2 {
            (queued.cut, queued.producers) = (Some(cut), producers.or_else(|| Some(Producers::default())));
            return Admitted::NoRoom(queued);
        }
        if !planted(Bug::TruncationNotJournalled) {
            building.entry(number, Change::Truncate(cut));
        }
        let folder = log.folder();
        let gone = log.cut(&cut, self.journal.sequence);
        if let Some(found) = producers.filter(|found| !found.is_empty()) {
            building.entry(number, Change::Producers(bytes.into()));
            log.adopt(found);
        }
        log.changed = self.journal.generation;
        self.changed.insert(number);
        building.finish(queued.op, log);
        building.doomed.extend(Doomed::segments(number, &folder, gone));
        Admitted::Taken
    }

    fn admit_trim(
        &mut self,
        building: &mut Building,
        now: Now,
        number: u32,
        queued: Queued,
        start: Offset,
    ) -> Admitted {
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        if start <= log.start {
            building.finish(queued.op, log);
            return Admitted::Taken;
        }
        // All of it goes: the last segment too, so that its bytes do.
        let is_all = start == log.end && log.active().bytes > 0;
        if is_all {
            if building.left() < 128 {
                return Admitted::NoRoom(queued);
            }
            building.entry(number, Change::Roll { base: start, at: now.wall });
            log.roll(start, now.wall, self.journal.sequence);
        }
        if !building.entry(number, Change::Trim { start, at: now.wall }) {
            return Admitted::NoRoom(queued);
        }
        let folder = log.folder();
        let gone = log.trim(start, now.wall, self.journal.sequence);
        if is_all || log.active().bytes == 0 {
            log.covered = self.journal.generation;
        }
        log.changed = self.journal.generation;
        self.changed.insert(number);
        building.finish(queued.op, log);
        building.doomed.extend(Doomed::segments(number, &folder, gone));
        Admitted::Taken
    }

    fn admit_delete(
        &mut self,
        building: &mut Building,
        number: u32,
        queued: Queued,
        out: &mut Vec<StoreOut>,
    ) -> Admitted {
        if !building.entry(number, Change::Delete) {
            return Admitted::NoRoom(queued);
        }
        let log = self.logs.remove(&number).expect("looked up by the caller");
        self.numbers.remove(&log.id);
        self.names.remove(&log.name());
        self.changed.remove(&number);
        building.finish(queued.op, &log);
        let folder = log.folder();
        let files = log.segments.into_iter().filter_map(|segment| segment.writer.and_then(|writer| writer.file));
        let files = files.collect();
        building.doomed.push(Doomed { log: number, segment: None, folder, files, removing: None });
        out.push(StoreOut::Note(Note::LogDeleted { log: log.id }));
        Admitted::Taken
    }
}

impl Log {
    /// Where the log would start if what its settings do not want to keep any longer went (Kafka's rules: whole segments
    /// from the oldest on, nothing at or behind `limit`; the last one only if all of it may go).
    fn expired(&self, now: Wall, limit: Offset) -> Offset {
        let settings = &self.spec.settings;
        if !settings.delete {
            return self.start;
        }
        let mut surplus = settings.retention_bytes.map_or(0, |kept| self.bytes().saturating_sub(kept));
        let mut start = self.start;
        for (at, segment) in self.segments.iter().enumerate() {
            let end = self.segment_end(at);
            let age = match segment.max_time {
                NO_TIMESTAMP => i128::from(now.0) - i128::from(segment.created.0),
                latest => i128::from(now.0) - i128::from(latest.0),
            };
            let is_old = settings.retention_age.is_some_and(|kept| age > kept.as_millis() as i128);
            let is_surplus = segment.bytes > 0 && settings.retention_bytes.is_some() && surplus >= segment.bytes;
            if end > limit || segment.bytes == 0 || !(is_old || is_surplus) {
                break;
            }
            surplus = surplus.saturating_sub(segment.bytes);
            start = start.max(end);
        }
        start
    }
}
