//! Every bound of the system that is not a setting, and how they relate.

/// A device block: no write of the journal or of a segment shares one with bytes already acknowledged.
pub const BLOCK_BYTES: usize = 4096;

/// The longest topic name, so that `name-partition` still fits a file name (Kafka's own bound).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The most partitions that one topic may have; the sum over a broker is a matter of memory.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 100_000;

/// How many batches a producer may have in flight and still be deduplicated (KIP-98: five).
pub const PRODUCER_BATCHES_KEPT: usize = 5;

/// The longest chain of nested inputs that one step may set off inside a node before it is a bug of ours.
pub const ROUTE_ROUNDS_MAX: usize = 64;

const _: () = assert!(BLOCK_BYTES.is_power_of_two());
