//! Lost, duplicated, invented and moved records.

use super::log::{Log, Run};
use super::sends::{Send, Sends};
use super::{Findings, Kind, shown};
use crate::history::{Act, History, Type};

/// Compares what is there with what was promised and seen.
pub fn judge(history: &History, (sends, log): (&Sends, &Log), findings: &mut Findings) {
    duplicated(log, findings);
    invented((sends, log), findings);
    if log.is_whole {
        acknowledged((sends, log), findings);
        seen(history, log, findings);
    }
}

fn duplicated(log: &Log, findings: &mut Findings) {
    let mut before: Option<(i64, i64, i64)> = None;
    for &(process, number, count, partition) in log.values() {
        if let Some((who, end, at)) = before
            && who == process
            && number < end
        {
            let what = format!("record {number} of process {process} stands in partitions {at} and {partition}, twice");
            findings.add(Kind::Duplicated, what);
        }
        let end = before.filter(|(who, ..)| *who == process).map_or(0, |(_, end, _)| end);
        before = Some((process, end.max(number + count), partition));
    }
}

fn invented((sends, log): (&Sends, &Log), findings: &mut Findings) {
    for &(process, number, count, partition) in log.values() {
        let mut next = number;
        while next < number + count {
            let send = sends.of(process, next);
            match send {
                Some(send) if send.partition == partition && send.ended.is_none_or(|(_, at)| at != Type::Fail) => {
                    next = send.first + send.count;
                }
                Some(send) => {
                    let what = format!("partition {partition} holds record {next} of {}", send.shown());
                    findings.add(Kind::Invented, what);
                    next = send.first + send.count;
                }
                None => {
                    let what = format!("partition {partition} holds record {next} of process {process}, never sent");
                    findings.add(Kind::Invented, what);
                    break;
                }
            }
        }
    }
}

fn acknowledged((sends, log): (&Sends, &Log), findings: &mut Findings) {
    for send in sends.iter().filter(|send| send.is_ok()) {
        for run in pieces(send) {
            if let Some((number, is_there)) = log.missing(send.partition, &run) {
                let kind = if is_there { Kind::Moved } else { Kind::Lost };
                let offset = run.offset + (number - run.number);
                findings.add(kind, format!("record {number} at offset {offset} of {}", send.shown()));
                break;
            }
        }
    }
}

/// The pieces of an operation where they were acknowledged.
fn pieces(send: &Send) -> impl Iterator<Item = Run> {
    let mut number = send.first;
    send.places.iter().map(move |&(offset, count)| {
        let run = Run { offset, process: send.process, number, count };
        number += count;
        run
    })
}

fn seen(history: &History, log: &Log, findings: &mut Findings) {
    for event in history.events.iter().filter(|event| event.f == Act::Poll) {
        for &(partition, offset, process, number, count) in &event.runs {
            let run = Run { offset, process, number, count };
            if let Some((number, is_there)) = log.missing(partition, &run) {
                let kind = if is_there { Kind::Moved } else { Kind::Lost };
                let what = format!(
                    "record {number} of process {process}, seen in partition {partition} near offset {offset} {}",
                    shown(event.time)
                );
                findings.add(kind, what);
            }
        }
    }
}
