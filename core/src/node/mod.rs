//! The node: one broker without its body. It owns every machine and carries what one says to the next.
//!
//! ```text
//!                      ┌────────────┐   Order    ┌────────┐
//!   Produce, Fetch … ─▶│   front    │──────────▶ │ lane 0 │──▶ Store, Read, Job
//!                      │ splits and │◀────────── │ lane 1 │
//!   Reply, Serve     ◀─│   joins    │    Said    │  …     │
//!                      └────────────┘            └────────┘
//!   long requests    ─▶ slices ── pieces ──▶ as any request
//!   groups           ─▶ coordinators ── append ──────▲
//!   topics, settings ─▶ cluster ── metadata log ─▶ Store       image ─▶ front, lanes
//! ```

mod boot;
mod calls;
mod census;
mod cluster;
mod coordinators;
mod directories;
mod fetch_session;
mod fetchers;
mod follow;
mod front;
mod groups;
mod lane;
mod moves;
mod news;
mod post;
mod propose;
mod replicate;
mod request;
mod retain;
mod route;
mod slices;
mod throttle;
mod view;

pub use boot::{Boot, FoundLog};
pub use census::{Census, Held, Reign, Standpoint};
pub use view::{Standing, View};

use cluster::Cluster;
use coordinators::Coordinators;
use front::Front;
use lane::Lane;
use post::Post;
use slices::Slices;

use crate::boundary::{Digest, Effects, Ice, Input};
use crate::config::Config;
use crate::partition::{PartitionOut, Peers};
use crate::record::Functions;
use crate::types::{LogId, Mono, Now, OpId, Rng};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// One broker: everything it decides, and nothing it does.
#[derive(Clone, Debug)]
pub struct Node {
    /// The settings in force: the file's, with the dynamic ones on top.
    config: Config,
    /// The settings that the process was started with.
    file_config: Config,
    functions: Functions,
    rng: Rng,
    front: Front,
    lanes: Vec<Lane>,
    post: Post,
    cluster: Cluster,
    directories: directories::Directories,
    coordinators: Coordinators,
    groups: groups::Gathering,
    following: follow::Following,
    slices: Slices,
    calls: calls::Calls,
    proposals: propose::Proposals,
    replicating: replicate::Replicating,
    /// The brokers, as far as ISRs depend on them.
    peers: Peers,
    /// When each lane is to be woken.
    lanes_wake_at: Vec<Option<Mono>>,
    retaining: retain::Retaining,
    /// Empty between steps; kept for its memory.
    scratch: Vec<PartitionOut>,
}

impl Node {
    /// The only way state changes: something happened at `now`. What is to be done about it is appended to `out`.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Effects) {
        match input {
            Input::Produce { ticket, body, .. } => self.produce(now, ticket, body, out),
            Input::Request { ticket, asker, version, body } => {
                if let Some(body) = self.slice(now, (ticket, &asker, version), body) {
                    self.request(now, (ticket, &asker, version), body, out);
                }
            }
            Input::Response { call, body } => self.called(now, call, body, out),
            Input::Done { op, outcome } => self.done(now, op, outcome, out),
            Input::Served { ticket, outcome } => self.served(now, ticket, outcome, out),
            Input::Closed { conn } => self.closed(now, conn, out),
            Input::DirectoryLost { directory } => self.directory_lost(now, directory, out),
            Input::Moved { log, directory, stage } => self.moved(now, log, directory, stage),
            Input::Stop => self.leave(now, out),
            Input::Wake => self.wake(now, out),
        }
        self.deliver(now, out);
        while self.propose_next(now, out) {
            self.deliver(now, out);
        }
        self.gather(out);
        self.slices.rouse(now);
    }

    /// When this node must be woken, if nothing else happens before.
    pub fn deadline(&self) -> Option<Mono> {
        let wishes = [
            self.front.deadline(),
            self.coordinators.deadline(),
            self.cluster.deadline(),
            self.following.deadline(),
            self.slices.deadline(),
            self.post.deadline(),
            self.proposals.deadline(),
            self.calls.put_off.deadline(),
            self.lanes_wake_at.iter().flatten().min().copied(),
            Some(self.retaining.deadline()),
            self.directories.deadline(),
        ];
        wishes.into_iter().flatten().min()
    }

    /// Asserts every whole-node truth; panics with its number.
    pub fn check(&self) {
        self.front.check();
        self.lanes.iter().for_each(Lane::check);
        assert!(self.post.is_quiet(), "INV-11: a step ends when no letter is left that has arrived");
        assert!(self.scratch.is_empty(), "INV-11: a step ends when nothing is left to be carried");
    }

    /// Canonical bytes of all state.
    pub fn freeze(&self) -> Vec<u8> {
        let mut ice = Ice::default();
        self.hash(&mut ice);
        ice.into_bytes()
    }

    /// The fingerprint of all state: equal for equal histories.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        self.hash(&mut digest);
        digest.finish()
    }

    fn lane_of(&self, log: LogId) -> usize {
        let mut digest = Digest::default();
        log.hash(&mut digest);
        (digest.finish() % self.lanes.len() as u64) as usize
    }
}

/// All that a step can change. What never changes after boot is left out, and so is the empty scratch.
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rng.hash(state);
        self.front.hash(state);
        self.lanes.hash(state);
        self.post.hash(state);
        self.cluster.hash(state);
        self.directories.hash(state);
        self.coordinators.hash(state);
        self.groups.hash(state);
        self.following.hash(state);
        self.slices.hash(state);
        self.calls.hash(state);
        self.proposals.hash(state);
        self.replicating.hash(state);
        self.peers.hash(state);
        self.lanes_wake_at.hash(state);
        self.config.hash(state);
        self.retaining.hash(state);
    }
}

/// The name of an operation: who began it, and their how manieth it is.
fn op_id(begun: u64, owner: u64) -> OpId {
    OpId(begun << OWNER_BITS | owner)
}

/// Who began an operation.
fn owner_of(op: OpId) -> u64 {
    op.0 & ((1 << OWNER_BITS) - 1)
}

const OWNER_BITS: u32 = 8;
/// The metadata log.
const OWNER_CLUSTER: u64 = 0;
/// The coordinators, which read logs to load them.
const OWNER_COORDINATORS: u64 = 1;
/// Answers that are encoded.
const OWNER_SLICES: u64 = 2;
/// Answers of leaders that are looked at.
const OWNER_REPLICAS: u64 = (1 << OWNER_BITS) - 1;
/// The first lane; the others follow.
const OWNER_LANES: u64 = 3;

#[cfg(test)]
#[path = "digest_test.rs"]
mod digest_test;
#[cfg(test)]
#[path = "features_test.rs"]
mod features_test;
#[cfg(test)]
#[path = "forward_test.rs"]
mod forward_test;
#[cfg(test)]
#[path = "leaving_test.rs"]
mod leaving_test;
#[cfg(test)]
#[path = "node_test.rs"]
mod node_test;
#[cfg(test)]
#[path = "observe_test.rs"]
mod observe_test;
#[cfg(test)]
#[path = "rack_test.rs"]
mod rack_test;
#[cfg(test)]
#[path = "scene_test.rs"]
mod scene_test;
#[cfg(test)]
#[path = "steps_test.rs"]
mod steps_test;
#[cfg(test)]
#[path = "throttles_test.rs"]
mod throttles_test;
