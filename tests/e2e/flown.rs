//! What broker processes recorded of themselves while real clients used them, and died, is replayed by the simulator's node to
//! the same digests.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ottla_core::flight::Landing;
use ottla_core::msg::Request;
use ottla_core::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use ottla_sim::flight::{Ending, Replayed, replay};
use ottla_tests::harness::broker::{Broker, Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::probe;
use ottla_tests::harness::tools::{golang, target};
use serde_json::json;

use crate::records::{Record, assert_same, mix, placed, read};

const PARTITIONS: i32 = 3;
/// Digests are a second apart.
const LIFE_MIN: Duration = Duration::from_secs(3);

/// A folder for flights, removed with this.
struct Flights(PathBuf);

impl Flights {
    fn new(name: &str) -> Flights {
        let path = target().join("e2e-data").join(format!("flights-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder can be made");
        Flights(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("a folder has a name")
    }

    /// All of one node, oldest first, replayed; each must go through the same states again.
    fn of(&self, node: usize) -> Vec<Replayed> {
        let stem = format!("flight-{node}-");
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&self.0).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&stem)));
        paths.sort();
        let replayed = paths.iter().map(|path| {
            let file = File::open(path).expect("the flight");
            let replayed = replay(BufReader::new(file), ottla_codecs::functions(), &mut |_| {});
            let replayed = replayed.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            assert!(replayed.is_same(), "{}: {replayed}", path.display());
            replayed
        });
        replayed.collect()
    }
}

impl Drop for Flights {
    fn drop(&mut self) {
        // Whoever has to find out why wants to see them.
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

fn produce(client: &mut Driver, label: &str, codec: &str) -> Vec<Record> {
    let records = mix(60, PARTITIONS, label);
    let command = json!({"do": "produce", "topic": "flown", "compression": codec, "records": records});
    placed(&records, &client.ask(&command))
}

/// Through a life of more than one digest.
fn produce_for_a_while(client: &mut Driver) -> Vec<Record> {
    let (mut sent, started) = (Vec::new(), Instant::now());
    for codec in ["none", "gzip", "lz4", "zstd"].iter().cycle().take_while(|_| started.elapsed() < LIFE_MIN) {
        sent.extend(produce(client, codec, codec));
    }
    sent
}

fn consume(client: &mut Driver, group: &str, sent: &[Record]) {
    let command = json!({"do": "consume", "topic": "flown", "group": group, "count": sent.len()});
    assert_same(sent, &read(&client.ask(&command)), group);
}

fn connect(bootstrap: &str) -> Driver {
    let mut client = golang::start();
    client.ask(&json!({"do": "connect", "bootstrap": bootstrap}));
    client
}

fn create(client: &mut Driver) {
    let configs = json!({"retention.ms": "-1"});
    client.ask(&json!({"do": "create_topic", "topic": "flown", "partitions": PARTITIONS, "configs": configs}));
}

#[test]
fn the_flights_of_a_broker_replay_to_the_same_digests() {
    let flights = Flights::new("one");
    let settings = [("ottla.flight.dir", flights.text()), ("group.initial.rebalance.delay.ms", "0")];
    let mut broker = Broker::make(Kind::Ottla, Purpose::Test, &settings);
    broker.restart();
    let mut client = connect(&broker.address());
    create(&mut client);
    let mut sent = produce_for_a_while(&mut client);
    consume(&mut client, "first", &sent);
    broker.kill_9();
    broker.restart();
    let mut client = connect(&broker.address());
    sent.extend(produce(&mut client, "again", "snappy"));
    consume(&mut client, "second", &sent);
    client.ask(&json!({"do": "delete_topic", "topic": "flown"}));
    assert_eq!(broker.terminate(), Some(0));

    let replayed = flights.of(1);
    let [killed, stopped] = &replayed[..] else { panic!("a flight a life: {replayed:?}") };
    assert_eq!((&killed.ending, &stopped.ending), (&Ending::Torn, &Ending::Landed(Landing::Stopped)));
    assert!(killed.inputs > 100 && killed.digests > 2, "{killed:?}");
    assert!(stopped.inputs > 50 && stopped.digests > 1, "{stopped:?}");
}

#[test]
fn the_flights_of_a_cluster_replay_to_the_same_digests() {
    let flights = Flights::new("three");
    let shape = Shape { kind: Kind::Ottla, purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false };
    let settings = [
        ("ottla.flight.dir", flights.text()),
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "6"),
        ("default.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("ottla.journal.bytes", "16777216"),
    ];
    let mut cluster = Cluster::make(shape, &settings);
    cluster.restart_all();
    let topic = CreatableTopic {
        name: "flown".into(),
        num_partitions: PARTITIONS,
        replication_factor: 3,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    probe::ask(&cluster.address(1), &Request::CreateTopics(request), 7).expect("the topic is made");
    let mut client = connect(&cluster.address(1));
    cluster.wait_until_whole(&["flown"]);
    let mut sent = produce_for_a_while(&mut client);
    let leader = cluster.wait_until(|cluster| cluster.leader("flown", 0));
    cluster.kill_9(&[leader]);
    let left = cluster.nodes().find(|node| *node != leader).expect("two are left");
    let mut client = connect(&cluster.address(left));
    sent.extend(produce(&mut client, "without it", "none"));
    cluster.restart(leader);
    cluster.wait_until_whole(&["flown"]);
    sent.extend(produce(&mut client, "with it", "gzip"));
    consume(&mut client, "all", &sent);
    for node in cluster.nodes() {
        assert_eq!(cluster.terminate(node), Some(0), "{}", cluster.log(node));
    }

    for node in cluster.nodes() {
        let replayed = flights.of(node);
        assert_eq!(replayed.len(), if node == leader { 2 } else { 1 }, "{replayed:?}");
        let (last, before) = replayed.split_last().expect("a flight");
        assert_eq!(last.ending, Ending::Landed(Landing::Stopped));
        assert!(before.iter().all(|flight| flight.ending == Ending::Torn), "{replayed:?}");
        assert!(last.inputs > 50 && last.digests > 1, "{last:?}");
        assert!(before.iter().all(|flight| flight.inputs > 50 && flight.digests > 2), "{replayed:?}");
    }
}
