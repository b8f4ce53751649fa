//! The real process against peers that mean harm or are merely broken: it closes them, keeps its memory, and serves
//! everybody else.

mod process;

use ottla::port::Reserved;
use ottla_core::conn::client::Client;
use ottla_core::msg::api_versions::ApiVersionsRequest;
use ottla_core::msg::metadata::MetadataRequest;
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::record::Records;
use ottla_core::types::Rng;
use process::{Process, ottla};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// A whole Metadata request and its correlation id 0.
fn metadata() -> Vec<u8> {
    let body: Request = MetadataRequest::default().into();
    let (_, chunks) = Client::new("t".into(), 0).request(&body, 12).expect("an encodable request");
    Records::from(chunks).to_bytes().to_vec()
}

/// Asks for metadata on a connection of its own, and waits for the answer.
fn is_served(process: &Process) -> bool {
    let mut stream = process.connect();
    let mut client = Client::new("t".into(), 1 << 20);
    let (_, chunks) = client.request(&MetadataRequest::default().into(), 12).expect("an encodable request");
    stream.write_all(&Records::from(chunks).to_bytes()).expect("it is sent");
    let (mut answers, mut buffer) = (Vec::new(), [0; 4096]);
    while answers.is_empty() {
        let len = stream.read(&mut buffer).expect("an answer in time");
        if len == 0 {
            return false;
        }
        client.received(bytes::Bytes::copy_from_slice(&buffer[..len]), &mut answers).expect("a readable answer");
    }
    matches!(answers[0].body, Response::Metadata(_))
}

/// Waits until the broker closes the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(fault) => return matches!(fault.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }
}

#[test]
fn absurd_lengths_end_the_connection_at_once() {
    let process = Process::start(&[]);
    for length in [-1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
        let mut stream = process.connect();
        stream.write_all(&length.to_be_bytes()).expect("it is sent");
        assert!(is_closed(&mut stream), "length {length}");
    }
    assert!(is_served(&process));
}

#[test]
fn random_bytes_do_no_harm() {
    let process = Process::start(&[]);
    let mut rng = Rng::new(11);
    for round in 0..300 {
        let mut stream = process.connect();
        let mut bytes: Vec<u8> = (0..rng.between(1, 400)).map(|_| rng.next_u64() as u8).collect();
        if round % 2 == 0 {
            // A fair length and a known API, so that the noise reaches the decoder.
            let body = (bytes.len() as i32).to_be_bytes();
            let api = ApiKey::ALL[rng.below(ApiKey::ALL.len() as u64) as usize];
            let version = rng.between(0, api.facts().last as u64) as i16;
            let head = [&api.code().to_be_bytes()[..], &version.to_be_bytes()[..], &[0, 0, 0, 1, 0xff, 0xff]].concat();
            bytes.splice(..bytes.len().min(head.len()), head);
            bytes.truncate(i32::from_be_bytes(body) as usize);
            let length = (bytes.len() as i32).to_be_bytes();
            bytes.splice(..0, length);
        }
        // The broker may close while we still write.
        let _ = stream.write_all(&bytes);
    }
    assert!(is_served(&process));
}

#[test]
fn half_frames_cost_little_and_are_closed_in_time() {
    let process = Process::start(&["connections.max.idle.ms=1500"]);
    let before = process.resident_bytes();
    let mut half: Vec<TcpStream> = (0..200).map(|_| process.connect()).collect();
    for stream in &mut half {
        // Promises 100 MB and sends ten bytes.
        stream.write_all(&(100 * 1024 * 1024i32).to_be_bytes()).expect("it is sent");
        stream.write_all(&[0; 10]).expect("it is sent");
    }
    assert!(is_served(&process));
    let grown = process.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes for two hundred half frames");
    assert!(half.iter_mut().all(is_closed), "half a frame is idle");
    assert!(is_served(&process));
}

#[test]
fn a_peer_that_drips_is_closed_although_it_is_never_silent() {
    let process = Process::start(&["connections.max.idle.ms=1000"]);
    let mut stream = process.connect();
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    stream.write_all(&1000i32.to_be_bytes()).expect("it is sent");
    let started = Instant::now();
    let mut buffer = [0; 16];
    loop {
        if stream.write_all(&[0]).is_err() {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => panic!("nothing was asked"),
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it drips for ever");
    }
    assert!(is_served(&process));
}

#[test]
fn a_peer_that_never_reads_is_not_read_either() {
    let process = Process::start(&["connections.max.idle.ms=60000"]);
    let before = process.resident_bytes();
    let mut deaf = process.connect();
    deaf.set_write_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let many = metadata().repeat(1000);
    let mut sent = 0usize;
    // Until nothing more is taken: sockets and queues are full then, and all of them have an end.
    let stopped = loop {
        match deaf.write(&many) {
            Ok(len) => sent += len,
            Err(fault) => break fault.kind(),
        }
        assert!(sent < 512 * 1024 * 1024, "half a gigabyte was read from a peer that reads nothing");
    };
    assert!(matches!(stopped, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped}");
    let grown = process.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes for one deaf peer");
    assert!(is_served(&process));
}

#[test]
fn unknown_apis_and_versions_from_the_future_are_met() {
    let process = Process::start(&[]);
    let mut stream = process.connect();
    stream.write_all(&[0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0]).expect("it is sent");
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).expect("an answer in version 0");
    assert_eq!(answer[4..10], [0, 0, 0, 5, 0, 35], "correlation id and UNSUPPORTED_VERSION");
    stream.write_all(&[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 6, 0xff, 0xff]).expect("it is sent");
    assert!(is_closed(&mut stream), "an unknown API ends the connection");
    assert!(is_served(&process));
}

#[test]
fn a_thousand_idle_connections_cost_a_few_megabytes() {
    let process = Process::start(&[]);
    assert!(is_served(&process));
    let before = process.resident_bytes();
    let mut idle: Vec<TcpStream> = (0..1000).map(|_| process.connect()).collect();
    for stream in &mut idle {
        stream.write_all(&metadata()).expect("it is sent");
        stream.read_exact(&mut [0; 40]).expect("an answer");
    }
    assert!(is_served(&process));
    let grown = process.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes for a thousand connections");
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let process = Process::start(&["max.connections.per.ip=3"]);
    let mut open: Vec<TcpStream> = (0..4).map(|_| process.connect()).collect();
    assert!(is_closed(&mut open[3]), "the fourth is one too many");
    open[0].write_all(&metadata()).expect("it is sent");
    let mut answer = [0; 8];
    open[0].read_exact(&mut answer).expect("the first is served");
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let process = Process::start(&[]);
    let mut stream = process.connect();
    let mut client = Client::new("t".into(), 1 << 20);
    let mut all = Vec::new();
    for _ in 0..500 {
        let (_, chunks) = client.request(&MetadataRequest::default().into(), 12).expect("an encodable request");
        all.extend_from_slice(&Records::from(chunks).to_bytes());
    }
    // Pieces that no frame fits.
    for piece in all.chunks(97) {
        stream.write_all(piece).expect("it is sent");
    }
    let (mut answers, mut buffer) = (Vec::new(), [0; 65536]);
    while client.waiting() > 0 {
        let len = stream.read(&mut buffer).expect("answers in time");
        assert!(len > 0, "closed");
        client.received(bytes::Bytes::copy_from_slice(&buffer[..len]), &mut answers).expect("answers in order");
    }
    assert_eq!(answers.len(), 500);
}

#[test]
fn beyond_queued_max_requests_nobody_is_read_and_all_are_answered_in_the_end() {
    let http = Reserved::any().expect("a port");
    let process = Process::start(&["queued.max.requests=1", &format!("ottla.http.listener={}", http.address())]);
    let mut streams: Vec<TcpStream> = (0..4).map(|_| process.connect()).collect();
    // Longer than one read, and fewer requests than one connection may have under way.
    let name = "n".repeat(10_000);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new(name.as_str().into(), 1 << 20)).collect();
    // Whether two are ever there at once is for the threads to say.
    for _ in 0..100 {
        for (stream, client) in streams.iter_mut().zip(&mut clients) {
            let request =
                |client: &mut Client| client.request(&MetadataRequest::default().into(), 12).expect("encodable").1;
            let all: Vec<u8> = (0..40).flat_map(|_| Records::from(request(client)).to_bytes()).collect();
            stream.write_all(&all).expect("it is sent");
        }
        for (stream, client) in streams.iter_mut().zip(&mut clients) {
            let (mut answers, mut buffer) = (Vec::new(), [0; 65536]);
            while client.waiting() > 0 {
                let len = stream.read(&mut buffer).expect("answers in time");
                client.received(bytes::Bytes::copy_from_slice(&buffer[..len]), &mut answers).expect("answers in order");
            }
            assert_eq!(answers.len(), 40);
        }
        let mut metrics = TcpStream::connect(http.address()).expect("it listens");
        metrics.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it is sent");
        let mut text = String::new();
        metrics.read_to_string(&mut text).expect("an answer");
        let muted = text.lines().find_map(|line| line.strip_prefix("ottla_connections_muted_total "));
        if muted.expect("it is counted") != "0" {
            return;
        }
    }
    panic!("nobody was ever muted");
}

/// What it answers to a request that every listener takes, if it answers.
fn answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let body: Request = ApiVersionsRequest::default().into();
    let (_, chunks) = Client::new("t".into(), 0).request(&body, 0).expect("an encodable request");
    stream.write_all(&Records::from(chunks).to_bytes())?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut body = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

#[test]
fn more_clients_than_there_are_descriptors_are_sent_away_and_its_files_are_not() {
    let mut command = Command::new("sh");
    let program = ottla().get_program().to_owned();
    command.args(["-c", "ulimit -n 160; exec \"$0\" --port 0 --log-level error \"$@\""]).arg(program);
    let mut process = Process::start_as(command, &["num.partitions=40"]);
    let mut streams: Vec<TcpStream> = (0..300).map(|_| process.connect()).collect();
    let answered = streams.iter_mut().filter_map(|stream| answer(stream).ok()).count();
    assert!((100..=120).contains(&answered), "{answered} are served");
    let server = ["--bootstrap-server", &process.address()];
    drop(streams.pop().expect("many"));
    streams.truncate(80);
    let made = loop {
        let made =
            ottla().args(["topic", "create", "orders", "--partitions", "40"]).args(server).output().expect("it runs");
        if made.status.success() || !String::from_utf8_lossy(&made.stderr).contains("closed") {
            break made;
        }
    };
    assert!(made.status.success(), "{made:?}");
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn clients_do_not_shut_out_controllers() {
    let controller = Reserved::any().expect("a port");
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://{}", controller.address());
    let protocols = "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT";
    let settings = ["max.connections=2", &listeners, protocols, "controller.listener.names=CONTROLLER"];
    let mut command = ottla();
    command.args(["--log-level", "error"]);
    let process = Process::start_as(command, &settings);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| process.connect()).collect();
    let answered: Vec<bool> = clients.iter_mut().map(|stream| answer(stream).is_ok()).collect();
    assert_eq!(answered, [true, true, false]);
    for _ in 0..5 {
        let mut stream = TcpStream::connect(controller.address()).expect("it accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        answer(&mut stream).expect("an answer");
        clients.push(stream);
    }
}
