//! Figures of a history: how much was acknowledged when, and how long nothing was after each kill.

use std::collections::BTreeMap;

use crate::history::{Act, Event, History, Type};

/// What a kill cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KillFigures {
    /// The moment before, in nanoseconds of the history.
    pub at: i64,
    /// Who.
    pub nodes: Vec<usize>,
    /// What they were: `leader` of the watched partition, `controller`, `all`.
    pub roles: Vec<String>,
    /// Until the watched partition acknowledged what was sent after the kill, in nanoseconds; `None` if it never did.
    pub gap: Option<i64>,
    /// How long the slowest operation of all partitions took that was under way, in nanoseconds.
    pub slowest: i64,
    /// Until the last of the killed answered again.
    pub up: Option<i64>,
    /// Until every replica was in sync again.
    pub whole: Option<i64>,
}

/// Figures of a run.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Figures {
    /// From the first send to the last acknowledgement, in nanoseconds.
    pub time: i64,
    /// Operations that were acknowledged.
    pub operations: u64,
    /// Their records.
    pub records: i64,
    /// Operations of which nobody knows.
    pub unknown: u64,
    /// Records acknowledged in each bucket of [`BUCKET`].
    pub buckets: Vec<i64>,
    /// How long operations on the watched partition took, sorted, in nanoseconds.
    pub watched: Vec<i64>,
    /// Each kill.
    pub kills: Vec<KillFigures>,
}

/// A quarter of a second, in nanoseconds.
pub const BUCKET: i64 = 250_000_000;
/// The partition of which it is measured when it is served again.
const WATCHED: i64 = 0;

/// An operation that was acknowledged.
struct Acknowledged {
    is_watched: bool,
    invoked: i64,
    ended: i64,
}

impl Figures {
    /// Measures a history.
    pub fn of(history: &History) -> Figures {
        let mut figures = Figures::default();
        let mut under_way: BTreeMap<i64, i64> = BTreeMap::new();
        let (mut acknowledged, mut started) = (Vec::new(), None);
        for event in history.events.iter().filter(|event| event.f == Act::Send) {
            started.get_or_insert(event.time);
            match event.at {
                Type::Invoke => drop(under_way.insert(event.process, event.time)),
                Type::Ok => {
                    let invoked = under_way.remove(&event.process).unwrap_or(event.time);
                    figures.count(event);
                    figures.time = event.time - started.unwrap_or(0);
                    acknowledged.push(Acknowledged {
                        is_watched: event.p == Some(WATCHED),
                        invoked,
                        ended: event.time,
                    });
                }
                Type::Fail | Type::Info => figures.unknown += 1,
            }
        }
        figures.watched = acknowledged.iter().filter(|one| one.is_watched).map(|one| one.ended - one.invoked).collect();
        figures.watched.sort_unstable();
        figures.kills = kills(history, &acknowledged);
        figures
    }

    /// Records a second.
    pub fn rate(&self) -> f64 {
        if self.time == 0 { 0.0 } else { self.records as f64 / (self.time as f64 / 1e9) }
    }

    /// Gaps of kills of whoever had exactly these roles, sorted; those without an end are left out.
    pub fn gaps(&self, roles: &[String]) -> Vec<i64> {
        let mut gaps: Vec<i64> =
            self.kills.iter().filter(|kill| kill.roles == roles).filter_map(|kill| kill.gap).collect();
        gaps.sort_unstable();
        gaps
    }

    /// Each combination of roles that was killed, once.
    pub fn roles(&self) -> Vec<Vec<String>> {
        let mut roles: Vec<Vec<String>> = self.kills.iter().map(|kill| kill.roles.clone()).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    fn count(&mut self, event: &Event) {
        self.operations += 1;
        self.records += event.count;
        let bucket = usize::try_from(event.time / BUCKET).expect("times of a history begin at 0");
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += event.count;
    }
}

/// The middle of sorted numbers, or the part of them that is asked for; `None` if there are none.
pub fn quantile(sorted: &[i64], part: f64) -> Option<i64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * part).round() as usize])
}

fn kills(history: &History, acknowledged: &[Acknowledged]) -> Vec<KillFigures> {
    let of = |f: Act| history.events.iter().filter(move |event| event.f == f);
    let starts: Vec<i64> = of(Act::Kill).map(|kill| kill.since).collect();
    of(Act::Kill)
        .enumerate()
        .map(|(at, kill)| {
            let next = starts.get(at + 1).copied().unwrap_or(i64::MAX);
            let within = |event: &&Event| (kill.time..next).contains(&event.time);
            // Whatever is asked once the processes are gone is answered by somebody else.
            let after = acknowledged.iter().filter(|one| one.is_watched && one.invoked >= kill.time);
            let slowest = acknowledged.iter().filter(|one| one.invoked <= kill.time && one.ended >= kill.since);
            KillFigures {
                at: kill.since,
                nodes: kill.nodes.clone(),
                roles: kill.roles.clone(),
                gap: after.map(|one| one.ended - kill.since).min(),
                slowest: slowest.map(|one| one.ended - one.invoked).max().unwrap_or(0),
                up: of(Act::Up).filter(within).map(|event| event.time - kill.since).max(),
                whole: of(Act::Whole).find(within).map(|event| event.time - kill.since),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "measure_test.rs"]
mod measure_test;
