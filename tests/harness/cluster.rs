//! Several broker processes as one cluster on this machine, each killed and restarted at will; their data is removed at the
//! end.

use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ottla::port::Reserved;
use ottla_core::msg::describe_quorum::{DescribeQuorumRequest, RequestPartitionData, RequestTopicData};
use ottla_core::msg::find_coordinator::FindCoordinatorRequest;
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use ottla_core::msg::{Request, Response};
use ottla_core::types::Uuid;

use crate::harness::broker::{self, Kind, Purpose};
use crate::harness::{log, probe, tools};

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whose brokers.
    pub kind: Kind,
    /// What they are started for.
    pub purpose: Purpose,
    /// How many brokers, with ids from 1 on.
    pub brokers: usize,
    /// How many of them, from the first on, vote in the metadata quorum.
    pub voters: usize,
    /// All are controllers, and voters come and go (KIP-853).
    pub turnover: bool,
}

/// Broker processes with data folders of their own. Dropping it kills them and removes the folders.
pub struct Cluster {
    shape: Shape,
    home: PathBuf,
    nodes: Vec<Node>,
    /// Where the controllers listen, of nodes 1 and following.
    controllers: Vec<Reserved>,
}

struct Node {
    port: Reserved,
    child: Option<Child>,
    /// The program that it is started with, where that is ours.
    program: PathBuf,
}

impl Cluster {
    /// Three running brokers of the kind that the environment chose, with these settings by Kafka's names.
    pub fn start(settings: &[(&str, &str)]) -> Cluster {
        let shape = Shape { kind: broker::chosen(), purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false };
        let mut settings = settings.to_vec();
        settings.push(("group.initial.rebalance.delay.ms", "0"));
        let mut cluster = Cluster::make(shape, &settings);
        cluster.restart_all();
        cluster
    }

    /// Brokers that do not run yet, with formatted data folders.
    pub fn make(shape: Shape, settings: &[(&str, &str)]) -> Cluster {
        let program = match shape.kind {
            Kind::Ottla => tools::ottla(if shape.purpose == Purpose::Measure { "release" } else { "sim" }),
            Kind::Kafka | Kind::Floor => PathBuf::new(),
        };
        Cluster::make_of(&program, shape, settings)
    }

    /// The same of a program of ours that was built before.
    pub fn make_of(program: &Path, shape: Shape, settings: &[(&str, &str)]) -> Cluster {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        let serial = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let home = tools::target().join("e2e-data").join(format!("cluster-{}-{serial}", std::process::id()));
        fs::create_dir_all(&home).expect("the folder can be made");
        let port = || Reserved::any().expect("a port");
        let node = |_| Node { port: port(), child: None, program: program.to_owned() };
        let nodes = (0..shape.brokers).map(node).collect();
        let controllers = if shape.turnover { shape.brokers } else { shape.voters };
        let controllers = (0..controllers).map(|_| port()).collect();
        let cluster = Cluster { shape, home, nodes, controllers };
        let id = cluster.new_id();
        for node in cluster.nodes() {
            fs::write(cluster.properties(node), cluster.settings(node, settings)).expect("the settings can be written");
            cluster.format(node, &id, &cluster.founding(node));
        }
        cluster
    }

    /// A setting of one broker that has not been started.
    pub fn set(&mut self, node: usize, key: &str, value: &str) {
        let path = self.properties(node);
        let text = fs::read_to_string(&path).expect("the settings can be read");
        fs::write(path, format!("{text}{key}={value}\n")).expect("the settings can be written");
    }

    /// From its next start on a broker is this program.
    pub fn exchange(&mut self, node: usize, program: &Path) {
        self.nodes[node - 1].program = program.to_owned();
    }

    /// The ids of the brokers.
    pub fn nodes(&self) -> RangeInclusive<usize> {
        1..=self.nodes.len()
    }

    /// What it is made of.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// `host:port` of a broker.
    pub fn address(&self, node: usize) -> String {
        self.nodes[node - 1].port.address()
    }

    /// The process of a broker.
    pub fn pid(&self, node: usize) -> u32 {
        self.nodes[node - 1].child.as_ref().expect("the broker runs").id()
    }

    /// All of them, as clients want it.
    pub fn bootstrap(&self) -> String {
        self.nodes().map(|node| self.address(node)).collect::<Vec<_>>().join(",")
    }

    /// The folder of everything, removed at the end.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The data folder of a broker.
    pub fn data(&self, node: usize) -> PathBuf {
        self.home.join(node.to_string())
    }

    /// The end of what a broker wrote.
    pub fn log(&self, node: usize) -> String {
        let text = self.whole_log(node);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// All that a broker wrote, over all of its lives.
    pub fn whole_log(&self, node: usize) -> String {
        let bytes = fs::read(self.home.join(format!("{node}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Has it been started, and not been ended by us since?
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node - 1].child.is_some()
    }

    /// Starts a broker on its port and data, and does not wait for it.
    pub fn spawn(&mut self, node: usize) {
        let path = self.home.join(format!("{node}.log"));
        let output = File::options().create(true).append(true).open(path).expect("the log opens");
        let mut command = match self.shape.kind {
            Kind::Ottla => tools::mortal(&self.nodes[node - 1].program),
            Kind::Kafka => broker::kafka_command(self.shape.purpose),
            Kind::Floor => panic!("the floor is one broker"),
        };
        command.arg(self.properties(node)).stdin(Stdio::null());
        command.stderr(output.try_clone().expect("the log can be shared")).stdout(output);
        let slot = &mut self.nodes[node - 1].child;
        assert!(slot.is_none(), "broker {node} runs already");
        *slot = Some(command.spawn().expect("the broker starts"));
    }

    /// Returns when a broker that was started answers.
    pub fn wait(&mut self, node: usize) {
        let started = Instant::now();
        while !probe::answers(&self.address(node)) {
            let child = self.nodes[node - 1].child.as_mut().expect("it was started");
            let ended = child.try_wait().expect("its state can be read");
            assert!(ended.is_none(), "broker {node} ended at once ({ended:?}):\n{}", self.log(node));
            let start_max = broker::start_max(self.shape.kind, self.shape.purpose);
            assert!(started.elapsed() < start_max, "broker {node} does not answer:\n{}", self.log(node));
            std::thread::sleep(PROBE_EVERY);
        }
    }

    /// Starts a broker, and returns when it answers.
    pub fn restart(&mut self, node: usize) {
        self.spawn(node);
        self.wait(node);
    }

    /// Starts all at once, and returns when they answer.
    pub fn restart_all(&mut self) {
        self.nodes().for_each(|node| self.spawn(node));
        self.nodes().for_each(|node| self.wait(node));
    }

    /// Ends processes with SIGKILL, as a crash would: all of them before any is waited for.
    pub fn kill_9(&mut self, nodes: &[usize]) {
        let mut children: Vec<Child> =
            nodes.iter().map(|node| self.nodes[node - 1].child.take().expect("the broker runs")).collect();
        children.iter_mut().for_each(|child| child.kill().expect("the broker can be killed"));
        for mut child in children {
            child.wait().expect("the broker can be waited for");
        }
    }

    /// Asks a process to end, as an operator would, and gives its exit code.
    pub fn terminate(&mut self, node: usize) -> Option<i32> {
        let mut child = self.nodes[node - 1].child.take().expect("the broker runs");
        let sent = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        child.wait().expect("the broker can be waited for").code()
    }

    /// What some broker that answers knows of these topics and of the others.
    pub fn metadata(&self, topics: &[&str]) -> Option<MetadataResponse> {
        self.running().find_map(|node| self.metadata_of(node, topics))
    }

    /// What this broker knows of these topics and of the others.
    fn metadata_of(&self, node: usize, topics: &[&str]) -> Option<MetadataResponse> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let topics = Some(topics.iter().map(named).collect());
        let request =
            Request::Metadata(MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() });
        match probe::ask(&self.address(node), &request, 9).ok()? {
            Response::Metadata(told) => Some(told),
            _ => None,
        }
    }

    /// Which broker leads the metadata quorum, as far as somebody who answers knows.
    pub fn controller(&self) -> Option<usize> {
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topics = vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
        self.ask(&Request::DescribeQuorum(DescribeQuorumRequest { topics }), 1, |answer| match answer {
            Response::DescribeQuorum(told) => {
                let leader = told.topics.first()?.partitions.first()?.leader_id;
                usize::try_from(leader).ok().filter(|leader| *leader > 0)
            }
            _ => None,
        })
    }

    /// Which broker leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let told = self.metadata(&[topic])?;
        let found = told.topics.first()?.partitions.iter().find(|one| one.partition_index == partition)?;
        usize::try_from(found.leader_id).ok()
    }

    /// Which broker coordinates a group; its topic is made by the first question.
    pub fn coordinator(&self, group: &str) -> Option<usize> {
        let request = FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
        self.ask(&Request::FindCoordinator(request), 4, |answer| match answer {
            Response::FindCoordinator(told) => {
                let found = told.coordinators.first().filter(|found| found.error_code == 0)?;
                usize::try_from(found.node_id).ok()
            }
            _ => None,
        })
    }

    /// How many partitions of these topics lack a leader or an in-sync replica; `None` if nobody answers.
    pub fn lacking(&self, topics: &[&str]) -> Option<usize> {
        self.metadata(topics).map(|told| lacking(&told))
    }

    /// Returns when each partition of these topics has a leader and all of its replicas in sync, and all brokers know that.
    pub fn wait_until_whole(&self, topics: &[&str]) {
        let is_whole = |told: &MetadataResponse| lacking(told) == 0;
        self.wait_until(|cluster| {
            cluster.running().all(|node| cluster.metadata_of(node, topics).as_ref().is_some_and(is_whole)).then_some(())
        });
    }

    /// Asks until there is an answer.
    pub fn wait_until<T>(&self, ask: impl Fn(&Cluster) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            assert!(started.elapsed() < broker::START_MAX, "it does not come: {:?}", self.metadata(&[]));
            std::thread::sleep(ASK_EVERY);
        }
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        self.nodes().filter(|node| self.is_running(*node))
    }

    fn ask<T>(&self, request: &Request, version: i16, read: impl Fn(Response) -> Option<T>) -> Option<T> {
        self.running().find_map(|node| {
            let answer = probe::ask(&self.address(node), request, version).ok()?;
            read(answer)
        })
    }

    /// The settings file of a broker.
    pub fn properties(&self, node: usize) -> PathBuf {
        self.home.join(format!("{node}.properties"))
    }

    fn settings(&self, node: usize, settings: &[(&str, &str)]) -> String {
        let doors: Vec<String> = self.controllers.iter().map(Reserved::address).collect();
        let broker = format!("PLAINTEXT://{}", self.address(node));
        let quorum = match self.shape.turnover {
            false => {
                let voters: Vec<String> = doors.iter().zip(1..).map(|(door, id)| format!("{id}@{door}")).collect();
                format!("voters={}", voters.join(","))
            }
            true => format!("bootstrap.servers={}", doors.join(",")),
        };
        let (roles, listeners) = match doors.get(node - 1) {
            Some(door) => ("broker,controller", format!("{broker},CONTROLLER://{door}")),
            None => ("broker", broker.clone()),
        };
        let mut file = format!(
            "process.roles={roles}\nnode.id={node}\ncontroller.quorum.{quorum}\nlisteners={listeners}\n\
             advertised.listeners={broker}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\n",
            self.data(node).display()
        );
        if self.shape.kind == Kind::Kafka && self.shape.purpose == Purpose::Test {
            file.push_str("broker.session.timeout.ms=1500\nbroker.heartbeat.interval.ms=500\n");
        }
        for (key, value) in settings {
            if self.shape.kind == Kind::Ottla || !key.starts_with("ottla.") {
                file.push_str(&format!("{key}={value}\n"));
            }
        }
        file
    }

    fn new_id(&self) -> String {
        match self.shape.kind {
            Kind::Ottla => {
                tools::finish(tools::mortal(&self.nodes[0].program).arg("random-uuid"), "random-uuid").trim().into()
            }
            Kind::Kafka | Kind::Floor => "MkU3OEVBNTcwNTJENDM2Qg".into(),
        }
    }

    /// What its formatting is told of the voters that the quorum begins with.
    fn founding(&self, node: usize) -> Vec<String> {
        let Shape { voters, turnover, .. } = self.shape;
        let founder = |(port, id): (&Reserved, usize)| format!("{id}@{}:{}", port.address(), Cluster::directory_id(id));
        let founders: Vec<String> = self.controllers.iter().zip(1..).take(voters).map(founder).collect();
        match turnover {
            false => Vec::new(),
            true if node <= voters => vec!["--initial-controllers".into(), founders.join(",")],
            true => vec!["--no-initial-controllers".into()],
        }
    }

    /// The id of the data directory of one of the first voters, where those come and go.
    pub fn directory_id(node: usize) -> String {
        Uuid([u8::try_from(node).expect("few nodes"); 16]).to_string()
    }

    fn format(&self, node: usize, id: &str, more: &[String]) {
        let mut command = match self.shape.kind {
            Kind::Ottla => tools::mortal(&self.nodes[node - 1].program),
            Kind::Kafka => broker::kafka_storage(),
            Kind::Floor => panic!("the floor is one broker"),
        };
        if self.shape.kind == Kind::Ottla {
            command.arg("format").arg("--config").arg(self.properties(node)).args(["--cluster-id", id]);
        } else {
            command.args(["format", "-t", id, "-c"]).arg(self.properties(node));
        }
        tools::finish(command.args(more), "format");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes() {
            if std::thread::panicking() {
                log::say(&format!("broker {node} wrote last:\n{}", self.log(node)));
            }
            if let Some(mut child) = self.nodes[node - 1].child.take() {
                // It may have ended by itself; either way it is gone after this.
                drop(child.kill());
                drop(child.wait());
            }
        }
        drop(fs::remove_dir_all(&self.home));
    }
}

/// How many of these partitions lack a leader or an in-sync replica.
fn lacking(told: &MetadataResponse) -> usize {
    let partitions = told.topics.iter().flat_map(|topic| &topic.partitions);
    let unknown = told.topics.iter().filter(|topic| topic.partitions.is_empty()).count();
    let is_lacking = partitions.filter(|one| one.leader_id < 0 || one.isr_nodes.len() < one.replica_nodes.len());
    unknown + is_lacking.count()
}

/// How often a starting broker is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_millis(2);
/// How often a cluster is asked what it lacks.
const ASK_EVERY: Duration = Duration::from_millis(20);
