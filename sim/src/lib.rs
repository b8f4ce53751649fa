//! The simulator: one thread, one heap of events, one seed. It drives the very node, connection, store and recovery that
//! production runs, through crashes, cuts, skewed clocks and failing disks, and judges them from outside.

pub mod client;
pub mod clock;
pub mod disk;
pub mod model;
pub mod net;
