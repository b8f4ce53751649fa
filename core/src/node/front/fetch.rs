//! Fetch: what may be read is asked of every partition; the answer leaves when there is enough, or the time is over.

use super::session::{Room, SessionUse, Wanted};
use super::{Body, Front, FrontCx, FrontOut, Pending, key, topic_id};
use crate::boundary::{Effect, Slot};
use crate::metadata::Broker;
use crate::msg::Response;
use crate::msg::fetch::{EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use crate::node::lane::{Near, Order, PartAsk};
use crate::partition::{FollowerFetch, PartKey, ReadAsk, Readable};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogId, Offset, Str, Ticket};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// A fetch that waits for its parts, or for more bytes.
#[derive(Clone, Hash, Debug)]
pub struct PendingFetch {
    parts: Vec<Part>,
    /// Fewer bytes than this are not worth an answer yet.
    bytes_min: u64,
    /// Bound on all record bytes of the answer.
    bytes_max: u32,
    /// The reader sees only what committed transactions wrote.
    committed_only: bool,
    session: SessionUse,
    /// The request's version.
    version: i16,
    /// Present if a follower asks: which, and in which life.
    follower: Option<(BrokerId, BrokerEpoch)>,
    /// The follower only looks: it wants no session, and acknowledges nothing.
    is_glance: bool,
    /// A client that knows of reading from followers.
    reads_anywhere: bool,
    /// Where such a client is to be sent, if anywhere.
    near: Near,
    /// A follower is told at once of what is committed, since consumers read there.
    hurries: bool,
    /// So many parts had their turn to be asked.
    asked: usize,
    /// With fewer bytes than this to be read a partition is watched.
    watch_below: u64,
}

/// One partition of a fetch, in the order of service.
#[derive(Clone, Hash, Debug)]
struct Part {
    wanted: Wanted,
    log: Option<LogId>,
    readable: Readable,
}

impl Part {
    /// How many bytes may go out of it, as far as that is known.
    fn bytes(&self) -> u64 {
        self.readable.bytes.min(u64::from(self.wanted.bytes_max))
    }
}

impl PendingFetch {
    /// Asks up to `most` parts more; false once all were asked.
    fn ask(&mut self, ticket: Ticket, most: usize, out: &mut Vec<FrontOut>) -> bool {
        let end = self.parts.len().min(self.asked.saturating_add(most));
        for at in core::mem::replace(&mut self.asked, end)..end {
            let Part { wanted, log: Some(log), .. } = &self.parts[at] else { continue };
            let ask = self.part_ask(wanted);
            out.push(FrontOut::Order(*log, Order::Ask(*log, key(ticket, 0, at), ask)));
        }
        end < self.parts.len()
    }

    fn part_ask(&self, wanted: &Wanted) -> PartAsk {
        // A session that a later version began may still know it.
        let last_fetched = if self.version < LEADER_VERSION { LeaderEpoch::NONE } else { wanted.last_fetched };
        // One that may give less than it has may not be enough with all its bytes: whatever becomes of it is to be heard of.
        let is_short = u64::from(wanted.bytes_max) < self.watch_below;
        let watch_below = if is_short { u64::MAX } else { self.watch_below };
        let (from, current_epoch) = (wanted.from, wanted.current_epoch);
        match self.follower {
            None => {
                let only_leader = !self.reads_anywhere;
                let ask = ReadAsk { from, current_epoch, last_fetched, watch_below, only_leader };
                PartAsk::Read(ask, self.near.clone())
            }
            Some(follower) => {
                let (log_start, is_glance) = (wanted.log_start, self.is_glance);
                let fetch = FollowerFetch { from, current_epoch, last_fetched, log_start, watch_below, is_glance };
                PartAsk::Follow(follower, fetch)
            }
        }
    }

    /// A partition told what may be read of it.
    pub fn learn(&mut self, key: PartKey, readable: Readable) {
        self.parts[key.partition as usize].readable = readable;
    }

    /// Is there a reason to answer now? What is throttled is none while the throttle is closed.
    pub fn is_satisfied(&self, is_throttled: bool) -> bool {
        let mut bytes = 0;
        for part in &self.parts {
            let is_news = self.hurries && part.wanted.told < part.readable.high_watermark;
            if part.readable.is_urgent() || is_news {
                return true;
            }
            if self.is_glance || !(is_throttled && part.readable.is_throttled) {
                bytes += part.bytes();
            }
        }
        bytes >= self.bytes_min || self.parts.is_empty()
    }

    /// Leaves out what the throttle holds back if it is closed. Gives the bytes that it lets through, or more where that is not
    /// known.
    fn throttle(&mut self, is_closed: bool) -> u64 {
        if self.is_glance {
            // It is shown a batch at most, and takes what it is told for the leader's end.
            return 0;
        }
        let mut bytes = 0;
        for part in self.parts.iter_mut().filter(|part| part.readable.is_throttled && !part.readable.is_urgent()) {
            if is_closed {
                (part.readable.bytes, part.readable.end) = (0, part.wanted.from);
            }
            bytes += part.bytes();
        }
        bytes.min(u64::from(self.bytes_max))
    }

    /// Nobody waits for this fetch any more.
    pub fn unwatch(&self, ticket: Ticket, out: &mut Vec<FrontOut>) {
        let logs = self.parts.iter().filter_map(|part| part.log);
        out.extend(logs.map(|log| FrontOut::Order(log, Order::Unwatch(log, ticket))));
    }
}

impl Front {
    /// A consumer's request.
    pub fn fetch(
        &mut self,
        cx: &mut FrontCx<'_>,
        (ticket, listener, version): (Ticket, usize, i16),
        request: FetchRequest,
        out: &mut Vec<FrontOut>,
    ) {
        let near = near(cx, listener, version, &request.rack_id);
        let replica = match version {
            15.. => (request.replica_state.replica_id, request.replica_state.replica_epoch),
            _ => (request.replica_id, BrokerEpoch::NONE.0),
        };
        let follower = (replica.0 >= 0).then_some((BrokerId(replica.0), BrokerEpoch(replica.1)));
        let bytes_max = bound(request.max_bytes).min(cx.config.fetch.bytes_max);
        let bytes_min = u64::from(bound(request.min_bytes)).min(u64::from(bytes_max));
        let wait = Duration::from_millis(u64::from(bound(request.max_wait_ms)));
        let committed_only = request.isolation_level == 1;
        let is_glance = follower.is_some() && request.session_epoch < 0;
        let (session, wanted) = match self.sessions.open(cx, (version, follower), request) {
            Ok(opened) => opened,
            Err(error) => {
                let response = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
                let body = Some(Response::Fetch(response));
                return out.push(FrontOut::Effect(Effect::Reply { ticket, body }));
            }
        };
        let mut parts = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let id = topic_id(cx.image, &wanted.name, wanted.id);
            let log = id.ok().map(|topic| LogId { topic, partition: wanted.partition });
            let error = id.err().unwrap_or(ErrorCode::UnknownServerError);
            parts.push(Part { wanted, log, readable: Readable::error(error) });
        }
        let left = parts.iter().filter(|part| part.log.is_some()).count();
        let watch_below = if wait.is_zero() { 0 } else { bytes_min };
        let fetch = PendingFetch {
            parts,
            bytes_min,
            bytes_max,
            committed_only,
            session,
            version,
            follower,
            is_glance,
            reads_anywhere: version >= RACK_VERSION,
            near,
            hurries: cx.config.replica.reads_by_rack && follower.is_some(),
            asked: 0,
            watch_below,
        };
        let deadline = Some(cx.now.mono + wait);
        self.register(ticket, Pending { left, deadline, body: Body::Fetch(Box::new(fetch)) });
        if left == 0 {
            return self.joined(cx, ticket, out);
        }
        let most = if left <= self.cost_max { usize::MAX } else { self.cost_max.div_ceil(4) };
        self.ask_on(cx, ticket, most, out);
    }

    /// Asks the next partitions of a fetch. Where they are many, others have their turn between them.
    pub(super) fn ask_on(&mut self, cx: &FrontCx<'_>, ticket: Ticket, most: usize, out: &mut Vec<FrontOut>) {
        // Its connection may have closed since.
        let Some(Pending { body: Body::Fetch(fetch), .. }) = self.pending.get_mut(&ticket) else { return };
        if fetch.ask(ticket, most, out) {
            self.asking.push_back(ticket);
            self.ask_at = Some(cx.now.mono);
        }
    }

    /// The answer leaves; the store fills in the records.
    pub(super) fn serve(&mut self, cx: &FrontCx<'_>, ticket: Ticket, mut fetch: PendingFetch, out: &mut Vec<FrontOut>) {
        fetch.unwatch(ticket, out);
        let rate = cx.config.replica.leader_rate;
        let throttled = fetch.throttle(self.throttle.opens_at(cx.now, rate).is_some());
        self.throttle.spend(cx.now, rate, throttled);
        let mut response = FetchResponse { session_id: fetch.session.id(), ..FetchResponse::default() };
        let mut slots = Vec::new();
        let mut room = Room::new(fetch.bytes_max);
        for part in &fetch.parts {
            let one = (&part.wanted, &part.readable);
            if !self.sessions.is_worth_telling(cx.now.mono, fetch.session, one, &mut room) {
                continue;
            }
            let topic = place_of(&mut response.responses, part);
            let partitions = &mut response.responses[topic].partitions;
            if let Some(slot) = slot_of(part, topic, partitions.len(), fetch.committed_only) {
                slots.push(slot);
            }
            partitions.push(told(cx, &fetch, part));
        }
        if slots.is_empty() {
            let body = Some(Response::Fetch(response));
            return out.push(FrontOut::Effect(Effect::Reply { ticket, body }));
        }
        self.serving.insert(ticket);
        out.push(FrontOut::Effect(Effect::Serve { ticket, body: response, slots, bytes_max: fetch.bytes_max }));
    }
}

/// The brokers of the rack that a client tells, where a leader is to send it to followers of that rack: all of them if this
/// broker is not one of them. They must be reachable where the client is.
fn near(cx: &FrontCx<'_>, listener: usize, version: i16, rack: &Str) -> Near {
    if !cx.config.replica.reads_by_rack || version < RACK_VERSION || rack.is_empty() {
        return None;
    }
    let me = cx.config.broker.id;
    let name = cx.config.broker.listeners.get(listener).map(|listener| listener.name.as_str())?;
    let is_there = |broker: &&Arc<Broker>| broker.rack.as_ref() == Some(rack) && !broker.fenced;
    let there = cx.image.brokers().filter(is_there).filter(|broker| broker.endpoint(name).is_some());
    let near: Vec<BrokerId> = there.map(|broker| broker.id).collect();
    (!near.is_empty() && !near.contains(&me)).then(|| near.into())
}

/// Parts of one topic that follow each other share its entry.
fn place_of(topics: &mut Vec<FetchableTopicResponse>, part: &Part) -> usize {
    let continues = topics.last().is_some_and(|last| last.topic == part.wanted.name && last.topic_id == part.wanted.id);
    if !continues {
        topics.push(FetchableTopicResponse {
            topic: part.wanted.name.clone(),
            topic_id: part.wanted.id,
            partitions: Vec::new(),
        });
    }
    topics.len() - 1
}

fn slot_of(part: &Part, topic: usize, partition: usize, committed_only: bool) -> Option<Slot> {
    let log = part.log?;
    let end = if committed_only { part.readable.last_stable } else { part.readable.end };
    if part.readable.is_urgent() || part.wanted.from >= end {
        return None;
    }
    Some(Slot { topic, partition, log, from: part.wanted.from, end, bytes_max: part.wanted.bytes_max })
}

/// All that is said of a partition but its records. Where the leader and divergence have no field the error alone says it. What
/// ends for a follower is what it may be given, transactions or not.
fn told(cx: &FrontCx<'_>, fetch: &PendingFetch, part: &Part) -> PartitionData {
    let stable = if fetch.follower.is_some() { part.readable.end } else { part.readable.last_stable };
    let mut data = PartitionData {
        partition_index: part.wanted.partition,
        error_code: part.readable.error.code(),
        high_watermark: part.readable.high_watermark.0,
        last_stable_offset: stable.0,
        log_start_offset: part.readable.log_start.0,
        records: crate::record::Records::EMPTY,
        ..PartitionData::default()
    };
    if let Some((epoch, end)) = part.readable.diverging {
        data.diverging_epoch = EpochEndOffset { epoch: epoch.0, end_offset: end.0 };
    }
    if let Some(follower) = part.readable.elsewhere {
        data.preferred_read_replica = follower.0;
    }
    let is_elsewhere = matches!(part.readable.error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    if is_elsewhere && fetch.version >= LEADER_VERSION {
        let partition = part.log.and_then(|log| cx.image.partition(log));
        data.current_leader.leader_id = partition.map_or(-1, |partition| partition.leader.0);
        data.current_leader.leader_epoch = partition.map_or(-1, |partition| partition.leader_epoch.0);
    }
    data
}

/// A size that a client may have written as a negative number.
pub(super) fn bound(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// From this version on a client tells its rack, and takes an answer that sends it to a follower (KIP-392).
const RACK_VERSION: i16 = 11;
/// From this version on an answer can tell the leader, and where histories part (KIP-320, KIP-595).
const LEADER_VERSION: i16 = 12;

const _: () = {
    // "Nobody" and "no offset" are told apart from every real one by their sign alone.
    assert!(BrokerId::NONE.0 < 0 && Offset::NONE.0 < 0);
};
