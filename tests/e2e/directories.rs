//! Brokers with two data directories each: how partitions are dealt out over them, what happens when one is lost, and how replicas
//! go from one to the other.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use ottla_tests::harness::broker::{self, Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::{golang, java};
use serde_json::{Value, json};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const MOVES: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const PARTITIONS: usize = 6;
const RECORDS: usize = 3000;

struct Doubled {
    cluster: Cluster,
    java: Driver,
}

impl Doubled {
    /// Three brokers with two directories each, and a topic `t` that all of them hold.
    fn start() -> Option<Doubled> {
        let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false };
        if shape.kind != Kind::Ottla {
            // Kafka wants both directories formatted.
            return None;
        }
        let settings = [
            ("ottla.journal.bytes", "16777216"),
            ("min.insync.replicas", "2"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let mut cluster = Cluster::make(shape, &settings);
        for node in cluster.nodes() {
            let dirs = format!("{},{}", cluster.data(node).display(), second(&cluster, node).display());
            cluster.set(node, "log.dirs", &dirs);
        }
        cluster.restart_all();
        cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == 3).then_some(()));
        let mut doubled = Doubled { cluster, java: java::start("kafka-tools", &java::kafka()) };
        let partitions = PARTITIONS.to_string();
        doubled.run(TOPICS, &["--create", "--topic", "t", "--partitions", &partitions, "--replication-factor", "3"]);
        doubled.cluster.wait_until_whole(&["t"]);
        Some(doubled)
    }

    fn run(&mut self, class: &str, args: &[&str]) -> String {
        let bootstrap = self.cluster.address(2);
        let args = [&["--bootstrap-server", &bootstrap], args].concat();
        let ran = self.java.ask(&json!({"do": "tool", "class": class, "args": args, "stdin": ""}));
        assert_eq!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    }

    /// Copies that a broker makes in its other directory, and how many offsets each lags behind.
    fn futures(&mut self, node: usize) -> Vec<(usize, u64)> {
        let broker = self.told(node);
        let partitions = broker["logDirs"].as_array().expect("a list").iter().flat_map(|one| {
            one["partitions"].as_array().expect("a list").iter().filter(|one| one["isFuture"] == json!(true))
        });
        let future = |one: &Value| {
            let partition = one["partition"].as_str().and_then(|name| name.strip_prefix("t-")?.parse().ok());
            (partition.expect("a partition of t"), one["offsetLag"].as_u64().expect("a number"))
        };
        partitions.map(future).collect()
    }

    fn told(&mut self, node: usize) -> Value {
        let told = self.run(LOG_DIRS, &["--describe", "--topic-list", "t"]);
        let told: Value = told.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
        let brokers = told["brokers"].as_array().expect("a list");
        brokers.iter().find(|broker| broker["broker"] == json!(node)).expect("it answers").clone()
    }

    /// Asks Apache's tool for these partitions' replicas of broker 1 to be in its second directory.
    fn reassign(&mut self, partitions: &BTreeSet<usize>, args: &[&str]) -> String {
        let metadata = self.cluster.metadata(&["t"]).expect("it is told");
        let two = second(&self.cluster, 1);
        let plan = |index: &usize| {
            let known = metadata.topics[0].partitions.iter().find(|one| one.partition_index as usize == *index);
            let replicas = known.expect("it is there").replica_nodes.clone();
            let place = |id: &i32| if *id == 1 { two.to_str().expect("a plain path") } else { "any" };
            let log_dirs: Vec<&str> = replicas.iter().map(place).collect();
            json!({"topic": "t", "partition": index, "replicas": replicas, "log_dirs": log_dirs})
        };
        let plan: Vec<Value> = partitions.iter().map(plan).collect();
        let file = self.cluster.home().join("directories.json");
        fs::write(&file, json!({"version": 1, "partitions": plan}).to_string()).expect("the plan can be written");
        let file = file.to_str().expect("a plain path").to_owned();
        self.run(MOVES, &[&["--reassignment-json-file", file.as_str()], args].concat())
    }

    /// What a broker says of its directories: an error or none, and the partitions of `t` in each.
    fn described(&mut self, node: usize) -> Vec<(bool, BTreeSet<usize>)> {
        let broker = self.told(node);
        let partition = |one: &Value| one["partition"].as_str()?.strip_prefix("t-")?.parse().ok();
        let directory = |one: &Value| {
            let partitions = one["partitions"].as_array().expect("a list").iter().filter_map(partition);
            (!one["error"].is_null(), partitions.collect())
        };
        let mut told: Vec<&Value> = broker["logDirs"].as_array().expect("a list").iter().collect();
        told.sort_by_key(|one| one["logDir"].as_str().expect("a path").len());
        told.into_iter().map(directory).collect()
    }
}

/// Leader and in-sync replicas of each partition.
fn states(cluster: &Cluster) -> Option<Vec<(i32, Vec<i32>)>> {
    let told = cluster.metadata(&["t"])?;
    let mut partitions: Vec<_> = told.topics.first()?.partitions.iter().collect();
    partitions.sort_by_key(|one| one.partition_index);
    Some(partitions.iter().map(|one| (one.leader_id, one.isr_nodes.clone())).collect())
}

fn second(cluster: &Cluster, node: usize) -> PathBuf {
    cluster.home().join(format!("{node}-two"))
}

#[test]
fn a_lost_directory_takes_only_its_replicas_and_others_lead_them() {
    let Some(mut doubled) = Doubled::start() else { return };
    for node in 1..=3 {
        let directories = doubled.described(node);
        assert_eq!(directories.iter().map(|(_, held)| held.len()).collect::<Vec<_>>(), [3, 3], "broker {node}");
    }
    let lost = doubled.described(1).remove(1).1;

    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": doubled.cluster.bootstrap()}));
    let flood = json!({
        "do": "flood", "topic": "t", "name": "java", "count": RECORDS, "partitions": PARTITIONS, "compression": "none",
    });
    client.send(&flood);
    let is_away = Cell::new(false);
    let sent = client.answer_after(&flood, |acknowledged| {
        if acknowledged >= 1000 && !is_away.replace(true) {
            let two = second(&doubled.cluster, 1);
            fs::rename(&two, two.with_extension("away")).expect("the directory can be moved away");
        }
    });
    assert_eq!(sent["sent"], json!(RECORDS), "nothing fails for who writes");

    // What was in there is led by others, and what was not goes on as it was.
    doubled.cluster.wait_until(|cluster| {
        let is_right = |(index, (leader, isr)): (usize, (i32, Vec<i32>))| match lost.contains(&index) {
            true => leader > 1 && !isr.contains(&1),
            false => leader > 0 && isr.contains(&1),
        };
        states(cluster)?.into_iter().enumerate().all(is_right).then_some(())
    });
    let directories = doubled.described(1);
    assert_eq!(directories.iter().map(|(is_lost, _)| *is_lost).collect::<Vec<_>>(), [false, true]);

    // Without it in its settings the broker has all of its replicas in the other.
    assert_eq!(doubled.cluster.terminate(1), Some(0));
    let first = doubled.cluster.data(1).display().to_string();
    doubled.cluster.set(1, "log.dirs", &first);
    doubled.cluster.restart(1);
    doubled.cluster.wait_until_whole(&["t"]);
    assert_eq!(doubled.described(1).into_iter().map(|(_, held)| held.len()).collect::<Vec<_>>(), [PARTITIONS]);

    let mut reader = golang::start();
    reader.ask(&json!({"do": "connect", "bootstrap": doubled.cluster.address(1)}));
    let verify = json!({"do": "verify", "topic": "t", "partitions": PARTITIONS, "clients": {"java": RECORDS}});
    assert_eq!(reader.ask(&verify)["records"], json!(RECORDS), "each once, in order, equal");
}

#[test]
fn replicas_go_to_another_directory_while_they_are_written_and_their_broker_dies() {
    let Some(mut doubled) = Doubled::start() else { return };
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": doubled.cluster.bootstrap()}));
    let flood = |name: &str| {
        json!({
            "do": "flood", "topic": "t", "name": name, "count": RECORDS, "partitions": PARTITIONS, "compression": "none",
        })
    };
    assert_eq!(client.ask(&flood("before"))["sent"], json!(RECORDS));
    let moving = doubled.described(1).remove(0).1;
    assert_eq!(moving.len(), PARTITIONS / 2);

    // So slowly that the broker dies over it.
    client.send(&flood("while"));
    let told = doubled.reassign(&moving, &["--execute", "--replica-alter-log-dirs-throttle", "2000"]);
    assert!(told.contains("Successfully started moving log directory"), "{told}");
    let futures = doubled.futures(1);
    assert_eq!(futures.iter().map(|(index, _)| *index).collect::<BTreeSet<_>>(), moving);
    assert!(futures.iter().any(|(_, lag)| *lag > 0), "{futures:?}");
    assert!(doubled.reassign(&moving, &["--verify"]).contains("is still in progress"));
    doubled.cluster.kill_9(&[1]);
    doubled.cluster.restart(1);
    doubled.cluster.wait_until_whole(&["t"]);
    let futures = doubled.futures(1);
    assert_eq!(futures.iter().map(|(index, _)| *index).collect::<BTreeSet<_>>(), moving, "they are gone on with");

    doubled.reassign(&moving, &["--execute", "--additional", "--replica-alter-log-dirs-throttle", "100000000"]);
    loop {
        let told = doubled.reassign(&moving, &["--verify"]);
        if told.matches("completed successfully").count() == moving.len() {
            break;
        }
        assert!(told.contains("is still in progress"), "{told}");
    }
    let sent = client.answer_after(&flood("while"), |_| ());
    assert_eq!(sent["sent"], json!(RECORDS), "nothing fails for who writes");
    let held =
        |directories: Vec<(bool, BTreeSet<usize>)>| directories.iter().map(|(_, held)| held.len()).collect::<Vec<_>>();
    assert_eq!(held(doubled.described(1)), [0, PARTITIONS]);
    assert_eq!(doubled.futures(1), []);

    // What is there now is all that there is: the first directory is looked at in vain.
    doubled.cluster.kill_9(&[1, 2, 3]);
    doubled.cluster.restart_all();
    doubled.cluster.wait_until_whole(&["t"]);
    assert_eq!(held(doubled.described(1)), [0, PARTITIONS]);
    let mut reader = golang::start();
    reader.ask(&json!({"do": "connect", "bootstrap": doubled.cluster.address(1)}));
    let clients = json!({"before": RECORDS, "while": RECORDS});
    let verify = json!({"do": "verify", "topic": "t", "partitions": PARTITIONS, "clients": clients});
    assert_eq!(reader.ask(&verify)["records"], json!(2 * RECORDS), "each once, in order, equal");
}
