//! Rows that start and stop a broker: with nothing, with many partitions, with a long log.

use std::thread;
use std::time::{Duration, Instant};

use ottla_tests::harness::broker::Broker;

use crate::client::{Client, Prepared, batch};
use crate::load::{Load, produce};
use crate::options::Options;
use crate::process::Usage;
use crate::report::Measure;
use crate::systems::{Running, System};

/// How long a started broker is left alone before its idleness is measured, and for how long that is.
pub const SETTLE: Duration = Duration::from_secs(3);
pub const IDLE: Duration = Duration::from_secs(5);
/// Partitions of each topic of [`many_partitions`].
const OF_A_TOPIC: i32 = 100;
/// How long a started broker may refuse.
const REFUSAL_MAX: Duration = Duration::from_secs(300);

/// An empty folder; after a stop; after a crash.
pub fn start(system: &'static System, _: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let mut broker = system.make();
    let first = start_to_acknowledgement(&mut broker, "first", true);
    let (resident, idled) = idleness(&broker);
    produce(&broker, "first", &large(options.bytes));
    let loaded = broker.resident_bytes();
    broker.terminate();
    let again = start_to_acknowledgement(&mut broker, "first", false);
    broker.kill_9();
    let crashed = start_to_acknowledgement(&mut broker, "first", false);
    vec![
        Measure { name: "ms, empty folder", value: first },
        Measure { name: "ms, after a stop", value: again },
        Measure { name: "ms, after kill -9", value: crashed },
        Measure { name: "RSS idle MB", value: resident },
        Measure { name: "RSS loaded MB", value: loaded as f64 / 1e6 },
        Measure { name: "ms CPU a second, idle", value: idled },
    ]
}

/// Partitions that nobody uses.
pub fn many_partitions(system: &'static System, _: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let mut broker = system.make();
    broker.restart();
    let topics = (options.partitions + OF_A_TOPIC - 1) / OF_A_TOPIC;
    let made = Instant::now();
    let mut client = Client::connect(&broker.address());
    (0..topics).for_each(|topic| client.create_topic(&format!("many-{topic}"), OF_A_TOPIC));
    drop(client);
    let made = made.elapsed().as_secs_f64();
    let (resident, idled) = idleness(&broker);
    let stopping = Instant::now();
    broker.terminate();
    let stopped = stopping.elapsed().as_secs_f64() * 1e3;
    let newest = format!("many-{}", topics - 1);
    let again = start_to_acknowledgement(&mut broker, &newest, false);
    let (resident_again, _) = idleness(&broker);
    broker.kill_9();
    let crashed = start_to_acknowledgement(&mut broker, &newest, false);
    vec![
        Measure { name: "s to make them", value: made },
        Measure { name: "ms to stop", value: stopped },
        Measure { name: "ms, after a stop", value: again },
        Measure { name: "ms, after kill -9", value: crashed },
        Measure { name: "RSS MB", value: resident },
        Measure { name: "RSS MB, after a stop", value: resident_again },
        Measure { name: "ms CPU a second, idle", value: idled },
    ]
}

/// A log that was being written when the process was killed.
pub fn after_a_crash(system: &'static System, _: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let mut broker = system.make();
    broker.restart();
    Client::connect(&broker.address()).create_topic("long", 1);
    produce(&broker, "long", &large(options.log_bytes));
    broker.kill_9();
    let crashed = start_to_acknowledgement(&mut broker, "long", false);
    vec![Measure { name: "ms, after kill -9", value: crashed }]
}

/// Batches of 128 KiB, five under way.
fn large(bytes: u64) -> Load {
    Load { bytes, records: 128, record_bytes: 1024, in_flight: 5, codec: "none".into() }
}

/// Megabytes that an idle broker holds, and milliseconds of CPU that it takes a second.
fn idleness(broker: &Broker) -> (f64, f64) {
    thread::sleep(SETTLE);
    let (resident, waited) = (broker.resident_bytes(), Usage::of(broker.pid()));
    thread::sleep(IDLE);
    let idled = Usage::of(broker.pid()).since(waited).total();
    (resident as f64 / 1e6, idled * 1e3 / IDLE.as_secs_f64())
}

/// Milliseconds from the start of the process to the first acknowledged record.
fn start_to_acknowledgement(broker: &mut Broker, topic: &str, create: bool) -> f64 {
    let started = Instant::now();
    broker.restart();
    let mut client = Client::connect(&broker.address());
    if create {
        client.create_topic(topic, 1);
    }
    let request = Prepared::produce(topic, 0..1, &batch(1, 100, "none"));
    while !client.ask(&request).is_acknowledged() {
        assert!(started.elapsed() < REFUSAL_MAX, "the broker refuses for minutes");
    }
    started.elapsed().as_secs_f64() * 1e3
}
