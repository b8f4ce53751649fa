//! The raw driver: frames encoded beforehand, straight on the socket, several in flight.

use std::collections::VecDeque;
use std::io::{IoSlice, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf, Bytes};
use ottla_core::msg::api_versions::ApiVersionsRequest;
use ottla_core::msg::create_topics::{CreatableTopic, CreateTopicsRequest};
use ottla_core::msg::delete_topics::DeleteTopicsRequest;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::record::{Builder, CheckedBatch, Compression, NewRecord, Records};
use ottla_core::types::Wall;
use ottla_core::wire::{Reader, RequestHead, Writer, read_response_frame, write_request_frame};

use rustix::event::{PollFd, PollFlags};
use rustix::time::Timespec;

/// The newest versions that name topics instead of numbering them; all systems speak them.
const PRODUCE_VERSION: i16 = 12;
const FETCH_VERSION: i16 = 12;
const API_VERSIONS_VERSION: i16 = 3;
const CREATE_TOPICS_VERSION: i16 = 5;
const DELETE_TOPICS_VERSION: i16 = 4;
/// Where a request has its correlation id.
const CORRELATION_AT: usize = 8;
const READ_BYTES: usize = 64 << 10;
const ANSWER_BUDGET: usize = 64 << 20;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// One connection.
pub struct Client {
    socket: TcpStream,
    input: Vec<u8>,
    next_correlation: i32,
    waiting: VecDeque<(i32, Instant)>,
}

/// A request ready to be sent many times, each with its own correlation id.
#[derive(Clone)]
pub struct Prepared {
    api: ApiKey,
    version: i16,
    pieces: Vec<Bytes>,
}

/// An answer, and how long it took.
pub struct Answer {
    /// From the write of the request to the read of the answer.
    pub took: Duration,
    /// What was answered.
    pub body: Response,
}

impl Client {
    /// Connects.
    pub fn connect(address: &str) -> Client {
        let socket = TcpStream::connect(address).expect("the broker accepts");
        socket.set_nodelay(true).expect("a socket has the option");
        socket.set_read_timeout(Some(ANSWER_MAX)).expect("a socket has the option");
        Client { socket, input: Vec::new(), next_correlation: 0, waiting: VecDeque::new() }
    }

    /// How many requests are unanswered.
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    /// Sends requests in one write.
    pub fn send(&mut self, requests: &[&Prepared]) {
        let now = Instant::now();
        let mut heads: Vec<Vec<u8>> = Vec::with_capacity(requests.len());
        for request in requests {
            let mut head = request.pieces[0].to_vec();
            head[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&self.next_correlation.to_be_bytes());
            heads.push(head);
            self.waiting.push_back((self.next_correlation, now));
            self.next_correlation += 1;
        }
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        for (request, head) in requests.iter().zip(&heads) {
            slices.push(IoSlice::new(head));
            slices.extend(request.pieces[1..].iter().map(|piece| IoSlice::new(piece)));
        }
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            let written = self.socket.write_vectored(slices).expect("the broker reads");
            IoSlice::advance_slices(&mut slices, written);
        }
    }

    /// The answers that are there, at least one, to requests of this kind.
    pub fn receive(&mut self, of: &Prepared) -> Vec<Answer> {
        loop {
            let answers = self.take_answers(of);
            if !answers.is_empty() {
                return answers;
            }
        }
    }

    /// Reads once; the answer that comes in two pieces is there after the second.
    fn take_answers(&mut self, of: &Prepared) -> Vec<Answer> {
        let frames = self.read();
        let mut answers = Vec::with_capacity(frames.len());
        for frame in frames {
            let mut reader = Reader::new(&frame, ANSWER_BUDGET);
            let (correlation, body) = read_response_frame(&mut reader, of.api, of.version).expect("a good answer");
            let (sent, at) = self.waiting.pop_front().expect("an answer to something");
            assert_eq!(correlation, sent, "answers come in the order of the questions");
            answers.push(Answer { took: at.elapsed(), body });
        }
        answers
    }

    /// The answers that have come by then, none if none has.
    pub fn collect_until(&mut self, of: &Prepared, when: Instant) -> Vec<Answer> {
        let mut there = [PollFd::new(&self.socket, PollFlags::IN)];
        let wait = Timespec::try_from(when.saturating_duration_since(Instant::now())).expect("a wait of seconds");
        let ready = rustix::event::poll(&mut there, Some(&wait)).expect("a socket can be polled") > 0;
        if ready { self.take_answers(of) } else { Vec::new() }
    }

    /// One question, one answer.
    pub fn ask(&mut self, request: &Prepared) -> Answer {
        self.send(&[request]);
        self.receive(request).pop().expect("at least one")
    }

    /// Makes a topic with so many replicas; its partitions may not be led yet.
    pub fn make_topic(&mut self, name: &str, partitions: i32, replicas: i16) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: replicas,
            ..Default::default()
        };
        let body = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
        let answer = self.ask(&Prepared::new(&Request::CreateTopics(body), CREATE_TOPICS_VERSION)).body;
        let Response::CreateTopics(answer) = answer else { panic!("another answer") };
        assert_eq!(answer.topics[0].error_code, 0, "the topic is made: {:?}", answer.topics[0].error_message);
    }

    /// Makes a topic with one replica, and returns when each of its partitions is led.
    pub fn create_topic(&mut self, name: &str, partitions: i32) {
        self.make_topic(name, partitions, 1);
        // Kafka answers before its partitions are led.
        let started = Instant::now();
        for partition in 0..partitions {
            while !self.ask(&Prepared::fetch(name, partition, 0, 1, 0)).is_fetched() {
                assert!(started.elapsed() < ANSWER_MAX, "{name}-{partition} has no leader");
            }
        }
    }

    /// Removes a topic.
    pub fn delete_topic(&mut self, topic: &str) {
        let body = DeleteTopicsRequest { topic_names: vec![topic.into()], timeout_ms: 30_000, ..Default::default() };
        let Response::DeleteTopics(answer) =
            self.ask(&Prepared::new(&Request::DeleteTopics(body), DELETE_TOPICS_VERSION)).body
        else {
            panic!("another answer")
        };
        assert!(answer.responses.iter().all(|topic| topic.error_code == 0), "the topic goes: {answer:?}");
    }

    /// Reads once and cuts off the whole frames; what is left waits for the next read.
    fn read(&mut self) -> Vec<Bytes> {
        let wanted = self.input.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize + 4);
        self.input.reserve(wanted.saturating_sub(self.input.len()).max(READ_BYTES));
        let count = rustix::io::read(&self.socket, rustix::buffer::spare_capacity(&mut self.input));
        assert!(count.expect("the broker answers") > 0, "the broker hung up");
        if !holds_frame(&self.input) {
            return Vec::new();
        }
        let mut bytes = Bytes::from(std::mem::take(&mut self.input));
        let mut frames = Vec::new();
        while holds_frame(&bytes) {
            let length = bytes.get_u32() as usize;
            frames.push(bytes.split_to(length));
        }
        self.input.extend_from_slice(&bytes);
        frames
    }
}

fn holds_frame(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|length| bytes.len() >= 4 + u32::from_be_bytes(*length) as usize)
}

impl Prepared {
    /// Encodes a request.
    pub fn new(body: &Request, version: i16) -> Prepared {
        let api = body.api_key();
        let mut writer = Writer::new();
        let head = RequestHead { api, version, correlation_id: 0, client_id: Some("bench".into()) };
        write_request_frame(&mut writer, &head, body).expect("the driver writes well");
        Prepared { api, version, pieces: writer.take() }
    }

    /// Produce with acks=all: one batch for each of these partitions.
    pub fn produce(topic: &str, partitions: std::ops::Range<i32>, batch: &CheckedBatch) -> Prepared {
        let records = Records::from(batch.to_bytes());
        let partition_data = partitions.map(|index| PartitionProduceData { index, records: records.clone() }).collect();
        let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
        let body = ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data };
        Prepared::new(&Request::Produce(body), PRODUCE_VERSION)
    }

    /// The first question of every client.
    pub fn api_versions() -> Prepared {
        let name = || "bench".into();
        let body =
            ApiVersionsRequest { client_software_name: name(), client_software_version: name(), ..Default::default() };
        Prepared::new(&Request::ApiVersions(body), API_VERSIONS_VERSION)
    }

    /// Fetch of one partition without a session.
    pub fn fetch(topic: &str, partition: i32, offset: i64, bytes_max: i32, wait_ms: i32) -> Prepared {
        let partition =
            FetchPartition { partition, fetch_offset: offset, partition_max_bytes: bytes_max, ..Default::default() };
        let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }];
        let body =
            FetchRequest { max_wait_ms: wait_ms, min_bytes: 1, max_bytes: bytes_max, topics, ..Default::default() };
        Prepared::new(&Request::Fetch(body), FETCH_VERSION)
    }
}

impl Answer {
    /// Fails unless every partition of a Produce was acknowledged.
    pub fn acknowledged(&self) {
        assert!(self.is_acknowledged(), "refused: {:.500}", format!("{:?}", self.body));
    }

    /// Whether every partition of a Produce was acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        let Response::Produce(body) = &self.body else { panic!("another answer") };
        let mut partitions = body.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.all(|partition| partition.error_code == 0)
    }

    /// Whether every partition of a Fetch was served.
    pub fn is_fetched(&self) -> bool {
        let Response::Fetch(body) = &self.body else { panic!("another answer") };
        let mut partitions = body.responses.iter().flat_map(|topic| &topic.partitions);
        body.error_code == 0 && partitions.all(|partition| partition.error_code == 0)
    }

    /// The answer to a Fetch.
    pub fn fetched(self) -> FetchResponse {
        assert!(self.is_fetched(), "refused: {:.500}", format!("{:?}", self.body));
        let Response::Fetch(body) = self.body else { panic!("another answer") };
        body
    }
}

/// A batch of records of this size whose bytes compress about as well as text does.
pub fn batch(records: usize, record_bytes: usize, codec: &str) -> CheckedBatch {
    let codec = match codec {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        other => panic!("no codec {other}"),
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut letters = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Sixteen letters, half of them common.
        b"etaoinshEEEETTAA"[(state >> 40) as usize % 16]
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    let now = i64::try_from(now.as_millis()).expect("it is not that late");
    let mut builder = Builder::new().compressed(codec);
    for _ in 0..records {
        let value: Vec<u8> = (0..record_bytes).map(|_| letters()).collect();
        builder.push(&NewRecord { timestamp: Wall(now), value: Some(&value), ..Default::default() });
    }
    builder.build(&ottla_codecs::functions()).expect("the codec is known")
}
