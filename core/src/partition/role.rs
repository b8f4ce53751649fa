//! Who leads: what the cluster decided about a partition, and what its replica here makes of it.

use super::follower::Follower;
use super::leader::Leader;
use super::produce::refuse;
use super::{Partition, PartitionCx, PartitionOut, Readable, Refused, State, Then};
use crate::boundary::{Action, LogSpec, Note};
use crate::plant::{Bug, planted};
use crate::record::TopicRules;
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What the cluster's metadata mean for one replica of a partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PartitionSpec {
    /// Who leads, and who follows.
    pub assignment: Assignment,
    /// What batches must satisfy.
    pub rules: TopicRules,
    /// How the log is kept.
    pub log: LogSpec,
    /// It is throttled towards followers that are out of sync, while it leads.
    pub is_leader_throttled: bool,
    /// It is throttled while it follows and is out of sync.
    pub is_follower_throttled: bool,
    /// `DeleteRecords` is refused: the topic is compacted and nothing else.
    pub compacted_only: bool,
}

/// One committed state of a partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Assignment {
    /// This broker.
    pub me: BrokerId,
    /// Who leads; [`BrokerId::NONE`] if nobody can.
    pub leader: BrokerId,
    /// The reign.
    pub leader_epoch: LeaderEpoch,
    /// Which state this is.
    pub partition_epoch: PartitionEpoch,
    /// Who is to hold the log.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// The eligible leader replicas: they are not in sync, and have all that is committed (KIP-966).
    pub eligible: Vec<BrokerId>,
    /// Those of the replicas whose data directory is lost: they do not come into sync, however lately they were.
    pub lost: Vec<BrokerId>,
    /// `min.insync.replicas`.
    pub isr_min: usize,
    /// Its leader may lack what was committed: an operator let it lead all the same (KIP-704).
    pub recovering: bool,
}

impl Assignment {
    /// Is it this broker that leads?
    pub fn is_mine(&self) -> bool {
        self.leader == self.me
    }
}

#[derive(Clone, Hash, Debug)]
pub(super) enum Role {
    Leader(Box<Leader>),
    Follower(Follower),
}

impl Role {
    /// A follower of nobody.
    pub(super) fn nobody() -> Self {
        Self::Follower(Follower::of(BrokerId::NONE))
    }
}

impl Partition {
    /// The reign in which this replica leads; none while it follows.
    pub fn reign(&self) -> Option<LeaderEpoch> {
        match &self.role {
            Role::Leader(_) => Some(self.spec.assignment.leader_epoch),
            Role::Follower(_) => None,
        }
    }

    /// It leads, and too few replicas are in sync for anything to be committed.
    pub fn is_short_of_replicas(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => !leader.isr_size(&self.spec.assignment).is_enough(),
            Role::Follower(_) => false,
        }
    }

    /// If it leads: how many more replicas are in sync than have to be; below 0 if too few are.
    pub fn isr_spare(&self) -> Option<i32> {
        let Role::Leader(leader) = &self.role else { return None };
        let size = leader.isr_size(&self.spec.assignment);
        let count = |replicas: usize| i32::try_from(replicas).unwrap_or(i32::MAX);
        Some(count(size.members) - count(size.needed))
    }

    /// The cluster decided something about this partition, or its topic is configured anew. States come in the order in
    /// which they were decided; some may be left out.
    pub fn assign(&mut self, cx: PartitionCx<'_>, spec: PartitionSpec, out: &mut Vec<PartitionOut>) {
        if spec.log.settings != self.spec.log.settings {
            out.push(PartitionOut::Act(Action::Configure(spec.log.settings.clone()), Then::Settled));
        }
        let before = core::mem::replace(&mut self.spec, spec).assignment;
        let assignment = &self.spec.assignment;
        if (before.leader, before.leader_epoch) != (assignment.leader, assignment.leader_epoch) {
            self.begin_reign(cx, out);
        } else if let Role::Leader(leader) = &mut self.role {
            leader.learn(assignment, cx.now.mono);
            self.advance(cx, out);
        }
    }

    /// A reign begins. Who led before and leads again keeps what waits at it, since its log goes on as it is; what it knew
    /// of others belongs to the reign before.
    pub(super) fn begin_reign(&mut self, cx: PartitionCx<'_>, out: &mut Vec<PartitionOut>) {
        let assignment = &self.spec.assignment;
        let (epoch, from) = (assignment.leader_epoch, self.log.end());
        if assignment.is_mine() {
            out.push(PartitionOut::Note(Note::Leading { log: self.id, epoch, from }));
            match &mut self.role {
                Role::Leader(leader) => leader.begin(assignment, cx.now.mono),
                Role::Follower(_) => self.role = Role::Leader(Box::new(Leader::new(assignment, cx.now.mono))),
            }
            if let (Role::Leader(leader), State::Open) = (&mut self.role, self.state) {
                leader.start(&self.log, epoch);
            }
            self.advance(cx, out);
        } else {
            let leader = assignment.leader;
            out.push(PartitionOut::Note(Note::Following { log: self.id, epoch, leader, from }));
            self.leave(ErrorCode::NotLeaderOrFollower, out);
            self.role = Role::Follower(Follower::of(leader));
            if planted(Bug::TruncationToHighWatermark) && self.state == State::Open && self.changes == 0 {
                self.cut(self.high_watermark, out);
            }
        }
    }

    /// Whoever waits is told that it is in vain here.
    pub(super) fn leave(&mut self, error: ErrorCode, out: &mut Vec<PartitionOut>) {
        if let Role::Leader(leader) = &mut self.role {
            for promise in leader.promises.drain(..) {
                refuse(Some(promise.key), Refused::plain(error), out);
            }
            for staged in leader.staged.drain(..) {
                refuse(staged.asker.map(|(key, _)| key), Refused::plain(error), out);
            }
            self.refuse_trims(error, out);
        }
        self.tell_watchers(Readable::error(error), out);
        self.watchers.clear();
    }
}
