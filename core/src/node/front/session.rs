//! Incremental fetch sessions (KIP-227): a client names all its partitions once, then only what changed; we answer only
//! what is new.
//!
//! | request's id, epoch | meaning |
//! |---|---|
//! | any, -1 | no session; the named one ends |
//! | any, 0 | everything is named; a new session begins if there is room, the named one ends |
//! | id, n > 0 | the n-th request of session id: changes only |
//!
//! A follower's session is its own: another replica, or the same in another life, does not know of it. Where there is no room it takes
//! the place of a client's (KIP-227 calls it privileged), since what it fetches is what others wait for.
//!
//! Sessions outlive their requests, so what they name is bounded: all of them together by
//! [`limit::FETCH_SESSION_PARTITIONS_MAX`]. One that would grow beyond it ends: its fetch is answered in full with the
//! session id 0, and the client names everything again next time.

use super::FrontCx;
use super::fetch::bound;
use crate::msg::fetch::{FetchPartition, FetchRequest};
use crate::partition::Readable;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Mono, Offset, Rng, Str, Uuid, limit};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// All sessions of this broker.
#[derive(Clone, Hash, Debug, Default)]
pub struct Sessions {
    by_id: BTreeMap<i32, Session>,
    /// How many partitions they name.
    partitions: usize,
}

/// One client's session.
#[derive(Clone, Hash, Debug)]
struct Session {
    /// The number that its next request must carry.
    epoch: i32,
    uses_ids: bool,
    /// Whose, if it is a follower's: which, and in which life.
    follower: Option<(BrokerId, BrokerEpoch)>,
    created: Mono,
    used: Mono,
    parts: BTreeMap<PartName, SessionPart>,
    /// The order of service; whoever was served goes to the end.
    order: BTreeMap<u64, PartName>,
    turns: u64,
}

/// A partition as the session's requests name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct PartName {
    name: Str,
    id: Uuid,
    partition: i32,
}

#[derive(Clone, Hash, Debug)]
struct SessionPart {
    turn: u64,
    wanted: Wanted,
    /// High watermark and log start as the client knows them; nothing after an error.
    told: Option<(Offset, Offset)>,
}

/// What a fetch wants of one partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The topic's name; empty where it is named by id.
    pub name: Str,
    /// The topic's id; zero where it is named by name.
    pub id: Uuid,
    /// The partition.
    pub partition: i32,
    /// The first offset wanted.
    pub from: Offset,
    /// The leader epoch that the client knows, or `NONE`.
    pub current_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has, or `NONE`.
    pub last_fetched: LeaderEpoch,
    /// The first offset that a follower keeps.
    pub log_start: Offset,
    /// Bound on the bytes of this partition.
    pub bytes_max: u32,
    /// The high watermark that was told last in this session; without a session there is nothing to compare with.
    pub told: Offset,
}

/// How a fetch uses a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionUse {
    /// Not at all.
    None,
    /// It began with this fetch.
    Full(i32),
    /// Only what is new is answered.
    Incremental(i32),
}

impl Wanted {
    /// May a session keep it? A name that no topic can have is as long as its request makes it.
    fn is_keepable(&self) -> bool {
        self.name.len() <= limit::TOPIC_NAME_BYTES_MAX
    }
}

impl SessionUse {
    /// The id that the answer carries; 0 is none.
    pub fn id(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Full(id) | Self::Incremental(id) => id,
        }
    }
}

/// What is left of an answer. Only the store will know how long the batches are: the first partition that has any gives one, however
/// long; a later one none if its first is longer than what may be told of it.
#[derive(Debug)]
pub struct Room {
    left: u64,
    is_first: bool,
    /// Nothing so far may have taken more than it may.
    is_certain: bool,
}

impl Room {
    /// All of an answer of so many bytes.
    pub fn new(bytes_max: u32) -> Self {
        Self { left: bytes_max.into(), is_first: true, is_certain: true }
    }

    /// The next partition has so many bytes, of which so many may be told. Is it certain to be given some?
    fn surely_gives(&mut self, bytes: u64, bytes_max: u64) -> bool {
        if bytes == 0 {
            return false;
        }
        let fits = bytes <= bytes_max && bytes <= self.left;
        let gives = self.is_first || self.is_certain && fits;
        self.left = self.left.saturating_sub(bytes.min(bytes_max));
        self.is_certain &= bytes <= bytes_max;
        self.is_first = false;
        gives
    }
}

impl Sessions {
    /// Takes a fetch request apart: which session it uses, and what it wants in the order of service.
    pub fn open(
        &mut self,
        cx: &mut FrontCx<'_>,
        (version, follower): (i16, Option<(BrokerId, BrokerEpoch)>),
        request: FetchRequest,
    ) -> Result<(SessionUse, Vec<Wanted>), ErrorCode> {
        let (id, epoch, uses_ids) = (request.session_id, request.session_epoch, version >= 13);
        if epoch <= 0 {
            self.end(id);
            let mut wanted: Vec<Wanted> = named(request).collect();
            if epoch < 0
                || !wanted.iter().all(Wanted::is_keepable)
                || !self.has_room(cx, wanted.len(), follower.is_some())
            {
                return Ok((SessionUse::None, wanted));
            }
            let id = self.unused_id(cx.rng);
            let session = Session::new(cx.now.mono, (uses_ids, follower), &wanted);
            self.partitions += session.parts.len();
            self.by_id.insert(id, session);
            wanted.iter_mut().for_each(|one| one.told = Offset::NONE);
            return Ok((SessionUse::Full(id), wanted));
        }
        let session = self.by_id.get_mut(&id).filter(|session| session.follower == follower);
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_ids != uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        let before = session.parts.len();
        session.change(cx.now.mono, request);
        let wanted: Vec<Wanted> = session.order.values().map(|name| session.parts[name].wanted.clone()).collect();
        self.partitions = self.partitions - before + wanted.len();
        let is_over = self.partitions > limit::FETCH_SESSION_PARTITIONS_MAX;
        if is_over || wanted.is_empty() || !wanted.iter().all(Wanted::is_keepable) {
            self.end(id);
            return Ok((SessionUse::None, wanted));
        }
        Ok((SessionUse::Incremental(id), wanted))
    }

    fn end(&mut self, id: i32) {
        if let Some(session) = self.by_id.remove(&id) {
            self.partitions -= session.parts.len();
        }
    }

    /// What must hold between any two steps.
    pub fn check(&self) {
        let named: usize = self.by_id.values().map(|session| session.parts.len()).sum();
        assert_eq!(named, self.partitions, "what sessions name is counted");
        assert!(named <= limit::FETCH_SESSION_PARTITIONS_MAX, "what sessions name is bounded");
    }

    /// Must the client be told of this partition? If so, remembers that it was. Whoever is certain to be given something goes to the
    /// end of the order of service; all others are nearer to their turn.
    pub fn is_worth_telling(
        &mut self,
        now: Mono,
        usage: SessionUse,
        (wanted, readable): (&Wanted, &Readable),
        room: &mut Room,
    ) -> bool {
        let Some(session) = self.by_id.get_mut(&usage.id()) else { return true };
        let name = PartName { name: wanted.name.clone(), id: wanted.id, partition: wanted.partition };
        let Some(part) = session.parts.get_mut(&name) else { return true };
        session.used = now;
        let facts = (readable.high_watermark, readable.log_start);
        let has_bytes = readable.bytes > 0;
        let is_new = readable.is_urgent() || has_bytes || part.told != Some(facts);
        part.told = if readable.error.is_error() { None } else { Some(facts) };
        part.wanted.told = readable.high_watermark;
        if room.surely_gives(readable.bytes, wanted.bytes_max.into()) {
            session.order.remove(&part.turn);
            part.turn = session.turns;
            session.order.insert(session.turns, name);
            session.turns += 1;
        }
        is_new || matches!(usage, SessionUse::Full(_))
    }

    /// Makes room for a session of so many partitions if it can: by those that are stale, by a smaller one that is old, or for a
    /// follower by any of a client.
    fn has_room(&mut self, cx: &FrontCx<'_>, parts: usize, is_follower: bool) -> bool {
        let slots = cx.config.fetch.sessions_max as usize;
        let fits = |count: usize, named: usize| count < slots && named + parts <= limit::FETCH_SESSION_PARTITIONS_MAX;
        let is_old = |since: Mono| cx.now.mono.since(since) > limit::FETCH_SESSION_KEPT;
        while !fits(self.by_id.len(), self.partitions) {
            let stale = self.by_id.iter().find(|(_, session)| is_old(session.used)).map(|(id, _)| *id);
            let smaller = || {
                let may_go = |one: &Session| match one.follower {
                    None if is_follower => true,
                    Some(_) if !is_follower => false,
                    None | Some(_) => is_old(one.created) && one.parts.len() < parts,
                };
                let old = self.by_id.iter().filter(|(_, one)| may_go(one));
                let (id, one) = old.min_by_key(|(_, session)| session.parts.len())?;
                fits(self.by_id.len() - 1, self.partitions - one.parts.len()).then_some(*id)
            };
            let Some(id) = stale.or_else(smaller) else { return false };
            self.end(id);
        }
        true
    }

    fn unused_id(&self, rng: &mut Rng) -> i32 {
        loop {
            let id = rng.between(1, i32::MAX as u64) as i32;
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

impl Session {
    fn new(now: Mono, (uses_ids, follower): (bool, Option<(BrokerId, BrokerEpoch)>), wanted: &[Wanted]) -> Self {
        let mut session = Self {
            epoch: 1,
            uses_ids,
            follower,
            created: now,
            used: now,
            parts: BTreeMap::new(),
            order: BTreeMap::new(),
            turns: 0,
        };
        let mut kept = Str::new();
        wanted.iter().for_each(|one| session.want(one.clone(), &mut kept));
        session
    }

    fn change(&mut self, now: Mono, mut request: FetchRequest) {
        self.used = now;
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        let forgotten = core::mem::take(&mut request.forgotten_topics_data);
        let mut kept = Str::new();
        named(request).for_each(|wanted| self.want(wanted, &mut kept));
        for topic in forgotten {
            for partition in topic.partitions {
                let name = PartName { name: topic.topic.clone(), id: topic.topic_id, partition };
                if let Some(part) = self.parts.remove(&name) {
                    self.order.remove(&part.turn);
                }
            }
        }
    }

    /// Takes up what is wanted. `kept` is the name of the topic before: mostly it is the same.
    fn want(&mut self, mut wanted: Wanted, kept: &mut Str) {
        // A session outlives the frame that named the topic.
        if *kept != wanted.name {
            *kept = wanted.name.detached();
        }
        wanted.name = kept.clone();
        let name = PartName { name: wanted.name.clone(), id: wanted.id, partition: wanted.partition };
        match self.parts.get_mut(&name) {
            Some(part) => {
                // A follower that asks for something else may have passed over what it was told: it is told again.
                part.told = part.told.filter(|_| self.follower.is_none());
                wanted.told = part.wanted.told;
                part.wanted = wanted;
            }
            None => {
                wanted.told = Offset::NONE;
                self.order.insert(self.turns, name.clone());
                self.parts.insert(name, SessionPart { turn: self.turns, wanted, told: None });
                self.turns += 1;
            }
        }
    }
}

/// The partitions that a request names.
fn named(request: FetchRequest) -> impl Iterator<Item = Wanted> {
    request.topics.into_iter().flat_map(|topic| {
        let (name, id) = (topic.topic, topic.topic_id);
        topic.partitions.into_iter().map(move |partition| wanted(name.clone(), id, &partition))
    })
}

fn wanted(name: Str, id: Uuid, partition: &FetchPartition) -> Wanted {
    Wanted {
        name,
        id,
        partition: partition.partition,
        from: Offset(partition.fetch_offset),
        current_epoch: LeaderEpoch(partition.current_leader_epoch),
        last_fetched: LeaderEpoch(partition.last_fetched_epoch),
        log_start: Offset(partition.log_start_offset),
        bytes_max: bound(partition.partition_max_bytes),
        told: Offset(i64::MAX),
    }
}

#[cfg(test)]
#[path = "session_test.rs"]
mod session_test;
