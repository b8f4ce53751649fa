//! A client that deletes its topic and makes it anew under the same name, again and again, and writes and reads meanwhile.
//!
//! ```text
//!   Unknown ── CreateTopics ──▶ Named ── Metadata ──▶ There(id) ── DeleteTopics ──▶ Dying ── it is gone ──▶ Unknown
//! ```
//!
//! Where ids are spoken each record says for which topic it was written: none is ever read from another of the same name. What its
//! replicas hold in the end is compared as everybody's, and no machine keeps a log of a topic that is gone.

use super::batch::{Entry, Signature, decode, encode};
use super::{Actor, Cx, Happened};
use crate::run::functions;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_core::msg::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::record::{Compression, Records};
use ottla_core::types::{ErrorCode, Str, Uuid};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// From this version on Produce and Fetch name topics by their ids.
const FIRST_WITH_IDS: i16 = 13;
/// The name of its topics.
pub const TOPIC: &str = "recycled";

/// How it goes about it.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// How many partitions a topic has at most.
    pub partitions: i32,
    /// How many replicas each has.
    pub replicas: i16,
    /// How many must have what is acknowledged: where a disk may be lost two do.
    pub replicas_min: i16,
    /// Of so many requests to a topic one deletes it.
    pub deletes: u64,
    /// About so long between two requests.
    pub pace: Duration,
    /// What its records' timestamps count from, as milliseconds since 1970.
    pub epoch_ms: i64,
}

/// Makes, fills, reads and deletes.
pub struct Recycler {
    habits: Habits,
    state: State,
    is_asking: bool,
    tag: u64,
    finishing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Unknown,
    /// It was made, under an id that nobody has told.
    Named,
    /// Zero where no ids are told.
    There(Uuid),
    Dying(Uuid),
}

impl Recycler {
    /// One whose topic is not there yet.
    pub fn new(habits: Habits) -> Self {
        Self { habits, state: State::Unknown, is_asking: false, tag: 0, finishing: false }
    }

    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || self.is_asking || self.finishing {
            return;
        }
        if cx.rng.chance(1, 8) {
            // There are leaders elsewhere.
            return cx.hang_up();
        }
        self.is_asking = true;
        self.tag += 1;
        let body = match self.state {
            State::Unknown => self.topic(cx),
            State::Named => named(),
            State::There(id) if cx.rng.chance(1, self.habits.deletes) => {
                self.state = State::Dying(id);
                deletion(cx, id)
            }
            State::There(id) if cx.rng.chance(1, 3) => self.look(cx, id),
            State::There(id) => self.records(cx, id),
            State::Dying(id) => deletion(cx, id),
        };
        cx.ask(self.tag, body);
    }

    fn topic(&self, cx: &mut Cx) -> Request {
        let config =
            |name, value: &str| CreatableTopicConfig { name: Str::from_static(name), value: Some(Str::from(value)) };
        let topic = CreatableTopic {
            name: Str::from_static(TOPIC),
            num_partitions: cx.rng.between(1, self.habits.partitions as u64) as i32,
            replication_factor: self.habits.replicas,
            configs: vec![
                config("min.insync.replicas", &self.habits.replicas_min.to_string()),
                config("message.timestamp.after.max.ms", "9223372036854775807"),
                config("retention.ms", "-1"),
            ],
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() }.into()
    }

    fn records(&self, cx: &mut Cx, topic_id: Uuid) -> Request {
        let index = cx.rng.below(self.habits.partitions as u64) as i32;
        let timestamp = self.habits.epoch_ms + (cx.now.0 / 1_000_000) as i64;
        let value = vec![cx.rng.next_u64() as u8; cx.rng.below(600) as usize];
        // By its name it may be written to the next of them.
        let meant = if cx.versions.of(ApiKey::Produce) >= FIRST_WITH_IDS { topic_id } else { Uuid::ZERO };
        let entry = Entry { timestamp, key: Some(meant.0.to_vec()), value: Some(value), headers: Vec::new() };
        let entries = vec![entry; cx.rng.between(1, 5) as usize];
        let records = encode(&entries, Signature::NONE, Compression::None, &functions());
        let partition_data = vec![PartitionProduceData { index, records: Records::from(records) }];
        let topic = TopicProduceData { name: Str::from_static(TOPIC), topic_id, partition_data };
        let acks = [-1, -1, 1][cx.rng.below(3) as usize];
        ProduceRequest { acks, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() }.into()
    }

    fn look(&self, cx: &mut Cx, topic_id: Uuid) -> Request {
        let partition = FetchPartition {
            partition: cx.rng.below(self.habits.partitions as u64) as i32,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic { topic: Str::from_static(TOPIC), topic_id, partitions: vec![partition] };
        FetchRequest {
            replica_id: -1,
            max_wait_ms: 10,
            max_bytes: 1 << 20,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        }
        .into()
    }

    fn answered(&mut self, cx: &mut Cx, body: &Response) {
        match (body, self.state) {
            (Response::CreateTopics(body), _) => {
                let error = body.topics.first().and_then(|topic| ErrorCode::from_code(topic.error_code));
                if matches!(error, Some(ErrorCode::None | ErrorCode::TopicAlreadyExists)) {
                    self.state = State::Named;
                }
            }
            (Response::Metadata(body), _) => {
                self.state = match body.topics.first().filter(|topic| topic.error_code == 0) {
                    Some(topic) => State::There(topic.topic_id),
                    // It is on its way there, or was deleted by an ask of long ago.
                    None => State::Unknown,
                };
            }
            (Response::DeleteTopics(body), _) => {
                let error = body.responses.first().and_then(|topic| ErrorCode::from_code(topic.error_code));
                match error {
                    Some(ErrorCode::None) => {
                        cx.model.mark("topics deleted");
                        self.state = State::Unknown;
                    }
                    Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => self.state = State::Unknown,
                    _ => {}
                }
            }
            (Response::Fetch(body), State::There(id)) => read(cx, id, body),
            (Response::Produce(body), State::There(_)) => {
                let written = body.responses.iter().flat_map(|topic| &topic.partition_responses);
                let written = written.filter(|one| one.error_code == 0).count() as u64;
                cx.model.count("batches of recycled topics", written);
            }
            (body, state) => panic!("a recycler never asked for {body:?} while its topic was {state:?}"),
        }
    }

    fn rest(&mut self, cx: &mut Cx) {
        self.is_asking = false;
        let pace = self.habits.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

fn named() -> Request {
    let topic = MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(Str::from_static(TOPIC)) };
    MetadataRequest { topics: Some(vec![topic]), ..Default::default() }.into()
}

fn deletion(cx: &Cx, topic_id: Uuid) -> Request {
    let by_id = cx.versions.of(ApiKey::DeleteTopics) >= 6;
    let topics = if by_id { vec![DeleteTopicState { name: None, topic_id }] } else { Vec::new() };
    let topic_names = if by_id { Vec::new() } else { vec![Str::from_static(TOPIC)] };
    DeleteTopicsRequest { topics, topic_names, timeout_ms: 5_000 }.into()
}

/// What is read was written for this topic, and for none before it, unless only its name was said.
fn read(cx: &mut Cx, id: Uuid, body: &FetchResponse) {
    if cx.versions.of(ApiKey::Fetch) < FIRST_WITH_IDS {
        return;
    }
    let names = |entry: &Entry, id: Uuid| entry.key.as_deref() == Some(&id.0[..]);
    for found in body.responses.iter().flat_map(|topic| &topic.partitions) {
        match decode(&found.records.to_bytes(), &functions()) {
            Err(text) => cx.model.find("bytes", format!("{TOPIC}: {text}")),
            Ok(batches) => {
                let entries = || batches.iter().flat_map(|batch| &batch.entries);
                let named = entries().filter(|(_, entry)| names(entry, id)).count();
                cx.model.count("records of recycled topics that name theirs", named as u64);
                if let Some((offset, _)) = entries().find(|(_, one)| !names(one, id) && !names(one, Uuid::ZERO)) {
                    let text =
                        format!("the record {offset} of {TOPIC}-{} was not written for {id}", found.partition_index);
                    cx.model.find("recycled", text);
                }
            }
        }
    }
}

impl Actor for Recycler {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => self.rest(cx),
            Happened::Wake => self.ask(cx),
            Happened::Answer { body, .. } => {
                self.answered(cx, &body);
                self.rest(cx);
            }
            Happened::Down { .. } => self.is_asking = false,
        }
    }

    fn is_done(&self) -> bool {
        self.finishing
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}
