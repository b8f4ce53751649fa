//! Requests about groups: cut by coordinator on their way in, put together again on their way out.

use super::Node;
use crate::boundary::{Asker, Effect, Effects};
use crate::group::split::{join, split};
use crate::group::topics::{Aside, KnownTopics, complete, resolve};
use crate::group::{Ask, Caller, coordinator_partition};
use crate::metadata::Image;
use crate::msg::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{BrokerId, ConnId, ErrorCode, LogId, Now, Str, Ticket, Uuid};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Requests about groups that wait for their coordinators.
#[derive(Clone, Hash, Debug, Default)]
pub struct Gathering {
    /// What the metadata have to add to an answer.
    asides: BTreeMap<Ticket, Aside>,
    /// Requests that were cut into several questions.
    whole: BTreeMap<Ticket, Whole>,
    /// Which question of which request an internal ticket stands for.
    parts: BTreeMap<u64, (Ticket, usize)>,
    parts_begun: u64,
}

#[derive(Clone, Hash, Debug)]
struct Whole {
    api: ApiKey,
    version: i16,
    answers: Vec<Option<Response>>,
    /// How many of them are missing.
    left: usize,
}

impl Gathering {
    /// One coordinator answered. The client's ticket and whole answer, once there is nothing left to wait for.
    pub fn joined(&mut self, ticket: Ticket, body: Response, topics: &Image) -> Option<(Ticket, Response)> {
        let aside = self.asides.remove(&ticket).unwrap_or(Aside::Nothing);
        let body = complete(body, aside, topics);
        if ticket.conn != PART {
            return Some((ticket, body));
        }
        let (ticket, index) = self.parts.remove(&ticket.seq)?;
        let whole = self.whole.get_mut(&ticket)?;
        let before = whole.answers[index].replace(body);
        assert!(before.is_none(), "a question is answered once");
        whole.left -= 1;
        if whole.left > 0 {
            return None;
        }
        let whole = self.whole.remove(&ticket)?;
        Some((ticket, join(whole.api, whole.version, whole.answers.into_iter().flatten().collect())))
    }

    /// The connection is gone: nobody waits for what it asked.
    pub fn closed(&mut self, conn: ConnId) {
        let is_other = |ticket: &Ticket| ticket.conn != conn;
        self.asides.retain(|ticket, _| is_other(ticket));
        self.whole.retain(|ticket, _| is_other(ticket));
        self.parts.retain(|_, (ticket, _)| is_other(ticket));
    }

    /// True while answers are being gathered.
    pub fn is_gathering(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Nobody knows what became of a question: the requests that were cut are not answered any more. Gives their tickets.
    pub fn lost(&mut self) -> impl Iterator<Item = Ticket> {
        self.parts.clear();
        self.asides.retain(|ticket, _| ticket.conn != PART);
        core::mem::take(&mut self.whole).into_keys()
    }

    /// Tickets for so many questions of one request. A single one keeps its own, so that it can be parked and forgotten
    /// with its connection; only requests that are answered at once are ever cut.
    fn begin(&mut self, ticket: Ticket, api: ApiKey, version: i16, parts: usize) -> Vec<Ticket> {
        if parts == 1 {
            return alloc::vec![ticket];
        }
        self.whole.insert(ticket, Whole { api, version, answers: alloc::vec![None; parts], left: parts });
        let first = self.parts_begun;
        self.parts_begun += parts as u64;
        self.parts.extend((0..parts).map(|index| (first + index as u64, (ticket, index))));
        (first..self.parts_begun).map(|seq| Ticket { conn: PART, seq }).collect()
    }
}

/// Nobody's connection: under it the questions of a cut request are asked.
pub const PART: ConnId = ConnId(u64::MAX - 1);

impl KnownTopics for Image {
    fn by_name(&self, name: &Str) -> Option<(Uuid, i32)> {
        let topic = self.topic_named(name)?;
        Some((topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn by_id(&self, id: Uuid) -> Option<Str> {
        self.topic(id).map(|topic| topic.name.clone())
    }
}

impl Node {
    /// Any request that names groups.
    pub(super) fn group_request(
        &mut self,
        now: Now,
        (ticket, asker, version): (Ticket, &Asker, i16),
        request: Request,
        out: &mut Effects,
    ) {
        let api = request.api_key();
        let topic = self.cluster.image().topic_named(OFFSETS_TOPIC).cloned();
        // Without the topic there is no coordinator yet; whatever is asked goes to a partition that nobody leads.
        let partitions = topic.as_ref().map_or(1, |topic| topic.partitions.len() as i32);
        let id = topic.map_or(Uuid::ZERO, |topic| topic.id);
        let mut asks = split(request, version, partitions).expect("only called for requests about groups");
        // A list is of what is coordinated here; while that is nothing it is empty.
        asks.retain(|(partition, ask)| {
            !matches!(ask, Ask::List(_)) || self.coordinators.is_hosting(LogId { topic: id, partition: *partition })
        });
        if asks.is_empty() {
            let body = Some(join(api, version, Vec::new()));
            return out.push(Effect::Reply { ticket, body });
        }
        let tickets = self.groups.begin(ticket, api, version, asks.len());
        for ((partition, ask), ticket) in asks.into_iter().zip(tickets) {
            let caller = Caller { ticket, asker, version };
            self.ask_group(now, LogId { topic: id, partition }, &caller, ask, out);
        }
    }

    fn ask_group(&mut self, now: Now, log: LogId, caller: &Caller<'_>, ask: Ask, out: &mut Effects) {
        let (ask, aside) = resolve(ask, caller.version, self.cluster.image());
        match ask {
            Ok(ask) => {
                if aside != Aside::Nothing {
                    self.groups.asides.insert(caller.ticket, aside);
                }
                self.with_hosts(now, out, |hosts, cx, said| hosts.ask(cx, log, caller, ask, said));
            }
            Err(answer) => {
                if let Some((ticket, body)) = self.groups.joined(caller.ticket, answer, self.cluster.image()) {
                    out.push(Effect::Reply { ticket, body: Some(body) });
                }
            }
        }
    }

    /// Who coordinates these groups? The first question of all makes the topic that coordinators live in.
    pub(super) fn find_coordinator(
        &mut self,
        now: Now,
        (ticket, asker, version): (Ticket, &Asker, i16),
        request: FindCoordinatorRequest,
        out: &mut Effects,
    ) {
        let keys = if version >= BATCH_VERSION { request.coordinator_keys } else { alloc::vec![request.key] };
        let topic = self.cluster.image().topic_named(OFFSETS_TOPIC).cloned();
        if topic.is_none() && request.key_type == GROUP {
            self.create_offsets_topic(now, out);
        }
        let partitions = topic.map(|topic| (topic.id, topic.partitions.len() as i32));
        let found = |key: Str| {
            let place = match (request.key_type, partitions) {
                (GROUP, _) if key.is_empty() && version >= BATCH_VERSION => Err(ErrorCode::InvalidGroupId),
                (GROUP, Some((topic, count))) => {
                    let log = LogId { topic, partition: coordinator_partition(&key, count) };
                    self.leader_of(log, asker).ok_or(ErrorCode::CoordinatorNotAvailable)
                }
                (GROUP, None) => Err(ErrorCode::CoordinatorNotAvailable),
                (TRANSACTION, _) => Err(NO_TRANSACTIONS),
                _ => Err(ErrorCode::InvalidRequest),
            };
            coordinator(key, place)
        };
        let mut coordinators: Vec<Coordinator> = keys.into_iter().map(found).collect();
        let body = match version {
            BATCH_VERSION.. => FindCoordinatorResponse { coordinators, ..Default::default() },
            _ => {
                let one = coordinators.remove(0);
                FindCoordinatorResponse {
                    error_code: one.error_code,
                    error_message: one.error_message,
                    node_id: one.node_id,
                    host: one.host,
                    port: one.port,
                    ..Default::default()
                }
            }
        };
        out.push(Effect::Reply { ticket, body: Some(Response::FindCoordinator(body)) });
    }

    /// Who leads a partition, and where that is for whoever came through the asker's listener.
    fn leader_of(&self, log: LogId, asker: &Asker) -> Option<(BrokerId, Str, u16)> {
        let listener = self.config.broker.listeners.get(asker.listener)?;
        if self.is_leading(log) {
            let here = listener.advertised.as_ref()?;
            return Some((self.config.broker.id, here.host.clone(), here.port));
        }
        let image = self.cluster.image();
        let leader = image.broker(image.partition(log)?.leader).filter(|broker| !broker.fenced)?;
        let there = leader.endpoint(&listener.name)?;
        Some((leader.id, there.host.clone(), there.port))
    }
}

fn coordinator(key: Str, place: Result<(BrokerId, Str, u16), ErrorCode>) -> Coordinator {
    match place {
        Ok((id, host, port)) => Coordinator { key, node_id: id.0, host, port: i32::from(port), ..Default::default() },
        Err(error) => {
            let error_message = match error {
                NO_TRANSACTIONS => Some(Str::from_static("transactions are not supported yet")),
                _ => None,
            };
            Coordinator { key, node_id: -1, port: -1, error_code: error.code(), error_message, ..Default::default() }
        }
    }
}

/// The topic that group coordinators keep their state in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// From this version on `FindCoordinator` names many keys.
const BATCH_VERSION: i16 = 4;
/// Transactions are not built. A producer that wants them is to give up at once: Java's does so at any error that it does
/// not expect, librdkafka at this one only, and asks again for ever at others.
pub const NO_TRANSACTIONS: ErrorCode = ErrorCode::TransactionalIdAuthorizationFailed;
/// The kinds of coordinators.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
