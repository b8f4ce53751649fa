//! Clients of the simulated world: they speak wire bytes through the core's own client machine.

use madsim::time::{sleep, timeout};
use madsim_tokio::net::TcpStream;
use ottla_core::conn::client::Client;
use ottla_core::msg::fetch::{FetchPartition, FetchRequest, FetchTopic};
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic};
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::record::{Builder, Compression, NewRecord, Records, check_stored};
use ottla_core::types::Rng;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One connection.
pub struct Peer {
    stream: TcpStream,
    client: Client,
}

/// Writes numbered records to a topic of its own until all are acknowledged.
pub struct Writer {
    number: usize,
    address: SocketAddr,
    rng: Rng,
    /// Everything that was ever sent.
    sent: u64,
    /// What was acknowledged: record and offset.
    pub acknowledged: Vec<(u64, i64)>,
    /// Connections dropped in the middle of a frame.
    pub cuts: u64,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { stream, client: Client::new("sim".into(), 1 << 24) })
    }

    /// Writes bytes in pieces that fit nothing. After `stop_after` pieces, if that is not 0, it gives up.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], rng: &mut Rng, stop_after: u64) -> io::Result<bool> {
        let mut rest = bytes;
        let mut pieces = 0;
        while !rest.is_empty() {
            if stop_after > 0 && pieces == stop_after {
                return Ok(false);
            }
            let (piece, more) = rest.split_at(rng.between(1, 400).min(rest.len() as u64) as usize);
            self.stream.write_all(piece).await?;
            self.stream.flush().await?;
            rest = more;
            pieces += 1;
            if rng.chance(1, 4) {
                sleep(Duration::from_micros(rng.between(1, 20_000))).await;
            }
        }
        Ok(true)
    }

    async fn answer(&mut self) -> io::Result<Response> {
        let (mut answers, mut buffer) = (Vec::new(), vec![0; 65536]);
        loop {
            let read =
                timeout(PATIENCE, self.stream.read(&mut buffer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..read]);
            self.client.received(bytes, &mut answers).expect("the broker answers what it was asked");
            if let Some(answer) = answers.pop() {
                return Ok(answer.body);
            }
        }
    }

    pub async fn call(&mut self, body: &Request, version: i16) -> io::Result<Response> {
        let (_, chunks) = self.client.request(body, version).expect("an encodable request");
        self.stream.write_all(&Records::from(chunks).to_bytes()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn create(&mut self, topic: &str) -> io::Result<()> {
        let topics = Some(vec![MetadataRequestTopic { name: Some(topic.into()), ..Default::default() }]);
        let request = MetadataRequest { topics, ..Default::default() };
        match self.call(&request.into(), 8).await? {
            Response::Metadata(told) if told.topics[0].partitions.first().is_some_and(|one| one.leader_id >= 0) => {
                Ok(())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Everything in partition 0 of a topic, as the numbers that were written.
    pub async fn read_all(address: SocketAddr, topic: &str) -> Vec<(u64, i64)> {
        let mut read: Vec<(u64, i64)> = Vec::new();
        loop {
            match Self::read_on(address, topic, &mut read).await {
                Ok(()) => return read,
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn read_on(address: SocketAddr, topic: &str, read: &mut Vec<(u64, i64)>) -> io::Result<()> {
        let mut peer = Self::connect(address).await?;
        loop {
            let next = read.last().map_or(0, |(_, offset)| offset + 1);
            let partition = FetchPartition { fetch_offset: next, partition_max_bytes: 2000, ..Default::default() };
            let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }];
            let request =
                FetchRequest { max_wait_ms: 200, min_bytes: 1, max_bytes: 3000, topics, ..Default::default() };
            let Response::Fetch(answer) = peer.call(&request.into(), 11).await? else { panic!("another answer") };
            let partition = &answer.responses[0].partitions[0];
            if partition.error_code != 0 {
                return Err(io::ErrorKind::Other.into());
            }
            let functions = ottla_codecs::functions();
            let mut scratch = Vec::new();
            for batch in check_stored(partition.records.to_bytes(), &functions) {
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
            if next >= partition.high_watermark {
                return Ok(());
            }
        }
    }
}

impl Writer {
    pub fn new(number: usize, address: SocketAddr, rng: Rng) -> Self {
        Self { number, address, rng, sent: 0, acknowledged: Vec::new(), cuts: 0 }
    }

    pub async fn run(mut self, records: u64) -> Self {
        while (self.acknowledged.len() as u64) < records {
            if let Err(_fault) = self.connection(records).await {
                sleep(Duration::from_millis(self.rng.between(1, 300))).await;
            }
        }
        self
    }

    /// Writes until something breaks.
    async fn connection(&mut self, records: u64) -> io::Result<()> {
        let mut peer = Peer::connect(self.address).await?;
        let topic = format!("t{}", self.number);
        peer.create(&topic).await?;
        while (self.acknowledged.len() as u64) < records {
            let first = self.acknowledged.len() as u64;
            let end = (first + self.rng.between(1, 5)).min(records);
            self.sent = self.sent.max(end);
            let version = self.rng.between(3, 9) as i16;
            let request = self.batch(&topic, first, end);
            let (_, chunks) = peer.client.request(&request, version).expect("an encodable request");
            let bytes = Records::from(chunks).to_bytes();
            let stop_after = if self.rng.chance(1, 12) { self.rng.between(1, 3) } else { 0 };
            if !peer.send_in_pieces(&bytes, &mut self.rng, stop_after).await? {
                self.cuts += 1;
                return Ok(());
            }
            let Response::Produce(answer) = peer.answer().await? else { panic!("another answer") };
            let told = &answer.responses[0].partition_responses[0];
            if told.error_code != 0 {
                return Err(io::ErrorKind::Other.into());
            }
            self.acknowledged.extend((first..end).map(|record| (record, told.base_offset + (record - first) as i64)));
        }
        Ok(())
    }

    fn batch(&mut self, topic: &str, first: u64, end: u64) -> Request {
        let codec = [Compression::None, Compression::Lz4, Compression::Snappy][self.rng.below(3) as usize];
        let mut batch = Builder::new().compressed(codec);
        for record in first..end {
            let mut value = record.to_be_bytes().to_vec();
            value.extend((0..self.rng.below(3000)).map(|at| (at ^ record) as u8));
            batch.push(&NewRecord { value: Some(&value), ..Default::default() });
        }
        let batch = batch.build(&ottla_codecs::functions()).expect("a known codec").to_bytes();
        let data = PartitionProduceData { index: 0, records: Records::from(batch) };
        let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
        ProduceRequest { acks: -1, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() }.into()
    }

    /// Every acknowledged record stands at its offset; nothing stands there that was never sent, and what repeats does so
    /// as a whole retry.
    pub fn judge(&self, read: &[(u64, i64)]) {
        let name = self.number;
        for (at, (number, offset)) in read.iter().enumerate() {
            assert_eq!(*offset, at as i64, "writer {name}: offsets without a gap");
            assert!(*number < self.sent, "writer {name}: record {number} was never sent");
        }
        for (number, offset) in &self.acknowledged {
            let found = read.get(*offset as usize).map(|(number, _)| *number);
            assert_eq!(found, Some(*number), "writer {name}: record {number} was acknowledged at offset {offset}");
        }
        let mut next = 0;
        for (number, offset) in read {
            assert!(*number <= next, "writer {name}: record {number} at offset {offset} came before {next}");
            next = next.max(number + 1);
        }
    }
}

const _: () = assert!(ApiKey::Produce.facts().first <= 3);
const PATIENCE: Duration = Duration::from_secs(5);
