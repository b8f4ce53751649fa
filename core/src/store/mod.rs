//! The store: turns what a node wants of its logs into operations on files, and their completions into answers. One
//! store is one data directory. It decides everything about the disk and touches none; see docs/protocol/storage.md.
//!
//! ```text
//!   Action ──▶ queue ──▶ group ──▶ journal write ──▶ Done       (commit.rs, journal.rs)
//!                          │
//!                          ▼
//!                        cache ──▶ segment writes, behind        (behind.rs)
//!                          │            │
//!                          │            ▼  journal file full, or idle
//!                          │       flush, catalogue, reuse       (checkpoint.rs, catalogue.rs)
//!                          ▼
//!   Query, Slot ────▶ cache or segment ──▶ Done, Served          (serve.rs, walk.rs, read.rs, ahead.rs)
//! ```

mod ahead;
mod behind;
mod buffer;
mod bypass;
mod cache;
mod catalogue;
mod checkpoint;
mod commit;
mod doom;
pub mod dump;
mod entry;
mod format;
mod index;
mod journal;
mod log;
mod lookback;
mod mark;
mod moving;
mod ops;
mod parse;
mod prove;
mod read;
mod recover;
mod replay;
mod retain;
mod scan;
mod segment;
mod serve;
mod stores;
mod verify;
mod walk;
mod whence;

pub use catalogue::Identity;
pub use checkpoint::CATALOGUE;
pub use format::{Claim, owner};
pub use recover::{Recovered, RecoveredLog, Recovery, RecoveryRefusal, RecoveryStep};
pub use stores::{Places, Stores, Twice, named, unnamed};
pub use whence::Whence;

use crate::boundary::{Action, DiskFault, Done, FileDone, FileFault, FileOp, MoveStage, Note};
use crate::record::{Functions, Records};
use crate::types::{FileOpId, LogId, Mono, Now, Offset, OpId, Str, Ticket, Uuid};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use cache::Cache;
use checkpoint::Checkpoint;
use commit::{Flying, Queued};
use core::time::Duration;
use doom::Doomed;
use journal::Journal;
use log::{Logs, Soundness};
use ops::{Key, Ops, Purpose};
use read::Reads;

/// The tunables of one data directory. Bytes unless the name says otherwise.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StoreConfig {
    /// Every group is flushed before it is acknowledged. If not, acknowledged changes survive the process, but the newest
    /// of them not the power. Votes, truncations and removals are flushed in any case, and all before them.
    pub is_durable: bool,
    /// Length of both journal files together; fixed when the directory is made.
    pub journal_bytes: u64,
    /// A group takes no further change once it is this long.
    pub group_bytes_max: usize,
    /// What a segment lags behind the journal before it is written although no checkpoint asks for it.
    pub behind_bytes: u64,
    /// Batches of one log that arrive together and are at least this long go straight into their segment; the journal
    /// gets their headers.
    pub bypass_bytes_min: usize,
    /// Room is made for so much at once in the segments of logs that such batches go to.
    pub room_bytes: u64,
    /// The longest write to a segment.
    pub write_bytes_max: u64,
    /// The newest batches kept in memory. What no segment holds yet is kept in any case, at most `journal_bytes`.
    pub cache_bytes_max: usize,
    /// The longest read of a segment, unless one batch is longer.
    pub read_bytes_max: usize,
    /// What is read of segments before it is asked for, all readers together.
    pub ahead_bytes_max: usize,
    /// How many reads are under way at once; the others wait.
    pub reads_max: usize,
    /// The least distance between two index entries, whatever a topic says.
    pub index_interval_bytes_min: u32,
    /// All indexes in memory together.
    pub index_bytes_max: usize,
    /// After so long without a change, everything goes to where it belongs.
    pub idle: Duration,
    /// How long to wait before a full disk is tried again.
    pub retry: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            is_durable: true,
            journal_bytes: 64 << 20,
            group_bytes_max: 2 << 20,
            behind_bytes: 1 << 20,
            bypass_bytes_min: 64 << 10,
            room_bytes: 32 << 20,
            write_bytes_max: 2 << 20,
            cache_bytes_max: 32 << 20,
            read_bytes_max: 1 << 20,
            ahead_bytes_max: 16 << 20,
            reads_max: 32,
            index_interval_bytes_min: 32 << 10,
            index_bytes_max: 32 << 20,
            idle: Duration::from_secs(5),
            retry: Duration::from_secs(1),
        }
    }
}

/// What a store asks for and answers.
#[derive(Clone, Debug)]
pub enum StoreOut {
    /// To be done with a file; ends in one [`Store::file_done`].
    File {
        /// Its name.
        id: FileOpId,
        /// What.
        op: FileOp,
    },
    /// An action or a query ended.
    Done {
        /// Which.
        op: OpId,
        /// What came of it.
        outcome: Result<Done, DiskFault>,
    },
    /// The record bytes of a fetch answer.
    Served {
        /// Whose.
        ticket: Ticket,
        /// One for each slot asked for, in their order.
        slots: Vec<Result<Records, DiskFault>>,
    },
    /// A log is on its way to another directory, or no longer. Only [`Stores`] says so.
    Moved {
        /// Which.
        log: LogId,
        /// Where it is going, or where it is.
        directory: usize,
        /// Which of the two.
        stage: MoveStage,
    },
    /// A fact.
    Note(Note),
}

/// One data directory.
pub struct Store {
    config: StoreConfig,
    functions: Functions,
    identity: Identity,
    journal: Journal,
    logs: Logs,
    numbers: BTreeMap<LogId, u32>,
    /// By topic and partition, as their folders are named.
    names: BTreeMap<(Str, i32), u32>,
    /// Logs whose creation waits for the end of another one of that name.
    unborn: Vec<(LogId, u32)>,
    /// The number of the next log.
    number: u32,
    /// What waits for a group.
    queue: VecDeque<Queued>,
    /// The group that is being written.
    flying: Option<Flying>,
    cache: Cache,
    ops: Ops,
    reads: Reads,
    /// The logs that changed since the last checkpoint began.
    changed: BTreeSet<u32>,
    checkpoint: Option<Checkpoint>,
    /// Folders in which a name appeared or vanished since the last checkpoint.
    folders: BTreeSet<String>,
    doomed: Vec<Doomed>,
    health: Health,
    /// When the last group was begun.
    active: Mono,
}

/// What is wrong with the directory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Health {
    /// A write or a flush failed: nothing is written any more.
    is_offline: bool,
    /// There is no room. Tried again at this time.
    retry_at: Option<Mono>,
    /// The writers that met it.
    stalled: BTreeSet<Key>,
    /// The catalogue could not be written.
    is_catalogue_stalled: bool,
}

impl Store {
    /// Takes in a change to a log. It is under way from the next [`Store::turn`] on and ends in one [`StoreOut::Done`].
    /// Changes of one log are made in the order in which they were submitted.
    pub fn submit(&mut self, op: OpId, log: LogId, action: Action) {
        self.queue.push_back(Queued::new(op, log, action));
    }

    /// To be called once a turn of the driver, after whatever it had to submit and the completions it had to report:
    /// begins a group if none is under way, and what has become due.
    pub fn turn(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        if self.health.is_offline {
            self.fail_queue(DiskFault::Offline, out);
            return;
        }
        if self.health.retry_at.is_some_and(|at| at <= now.mono) {
            self.retry(now, out);
        }
        if !self.journal.is_other_free && self.checkpoint.is_none() {
            // A start that found something in the journal: it is moved.
            self.begin_checkpoint(out);
            self.reap(out);
        }
        self.start_group(now, out);
        self.take_up_questions(out);
        if self.idle_deadline().is_some_and(|at| at <= now.mono) {
            self.turn_generation(out);
        }
    }

    /// When [`Store::turn`] has something to do although nothing happened.
    pub fn deadline(&self) -> Option<Mono> {
        if self.health.is_offline {
            return None;
        }
        [self.health.retry_at, self.idle_deadline()].into_iter().flatten().min()
    }

    /// A file operation ended.
    pub fn file_done(&mut self, now: Now, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        self.file_ended(now, id, outcome, out);
        if !self.health.is_offline {
            self.reap(out);
        }
    }

    fn file_ended(&mut self, now: Now, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        let purpose = self.ops.end(id);
        if self.health.is_offline {
            return;
        }
        match purpose {
            Purpose::Group => self.group_written(outcome, out),
            Purpose::Bypass(key, written) => self.bypass_written(key, written, outcome, out),
            Purpose::Write(write) => self.segment_written(now, write, outcome, out),
            Purpose::Writer(key, step) => self.writer_stepped(now, key, step, outcome, out),
            Purpose::Reader(key, file) => self.reader_opened(key, file, outcome, out),
            Purpose::Index(key, step) => self.index_read(key, step, outcome, out),
            Purpose::Chunk(read, key) => self.chunk_read(read, key, outcome, out),
            Purpose::Ahead(piece, key, at) => self.piece_read((piece, key, at), outcome, out),
            Purpose::Catalogue(step) => self.catalogue_stepped(now, step, outcome, out),
            Purpose::Remove(doom) => self.removed(doom, outcome, out),
            Purpose::Close => {}
        }
    }

    /// True while there is no room on the disk: nothing is appended, and reads go on.
    pub fn is_full(&self) -> bool {
        self.health.retry_at.is_some()
    }

    /// The directory's id.
    pub fn directory(&self) -> Uuid {
        self.identity.directory
    }

    /// True once the directory was given up: nothing in it is written or read any more.
    pub fn is_offline(&self) -> bool {
        self.health.is_offline
    }

    /// Moves everything to where it belongs, so that the next start finds the journal empty. Ends when
    /// [`Store::is_quiet`].
    pub fn shut(&mut self, now: Now, out: &mut Vec<StoreOut>) {
        self.active = Mono::default();
        self.config.idle = Duration::ZERO;
        self.turn(now, out);
    }

    /// Is nothing under way, nothing waiting, and the journal empty, as far as the state of the disk allows?
    pub fn is_quiet(&self) -> bool {
        let is_settled = self.flying.is_none() && self.queue.is_empty() && self.checkpoint.is_none();
        self.health.is_offline || is_settled && self.ops.is_empty() && self.journal.at == 0
    }

    /// The logs that it keeps, copies that do not count included.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.numbers.keys().copied()
    }

    /// What must hold between any two calls.
    pub fn check(&self) {
        self.logs.values().for_each(|log| log.check());
        assert_eq!(self.logs.len(), self.numbers.len(), "every log has one number");
        assert_eq!(self.logs.len(), self.names.len(), "every log has a name of its own");
        for (number, log) in &self.logs {
            assert_eq!(self.numbers.get(&log.id), Some(number), "numbers and ids agree");
            for segment in log.segments.iter().filter(|_| !self.health.is_offline && log.soundness != Soundness::Rotten)
            {
                let from = segment.written();
                let is_held = log.copy_cached(segment.base, from, segment.bytes, |_| ());
                assert!(is_held, "what no file holds is in memory: {:?} {:?}", log.id, segment.base);
            }
        }
        assert!(self.journal.at <= self.journal.half_bytes, "a generation ends with its file");
    }

    fn idle_deadline(&self) -> Option<Mono> {
        let is_due = self.journal.is_open
            && self.journal.is_other_free
            && self.journal.at > 0
            && self.flying.is_none()
            && self.checkpoint.is_none();
        is_due.then(|| self.active + self.config.idle)
    }

    /// The directory is given up: whatever waits hears of it.
    fn go_offline(&mut self, out: &mut Vec<StoreOut>) {
        self.health.is_offline = true;
        if let Some(flying) = self.flying.take() {
            flying.ops().for_each(|op| fail(op, DiskFault::Offline, out));
        }
        for log in self.logs.values_mut() {
            self.queue.extend(log.waiting.drain(..));
            out.push(StoreOut::Note(Note::LogOffline { log: log.id, fault: DiskFault::Offline }));
        }
        self.fail_queue(DiskFault::Offline, out);
        self.fail_reads(DiskFault::Offline, out);
    }

    fn fail_queue(&mut self, fault: DiskFault, out: &mut Vec<StoreOut>) {
        self.queue.drain(..).for_each(|queued| fail(queued.op, fault, out));
    }

    /// What waited for bytes of a log that cannot be had fails, but for its deletion, which needs none, and for what waits for that to
    /// make the log again, or another of its name.
    pub(super) fn fail_waiting(&mut self, number: u32, fault: DiskFault, out: &mut Vec<StoreOut>) {
        let log = self.logs.get_mut(&number).expect("looked up by the caller");
        let mut is_deleted = false;
        let stays = |queued: &Queued| {
            is_deleted |= queued.id == log.id && matches!(queued.action, Action::Delete);
            is_deleted || queued.id != log.id
        };
        let (stay, fall): (Vec<_>, Vec<_>) = core::mem::take(&mut log.waiting).into_iter().partition(stays);
        fall.into_iter().for_each(|queued| fail(queued.op, fault, out));
        stay.into_iter().rev().for_each(|queued| self.queue.push_front(queued));
    }

    /// The bytes of a log are not those that were written, from this place of a segment on: it is not used any more.
    fn give_up(&mut self, number: u32, at: Option<(Offset, u64)>, out: &mut Vec<StoreOut>) {
        let Some(log) = self.logs.get_mut(&number) else {
            return;
        };
        if !log.is_sound() {
            return;
        }
        log.soundness = Soundness::Unreadable(at);
        out.push(StoreOut::Note(Note::LogOffline { log: log.id, fault: DiskFault::Rot }));
        self.fail_waiting(number, DiskFault::Rot, out);
        // The catalogue must remember it.
        self.changed.insert(number);
    }
}

fn fail(op: OpId, fault: DiskFault, out: &mut Vec<StoreOut>) {
    out.push(StoreOut::Done { op, outcome: Err(fault) });
}

#[cfg(test)]
#[path = "disk_test.rs"]
mod disk_test;

#[cfg(test)]
#[path = "store_test.rs"]
mod store_test;
