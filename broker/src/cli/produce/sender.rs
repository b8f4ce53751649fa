//! Batches to the leaders of their partitions, again until they are acknowledged.

use crate::cli::Done;
use crate::cli::cluster::{Cluster, TIMEOUT_MS};
use crate::cli::mistake::{Mistake, check};
use bytes::Bytes;
use ottla_core::msg::Response;
use ottla_core::msg::init_producer_id::InitProducerIdRequest;
use ottla_core::msg::metadata::MetadataResponseTopic;
use ottla_core::msg::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_core::record::{Builder, Records, sequence_after};
use ottla_core::types::{ProducerEpoch, ProducerId, Str};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The way to one topic.
pub struct Sender {
    cluster: Cluster,
    topic: Str,
    leaders: Vec<i32>,
    acks: i16,
    timeout: Duration,
    /// Who numbers our batches; nobody does without `acks=all`.
    producer: Option<(ProducerId, ProducerEpoch)>,
    /// The number of the next record of each partition.
    sequences: Vec<i32>,
}

/// A batch that was acknowledged.
pub struct Written {
    /// Its partition.
    pub partition: usize,
    /// The offset of its first record; −1 if nobody was asked to acknowledge it.
    pub offset: i64,
    /// How many records it holds.
    pub records: usize,
}

/// A batch on its way.
struct Sent {
    bytes: Bytes,
    records: usize,
}

impl Sender {
    /// Finds the leaders and, with `acks=all`, a number for this producer.
    pub fn new(mut cluster: Cluster, topic: &MetadataResponseTopic, acks: i16, timeout: Duration) -> Done<Self> {
        let producer = if acks == -1 { Some(number(&mut cluster, timeout)?) } else { None };
        let leaders: Vec<i32> = topic.partitions.iter().map(|partition| partition.leader_id).collect();
        let sequences = vec![0; leaders.len()];
        let topic = topic.name.clone().unwrap_or_default();
        Ok(Self { cluster, topic, leaders, acks, timeout, producer, sequences })
    }

    /// Writes one batch to each of these partitions.
    pub fn send(&mut self, batches: BTreeMap<usize, Builder>) -> Done<Vec<Written>> {
        let mut pending = BTreeMap::new();
        for (partition, batch) in batches {
            pending.insert(partition, self.pack(partition, batch)?);
        }
        let mut written = Vec::new();
        let started = Instant::now();
        while !pending.is_empty() {
            let Err(mistake) = self.try_once(&mut pending, &mut written) else { continue };
            // Without numbers nobody can tell whether a batch whose answer is lost was written.
            let is_doubtful = mistake.is_lost() && self.producer.is_none();
            if is_doubtful {
                return Err(mistake.then("the last records may have been written or not; --acks all would know"));
            }
            if !mistake.is_retriable() || started.elapsed() > self.timeout {
                return Err(mistake);
            }
            std::thread::sleep(PAUSE);
            self.find_leaders(mistake.is_lost())?;
        }
        Ok(written)
    }

    fn pack(&mut self, partition: usize, batch: Builder) -> Done<Sent> {
        let records = batch.count();
        let sequence = self.sequences[partition];
        let batch = match self.producer {
            Some((id, epoch)) => batch.numbered(id, epoch, sequence),
            None => batch,
        };
        self.sequences[partition] = sequence_after(sequence, records as i32);
        let built = batch.build(&ottla_codecs::functions());
        let batch = built.map_err(|fault| Mistake::new(format!("the records cannot be compressed: {fault:?}")))?;
        Ok(Sent { bytes: batch.to_bytes(), records })
    }

    /// One request to each leader; whatever is acknowledged leaves `pending`.
    fn try_once(&mut self, pending: &mut BTreeMap<usize, Sent>, written: &mut Vec<Written>) -> Done<()> {
        let mut by_leader: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for partition in pending.keys() {
            by_leader.entry(self.leaders[*partition]).or_default().push(*partition);
        }
        for (leader, partitions) in &by_leader {
            let request = self.request(partitions, pending);
            self.cluster.broker(*leader)?.send(request)?;
        }
        if self.acks == 0 {
            for (partition, sent) in std::mem::take(pending) {
                written.push(Written { partition, offset: -1, records: sent.records });
            }
            return Ok(());
        }
        // Every answer is taken before the first failure is told: what was acknowledged is not sent again.
        let answers: Vec<Done<Response>> =
            by_leader.keys().map(|leader| self.cluster.broker(*leader)?.receive(self.timeout + MARGIN)).collect();
        let mut failed = Ok(());
        for answer in answers {
            let answered = answer.and_then(|answer| self.take(answer, pending, written));
            failed = failed.and(answered);
        }
        failed
    }

    fn request(&self, partitions: &[usize], pending: &BTreeMap<usize, Sent>) -> ProduceRequest {
        let data = partitions.iter().map(|partition| PartitionProduceData {
            index: *partition as i32,
            records: Records::from(pending[partition].bytes.clone()),
        });
        let topic = TopicProduceData { name: self.topic.clone(), partition_data: data.collect(), ..Default::default() };
        let timeout_ms = i32::try_from(self.timeout.as_millis()).unwrap_or(TIMEOUT_MS);
        ProduceRequest { acks: self.acks, timeout_ms, topic_data: vec![topic], ..Default::default() }
    }

    fn take(&self, told: Response, pending: &mut BTreeMap<usize, Sent>, written: &mut Vec<Written>) -> Done<()> {
        let Response::Produce(told) = told else { return Err(Mistake::odd("the broker")) };
        let mut failed = Ok(());
        for one in told.responses.into_iter().flat_map(|topic| topic.partition_responses) {
            let what = format!("{}-{}", self.topic, one.index);
            let partition = usize::try_from(one.index).map_err(|_| Mistake::odd("the broker"))?;
            match check(one.error_code, one.error_message.as_deref(), &what) {
                Ok(()) => {
                    let sent = pending.remove(&partition).ok_or_else(|| Mistake::odd("the broker"))?;
                    written.push(Written { partition, offset: one.base_offset, records: sent.records });
                }
                Err(mistake) => failed = failed.and(Err(mistake)),
            }
        }
        failed
    }

    fn find_leaders(&mut self, is_lost: bool) -> Done<()> {
        if is_lost {
            self.cluster.forget();
        }
        let topic = self.cluster.topic(&self.topic, false)?;
        if topic.partitions.len() < self.leaders.len() {
            return Err(Mistake::new(format!("topic {} was made anew meanwhile", self.topic)));
        }
        // More partitions than before are left alone: keys would move in mid-stream.
        let leaders = topic.partitions.iter().map(|partition| partition.leader_id);
        self.leaders = leaders.take(self.leaders.len()).collect();
        Ok(())
    }
}

fn number(cluster: &mut Cluster, timeout: Duration) -> Done<(ProducerId, ProducerEpoch)> {
    cluster.patiently(|cluster| {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_epoch: -1,
            ..Default::default()
        };
        let remote = cluster.any()?;
        remote.send(request)?;
        let Response::InitProducerId(told) = remote.receive(timeout)? else { return Err(remote.odd()) };
        check(told.error_code, None, "InitProducerId")?;
        Ok((ProducerId(told.producer_id), ProducerEpoch(told.producer_epoch)))
    })
}

const PAUSE: Duration = Duration::from_millis(100);
/// What the broker's answer may take beyond the time that it was given.
const MARGIN: Duration = Duration::from_secs(5);
