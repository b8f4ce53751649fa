//! What happened, a JSON object a line: what clients asked and were told, and what the nemesis did. `clients/README.md` has the
//! fields.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The process of whatever breaks things.
pub const NEMESIS: i64 = -1;

/// How far an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// It begins.
    Invoke,
    /// It was carried out.
    Ok,
    /// It was not carried out, for certain.
    Fail,
    /// Nobody knows.
    Info,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Records are sent to one partition.
    Send,
    /// Whatever is next is read.
    Poll,
    /// The same at the end of a run, from the beginning of each partition.
    Final,
    /// Broker processes are killed.
    Kill,
    /// A broker that was killed answers again.
    Up,
    /// Every partition has a leader and all of its replicas in sync.
    Whole,
}

/// A line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since 1970; in a judged history since its first event.
    pub time: i64,
    /// Who.
    pub process: i64,
    /// How far.
    #[serde(rename = "type")]
    pub at: Type,
    /// What.
    pub f: Act,
    /// Of a send: its partition, numbered over all topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<i64>,
    /// Of a send: the number that its process gave to the first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// Of a send: how many records.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: i64,
    /// Of a poll: when it began. Of a kill: the moment before; its time is when the processes were gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: i64,
    /// Of a send that is ok: where its records are, in their order, as offset and count.
    #[serde(default, rename = "at", skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<(i64, i64)>,
    /// Of a poll: partition, offset, sender, number, count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<(i64, i64, i64, i64, i64)>,
    /// Of the last final read: partition and end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<(i64, i64)>,
    /// Of a kill: which brokers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<usize>,
    /// Of a kill: what was killed, as `leader` and `controller`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What the client said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

impl Event {
    /// An event with nothing but who, how far and what.
    pub fn new(time: i64, process: i64, at: Type, f: Act) -> Event {
        let (p, first, count, since) = (None, None, 0, 0);
        let (places, runs, ends, nodes, roles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Event { time, process, at, f, p, first, count, since, places, runs, ends, nodes, roles, error: String::new() }
    }
}

/// Events in the order of their times.
#[derive(Clone, Default, Debug)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
}

impl History {
    /// Puts events in order, and counts time from the first one.
    pub fn new(mut events: Vec<Event>) -> History {
        events.sort_by_key(|event| event.time);
        let start = events.first().map_or(0, |event| event.time);
        for event in &mut events {
            event.time -= start;
            event.since = if event.since == 0 { 0 } else { event.since - start };
        }
        History { events }
    }

    /// Reads what [`History::write`] wrote.
    pub fn read(path: &Path) -> io::Result<History> {
        let lines = BufReader::new(File::open(path)?).lines();
        let events = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<io::Result<_>>()?;
        Ok(History::new(events))
    }

    /// Writes an event a line.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        for event in &self.events {
            serde_json::to_writer(&mut out, event)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

/// The wall clock at the start, going on steadily from there whatever happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_ns: i64,
    started: Instant,
}

impl Clock {
    /// Now.
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        Clock { wall_ns: i64::try_from(wall.as_nanos()).expect("it is earlier than 2262"), started: Instant::now() }
    }

    /// Nanoseconds since 1970.
    pub fn now(&self) -> i64 {
        self.wall_ns + i64::try_from(self.started.elapsed().as_nanos()).expect("a run ends")
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}
