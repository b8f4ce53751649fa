//! AlterConfigs (KIP-133) and IncrementalAlterConfigs (KIP-339): settings of topics and dynamic settings of brokers.

use super::change::Terms;
use super::elect::retuned;
use super::topics::listed;
use super::{Refusal, Reply, Verdict};
use crate::boundary::Note;
use crate::config::{Key, Overrides, Setting, TopicConfig, Update, broker_key, items, topic_key};
use crate::metadata::{Image, MetadataRecord, Resource, check_name};
use crate::msg::Response;
use crate::msg::alter_configs::{AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse};
use crate::msg::incremental_alter_configs::{self as incremental, IncrementalAlterConfigsRequest};
use crate::msg::record::metadata::ConfigRecord;
use crate::shard::Cx;
use crate::types::{BrokerId, ErrorCode, Str, limit, quoted};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One step that a client asks for.
struct Step<'a> {
    name: &'a Str,
    operation: i8,
    value: Option<&'a Str>,
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Answers IncrementalAlterConfigs: of each resource all changes are made, or none.
pub(super) fn alter(image: &Image, cx: &mut Cx<'_>, request: &IncrementalAlterConfigsRequest) -> Verdict {
    let step =
        |config: &'_ incremental::AlterableConfig| (config.name.clone(), config.config_operation, config.value.clone());
    let resources = request.resources.iter().map(|one| Asked {
        resource: Resource { kind: one.resource_type, name: one.resource_name.clone() },
        steps: one.configs.iter().map(step).collect(),
        replace: false,
    });
    let asked: Vec<Asked> = resources.collect();
    let (outcomes, records) = decide(image, cx, &asked, request.validate_only);
    let response = |(asked, outcome): (&Asked, &Result<(), Refusal>)| incremental::AlterConfigsResourceResponse {
        error_code: code(outcome),
        error_message: message(outcome),
        resource_type: asked.resource.kind,
        resource_name: asked.resource.name.clone(),
    };
    let responses = asked.iter().zip(&outcomes).map(response).collect();
    let response = incremental::IncrementalAlterConfigsResponse { responses, throttle_time_ms: 0 };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::IncrementalAlterConfigs(response))] }
}

/// Answers AlterConfigs: what a resource does not name returns to its default.
pub(super) fn replace(image: &Image, cx: &mut Cx<'_>, request: &AlterConfigsRequest) -> Verdict {
    let resources = request.resources.iter().map(|one| Asked {
        resource: Resource { kind: one.resource_type, name: one.resource_name.clone() },
        steps: one.configs.iter().map(|config| (config.name.clone(), SET, config.value.clone())).collect(),
        replace: true,
    });
    let asked: Vec<Asked> = resources.collect();
    let (outcomes, records) = decide(image, cx, &asked, request.validate_only);
    let response = |(asked, outcome): (&Asked, &Result<(), Refusal>)| AlterConfigsResourceResponse {
        error_code: code(outcome),
        error_message: message(outcome),
        resource_type: asked.resource.kind,
        resource_name: asked.resource.name.clone(),
    };
    let responses = asked.iter().zip(&outcomes).map(response).collect();
    let response = AlterConfigsResponse { responses, throttle_time_ms: 0 };
    Verdict { records, replies: alloc::vec![Reply::Response(Response::AlterConfigs(response))] }
}

/// What is asked of one resource.
struct Asked {
    resource: Resource,
    /// Name, operation, value.
    steps: Vec<(Str, i8, Option<Str>)>,
    /// What is not named is deleted.
    replace: bool,
}

fn decide(
    image: &Image,
    cx: &mut Cx<'_>,
    asked: &[Asked],
    validate_only: bool,
) -> (Vec<Result<(), Refusal>>, Vec<MetadataRecord>) {
    let mut counts: BTreeMap<&Resource, usize> = BTreeMap::new();
    asked.iter().for_each(|one| *counts.entry(&one.resource).or_default() += 1);
    let mut records = Vec::new();
    let mut outcomes = Vec::new();
    for one in asked {
        let outcome = match counts[&one.resource] {
            1 => resource(image, cx, one, validate_only),
            _ => Err(invalid("each resource may be named once".to_string())),
        };
        outcomes.push(outcome.map(|more| records.extend(more)));
    }
    if validate_only {
        records.clear();
    }
    (outcomes, records)
}

fn resource(
    image: &Image,
    cx: &mut Cx<'_>,
    asked: &Asked,
    validate_only: bool,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let resource = &asked.resource;
    check_steps(asked)?;
    let none = Overrides::new();
    let before = image.settings(resource).map_or(&none, |own| own);
    let after = after(asked, before)?;
    match resource.kind {
        Resource::TOPIC => check_topic(image, cx, asked, &after, validate_only)?,
        Resource::BROKER => check_broker(image, cx, asked, &after)?,
        Resource::BROKER_LOGGER => {
            return Err(invalid("Ottla has no loggers whose levels could be set this way".to_string()));
        }
        kind => return Err(invalid(format!("{} have no settings here", Resource::kind_shown(kind)))),
    }
    // A broker takes up its settings anew even if nothing is new about them (KAFKA-14136).
    let is_named = |name: &Str| resource.kind == Resource::BROKER && asked.steps.iter().any(|(step, ..)| step == name);
    let record = |name: &Str, value: Option<&Str>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.kind,
            resource_name: resource.name.clone(),
            name: name.clone(),
            value: value.cloned(),
        })
    };
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(*value) || is_named(name));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut records: Vec<MetadataRecord> =
        set.map(|(name, value)| record(name, Some(value))).chain(gone.map(|name| record(name, None))).collect();
    if resource.kind == Resource::TOPIC
        && let Some(topic) = image.topic_named(&resource.name)
    {
        records.extend(retuned(image, topic, Terms::from_own(&after, cx.config)));
    }
    Ok(records)
}

/// The rules that hold for every kind of resource.
fn check_steps(asked: &Asked) -> Result<(), Refusal> {
    let mut names: Vec<&Str> = asked.steps.iter().map(|(name, ..)| name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(invalid("each setting of a resource may be named once".to_string()));
    }
    for (name, operation, value) in &asked.steps {
        if !(SET..=SUBTRACT).contains(operation) {
            return Err(invalid(format!("there is no operation {operation} on a setting")));
        }
        if value.is_none() && *operation != DELETE {
            return Err(invalid(format!("the setting {} has no value", quoted(name))));
        }
    }
    Ok(())
}

/// What the resource will have set.
fn after(asked: &Asked, before: &Overrides) -> Result<Overrides, Refusal> {
    let mut after = if asked.replace { Overrides::new() } else { before.clone() };
    for (name, operation, value) in &asked.steps {
        let step = Step { name, operation: *operation, value: value.as_ref() };
        match changed(&asked.resource, before.get(name), &step)? {
            Some(value) if value.len() > limit::SETTING_BYTES_MAX => {
                return Err((ErrorCode::InvalidConfig, format!("the value of {} is too long", quoted(name))));
            }
            Some(value) => after.insert(name.detached(), value),
            None => after.remove(name),
        };
    }
    Ok(after)
}

/// The value of one setting after a step; `None` is its default.
fn changed(resource: &Resource, before: Option<&Str>, step: &Step<'_>) -> Result<Option<Str>, Refusal> {
    let key = key(resource, step.name);
    match (step.operation, step.value) {
        (DELETE, _) | (_, None) => Ok(None),
        (SET, Some(value)) => Ok(Some(value.detached())),
        (_, Some(value)) => {
            let is_list = key.is_some_and(|key| key.kind.is_list());
            if !is_list {
                let name = quoted(step.name);
                let why = format!("{name} is not a list, so nothing can be appended to it or subtracted from it");
                return Err((ErrorCode::InvalidConfig, why));
            }
            let start = before.map(Str::as_str).or(key.and_then(|key| key.default)).unwrap_or_default();
            let mut list: Vec<&str> = items(start).filter(|item| !item.is_empty()).collect();
            for item in items(value) {
                match step.operation {
                    SUBTRACT => list.retain(|known| *known != item),
                    APPEND if list.contains(&item) => {}
                    _ => list.push(item),
                }
            }
            Ok(Some(Str::from(list.join(","))))
        }
    }
}

fn key(resource: &Resource, name: &str) -> Option<&'static Key> {
    if resource.kind == Resource::TOPIC { topic_key(name) } else { broker_key(name) }
}

fn check_topic(
    image: &Image,
    cx: &mut Cx<'_>,
    asked: &Asked,
    after: &Overrides,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name = &asked.resource.name;
    if name.is_empty() {
        return Err(invalid("settings of all topics are settings of the broker".to_string()));
    }
    check_name(name).map_err(|why| (ErrorCode::InvalidTopicException, why.to_string()))?;
    let typed = TopicConfig::read(after, cx.config).map_err(|all| (ErrorCode::InvalidConfig, listed(&all)))?;
    let unknown = || (ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist."));
    image.topic_named(name).ok_or_else(unknown)?;
    let was_compacted = image.topic_config(name, cx.config).is_ok_and(|before| before.is_compacted());
    if typed.is_compacted() && !was_compacted && !validate_only {
        cx.notes.push(Note::NotCompacted { topic: name.detached() });
    }
    Ok(())
}

fn check_broker(image: &Image, cx: &Cx<'_>, asked: &Asked, after: &Overrides) -> Result<(), Refusal> {
    let name = &asked.resource.name;
    let id = match name.is_empty() {
        true => cx.config.broker.id,
        false => {
            let unknown = || invalid(format!("there is no broker {}", quoted(name)));
            let id =
                name.parse().ok().map(BrokerId).filter(|id| image.broker(*id).is_some() && id.0.to_string() == **name);
            id.ok_or_else(unknown)?
        }
    };
    for (step, ..) in &asked.steps {
        match broker_key(step).map(|key| key.update) {
            None => {
                return Err((ErrorCode::InvalidConfig, format!("there is no setting {} of a broker", quoted(step))));
            }
            Some(Update::ReadOnly) => return Err(invalid(format!("{step} cannot be changed while the broker runs"))),
            Some(Update::PerBroker) if name.is_empty() => {
                return Err(invalid(format!("{step} can be set for a single broker only")));
            }
            Some(Update::PerBroker | Update::ClusterWide) => {}
        }
    }
    let [mut all, mut own] = image.broker_settings(id);
    let origin = Str::from_static("dynamic");
    let setting =
        |(key, value): (&Str, &Str)| Setting { key: key.clone(), value: value.clone(), origin: origin.clone() };
    let changed = after.iter().map(setting).collect();
    if name.is_empty() {
        all = changed;
    } else {
        own = changed;
    }
    // Kafka calls a wrong value of a broker's setting an invalid request (KAFKA-13609), unlike that of a topic's.
    let read = cx.config.overlaid(all.into_iter().chain(own));
    read.map(drop).map_err(|all| invalid(listed(&all)))
}

fn invalid(why: String) -> Refusal {
    (ErrorCode::InvalidRequest, why)
}

fn code(outcome: &Result<(), Refusal>) -> i16 {
    outcome.as_ref().map_or_else(|(error, _)| error.code(), |()| ErrorCode::None.code())
}

fn message(outcome: &Result<(), Refusal>) -> Option<Str> {
    outcome.as_ref().err().map(|(_, why)| Str::explanation(why))
}
