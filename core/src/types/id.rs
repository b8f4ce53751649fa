//! Identities. Each is a type of its own, so that a connection can never be taken for a request.

use core::fmt;

/// A 128-bit id as Kafka uses it for topics, clusters and directories; printed as 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// No id at all; on the wire this means "not given".
    pub const ZERO: Self = Self([0; 16]);
    /// The topic id that is reserved for the metadata log (`Uuid.METADATA_TOPIC_ID` of Kafka).
    pub const METADATA_TOPIC: Self = Self(1u128.to_be_bytes());
    /// Where replicas are that are nowhere any more (`DirectoryId.LOST` of Kafka, KIP-858).
    pub const LOST_DIRECTORY: Self = Self(1u128.to_be_bytes());

    /// True for [`Uuid::ZERO`].
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Reads the 22 characters that [`fmt::Display`] writes (padding is accepted); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches('=').as_bytes();
        if digits.len() != 22 {
            return None;
        }
        let mut value: u128 = 0;
        for (at, digit) in digits.iter().enumerate() {
            let six = ALPHABET.iter().position(|known| known == digit)? as u128;
            // The last digit carries two bits only; its four low bits are padding.
            if at == 21 {
                value = value << 2 | six >> 4;
            } else {
                value = value << 6 | six;
            }
        }
        Some(Self(value.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        for at in 0..22u32 {
            let six = if at == 21 { value << 4 } else { value >> (122 - 6 * at) };
            let digit = ALPHABET[(six & 63) as usize];
            write!(f, "{}", digit as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One log: a partition of a topic. Topic ids are never reused, so a `LogId` outlives deletion and re-creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The topic's id.
    pub topic: Uuid,
    /// The partition's index, from 0.
    pub partition: i32,
}

impl LogId {
    /// The metadata log of the cluster.
    pub const METADATA: Self = Self { topic: Uuid::METADATA_TOPIC, partition: 0 };
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A broker (or controller) of the cluster: Kafka's `node.id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BrokerId(pub i32);

impl Ticket {
    /// The first ticket that a connection can have.
    pub const fn first(conn: ConnId) -> Self {
        Self { conn, seq: 0 }
    }

    /// The last ticket that a connection can have.
    pub const fn last(conn: ConnId) -> Self {
        Self { conn, seq: u64::MAX }
    }
}

impl BrokerId {
    /// "Nobody", as the protocol writes it.
    pub const NONE: Self = Self(-1);
}

/// A producer that numbers its batches (KIP-98); `-1` is a producer that does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A producer without idempotence.
    pub const NONE: Self = Self(-1);
}

/// One connection of one incarnation of this process; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

impl ConnId {
    /// Nobody's connection: under it coordinators ask for appends to their own logs.
    pub const INTERNAL: Self = Self(u64::MAX);
}

/// Somebody waits for exactly one answer: request number `seq` of connection `conn`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket {
    /// The connection that asked.
    pub conn: ConnId,
    /// Requests of one connection are numbered from 0 and answered in this order.
    pub seq: u64,
}

/// A request of our own to another broker; ends in exactly one response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// A piece of work for the store or the job threads; ends in exactly one `Done`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);

/// One file operation of the store; ends in exactly one completion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileOpId(pub u64);

#[cfg(test)]
#[path = "id_test.rs"]
mod id_test;
