//! The disks of one machine, one for each of its data directories. A strike at the machine's disk hits one of them, in turn; what happens
//! to the machine happens to all.

use crate::disk::{Armed, Disk, Tally, Token as Own, Traits};
use ottla_core::boundary::{FileDone, FileFault, FileOp};
use ottla_core::types::Rng;
use std::time::Duration;

/// An operation under way, and on which disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(usize, Own);

/// The disks, in the order of the settings.
#[derive(Clone, Debug)]
pub struct Disks {
    disks: Vec<Disk>,
    /// Which of them the next strike hits.
    next: usize,
}

impl Disks {
    /// So many empty ones. The first draws as it would alone.
    pub fn new(count: usize, traits: &Traits, mut rng: Rng) -> Self {
        let more: Vec<Rng> = (1..count).map(|_| rng.clone().fork("another disk")).collect();
        let disks = std::iter::once(rng.clone()).chain(more).map(|rng| Disk::new(traits.clone(), rng)).collect();
        let next = if count > 1 { rng.below(count as u64) as usize } else { 0 };
        Self { disks, next }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.disks.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter()
    }

    /// As [`Disk::begin`].
    pub fn begin(&mut self, at: usize, op: FileOp) -> (Token, Duration) {
        let (token, wait) = self.disks[at].begin(op);
        (Token(at, token), wait)
    }

    /// As [`Disk::finish`].
    pub fn finish(&mut self, token: Token) -> Result<FileDone, FileFault> {
        self.disks[token.0].finish(token.1)
    }

    /// As [`Disk::run`].
    pub fn run(&mut self, at: usize, op: FileOp) -> Result<FileDone, FileFault> {
        self.disks[at].run(op)
    }

    /// The process dies.
    pub fn kill(&mut self) {
        self.disks.iter_mut().for_each(Disk::kill);
    }

    /// The power fails.
    pub fn lose_power(&mut self) {
        self.disks.iter_mut().for_each(Disk::lose_power);
    }

    /// As [`Disk::durable_copy`].
    pub fn durable_copy(&self) -> Self {
        Self { disks: self.disks.iter().map(Disk::durable_copy).collect(), next: 0 }
    }

    /// As [`Disk::torn_copy`].
    pub fn torn_copy(&self, rng: &Rng) -> Self {
        Self { disks: self.disks.iter().map(|disk| disk.torn_copy(rng.clone())).collect(), next: 0 }
    }

    /// The one that the next strike hits.
    pub fn struck(&mut self) -> &mut Disk {
        let at = self.next;
        self.next = (at + 1) % self.disks.len();
        &mut self.disks[at]
    }

    /// Sets a fault that hits the next operation of its kind on one of them.
    pub fn arm(&mut self, fault: Armed) {
        self.struck().arm(fault);
    }

    /// Takes back the faults that have hit nothing yet.
    pub fn disarm(&mut self) {
        self.disks.iter_mut().for_each(Disk::disarm);
    }

    /// There is room again, and they are as fast as they were.
    pub fn relieve(&mut self) {
        self.disks.iter_mut().for_each(Disk::relieve);
    }

    /// What each has met so far.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.disks.iter().map(Disk::tally)
    }
}

impl From<Disk> for Disks {
    fn from(disk: Disk) -> Self {
        Self { disks: vec![disk], next: 0 }
    }
}
