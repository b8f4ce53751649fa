//! `ottla consume`: prints records, and waits for more unless told otherwise.

mod assign;
mod fetcher;
mod from;
mod member;
mod print;

use super::cluster::{Cluster, LATEST};
use super::mistake::Mistake;
use super::progress::Progress;
use super::{Done, Reach, interrupt, units};
use clap::Args;
use fetcher::{Fetcher, Place};
pub use from::From;
use member::Member;
use ottla_core::msg::metadata::MetadataResponseTopic;
use print::{Format, Printer};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How to read records.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ConsumeFlags {
    /// The topic
    topic: String,
    /// Where to begin: beginning, end, an offset, -N for the last N of each partition, a time such as
    /// 2026-11-21T10:15:00Z, or @MILLISECONDS since 1970; what lies outside a partition is its nearest end. With --group only where it has not committed anything
    #[arg(short, long, value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true, value_parser = From::parse)]
    from: From,
    /// Only this partition; may be given many times
    #[arg(short, long = "partition", value_name = "N", conflicts_with = "group")]
    partitions: Vec<i32>,
    /// Read as a member of this consumer group: its members share the partitions, and what was printed is committed
    #[arg(short, long, value_name = "GROUP")]
    group: Option<String>,
    /// Stop after this many records
    #[arg(short = 'n', long, value_name = "N")]
    max_records: Option<u64>,
    /// Stop when no record came for so long, such as 5s or 500ms
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// Stop at what is the end now, instead of waiting for more
    #[arg(short, long)]
    exit: bool,
    #[command(flatten)]
    print: print::PrintFlags,
    #[command(flatten)]
    reach: Reach,
}

/// Everything that one run works with.
struct Run<'a> {
    flags: &'a ConsumeFlags,
    fetcher: Fetcher,
    member: Option<Member>,
    printer: Printer,
    progress: Progress,
    /// When the last record came.
    active: Instant,
}

/// Runs `ottla consume`.
pub fn run(flags: &ConsumeFlags) -> Done<()> {
    interrupt::watch()?;
    let format = Format::new(&flags.print, flags.reach.json)?;
    let mut cluster = Cluster::connect(&flags.reach.bootstrap_server)?;
    let mut topic = cluster.topic(&flags.topic, false)?;
    let count = topic.partitions.len();
    if let Some(absent) =
        flags.partitions.iter().find(|wanted| usize::try_from(**wanted).map_or(true, |at| at >= count))
    {
        let mistake = Mistake::new(format!("topic {}: there is no partition {absent}", flags.topic));
        return Err(mistake.then(format!("use one of 0 to {}", count - 1)));
    }
    if !flags.partitions.is_empty() {
        topic.partitions.retain(|partition| flags.partitions.contains(&partition.partition_index));
    }
    let (places, member) = match &flags.group {
        Some(group) => (BTreeMap::new(), Some(Member::new(&flags.reach.bootstrap_server, group, &flags.topic)?)),
        None => (places(&mut cluster, &topic, flags, &BTreeMap::new())?, None),
    };
    let fetcher = Fetcher::new(cluster, &flags.topic, places);
    let printer = Printer::new(&flags.topic, format, flags.max_records);
    let progress = Progress::new(!io::stdout().is_terminal());
    let mut run = Run { flags, fetcher, member, printer, progress, active: Instant::now() };
    let read = run.read();
    let left = run.leave(&read);
    run.progress.end("read");
    match read {
        Err(mistake) if mistake.is_interrupted() => left,
        read => read.and(left),
    }
}

/// Where to read each partition, and where to stop if not to wait. What the group committed comes first.
fn places(
    cluster: &mut Cluster,
    topic: &MetadataResponseTopic,
    flags: &ConsumeFlags,
    committed: &BTreeMap<i32, i64>,
) -> Done<BTreeMap<i32, Place>> {
    let mut starts = cluster.patiently(|cluster| flags.from.offsets(cluster, topic))?;
    starts.extend(committed);
    let ends = cluster.patiently(|cluster| cluster.offsets(topic, LATEST))?;
    for (index, end) in ends.iter().filter(|(index, _)| !committed.contains_key(index)) {
        if let From::Offset(offset) = flags.from
            && offset > *end
        {
            eprintln!("ottla: {}-{index} ends at {end}, so that is read from, not {offset}", flags.topic);
        }
    }
    let place = |index: i32, leader: i32| {
        let end = ends.get(&index).copied().unwrap_or(0);
        let stop = flags.exit.then_some(end);
        (index, Place { leader, next: starts.get(&index).copied().unwrap_or(0), stop })
    };
    Ok(topic.partitions.iter().map(|one| place(one.partition_index, one.leader_id)).collect())
}

impl Run<'_> {
    fn read(&mut self) -> Done<()> {
        loop {
            if interrupt::is_asked() || self.printer.is_enough() {
                return Ok(());
            }
            if self.member.as_ref().is_some_and(Member::is_out) {
                self.join()?;
            }
            if self.fetcher.is_done(self.flags.exit) {
                return Ok(());
            }
            let (records, bytes) = (self.printer.records, self.printer.bytes);
            let polled = self.fetcher.poll(&mut self.printer);
            self.printer.flush()?;
            polled?;
            if self.printer.records > records {
                self.active = Instant::now();
            }
            self.progress.add(self.printer.records - records, self.printer.bytes - bytes);
            if let Some(member) = &mut self.member {
                member.tend(&self.fetcher.positions())?;
            }
            if self.flags.timeout.is_some_and(|timeout| self.active.elapsed() >= timeout) {
                return Ok(());
            }
        }
    }

    /// Becomes a member (again), and goes on where the group is.
    fn join(&mut self) -> Done<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let assigned = member.join()?;
        let mut topic = self.fetcher.cluster().topic(&self.flags.topic, false)?;
        topic.partitions.retain(|partition| assigned.contains(&partition.partition_index));
        let committed = member.committed(&assigned)?;
        let places = places(self.fetcher.cluster(), &topic, self.flags, &committed)?;
        self.fetcher.assign(places);
        self.active = Instant::now();
        Ok(())
    }

    /// Commits what was printed and leaves, even after a failure, as far as there is a way.
    fn leave(&mut self, read: &Done<()>) -> Done<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let is_printed = !matches!(read, Err(mistake) if mistake.is_unread());
        let positions = if is_printed { self.fetcher.positions() } else { BTreeMap::new() };
        member.leave(&positions)
    }
}

const EXAMPLES: &str = "\
Ctrl-C ends it in order: a group's offsets are committed, and its other members take over at once.

--format is text with: %s value, %k key, %h headers, %t topic, %p partition, %o offset, %T timestamp in milliseconds,
%D timestamp as a date (UTC), %S and %K lengths of value and key, \\n, \\t, %% and \\\\ for themselves.

Examples:
  ottla consume greetings                                 everything, then wait for more
  ottla consume greetings --from end                      only what comes from now on
  ottla consume greetings --from -10 --exit               the last ten records of each partition
  ottla consume orders --from 2026-11-21T10:15:00Z --keys --timestamps
  ottla consume orders --format '%p:%o %k=%s\\n' --max-records 3
  ottla consume orders --group billing --timeout 5s       what billing has not read yet
  ottla consume orders --json --exit | jq .value";
