//! How far a log is committed: arithmetic and nothing else (KIP-101 for what it is not used for: nobody is ever cut back to
//! a high watermark; KIP-497 for whom it counts; KIP-966 for when it rests).

use crate::types::Offset;

/// How many replicas are in sync, and how many there must be for anything to be committed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IsrSize {
    /// Members of the committed ISR, the leader among them.
    pub members: usize,
    /// The least number; never more than there are replicas, as in Kafka.
    pub needed: usize,
}

impl IsrSize {
    /// So many members of so many replicas, where `min.insync.replicas` says this.
    pub fn new(members: usize, isr_min: usize, replicas: usize) -> Self {
        Self { members, needed: isr_min.min(replicas) }
    }

    /// Are there enough?
    pub fn is_enough(self) -> bool {
        self.needed <= self.members
    }
}

/// The high watermark of a leader whose log is flushed up to `durable`. `counted` are the known ends of all the others that
/// must have a record before it is committed; [`Offset::NONE`] of one that has not been heard of.
///
/// It never goes back, and it rests while too few replicas are in sync.
pub fn of_leader(
    previous: Offset,
    durable: Offset,
    counted: impl IntoIterator<Item = Offset>,
    size: IsrSize,
) -> Offset {
    if !size.is_enough() {
        return previous;
    }
    previous.max(counted.into_iter().fold(durable, Offset::min))
}

/// The high watermark of a follower: what its leader says, as far as it is flushed here. It never goes back.
pub fn of_follower(previous: Offset, leaders: Offset, durable: Offset) -> Offset {
    previous.max(leaders.min(durable))
}

#[cfg(test)]
#[path = "watermark_test.rs"]
mod watermark_test;
