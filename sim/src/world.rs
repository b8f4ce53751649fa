//! The world of one run: machines, clients, connections, and the heap of events that moves them, ordered by time and, at
//! one time, by the order in which they were foreseen.

use crate::agree::Agreement;
use crate::chain::{Chain, Chase};
use crate::client::{Peer, PeerOut};
use crate::clock::At;
use crate::machine::{Machine, MachineOut};
use crate::model::Model;
use crate::net::{LinkId, Net, Plug, Who};
use crate::page::Film;
use crate::plan::{Plan, Role};
use crate::report::Trace;
use bytes::Bytes;
use ottla_core::types::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hasher;
use std::time::Duration;

/// Something that is going to happen.
#[derive(Debug)]
pub enum Event {
    /// For a machine: its own business.
    Machine(usize, MachineEvent),
    /// A connection attempt arrives.
    Accept(LinkId),
    /// Whoever connected hears that it was accepted.
    Accepted(LinkId),
    /// Bytes arrive at an end.
    Bring(Plug, Bytes),
    /// Somebody hears that a connection is gone.
    Gone(Who, Plug),
    /// A client is woken.
    Client(usize),
    /// A strike comes, by its number in the plan.
    Strike(usize),
    /// A chain of strikes looks for a partition, until then.
    Seek(Chain, u64, At),
    /// A chain of strikes looks whether its next moment has come.
    Chase(usize),
    /// A disk that was full or slow is as it was.
    Relief(usize),
}

/// What happens to a machine, bound to one incarnation of its process where it belongs to one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MachineEvent {
    /// It is switched on.
    Start,
    /// A file operation is due.
    File(u64, crate::disks::Token),
    /// An errand is due.
    Errand(u64, u64),
    /// A deadline is due.
    Wake(u64),
    /// A process that stood still goes on.
    Resume(u64),
    /// The clock goes on.
    Thaw,
}

/// When an event is due, how manieth it was foreseen, and its place among the events to come.
type Due = (At, u64, usize);

/// The world.
pub struct World {
    /// What is true.
    pub model: Model,
    /// What is told.
    pub trace: Trace,
    /// What is kept for a page, if somebody wants one. It changes nothing.
    pub(crate) film: Option<Box<Film>>,
    /// The machines. The first one is the controller's, and a broker's as all others are.
    pub machines: Vec<Machine>,
    pub(crate) plan: Plan,
    pub(crate) now: At,
    pub(crate) rng: Rng,
    heap: BinaryHeap<Reverse<Due>>,
    /// What is going to happen, and which places of it are free.
    coming: Vec<Option<Event>>,
    free: Vec<usize>,
    seq: u64,
    pub(crate) net: Net,
    pub(crate) peers: Vec<Peer>,
    /// A relaxed broker lost its power, and what was left was looked at: the clients know of things that are no more.
    pub(crate) is_over: bool,
    pub(crate) agreement: Agreement,
    /// Chains of strikes that have begun.
    pub(crate) chases: Vec<Chase>,
    /// Events since the clock last passed a multiple of [`PACE_NS`].
    lately: u64,
}

/// The fact that a node or a store said something of itself.
const NOTE: u64 = 23;
/// A tenth of a second.
const PACE_NS: u64 = 100_000_000;
/// The most events in that time, for each machine.
const LATELY_MAX: u64 = 200_000;

impl World {
    /// The world as the plan has it; nothing has happened yet.
    pub fn new(plan: Plan, trace: Trace) -> Self {
        let mut rng = Rng::new(plan.seed);
        let (net, disk) = (rng.fork("network"), rng.fork("disk"));
        let mut machines = vec![Machine::new(0, &plan, disk, rng.fork("machine"))];
        let own = rng.fork("world");
        for number in 1..plan.options.machines {
            let (disk, machine) = (rng.fork("disk"), rng.fork("machine"));
            machines.push(Machine::new(number, &plan, disk, machine));
        }
        let told = trace.keeps_lines().then(Vec::new);
        let cluster = plan.options.cluster;
        let is_moved = plan.clients.iter().any(|client| matches!(client.role, Role::Mover(_)));
        let replicated = plan.options.replicas > 1 || is_moved;
        let model = Model { topics: plan.options.topics.clone(), told, cluster, replicated, ..Model::default() };
        let net = Net::new(plan.options.net.clone(), net);
        let mut world = Self {
            model,
            trace,
            film: None,
            machines,
            plan,
            now: At::START,
            rng: own,
            heap: BinaryHeap::new(),
            coming: Vec::new(),
            free: Vec::new(),
            seq: 0,
            net,
            peers: Vec::new(),
            is_over: false,
            agreement: Agreement::default(),
            chases: Vec::new(),
            lately: 0,
        };
        for number in 0..world.machines.len() {
            world.foresee(At::START, Event::Machine(number, MachineEvent::Start));
        }
        let strikes: Vec<(usize, At)> = world.plan.ops.iter().map(|(number, op)| (*number, op.at)).collect();
        strikes.into_iter().for_each(|(number, at)| world.foresee(at, Event::Strike(number)));
        world
    }

    /// World time.
    pub fn now(&self) -> At {
        self.now
    }

    /// Lets everything happen that is due before `until`, or until `enough` says so or something was found.
    pub fn run(&mut self, until: At, mut enough: impl FnMut(&Self) -> bool) {
        while self.model.findings.is_empty() && !self.is_over && !enough(self) {
            match self.heap.peek() {
                Some(Reverse((at, ..))) if *at <= until => {}
                Some(_) | None => {
                    self.now = self.now.max(until);
                    return;
                }
            }
            let Some(Reverse((at, _, place))) = self.heap.pop() else { return };
            let event = self.coming[place].take().expect("what is due is coming");
            self.free.push(place);
            self.pace(at);
            self.now = at;
            self.happen(event);
        }
    }

    /// A world that gets nowhere is a finding: somebody spins.
    fn pace(&mut self, at: At) {
        if at.0 / PACE_NS != self.now.0 / PACE_NS {
            self.lately = 0;
        }
        self.lately += 1;
        let most = LATELY_MAX * self.machines.len() as u64;
        if self.lately == most {
            let text = format!("{most} events within a tenth of a second");
            self.model.find("spinning", text);
        }
    }

    /// A new client, woken after `wait`. Returns its number.
    pub fn join(&mut self, peer: Peer, wait: Duration) -> usize {
        self.peers.push(peer);
        self.foresee(self.now + wait, Event::Client(self.peers.len() - 1));
        self.peers.len() - 1
    }

    /// Whether this client has nothing more to do.
    pub fn is_done(&self, client: usize) -> bool {
        self.peers[client].is_done()
    }

    /// The name of a client.
    pub fn client_name(&self, client: usize) -> &str {
        &self.peers[client].name
    }

    /// No client begins anything new.
    pub fn finish_clients(&mut self) {
        self.peers.iter_mut().for_each(Peer::finish);
    }

    /// Something is going to happen then.
    pub(crate) fn foresee(&mut self, at: At, event: Event) {
        self.seq += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.coming.push(None);
            self.coming.len() - 1
        });
        self.coming[place] = Some(event);
        self.heap.push(Reverse((at.max(self.now), self.seq, place)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Machine(machine, event) => {
                if !self.machines[machine].concerns(event) {
                    return;
                }
                self.trace.event(self.now, (1, machine, event), || (format!("node {machine}"), format!("{event:?}")));
                self.with_machine(machine, |machine, now, out| machine.happened(now, event, out));
            }
            Event::Accept(link) => self.accept(link),
            Event::Accepted(link) => self.accepted(link),
            Event::Bring(plug, bytes) => self.bring(plug, bytes),
            Event::Gone(who, plug) => self.tell_gone(who, plug),
            Event::Client(client) => {
                self.with_peer(client, |peer, now, model, out| peer.woken(now, model, out));
            }
            Event::Strike(number) => self.strike(number),
            Event::Seek(chain, seed, until) => self.begin_chain(chain, seed, until),
            Event::Chase(number) => self.chase(number),
            Event::Relief(machine) => {
                self.trace.event(self.now, (9, machine), || (format!("node {machine}"), "disk relieved".into()));
                self.machines[machine].disks.relieve();
            }
        }
    }

    pub(crate) fn with_peer(&mut self, client: usize, act: impl FnOnce(&mut Peer, At, &mut Model, &mut Vec<PeerOut>)) {
        let mut out = Vec::new();
        act(&mut self.peers[client], self.now, &mut self.model, &mut out);
        if let Some(told) = &mut self.model.told {
            for line in told.drain(..) {
                self.trace.line(self.now, &self.peers[client].name, &line);
            }
        }
        if let (Some(film), Some(heard)) = (&mut self.film, &mut self.model.heard) {
            heard.drain(..).for_each(|heard| film.acked(self.now, client, heard));
        }
        for out in out {
            match out {
                PeerOut::Connect(address) => self.client_connects(client, address),
                PeerOut::Send(link, bytes) => self.send(Plug::accepter(link), bytes),
                PeerOut::HangUp(link) => self.client_hangs_up(link),
                PeerOut::Wake(at) => self.foresee(at, Event::Client(client)),
            }
        }
    }

    pub(crate) fn with_machine(&mut self, number: usize, act: impl FnOnce(&mut Machine, At, &mut Vec<MachineOut>)) {
        let mut out = Vec::new();
        act(&mut self.machines[number], self.now, &mut out);
        for out in out {
            match out {
                MachineOut::Later(at, event) => self.foresee(at, Event::Machine(number, event)),
                MachineOut::Connect(attempt, address) => self.machine_connects(number, attempt, address),
                MachineOut::Send(plug, bytes) => self.send(plug.other(), bytes),
                MachineOut::Close(plug) => self.machine_hangs_up(plug),
                MachineOut::Line(facts, text) => {
                    self.trace.event(self.now, facts, || (format!("node {number}"), text));
                }
                MachineOut::Note(note) => {
                    self.heed(number, &note);
                    self.trace.event(self.now, NOTE, || (format!("node {number}"), format!("{note:?}")));
                }
                MachineOut::Mark(mark) => self.model.mark(mark),
                MachineOut::Finding(oracle, text) => self.model.find(oracle, text),
            }
        }
        if let Some(film) = &mut self.film {
            film.look(self.now, number, &self.machines[number]);
        }
        if self.plan.options.cluster {
            self.judge_agreement(number);
        }
    }

    /// Bytes set out to this end.
    fn send(&mut self, to: Plug, bytes: Bytes) {
        let pieces = self.net.send(self.now, to, bytes.clone());
        if let Some(film) = &mut self.film {
            film.sent(&self.net, to, &bytes, (self.now, pieces.last().map(|(at, _)| *at)));
        }
        for (at, piece) in pieces {
            self.foresee(at, Event::Bring(to, piece));
        }
    }

    pub(crate) fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    /// The fingerprint of the run so far.
    pub fn digest(&self) -> u64 {
        let mut digest = ottla_core::boundary::Digest::default();
        digest.write_u64(self.trace.digest());
        self.model.digest(&mut digest);
        self.machines.iter().for_each(|machine| digest.write_u64(machine.digest()));
        digest.finish()
    }
}
