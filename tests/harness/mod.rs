//! Broker processes and client programs, for the tests with real clients and for the benches.

pub mod broker;
pub mod cluster;
pub mod driver;
pub mod flood;
pub mod log;
pub mod probe;
pub mod tools;
