//! One of our own connections to another node, without its socket: it connects when there is something to ask, learns what
//! the other side speaks, sends calls in their order, and says of each what became of it.
//!
//! ```text
//!            call                  connected                 answered
//!   Idle ───────────▶ Connecting ────────────▶ Greeting ────────────────▶ Open
//!    ▲                    │                  (ApiVersions)                  │
//!    └────────────────────┴──────── dropped, or somebody waited too long ──┘
//!         what was sent is lost, and may have taken effect; what was not sent is lost for certain
//! ```
//!
//! There is no going on after a loss: a call that came later would overtake the one that was lost. Whoever calls again
//! leaves some time before.

use super::client::{Answer, Client};
use crate::boundary::Lost;
use crate::msg::api_versions::{ApiVersion, ApiVersionsRequest};
use crate::msg::{ApiKey, Request, Response};
use crate::types::{CallId, Mono, Str};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Our side of one connection that we make.
pub struct Outbound {
    client_id: Str,
    frame_bytes_max: usize,
    state: State,
    /// Calls that are not sent yet.
    queue: VecDeque<Call>,
}

struct Call {
    id: CallId,
    body: Request,
    /// When it counts as lost.
    until: Mono,
}

enum State {
    Idle,
    Connecting,
    Greeting(Client),
    Open(Open),
}

struct Open {
    client: Client,
    versions: Vec<ApiVersion>,
    /// Calls that are sent and not answered, in order, each with when it counts as lost.
    sent: VecDeque<(CallId, Mono)>,
}

/// What the connection wants done.
#[derive(Debug)]
pub enum OutboundOut {
    /// Connect; then call [`Outbound::connected`] or [`Outbound::dropped`].
    Connect,
    /// Write these bytes.
    Write(Vec<Bytes>),
    /// Give the socket up, whatever it is about. Nothing of it is to be told any more.
    Close,
    /// A call ended.
    Ended(CallId, Result<Response, Lost>),
}

impl Outbound {
    /// A connection that nobody has asked anything of yet. Answers longer than `frame_bytes_max` are refused.
    pub fn new(client_id: Str, frame_bytes_max: usize) -> Self {
        Self { client_id, frame_bytes_max, state: State::Idle, queue: VecDeque::new() }
    }

    /// Asks something. It ends in one [`OutboundOut::Ended`], after `wait` at the latest.
    pub fn call(&mut self, now: Mono, id: CallId, body: Request, wait: Duration, out: &mut Vec<OutboundOut>) {
        self.queue.push_back(Call { id, body, until: now + wait });
        match self.state {
            State::Idle => {
                self.state = State::Connecting;
                out.push(OutboundOut::Connect);
            }
            State::Connecting | State::Greeting(_) => {}
            State::Open(_) => self.send(out),
        }
    }

    /// The socket is there.
    pub fn connected(&mut self, out: &mut Vec<OutboundOut>) {
        assert!(matches!(self.state, State::Connecting), "a connection is made once, and after it was asked for");
        let mut client = Client::new(self.client_id.clone(), self.frame_bytes_max);
        let hello = Request::ApiVersions(ApiVersionsRequest::default());
        let (_, bytes) = client.request(&hello, GREETING_VERSION).expect("it has no fields");
        out.push(OutboundOut::Write(bytes));
        self.state = State::Greeting(client);
    }

    /// Whatever one read brought.
    pub fn received(&mut self, bytes: Bytes, out: &mut Vec<OutboundOut>) {
        let mut answers = Vec::new();
        let client = match &mut self.state {
            State::Idle | State::Connecting => return,
            State::Greeting(client) => client,
            State::Open(open) => &mut open.client,
        };
        let outcome = client.received(bytes, &mut answers);
        answers.into_iter().for_each(|answer| self.answered(answer, out));
        if outcome.is_err() {
            self.hang_up(out);
        }
    }

    fn answered(&mut self, answer: Answer, out: &mut Vec<OutboundOut>) {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Greeting(client) => match answer.body {
                Response::ApiVersions(told) if told.error_code == 0 => {
                    self.state = State::Open(Open { client, versions: told.api_keys, sent: VecDeque::new() });
                    self.send(out);
                }
                _ => self.hang_up(out),
            },
            State::Open(mut open) => {
                let (id, _) = open.sent.pop_front().expect("the client knows of no other answers");
                self.state = State::Open(open);
                out.push(OutboundOut::Ended(id, Ok(answer.body)));
            }
            state @ (State::Idle | State::Connecting) => self.state = state,
        }
    }

    /// Sends what waits. A call that the other side has no version of is lost at once.
    fn send(&mut self, out: &mut Vec<OutboundOut>) {
        let State::Open(open) = &mut self.state else { return };
        let mut bytes = Vec::new();
        for call in self.queue.drain(..) {
            let spoken = common_version(call.body.api_key(), &open.versions);
            let request = spoken.and_then(|version| open.client.request(&call.body, version).ok());
            match request {
                Some((_, some)) => {
                    bytes.extend(some);
                    open.sent.push_back((call.id, call.until));
                }
                None => out.push(OutboundOut::Ended(call.id, Err(Lost::NotSent))),
            }
        }
        if !bytes.is_empty() {
            out.push(OutboundOut::Write(bytes));
        }
    }

    /// The socket is gone, or never came to be.
    pub fn dropped(&mut self, out: &mut Vec<OutboundOut>) {
        if let State::Open(open) = core::mem::replace(&mut self.state, State::Idle) {
            out.extend(open.sent.into_iter().map(|(id, _)| OutboundOut::Ended(id, Err(Lost::Unknown))));
        }
        out.extend(self.queue.drain(..).map(|call| OutboundOut::Ended(call.id, Err(Lost::NotSent))));
    }

    fn hang_up(&mut self, out: &mut Vec<OutboundOut>) {
        out.push(OutboundOut::Close);
        self.dropped(out);
    }

    /// When to call [`Outbound::wake`].
    pub fn deadline(&self) -> Option<Mono> {
        let sent = match &self.state {
            State::Open(open) => open.sent.iter().map(|(_, until)| *until).min(),
            State::Idle | State::Connecting | State::Greeting(_) => None,
        };
        self.queue.iter().map(|call| call.until).chain(sent).min()
    }

    /// Time has passed. If somebody has waited too long the connection is given up.
    pub fn wake(&mut self, now: Mono, out: &mut Vec<OutboundOut>) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.hang_up(out);
        }
    }

    /// True while there is neither a socket nor a call.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

/// The highest version of an API that both sides speak.
fn common_version(api: ApiKey, theirs: &[ApiVersion]) -> Option<i16> {
    let theirs = theirs.iter().find(|one| one.api_key == api.code())?;
    let version = theirs.max_version.min(api.facts().last);
    (theirs.min_version <= version && api.speaks(version)).then_some(version)
}

/// The version of the greeting: every broker answers the first.
const GREETING_VERSION: i16 = 0;

#[cfg(test)]
#[path = "outbound_test.rs"]
mod outbound_test;
