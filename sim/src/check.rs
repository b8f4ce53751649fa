//! What is promised must be on the device at that very moment: a copy of the disk loses its power, a fresh recovery opens
//! what is left, and everything that clients were told is looked for in it.

use crate::client::batch::decode;
use crate::disk::Disk;
use crate::model::{LogFacts, LogName};
use crate::run::functions;
use crate::settings::store_config;
use crate::world::World;
use ottla_core::boundary::{Done, Query};
use ottla_core::store::{Claim, Recovered, RecoveredLog, Recovery, RecoveryStep, Store, StoreConfig, StoreOut};
use ottla_core::types::{BrokerId, FileOpId, LogId, Mono, Now, Offset, OpId, Str, Uuid, Wall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl World {
    /// Compares what is durable now with what was acknowledged.
    pub(crate) fn probe(&mut self) {
        let harshest = self.rng.chance(1, 2);
        let disk = match harshest {
            true => self.machines[0].disk.durable_copy(),
            false => self.machines[0].disk.torn_copy(self.rng.fork("probe")),
        };
        if self.model.damaged || self.model.acked_nothing() {
            return;
        }
        self.model.mark("probes");
        let config = store_config(&self.plan.options);
        match Reader::open(disk, config) {
            Ok((mut reader, recovered)) => {
                for log in &recovered.logs {
                    let Some(topic) = self.model.topic_with_id(log.id.topic) else { continue };
                    let name = LogName { topic, partition: log.id.partition };
                    self.compare(&mut reader, name, log.id, (log.start, log.end));
                }
                self.miss(&recovered);
            }
            Err(text) => self.model.find("durable", format!("what is durable cannot be opened: {text}")),
        }
    }

    /// A relaxed broker loses its power, and the run ends here. What was acknowledged may be gone, but only what came last
    /// in its partition: all that is left is what was sent, in one piece, and where it was before.
    pub(crate) fn reckon(&mut self) {
        self.is_over = true;
        if self.model.damaged || self.model.acked_nothing() {
            return;
        }
        let disk = match self.rng.chance(1, 2) {
            true => self.machines[0].disk.durable_copy(),
            false => self.machines[0].disk.torn_copy(self.rng.fork("reckon")),
        };
        self.model.mark("power losses of relaxed brokers");
        let (mut reader, recovered) = match Reader::open(disk, store_config(&self.plan.options)) {
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

    /// Partitions that hold acknowledged records and are not on the device at all.
    fn miss(&mut self, recovered: &Recovered) {
        let missing: Vec<LogName> = self
            .model
            .logs
            .iter()
            .filter(|(name, facts)| {
                let id = self.model.topics[name.topic].id;
                facts.acked_end > 0
                    && id.is_some_and(|topic| {
                        let id = LogId { topic, partition: name.partition };
                        !recovered.logs.iter().any(|log| log.id == id)
                    })
            })
            .map(|(name, _)| *name)
            .collect();
        for name in missing {
            let text = format!("{} is not on the device", self.model.name(name));
            self.model.find("durable", text);
        }
    }
}

/// A store that is only read, on a disk whose operations end at once.
struct Reader {
    disk: Disk,
    store: Store,
    op: u64,
}

impl Reader {
    fn open(mut disk: Disk, config: StoreConfig) -> Result<(Self, Recovered), String> {
        let claim = Claim {
            node: BrokerId(1),
            cluster: None,
            new_directory: Uuid([1; 16]),
            new_cluster: Str::from_static("simulated-cluster-0001"),
            new_salt: 1,
        };
        let mut recovery = Recovery::new(config, functions(), claim);
        let mut said = Vec::new();
        recovery.start(&mut said);
        loop {
            said.retain(|one| !matches!(one, StoreOut::Note(_)));
            let Some(StoreOut::File { id, op }) = said.pop() else { return Err("recovery asks for nothing".into()) };
            assert!(said.is_empty(), "recovery does one thing at a time");
            match recovery.file_done(id, disk.run(op), &mut said) {
                RecoveryStep::More => {}
                RecoveryStep::Ready(store, recovered) => {
                    return Ok((Self { disk, store: *store, op: 0 }, recovered));
                }
                RecoveryStep::Refused(refusal) => return Err(refusal.to_string()),
            }
        }
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

    fn ask(&mut self, log: LogId, query: &Query) -> Result<Done, String> {
        self.op += 1;
        let op = OpId(self.op);
        let now = Now { mono: Mono(1), wall: Wall(0) };
        let mut said = Vec::new();
        self.store.query(op, log, query, &mut said);
        let mut waiting: VecDeque<StoreOut> = said.into();
        while let Some(said) = waiting.pop_front() {
            match said {
                StoreOut::File { id, op } => {
                    let mut more = Vec::new();
                    let outcome = self.disk.run(op);
                    self.finish(now, id, outcome, &mut more);
                    waiting.extend(more);
                }
                StoreOut::Done { op: ended, outcome } if ended == op => {
                    return outcome.map_err(|fault| format!("{query:?} ends in {fault:?}"));
                }
                StoreOut::Done { .. } | StoreOut::Served { .. } | StoreOut::Note(_) => {}
            }
        }
        Err(format!("{query:?} never ends"))
    }

    fn finish(
        &mut self,
        now: Now,
        id: FileOpId,
        outcome: Result<ottla_core::boundary::FileDone, ottla_core::boundary::FileFault>,
        out: &mut Vec<StoreOut>,
    ) {
        self.store.file_done(now, id, outcome, out);
    }
}
