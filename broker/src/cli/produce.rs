//! `ottla produce`: a record for each line of the standard input.

use super::remote::{Cluster, check_with, odd};
use super::show;
use crate::flags::ProduceFlags;
use ottla_core::msg::Response;
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::record::{Builder, Compression, NewRecord, Records};
use ottla_core::types::Wall;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

/// Records gathered for one partition.
struct Pending {
    batch: Builder,
}

/// Where lines go.
struct Producer<'a> {
    flags: &'a ProduceFlags,
    cluster: Cluster,
    /// The leader of each partition.
    leaders: Vec<i32>,
    compression: Compression,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pending: BTreeMap<usize, Pending>,
    pending_bytes: usize,
    /// Where records without a key go until the next batch.
    sticky: usize,
    written: u64,
}

pub fn run(flags: &ProduceFlags) -> Result<(), String> {
    let mut producer = Producer::new(flags)?;
    let mut input = BufReader::with_capacity(BATCH_BYTES, io::stdin().lock());
    if io::stdin().is_terminal() {
        eprintln!("one record a line; Ctrl-D ends");
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let len = input.read_until(b'\n', &mut line).map_err(|fault| format!("the input breaks off: {fault}"))?;
        if len == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        producer.push(&line);
        // What a person types is sent line by line, what comes from a pipe in batches.
        if producer.pending_bytes >= BATCH_BYTES || input.buffer().is_empty() {
            producer.flush()?;
        }
    }
    producer.flush()?;
    if !flags.reach.json && io::stderr().is_terminal() {
        eprintln!("{} records written to {}", producer.written, flags.topic);
    }
    Ok(())
}

impl<'a> Producer<'a> {
    fn new(flags: &'a ProduceFlags) -> Result<Self, String> {
        let compression = Compression::ALL.into_iter().find(|codec| codec.name() == flags.compression);
        let headers = flags.headers.iter().map(|text| match text.split_once('=') {
            Some((name, value)) => Ok((name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))),
            None => Err(format!("--header {text}: expected NAME=VALUE")),
        });
        let headers = headers.collect::<Result<_, _>>()?;
        let mut cluster = Cluster::connect(&flags.reach.broker)?;
        let mut partitions = cluster.topic(&flags.topic, true)?.partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        let leaders: Vec<i32> = partitions.iter().map(|partition| partition.leader_id).collect();
        if let Some(wanted) = flags.partition
            && usize::try_from(wanted).map_or(true, |wanted| wanted >= leaders.len())
        {
            return Err(format!("{} has no partition {wanted}, only 0 to {}", flags.topic, leaders.len() - 1));
        }
        let sticky = now().0.unsigned_abs() as usize % leaders.len();
        let compression = compression.ok_or_else(|| format!("no codec is called {}", flags.compression))?;
        Ok(Self {
            flags,
            cluster,
            leaders,
            compression,
            headers,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            sticky,
            written: 0,
        })
    }

    fn push(&mut self, line: &[u8]) {
        let separator = self.flags.key_separator.as_deref().unwrap_or("").as_bytes();
        let cut = if separator.is_empty() { None } else { find(line, separator) };
        let (key, value) = match cut {
            Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
            None => (self.flags.key.as_deref().map(str::as_bytes), line),
        };
        let partition = match (self.flags.partition, key) {
            (Some(wanted), _) => wanted as usize,
            (None, Some(key)) => (murmur2(key) & 0x7fff_ffff) as usize % self.leaders.len(),
            (None, None) => self.sticky,
        };
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        let compression = self.compression;
        let pending =
            self.pending.entry(partition).or_insert_with(|| Pending { batch: Builder::new().compressed(compression) });
        pending.batch.push(&NewRecord { timestamp: now(), key, value: Some(value), headers: &headers });
        self.pending_bytes += line.len() + RECORD_OVERHEAD;
    }

    fn flush(&mut self) -> Result<(), String> {
        let functions = ottla_codecs::functions();
        for (partition, Pending { batch }) in std::mem::take(&mut self.pending) {
            let count = batch.count() as u64;
            let batch = batch.build(&functions).map_err(|fault| format!("the records cannot be packed: {fault:?}"))?;
            let offset = self.send(partition, batch.to_bytes())?;
            self.written += count;
            if self.flags.reach.json {
                let topic = &self.flags.topic;
                show::json(&json!({ "topic": topic, "partition": partition, "offset": offset, "records": count }));
            }
        }
        self.pending_bytes = 0;
        self.sticky = (self.sticky + 1) % self.leaders.len();
        Ok(())
    }

    fn send(&mut self, partition: usize, batch: bytes::Bytes) -> Result<i64, String> {
        let data = PartitionProduceData { index: partition as i32, records: Records::from(batch) };
        let topic = TopicProduceData {
            name: self.flags.topic.as_str().into(),
            partition_data: vec![data],
            ..Default::default()
        };
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let told = self.cluster.broker(self.leaders[partition])?.call(request, VERSION_WITH_NAMES)?;
        let Response::Produce(told) = told else { return Err(odd(&self.flags.topic)) };
        let answer = told.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let answer = answer.ok_or_else(|| odd(&self.flags.topic))?;
        let what = format!("{}-{partition}", self.flags.topic);
        check_with(answer.error_code, answer.error_message.as_deref(), &what)?;
        Ok(answer.base_offset)
    }
}

fn find(line: &[u8], separator: &[u8]) -> Option<usize> {
    line.windows(separator.len()).position(|window| window == separator)
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// MurmurHash2 with Kafka's seed: its clients choose the partition of a key by it, so equal keys meet.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Later ones name topics by their ids.
const VERSION_WITH_NAMES: i16 = 12;
const BATCH_BYTES: usize = 256 * 1024;
/// What a record takes beyond its line, roughly.
const RECORD_OVERHEAD: usize = 16;

#[cfg(test)]
#[path = "produce_test.rs"]
mod produce_test;
