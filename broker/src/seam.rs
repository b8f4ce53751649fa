//! The only place that knows whether sockets, time and tasks are real or simulated (`--cfg madsim`).

#[cfg(not(madsim))]
pub use tokio::net::{TcpListener, TcpStream};
#[cfg(not(madsim))]
pub use tokio::task::{JoinHandle, spawn_local};
#[cfg(not(madsim))]
pub use tokio::time::{Instant, Sleep, sleep};

#[cfg(madsim)]
pub use madsim_tokio::net::{TcpListener, TcpStream};
#[cfg(madsim)]
pub use madsim_tokio::task::{JoinHandle, spawn_local};
#[cfg(madsim)]
pub use madsim_tokio::time::{Instant, Sleep, sleep};

/// True if everything around the broker is simulated.
pub const IS_SIMULATED: bool = cfg!(madsim);
