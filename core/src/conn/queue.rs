//! Answers owed, in the order of their requests: one that is ready early waits for its turn.

use crate::msg::{ApiKey, Response};
use crate::types::Mono;
use crate::wire::{self, RequestHead, WireError, Writer};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// Every request under way on one connection.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// Number of the first that waits; they are numbered without a gap.
    first_seq: u64,
    /// Bytes of their requests, and of answers that are ready but not at the front.
    bytes: usize,
    /// How many of each kind that may be answered at length.
    bulky: [usize; 2],
}

#[derive(Debug)]
struct Waiting {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    asked: Mono,
    /// Of its request, then of its answer.
    bytes: usize,
    /// Set once it is answered; no chunk at all is silence.
    answer: Option<Vec<Bytes>>,
}

/// A request whose answer leaves now.
#[derive(Debug)]
pub struct Ready {
    /// Its API.
    pub api: ApiKey,
    /// When it was whole.
    pub asked: Mono,
}

/// A request that may be answered with megabytes. Kafka has one request of a connection under way at a time; here it is one
/// of each of these kinds, and other requests beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bulk {
    /// Records.
    Fetch,
    /// What is known of topics, partitions and groups: a few bytes ask for all of it.
    Listing,
}

/// Of which kind a request is, by the code of its API; `None` if its answer is about as long as it is.
pub fn bulk_of(code: i16) -> Option<Bulk> {
    const LISTINGS: [ApiKey; 9] = [
        ApiKey::Metadata,
        ApiKey::DescribeTopicPartitions,
        ApiKey::DescribeConfigs,
        ApiKey::ListConfigResources,
        ApiKey::DescribeLogDirs,
        ApiKey::DescribeProducers,
        ApiKey::DescribeGroups,
        ApiKey::ListGroups,
        ApiKey::OffsetFetch,
    ];
    if code == ApiKey::Fetch.code() {
        return Some(Bulk::Fetch);
    }
    LISTINGS.iter().any(|api| api.code() == code).then_some(Bulk::Listing)
}

impl Queue {
    /// One more request, `bytes` long; gives its number.
    pub fn push(&mut self, head: &RequestHead, bytes: usize, asked: Mono) -> u64 {
        let seq = self.first_seq + self.waiting.len() as u64;
        let RequestHead { api, version, correlation_id, .. } = *head;
        self.waiting.push_back(Waiting { api, version, correlation_id, asked, bytes, answer: None });
        self.bytes += bytes;
        bulk_of(api.code()).into_iter().for_each(|kind| self.bulky[kind as usize] += 1);
        seq
    }

    /// Encodes the answer to request number `seq`.
    ///
    /// # Panics
    /// If the request was never asked, or is answered twice: the node ends each ticket once.
    pub fn answer(&mut self, seq: u64, body: Option<&Response>) -> Result<(), (ApiKey, WireError)> {
        self.fill(seq, |waiting, writer| match body {
            None => Ok(()),
            Some(body) => wire::write_response_frame(writer, waiting.version, waiting.correlation_id, body),
        })
    }

    /// The same with an answer that is encoded already.
    pub fn send(&mut self, seq: u64, body: &Bytes) -> Result<(), (ApiKey, WireError)> {
        self.fill(seq, |waiting, writer| {
            wire::write_encoded_frame(writer, (waiting.api, waiting.version), waiting.correlation_id, body)
        })
    }

    fn fill(
        &mut self,
        seq: u64,
        write: impl FnOnce(&Waiting, &mut Writer) -> Result<(), WireError>,
    ) -> Result<(), (ApiKey, WireError)> {
        let at = seq.checked_sub(self.first_seq).expect("a request is answered once");
        let waiting = self.waiting.get_mut(at as usize).expect("only what was asked is answered");
        assert!(waiting.answer.is_none(), "a request is answered once");
        let mut writer = Writer::with_capacity(ANSWER_BYTES);
        write(waiting, &mut writer).map_err(|fault| (waiting.api, fault))?;
        let chunks = writer.take();
        self.bytes -= waiting.bytes;
        waiting.bytes = chunks.iter().map(Bytes::len).sum();
        self.bytes += waiting.bytes;
        waiting.answer = Some(chunks);
        Ok(())
    }

    /// Takes the first request off if it is answered, and adds its answer to `chunks`.
    pub fn pop_ready(&mut self, chunks: &mut Vec<Bytes>) -> Option<Ready> {
        self.waiting.front()?.answer.as_ref()?;
        let done = self.waiting.pop_front()?;
        self.first_seq += 1;
        self.bytes -= done.bytes;
        bulk_of(done.api.code()).into_iter().for_each(|kind| self.bulky[kind as usize] -= 1);
        chunks.extend(done.answer.unwrap_or_default());
        Some(Ready { api: done.api, asked: done.asked })
    }

    /// How many requests are under way.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True while a request of this kind is under way.
    pub fn has(&self, kind: Bulk) -> bool {
        self.bulky[kind as usize] > 0
    }

    /// True if nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the requests under way and of answers that wait for their turn.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Room for a small answer, made at once.
const ANSWER_BYTES: usize = 256;
