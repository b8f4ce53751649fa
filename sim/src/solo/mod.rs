//! The store alone: every kind of action, truncations and votes included that one broker never asks for, in a row on a few
//! logs, through kills, losses of power and failing devices. After each start every log must be as it was after some
//! number of the actions asked for, none of the confirmed ones missing.

mod state;

use crate::clock::At;
use crate::disk::{Armed, Disk, Token, Traits};
use crate::model::Finding;
use crate::report::{Outcome, Trace};
use crate::run::{caught, functions};
use ottla_core::boundary::{
    Action, DiskFault, Done, FileDone, FileFault, FileId, FileOp, LogSettings, LogSpec, OpenMode, Query,
};
use ottla_core::record::{Builder, Compression, NewRecord};
use ottla_core::store::{Claim, Recovered, Recovery, RecoveryStep, Store, StoreConfig, StoreOut};
use ottla_core::types::{
    BrokerEpoch, BrokerId, FileOpId, LeaderEpoch, LogId, Mono, Now, Offset, OpId, Rng, Str, Uuid, Wall,
};
use state::{Change, State, compare, kept_of, matches};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

struct Log {
    id: LogId,
    /// After everything that is confirmed.
    state: State,
    /// What it was before, and may be again if the power fails: only where flushes are left to the disk.
    past: Vec<State>,
    /// Since a start, until its bytes have been read: what it may be, of which they tell what it is.
    possible: Vec<State>,
    /// Asked for and not confirmed, in order.
    asked: VecDeque<(OpId, Change)>,
    reading: usize,
    /// An append was refused: what is there has to be asked before the next one, under this name if it is.
    refused: Option<Option<OpId>>,
}

impl Log {
    /// After everything that was asked for.
    fn hoped(&self) -> State {
        let mut state = self.state.clone();
        self.asked.iter().for_each(|(_, change)| state.apply(change));
        state
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    File(u64, Token),
    Act,
}

enum Running {
    Down,
    Booting(Box<Recovery>),
    Up(Box<Store>),
}

struct Solo {
    disk: Disk,
    rng: Rng,
    config: StoreConfig,
    heap: BinaryHeap<Reverse<(At, u64, Event)>>,
    seq: u64,
    now: At,
    life: u64,
    running: Running,
    ops: BTreeMap<Token, FileOpId>,
    logs: Vec<Log>,
    op: u64,
    queries: BTreeMap<OpId, (usize, i64, i64, u32)>,
    pipeline: usize,
    faulty: bool,
    /// The longest value of a record.
    value_bytes_max: u64,
    /// The power failed since the last start that ended well.
    lost_power: bool,
    /// Open segments.
    segments: BTreeSet<FileId>,
    trace: Trace,
    findings: Vec<Finding>,
    marks: BTreeMap<&'static str, u64>,
}

/// Runs a seed. With `keeps_lines` the second part is a line for each event.
pub fn run(seed: u64, keeps_lines: bool) -> (Outcome, Vec<String>) {
    let mut solo = Solo::new(seed, keeps_lines);
    let (finding, from_inside) = match caught(|| solo.play()) {
        None => (solo.findings.first().cloned(), false),
        Some(finding) => (Some(finding), true),
    };
    let tally = *solo.disk.tally();
    let counts = [
        ("power losses that dropped an unsynced sector", tally.power_losses_felt),
        ("torn writes", tally.torn_writes),
        ("failed syncs", tally.syncs_failed),
        ("writes without room", tally.writes_refused),
    ];
    counts.into_iter().for_each(|(mark, count)| *solo.marks.entry(mark).or_default() += count);
    let (digest, events) = (solo.trace.digest(), solo.trace.events());
    let outcome = Outcome { seed, digest, events, length: solo.now, finding, from_inside, marks: solo.marks };
    (outcome, solo.trace.lines().iter().map(ToString::to_string).collect())
}

impl Solo {
    fn new(seed: u64, keeps_lines: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut drawn = rng.fork("options");
        let traits = Traits {
            whole_pages: drawn.chance(1, 2),
            capacity_bytes: None,
            liar: false,
            access_us: 1 << drawn.between(4, 9),
            sync_us: 1 << drawn.between(6, 12),
        };
        let config = StoreConfig {
            journal_bytes: 1 << drawn.between(15, 19),
            group_bytes_max: 1 << drawn.between(12, 17),
            behind_bytes: 1 << drawn.between(12, 16),
            bypass_bytes_min: 1 << drawn.between(10, 16),
            room_bytes: 1 << drawn.between(12, 20),
            write_bytes_max: 1 << drawn.between(12, 18),
            cache_bytes_max: 1 << drawn.between(10, 20),
            read_bytes_max: 1 << drawn.between(12, 16),
            reads_max: drawn.between(1, 8) as usize,
            index_interval_bytes_min: 1 << drawn.between(7, 12),
            index_bytes_max: 1 << drawn.between(8, 16),
            ..StoreConfig::default()
        };
        let faulty = drawn.chance(1, 4);
        let value_bytes_max = 1 << drawn.between(8, 14);
        // What a failed flush leaves behind in the page cache cannot be told from what was flushed: there the journal itself
        // must not depend on flushes of its own.
        let is_durable = faulty || drawn.chance(3, 4);
        let ahead_bytes_max = config.read_bytes_max * (config.reads_max / 2) * 3;
        let config = StoreConfig { is_durable, ahead_bytes_max, ..config };
        let logs = (0..drawn.between(1, 5)).map(|number| Log {
            id: LogId { topic: Uuid([number as u8 + 1; 16]), partition: number as i32 },
            state: State::default(),
            past: Vec::new(),
            possible: Vec::new(),
            asked: VecDeque::new(),
            reading: 0,
            refused: None,
        });
        Self {
            disk: Disk::new(traits, rng.fork("disk")),
            config,
            heap: BinaryHeap::new(),
            seq: 0,
            now: At::START,
            life: 0,
            running: Running::Down,
            ops: BTreeMap::new(),
            logs: logs.collect(),
            op: 0,
            queries: BTreeMap::new(),
            pipeline: if faulty { 1 } else { drawn.between(1, 4) as usize },
            faulty,
            value_bytes_max,
            lost_power: false,
            segments: BTreeSet::new(),
            trace: Trace::new(keeps_lines),
            findings: Vec::new(),
            marks: BTreeMap::new(),
            rng: rng.fork("workload"),
        }
    }

    fn play(&mut self) {
        self.start();
        for _ in 0..self.rng.between(4, 14) {
            let turns = 1 << self.rng.between(2, 11);
            self.live(turns);
            if !self.findings.is_empty() {
                return;
            }
            self.die();
            self.start();
        }
        self.live(50);
    }

    fn live(&mut self, turns: u64) {
        for _ in 0..turns {
            let Some(Reverse((at, _, event))) = self.heap.pop() else { return };
            self.now = at;
            match event {
                Event::Act => self.act(),
                Event::File(life, token) if life == self.life => self.file_done(token),
                Event::File(..) => {}
            }
            if !self.findings.is_empty() {
                return;
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.now.0), wall: Wall(self.now.0 as i64 / 1_000_000) }
    }

    fn later(&mut self, micros: u64, event: Event) {
        self.seq += 1;
        self.heap.push(Reverse((At(self.now.0 + micros * 1_000), self.seq, event)));
    }

    fn mark(&mut self, mark: &'static str) {
        *self.marks.entry(mark).or_default() += 1;
    }

    fn find(&mut self, oracle: &'static str, text: String) {
        self.findings.push(Finding { oracle, text });
    }

    fn line(&mut self, facts: u64, text: impl FnOnce() -> String) {
        self.trace.event(self.now, facts, || ("store".to_owned(), text()));
    }

    fn die(&mut self) {
        let loses_power = self.rng.chance(2, 3);
        self.line(u64::from(loses_power), || format!("power lost: {loses_power}"));
        match loses_power {
            true => self.disk.lose_power(),
            false => self.disk.kill(),
        }
        self.lost_power |= loses_power;
        self.mark(if loses_power { "power losses" } else { "kills" });
        self.disk.disarm();
        self.life += 1;
        self.running = Running::Down;
        self.ops.clear();
        self.segments.clear();
        self.queries.clear();
        self.logs.iter_mut().for_each(|log| (log.reading, log.refused) = (0, None));
        self.heap.clear();
    }

    fn start(&mut self) {
        let claim = Claim {
            node: BrokerId(1),
            cluster: None,
            new_directory: Uuid([7; 16]),
            new_cluster: Some(Str::from_static("cluster")),
            new_salt: self.rng.next_u64(),
        };
        let mut recovery = Recovery::new(self.config.clone(), functions(), claim);
        let mut said = Vec::new();
        recovery.start(&mut said);
        self.running = Running::Booting(Box::new(recovery));
        self.heed(said);
        self.later(10, Event::Act);
    }

    fn file_done(&mut self, token: Token) {
        let outcome = self.disk.finish(token);
        let id = self.ops.remove(&token).expect("an operation ends once");
        self.line(token_facts(&outcome), || format!("{token:?} {}", brief(&outcome)));
        let now = self.now();
        let mut said = Vec::new();
        match std::mem::replace(&mut self.running, Running::Down) {
            Running::Down => {}
            Running::Up(mut store) => {
                store.file_done(now, id, outcome, &mut said);
                store.turn(now, &mut said);
                store.check();
                self.running = Running::Up(store);
            }
            Running::Booting(mut recovery) => match recovery.file_done(id, outcome, &mut said) {
                RecoveryStep::More => self.running = Running::Booting(recovery),
                RecoveryStep::Ready(store, recovered) => {
                    self.running = Running::Up(store);
                    self.judge(&recovered);
                }
                RecoveryStep::Refused(refusal) => self.find("recovery", refusal.to_string()),
            },
        }
        self.heed(said);
    }

    fn heed(&mut self, said: Vec<StoreOut>) {
        for said in said {
            match said {
                StoreOut::File { id, op } => {
                    self.line(id.0, || format!("{id:?} {op:?}").chars().take(160).collect());
                    self.look(&op);
                    let (token, wait) = self.disk.begin(op);
                    self.ops.insert(token, id);
                    self.later(wait.as_micros() as u64, Event::File(self.life, token));
                }
                StoreOut::Done { op, outcome } => self.done(op, outcome),
                StoreOut::Served { .. } | StoreOut::Moved { .. } | StoreOut::Note(_) => {}
            }
        }
    }

    /// Counts what is worth being met.
    fn look(&mut self, op: &FileOp) {
        match op {
            FileOp::Open { file, path, mode: OpenMode::Direct } if path.ends_with(".log") => {
                self.segments.insert(*file);
            }
            FileOp::WriteAt { file, durable: true, .. } if self.segments.contains(file) => {
                self.mark("appends past the journal");
            }
            _ => {}
        }
    }

    /// A turn of whoever uses the store.
    fn act(&mut self) {
        let pause = 1 << self.rng.below(13);
        self.later(pause, Event::Act);
        let Running::Up(_) = self.running else { return };
        for _ in 0..self.rng.below(4) {
            let log = self.rng.below(self.logs.len() as u64) as usize;
            match self.rng.below(3) {
                0 => self.ask(log),
                _ => self.submit(log),
            }
        }
        if self.faulty && self.rng.chance(1, 60) {
            match self.rng.below(4) {
                0 => self.disk.arm(Armed::SyncFails),
                1 => self.disk.arm(Armed::WriteFails),
                2 => self.disk.fill_up_to(self.rng.below(60_000)),
                _ => self.disk.relieve(),
            }
        }
        let now = self.now();
        let mut said = Vec::new();
        if let Running::Up(store) = &mut self.running {
            store.turn(now, &mut said);
            store.check();
        }
        self.heed(said);
    }

    fn submit(&mut self, number: usize) {
        let log = &self.logs[number];
        if log.refused.is_some() {
            return self.ask_facts(number);
        }
        if log.asked.len() >= self.pipeline || !log.possible.is_empty() {
            return;
        }
        let hoped = log.hoped();
        let Some((change, action)) = self.draw(number, &hoped) else { return };
        self.op += 1;
        let op = OpId(self.op);
        let id = self.logs[number].id;
        self.line(op.0, || format!("{op:?} log {number} {change:?}").chars().take(160).collect());
        self.logs[number].asked.push_back((op, change));
        if let Running::Up(store) = &mut self.running {
            store.submit(op, id, action);
        }
    }

    fn draw(&mut self, number: usize, hoped: &State) -> Option<(Change, Action)> {
        if !hoped.exists {
            let settings = LogSettings {
                segment_bytes: 1 << self.rng.between(11, 19),
                index_interval_bytes: 128,
                ..LogSettings::default()
            };
            return Some((Change::Create, Action::Create(LogSpec { topic: Str::from_static("solo"), settings })));
        }
        let reading = self.logs[number].reading > 0;
        match self.rng.below(40) {
            0 if !reading => Some((Change::Delete, Action::Delete)),
            1 | 2 if !reading => {
                let cuts: Vec<i64> =
                    hoped.batches.iter().map(|batch| batch.base).filter(|at| *at >= hoped.start).collect();
                let end = *cuts.get(self.rng.below(cuts.len().max(1) as u64) as usize)?;
                Some((Change::Truncate(end), Action::Truncate { end: Offset(end) }))
            }
            3 | 4 if !reading => {
                let start = self.rng.between(hoped.start as u64, hoped.end as u64) as i64;
                Some((Change::Trim(start), Action::Trim { start: Offset(start) }))
            }
            5 => {
                let term = LeaderEpoch(self.rng.below(1_000) as i32);
                let voted = self.rng.chance(1, 2).then_some(BrokerId(2));
                Some((Change::Vote(term, voted), Action::Vote { term, voted }))
            }
            6 => {
                let epoch = BrokerEpoch(self.rng.below(1_000) as i64);
                Some((Change::Registration(epoch), Action::Registration { epoch }))
            }
            _ => Some(self.draw_append(hoped.end)),
        }
    }

    fn draw_append(&mut self, end: i64) -> (Change, Action) {
        let mut next = end;
        let (mut kept, mut batches) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.between(1, 3) {
            let mut builder = Builder::new().at(Offset(next), LeaderEpoch(0)).compressed(Compression::None);
            let most = 1 + self.rng.below(self.value_bytes_max);
            let value = vec![self.rng.below(256) as u8; self.rng.below(most) as usize];
            for _ in 0..self.rng.between(1, 4) {
                builder.push(&NewRecord { timestamp: self.now().wall, value: Some(&value), ..NewRecord::default() });
            }
            let batch = builder.build_plain(&functions());
            next = batch.end_offset().0;
            kept.push(kept_of(&batch));
            batches.push(batch);
        }
        (Change::Append(kept), Action::Append { batches })
    }

    fn ask(&mut self, number: usize) {
        let log = &self.logs[number];
        let is_settled = log.asked.is_empty() && log.possible.is_empty();
        if !is_settled || !log.state.exists || log.state.end == log.state.start {
            return;
        }
        let from = self.rng.between(log.state.start as u64, log.state.end as u64 - 1) as i64;
        let end = log.state.end;
        let bytes_max = 1 << self.rng.below(16);
        self.op += 1;
        let op = OpId(self.op);
        self.queries.insert(op, (number, from, end, bytes_max));
        let id = log.id;
        self.logs[number].reading += 1;
        let mut said = Vec::new();
        if let Running::Up(store) = &mut self.running {
            let query = Query::Records { from: Offset(from), end: Offset(end), bytes_max };
            store.query(op, id, &query, &mut said);
        }
        self.heed(said);
    }

    /// As a broker does whose append was refused: what was submitted behind it is on its way still.
    fn ask_facts(&mut self, number: usize) {
        if self.logs[number].refused != Some(None) {
            return;
        }
        self.op += 1;
        let op = OpId(self.op);
        self.logs[number].refused = Some(Some(op));
        let mut said = Vec::new();
        if let Running::Up(store) = &mut self.running {
            store.query(op, self.logs[number].id, &Query::Log, &mut said);
        }
        self.heed(said);
    }

    fn facts(&mut self, number: usize, outcome: Result<Done, DiskFault>) {
        let log = &mut self.logs[number];
        log.refused = None;
        let is_so = match &outcome {
            Ok(Done::Log(facts)) => (facts.start().0, facts.end().0) == (log.state.start, log.state.end),
            Err(DiskFault::NoSuchLog) => !log.state.exists,
            Err(DiskFault::Offline) => return,
            _ => false,
        };
        if !is_so || !log.asked.is_empty() {
            let text =
                format!("log {number} is {:?}, with {:?} asked, and is told as {outcome:?}", log.state, log.asked);
            self.find("facts", text);
        }
        self.mark("facts after a refusal");
    }

    fn done(&mut self, op: OpId, outcome: Result<Done, DiskFault>) {
        if let Some(number) = self.logs.iter().position(|log| log.refused == Some(Some(op))) {
            return self.facts(number, outcome);
        }
        self.line(op.0 ^ u64::from(outcome.is_ok()), || {
            format!("{op:?} ended: {outcome:?}").chars().take(160).collect()
        });
        if let Some((number, from, end, bytes_max)) = self.queries.remove(&op) {
            self.logs[number].reading -= 1;
            match outcome {
                Ok(Done::Records(records)) => {
                    self.mark("reads");
                    let bytes = records.to_bytes();
                    let mut states = std::mem::take(&mut self.logs[number].possible);
                    if states.is_empty() {
                        states.push(self.logs[number].state.clone());
                    }
                    let judged = states.iter().rev().map(|state| compare(state, (from, end), bytes_max, &bytes));
                    match judged.clone().position(|verdict| verdict.is_ok()) {
                        Some(at) => self.logs[number].state = states.swap_remove(states.len() - 1 - at),
                        None => {
                            let texts: Vec<String> = judged.filter_map(Result::err).collect();
                            self.find("read", format!("log {number} from {from}: {}", texts.join("; or ")));
                        }
                    }
                }
                Err(DiskFault::Offline) if self.faulty => {}
                other => self.find("read", format!("log {number} from {from} to {end}: {other:?}")),
            }
            return;
        }
        let Some(number) = self.logs.iter().position(|log| log.asked.iter().any(|(asked, _)| *asked == op)) else {
            return self.find("conservation", format!("{op:?} ended though it was not under way"));
        };
        let log = &mut self.logs[number];
        match outcome {
            Ok(done) => {
                let (first, change) = log.asked.pop_front().expect("it is in there");
                for step in change.clone().steps() {
                    if !self.config.is_durable {
                        log.past.push(log.state.clone());
                    }
                    log.state.apply(&step);
                }
                if matches!(change, Change::Vote(..) | Change::Registration(_) | Change::Truncate(_) | Change::Delete) {
                    // These are flushed in any case, and all before them.
                    log.past.clear();
                }
                let (start, end) = (log.state.start, log.state.end);
                if first != op {
                    self.find("order", format!("log {number}: {op:?} ended before {first:?}"));
                } else if let Done::Stored { start: s, end: e } = done
                    && (s.0, e.0) != (start, end)
                    && !matches!(change, Change::Delete)
                {
                    let text = format!("log {number}: {change:?} leaves {s:?} to {e:?}, not {start} to {end}");
                    self.find("range", text);
                }
                self.mark("actions");
            }
            Err(DiskFault::Full) if self.faulty => {
                let at = log.asked.iter().position(|(asked, _)| *asked == op).expect("it was found by it");
                let (_, change) = log.asked.remove(at).expect("it was found there");
                if matches!(change, Change::Append(_)) {
                    log.refused.get_or_insert(None);
                }
            }
            Err(DiskFault::Offline) if self.faulty => {}
            Err(fault) => self.find("action", format!("log {number}: {op:?} ends in {fault:?}")),
        }
    }

    /// After a start every log is as it was after some of the actions. Of an append that nobody was told of a part may be
    /// there, in whole batches.
    fn judge(&mut self, recovered: &Recovered) {
        self.line(99, || format!("recovered {} logs", recovered.logs.len()));
        for number in 0..self.logs.len() {
            let found = recovered.logs.iter().find(|log| log.id == self.logs[number].id);
            let log = &mut self.logs[number];
            let mut candidates = std::mem::take(&mut log.past);
            if !self.lost_power {
                candidates.clear();
            }
            candidates.append(&mut log.possible);
            if candidates.last() != Some(&log.state) {
                candidates.push(log.state.clone());
            }
            for (_, change) in std::mem::take(&mut log.asked) {
                for step in change.steps() {
                    let mut next = candidates.last().expect("it began with one").clone();
                    next.apply(&step);
                    candidates.push(next);
                }
            }
            let hoped = candidates.last().expect("it began with one").clone();
            candidates.retain(|candidate| matches(candidate, found));
            match candidates.last() {
                Some(state) => {
                    // Of several that fit by their range the content tells which it was.
                    log.state = state.clone();
                    log.possible = candidates;
                    self.settle(number);
                }
                None => {
                    let state = &self.logs[number].state;
                    let text = format!(
                        "log {number}: confirmed {}..{} (exists: {}, kept {:?}), found {found:?}, hoped {hoped:?}",
                        state.start, state.end, state.exists, state.hard
                    );
                    self.find("durable", text.chars().take(2_000).collect());
                }
            }
        }
        self.lost_power = false;
    }

    /// Asks for all of a log that was just recovered.
    fn settle(&mut self, number: usize) {
        let log = &mut self.logs[number];
        if !log.state.exists || log.state.start == log.state.end {
            log.possible.clear();
            return;
        }
        let (from, end, id) = (log.state.start, log.state.end, log.id);
        self.op += 1;
        let op = OpId(self.op);
        self.queries.insert(op, (number, from, end, u32::MAX));
        self.logs[number].reading += 1;
        let mut said = Vec::new();
        if let Running::Up(store) = &mut self.running {
            let query = Query::Records { from: Offset(from), end: Offset(end), bytes_max: u32::MAX };
            store.query(op, id, &query, &mut said);
        }
        self.heed(said);
    }
}

fn token_facts(outcome: &Result<FileDone, FileFault>) -> u64 {
    u64::from(outcome.is_ok())
}

fn brief(outcome: &Result<FileDone, FileFault>) -> String {
    match outcome {
        Ok(FileDone::Read(bytes)) => format!("read {} bytes", bytes.len()),
        other => format!("{other:?}"),
    }
}
