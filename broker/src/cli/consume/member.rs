//! Membership in a consumer group by the classic protocol.
//!
//! | request | when | what an error means |
//! |---|---|---|
//! | JoinGroup | at first, and when the group rebalances | a new member id, another coordinator, or the end |
//! | SyncGroup | after it; the leader says who reads what | the group rebalances again |
//! | Heartbeat | every second | the group rebalances, or we were taken for dead |
//! | OffsetCommit | every second and at the end | the same |
//! | LeaveGroup | at the end | nothing |

use super::assign::{Assignment, range};
use crate::cli::cluster::Cluster;
use crate::cli::mistake::{Mistake, check};
use crate::cli::{Done, interrupt};
use bytes::Bytes;
use ottla_core::msg::heartbeat::HeartbeatRequest;
use ottla_core::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use ottla_core::msg::leave_group::{LeaveGroupRequest, MemberIdentity};
use ottla_core::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_core::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_core::msg::record::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use ottla_core::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use ottla_core::msg::{Request, Response};
use ottla_core::types::{ErrorCode, Str};
use ottla_core::wire;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One member that reads one topic.
pub struct Member {
    cluster: Cluster,
    group: Str,
    topic: String,
    coordinator: i32,
    member_id: Str,
    generation: i32,
    /// Must it join, for the first time or again?
    is_out: bool,
    beaten: Instant,
    /// When offsets were last committed, and which.
    kept: Instant,
    committed: BTreeMap<i32, i64>,
}

impl Member {
    /// Finds the group's coordinator.
    pub fn new(bootstrap: &str, group: &str, topic: &str) -> Done<Self> {
        let mut cluster = Cluster::connect(bootstrap)?;
        let coordinator = cluster.coordinator(group)?;
        Ok(Self {
            cluster,
            group: group.into(),
            topic: topic.into(),
            coordinator,
            member_id: Str::new(),
            generation: -1,
            is_out: true,
            beaten: Instant::now(),
            kept: Instant::now(),
            committed: BTreeMap::new(),
        })
    }

    /// Must [`Member::join`] be called before more is read?
    pub fn is_out(&self) -> bool {
        self.is_out
    }

    /// Joins the group, and waits until its members agree. What this one reads from now on.
    pub fn join(&mut self) -> Done<Vec<i32>> {
        let started = Instant::now();
        loop {
            match self.join_once() {
                Ok(assigned) => {
                    self.is_out = false;
                    self.beaten = Instant::now();
                    self.committed.clear();
                    return Ok(assigned);
                }
                Err(mistake) => {
                    let is_late = started.elapsed() > JOIN_MAX || interrupt::is_asked();
                    if is_late || !self.goes_on_after(&mistake)? {
                        return Err(mistake);
                    }
                }
            }
        }
    }

    fn join_once(&mut self) -> Done<Vec<i32>> {
        let subscription =
            ConsumerProtocolSubscription { topics: vec![self.topic.as_str().into()], ..Default::default() };
        let metadata = wire::encode_versioned(&subscription, SUBSCRIPTION_VERSION);
        let metadata =
            metadata.map_err(|fault| Mistake::new(format!("the subscription cannot be written: {fault}")))?;
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            member_id: self.member_id.clone(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![JoinGroupRequestProtocol { name: PROTOCOL.into(), metadata }],
            ..Default::default()
        };
        let Response::JoinGroup(joined) = self.ask(request, JOIN_MAX)? else { return Err(Mistake::odd("the broker")) };
        if joined.error_code == ErrorCode::MemberIdRequired.code() {
            self.member_id = joined.member_id.clone();
        }
        check(joined.error_code, None, &format!("group {}", self.group))?;
        self.member_id = joined.member_id.clone();
        self.generation = joined.generation_id;
        let is_leader = joined.leader == joined.member_id && !joined.skip_assignment;
        let assignments = if is_leader { self.assign(&joined)? } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: Some(PROTOCOL.into()),
            assignments,
            ..Default::default()
        };
        let Response::SyncGroup(synced) = self.ask(request, JOIN_MAX)? else { return Err(Mistake::odd("the broker")) };
        check(synced.error_code, None, &format!("group {}", self.group))?;
        self.assigned(synced.assignment)
    }

    /// As the leader: who reads what, for every topic that any member reads.
    fn assign(&mut self, joined: &JoinGroupResponse) -> Done<Vec<SyncGroupRequestAssignment>> {
        let mut subscribers = BTreeMap::new();
        for member in &joined.members {
            let read = wire::decode_versioned::<ConsumerProtocolSubscription>(member.metadata.clone(), BUDGET_BYTES);
            let (_, subscription) = read.map_err(|fault| unreadable(&self.group, &member.member_id, &fault))?;
            let topics: Vec<String> = subscription.topics.iter().map(ToString::to_string).collect();
            subscribers.insert(member.member_id.to_string(), topics);
        }
        let mut names: Vec<&str> = subscribers.values().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let told = self.cluster.metadata(Some(&names), false)?;
        let count = |topic: &ottla_core::msg::metadata::MetadataResponseTopic| {
            (topic.name.as_deref().unwrap_or_default().to_owned(), i32::try_from(topic.partitions.len()).unwrap_or(0))
        };
        packed(&range(&subscribers, &told.topics.iter().map(count).collect()))
    }

    fn assigned(&self, assignment: Bytes) -> Done<Vec<i32>> {
        if assignment.is_empty() {
            return Ok(Vec::new());
        }
        let read = wire::decode_versioned::<ConsumerProtocolAssignment>(assignment, BUDGET_BYTES);
        let (_, assignment) = read.map_err(|fault| unreadable(&self.group, "its leader", &fault))?;
        let ours = assignment.assigned_partitions.into_iter().filter(|one| one.topic == self.topic.as_str());
        Ok(ours.flat_map(|one| one.partitions).collect())
    }

    /// What the group committed of these partitions, where it did.
    pub fn committed(&mut self, partitions: &[i32]) -> Done<BTreeMap<i32, i64>> {
        let topic = OffsetFetchRequestTopics {
            name: self.topic.as_str().into(),
            partition_indexes: partitions.to_vec(),
            ..Default::default()
        };
        let group =
            OffsetFetchRequestGroup { group_id: self.group.clone(), topics: Some(vec![topic]), ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
        let Response::OffsetFetch(told) = self.ask(request, ANSWER_MAX)? else {
            return Err(Mistake::odd("the broker"));
        };
        let mut committed = BTreeMap::new();
        for group in told.groups {
            check(group.error_code, None, &format!("group {}", self.group))?;
            for one in group.topics.into_iter().flat_map(|topic| topic.partitions) {
                check(one.error_code, None, &format!("group {}", self.group))?;
                if one.committed_offset >= 0 {
                    committed.insert(one.partition_index, one.committed_offset);
                }
            }
        }
        Ok(committed)
    }

    /// Shows that we live, and commits what was printed, each as often as is due.
    pub fn tend(&mut self, positions: &BTreeMap<i32, i64>) -> Done<()> {
        if self.beaten.elapsed() >= BEAT_EVERY {
            self.beaten = Instant::now();
            let beaten = self.beat();
            if let Err(mistake) = beaten {
                // While the group gathers, what was read under the old assignment can still be committed.
                if mistake.code() == Some(ErrorCode::RebalanceInProgress) {
                    self.commit(positions).or_else(|mistake| self.forgive(mistake))?;
                }
                self.forgive(mistake)?;
            }
        }
        if !self.is_out && self.kept.elapsed() >= COMMIT_EVERY {
            self.commit(positions).or_else(|mistake| self.forgive(mistake))?;
        }
        Ok(())
    }

    fn beat(&mut self) -> Done<()> {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            ..Default::default()
        };
        let Response::Heartbeat(told) = self.ask(request, ANSWER_MAX)? else { return Err(Mistake::odd("the broker")) };
        check(told.error_code, None, &format!("group {}", self.group))
    }

    fn commit(&mut self, positions: &BTreeMap<i32, i64>) -> Done<()> {
        self.kept = Instant::now();
        let new: BTreeMap<i32, i64> = positions
            .iter()
            .filter(|(index, offset)| self.committed.get(index) != Some(offset))
            .map(|(index, offset)| (*index, *offset))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let partition = |(index, offset): (&i32, &i64)| OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_metadata: Some(Str::new()),
            ..Default::default()
        };
        let partitions = new.iter().map(partition).collect();
        let topic = OffsetCommitRequestTopic { name: self.topic.as_str().into(), partitions, ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone(),
            topics: vec![topic],
            ..Default::default()
        };
        let Response::OffsetCommit(told) = self.ask(request, ANSWER_MAX)? else {
            return Err(Mistake::odd("the broker"));
        };
        for one in told.topics.into_iter().flat_map(|topic| topic.partitions) {
            check(one.error_code, None, &format!("group {}: {}-{}", self.group, self.topic, one.partition_index))?;
        }
        self.committed.extend(new);
        Ok(())
    }

    /// Commits what was printed and leaves, so that the others need not wait until we are missed.
    pub fn leave(&mut self, positions: &BTreeMap<i32, i64>) -> Done<()> {
        if self.member_id.is_empty() {
            return Ok(());
        }
        let was_out = std::mem::replace(&mut self.is_out, true);
        let committed = if was_out { Ok(()) } else { self.commit(positions) };
        if was_out {
            // A JoinGroup that waits for the others would hold up whatever follows it on its connection.
            self.cluster.forget();
        }
        let reason = Some("the command line ended".into());
        let identity = MemberIdentity { member_id: self.member_id.clone(), reason, ..Default::default() };
        let request = LeaveGroupRequest { group_id: self.group.clone(), members: vec![identity], ..Default::default() };
        let left = self.ask(request, ANSWER_MAX);
        committed.and(left.map(drop))
    }

    fn ask(&mut self, request: impl Into<Request>, patience: Duration) -> Done<Response> {
        let remote = self.cluster.broker(self.coordinator)?;
        remote.send(request)?;
        remote.receive(patience)
    }

    /// A failure between joining and leaving: out, and to be joined again, if that can help.
    fn forgive(&mut self, mistake: Mistake) -> Done<()> {
        if self.goes_on_after(&mistake)? {
            self.is_out = true;
            return Ok(());
        }
        Err(mistake)
    }

    /// Makes ready for joining again after a failure; false if that cannot help.
    fn goes_on_after(&mut self, mistake: &Mistake) -> Done<bool> {
        match mistake.code() {
            Some(ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress) => Ok(true),
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.member_id = Str::new();
                Ok(true)
            }
            _ if mistake.is_retriable() => {
                if mistake.is_lost() {
                    self.cluster.forget();
                }
                std::thread::sleep(PAUSE);
                self.coordinator = self.cluster.coordinator(&self.group)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn packed(assignment: &Assignment) -> Done<Vec<SyncGroupRequestAssignment>> {
    let partition = |(topic, partitions): (&String, &Vec<i32>)| TopicPartition {
        topic: topic.as_str().into(),
        partitions: partitions.clone(),
    };
    let mut assignments = Vec::new();
    for (member, topics) in assignment {
        let assigned_partitions = topics.iter().map(partition).collect();
        let message = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
        let assignment = wire::encode_versioned(&message, SUBSCRIPTION_VERSION);
        let assignment =
            assignment.map_err(|fault| Mistake::new(format!("the assignment cannot be written: {fault}")))?;
        assignments.push(SyncGroupRequestAssignment { member_id: member.as_str().into(), assignment });
    }
    Ok(assignments)
}

fn unreadable(group: &str, who: &str, fault: &wire::WireError) -> Mistake {
    Mistake::new(format!("group {group}: what {who} tells cannot be read: {fault}")).then("use another --group")
}

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "range";
/// Read by every client of the last years.
const SUBSCRIPTION_VERSION: i16 = 1;
const SESSION_MS: i32 = 45_000;
const REBALANCE_MS: i32 = 60_000;
/// The coordinator waits for the others as long as the most patient of them asked for; the Java consumer's default is
/// five minutes.
const JOIN_MAX: Duration = Duration::from_secs(310);
const ANSWER_MAX: Duration = Duration::from_secs(30);
const BEAT_EVERY: Duration = Duration::from_secs(1);
const COMMIT_EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);
const BUDGET_BYTES: usize = 4 << 20;
