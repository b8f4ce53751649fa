//! The smallest Kafka client: one Metadata request, to learn whether a broker is there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Metadata version 5, correlation id 7, client id `probe`, no topics, no auto-creation.
const ASK: &[u8] = b"\x00\x00\x00\x14\x00\x03\x00\x05\x00\x00\x00\x07\x00\x05probe\x00\x00\x00\x00\x00";
/// The least an answer with a broker holds: correlation id, throttle time, one broker.
const ANSWER_BYTES_MIN: u32 = 12;
const ANSWER_BYTES_MAX: u32 = 1 << 20;

/// Whether a broker at this address answers with at least one broker, itself.
pub fn answers(address: &str) -> bool {
    ask(address).unwrap_or(false)
}

fn ask(address: &str) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.write_all(ASK)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    assert!((ANSWER_BYTES_MIN..ANSWER_BYTES_MAX).contains(&length), "a Metadata answer of {length} bytes");
    let mut body = vec![0; length as usize];
    socket.read_exact(&mut body)?;
    assert_eq!(body[..4], [0, 0, 0, 7], "the correlation id comes back");
    Ok(body[8..12] != [0, 0, 0, 0])
}
