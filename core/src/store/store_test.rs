//! The store over a disk that loses power at any moment: what was acknowledged is there, once and in order, however it is
//! read; what is there besides was at least submitted, in order.

use super::disk_test::TestDisk;
use super::{Claim, Recovered, Recovery, RecoveryRefusal, RecoveryStep, Store, StoreConfig, StoreOut};
use crate::boundary::{Action, DiskFault, Done, FileFault, FileOp, HardState, LogSettings, LogSpec, Query, Slot};
use crate::log::Producer;
use crate::record::{Builder, CheckedBatch, Functions, Header, NewRecord, Records, check_stored};
use crate::types::{
    BrokerEpoch, BrokerId, ConnId, FileOpId, LeaderEpoch, LogId, Mono, Now, Offset, OpId, ProducerEpoch, ProducerId,
    Rng, Ticket, Uuid, Wall,
};
use alloc::collections::BTreeMap;
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

/// A log as a client may expect it: after each change that was submitted, and how many of those are acknowledged.
#[derive(Clone, Default)]
struct Expected {
    states: Vec<State>,
    acknowledged: usize,
    submitted: BTreeMap<OpId, usize>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    exists: bool,
    start: i64,
    end: i64,
    batches: Vec<(i64, i64, Vec<u8>)>,
    hard: HardState,
}

impl State {
    fn bytes(&self) -> Vec<u8> {
        let kept = self.batches.iter().filter(|(_, end, _)| *end > self.start);
        kept.flat_map(|(_, _, bytes)| bytes.iter().copied()).collect()
    }

    /// Batches stay whole or go.
    fn cut(&mut self, end: i64) {
        self.batches.retain(|(_, batch_end, _)| *batch_end <= end);
        self.end = self.batches.last().map_or(self.start, |(_, batch_end, _)| self.start.max(*batch_end));
    }
}

struct World {
    rng: Rng,
    disk: TestDisk,
    store: Box<Store>,
    under_way: Vec<(FileOpId, FileOp)>,
    expected: BTreeMap<LogId, Expected>,
    served: BTreeMap<Ticket, Vec<Result<Records, DiskFault>>>,
    done: BTreeMap<OpId, Result<Done, DiskFault>>,
    op: u64,
    mono: u64,
    config: StoreConfig,
    incarnation: u8,
}

pub(super) fn tiny(rng: &mut Rng) -> StoreConfig {
    StoreConfig {
        is_durable: true,
        journal_bytes: 8192 * rng.between(6, 20),
        group_bytes_max: 4096 * rng.between(1, 4) as usize,
        behind_bytes: 4096 * rng.between(1, 5),
        bypass_bytes_min: 4096 * rng.between(1, 5) as usize,
        room_bytes: 4096 * rng.between(1, 10),
        write_bytes_max: 4096 * rng.between(1, 4),
        cache_bytes_max: 4096 * rng.between(0, 20) as usize,
        read_bytes_max: rng.between(1, 20_000) as usize,
        ahead_bytes_max: 4096 * rng.between(0, 20) as usize,
        reads_max: rng.between(1, 4) as usize,
        index_interval_bytes_min: rng.between(1, 8000) as u32,
        index_bytes_max: rng.between(0, 2000) as usize,
        idle: Duration::from_secs(rng.between(1, 5)),
        retry: Duration::from_secs(1),
    }
}

fn claim() -> Claim {
    Claim {
        node: BrokerId(1),
        cluster: None,
        new_directory: Uuid([3; 16]),
        new_cluster: Some("cluster".into()),
        new_salt: 99,
    }
}

/// Opens the directory on this disk; nothing else is under way.
pub(super) fn open(
    disk: &mut TestDisk,
    config: &StoreConfig,
    claim: Claim,
) -> Result<(Box<Store>, Recovered), RecoveryRefusal> {
    disk.forget_open();
    let mut recovery = Recovery::new(config.clone(), Functions::slow(), claim);
    let mut out = Vec::new();
    recovery.start(&mut out);
    loop {
        let mut step = RecoveryStep::More;
        for op in std::mem::take(&mut out) {
            let (id, op) = match op {
                StoreOut::File { id, op } => (id, op),
                StoreOut::Note(_) => continue,
                StoreOut::Done { .. } | StoreOut::Served { .. } | StoreOut::Moved { .. } => {
                    panic!("recovery answers nobody")
                }
            };
            let outcome = disk.run(&op);
            match recovery.file_done(id, outcome, &mut out) {
                RecoveryStep::More => {}
                last => step = last,
            }
        }
        match step {
            RecoveryStep::More => {
                let goes_on = out.iter().any(|one| matches!(one, StoreOut::File { .. }));
                assert!(goes_on, "recovery goes on until it ends");
            }
            RecoveryStep::Ready(store, recovered) => {
                for op in out {
                    if let StoreOut::File { op, .. } = op {
                        drop(disk.run(&op));
                    }
                }
                return Ok((store, recovered));
            }
            RecoveryStep::Refused(refusal) => return Err(refusal),
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = tiny(&mut rng);
        Self::with(rng, config)
    }

    fn with(rng: Rng, config: StoreConfig) -> Self {
        let mut disk = TestDisk::default();
        let (store, recovered) = open(&mut disk, &config, claim()).unwrap();
        assert!(recovered.is_new && recovered.logs.is_empty());
        Self {
            rng,
            disk,
            store,
            under_way: Vec::new(),
            expected: BTreeMap::new(),
            served: BTreeMap::new(),
            done: BTreeMap::new(),
            op: 0,
            mono: 0,
            config,
            incarnation: 0,
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: Wall(1_000_000 + (self.mono / 1_000_000) as i64) }
    }

    fn take(&mut self, out: Vec<StoreOut>) {
        for item in out {
            match item {
                StoreOut::File { id, op } => self.under_way.push((id, op)),
                StoreOut::Done { op, outcome } => self.done(op, outcome),
                StoreOut::Served { ticket, slots } => assert!(self.served.insert(ticket, slots).is_none()),
                StoreOut::Note(_) => {}
                StoreOut::Moved { .. } => unreachable!("there is one directory"),
            }
        }
        self.store.check();
    }

    fn done(&mut self, op: OpId, outcome: Result<Done, DiskFault>) {
        for expected in self.expected.values_mut() {
            if let Some(state) = expected.submitted.remove(&op) {
                let Ok(Done::Stored { start, end }) = outcome else { panic!("{outcome:?}") };
                expected.acknowledged = expected.acknowledged.max(state);
                let state = &expected.states[state];
                assert!(!state.exists || (start.0, end.0) == (state.start, state.end));
            }
        }
        assert!(self.done.insert(op, outcome).is_none(), "an operation ends once");
    }

    fn turn(&mut self) {
        let mut out = Vec::new();
        let now = self.now();
        self.store.turn(now, &mut out);
        self.take(out);
    }

    fn finish_one(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.rng.below(self.under_way.len() as u64) as usize;
        let (id, op) = self.under_way.swap_remove(at);
        let outcome = self.disk.run(&op);
        let mut out = Vec::new();
        let now = self.now();
        self.store.file_done(now, id, outcome, &mut out);
        self.take(out);
    }

    fn finish_all(&mut self) {
        for _ in 0..100_000 {
            self.turn();
            if self.under_way.is_empty() {
                return;
            }
            self.finish_one();
        }
        panic!("the store comes to rest");
    }

    /// Goes on until only operations of this kind are under way.
    fn finish_but(&mut self, waits: impl Fn(&FileOp) -> bool) {
        loop {
            self.turn();
            let Some(at) = self.under_way.iter().position(|(_, op)| !waits(op)) else { return };
            let last = self.under_way.len() - 1;
            self.under_way.swap(at, last);
            let held = self.under_way.drain(..last).collect::<Vec<_>>();
            self.finish_one();
            self.under_way.extend(held);
        }
    }

    fn submit(&mut self, log: LogId, action: Action, next: Vec<State>) -> OpId {
        self.op += 1;
        let op = OpId(self.op);
        let expected = self
            .expected
            .entry(log)
            .or_insert_with(|| Expected { states: vec![State::default()], ..Expected::default() });
        expected.states.extend(next);
        expected.submitted.insert(op, expected.states.len() - 1);
        self.store.submit(op, log, action);
        op
    }

    fn id(&self, log: u8) -> LogId {
        LogId { topic: Uuid([log; 16]), partition: 0 }
    }

    fn state(&self, log: LogId) -> State {
        self.expected.get(&log).and_then(|expected| expected.states.last()).cloned().unwrap_or_default()
    }

    fn create(&mut self, log: LogId, segment_bytes: u32) {
        let settings = LogSettings { segment_bytes, index_interval_bytes: 1, ..LogSettings::default() };
        let spec = LogSpec { topic: format!("topic{}", log.topic.0[0] % 4).as_str().into(), settings };
        self.submit(log, Action::Create(spec), vec![State { exists: true, ..State::default() }]);
    }

    fn append(&mut self, log: LogId, count: u64, bytes_max: u64) -> OpId {
        let mut state = self.state(log);
        let mut batches = Vec::new();
        let mut states = Vec::new();
        for _ in 0..count {
            let len = self.rng.between(1, bytes_max) as usize;
            let value: Vec<u8> = (0..len).map(|_| self.rng.next_u64() as u8).collect();
            let batch = batch_of(state.end, self.rng.between(1, 3), &value, self.now().wall);
            state.batches.push((state.end, batch.end_offset().0, batch.to_bytes().to_vec()));
            state.end = batch.end_offset().0;
            states.push(state.clone());
            batches.push(batch);
        }
        self.submit(log, Action::Append { batches }, states)
    }

    fn act(&mut self) {
        let slot = self.rng.below(3) as u8;
        // A deleted log comes back under another id, with the same folder.
        let lives = (0..60).map(|life| self.id(slot + 4 * life));
        let last = lives.clone().find(|id| self.state(*id).exists);
        let last = last.or_else(|| lives.clone().find(|id| !self.expected.contains_key(id)));
        let Some(log) = last else { return };
        let mut state = self.state(log);
        match self.rng.below(40) {
            _ if !state.exists => {
                let segment_bytes = self.rng.between(500, 20_000) as u32;
                self.create(log, segment_bytes);
            }
            0 => {
                self.submit(log, Action::Delete, vec![State::default()]);
            }
            1 | 2 if state.end > state.start => {
                let end = self.rng.between(state.start as u64, state.end as u64) as i64;
                state.cut(end);
                self.submit(log, Action::Truncate { end: Offset(end) }, vec![state]);
            }
            3 => {
                state.start = self.rng.between(state.start as u64, state.end as u64) as i64;
                self.submit(log, Action::Trim { start: Offset(state.start) }, vec![state]);
            }
            4 => {
                let term = self.rng.below(1000) as i32;
                let (epoch, vote) = (BrokerEpoch(i64::from(term)), (LeaderEpoch(term), Some(BrokerId(term))));
                let action = match self.rng.chance(1, 2) {
                    true => {
                        state.hard.registration = Some(epoch);
                        Action::Registration { epoch }
                    }
                    false => {
                        state.hard.vote = Some(vote);
                        Action::Vote { term: vote.0, voted: vote.1 }
                    }
                };
                self.submit(log, action, vec![state]);
            }
            5 => {
                let state = self.state(log);
                let settings = LogSettings {
                    segment_bytes: self.rng.between(500, 20_000) as u32,
                    index_interval_bytes: 1,
                    ..LogSettings::default()
                };
                self.submit(log, Action::Configure(settings), vec![state]);
            }
            6 => {
                let (count, bytes_max) = (self.rng.between(1, 5), 5000);
                self.append(log, count, bytes_max);
            }
            _ => {
                let (count, bytes_max) = (self.rng.between(1, 3), self.rng.between(1, 900));
                self.append(log, count, bytes_max);
            }
        }
    }

    /// Asks for some stretch of some log while all is in motion: whatever comes is whole, in order, from where it was asked.
    fn ask(&mut self) {
        let slot = self.rng.below(8) as u8;
        let log = self.id(slot);
        let state = self.state(log);
        let from = Offset(self.rng.between(0, state.end.max(1) as u64) as i64);
        self.op += 1;
        let op = OpId(self.op);
        let end = Offset(i64::MAX);
        let query = match self.rng.below(4) {
            0 => Query::AtTime { target: Wall(self.now().wall.0 - self.rng.below(100) as i64), end },
            1 => Query::MaxTime { end },
            _ => Query::Records { from, end, bytes_max: self.rng.below(9000) as u32 },
        };
        let mut out = Vec::new();
        self.store.query(op, log, &query, &mut out);
        self.take(out);
    }

    fn crash(&mut self, loses_power: bool) -> Recovered {
        let under_way = std::mem::take(&mut self.under_way).into_iter().map(|(_, op)| op).collect();
        if loses_power {
            self.disk.lose_power(under_way, &mut self.rng);
        } else {
            self.disk.kill(under_way, &mut self.rng);
        }
        self.config = StoreConfig { journal_bytes: self.config.journal_bytes, ..tiny(&mut self.rng) };
        self.incarnation += 1;
        let (store, recovered) = open(&mut self.disk, &self.config, claim()).unwrap();
        self.store = store;
        self.done.clear();
        self.served.clear();
        recovered
    }

    /// What was found is what was acknowledged, or a little more of what was submitted.
    fn judge(&mut self, recovered: &Recovered) {
        let ids: Vec<LogId> = self.expected.keys().copied().collect();
        for id in ids {
            let found = recovered.logs.iter().find(|log| log.id == id);
            assert!(found.is_none_or(|log| log.is_online), "nothing is rotten: {id:?}");
            let is_like = |state: &State| match found {
                None => !state.exists,
                Some(log) => {
                    state.exists && (log.start.0, log.end.0) == (state.start, state.end) && log.hard == state.hard
                }
            };
            let bytes = found.map(|log| self.read_all(id, log.start, log.end));
            let expected = self.expected.get_mut(&id).unwrap();
            let candidates = &expected.states[expected.acknowledged..];
            let at = candidates
                .iter()
                .position(|state| is_like(state) && bytes.as_ref().is_none_or(|bytes| *bytes == state.bytes()));
            let Some(at) = at else {
                let want = &candidates[0];
                panic!(
                    "{id:?}: found {:?}, acknowledged {:?}",
                    found.map(|log| (log.start, log.end, log.hard)),
                    (want.exists, want.start, want.end, want.hard)
                );
            };
            let now = candidates[at].clone();
            *expected = Expected { states: vec![now], ..Expected::default() };
        }
        for log in &recovered.logs {
            assert!(self.expected.contains_key(&log.id), "nobody made {:?}", log.id);
        }
    }

    /// Reads a log from end to end, in steps of any size.
    fn read_all(&mut self, id: LogId, start: Offset, end: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut from = start;
        while from < end {
            let bytes_max = self.rng.below(6000) as u32;
            let got = self.serve_one(id, from, end, bytes_max);
            from = walk(&got, from).expect("all that there is can be read");
            bytes.extend_from_slice(&got);
        }
        bytes
    }

    fn serve_one(&mut self, id: LogId, from: Offset, end: Offset, bytes_max: u32) -> Vec<u8> {
        self.op += 1;
        let ticket = Ticket { conn: ConnId(u64::from(self.incarnation)), seq: self.op };
        let slot_bytes = self.rng.below(6000) as u32;
        let slot = |from| Slot { topic: 0, partition: 0, log: id, from, end, bytes_max: slot_bytes };
        let mut out = Vec::new();
        self.store.serve(ticket, vec![slot(from), slot(from)], bytes_max, &mut out);
        self.take(out);
        for _ in 0..10_000 {
            if self.served.contains_key(&ticket) {
                break;
            }
            self.turn();
            self.finish_one();
        }
        let slots = self.served.remove(&ticket).expect("every serve is answered");
        let first = slots[0].as_ref().expect("nothing is wrong").to_bytes().to_vec();
        let second = slots[1].as_ref().expect("nothing is wrong").to_bytes().to_vec();
        assert!(first.starts_with(&second), "the same place twice");
        let is_one = check_stored(first.clone().into(), &Functions::slow()).count() == 1;
        assert!(is_one || first.len() <= slot_bytes.min(bytes_max) as usize, "bounds are kept");
        assert!(first.is_empty() || first.len() + second.len() <= bytes_max as usize || second.is_empty());
        first
    }
}

/// Checks a run of batches that was asked for from here on: returns where it ends.
pub(super) fn walk(bytes: &[u8], from: Offset) -> Option<Offset> {
    let mut at = None;
    for batch in check_stored(bytes.to_vec().into(), &Functions::slow()) {
        let batch = batch.expect("only whole batches come");
        match at {
            None => assert!(batch.end_offset() > from, "no batch before the one asked for"),
            Some(at) => assert!(batch.base_offset() >= at, "in order"),
        }
        at = Some(batch.end_offset());
    }
    at
}

pub(super) fn batch_of(base: i64, records: u64, value: &[u8], at: Wall) -> CheckedBatch {
    let record = NewRecord { timestamp: at, key: None, value: Some(value), headers: &[] };
    let mut builder = Builder::new().at(Offset(base), LeaderEpoch((base / 100) as i32));
    for _ in 0..records {
        builder.push(&record);
    }
    builder.build_plain(&Functions::slow())
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..world.rng.between(1, 5) {
        for _ in 0..world.rng.between(1, 400) {
            match world.rng.below(10) {
                0..3 => world.act(),
                3 => world.ask(),
                4 => world.mono += world.rng.below(2_000_000_000),
                5 => world.turn(),
                _ => world.finish_one(),
            }
        }
        if world.rng.chance(1, 3) {
            world.finish_all();
        }
        let loses_power = world.rng.chance(2, 3);
        let recovered = world.crash(loses_power);
        world.judge(&recovered);
    }
    // Whatever was found stays, and the store comes to rest.
    for _ in 0..3 {
        world.act();
    }
    world.finish_all();
    let recovered = world.crash(true);
    for expected in world.expected.values() {
        assert!(expected.submitted.is_empty(), "all was acknowledged");
    }
    world.judge(&recovered);
}

#[test]
fn what_was_acknowledged_survives_any_crash_at_any_moment() {
    let seeds = std::env::var("STORE_SEEDS").unwrap_or_else(|_| "0..60".to_string());
    let (from, end) = seeds.split_once("..").expect("as 0..60");
    for seed in from.parse::<u64>().unwrap()..end.parse().unwrap() {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed}: STORE_SEEDS={seed}..{} cargo test -p ottla-core store_test", seed + 1);
    }
}

fn roomy() -> StoreConfig {
    StoreConfig { journal_bytes: 1 << 20, ..StoreConfig::default() }
}

fn world(config: StoreConfig) -> World {
    World::with(Rng::new(7), config)
}

#[test]
fn a_group_that_rotted_takes_the_logs_that_it_changed_offline_and_no_other() {
    let mut world = world(roomy());
    let (one, two) = (world.id(0), world.id(1));
    for log in [one, two] {
        world.create(log, 1 << 20);
        world.finish_all();
        world.append(log, 1, 100);
        world.finish_all();
    }
    let at = world.store.journal.at as usize;
    world.append(one, 1, 100);
    world.finish_all();
    world.append(two, 1, 100);
    world.finish_all();
    let name = world.disk.paths().into_iter().find(|name| name == "journal-1").expect("generation 1 is in it");
    world.disk.bytes_mut(&name).expect("it is there")[at + 300] ^= 1;
    let (_, recovered) = open(&mut world.disk, &world.config, claim()).unwrap();
    let online = |id| recovered.logs.iter().find(|log| log.id == id).map(|log| (log.is_online, log.end));
    assert_eq!(online(one).map(|(is_online, _)| is_online), Some(false));
    assert_eq!(online(two), Some((true, Offset(world.state(two).end))));
}

#[test]
fn a_large_group_that_rotted_is_not_taken_for_the_torn_tail() {
    let mut world = world(StoreConfig { journal_bytes: 16 << 20, ..StoreConfig::default() });
    let (one, two) = (world.id(0), world.id(1));
    for log in [one, two] {
        world.create(log, 1 << 30);
        world.finish_all();
    }
    let at = world.store.journal.at as usize;
    let op = world.append_unexpected(one, 6 << 20);
    world.finish_all();
    assert!(matches!(world.done.get(&op), Some(Ok(_))));
    assert!(world.store.journal.at as usize > at + (6 << 20), "it went into the journal whole");
    world.append(two, 1, 100);
    world.finish_all();
    let name = world.disk.paths().into_iter().find(|name| name == "journal-1").expect("generation 1 is in it");
    world.disk.bytes_mut(&name).expect("it is there")[at + (3 << 20)] ^= 1;
    let (_, recovered) = open(&mut world.disk, &world.config, claim()).unwrap();
    let online = |id| recovered.logs.iter().find(|log| log.id == id).map(|log| (log.is_online, log.end));
    assert_eq!(online(one).map(|(is_online, _)| is_online), Some(false));
    assert_eq!(online(two), Some((true, Offset(world.state(two).end))), "what is behind it is acknowledged too");
}

#[test]
fn a_log_whose_creation_rotted_is_not_forgotten() {
    let mut world = world(roomy());
    let (one, two) = (world.id(0), world.id(1));
    let first = world.store.journal.at as usize;
    world.create(one, 1 << 20);
    world.finish_all();
    let second = world.store.journal.at as usize;
    world.create(two, 1 << 20);
    world.finish_all();
    world.append(two, 1, 100);
    world.finish_all();
    world.disk.bytes_mut("journal-1").expect("generation 1 is in it")[second + 80] ^= 1;
    // Nobody knows that the second log was there, so nothing is told of the first one either.
    let (_, recovered) = open(&mut world.disk, &world.config, claim()).unwrap();
    assert_eq!(recovered.logs.iter().map(|log| (log.id, log.is_online)).collect::<Vec<_>>(), [(one, false)]);
    world.disk.bytes_mut("journal-1").expect("generation 1 is in it")[first + 80] ^= 1;
    assert_eq!(open(&mut world.disk, &world.config, claim()).err(), Some(RecoveryRefusal::JournalRotten));
}

#[test]
fn the_last_group_may_be_torn_and_is_forgotten() {
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.append(log, 1, 100);
    world.finish_all();
    let (at, end) = (world.store.journal.at as usize, world.state(log).end);
    world.append(log, 1, 100);
    world.finish_all();
    world.disk.bytes_mut("journal-1").expect("generation 1 is in it")[at + 100] ^= 1;
    let (_, recovered) = open(&mut world.disk, &world.config, claim()).unwrap();
    assert!(recovered.logs[0].is_online);
    assert_eq!(recovered.logs[0].end, Offset(end));
}

/// Appends until an append is refused; returns how that was said.
fn append_until_refused(world: &mut World, log: LogId) -> DiskFault {
    for _ in 0..1000 {
        let op = world.append_unexpected(log, 3000);
        world.finish_all();
        if let Some(Err(fault)) = world.done.get(&op) {
            return *fault;
        }
    }
    panic!("a disk is full at some point");
}

impl World {
    /// An append that may be refused: what is expected afterwards is what the store says.
    fn append_unexpected(&mut self, log: LogId, bytes: usize) -> OpId {
        let end = self.end_of(log);
        let batch = batch_of(end.0, 1, &vec![7; bytes], self.now().wall);
        self.op += 1;
        let op = OpId(self.op);
        self.store.submit(op, log, Action::Append { batches: vec![batch] });
        op
    }

    fn end_of(&self, log: LogId) -> Offset {
        self.store.logs[&self.store.numbers[&log]].end
    }

    fn ask_one(&mut self, log: LogId, query: Query) -> Result<Done, DiskFault> {
        self.op += 1;
        let op = OpId(self.op);
        let mut out = Vec::new();
        self.store.query(op, log, &query, &mut out);
        self.take(out);
        self.finish_all();
        self.done.remove(&op).expect("every query is answered")
    }

    fn base_of(&mut self, log: LogId, query: Query) -> Option<Offset> {
        match self.ask_one(log, query) {
            Ok(Done::Batch(batch)) => batch.map(|batch| batch.base_offset()),
            other => panic!("{other:?}"),
        }
    }

    fn act_now(&mut self, log: LogId, action: Action) -> Result<Done, DiskFault> {
        self.op += 1;
        let op = OpId(self.op);
        self.store.submit(op, log, action);
        self.finish_all();
        self.done.remove(&op).expect("every action is answered")
    }
}

#[test]
fn a_full_disk_refuses_appends_and_takes_them_again_once_there_is_room() {
    let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 4096, ..StoreConfig::default() });
    let log = world.id(0);
    world.create(log, 20_000);
    world.finish_all();
    world.disk.room = Some((1 << 17) + 60_000);
    assert!(!world.store.is_full());
    assert_eq!(append_until_refused(&mut world, log), DiskFault::Full);
    assert!(world.store.is_full());
    let end = world.end_of(log);
    assert_eq!(
        world.read_all(log, Offset(0), end).len(),
        end.0 as usize * batch_of(0, 1, &[7; 3000], Wall(0)).bytes_len()
    );
    world.disk.room = None;
    world.mono += 3_000_000_000;
    world.finish_all();
    world.mono += 3_000_000_000;
    world.finish_all();
    // Whoever has not asked yet what is there believes that what was refused is there.
    let op = world.append_unexpected(log, 3000);
    world.finish_all();
    assert_eq!(world.done[&op].as_ref().err(), Some(&DiskFault::Full));
    let Ok(Done::Log(facts)) = world.ask_one(log, Query::Log) else { panic!("the log is there") };
    assert_eq!(facts.end(), end);
    let op = world.append_unexpected(log, 3000);
    world.finish_all();
    assert!(world.done[&op].is_ok(), "there is room again");
    assert!(!world.store.is_full());
    let recovered = world.crash(true);
    assert_eq!(recovered.logs[0].end, end.plus(1), "nothing was applied by halves");
}

#[test]
fn what_a_log_is_after_a_refusal_is_told_behind_all_that_was_submitted_before() {
    let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 4096, ..StoreConfig::default() });
    let log = world.id(0);
    world.create(log, 20_000);
    world.finish_all();
    world.disk.room = Some((1 << 17) + 60_000);
    append_until_refused(&mut world, log);
    let end = world.end_of(log);
    world.disk.room = None;
    world.mono += 6_000_000_000;
    world.finish_all();
    let behind = world.append_unexpected(log, 3000);
    world.op += 1;
    let (asked, mut out) = (OpId(world.op), Vec::new());
    world.store.query(asked, log, &Query::Log, &mut out);
    assert!(out.is_empty(), "something of the log waits still");
    let anew = world.append_unexpected(log, 3000);
    world.finish_all();
    assert_eq!(world.done[&behind].as_ref().err(), Some(&DiskFault::Full));
    assert!(matches!(&world.done[&asked], Ok(Done::Log(facts)) if facts.end() == end));
    assert_eq!(world.done[&anew].as_ref().err(), Some(&DiskFault::Full), "it was submitted before the answer");
}

#[test]
fn a_full_disk_takes_decisions_and_a_deletion_makes_room() {
    let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 4096, ..StoreConfig::default() });
    let log = world.id(1);
    for log in [log, LogId::METADATA] {
        world.create(log, 20_000);
        world.finish_all();
    }
    world.disk.room = Some((1 << 17) + 60_000);
    assert_eq!(append_until_refused(&mut world, log), DiskFault::Full);
    let op = world.append_unexpected(LogId::METADATA, 100);
    world.finish_all();
    assert!(matches!(world.done.get(&op), Some(Ok(_))), "a decision is stored: {:?}", world.done.get(&op));
    assert!(world.act_now(log, Action::Delete).is_ok());
    for _ in 0..3 {
        world.mono += 3_000_000_000;
        world.finish_all();
    }
    let other = world.id(2);
    world.create(other, 20_000);
    world.finish_all();
    let op = world.append_unexpected(other, 3000);
    world.finish_all();
    assert!(matches!(world.done.get(&op), Some(Ok(_))), "there is room again: {:?}", world.done.get(&op));
}

#[test]
fn a_deletion_makes_room_although_a_checkpoint_waits_for_some() {
    for is_known_to_be_full in [true, false] {
        deletion_makes_room(is_known_to_be_full);
    }
}

fn deletion_makes_room(is_known_to_be_full: bool) {
    let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 1 << 20, ..StoreConfig::default() });
    let (log, other) = (world.id(1), world.id(2));
    for log in [log, other] {
        world.create(log, 20_000);
        world.finish_all();
    }
    world.disk.room = Some((1 << 17) + 30_000);
    assert_eq!(append_until_refused(&mut world, log), DiskFault::Full);
    for _ in 0..4 {
        world.mono += 6_000_000_000;
        world.finish_all();
    }
    let number = world.store.numbers[&log];
    assert!(
        world.store.is_checkpointed(number),
        "what the journal holds of the log is to be moved, and there is no room"
    );
    let cut = world.store.queue.len();
    world.op += 1;
    let op = OpId(world.op);
    world.store.submit(op, log, Action::Truncate { end: Offset(1) });
    world.finish_all();
    assert!(world.store.queue.len() == cut && !world.done.contains_key(&op), "it waits, and nothing behind it");
    let vote = Action::Vote { term: LeaderEpoch(1), voted: None };
    assert!(world.act_now(other, vote).is_ok());
    let full_until = world.store.health.retry_at.take_if(|_| !is_known_to_be_full);
    let delete = world.submit(log, Action::Delete, std::vec![State::default()]);
    world.finish_all();
    assert_eq!(world.done.contains_key(&delete), is_known_to_be_full, "before that nothing says that there is no room");
    if full_until.is_some() {
        world.store.health.retry_at = full_until;
        world.mono += 6_000_000_000;
        world.finish_all();
    }
    assert!(world.done[&delete].is_ok());
    assert!(world.done.contains_key(&op), "what goes is not cut before");
    for _ in 0..4 {
        world.mono += 6_000_000_000;
        world.finish_all();
    }
    assert!(world.store.checkpoint.is_none() && !world.disk.paths().iter().any(|path| path.contains("1/")));
    let op = world.append_unexpected(other, 3000);
    world.finish_all();
    assert!(matches!(world.done.get(&op), Some(Ok(_))), "there is room again: {:?}", world.done.get(&op));
    let recovered = world.crash(true);
    assert!(recovered.logs.iter().all(|found| found.id != log && found.is_online));
}

#[test]
fn what_is_dropped_makes_room_although_a_checkpoint_waits_for_some() {
    for is_retention in [false, true] {
        let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 1 << 20, ..StoreConfig::default() });
        let log = world.id(1);
        let settings = LogSettings {
            segment_bytes: 20_000,
            index_interval_bytes: 1,
            retention_bytes: Some(0),
            delete: true,
            ..LogSettings::default()
        };
        let spec = LogSpec { topic: "topic1".into(), settings };
        world.submit(log, Action::Create(spec), vec![State { exists: true, ..State::default() }]);
        world.finish_all();
        world.disk.room = Some((1 << 17) + 30_000);
        assert_eq!(append_until_refused(&mut world, log), DiskFault::Full);
        for _ in 0..4 {
            world.mono += 6_000_000_000;
            world.finish_all();
        }
        let number = world.store.numbers[&log];
        assert!(world.store.is_checkpointed(number), "there is no room for what is to be moved");
        let end = world.end_of(log);
        let all = match is_retention {
            true => Action::Retain { now: Wall(0), limit: end },
            false => Action::Trim { start: end },
        };
        assert!(world.act_now(log, all).is_ok());
        for _ in 0..4 {
            world.mono += 6_000_000_000;
            world.finish_all();
        }
        assert!(world.store.checkpoint.is_none(), "nothing is left to be moved");
        let recovered = world.crash(true);
        let found = recovered.logs.iter().find(|found| found.id == log).expect("it is there");
        assert!(found.is_online && (found.start, found.end) == (end, end), "{found:?}");
        // All that was refused may be asked for again.
        let op = world.append_unexpected(log, 3000);
        world.finish_all();
        assert!(matches!(world.done.get(&op), Some(Ok(_))), "there is room again: {:?}", world.done.get(&op));
    }
}

#[test]
fn after_a_failed_flush_the_directory_is_offline_until_it_is_opened_again() {
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.finish_all();
    world.append(log, 1, 100);
    world.finish_all();
    let end = world.end_of(log);
    world.disk.fails = true;
    let op = world.append_unexpected(log, 100);
    world.finish_all();
    assert_eq!(world.done[&op].as_ref().err(), Some(&DiskFault::Offline));
    let op = world.append_unexpected(log, 100);
    world.finish_all();
    assert_eq!(world.done[&op].as_ref().err(), Some(&DiskFault::Offline), "a flush is not tried again");
    assert_eq!(world.ask_one(log, Query::Size).err(), Some(DiskFault::Offline));
    assert!(world.store.is_offline());
    let recovered = world.crash(true);
    assert!(recovered.logs[0].is_online && recovered.logs[0].end >= end);
}

/// The last writes ended in the page cache, some of them there only; then the process died.
fn write_unflushed(world: &mut World, unflushed: impl Fn(&FileOp) -> bool) {
    for (_, op) in std::mem::take(&mut world.under_way) {
        let FileOp::WriteAt { file, at, parts, durable: true } = op else { panic!("{op:?}") };
        let durable = !unflushed(&FileOp::WriteAt { file, at, parts: parts.clone(), durable: true });
        world.disk.run(&FileOp::WriteAt { file, at, parts, durable }).unwrap();
    }
}

#[test]
fn what_a_start_failed_to_flush_is_not_believed_by_the_next() {
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.append(log, 1, 100);
    world.finish_all();
    let end = world.end_of(log);
    world.append_unexpected(log, 100);
    world.turn();
    write_unflushed(&mut world, |_| true);
    // Generation 1 is in the second file.
    world.disk.fail_flush("journal-1");
    let refusal = open(&mut world.disk, &world.config, claim()).err();
    assert_eq!(refusal, Some(RecoveryRefusal::Disk(FileFault::Io)));
    let recovered = world.crash(false);
    let held = recovered.logs[0].end;
    assert!(recovered.logs[0].is_online && held >= end);
    // No checkpoint ends before the power fails.
    let op = world.append_unexpected(log, 200);
    world.finish_but(|op| !matches!(op, FileOp::WriteAt { durable: true, .. }));
    assert!(world.done[&op].is_ok());
    let recovered = world.crash(true);
    assert!(recovered.logs[0].is_online);
    assert_eq!(recovered.logs[0].end, held.plus(1));
}

#[test]
fn what_went_past_the_journal_and_a_start_failed_to_flush_is_not_believed_by_the_next() {
    let mut world = world(StoreConfig { bypass_bytes_min: 16 << 10, ..roomy() });
    let log = world.id(0);
    with_large_appends(&mut world, log, 1 << 20);
    let end = world.end_of(log);
    world.append_unexpected(log, 30_000);
    world.turn();
    assert!(world.under_way.iter().any(|(_, op)| is_beside(op)));
    write_unflushed(&mut world, is_beside);
    let segment = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).expect("a segment");
    world.disk.fail_flush(&segment);
    let refusal = open(&mut world.disk, &world.config, claim()).err();
    assert_eq!(refusal, Some(RecoveryRefusal::Disk(FileFault::Io)));
    let recovered = world.crash(false);
    let held = recovered.logs[0].end;
    assert!(recovered.logs[0].is_online && held >= end);
    let batch = batch_of(held.0, 3, &[9; 500], world.now().wall);
    world.act_now(log, Action::Append { batches: vec![batch] }).unwrap();
    let recovered = world.crash(true);
    assert!(recovered.logs[0].is_online);
    assert_eq!(recovered.logs[0].end, held.plus(3));
    let bytes = world.read_all(log, Offset(0), held.plus(3));
    assert!(check_stored(bytes.into(), &Functions::slow()).all(|batch| batch.is_ok()));
}

#[test]
fn retention_forgets_whole_segments_from_the_oldest_on_and_nothing_behind_the_limit() {
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1000);
    world.finish_all();
    for _ in 0..10 {
        world.mono += 1_000_000_000;
        world.append_unexpected(log, 900);
        world.finish_all();
    }
    let one = batch_of(0, 1, &[7; 900], Wall(0)).bytes_len() as u64;
    let settings = LogSettings { segment_bytes: 1000, retention_bytes: Some(3 * one), ..LogSettings::default() };
    world.act_now(log, Action::Configure(settings.clone())).unwrap();
    let retain = |world: &World, limit| Action::Retain { now: world.now().wall, limit: Offset(limit) };
    let action = retain(&world, 4);
    assert!(matches!(world.act_now(log, action), Ok(Done::Stored { start: Offset(4), .. })), "the limit holds");
    let action = retain(&world, 10);
    assert!(matches!(world.act_now(log, action), Ok(Done::Stored { start: Offset(7), end: Offset(10) })));
    assert!(matches!(world.ask_one(log, Query::Size), Ok(Done::Size(size)) if size == 3 * one));
    let settings = LogSettings { retention_age: Some(Duration::from_secs(1)), ..settings };
    world.act_now(log, Action::Configure(settings)).unwrap();
    world.mono += 100_000_000_000;
    let action = retain(&world, 10);
    assert!(matches!(world.act_now(log, action), Ok(Done::Stored { start: Offset(10), end: Offset(10) })));
    assert!(matches!(world.ask_one(log, Query::Size), Ok(Done::Size(0))), "the last segment too");
    world.append_unexpected(log, 900);
    world.finish_all();
    let recovered = world.crash(true);
    assert_eq!((recovered.logs[0].start, recovered.logs[0].end), (Offset(10), Offset(11)));
    let logs = world.disk.paths().into_iter().filter(|path| path.ends_with(".log")).count();
    assert!(logs <= 2, "their files are gone");
}

#[test]
fn batches_are_found_by_time_wherever_they_lie() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let mut world = world(StoreConfig { cache_bytes_max: 0, ..tiny(&mut rng) });
        let log = world.id(0);
        world.create(log, 3000);
        world.finish_all();
        let mut times = Vec::new();
        for base in 0..60 {
            let time = 1000 + rng.below(500) as i64;
            times.push(time);
            let batch = batch_of(base, 1, &vec![1; rng.below(900) as usize], Wall(time));
            world.act_now(log, Action::Append { batches: vec![batch] }).unwrap();
        }
        world.mono += 100_000_000_000;
        world.finish_all();
        let forget = rng.chance(1, 2);
        if forget {
            world.crash(true);
        }
        for _ in 0..30 {
            let (target, end) = (900 + rng.below(700) as i64, rng.below(61) as usize);
            let late = times[..end].iter().position(|time| *time >= target).map(|at| Offset(at as i64));
            let query = Query::AtTime { target: Wall(target), end: Offset(end as i64) };
            assert_eq!(world.base_of(log, query), late, "seed {seed} target {target} end {end}");
            let latest = times[..end].iter().max();
            let latest = latest.and_then(|latest| times.iter().position(|time| time == latest));
            let query = Query::MaxTime { end: Offset(end as i64) };
            assert_eq!(world.base_of(log, query), latest.map(|at| Offset(at as i64)), "seed {seed} end {end}");
        }
    }
}

#[test]
fn a_damaged_index_costs_time_and_nothing_else() {
    let mut rng = Rng::new(5);
    let mut world = world(StoreConfig { cache_bytes_max: 0, index_interval_bytes_min: 1, ..tiny(&mut rng) });
    let log = world.id(0);
    world.create(log, 100_000);
    world.finish_all();
    for _ in 0..60 {
        world.append(log, 1, 900);
        world.finish_all();
    }
    world.mono += 100_000_000_000;
    world.finish_all();
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".places")).expect("an index was saved");
    for _ in 0..20 {
        let file = world.disk.bytes_mut(&path).unwrap();
        let at = rng.below(file.len() as u64) as usize;
        file[at] ^= 0x10;
        world.crash(true);
        let bytes = world.read_all(log, Offset(0), Offset(world.state(log).end));
        assert_eq!(bytes, world.state(log).bytes());
    }
}

#[test]
fn a_log_that_is_hardly_written_does_not_keep_the_batches_of_others_in_memory() {
    let config = StoreConfig { cache_bytes_max: 64 << 10, behind_bytes: 16 << 10, ..StoreConfig::default() };
    let mut world = world(config);
    let (quiet, busy) = (world.id(0), world.id(1));
    for log in [quiet, busy] {
        world.create(log, 1 << 30);
    }
    world.append(quiet, 1, 100);
    world.finish_all();
    for _ in 0..200 {
        world.append(busy, 1, 4000);
        world.finish_all();
    }
    assert!(
        world.store.logs.values().any(|log| log.id == quiet && log.active().written() == 0),
        "it is in no file yet"
    );
    // What is on its way to its file is kept besides.
    let bytes = world.store.cache.bytes();
    assert!(bytes <= (64 + 16 + 16) << 10, "{bytes} bytes are kept");
}

#[test]
fn bytes_that_rotted_in_a_segment_are_never_served() {
    let mut world = world(StoreConfig { cache_bytes_max: 0, ..roomy() });
    let log = world.id(0);
    world.create(log, 100_000);
    world.finish_all();
    for _ in 0..10 {
        world.append(log, 1, 900);
        world.finish_all();
    }
    world.mono += 100_000_000_000;
    world.finish_all();
    world.crash(true);
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
    world.disk.bytes_mut(&path).unwrap()[200] ^= 1;
    let query = Query::Records { from: Offset(0), end: Offset(100), bytes_max: 10_000 };
    assert_eq!(world.ask_one(log, query).err(), Some(DiskFault::Rot));
    let op = world.append_unexpected(log, 10);
    world.finish_all();
    assert_eq!(world.done[&op].as_ref().err(), Some(&DiskFault::Rot), "the log is offline");
}

#[test]
fn a_log_that_cannot_be_read_is_deleted_all_the_same_and_made_again() {
    for made_again in [4, 0] {
        deleted_and_made_again(made_again);
    }
}

fn deleted_and_made_again(namesake: u8) {
    let mut world = world(StoreConfig { cache_bytes_max: 0, ..roomy() });
    let (log, namesake) = (world.id(0), world.id(namesake));
    world.create(log, 100_000);
    world.append(log, 1, 900);
    world.finish_all();
    world.mono += 100_000_000_000;
    world.finish_all();
    world.crash(true);
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
    world.disk.bytes_mut(&path).unwrap().clear();
    // The append waits for the last block of the file, and all else for that.
    let append = world.append_unexpected(log, 10);
    let delete = world.submit(log, Action::Delete, vec![State::default()]);
    world.create(namesake, 100_000);
    let create = OpId(world.op);
    let other = world.append(namesake, 1, 10);
    world.finish_all();
    let told = [append, delete, create, other].map(|op| world.done.get(&op).map(|told| told.is_ok()));
    assert_eq!(told, [Some(false), Some(true), Some(true), Some(true)]);
    world.crash(true);
}

#[test]
fn a_log_that_could_not_be_read_is_back_once_its_file_is() {
    let mut world = world(StoreConfig { cache_bytes_max: 0, ..roomy() });
    let log = world.id(0);
    world.create(log, 100_000);
    world.finish_all();
    for _ in 0..10 {
        world.append(log, 1, 900);
        world.finish_all();
    }
    world.mono += 100_000_000_000;
    world.finish_all();
    world.crash(true);
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
    world.disk.bytes_mut(&path).unwrap()[200] ^= 1;
    // What is only in the journal when the damage is found must not be lost with it.
    for _ in 0..5 {
        world.append(log, 1, 700);
        world.finish_all();
    }
    let query = Query::Records { from: Offset(0), end: Offset(100), bytes_max: 10_000 };
    assert_eq!(world.ask_one(log, query).err(), Some(DiskFault::Rot));
    for _ in 0..3 {
        world.mono += 100_000_000_000;
        world.finish_all();
    }
    for _ in 0..2 {
        let recovered = world.crash(true);
        assert!(!recovered.logs[0].is_online, "it is looked through, and still damaged");
        assert_eq!(recovered.logs[0].damaged_at, Some((path.clone(), 0)));
        assert!(world.act_now(log, Action::Retain { now: Wall(0), limit: Offset(0) }).is_err());
    }
    world.disk.bytes_mut(&path).unwrap()[200] ^= 1;
    let recovered = world.crash(true);
    assert!(recovered.logs[0].is_online && recovered.logs[0].damaged_at.is_none(), "the file is back");
    let end = recovered.logs[0].end;
    let expected: Vec<u8> = world.state(log).batches.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
    assert!(world.read_all(log, Offset(0), end) == expected, "with all that came before the damage was seen");
    let op = world.append_unexpected(log, 10);
    world.finish_all();
    assert!(world.done[&op].is_ok(), "the log is online");
    world.mono += 100_000_000_000;
    world.finish_all();
    assert!(world.crash(true).logs[0].is_online, "that it was damaged is forgotten");
}

#[test]
fn a_log_made_on_a_full_disk_takes_records_once_there_is_room() {
    let mut world = world(StoreConfig { journal_bytes: 1 << 17, behind_bytes: 4096, ..StoreConfig::default() });
    let (log, late) = (world.id(0), world.id(1));
    world.create(log, 20_000);
    world.finish_all();
    world.disk.room = Some((1 << 17) + 60_000);
    assert_eq!(append_until_refused(&mut world, log), DiskFault::Full);
    world.create(late, 20_000);
    world.finish_all();
    let op = world.append_unexpected(late, 100);
    world.finish_all();
    assert_eq!(world.done[&op].as_ref().err(), Some(&DiskFault::Full), "it is there and takes nothing yet");
    world.disk.room = None;
    for _ in 0..3 {
        world.mono += 3_000_000_000;
        world.finish_all();
    }
    assert!(world.ask_one(late, Query::Log).is_ok());
    let op = world.append_unexpected(late, 100);
    world.finish_all();
    assert!(world.done[&op].is_ok(), "there is room again");
}

#[test]
fn a_reader_far_behind_finds_the_next_pieces_in_memory() {
    let config = StoreConfig { cache_bytes_max: 0, read_bytes_max: 32 << 10, behind_bytes: 4096, ..roomy() };
    let mut world = world(config);
    let log = world.id(1);
    world.create(log, 1 << 20);
    for _ in 0..60 {
        world.append(log, 1, 9000);
        world.finish_all();
    }
    let mut now = world.now();
    now.mono = Mono(1 << 40);
    let mut out = Vec::new();
    world.store.shut(now, &mut out);
    world.take(out);
    world.finish_all();
    let state = world.state(log);
    let (mut next, mut read, mut at_once, mut reads) = (0, Vec::new(), 0, 0);
    while next < state.end {
        world.op += 1;
        let (op, mut out) = (OpId(world.op), Vec::new());
        let query = Query::Records { from: Offset(next), end: Offset(i64::MAX), bytes_max: 20_000 };
        world.store.query(op, log, &query, &mut out);
        at_once += u64::from(out.iter().any(|out| matches!(out, StoreOut::Done { .. })));
        reads += 1;
        world.take(out);
        world.finish_all();
        let Some(Ok(Done::Records(records))) = world.done.get(&op) else { panic!("{:?}", world.done.get(&op)) };
        let bytes = records.to_bytes();
        next = walk(&bytes, Offset(next)).expect("whole batches").0;
        read.extend_from_slice(&bytes);
    }
    let expected: Vec<u8> = state.batches.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
    assert!(read == expected, "what was appended is read");
    assert!(at_once + 3 >= reads && reads > 10, "{at_once} of {reads} answered at once");
}

#[test]
fn a_file_that_became_shorter_ends_whoever_reads_ahead_in_it() {
    let mut world = world(StoreConfig { cache_bytes_max: 0, read_bytes_max: 2000, ..roomy() });
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.finish_all();
    for _ in 0..60 {
        world.append(log, 1, 900);
        world.finish_all();
    }
    world.mono += 100_000_000_000;
    world.finish_all();
    world.crash(true);
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
    world.disk.bytes_mut(&path).unwrap().truncate(20_000);
    let query = Query::Records { from: Offset(0), end: Offset(1000), bytes_max: 1 << 20 };
    assert_eq!(world.ask_one(log, query).err(), Some(DiskFault::Rot));
}

#[test]
fn offsets_and_epochs_that_rotted_are_seen_although_no_crc_covers_them() {
    for (what, at) in [("base offset", 6), ("base offset, high", 0), ("leader epoch", 15)] {
        let mut world = world(StoreConfig { cache_bytes_max: 0, index_interval_bytes_min: 1, ..roomy() });
        let log = world.id(0);
        world.create(log, 100_000);
        world.finish_all();
        for _ in 0..10 {
            world.append(log, 1, 900);
            world.finish_all();
        }
        world.mono += 100_000_000_000;
        world.finish_all();
        world.crash(true);
        let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
        let second = Header::read(world.disk.bytes_mut(&path).unwrap()).unwrap().batch_bytes();
        world.disk.bytes_mut(&path).unwrap()[second + at] ^= 8;
        let query = Query::Records { from: Offset(0), end: Offset(100), bytes_max: 10_000 };
        assert_eq!(world.ask_one(log, query).err(), Some(DiskFault::Rot), "{what}");
    }
}

#[test]
fn an_offset_that_rotted_by_one_is_seen_by_whoever_reads_its_batch_last() {
    let interval = 1 << 20;
    let config = StoreConfig { cache_bytes_max: 0, index_interval_bytes_min: interval, read_bytes_max: 1, ..roomy() };
    let mut world = world(config);
    let log = world.id(0);
    world.create(log, 100_000);
    world.finish_all();
    let mut base = 0;
    // Compaction leaves such gaps.
    for gap in [0, 0, 0, 7, 0, 1, 0] {
        let batch = batch_of(base + gap, 2, &[7; 3000], world.now().wall);
        base = batch.end_offset().0;
        world.op += 1;
        world.store.submit(OpId(world.op), log, Action::Append { batches: vec![batch] });
        world.finish_all();
    }
    world.mono += 100_000_000_000;
    world.finish_all();
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".log")).unwrap();
    let length = Header::read(world.disk.bytes_mut(&path).unwrap()).unwrap().batch_bytes();
    let query = |batches| Query::Records { from: Offset(0), end: Offset(100), bytes_max: (batches * length) as u32 };
    let Ok(Done::Records(records)) = world.ask_one(log, query(7)) else { panic!("gaps are no rot") };
    assert_eq!(records.len(), 7 * length);
    world.disk.bytes_mut(&path).unwrap()[length + 7] += 1;
    assert_eq!(world.ask_one(log, query(2)).err(), Some(DiskFault::Rot));
}

#[test]
fn an_empty_directory_is_made_for_the_cluster_that_is_named_and_for_no_other() {
    let nobody = Claim { new_cluster: None, ..claim() };
    let mut disk = TestDisk::default();
    assert_eq!(open(&mut disk, &roomy(), nobody.clone()).err(), Some(RecoveryRefusal::NotFormatted));
    assert_eq!(disk.written, 0, "nothing was made");
    let named = Claim { cluster: Some("theirs".into()), ..nobody.clone() };
    let (_, recovered) = open(&mut disk, &roomy(), named).unwrap();
    assert_eq!((recovered.identity.cluster.as_str(), recovered.is_new), ("theirs", true));
    let owner = super::owner(disk.bytes_mut(super::CATALOGUE).unwrap(), &Functions::slow());
    assert_eq!(owner, Ok(recovered.identity.clone()));
    let (_, again) = open(&mut disk, &roomy(), nobody).unwrap();
    assert_eq!((again.identity, again.is_new), (recovered.identity, false));
}

#[test]
fn a_directory_of_somebody_else_is_refused_in_words() {
    let mut world = world(roomy());
    let other = Claim { node: BrokerId(2), ..claim() };
    assert_eq!(open(&mut world.disk, &roomy(), other).err(), Some(RecoveryRefusal::OtherNode(BrokerId(1))));
    let other = Claim { cluster: Some("other".into()), ..claim() };
    assert!(matches!(open(&mut world.disk, &roomy(), other), Err(RecoveryRefusal::OtherCluster(_))));
    world.disk.bytes_mut("catalogue").unwrap()[4] = 7;
    assert_eq!(open(&mut world.disk, &roomy(), claim()).err(), Some(RecoveryRefusal::Newer { version: 7 }));
    world.disk.bytes_mut("catalogue").unwrap()[4] = 6;
    world.disk.bytes_mut("catalogue").unwrap()[30] ^= 1;
    assert_eq!(open(&mut world.disk, &roomy(), claim()).err(), Some(RecoveryRefusal::CatalogueRotten));
    let mut disk = TestDisk::default();
    let file = crate::boundary::FileId(1);
    let mode = crate::boundary::OpenMode::Write;
    disk.run(&FileOp::Open { file, path: "meta.properties".into(), mode }).unwrap();
    disk.run(&FileOp::Close { file }).unwrap();
    let refusal = open(&mut disk, &roomy(), claim()).err().unwrap();
    assert!(refusal.to_string().contains("meta.properties"), "{refusal}");
}

#[test]
fn a_directory_that_lost_its_catalogue_or_its_journal_is_refused_and_left_alone() {
    let mut world = world(roomy());
    let log = world.id(1);
    world.create(log, 20_000);
    world.finish_all();
    for (lost, told) in [("catalogue", "journal-0, journal-1"), ("journal-0", "\"journal-0\"")] {
        let mut disk = world.disk.clone();
        disk.run(&FileOp::Remove { path: lost.into() }).unwrap();
        let before = disk.paths();
        let refusal = open(&mut disk, &roomy(), claim()).err().unwrap();
        assert!(refusal.to_string().contains(told), "{refusal}");
        assert_eq!(disk.paths(), before);
    }
    let mut disk = TestDisk::default();
    disk.run(&FileOp::MakeDir { path: "orders-12".into() }).unwrap();
    let refusal = open(&mut disk, &roomy(), claim()).err().unwrap();
    assert_eq!(refusal, RecoveryRefusal::CatalogueMissing { names: "orders-12".into() });
}

#[test]
fn a_first_start_that_did_not_end_is_begun_again() {
    let mut disk = world(roomy()).disk;
    disk.run(&FileOp::Rename { from: "catalogue".into(), to: "catalogue.next".into() }).unwrap();
    let (_, recovered) = open(&mut disk, &roomy(), claim()).unwrap();
    assert!(recovered.is_new);
}

#[test]
fn a_folder_stays_while_an_earlier_log_of_its_name_is_busy_in_it() {
    let mut world = world(StoreConfig { behind_bytes: 4096, ..roomy() });
    let lives: Vec<LogId> = (0..3).map(|life| world.id(4 * life)).collect();
    world.create(lives[0], 1 << 20);
    world.finish_all();
    world.append_unexpected(lives[0], 9000);
    let is_open = |op: &FileOp| matches!(op, FileOp::Open { .. });
    world.finish_but(is_open);
    assert_eq!(world.under_way.len(), 1, "its segment is being opened");
    world.submit(lives[0], Action::Delete, vec![State::default()]);
    world.create(lives[1], 1 << 20);
    world.finish_but(is_open);
    world.submit(lives[1], Action::Delete, vec![State::default()]);
    world.finish_but(is_open);
    world.finish_all();
    world.create(lives[2], 1 << 20);
    world.append(lives[2], 1, 100);
    world.finish_all();
    assert_eq!(world.expected[&lives[2]].acknowledged, 2, "the directory is as good as before");
}

/// A log with one append of so many bytes behind it, after which large ones go past the journal.
fn with_large_appends(world: &mut World, log: LogId, segment_bytes: u32) {
    world.create(log, segment_bytes);
    world.finish_all();
    world.append_unexpected(log, 20_000);
    world.finish_all();
}

/// The write to a segment that belongs to the group under way.
fn is_beside(op: &FileOp) -> bool {
    matches!(op, FileOp::WriteAt { durable: true, parts, .. } if !parts[0].starts_with(b"OTTJ"))
}

#[test]
fn large_appends_are_written_once() {
    let mut world = world(StoreConfig { journal_bytes: 8 << 20, bypass_bytes_min: 16 << 10, ..StoreConfig::default() });
    let log = world.id(0);
    with_large_appends(&mut world, log, 64 << 20);
    let (before, end) = (world.disk.written, world.end_of(log));
    for _ in 0..40 {
        world.append_unexpected(log, 64 << 10);
        world.finish_all();
    }
    let (appended, written) = (40 * (64 << 10), world.disk.written - before);
    assert!(written * 10 <= appended * 11, "{written} bytes were written for {appended}");
    let recovered = world.crash(true);
    assert_eq!(recovered.logs[0].end, end.plus(40));
    let bytes = world.read_all(log, end, end.plus(40));
    assert_eq!(check_stored(bytes.into(), &Functions::slow()).filter(Result::is_ok).count(), 40);
}

#[test]
fn an_append_larger_than_the_journal_is_stored() {
    let mut world = world(StoreConfig { journal_bytes: 64 << 10, ..StoreConfig::default() });
    let log = world.id(0);
    world.create(log, 150_000);
    world.finish_all();
    for count in 1..6 {
        let op = world.append_unexpected(log, 100_000);
        world.finish_all();
        world.append_unexpected(log, 10);
        world.finish_all();
        assert!(world.done[&op].is_ok());
        assert_eq!(world.end_of(log), Offset(2 * count));
    }
    let recovered = world.crash(true);
    assert_eq!(recovered.logs[0].end, Offset(10));
    assert_eq!(check_stored(world.read_all(log, Offset(0), Offset(10)).into(), &Functions::slow()).count(), 10);
}

#[test]
fn what_did_not_get_past_the_journal_whole_is_forgotten_for_good() {
    let mut world = world(StoreConfig { bypass_bytes_min: 16 << 10, ..roomy() });
    let log = world.id(0);
    with_large_appends(&mut world, log, 1 << 20);
    let end = world.end_of(log);
    world.append_unexpected(log, 30_000);
    world.finish_but(is_beside);
    assert_eq!(world.under_way.len(), 1, "the group waits for it");
    world.under_way.clear();
    let recovered = world.crash(false);
    assert_eq!(recovered.logs[0].end, end);
    // What comes in its place makes the group no better.
    let batch = batch_of(end.0, 3, &[9; 500], world.now().wall);
    world.act_now(log, Action::Append { batches: vec![batch.clone()] }).unwrap();
    let recovered = world.crash(true);
    assert_eq!(recovered.logs[0].end, end.plus(3));
    assert_eq!(world.read_all(log, end, end.plus(3)), batch.to_bytes());
}

#[test]
fn nothing_goes_past_the_journal_into_a_folder_whose_removal_may_be_replayed() {
    let mut world = world(StoreConfig { bypass_bytes_min: 16 << 10, ..roomy() });
    let (one, two) = (world.id(0), world.id(4));
    with_large_appends(&mut world, one, 1 << 20);
    world.submit(one, Action::Delete, vec![State::default()]);
    world.finish_all();
    with_large_appends(&mut world, two, 1 << 20);
    world.append_unexpected(two, 20_000);
    world.finish_all();
    let recovered = world.crash(true);
    assert_eq!((recovered.logs.len(), recovered.logs[0].end), (1, Offset(2)));
    world.finish_all();
    assert_eq!(check_stored(world.read_all(two, Offset(0), Offset(2)).into(), &Functions::slow()).count(), 2);
}

#[test]
fn a_relaxed_directory_keeps_its_votes_and_all_before_them_and_loses_only_what_came_last() {
    for (seed, loses_power) in (0..40).zip([true, true, false].into_iter().cycle()) {
        let mut world = World::with(Rng::new(seed), StoreConfig { is_durable: false, ..roomy() });
        let log = world.id(0);
        world.create(log, 1 << 20);
        world.finish_all();
        world.append_unexpected(log, 500);
        world.finish_all();
        let (term, voted) = (LeaderEpoch(7), Some(BrokerId(2)));
        world.act_now(log, Action::Vote { term, voted }).unwrap();
        let end = world.end_of(log);
        for _ in 0..5 {
            world.append_unexpected(log, 300);
            world.finish_all();
        }
        let last = world.end_of(log);
        let recovered = world.crash(loses_power);
        let found = &recovered.logs[0];
        assert!(found.is_online && found.hard.vote == Some((term, voted)), "seed {seed}");
        assert!((end..=last).contains(&found.end) && (loses_power || found.end == last), "seed {seed}");
        let bytes = world.read_all(log, Offset(0), found.end);
        assert_eq!(check_stored(bytes.into(), &Functions::slow()).filter(Result::is_ok).count() as i64, found.end.0);
    }
}

#[test]
fn a_relaxed_directory_keeps_the_metadata() {
    for seed in 0..40 {
        let mut world = World::with(Rng::new(seed), StoreConfig { is_durable: false, ..roomy() });
        world.create(LogId::METADATA, 1 << 20);
        world.finish_all();
        world.append_unexpected(LogId::METADATA, 300);
        world.finish_all();
        let recovered = world.crash(true);
        assert_eq!((recovered.logs.len(), recovered.logs[0].end), (1, Offset(1)), "seed {seed}");
    }
}

#[test]
fn a_truncation_in_the_middle_of_a_batch_takes_all_of_it() {
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 10_000);
    world.finish_all();
    for base in [0, 3] {
        let batch = batch_of(base, 3, b"three", world.now().wall);
        world.act_now(log, Action::Append { batches: vec![batch] }).unwrap();
    }
    let cut_at = |world: &mut World, end| {
        let done = world.act_now(log, Action::Truncate { end: Offset(end) });
        let Ok(Done::Stored { start, end }) = done else { panic!("{done:?}") };
        (start.0, end.0)
    };
    assert_eq!(cut_at(&mut world, 4), (0, 3), "the log does not claim what is not there");
    world.act_now(log, Action::Trim { start: Offset(1) }).unwrap();
    assert_eq!(cut_at(&mut world, 2), (1, 1));
}

#[test]
fn a_truncation_waits_for_steps_of_segments_that_go() {
    let mut world = world(StoreConfig { behind_bytes: 4096, ..roomy() });
    let log = world.id(0);
    world.create(log, 10_000);
    world.finish_all();
    for _ in 0..2 {
        world.append_unexpected(log, 9_000);
        world.finish_but(|op| matches!(op, FileOp::Open { path, .. } if path.contains("1.log")));
    }
    assert_eq!(world.under_way.len(), 1, "the second segment is being opened");
    world.op += 1;
    world.store.submit(OpId(world.op), log, Action::Truncate { end: Offset(1) });
    let batch = batch_of(1, 1, &[3; 9_500], world.now().wall);
    world.act_now(log, Action::Append { batches: vec![batch.clone()] }).unwrap();
    world.mono += 100_000_000_000;
    world.finish_all();
    world.crash(true);
    assert_eq!(world.read_all(log, Offset(1), Offset(2)), batch.to_bytes());
}

#[test]
fn a_truncation_leaves_what_was_known_of_a_producer_before_it() {
    let (id, epoch) = (ProducerId(5), ProducerEpoch(1));
    for segment_bytes in [1 << 20, 300] {
        let mut world = world(roomy());
        let log = world.id(0);
        world.create(log, segment_bytes);
        world.finish_all();
        for number in 0..8 {
            let mut builder = Builder::new().at(Offset(number), LeaderEpoch(0)).numbered(id, epoch, number as i32);
            builder.push(&NewRecord { timestamp: world.now().wall, value: Some(&[1; 50]), ..NewRecord::default() });
            let batches = vec![builder.build_plain(&Functions::slow())];
            world.act_now(log, Action::Append { batches }).unwrap();
        }
        let before = world.producer(log, id).expect("it is known");
        assert_eq!(before.last_offset, Offset(7));
        world.act_now(log, Action::Truncate { end: Offset(6) }).unwrap();
        let after = world.producer(log, id).expect("it is known still");
        assert_eq!((after.last_offset, after.epoch, after.window.last_sequence()), (Offset(5), epoch, 5));
        world.crash(true);
        assert_eq!(world.producer(log, id).map(|found| found.window), Some(after.window), "the journal remembers it");
    }
}

#[test]
fn a_log_is_cut_at_its_start_if_it_is_to_be_cut_below_that() {
    // Somebody who may lead without all that was committed has less than what was dropped here meanwhile.
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.finish_all();
    let records = |base, count: i64| {
        let mut builder = Builder::new().at(Offset(base), LeaderEpoch(0));
        (0..count).for_each(|_| builder.push(&NewRecord { value: Some(&[1; 50]), ..NewRecord::default() }));
        Action::Append { batches: vec![builder.build_plain(&Functions::slow())] }
    };
    world.act_now(log, records(0, 9)).unwrap();
    world.act_now(log, records(9, 1)).unwrap();
    world.act_now(log, Action::Trim { start: Offset(9) }).unwrap();
    for crashes in [false, true] {
        let cut = world.act_now(log, Action::Truncate { end: Offset(8) });
        assert!(matches!(cut, Ok(Done::Stored { start: Offset(9), end: Offset(9) })), "{cut:?}");
        if !crashes {
            world.crash(true);
        }
    }
}

#[test]
fn a_log_that_is_dropped_and_cut_at_its_end_knows_no_producer() {
    let (id, epoch) = (ProducerId(5), ProducerEpoch(1));
    let mut world = world(roomy());
    let log = world.id(0);
    world.create(log, 1 << 20);
    world.finish_all();
    let mut builder = Builder::new().at(Offset(0), LeaderEpoch(0)).numbered(id, epoch, 0);
    builder.push(&NewRecord { timestamp: world.now().wall, value: Some(&[1; 50]), ..NewRecord::default() });
    world.act_now(log, Action::Append { batches: vec![builder.build_plain(&Functions::slow())] }).unwrap();
    world.act_now(log, Action::Trim { start: Offset(1) }).unwrap();
    assert!(world.producer(log, id).is_some(), "who wrote what is deleted is remembered");
    world.act_now(log, Action::Truncate { end: Offset(1) }).unwrap();
    assert!(world.producer(log, id).is_none(), "and what was never true is not");
    world.crash(true);
    assert!(world.producer(log, id).is_none());
}

#[test]
fn a_truncation_looks_back_no_further_than_to_the_last_batches_of_those_who_lose_some() {
    let config = StoreConfig { read_bytes_max: 2000, cache_bytes_max: 0, ..roomy() };
    let (often, seldom, new) = (ProducerId(5), ProducerId(6), ProducerId(7));
    for (segment_bytes, with_seldom) in [(1 << 20, false), (1 << 20, true), (30_000, false), (30_000, true)] {
        let mut world = world(config.clone());
        let log = world.id(0);
        world.create(log, segment_bytes);
        world.finish_all();
        let mut next = BTreeMap::from([(often, 40), (seldom, 90), (new, 0)]);
        let mut write = |world: &mut World, at: i64, who: ProducerId| {
            let number = next.get_mut(&who).expect("one of three");
            let mut builder = Builder::new().at(Offset(at), LeaderEpoch(0)).numbered(who, ProducerEpoch(0), *number);
            builder.push(&NewRecord { timestamp: world.now().wall, value: Some(&[1; 50]), ..NewRecord::default() });
            *number += 1;
            world.act_now(log, Action::Append { batches: vec![builder.build_plain(&Functions::slow())] }).unwrap();
        };
        (0..1000).for_each(|at| write(&mut world, at, if (760..765).contains(&at) { seldom } else { often }));
        world.mono += 100_000_000_000;
        world.finish_all();
        let known = [often, seldom].map(|id| world.producer(log, id).expect("it is known"));
        write(&mut world, 1000, often);
        write(&mut world, 1001, if with_seldom { seldom } else { often });
        write(&mut world, 1002, new);
        world.disk.read = 0;
        world.act_now(log, Action::Truncate { end: Offset(1000) }).unwrap();
        let far = 60_000;
        assert_eq!(world.disk.read > far, with_seldom, "{} bytes are read", world.disk.read);
        for (id, known) in [often, seldom].into_iter().zip(known) {
            let after = world.producer(log, id).expect("it is known still");
            assert_eq!((after.window, after.last_offset), (known.window, known.last_offset), "{id:?}");
        }
        assert!(world.producer(log, new).is_none(), "it had not begun");
    }
}

/// A producer may send again what lies segments before a cut: its last batches, each as long as a segment.
#[test]
fn a_cut_leaves_what_a_producer_may_send_again_however_far_apart_it_lies() {
    let mut world = world(StoreConfig::default());
    let (log, who) = (world.id(0), ProducerId(7));
    world.create(log, 4096);
    world.finish_all();
    for at in 0..5 {
        let mut builder = Builder::new().at(Offset(at), LeaderEpoch(0)).numbered(who, ProducerEpoch(0), at as i32);
        builder.push(&NewRecord { timestamp: world.now().wall, value: Some(&[1; 4000]), ..NewRecord::default() });
        world.act_now(log, Action::Append { batches: vec![builder.build_plain(&Functions::slow())] }).unwrap();
    }
    world.act_now(log, Action::Truncate { end: Offset(4) }).unwrap();
    let after = world.producer(log, who).expect("it is known still");
    let kept: Vec<i32> = after.window.kept().iter().map(|kept| kept.base_sequence).collect();
    assert_eq!((kept, after.last_offset), (vec![0, 1, 2, 3], Offset(3)));
    world.act_now(log, Action::Truncate { end: Offset(1) }).unwrap();
    let after = world.producer(log, who).expect("it is known still");
    assert_eq!((after.window.last_sequence(), after.last_offset), (0, Offset(0)));
}

impl World {
    fn producer(&mut self, log: LogId, id: ProducerId) -> Option<Producer> {
        match self.ask_one(log, Query::Log) {
            Ok(Done::Log(facts)) => facts.producers().get(id).cloned(),
            other => panic!("{other:?}"),
        }
    }
}
