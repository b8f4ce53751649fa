//! Pure functions that would keep the brain too long, unpacking batches and walking them: on threads, or in line where
//! there are none.

use crate::mail::{Mail, Mailbox};
use ottla_core::boundary::Job;
use ottla_core::conn::ProveJob;
use ottla_core::record::Functions;
use ottla_core::types::OpId;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Who does the work. Threads end when this is dropped.
#[derive(Debug)]
pub enum Jobs {
    /// Threads take it from here.
    Threads(Sender<Work>),
    /// It is done at once, and its result comes by mail all the same: for a simulated world, which has one thread.
    Inline(Functions, Mailbox),
}

/// What a thread can do. How much is under way is bounded by the connections and by the node, which ask for it.
#[derive(Debug)]
pub enum Work {
    /// The batches of a request are to be proved.
    Prove(Box<ProveJob>),
    /// A job of the node.
    Job(OpId, Box<Job>),
}

impl Jobs {
    /// Starts `threads` threads, whose results go to `mailbox`.
    pub fn start(threads: usize, functions: Functions, mailbox: &Mailbox) -> io::Result<Self> {
        let (queue, work) = channel();
        let work = Arc::new(Mutex::new(work));
        for number in 0..threads {
            let (work, mailbox) = (Arc::clone(&work), mailbox.clone());
            thread::Builder::new().name(format!("job-{number}")).spawn(move || run(&work, &functions, &mailbox))?;
        }
        Ok(Self::Threads(queue))
    }

    /// Proves the batches of a request.
    pub fn prove(&self, job: ProveJob) {
        self.send(Work::Prove(Box::new(job)));
    }

    /// Does a job of the node.
    pub fn run(&self, op: OpId, job: Job) {
        self.send(Work::Job(op, Box::new(job)));
    }

    fn send(&self, work: Work) {
        match self {
            Self::Threads(queue) => assert!(queue.send(work).is_ok(), "job threads live as long as the brain"),
            Self::Inline(functions, mailbox) => mailbox.put(work.done(functions, &mut Vec::new())),
        }
    }
}

impl Work {
    fn done(self, functions: &Functions, scratch: &mut Vec<u8>) -> Mail {
        match self {
            Self::Prove(job) => Mail::Proved(job.run(functions, scratch)),
            Self::Job(op, job) => Mail::Job(op, job.run(functions)),
        }
    }
}

fn run(work: &Mutex<Receiver<Work>>, functions: &Functions, mailbox: &Mailbox) {
    let mut scratch = Vec::new();
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(work) => mailbox.put(work.done(functions, &mut scratch)),
            Err(_) => return,
        }
    }
}
