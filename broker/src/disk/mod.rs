//! The disk: executes the store's file operations, on threads or through a ring. It decides nothing; whoever needs one
//! operation done before another waits for its end.
//!
//! Writes that somebody waits for, the journal's above all, never stand behind reads or behind what is written in the
//! background: they go through the ring, or to threads of their own. The store has one group under way at a time, so there
//! is nothing to be merged here.

mod buffers;
mod file;
mod queue;
mod ring;
mod root;

use file::Files;
use ottla_core::boundary::{FileDone, FileFault, FileOp};
use ottla_core::types::FileOpId;
use queue::Queue;
pub use ring::Ring;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The threads that work on one directory. They end when this is dropped.
#[derive(Debug)]
pub struct Disk {
    urgent: Arc<Queue>,
    other: Arc<Queue>,
    files: Arc<Files>,
    /// Whoever looks after the directory ends with it.
    _watch: Sender<()>,
}

impl Disk {
    /// Starts the threads. Each operation's end is handed to `deliver`, on one of them.
    pub fn start(
        root: &Path,
        deliver: impl Fn(FileOpId, Result<FileDone, FileFault>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let deliver = Arc::new(deliver);
        let files = Arc::new(Files::new(root));
        let watch = watch(&files)?;
        let disk = Self { urgent: Arc::default(), other: Arc::default(), files, _watch: watch };
        let lanes = [("flush", &disk.urgent, URGENT_THREADS), ("disk", &disk.other, OTHER_THREADS)];
        for (name, queue, threads) in lanes {
            for number in 0..threads {
                let (queue, files, deliver) = (Arc::clone(queue), Arc::clone(&disk.files), Arc::clone(&deliver));
                thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                    while let Some((id, op)) = queue.take() {
                        deliver(id, files.run(op));
                    }
                })?;
            }
        }
        Ok(disk)
    }

    /// A way to write without these threads, if this system has one; for one thread, on which `deliver` is called.
    pub fn ring(&self, deliver: impl Fn(FileOpId, Result<FileDone, FileFault>) + 'static) -> io::Result<Rc<Ring>> {
        Ring::start(Arc::clone(&self.files), deliver)
    }

    /// Begins an operation, through the ring if it can.
    pub fn submit_through(&self, ring: &Ring, id: FileOpId, op: FileOp) {
        if let FileOp::WriteAt { file, at, parts, durable } = &op
            && let [bytes] = &parts[..]
            && ring.write(id, *file, *at, bytes, *durable)
        {
            return;
        }
        self.submit(id, op);
    }

    /// Begins an operation.
    pub fn submit(&self, id: FileOpId, op: FileOp) {
        let is_urgent = matches!(op, FileOp::WriteAt { durable: true, .. });
        let queue = if is_urgent { &self.urgent } else { &self.other };
        queue.put(id, op);
    }
}

/// Looks every now and then whether the directory is still there, on a thread of its own: that may take long.
fn watch(files: &Arc<Files>) -> io::Result<Sender<()>> {
    let (watch, over) = channel::<()>();
    let files = Arc::clone(files);
    thread::Builder::new().name("watch".into()).spawn(move || {
        while over.recv_timeout(WATCH_EVERY) == Err(RecvTimeoutError::Timeout) && !files.root().is_lost(true) {}
    })?;
    Ok(watch)
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.urgent.close();
        self.other.close();
    }
}

/// So long is acknowledged what nobody can open, at most, if somebody removes the directory.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// One write of a group, and one that goes beside it.
const URGENT_THREADS: usize = 2;
/// A flush of a segment and a few reads under way at a time keep a disk busy.
const OTHER_THREADS: usize = 4;

#[cfg(test)]
#[path = "disk_test.rs"]
mod disk_test;
