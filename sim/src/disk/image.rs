//! The content of one file: what the device holds for certain, what the page cache holds, and every state in between that
//! a loss of power may leave.
//!
//! A page that was written and not yet synced keeps a snapshot for each write. When the power fails, each of its sectors
//! becomes any one of those snapshots, or stays as the device had it.

use super::loss::{Loss, Wreck};
use bytes::Bytes;
use ottla_core::types::Rng;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Granularity of the page cache.
pub const PAGE_BYTES: usize = 4096;
/// Snapshots kept of one unsynced page; the oldest but one goes first.
const VERSIONS_MAX: usize = 8;
/// The finest granularity at which a device writes: eight to a page.
const SECTOR_BYTES: usize = 512;

type Page = Rc<[u8; PAGE_BYTES]>;

/// One state of an unsynced page.
#[derive(Clone, Debug)]
struct Version {
    /// The write that made it.
    seq: u64,
    /// The whole page after that write; `None` is a hole.
    page: Option<Page>,
    /// The sectors that the write touched, a bit each.
    touched: u8,
}

/// The content of one file.
#[derive(Clone, Debug, Default)]
pub struct Content {
    cached: Vec<Option<Page>>,
    cached_len: u64,
    durable: Vec<Option<Page>>,
    durable_len: u64,
    unsynced: BTreeMap<usize, Vec<Version>>,
    unsynced_lens: Vec<(u64, u64)>,
    /// Pages that an explicit length has allocated.
    reserved: usize,
    /// The newest write to each page that is on the device.
    settled: BTreeMap<usize, u64>,
    /// Where rot sits, so that a read that meets it can be counted.
    rotten: BTreeMap<usize, u8>,
}

impl Content {
    /// Length as the process sees it.
    pub fn len(&self) -> u64 {
        self.cached_len
    }

    /// Pages that the file system has allocated.
    pub fn pages(&self) -> usize {
        let beyond = self.cached.iter().skip(self.reserved).filter(|page| page.is_some()).count();
        self.reserved + beyond
    }

    /// Whether a write to this page finds its room already there.
    pub fn has_page(&self, page: usize) -> bool {
        page < self.reserved || self.cached.get(page).is_some_and(Option::is_some)
    }

    /// Whether anything waits for a sync.
    pub fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty() || !self.unsynced_lens.is_empty()
    }

    /// The bytes from `at`, `len` of them or up to the end of the file, and whether rot is among them.
    pub fn read(&self, at: u64, len: usize) -> (Bytes, bool) {
        let end = self.cached_len.min(at.saturating_add(len as u64));
        if at >= end {
            return (Bytes::new(), false);
        }
        let mut bytes = Vec::with_capacity((end - at) as usize);
        let mut rotten = false;
        let mut from = at as usize;
        while from < end as usize {
            let (page, start) = (from / PAGE_BYTES, from % PAGE_BYTES);
            let stop = PAGE_BYTES.min(start + end as usize - from);
            match self.cached.get(page) {
                Some(Some(held)) => bytes.extend_from_slice(&held[start..stop]),
                Some(None) | None => bytes.resize(bytes.len() + stop - start, 0),
            }
            let sectors = mask(start, stop);
            rotten |= self.rotten.get(&page).is_some_and(|bits| bits & sectors != 0);
            from += stop - start;
        }
        (Bytes::from(bytes), rotten)
    }

    /// Puts the bytes into the page cache. `seq` names the write.
    pub fn write(&mut self, seq: u64, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut done = 0;
        while done < bytes.len() {
            let from = at as usize + done;
            let (page, start) = (from / PAGE_BYTES, from % PAGE_BYTES);
            let stop = PAGE_BYTES.min(start + bytes.len() - done);
            self.grow_to_page(page);
            let held = self.cached[page].get_or_insert_with(|| Rc::new([0; PAGE_BYTES]));
            Rc::make_mut(held)[start..stop].copy_from_slice(&bytes[done..done + stop - start]);
            let touched = mask(start, stop);
            self.heal(page, touched);
            self.remember(seq, page, touched);
            done += stop - start;
        }
        let end = at + bytes.len() as u64;
        self.cached_len = self.cached_len.max(end);
        // After a sync that failed the page cache may know more of the file than the device was ever told.
        let told = self.unsynced_lens.last().map_or(self.durable_len, |(_, len)| *len);
        if end > told {
            self.unsynced_lens.push((seq, end));
        }
    }

    /// Gives the file this length, zeros behind a cut, room behind the old end.
    pub fn set_len(&mut self, seq: u64, len: u64) {
        let first = (len as usize) / PAGE_BYTES;
        if len < self.cached_len {
            for page in first..self.cached.len() {
                let start = if page == first { len as usize % PAGE_BYTES } else { 0 };
                self.clear_from(seq, page, start);
            }
        }
        self.reserved = (len as usize).div_ceil(PAGE_BYTES);
        if len != self.cached_len {
            self.cached_len = len;
            self.unsynced_lens.push((seq, len));
        }
    }

    /// All writes up to `fence` are on the device.
    pub fn sync(&mut self, fence: u64) {
        let pages: Vec<usize> = self.unsynced.keys().copied().collect();
        pages.into_iter().for_each(|page| self.sync_page(page, fence));
        self.sync_len(fence);
    }

    /// The pages of this write, and the length as it was then, are on the device.
    pub fn sync_range(&mut self, seq: u64, at: u64, len: usize) {
        let last = (at as usize + len.max(1) - 1) / PAGE_BYTES;
        (at as usize / PAGE_BYTES..=last).for_each(|page| self.sync_page(page, seq));
        self.sync_len(seq);
    }

    /// A sync failed: some of what was unsynced made it, the rest never will, and nothing is dirty any more. With
    /// `evict` the page cache forgets the lost pages too; without, it goes on showing what the device does not have.
    pub fn fail_sync(&mut self, rng: &mut Rng, evict: bool) {
        for (page, versions) in std::mem::take(&mut self.unsynced) {
            let newest = versions.last().expect("an unsynced page has a version").page.clone();
            if rng.chance(1, 4) {
                set(&mut self.durable, page, newest);
            } else if evict {
                let held = self.durable.get(page).cloned().flatten();
                set(&mut self.cached, page, held);
            }
        }
        self.unsynced_lens.clear();
        if rng.chance(1, 2) {
            self.durable_len = self.cached_len;
        } else if evict {
            self.cached_len = self.durable_len;
        }
    }

    /// The page cache forgets whatever is not dirty: it shows what the device has.
    pub fn settle(&mut self) {
        for page in 0..self.cached.len().max(self.durable.len()) {
            if !self.unsynced.contains_key(&page) {
                let held = self.durable.get(page).cloned().flatten();
                set(&mut self.cached, page, held);
            }
        }
        if self.unsynced_lens.is_empty() {
            self.cached_len = self.durable_len;
        }
    }

    /// The power fails: what is unsynced becomes any mixture that the loss allows.
    pub fn lose_power(&mut self, loss: &mut Loss, wreck: &mut Wreck) {
        for (page, versions) in std::mem::take(&mut self.unsynced) {
            let base = self.durable.get(page).cloned().flatten();
            let mut left = base.as_ref().map_or([0; PAGE_BYTES], |page| **page);
            let mut last = None;
            for sector in 0..PAGE_BYTES / SECTOR_BYTES {
                let whole = last.is_some() && loss.keeps_pages_whole();
                let pick = if whole { last.flatten() } else { loss.pick(versions.iter().map(|version| version.seq)) };
                last = Some(pick);
                let span = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                for version in versions.iter().filter(|version| version.touched >> sector & 1 == 1) {
                    wreck.count(version.seq, pick.is_some_and(|at| versions[at].seq >= version.seq));
                }
                if let Some(at) = pick {
                    match &versions[at].page {
                        Some(kept) => left[span.clone()].copy_from_slice(&kept[span]),
                        None => left[span].fill(0),
                    }
                }
            }
            set(&mut self.durable, page, Some(Rc::new(left)));
        }
        if let Some(at) = loss.pick(self.unsynced_lens.iter().map(|(seq, _)| *seq)) {
            self.durable_len = self.unsynced_lens[at].1;
        }
        self.unsynced_lens.clear();
        self.cut_durable();
        self.cached = self.durable.clone();
        self.cached_len = self.durable_len;
        self.reserved = self.reserved.min((self.durable_len as usize).div_ceil(PAGE_BYTES));
    }

    /// Flips bits of one sector on the device, for good. The page cache shows it too unless it holds a newer version.
    pub fn rot(&mut self, page: usize, rng: &mut Rng) -> bool {
        let Some(Some(held)) = self.durable.get_mut(page) else { return false };
        let sector = rng.below((PAGE_BYTES / SECTOR_BYTES) as u64) as usize;
        for _ in 0..rng.between(1, 8) {
            let at = sector * SECTOR_BYTES + rng.below(SECTOR_BYTES as u64) as usize;
            Rc::make_mut(held)[at] ^= 1 << rng.below(8);
        }
        if !self.unsynced.contains_key(&page) {
            let held = held.clone();
            set(&mut self.cached, page, Some(held));
            *self.rotten.entry(page).or_default() |= 1 << sector;
        }
        true
    }

    /// Pages that the device holds and no unsynced write covers.
    pub fn durable_pages(&self) -> Vec<usize> {
        let held = self.durable.iter().enumerate().filter(|(_, page)| page.is_some());
        held.map(|(page, _)| page).filter(|page| !self.unsynced.contains_key(page)).collect()
    }

    /// Those of them that a later write further on in the file followed: whoever reads the file in order learns from it
    /// that these were whole once.
    pub fn followed_pages(&self) -> Vec<usize> {
        let pages = self.durable_pages().into_iter();
        let is_followed = |page: &usize| {
            let seq = self.settled.get(page).copied().unwrap_or(u64::MAX);
            self.settled.range(page + 1..).any(|(_, later)| *later > seq)
        };
        pages.filter(is_followed).collect()
    }

    fn grow_to_page(&mut self, page: usize) {
        if self.cached.len() <= page {
            self.cached.resize(page + 1, None);
        }
    }

    fn clear_from(&mut self, seq: u64, page: usize, start: usize) {
        let known = self.durable.get(page).is_some_and(Option::is_some) || self.unsynced.contains_key(&page);
        if start == 0 {
            self.cached[page] = None;
        } else if let Some(held) = &mut self.cached[page] {
            Rc::make_mut(held)[start..].fill(0);
        }
        if known {
            self.remember(seq, page, mask(start, PAGE_BYTES));
        }
        self.heal(page, mask(start, PAGE_BYTES));
    }

    fn remember(&mut self, seq: u64, page: usize, touched: u8) {
        let held = self.cached[page].clone();
        let versions = self.unsynced.entry(page).or_default();
        if versions.len() == VERSIONS_MAX {
            versions.remove(1);
        }
        versions.push(Version { seq, page: held, touched });
    }

    fn heal(&mut self, page: usize, touched: u8) {
        if let Some(bits) = self.rotten.get_mut(&page) {
            *bits &= !touched;
            if *bits == 0 {
                self.rotten.remove(&page);
            }
        }
    }

    fn sync_page(&mut self, page: usize, fence: u64) {
        let Some(versions) = self.unsynced.get_mut(&page) else { return };
        let covered = versions.iter().take_while(|version| version.seq <= fence).count();
        if covered == 0 {
            return;
        }
        let Version { page: newest, seq, .. } = versions[covered - 1].clone();
        self.settled.insert(page, seq);
        versions.drain(..covered);
        if versions.is_empty() {
            self.unsynced.remove(&page);
        }
        set(&mut self.durable, page, newest);
    }

    fn sync_len(&mut self, fence: u64) {
        let covered = self.unsynced_lens.iter().take_while(|(seq, _)| *seq <= fence).count();
        let newest = self.unsynced_lens.drain(..covered).next_back();
        if let Some((_, len)) = newest {
            self.durable_len = len;
            self.cut_durable();
        }
    }

    /// Nothing lies behind the durable end: what did would come back if the file grew again.
    fn cut_durable(&mut self) {
        let (page, start) = (self.durable_len as usize / PAGE_BYTES, self.durable_len as usize % PAGE_BYTES);
        if let Some(Some(held)) = self.durable.get_mut(page)
            && held[start..].iter().any(|byte| *byte != 0)
        {
            Rc::make_mut(held)[start..].fill(0);
        }
        let keep = if start == 0 { page } else { page + 1 };
        self.durable.iter_mut().skip(keep).for_each(|page| *page = None);
    }
}

fn set(pages: &mut Vec<Option<Page>>, page: usize, held: Option<Page>) {
    if pages.len() <= page {
        pages.resize(page + 1, None);
    }
    pages[page] = held;
}

/// The sectors that `start .. stop` of a page touches.
fn mask(start: usize, stop: usize) -> u8 {
    let (first, last) = (start / SECTOR_BYTES, (stop - 1) / SECTOR_BYTES);
    (first..=last).fold(0, |bits, sector| bits | 1 << sector)
}
