//! What is there at the end: each partition as the last reading found it, and where each record stands.

use std::collections::BTreeMap;

use super::{Findings, Kind};
use crate::history::{Act, History, Type};

/// Records of one process with numbers in a row, at offsets in a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Run {
    /// Of the first record.
    pub offset: i64,
    /// Whose.
    pub process: i64,
    /// Of the first record.
    pub number: i64,
    /// How many.
    pub count: i64,
}

impl Run {
    /// Behind its last offset.
    pub fn end(&self) -> i64 {
        self.offset + self.count
    }
}

/// All partitions.
#[derive(Default)]
pub struct Log {
    /// By offset.
    partitions: BTreeMap<i64, Vec<Run>>,
    /// Process, number, count and partition, by process and number.
    values: Vec<(i64, i64, i64, i64)>,
    /// Was every partition read to its end?
    pub is_whole: bool,
}

impl Log {
    /// What the last reading of a history brought.
    pub fn read(history: &History, findings: &mut Findings) -> Log {
        let mut log = Log::default();
        let mut ends = None;
        for event in history.events.iter().filter(|event| event.f == Act::Final && event.at == Type::Ok) {
            for &(partition, offset, process, number, count) in &event.runs {
                log.partitions.entry(partition).or_default().push(Run { offset, process, number, count });
                log.values.push((process, number, count, partition));
            }
            if !event.ends.is_empty() {
                ends = Some(&event.ends);
            }
        }
        log.values.sort_unstable();
        log.is_whole = ends.is_some();
        if ends.is_none() {
            findings.add(Kind::Unread, "the last reading did not end");
        }
        for (partition, runs) in &log.partitions {
            let last = ends.into_iter().flatten().find(|(at, _)| at == partition).map(|(_, end)| *end);
            holes(*partition, runs, last, findings);
        }
        log
    }

    /// Each partition with its records by offset.
    pub fn partitions(&self) -> impl Iterator<Item = (i64, &[Run])> {
        self.partitions.iter().map(|(partition, runs)| (*partition, &runs[..]))
    }

    /// All records by process and number: process, number, count, partition.
    pub fn values(&self) -> &[(i64, i64, i64, i64)] {
        &self.values
    }

    /// Does the record of this number stand anywhere?
    pub fn has(&self, process: i64, number: i64) -> bool {
        let after = self.values.partition_point(|&(who, first, ..)| (who, first) <= (process, number));
        // A longer run that began before may hold it behind a shorter one that does not.
        self.values[..after]
            .iter()
            .rev()
            .take_while(|(who, ..)| *who == process)
            .take(LOOKED_BACK_MAX)
            .any(|&(_, first, count, _)| number < first + count)
    }

    /// The first record of a run that does not stand where it should, as its number and whether it stands elsewhere.
    pub fn missing(&self, partition: i64, run: &Run) -> Option<(i64, bool)> {
        let runs = self.partitions.get(&partition).map_or(&[][..], |runs| &runs[..]);
        let mut offset = run.offset;
        let from = runs.partition_point(|found| found.end() <= offset);
        for found in &runs[from..] {
            if offset >= run.end() {
                return None;
            }
            let is_same = found.offset <= offset
                && found.process == run.process
                && found.number - found.offset == run.number - run.offset;
            if !is_same {
                break;
            }
            offset = found.end();
        }
        if offset >= run.end() {
            return None;
        }
        let number = run.number + (offset - run.offset);
        Some((number, self.has(run.process, number)))
    }
}

/// Offsets that nobody read. No record is taken away in a run, and there are no transactions whose ends take offsets.
fn holes(partition: i64, runs: &[Run], end: Option<i64>, findings: &mut Findings) {
    let mut next = 0;
    for run in runs {
        if run.offset > next {
            findings.add(Kind::Skipped, format!("partition {partition}: nothing at offsets {next}..{}", run.offset));
        }
        if run.offset < next {
            findings
                .add(Kind::Moved, format!("partition {partition}: offset {} was read twice at the end", run.offset));
        }
        next = run.end();
    }
    if end.is_some_and(|end| next < end) {
        let end = end.unwrap_or(next);
        findings.add(Kind::Skipped, format!("partition {partition}: nothing at offsets {next}..{end}, its end"));
    }
}

/// Runs are as long as operations: this is more than any duplicate makes necessary.
const LOOKED_BACK_MAX: usize = 64;
