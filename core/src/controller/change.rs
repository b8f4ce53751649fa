//! The next state of one partition: who holds it, who is in sync, who else may lead, and who does.
//!
//! ```text
//!   Draft ── a reassignment whose new replicas are all in sync, and enough of those that stay, is over (KIP-455)
//!         ── who leaves an ISR that is too small to commit anything stays eligible (KIP-966)
//!         ── a leader: of the ISR, else of the eligible, else the last one known, else anybody where that is allowed
//!         ──▶ Next ──▶ PartitionChange, if anything differs
//! ```
//!
//! Eligible is who has everything committed without being in the ISR: it was in there when that became smaller than
//! `min.insync.replicas`, and nothing was committed since. Leaders commit nothing while anybody is eligible, whatever they
//! believe `min.insync.replicas` to be, so that this holds even where brokers are configured differently.

use crate::config::{Config, Overrides};
use crate::metadata::{Image, MetadataRecord, Partition, Resource};
use crate::msg::record::metadata::PartitionChangeRecord;
use crate::types::{BrokerId, LogId, Str};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a topic's settings say of its ISRs and leaders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    /// `min.insync.replicas`.
    isr_min: usize,
    /// `unclean.leader.election.enable`.
    pub(super) may_be_unclean: bool,
}

impl Terms {
    pub(super) fn of(image: &Image, config: &Config, topic: &Str) -> Self {
        let own = image.settings(&Resource::topic(topic));
        own.map_or_else(|| Self::from_own(&Overrides::new(), config), |own| Self::from_own(own, config))
    }

    /// The same for settings that the image does not have yet.
    pub(super) fn from_own(own: &Overrides, config: &Config) -> Self {
        let isr_min = own.get("min.insync.replicas".as_bytes()).and_then(|value| value.trim().parse().ok());
        let unclean = own.get("unclean.leader.election.enable".as_bytes());
        Self {
            isr_min: isr_min.unwrap_or(config.topic.min_insync_replicas),
            may_be_unclean: unclean
                .map_or(config.topic.unclean_election, |value| value.trim().eq_ignore_ascii_case("true")),
        }
    }

    /// How many of so many replicas must have what is committed.
    pub(super) fn least_of(&self, replicas: usize) -> usize {
        self.isr_min.min(replicas).max(1)
    }
}

/// Who is looked for as a leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Election {
    /// The present one if it may stay, else the first that may lead.
    Any,
    /// The first of the replicas if it may lead, else as above.
    Preferred,
    /// As the first; and if nobody may, the first that lives, whatever it lacks.
    Unclean,
}

/// A change that is being made to a partition.
pub(super) struct Draft<'a> {
    before: &'a Arc<Partition>,
    image: &'a Image,
    terms: Terms,
    /// Who is to hold the partition, the preferred leader first.
    pub(super) replicas: Vec<BrokerId>,
    /// Who of them is new.
    pub(super) adding: Vec<BrokerId>,
    /// Who of them is to go.
    pub(super) removing: Vec<BrokerId>,
    /// Who is in sync.
    pub(super) isr: Vec<BrokerId>,
    /// Who may have lost what was committed.
    pub(super) forgot: Option<BrokerId>,
    /// The leader says that it has recovered from an unclean election.
    pub(super) recovered: bool,
    pub(super) election: Election,
}

/// A partition as it will be.
pub(super) struct Next<'a> {
    before: &'a Partition,
    /// The state, with the epochs that applying its record will give it.
    pub(super) after: Partition,
}

impl<'a> Draft<'a> {
    /// The partition as it is, in the topic that has these terms.
    pub(super) fn new(image: &'a Image, partition: &'a Arc<Partition>, terms: Terms) -> Self {
        Self {
            before: partition,
            image,
            terms,
            replicas: partition.replicas.clone(),
            adding: partition.adding.clone(),
            removing: partition.removing.clone(),
            isr: partition.isr.clone(),
            forgot: None,
            recovered: false,
            election: if terms.may_be_unclean { Election::Unclean } else { Election::Any },
        }
    }

    /// Takes a broker out of the ISR.
    pub(super) fn leaves(&mut self, who: BrokerId) {
        self.isr.retain(|id| *id != who);
    }

    /// What becomes of the partition if whoever passes `may_lead` may.
    pub(super) fn finish(mut self, may_lead: impl Fn(BrokerId) -> bool) -> Next<'a> {
        self.complete();
        let mut eligible = self.eligible();
        let leader = self.elect(&eligible, &may_lead);
        let mut after = Partition::clone(self.before);
        // Before all follow, somebody may be there yet who has more than the leader that nobody knew to be whole, and has to give it up.
        after.recovering &= !(self.recovered && self.replicas.iter().all(|id| self.isr.contains(id)));
        match leader {
            Leader::Is(id) => {
                if self.isr.is_empty() {
                    // It alone may be enough: what waited for somebody in sync is judged once more.
                    self.isr.push(id);
                    self.complete();
                    eligible = self.eligible();
                }
                after.leader = id;
            }
            Leader::Unclean(id) => {
                eligible.clear();
                self.isr = alloc::vec![id];
                after.recovering = true;
                after.leader = id;
            }
            Leader::Nobody => after.leader = BrokerId::NONE,
        }
        // Who held the log and does not any more must find out, whoever leads.
        let is_anybody_gone = self.before.replicas.iter().any(|id| !self.replicas.contains(id));
        if after.leader != self.before.leader || is_anybody_gone && after.leader != BrokerId::NONE {
            after.leader_epoch = after.leader_epoch.next();
        }
        if after.leader != BrokerId::NONE {
            after.last_eligible.clear();
        } else if self.before.leader != BrokerId::NONE {
            after.last_eligible = alloc::vec![self.before.leader];
        }
        if self.replicas != self.before.replicas {
            after.directories = self.replicas.iter().map(|id| self.directory(*id)).collect();
        }
        (after.replicas, after.adding, after.removing) = (self.replicas, self.adding, self.removing);
        (after.isr, after.eligible) = (self.isr, eligible);
        check(&after);
        if after != **self.before {
            after.partition_epoch = after.partition_epoch.next();
        }
        Next { before: self.before, after }
    }

    /// A reassignment is over when all that are added are in sync, and so many of those that stay that what is committed is where
    /// it must be: those that go delete what they have. One that leaves fewer replicas waits for all that stay (KAFKA-14190).
    fn complete(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let stays = |id: &BrokerId| !self.removing.contains(id);
        let isr: Vec<BrokerId> = self.isr.iter().copied().filter(stays).collect();
        let replicas: Vec<BrokerId> = self.replicas.iter().copied().filter(stays).collect();
        let is_shrinking = self.adding.len() < self.removing.len();
        let awaited = if is_shrinking { &replicas } else { &self.adding };
        if isr.len() < self.terms.least_of(replicas.len())
            || !self.adding.iter().chain(awaited).all(|id| isr.contains(id))
        {
            return;
        }
        (self.isr, self.replicas) = (isr, replicas);
        self.adding.clear();
        self.removing.clear();
    }

    /// Who has everything committed beside the ISR.
    fn eligible(&self) -> Vec<BrokerId> {
        if self.isr.len() >= self.terms.isr_min.min(self.replicas.len()) {
            return Vec::new();
        }
        let had_all = |id: &BrokerId| self.before.isr.contains(id) || self.before.eligible.contains(id);
        let may_be = |id: &BrokerId| had_all(id) && !self.isr.contains(id) && self.forgot != Some(*id);
        self.replicas.iter().copied().filter(may_be).collect()
    }

    fn elect(&self, eligible: &[BrokerId], may_lead: &impl Fn(BrokerId) -> bool) -> Leader {
        let has_all = |id: &BrokerId| self.isr.contains(id) || self.isr.is_empty() && eligible.contains(id);
        let is_fit = |id: &BrokerId| has_all(id) && may_lead(*id);
        let present = [self.before.leader];
        let preferred = self.replicas.first().filter(|_| self.election == Election::Preferred);
        let mut clean = preferred.into_iter().chain(&present).chain(&self.replicas);
        if let Some(id) = clean.find(|id| is_fit(id)) {
            return Leader::Is(*id);
        }
        let is_anybody_fit = !self.isr.is_empty() || !eligible.is_empty();
        if let ([id], false) = (self.before.last_eligible.as_slice(), is_anybody_fit)
            && self.replicas.contains(id)
            && may_lead(*id)
        {
            return Leader::Unclean(*id);
        }
        let anybody = self.replicas.iter().find(|id| self.election == Election::Unclean && may_lead(**id));
        anybody.map_or(Leader::Nobody, |id| Leader::Unclean(*id))
    }

    fn directory(&self, id: BrokerId) -> crate::types::Uuid {
        match self.before.replicas.contains(&id) {
            true => self.before.directory_of(id),
            false => self.image.broker(id).map_or(crate::types::Uuid::ZERO, |broker| broker.default_directory()),
        }
    }
}

/// What must hold of any partition that a decision leaves.
fn check(after: &Partition) {
    assert_eq!(after.directories.len(), after.replicas.len(), "each replica is in a directory: {after:?}");
    let is_replica = |id: &BrokerId| after.replicas.contains(id);
    assert!(
        after.leader == BrokerId::NONE || after.isr.contains(&after.leader),
        "INV-16: who leads is in sync: {after:?}"
    );
    assert!(
        after.isr.iter().chain(&after.eligible).all(is_replica)
            && !after.eligible.iter().any(|id| after.isr.contains(id)),
        "INV-16: who is in sync or eligible is a replica, and only one of both: {after:?}"
    );
}

enum Leader {
    /// It has everything committed.
    Is(BrokerId),
    /// It may lack some.
    Unclean(BrokerId),
    Nobody,
}

impl Next<'_> {
    /// Begins a reign, even if the leader stays.
    pub(super) fn reign(&mut self) {
        if self.after.leader_epoch == self.before.leader_epoch {
            self.after.leader_epoch = self.after.leader_epoch.next();
            self.after.partition_epoch = self.before.partition_epoch.next();
        }
    }

    /// Another state of the partition begins, even if nothing is otherwise in it.
    pub(super) fn confirm(&mut self) {
        self.after.partition_epoch = self.before.partition_epoch.next();
    }

    /// The record that makes it so; none if nothing changes.
    pub(super) fn record(&self, log: LogId) -> Option<MetadataRecord> {
        let (before, after) = (self.before, &self.after);
        if before == after {
            return None;
        }
        let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
        let changed = |before: &Vec<BrokerId>, after: &Vec<BrokerId>| (before != after).then(|| ids(after));
        let mut record = PartitionChangeRecord {
            partition_id: log.partition,
            topic_id: log.topic,
            isr: changed(&before.isr, &after.isr),
            replicas: changed(&before.replicas, &after.replicas),
            removing_replicas: changed(&before.removing, &after.removing),
            adding_replicas: changed(&before.adding, &after.adding),
            directories: (before.directories != after.directories).then(|| after.directories.clone()),
            eligible_leader_replicas: changed(&before.eligible, &after.eligible),
            last_known_elr: changed(&before.last_eligible, &after.last_eligible),
            ..PartitionChangeRecord::default()
        };
        if after.leader_epoch != before.leader_epoch {
            record.leader = after.leader.0;
        }
        if after.recovering != before.recovering {
            record.leader_recovery_state = i8::from(after.recovering);
        }
        Some(MetadataRecord::PartitionChange(record))
    }
}
