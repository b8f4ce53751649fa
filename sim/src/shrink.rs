//! A run that found something, made small: fewer strikes, clients, machines, topics and partitions, an earlier end, as long as the same
//! oracle still complains.

use crate::cut::{Cut, MACHINES_MIN};
use crate::plan::Plan;
use crate::report::Outcome;
use crate::run::run_plan;
use std::fmt;

/// The smallest cut that was found, its outcome, and how many runs it took.
pub struct Shrunk {
    /// What is left.
    pub cut: Cut,
    /// The plan with only that in it.
    pub plan: Plan,
    /// How it ends.
    pub outcome: Outcome,
    /// Runs that were tried.
    pub tries: usize,
    /// How much there was.
    pub before: Amount,
}

/// How much there is of everything in a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    /// Strikes.
    pub strikes: usize,
    /// Clients.
    pub clients: usize,
    /// Machines.
    pub machines: usize,
    /// Partitions of all topics together.
    pub partitions: usize,
}

impl Amount {
    /// How much there is in this plan.
    pub fn of(plan: &Plan) -> Self {
        let partitions = plan.options.topics.iter().map(|topic| usize::try_from(topic.partitions).unwrap_or(0)).sum();
        let (strikes, clients) = (plan.ops.len(), plan.clients.len());
        Self { strikes, clients, machines: plan.options.machines, partitions }
    }
}

impl Shrunk {
    /// How much is left.
    pub fn after(&self) -> Amount {
        Amount::of(&self.plan)
    }
}

/// Shortens a run whose outcome is a finding of this plan. Never more than `tries_max` runs.
pub fn shrink(found: &Outcome, whole: Cut, tries_max: usize) -> Shrunk {
    let plan = Plan::of(found.seed, &whole);
    let before = Amount::of(&plan);
    let ops: Vec<usize> = plan.ops.iter().map(|(number, _)| *number).collect();
    let clients: Vec<usize> = plan.clients.iter().map(|client| client.number).collect();
    let topics: Vec<usize> = (0..plan.options.topics.len()).collect();
    // Strikes come first, since there are most of them, and leave enough tries for all else.
    let mut search = Search { found, best: whole, outcome: found.clone(), tries: 0, tries_max: tries_max / 2 };
    search.end_early();
    let kept = search.thin(ops, |cut, kept| cut.ops = Some(kept));
    search.tries_max = search.tries + tries_max / 4;
    search.thin(clients, |cut, kept| cut.clients = Some(kept));
    search.tries_max = tries_max;
    search.fewer_machines(&plan);
    if topics.len() > 1 {
        search.thin(topics, |cut, kept| cut.topics = Some(kept));
    }
    search.fewer_partitions(&plan);
    search.thin(kept, |cut, kept| cut.ops = Some(kept));
    search.end_early();
    let plan = Plan::of(found.seed, &search.best);
    Shrunk { cut: search.best, plan, outcome: search.outcome, tries: search.tries, before }
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
        let plan = Plan::of(self.found.seed, &cut);
        if plan.options.topics.is_empty() {
            return false;
        }
        let (outcome, _) = run_plan(plan, false);
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
            if self.best.end_secs.is_none_or(|known| secs < known)
                && self.attempt(Cut { end_secs: Some(secs), ..self.best.clone() })
            {
                return;
            }
        }
    }

    /// The fewest machines with which it still goes wrong.
    fn fewer_machines(&mut self, plan: &Plan) {
        for machines in MACHINES_MIN..plan.options.machines {
            if plan.options.cluster && self.attempt(Cut { machines: Some(machines), ..self.best.clone() }) {
                return;
            }
        }
    }

    /// The fewest partitions of each topic, in powers of two.
    fn fewer_partitions(&mut self, plan: &Plan) {
        let most = plan.options.topics.iter().map(|topic| topic.partitions).max().unwrap_or(0);
        let counts = (0..30).map(|power| 1 << power).take_while(|count| *count < most);
        for count in counts {
            if self.attempt(Cut { partitions: Some(count), ..self.best.clone() }) {
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

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, all) = (self.after(), self.before);
        let counts = [
            (left.strikes, all.strikes, "strikes"),
            (left.clients, all.clients, "clients"),
            (left.machines, all.machines, "machines"),
            (left.partitions, all.partitions, "partitions"),
        ];
        let texts: Vec<String> = counts.iter().map(|(left, all, what)| format!("{left} of {all} {what}")).collect();
        write!(f, "{}, {} runs", texts.join(", "), self.tries)
    }
}
