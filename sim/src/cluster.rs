//! A seed → the plan of a cluster: several machines, each with a weather of its own, cuts between them, and chains of strikes
//! that bring about what chance alone hardly ever does.

use crate::chain::{Chain, draw_chains};
use crate::client::{mover, outlaw, recycler, tuner, turnover};
use crate::clock::At;
use crate::coup::{VOTERS, draw_coups};
use crate::fault::{Op, Strike, Weather, draw_blackouts, draw_parts, draw_relocations, draw_wipe};
use crate::plan::{ClientSpec, EPOCH_MS, Options, Plan, Role, STRIKES_FROM, draw_calm, draw_clients};
use ottla_core::types::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// With many chains of one kind nobody waits for longer before a replica counts as behind.
const AIMED_LAG_MAX: Duration = Duration::from_secs(2);
/// A storm comes from this moment on.
const STORMS_FROM: At = At::secs(9);
/// The most replicas of a partition.
const REPLICAS_MAX: u64 = 3;

/// What a cluster is like: how its brokers wait for each other, and who votes.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Shape {
    /// So many of its machines, the first ones, are voters of its metadata quorum.
    pub voters: usize,
    /// Those are controllers and no brokers.
    pub dedicated: bool,
    /// All machines are controllers, and voters come and go; those are the ones that the quorum begins with.
    pub turnover: bool,
    /// `replica.lag.time.max.ms`.
    pub lag_max: Duration,
    /// `broker.session.timeout.ms`; heartbeats come several times as often.
    pub session: Duration,
    /// `replica.fetch.max.bytes`: a small one makes catching up slow.
    pub fetch_bytes: u32,
    /// How many replicas have what is acknowledged, of topics that do not say so.
    pub replicas_min: i16,
    /// Every machine has two data directories, each on a disk of its own.
    #[serde(default)]
    pub doubled: bool,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    #[serde(default = "usual_snapshot_bytes")]
    pub snapshot_bytes: u64,
    /// Every process records its flight, which is replayed when it ends.
    pub recorded: bool,
}

impl Default for Shape {
    /// Kafka's.
    fn default() -> Self {
        let (lag_max, session) = (Duration::from_secs(30), Duration::from_secs(9));
        Self {
            voters: 1,
            dedicated: false,
            turnover: false,
            lag_max,
            session,
            fetch_bytes: 1 << 20,
            replicas_min: 1,
            doubled: false,
            snapshot_bytes: usual_snapshot_bytes(),
            recorded: false,
        }
    }
}

/// Half of the clusters write their metadata anew all the time.
fn draw_snapshots(rng: &mut Rng) -> u64 {
    if rng.chance(1, 2) { 1 << rng.between(10, 15) } else { usual_snapshot_bytes() }
}

/// Kafka's.
fn usual_snapshot_bytes() -> u64 {
    20 << 20
}

impl Shape {
    fn draw(rng: &mut Rng) -> Self {
        let usual = Self::default();
        let lag_max = Duration::from_millis(1 << rng.between(9, 12));
        let session = Duration::from_millis(rng.between(1_500, 6_000));
        let fetch_bytes = 1 << rng.between(12, 14);
        Self {
            voters: usual.voters,
            dedicated: usual.dedicated,
            turnover: usual.turnover,
            lag_max: if rng.chance(1, 6) { usual.lag_max } else { lag_max },
            session: if rng.chance(1, 2) { usual.session } else { session },
            fetch_bytes: if rng.chance(1, 2) { usual.fetch_bytes } else { fetch_bytes },
            replicas_min: usual.replicas_min,
            doubled: usual.doubled,
            snapshot_bytes: usual.snapshot_bytes,
            recorded: usual.recorded,
        }
    }
}

impl Plan {
    /// The plan of a seed: several machines that are one cluster.
    pub fn draw_cluster(seed: u64, chain: Option<Chain>, storm: bool) -> Self {
        let mut rng = Rng::new(seed).fork("cluster");
        let is_coup = chain.is_some_and(Chain::is_coup);
        let machines = [2, 3, 3, 3, 4, 5][rng.below(6) as usize];
        let machines = unusual_size(seed).unwrap_or(machines).max(if is_coup { VOTERS + 1 } else { 0 });
        let mut options = Options { machines, cluster: true, ..Options::draw(&mut rng.fork("options")) };
        let most = REPLICAS_MAX.min(machines as u64);
        let replicas = if rng.chance(2, 3) { most } else { rng.between(1, most) };
        options.replicas = replicas as i16;
        for topic in &mut options.topics {
            let least = rng.between(1, replicas);
            topic.settings.push(("min.insync.replicas".to_owned(), least.to_string()));
        }
        options.shape = Shape::draw(&mut rng.fork("shape"));
        if chain.is_some() {
            options.shape.lag_max = options.shape.lag_max.min(AIMED_LAG_MAX);
        }
        let mut clients = draw_clients(&options, &mut rng.fork("clients"));
        for client in &mut clients {
            // What only the leader has may be lost with it.
            if let Role::Producer(habits) = &mut client.role
                && habits.acks == 1
            {
                habits.acks = -1;
            }
        }
        let mut nemesis = rng.fork("nemesis");
        let calm_from = draw_calm(&mut nemesis);
        // Nothing comes to be in a storm, and what is never made is never harmed.
        let span = (if storm { STORMS_FROM } else { STRIKES_FROM }, calm_from);
        let relocations = draw_doubled(&mut options, seed, (machines, span));
        let mut ops = draw_parts((machines, storm), span, &mut nemesis);
        for machine in 0..machines {
            ops.extend(Weather::draw(&mut nemesis, storm).forecast(machine, span, &mut nemesis));
        }
        if !is_coup {
            ops.extend(draw_chains(chain, span, &mut nemesis));
        }
        // With damage on any of so many disks most runs could prove little.
        if nemesis.chance(3, 4) {
            ops.retain(|op| !op.strike.is_damage());
        }
        ops.extend(relocations);
        ops.extend(draw_blackouts(span, &mut rng.fork("blackouts")));
        options.shape.voters = [1, 2, 3, 3, 3, machines][rng.fork("voters").below(6) as usize].min(machines);
        if is_coup {
            options.shape.voters = VOTERS;
        }
        options.shape.snapshot_bytes = draw_snapshots(&mut rng.fork("snapshots"));
        let brokers = machines - options.shape.voters;
        options.shape.dedicated = brokers >= replicas as usize && rng.fork("dedicated").chance(1, 2);
        let mut disks = rng.fork("disks");
        if replicas > 1 && options.shape.voters < machines && disks.chance(1, 2) {
            options.expect_loss();
            // A disk that is lost and another that rots are more than what two must have outlives.
            ops.retain(|op| !op.strike.is_damage());
            ops.push(draw_wipe((options.shape.voters, machines), span, &mut disks));
        } else if !is_coup {
            draw_turnover(&mut options, &mut clients, &mut rng.fork("turnover"));
        }
        ops.sort_by_key(|op| op.at);
        draw_operators(&options, &mut clients, &ops, &mut rng);
        let mut coups = rng.fork("coups");
        if is_coup || options.shape.voters == VOTERS && !options.shape.turnover && coups.chance(1, 3) {
            ops.extend(draw_coups(chain.filter(|_| is_coup), span, &mut coups));
            ops.sort_by_key(|op| op.at);
        }
        Self { seed, options, clients, ops: ops.into_iter().enumerate().collect(), calm_from }
    }
}

/// One cluster in five is a single machine, or as many as the metadata quorum of a large one.
fn unusual_size(seed: u64) -> Option<usize> {
    [Some(1), Some(6), Some(7)].into_iter().chain([None; 12]).nth(Rng::new(seed).fork("size").below(15) as usize)?
}

/// One run in four has machines with two directories, and an operator who moves replicas from one to the other.
pub fn draw_doubled(options: &mut Options, seed: u64, (machines, span): (usize, (At, At))) -> Vec<Op> {
    let mut rng = Rng::new(seed).fork("doubled");
    options.shape.doubled = rng.chance(1, 4) && !options.relaxed;
    match options.shape.doubled {
        true => draw_relocations(machines, span, &mut rng),
        false => Vec::new(),
    }
}

/// In some clusters voters come and go.
fn draw_turnover(options: &mut Options, clients: &mut Vec<ClientSpec>, rng: &mut Rng) {
    if rng.chance(1, 3) {
        options.shape.turnover = true;
        let pace = Duration::from_millis(1 << rng.between(9, 14));
        let role = Role::Turnover(turnover::Habits { controllers: options.machines, pace });
        clients.push(ClientSpec { number: clients.len(), role, seed: rng.next_u64() });
    }
}

impl Options {
    /// In so many racks a cluster's machines stand, in turn; in none in half of the runs, where consumers read from leaders only. Not
    /// a draw of its own: the numbers of lanes have nothing to do with it.
    pub fn racks(&self) -> usize {
        match self.lanes {
            2 | 4 if self.cluster && self.replicas > 1 => 1 + self.lanes / 2,
            _ => 0,
        }
    }

    /// Is a machine a broker? Of those that vote at first perhaps none is.
    pub fn is_broker(&self, machine: usize) -> bool {
        !(self.cluster && self.shape.dedicated && machine < self.shape.voters)
    }

    /// The rack of a machine.
    pub fn rack_of(&self, machine: usize) -> String {
        format!("rack-{}", machine % self.racks())
    }

    /// A disk is going to be lost: what two must have outlives that of one, and nothing else does.
    fn expect_loss(&mut self) {
        self.shape.replicas_min = 2;
        for topic in &mut self.topics {
            topic.settings.retain(|(name, value)| name != "min.insync.replicas" || value != "1");
            if !topic.settings.iter().any(|(name, _)| name == "min.insync.replicas") {
                topic.settings.push(("min.insync.replicas".to_owned(), "2".to_owned()));
            }
        }
    }
}

/// Who moves replicas, alters settings and writes where nothing is promised, and who stands where.
fn draw_operators(options: &Options, clients: &mut Vec<ClientSpec>, ops: &[Op], rng: &mut Rng) {
    let mut operator = rng.fork("operator");
    if operator.chance(1, 2) {
        let pace = Duration::from_millis(1 << operator.between(9, 14));
        let role = Role::Mover(mover::Habits { brokers: options.machines, replicas: options.replicas as usize, pace });
        clients.push(ClientSpec { number: clients.len(), role, seed: operator.next_u64() });
    }
    // Of two that have what is acknowledged one loses its disk: the other is not forgotten as well.
    let is_wiped = ops.iter().any(|op| matches!(op.strike, Strike::Wipe(_)));
    draw_tuner(options, clients, !is_wiped, &mut rng.fork("settings"));
    draw_outlaw(options, clients, &mut rng.fork("outlaws"));
    draw_racks(options, clients, &mut rng.fork("racks"));
    draw_recycler(options, clients, &mut rng.fork("recyclers"));
}

/// In one cluster of three there is a topic that may be led by whoever lives.
fn draw_outlaw(options: &Options, clients: &mut Vec<ClientSpec>, rng: &mut Rng) {
    if options.replicas > 1 && rng.chance(1, 3) {
        let partitions = rng.between(1, 4) as i32;
        let pace = Duration::from_millis(1 << rng.between(5, 11));
        let role = Role::Outlaw(outlaw::Habits { partitions, replicas: options.replicas, pace, epoch_ms: EPOCH_MS });
        clients.push(ClientSpec { number: clients.len(), role, seed: rng.next_u64() });
    }
}

/// In two clusters of five a topic is deleted and made again all the time.
fn draw_recycler(options: &Options, clients: &mut Vec<ClientSpec>, rng: &mut Rng) {
    if rng.chance(2, 5) {
        let role = Role::Recycler(recycler::Habits {
            partitions: rng.between(1, 4) as i32,
            replicas: options.replicas,
            replicas_min: options.shape.replicas_min,
            deletes: 1 << rng.between(1, 6),
            pace: Duration::from_millis(1 << rng.between(5, 11)),
            epoch_ms: EPOCH_MS,
        });
        clients.push(ClientSpec { number: clients.len(), role, seed: rng.next_u64() });
    }
}

/// In two clusters of five somebody alters settings.
fn draw_tuner(options: &Options, clients: &mut Vec<ClientSpec>, may_forget: bool, rng: &mut Rng) {
    if rng.chance(2, 5) {
        let pace = Duration::from_millis(1 << rng.between(8, 13));
        let (replicas, replicas_min) = (options.replicas as usize, options.shape.replicas_min as usize);
        let role = Role::Tuner(tuner::Habits {
            replicas,
            replicas_min,
            brokers: options.machines,
            unregisters: rng.chance(1, 2) && may_forget,
            pace,
        });
        clients.push(ClientSpec { number: clients.len(), role, seed: rng.next_u64() });
    }
}

/// Where a cluster's machines stand in racks most consumers do too, and read from followers there (KIP-392).
fn draw_racks(options: &Options, clients: &mut [ClientSpec], rng: &mut Rng) {
    for client in clients {
        if let Role::Consumer(habits) = &mut client.role
            && options.racks() > 0
            && rng.chance(3, 4)
        {
            habits.rack = options.rack_of(rng.below(options.racks() as u64) as usize);
        }
    }
}
