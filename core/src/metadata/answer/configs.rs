//! DescribeConfigs (KIP-133, KIP-226, KIP-569): the settings of topics and brokers, and where each value comes from.

use super::Known;
use crate::config::{Config, Key, Overrides, broker_key, broker_keys, synonyms, topic_keys, topic_value};
use crate::metadata::{Image, Resource, check_name};
use crate::msg::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::types::{ErrorCode, Str};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Answers DescribeConfigs, each resource on its own.
pub fn describe_configs(known: &Known<'_>, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let describer = Describer::new(known.image, known.config, request.include_synonyms, request.include_documentation);
    let result = |resource: &DescribeConfigsResource| {
        let mut result = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match describer.resource(resource) {
            Ok(configs) => result.configs = configs,
            Err((error, message)) => {
                result.error_code = error.code();
                result.error_message = message.as_deref().map(Str::explanation);
            }
        }
        result
    };
    DescribeConfigsResponse {
        results: request.resources.iter().map(result).collect(),
        ..DescribeConfigsResponse::default()
    }
}

/// What the creator of a topic is told of its settings (KIP-525): each with its value and source.
pub fn effective_topic(image: &Image, config: &Config, own: &Overrides) -> Vec<DescribeConfigsResourceResult> {
    let describer = Describer::new(image, config, false, false);
    topic_keys().iter().map(|key| describer.topic_setting(key, own)).collect()
}

type Refusal = (ErrorCode, Option<String>);

struct Describer<'a> {
    image: &'a Image,
    config: &'a Config,
    /// Dynamic settings of all brokers.
    all: Option<&'a Arc<Overrides>>,
    /// Dynamic settings of this broker.
    own: Option<&'a Arc<Overrides>>,
    with_synonyms: bool,
    with_documentation: bool,
}

/// Kafka's numbers of where a value comes from.
const TOPIC: i8 = 1;
const DYNAMIC_BROKER: i8 = 2;
const DYNAMIC_ALL_BROKERS: i8 = 3;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

impl<'a> Describer<'a> {
    fn new(image: &'a Image, config: &'a Config, with_synonyms: bool, with_documentation: bool) -> Self {
        let all = image.settings(&Resource::all_brokers());
        let own = image.settings(&Resource::broker(config.broker.id));
        Self { image, config, all, own, with_synonyms, with_documentation }
    }

    fn resource(&self, resource: &DescribeConfigsResource) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let is_wanted = |name: &str| match resource.configuration_keys.as_deref() {
            None | Some([]) => true,
            Some(keys) => keys.iter().any(|key| *key == *name),
        };
        match resource.resource_type {
            Resource::TOPIC => {
                let name = &resource.resource_name;
                check_name(name).map_err(|why| (ErrorCode::InvalidTopicException, Some(String::from(why))))?;
                self.image.topic_named(name).ok_or((ErrorCode::UnknownTopicOrPartition, None))?;
                let none = Overrides::new();
                let own = self.image.settings(&Resource::topic(name)).map_or(&none, |own| own);
                let keys = topic_keys().iter().filter(|key| is_wanted(key.name));
                Ok(keys.map(|key| self.topic_setting(key, own)).collect())
            }
            Resource::BROKER if resource.resource_name.is_empty() => {
                let set = self.all.into_iter().flat_map(|all| all.keys()).filter_map(|name| broker_key(name));
                Ok(set.filter(|key| is_wanted(key.name)).map(|key| self.broker_setting(key, false)).collect())
            }
            Resource::BROKER => {
                self.check_broker(&resource.resource_name)?;
                let keys = broker_keys().into_iter().filter(|key| is_wanted(key.name));
                Ok(keys.map(|key| self.broker_setting(key, true)).collect())
            }
            Resource::BROKER_LOGGER => {
                Err(invalid(String::from("Ottla has no loggers whose levels could be read or set this way")))
            }
            kind => Err(invalid(format!("{} have no settings here", Resource::kind_shown(kind)))),
        }
    }

    fn check_broker(&self, name: &str) -> Result<(), Refusal> {
        let me = self.config.broker.id;
        if name == me.0.to_string() {
            Ok(())
        } else {
            Err(invalid(format!("this is broker {}; ask another broker for its own settings", me.0)))
        }
    }

    fn topic_setting(&self, key: &'static Key, own: &Overrides) -> DescribeConfigsResourceResult {
        let value = topic_value(key, own, self.config);
        let mut sources = Vec::new();
        if own.contains_key(key.name.as_bytes()) {
            sources.push(synonym(key.name, &value, TOPIC));
        }
        if let Some(first) = synonyms(key.name).first() {
            sources.extend(self.sources(first.name));
        }
        self.entry(key, Some(Str::from(value)), sources, false)
    }

    /// A setting of this broker, or with `is_mine` false of all brokers.
    fn broker_setting(&self, key: &'static Key, is_mine: bool) -> DescribeConfigsResourceResult {
        let mut sources = self.sources(key.name);
        sources.retain(|one| is_mine || one.source == DYNAMIC_ALL_BROKERS);
        let value = sources.iter().find(|one| one.name == *key.name).and_then(|one| one.value.clone());
        self.entry(key, value, sources, key.update == crate::config::Update::ReadOnly)
    }

    fn entry(
        &self,
        key: &'static Key,
        value: Option<Str>,
        sources: Vec<DescribeConfigsSynonym>,
        read_only: bool,
    ) -> DescribeConfigsResourceResult {
        let is_sensitive = key.is_sensitive();
        let shown = |value: Option<Str>| value.filter(|_| !is_sensitive);
        DescribeConfigsResourceResult {
            name: Str::from_static(key.name),
            value: shown(value),
            read_only,
            config_source: sources.first().map_or(DEFAULT, |first| first.source),
            is_sensitive,
            synonyms: if self.with_synonyms {
                sources
                    .into_iter()
                    .map(|one| DescribeConfigsSynonym { value: shown(one.value.clone()), ..one })
                    .collect()
            } else {
                Vec::new()
            },
            config_type: key.kind.wire_type(),
            documentation: self.with_documentation.then(|| Str::from_static(key.documentation())),
        }
    }

    /// Where a broker setting could take its value from, the one that wins first. A setting in another unit counts as a
    /// source only behind one of the setting's own name, as in Kafka.
    fn sources(&self, name: &'static str) -> Vec<DescribeConfigsSynonym> {
        let names = family(name);
        let mut sources = Vec::new();
        for (own, source) in [(self.own, DYNAMIC_BROKER), (self.all, DYNAMIC_ALL_BROKERS)] {
            let set = names.iter().filter_map(|name| Some((*name, own?.get(name.as_bytes())?)));
            sources.extend(set.map(|(name, value)| synonym(name, value, source)));
        }
        let given = names.iter().filter_map(|name| Some((*name, self.config.given(name)?)));
        sources.extend(given.map(|(name, value)| synonym(name, value, STATIC_BROKER)));
        let defaults = names.iter().filter_map(|name| Some((*name, broker_key(name)?.default?)));
        sources.extend(defaults.map(|(name, value)| synonym(name, value, DEFAULT)));
        let first = sources.iter().position(|one| one.name == *name).unwrap_or(sources.len());
        sources.split_off(first)
    }
}

/// The broker settings that say the same as this one in other units, the one that wins first.
fn family(name: &'static str) -> Vec<&'static str> {
    let topic = ["retention.ms", "segment.ms", "segment.jitter.ms"].into_iter();
    let mut families = topic.map(|topic| synonyms(topic).iter().map(|one| one.name).collect::<Vec<_>>());
    match (name, families.find(|family| family.contains(&name))) {
        ("log.flush.interval.ms", _) => alloc::vec![name, "log.flush.scheduler.interval.ms"],
        (_, Some(family)) => family,
        (_, None) => alloc::vec![name],
    }
}

fn synonym(name: &'static str, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym { name: Str::from_static(name), value: Some(Str::from(value)), source }
}

fn invalid(message: String) -> Refusal {
    (ErrorCode::InvalidRequest, Some(message))
}
