//! The brain: owns the node and the store, and is the only one who steps them. Everything else brings it inputs and
//! carries out what it says. It runs on one thread with all connections, in turns: whatever has come in is stepped, then
//! the store has its turn, then every connection that has something to say writes once.

use crate::clock::Clock;
use crate::engine::{Engine, Out};
use crate::intake::{Intake, Waiting, is_request};
use crate::jobs::Jobs;
use crate::mail::{Mail, Mailbox};
use crate::net::{End, Lines, Link};
use crate::seam::{Sleep, sleep};
use crate::telemetry::Telemetry;
use bytes::{Bytes, BytesMut};
use ottla_core::boundary::{Fault, Input};
use ottla_core::conn::{Conn, ConnOut};
use ottla_core::msg::Response;
use ottla_core::types::{ConnId, Mono, Now, Str, Ticket};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tracing::info;

/// The one owner of node and store.
pub struct Brain {
    clock: Clock,
    engine: RefCell<Engine>,
    links: RefCell<HashMap<ConnId, Rc<Link>>>,
    inputs: RefCell<VecDeque<Input>>,
    intake: Intake,
    /// The chunk that reads are cut from.
    buffer: RefCell<BytesMut>,
    /// Our own connections to other brokers.
    lines: Rc<Lines>,
    jobs: Jobs,
    mailbox: Mailbox,
    telemetry: Telemetry,
    waker: RefCell<Option<Waker>>,
    /// Requests and answers that all machines hold, in bytes.
    held_bytes: Cell<usize>,
    held_bytes_max: usize,
    /// The process is to end, and hands over what it leads before.
    leaving: Cell<bool>,
    /// When an orderly stop is cut short.
    stopping: Cell<Option<Mono>>,
}

/// What a brain works with.
pub struct Body {
    /// Our own connections to other brokers.
    pub lines: Rc<Lines>,
    /// Threads for long functions.
    pub jobs: Jobs,
    /// What threads bring.
    pub mailbox: Mailbox,
    /// The metrics.
    pub telemetry: Telemetry,
    /// How many requests may wait to be taken up before nothing more is read.
    pub requests_queued_max: usize,
    /// What all connections together may hold in memory, in bytes; beyond it, whoever holds more than a fair share and
    /// sends on is closed.
    pub held_bytes_max: usize,
}

/// How the brain's life ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was told to, and everything is on disk.
    Stopped,
    /// Nothing right could be done any more.
    Halted(Fault),
}

/// The brain's one timer, and when it rings.
struct Alarm {
    timer: Pin<Box<Sleep>>,
    at: Mono,
}

impl Brain {
    /// A brain around a booted engine.
    pub fn new(clock: Clock, engine: Engine, body: Body) -> Rc<Self> {
        let Body { lines, jobs, mailbox, telemetry, requests_queued_max, held_bytes_max } = body;
        Rc::new(Self {
            clock,
            engine: RefCell::new(engine),
            links: RefCell::default(),
            inputs: RefCell::default(),
            intake: Intake::new(requests_queued_max),
            buffer: RefCell::default(),
            lines,
            jobs,
            mailbox,
            telemetry,
            waker: RefCell::default(),
            held_bytes: Cell::new(0),
            held_bytes_max,
            leaving: Cell::new(false),
            stopping: Cell::new(None),
        })
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The metrics.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Where reads are put.
    pub fn read_buffer(&self) -> RefMut<'_, BytesMut> {
        self.buffer.borrow_mut()
    }

    /// A connection was accepted.
    pub fn connected(&self, link: Rc<Link>) {
        self.telemetry.connected();
        self.links.borrow_mut().insert(link.id, link);
    }

    /// May this connection be read from? If not, it is woken when it may.
    pub fn may_read(&self, link: &Link) -> bool {
        if !link.is_ours && self.intake.is_full(link.proving.get()) && !link.is_muted.replace(true) {
            self.telemetry.muted();
            self.intake.mute(link.id);
        }
        !link.is_muted.get()
    }

    /// A read brought bytes.
    pub fn received(&self, link: &Link, bytes: Bytes) {
        self.telemetry.received(bytes.len());
        let now = self.now();
        self.with_machine(now, link, |machine, outs| machine.received(now, bytes, outs));
        self.weigh(link);
    }

    /// Closes whoever holds more than a fair share of what all hold too much of.
    fn weigh(&self, link: &Link) {
        if self.held_bytes.get() > self.held_bytes_max && link.held_bytes.get() > HELD_BYTES_FAIR {
            link.close(End::Overload);
            link.wake();
        }
    }

    /// The peer took bytes.
    pub fn sent(&self, link: &Link, bytes: usize) {
        self.telemetry.sent(bytes);
        let now = self.now();
        self.with_machine(now, link, |machine, outs| machine.sent(now, bytes, outs));
    }

    /// A connection is gone.
    pub fn closed(&self, link: &Link, end: &End) {
        self.links.borrow_mut().remove(&link.id);
        self.held_bytes.set(self.held_bytes.get() - link.held_bytes.take());
        self.telemetry.disconnected(&link.peer, end);
        self.input(Input::Closed { conn: link.id });
    }

    /// True once the process is to end: no more requests are read.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get().is_some()
    }

    /// Lives until the process is told to stop, or has to. `on_ready` is called once clients may come.
    pub async fn run(&self, on_ready: impl FnOnce()) -> Outcome {
        let mut alarm = Alarm { timer: Box::pin(sleep(Duration::ZERO)), at: Mono(0) };
        let mut sweep_at = Mono(0);
        let mut on_ready = Some(on_ready);
        poll_fn(|cx| {
            let polled = self.poll(cx, &mut alarm, &mut sweep_at);
            if on_ready.is_some() && self.engine.borrow().is_ready() {
                on_ready.take().into_iter().for_each(|on_ready| on_ready());
            }
            polled
        })
        .await
    }

    fn poll(&self, cx: &mut Context<'_>, alarm: &mut Alarm, sweep_at: &mut Mono) -> Poll<Outcome> {
        for turn in 1..=TURNS_MAX {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            let now = self.now();
            if let Some(outcome) = self.turn(now, cx.waker()) {
                self.engine.borrow_mut().land();
                return Poll::Ready(outcome);
            }
            if *sweep_at <= now.mono {
                self.sweep(now);
                *sweep_at = now.mono + SWEEP_EVERY;
            }
            if !self.inputs.borrow().is_empty() || self.lines.has_ended() {
                continue;
            }
            let deadlines = [self.engine.borrow().deadline(), self.lines.deadline(), self.stopping.get()];
            let deadline = deadlines.into_iter().flatten().fold(*sweep_at, Mono::min);
            // A timer that is due already rings up to a millisecond later: time for the sockets, but not after every turn.
            if deadline <= now.mono && turn < TURNS_MAX {
                continue;
            }
            // Setting a timer costs more than a turn: it is set when it has to ring earlier, or has rung.
            if deadline < alarm.at || alarm.at <= now.mono {
                alarm.timer.as_mut().reset(self.clock.instant(deadline));
                alarm.at = deadline;
            }
            if alarm.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // Sockets have their turn before the brain goes on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One turn: mail, inputs, store.
    fn turn(&self, now: Now, waker: &Waker) -> Option<Outcome> {
        self.lines.wake(now.mono);
        self.lines.take(&mut *self.inputs.borrow_mut(), waker);
        let mut mail = Vec::new();
        self.mailbox.take(&mut mail, waker);
        let mut outs = Vec::new();
        mail.into_iter().for_each(|one| self.open_mail(now, one, &mut outs));
        let steps = {
            let mut engine = self.engine.borrow_mut();
            engine.connections_hold(self.held_bytes.get());
            let mut inputs = self.inputs.borrow_mut();
            let count = inputs.len().min(STEPS_MAX);
            for input in inputs.drain(..count) {
                if is_request(&input) {
                    self.intake.ended(Waiting::Request);
                }
                engine.step(now, input, &mut outs);
            }
            engine.turn(now, &mut outs);
            count
        };
        if self.leaving.get() && self.engine.borrow().is_released() {
            self.stop(now, &mut outs);
        }
        self.telemetry.stepped(steps as u64);
        let mut outcome = None;
        for out in outs {
            outcome = outcome.or(self.carry_out(now, out));
        }
        self.engine.borrow_mut().look_at_disk(now);
        self.unmute();
        outcome.or_else(|| self.stop_if_done(now))
    }

    /// Reads on where it was stopped for want of room.
    fn unmute(&self) {
        let links = self.links.borrow();
        for conn in self.intake.unmuted(|conn| links.get(&conn)?.proving.get()) {
            if let Some(link) = links.get(&conn) {
                link.is_muted.set(false);
                link.wake();
            }
        }
    }

    fn open_mail(&self, now: Now, mail: Mail, outs: &mut Vec<Out>) {
        match mail {
            Mail::File(file_op, outcome) => self.engine.borrow_mut().file_done(now, file_op, outcome, outs),
            Mail::Job(op, done) => self.engine.borrow_mut().job_done(now, op, done, outs),
            Mail::Proved(done) => {
                self.intake.ended(Waiting::Proof);
                let link = self.links.borrow().get(&done.conn).cloned();
                if let Some(link) = link {
                    link.proving.set(link.proving.get().map(|proving| proving - 1));
                    self.with_machine(now, &link, |machine, outs| machine.proved(done, outs));
                }
            }
            Mail::Ask(ask) => {
                // Whoever asked may have given up.
                let _ = ask.send(self.engine.borrow().facts());
            }
            Mail::Count(ask) => {
                let _ = ask.send(self.engine.borrow().counted());
            }
            Mail::Stop => self.leave(now, outs),
        }
    }

    fn carry_out(&self, now: Now, out: Out) -> Option<Outcome> {
        match out {
            Out::Input(input) => self.inputs.borrow_mut().push_back(input),
            Out::Reply { ticket, body } => self.reply(now, ticket, body),
            Out::Send { ticket, body } => {
                let link = self.links.borrow().get(&ticket.conn).cloned();
                if let Some(link) = link {
                    self.with_machine(now, &link, |machine, outs| machine.send(now, ticket, &body, outs));
                    self.weigh(&link);
                }
            }
            Out::Job { op, job } => self.jobs.run(op, job),
            Out::Call { call, line, body, wait } => self.lines.call(now.mono, &line, (call, body), wait),
            Out::Hangup(conn) => {
                if let Some(link) = self.links.borrow().get(&conn) {
                    link.close(End::Hangup);
                    link.wake();
                }
            }
            Out::Note(note) => {
                let engine = self.engine.borrow();
                self.telemetry.note(&note, &|log| engine.name_of(log));
            }
            Out::Halt(fault) => return Some(Outcome::Halted(fault)),
        }
        None
    }

    fn reply(&self, now: Now, ticket: Ticket, body: Option<Response>) {
        let link = self.links.borrow().get(&ticket.conn).cloned();
        // The connection may have closed while its answer was made.
        if let Some(link) = link {
            self.with_machine(now, &link, |machine, outs| machine.reply(now, ticket, body, outs));
            self.weigh(&link);
        }
    }

    /// Ends what is idle.
    fn sweep(&self, now: Now) {
        let links: Vec<Rc<Link>> = {
            let links = self.links.borrow();
            let is_due = |link: &&Rc<Link>| link.machine.borrow().deadline().is_some_and(|due| due <= now.mono);
            links.values().filter(is_due).cloned().collect()
        };
        for link in links {
            self.with_machine(now, &link, |machine, outs| machine.wake(now, outs));
        }
        self.telemetry.held(self.held_bytes.get(), self.intake.waiting());
        let is_troubled = |host: &Str, port| self.lines.is_troubled(host, port);
        let sight = self.engine.borrow().sight(is_troubled);
        self.telemetry.look(now.mono, sight);
    }

    /// The process is to end. Clients are served on until others have taken over what is led here.
    fn leave(&self, now: Now, outs: &mut Vec<Out>) {
        if !self.leaving.replace(true) {
            info!("stopping");
            self.engine.borrow_mut().step(now, Input::Stop, outs);
        }
    }

    fn stop(&self, now: Now, outs: &mut Vec<Out>) {
        if self.stopping.get().is_none() {
            self.stopping.set(Some(now.mono + STOP_MAX));
            self.lines.close();
            self.engine.borrow_mut().shut(now, outs);
        }
    }

    fn stop_if_done(&self, now: Now) -> Option<Outcome> {
        let end = self.stopping.get()?;
        // Once nothing waits for the disk every acknowledgement has been made; whoever takes bytes still gets them.
        let is_made = self.inputs.borrow().is_empty() && !self.lines.has_ended() && self.engine.borrow().is_quiet();
        if is_made && self.links.borrow().values().any(|link| link.machine.borrow().has_unsent()) {
            self.stopping.set(Some(end.min(now.mono + SENDING_MAX)));
            return None;
        }
        (is_made || now.mono >= end).then_some(Outcome::Stopped)
    }

    fn input(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Lets a machine act, and carries out what it says.
    fn with_machine(&self, now: Now, link: &Link, act: impl FnOnce(&mut Conn, &mut Vec<ConnOut>)) {
        let mut outs = Vec::new();
        let held = {
            let mut machine = link.machine.borrow_mut();
            act(&mut machine, &mut outs);
            machine.held_bytes()
        };
        self.held_bytes.set(self.held_bytes.get() + held - link.held_bytes.replace(held));
        let mut is_told = false;
        for out in outs {
            match out {
                ConnOut::Input(input) => {
                    if is_request(&input) {
                        self.intake.began(Waiting::Request);
                    }
                    self.input(input);
                }
                ConnOut::Prove(job) => {
                    self.intake.began(Waiting::Proof);
                    link.proving.set(Some(link.proving.get().unwrap_or(0) + 1));
                    self.jobs.prove(job);
                }
                ConnOut::Answered { api, asked } => self.telemetry.answered(api, now.mono.since(asked)),
                ConnOut::Write(chunks) => {
                    link.write(chunks);
                    is_told = true;
                }
                ConnOut::PauseReading => link.is_paused.set(true),
                ConnOut::ResumeReading => {
                    link.is_paused.set(false);
                    is_told = true;
                }
                ConnOut::Close(reason) => {
                    link.close(End::Closed(reason));
                    is_told = true;
                }
            }
        }
        if is_told {
            link.wake();
        }
    }
}

/// Inputs stepped before the sockets have their turn.
const STEPS_MAX: usize = 256;
/// Turns in a row before the sockets have theirs.
const TURNS_MAX: usize = 8;
/// How often idle connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long an orderly stop may take before it is cut short; what is acknowledged is on disk either way.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long a connection may take for its last answers then.
const SENDING_MAX: Duration = Duration::from_millis(500);
/// What a connection may hold however much the others do.
const HELD_BYTES_FAIR: usize = 1024 * 1024;
