//! The settings of a topic, and which broker setting speaks for a topic that does not set one.

use super::keys::Kind::{Bool, Fraction, GzipLevel, Int, ListOf, Long, OneOf, Throttled};
use super::keys::Update::ClusterWide;
use super::keys::{ANY_LONG, I32, I64, Key, Kind, accepted, acted, find};

/// The values of `compression.type`; `producer` keeps each batch as it came.
pub(super) const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

/// A broker setting whose value, times `factor`, is the default of a topic setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synonym {
    /// Name of the broker setting.
    pub name: &'static str,
    /// 1, or milliseconds in its unit.
    pub factor: i64,
}

/// The topic setting with this name.
pub fn topic_key(name: &str) -> Option<&'static Key> {
    find(TOPIC_KEYS, name)
}

/// Every topic setting, sorted by name.
pub fn topic_keys() -> &'static [Key] {
    TOPIC_KEYS
}

/// The broker settings that give a topic setting its default, the one that wins first; empty if there are none.
pub fn synonyms(name: &str) -> &'static [Synonym] {
    match SYNONYMS.binary_search_by(|(topic, _)| topic.cmp(&name)) {
        Ok(at) => SYNONYMS[at].1,
        Err(_) => &[],
    }
}

const fn topic(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    acted(name, kind, Some(default), ClusterWide, doc)
}

const fn idle(name: &'static str, kind: Kind, default: &'static str) -> Key {
    accepted(name, kind, Some(default), ClusterWide)
}

const FOREVER: &str = "9223372036854775807";

/// Sorted by name.
#[rustfmt::skip]
const TOPIC_KEYS: &[Key] = &[
    topic("cleanup.policy", ListOf(&["compact", "delete"]), "delete", "delete: segments are deleted by age and size. compact: only the last record of each key need be kept; stored and described, but this version does not compact yet. Empty: everything is kept."),
    idle("compression.gzip.level", GzipLevel, "-1"),
    idle("compression.lz4.level", Int(1, 17), "9"),
    topic("compression.type", OneOf(COMPRESSIONS), "producer", "The compression that batches are stored in; producer keeps them as they came."),
    idle("compression.zstd.level", Int(-131_072, 22), "3"),
    idle("delete.retention.ms", Long(0, I64), "86400000"),
    idle("file.delete.delay.ms", Long(0, I64), "60000"),
    idle("flush.messages", Long(1, I64), FOREVER),
    idle("flush.ms", Long(0, I64), FOREVER),
    topic("follower.replication.throttled.replicas", Throttled, "", "PARTITION:BROKER of the replicas that follower.replication.throttled.rate slows while they are out of sync; * means all."),
    topic("index.interval.bytes", Int(0, I32), "4096", "How many bytes lie between two entries of a segment's index."),
    topic("leader.replication.throttled.replicas", Throttled, "", "PARTITION:BROKER of the leaders that leader.replication.throttled.rate slows towards followers that are out of sync; * means all."),
    idle("local.retention.bytes", Long(-2, I64), "-2"),
    idle("local.retention.ms", Long(-2, I64), "-2"),
    idle("max.compaction.lag.ms", Long(1, I64), FOREVER),
    topic("max.message.bytes", Int(0, I32), "1048588", "The largest batch that is accepted."),
    topic("message.timestamp.after.max.ms", Long(0, I64), "3600000", "How far ahead of the broker's clock a record's timestamp may be, in milliseconds."),
    topic("message.timestamp.before.max.ms", Long(0, I64), FOREVER, "How far behind the broker's clock a record's timestamp may be, in milliseconds."),
    topic("message.timestamp.type", OneOf(&["CreateTime", "LogAppendTime"]), "CreateTime", "Whose clock a record's timestamp is read from: its producer's or the broker's."),
    idle("min.cleanable.dirty.ratio", Fraction, "0.5"),
    idle("min.compaction.lag.ms", Long(0, I64), "0"),
    topic("min.insync.replicas", Int(1, I32), "1", "How many in-sync replicas acks=all needs."),
    idle("preallocate", Bool, "false"),
    idle("remote.log.copy.disable", Bool, "false"),
    idle("remote.log.delete.on.disable", Bool, "false"),
    idle("remote.storage.enable", Bool, "false"),
    topic("retention.bytes", ANY_LONG, "-1", "A partition larger than this loses its oldest segments; a negative value keeps any size."),
    topic("retention.ms", Long(-1, I64), "604800000", "Segments whose newest record is older than this are deleted, in milliseconds; -1 keeps them for ever."),
    topic("segment.bytes", Int(1_048_576, I32), "1073741824", "A segment is closed before it would grow beyond this."),
    idle("segment.index.bytes", Int(4, I32), "10485760"),
    idle("segment.jitter.ms", Long(0, I64), "0"),
    topic("segment.ms", Long(1, I64), "604800000", "A segment older than this is closed, in milliseconds, so that retention can delete it."),
    topic("unclean.leader.election.enable", Bool, "false", "Whether a replica may lead that may lack committed records, if no other can."),
];

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

const fn same(name: &'static str) -> Synonym {
    Synonym { name, factor: 1 }
}

/// Sorted by the topic setting.
const SYNONYMS: &[(&str, &[Synonym])] = &[
    ("cleanup.policy", &[same("log.cleanup.policy")]),
    ("compression.gzip.level", &[same("compression.gzip.level")]),
    ("compression.lz4.level", &[same("compression.lz4.level")]),
    ("compression.type", &[same("compression.type")]),
    ("compression.zstd.level", &[same("compression.zstd.level")]),
    ("delete.retention.ms", &[same("log.cleaner.delete.retention.ms")]),
    ("file.delete.delay.ms", &[same("log.segment.delete.delay.ms")]),
    ("flush.messages", &[same("log.flush.interval.messages")]),
    ("flush.ms", &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")]),
    ("index.interval.bytes", &[same("log.index.interval.bytes")]),
    ("local.retention.bytes", &[same("log.local.retention.bytes")]),
    ("local.retention.ms", &[same("log.local.retention.ms")]),
    ("max.compaction.lag.ms", &[same("log.cleaner.max.compaction.lag.ms")]),
    ("max.message.bytes", &[same("message.max.bytes")]),
    ("message.timestamp.after.max.ms", &[same("log.message.timestamp.after.max.ms")]),
    ("message.timestamp.before.max.ms", &[same("log.message.timestamp.before.max.ms")]),
    ("message.timestamp.type", &[same("log.message.timestamp.type")]),
    ("min.cleanable.dirty.ratio", &[same("log.cleaner.min.cleanable.ratio")]),
    ("min.compaction.lag.ms", &[same("log.cleaner.min.compaction.lag.ms")]),
    ("min.insync.replicas", &[same("min.insync.replicas")]),
    ("preallocate", &[same("log.preallocate")]),
    ("retention.bytes", &[same("log.retention.bytes")]),
    (
        "retention.ms",
        &[
            same("log.retention.ms"),
            Synonym { name: "log.retention.minutes", factor: MINUTE },
            Synonym { name: "log.retention.hours", factor: HOUR },
        ],
    ),
    ("segment.bytes", &[same("log.segment.bytes")]),
    ("segment.index.bytes", &[same("log.index.size.max.bytes")]),
    ("segment.jitter.ms", &[same("log.roll.jitter.ms"), Synonym { name: "log.roll.jitter.hours", factor: HOUR }]),
    ("segment.ms", &[same("log.roll.ms"), Synonym { name: "log.roll.hours", factor: HOUR }]),
    ("unclean.leader.election.enable", &[same("unclean.leader.election.enable")]),
];
