//! What is true of groups: which generation gave which partition to whom, and which offsets were promised to be kept.

use crate::model::LogName;
use std::collections::{BTreeMap, BTreeSet};

/// A commit of one partition's offset, asked at one moment of the run's own count.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Commit {
    offset: i64,
    asked: u64,
    fate: CommitFate,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum CommitFate {
    /// May take effect, or have taken it.
    Open,
    /// Took effect between being asked and this moment.
    Kept(u64),
    /// Never took effect.
    Refused,
}

/// What the leader of a generation gave to whom.
pub type Assignment = BTreeMap<String, BTreeSet<LogName>>;

/// Everything known of one group.
#[derive(Clone, Default, Hash, Debug)]
pub struct GroupFacts {
    /// The newest generation in which any member was told its assignment: only then is it certainly kept.
    pub generation: i32,
    leaders: BTreeMap<i32, String>,
    /// The assignments that were handed in for a generation and may be the one that is kept.
    given: BTreeMap<i32, Vec<Assignment>>,
    owners: BTreeMap<(i32, LogName), String>,
    commits: BTreeMap<LogName, Vec<Commit>>,
    moment: u64,
}

/// Names a commit until its answer comes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommitId(LogName, usize);

impl GroupFacts {
    /// A member was told that it is in this generation. `floor` is the newest generation known when it asked.
    pub fn joined(&self, generation: i32, floor: i32) -> Result<(), String> {
        if generation < floor {
            return Err(format!("generation {generation} after {floor}"));
        }
        Ok(())
    }

    /// The leader of a generation hands in its assignment. True if one was handed in before that nobody was told of.
    ///
    /// A number does not name one generation before it is kept: a coordinator counts in memory and writes when the
    /// assignment comes. If it is deposed before that is committed, the next one counts on from what it read and may come
    /// to the same number, and which of the two records stays is decided by who leads the log later: it may be the older
    /// one, if the second coordinator falls too before anybody has copied its own. Kafka counts and writes the same way.
    /// What must hold is that all who are told their part are told of the one that is kept.
    pub fn gave(&mut self, generation: i32, assignment: Assignment) -> bool {
        if self.leaders.contains_key(&generation) {
            // Somebody was told: that one is kept, and no other can be.
            return false;
        }
        let given = self.given.entry(generation).or_default();
        let is_rival = given.iter().any(|known| *known != assignment);
        given.push(assignment);
        is_rival
    }

    /// A member was told that these partitions are its own in a generation led by `leader`.
    pub fn owns(&mut self, generation: i32, leader: &str, member: &str, logs: &[LogName]) -> Result<(), String> {
        self.generation = self.generation.max(generation);
        let known = self.leaders.entry(generation).or_insert_with(|| leader.to_owned());
        if known != leader {
            return Err(format!("generation {generation} is led by {known} and by {leader}"));
        }
        let told: BTreeSet<LogName> = logs.iter().copied().collect();
        let nothing = BTreeSet::new();
        let part = |assignment: &Assignment| assignment.get(member).unwrap_or(&nothing).clone();
        let given = self.given.entry(generation).or_default();
        if !given.iter().any(|assignment| part(assignment) == told) {
            let parts: Vec<_> = given.iter().map(part).collect();
            return Err(format!("generation {generation}: {member} was given {parts:?} and told {told:?}"));
        }
        // What one is told is what all are: the others that were handed in were never kept.
        given.retain(|assignment| part(assignment) == told);
        for log in logs {
            let owner = self.owners.entry((generation, *log)).or_insert_with(|| member.to_owned());
            if owner != member {
                return Err(format!("generation {generation}: {log:?} belongs to {owner} and to {member}"));
            }
        }
        Ok(())
    }

    /// An offset is about to be committed.
    pub fn committing(&mut self, log: LogName, offset: i64) -> CommitId {
        self.moment += 1;
        let commits = self.commits.entry(log).or_default();
        commits.push(Commit { offset, asked: self.moment, fate: CommitFate::Open });
        CommitId(log, commits.len() - 1)
    }

    /// The commit was confirmed, or refused for good.
    pub fn committed(&mut self, id: CommitId, kept: bool) {
        self.moment += 1;
        let commit = &mut self.commits.get_mut(&id.0).expect("it was begun")[id.1];
        commit.fate = if kept { CommitFate::Kept(self.moment) } else { CommitFate::Refused };
    }

    /// A moment of the group's own count: to be taken when offsets are asked for.
    pub fn moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// The committed offset is this (−1: none), said an answer to a question asked at that moment.
    pub fn fetched(&self, log: LogName, offset: i64, asked: u64) -> Result<(), String> {
        let none = Vec::new();
        let commits = self.commits.get(&log).unwrap_or(&none);
        let kept_before = |moment: u64| {
            let kept = |commit: &&Commit| matches!(commit.fate, CommitFate::Kept(at) if at < moment);
            commits.iter().filter(kept).map(|commit| commit.asked).max()
        };
        let newest = kept_before(asked);
        let possible = |commit: &Commit| match commit.fate {
            CommitFate::Refused => false,
            CommitFate::Open => true,
            CommitFate::Kept(at) => newest.is_none_or(|newest| at > newest),
        };
        let fits = match offset {
            -1 => newest.is_none(),
            offset => commits.iter().any(|commit| commit.offset == offset && possible(commit)),
        };
        if fits {
            return Ok(());
        }
        let tail = &commits[commits.len().saturating_sub(6)..];
        Err(format!("{log:?} has committed offset {offset}, asked at {asked}; the newest commits are {tail:?}"))
    }

    /// How many offsets were confirmed.
    pub fn kept(&self) -> usize {
        let kept = |commit: &&Commit| matches!(commit.fate, CommitFate::Kept(_));
        self.commits.values().flatten().filter(kept).count()
    }
}

#[cfg(test)]
#[path = "groups_test.rs"]
mod groups_test;
