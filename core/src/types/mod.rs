//! Words that every other room speaks: identities, offsets, epochs, times, errors, limits, text and the seeded generator.
//! This room imports nothing of ours.

mod epoch;
mod error;
mod id;
pub mod limit;
mod listener;
mod offset;
mod rng;
mod text;
mod time;

pub use epoch::{BrokerEpoch, Generation, LeaderEpoch, PartitionEpoch, ProducerEpoch};
pub use error::ErrorCode;
pub use id::{BrokerId, CallId, ConnId, FileOpId, LogId, OpId, ProducerId, Ticket, Uuid};
pub use listener::ListenerType;
pub use offset::{Offset, OffsetRange};
pub use rng::Rng;
pub use text::{NotUtf8, Str, quoted};
pub use time::{Mono, Now, Wall};
