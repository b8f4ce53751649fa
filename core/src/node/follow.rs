//! What a change of the metadata means for this broker: logs to make, to lead differently, to drop; settings to take up.

use super::Node;
use super::groups::OFFSETS_TOPIC;
use super::lane::Order;
use crate::boundary::{Effects, LogSpec};
use crate::config::TopicConfig;
use crate::metadata::{Delta, LogChange, Partition, Topic};
use crate::partition::PartitionSpec;
use crate::types::{LogId, Now, Str};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Node {
    /// The committed metadata have moved on.
    pub(super) fn follow(&mut self, now: Now, delta: &Delta, out: &mut Effects) {
        let me = self.config.broker.id;
        if delta.is_broker_configured(me) {
            self.reconfigure(delta);
        }
        for change in delta.logs(me) {
            match change {
                LogChange::Gained { log, topic, partition } => self.gain(now, log, &topic, &partition, out),
                LogChange::Changed { log, after, .. } => self.reshape(now, delta, log, &after),
                LogChange::Lost { log } => self.lose(now, log, out),
            }
        }
        let configured = match delta.is_broker_configured(me) {
            true => delta.after().topics().cloned().collect(),
            false => delta.topics_configured(),
        };
        for topic in configured {
            for (index, partition) in topic.partitions.iter() {
                let log = LogId { topic: topic.id, partition: *index };
                if partition.replicas.contains(&me) {
                    self.order(now, log, Order::Configure(log, Box::new(self.spec(&topic.name, partition))));
                }
            }
        }
        let gone: Vec<_> = delta.topics_deleted().iter().map(|topic| (topic.id, topic.name.clone())).collect();
        if !gone.is_empty() {
            self.with_hosts(now, out, |hosts, cx, said| hosts.topics_deleted(cx, &gone, said));
        }
    }

    fn gain(&mut self, now: Now, log: LogId, topic: &Str, partition: &Partition, out: &mut Effects) {
        let found = self.found.remove(&log).map(Box::new);
        let is_new = found.is_none();
        let spec = Box::new(self.spec(topic, partition));
        self.order(now, log, Order::Lead(log, spec, found));
        if topic == OFFSETS_TOPIC {
            self.with_hosts(now, out, |hosts, cx, said| hosts.lead(cx, log, is_new, said));
        }
    }

    fn reshape(&mut self, now: Now, delta: &Delta, log: LogId, partition: &Partition) {
        let topic: &Arc<Topic> = delta.after().topic(log.topic).expect("its partition has changed");
        let spec = Box::new(self.spec(&topic.name, partition));
        self.order(now, log, Order::Configure(log, spec));
    }

    fn lose(&mut self, now: Now, log: LogId, out: &mut Effects) {
        self.with_hosts(now, out, |hosts, _, said| hosts.resign(log, said));
        self.order(now, log, Order::Delete(log));
    }

    /// Dynamic settings of brokers changed. What the controller accepted was checked against these rules, so settings
    /// that do not fit any more are those of a file that was edited since: the file's own values stay.
    fn reconfigure(&mut self, delta: &Delta) {
        let dynamic = delta.after().broker_settings(self.config.broker.id).into_iter().flatten();
        if let Ok(config) = self.file_config.overlaid(dynamic) {
            self.config = config;
        }
    }

    fn spec(&self, topic: &Str, partition: &Partition) -> PartitionSpec {
        let settings = self.topic_config(topic);
        PartitionSpec {
            epoch: partition.leader_epoch,
            rules: settings.rules,
            compacted_only: settings.is_compacted() && !settings.log.delete,
            log: LogSpec { topic: topic.clone(), settings: settings.log },
        }
    }

    /// Settings that do not fit any more fall back to the broker's, for the same reason.
    fn topic_config(&self, topic: &Str) -> TopicConfig {
        let config = self.cluster.image().topic_config(topic, &self.config);
        config.unwrap_or_else(|_| self.config.topic.clone())
    }
}
