//! `ottla produce`: a record for each line of the standard input.

mod partitioner;
mod sender;

use super::cluster::Cluster;
use super::mistake::Mistake;
use super::progress::Progress;
use super::{Done, Reach, show, units};
use clap::Args;
use ottla_core::record::{Builder, Compression, NewRecord};
use ottla_core::types::Wall;
use partitioner::Partitioner;
use sender::Sender;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::time::Duration;

/// How to write records.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ProduceFlags {
    /// The topic; made if it is missing and the broker allows it
    topic: String,
    /// The partition; if not given, by the hash of the key as Kafka's clients do, or spread where there is no key
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Key of every record
    #[arg(short, long, value_name = "TEXT")]
    key: Option<String>,
    /// What stands between key and value on each line; a line without it has no key of its own
    #[arg(long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// A value that stands for none (a tombstone)
    #[arg(long, value_name = "TEXT")]
    null_marker: Option<String>,
    /// A header of every record; may be given many times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Compression of the batches
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = ["none", "gzip", "snappy", "lz4", "zstd"])]
    compression: String,
    /// Who must have a record before it counts as written: all in-sync replicas, the leader alone, or nobody
    #[arg(long, value_name = "WHO", default_value = "all", value_parser = ["all", "1", "0"])]
    acks: String,
    /// Give up if a batch is not acknowledged after so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    timeout: Duration,
    #[command(flatten)]
    reach: Reach,
}

/// Lines on their way into batches.
struct Batches<'a> {
    flags: &'a ProduceFlags,
    compression: Compression,
    partitioner: Partitioner,
    pending: BTreeMap<usize, Builder>,
    pending_bytes: usize,
}

/// Runs `ottla produce`.
pub fn run(flags: &ProduceFlags) -> Done<()> {
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?.within(flags.timeout);
    let topic = cluster.topic(&flags.topic, true)?;
    let count = topic.partitions.len();
    if let Some(wanted) = flags.partition.filter(|wanted| *wanted as usize >= count) {
        let mistake = Mistake::new(format!("topic {}: there is no partition {wanted}", flags.topic));
        return Err(mistake.then(format!("use one of 0 to {}", count - 1)));
    }
    let acks = match flags.acks.as_str() {
        "all" => -1,
        few => few.parse().expect("clap admits numbers only"),
    };
    let mut sender = Sender::new(cluster, &topic, acks, flags.timeout)?;
    let codec = Compression::ALL.into_iter().find(|codec| codec.name() == flags.compression);
    let mut batches = Batches {
        flags,
        compression: codec.expect("clap admits our names only"),
        partitioner: Partitioner::new(count, units::now_ms().unsigned_abs() as usize),
        pending: BTreeMap::new(),
        pending_bytes: 0,
    };
    let is_typed = io::stdin().is_terminal();
    if is_typed && !flags.reach.json {
        eprintln!("one record a line; Ctrl-D ends");
    }
    let is_screen_used = is_typed || flags.reach.json && io::stdout().is_terminal();
    let mut progress = Progress::new(!is_screen_used);
    let written = batches.pump(&mut sender, &mut progress);
    progress.end("wrote");
    written
}

impl Batches<'_> {
    fn pump(&mut self, sender: &mut Sender, progress: &mut Progress) -> Done<()> {
        let mut input = BufReader::with_capacity(FLUSH_BYTES, io::stdin().lock());
        let mut line = Vec::new();
        loop {
            line.clear();
            let failed = |fault: io::Error| Mistake::new(format!("the input breaks off: {fault}"));
            let len = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
            if len == 0 {
                return self.flush(sender, progress);
            }
            match line.last() {
                Some(b'\n') => drop(line.pop()),
                _ if len as u64 == LINE_BYTES_MAX => {
                    return Err(Mistake::new(format!("a line has more than {LINE_BYTES_MAX} bytes")));
                }
                _ => {}
            }
            // A long line gets a batch of its own: gathered with others it could be too large for the topic.
            if self.pending_bytes > 0 && self.pending_bytes + line.len() > FLUSH_BYTES {
                self.flush(sender, progress)?;
            }
            self.push(&line);
            // What a person types is sent line by line, what comes from a pipe in batches.
            if self.pending_bytes >= FLUSH_BYTES || input.buffer().is_empty() {
                self.flush(sender, progress)?;
            }
        }
    }

    fn push(&mut self, line: &[u8]) {
        let separator = self.flags.key_separator.as_deref().unwrap_or("").as_bytes();
        let cut = line.windows(separator.len().max(1)).position(|window| window == separator);
        let (key, value) = match cut {
            Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
            None => (self.flags.key.as_deref().map(str::as_bytes), line),
        };
        let is_null = self.flags.null_marker.as_ref().is_some_and(|marker| marker.as_bytes() == value);
        let partition = self.flags.partition.map(|wanted| wanted as usize);
        let partition = partition.unwrap_or_else(|| self.partitioner.choose(key));
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            self.flags.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))).collect();
        let compression = self.compression;
        let batch = self.pending.entry(partition).or_insert_with(|| Builder::new().compressed(compression));
        let value = (!is_null).then_some(value);
        batch.push(&NewRecord { timestamp: Wall(units::now_ms()), key, value, headers: &headers });
        self.pending_bytes += line.len() + RECORD_OVERHEAD;
    }

    fn flush(&mut self, sender: &mut Sender, progress: &mut Progress) -> Done<()> {
        let batches = std::mem::take(&mut self.pending);
        let records: usize = batches.values().map(Builder::count).sum();
        for written in sender.send(batches)? {
            if self.flags.reach.json {
                let (partition, offset, records) = (written.partition, written.offset, written.records);
                let topic = &self.flags.topic;
                show::json(&json!({ "topic": topic, "partition": partition, "offset": offset, "records": records }))?;
            }
        }
        progress.add(records as u64, (self.pending_bytes - records * RECORD_OVERHEAD) as u64);
        self.pending_bytes = 0;
        self.partitioner.next();
        Ok(())
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as origin=script")?;
    Ok((name.into(), value.into()))
}

/// Lines are gathered up to here, so that a batch stays below Kafka's default for the largest.
const FLUSH_BYTES: usize = 512 * 1024;
/// No topic takes records of more.
const LINE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// What a record takes beyond its line, roughly.
const RECORD_OVERHEAD: usize = 16;

const EXAMPLES: &str = "\
Each line is a record: its value, or key and value if --key-separator says what stands between them.
Batches are numbered (idempotent), so that one sent again after a lost connection is not written twice.

Examples:
  echo hello | ottla produce greetings
  ottla produce orders --key-separator : < orders.txt        lines such as `customer-7:3 chairs`
  ottla produce orders --key customer-7 --header origin=shop --compression zstd < orders.txt
  echo 'customer-7:' | ottla produce customers --key-separator : --null-marker ''    a tombstone
  seq 1000000 | ottla produce numbers --json                 one line of JSON for each batch, with its offset";
