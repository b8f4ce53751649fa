//! What happened, as typed facts: the shells make log lines and metrics of them, the simulator coverage marks.

use super::DiskFault;
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, Str, Uuid};
use alloc::vec::Vec;

/// One fact. Notes change nothing; a driver may drop them all.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Note {
    /// A handler did nothing, for this reason.
    Ignored(Ignored),
    /// A log began to exist here: the store has it. Only the store says so.
    LogCreated {
        /// Which.
        log: LogId,
        /// Its topic.
        topic: Str,
    },
    /// A log ceased to exist here. Only the store says so.
    LogDeleted {
        /// Which.
        log: LogId,
    },
    /// This node leads this log from now on.
    Leading {
        /// Which.
        log: LogId,
        /// In which reign.
        epoch: LeaderEpoch,
        /// From which offset on.
        from: Offset,
    },
    /// This node follows another leader of this log from now on, or nobody.
    Following {
        /// Which.
        log: LogId,
        /// In which reign.
        epoch: LeaderEpoch,
        /// Whom; [`BrokerId::NONE`] if nobody leads.
        leader: BrokerId,
        /// So far its own log goes.
        from: Offset,
    },
    /// Other replicas than before are in sync of a log that this node leads.
    IsrChanged {
        /// Which.
        log: LogId,
        /// Who is in sync.
        isr: Vec<BrokerId>,
        /// Who came into sync.
        joined: Vec<BrokerId>,
        /// Who fell out of sync.
        left: Vec<BrokerId>,
        /// How many replicas there are to be.
        replicas: usize,
    },
    /// A log that this node leads is held by those who were to hold it: its reassignment is over.
    Reassigned {
        /// Which.
        log: LogId,
        /// Who held it meanwhile, and before.
        before: Vec<BrokerId>,
        /// Who holds it now.
        replicas: Vec<BrokerId>,
    },
    /// A broker came, went, or may lead from now on or no more. Only the active controller says so.
    BrokerTurned {
        /// Which.
        broker: BrokerId,
        /// What became of it.
        turn: Turn,
        /// How many brokers may lead now.
        active: usize,
        /// How many there are.
        registered: usize,
    },
    /// A feature of the cluster has another level.
    FeatureSet {
        /// Which.
        feature: Str,
        /// Before; none if it had none.
        before: Option<i16>,
        /// Now; none if it has none any more.
        after: Option<i16>,
    },
    /// A log is cut back: its end was not its leader's.
    Truncated {
        /// Which.
        log: LogId,
        /// So far it went.
        from: Offset,
        /// So far it goes now.
        to: Offset,
    },
    /// A leader's history parts from this log below what was committed here: the log is taken offline, so that nothing of it is
    /// lost.
    Contradicted {
        /// Which.
        log: LogId,
        /// Who leads it.
        leader: BrokerId,
        /// Where the leader's history parts from this one.
        to: Offset,
        /// Up to here it was committed.
        committed: Offset,
    },
    /// A follower's history is not ours, which leads: it is told where they part.
    Parted {
        /// Which log.
        log: LogId,
        /// Whose.
        follower: BrokerId,
        /// From where on it asked.
        asked: Offset,
        /// The largest epoch that both may know.
        epoch: LeaderEpoch,
        /// Where that ended here.
        end: Offset,
    },
    /// The metadata quorum has a leader, as this node knows.
    Controller {
        /// Who.
        leader: BrokerId,
        /// In which term.
        term: LeaderEpoch,
    },
    /// The controller does not register this broker: another process has its number, and lives.
    Duplicate {
        /// The number.
        broker: BrokerId,
        /// Where the other one is reached, as far as is known here.
        host: Str,
        /// There.
        port: u16,
        /// Which life that is; zero if none is known here.
        incarnation: Uuid,
    },
    /// Whoever should lead the metadata quorum says that this node belongs to another cluster.
    ForeignCluster {
        /// Who says so.
        leader: BrokerId,
        /// Where it was reached.
        host: Str,
        /// There.
        port: u16,
        /// The cluster of this node.
        own: Str,
    },
    /// A log cannot be read or written any more.
    LogOffline {
        /// Which.
        log: LogId,
        /// Why. Several machines may say it of one log, each with what it knows.
        fault: DiskFault,
    },
    /// A log that an earlier process could not read is read through before anybody uses it. Only the store says so.
    LogProving {
        /// Which.
        log: LogId,
        /// Its topic.
        topic: Str,
        /// How long it is.
        bytes: u64,
    },
    /// A coordinator's log was read to an end before what is known to be committed: nobody is answered until the rest can
    /// be read.
    LoadedShort {
        /// Which log.
        log: LogId,
        /// So far it was read.
        read: Offset,
        /// So far it must reach.
        committed: Offset,
    },
    /// The disk is full; the log takes no more records until there is room.
    DiskFull {
        /// The log that met it.
        log: LogId,
    },
    /// A topic came into being.
    TopicCreated {
        /// Its name.
        topic: Str,
        /// Its id.
        id: Uuid,
        /// How many partitions it has.
        partitions: usize,
        /// How many replicas each has.
        replicas: usize,
        /// The settings of its own.
        settings: Vec<(Str, Str)>,
    },
    /// A topic ceased to exist.
    TopicDeleted {
        /// Its name.
        topic: Str,
        /// Its id.
        id: Uuid,
    },
    /// A topic has more partitions.
    PartitionsAdded {
        /// Its name.
        topic: Str,
        /// How many it had.
        before: usize,
        /// How many it has.
        after: usize,
    },
    /// The settings of a topic changed.
    TopicConfigured {
        /// Its name.
        topic: Str,
        /// Settings that have another value of their own now.
        set: Vec<(Str, Str)>,
        /// Settings that are the broker's again.
        unset: Vec<Str>,
    },
    /// Records at the beginning of a log are gone.
    Trimmed {
        /// Which log.
        log: LogId,
        /// It began here.
        before: Offset,
        /// It begins here.
        after: Offset,
        /// A client asked for it; else retention did it.
        is_asked: bool,
    },
    /// A topic asks to be compacted, which this version does not do: all its records stay.
    NotCompacted {
        /// Which.
        topic: Str,
    },
    /// A group changed its state.
    Group {
        /// Its id.
        group: Str,
        /// The state's name as Kafka prints it.
        state: &'static str,
        /// Its generation.
        generation: i32,
        /// How many members it has.
        members: usize,
    },
}

/// What became of a broker, as its controller decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Turn {
    /// A life of it has registered.
    Registered,
    /// It may not lead any more: nothing is heard of it.
    Fenced,
    /// The same, as it was about to stop.
    Stopped,
    /// It may lead.
    Unfenced,
    /// It is about to stop, and leads nothing any more.
    Leaving,
    /// It was taken out of the cluster.
    Unregistered,
}

/// Why a handler did nothing. Each early return has one, so that the simulator can show that it was ever taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ignored {
    /// The answer to a ticket whose connection had closed.
    TicketVoid,
    /// A request that came before the metadata were read; its connection is closed.
    NotReady,
    /// The end of an operation on a log that was deleted meanwhile.
    LogGone,
    /// A request whose answer would be longer than any client takes; its connection is closed.
    AnswerTooLong,
    /// An answer to a question that is not asked any more: of another reign, of another state of the log, of an ISR that
    /// was settled meanwhile.
    AnswerStale,
    /// A fetch answer that no leader gives: records out of order, or of a reign to come.
    AnswerUnsound,
}
