//! What every client library must find: a topic made by its own admin calls, records of every kind and compression coming back
//! equal in every byte, offsets of its group kept over kill -9, and a topic deleted.

use serde_json::json;

use crate::records::{Record, assert_same, mix, placed, read};
use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::{golang, java, node, python};

const PARTITIONS: i32 = 3;
const RECORDS: usize = 300;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// What one library can be asked for.
struct Family {
    name: &'static str,
    codecs: &'static [&'static str],
    /// Whether headers come back in the order of sending, also when a name comes twice.
    orders_headers: bool,
}

#[test]
fn confluent_kafka_python_reads_what_it_wrote() {
    round_trip(&Family { name: "confluent", codecs: &CODECS, orders_headers: true }, python::start("confluent"));
}

#[test]
fn kafka_python_reads_what_it_wrote() {
    round_trip(&Family { name: "kafka-python", codecs: &CODECS, orders_headers: true }, python::start("kafka_python"));
}

#[test]
fn kafkajs_reads_what_it_wrote() {
    round_trip(&Family { name: "kafkajs", codecs: &["none", "gzip", "snappy"], orders_headers: false }, node::start());
}

#[test]
fn franz_go_reads_what_it_wrote() {
    round_trip(&Family { name: "franz-go", codecs: &CODECS, orders_headers: true }, golang::start());
}

#[test]
fn java_4_4_reads_what_it_wrote() {
    let driver = java::start("java-4.4", &java::clients_4_4());
    round_trip(&Family { name: "java-4.4", codecs: &CODECS, orders_headers: true }, driver);
}

#[test]
fn java_3_9_reads_what_it_wrote() {
    let driver = java::start("java-3.9", &java::clients_3_9());
    round_trip(&Family { name: "java-3.9", codecs: &CODECS, orders_headers: true }, driver);
}

fn round_trip(family: &Family, mut client: Driver) {
    let mut broker = Broker::start();
    let topic = format!("{}-topic", family.name);
    client.ask(&json!({"do": "connect", "bootstrap": broker.address()}));
    let configs = json!({"retention.ms": "-1", "max.message.bytes": "2000000"});
    client.ask(&json!({"do": "create_topic", "topic": topic, "partitions": PARTITIONS, "configs": configs}));
    let config = client.ask(&json!({"do": "config", "topic": topic, "key": "max.message.bytes"}));
    assert!(config["value"].to_string().contains("2000000"), "the topic keeps its settings: {config}");

    let mut sent: Vec<Record> = Vec::new();
    for codec in family.codecs {
        sent.extend(produce(family, &mut client, &topic, codec));
    }
    let whole = consume(&mut client, &topic, "group", sent.len());
    assert_same(&sent, &whole, family.name);

    broker.kill_9();
    broker.restart();
    let later = produce(family, &mut client, &topic, "none");
    let rest = consume(&mut client, &topic, "group", later.len());
    assert_same(&later, &rest, &format!("{} after kill -9, from its commit", family.name));
    sent.extend(later);
    let again = consume(&mut client, &topic, "another group", sent.len());
    assert_same(&sent, &again, &format!("{} after kill -9, from the start", family.name));

    client.ask(&json!({"do": "delete_topic", "topic": topic}));
    let left = client.ask(&json!({"do": "topics"}));
    assert!(!left["topics"].as_array().expect("a list").contains(&json!(topic)), "deleted, and still listed: {left}");
}

fn produce(family: &Family, client: &mut Driver, topic: &str, codec: &str) -> Vec<Record> {
    let mut records = mix(RECORDS, PARTITIONS, &format!("{} {codec}", family.name));
    if !family.orders_headers {
        records.iter_mut().for_each(|record| record.h.sort());
    }
    let answer = client.ask(&json!({"do": "produce", "topic": topic, "compression": codec, "records": records}));
    placed(&records, &answer)
}

fn consume(client: &mut Driver, topic: &str, group: &str, count: usize) -> Vec<Record> {
    read(&client.ask(&json!({"do": "consume", "topic": topic, "group": group, "count": count})))
}
