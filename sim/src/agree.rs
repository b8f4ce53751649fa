//! What the machines of one cluster must agree on, whoever of them is asked: what the metadata say up to an offset, who
//! leads a partition in a reign, and what lies in the logs that several of them keep.

use crate::check::Reader;
use crate::machine::Machine;
use crate::settings::store_config;
use crate::world::World;
use ottla_core::boundary::Digest;
use ottla_core::types::{LeaderEpoch, LogId, Offset};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// What was seen of all machines together.
#[derive(Default)]
pub struct Agreement {
    /// The fingerprint of the metadata up to each offset that somebody was seen at, and who that was.
    images: BTreeMap<i64, (u64, usize)>,
    /// The process of each machine, and up to where it knew the metadata when last seen.
    seen: BTreeMap<usize, (u64, i64)>,
    /// Who led which partition in which reign.
    reigns: BTreeMap<(LogId, LeaderEpoch), usize>,
}

impl World {
    /// A machine did something: what it knows now is compared with what was ever known at that offset.
    pub(crate) fn judge_agreement(&mut self, number: usize) {
        let machine = &self.machines[number];
        let Some(view) = machine.view() else { return };
        let image = view.image();
        let now = (machine.starts(), image.end().0);
        let before = self.agreement.seen.insert(number, now);
        if before == Some(now) {
            return;
        }
        if let Some((start, end)) = before
            && start == now.0
            && end > now.1
        {
            let text = format!("node {number} knew the metadata up to {end}, and now only up to {}", now.1);
            return self.model.find("metadata", text);
        }
        let mut digest = Digest::default();
        image.hash(&mut digest);
        let digest = digest.finish();
        let (known, by) = *self.agreement.images.entry(now.1).or_insert((digest, number));
        if by != number {
            self.model.mark("metadata compared");
        }
        if known != digest {
            let text = format!("up to {} the metadata of node {number} are not what they were on node {by}", now.1);
            return self.model.find("metadata", text);
        }
        let mut twice = None;
        for (log, partition) in view.partitions() {
            let Some(reign) = partition.reign() else { continue };
            let leader = *self.agreement.reigns.entry((log, reign)).or_insert(number);
            if leader != number {
                twice = Some(format!("{log:?} is led by node {leader} and by node {number}, both in {reign:?}"));
            }
        }
        if let Some(text) = twice {
            self.model.find("reigns", text);
        }
    }

    /// Whether every machine knows all metadata that the controller does.
    pub(crate) fn is_agreed(&self) -> bool {
        let mut ends = self.machines.iter().map(|machine| machine.view().map(|view| view.image().end()));
        let first = ends.next().flatten();
        first.is_some() && ends.all(|end| end == first)
    }

    /// The end of a run of a cluster: everybody knows the same, and has it on disk in the same bytes.
    pub(crate) fn judge_cluster(&mut self) {
        if self.model.damaged || !self.model.findings.is_empty() {
            return;
        }
        if !self.is_agreed() {
            let known = |machine: &Machine| machine.view().map(|view| view.image().end().0);
            let ends: Vec<Option<i64>> = self.machines.iter().map(known).collect();
            return self.model.find("metadata", format!("the machines know the metadata up to {ends:?}"));
        }
        if let Err(text) = self.compare_replicas() {
            self.model.find("replicas", text);
        }
    }

    /// What is committed lies in the same bytes wherever it is kept.
    fn compare_replicas(&mut self) -> Result<(), String> {
        let mut kept: BTreeMap<LogId, Vec<(usize, Offset, Offset)>> = BTreeMap::new();
        let mut readers = Vec::new();
        for (number, machine) in self.machines.iter().enumerate() {
            let disk = machine.disk.durable_copy();
            let (reader, recovered) = Reader::open(disk, number, store_config(&self.plan.options))?;
            readers.push(reader);
            for log in recovered.logs {
                kept.entry(log.id).or_default().push((number, log.start, log.end));
            }
        }
        for (log, copies) in kept {
            let committed = self.committed(log);
            for pair in copies.windows(2) {
                let [(one, one_start, one_end), (other, other_start, other_end)] = pair else { continue };
                let (from, end) = (*one_start.max(other_start), *one_end.min(other_end).min(&committed));
                let span = (from, end);
                if readers[*one].batches(log, span)? != readers[*other].batches(log, span)? {
                    return Err(format!("{log:?} differs on nodes {one} and {other} between {from:?} and {end:?}"));
                }
                self.model.mark("replicas compared");
            }
        }
        Ok(())
    }

    /// Up to where a log is committed, as far as anybody says.
    fn committed(&self, log: LogId) -> Offset {
        let views = || self.machines.iter().filter_map(Machine::view);
        match log == LogId::METADATA {
            true => views().map(|view| view.image().end()).min().unwrap_or(Offset::ZERO),
            false => views().filter_map(|view| view.high_watermark(log)).max().unwrap_or(Offset::ZERO),
        }
    }
}
