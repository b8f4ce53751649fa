//! The journal: two preallocated files of equal length, used in turn. Each use is a *generation* with a number of its
//! own, written from the front in *groups*; while one generation is written, the one before may be moved to where its
//! changes belong. Not before that has ended (checkpoint.rs) is its file used again.
//!
//! A group is what one write and one flush make durable. It begins on a block of its own:
//!
//! | at | field | | at | field |
//! |---|---|---|---|---|
//! | 0 | magic | | 32 | sequence, one larger from group to group, over all generations |
//! | 4 | format version | | 40 | every group before this sequence was flushed when this one was written |
//! | 6 | zero | | 48 | how many entries |
//! | 8 | CRC-32C over all that follows | | 52 | how many logs the group before this one changed |
//! | 12 | length, this header included | | 56 | the wall clock |
//! | 16 | the directory's salt | | | |
//! | 24 | generation | | 64 | the checksum of the group before |
//! | | | | 68 | zero |
//! | | | | 72 | the numbers of those logs, then the entries |
//!
//! The salt is known to nobody outside, so no client can send records that look like a group. The list of the group
//! before tells whose changes are lost if that group cannot be read any more. Its checksum tells that it is the one that
//! this group was written behind: a process that lost what it had not flushed leaves groups of a generation that the next
//! process writes anew.

use super::buffer::Aligned;
use super::entry::ENTRY_BYTES;
use super::log::Log;
use super::parse::{Parse, Put};
use crate::boundary::{FileId, Mark};
use crate::plant::{Bug, planted};
use crate::record::Functions;
use crate::types::limit::BLOCK_BYTES;
use crate::types::{Offset, Wall};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// The fixed part of a group.
pub(super) const GROUP_BYTES: usize = 72;
const MAGIC: u32 = 0x4a54_544f; // "OTTJ"
const VERSION: u16 = 2;
/// The format of 0.1.0: no checksum of the group before.
const VERSION_UNCHAINED: u16 = 1;
const UNCHAINED_BYTES: usize = 64;

/// The names of the two files; generation `n` is in the one with the index `n % 2`.
pub(super) const JOURNAL_NAMES: [&str; 2] = ["journal-0", "journal-1"];

/// The journal as its writer knows it.
pub(super) struct Journal {
    pub(super) files: [FileId; 2],
    /// Length of one file.
    pub(super) half_bytes: u64,
    pub(super) salt: u64,
    /// The generation that is written. Meaningless as long as `is_open` is false.
    pub(super) generation: u64,
    /// Where its next group begins.
    pub(super) at: u64,
    /// The sequence of the next group.
    pub(super) sequence: u64,
    /// Every group before this sequence is flushed.
    pub(super) flushed: u64,
    /// The checksum of the last group.
    pub(super) chain: u32,
    /// The logs that the last group changed, each once.
    pub(super) logs_before: Vec<u32>,
    /// False from a start that found both files in use until the first checkpoint has ended.
    pub(super) is_open: bool,
    /// May the other file be written?
    pub(super) is_other_free: bool,
    /// So many bytes were written beside the current generation.
    pub(super) bypassed: u64,
    /// Folders, or single segments in them, whose removal some generation has that may yet be replayed: that generation.
    /// Nothing may lie under such a name that the journal does not hold.
    pub(super) graves: Vec<(String, Option<Offset>, u64)>,
    /// The logs of which the last group before this process says something that is not so ([`Change::Void`]).
    ///
    /// [`Change::Void`]: super::entry::Change::Void
    pub(super) voided: Vec<u32>,
    /// The life that the directory takes part in.
    pub(super) mark: Mark,
}

impl Journal {
    /// The file of the current generation.
    pub(super) fn file(&self) -> FileId {
        self.files[(self.generation % 2) as usize]
    }

    /// How many bytes of groups the current generation still takes.
    pub(super) fn left(&self) -> usize {
        if self.is_open { (self.half_bytes - self.at) as usize } else { 0 }
    }

    /// What every group begins with, to be completed by [`Journal::seal`].
    pub(super) fn begin(&self, buffer: &mut Aligned) {
        buffer.put(&[0; GROUP_BYTES]);
        self.logs_before.iter().for_each(|log| buffer.put(&log.to_le_bytes()));
    }

    /// What a group takes before its first entry.
    pub(super) fn overhead(&self) -> usize {
        GROUP_BYTES + 4 * self.logs_before.len() + ENTRY_BYTES * self.voided.len()
    }

    /// Could a removal be replayed that takes a file of this log with it?
    pub(super) fn is_grave(&self, log: &Log) -> bool {
        let folder = log.folder();
        let is_of_log = |base: Option<Offset>| base.is_none_or(|base| log.segment(base).is_some());
        self.graves.iter().any(|(name, base, _)| *name == folder && is_of_log(*base))
    }

    /// Writes the header of a group of so many entries. Returns its checksum.
    pub(super) fn seal(&self, buffer: &mut Aligned, entries: u32, at: Wall, f: &Functions) -> u32 {
        let mut head = Vec::with_capacity(GROUP_BYTES);
        head.u32(MAGIC);
        head.u16(VERSION);
        head.u16(0);
        head.u32(0);
        head.u32(u32::try_from(buffer.len()).expect("a group is smaller than 4 GiB"));
        head.u64(self.salt);
        head.u64(self.generation);
        head.u64(self.sequence);
        head.u64(self.flushed);
        head.u32(entries);
        head.u32(self.logs_before.len() as u32);
        head.i64(at.0);
        head.u32(self.chain);
        head.u32(0);
        let bytes = buffer.as_mut();
        bytes[..GROUP_BYTES].copy_from_slice(&head);
        let crc = (f.crc32c)(0, &bytes[CRC_FROM..]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        crc
    }
}

const CRC_AT: usize = 8;
const CRC_FROM: usize = 12;

/// A group that was read back whole.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) sequence: u64,
    pub(super) flushed: u64,
    pub(super) crc: u32,
    /// The checksum of the group before, if it is told.
    pub(super) chain: Option<u32>,
    pub(super) logs_before: Vec<u32>,
    pub(super) entries_len: u32,
    /// When it was written.
    pub(super) at: Wall,
    pub(super) entries: Bytes,
    /// Length in whole blocks.
    pub(super) blocks_bytes: u64,
}

/// What a block of a journal file may be the beginning of.
pub(super) enum Found {
    /// A group of the wanted generation.
    Group(Group),
    /// The header of one; it takes so many bytes, and there are fewer.
    Short(usize),
    /// Nothing of the wanted generation, or nothing whole.
    Nothing,
}

/// Looks for a group of this generation at the front of `bytes`.
pub(super) fn find(bytes: &Bytes, generation: u64, salt: u64, f: &Functions) -> Found {
    let Some(head) = Head::read(bytes) else {
        return Found::Nothing;
    };
    let is_ours = head.salt == salt && (head.generation == generation || planted(Bug::RecycledBlockWithoutEpoch));
    if !is_ours || head.length < head.bytes {
        return Found::Nothing;
    }
    let Some(group) = bytes.get(..head.length) else {
        return Found::Short(head.length);
    };
    if (f.crc32c)(0, &group[CRC_FROM..]) != head.crc && !planted(Bug::ReplayPastTornTail) {
        return Found::Nothing;
    }
    let mut parse = Parse::new(&group[head.bytes..]);
    let logs_before: Option<Vec<u32>> = (0..head.logs_before.min(parse.left() as u32)).map(|_| parse.u32()).collect();
    let Some(logs_before) = logs_before else {
        return Found::Nothing;
    };
    let from = head.length - parse.left();
    Found::Group(Group {
        sequence: head.sequence,
        flushed: head.flushed,
        crc: head.crc,
        chain: head.chain,
        logs_before,
        entries_len: head.entries,
        at: head.at,
        entries: bytes.slice(from..head.length),
        blocks_bytes: head.length.next_multiple_of(BLOCK_BYTES) as u64,
    })
}

struct Head {
    /// Its own length.
    bytes: usize,
    crc: u32,
    length: usize,
    salt: u64,
    generation: u64,
    sequence: u64,
    flushed: u64,
    entries: u32,
    logs_before: u32,
    at: Wall,
    chain: Option<u32>,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut parse = Parse::new(bytes);
        let (magic, version) = (parse.u32()?, parse.u16()?);
        let bytes = match version {
            VERSION_UNCHAINED => UNCHAINED_BYTES,
            VERSION => GROUP_BYTES,
            _ => return None,
        };
        if magic != MAGIC || parse.u16()? != 0 {
            return None;
        }
        Some(Self {
            bytes,
            crc: parse.u32()?,
            length: parse.u32()? as usize,
            salt: parse.u64()?,
            generation: parse.u64()?,
            sequence: parse.u64()?,
            flushed: parse.u64()?,
            entries: parse.u32()?,
            logs_before: parse.u32()?,
            at: Wall(parse.i64()?),
            chain: if version == VERSION { Some(parse.u32()?) } else { None },
        })
    }
}

#[cfg(test)]
#[path = "journal_test.rs"]
mod journal_test;
