//! A broker that does not lead the quorum: it fetches the metadata log from whoever does, and takes up what is committed.
//!
//! ```text
//!   ask ──▶ Call(Fetch) ──▶ Response ──▶ quorum ──▶ Store ──▶ Done ──▶ committed ──▶ load ──▶ image
//!    ▲                                                          │
//!    └────────── at once; after a pause if it went wrong ───────┘
//! ```

use super::Phase;
use crate::boundary::{Effect, Effects, Ignored, Lost, Note, Purpose};
use crate::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData, ReplicaState};
use crate::msg::{Request, Response};
use crate::node::Node;
use crate::node::calls::CallFor;
use crate::quorum::{FetchAsk, FetchTold, Taken, Voter};
use crate::record::check_stored;
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, Str, Uuid};
use alloc::vec::Vec;
use core::time::Duration;

/// How this node follows the metadata log.
#[derive(Clone, Hash, Debug)]
pub struct Observing {
    /// The fetch that is under way, and whom it went to.
    asking: Option<(BrokerId, FetchAsk)>,
    /// Nothing is asked before then.
    ask_at: Mono,
}

impl Observing {
    /// Nothing was asked yet.
    pub fn new(now: Mono) -> Self {
        Self { asking: None, ask_at: now }
    }

    /// When it asks again; at once if the quorum is waiting for that.
    pub fn deadline(&self) -> Option<Mono> {
        self.asking.is_none().then_some(self.ask_at)
    }

    /// There is another leader: what was asked of the last one is of no use any more.
    pub fn turn(&mut self, now: Mono) {
        *self = Self::new(now);
    }
}

impl Node {
    /// Asks the leader for more, unless it was asked already or there is something to be done first.
    pub(super) fn observe(&mut self, now: Now, out: &mut Effects) {
        let Some((whom, ask)) = self.cluster.quorum.ask().filter(|_| self.cluster.retry_at.is_none()) else { return };
        let observing = &self.cluster.observing;
        if observing.asking.is_some() || observing.ask_at > now.mono {
            return;
        }
        let Some(line) = self.cluster.line(whom, Purpose::Metadata) else {
            // Nothing says where it is reached. Who leads then says so, or another is elected.
            self.cluster.observing.ask_at = now.mono + self.config.quorum.retry_backoff;
            return;
        };
        self.cluster.observing.asking = Some((whom, ask));
        // One that is no controller cannot be made a voter: it names no directory to vote with.
        let Voter { id, directory } = self.cluster.life.me;
        let votes = self.config.broker.roles.is_controller();
        let me = Voter { id, directory: if votes { directory } else { Uuid::ZERO } };
        let body = Request::Fetch(request(&self.cluster.id, me, ask));
        let wait = FETCH_WAIT + self.config.quorum.fetch_timeout;
        let call = self.calls.begin(CallFor::Metadata(whom, ask));
        out.push(Effect::Call { call, line, body, wait });
    }

    /// Whoever was asked answered a fetch, or nobody did.
    pub(in crate::node) fn metadata_fetched(
        &mut self,
        now: Now,
        asked: (BrokerId, FetchAsk),
        body: Result<Response, Lost>,
        out: &mut Effects,
    ) {
        if self.cluster.observing.asking == Some(asked) {
            self.cluster.observing.asking = None;
        }
        let told = match body {
            Ok(Response::Fetch(body)) if body.error_code == 0 => self.told(body),
            Ok(Response::Fetch(body)) if body.error_code == ErrorCode::InconsistentClusterId.code() => {
                return self.foreign(now, asked, out);
            }
            Ok(_) | Err(Lost::NotSent | Lost::Unknown) => None,
        };
        let taken = self.with_quorum(now, out, |quorum, cx, said| match told {
            Some(told) => quorum.fetched(asked, told, cx, said),
            None => {
                quorum.unanswered(asked, cx, said);
                Taken::Refused
            }
        });
        if taken == Taken::Unsound {
            out.note(Note::Ignored(Ignored::AnswerUnsound));
        }
        if matches!(taken, Taken::Unsound | Taken::Refused) {
            self.cluster.observing.ask_at = now.mono + self.config.quorum.retry_backoff;
        }
        self.load_on(now, out);
        self.observe(now, out);
    }

    /// Whoever was asked belongs to another cluster: only people can mend that, and haste is of no use.
    fn foreign(&mut self, now: Now, asked: (BrokerId, FetchAsk), out: &mut Effects) {
        if let Some(line) = self.cluster.line(asked.0, Purpose::Metadata) {
            let (leader, host, port) = (line.to, line.host.clone(), line.port);
            out.note(Note::ForeignCluster { leader, host, port, own: self.cluster.id.clone() });
        }
        self.with_quorum(now, out, |quorum, cx, said| quorum.unanswered(asked, cx, said));
        self.cluster.observing.ask_at = now.mono + FOREIGN_PAUSE;
    }

    /// What an answer says of the metadata log; nothing if it does not, or if its records are broken.
    fn told(&mut self, body: FetchResponse) -> Option<FetchTold> {
        let topic = body.responses.into_iter().next().filter(|topic| topic.topic_id == Uuid::METADATA_TOPIC)?;
        let PartitionData {
            error_code,
            high_watermark,
            log_start_offset,
            diverging_epoch,
            current_leader,
            records,
            ..
        } = topic.partitions.into_iter().find(|partition| partition.partition_index == 0)?;
        let diverging = (diverging_epoch.epoch >= 0)
            .then_some((LeaderEpoch(diverging_epoch.epoch), Offset(diverging_epoch.end_offset)));
        let batches: Result<Vec<_>, _> = check_stored(records.to_bytes(), &self.functions).collect();
        let endpoint = body.node_endpoints.into_iter().find(|node| node.node_id == current_leader.leader_id);
        let endpoint = endpoint.and_then(|node| Some((node.host, u16::try_from(node.port).ok()?)));
        let leader = self.known_leader(current_leader.leader_id, endpoint);
        Some(FetchTold {
            error: ErrorCode::from_code(error_code).unwrap_or(ErrorCode::UnknownServerError),
            term: LeaderEpoch(current_leader.leader_epoch),
            leader,
            high_watermark: Offset(high_watermark),
            log_start: Offset(log_start_offset),
            diverging,
            batches: batches.ok()?,
        })
    }

    /// All that is known to be committed is applied.
    pub(super) fn observed(&mut self, now: Now, out: &mut Effects) {
        if self.cluster.phase == Phase::Loading && self.cluster.quorum.is_caught_up() {
            self.cluster.phase = if self.config.broker.roles.is_broker() { Phase::Registering } else { Phase::Ready };
            self.enlist(now, out);
        }
    }
}

fn request(cluster: &Str, me: Voter, ask: FetchAsk) -> FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: ask.term.0,
        fetch_offset: ask.from.0,
        last_fetched_epoch: ask.last.0,
        log_start_offset: -1,
        partition_max_bytes: FETCH_BYTES,
        replica_directory_id: me.directory,
        high_watermark: ask.high_watermark.0,
    };
    let topic =
        FetchTopic { topic_id: Uuid::METADATA_TOPIC, partitions: alloc::vec![partition], ..FetchTopic::default() };
    FetchRequest {
        cluster_id: Some(cluster.clone()),
        replica_state: ReplicaState { replica_id: me.id.0, replica_epoch: BrokerEpoch::NONE.0 },
        max_wait_ms: i32::try_from(FETCH_WAIT.as_millis()).expect("half a second"),
        min_bytes: 0,
        max_bytes: FETCH_BYTES,
        topics: alloc::vec![topic],
        ..FetchRequest::default()
    }
}

/// How long a leader may keep a fetch that there is no news for.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// After so long a node of another cluster is asked again.
const FOREIGN_PAUSE: Duration = Duration::from_secs(5);
/// So much of the metadata log is fetched at a time: its checksums are a short step.
const FETCH_BYTES: i32 = 1 << 20;
