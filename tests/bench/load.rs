//! Produce in bulk, and what it cost the broker.

use std::time::Instant;

use ottla_tests::harness::broker::Broker;

use crate::client::{Client, Prepared, batch};
use crate::latency::Latencies;
use crate::process::{Usage, device_bytes};

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
    /// CPU of the broker.
    pub broker: Usage,
    /// CPU of this program.
    pub driver: Usage,
    /// What the broker wrote to the device, or will.
    pub device_bytes: u64,
    /// From sending to acknowledgement.
    pub latencies: Latencies,
}

/// Sends batches to partition 0 and waits for all acknowledgements.
pub fn produce(broker: &Broker, topic: &str, load: &Load) -> Took {
    let batch = batch(load.records, load.record_bytes, &load.codec);
    let request = Prepared::produce(topic, 0..1, &batch);
    let requests = load.bytes / (load.records * load.record_bytes) as u64;
    run(broker, &[request], requests, load.in_flight, batch.bytes_len() as u64)
}

/// Sends these requests in turn, `count` in all, over one connection.
pub fn run(broker: &Broker, requests: &[Prepared], count: u64, in_flight: usize, bytes_each: u64) -> Took {
    let mut client = Client::connect(&broker.address());
    let (before, ours, device) = (Usage::of(broker.pid()), Usage::of(std::process::id()), device_bytes(broker.pid()));
    let started = Instant::now();
    let latencies = pipelined(&mut client, requests, count, in_flight);
    let seconds = started.elapsed().as_secs_f64();
    Took {
        requests: count,
        bytes: count * bytes_each,
        seconds,
        broker: Usage::of(broker.pid()).since(before),
        driver: Usage::of(std::process::id()).since(ours),
        device_bytes: device_bytes(broker.pid()) - device,
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
