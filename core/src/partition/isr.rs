//! The in-sync replicas of one partition as its leader knows them (KIP-497).
//!
//! ```text
//!                    a follower caught up                  a member fell behind
//!      Growing ◀──────────────────────────── Committed ────────────────────────────▶ Shrinking
//!         │   the controller agreed, or refused in so many words, or decided something else  │
//!         └───────────────────────────────────▶ Committed ◀──────────────────────────────────┘
//! ```
//!
//! | state | who must have a record before it is committed |
//! |---|---|
//! | Committed | the members |
//! | Growing | the members and the one that joins: the controller may have agreed, although nobody has heard it yet |
//! | Shrinking | the members, all of them, until the metadata say what is: the controller may yet refuse |
//!
//! So whatever became of the proposal, nobody whom the controller may elect lacks what is committed. One proposal at most is
//! under way, and it is settled by its answer or by news of the partition that the controller has decided since.
//!
//! A refusal that settles a proposal says that it was not carried out and never will be. That holds because a controller
//! takes the proposals of one leader in the order in which they were made: one that comes out of a connection which its
//! broker has given up is void. Of a proposal whose answer was lost it says less: it may still be on its way to a controller
//! that led before and will again. Then the members are proposed as they are. That makes another state of the partition, and
//! nothing that rests on the one before comes true any more; until it is there the one that was to join counts:
//!
//! ```text
//!   leader ── {A, B, C} on state 5 ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶ controller 1, elected again: state 6 is there, void
//!          ── the same ──▶ controller 2: C is not fit ── {A, B} on 5 ──▶ state 6
//! ```

use crate::plant::{Bug, planted};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch};
use alloc::vec::Vec;

/// The in-sync replicas of one partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Isr {
    /// What the controller committed last, as far as it is known here.
    members: Vec<BrokerId>,
    /// Which state of the partition that was.
    epoch: PartitionEpoch,
    change: Change,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Change {
    None,
    Growing { joins: BrokerId, ask: IsrAsk, was_lost: bool },
    Shrinking { ask: IsrAsk },
}

/// What a leader proposes to the controller (AlterPartition).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IsrAsk {
    /// The reign of the leader.
    pub leader_epoch: LeaderEpoch,
    /// The state that is to be followed by the proposed one: the controller refuses if there is another by now.
    pub partition_epoch: PartitionEpoch,
    /// The proposed members, each as it registered when it was last heard of (KIP-841, KIP-903). A proposal that is made
    /// again names the same registrations: one that restarted since has yet to show what it kept. [`BrokerEpoch::NONE`] in
    /// the members as they are, of whom nobody has to show anything.
    pub members: Vec<(BrokerId, BrokerEpoch)>,
}

/// What became of a proposal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IsrAnswer {
    /// This is the state of the partition, by the proposal or already before it.
    Is {
        /// The reign.
        leader_epoch: LeaderEpoch,
        /// Which state.
        partition_epoch: PartitionEpoch,
        /// The members.
        members: Vec<BrokerId>,
    },
    /// The controller refused.
    Refused(ErrorCode),
    /// Nobody knows.
    Lost,
}

/// What an answer means for the leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Settled {
    /// The members may be others now.
    Changed,
    /// The proposal will never be carried out; the members are what they were.
    Kept,
    /// The leader is out of date: it waits for the news that will tell.
    Waits,
    /// This is to be asked, after a while.
    Again(IsrAsk),
    /// It belongs to a proposal that was settled before.
    Stale,
}

impl Isr {
    /// What the controller committed.
    pub fn new(epoch: PartitionEpoch, members: Vec<BrokerId>) -> Self {
        Self { members, epoch, change: Change::None }
    }

    /// The committed members.
    pub fn members(&self) -> &[BrokerId] {
        &self.members
    }

    /// Which state of the partition they belong to.
    pub fn epoch(&self) -> PartitionEpoch {
        self.epoch
    }

    /// No proposal is under way.
    pub fn is_settled(&self) -> bool {
        self.change == Change::None
    }

    /// Must this replica have a record before it is committed?
    pub fn counts(&self, id: BrokerId) -> bool {
        let joins = match &self.change {
            Change::Growing { joins, .. } => *joins == id && !planted(Bug::GrowthCountsLate),
            Change::None => false,
            Change::Shrinking { ask } if planted(Bug::ShrinkCountsEarly) => {
                return ask.members.iter().any(|(member, _)| *member == id);
            }
            Change::Shrinking { .. } => false,
        };
        joins || self.members.contains(&id)
    }

    /// Proposes one more member; from now on it counts.
    pub fn grow(&mut self, joins: BrokerId, ask: IsrAsk) {
        assert!(self.is_settled() && !self.members.contains(&joins), "one proposal at a time, of somebody new");
        self.change = Change::Growing { joins, ask, was_lost: false };
    }

    /// Proposes fewer members; until that is committed all of them count.
    pub fn shrink(&mut self, ask: IsrAsk) {
        assert!(self.is_settled() && ask.members.len() < self.members.len(), "one proposal at a time, of fewer");
        self.change = Change::Shrinking { ask };
    }

    /// The controller answered the proposal `asked`, or its answer was lost.
    pub fn answered(&mut self, asked: &IsrAsk, answer: IsrAnswer) -> Settled {
        let (Change::Growing { ask, .. } | Change::Shrinking { ask }) = &self.change else {
            return Settled::Stale;
        };
        if ask != asked {
            return Settled::Stale;
        }
        match answer {
            IsrAnswer::Is { leader_epoch, .. } if leader_epoch != asked.leader_epoch => Settled::Waits,
            IsrAnswer::Is { partition_epoch, .. } if partition_epoch < self.epoch => Settled::Waits,
            // Who left may be eligible still (KIP-966): only the metadata tell.
            IsrAnswer::Is { .. } if matches!(self.change, Change::Shrinking { .. }) => Settled::Waits,
            IsrAnswer::Is { partition_epoch, members, .. } => {
                *self = Self::new(partition_epoch, members);
                Settled::Changed
            }
            IsrAnswer::Refused(error) => self.refused(asked, error),
            IsrAnswer::Lost => {
                if let Change::Growing { was_lost, .. } = &mut self.change {
                    *was_lost = true;
                }
                Settled::Again(asked.clone())
            }
        }
    }

    fn refused(&mut self, asked: &IsrAsk, error: ErrorCode) -> Settled {
        match error {
            // Said only where the state is the one that the proposal named: nothing was changed by it.
            ErrorCode::IneligibleReplica | ErrorCode::OperationNotAttempted => match &mut self.change {
                // The members in whatever life they are: one that registered anew and is a member still was found whole.
                Change::Growing { ask, was_lost: true, .. } => {
                    ask.members = self.members.iter().map(|member| (*member, BrokerEpoch::NONE)).collect();
                    Settled::Again(ask.clone())
                }
                Change::Growing { .. } | Change::Shrinking { .. } | Change::None => {
                    self.change = Change::None;
                    Settled::Kept
                }
            },
            ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::InvalidRequest
            | ErrorCode::NewLeaderElected
            | ErrorCode::UnknownTopicId
            | ErrorCode::UnknownTopicOrPartition => Settled::Waits,
            _ => Settled::Again(asked.clone()),
        }
    }

    /// News of the partition in the same reign. True if they were new, which settles whatever was under way: a proposal
    /// rests on the state before it.
    pub fn learn(&mut self, epoch: PartitionEpoch, members: &[BrokerId]) -> bool {
        let is_new = epoch > self.epoch;
        if is_new {
            *self = Self::new(epoch, members.to_vec());
        }
        is_new
    }
}

#[cfg(all(test, not(feature = "plant")))]
#[path = "isr_test.rs"]
mod isr_test;
