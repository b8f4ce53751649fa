//! A Produce request → the input whose batches are proved or refused, here or on another thread.

use crate::boundary::{Asker, Input, Produce, ProducePartition, ProduceTopic};
use crate::msg::produce::{PartitionProduceData, ProduceRequest};
use crate::record::{self, Functions, Header, ProveRules, Proved, Refusal};
use crate::types::{ConnId, Ticket};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Who asked, and how.
#[derive(Clone, Debug)]
pub struct Part {
    /// Who waits.
    pub ticket: Ticket,
    /// What is known of the asker.
    pub asker: Arc<Asker>,
    /// Version of the request.
    pub version: i16,
}

/// A Produce request whose batches are still to be proved: a pure function of its own fields, for any thread.
#[derive(Debug)]
pub struct ProveJob {
    part: Part,
    body: ProduceRequest,
    batch_bytes_max: usize,
}

/// A Produce request whose batches are proved.
#[derive(Debug)]
pub struct ProveDone {
    /// The connection to give it back to.
    pub conn: ConnId,
    pub(super) seq: u64,
    pub(super) input: Input,
}

impl ProveJob {
    pub(super) fn new(part: Part, body: ProduceRequest, batch_bytes_max: usize) -> Self {
        Self { part, body, batch_bytes_max }
    }

    /// The connection it belongs to.
    pub fn conn(&self) -> ConnId {
        self.part.ticket.conn
    }

    pub(super) fn seq(&self) -> u64 {
        self.part.ticket.seq
    }

    /// Proves every batch if that is done at once, and gives the job back if it is not: checksums and uncompressed records cost next
    /// to nothing, unpacking does, and what comes out is known only then.
    pub(super) fn run_here(self, functions: &Functions, scratch: &mut Vec<u8>) -> Result<ProveDone, Self> {
        let partitions = || self.body.topic_data.iter().flat_map(|topic| &topic.partition_data);
        let packed = partitions().filter(|partition| is_packed(partition)).map(|partition| partition.records.len());
        match packed.fold((0, 0), |(count, bytes), more| (count + 1, bytes + more)) {
            (0, _) => return Ok(self.run(functions, scratch)),
            (1..=PACKED_INLINE_MAX, ..=PACKED_INLINE_BYTES_MAX) => {}
            (_, _) => return Err(self),
        }
        let rules = self.rules();
        let mut batches = Vec::with_capacity(partitions().count());
        for partition in partitions() {
            let records = partition.records.to_bytes();
            let batch = record::prove_within(records, UNPACKED_INLINE_BYTES_MAX, &rules, functions, scratch);
            if matches!(batch, Err(Refusal::Bomb)) {
                return Err(self);
            }
            batches.push(batch);
        }
        let mut batches = batches.into_iter();
        Ok(self.done(|_| batches.next().expect("one of each partition")))
    }

    /// Proves every batch. `scratch` is where records are unpacked.
    pub fn run(self, functions: &Functions, scratch: &mut Vec<u8>) -> ProveDone {
        let rules = self.rules();
        self.done(|partition| record::prove(partition.records.to_bytes(), &rules, functions, scratch))
    }

    fn rules(&self) -> ProveRules {
        ProveRules { version: self.part.version, batch_bytes_max: self.batch_bytes_max }
    }

    fn done(self, mut prove: impl FnMut(&PartitionProduceData) -> Result<Proved, Refusal>) -> ProveDone {
        let Part { ticket, asker, version } = self.part;
        let mut prove =
            |partition: PartitionProduceData| ProducePartition { index: partition.index, batch: prove(&partition) };
        let topics = self.body.topic_data.into_iter().map(|topic| ProduceTopic {
            name: topic.name,
            id: topic.topic_id,
            partitions: topic.partition_data.into_iter().map(&mut prove).collect(),
        });
        let body = Produce {
            topics: topics.collect(),
            transactional_id: self.body.transactional_id,
            acks: self.body.acks,
            timeout: Duration::from_millis(self.body.timeout_ms.max(0).unsigned_abs().into()),
        };
        ProveDone { conn: ticket.conn, seq: ticket.seq, input: Input::Produce { ticket, asker, version, body } }
    }
}

/// How many batches a request brings, or would if it named one for each partition.
pub(super) fn pieces(body: &ProduceRequest) -> usize {
    body.topic_data.iter().map(|topic| topic.partition_data.len()).sum()
}

/// More is refused: each is a part, an order and an answer of some hundred bytes, made in one step. Java's producer, which packs the most
/// into a request, comes to 13,797 of the smallest.
pub(super) const PIECES_MAX: usize = 16_384;

fn is_packed(partition: &PartitionProduceData) -> bool {
    let piece = partition.records.pieces().first();
    let header = piece.and_then(|piece| Header::read(piece).ok());
    header.is_some_and(|header| header.attributes.compression() != Some(record::Compression::None))
}

/// Compressed bytes of one request that are unpacked on the connection's own thread, and in how many batches.
const PACKED_INLINE_BYTES_MAX: usize = 4096;
const PACKED_INLINE_MAX: usize = 16;
/// What one of these batches may become there.
const UNPACKED_INLINE_BYTES_MAX: usize = 64 * 1024;
