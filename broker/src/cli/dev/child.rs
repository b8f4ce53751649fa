//! One broker as a child process, and what it says.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

/// What is heard of a broker.
#[derive(Debug)]
pub enum Heard {
    /// It logged this line.
    Line(usize, String),
    /// It serves.
    Ready,
}

/// A broker.
#[derive(Debug)]
pub struct Child {
    node: usize,
    process: process::Child,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts the broker of this node. What it says goes to `tell`.
    pub fn start(node: usize, properties: &Path, log_level: &str, tell: &Sender<Heard>) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(properties).args(["--log-level", log_level, "--parent", &process::id().to_string()]);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("OTTLA_") || name.starts_with("KAFKA_")) {
                command.env_remove(name);
            }
        }
        // Ctrl-C is for us; a broker that heard it too and was asked by us as well would not end in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let (out, log) = (process.stdout.take(), process.stderr.take());
        let out = out.map(|pipe| (Box::new(pipe) as Box<dyn Read + Send>, true));
        let log = log.map(|pipe| (Box::new(pipe) as Box<dyn Read + Send>, false));
        for pipe in [out, log].into_iter().flatten() {
            let tell = tell.clone();
            thread::Builder::new().name("listener".into()).spawn(move || listen(node, pipe, &tell))?;
        }
        Ok(Self { node, process, ended: None })
    }

    /// Which broker it is.
    pub fn node(&self) -> usize {
        self.node
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its node, the first time that this is asked after it ended.
    pub fn has_ended(&mut self) -> Option<usize> {
        if self.ended.is_some() {
            return None;
        }
        // Whose state cannot be read is nobody's child any more.
        self.ended = self.process.try_wait().unwrap_or_else(|_| Some(ExitStatus::default()));
        self.ended.map(|_| self.node)
    }

    /// Is its end not known yet?
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Did it end as it should when it is asked to?
    pub fn ended_well(&self) -> bool {
        self.ended.is_some_and(|status| status.success())
    }

    /// How it ended, for people.
    pub fn how(&self) -> String {
        self.ended.map_or_else(|| "it runs".to_owned(), |status| status.to_string())
    }

    /// SIGTERM, unless it has ended.
    pub fn ask_to_end(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let (Some(pid), None) = (pid, self.ended) {
            // It may have ended this very moment.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Passes on the lines of a pipe; of the banner only that it came, since we have one of our own.
fn listen(node: usize, (pipe, is_banner): (Box<dyn Read + Send>, bool), tell: &Sender<Heard>) {
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let heard = match is_banner {
            false => Heard::Line(node, line),
            true if line.contains(" is ready at ") => Heard::Ready,
            true => continue,
        };
        if tell.send(heard).is_err() {
            return;
        }
    }
}
