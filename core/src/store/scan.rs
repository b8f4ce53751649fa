//! Reading the journal back, group by group: which were written whole, which never were, and which no longer are.

use super::StoreConfig;
use super::catalogue::{Catalogue, Identity};
use super::entry::{Change, JournalEntry};
use super::journal::{Found, GROUP_BYTES, Group, find};
use super::recover::RecoveryRefusal;
use super::replay::Replay;
use super::verify::{Doubt, Held};
use crate::boundary::FileId;
use crate::plant::{Bug, planted};
use crate::record::Functions;
use crate::types::limit::BLOCK_BYTES;
use alloc::vec::Vec;
use bytes::Bytes;

/// The journal as far as it has been read.
pub(super) struct Scan {
    pub(super) is_new: bool,
    pub(super) identity: Identity,
    pub(super) salt: u64,
    pub(super) half_bytes: u64,
    /// The generation of the catalogue; the one after it may have begun too.
    pub(super) first: u64,
    pub(super) files: Vec<FileId>,
    /// The sequence that the next group should have.
    pub(super) sequence: u64,
    /// The checksum of the last group; none where the catalogue does not say what was before the first.
    pub(super) chain: Option<u32>,
    /// Which of the two generations have groups.
    pub(super) used: [bool; 2],
    /// The logs that the last group changed.
    pub(super) logs_before: Vec<u32>,
    pub(super) replay: Replay,
    /// The last group, if its word is to be looked into.
    pub(super) held: Option<Held>,
    /// Which of the two is read; 2 when all is done.
    turn: usize,
    /// Where its next group should begin.
    at: u64,
    window_at: u64,
    pub(super) window: Bytes,
}

/// What a look at the journal comes to.
enum Look {
    /// So many bytes from here on are wanted.
    Read(u64, usize),
    /// A group, at this place.
    Group(u64, Group),
    /// No group of this generation from here on.
    End,
}

impl Scan {
    pub(super) fn new(catalogue: Catalogue, is_new: bool, config: &StoreConfig) -> Self {
        let Catalogue { identity, salt, half_bytes, generation, sequence, chain, mark, number, logs } = catalogue;
        Self {
            is_new,
            identity,
            salt,
            half_bytes,
            first: generation,
            files: Vec::new(),
            sequence,
            chain,
            used: [false; 2],
            logs_before: Vec::new(),
            replay: Replay::new((logs, mark), number, config),
            held: None,
            turn: 0,
            at: 0,
            window_at: 0,
            window: Bytes::new(),
        }
    }

    /// Goes on as far as nothing has to be read. Some if these bytes of a file are wanted next.
    pub(super) fn run(
        &mut self,
        config: &StoreConfig,
        f: &Functions,
    ) -> Result<Option<(FileId, u64, usize)>, RecoveryRefusal> {
        while self.turn < self.used.len() {
            match self.look(config, f) {
                Look::Read(at, len) => {
                    self.window_at = at;
                    return Ok(Some((self.file(), at, len)));
                }
                Look::Group(at, group) => self.take(at, group, f)?,
                Look::End => self.next_turn(),
            }
        }
        Ok(None)
    }

    /// Where to look before the last group is believed.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.held.as_ref()?.doubt(&self.replay)
    }

    /// What was found there.
    pub(super) fn judge(&mut self, doubt: &Doubt, bytes: Option<&Bytes>, f: &Functions) {
        let held = self.held.as_mut().expect("it has to be judged");
        held.judge(doubt, bytes, &self.replay, f);
    }

    /// Applies the last group as far as it is to be believed; returns the logs of which it says something that is not so.
    pub(super) fn settle(&mut self, f: &Functions) -> Vec<u32> {
        let Some(held) = self.held.take() else {
            return Vec::new();
        };
        let refuted = held.refuted();
        held.apply(&mut self.replay, f);
        refuted
    }

    fn generation(&self) -> u64 {
        self.first + self.turn as u64
    }

    fn file(&self) -> FileId {
        self.files[(self.generation() % 2) as usize]
    }

    fn next_turn(&mut self) {
        self.turn += 1;
        self.at = 0;
        self.window = Bytes::new();
    }

    /// Looks for the next group: where it should be, and if it is not there, as far behind that as one may begin.
    fn look(&self, config: &StoreConfig, f: &Functions) -> Look {
        let reach = 2 * config.group_bytes_max as u64 + CHUNK_BYTES as u64;
        let mut end = if planted(Bug::RotTakenForTornTail) { self.at + 1 } else { self.at.saturating_add(reach) };
        let mut at = self.at;
        while at < end.min(self.half_bytes) {
            let Some(bytes) = self.bytes(at, GROUP_BYTES) else {
                // Whoever has to look further will as a rule look as far as he may.
                let len = if at > self.at { (end - at) as usize } else { CHUNK_BYTES };
                return self.read_on(at, len.max(GROUP_BYTES));
            };
            if at == self.at
                && !planted(Bug::RotTakenForTornTail)
                && let Found::Short(len) = find(&bytes.slice(..GROUP_BYTES), self.generation(), self.salt, f)
            {
                // One action alone may make a group as long as it likes: what follows on it counts, if it is rotten itself.
                end = self.at.saturating_add(len as u64 + reach);
            }
            match find(&bytes, self.generation(), self.salt, f) {
                Found::Group(group) if self.is_next(&group, at) => return Look::Group(at, group),
                Found::Short(len) if at + len as u64 <= self.half_bytes && !self.has(at, len) => {
                    return self.read_on(at, len.max(CHUNK_BYTES));
                }
                Found::Group(_) | Found::Short(_) | Found::Nothing => {}
            }
            at += BLOCK_BYTES as u64;
        }
        Look::End
    }

    /// Is this group the one that should come, or one that says that the one that should have come was flushed?
    fn is_next(&self, group: &Group, at: u64) -> bool {
        let is_chained = self.chain.is_none() || group.chain.is_none() || self.chain == group.chain;
        let is_expected = group.sequence == self.sequence && at == self.at && is_chained;
        is_expected || group.flushed > self.sequence || planted(Bug::RecycledBlockWithoutEpoch)
    }

    fn has(&self, at: u64, len: usize) -> bool {
        let end = self.window_at + self.window.len() as u64;
        self.window_at <= at && at + len as u64 <= end
    }

    /// Everything in the window from here on, if that is enough.
    fn bytes(&self, at: u64, len: usize) -> Option<Bytes> {
        self.has(at, len).then(|| self.window.slice((at - self.window_at) as usize..))
    }

    /// Wants `len` bytes at `at`, and all between: the look begins anew where the next group should be.
    fn read_on(&self, at: u64, len: usize) -> Look {
        let end = (at + len as u64).next_multiple_of(BLOCK_BYTES as u64).min(self.half_bytes);
        Look::Read(self.at, (end - self.at) as usize)
    }

    fn take(&mut self, at: u64, group: Group, f: &Functions) -> Result<(), RecoveryRefusal> {
        let mut entries = Vec::new();
        let mut rest = group.entries.clone();
        for _ in 0..group.entries_len {
            let Some(entry) = JournalEntry::take(&mut rest) else {
                if planted(Bug::ReplayPastTornTail) {
                    break;
                }
                return Err(RecoveryRefusal::JournalUnreadable);
            };
            entries.push(entry);
        }
        if let Some(mut held) = self.held.take() {
            // Whoever wrote this group knew what had become of the one before.
            let voids = entries.iter().filter(|entry| entry.change == Change::Void);
            voids.for_each(|entry| held.refute(entry.log));
            held.apply(&mut self.replay, f);
        }
        if group.sequence > self.sequence {
            // What came between was flushed and can no longer be read. Only of a single group is it known whom it
            // concerned.
            let is_one = group.sequence == self.sequence + 1;
            if !self.replay.give_up(is_one.then_some(&group.logs_before[..])) {
                return Err(RecoveryRefusal::JournalRotten);
            }
        }
        self.logs_before.clear();
        for entry in &entries {
            if let Err(at) = self.logs_before.binary_search(&entry.log) {
                self.logs_before.insert(at, entry.log);
            }
        }
        let held = Held::new(entries, group.sequence, group.at);
        if held.is_needed() {
            self.held = Some(held);
        } else {
            held.apply(&mut self.replay, f);
        }
        self.used[self.turn] = true;
        self.sequence = group.sequence + 1;
        self.chain = Some(group.crc);
        self.at = at + group.blocks_bytes;
        Ok(())
    }
}

/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;
