//! A disk for tests: what is flushed, and what is only written. Losing power keeps any part of the rest, torn or not.

use crate::boundary::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
use crate::types::Rng;
use crate::types::limit::BLOCK_BYTES;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    current: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Sectors that a flush failed to bring to the device: they can be read, and no other flush looks at them.
    lost: BTreeSet<usize>,
}

/// Names point to files by number, so that a name can be lost and the bytes kept.
#[derive(Clone, Default)]
pub(crate) struct TestDisk {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    folders: BTreeSet<String>,
    synced_folders: BTreeSet<String>,
    open: BTreeMap<FileId, (u64, OpenMode)>,
    next: u64,
    /// Writes to files beyond this many bytes in all are refused.
    pub(crate) room: Option<usize>,
    /// The next write or flush fails.
    pub(crate) fails: bool,
    /// The next flush of this file fails.
    unflushed: Option<u64>,
    pub(crate) syncs: u64,
    /// Bytes that were written, to whatever file.
    pub(crate) written: usize,
    /// Bytes that were read, of whatever file.
    pub(crate) read: usize,
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl TestDisk {
    pub(crate) fn run(&mut self, op: &FileOp) -> Result<FileDone, FileFault> {
        let is_write =
            matches!(op, FileOp::WriteAt { .. } | FileOp::Sync { .. } | FileOp::Settle { .. } | FileOp::SyncDir { .. });
        if is_write && std::mem::take(&mut self.fails) {
            return Err(FileFault::Io);
        }
        match op {
            FileOp::Open { file, path, mode } => self.open(*file, path, *mode),
            FileOp::Close { file } => {
                self.open.remove(file).expect("only open files are closed");
                Ok(FileDone::Ok)
            }
            FileOp::ReadAt { file, at, len } => {
                let bytes = &self.files[&self.open[file].0].current;
                let from = (*at as usize).min(bytes.len());
                let end = (from + len).min(bytes.len());
                self.read += end - from;
                Ok(FileDone::Read(Bytes::copy_from_slice(&bytes[from..end])))
            }
            FileOp::WriteAt { file, at, parts, durable } => {
                let (inode, mode) = self.open[file];
                assert_ne!(mode, OpenMode::Read);
                for part in parts.iter().filter(|_| mode == OpenMode::Direct) {
                    assert!(part.len() % BLOCK_BYTES == 0 && at % BLOCK_BYTES as u64 == 0, "direct writes are blocks");
                    assert_eq!(part.as_ptr() as usize % BLOCK_BYTES, 0, "direct writes come from aligned memory");
                }
                self.written += parts.iter().map(Bytes::len).sum::<usize>();
                self.write(inode, *at as usize, &parts.concat())?;
                if *durable {
                    self.sync(inode);
                }
                Ok(FileDone::Ok)
            }
            FileOp::Sync { file } => self.flush(self.open[file].0),
            FileOp::Settle { file } => {
                let inode = self.open[file].0;
                self.flush(inode)?;
                self.files.get_mut(&inode).unwrap().forget();
                Ok(FileDone::Ok)
            }
            FileOp::SyncDir { path } => {
                if !path.is_empty() && !self.folders.contains(path) {
                    return Err(FileFault::NotFound);
                }
                self.synced_names.retain(|name, _| parent(name) != path);
                let names = self.names.iter().filter(|(name, _)| parent(name) == path);
                self.synced_names.extend(names.map(|(name, inode)| (name.clone(), *inode)));
                self.synced_folders.retain(|folder| parent(folder) != path);
                self.synced_folders.extend(self.folders.iter().filter(|folder| parent(folder) == path).cloned());
                Ok(FileDone::Ok)
            }
            FileOp::SetLen { file, len } => self.set_len(*file, *len as usize),
            FileOp::MakeDir { path } => {
                self.folders.insert(path.clone());
                Ok(FileDone::Ok)
            }
            FileOp::Rename { from, to } => {
                let inode = self.names.remove(from).ok_or(FileFault::NotFound)?;
                self.names.insert(to.clone(), inode);
                Ok(FileDone::Ok)
            }
            FileOp::Remove { path } => {
                self.names.retain(|name, _| name != path && parent(name) != path);
                self.folders.remove(path);
                Ok(FileDone::Ok)
            }
            FileOp::List { path } => Ok(FileDone::Listed(self.list(path))),
        }
    }

    fn open(&mut self, file: FileId, path: &str, mode: OpenMode) -> Result<FileDone, FileFault> {
        let folder = parent(path);
        if !folder.is_empty() && !self.folders.contains(folder) {
            return Err(FileFault::NotFound);
        }
        if mode == OpenMode::Read && !self.names.contains_key(path) {
            return Err(FileFault::NotFound);
        }
        if !self.names.contains_key(path) {
            self.next += 1;
            self.names.insert(path.into(), self.next);
            self.files.insert(self.next, File::default());
        }
        let inode = self.names[path];
        assert!(self.open.insert(file, (inode, mode)).is_none(), "file names are never used again");
        Ok(FileDone::Opened { len: self.files[&inode].current.len() as u64 })
    }

    fn set_len(&mut self, file: FileId, len: usize) -> Result<FileDone, FileFault> {
        let inode = self.open[&file].0;
        let used = self.used();
        let content = self.files.get_mut(&inode).unwrap();
        let more = len.saturating_sub(content.current.len());
        if self.room.is_some_and(|room| used + more > room) {
            return Err(FileFault::Full);
        }
        content.current.resize(len, 0);
        content.dirty.insert(len / SECTOR_BYTES);
        Ok(FileDone::Ok)
    }

    fn used(&self) -> usize {
        self.names.values().map(|inode| self.files[inode].current.len()).sum()
    }

    fn write(&mut self, inode: u64, at: usize, bytes: &[u8]) -> Result<(), FileFault> {
        let used = self.used();
        let file = self.files.get_mut(&inode).unwrap();
        let end = at + bytes.len();
        let more = end.saturating_sub(file.current.len());
        if more > 0 && self.room.is_some_and(|room| used + more > room) {
            return Err(FileFault::Full);
        }
        file.current.resize(file.current.len().max(end), 0);
        file.current[at..end].copy_from_slice(bytes);
        file.dirty.extend(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
        file.lost.retain(|sector| !file.dirty.contains(sector));
        Ok(())
    }

    fn sync(&mut self, inode: u64) {
        self.syncs += 1;
        self.files.get_mut(&inode).unwrap().sync();
    }

    fn flush(&mut self, inode: u64) -> Result<FileDone, FileFault> {
        if self.unflushed.take_if(|unflushed| *unflushed == inode).is_some() {
            let content = self.files.get_mut(&inode).unwrap();
            content.lost.append(&mut content.dirty);
            return Err(FileFault::Io);
        }
        self.sync(inode);
        Ok(FileDone::Ok)
    }

    /// The next flush of this file fails. What it should have flushed counts as flushed from then on, and is not.
    pub(crate) fn fail_flush(&mut self, path: &str) {
        self.unflushed = Some(self.names[path]);
    }

    fn list(&self, path: &str) -> Vec<Entry> {
        let name = |full: &String| full.rsplit('/').next().unwrap().into();
        let folders = self.folders.iter().filter(|folder| parent(folder) == path);
        let folders = folders.map(|folder| Entry { name: name(folder), len: 0, is_dir: true });
        let files = self.names.iter().filter(|(full, _)| parent(full) == path);
        let files = files.map(|(full, inode)| Entry {
            name: name(full),
            len: self.files[inode].current.len() as u64,
            is_dir: false,
        });
        let mut all: Vec<Entry> = folders.chain(files).collect();
        all.sort();
        all
    }

    /// The process dies. An operation under way may have been done, or in part.
    pub(crate) fn kill(&mut self, under_way: Vec<FileOp>, rng: &mut Rng) {
        for op in under_way {
            match (op, rng.below(3)) {
                (_, 0) => {}
                (FileOp::WriteAt { file, at, parts, .. }, 1) => {
                    let inode = self.open[&file].0;
                    let bytes = parts.concat();
                    for (at, sector) in (at as usize..).step_by(SECTOR_BYTES).zip(bytes.chunks(SECTOR_BYTES)) {
                        if rng.chance(1, 2) {
                            let _ = self.write(inode, at, sector);
                        }
                    }
                }
                (op, _) => drop(self.run(&op)),
            }
        }
        self.open.clear();
    }

    /// The power fails: of what is not flushed, any part may be there, and a sector may be neither old nor new.
    pub(crate) fn lose_power(&mut self, under_way: Vec<FileOp>, rng: &mut Rng) {
        self.kill(under_way, rng);
        for file in self.files.values_mut().filter(|file| !file.dirty.is_empty() || !file.lost.is_empty()) {
            let len = if rng.chance(1, 2) { file.current.len() } else { file.synced.len() };
            let mut left = file.synced.clone();
            left.resize(len, 0);
            for sector in &file.dirty {
                let from = (sector * SECTOR_BYTES).min(len);
                let end = (from + SECTOR_BYTES).min(len).min(file.current.len()).max(from);
                match rng.below(3) {
                    0 => {}
                    1 if end > from => left[from..end].copy_from_slice(&file.current[from..end]),
                    _ => left[from..end].iter_mut().for_each(|byte| *byte = rng.next_u64() as u8),
                }
            }
            file.current = left;
            file.sync_to_current();
        }
        let all: BTreeSet<String> = self.names.keys().chain(self.synced_names.keys()).cloned().collect();
        for name in all {
            if self.names.get(&name) != self.synced_names.get(&name) && rng.chance(1, 2) {
                match self.synced_names.get(&name) {
                    Some(inode) => self.names.insert(name, *inode),
                    None => self.names.remove(&name),
                };
            }
        }
        let all: BTreeSet<String> = self.folders.union(&self.synced_folders).cloned().collect();
        for folder in all {
            if self.folders.contains(&folder) == self.synced_folders.contains(&folder) || rng.chance(1, 2) {
                continue;
            }
            if self.synced_folders.contains(&folder) {
                self.folders.insert(folder);
            } else {
                self.folders.remove(&folder);
                self.names.retain(|name, _| parent(name) != folder);
            }
        }
        let folders = self.folders.clone();
        self.names.retain(|name, _| parent(name).is_empty() || folders.contains(parent(name)));
        self.synced_names.clone_from(&self.names);
        self.synced_folders.clone_from(&self.folders);
    }

    /// A process that opened files is gone.
    pub(crate) fn forget_open(&mut self) {
        self.open.clear();
    }

    /// The bytes of a file, to be damaged.
    pub(crate) fn bytes_mut(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        let file = self.files.get_mut(self.names.get(path)?)?;
        file.synced.clone_from(&file.current);
        Some(&mut file.current)
    }

    /// The names of all files.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }
}

impl File {
    fn sync(&mut self) {
        let before = core::mem::replace(&mut self.synced, self.current.clone());
        for sector in &self.lost {
            for at in (sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES).take_while(|at| *at < self.current.len()) {
                self.synced[at] = before.get(at).copied().unwrap_or(0);
            }
        }
        self.dirty.clear();
    }

    /// What is read from now on is what was flushed.
    fn forget(&mut self) {
        self.current.clone_from(&self.synced);
        self.lost.clear();
    }

    fn sync_to_current(&mut self) {
        self.synced.clone_from(&self.current);
        self.dirty.clear();
        self.lost.clear();
    }
}
