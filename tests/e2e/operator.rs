//! What a person at a terminal meets: refusals that say what to do, the command line tools, the broker that keeps nothing,
//! health and metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use ottla::port::Reserved;
use ottla_tests::harness::broker::{Broker, Kind};
use ottla_tests::harness::probe;
use ottla_tests::harness::tools;
use serde_json::{Value, json};

#[test]
fn a_second_broker_refuses_the_data_of_the_first() {
    let Some(broker) = ours() else { return };
    let data = format!("log.dirs={}", broker.data().display());
    let output = ottla(&["--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", &data], "");
    assert!(!output.status.success(), "it must not start");
    assert!(text(&output).contains("in use by another broker"), "{}", text(&output));
    assert!(probe::answers(&broker.address()), "the first goes on");
}

#[test]
fn every_wrong_setting_is_named_at_once() {
    let Some(broker) = ours() else { return };
    drop(broker);
    let wrong = ["num.partitions=many", "log.segment.bytes=-5", "log.retention.hours=soon", "ottla.durability=never"];
    let args: Vec<&str> = wrong.iter().flat_map(|setting| ["--set", setting]).collect();
    let output = ottla(&args, "");
    assert!(!output.status.success(), "it must not start");
    for setting in wrong {
        let (key, value) = setting.split_once('=').expect("a key and a value");
        let said = text(&output);
        assert!(said.lines().any(|line| line.contains(key) && line.contains(value)), "{setting} is not named: {said}");
    }
}

#[test]
fn an_ephemeral_broker_says_its_port_serves_and_leaves_nothing() {
    let Some(broker) = ours() else { return };
    drop(broker);
    let mut command = tools::mortal(&tools::ottla("sim"));
    let mut child = command.args(["--ephemeral", "--port", "0"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it was asked for")).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
    assert_eq!(ready["pid"], json!(child.id()));
    let address = format!("127.0.0.1:{}", ready["port"]);
    assert!(probe::answers(&address), "it serves as soon as it says so");
    let sent = ottla(&["produce", "kept", "--broker", &address], "not for long\n");
    assert!(sent.status.success(), "{}", text(&sent));
    let places = || std::fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
    let mine = || {
        places().filter(|place| place.file_name().to_string_lossy().contains(&format!("ottla-{}-", child.id()))).count()
    };
    assert_eq!(mine(), 1, "its data lies in the folder for temporary things");
    tools::finish(Command::new("kill").arg(child.id().to_string()), "kill");
    let ended = child.wait().expect("it ends");
    assert!(ended.success(), "{ended}");
    let left = places()
        .filter(|place| place.file_name().to_string_lossy().contains(&format!("ottla-{}-", child.id())))
        .count();
    assert_eq!(left, 0, "nothing is left");
}

#[test]
fn the_tools_of_the_binary_do_what_a_person_wants() {
    let Some(broker) = ours() else { return };
    let address = broker.address();
    let run = |args: &[&str], stdin: &str| {
        let output = ottla(&[args, &["--broker", &address]].concat(), stdin);
        assert!(output.status.success(), "ottla {args:?}: {}", text(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let first = |printed: &str| serde_json::from_str::<Value>(printed.lines().next().expect("a line")).expect("JSON");
    run(&["topic", "create", "orders", "--partitions", "2", "--config", "retention.ms=60000"], "");
    let listed = first(&run(&["topic", "list", "--json"], ""));
    assert_eq!((&listed["topic"], &listed["partitions"]), (&json!("orders"), &json!(2)));
    let described = run(&["topic", "describe", "orders"], "");
    assert!(described.contains("retention.ms") && described.contains("60000"), "{described}");
    run(
        &["produce", "orders", "--partition", "1", "--key-separator", ":", "--compression", "zstd"],
        "k1:one\nk2:two\n",
    );
    let read = run(&["consume", "orders", "--exit", "--json"], "");
    let records: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), 2, "{read}");
    assert_eq!((&records[1]["partition"], &records[1]["offset"]), (&json!(1), &json!(1)), "{read}");
    assert!(read.contains("two") && read.contains("k2"), "{read}");
    run(&["topic", "delete", "orders"], "");
    assert!(!run(&["topic", "list"], "").contains("orders"));
    let refused = ottla(&["topic", "describe", "orders", "--broker", &address], "");
    assert!(!refused.status.success() && !text(&refused).trim().is_empty(), "what is missing is said, and fails");
}

#[test]
fn health_readiness_and_metrics_are_told_over_http() {
    let reserved = Reserved::any().expect("a port");
    let http = reserved.address();
    let broker = Broker::start_with(&[("ottla.http.listener", &http)]);
    if broker.kind() == Kind::Kafka {
        return;
    }
    let sent = ottla(&["produce", "counted", "--broker", &broker.address()], "one\ntwo\n");
    assert!(sent.status.success(), "{}", text(&sent));
    for path in ["/health", "/ready"] {
        let answer = get(&http, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let metrics = get(&http, "/metrics");
    let counts = metrics.lines().filter(|line| line.starts_with("ottla_") && !line.ends_with(" 0")).count();
    assert!(counts > 0, "something was counted: {metrics}");
}

/// A broker of ours; none when Kafka is what the tests run against.
fn ours() -> Option<Broker> {
    let broker = Broker::start();
    (broker.kind() == Kind::Ottla).then_some(broker)
}

fn ottla(args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg("60").arg(tools::ottla("sim")).args(args);
    // These are for the tests; a broker refuses variables that look like settings of its own and are none.
    command.env_remove("OTTLA_E2E_BINARY").env_remove("OTTLA_E2E_BROKER");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // It may end without reading.
    drop(child.stdin.take().expect("it was asked for").write_all(stdin.as_bytes()));
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("the listener accepts");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("a request fits");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer in UTF-8");
    answer
}
