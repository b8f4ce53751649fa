//! One seeded world: a broker, clients that write and cut, a vandal, and a nemesis; then everything is read back.

use crate::client::{Peer, Writer};
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::sleep;
use ottla::boot::{Disk as Submit, World};
use ottla::brain::Outcome;
use ottla::clock::Clock;
use ottla::jobs::Jobs;
use ottla::life::{Parts, live};
use ottla::mail::{Mail, Mailbox};
use ottla::net::bind;
use ottla::telemetry::Telemetry;
use ottla_core::config::{Config, Setting};
use ottla_core::types::Rng;
use ottla_sim::disk::{Disk, Traits};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happened in a world, for the floors below which a run proves nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records read back, repetitions included.
    pub read: u64,
    /// Processes killed.
    pub kills: u64,
    /// Connections dropped in the middle of a frame.
    pub cuts: u64,
    /// Links that carried nothing for a while.
    pub stalls: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.read += other.read;
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.stalls += other.stalls;
    }
}

thread_local! {
    /// The brokers' disks outlive their processes. A world is one thread.
    static DISKS: RefCell<Vec<Disk>> = const { RefCell::new(Vec::new()) };
}

/// Empty disks for so many brokers.
pub fn make_disks(count: usize, rng: &mut Rng) {
    DISKS.set((0..count).map(|_| Disk::new(Traits::default(), rng.fork("disk"))).collect());
}

/// The disk of a broker, counted from 0.
pub fn with_disk<R>(broker: usize, act: impl FnOnce(&mut Disk) -> R) -> R {
    DISKS.with_borrow_mut(|disks| act(&mut disks[broker]))
}

/// Runs one seed; panics with what was found.
pub fn run(seed: u64) -> Tally {
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.set_time_limit(Duration::from_secs(600));
    runtime.block_on(history(seed))
}

async fn history(seed: u64) -> Tally {
    let mut rng = Rng::new(seed);
    let broker = start_broker(&mut rng);
    let address: SocketAddr = "10.0.0.1:9092".parse().expect("an address");
    let handle = Handle::current();
    let nodes: Vec<NodeHandle> =
        (0..WRITERS + 1).map(|at| handle.create_node().ip([10, 0, 1, at as u8 + 1].into()).build()).collect();
    let mut writers = Vec::new();
    for (number, node) in nodes[..WRITERS].iter().enumerate() {
        let writer = Writer::new(number, address, rng.fork("writer"));
        writers.push(node.spawn(writer.run(RECORDS)));
    }
    let vandal = nodes[WRITERS].spawn(vandal(address, rng.fork("vandal")));
    let mut tally = nemesis(&broker, &nodes, rng.fork("nemesis")).await;
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.expect("a writer"));
    }
    vandal.abort();
    let cuts = written.iter().map(|writer| writer.cuts).sum::<u64>();
    let reader = nodes[0].spawn(async move {
        let mut read = Vec::new();
        for writer in 0..WRITERS {
            read.push(Peer::read_all(address, &format!("t{writer}")).await);
        }
        read
    });
    let read = reader.await.expect("a reader");
    for (writer, read) in written.iter().zip(&read) {
        writer.judge(read);
        tally.acknowledged += writer.acknowledged.len() as u64;
        tally.read += read.len() as u64;
    }
    tally.cuts += cuts;
    tally
}

/// A broker with an empty disk, at 10.0.0.1:9092.
pub fn start_broker(rng: &mut Rng) -> NodeHandle {
    make_disks(1, rng);
    let seed = rng.next_u64();
    let lives = AtomicU64::new(0);
    let handle = Handle::current();
    let node = handle.create_node().name("broker").ip([10, 0, 0, 1].into());
    node.init(move || {
        let seed = seed ^ lives.fetch_add(1, Ordering::Relaxed);
        broker(seed)
    })
    .build()
}

async fn broker(seed: u64) {
    let set = |key: &str, value: &str| Setting { key: key.into(), value: value.into(), origin: "test".into() };
    let settings = [
        set("listeners", "PLAINTEXT://10.0.0.1:9092"),
        set("ottla.journal.bytes", "4194304"),
        set("connections.max.idle.ms", "20000"),
    ];
    let (config, _) = Config::read(settings).expect("allowed settings");
    let outcome = serve(0, config, seed).await;
    panic!("the broker ended: {outcome:?}");
}

/// The life of a broker process on its disk, until it ends.
pub async fn serve(broker: usize, config: Config, seed: u64) -> Result<Outcome, String> {
    let mut sockets = Vec::new();
    for listener in &config.broker.listeners {
        sockets.push(bind(&listener.bind.host, listener.bind.port).await.expect("a free port"));
    }
    let world = world(broker, seed);
    let jobs = Jobs::Inline(world.functions, world.mailbox.clone());
    live(Parts { config, world, jobs, sockets }, |_| {}).await
}

/// What a process on the disk of this broker is given of the world.
pub fn world(broker: usize, seed: u64) -> World {
    let mailbox = Mailbox::default();
    World {
        disk: submit(broker, mailbox.clone()),
        directory: PathBuf::from("/simulated"),
        more: Vec::new(),
        clock: Clock::start(),
        seed,
        functions: ottla_codecs::functions(),
        mailbox,
        telemetry: Telemetry::new(),
    }
}

/// File operations on the simulated disk, each done after its time.
fn submit(broker: usize, mailbox: Mailbox) -> Submit {
    Box::new(move |id, op| {
        let (token, wait) = with_disk(broker, |disk| disk.begin(op));
        let mailbox = mailbox.clone();
        ottla::seam::spawn_local(async move {
            sleep(wait).await;
            let outcome = with_disk(broker, |disk| disk.finish(token));
            mailbox.put(Mail::File(id, outcome));
        });
    })
}

/// Kills, stalls, and in the end leaves everything well.
async fn nemesis(broker: &NodeHandle, nodes: &[NodeHandle], mut rng: Rng) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..rng.between(2, 5) {
        sleep(Duration::from_millis(rng.between(50, 3000))).await;
        if rng.chance(1, 2) {
            kill_and_restart(broker, &mut rng).await;
            tally.kills += 1;
        } else {
            let node = nodes[rng.below(nodes.len() as u64) as usize].id();
            NetSim::current().clog_node(node);
            sleep(Duration::from_millis(rng.between(10, 3000))).await;
            NetSim::current().unclog_node(node);
            tally.stalls += 1;
        }
    }
    tally
}

/// Kills the broker's process; another begins where the disk has it.
pub async fn kill_and_restart(broker: &NodeHandle, rng: &mut Rng) {
    let handle = Handle::current();
    handle.kill(broker.id());
    with_disk(0, Disk::kill);
    sleep(Duration::from_millis(rng.between(1, 500))).await;
    handle.restart(broker.id());
}

/// Noise, half frames and silence.
async fn vandal(address: SocketAddr, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.between(1, 300))).await;
        let Ok(mut peer) = Peer::connect(address).await else { continue };
        let bytes: Vec<u8> = (0..rng.between(1, 200)).map(|_| rng.next_u64() as u8).collect();
        let length = rng.between(0, 300) as i32;
        let noise = if rng.chance(1, 2) { bytes } else { [&length.to_be_bytes()[..], &bytes].concat() };
        // Whether it arrives is the broker's business.
        let _ = peer.send_in_pieces(&noise, &mut rng, 0).await;
        if rng.chance(1, 3) {
            sleep(Duration::from_millis(rng.between(1, 5000))).await;
        }
    }
}

const WRITERS: usize = 3;
const RECORDS: u64 = 60;
