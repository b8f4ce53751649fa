//! The member that leads: everything that goes into the metadata log goes through it.

use super::{Times, Voters};
use crate::msg::record::control::{LeaderChangeMessage, LeaderChangeVoter};
use crate::plant::{Bug, planted};
use crate::record::{Builder, CheckedBatch, ControlKind, Functions, NewRecord, quorum_control};
use crate::types::{BrokerId, LeaderEpoch, Mono, Now, Offset, Wall};
use crate::wire::encode_message;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;

/// The version of LeaderChangeMessage of a quorum whose voters do not change (`kraft.version` 0).
const LEADER_CHANGE_VERSION: i16 = 0;
/// No more followers without a vote are remembered: whatever follows, the memory of it is bounded.
const OBSERVERS_MAX: usize = 4096;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Leader {
    /// The term that it was elected in.
    pub(super) term: LeaderEpoch,
    /// Where its reign begins.
    pub(super) from: Offset,
    /// Since when it leads.
    since: Mono,
    /// Who follows, with and without a vote.
    pub(super) followers: BTreeMap<BrokerId, Progress>,
    /// It makes itself known to voters that do not fetch then.
    pub(super) call_at: Mono,
}

/// How far a follower is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Progress {
    /// What lies before is durable there.
    pub(super) end: Offset,
    /// When it fetched last.
    pub(super) heard: (Mono, Wall),
    /// When it had everything.
    pub(super) caught_up: Option<Wall>,
}

impl Leader {
    /// Elected, with a log that ends here.
    pub(super) fn new(term: LeaderEpoch, from: Offset, now: Now) -> Self {
        Self { term, from, since: now.mono, followers: BTreeMap::new(), call_at: now.mono }
    }

    /// The first record of the reign: who leads, who may vote, who voted for the leader.
    pub(super) fn change(
        &self,
        me: BrokerId,
        voters: &Voters,
        granted: &BTreeSet<BrokerId>,
        now: Wall,
        f: &Functions,
    ) -> CheckedBatch {
        let voter = |id: BrokerId| LeaderChangeVoter { voter_id: id.0, ..LeaderChangeVoter::default() };
        let message = LeaderChangeMessage {
            version: LEADER_CHANGE_VERSION,
            leader_id: me.0,
            voters: voters.iter().map(voter).collect(),
            granting_voters: granted.iter().copied().map(voter).collect(),
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

    /// A follower fetches. Where it ends counts only if what it has is what this leader has.
    pub(super) fn hear(&mut self, who: BrokerId, end: Option<Offset>, (log_end, is_voter): (Offset, bool), now: Now) {
        if !is_voter && !self.followers.contains_key(&who) && self.followers.len() >= OBSERVERS_MAX {
            return;
        }
        let heard = (now.mono, now.wall);
        let fresh = Progress { end: Offset::ZERO, heard, caught_up: None };
        let progress = self.followers.entry(who).or_insert(fresh);
        progress.heard = heard;
        if let Some(end) = end {
            progress.end = end;
            if end >= log_end {
                progress.caught_up = Some(now.wall);
            }
        }
    }

    /// How far the log is committed: as far as a majority of the voters has it, this one up to here; `None` while nothing of its
    /// own reign is (Raft, section 5.4.2).
    pub(super) fn committed(&self, me: BrokerId, voters: &Voters, durable: Offset) -> Option<Offset> {
        let end_of = |id: BrokerId| self.followers.get(&id).map_or(Offset::ZERO, |progress| progress.end);
        let mut ends: Vec<Offset> = voters.others(me).map(end_of).collect();
        ends.push(durable);
        ends.sort_unstable_by(|one, other| other.cmp(one));
        Some(ends[voters.majority() - 1]).filter(|end| *end > self.from || planted(Bug::EarlierReignCommitted))
    }

    /// The voters that are to be told who leads: those that have not fetched for a while.
    pub(super) fn silent<'a>(
        &'a self,
        me: BrokerId,
        voters: &'a Voters,
        (now, times): (Mono, &'a Times),
    ) -> impl Iterator<Item = BrokerId> + 'a {
        let is_silent =
            move |id: &BrokerId| self.followers.get(id).is_none_or(|one| one.heard.0 + times.fetch / 2 <= now);
        voters.others(me).filter(is_silent)
    }

    /// Until when this member may believe that a majority follows it: after one and a half fetch time-outs without a word
    /// from one, another may lead. A voter that was never heard of counts from the beginning of the reign.
    pub(super) fn trusted_until(&self, me: BrokerId, voters: &Voters, times: &Times) -> Mono {
        let heard = |id: BrokerId| self.followers.get(&id).map_or(self.since, |progress| progress.heard.0);
        let mut heard: Vec<Mono> = voters.others(me).map(heard).collect();
        heard.sort_unstable_by(|one, other| other.cmp(one));
        let needed = voters.majority().saturating_sub(2);
        heard.get(needed).map_or(Mono(u64::MAX), |at| *at + times.fetch * 3 / 2)
    }
}
