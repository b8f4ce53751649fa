//! kcat: list, produce, consume, query.

use std::io::Write;
use std::process::{Command, Stdio};

use ottla_tests::harness::broker::Broker;
use ottla_tests::harness::tools::apt;

#[test]
fn kcat_lists_the_broker_and_its_topics() {
    let broker = Broker::start();
    kcat(&broker, &["-P", "-t", "listed", "-K", ":"], "k:v\n");
    let listed = kcat(&broker, &["-L"], "");
    assert!(listed.contains(&format!("broker 1 at {}", broker.address())), "{listed}");
    assert!(listed.contains("topic \"listed\" with 1 partitions:"), "{listed}");
    assert!(listed.contains("partition 0, leader 1, replicas: 1, isrs: 1"), "{listed}");
}

#[test]
fn kcat_reads_after_kill_9_what_it_wrote_with_every_codec() {
    let mut broker = Broker::start();
    let mut expected = String::new();
    for (batch, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let lines: String = (0..500).map(|line| format!("key-{line}:{codec} {line} {}\n", "x".repeat(line))).collect();
        kcat(&broker, &["-P", "-t", "codecs", "-p", "0", "-K", ":", "-z", codec, "-H", "name=value"], &lines);
        let numbered =
            lines.lines().enumerate().map(|(line, text)| format!("{} name=value {text}\n", batch * 500 + line));
        expected.extend(numbered);
    }
    let format = "%o %h %k:%s\n";
    let read = |broker: &Broker| kcat(broker, &["-C", "-t", "codecs", "-o", "beginning", "-e", "-q", "-f", format], "");
    assert!(read(&broker) == expected, "what was read is not what was written");
    broker.kill_9();
    broker.restart();
    assert!(read(&broker) == expected, "what was read after kill -9 is not what was written");
}

#[test]
fn kcat_queries_offsets_by_time() {
    let broker = Broker::start();
    kcat(&broker, &["-P", "-t", "asked", "-p", "0"], "one\ntwo\nthree\n");
    let query = |at: &str| kcat(&broker, &["-Q", "-t", &format!("asked:0:{at}")], "");
    assert_eq!(query("-1").trim(), "asked [0] offset 3", "the end");
    assert_eq!(query("-2").trim(), "asked [0] offset 0", "the beginning");
    assert_eq!(query("1").trim(), "asked [0] offset 0", "the first record after 1970");
    assert_eq!(query("32503680000000").trim(), "asked [0] offset -1", "nothing after the year 3000");
}

fn kcat(broker: &Broker, args: &[&str], stdin: &str) -> String {
    apt::need("kcat", "kcat");
    let mut command = Command::new("timeout");
    command.args(["60", "kcat", "-b", &broker.address(), "-m", "30"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kcat starts");
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(stdin.as_bytes()).expect("kcat takes its input");
    drop(input);
    let output = child.wait_with_output().expect("kcat ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {args:?}: {}\n{complaint}", output.status);
    String::from_utf8(output.stdout).expect("kcat prints UTF-8")
}
