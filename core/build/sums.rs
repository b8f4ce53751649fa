//! Emits the sums over all APIs: `ApiKey`, `Request`, `Response` and the table of versions; and `MetadataRecord`.

use crate::schema::{Api, Family, Kind, Struct};
use std::fmt::Write;

/// Everything that names all APIs at once.
pub fn sums(families: &[Family]) -> String {
    let mut out = String::new();
    let apis: Vec<(&Family, &Api)> =
        families.iter().filter_map(|family| family.api.as_ref().map(|api| (family, api))).collect();
    keys(&mut out, &apis);
    sum(&mut out, &apis, Kind::Request);
    sum(&mut out, &apis, Kind::Response);
    metadata(&mut out, families);
    out
}

/// The request or response of an API.
pub fn of_kind(family: &Family, kind: Kind) -> &Struct {
    let found = family.structs.iter().find(|one| one.message.as_ref().is_some_and(|message| message.kind == kind));
    found.expect("an API has a request and a response")
}

fn keys(out: &mut String, apis: &[(&Family, &Api)]) {
    out.push_str("/// The APIs that this crate speaks, by Kafka's names and numbers.\n");
    out.push_str(
        "#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]\n#[repr(i16)]\npub enum ApiKey {\n",
    );
    for (_, api) in apis {
        writeln!(out, "{} = {},", api.name, api.key).expect("a string grows");
    }
    out.push_str("}\n\nimpl ApiKey {\n/// Every API, in the order of the keys.\npub const ALL: &[Self] = &[\n");
    for (_, api) in apis {
        writeln!(out, "Self::{},", api.name).expect("a string grows");
    }
    out.push_str("];\n\n/// What is known of the API.\npub const fn facts(self) -> ApiFacts {\nmatch self {\n");
    for (family, api) in apis {
        let request = of_kind(family, Kind::Request);
        let announced = api.announced_from.unwrap_or(request.range.first);
        writeln!(
            out,
            "Self::{} => ApiFacts {{ name: \"{}\", first: {}, last: {}, announced_first: {announced}, flexible_first: {}, on_broker: {}, on_controller: {} }},",
            api.name,
            api.name,
            request.range.first,
            request.range.last,
            request.flexible_from.unwrap_or(i16::MAX),
            api.on_broker,
            api.on_controller,
        )
        .expect("a string grows");
    }
    out.push_str("}\n}\n\n/// The API of this number, if it is spoken here.\npub const fn from_code(code: i16) -> Option<Self> {\n");
    out.push_str("Some(match code {\n");
    for (_, api) in apis {
        writeln!(out, "{} => Self::{},", api.key, api.name).expect("a string grows");
    }
    out.push_str("_ => return None,\n})\n}\n}\n\n");
}

fn sum(out: &mut String, apis: &[(&Family, &Api)], kind: Kind) {
    let name = if kind == Kind::Request { "Request" } else { "Response" };
    writeln!(out, "/// Any {} of the APIs spoken here, free of versions.", name.to_lowercase())
        .expect("a string grows");
    writeln!(out, "#[derive(Clone, PartialEq, Eq, Hash, Debug)]\npub enum {name} {{").expect("a string grows");
    for (family, api) in apis {
        writeln!(out, "{}({}::{}),", api.name, family.module, of_kind(family, kind).name).expect("a string grows");
    }
    writeln!(out, "}}\n\nimpl {name} {{\n/// The API that it belongs to.").expect("a string grows");
    out.push_str("pub const fn api_key(&self) -> ApiKey {\nmatch self {\n");
    for (_, api) in apis {
        writeln!(out, "Self::{0}(_) => ApiKey::{0},", api.name).expect("a string grows");
    }
    out.push_str("}\n}\n}\n\n");
    for (family, api) in apis {
        let body = format!("{}::{}", family.module, of_kind(family, kind).name);
        writeln!(
            out,
            "impl From<{body}> for {name} {{\nfn from(body: {body}) -> Self {{\nSelf::{}(body)\n}}\n}}",
            api.name
        )
        .expect("a string grows");
    }
}

/// The sum of the metadata log's records.
fn metadata(out: &mut String, families: &[Family]) {
    let family = families.iter().find(|family| family.module == "metadata" && family.api.is_none());
    let family = family.expect("the metadata records");
    let records = || family.structs.iter().filter(|one| one.message.is_some());
    out.push_str(
        "/// Any record of the metadata log.\n#[derive(Clone, PartialEq, Eq, Hash, Debug)]\npub enum MetadataRecord {\n",
    );
    for one in records() {
        writeln!(out, "{}(record::metadata::{}),", short(one), one.name).expect("a string grows");
    }
    out.push_str("}\n\n");
    out.push_str(
        "impl MetadataRecord {\n/// Kafka's number of the record.\npub const fn key(&self) -> u32 {\nmatch self {\n",
    );
    for one in records() {
        let key = one.message.as_ref().and_then(|message| message.key).expect("a record has a key");
        writeln!(out, "Self::{}(_) => {key},", short(one)).expect("a string grows");
    }
    out.push_str("}\n}\n\n/// The highest version of the record that is known here.\npub const fn last_version(&self) -> i16 {\nmatch self {\n");
    for one in records() {
        writeln!(out, "Self::{}(_) => {},", short(one), one.range.last).expect("a string grows");
    }
    out.push_str("}\n}\n}\n\n");
    for one in records() {
        let body = format!("record::metadata::{}", one.name);
        writeln!(
            out,
            "impl From<{body}> for MetadataRecord {{\nfn from(body: {body}) -> Self {{\nSelf::{}(body)\n}}\n}}",
            short(one)
        )
        .expect("a string grows");
    }
}

/// The variant of `MetadataRecord` for a record: its name without the ending.
pub fn short(one: &Struct) -> &str {
    one.name.trim_end_matches("Record")
}
