//! A port of this machine's loopback that is kept for a process which comes later, and comes again.
//!
//! ```text
//!   bound, never listening:  Reserved ──────────────────────────────────────────── dropped
//!   bound and listening:          └── broker ──── killed    └── broker ──── ended
//! ```
//!
//! A port that was merely free a moment ago is anybody's: the kernel gives it to the next listener that asks for any, or
//! to a connection that goes out, which on loopback may even reach itself. One that is bound it gives to nobody who does
//! not name it, and whoever names it may listen, since both ends set `SO_REUSEADDR` and only one of them listens.

use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

/// A port of 127.0.0.1 that nobody is given by chance as long as this is there.
#[derive(Debug)]
pub struct Reserved {
    number: u16,
    /// Holds it; closed when a program is started from here.
    _socket: OwnedFd,
}

impl Reserved {
    /// Any port. The error is the system's: it has no port or no descriptor left.
    pub fn any() -> io::Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
        Ok(Self { number: address.port(), _socket: socket })
    }

    /// The port.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `host:port`, as settings and clients want it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
#[path = "port_test.rs"]
mod port_test;
