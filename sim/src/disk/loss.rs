//! How the power fails: which of the unsynced writes a device turns out to have kept.

use ottla_core::types::Rng;
use std::collections::BTreeMap;

/// One loss of power, drawn.
#[derive(Debug)]
pub struct Loss {
    rng: Rng,
    shape: Shape,
    whole_pages: bool,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Nothing that was not synced is there.
    Everything,
    /// All of it happened to be there.
    Nothing,
    /// Each sector by itself: kept in so many of 256 cases, in any of its versions.
    Each(u64),
    /// The device wrote in order up to this write, which is torn.
    Behind(u64),
}

/// What became of the unsynced writes.
#[derive(Default, Debug)]
pub struct Wreck {
    writes: BTreeMap<u64, (u32, u32)>,
}

impl Loss {
    /// Draws one. `seq_last` is the number of the newest write; devices write sectors of 512 bytes or, with
    /// `whole_pages`, of 4096.
    pub fn draw(mut rng: Rng, seq_last: u64, whole_pages: bool) -> Self {
        let shape = match rng.below(8) {
            0 | 1 => Shape::Everything,
            2 => Shape::Nothing,
            3..=5 => Shape::Each(rng.between(1, 255)),
            _ => Shape::Behind(seq_last.saturating_sub(rng.below(8))),
        };
        Self { rng, shape, whole_pages }
    }

    /// The harshest: only what was synced is left.
    pub fn of_everything() -> Self {
        Self { rng: Rng::new(0), shape: Shape::Everything, whole_pages: true }
    }

    /// Whether a page is torn nowhere inside.
    pub fn keeps_pages_whole(&self) -> bool {
        self.whole_pages
    }

    /// Which version (given by the numbers of their writes, ascending) is left of something; `None` if the synced one.
    pub fn pick(&mut self, seqs: impl ExactSizeIterator<Item = u64>) -> Option<usize> {
        let count = seqs.len();
        if count == 0 {
            return None;
        }
        match self.shape {
            Shape::Everything => None,
            Shape::Nothing => Some(count - 1),
            Shape::Each(kept) if !self.rng.chance(kept, 256) => None,
            Shape::Each(_) if self.rng.chance(1, 4) => Some(self.rng.below(count as u64) as usize),
            Shape::Each(_) => Some(count - 1),
            Shape::Behind(cut) => {
                let torn = self.rng.chance(1, 2);
                let kept = seqs.take_while(|seq| *seq < cut || (*seq == cut && torn)).count();
                kept.checked_sub(1)
            }
        }
    }
}

impl Wreck {
    /// One sector of the write was kept (or overwritten by a later one), or lost.
    pub fn count(&mut self, seq: u64, kept: bool) {
        let (whole, lost) = self.writes.entry(seq).or_default();
        match kept {
            true => *whole += 1,
            false => *lost += 1,
        }
    }

    /// Whether any sector was lost.
    pub fn lost_any(&self) -> bool {
        self.writes.values().any(|(_, lost)| *lost > 0)
    }

    /// How many writes are there in part.
    pub fn torn(&self) -> u64 {
        self.writes.values().filter(|(kept, lost)| *kept > 0 && *lost > 0).count() as u64
    }
}
