//! From text to [`Config`]: every value is checked against its row, then the rules that tie several settings together.

use super::keys::{Key, broker_key, items};
use super::{
    BrokerConfig, Config, ConnConfig, Durability, FetchConfig, FlightConfig, GroupConfig, LeadersConfig, OffsetsConfig,
    ProducerConfig, StoreConfig, TopicConfig, TopicsConfig, listener, quorum,
};
use crate::types::limit::DIRECTORIES_MAX;
use crate::types::{BrokerId, Str, quoted};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// One setting as somebody wrote it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Setting {
    /// Kafka's name of it, or one of ours.
    pub key: Str,
    /// The text.
    pub value: Str,
    /// Where it was written, for people: a file and line, `--set`, a variable of the environment.
    pub origin: Str,
}

/// A value that is not allowed. Prints as one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The key.
    pub key: Str,
    /// The value, unless it is a secret.
    pub value: Str,
    /// Where it was written; empty for a default.
    pub origin: Str,
    /// What is allowed.
    pub allowed: String,
}

/// Something a person should know about a setting that was read. Prints as one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The key.
    pub key: Str,
    /// Where it was written.
    pub origin: Str,
    /// What about it.
    pub what: &'static str,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}: must be {}", quoted(&self.key), quoted(&self.value), self.allowed)?;
        if self.origin.is_empty() { Ok(()) } else { write!(f, " ({})", self.origin) }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.key, self.what, self.origin)
    }
}

/// Settings that protect something: to accept them without effect would leave open what was meant to be closed. Those that
/// only say how (ciphers, key store types, time-outs of a login) close nothing by themselves and are accepted.
const REFUSED: &[&str] = &[
    "alter.config.policy.class.name",
    "authorizer.class.name",
    "create.topic.policy.class.name",
    "principal.builder.class",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.server.callback.handler.class",
    "security.inter.broker.protocol",
    "ssl.client.auth",
    "ssl.engine.factory.class",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
];

/// Was something meant to be closed by this? A value that is the default closes nothing, and neither does an empty one.
/// `listener.name.NAME.` before a key makes it that of one listener.
fn protects(setting: &Setting) -> Option<&'static Key> {
    let of_listener = setting.key.strip_prefix("listener.name.");
    let is_it = |name: &str| match of_listener {
        Some(rest) => rest.strip_suffix(name).is_some_and(|before| before.ends_with('.')),
        None => setting.key == *name,
    };
    let name = REFUSED.iter().find(|name| is_it(name))?;
    let key = broker_key(name).expect("what is refused has a row");
    let value = setting.value.trim();
    let is_idle = value.is_empty() || key.default.is_some_and(|default| key.kind.shown(value) == default);
    (!is_idle).then_some(key)
}

/// The last of the settings of this key; they are sorted.
pub(super) fn lookup<'a>(settings: &'a [Setting], key: &str) -> Option<&'a Setting> {
    settings.binary_search_by(|setting| setting.key.as_str().cmp(key)).ok().map(|at| &settings[at])
}

/// Settings in the order they were given → configuration.
pub(super) fn read(given: Vec<Setting>) -> Result<(Config, Vec<Notice>), Vec<Mistake>> {
    let mut settings = given;
    // Stable, so that of several settings of one key the last given ends up last; only that one stays.
    settings.sort_by(|one, two| one.key.cmp(&two.key));
    settings.reverse();
    settings.dedup_by(|one, two| one.key == two.key);
    settings.reverse();
    let mut reader = Reader { settings, mistakes: Vec::new() };
    let notices = reader.check_each();
    let config = reader.config();
    let Reader { settings, mistakes } = reader;
    if mistakes.is_empty() {
        Ok((Config { given: settings.clone(), settings, ..config }, notices))
    } else {
        Err(mistakes)
    }
}

/// Hands out typed values. A value that is not allowed is replaced by its default, so that reading goes on and finds the
/// other mistakes too.
pub(super) struct Reader {
    pub(super) settings: Vec<Setting>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader {
    fn check_each(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for setting in &self.settings {
            let hidden =
                |key: &Key| if key.is_sensitive() { Str::from_static("[hidden]") } else { setting.value.clone() };
            if let Some(row) = protects(setting) {
                let allowed = "left out: what it protects is not built, and Ottla does not pretend".to_string();
                let (key, origin) = (setting.key.clone(), setting.origin.clone());
                self.mistakes.push(Mistake { key, value: hidden(row), origin, allowed });
                continue;
            }
            let notice = |what| Notice { key: setting.key.clone(), origin: setting.origin.clone(), what };
            let Some(key) = broker_key(&setting.key) else {
                if setting.key.starts_with("ottla.") {
                    let allowed = "left out: Ottla has no such setting; docs/operations.md lists them".to_string();
                    let Setting { key, value, origin } = setting.clone();
                    self.mistakes.push(Mistake { key, value, origin, allowed });
                    continue;
                }
                notices.push(notice("is not a setting that Ottla or Kafka knows; it is ignored"));
                continue;
            };
            if let Err(allowed) = key.check(&setting.value) {
                let (value, key, origin) = (hidden(key), setting.key.clone(), setting.origin.clone());
                self.mistakes.push(Mistake { key, value, origin, allowed });
            } else if key.doc.is_none() {
                notices.push(notice("is accepted, but has no effect in Ottla"));
            }
        }
        notices
    }

    /// The value of a key that has a row: what was set if it is allowed, else the default.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        let key: &Key = broker_key(name).expect("settings that are read have a row");
        let set = lookup(&self.settings, name).map(|setting| setting.value.trim());
        set.filter(|value| key.check(value).is_ok()).or(key.default)
    }

    /// The same for a number.
    pub(super) fn number(&self, name: &'static str) -> Option<i64> {
        self.text(name).and_then(|value| value.parse().ok())
    }

    /// Was the key given, be it with a value that is not allowed?
    pub(super) fn is_set(&self, name: &'static str) -> bool {
        lookup(&self.settings, name).is_some()
    }

    pub(super) fn number_or_zero(&self, name: &'static str) -> i64 {
        self.number(name).unwrap_or(0)
    }

    pub(super) fn count(&self, name: &'static str) -> u32 {
        u32::try_from(self.number_or_zero(name)).unwrap_or(0)
    }

    pub(super) fn millis(&self, name: &'static str) -> Duration {
        millis(self.number_or_zero(name)).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &'static str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Says that the value of a key breaks a rule that ties it to others.
    pub(super) fn mistake(&mut self, name: &'static str, allowed: &str) {
        let value = self.text(name).unwrap_or_default().into();
        let origin = lookup(&self.settings, name).map(|setting| setting.origin.clone()).unwrap_or_default();
        self.mistakes.push(Mistake { key: Str::from_static(name), value, origin, allowed: allowed.to_string() });
    }

    fn config(&mut self) -> Config {
        self.check_together();
        let broker = self.broker();
        Config {
            quorum: quorum::read(self, &broker),
            replica: quorum::replica(self),
            leaders: LeadersConfig {
                rebalance: self.flag("auto.leader.rebalance.enable"),
                // Half a century is as good as never, and no moment of that kind is too large to be counted.
                check_interval: Duration::from_secs(
                    self.number_or_zero("leader.imbalance.check.interval.seconds").clamp(1, 50 * 365 * 86_400) as u64,
                ),
            },
            broker,
            conn: self.conn(),
            store: self.store(),
            topics: self.topics(),
            topic: TopicConfig::defaults(self),
            fetch: FetchConfig {
                bytes_max: self.count("fetch.max.bytes"),
                sessions_max: self.count("max.incremental.fetch.session.cache.slots"),
                described_partitions_max: self.count("max.request.partition.size.limit"),
            },
            group: GroupConfig {
                session_timeout_min: self.millis("group.min.session.timeout.ms"),
                session_timeout_max: self.millis("group.max.session.timeout.ms"),
                initial_rebalance_delay: self.millis("group.initial.rebalance.delay.ms"),
                size_max: self.count("group.max.size"),
            },
            offsets: self.offsets(),
            producer: ProducerConfig { id_expiry: self.millis("producer.id.expiration.ms") },
            flight: self.text("ottla.flight.dir").filter(|dir| !dir.is_empty()).map(|dir| FlightConfig {
                dir: Str::from(dir),
                bytes_max: self.number_or_zero("ottla.flight.bytes").unsigned_abs(),
            }),
            given: Vec::new(),
            settings: Vec::new(),
        }
    }

    fn broker(&mut self) -> BrokerConfig {
        let (older, newer) = (self.is_set("broker.id"), self.is_set("node.id"));
        let name = if older && !newer { "broker.id" } else { "node.id" };
        let id = self.number_or_zero(name);
        if id < 0 {
            self.mistake(name, "at least 0");
        }
        if older && newer && self.number("broker.id") != self.number("node.id") {
            self.mistake("broker.id", "equal to node.id, or left out");
        }
        let rack = self.text("broker.rack").filter(|rack| !rack.is_empty()).map(Str::from);
        if rack.as_ref().is_some_and(|rack| rack.len() > RACK_BYTES_MAX) {
            self.mistake("broker.rack", "a name of at most 249 bytes");
        }
        let roles = quorum::roles(self);
        let listeners = listener::read(self, roles);
        BrokerConfig {
            id: BrokerId(i32::try_from(id).unwrap_or(0)),
            rack,
            inter_broker_listener: listener::between_brokers(self, &listeners, roles),
            listeners,
            roles,
            heartbeat_interval: self.millis("broker.heartbeat.interval.ms"),
            session_timeout: self.millis("broker.session.timeout.ms"),
            lanes: usize::try_from(self.number_or_zero("ottla.lanes")).unwrap_or(1),
        }
    }

    fn conn(&mut self) -> ConnConfig {
        let http = self.text("ottla.http.listener").map(listener::Address::parse);
        if http == Some(None) {
            self.mistake("ottla.http.listener", "host:port, with a port up to 65535");
        }
        ConnConfig {
            request_bytes_max: self.count("socket.request.max.bytes"),
            requests_queued_max: self.count("queued.max.requests"),
            request_bytes_queued_max: u64::try_from(self.number_or_zero("queued.max.request.bytes"))
                .ok()
                .filter(|bytes| *bytes > 0),
            idle_max: millis(self.number_or_zero("connections.max.idle.ms")),
            connections_max: self.count("max.connections"),
            connections_per_ip_max: self.count("max.connections.per.ip"),
            http: http.flatten(),
        }
    }

    fn store(&mut self) -> StoreConfig {
        let name = if self.text("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
        let dirs: Vec<Str> = items(self.text(name).unwrap_or_default()).map(Str::from).collect();
        let is_twice = (1..dirs.len()).any(|at| dirs[..at].contains(&dirs[at]));
        if dirs.is_empty() || dirs.len() > DIRECTORIES_MAX || is_twice {
            self.mistake(name, &alloc::format!("1 to {DIRECTORIES_MAX} directories, each once"));
        } else if let Some((inner, outer)) = nested(&dirs) {
            let allowed =
                alloc::format!("directories beside each other, and {inner} is {outer} or lies in it: move one of them");
            self.mistake(name, &allowed);
        }
        StoreConfig {
            dirs,
            durability: match self.text("ottla.durability") {
                Some("relaxed") => Durability::Relaxed,
                _ => Durability::Durable,
            },
            journal_bytes: self.number_or_zero("ottla.journal.bytes").unsigned_abs(),
            cache_bytes: self.number_or_zero("ottla.cache.bytes").unsigned_abs(),
            retention_check_interval: self.millis("log.retention.check.interval.ms"),
        }
    }

    fn topics(&mut self) -> TopicsConfig {
        let factor = self.number_or_zero("default.replication.factor");
        if !(1..=i64::from(i16::MAX)).contains(&factor) {
            self.mistake("default.replication.factor", "a whole number from 1 to 32767");
        }
        TopicsConfig {
            auto_create: self.flag("auto.create.topics.enable"),
            delete: self.flag("delete.topic.enable"),
            partitions: i32::try_from(self.number_or_zero("num.partitions")).unwrap_or(1),
            replication_factor: i16::try_from(factor).unwrap_or(1),
        }
    }

    fn offsets(&self) -> OffsetsConfig {
        let factor = lookup(&self.settings, "offsets.topic.replication.factor")
            .and_then(|_| self.number("offsets.topic.replication.factor"));
        let minutes = self.number_or_zero("offsets.retention.minutes").unsigned_abs();
        OffsetsConfig {
            retention: Duration::from_secs(minutes * 60),
            retention_check_interval: self.millis("offsets.retention.check.interval.ms"),
            metadata_bytes_max: self.count("offset.metadata.max.bytes"),
            partitions: i32::try_from(self.number_or_zero("offsets.topic.num.partitions")).unwrap_or(1),
            replication_factor: factor.and_then(|factor| i16::try_from(factor).ok()),
            segment_bytes: self.count("offsets.topic.segment.bytes"),
        }
    }

    fn check_together(&mut self) {
        if self.number("group.min.session.timeout.ms") > self.number("group.max.session.timeout.ms") {
            self.mistake("group.min.session.timeout.ms", "at most group.max.session.timeout.ms");
        }
        // Kafka checks these in the log's own settings (LogConfig.validateValues).
        if self.number("log.cleaner.min.compaction.lag.ms") > self.number("log.cleaner.max.compaction.lag.ms") {
            self.mistake("log.cleaner.min.compaction.lag.ms", "at most log.cleaner.max.compaction.lag.ms");
        }
    }
}

/// Milliseconds, where a negative number is none at all.
pub(super) fn millis(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_millis)
}

/// As long as the name of a topic may be: every string of the protocol holds it.
const RACK_BYTES_MAX: usize = 249;
/// Two of these directories of which the first lies in the second, or is the same in other letters.
fn nested(dirs: &[Str]) -> Option<(&Str, &Str)> {
    let steps = |dir: &Str| -> Vec<String> {
        let root = dir.starts_with('/').then(String::new);
        let names = dir.split('/').filter(|step| !step.is_empty() && *step != ".").map(ToString::to_string);
        root.into_iter().chain(names).collect()
    };
    let pairs = dirs.iter().flat_map(|inner| dirs.iter().map(move |outer| (inner, outer)));
    let mut apart = pairs.filter(|(inner, outer)| !core::ptr::eq(*inner, *outer));
    apart.find(|(inner, outer)| steps(inner).starts_with(&steps(outer)))
}
