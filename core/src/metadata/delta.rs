//! What changed between two images, for whoever has to follow: logs to make, lead, follow or drop, settings to take up.

use super::apply::Touched;
use super::image::{Image, Partition, Resource, Topic};
use crate::types::{BrokerId, LogId, Offset, Str};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The step from one image to a later one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Delta {
    before: Arc<Image>,
    after: Arc<Image>,
    touched: Touched,
}

/// What became of one log, as its broker sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LogChange {
    /// The broker holds it from now on.
    Gained {
        /// Which.
        log: LogId,
        /// Its topic.
        topic: Str,
        /// Its state.
        partition: Arc<Partition>,
    },
    /// The broker goes on holding it, in another state.
    Changed {
        /// Which.
        log: LogId,
        /// The state it was in.
        before: Arc<Partition>,
        /// The state it is in.
        after: Arc<Partition>,
    },
    /// The broker holds it no longer: its topic is gone, or its replica was moved.
    Lost {
        /// Which.
        log: LogId,
    },
}

impl Delta {
    pub(super) fn new(before: Arc<Image>, after: Arc<Image>, touched: Touched) -> Self {
        Self { before, after, touched }
    }

    /// From nothing to this image: what a broker does at start.
    pub fn from_nothing(image: Arc<Image>) -> Self {
        Self::between(Arc::default(), image)
    }

    /// From one image to another, of which nobody knows what lies between: everything may have changed.
    pub fn between(before: Arc<Image>, after: Arc<Image>) -> Self {
        let mut touched = Touched::default();
        for image in [&before, &after] {
            for topic in image.topics() {
                touched.topics.push(topic.id);
                touched.logs.extend(
                    topic.partitions.iter().map(|(partition, _)| LogId { topic: topic.id, partition: *partition }),
                );
            }
            touched.resources.extend(image.resources().map(|(resource, _)| resource.clone()));
            touched.brokers.extend(image.brokers().map(|broker| broker.id));
        }
        Self::new(before, after, touched)
    }

    /// The later image.
    pub fn after(&self) -> &Arc<Image> {
        &self.after
    }

    /// The earlier image.
    pub fn before(&self) -> &Arc<Image> {
        &self.before
    }

    /// True if everything is new only because nothing was known before.
    pub fn is_from_nothing(&self) -> bool {
        self.before.end() == Offset::ZERO
    }

    /// What became of the logs of this broker, in the order of their ids, those that it lost first: one that it gained may have the
    /// name of one of them. Each log once.
    pub fn logs(&self, me: BrokerId) -> Vec<LogChange> {
        let logs: BTreeSet<LogId> = self.touched.logs.iter().copied().collect();
        let mut changes: Vec<LogChange> = logs.into_iter().filter_map(|log| self.log(me, log)).collect();
        changes.sort_by_key(|change| !matches!(change, LogChange::Lost { .. }));
        changes
    }

    fn log(&self, me: BrokerId, log: LogId) -> Option<LogChange> {
        let mine = |image: &Image| image.partition(log).filter(|partition| partition.replicas.contains(&me)).cloned();
        match (mine(&self.before), mine(&self.after)) {
            (None, Some(partition)) => {
                let topic = self.after.topic(log.topic).expect("its partition exists").name.clone();
                Some(LogChange::Gained { log, topic, partition })
            }
            (Some(before), Some(after)) if before != after => Some(LogChange::Changed { log, before, after }),
            (Some(_), None) => Some(LogChange::Lost { log }),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// Topics that came into being.
    pub fn topics_created(&self) -> Vec<Arc<Topic>> {
        self.topics_only_in(&self.after, &self.before)
    }

    /// Topics that ceased to exist, as they were.
    pub fn topics_deleted(&self) -> Vec<Arc<Topic>> {
        self.topics_only_in(&self.before, &self.after)
    }

    fn topics_only_in(&self, one: &Image, other: &Image) -> Vec<Arc<Topic>> {
        let ids: BTreeSet<_> = self.touched.topics.iter().copied().collect();
        ids.into_iter().filter(|id| other.topic(*id).is_none()).filter_map(|id| one.topic(id).cloned()).collect()
    }

    /// Topics that existed before and after, and have more partitions now; each with how many it had.
    pub fn topics_grown(&self) -> Vec<(Arc<Topic>, usize)> {
        let ids: BTreeSet<_> = self.touched.logs.iter().map(|log| log.topic).collect();
        let grown = |id| {
            let before = self.before.topic(id)?.partitions.len();
            self.after.topic(id).filter(|topic| topic.partitions.len() > before).map(|topic| (topic.clone(), before))
        };
        ids.into_iter().filter_map(grown).collect()
    }

    /// Topics that existed before and after, and whose own settings changed: their logs are to be configured anew.
    pub fn topics_configured(&self) -> Vec<Arc<Topic>> {
        let names: BTreeSet<&Str> =
            self.touched.resources.iter().filter(|one| one.kind == Resource::TOPIC).map(|one| &one.name).collect();
        let lasting = |topic: &&Arc<Topic>| self.before.topic(topic.id).is_some();
        names.into_iter().filter_map(|name| self.after.topic_named(name)).filter(lasting).cloned().collect()
    }

    /// True if a dynamic setting of this broker or of all brokers changed: its configuration is to be overlaid anew, and
    /// every topic's with it.
    pub fn is_broker_configured(&self, me: BrokerId) -> bool {
        [Resource::all_brokers(), Resource::broker(me)].iter().any(|resource| self.touched.resources.contains(resource))
    }

    /// Brokers that registered, changed or left.
    pub fn brokers(&self) -> BTreeSet<BrokerId> {
        self.touched.brokers.iter().copied().collect()
    }
}
