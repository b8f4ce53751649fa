//! The broker: everything that `ottla_core` decides is done here, with sockets, files, threads and clocks.
//!
//! ```text
//!   sockets ── net ──▶ ┌───────┐ ◀── mail ── disk threads
//!                      │ brain │ ◀── mail ── job threads
//!   sockets ◀─ net ─── └───────┘ ◀── mail ── http thread
//! ```
//!
//! Net and brain share one thread, so that a request is stepped in the turn that read it.

pub mod boot;
pub mod brain;
pub mod cli;
pub mod clock;
pub mod disk;
mod door;
pub mod engine;
pub mod flags;
pub mod flight;
mod flurry;
pub mod home;
pub mod http;
pub mod intake;
pub mod jobs;
pub mod life;
pub mod mail;
pub mod meta;
pub mod net;
pub mod port;
pub mod room;
pub mod seam;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod teller;
mod watch;
pub mod welcome;
