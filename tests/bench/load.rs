//! Produce in bulk, and what it cost the broker.

use std::time::Instant;

use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::cluster::Cluster;

use crate::client::{Client, Prepared, batch};
use crate::latency::Latencies;
use crate::process::{Usage, device_bytes};

/// Whoever takes a load: one process to send it to, and all that it costs.
pub trait Target: Sync {
    /// `host:port` of the leader of the partition.
    fn address(&self) -> String;
    /// The processes that have a part in it.
    fn pids(&self) -> Vec<u32>;
}

impl Target for Broker {
    fn address(&self) -> String {
        self.address()
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.pid()]
    }
}

/// A cluster by the leader of one partition.
pub struct Led<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Which of its brokers leads.
    pub leader: usize,
}

impl Target for Led<'_> {
    fn address(&self) -> String {
        self.cluster.address(self.leader)
    }

    fn pids(&self) -> Vec<u32> {
        self.cluster.nodes().map(|node| self.cluster.pid(node)).collect()
    }
}

/// How much to send, and in which pieces.
pub struct Load {
    /// Record bytes in all.
    pub bytes: u64,
    /// Records of a batch.
    pub records: usize,
    /// Value bytes of a record.
    pub record_bytes: usize,
    /// Requests without an answer at a time.
    pub in_flight: usize,
    /// Compression.
    pub codec: String,
}

/// What a load took.
pub struct Took {
    /// Requests sent and acknowledged.
    pub requests: u64,
    /// Bytes of the batches in them.
    pub bytes: u64,
    /// Wall time, seconds.
    pub seconds: f64,
    /// CPU of the broker, or of all brokers.
    pub broker: Usage,
    /// CPU of this program.
    pub driver: Usage,
    /// What it or they wrote to the device, or will.
    pub device_bytes: u64,
    /// From sending to acknowledgement.
    pub latencies: Latencies,
}

/// Sends batches to partition 0 and waits for all acknowledgements.
pub fn produce(broker: &impl Target, topic: &str, load: &Load) -> Took {
    let batch = batch(load.records, load.record_bytes, &load.codec);
    let request = Prepared::produce(topic, 0..1, &batch);
    let requests = load.bytes / (load.records * load.record_bytes) as u64;
    run(broker, &[request], requests, load.in_flight, batch.bytes_len() as u64)
}

/// Sends these requests in turn, `count` in all, over one connection.
pub fn run(broker: &impl Target, requests: &[Prepared], count: u64, in_flight: usize, bytes_each: u64) -> Took {
    let mut client = Client::connect(&broker.address());
    let pids = broker.pids();
    let written = || pids.iter().map(|pid| device_bytes(*pid)).sum::<u64>();
    let (before, ours, device) = (Usage::of_all(&pids), Usage::of(std::process::id()), written());
    let started = Instant::now();
    let latencies = pipelined(&mut client, requests, count, in_flight);
    let seconds = started.elapsed().as_secs_f64();
    Took {
        requests: count,
        bytes: count * bytes_each,
        seconds,
        broker: Usage::of_all(&pids).since(before),
        driver: Usage::of(std::process::id()).since(ours),
        device_bytes: written() - device,
        latencies,
    }
}

/// Keeps `in_flight` requests unanswered until `count` are answered.
pub fn pipelined(client: &mut Client, requests: &[Prepared], count: u64, in_flight: usize) -> Latencies {
    let mut latencies = Latencies::default();
    let mut next = 0_u64;
    let mut answered = 0_u64;
    while answered < count {
        let room = (in_flight - client.in_flight()).min((count - next) as usize);
        let turn: Vec<&Prepared> =
            (next..).take(room).map(|number| &requests[(number % requests.len() as u64) as usize]).collect();
        if !turn.is_empty() {
            client.send(&turn);
            next += turn.len() as u64;
        }
        for answer in client.receive(&requests[0]) {
            answer.acknowledged();
            latencies.add(answer.took);
            answered += 1;
        }
    }
    latencies
}
