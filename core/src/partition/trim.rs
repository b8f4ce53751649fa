//! `DeleteRecords` (KIP-107): the leader drops records, its followers do as it did, and the client hears of it when every replica
//! has that lives, or may be in sync. So whoever leads next does not show them again.

use super::answer::{Answer, PartKey};
use super::role::Role;
use super::{Partition, PartitionCx, PartitionOut, Then};
use crate::boundary::Action;
use crate::types::{ErrorCode, Offset};
use alloc::vec::Vec;

/// A client that waits until all before `start` is gone everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Trim {
    key: PartKey,
    start: Offset,
}

impl Partition {
    /// Everything before `to` goes for good; `NONE` means the high watermark.
    pub fn trim(&mut self, cx: PartitionCx<'_>, key: PartKey, to: Offset, out: &mut Vec<PartitionOut>) {
        let is_unknown = !self.knows_committed() && (to == Offset::NONE || to > self.high_watermark());
        let to = if to == Offset::NONE { self.high_watermark() } else { to };
        let refused = if self.spec.compacted_only {
            Some(ErrorCode::PolicyViolation)
        } else if self.closed().is_some() {
            self.closed()
        } else if is_unknown {
            // More may be committed than is known here (KIP-207): a client that asks again will be told.
            Some(ErrorCode::NotLeaderOrFollower)
        } else if to < Offset::ZERO || to > self.high_watermark() {
            Some(ErrorCode::OffsetOutOfRange)
        } else {
            None
        };
        match refused {
            Some(error) => out.push(PartitionOut::Answer(key, Answer::Trimmed(Err(error)))),
            None if to <= self.log.start() => self.trim_done(cx, key, self.log.start(), out),
            None => out.push(PartitionOut::Act(Action::Trim { start: to }, Then::Trimmed(key))),
        }
    }

    /// All before `start` is gone here.
    pub(super) fn trim_done(&mut self, cx: PartitionCx<'_>, key: PartKey, start: Offset, out: &mut Vec<PartitionOut>) {
        match &mut self.role {
            Role::Leader(leader) => leader.trims.push(Trim { key, start }),
            Role::Follower(_) => {
                out.push(PartitionOut::Answer(key, Answer::Trimmed(Err(ErrorCode::NotLeaderOrFollower))));
            }
        }
        self.confirm_trims(cx, out);
    }

    /// Tells whoever waits for no more than what all live replicas have dropped by now. While too few are in sync others may be
    /// eligible that are not up, and would bring back what they have not dropped.
    pub(super) fn confirm_trims(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.trims.is_empty() || !leader.isr_size(&self.spec.assignment).is_enough() {
            return;
        }
        let low = leader.low_watermark(cx.peers, &self.spec.assignment.lost, self.log.start());
        leader.trims.retain(|trim| {
            let is_gone = trim.start <= low;
            if is_gone {
                out.push(PartitionOut::Answer(trim.key, Answer::Trimmed(Ok(low))));
            }
            !is_gone
        });
    }

    /// Whoever waits is told that nobody knows.
    pub(super) fn refuse_trims(&mut self, error: ErrorCode, out: &mut Vec<PartitionOut>) {
        let Role::Leader(leader) = &mut self.role else { return };
        out.extend(leader.trims.drain(..).map(|trim| PartitionOut::Answer(trim.key, Answer::Trimmed(Err(error)))));
    }
}
