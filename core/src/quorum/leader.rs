//! The member that leads: everything that goes into the metadata log goes through it.

use super::Voter;
use crate::msg::record::control::{LeaderChangeMessage, LeaderChangeVoter};
use crate::record::{Builder, CheckedBatch, ControlKind, Functions, NewRecord, quorum_control};
use crate::types::{LeaderEpoch, Offset, Wall};
use crate::wire::encode_message;
use bytes::Bytes;

/// The version of LeaderChangeMessage of a quorum whose voters do not change (`kraft.version` 0).
const LEADER_CHANGE_VERSION: i16 = 0;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Leader {
    /// The term that it was elected in.
    pub(super) term: LeaderEpoch,
    /// Where its reign begins.
    pub(super) from: Offset,
}

impl Leader {
    /// The first record of the reign: who leads, who may vote, who voted for the leader.
    pub(super) fn change(&self, me: Voter, now: Wall, f: &Functions) -> CheckedBatch {
        let voter = LeaderChangeVoter { voter_id: me.id.0, ..LeaderChangeVoter::default() };
        let message = LeaderChangeMessage {
            version: LEADER_CHANGE_VERSION,
            leader_id: me.id.0,
            voters: alloc::vec![voter.clone()],
            granting_voters: alloc::vec![voter],
        };
        let value = encode_message(&message, LEADER_CHANGE_VERSION).expect("every field has this version");
        quorum_control(ControlKind::LeaderChange, &value, (self.from, self.term), now, f)
    }

    /// Records as one batch at the end of the log.
    pub(super) fn batch(&self, records: &[Bytes], end: Offset, now: Wall, f: &Functions) -> CheckedBatch {
        let record = |value| NewRecord { timestamp: now, key: None, value: Some(value), headers: &[] };
        let batch = records.iter().fold(Builder::new(), |batch, value| batch.with(&record(value)));
        batch.at(end, self.term).build_plain(f)
    }

    /// How far the log is committed when this leader has it durable up to here; `None` while nothing of its own reign is
    /// (Raft, section 5.4.2).
    pub(super) fn committed(&self, durable: Offset) -> Option<Offset> {
        (durable > self.from).then_some(durable)
    }
}
