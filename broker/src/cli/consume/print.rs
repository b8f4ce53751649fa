//! How a record looks.

use crate::cli::mistake::Mistake;
use crate::cli::{Done, show, units};
use clap::Args;
use ottla_core::record::Placed;
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Stdout, Write};

/// What to print of each record; its value alone if nothing is said.
#[derive(Args, Debug, Default)]
pub struct PrintFlags {
    /// Text with %s, %k and the like, see below; replaces the four below
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["timestamps", "offsets", "keys", "with_headers", "json"])]
    format: Option<String>,
    /// The timestamp before each record
    #[arg(long)]
    timestamps: bool,
    /// Partition and offset before each record
    #[arg(long)]
    offsets: bool,
    /// The key before each value
    #[arg(long)]
    keys: bool,
    /// The headers before each value
    #[arg(long = "headers")]
    with_headers: bool,
}

/// How records look.
pub enum Format {
    /// As JSON, one object a line.
    Json,
    /// As text.
    Template(Vec<Part>),
}

/// A piece of a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Itself.
    Text(String),
    /// What the letter stands for; one of [`LETTERS`].
    Field(char),
}

/// Prints the records of one topic.
pub struct Printer {
    topic: String,
    format: Format,
    records_max: Option<u64>,
    out: BufWriter<Stdout>,
    /// How many were printed.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Format {
    /// What the flags say.
    pub fn new(flags: &PrintFlags, is_json: bool) -> Done<Self> {
        if is_json {
            return Ok(Self::Json);
        }
        let wanted = [
            (flags.timestamps, "%D\\t"),
            (flags.offsets, "%p:%o\\t"),
            (flags.with_headers, "%h\\t"),
            (flags.keys, "%k\\t"),
            (true, "%s\\n"),
        ];
        let made: String = wanted.iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, part)| *part).collect();
        let parts = parse(flags.format.as_ref().unwrap_or(&made)).map_err(Mistake::new)?;
        Ok(Self::Template(parts))
    }
}

impl Printer {
    /// Prints at most so many.
    pub fn new(topic: &str, format: Format, records_max: Option<u64>) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
        Self { topic: topic.into(), format, records_max, out, records: 0, bytes: 0 }
    }

    /// Were as many printed as wanted?
    pub fn is_enough(&self) -> bool {
        self.records_max.is_some_and(|records_max| self.records >= records_max)
    }

    /// Prints one.
    pub fn record(&mut self, partition: i32, placed: &Placed<'_>) -> Done<()> {
        let written = match &self.format {
            Format::Json => writeln!(self.out, "{}", object(&self.topic, partition, placed)),
            Format::Template(parts) => {
                parts.iter().try_for_each(|part| write(&mut self.out, part, &self.topic, partition, placed))
            }
        };
        written.map_err(|fault| Mistake::output(&fault))?;
        self.records += 1;
        self.bytes += (len(placed.record.key).max(0) + len(placed.record.value).max(0)) as u64;
        Ok(())
    }

    /// Everything printed so far reaches the reader.
    pub fn flush(&mut self) -> Done<()> {
        self.out.flush().map_err(|fault| Mistake::output(&fault))
    }
}

/// A template in pieces.
fn parse(template: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut letters = template.chars();
    while let Some(letter) = letters.next() {
        match (letter, if matches!(letter, '%' | '\\') { letters.next() } else { None }) {
            ('%', Some('%')) => text.push('%'),
            ('%', Some(field)) if LETTERS.contains(field) => {
                parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
                parts.push(Part::Field(field));
            }
            ('%', _) => return Err(format!("--format {template}: a % is followed by one of {LETTERS} or %")),
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some('0')) => text.push('\0'),
            ('\\', Some('\\')) => text.push('\\'),
            ('\\', _) => return Err(format!("--format {template}: a \\ is followed by n, t, r, 0 or \\")),
            (plain, _) => text.push(plain),
        }
    }
    parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    Ok(parts)
}

fn write(out: &mut impl Write, part: &Part, topic: &str, partition: i32, placed: &Placed<'_>) -> io::Result<()> {
    let record = &placed.record;
    let letter = match part {
        Part::Text(text) => return out.write_all(text.as_bytes()),
        Part::Field(letter) => *letter,
    };
    match letter {
        's' => out.write_all(record.value.unwrap_or_default()),
        'k' => out.write_all(record.key.unwrap_or_default()),
        'h' => {
            for (at, (name, value)) in record.headers().enumerate() {
                out.write_all(if at > 0 { b"," } else { b"" })?;
                out.write_all(name)?;
                out.write_all(b"=")?;
                out.write_all(value.unwrap_or_default())?;
            }
            Ok(())
        }
        't' => out.write_all(topic.as_bytes()),
        'p' => write!(out, "{partition}"),
        'o' => write!(out, "{}", placed.offset.0),
        'T' => write!(out, "{}", placed.timestamp.0),
        'D' => out.write_all(units::date(placed.timestamp.0).as_bytes()),
        'S' => write!(out, "{}", len(record.value)),
        'K' => write!(out, "{}", len(record.key)),
        other => unreachable!("{other} is not among the letters"),
    }
}

fn object(topic: &str, partition: i32, placed: &Placed<'_>) -> Value {
    let headers: Vec<Value> = placed.record.headers().map(header).collect();
    let mut object = Map::new();
    object.insert("topic".into(), topic.into());
    object.insert("partition".into(), partition.into());
    object.insert("offset".into(), placed.offset.0.into());
    object.insert("timestamp".into(), placed.timestamp.0.into());
    show::put_bytes(&mut object, "key", placed.record.key);
    show::put_bytes(&mut object, "value", placed.record.value);
    object.insert("headers".into(), json!(headers));
    Value::Object(object)
}

/// Names may repeat and order counts, so headers are a list.
fn header((name, value): (&[u8], Option<&[u8]>)) -> Value {
    let mut object = Map::new();
    show::put_bytes(&mut object, "name", Some(name));
    show::put_bytes(&mut object, "value", value);
    Value::Object(object)
}

/// −1 is no bytes at all.
fn len(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

/// What may follow a percent sign, as in kcat; `D` is ours.
const LETTERS: &str = "skhtpoTDSK";
const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
#[path = "print_test.rs"]
mod print_test;
