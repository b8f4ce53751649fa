//! What a run says: a line for each event if anybody listens, its fingerprint in any case, and how it ended.

use crate::clock::At;
use crate::model::Finding;
use ottla_core::boundary::Digest;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

/// An event for people.
pub struct Line {
    /// When.
    pub at: At,
    /// Who says it, or to whom it happened.
    pub who: String,
    /// What.
    pub what: String,
}

/// Where events are told.
#[derive(Default)]
pub struct Trace {
    digest: Digest,
    lines: Option<Vec<Line>>,
    events: u64,
}

impl Trace {
    /// A trace that keeps its lines, or only their fingerprint.
    pub fn new(keeps_lines: bool) -> Self {
        Self { digest: Digest::default(), lines: keeps_lines.then(Vec::new), events: 0 }
    }

    /// Something happened: facts for the fingerprint, and a line for people.
    pub fn event(&mut self, at: At, facts: impl Hash, line: impl FnOnce() -> (String, String)) {
        self.events += 1;
        (at.0, facts).hash(&mut self.digest);
        if let Some(lines) = &mut self.lines {
            let (who, what) = line();
            lines.push(Line { at, who, what });
        }
    }

    /// A line for people alone.
    pub fn line(&mut self, at: At, who: &str, what: &str) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, who: who.to_owned(), what: what.to_owned() });
        }
    }

    /// Whether anybody listens.
    pub fn keeps_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The fingerprint so far.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The lines so far, if any are kept.
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, who, what } = self;
        write!(f, "{at}  {who:<16}  {what}")
    }
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Equal for equal runs.
    pub digest: u64,
    /// How many events it had.
    pub events: u64,
    /// World time that passed.
    pub length: At,
    /// What must not be, if anything.
    pub finding: Option<Finding>,
    /// The finding was made by an assertion inside the code under test, not by an oracle outside it.
    pub from_inside: bool,
    /// What was reached.
    pub marks: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// The end of a run for people.
    pub fn summary(&self) -> String {
        let mut text = format!("seed {} ended at {} after {} events\n", self.seed, self.length, self.events);
        for (mark, times) in &self.marks {
            let _ = writeln!(text, "  {times:>9}  {mark}");
        }
        match &self.finding {
            Some(finding) => {
                let side = if self.from_inside { " (asserted inside)" } else { "" };
                let _ = writeln!(text, "FOUND {}{side}: {}", finding.oracle, finding.text);
            }
            None => text.push_str("nothing was found\n"),
        }
        let _ = writeln!(text, "digest {:016x}", self.digest);
        text
    }
}
