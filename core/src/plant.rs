//! Bugs that can be planted, so that the simulator can show that it would find them. Only with the feature `plant`, which
//! no release build contains; without it every question is answered "no" at compile time.

/// A bug that was made on purpose; each sits at the one line where it would be made by accident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bug {
    /// An action is acknowledged when its journal write begins.
    AckBeforeFlush,
    /// Names are not flushed before the journal forgets how they came about.
    NoDirectoryFlush,
    /// A torn group is replayed as if it were whole.
    ReplayPastTornTail,
    /// An index entry is believed without a look at its checksum and at the batch that it points to.
    TrustIndex,
    /// Groups of an earlier use of a journal file are replayed too.
    RecycledBlockWithoutEpoch,
    /// A truncation is done but not remembered.
    TruncationNotJournalled,
    /// A flush that failed counts as done.
    FailedFlushIgnored,
    /// Batches that come back from a disk are believed.
    CrcUnchecked,
    /// A group that can no longer be read is taken for one that was never written whole.
    RotTakenForTornTail,
    /// The catalogue says that segments are whole before they are flushed.
    CatalogueBeforeSegments,
    /// What is left of a read's budget goes to batches further on, past one that did not fit.
    LeftoverSkips,
    /// The numbers of idempotent producers are not told to the node at start.
    ProducersForgotten,
    /// A large append goes straight into its segment although what lies before it there is only in the journal for good.
    BypassWhileJournalled,
    /// A follower of a new leader cuts its log to its high watermark (KIP-101).
    TruncationToHighWatermark,
    /// Of two histories only the ends are compared, not the epochs that wrote them (KIP-279).
    EpochsNotCompared,
    /// A replica that joins the ISR counts when its leader has heard that it did (KIP-497).
    GrowthCountsLate,
    /// A replica that leaves the ISR counts no more as soon as that is proposed (KIP-497).
    ShrinkCountsEarly,
    /// A replica may join the ISR before it has what the leader had when its reign began.
    GrowthIgnoresReign,
    /// The high watermark goes on with too few replicas in sync (KIP-966).
    CommitBelowMinIsr,
    /// A vote is answered before it is on disk.
    VoteBeforeKept,
    /// A voter that starts anew does not know any more whom it voted for.
    VoteForgotten,
    /// A voter votes for one that has less than itself.
    ShorterLogElected,
    /// Half of the voters count as their majority.
    HalfIsMajority,
    /// A leader of the quorum counts who has records of an earlier reign and takes them for committed by that (Raft, figure 8).
    EarlierReignCommitted,
    /// A follower of the quorum says that it has what its disk is still busy with.
    UnflushedAcknowledged,
    /// Followers of the quorum are asked where their log ends, not which term wrote that.
    TermsNotCompared,
    /// What lies before a snapshot goes as soon as the snapshot's first record is committed.
    SnapshotTrimsEarly,
}

impl Bug {
    /// Those of the store and of a single broker, which the simulator plants in its worlds.
    pub const ALL: [Self; 13] = [
        Self::AckBeforeFlush,
        Self::NoDirectoryFlush,
        Self::ReplayPastTornTail,
        Self::TrustIndex,
        Self::RecycledBlockWithoutEpoch,
        Self::TruncationNotJournalled,
        Self::FailedFlushIgnored,
        Self::CrcUnchecked,
        Self::RotTakenForTornTail,
        Self::CatalogueBeforeSegments,
        Self::LeftoverSkips,
        Self::ProducersForgotten,
        Self::BypassWhileJournalled,
    ];

    /// Those of replication, which the simulator plants in clusters, and the model test in a world of partitions
    /// (`partition/replication_test.rs`).
    pub const OF_REPLICATION: [Self; 6] = [
        Self::TruncationToHighWatermark,
        Self::EpochsNotCompared,
        Self::GrowthCountsLate,
        Self::ShrinkCountsEarly,
        Self::GrowthIgnoresReign,
        Self::CommitBelowMinIsr,
    ];

    /// Those of the metadata quorum, which the simulator plants in a world of voters (`quorum/model_test.rs`) and in clusters.
    pub const OF_QUORUM: [Self; 8] = [
        Self::VoteBeforeKept,
        Self::VoteForgotten,
        Self::ShorterLogElected,
        Self::HalfIsMajority,
        Self::EarlierReignCommitted,
        Self::UnflushedAcknowledged,
        Self::TermsNotCompared,
        Self::SnapshotTrimsEarly,
    ];

    /// Where Kafka had it, or something much like it, or which part of Raft it is against; nothing for those that are our own.
    pub const fn history(self) -> &'static str {
        match self {
            Self::TruncationToHighWatermark => "KIP-101 (KAFKA-1211)",
            Self::EpochsNotCompared => "KIP-279 (KAFKA-6361)",
            Self::GrowthCountsLate | Self::ShrinkCountsEarly => "KIP-497",
            Self::GrowthIgnoresReign => "KAFKA-7128",
            Self::CommitBelowMinIsr => "KIP-966",
            Self::VoteBeforeKept | Self::VoteForgotten => "Raft, section 5.2",
            Self::ShorterLogElected => "Raft, section 5.4.1",
            Self::HalfIsMajority => "Raft, section 5.2",
            Self::EarlierReignCommitted => "Raft, section 5.4.2",
            Self::UnflushedAcknowledged => "Raft, figure 2",
            Self::TermsNotCompared => "Raft, section 5.3",
            Self::SnapshotTrimsEarly => "Raft, section 7",
            Self::AckBeforeFlush
            | Self::NoDirectoryFlush
            | Self::ReplayPastTornTail
            | Self::TrustIndex
            | Self::RecycledBlockWithoutEpoch
            | Self::TruncationNotJournalled
            | Self::FailedFlushIgnored
            | Self::CrcUnchecked
            | Self::RotTakenForTornTail
            | Self::CatalogueBeforeSegments
            | Self::LeftoverSkips
            | Self::ProducersForgotten
            | Self::BypassWhileJournalled => "",
        }
    }

    /// The promise that it breaks.
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::AckBeforeFlush => "acknowledged means flushed",
            Self::NoDirectoryFlush => "a name survives as its file does",
            Self::ReplayPastTornTail => "a group is replayed whole or not at all",
            Self::TrustIndex => "an index is a hint",
            Self::RecycledBlockWithoutEpoch => "what an earlier use of a journal file left is not replayed",
            Self::TruncationNotJournalled => "what was cut off does not come back",
            Self::FailedFlushIgnored => "a failed flush is never taken for a good one",
            Self::CrcUnchecked => "damaged bytes are not handed out",
            Self::RotTakenForTornTail => "rot inside the journal is not the end of it",
            Self::CatalogueBeforeSegments => "the journal is recycled when the segments are durable",
            Self::LeftoverSkips => "a read skips nothing, however small its budget",
            Self::ProducersForgotten => "a numbered batch is stored once, whatever restarts",
            Self::BypassWhileJournalled => "what goes past the journal rests on nothing that is not flushed",
            Self::TruncationToHighWatermark => "a log is cut where histories part and nowhere else",
            Self::EpochsNotCompared => "logs that end alike are alike",
            Self::GrowthCountsLate | Self::ShrinkCountsEarly => "whoever may be elected has all that is committed",
            Self::GrowthIgnoresReign => "whoever joins has all that is committed, known to the leader or not",
            Self::CommitBelowMinIsr => "what is committed is on as many replicas as was asked for",
            Self::VoteBeforeKept | Self::VoteForgotten => "nobody votes for two in one term",
            Self::ShorterLogElected => "whoever leads has all that is committed",
            Self::HalfIsMajority => "two majorities have a voter in common",
            Self::EarlierReignCommitted => "what is committed stays, whoever leads next",
            Self::UnflushedAcknowledged => "what is committed is on the disks of a majority",
            Self::TermsNotCompared => "a follower's log is its leader's",
            Self::SnapshotTrimsEarly => "a log that was trimmed begins with a whole snapshot",
        }
    }
}

/// Stands in every program with the feature and in no other: whoever tests or ships a broker looks for these bytes.
pub const MARK: &str = "this program has bugs planted in it";

#[cfg(feature = "plant")]
static PLANTED: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Plants this bug, or none, in the whole process.
#[cfg(feature = "plant")]
pub fn plant(bug: Option<Bug>) {
    let bits = bug.map_or(0, |bug| 1 << bug as u32);
    PLANTED.store(bits, core::sync::atomic::Ordering::Relaxed);
}

/// Is this bug planted?
#[cfg(feature = "plant")]
pub fn planted(bug: Bug) -> bool {
    core::hint::black_box(MARK);
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) & (1 << bug as u32) != 0
}

/// Is this bug planted? Not in this build, nor can it be.
#[cfg(not(feature = "plant"))]
pub const fn planted(_bug: Bug) -> bool {
    false
}
