//! The process with all clients of a run, and what it says.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use ottla_tests::harness::tools::{golang, mortal};

use crate::history::{Act, Event, Type};
use crate::plan::Load;

/// Clients at work.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    reader: JoinHandle<()>,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    acknowledged: AtomicU64,
    /// What was no event.
    odd: Mutex<Vec<String>>,
}

impl Client {
    /// Builds the program if that was not done before, and starts it. It makes the topics and begins at once.
    pub fn start(bootstrap: &str, brokers: usize, load: &Load) -> Client {
        let recipe = concat!(
            include_str!("../clients/go/go.sum"),
            include_str!("../clients/go/main.go"),
            include_str!("../clients/go/record.go")
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go");
        let mut command = mortal(&golang::program("breaker", recipe, &folder));
        command.args(["-bootstrap", bootstrap]);
        for (flag, value) in [
            ("-brokers", brokers),
            ("-topics", load.topics),
            ("-partitions", load.partitions),
            ("-replicas", load.replicas),
            ("-senders", load.senders),
            ("-producers", load.producers),
            ("-readers", load.readers),
            ("-batch", load.batch),
            ("-size", load.record_bytes),
        ] {
            command.args([flag, &value.to_string()]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the clients start");
        let stdin = child.stdin.take().expect("it was asked for");
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        let reader = thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| hearing.hear(&line)));
        Client { child, stdin, reader, heard }
    }

    /// How many operations were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.heard.acknowledged.load(Ordering::Relaxed)
    }

    /// Has the program ended by itself?
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state can be read").is_some()
    }

    /// Ends the senders, has everything read, and gives what happened, and what else went wrong.
    pub fn finish(mut self) -> (Vec<Event>, Vec<String>) {
        // Whoever has ended by itself says so by its exit code.
        drop(writeln!(self.stdin, "stop"));
        self.reader.join().expect("the reader ends");
        let ended = self.child.wait().expect("the clients can be waited for");
        let mut odd = std::mem::take(&mut *self.heard.odd.lock().expect("nobody panics"));
        if !ended.success() {
            odd.push(format!("the clients' program ended: {ended}"));
        }
        (std::mem::take(&mut *self.heard.events.lock().expect("nobody panics")), odd)
    }
}

impl Heard {
    fn hear(&self, line: &str) {
        match serde_json::from_str::<Event>(line) {
            Ok(event) => {
                if event.f == Act::Send && event.at == Type::Ok {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                self.events.lock().expect("nobody panics").push(event);
            }
            Err(fault) => self.odd.lock().expect("nobody panics").push(format!("{fault}: {line}")),
        }
    }
}
