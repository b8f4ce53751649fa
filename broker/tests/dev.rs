//! `ottla dev`: several brokers in one terminal.

mod process;

use process::ottla;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A cluster that serves; killed when it is dropped.
struct Dev {
    child: Child,
    told: Value,
    /// What it says to people.
    lines: Receiver<String>,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut command = ottla();
        command.args(["dev", "--port", "0", "--json"]).args(arguments);
        // Settings of the person who starts it are not those of three brokers.
        command.env("OTTLA_LOG_DIRS", "/nowhere").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (tell, lines) = channel();
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its line");
        let told = serde_json::from_str(&line);
        let told = told
            .unwrap_or_else(|_| panic!("it tells where it is, not {line:?} {:?}", lines.iter().collect::<Vec<_>>()));
        Self { child, told, lines }
    }

    fn tool(&self, arguments: &[&str], input: &str) -> String {
        let servers = self.told["bootstrap_servers"].as_str().expect("addresses");
        let mut command = ottla();
        command.args(arguments).args(["--bootstrap-server", servers]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        // Who reads nothing may be gone already.
        drop(pipe.write_all(input.as_bytes()));
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{command:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn pids(&self) -> Vec<u64> {
        let brokers = self.told["brokers"].as_array().expect("a list");
        brokers.iter().map(|broker| broker["pid"].as_u64().expect("a number")).collect()
    }

    /// Waits for a line that holds this.
    fn hears(&self, wanted: &str) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            if line.unwrap_or_else(|_| panic!("it says {wanted:?}")).contains(wanted) {
                return;
            }
        }
    }

    fn terminate(mut self) -> Option<i32> {
        kill(&["-TERM", &self.child.id().to_string()]);
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(arguments: &[&str]) {
    assert!(Command::new("kill").args(arguments).status().expect("kill runs").success(), "{arguments:?}");
}

fn folder(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ottla-dev-{}-{what}", std::process::id()))
}

/// What it says when it does not start.
fn refusals(arguments: &[&str]) -> Vec<String> {
    let output = ottla().arg("dev").args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_nothing_is_made() {
    let folder = folder("wrong");
    let named = folder.to_str().expect("a plain path");
    let told = refusals(&["--dir", named, "--port", "65000", "--set", "num.partitions=none", "--set", "ottla.x=1"]);
    assert_eq!(told.len(), 3, "{told:?}");
    let wanted = ["--port 65000: there is no port", "num.partitions=none: must be", "ottla.x=1: must be left out"];
    for (line, wanted) in told.iter().zip(wanted) {
        assert!(line.starts_with(&format!("ottla: {wanted}")), "{line}");
    }
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0, "no file is written");
    fs::remove_dir_all(folder).expect("it can be removed");
}

#[test]
fn three_brokers_begin_again_where_they_were() {
    let folder = folder("again");
    let named = folder.to_str().expect("a plain path");
    let dev = Dev::start(&["--dir", named, "--set", "num.partitions=2"]);
    dev.hears("2 | ");
    dev.tool(&["topic", "create", "t"], "");
    let described = dev.tool(&["topic", "describe", "t", "--json"], "");
    assert_eq!(described.matches("\"replicas\":[").count(), 2, "{described}");
    for broker in 1..=3 {
        assert!(described.contains(&broker.to_string()), "{described}");
    }
    dev.tool(&["produce", "t"], "one\ntwo\n");
    assert_eq!(dev.terminate(), Some(0));
    let told = refusals(&["--dir", named, "--brokers", "2"]);
    assert!(told.len() == 1 && told[0].contains("was made for 3 brokers; start them with --brokers 3"), "{told:?}");
    let dev = Dev::start(&["--dir", named]);
    assert_eq!(dev.tool(&["consume", "t", "--exit"], "").lines().count(), 2);
    let told = refusals(&["--dir", named]);
    assert!(told.len() == 1 && told[0].ends_with("choose another directory with --dir DIR"), "{told:?}");
    assert_eq!(dev.terminate(), Some(0));
    fs::remove_dir_all(folder).expect("it can be removed");
}

#[test]
fn a_broker_that_dies_is_told_and_the_others_go_on() {
    let dev = Dev::start(&["--ephemeral"]);
    let (data, pids) = (dev.told["data"].as_str().expect("a path").to_owned(), dev.pids());
    dev.tool(&["topic", "create", "t", "--partitions", "3"], "");
    kill(&["-9", &pids[2].to_string()]);
    dev.hears(&format!("broker 3 (process {}) ended: signal: 9", pids[2]));
    dev.tool(&["produce", "t"], "one\ntwo\n");
    assert_eq!(dev.tool(&["consume", "t", "--exit"], "").lines().count(), 2);
    assert_eq!(dev.terminate(), Some(1), "not all is well with a cluster of which a broker died");
    assert!(!Path::new(&data).exists(), "{data} stays behind");
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "broker process {pid} stays behind");
    }
}

#[test]
fn brokers_do_not_outlive_whoever_started_them() {
    let dev = Dev::start(&["--ephemeral", "--brokers", "1"]);
    let (pids, pid) = (dev.pids(), dev.child.id());
    let watcher = Command::new("tail").args(["--pid", &pids[0].to_string(), "-f", "/dev/null"]).spawn();
    kill(&["-9", &pid.to_string()]);
    assert!(watcher.expect("tail runs").wait().expect("it ends once the broker has").success());
    fs::remove_dir_all(dev.told["data"].as_str().expect("a path")).expect("what a killed one leaves can be removed");
}
