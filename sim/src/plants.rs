//! The campaign of planted bugs: how many seeds it takes until an oracle outside the core sees each of them.

use crate::chain::Chain;
use crate::fleet::{Fleet, cpu};
use crate::plan::Cut;
use crate::report::Outcome;
use crate::{run, solo, voters};
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
    /// Where Kafka had it, or what of Raft it is against.
    pub history: &'static str,
    /// Which table it belongs to.
    pub kind: Kind,
    /// A hunt for each world of that table; none where another was enough.
    pub hunts: Vec<Option<Hunt>>,
}

/// The tables: bugs of one kind are hunted in the same worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Of one broker and its store.
    Broker,
    /// Of replication.
    Replication,
    /// Of the metadata quorum.
    Quorum,
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
    /// Only this bug.
    pub only: Option<Bug>,
}

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    let all = Bug::ALL.into_iter().chain(Bug::OF_REPLICATION).chain(Bug::OF_QUORUM);
    all.into_iter().find(|bug| format!("{bug:?}") == name)
}

/// Plants every bug in turn, and then gives a sound store a disk that lies. `tell` hears of each as it is done.
pub fn campaign(effort: Effort, tell: impl Fn(&Row)) -> Vec<Row> {
    let of = |kind: Kind, bugs: &[Bug]| bugs.iter().map(move |bug| (kind, *bug)).collect::<Vec<_>>();
    let mut bugs = of(Kind::Broker, &Bug::ALL);
    bugs.extend(of(Kind::Replication, &Bug::OF_REPLICATION));
    bugs.extend(of(Kind::Quorum, &Bug::OF_QUORUM));
    let mut rows = Vec::new();
    for (kind, bug) in bugs.into_iter().filter(|(_, bug)| effort.only.is_none_or(|only| only == *bug)) {
        plant(Some(bug));
        let row = Row {
            name: format!("{bug:?}"),
            breaks: bug.breaks(),
            history: bug.history(),
            kind,
            hunts: kind.hunts(bug, effort),
        };
        tell(&row);
        rows.push(row);
    }
    plant(None);
    if effort.only.is_none() {
        let liar = Cut { liar: true, ..Cut::default() };
        let row = Row {
            name: "(none: the disk lies)".to_owned(),
            breaks: "a flush reaches the device",
            history: "",
            kind: Kind::Broker,
            hunts: vec![None, Some(hunt(effort, |seed| run::run(seed, &liar, false).0))],
        };
        tell(&row);
        rows.push(row);
    }
    rows
}

/// A world in which a bug may be seen.
#[derive(Clone, Copy)]
enum Where {
    Store,
    Broker,
    Cluster,
    Voters,
}

impl Kind {
    /// The worlds, the quickest first.
    fn worlds(self) -> &'static [Where] {
        match self {
            Self::Broker => &[Where::Store, Where::Broker],
            Self::Replication => &[Where::Cluster],
            Self::Quorum => &[Where::Voters, Where::Cluster],
        }
    }

    fn hunts(self, bug: Bug, effort: Effort) -> Vec<Option<Hunt>> {
        let mut hunts: Vec<Option<Hunt>> = Vec::new();
        for world in self.worlds() {
            let is_enough = effort.is_quick && hunts.iter().flatten().any(|hunt: &Hunt| hunt.seeds.is_some());
            hunts.push((!is_enough).then(|| world.hunt(bug, effort)));
        }
        hunts
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Broker => "planted in brokers",
            Self::Replication => "planted in replication",
            Self::Quorum => "planted in the quorum",
        }
    }
}

impl Where {
    fn hunt(self, bug: Bug, effort: Effort) -> Hunt {
        let chain = AIMS.into_iter().find(|(aim, _)| *aim == bug).map(|(_, chain)| chain);
        let cluster = Cut { cluster: true, chain, ..Cut::default() };
        match self {
            Self::Store => hunt(effort, |seed| solo::run(seed, false).0),
            Self::Broker => hunt(effort, |seed| run::run(seed, &Cut::default(), false).0),
            Self::Cluster => hunt(effort, |seed| run::run(seed, &cluster, false).0),
            Self::Voters => hunt(Effort { seeds_max: effort.seeds_max * VOTERS_MORE, ..effort }, voters::run),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Store => "store alone",
            Self::Broker => "whole brokers",
            Self::Cluster => "clusters",
            Self::Voters => "voters alone",
        }
    }
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
        self.hunts.iter().flatten().any(|hunt| hunt.seeds.is_some())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.name, self.breaks)?;
        if self.kind != Kind::Broker {
            write!(f, " {} |", self.history)?;
        }
        for hunt in &self.hunts {
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
    let mut text = String::new();
    for kind in [Kind::Broker, Kind::Replication, Kind::Quorum] {
        let mut rows = rows.iter().filter(|row| row.kind == kind).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let (history, line) = if kind == Kind::Broker { ("", "") } else { (" where it comes from |", "---|") };
        let _ = write!(text, "| {} | the promise it breaks |{history}", kind.heading());
        for world in kind.worlds() {
            let _ = write!(text, " {}: seeds | seen by | CPU s |", world.name());
        }
        let _ = writeln!(text, "\n|---|---|{line}{}", "---|---|---|".repeat(kind.worlds().len()));
        for row in rows {
            let _ = writeln!(text, "{row}");
        }
        text.push('\n');
    }
    let more = seeds_max * VOTERS_MORE;
    let _ = writeln!(text, "At most {seeds_max} seeds for each bug and world, of voters alone {more}, from 0 on.");
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

/// Bugs whose state is so rare that the clusters in which they are hunted have many chains that bring it about.
const AIMS: [(Bug, Chain); 4] = [
    (Bug::EpochsNotCompared, Chain::Overtaken),
    (Bug::GrowthCountsLate, Chain::Deaf),
    (Bug::ShrinkCountsEarly, Chain::Island),
    (Bug::GrowthIgnoresReign, Chain::Relay),
];
/// A history of voters alone is so much shorter than one of whole machines.
const VOTERS_MORE: u64 = 10;
const BEGIN: &str = "<!-- planted: begin -->";
const END: &str = "<!-- planted: end -->";
