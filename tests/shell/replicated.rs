//! Clients of a cluster in the simulated world: they look for leaders, and write each record until all replicas have it, once.

use crate::client::Peer;
use crate::cluster::say;
use madsim::time::sleep;
use ottla_core::msg::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchTopic};
use ottla_core::msg::init_producer_id::InitProducerIdRequest;
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{Request, Response};
use ottla_core::record::{Builder, NewRecord, Records, check_stored};
use ottla_core::types::{ErrorCode, ProducerEpoch, ProducerId, Rng};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// An idempotent writer of numbered records to one partition, one batch under way at a time.
pub struct Writer {
    partition: usize,
    rng: Rng,
    /// What was acknowledged: each record's offset.
    acknowledged: Vec<i64>,
    /// How often it went to another leader.
    pub moved: u64,
    /// Batches that were sent more than once.
    pub repeated: u64,
    leader: Option<i32>,
    /// The newest reign that it was told of. As Java's client does, it believes nobody who tells of an older one: a leader that was
    /// cut off, and does not know yet that another one leads, knows nothing of the numbers since.
    epoch: i32,
}

impl Writer {
    pub fn new(partition: usize, rng: Rng) -> Self {
        Self { partition, rng, acknowledged: Vec::new(), moved: 0, repeated: 0, leader: None, epoch: -1 }
    }

    pub async fn run(mut self, records: u64) -> Self {
        let id = self.producer().await;
        while (self.acknowledged.len() as u64) < records {
            let first = self.acknowledged.len() as u64;
            let end = (first + self.rng.between(1, 5)).min(records);
            let request = self.batch(id, first, end);
            let mut tries = 0;
            let base = loop {
                match self.send(&request).await {
                    Ok(base) => break base,
                    Err(fault) => {
                        say(&format!("writer {} from {first}: {fault}", self.partition));
                        sleep(Duration::from_millis(self.rng.between(10, 300))).await;
                    }
                }
                tries += 1;
            };
            self.repeated += tries;
            self.acknowledged.extend((first..end).map(|record| base + (record - first) as i64));
            if self.rng.chance(1, 2) {
                sleep(Duration::from_millis(self.rng.between(1, 1500))).await;
            }
        }
        self
    }

    async fn producer(&mut self) -> ProducerId {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        loop {
            if let Ok(Response::InitProducerId(told)) = ask_anybody(&request.clone().into(), 4, &mut self.rng).await {
                match ErrorCode::from_code(told.error_code) {
                    Some(ErrorCode::None) => return ProducerId(told.producer_id),
                    Some(code) if code.is_retriable() => say(&format!("writer {} has no id: {code:?}", self.partition)),
                    code => panic!("writer {}: the broker says {code:?}", self.partition),
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The same bytes until they are acknowledged.
    async fn send(&mut self, request: &Request) -> io::Result<i64> {
        let told = metadata(&mut self.rng).await?;
        let partition = told.topics[0].partitions.iter().find(|one| one.partition_index == self.partition as i32);
        let partition = partition.filter(|one| one.leader_id > 0 && one.leader_epoch >= self.epoch);
        let partition = partition.ok_or(io::ErrorKind::NotFound)?;
        let leader = partition.leader_id;
        self.epoch = partition.leader_epoch;
        if self.leader.replace(leader).is_some_and(|before| before != leader) {
            self.moved += 1;
        }
        let mut peer = Peer::connect(address(leader)).await?;
        let Response::Produce(answer) = peer.call(request, 9).await? else { panic!("another answer") };
        let told = &answer.responses[0].partition_responses[0];
        match ErrorCode::from_code(told.error_code) {
            Some(ErrorCode::None) => Ok(told.base_offset),
            Some(code) if code.is_retriable() => Err(io::Error::other(format!("{code:?}"))),
            code => panic!("writer {}: the broker says {code:?}", self.partition),
        }
    }

    fn batch(&mut self, id: ProducerId, first: u64, end: u64) -> Request {
        let mut batch = Builder::new().numbered(id, ProducerEpoch(0), first as i32);
        for record in first..end {
            let mut value = record.to_be_bytes().to_vec();
            value.extend((0..self.rng.below(3000)).map(|at| (at ^ record) as u8));
            batch.push(&NewRecord { value: Some(&value), ..Default::default() });
        }
        let records = Records::from(batch.build(&ottla_codecs::functions()).expect("no codec").to_bytes());
        let data = PartitionProduceData { index: self.partition as i32, records };
        let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![data], ..Default::default() };
        ProduceRequest { acks: -1, timeout_ms: 3000, topic_data: vec![topic], ..Default::default() }.into()
    }

    /// Every record once, in order, where it was acknowledged to be.
    pub fn judge(&self, records: u64, read: &[(u64, i64)]) {
        let wanted: Vec<(u64, i64)> = (0..records).zip(self.acknowledged.iter().copied()).collect();
        assert_eq!(read, wanted, "partition {}: what is read is not what was acknowledged", self.partition);
    }
}

/// Makes the topic, and returns when all know it.
pub async fn make_topic(mut rng: Rng) {
    let config = |name: &str, value: &str| CreatableTopicConfig { name: name.into(), value: Some(value.into()) };
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: PARTITIONS as i32,
        replication_factor: 3,
        configs: vec![config("min.insync.replicas", "2"), config("segment.bytes", "1048576")],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 3000, ..Default::default() };
    while !is_whole(&mut rng).await {
        // It may be there already, or nobody may be the controller: it is asked again until it is there.
        let _ = ask_anybody(&request.clone().into(), 5, &mut rng).await;
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns when every partition has a leader and all replicas in sync, and all brokers know it.
pub async fn wait_until_whole(rng: &mut Rng) {
    for _ in 0..WHOLE_TRIES_MAX {
        if is_agreed().await {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
    panic!("long after the last strike replicas are out of sync: {:?}", metadata(rng).await);
}

async fn is_whole(rng: &mut Rng) -> bool {
    metadata(rng).await.is_ok_and(|told| is_whole_in(&told))
}

/// All brokers say so, and of the same leaders.
async fn is_agreed() -> bool {
    let mut said = Vec::new();
    for broker in 1..=3 {
        match metadata_of(broker).await {
            Ok(told) if is_whole_in(&told) => said.push(told.topics),
            Ok(_) | Err(_) => return false,
        }
    }
    said.windows(2).all(|pair| pair[0] == pair[1])
}

fn is_whole_in(told: &MetadataResponse) -> bool {
    let partitions = &told.topics[0].partitions;
    partitions.len() == PARTITIONS && partitions.iter().all(|one| one.leader_id > 0 && one.isr_nodes.len() == 3)
}

/// Everything in a partition, as the numbers that were written and their offsets.
pub async fn read_all(partition: usize, rng: &mut Rng) -> Vec<(u64, i64)> {
    let mut read = Vec::new();
    loop {
        match read_on(partition, &mut read, rng).await {
            Ok(()) => return read,
            Err(_fault) => sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn read_on(partition: usize, read: &mut Vec<(u64, i64)>, rng: &mut Rng) -> io::Result<()> {
    let told = metadata(rng).await?;
    let found = told.topics[0].partitions.iter().find(|one| one.partition_index == partition as i32);
    let leader = found.map(|one| one.leader_id).filter(|leader| *leader > 0).ok_or(io::ErrorKind::NotFound)?;
    let mut peer = Peer::connect(address(leader)).await?;
    loop {
        let next = read.last().map_or(0, |(_, offset)| offset + 1);
        let wanted = FetchPartition {
            partition: partition as i32,
            fetch_offset: next,
            partition_max_bytes: rng.between(1, 4000) as i32,
            ..Default::default()
        };
        let topics = vec![FetchTopic { topic: TOPIC.into(), partitions: vec![wanted], ..Default::default() }];
        let request = FetchRequest { max_wait_ms: 200, min_bytes: 1, max_bytes: 5000, topics, ..Default::default() };
        let Response::Fetch(answer) = peer.call(&request.into(), 11).await? else { panic!("another answer") };
        let told = &answer.responses[0].partitions[0];
        if told.error_code != 0 {
            return Err(io::ErrorKind::Other.into());
        }
        let functions = ottla_codecs::functions();
        let mut scratch = Vec::new();
        for batch in check_stored(told.records.to_bytes(), &functions) {
            let batch = batch.expect("whole and good batches");
            for placed in batch.walk(&functions, &mut scratch).expect("readable records") {
                let placed = placed.expect("readable records");
                let value = placed.record.value.expect("a value");
                let number = u64::from_be_bytes(value[..8].try_into().expect("eight bytes at least"));
                if placed.offset.0 >= next {
                    read.push((number, placed.offset.0));
                }
            }
        }
        if next >= told.high_watermark {
            return Ok(());
        }
    }
}

async fn metadata(rng: &mut Rng) -> io::Result<MetadataResponse> {
    metadata_of(rng.between(1, 3) as i32).await
}

async fn metadata_of(broker: i32) -> io::Result<MetadataResponse> {
    let topics = Some(vec![MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() }]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
    match Peer::connect(address(broker)).await?.call(&request.into(), 8).await? {
        Response::Metadata(told) => Ok(told),
        other => panic!("another answer: {other:?}"),
    }
}

async fn ask_anybody(request: &Request, version: i16, rng: &mut Rng) -> io::Result<Response> {
    let mut peer = Peer::connect(address(rng.between(1, 3) as i32)).await?;
    peer.call(request, version).await
}

fn address(broker: i32) -> SocketAddr {
    ([10, 0, 0, broker as u8], 9092).into()
}

/// The partitions of the one topic.
pub const PARTITIONS: usize = 3;
const TOPIC: &str = "replicated";
/// Half a second each.
const WHOLE_TRIES_MAX: u32 = 240;
