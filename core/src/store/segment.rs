//! One segment of a log: a file of batches back to back, in Kafka's format under Kafka's name, and who writes it.

use super::buffer::block_floor;
use super::index::{Index, Place};
use crate::record::{Header, NO_TIMESTAMP};
use crate::types::{LogId, Offset, Wall};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// One segment. All but the last of a log are closed: they take no more batches.
#[derive(Debug)]
pub(super) struct Segment {
    /// No offset in it is smaller.
    pub(super) base: Offset,
    /// Length of the batches in it.
    pub(super) bytes: u64,
    /// So much of that is in the journal or in the file for good.
    pub(super) durable: u64,
    /// When it was begun.
    pub(super) created: Wall,
    /// The maximum timestamp of its first batch.
    pub(super) first_time: Wall,
    /// The largest maximum timestamp of its batches.
    pub(super) max_time: Wall,
    /// The base offset of the first batch that has it.
    pub(super) max_time_base: Offset,
    pub(super) index: Index,
    /// Changes with every cut, so that index entries from before do not fit.
    pub(super) salt: u64,
    /// Only of a segment that was written lately.
    pub(super) writer: Option<Box<Writer>>,
}

/// What writes a segment's file, some way behind the journal.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The open file.
    pub(super) file: Option<crate::boundary::FileId>,
    /// A file operation is under way.
    pub(super) is_busy: bool,
    /// So many bytes are in the file, flushed or not.
    pub(super) written: u64,
    /// What of those lies in the last block, which is not whole. None if nobody knows without looking.
    pub(super) head: Option<Vec<u8>>,
    /// A process before this one may have died while it wrote the last block: what the file says of it is not true, the
    /// head is. It is written again before the journal forgets it.
    pub(super) is_suspect: bool,
    /// Written since the last flush of the file.
    pub(super) is_unsynced: bool,
    /// The file may be longer than the segment.
    pub(super) is_long: bool,
    /// The journal still holds what the last block of the file holds, so that it may be cut to its length: cutting a
    /// file writes its last block again (law 2).
    pub(super) may_be_cut: bool,
    /// A checkpoint waits until so many bytes are flushed.
    pub(super) goal: Option<u64>,
    /// A large append would have been written straight into the file, up to here, had that been ready (bypass.rs).
    pub(super) wanted: u64,
    /// The file's name is flushed, and that of its folder.
    pub(super) is_named: bool,
    /// The file is this long: so far there is room.
    pub(super) room: u64,
    /// More room is being made.
    pub(super) is_growing: bool,
}

impl Segment {
    /// A segment that begins now.
    pub(super) fn newborn(base: Offset, created: Wall, salt: u64) -> Self {
        Self {
            base,
            bytes: 0,
            durable: 0,
            created,
            first_time: NO_TIMESTAMP,
            max_time: NO_TIMESTAMP,
            max_time_base: base,
            index: Index::newborn(),
            salt,
            writer: Some(Box::new(Writer { head: Some(Vec::new()), is_long: true, ..Writer::default() })),
        }
    }

    /// Takes note of one more batch.
    pub(super) fn append(&mut self, header: &Header, index_interval: u64) {
        self.index.note(self.end_place(header.base_offset), index_interval);
        if self.bytes == 0 {
            self.first_time = header.max_timestamp;
        }
        if header.max_timestamp > self.max_time {
            self.max_time = header.max_timestamp;
            self.max_time_base = header.base_offset;
        }
        self.bytes += header.batch_bytes() as u64;
    }

    /// The place of a batch that would come next.
    pub(super) fn end_place(&self, base: Offset) -> Place {
        Place { base, position: self.bytes, max_time: self.max_time, max_time_base: self.max_time_base }
    }

    /// The `len` bytes of the file from this position on, put right where the file is not to be believed.
    pub(super) fn mend(&self, at: u64, len: usize, bytes: Bytes) -> Bytes {
        let Some(writer) = self.writer.as_ref().filter(|writer| writer.is_suspect) else {
            return bytes;
        };
        let from = block_floor(writer.written);
        let head = writer.head.as_ref().expect("only a block that is known is doubted");
        let (low, high) = (from.max(at), writer.written.min(at + len as u64));
        if low >= high || at + (bytes.len() as u64) < low {
            return bytes;
        }
        let mut mended = bytes.to_vec();
        // The file may end where the block begins.
        mended.resize(mended.len().max((high - at) as usize), 0);
        let known = &head[(low - from) as usize..(high - from) as usize];
        mended[(low - at) as usize..(high - at) as usize].copy_from_slice(known);
        Bytes::from(mended)
    }

    /// So many bytes are in the file.
    pub(super) fn written(&self) -> u64 {
        self.writer.as_ref().map_or(self.bytes, |writer| writer.written)
    }
}

/// The folder of a log.
pub(super) fn folder(id: LogId, topic: &str) -> String {
    format!("{topic}-{}", id.partition)
}

/// The file of a segment.
pub(super) fn segment_path(folder: &str, base: Offset) -> String {
    format!("{folder}/{:020}.log", base.0)
}

/// The file of a segment's index.
pub(super) fn index_path(folder: &str, base: Offset) -> String {
    format!("{folder}/{:020}.places", base.0)
}
