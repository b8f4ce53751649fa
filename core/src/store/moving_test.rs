//! Logs that move between directories of which any may fail, be away for a while, or lose power at any moment: what was acknowledged
//! is there, once, wherever it is found.

use super::super::disk_test::TestDisk;
use super::super::store_test::{batch_of, open, tiny, walk};
use super::super::{Claim, RecoveredLog, StoreConfig, StoreOut, Stores, unnamed};
use super::MOVES_AT_ONCE_MAX;
use crate::boundary::{Action, DiskFault, Done, FileOp, LogSettings, LogSpec, MoveStage, Query};
use crate::record::CheckedBatch;
use crate::types::{BrokerId, FileOpId, LeaderEpoch, LogId, Mono, Now, Offset, OpId, Rng, Uuid, Wall};
use std::collections::BTreeMap;
use std::format;
use std::vec;
use std::vec::Vec;

const DIRECTORIES: usize = 3;
const LOGS: u8 = 5;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    exists: bool,
    start: i64,
    end: i64,
    batches: Vec<(i64, i64, Vec<u8>)>,
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

/// A log after each change that was submitted, and how many of those are acknowledged.
#[derive(Clone, Default)]
struct Expected {
    states: Vec<State>,
    acknowledged: usize,
    submitted: BTreeMap<OpId, usize>,
    epoch: i32,
    /// Nothing is asked of it before the next start.
    is_broken: bool,
}

struct Yard {
    rng: Rng,
    config: StoreConfig,
    disks: Vec<TestDisk>,
    /// The disks that this life has, in the order of its directories.
    here: Vec<usize>,
    stores: Stores,
    under_way: Vec<(FileOpId, FileOp)>,
    expected: BTreeMap<LogId, Expected>,
    done: BTreeMap<OpId, Result<Done, DiskFault>>,
    places: BTreeMap<LogId, usize>,
    op: u64,
    mono: u64,
    has_failed: bool,
    /// In any life: some directory may hold an older copy of itself.
    ever_failed: bool,
    ever_away: bool,
    moved: usize,
}

fn log(number: u8) -> LogId {
    LogId { topic: Uuid([number; 16]), partition: 0 }
}

fn claim(disk: usize) -> Claim {
    let new_directory = Uuid([100 + disk as u8; 16]);
    Claim {
        node: BrokerId(1),
        cluster: None,
        new_directory,
        new_cluster: Some("cluster".into()),
        new_salt: disk as u64,
    }
}

fn start(
    disks: &mut [TestDisk],
    here: &[usize],
    config: &StoreConfig,
    life: Uuid,
) -> (Stores, Vec<(RecoveredLog, usize)>) {
    let opened = here.iter().map(|disk| {
        let (store, recovered) = open(&mut disks[*disk], config, claim(*disk)).expect("it opens");
        (*store, recovered.logs)
    });
    let (mut stores, found) = Stores::open(opened.collect(), life).expect("of two copies one counts");
    stores.throttle_moves(i64::MAX as u64);
    (stores, found)
}

impl Yard {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = StoreConfig { is_durable: true, ..tiny(&mut rng) };
        let mut disks = vec![TestDisk::default(), TestDisk::default(), TestDisk::default()];
        let here: Vec<usize> = (0..DIRECTORIES).collect();
        let (stores, found) = start(&mut disks, &here, &config, Uuid(rng.bytes16()));
        assert!(found.is_empty());
        Self {
            rng,
            config,
            disks,
            here,
            stores,
            under_way: Vec::new(),
            expected: BTreeMap::new(),
            done: BTreeMap::new(),
            places: BTreeMap::new(),
            op: 0,
            mono: 0,
            has_failed: false,
            ever_failed: false,
            ever_away: false,
            moved: 0,
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: Wall(1_000_000 + (self.mono / 1_000_000) as i64) }
    }

    fn take(&mut self, out: Vec<StoreOut>) {
        for one in out {
            match one {
                StoreOut::File { id, op } => self.under_way.push((id, op)),
                StoreOut::Done { op, outcome } => self.ended(op, outcome),
                StoreOut::Moved { log, directory, stage: MoveStage::Ended } => {
                    self.moved +=
                        usize::from(self.places.insert(log, directory).is_some_and(|before| before != directory));
                }
                StoreOut::Moved { .. } | StoreOut::Note(_) => {}
                StoreOut::Served { .. } => unreachable!("nobody asked"),
            }
        }
        self.stores.stores.iter().for_each(super::super::Store::check);
        assert!(self.stores.moves.active.len() <= MOVES_AT_ONCE_MAX);
    }

    fn ended(&mut self, op: OpId, outcome: Result<Done, DiskFault>) {
        for expected in self.expected.values_mut() {
            let Some(at) = expected.submitted.remove(&op) else { continue };
            match outcome {
                Ok(Done::Stored { start, end }) => {
                    expected.acknowledged = expected.acknowledged.max(at);
                    let state = &expected.states[at];
                    assert!(!state.exists || (start.0, end.0) == (state.start, state.end), "{state:?}");
                }
                Err(DiskFault::Offline) if self.has_failed => expected.is_broken = true,
                ref other => panic!("{other:?}"),
            }
        }
        assert!(self.done.insert(op, outcome).is_none(), "an operation ends once");
    }

    fn turn(&mut self) {
        let mut out = Vec::new();
        let now = self.now();
        self.stores.turn(now, &mut out);
        self.take(out);
    }

    fn finish_one(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.rng.below(self.under_way.len() as u64) as usize;
        let (id, op) = self.under_way.swap_remove(at);
        let outcome = self.disks[self.here[unnamed(id).0]].run(&op);
        let mut out = Vec::new();
        let now = self.now();
        self.stores.file_done(now, id, outcome, &mut out);
        self.take(out);
    }

    /// Goes on until nothing moves any more.
    fn finish_all(&mut self) {
        for _ in 0..200_000 {
            self.turn();
            if !self.under_way.is_empty() {
                self.finish_one();
            } else if self.stores.moves.moves.is_empty() {
                return;
            } else {
                let due = self.stores.deadline().expect("what moves is due");
                self.mono = self.mono.max(due.0) + 1;
            }
        }
        let phases: Vec<_> = self.stores.moves.moves.values().map(|moved| moved.phase).collect();
        panic!("everything comes to rest: {phases:?}");
    }

    fn state(&self, log: LogId) -> State {
        self.expected.get(&log).and_then(|expected| expected.states.last()).cloned().unwrap_or_default()
    }

    fn submit(&mut self, log: LogId, action: Action, next: Vec<State>) {
        self.op += 1;
        let op = OpId(self.op);
        let first = || Expected { states: vec![State::default()], ..Expected::default() };
        let expected = self.expected.entry(log).or_insert_with(first);
        expected.states.extend(next);
        expected.submitted.insert(op, expected.states.len() - 1);
        self.stores.submit(op, log, action);
    }

    fn append(&mut self, log: LogId) {
        let mut state = self.state(log);
        let epoch = LeaderEpoch(self.expected[&log].epoch);
        let (mut batches, mut states): (Vec<CheckedBatch>, _) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.between(1, 3) {
            let len = self.rng.between(1, 2000) as usize;
            let value: Vec<u8> = (0..len).map(|_| self.rng.next_u64() as u8).collect();
            let batch = batch_of(state.end, self.rng.between(1, 3), &value, self.now().wall);
            let batch = batch.stamped(Offset(state.end), epoch);
            state.batches.push((state.end, batch.end_offset().0, batch.to_bytes().to_vec()));
            state.end = batch.end_offset().0;
            states.push(state.clone());
            batches.push(batch);
        }
        self.submit(log, Action::Append { batches }, states);
    }

    fn act(&mut self) {
        let slot = self.rng.below(u64::from(LOGS)) as u8;
        // A deleted log comes back under another id, as a topic does, or as itself, as a replica does.
        let lives = (0..40).map(|life| log(slot + LOGS * life));
        let is_gone = |id: &LogId| self.expected.get(id).is_some_and(|one| !one.states.last().unwrap().exists);
        let known = lives.clone().take_while(|id| self.expected.contains_key(id)).last();
        let again = known.filter(is_gone).filter(|_| self.rng.chance(1, 3));
        let Some(id) = again.or_else(|| lives.into_iter().find(|id| !is_gone(id))) else { return };
        let mut state = self.state(id);
        let is_broken = self.expected.get(&id).is_some_and(|one| one.is_broken);
        match self.rng.below(40) {
            _ if is_broken => {}
            _ if !state.exists => {
                let directory = self.rng.below(self.here.len() as u64) as usize;
                if self.stores.is_offline(directory) {
                    return;
                }
                self.stores.place(id, directory);
                self.places.insert(id, directory);
                let segment_bytes = self.rng.between(500, 20_000) as u32;
                let settings = LogSettings { segment_bytes, index_interval_bytes: 1, ..LogSettings::default() };
                let spec = LogSpec { topic: format!("topic{slot}").as_str().into(), settings };
                self.submit(id, Action::Create(spec), vec![State { exists: true, ..State::default() }]);
                self.expected.get_mut(&id).unwrap().epoch += 1;
            }
            0 if self.rng.chance(1, 4) => self.submit(id, Action::Delete, vec![State::default()]),
            1 | 2 if state.end > state.start => {
                let end = self.rng.between(state.start as u64, state.end as u64) as i64;
                state.cut(end);
                self.submit(id, Action::Truncate { end: Offset(end) }, vec![state]);
                self.expected.get_mut(&id).unwrap().epoch += 1;
            }
            3 => {
                state.start = self.rng.between(state.start as u64, state.end as u64) as i64;
                self.submit(id, Action::Trim { start: Offset(state.start) }, vec![state]);
            }
            4 => {
                // The log begins anew behind its end.
                (state.start, state.end) = (state.end + 5, state.end + 5);
                state.batches.clear();
                self.submit(id, Action::Trim { start: Offset(state.start) }, vec![state]);
                self.expected.get_mut(&id).unwrap().epoch += 1;
            }
            5..=8 => {
                let directory = self.rng.below(self.here.len() as u64) as usize;
                self.stores.relocate(id, directory);
            }
            _ => self.append(id),
        }
    }

    /// The process ends, and another one begins, perhaps without one of the directories.
    fn crash(&mut self) -> Vec<(RecoveredLog, usize)> {
        let mut left: Vec<Vec<FileOp>> = vec![Vec::new(); DIRECTORIES];
        for (id, op) in std::mem::take(&mut self.under_way) {
            left[self.here[unnamed(id).0]].push(op);
        }
        let loses_power = self.rng.chance(1, 2);
        for (disk, left) in self.disks.iter_mut().zip(left) {
            disk.fails = false;
            match loses_power {
                true => disk.lose_power(left, &mut self.rng),
                false => disk.kill(left, &mut self.rng),
            }
        }
        let journal_bytes = self.config.journal_bytes;
        self.config = StoreConfig { journal_bytes, is_durable: true, ..tiny(&mut self.rng) };
        // What a directory that failed did not hear of makes it an older copy of itself: it is not left alone with that.
        self.ever_failed |= self.has_failed;
        let is_away = !self.ever_failed && !self.ever_away && self.rng.chance(1, 4);
        // Without the first, which has the metadata, nothing starts.
        let away = self.rng.between(1, DIRECTORIES as u64 - 1) as usize;
        self.ever_away |= is_away;
        self.here = (0..DIRECTORIES).filter(|disk| !is_away || *disk != away).collect();
        self.has_failed = false;
        let (stores, found) = start(&mut self.disks, &self.here, &self.config, Uuid(self.rng.bytes16()));
        self.stores = stores;
        self.done.clear();
        found
    }

    /// What was found is what was acknowledged, or a little more of what was submitted.
    fn judge(&mut self, found: &[(RecoveredLog, usize)]) {
        let ids: Vec<LogId> = self.expected.keys().copied().collect();
        for (log, _) in found {
            assert!(self.expected.contains_key(&log.id), "nobody made {:?}", log.id);
        }
        self.places = found.iter().map(|(log, at)| (log.id, *at)).collect();
        for id in ids {
            let one = found.iter().find(|(log, _)| log.id == id).map(|(log, _)| log);
            let expected = &self.expected[&id];
            if one.is_none() && self.here.len() < DIRECTORIES {
                let exists = expected.states[expected.acknowledged..].iter().any(|state| state.exists);
                let expected = self.expected.get_mut(&id).unwrap();
                expected.is_broken = exists;
                expected.submitted.clear();
                continue;
            }
            let is_like = |state: &State| match one {
                None => !state.exists,
                Some(log) => state.exists && (log.start.0, log.end.0) == (state.start, state.end),
            };
            assert!(one.is_none_or(|log| log.is_online), "nothing is rotten: {id:?}");
            let candidates: Vec<State> = expected.states[expected.acknowledged..].to_vec();
            let bytes = one.map(|log| self.read_all(id, log.start, log.end));
            let is_like = |state: &&State| is_like(state) && bytes.as_ref().is_none_or(|bytes| *bytes == state.bytes());
            // A directory that failed, or was away, may not have heard that it was left for a copy which is deleted since.
            let is_past = (self.ever_failed || self.ever_away) && !candidates[0].exists;
            let is_stray = |log: &RecoveredLog| is_past && log.whence.leaving.is_some();
            if one.is_some_and(is_stray) {
                let stray = State { exists: true, ..State::default() };
                self.expected.insert(id, Expected { states: vec![stray], is_broken: true, ..Expected::default() });
                self.submit(id, Action::Delete, vec![State::default()]);
                continue;
            }
            let Some(now) = candidates.iter().find(is_like) else {
                let want = (candidates[0].exists, candidates[0].start, candidates[0].end);
                panic!("{id:?}: found {:?}, acknowledged {want:?}", one.map(|log| (log.start, log.end, &log.whence)));
            };
            let epoch = self.expected[&id].epoch + 1;
            self.expected.insert(id, Expected { states: vec![now.clone()], epoch, ..Expected::default() });
        }
    }

    /// What was deleted and is there still, since each directory forgets for itself what it was told last, is deleted again: as a node does
    /// with logs of topics that are gone.
    fn drop_strays(&mut self) {
        let exists = |one: &Expected| one.states.last().unwrap().exists;
        for slot in 0..LOGS {
            let lives: Vec<LogId> = (0..40).map(|life| log(slot + LOGS * life)).collect();
            let there: Vec<LogId> =
                lives.iter().copied().filter(|id| self.expected.get(id).is_some_and(exists)).collect();
            let last = lives.iter().rposition(|id| self.expected.contains_key(id));
            for id in there.into_iter().filter(|id| Some(*id) != last.map(|at| lives[at])) {
                self.submit(id, Action::Delete, vec![State::default()]);
            }
        }
    }

    fn read_all(&mut self, id: LogId, start: Offset, end: Offset) -> Vec<u8> {
        let (mut bytes, mut from) = (Vec::new(), start);
        while from < end {
            self.op += 1;
            let op = OpId(self.op);
            let mut out = Vec::new();
            let query = Query::Records { from, end, bytes_max: 4000 };
            self.stores.query(op, id, &query, &mut out);
            self.take(out);
            while !self.done.contains_key(&op) {
                self.turn();
                self.finish_one();
            }
            let Ok(Done::Records(records)) = &self.done[&op] else { panic!("{id:?}: {:?}", self.done[&op]) };
            let got = records.to_bytes();
            let Some(last) = walk(&got, from) else { break };
            from = last;
            bytes.extend_from_slice(&got);
        }
        bytes
    }

    /// At rest a log is in one directory, the one that was told.
    fn is_at_rest(&self) {
        for (id, expected) in self.expected.iter().filter(|(_, one)| !one.is_broken) {
            let held: Vec<usize> =
                (0..self.here.len()).filter(|at| self.stores.stores[*at].log_of(*id).is_some()).collect();
            match expected.states.last().unwrap().exists {
                true => assert_eq!(held, [self.places[id]], "{id:?}"),
                false => assert!(held.is_empty(), "{id:?} in {held:?}"),
            }
        }
    }
}

fn run(seed: u64) -> usize {
    let mut yard = Yard::new(seed);
    for _ in 0..yard.rng.between(2, 6) {
        for _ in 0..yard.rng.between(1, 300) {
            if yard.stores.is_offline(0) {
                // The first has the metadata: the process ends.
                break;
            }
            yard.mono += yard.rng.below(3_000_000);
            match yard.rng.below(10) {
                0..=2 => yard.act(),
                3 => yard.turn(),
                _ => yard.finish_one(),
            }
            if yard.rng.chance(1, 600) {
                let at = yard.rng.below(yard.here.len() as u64) as usize;
                let disk = yard.here[at];
                yard.disks[disk].fails = true;
                yard.has_failed = true;
            }
        }
        if !yard.has_failed && yard.rng.chance(1, 3) {
            yard.finish_all();
            yard.is_at_rest();
        }
        let found = yard.crash();
        yard.judge(&found);
        yard.drop_strays();
    }
    if yard.here.len() == DIRECTORIES {
        yard.finish_all();
        yard.is_at_rest();
    }
    yard.moved
}

#[test]
fn a_log_that_moves_is_always_there_once_and_whole() {
    let seeds: u64 = std::env::var("MOVES").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let first: u64 = std::env::var("MOVES_FROM").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut moved = 0;
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        moved += outcome.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(moved as u64 > seeds, "moves end: {moved}");
}

#[test]
fn a_process_that_is_to_end_does_not_wait_for_a_move_and_the_next_goes_on_with_it() {
    let mut yard = Yard::new(3);
    let (id, topic) = (log(0), "topic0");
    let spec = LogSpec { topic: topic.into(), settings: LogSettings::default() };
    yard.places.insert(id, 0);
    yard.submit(id, Action::Create(spec), vec![State { exists: true, ..State::default() }]);
    (0..60).for_each(|_| yard.append(id));
    yard.finish_all();
    yard.stores.throttle_moves(1000);
    yard.stores.relocate(id, 1);
    for _ in 0..20 {
        yard.turn();
        yard.finish_one();
    }
    yard.append(id);
    for _ in 0..2000 {
        let (now, mut out) = (yard.now(), Vec::new());
        yard.stores.shut(now, &mut out);
        yard.take(out);
        yard.finish_one();
        if yard.under_way.is_empty() && yard.stores.is_quiet() {
            break;
        }
    }
    assert!(yard.stores.is_quiet() && yard.expected[&id].submitted.is_empty());
    assert_eq!(yard.places[&id], 0, "it is where it was");
    let held = |yard: &Yard| (0..DIRECTORIES).filter(|at| yard.stores.stores[*at].log_of(id).is_some()).count();
    assert_eq!(held(&yard), 2, "and on its way");
    let found = yard.crash();
    yard.judge(&found);
    if yard.here.len() == DIRECTORIES {
        yard.finish_all();
        assert_eq!((yard.places[&id], held(&yard)), (1, 1));
    }
}

/// A copy that does not count is left in a directory when the one fails that its log went to before it is gone.
#[test]
fn what_a_move_left_behind_goes_with_the_log() {
    let mut yard = Yard::new(5);
    let (id, next) = (log(0), log(LOGS));
    let spec = || LogSpec { topic: "topic0".into(), settings: LogSettings::default() };
    let made = |yard: &mut Yard, id: LogId, at: usize| {
        yard.stores.place(id, at);
        yard.submit(id, Action::Create(spec()), vec![State { exists: true, ..State::default() }]);
        yard.finish_all();
    };
    made(&mut yard, id, 1);
    let op = yard.stores.moves.ask(id);
    yard.stores.stores[0].submit(op, id, Action::Create(spec()));
    yard.finish_all();
    let held = |yard: &Yard, id| (0..DIRECTORIES).filter(|at| yard.stores.stores[*at].log_of(id).is_some()).count();
    assert_eq!(held(&yard, id), 2);
    yard.submit(id, Action::Delete, vec![State::default()]);
    made(&mut yard, next, 0);
    assert_eq!((held(&yard, id), held(&yard, next)), (0, 1));
}
