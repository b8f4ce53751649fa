//! How fast the codec is, beside the crate `kafka-protocol` on the same bytes: `cargo bench -p ottla-tests --bench wire_speed`.
//! Prints nanoseconds a message: the least of many rounds, which a busy machine disturbs little, and their median.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestKind, ResponseKind};
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use ottla_core::msg::fetch::{FetchableTopicResponse, PartitionData};
use ottla_core::msg::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::record::Records;
use ottla_core::types::{Str, Uuid};
use ottla_core::wire::{self, REQUEST_BUDGET_BYTES, Reader, Writer};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 2001;
const MESSAGES_A_ROUND: u32 = 20;

fn main() {
    decode("Produce 12, 10 partitions, 122 KB", ApiKey::Produce, 12, &produce());
    decode("Fetch 12, 200 partitions", ApiKey::Fetch, 12, &fetch(12));
    decode("Fetch 17, 200 partitions", ApiKey::Fetch, 17, &fetch(17));
    encode("Metadata 12, 100 topics of 10 partitions", 12, &metadata());
    encode("Fetch 17, 200 partitions of 8 KB", 17, &fetched());
}

fn decode(what: &str, api: ApiKey, version: i16, request: &Request) {
    let mut w = Writer::new();
    wire::encode_request(request, version, &mut w).expect("the version carries it");
    let bytes = w.into_bytes();
    let ours = timed(|| {
        let mut r = Reader::new(&bytes, REQUEST_BUDGET_BYTES);
        black_box(wire::decode_request(api, version, &mut r).expect("just encoded"));
    });
    let key = TheirKey::try_from(api.code()).expect("it knows the API");
    let theirs = timed(|| {
        black_box(RequestKind::decode(key, &mut bytes.clone(), version).expect("just encoded"));
    });
    println!("decode {what} ({} bytes): ours {ours}, kafka-protocol {theirs}", bytes.len());
}

fn encode(what: &str, version: i16, response: &Response) {
    let ours = timed(|| {
        let mut w = Writer::new();
        wire::write_response_frame(&mut w, version, 1, response).expect("the version carries it");
        black_box(w.take());
    });
    let mut w = Writer::new();
    wire::encode_response(response, version, &mut w).expect("the version carries it");
    let bytes = w.into_bytes();
    let key = TheirKey::try_from(response.api_key().code()).expect("it knows the API");
    let body = ResponseKind::decode(key, &mut bytes.clone(), version).expect("just encoded");
    let theirs = timed(|| {
        let mut out = BytesMut::new();
        body.encode(&mut out, version).expect("the version carries it");
        black_box(out);
    });
    println!("encode {what} ({} bytes): ours {ours}, kafka-protocol {theirs}", bytes.len());
}

/// "least (median) ns".
fn timed(mut once: impl FnMut()) -> String {
    let round = |_| {
        let start = Instant::now();
        (0..MESSAGES_A_ROUND).for_each(|_| once());
        start.elapsed().as_nanos() / u128::from(MESSAGES_A_ROUND)
    };
    let mut rounds: Vec<u128> = (0..ROUNDS).map(round).collect();
    rounds.sort_unstable();
    format!("{} ({}) ns", rounds[0], rounds[ROUNDS / 2])
}

fn produce() -> Request {
    let partition = |index| PartitionProduceData { index, records: Records::from(Bytes::from(vec![7; 12_500])) };
    let name = Str::from_static("orders");
    let topic = TopicProduceData { name, partition_data: (0..10).map(partition).collect(), ..Default::default() };
    Request::from(ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() })
}

fn fetch(version: i16) -> Request {
    let partition = |partition| FetchPartition {
        partition,
        current_leader_epoch: 5,
        fetch_offset: 1 << 40,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let mut topic = FetchTopic { partitions: (0..200).map(partition).collect(), ..Default::default() };
    if version < 13 {
        topic.topic = Str::from_static("orders");
    } else {
        topic.topic_id = Uuid([9; 16]);
    }
    Request::from(FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() })
}

fn fetched() -> Response {
    let records = Records::from(Bytes::from(vec![7; 8192]));
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 40,
        aborted_transactions: None,
        records: records.clone(),
        ..Default::default()
    };
    let topic_id = Uuid([9; 16]);
    let topic =
        FetchableTopicResponse { topic_id, partitions: (0..200).map(partition).collect(), ..Default::default() };
    Response::from(FetchResponse { responses: vec![topic], ..Default::default() })
}

fn metadata() -> Response {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: Str::from(format!("broker-{node_id}.example.org")),
        port: 9092,
        rack: None,
    };
    let partition = |partition_index: i32| MetadataResponsePartition {
        partition_index,
        leader_id: partition_index % 3,
        leader_epoch: 4,
        replica_nodes: vec![0, 1, 2],
        isr_nodes: vec![0, 1, 2],
        ..Default::default()
    };
    let topic = |index: usize| MetadataResponseTopic {
        name: Some(Str::from(format!("topic-{index:04}"))),
        topic_id: Uuid([index as u8; 16]),
        partitions: (0..10).map(partition).collect(),
        ..Default::default()
    };
    Response::from(MetadataResponse {
        brokers: (0..3).map(broker).collect(),
        topics: (0..100).map(topic).collect(),
        ..Default::default()
    })
}
