//! The front: splits each request by partition, and joins the answers.
//!
//! A pending request is named by its ticket. It owns the skeleton of its answer, filled with the error that is true if
//! nobody ever answers; each part that comes back overwrites its place, and the last one sends the whole.

mod fetch;
mod offsets;
mod produce;
mod session;

use fetch::PendingFetch;
use session::Sessions;

use super::directories::Directories;
use super::lane::{Order, PartAsk};
use super::throttle::Throttle;
use crate::boundary::{Effect, Ignored, Note};
use crate::config::Config;
use crate::metadata::Image;
use crate::msg::Response;
use crate::msg::delete_records::DeleteRecordsResponse;
use crate::msg::describe_log_dirs::DescribeLogDirsResponse;
use crate::msg::describe_producers::DescribeProducersResponse;
use crate::msg::list_offsets::ListOffsetsResponse;
use crate::msg::offset_for_leader_epoch::OffsetForLeaderEpochResponse;
use crate::msg::produce::ProduceResponse;
use crate::partition::{Answer, PartKey, Readable};
use crate::types::{ConnId, ErrorCode, LogId, Mono, Now, Rng, Str, Ticket, Uuid};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// All requests that wait for their parts.
#[derive(Clone, Hash, Debug)]
pub struct Front {
    pending: BTreeMap<Ticket, Pending>,
    /// Fetches of which not all partitions were asked, in turn.
    asking: VecDeque<Ticket>,
    /// When the next of them goes on.
    ask_at: Option<Mono>,
    /// So many partitions are asked at once.
    cost_max: usize,
    deadlines: BTreeSet<(Mono, Ticket)>,
    sessions: Sessions,
    /// Fetch answers whose bytes are on their way out.
    serving: BTreeSet<Ticket>,
    /// What followers that are throttled were given.
    throttle: Throttle,
}

/// One request that waits.
#[derive(Clone, Hash, Debug)]
struct Pending {
    /// Parts that have not answered.
    left: usize,
    deadline: Option<Mono>,
    body: Body,
}

/// The answer in the making.
#[derive(Clone, Hash, Debug)]
enum Body {
    Produce(ProduceResponse),
    /// `acks=0`: the flag tells whether a part was refused.
    Silent(bool),
    Fetch(Box<PendingFetch>),
    /// With the version that was asked in.
    ListOffsets(ListOffsetsResponse, i16),
    EpochEnds(OffsetForLeaderEpochResponse),
    DeleteRecords(DeleteRecordsResponse),
    Producers(DescribeProducersResponse),
    LogDirs(DescribeLogDirsResponse),
}

/// What the front may use of the world.
pub struct FrontCx<'a> {
    /// The clocks.
    pub now: Now,
    /// Every setting.
    pub config: &'a Config,
    /// What this broker knows of the cluster.
    pub image: &'a Image,
    /// Where logs are.
    pub directories: &'a Directories,
    /// The node's stream of chance.
    pub rng: &'a mut Rng,
}

/// What the front asks for.
#[derive(Clone, Debug)]
pub enum FrontOut {
    /// Something for the lane that owns the log.
    Order(LogId, Order),
    /// Something for the world.
    Effect(Effect),
    /// For people and oracles.
    Note(Note),
}

impl Front {
    /// Nobody has asked anything. A fetch of more partitions than `cost_max` asks them in many short steps.
    pub fn new(cost_max: usize) -> Self {
        Self {
            pending: BTreeMap::new(),
            asking: VecDeque::new(),
            ask_at: None,
            cost_max,
            deadlines: BTreeSet::new(),
            sessions: Sessions::default(),
            serving: BTreeSet::new(),
            throttle: Throttle::default(),
        }
    }

    /// One part of a pending request was answered.
    pub fn answered(&mut self, cx: &mut FrontCx<'_>, key: PartKey, answer: Answer, out: &mut Vec<FrontOut>) {
        let Some(pending) = self.pending.get_mut(&key.ticket) else {
            return out.push(FrontOut::Note(Note::Ignored(Ignored::TicketVoid)));
        };
        pending.body.fill(key, answer);
        assert!(pending.left > 0, "INV-05: a part answers once: {key:?}");
        pending.left -= 1;
        if pending.left == 0 {
            self.joined(cx, key.ticket, out);
        }
    }

    /// A watched partition can be read further.
    pub fn grew(&mut self, cx: &mut FrontCx<'_>, key: PartKey, readable: Readable, out: &mut Vec<FrontOut>) {
        let Some(pending) = self.pending.get_mut(&key.ticket) else {
            return out.push(FrontOut::Note(Note::Ignored(Ignored::TicketVoid)));
        };
        let Body::Fetch(fetch) = &mut pending.body else { unreachable!("only fetches watch") };
        fetch.learn(key, readable);
        let is_throttled = self.throttle.opens_at(cx.now, cx.config.replica.leader_rate).is_some();
        if pending.left == 0 && fetch.is_satisfied(is_throttled) {
            self.finish(cx, key.ticket, out);
        }
    }

    /// All parts have answered: the answer leaves, unless it is a fetch that waits for more.
    fn joined(&mut self, cx: &mut FrontCx<'_>, ticket: Ticket, out: &mut Vec<FrontOut>) {
        let is_throttled = self.throttle.opens_at(cx.now, cx.config.replica.leader_rate).is_some();
        let pending = &self.pending[&ticket];
        match &pending.body {
            Body::Fetch(fetch)
                if !fetch.is_satisfied(is_throttled) && pending.deadline.is_some_and(|at| at > cx.now.mono) => {}
            Body::Fetch(_)
            | Body::Produce(_)
            | Body::Silent(_)
            | Body::ListOffsets(..)
            | Body::EpochEnds(_)
            | Body::DeleteRecords(_)
            | Body::Producers(_)
            | Body::LogDirs(_) => self.finish(cx, ticket, out),
        }
    }

    /// The answer leaves as it stands.
    fn finish(&mut self, cx: &mut FrontCx<'_>, ticket: Ticket, out: &mut Vec<FrontOut>) {
        let pending = self.forget(ticket).expect("only what is pending is finished");
        let body = match pending.body {
            Body::Produce(response) => Some(Response::Produce(response)),
            Body::Silent(false) => None,
            Body::Silent(true) => return out.push(FrontOut::Effect(Effect::Hangup { conn: ticket.conn })),
            Body::Fetch(fetch) => return self.serve(cx, ticket, *fetch, out),
            Body::ListOffsets(response, _) => Some(Response::ListOffsets(response)),
            Body::EpochEnds(response) => Some(Response::OffsetForLeaderEpoch(response)),
            Body::DeleteRecords(response) => Some(Response::DeleteRecords(response)),
            Body::Producers(response) => Some(Response::DescribeProducers(response)),
            Body::LogDirs(response) => Some(Response::DescribeLogDirs(response)),
        };
        out.push(FrontOut::Effect(Effect::Reply { ticket, body }));
    }

    fn forget(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.pending.remove(&ticket)?;
        if let Some(deadline) = pending.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        Some(pending)
    }

    /// Registers a request before its parts are asked. Without parts it is answered at once.
    fn begin(
        &mut self,
        cx: &mut FrontCx<'_>,
        ticket: Ticket,
        pending: Pending,
        parts: &mut Vec<(LogId, PartKey, PartAsk)>,
        out: &mut Vec<FrontOut>,
    ) {
        let is_complete = pending.left == 0;
        assert_eq!(pending.left, parts.len(), "each part that is waited for is asked");
        self.register(ticket, pending);
        if is_complete {
            return self.joined(cx, ticket, out);
        }
        out.extend(parts.drain(..).map(|(log, key, ask)| FrontOut::Order(log, Order::Ask(log, key, ask))));
    }

    fn register(&mut self, ticket: Ticket, pending: Pending) {
        if let Some(deadline) = pending.deadline {
            self.deadlines.insert((deadline, ticket));
        }
        let before = self.pending.insert(ticket, pending);
        assert!(before.is_none(), "INV-06: a ticket is used once: {ticket:?}");
    }

    /// Requests whose time is over are answered as they stand.
    pub fn wake(&mut self, cx: &mut FrontCx<'_>, out: &mut Vec<FrontOut>) {
        if let Some(ticket) = self.asking.pop_front() {
            self.ask_on(cx, ticket, self.cost_max.div_ceil(4), out);
        }
        self.ask_at = (!self.asking.is_empty()).then_some(cx.now.mono);
        while let Some(&(deadline, ticket)) = self.deadlines.first() {
            if deadline > cx.now.mono {
                return;
            }
            let is_fetch_asking = match &self.pending[&ticket] {
                Pending { body: Body::Fetch(_), left, .. } => *left > 0,
                Pending { .. } => false,
            };
            if is_fetch_asking {
                // Its parts are still on their way from the lanes; `joined` will see that its time is over.
                self.deadlines.remove(&(deadline, ticket));
                continue;
            }
            self.finish(cx, ticket, out);
        }
    }

    /// When the next request runs out of time.
    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(deadline, _)| *deadline).into_iter().chain(self.ask_at).min()
    }

    /// The connection is gone: what it asked is forgotten.
    pub fn closed(&mut self, conn: ConnId, out: &mut Vec<FrontOut>) {
        let tickets: Vec<Ticket> =
            self.pending.range(Ticket::first(conn)..=Ticket::last(conn)).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            let pending = self.forget(ticket).expect("just found");
            if let Body::Fetch(fetch) = pending.body {
                fetch.unwatch(ticket, out);
            }
        }
    }

    /// The bytes of a fetch are out, or will never be.
    pub fn served(&mut self, ticket: Ticket) {
        let was_serving = self.serving.remove(&ticket);
        assert!(was_serving, "INV-07: what was served was being served: {ticket:?}");
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// What must hold between any two steps.
    pub fn check(&self) {
        self.sessions.check();
        for (deadline, ticket) in &self.deadlines {
            let pending = self.pending.get(ticket);
            assert!(
                pending.is_some_and(|pending| pending.deadline == Some(*deadline)),
                "INV-08: a deadline belongs to a pending request: {ticket:?}"
            );
        }
    }
}

impl Body {
    /// One part comes home.
    fn fill(&mut self, key: PartKey, answer: Answer) {
        match (self, answer) {
            (Self::Produce(response), Answer::Produced(outcome)) => produce::fill(response, key, outcome),
            (Self::Silent(refused), Answer::Produced(outcome)) => *refused |= outcome.is_err(),
            (Self::Fetch(fetch), Answer::Readable(readable)) => fetch.learn(key, readable),
            (Self::ListOffsets(response, version), Answer::Offset(outcome)) => {
                offsets::fill_offset(response, *version, key, outcome);
            }
            (Self::EpochEnds(response), Answer::EpochEnd(outcome)) => offsets::fill_epoch(response, key, outcome),
            (Self::DeleteRecords(response), Answer::Trimmed(outcome)) => offsets::fill_trim(response, key, outcome),
            (Self::Producers(response), Answer::Producers(outcome)) => {
                offsets::fill_producers(response, key, outcome);
            }
            (Self::LogDirs(response), Answer::Size(outcome)) => offsets::fill_size(response, key, outcome),
            (body, answer) => unreachable!("a part answers what it was asked: {body:?} {answer:?}"),
        }
    }
}

/// The id of the topic that a request names, by name or (where the name is empty) by id.
fn topic_id(image: &Image, name: &Str, id: Uuid) -> Result<Uuid, ErrorCode> {
    if name.is_empty() && !id.is_zero() {
        return image.topic(id).map(|_| id).ok_or(ErrorCode::UnknownTopicId);
    }
    image.topic_named(name).map(|topic| topic.id).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// The place of a part in its answer.
fn key(ticket: Ticket, topic: usize, partition: usize) -> PartKey {
    let index = |at| u32::try_from(at).expect("a frame holds fewer parts than 2^32");
    PartKey { ticket, topic: index(topic), partition: index(partition) }
}
