//! Emits the wire code of every structure, and the dispatch over all APIs and records.

use crate::schema::{Base, Family, Field, Kind, Range, Struct};
use crate::sums::{of_kind, short};
use std::fmt::Write;

/// `impl Wire` of every structure and `impl Message` of every message.
pub fn modules(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        let path = match &family.api {
            Some(_) => format!("crate::msg::{}", family.module),
            None => format!("crate::msg::record::{}", family.module),
        };
        for one in &family.structs {
            writeln!(out, "impl Wire for {path}::{} {{", one.name).expect("a string grows");
            read(&mut out, one);
            write(&mut out, one);
            out.push_str("}\n");
            message(&mut out, one, &path);
        }
    }
    out
}

fn message(out: &mut String, one: &Struct, path: &str) {
    if one.message.is_none() {
        return;
    }
    writeln!(
        out,
        "impl Message for {path}::{} {{\nconst FIRST: i16 = {};\nconst LAST: i16 = {};\nconst FLEXIBLE_FIRST: i16 = {};\n}}",
        one.name,
        one.range.first,
        one.range.last,
        one.flexible_from.unwrap_or(i16::MAX),
    )
    .expect("a string grows");
}

/// True where some version of the structure has tagged fields.
fn may_flex(one: &Struct) -> bool {
    one.flexible_from.is_some_and(|from| from <= one.range.last)
}

fn tagged(one: &Struct) -> Vec<&Field> {
    let mut tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    tagged
}

/// The condition that `v` lies in `inner`, knowing that it lies in `outer`; `None` where it always does.
fn within(inner: Range, outer: Range) -> Option<String> {
    match (inner.first > outer.first, inner.last < outer.last) {
        (false, false) => None,
        (true, false) => Some(format!("v >= {}", inner.first)),
        (false, true) => Some(format!("v <= {}", inner.last)),
        (true, true) => Some(format!("({}..={}).contains(&v)", inner.first, inner.last)),
    }
}

fn read(out: &mut String, one: &Struct) {
    let (r, v) = if one.fields.is_empty() && !may_flex(one) { ("_", "_") } else { ("r", "v") };
    writeln!(out, "fn read(&mut self, {r}: &mut Reader<'_>, {v}: i16) -> Result<(), WireError> {{")
        .expect("a string grows");
    for field in one.fields.iter().filter(|field| field.tag.is_none()) {
        let (name, value) = (&field.name, read_nullable(field));
        match within(field.range, one.range) {
            None => writeln!(out, "self.{name} = {value};"),
            Some(guard) => writeln!(out, "if {guard} {{ self.{name} = {value}; }}"),
        }
        .expect("a string grows");
    }
    if may_flex(one) {
        out.push_str("if r.flexible() {\nfor _ in 0..r.tags()? {\nlet tag = r.tag()?;\nmatch tag.number {\n");
        for field in tagged(one) {
            let guard = within(field.range, one.range).map_or(String::new(), |guard| format!(" if {guard}"));
            let number = field.tag.unwrap_or(0);
            writeln!(out, "{number}{guard} => self.{} = {},", field.name, read_nullable(field))
                .expect("a string grows");
        }
        out.push_str("_ => r.skip_tag()?,\n}\nr.end_tag(tag)?;\n}\n}\n");
    }
    out.push_str("Ok(())\n}\n");
}

fn read_nullable(field: &Field) -> String {
    let nullable = format!("r.nullable_{}?", read_call(field));
    let never = format!("r.{}?", read_call(field));
    match field.null {
        None => never,
        Some(range) => match within(range, field.range) {
            None => nullable,
            Some(guard) if field.base == Base::Records => format!("if {guard} {{ {nullable} }} else {{ {never} }}"),
            Some(guard) => format!("if {guard} {{ {nullable} }} else {{ Some({never}) }}"),
        },
    }
}

fn read_call(field: &Field) -> String {
    if field.array {
        return "array(v)".into();
    }
    match &field.base {
        Base::Number(name) => format!("{name}()"),
        Base::Bool => "bool()".into(),
        Base::String if field.inflexible => "old_string()".into(),
        Base::String => "string()".into(),
        Base::Bytes => "bytes()".into(),
        Base::Uuid => "uuid()".into(),
        Base::Records => "records()".into(),
        Base::Struct(_) => "structure(v)".into(),
    }
}

fn write(out: &mut String, one: &Struct) {
    let tags = tagged(one);
    let (w, v) = if one.fields.is_empty() && !may_flex(one) { ("_", "_") } else { ("w", "v") };
    writeln!(out, "fn write(&self, {w}: &mut Writer, {v}: i16) -> Result<(), WireError> {{").expect("a string grows");
    for field in one.fields.iter().filter(|field| field.tag.is_none()) {
        let put = write_nullable(field);
        match within(field.range, one.range) {
            None => writeln!(out, "{put};"),
            Some(guard) => writeln!(out, "if {guard} {{ {put}; }}{}", refusal(field)),
        }
        .expect("a string grows");
    }
    if may_flex(one) {
        write_tags(out, &tags, one.range);
    }
    out.push_str("Ok(())\n}\n");
}

/// What to do with a value that the version cannot carry.
fn refusal(field: &Field) -> String {
    if field.ignorable {
        return String::new();
    }
    let differs = field.differs(&format!("self.{}", field.name));
    format!(" else if {differs} {{ return Err(WireError::NotCarried(\"{}\")); }}", field.name)
}

fn write_tags(out: &mut String, tags: &[&Field], outer: Range) {
    for field in tags {
        let differs = field.differs(&format!("self.{}", field.name));
        match within(field.range, outer) {
            None => writeln!(out, "let has_{} = {differs};", field.name),
            Some(guard) => {
                writeln!(out, "let has_{} = {guard} && {differs};", field.name).expect("a string grows");
                let refusal = refusal(field);
                let refusal = refusal.strip_prefix(" else ").unwrap_or("");
                writeln!(out, "if !({guard}) {{ {refusal} }}")
            }
        }
        .expect("a string grows");
    }
    out.push_str("if w.flexible() {\n");
    let count: Vec<String> = tags.iter().map(|field| format!("u32::from(has_{})", field.name)).collect();
    let count = if count.is_empty() { "0".into() } else { count.join(" + ") };
    writeln!(out, "w.uvarint({count});").expect("a string grows");
    for field in tags {
        let (name, number, put) = (&field.name, field.tag.unwrap_or(0), write_nullable(field));
        writeln!(out, "if has_{name} {{ let tag = w.begin_tag({number}); {put}; w.end_tag(tag)?; }}")
            .expect("a string grows");
    }
    out.push_str("}\n");
}

fn write_nullable(field: &Field) -> String {
    let place = format!("self.{}", field.name);
    let fixed = !field.array && matches!(field.base, Base::Number(_) | Base::Bool | Base::Uuid);
    let call = write_call(field);
    if fixed {
        return format!("w.{call}({place})");
    }
    let v = if field.array || matches!(field.base, Base::Struct(_)) { ", v" } else { "" };
    if field.base == Base::Records {
        return match field.null.map(|range| within(range, field.range)) {
            Some(None) => format!("w.nullable_records(&{place})?"),
            None => format!("w.records(&{place}, \"{}\")?", field.name),
            Some(Some(guard)) => {
                format!(
                    "if {guard} {{ w.nullable_records(&{place})? }} else {{ w.records(&{place}, \"{}\")? }}",
                    field.name
                )
            }
        };
    }
    let Some(range) = field.null else { return format!("w.{call}(&{place}{v})?") };
    let nullable = format!("w.nullable_{call}({place}.as_ref(){v})?");
    match within(range, field.range) {
        None => nullable,
        Some(guard) => {
            let present = format!("present({place}.as_ref(), \"{}\")?", field.name);
            format!("if {guard} {{ {nullable} }} else {{ w.{call}({present}{v})? }}")
        }
    }
}

fn write_call(field: &Field) -> String {
    if field.array {
        return "array".into();
    }
    match &field.base {
        Base::Number(name) => name.clone(),
        Base::Bool => "bool".into(),
        Base::String if field.inflexible => "old_string".into(),
        Base::String => "string".into(),
        Base::Bytes => "bytes".into(),
        Base::Uuid => "uuid".into(),
        Base::Records => "records".into(),
        Base::Struct(_) => "structure".into(),
    }
}

/// The functions that choose the message by API key or record key.
pub fn dispatch(families: &[Family]) -> String {
    let mut out = String::new();
    let apis = || families.iter().filter_map(|family| family.api.as_ref().map(|api| (family, api)));
    for (kind, name, low) in [(Kind::Request, "Request", "request"), (Kind::Response, "Response", "response")] {
        let signature = "(api: ApiKey, r: &mut Reader<'_>, v: i16)";
        writeln!(out, "pub(super) fn read_{low}{signature} -> Result<{name}, WireError> {{\nmatch api {{")
            .expect("a string grows");
        for (family, api) in apis() {
            let body = format!("{}::{}", family.module, of_kind(family, kind).name);
            writeln!(out, "ApiKey::{0} => read::<{body}>(r, v).map({name}::{0}),", api.name).expect("a string grows");
        }
        out.push_str("}\n}\n");
        let signature = format!("(body: &{name}, w: &mut Writer, v: i16)");
        writeln!(out, "pub(super) fn write_{low}{signature} -> Result<(), WireError> {{\nmatch body {{")
            .expect("a string grows");
        for (_, api) in apis() {
            writeln!(out, "{name}::{}(body) => body.write(w, v),", api.name).expect("a string grows");
        }
        out.push_str("}\n}\n");
    }
    metadata(&mut out, families);
    out
}

fn metadata(out: &mut String, families: &[Family]) {
    let family = families.iter().find(|family| family.module == "metadata" && family.api.is_none());
    let records = || {
        let structs = family.iter().flat_map(|family| &family.structs);
        structs.filter_map(|one| one.message.as_ref().and_then(|message| message.key).map(|key| (one, key)))
    };
    out.push_str("pub(super) fn read_metadata(key: u32, r: &mut Reader<'_>, v: i16) -> Result<MetadataRecord, WireError> {\nmatch key {\n");
    for (one, key) in records() {
        writeln!(out, "{key} => message(r, v).map(MetadataRecord::{}),", short(one)).expect("a string grows");
    }
    out.push_str("_ => Err(WireError::UnknownRecord(key)),\n}\n}\n");
    out.push_str("pub(super) fn write_metadata(body: &MetadataRecord, w: &mut Writer, v: i16) -> Result<(), WireError> {\nmatch body {\n");
    for (one, _) in records() {
        writeln!(out, "MetadataRecord::{}(body) => put_message(body, w, v),", short(one)).expect("a string grows");
    }
    out.push_str("}\n}\n");
}
