//! A load of size: several idempotent clients at once, a mix of keys, headers and compressions, kill -9 on the way; then
//! everything is read and compared, every record once, in order per partition, equal in every byte.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::harness::broker::Broker;
use crate::harness::driver::Driver;
use crate::harness::log::say;
use crate::harness::tools::{golang, java, python};

const TOPIC: &str = "flood";
const PARTITIONS: u32 = 6;
/// What a record of the flood measures on average.
const RECORD_BYTES: u64 = 2070;
/// How often the broker is killed on the way.
const KILLS: u64 = 3;
/// How long nothing may be acknowledged before the run counts as stuck.
const STILL_MAX: Duration = Duration::from_secs(120);

/// Who sends which share of a hundred.
struct Sender {
    name: &'static str,
    compression: &'static str,
    share: u64,
    start: fn() -> Driver,
}

const SENDERS: [Sender; 5] = [
    Sender { name: "librdkafka", compression: "none", share: 20, start: || python::start("confluent") },
    Sender { name: "librdkafka-zstd", compression: "zstd", share: 15, start: || python::start("confluent") },
    Sender { name: "java", compression: "lz4", share: 30, start: || java::start("java-4.4", &java::clients_4_4()) },
    Sender { name: "franz", compression: "snappy", share: 30, start: golang::start },
    Sender { name: "kafka-python", compression: "gzip", share: 5, start: || python::start("kafka_python") },
];

/// Sends about this many bytes, kills the broker three times meanwhile, and verifies. Gives the records and bytes read.
pub fn flood(broker: &mut Broker, bytes: u64) -> (u64, u64) {
    let records = bytes / RECORD_BYTES;
    let mut reader = golang::start();
    let address = broker.address();
    reader.ask(&json!({"do": "connect", "bootstrap": address}));
    reader.ask(
        &json!({"do": "create_topic", "topic": TOPIC, "partitions": PARTITIONS, "configs": {"retention.ms": "-1"}}),
    );
    let acknowledged: Vec<AtomicU64> = SENDERS.iter().map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let mut senders = Vec::new();
        for (sender, count) in SENDERS.iter().zip(&acknowledged) {
            let address = address.clone();
            senders.push(scope.spawn(move || send(sender, &address, records, count)));
        }
        let total = || acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
        for kill in 1..=KILLS {
            let at = records * kill / (KILLS + 1);
            let (mut seen, mut since) = (total(), Instant::now());
            while seen < at && senders.iter().any(|sender| !sender.is_finished()) {
                thread::sleep(Duration::from_millis(5));
                if total() != seen {
                    (seen, since) = (total(), Instant::now());
                }
                assert!(since.elapsed() < STILL_MAX, "nothing is acknowledged any more:\n{}", broker.log());
            }
            broker.kill_9();
            say(&format!("flood: killed at {} of {records} records", total()));
            broker.restart();
        }
        senders.into_iter().for_each(|sender| sender.join().expect("the sender ends well"));
    });
    let clients: Map<String, Value> =
        SENDERS.iter().map(|sender| (sender.name.to_owned(), json!(count(sender, records)))).collect();
    let verify = json!({"do": "verify", "topic": TOPIC, "partitions": PARTITIONS, "clients": clients});
    let found = reader.ask(&verify);
    (found["records"].as_u64().expect("a count"), found["bytes"].as_u64().expect("a count"))
}

fn send(sender: &Sender, address: &str, records: u64, acknowledged: &AtomicU64) {
    let mut driver = (sender.start)();
    driver.ask(&json!({"do": "connect", "bootstrap": address}));
    let command = json!({
        "do": "flood", "topic": TOPIC, "name": sender.name, "count": count(sender, records), "partitions": PARTITIONS,
        "compression": sender.compression,
    });
    driver.send(&command);
    let answer = driver.answer_after(&command, |count| acknowledged.store(count, Ordering::Relaxed));
    assert_eq!(answer["sent"], json!(count(sender, records)), "{}: all are acknowledged", sender.name);
    acknowledged.store(count(sender, records), Ordering::Relaxed);
}

fn count(sender: &Sender, records: u64) -> u64 {
    records * sender.share / 100
}
