//! `cargo sim --seed N` runs one seed and tells what happened; `cargo sim --seeds A..B` runs many.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla_sim::fleet::Fleet;
use ottla_sim::plan::{Cut, Plan};
use ottla_sim::report::Outcome;
use ottla_sim::run::{hush_panics, run};
use ottla_sim::shrink::shrink;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Runs the broker's own code through crashes, cuts and failing disks, from a seed.
#[derive(Parser)]
#[command(name = "cargo sim")]
struct Flags {
    /// Run this one seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run these seeds, as in 0..1000.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Threads; each runs whole seeds.
    #[arg(short, long, default_value_t = 1)]
    jobs: usize,
    /// With --seed: a line for each event.
    #[arg(long)]
    trace: bool,
    /// With --seed: what the run is given, without running it.
    #[arg(long)]
    plan: bool,
    /// With --seed: only these strikes of the plan, as in 3,7; `none` for none.
    #[arg(long, value_parser = numbers)]
    strikes: Option<Numbers>,
    /// With --seed: only these clients of the plan.
    #[arg(long, value_parser = numbers)]
    clients: Option<Numbers>,
    /// With --seed: nothing strikes from this second on.
    #[arg(long)]
    end: Option<u64>,
    /// Run each seed twice and compare digests.
    #[arg(long)]
    meta: bool,
    /// With --seeds: go on until so many seeds have found something.
    #[arg(long, default_value_t = 1)]
    findings: usize,
    /// With --seeds: write a line for this range to this file, and do nothing if it has one for this very tree.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Where the trace of a shortened finding goes.
    #[arg(long, default_value = "target/sim")]
    out: PathBuf,
}

/// A list of numbers on the command line.
#[derive(Clone)]
struct Numbers(Vec<usize>);

fn main() -> ExitCode {
    // `cargo sim -- --seed 1` hands the dashes on.
    let args = std::env::args().enumerate().filter(|(at, arg)| *at != 1 || arg != "--");
    let flags = Flags::parse_from(args.map(|(_, arg)| arg));
    hush_panics();
    match (flags.seed, flags.seeds.clone()) {
        (Some(seed), None) => one(seed, &flags),
        (None, Some(seeds)) => many(seeds, &flags),
        (None, None) | (Some(_), Some(_)) => {
            eprintln!("say --seed N or --seeds A..B; --help says more");
            ExitCode::from(2)
        }
    }
}

fn one(seed: u64, flags: &Flags) -> ExitCode {
    let list = |numbers: &Option<Numbers>| numbers.as_ref().map(|numbers| numbers.0.clone());
    let cut = Cut { ops: list(&flags.strikes), clients: list(&flags.clients), end_secs: flags.end };
    let plan = Plan::draw(seed).cut(&cut);
    println!("{}", plan.describe());
    if flags.plan {
        return ExitCode::SUCCESS;
    }
    let (outcome, lines) = run(seed, &cut, flags.trace);
    lines.iter().for_each(|line| println!("{line}"));
    if flags.meta {
        let (again, _) = run(seed, &cut, false);
        assert_eq!(again.digest, outcome.digest, "the same seed ran differently");
    }
    print!("{}", outcome.summary());
    verdict(outcome.finding.is_none())
}

fn many(seeds: Range<u64>, flags: &Flags) -> ExitCode {
    let tree = tree();
    if let Some(path) = &flags.ledger
        && let Some(line) = in_ledger(path, &tree, &seeds)
    {
        println!("{line}");
        return verdict(line.ends_with("nothing found"));
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed}, {eta} left  {msg}");
    let bar = ProgressBar::new(seeds.end.saturating_sub(seeds.start)).with_style(style.expect("a fixed template"));
    let began = (Instant::now(), cpu());
    let fleet = Fleet::sail(seeds.clone(), flags.jobs, flags.findings, |outcome| {
        if flags.meta {
            let (again, _) = run(outcome.seed, &Cut::default(), false);
            assert_eq!(again.digest, outcome.digest, "seed {} ran differently", outcome.seed);
        }
        bar.inc(1);
        if let Some(finding) = &outcome.finding {
            bar.set_message(format!("seed {}: {}", outcome.seed, finding.oracle));
        }
    });
    bar.finish_and_clear();
    let spent = cpu().saturating_sub(began.1);
    print!("{}", fleet.summary(if spent.is_zero() { began.0.elapsed() } else { spent }));
    for outcome in &fleet.findings {
        tell(outcome, &flags.out);
    }
    let shortfalls = if fleet.findings.is_empty() && fleet.seeds >= 1_000 { fleet.shortfalls() } else { Vec::new() };
    shortfalls.iter().for_each(|short| println!("NOT REACHED  {short}"));
    let well = fleet.findings.is_empty() && shortfalls.is_empty();
    if let Some(path) = &flags.ledger {
        enter(path, &tree, &seeds, well);
    }
    verdict(well)
}

/// Shortens a finding, says how to bring it back, and writes its trace.
fn tell(outcome: &Outcome, out: &Path) {
    let Some(finding) = &outcome.finding else { return };
    println!("seed {}: FOUND {}: {}", outcome.seed, finding.oracle, finding.text);
    let shrunk = shrink(outcome, 150);
    let (shortest, lines) = run(outcome.seed, &shrunk.cut, true);
    let path = out.join(format!("seed-{}.txt", outcome.seed));
    let plan = Plan::draw(outcome.seed).cut(&shrunk.cut).describe();
    let text = format!("{plan}\n{}\n{}", lines.join("\n"), shortest.summary());
    let written = fs::create_dir_all(out).and_then(|()| fs::write(&path, text));
    println!("  whole:    {}", outcome.command(&Cut::default()));
    println!("  shortest: {} --trace   ({} runs)", shortest.command(&shrunk.cut), shrunk.tries);
    match written {
        Ok(()) => println!("  trace:    {}", path.display()),
        Err(error) => println!("  trace:    not written: {error}"),
    }
}

fn verdict(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is being tested: the tree of the last commit, and whether anything changed since.
fn tree() -> String {
    let ask = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = ask(&["rev-parse", "--short=12", "HEAD^{tree}"]).unwrap_or_else(|| "unknown".to_owned());
    match ask(&["status", "--porcelain"]) {
        Some(changes) if changes.is_empty() => head,
        Some(_) | None => format!("{head}-changed"),
    }
}

fn in_ledger(path: &Path, tree: &str, seeds: &Range<u64>) -> Option<String> {
    let head = format!("{tree} {}..{} ", seeds.start, seeds.end);
    let text = fs::read_to_string(path).ok()?;
    text.lines().find(|line| line.starts_with(&head) && !tree.ends_with("-changed")).map(str::to_owned)
}

fn enter(path: &Path, tree: &str, seeds: &Range<u64>, well: bool) {
    let verdict = if well { "nothing found" } else { "found" };
    let line = format!("{tree} {}..{} {verdict}\n", seeds.start, seeds.end);
    let written =
        OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("{}: {error}", path.display());
    }
}

/// CPU time of this process so far; zero where the system does not say.
fn cpu() -> Duration {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("as in 0..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(start)?..number(end)?)
}

fn numbers(text: &str) -> Result<Numbers, String> {
    if text == "none" {
        return Ok(Numbers(Vec::new()));
    }
    let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    numbers.map(Numbers).map_err(|error| error.to_string())
}
