//! The flight recorder: writes down everything that the node is given from its boot on, so that the simulator can go through
//! the same states again (`cargo sim -- --flight FILE`). It is off unless `ottla.flight.dir` is set.
//!
//! The brain encodes and hands over bytes; a thread writes them. Whatever goes wrong with a flight ends its recording with one
//! line in the log and nothing else: a broker never waits for its recorder. A process that is killed leaves a flight that ends
//! within the last turns; one that panics leaves all of it.

use ottla_core::boundary::Input;
use ottla_core::config::FlightConfig;
use ottla_core::flight::{Landing, put_boot, put_digest, put_input, put_landing};
use ottla_core::node::{Boot, Node};
use ottla_core::record::Functions;
use ottla_core::types::{Mono, Now};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::{info, warn};

/// The recording of this process.
pub struct Flight {
    functions: Functions,
    shared: Arc<Shared>,
    /// How long it is so far, and how long it may become, in bytes.
    bytes: u64,
    bytes_max: u64,
    /// How many effects the last step had.
    said: u32,
    /// When the next digest is due.
    digest_at: Mono,
    is_over: bool,
    /// Empty between calls; kept for its memory.
    scratch: Vec<u8>,
}

/// What the brain and the thread that writes have in common.
struct Shared {
    path: PathBuf,
    waiting: Mutex<Waiting>,
    more: Condvar,
    /// Locked before `waiting` wherever both are: bytes are written in the order in which they came.
    file: Mutex<File>,
    has_failed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Nothing more comes.
    is_closed: bool,
    /// Nothing more is written.
    is_over: bool,
}

impl Flight {
    /// Begins one with the boot that is about to be made at `now`. If that cannot be, a line says why.
    pub fn begin(config: &FlightConfig, boot: &Boot, now: Now) -> Option<Self> {
        match Self::try_begin(config, boot, now) {
            Ok(flight) => {
                info!("everything that happens is recorded in {}", flight.shared.path.display());
                Some(flight)
            }
            Err(fault) => {
                warn!("nothing is recorded: {}: {fault}", config.dir);
                None
            }
        }
    }

    fn try_begin(config: &FlightConfig, boot: &Boot, now: Now) -> io::Result<Self> {
        let directory = Path::new(config.dir.as_str());
        fs::create_dir_all(directory)?;
        let stem = format!("flight-{}-", boot.config.broker.id.0);
        make_room(directory, &stem)?;
        let path = directory.join(format!("{stem}{:013}.ottla", now.wall.0));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let shared = Arc::new(Shared {
            path,
            waiting: Mutex::default(),
            more: Condvar::new(),
            file: Mutex::new(file),
            has_failed: AtomicBool::new(false),
        });
        let writer = thread::Builder::new().name("ottla-flight".to_owned());
        writer.spawn({
            let shared = Arc::clone(&shared);
            move || shared.write()
        })?;
        save_on_panic(&shared);
        let mut flight = Self {
            functions: boot.functions,
            shared,
            bytes: 0,
            bytes_max: config.bytes_max,
            said: 0,
            digest_at: now.mono,
            is_over: false,
            scratch: Vec::new(),
        };
        put_boot(boot, now, env!("BUILT_VERSION"), &mut flight.scratch)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault.to_string()))?;
        flight.hand_over();
        Ok(flight)
    }

    /// The node is about to be stepped. False once the recording has ended.
    pub fn steps(&mut self, now: Now, input: &Input, node: &Node) -> bool {
        if let Err(fault) = put_input(now, self.said, input, &self.functions, &mut self.scratch) {
            self.give_up(&fault.to_string());
        } else if self.bytes + self.scratch.len() as u64 + LANDING_BYTES > self.bytes_max {
            info!("the flight {} is full: nothing more is recorded", self.shared.path.display());
            self.scratch.clear();
            self.land(Landing::Full, node);
        } else {
            self.hand_over();
        }
        !self.is_over
    }

    /// The node was stepped, with so many effects.
    pub fn stepped(&mut self, now: Now, said: usize, node: &Node) {
        self.said = u32::try_from(said).unwrap_or(u32::MAX);
        if self.digest_at <= now.mono {
            self.digest_at = now.mono + DIGEST_EVERY;
            put_digest(node.digest(), &self.functions, &mut self.scratch);
            self.hand_over();
        }
    }

    /// Ends the recording in order.
    pub fn land(&mut self, landing: Landing, node: &Node) {
        put_digest(node.digest(), &self.functions, &mut self.scratch);
        put_landing(landing, &self.functions, &mut self.scratch);
        self.hand_over();
        self.is_over = true;
        self.shared.close();
    }

    /// Returns when what was recorded is written, or after a moment: a broker that ends does not wait for a disk that hangs.
    pub fn wait(&self) {
        let is_missing = |waiting: &mut Waiting| !waiting.is_over;
        let waited = self.shared.more.wait_timeout_while(self.shared.waiting(), LANDING_MAX, is_missing);
        // A thread that panicked has said so.
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// What was encoded goes to the thread, if it takes more.
    fn hand_over(&mut self) {
        self.is_over |= self.shared.has_failed.load(Ordering::Relaxed);
        if self.is_over {
            return self.scratch.clear();
        }
        let is_first = {
            let mut waiting = self.shared.waiting();
            let is_first = waiting.bytes.is_empty();
            if !is_first && waiting.bytes.len() + self.scratch.len() > WAITING_BYTES_MAX {
                drop(waiting);
                return self.give_up("its disk does not keep up");
            }
            self.bytes += self.scratch.len() as u64;
            waiting.bytes.append(&mut self.scratch);
            is_first
        };
        if is_first {
            self.shared.more.notify_all();
        }
    }

    /// Whatever it was, the broker goes on.
    fn give_up(&mut self, why: &str) {
        warn!("the recording of the flight {} ends here: {why}", self.shared.path.display());
        self.is_over = true;
        self.scratch.clear();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    /// The thread.
    fn write(&self) {
        self.write_all();
        self.waiting().is_over = true;
        self.more.notify_all();
    }

    /// Writes what comes until nothing more does.
    fn write_all(&self) {
        loop {
            let mut waiting = self.waiting();
            while waiting.bytes.is_empty() && !waiting.is_closed {
                waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.bytes.is_empty() {
                return;
            }
            drop(waiting);
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(fault) = self.save(&mut file) {
                self.has_failed.store(true, Ordering::Relaxed);
                return warn!("the recording of the flight {} ends here: {fault}", self.path.display());
            }
        }
    }

    /// Writes what waits.
    fn save(&self, file: &mut File) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.waiting().bytes);
        file.write_all(&bytes)
    }

    fn close(&self) {
        self.waiting().is_closed = true;
        self.more.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The step that panics is what a flight is read for: it is written before the process ends.
fn save_on_panic(shared: &Arc<Shared>) {
    let (tell, shared) = (std::panic::take_hook(), Arc::downgrade(shared));
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        let Some(shared) = shared.upgrade() else { return };
        // The thread may be writing, or be the one that panicked: that is not waited for long.
        for _ in 0..PANIC_TRIES {
            if let Ok(mut file) = shared.file.try_lock() {
                if let Err(fault) = shared.save(&mut file) {
                    warn!("the end of the flight {} is not written: {fault}", shared.path.display());
                }
                return;
            }
            thread::sleep(PANIC_PAUSE);
        }
    }));
}

/// Removes the oldest flights of this node.
fn make_room(directory: &Path, stem: &str) -> io::Result<()> {
    let is_ours = |name: &str| name.starts_with(stem) && name.ends_with(".ottla");
    let mut flights = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            flights.push(entry.path());
        }
    }
    flights.sort_unstable();
    let surplus = (flights.len() + 1).saturating_sub(FLIGHTS_MAX);
    flights[..surplus].iter().try_for_each(fs::remove_file)
}

/// How many flights of a node are kept, its own included.
const FLIGHTS_MAX: usize = 8;
/// How often the node's state is fingerprinted.
const DIGEST_EVERY: Duration = Duration::from_secs(1);
/// What may wait for the thread, beside one entry of any size.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a digest and a landing take.
const LANDING_BYTES: u64 = 64;
/// How long a process that ends waits for its recording.
const LANDING_MAX: Duration = Duration::from_secs(2);
/// How often and how long a panicking process tries to write the rest.
const PANIC_TRIES: u32 = 100;
const PANIC_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
#[path = "flight_test.rs"]
mod flight_test;
