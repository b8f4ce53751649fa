//! One file operation after the other, by system calls.

use super::buffers::{Buffers, LARGE_READ_BYTES_MIN};
use super::root::Root;
use bytes::Bytes;
use ottla_core::boundary::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::limit::BLOCK_BYTES;
use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate, fcntl_getfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2, retry_on_intr};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;
use tracing::{info, warn};

/// The files that the store has open.
#[derive(Debug)]
pub struct Files {
    root: Root,
    /// What large reads are read into.
    buffers: Arc<Buffers>,
    open: Mutex<HashMap<FileId, Arc<File>>>,
    /// Those of them that large reads were made of past the page cache, opened once more for that.
    direct: Mutex<HashMap<FileId, Arc<File>>>,
    /// How many writes there were, and how many when the last large read began.
    writes: AtomicU64,
    writes_before: AtomicU64,
    /// Set once the file system refused direct I/O, so that it is told once.
    is_buffered: AtomicBool,
    /// Set while the system has no descriptor or memory to open a file with, so that it is told once.
    is_short: AtomicBool,
}

impl Files {
    /// No file is open yet; paths are relative to `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: Root::new(root),
            buffers: Arc::default(),
            open: Mutex::default(),
            direct: Mutex::default(),
            writes: AtomicU64::new(0),
            writes_before: AtomicU64::new(0),
            is_buffered: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
        }
    }

    /// The directory.
    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Does it, on this thread.
    pub fn run(&self, op: FileOp) -> Result<FileDone, FileFault> {
        if changes_anything(&op) && self.root.is_lost(changes_names(&op)) {
            return Err(FileFault::Io);
        }
        match op {
            FileOp::Open { file, path, mode } => self.open(file, &path, mode),
            FileOp::Close { file } => {
                self.table().remove(&file);
                lock(&self.direct).remove(&file);
                Ok(FileDone::Ok)
            }
            FileOp::ReadAt { file, at, len } => self.read(file, at, len),
            FileOp::WriteAt { file, at, parts, durable } => {
                self.writes.fetch_add(1, Ordering::Relaxed);
                done(write(&*self.file(file)?, at, &parts, durable))
            }
            FileOp::Sync { file } => done(self.file(file)?.sync_data()),
            FileOp::Settle { file } => done(settle(&*self.file(file)?)),
            FileOp::SyncDir { path } => {
                let path = self.root.path().join(path);
                done(self.patiently(|| File::open(&path)).and_then(|folder| folder.sync_all()))
            }
            FileOp::SetLen { file, len } => done(set_len(&*self.file(file)?, len)),
            FileOp::MakeDir { path } => done(fs::create_dir_all(self.root.path().join(path))),
            FileOp::Rename { from, to } => done(fs::rename(self.root.path().join(from), self.root.path().join(to))),
            FileOp::Remove { path } => done(remove(&self.root.path().join(path))),
            FileOp::List { path } => {
                let path = self.root.path().join(path);
                self.patiently(|| list(&path)).map(FileDone::Listed).map_err(fault)
            }
        }
    }

    /// Opens something. That connections have taken all descriptors, or others all memory, is no fault of the disk, and passes:
    /// it is waited for.
    pub(super) fn patiently<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            let opened = open();
            let Some(fault) = opened.as_ref().err().filter(|fault| is_short(fault)) else {
                if self.is_short.swap(false, Ordering::Relaxed) {
                    info!("files can be opened again");
                }
                return opened;
            };
            if !self.is_short.swap(true, Ordering::Relaxed) {
                warn!("no file can be opened for now ({fault}): close connections, or raise the limit of open files");
            }
            sleep(SHORT_PAUSE);
        }
    }

    fn open(&self, file: FileId, path: &str, mode: OpenMode) -> Result<FileDone, FileFault> {
        let path = self.root.path().join(path);
        let opened = match mode {
            OpenMode::Read => self.patiently(|| File::open(&path)),
            OpenMode::Write => self.patiently(|| open_writable(&path, OFlags::empty())),
            OpenMode::Direct => match self.patiently(|| open_writable(&path, OFlags::DIRECT)) {
                Err(fault) if fault.kind() == ErrorKind::InvalidInput => {
                    if !self.is_buffered.swap(true, Ordering::Relaxed) {
                        warn!("{} has no direct I/O: writes go through the page cache", self.root.path().display());
                    }
                    self.patiently(|| open_writable(&path, OFlags::empty()))
                }
                opened => opened,
            },
        };
        let opened = opened.map_err(fault)?;
        let len = opened.metadata().map_err(fault)?.len();
        self.table().insert(file, Arc::new(opened));
        Ok(FileDone::Opened { len })
    }

    fn read(&self, file: FileId, at: u64, len: usize) -> Result<FileDone, FileFault> {
        let is_large = len >= LARGE_READ_BYTES_MIN;
        let (id, file) = (file, self.file(file)?);
        // Direct reads want aligned memory: one block more than needed has such a place in it.
        let mut buffer = self.buffers.take(len + if is_large { 3 } else { 1 } * BLOCK_BYTES);
        let from = buffer.as_mut().as_ptr().align_offset(BLOCK_BYTES);
        if is_large
            && self.are_writes_under_way()
            && let Some(direct) = self.direct(id, &file)
        {
            if is_cached(&file, at, &mut buffer.as_mut()[from..from + len]) {
                return Ok(FileDone::Read(buffer.share(from..from + len)));
            }
            // Whole blocks around what is wanted.
            let skip = (at % BLOCK_BYTES as u64) as usize;
            let whole = (skip + len).next_multiple_of(BLOCK_BYTES);
            let have = read(&direct, at - skip as u64, &mut buffer.as_mut()[from..from + whole]).map_err(fault)?;
            let end = have.clamp(skip, skip + len);
            return Ok(FileDone::Read(buffer.share(from + skip..from + end)));
        }
        let have = read(&file, at, &mut buffer.as_mut()[from..from + len]).map_err(fault)?;
        Ok(FileDone::Read(buffer.share(from..from + have)))
    }

    /// Has anybody written since the last large read began? As long as somebody does, what is not in the page cache is
    /// read past it: to fill it costs the kernel a multiple of the read itself, at the expense of who writes.
    fn are_writes_under_way(&self) -> bool {
        let writes = self.writes.load(Ordering::Relaxed);
        self.writes_before.swap(writes, Ordering::Relaxed) != writes
    }

    /// A file that is open for reading, once more, past the page cache; none if its file system has no such thing.
    fn direct(&self, id: FileId, file: &File) -> Option<Arc<File>> {
        let mut table = lock(&self.direct);
        if let Some(known) = table.get(&id) {
            return Some(Arc::clone(known));
        }
        if self.is_buffered.load(Ordering::Relaxed) || is_direct(file) {
            return None;
        }
        let flags = i32::try_from(OFlags::DIRECT.bits()).expect("open flags are small");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = Arc::new(File::options().read(true).custom_flags(flags).open(path).ok()?);
        table.insert(id, Arc::clone(&opened));
        Some(opened)
    }

    fn file(&self, file: FileId) -> Result<Arc<File>, FileFault> {
        self.find(file).ok_or(FileFault::NotFound)
    }

    /// An open file.
    fn find(&self, file: FileId) -> Option<Arc<File>> {
        self.table().get(&file).cloned()
    }

    /// An open file, if it may be written.
    pub(super) fn find_writable(&self, file: FileId) -> Option<Arc<File>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.find(file).filter(|_| !self.root.is_lost(false))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<FileId, Arc<File>>> {
        lock(&self.open)
    }
}

fn lock(table: &Mutex<HashMap<FileId, Arc<File>>>) -> MutexGuard<'_, HashMap<FileId, Arc<File>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what is wanted if all of it is in the page cache.
fn is_cached(file: &File, at: u64, into: &mut [u8]) -> bool {
    let len = into.len();
    preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) == Ok(len)
}

fn open_writable(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).expect("open flags are small");
    File::options().read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path)
}

/// Fills `into` from this position on, as far as the file goes. Returns how far.
fn read(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match file.read_at(&mut into[have..], at + have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
        // A direct read that ends inside a block has reached the end of the file, and may not go on from there.
        if !have.is_multiple_of(BLOCK_BYTES) && is_direct(file) {
            break;
        }
    }
    Ok(have)
}

/// Does an operation write, or promise that something is written?
fn changes_anything(op: &FileOp) -> bool {
    match op {
        FileOp::Open { mode, .. } => *mode != OpenMode::Read,
        FileOp::WriteAt { .. }
        | FileOp::Sync { .. }
        | FileOp::Settle { .. }
        | FileOp::SyncDir { .. }
        | FileOp::SetLen { .. }
        | FileOp::MakeDir { .. }
        | FileOp::Rename { .. }
        | FileOp::Remove { .. } => true,
        FileOp::Close { .. } | FileOp::ReadAt { .. } | FileOp::List { .. } => false,
    }
}

/// Does it depend on what the names in the directory are? These are few, so that each may look at the directory itself.
fn changes_names(op: &FileOp) -> bool {
    match op {
        FileOp::Open { .. }
        | FileOp::SyncDir { .. }
        | FileOp::MakeDir { .. }
        | FileOp::Rename { .. }
        | FileOp::Remove { .. } => true,
        FileOp::Close { .. }
        | FileOp::ReadAt { .. }
        | FileOp::WriteAt { .. }
        | FileOp::Sync { .. }
        | FileOp::Settle { .. }
        | FileOp::SetLen { .. }
        | FileOp::List { .. } => false,
    }
}

fn is_direct(file: &File) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::DIRECT))
}

/// All parts, one behind the other; a durable write is one system call where the kernel has it.
fn write(file: &File, at: u64, parts: &[Bytes], durable: bool) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
    let (mut rest, mut at) = (&mut slices[..], at);
    let mut flags = if durable { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
    while !rest.is_empty() {
        let count = rest.len().min(SLICES_MAX);
        match pwritev2(file, &rest[..count], at, flags) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                at += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) if !flags.is_empty() => flags = ReadWriteFlags::empty(),
            Err(fault) => return Err(fault.into()),
        }
    }
    if durable && flags.is_empty() { file.sync_data() } else { Ok(()) }
}

/// Flushed, and out of the page cache: pages whose flush failed are clean for the kernel, and shown as they were written.
fn settle(file: &File) -> io::Result<()> {
    file.sync_data()?;
    // A file system without a page cache has nothing to forget, and may say so.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    Ok(())
}

/// Room is made now, so that later writes do not find the disk full.
fn set_len(file: &File, len: u64) -> io::Result<()> {
    let have = file.metadata()?.len();
    if len > have {
        match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), have, len - have)) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            allocated => return Ok(allocated?),
        }
    }
    file.set_len(len)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(fault) => Err(fault),
    };
    match removed {
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let found = match fs::read_dir(path) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(entries),
        found => found?,
    };
    for entry in found {
        let entry = entry?;
        let facts = entry.metadata()?;
        let len = if facts.is_dir() { 0 } else { facts.len() };
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(Entry { name, len, is_dir: facts.is_dir() });
    }
    entries.sort();
    Ok(entries)
}

fn done(outcome: io::Result<()>) -> Result<FileDone, FileFault> {
    outcome.map(|()| FileDone::Ok).map_err(fault)
}

/// What a failure of the operating system is for the store.
pub(super) fn fault(fault: io::Error) -> FileFault {
    match fault.kind() {
        ErrorKind::NotFound => FileFault::NotFound,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => FileFault::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => FileFault::Denied,
        _ => {
            warn!("the disk refused: {fault}");
            FileFault::Io
        }
    }
}

/// Has the system nothing left to open a file with?
fn is_short(fault: &io::Error) -> bool {
    let errno = fault.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// The kernel takes no more parts in one call.
const SLICES_MAX: usize = 1024;
