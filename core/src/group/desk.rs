//! What every handler of a shard works with: the world of this step, the timers, the parked answers and the way out.

use super::ask::GroupOut;
use super::record::GroupRecord;
use super::timers::{Due, Timer, Timers};
use crate::msg::Response;
use crate::record::HEADER_BYTES;
use crate::shard::Cx;
use crate::types::{ConnId, Mono, Str, Ticket};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// The soft state that is not a group's own.
#[derive(Clone, Default, Hash, Debug)]
pub(super) struct Bench {
    /// Every deadline.
    pub timers: Timers,
    /// Whose answers are parked where: group and member.
    pub parked: BTreeMap<Ticket, (Str, Str)>,
    /// Records handed out and not applied yet; nothing is asked meanwhile.
    pub unapplied: usize,
}

impl Bench {
    /// The tickets of this connection that wait here.
    pub fn of_conn(&self, conn: ConnId) -> Vec<Ticket> {
        let first = Ticket { conn, seq: 0 };
        let last = Ticket { conn, seq: u64::MAX };
        self.parked.range(first..=last).map(|(ticket, _)| *ticket).collect()
    }
}

/// An answer that is owed to a member and waits for the group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Parked {
    /// Whose; none if the connection has closed. Then the member still counts as waiting, as in Kafka: only the answer
    /// is lost.
    pub ticket: Option<Ticket>,
    /// The version that it has to be written in.
    pub version: i16,
}

/// The desk of one step.
pub(super) struct Desk<'a, 'c> {
    /// Clocks, settings, chance, notes.
    pub cx: &'a mut Cx<'c>,
    /// Timers and parked answers.
    pub bench: &'a mut Bench,
    /// What the shard wants done.
    pub out: &'a mut Vec<GroupOut>,
}

impl Desk<'_, '_> {
    /// The moment that lies `ms` ahead; negative waits are none.
    pub fn after_ms(&self, ms: i32) -> Mono {
        self.cx.now.mono + millis(ms)
    }

    /// Sets a timer of this group.
    pub fn set(&mut self, group: &Str, due: Due, at: Mono) {
        self.bench.timers.set(Timer { group: group.clone(), due }, at);
    }

    /// Cancels a timer of this group.
    pub fn cancel(&mut self, group: &Str, due: Due) {
        self.bench.timers.cancel(&Timer { group: group.clone(), due });
    }

    /// Answers at once.
    pub fn reply(&mut self, ticket: Ticket, body: impl Into<Response>) {
        self.out.push(GroupOut::Reply(ticket, body.into()));
    }

    /// Answers when all that was remembered before is committed.
    pub fn reply_committed(&mut self, ticket: Ticket, body: impl Into<Response>) {
        self.out.push(GroupOut::Verdict { records: Vec::new(), replies: vec![(ticket, body.into())] });
    }

    /// Answers a parked question at once.
    pub fn answer(&mut self, parked: Parked, body: impl Into<Response>) {
        if let Some(ticket) = self.unpark(parked) {
            self.reply(ticket, body);
        }
    }

    /// Remembers where the answer to this ticket waits.
    pub fn park(&mut self, ticket: Ticket, group: &Str, member: &Str) {
        self.bench.parked.insert(ticket, (group.clone(), member.clone()));
    }

    /// The ticket, which no longer waits.
    pub fn unpark(&mut self, parked: Parked) -> Option<Ticket> {
        let ticket = parked.ticket?;
        self.bench.parked.remove(&ticket);
        Some(ticket)
    }

    /// Do these records fit one batch of the log? They do not if a client sends more than `message.max.bytes`.
    pub fn fits(&self, records: &[GroupRecord]) -> bool {
        let bytes: usize = records.iter().map(GroupRecord::bytes_bound).sum();
        bytes + HEADER_BYTES <= self.cx.config.topic.rules.batch_bytes_max
    }

    /// Remembers, then answers.
    pub fn write(&mut self, records: Vec<GroupRecord>, replies: Vec<(Ticket, Response)>) {
        self.bench.unapplied += records.len();
        self.out.push(GroupOut::Verdict { records, replies });
    }

    /// Remembers in batches of bounded size, then answers; for records that need not be remembered all or none.
    pub fn write_chunked(&mut self, mut records: Vec<GroupRecord>, replies: Vec<(Ticket, Response)>) {
        while records.len() > RECORDS_PER_BATCH_MAX {
            let rest = records.split_off(RECORDS_PER_BATCH_MAX);
            self.write(records, Vec::new());
            records = rest;
        }
        self.write(records, replies);
    }
}

/// Milliseconds of the protocol, negative ones being none.
pub(super) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// So many tombstones stay well below `message.max.bytes` even with the longest names.
const RECORDS_PER_BATCH_MAX: usize = 500;
