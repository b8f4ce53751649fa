//! Who votes: by number where the settings say it (`controller.quorum.voters`), by number and directory where a record of the
//! metadata log does (KIP-853). A node whose disk was replaced is another voter then, and one that is taken away for good.

use super::Voter;
use crate::msg::record::control::{Endpoint, KRaftVersionFeature, Voter as VoterRecord, VotersRecord};
use crate::plant::{Bug, planted};
use crate::record::{CheckedBatch, ControlKind, KRAFT_VERSION, Record};
use crate::types::{BrokerId, Str, Uuid};
use crate::wire::{decode_message, encode_message};
use alloc::vec::Vec;
use bytes::Bytes;

/// The voters of the quorum, each number once, in the order of their numbers. Whoever follows a quorum of which it was told nothing
/// yet knows none.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Voters(Vec<VoterNode>);

/// A voter, and where it is reached.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VoterNode {
    /// Its number.
    pub id: BrokerId,
    /// Its directory; [`Uuid::ZERO`] where voters are known by their numbers alone.
    pub directory: Uuid,
    /// Where other nodes reach it; the first is that of the listener that the quorum uses.
    pub endpoints: Vec<VoterEndpoint>,
}

/// One listener of a voter.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VoterEndpoint {
    /// The listener's name.
    pub name: Str,
    /// A host name or an address.
    pub host: Str,
    /// A port.
    pub port: u16,
}

/// A record of voters that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

impl Voters {
    /// These, in any order; of those that share a number the first.
    pub fn new(nodes: impl IntoIterator<Item = VoterNode>) -> Self {
        let mut nodes: Vec<VoterNode> = nodes.into_iter().collect();
        nodes.sort_by_key(|node| node.id);
        nodes.dedup_by_key(|node| node.id);
        Self(nodes)
    }

    /// Voters that are known by their numbers alone.
    pub fn numbered(ids: impl IntoIterator<Item = BrokerId>) -> Self {
        Self::new(ids.into_iter().map(|id| VoterNode { id, directory: Uuid::ZERO, endpoints: Vec::new() }))
    }

    /// The voters that a batch of the metadata log names; none if it is about something else.
    ///
    /// # Errors
    /// It names voters in a way that cannot be read.
    pub fn in_batch(batch: &CheckedBatch) -> Result<Option<Self>, Unreadable> {
        if !batch.header().attributes.is_control() {
            return Ok(None);
        }
        let record = Record::take(&mut &batch.body()[..]).map_err(|_| Unreadable)?;
        if record.key.and_then(ControlKind::from_key) != Some(ControlKind::KRaftVoters) {
            return Ok(None);
        }
        let value = Bytes::copy_from_slice(record.value.ok_or(Unreadable)?);
        let budget = BUDGET_PER_BYTE * value.len();
        let message: VotersRecord = decode_message(value, 0, budget).map_err(|_| Unreadable)?;
        let endpoint = |one: Endpoint| VoterEndpoint { name: one.name, host: one.host, port: one.port };
        let node = |one: VoterRecord| VoterNode {
            id: BrokerId(one.voter_id),
            directory: one.voter_directory_id,
            endpoints: one.endpoints.into_iter().map(endpoint).collect(),
        };
        let voters = Self::new(message.voters.into_iter().map(node));
        if voters.is_empty() { Err(Unreadable) } else { Ok(Some(voters)) }
    }

    /// The value of the record that names them.
    pub(super) fn to_value(&self) -> Bytes {
        let endpoint =
            |one: &VoterEndpoint| Endpoint { name: one.name.clone(), host: one.host.clone(), port: one.port };
        let voter = |one: &VoterNode| VoterRecord {
            voter_id: one.id.0,
            voter_directory_id: one.directory,
            endpoints: one.endpoints.iter().map(endpoint).collect(),
            kraft_version_feature: KRaftVersionFeature {
                min_supported_version: 0,
                max_supported_version: KRAFT_VERSION,
            },
        };
        let record = VotersRecord { version: 0, voters: self.0.iter().map(voter).collect() };
        encode_message(&record, 0).expect("every field has this version")
    }

    /// Is nobody known to vote?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is there a voter of this number?
    pub fn contains(&self, id: BrokerId) -> bool {
        self.get(id).is_some()
    }

    /// The voter of this number.
    pub fn get(&self, id: BrokerId) -> Option<&VoterNode> {
        let at = self.0.binary_search_by_key(&id, |node| node.id).ok()?;
        self.0.get(at)
    }

    /// Does this node vote, with the directory that it has?
    pub fn has(&self, who: Voter) -> bool {
        self.get(who.id).is_some_and(|node| node.directory == Uuid::ZERO || node.directory == who.directory)
    }

    /// All of them.
    pub fn nodes(&self) -> &[VoterNode] {
        &self.0
    }

    /// The numbers of all of them.
    pub fn iter(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.0.iter().map(|node| node.id)
    }

    /// All but the one of this number.
    pub fn others(&self, me: BrokerId) -> impl Iterator<Item = BrokerId> + '_ {
        self.iter().filter(move |id| *id != me)
    }

    /// With this voter, which takes the place of another of its number.
    pub(super) fn with(&self, node: VoterNode) -> Self {
        let id = node.id;
        Self::new(self.0.iter().filter(|one| one.id != id).cloned().chain([node]))
    }

    /// Without the voter of this number.
    pub(super) fn without(&self, id: BrokerId) -> Self {
        Self(self.0.iter().filter(|one| one.id != id).cloned().collect())
    }

    /// So many of them decide.
    pub fn majority(&self) -> usize {
        if planted(Bug::HalfIsMajority) { self.0.len().div_ceil(2) } else { self.0.len() / 2 + 1 }
    }

    /// Are so many against it that no majority can be for it?
    pub(super) fn is_lost(&self, against: usize) -> bool {
        against + self.majority() > self.0.len()
    }

    /// Is this node the only voter?
    pub fn is_sole(&self, me: BrokerId) -> bool {
        matches!(&self.0[..], [node] if node.id == me)
    }
}

/// What a decoded voter takes in memory, for each byte of its record at most.
const BUDGET_PER_BYTE: usize = 64;

#[cfg(test)]
#[path = "voters_test.rs"]
pub mod voters_test;
