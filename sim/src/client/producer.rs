//! A producer as real ones are: batches per partition, several requests in flight, retries after errors and lost
//! connections, and, if it is idempotent, sequence numbers that survive all of that (KIP-98).

use super::batch::{Entry, Signature, encode};
use super::directory::{self, DIRECTORY, Directory};
use super::{Actor, Address, Cx, Happened};
use crate::clock::At;
use crate::model::{LogName, RecordId, stamp};
use bytes::Bytes;
use ottla_core::msg::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_core::msg::produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData};
use ottla_core::msg::{ApiKey, Response};
use ottla_core::record::{Compression, Functions, Records, sequence_after};
use ottla_core::types::{ErrorCode, Str, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a producer is like.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// Its number among the clients.
    pub me: usize,
    /// The topics it writes to.
    pub topics: Vec<usize>,
    /// Numbers its batches.
    pub idempotent: bool,
    /// −1, 1 or 0.
    pub acks: i16,
    /// Requests in flight at a time.
    pub in_flight_max: usize,
    /// A usual wait between two bursts.
    pub pace: Duration,
    /// The most records of one batch.
    pub records_max: u64,
    /// The most bytes of one value.
    pub value_bytes_max: u64,
    /// How long it goes on trying with one batch.
    pub delivery: Duration,
    /// Makes no record after the so many-th.
    pub records_total: u64,
    /// How records are compressed.
    #[serde(with = "Codec")]
    pub codec: Compression,
    /// Milliseconds since 1970 at the start of the run.
    pub epoch_ms: i64,
}

/// How a codec is written into a file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Compression")]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// A batch on its way to being acknowledged.
#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<RecordId>,
    entries: Vec<Entry>,
    sequence: i32,
    tries: u32,
    flying: bool,
    deadline: At,
}

/// The batches of one partition, oldest first.
#[derive(Clone, Default, Debug)]
struct Line {
    batches: VecDeque<Batch>,
    sequence_next: i32,
    /// Not before then.
    retry_at: At,
    /// The oldest was refused while younger ones were under way. A broker that knows nothing of this producer yet takes
    /// whatever number comes first (KIP-360), and the oldest then comes too late.
    /// This is the youngest of them: once it is stored with nothing older waiting, the broker knows the producer.
    overtaken: Option<RecordId>,
}

impl Line {
    /// The first record of the youngest batch behind this one that was ever sent.
    fn youngest_behind(&self, at: usize) -> Option<RecordId> {
        self.batches.iter().skip(at + 1).rfind(|batch| batch.tries > 0).map(|batch| batch.ids[0])
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Asks whether its topics are there.
    Learning,
    /// Has to ask for a producer id when it is woken.
    Nameless,
    /// Has asked for one.
    Numbering,
    Ready,
}

/// The producer.
pub struct Producer {
    habits: Habits,
    functions: Functions,
    directory: Directory,
    /// Not before then it asks again who leads; never while it has no reason to.
    refresh_at: Option<At>,
    stage: Stage,
    lines: BTreeMap<LogName, Line>,
    identity: Option<(i64, i16)>,
    incarnation: u32,
    flights: BTreeMap<u64, Vec<(LogName, RecordId)>>,
    tag: u64,
    made: u64,
    next_burst: At,
    finishing: bool,
}

impl Producer {
    /// A producer that has sent nothing.
    pub fn new(habits: Habits, functions: Functions) -> Self {
        Self {
            habits,
            functions,
            directory: Directory::default(),
            refresh_at: None,
            stage: Stage::Learning,
            lines: BTreeMap::new(),
            identity: None,
            incarnation: 0,
            flights: BTreeMap::new(),
            tag: 0,
            made: 0,
            next_burst: At::START,
            finishing: false,
        }
    }

    fn begin(&mut self, cx: &mut Cx) {
        if !self.habits.idempotent || self.identity.is_some() {
            self.stage = Stage::Ready;
            return self.go_on(cx);
        }
        self.stage = Stage::Numbering;
        let transactional_id = None;
        self.tag += 1;
        let body = InitProducerIdRequest { transactional_id, transaction_timeout_ms: 60_000, ..Default::default() };
        cx.ask(self.tag, body);
    }

    fn numbered(&mut self, cx: &mut Cx, body: &InitProducerIdResponse) {
        if body.error_code != ErrorCode::None.code() {
            cx.model.mark("producer ids refused");
            self.stage = Stage::Nameless;
            return cx.wake_in(Duration::from_millis(100));
        }
        if body.producer_id < 0 || body.producer_epoch < 0 {
            cx.model.find("idempotent", format!("InitProducerId gave {body:?}"));
        }
        self.identity = Some((body.producer_id, body.producer_epoch));
        self.incarnation += 1;
        self.lines.values_mut().for_each(|line| line.sequence_next = 0);
        self.stage = Stage::Ready;
        self.go_on(cx);
    }

    /// Makes new batches if it is time, gives up on old ones, and sends what may be sent.
    fn go_on(&mut self, cx: &mut Cx) {
        if self.stage != Stage::Ready {
            return;
        }
        self.give_up(cx);
        if self.stage != Stage::Ready {
            return;
        }
        if self.next_burst <= cx.now && !self.finishing && self.made < self.habits.records_total {
            self.burst(cx);
            let pace = self.habits.pace.as_micros() as u64;
            self.next_burst = cx.now + Duration::from_micros(cx.rng.between(pace / 4 + 1, pace * 2));
        }
        while self.flights.len() < self.habits.in_flight_max && self.send(cx) {}
        self.look_elsewhere(cx);
        self.arrange(cx);
    }

    /// A producer speaks to one broker at a time: when nothing is under way it goes to where something else is waiting to
    /// be sent, and asks who leads what nobody does, or what was refused here.
    fn look_elsewhere(&mut self, cx: &mut Cx) {
        if !cx.model.cluster || !cx.up || !self.flights.is_empty() {
            return;
        }
        if self.refresh_at.is_some_and(|at| at <= cx.now) {
            self.refresh_at = None;
            return directory::ask(cx, &self.habits.topics);
        }
        let waiting: Vec<LogName> =
            self.lines.iter().filter(|(_, line)| !line.batches.is_empty()).map(|(log, _)| *log).collect();
        let is_busy = waiting.iter().any(|log| self.directory.is_here(cx, *log));
        let homes: Vec<Address> = waiting.iter().filter_map(|log| self.directory.elsewhere(cx, *log)).collect();
        if homes.is_empty() {
            if !is_busy && !waiting.is_empty() {
                self.refresh_soon(cx);
            }
        } else if !is_busy || cx.rng.chance(1, 4) {
            let home = homes[cx.rng.below(homes.len() as u64) as usize].clone();
            cx.move_to(home);
        }
    }

    fn refresh_soon(&mut self, cx: &Cx) {
        if cx.model.cluster && self.refresh_at.is_none() {
            self.refresh_at = Some(cx.now + Duration::from_millis(100));
        }
    }

    fn arrange(&self, cx: &mut Cx) {
        if !self.finishing && self.made < self.habits.records_total {
            cx.wake_at(self.next_burst);
        }
        if let Some(at) = self.refresh_at {
            cx.wake_at(at.max(cx.now + Duration::from_millis(1)));
        }
        for (log, line) in &self.lines {
            if let Some(batch) = line.batches.front() {
                let patience = Duration::from_millis(if self.directory.is_here(cx, *log) { 1 } else { 50 });
                let due = if batch.flying { batch.deadline } else { line.retry_at.max(cx.now + patience) };
                cx.wake_at(due.max(cx.now + Duration::from_millis(1)));
            }
        }
    }

    fn burst(&mut self, cx: &mut Cx) {
        let backlog: usize = self.lines.values().map(|line| line.batches.len()).sum();
        if backlog > 20 {
            return;
        }
        for _ in 0..cx.rng.between(1, 3) {
            let topic = self.habits.topics[cx.rng.below(self.habits.topics.len() as u64) as usize];
            let partition = cx.rng.below(cx.model.topics[topic].partitions as u64) as i32;
            self.make(cx, LogName { topic, partition });
        }
    }

    fn make(&mut self, cx: &mut Cx, log: LogName) {
        let count = cx.rng.between(1, self.habits.records_max);
        let mut batch = Batch {
            ids: Vec::new(),
            entries: Vec::new(),
            sequence: -1,
            tries: 0,
            flying: false,
            deadline: cx.now + self.habits.delivery,
        };
        for _ in 0..count {
            let entry = self.entry(cx, cx.model.next_id());
            let author = (self.habits.me, self.incarnation);
            batch.ids.push(cx.model.made(log, author, self.habits.idempotent, &entry));
            batch.entries.push(entry);
            self.made += 1;
        }
        let line = self.lines.entry(log).or_default();
        if self.habits.idempotent {
            batch.sequence = line.sequence_next;
            line.sequence_next = sequence_after(line.sequence_next, count as i32);
        }
        line.batches.push_back(batch);
    }

    fn entry(&self, cx: &mut Cx, id: RecordId) -> Entry {
        let len = cx.rng.below(self.habits.value_bytes_max + 1) as usize;
        let fill = cx.rng.next_u64();
        let mut value = stamp(id).to_vec();
        value.extend((0..len).map(|at| (fill >> (at % 8 * 8)) as u8 ^ (at / 8) as u8));
        let key = (!cx.rng.chance(1, 4)).then(|| format!("key-{}", cx.rng.below(16)).into_bytes());
        let headers = (0..cx.rng.below(3)).map(|n| (vec![b'h', n as u8], (n != 1).then(|| vec![n as u8; 3]))).collect();
        let skew = cx.rng.below(2_000) as i64 - 1_000;
        let timestamp = self.habits.epoch_ms + (cx.now.0 / 1_000_000) as i64 + skew;
        Entry { timestamp, key, value: Some(value), headers }
    }

    /// Batches past their time are nobody's any more. An idempotent producer then starts over under a new id, since it
    /// cannot know which of its numbers were used.
    fn give_up(&mut self, cx: &mut Cx) {
        let late = |line: &Line| line.batches.front().is_some_and(|batch| batch.deadline <= cx.now);
        if !self.lines.values().any(late) {
            return;
        }
        cx.model.mark("batches given up");
        if self.habits.idempotent {
            self.start_over(cx);
        } else {
            for line in self.lines.values_mut() {
                line.batches.retain(|batch| batch.deadline > cx.now);
            }
        }
    }

    fn start_over(&mut self, cx: &mut Cx) {
        for line in self.lines.values_mut() {
            line.batches.clear();
            line.overtaken = None;
        }
        self.identity = None;
        if cx.up {
            self.begin(cx);
        } else {
            self.stage = Stage::Learning;
        }
    }

    /// Sends one request with a batch of each partition that has one to send. False if there is none.
    fn send(&mut self, cx: &mut Cx) -> bool {
        if !cx.up {
            return false;
        }
        let alone = cx.rng.chance(1, 3);
        let mut topics: BTreeMap<usize, Vec<PartitionProduceData>> = BTreeMap::new();
        let mut flight = Vec::new();
        let logs: Vec<LogName> = self.lines.keys().copied().collect();
        for log in logs {
            let Some((id, bytes)) = self.take(cx, log) else { continue };
            flight.push((log, id));
            let records = Records::from(bytes);
            topics.entry(log.topic).or_default().push(PartitionProduceData { index: log.partition, records });
            if alone {
                break;
            }
        }
        if flight.is_empty() {
            return false;
        }
        let topic_data = topics.into_iter().map(|(topic, partition_data)| {
            let topic = &cx.model.topics[topic];
            let (name, topic_id) = (Str::from(topic.name.as_str()), topic.id.unwrap_or(Uuid::ZERO));
            TopicProduceData { name, topic_id, partition_data }
        });
        let topic_data = topic_data.collect();
        let body = ProduceRequest { transactional_id: None, acks: self.habits.acks, timeout_ms: 30_000, topic_data };
        self.tag += 1;
        cx.ask(self.tag, body);
        match self.habits.acks {
            0 => flight.into_iter().for_each(|(log, id)| self.end(log, id)),
            _ => drop(self.flights.insert(self.tag, flight)),
        }
        true
    }

    /// The next batch of this partition that may be sent now, as bytes.
    fn take(&mut self, cx: &mut Cx, log: LogName) -> Option<(RecordId, Bytes)> {
        let is_here = self.directory.is_here(cx, log);
        let line = self.lines.get_mut(&log).filter(|_| is_here)?;
        let at = line.batches.iter().position(|batch| !batch.flying)?;
        let batch = &line.batches[at];
        // One that was sent before goes again only when it is the oldest; nothing overtakes it.
        let overtakes = self.habits.idempotent && at > 0 && (batch.tries > 0 || line.batches[0].tries > 1);
        if line.retry_at > cx.now || at >= 5 || overtakes {
            return None;
        }
        let codec = match self.habits.codec {
            Compression::Zstd if cx.versions.of(ApiKey::Produce) < 7 => Compression::None,
            codec => codec,
        };
        let batch = &mut line.batches[at];
        let signature = match self.identity {
            Some((producer, epoch)) => Signature { producer, epoch, sequence: batch.sequence },
            None => Signature::NONE,
        };
        batch.tries += 1;
        batch.flying = true;
        batch.ids.iter().for_each(|id| cx.model.tried(*id));
        Some((batch.ids[0], encode(&batch.entries, signature, codec, &self.functions)))
    }

    fn end(&mut self, log: LogName, first: RecordId) {
        let line = self.lines.get_mut(&log).expect("a batch in flight has a line");
        line.batches.retain(|batch| batch.ids[0] != first);
    }

    fn produced(&mut self, cx: &mut Cx, tag: u64, topics: &[ottla_core::msg::produce::TopicProduceResponse]) {
        let Some(flight) = self.flights.remove(&tag) else { return };
        for (log, first) in flight {
            let topic = &cx.model.topics[log.topic];
            let found = topics.iter().find(|answer| answer.name == *topic.name || Some(answer.topic_id) == topic.id);
            let found = found.and_then(|answer| {
                answer.partition_responses.iter().find(|partition| partition.index == log.partition)
            });
            match found {
                Some(answer) => self.settled(cx, log, first, answer),
                None => {
                    let text = format!("{} is missing in the answer to Produce", cx.model.name(log));
                    cx.model.find("wire", text);
                }
            }
        }
        self.go_on(cx);
    }

    fn settled(&mut self, cx: &mut Cx, log: LogName, first: RecordId, answer: &PartitionProduceResponse) {
        let Some(line) = self.lines.get_mut(&log) else { return };
        let Some(at) = line.batches.iter().position(|batch| batch.ids[0] == first) else { return };
        let error = ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError);
        match error {
            ErrorCode::None => {
                let batch = line.batches.remove(at).expect("found above");
                // Nothing older waits, and whoever leads knows of the youngest that was under way: it knows of all before the next.
                line.overtaken = line.overtaken.filter(|youngest| at > 0 || batch.ids[0] < *youngest);
                let base = (answer.base_offset >= 0).then_some(answer.base_offset);
                cx.model.acked(log, base, &batch.ids);
            }
            ErrorCode::DuplicateSequenceNumber => {
                let batch = line.batches.remove(at).expect("found above");
                cx.model.acked(log, None, &batch.ids);
            }
            ErrorCode::OutOfOrderSequenceNumber if at > 0 || !self.habits.idempotent => Self::retry(cx, line, at),
            ErrorCode::OutOfOrderSequenceNumber if line.overtaken.is_some() => {
                cx.model.mark("numbers overtaken");
                self.start_over(cx);
            }
            ErrorCode::OutOfOrderSequenceNumber if cx.model.is_led_elsewhere(log, &cx.at.0) => {
                // One that led and has not heard of its end knows nothing of what others took since; Kafka's says the same.
                cx.model.mark("numbers unknown to leaders of the past");
                self.start_over(cx);
            }
            error if error.is_retriable() => {
                cx.model.mark("produce retried");
                // Or took it, forgot it as a follower, and leads again before the younger ones come.
                let may_be_unknown = error == ErrorCode::NotEnoughReplicas || line.batches[at].sequence == 0;
                if may_be_unknown {
                    line.overtaken = line.youngest_behind(at).or(line.overtaken);
                }
                Self::retry(cx, line, at);
                self.refresh_soon(cx);
            }
            error => self.failed(cx, log, at, error),
        }
    }

    fn retry(cx: &mut Cx, line: &mut Line, at: usize) {
        line.batches[at].flying = false;
        line.retry_at = cx.now + Duration::from_millis(cx.rng.between(5, 200));
    }

    /// The broker will never take this batch.
    fn failed(&mut self, cx: &mut Cx, log: LogName, at: usize, error: ErrorCode) {
        let line = self.lines.get_mut(&log).expect("found above");
        let batch = line.batches.remove(at).expect("found above");
        cx.model.mark("produce refused");
        if !error.is_outcome_unknown() {
            batch.ids.iter().for_each(|id| cx.model.refused(*id));
        }
        let text = format!("{}: {error:?} for records from {} on", cx.model.name(log), batch.ids[0].0);
        match error {
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId | ErrorCode::InvalidProducerEpoch => {
                cx.model.find("idempotent", text);
            }
            _ => cx.model.find("produce", text),
        }
        if self.habits.idempotent {
            self.start_over(cx);
        }
    }
}

impl Actor for Producer {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => directory::ask(cx, &self.habits.topics),
            Happened::Answer { tag: DIRECTORY, body } => match self.directory.answered(cx, &self.habits.topics, body) {
                true if self.stage == Stage::Learning => self.begin(cx),
                true => self.go_on(cx),
                false => cx.hang_up(),
            },
            Happened::Answer { body: Response::InitProducerId(body), .. } => self.numbered(cx, &body),
            Happened::Answer { tag, body: Response::Produce(body) } => self.produced(cx, tag, &body.responses),
            Happened::Answer { body, .. } => panic!("a producer never asked for {body:?}"),
            Happened::Down { .. } => {
                self.stage = Stage::Learning;
                self.flights.clear();
                for (log, line) in &mut self.lines {
                    // The answer that nobody heard may have been that too few were in sync, and more were when the younger came.
                    let may_be_refused = cx.model.cluster && cx.model.topics[log.topic].replicas_min() > 1;
                    if may_be_refused {
                        line.overtaken = line.youngest_behind(0).or(line.overtaken);
                    }
                    line.batches.iter_mut().for_each(|batch| batch.flying = false);
                }
            }
            Happened::Wake if cx.up && self.stage == Stage::Nameless => self.begin(cx),
            Happened::Wake => self.go_on(cx),
        }
    }

    fn is_done(&self) -> bool {
        let total = self.finishing || self.made >= self.habits.records_total;
        total && self.lines.values().all(|line| line.batches.is_empty())
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}
