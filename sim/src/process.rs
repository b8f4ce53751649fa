//! One running broker process: the node, its store and its connections, carried from one to the other exactly as the
//! production driver does it, with nothing in between.

use crate::calls::{Calls, CallsOut};
use crate::flight::Recorder;
use crate::machine::Caller;
use crate::net::{LinkId, Plug, joined};
use crate::run::functions;
use bytes::Bytes;
use ottla_core::boundary::{Action, Asker, Effect, Effects, FileDone, FileFault, FileOp, Input, Job, MoveStage, Note};
use ottla_core::config::Config;
use ottla_core::conn::{Conn, ConnLimits, ConnOut, ProveJob, Reason, splice};
use ottla_core::msg::Request;
use ottla_core::msg::fetch::FetchResponse;
use ottla_core::node::Node;
use ottla_core::record::Functions;
use ottla_core::store::{StoreOut, Stores};
use ottla_core::types::{ConnId, FileOpId, ListenerType, LogId, Mono, Now, OpId, Rng, Str, Ticket, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Work that takes its time, away from the process's thread.
pub enum Errand {
    /// For the node.
    Job(OpId, Job),
    /// For a connection.
    Prove(ProveJob),
}

/// What a process asks of the world.
pub enum ProcessOut {
    /// To be done by the disk.
    File(FileOpId, FileOp),
    /// To be done by another thread; the number comes back with it.
    Errand(u64),
    /// An attempt to connect to a host and a port; then [`Process::reached_out`].
    Connect(u64, (Str, u16)),
    /// Bytes from this end.
    Send(Plug, Bytes),
    /// The connection is closed from this end.
    Close(Plug, Option<Reason>),
    /// A fact.
    Note(Note),
    /// Something was reached.
    Mark(&'static str),
    /// The process stops, since nothing right can be done any more.
    Halt(String),
    /// What must not be.
    Finding(&'static str, String),
}

/// Whether the process is to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Not,
    /// It hands over what it leads before.
    Leaving,
    /// It serves nobody any more.
    Stopping,
}

struct Socket {
    link: LinkId,
    conn: Conn,
    paused: bool,
    held: VecDeque<Bytes>,
}

/// The running process.
pub struct Process {
    /// The node.
    pub node: Node,
    /// The store.
    pub store: Stores,
    functions: Functions,
    limits: ConnLimits,
    segment_bytes: u32,
    /// The port of each listener, and whom it is for.
    listeners: Vec<(u16, ListenerType)>,
    calls: Calls,
    sockets: BTreeMap<ConnId, Socket>,
    links: BTreeMap<LinkId, ConnId>,
    conn_next: u64,
    errands: BTreeMap<u64, Errand>,
    errand_next: u64,
    /// Fetch answers whose records are being read.
    serving: BTreeMap<Ticket, (FetchResponse, Vec<ottla_core::boundary::Slot>)>,
    /// What the node owes an answer.
    tickets: BTreeSet<Ticket>,
    /// What the node has begun.
    ops: BTreeSet<OpId>,
    inputs: VecDeque<Input>,
    ending: Ending,
    pace: Pace,
    /// Writes down what the node is given, if somebody wants that.
    pub recorder: Option<Recorder>,
    scratch: Vec<u8>,
}

#[derive(Default)]
struct Pace {
    /// How often in a row a waking left a deadline in the past.
    spins: u32,
    /// How many turns there were.
    turns: u64,
    /// When the node wants to be woken, as of its last step.
    node_due: Option<Mono>,
    /// No connection wants to be woken before then: that is when the first one did as it came, and each is patient from its last
    /// sign of life on.
    conns_due: Option<Mono>,
    /// Data directories that were given up.
    lost: BTreeSet<usize>,
    /// Where logs are going that move, as the store said last.
    going: BTreeMap<LogId, usize>,
}

impl Process {
    /// A process whose node has just been booted, with what that left to do.
    pub fn new(node: Node, store: Stores, segment_bytes: u32, config: &Config) -> Self {
        let listeners = config.broker.listeners.iter();
        let pace = Pace { node_due: node.deadline(), ..Pace::default() };
        Self {
            node,
            store,
            functions: functions(),
            limits: ConnLimits::default(),
            segment_bytes,
            listeners: listeners.map(|listener| (listener.bind.port, listener.listener_type)).collect(),
            calls: Calls::new(Str::from(format!("node-{}", config.broker.id.0))),
            sockets: BTreeMap::new(),
            links: BTreeMap::new(),
            conn_next: 0,
            errands: BTreeMap::new(),
            errand_next: 0,
            serving: BTreeMap::new(),
            tickets: BTreeSet::new(),
            ops: BTreeSet::new(),
            inputs: VecDeque::new(),
            ending: Ending::Not,
            pace,
            recorder: None,
            scratch: Vec::new(),
        }
    }

    /// The effects of the node's boot.
    pub fn booted(&mut self, now: Now, effects: Effects, out: &mut Vec<ProcessOut>) {
        self.carry(now, effects, out);
        self.turn(now, out);
    }

    /// Whether somebody listens at this port.
    pub fn listens(&self, port: u16) -> bool {
        self.listeners.iter().any(|(bound, _)| *bound == port)
    }

    /// Somebody connected.
    pub fn accepted(&mut self, now: Now, link: LinkId, caller: Caller, out: &mut Vec<ProcessOut>) {
        if self.ending == Ending::Stopping {
            return out.push(ProcessOut::Close(Plug::accepter(link), None));
        }
        let listener = self.listeners.iter().position(|(port, _)| *port == caller.port);
        let listener = listener.expect("who came in did so at a port that is listened at");
        let id = ConnId(self.conn_next);
        self.conn_next += 1;
        let asker = Asker {
            conn: id,
            client_id: Str::new(),
            host: caller.host,
            listener,
            listener_type: self.listeners[listener].1,
        };
        let conn = Conn::new(asker, self.limits, self.functions, now);
        self.pace.conns_due = self.pace.conns_due.or(conn.deadline());
        self.sockets.insert(id, Socket { link, conn, paused: false, held: VecDeque::new() });
        self.links.insert(link, id);
    }

    /// This is the link of an attempt. False if nobody wants it any more.
    pub fn reached_out(&mut self, attempt: u64, link: LinkId) -> bool {
        self.calls.reached_out(attempt, link)
    }

    /// A connection that was reached out for was accepted.
    pub fn connected(&mut self, now: Now, link: LinkId, out: &mut Vec<ProcessOut>) {
        self.with_calls(out, |calls, said| calls.connected(link, said));
        self.turn(now, out);
    }

    /// Bytes came over a connection of our own.
    pub fn answered(&mut self, now: Now, link: LinkId, bytes: Bytes, out: &mut Vec<ProcessOut>) {
        self.with_calls(out, |calls, said| calls.received(link, bytes, said));
        self.turn(now, out);
    }

    /// A connection of our own is gone, or was refused.
    pub fn cut_off(&mut self, now: Now, link: LinkId, out: &mut Vec<ProcessOut>) {
        self.with_calls(out, |calls, said| calls.dropped(link, said));
        self.turn(now, out);
    }

    /// Bytes came from a peer.
    pub fn received(&mut self, now: Now, link: LinkId, bytes: Bytes, out: &mut Vec<ProcessOut>) {
        let Some(socket) = self.links.get(&link).and_then(|id| self.sockets.get_mut(id)) else { return };
        socket.held.push_back(bytes);
        let id = socket.conn.id();
        self.read(now, id, out);
        self.turn(now, out);
    }

    /// A peer took so many bytes.
    pub fn taken(&mut self, now: Now, link: LinkId, bytes: usize, out: &mut Vec<ProcessOut>) {
        let Some(socket) = self.links.get(&link).and_then(|id| self.sockets.get_mut(id)) else { return };
        let id = socket.conn.id();
        let mut said = Vec::new();
        socket.conn.sent(now, bytes, &mut said);
        self.heed(id, said, out);
        self.read(now, id, out);
        self.turn(now, out);
    }

    /// A connection is gone.
    pub fn dropped(&mut self, now: Now, link: LinkId, out: &mut Vec<ProcessOut>) {
        if let Some(id) = self.links.get(&link).copied() {
            self.forget(id);
            self.turn(now, out);
        }
    }

    /// A file operation ended.
    pub fn file_done(
        &mut self,
        now: Now,
        id: FileOpId,
        outcome: Result<FileDone, FileFault>,
        out: &mut Vec<ProcessOut>,
    ) {
        let mut said = Vec::new();
        self.store.file_done(now, id, outcome, &mut said);
        self.store_said(now, said, out);
        self.turn(now, out);
    }

    /// An errand was run.
    pub fn errand_done(&mut self, now: Now, number: u64, out: &mut Vec<ProcessOut>) {
        match self.errands.remove(&number).expect("an errand ends once") {
            Errand::Job(op, job) => {
                let done = ottla_core::boundary::Done::Job(job.run(&self.functions));
                self.finish(op, Ok(done), out);
            }
            Errand::Prove(job) => {
                let id = job.conn();
                let done = job.run(&self.functions, &mut self.scratch);
                if let Some(socket) = self.sockets.get_mut(&id) {
                    let mut said = Vec::new();
                    socket.conn.proved(done, &mut said);
                    self.heed(id, said, out);
                }
            }
        }
        self.turn(now, out);
    }

    /// Time has passed.
    pub fn woken(&mut self, now: Now, out: &mut Vec<ProcessOut>) {
        if self.pace.node_due.is_some_and(|at| at <= now.mono) {
            self.inputs.push_back(Input::Wake);
        }
        let may_be_due = self.pace.conns_due.is_some_and(|at| at <= now.mono);
        let due = |socket: &&mut Socket| may_be_due && socket.conn.deadline().is_some_and(|at| at <= now.mono);
        let mut said = Vec::new();
        for socket in self.sockets.values_mut().filter(due) {
            let mut one = Vec::new();
            socket.conn.wake(now, &mut one);
            said.push((socket.conn.id(), one));
        }
        said.into_iter().for_each(|(id, said)| self.heed(id, said, out));
        self.with_calls(out, |calls, said| calls.woken(now.mono, said));
        self.turn(now, out);
        self.judge_rest(now, out);
    }

    /// A deadline that stays in the past although it was heeded makes a real process spin.
    fn judge_rest(&mut self, now: Now, out: &mut Vec<ProcessOut>) {
        let is_due = |deadline: Option<Mono>| deadline.is_some_and(|at| at <= now.mono);
        if !is_due(self.deadline()) {
            self.pace.spins = 0;
            return;
        }
        let conns = self.sockets.values().filter_map(|socket| socket.conn.deadline()).min();
        let waiting = [
            ("node", self.pace.node_due),
            ("store", self.store.deadline()),
            ("connection", conns),
            ("line", self.calls.deadline()),
        ];
        let Some((who, deadline)) = waiting.into_iter().find(|(_, deadline)| is_due(*deadline)) else { return };
        self.pace.spins += 1;
        if self.pace.spins == SPINS_MAX {
            let text = format!("the {who} wants to be woken at {deadline:?} for ever, it is {now:?}");
            out.push(ProcessOut::Finding("spinning", text));
        }
    }

    /// When to wake it.
    pub fn deadline(&self) -> Option<Mono> {
        let others = [self.pace.node_due, self.store.deadline(), self.calls.deadline()].into_iter().flatten().min();
        if others <= self.pace.conns_due && others.is_some() || self.pace.conns_due.is_none() {
            return others;
        }
        self.sockets.values().filter_map(|socket| socket.conn.deadline()).chain(others).min()
    }

    /// What is led here is handed over; then there are no more requests, what is owed is answered, and everything is put where it
    /// belongs.
    pub fn stop(&mut self, now: Now, out: &mut Vec<ProcessOut>) {
        self.ending = Ending::Leaving;
        self.inputs.push_back(Input::Stop);
        self.turn(now, out);
    }

    /// Closes all connections once nobody needs this process any more. True if that is now.
    fn release(&mut self, out: &mut Vec<ProcessOut>) -> bool {
        if self.ending != Ending::Leaving || !self.node.view().is_released() {
            return false;
        }
        self.ending = Ending::Stopping;
        let open: Vec<ConnId> = self.sockets.keys().copied().collect();
        for id in open {
            let link = self.sockets[&id].link;
            out.push(ProcessOut::Close(Plug::accepter(link), None));
            self.forget(id);
        }
        true
    }

    /// Whether a process that was asked to stop may exit.
    pub fn has_stopped(&self) -> bool {
        self.ending == Ending::Stopping && self.ops.is_empty() && self.store.is_quiet()
    }

    /// How many requests wait for an answer, others' and our own.
    pub fn owed(&self) -> usize {
        self.tickets.len() + self.calls.open()
    }

    /// Bytes that connections hold.
    pub fn held_bytes(&self) -> usize {
        self.sockets.values().map(|socket| socket.conn.held_bytes()).sum()
    }

    /// Until nobody has anything more to say at this moment.
    fn turn(&mut self, now: Now, out: &mut Vec<ProcessOut>) {
        loop {
            if !self.inputs.is_empty() {
                while let Some(input) = self.inputs.pop_front() {
                    self.step(now, input, out);
                }
                self.pace.node_due = self.node.deadline();
            }
            if self.release(out) {
                continue;
            }
            let mut said = Vec::new();
            match self.ending == Ending::Stopping && self.ops.is_empty() {
                true => self.store.shut(now, &mut said),
                false => self.store.turn(now, &mut said),
            }
            self.store_said(now, said, out);
            if self.inputs.is_empty() {
                return self.check();
            }
        }
    }

    /// The store looks at every segment, so it is asked now and then only.
    fn check(&mut self) {
        self.pace.turns += 1;
        if self.pace.turns.is_multiple_of(TURNS_PER_CHECK) {
            self.store.check();
        }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Vec<ProcessOut>) {
        match &input {
            Input::Produce { ticket, .. } | Input::Request { ticket, .. } => {
                let fresh = self.tickets.insert(*ticket);
                assert!(fresh, "{ticket:?} was used twice by the connection");
            }
            Input::Response { .. }
            | Input::Done { .. }
            | Input::Served { .. }
            | Input::Closed { .. }
            | Input::DirectoryLost { .. }
            | Input::Moved { .. }
            | Input::Stop
            | Input::Wake => {}
        }
        let mut effects = Effects::default();
        self.recorder.iter_mut().for_each(|recorder| recorder.steps(now, &input));
        self.node.step(now, input, &mut effects);
        self.recorder.iter_mut().for_each(|recorder| recorder.stepped(effects.effects.len(), &self.node));
        self.node.check();
        self.carry(now, effects, out);
    }

    fn carry(&mut self, now: Now, effects: Effects, out: &mut Vec<ProcessOut>) {
        out.extend(effects.notes.into_iter().map(ProcessOut::Note));
        for effect in effects.effects {
            match effect {
                Effect::Reply { ticket, body } => {
                    if self.settle(ticket, out) {
                        self.reply(now, ticket, body, out);
                    }
                }
                Effect::Send { ticket, body } => {
                    if self.settle(ticket, out) {
                        self.send(now, ticket, &body, out);
                    }
                }
                Effect::Serve { ticket, body, slots, bytes_max } => {
                    self.settle(ticket, out);
                    let mut said = Vec::new();
                    self.store.serve(ticket, slots.clone(), bytes_max, &mut said);
                    self.serving.insert(ticket, (body, slots));
                    self.store_said(now, said, out);
                }
                Effect::Call { call, line, body, wait } => {
                    if is_giving_up(&body) {
                        out.push(ProcessOut::Mark("replicas given up alone"));
                    }
                    self.with_calls(out, |calls, said| calls.call(now.mono, call, line, (body, wait), said));
                }
                Effect::Place { log, directory } => self.store.place(log, directory),
                Effect::Move { log, directory } => self.store.relocate(log, directory),
                Effect::Trust => self.store.trust(),
                Effect::MovesThrottled(rate) => self.store.throttle_moves(rate),
                Effect::Store { op, log, action } => {
                    self.begin(op, out);
                    self.store.submit(op, log, self.shrunk(action));
                }
                Effect::Read { op, log, query } => {
                    self.begin(op, out);
                    let mut said = Vec::new();
                    self.store.query(op, log, &query, &mut said);
                    self.store_said(now, said, out);
                }
                Effect::Job { op, job } => {
                    self.begin(op, out);
                    self.run_errand(Errand::Job(op, job), out);
                }
                Effect::Hangup { conn } => {
                    if let Some(socket) = self.sockets.get(&conn) {
                        out.push(ProcessOut::Close(Plug::accepter(socket.link), None));
                        self.forget(conn);
                    }
                }
                Effect::Halt { fault } => out.push(ProcessOut::Halt(format!("{fault:?}"))),
            }
        }
    }

    /// Lets the connections of our own do something, and does what they ask for.
    fn with_calls(&mut self, out: &mut Vec<ProcessOut>, act: impl FnOnce(&mut Calls, &mut Vec<CallsOut>)) {
        let mut said = Vec::new();
        act(&mut self.calls, &mut said);
        for said in said {
            match said {
                CallsOut::Connect(attempt, address) => out.push(ProcessOut::Connect(attempt, address)),
                CallsOut::Send(link, bytes) => out.push(ProcessOut::Send(Plug::opener(link), bytes)),
                CallsOut::Close(link) => out.push(ProcessOut::Close(Plug::opener(link), None)),
                CallsOut::Ended(call, body) => {
                    out.push(ProcessOut::Mark(if body.is_ok() { "calls answered" } else { "calls lost" }));
                    self.inputs.push_back(Input::Response { call, body });
                }
                CallsOut::Mark(mark) => out.push(ProcessOut::Mark(mark)),
                CallsOut::Finding(text) => out.push(ProcessOut::Finding("calls", text)),
            }
        }
    }

    /// The simulator's segments are tiny, whatever the topic says.
    fn shrunk(&self, mut action: Action) -> Action {
        match &mut action {
            Action::Create(spec) => spec.settings.segment_bytes = spec.settings.segment_bytes.min(self.segment_bytes),
            Action::Configure(settings) => settings.segment_bytes = settings.segment_bytes.min(self.segment_bytes),
            Action::Append { .. }
            | Action::Truncate { .. }
            | Action::Trim { .. }
            | Action::Retain { .. }
            | Action::Delete
            | Action::Vote { .. }
            | Action::Registration { .. }
            | Action::Move(_) => {}
        }
        action
    }

    fn store_said(&mut self, now: Now, said: Vec<StoreOut>, out: &mut Vec<ProcessOut>) {
        for said in said {
            match said {
                StoreOut::File { id, op } => out.push(ProcessOut::File(id, op)),
                StoreOut::Done { op, outcome } => self.finish(op, outcome, out),
                StoreOut::Served { ticket, slots } => {
                    let (mut body, wanted) = self.serving.remove(&ticket).expect("what is served was asked for");
                    let outcome = splice(&mut body, &wanted, slots);
                    self.inputs.push_back(Input::Served { ticket, outcome });
                    self.reply(now, ticket, Some(body.into()), out);
                }
                StoreOut::Note(note) => out.push(ProcessOut::Note(note)),
                StoreOut::Moved { log, directory, stage } => {
                    self.count_move((log, directory), stage, out);
                    self.inputs.push_back(Input::Moved { log, directory, stage });
                }
            }
        }
        for directory in 0..self.store.count() {
            if self.store.is_offline(directory) && self.pace.lost.insert(directory) {
                if directory > 0 {
                    out.push(ProcessOut::Mark("directories lost, of several"));
                }
                self.inputs.push_back(Input::DirectoryLost { directory });
            }
        }
    }

    fn count_move(&mut self, (log, directory): (LogId, usize), stage: MoveStage, out: &mut Vec<ProcessOut>) {
        match stage {
            MoveStage::Begun => drop(self.pace.going.insert(log, directory)),
            MoveStage::Ended if self.pace.going.remove(&log) == Some(directory) => {
                out.push(ProcessOut::Mark("moves between directories"));
            }
            MoveStage::Ended => out.push(ProcessOut::Mark("moves given up")),
        }
    }

    /// The logs that its store keeps.
    pub fn stored(&self) -> impl Iterator<Item = LogId> {
        self.store.logs()
    }

    /// So many logs are on their way to another directory.
    pub fn moving(&self) -> usize {
        self.pace.going.len()
    }

    /// An operator wants some logs in other directories.
    pub fn relocate(&mut self, now: Now, seed: u64, out: &mut Vec<ProcessOut>) {
        let mut rng = Rng::new(seed);
        // Some copies take long enough for something to happen meanwhile.
        self.store.throttle_moves(1 << rng.between(8, 24));
        let logs: Vec<LogId> =
            self.node.view().partitions().map(|(log, _)| log).filter(|log| *log != LogId::METADATA).collect();
        for _ in 0..rng.between(1, 4) {
            if logs.is_empty() || self.store.count() < 2 {
                return;
            }
            let log = logs[rng.below(logs.len() as u64) as usize];
            self.store.relocate(log, rng.below(self.store.count() as u64) as usize);
        }
        self.turn(now, out);
    }

    fn begin(&mut self, op: OpId, out: &mut Vec<ProcessOut>) {
        if !self.ops.insert(op) {
            out.push(ProcessOut::Finding("conservation", format!("{op:?} was begun twice")));
        }
    }

    fn finish(
        &mut self,
        op: OpId,
        outcome: Result<ottla_core::boundary::Done, ottla_core::boundary::DiskFault>,
        out: &mut Vec<ProcessOut>,
    ) {
        if !self.ops.remove(&op) {
            out.push(ProcessOut::Finding("conservation", format!("{op:?} ended twice")));
        }
        self.inputs.push_back(Input::Done { op, outcome });
    }

    /// A ticket ends; false if its connection had gone before.
    fn settle(&mut self, ticket: Ticket, out: &mut Vec<ProcessOut>) -> bool {
        let owed = self.tickets.remove(&ticket);
        let open = self.sockets.contains_key(&ticket.conn);
        if open && !owed {
            out.push(ProcessOut::Finding("conservation", format!("{ticket:?} was answered twice")));
        }
        open && owed
    }

    fn reply(&mut self, now: Now, ticket: Ticket, body: Option<ottla_core::msg::Response>, out: &mut Vec<ProcessOut>) {
        let Some(socket) = self.sockets.get_mut(&ticket.conn) else { return };
        let mut said = Vec::new();
        socket.conn.reply(now, ticket, body, &mut said);
        self.heed(ticket.conn, said, out);
        self.read(now, ticket.conn, out);
    }

    fn send(&mut self, now: Now, ticket: Ticket, body: &bytes::Bytes, out: &mut Vec<ProcessOut>) {
        let Some(socket) = self.sockets.get_mut(&ticket.conn) else { return };
        let mut said = Vec::new();
        socket.conn.send(now, ticket, body, &mut said);
        self.heed(ticket.conn, said, out);
        self.read(now, ticket.conn, out);
    }

    /// Whatever waits in the socket goes to the connection, as long as it wants more.
    fn read(&mut self, now: Now, id: ConnId, out: &mut Vec<ProcessOut>) {
        while let Some(socket) = self.sockets.get_mut(&id).filter(|socket| !socket.paused) {
            let Some(bytes) = socket.held.pop_front() else { return };
            let mut said = Vec::new();
            socket.conn.received(now, bytes, &mut said);
            self.heed(id, said, out);
        }
    }

    fn heed(&mut self, id: ConnId, said: Vec<ConnOut>, out: &mut Vec<ProcessOut>) {
        for said in said {
            let Some(socket) = self.sockets.get_mut(&id) else { return };
            match said {
                ConnOut::Input(input) => self.inputs.push_back(input),
                ConnOut::Prove(job) => self.run_errand(Errand::Prove(job), out),
                ConnOut::Write(chunks) => {
                    out.push(ProcessOut::Send(Plug::accepter(socket.link), joined(chunks)));
                }
                ConnOut::Answered { .. } => {}
                ConnOut::PauseReading => socket.paused = true,
                ConnOut::ResumeReading => socket.paused = false,
                ConnOut::Close(reason) => {
                    out.push(ProcessOut::Close(Plug::accepter(socket.link), Some(reason)));
                    self.forget(id);
                }
            }
        }
    }

    fn forget(&mut self, id: ConnId) {
        if let Some(socket) = self.sockets.remove(&id) {
            self.links.remove(&socket.link);
            self.tickets.retain(|ticket| ticket.conn != id);
            self.inputs.push_back(Input::Closed { conn: id });
        }
    }

    fn run_errand(&mut self, errand: Errand, out: &mut Vec<ProcessOut>) {
        let number = self.errand_next;
        self.errand_next += 1;
        self.errands.insert(number, errand);
        out.push(ProcessOut::Errand(number));
    }
}

/// Turns between two looks at the whole store.
const TURNS_PER_CHECK: u64 = 32;
/// Wakings in a row that may leave a deadline in the past.
const SPINS_MAX: u32 = 100;

/// Does a broker tell that a replica is of no use any more?
fn is_giving_up(body: &Request) -> bool {
    let Request::AssignReplicasToDirs(body) = body else { return false };
    body.directories.iter().any(|directory| directory.id == Uuid::LOST_DIRECTORY)
}
