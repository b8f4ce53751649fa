//! Reads one schema file. The grammar stands in `schema/README.md`; every mistake stops the build with file and line.

use crate::schema::{Api, Base, Family, Field, Kind, Message, Range, Struct};
use std::fs;
use std::path::Path;

/// Reads the family that a file describes.
pub fn family(path: &Path) -> Family {
    let text = fs::read_to_string(path).expect("a schema file");
    let module = path.file_stem().and_then(|stem| stem.to_str()).expect("a UTF-8 file name").to_string();
    let mut parser =
        Parser { family: Family { module, api: None, structs: Vec::new() }, open: Vec::new(), flexible_from: None };
    for (at, line) in text.lines().enumerate() {
        let said = line.split('#').next().unwrap_or("");
        if let Err(fault) = parser.line(said) {
            panic!("{}:{}: {fault}\n  {line}", path.display(), at + 1);
        }
    }
    let Parser { family, .. } = parser;
    for one in &family.structs {
        assert!(!one.fields.is_empty() || one.message.is_some(), "{}: {} has no fields", path.display(), one.name);
    }
    family
}

struct Parser {
    family: Family,
    /// The structures that the coming line may belong to: the indent of their heading, and their place in the family.
    open: Vec<(usize, usize)>,
    flexible_from: Option<i16>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let indent = line.len() - line.trim_start().len();
        let Some(first) = words.first() else { return Ok(()) };
        while self.open.last().is_some_and(|(outer, _)| *outer >= indent) {
            self.open.pop();
        }
        match (indent, *first) {
            (0, "api") => self.api(&words),
            (0, "family") => self.named(&words),
            (0, "request") => self.message(Kind::Request, None, &words[1..]),
            (0, "response") => self.message(Kind::Response, None, &words[1..]),
            (0, "message") => self.message(Kind::Plain, None, &words[1..]),
            (0, "record") => {
                let key = words.get(1).and_then(|word| word.parse().ok()).ok_or("a record needs its key")?;
                self.message(Kind::Record, Some(key), &words[2..])
            }
            (0, other) => Err(format!("nothing begins with {other}")),
            (_, "struct") => self.shared(indent, &words[1..]),
            _ => self.field(indent, &words),
        }
    }

    fn api(&mut self, words: &[&str]) -> Result<(), String> {
        let [_, name, key, rest @ ..] = words else { return Err("api NAME KEY".into()) };
        let key = key.parse().map_err(|_| "the key is a number")?;
        let (announced_from, rest) = match rest {
            ["announced", from, rest @ ..] => (Some(number(from.trim_end_matches('+'))?), rest),
            rest => (None, rest),
        };
        let (on_broker, on_controller) = match rest {
            [] => (true, false),
            ["on", "controller"] => (false, true),
            ["on", "both"] => (true, true),
            ["on", "none"] => (false, false),
            _ => return Err("api NAME KEY announced FROM+ on controller|both|none".into()),
        };
        self.family.api = Some(Api { name: name.to_string(), key, announced_from, on_broker, on_controller });
        Ok(())
    }

    fn named(&mut self, words: &[&str]) -> Result<(), String> {
        let [_, name] = words else { return Err("family NAME".into()) };
        self.family.module = name.to_string();
        Ok(())
    }

    fn message(&mut self, kind: Kind, key: Option<i16>, words: &[&str]) -> Result<(), String> {
        let [name, versions, rest @ ..] = words else { return Err("NAME VERSIONS".into()) };
        let range = range(versions, None)?;
        self.flexible_from = match rest {
            [] => None,
            ["flexible", from] => Some(number(from.trim_end_matches('+'))?),
            _ => return Err("NAME VERSIONS flexible FROM+".into()),
        };
        let at = self.add(name, range, Some(Message { kind, key }));
        self.open.push((0, at));
        Ok(())
    }

    /// A structure that several fields name.
    fn shared(&mut self, indent: usize, words: &[&str]) -> Result<(), String> {
        let [name, rest @ ..] = words else { return Err("struct NAME".into()) };
        let whole = self.family.structs[self.open[0].1].range;
        let range = rest.first().map_or(Ok(whole), |word| range(word, Some(whole)))?;
        let known = self.family.structs.iter().position(|one| one.name == *name);
        let at = known.unwrap_or_else(|| self.add(name, whole, None));
        self.family.structs[at].range = range;
        self.open.push((indent, at));
        Ok(())
    }

    fn field(&mut self, indent: usize, words: &[&str]) -> Result<(), String> {
        let (_, owner) = *self.open.last().ok_or("a field outside a message")?;
        let whole = self.family.structs[self.open[0].1].range;
        let outer = self.family.structs[owner].range;
        let [name, kind, rest @ ..] = words else { return Err("a field has a name and a type".into()) };
        let mut field = Field {
            name: name.to_string(),
            array: kind.starts_with("[]"),
            base: base(kind.trim_start_matches("[]")),
            range: outer,
            null: None,
            tag: None,
            default: None,
            ignorable: false,
            inflexible: false,
        };
        let mut rest = rest.iter().peekable();
        while let Some(word) = rest.next() {
            match *word {
                "null" => {
                    let given = rest.next_if(|next| next.starts_with(|c: char| c.is_ascii_digit()));
                    field.null = Some(given.map_or(Ok(field.range), |word| range(word, Some(whole)))?);
                }
                "tag" => {
                    let tag = rest.next().and_then(|word| word.parse().ok());
                    field.tag = Some(tag.ok_or("tag NUMBER")?);
                }
                "=" => field.default = Some(rest.next().ok_or("= VALUE")?.to_string()),
                "ignorable" => field.ignorable = true,
                // Kafka's clients keep such arrays as maps; the wire does not care.
                "key" => (),
                "inflexible" => field.inflexible = true,
                versions => field.range = range(versions, Some(whole))?,
            }
        }
        if let Base::Struct(inner) = &field.base {
            match self.family.structs.iter().find(|one| one.name == *inner) {
                Some(known) if !known.range.holds(field.range) => {
                    return Err(format!("{inner} begins or ends elsewhere"));
                }
                Some(_) => (),
                None => {
                    let at = self.add(&inner.clone(), field.range, None);
                    self.open.push((indent, at));
                }
            }
        }
        self.family.structs[owner].fields.push(field);
        Ok(())
    }

    fn add(&mut self, name: &str, range: Range, message: Option<Message>) -> usize {
        let flexible_from = self.flexible_from;
        self.family.structs.push(Struct { name: name.to_string(), message, range, flexible_from, fields: Vec::new() });
        self.family.structs.len() - 1
    }
}

fn base(word: &str) -> Base {
    match word {
        "i8" | "i16" | "i32" | "i64" | "u16" => Base::Number(word.into()),
        "bool" => Base::Bool,
        "string" => Base::String,
        "bytes" => Base::Bytes,
        "uuid" => Base::Uuid,
        "records" => Base::Records,
        _ => Base::Struct(word.into()),
    }
}

/// `3`, `3-5`, or `3+` inside a message whose versions are known.
fn range(word: &str, whole: Option<Range>) -> Result<Range, String> {
    if let Some(first) = word.strip_suffix('+') {
        let last = whole.ok_or("an open range")?.last;
        return Ok(Range { first: number(first)?, last });
    }
    match word.split_once('-') {
        Some((first, last)) => Ok(Range { first: number(first)?, last: number(last)? }),
        None => Ok(Range { first: number(word)?, last: number(word)? }),
    }
}

fn number(word: &str) -> Result<i16, String> {
    word.parse().map_err(|_| format!("{word} is not a version, nor anything else known here"))
}
