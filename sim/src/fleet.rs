//! Many seeds, one behind the other on each thread: what they found, what they reached, and how fast they were.

use crate::report::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What must be reached in every thousand seeds, or the fleet proves nothing. About a third of what is usual.
pub const FLOORS: [(&str, u64); 28] = [
    ("acked batches", 200_000),
    ("records read", 2_000_000),
    ("partitions read whole", 5_000),
    ("power losses", 1_000),
    ("power losses that dropped an unsynced sector", 200),
    ("power losses that dropped a name", 40),
    ("power losses before the last look", 250),
    ("power losses of relaxed brokers", 20),
    ("relaxed partitions that lost acknowledged records", 20),
    ("appends past the journal", 200),
    ("torn writes", 20),
    ("kills", 800),
    ("clean stops", 300),
    ("probes", 1_000),
    ("rot met", 60),
    ("failed reads", 60),
    ("failed writes", 60),
    ("failed syncs", 60),
    ("writes without room", 60),
    ("offsets out of range", 1_000),
    ("records deleted", 500),
    ("client time-outs", 200),
    ("produce retried", 20),
    ("incremental fetches", 10_000),
    ("offsets committed", 10_000),
    ("committed offsets read", 1_000),
    ("assignments", 1_000),
    ("members forgotten", 100),
];

/// The same for the store alone.
pub const STORE_FLOORS: [(&str, u64); 9] = [
    ("actions", 100_000),
    ("appends past the journal", 2_000),
    ("reads", 30_000),
    ("kills", 800),
    ("power losses", 1_600),
    ("power losses that dropped an unsynced sector", 800),
    ("torn writes", 300),
    ("failed syncs", 60),
    ("writes without room", 200),
];

/// The same for clusters. What few of them have is asked of no fewer than 63: chance would miss it in the gate.
pub const CLUSTER_FLOORS: [(&str, u64); 35] = [
    ("acked batches", 200_000),
    ("records read", 2_000_000),
    ("partitions read whole", 4_000),
    ("power losses", 2_000),
    ("power losses that dropped an unsynced sector", 200),
    ("kills", 2_000),
    ("clean stops", 800),
    ("probes", 2_000),
    ("networks cut", 1_500),
    ("calls answered", 100_000),
    ("calls lost", 50_000),
    ("metadata compared", 15_000),
    ("replicas compared", 600),
    ("blackouts", 250),
    ("controllers elected", 1_500),
    ("reigns begun", 15_000),
    ("logs cut back", 1_000),
    ("proposals lost", 1_500),
    ("leaders short of replicas seen", 600),
    ("partitions with eligible leaders seen", 100_000),
    ("partitions moved", 1_500),
    ("preferred leaders elected", 200),
    ("chains: two stand in one term", 16),
    ("chains: a leader of the past", 16),
    ("chains: a voter that loses what it has", 16),
    ("leaders of the past lead again", 8),
    ("moves between directories", 400),
    ("moves cut by the end of a process", 20),
    ("directories lost, of several", 15),
    ("settings altered", 3_000),
    ("brokers unregistered", 16),
    ("unclean leaders seen", 10_000),
    ("topics deleted", 500),
    ("batches of recycled topics", 1_000),
    ("records of recycled topics that name theirs", 100),
];

/// What a fleet has to say.
#[derive(Default)]
pub struct Fleet {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those that found something, in the order of their seeds.
    pub findings: Vec<Outcome>,
    /// What was reached by all of them together.
    pub marks: BTreeMap<&'static str, u64>,
    /// World time of all of them together, in nanoseconds.
    pub world_ns: u128,
    /// Events of all of them together.
    pub events: u64,
}

impl Fleet {
    /// Plays the seeds on so many threads; stops early once `findings_max` have found something.
    pub fn sail(seeds: Range<u64>, threads: usize, findings_max: usize, play: impl Fn(u64) -> Outcome + Sync) -> Self {
        let next = AtomicU64::new(seeds.start);
        let enough = AtomicBool::new(false);
        let fleet = Mutex::new(Self::default());
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || enough.load(Ordering::Relaxed) {
                            return;
                        }
                        let outcome = play(seed);
                        let mut fleet = fleet.lock().expect("no thread dies with it");
                        fleet.add(outcome);
                        enough.store(fleet.findings.len() >= findings_max, Ordering::Relaxed);
                    }
                });
            }
        });
        let mut fleet = fleet.into_inner().expect("all threads have ended");
        fleet.findings.sort_by_key(|outcome| outcome.seed);
        fleet
    }

    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.world_ns += u128::from(outcome.length.0);
        self.events += outcome.events;
        for (mark, times) in &outcome.marks {
            *self.marks.entry(mark).or_default() += times;
        }
        if outcome.finding.is_some() {
            self.findings.push(outcome);
        }
    }

    /// Floors that so many seeds should have reached and did not.
    pub fn shortfalls(&self, floors: &[(&str, u64)]) -> Vec<String> {
        let short = floors.iter().filter_map(|(mark, floor)| {
            let reached = self.marks.get(mark).copied().unwrap_or(0);
            let wanted = floor * self.seeds / 1_000;
            (reached < wanted).then(|| format!("{mark}: {reached} of {wanted}"))
        });
        short.collect()
    }

    /// The end of a fleet for people.
    pub fn summary(&self, cpu: Duration) -> String {
        let mut text = String::new();
        for (mark, times) in &self.marks {
            let _ = writeln!(text, "  {times:>11}  {mark}");
        }
        let world = self.world_ns as f64 / 1e9;
        let speed = world / cpu.as_secs_f64().max(1e-9);
        let _ = writeln!(
            text,
            "{} seeds, {} events, {} in {:.1} s of CPU: {speed:.0} simulated seconds a second",
            self.seeds,
            self.events,
            simulated(world),
            cpu.as_secs_f64(),
        );
        text
    }
}

/// Seconds in the unit that people would use.
fn simulated(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.1} simulated seconds")
    } else if seconds < 7_200.0 {
        format!("{:.1} simulated minutes", seconds / 60.0)
    } else {
        format!("{:.1} simulated hours", seconds / 3_600.0)
    }
}

/// CPU time of this process so far; zero where the system does not say.
pub fn cpu() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

#[cfg(test)]
#[path = "fleet_test.rs"]
mod fleet_test;
