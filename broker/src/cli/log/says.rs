//! What the records of internal topics say.

use crate::cli::show;
use bytes::Bytes;
use ottla_core::msg::record::group::{GroupMetadataValue, MemberMetadata, OffsetCommitValue};
use ottla_core::types::Str;
use ottla_core::wire::{self, GroupKey, WireError};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A record taken apart.
pub enum Says {
    /// Key and value, named as Kafka's own tool names their fields.
    Fields(Value, Value),
    /// A record of the metadata log.
    Record {
        /// Its kind, as `Topic` or `Config`.
        kind: String,
        /// Its fields.
        data: Map<String, Value>,
    },
}

/// What a record says, if the folder of its segment is one of an internal topic and the record can be read.
pub fn record(file: &Path, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Says> {
    let folder = std::path::absolute(file).ok()?.parent()?.file_name()?.to_str()?.to_owned();
    let (topic, _) = folder.rsplit_once('-')?;
    match topic {
        "__consumer_offsets" => group(key?, value).ok(),
        "__cluster_metadata" => metadata(value?).ok(),
        _ => None,
    }
}

/// A value of null is a tombstone.
fn group(key: &[u8], value: Option<&[u8]>) -> Result<Says, WireError> {
    let key = wire::decode_group_key(Bytes::copy_from_slice(key), BUDGET_BYTES)?;
    let value = value.map(Bytes::copy_from_slice);
    match &key {
        GroupKey::OffsetCommit(place) => {
            let value = value.map(|value| wire::decode_versioned(value, BUDGET_BYTES)).transpose()?;
            let key = json!({ "group": text(&place.group), "topic": text(&place.topic), "partition": place.partition });
            Ok(Says::Fields(key, value.map_or(Value::Null, |(_, value)| commit(&value))))
        }
        GroupKey::GroupMetadata(group) => {
            let value = value.map(|value| wire::decode_versioned(value, BUDGET_BYTES)).transpose()?;
            let key = json!({ "group": text(&group.group) });
            Ok(Says::Fields(key, value.map_or(Value::Null, |(_, value)| members(&value))))
        }
    }
}

fn commit(value: &OffsetCommitValue) -> Value {
    json!({
        "offset": value.offset,
        "leaderEpoch": value.leader_epoch,
        "metadata": text(&value.metadata),
        "commitTimestamp": value.commit_timestamp,
    })
}

fn members(value: &GroupMetadataValue) -> Value {
    json!({
        "protocolType": text(&value.protocol_type),
        "generation": value.generation,
        "protocol": value.protocol.as_ref().map(text),
        "leader": value.leader.as_ref().map(text),
        "currentStateTimestamp": value.current_state_timestamp,
        "members": value.members.iter().map(member).collect::<Vec<_>>(),
    })
}

/// Subscription and assignment belong to the clients, so they are told as bytes.
fn member(member: &MemberMetadata) -> Value {
    let mut fields = Map::new();
    fields.insert("memberId".into(), text(&member.member_id).into());
    fields.insert("groupInstanceId".into(), member.group_instance_id.as_ref().map(text).into());
    fields.insert("clientId".into(), text(&member.client_id).into());
    fields.insert("clientHost".into(), text(&member.client_host).into());
    fields.insert("rebalanceTimeout".into(), member.rebalance_timeout.into());
    fields.insert("sessionTimeout".into(), member.session_timeout.into());
    show::put_bytes(&mut fields, "subscription", Some(&member.subscription));
    show::put_bytes(&mut fields, "assignment", Some(&member.assignment));
    Value::Object(fields)
}

fn text(text: &Str) -> String {
    text.to_string()
}

fn metadata(value: &[u8]) -> Result<Says, WireError> {
    let record = wire::decode_metadata_record(Bytes::copy_from_slice(value), BUDGET_BYTES)?;
    let shown = format!("{record:?}");
    let (kind, data) = fields(&shown);
    Ok(Says::Record { kind: kind.to_owned(), data })
}

/// Kind and fields of a record as `derive(Debug)` prints it, `Kind(KindRecord { name: value, … })`. What lies deeper than
/// one list of numbers stays text.
fn fields(shown: &str) -> (&str, Map<String, Value>) {
    let (kind, rest) = shown.split_once('(').unwrap_or((shown, ""));
    let inner = rest.split_once(" { ").map_or("", |(_, inner)| inner.strip_suffix(" })").unwrap_or(inner));
    let named = |field: &str| {
        let (name, value) = field.split_once(": ")?;
        Some((name.to_owned(), plain(value)))
    };
    (kind, split(inner).into_iter().filter_map(named).collect())
}

/// The parts between the commas that lie in no brackets and no text.
fn split(inner: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_i32);
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, letter) in inner.char_indices() {
        match letter {
            '"' if !is_escaped => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text => depth -= 1,
            ',' if !is_text && depth == 0 => {
                parts.push(inner[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    parts.push(inner[from..].trim());
    parts
}

fn plain(value: &str) -> Value {
    if value == "None" {
        return Value::Null;
    }
    let value = value.strip_prefix("Some(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(value);
    // Numbers, lists of numbers, true and false, and texts without strange letters are JSON as they are.
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}

const BUDGET_BYTES: usize = 16 << 20;

#[cfg(test)]
#[path = "says_test.rs"]
mod says_test;
