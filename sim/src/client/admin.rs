//! Clients that make topics and delete records.

use super::directory::{self, DIRECTORY, Directory};
use super::{Actor, Cx, Happened};
use crate::model::LogName;
use ottla_core::msg::Response;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse};
use ottla_core::msg::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use ottla_core::types::{ErrorCode, Str};
use std::time::Duration;

/// Makes the topics of the run, and is done once all are there.
pub struct Founder {
    replicas: i16,
    made: Vec<bool>,
    tag: u64,
}

impl Founder {
    /// A founder that has made nothing yet, and will give each partition so many replicas.
    pub fn new(replicas: i16) -> Self {
        Self { replicas, made: Vec::new(), tag: 0 }
    }

    fn ask(&mut self, cx: &mut Cx) {
        self.made.resize(cx.model.topics.len(), false);
        let missing = cx.model.topics.iter().zip(&self.made).filter(|(_, made)| !**made);
        let topics = missing.map(|(topic, _)| CreatableTopic {
            name: Str::from(topic.name.as_str()),
            num_partitions: topic.partitions,
            replication_factor: self.replicas,
            configs: topic
                .settings
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: Str::from(name.as_str()),
                    value: Some(Str::from(value.as_str())),
                })
                .collect(),
            ..Default::default()
        });
        let topics: Vec<CreatableTopic> = topics.collect();
        if topics.is_empty() || !cx.up {
            return;
        }
        self.tag += 1;
        cx.ask(self.tag, CreateTopicsRequest { topics, timeout_ms: 5_000, ..Default::default() });
    }

    fn created(&mut self, cx: &mut Cx, body: &CreateTopicsResponse) {
        for answer in &body.topics {
            let Some(topic) = cx.model.topic_named(&answer.name) else { continue };
            match ErrorCode::from_code(answer.error_code) {
                Some(ErrorCode::None) => {
                    self.made[topic] = true;
                    cx.model.mark("topics created");
                }
                Some(ErrorCode::TopicAlreadyExists) => self.made[topic] = true,
                Some(error) if error.is_retriable() => {
                    cx.model.mark("create topics retried");
                    if cx.model.cluster {
                        // Another broker may know better who decides.
                        cx.hang_up();
                    }
                }
                Some(ErrorCode::UnknownServerError) => cx.model.mark("create topics failed"),
                Some(ErrorCode::InvalidReplicationFactor) if cx.model.cluster => {
                    cx.model.mark("too few brokers for a topic");
                }
                error => cx.model.find("topics", format!("{}: {error:?}", answer.name.as_str())),
            }
        }
        cx.wake_in(Duration::from_millis(100));
    }
}

impl Actor for Founder {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up | Happened::Wake => self.ask(cx),
            Happened::Answer { body: Response::CreateTopics(body), .. } => self.created(cx, &body),
            Happened::Answer { body, .. } => panic!("a founder never asked for {body:?}"),
            Happened::Down { .. } => {}
        }
    }

    fn is_done(&self) -> bool {
        !self.made.is_empty() && self.made.iter().all(|made| *made)
    }

    fn finish(&mut self) {}
}

/// Deletes records from the front of partitions now and then.
pub struct Trimmer {
    topics: Vec<usize>,
    pace: Duration,
    directory: Directory,
    asked: Option<(LogName, i64)>,
    tag: u64,
    finishing: bool,
}

impl Trimmer {
    /// A trimmer of these topics.
    pub fn new(topics: Vec<usize>, pace: Duration) -> Self {
        Self { topics, pace, directory: Directory::default(), asked: None, tag: 0, finishing: false }
    }

    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || self.finishing || self.asked.is_some() {
            return;
        }
        let topic = self.topics[cx.rng.below(self.topics.len() as u64) as usize];
        let partition = cx.rng.below(cx.model.topics[topic].partitions as u64) as i32;
        let log = LogName { topic, partition };
        if !self.directory.is_here(cx, log) {
            return match self.directory.elsewhere(cx, log) {
                Some(home) => cx.move_to(home),
                None => cx.hang_up(),
            };
        }
        let facts = cx.model.log(log);
        let (start, end) = (facts.start.max(facts.delete_done), facts.watermark.max(facts.acked_end));
        if end <= start {
            return self.rest(cx);
        }
        let offset = cx.rng.between(start as u64, start as u64 + (end - start) as u64 / 2) as i64;
        let facts = cx.model.log(log);
        facts.delete_asked = facts.delete_asked.max(offset);
        self.asked = Some((log, offset));
        let partitions = vec![DeleteRecordsPartition { partition_index: partition, offset }];
        let name = Str::from(cx.model.topics[topic].name.as_str());
        self.tag += 1;
        let topics = vec![DeleteRecordsTopic { name, partitions }];
        cx.ask(self.tag, DeleteRecordsRequest { topics, timeout_ms: 5_000 });
    }

    fn deleted(&mut self, cx: &mut Cx, body: &DeleteRecordsResponse) {
        let Some((log, offset)) = self.asked.take() else { return };
        let answer = body.topics.iter().flat_map(|topic| &topic.partitions).next();
        let name = cx.model.name(log);
        match answer.map(|answer| (ErrorCode::from_code(answer.error_code), answer.low_watermark)) {
            Some((Some(ErrorCode::None), start)) if start >= offset => {
                let facts = cx.model.log(log);
                facts.delete_done = facts.delete_done.max(offset);
                facts.start = facts.start.max(start);
                cx.model.mark("records deleted");
            }
            // One that led and has not heard of its end may lack what was shown since.
            Some((Some(ErrorCode::OffsetOutOfRange), _)) if cx.model.may_lack(log, &cx.at.0) => {}
            Some((Some(error), _)) if error.is_retriable() => {
                cx.model.mark("delete records retried");
                if cx.model.cluster {
                    cx.hang_up();
                }
            }
            answer => cx.model.find("delete records", format!("{name} before {offset}: {answer:?}")),
        }
        self.rest(cx);
    }

    fn rest(&mut self, cx: &mut Cx) {
        let pace = self.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

impl Actor for Trimmer {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up if cx.model.cluster => directory::ask(cx, &self.topics),
            Happened::Up => self.rest(cx),
            Happened::Wake => self.ask(cx),
            Happened::Answer { tag: DIRECTORY, body } => match self.directory.answered(cx, &self.topics, body) {
                true => self.rest(cx),
                false => cx.hang_up(),
            },
            Happened::Answer { body: Response::DeleteRecords(body), .. } => self.deleted(cx, &body),
            Happened::Answer { body, .. } => panic!("a trimmer never asked for {body:?}"),
            Happened::Down { .. } => self.asked = None,
        }
    }

    fn is_done(&self) -> bool {
        self.finishing
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}
