//! A group of the classic protocol: the coordinator chooses the members of a generation, a member (the leader) divides
//! the work. Everything here is soft: it is rebuilt from [`Kept`] after a restart, and members come back by themselves.
//!
//! ```text
//!                 ┌───────┐  join   ┌────────────────────┐ all joined, or time is up ┌─────────────────────┐
//!   commit ──▶    │ Empty │ ──────▶ │ PreparingRebalance │ ────────────────────────▶ │ CompletingRebalance │
//!                 └───────┘         └────────────────────┘                           └─────────────────────┘
//!                     ▲  nobody joined │   ▲    ▲   join with news, leave, failure, sync missing │   │ leader syncs
//!                     └────────────────┘   │    └────────────────────────────────────────────────┘   ▼
//!                                          │     join with news, leave, failure                 ┌────────┐
//!                                          └─────────────────────────────────────────────────── │ Stable │
//!                                                                                               └────────┘
//! ```
//!
//! A deleted or expired group is simply not there (Kafka calls it Dead).

mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod replace;
mod subscription;
mod sync;

pub(super) use heartbeat::heartbeat;
pub(super) use join::join;
pub(super) use leave::leave;
pub(super) use member::Member;
pub(super) use sync::sync;

use super::desk::{Desk, Parked};
use super::kept::Kept;
use super::record::GroupRecord;
use super::timers::Due;
use crate::boundary::Note;
use crate::msg::join_group::JoinGroupRequestProtocol;
use crate::msg::record::group::{GroupMetadataKey, GroupMetadataValue, MemberMetadata};
use crate::types::{ErrorCode, Generation, Str, Ticket, Wall};
use alloc::collections::{BTreeMap, BTreeSet};

/// Where a group stands between two generations; the picture is at the top of the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum State {
    /// No members; perhaps offsets.
    Empty,
    /// Members are called together.
    PreparingRebalance {
        /// The group had no members before: it waits a while for more.
        from_empty: bool,
    },
    /// Members have their generation and wait for the leader's assignment.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
}

impl State {
    /// Kafka's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance { .. } => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// How the first join phase of a group may still be drawn out by members that come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Extension {
    /// The wait that is running.
    delay_ms: i32,
    /// What may follow it.
    remaining_ms: i32,
}

/// The group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Classic {
    /// The group's id.
    pub id: Str,
    state: State,
    /// When it came into this state; none if the log did not say.
    pub since: Option<Wall>,
    /// What kind of group it is; stays when the members go.
    pub protocol_type: Option<Str>,
    /// What the generation's members agreed on.
    pub protocol: Option<Str>,
    generation: Generation,
    leader: Option<Str>,
    members: BTreeMap<Str, Member>,
    /// Member ids of static members by instance id.
    statics: BTreeMap<Str, Str>,
    /// Ids that were given out and not used yet (KIP-394).
    pending: BTreeSet<Str>,
    /// Members of the generation that have not synced yet.
    unsynced: BTreeSet<Str>,
    /// How many members follow each protocol.
    supported: BTreeMap<Str, usize>,
    /// How many members have an answer to JoinGroup parked.
    joined: usize,
    /// Topics that the generation's members subscribe to, as far as their metadata can be read.
    subscribed: Option<BTreeSet<Str>>,
    /// Set while the first join phase may still be extended.
    extension: Option<Extension>,
    /// Somebody came since the extension was last looked at.
    newcomer: bool,
}

impl Classic {
    /// A group without members.
    pub fn new(id: Str, since: Option<Wall>) -> Self {
        Self {
            id,
            state: State::Empty,
            since,
            protocol_type: None,
            protocol: None,
            generation: Generation(0),
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            supported: BTreeMap::new(),
            joined: 0,
            subscribed: None,
            extension: None,
            newcomer: false,
        }
    }

    /// The group as its log remembers it: Stable if it has members.
    pub fn from_kept(id: Str, kept: &Kept) -> Self {
        let mut group = Self::new(id, kept.since);
        group.protocol_type = kept.protocol_type.clone();
        group.protocol = kept.protocol.clone();
        group.generation = kept.generation;
        let protocol = kept.protocol.clone().unwrap_or_default();
        for member in &kept.members {
            if group.members.contains_key(&member.id) {
                continue;
            }
            group.insert(member.id.clone(), Member::from_kept(member, &protocol));
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
            group.protocol = Some(protocol);
        }
        let known = kept.leader.clone().filter(|leader| group.members.contains_key(leader));
        group.leader = known.or_else(|| group.members.keys().next().cloned());
        group.subscribed = group.subscriptions();
        group
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its members.
    pub fn members(&self) -> &BTreeMap<Str, Member> {
        &self.members
    }

    /// Every id that a session timer may run for.
    pub fn session_ids(&self) -> impl Iterator<Item = &Str> {
        self.members.keys().chain(&self.pending)
    }

    /// True for groups whose metadata are subscriptions of the built-in consumer.
    pub fn is_consumer(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|kind| *kind == *"consumer")
    }

    /// True where the generation's subscriptions could be read.
    pub fn knows_subscriptions(&self) -> bool {
        self.subscribed.is_some()
    }

    /// May a member want this topic? Yes if a consumer's metadata could not be read.
    pub fn is_subscribed(&self, topic: &Str) -> bool {
        self.subscribed.as_ref().map_or(self.is_consumer(), |topics| topics.contains(topic))
    }

    /// What is remembered of the group as it is now.
    pub fn record(&self) -> GroupRecord {
        let protocol = self.protocol.as_ref();
        let members = self.members.iter().map(|(id, member)| MemberMetadata {
            member_id: id.clone(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: protocol.map(|name| member.metadata(name)).unwrap_or_default(),
            assignment: member.assignment.clone(),
        });
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation.0,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.since.map_or(-1, |since| since.0),
            members: members.collect(),
        };
        GroupRecord::Metadata { key: GroupMetadataKey { group: self.id.clone() }, value: Some(value) }
    }

    /// What is remembered of a group that somebody begins to join.
    pub fn first_record(&self) -> GroupRecord {
        Self::new(self.id.clone(), self.since).record()
    }

    /// Ends every parked question, because the coordinator moves away or lost its log.
    pub fn parked(&self) -> impl Iterator<Item = (Option<Parked>, Option<Parked>)> {
        self.members.values().map(|member| (member.join, member.sync))
    }

    /// The answer to this ticket will not be read by anybody.
    pub fn forget_ticket(&mut self, member: &Str, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member) else { return };
        for parked in [&mut member.join, &mut member.sync].into_iter().flatten() {
            if parked.ticket == Some(ticket) {
                parked.ticket = None;
            }
        }
    }

    fn enter(&mut self, desk: &mut Desk<'_, '_>, state: State) {
        self.state = state;
        self.since = Some(desk.cx.now.wall);
        desk.cx.notes.push(Note::Group {
            group: self.id.clone(),
            state: state.name(),
            generation: self.generation.0,
            members: self.members.len(),
        });
    }

    /// Is this member who it says it is? A static member that was replaced is fenced.
    fn check(&self, member: &Str, instance: Option<&Str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Can a member with these protocols be in the group? One of them must be followed by all who are in it.
    fn supports(&self, kind: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.state == State::Empty {
            return can_begin(kind, protocols);
        }
        let all = self.members.len();
        let followed = |name: &Str| self.supported.get(name).copied().unwrap_or(0) == all;
        self.protocol_type.as_ref().is_some_and(|known| *known == *kind)
            && protocols.iter().any(|protocol| followed(&protocol.name))
    }

    /// The protocol that most members prefer among those that all follow.
    fn select_protocol(&self) -> Str {
        let all = self.members.len();
        let candidates: BTreeSet<Str> =
            self.supported.iter().filter(|(_, count)| **count == all).map(|(name, _)| name.clone()).collect();
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for vote in self.members.values().filter_map(|member| member.vote(&candidates)) {
            *votes.entry(vote).or_default() += 1;
        }
        let most = votes.values().copied().max();
        let chosen = votes.into_iter().find(|(_, count)| Some(*count) == most).map(|(name, _)| name.clone());
        chosen.expect("a member is let in only if it shares a protocol with all others")
    }

    fn subscriptions(&self) -> Option<BTreeSet<Str>> {
        if !self.is_consumer() {
            return None;
        }
        let Some(protocol) = &self.protocol else {
            return self.members.is_empty().then(BTreeSet::new);
        };
        subscription::topics(self.members.values().map(|member| member.metadata(protocol)))
    }

    /// The longest that any member may take to come back.
    fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0).max(0)
    }

    fn has_all_joined(&self) -> bool {
        self.members.len() == self.joined && self.pending.is_empty()
    }

    fn is_leader(&self, member: &Str) -> bool {
        self.leader.as_ref() == Some(member)
    }

    /// Adds a member; its protocols begin to count, and the first one leads.
    fn insert(&mut self, id: Str, member: Member) {
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        count(&mut self.supported, &member, true);
        self.joined += usize::from(member.join.is_some());
        self.pending.remove(&id);
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
    }

    /// Takes a member, or a promised id, out of the group. If it led, another one leads.
    fn remove(&mut self, desk: &mut Desk<'_, '_>, id: &Str) -> Option<Member> {
        desk.cancel(&self.id, Due::Session(id.clone()));
        self.pending.remove(id);
        self.unsynced.remove(id);
        let member = self.members.remove(id)?;
        count(&mut self.supported, &member, false);
        self.joined -= usize::from(member.join.is_some());
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// The member was heard of: it has a whole session more.
    fn refresh(&self, desk: &mut Desk<'_, '_>, id: &Str) {
        if let Some(member) = self.members.get(id) {
            let at = desk.after_ms(member.session_timeout_ms);
            desk.set(&self.id, Due::Session(id.clone()), at);
        }
    }
}

/// Can a group begin with such a member?
fn can_begin(kind: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
    !kind.is_empty() && !protocols.is_empty()
}

fn count(supported: &mut BTreeMap<Str, usize>, member: &Member, more: bool) {
    for protocol in &member.protocols {
        let followers = supported.entry(protocol.name.clone()).or_default();
        *followers = if more { *followers + 1 } else { *followers - 1 };
    }
    supported.retain(|_, followers| *followers > 0);
}
