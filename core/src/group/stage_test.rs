//! A shard with a log of its own and clocks that a test moves: questions in, answers and records out.

use super::{Ask, Caller, GroupOut, GroupRecord, GroupShard};
use crate::boundary::{Asker, Digest, Ice, Note};
use crate::config::Config;
use crate::msg::Response;
use crate::msg::heartbeat::HeartbeatRequest;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use crate::msg::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::msg::record::consumer::ConsumerProtocolSubscription;
use crate::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use crate::shard::Cx;
use crate::types::{ConnId, ErrorCode, ListenerType, Mono, Now, Offset, Rng, Str, Ticket, Uuid, Wall};
use crate::wire::encode_versioned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::hash::{Hash, Hasher};
use core::time::Duration;

pub(super) struct Stage {
    pub shard: GroupShard,
    pub config: Config,
    pub now: Now,
    pub log: Vec<(Bytes, Option<Bytes>)>,
    pub notes: Vec<Note>,
    pub rng: Rng,
    /// Answers that depend on records stay until somebody says `flush`.
    pub lags: bool,
    held: Vec<(Ticket, Response)>,
    committed: usize,
    answers: BTreeMap<Ticket, Response>,
    waiting: BTreeSet<Ticket>,
    seq: u64,
}

impl Stage {
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u64) -> Self {
        let now = Now { mono: Mono(1_000_000_000), wall: Wall(1_700_000_000_000) };
        let mut stage = Self {
            shard: GroupShard::new(),
            config: Config::default(),
            now,
            log: Vec::new(),
            notes: Vec::new(),
            rng: Rng::new(seed),
            lags: false,
            held: Vec::new(),
            committed: 0,
            answers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            seq: 0,
        };
        stage.reload();
        stage
    }

    /// Asks over a connection of its own.
    pub fn ask(&mut self, version: i16, ask: Ask) -> Ticket {
        self.seq += 1;
        let ticket = Ticket { conn: ConnId(self.seq), seq: 0 };
        let asker = Asker {
            conn: ticket.conn,
            client_id: "client".into(),
            host: "/127.0.0.1".into(),
            listener: 0,
            listener_type: ListenerType::Broker,
        };
        self.waiting.insert(ticket);
        let caller = Caller { ticket, asker: &asker, version };
        self.step(|shard, cx, out| shard.ask(cx, &caller, ask, out));
        ticket
    }

    /// Something happens to the shard, and what it wants is done.
    pub fn step(&mut self, event: impl FnOnce(&mut GroupShard, &mut Cx<'_>, &mut Vec<GroupOut>)) {
        let mut out = Vec::new();
        let Self { config, now, rng, notes, .. } = self;
        let mut cx = Cx { now: *now, config, rng, notes };
        event(&mut self.shard, &mut cx, &mut out);
        for done in out {
            match done {
                GroupOut::Reply(ticket, body) => self.answer(ticket, body),
                GroupOut::Verdict { records, replies } => {
                    records.iter().for_each(|record| self.append(record));
                    self.held.extend(replies);
                }
            }
        }
        if !self.lags {
            self.flush();
        }
    }

    /// Everything appended is committed.
    pub fn flush(&mut self) {
        self.committed = self.log.len();
        for (ticket, body) in core::mem::take(&mut self.held) {
            self.answer(ticket, body);
        }
    }

    /// The coordinator is gone with all that was not committed; another one reads what is left. Whoever waited learns
    /// that there is no coordinator.
    pub fn crash(&mut self) {
        self.log.truncate(self.committed);
        self.held.clear();
        self.answers.clear();
        for (ticket, body) in core::mem::take(&mut self.shard).abandon() {
            self.answer(ticket, body);
        }
        self.waiting.clear();
        self.reload();
    }

    fn append(&mut self, record: &GroupRecord) {
        let (key, value) = (record.encode_key(), record.encode_value());
        let at = Offset(i64::try_from(self.log.len()).expect("a short log"));
        self.shard.apply(at, record);
        self.log.push((key, value));
    }

    fn answer(&mut self, ticket: Ticket, body: Response) {
        assert!(self.waiting.remove(&ticket), "{ticket:?} is answered once: {body:?}");
        assert!(self.answers.insert(ticket, body).is_none());
    }

    /// Time passes, and every timer goes off when it is due.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.mono + Duration::from_millis(ms);
        while let Some(at) = self.shard.deadline().filter(|at| *at <= until) {
            self.at(at.max(self.now.mono));
            self.step(|shard, cx, out| shard.wake(cx, out));
        }
        self.at(until);
    }

    fn at(&mut self, mono: Mono) {
        let passed = i64::try_from(mono.since(self.now.mono).as_millis()).expect("a short test");
        self.now = Now { mono, wall: Wall(self.now.wall.0 + passed) };
    }

    /// A new coordinator reads the log.
    pub fn reload(&mut self) {
        self.shard = self.replayed();
        let Self { config, now, rng, notes, .. } = self;
        self.shard.loaded(&mut Cx { now: *now, config, rng, notes });
    }

    /// What the log alone makes of a shard.
    pub fn replayed(&self) -> GroupShard {
        let mut shard = GroupShard::new();
        for (at, (key, value)) in self.log.iter().enumerate() {
            let record = GroupRecord::decode(key.clone(), value.clone()).expect("ours").expect("known");
            shard.apply(Offset(i64::try_from(at).expect("a short log")), &record);
        }
        shard
    }

    /// The last record of the log.
    pub fn last(&self) -> GroupRecord {
        let (key, value) = self.log.last().expect("a record").clone();
        GroupRecord::decode(key, value).expect("ours").expect("known")
    }

    pub fn is_waiting(&self, ticket: Ticket) -> bool {
        self.waiting.contains(&ticket)
    }

    /// The connection closes, whether or not it waits.
    pub fn give_up(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
        self.held.retain(|(held, _)| *held != ticket);
        self.answers.remove(&ticket);
        self.shard.closed(ticket.conn);
    }

    pub fn take(&mut self, ticket: Ticket) -> Option<Response> {
        self.answers.remove(&ticket)
    }

    pub fn taken(&mut self, ticket: Ticket) -> Response {
        self.take(ticket).expect("an answer")
    }

    pub fn joined(&mut self, ticket: Ticket) -> JoinGroupResponse {
        let Response::JoinGroup(body) = self.taken(ticket) else { panic!("a join is answered by a join") };
        body
    }

    pub fn synced(&mut self, ticket: Ticket) -> SyncGroupResponse {
        let Response::SyncGroup(body) = self.taken(ticket) else { panic!("a sync is answered by a sync") };
        body
    }

    pub fn join(&mut self, request: JoinGroupRequest) -> Ticket {
        self.ask(9, Ask::Join(request))
    }

    /// A new dynamic member: its promised id and its waiting join.
    pub fn enter(&mut self, request: JoinGroupRequest) -> (Str, Ticket) {
        let first = self.join(request.clone());
        let promise = self.joined(first);
        assert_eq!(error(promise.error_code), ErrorCode::MemberIdRequired);
        let member_id = promise.member_id;
        let ticket = self.join(JoinGroupRequest { member_id: member_id.clone(), ..request });
        (member_id, ticket)
    }

    pub fn sync(&mut self, generation_id: i32, member: &Str, assignments: &[(&Str, &str)]) -> Ticket {
        let part = |(id, part): &(&Str, &str)| SyncGroupRequestAssignment {
            member_id: (*id).clone(),
            assignment: Bytes::copy_from_slice(part.as_bytes()),
        };
        self.ask(
            5,
            Ask::Sync(SyncGroupRequest {
                group_id: "g".into(),
                generation_id,
                member_id: member.clone(),
                protocol_type: Some("consumer".into()),
                protocol_name: Some("range".into()),
                assignments: assignments.iter().map(part).collect(),
                ..Default::default()
            }),
        )
    }

    pub fn heartbeat(&mut self, generation_id: i32, member: &Str) -> ErrorCode {
        self.heartbeat_as(HeartbeatRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member.clone(),
            group_instance_id: None,
        })
    }

    pub fn heartbeat_as(&mut self, request: HeartbeatRequest) -> ErrorCode {
        let ticket = self.ask(4, Ask::Heartbeat(request));
        let Response::Heartbeat(body) = self.taken(ticket) else { panic!("a heartbeat") };
        error(body.error_code)
    }

    pub fn commit(&mut self, version: i16, request: OffsetCommitRequest) -> ErrorCode {
        let ticket = self.ask(version, Ask::Commit(request));
        let Response::OffsetCommit(body) = self.taken(ticket) else { panic!("a commit") };
        error(body.topics[0].partitions[0].error_code)
    }

    /// Members go by id; answers of all of them.
    pub fn leave(&mut self, members: &[&Str]) -> Vec<ErrorCode> {
        let member = |id: &&Str| MemberIdentity { member_id: (*id).clone(), ..Default::default() };
        self.leave_as(members.iter().map(member).collect())
    }

    pub fn leave_as(&mut self, members: Vec<MemberIdentity>) -> Vec<ErrorCode> {
        let request = LeaveGroupRequest { group_id: "g".into(), members, ..Default::default() };
        let ticket = self.ask(5, Ask::Leave(request));
        let Response::LeaveGroup(body) = self.taken(ticket) else { panic!("a leave") };
        body.members.iter().map(|member| error(member.error_code)).collect()
    }

    /// The state's name; `Dead` if there is no such group.
    pub fn state(&self) -> &'static str {
        self.shard.groups.get(b"g".as_slice()).map_or("Dead", |group| group.live.state().name())
    }

    pub fn members(&self) -> Vec<Str> {
        self.shard
            .groups
            .get(b"g".as_slice())
            .map_or(Vec::new(), |group| group.live.members().keys().cloned().collect())
    }

    /// A stable group of these members, its leader first, in generation 1, each assigned its own id.
    pub fn stable(&mut self, requests: Vec<JoinGroupRequest>) -> Vec<Str> {
        let tickets: Vec<Ticket> = requests
            .into_iter()
            .map(|request| if request.group_instance_id.is_some() { self.join(request) } else { self.enter(request).1 })
            .collect();
        self.pass(3_000 * tickets.len() as u64);
        let joined: Vec<JoinGroupResponse> = tickets.into_iter().map(|ticket| self.joined(ticket)).collect();
        let leader = joined[0].leader.clone();
        let mut ids: Vec<Str> = joined.iter().map(|one| one.member_id.clone()).collect();
        ids.sort_by_key(|id| *id != leader);
        self.settle(1, &ids);
        ids
    }

    /// The members (their leader first) complete this generation; each is assigned its own id.
    pub fn settle(&mut self, generation: i32, ids: &[Str]) {
        let parts: Vec<(&Str, &str)> = ids.iter().map(|id| (id, &**id)).collect();
        let tickets: Vec<Ticket> =
            ids.iter().rev().map(|id| self.sync(generation, id, if *id == ids[0] { &parts } else { &[] })).collect();
        for (id, ticket) in ids.iter().rev().zip(tickets) {
            let answer = self.synced(ticket);
            assert_eq!((error(answer.error_code), &answer.assignment), (ErrorCode::None, id.as_bytes()));
        }
        assert_eq!(self.state(), "Stable");
    }

    /// What must survive a restart.
    pub fn hard(shard: &GroupShard) -> Vec<u8> {
        let mut ice = Ice::default();
        for (id, group) in &shard.groups {
            (id, &group.kept).hash(&mut ice);
        }
        shard.offsets.hash(&mut ice);
        ice.into_bytes()
    }

    /// The generation that the log remembers.
    pub fn remembered(&self) -> i32 {
        let kept = self.shard.groups.get(b"g".as_slice()).and_then(|group| group.kept.as_ref());
        kept.map_or(0, |kept| kept.generation.0)
    }

    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        self.shard.hash(&mut digest);
        digest.finish()
    }
}

pub(super) fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code of the protocol")
}

/// A consumer that subscribes to topic `t` and assigns by range.
pub(super) fn consumer() -> JoinGroupRequest {
    with_protocols(&["range"])
}

pub(super) fn with_protocols(names: &[&str]) -> JoinGroupRequest {
    let protocol = |name: &&str| JoinGroupRequestProtocol { name: (*name).into(), metadata: subscribing(&["t"]) };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: names.iter().map(protocol).collect(),
        ..Default::default()
    }
}

pub(super) fn subscribing(topics: &[&str]) -> Bytes {
    let topics = topics.iter().map(|name| Str::from(*name)).collect();
    let body = ConsumerProtocolSubscription { topics, ..Default::default() };
    encode_versioned(&body, 1).expect("it is carried")
}

/// The same consumer as a static member.
pub(super) fn instance(name: &str) -> JoinGroupRequest {
    JoinGroupRequest { group_instance_id: Some(name.into()), ..consumer() }
}

pub(super) fn again(member: &Str, request: JoinGroupRequest) -> JoinGroupRequest {
    JoinGroupRequest { member_id: member.clone(), ..request }
}

/// A commit of this offset for partition 0 of `t`.
pub(super) fn offset(generation: i32, member: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some(Str::new()),
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            topic_id: Uuid([7; 16]),
            partitions: vec![partition],
        }],
        ..Default::default()
    }
}

/// The members of the last completed generation, as the log has them.
pub(super) fn remembered(record: &GroupRecord) -> (i32, Vec<(String, String)>) {
    let GroupRecord::Metadata { value: Some(value), .. } = record else { panic!("a group: {record:?}") };
    let member = |member: &crate::msg::record::group::MemberMetadata| {
        (member.member_id.as_str().into(), String::from_utf8_lossy(&member.assignment).into_owned())
    };
    (value.generation, value.members.iter().map(member).collect())
}
