//! What the files of a data directory hold, line by line, for people. Nothing is decided here: damage is a line like any
//! other, and whoever reads may do so while a broker runs. The journal's salt is never told (journal.rs says why).

use super::catalogue::{self, Catalogue};
use super::entry::{Change, JournalEntry};
use super::index::Index;
use super::journal::{Found, GROUP_BYTES, Group, find};
use super::log::{Log, Soundness};
use crate::boundary::{HardState, LogSettings};
use crate::record::{Functions, Header, NO_TIMESTAMP, check_stored};
use crate::types::limit::BLOCK_BYTES;
use crate::types::{BrokerId, LeaderEpoch, Offset};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// A file of the store; segments are Kafka's own format, which [`check_stored`] reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// One of the two journal files.
    Journal,
    /// The catalogue.
    Catalogue,
    /// The index of a segment.
    Index,
}

/// One thing found in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What it is, such as `group` or `append`.
    pub kind: &'static str,
    /// What it says, in the order of the file.
    pub fields: Vec<(&'static str, Value)>,
}

/// The value of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A number that may be beyond that.
    Large(u64),
    /// Text.
    Text(String),
}

impl FileKind {
    /// Told by the first bytes; `None` for a segment and for everything else.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"OTTJ" => Some(Self::Journal),
            b"OTLC" => Some(Self::Catalogue),
            b"OTTI" => Some(Self::Index),
            _ => None,
        }
    }
}

/// Tells everything that a file holds.
pub fn dump(kind: FileKind, bytes: &Bytes, f: &Functions, tell: &mut dyn FnMut(Line)) {
    match kind {
        FileKind::Journal => {
            journal(bytes, (0, true), f, tell);
        }
        FileKind::Catalogue => match catalogue::read(bytes, f) {
            Ok(found) => catalogue(&found, tell),
            Err(fault) => tell(Line::new("damage").text("says", format!("no catalogue: {fault:?}"))),
        },
        FileKind::Index => index(bytes, f, tell),
    }
}

/// How far a piece of a journal file was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// So many bytes of it; the next piece begins behind them.
    pub bytes: usize,
    /// How long the next piece must be at least, unless the file ends before that.
    pub wanted: usize,
}

/// Tells what a piece of a journal file holds, which begins `from` bytes into it, and with `is_last` reaches to its end.
/// Groups of every generation are told: behind the newest lie those of two generations before, as far as they were not yet
/// overwritten.
pub fn journal(bytes: &Bytes, (from, is_last): (u64, bool), f: &Functions, tell: &mut dyn FnMut(Line)) -> Told {
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.slice(at..);
        if rest.len() < BLOCK_BYTES && !is_last {
            return Told { bytes: at, wanted: BLOCK_BYTES };
        }
        let is_group = FileKind::of(&rest) == Some(FileKind::Journal);
        let place = from + at as u64;
        let damage = |says: String| Line::new("damage").large("at", place).text("says", says);
        let (salt, generation) = (number(&rest, 16), number(&rest, 24));
        at += match find(&rest, generation, salt, f) {
            Found::Group(found) => {
                group(&found, (place, generation), f, tell);
                (found.blocks_bytes as usize).max(BLOCK_BYTES)
            }
            Found::Short(len) if is_group && !is_last && len > rest.len() => {
                return Told { bytes: at, wanted: len };
            }
            Found::Short(len) if is_group => {
                tell(damage(format!("a group of {len} bytes is cut off")));
                BLOCK_BYTES
            }
            Found::Nothing if is_group => {
                tell(damage("a group that is not whole".to_string()));
                BLOCK_BYTES
            }
            Found::Short(_) | Found::Nothing => BLOCK_BYTES,
        };
    }
    Told { bytes: at.min(bytes.len()), wanted: BLOCK_BYTES }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..GROUP_BYTES).and_then(|rest| rest.first_chunk::<8>());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

fn group(group: &Group, (at, generation): (u64, u64), f: &Functions, tell: &mut dyn FnMut(Line)) {
    let line = Line::new("group").large("at", at).large("generation", generation);
    let line = line.large("sequence", group.sequence).large("flushed_before", group.flushed);
    let line = line.number("time", group.at.0).large("bytes", group.blocks_bytes);
    tell(line.number("entries", i64::from(group.entries_len)));
    let mut rest = group.entries.clone();
    for _ in 0..group.entries_len {
        let Some(entry) = JournalEntry::take(&mut rest) else {
            tell(Line::new("damage").text("says", "an entry cannot be read".to_string()));
            return;
        };
        tell(change(&entry, f));
    }
}

fn change(entry: &JournalEntry, f: &Functions) -> Line {
    let line = |kind| Line::new(kind).number("log", i64::from(entry.log));
    match &entry.change {
        Change::Create { id, spec, at } => {
            let line =
                line("create").text("topic", spec.topic.to_string()).number("partition", i64::from(id.partition));
            settings(line.text("id", id.topic.to_string()).number("time", at.0), &spec.settings)
        }
        Change::Configure(changed) => settings(line("configure"), changed),
        Change::Append { segment, position, batches } => {
            let line = line("append").number("segment", segment.0).large("position", *position);
            appended(line.number("bytes", batches.len() as i64), headers(batches, f))
        }
        Change::Tail { segment, position, bytes } => {
            line("tail").number("segment", segment.0).large("position", *position).number("bytes", bytes.len() as i64)
        }
        Change::Bypass { segment, position, headers, tail } => {
            let line = line("bypass").number("segment", segment.0).large("position", *position);
            let bytes: usize = headers.iter().map(Header::batch_bytes).sum();
            let line = line.number("bytes", bytes as i64).number("here", tail.len() as i64);
            appended(line, headers.clone())
        }
        Change::Void => line("void"),
        Change::Producers(known) => line("producers").number("bytes", known.len() as i64),
        Change::Roll { base, at } => line("roll").number("segment", base.0).number("time", at.0),
        Change::Truncate(cut) => {
            let line = line("truncate").number("end", cut.end.0).number("segment", cut.segment.0);
            line.large("position", cut.position)
        }
        Change::Trim { start, at } => line("trim").number("start", start.0).number("time", at.0),
        Change::Delete => line("delete"),
        Change::Vote { term, voted } => vote(line("vote"), *term, *voted),
        Change::Registration(epoch) => line("registration").number("broker_epoch", epoch.0),
        Change::Future { id, spec, at } => {
            let line =
                line("future").text("topic", spec.topic.to_string()).number("partition", i64::from(id.partition));
            settings(line.text("id", id.topic.to_string()).number("time", at.0), &spec.settings)
        }
        Change::Leave(to) => {
            line("leave").text("directory", to.directory.to_string()).number("copy", i64::from(to.number))
        }
        Change::Stay => line("stay"),
        Change::Mark(mark) => {
            Line::new("mark").text("life", mark.life.to_string()).text("before", mark.before.to_string())
        }
        Change::Promote { over, facts, .. } => {
            line("promote").number("copies_over", over.len() as i64).number("bytes", facts.len() as i64)
        }
    }
}

/// The headers of batches back to back; what follows something else is left out.
fn headers(batches: &Bytes, f: &Functions) -> Vec<Header> {
    check_stored(batches.clone(), f).map_while(Result::ok).map(|batch| *batch.header()).collect()
}

fn appended(line: Line, headers: Vec<Header>) -> Line {
    let line = line.number("batches", headers.len() as i64);
    match (headers.first(), headers.last()) {
        (Some(first), Some(last)) => {
            let line = line.number("base_offset", first.base_offset.0).number("end_offset", last.end_offset().0);
            line.number("epoch", i64::from(last.leader_epoch.0))
        }
        _ => line,
    }
}

fn settings(line: Line, settings: &LogSettings) -> Line {
    let line = line.number("segment_bytes", i64::from(settings.segment_bytes));
    let line = line.large("segment_ms", millis(settings.segment_age));
    let line = settings.retention_age.into_iter().fold(line, |line, age| line.large("retention_ms", millis(age)));
    settings.retention_bytes.into_iter().fold(line, |line, bytes| line.large("retention_bytes", bytes))
}

fn millis(age: core::time::Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

fn vote(line: Line, term: LeaderEpoch, voted: Option<BrokerId>) -> Line {
    let line = line.number("term", i64::from(term.0));
    voted.into_iter().fold(line, |line, voted| line.number("voted", i64::from(voted.0)))
}

fn catalogue(found: &Catalogue, tell: &mut dyn FnMut(Line)) {
    let line = Line::new("directory").text("id", found.identity.directory.to_string());
    let line = line.text("cluster", found.identity.cluster.to_string());
    let line = line.number("node", i64::from(found.identity.node.0)).large("journal_half_bytes", found.half_bytes);
    tell(line.large("generation", found.generation).large("sequence", found.sequence));
    for (number, log) in &found.logs {
        catalogued(*number, log, tell);
    }
}

fn catalogued(number: u32, log: &Log, tell: &mut dyn FnMut(Line)) {
    let number = i64::from(number);
    let line = Line::new("log").number("log", number).text("topic", log.spec.topic.to_string());
    let line = line.number("partition", i64::from(log.id.partition)).text("id", log.id.topic.to_string());
    let line = line.number("start", log.start.0).number("end", log.end.0);
    let HardState { vote: voted, registration } = log.hard();
    let line = voted.into_iter().fold(line, |line, (term, voted)| vote(line, term, voted));
    let line = registration.into_iter().fold(line, |line, epoch| line.number("broker_epoch", epoch.0));
    let state = match log.soundness {
        Soundness::Whole => None,
        Soundness::Unreadable(_) => Some("unreadable"),
        Soundness::Rotten => Some("rotten"),
    };
    let line = state.into_iter().fold(line, |line, state| line.text("state", state.to_string()));
    let line = if log.is_future() { line.text("copy", "future".to_string()) } else { line };
    tell(settings(line, &log.spec.settings));
    for epoch in log.epochs.entries() {
        let line = Line::new("epoch").number("log", number).number("epoch", i64::from(epoch.epoch.0));
        tell(line.number("start", epoch.start.0));
    }
    for segment in &log.segments {
        let line = Line::new("segment").number("log", number).number("segment", segment.base.0);
        let line = line.large("bytes", segment.bytes).number("created", segment.created.0);
        let is_timed = segment.max_time != NO_TIMESTAMP;
        tell(if is_timed { line.number("max_timestamp", segment.max_time.0) } else { line });
    }
}

fn index(bytes: &Bytes, f: &Functions, tell: &mut dyn FnMut(Line)) {
    let (base, salt) = (Offset(number(bytes, 8).cast_signed()), number(bytes, 16));
    let mut index = Index::default();
    index.load(bytes, base, salt, f);
    let line = Line::new("index").number("segment", base.0).number("entries", index.places().len() as i64);
    tell(line);
    for place in index.places() {
        let line = Line::new("place").number("base_offset", place.base.0).large("position", place.position);
        let is_timed = place.max_time != NO_TIMESTAMP;
        tell(if is_timed { line.number("max_timestamp_before", place.max_time.0) } else { line });
    }
}

impl Line {
    fn new(kind: &'static str) -> Self {
        Self { kind, fields: vec![] }
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
    }

    fn number(self, name: &'static str, value: i64) -> Self {
        self.with(name, Value::Number(value))
    }

    fn large(self, name: &'static str, value: u64) -> Self {
        self.with(name, Value::Large(value))
    }

    fn text(self, name: &'static str, value: String) -> Self {
        self.with(name, Value::Text(value))
    }
}

#[cfg(test)]
#[path = "dump_test.rs"]
mod dump_test;
