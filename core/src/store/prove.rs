//! Logs that an earlier process could not read are read through before anybody uses them: whoever put a good copy of a
//! damaged file back, or a cable, has the log again. What is still not there stays offline, and says where it is damaged.

use super::log::Soundness;
use super::lookback::Lookback;
use super::read::Reader;
use super::walk::{Goal, Walk};
use super::{Recovered, RecoveredLog, RecoveryStep, Store, StoreOut};
use crate::boundary::{FileDone, FileFault, Note};
use crate::types::{FileOpId, Now};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A store whose logs are being looked at.
pub(super) struct Proving {
    store: Box<Store>,
    is_new: bool,
    /// The logs that are still to be looked at.
    left: Vec<u32>,
}

impl Proving {
    /// The store that was recovered; `is_new` if its directory was made just now.
    pub(super) fn new(store: Store, is_new: bool) -> Self {
        let unreadable = store.logs.iter().filter(|(_, log)| matches!(log.soundness, Soundness::Unreadable(_)));
        let left = unreadable.map(|(number, _)| *number).collect();
        Self { store: Box::new(store), is_new, left }
    }

    /// An operation ended.
    pub(super) fn file_done(&mut self, id: FileOpId, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        // Reading asks for no time; and nothing but that is begun yet.
        self.store.file_ended(Now::default(), id, outcome, out);
    }

    /// Goes on as far as nothing has to be read; the store comes out when all is known.
    pub(super) fn go_on(mut self, out: &mut Vec<StoreOut>) -> Result<RecoveryStep, Self> {
        while self.store.ops.is_empty() {
            let Some(number) = self.left.pop() else {
                let Self { store, is_new, .. } = self;
                let logs = store.logs.iter().map(|(number, log)| RecoveredLog::of(*number, log)).collect();
                let recovered = Recovered { identity: store.identity.clone(), is_new, logs };
                return Ok(RecoveryStep::Ready(store, recovered));
            };
            self.store.prove(number, out);
        }
        Err(self)
    }
}

impl Store {
    /// Reads a log from its first batch to its last. If one of them is not there the log is given up once more.
    fn prove(&mut self, number: u32, out: &mut Vec<StoreOut>) {
        let log = self.logs.get_mut(&number).expect("only logs that are there are looked at");
        out.push(StoreOut::Note(Note::LogProving { log: log.id, topic: log.spec.topic.clone(), bytes: log.bytes() }));
        log.soundness = Soundness::Whole;
        let goal = Goal::Producers(Lookback::over_all(log));
        // The catalogue must forget that it was unreadable.
        self.changed.insert(number);
        let walk = Walk::new(number, goal, self.config.read_bytes_max);
        let _ = self.begin_read(walk, Reader::Nobody, out);
    }
}
