//! A client of a topic that may be led by whoever lives (`unclean.leader.election.enable`). What is acknowledged there may be lost, so
//! nobody counts its records: what it is for is that its replicas come together again, in the same bytes, whatever was elected.

use super::batch::{Entry, Signature, encode};
use super::{Actor, Cx, Happened};
use crate::run::functions;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_core::msg::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{Request, Response};
use ottla_core::record::{Compression, Records};
use ottla_core::types::{ErrorCode, Str};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The name of its topic.
pub const TOPIC: &str = "outlaw";

/// How it writes.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// How many partitions the topic has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replicas: i16,
    /// About so long between two requests.
    pub pace: Duration,
    /// What its records' timestamps count from, as milliseconds since 1970.
    pub epoch_ms: i64,
}

/// Writes to whatever leader it meets, and deletes what was written.
pub struct Outlaw {
    habits: Habits,
    is_made: bool,
    is_asking: bool,
    tag: u64,
    finishing: bool,
}

impl Outlaw {
    /// One whose topic is not there yet.
    pub fn new(habits: Habits) -> Self {
        Self { habits, is_made: false, is_asking: false, tag: 0, finishing: false }
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
        let body = match self.is_made {
            false => self.topic().into(),
            true if cx.rng.chance(1, 12) => self.deletion(cx).into(),
            true => self.records(cx),
        };
        cx.ask(self.tag, body);
    }

    fn topic(&self) -> CreateTopicsRequest {
        let config =
            |name, value| CreatableTopicConfig { name: Str::from_static(name), value: Some(Str::from_static(value)) };
        let topic = CreatableTopic {
            name: Str::from_static(TOPIC),
            num_partitions: self.habits.partitions,
            replication_factor: self.habits.replicas,
            configs: vec![
                config("unclean.leader.election.enable", "true"),
                config("min.insync.replicas", "1"),
                config("message.timestamp.after.max.ms", "9223372036854775807"),
                config("retention.ms", "-1"),
            ],
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() }
    }

    fn deletion(&self, cx: &mut Cx) -> DeleteRecordsRequest {
        let partition_index = cx.rng.below(self.habits.partitions as u64) as i32;
        let partitions = vec![DeleteRecordsPartition { partition_index, offset: -1 }];
        let topics = vec![DeleteRecordsTopic { name: Str::from_static(TOPIC), partitions }];
        DeleteRecordsRequest { topics, timeout_ms: 5_000 }
    }

    fn records(&self, cx: &mut Cx) -> Request {
        let index = cx.rng.below(self.habits.partitions as u64) as i32;
        let timestamp = self.habits.epoch_ms + (cx.now.0 / 1_000_000) as i64;
        let value = vec![cx.rng.next_u64() as u8; cx.rng.below(600) as usize];
        let entry = Entry { timestamp, key: None, value: Some(value), headers: Vec::new() };
        let entries = vec![entry; cx.rng.between(1, 5) as usize];
        let records = encode(&entries, Signature::NONE, Compression::None, &functions());
        let partition_data = vec![PartitionProduceData { index, records: Records::from(records) }];
        let topic = TopicProduceData { name: Str::from_static(TOPIC), partition_data, ..Default::default() };
        let acks = [-1, 1, 1][cx.rng.below(3) as usize];
        ProduceRequest { acks, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() }.into()
    }

    fn answered(&mut self, cx: &mut Cx, body: &Response) {
        match body {
            Response::CreateTopics(body) => {
                let error = body.topics.first().and_then(|topic| ErrorCode::from_code(topic.error_code));
                self.is_made |= matches!(error, Some(ErrorCode::None | ErrorCode::TopicAlreadyExists));
            }
            Response::Produce(body) => {
                let written = body.responses.iter().flat_map(|topic| &topic.partition_responses);
                cx.model.count("outlaws' batches", written.filter(|one| one.error_code == 0).count() as u64);
            }
            Response::DeleteRecords(body) => {
                let deleted = body.topics.iter().flat_map(|topic| &topic.partitions);
                cx.model.count("outlaws' deletions", deleted.filter(|one| one.error_code == 0).count() as u64);
            }
            other => panic!("an outlaw never asked for {other:?}"),
        }
    }

    fn rest(&mut self, cx: &mut Cx) {
        self.is_asking = false;
        let pace = self.habits.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

impl Actor for Outlaw {
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
