//! Requests, responses and records, free of versions: one struct holds the fields of every version of a message, its
//! `Default` is Kafka's, and names are Kafka's in snake case. Generated from `core/schema`; the wire code is in [`crate::wire`].

#[allow(missing_docs, clippy::all, reason = "generated: the schema is its documentation")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/msg.rs"));

    use super::ApiFacts;
    include!(concat!(env!("OUT_DIR"), "/sums.rs"));
}

pub use generated::*;

mod newest;

use crate::types::ListenerType;

/// The name and the versions of an API; both ends are included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiFacts {
    /// Kafka's name, as `ListOffsets`.
    pub name: &'static str,
    /// The lowest version that is answered.
    pub first: i16,
    /// The highest version that is answered.
    pub last: i16,
    /// The lowest version that ApiVersions announces; below `first` only where clients would otherwise misbehave.
    pub announced_first: i16,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub flexible_first: i16,
    /// Answered on a listener of [`ListenerType::Broker`].
    pub on_broker: bool,
    /// Answered on a listener of [`ListenerType::Controller`].
    pub on_controller: bool,
}

impl ApiKey {
    /// Kafka's number of the API.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// True for the versions that are decoded and answered.
    pub const fn speaks(self, version: i16) -> bool {
        let facts = self.facts();
        facts.first <= version && version <= facts.last
    }

    /// True where a listener of this type takes the API.
    pub const fn is_on(self, listener: ListenerType) -> bool {
        match listener {
            ListenerType::Broker => self.facts().on_broker,
            ListenerType::Controller => self.facts().on_controller,
        }
    }

    /// True where the version has compact lengths and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.facts().flexible_first
    }
}
