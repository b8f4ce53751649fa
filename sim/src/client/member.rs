//! A member of a classic group, as the Java consumer is one: it joins, synchronises, heartbeats, commits, and begins again
//! whenever it is told to or finds itself forgotten.

use super::directory::{self, DIRECTORY, Directory};
use super::{Actor, Cx, Happened};
use crate::clock::At;
use crate::groups::{Assignment, CommitId};
use crate::model::LogName;
use bytes::Bytes;
use ottla_core::msg::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_core::msg::heartbeat::HeartbeatRequest;
use ottla_core::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use ottla_core::msg::leave_group::{LeaveGroupRequest, MemberIdentity};
use ottla_core::msg::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use ottla_core::msg::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use ottla_core::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use ottla_core::msg::{ApiKey, Response};
use ottla_core::types::{ErrorCode, Str, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a member is like.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// The group's id.
    pub group: String,
    /// What the group reads.
    pub topics: Vec<usize>,
    /// `session.timeout.ms`.
    pub session: Duration,
    /// `max.poll.interval.ms`, as the broker sees it.
    pub rebalance: Duration,
    /// A usual wait between two commits.
    pub pace: Duration,
    /// In one of so many turns it leaves and comes back; 0 for never.
    pub leaves: u64,
}

impl Habits {
    /// `heartbeat.interval.ms`. A rebalance has to outlast it on a broker whose clock runs at twice the world's pace, or those
    /// who hear of it too late are left out, come back and leave out the others, for ever.
    fn beat(&self) -> Duration {
        (self.session / 5).min(self.rebalance / 4)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Learning,
    Finding,
    /// Waits before it asks again who coordinates its group.
    Lonely,
    Joining,
    Syncing,
    Fetching,
    Stable,
    /// Waits before it joins (again).
    Resting,
}

/// The member.
pub struct Member {
    habits: Habits,
    directory: Directory,
    stage: Stage,
    id: String,
    leader: String,
    generation: i32,
    floor: i32,
    positions: BTreeMap<LogName, i64>,
    commits: BTreeMap<u64, BTreeMap<LogName, CommitId>>,
    offsets_asked: u64,
    next_beat: At,
    next_commit: At,
    beating: bool,
    tag: u64,
    finishing: bool,
    /// Committed since the end was announced.
    proved: bool,
}

impl Member {
    /// A member that nobody knows yet.
    pub fn new(habits: Habits) -> Self {
        Self {
            habits,
            directory: Directory::default(),
            stage: Stage::Learning,
            id: String::new(),
            leader: String::new(),
            generation: -1,
            floor: 0,
            positions: BTreeMap::new(),
            commits: BTreeMap::new(),
            offsets_asked: 0,
            next_beat: At::START,
            next_commit: At::START,
            beating: false,
            tag: 0,
            finishing: false,
            proved: false,
        }
    }

    fn group(&self) -> Str {
        Str::from(self.habits.group.as_str())
    }

    fn tag(&mut self) -> u64 {
        self.tag += 1;
        self.tag
    }

    fn join(&mut self, cx: &mut Cx) {
        if !cx.up || self.stage != Stage::Resting {
            return;
        }
        self.stage = Stage::Joining;
        self.floor = cx.model.group(&self.habits.group).generation;
        let metadata = Bytes::from(subscription(&self.names(cx)));
        let protocols = vec![JoinGroupRequestProtocol { name: Str::from_static("range"), metadata }];
        let body = JoinGroupRequest {
            group_id: self.group(),
            session_timeout_ms: self.habits.session.as_millis() as i32,
            rebalance_timeout_ms: self.habits.rebalance.as_millis() as i32,
            member_id: Str::from(self.id.as_str()),
            protocol_type: Str::from_static("consumer"),
            protocols,
            ..Default::default()
        };
        let tag = self.tag();
        cx.ask(tag, body);
    }

    /// Asks who coordinates the group, which is also what makes the broker ready to.
    fn find(&mut self, cx: &mut Cx) {
        self.stage = Stage::Finding;
        let mut body = FindCoordinatorRequest::default();
        match cx.versions.of(ApiKey::FindCoordinator) {
            0..=3 => body.key = self.group(),
            _ => body.coordinator_keys = vec![self.group()],
        }
        let tag = self.tag();
        cx.ask(tag, body);
    }

    fn found(&mut self, cx: &mut Cx, body: &FindCoordinatorResponse) {
        let (code, host, port) = match body.coordinators.first() {
            Some(found) => (found.error_code, &found.host, found.port),
            None => (body.error_code, &body.host, body.port),
        };
        let home = (host.clone(), u16::try_from(port).unwrap_or(0));
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) if cx.model.cluster && home != *cx.at => cx.move_to(home),
            Some(ErrorCode::None) if self.generation >= 0 && !self.positions.is_empty() => self.settle(cx),
            Some(ErrorCode::None) => self.rest(cx, 10),
            error => {
                cx.model.mark("coordinators not found");
                if !error.is_some_and(ErrorCode::is_retriable) {
                    cx.model.find("group", format!("FindCoordinator says {error:?}"));
                }
                self.stage = Stage::Lonely;
                cx.wake_in(Duration::from_millis(100));
                if cx.model.cluster && cx.rng.chance(1, 4) {
                    // Another broker may know better.
                    cx.hang_up();
                }
            }
        }
    }

    fn names(&self, cx: &Cx) -> Vec<String> {
        self.habits.topics.iter().map(|topic| cx.model.topics[*topic].name.clone()).collect()
    }

    fn joined(&mut self, cx: &mut Cx, body: &JoinGroupResponse) {
        let error = ErrorCode::from_code(body.error_code).unwrap_or(ErrorCode::UnknownServerError);
        if error != ErrorCode::None {
            if error == ErrorCode::MemberIdRequired {
                self.id = body.member_id.to_string();
            }
            return self.stumbled(cx, error);
        }
        self.id = body.member_id.to_string();
        self.generation = body.generation_id;
        cx.model.mark("joins");
        self.leader = body.leader.to_string();
        let facts = cx.model.group(&self.habits.group);
        if let Err(text) = facts.joined(body.generation_id, self.floor) {
            match cx.model.cluster {
                // A coordinator that has not heard of its end lets members join what nobody will ever keep: nothing is
                // assigned in it.
                true => cx.model.mark("joins at deposed coordinators"),
                false => cx.model.find("group", format!("{}: {text}", self.habits.group)),
            }
        }
        let members: Vec<String> = body.members.iter().map(|member| member.member_id.to_string()).collect();
        let leads = body.leader.as_str() == self.id;
        if leads && !members.contains(&self.id) {
            let text = format!("{}: {} leads {members:?} without being among them", self.habits.group, self.id);
            cx.model.find("group", text);
        }
        self.synchronise(cx, if leads { &members } else { &[] });
    }

    /// Asks for its assignment; a leader gives out the partitions in turn.
    fn synchronise(&mut self, cx: &mut Cx, members: &[String]) {
        self.stage = Stage::Syncing;
        let mut logs = Vec::new();
        for topic in &self.habits.topics {
            let partitions = 0..cx.model.topics[*topic].partitions;
            logs.extend(partitions.map(|partition| LogName { topic: *topic, partition }));
        }
        let mut assignments = Vec::new();
        let mut given = Assignment::new();
        for (turn, member) in members.iter().enumerate() {
            let own: Vec<LogName> = logs.iter().copied().skip(turn).step_by(members.len()).collect();
            let assignment = Bytes::from(assignment(cx, &own));
            assignments.push(SyncGroupRequestAssignment { member_id: Str::from(member.as_str()), assignment });
            given.insert(member.clone(), own.into_iter().collect());
        }
        if !given.is_empty() && cx.model.group(&self.habits.group).gave(self.generation, given) {
            cx.model.mark("generations given out twice");
        }
        let body = SyncGroupRequest {
            group_id: self.group(),
            generation_id: self.generation,
            member_id: Str::from(self.id.as_str()),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: Some(Str::from_static("range")),
            assignments,
            ..Default::default()
        };
        let tag = self.tag();
        cx.ask(tag, body);
    }

    fn synchronised(&mut self, cx: &mut Cx, body: &SyncGroupResponse) {
        let error = ErrorCode::from_code(body.error_code).unwrap_or(ErrorCode::UnknownServerError);
        if error != ErrorCode::None {
            return self.stumbled(cx, error);
        }
        let Some(logs) = assigned(cx, &body.assignment) else {
            let text = format!("{}: an assignment came back changed", self.habits.group);
            return cx.model.find("group", text);
        };
        let told = cx.model.group(&self.habits.group).owns(self.generation, &self.leader, &self.id, &logs);
        if let Err(text) = told {
            cx.model.find("group", format!("{}: {text}", self.habits.group));
        }
        cx.model.mark("assignments");
        self.positions = logs.into_iter().map(|log| (log, 0)).collect();
        self.next_beat = cx.now + self.habits.beat();
        self.fetch_offsets(cx);
    }

    fn fetch_offsets(&mut self, cx: &mut Cx) {
        if self.positions.is_empty() {
            return self.settle(cx);
        }
        self.stage = Stage::Fetching;
        self.offsets_asked = cx.model.group(&self.habits.group).moment();
        let mut topics: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for log in self.positions.keys() {
            topics.entry(log.topic).or_default().push(log.partition);
        }
        let mut body = OffsetFetchRequest::default();
        if cx.versions.of(ApiKey::OffsetFetch) < 8 {
            body.group_id = self.group();
            let named = |(topic, partition_indexes): (usize, Vec<i32>)| OffsetFetchRequestTopic {
                name: Str::from(cx.model.topics[topic].name.as_str()),
                partition_indexes,
            };
            body.topics = Some(topics.into_iter().map(named).collect());
        } else {
            let named = |(topic, partition_indexes): (usize, Vec<i32>)| OffsetFetchRequestTopics {
                name: Str::from(cx.model.topics[topic].name.as_str()),
                topic_id: cx.model.topics[topic].id.unwrap_or(Uuid::ZERO),
                partition_indexes,
            };
            let topics = Some(topics.into_iter().map(named).collect());
            body.groups = vec![OffsetFetchRequestGroup { group_id: self.group(), topics, ..Default::default() }];
        }
        let tag = self.tag();
        cx.ask(tag, body);
    }

    fn offsets_fetched(&mut self, cx: &mut Cx, body: &OffsetFetchResponse) {
        let mut found = Vec::new();
        let mut error = ErrorCode::from_code(body.error_code).unwrap_or(ErrorCode::UnknownServerError);
        for topic in &body.topics {
            let index = cx.model.topic_named(&topic.name);
            let rows = topic.partitions.iter();
            found.extend(rows.map(|row| (index, row.partition_index, row.committed_offset, row.error_code)));
        }
        for group in &body.groups {
            error = ErrorCode::from_code(group.error_code).unwrap_or(ErrorCode::UnknownServerError);
            for topic in &group.topics {
                let index = match topic.topic_id.is_zero() {
                    true => cx.model.topic_named(&topic.name),
                    false => cx.model.topic_with_id(topic.topic_id),
                };
                let rows = topic.partitions.iter();
                found.extend(rows.map(|row| (index, row.partition_index, row.committed_offset, row.error_code)));
            }
        }
        let refused = found.iter().find(|(.., code)| *code != 0).and_then(|(.., code)| ErrorCode::from_code(*code));
        if error != ErrorCode::None || refused.is_some() {
            return self.stumbled(cx, refused.unwrap_or(error));
        }
        // Who has not heard that another coordinates now tells what was committed up to then; what is committed there is refused.
        let is_past = cx.model.is_coordinated_elsewhere(&self.habits.group, &cx.at.0);
        if is_past {
            cx.model.mark("offsets told by deposed coordinators");
        }
        let asked = if is_past { 0 } else { self.offsets_asked };
        for (topic, partition, offset, _) in found {
            let Some(topic) = topic else { continue };
            let log = LogName { topic, partition };
            let judged = cx.model.group(&self.habits.group).fetched(log, offset, asked);
            if let Err(text) = judged {
                cx.model.find("committed offset", format!("{}: {text}", self.habits.group));
            }
            if let Some(position) = self.positions.get_mut(&log) {
                *position = offset.max(0);
            }
        }
        cx.model.mark("committed offsets read");
        self.settle(cx);
    }

    fn settle(&mut self, cx: &mut Cx) {
        self.stage = Stage::Stable;
        self.proved |= self.finishing && self.positions.is_empty();
        self.plan_commit(cx);
        self.arrange(cx);
    }

    fn plan_commit(&mut self, cx: &mut Cx) {
        let pace = self.habits.pace.as_micros() as u64;
        self.next_commit = cx.now + Duration::from_micros(cx.rng.between(pace / 4 + 1, pace * 2));
    }

    fn arrange(&self, cx: &mut Cx) {
        let soon = cx.now + Duration::from_millis(1);
        cx.wake_at(self.next_beat.max(soon));
        cx.wake_at(self.next_commit.max(soon));
    }

    /// A turn of a member that has its assignment.
    fn go_on(&mut self, cx: &mut Cx) {
        if !cx.up || !matches!(self.stage, Stage::Stable | Stage::Syncing | Stage::Fetching) {
            return;
        }
        if self.next_beat <= cx.now && !self.beating {
            self.beating = true;
            self.next_beat = cx.now + self.habits.beat();
            let tag = self.tag();
            let body = HeartbeatRequest {
                group_id: self.group(),
                generation_id: self.generation,
                member_id: Str::from(self.id.as_str()),
                ..Default::default()
            };
            cx.ask(tag, body);
        }
        if self.stage == Stage::Stable && self.next_commit <= cx.now && self.commits.is_empty() {
            if self.habits.leaves > 0 && !self.finishing && cx.rng.chance(1, self.habits.leaves) {
                return self.leave(cx);
            }
            self.commit(cx);
            self.plan_commit(cx);
        }
        self.arrange(cx);
    }

    /// Pretends to have read on, and commits how far.
    fn commit(&mut self, cx: &mut Cx) {
        if self.positions.is_empty() {
            self.proved |= self.finishing;
            return;
        }
        let mut topics: BTreeMap<usize, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        let mut commits = BTreeMap::new();
        for (log, position) in &mut self.positions {
            *position += cx.rng.below(10) as i64;
            commits.insert(*log, cx.model.group(&self.habits.group).committing(*log, *position));
            let partition = OffsetCommitRequestPartition {
                partition_index: log.partition,
                committed_offset: *position,
                committed_metadata: Some(Str::from_static("m")),
                ..Default::default()
            };
            topics.entry(log.topic).or_default().push(partition);
        }
        let named = |(topic, partitions): (usize, Vec<_>)| OffsetCommitRequestTopic {
            name: Str::from(cx.model.topics[topic].name.as_str()),
            topic_id: cx.model.topics[topic].id.unwrap_or(Uuid::ZERO),
            partitions,
        };
        let topics = topics.into_iter().map(named).collect();
        let body = OffsetCommitRequest {
            group_id: self.group(),
            generation_id_or_member_epoch: self.generation,
            member_id: Str::from(self.id.as_str()),
            topics,
            ..Default::default()
        };
        self.floor = cx.model.group(&self.habits.group).generation;
        let tag = self.tag();
        self.commits.insert(tag, commits);
        cx.ask(tag, body);
    }

    fn committed(&mut self, cx: &mut Cx, tag: u64, body: &OffsetCommitResponse) {
        let Some(commits) = self.commits.remove(&tag) else { return };
        let mut worst = None;
        for topic in &body.topics {
            let index = match topic.topic_id.is_zero() {
                true => cx.model.topic_named(&topic.name),
                false => cx.model.topic_with_id(topic.topic_id),
            };
            let Some(topic_index) = index else { continue };
            for row in &topic.partitions {
                let Some(id) = commits.get(&LogName { topic: topic_index, partition: row.partition_index }) else {
                    continue;
                };
                let error = ErrorCode::from_code(row.error_code).unwrap_or(ErrorCode::UnknownServerError);
                match error {
                    ErrorCode::None => cx.model.group(&self.habits.group).committed(*id, true),
                    ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::RebalanceInProgress => {
                        cx.model.group(&self.habits.group).committed(*id, false);
                        worst = Some(error);
                    }
                    error => worst = Some(error),
                }
            }
        }
        if let Some(error) = worst {
            return self.stumbled(cx, error);
        }
        cx.model.mark("offsets committed");
        self.proved |= self.finishing;
        if self.generation < self.floor {
            let text = format!("a commit of generation {} was taken after {}", self.generation, self.floor);
            cx.model.find("stale commit", format!("{}: {text}", self.habits.group));
        }
    }

    fn leave(&mut self, cx: &mut Cx) {
        let mut body = LeaveGroupRequest { group_id: self.group(), ..Default::default() };
        if cx.versions.of(ApiKey::LeaveGroup) < 3 {
            body.member_id = Str::from(self.id.as_str());
        } else {
            let member_id = Str::from(self.id.as_str());
            body.members = vec![MemberIdentity { member_id, ..Default::default() }];
        }
        let tag = self.tag();
        cx.ask(tag, body);
        cx.model.mark("leaves");
        self.id.clear();
        self.rest(cx, 3_000);
    }

    fn rest(&mut self, cx: &mut Cx, most_ms: u64) {
        self.stage = Stage::Resting;
        self.positions.clear();
        let wait = cx.rng.between(1, most_ms);
        cx.wake_in(Duration::from_millis(wait));
    }

    /// An error of the group: what a real member does then.
    fn stumbled(&mut self, cx: &mut Cx, error: ErrorCode) {
        match error {
            ErrorCode::UnknownMemberId => {
                cx.model.mark("members forgotten");
                self.id.clear();
                self.rest(cx, 100);
            }
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress => {
                cx.model.mark("rebalances met");
                self.rest(cx, 20);
            }
            ErrorCode::MemberIdRequired => self.rest(cx, 1),
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable if cx.model.cluster => {
                cx.model.mark("coordinators moved");
                self.positions.clear();
                self.stage = Stage::Lonely;
                cx.wake_in(Duration::from_millis(100));
            }
            error if error.is_retriable() => {
                cx.model.mark("group requests retried");
                self.rest(cx, 300);
            }
            ErrorCode::UnknownServerError => self.rest(cx, 300),
            error => cx.model.find("group", format!("{}: {error:?}", self.habits.group)),
        }
    }
}

impl Actor for Member {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => directory::ask(cx, &self.habits.topics),
            Happened::Answer { tag: DIRECTORY, body } => match self.directory.answered(cx, &self.habits.topics, body) {
                true => self.find(cx),
                false => cx.hang_up(),
            },
            Happened::Answer { body: Response::FindCoordinator(body), .. } if self.stage == Stage::Finding => {
                self.found(cx, &body)
            }
            Happened::Answer { body: Response::JoinGroup(body), .. } if self.stage == Stage::Joining => {
                self.joined(cx, &body);
            }
            Happened::Answer { body: Response::SyncGroup(body), .. } if self.stage == Stage::Syncing => {
                self.synchronised(cx, &body);
            }
            Happened::Answer { body: Response::OffsetFetch(body), .. } if self.stage == Stage::Fetching => {
                self.offsets_fetched(cx, &body);
            }
            Happened::Answer { tag, body: Response::OffsetCommit(body) } => self.committed(cx, tag, &body),
            Happened::Answer { body: Response::Heartbeat(body), .. } => {
                self.beating = false;
                let error = ErrorCode::from_code(body.error_code).unwrap_or(ErrorCode::UnknownServerError);
                let matters = matches!(self.stage, Stage::Stable | Stage::Syncing | Stage::Fetching);
                if error != ErrorCode::None && matters {
                    self.stumbled(cx, error);
                }
            }
            Happened::Answer { .. } => {}
            Happened::Down { .. } => {
                self.commits.clear();
                self.beating = false;
                self.stage = Stage::Learning;
            }
            Happened::Wake if self.stage == Stage::Resting => self.join(cx),
            Happened::Wake if self.stage == Stage::Lonely && cx.up => self.find(cx),
            Happened::Wake => self.go_on(cx),
        }
    }

    fn is_done(&self) -> bool {
        self.proved
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}

/// What the Java consumer sends as the metadata of a protocol, version 0.
fn subscription(topics: &[String]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        put_text(&mut bytes, topic);
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes
}

/// What its leader gives to a member, version 0.
fn assignment(cx: &Cx, logs: &[LogName]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend((logs.len() as i32).to_be_bytes());
    for log in logs {
        put_text(&mut bytes, &cx.model.topics[log.topic].name);
        bytes.extend(1i32.to_be_bytes());
        bytes.extend(log.partition.to_be_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes
}

/// The partitions of an assignment; none if there is no assignment at all.
fn assigned(cx: &Cx, bytes: &[u8]) -> Option<Vec<LogName>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut left = bytes.strip_prefix(&[0, 0])?;
    let mut logs = Vec::new();
    for _ in 0..take_i32(&mut left)? {
        let (len, rest) = left.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        left = rest;
        let topic = cx.model.topic_named(std::str::from_utf8(name).ok()?)?;
        for _ in 0..take_i32(&mut left)? {
            logs.push(LogName { topic, partition: take_i32(&mut left)? });
        }
    }
    (take_i32(&mut left)? == -1 && left.is_empty()).then_some(logs)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as i16).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn take_i32(left: &mut &[u8]) -> Option<i32> {
    let (taken, rest) = left.split_first_chunk::<4>()?;
    *left = rest;
    Some(i32::from_be_bytes(*taken))
}
