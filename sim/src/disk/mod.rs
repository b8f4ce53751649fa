//! A disk that may fail: executes the store's file operations on an image of what is durable and what is not yet.
//!
//! It decides nothing about protocol. An operation takes effect when it ends; until then a dead process may have left it
//! undone, done, or done in part. Faults are armed from outside and hit the next operation of their kind.

mod fault;
mod image;
mod loss;
mod tree;

pub use fault::{Armed, Damage, Pace, Tally, Traits};

use bytes::Bytes;
use image::{Content, PAGE_BYTES};
use loss::{Loss, Wreck};
use ottla_core::boundary::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use tree::{Inode, Tree};

/// An operation under way, named by the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(u64);

#[derive(Clone, Debug)]
struct Flying {
    op: FileOp,
    /// The newest write that had ended when this began: what a sync promises.
    fence: u64,
}

/// One disk: outlives every process that writes to it.
#[derive(Clone, Debug)]
pub struct Disk {
    tree: Tree,
    contents: BTreeMap<Inode, Content>,
    open: BTreeMap<FileId, Inode>,
    flying: BTreeMap<Token, Flying>,
    armed: Vec<Armed>,
    traits: Traits,
    pace: Pace,
    rng: Rng,
    seq: u64,
    token: u64,
    tally: Tally,
    damage: Vec<Damage>,
}

impl Disk {
    /// An empty disk.
    pub fn new(traits: Traits, rng: Rng) -> Self {
        Self {
            tree: Tree::default(),
            contents: BTreeMap::new(),
            open: BTreeMap::new(),
            flying: BTreeMap::new(),
            armed: Vec::new(),
            pace: Pace::default(),
            traits,
            rng,
            seq: 0,
            token: 0,
            tally: Tally::default(),
            damage: Vec::new(),
        }
    }

    /// Begins an operation; it is to be finished after so much time.
    pub fn begin(&mut self, op: FileOp) -> (Token, Duration) {
        let wait = self.pace.draw(&self.traits, &op, &mut self.rng);
        self.token += 1;
        let token = Token(self.token);
        self.flying.insert(token, Flying { op, fence: self.seq });
        (token, wait)
    }

    /// Ends an operation: now it takes effect.
    pub fn finish(&mut self, token: Token) -> Result<FileDone, FileFault> {
        let flying = self.flying.remove(&token).expect("an operation ends once");
        self.tally.ops += 1;
        self.execute(flying)
    }

    /// Begins and ends an operation on the spot.
    pub fn run(&mut self, op: FileOp) -> Result<FileDone, FileFault> {
        let fence = self.seq;
        self.execute(Flying { op, fence })
    }

    /// The process dies and the machine lives on: what was written stays, what was under way may be there in part.
    pub fn kill(&mut self) {
        for (_, Flying { op, fence }) in std::mem::take(&mut self.flying) {
            match (op, self.rng.below(3)) {
                (_, 0) => {}
                (FileOp::WriteAt { file, at, parts, .. }, 1) => self.write_some(file, at, &parts),
                (op, _) => drop(self.execute(Flying { op, fence })),
            }
        }
        self.open.clear();
        self.collect();
    }

    /// The power fails: any part of what was not synced is gone.
    pub fn lose_power(&mut self) {
        let loss = Loss::draw(self.rng.fork("loss"), self.seq, self.traits.whole_pages);
        self.lose(loss);
    }

    /// A copy of this disk as it would be if the power failed now and nothing that was not synced were there.
    pub fn durable_copy(&self) -> Self {
        let mut copy = self.clone();
        copy.flying.clear();
        copy.armed.clear();
        copy.traits.capacity_bytes = None;
        copy.lose(Loss::of_everything());
        copy
    }

    /// A copy of this disk as it might be if the power failed now.
    pub fn torn_copy(&self, rng: Rng) -> Self {
        let mut copy = self.clone();
        copy.armed.clear();
        copy.traits.capacity_bytes = None;
        copy.rng = rng;
        copy.lose_power();
        copy
    }

    /// Sets a fault that hits the next operation of its kind.
    pub fn arm(&mut self, fault: Armed) {
        self.armed.push(fault);
    }

    /// Takes back the faults that have hit nothing yet.
    pub fn disarm(&mut self) {
        self.armed.clear();
        self.traits.capacity_bytes = None;
        self.pace = Pace::default();
    }

    /// From now on every operation takes so many times longer.
    pub fn slow_down(&mut self, factor: u32) {
        self.pace.factor = factor;
    }

    /// The file system has room for so many bytes more than it holds.
    pub fn fill_up_to(&mut self, spare_bytes: u64) {
        self.traits.capacity_bytes = Some(self.used_bytes() + spare_bytes);
    }

    /// There is room again, and it is as fast as it was.
    pub fn relieve(&mut self) {
        self.traits.capacity_bytes = None;
        self.pace = Pace::default();
    }

    /// Flips bits in some sector that the device holds. Of a file that `spares` names only what later writes followed
    /// is hit: its newest bytes cannot be told from a torn write by anybody who has one disk. False if there is none.
    pub fn rot(&mut self, spares: impl Fn(&str) -> bool) -> bool {
        let files = self.tree.files();
        let held: Vec<(String, Inode, usize)> = files
            .into_iter()
            .flat_map(|(path, inode)| {
                let content = self.contents.get(&inode);
                let pages = match spares(&path) {
                    true => content.map(Content::followed_pages),
                    false => content.map(Content::durable_pages),
                };
                let pages = pages.unwrap_or_default();
                pages.into_iter().map(move |page| (path.clone(), inode, page))
            })
            .collect();
        if held.is_empty() {
            return false;
        }
        let (path, inode, page) = held[self.rng.below(held.len() as u64) as usize].clone();
        let content = self.contents.get_mut(&inode).expect("listed above");
        let hit = content.rot(page, &mut self.rng);
        self.damage.push(Damage { path, at: (page * PAGE_BYTES) as u64 });
        hit
    }

    /// What was done to the bytes behind everybody's back.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What has been met so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Bytes that the file system has allocated.
    pub fn used_bytes(&self) -> u64 {
        self.contents.values().map(|content| (content.pages() * PAGE_BYTES) as u64).sum()
    }

    /// Every file and its length, for a trace.
    pub fn files(&self) -> Vec<(String, u64)> {
        let files = self.tree.files();
        files.into_iter().map(|(path, inode)| (path, self.contents[&inode].len())).collect()
    }

    fn lose(&mut self, mut loss: Loss) {
        for (_, Flying { op, fence }) in std::mem::take(&mut self.flying) {
            if self.rng.chance(1, 2) {
                let op = match op {
                    FileOp::WriteAt { file, at, parts, .. } => FileOp::WriteAt { file, at, parts, durable: false },
                    other => other,
                };
                let _ = self.execute(Flying { op, fence });
            }
        }
        let mut wreck = Wreck::default();
        let dirty = self.contents.values().any(Content::is_dirty);
        self.contents.values_mut().for_each(|content| content.lose_power(&mut loss, &mut wreck));
        self.tally.names_lost += u64::from(self.tree.lose_power(&mut loss));
        self.tally.power_losses += 1;
        self.tally.power_losses_dirty += u64::from(dirty);
        self.tally.power_losses_felt += u64::from(wreck.lost_any());
        self.tally.torn_writes += wreck.torn();
        self.open.clear();
        self.collect();
    }

    fn execute(&mut self, Flying { op, fence }: Flying) -> Result<FileDone, FileFault> {
        match op {
            FileOp::Open { file, path, mode } => self.open_file(file, &path, mode),
            FileOp::Close { file } => {
                self.open.remove(&file);
                Ok(FileDone::Ok)
            }
            FileOp::ReadAt { file, at, len } => self.read(file, at, len),
            FileOp::WriteAt { file, at, parts, durable } => self.write(file, at, &parts, durable),
            FileOp::Sync { file } => self.sync(file, fence),
            FileOp::Settle { file } => {
                let settled = self.sync(file, fence)?;
                self.content(file).settle();
                Ok(settled)
            }
            FileOp::SyncDir { path } => self.sync_dir(&path, fence),
            FileOp::SetLen { file, len } => self.set_len(file, len),
            FileOp::MakeDir { path } => {
                let seq = self.next_seq();
                self.tree.make_dir(seq, &path).then_some(FileDone::Ok).ok_or(FileFault::Denied)
            }
            FileOp::Rename { from, to } => {
                let seq = self.next_seq();
                self.tree.rename(seq, &from, &to).then_some(FileDone::Ok).ok_or(FileFault::NotFound)
            }
            FileOp::Remove { path } => {
                let seq = self.next_seq();
                self.tree.remove(seq, &path);
                self.collect();
                Ok(FileDone::Ok)
            }
            FileOp::List { path } => Ok(self.list(&path)),
        }
    }

    fn open_file(&mut self, file: FileId, path: &str, mode: OpenMode) -> Result<FileDone, FileFault> {
        let found = match self.tree.find(path) {
            Some(inode) if self.tree.is_dir(inode) => return Err(FileFault::Denied),
            Some(inode) => inode,
            None if mode == OpenMode::Read => return Err(FileFault::NotFound),
            None => {
                let seq = self.next_seq();
                self.tree.create(seq, path).ok_or(FileFault::NotFound)?
            }
        };
        let before = self.open.insert(file, found);
        assert!(before.is_none(), "{file:?} names two files");
        let len = self.contents.entry(found).or_default().len();
        Ok(FileDone::Opened { len })
    }

    fn read(&mut self, file: FileId, at: u64, len: usize) -> Result<FileDone, FileFault> {
        if self.hits(|fault| matches!(fault, Armed::ReadFails)) {
            self.tally.reads_failed += 1;
            return Err(FileFault::Io);
        }
        let (bytes, rotten) = self.content(file).read(at, len);
        self.tally.rot_met += u64::from(rotten);
        Ok(FileDone::Read(bytes))
    }

    fn write(&mut self, file: FileId, at: u64, parts: &[Bytes], durable: bool) -> Result<FileDone, FileFault> {
        if self.hits(|fault| matches!(fault, Armed::WriteFails)) {
            self.tally.writes_failed += 1;
            self.write_some(file, at, parts);
            return Err(FileFault::Io);
        }
        let len: usize = parts.iter().map(Bytes::len).sum();
        let room = self.room_for(file, at, len);
        let (seq, honest) = (self.next_seq(), !self.traits.liar);
        let content = self.content(file);
        let (mut from, mut left) = (at, room);
        for part in parts {
            let take = part.len().min(left);
            content.write(seq, from, &part[..take]);
            (from, left) = (from + take as u64, left - take);
        }
        if room < len {
            self.tally.writes_refused += 1;
            return Err(FileFault::Full);
        }
        if durable && !honest {
            return Ok(FileDone::Ok);
        }
        if durable {
            content.sync_range(seq, at, len);
        }
        Ok(FileDone::Ok)
    }

    fn sync(&mut self, file: FileId, fence: u64) -> Result<FileDone, FileFault> {
        if self.hits(|fault| matches!(fault, Armed::SyncFails)) {
            self.tally.syncs_failed += 1;
            let mut rng = self.rng.fork("sync");
            let evict = rng.chance(1, 2);
            self.content(file).fail_sync(&mut rng, evict);
            return Err(FileFault::Io);
        }
        self.tally.syncs += 1;
        if !self.traits.liar {
            self.content(file).sync(fence);
        }
        Ok(FileDone::Ok)
    }

    fn sync_dir(&mut self, path: &str, fence: u64) -> Result<FileDone, FileFault> {
        let dir = self.tree.find(path).ok_or(FileFault::NotFound)?;
        self.tree.sync(dir, fence);
        self.collect();
        Ok(FileDone::Ok)
    }

    fn set_len(&mut self, file: FileId, len: u64) -> Result<FileDone, FileFault> {
        let grows = (len as usize).div_ceil(PAGE_BYTES).saturating_sub(self.content(file).pages());
        if self.spare_pages().is_some_and(|spare| spare < grows) {
            self.tally.writes_refused += 1;
            return Err(FileFault::Full);
        }
        let seq = self.next_seq();
        self.content(file).set_len(seq, len);
        Ok(FileDone::Ok)
    }

    fn list(&self, path: &str) -> FileDone {
        let Some(dir) = self.tree.find(path) else { return FileDone::Listed(Vec::new()) };
        let entries = self.tree.names(dir).map(|(name, inode)| {
            let len = self.contents.get(&inode).map_or(0, Content::len);
            Entry { name: name.clone(), len, is_dir: self.tree.is_dir(inode) }
        });
        FileDone::Listed(entries.collect())
    }

    /// A write that stopped somewhere: so many whole pages of it are there, from the front.
    fn write_some(&mut self, file: FileId, at: u64, parts: &[Bytes]) {
        let Some(inode) = self.open.get(&file).copied() else { return };
        let whole: Vec<u8> = parts.iter().flatten().copied().collect();
        let some = self.rng.below(whole.len() as u64 / PAGE_BYTES as u64 + 1) as usize * PAGE_BYTES;
        let seq = self.next_seq();
        self.contents.get_mut(&inode).expect("an open file has content").write(
            seq,
            at,
            &whole[..some.min(whole.len())],
        );
    }

    /// How many of the bytes find room, from the front.
    fn room_for(&mut self, file: FileId, at: u64, len: usize) -> usize {
        let Some(mut spare) = self.spare_pages() else { return len };
        let content = self.content(file);
        let mut done = 0;
        while done < len {
            let from = at as usize + done;
            let page = from / PAGE_BYTES;
            if !content.has_page(page) {
                if spare == 0 {
                    return done;
                }
                spare -= 1;
            }
            done += (PAGE_BYTES - from % PAGE_BYTES).min(len - done);
        }
        len
    }

    fn spare_pages(&self) -> Option<usize> {
        let capacity = self.traits.capacity_bytes?;
        Some(capacity.saturating_sub(self.used_bytes()) as usize / PAGE_BYTES)
    }

    fn content(&mut self, file: FileId) -> &mut Content {
        let inode = self.open.get(&file).unwrap_or_else(|| panic!("{file:?} is not open"));
        self.contents.get_mut(inode).expect("an open file has content")
    }

    fn hits(&mut self, kind: impl Fn(&Armed) -> bool) -> bool {
        match self.armed.iter().position(kind) {
            Some(at) => {
                self.armed.remove(at);
                true
            }
            None => false,
        }
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Forgets files that nothing names and nobody holds.
    fn collect(&mut self) {
        let named = self.tree.reachable();
        let open = &self.open;
        self.contents.retain(|inode, _| named.contains(inode) || open.values().any(|held| held == inode));
    }
}

#[cfg(test)]
#[path = "disk_test.rs"]
mod disk_test;
