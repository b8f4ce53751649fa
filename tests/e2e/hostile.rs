//! Peers that mean harm or know no better: the broker hangs up on them or ignores them, its memory stays bounded, and
//! everybody else is served.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ottla_core::types::Rng;
use ottla_tests::harness::broker::{Broker, Kind};
use ottla_tests::harness::probe;

/// How long a broker may take to hang up or to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a crowd of useless peers may cost.
const MEMORY_MAX: u64 = 100 << 20;

#[test]
fn absurd_lengths_end_the_connection() {
    let broker = Broker::start();
    for length in [i32::MAX, -1, i32::MIN, 1 << 30] {
        let mut peer = connect(&broker);
        peer.write_all(&length.to_be_bytes()).expect("four bytes fit");
        assert!(hangs_up(&mut peer), "a frame of {length} bytes");
    }
    assert!(probe::answers(&broker.address()), "others are served");
}

#[test]
fn unknown_apis_and_versions_end_the_connection() {
    let broker = Broker::start();
    for (api, version) in [(999_i16, 0_i16), (-1, 0), (0, 99), (1, i16::MAX), (3, -1)] {
        let mut peer = connect(&broker);
        peer.write_all(&request(api, version, &[0; 32])).expect("a small frame fits");
        assert!(hangs_up(&mut peer), "api {api} version {version}");
    }
    assert!(probe::answers(&broker.address()), "others are served");
}

#[test]
fn api_versions_from_the_future_is_answered_in_version_0() {
    let broker = Broker::start();
    let mut peer = connect(&broker);
    peer.write_all(&request(18, 99, b"\x00\x05peer\x021\x00")).expect("a small frame fits");
    let mut answer = [0; 14];
    peer.read_exact(&mut answer).expect("an answer (KIP-511)");
    assert_eq!(answer[4..8], 7_i32.to_be_bytes(), "the correlation id");
    assert_eq!(answer[8..10], 35_i16.to_be_bytes(), "UNSUPPORTED_VERSION");
    // The same connection goes on.
    peer.write_all(&request(18, 0, &[])).expect("a small frame fits");
}

#[test]
fn random_bytes_harm_nobody() {
    let broker = Broker::start();
    let mut rng = Rng::new(7);
    for round in 0..200_u64 {
        let mut peer = connect(&broker);
        let mut bytes: Vec<u8> = (0..64).flat_map(|_| rng.bytes16()).collect();
        if round % 2 == 0 {
            // A frame of a plausible length, for an API that exists.
            bytes[..6].copy_from_slice(&[0, 0, 3, 252, 0, (round / 2 % 76) as u8]);
            bytes[6..8].copy_from_slice(&(round as i16 % 10).to_be_bytes());
        }
        // It may hang up while we still write.
        drop(peer.write_all(&bytes));
    }
    assert!(probe::answers(&broker.address()), "others are served");
}

#[test]
fn a_crowd_that_sends_half_frames_costs_little() {
    let broker = Broker::start();
    let before = broker.resident_bytes();
    let mut crowd = Vec::new();
    for number in 0..500 {
        let mut peer = connect(&broker);
        let begun = request(3, 5, &[0; 100]);
        peer.write_all(&begun[..1 + number % 60]).expect("half a frame fits");
        crowd.push(peer);
    }
    assert!(probe::answers(&broker.address()), "others are served");
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(broker.kind() == Kind::Kafka || grown < MEMORY_MAX, "{} peers cost {grown} bytes", crowd.len());
}

#[test]
fn promised_bytes_are_not_allocated_before_they_come() {
    let broker = Broker::start();
    if broker.kind() == Kind::Kafka {
        // Kafka allocates what a length promises.
        return;
    }
    let before = broker.resident_bytes();
    let mut crowd = Vec::new();
    for _ in 0..50 {
        let mut peer = connect(&broker);
        peer.write_all(&(100_i32 << 20).to_be_bytes()).expect("four bytes fit");
        peer.write_all(&[0; 1000]).expect("a thousand bytes fit");
        crowd.push(peer);
    }
    assert!(probe::answers(&broker.address()), "others are served");
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{} peers cost {grown} bytes", crowd.len());
}

#[test]
fn a_client_that_never_reads_costs_little() {
    let broker = Broker::start();
    let before = broker.resident_bytes();
    let mut peer = connect(&broker);
    peer.set_write_timeout(Some(Duration::from_secs(2))).expect("a socket has the option");
    let questions: Vec<u8> = (0..1000).flat_map(|_| request(18, 0, &[])).collect();
    let mut asked = 0_u64;
    // Until the broker stops reading, as it must: its answers find no reader.
    let ended = loop {
        match peer.write_all(&questions) {
            Ok(()) => asked += 1000,
            Err(fault) => break fault.kind(),
        }
        assert!(asked < 10_000_000, "the broker reads on and on");
    };
    assert!(probe::answers(&broker.address()), "others are served");
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(broker.kind() == Kind::Kafka || grown < MEMORY_MAX, "{asked} questions ({ended:?}) cost {grown} bytes");
}

/// A request frame with correlation id 7 and an empty client id.
fn request(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([0; 4]);
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 7, 0, 0]);
    frame.extend(body);
    let length = u32::try_from(frame.len() - 4).expect("a small frame");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn connect(broker: &Broker) -> TcpStream {
    let socket = TcpStream::connect(broker.address()).expect("the broker accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket has the option");
    socket
}

/// Whether the broker ends the connection without a word.
fn hangs_up(peer: &mut TcpStream) -> bool {
    match peer.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(fault) => fault.kind() == ErrorKind::ConnectionReset,
    }
}
