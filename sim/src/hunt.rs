//! A hunt: seeds one behind the other until an oracle complains, and what many hunts come to. A ledger keeps them, so that a
//! campaign that was broken off goes on where it was.

use crate::fleet::{Fleet, cpu};
use crate::report::Outcome;
use ottla_core::plant::Bug;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Seeds run one behind the other until an oracle complained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hunt {
    /// How many seeds it took; none if they were not enough.
    pub seeds: Option<u64>,
    /// The oracle that saw it.
    pub oracle: String,
    /// Seeds before that in which only an assertion inside the core fired, which does not count.
    pub inside: u64,
    /// CPU time until then.
    pub cpu: Duration,
}

/// How far a campaign goes.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// The most seeds for each bug, world and campaign.
    pub seeds_max: u64,
    /// How many campaigns there are, each with seeds of its own. A world that sees nothing in the first is not asked again.
    pub campaigns: u64,
    /// Where the outcome of each hunt is kept: what these very sources have hunted before is not hunted again.
    pub ledger: Option<&'a Path>,
    /// Threads, each with whole seeds.
    pub threads: usize,
    /// One world that finds a bug is enough.
    pub is_quick: bool,
    /// Only this bug.
    pub only: Option<Bug>,
}

/// One hunt for each campaign; no more than one where that finds nothing.
pub fn hunts(effort: Effort<'_>, what: &str, play: &(impl Fn(u64) -> Outcome + Sync)) -> Vec<Hunt> {
    let mut hunts: Vec<Hunt> = Vec::new();
    for number in 0..effort.campaigns {
        let key = format!("{TREE} {what}, campaign {number}, {} seeds: ", effort.seeds_max);
        let known = effort.ledger.and_then(|path| known(path, &key));
        let hunt = known.unwrap_or_else(|| {
            let hunt = hunt(effort, number * STRIDE, play);
            if let Some(path) = effort.ledger {
                keep(path, &format!("{key}{}\n", hunt.line()));
            }
            hunt
        });
        hunts.push(hunt);
        if hunts[0].seeds.is_none() {
            break;
        }
    }
    hunts
}

/// What the ledger has under this key.
fn known(path: &Path, key: &str) -> Option<Hunt> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)).and_then(Hunt::read)
}

fn keep(path: &Path, line: &str) {
    let open = OpenOptions::new().create(true).append(true).open(path);
    if let Err(fault) = open.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("{}: {fault}", path.display());
    }
}

impl Hunt {
    fn line(&self) -> String {
        let seeds = self.seeds.map_or("-".to_owned(), |seeds| seeds.to_string());
        format!("{seeds};{};{};{}", self.inside, self.cpu.as_micros(), self.oracle)
    }

    fn read(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ';');
        let (seeds, inside, micros) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let seeds = if seeds == "-" { None } else { Some(seeds.parse().ok()?) };
        Some(Self { seeds, inside, cpu: Duration::from_micros(micros), oracle: parts.next()?.to_owned() })
    }
}

fn hunt(effort: Effort<'_>, first: u64, play: &(impl Fn(u64) -> Outcome + Sync)) -> Hunt {
    let (began, inside) = (cpu(), AtomicU64::new(0));
    let fleet = Fleet::sail(first..first + effort.seeds_max, effort.threads, 1, |seed| {
        let mut outcome = play(seed);
        if outcome.from_inside {
            inside.fetch_add(1, Ordering::Relaxed);
            outcome.finding = None;
        }
        outcome
    });
    let found = fleet.findings.first();
    Hunt {
        seeds: found.map(|outcome| outcome.seed + 1 - first),
        oracle: found.and_then(|outcome| outcome.finding.as_ref()).map_or("", |finding| finding.oracle).to_owned(),
        inside: inside.into_inner(),
        cpu: cpu().saturating_sub(began),
    }
}

/// Seeds, who saw it, and CPU seconds of the campaigns in one world: median and worst where there are several.
pub fn cells(hunts: &[Hunt]) -> String {
    if hunts.is_empty() {
        return "– | – | –".to_owned();
    }
    let inside: u64 = hunts.iter().map(|hunt| hunt.inside).sum();
    let inside = if inside == 0 { String::new() } else { format!(" ({inside} asserted)") };
    let mut oracles: BTreeMap<&str, usize> = BTreeMap::new();
    hunts.iter().filter(|hunt| hunt.seeds.is_some()).for_each(|hunt| *oracles.entry(&hunt.oracle).or_default() += 1);
    let oracle = oracles.into_iter().max_by_key(|(_, times)| *times).map_or("", |(oracle, _)| oracle);
    // Whoever was not found counts as longer than all others.
    let mut seeds: Vec<u64> = hunts.iter().map(|hunt| hunt.seeds.unwrap_or(u64::MAX)).collect();
    let mut cpu: Vec<Duration> = hunts.iter().map(|hunt| hunt.cpu).collect();
    seeds.sort_unstable();
    cpu.sort_unstable();
    let seeds = middle_and_last(&seeds, |seeds| match *seeds {
        u64::MAX => "not found".to_owned(),
        seeds => seeds.to_string(),
    });
    format!("{seeds}{inside} | {oracle} | {}", middle_and_last(&cpu, |cpu| format!("{:.1}", cpu.as_secs_f64())))
}

/// Of sorted values the one in the middle and the last; one alone stands for itself.
fn middle_and_last<T>(sorted: &[T], tell: impl Fn(&T) -> String) -> String {
    match sorted {
        [] => String::new(),
        [only] => tell(only),
        [.., last] => format!("{} / {}", tell(&sorted[(sorted.len() - 1) / 2]), tell(last)),
    }
}

/// The seeds of campaigns begin so far apart.
const STRIDE: u64 = 1_000_000;
/// The fingerprint of the sources that are hunted in.
const TREE: &str = env!("OTTLA_SOURCES");

#[cfg(test)]
#[path = "hunt_test.rs"]
mod hunt_test;
