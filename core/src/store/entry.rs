//! One change to one log as the journal remembers it.
//!
//! | at | field |
//! |---|---|
//! | 0 | the log's number in this directory |
//! | 4 | length of what follows byte 12 |
//! | 8 | kind |
//! | 9 | three zeros |
//! | 12 | what the kind says |

use super::parse::{Parse, Put};
use super::whence::{read_copies, write_copies};
use crate::boundary::{CopyId, LogSettings, LogSpec, Mark};
use crate::record::{HEADER_BYTES, Header};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, Uuid, Wall};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// The fixed part of an entry.
pub(super) const ENTRY_BYTES: usize = 12;
/// The fixed part of [`Change::Append`] and [`Change::Tail`] behind that.
pub(super) const PLACE_BYTES: usize = 16;

/// A change and the number of the log that it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct JournalEntry {
    pub(super) log: u32,
    pub(super) change: Change,
}

/// What is remembered of a change. `segment` is always a segment's base offset, `position` a position in its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Create {
        id: LogId,
        spec: LogSpec,
        at: Wall,
    },
    Configure(LogSettings),
    Append {
        segment: Offset,
        position: u64,
        batches: Bytes,
    },
    /// The bytes of the segment's partial last block, which some later write will touch (law 2).
    Tail {
        segment: Offset,
        position: u64,
        bytes: Bytes,
    },
    /// Batches that were written straight into the segment, in whole blocks: their headers, and what of them lies in the
    /// last block, which is not whole (bypass.rs).
    Bypass {
        segment: Offset,
        position: u64,
        headers: Vec<Header>,
        tail: Bytes,
    },
    /// What the group before says of batches of this log that were written straight into a segment is not so: the process
    /// died over it, and the next one began without them.
    Void,
    Roll {
        base: Offset,
        at: Wall,
    },
    Truncate(Cut),
    /// What the log knows of some numbering producers, found out before it was cut.
    Producers(Bytes),
    Trim {
        start: Offset,
        at: Wall,
    },
    Delete,
    Vote {
        term: LeaderEpoch,
        voted: Option<BrokerId>,
    },
    Registration(BrokerEpoch),
    /// As [`Change::Create`], of a copy that does not count (whence.rs).
    Future {
        id: LogId,
        spec: LogSpec,
        at: Wall,
    },
    /// The log may be left for this copy.
    Leave(CopyId),
    /// It is not left.
    Stay,
    /// The directory takes part in a life. It belongs to no log.
    Mark(Mark),
    /// The copy counts, with these epochs and producers.
    Promote {
        over: Vec<CopyId>,
        stays: Vec<CopyId>,
        /// Where it starts and ends, and its epochs and producers.
        facts: Bytes,
        /// Of the producers it knows what it saw itself.
        keeps_producers: bool,
    },
}

/// Where a log is cut, and what is left of the segment that is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cut {
    pub(super) end: Offset,
    pub(super) segment: Offset,
    pub(super) position: u64,
    pub(super) max_time: Wall,
    pub(super) max_time_base: Offset,
}

impl Change {
    fn kind(&self) -> u8 {
        match self {
            Self::Create { .. } => 1,
            Self::Configure(_) => 2,
            Self::Append { .. } => KIND_APPEND,
            Self::Tail { .. } => 4,
            Self::Bypass { .. } => KIND_BYPASS,
            Self::Roll { .. } => 6,
            Self::Truncate(_) => 7,
            Self::Trim { .. } => 8,
            Self::Delete => 9,
            Self::Vote { .. } => 10,
            Self::Void => KIND_VOID,
            Self::Producers(_) => 12,
            Self::Future { .. } => 13,
            Self::Leave(_) => 14,
            Self::Stay => 15,
            Self::Promote { .. } => 16,
            Self::Mark(_) => 17,
            Self::Registration(_) => 18,
        }
    }

    /// Appends what the kind says. The kinds with much payload are written piece by piece elsewhere.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create { id, spec, at } | Self::Future { id, spec, at } => {
                out.i64(at.0);
                out.put(&id.topic.0);
                out.i32(id.partition);
                write_spec(spec, out);
            }
            Self::Configure(settings) => write_settings(settings, out),
            Self::Append { segment, position, batches: bytes } | Self::Tail { segment, position, bytes } => {
                out.put(&place(*segment, *position));
                out.put(bytes);
            }
            Self::Bypass { segment, position, headers, tail } => {
                out.put(&place(*segment, *position));
                out.u32(headers.len() as u32);
                headers.iter().for_each(|header| out.put(&header.to_bytes()));
                out.put(tail);
            }
            Self::Roll { base, at } => {
                out.i64(base.0);
                out.i64(at.0);
            }
            Self::Truncate(cut) => {
                out.i64(cut.end.0);
                out.put(&place(cut.segment, cut.position));
                out.i64(cut.max_time.0);
                out.i64(cut.max_time_base.0);
            }
            Self::Trim { start, at } => {
                out.i64(start.0);
                out.i64(at.0);
            }
            Self::Producers(bytes) => out.put(bytes),
            Self::Delete | Self::Void | Self::Stay => {}
            Self::Mark(mark) => write_mark(mark, out),
            Self::Leave(copy) => write_copies(&[*copy], out),
            Self::Promote { over, stays, facts, keeps_producers } => {
                out.u8(u8::from(*keeps_producers));
                write_copies(over, out);
                write_copies(stays, out);
                out.put(facts);
            }
            Self::Vote { term, voted } => write_vote(*term, *voted, out),
            Self::Registration(epoch) => out.i64(epoch.0),
        }
    }

    fn read(kind: u8, payload: &Bytes) -> Option<Self> {
        let mut parse = Parse::new(payload);
        let rest = |parse: &Parse<'_>| payload.slice(payload.len() - parse.left()..);
        let change = match kind {
            1 | 13 => {
                let at = Wall(parse.i64()?);
                let id = LogId { topic: Uuid(parse.id()?), partition: parse.i32()? };
                let spec = read_spec(&mut parse)?;
                if kind == 1 { Self::Create { id, spec, at } } else { Self::Future { id, spec, at } }
            }
            2 => Self::Configure(read_settings(&mut parse)?),
            3 | 4 => {
                let (segment, position) = (Offset(parse.i64()?), parse.u64()?);
                let bytes = rest(&parse);
                return Some(match kind {
                    3 => Self::Append { segment, position, batches: bytes },
                    _ => Self::Tail { segment, position, bytes },
                });
            }
            KIND_BYPASS => {
                let (segment, position, count) = (Offset(parse.i64()?), parse.u64()?, parse.u32()?);
                let headers: Option<Vec<Header>> =
                    (0..count).map(|_| Header::read(parse.bytes(HEADER_BYTES)?).ok()).collect();
                return Some(Self::Bypass { segment, position, headers: headers?, tail: rest(&parse) });
            }
            6 => Self::Roll { base: Offset(parse.i64()?), at: Wall(parse.i64()?) },
            7 => Self::Truncate(Cut {
                end: Offset(parse.i64()?),
                segment: Offset(parse.i64()?),
                position: parse.u64()?,
                max_time: Wall(parse.i64()?),
                max_time_base: Offset(parse.i64()?),
            }),
            8 => Self::Trim { start: Offset(parse.i64()?), at: Wall(parse.i64()?) },
            9 => Self::Delete,
            10 => {
                let (term, voted) = read_vote(&mut parse)?;
                Self::Vote { term, voted }
            }
            KIND_VOID => Self::Void,
            12 => return Some(Self::Producers(payload.clone())),
            14 => Self::Leave(*read_copies(&mut parse)?.first()?),
            15 => Self::Stay,
            17 => Self::Mark(read_mark(&mut parse)?),
            18 => Self::Registration(BrokerEpoch(parse.i64()?)),
            16 => {
                let keeps_producers = parse.u8()? != 0;
                let (over, stays) = (read_copies(&mut parse)?, read_copies(&mut parse)?);
                return Some(Self::Promote { over, stays, facts: rest(&parse), keeps_producers });
            }
            _ => return None,
        };
        parse.is_empty().then_some(change)
    }
}

impl JournalEntry {
    /// The whole entry. For the hot path see [`head`] and [`place`].
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRY_BYTES + 64);
        out.put(&[0; ENTRY_BYTES]);
        self.change.write(&mut out);
        let payload = out.len() - ENTRY_BYTES;
        out[..ENTRY_BYTES].copy_from_slice(&head(self.log, self.change.kind(), payload));
        out
    }

    /// Takes the first entry off `bytes`; `None` if they are none.
    pub(super) fn take(bytes: &mut Bytes) -> Option<Self> {
        let mut parse = Parse::new(bytes);
        let (log, len, kind) = (parse.u32()?, parse.u32()? as usize, parse.u8()?);
        let end = ENTRY_BYTES.checked_add(len)?;
        if end > bytes.len() {
            return None;
        }
        let entry = bytes.split_to(end);
        Some(Self { log, change: Change::read(kind, &entry.slice(ENTRY_BYTES..))? })
    }
}

/// The number of no log, for what concerns all of them.
pub(super) const NO_LOG: u32 = u32::MAX;
/// The kind of [`Change::Append`].
pub(super) const KIND_APPEND: u8 = 3;
/// The kind of [`Change::Bypass`].
pub(super) const KIND_BYPASS: u8 = 5;
/// The kind of [`Change::Void`].
pub(super) const KIND_VOID: u8 = 11;

/// The fixed part of an entry with so many bytes behind it.
pub(super) fn head(log: u32, kind: u8, payload: usize) -> [u8; ENTRY_BYTES] {
    let mut head = [0; ENTRY_BYTES];
    head[0..4].copy_from_slice(&log.to_le_bytes());
    head[4..8].copy_from_slice(&u32::try_from(payload).expect("a group is smaller than 4 GiB").to_le_bytes());
    head[8] = kind;
    head
}

/// A place in a segment.
pub(super) fn place(segment: Offset, position: u64) -> [u8; PLACE_BYTES] {
    let mut place = [0; PLACE_BYTES];
    place[..8].copy_from_slice(&segment.0.to_le_bytes());
    place[8..].copy_from_slice(&position.to_le_bytes());
    place
}

pub(super) fn write_mark(mark: &Mark, out: &mut Vec<u8>) {
    out.put(&mark.life.0);
    out.put(&mark.before.0);
    out.u32(mark.lost.len() as u32);
    for (directory, life) in &mark.lost {
        out.put(&directory.0);
        out.put(&life.0);
    }
}

pub(super) fn read_mark(parse: &mut Parse<'_>) -> Option<Mark> {
    let (life, before, count) = (Uuid(parse.id()?), Uuid(parse.id()?), parse.u32()?);
    let lost = (0..count).map(|_| Some((Uuid(parse.id()?), Uuid(parse.id()?)))).collect::<Option<_>>()?;
    Some(Mark { life, before, lost })
}

pub(super) fn write_vote(term: LeaderEpoch, voted: Option<BrokerId>, out: &mut Vec<u8>) {
    out.i32(term.0);
    out.i32(voted.unwrap_or(BrokerId::NONE).0);
}

pub(super) fn read_vote(parse: &mut Parse<'_>) -> Option<(LeaderEpoch, Option<BrokerId>)> {
    let (term, voted) = (LeaderEpoch(parse.i32()?), BrokerId(parse.i32()?));
    Some((term, (voted != BrokerId::NONE).then_some(voted)))
}

pub(super) fn write_spec(spec: &LogSpec, out: &mut Vec<u8>) {
    out.text(&spec.topic);
    write_settings(&spec.settings, out);
}

pub(super) fn read_spec(parse: &mut Parse<'_>) -> Option<LogSpec> {
    Some(LogSpec { topic: parse.text()?, settings: read_settings(parse)? })
}

fn write_settings(settings: &LogSettings, out: &mut Vec<u8>) {
    let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(NEVER - 1).min(NEVER - 1);
    out.u32(settings.segment_bytes);
    out.u64(millis(settings.segment_age));
    out.u32(settings.index_interval_bytes);
    out.u64(settings.retention_age.map_or(NEVER, millis));
    out.u64(settings.retention_bytes.unwrap_or(NEVER));
    out.u8(settings.delete.into());
}

fn read_settings(parse: &mut Parse<'_>) -> Option<LogSettings> {
    let some = |value: u64| (value != NEVER).then_some(value);
    Some(LogSettings {
        segment_bytes: parse.u32()?,
        segment_age: Duration::from_millis(parse.u64()?),
        index_interval_bytes: parse.u32()?,
        retention_age: some(parse.u64()?).map(Duration::from_millis),
        retention_bytes: some(parse.u64()?),
        delete: parse.u8()? != 0,
    })
}

const NEVER: u64 = u64::MAX;

#[cfg(test)]
#[path = "entry_test.rs"]
mod entry_test;
