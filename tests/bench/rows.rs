//! The rows of the scoreboard.

use std::thread;
use std::time::{Duration, Instant};

use ottla_tests::harness::broker::Kind;

use crate::client::{Client, Prepared, batch};
use crate::load::{Load, Took, pipelined, produce, run};
use crate::options::Options;
use crate::process::Usage;
use crate::reads;
use crate::replicated::replicated;
use crate::report::Measure;
use crate::starts::{IDLE, SETTLE, after_a_crash, many_partitions, start};
use crate::systems::{Running, System};

const PARTITIONS: i32 = 100;
const CONNECTIONS: u64 = 4;

/// One kind of work.
pub struct Row {
    /// As the scoreboard numbers it.
    pub name: &'static str,
    /// What is done.
    pub what: &'static str,
    /// Whether the measurement starts brokers of its own.
    pub starts_itself: bool,
    /// Whether the floor can do it in its direct modes, which keep nothing to read.
    pub reads: bool,
    /// Does it once.
    pub measure: Measurement,
}

static ROWS: [Row; 13] = [
    row("1", "produce, 1 partition, 128 KiB batches of 1 KiB records, 5 in flight", big),
    row("2a", "the same with 16 KiB batches", middle),
    row("2b", "requests of one 1 KiB record: 5 in flight for CPU, 1 for latency", single),
    row("3a", "100 partitions: a 100 B record to each in one request, 5 in flight", spread),
    row("3b", "100 partitions: a 1 KiB record to one at a time, 4 connections, 5 in flight each", scattered),
    Row { starts_itself: true, ..row("4", "3 brokers, 3 replicas: as row 1, as row 2b, as row 6", replicated) },
    Row { reads: true, ..row("5", "catch-up reads from cache, fetches of 1 and 10 MiB", catch_up) },
    Row { reads: true, ..row("5b", "a consumer starts behind a 200 MB/s producer (twice --megabytes)", behind) },
    Row { reads: true, ..row("6", "end to end: 100 B records at 10,000 a second", end_to_end) },
    Row { starts_itself: true, ..row("7", "idle connections", idle) },
    Row {
        starts_itself: true,
        ..row("8", "idle partitions (--partitions): start, stop, memory, idle CPU", many_partitions)
    },
    Row {
        starts_itself: true,
        ..row("10", "kill -9 with a long log (--log-megabytes): start to first produce", after_a_crash)
    },
    Row { starts_itself: true, ..row("13", "start to first acknowledged produce, restart, memory, idle CPU", start) },
];

const fn row(name: &'static str, what: &'static str, measure: Measurement) -> Row {
    Row { name, what, starts_itself: false, reads: false, measure }
}

type Measurement = fn(&'static System, Option<&mut Running>, &Options) -> Vec<Measure>;

/// The rows of these names; `2` means 2a and 2b.
pub fn chosen(names: &[String]) -> Vec<&'static Row> {
    let wanted = |row: &&Row| {
        names
            .iter()
            .any(|name| name == "all" || row.name == name || row.name.trim_end_matches(char::is_alphabetic) == name)
    };
    ROWS.iter().filter(wanted).collect()
}

/// One line a row, for the help.
pub fn list() -> String {
    ROWS.iter().map(|row| format!("  {:4} {}\n", row.name, row.what)).collect()
}

impl Row {
    /// Whether this system can do it.
    pub fn takes(&self, system: &System) -> bool {
        let is_floor = system.kind == Kind::Floor;
        let forgets = is_floor && system.name != "floor";
        // The floor is one process that has no log to recover and answers for any partition.
        !(self.reads && forgets || is_floor && ["4", "8", "10"].contains(&self.name))
    }
}

fn big(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let took = bulk(broker, options, 128, options.bytes, 5);
    vec![
        Measure { name: "MB/s", value: took.bytes as f64 / 1e6 / took.seconds },
        Measure { name: "s/GB", value: per_gigabyte(&took, took.broker.total()) },
        Measure { name: "user s/GB", value: per_gigabyte(&took, took.broker.user) },
        Measure { name: "s/GB with driver", value: per_gigabyte(&took, took.broker.total() + took.driver.total()) },
        Measure { name: "device bytes a byte", value: took.device_bytes as f64 / took.bytes as f64 },
    ]
}

fn middle(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let took = bulk(broker, options, 16, options.bytes / 2, 5);
    vec![
        Measure { name: "MB/s", value: took.bytes as f64 / 1e6 / took.seconds },
        Measure { name: "s/GB", value: per_gigabyte(&took, took.broker.total()) },
        Measure { name: "user s/GB", value: per_gigabyte(&took, took.broker.user) },
        Measure { name: "device bytes a byte", value: took.device_bytes as f64 / took.bytes as f64 },
    ]
}

fn single(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let busy = bulk(Some(broker), options, 1, options.bytes / 16, 5);
    let mut alone = bulk(Some(broker), options, 1, options.bytes / 64, 1);
    let micros = |took: &Took| took.broker.total() * 1e6 / took.requests as f64;
    vec![
        Measure { name: "requests/s, 5 in flight", value: busy.requests as f64 / busy.seconds },
        Measure { name: "µs CPU a request, 5 in flight", value: micros(&busy) },
        Measure { name: "user µs CPU a request, 5 in flight", value: busy.broker.user * 1e6 / busy.requests as f64 },
        Measure { name: "µs CPU a request, 1 in flight", value: micros(&alone) },
        Measure { name: "ack p50 µs", value: alone.latencies.quantile(0.5) },
        Measure { name: "ack p99 µs", value: alone.latencies.quantile(0.99) },
        Measure { name: "device bytes a byte", value: busy.device_bytes as f64 / busy.bytes as f64 },
    ]
}

fn spread(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(PARTITIONS);
    let batch = batch(1, 100, &options.codec);
    let request = Prepared::produce(&topic, 0..PARTITIONS, &batch);
    let count = options.bytes / (256 << 10);
    let took = run(&broker.broker, &[request], count, 5, batch.bytes_len() as u64 * PARTITIONS as u64);
    broker.remove_topic(&topic);
    vec![
        Measure { name: "requests/s", value: took.requests as f64 / took.seconds },
        Measure {
            name: "µs CPU a partition",
            value: took.broker.total() * 1e6 / (took.requests as f64 * f64::from(PARTITIONS)),
        },
        Measure { name: "device bytes a byte", value: took.device_bytes as f64 / took.bytes as f64 },
    ]
}

fn scattered(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(PARTITIONS);
    let batch = batch(1, 1024, &options.codec);
    let each = options.bytes / (16 << 10) / CONNECTIONS;
    let requests: Vec<Prepared> =
        (0..PARTITIONS).map(|index| Prepared::produce(&topic, index..index + 1, &batch)).collect();
    let before = Usage::of(broker.broker.pid());
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| pipelined(&mut Client::connect(&broker.broker.address()), &requests, each, 5));
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let used = Usage::of(broker.broker.pid()).since(before);
    broker.remove_topic(&topic);
    let sent = (each * CONNECTIONS) as f64;
    vec![
        Measure { name: "MB/s", value: sent * batch.bytes_len() as f64 / 1e6 / seconds },
        Measure { name: "µs CPU a request", value: used.total() * 1e6 / sent },
    ]
}

fn catch_up(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(1);
    let load =
        Load { bytes: options.bytes, records: 128, record_bytes: 1024, in_flight: 5, codec: options.codec.clone() };
    let end = produce(&broker.broker, &topic, &load).requests as i64 * 128;
    // Once to bring everything into the cache.
    reads::catch_up(&broker.broker, &topic, end, 1 << 20);
    let small = reads::catch_up(&broker.broker, &topic, end, 1 << 20);
    let large = reads::catch_up(&broker.broker, &topic, end, 10 << 20);
    broker.remove_topic(&topic);
    let speed = |read: &reads::Read| read.bytes as f64 / 1e9 / read.seconds;
    let cost = |read: &reads::Read, seconds: f64| seconds / (read.bytes as f64 / 1e9);
    vec![
        Measure { name: "GB/s, 1 MiB", value: speed(&small) },
        Measure { name: "broker s/GB, 1 MiB", value: cost(&small, small.broker.total()) },
        Measure { name: "s/GB with driver, 1 MiB", value: cost(&small, small.broker.total() + small.driver.total()) },
        Measure { name: "GB/s, 10 MiB", value: speed(&large) },
        Measure { name: "broker s/GB, 10 MiB", value: cost(&large, large.broker.total()) },
        Measure { name: "s/GB with driver, 10 MiB", value: cost(&large, large.broker.total() + large.driver.total()) },
    ]
}

fn behind(_: &'static System, broker: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(1);
    let every = Duration::from_nanos(128 * 1024 * 1_000_000_000 / 200_000_000);
    let mut behind = reads::behind(&broker.broker, &topic, every, (options.bytes >> 9) as i64);
    broker.remove_topic(&topic);
    vec![
        Measure { name: "consumer GB/s", value: behind.speed },
        Measure { name: "producer p99 µs alone", value: behind.alone.quantile(0.99) },
        Measure { name: "producer p99 µs beside it", value: behind.beside.quantile(0.99) },
    ]
}

fn end_to_end(_: &'static System, broker: Option<&mut Running>, _: &Options) -> Vec<Measure> {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(1);
    let mut latencies = reads::end_to_end(&broker.broker, &topic, 50_000, Duration::from_micros(100));
    broker.remove_topic(&topic);
    vec![
        Measure { name: "p50 µs", value: latencies.quantile(0.5) },
        Measure { name: "p99 µs", value: latencies.quantile(0.99) },
        Measure { name: "p99.9 µs", value: latencies.quantile(0.999) },
    ]
}

fn idle(system: &'static System, _: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let broker = system.start().broker;
    thread::sleep(SETTLE);
    let (before, memory) = (Usage::of(broker.pid()), broker.resident_bytes());
    let request = Prepared::api_versions();
    let clients: Vec<Client> = (0..options.connections)
        .map(|_| {
            let mut client = Client::connect(&broker.address());
            client.ask(&request);
            client
        })
        .collect();
    let opened = Usage::of(broker.pid()).since(before).total();
    let grown = broker.resident_bytes() as f64 - memory as f64;
    let waited = Usage::of(broker.pid());
    thread::sleep(IDLE);
    let idled = Usage::of(broker.pid()).since(waited).total();
    let count = clients.len() as f64;
    vec![
        Measure { name: "µs CPU to open one", value: opened * 1e6 / count },
        Measure { name: "KB each", value: grown / 1e3 / count },
        Measure { name: "ms CPU a second, idle", value: idled * 1e3 / IDLE.as_secs_f64() },
    ]
}

fn bulk(broker: Option<&mut Running>, options: &Options, records: usize, bytes: u64, in_flight: usize) -> Took {
    let broker = broker.expect("this row's brokers run");
    let topic = broker.new_topic(1);
    let load = Load { bytes, records, record_bytes: 1024, in_flight, codec: options.codec.clone() };
    let took = produce(&broker.broker, &topic, &load);
    broker.remove_topic(&topic);
    took
}

/// Of one load.
pub fn per_gigabyte(took: &Took, seconds: f64) -> f64 {
    seconds / (took.bytes as f64 / 1e9)
}
