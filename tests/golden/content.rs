//! What a golden directory holds, and how it is told.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_core::conn::client::Client;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_core::msg::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use ottla_core::msg::delete_topics::DeleteTopicsRequest;
use ottla_core::msg::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use ottla_core::msg::describe_groups::DescribeGroupsRequest;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchTopic};
use ottla_core::msg::find_coordinator::FindCoordinatorRequest;
use ottla_core::msg::init_producer_id::InitProducerIdRequest;
use ottla_core::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use ottla_core::msg::list_groups::ListGroupsRequest;
use ottla_core::msg::metadata::MetadataRequest;
use ottla_core::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_core::msg::offset_fetch::OffsetFetchRequest;
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use ottla_core::msg::{Request, Response};
use ottla_core::record::{Builder, Compression, NewRecord, Placed, Records, check_stored, crc32c};
use ottla_core::types::{ProducerEpoch, ProducerId, Str, Wall};

/// A connection that asks one thing after the other.
pub struct Peer {
    socket: TcpStream,
    client: Client,
}

impl Peer {
    pub fn connect(address: &str) -> Peer {
        let socket = TcpStream::connect(address).expect("the broker accepts");
        socket.set_read_timeout(Some(ANSWER_MAX)).expect("an option");
        Peer { socket, client: Client::new("golden".into(), 64 << 20) }
    }

    fn ask(&mut self, version: i16, body: impl Into<Request>) -> Response {
        let (_, chunks) = self.client.request(&body.into(), version).expect("an encodable request");
        self.socket.write_all(&Records::from(chunks).to_bytes()).expect("the broker reads");
        let (mut answers, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        while answers.is_empty() {
            let len = self.socket.read(&mut buffer).expect("an answer in time");
            assert!(len > 0, "the broker hung up");
            self.client.received(Bytes::copy_from_slice(&buffer[..len]), &mut answers).expect("a good answer");
        }
        answers.remove(0).body
    }

    fn create(&mut self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let config =
            |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: [("retention.ms", "-1")].iter().chain(settings).map(config).collect(),
            ..Default::default()
        };
        let body = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
        let Response::CreateTopics(answer) = self.ask(7, body) else { panic!("another answer") };
        assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    }

    /// Produces one batch, and gives its base offset.
    fn produce(&mut self, topic: &str, index: i32, batch: Builder) -> i64 {
        let batch = batch.build(&ottla_codecs::functions()).expect("the codec is known");
        let partition_data = vec![PartitionProduceData { index, records: Records::from(batch.to_bytes()) }];
        let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
        let body = ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 10_000, topic_data };
        let Response::Produce(answer) = self.ask(12, body) else { panic!("another answer") };
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, 0, "{answer:?}");
        partition.base_offset
    }

    fn commit(&mut self, mut request: OffsetCommitRequest, offset: i64) {
        let partition =
            OffsetCommitRequestPartition { partition_index: 1, committed_offset: offset, ..Default::default() };
        request.topics =
            vec![OffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition], ..Default::default() }];
        let Response::OffsetCommit(answer) = self.ask(8, request) else { panic!("another answer") };
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{answer:?}");
    }

    fn number(&mut self) -> i64 {
        let body = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let Response::InitProducerId(answer) = self.ask(4, body) else { panic!("another answer") };
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.producer_id
    }
}

/// Fills an empty broker: every codec, numbered batches, several segments, deleted records, a deleted topic, settings, a
/// group with a static member, a group that only commits.
pub fn write(peer: &mut Peer) {
    peer.create("orders", 2, &[("max.message.bytes", "654321")]);
    peer.create("rolled", 1, &[("segment.bytes", "1048576")]);
    peer.create("gone", 3, &[]);
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        peer.produce("orders", 0, records(Builder::new().compressed(codec), 10));
    }
    assert_eq!(peer.number(), FIRST_PRODUCER, "the first of all");
    for batch in 0..3 {
        peer.produce("orders", 1, numbered(batch));
    }
    let value = vec![b'x'; 256 << 10];
    for second in 0..12 {
        let record = NewRecord { timestamp: Wall(TIME + second * 1000), value: Some(&value), ..Default::default() };
        peer.produce("rolled", 0, Builder::new().with(&record));
    }
    peer.produce("gone", 2, records(Builder::new(), 5));
    let body = DeleteTopicsRequest { topic_names: vec!["gone".into()], timeout_ms: 10_000, ..Default::default() };
    peer.ask(5, body);
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 5 }];
    let topics = vec![DeleteRecordsTopic { name: "rolled".into(), partitions }];
    peer.ask(2, DeleteRecordsRequest { topics, timeout_ms: 10_000 });
    groups(peer);
}

fn groups(peer: &mut Peer) {
    let started = Instant::now();
    loop {
        let body = FindCoordinatorRequest { key: "members".into(), ..Default::default() };
        let Response::FindCoordinator(answer) = peer.ask(2, body) else { panic!("another answer") };
        if answer.error_code == 0 {
            break;
        }
        assert!(started.elapsed() < ANSWER_MAX, "no coordinator: {answer:?}");
    }
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from_static(b"what I read") };
    let join = JoinGroupRequest {
        group_id: "members".into(),
        session_timeout_ms: 1_800_000,
        rebalance_timeout_ms: 60_000,
        group_instance_id: Some("one".into()),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let Response::JoinGroup(joined) = peer.ask(5, join) else { panic!("another answer") };
    assert_eq!(joined.error_code, 0, "{joined:?}");
    let assignment = Bytes::from_static(b"what you read");
    let sync = SyncGroupRequest {
        group_id: "members".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: Some("one".into()),
        assignments: vec![SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment }],
        ..Default::default()
    };
    let Response::SyncGroup(synced) = peer.ask(3, sync) else { panic!("another answer") };
    assert_eq!(synced.error_code, 0, "{synced:?}");
    let commit = OffsetCommitRequest {
        group_id: "members".into(),
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id,
        group_instance_id: Some("one".into()),
        ..Default::default()
    };
    peer.commit(commit, 4);
    peer.commit(OffsetCommitRequest { group_id: "alone".into(), ..Default::default() }, 9);
}

/// A batch that was acknowledged long ago is known to be a duplicate, the next one is not, and a producer id is not
/// given out twice. Leaves what [`told`] says as it was.
pub fn acknowledged_again(peer: &mut Peer) {
    assert_eq!(peer.produce("orders", 1, numbered(2)), 10, "where it was the first time");
    assert!(peer.number() > FIRST_PRODUCER);
}

/// Everything that clients can see, as text.
pub fn told(peer: &mut Peer) -> String {
    let mut text = String::new();
    let Response::Metadata(metadata) = peer.ask(12, MetadataRequest { topics: None, ..Default::default() }) else {
        panic!("another answer")
    };
    for topic in metadata.topics {
        let name = topic.name.clone().expect("it has a name");
        writeln!(text, "topic {name} {}", topic.topic_id).expect("a string takes all");
        settings(peer, &name, &mut text);
        let mut indexes: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        indexes.sort_unstable();
        // What coordinators keep is told by themselves.
        for index in indexes.into_iter().filter(|_| !topic.is_internal) {
            partition(peer, &name, index, &mut text);
        }
    }
    for group in ["alone", "members"] {
        committed(peer, group, &mut text);
    }
    text
}

fn settings(peer: &mut Peer, topic: &Str, text: &mut String) {
    const OF_TOPIC: i8 = 1;
    let resource = DescribeConfigsResource { resource_type: 2, resource_name: topic.clone(), configuration_keys: None };
    let body = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let Response::DescribeConfigs(answer) = peer.ask(4, body) else { panic!("another answer") };
    for one in answer.results[0].configs.iter().filter(|one| one.config_source == OF_TOPIC) {
        writeln!(text, "  {}={}", one.name, one.value.as_ref().map_or("", Str::as_str)).expect("a string takes all");
    }
}

fn partition(peer: &mut Peer, topic: &Str, index: i32, text: &mut String) {
    let mut next = None;
    loop {
        let fetched = fetch(peer, topic, index, next.unwrap_or(0));
        let data = match fetched.error_code {
            // Begin where the log does.
            1 if next.is_none() => {
                next = Some(fetched.log_start_offset);
                fetch(peer, topic, index, fetched.log_start_offset)
            }
            0 => fetched,
            error => panic!("{topic}-{index}: error {error}"),
        };
        if next.is_none_or(|next| next == data.log_start_offset) {
            let (start, end) = (data.log_start_offset, data.high_watermark);
            writeln!(text, "  partition {index}: {start} to {end}").expect("a string takes all");
        }
        let functions = ottla_codecs::functions();
        for batch in check_stored(data.records.to_bytes(), &functions).map_while(Result::ok) {
            let header = batch.header();
            let (codec, producer, sequence) = (batch.compression().name(), header.producer_id.0, header.base_sequence);
            let (base, epoch) = (header.base_offset.0, header.leader_epoch.0);
            writeln!(text, "    batch {base} {codec} epoch={epoch} producer={producer} sequence={sequence}")
                .expect("all");
            for placed in batch.walk(&functions, &mut Vec::new()).expect("it unpacks") {
                record(&placed.expect("it is read"), text);
            }
            next = Some(batch.end_offset().0);
        }
        if next.is_none_or(|next| next >= data.high_watermark) {
            return;
        }
    }
}

fn fetch(peer: &mut Peer, topic: &Str, partition: i32, fetch_offset: i64) -> ottla_core::msg::fetch::PartitionData {
    let partition = FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: topic.clone(), partitions: vec![partition], ..Default::default() }];
    let body = FetchRequest { max_wait_ms: 0, min_bytes: 0, max_bytes: 1 << 20, topics, ..Default::default() };
    let Response::Fetch(mut answer) = peer.ask(12, body) else { panic!("another answer") };
    answer.responses.remove(0).partitions.remove(0)
}

fn record(placed: &Placed<'_>, text: &mut String) {
    let shown =
        |bytes: Option<&[u8]>| bytes.map_or("-".into(), |bytes| format!("{}#{:08x}", bytes.len(), crc32c(0, bytes)));
    let (key, value) = (shown(placed.record.key), shown(placed.record.value));
    let headers: Vec<String> =
        placed.record.headers().map(|(name, value)| format!("{}:{}", shown(Some(name)), shown(value))).collect();
    let (offset, time) = (placed.offset.0, placed.timestamp.0);
    writeln!(text, "      {offset} at {time} {key} {value} {}", headers.join(" ")).expect("a string takes all");
}

fn committed(peer: &mut Peer, group: &str, text: &mut String) {
    let Response::ListGroups(listed) = peer.ask(4, ListGroupsRequest::default()) else { panic!("another answer") };
    let state = listed.groups.iter().find(|one| one.group_id == *group).map(|one| one.group_state.to_string());
    writeln!(text, "group {group} {}", state.expect("it is listed")).expect("a string takes all");
    let body = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
    let Response::DescribeGroups(described) = peer.ask(5, body) else { panic!("another answer") };
    for member in &described.groups[0].members {
        let instance = member.group_instance_id.as_ref().map_or("", Str::as_str);
        let (metadata, assignment) = (member.member_metadata.to_vec(), member.member_assignment.to_vec());
        let [metadata, assignment] = [metadata, assignment].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        writeln!(text, "  member {} {instance}: {metadata}, {assignment}", member.member_id)
            .expect("a string takes all");
    }
    let body = OffsetFetchRequest { group_id: group.into(), topics: None, ..Default::default() };
    let Response::OffsetFetch(fetched) = peer.ask(6, body) else { panic!("another answer") };
    for topic in &fetched.topics {
        for one in &topic.partitions {
            let (name, partition, offset) = (&topic.name, one.partition_index, one.committed_offset);
            writeln!(text, "  {name}-{partition} at {offset}").expect("a string takes all");
        }
    }
}

fn records(mut builder: Builder, count: i64) -> Builder {
    for number in 0..count {
        let (key, value) = (format!("key {number}"), format!("value {number} ").repeat(5));
        builder.push(&NewRecord {
            timestamp: Wall(TIME + number),
            key: (number % 3 != 0).then_some(key.as_bytes()),
            value: (number % 4 != 0).then_some(value.as_bytes()),
            headers: &[(b"trace", Some(b"on")), (b"empty", None)],
        });
    }
    builder
}

fn numbered(batch: i32) -> Builder {
    records(Builder::new().numbered(ProducerId(FIRST_PRODUCER), ProducerEpoch(0), batch * 5), 5)
}

/// In November 2023.
const TIME: i64 = 1_700_000_000_000;
const FIRST_PRODUCER: i64 = 0;
const ANSWER_MAX: Duration = Duration::from_secs(30);
