//! One member of a classic group.

use crate::group::desk::Parked;
use crate::group::kept::KeptMember;
use crate::msg::join_group::JoinGroupRequestProtocol;
use crate::types::Str;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// A protocol that a member can follow, with what it tells the leader about itself; opaque to us.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Protocol {
    pub name: Str,
    pub metadata: Bytes,
}

/// A member; its id is its key in the group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Member {
    /// `group.instance.id` of a static member (KIP-345).
    pub instance: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// In the order of its preference; no name twice.
    pub protocols: Vec<Protocol>,
    /// What the leader gave it in this generation.
    pub assignment: Bytes,
    /// It waits for the join phase to end.
    pub join: Option<Parked>,
    /// It waits for its assignment.
    pub sync: Option<Parked>,
    /// It has not learnt its id yet, so it cannot send heartbeats.
    pub is_new: bool,
}

impl Member {
    /// The member that the log remembers; it follows at least the protocol of its generation.
    pub fn from_kept(kept: &KeptMember, protocol: &Str) -> Self {
        Self {
            instance: kept.instance.clone(),
            client_id: kept.client_id.clone(),
            client_host: kept.client_host.clone(),
            rebalance_timeout_ms: kept.rebalance_timeout_ms,
            session_timeout_ms: kept.session_timeout_ms,
            protocols: vec![Protocol { name: protocol.clone(), metadata: kept.subscription.clone() }],
            assignment: kept.assignment.clone(),
            join: None,
            sync: None,
            is_new: false,
        }
    }

    /// What it tells about itself under this protocol; nothing if it does not follow it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|known| known.name == *protocol);
        found.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    /// The first of its protocols that is among the candidates.
    pub fn vote(&self, candidates: &BTreeSet<Str>) -> Option<&Str> {
        self.protocols.iter().map(|known| &known.name).find(|name| candidates.contains(*name))
    }

    /// The same protocols, in the same order, with the same metadata.
    pub fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        let named = protocols.iter().map(|asked| (&asked.name, &asked.metadata));
        self.protocols.iter().map(|known| (&known.name, &known.metadata)).eq(named)
    }

    /// A member whose answer is parked need not be heard of; a new one must, since it may have gone without our seeing.
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }
}

/// The protocols of a request, in memory of their own; of two with one name the first counts.
pub(super) fn protocols(asked: &[JoinGroupRequestProtocol]) -> Vec<Protocol> {
    let mut seen = BTreeSet::new();
    let first = asked.iter().filter(|protocol| seen.insert(protocol.name.clone()));
    first
        .map(|protocol| Protocol {
            name: protocol.name.detached(),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        })
        .collect()
}
