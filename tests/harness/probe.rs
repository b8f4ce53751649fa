//! The smallest Kafka client: one request on a connection of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use ottla_core::conn::client::Client;
use ottla_core::msg::{Request, Response};

/// Metadata version 5, correlation id 7, client id `probe`, no topics, no auto-creation.
const ASK: &[u8] = b"\x00\x00\x00\x14\x00\x03\x00\x05\x00\x00\x00\x07\x00\x05probe\x00\x00\x00\x00\x00";
/// The least an answer with a broker holds: correlation id, throttle time, one broker.
const ANSWER_BYTES_MIN: u32 = 12;
const ANSWER_BYTES_MAX: u32 = 1 << 20;
/// A longer one is refused by [`ask`].
const LONG_ANSWER_BYTES_MAX: usize = 64 << 20;

/// Whether a broker at this address answers with at least one broker, itself.
pub fn answers(address: &str) -> bool {
    hail(address).unwrap_or(false)
}

/// What it answers to one request in this version.
pub fn ask(address: &str, request: &Request, version: i16) -> io::Result<Response> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut client = Client::new("probe".into(), LONG_ANSWER_BYTES_MAX);
    let (_, chunks) = client.request(request, version).map_err(|fault| io::Error::other(format!("{fault:?}")))?;
    chunks.iter().try_for_each(|chunk| socket.write_all(chunk))?;
    let (mut answers, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let received = client.received(Bytes::copy_from_slice(&buffer[..read]), &mut answers);
        received.map_err(|fault| io::Error::other(format!("{fault:?}")))?;
        if let Some(answer) = answers.pop() {
            return Ok(answer.body);
        }
    }
}

fn hail(address: &str) -> io::Result<bool> {
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
