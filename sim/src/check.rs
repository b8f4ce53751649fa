//! What is promised must be on the device at that very moment: a copy of the disk loses its power, a fresh recovery opens
//! what is left, and everything that clients were told is looked for in it.

use crate::client::batch::decode;
use crate::disks::Disks;
use crate::links::host_of;
use crate::machine::broker_id;
use crate::model::{LogFacts, LogName};
use crate::run::functions;
use crate::settings::store_config;
use crate::world::World;
use ottla_core::boundary::{Done, Query};
use ottla_core::store::{
    Claim, Recovered, RecoveredLog, Recovery, RecoveryStep, Store, StoreConfig, StoreOut, Stores, unnamed,
};
use ottla_core::types::{LogId, Mono, Now, Offset, OpId, Rng, Str, Uuid, Wall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl World {
    /// Compares what is durable now with what was acknowledged: as many machines as have to be in sync have all of it.
    pub(crate) fn probe(&mut self) {
        let harshest = self.rng.chance(1, 2);
        let chances: Vec<Option<Rng>> =
            self.machines.iter().map(|_| (!harshest).then(|| self.rng.fork("probe"))).collect();
        if self.model.damaged || self.model.acked_nothing() {
            return;
        }
        self.model.mark("probes");
        self.count_rare();
        let mut copies = Vec::new();
        for (machine, chance) in chances.into_iter().enumerate() {
            let disks = &self.machines[machine].disks;
            let disks = chance.map_or_else(|| disks.durable_copy(), |chance| disks.torn_copy(&chance));
            let (reader, recovered) = match Reader::open(disks, machine, &store_config(&self.plan.options)) {
                Ok(opened) => opened,
                Err(text) => {
                    return self.model.find("durable", format!("what is durable cannot be opened: {text}"));
                }
            };
            copies.push((reader, recovered.logs));
        }
        // What is committed is in the log of whoever leads, or led last; if that is lost, in the one with the newest reign in it, and
        // most of that. Another log may be longer with what was never acknowledged.
        let mut longest: BTreeMap<LogName, (usize, &RecoveredLog)> = BTreeMap::new();
        let newest = |name: LogName, machine: usize, log: &RecoveredLog| {
            let acked = self.model.logs.get(&name).map_or(0, |facts| facts.acked_end);
            let leads = log.end.0 >= acked && !self.model.is_led_elsewhere(name, &host_of(machine));
            (leads, log.epochs.latest(), log.end)
        };
        for (machine, log) in
            copies.iter().enumerate().flat_map(|(at, (_, logs))| logs.iter().map(move |log| (at, log)))
        {
            let Some(topic) = self.model.topic_with_id(log.id.topic) else { continue };
            let name = LogName { topic, partition: log.id.partition };
            let is_newer = |(at, other): &(usize, &RecoveredLog)| newest(name, *at, other) < newest(name, machine, log);
            if longest.get(&name).is_none_or(is_newer) {
                longest.insert(name, (machine, log));
            }
        }
        let mut holders = Vec::new();
        for (name, (_, best)) in &longest {
            let last = Offset(self.model.log(*name).acked_end - 1);
            if last < Offset::ZERO {
                // Nothing is acknowledged: a replica without any of it lacks nothing.
                continue;
            }
            let has_it = |log: &&RecoveredLog| log.id == best.id && log.end > last && agree(log, best, last);
            holders.push((*name, copies.iter().flat_map(|(_, logs)| logs).filter(has_it).count()));
        }
        let longest: Vec<_> =
            longest.into_iter().map(|(name, (at, log))| (name, at, log.id, (log.start, log.end))).collect();
        for (name, machine, log, span) in &longest {
            self.compare(&mut copies[*machine].0, *name, *log, *span);
        }
        self.miss(&longest.iter().map(|(name, ..)| *name).collect());
        for (name, held) in holders {
            let least = self.model.topics[name.topic].replicas_min() - usize::from(self.model.wiped);
            if held < least {
                let end = self.model.log(name).acked_end;
                let text =
                    format!("{} is acknowledged up to {end}, on {held} devices of {least}", self.model.name(name));
                self.model.find("durable", text);
            }
        }
        if self.plan.options.cluster {
            self.judge_replicas(false, &mut copies);
        }
    }

    /// A relaxed broker loses its power, and the run ends here. What was acknowledged may be gone, but only what came last
    /// in its partition: all that is left is what was sent, in one piece, and where it was before.
    pub(crate) fn reckon(&mut self) {
        self.is_over = true;
        if self.model.damaged || self.model.acked_nothing() {
            return;
        }
        let disks = match self.rng.chance(1, 2) {
            true => self.machines[0].disks.durable_copy(),
            false => self.machines[0].disks.torn_copy(&self.rng.fork("reckon")),
        };
        self.model.mark("power losses of relaxed brokers");
        let (mut reader, recovered) = match Reader::open(disks, 0, &store_config(&self.plan.options)) {
            Ok(opened) => opened,
            Err(text) => return self.model.find("durable", format!("what is left cannot be opened: {text}")),
        };
        let mut kept = BTreeSet::new();
        for log in recovered.logs {
            let Some(topic) = self.model.topic_with_id(log.id.topic) else { continue };
            let name = LogName { topic, partition: log.id.partition };
            kept.insert(name);
            if !log.is_online {
                self.model.find("durable", format!("{} is offline after a loss of power", self.model.name(name)));
            } else if let Err(text) = self.compare_left(&mut reader, name, &log) {
                self.model.find("durable", format!("{}: {text}", self.model.name(name)));
            }
        }
        let is_gone = |(name, facts): &(&LogName, &LogFacts)| facts.acked_end > 0 && !kept.contains(name);
        let gone = self.model.logs.iter().filter(is_gone).count();
        self.model.count("relaxed partitions that lost acknowledged records", gone as u64);
    }

    /// What a power loss left of a partition, from its start to its end.
    fn compare_left(&mut self, reader: &mut Reader, name: LogName, log: &RecoveredLog) -> Result<(), String> {
        let (start, end) = (log.start, log.end);
        let found = reader.read(log.id, start, end)?;
        for (offset, entry) in found.range(start.0..) {
            let _ = self.model.read(name, *offset, entry);
        }
        let facts = self.model.log(name).clone();
        if end.0 < facts.acked_end {
            self.model.mark("relaxed partitions that lost acknowledged records");
        }
        let hole = facts.at.range(start.0..end.0.max(start.0)).find(|(offset, _)| !found.contains_key(offset));
        if let Some((offset, _)) = hole {
            return Err(format!("{offset} is gone, {} to {} are there", start.0, end.0));
        }
        self.model.judge_order(name);
        Ok(())
    }

    fn compare(&mut self, reader: &mut Reader, name: LogName, log: LogId, (start, end): (Offset, Offset)) {
        let facts = self.model.log(name).clone();
        if end.0 < facts.acked_end {
            let text = format!(
                "{} ends at {} on the device, acknowledged up to {}",
                self.model.name(name),
                end.0,
                facts.acked_end
            );
            return self.model.find("durable", text);
        }
        let from = start.0.max(facts.start).min(facts.acked_end);
        let known: Vec<i64> = facts.at.range(from..facts.acked_end).map(|(offset, _)| *offset).collect();
        let Some(first) = known.first() else { return };
        let found = match reader.read(log, Offset(*first), end) {
            Ok(found) => found,
            Err(text) => return self.model.find("durable", format!("{}: {text}", self.model.name(name))),
        };
        for offset in known {
            match found.get(&offset) {
                Some(entry) => drop(self.model.read(name, offset, entry)),
                None => {
                    let text = format!("{} at {offset} is not on the device", self.model.name(name));
                    self.model.find("durable", text);
                }
            }
        }
    }

    /// Partitions that hold acknowledged records and are on no device at all.
    fn miss(&mut self, found: &BTreeSet<LogName>) {
        let is_missing = |(name, facts): &(&LogName, &LogFacts)| {
            facts.acked_end > 0 && self.model.topics[name.topic].id.is_some() && !found.contains(name)
        };
        let missing: Vec<LogName> = self.model.logs.iter().filter(is_missing).map(|(name, _)| *name).collect();
        for name in missing {
            let text = format!("{} is not on the device", self.model.name(name));
            self.model.find("durable", text);
        }
    }
}

/// Stores that are only read, on disks whose operations end at once.
pub(crate) struct Reader {
    disks: Disks,
    stores: Stores,
    op: u64,
}

impl Reader {
    /// What recovery makes of a copy of a machine's disks.
    pub(crate) fn open(mut disks: Disks, machine: usize, config: &StoreConfig) -> Result<(Self, Recovered), String> {
        let mut opened = Vec::new();
        let mut identity = None;
        for at in 0..disks.count() {
            let (store, recovered) = recover(&mut disks, (machine, at), config)?;
            opened.push((store, recovered.logs));
            identity.get_or_insert((recovered.identity, recovered.is_new));
        }
        let (stores, places) =
            Stores::open(opened, Uuid([9; 16])).map_err(|twice| format!("{:?} is there twice", twice.log.id))?;
        let logs = places.into_iter().map(|(log, _)| log).collect();
        let (identity, is_new) = identity.expect("a machine has a disk");
        Ok((Self { disks, stores, op: 0 }, Recovered { identity, is_new, logs }))
    }

    /// Every record of a log from an offset on, read in pieces.
    fn read(
        &mut self,
        log: LogId,
        from: Offset,
        end: Offset,
    ) -> Result<BTreeMap<i64, crate::client::batch::Entry>, String> {
        let mut found = BTreeMap::new();
        let mut next = from;
        while next < end {
            let query = Query::Records { from: next, end, bytes_max: 64 << 10 };
            let records = match self.ask(log, &query)? {
                Done::Records(records) => records,
                other => return Err(format!("asked for records, got {other:?}")),
            };
            let batches = decode(&records.to_bytes(), &functions())?;
            let before = next;
            for (offset, entry) in batches.into_iter().flat_map(|batch| batch.entries) {
                next = next.max(Offset(offset + 1));
                found.insert(offset, entry);
            }
            if next == before {
                return Err(format!("nothing at {} of {}", next.0, end.0));
            }
        }
        Ok(found)
    }

    /// Every batch between two offsets as it lies on the device, by its base offset.
    pub(crate) fn batches(
        &mut self,
        log: LogId,
        (from, end): (Offset, Offset),
    ) -> Result<BTreeMap<i64, Vec<u8>>, String> {
        let mut found = BTreeMap::new();
        let mut next = from;
        while next < end {
            let query = Query::Records { from: next, end, bytes_max: 64 << 10 };
            let records = match self.ask(log, &query)? {
                Done::Records(records) => records.to_bytes(),
                other => return Err(format!("asked for records, got {other:?}")),
            };
            let before = next;
            for batch in split(&records) {
                let (base, last) = reach(batch)?;
                next = next.max(Offset(last + 1));
                found.insert(base, batch.to_vec());
            }
            if next == before {
                return Err(format!("nothing at {} of {}", next.0, end.0));
            }
        }
        Ok(found)
    }

    fn ask(&mut self, log: LogId, query: &Query) -> Result<Done, String> {
        self.op += 1;
        let op = OpId(self.op);
        let now = Now { mono: Mono(1), wall: Wall(0) };
        let mut said = Vec::new();
        self.stores.query(op, log, query, &mut said);
        let mut waiting: VecDeque<StoreOut> = said.into();
        while let Some(said) = waiting.pop_front() {
            match said {
                StoreOut::File { id, op } => {
                    let mut more = Vec::new();
                    let outcome = self.disks.run(unnamed(id).0, op);
                    self.stores.file_done(now, id, outcome, &mut more);
                    waiting.extend(more);
                }
                StoreOut::Done { op: ended, outcome } if ended == op => {
                    return outcome.map_err(|fault| format!("{query:?} ends in {fault:?}"));
                }
                StoreOut::Done { .. } | StoreOut::Served { .. } | StoreOut::Moved { .. } | StoreOut::Note(_) => {}
            }
        }
        Err(format!("{query:?} never ends"))
    }
}

/// Opens one directory.
fn recover(
    disks: &mut Disks,
    (machine, at): (usize, usize),
    config: &StoreConfig,
) -> Result<(Store, Recovered), String> {
    let claim = Claim {
        node: broker_id(machine),
        cluster: None,
        new_directory: Uuid([1 + at as u8; 16]),
        new_cluster: Some(Str::from_static("simulated-cluster-0001")),
        new_salt: 1,
    };
    let mut recovery = Recovery::new(config.clone(), functions(), claim);
    let mut said = Vec::new();
    recovery.start(&mut said);
    loop {
        said.retain(|one| !matches!(one, StoreOut::Note(_)));
        let Some(StoreOut::File { id, op }) = said.pop() else { return Err("recovery asks for nothing".into()) };
        assert!(said.is_empty(), "recovery does one thing at a time");
        match recovery.file_done(id, disks.run(at, op), &mut said) {
            RecoveryStep::More => {}
            RecoveryStep::Ready(store, recovered) => return Ok((*store, recovered)),
            RecoveryStep::Refused(refusal) => return Err(refusal.to_string()),
        }
    }
}

/// Whether two logs agree in everything up to an offset: they do if it was appended in one reign. What is trimmed was
/// committed.
fn agree(one: &RecoveredLog, other: &RecoveredLog, last: Offset) -> bool {
    let is_trimmed = one.start > last || other.start > last;
    is_trimmed || one.epochs.epoch_at(last) == other.epochs.epoch_at(last)
}

/// Whole batches, one behind the other.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut batches = Vec::new();
    while let Some(length) = bytes.get(8..12) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let Some((batch, rest)) = bytes.split_at_checked(12 + length) else { break };
        batches.push(batch);
        bytes = rest;
    }
    batches
}

/// The first and the last offset of a batch.
fn reach(batch: &[u8]) -> Result<(i64, i64), String> {
    let base = batch.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
    let delta = batch.get(23..27).and_then(|bytes| bytes.first_chunk::<4>()).map(|bytes| i32::from_be_bytes(*bytes));
    let (base, delta) = base.zip(delta).ok_or("a batch without a header")?;
    Ok((base, base + i64::from(delta)))
}
