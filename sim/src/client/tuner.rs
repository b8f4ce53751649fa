//! A client that alters settings of topics and of the cluster, as an operator would, while everything else goes on, and perhaps has
//! brokers forgotten that are down. In the end all settings are as the plan has them, so that none holds anything back when all must
//! come together.

use super::{Actor, Cx, Happened};
use ottla_core::msg::Response;
use ottla_core::msg::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use ottla_core::msg::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use ottla_core::types::{ErrorCode, Rng, Str};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is altered, and how often.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// How many replicas a partition has.
    pub replicas: usize,
    /// `min.insync.replicas` of the cluster, as the plan has it. Nothing is ever set below what the plan has: that is what is promised.
    pub replicas_min: usize,
    /// How many brokers there are, numbered from 1.
    pub brokers: usize,
    /// Whoever is down may be unregistered.
    pub unregisters: bool,
    /// About so long between two requests.
    pub pace: Duration,
}

/// Alters settings now and then.
pub struct Tuner {
    habits: Habits,
    tag: u64,
    is_asking: bool,
    finishing: bool,
    /// It has asked for all to be as it was.
    is_undoing: bool,
    /// All is as it was, at least for whoever asked for that.
    is_undone: bool,
}

/// A setting's name and its value; none takes it back.
type Change = (&'static str, Option<String>);

impl Tuner {
    /// One that has altered nothing.
    pub fn new(habits: Habits) -> Self {
        Self { habits, tag: 0, is_asking: false, finishing: false, is_undoing: false, is_undone: false }
    }

    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || self.is_asking || self.is_undone {
            return;
        }
        self.is_asking = true;
        self.tag += 1;
        if self.habits.unregisters && !self.finishing && cx.rng.chance(1, 3) {
            cx.model.mark("brokers to be unregistered");
            let broker_id = 1 + cx.rng.below(self.habits.brokers as u64) as i32;
            return cx.ask(self.tag, UnregisterBrokerRequest { broker_id });
        }
        self.is_undoing = self.finishing;
        let resources = if self.finishing { self.undone(cx) } else { vec![self.altered(cx)] };
        cx.ask(self.tag, IncrementalAlterConfigsRequest { resources, validate_only: false });
    }

    fn altered(&self, cx: &mut Cx) -> AlterConfigsResource {
        if cx.rng.chance(1, 4) {
            let rate = cx.rng.chance(2, 3).then(|| (1u64 << cx.rng.between(10, 20)).to_string());
            let change = match cx.rng.below(3) {
                0 => ("leader.replication.throttled.rate", rate),
                1 => ("follower.replication.throttled.rate", rate),
                _ => ("min.insync.replicas", self.least(self.habits.replicas_min, cx.rng)),
            };
            return cluster([change]);
        }
        let at = cx.rng.below(cx.model.topics.len() as u64) as usize;
        let own = cx.model.topics[at].replicas_min();
        let everybody = cx.rng.chance(2, 3).then(|| "*".to_owned());
        let change = match cx.rng.below(5) {
            0 => ("leader.replication.throttled.replicas", everybody),
            1 => ("follower.replication.throttled.replicas", everybody),
            2 => ("compression.type", codec(cx.rng)),
            3 => ("segment.ms", cx.rng.chance(2, 3).then(|| (1u64 << cx.rng.between(8, 14)).to_string())),
            _ => ("min.insync.replicas", Some(self.least(own, cx.rng).unwrap_or_else(|| own.to_string()))),
        };
        topic(&cx.model.topics[at].name, [change])
    }

    /// As many as the plan says or more, up to one more than there are.
    fn least(&self, planned: usize, rng: &mut Rng) -> Option<String> {
        rng.chance(2, 3).then(|| rng.between(planned as u64, self.habits.replicas.max(planned) as u64 + 1).to_string())
    }

    fn undone(&self, cx: &Cx) -> Vec<AlterConfigsResource> {
        let rates = ["leader.replication.throttled.rate", "follower.replication.throttled.rate", "min.insync.replicas"];
        let of_topics = cx.model.topics.iter().map(|one| {
            let least = one.replicas_min().to_string();
            let throttled = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
            topic(
                &one.name,
                throttled.map(|name| (name, None)).into_iter().chain([("min.insync.replicas", Some(least))]),
            )
        });
        of_topics.chain([cluster(rates.map(|name| (name, None)))]).collect()
    }

    fn answered(&mut self, cx: &mut Cx, body: &IncrementalAlterConfigsResponse) {
        let mut is_done = true;
        for answer in &body.responses {
            match ErrorCode::from_code(answer.error_code) {
                Some(ErrorCode::None) => cx.model.mark("settings altered"),
                // A topic that an old client made anew has another name for nobody: it is there or not yet.
                Some(ErrorCode::UnknownTopicOrPartition) => is_done &= !self.finishing,
                Some(error) if error.is_retriable() => is_done = false,
                error => {
                    let text = format!("{error:?} for {}: {:?}", &*answer.resource_name, answer.error_message);
                    cx.model.find("settings", text);
                }
            }
        }
        self.is_undone = self.is_undoing && is_done;
    }

    fn unregistered(cx: &mut Cx, body: &UnregisterBrokerResponse) {
        match ErrorCode::from_code(body.error_code) {
            Some(ErrorCode::None) => cx.model.mark("brokers unregistered"),
            // It is there, or was not known.
            Some(ErrorCode::InvalidRequest | ErrorCode::BrokerIdNotRegistered) => {}
            Some(error) if error.is_retriable() => {}
            error => cx.model.find("settings", format!("{error:?}: {:?}", body.error_message)),
        }
    }

    fn rest(&mut self, cx: &mut Cx) {
        self.is_asking = false;
        let pace = if self.finishing { PACE_AT_LAST } else { self.habits.pace };
        let pace = pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

impl Actor for Tuner {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => self.rest(cx),
            Happened::Wake => self.ask(cx),
            Happened::Answer { body: Response::IncrementalAlterConfigs(body), .. } => {
                self.answered(cx, &body);
                self.rest(cx);
            }
            Happened::Answer { body: Response::UnregisterBroker(body), .. } => {
                Self::unregistered(cx, &body);
                self.rest(cx);
            }
            Happened::Answer { body, .. } => panic!("a tuner never asked for {body:?}"),
            Happened::Down { .. } => self.is_asking = false,
        }
    }

    fn is_done(&self) -> bool {
        self.is_undone
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}

fn codec(rng: &mut Rng) -> Option<String> {
    let codecs = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
    rng.chance(5, 6).then(|| codecs[rng.below(codecs.len() as u64) as usize].to_owned())
}

fn topic(name: &str, changes: impl IntoIterator<Item = Change>) -> AlterConfigsResource {
    AlterConfigsResource { resource_type: 2, resource_name: Str::from(name), configs: configs(changes) }
}

/// What holds for all brokers that do not say otherwise themselves.
fn cluster(changes: impl IntoIterator<Item = Change>) -> AlterConfigsResource {
    AlterConfigsResource { resource_type: 4, resource_name: Str::new(), configs: configs(changes) }
}

fn configs(changes: impl IntoIterator<Item = Change>) -> Vec<AlterableConfig> {
    let config = |(name, value): Change| AlterableConfig {
        name: Str::from_static(name),
        config_operation: i8::from(value.is_none()),
        value: value.map(Str::from),
    };
    changes.into_iter().map(config).collect()
}

/// What must be undone before all is at rest is asked for soon.
const PACE_AT_LAST: Duration = Duration::from_millis(200);
