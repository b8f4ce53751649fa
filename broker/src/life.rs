//! One broker's life on one thread, whatever world it lives in: recovery, boot, clients, end.

use crate::boot::{self, Unborn, World};
use crate::brain::{Body, Brain, Outcome};
use crate::jobs::Jobs;
use crate::net::{Door, Lines, Listening};
use crate::seam::{TcpListener, spawn_local};
use ottla_core::config::{BrokerConfig, Config, Listener};
use ottla_core::conn::ConnLimits;
use ottla_core::types::ListenerType;
use rustix::process::{Resource, getrlimit};

use std::rc::Rc;

/// What a broker lives on.
pub struct Parts {
    /// Its settings, ports included.
    pub config: Config,
    /// Clocks, chance, disk and metrics.
    pub world: World,
    /// Who does long work.
    pub jobs: Jobs,
    /// The sockets of its listeners, in their order.
    pub sockets: Vec<TcpListener>,
}

/// Lives until it is stopped by mail, or cannot go on. `on_ready` is called once clients are let in. The error is a line
/// that says why it could not start.
pub async fn live(parts: Parts, on_ready: impl FnOnce(&Config)) -> Result<Outcome, String> {
    let Parts { config, world, jobs, sockets } = parts;
    let (clock, functions) = (world.clock, world.functions);
    let held_bytes_max = config.conn.request_bytes_queued_max.and_then(|bytes| usize::try_from(bytes).ok());
    let client_id = format!("broker-{}", config.broker.id.0).into();
    let body = Body {
        lines: Lines::new(world.telemetry.clone(), client_id, config.conn.request_bytes_max as usize),
        jobs,
        mailbox: world.mailbox.clone(),
        telemetry: world.telemetry.clone(),
        requests_queued_max: config.conn.requests_queued_max as usize,
        held_bytes_max: held_bytes_max.unwrap_or(HELD_BYTES_MAX),
    };
    let engine = match boot::boot(&config, world).await {
        Ok(engine) => engine,
        Err(Unborn::Stopped) => return Ok(Outcome::Stopped),
        Err(Unborn::Refused(line)) => return Err(line),
    };
    let brain = Brain::new(clock, engine, body);
    let connections_max = (config.conn.connections_max as usize).min(descriptors_for_clients());
    let maxima = (connections_max, config.conn.connections_per_ip_max as usize);
    let listening = Listening::new(Rc::clone(&brain), limits(&config), functions, maxima);
    let doors = sockets.into_iter().zip(&config.broker.listeners).enumerate();
    // Voters must reach each other before there can be a controller, and with it anything for clients.
    let (early, late): (Vec<_>, Vec<_>) =
        doors.partition(|(_, (_, listener))| listener.listener_type == ListenerType::Controller);
    let open = |doors: Vec<(usize, (TcpListener, &Listener))>| {
        for (at, (socket, _)) in doors {
            spawn_local(Rc::clone(&listening).run(door(&config.broker, at), socket));
        }
    };
    open(early);
    let open_doors = || {
        open(late);
        on_ready(&config);
    };
    Ok(brain.run(open_doors).await)
}

/// Clients have the listener to themselves that is not the one between brokers, and never that of controllers.
fn door(broker: &BrokerConfig, number: usize) -> Door {
    let listener = &broker.listeners[number];
    let of_brokers = broker.listeners.iter().filter(|one| one.listener_type == ListenerType::Broker).count();
    let is_between = listener.name == broker.inter_broker_listener && of_brokers > 1;
    let is_ours = is_between || listener.listener_type == ListenerType::Controller;
    Door { number, listener_type: listener.listener_type, is_ours }
}

/// So many connections of clients leave enough file descriptors for files, and for brokers and controllers.
fn descriptors_for_clients() -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(usize::MAX, |limit| limit - (limit / 4).min(DESCRIPTORS_KEPT))
}

fn limits(config: &Config) -> ConnLimits {
    let frame_bytes_max = config.conn.request_bytes_max as usize;
    ConnLimits {
        frame_bytes_max,
        idle: config.conn.idle_max,
        // No topic can be told to take a batch that no request can bring.
        batch_bytes_max: frame_bytes_max,
        ..ConnLimits::default()
    }
}

/// Segments that are read and written, the files of the journal and the metadata, and room for a few hundred nodes.
const DESCRIPTORS_KEPT: usize = 1024;

/// What connections may hold in memory if `queued.max.request.bytes` does not say.
const HELD_BYTES_MAX: usize = 1024 * 1024 * 1024;
