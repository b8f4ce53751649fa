//! What people see of a running broker: log lines and metrics.

use crate::flags::LogFormat;
use crate::mail::{DiskState, Facts, Lag};
use crate::net::End;
use crate::teller::Teller;
use crate::watch::Sight;
use ottla_core::boundary::{Lost, Note};
use ottla_core::conn::Reason;
use ottla_core::msg::ApiKey;
use ottla_core::node::Census;
use ottla_core::types::{LogId, Mono};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::fmt::{self, Debug};
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::field::Field;
use tracing::{debug, error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FmtSpan, Writer, debug_fn};

/// Lets log lines flow to the standard error output. The mistake is that of a filter that cannot be read.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), String> {
    let is_level = |part: &str| LEVELS.iter().any(|level| part.trim().eq_ignore_ascii_case(level));
    if let Some(part) = level.split(',').find(|part| !part.contains(['=', ':']) && !is_level(part)) {
        return Err(format!("--log-level {part}: must be one of {}, or TARGET=LEVEL", LEVELS.join(", ")));
    }
    let filter = EnvFilter::try_new(level).map_err(|fault| format!("--log-level {level}: {fault}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // It would be written where the line could not be.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    let started = match format {
        LogFormat::Text => builder.compact().fmt_fields(debug_fn(write_field)).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|fault| fault.to_string())
}

/// Our messages say what their fields do, so that people read it once; programs read the fields.
pub fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if SAID.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}

/// Fields of our own lines.
const SAID: &[&str] = &[
    "active",
    "after",
    "before",
    "broker",
    "change",
    "committed",
    "count",
    "epoch",
    "feature",
    "from",
    "generation",
    "group",
    "id",
    "incarnation",
    "isr",
    "leader",
    "listeners",
    "log",
    "megabytes",
    "members",
    "offline",
    "partition",
    "partitions",
    "read",
    "refused",
    "registered",
    "replicas",
    "seconds",
    "settings",
    "state",
    "term",
    "to",
    "topic",
    "unreached",
    "unset",
    "version",
    "voters",
    "why",
];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// All metrics of a broker. Clones share them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Arc<Registry>,
    /// By the place of the API in [`ApiKey::ALL`].
    requests: Arc<[Histogram]>,
    connections: Gauge,
    refused: Counter,
    closed: Family<Why, Counter>,
    received_bytes: Counter,
    sent_bytes: Counter,
    held_bytes: Gauge,
    waiting: Gauge,
    muted: Counter,
    calls: Family<Api, Counter>,
    calls_lost: Family<LostCall, Counter>,
    flush: Histogram,
    disk_read_bytes: Counter,
    disk_written_bytes: Counter,
    logs: Gauge,
    logs_offline: Gauge,
    steps: Counter,
    turns: Turns,
    teller: Arc<Mutex<Teller>>,
}

/// How often something changed of what this broker leads.
#[derive(Clone, Default, Debug)]
struct Turns {
    elections: Counter,
    isr_shrinks: Counter,
    isr_expands: Counter,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Api {
    api: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Build {
    version: &'static str,
    commit: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LostCall {
    api: &'static str,
    how: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RoomOf {
    directory: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LagOf {
    group: String,
    topic: String,
    partition: i32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("ottla");
        let by_api = Family::<Api, Histogram>::new_with_constructor(latencies);
        let requests = ApiKey::ALL.iter().map(|api| by_api.get_or_create(&Api { api: api.facts().name }).clone());
        let requests = requests.collect();
        let this = Self {
            requests,
            connections: Gauge::default(),
            refused: Counter::default(),
            closed: Family::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            held_bytes: Gauge::default(),
            waiting: Gauge::default(),
            muted: Counter::default(),
            calls: Family::default(),
            calls_lost: Family::default(),
            flush: latencies(),
            disk_read_bytes: Counter::default(),
            disk_written_bytes: Counter::default(),
            logs: Gauge::default(),
            logs_offline: Gauge::default(),
            steps: Counter::default(),
            turns: Turns::default(),
            teller: Arc::default(),
            registry: Arc::default(),
        };
        let r = &mut registry;
        r.register_with_unit("request_time", "From a whole request to its answer", Unit::Seconds, by_api);
        r.register("connections", "Open connections", this.connections.clone());
        r.register("connections_refused", "Connections beyond a limit", this.refused.clone());
        r.register("connections_closed", "Connections that ended, by reason", this.closed.clone());
        r.register_with_unit("received", "Read from sockets", Unit::Bytes, this.received_bytes.clone());
        r.register_with_unit("sent", "Written to sockets", Unit::Bytes, this.sent_bytes.clone());
        let held = "Requests and answers held in memory for connections";
        r.register_with_unit("held", held, Unit::Bytes, this.held_bytes.clone());
        r.register("requests_waiting", "Requests that wait to be taken up", this.waiting.clone());
        let muted = "How often a connection was not read from because queued.max.requests waited";
        r.register("connections_muted", muted, this.muted.clone());
        r.register("calls", "Requests of our own to other brokers", this.calls.clone());
        r.register("calls_lost", "Those that brought no answer, by whether they were sent", this.calls_lost.clone());
        r.register_with_unit("flush_time", "Durable writes and flushes of the disk", Unit::Seconds, this.flush.clone());
        r.register_with_unit("disk_read", "Read from disk", Unit::Bytes, this.disk_read_bytes.clone());
        r.register_with_unit("disk_written", "Written to disk", Unit::Bytes, this.disk_written_bytes.clone());
        r.register("logs", "Partitions that this broker leads", this.logs.clone());
        r.register("logs_offline", "Logs that can be neither read nor written", this.logs_offline.clone());
        r.register("steps", "Inputs that the node took", this.steps.clone());
        this.turns.register(r);
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), commit: env!("BUILT_COMMIT") }).set(1);
        r.register("build_info", "Which program this is", build);
        Self { registry: Arc::new(registry), ..this }
    }

    /// The text that Prometheus reads; with what the brain says, if it said something, and the room on the disks of these
    /// directories.
    pub fn text(&self, facts: Option<&Facts>, directories: &[PathBuf]) -> String {
        let mut registry = Registry::with_prefix("ottla");
        let (resident, lag) = (Gauge::<i64>::default(), Family::<LagOf, Gauge>::default());
        resident.set(resident_bytes());
        let counts = facts.and_then(|facts| facts.counts.as_ref());
        for Lag { group, topic, partition, offsets } in counts.iter().flat_map(|(_, lags)| lags) {
            let of = LagOf { group: group.clone(), topic: topic.clone(), partition: *partition };
            lag.get_or_create(&of).set(*offsets);
        }
        registry.register_with_unit("resident", "Memory of the process", Unit::Bytes, resident);
        let (free, size) = (Family::<RoomOf, Gauge>::default(), Family::<RoomOf, Gauge>::default());
        for directory in directories {
            // A directory that is gone has no figures.
            let Ok(disk) = rustix::fs::statvfs(directory) else { continue };
            let of = RoomOf { directory: directory.display().to_string() };
            for (room, blocks) in [(&free, disk.f_bavail), (&size, disk.f_blocks)] {
                let bytes = blocks.saturating_mul(disk.f_frsize);
                room.get_or_create(&of).set(bytes.try_into().unwrap_or(i64::MAX));
            }
        }
        registry.register_with_unit(
            "disk_free",
            "Room that is left on the disk of a data directory",
            Unit::Bytes,
            free,
        );
        registry.register_with_unit(
            "disk_size",
            "Room that there is on the disk of a data directory",
            Unit::Bytes,
            size,
        );
        registry.register("consumer_lag", "Offsets that a group has still to read", lag);
        if let Some((census, _)) = counts {
            count(&mut registry, census);
        }
        let (mut text, mut more) = (String::new(), String::new());
        encode(&mut text, &self.registry).expect("a string takes all");
        encode(&mut more, &registry).expect("a string takes all");
        // Each text ends with a mark of its end.
        text.truncate(text.len() - text.strip_suffix(END).map_or(0, |_| END.len()));
        text + &more
    }

    /// A request was answered.
    pub fn answered(&self, api: ApiKey, took: Duration) {
        let at = ApiKey::ALL.binary_search(&api).expect("every API is in the list");
        self.requests[at].observe(took.as_secs_f64());
    }

    /// A connection was accepted.
    pub fn connected(&self) {
        self.connections.inc();
    }

    /// A connection was beyond a limit.
    pub fn connection_refused(&self) {
        self.refused.inc();
    }

    /// A connection ended.
    pub fn disconnected(&self, peer: &str, end: &End) {
        self.connections.dec();
        self.closed.get_or_create(&Why { reason: reason_of(end) }).inc();
        match end {
            End::Closed(reason @ Reason::Unencodable { .. }) => error!(target: "ottla::net", "{peer}: {reason}"),
            End::Closed(Reason::Idle) | End::Hangup => debug!(target: "ottla::net", "{peer}: closed"),
            End::Closed(reason) => info!(target: "ottla::net", "{peer} closed: {reason}"),
            End::Overload => warn!(target: "ottla::net", "{peer} closed: the memory for requests is used up"),
            End::Broken(fault) => debug!(target: "ottla::net", "{peer} gone: {fault}"),
            End::Peer => debug!(target: "ottla::net", "{peer} gone"),
        }
    }

    /// Bytes came from a socket.
    pub fn received(&self, bytes: usize) {
        self.received_bytes.inc_by(bytes as u64);
    }

    /// Bytes went to a socket.
    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
    }

    /// This much is held for connections now, and so many of their requests wait to be taken up.
    pub fn held(&self, bytes: usize, waiting: usize) {
        self.held_bytes.set(bytes as i64);
        self.waiting.set(waiting as i64);
    }

    /// A connection is not read from until fewer requests wait.
    pub fn muted(&self) {
        self.muted.inc();
    }

    /// A request of our own is made.
    pub fn called(&self, api: ApiKey) {
        self.calls.get_or_create(&Api { api: api.facts().name }).inc();
    }

    /// A request of our own brought no answer.
    pub fn call_lost(&self, api: ApiKey, lost: Lost) {
        let how = match lost {
            Lost::NotSent => "not_sent",
            Lost::Unknown => "unknown",
        };
        self.calls_lost.get_or_create(&LostCall { api: api.facts().name, how }).inc();
    }

    /// A flush or a durable write took this long.
    pub fn flushed(&self, took: Duration) {
        self.flush.observe(took.as_secs_f64());
    }

    /// Bytes came from the disk.
    pub fn disk_read(&self, bytes: usize) {
        self.disk_read_bytes.inc_by(bytes as u64);
    }

    /// Bytes went to the disk.
    pub fn disk_written(&self, bytes: usize) {
        self.disk_written_bytes.inc_by(bytes as u64);
    }

    /// The node took this many inputs.
    pub fn stepped(&self, inputs: u64) {
        self.steps.inc_by(inputs);
    }

    /// Something happened that people may want to know. `name_of` tells what people call a log.
    pub fn note(&self, note: &Note, name_of: &dyn Fn(LogId) -> String) {
        self.turns.note(note);
        let mut teller = self.teller();
        teller.note(note, name_of);
        self.logs.set(teller.leading() as i64);
        self.logs_offline.set(teller.offline() as i64);
    }

    /// About a second has passed, and the metadata quorum looks like this.
    pub fn look(&self, now: Mono, sight: Sight) {
        self.teller().look(now, sight);
    }

    /// The disk is like this now, and so many appends were ever refused for want of room.
    pub fn disk_is(&self, now: Mono, disk: DiskState, refused: u64) {
        self.teller().disk(now, disk, refused);
    }

    /// How many logs can be neither read nor written.
    pub fn offline(&self) -> usize {
        self.teller().offline()
    }

    fn teller(&self) -> MutexGuard<'_, Teller> {
        // What was said already is whole whoever panicked.
        self.teller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn register(&self, r: &mut Registry) {
        r.register("elections", "How often this broker began to lead a partition", self.elections.clone());
        r.register(
            "isr_shrinks",
            "How often a replica of what this broker leads fell out of sync",
            self.isr_shrinks.clone(),
        );
        r.register("isr_expands", "How often one came into sync", self.isr_expands.clone());
    }

    fn note(&self, note: &Note) {
        if let Note::Leading { .. } = note {
            self.elections.inc();
        }
        if let Note::IsrChanged { joined, left, .. } = note {
            self.isr_expands.inc_by(joined.len() as u64);
            self.isr_shrinks.inc_by(left.len() as u64);
        }
    }
}

/// What a node counted, as gauges. What only an active controller knows is 0 elsewhere, so that the sum over all nodes is right.
fn count(r: &mut Registry, census: &Census) {
    let Census { held, is_fenced, reign, quorum } = census;
    let all = reign.unwrap_or_default();
    let gauges = [
        ("controller", "1 where the active controller is", i64::from(reign.is_some())),
        ("controller_partitions", "Partitions of the cluster, as its controller counts", size(all.partitions)),
        ("controller_partitions_leaderless", "Of these, those that nobody leads", size(all.leaderless)),
        ("controller_brokers_active", "Brokers that the controller lets lead", size(all.active)),
        ("controller_brokers_fenced", "Brokers that it does not let lead", size(all.fenced)),
        ("fenced", "1 while the controller does not let this broker lead", i64::from(*is_fenced)),
        ("replicas", "Replicas that this broker holds", size(held.replicas)),
        ("replicas_led", "Of these, those that lead their partitions", size(held.led)),
        ("under_replicated", "Partitions led here that lack an in-sync replica", size(held.under_replicated)),
        ("under_min_isr", "Partitions led here that take no acks=all", size(held.under_min_isr)),
        ("at_min_isr", "Those that would take none with one in-sync replica less", size(held.at_min_isr)),
        ("quorum_term", "Term of the metadata quorum", i64::from(quorum.term.0)),
        ("quorum_leader", "Who leads it, -1 if nobody is known", quorum.leader.map_or(-1, |leader| leader.0.into())),
        ("quorum_high_watermark", "So far the metadata log is committed", quorum.high_watermark.0),
        ("quorum_log_end", "So far the metadata log reaches", quorum.end.0),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        r.register(name, help, gauge);
    }
}

fn size(count: usize) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn reason_of(end: &End) -> &'static str {
    match end {
        End::Peer => "peer",
        End::Broken(_) => "broken",
        End::Hangup => "hangup",
        End::Overload => "overload",
        End::Closed(reason) => match reason {
            Reason::FrameLength(_) => "frame_length",
            Reason::OtherListener { .. } => "other_listener",
            Reason::UnsupportedVersion { .. } => "unsupported_version",
            Reason::Malformed { .. } => "malformed",
            Reason::Idle => "idle",
            Reason::Unencodable { .. } => "unencodable",
        },
    }
}

/// 10 µs to 10 s and a bit.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(1e-5, 2.0, 21))
}

/// From the second number of `/proc/self/statm`, which counts pages; 0 where there is no such file.
fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    pages.unwrap_or(0) * i64::try_from(rustix::param::page_size()).unwrap_or(0)
}

const END: &str = "# EOF\n";

#[cfg(test)]
#[path = "telemetry_test.rs"]
mod telemetry_test;
