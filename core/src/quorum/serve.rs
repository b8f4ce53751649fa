//! What the leader tells whoever fetches the metadata log (KIP-595).

use super::{FetchAsk, Quorum, QuorumOut, Role, Voter};
use crate::plant::{Bug, planted};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Now, Offset};
use alloc::vec::Vec;

/// What may be told now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readable {
    /// An error, or none.
    pub error: ErrorCode,
    /// Where the histories part.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Up to here the log may be read. Followers take what is not committed yet, as soon as it is durable here.
    pub end: Offset,
    /// What is committed.
    pub high_watermark: Offset,
    /// The first offset that is kept.
    pub log_start: Offset,
}

impl Readable {
    /// Is there anything to tell that the asker does not know?
    pub fn is_news(&self, asked: FetchAsk) -> bool {
        let is_said = self.error != ErrorCode::None || self.diverging.is_some();
        is_said || asked.from < self.end || asked.high_watermark < self.high_watermark
    }
}

impl Quorum {
    /// A follower asks: everything before what it asks for is durable there, if its history is ours.
    pub fn heard_of(&mut self, who: Voter, asked: FetchAsk, now: Now, out: &mut Vec<QuorumOut>) {
        let readable = self.readable(asked);
        let (log_end, is_voter) = (self.log.end(), self.electorate.has(who));
        let Role::Leader(leader) = &mut self.role else { return };
        if who.id == self.me.id || who.id == BrokerId::NONE {
            return;
        }
        let is_ours = asked.term == leader.term && readable.error == ErrorCode::None && readable.diverging.is_none();
        leader.hear(who, is_ours.then_some(asked.from), (log_end, is_voter), now);
        self.commit(out);
    }

    /// Judges a fetch of a follower: what this leader has for it.
    pub fn readable(&self, asked: FetchAsk) -> Readable {
        let nothing = Readable {
            error: ErrorCode::None,
            diverging: None,
            end: self.log.durable(),
            high_watermark: self.high_watermark,
            log_start: self.log.start(),
        };
        let Role::Leader(leader) = &self.role else {
            return Readable { error: ErrorCode::NotLeaderOrFollower, ..nothing };
        };
        let refused = |error| Readable { error, ..nothing };
        if asked.term > leader.term {
            return refused(ErrorCode::UnknownLeaderEpoch);
        }
        if asked.term != LeaderEpoch::NONE && asked.term < leader.term {
            return refused(ErrorCode::FencedLeaderEpoch);
        }
        if asked.from < self.log.start() {
            return refused(ErrorCode::OffsetOutOfRange);
        }
        // Of a log that begins with a snapshot nobody knows whether what the asker has before it is what the snapshot says.
        let first = self.log.epochs().entries().first().map(|first| first.epoch);
        let is_trimmed = self.log.start() > Offset::ZERO;
        if is_trimmed && asked.last != LeaderEpoch::NONE && first.is_some_and(|first| asked.last < first) {
            return refused(ErrorCode::OffsetOutOfRange);
        }
        if asked.last != LeaderEpoch::NONE {
            let ours = self.log.epochs().end_of(asked.last, self.log.end());
            let is_other = ours.epoch != asked.last && !planted(Bug::TermsNotCompared);
            if is_other || ours.end < asked.from {
                let from_start =
                    if ours.end == Offset::NONE { (leader.term, self.log.end()) } else { (ours.epoch, ours.end) };
                return Readable { diverging: Some(from_start), ..nothing };
            }
        }
        match asked.from <= self.log.end() {
            true => nothing,
            false => refused(ErrorCode::OffsetOutOfRange),
        }
    }
}
