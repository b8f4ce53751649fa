//! The closed list of what a disk is asked to do. `broker` does it with system calls, `sim` on an image of sectors that
//! it may tear; neither decides anything.
//!
//! Operations under way may end in any order: whoever needs one done before another waits for its completion.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// A file that the store opened, named by the store; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpenMode {
    /// Reads only; the file must exist.
    Read,
    /// Reads and writes through the page cache; made if missing.
    Write,
    /// Reads and writes past the page cache where the file system can: positions, lengths and the memory of writes are
    /// multiples of [`crate::types::limit::BLOCK_BYTES`]. Where it cannot, the driver opens it as `Write` and says so.
    Direct,
}

/// One operation. Paths are relative to the data directory, with `/` between their parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileOp {
    /// Open; ends in [`FileDone::Opened`].
    Open {
        /// Its name from now on.
        file: FileId,
        /// Where.
        path: String,
        /// How.
        mode: OpenMode,
    },
    /// Forget the handle. Ends in `Ok`, always.
    Close {
        /// Which.
        file: FileId,
    },
    /// Read; ends in [`FileDone::Read`], shorter than asked only at the end of the file.
    ReadAt {
        /// Which.
        file: FileId,
        /// Position in bytes.
        at: u64,
        /// Bytes wanted.
        len: usize,
    },
    /// Write all parts one behind the other.
    WriteAt {
        /// Which.
        file: FileId,
        /// Position in bytes.
        at: u64,
        /// What.
        parts: Vec<Bytes>,
        /// Ends only when these bytes (and the length, if it grew) are on the device.
        durable: bool,
    },
    /// Everything written to this file before is on the device when this ends.
    Sync {
        /// Which.
        file: FileId,
    },
    /// The same, and what is read from then on is what the device has: a flush that failed, in whatever process, may have
    /// left bytes in memory that count as flushed and are nowhere else.
    Settle {
        /// Which.
        file: FileId,
    },
    /// The names in this directory are on the device when this ends.
    SyncDir {
        /// Which.
        path: String,
    },
    /// Give the file this length, zero-filled where it grows; blocks are allocated so that later writes find room.
    SetLen {
        /// Which.
        file: FileId,
        /// New length in bytes.
        len: u64,
    },
    /// Make a directory and its missing parents.
    MakeDir {
        /// Which.
        path: String,
    },
    /// Give a file another name, replacing what had it.
    Rename {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// Remove a file, or a directory with all that is in it. Missing is fine.
    Remove {
        /// Which.
        path: String,
    },
    /// What is in this directory; ends in [`FileDone::Listed`], sorted by name, empty if it is missing.
    List {
        /// Which.
        path: String,
    },
}

/// How an operation ended well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileDone {
    /// Done.
    Ok,
    /// The file is open and this long.
    Opened {
        /// In bytes.
        len: u64,
    },
    /// The bytes.
    Read(Bytes),
    /// What is there.
    Listed(Vec<Entry>),
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    /// Without its directory.
    pub name: String,
    /// Length of a file in bytes; 0 for a directory.
    pub len: u64,
    /// True for a directory.
    pub is_dir: bool,
}

/// How an operation ended badly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileFault {
    /// No such file.
    NotFound,
    /// No room (or quota).
    Full,
    /// Not allowed, or a read-only file system.
    Denied,
    /// The device failed.
    Io,
}
