//! The disk: executes the store's file operations on threads. It decides nothing; whoever needs one operation done before
//! another waits for its end.

mod file;
mod ring;

use file::Files;
use ottla_core::boundary::{FileDone, FileFault, FileOp};
use ottla_core::types::FileOpId;
pub use ring::Ring;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The threads that work on one directory. They end when this is dropped.
#[derive(Debug)]
pub struct Disk {
    queue: Sender<(FileOpId, FileOp)>,
    files: Arc<Files>,
}

impl Disk {
    /// Starts the threads. Each operation's end is handed to `deliver`, on one of them.
    pub fn start(
        root: &Path,
        deliver: impl Fn(FileOpId, Result<FileDone, FileFault>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (queue, work) = channel();
        let (work, files, deliver) = (Arc::new(Mutex::new(work)), Arc::new(Files::new(root)), Arc::new(deliver));
        for number in 0..THREADS {
            let (work, files, deliver) = (Arc::clone(&work), Arc::clone(&files), Arc::clone(&deliver));
            thread::Builder::new().name(format!("disk-{number}")).spawn(move || {
                while let Some((id, op)) = next(&work) {
                    deliver(id, files.run(op));
                }
            })?;
        }
        Ok(Self { queue, files })
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
        assert!(self.queue.send((id, op)).is_ok(), "disk threads live as long as the brain");
    }
}

fn next(work: &Mutex<Receiver<(FileOpId, FileOp)>>) -> Option<(FileOpId, FileOp)> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// One flush, one segment write and a few reads under way at a time keep a disk busy.
const THREADS: usize = 4;

#[cfg(test)]
#[path = "disk_test.rs"]
mod disk_test;
