//! Who leads the partitions of a broker that comes or goes (KIP-497, KIP-841, KIP-966), and elections that somebody asks for
//! (KIP-460) or that are due (preferred leaders).

use super::change::{Draft, Election, Terms};
use super::directories::may_lead;
use super::{Reply, Verdict};
use crate::config::Config;
use crate::metadata::{Image, MetadataRecord, Partition, Topic};
use crate::msg::Response;
use crate::msg::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult};
use crate::types::{BrokerId, ErrorCode, LogId, Str, Uuid};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What the partitions of one broker become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// It can be reached by nobody any more, or is about to be; it keeps what it has.
    Goes,
    /// It is back, with everything that it had.
    Comes,
    /// It is gone, and may have lost what it had.
    Forgot,
    /// The same, but it is back already.
    Returns,
}

/// The changes of partitions that follow from a broker's turn.
pub(super) fn changes(image: &Image, config: &Config, who: BrokerId, turn: Turn) -> Vec<MetadataRecord> {
    changes_of(image, config, (who, turn), |_| true)
}

/// The same for the replicas of a broker that were in these directories: they are gone for now, and what is in the others is not.
pub(super) fn lose(image: &Image, config: &Config, who: BrokerId, lost: &[Uuid]) -> Vec<MetadataRecord> {
    changes_of(image, config, (who, Turn::Goes), |partition| lost.contains(&partition.directory_of(who)))
}

/// The same for one replica, wherever the image says that it is.
pub(super) fn lose_in(
    image: &Image,
    config: &Config,
    who: BrokerId,
    (log, partition): (LogId, &Arc<Partition>),
) -> Option<MetadataRecord> {
    let topic = image.topic(log.topic).filter(|_| concerns(partition, who, Turn::Goes))?;
    change(image, (log, partition), Terms::of(image, config, &topic.name), (who, Turn::Goes))
}

/// A replica of a broker that is up turned out to be where it can be read: it leads, if nobody does and it may.
pub(super) fn found_in(image: &Image, config: &Config, who: BrokerId, log: LogId) -> Option<MetadataRecord> {
    let partition = image.partition(log).filter(|partition| concerns(partition, who, Turn::Comes))?;
    let topic = image.topic(log.topic).filter(|_| may_lead(image, partition, who))?;
    change(image, (log, partition), Terms::of(image, config, &topic.name), (who, Turn::Comes))
}

/// The changes of those of its partitions that are meant.
pub(super) fn changes_of(
    image: &Image,
    config: &Config,
    (who, turn): (BrokerId, Turn),
    is_meant: impl Fn(&Partition) -> bool,
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in image.topics() {
        let is_held = |partition: &Partition| concerns(partition, who, turn) && is_meant(partition);
        let held = topic.partitions.iter().filter(|(_, partition)| is_held(partition));
        let mut terms = None;
        records.extend(held.filter_map(|(index, partition)| {
            let terms = *terms.get_or_insert_with(|| Terms::of(image, config, &topic.name));
            change(image, (LogId { topic: topic.id, partition: *index }, partition), terms, (who, turn))
        }));
    }
    records
}

fn concerns(partition: &Partition, who: BrokerId, turn: Turn) -> bool {
    let is_member = || partition.isr.contains(&who) || partition.leader == who;
    partition.replicas.contains(&who)
        && match turn {
            Turn::Goes => is_member(),
            Turn::Comes => partition.leader == BrokerId::NONE,
            Turn::Forgot | Turn::Returns => is_member() || partition.eligible.contains(&who),
        }
}

fn change(
    image: &Image,
    (log, partition): (LogId, &Arc<Partition>),
    terms: Terms,
    (who, turn): (BrokerId, Turn),
) -> Option<MetadataRecord> {
    let lives = |id: BrokerId| may_lead(image, partition, id);
    let is_there = |id: BrokerId| image.broker(id).is_none_or(|broker| broker.has_online(partition.directory_of(id)));
    let mut draft = Draft::new(image, partition, terms);
    let next = match turn {
        Turn::Comes => draft.finish(|id| id == who && is_there(id) || lives(id)),
        Turn::Goes => {
            draft.leaves(who);
            draft.finish(|id| id != who && lives(id))
        }
        Turn::Forgot => {
            draft.leaves(who);
            draft.forgot = Some(who);
            draft.finish(|id| id != who && lives(id))
        }
        // Nobody else has what was committed: it goes on with what it has, in a reign that says so (KIP-320). With nothing, where the
        // directory did not come back, it would cut the others to nothing too.
        Turn::Returns if !is_held_beside(partition, who) && (partition.replicas.len() == 1 || is_there(who)) => {
            let mut next = draft.finish(|id| id == who || lives(id));
            next.reign();
            return next.record(log);
        }
        Turn::Returns => {
            draft.leaves(who);
            draft.forgot = Some(who);
            draft.finish(|id| id != who && lives(id))
        }
    };
    next.record(log)
}

/// Has anybody else everything that is committed?
fn is_held_beside(partition: &Partition, who: BrokerId) -> bool {
    partition.isr.iter().chain(&partition.eligible).any(|id| *id != who)
}

/// What the settings of a topic mean for partitions that have no leader, somebody eligible beside the ISR, or a move that waits: they
/// may mean something else now.
pub(super) fn retuned(image: &Image, topic: &Topic, terms: Terms) -> Vec<MetadataRecord> {
    let is_moved = |partition: &Partition| !partition.adding.is_empty() || !partition.removing.is_empty();
    let is_open = |partition: &Partition| {
        partition.leader == BrokerId::NONE || !partition.eligible.is_empty() || is_moved(partition)
    };
    let open = topic.partitions.iter().filter(|(_, partition)| is_open(partition));
    let record = |(index, partition): (&i32, &Arc<Partition>)| {
        let next = Draft::new(image, partition, terms).finish(|id| may_lead(image, partition, id));
        next.record(LogId { topic: topic.id, partition: *index })
    };
    open.filter_map(record).collect()
}

/// What is looked at now and then: partitions without a leader that may have one, and those that are not led by their
/// preferred leader; so many at most before others have their turn. Kafka's KRaft does not weigh how many of a broker's partitions are led elsewhere.
pub(super) fn tend(image: &Image, config: &Config, with_preferred: bool) -> Verdict {
    let mut records = Vec::new();
    for topic in image.topics() {
        if records.len() >= ELECTIONS_AT_ONCE {
            return Verdict { records, replies: alloc::vec![Reply::Tended { has_more: true }] };
        }
        let terms = Terms::of(image, config, &topic.name);
        records.extend(retuned(image, topic, terms));
        let strangers =
            topic.partitions.iter().filter(|(_, partition)| with_preferred && is_ruled_by_another(partition));
        records.extend(strangers.filter_map(|(index, partition)| {
            preferred(image, (LogId { topic: topic.id, partition: *index }, partition), terms)
        }));
    }
    Verdict { records, replies: alloc::vec![Reply::Tended { has_more: false }] }
}

fn is_ruled_by_another(partition: &Partition) -> bool {
    partition.leader != BrokerId::NONE
        && partition.eligible.is_empty()
        && partition.replicas.first() != Some(&partition.leader)
}

fn preferred(image: &Image, (log, partition): (LogId, &Arc<Partition>), terms: Terms) -> Option<MetadataRecord> {
    let mut draft = Draft::new(image, partition, terms);
    draft.election = Election::Preferred;
    draft.finish(|id| may_lead(image, partition, id)).record(log)
}

/// Answers ElectLeaders: for each partition alone, or for all that need it.
pub(super) fn elect(image: &Image, config: &Config, request: &ElectLeadersRequest) -> Verdict {
    let mut response = ElectLeadersResponse::default();
    let mut records = Vec::new();
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => {
            response.error_code = ErrorCode::InvalidRequest.code();
            return Verdict::reply(Reply::Response(Response::ElectLeaders(response)));
        }
    };
    let mut seen = BTreeSet::new();
    let mut ask = |name: &Str, index: i32| {
        let is_new = seen.insert((name.clone(), index));
        let first = || election_of(image, config, (name, index), election);
        let outcome = if is_new { first() } else { Err(ErrorCode::ElectionNotNeeded) };
        let error = outcome.as_ref().err().copied();
        records.extend(outcome.ok());
        error
    };
    match &request.topic_partitions {
        Some(topics) => {
            for topic in topics {
                let results = topic.partitions.iter().map(|index| told(*index, ask(&topic.topic, *index)));
                let partition_result = results.collect();
                response
                    .replica_election_results
                    .push(ReplicaElectionResult { topic: topic.topic.clone(), partition_result });
            }
        }
        // Kafka names every topic, and leaves out partitions that are led as they should be.
        None => {
            for topic in image.topics() {
                let results = topic.partitions.iter().map(|(index, _)| (*index, ask(&topic.name, *index)));
                let results = results.filter(|(_, error)| *error != Some(ErrorCode::ElectionNotNeeded));
                let partition_result = results.map(|(index, error)| told(index, error)).collect();
                response
                    .replica_election_results
                    .push(ReplicaElectionResult { topic: topic.name.clone(), partition_result });
            }
        }
    }
    Verdict { records, replies: alloc::vec![Reply::Response(Response::ElectLeaders(response))] }
}

fn told(partition_id: i32, error: Option<ErrorCode>) -> PartitionResult {
    let error_message = error.map(|error| {
        Str::from_static(match error {
            ErrorCode::ElectionNotNeeded => "the partition is led as it should be",
            ErrorCode::PreferredLeaderNotAvailable => "the preferred leader is not in sync, or not up",
            ErrorCode::EligibleLeadersNotAvailable => "no replica of the partition is up",
            _ => "there is no such partition",
        })
    });
    PartitionResult { partition_id, error_code: error.unwrap_or(ErrorCode::None).code(), error_message }
}

fn election_of(
    image: &Image,
    config: &Config,
    (name, index): (&Str, i32),
    election: Election,
) -> Result<MetadataRecord, ErrorCode> {
    let topic = image.topic_named(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = topic.partitions.get(&index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let is_needed = match election {
        Election::Preferred => partition.replicas.first() != Some(&partition.leader),
        Election::Any | Election::Unclean => partition.leader == BrokerId::NONE,
    };
    if !is_needed {
        return Err(ErrorCode::ElectionNotNeeded);
    }
    let mut draft = Draft::new(image, partition, Terms::of(image, config, name));
    draft.election = election;
    let next = draft.finish(|id| may_lead(image, partition, id));
    let unavailable = match election {
        Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
        Election::Any | Election::Unclean => ErrorCode::EligibleLeadersNotAvailable,
    };
    next.record(LogId { topic: topic.id, partition: index }).ok_or(unavailable)
}

/// So many leaders are elected at once, about.
const ELECTIONS_AT_ONCE: usize = 1000;
