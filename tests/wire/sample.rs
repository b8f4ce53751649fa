//! Draws random messages straight from the schema and spells each twice, as Kafka's bytes and as the JSON that Kafka's
//! converters speak. It shares no code with the codec, so that the two can be compared.
//!
//! The functions here call each other as deep as structures nest in the schema, which is four levels.

use crate::schema::{Base, Family, Field, Kind, Range, Struct};
use ottla_core::types::{Rng, Uuid};
use serde_json::{Map, Value, json};

/// A message in two spellings.
#[derive(Debug)]
pub struct Sample {
    pub bytes: Vec<u8>,
    pub json: Value,
}

/// Draws a message of one version. `size` bounds the length of arrays and texts.
pub fn draw(family: &Family, message: &Struct, version: i16, rng: &mut Rng, size: u64) -> Sample {
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let mut drawer = Drawer { family, version, flexible, rng, size };
    let mut bytes = Vec::new();
    let json = drawer.structure(message, false, &mut bytes);
    Sample { bytes, json }
}

/// Kafka's class for the message.
pub fn java_class(family: &Family, message: &Struct) -> String {
    let kind = message.message.as_ref().map(|message| message.kind);
    let data =
        if matches!(kind, Some(Kind::Request | Kind::Response)) || family.module == "header" { "Data" } else { "" };
    let package = match (family.api.is_some(), family.module.as_str()) {
        (false, "metadata") => "common.metadata",
        (false, "group") => "coordinator.group.generated",
        _ => "common.message",
    };
    format!("org.apache.kafka.{package}.{}{data}", message.name)
}

struct Drawer<'a> {
    family: &'a Family,
    version: i16,
    flexible: bool,
    rng: &'a mut Rng,
    size: u64,
}

impl Drawer<'_> {
    /// `filled`: at least one field differs from its default.
    fn structure(&mut self, one: &Struct, filled: bool, out: &mut Vec<u8>) -> Value {
        let mut fields = Map::new();
        for (at, field) in one.fields.iter().enumerate().filter(|(_, field)| field.tag.is_none()) {
            if self.has(field.range) {
                let value = self.field(field, filled && at == 0, out);
                fields.insert(camel(&field.name), value);
            }
        }
        if self.flexible {
            self.tags(one, &mut fields, out);
        }
        Value::Object(fields)
    }

    fn has(&self, range: Range) -> bool {
        range.first <= self.version && self.version <= range.last
    }

    fn tags(&mut self, one: &Struct, fields: &mut Map<String, Value>, out: &mut Vec<u8>) {
        let mut tagged: Vec<(u32, &Field)> = one.fields.iter().filter_map(|field| Some((field.tag?, field))).collect();
        tagged.retain(|(_, field)| self.has(field.range) && self.rng.chance(1, 2));
        tagged.sort_by_key(|(tag, _)| *tag);
        uvarint(out, tagged.len());
        for (tag, field) in tagged {
            let mut content = Vec::new();
            let value = self.field(field, true, &mut content);
            fields.insert(camel(&field.name), value);
            uvarint(out, tag as usize);
            uvarint(out, content.len());
            out.extend(content);
        }
    }

    /// `filled`: the field differs from its default.
    fn field(&mut self, field: &Field, filled: bool, out: &mut Vec<u8>) -> Value {
        let null_default = field.default.as_deref() == Some("null");
        let nullable = field.null.is_some_and(|range| self.has(range));
        if nullable && !(filled && null_default) && self.rng.chance(1, 4) {
            self.null(field, out);
            return Value::Null;
        }
        let least = u64::from(filled && !null_default);
        if field.array {
            let length = self.rng.between(least, self.size.max(1));
            self.length(Some(length), out);
            return (0..length).map(|_| self.one(field, 0, false, nullable, out)).collect();
        }
        self.one(field, least, filled, nullable, out)
    }

    fn one(&mut self, field: &Field, least: u64, filled: bool, nullable: bool, out: &mut Vec<u8>) -> Value {
        match &field.base {
            Base::Number(kind) => self.number(kind, field, filled, out),
            Base::Bool => {
                let value = if filled { field.default.is_none() } else { self.rng.chance(1, 2) };
                out.push(u8::from(value));
                json!(value)
            }
            Base::Uuid => {
                let value = self.rng.bytes16();
                out.extend(value);
                json!(Uuid(value).to_string())
            }
            Base::String => {
                let text = self.text(least);
                if self.flexible && !field.inflexible {
                    uvarint(out, text.len() + 1);
                } else {
                    out.extend((text.len() as i16).to_be_bytes());
                }
                out.extend(text.as_bytes());
                json!(text)
            }
            Base::Bytes | Base::Records => {
                let length = self.rng.between(least, self.size * 3 + 1);
                self.length(Some(length), out);
                let bytes: Vec<u8> = (0..length).map(|_| self.rng.next_u64() as u8).collect();
                out.extend(&bytes);
                json!(base64(&bytes))
            }
            Base::Struct(name) => {
                if nullable && !field.array {
                    out.push(1);
                }
                let inner = self.family.structs.iter().find(|one| one.name == *name);
                self.structure(inner.expect("the schema names it"), filled, out)
            }
        }
    }

    fn null(&mut self, field: &Field, out: &mut Vec<u8>) {
        match (&field.base, self.flexible) {
            (Base::Struct(_), _) if !field.array => out.push(0xff),
            (Base::String, flexible) if !field.array && (!flexible || field.inflexible) => out.extend([0xff, 0xff]),
            _ => self.length(None, out),
        }
    }

    fn length(&self, length: Option<u64>, out: &mut Vec<u8>) {
        match (self.flexible, length) {
            (true, length) => uvarint(out, length.map_or(0, |length| length as usize + 1)),
            (false, None) => out.extend([0xff; 4]),
            (false, Some(length)) => out.extend((length as i32).to_be_bytes()),
        }
    }

    /// Small numbers, and all of the type's range.
    fn number(&mut self, kind: &str, field: &Field, filled: bool, out: &mut Vec<u8>) -> Value {
        let default = field.default.as_deref().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let bits = if self.rng.chance(1, 2) { self.rng.next_u64() } else { self.rng.below(300).wrapping_sub(20) };
        let differs = |value: i64| if filled && value == default { value ^ 1 } else { value };
        match kind {
            "i8" => number!(i8, differs(i64::from(bits as i8)), out),
            "i16" => number!(i16, differs(i64::from(bits as i16)), out),
            "i32" => number!(i32, differs(i64::from(bits as i32)), out),
            "i64" => number!(i64, differs(bits as i64), out),
            "u16" => number!(u16, differs(i64::from(bits as u16)), out),
            other => panic!("{other} is drawn nowhere yet"),
        }
    }

    fn text(&mut self, least: u64) -> String {
        let length = self.rng.between(least, self.size * 2 + 1);
        let letters: Vec<char> = "abcXYZ012.-_ äß€漢🦀".chars().collect();
        (0..length).map(|_| letters[self.rng.below(letters.len() as u64) as usize]).collect()
    }
}

macro_rules! number {
    ($kind:ty, $value:expr, $out:expr) => {{
        let value = <$kind>::try_from($value).expect("it came from this type");
        $out.extend(value.to_be_bytes());
        json!(value)
    }};
}
use number;

fn uvarint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Kafka's name of a field in JSON.
fn camel(name: &str) -> String {
    let name = name.replace("kraft_", "k_raft_");
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or("").to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        out += &first.to_uppercase();
        out += rest;
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let six = word >> (18 - 6 * digit) & 63;
            out.push(if digit > chunk.len() { '=' } else { DIGITS[six as usize] as char });
        }
    }
    out
}
