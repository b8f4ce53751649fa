//! One connection of a client, without its socket: bytes in → requests, answers → bytes out. Order, limits and muting are
//! decided here, by the same code in production and in the simulator. [`Outbound`] is the other way round: a connection
//! that this node makes.
//!
//! ```text
//!   bytes ──▶ Inbox ──▶ decode ──▶ prove (Produce) ──▶ Input ─▶ node
//!   bytes ◀── Queue: in the order of the requests ◀── encode ◀── reply
//! ```
//!
//! Requests are handed on in the order in which they came, though several may be under way at a time; answers leave in
//! that order, whichever is ready first. A connection that has too much under way is not read from until it has less.

pub mod client;
mod inbox;
mod outbound;
mod produce;
mod queue;
mod splice;

pub use inbox::{BadLength, Inbox};
pub use outbound::{Outbound, OutboundOut};
pub use produce::{ProveDone, ProveJob};
pub use splice::splice;

use crate::boundary::{Asker, Input};
use crate::msg::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use crate::msg::{ApiKey, Request, Response};
use crate::record::Functions;
use crate::types::{ConnId, ErrorCode, Mono, Now, Str, Ticket};
use crate::wire::{self, Reader, RequestHead, WireError};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::time::Duration;
use produce::Part;
use queue::{Bulk, Queue, bulk_of};

/// What a connection may take up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnLimits {
    /// `socket.request.max.bytes`: a longer frame ends the connection.
    pub frame_bytes_max: usize,
    /// Requests under way at a time; more are not read.
    pub requests_max: usize,
    /// Bytes of the requests under way at a time; one request always is.
    pub request_bytes_max: usize,
    /// Bytes of answers that the peer has not taken yet; beyond it no more requests are read.
    pub unsent_bytes_max: usize,
    /// `connections.max.idle.ms`: after this long without a byte either way the connection ends; `None` is never.
    pub idle: Option<Duration>,
    /// The largest batch that any topic could take.
    pub batch_bytes_max: usize,
}

impl Default for ConnLimits {
    /// Kafka's defaults where it has the setting.
    fn default() -> Self {
        Self {
            frame_bytes_max: 100 * 1024 * 1024,
            requests_max: 64,
            request_bytes_max: 32 * 1024 * 1024,
            unsent_bytes_max: 8 * 1024 * 1024,
            idle: Some(Duration::from_secs(600)),
            batch_bytes_max: 100 * 1024 * 1024,
        }
    }
}

/// What a connection asks of its driver, in order.
#[derive(Debug)]
pub enum ConnOut {
    /// For the node.
    Input(Input),
    /// Batches whose proof takes too long for this thread; the result comes back by [`Conn::proved`].
    Prove(ProveJob),
    /// To the peer, one chunk behind the other.
    Write(Vec<Bytes>),
    /// An answer is among what was written: for the statistics.
    Answered {
        /// To a request of this API.
        api: ApiKey,
        /// When its request was whole.
        asked: Mono,
    },
    /// Read no more from the peer until told so.
    PauseReading,
    /// Read again.
    ResumeReading,
    /// Close the connection; nothing follows.
    Close(Reason),
}

/// Why a connection was closed from our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The length of a frame is negative or above `socket.request.max.bytes`.
    FrameLength(i32),
    /// The API is spoken, but not on this listener.
    OtherListener {
        /// The API.
        api: ApiKey,
    },
    /// The API is spoken, but not in this version.
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
    /// The bytes of the request are not what its header says.
    Malformed {
        /// The API, if the header came so far.
        api: Option<ApiKey>,
        /// What was wrong.
        fault: WireError,
    },
    /// Nothing happened for as long as `connections.max.idle.ms`, or a frame was not whole in that time.
    Idle,
    /// Our own answer does not fit the version of its request: a fault of ours.
    Unencodable {
        /// The API.
        api: ApiKey,
        /// What was wrong.
        fault: WireError,
    },
}

/// The machine of one connection.
pub struct Conn {
    asker: Arc<Asker>,
    limits: ConnLimits,
    functions: Functions,
    inbox: Inbox,
    /// Answers owed, in order.
    queue: Queue,
    /// Requests for the node that wait behind one whose batches are still being proved.
    held: VecDeque<Held>,
    /// Bytes handed to the driver and not taken by the peer.
    unsent_bytes: usize,
    state: State,
    /// When a byte last went either way.
    active: Mono,
    /// When the first byte of the frame came that is not yet whole.
    frame_since: Option<Mono>,
    /// A request that waits until another of its kind is answered.
    deferred: Option<Bytes>,
    /// Where compressed records are unpacked.
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Reading,
    Paused,
    Closed,
}

/// A request on its way to the node.
enum Held {
    /// Its batches are being proved elsewhere.
    Proving(u64),
    /// Ready, but behind one that is not.
    Ready(Box<Input>),
}

impl Conn {
    /// The machine of a connection just accepted. `asker` names it; its client id is learnt from the requests.
    pub fn new(asker: Asker, limits: ConnLimits, functions: Functions, now: Now) -> Self {
        Self {
            asker: Arc::new(asker),
            limits,
            functions,
            inbox: Inbox::default(),
            queue: Queue::default(),
            held: VecDeque::new(),
            unsent_bytes: 0,
            state: State::Reading,
            active: now.mono,
            frame_since: None,
            deferred: None,
            scratch: Vec::new(),
        }
    }

    /// Its name.
    pub fn id(&self) -> ConnId {
        self.asker.conn
    }

    /// Whatever one read brought.
    pub fn received(&mut self, now: Now, bytes: Bytes, out: &mut Vec<ConnOut>) {
        if self.state == State::Closed {
            return;
        }
        self.active = now.mono;
        self.inbox.push(bytes);
        self.take_frames(now, out);
    }

    /// The node's answer; `None` ends the request in silence. After the close answers are dropped.
    ///
    /// # Panics
    /// If the request was never asked or is answered twice: the node ends each ticket once.
    pub fn reply(&mut self, now: Now, ticket: Ticket, body: Option<Response>, out: &mut Vec<ConnOut>) {
        assert_eq!(ticket.conn, self.id(), "an answer went to another connection");
        if self.state == State::Closed {
            return;
        }
        let answered = self.answer(ticket.seq, body, out);
        self.go_on(now, answered, out);
    }

    /// The node's answer, encoded already.
    ///
    /// # Panics
    /// As [`Conn::reply`].
    pub fn send(&mut self, now: Now, ticket: Ticket, body: &Bytes, out: &mut Vec<ConnOut>) {
        assert_eq!(ticket.conn, self.id(), "an answer went to another connection");
        if self.state == State::Closed {
            return;
        }
        let sent = self.queue.send(ticket.seq, body).map_err(|(api, fault)| Reason::Unencodable { api, fault });
        let sent = sent.map(|()| self.write_ready(out));
        self.go_on(now, sent, out);
    }

    /// There may be room for more requests now.
    fn go_on(&mut self, now: Now, answered: Result<(), Reason>, out: &mut Vec<ConnOut>) {
        match answered {
            Ok(()) if self.state == State::Paused => self.take_frames(now, out),
            Ok(()) => {}
            Err(reason) => self.close(reason, out),
        }
    }

    /// Batches that were sent away are proved; whatever waited behind them goes on.
    pub fn proved(&mut self, done: ProveDone, out: &mut Vec<ConnOut>) {
        if self.state == State::Closed {
            return;
        }
        let place = self.held.iter().position(|held| matches!(held, Held::Proving(seq) if *seq == done.seq));
        let place = place.expect("only what was sent away comes back");
        self.held[place] = Held::Ready(Box::new(done.input));
        while let Some(Held::Ready(_)) = self.held.front() {
            if let Some(Held::Ready(input)) = self.held.pop_front() {
                out.push(ConnOut::Input(*input));
            }
        }
    }

    /// The peer took this many bytes of what was written.
    pub fn sent(&mut self, now: Now, bytes: usize, out: &mut Vec<ConnOut>) {
        if self.state == State::Closed {
            return;
        }
        assert!(bytes <= self.unsent_bytes, "more was sent than was written");
        self.active = now.mono;
        self.unsent_bytes -= bytes;
        if self.state == State::Paused {
            self.take_frames(now, out);
        }
    }

    /// Time has passed. To be called at [`Conn::deadline`]; earlier is harmless.
    pub fn wake(&mut self, now: Now, out: &mut Vec<ConnOut>) {
        if self.deadline().is_some_and(|deadline| deadline <= now.mono) {
            self.close(Reason::Idle, out);
        }
    }

    /// When the connection ends unless something happens before; never while the node owes it an answer.
    pub fn deadline(&self) -> Option<Mono> {
        let is_owed = !self.queue.is_empty() && self.unsent_bytes == 0;
        if self.state == State::Closed || is_owed {
            return None;
        }
        Some(self.frame_since.unwrap_or(self.active).min(self.active) + self.limits.idle?)
    }

    /// Bytes that this connection holds in memory: frames begun, requests under way, answers not yet taken.
    pub fn held_bytes(&self) -> usize {
        let deferred = self.deferred.as_ref().map_or(0, Bytes::len);
        self.inbox.held_bytes() + deferred + self.queue.bytes() + self.unsent_bytes
    }

    /// True while the peer has not taken everything that was written.
    pub fn has_unsent(&self) -> bool {
        self.unsent_bytes > 0
    }

    fn take_frames(&mut self, now: Now, out: &mut Vec<ConnOut>) {
        while !self.is_full() {
            match self.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) if self.must_wait(&frame) => self.deferred = Some(frame),
                Ok(Some(frame)) => {
                    if let Err(reason) = self.take_frame(now, frame, out) {
                        return self.close(reason, out);
                    }
                }
                Err(BadLength(len)) => return self.close(Reason::FrameLength(len), out),
            }
        }
        if self.inbox.is_amid_frame() {
            self.frame_since.get_or_insert(now.mono);
        }
        let wanted = if self.is_full() { State::Paused } else { State::Reading };
        if wanted != self.state {
            self.state = wanted;
            out.push(if wanted == State::Paused { ConnOut::PauseReading } else { ConnOut::ResumeReading });
        }
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, BadLength> {
        if self.deferred.is_some() {
            return Ok(self.deferred.take());
        }
        let frame = self.inbox.next_frame(self.limits.frame_bytes_max)?;
        if frame.is_some() {
            self.frame_since = None;
        }
        Ok(frame)
    }

    fn is_full(&self) -> bool {
        self.deferred.as_ref().is_some_and(|frame| self.must_wait(frame))
            || self.queue.len() >= self.limits.requests_max
            || !self.queue.is_empty() && self.queue.bytes() >= self.limits.request_bytes_max
            || self.unsent_bytes >= self.limits.unsent_bytes_max
    }

    /// Each of these may bring megabytes: of a kind a connection has one at a time.
    fn must_wait(&self, frame: &[u8]) -> bool {
        bulk_of_frame(frame).is_some_and(|kind| self.queue.has(kind))
    }

    fn take_frame(&mut self, now: Now, frame: Bytes, out: &mut Vec<ConnOut>) -> Result<(), Reason> {
        let bytes = frame.len();
        // A small request must not keep the whole read alive that brought it, for as long as it is parked.
        let is_copied = bytes <= COPIED_BYTES_MAX && !is_of(&frame, ApiKey::Produce);
        let frame = if is_copied { Bytes::copy_from_slice(&frame) } else { frame };
        let mut reader = Reader::new(&frame, wire::REQUEST_BUDGET_BYTES);
        let head = wire::read_request_head(&mut reader).map_err(|fault| Reason::Malformed { api: None, fault })?;
        let RequestHead { api, version, .. } = head;
        if !api.is_on(self.asker.listener_type) {
            return Err(Reason::OtherListener { api });
        }
        if !api.speaks(version) {
            return self.refuse_version(now, &head, out);
        }
        let request = wire::decode_request(api, version, &mut reader)
            .map_err(|fault| Reason::Malformed { api: Some(api), fault })?;
        self.introduce(head.client_id.as_ref());
        let ticket = Ticket { conn: self.id(), seq: self.queue.push(&head, bytes, now.mono) };
        match request {
            Request::ApiVersions(body) if version >= 3 && !has_fair_names(&body) => {
                let refused =
                    ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
                self.answer(ticket.seq, Some(refused.into()), out)?;
            }
            Request::Produce(body) if produce::pieces(&body) > produce::PIECES_MAX => {
                return Err(Reason::Malformed { api: Some(api), fault: WireError::OverBudget });
            }
            Request::Produce(body) => {
                let part = Part { ticket, asker: self.asker.clone(), version };
                self.prove(part, body, out);
            }
            body => self.pass(Input::Request { ticket, asker: self.asker.clone(), version, body }, out),
        }
        Ok(())
    }

    /// ApiVersions in a version from the future is answered in version 0 with our own range, so that the client can
    /// ask again (KIP-511); anything else cannot be answered at all.
    fn refuse_version(&mut self, now: Now, head: &RequestHead, out: &mut Vec<ConnOut>) -> Result<(), Reason> {
        let RequestHead { api, version, .. } = *head;
        if api != ApiKey::ApiVersions {
            return Err(Reason::UnsupportedVersion { api, version });
        }
        let facts = api.facts();
        let range = ApiVersion { api_key: api.code(), min_version: facts.announced_first, max_version: facts.last };
        let refused = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            api_keys: alloc::vec![range],
            ..Default::default()
        };
        let seq = self.queue.push(&RequestHead { version: 0, ..head.clone() }, 0, now.mono);
        self.answer(seq, Some(refused.into()), out)
    }

    /// The asker is made anew only when the client id changes, which real clients never do.
    fn introduce(&mut self, client_id: Option<&Str>) {
        let client_id = client_id.map_or("", Str::as_str);
        if self.asker.client_id.as_str() != client_id {
            self.asker = Arc::new(Asker { client_id: client_id.into(), ..(*self.asker).clone() });
        }
    }

    fn prove(&mut self, part: Part, body: crate::msg::produce::ProduceRequest, out: &mut Vec<ConnOut>) {
        let job = ProveJob::new(part, body, self.limits.batch_bytes_max);
        match job.run_here(&self.functions, &mut self.scratch) {
            Ok(done) => self.pass(done.input, out),
            Err(job) => {
                self.held.push_back(Held::Proving(job.seq()));
                out.push(ConnOut::Prove(job));
            }
        }
    }

    /// To the node, unless an earlier request is still being proved.
    fn pass(&mut self, input: Input, out: &mut Vec<ConnOut>) {
        if self.held.is_empty() {
            out.push(ConnOut::Input(input));
        } else {
            self.held.push_back(Held::Ready(Box::new(input)));
        }
    }

    /// Takes an answer in, and sends every answer whose turn it is.
    fn answer(&mut self, seq: u64, body: Option<Response>, out: &mut Vec<ConnOut>) -> Result<(), Reason> {
        self.queue.answer(seq, body.as_ref()).map_err(|(api, fault)| Reason::Unencodable { api, fault })?;
        self.write_ready(out);
        Ok(())
    }

    /// Sends every answer whose turn it is.
    fn write_ready(&mut self, out: &mut Vec<ConnOut>) {
        let mut chunks = Vec::new();
        while let Some(ready) = self.queue.pop_ready(&mut chunks) {
            out.push(ConnOut::Answered { api: ready.api, asked: ready.asked });
        }
        if !chunks.is_empty() {
            self.unsent_bytes += chunks.iter().map(Bytes::len).sum::<usize>();
            out.push(ConnOut::Write(chunks));
        }
    }

    fn close(&mut self, reason: Reason, out: &mut Vec<ConnOut>) {
        self.state = State::Closed;
        self.inbox = Inbox::default();
        self.deferred = None;
        self.queue = Queue::default();
        self.held.clear();
        out.push(ConnOut::Close(reason));
    }
}

fn bulk_of_frame(frame: &[u8]) -> Option<Bulk> {
    frame.first_chunk().and_then(|code| bulk_of(i16::from_be_bytes(*code)))
}

/// Does the header of this frame name this API?
fn is_of(frame: &[u8], api: ApiKey) -> bool {
    frame.starts_with(&api.code().to_be_bytes())
}

/// KIP-511: letters, digits, dots and dashes, and neither dot nor dash at an end.
fn has_fair_names(body: &ApiVersionsRequest) -> bool {
    let is_fair = |name: &str| {
        let letters = name.as_bytes();
        let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return false };
        first.is_ascii_alphanumeric()
            && last.is_ascii_alphanumeric()
            && letters.iter().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'.'))
    };
    is_fair(&body.client_software_name) && is_fair(&body.client_software_version)
}

/// A request up to this long is copied out of the read that brought it.
const COPIED_BYTES_MAX: usize = 4096;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameLength(len) => write!(f, "a request of {len} bytes is not taken (socket.request.max.bytes)"),
            Self::OtherListener { api } => write!(f, "{} is not answered on this listener", api.facts().name),
            Self::UnsupportedVersion { api, version } => {
                write!(f, "{} is not spoken in version {version}", api.facts().name)
            }
            Self::Malformed { api: Some(api), fault } => {
                write!(f, "malformed {} request: {fault}", api.facts().name)
            }
            Self::Malformed { api: None, fault } => write!(f, "malformed request header: {fault}"),
            Self::Idle => f.write_str("idle for longer than connections.max.idle.ms"),
            Self::Unencodable { api, fault } => {
                write!(f, "our answer to {} has no wire form: {fault}", api.facts().name)
            }
        }
    }
}

#[cfg(test)]
#[path = "conn_test.rs"]
mod conn_test;
