//! Our own command line: what a person types, and what a program reads.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ottla_tests::harness::broker::{Broker, Kind};
use ottla_tests::harness::tools;
use serde_json::{Value, json};

#[test]
fn topics_are_made_altered_described_and_deleted() {
    let broker = Broker::start();
    assert!(text(&broker, "topic create plain -p 3 --config retention.ms=60000", "").contains("partitions 3"));
    let again = fails(&broker, "topic create plain");
    assert!(again.contains("TopicAlreadyExists") && again.contains("ottla topic describe"), "{again}");
    text(&broker, "topic create plain --if-not-exists", "");
    text(&broker, "topic alter plain --set retention.ms=70000 --partitions 5", "");
    let described = &json_lines(&broker, "topic describe plain --json", "")[0];
    assert_eq!(described["partitions"].as_array().expect("a list").len(), 5);
    assert_eq!(described["configs"], json!({ "retention.ms": "70000" }));
    let listed = json_lines(&broker, "topic list --json", "");
    assert_eq!((listed.len(), &listed[0]["topic"]), (1, &json!("plain")));
    text(&broker, "topic delete plain", "");
    assert!(fails(&broker, "topic describe plain").contains("there is no such topic"));
}

#[test]
fn what_was_produced_is_consumed_with_keys_headers_and_every_codec() {
    let broker = Broker::start();
    text(&broker, "topic create mixed -p 3", "");
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines: String = (0..200).map(|line| format!("key-{line}:{codec} {line}\n")).collect();
        let command = format!("produce mixed --key-separator : --header codec={codec} --compression {codec} --json");
        let written: u64 = json_lines(&broker, &command, &lines).iter().filter_map(|one| one["records"].as_u64()).sum();
        assert_eq!(written, 200);
    }
    text(&broker, "produce mixed -p 2 --key gone --null-marker - --acks 1", "-\n");
    let read = json_lines(&broker, "consume mixed --exit --json", "");
    assert_eq!(read.len(), 1001);
    assert_eq!(read.iter().filter(|one| one["value"].is_null()).count(), 1);
    let gzip = read.iter().find(|one| one["value"] == "gzip 7").expect("it was written");
    assert_eq!((&gzip["key"], &gzip["headers"]), (&json!("key-7"), &json!([{ "name": "codec", "value": "gzip" }])));
    let keys = |codec: &str| -> Vec<&Value> {
        let of = read.iter().filter(|one| one["key"] == "key-7" && one["value"] == format!("{codec} 7"));
        of.map(|one| &one["partition"]).collect()
    };
    assert_eq!(keys("none"), keys("zstd"), "equal keys go to the same partition");
    let last = text(&broker, "consume mixed --partition 2 --from -1 --exit --format %k=%S", "");
    assert_eq!(last, "gone=-1");
    assert_eq!(text(&broker, "consume mixed --from end --timeout 300ms", ""), "");
    assert_eq!(text(&broker, "consume mixed --max-records 3", "").lines().count(), 3);
}

#[test]
fn a_group_goes_on_where_it_stopped_shows_its_lag_and_is_reset_and_deleted() {
    let broker = Broker::start();
    text(&broker, "topic create read -p 2", "");
    let lines: String = (0..100).map(|line| format!("{line}:{line}\n")).collect();
    text(&broker, "produce read --key-separator :", &lines);
    let first = text(&broker, "consume read --group g --max-records 40", "");
    assert_eq!(first.lines().count(), 40);
    let described = &json_lines(&broker, "group describe g --json", "")[0];
    assert_eq!((&described["lag"], &described["state"]), (&json!(60), &json!("Empty")));
    let rest = text(&broker, "consume read --group g --exit", "");
    let mut all: Vec<&str> = first.lines().chain(rest.lines()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100, "every record once");
    assert!(text(&broker, "group describe g", "").contains("lag 0"));
    assert_eq!(json_lines(&broker, "group list --json", "")[0]["group"], "g");
    assert!(text(&broker, "group reset-offsets g --topic read --to beginning", "").contains("nothing is changed"));
    assert!(text(&broker, "group describe g", "").contains("lag 0"));
    text(&broker, "group reset-offsets g --topic read --to beginning --execute", "");
    assert!(text(&broker, "group describe g", "").contains("lag 100"));
    text(&broker, "group delete g", "");
    assert!(fails(&broker, "group describe g").contains("there is no group g"));
}

#[test]
fn members_share_a_topic_and_leave_in_order_when_asked_to_end() {
    let broker = Broker::start();
    text(&broker, "topic create shared -p 4", "");
    let input: String = (0..100).map(|line| format!("{line}:{line}\n")).collect();
    text(&broker, "produce shared --key-separator :", &input);
    let address = broker.address();
    let mut members: Vec<Child> = (0..2)
        .map(|_| {
            let words = ["consume", "shared", "--group", "g", "--bootstrap-server", &address];
            tools::mortal(&tools::ottla("sim")).args(words).stdout(Stdio::piped()).spawn().expect("ottla starts")
        })
        .collect();
    wait_until(|| {
        let output = ask(&broker, "group describe g --json", "");
        // At first there is no such group.
        let Some(described) = lines(&String::from_utf8_lossy(&output.stdout)).pop() else { return false };
        let owners = described["partitions"].as_array().into_iter().flatten().map(|one| one["member"].to_string());
        described["lag"] == 0 && owners.filter(|owner| owner != "null").collect::<BTreeSet<_>>().len() == 2
    });
    let asked = Command::new("kill").arg("-INT").args(members.iter().map(|one| one.id().to_string())).status();
    assert!(asked.expect("kill runs").success());
    let mut read = Vec::new();
    for member in members.drain(..) {
        let output = member.wait_with_output().expect("it ends");
        assert!(output.status.success(), "asked to end is no failure");
        read.extend(String::from_utf8(output.stdout).expect("the output is UTF-8").lines().map(str::to_owned));
    }
    read.sort();
    read.dedup();
    assert_eq!(read.len(), 100);
    let described = &json_lines(&broker, "group describe g --json", "")[0];
    assert_eq!((&described["state"], &described["lag"]), (&json!("Empty"), &json!(0)));
}

/// Asks until it is so, for a minute at most.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never comes true");
    }
}

#[test]
fn mistakes_are_one_line_that_says_what_to_do_and_the_exit_code_tells() {
    let broker = Broker::start();
    let absent = fails(&broker, "consume nothing --exit");
    assert!(absent.contains("ottla topic create"), "{absent}");
    let nobody = run(&["topic", "list", "-b", "127.0.0.1:1"], "");
    assert_eq!(nobody.status.code(), Some(1));
    let nobody = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(nobody.contains("--bootstrap-server") && nobody.lines().count() == 1, "{nobody}");
    let wrong = run(&["consume", "x", "--from", "yesterday"], "");
    assert_eq!(wrong.status.code(), Some(2));
    for command in
        ["topic", "topic create", "topic alter", "produce", "consume", "group", "group reset-offsets", "log dump"]
    {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&words, "");
        assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Examples:"), "{command}");
    }
}

#[test]
fn every_file_of_a_data_directory_can_be_dumped() {
    let mut broker = Broker::start();
    text(&broker, "topic create kept", "");
    text(&broker, "produce kept --key-separator :", "a:1\nb:2\n");
    text(&broker, "consume kept --group g --exit", "");
    if broker.kind() == Kind::Kafka {
        return;
    }
    broker.terminate();
    let of = |name: &str| {
        let path = broker.data().join(name);
        assert!(path.exists(), "{name} is there");
        dumped(&path)
    };
    let segment = of("kept-0/00000000000000000000.log");
    let keys: Vec<&Value> = segment.iter().filter(|one| one["kind"] == "record").map(|one| &one["key"]).collect();
    assert_eq!(keys, ["a", "b"]);
    let commits = (0..50).map(|at| format!("__consumer_offsets-{at}/00000000000000000000.log"));
    let commits: Vec<Value> =
        commits.filter(|name| broker.data().join(name).exists()).flat_map(|name| of(&name)).collect();
    let key = json!({ "group": "g", "topic": "kept", "partition": 0 });
    assert!(
        commits.iter().any(|one| one["key"] == key && one["value"]["offset"] == 2),
        "the commit is told by its fields"
    );
    let logs: Vec<Value> = of("catalogue").into_iter().filter(|one| one["topic"] == "kept").collect();
    assert_eq!((logs.len(), &logs[0]["end"]), (1, &json!(2)));
    let journals = [of("journal-0"), of("journal-1")].concat();
    assert!(journals.iter().any(|one| one["kind"] == "create" && one["topic"] == "kept"), "the journal tells of it");
}

fn dumped(path: &Path) -> Vec<Value> {
    let path = path.to_str().expect("the path is UTF-8");
    let output = run(&["log", "dump", "--records", "--json", path], "");
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    lines(&String::from_utf8(output.stdout).expect("JSON is UTF-8"))
}

fn text(broker: &Broker, command: &str, stdin: &str) -> String {
    let output = ask(broker, command, stdin);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ottla {command}: {}\n{complaint}", output.status);
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn json_lines(broker: &Broker, command: &str, stdin: &str) -> Vec<Value> {
    lines(&text(broker, command, stdin))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// The one line of a command that cannot do what it is asked.
fn fails(broker: &Broker, command: &str) -> String {
    let output = ask(broker, command, "");
    assert_eq!(output.status.code(), Some(1), "ottla {command} fails");
    let said = String::from_utf8(output.stderr).expect("the complaint is UTF-8");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

fn ask(broker: &Broker, command: &str, stdin: &str) -> Output {
    let address = broker.address();
    let words: Vec<&str> = command.split(' ').chain(["--bootstrap-server", &address]).collect();
    run(&words, stdin)
}

fn run(words: &[&str], stdin: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg("60").arg(tools::ottla("sim")).args(words).env_remove("OTTLA_BROKER");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ottla starts");
    let mut input = child.stdin.take().expect("it was asked for");
    // A command that reads nothing may be gone already.
    drop(input.write_all(stdin.as_bytes()));
    drop(input);
    child.wait_with_output().expect("ottla ends")
}
