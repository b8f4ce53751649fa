//! One connection: its socket on one side, its machine on the other. A task a connection moves the bytes; it decides
//! nothing and holds nothing but the socket.

use crate::brain::Brain;
use crate::seam::TcpStream;
use bytes::{Bytes, BytesMut};
use ottla_core::conn::{Conn, Reason};
use ottla_core::types::ConnId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// What the brain and the task of one connection share.
pub struct Link {
    /// Its name.
    pub id: ConnId,
    /// Its machine.
    pub machine: RefCell<Conn>,
    /// Its peer, for people.
    pub peer: String,
    /// What is to be written, in order; bounded by the machine, which stops reading requests.
    outbox: RefCell<VecDeque<Bytes>>,
    /// True while the machine wants no more bytes.
    pub is_paused: Cell<bool>,
    /// True while the broker has no room for more requests, whoever sends them.
    pub is_muted: Cell<bool>,
    /// Set once the connection is to be closed.
    doom: RefCell<Option<End>>,
    /// Set while the task sleeps.
    waker: RefCell<Option<Waker>>,
    /// What the machine held when it was last looked at, in bytes.
    pub held_bytes: Cell<usize>,
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The peer closed it.
    Peer,
    /// The socket broke.
    Broken(io::ErrorKind),
    /// The machine closed it.
    Closed(Reason),
    /// The node, or the end of the process, closed it.
    Hangup,
    /// It held more memory than is left for requests.
    Overload,
}

impl Link {
    /// A connection just accepted.
    pub fn new(machine: Conn, peer: String) -> Self {
        Self {
            id: machine.id(),
            machine: RefCell::new(machine),
            peer,
            outbox: RefCell::default(),
            is_paused: Cell::new(false),
            is_muted: Cell::new(false),
            doom: RefCell::default(),
            waker: RefCell::default(),
            held_bytes: Cell::new(0),
        }
    }

    /// Adds to what is to be written.
    pub fn write(&self, chunks: Vec<Bytes>) {
        self.outbox.borrow_mut().extend(chunks);
    }

    /// Closes the connection as soon as its task runs; what is already written may still go out.
    pub fn close(&self, end: End) {
        self.doom.borrow_mut().get_or_insert(end);
    }

    /// Lets the task run: there is something to write, to read again or to close.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Moves bytes until the connection ends.
    pub async fn run(self: Rc<Self>, brain: Rc<Brain>, mut stream: TcpStream) {
        let end = poll_fn(|cx| self.poll(cx, &brain, &mut stream)).await;
        brain.closed(&self, &end);
    }

    fn poll(&self, cx: &mut Context<'_>, brain: &Brain, stream: &mut TcpStream) -> Poll<End> {
        // Whoever wakes a task that runs wakes it once too often.
        self.waker.take();
        for _ in 0..ROUNDS_MAX {
            let wrote = match self.poll_write(cx, brain, stream) {
                Ok(wrote) => wrote,
                Err(fault) => return Poll::Ready(End::Broken(fault.kind())),
            };
            if let Some(end) = self.doom.borrow_mut().take() {
                return Poll::Ready(end);
            }
            let read = match self.poll_read(cx, brain, stream) {
                Ok(Some(0)) => return Poll::Ready(End::Peer),
                Ok(read) => read.is_some(),
                Err(fault) => return Poll::Ready(End::Broken(fault.kind())),
            };
            if !wrote && !read {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        // Others have their turn before this one goes on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One read, if the machine wants bytes and there are any; 0 bytes are the end of the stream.
    fn poll_read(&self, cx: &mut Context<'_>, brain: &Brain, stream: &mut TcpStream) -> io::Result<Option<usize>> {
        if self.is_paused.get() || brain.is_stopping() || !brain.may_read(self) {
            return Ok(None);
        }
        let bytes = {
            let mut buffer = brain.read_buffer();
            make_room(&mut buffer);
            // Cancel-safe: a read that is not ready leaves nothing behind.
            match pin!(stream.read_buf(&mut *buffer)).poll(cx) {
                Poll::Pending => return Ok(None),
                Poll::Ready(Err(fault)) => return Err(fault),
                Poll::Ready(Ok(_)) => buffer.split().freeze(),
            }
        };
        let len = bytes.len();
        if len > 0 {
            brain.received(self, bytes);
        }
        Ok(Some(len))
    }

    /// One vectored write, if there is anything to write. True if the peer took some.
    fn poll_write(&self, cx: &mut Context<'_>, brain: &Brain, stream: &mut TcpStream) -> io::Result<bool> {
        let sent = {
            let mut outbox = self.outbox.borrow_mut();
            if outbox.is_empty() {
                return Ok(false);
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = outbox.len().min(SLICES_MAX);
            outbox.iter().zip(&mut slices).for_each(|(chunk, slice)| *slice = IoSlice::new(chunk));
            match Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(fault)) => return Err(fault),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    consume(&mut outbox, sent);
                    sent
                }
            }
        };
        brain.sent(self, sent);
        // Nothing for a socket of the operating system; a simulated one sends only then.
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| true),
            Poll::Pending => Ok(true),
        }
    }
}

fn consume(outbox: &mut VecDeque<Bytes>, sent: usize) {
    let mut rest = sent;
    while let Some(chunk) = outbox.front_mut() {
        if chunk.len() > rest {
            let _ = chunk.split_to(rest);
            return;
        }
        rest -= chunk.len();
        outbox.pop_front();
    }
}

/// Room for one read. A chunk whose every slice is gone is used again; else the next one is begun, and the old one lives
/// as long as its last slice.
fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN && !buffer.try_reclaim(READ_BYTES_MIN) {
        *buffer = BytesMut::with_capacity(CHUNK_BYTES);
    }
}

/// What one connection may read or write before others have their turn.
const ROUNDS_MAX: usize = 8;
/// Chunks in one vectored write.
const SLICES_MAX: usize = 64;
/// The reads of all connections are cut from chunks of this size.
const CHUNK_BYTES: usize = 256 * 1024;
/// The least room that a read is given.
const READ_BYTES_MIN: usize = 32 * 1024;
