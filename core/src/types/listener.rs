//! Whom a listener is for.

/// Each type of listener answers APIs of its own (KIP-595, KIP-919).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ListenerType {
    /// Clients, and brokers that fetch records.
    Broker,
    /// The voters of the metadata quorum, brokers that observe it, and tools that speak to it directly.
    Controller,
}
