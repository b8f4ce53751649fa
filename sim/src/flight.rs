//! Flights: what a process recorded of itself is gone through again, step by step, with the node that this program has. Digests
//! in the recording say whether it is the same history; the number of effects of each step says where it is not.

use crate::run::caught;
use bytes::Bytes;
use ottla_core::boundary::{Done, Effect, Effects, Input, Job};
use ottla_core::flight::{
    Entry, FlightFault, HEAD, Landing, Manifest, PREFIX_BYTES, Recorded, body_bytes, check_head, put_boot, put_digest,
    put_input, put_landing, read_entry,
};
use ottla_core::node::{Boot, Node};
use ottla_core::record::Functions;
use ottla_core::types::{Now, OpId, Str};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io::{self, Read};
use std::mem;

/// What became of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// The version that recorded it, if the flight says so.
    pub program: Option<Str>,
    /// Steps that were made again.
    pub inputs: u64,
    /// Digests that were the same.
    pub digests: u64,
    /// When the last step was made, in nanoseconds of the process.
    pub length: u64,
    /// How it ended.
    pub ending: Ending,
}

/// How a replay ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With the recording, which ended in order.
    Landed(Landing),
    /// With the bytes: the process was killed.
    Torn,
    /// At bytes that cannot be read.
    Damaged(FlightFault),
    /// It went another way.
    Differs(String),
    /// The node panicked, as it did in the process if nothing follows.
    Panicked(String),
}

impl Replayed {
    /// Is all that could be compared the same?
    pub fn is_same(&self) -> bool {
        self.digests > 0
            && match self.ending {
                Ending::Landed(_) | Ending::Torn | Ending::Damaged(_) => true,
                Ending::Differs(_) | Ending::Panicked(_) => false,
            }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inputs, digests, length, .. } = self;
        if let Some(program) = &self.program {
            writeln!(f, "recorded by ottla {program}, replayed by {}", env!("CARGO_PKG_VERSION"))?;
        }
        match &self.ending {
            Ending::Landed(Landing::Stopped) => f.write_str("the process ended in order")?,
            Ending::Landed(Landing::Full) => f.write_str("the flight had become as long as it may be")?,
            Ending::Torn => f.write_str("the flight ends in mid-air: the process was killed")?,
            Ending::Damaged(fault) => write!(f, "the rest of the flight cannot be read: {fault}")?,
            Ending::Differs(how) => write!(f, "ANOTHER HISTORY: {how}")?,
            Ending::Panicked(text) => write!(f, "PANIC: {text}")?,
        }
        write!(
            f,
            "\nreplayed up to there: {inputs} inputs, {} of the process, {digests} digests the same",
            secs(*length)
        )
    }
}

/// Goes through a flight. Each entry is told as a line.
///
/// # Errors
/// The flight cannot be read at all.
pub fn replay(flight: impl Read, functions: Functions, tell: &mut dyn FnMut(String)) -> Result<Replayed, String> {
    let mut entries = Entries { from: flight, functions };
    entries.head()?;
    let mut manifest = Manifest::default();
    let (boot, now) = loop {
        let entry = entries.next().map_err(|ending| format!("it ends before the boot: {ending:?}"))?;
        if let Some(booted) = manifest.take(entry, &functions).map_err(|fault| fault.to_string())? {
            break booted;
        }
    };
    let mut course = Course::boot(boot, now, functions, tell)?;
    let ending = loop {
        match entries.next().and_then(|entry| course.take(entry, tell)) {
            Ok(()) => {}
            Err(ending) => break ending,
        }
    };
    let Course { inputs, digests, now, .. } = course;
    Ok(Replayed { program: manifest.program().cloned(), inputs, digests, length: now.mono.0, ending })
}

struct Entries<R> {
    from: R,
    functions: Functions,
}

impl<R: Read> Entries<R> {
    fn head(&mut self) -> Result<(), String> {
        let mut head = [0; HEAD.len()];
        self.from.read_exact(&mut head).map_err(|fault| fault.to_string())?;
        check_head(head).map_err(|fault| fault.to_string())
    }

    /// The next entry, or how the flight ends instead.
    fn next(&mut self) -> Result<Entry, Ending> {
        let mut prefix = [0; PREFIX_BYTES];
        self.fill(&mut prefix)?;
        let length = body_bytes(prefix).map_err(Ending::Damaged)?;
        // No more memory than there are bytes, whatever the length says.
        let mut body = Vec::new();
        self.from.by_ref().take(length as u64).read_to_end(&mut body).map_err(|fault| unreadable(&fault))?;
        if body.len() < length {
            return Err(Ending::Torn);
        }
        read_entry(prefix, Bytes::from(body), &self.functions).map_err(Ending::Damaged)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Ending> {
        self.from.read_exact(bytes).map_err(|fault| match fault.kind() {
            io::ErrorKind::UnexpectedEof => Ending::Torn,
            _ => unreadable(&fault),
        })
    }
}

fn unreadable(fault: &io::Error) -> Ending {
    Ending::Differs(format!("the file cannot be read: {fault}"))
}

/// The node that goes through it all again.
struct Course {
    node: Node,
    functions: Functions,
    effects: Effects,
    /// What it asked to be done off its thread.
    jobs: BTreeMap<OpId, Job>,
    /// How many effects the last step had.
    said: u32,
    now: Now,
    inputs: u64,
    digests: u64,
}

impl Course {
    fn boot(boot: Boot, now: Now, functions: Functions, tell: &mut dyn FnMut(String)) -> Result<Self, String> {
        tell(format!("{}  boots as node {}", secs(now.mono.0), boot.config.broker.id.0));
        let mut effects = Effects::default();
        let mut node = None;
        if let Some(finding) = caught(|| node = Some(Node::boot(boot, now, &mut effects))) {
            return Err(format!("it panics at its boot: {}", finding.text));
        }
        let node = node.expect("it has booted");
        let mut course = Self { node, functions, effects, jobs: BTreeMap::new(), said: 0, now, inputs: 0, digests: 0 };
        course.heed(tell);
        Ok(course)
    }

    /// One more entry; or how it ends there.
    fn take(&mut self, entry: Entry, tell: &mut dyn FnMut(String)) -> Result<(), Ending> {
        match entry {
            Entry::Input { now, said, input } => self.step(now, said, input, tell),
            Entry::Digest(digest) => self.compare(digest, tell),
            Entry::Landed(landing) => Err(Ending::Landed(landing)),
            Entry::Program(_) | Entry::Settings(_) | Entry::Life(_) | Entry::Log(_) | Entry::Booted(_) => {
                Err(Ending::Damaged(FlightFault::Place))
            }
        }
    }

    fn step(&mut self, now: Now, said: u32, input: Recorded, tell: &mut dyn FnMut(String)) -> Result<(), Ending> {
        if said != self.said {
            let here = self.said;
            return Err(self.differs(&format!("the last step had {said} effects in the process and has {here} here")));
        }
        let input = match input {
            Recorded::Whole(input) => *input,
            Recorded::Job(op) => match self.jobs.remove(&op) {
                Some(job) => Input::Done { op, outcome: Ok(Done::Job(job.run(&self.functions))) },
                None => return Err(self.differs(&format!("a job {op:?} ends that nobody asked for here"))),
            },
        };
        self.now = now;
        self.inputs += 1;
        tell(format!("{}  {}", secs(now.mono.0), shown(&input)));
        let (node, effects) = (&mut self.node, &mut self.effects);
        if let Some(finding) = caught(|| node.step(now, input, effects)) {
            return Err(Ending::Panicked(format!("input {} at {}: {}", self.inputs, secs(now.mono.0), finding.text)));
        }
        self.heed(tell);
        Ok(())
    }

    /// Effects that something has to come of are remembered, notes are told.
    fn heed(&mut self, tell: &mut dyn FnMut(String)) {
        let Effects { effects, notes } = mem::take(&mut self.effects);
        self.said = u32::try_from(effects.len()).unwrap_or(u32::MAX);
        for effect in effects {
            if let Effect::Job { op, job } = effect {
                self.jobs.insert(op, job);
            }
        }
        notes.iter().for_each(|note| tell(format!("{}    {note:?}", secs(self.now.mono.0))));
    }

    fn compare(&mut self, digest: u64, tell: &mut dyn FnMut(String)) -> Result<(), Ending> {
        let here = self.node.digest();
        if digest != here {
            return Err(self.differs(&format!("the digest was {digest:016x} in the process and is {here:016x} here")));
        }
        let node = &self.node;
        if let Some(finding) = caught(|| node.check()) {
            return Err(Ending::Panicked(format!("behind input {}: {}", self.inputs, finding.text)));
        }
        self.digests += 1;
        tell(format!("{}  digest {digest:016x}: the same", secs(self.now.mono.0)));
        Ok(())
    }

    fn differs(&self, how: &str) -> Ending {
        Ending::Differs(format!("behind input {} at {}: {how}", self.inputs, secs(self.now.mono.0)))
    }
}

fn secs(nanos: u64) -> String {
    format!("{:>11.6} s", nanos as f64 / 1e9)
}

/// An input as people want to see it: not all of a thousand partitions.
fn shown(input: &Input) -> String {
    let mut text = Cropped(String::new());
    // Whatever does not fit is what is left out.
    let _ = write!(text, "{input:?}");
    text.0
}

struct Cropped(String);

impl Write for Cropped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN_BYTES_MAX.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// The recording of a simulated process.
pub struct Recorder {
    functions: Functions,
    bytes: Vec<u8>,
    said: u32,
    steps: u64,
}

impl Recorder {
    /// Begins with the boot that is about to be made.
    pub fn begin(boot: &Boot, now: Now) -> Self {
        let mut bytes = Vec::new();
        put_boot(boot, now, env!("CARGO_PKG_VERSION"), &mut bytes).expect("a boot can be kept");
        Self { functions: boot.functions, bytes, said: 0, steps: 0 }
    }

    /// The node was booted, with so many effects.
    pub fn booted(&mut self, said: usize, node: &Node) {
        self.said = said as u32;
        put_digest(node.digest(), &self.functions, &mut self.bytes);
    }

    /// The node is about to be stepped.
    pub fn steps(&mut self, now: Now, input: &Input) {
        put_input(now, self.said, input, &self.functions, &mut self.bytes).expect("an input can be kept");
    }

    /// The node was stepped, with so many effects.
    pub fn stepped(&mut self, said: usize, node: &Node) {
        self.said = said as u32;
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_DIGEST) {
            put_digest(node.digest(), &self.functions, &mut self.bytes);
        }
    }

    /// The process has ended: its flight is replayed. What is not the same about it.
    pub fn judge(mut self, node: &Node) -> Option<String> {
        put_digest(node.digest(), &self.functions, &mut self.bytes);
        put_landing(Landing::Stopped, &self.functions, &mut self.bytes);
        match replay(&self.bytes[..], self.functions, &mut |_| {}) {
            Ok(Replayed { ending: Ending::Landed(_), .. }) => None,
            Ok(other) => Some(other.to_string()),
            Err(fault) => Some(fault),
        }
    }
}

/// What is shown of an input, in bytes.
const SHOWN_BYTES_MAX: usize = 400;
/// Between two digests of a simulated flight.
const STEPS_PER_DIGEST: u64 = 256;

#[cfg(test)]
#[path = "flight_test.rs"]
mod flight_test;
