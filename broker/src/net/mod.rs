//! Sockets: accepting connections, and moving bytes between them and their machines.

mod link;
mod listen;
mod stream;

pub use link::{End, Link};
pub use listen::{Listening, bind};
