//! Hosts the group coordinators: one shard a partition of `__consumer_offsets`.
//!
//! ```text
//!   Loading ──── everything up to the end was applied ────▶ Active
//!      ▲                                                      │
//!      └──────────────── an append failed ◀───────────────────┘
//! ```
//!
//! A verdict's records are appended to the shard's own partition and applied at once; its replies leave when the records
//! are committed. When an append fails nobody knows which answers would have been true: the connections that wait are
//! closed, and the shard is loaded again from its log. Nobody is told anything of it before all that was read is committed: the
//! next coordinator may never have heard of the rest.

use super::op_id;
use crate::boundary::{DiskFault, Done, Effect, Note, Query};
use crate::config::Config;
use crate::group::{Ask, Caller, GroupOut, GroupRecord, GroupShard};
use crate::msg::Response;
use crate::node::lane::PartAsk;
use crate::partition::{Answer, PartKey, WantedOffset};
use crate::record::{Builder, Functions, NewRecord, Records, check_stored};
use crate::shard::Cx;
use crate::types::{
    ConnId, ErrorCode, LeaderEpoch, LogId, Mono, Now, Offset, OffsetRange, OpId, Rng, Str, Ticket, Uuid,
};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

/// All coordinators of this broker.
#[derive(Clone, Hash, Debug, Default)]
pub struct Coordinators {
    hosts: BTreeMap<LogId, Host>,
    /// Whose answers are awaited under which internal ticket.
    appends: BTreeMap<u64, LogId>,
    appends_begun: u64,
    reads: BTreeMap<OpId, LogId>,
    reads_begun: u64,
    /// When each shard wants to be woken: fifty of them are not to be asked at every turn.
    deadlines: BTreeSet<(Mono, LogId)>,
}

/// One shard and its log.
#[derive(Clone, Hash, Debug)]
struct Host {
    state: HostState,
    shard: GroupShard,
    /// Where its log began when it was taken over.
    start: Offset,
    /// Where the next record goes; while loading, the next one to be read.
    end: Offset,
    /// What is committed reaches to here: a log that is read to an earlier end is not read whole.
    committed: Offset,
    /// Appends under way in order.
    awaited: VecDeque<Awaited>,
    /// Its place among the deadlines.
    deadline: Option<Mono>,
}

/// An append under way.
#[derive(Clone, Hash, Debug)]
struct Awaited {
    seq: u64,
    /// Where the log ends behind it.
    end: Offset,
    /// The answers that wait for it.
    replies: Vec<(Ticket, Response)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum HostState {
    Loading(Loading),
    Active,
    /// The log cannot be read.
    Failed,
}

/// What a shard waits for that is being loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Loading {
    /// The next piece of its log.
    Piece(OpId),
    /// How much of the log is committed, asked under this internal ticket.
    Committed(u64),
    /// It was read to too early an end, or further than is committed: one looks again then.
    Until(Mono),
}

/// What a coordinator may use of the world.
pub struct HostCx<'a> {
    /// The clocks.
    pub now: Now,
    /// Every setting.
    pub config: &'a Config,
    /// The node's stream of chance.
    pub rng: &'a mut Rng,
    /// Checksum and compression.
    pub functions: &'a Functions,
    /// Where facts go.
    pub notes: &'a mut Vec<Note>,
}

impl HostCx<'_> {
    fn shard(&mut self) -> Cx<'_> {
        Cx { now: self.now, config: self.config, rng: self.rng, notes: self.notes }
    }
}

/// What the coordinators ask for.
#[derive(Clone, Debug)]
pub enum HostOut {
    /// Something for the lane that owns the log.
    Ask(LogId, PartKey, PartAsk),
    /// The lane that owns the log is to know that it cannot be read.
    Unreadable(LogId, DiskFault),
    /// Something for the world.
    Effect(Effect),
    /// An answer to a client.
    Reply(Ticket, Response),
}

impl Coordinators {
    /// This broker leads a partition of the offsets topic from now on. Without `found` it is new and there is nothing to
    /// be read; else this is what is committed of it.
    pub fn lead(&mut self, cx: &mut HostCx<'_>, log: LogId, found: Option<OffsetRange>, out: &mut Vec<HostOut>) {
        let range = found.unwrap_or(OffsetRange { start: Offset::ZERO, end: Offset::ZERO });
        let mut host = Host {
            state: HostState::Loading(Loading::Until(cx.now.mono)),
            start: range.start,
            shard: GroupShard::default(),
            end: range.start,
            committed: range.end,
            awaited: VecDeque::new(),
            deadline: None,
        };
        if found.is_none() {
            host.activate(cx);
        }
        self.hosts.insert(log, host);
        match found {
            None => self.schedule(log),
            Some(_) => self.read_on(log, out),
        }
    }

    /// The partition is gone.
    pub fn resign(&mut self, log: LogId, out: &mut Vec<HostOut>) {
        if let Some(host) = self.hosts.remove(&log) {
            if let Some(deadline) = host.deadline {
                self.deadlines.remove(&(deadline, log));
            }
            host.abandon(out);
        }
    }

    /// A question for the group's shard.
    pub fn ask(&mut self, cx: &mut HostCx<'_>, log: LogId, caller: &Caller<'_>, ask: Ask, out: &mut Vec<HostOut>) {
        let error = match self.hosts.get(&log).map(|host| host.state) {
            Some(HostState::Active) => {
                let mut said = Vec::new();
                let host = self.hosts.get_mut(&log).expect("just found");
                host.shard.ask(&mut cx.shard(), caller, ask, &mut said);
                return self.carry(cx, log, said, out);
            }
            Some(HostState::Loading(_)) => ErrorCode::CoordinatorLoadInProgress,
            Some(HostState::Failed) => ErrorCode::CoordinatorNotAvailable,
            None => ErrorCode::NotCoordinator,
        };
        out.push(HostOut::Reply(caller.ticket, ask.refused(caller.version, error)));
    }

    /// Whether this broker coordinates the groups of this partition, loaded or not.
    pub fn is_hosting(&self, log: LogId) -> bool {
        self.hosts.contains_key(&log)
    }

    /// The shards that answer questions about all groups.
    pub fn active(&self) -> impl Iterator<Item = LogId> {
        self.hosts.iter().filter(|(_, host)| host.state == HostState::Active).map(|(log, _)| *log)
    }

    /// Every committed offset of the groups that are coordinated here: group, topic, partition, offset.
    pub fn committed(&self) -> impl Iterator<Item = (&Str, &Str, i32, Offset)> {
        self.hosts.values().flat_map(|host| host.shard.committed())
    }

    /// True while a shard is still being loaded.
    pub fn is_loading(&self) -> bool {
        self.hosts.values().any(|host| matches!(host.state, HostState::Loading(_)))
    }

    /// Keeps the shard's place among the deadlines up to date.
    fn schedule(&mut self, log: LogId) {
        let Some(host) = self.hosts.get_mut(&log) else { return };
        let deadline = match host.state {
            HostState::Active => host.shard.deadline(),
            HostState::Loading(Loading::Until(at)) => Some(at),
            HostState::Loading(Loading::Piece(_) | Loading::Committed(_)) | HostState::Failed => None,
        };
        if deadline == host.deadline {
            return;
        }
        if let Some(before) = host.deadline {
            self.deadlines.remove(&(before, log));
        }
        host.deadline = deadline;
        self.deadlines.extend(deadline.map(|at| (at, log)));
    }

    /// Appends and applies what a shard decided.
    fn carry(&mut self, cx: &mut HostCx<'_>, log: LogId, said: Vec<GroupOut>, out: &mut Vec<HostOut>) {
        let host = self.hosts.get_mut(&log).expect("a shard that spoke is hosted");
        for one in said {
            match one {
                GroupOut::Reply(ticket, body) => out.push(HostOut::Reply(ticket, body)),
                GroupOut::Verdict { records, replies } if records.is_empty() => match host.awaited.back_mut() {
                    Some(last) => last.replies.extend(replies),
                    None => out.extend(replies.into_iter().map(|(ticket, body)| HostOut::Reply(ticket, body))),
                },
                GroupOut::Verdict { records, replies } => {
                    let seq = self.appends_begun;
                    self.appends_begun += 1;
                    self.appends.insert(seq, log);
                    let ticket = Ticket { conn: ConnId::INTERNAL, seq };
                    let batch = batch_of(cx, &records);
                    out.push(HostOut::Ask(log, PartKey { ticket, topic: 0, partition: 0 }, PartAsk::Append(batch)));
                    for record in &records {
                        host.shard.apply(host.end, record);
                        host.end = host.end.plus(1);
                    }
                    host.awaited.push_back(Awaited { seq, end: host.end, replies });
                }
            }
        }
        self.schedule(log);
    }

    /// An append of ours is committed, or refused.
    pub fn answered(&mut self, cx: &mut HostCx<'_>, key: PartKey, answer: Answer, out: &mut Vec<HostOut>) {
        let log = self.appends.remove(&key.ticket.seq).expect("INV-09: an append is answered once");
        let outcome = match answer {
            Answer::Produced(outcome) => outcome,
            Answer::Offset(told) => {
                let told = told.map(|(_, committed, _)| committed);
                return self.told_committed(cx, (log, key.ticket.seq), told, out);
            }
            _ => unreachable!("an append is answered as such, and so is the question for what is committed"),
        };
        let Some(host) = self.hosts.get_mut(&log) else { return };
        let Some(at) = host.awaited.iter().position(|append| append.seq == key.ticket.seq) else { return };
        match outcome {
            Ok(_) => {
                assert_eq!(at, 0, "INV-10: appends of one shard are committed in order");
                let append = host.awaited.pop_front().expect("just found");
                host.committed = append.end;
                out.extend(append.replies.into_iter().map(|(ticket, body)| HostOut::Reply(ticket, body)));
            }
            // With too few in sync a later one is refused at once, while an earlier one waits.
            Err(_) => {
                let known = OffsetRange { start: host.start, end: host.committed };
                self.resign(log, out);
                self.lead(cx, log, Some(known), out);
            }
        }
    }

    fn read_on(&mut self, log: LogId, out: &mut Vec<HostOut>) {
        let host = self.hosts.get_mut(&log).expect("what is loaded is hosted");
        let op = op_id(self.reads_begun, super::OWNER_COORDINATORS);
        self.reads_begun += 1;
        self.reads.insert(op, log);
        host.state = HostState::Loading(Loading::Piece(op));
        let query = Query::Records { from: host.end, end: Offset(i64::MAX), bytes_max: LOAD_BYTES };
        out.push(HostOut::Effect(Effect::Read { op, log, query }));
    }

    /// A piece of a log that is being loaded has come.
    pub fn read(&mut self, cx: &mut HostCx<'_>, op: OpId, outcome: Result<Done, DiskFault>, out: &mut Vec<HostOut>) {
        let log = self.reads.remove(&op).expect("INV-04: an operation ends once, and only if it began");
        let Some(host) = self.hosts.get_mut(&log) else { return };
        if host.state != HostState::Loading(Loading::Piece(op)) {
            return;
        }
        match outcome {
            Ok(Done::Records(records)) if records.is_empty() && host.end < host.committed => {
                // Offsets of groups would be missing: better nobody is told anything until the rest can be read.
                cx.notes.push(Note::LoadedShort { log, read: host.end, committed: host.committed });
                host.state = HostState::Loading(Loading::Until(cx.now.mono + READ_AGAIN));
                self.schedule(log);
            }
            Ok(Done::Records(records)) if records.is_empty() && host.end > host.committed => {
                self.ask_committed(log, out);
            }
            Ok(Done::Records(records)) if records.is_empty() && self.appends.values().any(|one| *one == log) => {
                // What was appended before this log was read again may have yet to become durable, and belongs before all else.
                host.state = HostState::Loading(Loading::Until(cx.now.mono + ASK_AGAIN));
                self.schedule(log);
            }
            Ok(Done::Records(records)) if records.is_empty() => {
                host.activate(cx);
                self.schedule(log);
            }
            Ok(Done::Records(records)) => match host.load(cx.functions, &records) {
                Ok(()) => self.read_on(log, out),
                Err(Unloadable) => self.fail(log, DiskFault::Rot, cx),
            },
            Ok(_) => self.fail(log, DiskFault::Rot, cx),
            Err(fault) => {
                // What cannot be read here can be elsewhere: the partition is given up, and another leads it.
                host.state = HostState::Failed;
                out.push(HostOut::Unreadable(log, fault));
            }
        }
    }

    /// More was read than is known to be committed.
    fn ask_committed(&mut self, log: LogId, out: &mut Vec<HostOut>) {
        let seq = self.appends_begun;
        self.appends_begun += 1;
        self.appends.insert(seq, log);
        let host = self.hosts.get_mut(&log).expect("what is loaded is hosted");
        host.state = HostState::Loading(Loading::Committed(seq));
        self.schedule(log);
        let key = PartKey { ticket: Ticket { conn: ConnId::INTERNAL, seq }, topic: 0, partition: 0 };
        out.push(HostOut::Ask(log, key, PartAsk::OffsetFor(LeaderEpoch::NONE, WantedOffset::Latest)));
    }

    /// So much is, unless nobody knows yet.
    fn told_committed(
        &mut self,
        cx: &HostCx<'_>,
        (log, asked): (LogId, u64),
        told: Result<Offset, ErrorCode>,
        out: &mut Vec<HostOut>,
    ) {
        let Some(host) = self.hosts.get_mut(&log) else { return };
        if host.state != HostState::Loading(Loading::Committed(asked)) {
            return;
        }
        host.committed = told.map_or(host.committed, |told| host.committed.max(told));
        if host.committed < host.end {
            host.state = HostState::Loading(Loading::Until(cx.now.mono + ASK_AGAIN));
            return self.schedule(log);
        }
        self.read_on(log, out);
    }

    /// What was read means nothing to this version, here or anywhere.
    fn fail(&mut self, log: LogId, fault: DiskFault, cx: &mut HostCx<'_>) {
        if let Some(host) = self.hosts.get_mut(&log) {
            host.state = HostState::Failed;
            cx.notes.push(Note::LogOffline { log, fault });
        }
    }

    /// Topics are gone: so are the offsets committed for them.
    pub fn topics_deleted(&mut self, cx: &mut HostCx<'_>, topics: &[(Uuid, Str)], out: &mut Vec<HostOut>) {
        for log in self.active().collect::<Vec<_>>() {
            let mut said = Vec::new();
            let host = self.hosts.get_mut(&log).expect("active");
            host.shard.topics_deleted(&mut cx.shard(), topics, &mut said);
            self.carry(cx, log, said, out);
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self, conn: ConnId) {
        for host in self.hosts.values_mut() {
            host.shard.closed(conn);
            for append in &mut host.awaited {
                append.replies.retain(|(ticket, _)| ticket.conn != conn);
            }
        }
    }

    /// Time-outs that are due.
    pub fn wake(&mut self, cx: &mut HostCx<'_>, out: &mut Vec<HostOut>) {
        let due: Vec<LogId> =
            self.deadlines.iter().take_while(|(at, _)| *at <= cx.now.mono).map(|(_, log)| *log).collect();
        for log in due {
            let mut said = Vec::new();
            let host = self.hosts.get_mut(&log).expect("just found");
            if let HostState::Loading(_) = host.state {
                match host.end > host.committed {
                    true => self.ask_committed(log, out),
                    false => {
                        self.read_on(log, out);
                        self.schedule(log);
                    }
                }
                continue;
            }
            host.shard.wake(&mut cx.shard(), &mut said);
            self.carry(cx, log, said, out);
        }
    }

    /// When the next shard wants to be woken.
    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// The log holds something that is no record of ours.
struct Unloadable;

impl Host {
    /// Everything in the log is applied: questions may come.
    fn activate(&mut self, cx: &mut HostCx<'_>) {
        self.state = HostState::Active;
        self.shard.loaded(&mut cx.shard());
    }

    /// Applies the records of some batches of the log.
    fn load(&mut self, functions: &Functions, records: &Records) -> Result<(), Unloadable> {
        let mut scratch = Vec::new();
        for batch in check_stored(records.to_bytes(), functions) {
            let batch = batch.map_err(|_| Unloadable)?;
            if !batch.header().attributes.is_control() {
                for placed in batch.walk(functions, &mut scratch).map_err(|_| Unloadable)? {
                    let placed = placed.map_err(|_| Unloadable)?;
                    let (Some(key), value) = (placed.record.key, placed.record.value) else { continue };
                    let record = GroupRecord::decode(copied(key), value.map(copied)).map_err(|_| Unloadable)?;
                    // A record of a kind that this version does not know is somebody else's to understand.
                    if let Some(record) = record {
                        self.shard.apply(placed.offset, &record);
                    }
                }
            }
            self.end = batch.end_offset();
        }
        Ok(())
    }

    /// The shard goes away: whoever waits is told so, or cut off where nobody knows what is true.
    fn abandon(self, out: &mut Vec<HostOut>) {
        for (ticket, _) in self.awaited.into_iter().flat_map(|append| append.replies) {
            out.push(HostOut::Effect(Effect::Hangup { conn: ticket.conn }));
        }
        out.extend(self.shard.abandon().into_iter().map(|(ticket, body)| HostOut::Reply(ticket, body)));
    }
}

fn copied(bytes: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(bytes)
}

fn batch_of(cx: &HostCx<'_>, records: &[GroupRecord]) -> crate::record::CheckedBatch {
    let mut builder = Builder::new();
    for record in records {
        let (key, value) = (record.encode_key(), record.encode_value());
        builder.push(&NewRecord {
            timestamp: cx.now.wall,
            key: Some(&key),
            value: value.as_deref(),
            ..NewRecord::default()
        });
    }
    builder.build_plain(cx.functions)
}

/// After so long a log that was not read to its end is read on.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// After so long it is asked again how much of it is committed.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// So much of a log is loaded in one step.
const LOAD_BYTES: u32 = 128 << 10;

#[cfg(test)]
#[path = "coordinators_test.rs"]
mod coordinators_test;
