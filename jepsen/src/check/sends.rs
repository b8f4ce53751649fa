//! What was sent: operations by process, in the order of their numbers.

use std::collections::BTreeMap;

use super::{Findings, Kind, shown};
use crate::history::{Act, Event, History, Type};

/// An operation: records with numbers in a row, to one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// Who.
    pub process: i64,
    /// Where to.
    pub partition: i64,
    /// The number of its first record.
    pub first: i64,
    /// How many records.
    pub count: i64,
    /// When it was asked.
    pub invoked: i64,
    /// How it ended, and when.
    pub ended: Option<(i64, Type)>,
    /// If it is ok: offset and count of each piece, in the order of the numbers.
    pub places: Vec<(i64, i64)>,
}

impl Send {
    /// Was it acknowledged?
    pub fn is_ok(&self) -> bool {
        self.ended.is_some_and(|(_, at)| at == Type::Ok)
    }

    /// For people.
    pub fn shown(&self) -> String {
        let numbers = format!("{}..{}", self.first, self.first + self.count);
        let asked = format!("sent by process {} {}", self.process, shown(self.invoked));
        let told = match self.ended {
            Some((time, Type::Ok)) => format!("acknowledged {}", shown(time)),
            Some((time, Type::Fail)) => format!("refused {}", shown(time)),
            Some((time, Type::Info | Type::Invoke)) => format!("given up {}", shown(time)),
            None => "never answered".to_owned(),
        };
        format!("{numbers} to partition {}, {asked}, {told}", self.partition)
    }
}

/// All operations that send.
#[derive(Default)]
pub struct Sends {
    by_process: BTreeMap<i64, Vec<Send>>,
}

impl Sends {
    /// Puts the beginning and the end of each operation together.
    pub fn read(history: &History, findings: &mut Findings) -> Sends {
        let mut sends = Sends::default();
        for event in history.events.iter().filter(|event| event.f == Act::Send) {
            if sends.take(event).is_none() {
                findings.add(Kind::Idle, format!("the history has an odd line: {event:?}"));
            }
        }
        sends
    }

    /// All of them, process by process.
    pub fn iter(&self) -> impl Iterator<Item = &Send> {
        self.by_process.values().flatten()
    }

    /// Whoever sent the record of this number.
    pub fn of(&self, process: i64, number: i64) -> Option<&Send> {
        let sends = self.by_process.get(&process)?;
        let after = sends.partition_point(|send| send.first <= number);
        sends[..after].last().filter(|send| number < send.first + send.count)
    }

    /// `None` if the line makes no sense.
    fn take(&mut self, event: &Event) -> Option<()> {
        let (partition, first) = (event.p?, event.first?);
        let sends = self.by_process.entry(event.process).or_default();
        if event.at == Type::Invoke {
            let is_next = sends.last().is_none_or(|last| last.first + last.count <= first);
            let (count, invoked) = (event.count, event.time);
            let process = event.process;
            sends.push(Send { process, partition, first, count, invoked, ended: None, places: Vec::new() });
            return is_next.then_some(());
        }
        // One operation is under way for a process, so it is the last one.
        let send = sends.last_mut().filter(|send| send.first == first && send.ended.is_none())?;
        send.ended = Some((event.time, event.at));
        send.places.clone_from(&event.places);
        let placed: i64 = send.places.iter().map(|(_, count)| count).sum();
        (event.at != Type::Ok || placed == send.count).then_some(())
    }
}
