//! What other threads bring to the brain: a bounded-by-construction box (only what the brain asked for comes back) that
//! wakes it.

use ottla_core::boundary::{FileDone, FileFault, JobDone};
use ottla_core::conn::ProveDone;
use ottla_core::node::Census;
use ottla_core::types::{FileOpId, OpId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use tokio::sync::oneshot;

/// One thing that another thread finished.
#[derive(Debug)]
pub enum Mail {
    /// A file operation of the store.
    File(FileOpId, Result<FileDone, FileFault>),
    /// A job of the node.
    Job(OpId, JobDone),
    /// The batches of a Produce request are proved.
    Proved(ProveDone),
    /// Somebody wants to know how things are.
    Ask(oneshot::Sender<Facts>),
    /// The same with what has to be counted for it.
    Count(oneshot::Sender<Facts>),
    /// The process is to end in an orderly way.
    Stop,
}

/// How things are, for health checks and metrics.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// Requests are served.
    pub is_ready: bool,
    /// Somebody is known to lead the metadata quorum.
    pub has_controller: bool,
    /// How the disk is.
    pub disk: DiskState,
    /// How many logs can be neither read nor written.
    pub offline: usize,
    /// What was counted, and how far each group is behind, if that was asked for.
    pub counts: Option<(Census, Vec<Lag>)>,
}

impl Facts {
    /// Before there is a brain.
    pub fn starting() -> Self {
        // Who leads the quorum is not asked yet, and nothing to be warned of.
        Self { has_controller: true, ..Self::default() }
    }
}

/// How the disk of the data directory is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum DiskState {
    /// It takes and gives.
    #[default]
    Well,
    /// It gives, and takes nothing until there is room.
    Full,
    /// The directory was given up: a write failed, or it is gone.
    Offline,
}

/// How far a group is behind in one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lag {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Offsets between the committed one and the high watermark.
    pub offsets: i64,
}

/// Where threads put their results. Clones share the box.
#[derive(Clone, Default, Debug)]
pub struct Mailbox(Arc<Mutex<Inner>>);

#[derive(Default, Debug)]
struct Inner {
    mail: Vec<Mail>,
    waker: Option<Waker>,
}

impl Mailbox {
    /// Adds a result and wakes the brain if it waits.
    pub fn put(&self, mail: Mail) {
        let waker = {
            let mut inner = self.lock();
            inner.mail.push(mail);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves all results to `into`, which is empty. The next one wakes `waker`.
    pub fn take(&self, into: &mut Vec<Mail>, waker: &Waker) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.mail, into);
        match &inner.waker {
            Some(known) if known.will_wake(waker) => {}
            Some(_) | None => inner.waker = Some(waker.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked while it pushed leaves a whole vector behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
