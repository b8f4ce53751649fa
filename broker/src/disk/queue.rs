//! Operations that wait for a thread.

use ottla_core::boundary::FileOp;
use ottla_core::types::FileOpId;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue that several threads take from. It holds no more than the store has under way, which is bounded there.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    ops: VecDeque<(FileOpId, FileOp)>,
    is_closed: bool,
}

impl Queue {
    /// Hands an operation to the next thread that is free.
    pub fn put(&self, id: FileOpId, op: FileOp) {
        self.lock().ops.push_back((id, op));
        self.more.notify_one();
    }

    /// The oldest operation, once there is one; none if there will be no more.
    pub fn take(&self) -> Option<(FileOpId, FileOp)> {
        let mut waiting = self.lock();
        loop {
            if let Some(next) = waiting.ops.pop_front() {
                return Some(next);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What waits is still done; then the threads end.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
