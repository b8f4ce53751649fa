//! The campaigns of planted bugs: how many seeds it takes until an oracle outside the core sees each of them.

use crate::chain::Chain;
use crate::cut::Cut;
use crate::hunt::{Effort, Hunt, cells, hunts};
use crate::{run, solo, voters};
use ottla_core::plant::{Bug, plant};
use std::fmt::{self, Write};

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
    /// For each world of that table a hunt for each campaign; none where another world was enough.
    pub hunts: Vec<Vec<Hunt>>,
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

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    let all = Bug::ALL.into_iter().chain(Bug::OF_REPLICATION).chain(Bug::OF_QUORUM);
    all.into_iter().find(|bug| format!("{bug:?}") == name)
}

/// Plants every bug in turn, and then gives a sound store a disk that lies. `tell` hears of each as it is done.
pub fn campaign(effort: Effort<'_>, tell: impl Fn(&Row)) -> Vec<Row> {
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
            hunts: vec![Vec::new(), hunts(effort, "the disk lies", &|seed| run::run(seed, &liar, false).0)],
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

    fn hunts(self, bug: Bug, effort: Effort<'_>) -> Vec<Vec<Hunt>> {
        let mut hunts: Vec<Vec<Hunt>> = Vec::new();
        for world in self.worlds() {
            let is_enough = effort.is_quick && hunts.iter().flatten().any(|hunt: &Hunt| hunt.seeds.is_some());
            hunts.push(if is_enough { Vec::new() } else { world.hunts(self, bug, effort) });
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
    fn hunts(self, kind: Kind, bug: Bug, effort: Effort<'_>) -> Vec<Hunt> {
        let chain = AIMS.into_iter().find(|(aim, _)| *aim == bug).map(|(_, chain)| chain);
        let cluster = Cut { cluster: true, chain, ..Cut::default() };
        let seeds_max = match (self, kind) {
            (Self::Voters, _) => effort.seeds_max * VOTERS_MORE,
            (Self::Cluster, Kind::Quorum) => effort.seeds_max.div_ceil(CLUSTERS_FEWER),
            (Self::Store | Self::Broker | Self::Cluster, _) => effort.seeds_max,
        };
        let effort = Effort { seeds_max, ..effort };
        let what = format!("{bug:?} in {}", self.name());
        match self {
            Self::Store => hunts(effort, &what, &|seed| solo::run(seed, false).0),
            Self::Broker => hunts(effort, &what, &|seed| run::run(seed, &Cut::default(), false).0),
            Self::Cluster => hunts(effort, &what, &|seed| run::run(seed, &cluster, false).0),
            Self::Voters => hunts(effort, &what, &voters::run),
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
        self.hunts.iter().try_for_each(|hunts| write!(f, " {} |", cells(hunts)))
    }
}

/// The table for people.
pub fn table(rows: &[Row], effort: Effort<'_>) -> String {
    let Effort { seeds_max, campaigns, .. } = effort;
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
    let (more, fewer) = (seeds_max * VOTERS_MORE, seeds_max.div_ceil(CLUSTERS_FEWER));
    let _ = writeln!(
        text,
        "At most {seeds_max} seeds for each bug and world, of voters alone {more}, of clusters for the bugs of the quorum {fewer}."
    );
    if campaigns > 1 {
        let _ = writeln!(
            text,
            "Median / worst of {campaigns} campaigns, each with seeds of its own; where one number stands the first campaign found nothing,\nand there were no others."
        );
    }
    text
}

/// Bugs whose state is so rare that the clusters in which they are hunted have many chains that bring it about.
const AIMS: [(Bug, Chain); 9] = [
    (Bug::EpochsNotCompared, Chain::Overtaken),
    (Bug::GrowthCountsLate, Chain::Deaf),
    (Bug::ShrinkCountsEarly, Chain::Island),
    (Bug::GrowthIgnoresReign, Chain::Relay),
    (Bug::VoteBeforeKept, Chain::Rivals),
    (Bug::VoteForgotten, Chain::Rivals),
    (Bug::EarlierReignCommitted, Chain::Revenant),
    (Bug::TermsNotCompared, Chain::Revenant),
    (Bug::UnflushedAcknowledged, Chain::Unkept),
];
/// A history of voters alone is so much shorter than one of whole machines.
const VOTERS_MORE: u64 = 10;
/// Voters alone are the world of the bugs of the quorum; in clusters they show soon or not at all.
const CLUSTERS_FEWER: u64 = 10;
