//! What is true: every record that was ever sent, what became of it, and what was seen at each offset. Clients report to
//! it; whatever contradicts it is a finding.

use crate::client::batch::Entry;
use crate::groups::GroupFacts;
use ottla_core::boundary::Digest;
use ottla_core::group::coordinator_partition;
use ottla_core::types::Uuid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// A record that some producer made, whether it was sent, stored or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordId(pub u32);

/// A partition of one of the run's topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogName {
    /// Index into the topics of the run.
    pub topic: usize,
    /// The partition.
    pub partition: i32,
}

/// A topic that lives as long as the run.
#[derive(Clone, Hash, Serialize, Deserialize, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// What it is created with.
    pub settings: Vec<(String, String)>,
    /// Its records keep the producer's timestamps.
    pub create_time: bool,
    /// Old records may go by themselves.
    pub expires: bool,
    /// Its id, once it is known.
    #[serde(skip)]
    pub id: Option<Uuid>,
}

impl Topic {
    /// How many replicas have what is acknowledged.
    pub fn replicas_min(&self) -> usize {
        let given = self.settings.iter().find(|(name, _)| name == "min.insync.replicas");
        given.and_then(|(_, value)| value.parse().ok()).unwrap_or(1)
    }
}

/// What is known of the fate of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fate {
    /// It may be stored, or become so.
    Unknown,
    /// The broker promised to keep it; at this offset, unless it answered without one.
    Acked(Option<i64>),
    /// The broker said that it never was and never will be stored.
    Refused,
}

/// One record as its producer knows it.
#[derive(Clone, Hash, Debug)]
pub struct Sent {
    /// Where it was sent.
    pub log: LogName,
    /// Who sent it: a producer, and for idempotent ones the incarnation of its id.
    pub author: (usize, u32),
    /// Whether it can only be stored once, and in the order of its author's records.
    pub idempotent: bool,
    /// How often it was sent.
    pub tries: u32,
    /// What became of it.
    pub fate: Fate,
    /// Where it was seen.
    pub seen: Vec<i64>,
    fingerprint: u64,
}

/// What is known of one partition.
#[derive(Clone, Default, Hash, Debug)]
pub struct LogFacts {
    /// What is at each offset, as far as anybody knows.
    pub at: BTreeMap<i64, RecordId>,
    /// First offset behind the last acknowledged record.
    pub acked_end: i64,
    /// The largest high watermark that any answer showed.
    pub watermark: i64,
    /// The largest log start that any answer showed.
    pub start: i64,
    /// The largest offset that somebody asked to delete records before.
    pub delete_asked: i64,
    /// The largest offset before which deletion was confirmed.
    pub delete_done: i64,
    /// The largest offset before which some replica has dropped all, asked to or because it was old.
    pub dropped: i64,
}

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which oracle says so.
    pub oracle: &'static str,
    /// What it saw.
    pub text: String,
}

/// A batch that was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Where.
    pub log: LogName,
    /// Its first offset, if the answer said so.
    pub base: Option<i64>,
    /// How many records.
    pub records: usize,
}

/// Everything that the clients know together.
#[derive(Default, Debug)]
pub struct Model {
    /// The topics of the run.
    pub topics: Vec<Topic>,
    /// Every record, by its id.
    pub sent: Vec<Sent>,
    /// Every partition.
    pub logs: BTreeMap<LogName, LogFacts>,
    /// What must not be; the first ends the run.
    pub findings: Vec<Finding>,
    /// What was reached, and how often.
    pub marks: BTreeMap<&'static str, u64>,
    /// Partitions that the broker may rightfully refuse to read since their bytes were damaged.
    pub excused: BTreeSet<LogName>,
    /// Every group, by its id.
    pub groups: BTreeMap<String, GroupFacts>,
    /// There are several brokers, and a client has to know whom to ask.
    pub cluster: bool,
    /// Partitions have several replicas, or get them while they are moved: a leader that is new may learn by and by only what is
    /// committed, and what is expired elsewhere, and a follower that is asked too.
    pub replicated: bool,
    /// Bytes were damaged, or can no longer be read, and there is no other copy.
    pub damaged: bool,
    /// One machine has lost its disk: there is one replica less of what was acknowledged, until that is fetched again.
    pub wiped: bool,
    /// In which reign each partition was led last, as far as anybody leads, and on which host.
    pub led: BTreeMap<(Uuid, i32), (i32, String)>,
    /// The topic that keeps what groups committed, and its partitions, once there is one.
    pub offsets_topic: Option<(Uuid, i32)>,
    /// What clients ask and are answered, if somebody wants to hear it.
    pub told: Option<Vec<String>>,
    /// What was acknowledged since somebody last looked, if somebody does.
    pub heard: Option<Vec<Heard>>,
}

impl Model {
    /// Tells what a client does, if anybody listens.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(line().chars().take(600).collect());
        }
    }

    /// Notes that something was reached.
    pub fn mark(&mut self, what: &'static str) {
        *self.marks.entry(what).or_default() += 1;
    }

    /// Notes that something was reached so many times.
    pub fn count(&mut self, what: &'static str, times: u64) {
        *self.marks.entry(what).or_default() += times;
    }

    /// Reports what must not be.
    pub fn find(&mut self, oracle: &'static str, text: String) {
        self.findings.push(Finding { oracle, text });
    }

    /// The facts of a partition.
    pub fn log(&mut self, log: LogName) -> &mut LogFacts {
        self.logs.entry(log).or_default()
    }

    /// The facts of a group.
    pub fn group(&mut self, id: &str) -> &mut GroupFacts {
        if !self.groups.contains_key(id) {
            self.groups.insert(id.to_owned(), GroupFacts::default());
        }
        self.groups.get_mut(id).expect("just made")
    }

    /// Has another host than this one led the partition last?
    pub fn is_led_elsewhere(&self, log: LogName, host: &str) -> bool {
        let id = self.topics[log.topic].id;
        id.and_then(|id| self.led.get(&(id, log.partition))).is_some_and(|(_, leader)| leader != host)
    }

    /// May whoever answers as the partition's leader know less than was promised? One of the past that has not heard of its end may,
    /// and in a cluster one that leads although records were lost with a disk, or that was trusted no longer.
    pub fn may_lack(&self, log: LogName, host: &str) -> bool {
        let is_unclean = self.damaged || self.marks.contains_key("brokers to be unregistered");
        self.is_led_elsewhere(log, host) || self.replicated && is_unclean
    }

    /// Has another host than this one begun to coordinate the group since? This one may not have heard of it, and knows nothing of what
    /// was committed there.
    pub fn is_coordinated_elsewhere(&self, group: &str, host: &str) -> bool {
        self.offsets_topic
            .and_then(|(id, partitions)| self.led.get(&(id, coordinator_partition(group, partitions))))
            .is_some_and(|(_, leader)| leader != host)
    }

    /// `topic-partition`, for people.
    pub fn name(&self, log: LogName) -> String {
        format!("{}-{}", self.topics[log.topic].name, log.partition)
    }

    /// The topic of this name.
    pub fn topic_named(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.name == name)
    }

    /// The topic of this id.
    pub fn topic_with_id(&self, id: Uuid) -> Option<usize> {
        self.topics.iter().position(|topic| topic.id == Some(id))
    }

    /// The id that the next record will have.
    pub fn next_id(&self) -> RecordId {
        RecordId(self.sent.len() as u32)
    }

    /// A producer made a record with the id that was next; its value begins with [`Model::stamp`] of it.
    pub fn made(&mut self, log: LogName, author: (usize, u32), idempotent: bool, entry: &Entry) -> RecordId {
        let id = self.next_id();
        let create_time = self.topics[log.topic].create_time;
        let fingerprint = fingerprint(entry, create_time);
        self.sent.push(Sent { log, author, idempotent, tries: 0, fate: Fate::Unknown, seen: Vec::new(), fingerprint });
        id
    }

    /// The record is on its way (again).
    pub fn tried(&mut self, id: RecordId) {
        self.sent[id.0 as usize].tries += 1;
    }

    /// Records became stored one behind the other, the first at this offset (if the answer said where).
    pub fn acked(&mut self, log: LogName, base: Option<i64>, ids: &[RecordId]) {
        self.count("acked records", ids.len() as u64);
        self.mark("acked batches");
        if let Some(heard) = &mut self.heard {
            heard.push(Heard { log, base, records: ids.len() });
        }
        for (offset, id) in (base.unwrap_or(0)..).zip(ids) {
            self.sent[id.0 as usize].fate = Fate::Acked(base.map(|_| offset));
            if base.is_some() {
                self.place(log, offset, *id, "acknowledged");
            }
        }
        if let Some(base) = base {
            let end = base + ids.len() as i64;
            let facts = self.log(log);
            facts.acked_end = facts.acked_end.max(end);
        }
    }

    /// The broker said that the record is not and will not be stored. Only true if no other try may have been.
    pub fn refused(&mut self, id: RecordId) {
        let sent = &mut self.sent[id.0 as usize];
        if sent.tries == 1 && sent.fate == Fate::Unknown {
            sent.fate = Fate::Refused;
        }
    }

    /// Somebody read a record. Returns its id if it is one of ours.
    pub fn read(&mut self, log: LogName, offset: i64, entry: &Entry) -> Option<RecordId> {
        let Some(id) = entry.value.as_deref().and_then(unstamp).filter(|id| (id.0 as usize) < self.sent.len()) else {
            self.find("invented", format!("{} has at {offset} what nobody sent: {entry:?}", self.name(log)));
            return None;
        };
        let create_time = self.topics[log.topic].create_time;
        let sent = &self.sent[id.0 as usize];
        if sent.log != log || sent.fingerprint != fingerprint(entry, create_time) || sent.tries == 0 {
            let text = format!("{} has at {offset} record {} changed or in a wrong place", self.name(log), id.0);
            self.find("changed", text);
            return None;
        }
        if sent.fate == Fate::Refused {
            self.find("refused", format!("{} has at {offset} record {}, which was refused", self.name(log), id.0));
        }
        self.place(log, offset, id, "read");
        Some(id)
    }

    /// The record is at this offset: nothing else ever is, and it is not elsewhere more often than it was sent.
    fn place(&mut self, log: LogName, offset: i64, id: RecordId, how: &str) {
        let before = self.log(log).at.insert(offset, id);
        if before == Some(id) {
            return;
        }
        if let Some(before) = before {
            let text =
                format!("{} at {offset}: record {} was {how} where record {} was", self.name(log), id.0, before.0);
            self.find("changed", text);
        }
        let deleted = self.forgotten(log);
        let sent = &mut self.sent[id.0 as usize];
        sent.seen.push(offset);
        let most = if sent.idempotent { 1 } else { sent.tries };
        let kept = sent.seen.iter().filter(|seen| **seen >= deleted).count();
        if kept > most as usize {
            let seen = format!("record {} sent {} times is at offsets {:?}", id.0, sent.tries, sent.seen);
            let text = format!("{}: {seen}", self.name(log));
            self.find("duplicate", text);
        }
    }

    /// Whoever numbered what lies before this may be forgotten: a replica that begins where the log does now knows nothing of it, in
    /// Kafka too, and what is sent again is new to it.
    fn forgotten(&mut self, log: LogName) -> i64 {
        let is_cluster = self.cluster;
        let facts = self.log(log);
        if is_cluster { facts.delete_asked.max(facts.dropped) } else { 0 }
    }

    /// The records of an idempotent author lie in the order in which it made them. To be called over a whole partition.
    pub fn judge_order(&mut self, log: LogName) {
        let mut newest: BTreeMap<(usize, u32), (i64, RecordId)> = BTreeMap::new();
        let mut wrong = Vec::new();
        let deleted = self.forgotten(log);
        let at = std::mem::take(&mut self.log(log).at);
        for (offset, id) in at.range(deleted..) {
            let sent = &self.sent[id.0 as usize];
            if !sent.idempotent {
                continue;
            }
            if let Some((before, older)) = newest.insert(sent.author, (*offset, *id))
                && older > *id
            {
                wrong.push(format!(
                    "{}: record {} at {before} before record {} at {offset}",
                    self.name(log),
                    older.0,
                    id.0
                ));
            }
        }
        self.log(log).at = at;
        wrong.into_iter().for_each(|text| self.find("reordered", text));
    }

    /// Whether nothing was ever promised.
    pub fn acked_nothing(&self) -> bool {
        self.logs.values().all(|facts| facts.acked_end == 0)
    }

    /// Somebody read the partition from its start to its end, without a gap. Whatever was acknowledged must have been
    /// there, unless it was rightfully deleted.
    pub fn read_whole(&mut self, log: LogName, start: i64, end: i64) {
        self.mark("partitions read whole");
        let acked_end = self.log(log).acked_end;
        if acked_end > end {
            let text = format!("{} ends at {end}, acknowledged up to {acked_end}", self.name(log));
            self.find("lost", text);
        }
        if start > self.log(log).delete_asked && !self.topics[log.topic].expires {
            let text = format!("{} starts at {start}, nobody deleted that much", self.name(log));
            self.find("lost", text);
        }
        if start < self.log(log).delete_done {
            let text = format!("{} starts at {start}, deleted before {}", self.name(log), self.log(log).delete_done);
            self.find("resurrected", text);
        }
        let expires = self.topics[log.topic].expires;
        let unseen = |sent: &Sent| sent.log == log && sent.fate == Fate::Acked(None) && sent.seen.is_empty();
        if !expires && start == 0 && self.sent.iter().any(unseen) {
            let text = format!("{}: an acknowledged record is nowhere", self.name(log));
            self.find("lost", text);
        }
        self.judge_order(log);
    }

    /// A fingerprint of all of it.
    pub fn digest(&self, state: &mut Digest) {
        self.topics.hash(state);
        self.sent.hash(state);
        self.logs.hash(state);
        self.groups.hash(state);
        self.marks.hash(state);
    }
}

/// The first bytes of the value of a record, by which it is known again.
pub fn stamp(id: RecordId) -> [u8; 8] {
    let mut bytes = *b"otla\0\0\0\0";
    bytes[4..].copy_from_slice(&id.0.to_be_bytes());
    bytes
}

/// The id of the record that has this value.
pub fn unstamp(value: &[u8]) -> Option<RecordId> {
    let id = value.strip_prefix(b"otla")?.first_chunk::<4>()?;
    Some(RecordId(u32::from_be_bytes(*id)))
}

fn fingerprint(entry: &Entry, create_time: bool) -> u64 {
    let mut digest = Digest::default();
    if create_time {
        entry.timestamp.hash(&mut digest);
    }
    (&entry.key, &entry.value, &entry.headers).hash(&mut digest);
    digest.finish()
}

#[cfg(test)]
#[path = "model_test.rs"]
mod model_test;
