//! The floor: the least that a broker can do. Read a frame, check the CRC, write, acknowledge; no log, no groups, no recovery.
//! Measured beside real brokers it says how far they are from the limit of this machine.
//!
//! `floor ADDRESS FOLDER MODE`: `buffered` appends to one growing file a partition; `direct` merges appends into 1 MiB direct
//! writes of a recycled file behind the acknowledgement; `durable` writes each turn directly and synchronously before it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ottla_core::msg::api_versions::ApiVersionsResponse;
use ottla_core::msg::create_topics::{CreatableTopicResult, CreateTopicsResponse};
use ottla_core::msg::delete_topics::DeleteTopicsResponse;
use ottla_core::msg::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use ottla_core::msg::metadata::{MetadataResponse, MetadataResponseBroker};
use ottla_core::msg::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use ottla_core::msg::{Request, Response};
use ottla_core::record::Records;
use ottla_core::wire::{Reader, Writer, read_request_frame, write_response_frame};

const READ_BYTES: usize = 1 << 20;
const MERGED_BYTES: usize = 1 << 20;
const RECYCLED_BYTES: u64 = 256 << 20;
const BLOCK_BYTES: usize = 4096;
const O_DIRECT: i32 = 0o40000;
const O_DSYNC: i32 = 0o10000;
/// Where a batch has its CRC, and from where on it counts.
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
const COUNT_AT: usize = 57;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Buffered,
    Direct,
    Durable,
}

/// One partition; the write and its bookkeeping happen under one lock.
#[derive(Default)]
struct Log {
    file: Option<File>,
    end: i64,
    bytes: u64,
    /// Where batches begin: base offset and position.
    batches: Vec<(i64, u64)>,
}

/// The merged writer of the direct modes: an aligned window into a buffer, and the place in the recycled file.
struct Merged {
    file: File,
    buffer: Vec<u8>,
    from: usize,
    filled: usize,
    at: u64,
}

struct Floor {
    mode: Mode,
    port: u16,
    folder: PathBuf,
    logs: Mutex<HashMap<(String, i32), Log>>,
    grown: Condvar,
    merged: Mutex<Option<Merged>>,
}

fn main() {
    let [address, folder, mode] = std::env::args().skip(1).collect::<Vec<_>>().try_into().expect("ADDRESS FOLDER MODE");
    let mode = match mode.as_str() {
        "buffered" => Mode::Buffered,
        "direct" => Mode::Direct,
        "durable" => Mode::Durable,
        other => panic!("no mode {other}"),
    };
    let folder = PathBuf::from(folder);
    let merged = (mode != Mode::Buffered).then(|| Merged::new(&folder, mode));
    let listener = TcpListener::bind(&address).expect("the address is free");
    let port = listener.local_addr().expect("it is bound").port();
    let (logs, grown, merged) = (Mutex::default(), Condvar::new(), Mutex::new(merged));
    let floor = Arc::new(Floor { mode, port, folder, logs, grown, merged });
    for socket in listener.incoming() {
        let (socket, floor) = (socket.expect("a connection"), Arc::clone(&floor));
        thread::spawn(move || floor.serve(socket));
    }
}

impl Floor {
    fn serve(&self, mut socket: TcpStream) {
        socket.set_nodelay(true).expect("a socket has the option");
        let mut input: Vec<u8> = Vec::with_capacity(READ_BYTES);
        while let Ok(1..) = rustix::io::read(&socket, rustix::buffer::spare_capacity(&mut input)) {
            let mut frames = Bytes::from(std::mem::take(&mut input));
            let mut answers = Writer::new();
            while let Some(frame) = take_frame(&mut frames) {
                let (head, body) =
                    read_request_frame(&mut Reader::new(&frame, READ_BYTES)).expect("the driver sends well");
                let answer = self.answer(body);
                write_response_frame(&mut answers, head.version, head.correlation_id, &answer)
                    .expect("it can be written");
            }
            if self.mode == Mode::Durable {
                lock(&self.merged).as_mut().expect("this mode has one").flush();
            }
            let pieces = answers.take();
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut slices = slices.as_mut_slice();
            while !slices.is_empty() {
                let Ok(written) = socket.write_vectored(slices) else { return };
                IoSlice::advance_slices(&mut slices, written);
            }
            let wanted = frames.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize + 4);
            input.reserve(READ_BYTES.max(wanted));
            input.extend_from_slice(&frames);
        }
    }

    fn answer(&self, body: Request) -> Response {
        match body {
            Request::Produce(body) => Response::Produce(self.produce(body)),
            Request::Fetch(body) => Response::Fetch(self.fetch(&body)),
            Request::Metadata(_) => {
                let broker = MetadataResponseBroker {
                    node_id: 1,
                    host: "127.0.0.1".into(),
                    port: i32::from(self.port),
                    rack: None,
                };
                Response::Metadata(MetadataResponse { brokers: vec![broker], controller_id: 1, ..Default::default() })
            }
            Request::ApiVersions(_) => Response::ApiVersions(ApiVersionsResponse::default()),
            Request::CreateTopics(body) => {
                let made = body
                    .topics
                    .into_iter()
                    .map(|topic| CreatableTopicResult { name: topic.name, ..Default::default() });
                Response::CreateTopics(CreateTopicsResponse { topics: made.collect(), ..Default::default() })
            }
            Request::DeleteTopics(body) => {
                let gone = |topic: &str| body.topic_names.iter().any(|name| name == topic);
                lock(&self.logs).retain(|(topic, partition), _| {
                    let kept = !gone(topic);
                    if !kept {
                        drop(std::fs::remove_file(self.folder.join(format!("{topic}-{partition}"))));
                    }
                    kept
                });
                Response::DeleteTopics(DeleteTopicsResponse::default())
            }
            other => panic!("the driver asks for no {:?}", other.api_key()),
        }
    }

    fn produce(&self, body: ProduceRequest) -> ProduceResponse {
        let mut responses = Vec::with_capacity(body.topic_data.len());
        for topic in body.topic_data {
            let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
            for partition in topic.partition_data {
                let base_offset = self.append(&topic.name, partition.index, partition.records.pieces());
                partition_responses.push(PartitionProduceResponse {
                    index: partition.index,
                    base_offset,
                    ..Default::default()
                });
            }
            responses.push(TopicProduceResponse { name: topic.name, partition_responses, ..Default::default() });
        }
        self.grown.notify_all();
        ProduceResponse { responses, ..Default::default() }
    }

    fn append(&self, topic: &str, partition: i32, pieces: &[Bytes]) -> i64 {
        let [batch] = pieces else { panic!("the driver sends one batch") };
        let number = |at: usize| u32::from_be_bytes(batch[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(ottla_codecs::crc32c(0, &batch[CRC_FROM..]), number(CRC_AT), "the CRC");
        let mut logs = lock(&self.logs);
        let log = logs.entry((topic.to_owned(), partition)).or_default();
        let base = log.end;
        let mut head = [0; CRC_AT - 1];
        head.copy_from_slice(&batch[..CRC_AT - 1]);
        head[..8].copy_from_slice(&base.to_be_bytes());
        log.end += i64::from(number(COUNT_AT));
        if self.mode == Mode::Buffered {
            let file = log.file.get_or_insert_with(|| {
                let path = self.folder.join(format!("{topic}-{partition}"));
                OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path).expect("a file")
            });
            let parts = [IoSlice::new(&head), IoSlice::new(&batch[head.len()..])];
            let written = file.write_vectored(&parts).expect("the disk takes it");
            assert_eq!(written, batch.len(), "a whole batch");
            log.batches.push((base, log.bytes));
            log.bytes += batch.len() as u64;
        } else {
            let mut merged = lock(&self.merged);
            let merged = merged.as_mut().expect("this mode has one");
            merged.push(&head);
            merged.push(&batch[head.len()..]);
        }
        base
    }

    /// Waits for one byte, as a consumer does, and reads from the batch that holds the offset.
    fn fetch(&self, body: &FetchRequest) -> FetchResponse {
        let (topic, partition) = (&body.topics[0], &body.topics[0].partitions[0]);
        let key = (topic.topic.as_str().to_owned(), partition.partition);
        let wait = Duration::from_millis(body.max_wait_ms.unsigned_abs().into());
        let behind = |logs: &mut HashMap<_, Log>| logs.get(&key).is_none_or(|log| log.end <= partition.fetch_offset);
        let (logs, _) =
            self.grown.wait_timeout_while(lock(&self.logs), wait, behind).unwrap_or_else(PoisonError::into_inner);
        let mut data = PartitionData { partition_index: partition.partition, ..Default::default() };
        if let Some(log) = logs.get(&key) {
            let first = log.batches.partition_point(|(base, _)| *base <= partition.fetch_offset).saturating_sub(1);
            let from = log.batches.get(first).map_or(log.bytes, |(_, position)| *position);
            let from = if log.end <= partition.fetch_offset { log.bytes } else { from };
            let length = (log.bytes - from).min(partition.partition_max_bytes.unsigned_abs().into());
            let mut bytes = vec![0; length as usize];
            let file = log.file.as_ref().expect("a log that was written").try_clone().expect("a file can be shared");
            data.high_watermark = log.end;
            drop(logs);
            file.read_exact_at(&mut bytes, from).expect("the disk gives it back");
            data.records = Records::from(Bytes::from(bytes));
        }
        let topic = FetchableTopicResponse { topic: topic.topic.clone(), partitions: vec![data], ..Default::default() };
        FetchResponse { responses: vec![topic], ..Default::default() }
    }
}

impl Merged {
    fn new(folder: &std::path::Path, mode: Mode) -> Merged {
        let path = folder.join("recycled");
        let zeros = vec![0; MERGED_BYTES];
        let mut plain = File::create(&path).expect("a file");
        (0..RECYCLED_BYTES / MERGED_BYTES as u64).for_each(|_| plain.write_all(&zeros).expect("the disk takes it"));
        plain.sync_all().expect("the disk keeps it");
        let flags = if mode == Mode::Durable { O_DIRECT | O_DSYNC } else { O_DIRECT };
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path).expect("direct writes");
        let buffer = vec![0_u8; MERGED_BYTES + BLOCK_BYTES];
        let from = buffer.as_ptr().align_offset(BLOCK_BYTES);
        Merged { file, buffer, from, filled: 0, at: 0 }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = bytes.len().min(MERGED_BYTES - self.filled);
            self.buffer[self.from + self.filled..][..count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
            if self.filled == MERGED_BYTES {
                self.flush();
            }
        }
    }

    /// Writes whole blocks; the next group begins on a fresh one.
    fn flush(&mut self) {
        let length = self.filled.next_multiple_of(BLOCK_BYTES);
        if self.at + length as u64 > RECYCLED_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.buffer[self.from..][..length], self.at).expect("the disk takes it");
        self.at += length as u64;
        self.filled = 0;
    }
}

fn take_frame(bytes: &mut Bytes) -> Option<Bytes> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    if bytes.len() < 4 + length {
        return None;
    }
    let frame = bytes.split_to(4 + length);
    Some(frame.slice(4..))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
