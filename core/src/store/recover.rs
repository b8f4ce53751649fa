//! Recovery: from the bytes that a process left behind, however it ended, to a store.
//!
//! ```text
//!   list ──▶ catalogue ──▶ journal files, flushed ──▶ groups of the catalogue's generation, then of the next ──▶ store
//!     │          ▲
//!     └─▶ is the journal as empty as it was made? ──▶ format
//! ```
//!
//! Nothing is made or changed in a directory before it is certain that it will be opened.
//!
//! What is built on is flushed before it is read, and then read from the device: a process may have died between a write
//! and its flush, and a start may have met a flush that failed, which left behind what can be read and is not there.
//!
//! A group that cannot be read is the torn last one, which nobody was told of, unless a later one says that all before it
//! was flushed: then it is rot, and the logs that it changed go offline (law 4). What was replayed is not written at
//! once: it is pending, as it was before, and a first checkpoint moves it. Logs that could not be read are read through
//! at last (prove.rs).

use super::cache::Cache;
use super::catalogue::{self, CatalogueFault, Identity};
use super::checkpoint::CATALOGUE;
use super::format::{Claim, Found, look, plan};
use super::journal::{JOURNAL_NAMES, Journal};
use super::log::{Log, Soundness};
use super::ops::{Ops, Purpose};
use super::prove::Proving;
use super::read::Reads;
use super::scan::Scan;
use super::segment::segment_path;
use super::verify::Doubt;
use super::whence::Whence;
use super::{Health, Store, StoreConfig, StoreOut};
use crate::boundary::{FileDone, FileFault, FileId, FileOp, HardState, LogSpec, OpenMode};
use crate::log::{Epochs, Producers};
use crate::plant::{Bug, planted};
use crate::record::Functions;
use crate::types::limit::BLOCK_BYTES;
use crate::types::{BrokerId, FileOpId, LogId, Mono, Offset, Str};
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The opening of one data directory. One file operation is under way at a time.
pub struct Recovery {
    config: StoreConfig,
    functions: Functions,
    claim: Claim,
    ops: Ops,
    stage: Stage,
    /// The lengths of the journal files that are there.
    journal: [Option<u64>; 2],
}

/// What became of a step.
pub enum RecoveryStep {
    /// More operations were asked for.
    More,
    /// The directory is open.
    Ready(Box<Store>, Recovered),
    /// It cannot be used, or not by us.
    Refused(RecoveryRefusal),
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Who the directory belongs to.
    pub identity: Identity,
    /// True if there was nothing before.
    pub is_new: bool,
    /// Every log, in no meaningful order.
    pub logs: Vec<RecoveredLog>,
}

/// One log that was found.
#[derive(Clone, Debug)]
pub struct RecoveredLog {
    /// Its id.
    pub id: LogId,
    /// What it is.
    pub spec: LogSpec,
    /// First offset still kept.
    pub start: Offset,
    /// First offset behind the last record.
    pub end: Offset,
    /// Which epoch wrote what.
    pub epochs: Epochs,
    /// Who numbers batches.
    pub producers: Producers,
    /// What the node kept with it.
    pub hard: HardState,
    /// Its number in the directory.
    pub number: u32,
    /// What it knows of other copies.
    pub whence: Whence,
    /// False if bytes were lost: the log is not to be used, and every action and query on it but its deletion fails.
    pub is_online: bool,
    /// If it could not be read: the file, and from which byte of it on.
    pub damaged_at: Option<(String, u64)>,
}

impl RecoveredLog {
    /// Was nothing ever done with it but to make it? Then nothing was promised of it.
    pub(super) fn is_blank(&self) -> bool {
        let is_empty = self.start == Offset::ZERO && self.end == Offset::ZERO && self.epochs.entries().is_empty();
        is_empty && self.hard == HardState::default() && self.whence == Whence::default() && self.is_online
    }
}

/// Why a directory is not opened.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RecoveryRefusal {
    /// It holds something that is not ours.
    Foreign {
        /// For example this.
        name: Str,
    },
    /// It was written by a later version.
    Newer {
        /// Its format version.
        version: u16,
    },
    /// There is nothing in it, and nobody said for which cluster it is to be made.
    NotFormatted,
    /// It belongs to another node.
    OtherNode(BrokerId),
    /// It belongs to another cluster.
    OtherCluster(Str),
    /// The catalogue is damaged.
    CatalogueRotten,
    /// There is no catalogue, yet there is something that only a catalogue makes sense of.
    CatalogueMissing {
        /// For example these.
        names: Str,
    },
    /// A journal file is missing, or shorter than it was made.
    JournalMissing {
        /// Its name.
        name: Str,
    },
    /// The first changes in the journal, which made the directory's logs, are damaged.
    JournalRotten,
    /// A group in the journal is whole but says something that this version does not know.
    JournalUnreadable,
    /// The disk refused.
    Disk(FileFault),
}

impl fmt::Display for RecoveryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { name } => {
                write!(f, "the directory is not empty and not a data directory of ours: it holds {name:?}")
            }
            Self::Newer { version } => {
                write!(f, "the directory was written by a later version (format {version})")
            }
            Self::NotFormatted => f.write_str("the directory was never formatted"),
            Self::OtherNode(node) => write!(f, "the directory belongs to node {}", node.0),
            Self::OtherCluster(cluster) => write!(f, "the directory belongs to cluster {cluster}"),
            Self::CatalogueRotten => f.write_str("the catalogue of the directory is damaged"),
            Self::CatalogueMissing { names } => {
                write!(f, "its file {CATALOGUE:?} is missing, without which nobody knows what is in {names}")
            }
            Self::JournalMissing { name } => write!(f, "its file {name:?} is missing or cut short"),
            Self::JournalRotten => f.write_str("its journal is damaged where its logs were made"),
            Self::JournalUnreadable => f.write_str("the journal holds changes that this version does not know"),
            Self::Disk(FileFault::NotFound) => f.write_str("the directory is not there"),
            Self::Disk(FileFault::Full) => f.write_str("there is no room on the disk"),
            Self::Disk(FileFault::Denied) => f.write_str("access to the directory is denied"),
            Self::Disk(FileFault::Io) => f.write_str("the disk reports an error"),
        }
    }
}

enum Stage {
    List,
    /// There is no catalogue. The journal files that are there are opened, read and closed, one after the other.
    Look {
        step: LookStep,
        journal: VecDeque<&'static str>,
        names: Str,
    },
    Format(VecDeque<FileOp>),
    OpenCatalogue {
        file: FileId,
        is_new: bool,
    },
    ReadCatalogue {
        file: FileId,
        is_new: bool,
    },
    OpenJournal(Box<Scan>),
    /// What is read next is flushed first: a process may have died between a write, or the catalogue's new name, and the
    /// flush, and whatever is built on it now must not vanish with the power.
    Flush(VecDeque<FileOp>, Box<Scan>),
    Scan(Box<Scan>),
    /// A segment that the last group speaks of is opened, flushed, read and closed.
    Verify(VerifyStep, Box<Scan>),
    /// Logs that could not be read are read through.
    Prove(Proving),
    Over,
}

#[derive(Clone, Copy)]
enum LookStep {
    Open(FileId),
    Read(FileId),
    Close,
}

enum VerifyStep {
    Open(FileId, Doubt),
    Settle(FileId, Doubt),
    Read(FileId, Doubt),
    Close,
}

impl Recovery {
    /// To be begun with [`Recovery::start`].
    pub fn new(config: StoreConfig, functions: Functions, claim: Claim) -> Self {
        Self { config, functions, claim, ops: Ops::default(), stage: Stage::List, journal: [None; 2] }
    }

    /// Asks for the first operation.
    pub fn start(&mut self, out: &mut Vec<StoreOut>) {
        self.ask(FileOp::List { path: String::new() }, out);
    }

    /// An operation ended.
    pub fn file_done(
        &mut self,
        id: FileOpId,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> RecoveryStep {
        if let Stage::Prove(proving) = &mut self.stage {
            proving.file_done(id, outcome, out);
            return self.prove_on(out);
        }
        let _ = self.ops.end(id);
        match self.advance(outcome, out) {
            Ok(None) => RecoveryStep::More,
            Ok(Some(proving)) => {
                self.stage = Stage::Prove(proving);
                self.prove_on(out)
            }
            Err(refusal) => RecoveryStep::Refused(refusal),
        }
    }

    fn prove_on(&mut self, out: &mut Vec<StoreOut>) -> RecoveryStep {
        let Stage::Prove(proving) = core::mem::replace(&mut self.stage, Stage::Over) else {
            unreachable!("only called in that stage");
        };
        proving.go_on(out).unwrap_or_else(|proving| {
            self.stage = Stage::Prove(proving);
            RecoveryStep::More
        })
    }

    fn ask(&mut self, op: FileOp, out: &mut Vec<StoreOut>) {
        self.ops.ask(Purpose::Close, op, out);
    }

    fn advance(
        &mut self,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> Result<Option<Proving>, RecoveryRefusal> {
        match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::List => {
                let Ok(FileDone::Listed(entries)) = &outcome else {
                    return Err(refusal(outcome));
                };
                match look(entries)? {
                    Found::Ours(journal) => {
                        self.journal = journal;
                        self.open_catalogue(false, out);
                    }
                    Found::Empty => self.format_all(out)?,
                    Found::Remains { journal, names } => self.look_on(journal, names, out)?,
                }
            }
            Stage::Look { step, journal, names } => self.look(step, journal, names, outcome, out)?,
            Stage::Format(ops) => {
                outcome.map_err(RecoveryRefusal::Disk)?;
                self.format(ops, out);
            }
            Stage::OpenCatalogue { file, is_new } => {
                let Ok(FileDone::Opened { len }) = outcome else {
                    return Err(refusal(outcome));
                };
                let len = usize::try_from(len).map_err(|_| RecoveryRefusal::CatalogueRotten)?;
                self.ask(FileOp::ReadAt { file, at: 0, len }, out);
                self.stage = Stage::ReadCatalogue { file, is_new };
            }
            Stage::ReadCatalogue { file, is_new } => {
                let Ok(FileDone::Read(bytes)) = outcome else {
                    return Err(refusal(outcome));
                };
                let catalogue = catalogue::read(&bytes, &self.functions).map_err(RecoveryRefusal::from)?;
                self.check_claim(&catalogue.identity)?;
                self.check_journal(catalogue.half_bytes)?;
                let scan = Scan::new(catalogue, is_new, &self.config);
                self.ops.close(file, out);
                self.stage = Stage::OpenJournal(Box::new(scan));
            }
            Stage::OpenJournal(scan) => {
                return self.open_journal(scan, outcome, out);
            }
            Stage::Flush(ops, scan) => {
                outcome.map_err(RecoveryRefusal::Disk)?;
                return self.flush(ops, scan, out);
            }
            Stage::Scan(mut scan) => {
                let Ok(FileDone::Read(bytes)) = outcome else {
                    return Err(refusal(outcome));
                };
                scan.window = bytes;
                return self.scan(scan, out);
            }
            Stage::Verify(step, scan) => return self.verify(step, scan, outcome, out),
            Stage::Prove(_) | Stage::Over => unreachable!("nothing of recovery is under way any more"),
        }
        Ok(None)
    }

    /// Goes on with the next journal file that is to be looked at.
    fn look_on(
        &mut self,
        mut journal: VecDeque<&'static str>,
        names: Str,
        out: &mut Vec<StoreOut>,
    ) -> Result<(), RecoveryRefusal> {
        let Some(name) = journal.pop_front() else {
            return self.format_all(out);
        };
        let file = self.ops.file();
        self.ask(FileOp::Open { file, path: String::from(name), mode: OpenMode::Read }, out);
        self.stage = Stage::Look { step: LookStep::Open(file), journal, names };
        Ok(())
    }

    /// A first group begins a journal file, and none is ever wiped: one that was used shows it at its front.
    fn look(
        &mut self,
        step: LookStep,
        journal: VecDeque<&'static str>,
        names: Str,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> Result<(), RecoveryRefusal> {
        let step = match (step, outcome.map_err(RecoveryRefusal::Disk)?) {
            (LookStep::Open(file), _) => {
                self.ask(FileOp::ReadAt { file, at: 0, len: BLOCK_BYTES }, out);
                LookStep::Read(file)
            }
            (LookStep::Read(_), FileDone::Read(bytes)) if bytes.iter().any(|byte| *byte != 0) => {
                return Err(RecoveryRefusal::CatalogueMissing { names });
            }
            (LookStep::Read(file), _) => {
                self.ops.close(file, out);
                LookStep::Close
            }
            (LookStep::Close, _) => {
                return self.look_on(journal, names, out);
            }
        };
        self.stage = Stage::Look { step, journal, names };
        Ok(())
    }

    fn format_all(&mut self, out: &mut Vec<StoreOut>) -> Result<(), RecoveryRefusal> {
        let cluster = self.claim.cluster.clone().or_else(|| self.claim.new_cluster.clone());
        let cluster = cluster.ok_or(RecoveryRefusal::NotFormatted)?;
        let identity = Identity { directory: self.claim.new_directory, cluster, node: self.claim.node };
        let files = [self.ops.file(), self.ops.file(), self.ops.file()];
        let (ops, half_bytes) =
            plan((&identity, self.claim.new_salt), self.config.journal_bytes, files, &self.functions);
        self.journal = [Some(half_bytes); 2];
        self.format(ops, out);
        Ok(())
    }

    fn format(&mut self, mut ops: VecDeque<FileOp>, out: &mut Vec<StoreOut>) {
        match ops.pop_front() {
            Some(op) => {
                self.ask(op, out);
                self.stage = Stage::Format(ops);
            }
            None => self.open_catalogue(true, out),
        }
    }

    fn open_catalogue(&mut self, is_new: bool, out: &mut Vec<StoreOut>) {
        let file = self.ops.file();
        self.ask(FileOp::Open { file, path: String::from(CATALOGUE), mode: OpenMode::Read }, out);
        self.stage = Stage::OpenCatalogue { file, is_new };
    }

    fn check_claim(&self, identity: &Identity) -> Result<(), RecoveryRefusal> {
        if identity.node != self.claim.node {
            return Err(RecoveryRefusal::OtherNode(identity.node));
        }
        if self.claim.cluster.as_ref().is_some_and(|cluster| *cluster != identity.cluster) {
            return Err(RecoveryRefusal::OtherCluster(identity.cluster.clone()));
        }
        Ok(())
    }

    /// Both files are there: opening one for writing would make it.
    fn check_journal(&self, half_bytes: u64) -> Result<(), RecoveryRefusal> {
        let mut files = JOURNAL_NAMES.into_iter().zip(self.journal);
        match files.find(|(_, len)| len.is_none_or(|len| len < half_bytes)) {
            Some((name, _)) => Err(RecoveryRefusal::JournalMissing { name: Str::from_static(name) }),
            None => Ok(()),
        }
    }

    /// Opens the journal files one after the other, then reads them.
    fn open_journal(
        &mut self,
        mut scan: Box<Scan>,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> Result<Option<Proving>, RecoveryRefusal> {
        match outcome {
            // The catalogue's file was closed: this is where the journal begins.
            Ok(FileDone::Ok) => {}
            Ok(FileDone::Opened { .. }) => {}
            Ok(FileDone::Read(_) | FileDone::Listed(_)) => unreachable!("nothing was read or listed"),
            Err(fault) => return Err(RecoveryRefusal::Disk(fault)),
        }
        if let Some(name) = JOURNAL_NAMES.get(scan.files.len()) {
            let file = self.ops.file();
            scan.files.push(file);
            // What is not flushed before it is acknowledged need not reach the disk before that either.
            let mode = if self.config.is_durable { OpenMode::Direct } else { OpenMode::Write };
            self.ask(FileOp::Open { file, path: String::from(*name), mode }, out);
            self.stage = Stage::OpenJournal(scan);
            return Ok(None);
        }
        let mut ops: VecDeque<FileOp> = scan.files.iter().map(|file| FileOp::Settle { file: *file }).collect();
        ops.push_back(FileOp::SyncDir { path: String::new() });
        self.flush(ops, scan, out)
    }

    fn flush(
        &mut self,
        mut ops: VecDeque<FileOp>,
        scan: Box<Scan>,
        out: &mut Vec<StoreOut>,
    ) -> Result<Option<Proving>, RecoveryRefusal> {
        match ops.pop_front() {
            Some(op) => {
                self.ask(op, out);
                self.stage = Stage::Flush(ops, scan);
                Ok(None)
            }
            None => self.scan(scan, out),
        }
    }

    fn scan(&mut self, mut scan: Box<Scan>, out: &mut Vec<StoreOut>) -> Result<Option<Proving>, RecoveryRefusal> {
        match scan.run(&self.config, &self.functions)? {
            Some((file, at, len)) => {
                self.ask(FileOp::ReadAt { file, at, len }, out);
                self.stage = Stage::Scan(scan);
                Ok(None)
            }
            None => match scan.doubt() {
                Some(doubt) => {
                    let file = self.ops.file();
                    self.ask(FileOp::Open { file, path: doubt.path.clone(), mode: OpenMode::Read }, out);
                    self.stage = Stage::Verify(VerifyStep::Open(file, doubt), scan);
                    Ok(None)
                }
                None => Ok(Some(self.finish(*scan))),
            },
        }
    }

    fn verify(
        &mut self,
        step: VerifyStep,
        mut scan: Box<Scan>,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<StoreOut>,
    ) -> Result<Option<Proving>, RecoveryRefusal> {
        let next = match step {
            VerifyStep::Open(_, doubt) if outcome == Err(FileFault::NotFound) => {
                scan.judge(&doubt, None, &self.functions);
                return self.scan(scan, out);
            }
            VerifyStep::Open(file, doubt) => {
                outcome.map_err(RecoveryRefusal::Disk)?;
                self.ask(FileOp::Settle { file }, out);
                VerifyStep::Settle(file, doubt)
            }
            VerifyStep::Settle(file, doubt) => {
                outcome.map_err(RecoveryRefusal::Disk)?;
                self.ask(FileOp::ReadAt { file, at: doubt.at, len: doubt.len }, out);
                VerifyStep::Read(file, doubt)
            }
            VerifyStep::Read(file, doubt) => {
                let Ok(FileDone::Read(bytes)) = outcome else {
                    return Err(refusal(outcome));
                };
                scan.judge(&doubt, Some(&bytes), &self.functions);
                self.ops.close(file, out);
                VerifyStep::Close
            }
            VerifyStep::Close => return self.scan(scan, out),
        };
        self.stage = Stage::Verify(next, scan);
        Ok(None)
    }

    fn finish(&mut self, mut scan: Scan) -> Proving {
        let voided = scan.settle(&self.functions);
        let Scan { is_new, identity, mut replay, .. } = scan;
        let logs = &mut replay.logs;
        logs.values_mut().for_each(|log| log.all_durable());
        let mut cache = Cache::new(self.config.cache_bytes_max);
        let ends = logs.iter().filter_map(|(number, log)| Some((*number, log.cached.back()?.end)));
        cache.hold(replay.bytes, ends.collect());
        let generation = scan.first + u64::from(scan.used[0] || scan.used[1]) + u64::from(scan.used[1]);
        let graves = replay.doomed.iter().map(|doomed| (doomed.folder.clone(), doomed.segment, generation - 1));
        // A generation that was begun is not gone on with: what a torn group left behind it is never looked at again.
        let [is_first_used, is_second_used] = scan.used;
        let journal = Journal {
            files: [scan.files[0], scan.files[1]],
            half_bytes: scan.half_bytes,
            salt: scan.salt,
            generation,
            at: 0,
            sequence: scan.sequence,
            flushed: scan.sequence,
            chain: scan.chain.unwrap_or_default(),
            logs_before: scan.logs_before,
            is_open: !is_second_used,
            is_other_free: !is_first_used && !is_second_used,
            bypassed: 0,
            graves: graves.collect(),
            voided,
            mark: replay.mark,
        };
        let store = Store {
            config: self.config.clone(),
            functions: self.functions,
            identity,
            journal,
            numbers: logs.iter().map(|(number, log)| (log.id, *number)).collect(),
            names: logs.iter().map(|(number, log)| (log.name(), *number)).collect(),
            unborn: Vec::new(),
            number: replay.number,
            logs: replay.logs,
            queue: VecDeque::new(),
            flying: None,
            cache,
            ops: core::mem::take(&mut self.ops),
            reads: Reads::default(),
            changed: replay.changed,
            checkpoint: None,
            folders: BTreeSet::new(),
            doomed: replay.doomed,
            health: Health::default(),
            active: Mono::default(),
        };
        Proving::new(store, is_new)
    }
}

impl RecoveredLog {
    pub(super) fn of(number: u32, log: &Log) -> Self {
        Self {
            id: log.id,
            spec: log.spec.clone(),
            start: log.start,
            end: log.end,
            epochs: log.epochs.clone(),
            producers: if planted(Bug::ProducersForgotten) { Producers::default() } else { log.producers.clone() },
            hard: log.hard(),
            number,
            whence: log.whence.as_deref().cloned().unwrap_or_default(),
            is_online: log.is_sound(),
            damaged_at: match log.soundness {
                Soundness::Unreadable(Some((segment, at))) => Some((segment_path(&log.folder(), segment), at)),
                Soundness::Unreadable(None) | Soundness::Whole | Soundness::Rotten => None,
            },
        }
    }
}

impl From<CatalogueFault> for RecoveryRefusal {
    fn from(fault: CatalogueFault) -> Self {
        match fault {
            CatalogueFault::Foreign => Self::Foreign { name: Str::from_static(CATALOGUE) },
            CatalogueFault::Newer(version) => Self::Newer { version },
            CatalogueFault::Rotten => Self::CatalogueRotten,
        }
    }
}

fn refusal(outcome: Result<FileDone, FileFault>) -> RecoveryRefusal {
    match outcome {
        Err(fault) => RecoveryRefusal::Disk(fault),
        Ok(_) => unreachable!("an operation ends as its kind does"),
    }
}
