//! Read-only facts of a node: for metrics, for the console, and to tell oracles where to look. Nothing that is judged is
//! judged by them.

use super::Node;
use crate::log::Log;
use crate::metadata::Image;
use crate::partition::Partition;
use crate::quorum::Voters;
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, Str};

/// A look at a node between two steps.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) node: &'a Node,
}

/// What a node is in the metadata quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It knows nobody who leads, or asks who would vote for it.
    Unattached,
    /// It began a term and asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// It follows this node.
    Follower(BrokerId),
}

impl Node {
    /// A look at this node.
    pub fn view(&self) -> View<'_> {
        View { node: self }
    }
}

impl<'a> View<'a> {
    /// The term in which this node leads the metadata quorum, if it does.
    pub fn reign(&self) -> Option<LeaderEpoch> {
        let quorum = self.node.cluster.quorum();
        quorum.is_leader().then(|| quorum.term())
    }

    /// The term of the metadata quorum that this node is in, and what it is there.
    pub fn standing(&self) -> (LeaderEpoch, Standing) {
        let quorum = self.node.cluster.quorum();
        let standing = match quorum.leader() {
            Some(_) if quorum.is_leader() => Standing::Leader,
            Some(leader) => Standing::Follower(leader),
            None if quorum.is_standing() => Standing::Candidate,
            None => Standing::Unattached,
        };
        (quorum.term(), standing)
    }

    /// It is the only voter there is: nobody has to be waited for.
    pub fn is_alone(&self) -> bool {
        self.node.cluster.quorum().is_sole()
    }

    /// A change of the voters is under way.
    pub fn is_turning_over(&self) -> bool {
        self.node.cluster.quorum().is_changing()
    }

    /// Who votes in the metadata quorum, as this node knows, committed or not.
    pub fn voters(&self) -> &'a Voters {
        self.node.cluster.quorum().voters()
    }

    /// The metadata log as this node has it, committed or not.
    pub fn metadata_log(&self) -> &'a Log {
        self.node.cluster.quorum().log()
    }

    /// True once clients may come: the metadata are read, and this broker is registered.
    pub fn is_ready(&self) -> bool {
        self.node.cluster.is_ready()
    }

    /// True once a process that is to end may do so: nobody needs it any more, or nobody can be told.
    pub fn is_released(&self) -> bool {
        self.node.cluster.is_released()
    }

    /// True while coordinators still read their logs.
    pub fn is_loading(&self) -> bool {
        self.node.coordinators.is_loading()
    }

    /// The cluster's metadata, as far as they are committed.
    pub fn image(&self) -> &'a Image {
        self.node.cluster.image()
    }

    /// Every partition that is led here.
    pub fn partitions(&self) -> impl Iterator<Item = (LogId, &'a Partition)> {
        self.node.lanes.iter().flat_map(|lane| lane.partitions()).map(|(log, partition)| (*log, partition))
    }

    /// A partition that is kept here.
    pub fn partition(&self, log: LogId) -> Option<&'a Partition> {
        self.node.lanes[self.node.lane_of(log)].partition(log)
    }

    /// The high watermark of a partition that is led here.
    pub fn high_watermark(&self, log: LogId) -> Option<Offset> {
        let lane = &self.node.lanes[self.node.lane_of(log)];
        lane.partition(log).map(Partition::high_watermark)
    }

    /// Every committed offset of the groups that are coordinated here: group, topic, partition, and the next offset that
    /// the group wants to read.
    pub fn committed(&self) -> impl Iterator<Item = (&'a Str, &'a Str, i32, Offset)> {
        self.node.coordinators.committed()
    }

    /// How many requests wait for an answer.
    pub fn waiting(&self) -> usize {
        self.node.front.waiting()
    }
}
