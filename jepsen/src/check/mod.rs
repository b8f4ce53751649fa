//! What a history must not show. The definitions are those of Jepsen's Kafka workload (`jepsen.tests.kafka`) where it has them;
//! since records of one operation have numbers in a row, everything is judged by runs and not by records.
//!
//! ```text
//!   history ──▶ sends (what was asked and promised) ─┐
//!           └─▶ log (what is there at the end) ──────┼──▶ lost, duplicated, invented, moved (values)
//!           └─▶ polls (what was seen) ───────────────┤──▶ reordered, skipped (order)
//!   files ──▶ replicas                               └──▶ anomalies
//! ```

mod log;
mod order;
pub mod replicas;
mod sends;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{Act, History, Type};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// It was acknowledged, or seen, and is gone.
    Lost,
    /// It is there twice.
    Duplicated,
    /// It is there, and nobody sent it there; or its bytes are others.
    Invented,
    /// It is not at the offset at which it was acknowledged, or seen.
    Moved,
    /// It stands behind what was sent later, or a reader went back.
    Reordered,
    /// A reader left offsets out, or there is a hole.
    Skipped,
    /// A client gave up on an operation.
    Fatal,
    /// The last reading did not come to its end.
    Unread,
    /// Replicas hold different bytes.
    Diverged,
    /// A broker panicked, or ended otherwise than it was told to.
    Broken,
    /// The run did not do what it was to do.
    Idle,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// What.
    pub kind: Kind,
    /// Where and how, for people.
    pub what: String,
}

/// All that is wrong, counted; of each kind the first few in words.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Findings {
    kept: Vec<Anomaly>,
    counts: BTreeMap<Kind, u64>,
}

impl Findings {
    /// One more.
    pub fn add(&mut self, kind: Kind, what: impl fmt::Display) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= KEPT_OF_A_KIND {
            self.kept.push(Anomaly { kind, what: what.to_string() });
        }
    }

    /// All of another judgement.
    pub fn merge(&mut self, other: Findings) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.kept.extend(other.kept);
    }

    /// Is nothing wrong?
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many of each kind.
    pub fn counts(&self) -> &BTreeMap<Kind, u64> {
        &self.counts
    }

    /// The first of each kind.
    pub fn kept(&self) -> &[Anomaly] {
        &self.kept
    }
}

/// Judges a history.
pub fn judge(history: &History) -> Findings {
    let mut findings = Findings::default();
    clients(history, &mut findings);
    let sends = sends::Sends::read(history, &mut findings);
    let log = log::Log::read(history, &mut findings);
    values::judge(history, (&sends, &log), &mut findings);
    order::judge(history, (&sends, &log), &mut findings);
    findings
}

/// What clients said of themselves.
fn clients(history: &History, findings: &mut Findings) {
    for event in history.events.iter().filter(|event| !event.error.is_empty()) {
        let kind = match (event.f, event.at) {
            (Act::Send | Act::Poll, Type::Ok) => Kind::Invented,
            (Act::Final, _) => Kind::Unread,
            (Act::Send | Act::Poll | Act::Kill | Act::Up | Act::Whole, _) => Kind::Fatal,
        };
        findings.add(kind, format!("{} process {}: {}", shown(event.time), event.process, event.error));
    }
}

/// A time for people.
fn shown(time: i64) -> String {
    format!("at {:.3} s", time as f64 / 1e9)
}

const KEPT_OF_A_KIND: u64 = 10;

#[cfg(test)]
#[path = "check_test.rs"]
mod check_test;
