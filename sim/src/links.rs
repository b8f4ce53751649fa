//! Connections in the world: somebody reaches out, a machine accepts, bytes come, and one end or the other hears that it is
//! over.

use crate::client::{Address, Peer};
use crate::clock::At;
use crate::machine::Caller;
use crate::net::{Door, End, LinkId, Plug, Told, Who};
use crate::settings::PORT;
use crate::world::{Event, World};
use bytes::Bytes;
use ottla_core::types::Str;

impl World {
    /// A client reaches out to an address, or to any machine.
    pub(crate) fn client_connects(&mut self, client: usize, address: Option<Address>) {
        let (host, port) = match (address, self.machines.len() as u64) {
            (Some(address), _) => address,
            (None, 1) => (Str::from_static("127.0.0.1"), PORT),
            (None, machines) => (Str::from(host_of(self.rng.below(machines) as usize)), PORT),
        };
        let machine = if self.machines.len() == 1 { Some(0) } else { self.machine_at(&host) };
        let (link, at) = self.net.connect(self.now, Who::Client(client), Door { machine, port });
        self.peers[client].reached_out(link, (host, port));
        self.foresee(at, Event::Accept(link));
    }

    /// A process reaches out to an address. If it has changed its mind since, or is gone, the connection is given up.
    pub(crate) fn machine_connects(&mut self, machine: usize, attempt: u64, (host, port): (Str, u16)) {
        let door = Door { machine: self.machine_at(&host), port };
        let (link, at) = self.net.connect(self.now, Who::Machine(machine), door);
        self.foresee(at, Event::Accept(link));
        if !self.machines[machine].reached_out(attempt, link) {
            self.machine_hangs_up(Plug::opener(link));
        }
    }

    /// The machine of an address.
    fn machine_at(&self, host: &str) -> Option<usize> {
        (0..self.machines.len()).find(|machine| *host == *host_of(*machine))
    }

    /// A connection attempt arrives.
    pub(crate) fn accept(&mut self, link: LinkId) {
        let Some(door) = self.net.door(link).filter(|_| !self.net.is_broken(link)) else { return };
        let up = door.machine.filter(|machine| self.machines[*machine].listens(door.port));
        self.trace.event(self.now, (2, link, up.is_some()), || {
            ("network".into(), format!("{link:?} accepted: {}", up.is_some()))
        });
        let back = self.net.arrival(self.now, Plug::opener(link));
        let Some(machine) = up else {
            self.net.sever(link);
            return self.foresee_gone(back, Plug::opener(link));
        };
        let host = match self.net.opener(link) {
            Some(Who::Machine(opener)) => Str::from(format!("/{}", host_of(opener))),
            Some(Who::Client(_)) | None => Str::from_static("/127.0.0.1"),
        };
        let caller = Caller { host, port: door.port };
        self.with_machine(machine, |machine, now, out| machine.accepted(now, link, caller, out));
        self.foresee(back, Event::Accepted(link));
    }

    /// Whoever connected hears that it was accepted.
    pub(crate) fn accepted(&mut self, link: LinkId) {
        let plug = Plug::opener(link);
        let Some(opener) = self.net.at(plug).filter(|_| !self.net.is_broken(link)) else { return };
        self.trace_bytes(opener, plug, &Bytes::new());
        match opener {
            Who::Client(client) => {
                self.with_peer(client, |peer, now, model, out| peer.connected(now, link, model, out))
            }
            Who::Machine(machine) => self.with_machine(machine, |machine, now, out| machine.connected(now, link, out)),
        }
    }

    /// Bytes come to an end. Whoever accepted hears that the other side took them.
    pub(crate) fn bring(&mut self, plug: Plug, bytes: Bytes) {
        let Some(who) = self.net.at(plug).filter(|_| !self.net.is_broken(plug.link)) else { return };
        self.trace_bytes(who, plug, &bytes);
        let (link, len) = (plug.link, bytes.len());
        let other = self.net.at(plug.other());
        match who {
            Who::Client(client) => {
                self.with_peer(client, |peer, now, model, out| peer.received(now, link, bytes, model, out));
            }
            Who::Machine(machine) => {
                self.with_machine(machine, |machine, now, out| machine.received(now, plug, bytes, out));
            }
        }
        if plug.end == End::Opener
            && let Some(Who::Machine(machine)) = other
        {
            self.with_machine(machine, |machine, now, out| machine.taken(now, link, len, out));
        }
    }

    fn trace_bytes(&mut self, who: Who, plug: Plug, bytes: &Bytes) {
        let code = match plug.end {
            End::Accepter => 3,
            End::Opener => 4,
        };
        let peers = &self.peers;
        self.trace.event(self.now, (code, plug.link, bytes), || {
            (name_of(peers, who), format!("{:?} brings {}", plug.link, bytes.len()))
        });
    }

    /// An end is going to hear that its connection is gone.
    fn foresee_gone(&mut self, at: At, plug: Plug) {
        if let Some(who) = self.net.at(plug) {
            self.foresee(at, Event::Gone(who, plug));
        }
    }

    /// An end hears that its connection is gone. A client has heard it once it is forgotten.
    pub(crate) fn tell_gone(&mut self, who: Who, plug: Plug) {
        if matches!(who, Who::Client(_)) && self.net.at(plug).is_none() {
            return;
        }
        let code = match plug.end {
            End::Accepter => 5,
            End::Opener => 6,
        };
        let peers = &self.peers;
        self.trace.event(self.now, (code, plug.link), || (name_of(peers, who), format!("{:?} is gone", plug.link)));
        self.net.ended(plug);
        match who {
            Who::Client(client) => {
                self.with_peer(client, |peer, now, model, out| peer.dropped(now, plug.link, model, out));
            }
            Who::Machine(machine) => self.with_machine(machine, |machine, now, out| machine.dropped(now, plug, out)),
        }
    }

    /// A client closes its connection; the other side hears of it behind all bytes.
    pub(crate) fn client_hangs_up(&mut self, link: LinkId) {
        let at = self.net.arrival(self.now, Plug::accepter(link));
        self.foresee_gone(at, Plug::accepter(link));
    }

    /// A machine closes its end of a connection; the other side hears of it behind all bytes.
    pub(crate) fn machine_hangs_up(&mut self, plug: Plug) {
        if !self.net.is_broken(plug.link) {
            let at = self.net.arrival(self.now, plug.other());
            self.foresee_gone(at, plug.other());
        }
        self.net.ended(plug);
    }

    /// A connection breaks, as far as anybody is told.
    pub(crate) fn sever(&mut self, link: LinkId, told: Told) {
        self.net.sever(link);
        if let Some(film) = &mut self.film {
            film.severed(self.now, link);
        }
        let (opener, accepter) = match told {
            Told::Both => (true, true),
            Told::Opener => (true, false),
            Told::Accepter => (false, true),
            Told::Nobody => (false, false),
        };
        let wait = self.net.delay();
        if opener {
            self.foresee_gone(self.now + wait, Plug::opener(link));
        }
        if accepter {
            self.foresee_gone(self.now + wait, Plug::accepter(link));
        }
    }
}

fn name_of(peers: &[Peer], who: Who) -> String {
    match who {
        Who::Client(client) => peers[client].name.clone(),
        Who::Machine(machine) => format!("node {machine}"),
    }
}

/// The address of a machine.
pub(crate) fn host_of(machine: usize) -> String {
    format!("10.0.0.{}", machine + 1)
}

#[cfg(test)]
#[path = "links_test.rs"]
mod links_test;
