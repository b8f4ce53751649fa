use super::{
    Config, Durability, Overrides, QuorumVoter, Roles, Setting, TopicConfig, broker_key, broker_keys, topic_key,
    topic_keys,
};
use crate::record::{Compression, TimestampType};
use crate::types::{BrokerId, ListenerType, Str};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

fn pairs(pairs: &[(&str, &str)]) -> Vec<Setting> {
    pairs
        .iter()
        .map(|(key, value)| Setting { key: (*key).into(), value: (*value).into(), origin: "test".into() })
        .collect()
}

fn read(given: &[(&str, &str)]) -> Config {
    Config::read(pairs(given)).expect("allowed").0
}

fn mistakes(given: &[(&str, &str)]) -> Vec<String> {
    Config::read(pairs(given)).expect_err("not allowed").iter().map(ToString::to_string).collect()
}

fn topic(own: &[(&str, &str)], config: &Config) -> Result<TopicConfig, Vec<String>> {
    let own: Overrides = own.iter().map(|(name, value)| (Str::from(*name), Str::from(*value))).collect();
    TopicConfig::read(&own, config).map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn the_tables_are_sorted_and_their_defaults_are_allowed() {
    let all = broker_keys();
    assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(topic_keys().windows(2).all(|pair| pair[0].name < pair[1].name));
    for key in all.iter().copied().chain(topic_keys()) {
        if let Some(default) = key.default {
            // Kafka's own default of broker.id and of offsets.* that lie outside their range do not exist.
            assert_eq!(key.check(default), Ok(()), "{}", key.name);
        }
    }
    for key in all {
        assert_eq!(broker_key(key.name).map(|found| found.name), Some(key.name));
    }
    for key in topic_keys() {
        assert_eq!(topic_key(key.name).map(|found| found.name), Some(key.name));
        for synonym in super::synonyms(key.name) {
            assert!(broker_key(synonym.name).is_some(), "{}", synonym.name);
        }
    }
}

#[test]
fn a_broker_that_was_told_nothing_has_kafkas_defaults() {
    let config = Config::default();
    assert_eq!(config.broker.id, BrokerId(1));
    assert_eq!(config.store.durability, Durability::Durable);
    assert_eq!(config.topic.log, crate::boundary::LogSettings::default());
    assert_eq!(config.topic.rules.batch_bytes_max, 1_048_588);
    assert_eq!(config.topic.rules.compression, None);
    assert_eq!(config.group.session_timeout_max, Duration::from_secs(1800));
    assert_eq!(config.offsets.retention, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(config.offsets.replication_factor, None);
    assert_eq!(config.conn.idle_max, Some(Duration::from_secs(600)));
    let listener = &config.broker.listeners[0];
    assert_eq!((listener.name.as_str(), listener.bind.to_string().as_str()), ("PLAINTEXT", "127.0.0.1:9092"));
    assert_eq!(listener.advertised.as_ref(), Some(&listener.bind));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let found = mistakes(&[
        ("num.partitions", "0"),
        ("log.segment.bytes", "100"),
        ("auto.create.topics.enable", "maybe"),
        ("group.min.session.timeout.ms", "70000"),
        ("group.max.session.timeout.ms", "60000"),
        ("listeners", "SSL://:9093"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("ottla.durability", "never"),
        ("sasl.login.retry.backoff.ms", "perhaps"),
    ]);
    let about = |key: &str| found.iter().filter(|line| line.starts_with(key)).count();
    for key in [
        "num.partitions=0",
        "log.segment.bytes=100: must be a whole number of at least 1048576 (test)",
        "auto.create.topics.enable=maybe: must be true or false",
        "group.min.session.timeout.ms=70000",
        "listeners=SSL://:9093",
        "authorizer.class.name=",
        "ottla.durability=never: must be one of durable, relaxed",
        "sasl.login.retry.backoff.ms=perhaps",
    ] {
        assert_eq!(about(key), 1, "{key} in {found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn a_secret_is_not_repeated() {
    for key in ["ssl.keystore.password", "listener.name.outside.ssl.keystore.password"] {
        let told = mistakes(&[(key, "hunter2")]);
        assert!(told.len() == 1 && told[0].starts_with(key) && !told[0].contains("hunter2"), "{told:?}");
    }
}

#[test]
fn what_would_protect_is_refused_and_what_only_says_how_is_not() {
    for (key, value) in [
        ("ssl.keystore.location", "/etc/broker.jks"),
        ("ssl.client.auth", "required"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("security.inter.broker.protocol", "SSL"),
        ("listener.name.outside.plain.sasl.jaas.config", "required username"),
    ] {
        let told = mistakes(&[(key, value)]);
        assert!(told.len() == 1 && told[0].contains("Ottla does not pretend"), "{key}: {told:?}");
    }
    let harmless = [
        ("ssl.client.auth", "none"),
        ("security.inter.broker.protocol", "PLAINTEXT"),
        ("ssl.keystore.location", ""),
        ("ssl.enabled.protocols", "TLSv1.3"),
        ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
    ];
    let (_, notices) = Config::read(pairs(&harmless)).expect("nothing is left open by these");
    assert_eq!(notices.len(), harmless.len());
}

#[test]
fn unknown_keys_and_keys_without_effect_are_noticed() {
    let (_, notices) =
        Config::read(pairs(&[("num.io.threads", "8"), ("log.segmnt.bytes", "1"), ("num.partitions", "3")]))
            .expect("allowed");
    let lines: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("log.segmnt.bytes is not a setting"));
    assert!(lines[1].starts_with("num.io.threads is accepted, but has no effect"));
}

#[test]
fn the_last_of_two_settings_wins() {
    let config = read(&[("num.partitions", "3"), ("node.id", "7"), ("num.partitions", "5")]);
    assert_eq!(config.topics.partitions, 5);
    assert_eq!(config.given("num.partitions").map(Str::as_str), Some("5"));
    assert_eq!(config.given("broker.rack"), None);
}

#[test]
fn a_rack_that_no_record_holds_is_a_mistake() {
    assert_eq!(mistakes(&[("broker.rack", &"r".repeat(40_000))]).len(), 1);
    assert_eq!(read(&[("broker.rack", &"r".repeat(249))]).broker.rack.map(|rack| rack.len()), Some(249));
}

#[test]
fn broker_id_is_the_older_name_of_node_id() {
    assert_eq!(read(&[("broker.id", "4")]).broker.id, BrokerId(4));
    assert_eq!(read(&[("broker.id", "4"), ("node.id", "4")]).broker.id, BrokerId(4));
    assert_eq!(mistakes(&[("broker.id", "4"), ("node.id", "5")]).len(), 1);
}

#[test]
fn kafkas_sample_file_for_one_node_is_understood() {
    let config = read(&[
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL"),
        ("num.network.threads", "3"),
        ("log.dirs", "/tmp/kraft-combined-logs"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("log.retention.hours", "168"),
    ]);
    let [listener, controller] = &config.broker.listeners[..] else { panic!("{:?}", config.broker.listeners) };
    assert_eq!(listener.listener_type, ListenerType::Broker);
    assert_eq!(controller.listener_type, ListenerType::Controller);
    assert_eq!(controller.advertised.as_ref().map(ToString::to_string).as_deref(), Some("localhost:9093"));
    assert_eq!(listener.bind.to_string(), ":9092");
    assert_eq!(listener.advertised.as_ref().map(ToString::to_string).as_deref(), Some("localhost:9092"));
    assert_eq!(config.store.dirs[0].as_str(), "/tmp/kraft-combined-logs");
    assert_eq!(config.offsets.replication_factor, Some(1));
}

#[test]
fn a_misspelt_setting_of_our_own_is_a_mistake_and_one_of_somebody_elses_is_not() {
    assert_eq!(mistakes(&[("ottla.durablity", "relaxed")]).len(), 1);
    read(&[("metrics.of.somebody", "1")]);
}

#[test]
fn listeners_of_containers_have_names_of_their_own() {
    let config = read(&[
        ("listeners", "INSIDE://:29092,OUTSIDE://[::1]:9092"),
        ("advertised.listeners", "INSIDE://kafka_1:29092,OUTSIDE://localhost:9092"),
        ("listener.security.protocol.map", "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"),
    ]);
    let told: Vec<String> =
        config.broker.listeners.iter().map(|one| one.advertised.as_ref().expect("told").to_string()).collect();
    assert_eq!(told, ["kafka_1:29092", "localhost:9092"]);
    assert_eq!(config.broker.listeners[1].bind.to_string(), "[::1]:9092");
}

#[test]
fn listeners_that_cannot_work_are_refused() {
    for bad in [
        "PLAINTEXT//:9092",
        "PLAINTEXT://:99999",
        "PLAINTEXT://0.0.0.0:9092",
        "PLAINTEXT://a:1,PLAINTEXT://b:2",
        "SASL_PLAINTEXT://:9092",
        "WHO://:9092",
        "",
    ] {
        assert!(!mistakes(&[("listeners", bad)]).is_empty(), "{bad}");
    }
    assert!(!mistakes(&[("advertised.listeners", "OTHER://localhost:9092")]).is_empty());
    assert!(!mistakes(&[("controller.listener.names", "CONTROLLER")]).is_empty(), "no such listener");
    let only = [("listeners", "CONTROLLER://:9093"), ("controller.listener.names", "CONTROLLER")];
    assert!(!mistakes(&only).is_empty(), "nothing for clients");
    let both = [("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"), ("controller.listener.names", "CONTROLLER")];
    assert_eq!(read(&both).broker.listeners.len(), 2, "how controllers speak need not be said");
}

#[test]
fn a_topic_takes_what_it_does_not_set_from_the_broker() {
    let config = read(&[("log.retention.hours", "2"), ("compression.type", "zstd"), ("log.roll.hours", "1")]);
    let own = topic(&[("segment.ms", "5000")], &config).expect("allowed");
    assert_eq!(own.log.retention_age, Some(Duration::from_secs(7200)));
    assert_eq!(own.log.segment_age, Duration::from_secs(5));
    assert_eq!(own.rules.compression, Some(Compression::Zstd));
    assert_eq!(config.topic.log.segment_age, Duration::from_secs(3600));
}

#[test]
fn milliseconds_beat_minutes_beat_hours() {
    let age = |given: &[(&str, &str)]| read(given).topic.log.retention_age;
    let hours = ("log.retention.hours", "3");
    let minutes = ("log.retention.minutes", "2");
    assert_eq!(age(&[hours]), Some(Duration::from_secs(3 * 3600)));
    assert_eq!(age(&[hours, minutes]), Some(Duration::from_secs(120)));
    assert_eq!(age(&[hours, minutes, ("log.retention.ms", "1000")]), Some(Duration::from_secs(1)));
    assert_eq!(age(&[hours, ("log.retention.ms", "-1")]), None);
    assert_eq!(age(&[("log.retention.hours", "-7")]), None);
    assert_eq!(age(&[("log.retention.ms", "-7")]), None);
    assert_eq!(mistakes(&[("log.retention.ms", "0")]).len(), 1);
    assert_eq!(mistakes(&[("log.roll.ms", "0")]), ["log.roll.ms=0: must be a whole number of at least 1 (test)"]);
}

#[test]
fn topic_settings_are_as_strict_as_kafkas() {
    let config = Config::default();
    for (name, value) in [
        ("segment.bytes", "1048575"),
        ("retention.ms", "-2"),
        ("cleanup.policy", "delete,,compact"),
        ("cleanup.policy", "delete,"),
        ("cleanup.policy", "shred"),
        ("compression.type", "none"),
        ("compression.gzip.level", "0"),
        ("min.insync.replicas", "0"),
        ("message.timestamp.type", "createtime"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "-0.5"),
        ("min.cleanable.dirty.ratio", "half"),
        ("preallocate", "yes"),
        ("max.message.bytes", "12three"),
        ("leader.replication.throttled.replicas", "1-2"),
        ("no.such.setting", "1"),
        ("remote.storage.enable", "true"),
    ] {
        let found = topic(&[(name, value)], &config).expect_err(name);
        assert!(found.len() == 1 && found[0].starts_with(name), "{found:?}");
    }
    for good in ["0", "1", "1.0", "0.25", ".5"] {
        assert!(topic(&[("min.cleanable.dirty.ratio", good)], &config).is_ok(), "{good}");
    }
    let both = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")];
    assert_eq!(topic(&both, &config).expect_err("crossed").len(), 1);
}

#[test]
fn a_topic_is_deleted_from_compacted_both_or_neither() {
    let config = Config::default();
    let policy =
        |text: &str| topic(&[("cleanup.policy", text)], &config).map(|own| (own.log.delete, own.is_compacted()));
    assert_eq!(policy("delete"), Ok((true, false)));
    assert_eq!(policy("compact"), Ok((false, true)));
    assert_eq!(policy("compact, delete"), Ok((true, true)));
    assert_eq!(policy(""), Ok((false, false)));
    assert_eq!(policy("delete,delete"), Ok((true, false)), "each counts once (KIP-1161)");
}

#[test]
fn log_append_time_and_bounds_reach_the_rules() {
    let own = [("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", " 2000 "), ("retention.bytes", "5")];
    let own = topic(&own, &Config::default()).expect("allowed");
    assert_eq!(own.rules.timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(own.rules.batch_bytes_max, 2000);
    assert_eq!(own.log.retention_bytes, Some(5));
}

#[test]
fn dynamic_settings_lie_on_top_of_the_file() {
    let config = read(&[("log.retention.ms", "1000")]);
    let changed = config.overlaid(pairs(&[("log.retention.ms", "2000")])).expect("allowed");
    assert_eq!(changed.topic.log.retention_age, Some(Duration::from_secs(2)));
    assert_eq!(changed.given("log.retention.ms").map(Str::as_str), Some("1000"));
    let again = changed.overlaid(pairs(&[])).expect("allowed");
    assert_eq!(again, config);
    assert!(config.overlaid(pairs(&[("message.max.bytes", "-1")])).is_err());
    let mut filled_in = config.clone();
    filled_in.broker.listeners[0].advertised = crate::config::Address::parse("here:40000");
    let changed = filled_in.overlaid(pairs(&[("log.retention.ms", "2000")])).expect("allowed");
    assert_eq!(changed.broker.listeners, filled_in.broker.listeners, "where it listens is known by then");
}

/// A combined node and a broker of one cluster, as Kafka's files have them.
const CONTROLLER: &[(&str, &str)] = &[
    ("node.id", "1"),
    ("controller.quorum.voters", "1@one.example:9093"),
    ("listeners", "PLAINTEXT://one.example:9092,CONTROLLER://one.example:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
];
const BROKER: &[(&str, &str)] = &[
    ("process.roles", "broker"),
    ("node.id", "2"),
    ("controller.quorum.voters", "1@one.example:9093"),
    ("listeners", "PLAINTEXT://two.example:9092"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
];

/// What is wrong once some settings are others.
fn wrong(base: &[(&str, &str)], changed: &[(&str, &str)]) -> Vec<String> {
    mistakes(&[base, changed].concat())
}

#[test]
fn the_nodes_of_a_cluster_know_their_roles_and_the_voter() {
    let voter = QuorumVoter { id: BrokerId(1), host: "one.example".into(), port: 9093 };
    let controller = read(CONTROLLER);
    assert_eq!(
        (controller.broker.roles, controller.quorum.voters),
        (Roles::BrokerAndController, [voter.clone()].into())
    );
    assert!(controller.broker.roles.is_controller());
    let broker = read(BROKER);
    assert_eq!((broker.broker.roles, broker.quorum.voters), (Roles::Broker, [voter].into()));
    assert!(!broker.broker.roles.is_controller());
    assert_eq!(broker.broker.listeners.len(), 1);
    let alone = Config::default();
    assert_eq!((alone.broker.roles, alone.quorum.voters), (Roles::BrokerAndController, Vec::new()));
    let v6 = [("controller.quorum.voters", "7@[::1]:9093")];
    assert_eq!(read(&[BROKER, &v6].concat()).quorum.voters[0].host, "::1");
}

#[test]
fn roles_that_are_not_built_are_refused_with_a_sentence() {
    for (roles, told) in [
        ("", "broker, controller or broker,controller"),
        ("broker,broker", "broker, controller or broker,controller"),
        ("observer", "a list of broker, controller"),
    ] {
        let found = mistakes(&[("process.roles", roles)]);
        assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
    }
    assert_eq!(read(&[("process.roles", "controller, broker")]).broker.roles, Roles::BrokerAndController);
}

#[test]
fn a_controller_that_is_no_broker_has_listeners_of_controllers_alone() {
    let alone: Vec<_> = CONTROLLER
        .iter()
        .copied()
        .filter(|(key, _)| !["listeners", "process.roles"].contains(key))
        .chain([("process.roles", "controller"), ("listeners", "CONTROLLER://one.example:9093")])
        .collect();
    let config = read(&alone);
    assert!(config.broker.roles.is_controller() && !config.broker.roles.is_broker());
    assert_eq!(config.broker.inter_broker_listener, "");
    let both = [("listeners", "PLAINTEXT://one.example:9092,CONTROLLER://one.example:9093")];
    let found = wrong(&alone, &both);
    assert!(found.iter().any(|mistake| mistake.contains("a controller only")), "{found:?}");
    let founders = [("controller.quorum.voters", ""), ("controller.quorum.bootstrap.servers", "one.example:9093")];
    let [voters, doors] = founders;
    let config = read(&[&alone[..], &[voters, doors]].concat());
    assert_eq!(config.quorum.bootstrap.len(), 1);
    let found = wrong(&alone, &[voters, (doors.0, "one.example")]);
    assert!(found.iter().any(|mistake| mistake.contains("HOST:PORT of controllers")), "{found:?}");
}

#[test]
fn voters_that_cannot_be_are_refused() {
    for voters in
        ["one.example:9093", "1@one.example", "1@:9093", "1@0.0.0.0:9093", "1@one.example:0", "-1@a:1", "x@a:1"]
    {
        let found = wrong(CONTROLLER, &[("controller.quorum.voters", voters)]);
        assert!(found.len() == 1 && found[0].contains("ID@HOST:PORT"), "{found:?}");
    }
    let twice = ("controller.quorum.voters", "1@one.example:9093,1@two.example:9093");
    let found = wrong(CONTROLLER, &[twice]);
    assert!(found.len() == 1 && found[0].contains("each voter once"), "{found:?}");
}

#[test]
fn there_may_be_several_voters() {
    let three = ("controller.quorum.voters", "1@one.example:9093,3@three.example:9093,4@four.example:9093");
    for base in [CONTROLLER, BROKER] {
        assert_eq!(read(&[base, &[three]].concat()).quorum.voters.len(), 3);
    }
}

#[test]
fn roles_voters_and_listeners_must_agree() {
    let told = |base, changed: &[(&str, &str)], key: &str, what: &str| {
        let found = wrong(base, changed);
        assert!(found.len() == 1 && found[0].starts_with(key) && found[0].contains(what), "{found:?}");
    };
    told(CONTROLLER, &[("node.id", "3")], "controller.quorum.voters=", "this node, 3, among the voters");
    told(BROKER, &[("node.id", "1")], "controller.quorum.voters=", "broker only");
    told(BROKER, &[("controller.quorum.voters", "")], "controller.quorum.voters=", "ID@HOST:PORT of each controller");
    told(CONTROLLER, &[("controller.listener.names", "")], "controller.listener.names=", "a voter is reached");
    let both = ("listeners", "PLAINTEXT://two.example:9092,CONTROLLER://two.example:9093");
    told(BROKER, &[both], "controller.listener.names=", "a broker only");
}

#[test]
fn brokers_reach_each_other_through_the_listener_that_is_named() {
    let name = |given: &[(&str, &str)]| read(given).broker.inter_broker_listener;
    let map = ("listener.security.protocol.map", "INSIDE:PLAINTEXT,PLAINTEXT:PLAINTEXT,OUT:PLAINTEXT");
    let listeners = ("listeners", "OUT://:9094,PLAINTEXT://:9092,INSIDE://:9095");
    assert_eq!(name(&[]), "PLAINTEXT");
    assert_eq!(name(&[map, listeners]), "PLAINTEXT");
    assert_eq!(name(&[map, listeners, ("inter.broker.listener.name", "inside")]), "INSIDE");
    let told = ("advertised.listeners", "OUT://out.example:9094");
    assert_eq!(name(&[map, listeners, told]), "OUT", "the others are not advertised");
    for changed in [
        &[("inter.broker.listener.name", "NOWHERE")][..],
        &[told, ("inter.broker.listener.name", "INSIDE")],
        &[("controller.listener.names", "INSIDE"), ("inter.broker.listener.name", "INSIDE")],
        &[("security.inter.broker.protocol", "PLAINTEXT"), ("inter.broker.listener.name", "INSIDE")],
    ] {
        let found = wrong(&[map, listeners], changed);
        assert!(found.len() == 1 && found[0].starts_with("inter.broker.listener.name="), "{found:?}");
    }
}

#[test]
fn replicas_follow_as_kafkas_do_unless_told_otherwise() {
    let config = Config::default();
    let millis = Duration::from_millis;
    assert_eq!((config.broker.heartbeat_interval, config.broker.session_timeout), (millis(2000), millis(9000)));
    let quorum = &config.quorum;
    assert_eq!(
        (quorum.fetch_timeout, quorum.request_timeout, quorum.retry_backoff),
        (millis(2000), millis(2000), millis(20))
    );
    let replica = &config.replica;
    assert_eq!((replica.lag_max, replica.fetch_wait, replica.backoff), (millis(30_000), millis(500), millis(1000)));
    assert_eq!((replica.fetch_bytes_max, replica.response_bytes_max, replica.fetch_bytes_min), (1 << 20, 10 << 20, 1));
    let other = read(&[
        ("replica.lag.time.max.ms", "700"),
        ("broker.session.timeout.ms", "3000"),
        ("replica.fetch.min.bytes", "9"),
    ]);
    assert_eq!(
        (other.replica.lag_max, other.broker.session_timeout, other.replica.fetch_bytes_min),
        (millis(700), millis(3000), 9)
    );
}

#[test]
fn times_that_would_never_let_a_follower_rest_are_refused() {
    for name in super::quorum::PAUSES {
        let found = mistakes(&[(name, "0")]);
        assert!(found.len() == 1 && found[0].starts_with(name), "{found:?}");
    }
    for (name, value) in [
        ("replica.lag.time.max.ms", "499"),
        ("replica.socket.timeout.ms", "499"),
        ("broker.session.timeout.ms", "2000"),
    ] {
        let found = mistakes(&[(name, value)]);
        assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
    }
}

#[test]
fn data_may_be_in_several_directories_each_named_once() {
    let dirs = |given: &[(&str, &str)]| -> Vec<String> {
        read(given).store.dirs.iter().map(|dir| dir.as_str().to_string()).collect()
    };
    assert_eq!(dirs(&[("log.dir", "/one")]), ["/one"]);
    assert_eq!(dirs(&[("log.dir", "/one"), ("log.dirs", "/two, /three")]), ["/two", "/three"]);
    assert_eq!(
        mistakes(&[("log.dirs", "/a,/b,/a")]),
        ["log.dirs=/a,/b,/a: must be 1 to 64 directories, each once (test)"]
    );
    for (given, said) in [
        ("/data,/data/two", "/data/two is /data or lies in it"),
        ("data/one/,/other,./data", "data/one/ is ./data or lies in it"),
        ("/data,/data/", "/data is /data/ or lies in it"),
    ] {
        let told = mistakes(&[("log.dirs", given)]);
        assert!(told.len() == 1 && told[0].contains("must be directories beside each other"), "{told:?}");
        assert!(told[0].contains(said), "{told:?}");
    }
    assert_eq!(dirs(&[("log.dirs", "/data,data,/data2,/other/data")]).len(), 4);
}

#[test]
fn readers_are_sent_to_followers_by_kafkas_own_selector_or_by_none() {
    let selector = "replica.selector.class";
    assert!(!read(&[]).replica.reads_by_rack && !read(&[(selector, "")]).replica.reads_by_rack);
    assert!(read(&[(selector, "org.apache.kafka.common.replica.RackAwareReplicaSelector")]).replica.reads_by_rack);
    let refused = mistakes(&[(selector, "com.example.Nearest")]);
    assert!(refused.len() == 1 && refused[0].contains("other classes cannot be loaded"), "{refused:?}");
}

#[test]
fn throttled_replicas_are_all_or_those_that_are_named() {
    let config = Config::default();
    let list = |text: &str| topic(&[("follower.replication.throttled.replicas", text)], &config).expect("allowed");
    let has = |text: &str, partition, broker| list(text).followers_throttled.has(partition, BrokerId(broker));
    assert!(has("*", 7, 9) && has("0:1, 3:2", 3, 2));
    assert!(!has("", 0, 1) && !has("0:1,3:2", 0, 2));
}
