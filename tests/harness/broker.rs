//! One broker process with a data folder of its own: started on a free port, killed and restarted at will, removed at the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ottla::port::Reserved;

use crate::harness::probe;
use crate::harness::tools::{self, java};

/// How long a start may take before the test fails; Kafka after kill -9 needs several seconds.
pub(super) const START_MAX: Duration = Duration::from_secs(60);
/// The same where that is what is measured: Kafka with ten thousand partitions needs a minute after kill -9.
const MEASURED_START_MAX: Duration = Duration::from_secs(600);

/// Kafka looks for minutes through ten thousand partitions after a kill, on a small machine.
pub(super) fn start_max(kind: Kind, purpose: Purpose) -> Duration {
    if kind == Kind::Kafka || purpose == Purpose::Measure { MEASURED_START_MAX } else { START_MAX }
}

/// How often a starting broker is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_millis(2);
/// What Kafka's start scripts give to Java.
const KAFKA_SCRIPT_FLAGS: [&str; 8] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
/// What lets a short-lived Kafka start quickly.
const KAFKA_TEST_FLAGS: [&str; 3] = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

static BROKERS: AtomicU32 = AtomicU32::new(0);

/// Which broker answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Our binary.
    Ottla,
    /// Apache Kafka 4.3.1 from Maven Central.
    Kafka,
    /// The least that a broker can do (`bench/floor.rs`), for the benches.
    Floor,
}

/// What a broker is started for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To be right: our assertions are on, Kafka gets a small heap and starts quickly.
    Test,
    /// To be measured: the release build, and Kafka with the flags of its own start scripts.
    Measure,
}

/// A running broker; dropping it kills the process and removes its data.
pub struct Broker {
    kind: Kind,
    purpose: Purpose,
    port: Reserved,
    controller: Reserved,
    home: PathBuf,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

impl Broker {
    /// Starts the broker that the environment chose, with a new data folder.
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    /// The same with settings by Kafka's names.
    pub fn start_with(settings: &[(&str, &str)]) -> Broker {
        let kind = chosen();
        let mut settings = settings.to_vec();
        settings.push(("group.initial.rebalance.delay.ms", "0"));
        let mut broker = Broker::make(kind, Purpose::Test, &settings);
        broker.restart();
        broker
    }

    /// A broker that does not run yet, with an empty (for Kafka: a formatted) data folder.
    pub fn make(kind: Kind, purpose: Purpose, settings: &[(&str, &str)]) -> Broker {
        let serial = BROKERS.fetch_add(1, Ordering::Relaxed);
        let home = tools::target().join("e2e-data").join(format!("{}-{serial}", std::process::id()));
        fs::create_dir_all(home.join("data")).expect("the data folder can be made");
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let [port, controller] = [(); 2].map(|()| Reserved::any().expect("a port"));
        let broker = Broker { kind, purpose, port, controller, home, settings, child: None };
        if kind == Kind::Kafka {
            broker.format();
        }
        broker
    }

    /// `host:port`, as clients want it.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Where its controller listens. Ottla does so only if a setting names `controller.listener.names`.
    pub fn controller_address(&self) -> String {
        self.controller.address()
    }

    /// Which broker this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the broker runs").id()
    }

    /// The folder of everything that this broker has, removed with it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The folder of `log.dirs`.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Memory that the process holds.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).expect("a size");
        kilobytes * 1024
    }

    /// Ends the process with SIGKILL, as a crash would.
    pub fn kill_9(&mut self) {
        let mut child = self.child.take().expect("the broker runs");
        child.kill().expect("the broker can be killed");
        child.wait().expect("the broker can be waited for");
    }

    /// Asks the process to end, as an operator would, and gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the broker runs");
        let sent = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        child.wait().expect("the broker can be waited for").code()
    }

    /// Starts the process on the same port and data, and returns when it answers a Metadata request.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the broker runs already");
        let output =
            File::options().create(true).append(true).open(self.home.join("broker.log")).expect("the log opens");
        let mut command = self.command();
        command.stdin(Stdio::null()).stderr(output.try_clone().expect("the log can be shared")).stdout(output);
        self.child = Some(command.spawn().expect("the broker starts"));
        let started = Instant::now();
        let start_max = start_max(self.kind, self.purpose);
        while !probe::answers(&self.address()) {
            let ended = self.child.as_mut().expect("it was just started").try_wait().expect("its state can be read");
            assert!(ended.is_none(), "the broker ended at once ({ended:?}):\n{}", self.log());
            assert!(started.elapsed() < start_max, "the broker does not answer:\n{}", self.log());
            std::thread::sleep(PROBE_EVERY);
        }
    }

    /// The end of what the process wrote.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.home.join("broker.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn command(&self) -> Command {
        match self.kind {
            Kind::Ottla => {
                let profile = if self.purpose == Purpose::Measure { "release" } else { "sim" };
                let mut command = tools::mortal(&tools::ottla(profile));
                let mut listeners = format!("listeners=PLAINTEXT://{}", self.address());
                if self.settings.iter().any(|(key, _)| key == "controller.listener.names") {
                    listeners.push_str(&format!(",CONTROLLER://{}", self.controller_address()));
                }
                command.args(["--set", &listeners, "--set", &format!("log.dirs={}", self.data().display())]);
                for (key, value) in &self.settings {
                    command.arg("--set").arg(format!("{key}={value}"));
                }
                command
            }
            Kind::Floor => {
                let mut command = tools::mortal(&tools::built("release", "ottla-tests", "floor"));
                command.arg(self.address()).arg(self.data()).args(self.settings.iter().map(|(_, value)| value));
                command
            }
            Kind::Kafka => {
                let mut command = kafka_command(self.purpose);
                command.arg(self.home.join("server.properties"));
                command
            }
        }
    }

    /// Kafka wants its folder formatted and a file of settings.
    fn format(&self) {
        let (address, controller) = (self.address(), self.controller_address());
        let mut file = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
             listeners=PLAINTEXT://{address},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{address}\n\
             controller.listener.names=CONTROLLER\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n",
            self.data().display()
        );
        if self.purpose == Purpose::Test {
            // After kill -9 the controller refuses the new process until the old session ends.
            file.push_str("broker.session.timeout.ms=1500\nbroker.heartbeat.interval.ms=500\n");
        }
        for (key, value) in &self.settings {
            file.push_str(&format!("{key}={value}\n"));
        }
        let path = self.home.join("server.properties");
        fs::write(&path, file).expect("the settings can be written");
        let mut command = kafka_storage();
        command.arg("format");
        tools::finish(command.args(["-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(path), "kafka-storage format");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::harness::log::say(&format!("the broker wrote last:\n{}", self.log()));
        }
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone after this.
            drop(child.kill());
            drop(child.wait());
        }
        drop(fs::remove_dir_all(&self.home));
    }
}

/// The kind of broker that the environment chose for the tests with real clients.
pub fn chosen() -> Kind {
    match std::env::var("OTTLA_E2E_BROKER").as_deref() {
        Ok("kafka") => Kind::Kafka,
        Ok(other) if other != "ottla" => panic!("OTTLA_E2E_BROKER is `ottla` or `kafka`, not `{other}`"),
        _ => Kind::Ottla,
    }
}

/// Kafka's broker, which takes the path of its settings next.
pub(super) fn kafka_command(purpose: Purpose) -> Command {
    let mut command = tools::mortal(Path::new("java"));
    match purpose {
        Purpose::Test => command.args(KAFKA_TEST_FLAGS),
        Purpose::Measure => command.args(KAFKA_SCRIPT_FLAGS),
    };
    command.arg(format!("-Dlog4j2.configurationFile={}", java::log_settings().display()));
    command.args(["-cp", &java::kafka().class_path(), "kafka.Kafka"]);
    command
}

/// Kafka's `kafka-storage`, which takes its own arguments next.
pub(super) fn kafka_storage() -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &java::kafka().class_path(), "kafka.tools.StorageTool"]);
    command
}
