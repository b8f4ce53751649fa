//! The connections that a process makes itself: one for each line of its node, opened when there is something to ask. The
//! sockets are links of the world; what goes over them is decided by [`Outbound`].

use crate::net::{LinkId, joined};
use bytes::Bytes;
use ottla_core::boundary::{Line, Lost};
use ottla_core::conn::{Outbound, OutboundOut};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::types::{CallId, Mono, Str};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What the connections ask of the process.
#[derive(Debug)]
pub enum CallsOut {
    /// To be connected to this host and port; then [`Calls::reached_out`].
    Connect(u64, (Str, u16)),
    /// Bytes for the other side.
    Send(LinkId, Bytes),
    /// The connection is closed from this side.
    Close(LinkId),
    /// A call ended.
    Ended(CallId, Result<Response, Lost>),
    /// Something was reached.
    Mark(&'static str),
    /// What must not be.
    Finding(String),
}

/// All of them.
pub struct Calls {
    client_id: Str,
    wires: BTreeMap<Arc<Line>, Wire>,
    /// Attempts of which nobody knows yet which link they are.
    attempts: BTreeMap<u64, Arc<Line>>,
    attempt_next: u64,
    links: BTreeMap<LinkId, Arc<Line>>,
    /// Calls without an answer: when each counts as lost, and what it asks.
    open: BTreeMap<CallId, (Mono, ApiKey)>,
    /// Every call of this process.
    asked: BTreeSet<CallId>,
    /// When the first of them wants to be woken.
    due: Option<Mono>,
}

/// A line and its socket.
struct Wire {
    outbound: Outbound,
    socket: Socket,
}

#[derive(Clone, Copy)]
enum Socket {
    None,
    Asked(u64),
    Linked(LinkId),
}

impl Calls {
    /// A process that has asked nobody yet.
    pub fn new(client_id: Str) -> Self {
        Self {
            client_id,
            wires: BTreeMap::new(),
            attempts: BTreeMap::new(),
            attempt_next: 0,
            links: BTreeMap::new(),
            open: BTreeMap::new(),
            asked: BTreeSet::new(),
            due: None,
        }
    }

    /// The node asks another one.
    pub fn call(&mut self, now: Mono, id: CallId, line: Arc<Line>, ask: (Request, Duration), out: &mut Vec<CallsOut>) {
        if !self.asked.insert(id) {
            return out.push(CallsOut::Finding(format!("{id:?} was asked twice")));
        }
        let (body, wait) = ask;
        self.open.insert(id, (now + wait, body.api_key()));
        let client_id = self.client_id.clone();
        let fresh = || Wire { outbound: Outbound::new(client_id, FRAME_BYTES_MAX), socket: Socket::None };
        let wire = self.wires.entry(line.clone()).or_insert_with(fresh);
        let mut said = Vec::new();
        wire.outbound.call(now, id, body, wait, &mut said);
        self.heed(&line, said, out);
    }

    /// This is the link of an attempt. False if nobody wants it any more.
    pub fn reached_out(&mut self, attempt: u64, link: LinkId) -> bool {
        let Some(line) = self.attempts.remove(&attempt) else { return false };
        self.wires.get_mut(&line).expect("a line with an attempt is known").socket = Socket::Linked(link);
        self.links.insert(link, line);
        true
    }

    /// The other side accepted.
    pub fn connected(&mut self, link: LinkId, out: &mut Vec<CallsOut>) {
        self.with(link, out, Outbound::connected);
    }

    /// Bytes came.
    pub fn received(&mut self, link: LinkId, bytes: Bytes, out: &mut Vec<CallsOut>) {
        self.with(link, out, |outbound, said| outbound.received(bytes, said));
    }

    /// The connection is gone, or was refused.
    pub fn dropped(&mut self, link: LinkId, out: &mut Vec<CallsOut>) {
        let Some(line) = self.links.remove(&link) else { return };
        let wire = self.wires.get_mut(&line).expect("a line with a link is known");
        wire.socket = Socket::None;
        let mut said = Vec::new();
        wire.outbound.dropped(&mut said);
        self.heed(&line, said, out);
    }

    /// Time has passed. What is then still without an answer although its time is over is a finding.
    pub fn woken(&mut self, now: Mono, out: &mut Vec<CallsOut>) {
        let is_due = |due: Option<Mono>| due.is_some_and(|at| at <= now);
        let wires = self.wires.iter().filter(|_| is_due(self.due));
        let due: Vec<Arc<Line>> =
            wires.filter(|(_, wire)| is_due(wire.outbound.deadline())).map(|(line, _)| line.clone()).collect();
        for line in due {
            let mut said = Vec::new();
            self.wires.get_mut(&line).expect("it was just found").outbound.wake(now, &mut said);
            self.heed(&line, said, out);
        }
        if let Some((id, (until, _))) = self.open.iter().find(|(_, (until, _))| *until <= now) {
            out.push(CallsOut::Finding(format!("{id:?} should have ended at {until:?}, it is {now:?}")));
        }
    }

    /// When to call [`Calls::woken`].
    pub fn deadline(&self) -> Option<Mono> {
        self.due
    }

    /// How many calls wait for their answer.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn with(&mut self, link: LinkId, out: &mut Vec<CallsOut>, act: impl FnOnce(&mut Outbound, &mut Vec<OutboundOut>)) {
        let Some(line) = self.links.get(&link).cloned() else { return };
        let mut said = Vec::new();
        act(&mut self.wires.get_mut(&line).expect("a line with a link is known").outbound, &mut said);
        self.heed(&line, said, out);
    }

    fn heed(&mut self, line: &Arc<Line>, said: Vec<OutboundOut>, out: &mut Vec<CallsOut>) {
        let wire = self.wires.get_mut(line).expect("a line that speaks is known");
        for said in said {
            match said {
                OutboundOut::Connect => {
                    let attempt = self.attempt_next;
                    self.attempt_next += 1;
                    self.attempts.insert(attempt, line.clone());
                    wire.socket = Socket::Asked(attempt);
                    out.push(CallsOut::Connect(attempt, (line.host.clone(), line.port)));
                }
                OutboundOut::Write(chunks) => {
                    let Socket::Linked(link) = wire.socket else { panic!("a line writes once it is connected") };
                    out.push(CallsOut::Send(link, joined(chunks)));
                }
                OutboundOut::Close => match std::mem::replace(&mut wire.socket, Socket::None) {
                    Socket::None => {}
                    Socket::Asked(attempt) => drop(self.attempts.remove(&attempt)),
                    Socket::Linked(link) => {
                        self.links.remove(&link);
                        out.push(CallsOut::Close(link));
                    }
                },
                OutboundOut::Ended(call, body) => {
                    match (self.open.remove(&call), &body) {
                        (None, _) => out.push(CallsOut::Finding(format!("{call:?} ended twice"))),
                        (Some((_, ApiKey::AlterPartition)), Err(_)) => out.push(CallsOut::Mark("proposals lost")),
                        (Some((_, ApiKey::AlterPartition)), Ok(_)) => out.push(CallsOut::Mark("proposals answered")),
                        (Some(_), _) => {}
                    }
                    out.push(CallsOut::Ended(call, body));
                }
            }
        }
        if wire.outbound.is_idle() {
            self.wires.remove(line);
        }
        self.due = self.wires.values().filter_map(|wire| wire.outbound.deadline()).min();
    }
}

/// The longest answer that is taken.
const FRAME_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
#[path = "calls_test.rs"]
mod calls_test;
