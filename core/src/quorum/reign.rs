//! How a reign begins, goes on, and ends.

use super::{Follower, Quorum, QuorumCx, QuorumOut, Role, Times, Unattached};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch};
use alloc::vec::Vec;
use core::time::Duration;

impl Quorum {
    /// A leader tells those who do not fetch that it leads, and gives up when no majority fetches, or its disk hangs.
    pub(super) fn reign_on(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        if self.is_voted_out() {
            return self.resign(cx, out);
        }
        let Role::Leader(leader) = &mut self.role else { return };
        let is_stuck = leader.is_stuck((self.log.durable(), self.log.end()), (cx.now.mono, &self.times));
        if is_stuck || leader.trusted_until(self.me, self.electorate.now(), &self.times) <= cx.now.mono {
            return self.rest(cx, out);
        }
        if leader.call_at <= cx.now.mono {
            leader.call_at = cx.now.mono + self.times.fetch / 4;
            let term = leader.term;
            let silent = leader.silent(self.me.id, self.electorate.now(), (cx.now.mono, &self.times));
            out.extend(silent.map(|to| QuorumOut::TellVoter { to, term }));
        }
    }

    /// Somebody says that it leads (BeginQuorumEpoch).
    pub fn begun(
        &mut self,
        (leader, term): (BrokerId, LeaderEpoch),
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> Result<(), ErrorCode> {
        self.may_lead(leader)?;
        self.believable(term)?;
        self.outdone(term, Some(leader), cx, out);
        match () {
            () if term < self.ballot.term => Err(ErrorCode::FencedLeaderEpoch),
            () if self.leader() == Some(leader) => Ok(()),
            () => Err(ErrorCode::InvalidRequest),
        }
    }

    /// A leader says that it leads no more, and who could (EndQuorumEpoch): the best stands at once, the others later.
    pub fn ended(
        &mut self,
        (leader, term): (BrokerId, LeaderEpoch),
        successors: &[BrokerId],
        cx: &mut QuorumCx<'_>,
        out: &mut Vec<QuorumOut>,
    ) -> Result<(), ErrorCode> {
        self.may_lead(leader)?;
        self.believable(term)?;
        self.outdone(term, None, cx, out);
        match () {
            () if term < self.ballot.term => return Err(ErrorCode::FencedLeaderEpoch),
            () if term > self.ballot.term => return Err(ErrorCode::InvalidRequest),
            () => {}
        }
        let is_over = match &self.role {
            Role::Follower(follower) => follower.leader == leader,
            Role::Unattached(_) => true,
            Role::Candidate(_) | Role::Leader(_) => false,
        };
        if is_over {
            let place = successors.iter().position(|id| *id == self.me.id).unwrap_or(successors.len());
            let until = cx.now.mono + HEIR * u32::try_from(place.min(PLACES_MAX)).unwrap_or(0);
            self.enter(Role::Unattached(Unattached::until(until)), out);
        }
        Ok(())
    }

    /// Whoever says of itself that it leads is a voter. Where those come and go it may be one of whom this member has yet to hear.
    fn may_lead(&self, leader: BrokerId) -> Result<(), ErrorCode> {
        match self.asleep_until {
            Some(_) => Err(ErrorCode::BrokerNotAvailable),
            None if self.electorate.is_changing() || self.electorate.now().contains(leader) => Ok(()),
            None => Err(ErrorCode::InconsistentVoterSet),
        }
    }

    /// A leader that is about to stop says so, so that nobody has to find out.
    pub fn resign(&mut self, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) {
        let Role::Leader(leader) = &self.role else { return };
        if self.is_sole() {
            return;
        }
        let end_of = |id: BrokerId| leader.followers.get(&id).map(|progress| progress.end);
        let voters = self.electorate.now();
        let mut successors: Vec<BrokerId> = voters.others(self.me.id).collect();
        successors.sort_by_key(|id| core::cmp::Reverse(end_of(*id)));
        let term = leader.term;
        let tell = |to| QuorumOut::TellEnd { to, term, successors: successors.clone() };
        out.extend(voters.others(self.me.id).map(tell));
        let until = self.times.round(cx);
        self.enter(Role::Unattached(Unattached::until(until)), out);
    }

    /// Follows this leader of the current term. Who is asked at an address of the settings is believed, whoever it names: those
    /// may vote by now of whom the settings say nothing. True if it is followed now.
    pub(super) fn attach(&mut self, leader: BrokerId, cx: &mut QuorumCx<'_>, out: &mut Vec<QuorumOut>) -> bool {
        if leader == self.me.id || self.asleep_until.is_some() {
            return false;
        }
        match &self.role {
            Role::Leader(_) => false,
            Role::Follower(follower) => follower.leader == leader,
            Role::Unattached(_) | Role::Candidate(_) => {
                self.rounds = 0;
                let patience = Times::patience(cx);
                self.enter(Role::Follower(Follower::of(leader, patience, cx.now.mono)), out);
                out.push(QuorumOut::Follow { leader, term: self.ballot.term });
                true
            }
        }
    }
}

/// A successor leaves the one before it so much time.
const HEIR: Duration = Duration::from_millis(100);
/// No successor waits for more than so many.
const PLACES_MAX: usize = 16;
