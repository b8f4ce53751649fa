//! What a run is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use ottla_tests::harness::broker::{Kind, Purpose};
use ottla_tests::harness::cluster::Shape;

/// Who is killed each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    /// Whoever leads the watched partition.
    Leader,
    /// Whoever leads the metadata quorum.
    Controller,
    /// Everybody at once.
    All,
}

impl Victim {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Victim::Leader => "leader",
            Victim::Controller => "controller",
            Victim::All => "all",
        }
    }
}

/// When the next kill comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// So long after the one before.
    Time(Duration),
    /// Once so many operations have been acknowledged since the one before: as fast as the machine is.
    Operations(u64),
}

/// When no more kills come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// So long after the first acknowledgement.
    Time(Duration),
    /// After so many.
    Kills(usize),
}

/// What clients do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Over all topics.
    pub partitions: usize,
    /// Of how many topics.
    pub topics: usize,
    /// Of each partition.
    pub replicas: usize,
    /// Processes that send, each with one operation under way.
    pub senders: usize,
    /// Producers that they share.
    pub producers: usize,
    /// Processes that read along.
    pub readers: usize,
    /// Records of an operation.
    pub batch: usize,
    /// Bytes of a record.
    pub record_bytes: usize,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose brokers, and how many.
    pub shape: Shape,
    /// What clients do.
    pub load: Load,
    /// Who is killed, in turn.
    pub victims: Vec<Victim>,
    /// When the next kill comes.
    pub pace: Pace,
    /// How long a killed broker stays away.
    pub down: Duration,
    /// When the last kill has been.
    pub until: Until,
    /// Where history and report are left.
    pub out: PathBuf,
}

impl Plan {
    /// A run of a few kills as fast as the machine goes, to prove that all of it works.
    pub fn short(out: PathBuf) -> Plan {
        Plan {
            shape: Shape { kind: Kind::Ottla, purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false },
            load: Load {
                partitions: 4,
                topics: 1,
                replicas: 3,
                senders: 8,
                producers: 2,
                readers: 1,
                batch: 20,
                record_bytes: 100,
            },
            victims: vec![Victim::Leader, Victim::Controller, Victim::All],
            pace: Pace::Operations(300),
            down: Duration::ZERO,
            until: Until::Kills(3),
            out,
        }
    }
}
