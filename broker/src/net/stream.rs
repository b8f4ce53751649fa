//! What all sockets have in common: reads are cut from a chunk that many share, and whatever waits to be written goes out in
//! one piece.

use crate::seam::TcpStream;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// What is to be written to one socket, in order.
#[derive(Default)]
pub struct Outbox(RefCell<VecDeque<Bytes>>);

impl Outbox {
    /// Adds to it.
    pub fn extend(&self, chunks: Vec<Bytes>) {
        self.0.borrow_mut().extend(chunks);
    }

    /// One vectored write, if there is anything to write: how many bytes the peer took.
    pub fn poll_write(&self, cx: &mut Context<'_>, stream: &mut TcpStream) -> io::Result<Option<usize>> {
        let mut chunks = self.0.borrow_mut();
        if chunks.is_empty() {
            return Ok(None);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = chunks.len().min(SLICES_MAX);
        chunks.iter().zip(&mut slices).for_each(|(chunk, slice)| *slice = IoSlice::new(chunk));
        let sent = match Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]) {
            Poll::Pending => return Ok(None),
            Poll::Ready(Err(fault)) => return Err(fault),
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(sent)) => sent,
        };
        consume(&mut chunks, sent);
        // Nothing for a socket of the operating system; a simulated one sends only then.
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| Some(sent)),
            Poll::Pending => Ok(Some(sent)),
        }
    }
}

/// One read, if anything has come; no bytes are the end of the stream.
pub fn poll_read(cx: &mut Context<'_>, stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
    make_room(buffer);
    // Cancel-safe: a read that is not ready leaves nothing behind.
    match pin!(stream.read_buf(&mut *buffer)).poll(cx) {
        Poll::Pending => Ok(None),
        Poll::Ready(Err(fault)) => Err(fault),
        Poll::Ready(Ok(_)) => Ok(Some(buffer.split().freeze())),
    }
}

fn consume(chunks: &mut VecDeque<Bytes>, sent: usize) {
    let mut rest = sent;
    while let Some(chunk) = chunks.front_mut() {
        if chunk.len() > rest {
            let _ = chunk.split_to(rest);
            return;
        }
        rest -= chunk.len();
        chunks.pop_front();
    }
}

/// Room for one read. A chunk whose every slice is gone is used again; else the next one is begun, and the old one lives
/// as long as its last slice.
fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN && !buffer.try_reclaim(READ_BYTES_MIN) {
        *buffer = BytesMut::with_capacity(CHUNK_BYTES);
    }
}

/// Chunks in one vectored write.
const SLICES_MAX: usize = 64;
/// The reads of all connections are cut from chunks of this size.
const CHUNK_BYTES: usize = 256 * 1024;
/// The least room that a read is given.
const READ_BYTES_MIN: usize = 32 * 1024;
