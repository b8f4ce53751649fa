//! The simulator: one thread, one heap of events, one seed. It drives the very node, connection, store and recovery that
//! production runs, through crashes, cuts, skewed clocks and failing disks, and judges them from outside.

mod agree;
mod calls;
pub mod case;
pub mod chain;
mod check;
pub mod client;
pub mod clock;
pub mod cluster;
mod coup;
pub mod cut;
pub mod disk;
pub mod disks;
pub mod fault;
pub mod fleet;
pub mod flight;
pub mod groups;
pub mod hunt;
pub mod ledger;
mod links;
pub mod machine;
pub mod model;
pub mod net;
pub mod page;
pub mod plan;
#[cfg(feature = "plant")]
pub mod plants;
pub mod process;
pub mod report;
pub mod rest;
pub mod run;
mod settings;
pub mod shrink;
pub mod solo;
mod strike;
#[cfg(feature = "plant")]
pub mod voters;
pub mod world;
