//! Order: of what one process sent, of what was acknowledged before something else was asked, and of what readers saw.

use std::collections::BTreeMap;

use super::log::{Log, Run};
use super::sends::{Send, Sends};
use super::{Findings, Kind, shown};
use crate::history::{Act, History};

/// Judges all three.
pub fn judge(history: &History, (sends, log): (&Sends, &Log), findings: &mut Findings) {
    for (partition, runs) in log.partitions() {
        of_processes(partition, runs, findings);
    }
    in_real_time(sends, findings);
    of_readers(history, findings);
}

/// In a partition the numbers of one process only grow.
fn of_processes(partition: i64, runs: &[Run], findings: &mut Findings) {
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for run in runs {
        let end = last.entry(run.process).or_insert(0);
        if run.number < *end {
            let what = format!(
                "partition {partition}, offset {}: record {} of process {} stands behind record {}",
                run.offset,
                run.number,
                run.process,
                *end - 1
            );
            findings.add(Kind::Reordered, what);
        }
        *end = (*end).max(run.number + run.count);
    }
}

/// What is asked after an acknowledgement stands behind what was acknowledged.
fn in_real_time(sends: &Sends, findings: &mut Findings) {
    let mut partitions: BTreeMap<i64, Vec<&Send>> = BTreeMap::new();
    for send in sends.iter().filter(|send| send.is_ok()) {
        partitions.entry(send.partition).or_default().push(send);
    }
    for sends in partitions.values_mut() {
        let mut ended = sends.clone();
        ended.sort_by_key(|send| send.ended.map(|(time, _)| time));
        sends.sort_by_key(|send| send.invoked);
        let mut ended = ended.into_iter().peekable();
        let mut highest: Option<(i64, &Send)> = None;
        for &send in sends.iter() {
            while let Some(before) = ended.next_if(|before| before.ended.is_some_and(|(time, _)| time < send.invoked)) {
                let end = before.places.iter().map(|(offset, count)| offset + count).max().unwrap_or(0);
                if highest.is_none_or(|(high, _)| end > high) {
                    highest = Some((end, before));
                }
            }
            let start = send.places.iter().map(|(offset, _)| *offset).min();
            if let (Some((high, before)), Some(start)) = (highest, start)
                && start < high
            {
                let what = format!("{} (at {start}) stands before {} (up to {high})", send.shown(), before.shown());
                findings.add(Kind::Reordered, what);
            }
        }
    }
}

/// A reader that began at the first offset sees each offset once, in order.
fn of_readers(history: &History, findings: &mut Findings) {
    let mut next: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for event in history.events.iter().filter(|event| event.f == Act::Poll) {
        for &(partition, offset, _, _, count) in &event.runs {
            let expected = next.entry((event.process, partition)).or_insert(0);
            if offset != *expected {
                let kind = if offset < *expected { Kind::Reordered } else { Kind::Skipped };
                let who = format!("reader {} of partition {partition}", event.process);
                findings.add(kind, format!("{who} was given offset {offset} after {expected} {}", shown(event.time)));
            }
            *expected = offset + count;
        }
    }
}
