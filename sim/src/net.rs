//! Connections between clients and machines, and among machines: two streams of bytes each, in order, delayed, cut into
//! pieces at any place, held back, and broken, known to both ends, to one, or to none.

use crate::clock::At;
use bytes::Bytes;
use ottla_core::types::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One connection attempt; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// One of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The one that connected.
    Opener,
    /// The one that accepted.
    Accepter,
}

impl End {
    /// The end at the other side.
    pub fn other(self) -> Self {
        match self {
            Self::Opener => Self::Accepter,
            Self::Accepter => Self::Opener,
        }
    }
}

/// One end of one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Plug {
    /// The connection.
    pub link: LinkId,
    /// Which of its ends.
    pub end: End,
}

impl Plug {
    /// The end that connected.
    pub fn opener(link: LinkId) -> Self {
        Self { link, end: End::Opener }
    }

    /// The end that accepted.
    pub fn accepter(link: LinkId) -> Self {
        Self { link, end: End::Accepter }
    }

    /// The end at the other side.
    #[must_use]
    pub fn other(self) -> Self {
        Self { link: self.link, end: self.end.other() }
    }
}

/// Who is at an end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// A client, by its number.
    Client(usize),
    /// A machine, by its number.
    Machine(usize),
}

/// Where a connection leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Door {
    /// The machine; none at an address that nobody has.
    pub machine: Option<usize>,
    /// The port.
    pub port: u16,
}

/// How a break of a connection becomes known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub enum Told {
    /// Both ends hear of it.
    Both,
    /// Only the one that connected does: the other keeps a connection to nobody.
    Opener,
    /// Only the one that accepted does.
    Accepter,
    /// Nobody does.
    Nobody,
}

/// A direction, as a machine sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub enum Flow {
    /// What it sends.
    Out,
    /// What is sent to it.
    In,
}

/// What the network of a run is like.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Quality {
    /// A usual way through, in microseconds.
    pub delay_us: u64,
    /// The most pieces that one send is cut into.
    pub pieces_max: u64,
}

impl Default for Quality {
    fn default() -> Self {
        Self { delay_us: 200, pieces_max: 1 }
    }
}

#[derive(Clone, Debug)]
struct Link {
    opener: Who,
    door: Door,
    broken: bool,
    /// When the last byte on its way arrives, per direction: to the opener, to the accepter.
    last: [At; 2],
    /// Which ends know that it is over, or made it so.
    ended: [bool; 2],
}

/// All connections.
#[derive(Clone, Debug)]
pub struct Net {
    quality: Quality,
    /// Every connection there ever was, by its number; none where it is forgotten.
    links: Vec<Option<Link>>,
    /// Until when what a machine sends, or what is sent to it, is held back.
    stalled: BTreeMap<(usize, Flow), At>,
    /// Until when what the first machine sends to the second is held back: on all connections, or on those to one port.
    cuts: BTreeMap<(usize, usize, Option<u16>), At>,
    /// How often the longest delay is twice as long: some take 128 times as long as usual while faults go on.
    doublings: u64,
    rng: Rng,
}

impl Net {
    /// A network without connections.
    pub fn new(quality: Quality, rng: Rng) -> Self {
        Self { quality, links: Vec::new(), stalled: BTreeMap::new(), cuts: BTreeMap::new(), doublings: 8, rng }
    }

    /// Somebody reaches out; the other side hears of it at the returned time.
    pub fn connect(&mut self, now: At, opener: Who, door: Door) -> (LinkId, At) {
        let id = LinkId(self.links.len() as u64);
        self.links.push(Some(Link { opener, door, broken: false, last: [now; 2], ended: [false; 2] }));
        (id, self.arrival(now, Plug::accepter(id)))
    }

    /// When a signal without bytes sent now arrives at this end, behind all bytes on their way. What is held back is not
    /// lost: it is sent again until it gets through.
    pub fn arrival(&mut self, now: At, to: Plug) -> At {
        let delay = self.delay();
        let link =
            self.links.get_mut(place(to.link)).and_then(Option::as_mut).expect("a link is known until it is forgotten");
        let accepter = link.door.machine.map(Who::Machine);
        let (sender, receiver) = match to.end {
            End::Opener => (accepter, Some(link.opener)),
            End::Accepter => (Some(link.opener), accepter),
        };
        let machine = |who: Option<Who>| who.and_then(Who::machine);
        let out = machine(sender).and_then(|machine| self.stalled.get(&(machine, Flow::Out)));
        let inward = machine(receiver).and_then(|machine| self.stalled.get(&(machine, Flow::In)));
        let way = machine(sender).zip(machine(receiver));
        let ports = [None, Some(link.door.port)].into_iter();
        let cut = way.into_iter().flat_map(|(from, to)| ports.clone().map(move |port| (from, to, port)));
        let cut = cut.filter_map(|way| self.cuts.get(&way));
        let held = out.into_iter().chain(inward).chain(cut).copied().max().unwrap_or(At::START);
        let last = &mut link.last[side(to.end)];
        *last = (now + delay).max(*last).max(held);
        *last
    }

    /// Bytes set out to this end: pieces, and when each arrives. Nothing of them does if the connection is broken.
    pub fn send(&mut self, now: At, to: Plug, bytes: Bytes) -> Vec<(At, Bytes)> {
        if self.is_broken(to.link) || bytes.is_empty() {
            return Vec::new();
        }
        let mut left = bytes;
        let mut pieces = Vec::new();
        let mut count = self.rng.between(1, self.quality.pieces_max);
        while count > 1 && left.len() > 1 {
            let cut = 1 + self.rng.below(left.len() as u64 - 1) as usize;
            let piece = left.split_to(cut);
            pieces.push((self.arrival(now, to), piece));
            count -= 1;
        }
        pieces.push((self.arrival(now, to), left));
        pieces
    }

    /// Whether no bytes pass any more.
    pub fn is_broken(&self, id: LinkId) -> bool {
        self.link(id).is_none_or(|link| link.broken)
    }

    /// Who connected.
    pub fn opener(&self, id: LinkId) -> Option<Who> {
        self.link(id).map(|link| link.opener)
    }

    /// Where it leads to.
    pub fn door(&self, id: LinkId) -> Option<Door> {
        self.link(id).map(|link| link.door)
    }

    /// Who is at this end.
    pub fn at(&self, plug: Plug) -> Option<Who> {
        match plug.end {
            End::Opener => self.opener(plug.link),
            End::Accepter => self.door(plug.link)?.machine.map(Who::Machine),
        }
    }

    /// The connection breaks: what is on its way is lost.
    pub fn sever(&mut self, id: LinkId) {
        if let Some(Some(link)) = self.links.get_mut(place(id)) {
            link.broken = true;
        }
    }

    /// This end gave the connection up, or heard that it is gone. What nobody has a part in any more is forgotten; a
    /// client's connection as soon as the client has heard.
    pub fn ended(&mut self, plug: Plug) {
        let Some(Some(link)) = self.links.get_mut(place(plug.link)) else { return };
        link.ended[side(plug.end)] = true;
        let is_over = match link.opener {
            Who::Client(_) => plug.end == End::Opener,
            Who::Machine(_) => link.ended == [true; 2] || link.ended[0] && link.door.machine.is_none(),
        };
        if is_over {
            self.links[place(plug.link)] = None;
        }
    }

    /// Every connection through which bytes still pass.
    pub fn live(&self) -> Vec<LinkId> {
        let live = |(_, link): &(u64, &Option<Link>)| link.as_ref().is_some_and(|link| !link.broken);
        (0..).zip(&self.links).filter(live).map(|(id, _)| LinkId(id)).collect()
    }

    fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(place(id)).and_then(Option::as_ref)
    }

    /// Nothing that this machine sends, or that is sent to it, from now on arrives before then.
    pub fn stall(&mut self, machine: usize, flow: Flow, until: At) {
        let held = self.stalled.entry((machine, flow)).or_default();
        *held = until.max(*held);
    }

    /// Nothing that the first machine sends to the second from now on arrives before then.
    pub fn cut(&mut self, from: usize, to: usize, until: At) {
        let held = self.cuts.entry((from, to, None)).or_default();
        *held = until.max(*held);
    }

    /// The same for connections to one port alone, whatever was said of them before. What is held back already stays so.
    pub fn cut_port(&mut self, from: usize, to: usize, port: u16, until: At) {
        self.cuts.insert((from, to, Some(port)), until);
    }

    /// Draws one of the connections that live.
    pub fn pick(&mut self) -> Option<LinkId> {
        let live = self.live();
        if live.is_empty() {
            return None;
        }
        Some(live[self.rng.below(live.len() as u64) as usize])
    }

    /// The faults are over: what takes as long as a session does not happen any more.
    pub fn calm(&mut self) {
        self.doublings = 4;
    }

    /// How long a signal takes: mostly as usual, sometimes many times longer.
    pub fn delay(&mut self) -> Duration {
        let usual = self.rng.between(self.quality.delay_us / 2 + 1, self.quality.delay_us * 3 / 2 + 1);
        let tail = if self.rng.chance(1, 100) { 1 << self.rng.below(self.doublings) } else { 1 };
        Duration::from_micros(usual * tail)
    }
}

impl Who {
    fn machine(self) -> Option<usize> {
        match self {
            Self::Client(_) => None,
            Self::Machine(number) => Some(number),
        }
    }
}

/// What leaves in one piece.
pub fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    match chunks.len() {
        1 => chunks.remove(0),
        _ => Bytes::from(chunks.concat()),
    }
}

fn place(id: LinkId) -> usize {
    usize::try_from(id.0).expect("there are fewer connections than bytes")
}

fn side(end: End) -> usize {
    match end {
        End::Opener => 0,
        End::Accepter => 1,
    }
}

#[cfg(test)]
#[path = "net_test.rs"]
mod net_test;
