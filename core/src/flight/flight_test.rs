use super::kept::Kept;
use super::{
    Entry, FlightFault, HEAD, Landing, Manifest, PREFIX_BYTES, Recorded, body_bytes, check_head, put_boot, put_digest,
    put_input, put_landing, read_entry,
};
use crate::boundary::{
    Asker, DiskFault, Done, HardState, Input, JobDone, Lost, Produce, ProducePartition, ProduceTopic,
};
use crate::config::{Config, Setting};
use crate::log::{EpochStart, Epochs, Log, Producers};
use crate::msg::fetch::{FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse};
use crate::msg::metadata::MetadataRequest;
use crate::msg::vote::VoteResponse;
use crate::msg::{Request, Response};
use crate::node::{Boot, FoundLog};
use crate::quorum::{VoterEndpoint, VoterNode, Voters};
use crate::record::{
    Builder, CheckedBatch, Functions, NewRecord, ProveRules, Proved, RecordError, RecordReason, Records, Refusal, prove,
};
use crate::types::{
    BrokerEpoch, BrokerId, CallId, ConnId, LeaderEpoch, ListenerType, LogId, Mono, Now, Offset, OffsetRange, OpId, Str,
    Ticket, Uuid, Wall, limit,
};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::{any, prop_assert, proptest};
use std::vec;

const F: Functions = Functions::slow();
const NOW: Now = Now { mono: Mono(77), wall: Wall(1_000_000) };

fn batch() -> CheckedBatch {
    let mut batch = Builder::new();
    for value in [&b"one"[..], b"two"] {
        batch.push(&NewRecord { value: Some(value), ..Default::default() });
    }
    batch.build(&F).expect("no codec is needed")
}

fn proved() -> Proved {
    let rules = ProveRules { version: 9, batch_bytes_max: 1 << 20 };
    prove(batch().to_bytes(), &rules, &F, &mut Vec::new()).expect("a good batch")
}

fn refusals() -> Vec<Refusal> {
    let stamp = RecordReason::Timestamp { found: Wall(1), first: Wall(2), last: Wall(3) };
    let errors = vec![RecordError { index: 1, reason: RecordReason::Keyless }, RecordError { index: 2, reason: stamp }];
    vec![
        Refusal::NoBatch,
        Refusal::SecondBatch,
        Refusal::Magic(1),
        Refusal::Length(-4),
        Refusal::Crc { stored: 1, computed: 2 },
        Refusal::TooLarge { bytes: 3, bytes_max: 2 },
        Refusal::OverSegment { bytes: 3, bytes_max: 2 },
        Refusal::ZstdTooEarly,
        Refusal::UnknownCompression,
        Refusal::NotDecompressible,
        Refusal::Bomb,
        Refusal::Control,
        Refusal::BaseOffset(7),
        Refusal::Count { count: 3, last_offset_delta: 9 },
        Refusal::Producer,
        Refusal::Record(5),
        Refusal::Trailing,
        Refusal::TimestampType,
        Refusal::Keyless(errors.clone()),
        Refusal::Timestamps(errors),
    ]
}

fn asker() -> Arc<Asker> {
    let (client_id, host) = (Str::from("a-client"), Str::from("/10.0.0.1"));
    Arc::new(Asker { conn: ConnId(4), client_id, host, listener: 1, listener_type: ListenerType::Controller })
}

fn produce(transactional_id: Option<&str>) -> Input {
    let refused = refusals().into_iter().map(Err);
    let partitions = core::iter::once(Ok(proved())).chain(refused).zip(0..);
    let partitions = partitions.map(|(batch, index)| ProducePartition { index, batch }).collect();
    let topics = vec![
        ProduceTopic { name: Str::from("orders"), id: Uuid([3; 16]), partitions },
        ProduceTopic { name: Str::new(), id: Uuid::ZERO, partitions: Vec::new() },
    ];
    let transactional_id = transactional_id.map(Str::from);
    let body = Produce { transactional_id, acks: -1, timeout: Duration::from_millis(1501), topics };
    Input::Produce { ticket: ticket(), asker: asker(), version: 9, body }
}

fn ticket() -> Ticket {
    Ticket { conn: ConnId(4), seq: 9 }
}

fn request(version: i16, body: Request) -> Input {
    Input::Request { ticket: ticket(), asker: asker(), version, body }
}

fn answer(body: Response) -> Input {
    Input::Response { call: CallId(3), body: Ok(body) }
}

/// As a version before topics had ids on the wire, and as a later one, has it.
fn fetched(is_old: bool) -> Response {
    let mut topic = FetchableTopicResponse::default();
    match is_old {
        true => topic.topic = Str::from("orders"),
        false => topic.topic_id = Uuid([7; 16]),
    }
    FetchResponse { responses: vec![topic], ..Default::default() }.into()
}

fn log() -> Log {
    let epochs = vec![
        EpochStart { epoch: LeaderEpoch(0), start: Offset(3) },
        EpochStart { epoch: LeaderEpoch(4), start: Offset(9) },
    ];
    let range = OffsetRange { start: Offset(3), end: Offset(11) };
    Log::recovered(range, Epochs::from_entries(epochs).expect("they grow"), Producers::default())
}

/// One of everything that can happen.
fn inputs() -> Vec<Input> {
    let log_id = LogId { topic: Uuid([5; 16]), partition: 2 };
    let pieces = Records::from(vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")]);
    let done = |done| Input::Done { op: OpId(513), outcome: Ok(done) };
    let failed = |fault| Input::Done { op: OpId(513), outcome: Err(fault) };
    let topics = vec![FetchTopic { topic: Str::from("orders"), ..Default::default() }];
    vec![
        produce(None),
        produce(Some("txn")),
        request(8, MetadataRequest { topics: None, ..Default::default() }.into()),
        request(12, FetchRequest { max_bytes: 9, topics, ..Default::default() }.into()),
        answer(fetched(true)),
        answer(fetched(false)),
        answer(VoteResponse { error_code: 41, ..Default::default() }.into()),
        Input::Response { call: CallId(3), body: Err(Lost::NotSent) },
        Input::Response { call: CallId(3), body: Err(Lost::Unknown) },
        done(Done::Stored { start: Offset(1), end: Offset(8) }),
        done(Done::Records(Records::NULL)),
        done(Done::Records(Records::EMPTY)),
        done(Done::Records(pieces)),
        done(Done::Batch(None)),
        done(Done::Batch(Some(batch().stamped(Offset(70), LeaderEpoch(3))))),
        done(Done::Size(1 << 40)),
        done(Done::Log(Box::new(log()))),
        failed(DiskFault::Full),
        failed(DiskFault::Offline),
        failed(DiskFault::Rot),
        failed(DiskFault::NoSuchLog),
        failed(DiskFault::OutOfRange),
        Input::Served { ticket: ticket(), outcome: Ok(()) },
        Input::Served { ticket: ticket(), outcome: Err((log_id, DiskFault::Rot)) },
        Input::DirectoryLost { directory: 1 },
        Input::Stop,
        Input::Closed { conn: ConnId(u64::MAX - 1) },
        Input::Wake,
    ]
}

fn boot() -> Boot {
    let set =
        |key: &str, value: &str| Setting { key: key.into(), value: value.into(), origin: "a.properties:3".into() };
    let settings = [
        set("listeners", "PLAINTEXT://:0,CONTROLLER://one:0"),
        set("controller.listener.names", "CONTROLLER"),
        set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        set("ottla.flight.dir", "flights"),
        set("node.id", "3"),
        set("log.dirs", "a,b"),
    ];
    let (mut config, _) = Config::read(settings).expect("good settings");
    config.broker.listeners[0].bind.port = 9092;
    config.broker.listeners[0].advertised.as_mut().expect("it is advertised").host = Str::from("one");
    let endpoints = vec![VoterEndpoint { name: Str::from("CONTROLLER"), host: Str::from("one"), port: 9093 }];
    let founder = VoterNode { id: BrokerId(3), directory: Uuid([1; 16]), endpoints };
    let found = |id, vote, directory| {
        let hard = HardState { vote, registration: vote.map(|_| BrokerEpoch(9)) };
        FoundLog { id, log: log(), hard, is_online: directory == 0, directory }
    };
    Boot {
        config,
        functions: F,
        seed: u64::MAX - 5,
        cluster_id: Str::from("ottla-test-cluster-id0"),
        directories: vec![Uuid([1; 16]), Uuid([2; 16])],
        unproved: vec![Uuid([8; 16])],
        founders: Voters::new([founder]),
        logs: vec![
            found(LogId::METADATA, Some((LeaderEpoch(4), Some(BrokerId(3)))), 0),
            found(LogId { topic: Uuid([5; 16]), partition: 2 }, Some((LeaderEpoch(4), None)), 1),
            found(LogId { topic: Uuid([5; 16]), partition: 3 }, None, 0),
        ],
        lane_delay_max: Duration::from_micros(1500),
        request_cost_max: limit::REQUEST_COST_MAX,
    }
}

/// A whole flight of one of everything.
fn flight() -> Vec<u8> {
    let mut bytes = Vec::new();
    put_boot(&boot(), NOW, "0.1.0", &mut bytes).expect("all of it can be kept");
    for (said, input) in (0..).zip(inputs()) {
        put_input(NOW, said, &input, &F, &mut bytes).expect("all of it can be kept");
    }
    put_digest(0xfeed, &F, &mut bytes);
    put_landing(Landing::Full, &F, &mut bytes);
    bytes
}

/// The entries of a flight, as far as they can be read.
fn entries(bytes: &[u8]) -> (Vec<Entry>, Option<FlightFault>) {
    let mut entries = Vec::new();
    let Some((head, mut rest)) = bytes.split_first_chunk() else { return (entries, Some(FlightFault::Short)) };
    if let Err(fault) = check_head(*head) {
        return (entries, Some(fault));
    }
    while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX_BYTES>() {
        let body = body_bytes(*prefix).and_then(|length| behind.get(..length).ok_or(FlightFault::Short));
        match body
            .and_then(|body| read_entry(*prefix, Bytes::copy_from_slice(body), &F).map(|entry| (entry, body.len())))
        {
            Ok((entry, length)) => {
                entries.push(entry);
                rest = &behind[length..];
            }
            Err(fault) => return (entries, Some(fault)),
        }
    }
    (entries, (!rest.is_empty()).then_some(FlightFault::Short))
}

#[test]
fn every_input_comes_back_as_it_was() {
    for input in inputs() {
        let mut bytes = HEAD.to_vec();
        put_input(NOW, 7, &input, &F, &mut bytes).expect("it can be kept");
        let (mut read, fault) = entries(&bytes);
        assert_eq!(fault, None, "{input:?}");
        let Some(Entry::Input { now: NOW, said: 7, input: Recorded::Whole(again) }) = read.pop() else {
            panic!("{input:?} came back as {read:?}");
        };
        assert_eq!(format!("{again:?}"), format!("{input:?}"));
        let mut bytes_again = HEAD.to_vec();
        put_input(NOW, 7, &again, &F, &mut bytes_again).expect("it can be kept");
        assert!(bytes_again == bytes, "{input:?} is kept in one form");
    }
}

#[test]
fn of_a_job_only_its_end_is_kept() {
    let mut bytes = HEAD.to_vec();
    let done = Done::Job(JobDone::Time(Some((Offset(3), Wall(9)))));
    put_input(NOW, 0, &Input::Done { op: OpId(12), outcome: Ok(done) }, &F, &mut bytes).expect("it can be kept");
    let (read, _) = entries(&bytes);
    assert!(matches!(read[..], [Entry::Input { input: Recorded::Job(OpId(12)), .. }]), "{read:?}");
}

#[test]
fn a_node_is_booted_again_as_it_was() {
    let mut bytes = Vec::new();
    put_boot(&boot(), NOW, "0.1.0", &mut bytes).expect("all of it can be kept");
    let mut manifest = Manifest::default();
    let mut booted = None;
    for entry in entries(&bytes).0 {
        assert!(booted.is_none(), "the boot is the last entry");
        booted = manifest.take(entry, &F).expect("entries in order");
    }
    let (again, now) = booted.expect("a boot");
    assert_eq!((format!("{again:?}"), now), (format!("{:?}", boot()), NOW));
    assert_eq!(manifest.program(), Some(&Str::from("0.1.0")));
}

#[test]
fn an_input_before_the_boot_is_out_of_place() {
    let mut manifest = Manifest::default();
    assert_eq!(manifest.take(Entry::Digest(3), &F).err(), Some(FlightFault::Place));
    assert_eq!(manifest.take(Entry::Booted(NOW), &F).err(), Some(FlightFault::Place));
}

#[test]
fn a_torn_flight_is_read_up_to_the_tear() {
    let bytes = flight();
    let (whole, fault) = entries(&bytes);
    assert_eq!(fault, None);
    assert!(matches!(whole.last(), Some(Entry::Landed(Landing::Full))));
    let mut most = 0;
    for end in 0..bytes.len() {
        let (read, fault) = entries(&bytes[..end]);
        assert!(read.len() >= most && read.len() < whole.len(), "{end} bytes");
        assert!(fault.is_some() || end >= HEAD.len(), "{end} bytes");
        most = read.len();
    }
}

#[test]
fn a_flipped_bit_is_noticed_where_it_is() {
    let bytes = flight();
    let (whole, _) = entries(&bytes);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let (read, fault) = entries(&damaged);
        assert!(fault.is_some() && read.len() < whole.len(), "byte {at}");
    }
}

#[test]
fn a_form_of_the_future_is_named() {
    let mut head = HEAD;
    head[9] = 2;
    assert_eq!(check_head(head), Err(FlightFault::Version(2)));
    assert_eq!(check_head(*b"ottlajrnl\x00"), Err(FlightFault::Magic));
    assert_eq!(body_bytes([0; 8]), Err(FlightFault::Length(0)));
    assert_eq!(body_bytes([0xff; 8]), Err(FlightFault::Length(u32::MAX)));
}

#[test]
fn what_is_too_long_or_not_carried_leaves_nothing_behind() {
    // A name that only old versions carry beside an id that only new ones do.
    let Response::Fetch(mut body) = fetched(false) else { panic!("a fetch") };
    body.responses[0].topic = Str::from("orders");
    let mut bytes = b"before".to_vec();
    let kept = put_input(NOW, 0, &answer(body.into()), &F, &mut bytes);
    assert_eq!((kept, &bytes[..]), (Err(FlightFault::NotCarried), &b"before"[..]));
}

proptest! {
    /// The checksum is no defence: whatever fits it is read without a panic, and without more memory than it has bytes.
    #[test]
    fn any_body_is_an_entry_or_a_fault(kind in 0u8..9, input in 0u8..10, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut body = vec![kind];
        if kind == super::INPUT {
            NOW.put(&mut body).expect("two numbers");
            body.extend_from_slice(&[0, 0, 0, 0, input]);
        }
        body.extend_from_slice(&rest);
        let mut prefix = [0; PREFIX_BYTES];
        prefix[..4].copy_from_slice(&(body.len() as u32).to_be_bytes());
        prefix[4..].copy_from_slice(&(F.crc32c)(0, &body).to_be_bytes());
        let read = read_entry(prefix, Bytes::from(body), &F);
        prop_assert!(read.is_ok() || read.is_err());
    }
}
