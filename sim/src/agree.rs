//! What the machines of one cluster must agree on, whoever of them is asked: what the metadata say up to an offset, who
//! leads a partition in a reign, and what lies in the logs that several of them keep.

use crate::check::Reader;
use crate::client::outlaw;
use crate::links::host_of;
use crate::machine::{Machine, broker_id};
use crate::model::{LogName, Model};
use crate::settings::store_config;
use crate::world::World;
use ottla_core::boundary::{Digest, Note};
use ottla_core::metadata::Partition;
use ottla_core::store::RecoveredLog;
use ottla_core::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, Uuid};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Who led the metadata quorum in which term.
    terms: BTreeMap<LeaderEpoch, usize>,
    /// The newest state of each partition that was told, if somebody wants to hear of it.
    told: BTreeMap<LogId, PartitionEpoch>,
    /// The partitions that ever had two in sync, or eligible.
    shared: BTreeSet<LogId>,
}

impl Agreement {
    /// A machine leads a partition in a reign: no other ever does.
    fn leads(&mut self, model: &mut Model, number: usize, (log, reign): (LogId, LeaderEpoch)) -> Option<String> {
        let leader = *self.reigns.entry((log, reign)).or_insert_with(|| {
            model.mark("reigns begun");
            let led = model.led.entry((log.topic, log.partition)).or_default();
            if led.1.is_empty() || led.0 < reign.0 {
                *led = (reign.0, host_of(number));
            }
            number
        });
        (leader != number).then(|| format!("{log:?} is led by node {leader} and by node {number}, both in {reign:?}"))
    }
}

impl World {
    /// A machine did something: what it knows now is compared with what was ever known at that offset.
    pub(crate) fn judge_agreement(&mut self, number: usize) {
        let machine = &self.machines[number];
        let Some(view) = machine.view() else { return };
        if let Some(term) = view.reign() {
            let leader = *self.agreement.terms.entry(term).or_insert_with(|| {
                self.model.mark("controllers elected");
                number
            });
            if leader != number {
                let text = format!("nodes {leader} and {number} both lead the metadata quorum in {term:?}");
                return self.model.find("terms", text);
            }
        }
        let image = view.image();
        let now = (machine.starts(), image.end().0);
        let before = self.agreement.seen.get(&number).copied();
        if before == Some(now) {
            return;
        }
        self.agreement.seen.insert(number, now);
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
        if self.trace.keeps_lines() {
            self.tell_partitions(number);
        }
        let Some(image) = self.machines[number].view().map(|view| view.image()) else { return };
        if image.brokers().any(|broker| broker.fenced) {
            self.model.mark("brokers seen fenced");
        }
        if let Some(text) = self.wrong_partition(number) {
            return self.model.find("partitions", text);
        }
        let Some(view) = self.machines[number].view() else { return };
        if self.model.offsets_topic.is_none() {
            let topic = view.image().topic_named("__consumer_offsets");
            self.model.offsets_topic = topic.map(|topic| (topic.id, topic.partitions.len() as i32));
        }
        let mut twice = None;
        for (log, partition) in view.partitions() {
            let Some(reign) = partition.reign() else { continue };
            twice = self.agreement.leads(&mut self.model, number, (log, reign)).or(twice);
        }
        if let Some(text) = twice {
            self.model.find("reigns", text);
        }
    }

    /// A machine says that it leads a partition. It may do so, and fall, before it hears anything more of the metadata. Or it
    /// says that it has dropped old records.
    pub(crate) fn heed(&mut self, number: usize, note: &Note) {
        if let Note::Trimmed { log, after, .. } = note
            && let Some(topic) = self.model.topic_with_id(log.topic)
        {
            let facts = self.model.log(LogName { topic, partition: log.partition });
            facts.dropped = facts.dropped.max(after.0);
        }
        if let Note::Leading { log, epoch, .. } = note
            && self.plan.options.cluster
            && let Some(text) = self.agreement.leads(&mut self.model, number, (*log, *epoch))
        {
            self.model.find("reigns", text);
        }
    }

    /// A line for each state of a partition that nobody knew before.
    fn tell_partitions(&mut self, number: usize) {
        let Some(image) = self.machines[number].view().map(|view| view.image()) else { return };
        for topic in image.topics() {
            for (index, partition) in topic.partitions.iter() {
                let log = LogId { topic: topic.id, partition: *index };
                let epoch = partition.partition_epoch;
                if self.agreement.told.insert(log, epoch).is_none_or(|known| known < epoch) {
                    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
                    let text = format!(
                        "{}-{index}: led by {} in {}, in sync {:?} of {:?}, eligible {:?}",
                        topic.name.as_str(),
                        partition.leader.0,
                        partition.leader_epoch.0,
                        ids(&partition.isr),
                        ids(&partition.replicas),
                        ids(&partition.eligible),
                    );
                    self.trace.line(self.now, "metadata", &text);
                }
            }
        }
        for broker in image.brokers() {
            let log = LogId { topic: Uuid::ZERO, partition: broker.id.0 };
            let epoch = PartitionEpoch(broker.epoch.0 as i32 * 2 + i32::from(!broker.fenced));
            if self.agreement.told.insert(log, epoch).is_none_or(|known| known < epoch) {
                let text = format!("broker {} of {:?}, fenced: {}", broker.id.0, broker.epoch, broker.fenced);
                self.trace.line(self.now, "metadata", &text);
            }
        }
    }

    /// What no metadata may say of a partition. A leader that may lack records is elected only where some are lost for good.
    fn wrong_partition(&mut self, number: usize) -> Option<String> {
        let image = self.machines[number].view()?.image();
        // Who was unregistered is not trusted to have what it has: it may lead as the last that did.
        let may_be_lost = self.model.damaged
            || self.plan.options.relaxed
            || self.plan.options.disk.liar
            || self.model.marks.contains_key("brokers to be unregistered");
        let (mut eligible, mut moving, mut outlaws) = (0, 0, 0);
        let mut wrong = None;
        for (topic, (index, partition)) in
            image.topics().flat_map(|topic| topic.partitions.iter().map(move |one| (topic, one)))
        {
            let has = |ids: &[BrokerId]| ids.iter().all(|id| partition.replicas.contains(id));
            let is_led = partition.leader == BrokerId::NONE || partition.isr.contains(&partition.leader);
            let is_apart = !partition.eligible.iter().any(|id| partition.isr.contains(id));
            let log = LogId { topic: topic.id, partition: *index };
            if partition.isr.len() + partition.eligible.len() > 1 {
                self.agreement.shared.insert(log);
            }
            // The only one that ever was in sync came back with another disk.
            let is_bereft = self.model.wiped && !self.agreement.shared.contains(&log);
            eligible += u64::from(!partition.eligible.is_empty());
            moving += u64::from(!partition.adding.is_empty() || !partition.removing.is_empty());
            let is_outlaw = topic.name == outlaw::TOPIC;
            outlaws += u64::from(is_outlaw && partition.recovering);
            if partition.recovering && !may_be_lost && !is_outlaw && !is_bereft {
                wrong = Some(format!("{}-{index} has an unclean leader: {partition:?}", topic.name.as_str()));
            } else if !is_led || !is_apart || !has(&partition.isr) || !has(&partition.eligible) {
                wrong = Some(format!("{}-{index} cannot be so: {partition:?}", topic.name.as_str()));
            }
        }
        self.model.count("partitions with eligible leaders seen", eligible);
        self.model.count("moving partitions seen", moving);
        self.model.count("unclean leaders seen", outlaws);
        wrong
    }

    /// Who leads what another has led since, or leads with fewer in sync than must be, is where replication is hard: it is counted.
    pub(crate) fn count_rare(&mut self) {
        let (mut past, mut short) = (0, 0);
        for view in self.machines.iter().filter_map(Machine::view) {
            for (log, partition) in view.partitions() {
                let Some(reign) = partition.reign() else { continue };
                let later = (log, LeaderEpoch(reign.0 + 1))..=(log, LeaderEpoch(i32::MAX));
                past += u64::from(self.agreement.reigns.range(later).next().is_some());
                short += u64::from(partition.is_short_of_replicas());
            }
        }
        self.model.count("leaders of the past seen", past);
        self.model.count("leaders short of replicas seen", short);
    }

    /// Did the only one that ever was in sync of a partition, since its other brokers were down, come back with another disk? Nothing
    /// that two must have was ever acknowledged, and nobody may lead before an operator says so.
    pub(crate) fn is_bereft(&self) -> bool {
        let has_nobody = |partition: &Partition| {
            partition.isr.is_empty() && partition.eligible.is_empty() && partition.leader == BrokerId::NONE
        };
        let views = self.machines.iter().filter_map(Machine::view);
        let mut lost = views.flat_map(|view| {
            let topics = view.image().topics();
            topics.flat_map(|topic| {
                topic.partitions.iter().map(|(index, one)| (LogId { topic: topic.id, partition: *index }, one))
            })
        });
        self.model.wiped && lost.any(|(log, one)| has_nobody(one) && !self.agreement.shared.contains(&log))
    }

    /// Whether all is as it should be when nothing strikes: every machine knows all metadata that the controller does, every
    /// broker may lead, and every partition is led and has all its replicas in sync.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled(false).is_none()
    }

    /// What is not as it should be; in words if somebody wants to read them.
    fn unsettled(&self, is_told: bool) -> Option<String> {
        let say = |text: &dyn Fn() -> String| Some(if is_told { text() } else { String::new() });
        let known = |machine: &Machine| machine.view().map(|view| view.image().end());
        let leads = |machine: &&Machine| machine.view().is_some_and(|view| view.reign().is_some());
        let Some(image) = self.machines.iter().find(leads).and_then(Machine::view).map(|view| view.image()) else {
            return say(&|| "nobody is the controller".to_owned());
        };
        if self.machines.iter().any(|machine| known(machine) != Some(image.end())) {
            let ends = || self.machines.iter().map(known).collect::<Vec<Option<Offset>>>();
            return say(&|| format!("the machines know the metadata up to {:?}", ends()));
        }
        let brokers = (0..self.machines.len()).filter(|machine| self.plan.options.is_broker(*machine)).map(broker_id);
        let fenced = { brokers }.find(|id| image.broker(*id).is_none_or(|one| one.fenced));
        if let Some(id) = fenced {
            return say(&|| format!("{id:?} is fenced"));
        }
        let partitions = image.topics().flat_map(|topic| topic.partitions.iter().map(move |one| (topic, one)));
        for (topic, (index, partition)) in partitions {
            if partition.leader == BrokerId::NONE || partition.isr.len() < partition.replicas.len() {
                let (leader, isr) = (partition.leader, &partition.isr);
                let name = topic.name.as_str();
                return say(&|| format!("{name}-{index} is led by {leader:?} and has {isr:?} in sync"));
            }
            if partition.replicas.first() != Some(&partition.leader)
                || !partition.adding.is_empty()
                || !partition.removing.is_empty()
            {
                let name = topic.name.as_str();
                return say(&|| format!("{name}-{index} is not where it is to be: {partition:?}"));
            }
        }
        self.stray().and_then(|text| say(&|| text.clone()))
    }

    /// The end of a run of a cluster: all is as it should be, and everybody has it on disk in the same bytes.
    pub(crate) fn judge_cluster(&mut self) {
        if self.model.damaged || self.is_bereft() || !self.model.findings.is_empty() {
            return;
        }
        if let Some(text) = self.unsettled(true) {
            return self.model.find("settled", text);
        }
        let mut copies = Vec::new();
        for (number, machine) in self.machines.iter().enumerate() {
            match Reader::open(machine.disks.durable_copy(), number, &store_config(&self.plan.options)) {
                Ok((reader, recovered)) => copies.push((reader, recovered.logs)),
                Err(text) => return self.model.find("durable", format!("what is durable cannot be opened: {text}")),
            }
        }
        self.judge_replicas(true, &mut copies);
    }

    /// A log in a store whose machine is not meant to have it.
    fn stray(&self) -> Option<String> {
        self.machines.iter().enumerate().find_map(|(number, machine)| {
            let image = machine.view()?.image();
            let is_held = |log: &LogId| {
                *log == LogId::METADATA
                    || image.partition(*log).is_some_and(|one| one.replicas.contains(&broker_id(number)))
            };
            let stray = machine.stored().find(|log| !is_held(log))?;
            Some(format!("node {number} keeps {stray:?}, which nobody means it to have"))
        })
    }

    fn is_outlaw(&self, log: LogId) -> bool {
        let images = self.machines.iter().filter_map(|machine| machine.view().map(|view| view.image()));
        { images }.any(|image| image.topic(log.topic).is_some_and(|topic| topic.name == outlaw::TOPIC))
    }

    /// What two machines take to be committed lies in the same bytes on both. One that is down takes nothing to be.
    pub(crate) fn judge_replicas(&mut self, is_settled: bool, copies: &mut [(Reader, Vec<RecoveredLog>)]) {
        let mut kept: BTreeMap<LogId, Vec<(usize, Offset, Offset)>> = BTreeMap::new();
        for (number, log) in copies.iter().enumerate().flat_map(|(at, (_, logs))| logs.iter().map(move |log| (at, log)))
        {
            if let Some(committed) = self.committed_at(number, log.id) {
                kept.entry(log.id).or_default().push((number, log.start, log.end.min(committed)));
            }
        }
        for (log, kept) in kept {
            if !is_settled && self.is_outlaw(log) {
                // Whoever has not heard of an unclean leader takes for committed what that has not.
                continue;
            }
            for pair in kept.windows(2) {
                let [(one, one_start, one_end), (other, other_start, other_end)] = pair else { continue };
                let span = (*one_start.max(other_start), *one_end.min(other_end));
                let found = (copies[*one].0.batches(log, span), copies[*other].0.batches(log, span));
                match found {
                    (Ok(found), Ok(same)) if found == same => self.model.mark("replicas compared"),
                    (Ok(_), Ok(_)) => {
                        let text = format!("{log:?} differs on nodes {one} and {other} within {span:?}");
                        return self.model.find("replicas", text);
                    }
                    (Err(text), _) | (_, Err(text)) => return self.model.find("replicas", format!("{log:?}: {text}")),
                }
            }
        }
    }

    /// Up to where a log is committed, as far as a machine knows.
    fn committed_at(&self, machine: usize, log: LogId) -> Option<Offset> {
        let view = self.machines[machine].view()?;
        match log == LogId::METADATA {
            true => Some(view.image().end()),
            false => view.high_watermark(log),
        }
    }
}
