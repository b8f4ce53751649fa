//! `ottla log dump`: what a file holds, a line for each thing found. Damage is told where it is, and makes the exit code 1.

use super::says::{self, Says};
use super::scan::{Found, Window};
use crate::cli::mistake::Mistake;
use crate::cli::{Done, show, units};
use bytes::{Bytes, BytesMut};
use clap::Args;
use ottla_core::record::{CheckedBatch, Functions, HEADER_BYTES, Placed};
use ottla_core::store::dump::{self, FileKind, Line, Value as Told};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Read, Stdout, Write};
use std::path::{Path, PathBuf};

/// What to print.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DumpFlags {
    /// Segments (.log), indexes (.places), journal files or the catalogue
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Every record of a segment, not only the batches
    #[arg(short, long)]
    records: bool,
    /// JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Where lines go.
struct Lines {
    out: BufWriter<Stdout>,
    is_json: bool,
    /// How many lines told of damage.
    damaged: u64,
}

/// Runs `ottla log dump`.
pub fn run(flags: &DumpFlags) -> Done<()> {
    let mut lines = Lines { out: BufWriter::new(io::stdout()), is_json: flags.json, damaged: 0 };
    let mut damaged = Vec::new();
    for path in &flags.files {
        if flags.files.len() > 1 {
            lines.put("file", vec![("path", json!(path.display().to_string()))])?;
        }
        let before = lines.damaged;
        let dumped = dump_file(flags, path, &mut lines);
        lines.out.flush().map_err(|fault| Mistake::output(&fault))?;
        dumped?;
        if lines.damaged > before {
            damaged.push(path.display().to_string());
        }
    }
    match &damaged[..] {
        [] => Ok(()),
        [one] => Err(Mistake::new(format!("{one} is damaged, see above"))),
        more => Err(Mistake::new(format!("{} are damaged, see above", more.join(", ")))),
    }
}

fn dump_file(flags: &DumpFlags, path: &Path, lines: &mut Lines) -> Done<()> {
    let failed = |fault: io::Error| Mistake::new(format!("{}: {fault}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let mut front = BytesMut::new();
    fill(&mut file, &mut front, HEADER_BYTES).map_err(failed)?;
    let is_log = path.extension().is_some_and(|ending| ending == "log");
    // A journal file that was never used holds zeros.
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let unused = name.starts_with("journal-").then_some(FileKind::Journal);
    match FileKind::of(&front).or(unused) {
        Some(FileKind::Journal) => journal(path, &mut file, front, lines),
        Some(kind @ (FileKind::Catalogue | FileKind::Index)) => {
            fill(&mut file, &mut front, usize::MAX).map_err(failed)?;
            ours(kind, &front.freeze(), lines)
        }
        None if is_log || front.get(16) == Some(&2) => segment((path, flags.records), &mut file, front, lines),
        None => {
            let what = format!("{} is no segment, index, journal or catalogue", path.display());
            Err(Mistake::new(what).then("those lie in the folder that log.dirs names"))
        }
    }
}

fn ours(kind: FileKind, bytes: &Bytes, lines: &mut Lines) -> Done<()> {
    let mut told = Ok(());
    dump::dump(kind, bytes, &ottla_codecs::functions(), &mut |line| lines.line(&line, &mut told));
    told
}

/// Groups back to back, read in pieces: the file may be larger than the memory.
fn journal(path: &Path, file: &mut File, mut window: BytesMut, lines: &mut Lines) -> Done<()> {
    let failed = |fault: io::Error| Mistake::new(format!("{}: {fault}", path.display()));
    let functions = ottla_codecs::functions();
    let (mut at, mut wanted) = (0, WINDOW_BYTES);
    loop {
        let is_last = fill(file, &mut window, wanted).map_err(failed)?;
        let bytes = window.freeze();
        let mut said = Ok(());
        let told = dump::journal(&bytes, (at, is_last), &functions, &mut |line| lines.line(&line, &mut said));
        said?;
        if is_last {
            return Ok(());
        }
        at += told.bytes as u64;
        window = BytesMut::from(&bytes[told.bytes..]);
        wanted = told.wanted.max(WINDOW_BYTES);
    }
}

/// Batches back to back, and what lies between them; with each record if so asked.
fn segment((path, records): (&Path, bool), file: &mut File, front: BytesMut, lines: &mut Lines) -> Done<()> {
    let functions = ottla_codecs::functions();
    let mut tell = |at: u64, found: Found| match found {
        Found::Batch(batch) => lines.batch((path, records), at, &batch, &functions),
        Found::Gap { bytes, is_empty: true, .. } => {
            lines.put("empty", vec![("at", json!(at)), ("bytes", json!(bytes))])
        }
        Found::Gap { bytes, is_empty: false, says } => {
            lines.put("damage", vec![("at", json!(at)), ("bytes", json!(bytes)), ("says", json!(says))])
        }
    };
    let scanned = Window::new(file, front, functions).scan(&mut tell);
    scanned.map_err(|fault| Mistake::new(format!("{}: {fault}", path.display())))?
}

impl Lines {
    /// Prints what the store tells, unless printing failed before.
    fn line(&mut self, line: &Line, said: &mut Done<()>) {
        let value = |value: &Told| match value {
            Told::Number(number) => json!(number),
            Told::Large(number) => json!(number),
            Told::Text(text) => json!(text),
        };
        let fields = line.fields.iter().map(|(name, told)| (*name, value(told))).collect();
        if said.is_ok() {
            *said = self.put(line.kind, fields);
        }
    }

    fn batch(
        &mut self,
        (path, records): (&Path, bool),
        at: u64,
        batch: &CheckedBatch,
        functions: &Functions,
    ) -> Done<()> {
        let header = batch.header();
        let mut fields = vec![
            ("at", json!(at)),
            ("base_offset", json!(header.base_offset.0)),
            ("last_offset", json!(batch.last_offset().0)),
            ("records", json!(header.count)),
            ("bytes", json!(batch.bytes_len())),
            ("codec", json!(batch.compression().name())),
            ("epoch", json!(header.leader_epoch.0)),
            ("time", json!(header.max_timestamp.0)),
        ];
        if header.has_producer() {
            fields.push(("producer", json!(header.producer_id.0)));
            fields.push(("producer_epoch", json!(header.producer_epoch.0)));
            fields.push(("sequence", json!(header.base_sequence)));
        }
        let marks = [
            (header.attributes.is_transactional(), "transactional"),
            (header.attributes.is_control(), "control"),
            (header.log_append_time().is_some(), "log_append_time"),
        ];
        fields.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name, json!(true))));
        self.put("batch", fields)?;
        if !records {
            return Ok(());
        }
        let mut scratch = Vec::new();
        let unreadable = |fault| Mistake::new(format!("the records at {at} cannot be read: {fault:?}"));
        for placed in batch.walk(functions, &mut scratch).map_err(unreadable)? {
            self.record(path, &placed.map_err(unreadable)?, header.attributes.is_control())?;
        }
        Ok(())
    }

    fn record(&mut self, file: &Path, placed: &Placed<'_>, is_control: bool) -> Done<()> {
        let record = &placed.record;
        let mut fields = vec![("offset", json!(placed.offset.0)), ("time", json!(placed.timestamp.0))];
        let says = if is_control { None } else { says::record(file, record.key, record.value) };
        if let Some(said) = says {
            match said {
                Says::Fields(key, value) => fields.extend([("key", key), ("value", value)]),
                Says::Record { kind, data } if self.is_json => {
                    fields.extend([("type", json!(kind)), ("data", Value::Object(data))]);
                }
                Says::Record { kind, data } => {
                    fields.push(("type", json!(kind)));
                    fields.extend(data.iter().map(|(name, value)| (name.as_str(), value.clone())));
                    return self.put("record", fields);
                }
            }
            return self.put("record", fields);
        }
        let mut parts = Map::new();
        show::put_bytes(&mut parts, "key", record.key);
        show::put_bytes(&mut parts, "value", record.value);
        let names = ["key", "key_hex", "value", "value_hex"];
        fields.extend(names.into_iter().filter_map(|name| parts.remove(name).map(|value| (name, value))));
        let headers: Vec<Value> =
            record.headers().map(|(name, value)| json!([show::readable(name), value.map(show::readable)])).collect();
        if !headers.is_empty() {
            fields.push(("headers", json!(headers)));
        }
        self.put("record", fields)
    }

    fn put(&mut self, kind: &str, fields: Vec<(&str, Value)>) -> Done<()> {
        self.damaged += u64::from(kind == "damage");
        let written = if self.is_json {
            let mut object = Map::new();
            object.insert("kind".into(), kind.into());
            object.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
            writeln!(self.out, "{}", Value::Object(object))
        } else {
            write!(self.out, "{kind}")
                .and_then(|()| fields.iter().try_for_each(|(name, value)| field(&mut self.out, name, value)))
                .and_then(|()| writeln!(self.out))
        };
        written.map_err(|fault| Mistake::output(&fault))
    }
}

fn field(out: &mut impl Write, name: &str, value: &Value) -> io::Result<()> {
    let is_time = matches!(name, "time" | "created" | "max_timestamp" | "max_timestamp_before");
    match (is_time, value.as_i64(), value.as_str()) {
        (true, Some(millis), _) => write!(out, "  {name}={}", units::date(millis)),
        (_, _, Some(text)) if is_word(text) => write!(out, "  {name}={text}"),
        _ => write!(out, "  {name}={value}"),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

/// Reads until the window holds so many bytes; true at the end of the file.
pub(super) fn fill(file: &mut File, window: &mut BytesMut, wanted: usize) -> io::Result<bool> {
    while window.len() < wanted {
        let held = window.len();
        window.resize(held + (wanted - held).min(WINDOW_BYTES), 0);
        let read = file.read(&mut window[held..]);
        window.truncate(held + read.as_ref().copied().unwrap_or(0));
        if read? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) const WINDOW_BYTES: usize = 4 << 20;

const EXAMPLES: &str = "\
The file is only read; a broker may run. The newest batches may be in the journal alone: segments follow it.
Records of __consumer_offsets and __cluster_metadata are told in words. Damage makes the exit code 1.

Examples:
  ottla log dump ottla-data/orders-0/00000000000000000000.log
  ottla log dump --records --json ottla-data/orders-0/00000000000000000000.log | jq .value
  ottla log dump ottla-data/orders-0/00000000000000000000.places
  ottla log dump ottla-data/journal-0 ottla-data/journal-1
  ottla log dump ottla-data/catalogue";

#[cfg(test)]
#[path = "dump_test.rs"]
mod dump_test;
