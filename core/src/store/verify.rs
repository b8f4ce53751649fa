//! The last group of the journal says perhaps that batches were written straight into segments (bypass.rs). Nobody knows
//! whether they were: the process may have died between. So the files are looked at before that group is believed. What is
//! not there whole was acknowledged to nobody; it is forgotten, with all that the group says of that log behind it, and the
//! next group says so ([`Change::Void`]).

use super::buffer::block_floor;
use super::entry::{Change, JournalEntry};
use super::log::{Log, Soundness};
use super::replay::Replay;
use super::segment::segment_path;
use crate::record::{Functions, HEADER_BYTES, Header, check_stored};
use crate::types::{Offset, Wall};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// A group that is not believed yet.
pub(super) struct Held {
    entries: Vec<JournalEntry>,
    sequence: u64,
    at: Wall,
    /// The logs whose files were looked at, and what that came to.
    verdicts: BTreeMap<u32, bool>,
}

/// Where to look.
pub(super) struct Doubt {
    pub(super) path: String,
    pub(super) at: u64,
    pub(super) len: usize,
    log: u32,
}

impl Held {
    pub(super) fn new(entries: Vec<JournalEntry>, sequence: u64, at: Wall) -> Self {
        Self { entries, sequence, at, verdicts: BTreeMap::new() }
    }

    /// Does the group say such a thing at all?
    pub(super) fn is_needed(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.change, Change::Bypass { .. }))
    }

    /// What to look at next; `replay` is as it was before this group.
    pub(super) fn doubt(&self, replay: &Replay) -> Option<Doubt> {
        self.entries.iter().find_map(|entry| {
            let Change::Bypass { segment, headers, .. } = &entry.change else {
                return None;
            };
            let log = replay
                .logs
                .get(&entry.log)
                .filter(|log| log.soundness != Soundness::Rotten && log.active().base == *segment)?;
            if self.verdicts.contains_key(&entry.log) {
                return None;
            }
            let at = block_floor(log.active().written());
            let len = block_floor(log.active().bytes + bytes_of(headers)).saturating_sub(at) as usize;
            Some(Doubt { path: segment_path(&log.folder(), *segment), at, len, log: entry.log })
        })
    }

    /// The bytes that were looked for; none if there is no such file.
    pub(super) fn judge(&mut self, doubt: &Doubt, bytes: Option<&Bytes>, replay: &Replay, f: &Functions) {
        let entry = self.entries.iter().find(|entry| {
            let is_bypass = matches!(entry.change, Change::Bypass { .. });
            is_bypass && entry.log == doubt.log
        });
        let is_there = entry.zip(bytes).is_some_and(|(entry, bytes)| {
            bytes.len() == doubt.len && is_whole(&replay.logs[&doubt.log], &entry.change, bytes, f)
        });
        self.verdicts.insert(doubt.log, is_there);
    }

    /// The logs of which the group says something that is not so.
    pub(super) fn refuted(&self) -> Vec<u32> {
        self.verdicts.iter().filter(|(_, is_there)| !**is_there).map(|(log, _)| *log).collect()
    }

    /// The next group knows what became of this one: nobody has to look.
    pub(super) fn refute(&mut self, log: u32) {
        self.verdicts.insert(log, false);
    }

    /// Applies what is to be believed.
    pub(super) fn apply(self, replay: &mut Replay, f: &Functions) {
        let refuted = self.refuted();
        // Whatever a group says of a log comes behind what goes beside it: nothing of that log is left of the group.
        for entry in self.entries.into_iter().filter(|entry| !refuted.contains(&entry.log)) {
            replay.apply(entry, self.sequence, self.at, f);
        }
    }
}

/// Are the bytes of the file, from the block on that it ended in, what the log was known to hold and these batches behind?
fn is_whole(log: &Log, change: &Change, bytes: &Bytes, f: &Functions) -> bool {
    let Change::Bypass { segment, position, headers, tail } = change else {
        unreachable!("only these are doubted");
    };
    let active = log.active();
    let from = block_floor(active.written());
    if active.bytes != *position {
        return false;
    }
    // A head that nobody knows is none: the file is not written in that block before the journal has it.
    let head = active.writer.as_ref().and_then(|writer| writer.head.as_deref()).unwrap_or_default();
    let mut known = head.to_vec();
    let is_known = log.copy_cached(*segment, from + head.len() as u64, *position, |part| known.extend_from_slice(part));
    if !is_known || bytes.get(..known.len()) != Some(&known[..]) {
        return false;
    }
    let mut found = bytes[known.len()..].to_vec();
    found.extend_from_slice(tail);
    let mut batches = check_stored(Bytes::from(found), f);
    let are_there = headers.iter().all(|header| {
        let batch = batches.next().and_then(Result::ok);
        batch.is_some_and(|batch| batch.header() == header)
    });
    are_there && batches.next().is_none()
}

/// Bytes of the batches with these headers.
pub(super) fn bytes_of(headers: &[Header]) -> u64 {
    headers.iter().map(|header| header.batch_bytes() as u64).sum()
}

/// Is what the journal says of these batches in itself sound?
pub(super) fn fits(log: &Log, (segment, position): (Offset, u64), headers: &[Header], tail: &Bytes) -> bool {
    let end = position + bytes_of(headers);
    let follows = |(end, fits): (Offset, bool), header: &Header| {
        let is_next = header.base_offset >= end && header.batch_bytes() >= HEADER_BYTES;
        (header.end_offset(), fits && is_next)
    };
    let active = log.active();
    active.base == segment
        && active.bytes == position
        && tail.len() as u64 == end - block_floor(end)
        && headers.iter().fold((log.end, true), follows).1
}
