//! Every bound of the system that is not a setting, and how they relate.

use core::time::Duration;

/// A device block: no write of the journal or of a segment shares one with bytes already acknowledged.
pub const BLOCK_BYTES: usize = 4096;

/// The longest topic name, so that `name-partition` still fits a file name (Kafka's own bound).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The most data directories that a broker may have.
pub const DIRECTORIES_MAX: usize = 64;

/// The most partitions that one topic may have; the sum over a broker is a matter of memory.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 100_000;

/// The most partitions that one request may create, as in Kafka: they are decided and committed as one batch.
pub const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// The longest value that a setting of a topic or a broker may have, as in Kafka.
pub const SETTING_BYTES_MAX: usize = i16::MAX as usize;

/// How many batches a producer may have in flight and still be deduplicated (KIP-98: five).
pub const PRODUCER_BATCHES_KEPT: usize = 5;

/// How many numbering producers one log remembers before it forgets those that were silent longest: about 3 MB, and a look
/// at all of them stays a short step.
pub const PRODUCERS_PER_LOG_MAX: usize = 10_000;

/// What a compressed batch may always unpack to, however small it is: eight default batches of the largest size.
pub const RECORDS_BYTES_FREE: usize = 8 << 20;

/// How many bytes one compressed byte may become beyond that: what deflate can reach at best. Only zstd of nearly constant
/// data goes further.
pub const RECORDS_RATIO_MAX: usize = 1032;

/// What a compressed batch may unpack to at the very most. It bounds the memory and the time (about 50 ms) that one
/// batch can cost its connection's thread. A client that meets it is told MESSAGE_TOO_LARGE and splits the batch.
pub const RECORDS_BYTES_MAX: usize = 64 << 20;

/// How much of a scratch buffer survives an unusually large batch.
pub const SCRATCH_KEPT_BYTES: usize = 1 << 20;

/// How many records of a refused batch are named one by one (KIP-467).
pub const RECORD_ERRORS_MAX: usize = 100;

/// How many of the newest batches of a partition are remembered with their sizes, to judge a fetch's `min_bytes`.
pub const RECENT_BATCHES_KEPT: usize = 64;

/// `replica.lag.time.max.ms` as Kafka has it by default: a follower that was not caught up for so long leaves the ISR.
pub const REPLICA_LAG_MAX: Duration = Duration::from_secs(30);

/// How long a follower waits before it asks again, after its disk was full.
pub const FULL_DISK_PAUSE: Duration = Duration::from_secs(1);

/// A fetch session is safe from eviction for this long after it was last used, or made (Kafka's own bound).
pub const FETCH_SESSION_KEPT: Duration = Duration::from_secs(120);

/// The most partitions that all fetch sessions of a broker name together: about 75 MB. A fetch that would name more is
/// answered in full and without a session, as if there were no slot for one.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 100_000;

/// The most member ids that one group promises at a time (KIP-394) and that nobody has come back with: about 10 MB.
pub const MEMBERS_PROMISED_MAX: usize = 10_000;

/// The longest explanation beside an error code, in bytes: not all versions of the protocol carry more than 32767, and
/// what a client wrote is not to be sent back to it whole.
pub const EXPLANATION_BYTES_MAX: usize = 2000;

/// How much of a name or value that a client wrote is quoted to it, in bytes.
pub const QUOTED_BYTES_MAX: usize = 200;

/// What one request may cost a step, counted in partitions that are looked for and asked: just below a millisecond. What
/// costs more is worked off in pieces of a quarter of it.
pub const REQUEST_COST_MAX: usize = 200;

/// How many requests are worked off in pieces at a time: what they have of their answers is held in memory.
pub const REQUESTS_SLICED_MAX: usize = 8;

/// The longest answer that is put together of pieces: what librdkafka takes at most unless told otherwise.
pub const ANSWER_BYTES_MAX: usize = 100_000_000;

/// The longest chain of nested inputs that one step may set off inside a node before it is a bug of ours.
pub const ROUTE_ROUNDS_MAX: usize = 64;

const _: () = assert!(BLOCK_BYTES.is_power_of_two());
const _: () = assert!(RECORDS_BYTES_FREE < RECORDS_BYTES_MAX && SCRATCH_KEPT_BYTES < RECORDS_BYTES_FREE);
