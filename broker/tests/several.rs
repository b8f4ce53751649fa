//! Several processes as one cluster: controllers, and brokers that find them over real sockets.

mod process;

use ottla::port::Reserved;
use ottla_core::conn::client::Client;
use ottla_core::msg::describe_quorum::{DescribeQuorumRequest, RequestPartitionData, RequestTopicData};
use ottla_core::msg::metadata::MetadataRequest;
use ottla_core::msg::{Request, Response};
use process::ottla;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A cluster whose data is removed when it is dropped.
struct Cluster {
    folder: PathBuf,
    /// Of the listeners of the controllers, which are the first nodes.
    ports: Vec<Reserved>,
    /// Of health and metrics, of all nodes.
    http: Vec<Reserved>,
    /// `process.roles` of the controllers.
    roles: &'static str,
}

/// A node that serves, killed when it is dropped.
struct Node {
    child: Child,
    address: String,
}

impl Cluster {
    /// Formats the directories of nodes 1 to 3, of which so many are voters, in a folder of this name.
    fn format(what: &str, voters: usize) -> Self {
        Self::format_as(what, voters, "broker,controller")
    }

    /// The same with controllers that have these roles.
    fn format_as(what: &str, voters: usize, roles: &'static str) -> Self {
        let folder = std::env::temp_dir().join(format!("ottla-several-{}-{what}", std::process::id()));
        let mut ports: Vec<_> = (0..voters + 3).map(|_| Reserved::any().expect("a port")).collect();
        let http = ports.split_off(voters);
        let cluster = Self { folder, ports, http, roles };
        let id = text(ottla().arg("random-uuid"), "");
        for node in 1..=3 {
            let mut command = ottla();
            command.args(["format", "--cluster-id", id.trim()]).args(cluster.settings(node));
            text(&mut command, "");
        }
        cluster
    }

    fn settings(&self, node: usize) -> Vec<String> {
        let folder = self.folder.display();
        let voters: Vec<_> = self.ports.iter().zip(1..).map(|(port, id)| format!("{id}@{}", port.address())).collect();
        let mut settings = vec![
            format!("node.id={node}"),
            format!("log.dirs={folder}/{node}"),
            format!("controller.quorum.voters={}", voters.join(",")),
            "ottla.journal.bytes=4194304".into(),
            format!("ottla.http.listener={}", self.http[node - 1].address()),
            "controller.listener.names=CONTROLLER".into(),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".into(),
        ];
        let broker = if self.roles == "controller" { "" } else { "PLAINTEXT://127.0.0.1:0," };
        settings.extend(match self.ports.get(node - 1) {
            Some(port) => {
                let listeners = format!("listeners={broker}CONTROLLER://{}", port.address());
                [listeners, format!("process.roles={}", self.roles)]
            }
            None => ["listeners=PLAINTEXT://127.0.0.1:0".into(), "process.roles=broker".into()],
        });
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }

    /// What a node answers over HTTP.
    fn get(&self, node: usize, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http[node - 1].address()).expect("it listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// A metric of each of these nodes.
    fn metrics(&self, nodes: &[usize], name: &str) -> Vec<i64> {
        let metric = |node: &usize| {
            let text = self.get(*node, "/metrics");
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
            value.unwrap_or_else(|| panic!("no {name} in {text}"))
        };
        nodes.iter().map(metric).collect()
    }

    /// Starts a node, and returns when it serves.
    fn start(&self, node: usize) -> Node {
        self.launch(node)()
    }

    /// Starts all three. A majority of the voters has to be there before anybody serves.
    fn start_all(&self) -> [Node; 3] {
        [1, 2, 3].map(|node| self.launch(node)).map(|wait| wait())
    }

    /// Starts a node; what is returned waits until it serves.
    fn launch(&self, node: usize) -> impl FnOnce() -> Node + use<> {
        let mut command = ottla();
        command.args(self.settings(node)).args(["--log-level", "error"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        move || {
            let ready = out.lines().map(|line| line.expect("text")).find(|line| line.contains(" is ready at "));
            let line = ready.expect("it gets ready");
            let address = line.rsplit_once(" is ready at ").expect("just found").1.trim().to_owned();
            Node { child, address }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Whatever is left is in a folder of the system's.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Node {
    /// Runs a tool against it, and gives what it prints.
    fn tool(&self, arguments: &[&str], input: &str) -> String {
        text(ottla().args(arguments).args(["--bootstrap-server", &self.address]), input)
    }

    /// Its answer to a request; none if it hung up.
    fn ask(&self, request: &Request, version: i16) -> Option<Response> {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let mut client = Client::new("test".into(), 1 << 20);
        let (_, chunks) = client.request(request, version).expect("an encodable request");
        chunks.iter().for_each(|chunk| stream.write_all(chunk).expect("it reads"));
        let (mut answers, mut buffer) = (Vec::new(), [0; 4096]);
        while answers.is_empty() {
            let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
            client.received(bytes::Bytes::copy_from_slice(&buffer[..read]), &mut answers).expect("a good answer");
        }
        Some(answers.remove(0).body)
    }

    /// The brokers that it knows, and which of them it says is the controller.
    fn brokers(&self) -> (Vec<i32>, i32) {
        let request = Request::Metadata(MetadataRequest { topics: Some(Vec::new()), ..Default::default() });
        let Some(Response::Metadata(told)) = self.ask(&request, 9) else { panic!("another answer") };
        let mut brokers: Vec<i32> = told.brokers.iter().map(|broker| broker.node_id).collect();
        brokers.sort_unstable();
        (brokers, told.controller_id)
    }

    /// Who leads the metadata quorum, and how many vote in it; none while nobody leads.
    fn quorum(&self) -> Option<(usize, usize)> {
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topic = RequestTopicData { topic_name: "__cluster_metadata".into(), partitions };
        let request = Request::DescribeQuorum(DescribeQuorumRequest { topics: vec![topic] });
        let Some(Response::DescribeQuorum(told)) = self.ask(&request, 2) else { return None };
        let partition = told.topics.first()?.partitions.first()?;
        Some((usize::try_from(partition.leader_id).ok()?, partition.current_voters.len()))
    }

    /// The same once somebody leads.
    fn quorum_soon(&self) -> (usize, usize) {
        let started = Instant::now();
        loop {
            if let Some(told) = self.quorum() {
                return told;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "nobody leads");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end, and gives its exit code.
    fn terminate(mut self) -> Option<i32> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // Who reads nothing may be gone already.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn brokers_join_their_controller_serve_and_come_back_after_a_crash() {
    let cluster = Cluster::format("join", 1);
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    assert_eq!(three.brokers(), (vec![1, 2, 3], 1));
    one.tool(&["topic", "create", "t", "--partitions", "6"], "");
    let described = one.tool(&["topic", "describe", "t", "--json"], "");
    for broker in 1..=3 {
        assert!(described.contains(&format!("\"leader\":{broker}")), "{described}");
    }
    one.tool(&["produce", "t", "--key-separator", ":"], &lines(0..60));
    assert_eq!(three.tool(&["consume", "t", "--exit"], "").lines().count(), 60);
    drop(two);
    let two = cluster.start(2);
    one.tool(&["produce", "t", "--key-separator", ":"], &lines(60..120));
    assert_eq!(two.tool(&["consume", "t", "--exit"], "").lines().count(), 120);
    assert_eq!([three, two, one].map(Node::terminate), [Some(0); 3]);
}

#[test]
fn controllers_that_are_no_brokers_keep_the_metadata_and_nothing_else() {
    let cluster = Cluster::format_as("dedicated", 1, "controller");
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    let (brokers, controller) = three.brokers();
    assert_eq!(brokers, [2, 3]);
    assert!(brokers.contains(&controller), "whom clients take for the controller can be reached by them");
    assert_eq!(two.quorum_soon(), (1, 1));
    two.tool(&["topic", "create", "t", "--partitions", "4", "--replicas", "2"], "");
    two.tool(&["produce", "t", "--key-separator", ":"], &lines(0..60));
    drop(one);
    assert_eq!(three.tool(&["consume", "t", "--exit"], "").lines().count(), 60, "what is led is served meanwhile");
    let one = cluster.start(1);
    two.tool(&["topic", "create", "u"], "");
    two.tool(&["produce", "u", "--key-separator", ":"], &lines(0..10));
    assert_eq!([three, two, one].map(Node::terminate), [Some(0); 3]);
}

#[test]
fn a_broker_of_another_cluster_is_told_so_and_does_not_serve() {
    let (ours, theirs) = (Cluster::format("ours", 1), Cluster::format("theirs", 1));
    let one = ours.start(1);
    let mut settings = theirs.settings(2);
    settings.extend(["--set".to_owned(), format!("controller.quorum.voters=1@{}", ours.ports[0].address())]);
    let mut stranger = ottla().args(settings).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let log = BufReader::new(stranger.stderr.take().expect("a pipe"));
    let told = log.lines().map_while(Result::ok).find(|line| line.contains("is the controller of another cluster"));
    stranger.kill().expect("it runs on");
    stranger.wait().expect("it ends");
    assert!(told.expect("it says so").contains("correct controller.quorum.voters"));
    assert_eq!(one.brokers().0, [1], "nobody joined");
}

/// `n:n` a line: a key and its value.
fn lines(numbers: std::ops::Range<i32>) -> String {
    numbers.map(|number| format!("{number}:{number}\n")).collect()
}

/// Waits until every partition of the topic has this many in-sync replicas.
fn wait_for_isr(node: &Node, topic: &str, size: usize) {
    let started = Instant::now();
    loop {
        let told = node.tool(&["topic", "describe", topic, "--json"], "");
        let isrs: Vec<usize> = told
            .split("\"isr\":[")
            .skip(1)
            .map(|rest| rest.split(']').next().expect("a list").split(',').count())
            .collect();
        if !isrs.is_empty() && isrs.iter().all(|isr| *isr == size) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_acknowledged_outlives_each_broker_that_is_killed() {
    let cluster = Cluster::format("replicas", 1);
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    let replicated =
        ["topic", "create", "t", "--partitions", "6", "--replicas", "3", "--config", "min.insync.replicas=2"];
    three.tool(&replicated, "");
    wait_for_isr(&one, "t", 3);
    three.tool(&["produce", "t", "--key-separator", ":"], &lines(0..60));
    drop(two);
    three.tool(&["produce", "t", "--key-separator", ":"], &lines(60..120));
    wait_for_isr(&one, "t", 2);
    assert_eq!(one.tool(&["consume", "t", "--exit"], "").lines().count(), 120);
    let two = cluster.start(2);
    wait_for_isr(&one, "t", 3);
    drop(three);
    two.tool(&["produce", "t", "--key-separator", ":"], &lines(120..180));
    assert_eq!(two.tool(&["consume", "t", "--exit"], "").lines().count(), 180);
    let three = cluster.start(3);
    wait_for_isr(&one, "t", 3);
    let grouped = three.tool(&["consume", "t", "--group", "readers", "--exit"], "");
    assert_eq!(grouped.lines().count(), 180);
    assert_eq!([three, two, one].map(Node::terminate), [Some(0); 3]);
}

#[test]
fn the_controller_is_killed_and_another_voter_takes_over() {
    let cluster = Cluster::format("voters", 3);
    let mut nodes: Vec<Option<Node>> = cluster.start_all().map(Some).into();
    let at = |nodes: &[Option<Node>]| nodes.iter().position(Option::is_some).expect("somebody is there");
    let any = at(&nodes);
    let any = nodes[any].as_ref().expect("it is there");
    any.tool(&["topic", "create", "t", "--partitions", "6", "--replicas", "3"], "");
    wait_for_isr(any, "t", 3);
    any.tool(&["produce", "t", "--key-separator", ":"], &lines(0..60));
    let (mut leader, voters) = any.quorum_soon();
    assert_eq!(voters, 3);
    for round in 1..=3 {
        drop(nodes[leader - 1].take());
        let left = nodes[at(&nodes)].as_ref().expect("it is there");
        let (next, _) = left.quorum_soon();
        assert_ne!(next, leader, "it is dead");
        left.tool(&["topic", "create", &format!("made-{round}"), "--replicas", "2"], "");
        left.tool(&["produce", "t", "--key-separator", ":"], &lines(round * 60..round * 60 + 60));
        let count = usize::try_from(round * 60 + 60).expect("a count");
        assert_eq!(left.tool(&["consume", "t", "--exit"], "").lines().count(), count);
        nodes[leader - 1] = Some(cluster.start(leader));
        wait_for_isr(nodes[leader - 1].as_ref().expect("it is there"), "t", 3);
        leader = next;
    }
    let ended: Vec<_> = nodes.into_iter().flatten().map(Node::terminate).collect();
    assert_eq!(ended, [Some(0); 3]);
}

/// Waits until it is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_the_death_of_a_broker_changes_is_in_the_metrics_and_in_ready() {
    let cluster = Cluster::format("metrics", 3);
    let mut nodes: Vec<Option<Node>> = cluster.start_all().map(Some).into();
    let sum = |nodes: &[usize], name: &str| cluster.metrics(nodes, name).iter().sum::<i64>();
    let any = nodes[0].as_ref().expect("it is there");
    any.tool(&["topic", "create", "t", "--partitions", "3", "--replicas", "3"], "");
    any.tool(&["topic", "create", "alone", "--partitions", "6", "--replicas", "1"], "");
    wait_until("all lead", || sum(&[1, 2, 3], "ottla_replicas_led") == 9);
    wait_until("one controller", || sum(&[1, 2, 3], "ottla_controller") == 1);
    assert_eq!(sum(&[1, 2, 3], "ottla_replicas"), 15);
    assert_eq!(sum(&[1, 2, 3], "ottla_controller_brokers_active"), 3);
    for name in ["ottla_under_replicated", "ottla_controller_partitions_leaderless", "ottla_controller_brokers_fenced"]
    {
        assert_eq!(sum(&[1, 2, 3], name), 0, "{name}");
    }
    assert!(cluster.get(1, "/ready").ends_with("\r\n\r\nready\n"));
    // The controller, so that another one is.
    let first = cluster.metrics(&[1], "ottla_quorum_leader")[0];
    let victim = usize::try_from(first).expect("somebody leads");
    drop(nodes[victim - 1].take());
    let left: Vec<usize> = (1..=3).filter(|node| *node != victim).collect();
    wait_until("another controller", || sum(&left, "ottla_controller") == 1);
    wait_until("it is fenced", || sum(&left, "ottla_controller_brokers_fenced") == 1);
    wait_until("what it held alone has no leader", || sum(&left, "ottla_controller_partitions_leaderless") == 2);
    wait_until("the others lack a replica", || sum(&left, "ottla_under_replicated") == 3);
    assert_eq!(sum(&left, "ottla_under_min_isr"), 0);
    assert!(sum(&left, "ottla_isr_shrinks_total") >= 3 && sum(&left, "ottla_elections_total") > 0);
    drop(nodes[left[1] - 1].take());
    let says = || cluster.get(left[0], "/ready").contains("ready, but no controller is known");
    wait_until("it says what it misses", says);
    assert_eq!(cluster.metrics(&left[..1], "ottla_quorum_leader"), [-1]);
}
