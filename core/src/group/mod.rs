//! The group coordinator: one [`GroupShard`] for each partition of `__consumer_offsets` that this broker leads. A group
//! belongs to the partition that [`coordinator_partition`] names.
//!
//! | ask | decided in | remembers |
//! |---|---|---|
//! | Join | `classic/join`, `classic/replace` | a group that begins; a static member's new id |
//! | Sync | `classic/sync` | the generation, when its leader hands in the assignment |
//! | Heartbeat | `classic/heartbeat` | – |
//! | Leave | `classic/leave` | a group that is empty now |
//! | Commit, Fetch, OffsetDelete | `offsets` | offsets, their tombstones |
//! | Describe, List, Delete | `describe` | tombstones of the group and its offsets |
//! | (time) | `classic/rebalance`, `expire` | a group that is empty now; tombstones of what expired |
//!
//! *Hard* state ([`kept::Kept`], offsets) is changed by [`GroupShard::apply`] alone and so comes back from the log.
//! *Soft* state (members that come and go, parked answers, timers) is changed by the handlers: after a restart the group
//! of the last remembered generation stands there Stable, and its members are waited for.

mod ask;
mod classic;
mod describe;
mod desk;
mod expire;
mod kept;
mod offsets;
mod record;
pub mod split;
mod timers;
pub mod topics;

pub use ask::{Ask, Caller, GroupOut};
pub use record::GroupRecord;
pub use split::coordinator_partition;

use crate::msg::Response;
use crate::shard::Cx;
use crate::types::{ConnId, ErrorCode, Mono, Offset, Str, Ticket, Uuid};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use classic::Classic;
use desk::{Bench, Desk};
use expire::Sweep;
use kept::Kept;
use offsets::{Committed, Topics};
use timers::{Due, Timer};

/// Every group of a shard.
type GroupMap = BTreeMap<Str, Group>;
/// The offsets of every group that has any.
type OffsetMap = BTreeMap<Str, Topics>;

/// One group: what is remembered of it, and what it is right now.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Group {
    /// None if the log holds only offsets of it: a consumer that joins no group commits under this name.
    kept: Option<Kept>,
    live: Classic,
}

impl Group {
    fn new(live: Classic) -> Self {
        Self { kept: None, live }
    }
}

/// The coordinator of the groups of one partition of `__consumer_offsets`.
#[derive(Clone, Hash, Debug)]
pub struct GroupShard {
    groups: GroupMap,
    offsets: OffsetMap,
    bench: Bench,
    sweep: Sweep,
}

impl Default for GroupShard {
    fn default() -> Self {
        Self::new()
    }
}

impl GroupShard {
    /// A shard that knows nothing yet: apply every record of its log, then say [`GroupShard::loaded`].
    pub fn new() -> Self {
        let (groups, offsets) = (BTreeMap::new(), BTreeMap::new());
        Self { groups, offsets, bench: Bench::default(), sweep: Sweep::Waiting(None) }
    }

    /// The log has been read to its end: members of remembered generations have a session from now on to be heard of.
    /// A group that is larger than `group.max.size` allows by now is called together, so that it can shrink.
    pub fn loaded(&mut self, cx: &mut Cx<'_>) {
        let Self { groups, bench, .. } = self;
        bench.unapplied = 0;
        let size_max = usize::try_from(cx.config.group.size_max).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        let mut desk = Desk { cx, bench, out: &mut out };
        for (id, group) in groups {
            if let Some(kept) = &group.kept {
                group.live = Classic::from_kept(id.clone(), kept);
            }
            for (member, state) in group.live.members() {
                let at = desk.after_ms(state.session_timeout_ms);
                desk.set(id, Due::Session(member.clone()), at);
            }
            if group.live.members().len() > size_max {
                group.live.prepare(&mut desk);
            }
        }
        self.sweep = Sweep::Waiting(Some(cx.now.mono + cx.config.offsets.retention_check_interval));
        assert!(out.is_empty(), "nobody waits for a shard that was just loaded");
    }

    /// Somebody asks. Every ticket is answered exactly once: now, with a later `ask` or `wake`, or by `abandon`.
    ///
    /// # Panics
    /// If records of an earlier verdict have not been applied yet.
    pub fn ask(&mut self, cx: &mut Cx<'_>, caller: &Caller<'_>, ask: Ask, out: &mut Vec<GroupOut>) {
        let Self { groups, offsets, bench, .. } = self;
        assert_eq!(bench.unapplied, 0, "a verdict is applied before the next question");
        let desk = &mut Desk { cx, bench, out };
        match ask {
            Ask::Join(request) => classic::join(groups, desk, caller, request),
            Ask::Sync(request) => classic::sync(groups, desk, caller, &request),
            Ask::Heartbeat(request) => classic::heartbeat(groups, desk, caller, &request),
            Ask::Leave(request) => classic::leave(groups, desk, caller, request),
            Ask::Commit(request) => offsets::commit(groups, desk, caller, &request),
            Ask::Fetch(request) => offsets::fetch(groups, offsets, desk, caller, request),
            Ask::Describe(request) => describe::describe(groups, desk, caller, request),
            Ask::List(request) => describe::list(groups, desk, caller, &request),
            Ask::Delete(request) => describe::delete(groups, offsets, desk, caller, request),
            Ask::OffsetDelete(request) => offsets::delete(groups, offsets, desk, caller, &request),
        }
    }

    /// Every committed offset: group, topic, partition, and the next offset that the group wants to read.
    pub fn committed(&self) -> impl Iterator<Item = (&Str, &Str, i32, Offset)> {
        self.offsets.iter().flat_map(|(group, topics)| {
            let partitions =
                topics.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |one| (topic, one)));
            partitions.map(move |(topic, (partition, committed))| (group, topic, *partition, committed.offset))
        })
    }

    /// When to call `wake`; none while the shard is not loaded.
    pub fn deadline(&self) -> Option<Mono> {
        let sweep = self.sweep.deadline();
        self.bench.timers.next().into_iter().chain(sweep).min()
    }

    /// Time has passed: sessions, join phases, missing syncs and retention end. Does a bounded amount of work; what is
    /// left over shows in `deadline`.
    ///
    /// # Panics
    /// If records of an earlier verdict have not been applied yet.
    pub fn wake(&mut self, cx: &mut Cx<'_>, out: &mut Vec<GroupOut>) {
        let Self { groups, offsets, bench, sweep } = self;
        assert_eq!(bench.unapplied, 0, "a verdict is applied before time goes on");
        let now = cx.now.mono;
        let desk = &mut Desk { cx, bench, out };
        for _ in 0..TIMERS_PER_WAKE_MAX {
            let Some(Timer { group, due }) = desk.bench.timers.pop(now) else { break };
            let Some(group) = groups.get_mut(&group) else { continue };
            match due {
                Due::Join => group.live.join_due(desk),
                Due::Sync => group.live.sync_due(desk),
                Due::Session(member) => group.live.session_due(desk, &member),
            }
        }
        if desk.bench.unapplied == 0 {
            sweep.step(groups, offsets, desk);
        }
    }

    /// A record that was just appended, or one that is read back. Neither time nor chance has a say.
    pub fn apply(&mut self, at: Offset, record: &GroupRecord) {
        self.bench.unapplied = self.bench.unapplied.saturating_sub(1);
        match record {
            GroupRecord::Metadata { key, value: Some(value) } => {
                self.entry(&key.group).kept = Some(Kept::read(value));
            }
            GroupRecord::Metadata { key, value: None } => self.forget_group(&key.group),
            GroupRecord::Offset { key, value: Some(value) } => {
                let group = self.entry(&key.group).live.id.clone();
                let topics = self.offsets.entry(group).or_default();
                if !topics.contains_key(&key.topic) {
                    topics.insert(key.topic.detached(), BTreeMap::new());
                }
                let partitions = topics.get_mut(&key.topic).expect("it was just made");
                partitions.insert(key.partition, Committed::read(at, value));
            }
            GroupRecord::Offset { key, value: None } => self.forget_offset(&key.group, &key.topic, key.partition),
        }
    }

    /// These topics are gone: what was committed for them is forgotten.
    pub fn topics_deleted(&mut self, cx: &mut Cx<'_>, topics: &[(Uuid, Str)], out: &mut Vec<GroupOut>) {
        assert_eq!(self.bench.unapplied, 0, "a verdict is applied before the next event");
        expire::topics_deleted(&self.offsets, &mut Desk { cx, bench: &mut self.bench, out }, topics);
    }

    /// The connection is gone, and with it every answer that it waited for. Its members stay as they are: as in Kafka,
    /// only silence for a whole session ends a membership.
    pub fn closed(&mut self, conn: ConnId) {
        for ticket in self.bench.of_conn(conn) {
            let Some((group, member)) = self.bench.parked.remove(&ticket) else { continue };
            if let Some(group) = self.groups.get_mut(&group) {
                group.live.forget_ticket(&member, ticket);
            }
        }
    }

    /// The coordinator moves away or lost its log: everybody who waits is told to look for it again.
    pub fn abandon(self) -> Vec<(Ticket, Response)> {
        let error = ErrorCode::NotCoordinator;
        let mut replies = Vec::new();
        for (join, sync) in self.groups.values().flat_map(|group| group.live.parked()) {
            if let Some((ticket, version)) = join.and_then(|parked| Some((parked.ticket?, parked.version))) {
                replies.push((ticket, Ask::Join(Default::default()).refused(version, error)));
            }
            if let Some((ticket, version)) = sync.and_then(|parked| Some((parked.ticket?, parked.version))) {
                replies.push((ticket, Ask::Sync(Default::default()).refused(version, error)));
            }
        }
        replies
    }

    /// The group of this name; a commit alone makes one.
    fn entry(&mut self, id: &Str) -> &mut Group {
        if !self.groups.contains_key(id) {
            let id = id.detached();
            self.groups.insert(id.clone(), Group::new(Classic::new(id, None)));
        }
        self.groups.get_mut(id).expect("it was just made")
    }

    fn forget_group(&mut self, id: &Str) {
        let Some(group) = self.groups.remove(id) else { return };
        assert!(group.live.members().is_empty(), "only groups without members are forgotten");
        let timers = &mut self.bench.timers;
        let sessions = group.live.session_ids().map(|member| Due::Session(member.clone()));
        for due in sessions.chain([Due::Join, Due::Sync]) {
            timers.cancel(&Timer { group: group.live.id.clone(), due });
        }
    }

    fn forget_offset(&mut self, group: &Str, topic: &Str, partition: i32) {
        let Some(topics) = self.offsets.get_mut(group) else { return };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.offsets.remove(group);
        }
    }
}

/// How many timers are served in one step.
const TIMERS_PER_WAKE_MAX: usize = 100;

#[cfg(test)]
#[path = "stage_test.rs"]
mod stage_test;

#[cfg(test)]
#[path = "group_test.rs"]
mod group_test;

#[cfg(test)]
#[path = "model_test.rs"]
mod model_test;

#[cfg(test)]
#[path = "noise_test.rs"]
mod noise_test;
