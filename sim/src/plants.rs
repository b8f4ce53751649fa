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
    pub name: String,
    /// Which promise it breaks.
    pub breaks: &'static str,
    /// The hunt with whole brokers.
    pub broker: Option<Hunt>,
    /// The hunt with the store alone.
    pub store: Option<Hunt>,
}

/// Seeds run one behind the other until an oracle complained.
pub struct Hunt {
    /// How many seeds it took; none if they were not enough.
    pub seeds: Option<u64>,
    /// The oracle that saw it.
    pub oracle: &'static str,
    /// Seeds before that in which only an assertion inside the core fired, which does not count.
    pub inside: u64,
    /// CPU time until then.
    pub cpu: Duration,
}

/// How far a campaign goes.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The most seeds for each bug and world.
    pub seeds_max: u64,
    /// Threads, each with whole seeds.
    pub threads: usize,
    /// One world that finds a bug is enough.
    pub is_quick: bool,
}

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().chain(Bug::OF_REPLICATION).find(|bug| format!("{bug:?}") == name)
}

/// Plants every bug in turn, and then gives a sound store a disk that lies. `tell` hears of each as it is done.
pub fn campaign(effort: Effort, tell: impl Fn(&Row)) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut enter = |row: Row| {
        tell(&row);
        rows.push(row);
    };
    for bug in Bug::ALL {
        plant(Some(bug));
        let store = hunt(effort, |seed| solo::run(seed, false).0);
        let is_enough = effort.is_quick && store.seeds.is_some();
        let broker = (!is_enough).then(|| hunt(effort, |seed| run::run(seed, &Cut::default(), false).0));
        enter(Row { name: format!("{bug:?}"), breaks: bug.breaks(), broker, store: Some(store) });
    }
    plant(None);
    let liar = Cut { liar: true, ..Cut::default() };
    let broker = Some(hunt(effort, |seed| run::run(seed, &liar, false).0));
    enter(Row { name: "(none: the disk lies)".to_owned(), breaks: "a flush reaches the device", broker, store: None });
    rows
}

fn hunt(effort: Effort, play: impl Fn(u64) -> Outcome + Sync) -> Hunt {
    let (began, inside) = (cpu(), AtomicU64::new(0));
    let fleet = Fleet::sail(0..effort.seeds_max, effort.threads, 1, |seed| {
        let mut outcome = play(seed);
        if outcome.from_inside {
            inside.fetch_add(1, Ordering::Relaxed);
            outcome.finding = None;
        }
        outcome
    });
    let found = fleet.findings.first();
    Hunt {
        seeds: found.map(|outcome| outcome.seed + 1),
        oracle: found.and_then(|outcome| outcome.finding.as_ref()).map_or("", |finding| finding.oracle),
        inside: inside.into_inner(),
        cpu: cpu().saturating_sub(began),
    }
}

impl Row {
    /// Whether any world found it.
    pub fn is_found(&self) -> bool {
        [&self.broker, &self.store].into_iter().flatten().any(|hunt| hunt.seeds.is_some())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.name, self.breaks)?;
        for hunt in [&self.broker, &self.store] {
            match hunt {
                Some(Hunt { seeds, oracle, inside, cpu }) => {
                    let seeds = seeds.map_or("not found".to_owned(), |seeds| seeds.to_string());
                    let inside = if *inside == 0 { String::new() } else { format!(" ({inside} asserted)") };
                    write!(f, " {seeds}{inside} | {oracle} | {:.1} |", cpu.as_secs_f64())?;
                }
                None => f.write_str(" – | – | – |")?,
            }
        }
        Ok(())
    }
}

/// The table for people.
pub fn table(rows: &[Row], seeds_max: u64) -> String {
    let mut text = String::from(
        "| planted | the promise it breaks | whole brokers: seeds | seen by | CPU s | store alone: seeds | seen by | CPU s |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    let _ = writeln!(text, "\nAt most {seeds_max} seeds for each bug and world, from 0 on.");
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
