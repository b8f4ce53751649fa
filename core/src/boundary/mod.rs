//! The boundary of the core: plain data in, plain data out, seven promises (see the crate's first page).
//!
//! ```text
//!            Input                                   Effect
//!   socket ─── Produce, Request ──▶ ┌──────┐ ──▶ Reply, Serve, Hangup ─── socket
//!   disk   ─── Done, Served ──────▶ │ Node │ ──▶ Store, Read ──────────── disk
//!   threads ── Done ──────────────▶ │      │ ──▶ Job ──────────────────── threads
//!   peers  ─── Response, Closed ──▶ └──────┘ ──▶ Call ─────────────────── peers
//!   clock  ─── Wake                          ──▶ Halt
//! ```

mod action;
mod effect;
mod file;
mod ice;
mod input;
mod note;

pub use action::{Action, CopyId, HardState, LogSettings, LogSpec, Mark, MoveStep, Promotion, Query};
pub use effect::{Effect, Effects, Fault, Job, Line, Purpose, Slot, answer_bytes};
pub use file::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
pub use ice::{Digest, Ice};
pub use input::{Asker, DiskFault, Done, Input, JobDone, Lost, MoveStage, Produce, ProducePartition, ProduceTopic};
pub use note::{Ignored, Note, Turn};
