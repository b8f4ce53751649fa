//! Connections that we make to other brokers. A machine a line decides; a task a socket moves its bytes, and is forgotten
//! by its line before the next one is begun, so that nothing of it is heard any more.

use super::stream::{Outbox, poll_read};
use crate::seam::{TcpStream, sleep, spawn_local};
use crate::telemetry::Telemetry;
use bytes::{Bytes, BytesMut};
use ottla_core::boundary::{Input, Line, Lost};
use ottla_core::conn::{Outbound, OutboundOut};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::types::{CallId, Mono, Str};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tracing::{debug, info, warn};

/// All lines of this broker.
pub struct Lines {
    telemetry: Telemetry,
    client_id: Str,
    answer_bytes_max: usize,
    lines: RefCell<BTreeMap<Arc<Line>, Peer>>,
    /// Ends of calls that the brain has not taken yet.
    ended: RefCell<Vec<Input>>,
    /// The brain's, while it sleeps.
    waker: RefCell<Option<Waker>>,
    /// The chunk that reads are cut from.
    buffer: RefCell<BytesMut>,
    /// Addresses that did not answer when it was last tried, or not this: people are told once.
    troubled: RefCell<BTreeSet<(Str, u16, Option<ApiKey>)>>,
    /// Set once no more calls are made.
    is_closed: Cell<bool>,
}

/// One line: its machine, and the socket that it has or tries to get.
struct Peer {
    machine: Outbound,
    socket: Option<Rc<Socket>>,
    /// What was asked and has not ended.
    asked: BTreeMap<CallId, ApiKey>,
}

/// What a line and the task of its socket share.
#[derive(Default)]
struct Socket {
    outbox: Outbox,
    /// Set once its line has forgotten it.
    is_given_up: Cell<bool>,
    /// Set while the task sleeps.
    waker: RefCell<Option<Waker>>,
}

impl Lines {
    /// No lines yet. Their requests say `client_id`. No batch is longer than `batch_bytes_max`.
    pub fn new(telemetry: Telemetry, client_id: Str, batch_bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            telemetry,
            client_id,
            answer_bytes_max: batch_bytes_max.saturating_add(BESIDE_A_BATCH_BYTES).max(ANSWER_BYTES_MAX),
            lines: RefCell::default(),
            ended: RefCell::default(),
            waker: RefCell::default(),
            buffer: RefCell::default(),
            troubled: RefCell::default(),
            is_closed: Cell::new(false),
        })
    }

    /// Makes a call. It ends in one `Input::Response`, after `wait` at the latest.
    pub fn call(self: &Rc<Self>, now: Mono, line: &Arc<Line>, (call, body): (CallId, Request), wait: Duration) {
        let api = body.api_key();
        self.telemetry.called(api);
        if self.is_closed.get() {
            return self.end(api, call, Err(Lost::NotSent));
        }
        {
            let mut lines = self.lines.borrow_mut();
            let peer = lines.entry(Arc::clone(line)).or_insert_with(|| self.peer());
            peer.asked.insert(call, api);
        }
        self.with_machine(line, |machine, outs| machine.call(now, call, body, wait, outs));
    }

    fn peer(&self) -> Peer {
        let machine = Outbound::new(self.client_id.clone(), self.answer_bytes_max);
        Peer { machine, socket: None, asked: BTreeMap::new() }
    }

    /// Moves the ends of calls to `into`. The next one wakes `waker`.
    pub fn take(&self, into: &mut impl Extend<Input>, waker: &Waker) {
        into.extend(self.ended.borrow_mut().drain(..));
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Is there the end of a call to be taken?
    pub fn has_ended(&self) -> bool {
        !self.ended.borrow().is_empty()
    }

    /// When to call [`Lines::wake`].
    pub fn deadline(&self) -> Option<Mono> {
        self.lines.borrow().values().filter_map(|peer| peer.machine.deadline()).min()
    }

    /// Gives up the lines on which somebody has waited too long.
    pub fn wake(self: &Rc<Self>, now: Mono) {
        let is_due = |peer: &Peer| peer.machine.deadline().is_some_and(|due| due <= now);
        for line in self.lines_that(is_due) {
            self.with_machine(&line, |machine, outs| machine.wake(now, outs));
            self.in_trouble(&line, None, &"no answer in time");
        }
    }

    /// Closes all lines for good: what is asked from now on is not sent.
    pub fn close(self: &Rc<Self>) {
        self.is_closed.set(true);
        for line in self.lines_that(|_| true) {
            self.drop_socket(&line);
        }
    }

    fn lines_that(&self, is_wanted: impl Fn(&Peer) -> bool) -> Vec<Arc<Line>> {
        let lines = self.lines.borrow();
        lines.iter().filter(|(_, peer)| is_wanted(peer)).map(|(line, _)| Arc::clone(line)).collect()
    }

    /// Lets the machine of a line act, carries out what it says, and forgets the line if it has nothing left to do. False
    /// if it has.
    fn with_machine(self: &Rc<Self>, line: &Arc<Line>, act: impl FnOnce(&mut Outbound, &mut Vec<OutboundOut>)) -> bool {
        let (mut outs, mut ends) = (Vec::new(), Vec::new());
        let is_alive = {
            let mut lines = self.lines.borrow_mut();
            let peer = lines.get_mut(line).expect("only lines that are known act");
            act(&mut peer.machine, &mut outs);
            for out in outs {
                match out {
                    OutboundOut::Connect => peer.socket = Some(self.connect(line)),
                    OutboundOut::Write(chunks) => peer.write(chunks),
                    OutboundOut::Close => peer.give_up(),
                    OutboundOut::Ended(call, body) => {
                        let api = peer.asked.remove(&call).expect("only calls that were made end");
                        ends.push((api, call, body));
                    }
                }
            }
            let is_alive = !peer.machine.is_idle();
            if !is_alive {
                assert!(peer.asked.is_empty() && peer.socket.is_none(), "an idle line has nothing under way");
                lines.remove(line);
            }
            is_alive
        };
        for (api, call, body) in ends {
            match body {
                Ok(_) => self.out_of_trouble(line, api),
                // The line stands: it is this request that it does not carry.
                Err(Lost::NotSent) if is_alive => {
                    self.in_trouble(line, Some(api), &"it has no version of this request")
                }
                Err(Lost::NotSent | Lost::Unknown) => {}
            }
            self.end(api, call, body);
        }
        is_alive
    }

    fn end(&self, api: ApiKey, call: CallId, body: Result<Response, Lost>) {
        if let Err(lost) = body {
            self.telemetry.call_lost(api, lost);
        }
        self.ended.borrow_mut().push(Input::Response { call, body });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn connect(self: &Rc<Self>, line: &Arc<Line>) -> Rc<Socket> {
        let socket = Rc::new(Socket::default());
        spawn_local(run(Rc::clone(self), Arc::clone(line), Rc::clone(&socket)));
        socket
    }

    fn connected(self: &Rc<Self>, line: &Arc<Line>) {
        debug!(target: "ottla::net", "{}: connected", Shown(line));
        self.with_machine(line, Outbound::connected);
    }

    fn received(self: &Rc<Self>, line: &Arc<Line>, bytes: Bytes) {
        self.telemetry.received(bytes.len());
        if !self.with_machine(line, |machine, outs| machine.received(bytes, outs)) {
            self.in_trouble(line, None, &"what it answers is nothing that it was asked");
        }
    }

    /// Did this address not answer when it was last tried?
    pub fn is_troubled(&self, host: &Str, port: u16) -> bool {
        self.troubled.borrow().contains(&(host.clone(), port, None))
    }

    /// Tells people of what is wrong with a line, or with one of the requests that it should carry, if it is news.
    fn in_trouble(&self, line: &Line, api: Option<ApiKey>, what: &dyn Display) {
        let mut troubled = self.troubled.borrow_mut();
        if troubled.len() >= TROUBLED_MAX {
            troubled.clear();
        }
        if troubled.insert((line.host.clone(), line.port, api)) {
            let request = api.map_or(String::new(), |api| format!(" {}:", api.facts().name));
            warn!(target: "ottla::net", "{}:{request} {what}; it is tried until it goes well", Shown(line));
        }
    }

    /// Tells people that it is over, once there is an answer.
    fn out_of_trouble(&self, line: &Line, api: ApiKey) {
        let mut troubled = self.troubled.borrow_mut();
        if troubled.is_empty() {
            return;
        }
        for of in [None, Some(api)] {
            if troubled.remove(&(line.host.clone(), line.port, of)) {
                info!(target: "ottla::net", "{}: it answers again", Shown(line));
            }
        }
    }

    /// The socket of a line is gone, or is to go.
    fn drop_socket(self: &Rc<Self>, line: &Arc<Line>) {
        if let Some(peer) = self.lines.borrow_mut().get_mut(line) {
            peer.give_up();
        }
        self.with_machine(line, Outbound::dropped);
    }
}

impl Peer {
    fn write(&self, chunks: Vec<Bytes>) {
        let socket = self.socket.as_ref().expect("a machine writes only once it is connected");
        socket.outbox.extend(chunks);
        socket.wake();
    }

    fn give_up(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.is_given_up.set(true);
            socket.wake();
        }
    }
}

impl Socket {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Connects; `None` if it was given up meanwhile.
    async fn connect(&self, line: &Line) -> Option<io::Result<TcpStream>> {
        let mut connecting = pin!(async {
            let stream = TcpStream::connect((line.host.as_str(), line.port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let mut patience = pin!(sleep(CONNECT_MAX));
        poll_fn(|cx| {
            if self.is_given_up.get() {
                return Poll::Ready(None);
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            match (connecting.as_mut().poll(cx), patience.as_mut().poll(cx)) {
                (Poll::Ready(connected), _) => Poll::Ready(Some(connected)),
                (Poll::Pending, Poll::Ready(())) => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
            }
        })
        .await
    }

    /// Moves bytes; ready once the socket is given up (`None`) or has ended, with how.
    fn poll(&self, cx: &mut Context<'_>, site: (&Rc<Lines>, &Arc<Line>), stream: &mut TcpStream) -> Poll<Option<End>> {
        let (lines, line) = site;
        // Whoever wakes a task that runs wakes it once too often.
        self.waker.take();
        for _ in 0..ROUNDS_MAX {
            if self.is_given_up.get() {
                return Poll::Ready(None);
            }
            let sent = match self.outbox.poll_write(cx, stream) {
                Ok(sent) => sent,
                Err(fault) => return Poll::Ready(Some(End::Broken(fault))),
            };
            sent.into_iter().for_each(|bytes| lines.telemetry.sent(bytes));
            let read = match poll_read(cx, stream, &mut lines.buffer.borrow_mut()) {
                Ok(read) => read,
                Err(fault) => return Poll::Ready(Some(End::Broken(fault))),
            };
            if read.as_ref().is_some_and(Bytes::is_empty) {
                return Poll::Ready(Some(End::Peer));
            }
            if sent.is_none() && read.is_none() {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            read.into_iter().for_each(|bytes| lines.received(line, bytes));
        }
        // Others have their turn before this one goes on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How a socket ended that its line had not given up.
enum End {
    /// The other side closed it.
    Peer,
    /// It broke.
    Broken(io::Error),
}

/// The task of one socket.
async fn run(lines: Rc<Lines>, line: Arc<Line>, socket: Rc<Socket>) {
    let mut stream = match socket.connect(&line).await {
        None => return,
        Some(Err(fault)) => {
            lines.in_trouble(&line, None, &fault);
            return lines.drop_socket(&line);
        }
        Some(Ok(stream)) => stream,
    };
    lines.connected(&line);
    match poll_fn(|cx| socket.poll(cx, (&lines, &line), &mut stream)).await {
        None => return,
        Some(End::Peer) => debug!(target: "ottla::net", "{}: closed by it", Shown(&line)),
        Some(End::Broken(fault)) => debug!(target: "ottla::net", "{}: {fault}", Shown(&line)),
    }
    lines.drop_socket(&line);
}

/// A line as people read it.
struct Shown<'a>(&'a Line);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { to, host, port, purpose } = self.0;
        write!(f, "broker {} at {host}:{port} ({purpose:?})", to.0)
    }
}

/// A longer answer ends its line: more than any fetch of a replica asks for, with all that may be around it. The first
/// batch of an answer comes however long it is.
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// What may be around that batch.
const BESIDE_A_BATCH_BYTES: usize = 32 * 1024 * 1024;
/// How long a connection may take to be made, names looked up.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What one socket may read or write before others have their turn.
const ROUNDS_MAX: usize = 8;
/// More troubles than this are not remembered: whoever has so many is told of one twice.
const TROUBLED_MAX: usize = 1024;

#[cfg(test)]
#[path = "peer_test.rs"]
mod peer_test;
