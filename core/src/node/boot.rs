//! From what was found on disk to a running node.

use super::cluster::{Cluster, Found};
use super::coordinators::Coordinators;
use super::front::Front;
use super::lane::Lane;
use super::post::Post;
use super::{Node, OWNER_LANES};
use crate::boundary::{Effects, HardState};
use crate::config::Config;
use crate::log::Log;
use crate::partition::Peers;
use crate::quorum::{QuorumCx, Voter, Voters};
use crate::record::Functions;
use crate::types::{LogId, Now, Rng, Str, Uuid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// Everything that a node starts from.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Every setting.
    pub config: Config,
    /// Checksum and compression.
    pub functions: Functions,
    /// The source of all chance of this life.
    pub seed: u64,
    /// The id of the cluster that the data directory belongs to.
    pub cluster_id: Str,
    /// The ids of the data directories, in the order of the settings; the metadata are in the first.
    pub directories: Vec<Uuid>,
    /// Those of them that may be older copies of what they were: what is in there is not trusted.
    pub unproved: Vec<Uuid>,
    /// The voters of the metadata quorum that the first was formatted for, as one of them; empty if it was not. What its log says of
    /// voters is newer.
    pub founders: Voters,
    /// The logs that were found in them.
    pub logs: Vec<FoundLog>,
    /// Letters between front and lanes take up to this long. Zero but in simulation.
    pub lane_delay_max: Duration,
    /// What one request may cost a step, in partitions asked; [`crate::types::limit::REQUEST_COST_MAX`] but in simulation.
    pub request_cost_max: usize,
}

/// A log that was found on disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FoundLog {
    /// Which.
    pub id: LogId,
    /// What it holds.
    pub log: Log,
    /// What was kept with it.
    pub hard: HardState,
    /// False if bytes were lost: nothing of it can be trusted.
    pub is_online: bool,
    /// In which data directory.
    pub directory: usize,
}

impl Node {
    /// A node that has just started. It is [`super::View::is_ready`] after some steps; clients may come then.
    pub fn boot(boot: Boot, now: Now, out: &mut Effects) -> Self {
        let lanes = boot.config.broker.lanes;
        // What the first holds everything hangs on; of another one only what is in there.
        let is_whole = boot.logs.iter().all(|found| found.is_online || found.directory > 0);
        let mut unproved: BTreeSet<usize> =
            (0..boot.directories.len()).filter(|at| boot.unproved.contains(&boot.directories[*at])).collect();
        unproved.extend(boot.logs.iter().filter(|found| !found.is_online).map(|found| found.directory));
        let mut found: BTreeMap<LogId, FoundLog> = boot.logs.into_iter().map(|found| (found.id, found)).collect();
        let metadata = found.remove(&LogId::METADATA);
        let is_new = metadata.is_none();
        let me = Voter { id: boot.config.broker.id, directory: boot.directories[0] };
        let (log, hard) = metadata.map_or((None, HardState::default()), |found| (Some(found.log), found.hard));
        let mut rng = Rng::new(boot.seed);
        let incarnation = Uuid(rng.bytes16());
        let found_cluster =
            Found { id: boot.cluster_id, me, founders: boot.founders, log, hard, is_whole, incarnation };
        let mut cx = QuorumCx { now, rng: &mut rng, functions: &boot.functions };
        let cluster = Cluster::new(found_cluster, &boot.config, &mut cx);
        let retain_at = now.mono + boot.config.store.retention_check_interval;
        let mut node = Self {
            file_config: boot.config.clone(),
            config: boot.config,
            functions: boot.functions,
            rng,
            front: Front::new(boot.request_cost_max),
            lanes: (0..lanes as u64).map(|lane| Lane::new(OWNER_LANES + lane)).collect(),
            post: Post::new(lanes, boot.lane_delay_max),
            cluster,
            directories: super::directories::Directories::new((boot.directories, unproved), found),
            coordinators: Coordinators::default(),
            groups: super::groups::Gathering::default(),
            following: super::follow::Following::default(),
            slices: super::Slices::new(boot.request_cost_max),
            calls: super::calls::Calls::default(),
            proposals: super::propose::Proposals::default(),
            replicating: super::replicate::Replicating::default(),
            peers: Peers::NONE,
            lanes_wake_at: alloc::vec![None; lanes],
            retaining: super::retain::Retaining::new(retain_at),
            scratch: Vec::new(),
        };
        node.load_metadata(now, is_new, out);
        node.deliver(now, out);
        node
    }
}
