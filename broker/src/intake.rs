//! How much waits to be taken up (`queued.max.requests`): requests for the node, and batches for their proof on a job
//! thread. While there is too much nobody is read from; whoever would have been is woken once there is room. Proofs wait
//! long, by the codec and not by the node: they hold up those who send such batches, and nobody else, least of all
//! a follower or a heartbeat that came by the same listener.

use ottla_core::boundary::Input;
use ottla_core::types::ConnId;
use std::cell::{Cell, RefCell};

/// What of all connections waits.
#[derive(Debug)]
pub struct Intake {
    requests: Cell<usize>,
    proofs: Cell<usize>,
    waiting_max: usize,
    /// Connections that were not read from because of it, in the order in which they came.
    muted: RefCell<Vec<ConnId>>,
}

/// What waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// A request for the node.
    Request,
    /// A request for the proof of its batches; it waits as a [`Waiting::Request`] then.
    Proof,
}

impl Intake {
    /// Nothing waits. From `waiting_max` on nothing is read; what one read brought comes in whole.
    pub fn new(waiting_max: usize) -> Self {
        Self { requests: Cell::new(0), proofs: Cell::new(0), waiting_max, muted: RefCell::default() }
    }

    fn count(&self, what: Waiting) -> &Cell<usize> {
        match what {
            Waiting::Request => &self.requests,
            Waiting::Proof => &self.proofs,
        }
    }

    /// One more waits.
    pub fn began(&self, what: Waiting) {
        self.count(what).set(self.count(what).get() + 1);
    }

    /// One was taken up.
    ///
    /// # Panics
    /// If none waited.
    pub fn ended(&self, what: Waiting) {
        self.count(what).set(self.count(what).get().checked_sub(1).expect("what is taken up had waited"));
    }

    /// How many wait, of either kind.
    pub fn waiting(&self) -> usize {
        self.requests.get() + self.proofs.get()
    }

    /// Is there no room for more of one whose batches are `proving` just now, `None` if it never sent any to be proved?
    pub fn is_full(&self, proving: Option<usize>) -> bool {
        match proving {
            None => self.requests.get() >= self.waiting_max,
            Some(proving) => proving >= PROVING_MAX || self.waiting() >= self.waiting_max,
        }
    }

    /// A connection that will not be read from until it is woken.
    pub fn mute(&self, conn: ConnId) {
        self.muted.borrow_mut().push(conn);
    }

    /// Whoever may be read from again, of those that are muted; `proving` tells of each what [`Intake::is_full`] asks.
    pub fn unmuted(&self, proving: impl Fn(ConnId) -> Option<usize>) -> Vec<ConnId> {
        self.muted.borrow_mut().extract_if(.., |conn| !self.is_full(proving(*conn))).collect()
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

/// Requests of one connection that are being proved before no more is read from it: one that runs and one that waits keep
/// a thread busy, and the next thread is somebody else's.
const PROVING_MAX: usize = 2;

#[cfg(test)]
#[path = "intake_test.rs"]
mod intake_test;
