//! Reads under way: who waits for which walk, which files are open for reading, and how many may run at once.

use super::ahead::{Ahead, Found};
use super::index::INDEX_BYTES_MAX;
use super::ops::{IndexStep, Key, Purpose};
use super::segment::{index_path, segment_path};
use super::serve::Serve;
use super::walk::{Answer, Step, Walk};
use super::{Store, StoreOut, fail};
use crate::boundary::{DiskFault, Done, FileDone, FileFault, FileId, FileOp, OpenMode};
use crate::types::{LogId, Offset, OpId, Ticket};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Reads and what belongs to them.
#[derive(Default)]
pub(super) struct Reads {
    walks: BTreeMap<u64, Reading>,
    next: u64,
    running: usize,
    /// These wait until fewer are running.
    queue: VecDeque<u64>,
    files: BTreeMap<Key, ReaderFile>,
    /// Reads that wait for a segment's index.
    indexes: BTreeMap<Key, Vec<u64>>,
    /// The segments whose index was loaded, oldest first.
    loaded: VecDeque<Key>,
    pub(super) serves: BTreeMap<Ticket, Serve>,
    /// What is asked about logs that still have something to be done.
    pub(super) questions: Vec<(OpId, LogId)>,
    pub(super) ahead: Ahead,
    /// How many removals were begun.
    pub(super) removals: u64,
    uses: u64,
}

/// A walk under way.
pub(super) struct Reading {
    pub(super) walk: Walk,
    asker: Reader,
    is_running: bool,
    /// The chunk that was asked for.
    chunk_at: u64,
}

/// Who waits for a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reader {
    /// A query.
    Op(OpId),
    /// The next slot of a fetch answer.
    Slot(Ticket),
    /// The log itself: its first waiting action cannot go on without.
    Log(u32),
    /// Nobody: what the log is found to be is all that matters.
    Nobody,
}

struct ReaderFile {
    file: FileId,
    is_open: bool,
    waiting: Vec<u64>,
    used: u64,
}

impl Reads {
    /// Forgets the files of a segment, or of all of a log's, which nobody uses. Returns those to be closed.
    pub(super) fn forget(&mut self, log: u32, segment: Option<Offset>) -> Vec<FileId> {
        let (low, high) = segment.map_or((Offset(i64::MIN), Offset(i64::MAX)), |base| (base, base));
        self.ahead.forget((log, low)..=(log, high));
        let keys: Vec<Key> = self.files.range((log, low)..=(log, high)).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.files.remove(&key)).map(|reader| reader.file).collect()
    }

    /// Is somebody waiting for a walk through this log?
    pub(super) fn is_walking(&self, log: u32) -> bool {
        self.walks.values().any(|reading| reading.walk.log == log && reading.asker != Reader::Nobody)
    }

    /// A walk under way.
    pub(super) fn walk_mut(&mut self, id: u64) -> Option<&mut Walk> {
        self.walks.get_mut(&id).map(|reading| &mut reading.walk)
    }

    /// The segment's file, if it is open. It stays so, while others that are not used go.
    pub(super) fn use_file(&mut self, key: Key) -> Option<FileId> {
        self.uses += 1;
        let reader = self.files.get_mut(&key).filter(|reader| reader.is_open)?;
        reader.used = self.uses;
        Some(reader.file)
    }
}

impl Store {
    /// Begins a walk. An answer if nothing has to be read for it.
    pub(super) fn begin_read(&mut self, walk: Walk, asker: Reader, out: &mut Vec<StoreOut>) -> Option<Answer> {
        let id = self.reads.next;
        self.reads.next += 1;
        self.reads.walks.insert(id, Reading { walk, asker, is_running: false, chunk_at: 0 });
        self.run_read(id, out).map(|(_, answer)| answer)
    }

    /// Goes on with a walk until it ends or waits.
    fn run_read(&mut self, id: u64, out: &mut Vec<StoreOut>) -> Option<(Reader, Answer)> {
        let mut reading = self.reads.walks.remove(&id).expect("a read is there until it ends");
        let number = reading.walk.log;
        let answer = loop {
            let Some(log) = self.logs.get_mut(&number) else {
                break Answer::Fault(DiskFault::NoSuchLog);
            };
            let step = reading.walk.step(log, self.config.index_interval_bytes_min, &self.functions);
            match step {
                Step::Done(answer) => break answer,
                Step::Rot => {
                    self.give_up(number, reading.walk.place(), out);
                    break Answer::Fault(DiskFault::Rot);
                }
                Step::Chunk { key, at, len, need } => match self.find_ahead(&reading, key, (at, len, need), out) {
                    Found::Bytes(position, bytes) => reading.walk.give_ahead(key.1, position, bytes),
                    Found::Coming(piece) => {
                        self.reads.ahead.wait(piece, id);
                        self.reads.walks.insert(id, reading);
                        return None;
                    }
                    Found::Nothing => {
                        reading.chunk_at = at;
                        if self.may_run(id, reading) {
                            self.ask_chunk(id, key, at, len, out);
                        }
                        return None;
                    }
                },
                Step::Index(key) => {
                    if self.may_run(id, reading) {
                        self.ask_index(id, key, out);
                    }
                    return None;
                }
            }
        };
        self.reads.running -= usize::from(reading.is_running);
        Some((reading.asker, answer))
    }

    /// Puts a walk that waits for a file back. False if it has to wait for others first.
    fn may_run(&mut self, id: u64, mut reading: Reading) -> bool {
        let may_run = reading.is_running || self.reads.running < self.config.reads_max;
        if may_run {
            self.reads.running += usize::from(!reading.is_running);
            reading.is_running = true;
        } else {
            self.reads.queue.push_back(id);
        }
        self.reads.walks.insert(id, reading);
        may_run
    }

    /// Goes on with a walk, and hands its answer to whoever waits.
    pub(super) fn resume(&mut self, id: u64, out: &mut Vec<StoreOut>) {
        let Some((reader, answer)) = self.run_read(id, out) else {
            return;
        };
        match reader {
            Reader::Op(op) => answer_op(op, answer, out),
            Reader::Slot(ticket) => self.slot_answered(ticket, answer, out),
            Reader::Log(number) => self.log_answered(number, answer, out),
            Reader::Nobody => {}
        }
    }

    /// Lets waiting reads begin.
    pub(super) fn pump_reads(&mut self, out: &mut Vec<StoreOut>) {
        while self.reads.running < self.config.reads_max {
            let Some(id) = self.reads.queue.pop_front() else {
                return;
            };
            self.resume(id, out);
        }
    }

    fn ask_chunk(&mut self, id: u64, key: Key, at: u64, len: usize, out: &mut Vec<StoreOut>) {
        if let Some(file) = self.reads.use_file(key) {
            self.ops.ask(Purpose::Chunk(id, key), FileOp::ReadAt { file, at, len }, out);
            return;
        }
        if let Some(reader) = self.reads.files.get_mut(&key) {
            reader.waiting.push(id);
            return;
        }
        self.close_oldest_reader(out);
        let file = self.ops.file();
        let path = segment_path(&self.logs[&key.0].folder(), key.1);
        self.reads
            .files
            .insert(key, ReaderFile { file, is_open: false, waiting: alloc::vec![id], used: self.reads.uses });
        self.ops.ask(Purpose::Reader(key, file), FileOp::Open { file, path, mode: OpenMode::Read }, out);
    }

    fn close_oldest_reader(&mut self, out: &mut Vec<StoreOut>) {
        if self.reads.files.len() < READERS_MAX {
            return;
        }
        let idle =
            self.reads.files.iter().filter(|(key, reader)| reader.is_open && !self.ops.is_busy(key.0, Some(key.1)));
        if let Some((key, _)) = idle.min_by_key(|(_, reader)| reader.used) {
            let key = *key;
            let reader = self.reads.files.remove(&key).expect("found above");
            self.ops.close(reader.file, out);
        }
    }

    /// A segment is open for reading, or is not.
    pub(super) fn reader_opened(
        &mut self,
        key: Key,
        file: FileId,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let reader = self.reads.files.get_mut(&key).expect("it stays as long as it is busy");
        let waiting = core::mem::take(&mut reader.waiting);
        reader.is_open = true;
        if outcome.is_err() {
            self.reads.files.remove(&key);
            self.give_up(key.0, Some((key.1, 0)), out);
        }
        let _ = file;
        for id in waiting {
            self.resume(id, out);
        }
    }

    /// Bytes of a segment are here, or are not.
    pub(super) fn chunk_read(
        &mut self,
        id: u64,
        key: Key,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let reading = self.reads.walks.get_mut(&id).expect("a read is there until it ends");
        let (number, at) = (reading.walk.log, reading.chunk_at);
        let is_whole = match outcome {
            Ok(FileDone::Read(bytes)) => {
                let segment = self.logs.get(&key.0).and_then(|log| log.segment(key.1));
                let bytes = match segment {
                    Some(segment) => segment.mend(at, reading.walk.asked_len(), bytes),
                    None => bytes,
                };
                reading.walk.give(at, bytes)
            }
            Ok(FileDone::Ok | FileDone::Opened { .. } | FileDone::Listed(_)) => unreachable!("a read brings bytes"),
            Err(_) => false,
        };
        if !is_whole && self.is_still_there(number, id) {
            self.give_up(number, Some((key.1, at)), out);
        }
        self.resume(id, out);
        self.pump_reads(out);
    }

    /// Are the bytes that a read asked for still a part of its log?
    fn is_still_there(&self, number: u32, id: u64) -> bool {
        self.logs.get(&number).is_some_and(|log| self.reads.walks[&id].walk.is_still_there(log))
    }

    fn ask_index(&mut self, id: u64, key: Key, out: &mut Vec<StoreOut>) {
        if let Some(waiting) = self.reads.indexes.get_mut(&key) {
            waiting.push(id);
            return;
        }
        self.reads.indexes.insert(key, alloc::vec![id]);
        let file = self.ops.file();
        let path = index_path(&self.logs[&key.0].folder(), key.1);
        let op = FileOp::Open { file, path, mode: OpenMode::Read };
        self.ops.ask(Purpose::Index(key, IndexStep::Open(file)), op, out);
    }

    /// A step of reading an index ended. Whatever went wrong, it is only a hint.
    pub(super) fn index_read(
        &mut self,
        key: Key,
        step: IndexStep,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        let functions = self.functions;
        let bytes = match (step, outcome) {
            (IndexStep::Open(file), Ok(FileDone::Opened { len })) => {
                let len = len.min(INDEX_BYTES_MAX) as usize;
                let op = FileOp::ReadAt { file, at: 0, len };
                self.ops.ask(Purpose::Index(key, IndexStep::Read(file)), op, out);
                return;
            }
            (IndexStep::Read(file), Ok(FileDone::Read(bytes))) => {
                self.ops.close(file, out);
                bytes
            }
            (IndexStep::Read(file), _) => {
                self.ops.close(file, out);
                bytes::Bytes::new()
            }
            (IndexStep::Open(_), _) => bytes::Bytes::new(),
        };
        let segment = self.logs.get_mut(&key.0).and_then(|log| log.segment_mut(key.1));
        if let Some(segment) = segment.filter(|segment| !segment.index.is_loaded) {
            segment.index.load(&bytes, segment.base, segment.salt, &functions);
            self.reads.loaded.push_back(key);
            self.forget_indexes();
        }
        for id in self.reads.indexes.remove(&key).unwrap_or_default() {
            self.resume(id, out);
        }
        self.pump_reads(out);
    }

    /// Keeps the memory of loaded indexes within its bound: the oldest of closed segments go, they are in files.
    fn forget_indexes(&mut self) {
        let mut bytes = 0;
        for key in &self.reads.loaded {
            let segment = self.logs.get(&key.0).and_then(|log| log.segment(key.1));
            bytes += segment.map_or(0, |segment| segment.index.memory_bytes());
        }
        while bytes > self.config.index_bytes_max && self.reads.loaded.len() > 1 {
            let key = self.reads.loaded.pop_front().expect("more than one");
            let Some(segment) = self.logs.get_mut(&key.0).and_then(|log| log.segment_mut(key.1)) else {
                continue;
            };
            bytes -= segment.index.memory_bytes();
            if segment.writer.is_none() {
                segment.index = super::index::Index::default();
            }
        }
    }

    /// The directory is given up: all reads end.
    pub(super) fn fail_reads(&mut self, fault: DiskFault, out: &mut Vec<StoreOut>) {
        for (_, reading) in core::mem::take(&mut self.reads.walks) {
            if let Reader::Op(op) = reading.asker {
                fail(op, fault, out);
            }
        }
        for (ticket, serve) in core::mem::take(&mut self.reads.serves) {
            out.push(StoreOut::Served { ticket, slots: serve.failed(fault) });
        }
        core::mem::take(&mut self.reads.questions).into_iter().for_each(|(op, _)| fail(op, fault, out));
        self.reads.ahead.clear();
        self.reads.queue.clear();
        self.reads.running = 0;
    }
}

/// Tells a query its answer.
pub(super) fn answer_op(op: OpId, answer: Answer, out: &mut Vec<StoreOut>) {
    let outcome = match answer {
        Answer::Records(records) => Ok(Done::Records(records)),
        Answer::Batch(batch) => Ok(Done::Batch(batch)),
        Answer::Fault(fault) => Err(fault),
        Answer::Cut(_) | Answer::Block(_) | Answer::Producers(_) => unreachable!("only logs ask for these"),
    };
    out.push(StoreOut::Done { op, outcome });
}

/// So many segments are open for reading at once.
const READERS_MAX: usize = 256;
