//! Brokers in three racks, and consumers that read from the follower of theirs (KIP-392).

use std::io::{Read, Write};
use std::net::TcpStream;

use ottla::port::Reserved;
use ottla_tests::harness::broker::{self, Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::tools::java;
use serde_json::json;

use crate::cluster::kcat;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

#[test]
fn a_consumer_reads_from_the_follower_of_its_rack() {
    let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 3, voters: 1, turnover: false };
    if shape.kind != Kind::Ottla {
        // What it counts is told by other names there.
        return;
    }
    let settings = [
        ("replica.selector.class", SELECTOR),
        ("ottla.journal.bytes", "16777216"),
        ("offsets.topic.replication.factor", "1"),
    ];
    let mut cluster = Cluster::make(shape, &settings);
    let reserved: Vec<Reserved> = cluster.nodes().map(|_| Reserved::any().expect("a port")).collect();
    let told: Vec<String> = reserved.iter().map(Reserved::address).collect();
    for node in cluster.nodes() {
        cluster.set(node, "broker.rack", &format!("rack-{node}"));
        cluster.set(node, "ottla.http.listener", &told[node - 1]);
    }
    cluster.restart_all();
    cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == 3).then_some(()));
    let mut tools = java::start("kafka-tools", &java::kafka());
    let bootstrap = cluster.address(1);
    let args = ["--bootstrap-server", &bootstrap, "--create", "--topic", "t", "--replica-assignment", "1:2:3"];
    let made = tools.ask(&json!({"do": "tool", "class": TOPICS, "args": args, "stdin": ""}));
    assert_eq!(made["exit"], json!(0), "{made}");
    cluster.wait_until_whole(&["t"]);
    let lines: String = (0..500).map(|line| format!("line {line}\n")).collect();
    kcat(&cluster, &["-P", "-t", "t", "-p", "0", "-X", "acks=all"], &lines);

    // Brokers fetch from the leader, which is the controller as well: whoever asks the others is a consumer.
    let fetches = |node: usize| fetches_of(&told[node - 1]);
    assert_eq!((fetches(2), fetches(3)), (0, 0));
    let read = |rack: &str| {
        let rack = format!("client.rack={rack}");
        kcat(&cluster, &["-C", "-t", "t", "-p", "0", "-o", "beginning", "-e", "-q", "-X", &rack], "")
    };
    assert_eq!(read("rack-3"), lines);
    assert_eq!(fetches(2), 0);
    assert!(fetches(3) > 0, "it was sent there");
    let before = fetches(3);
    assert_eq!(read("rack-9"), lines);
    assert_eq!((fetches(2), fetches(3)), (0, before), "nobody is in its rack");

    let mut reader = java::start("java-4.4", &java::clients_4_4());
    reader.ask(&json!({"do": "connect", "bootstrap": cluster.address(1)}));
    let config = json!({"client.rack": "rack-2"});
    let read = reader.ask(&json!({"do": "consume", "topic": "t", "group": "g", "count": 500, "config": config}));
    assert_eq!(read["records"].as_array().expect("records").len(), 500);
    assert!(fetches(2) > 0, "and so was this one");
}

/// How many fetches a broker answered.
fn fetches_of(address: &str) -> u64 {
    let mut socket = TcpStream::connect(address).expect("the listener accepts");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("a request fits");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer in UTF-8");
    let count = |line: &str| line.strip_prefix("ottla_request_time_seconds_count{api=\"Fetch\"}")?.trim().parse().ok();
    answer.lines().find_map(count).unwrap_or(0)
}
