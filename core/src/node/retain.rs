//! When lanes look through their logs for records that may go.

use crate::types::{LogId, Mono};
use alloc::vec::Vec;

/// The rounds of all lanes.
#[derive(Clone, Hash, Debug)]
pub(super) struct Retaining {
    /// When the next round begins.
    pub(super) at: Mono,
    /// Where lanes go on with this one, and since when.
    pub(super) on: Vec<(Mono, usize, LogId)>,
}

impl Retaining {
    pub(super) fn new(at: Mono) -> Self {
        Self { at, on: Vec::new() }
    }

    pub(super) fn deadline(&self) -> Mono {
        self.on.first().map_or(self.at, |(since, ..)| self.at.min(*since))
    }
}
