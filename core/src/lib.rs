//! The deterministic heart of Ottla. Every decision of the replicated log is made here, and nothing is done here: clock,
//! chance, disk and network enter as arguments and leave as effects. `broker` (production) and `sim` (simulation) act.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod boundary;
pub mod config;
pub mod conn;
pub mod controller;
pub mod flight;
pub mod group;
pub mod log;
pub mod metadata;
pub mod msg;
pub mod node;
pub mod partition;
pub mod plant;
pub mod quorum;
pub mod record;
pub mod shard;
pub mod store;
pub mod types;
pub mod wire;
