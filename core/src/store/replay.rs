//! Replaying the journal: each change is applied again, in order, by the functions that applied it first.

use super::StoreConfig;
use super::buffer::block_floor;
use super::doom::Doomed;
use super::entry::{Change, JournalEntry};
use super::log::{Cached, Log, Logs, Soundness};
use super::verify::fits;
use crate::boundary::{CopyId, LogSpec, Mark};
use crate::log::{Log as Facts, Producers};
use crate::record::{Functions, Header, check_stored};
use crate::types::{LogId, Offset, Str, Wall};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;

/// What the catalogue said, and what the journal makes of it.
pub(super) struct Replay {
    pub(super) logs: Logs,
    /// The number of the next log.
    pub(super) number: u32,
    pub(super) changed: BTreeSet<u32>,
    pub(super) doomed: Vec<Doomed>,
    pub(super) bytes: usize,
    pub(super) mark: Mark,
    pub(super) index_interval_bytes_min: u32,
    /// Those that something was lost of, by name.
    given_up: BTreeMap<(Str, i32), u32>,
}

/// An entry does not fit to what was before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Misfit;

impl Replay {
    pub(super) fn new((logs, mark): (Logs, Mark), number: u32, config: &StoreConfig) -> Self {
        Self {
            logs,
            number,
            changed: BTreeSet::new(),
            doomed: Vec::new(),
            bytes: 0,
            mark,
            index_interval_bytes_min: config.index_interval_bytes_min,
            given_up: BTreeMap::new(),
        }
    }

    /// Applies one entry of the group with this sequence. What does not fit takes its log offline (law 4).
    pub(super) fn apply(&mut self, entry: JournalEntry, sequence: u64, now: Wall, f: &Functions) {
        let JournalEntry { log: number, change } = entry;
        let Some(change) = self.create_of(number, change, sequence) else { return };
        self.changed.insert(number);
        let Some(log) = self.logs.get_mut(&number) else {
            return;
        };
        if change == Change::Delete {
            self.delete(number);
            return;
        }
        if log.soundness == Soundness::Rotten {
            return;
        }
        let Some(change) = set(log, change) else { return };
        let folder = log.folder();
        let (fits, gone) = match change {
            Change::Create { .. } | Change::Future { .. } | Change::Mark(_) => unreachable!("handled above"),
            Change::Delete | Change::Leave(_) | Change::Stay => unreachable!("these too"),
            Change::Configure(_) | Change::Vote { .. } | Change::Registration(_) => unreachable!("and these"),
            Change::Append { segment, position, batches } => {
                self.bytes += batches.len();
                let place = (segment, position);
                (append(log, place, &batches, (now, self.index_interval_bytes_min), f), Vec::new())
            }
            Change::Tail { segment, position, bytes } => (tail(log, segment, position, &bytes), Vec::new()),
            Change::Bypass { segment, position, headers, tail } => {
                let place = (segment, position);
                (bypass(log, place, (&headers, tail), (now, self.index_interval_bytes_min)), Vec::new())
            }
            // Heard of when the group before was at stake.
            Change::Void => (Ok(()), Vec::new()),
            Change::Roll { base, at } if base >= log.end && base > log.active().base => {
                log.roll(base, at, sequence);
                (Ok(()), Vec::new())
            }
            Change::Truncate(cut) if log.segment(cut.segment).is_some_and(|segment| segment.bytes >= cut.position) => {
                (Ok(()), log.cut(&cut, sequence))
            }
            Change::Producers(bytes) => match Producers::decode(&mut &bytes[..]) {
                Ok(found) => {
                    log.adopt(found);
                    (Ok(()), Vec::new())
                }
                Err(_) => (Err(Misfit), Vec::new()),
            },
            Change::Roll { .. } | Change::Truncate(_) => (Err(Misfit), Vec::new()),
            Change::Trim { start, at } => (Ok(()), log.trim(start, at, sequence)),
            Change::Promote { over, stays, facts, keeps_producers } => {
                (promote(log, (over, stays), (&facts, keeps_producers)), Vec::new())
            }
        };
        if fits.is_err() {
            log.soundness = Soundness::Rotten;
            self.given_up.insert(log.name(), number);
        }
        self.doomed.extend(Doomed::segments(number, &folder, gone));
    }

    /// The changes of these logs, or of nobody knows which, cannot be read: they are not to be used, and their bytes are
    /// left alone. One that is not there was created by what cannot be read: then nobody knows which logs there should
    /// be, and all are given up, above all the one that tells which there are. False if there is none to give up.
    pub(super) fn give_up(&mut self, numbers: Option<&[u32]>) -> bool {
        let all: Vec<u32> = self.logs.keys().copied().collect();
        let known = numbers.filter(|numbers| numbers.iter().all(|number| self.logs.contains_key(number)));
        for number in known.unwrap_or(&all) {
            let log = self.logs.get_mut(number).expect("it was looked for");
            log.soundness = Soundness::Rotten;
            self.given_up.insert(log.name(), *number);
            self.changed.insert(*number);
        }
        !all.is_empty()
    }

    /// Makes the log, if that is the change, or takes up the mark; else gives it back.
    fn create_of(&mut self, number: u32, change: Change, sequence: u64) -> Option<Change> {
        match change {
            Change::Create { id, spec, at } => self.create(number, id, spec, at, sequence),
            Change::Future { id, spec, at } => {
                self.create(number, id, spec, at, sequence);
                self.logs.get_mut(&number).expect("just made").whence_mut().is_future = true;
            }
            Change::Mark(mark) => self.mark = mark,
            other => return Some(other),
        }
        None
    }

    /// A log is made. Of one of its name that something was lost of, that was the deletion: no two have a name at once.
    fn create(&mut self, number: u32, id: LogId, spec: LogSpec, at: Wall, salt: u64) {
        let log = Box::new(Log::newborn(id, spec, at, salt));
        if let Some(gone) = self.given_up.remove(&log.name()) {
            self.delete(gone);
        }
        self.changed.insert(number);
        self.number = self.number.max(number + 1);
        self.logs.insert(number, log);
    }

    fn delete(&mut self, number: u32) {
        let Some(log) = self.logs.remove(&number) else {
            return;
        };
        self.changed.remove(&number);
        // Whatever lies in a folder of that name belongs to this log: a later one of that name is in the journal still.
        let folder = log.folder();
        self.doomed.push(Doomed { log: number, segment: None, folder, files: Vec::new(), removing: None });
    }
}

fn append(
    log: &mut Log,
    (segment, position): (Offset, u64),
    batches: &Bytes,
    (now, index_interval_min): (Wall, u32),
    f: &Functions,
) -> Result<(), Misfit> {
    if log.active().base != segment || log.active().bytes != position || !log.ready() {
        return Err(Misfit);
    }
    let mut run = check_stored(batches.clone(), f);
    let mut from = run.position();
    while let Some(batch) = run.next() {
        let batch = batch.map_err(|_| Misfit)?;
        if batch.base_offset() < log.end {
            return Err(Misfit);
        }
        let position = log.active().bytes;
        log.append(&batch, now, index_interval_min);
        let bytes = batches.slice(from..run.position());
        log.cached.push_back(Cached { base: batch.base_offset(), end: batch.end_offset(), segment, position, bytes });
        from = run.position();
    }
    Ok(())
}

/// Takes a change that only sets something; gives back any other.
fn set(log: &mut Log, change: Change) -> Option<Change> {
    match change {
        Change::Configure(settings) => log.spec.settings = settings,
        Change::Vote { term, voted } => log.hard_mut().vote = Some((term, voted)),
        Change::Registration(epoch) => log.hard_mut().registration = Some(epoch),
        Change::Leave(copy) => log.whence_mut().leaving = Some(copy),
        Change::Stay => log.whence_mut().stay(),
        other => return Some(other),
    }
    None
}

/// Batches that lie in the segment's file up to its last block, with all before them (bypass.rs says why).
fn bypass(
    log: &mut Log,
    place: (Offset, u64),
    (headers, tail): (&[Header], Bytes),
    (now, index_interval_min): (Wall, u32),
) -> Result<(), Misfit> {
    if !log.ready() || !fits(log, place, headers, &tail) {
        return Err(Misfit);
    }
    for header in headers {
        log.append_unseen(header, now, index_interval_min);
    }
    log.cached.clear();
    let closed = log.segments.len() - 1;
    log.segments.iter_mut().take(closed).for_each(|segment| segment.writer = None);
    let active = log.active_mut();
    let written = active.bytes;
    let writer = active.writer.as_mut().expect("a log that is ready has a writer");
    writer.written = written;
    writer.head = Some(tail.to_vec());
    // The last block may be in the file or not.
    writer.is_suspect = !tail.is_empty();
    writer.is_long = true;
    Ok(())
}

fn promote(
    log: &mut Log,
    (over, stays): (Vec<CopyId>, Vec<CopyId>),
    (facts, keeps_producers): (&Bytes, bool),
) -> Result<(), Misfit> {
    let known = Facts::decode(&mut &facts[..]).map_err(|_| Misfit)?;
    if log.start != known.start() || log.end > known.end() {
        return Err(Misfit);
    }
    log.promote(over, stays, (&known, keeps_producers));
    Ok(())
}

fn tail(log: &mut Log, segment: Offset, position: u64, bytes: &Bytes) -> Result<(), Misfit> {
    let active = log.active();
    let is_known = active.writer.as_ref().is_some_and(|writer| writer.head.is_some());
    if active.base != segment || position + bytes.len() as u64 != active.bytes {
        return Err(Misfit);
    }
    // Where the end is in the journal too, there is nothing to be learnt.
    if is_known || active.written() != active.bytes || position != block_floor(active.bytes) {
        return Ok(());
    }
    log.give_head(bytes.to_vec());
    let writer = log.active_mut().writer.as_mut().expect("it was given a head");
    writer.is_suspect = true;
    Ok(())
}
