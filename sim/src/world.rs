//! The world of one run: machines, clients, connections, and the heap of events that moves them, ordered by time and, at
//! one time, by the order in which they were foreseen.

use crate::client::{Peer, PeerOut};
use crate::clock::At;
use crate::machine::{Machine, MachineOut};
use crate::model::Model;
use crate::net::{End, LinkId, Net, Told};
use crate::plan::Plan;
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
    /// Bytes arrive at a broker.
    ToBroker(LinkId, Bytes),
    /// Bytes arrive at a client.
    ToClient(LinkId, Bytes),
    /// A broker hears that a connection is gone.
    BrokerTold(LinkId),
    /// A client hears that a connection is gone.
    ClientTold(LinkId),
    /// A client is woken.
    Client(usize),
    /// A strike comes, by its number in the plan.
    Strike(usize),
    /// A disk that was full or slow is as it was.
    Relief(usize),
}

/// What happens to a machine, bound to one incarnation of its process where it belongs to one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MachineEvent {
    /// It is switched on.
    Start,
    /// A file operation is due.
    File(u64, crate::disk::Token),
    /// An errand is due.
    Errand(u64, u64),
    /// A deadline is due.
    Wake(u64),
    /// A process that stood still goes on.
    Resume(u64),
    /// The clock goes on.
    Thaw,
}

struct Due {
    at: At,
    seq: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// The world.
pub struct World {
    /// What is true.
    pub model: Model,
    /// What is told.
    pub trace: Trace,
    /// The brokers; one for now, at index 0.
    pub machines: Vec<Machine>,
    pub(crate) plan: Plan,
    pub(crate) now: At,
    pub(crate) rng: Rng,
    heap: BinaryHeap<Reverse<Due>>,
    seq: u64,
    net: Net,
    peers: Vec<Peer>,
    /// A relaxed broker lost its power, and what was left was looked at: the clients know of things that are no more.
    pub(crate) is_over: bool,
    /// Events since the clock last passed a multiple of [`PACE_NS`].
    lately: u64,
}

/// A tenth of a second.
const PACE_NS: u64 = 100_000_000;
/// The most events in that time.
const LATELY_MAX: u64 = 200_000;

impl World {
    /// The world as the plan has it; nothing has happened yet.
    pub fn new(plan: Plan, trace: Trace) -> Self {
        let mut rng = Rng::new(plan.seed);
        let (net, disk) = (rng.fork("network"), rng.fork("disk"));
        let machine = Machine::new(&plan, disk, rng.fork("machine"));
        let told = trace.keeps_lines().then(Vec::new);
        let model = Model { topics: plan.options.topics.clone(), told, ..Model::default() };
        let net = Net::new(plan.options.net.clone(), net);
        let mut world = Self {
            model,
            trace,
            machines: vec![machine],
            plan,
            now: At::START,
            rng: rng.fork("world"),
            heap: BinaryHeap::new(),
            seq: 0,
            net,
            peers: Vec::new(),
            is_over: false,
            lately: 0,
        };
        world.foresee(At::START, Event::Machine(0, MachineEvent::Start));
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
                Some(Reverse(due)) if due.at <= until => {}
                Some(_) | None => {
                    self.now = self.now.max(until);
                    return;
                }
            }
            let Some(Reverse(Due { at, event, .. })) = self.heap.pop() else { return };
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
        if self.lately == LATELY_MAX {
            let text = format!("{LATELY_MAX} events within a tenth of a second");
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
        self.heap.push(Reverse(Due { at: at.max(self.now), seq: self.seq, event }));
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
            Event::ToBroker(link, bytes) => self.reach_broker(link, bytes),
            Event::ToClient(link, bytes) => self.reach_client(link, bytes),
            Event::BrokerTold(link) => {
                self.trace.event(self.now, (5, link), || ("node 0".into(), format!("{link:?} is gone")));
                self.with_machine(0, |machine, now, out| machine.dropped(now, link, out));
            }
            Event::ClientTold(link) => self.tell_client(link),
            Event::Client(client) => {
                self.with_peer(client, |peer, now, model, out| peer.woken(now, model, out));
            }
            Event::Strike(number) => self.strike(number),
            Event::Relief(machine) => {
                self.trace.event(self.now, (9, machine), || (format!("node {machine}"), "disk relieved".into()));
                self.machines[machine].disk.relieve();
            }
        }
    }

    fn accept(&mut self, link: LinkId) {
        if self.net.is_broken(link) {
            return;
        }
        let up = self.machines[0].is_up();
        self.trace.event(self.now, (2, link, up), || ("network".into(), format!("{link:?} accepted: {up}")));
        let back = self.net.arrival(self.now, link, End::Client);
        if up {
            self.with_machine(0, |machine, now, out| machine.accepted(now, link, out));
            self.foresee(back, Event::ToClient(link, Bytes::new()));
        } else {
            self.net.sever(link);
            self.foresee(back, Event::ClientTold(link));
        }
    }

    fn reach_broker(&mut self, link: LinkId, bytes: Bytes) {
        if self.net.is_broken(link) {
            return;
        }
        self.trace.event(self.now, (3, link, &bytes), || ("node 0".into(), format!("{link:?} brings {}", bytes.len())));
        self.with_machine(0, |machine, now, out| machine.received(now, link, bytes, out));
    }

    /// Bytes for a client; none at all say that the broker has accepted.
    fn reach_client(&mut self, link: LinkId, bytes: Bytes) {
        let Some(client) = self.net.client_of(link).filter(|_| !self.net.is_broken(link)) else { return };
        let name = &self.peers[client].name;
        self.trace.event(self.now, (4, link, &bytes), || (name.clone(), format!("{link:?} brings {}", bytes.len())));
        let len = bytes.len();
        if len == 0 {
            return self.with_peer(client, |peer, now, model, out| peer.connected(now, link, model, out));
        }
        self.with_peer(client, |peer, now, model, out| peer.received(now, link, bytes, model, out));
        self.with_machine(0, |machine, now, out| machine.taken(now, link, len, out));
    }

    fn tell_client(&mut self, link: LinkId) {
        let Some(client) = self.net.client_of(link) else { return };
        let name = &self.peers[client].name;
        self.trace.event(self.now, (6, link), || (name.clone(), format!("{link:?} is gone")));
        self.net.forget(link);
        self.with_peer(client, |peer, now, model, out| peer.dropped(now, link, model, out));
    }

    fn with_peer(&mut self, client: usize, act: impl FnOnce(&mut Peer, At, &mut Model, &mut Vec<PeerOut>)) {
        let mut out = Vec::new();
        act(&mut self.peers[client], self.now, &mut self.model, &mut out);
        if let Some(told) = &mut self.model.told {
            for line in told.drain(..) {
                self.trace.line(self.now, &self.peers[client].name, &line);
            }
        }
        for out in out {
            match out {
                PeerOut::Connect => {
                    let (link, at) = self.net.connect(self.now, client);
                    self.peers[client].reached_out(link);
                    self.foresee(at, Event::Accept(link));
                }
                PeerOut::Send(link, bytes) => {
                    for (at, piece) in self.net.send(self.now, link, End::Broker, bytes) {
                        self.foresee(at, Event::ToBroker(link, piece));
                    }
                }
                PeerOut::HangUp(link) => {
                    let at = self.net.arrival(self.now, link, End::Broker);
                    self.foresee(at, Event::BrokerTold(link));
                }
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
                MachineOut::Send(link, bytes) => {
                    for (at, piece) in self.net.send(self.now, link, End::Client, bytes) {
                        self.foresee(at, Event::ToClient(link, piece));
                    }
                }
                MachineOut::Close(link) => {
                    if !self.net.is_broken(link) {
                        let at = self.net.arrival(self.now, link, End::Client);
                        self.foresee(at, Event::ClientTold(link));
                    }
                }
                MachineOut::Line(facts, text) => {
                    self.trace.event(self.now, facts, || (format!("node {number}"), text));
                }
                MachineOut::Mark(mark) => self.model.mark(mark),
                MachineOut::Finding(oracle, text) => self.model.find(oracle, text),
            }
        }
    }

    /// A connection breaks, as far as anybody is told.
    pub(crate) fn sever(&mut self, link: LinkId, told: Told) {
        self.net.sever(link);
        let (client, broker) = match told {
            Told::Both => (true, true),
            Told::Client => (true, false),
            Told::Broker => (false, true),
            Told::Nobody => (false, false),
        };
        let wait = self.net.delay();
        if client {
            self.foresee(self.now + wait, Event::ClientTold(link));
        }
        if broker {
            self.foresee(self.now + wait, Event::BrokerTold(link));
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
