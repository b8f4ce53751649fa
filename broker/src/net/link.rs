//! One connection: its socket on one side, its machine on the other. A task a connection moves the bytes; it decides
//! nothing and holds nothing but the socket.

use super::stream::{Outbox, poll_read};
use crate::brain::Brain;
use crate::seam::TcpStream;
use bytes::Bytes;
use ottla_core::conn::{Conn, Reason};
use ottla_core::types::ConnId;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What the brain and the task of one connection share.
pub struct Link {
    /// Its name.
    pub id: ConnId,
    /// Its machine.
    pub machine: RefCell<Conn>,
    /// Its peer, for people.
    pub peer: String,
    /// It is of a broker or a controller, which is read from however much clients ask.
    pub is_ours: bool,
    /// What is to be written, in order; bounded by the machine, which stops reading requests.
    outbox: Outbox,
    /// True while the machine wants no more bytes.
    pub is_paused: Cell<bool>,
    /// True while the broker has no room for more requests of this one.
    pub is_muted: Cell<bool>,
    /// How many of its requests are being proved just now; `None` until one was.
    pub proving: Cell<Option<usize>>,
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
    pub fn new(machine: Conn, peer: String, is_ours: bool) -> Self {
        Self {
            id: machine.id(),
            machine: RefCell::new(machine),
            peer,
            is_ours,
            outbox: Outbox::default(),
            is_paused: Cell::new(false),
            is_muted: Cell::new(false),
            proving: Cell::new(None),
            doom: RefCell::default(),
            waker: RefCell::default(),
            held_bytes: Cell::new(0),
        }
    }

    /// Adds to what is to be written.
    pub fn write(&self, chunks: Vec<Bytes>) {
        self.outbox.extend(chunks);
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
        let read = poll_read(cx, stream, &mut brain.read_buffer())?;
        let Some(bytes) = read else { return Ok(None) };
        let len = bytes.len();
        if len > 0 {
            brain.received(self, bytes);
        }
        Ok(Some(len))
    }

    /// One vectored write, if there is anything to write. True if the peer took some.
    fn poll_write(&self, cx: &mut Context<'_>, brain: &Brain, stream: &mut TcpStream) -> io::Result<bool> {
        let sent = self.outbox.poll_write(cx, stream)?;
        sent.into_iter().for_each(|bytes| brain.sent(self, bytes));
        Ok(sent.is_some())
    }
}

/// What one connection may read or write before others have their turn.
const ROUNDS_MAX: usize = 8;
