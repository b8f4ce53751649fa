//! The records of a checked batch, one by one: for coordinators that load their state, and for look-ups by time.

use super::{CheckedBatch, CodecFault, Functions, Record, RecordFault};
use crate::types::{Offset, Wall};
use alloc::vec::Vec;

/// One record with its place and time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Placed<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp: the batch's under LogAppendTime.
    pub timestamp: Wall,
    /// What it holds.
    pub record: Record<'a>,
}

/// Why the records of a checked batch cannot be read. A batch that was proved when it was produced has no such fault, so
/// its producer was a broken broker, or the batch is from elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WalkFault {
    /// The records do not decompress.
    Codec(CodecFault),
    /// A record cannot be read.
    Record(RecordFault),
    /// Offsets do not grow within the batch, or a timestamp is out of range.
    Order,
    /// Bytes follow the last record.
    Trailing,
}

/// Iterator over the records of one batch; ends with the first fault.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    batch: &'a CheckedBatch,
    rest: &'a [u8],
    left: i32,
    next_delta: i32,
}

impl CheckedBatch {
    /// The records of this batch. `scratch` is where compressed ones are unpacked.
    pub fn walk<'a>(&'a self, f: &Functions, scratch: &'a mut Vec<u8>) -> Result<Walk<'a>, WalkFault> {
        let rest = self.unpacked(f, scratch).map_err(WalkFault::Codec)?;
        Ok(Walk { batch: self, rest, left: self.header.count, next_delta: 0 })
    }
}

impl<'a> Walk<'a> {
    fn take(&mut self) -> Result<Placed<'a>, WalkFault> {
        let record = Record::take(&mut self.rest).map_err(WalkFault::Record)?;
        let header = &self.batch.header;
        if record.offset_delta < self.next_delta || record.offset_delta > header.last_offset_delta {
            return Err(WalkFault::Order);
        }
        self.next_delta = record.offset_delta.saturating_add(1);
        let timestamp = match header.log_append_time() {
            Some(time) => time,
            None => Wall(header.base_timestamp.0.checked_add(record.timestamp_delta).ok_or(WalkFault::Order)?),
        };
        Ok(Placed { offset: header.base_offset.plus(i64::from(record.offset_delta)), timestamp, record })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Placed<'a>, WalkFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let is_trailing = !self.rest.is_empty();
            self.rest = &[];
            return is_trailing.then_some(Err(WalkFault::Trailing));
        }
        let taken = self.take();
        self.left -= 1;
        if taken.is_err() {
            self.left = 0;
            self.rest = &[];
        }
        Some(taken)
    }
}

/// The first record at or behind `from` whose timestamp is at least `target`, as ListOffsets looks for it; none if this
/// batch has no such record. `from` is the log's start, which may lie inside the batch.
pub fn find_by_time(
    batch: &CheckedBatch,
    from: Offset,
    target: Wall,
    f: &Functions,
) -> Result<Option<(Offset, Wall)>, WalkFault> {
    if batch.header.max_timestamp < target {
        return Ok(None);
    }
    let mut scratch = Vec::new();
    for placed in batch.walk(f, &mut scratch)? {
        let placed = placed?;
        if placed.timestamp >= target && placed.offset >= from {
            return Ok(Some((placed.offset, placed.timestamp)));
        }
    }
    Ok(None)
}

/// The first record that has the batch's maximum timestamp (ListOffsets with timestamp −3, KIP-734); none in a batch that
/// compaction has emptied.
pub fn find_max_time(batch: &CheckedBatch, f: &Functions) -> Result<Option<(Offset, Wall)>, WalkFault> {
    let max = batch.header.max_timestamp;
    let mut scratch = Vec::new();
    for placed in batch.walk(f, &mut scratch)? {
        let placed = placed?;
        if placed.timestamp == max {
            return Ok(Some((placed.offset, max)));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "walk_test.rs"]
mod walk_test;
