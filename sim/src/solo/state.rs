//! What a log of the store's world holds, and whether what was found of it is that.

use crate::run::functions;
use bytes::Bytes;
use ottla_core::boundary::HardState;
use ottla_core::record::CheckedBatch;
use ottla_core::store::RecoveredLog;
use ottla_core::types::{BrokerEpoch, BrokerId, LeaderEpoch};

/// One batch of a log, as far as it matters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    pub(super) base: i64,
    pub(super) end: i64,
    pub(super) crc: u32,
    pub(super) len: usize,
}

/// A log as it is after some actions.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub(super) exists: bool,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) batches: Vec<Kept>,
    pub(super) hard: HardState,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Create,
    Append(Vec<Kept>),
    Truncate(i64),
    Trim(i64),
    Delete,
    Vote(LeaderEpoch, Option<BrokerId>),
    Registration(BrokerEpoch),
}

impl Change {
    /// What of it a crash may leave, each on top of the one before.
    pub(super) fn steps(self) -> Vec<Self> {
        match self {
            Self::Append(batches) => batches.into_iter().map(|batch| Self::Append(vec![batch])).collect(),
            Self::Create | Self::Truncate(_) | Self::Trim(_) | Self::Delete => vec![self],
            Self::Vote(..) | Self::Registration(_) => vec![self],
        }
    }
}

impl State {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Create => *self = Self { exists: true, ..Self::default() },
            Change::Append(batches) => {
                self.batches.extend(batches.iter().cloned());
                self.end = self.batches.last().map_or(self.end, |batch| batch.end);
            }
            Change::Truncate(end) => {
                self.batches.retain(|batch| batch.end <= *end);
                self.end = *end;
            }
            Change::Trim(start) => {
                self.start = self.start.max(*start);
                self.batches.retain(|batch| batch.end > self.start);
            }
            Change::Delete => *self = Self::default(),
            Change::Vote(term, voted) => self.hard.vote = Some((*term, *voted)),
            Change::Registration(epoch) => self.hard.registration = Some(*epoch),
        }
    }
}

pub(super) fn matches(state: &State, found: Option<&RecoveredLog>) -> bool {
    match found {
        None => !state.exists,
        Some(found) => {
            state.exists
                && found.is_online
                && (found.start.0, found.end.0) == (state.start, state.end)
                && found.hard == state.hard
        }
    }
}

/// The bytes are whole batches of the log, from the one that holds `from` on.
pub(super) fn compare(state: &State, (from, end): (i64, i64), bytes_max: u32, bytes: &Bytes) -> Result<(), String> {
    let wanted = state.batches.iter().filter(|batch| batch.end > from && batch.base < end);
    let mut left = &bytes[..];
    let mut count = 0;
    for batch in wanted {
        if left.is_empty() && count > 0 {
            break;
        }
        let found = left.get(..batch.len).ok_or_else(|| format!("{} bytes where {batch:?} should be", left.len()))?;
        let base = i64::from_be_bytes(std::array::from_fn(|at| found[at]));
        let crc = u32::from_be_bytes(std::array::from_fn(|at| found[17 + at]));
        if (base, crc) != (batch.base, batch.crc) || (functions().crc32c)(0, &found[21..]) != crc {
            return Err(format!("{base} with crc {crc:08x} where {batch:?} should be"));
        }
        left = &left[batch.len..];
        count += 1;
    }
    if !left.is_empty() {
        return Err(format!("{} bytes too many", left.len()));
    }
    if count > 1 && bytes.len() > bytes_max as usize {
        return Err(format!("{} bytes in {count} batches, asked for {bytes_max}", bytes.len()));
    }
    Ok(())
}

pub(super) fn kept_of(batch: &CheckedBatch) -> Kept {
    Kept { base: batch.base_offset().0, end: batch.end_offset().0, crc: batch.header().crc, len: batch.bytes_len() }
}
