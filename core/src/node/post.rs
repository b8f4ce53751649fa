//! The post between the front and the lanes. In production a letter arrives in the step that wrote it; the simulator may
//! ask for delays, to find whoever relied on that. Letters of one direction never overtake each other.

use super::lane::{Order, Said};
use crate::types::{Mono, Rng};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

/// A letter.
#[derive(Clone, Debug)]
pub enum Letter {
    /// To this lane.
    ToLane(usize, Order),
    /// From this lane.
    FromLane(usize, Said),
}

/// Letters under way.
#[derive(Clone, Debug)]
pub struct Post {
    delay_max: Duration,
    ready: VecDeque<Letter>,
    later: BTreeMap<(Mono, u64), Letter>,
    sent: u64,
    /// When the last letter of each direction arrives: to lane n at 2n, from lane n at 2n + 1.
    last: Vec<Mono>,
}

/// Letters are compared by when they arrive: their contents are the same if all else was, so a run that differs has
/// differed before.
impl Hash for Post {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sent.hash(state);
        self.ready.len().hash(state);
        self.later.keys().for_each(|key| key.hash(state));
        self.last.hash(state);
    }
}

impl Post {
    /// An empty post for so many lanes, which delays each letter by up to `delay_max`.
    pub fn new(lanes: usize, delay_max: Duration) -> Self {
        let last = alloc::vec![Mono(0); 2 * lanes];
        Self { delay_max, ready: VecDeque::new(), later: BTreeMap::new(), sent: 0, last }
    }

    /// Takes a letter.
    pub fn send(&mut self, letter: Letter, now: Mono, rng: &mut Rng) {
        self.sent += 1;
        if self.delay_max.is_zero() {
            return self.ready.push_back(letter);
        }
        let direction = match &letter {
            Letter::ToLane(lane, _) => 2 * lane,
            Letter::FromLane(lane, _) => 2 * lane + 1,
        };
        let delay = Duration::from_nanos(rng.below(self.delay_max.as_nanos() as u64 + 1));
        let due = (now + delay).max(self.last[direction]);
        self.last[direction] = due;
        self.later.insert((due, self.sent), letter);
    }

    /// The next letter that has arrived.
    pub fn take(&mut self, now: Mono) -> Option<Letter> {
        if let Some(letter) = self.ready.pop_front() {
            return Some(letter);
        }
        let first = self.later.first_entry()?;
        if first.key().0 <= now { Some(first.remove()) } else { None }
    }

    /// When the next letter arrives.
    pub fn deadline(&self) -> Option<Mono> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    /// True if nothing has arrived that was not taken.
    pub fn is_quiet(&self) -> bool {
        self.ready.is_empty()
    }
}
