//! Emits the version-free structs: one holds the fields of all versions, `Default` gives Kafka's defaults.

use crate::schema::{Base, Family, Struct};
use std::fmt::Write;

/// One module a family.
pub fn modules(families: &[Family]) -> String {
    let mut out = String::new();
    let (apis, records): (Vec<_>, Vec<_>) = families.iter().partition(|family| family.api.is_some());
    apis.iter().for_each(|family| module(&mut out, family));
    out.push_str(
        "/// Records that Kafka keeps in its own topics and control batches, and the headers of its frames.\n",
    );
    out.push_str("pub mod record {\n");
    records.iter().for_each(|family| module(&mut out, family));
    out.push_str("}\n");
    out
}

fn module(out: &mut String, family: &Family) {
    match &family.api {
        Some(api) => writeln!(out, "/// {}, key {}.", api.name, api.key),
        None => writeln!(out, "/// The messages of `{}`.", family.module),
    }
    .expect("a string grows");
    writeln!(out, "pub mod {} {{", family.module).expect("a string grows");
    imports(out, family);
    family.structs.iter().for_each(|one| structure(out, one));
    out.push_str("}\n");
}

fn imports(out: &mut String, family: &Family) {
    let fields = || family.structs.iter().flat_map(|one| &one.fields);
    let has = |base: &Base| fields().any(|field| field.base == *base);
    let uses = [
        (fields().any(|field| field.array), "alloc::vec::Vec"),
        (has(&Base::Bytes), "bytes::Bytes"),
        (has(&Base::String), "crate::types::Str"),
        (has(&Base::Uuid), "crate::types::Uuid"),
        (has(&Base::Records), "crate::record::Records"),
    ];
    for (_, path) in uses.iter().filter(|(used, _)| *used) {
        writeln!(out, "use {path};").expect("a string grows");
    }
}

fn structure(out: &mut String, one: &Struct) {
    let plain = one.fields.iter().all(|field| field.plain_default());
    let default = if plain { ", Default" } else { "" };
    let role = if one.message.is_some() { "message" } else { "structure" };
    writeln!(out, "/// The {role} of this name.").expect("a string grows");
    writeln!(out, "#[derive(Clone, PartialEq, Eq, Hash, Debug{default})]\npub struct {} {{", one.name)
        .expect("a string grows");
    for field in &one.fields {
        writeln!(out, "pub {}: {},", field.name, field.rust()).expect("a string grows");
    }
    out.push_str("}\n");
    if plain {
        return;
    }
    writeln!(out, "impl Default for {} {{\nfn default() -> Self {{\nSelf {{", one.name).expect("a string grows");
    for field in &one.fields {
        writeln!(out, "{}: {},", field.name, field.default_value()).expect("a string grows");
    }
    out.push_str("}\n}\n}\n");
}
