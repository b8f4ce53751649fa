//! What a disk is like and what may go wrong with it.

use ottla_core::boundary::FileOp;
use ottla_core::types::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What kind of disk a run has.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Traits {
    /// Sectors of 4096 bytes instead of 512: no page is torn inside.
    pub whole_pages: bool,
    /// Where the file system is full.
    pub capacity_bytes: Option<u64>,
    /// It says that it has flushed and has not. No real disk is this bad: it is there to be found.
    pub liar: bool,
    /// A usual write or read, in microseconds.
    pub access_us: u64,
    /// A usual sync, in microseconds.
    pub sync_us: u64,
}

impl Default for Traits {
    fn default() -> Self {
        Self { whole_pages: true, capacity_bytes: None, liar: false, access_us: 60, sync_us: 300 }
    }
}

/// A fault that waits for the next operation of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Armed {
    /// A read ends in an I/O error.
    ReadFails,
    /// A write ends in an I/O error, somewhere in its middle.
    WriteFails,
    /// A sync ends in an I/O error; what was dirty is clean without being there.
    SyncFails,
}

/// Bytes that changed behind everybody's back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file.
    pub path: String,
    /// Position of the page.
    pub at: u64,
}

/// How fast a disk is at the moment.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Everything takes so many times longer.
    pub factor: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { factor: 1 }
    }
}

/// However slow the device, nothing takes longer: what was begun while it was slow is done soon after it no longer is.
const LONGEST: Duration = Duration::from_secs(10);

impl Pace {
    /// How long an operation takes: most are quick, a few are not.
    pub fn draw(&self, traits: &Traits, op: &FileOp, rng: &mut Rng) -> Duration {
        let usual_us = match op {
            FileOp::Sync { .. }
            | FileOp::Settle { .. }
            | FileOp::SyncDir { .. }
            | FileOp::WriteAt { durable: true, .. } => traits.sync_us,
            FileOp::Close { .. } => 1,
            FileOp::Open { .. }
            | FileOp::ReadAt { .. }
            | FileOp::WriteAt { durable: false, .. }
            | FileOp::SetLen { .. }
            | FileOp::MakeDir { .. }
            | FileOp::Rename { .. }
            | FileOp::Remove { .. }
            | FileOp::List { .. } => traits.access_us,
        };
        let spread = rng.between(usual_us / 2, usual_us * 3 / 2);
        let tail = if rng.chance(1, 64) { 1 << rng.below(6) } else { 1 };
        Duration::from_micros((spread * tail).max(1) * u64::from(self.factor)).min(LONGEST)
    }
}

/// What a disk has met.
#[derive(Clone, Copy, Default, Hash, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Operations that ended.
    pub ops: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Losses of power.
    pub power_losses: u64,
    /// Losses of power while something was unsynced.
    pub power_losses_dirty: u64,
    /// Losses of power in which an unsynced sector was lost.
    pub power_losses_felt: u64,
    /// Losses of power in which a name was lost.
    pub names_lost: u64,
    /// Writes of which a loss of power kept a part.
    pub torn_writes: u64,
    /// Reads that met rot.
    pub rot_met: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Writes that failed.
    pub writes_failed: u64,
    /// Syncs that failed.
    pub syncs_failed: u64,
    /// Writes that found no room.
    pub writes_refused: u64,
}
