//! What a group's log says of it: the group of a completed rebalance. Changed by records only.

use crate::msg::record::group::{GroupMetadataValue, MemberMetadata};
use crate::types::{Generation, Str, Wall};
use alloc::vec::Vec;
use bytes::Bytes;

/// The remembered group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kept {
    /// `consumer`, `connect`, …; none if nobody ever joined.
    pub protocol_type: Option<Str>,
    /// The last completed generation.
    pub generation: Generation,
    /// The protocol that was chosen; none if the generation has no members.
    pub protocol: Option<Str>,
    /// The leader of the generation.
    pub leader: Option<Str>,
    /// When the group came into the state that was remembered.
    pub since: Option<Wall>,
    /// The members of the generation.
    pub members: Vec<KeptMember>,
}

/// A remembered member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct KeptMember {
    pub id: Str,
    pub instance: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Kept {
    /// What the record says, in memory of its own.
    pub fn read(value: &GroupMetadataValue) -> Self {
        Self {
            protocol_type: Some(&value.protocol_type).filter(|name| !name.is_empty()).map(Str::detached),
            generation: Generation(value.generation),
            protocol: value.protocol.as_ref().map(Str::detached),
            leader: value.leader.as_ref().map(Str::detached),
            since: (value.current_state_timestamp >= 0).then_some(Wall(value.current_state_timestamp)),
            members: value.members.iter().map(KeptMember::read).collect(),
        }
    }
}

impl KeptMember {
    fn read(member: &MemberMetadata) -> Self {
        // Version 0 of the record has no rebalance time-out.
        let rebalance_timeout_ms =
            if member.rebalance_timeout == -1 { member.session_timeout } else { member.rebalance_timeout };
        Self {
            id: member.member_id.detached(),
            instance: member.group_instance_id.as_ref().map(Str::detached),
            client_id: member.client_id.detached(),
            client_host: member.client_host.detached(),
            rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout,
            subscription: Bytes::copy_from_slice(&member.subscription),
            assignment: Bytes::copy_from_slice(&member.assignment),
        }
    }
}
