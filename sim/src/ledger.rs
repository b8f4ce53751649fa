//! What was run: a line for each range of seeds that came to its end, and the table of them for people.

use crate::fleet::Fleet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// A range of seeds.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Entry {
    /// The fingerprint of the sources that the simulator was built from.
    pub sources: String,
    /// The commit that brought these sources; empty if they were not committed.
    pub commit: String,
    /// The flags that say what a seed was the seed of.
    pub what: String,
    /// The range.
    pub range: Range<u64>,
    /// Whether nothing was found, and enough reached.
    pub is_well: bool,
    /// Those that were run: a finding ends a range.
    pub seeds: u64,
    /// Those of them that found something.
    pub findings: Vec<u64>,
    /// Events.
    pub events: u64,
    /// World time.
    pub world_seconds: f64,
    /// Time of CPU.
    pub cpu_seconds: f64,
    /// What was reached, and how often.
    pub marks: BTreeMap<String, u64>,
}

impl Entry {
    /// What these very sources made of a range.
    pub fn of(what: String, range: Range<u64>, fleet: &Fleet, is_well: bool, cpu: Duration) -> Self {
        Self {
            sources: SOURCES.to_owned(),
            commit: COMMIT.to_owned(),
            what,
            range,
            is_well,
            seeds: fleet.seeds,
            findings: fleet.findings.iter().map(|outcome| outcome.seed).collect(),
            events: fleet.events,
            world_seconds: fleet.world_ns as f64 / 1e9,
            cpu_seconds: cpu.as_secs_f64(),
            marks: fleet.marks.iter().map(|(mark, times)| ((*mark).to_owned(), *times)).collect(),
        }
    }

    /// Writes it behind all others of a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn enter(&self, path: &Path) -> io::Result<()> {
        let line = serde_json::to_string(self).map_err(io::Error::other)?;
        OpenOptions::new().create(true).append(true).open(path)?.write_all(format!("{line}\n").as_bytes())
    }

    /// What these very sources made of this range before, if they did.
    pub fn known(path: &Path, what: &str, range: &Range<u64>) -> Option<Self> {
        let is_it = |entry: &Self| entry.sources == SOURCES && entry.what == what && entry.range == *range;
        read(path).ok()?.into_iter().find(is_it)
    }

    fn add(&mut self, other: &Self) {
        self.is_well &= other.is_well;
        self.seeds += other.seeds;
        self.findings.extend(&other.findings);
        self.events += other.events;
        self.world_seconds += other.world_seconds;
        self.cpu_seconds += other.cpu_seconds;
        other.marks.iter().for_each(|(mark, times)| *self.marks.entry(mark.clone()).or_default() += times);
    }
}

/// Every range of a ledger. Lines that are none are those of other ledgers.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    Ok(fs::read_to_string(path)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// What the same sources ran with the same flags, together, in the order in which the first of it was entered.
pub fn campaigns(entries: &[Entry]) -> Vec<(Vec<Range<u64>>, Entry)> {
    let mut campaigns: Vec<(Vec<Range<u64>>, Entry)> = Vec::new();
    for entry in entries {
        match campaigns.iter_mut().find(|(_, one)| one.sources == entry.sources && one.what == entry.what) {
            Some((ranges, one)) => {
                ranges.push(entry.range.clone());
                one.add(entry);
            }
            None => campaigns.push((vec![entry.range.clone()], entry.clone())),
        }
    }
    campaigns.iter_mut().for_each(|(ranges, _)| *ranges = joined(std::mem::take(ranges)));
    campaigns
}

/// The table for people.
pub fn table(campaigns: &[(Vec<Range<u64>>, Entry)]) -> String {
    let mut text = String::from(
        "| sources | what | from seeds | seeds run | simulated hours | CPU hours | events | found something |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (ranges, one) in campaigns {
        let ranges: Vec<String> = ranges.iter().map(|range| format!("{}..{}", range.start, range.end)).collect();
        let _ = writeln!(
            text,
            "| {} ({}) | `{}` | {} | {} | {:.1} | {:.2} | {} million | {} |",
            one.sources,
            if one.commit.is_empty() { "not committed" } else { &one.commit },
            one.what,
            ranges.join(", "),
            one.seeds,
            one.world_seconds / 3_600.0,
            one.cpu_seconds / 3_600.0,
            (one.events + 500_000) / 1_000_000,
            found(&one.findings),
        );
    }
    text
}

/// What was reached by all of them together.
pub fn reached(campaigns: &[(Vec<Range<u64>>, Entry)]) -> String {
    let mut text = String::new();
    for (_, one) in campaigns {
        let _ = writeln!(text, "{} of {}:", one.what, one.sources);
        for (mark, times) in &one.marks {
            let _ = writeln!(text, "  {times:>11}  {mark}");
        }
    }
    text
}

/// Puts a text between the two marks of this name in a file.
///
/// # Errors
/// The file cannot be read or written, or has no such marks.
pub fn put(path: &Path, name: &str, text: &str) -> io::Result<()> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let whole = fs::read_to_string(path)?;
    let missing = || io::Error::other(format!("{} lacks the marks {begin} and {end}", path.display()));
    let (before, rest) = whole.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(path, format!("{before}{begin}\n{text}{end}{after}"))
}

fn found(seeds: &[u64]) -> String {
    if seeds.is_empty() {
        return "none".to_owned();
    }
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// Ranges in order; those that touch are one.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => joined.push(range),
        }
    }
    joined
}

const SOURCES: &str = env!("OTTLA_SOURCES");
const COMMIT: &str = env!("OTTLA_COMMIT");

#[cfg(test)]
#[path = "ledger_test.rs"]
mod ledger_test;
