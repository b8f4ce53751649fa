//! The cluster's metadata as every broker knows it. Records of the metadata log go in, an [`Image`] comes out, and
//! answers are pure functions of it.
//!
//! ```text
//!   log ── Replay ──▶ MetadataRecord ── advance ──▶ (Image, Delta) ── answer::* ──▶ responses
//!                                                       │
//!                                                       └── Delta::logs ──▶ what this broker has to do
//! ```

pub mod answer;
mod apply;
mod delta;
pub mod features;
mod image;
mod name;
pub mod record;
mod replay;
mod shared_map;
mod snapshot;

pub use apply::{Unfit, advance};
pub use delta::{Delta, LogChange};
pub use image::{Broker, Endpoint, FeatureRange, Image, Partition, Resource, Topic, is_internal};
pub use name::check_name;
pub use record::MetadataRecord;
pub use replay::Replay;
pub use shared_map::SharedMap;

#[cfg(test)]
#[path = "metadata_test.rs"]
mod metadata_test;
