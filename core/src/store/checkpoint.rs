//! Checkpoints: what a generation of the journal holds is moved to where it belongs, so that its file can be used again.
//!
//! ```text
//!   the generation ends ──▶ all that it holds is in the segments, flushed ──▶ removals done, folders flushed
//!     └─ what the catalogue will say                                             │
//!        is written down here                                                    ▼
//!   the file is free ◀── root folder flushed ◀── renamed ◀── catalogue written beside the old one
//! ```
//!
//! Changes go on meanwhile, in the other file.

use super::commit::Queued;
use super::log::Soundness;
use super::ops::{Key, Purpose};
use super::{Store, StoreOut};
use crate::boundary::{Action, DiskFault, FileDone, FileFault, FileId, FileOp, OpenMode};
use crate::plant::{Bug, planted};
use crate::types::limit::BLOCK_BYTES;
use crate::types::{Now, Offset};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// The name of the catalogue, and of one that is being written.
pub const CATALOGUE: &str = "catalogue";
pub(super) const CATALOGUE_NEXT: &str = "catalogue.next";

/// A checkpoint under way.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The segments that have not got there yet.
    left: BTreeSet<Key>,
    /// The logs that had changed.
    logs: BTreeSet<u32>,
    /// Those that are to be cut as soon as all of theirs has got there.
    to_be_cut: BTreeSet<u32>,
    /// What the directory holds once it is over.
    catalogue: Bytes,
    /// The generation that is replayed from then on.
    generation: u64,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Segments,
    Removals,
    /// So many folders are being flushed.
    Folders(u32),
    Catalogue,
}

/// A step behind the segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CatalogueStep {
    Folder,
    Open(FileId),
    Write(FileId),
    Rename,
    Root,
}

impl Store {
    /// Ends the journal's generation and begins the next one, if its file is free. The ended one is moved.
    pub(super) fn turn_generation(&mut self, out: &mut Vec<StoreOut>) -> bool {
        let journal = &mut self.journal;
        if !journal.is_open || !journal.is_other_free || journal.at == 0 || self.checkpoint.is_some() {
            return false;
        }
        assert!(self.flying.is_none(), "a generation ends between two groups");
        journal.generation += 1;
        journal.at = 0;
        journal.bypassed = 0;
        journal.is_other_free = false;
        self.begin_checkpoint(out);
        true
    }

    /// Everything that is in the journal before its current generation is moved.
    pub(super) fn begin_checkpoint(&mut self, out: &mut Vec<StoreOut>) {
        let catalogue = self.write_down();
        let logs = core::mem::take(&mut self.changed);
        let mut left = BTreeSet::new();
        for number in &logs {
            let Some(log) = self.logs.get_mut(number).filter(|log| log.soundness != Soundness::Rotten) else {
                continue;
            };
            for segment in log.segments.iter_mut() {
                if let Some(writer) = &mut segment.writer {
                    writer.goal = Some(segment.bytes);
                    let is_whole = segment.bytes.is_multiple_of(BLOCK_BYTES as u64);
                    writer.may_be_cut = writer.is_unsynced || writer.written < segment.bytes || is_whole;
                    left.insert((*number, segment.base));
                }
            }
        }
        let goals = left.clone();
        let generation = self.journal.generation;
        self.checkpoint =
            Some(Checkpoint { left, logs, to_be_cut: BTreeSet::new(), catalogue, generation, phase: Phase::Segments });
        goals.into_iter().for_each(|key| self.drive(key, out));
        self.advance_checkpoint(out);
    }

    /// Must this log stay as large as it is until the checkpoint has got further?
    pub(super) fn is_checkpointed(&self, number: u32) -> bool {
        let low = (number, Offset(i64::MIN));
        let high = (number, Offset(i64::MAX));
        self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.left.range(low..=high).next().is_some())
    }

    /// A log, or a segment of it, is gone, in the journal for good: nothing of it has to be moved any more. The catalogue may still
    /// speak of it, since what says that it is gone is replayed behind that.
    pub(super) fn pass_over(&mut self, number: u32, segment: Option<Offset>) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.left.retain(|key| key.0 != number || segment.is_some_and(|base| base != key.1));
        }
        self.cut_now(number);
    }

    /// A log that the checkpoint has yet to do with is to be cut: that waits, and what is behind it for this log, and nothing else.
    pub(super) fn cut_later(&mut self, number: u32, queued: Queued) {
        let checkpoint = self.checkpoint.as_mut().expect("it has to do with the log");
        checkpoint.to_be_cut.insert(number);
        self.logs.get_mut(&number).expect("looked up by the caller").waiting.push_back(queued);
    }

    /// The checkpoint is done with a log, or with a part of it: a cut that waited for that goes on.
    fn cut_now(&mut self, number: u32) {
        if !self.is_checkpointed(number) && self.is_to_be_cut(number) {
            self.forget_cut(number);
            let waiting = self.logs.get_mut(&number).map(|log| core::mem::take(&mut log.waiting));
            waiting.into_iter().flatten().rev().for_each(|queued| self.queue.push_front(queued));
        }
    }

    /// Does a cut of this log wait for the checkpoint?
    fn is_to_be_cut(&self, number: u32) -> bool {
        self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.to_be_cut.contains(&number))
    }

    /// The log is to be deleted: a cut, which on a full disk may wait in vain for the room that this makes, is given up.
    pub(super) fn make_way(&mut self, number: u32, action: &Action, out: &mut Vec<StoreOut>) {
        if matches!(action, Action::Delete) && self.is_full() && self.is_to_be_cut(number) {
            self.forget_cut(number);
            self.fail_waiting(number, DiskFault::Full, out);
        }
    }

    /// The same for deletions that came before the disk was full.
    pub(super) fn make_way_again(&mut self, out: &mut Vec<StoreOut>) {
        let is_deletion = |queued: &Queued| matches!(queued.action, Action::Delete);
        let goes = |number: &u32| self.logs.get(number).is_some_and(|log| log.waiting.iter().any(is_deletion));
        let cut = self.checkpoint.iter().flat_map(|checkpoint| checkpoint.to_be_cut.iter().copied());
        for number in cut.filter(goes).collect::<Vec<_>>() {
            self.forget_cut(number);
            self.fail_waiting(number, DiskFault::Full, out);
        }
    }

    /// None does any more.
    fn forget_cut(&mut self, number: u32) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.to_be_cut.remove(&number);
        }
    }

    /// A segment is flushed as far as the checkpoint wants.
    pub(super) fn goal_reached(&mut self, key: Key, out: &mut Vec<StoreOut>) {
        let Some(log) = self.logs.get_mut(&key.0) else {
            return;
        };
        let is_closed = key.1 != log.active().base;
        if let Some(segment) = log.segment_mut(key.1)
            && let Some(writer) = &mut segment.writer
        {
            writer.goal = None;
            if is_closed && writer.written == segment.bytes {
                self.drop_writer(key, out);
            }
        }
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.left.remove(&key);
        }
        self.cut_now(key.0);
        self.advance_checkpoint(out);
        if is_closed {
            // The last segment may have waited for this one.
            self.drive_log(key.0, out);
        }
        self.drive(key, out);
        self.retry_large(key.0, out);
    }

    /// Goes on with the checkpoint as far as nothing is to be waited for.
    pub(super) fn advance_checkpoint(&mut self, out: &mut Vec<StoreOut>) {
        let Some(checkpoint) = &mut self.checkpoint else {
            return;
        };
        if checkpoint.phase == Phase::Segments && checkpoint.left.is_empty() {
            checkpoint.phase = Phase::Removals;
        }
        if checkpoint.phase == Phase::Removals && self.doomed.is_empty() {
            let mut count = 0;
            for path in core::mem::take(&mut self.folders) {
                if !planted(Bug::NoDirectoryFlush) {
                    count += 1;
                    self.ops.ask(Purpose::Catalogue(CatalogueStep::Folder), FileOp::SyncDir { path }, out);
                }
            }
            checkpoint.phase = Phase::Folders(count);
        }
        if checkpoint.phase == Phase::Folders(0) {
            checkpoint.phase = Phase::Catalogue;
            self.write_catalogue(out);
        }
    }

    /// Begins to write the catalogue beside the old one.
    pub(super) fn write_catalogue(&mut self, out: &mut Vec<StoreOut>) {
        let file = self.ops.file();
        let op = FileOp::Open { file, path: String::from(CATALOGUE_NEXT), mode: OpenMode::Write };
        self.ops.ask(Purpose::Catalogue(CatalogueStep::Open(file)), op, out);
    }

    /// A step behind the segments ended.
    pub(super) fn catalogue_stepped(
        &mut self,
        now: Now,
        step: CatalogueStep,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let is_gone_folder = step == CatalogueStep::Folder && outcome == Err(FileFault::NotFound);
        match outcome {
            Ok(_) => {}
            Err(_) if is_gone_folder => {}
            Err(FileFault::Io) if planted(Bug::FailedFlushIgnored) => {}
            Err(FileFault::Full) => {
                if let CatalogueStep::Open(file) | CatalogueStep::Write(file) = step {
                    self.ops.close(file, out);
                }
                self.health.is_catalogue_stalled = true;
                self.health.retry_at = Some(now.mono + self.config.retry);
                return;
            }
            Err(FileFault::Io | FileFault::NotFound | FileFault::Denied) => {
                self.go_offline(out);
                return;
            }
        }
        let checkpoint = self.checkpoint.as_mut().expect("its steps end before it does");
        match step {
            CatalogueStep::Folder => {
                let Phase::Folders(left) = &mut checkpoint.phase else {
                    unreachable!("folders are flushed in a phase of their own");
                };
                *left -= 1;
                self.advance_checkpoint(out);
            }
            CatalogueStep::Open(file) => {
                let parts = vec![checkpoint.catalogue.clone()];
                let op = FileOp::WriteAt { file, at: 0, parts, durable: true };
                self.ops.ask(Purpose::Catalogue(CatalogueStep::Write(file)), op, out);
            }
            CatalogueStep::Write(file) => {
                self.ops.close(file, out);
                let op = FileOp::Rename { from: String::from(CATALOGUE_NEXT), to: String::from(CATALOGUE) };
                self.ops.ask(Purpose::Catalogue(CatalogueStep::Rename), op, out);
            }
            CatalogueStep::Rename if planted(Bug::NoDirectoryFlush) => self.end_checkpoint(out),
            CatalogueStep::Rename => {
                let op = FileOp::SyncDir { path: String::new() };
                self.ops.ask(Purpose::Catalogue(CatalogueStep::Root), op, out);
            }
            CatalogueStep::Root => self.end_checkpoint(out),
        }
    }

    /// The file of the generation before is free.
    fn end_checkpoint(&mut self, out: &mut Vec<StoreOut>) {
        let checkpoint = self.checkpoint.take().expect("it ends once");
        self.journal.is_other_free = true;
        self.journal.is_open = true;
        let begun = checkpoint.generation;
        self.journal.graves.retain(|(_, _, generation)| *generation >= begun);
        // Logs that are not written any more own no open file.
        for number in checkpoint.logs {
            if self.changed.contains(&number) {
                continue;
            }
            let bases = self.logs.get(&number).map(|log| {
                let written = log.segments.iter().filter(|segment| {
                    segment.writer.as_ref().is_some_and(|writer| !writer.is_busy && writer.written == segment.bytes)
                });
                written.map(|segment| segment.base).collect::<Vec<_>>()
            });
            bases.into_iter().flatten().for_each(|base| self.retire((number, base), out));
        }
        self.cache.shrink(&mut self.logs);
        for key in core::mem::take(&mut self.health.stalled) {
            self.drive(key, out);
            self.retry_large(key.0, out);
        }
    }
}
