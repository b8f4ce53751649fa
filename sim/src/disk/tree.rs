//! The names on a disk: what the process sees, and what is on the device for certain.
//!
//! Every change of a name waits until the directory it concerns is synced; a loss of power keeps any subset of those
//! that wait, in their order. A rename is one change: it is never half done.

use super::loss::Loss;
use std::collections::{BTreeMap, BTreeSet};

/// A file or a directory, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Inode(pub u64);

/// The data directory itself.
pub const ROOT: Inode = Inode(0);

type Names = BTreeMap<String, Inode>;

/// One change of names, all or nothing.
#[derive(Clone, Debug)]
struct Change {
    seq: u64,
    parts: Vec<(Inode, String, Option<Inode>)>,
}

/// The names on a disk.
#[derive(Clone, Debug)]
pub struct Tree {
    seen: BTreeMap<Inode, Names>,
    durable: BTreeMap<Inode, Names>,
    waiting: Vec<Change>,
    next: u64,
}

impl Default for Tree {
    fn default() -> Self {
        let root = BTreeMap::from([(ROOT, Names::new())]);
        Self { seen: root.clone(), durable: root, waiting: Vec::new(), next: 1 }
    }
}

impl Tree {
    /// What the path names.
    pub fn find(&self, path: &str) -> Option<Inode> {
        parts(path).try_fold(ROOT, |at, name| self.seen.get(&at)?.get(name).copied())
    }

    /// Whether it is a directory.
    pub fn is_dir(&self, inode: Inode) -> bool {
        self.seen.contains_key(&inode)
    }

    /// What is in a directory.
    pub fn names(&self, dir: Inode) -> impl Iterator<Item = (&String, Inode)> {
        self.seen.get(&dir).into_iter().flatten().map(|(name, inode)| (name, *inode))
    }

    /// Makes a file of this name; `None` if its directory is missing.
    pub fn create(&mut self, seq: u64, path: &str) -> Option<Inode> {
        let (dir, name) = self.place(path)?;
        let inode = self.fresh();
        self.change(seq, vec![(dir, name, Some(inode))]);
        Some(inode)
    }

    /// Makes a directory and those above it; false if a file is in the way.
    pub fn make_dir(&mut self, seq: u64, path: &str) -> bool {
        let mut at = ROOT;
        for name in parts(path) {
            at = match self.seen[&at].get(name).copied() {
                Some(inode) if self.is_dir(inode) => inode,
                Some(_) => return false,
                None => {
                    let inode = self.fresh();
                    self.seen.insert(inode, Names::new());
                    self.durable.insert(inode, Names::new());
                    self.change(seq, vec![(at, name.to_owned(), Some(inode))]);
                    inode
                }
            };
        }
        true
    }

    /// Gives what `from` names the name `to`; false if either place is missing.
    pub fn rename(&mut self, seq: u64, from: &str, to: &str) -> bool {
        let (Some(inode), Some(old), Some(new)) = (self.find(from), self.place(from), self.place(to)) else {
            return false;
        };
        self.change(seq, vec![(old.0, old.1, None), (new.0, new.1, Some(inode))]);
        true
    }

    /// Removes a name and all below it, the deepest first.
    pub fn remove(&mut self, seq: u64, path: &str) {
        let (Some(top), Some((dir, name))) = (self.find(path), self.place(path)) else { return };
        let mut doomed = vec![(dir, name, top)];
        let mut at = 0;
        while at < doomed.len() {
            let inode = doomed[at].2;
            let below: Vec<_> = self.names(inode).map(|(name, child)| (inode, name.clone(), child)).collect();
            doomed.extend(below);
            at += 1;
        }
        for (dir, name, _) in doomed.into_iter().rev() {
            self.change(seq, vec![(dir, name, None)]);
        }
    }

    /// The names of this directory, as changed up to `fence`, are on the device.
    pub fn sync(&mut self, dir: Inode, fence: u64) {
        let concerns = |change: &Change| change.seq <= fence && change.parts.iter().any(|(at, ..)| *at == dir);
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(concerns);
        self.waiting = waiting;
        let done: Vec<Change> = done;
        done.iter().for_each(|change| apply(&mut self.durable, change));
    }

    /// The power fails. True if a change of names was lost.
    pub fn lose_power(&mut self, loss: &mut Loss) -> bool {
        let mut lost = false;
        for change in std::mem::take(&mut self.waiting) {
            match loss.pick([change.seq].into_iter()) {
                Some(_) => apply(&mut self.durable, &change),
                None => lost = true,
            }
        }
        self.seen = self.durable.clone();
        lost
    }

    /// Every inode that a name leads to, now or after a loss of power.
    pub fn reachable(&self) -> BTreeSet<Inode> {
        let named = self.seen.values().chain(self.durable.values()).flat_map(Names::values).copied();
        let waiting = self.waiting.iter().flat_map(|change| &change.parts).filter_map(|(.., inode)| *inode);
        named.chain(waiting).chain([ROOT]).collect()
    }

    /// The path of every file that can be seen, sorted.
    pub fn files(&self) -> Vec<(String, Inode)> {
        let mut found = Vec::new();
        let mut dirs = vec![(String::new(), ROOT)];
        while let Some((path, dir)) = dirs.pop() {
            for (name, inode) in self.names(dir) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match self.is_dir(inode) {
                    true => dirs.push((path, inode)),
                    false => found.push((path, inode)),
                }
            }
        }
        found.sort();
        found
    }

    fn fresh(&mut self) -> Inode {
        self.next += 1;
        Inode(self.next - 1)
    }

    fn place(&self, path: &str) -> Option<(Inode, String)> {
        let (above, name) = path.trim_matches('/').rsplit_once('/').unwrap_or(("", path.trim_matches('/')));
        let dir = self.find(above)?;
        self.is_dir(dir).then(|| (dir, name.to_owned()))
    }

    fn change(&mut self, seq: u64, parts: Vec<(Inode, String, Option<Inode>)>) {
        let change = Change { seq, parts };
        apply(&mut self.seen, &change);
        self.waiting.push(change);
    }
}

fn apply(names: &mut BTreeMap<Inode, Names>, change: &Change) {
    for (dir, name, inode) in &change.parts {
        let Some(held) = names.get_mut(dir) else { continue };
        match inode {
            Some(inode) => drop(held.insert(name.clone(), *inode)),
            None => drop(held.remove(name)),
        }
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
