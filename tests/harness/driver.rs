//! A client program that takes one JSON command a line and answers with one JSON line, so that every client library is
//! driven, and its results checked, by the same Rust code. The commands are described in `clients/README.md`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long one command may take; the slowest are rebalances and JVM starts on a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// How much of what a program writes to standard error is kept for a failure's report.
const STDERR_KEPT: usize = 8000;

/// A running client program.
pub struct Driver {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
}

impl Driver {
    /// Starts the program.
    pub fn start(name: &str, mut command: Command) -> Driver {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|fault| panic!("{name} does not start: {fault}"));
        let stdin = child.stdin.take().expect("it was asked for");
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (kept, mut source) = (Arc::clone(&stderr), child.stderr.take().expect("it was asked for"));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                let mut kept = kept.lock().expect("no reader panics");
                kept.push_str(&String::from_utf8_lossy(&piece[..count]));
                if kept.len() > 2 * STDERR_KEPT {
                    *kept = tail(&kept);
                }
            }
        });
        Driver { name: name.to_owned(), child, stdin, lines, stderr }
    }

    /// Sends one command and gives its answer; a refusal or silence fails the test.
    pub fn ask(&mut self, command: &Value) -> Value {
        self.send(command);
        self.answer(command)
    }

    /// Sends one command, so that something else can be done while it runs.
    pub fn send(&mut self, command: &Value) {
        writeln!(self.stdin, "{command}")
            .and_then(|()| self.stdin.flush())
            .unwrap_or_else(|fault| self.fail(command, &fault.to_string()));
    }

    /// The answer to a command sent before.
    pub fn answer(&mut self, command: &Value) -> Value {
        self.answer_after(command, |_| {})
    }

    /// The same for a long command, which says now and then how far it is.
    pub fn answer_after(&mut self, command: &Value, progress: impl Fn(u64)) -> Value {
        loop {
            let line = self.lines.recv_timeout(ANSWER_MAX);
            let line = line.unwrap_or_else(|silence| self.fail(command, &silence.to_string()));
            let answer: Value =
                serde_json::from_str(&line).unwrap_or_else(|fault| self.fail(command, &format!("{fault}: {line}")));
            if let Some(error) = answer.get("error") {
                self.fail(command, &error.to_string());
            }
            match answer.get("progress").and_then(Value::as_u64) {
                Some(count) => progress(count),
                None => return answer,
            }
        }
    }

    fn fail(&self, command: &Value, what: &str) -> ! {
        let said = tail(&self.stderr.lock().expect("no reader panics"));
        let asked: String = command.to_string().chars().take(300).collect();
        panic!("{}: {what}\n  asked: {asked}\n  it wrote: {said}", self.name)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn tail(text: &str) -> String {
    let from = text.len().saturating_sub(STDERR_KEPT);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[from..].to_owned()
}
