//! Apache Kafka's own command line tools 4.3.1, by their main methods.

use std::fs;

use ottla_tests::harness::broker::{Broker, Kind};
use ottla_tests::harness::driver::Driver;
use ottla_tests::harness::tools::java;
use serde_json::{Value, json};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const PRODUCER_PERF: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERF: &str = "org.apache.kafka.tools.ConsumerPerformance";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";

/// A broker and a Java process that runs tools against it.
struct Bench {
    broker: Broker,
    java: Driver,
}

impl Bench {
    fn start() -> Bench {
        Bench::start_with(&[])
    }

    fn start_with(settings: &[(&str, &str)]) -> Bench {
        Bench { broker: Broker::start_with(settings), java: java::start("kafka-tools", &java::kafka()) }
    }

    /// What the tool printed; it must have ended well.
    fn run(&mut self, class: &str, args: &[&str]) -> String {
        self.run_with(class, args, "")
    }

    fn run_with(&mut self, class: &str, args: &[&str], stdin: &str) -> String {
        let ran = self.tool(class, args, stdin);
        assert_eq!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    }

    fn tool(&mut self, class: &str, args: &[&str], stdin: &str) -> Value {
        let address = self.broker.address();
        self.main(class, &[&["--bootstrap-server", &address], args].concat(), stdin)
    }

    /// A tool with exactly these arguments.
    fn main(&mut self, class: &str, args: &[&str], stdin: &str) -> Value {
        self.java.ask(&json!({"do": "tool", "class": class, "args": args, "stdin": stdin}))
    }

    /// A tool that wants the broker behind its own first word.
    fn command(&mut self, class: &str, word: &str) -> String {
        let address = self.broker.address();
        let ran = self.main(class, &[word, "--bootstrap-server", &address], "");
        assert_eq!(ran["exit"], json!(0), "{class} {word}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    }

    fn offsets(&mut self, topic: &str, time: &str) -> Vec<String> {
        self.run(GET_OFFSETS, &["--topic", topic, "--time", time]).lines().map(str::to_owned).collect()
    }
}

#[test]
fn kafka_topics_creates_describes_grows_and_deletes() {
    let mut bench = Bench::start();
    let settings = ["--config", "retention.ms=1234567", "--config", "cleanup.policy=delete"];
    let made = bench.run(
        TOPICS,
        &[&["--create", "--topic", "made", "--partitions", "3", "--replication-factor", "1"], &settings[..]].concat(),
    );
    assert!(made.contains("Created topic made."), "{made}");
    let again = bench.tool(TOPICS, &["--create", "--topic", "made"], "");
    assert_eq!(again["exit"], json!(1), "a topic is made once: {again}");
    assert!(again.to_string().contains("already exists"), "{again}");
    let described = bench.run(TOPICS, &["--describe", "--topic", "made"]);
    assert!(described.contains("PartitionCount: 3\tReplicationFactor: 1"), "{described}");
    assert!(described.contains("retention.ms=1234567"), "{described}");
    assert_eq!(described.matches("Leader: 1\tReplicas: 1\tIsr: 1").count(), 3, "{described}");
    bench.run(TOPICS, &["--alter", "--topic", "made", "--partitions", "5"]);
    let grown = bench.run(TOPICS, &["--describe", "--topic", "made"]);
    assert!(grown.contains("PartitionCount: 5"), "{grown}");
    assert_eq!(bench.run(TOPICS, &["--list"]).trim(), "made");
    bench.broker.kill_9();
    bench.broker.restart();
    let kept = bench.run(TOPICS, &["--describe", "--topic", "made"]);
    assert_eq!(kept, grown, "the same after kill -9");
    bench.run(TOPICS, &["--delete", "--topic", "made"]);
    assert_eq!(bench.run(TOPICS, &["--list"]).trim(), "");
}

#[test]
fn kafka_configs_sets_shows_and_resets() {
    let mut bench = Bench::start();
    bench.run(TOPICS, &["--create", "--topic", "set"]);
    let entity = ["--entity-type", "topics", "--entity-name", "set"];
    let with = |more: &[&'static str]| [&entity[..], more].concat();
    bench.run(CONFIGS, &with(&["--alter", "--add-config", "max.message.bytes=54321,segment.ms=600000"]));
    let shown = bench.run(CONFIGS, &with(&["--describe"]));
    assert!(shown.contains("max.message.bytes=54321") && shown.contains("segment.ms=600000"), "{shown}");
    assert!(shown.contains("DYNAMIC_TOPIC_CONFIG:max.message.bytes=54321"), "{shown}");
    bench.run(CONFIGS, &with(&["--alter", "--delete-config", "segment.ms"]));
    let reset = bench.run(CONFIGS, &with(&["--describe"]));
    assert!(!reset.contains("segment.ms") && reset.contains("max.message.bytes=54321"), "{reset}");
    let all = bench.run(CONFIGS, &with(&["--describe", "--all"]));
    assert!(all.contains("segment.ms=604800000") && all.contains("min.insync.replicas=1"), "{all}");
    let refused = bench.tool(CONFIGS, &with(&["--alter", "--add-config", "max.message.bytes=many"]), "");
    assert!(
        refused.to_string().contains("InvalidConfigurationException") || refused.to_string().contains("Invalid value"),
        "{refused}"
    );
    let broker = bench.run(CONFIGS, &["--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"]);
    assert!(broker.contains("log.retention.hours=168"), "{broker}");
}

#[test]
fn console_tools_write_and_read_and_offsets_follow() {
    let mut bench = Bench::start();
    bench.run(TOPICS, &["--create", "--topic", "lines", "--partitions", "1"]);
    let lines: String = (0..100).map(|line| format!("key-{line}:value {line} ação\n")).collect();
    bench.run_with(
        CONSOLE_PRODUCER,
        &["--topic", "lines", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:"],
        &lines,
    );
    let reading = [
        "--topic",
        "lines",
        "--from-beginning",
        "--formatter-property",
        "print.key=true",
        "--formatter-property",
        "key.separator=:",
    ];
    let read =
        bench.run(CONSOLE_CONSUMER, &[&reading[..], &["--max-messages", "100", "--timeout-ms", "30000"]].concat());
    assert_eq!(read, lines);
    assert_eq!(bench.offsets("lines", "-1"), ["lines:0:100"]);
    assert_eq!(bench.offsets("lines", "-2"), ["lines:0:0"]);
    let latest = bench.offsets("lines", "-3").concat();
    let latest: i64 =
        latest.trim_start_matches("lines:0:").parse().expect("the offset of the record with the latest time");
    assert!((0..100).contains(&latest), "{latest}");

    let plan = bench.broker.home().join("delete.json");
    fs::write(
        &plan,
        json!({"version": 1, "partitions": [{"topic": "lines", "partition": 0, "offset": 40}]}).to_string(),
    )
    .expect("a file");
    let deleted = bench.run(DELETE_RECORDS, &["--offset-json-file", plan.to_str().expect("a plain path")]);
    assert!(deleted.contains("partition: lines-0\tlow_watermark: 40"), "{deleted}");
    assert_eq!(bench.offsets("lines", "-2"), ["lines:0:40"]);
    // Kafka writes the start of a log down once a minute and forgets it here; its data is back after a crash.
    if bench.broker.kind() == Kind::Ottla {
        bench.broker.kill_9();
        bench.broker.restart();
        assert_eq!(bench.offsets("lines", "-2"), ["lines:0:40"], "the same after kill -9");
    }
    let rest =
        bench.run(CONSOLE_CONSUMER, &[&reading[..], &["--max-messages", "60", "--timeout-ms", "30000"]].concat());
    let expected: String = lines.lines().skip(40).map(|line| format!("{line}\n")).collect();
    assert_eq!(rest, expected);

    let dirs = bench.run(LOG_DIRS, &["--describe", "--topic-list", "lines"]);
    let json: Value =
        dirs.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no JSON: {dirs}"));
    let partition = &json["brokers"][0]["logDirs"][0]["partitions"][0];
    assert_eq!(partition["partition"], json!("lines-0"), "{json}");
    assert!(partition["size"].as_i64().is_some_and(|size| size > 0), "{json}");
}

#[test]
fn kafka_consumer_groups_lists_describes_resets_and_deletes() {
    let mut bench = Bench::start();
    bench.run(TOPICS, &["--create", "--topic", "read", "--partitions", "1"]);
    let lines: String = (0..10).map(|line| format!("line {line}\n")).collect();
    bench.run_with(CONSOLE_PRODUCER, &["--topic", "read"], &lines);
    let reading =
        ["--topic", "read", "--group", "readers", "--from-beginning", "--timeout-ms", "30000", "--max-messages"];
    bench.run(CONSOLE_CONSUMER, &[&reading[..], &["10"]].concat());
    bench.run_with(CONSOLE_PRODUCER, &["--topic", "read"], "line 10\n");
    assert_eq!(bench.run(GROUPS, &["--list"]).trim(), "readers");
    let row = |text: String| {
        let found = text
            .lines()
            .find(|line| line.starts_with("readers"))
            .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        found.unwrap_or_else(|| panic!("no line of the group: {text}"))
    };
    let described = row(bench.run(GROUPS, &["--describe", "--group", "readers"]));
    assert_eq!(described[1..6], ["read", "0", "10", "11", "1"], "topic, partition, offset, end, lag");
    let state = row(bench.run(GROUPS, &["--describe", "--group", "readers", "--state"]));
    assert!(state.contains(&"Empty".to_owned()), "{state:?}");
    bench.broker.kill_9();
    bench.broker.restart();
    let kept = row(bench.run(GROUPS, &["--describe", "--group", "readers"]));
    assert_eq!(kept[1..6], ["read", "0", "10", "11", "1"], "the same after kill -9");
    bench.run(GROUPS, &["--reset-offsets", "--group", "readers", "--topic", "read", "--to-offset", "4", "--execute"]);
    let rest = bench.run(CONSOLE_CONSUMER, &[&reading[..], &["7"]].concat());
    let expected: String = (4..11).map(|line| format!("line {line}\n")).collect();
    assert_eq!(rest, expected);
    let deleted = bench.run(GROUPS, &["--delete", "--group", "readers"]);
    assert!(deleted.contains("was successful"), "{deleted}");
    assert_eq!(bench.run(GROUPS, &["--list"]).trim(), "");
}

#[test]
fn perf_tools_count_what_they_sent_and_read() {
    let mut bench = Bench::start();
    bench.run(TOPICS, &["--create", "--topic", "perf", "--partitions", "2"]);
    let sent = bench.run(
        PRODUCER_PERF,
        &["--topic", "perf", "--num-records", "20000", "--record-size", "512", "--throughput", "-1"],
    );
    assert!(sent.contains("20000 records sent"), "{sent}");
    let ends: i64 = bench
        .offsets("perf", "-1")
        .iter()
        .map(|line| line.rsplit(':').next().and_then(|end| end.parse::<i64>().ok()).expect("an offset"))
        .sum();
    assert_eq!(ends, 20_000);
    let read = bench.run(CONSUMER_PERF, &["--topic", "perf", "--num-records", "20000", "--timeout", "60000"]);
    let figures: Vec<&str> = read.lines().last().expect("a line of figures").split(", ").collect();
    assert_eq!(figures[4], "20000", "records read: {read}");
}

#[test]
fn kafka_broker_api_versions_knows_every_answer() {
    let mut bench = Bench::start();
    let listed = bench.run(API_VERSIONS, &[]);
    assert!(listed.starts_with(&bench.broker.address()), "{listed}");
    for api in [
        "Produce(0): 0 to 13",
        "Fetch(1): 4 to 18",
        "ListOffsets(2): 1 to 11",
        "Metadata(3): 0 to 13",
        "JoinGroup(11): 0 to 9",
    ] {
        assert!(listed.contains(api), "{api} is missing: {listed}");
    }
    assert!(!listed.contains("UNKNOWN"), "an API that Kafka's tool does not know: {listed}");
}

#[test]
fn the_quorum_its_features_and_its_cluster_are_described() {
    let mut bench = Bench::start();
    let status = bench.run(QUORUM, &["describe", "--status"]);
    let of = |key: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key} {status}"));
        line.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!((of("LeaderId"), of("MaxFollowerLag"), of("CurrentObservers")), ("1".into(), "0".into(), "[]".into()));
    assert!(of("CurrentVoters").contains("\"id\": 1"), "{status}");
    let replication = bench.run(QUORUM, &["describe", "--replication"]);
    let rows: Vec<Vec<&str>> = replication.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), rows[0][0], rows[1][0], rows[1][6]), (2, "NodeId", "1", "Leader"), "{replication}");
    assert!(rows[1][2].parse::<i64>().is_ok_and(|end| end > 0), "the end of the metadata log: {replication}");
    let features = bench.run(FEATURES, &["describe"]);
    assert!(features.contains("metadata.version") && features.contains("4.3-IV0"), "{features}");
    let id = bench.command(CLUSTER, "cluster-id");
    assert_eq!(id.trim(), format!("Cluster ID: {}", of("ClusterId")));
    let endpoints = bench.command(CLUSTER, "list-endpoints");
    assert!(endpoints.contains(bench.broker.address().rsplit(':').next().expect("a port")), "{endpoints}");
}

#[test]
fn the_controller_answers_tools_on_a_listener_of_its_own() {
    let names = ("controller.listener.names", "CONTROLLER");
    let protocols = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
    let mut bench = Bench::start_with(&[names, protocols]);
    let at = bench.broker.controller_address();
    let mut run = |class, args: &[&str]| {
        let ran = bench.main(class, &[&["--bootstrap-controller", &at], args].concat(), "");
        assert_eq!(ran["exit"], json!(0), "{class} {args:?}: {ran}");
        ran["out"].as_str().expect("text").to_owned()
    };
    let status = run(QUORUM, &["describe", "--status"]);
    assert!(status.contains(&format!("CONTROLLER://{at}")), "where the voter is reached: {status}");
    assert!(run(FEATURES, &["describe"]).contains("metadata.version"));
    let setting = ["--entity-type", "brokers", "--entity-default"];
    run(CONFIGS, &[&["--alter", "--add-config", "log.retention.ms=1234567"], &setting[..]].concat());
    let described = run(CONFIGS, &[&["--describe"], &setting[..]].concat());
    assert!(described.contains("log.retention.ms=1234567"), "{described}");
    // What is for brokers is not answered there, nor the other way round.
    let refused = bench.tool(QUORUM, &["describe", "--status"], "");
    assert_eq!(refused["exit"], json!(0), "brokers pass it on: {refused}");
    let wrong = bench.main(TOPICS, &["--bootstrap-server", &at, "--list"], "");
    assert_ne!(wrong["exit"], json!(0), "{wrong}");
}

#[test]
fn kafka_transactions_shows_who_numbers_batches() {
    let mut bench = Bench::start();
    bench.run(TOPICS, &["--create", "--topic", "numbered", "--partitions", "1"]);
    let idempotent = ["--topic", "numbered", "--command-property", "enable.idempotence=true", "--sync"];
    bench.run_with(CONSOLE_PRODUCER, &idempotent, "one\ntwo\nthree\n");
    let shown = bench.run(TRANSACTIONS, &["describe-producers", "--topic", "numbered", "--partition", "0"]);
    let row: Vec<&str> = shown.lines().nth(1).unwrap_or_else(|| panic!("nobody: {shown}")).split_whitespace().collect();
    assert_eq!((row[1], row[3], row[5]), ("0", "2", "None"), "epoch, last sequence, open transaction: {shown}");
}

#[test]
fn kafka_dump_log_reads_every_record_of_a_segment() {
    let mut bench = Bench::start();
    let settings = ["--partitions", "1", "--config", "segment.bytes=1048576"];
    bench.run(TOPICS, &[&["--create", "--topic", "dumped"], &settings[..]].concat());
    let lines: String = (0..3000).map(|line| format!("line {line} {}\n", "x".repeat(600))).collect();
    for codec in ["none", "zstd"] {
        bench.run_with(CONSOLE_PRODUCER, &["--topic", "dumped", "--compression-codec", codec], &lines);
    }
    bench.broker.terminate();
    let folder = bench.broker.data().join("dumped-0");
    let mut segments: Vec<_> = fs::read_dir(folder).expect("its folder").flatten().map(|entry| entry.path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    segments.sort();
    let open = segments.len() - 1;
    assert!(open > 0, "one segment is closed at least: {segments:?}");
    let mut expected = 0;
    for (at, segment) in segments.iter().enumerate() {
        let path = segment.to_str().expect("a plain path");
        let ran = bench.main(DUMP_LOG, &["--files", path, "--print-data-log", "--deep-iteration"], "");
        let out = ran["out"].as_str().expect("text");
        assert!(!out.contains("isvalid: false"), "{path}");
        for record in out.lines().filter(|line| line.starts_with("| offset: ")) {
            let payload = format!("payload: line {} x", expected % 3000);
            assert!(record.starts_with(&format!("| offset: {expected} ")) && record.contains(&payload), "{record}");
            expected += 1;
        }
        // The last block of a segment that is still written to is filled up with zeros, at which Kafka's tool gives up.
        let is_padded = ran["err"].as_str().is_some_and(|err| err.contains("Found record size 0 smaller"));
        assert!(ran["exit"] == json!(0) || at == open && is_padded, "{}", ran["err"]);
    }
    assert_eq!(expected, 6000);
}
