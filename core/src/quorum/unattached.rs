//! A member that knows a term and no leader in it.

use crate::types::Mono;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unattached {
    /// A voter stands for election then, unless it hears of a leader before.
    pub(super) until: Mono,
    /// Whoever has no vote asks the voters in turn who leads: the how manieth it asks now.
    pub(super) turn: usize,
}

impl Unattached {
    pub(super) fn until(until: Mono) -> Self {
        Self { until, turn: 0 }
    }
}
