//! Control records: what brokers write into logs for each other (KIP-98, KIP-595, KIP-630, KIP-853). Keys are read and
//! written here, and the transaction marker whole; the other values are messages of the schema and stay bytes here.

use super::{Builder, CheckedBatch, Functions, NewRecord};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Wall};

/// The level of `kraft.version` in which the voters of the metadata quorum are records of its log (KIP-853).
pub const KRAFT_VERSION: i16 = 1;

/// What a control record is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ControlKind {
    /// The producer's open transaction was aborted.
    Abort,
    /// The producer's open transaction was committed.
    Commit,
    /// A reign of the metadata quorum begins.
    LeaderChange,
    /// The first record of a snapshot.
    SnapshotHeader,
    /// The last record of a snapshot.
    SnapshotFooter,
    /// The version of the quorum's own protocol.
    KRaftVersion,
    /// The set of voters.
    KRaftVoters,
}

impl ControlKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Abort,
        Self::Commit,
        Self::LeaderChange,
        Self::SnapshotHeader,
        Self::SnapshotFooter,
        Self::KRaftVersion,
        Self::KRaftVoters,
    ];

    /// The key that names this kind: version 0 and the kind's number.
    pub fn key(self) -> [u8; 4] {
        let id = Self::ALL.iter().position(|kind| *kind == self).expect("every kind is in the list");
        [0, 0, 0, id as u8]
    }

    /// Reads a key. Later versions may be longer and still begin like this one; kinds that we do not know are none.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let [version_high, version_low, high, low] = *key.first_chunk::<4>()?;
        let id = i16::from_be_bytes([high, low]);
        if i16::from_be_bytes([version_high, version_low]) < 0 {
            return None;
        }
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }
}

/// The end of a transaction, as it stands in every log that the transaction wrote to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EndTxn {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Under which epoch it ended.
    pub producer_epoch: ProducerEpoch,
    /// Commit or abort.
    pub is_commit: bool,
    /// The reign of the coordinator that says so.
    pub coordinator_epoch: i32,
}

impl EndTxn {
    /// The marker as a batch of one record, without a place in a log.
    pub fn batch(&self, now: Wall, f: &Functions) -> CheckedBatch {
        let kind = if self.is_commit { ControlKind::Commit } else { ControlKind::Abort };
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        Builder::new()
            .numbered(self.producer_id, self.producer_epoch, super::NO_SEQUENCE)
            .transactional()
            .control()
            .with(&NewRecord { timestamp: now, key: Some(&kind.key()), value: Some(&value), headers: &[] })
            .build_plain(f)
    }

    /// Reads the marker in a control batch; none if the batch holds something else. Markers are never compressed.
    pub fn read(batch: &CheckedBatch) -> Option<Self> {
        let header = batch.header();
        if !header.attributes.is_control() || !header.has_producer() || header.count < 1 {
            return None;
        }
        if batch.compression() != super::Compression::None {
            return None;
        }
        let record = super::Record::take(&mut &batch.body()[..]).ok()?;
        let is_commit = match ControlKind::from_key(record.key?)? {
            ControlKind::Commit => true,
            ControlKind::Abort => false,
            ControlKind::LeaderChange
            | ControlKind::SnapshotHeader
            | ControlKind::SnapshotFooter
            | ControlKind::KRaftVersion
            | ControlKind::KRaftVoters => return None,
        };
        // Version, then the coordinator's epoch; later versions append to that.
        let value = record.value?.first_chunk::<6>()?;
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Some(Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            is_commit,
            coordinator_epoch,
        })
    }
}

/// A batch of one control record of the metadata quorum, in its place. `value` is the message of that kind.
pub fn quorum_control(
    kind: ControlKind,
    value: &[u8],
    place: (Offset, LeaderEpoch),
    now: Wall,
    f: &Functions,
) -> CheckedBatch {
    let record = NewRecord { timestamp: now, key: Some(&kind.key()), value: Some(value), headers: &[] };
    Builder::new().control().at(place.0, place.1).with(&record).build_plain(f)
}

#[cfg(test)]
#[path = "control_test.rs"]
mod control_test;
