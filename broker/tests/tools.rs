//! The tools of the binary against a broker process: what they refuse, and what they leave as it was.

mod process;

use process::{Process, ottla};
use std::io::Write;
use std::process::{Output, Stdio};

fn run(process: &Process, arguments: &[&str], stdin: &str) -> Output {
    let mut command = ottla();
    command.args(arguments).args(["--bootstrap-server", &process.address()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    // A command that reads nothing may be gone already.
    drop(input.write_all(stdin.as_bytes()));
    drop(input);
    child.wait_with_output().expect("it ends")
}

/// What it printed, where people read results.
fn text(process: &Process, arguments: &[&str], stdin: &str) -> String {
    let output = run(process, arguments, stdin);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The one line that says why not.
fn complaint(process: &Process, arguments: &[&str]) -> String {
    let output = run(process, arguments, "");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[test]
fn a_topic_is_altered_wholly_or_not_at_all() {
    let process = Process::start(&[]);
    text(&process, &["topic", "create", "orders", "--partitions", "6"], "");
    let told = complaint(&process, &["topic", "alter", "orders", "--set", "retention.ms=5", "--partitions", "3"]);
    assert!(told.contains("nothing was changed"), "{told}");
    let told = complaint(&process, &["topic", "alter", "orders", "--set", "retention.ms=soon", "--partitions", "9"]);
    assert!(told.contains("nothing was changed"), "{told}");
    let described = text(&process, &["topic", "describe", "orders", "--json"], "");
    assert!(described.contains("\"configs\":{}"), "{described}");
    assert_eq!(described.matches("\"partition\":").count(), 6, "{described}");
    text(&process, &["topic", "alter", "orders", "--set", "retention.ms=5000000", "--partitions", "9"], "");
    let described = text(&process, &["topic", "describe", "orders", "--json"], "");
    assert!(described.contains("\"retention.ms\":\"5000000\""), "{described}");
    assert_eq!(described.matches("\"partition\":").count(), 9, "{described}");
}

#[test]
fn committed_offsets_are_not_deleted_by_the_way() {
    let process = Process::start(&["offsets.topic.num.partitions=1"]);
    text(&process, &["produce", "kv"], "one\n");
    text(&process, &["consume", "kv", "--group", "g", "--exit"], "");
    let told = complaint(&process, &["topic", "delete", "kv", "__consumer_offsets"]);
    assert!(told.contains("nothing was deleted") && told.contains("--force"), "{told}");
    let listed = text(&process, &["topic", "list", "--internal"], "");
    assert!(listed.contains("kv") && listed.contains("__consumer_offsets"), "{listed}");
    text(&process, &["topic", "delete", "--force", "__consumer_offsets"], "");
    assert!(!text(&process, &["topic", "list", "--internal"], "").contains("__consumer_offsets"));
}

#[test]
fn an_offset_behind_the_end_is_told() {
    let process = Process::start(&[]);
    text(&process, &["produce", "kv"], "1\n2\n3\n4\n5\n");
    let output = run(&process, &["consume", "kv", "--from", "99", "--exit"], "");
    assert!(output.status.success() && output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("kv-0 ends at 5") && told.contains("99"), "{told}");
    let output = run(&process, &["consume", "kv", "--from", "5", "--exit"], "");
    assert!(output.status.success() && output.stderr.is_empty(), "the end itself is a place to begin");
}

#[test]
fn several_files_are_dumped_one_after_the_other() {
    let mut process = Process::start(&[]);
    text(&process, &["topic", "create", "orders", "--config", "retention.ms=5000000"], "");
    let directory = process.directory();
    let copy = std::env::temp_dir().join(format!("ottla-dumped-{}", std::process::id()));
    let copied = std::process::Command::new("cp").arg("-a").arg(&directory).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    process.terminate();
    let files = [copy.join("journal-0"), copy.join("journal-1")];
    let output = ottla().args(["log", "dump"]).args(&files).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::remove_dir_all(&copy).expect("it can be removed");
    for file in files {
        assert!(told.contains(&format!("file  path=\"{}\"", file.display())), "{told}");
    }
}

#[test]
fn where_lines_are_json_every_line_is_and_one_says_what_the_banner_does() {
    let directory = std::env::temp_dir().join(format!("ottla-json-{}", std::process::id()));
    let log_dirs = format!("log.dirs={}", directory.display());
    let mut command = ottla();
    command.args(["--port", "0", "--log-format", "json", "--set", &log_dirs]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = Vec::new();
    let errors = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    for line in std::io::BufRead::lines(errors) {
        let line = line.expect("text");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line} is no JSON"));
        let is_ready = line.get("listeners").is_some();
        lines.push(line);
        if is_ready {
            break;
        }
    }
    let sent = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.expect("kill runs").success());
    let ended = child.wait_with_output().expect("it ends");
    std::fs::remove_dir_all(&directory).expect("it can be removed");
    assert!(ended.stdout.is_empty(), "{}", String::from_utf8_lossy(&ended.stdout));
    let ready = lines.last().expect("a line");
    assert_eq!((&ready["level"], &ready["durability"]), (&"INFO".into(), &"durable".into()), "{ready}");
    assert_eq!(ready["data"], directory.display().to_string());
    assert!(ready["listeners"].as_str().is_some_and(|told| told.starts_with("127.0.0.1:")), "{ready}");
    assert!(ready.get("version").is_some() && ready.get("http").is_none(), "{ready}");
    let leads = lines.iter().find(|line| line.get("term").is_some()).expect("somebody leads the quorum");
    assert_eq!(leads["broker"], 1, "fields are fields: {leads}");
}

#[test]
fn the_version_has_the_commit_that_it_was_built_from_if_there_is_one() {
    let output = ottla().arg("--version").output().expect("it runs");
    let told = String::from_utf8(output.stdout).expect("text");
    let plain = concat!("ottla ", env!("CARGO_PKG_VERSION"));
    let rest = told.trim_end().strip_prefix(plain).expect("its version");
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    let hash = commit.map(|commit| commit.trim_end_matches('+'));
    let is_hash = |hash: &str| hash.len() >= 10 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(rest.is_empty() || hash.is_some_and(is_hash), "{told}");
    let is_checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.git").exists();
    assert!(!is_checkout || !rest.is_empty(), "{told}");
}
