//! File operations under way: each has one purpose, and each file is left alone until those on it have ended.

use super::StoreOut;
use super::checkpoint::CatalogueStep;
use crate::boundary::{FileId, FileOp};
use crate::types::{FileOpId, Offset};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

/// A segment: its log's number and its base offset.
pub(super) type Key = (u32, Offset);

/// Why an operation was asked for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The journal write of the group under way.
    Group,
    /// A write to a segment, behind the journal.
    Write(SegmentWrite),
    /// A write to a segment beside the journal, up to this position; it belongs to the group under way.
    Bypass(Key, u64),
    /// Some other step of a segment's writer.
    Writer(Key, WriterStep),
    /// A segment is opened for reading.
    Reader(Key, FileId),
    /// A segment's index is read.
    Index(Key, IndexStep),
    /// A read goes on, in this segment.
    Chunk(u64, Key),
    /// A piece of a segment that somebody will want is read, from this position on.
    Ahead(u64, Key, u64),
    /// A step of a checkpoint behind the segments.
    Catalogue(CatalogueStep),
    /// A removal; the index of what is doomed.
    Remove(u64),
    /// Nobody waits.
    Close,
}

/// A write to a segment under way.
#[derive(Debug)]
pub(super) struct SegmentWrite {
    pub(super) key: Key,
    /// So many bytes of the segment are in the file when it ends …
    pub(super) target: u64,
    /// … unless the log was cut meanwhile.
    pub(super) cuts: u64,
    /// What is written, from a block border on.
    pub(super) bytes: Bytes,
}

/// What a segment's writer does besides writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WriterStep {
    Folder,
    Open(FileId),
    /// The file is cut to this length.
    Length(u64),
    /// Room is made up to this length.
    Grow(u64),
    Sync,
    /// The folder's names are flushed …
    NameFile,
    /// … and those in the root.
    NameFolder,
    IndexOpen(FileId),
    IndexWrite(FileId),
    IndexSync(FileId),
}

impl WriterStep {
    /// The file that it leaves open, if nobody keeps it.
    pub(super) fn file(self) -> Option<FileId> {
        match self {
            Self::Open(file) | Self::IndexOpen(file) | Self::IndexWrite(file) | Self::IndexSync(file) => Some(file),
            Self::Folder | Self::Length(_) | Self::Grow(_) | Self::Sync | Self::NameFile | Self::NameFolder => None,
        }
    }
}

/// How an index is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IndexStep {
    Open(FileId),
    Read(FileId),
}

impl Purpose {
    /// The segment whose files it touches.
    fn key(&self) -> Option<Key> {
        match self {
            Self::Write(write) => Some(write.key),
            Self::Bypass(key, _)
            | Self::Writer(key, _)
            | Self::Reader(key, _)
            | Self::Index(key, _)
            | Self::Chunk(_, key)
            | Self::Ahead(_, key, _) => Some(*key),
            Self::Group | Self::Catalogue(_) | Self::Remove(_) | Self::Close => None,
        }
    }
}

/// All operations under way, and the source of their names.
#[derive(Debug, Default)]
pub(super) struct Ops {
    purposes: BTreeMap<FileOpId, Purpose>,
    busy: BTreeMap<Key, u32>,
    next_op: u64,
    next_file: u64,
}

impl Ops {
    /// Asks for an operation.
    pub(super) fn ask(&mut self, purpose: Purpose, op: FileOp, out: &mut Vec<StoreOut>) {
        let id = FileOpId(self.next_op);
        self.next_op += 1;
        if let Some(key) = purpose.key() {
            *self.busy.entry(key).or_default() += 1;
        }
        self.purposes.insert(id, purpose);
        out.push(StoreOut::File { id, op });
    }

    /// Closes a file that nobody uses.
    pub(super) fn close(&mut self, file: FileId, out: &mut Vec<StoreOut>) {
        self.ask(Purpose::Close, FileOp::Close { file }, out);
    }

    /// An operation ended: what it was for.
    pub(super) fn end(&mut self, id: FileOpId) -> Purpose {
        let purpose = self.purposes.remove(&id).expect("a file operation ends once");
        if let Some(key) = purpose.key() {
            let count = self.busy.get_mut(&key).expect("counted when it was asked for");
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&key);
            }
        }
        purpose
    }

    /// Is an operation under way on this segment, or with none given on any of the log?
    pub(super) fn is_busy(&self, log: u32, segment: Option<Offset>) -> bool {
        match segment {
            Some(base) => self.busy.contains_key(&(log, base)),
            None => self.busy.range((log, Offset(i64::MIN))..=(log, Offset(i64::MAX))).next().is_some(),
        }
    }

    /// A name for a file, never used before.
    pub(super) fn file(&mut self) -> FileId {
        self.next_file += 1;
        FileId(self.next_file)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.purposes.is_empty()
    }
}
