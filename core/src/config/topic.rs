//! The settings of one topic, typed: its own where it has any, else the broker's, else Kafka's default.

use super::keys::items;
use super::read::{Mistake, Reader, lookup, millis};
use super::{Config, Key, Setting, Synonym, Throttled, broker_key, synonyms, topic_key, topic_keys};
use crate::boundary::LogSettings;
use crate::record::{Compression, TimestampType, TopicRules};
use crate::types::Str;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// What a topic sets of its own: name → text.
pub type Overrides = BTreeMap<Str, Str>;

/// The settings of one topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TopicConfig {
    /// What the store does with its logs.
    pub log: LogSettings,
    /// What a batch must be to get in.
    pub rules: TopicRules,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`.
    pub unclean_election: bool,
    /// `leader.replication.throttled.replicas`.
    pub leaders_throttled: Throttled,
    /// `follower.replication.throttled.replicas`.
    pub followers_throttled: Throttled,
}

impl TopicConfig {
    /// Reads what a topic sets of its own over what the broker says. All mistakes at once; an unknown name is one.
    pub fn read(overrides: &Overrides, config: &Config) -> Result<Self, Vec<Mistake>> {
        let mut mistakes: Vec<Mistake> = overrides.iter().filter_map(|(name, value)| mistake(name, value)).collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let value = |name: &str| topic_value(topic_key(name).expect("a topic setting"), overrides, config);
        let number = |name: &str| value(name).parse::<i64>().unwrap_or(0);
        if number("min.compaction.lag.ms") > number("max.compaction.lag.ms") {
            mistakes.push(refused(
                "min.compaction.lag.ms",
                &value("min.compaction.lag.ms"),
                "at most max.compaction.lag.ms",
            ));
        }
        if value("remote.storage.enable").eq_ignore_ascii_case("true") {
            mistakes.push(refused("remote.storage.enable", "true", "false: tiered storage is not built"));
        }
        if mistakes.is_empty() { Ok(typed(value)) } else { Err(mistakes) }
    }

    /// True where only the last record of each key need be kept.
    pub fn is_compacted(&self) -> bool {
        self.rules.compacted
    }

    /// What a topic has that sets nothing of its own, while the configuration is still being read.
    pub(super) fn defaults(reader: &mut Reader) -> Self {
        let own = Overrides::new();
        let good = |setting: &Setting| broker_key(&setting.key).is_some_and(|key| key.check(&setting.value).is_ok());
        let value = |name: &str| {
            let key = topic_key(name).expect("a topic setting");
            effective(key, &own, &reader.settings, good)
        };
        let settings = typed(value);
        // Some broker settings allow what the topic settings that they stand for do not, such as `log.roll.ms=0`.
        let wrong = topic_keys().iter().filter_map(|key| {
            let allowed = key.check(&value(key.name)).err()?;
            let set = synonyms(key.name).iter().find(|synonym| lookup(&reader.settings, synonym.name).is_some())?;
            Some((set.name, allowed))
        });
        let mut wrong: Vec<(&str, String)> = wrong.collect();
        if settings.log.retention_age == Some(Duration::ZERO) {
            wrong.push(("log.retention.ms", "-1, or at least 1".to_string()));
        }
        wrong.iter().for_each(|(name, allowed)| reader.mistake(name, allowed));
        settings
    }
}

/// The text of a topic setting: the topic's own, the broker's, or Kafka's default.
pub fn topic_value(key: &Key, overrides: &Overrides, config: &Config) -> String {
    effective(key, overrides, &config.settings, |_| true)
}

fn effective(key: &Key, overrides: &Overrides, settings: &[Setting], good: impl Fn(&Setting) -> bool) -> String {
    if let Some(own) = overrides.get(key.name.as_bytes()) {
        return key.kind.shown(own);
    }
    for synonym in synonyms(key.name) {
        let Some(setting) = lookup(settings, synonym.name).filter(|setting| good(setting)) else { continue };
        return in_topic_terms(key, &key.kind.shown(&setting.value), synonym);
    }
    key.default.unwrap_or_default().to_string()
}

/// The text of a broker setting as the text of the topic setting that it stands for: in the topic's unit, and with
/// one number for "for ever" where the broker has many.
pub(crate) fn in_topic_terms(key: &Key, text: &str, synonym: &Synonym) -> String {
    match text.parse::<i64>() {
        Ok(number) if number < 0 && key.name == "retention.ms" => "-1".to_string(),
        Ok(number) if synonym.factor != 1 => number.saturating_mul(synonym.factor).to_string(),
        Ok(_) | Err(_) => text.to_string(),
    }
}

fn mistake(name: &Str, value: &Str) -> Option<Mistake> {
    let Some(key) = topic_key(name) else {
        let allowed = format!("left out: there is no topic setting {name}");
        return Some(Mistake { key: name.clone(), value: value.clone(), origin: Str::new(), allowed });
    };
    let allowed = key.check(value).err()?;
    Some(Mistake { key: name.clone(), value: value.clone(), origin: Str::new(), allowed })
}

fn refused(name: &'static str, value: &str, allowed: &str) -> Mistake {
    Mistake { key: Str::from_static(name), value: value.into(), origin: Str::new(), allowed: allowed.to_string() }
}

/// Checked texts → types.
fn typed(value: impl Fn(&str) -> String) -> TopicConfig {
    let number = |name: &str| value(name).parse::<i64>().unwrap_or(0);
    let policy = value("cleanup.policy");
    let has = |policy_name: &str| items(&policy).any(|item| item == policy_name);
    let segment_bytes = u32::try_from(number("segment.bytes")).unwrap_or(u32::MAX);
    TopicConfig {
        log: LogSettings {
            segment_bytes,
            segment_age: millis(number("segment.ms")).unwrap_or_default(),
            index_interval_bytes: u32::try_from(number("index.interval.bytes")).unwrap_or(u32::MAX),
            retention_age: millis(number("retention.ms")),
            retention_bytes: u64::try_from(number("retention.bytes")).ok(),
            delete: has("delete"),
        },
        rules: TopicRules {
            batch_bytes_max: usize::try_from(number("max.message.bytes")).unwrap_or(0),
            segment_bytes: segment_bytes as usize,
            compacted: has("compact"),
            timestamp_type: match value("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            compression: match value("compression.type").as_str() {
                "uncompressed" => Some(Compression::None),
                "gzip" => Some(Compression::Gzip),
                "snappy" => Some(Compression::Snappy),
                "lz4" => Some(Compression::Lz4),
                "zstd" => Some(Compression::Zstd),
                _ => None,
            },
        },
        min_insync_replicas: usize::try_from(number("min.insync.replicas")).unwrap_or(1),
        unclean_election: value("unclean.leader.election.enable").eq_ignore_ascii_case("true"),
        leaders_throttled: Throttled::parse(&value("leader.replication.throttled.replicas")),
        followers_throttled: Throttled::parse(&value("follower.replication.throttled.replicas")),
    }
}
