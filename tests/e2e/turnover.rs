//! A cluster grows from three brokers to five and shrinks to three others, while somebody writes: replicas move, controllers are
//! added to the metadata quorum and removed from it with Apache's tools 4.3.1 (KIP-853), and nothing is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_tests::harness::broker::{self, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::tools::{golang, java};
use serde_json::json;

use crate::moves::{Operated, PARTITIONS};

const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

impl Operated {
    /// The numbers of those who vote.
    fn voters(&mut self) -> Vec<u64> {
        let told = self.run(QUORUM, &["describe", "--status"]);
        let line = told.lines().find_map(|line| line.strip_prefix("CurrentVoters:")).expect("it tells who votes");
        let ids = line.split("\"id\": ").skip(1).filter_map(|rest| rest.split(',').next()?.parse().ok());
        ids.collect()
    }

    /// A controller that runs is to vote. It may lag behind for a moment.
    fn add_controller(&mut self, node: usize) {
        let settings = self.cluster.properties(node).display().to_string();
        let told = self.run(QUORUM, &["--command-config", &settings, "add-controller"]);
        assert!(told.contains(&format!("Added controller {node}")), "{told}");
    }

    fn remove_controller(&mut self, node: usize) {
        let (id, directory) = (node.to_string(), Cluster::directory_id(node));
        let who = ["--controller-id", id.as_str(), "--controller-directory-id", directory.as_str()];
        let told = self.run(QUORUM, &[&["remove-controller"], &who[..]].concat());
        assert!(told.contains(&format!("controller {node}")), "{told}");
    }

    fn wait_for_brokers(&self, count: usize) {
        self.cluster.wait_until(|cluster| (cluster.metadata(&[])?.brokers.len() == count).then_some(()));
    }
}

#[test]
fn a_cluster_grows_and_shrinks_under_load_and_its_quorum_with_it() {
    let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 5, voters: 3, turnover: true };
    let mut operated = Operated::made(shape);
    under_load(&mut operated, grow_and_shrink);
}

/// Does something to a cluster while a client writes to `t`, and sees that every acknowledged record is there once, in order.
pub fn under_load(operated: &mut Operated, act: impl FnOnce(&mut Operated)) {
    let (bootstrap, is_over) = (operated.cluster.bootstrap(), AtomicBool::new(false));
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| write_until(&bootstrap, &is_over));
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(operated)));
        is_over.store(true, Ordering::Relaxed);
        let sent = load.join().expect("whoever writes meets no fatal error");
        acted.map(|()| sent).unwrap_or_else(|why| std::panic::resume_unwind(why))
    });
    let mut reader = golang::start();
    reader.ask(&json!({"do": "connect", "bootstrap": operated.bootstrap()}));
    let count: u64 = sent.values().sum();
    let verify = json!({"do": "verify", "topic": "t", "partitions": PARTITIONS, "clients": sent});
    assert_eq!(reader.ask(&verify)["records"], json!(count), "each once, in order, equal");
}

#[test]
fn voters_of_the_settings_come_and_go_once_the_cluster_is_told_to_let_them() {
    const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
    let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false };
    let mut operated = Operated::made(shape);
    let told = operated.run(FEATURES, &["describe"]);
    assert!(told.contains("kraft.version") && told.contains("metadata.version"), "{told}");
    let told = operated.fails(FEATURES, &["upgrade", "--feature", "metadata.version=99"]);
    assert!(told.contains("Invalid update version 99 for feature metadata.version"), "{told}");

    let told = operated.run(FEATURES, &["upgrade", "--feature", "kraft.version=1"]);
    assert!(told.contains("kraft.version was upgraded to 1"), "{told}");
    let told = operated.fails(FEATURES, &["downgrade", "--feature", "kraft.version=0"]);
    assert!(told.contains("Can't downgrade the version of this feature"), "{told}");
    assert_eq!(operated.voters(), [1, 2, 3]);

    // The settings of all nodes still name three voters; the log knows better, also after a restart.
    let status = operated.run(QUORUM, &["describe", "--replication"]);
    let directory = status.lines().find_map(|line| line.strip_prefix("3")?.split_whitespace().next());
    let directory = directory.expect("it tells the directory of voter 3").to_owned();
    let who = ["--controller-id", "3", "--controller-directory-id", &directory];
    operated.run(QUORUM, &[&["remove-controller"], &who[..]].concat());
    assert_eq!(operated.voters(), [1, 2]);
    operated.cluster.kill_9(&[1, 2, 3]);
    operated.cluster.restart_all();
    operated.cluster.wait_until(Cluster::controller);
    assert_eq!(operated.voters(), [1, 2]);
    operated.add_controller(3);
    assert_eq!(operated.voters(), [1, 2, 3]);
    let told = operated.run(FEATURES, &["describe"]);
    assert!(
        told.lines().any(|line| line.contains("kraft.version") && line.contains("FinalizedVersionLevel: 1")),
        "{told}"
    );
}

/// Writes until it is told that it is over: how many records under which name.
fn write_until(bootstrap: &str, is_over: &AtomicBool) -> BTreeMap<String, u64> {
    let mut client = java::start("java-4.4", &java::clients_4_4());
    client.ask(&json!({"do": "connect", "bootstrap": bootstrap}));
    let mut sent = BTreeMap::new();
    while !is_over.load(Ordering::Relaxed) {
        let name = format!("load-{}", sent.len());
        let flood = json!({
            "do": "flood", "topic": "t", "name": name, "count": RECORDS, "partitions": PARTITIONS, "compression": "lz4",
        });
        client.send(&flood);
        assert_eq!(client.answer_after(&flood, |_| {})["sent"], json!(RECORDS));
        sent.insert(name, RECORDS);
    }
    sent
}

fn grow_and_shrink(operated: &mut Operated) {
    assert_eq!(operated.voters(), [1, 2, 3]);
    for node in [4, 5] {
        operated.cluster.restart(node);
    }
    operated.wait_for_brokers(5);
    operated.add_controller(4);
    operated.add_controller(5);
    assert_eq!(operated.voters(), [1, 2, 3, 4, 5]);
    let spread = |of: &[u64]| -> Vec<Vec<u64>> {
        (0..PARTITIONS).map(|first| (first..first + 3).map(|at| of[at % of.len()]).collect()).collect()
    };
    operated.reassign(&spread(&[1, 2, 3, 4, 5]), &[]);
    operated.cluster.wait_until_whole(&["t"]);

    operated.reassign(&spread(&[3, 4, 5]), &[]);
    operated.remove_controller(1);
    operated.remove_controller(2);
    assert_eq!(operated.voters(), [3, 4, 5]);
    for node in [1, 2] {
        assert_eq!(operated.cluster.terminate(node), Some(0));
        operated.unregister(node);
    }
    operated.wait_for_brokers(3);

    // Two of three are a majority: with five voters they would be none.
    let leader = operated.cluster.wait_until(Cluster::controller);
    operated.cluster.kill_9(&[leader]);
    operated.cluster.wait_until(|cluster| cluster.controller().filter(|other| *other != leader));
    operated.cluster.restart(leader);
    operated.cluster.wait_until_whole(&["t"]);
}

/// So many at a time.
const RECORDS: u64 = 2000;
