//! The member that leads: everything that goes into the metadata log goes through it.

use super::electorate::Electorate;
use super::{Times, Voter, Voters};
use crate::msg::record::control::{LeaderChangeMessage, LeaderChangeVoter};
use crate::plant::{Bug, planted};
use crate::record::{Builder, CheckedBatch, ControlKind, Functions, NewRecord, quorum_control};
use crate::types::{BrokerId, LeaderEpoch, Mono, Now, Offset, Uuid, Wall};
use crate::wire::encode_message;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;

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
    /// How much was durable here when it was looked at last that there was nothing to wait for, or more than before.
    moved: (Offset, Mono),
}

/// How far a follower is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Progress {
    /// The directory that it fetches into.
    pub(super) directory: Uuid,
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
        Self { term, from, since: now.mono, followers: BTreeMap::new(), call_at: now.mono, moved: (from, now.mono) }
    }

    /// The first record of the reign: who leads, who may vote, who voted for the leader. Directories came with voters that come and
    /// go (`kraft.version` 1).
    pub(super) fn change(
        &self,
        me: Voter,
        electorate: &Electorate,
        granted: &BTreeSet<BrokerId>,
        now: Wall,
        f: &Functions,
    ) -> CheckedBatch {
        let version = i16::from(electorate.is_changing());
        let voters = electorate.now();
        let directory = |id| voters.get(id).filter(|_| version > 0).map_or(Uuid::ZERO, |node| node.directory);
        let voter = |id: BrokerId| LeaderChangeVoter { voter_id: id.0, voter_directory_id: directory(id) };
        let message = LeaderChangeMessage {
            version,
            leader_id: me.id.0,
            voters: voters.iter().map(voter).collect(),
            granting_voters: granted.iter().copied().map(voter).collect(),
        };
        let value = encode_message(&message, version).expect("every field has this version");
        quorum_control(ControlKind::LeaderChange, &value, (self.from, self.term), now, f)
    }

    /// Records as one batch at the end of the log.
    pub(super) fn batch(&self, records: &[Bytes], end: Offset, now: Wall, f: &Functions) -> CheckedBatch {
        let record = |value| NewRecord { timestamp: now, key: None, value: Some(value), headers: &[] };
        let batch = records.iter().fold(Builder::new(), |batch, value| batch.with(&record(value)));
        batch.at(end, self.term).build_plain(f)
    }

    /// A follower fetches. Where it ends counts only if what it has is what this leader has. Whoever fetches into another directory
    /// is another than before.
    pub(super) fn hear(&mut self, who: Voter, end: Option<Offset>, (log_end, is_voter): (Offset, bool), now: Now) {
        let heard = (now.mono, now.wall);
        let fresh = Progress { directory: who.directory, end: Offset::ZERO, heard, caught_up: None };
        let is_known = self.followers.contains_key(&who.id);
        if !is_voter && !is_known && self.followers.len() >= OBSERVERS_MAX {
            return;
        }
        let progress = self.followers.entry(who.id).or_insert(fresh);
        if progress.directory != who.directory {
            *progress = fresh;
        }
        progress.heard = heard;
        if let Some(end) = end {
            progress.end = end;
            if end >= log_end {
                progress.caught_up = Some(now.wall);
            }
        }
    }

    /// What is known of a voter, as far as it is the one that fetches under its number.
    fn progress(&self, id: BrokerId, voters: &Voters) -> Option<&Progress> {
        self.followers.get(&id).filter(|progress| voters.has(Voter { id, directory: progress.directory }))
    }

    /// Had it everything in this reign, and is it there? Then it is soon where the others are.
    pub(super) fn is_close(&self, who: Voter, (now, times): (Mono, &Times)) -> bool {
        let progress = self.followers.get(&who.id).filter(|progress| progress.directory == who.directory);
        progress.is_some_and(|one| one.caught_up.is_some() && now < one.heard.0 + times.fetch)
    }

    /// The directory of a follower that is close.
    pub(super) fn directory_of(&self, id: BrokerId, at: (Mono, &Times)) -> Option<Uuid> {
        let directory = self.followers.get(&id)?.directory;
        self.is_close(Voter { id, directory }, at).then_some(directory)
    }

    /// How far the log is committed: as far as a majority of the voters has it, this one up to here; `None` while nothing of its
    /// own reign is (Raft, section 5.4.2).
    pub(super) fn committed(&self, me: Voter, voters: &Voters, durable: Offset) -> Option<Offset> {
        let end_of = |id: BrokerId| self.progress(id, voters).map_or(Offset::ZERO, |progress| progress.end);
        let mut ends: Vec<Offset> = voters.others(me.id).map(end_of).collect();
        if voters.has(me) {
            ends.push(durable);
        }
        ends.sort_unstable_by(|one, other| other.cmp(one));
        let is_own = |end: &Offset| *end > self.from || planted(Bug::EarlierReignCommitted);
        ends.get(voters.majority() - 1).copied().filter(is_own)
    }

    /// The voters that are to be told who leads: those that have not fetched for a while.
    pub(super) fn silent<'a>(
        &'a self,
        me: BrokerId,
        voters: &'a Voters,
        (now, times): (Mono, &'a Times),
    ) -> impl Iterator<Item = BrokerId> + 'a {
        let is_silent =
            move |id: &BrokerId| self.progress(*id, voters).is_none_or(|one| one.heard.0 + times.fetch / 2 <= now);
        voters.others(me).filter(is_silent)
    }

    /// Does its disk hang? It is looked at now, when so much of the log is durable. Nothing can be committed as long as it does, and followers,
    /// who are answered, would not look for another leader. This one cannot be elected again before its vote is durable.
    pub(super) fn is_stuck(&mut self, (durable, end): (Offset, Offset), (now, times): (Mono, &Times)) -> bool {
        if durable == end || durable != self.moved.0 {
            self.moved = (durable, now);
        }
        self.moved.1 + times.fetch * 3 / 2 <= now
    }

    /// Until when this member may believe that a majority follows it: after one and a half fetch time-outs without a word
    /// from one, another may lead. A voter that was never heard of counts from the beginning of the reign.
    pub(super) fn trusted_until(&self, me: Voter, voters: &Voters, times: &Times) -> Mono {
        let heard = |id: BrokerId| self.progress(id, voters).map_or(self.since, |progress| progress.heard.0);
        let mut heard: Vec<Mono> = voters.others(me.id).map(heard).collect();
        heard.sort_unstable_by(|one, other| other.cmp(one));
        let others = voters.majority() - usize::from(voters.has(me));
        let last = others.checked_sub(1).and_then(|last| heard.get(last));
        last.map_or(Mono(u64::MAX), |at| *at + times.fetch * 3 / 2)
    }
}
