//! Sockets: accepting connections, making our own to other brokers, and moving bytes between them and their machines.

mod link;
mod listen;
mod peer;
mod stream;

pub use link::{End, Link};
pub use listen::{Door, Listening, bind, every_interface};
pub use peer::Lines;
