//! Listening: addresses are bound before anything else is started, connections accepted within limits.

use super::Link;
use crate::brain::Brain;
use crate::seam::{TcpListener, TcpStream, sleep, spawn_local};
use ottla_core::boundary::Asker;
use ottla_core::conn::{Conn, ConnLimits};
use ottla_core::record::Functions;
use ottla_core::types::{ConnId, ListenerType, Str};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tracing::{debug, warn};

/// Binds an address; an empty host is every interface, as Kafka has it.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((if host.is_empty() { "0.0.0.0" } else { host }, port)).await
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
    pub fn new(brain: Rc<Brain>, limits: ConnLimits, functions: Functions, maxima: (u32, u32)) -> Rc<Self> {
        let (connections_max, per_address_max) = (maxima.0 as usize, maxima.1 as usize);
        Rc::new(Self { brain, limits, functions, connections_max, per_address_max, counts: RefCell::default() })
    }

    /// Accepts on one listener, number `listener` of the configured ones, for ever.
    pub async fn run(self: Rc<Self>, listener: (usize, ListenerType), socket: TcpListener) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => self.accepted(listener, stream, peer),
                Err(fault) => {
                    // Out of file descriptors, most likely: it passes when a connection closes.
                    warn!(target: "ottla::net", "cannot accept a connection: {fault}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn accepted(
        self: &Rc<Self>,
        (listener, listener_type): (usize, ListenerType),
        stream: TcpStream,
        peer: SocketAddr,
    ) {
        let address = peer.ip().to_canonical();
        if self.brain.is_stopping() {
            return;
        }
        let Some(conn) = self.admit(address) else {
            self.brain.telemetry().connection_refused();
            debug!(target: "ottla::net", "connection from {peer} refused: max.connections or max.connections.per.ip");
            return;
        };
        if let Err(fault) = stream.set_nodelay(true) {
            debug!(target: "ottla::net", "connection from {peer} gone at once: {fault}");
            return self.left(address);
        }
        let asker = Asker { conn, client_id: Str::new(), host: format!("/{address}").into(), listener, listener_type };
        let machine = Conn::new(asker, self.limits, self.functions, self.brain.now());
        let link = Rc::new(Link::new(machine, peer.to_string()));
        self.brain.connected(Rc::clone(&link));
        let listening = Rc::clone(self);
        spawn_local(async move {
            link.run(Rc::clone(&listening.brain), stream).await;
            listening.left(address);
        });
    }

    /// The name of one more connection, if the limits allow one.
    fn admit(&self, address: IpAddr) -> Option<ConnId> {
        let mut counts = self.counts.borrow_mut();
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.open >= self.connections_max || of_address >= self.per_address_max {
            return None;
        }
        counts.open += 1;
        counts.accepted += 1;
        *counts.by_address.entry(address).or_default() += 1;
        Some(ConnId(counts.accepted))
    }

    fn left(&self, address: IpAddr) {
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
