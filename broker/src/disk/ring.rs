//! Writes without a thread: handed to the kernel through an io_uring, their ends collected on the brain's own thread.
//! A flush through a thread costs two wake-ups of sleeping cores, which is more than all the rest of a small request.
//! Where the kernel or a container's policy has no io_uring, the threads do it.

#![expect(
    unsafe_code,
    reason = "io_uring is memory shared with the kernel; see docs/decisions/0005-writes-go-through-io-uring.md"
)]

use super::file::{Files, fault};
use bytes::Bytes;
use io_uring::{IoUring, opcode, types::Fd};
use ottla_core::boundary::{FileDone, FileFault, FileId};
use ottla_core::types::FileOpId;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::ReadWriteFlags;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{cell::RefCell, mem};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Writes that the kernel works on. One thread's.
pub struct Ring {
    files: Arc<Files>,
    inner: RefCell<Inner>,
    /// What the kernel rings when a write has ended. Its count is never read: each addition is an edge of its own, and it does not
    /// overflow in a lifetime.
    bell: OwnedFd,
    /// The kernel did not take all that it was given.
    is_owed: Notify,
    deliver: Box<dyn Fn(FileOpId, Outcome)>,
}

struct Inner {
    ring: IoUring,
    writes: HashMap<u64, Write>,
    number: u64,
}

/// A write under way. Its bytes and its file stay until the kernel is done with them.
struct Write {
    id: FileOpId,
    file: Arc<File>,
    at: u64,
    bytes: Bytes,
    is_durable: bool,
}

type Outcome = Result<FileDone, FileFault>;

impl Ring {
    /// A ring, if this system has one.
    pub(super) fn start(files: Arc<Files>, deliver: impl Fn(FileOpId, Outcome) + 'static) -> io::Result<Rc<Self>> {
        let ring = IoUring::builder().setup_single_issuer().setup_coop_taskrun().build(ENTRIES)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        ring.submitter().register_eventfd(bell.as_raw_fd())?;
        let inner = RefCell::new(Inner { ring, writes: HashMap::new(), number: 0 });
        Ok(Rc::new(Self { files, inner, bell, is_owed: Notify::new(), deliver: Box::new(deliver) }))
    }

    /// Begins a write. False, and nothing done, if the ring has no place for it now.
    pub(super) fn write(&self, id: FileOpId, file: FileId, at: u64, bytes: &Bytes, is_durable: bool) -> bool {
        let Some(file) = self.files.find_writable(file) else { return false };
        let is_begun = {
            let mut inner = self.inner.borrow_mut();
            let has_room = inner.writes.len() < ENTRIES as usize && bytes.len() <= WRITE_BYTES_MAX;
            has_room && inner.begin(Write { id, file, at, bytes: bytes.clone(), is_durable })
        };
        if is_begun {
            // A write that only had to be copied has ended already.
            self.collect();
        }
        is_begun
    }

    /// Hands over the ends of writes as they come, for ever. The error says that they will not be heard of.
    pub async fn run(self: Rc<Self>) -> io::Result<Infallible> {
        // SAFETY: the descriptor is owned, and so stays open and the same until the AsyncFd, which borrows it, goes.
        let bell = unsafe { AsyncFd::register_with_interest(self.bell.as_fd(), Interest::READABLE) };
        let bell = bell.map_err(io::Error::from)?;
        // What has ended before somebody listened.
        self.collect();
        loop {
            tokio::select! {
                rung = bell.readable() => {
                    // Cleared first: whatever ends from here on rings again.
                    rung?.clear_ready();
                }
                () = self.is_owed.notified() => {
                    sleep(OWED_PAUSE).await;
                    self.inner.borrow_mut().submit();
                }
            }
            self.collect();
        }
    }

    fn collect(&self) {
        let ends = self.inner.borrow_mut().collect();
        if self.inner.borrow_mut().is_owed() {
            self.is_owed.notify_one();
        }
        ends.into_iter().for_each(|(id, outcome)| (self.deliver)(id, outcome));
    }
}

impl Inner {
    fn begin(&mut self, write: Write) -> bool {
        let flags = if write.is_durable { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
        let len = u32::try_from(write.bytes.len()).expect("checked against the maximum");
        let entry = opcode::Write::new(Fd(write.file.as_raw_fd()), write.bytes.as_ptr(), len)
            .offset(write.at)
            .rw_flags(flags.bits().cast_signed())
            .build()
            .user_data(self.number);
        // SAFETY: file and bytes are in `writes` until the completion has been seen, and Drop waits for all of them.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            return false;
        }
        self.writes.insert(self.number, write);
        self.number += 1;
        self.submit();
        true
    }

    /// Gives the kernel what it has not taken yet. It may have no memory for it just now: then that is owed.
    fn submit(&mut self) {
        let _ = self.ring.submit();
    }

    fn is_owed(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    fn collect(&mut self) -> Vec<(FileOpId, Outcome)> {
        let results: Vec<(u64, i32)> =
            self.ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        results.into_iter().filter_map(|(number, result)| self.end(number, result)).collect()
    }

    /// What came of a write; none if it goes on.
    fn end(&mut self, number: u64, result: i32) -> Option<(FileOpId, Outcome)> {
        let mut write = self.writes.remove(&number).expect("only what was begun ends");
        let Ok(written) = usize::try_from(result) else {
            let error = io::Error::from_raw_os_error(-result);
            if error.kind() == ErrorKind::Interrupted || error.kind() == ErrorKind::WouldBlock {
                return self.again(write);
            }
            return Some((write.id, Err(fault(error))));
        };
        if written == 0 && !write.bytes.is_empty() {
            return Some((write.id, Err(fault(ErrorKind::WriteZero.into()))));
        }
        if written < write.bytes.len() {
            write.at += written as u64;
            write.bytes = write.bytes.slice(written..);
            return self.again(write);
        }
        Some((write.id, Ok(FileDone::Ok)))
    }

    fn again(&mut self, write: Write) -> Option<(FileOpId, Outcome)> {
        let id = write.id;
        let is_begun = self.begin(write);
        (!is_begun).then_some((id, Err(FileFault::Io)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The kernel may still read the memory of writes under way.
        while !self.writes.is_empty() {
            match self.ring.submit_and_wait(1) {
                Ok(_) => drop(self.collect()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Then nothing is freed: their memory stays as long as the process.
                Err(_) => return mem::forget(mem::take(&mut self.writes)),
            }
        }
    }
}

/// The kernel is asked again after this time.
const OWED_PAUSE: Duration = Duration::from_millis(10);
/// Writes under way at once; beyond that, the threads take them.
const ENTRIES: u32 = 128;
/// The longest write of one entry: what the kernel takes in one call, rounded to whole megabytes.
const WRITE_BYTES_MAX: usize = 1 << 30;
