//! Clients of different libraries on the same topic and in the same group.

use std::collections::BTreeSet;

use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::{golang, java, node, python};
use serde_json::json;

use crate::records::{Record, assert_same, mix, placed, read};

const PARTITIONS: i32 = 3;
const RECORDS: usize = 120;

#[test]
fn every_library_reads_what_every_other_wrote() {
    let broker = Broker::start();
    let mut clients: Vec<(&str, &str, Driver)> = vec![
        ("confluent", "zstd", python::start("confluent")),
        ("kafka-python", "gzip", python::start("kafka_python")),
        ("franz-go", "lz4", golang::start()),
        ("java-4.4", "snappy", java::start("java-4.4", &java::clients_4_4())),
        ("java-3.9", "none", java::start("java-3.9", &java::clients_3_9())),
    ];
    let mut sent: Vec<Record> = Vec::new();
    for (index, (name, codec, client)) in clients.iter_mut().enumerate() {
        client.ask(&json!({"do": "connect", "bootstrap": broker.address()}));
        if index == 0 {
            let configs = json!({"retention.ms": "-1"});
            client.ask(&json!({"do": "create_topic", "topic": "shared", "partitions": PARTITIONS, "configs": configs}));
        }
        let records = mix(RECORDS, PARTITIONS, name);
        let answer = client.ask(&json!({"do": "produce", "topic": "shared", "compression": codec, "records": records}));
        sent.extend(placed(&records, &answer));
    }
    for (name, _, client) in &mut clients {
        let command =
            json!({"do": "consume", "topic": "shared", "group": format!("{name}-group"), "count": sent.len()});
        assert_same(&sent, &read(&client.ask(&command)), name);
    }
    // kafkajs knows no zstd and no lz4 without native modules, and keeps no order between headers: its own topic.
    let mut kafkajs = node::start();
    kafkajs.ask(&json!({"do": "connect", "bootstrap": broker.address()}));
    let records: Vec<Record> = mix(RECORDS, 1, "kafkajs").into_iter().filter(|record| record.h.is_empty()).collect();
    let (_, _, confluent) = &mut clients[0];
    confluent.ask(&json!({"do": "create_topic", "topic": "js", "partitions": 1, "configs": {"retention.ms": "-1"}}));
    let answer = confluent.ask(&json!({"do": "produce", "topic": "js", "compression": "gzip", "records": records}));
    let sent = placed(&records, &answer);
    let command = json!({"do": "consume", "topic": "js", "group": "js-group", "count": sent.len()});
    assert_same(&sent, &read(&kafkajs.ask(&command)), "kafkajs");
}

#[test]
fn a_group_passes_from_library_to_library_at_its_offsets() {
    let broker = Broker::start();
    let mut clients = [
        ("confluent", python::start("confluent")),
        ("java-4.4", java::start("java-4.4", &java::clients_4_4())),
        ("franz-go", golang::start()),
        ("kafka-python", python::start("kafka_python")),
        ("kafkajs", node::start()),
    ];
    clients
        .iter_mut()
        .for_each(|(_, client)| drop(client.ask(&json!({"do": "connect", "bootstrap": broker.address()}))));
    let configs = json!({"retention.ms": "-1"});
    clients[0].1.ask(&json!({"do": "create_topic", "topic": "passed", "partitions": 1, "configs": configs}));
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    for turn in 0..clients.len() {
        let records = mix(40, 1, &format!("turn {turn}"));
        let command = json!({"do": "produce", "topic": "passed", "compression": "none", "records": records});
        let sent = placed(&records, &clients[0].1.ask(&command));
        let (name, client) = &mut clients[turn];
        let command = json!({"do": "consume", "topic": "passed", "group": "one", "count": sent.len()});
        let got = read(&client.ask(&command));
        let offsets = |records: &[Record]| records.iter().map(|record| record.o).collect::<Vec<_>>();
        assert_eq!(offsets(&got), offsets(&sent), "{name} goes on where the one before stopped");
        assert!(got.iter().all(|record| seen.insert(record.o)), "{name} reads nothing twice");
    }
}
