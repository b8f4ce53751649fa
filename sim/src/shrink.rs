//! A run that found something, made small: fewer strikes, fewer clients, an earlier end, as long as the same oracle
//! still complains.

use crate::plan::{Cut, Plan};
use crate::report::Outcome;
use crate::run::run;

/// The smallest cut that was found, its outcome, and how many runs it took.
pub struct Shrunk {
    /// What is left.
    pub cut: Cut,
    /// How it ends.
    pub outcome: Outcome,
    /// Runs that were tried.
    pub tries: usize,
}

/// Shortens a run whose outcome is a finding of this plan. Never more than `tries_max` runs.
pub fn shrink(found: &Outcome, whole: Cut, tries_max: usize) -> Shrunk {
    let plan = Plan::of(found.seed, &whole);
    let ops: Vec<usize> = plan.ops.iter().map(|(number, _)| *number).collect();
    let clients: Vec<usize> = plan.clients.iter().map(|client| client.number).collect();
    let mut search = Search { found, best: whole, outcome: found.clone(), tries: 0, tries_max };
    search.end_early();
    let kept = search.thin(ops, |cut, kept| cut.ops = Some(kept));
    search.thin(clients, |cut, kept| cut.clients = Some(kept));
    search.thin(kept, |cut, kept| cut.ops = Some(kept));
    search.end_early();
    Shrunk { cut: search.best, outcome: search.outcome, tries: search.tries }
}

struct Search<'a> {
    found: &'a Outcome,
    best: Cut,
    outcome: Outcome,
    tries: usize,
    tries_max: usize,
}

impl Search<'_> {
    /// Keeps the cut if the same oracle still complains.
    fn attempt(&mut self, cut: Cut) -> bool {
        if self.tries == self.tries_max {
            return false;
        }
        self.tries += 1;
        let (outcome, _) = run(self.found.seed, &cut, false);
        let oracle = |outcome: &Outcome| outcome.finding.as_ref().map(|finding| finding.oracle);
        if oracle(&outcome) != oracle(self.found) || outcome.from_inside != self.found.from_inside {
            return false;
        }
        self.best = cut;
        self.outcome = outcome;
        true
    }

    /// Lets the calm begin right behind the moment of the finding, or earlier.
    fn end_early(&mut self) {
        let end = self.outcome.length.0 / 1_000_000_000 + 1;
        for secs in [end / 2, end * 3 / 4, end] {
            if self.attempt(Cut { end_secs: Some(secs), ..self.best.clone() }) {
                return;
            }
        }
    }

    /// Leaves out ever smaller parts of a list (delta debugging); returns what is left of it.
    fn thin(&mut self, mut kept: Vec<usize>, put: impl Fn(&mut Cut, Vec<usize>)) -> Vec<usize> {
        let mut part = kept.len();
        while part > 0 && !kept.is_empty() {
            let mut at = 0;
            while at < kept.len() {
                let mut fewer = kept.clone();
                fewer.drain(at..(at + part).min(kept.len()));
                let mut cut = self.best.clone();
                put(&mut cut, fewer.clone());
                if self.attempt(cut) {
                    kept = fewer;
                } else {
                    at += part;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
        kept
    }
}
