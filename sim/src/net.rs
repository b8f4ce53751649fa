//! Connections between clients and brokers: two streams of bytes each, in order, delayed, cut into pieces at any place,
//! stalled, and broken, known to both ends, to one, or to none.

use crate::clock::At;
use bytes::Bytes;
use ottla_core::types::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// One connection attempt; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// One of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Broker,
}

/// How a break of a connection becomes known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Told {
    /// Both ends hear of it.
    Both,
    /// Only the client does: the broker keeps a connection to nobody.
    Client,
    /// Only the broker does.
    Broker,
    /// Nobody does.
    Nobody,
}

/// What the network of a run is like.
#[derive(Clone, Debug)]
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
    client: usize,
    broken: bool,
    /// When the last byte on its way arrives, per direction: to the client, to the broker.
    last: [At; 2],
}

/// All connections.
#[derive(Clone, Debug)]
pub struct Net {
    quality: Quality,
    links: BTreeMap<LinkId, Link>,
    next: u64,
    stalled_until: [At; 2],
    rng: Rng,
}

impl Net {
    /// A network without connections.
    pub fn new(quality: Quality, rng: Rng) -> Self {
        Self { quality, links: BTreeMap::new(), next: 0, stalled_until: [At::START; 2], rng }
    }

    /// A client reaches out; the broker hears of it at the returned time.
    pub fn connect(&mut self, now: At, client: usize) -> (LinkId, At) {
        let id = LinkId(self.next);
        self.next += 1;
        self.links.insert(id, Link { client, broken: false, last: [now; 2] });
        (id, self.arrival(now, id, End::Broker))
    }

    /// When a signal without bytes sent now arrives at this end, behind all bytes on their way.
    pub fn arrival(&mut self, now: At, id: LinkId, to: End) -> At {
        let delay = self.delay();
        let stalled = self.stalled_until[side(to)];
        let link = self.links.get_mut(&id).expect("a link is known until it is forgotten");
        let at = (now + delay).max(link.last[side(to)]).max(stalled);
        link.last[side(to)] = at;
        at
    }

    /// Bytes set out to this end: pieces, and when each arrives. Nothing of them does if the connection is broken.
    pub fn send(&mut self, now: At, id: LinkId, to: End, bytes: Bytes) -> Vec<(At, Bytes)> {
        if self.is_broken(id) || bytes.is_empty() {
            return Vec::new();
        }
        let mut left = bytes;
        let mut pieces = Vec::new();
        let mut count = self.rng.between(1, self.quality.pieces_max);
        while count > 1 && left.len() > 1 {
            let cut = 1 + self.rng.below(left.len() as u64 - 1) as usize;
            let piece = left.split_to(cut);
            pieces.push((self.arrival(now, id, to), piece));
            count -= 1;
        }
        pieces.push((self.arrival(now, id, to), left));
        pieces
    }

    /// Whether bytes still pass.
    pub fn is_broken(&self, id: LinkId) -> bool {
        self.links.get(&id).is_none_or(|link| link.broken)
    }

    /// Whose connection it is.
    pub fn client_of(&self, id: LinkId) -> Option<usize> {
        self.links.get(&id).map(|link| link.client)
    }

    /// The connection breaks: what is on its way is lost.
    pub fn sever(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.broken = true;
        }
    }

    /// Neither end knows it any more.
    pub fn forget(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// Every connection through which bytes still pass.
    pub fn live(&self) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| !link.broken).map(|(id, _)| *id).collect()
    }

    /// Nothing sent from now on arrives at these ends before then.
    pub fn stall(&mut self, to: End, until: At) {
        let held = &mut self.stalled_until[side(to)];
        *held = until.max(*held);
    }

    /// Draws one of the connections that live.
    pub fn pick(&mut self) -> Option<LinkId> {
        let live = self.live();
        if live.is_empty() {
            return None;
        }
        Some(live[self.rng.below(live.len() as u64) as usize])
    }

    /// How long a signal takes: mostly as usual, sometimes many times longer.
    pub fn delay(&mut self) -> Duration {
        let usual = self.rng.between(self.quality.delay_us / 2 + 1, self.quality.delay_us * 3 / 2 + 1);
        let tail = if self.rng.chance(1, 100) { 1 << self.rng.below(8) } else { 1 };
        Duration::from_micros(usual * tail)
    }
}

fn side(end: End) -> usize {
    match end {
        End::Client => 0,
        End::Broker => 1,
    }
}

#[cfg(test)]
#[path = "net_test.rs"]
mod net_test;
