//! The first lines that a person sees: how to reach the broker and what to try.

use ottla_core::config::{Config, Durability};
use ottla_core::types::ListenerType;
use std::net::IpAddr;
use std::path::Path;
use tracing::info;

/// The text for a terminal. `program` is what this one was started as.
pub fn text(config: &Config, directory: &Path, program: &str) -> String {
    let (addresses, controllers) =
        (addresses(config, ListenerType::Broker), addresses(config, ListenerType::Controller));
    let ready_at = if addresses.is_empty() { &controllers } else { &addresses };
    let ready_at = ready_at.join(", ");
    let promise = match config.store.durability {
        Durability::Durable => "an acknowledged record is on disk",
        Durability::Relaxed => "relaxed: a power failure may lose acknowledged records",
    };
    let mut text = format!("\nOttla {} is ready at {ready_at}\n\n", env!("CARGO_PKG_VERSION"));
    text += &format!("  data        {} ({promise})\n", directory.display());
    if let Some(http) = &config.conn.http {
        text += &format!("  http        http://{http}/metrics  /health  /ready\n");
    }
    if !controllers.is_empty() {
        text += &format!("  control     --bootstrap-controller {}\n", controllers.join(","));
    }
    if let Some(address) = addresses.first() {
        text += &things_to_try(address, program);
    }
    text += "  stop        Ctrl-C\n";
    text
}

fn things_to_try(address: &str, program: &str) -> String {
    let mut text = format!("  write       echo hello | kcat -b {address} -t greetings -P\n");
    text += &format!("  read        kcat -b {address} -t greetings -C -e\n");
    text += &format!(
        "  python      from confluent_kafka import Producer; p = Producer({{'bootstrap.servers': '{address}'}}); \
         p.produce('greetings', 'hello'); p.flush()\n"
    );
    text +=
        &format!("  no client   {program} produce greetings -b {address}   {program} consume greetings -b {address}\n");
    text
}

/// The same for a program that reads the log: one line with the facts.
pub fn log(config: &Config, directory: &Path) {
    let version = env!("CARGO_PKG_VERSION");
    let listeners = [ListenerType::Broker, ListenerType::Controller].map(|of| addresses(config, of)).concat().join(",");
    let data = directory.display().to_string();
    let http = config.conn.http.as_ref().map(ToString::to_string);
    let durability = match config.store.durability {
        Durability::Durable => "durable",
        Durability::Relaxed => "relaxed",
    };
    info!(version, listeners, data, http, durability, "Ottla {version} is ready at {listeners}");
}

fn addresses(config: &Config, of: ListenerType) -> Vec<String> {
    let listeners = config.broker.listeners.iter().filter(|one| one.listener_type == of);
    listeners.filter_map(|one| one.advertised.as_ref()).map(ToString::to_string).collect()
}

/// A line for each listener that strangers can reach.
pub fn warnings(config: &Config) -> Vec<String> {
    let is_open = |host: &str| match host.parse::<IpAddr>() {
        Ok(address) => !address.to_canonical().is_loopback(),
        Err(_) => host != "localhost",
    };
    let open = config.broker.listeners.iter().filter(|listener| is_open(&listener.bind.host));
    let listeners = open.map(|listener| {
        format!(
            "listener {}://{} is beyond this machine and asks nobody who they are: everyone who reaches it can read, \
             write and delete everything",
            listener.name, listener.bind
        )
    });
    let http = config.conn.http.iter().filter(|address| is_open(&address.host)).map(|address| {
        format!(
            "ottla.http.listener {address} is beyond this machine and asks nobody who they are: everyone who reaches it \
             can read the names of topics and groups"
        )
    });
    listeners.chain(http).collect()
}

#[cfg(test)]
#[path = "welcome_test.rs"]
mod welcome_test;
