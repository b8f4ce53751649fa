//! Listening: addresses are bound before anything else is started, connections accepted within limits.

use super::Link;
use crate::brain::Brain;
use crate::seam::{IS_SIMULATED, TcpListener, TcpStream, sleep, spawn_local};
use ottla_core::boundary::Asker;
use ottla_core::conn::{Conn, ConnLimits};
use ottla_core::record::Functions;
use ottla_core::types::{ConnId, ListenerType, Str};
use rustix::net::sockopt;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use std::{io, mem};
use tracing::{debug, warn};

/// Binds an address; an empty host is every interface, as Kafka has it.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    if host.is_empty() {
        return TcpListener::bind((every_interface(), port)).await;
    }
    TcpListener::bind((host, port)).await
}

/// The address that stands for every interface: of IPv6 where a socket of it takes IPv4 as well, else of IPv4.
pub fn every_interface() -> IpAddr {
    let takes_both = || {
        let socket = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        io::Result::Ok(!sockopt::ipv6_v6only(socket)?)
    };
    if !IS_SIMULATED && takes_both().unwrap_or(false) {
        return Ipv6Addr::UNSPECIFIED.into();
    }
    Ipv4Addr::UNSPECIFIED.into()
}

/// One listener.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Its number among the configured ones.
    pub number: usize,
    /// Whom it serves.
    pub listener_type: ListenerType,
    /// Nobody comes there but brokers and controllers: what clients do shuts none of them out (KIP-402).
    pub is_ours: bool,
}

/// What every listener of the process shares.
pub struct Listening {
    brain: Rc<Brain>,
    limits: ConnLimits,
    functions: Functions,
    connections_max: usize,
    per_address_max: usize,
    counts: RefCell<Counts>,
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Listening {
    /// Listeners that give their connections to this brain. `maxima`: connections of all clients, and of one address.
    pub fn new(brain: Rc<Brain>, limits: ConnLimits, functions: Functions, maxima: (usize, usize)) -> Rc<Self> {
        let (connections_max, per_address_max) = maxima;
        Rc::new(Self { brain, limits, functions, connections_max, per_address_max, counts: RefCell::default() })
    }

    /// Accepts on one listener, for ever.
    pub async fn run(self: Rc<Self>, door: Door, socket: TcpListener) {
        let mut is_in_trouble = false;
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    is_in_trouble = false;
                    self.accepted(door, stream, peer);
                }
                Err(fault) => {
                    // Out of file descriptors, most likely: it passes when a connection closes.
                    if !mem::replace(&mut is_in_trouble, true) {
                        warn!(target: "ottla::net", "cannot accept connections for now: {fault}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn accepted(self: &Rc<Self>, door: Door, stream: TcpStream, peer: SocketAddr) {
        let address = peer.ip().to_canonical();
        let peer = SocketAddr::new(address, peer.port());
        if self.brain.is_stopping() {
            return;
        }
        let Some(conn) = self.admit(door, address) else {
            self.brain.telemetry().connection_refused();
            debug!(target: "ottla::net", "connection from {peer} refused: max.connections or max.connections.per.ip");
            return;
        };
        if let Err(fault) = stream.set_nodelay(true) {
            debug!(target: "ottla::net", "connection from {peer} gone at once: {fault}");
            return self.left(door, address);
        }
        let Door { number: listener, listener_type, is_ours } = door;
        let asker = Asker { conn, client_id: Str::new(), host: format!("/{address}").into(), listener, listener_type };
        let machine = Conn::new(asker, self.limits, self.functions, self.brain.now());
        let link = Rc::new(Link::new(machine, peer.to_string(), is_ours));
        self.brain.connected(Rc::clone(&link));
        let listening = Rc::clone(self);
        spawn_local(async move {
            link.run(Rc::clone(&listening.brain), stream).await;
            listening.left(door, address);
        });
    }

    /// The name of one more connection, if the limits allow one.
    fn admit(&self, door: Door, address: IpAddr) -> Option<ConnId> {
        let mut counts = self.counts.borrow_mut();
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if !door.is_ours && (counts.open >= self.connections_max || of_address >= self.per_address_max) {
            return None;
        }
        counts.accepted += 1;
        if !door.is_ours {
            counts.open += 1;
            *counts.by_address.entry(address).or_default() += 1;
        }
        Some(ConnId(counts.accepted))
    }

    fn left(&self, door: Door, address: IpAddr) {
        if door.is_ours {
            return;
        }
        let mut counts = self.counts.borrow_mut();
        counts.open -= 1;
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
