//! A cluster is grown and shrunk with the binary's own tools while nothing else runs on the machine.

mod process;

use ottla::port::Reserved;
use process::ottla;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Three nodes, each broker and controller, of which the first begins alone.
struct Cluster {
    folder: PathBuf,
    controllers: [Reserved; 3],
    brokers: [Reserved; 3],
    running: Vec<Child>,
}

impl Cluster {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("ottla-operate-{}", std::process::id()));
        let [controllers, brokers] = [(); 2].map(|()| [(); 3].map(|()| Reserved::any().expect("a port")));
        let mut cluster = Self { folder, controllers, brokers, running: Vec::new() };
        let id = done(ottla().arg("random-uuid"));
        for node in 1..=3 {
            let founding = if node == 1 { "--standalone" } else { "--no-initial-controllers" };
            done(ottla().args(["format", "--cluster-id", id.trim(), founding]).args(cluster.settings(node)));
            let mut child = ottla()
                .args(cluster.settings(node))
                .args(["--log-level", "error"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts");
            let out = BufReader::new(child.stdout.take().expect("a pipe"));
            cluster.running.push(child);
            let is_ready = |line: &String| line.contains(" is ready at ");
            out.lines().map(|line| line.expect("text")).find(is_ready).expect("it gets ready");
        }
        cluster
    }

    fn settings(&self, node: usize) -> Vec<String> {
        let controllers: Vec<String> = self.controllers.iter().map(|port| port.address().to_string()).collect();
        let listeners =
            format!("PLAINTEXT://{},CONTROLLER://{}", self.brokers[node - 1].address(), controllers[node - 1]);
        let settings = [
            format!("node.id={node}"),
            format!("log.dirs={}/{node}", self.folder.display()),
            format!("controller.quorum.bootstrap.servers={}", controllers.join(",")),
            format!("listeners={listeners}"),
            "process.roles=broker,controller".into(),
            "controller.listener.names=CONTROLLER".into(),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".into(),
            "ottla.journal.bytes=4194304".into(),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }

    fn run(&self, arguments: &str) -> Output {
        let address = self.brokers[0].address().to_string();
        ottla().args(arguments.split(' ')).args(["--bootstrap-server", &address]).output().expect("it runs")
    }

    /// What a tool prints that does what it is asked.
    fn tool(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The one line of a tool that refuses.
    fn refusal(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(told.lines().count(), 1, "{told}");
        told
    }

    /// Runs a tool until it prints what is wanted.
    fn soon(&self, arguments: &str, is_so: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let told = self.tool(arguments);
            if is_so(&told) {
                return told;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{arguments}: {told}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn voters(&self) -> usize {
        let told = self.tool("quorum describe --json");
        told.lines().filter(|line| !line.contains("\"observer\"")).count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.running {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        // Whatever is left is in a folder of the system's.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn done(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// How many of the lines, which are JSON, hold this.
fn count(lines: &str, what: &str) -> usize {
    lines.lines().filter(|line| line.contains(what)).count()
}

#[test]
fn voters_and_replicas_come_and_go_and_a_broker_is_forgotten() {
    let mut cluster = Cluster::start();
    votes_are_given_and_taken(&cluster);

    cluster.tool("topic create t --partitions 6 --replicas 1");
    let planned = cluster.tool("partition move t --factor 2 --json");
    assert_eq!(count(&planned, "\"executed\":false"), 6, "{planned}");
    assert_eq!(count(&cluster.tool("broker list --json"), "\"replicas\":2"), 3, "nothing was moved yet");
    cluster.tool("partition move t --factor 2 --execute --wait");
    assert!(cluster.tool("partition moves").contains("nothing is being moved"));
    let held = cluster.tool("broker list --json");
    assert_eq!(count(&held, "\"replicas\":4"), 3, "each of three holds its share of twelve: {held}");
    cluster.tool("partition elect t");
    let led = cluster.soon("broker list --json", |told| count(told, "\"leads\":2") == 3);
    assert_eq!(count(&led, "\"out_of_sync\":0"), 3, "{led}");

    let told = cluster.refusal("broker unregister 3");
    assert!(told.contains("holds 4 replicas") && told.contains("--off 3"), "{told}");
    cluster.tool("partition move t --off 3 --execute --wait");
    assert!(cluster.refusal("broker unregister 3").contains("stop it first"));
    let mut third = cluster.running.pop().expect("three run");
    third.kill().expect("it runs");
    third.wait().expect("it ends");
    cluster.soon("broker list --json", |told| count(told, "\"fenced\"") == 1);
    assert!(cluster.refusal("partition move t --factor 3").contains("of which 2 are left"));
    cluster.tool("broker unregister 3");
    assert_eq!(cluster.tool("broker list --json").lines().count(), 2);
    let lacking = cluster.tool("partition list --under-replicated --json");
    assert!(lacking.is_empty(), "{lacking}");
}

/// One voter becomes three, and two.
fn votes_are_given_and_taken(cluster: &Cluster) {
    assert_eq!(cluster.voters(), 1);
    for node in [2, 3] {
        let address = cluster.controllers[node - 1].address();
        cluster.soon("quorum describe --json", |told| told.contains(&format!("\"node\":{node}")));
        cluster.tool(&format!("quorum add {node} --listener CONTROLLER://{address}"));
    }
    assert_eq!(cluster.voters(), 3);
    assert!(cluster.refusal("quorum add 9 --listener CONTROLLER://127.0.0.1:1").contains("no node 9 follows"));
    cluster.tool("quorum remove 3");
    assert_eq!(cluster.voters(), 2);
    assert!(cluster.refusal("quorum remove 3").contains("no node 3 votes"));
}
