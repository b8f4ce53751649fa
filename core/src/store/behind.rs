//! Writing segments, some way behind the journal and in large pieces. Every write is whole blocks, past the page cache
//! where that can be. The block that a segment ends in is written again and again as the segment grows; what it held
//! before is in the journal each time (law 2: the first append of a generation puts it there).

use super::buffer::{Pool, block_ceil, block_floor};
use super::ops::{Key, Purpose, SegmentWrite, WriterStep};
use super::segment::{index_path, segment_path};
use super::{Store, StoreOut};
use crate::boundary::{FileDone, FileFault, FileOp, Note, OpenMode};
use crate::plant::{Bug, planted};
use crate::types::Now;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// What a segment's writer should do next.
enum Wish {
    Nothing,
    /// Write up to this position.
    Write(u64),
    /// Cut the file to this length.
    Length(u64),
    /// Make room up to this length.
    Grow(u64),
    /// Flush its name.
    Name,
    Sync,
    /// All that the checkpoint wanted is there.
    Reached,
}

impl Store {
    /// Lets the writers of a log's segments do what is due.
    pub(super) fn drive_log(&mut self, number: u32, out: &mut Vec<StoreOut>) {
        let Some(log) = self.logs.get(&number) else {
            return;
        };
        let behind = log.segments.iter().rev().take_while(|segment| segment.writer.is_some());
        let bases: Vec<_> = behind.map(|segment| segment.base).collect();
        bases.into_iter().rev().for_each(|base| self.drive((number, base), out));
    }

    /// Lets a segment's writer do the next thing that is due, if nothing is under way.
    pub(super) fn drive(&mut self, key: Key, out: &mut Vec<StoreOut>) {
        let wish = self.wish(key);
        let target = match wish {
            Wish::Nothing => return,
            Wish::Reached => {
                self.save_index(key, out);
                return;
            }
            Wish::Write(target) => target,
            Wish::Length(_) | Wish::Grow(_) | Wish::Name | Wish::Sync => 0,
        };
        if !self.has_file(key, out) {
            return;
        }
        let log = self.logs.get_mut(&key.0).expect("wished for something");
        let folder = if matches!(wish, Wish::Name) { log.folder() } else { String::new() };
        let bytes = if target > 0 { Some(log.compose(key, target, &mut self.cache.moves)) } else { None };
        let cuts = log.cuts;
        let writer = log.segment_mut(key.1).and_then(|segment| segment.writer.as_mut()).expect("wished for something");
        writer.is_busy = !matches!(wish, Wish::Grow(_));
        let file = writer.file.expect("opened before");
        match (wish, bytes) {
            (Wish::Write(target), Some(bytes)) => {
                let at = block_floor(writer.written);
                writer.is_unsynced = true;
                writer.is_long = true;
                let op = FileOp::WriteAt { file, at, parts: vec![bytes.clone()], durable: false };
                self.ops.ask(Purpose::Write(SegmentWrite { key, target, cuts, bytes }), op, out);
            }
            (Wish::Length(len), _) => {
                writer.is_unsynced = true;
                self.ops.ask(Purpose::Writer(key, WriterStep::Length(len)), FileOp::SetLen { file, len }, out);
            }
            (Wish::Grow(len), _) => {
                writer.is_growing = true;
                writer.is_long = true;
                self.ops.ask(Purpose::Writer(key, WriterStep::Grow(len)), FileOp::SetLen { file, len }, out);
            }
            (Wish::Name, _) => {
                self.ops.ask(Purpose::Writer(key, WriterStep::NameFile), FileOp::SyncDir { path: folder }, out);
            }
            (Wish::Sync, _) => {
                self.ops.ask(Purpose::Writer(key, WriterStep::Sync), FileOp::Sync { file }, out);
            }
            (Wish::Write(_) | Wish::Nothing | Wish::Reached, _) => unreachable!("handled above"),
        }
    }

    fn wish(&self, key: Key) -> Wish {
        let Some(log) = self.logs.get(&key.0) else {
            return Wish::Nothing;
        };
        let Some(segment) = log.segment(key.1) else {
            return Wish::Nothing;
        };
        // While room is made nothing else touches the file's length.
        let Some(writer) = segment.writer.as_ref().filter(|writer| !writer.is_busy && !writer.is_growing) else {
            return Wish::Nothing;
        };
        let far = block_floor(writer.written) + self.config.write_bytes_max.max(block_ceil(1));
        let is_closed = segment.base != log.active().base;
        if let Some(goal) = writer.goal {
            let padded = block_ceil(segment.bytes);
            return match () {
                () if writer.written < goal || writer.is_suspect => Wish::Write(goal.min(far)),
                () if is_closed && writer.is_long && writer.may_be_cut && segment.bytes > 0 => {
                    Wish::Length(segment.bytes)
                }
                () if is_closed && writer.room > padded && segment.bytes > 0 => Wish::Length(padded),
                () if writer.is_unsynced && !planted(Bug::CatalogueBeforeSegments) => Wish::Sync,
                () => Wish::Reached,
            };
        }
        let whole = block_floor(segment.durable).min(far);
        let is_far_behind = segment.durable >= writer.written + self.config.behind_bytes;
        if is_far_behind && whole > writer.written {
            return Wish::Write(whole);
        }
        // Room is made for a log that is written; what is at rest gives it back, and must not ask for it again.
        let is_written = log.waits_for_file || self.changed.contains(&key.0);
        if is_closed || !is_written || (writer.wanted == 0 && !writer.is_named) {
            return Wish::Nothing;
        }
        if !writer.is_named {
            let is_clear = log.is_alone() && !self.journal.is_grave(log);
            return if is_clear { Wish::Name } else { Wish::Nothing };
        }
        match segment.more_room(writer, log.spec.settings.segment_bytes, self.config.room_bytes) {
            Some(len) => Wish::Grow(len),
            None if writer.wanted > 0 && writer.is_unsynced => Wish::Sync,
            None => Wish::Nothing,
        }
    }

    /// Is the segment's file open? If not, that is seen to.
    fn has_file(&mut self, key: Key, out: &mut Vec<StoreOut>) -> bool {
        let log = &self.logs[&key.0];
        let (folder, has_folder) = (log.folder(), log.has_folder);
        let is_doomed = self.is_doomed(&folder, key.1);
        let log = self.logs.get_mut(&key.0).expect("looked up above");
        let writer = log.segment_mut(key.1).and_then(|segment| segment.writer.as_mut()).expect("wished for a file");
        if writer.file.is_some() {
            return true;
        }
        if is_doomed {
            // Another file of this name is about to go: it is tried again when that has happened.
            self.health.stalled.insert(key);
            return false;
        }
        writer.is_busy = true;
        if !has_folder {
            self.ops.ask(Purpose::Writer(key, WriterStep::Folder), FileOp::MakeDir { path: folder }, out);
            return false;
        }
        let file = self.ops.file();
        let path = segment_path(&folder, key.1);
        let op = FileOp::Open { file, path, mode: OpenMode::Direct };
        self.ops.ask(Purpose::Writer(key, WriterStep::Open(file)), op, out);
        false
    }

    /// A write behind the journal ended.
    pub(super) fn segment_written(
        &mut self,
        now: Now,
        write: SegmentWrite,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let SegmentWrite { key, target, cuts, bytes } = write;
        if !self.is_fine(now, (key, None), &outcome, out) {
            return;
        }
        if let Some(log) = self.logs.get_mut(&key.0) {
            let is_as_before = log.cuts == cuts;
            if let Some(writer) = log.segment_mut(key.1).and_then(|segment| segment.writer.as_mut()) {
                writer.is_busy = false;
                if is_as_before {
                    let from = block_floor(target) - block_floor(writer.written);
                    let head = &bytes[from as usize..(from + target - block_floor(target)) as usize];
                    writer.written = target;
                    writer.room = writer.room.max(block_ceil(target));
                    writer.is_suspect = false;
                    let kept = writer.head.get_or_insert_default();
                    kept.clear();
                    kept.extend_from_slice(head);
                }
            }
        }
        drop(bytes);
        self.cache.shrink(&mut self.logs);
        self.drive(key, out);
        self.retry_large(key.0, out);
    }

    /// Another step of a writer ended.
    pub(super) fn writer_stepped(
        &mut self,
        now: Now,
        key: Key,
        step: WriterStep,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        if !self.is_fine(now, (key, Some(step)), &outcome, out) {
            if let WriterStep::IndexWrite(file) | WriterStep::IndexSync(file) = step {
                self.ops.close(file, out);
            }
            return;
        }
        let log = self.logs.get_mut(&key.0);
        let writer = log.and_then(|log| {
            // The name may be new, or be there without having been flushed: the next checkpoint sees to it.
            match step {
                WriterStep::Folder => drop(self.folders.insert(String::new())),
                WriterStep::Open(_) => drop(self.folders.insert(log.folder())),
                WriterStep::Length(_)
                | WriterStep::Grow(_)
                | WriterStep::Sync
                | WriterStep::NameFile
                | WriterStep::NameFolder
                | WriterStep::IndexOpen(_)
                | WriterStep::IndexWrite(_)
                | WriterStep::IndexSync(_) => {}
            }
            log.has_folder |= step == WriterStep::Folder;
            log.segment_mut(key.1).and_then(|segment| segment.writer.as_mut())
        });
        let Some(writer) = writer else {
            // The segment is gone meanwhile.
            if let Some(file) = step.file() {
                self.ops.close(file, out);
            }
            return;
        };
        writer.is_busy &= matches!(step, WriterStep::Grow(_));
        match step {
            WriterStep::Folder => {}
            WriterStep::Open(file) => {
                writer.file = Some(file);
                if let Ok(FileDone::Opened { len }) = outcome {
                    writer.room = len;
                }
            }
            WriterStep::Length(len) => {
                writer.is_long = false;
                writer.room = len;
            }
            WriterStep::Grow(len) => {
                writer.is_growing = false;
                writer.room = writer.room.max(len);
            }
            WriterStep::Sync => writer.is_unsynced = false,
            WriterStep::NameFile => {
                writer.is_busy = true;
                let op = FileOp::SyncDir { path: String::new() };
                self.ops.ask(Purpose::Writer(key, WriterStep::NameFolder), op, out);
                return;
            }
            WriterStep::NameFolder => writer.is_named = true,
            WriterStep::IndexOpen(_) | WriterStep::IndexWrite(_) | WriterStep::IndexSync(_) => {
                self.index_stepped(key, step, out);
                return;
            }
        }
        self.drive(key, out);
        if let WriterStep::Length(_) | WriterStep::Grow(_) = step
            && !self.changed.contains(&key.0)
            && self.checkpoint.is_none()
        {
            self.retire(key, out);
        }
        self.retry_large(key.0, out);
    }

    /// Did a step of a writer succeed? If not, that is seen to.
    fn is_fine(
        &mut self,
        now: Now,
        (key, step): (Key, Option<WriterStep>),
        outcome: &Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> bool {
        match outcome {
            Ok(_) => true,
            Err(FileFault::Full) => {
                if let Some(log) = self.logs.get_mut(&key.0) {
                    if self.health.retry_at.is_none() {
                        out.push(StoreOut::Note(Note::DiskFull { log: log.id }));
                    }
                    if let Some(writer) = log.segment_mut(key.1).and_then(|segment| segment.writer.as_mut()) {
                        writer.is_busy &= step.is_some_and(|step| matches!(step, WriterStep::Grow(_)));
                        writer.is_growing &= !step.is_some_and(|step| matches!(step, WriterStep::Grow(_)));
                    }
                    self.health.stalled.insert(key);
                    self.health.retry_at = Some(now.mono + self.config.retry);
                    self.retry_large(key.0, out);
                }
                false
            }
            Err(FileFault::Io) if planted(Bug::FailedFlushIgnored) => true,
            Err(FileFault::Io | FileFault::NotFound | FileFault::Denied) => {
                self.go_offline(out);
                false
            }
        }
    }

    /// Tries again what met a full disk.
    pub(super) fn retry(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        self.health.retry_at = Some(now.mono + self.config.retry);
        let stalled = core::mem::take(&mut self.health.stalled);
        let is_catalogue = core::mem::take(&mut self.health.is_catalogue_stalled);
        if stalled.is_empty() && !is_catalogue {
            // The last try met nothing.
            self.health.retry_at = None;
        } else {
            self.make_way_again(out);
        }
        stalled.into_iter().for_each(|key| self.drive(key, out));
        if is_catalogue {
            self.write_catalogue(out);
        }
    }

    /// Before a checkpoint may count on a segment, its index is saved as far as it is known.
    fn save_index(&mut self, key: Key, out: &mut Vec<StoreOut>) {
        let functions = self.functions;
        let log = self.logs.get_mut(&key.0).expect("wished for something");
        let folder = log.folder();
        let segment = log.segment_mut(key.1).expect("wished for something");
        let has_news = segment.index.unsaved(segment.base, segment.salt, &functions).is_some();
        if !has_news {
            self.goal_reached(key, out);
            return;
        }
        segment.writer.as_mut().expect("wished for something").is_busy = true;
        let file = self.ops.file();
        let op = FileOp::Open { file, path: index_path(&folder, key.1), mode: OpenMode::Write };
        self.ops.ask(Purpose::Writer(key, WriterStep::IndexOpen(file)), op, out);
    }

    fn index_stepped(&mut self, key: Key, step: WriterStep, out: &mut Vec<StoreOut>) {
        let functions = self.functions;
        let log = self.logs.get_mut(&key.0).expect("its writer is there");
        let is_closed = key.1 != log.active().base;
        let segment = log.segment_mut(key.1).expect("its writer is there");
        let writer = segment.writer.as_mut().expect("looked at by the caller");
        match step {
            WriterStep::IndexOpen(file) => match segment.index.unsaved(segment.base, segment.salt, &functions) {
                Some((at, bytes)) => {
                    writer.is_busy = true;
                    segment.index.mark_saved();
                    let op = FileOp::WriteAt { file, at, parts: vec![Bytes::from(bytes)], durable: false };
                    self.ops.ask(Purpose::Writer(key, WriterStep::IndexWrite(file)), op, out);
                    return;
                }
                None => self.ops.close(file, out),
            },
            WriterStep::IndexWrite(file) if is_closed => {
                writer.is_busy = true;
                self.ops.ask(Purpose::Writer(key, WriterStep::IndexSync(file)), FileOp::Sync { file }, out);
                return;
            }
            WriterStep::IndexWrite(file) | WriterStep::IndexSync(file) => self.ops.close(file, out),
            WriterStep::Folder
            | WriterStep::Open(_)
            | WriterStep::Length(_)
            | WriterStep::Grow(_)
            | WriterStep::Sync
            | WriterStep::NameFile
            | WriterStep::NameFolder => unreachable!("steps of the segment itself"),
        }
        self.drive(key, out);
    }

    /// The last segment of a log is not written any more, for now: room that was made for more is given back first.
    pub(super) fn retire(&mut self, key: Key, out: &mut Vec<StoreOut>) {
        let Some(segment) = self.logs.get_mut(&key.0).and_then(|log| log.segment_mut(key.1)) else {
            return;
        };
        let len = block_ceil(segment.bytes);
        let Some(writer) = segment.writer.as_mut().filter(|writer| writer.written == segment.bytes) else {
            return;
        };
        if writer.is_busy || writer.is_growing || writer.goal.is_some() || writer.is_suspect {
            return;
        }
        match writer.file {
            Some(file) if writer.is_named && writer.room > len => {
                writer.is_busy = true;
                self.ops.ask(Purpose::Writer(key, WriterStep::Length(len)), FileOp::SetLen { file, len }, out);
            }
            Some(_) | None => self.drop_writer(key, out),
        }
    }

    /// The writer of a segment is not needed any more, for now.
    pub(super) fn drop_writer(&mut self, key: Key, out: &mut Vec<StoreOut>) {
        let segment = self.logs.get_mut(&key.0).and_then(|log| log.segment_mut(key.1));
        if let Some(writer) = segment.and_then(|segment| segment.writer.take())
            && let Some(file) = writer.file
        {
            self.ops.close(file, out);
        }
    }
}

impl super::log::Log {
    /// The blocks of a segment from the one that its file ends in to the one that ends at or behind `target`.
    fn compose(&self, key: Key, target: u64, pool: &mut Pool) -> Bytes {
        let segment = self.segment(key.1).expect("a segment that is written");
        let writer = segment.writer.as_ref().expect("a segment that is written has a writer");
        let from = block_floor(writer.written);
        let mut buffer = pool.take((block_ceil(target) - from) as usize);
        buffer.put(writer.head.as_ref().expect("whatever is pending lies behind a known head"));
        let is_whole = self.copy_cached(key.1, writer.written, target, |part| buffer.put(part));
        assert!(is_whole, "what no file holds is in memory");
        pool.freeze(buffer)
    }
}
