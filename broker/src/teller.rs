//! Notes and the state of the disk → log lines. What goes on for long is said when it begins and when it ends, and what
//! several machines note of one log is said once.

use crate::flurry::{Flurry, Kind, Said};
use crate::mail::DiskState;
use crate::watch::{Other, Sight, Watch};
use ottla_core::boundary::{DiskFault, Note, Turn};
use ottla_core::types::{BrokerId, LogId, Mono, Offset, Str, Uuid, quoted};
use std::collections::BTreeSet;
use tracing::{debug, error, info, warn};

/// What was said already.
#[derive(Default, Debug)]
pub struct Teller {
    /// Logs that can be neither read nor written.
    offline: BTreeSet<LogId>,
    /// Logs that this broker leads.
    leading: BTreeSet<LogId>,
    flurry: Flurry,
    watch: Watch,
    /// Whoever should lead the metadata quorum was the controller of another cluster when it was last asked.
    is_foreign: bool,
    disk: DiskState,
    /// Since when the disk is full, and how many appends were refused before.
    full: Option<(Mono, u64)>,
}

impl Teller {
    /// How many logs can be neither read nor written.
    pub fn offline(&self) -> usize {
        self.offline.len()
    }

    /// How many logs this broker leads.
    pub fn leading(&self) -> usize {
        self.leading.len()
    }

    /// About a second has passed: what was not said of single partitions is said of all, and what lasts for long is said.
    pub fn look(&mut self, now: Mono, sight: Sight) {
        self.flurry.sum_up(self.leading.len());
        self.watch.look(now, sight);
    }

    /// The disk is like this now, and so many appends were ever refused for want of room.
    pub fn disk(&mut self, now: Mono, disk: DiskState, refused: u64) {
        let before = std::mem::replace(&mut self.disk, disk);
        match (before, disk) {
            (DiskState::Well, DiskState::Full) => {
                self.full = Some((now, refused));
                warn!(
                    target: "ottla::disk",
                    "the disk is full: producers are refused and retry, consumers are served; it goes on by itself when \
                     there is room"
                );
            }
            (DiskState::Full, DiskState::Well) => {
                let (since, before) = self.full.take().expect("it was full");
                let (seconds, refused) = (now.since(since).as_secs_f64(), refused - before);
                info!(
                    target: "ottla::disk", seconds, refused,
                    "the disk has room again after {seconds:.1} s, in which {refused} appends were refused"
                );
            }
            (DiskState::Well | DiskState::Full, DiskState::Offline) => {
                let offline = self.offline();
                error!(
                    target: "ottla::disk", offline,
                    "the data directory is offline: nothing in it is read or written until this broker is started again \
                     ({offline} logs); put the disk right first, the lines before this and the kernel's log (dmesg) say \
                     what is wrong with it"
                );
            }
            (DiskState::Well, DiskState::Well) | (DiskState::Full, DiskState::Full) | (DiskState::Offline, _) => {}
        }
    }

    /// Something happened that people may want to know. `name_of` tells what people call a log.
    #[expect(clippy::too_many_lines, reason = "an arm for each note")]
    pub fn note(&mut self, note: &Note, name_of: &dyn Fn(LogId) -> String) {
        match note {
            Note::Ignored(why) => debug!(target: "ottla::node", ?why, "ignored: {why:?}"),
            Note::LogCreated { log, topic } => {
                let log = format!("{topic}-{}", log.partition);
                debug!(target: "ottla::node", log, "{log} exists");
            }
            Note::LogDeleted { log } => {
                self.offline.remove(log);
                self.leading.remove(log);
                let log = name_of(*log);
                debug!(target: "ottla::node", log, "{log} is deleted");
            }
            Note::Leading { log, epoch, from } => {
                self.leading.insert(*log);
                let (name, from) = (name_of(*log), from.0);
                let text = format_args!("leading {name} in epoch {} from offset {from}", epoch.0);
                self.flurry.say(Kind::Leads, Said { log: &name, epoch: Some(epoch.0), isr: None }, text);
            }
            Note::Following { log, epoch, leader, from } => {
                self.leading.remove(log);
                let (name, from) = (name_of(*log), from.0);
                let said = Said { log: &name, epoch: Some(epoch.0), isr: None };
                let (epoch, leader) = (epoch.0, *leader);
                match leader {
                    BrokerId::NONE => {
                        let text = format_args!("nobody leads {name} in epoch {epoch}: here it goes to offset {from}");
                        self.flurry.say(Kind::Leaderless, said, text);
                    }
                    BrokerId(leader) => {
                        let text =
                            format_args!("following broker {leader} in {name} in epoch {epoch} from offset {from}");
                        self.flurry.say(Kind::Follows, said, text);
                    }
                }
            }
            Note::IsrChanged { log, isr, joined, left, replicas } => {
                let (name, isr) = (name_of(*log), ids(isr));
                let said = Said { log: &name, epoch: None, isr: Some(&isr) };
                for (kind, who, what) in [(Kind::Shrinks, left, "fell out of"), (Kind::Grows, joined, "came into")] {
                    if !who.is_empty() {
                        let who = brokers(who);
                        let text =
                            format_args!("{who} {what} sync of {name}: of {replicas} replicas {isr} are in sync");
                        self.flurry.say(kind, said, text);
                    }
                }
            }
            Note::Reassigned { log, before, replicas } => {
                let (name, before, replicas) = (name_of(*log), ids(before), ids(replicas));
                let text =
                    format_args!("the reassignment of {name} is over: its replicas are {replicas}, before {before}");
                self.flurry.say(Kind::Reassigned, Said { log: &name, epoch: None, isr: None }, text);
            }
            Note::BrokerTurned { broker, turn, active, registered } => {
                broker_turned(*broker, *turn, (*active, *registered));
            }
            Note::FeatureSet { feature, before, after } => {
                let feature = feature.as_str();
                let level = |level: &Option<i16>| level.map_or("no level".to_owned(), |level| level.to_string());
                let (before, after) = (level(before), level(after));
                info!(target: "ottla::node", feature, before, after, "the feature {feature} is at {after}, before at {before}");
            }
            Note::Truncated { log, from, to } => {
                let (log, from, to) = (name_of(*log), from.0, to.0);
                info!(
                    target: "ottla::node", log, from, to,
                    "{log} is cut from offset {from} to {to}, where its leader's history is another"
                );
            }
            Note::ForeignCluster { leader, host, port, own } => {
                if !std::mem::replace(&mut self.is_foreign, true) {
                    foreign(*leader, (host, *port), own);
                }
            }
            Note::Duplicate { broker, host, port, incarnation } => {
                let at = (host.clone(), *port);
                self.watch.refused(Other { broker: broker.0, at, incarnation: *incarnation });
            }
            Note::Contradicted { log, leader, to, committed } => {
                self.offline.insert(*log);
                let (log, broker, to, committed) = (name_of(*log), leader.0, to.0, committed.0);
                error!(
                    target: "ottla::node", log, broker, to, committed,
                    "{log} is offline: broker {broker} leads it and has another history from offset {to} on, but here \
                     it was committed up to {committed}. Nothing of it is cut off: find out which broker lost its records \
                     (an empty or restored disk?). Once this broker starts again it takes what the leader has"
                );
            }
            Note::Parted { log, follower, asked, epoch, end } => {
                let (log, broker, asked, epoch, end) = (name_of(*log), follower.0, asked.0, epoch.0, end.0);
                debug!(
                    target: "ottla::node", log, broker, asked, epoch, end,
                    "broker {broker} asks from offset {asked} of {log}, but epoch {epoch} ended at {end} here"
                );
            }
            Note::Controller { leader, term } => {
                self.is_foreign = false;
                let (broker, term) = (leader.0, term.0);
                info!(target: "ottla::node", broker, term, "broker {broker} leads the metadata quorum in term {term}");
            }
            Note::LogOffline { log, fault } => self.log_offline(*log, *fault, name_of),
            Note::LogProving { log, topic, bytes } => {
                let (partition, megabytes) = (log.partition, bytes / 1_000_000);
                info!(
                    target: "ottla::store", topic = topic.as_str(), partition, megabytes,
                    "{topic}-{partition} could not be read before: looking through {megabytes} MB of it"
                );
            }
            Note::DiskFull { log } => {
                let log = name_of(*log);
                debug!(target: "ottla::node", log, "{log} takes no records until there is room on the disk");
            }
            Note::LoadedShort { log, read, committed } => {
                let (log, read, committed) = (name_of(*log), read.0, committed.0);
                error!(
                    target: "ottla::group", log, read, committed,
                    "{log} was read to offset {read}, but {committed} are committed: its groups wait until all can be read"
                );
            }
            Note::TopicCreated { topic, id, partitions, replicas, settings } => {
                topic_created((topic, *id), (*partitions, *replicas), settings);
            }
            Note::TopicDeleted { topic, id } => {
                let (topic, id) = (topic.as_str(), id.to_string());
                info!(target: "ottla::topic", topic, id, "topic {topic} is deleted, id {id}");
            }
            Note::PartitionsAdded { topic, before, after } => {
                let topic = topic.as_str();
                info!(
                    target: "ottla::topic", topic, before, after,
                    "topic {topic} has {after} partitions, before {before}"
                );
            }
            Note::TopicConfigured { topic, set, unset } => topic_configured(topic, set, unset),
            Note::Trimmed { log, before, after, is_asked } => trimmed(&name_of(*log), (*before, *after), *is_asked),
            Note::NotCompacted { topic } => {
                let topic = topic.as_str();
                warn!(
                    target: "ottla::node", topic,
                    "{topic} asks to be compacted, which is not built: all its records stay"
                );
            }
            Note::Group { group, state, generation, members } => {
                let group = shown(group);
                info!(
                    target: "ottla::group", group, state, generation, members,
                    "group {group}: {state}, generation {generation}, {members} members"
                );
            }
        }
    }

    fn log_offline(&mut self, log: LogId, fault: DiskFault, name_of: &dyn Fn(LogId) -> String) {
        if !self.offline.insert(log) {
            return;
        }
        let log = name_of(log);
        let (why, advice) = match fault {
            // All logs of the directory: that is one line.
            DiskFault::Offline => return debug!(target: "ottla::node", log, "{log} is offline with its directory"),
            DiskFault::Rot => (
                "its bytes on disk are not those that were written, or cannot be read",
                "look at the kernel's log (dmesg); copy the directory before anything else is tried",
            ),
            DiskFault::Full => ("the disk is full", "make room and start this broker again"),
            DiskFault::NoSuchLog | DiskFault::OutOfRange => {
                ("it is not, or not as far as it should be, on the disk", "were files removed?")
            }
        };
        error!(
            target: "ottla::node", log, why,
            "{log} is offline: {why}; it can be neither read nor written. {advice}"
        );
    }
}

fn broker_turned(broker: BrokerId, turn: Turn, (active, registered): (usize, usize)) {
    let broker = broker.0;
    let what = match turn {
        Turn::Registered => "has registered",
        Turn::Fenced => "is fenced, nothing is heard of it: others lead what it led",
        Turn::Stopped => "has stopped in order",
        Turn::Unfenced => "may lead",
        Turn::Leaving => "is about to stop: others lead what it led",
        Turn::Unregistered => "is unregistered",
    };
    info!(
        target: "ottla::node", broker, active, registered,
        "broker {broker} {what}; {active} of {registered} brokers may lead"
    );
}

/// As people list them.
fn ids(all: &[BrokerId]) -> String {
    all.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(", ")
}

fn brokers(all: &[BrokerId]) -> String {
    format!("{} {}", if all.len() == 1 { "broker" } else { "brokers" }, ids(all))
}

fn foreign(leader: BrokerId, (host, port): (&Str, u16), own: &Str) {
    let broker = leader.0;
    // Of one of the bootstrap servers nobody knows the number.
    let who = if broker < 0 { "the node".to_owned() } else { format!("broker {broker}") };
    warn!(
        target: "ottla::node", broker,
        "{who} at {host}:{port} is the controller of another cluster, and this broker's directory is of cluster {own}: correct \
         controller.quorum.voters or .bootstrap.servers, or choose the directory of that cluster with log.dirs. It is asked \
         again every few seconds"
    );
}

fn topic_created((topic, id): (&Str, Uuid), (partitions, replicas): (usize, usize), settings: &[(Str, Str)]) {
    let (topic, id, settings) = (topic.as_str(), id.to_string(), pairs(settings));
    let with = if settings.is_empty() { String::new() } else { format!(", with {settings}") };
    info!(
        target: "ottla::topic", topic, id, partitions, replicas, settings,
        "topic {topic} is created: {partitions} partitions, {replicas} replicas, id {id}{with}"
    );
}

fn topic_configured(topic: &Str, set: &[(Str, Str)], unset: &[Str]) {
    let (topic, settings) = (topic.as_str(), pairs(set));
    let unset = unset.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let said = match (settings.is_empty(), unset.is_empty()) {
        (true, true) => return,
        (false, true) => settings.clone(),
        (true, false) => format!("without {unset}"),
        (false, false) => format!("{settings}, without {unset}"),
    };
    info!(target: "ottla::topic", topic, settings, unset, "topic {topic} is configured: {said}");
}

fn trimmed(log: &str, (before, after): (Offset, Offset), is_asked: bool) {
    let (before, after) = (before.0, after.0);
    let why = if is_asked { "a client deleted the records before" } else { "older records were not to be kept longer" };
    info!(target: "ottla::topic", log, before, after, why, "{log} begins at {after}, before at {before}: {why}");
}

/// A text of a client: not all of a long one, and no line break.
fn shown(text: &str) -> String {
    quoted(text).escape_debug().to_string()
}

/// Settings as people write them.
fn pairs(settings: &[(Str, Str)]) -> String {
    let pair = |(name, value): &(Str, Str)| format!("{}={}", shown(name), shown(value));
    settings.iter().map(pair).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "teller_test.rs"]
pub(crate) mod teller_test;
