//! The catalogue: one file that says what a directory holds, as of the moment a generation of the journal begins. A start
//! reads it, replays the journal from that generation on, and opens nothing else.
//!
//! | at | field |
//! |---|---|
//! | 0 | magic |
//! | 4 | format version |
//! | 6 | zero |
//! | 8 | CRC-32C over all that follows |
//! | 12 | length of what follows byte 16 |
//! | 16 | who the directory belongs to, the journal, then every log |

use super::Store;
use super::entry::{read_mark, read_spec, read_vote, write_mark, write_spec, write_vote};
use super::index::Index;
use super::journal::Journal;
use super::log::{Log, Logs, Soundness};
use super::parse::{Parse, Put};
use super::segment::Segment;
use super::whence::Whence;
use crate::boundary::{HardState, Mark};
use crate::log::{EpochStart, Epochs};
use crate::record::Functions;
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, Str, Uuid, Wall};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;

/// Who a data directory belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The directory's own id.
    pub directory: Uuid,
    /// The cluster's id.
    pub cluster: Str,
    /// The node.
    pub node: BrokerId,
}

/// A catalogue that was read.
pub(super) struct Catalogue {
    pub(super) identity: Identity,
    pub(super) salt: u64,
    pub(super) half_bytes: u64,
    /// The journal is replayed from this generation on …
    pub(super) generation: u64,
    /// … whose first group has this sequence …
    pub(super) sequence: u64,
    /// … and is written behind the group of this checksum; 0 if it is the first of all. Formats before 3 do not say.
    pub(super) chain: Option<u32>,
    /// The life that the directory took part in.
    pub(super) mark: Mark,
    /// The number of the next log.
    pub(super) number: u32,
    pub(super) logs: Logs,
}

/// Why bytes are no catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CatalogueFault {
    /// Something else.
    Foreign,
    /// Of a later format.
    Newer(u16),
    /// Damaged.
    Rotten,
}

const MAGIC: u32 = 0x434c_544f; // "OTLC"
/// Version 2: the journal may hold groups that know the group before them, and batches that went past it; the catalogue
/// itself is that of version 1. Version 3: the checksum of the group before the first. Version 4: logs that were moved know
/// whence. Version 5: the directory knows in which life it was used. Version 6: the metadata log knows as what its broker was
/// registered last.
const VERSION: u16 = 6;
/// The first version that has it.
const VERSION_CHAINED: u16 = 3;
const VERSION_MARKED: u16 = 5;
const HEAD_BYTES: usize = 16;

/// The bytes of a catalogue of these logs, as of the beginning of the journal's current generation.
pub(super) fn write(identity: &Identity, journal: &Journal, number: u32, logs: &Logs, f: &Functions) -> Bytes {
    let mut out = Vec::with_capacity(256 + logs.len() * 256);
    out.put(&[0; HEAD_BYTES]);
    out.put(&identity.directory.0);
    out.text(&identity.cluster);
    out.i32(identity.node.0);
    out.u64(journal.salt);
    out.u64(journal.half_bytes);
    out.u64(journal.generation);
    out.u64(journal.sequence);
    out.u32(journal.chain);
    write_mark(&journal.mark, &mut out);
    out.u32(number);
    out.u32(logs.len() as u32);
    for (number, log) in logs {
        out.u32(*number);
        write_log(log, &mut out);
    }
    let length = u32::try_from(out.len() - HEAD_BYTES).expect("a catalogue stays below 4 GiB");
    out[..4].copy_from_slice(&MAGIC.to_le_bytes());
    out[4..6].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&length.to_le_bytes());
    let crc = (f.crc32c)(0, &out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    Bytes::from(out)
}

/// Reads a catalogue; what lies behind it does not matter.
pub(super) fn read(bytes: &[u8], f: &Functions) -> Result<Catalogue, CatalogueFault> {
    let mut head = Parse::new(bytes);
    if head.u32() != Some(MAGIC) {
        return Err(CatalogueFault::Foreign);
    }
    let version = head.u16().ok_or(CatalogueFault::Rotten)?;
    if version > VERSION {
        return Err(CatalogueFault::Newer(version));
    }
    let (_, crc, length) = (head.u16(), head.u32(), head.u32());
    let length = length.ok_or(CatalogueFault::Rotten)? as usize;
    let all = bytes.get(12..HEAD_BYTES.saturating_add(length)).ok_or(CatalogueFault::Rotten)?;
    if version == 0 || crc != Some((f.crc32c)(0, all)) {
        return Err(CatalogueFault::Rotten);
    }
    let mut parse = Parse::new(&all[4..]);
    read_all(&mut parse, version).filter(|_| parse.is_empty()).ok_or(CatalogueFault::Rotten)
}

fn read_all(parse: &mut Parse<'_>, version: u16) -> Option<Catalogue> {
    let identity = Identity { directory: Uuid(parse.id()?), cluster: parse.text()?, node: BrokerId(parse.i32()?) };
    let (salt, half_bytes, generation, sequence) = (parse.u64()?, parse.u64()?, parse.u64()?, parse.u64()?);
    let chain = if version >= VERSION_CHAINED { Some(parse.u32()?) } else { None };
    let mark = if version >= VERSION_MARKED { read_mark(parse)? } else { Mark::default() };
    let number = parse.u32()?;
    let mut logs = BTreeMap::new();
    for _ in 0..parse.u32()? {
        logs.insert(parse.u32()?, Box::new(read_log(parse)?));
    }
    Some(Catalogue { identity, salt, half_bytes, generation, sequence, chain, mark, number, logs })
}

/// What is said of a log in one byte.
const FLAG_ROTTEN: u8 = 1;
const FLAG_VOTE: u8 = 2;
const FLAG_UNREADABLE: u8 = 4;
const FLAG_WHENCE: u8 = 8;
const FLAG_REGISTRATION: u8 = 16;

fn write_log(log: &Log, out: &mut Vec<u8>) {
    out.put(&log.id.topic.0);
    out.i32(log.id.partition);
    write_spec(&log.spec, out);
    out.i64(log.start.0);
    out.i64(log.end.0);
    let soundness = match log.soundness {
        Soundness::Whole => 0,
        Soundness::Rotten => FLAG_ROTTEN,
        Soundness::Unreadable(_) => FLAG_UNREADABLE,
    };
    let has = |is_there, flag| if is_there { flag } else { 0 };
    let HardState { vote, registration } = log.hard();
    let held = has(vote.is_some(), FLAG_VOTE) | has(registration.is_some(), FLAG_REGISTRATION);
    out.u8(soundness | held | has(log.whence.is_some(), FLAG_WHENCE));
    if let Some((term, voted)) = vote {
        write_vote(term, voted, out);
    }
    if let Some(epoch) = registration {
        out.i64(epoch.0);
    }
    if let Some(whence) = &log.whence {
        whence.write(out);
    }
    out.u32(log.epochs.entries().len() as u32);
    for entry in log.epochs.entries() {
        out.i32(entry.epoch.0);
        out.i64(entry.start.0);
    }
    log.producers.encode(out);
    out.u32(log.segments.len() as u32);
    for segment in &log.segments {
        out.i64(segment.base.0);
        out.u32(u32::try_from(segment.bytes).expect("a segment stays below 4 GiB"));
        out.i64(segment.created.0);
        out.i64(segment.first_time.0);
        out.i64(segment.max_time.0);
        out.i64(segment.max_time_base.0);
        out.u64(segment.salt);
    }
}

fn read_log(parse: &mut Parse<'_>) -> Option<Log> {
    let id = LogId { topic: Uuid(parse.id()?), partition: parse.i32()? };
    let spec = read_spec(parse)?;
    let (start, end) = (Offset(parse.i64()?), Offset(parse.i64()?));
    let flags = parse.u8()?;
    let vote = if flags & FLAG_VOTE != 0 { Some(read_vote(parse)?) } else { None };
    let registration = if flags & FLAG_REGISTRATION != 0 { Some(BrokerEpoch(parse.i64()?)) } else { None };
    let whence = if flags & FLAG_WHENCE != 0 { Some(Box::new(Whence::read(parse)?)) } else { None };
    let mut entries = Vec::new();
    for _ in 0..parse.u32()? {
        entries.push(EpochStart { epoch: LeaderEpoch(parse.i32()?), start: Offset(parse.i64()?) });
    }
    let producers = parse.producers()?;
    let mut segments = VecDeque::new();
    for _ in 0..parse.u32()? {
        segments.push_back(read_segment(parse)?);
    }
    let mut log = Log::with_segments(id, spec, segments);
    log.start = start;
    log.end = end;
    log.durable = end;
    if vote.is_some() || registration.is_some() {
        *log.hard_mut() = HardState { vote, registration };
    }
    log.epochs = Epochs::from_entries(entries)?;
    log.whence = whence;
    log.producers = producers;
    log.soundness = match flags {
        flags if flags & FLAG_ROTTEN != 0 => Soundness::Rotten,
        flags if flags & FLAG_UNREADABLE != 0 => Soundness::Unreadable(None),
        _ => Soundness::Whole,
    };
    (!log.segments.is_empty()).then_some(log)
}

fn read_segment(parse: &mut Parse<'_>) -> Option<Segment> {
    let (base, bytes) = (Offset(parse.i64()?), u64::from(parse.u32()?));
    Some(Segment {
        base,
        bytes,
        durable: bytes,
        created: Wall(parse.i64()?),
        first_time: Wall(parse.i64()?),
        max_time: Wall(parse.i64()?),
        max_time_base: Offset(parse.i64()?),
        salt: parse.u64()?,
        // An empty segment needs no file to know where its batches are.
        index: if bytes == 0 { Index::newborn() } else { Index::default() },
        writer: None,
    })
}

impl Store {
    /// What the catalogue says if the journal is to be replayed from its current generation on.
    pub(super) fn write_down(&self) -> Bytes {
        write(&self.identity, &self.journal, self.number, &self.logs, &self.functions)
    }
}
