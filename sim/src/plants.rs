//! The campaign of planted bugs: how many seeds it takes until an oracle outside the core sees each of them.

use crate::fleet::{Fleet, cpu};
use crate::plan::Cut;
use crate::report::Outcome;
use crate::{run, solo};
use ottla_core::plant::{Bug, plant};
use std::fmt;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What became of one planted bug.
pub struct Row {
    /// Its name.
    pub bug: String,
    /// Which world found it: whole brokers, or the store alone.
    pub world: &'static str,
    /// How many seeds it took; none if they were not enough.
    pub seeds: Option<u64>,
    /// The oracle that saw it.
    pub oracle: &'static str,
    /// Seeds before that in which only an assertion inside the core fired, which does not count.
    pub inside: u64,
    /// CPU time until then.
    pub cpu: Duration,
}

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
}

/// Plants every bug in turn, and the canary last. `tell` hears of each as it is done.
pub fn campaign(seeds_max: u64, threads: usize, tell: impl Fn(&Row)) -> Vec<Row> {
    let mut rows = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        let mut row =
            hunt(format!("{bug:?}"), "broker", seeds_max, threads, |seed| run::run(seed, &Cut::default(), false).0);
        if row.seeds.is_none() {
            let alone = hunt(format!("{bug:?}"), "store", seeds_max, threads, |seed| solo::run(seed, false).0);
            row = Row { inside: row.inside + alone.inside, cpu: row.cpu + alone.cpu, ..alone };
        }
        tell(&row);
        rows.push(row);
    }
    plant(None);
    let liar = Cut { liar: true, ..Cut::default() };
    let row = hunt("a disk that lies".to_owned(), "broker", seeds_max, threads, |seed| run::run(seed, &liar, false).0);
    tell(&row);
    rows.push(row);
    rows
}

fn hunt(bug: String, world: &'static str, seeds_max: u64, threads: usize, play: impl Fn(u64) -> Outcome + Sync) -> Row {
    let (began, inside) = (cpu(), AtomicU64::new(0));
    let fleet = Fleet::sail(0..seeds_max, threads, 1, |seed| {
        let mut outcome = play(seed);
        if outcome.from_inside {
            inside.fetch_add(1, Ordering::Relaxed);
            outcome.finding = None;
        }
        outcome
    });
    let found = fleet.findings.first();
    Row {
        bug,
        world,
        seeds: found.map(|outcome| outcome.seed + 1),
        oracle: found.and_then(|outcome| outcome.finding.as_ref()).map_or("", |finding| finding.oracle),
        inside: inside.into_inner(),
        cpu: cpu().saturating_sub(began),
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bug, world, seeds, oracle, inside, cpu } = self;
        let seeds = seeds.map_or("not found".to_owned(), |seeds| seeds.to_string());
        write!(f, "| {bug} | {world} | {seeds} | {oracle} | {inside} | {:.1} |", cpu.as_secs_f64())
    }
}

/// The table for people.
pub fn table(rows: &[Row], seeds_max: u64) -> String {
    let mut text = String::from(
        "| planted | world | seeds | seen by | asserted inside before | CPU s |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    let _ = writeln!(text, "\nAt most {seeds_max} seeds each, from 0 on.");
    text
}

/// Puts the table between the two marks of a file.
pub fn write(path: &Path, table: &str) -> std::io::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let missing = || std::io::Error::other(format!("{} lacks the marks {BEGIN} and {END}", path.display()));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    std::fs::write(path, format!("{before}{BEGIN}\n{table}{END}{after}"))
}

const BEGIN: &str = "<!-- planted: begin -->";
const END: &str = "<!-- planted: end -->";
