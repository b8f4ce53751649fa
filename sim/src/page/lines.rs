//! The lines of a run beside its chart: those that people read, and the others on demand.

use super::svg::{Span, escape};
use crate::report::Line;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a line is about; the page shows and hides them by this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sort {
    /// Something strikes.
    Strike,
    /// Something is known of partitions or brokers that was not known before.
    Metadata,
    /// A fact of a node.
    Note,
    /// What a client asks and is answered.
    Client,
    /// Bytes, file operations, wakings.
    Machinery,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Strike, Self::Metadata, Self::Note, Self::Client, Self::Machinery];

    fn of(line: &Line) -> Self {
        let starts = |word: &str| line.what.starts_with(word);
        match line.who.as_str() {
            "nemesis" => Self::Strike,
            "metadata" => Self::Metadata,
            "network" => Self::Machinery,
            _ if ["File(", "Errand(", "Wake(", "LinkId("].into_iter().any(starts) => Self::Machinery,
            who if who.starts_with("node ") => Self::Note,
            _ => Self::Client,
        }
    }

    /// Its name in the page's classes.
    pub fn class(self) -> &'static str {
        match self {
            Self::Strike => "strike",
            Self::Metadata => "known",
            Self::Note => "note",
            Self::Client => "asks",
            Self::Machinery => "machinery",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strike => "strikes",
            Self::Metadata => "metadata",
            Self::Note => "notes of nodes",
            Self::Client => "clients",
            Self::Machinery => "bytes, files, wakings",
        }
    }

    /// Whether a page shows it before anybody asks.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Strike | Self::Metadata | Self::Note)
    }

    fn most(self) -> usize {
        match self {
            Self::Strike | Self::Metadata | Self::Note => 4_000,
            Self::Client | Self::Machinery => 1_500,
        }
    }
}

/// The lines of a stretch, the newest of each sort, and how many of each sort were left out.
pub fn lines(all: &[Line], span: Span) -> (String, BTreeMap<Sort, usize>) {
    let mut counts: BTreeMap<Sort, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for line in all.iter().rev().filter(|line| span.holds(line.at)) {
        let sort = Sort::of(line);
        let count = counts.entry(sort).or_default();
        *count += 1;
        if *count <= sort.most() {
            kept.push((sort, line));
        }
    }
    let mut html = String::new();
    for (sort, Line { at, who, what }) in kept.into_iter().rev() {
        let (x, class) = (span.place(*at), sort.class());
        let what: String = what.chars().take(WHAT_CHARS_MAX).collect();
        let (who, what) = (escape(who), escape(&what));
        let _ = writeln!(html, r#"<p class="l-{class}" data-x="{x:.4}"><i>{at}</i><b>{who}</b>{what}</p>"#);
    }
    let left_out = counts.into_iter().map(|(sort, count)| (sort, count.saturating_sub(sort.most())));
    (html, left_out.filter(|(_, count)| *count > 0).collect())
}

/// The most of one line that is shown.
const WHAT_CHARS_MAX: usize = 600;
