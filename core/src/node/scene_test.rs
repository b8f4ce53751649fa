//! A stage for a node: logs in memory that do at once what is asked of them.

use super::{Boot, FoundLog, Node};
use crate::boundary::{
    Action, Asker, DiskFault, Done, Effect, Effects, HardState, Input, Line, Note, Produce, ProducePartition,
    ProduceTopic, Query, Slot,
};
use crate::config::{Config, Setting};
use crate::log::Log;
use crate::msg::fetch::FetchResponse;
use crate::msg::{Request, Response};
use crate::quorum::Voters;
use crate::record::{Builder, CheckedBatch, Functions, NewRecord, ProveRules, Proved, Records, prove};
use crate::types::{CallId, ConnId, ListenerType, LogId, Mono, Now, Offset, OpId, Str, Ticket, Uuid, Wall, limit};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::vec;

/// A node, its logs, and everything that it said.
pub struct Scene {
    pub node: Node,
    pub now: Now,
    /// How often it was started again.
    lives: u64,
    logs: BTreeMap<LogId, (Log, Vec<CheckedBatch>)>,
    /// Which log has which name.
    names: BTreeMap<(Str, i32), LogId>,
    /// Logs that were put in another directory than the first.
    pub places: BTreeMap<LogId, usize>,
    /// Logs that were asked to be in another directory, and in which. Nothing comes of it by itself.
    pub moves: Vec<(LogId, usize)>,
    /// How far copies lag behind.
    pub futures: BTreeMap<LogId, u64>,
    /// What is kept beside the metadata log.
    pub hard: HardState,
    /// What may be copied in a second.
    pub move_rates: Vec<u64>,
    pub replies: Vec<(Ticket, Option<Response>)>,
    /// Answers that came encoded.
    pub sent: Vec<(Ticket, bytes::Bytes)>,
    pub hangups: Vec<ConnId>,
    /// Calls to other nodes that nobody has answered yet.
    pub calls: Vec<(CallId, Arc<Line>, Request)>,
    pub notes: Vec<Note>,
    /// What is appended fails like this, as long as it is set.
    pub append_fault: Option<DiskFault>,
    /// Records of topics behind this offset are not read, as long as it is set.
    pub readable_to: Option<Offset>,
    /// Done with, but not told yet.
    held: Vec<Input>,
    /// Completions are held back until `release`.
    pub is_slow: bool,
    next_seq: u64,
    /// The most effects that one step had.
    pub effects_most: usize,
    /// The most notes that one step had.
    pub notes_most: usize,
    /// How many logs were asked to let go of old records.
    pub retained: usize,
    /// How many jobs were run.
    pub jobs: usize,
}

fn boot(config: Config, logs: Vec<FoundLog>, life: u64) -> Boot {
    let directories = (9..).take(config.store.dirs.len()).map(|number| Uuid([number; 16])).collect();
    Boot {
        config,
        functions: Functions::slow(),
        seed: 7 + life,
        cluster_id: Str::from("ottla-test-cluster-id0"),
        directories,
        unproved: Vec::new(),
        founders: Voters::default(),
        logs,
        lane_delay_max: Duration::ZERO,
        request_cost_max: limit::REQUEST_COST_MAX,
    }
}

fn config(pairs: &[(&str, &str)]) -> Config {
    let setting = |(key, value): &(&str, &str)| Setting {
        key: Str::from(*key),
        value: Str::from(*value),
        origin: Str::from_static("test"),
    };
    Config::read(pairs.iter().map(setting)).expect("good settings").0
}

impl Scene {
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        let now = Now { mono: Mono(0), wall: Wall(1_000_000) };
        let mut out = Effects::default();
        let node = Node::boot(boot(config(pairs), Vec::new(), 0), now, &mut out);
        let mut scene = Self {
            node,
            now,
            lives: 0,
            logs: BTreeMap::new(),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            moves: Vec::new(),
            futures: BTreeMap::new(),
            hard: HardState::default(),
            move_rates: Vec::new(),
            replies: Vec::new(),
            sent: Vec::new(),
            hangups: Vec::new(),
            calls: Vec::new(),
            notes: Vec::new(),
            append_fault: None,
            readable_to: None,
            held: Vec::new(),
            is_slow: false,
            next_seq: 0,
            effects_most: 0,
            notes_most: 0,
            retained: 0,
            jobs: 0,
        };
        scene.act(out);
        scene
    }

    /// The process dies and starts again with what its logs hold.
    pub fn restart(&mut self, pairs: &[(&str, &str)]) {
        let places = &self.places;
        let found = |(id, (log, _)): (&LogId, &(Log, Vec<CheckedBatch>))| FoundLog {
            id: *id,
            log: log.clone(),
            hard: if *id == LogId::METADATA { self.hard } else { HardState::default() },
            is_online: true,
            directory: places.get(id).copied().unwrap_or(0),
        };
        let mut out = Effects::default();
        self.held.clear();
        self.calls.clear();
        self.lives += 1;
        let boot = boot(config(pairs), self.logs.iter().map(found).collect(), self.lives);
        self.node = Node::boot(boot, self.now, &mut out);
        self.act(out);
    }

    pub fn step(&mut self, input: Input) {
        let mut out = Effects::default();
        self.node.step(self.now, input, &mut out);
        self.node.check();
        self.effects_most = self.effects_most.max(out.effects.len());
        self.notes_most = self.notes_most.max(out.notes.len());
        self.act(out);
    }

    /// Lets time pass, waking the node whenever it wants to be.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(at) = self.node.deadline().filter(|at| *at <= end) {
            self.now.wall = Wall(self.now.wall.0 + at.since(self.now.mono).as_millis() as i64);
            self.now.mono = self.now.mono.max(at);
            self.step(Input::Wake);
        }
        self.now.mono = end;
    }

    /// What was held back is told.
    pub fn release(&mut self) {
        self.is_slow = false;
        for input in core::mem::take(&mut self.held) {
            self.step(input);
        }
    }

    pub fn ask(&mut self, version: i16, body: Request) -> Ticket {
        self.ask_on(ListenerType::Broker, version, body)
    }

    pub fn ask_on(&mut self, listener_type: ListenerType, version: i16, body: Request) -> Ticket {
        self.ask_over(ConnId(1), listener_type, version, body)
    }

    pub fn ask_over(&mut self, conn: ConnId, listener_type: ListenerType, version: i16, body: Request) -> Ticket {
        let ticket = Ticket { conn, ..self.ticket() };
        let asker = Arc::new(Asker {
            conn: ticket.conn,
            client_id: Str::from("tester"),
            host: Str::from("/127.0.0.1"),
            listener: 0,
            listener_type,
        });
        self.step(Input::Request { ticket, asker, version, body });
        ticket
    }

    pub fn produce(&mut self, acks: i16, topic: &str, batches: Vec<(i32, Proved)>) -> Ticket {
        let ticket = self.ticket();
        let asker = Arc::new(Asker {
            conn: ticket.conn,
            client_id: Str::new(),
            host: Str::new(),
            listener: 0,
            listener_type: ListenerType::Broker,
        });
        let partition = |(index, proved)| ProducePartition { index, batch: Ok(proved) };
        let partitions = batches.into_iter().map(partition).collect();
        let topics = vec![ProduceTopic { name: Str::from(topic), id: Uuid::ZERO, partitions }];
        let body = Produce { transactional_id: None, acks, timeout: Duration::from_secs(30), topics };
        self.step(Input::Produce { ticket, asker, version: 9, body });
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        self.next_seq += 1;
        Ticket { conn: ConnId(1), seq: self.next_seq }
    }

    /// What the store knows of a log.
    pub fn has_log(&self, log: LogId) -> bool {
        self.logs.contains_key(&log)
    }

    pub fn log(&self, log: LogId) -> &Log {
        &self.logs[&log].0
    }

    /// The answer to a ticket, if it has come.
    pub fn answer(&mut self, ticket: Ticket) -> Option<Option<Response>> {
        let at = self.replies.iter().position(|(known, _)| *known == ticket)?;
        Some(self.replies.remove(at).1)
    }

    fn act(&mut self, out: Effects) {
        self.notes.extend(out.notes);
        let mut inputs = Vec::new();
        for effect in out.effects {
            match effect {
                Effect::Reply { ticket, body } => self.replies.push((ticket, body)),
                Effect::Send { ticket, body } => self.sent.push((ticket, body)),
                Effect::Serve { ticket, body, slots, .. } => {
                    let body = self.spliced(body, &slots);
                    self.replies.push((ticket, Some(Response::Fetch(body))));
                    inputs.push(Input::Served { ticket, outcome: Ok(()) });
                }
                Effect::Place { log, directory } => drop(self.places.insert(log, directory)),
                Effect::Move { log, directory } => self.moves.push((log, directory)),
                Effect::Trust => {}
                Effect::MovesThrottled(rate) => self.move_rates.push(rate),
                Effect::Store { op, log, action } => inputs.push(self.store(op, log, action)),
                Effect::Read { op, log, query } => {
                    let outcome = self.read(log, query);
                    inputs.push(Input::Done { op, outcome });
                }
                Effect::Job { op, job } => {
                    self.jobs += 1;
                    let outcome = Ok(Done::Job(job.run(&Functions::slow())));
                    inputs.push(Input::Done { op, outcome });
                }
                Effect::Hangup { conn } => self.hangups.push(conn),
                Effect::Call { call, line, body, .. } => self.calls.push((call, line, body)),
                Effect::Halt { fault } => panic!("halted: {fault:?}"),
            }
        }
        match self.is_slow {
            true => self.held.extend(inputs),
            false => inputs.into_iter().for_each(|input| self.step(input)),
        }
    }

    fn store(&mut self, op: OpId, log: LogId, action: Action) -> Input {
        if let (Some(fault), Action::Append { .. }) = (self.append_fault, &action) {
            return Input::Done { op, outcome: Err(fault) };
        }
        if let Action::Create(spec) = &action {
            let name = (spec.topic.clone(), log.partition);
            self.names.retain(|_, held| self.logs.contains_key(held));
            let other = self.names.insert(name, log);
            assert!(other.is_none(), "a log of this name is there already: {spec:?}");
            self.logs.insert(log, (Log::empty(Offset(0)), Vec::new()));
        }
        let Some((facts, batches)) = self.logs.get_mut(&log) else {
            return Input::Done { op, outcome: Err(DiskFault::NoSuchLog) };
        };
        let is_deleted = matches!(action, Action::Delete);
        self.retained += usize::from(matches!(action, Action::Retain { .. }));
        match action {
            Action::Append { batches: new } => {
                for batch in new {
                    facts.append(&batch, self.now.wall);
                    batches.push(batch);
                }
                facts.stored(facts.end());
            }
            Action::Trim { start } => {
                match start > facts.end() {
                    true => facts.begin_anew(start),
                    false => facts.trim(start),
                }
                batches.retain(|batch| batch.end_offset() > start);
            }
            Action::Truncate { .. } => panic!("a single replica is never cut back"),
            Action::Create(_) | Action::Configure(_) | Action::Retain { .. } | Action::Delete => {}
            Action::Vote { term, voted } => self.hard.vote = Some((term, voted)),
            Action::Registration { epoch } => self.hard.registration = Some(epoch),
            Action::Move(_) => unreachable!("only directories ask it of each other"),
        }
        let outcome = Ok(Done::Stored { start: facts.start(), end: facts.end() });
        if is_deleted {
            self.logs.remove(&log);
        }
        Input::Done { op, outcome }
    }

    fn read(&self, log: LogId, query: Query) -> Result<Done, DiskFault> {
        let (facts, batches) = self.logs.get(&log).ok_or(DiskFault::NoSuchLog)?;
        let before = |end: Offset| batches.iter().filter(move |batch| batch.base_offset() < end);
        Ok(match query {
            Query::Records { from, end, .. } => Done::Records(
                before(self.readable_to.filter(|_| log != LogId::METADATA).map_or(end, |at| at.min(end)))
                    .filter(|batch| batch.end_offset() > from)
                    .map(CheckedBatch::to_bytes)
                    .collect(),
            ),
            Query::AtTime { target, end } => {
                Done::Batch(before(end).find(|batch| batch.header().max_timestamp >= target).cloned())
            }
            Query::MaxTime { end } => {
                Done::Batch(before(end).max_by_key(|batch| batch.header().max_timestamp).cloned())
            }
            Query::Future => {
                return self
                    .futures
                    .get(&log)
                    .map(|lag| Done::Future { bytes: 1, lag: *lag })
                    .ok_or(DiskFault::NoSuchLog);
            }
            Query::Size => Done::Size(batches.iter().map(|batch| batch.bytes_len() as u64).sum()),
            Query::Log => Done::Log(alloc::boxed::Box::new(facts.clone())),
        })
    }

    fn spliced(&self, mut body: FetchResponse, slots: &[Slot]) -> FetchResponse {
        for slot in slots {
            let query = Query::Records { from: slot.from, end: slot.end, bytes_max: slot.bytes_max };
            let Ok(Done::Records(records)) = self.read(slot.log, query) else { panic!("the log is here") };
            body.responses[slot.topic].partitions[slot.partition].records = records;
        }
        body
    }
}

/// A batch of so many records, as a client sends it.
pub fn batch(records: usize) -> Proved {
    let mut builder = Builder::new();
    for _ in 0..records {
        builder.push(&NewRecord { timestamp: Wall(900), value: Some(b"value"), ..NewRecord::default() });
    }
    let f = Functions::slow();
    let rules = ProveRules { version: 9, batch_bytes_max: 1 << 20 };
    prove(builder.build_plain(&f).to_bytes(), &rules, &f, &mut Vec::new()).expect("well made")
}

/// How many bytes of records came.
pub fn bytes(records: &Records) -> usize {
    records.len()
}
