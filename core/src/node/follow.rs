//! What a change of the metadata means for this broker: logs to make, to lead differently, to drop; settings to take up.

use super::Node;
use super::cluster::From;
use super::groups::OFFSETS_TOPIC;
use super::lane::Order;
use super::news::{news, news_of, news_of_brokers};
use super::replicate::peers;
use crate::boundary::{DiskFault, Effects, LogSpec, Note};
use crate::config::TopicConfig;
use crate::controller::Reply;
use crate::metadata::{Delta, LogChange, Partition};
use crate::partition::{Assignment, PartitionSpec};
use crate::types::{BrokerId, ConnId, LogId, Mono, Now, Offset, OffsetRange, Str, Uuid};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// What is still to be done about committed changes, in the order in which they were committed. A change of thousands of
/// partitions is taken up in many short steps, and whoever asked for it is answered behind the last of them.
#[derive(Clone, Hash, Debug, Default)]
pub struct Following {
    todo: VecDeque<Todo>,
    /// Logs that are to be dropped by what is still to be done, and how often: a replica may be moved away and back meanwhile.
    leaving: BTreeMap<LogId, usize>,
    /// Logs that lanes were told to drop and have not. None is made before: it may have the name of one of them.
    dropping: BTreeSet<LogId>,
    /// When the rest is taken up, while there is any.
    at: Option<Mono>,
    /// The settings of the topic that was looked at last: its other partitions come next.
    settings: Option<(Str, TopicConfig)>,
    /// The store is to be told how much it may copy.
    is_rate_changed: bool,
    /// Empty between steps: what people are told of committed changes.
    notes: Vec<Note>,
}

/// What is to be done for one log, or said.
#[derive(Clone, Hash, Debug)]
pub(super) enum Todo {
    Change(LogChange),
    /// Its directory is lost.
    Unreadable(LogId),
    Configure(LogId),
    /// Topics that are gone.
    Forget(Vec<(Uuid, Str)>),
    Decided(From, Reply),
}

impl Following {
    /// When there is more to be done.
    pub fn deadline(&self) -> Option<Mono> {
        self.at
    }

    /// True while something committed is not taken up yet.
    pub fn is_busy(&self) -> bool {
        !self.todo.is_empty()
    }

    /// These are to be done too, behind the others.
    pub(super) fn do_soon(&mut self, now: Mono, todo: Vec<Todo>) {
        self.todo.extend(todo);
        self.at = Some(now);
    }

    /// A decision that is committed: it is told once everything before it was followed.
    pub fn tell(&mut self, from: From, reply: Reply) {
        self.todo.push_back(Todo::Decided(from, reply));
    }

    /// A log is dropped; it may have to be once more.
    fn left(&mut self, log: LogId) {
        if let Some(times) = self.leaving.get_mut(&log) {
            *times -= 1;
            if *times == 0 {
                self.leaving.remove(&log);
            }
        }
    }

    /// The store has been told that this log is to be deleted.
    pub(super) fn dropped(&mut self, now: Now, log: LogId) {
        self.dropping.remove(&log);
        if self.dropping.is_empty() && !self.todo.is_empty() {
            self.at = Some(now.mono);
        }
    }

    /// A log is made next, and another is to be dropped before.
    fn is_held_up(&self) -> bool {
        matches!(self.todo.front(), Some(Todo::Change(LogChange::Gained { .. }))) && !self.dropping.is_empty()
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        for todo in &mut self.todo {
            if let Todo::Decided(from, _) = todo {
                from.closed(conn);
            }
        }
    }
}

impl Node {
    /// The committed metadata have moved on: what that means is to be done by [`Node::follow_on`].
    pub(super) fn follow(&mut self, delta: &Delta) {
        let me = self.config.broker.id;
        if delta.is_broker_configured(me) {
            self.reconfigure();
        }
        self.following.notes.extend(news(delta));
        if self.cluster.is_controller() {
            self.following.notes.extend(news_of_brokers(delta));
        }
        if !delta.brokers().is_empty() {
            self.peers = peers(delta.after());
        }
        // Settings may have changed, of this topic or of all.
        self.following.settings = None;
        for change in delta.logs(me) {
            if let LogChange::Lost { log } = change {
                *self.following.leaving.entry(log).or_default() += 1;
            }
            self.following.todo.push_back(Todo::Change(change));
        }
        let configured = match delta.is_broker_configured(me) {
            true => delta.after().topics().cloned().collect(),
            false => delta.topics_configured(),
        };
        for topic in configured {
            let mine = topic.partitions.iter().filter(|(_, partition)| partition.replicas.contains(&me));
            let log = |(index, _): (&i32, _)| LogId { topic: topic.id, partition: *index };
            self.following.todo.extend(mine.map(log).map(Todo::Configure));
        }
        let gone: Vec<_> = delta.topics_deleted().iter().map(|topic| (topic.id, topic.name.clone())).collect();
        self.following.todo.extend(gone.chunks(TOPICS_FORGOTTEN_AT_ONCE).map(|some| Todo::Forget(some.to_vec())));
    }

    /// Follows up to `changes_max` changes; the rest has its turn at once, but behind whatever else has come in.
    pub(super) fn follow_on(&mut self, now: Now, changes_max: usize, out: &mut Effects) {
        if core::mem::take(&mut self.following.is_rate_changed) {
            self.throttle_moves(out);
        }
        let mut changes = 0;
        while changes < changes_max && !self.following.is_held_up() {
            let Some(todo) = self.following.todo.pop_front() else { break };
            if let Todo::Change(change) = &todo {
                out.notes.extend(news_of(self.config.broker.id, change));
            }
            match todo {
                Todo::Change(LogChange::Gained { log, topic, partition }) => {
                    self.gain(now, log, &topic, &partition);
                }
                Todo::Change(LogChange::Changed { log, .. }) | Todo::Configure(log) => self.reshape(now, log, out),
                Todo::Change(LogChange::Lost { log }) => {
                    self.following.left(log);
                    self.lose(now, log, out);
                }
                // It may have been given up and made elsewhere meanwhile.
                Todo::Unreadable(log) if !self.directories.is_lost(self.directories.place_of(log)) => {}
                Todo::Unreadable(log) => self.order(now, log, Order::Unreadable(log, DiskFault::Offline)),
                Todo::Forget(gone) => {
                    self.with_hosts(now, out, |hosts, cx, said| hosts.topics_deleted(cx, &gone, said));
                }
                Todo::Decided(from, reply) => self.decided(now, from, reply, out),
            }
            changes += 1;
        }
        out.notes.append(&mut self.following.notes);
        let has_more = !self.following.todo.is_empty() && !self.following.is_held_up();
        self.following.at = has_more.then_some(now.mono);
        if self.following.todo.is_empty() {
            // Of a start, or of many new topics, the room is large.
            self.following.todo.shrink_to(TODO_KEPT);
            self.followed(out);
            self.leave_on(now, out);
        }
    }

    fn gain(&mut self, now: Now, log: LogId, topic: &Str, partition: &Partition) {
        let found = self.directories.found.remove(&log).map(Box::new);
        let wanted = partition.directory_of(self.config.broker.id);
        let logs = || self.lanes.iter().map(|lane| lane.partitions().count()).sum();
        let wish = self.directories.granted(topic, log.partition);
        let choose = || wish.unwrap_or_else(|| self.directories.choose(wanted, logs));
        let directory = found.as_ref().map_or_else(choose, |found| found.directory);
        self.directories.holds(log, directory);
        if found.as_ref().is_some_and(|found| !found.is_online) {
            self.directories.assigning.broke(log, now.mono);
        }
        if self.directories.count() > 1 && self.directories.id(directory) != wanted {
            self.directories.assigning.add(log);
        }
        let spec = Box::new(self.spec(log, topic, partition));
        self.order(now, log, Order::Hold(log, spec, found));
    }

    /// This broker leads the log from now on and knows what is committed of it. A coordinator's begins to be loaded, unless another
    /// leads by now and the lane has yet to hear of that.
    pub(super) fn leads(&mut self, now: Now, log: LogId, range: OffsetRange, out: &mut Effects) {
        let is_group = self.cluster.image().topic(log.topic).is_some_and(|topic| topic.name == OFFSETS_TOPIC);
        if is_group && self.is_leading(log) && !self.coordinators.is_hosting(log) {
            let found = (range.start < range.end || range.start > Offset::ZERO).then_some(range);
            self.with_hosts(now, out, |hosts, cx, said| hosts.lead(cx, log, found, said));
        }
    }

    /// Takes up what is known of a partition by now. If its topic is gone since, or its replica was moved away, the end of the log
    /// follows, even if the replica has come back: who leads now would take the old log for the new one, which begins empty.
    fn reshape(&mut self, now: Now, log: LogId, out: &mut Effects) {
        if self.following.leaving.contains_key(&log) {
            return;
        }
        let image = self.cluster.image();
        let (Some(topic), Some(partition)) = (image.topic(log.topic), image.partition(log)) else { return };
        let (name, partition) = (topic.name.clone(), partition.clone());
        let spec = Box::new(self.spec(log, &name, &partition));
        if !spec.assignment.is_mine() {
            self.with_hosts(now, out, |hosts, _, said| hosts.resign(log, said));
        }
        self.order(now, log, Order::Assign(log, spec));
    }

    fn lose(&mut self, now: Now, log: LogId, out: &mut Effects) {
        self.with_hosts(now, out, |hosts, _, said| hosts.resign(log, said));
        self.directories.forget(log);
        self.following.dropping.insert(log);
        self.order(now, log, Order::Delete(log));
    }

    /// Dynamic settings of brokers changed. What the controller accepted was checked against these rules, so settings
    /// that do not fit any more are those of a file that was edited since: the file's own values stay.
    pub(super) fn reconfigure(&mut self) {
        let dynamic = self.cluster.image().broker_settings(self.config.broker.id).into_iter().flatten();
        if let Ok(config) = self.file_config.overlaid(dynamic) {
            self.following.is_rate_changed |= config.replica.move_rate != self.config.replica.move_rate;
            self.config = config;
        }
        self.cluster.tend_soon();
    }

    fn spec(&mut self, log: LogId, topic: &Str, partition: &Partition) -> PartitionSpec {
        let me = self.config.broker.id;
        let settings = match self.following.settings.take() {
            Some((known, settings)) if known == *topic => settings,
            Some(_) | None => self.topic_config(topic),
        };
        let spec = PartitionSpec {
            assignment: Assignment {
                me,
                leader: partition.leader,
                leader_epoch: partition.leader_epoch,
                partition_epoch: partition.partition_epoch,
                replicas: partition.replicas.clone(),
                isr: partition.isr.clone(),
                eligible: partition.eligible.clone(),
                lost: self.lost_replicas(partition),
                // Nothing may be committed while anybody beside the ISR may be elected (KIP-966), whatever this broker is
                // configured to.
                isr_min: if partition.eligible.is_empty() { settings.min_insync_replicas } else { usize::MAX },
                recovering: partition.recovering,
            },
            rules: settings.rules,
            is_leader_throttled: settings.leaders_throttled.has(log.partition, me),
            is_follower_throttled: settings.followers_throttled.has(log.partition, me),
            compacted_only: settings.is_compacted() && !settings.log.delete,
            log: LogSpec { topic: topic.clone(), settings: settings.log.clone() },
        };
        self.following.settings = Some((topic.clone(), settings));
        spec
    }

    fn lost_replicas(&self, partition: &Partition) -> Vec<BrokerId> {
        let image = self.cluster.image();
        let is_lost =
            |id: &BrokerId| image.broker(*id).is_some_and(|broker| !broker.has_online(partition.directory_of(*id)));
        partition.replicas.iter().copied().filter(is_lost).collect()
    }

    /// Settings that do not fit any more fall back to the broker's, for the same reason.
    fn topic_config(&self, topic: &Str) -> TopicConfig {
        let config = self.cluster.image().topic_config(topic, &self.config);
        config.unwrap_or_else(|_| self.config.topic.clone())
    }
}

/// So many changes are followed in one step.
pub const CHANGES_PER_STEP_MAX: usize = 200;
/// Of so many deleted topics the groups hear at once.
const TOPICS_FORGOTTEN_AT_ONCE: usize = 100;
/// Room for so many changes is kept for the next.
const TODO_KEPT: usize = 64;
