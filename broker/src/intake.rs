//! How many requests of all connections wait to be taken up (`queued.max.requests`). While they are too many nobody is
//! read from; whoever would have been is woken once there is room.

use ottla_core::boundary::Input;
use ottla_core::types::ConnId;
use std::cell::{Cell, RefCell};

/// The requests that wait for the node or for the proof of their batches.
#[derive(Debug)]
pub struct Intake {
    waiting: Cell<usize>,
    waiting_max: usize,
    /// Connections that were not read from because of it, in the order in which they came.
    muted: RefCell<Vec<ConnId>>,
}

impl Intake {
    /// Nothing waits. From `waiting_max` requests on nothing is read; those of one read come in whole.
    pub fn new(waiting_max: usize) -> Self {
        Self { waiting: Cell::new(0), waiting_max, muted: RefCell::default() }
    }

    /// One more waits.
    pub fn began(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// So many were taken up.
    ///
    /// # Panics
    /// If fewer waited.
    pub fn ended(&self, count: usize) {
        self.waiting.set(self.waiting.get().checked_sub(count).expect("what is taken up had waited"));
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Is there no room for more?
    pub fn is_full(&self) -> bool {
        self.waiting.get() >= self.waiting_max
    }

    /// A connection that will not be read from until it is woken.
    pub fn mute(&self, conn: ConnId) {
        self.muted.borrow_mut().push(conn);
    }

    /// Whoever may be read from again.
    pub fn unmuted(&self) -> Vec<ConnId> {
        match self.is_full() {
            true => Vec::new(),
            false => self.muted.take(),
        }
    }
}

/// Is it something that somebody asks, and not the end of something?
pub fn is_request(input: &Input) -> bool {
    match input {
        Input::Produce { .. } | Input::Request { .. } => true,
        Input::Response { .. }
        | Input::Done { .. }
        | Input::Served { .. }
        | Input::Closed { .. }
        | Input::DirectoryLost { .. }
        | Input::Moved { .. }
        | Input::Stop
        | Input::Wake => false,
    }
}

#[cfg(test)]
#[path = "intake_test.rs"]
mod intake_test;
