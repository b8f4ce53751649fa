//! What operators do to a cluster with Apache's tools 4.3.1: brokers are stopped, leaders elected, replicas moved to a new broker
//! and the old one forgotten. And what nobody wants: all brokers die at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use ottla_tests::harness::broker::{self, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::{golang, java};
use serde_json::{Value, json};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const LEADERS: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const MOVES: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
/// A controller believes for a session time-out that a broker lives which it never heard of.
const FOUND_GONE_MAX: Duration = Duration::from_secs(30);
/// How many partitions `t` has.
pub const PARTITIONS: usize = 6;

/// What each broker is told.
pub const SETTINGS: [(&str, &str); 4] = [
    ("default.replication.factor", "3"),
    ("min.insync.replicas", "2"),
    ("ottla.journal.bytes", "16777216"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// A cluster whose first three brokers run, with a topic `t` on all of them, and a Java process that runs tools against it.
pub struct Operated {
    /// The brokers.
    pub cluster: Cluster,
    java: Driver,
}

impl Operated {
    fn start(brokers: usize) -> Operated {
        Operated::made(Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers, voters: 3, turnover: false })
    }

    /// Of this shape.
    pub fn made(shape: Shape) -> Operated {
        Operated::over(Cluster::make(shape, &SETTINGS))
    }

    /// With these brokers.
    pub fn over(mut cluster: Cluster) -> Operated {
        (1..=3).for_each(|node| cluster.spawn(node));
        (1..=3).for_each(|node| cluster.wait(node));
        let mut operated = Operated { cluster, java: java::start("kafka-tools", &java::kafka()) };
        // All three are registered once a partition may be on all of them.
        operated.cluster.wait_until(|cluster| {
            let known = cluster.metadata(&[])?.brokers.len();
            (known == 3).then_some(())
        });
        let partitions = PARTITIONS.to_string();
        operated.run(TOPICS, &["--create", "--topic", "t", "--partitions", &partitions, "--replication-factor", "3"]);
        operated.cluster.wait_until_whole(&["t"]);
        operated
    }

    /// What the tool printed; it must have ended well.
    pub fn run(&mut self, class: &str, args: &[&str]) -> String {
        self.run_with(class, args, "")
    }

    /// What the tool printed, which must not have ended well.
    pub fn fails(&mut self, class: &str, args: &[&str]) -> String {
        let ran = self.ran(class, args, "");
        assert_ne!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        format!("{}{}", ran["out"].as_str().expect("text"), ran["err"].as_str().expect("text"))
    }

    /// A broker that runs.
    pub fn bootstrap(&self) -> String {
        let running = self.cluster.nodes().find(|node| self.cluster.is_running(*node));
        self.cluster.address(running.expect("a broker runs"))
    }

    /// A broker that was stopped is forgotten. A controller that was elected meanwhile may take a moment to find that it is gone.
    pub fn unregister(&mut self, node: usize) {
        let bootstrap = self.bootstrap();
        let (id, started) = (node.to_string(), Instant::now());
        let args = ["unregister", "--bootstrap-server", &bootstrap, "--id", &id];
        loop {
            let ran = self.java.ask(&json!({"do": "tool", "class": CLUSTER, "args": args, "stdin": ""}));
            let (out, err) = (ran["out"].as_str().expect("text"), ran["err"].as_str().expect("text"));
            if ran["exit"] == json!(0) {
                return assert!(out.contains(&format!("Broker {node} is no longer registered.")), "{ran}");
            }
            let is_news = err.contains(&format!("broker {node} lives")) && started.elapsed() < FOUND_GONE_MAX;
            assert!(is_news, "{ran}");
        }
    }

    fn run_with(&mut self, class: &str, args: &[&str], stdin: &str) -> String {
        let ran = self.ran(class, args, stdin);
        assert_eq!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    }

    fn ran(&mut self, class: &str, args: &[&str], stdin: &str) -> Value {
        let bootstrap = self.bootstrap();
        let args = [&["--bootstrap-server", &bootstrap], args].concat();
        self.java.ask(&json!({"do": "tool", "class": class, "args": args, "stdin": stdin}))
    }

    /// Leader and replicas of each partition.
    pub fn described(&mut self) -> Vec<(u64, Vec<u64>)> {
        let told = self.run(TOPICS, &["--describe", "--topic", "t"]);
        let row = |line: &str| {
            let word = |name: &str| line.split_once(&format!("\t{name}: ")).map(|(_, rest)| rest.split('\t').next());
            let leader = word("Leader")??.trim().parse().unwrap_or(0);
            let replicas = word("Replicas")??.split(',').filter_map(|id| id.trim().parse().ok()).collect();
            Some((leader, replicas))
        };
        let rows: Vec<(u64, Vec<u64>)> = told.lines().filter_map(row).collect();
        assert_eq!(rows.len(), PARTITIONS, "{told}");
        rows
    }

    /// Moves the replicas of each partition of `t` there, and returns when they are.
    pub fn reassign(&mut self, target: &[Vec<u64>], throttle: &[&str]) {
        let partitions: Vec<Value> = (0..)
            .zip(target)
            .map(|(index, replicas): (u32, _)| json!({"topic": "t", "partition": index, "replicas": replicas}))
            .collect();
        let plan = self.cluster.home().join("moves.json");
        fs::write(&plan, json!({"version": 1, "partitions": partitions}).to_string()).expect("the plan can be written");
        let plan = plan.to_str().expect("a plain path").to_owned();
        let file = ["--reassignment-json-file", plan.as_str()];
        let told = self.run(MOVES, &[&file[..], &["--execute"], throttle].concat());
        assert!(told.contains("Successfully started partition reassignments"), "{told}");
        loop {
            let told = self.run(MOVES, &[&file[..], &["--verify"]].concat());
            if told.matches("is completed").count() == PARTITIONS {
                assert!(told.contains("Clearing topic-level throttles"), "{told}");
                break;
            }
            assert!(told.contains("is still in progress"), "{told}");
        }
        assert!(self.run(MOVES, &["--list"]).contains("No partition reassignments found"));
        assert_eq!(self.described().iter().map(|(_, replicas)| replicas.clone()).collect::<Vec<_>>(), target);
    }

    /// Which partitions of `t` a broker says that it holds.
    fn held(&mut self, node: u64) -> BTreeSet<String> {
        let told = self.run(LOG_DIRS, &["--describe", "--topic-list", "t"]);
        let told: Value = told.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
        let brokers = told["brokers"].as_array().expect("a list");
        let broker = brokers.iter().find(|broker| broker["broker"] == json!(node)).expect("it answers");
        let partitions = broker["logDirs"][0]["partitions"].as_array().expect("a list");
        partitions.iter().map(|one| one["partition"].as_str().expect("a name").to_owned()).collect()
    }
}

#[test]
fn a_broker_that_is_stopped_hands_over_first_and_leads_again_when_somebody_asks_for_it() {
    let mut operated = Operated::start(3);
    let before = operated.described();
    assert!(before.iter().all(|(leader, replicas)| *leader == replicas[0]), "{before:?}");
    assert_eq!(operated.cluster.terminate(2), Some(0));
    let without = operated.described();
    assert!(without.iter().all(|(leader, _)| [1, 3].contains(leader)), "when it has ended others lead: {without:?}");
    operated.cluster.restart(2);
    operated.cluster.wait_until_whole(&["t"]);
    assert!(operated.described().iter().all(|(leader, _)| *leader != 2), "it takes nothing by itself at once");
    let told = operated.run(LEADERS, &["--election-type", "preferred", "--all-topic-partitions"]);
    assert!(told.contains("Successfully completed leader election (PREFERRED)"), "{told}");
    assert_eq!(operated.described(), before);
    let told = operated.run(LEADERS, &["--election-type", "unclean", "--topic", "t", "--partition", "0"]);
    assert!(told.contains("Valid replica already elected"), "{told}");
}

#[test]
fn replicas_move_to_a_new_broker_and_the_old_one_is_forgotten() {
    let mut operated = Operated::start(4);
    let lines: String = (0..3000).map(|line| format!("line {line}\n")).collect();
    operated.run_with(CONSOLE_PRODUCER, &["--topic", "t", "--command-property", "acks=all"], &lines);
    operated.cluster.restart(4);
    let moved = |replicas: &[u64]| replicas.iter().map(|id| if *id == 3 { 4 } else { *id }).collect::<Vec<u64>>();
    let target: Vec<Vec<u64>> = operated.described().iter().map(|(_, replicas)| moved(replicas)).collect();
    operated.cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == 4).then_some(()));
    operated.reassign(&target, &["--throttle", "50000000"]);
    let after = operated.described();
    assert!(after.iter().all(|(leader, replicas)| replicas.contains(leader)), "{after:?}");
    assert_eq!((operated.held(3).len(), operated.held(4).len()), (0, PARTITIONS));

    assert_eq!(operated.cluster.terminate(3), Some(0));
    operated.unregister(3);
    let mut reader = java::start("java-4.4", &java::clients_4_4());
    reader.ask(&json!({"do": "connect", "bootstrap": operated.cluster.address(1)}));
    let read = reader.ask(&json!({"do": "consume", "topic": "t", "group": "last", "count": 3000}));
    let values = read["records"].as_array().expect("records");
    assert_eq!(values.len(), 3000, "everything has moved along");
}

#[test]
fn a_throttled_move_takes_its_time() {
    let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 4, voters: 3, turnover: false };
    // The first answer is never held back: it is not to bring all there is.
    let settings = [&SETTINGS[..], &[("replica.fetch.response.max.bytes", "100000")]].concat();
    let mut operated = Operated::over(Cluster::make(shape, &settings));
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": operated.cluster.address(1)}));
    let lines: String = (0..6000).map(|line| format!("{line} {}\n", "x".repeat(1000))).collect();
    operated.run_with(CONSOLE_PRODUCER, &["--topic", "t", "--command-property", "acks=all"], &lines);
    operated.cluster.restart(4);
    operated.cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == 4).then_some(()));
    let moved = |replicas: &[u64]| replicas.iter().map(|id| if *id == 3 { 4 } else { *id }).collect::<Vec<u64>>();
    let target = operated.described().into_iter().map(|(_, replicas)| moved(&replicas));
    let partitions: Vec<Value> = (0..)
        .zip(target)
        .map(|(index, to): (u32, _)| json!({"topic": "t", "partition": index, "replicas": to}))
        .collect();
    let plan = operated.cluster.home().join("throttled.json");
    fs::write(&plan, json!({"version": 1, "partitions": partitions}).to_string()).expect("the plan can be written");
    let plan = plan.to_str().expect("a plain path").to_owned();
    let file = ["--reassignment-json-file", plan.as_str()];

    // Six megabytes at one a second, of which the first second is free.
    let began = Instant::now();
    operated.run(MOVES, &[&file[..], &["--execute", "--throttle", "1000000"]].concat());
    for name in 0.. {
        let flood = json!({"do": "flood", "topic": "t", "name": format!("beside-{name}"), "count": 10, "partitions": PARTITIONS, "compression": "none"});
        client.send(&flood);
        assert_eq!(client.answer_after(&flood, |_| {})["sent"], json!(10), "whoever writes goes on");
        let told = operated.run(MOVES, &[&file[..], &["--verify", "--preserve-throttles"]].concat());
        if told.matches("is completed").count() == PARTITIONS {
            break;
        }
        assert!(told.contains("is still in progress"), "{told}");
        // More than the throttle lets through is never moved, in Kafka neither.
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4), "{took:?}");
    let told = operated.run(MOVES, &[&file[..], &["--verify"]].concat());
    assert!(told.contains("Clearing broker-level throttles"), "{told}");
    assert!(told.contains("Clearing topic-level throttles"), "{told}");
}

#[test]
fn what_is_acknowledged_outlives_the_death_of_all_brokers_at_once() {
    let operated = Operated::start(3);
    let bootstrap = operated.cluster.bootstrap();
    let cluster = RefCell::new(operated.cluster);
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": bootstrap}));
    let count = 4000;
    let command = json!({
        "do": "flood", "topic": "t", "name": "java", "count": count, "partitions": PARTITIONS, "compression": "lz4",
    });
    client.send(&command);
    let answer = client.answer_after(&command, |acknowledged| {
        if [1000, 2500].contains(&acknowledged) {
            let mut cluster = cluster.borrow_mut();
            cluster.kill_9(&[1, 2, 3]);
            cluster.restart_all();
            cluster.wait_until_whole(&["t"]);
        }
    });
    assert_eq!(answer["sent"], json!(count));
    let mut reader = golang::start();
    reader.ask(&json!({"do": "connect", "bootstrap": cluster.borrow().address(1)}));
    let verify = json!({"do": "verify", "topic": "t", "partitions": PARTITIONS, "clients": {"java": count}});
    assert_eq!(reader.ask(&verify)["records"], json!(count), "each once, in order, equal");
}
