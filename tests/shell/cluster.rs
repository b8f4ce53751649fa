//! One seeded world of three brokers, each with its whole shell, that are one cluster: processes die, stand still, and lose their
//! disks' unflushed bytes; links carry nothing for a while. Then all is well, and everything that was acknowledged is read back
//! once, in order, and lies on all three disks, byte by byte.

use crate::replicated::{self, Writer};
use crate::world::{make_disks, serve, with_disk, world};
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::NodeId;
use madsim::time::sleep;
use ottla::boot;
use ottla_core::config::{Config, Setting};
use ottla_core::store::StoreConfig;
use ottla_core::types::{LogId, Rng};
use ottla_sim::disk::Disk;
use ottla_sim::rest::{self, Kept};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happened in a world, for the floors below which a run proves nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Records acknowledged.
    pub acknowledged: u64,
    /// How often a writer went to another leader.
    pub moved: u64,
    /// Batches that were sent more than once.
    pub repeated: u64,
    /// Processes killed, one at a time.
    pub kills: u64,
    /// Machines that lost their power.
    pub power_losses: u64,
    /// All of them at once, killed or without power.
    pub blackouts: u64,
    /// Processes that stood still.
    pub pauses: u64,
    /// Links between two brokers that carried nothing, one way or both.
    pub cuts: u64,
    /// Brokers or clients that nothing reached.
    pub stalls: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.moved += other.moved;
        self.repeated += other.repeated;
        self.kills += other.kills;
        self.power_losses += other.power_losses;
        self.blackouts += other.blackouts;
        self.pauses += other.pauses;
        self.cuts += other.cuts;
        self.stalls += other.stalls;
    }
}

/// The machines of a world.
struct Machines {
    brokers: Vec<NodeHandle>,
    clients: Vec<NodeHandle>,
}

/// Something that was done to a world, and is to be undone.
#[derive(Debug)]
enum Strike {
    /// These processes are gone.
    Down(Vec<usize>),
    /// This one stands still.
    Paused(usize),
    /// From the first to the second of two brokers nothing arrives.
    Cut(Vec<(usize, usize)>),
    /// Nothing reaches or leaves this machine.
    Stalled(NodeId),
}

/// Runs one seed; panics with what was found.
pub fn run(seed: u64) -> Tally {
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.set_time_limit(Duration::from_secs(900));
    runtime.block_on(history(seed))
}

async fn history(seed: u64) -> Tally {
    let mut rng = Rng::new(seed);
    make_disks(BROKERS, &mut rng);
    let handle = Handle::current();
    let brokers = (0..BROKERS).map(|at| start(at, rng.next_u64())).collect();
    let client = |at: usize| handle.create_node().ip([10, 0, 1, at as u8 + 1].into()).build();
    let machines = Machines { brokers, clients: (0..replicated::PARTITIONS).map(client).collect() };
    let made = machines.clients[0].spawn(replicated::make_topic(rng.fork("founder")));
    made.await.expect("the topic is made");
    say("the topic is made");
    let mut writers = Vec::new();
    for (partition, node) in machines.clients.iter().enumerate() {
        writers.push(node.spawn(Writer::new(partition, rng.fork("writer")).run(RECORDS)));
    }
    let mut tally = nemesis(&machines, rng.fork("nemesis")).await;
    say("calm");
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.expect("a writer"));
    }
    say("all is written");
    let chance = rng.fork("judge");
    let read = machines.clients[0].spawn(async move {
        let mut chance = chance;
        replicated::wait_until_whole(&mut chance).await;
        let mut read = Vec::new();
        for partition in 0..replicated::PARTITIONS {
            read.push(replicated::read_all(partition, &mut chance).await);
        }
        read
    });
    for (writer, read) in written.iter().zip(read.await.expect("a reader")) {
        writer.judge(RECORDS, &read);
        tally.acknowledged += RECORDS;
        tally.moved += writer.moved;
        tally.repeated += writer.repeated;
    }
    judge_disks();
    tally
}

/// With `SHELL_LOG` set, for whoever looks for the cause of something.
pub fn say(what: &str) {
    if std::env::var_os("SHELL_LOG").is_some() {
        println!("{:?}  {what}", madsim::time::TimeHandle::current().elapsed());
    }
}

/// A broker with an empty disk that was formatted for a cluster of three.
fn start(at: usize, seed: u64) -> NodeHandle {
    let lives = AtomicU64::new(0);
    let handle = Handle::current();
    let node = handle.create_node().name(format!("broker-{}", at + 1)).ip([10, 0, 0, at as u8 + 1].into());
    node.init(move || {
        let life = lives.fetch_add(1, Ordering::Relaxed);
        broker(at, life == 0, seed.wrapping_add(life))
    })
    .build()
}

async fn broker(at: usize, is_first: bool, seed: u64) {
    let config = config(at);
    if is_first {
        let cluster = ("ottla-shell-cluster-01".into(), None);
        boot::format(&config, cluster, world(at, seed)).await.expect("an empty disk is formatted");
        // The process that did it ends, with nothing under way.
        sleep(Duration::from_secs(1)).await;
        with_disk(at, Disk::kill);
    }
    let outcome = serve(at, config, seed).await;
    panic!("broker {} ended: {outcome:?}", at + 1);
}

fn config(at: usize) -> Config {
    let voters: Vec<String> = (1..=BROKERS).map(|id| format!("{id}@10.0.0.{id}:9093")).collect();
    let id = at + 1;
    let settings = [
        ("node.id", id.to_string()),
        ("process.roles", "broker,controller".into()),
        ("listeners", format!("PLAINTEXT://10.0.0.{id}:9092,CONTROLLER://10.0.0.{id}:9093")),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".into()),
        ("controller.listener.names", "CONTROLLER".into()),
        ("controller.quorum.voters", voters.join(",")),
        ("broker.session.timeout.ms", "3000".into()),
        ("broker.heartbeat.interval.ms", "500".into()),
        ("replica.lag.time.max.ms", "2000".into()),
        ("ottla.journal.bytes", JOURNAL_BYTES.to_string()),
    ];
    let setting =
        |(key, value): (&str, String)| Setting { key: key.into(), value: value.into(), origin: "test".into() };
    Config::read(settings.map(setting)).expect("allowed settings").0
}

/// Strikes, one or two at a time, and in the end leaves everything well.
async fn nemesis(machines: &Machines, mut rng: Rng) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..rng.between(3, 6) {
        sleep(Duration::from_millis(rng.between(50, 4000))).await;
        let mut strikes = vec![strike(machines, &mut rng, &mut tally)];
        say(&format!("{strikes:?}"));
        if rng.chance(1, 3) && !matches!(&strikes[0], Strike::Down(all) if all.len() == BROKERS) {
            sleep(Duration::from_millis(rng.between(0, 1000))).await;
            let busy = match &strikes[0] {
                Strike::Down(brokers) => brokers.clone(),
                Strike::Paused(broker) => vec![*broker],
                Strike::Cut(_) | Strike::Stalled(_) => Vec::new(),
            };
            strikes.extend(kill(machines, &busy, &mut rng, &mut tally));
            say(&format!("{strikes:?}"));
        }
        sleep(Duration::from_millis(1 << rng.between(5, 13))).await;
        strikes.into_iter().for_each(|strike| strike.undo(machines));
        say("undone");
    }
    tally
}

fn strike(machines: &Machines, rng: &mut Rng, tally: &mut Tally) -> Strike {
    let any = rng.below(BROKERS as u64) as usize;
    match rng.below(6) {
        0 | 1 => kill(machines, &[], rng, tally).expect("nobody is down"),
        2 => {
            tally.blackouts += 1;
            let is_dark = rng.chance(1, 2);
            (0..BROKERS).for_each(|at| end(machines, at, is_dark));
            Strike::Down((0..BROKERS).collect())
        }
        3 => {
            tally.pauses += 1;
            Handle::current().pause(machines.brokers[any].id());
            Strike::Paused(any)
        }
        4 => {
            tally.cuts += 1;
            let other = (any + rng.between(1, BROKERS as u64 - 1) as usize) % BROKERS;
            let ways = if rng.chance(1, 2) { vec![(any, other)] } else { vec![(any, other), (other, any)] };
            for (from, to) in &ways {
                NetSim::current().clog_link(machines.brokers[*from].id(), machines.brokers[*to].id());
            }
            Strike::Cut(ways)
        }
        _ => {
            tally.stalls += 1;
            let all: Vec<NodeId> = machines.brokers.iter().chain(&machines.clients).map(NodeHandle::id).collect();
            let id = all[rng.below(all.len() as u64) as usize];
            NetSim::current().clog_node(id);
            Strike::Stalled(id)
        }
    }
}

/// Ends the process of a broker that is not busy, with or without the power of its machine.
fn kill(machines: &Machines, busy: &[usize], rng: &mut Rng, tally: &mut Tally) -> Option<Strike> {
    let others: Vec<usize> = (0..BROKERS).filter(|at| !busy.contains(at)).collect();
    let at = *others.get(rng.below(others.len() as u64) as usize)?;
    let is_dark = rng.chance(1, 3);
    if is_dark {
        tally.power_losses += 1;
    } else {
        tally.kills += 1;
    }
    end(machines, at, is_dark);
    Some(Strike::Down(vec![at]))
}

fn end(machines: &Machines, at: usize, is_dark: bool) {
    Handle::current().kill(machines.brokers[at].id());
    with_disk(at, if is_dark { Disk::lose_power } else { Disk::kill });
}

impl Strike {
    fn undo(self, machines: &Machines) {
        let (handle, net) = (Handle::current(), NetSim::current());
        let id = |at: usize| machines.brokers[at].id();
        match self {
            Self::Down(brokers) => brokers.into_iter().for_each(|at| handle.restart(id(at))),
            Self::Paused(at) => handle.resume(id(at)),
            Self::Cut(ways) => ways.into_iter().for_each(|(from, to)| net.unclog_link(id(from), id(to))),
            Self::Stalled(node) => net.unclog_node(node),
        }
    }
}

/// What is flushed on each disk is the same: of topics all of it, of the metadata as far as two have it.
fn judge_disks() {
    let config = StoreConfig { journal_bytes: JOURNAL_BYTES, ..StoreConfig::default() };
    let disks: Vec<BTreeMap<LogId, Kept>> = (0..BROKERS)
        .map(|at| with_disk(at, |disk| rest::logs(disk, at, config.clone())).expect("the disk can be read"))
        .collect();
    let (first, others) = disks.split_first().expect("three disks");
    let data = first.keys().filter(|log| **log != LogId::METADATA).count();
    assert!(data >= replicated::PARTITIONS, "only {data} partitions are on the first disk");
    for (at, other) in others.iter().enumerate() {
        for (log, kept) in first {
            let there = other.get(log).unwrap_or_else(|| panic!("{log:?} of {} is not on disk {}", kept.topic, at + 2));
            if *log == LogId::METADATA {
                let both =
                    kept.batches.iter().filter_map(|(base, batch)| Some((base, batch, there.batches.get(base)?)));
                for (base, one, other) in both {
                    assert!(one == other, "the metadata of broker {} are others at {base}", at + 2);
                }
            } else {
                assert!(kept == there, "{}-{} is another on disk {}", kept.topic, log.partition, at + 2);
            }
        }
    }
}

const BROKERS: usize = 3;
const RECORDS: u64 = 90;
const JOURNAL_BYTES: u64 = 4 << 20;
