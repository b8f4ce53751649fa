//! A broker process on a free port that keeps nothing; killed when dropped.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Process {
    child: Child,
    port: u16,
}

/// The binary under test.
pub fn ottla() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ottla"))
}

impl Process {
    /// Starts it with these settings, and returns when it listens.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// The same with its data in this folder.
    pub fn start_in(folder: &Path, settings: &[&str]) -> Self {
        let mut command = ottla();
        command.env("TMPDIR", folder);
        command.args(["--port", "0", "--log-level", "error"]);
        Self::start_as(command, settings)
    }

    /// The same, begun like this.
    pub fn start_as(mut command: Command, settings: &[&str]) -> Self {
        command.arg("--ephemeral");
        settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("its line");
        let port = line.split("\"port\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
        let port = port.and_then(|port| port.trim().parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("a line with its port, not {line:?}")) }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection whose reads fail after ten seconds.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    /// Its memory, as the kernel counts.
    pub fn resident_bytes(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("it runs");
        let pages: usize = statm.split(' ').nth(1).expect("a number").parse().expect("a number");
        pages * 4096
    }

    /// Where its data is.
    pub fn directory(&self) -> PathBuf {
        let prefix = format!("ottla-{}-", self.child.id());
        let found = std::fs::read_dir(std::env::temp_dir()).expect("a directory").find_map(|entry| {
            let path = entry.ok()?.path();
            path.file_name()?.to_str()?.starts_with(&prefix).then_some(path)
        });
        found.expect("its directory")
    }

    /// Asks it to end, and gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
