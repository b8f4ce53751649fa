//! `listeners`, `advertised.listeners` and what belongs to them.

use super::Roles;
use super::keys::items;
use super::read::Reader;
use crate::types::{ListenerType, Str};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// A name, an IPv4 or an IPv6 address (without brackets); empty for every interface.
    pub host: Str,
    /// 0 lets the operating system choose.
    pub port: u16,
}

/// One address that others reach us at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Listener {
    /// Its name, in capitals.
    pub name: Str,
    /// Whom it is for: `controller.listener.names` has those of controllers.
    pub listener_type: ListenerType,
    /// Where to listen.
    pub bind: Address,
    /// What others are told to use. An empty host or port 0 is for the shell to fill in once it listens; `None` is a
    /// listener that is not advertised.
    pub advertised: Option<Address>,
}

impl Address {
    /// Reads `host:port` and `[v6]:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let good = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
        let port = port.parse().ok().filter(|_| port.bytes().all(|digit| digit.is_ascii_digit()))?;
        good.then(|| Self { host: Str::from(host), port })
    }

    /// Can others connect to it as it is written?
    pub(super) fn is_reachable(&self) -> bool {
        self.port != 0 && !self.host.is_empty() && !self.is_everywhere()
    }

    fn is_everywhere(&self) -> bool {
        self.host == "0.0.0.0" || self.host == "::"
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// All listeners, those for clients first.
pub(super) fn read(reader: &mut Reader, roles: Roles) -> Vec<Listener> {
    let controllers: Vec<String> = names(reader.text("controller.listener.names").unwrap_or_default());
    let mut protocols = protocols(reader);
    if !reader.is_set(PROTOCOL_MAP) {
        // As in Kafka: whoever does not say how controllers speak means that they speak plainly.
        protocols.extend(controllers.iter().map(|name| (name.clone(), "PLAINTEXT".to_string())));
    }
    let bound = addresses(reader, "listeners");
    let told = addresses(reader, "advertised.listeners");
    let mut listeners: Vec<Listener> = Vec::new();
    for (name, bind) in bound {
        check_protocol(reader, &name, &protocols);
        if listeners.iter().any(|other| other.name == *name) {
            reader.mistake("listeners", "a list in which each listener has a name of its own");
        }
        if bind.port != 0 && listeners.iter().any(|other| other.bind == bind) {
            reader.mistake("listeners", "a list in which each listener has an address of its own");
        }
        let is_controller = controllers.contains(&name);
        let own = told.iter().find(|(other, _)| *other == name).map(|(_, address)| address.clone());
        // Those of controllers are told as they are unless somebody says otherwise (KIP-853).
        let advertised = if told.is_empty() || is_controller { own.or(Some(bind.clone())) } else { own };
        if !is_controller && advertised.as_ref().is_some_and(Address::is_everywhere) {
            let allowed = "an address that a client can connect to; 0.0.0.0 is not one";
            reader.mistake(if told.is_empty() { "listeners" } else { "advertised.listeners" }, allowed);
        }
        let listener_type = if is_controller { ListenerType::Controller } else { ListenerType::Broker };
        listeners.push(Listener { name: Str::from(name), listener_type, bind, advertised });
    }
    if told.iter().any(|(name, _)| !listeners.iter().any(|one| one.name == **name)) {
        reader.mistake("advertised.listeners", "a list whose names are names of listeners");
    }
    let has = |name: &String| listeners.iter().any(|one| one.name == **name);
    match roles {
        Roles::Controller | Roles::BrokerAndController if !controllers.iter().all(has) => {
            reader.mistake("controller.listener.names", "a list whose names are names of listeners");
        }
        // It names the listener of the node that is the controller.
        Roles::Broker if controllers.iter().any(has) => {
            reader.mistake("controller.listener.names", "without names of listeners: this node is a broker only");
        }
        Roles::Broker | Roles::Controller | Roles::BrokerAndController => {}
    }
    let is_for_clients = |one: &Listener| one.listener_type == ListenerType::Broker;
    if !roles.is_broker() && listeners.iter().any(is_for_clients) {
        reader.mistake("listeners", "listeners of controller.listener.names alone: this node is a controller only");
    }
    if roles.is_broker() && !listeners.iter().any(|one| is_for_clients(one) && one.advertised.is_some()) {
        reader.mistake("listeners", "a list with at least one listener for clients");
    }
    listeners.sort_by_key(|one| !is_for_clients(one));
    listeners
}

/// `inter.broker.listener.name`. As in Kafka it is the one called PLAINTEXT if nobody says otherwise; unlike there any other
/// will do if none is called so. Who is no broker needs none.
pub(super) fn between_brokers(reader: &mut Reader, listeners: &[Listener], roles: Roles) -> Str {
    const NAME: &str = "inter.broker.listener.name";
    if !roles.is_broker() {
        return Str::default();
    }
    let can_be = |one: &&Listener| one.listener_type == ListenerType::Broker && one.advertised.is_some();
    let named = |name: &str| listeners.iter().filter(can_be).find(|one| one.name == *name);
    if let Some(given) = reader.text(NAME).map(str::to_ascii_uppercase) {
        if reader.is_set("security.inter.broker.protocol") {
            reader.mistake(NAME, "left out where security.inter.broker.protocol is set, or that one left out");
        }
        match named(&given) {
            Some(one) => return one.name.clone(),
            None => reader.mistake(NAME, "the name of a listener that is advertised and not for controllers"),
        }
    }
    let chosen = named("PLAINTEXT").or_else(|| listeners.iter().find(can_be));
    chosen.map(|one| one.name.clone()).unwrap_or_default()
}

fn names(list: &str) -> Vec<String> {
    items(list).map(str::to_ascii_uppercase).collect()
}

/// Name → security protocol, as `listener.security.protocol.map` has it.
fn protocols(reader: &mut Reader) -> Vec<(String, String)> {
    let read = |pair: &str| {
        let (name, protocol) = pair.split_once(':')?;
        Some((name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase()))
    };
    let pairs: Option<Vec<_>> = items(reader.text(PROTOCOL_MAP).unwrap_or_default()).map(read).collect();
    pairs.unwrap_or_else(|| {
        reader.mistake(PROTOCOL_MAP, "a list of LISTENER:PROTOCOL");
        Vec::new()
    })
}

fn check_protocol(reader: &mut Reader, name: &str, protocols: &[(String, String)]) {
    match protocols.iter().find(|(known, _)| known == name).map(|(_, protocol)| protocol.as_str()) {
        Some("PLAINTEXT") => {}
        Some(_) => reader.mistake("listeners", "PLAINTEXT: this version speaks neither TLS nor SASL"),
        None => reader.mistake("listeners", &format!("without {name}, or listener.security.protocol.map must name it")),
    }
}

/// `NAME://host:port` items of a list.
fn addresses(reader: &mut Reader, key: &'static str) -> Vec<(String, Address)> {
    let read = |item: &str| {
        let (name, address) = item.split_once("://")?;
        let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        Some((name.to_ascii_uppercase(), Address::parse(address)?)).filter(|_| good)
    };
    let list = reader.text(key).unwrap_or_default().to_string();
    let all: Option<Vec<_>> = items(&list).map(read).collect();
    all.unwrap_or_else(|| {
        reader.mistake(key, "a list of NAME://host:port, with ports up to 65535");
        Vec::new()
    })
}

const PROTOCOL_MAP: &str = "listener.security.protocol.map";
