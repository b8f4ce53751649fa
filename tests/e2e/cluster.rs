//! Three broker processes and topics with three replicas: what clients and Apache's tools 4.3.1 see of them while brokers die.
//! All three vote, so that the controller may be among those that die.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ottla_tests::harness::cluster::Cluster;
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::{self, apt, golang, java};
use serde_json::{Value, json};

use crate::records::{assert_same, mix, placed, read};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const VERIFICATION: &str = "org.apache.kafka.tools.ReplicaVerificationTool";
const PARTITIONS: u32 = 6;
/// How often a tool asks before what it should hear counts as not told.
const ASKED_MAX: usize = 200;

/// A cluster with a topic `t` whose replicas are all in sync, and a Java process that runs tools against it.
struct Three {
    cluster: Cluster,
    java: Driver,
}

impl Three {
    fn start() -> Three {
        let mut three = Three { cluster: cluster(), java: java::start("kafka-tools", &java::kafka()) };
        let partitions = PARTITIONS.to_string();
        let made =
            three.run(TOPICS, &["--create", "--topic", "t", "--partitions", &partitions, "--replication-factor", "3"]);
        assert!(made.contains("Created topic t."), "{made}");
        three.cluster.wait_until_whole(&["t"]);
        three
    }

    /// What the tool printed; it must have ended well.
    fn run(&mut self, class: &str, args: &[&str]) -> String {
        self.run_with(class, args, "")
    }

    fn run_with(&mut self, class: &str, args: &[&str], stdin: &str) -> String {
        let bootstrap = self.cluster.bootstrap();
        let args = [&["--bootstrap-server", &bootstrap], args].concat();
        let ran = self.java.ask(&json!({"do": "tool", "class": class, "args": args, "stdin": stdin}));
        assert_eq!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    }

    fn describe(&mut self, more: &[&str]) -> String {
        self.run(TOPICS, &[&["--describe", "--topic", "t"], more].concat())
    }
}

fn cluster() -> Cluster {
    Cluster::start(&[
        ("offsets.topic.replication.factor", "3"),
        ("offsets.topic.num.partitions", "6"),
        ("default.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("ottla.journal.bytes", "16777216"),
    ])
}

/// The broker ids behind a word of each line, as `Isr: 1,2,3`.
fn ids(described: &str, word: &str) -> Vec<BTreeSet<u32>> {
    let rows = described.lines().filter_map(|line| Some(line.split_once(&format!("\t{word}: "))?.1));
    let list = |rest: &str| rest.split('\t').next().unwrap_or_default().to_owned();
    rows.map(|rest| list(rest).split(',').filter_map(|id| id.trim().parse().ok()).collect()).collect()
}

#[test]
fn kafka_topics_tells_leaders_replicas_and_who_is_missing() {
    let mut three = Three::start();
    let described = three.describe(&[]);
    assert!(described.contains("PartitionCount: 6\tReplicationFactor: 3"), "{described}");
    let all = BTreeSet::from([1, 2, 3]);
    assert_eq!(ids(&described, "Replicas"), vec![all.clone(); 6], "{described}");
    assert_eq!(ids(&described, "Isr"), vec![all.clone(); 6], "{described}");
    let leaders: BTreeSet<u32> = ids(&described, "Leader").into_iter().flatten().collect();
    assert_eq!(leaders, all, "all of them lead: {described}");
    assert_eq!(three.describe(&["--under-replicated-partitions"]).trim(), "");

    three.cluster.kill_9(&[3]);
    three.cluster.wait_until(|cluster| (cluster.lacking(&["t"]) == Some(6)).then_some(()));
    let lacking = three.describe(&["--under-replicated-partitions"]);
    assert_eq!(ids(&lacking, "Isr"), vec![BTreeSet::from([1, 2]); 6], "{lacking}");
    assert_eq!(three.describe(&["--unavailable-partitions"]).trim(), "", "somebody leads each");
    assert_eq!(three.describe(&["--at-min-isr-partitions"]).lines().count(), 6);
    three.cluster.restart(3);
    three.cluster.wait_until_whole(&["t"]);
    assert_eq!(three.describe(&["--under-replicated-partitions"]).trim(), "");
}

#[test]
fn kafka_configs_tells_of_each_broker_and_alters_all() {
    let mut three = Three::start();
    let of = |node: &'static str| ["--entity-type", "brokers", "--entity-name", node, "--describe", "--all"];
    for node in ["1", "2", "3"] {
        let told = three.run(CONFIGS, &of(node));
        assert!(told.contains(&format!("node.id={node} ")) && told.contains("min.insync.replicas=2 "), "{told}");
    }
    let everybody = ["--entity-type", "brokers", "--entity-default"];
    three.run(CONFIGS, &[&everybody[..], &["--alter", "--add-config", "log.retention.ms=1234567"]].concat());
    let topic = ["--entity-type", "topics", "--entity-name", "t"];
    three.run(CONFIGS, &[&topic[..], &["--alter", "--add-config", "max.message.bytes=54321"]].concat());
    // Brokers hear of it one after the other.
    for node in ["1", "2", "3"] {
        let has_heard = (0..ASKED_MAX).any(|_| three.run(CONFIGS, &of(node)).contains("log.retention.ms=1234567 "));
        assert!(has_heard, "broker {node}: {}", three.run(CONFIGS, &of(node)));
    }
    let told = three.run(CONFIGS, &[&topic[..], &["--describe"]].concat());
    assert!(told.contains("max.message.bytes=54321"), "{told}");
}

#[test]
fn kafka_log_dirs_tells_of_every_replica() {
    let mut three = Three::start();
    let lines: String = (0..2000).map(|line| format!("line {line} {}\n", "x".repeat(100))).collect();
    let synchronous = ["--topic", "t", "--command-property", "acks=all"];
    three.run_with(CONSOLE_PRODUCER, &synchronous, &lines);
    let dirs = three.run(LOG_DIRS, &["--describe", "--topic-list", "t"]);
    let told: Value =
        dirs.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no JSON: {dirs}"));
    let brokers = told["brokers"].as_array().expect("a list");
    assert_eq!(brokers.len(), 3, "{told}");
    let sizes = |broker: &Value| -> BTreeSet<(String, i64)> {
        let partitions = broker["logDirs"][0]["partitions"].as_array().expect("a list");
        let of =
            |one: &Value| (one["partition"].as_str().expect("a name").to_owned(), one["size"].as_i64().expect("bytes"));
        assert!(partitions.iter().all(|one| one["isFuture"] == json!(false)), "{broker}");
        partitions.iter().map(of).collect()
    };
    let first = sizes(&brokers[0]);
    assert_eq!(first.len(), PARTITIONS as usize, "{told}");
    assert!(first.iter().map(|(_, size)| size).sum::<i64>() > 200_000, "{told}");
    assert!(brokers.iter().all(|broker| sizes(broker) == first), "acknowledged by all is as long on all: {told}");
}

#[test]
fn kafka_metadata_quorum_tells_who_leads_it_whomever_it_asks() {
    let mut three = Three::start();
    let mut leaders = BTreeSet::new();
    for node in ["1", "2", "3"] {
        let at = three.cluster.address(node.parse().expect("a number"));
        let ask = |java: &mut Driver, what: &str| {
            let args = ["--bootstrap-server", &at, "describe", what];
            let ran = java.ask(&json!({"do": "tool", "class": QUORUM, "args": args, "stdin": ""}));
            assert_eq!(ran["exit"], json!(0), "{ran}");
            ran["out"].as_str().expect("text").to_owned()
        };
        let status = ask(&mut three.java, "--status");
        let of =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        let leader = of("LeaderId:");
        for voter in 1..=3 {
            assert!(of("CurrentVoters:").contains(&format!("\"id\": {voter}")), "{status}");
        }
        let replication = ask(&mut three.java, "--replication");
        let row = replication.lines().find(|row| row.contains("Leader")).expect("a leader");
        assert!(row.starts_with(&leader), "{replication}");
        assert_eq!(replication.lines().filter(|row| row.contains("Follower")).count(), 2, "{replication}");
        leaders.insert(leader);
    }
    assert_eq!(leaders.len(), 1, "nobody moved it: {leaders:?}");
}

#[test]
fn kafka_replica_verification_finds_the_same_on_every_replica() {
    let mut three = Three::start();
    three.run(TOPICS, &["--create", "--topic", "verified", "--partitions", "1", "--replication-factor", "3"]);
    three.cluster.wait_until_whole(&["verified"]);
    let lines: String = (0..3000).map(|line| format!("line {line}\n")).collect();
    three.run_with(CONSOLE_PRODUCER, &["--topic", "verified", "--command-property", "acks=all"], &lines);
    let mut command = tools::mortal(Path::new("java"));
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &java::kafka().class_path()]);
    command.args([VERIFICATION, "--broker-list", &three.cluster.bootstrap(), "--topics-include", "verified"]);
    command.args(["--report-interval-ms", "10", "--max-wait-ms", "100"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("java starts");
    let out = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut told = Vec::new();
    for line in out.lines().map_while(Result::ok) {
        told.push(line);
        // All replicas were compared up to the highest watermark that one of them told.
        if told.last().is_some_and(|line| line.contains(": max lag is 0 for partition verified-0 at offset 3000 ")) {
            break;
        }
    }
    child.kill().expect("it runs on for ever");
    child.wait().expect("it ends");
    assert!(!told.iter().any(|line| line.contains("match")), "replicas differ: {told:?}");
}

#[test]
fn java_sends_on_while_leaders_die() {
    let three = Three::start();
    let bootstrap = three.cluster.bootstrap();
    let cluster = RefCell::new(three.cluster);
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": bootstrap}));
    let count = 4000;
    let command = json!({
        "do": "flood", "topic": "t", "name": "java", "count": count, "partitions": PARTITIONS, "compression": "lz4",
    });
    client.send(&command);
    let answer = client.answer_after(&command, |acknowledged| {
        let victim = match acknowledged {
            1000 => 3,
            2500 => 2,
            _ => return,
        };
        let mut cluster = cluster.borrow_mut();
        cluster.wait_until_whole(&["t"]);
        cluster.kill_9(&[victim]);
        cluster.restart(victim);
    });
    assert_eq!(answer["sent"], json!(count));
    let mut reader = golang::start();
    reader.ask(&json!({"do": "connect", "bootstrap": cluster.borrow().address(1)}));
    let verify = json!({"do": "verify", "topic": "t", "partitions": PARTITIONS, "clients": {"java": count}});
    assert_eq!(reader.ask(&verify)["records"], json!(count), "each once, in order, equal");
}

#[test]
fn a_group_goes_on_from_its_commit_when_its_coordinator_dies() {
    let mut three = Three::start();
    let group = (0..100).map(|at| format!("readers-{at}")).find(|group| {
        let coordinator = three.cluster.wait_until(|cluster| cluster.coordinator(group));
        coordinator != 1
    });
    let group = group.expect("six partitions are not all led by one broker");
    three.cluster.wait_until_whole(&["__consumer_offsets"]);
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": three.cluster.bootstrap()}));
    let produce = |client: &mut Driver, label: &str| {
        let records = mix(200, PARTITIONS as i32, label);
        let answer = client.ask(&json!({"do": "produce", "topic": "t", "compression": "none", "records": records}));
        placed(&records, &answer)
    };
    let consume = |client: &mut Driver, count: usize| {
        read(&client.ask(&json!({"do": "consume", "topic": "t", "group": group, "count": count})))
    };
    let before = produce(&mut client, "before");
    assert_same(&before, &consume(&mut client, before.len()), "before");

    let coordinator = three.cluster.coordinator(&group).expect("somebody coordinates");
    three.cluster.kill_9(&[coordinator]);
    let after = produce(&mut client, "after");
    assert_same(&after, &consume(&mut client, after.len()), "from its commit, by another coordinator");
    let state = three.run(GROUPS, &["--describe", "--group", &group, "--state"]);
    assert!(state.contains("Empty") && !state.contains(&three.cluster.address(coordinator)), "{state}");
}

#[test]
fn kcat_finds_its_records_on_those_that_are_left() {
    let mut cluster = cluster();
    let lines: String = (0..100).map(|line| format!("line {line}\n")).collect();
    kcat(&cluster, &["-P", "-t", "k", "-p", "0", "-X", "acks=all"], &lines);
    cluster.wait_until_whole(&["k"]);
    let listed = kcat(&cluster, &["-L"], "");
    for node in cluster.nodes() {
        assert!(listed.contains(&format!("broker {node} at {}", cluster.address(node))), "{listed}");
    }
    let replicas = listed.lines().find(|line| line.contains("partition 0, leader ")).expect("a partition");
    assert_eq!(replicas.matches(',').count(), 7, "three replicas, three in sync: {replicas}");
    let leader = cluster.leader("k", 0).expect("somebody leads");
    let victim = if leader == 1 { 3 } else { leader };
    cluster.kill_9(&[victim]);
    kcat(&cluster, &["-P", "-t", "k", "-p", "0", "-X", "acks=all"], &lines);
    let found = kcat(&cluster, &["-C", "-t", "k", "-o", "beginning", "-e", "-q"], "");
    assert_eq!(found, format!("{lines}{lines}"));
}

/// What kcat printed; it must have ended well.
pub fn kcat(cluster: &Cluster, args: &[&str], stdin: &str) -> String {
    apt::need("kcat", "kcat");
    let mut command = Command::new("timeout");
    command.args(["60", "kcat", "-b", &cluster.bootstrap(), "-m", "30"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kcat starts");
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(stdin.as_bytes()).expect("kcat takes its input");
    drop(input);
    let output = child.wait_with_output().expect("kcat ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {args:?}: {}\n{complaint}", output.status);
    String::from_utf8(output.stdout).expect("kcat prints UTF-8")
}
