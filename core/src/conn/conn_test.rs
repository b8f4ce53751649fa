use super::client::{Answer, Client};
use super::produce::PIECES_MAX;
use super::{Conn, ConnLimits, ConnOut, Reason};
use crate::boundary::{Asker, Input};
use crate::msg::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::msg::fetch::{FetchRequest, FetchResponse};
use crate::msg::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::msg::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use crate::msg::metadata::{MetadataRequest, MetadataResponse};
use crate::msg::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use crate::msg::{ApiKey, Request, Response};
use crate::record::{Builder, CodecFault, Compression, Functions, NewRecord, Records, Refusal};
use crate::types::{ConnId, ErrorCode, ListenerType, Mono, Now, Str, Ticket, Wall};
use crate::wire::WireError;
use alloc::vec::Vec;
use alloc::{format, vec};
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

const ID: ConnId = ConnId(7);

fn now(seconds: u64) -> Now {
    Now { mono: Mono(seconds * 1_000_000_000), wall: Wall(0) }
}

/// They leave bytes as they are, and one says that they become a megabyte; good enough to see where it runs.
fn functions() -> Functions {
    Functions {
        compress: |_, bytes, out| {
            out.extend_from_slice(bytes);
            Ok(())
        },
        decompress: |codec, bytes, cap, out| {
            let len = if codec == Compression::Snappy { 1 << 20 } else { bytes.len() };
            if len > cap {
                return Err(CodecFault::OverCap);
            }
            out.extend_from_slice(bytes);
            Ok(())
        },
        ..Functions::slow()
    }
}

fn conn(limits: ConnLimits) -> Conn {
    conn_on(ListenerType::Broker, limits)
}

fn conn_on(listener_type: ListenerType, limits: ConnLimits) -> Conn {
    let asker = Asker { conn: ID, client_id: Str::new(), host: "/127.0.0.1".into(), listener: 0, listener_type };
    Conn::new(asker, limits, functions(), now(0))
}

fn heartbeat(generation: i32) -> Request {
    HeartbeatRequest { group_id: "g".into(), generation_id: generation, ..Default::default() }.into()
}

fn produce(acks: i16, batches: Vec<Bytes>) -> Request {
    let partition_data = batches
        .into_iter()
        .enumerate()
        .map(|(index, batch)| PartitionProduceData { index: index as i32, records: Records::from(batch) })
        .collect();
    let topic = TopicProduceData { name: "t".into(), partition_data, ..Default::default() };
    ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }.into()
}

fn batch(codec: Compression, bytes: usize) -> Bytes {
    let value = vec![b'x'; bytes];
    let record = NewRecord { value: Some(&value), ..Default::default() };
    let batch = Builder::new().compressed(codec).with(&record).build(&functions());
    batch.expect("a codec that takes all").to_bytes()
}

fn sent(client: &mut Client, body: &Request, version: i16) -> Bytes {
    let (_, chunks) = client.request(body, version).expect("an encodable request");
    Records::from(chunks).to_bytes()
}

fn client() -> Client {
    Client::new("me".into(), 1 << 20)
}

fn written(out: &[ConnOut]) -> Vec<Bytes> {
    let writes =
        out.iter().filter_map(|one| if let ConnOut::Write(chunks) = one { Some(chunks.clone()) } else { None });
    writes.flatten().collect()
}

fn tickets(out: &[ConnOut]) -> Vec<Ticket> {
    out.iter()
        .filter_map(|one| match one {
            ConnOut::Input(Input::Request { ticket, .. } | Input::Produce { ticket, .. }) => Some(*ticket),
            _ => None,
        })
        .collect()
}

fn closed(out: &[ConnOut]) -> Option<Reason> {
    out.iter().find_map(|one| if let ConnOut::Close(reason) = one { Some(reason.clone()) } else { None })
}

fn answers(client: &mut Client, chunks: Vec<Bytes>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for chunk in chunks {
        client.received(chunk, &mut answers).expect("readable answers");
    }
    answers
}

#[test]
fn a_request_names_its_asker() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    conn.received(now(1), sent(&mut client, &heartbeat(5), 4), &mut out);
    let [ConnOut::Input(Input::Request { ticket, asker, version, body })] = &out[..] else {
        panic!("one request: {out:?}")
    };
    assert_eq!((*ticket, *version), (Ticket { conn: ID, seq: 0 }, 4));
    assert_eq!((asker.client_id.as_str(), asker.host.as_str()), ("me", "/127.0.0.1"));
    assert_eq!(*body, heartbeat(5));
}

#[test]
fn an_early_answer_waits_for_its_turn() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    for generation in 0..3 {
        conn.received(now(1), sent(&mut client, &heartbeat(generation), 4), &mut out);
    }
    let body = |error_code| Some(HeartbeatResponse { error_code, throttle_time_ms: 0 }.into());
    out.clear();
    conn.reply(now(2), Ticket { conn: ID, seq: 2 }, body(2), &mut out);
    conn.reply(now(2), Ticket { conn: ID, seq: 1 }, body(1), &mut out);
    assert!(out.is_empty(), "{out:?}");
    conn.reply(now(2), Ticket { conn: ID, seq: 0 }, body(0), &mut out);
    let codes: Vec<Response> = answers(&mut client, written(&out)).into_iter().map(|answer| answer.body).collect();
    assert_eq!(codes, [0, 1, 2].map(|code| body(code).expect("some")));
    assert_eq!(out.iter().filter(|one| matches!(one, ConnOut::Write(_))).count(), 1, "one write for all three");
}

#[test]
fn a_version_from_the_future_is_answered_with_our_range() {
    let (mut conn, mut out) = (conn(ConnLimits::default()), Vec::new());
    // Key 18, version 99, correlation 5, and a body that nobody can read.
    let frame = [0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0, 0xee, 0xee];
    conn.received(now(1), Bytes::copy_from_slice(&frame), &mut out);
    let last = ApiKey::ApiVersions.facts().last as u8;
    let wanted = [0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, last];
    assert_eq!(Records::from(written(&out)).to_bytes(), &wanted[..]);
    assert!(tickets(&out).is_empty() && closed(&out).is_none());
}

#[test]
fn unknown_apis_and_versions_end_the_connection() {
    let frames: [(&[u8], &str); 3] = [
        (&[0, 0, 0, 10, 3, 0xe7, 0, 0, 0, 0, 0, 5, 0xff, 0xff], "API 999"),
        (&[0, 0, 0, 11, 0, 0, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0], "Produce is not spoken in version 99"),
        (&[0, 0, 0, 2, 0, 18], "malformed request header"),
    ];
    for (frame, reason) in frames {
        let (mut conn, mut out) = (conn(ConnLimits::default()), Vec::new());
        conn.received(now(1), Bytes::copy_from_slice(frame), &mut out);
        let text = format!("{}", closed(&out).expect("a close"));
        assert!(text.contains(reason), "{text}");
        out.clear();
        conn.received(now(1), Bytes::copy_from_slice(frame), &mut out);
        assert!(out.is_empty(), "nothing follows a close: {out:?}");
    }
}

#[test]
fn each_listener_takes_its_own_apis_and_no_others() {
    for api in ApiKey::ALL {
        for listener in [ListenerType::Broker, ListenerType::Controller] {
            let (mut conn, mut out) = (conn_on(listener, ConnLimits::default()), Vec::new());
            // Its first version, correlation 5, no client id, no tags, and a body that is cut off.
            let [high, low] = api.code().to_be_bytes();
            let frame = [0, 0, 0, 11, high, low, 0, api.facts().first as u8, 0, 0, 0, 5, 0xff, 0xff, 0];
            conn.received(now(1), Bytes::copy_from_slice(&frame), &mut out);
            let is_refused = closed(&out).is_some_and(|reason| reason == Reason::OtherListener { api: *api });
            assert_eq!(is_refused, !api.is_on(listener), "{api:?} on {listener:?}: {out:?}");
        }
    }
    assert!(
        ApiKey::DescribeQuorum.is_on(ListenerType::Controller) && ApiKey::DescribeQuorum.is_on(ListenerType::Broker)
    );
    assert!(ApiKey::Produce.is_on(ListenerType::Broker) && !ApiKey::Produce.is_on(ListenerType::Controller));
}

#[test]
fn a_client_with_an_unfair_name_is_told() {
    for (name, version, is_fair) in [
        ("apache-kafka-java", "4.3.0", true),
        ("", "1", false),
        ("-x", "1", false),
        ("a b", "1", false),
        ("a", "1.", false),
    ] {
        let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
        let body = ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: version.into(),
            ..Default::default()
        };
        conn.received(now(1), sent(&mut client, &body.into(), 3), &mut out);
        assert_eq!(tickets(&out).len(), usize::from(is_fair), "{name} {version}");
        if !is_fair {
            let told = answers(&mut client, written(&out));
            let Response::ApiVersions(ApiVersionsResponse { error_code, .. }) = &told[0].body else {
                panic!("{told:?}")
            };
            assert_eq!(*error_code, ErrorCode::InvalidRequest.code());
        }
    }
}

#[test]
fn silence_is_an_answer_that_takes_its_turn() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    conn.received(now(1), sent(&mut client, &produce(0, vec![batch(Compression::None, 10)]), 9), &mut out);
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    let asked = tickets(&out);
    out.clear();
    conn.reply(now(1), asked[1], Some(HeartbeatResponse::default().into()), &mut out);
    assert!(written(&out).is_empty());
    conn.reply(now(1), asked[0], None, &mut out);
    assert_eq!(answers(&mut client, written(&out)).len(), 1);
    assert_eq!(client.waiting(), 0);
}

#[test]
fn batches_are_proved_before_the_node_sees_them() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    let good = batch(Compression::None, 100);
    let mut bad = good.to_vec();
    *bad.last_mut().expect("bytes") ^= 1;
    conn.received(now(1), sent(&mut client, &produce(-1, vec![good, bad.into(), Bytes::new()]), 9), &mut out);
    let [ConnOut::Input(Input::Produce { body, .. })] = &out[..] else { panic!("one produce: {out:?}") };
    assert_eq!((body.acks, body.timeout), (-1, Duration::from_secs(1)));
    let [good, bad, none] = &body.topics[0].partitions[..] else { panic!("three partitions") };
    assert!(good.batch.is_ok());
    assert!(matches!(bad.batch, Err(Refusal::Crc { .. })), "{:?}", bad.batch);
    assert!(matches!(none.batch, Err(Refusal::NoBatch)), "{:?}", none.batch);
}

#[test]
fn little_that_becomes_much_is_proved_elsewhere() {
    let many = |codec, count| vec![batch(codec, 10); count];
    let here = |batches| {
        let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
        conn.received(now(1), sent(&mut client, &produce(-1, batches), 9), &mut out);
        match out.pop() {
            Some(ConnOut::Input(Input::Produce { .. })) => true,
            Some(ConnOut::Prove(job)) => {
                conn.proved(job.run(&functions(), &mut Vec::new()), &mut out);
                let [ConnOut::Input(Input::Produce { body, .. })] = &out[..] else { panic!("one produce: {out:?}") };
                assert!(body.topics[0].partitions.iter().all(|one| one.batch.is_ok()), "{body:?}");
                false
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(here(many(Compression::Lz4, 16)));
    assert!(!here(many(Compression::Lz4, 17)), "each may become as much as is allowed");
    assert!(!here(many(Compression::Snappy, 1)));
    let one_of_many = [many(Compression::None, 100), many(Compression::Snappy, 1)].concat();
    assert!(!here(one_of_many) && here(many(Compression::None, 100)));
}

#[test]
fn requests_behind_a_long_proof_keep_their_order() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    for request in [
        produce(-1, vec![batch(Compression::Lz4, 100_000)]),
        produce(-1, vec![batch(Compression::Lz4, 100_000)]),
        produce(-1, vec![batch(Compression::Lz4, 10)]),
        heartbeat(1),
    ] {
        conn.received(now(1), sent(&mut client, &request, 9.min(request.api_key().facts().last)), &mut out);
    }
    assert!(tickets(&out).is_empty(), "all wait for the first proof");
    let mut jobs = Vec::new();
    for one in out.drain(..) {
        let ConnOut::Prove(job) = one else { panic!("only proofs: {one:?}") };
        jobs.push(job.run(&functions(), &mut Vec::new()));
    }
    assert_eq!(jobs.len(), 2);
    conn.proved(jobs.pop().expect("the second"), &mut out);
    assert!(tickets(&out).is_empty(), "the second waits for the first");
    conn.proved(jobs.pop().expect("the first"), &mut out);
    let seqs: Vec<u64> = tickets(&out).iter().map(|ticket| ticket.seq).collect();
    assert_eq!(seqs, [0, 1, 2, 3]);
}

#[test]
fn too_many_requests_pause_the_reading_until_one_is_answered() {
    let limits = ConnLimits { requests_max: 2, ..Default::default() };
    let (mut conn, mut client, mut out) = (conn(limits), client(), Vec::new());
    let mut stream = Vec::new();
    (0..5).for_each(|generation| stream.extend_from_slice(&sent(&mut client, &heartbeat(generation), 4)));
    conn.received(now(1), stream.into(), &mut out);
    assert_eq!(tickets(&out).len(), 2);
    assert!(matches!(out.last(), Some(ConnOut::PauseReading)), "{out:?}");
    for seq in 0..5 {
        out.clear();
        conn.reply(now(1), Ticket { conn: ID, seq }, Some(HeartbeatResponse::default().into()), &mut out);
        let more: Vec<u64> = tickets(&out).iter().map(|ticket| ticket.seq).collect();
        assert_eq!(more, if seq < 3 { vec![seq + 2] } else { vec![] });
        assert_eq!(out.iter().any(|one| matches!(one, ConnOut::ResumeReading)), seq == 3);
    }
}

#[test]
fn a_second_fetch_waits_for_the_first() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    let fetch = || FetchRequest::default().into();
    conn.received(now(1), sent(&mut client, &fetch(), 12), &mut out);
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    conn.received(now(1), sent(&mut client, &fetch(), 12), &mut out);
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    assert_eq!(tickets(&out).len(), 2);
    assert!(matches!(out.last(), Some(ConnOut::PauseReading)), "{out:?}");
    out.clear();
    conn.reply(now(1), Ticket { conn: ID, seq: 0 }, Some(FetchResponse::default().into()), &mut out);
    let seqs: Vec<u64> = tickets(&out).iter().map(|ticket| ticket.seq).collect();
    assert_eq!(seqs, [2, 3]);
}

#[test]
fn what_a_few_bytes_ask_for_at_length_is_asked_once_at_a_time() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    let metadata = || MetadataRequest::default().into();
    conn.received(now(1), sent(&mut client, &metadata(), 12), &mut out);
    conn.received(now(1), sent(&mut client, &FetchRequest::default().into(), 12), &mut out);
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    conn.received(now(1), sent(&mut client, &metadata(), 12), &mut out);
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    assert_eq!(tickets(&out).len(), 3);
    assert!(matches!(out.last(), Some(ConnOut::PauseReading)), "{out:?}");
    out.clear();
    conn.reply(now(1), Ticket { conn: ID, seq: 0 }, Some(MetadataResponse::default().into()), &mut out);
    let seqs: Vec<u64> = tickets(&out).iter().map(|ticket| ticket.seq).collect();
    assert_eq!(seqs, [3, 4]);
}

#[test]
fn a_client_that_never_reads_is_not_read_either() {
    let limits = ConnLimits { unsent_bytes_max: 20, idle: Some(Duration::from_secs(60)), ..Default::default() };
    let (mut conn, mut client, mut out) = (conn(limits), client(), Vec::new());
    for seq in 0..2 {
        conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
        conn.reply(now(1), Ticket { conn: ID, seq }, Some(HeartbeatResponse::default().into()), &mut out);
    }
    let unsent = conn.held_bytes();
    conn.received(now(1), sent(&mut client, &heartbeat(1), 4), &mut out);
    assert!(out.iter().any(|one| matches!(one, ConnOut::PauseReading)), "{out:?}");
    assert_eq!(tickets(&out).len(), 2, "the third request stays unread");
    out.clear();
    conn.sent(now(2), unsent, &mut out);
    assert!(out.iter().any(|one| matches!(one, ConnOut::ResumeReading)), "{out:?}");
    assert_eq!(tickets(&out).len(), 1);
    // Had it never taken a byte, it would have been idle.
    conn.reply(now(2), Ticket { conn: ID, seq: 2 }, Some(HeartbeatResponse::default().into()), &mut out);
    assert_eq!(conn.deadline(), Some(now(62).mono));
    out.clear();
    conn.wake(now(62), &mut out);
    assert_eq!(closed(&out), Some(Reason::Idle));
}

#[test]
fn a_frame_has_to_be_whole_in_time_however_often_a_byte_comes() {
    let limits = ConnLimits { idle: Some(Duration::from_secs(60)), ..Default::default() };
    let (mut conn, mut client, mut out) = (conn(limits), client(), Vec::new());
    let mut stream = sent(&mut client, &heartbeat(1), 4);
    for second in 0..20 {
        conn.received(now(second), stream.split_to(1), &mut out);
    }
    assert_eq!(conn.deadline(), Some(now(60).mono));
    conn.received(now(20), stream, &mut out);
    assert_eq!((tickets(&out).len(), conn.deadline()), (1, None), "whoever is owed an answer is not idle");
}

#[test]
fn a_produce_that_names_more_partitions_than_anybody_has_ends_the_connection() {
    for (count, is_taken) in [(PIECES_MAX, true), (PIECES_MAX + 1, false)] {
        let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
        conn.received(now(1), sent(&mut client, &produce(-1, vec![Bytes::new(); count]), 9), &mut out);
        let refused = Reason::Malformed { api: Some(ApiKey::Produce), fault: WireError::OverBudget };
        assert_eq!((tickets(&out).len(), closed(&out)), (usize::from(is_taken), (!is_taken).then_some(refused)));
    }
}

#[test]
fn an_answer_that_its_version_cannot_carry_is_a_fault_of_ours() {
    let (mut conn, mut client, mut out) = (conn(ConnLimits::default()), client(), Vec::new());
    conn.received(now(1), sent(&mut client, &LeaveGroupRequest::default().into(), 0), &mut out);
    out.clear();
    let members = MemberResponse { member_id: "m".into(), group_instance_id: Some("i".into()), error_code: 0 };
    let wrong = LeaveGroupResponse { members: vec![members], ..Default::default() };
    conn.reply(now(1), Ticket { conn: ID, seq: 0 }, Some(wrong.into()), &mut out);
    assert!(matches!(closed(&out), Some(Reason::Unencodable { api: ApiKey::LeaveGroup, .. })), "{out:?}");
}

/// Requests of several kinds and sizes.
fn any_request() -> impl Strategy<Value = (Request, i16)> {
    prop_oneof![
        any::<i32>().prop_map(|generation| (heartbeat(generation), 4)),
        (0usize..3000).prop_map(|bytes| (produce(-1, vec![batch(Compression::None, bytes)]), 9)),
        Just((produce(-1, vec![batch(Compression::Lz4, 6000), batch(Compression::None, 5)]), 7)),
    ]
}

/// Drives a connection until nothing moves: proofs are run at once, answers given in an order that `pick` draws.
fn drive(conn: &mut Conn, mut out: Vec<ConnOut>, pick: &mut impl FnMut(usize) -> usize) -> (Vec<Ticket>, Vec<Bytes>) {
    let (mut asked, mut open, mut stream) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut next = Vec::new();
        for one in out {
            match one {
                ConnOut::Input(Input::Request { ticket, .. }) => {
                    asked.push(ticket);
                    open.push((ticket, Response::from(HeartbeatResponse::default())));
                }
                ConnOut::Input(Input::Produce { ticket, .. }) => {
                    asked.push(ticket);
                    open.push((ticket, Response::from(ProduceResponse::default())));
                }
                ConnOut::Prove(job) => conn.proved(job.run(&functions(), &mut Vec::new()), &mut next),
                ConnOut::Write(chunks) => {
                    conn.sent(now(1), chunks.iter().map(Bytes::len).sum(), &mut next);
                    stream.extend(chunks);
                }
                ConnOut::Close(reason) => panic!("closed: {reason}"),
                ConnOut::Input(_) | ConnOut::Answered { .. } | ConnOut::PauseReading | ConnOut::ResumeReading => {}
            }
        }
        if next.is_empty() {
            if open.is_empty() {
                return (asked, stream);
            }
            let (ticket, answer) = open.remove(pick(open.len()));
            conn.reply(now(1), ticket, Some(answer), &mut next);
        }
        out = next;
    }
}

proptest! {
    #[test]
    fn any_split_and_any_order_give_the_same_requests_and_answers_in_order(
        requests in prop::collection::vec(any_request(), 1..12),
        cuts in prop::collection::vec(1usize..4000, 1..20),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        requests_max in 1usize..8,
    ) {
        let mut conn = conn(ConnLimits { requests_max, ..Default::default() });
        let mut client = client();
        let frames: Vec<Bytes> = requests.iter().map(|(body, version)| sent(&mut client, body, *version)).collect();
        let mut rest = Records::from(frames).to_bytes();
        let (mut out, mut cuts) = (Vec::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let len = (*cuts.next().expect("a cycle")).min(rest.len());
            conn.received(now(1), rest.split_to(len), &mut out);
        }
        let mut picks = picks.iter().cycle();
        let (asked, stream) = drive(&mut conn, out, &mut |open| picks.next().expect("a cycle").index(open));
        let seqs: Vec<u64> = asked.iter().map(|ticket| ticket.seq).collect();
        assert_eq!(seqs, (0..requests.len() as u64).collect::<Vec<_>>());
        // Correlation ids stand right behind the frame's length.
        let stream = Records::from(stream).to_bytes();
        let mut inbox = super::Inbox::default();
        inbox.push(stream);
        for wanted in 0..requests.len() as i32 {
            let frame = inbox.next_frame(1 << 20).expect("a fair length").expect("a whole answer");
            assert_eq!(frame[..4], wanted.to_be_bytes());
        }
        assert!(!conn.has_unsent());
        assert_eq!(conn.held_bytes(), 0);
    }

    #[test]
    fn hostile_bytes_never_panic_and_hold_little_memory(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..30),
        // Lead some of the noise behind a plausible frame head.
        head in prop::option::of((0i32..300, 0i16..70, 0i16..12)),
    ) {
        let (mut conn, mut out, mut sum) = (conn(ConnLimits::default()), Vec::new(), 0);
        if let Some((len, key, version)) = head {
            let mut bytes = len.to_be_bytes().to_vec();
            bytes.extend_from_slice(&key.to_be_bytes());
            bytes.extend_from_slice(&version.to_be_bytes());
            sum += bytes.len();
            conn.received(now(1), bytes.into(), &mut out);
        }
        for chunk in chunks {
            sum += chunk.len();
            conn.received(now(1), chunk.into(), &mut out);
            assert!(conn.held_bytes() <= 2 * sum + 20 * 1024);
        }
    }
}
