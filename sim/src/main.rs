//! `cargo sim --seed N` runs one seed and tells what happened; `cargo sim --seeds A..B` runs many.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla_sim::case::Case;
use ottla_sim::chain::Chain;
use ottla_sim::cut::Cut;
use ottla_sim::fleet::{CLUSTER_FLOORS, FLOORS, Fleet, STORE_FLOORS, cpu};
use ottla_sim::flight;
use ottla_sim::ledger::{self, Entry};
use ottla_sim::page::record;
use ottla_sim::plan::Plan;
use ottla_sim::report::Outcome;
use ottla_sim::run::{functions, hush_panics, run, run_plan};
use ottla_sim::shrink::shrink;
use ottla_sim::solo;
use std::fs::{self, File};
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// A run allocates all the time, a little, and on one thread.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Run what a file says, which a finding left behind.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "store"])]
    case: Option<PathBuf>,
    /// Several machines that are one cluster.
    #[arg(long, conflicts_with = "store")]
    cluster: bool,
    /// With --cluster: many chains of strikes, all of this kind: Island, Deaf, Overtaken or Relay; at voters Rivals, Revenant or
    /// Unkept.
    #[arg(long, requires = "cluster", value_parser = chain)]
    chain: Option<Chain>,
    /// With --cluster: more strikes of more kinds, and shorter cuts.
    #[arg(long, requires = "cluster")]
    storm: bool,
    /// The store alone, with actions that one broker never asks for.
    #[arg(long)]
    store: bool,
    #[cfg(feature = "plant")]
    #[command(flatten)]
    planting: Planting,
    #[command(flatten)]
    flights: Flights,
    /// Run each seed twice and compare digests.
    #[arg(long)]
    meta: bool,
    /// With --seeds: go on until so many seeds have found something.
    #[arg(long, default_value_t = 1)]
    findings: usize,
    /// With --seeds: fail if too little was reached, which a thousand seeds and more do anyway.
    #[arg(long)]
    floors: bool,
    /// With --seeds: the most runs that shortening one finding takes.
    #[arg(long, default_value_t = 150)]
    tries: usize,
    /// With --seeds: write a line for this range to this file, and do nothing if it has one for these very sources. Alone: tell what
    /// is in it.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Where the table of --ledger or --plants goes: between its two marks of this file.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Where the trace of a shortened finding goes.
    #[arg(long, default_value = "target/sim")]
    out: PathBuf,
    #[command(flatten)]
    cutting: Cutting,
    #[command(flatten)]
    looking: Looking,
}

/// What processes record of themselves.
#[derive(clap::Args)]
struct Flights {
    /// Replay what a broker recorded in `ottla.flight.dir`; with --trace, a line for each input.
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    flight: Option<PathBuf>,
    /// Every process records its flight, which is replayed when it ends.
    #[arg(long)]
    recorded: bool,
}

/// What is to be found out about bugs that are planted on purpose.
#[cfg(feature = "plant")]
#[derive(clap::Args)]
struct Planting {
    /// Plant this bug; with --plants, no other.
    #[arg(long)]
    plant: Option<String>,
    /// The voters of a quorum alone, in the core's own model of them.
    #[arg(long)]
    voters: bool,
    /// Plant every bug in turn and say how many of the seeds it takes to find it; --write puts the table into a file.
    #[arg(long)]
    plants: bool,
    /// With --plants: so many campaigns, each with seeds of its own; the table has their median and worst. With --ledger what was hunted
    /// before is not hunted again.
    #[arg(long, default_value_t = 1)]
    campaigns: u64,
    /// With --plants: one world that finds a bug is enough.
    #[arg(long)]
    quick: bool,
}

/// What is left of a plan.
#[derive(clap::Args)]
struct Cutting {
    /// With --seed: only these strikes of the plan, as in 3,7; `none` for none.
    #[arg(long, value_parser = numbers)]
    strikes: Option<Numbers>,
    /// With --seed: only these clients of the plan.
    #[arg(long, value_parser = numbers)]
    clients: Option<Numbers>,
    /// With --seed: only these topics of the plan.
    #[arg(long, value_parser = numbers)]
    topics: Option<Numbers>,
    /// With --seed: at most so many partitions of each topic.
    #[arg(long)]
    partitions: Option<i32>,
    /// With --seed and --cluster: only so many machines.
    #[arg(long, requires = "cluster")]
    machines: Option<usize>,
    /// With --seed: nothing strikes from this second on.
    #[arg(long)]
    end: Option<u64>,
    /// The canary: a disk that lies about its flushes, which every oracle of durability must see.
    #[arg(long)]
    liar: bool,
}

/// What is told of one run.
#[derive(clap::Args)]
struct Looking {
    /// With --seed or --case: a line for each event.
    #[arg(long)]
    trace: bool,
    /// With --seed or --case: what the run is given, without running it.
    #[arg(long)]
    plan: bool,
    /// With --seed or --case: make a page of the run, to be looked at in a browser.
    #[arg(long, conflicts_with = "store")]
    page: Option<PathBuf>,
    /// With --page: these seconds are what is shown in detail, as in 31..43; else what led to the finding.
    #[arg(long, value_parser = range, requires = "page")]
    span: Option<Range<u64>>,
}

/// A list of numbers on the command line.
#[derive(Clone)]
struct Numbers(Vec<usize>);

fn main() -> ExitCode {
    // `cargo sim -- --seed 1` hands the dashes on.
    let args = std::env::args().enumerate().filter(|(at, arg)| *at != 1 || arg != "--");
    let flags = Flags::parse_from(args.map(|(_, arg)| arg));
    hush_panics();
    #[cfg(feature = "plant")]
    if let Some(code) = plant(&flags) {
        return code;
    }
    if let Some(path) = &flags.flights.flight {
        return flown(path, flags.looking.trace);
    }
    if let (Some(path), None, None, None) = (&flags.ledger, flags.seed, &flags.seeds, &flags.case) {
        return campaigns(path, flags.write.as_deref());
    }
    match (flags.seed, flags.seeds.clone(), &flags.case) {
        (Some(seed), None, None) => one(seed, &flags),
        (None, Some(seeds), None) => many(seeds, &flags),
        (None, None, Some(path)) => case(path, &flags),
        (..) => {
            eprintln!("say --seed N, --seeds A..B or --case FILE; --help says more");
            ExitCode::from(2)
        }
    }
}

/// Plants the bug that was asked for; the campaign over all of them is an end in itself.
#[cfg(feature = "plant")]
fn plant(flags: &Flags) -> Option<ExitCode> {
    use ottla_sim::hunt::Effort;
    use ottla_sim::plants::{Row, campaign, named, table};
    if let Some(name) = &flags.planting.plant {
        match named(name) {
            Some(bug) => ottla_core::plant::plant(Some(bug)),
            None => {
                eprintln!("there is no bug {name}");
                return Some(ExitCode::from(2));
            }
        }
    }
    if flags.planting.voters {
        return Some(voters(flags));
    }
    if !flags.planting.plants {
        return None;
    }
    let seeds_max = flags.seeds.as_ref().map_or(1_000, |seeds| seeds.end);
    let only = flags.planting.plant.as_deref().and_then(named);
    let (campaigns, ledger) = (flags.planting.campaigns.max(1), flags.ledger.as_deref());
    let effort = Effort { seeds_max, campaigns, ledger, threads: flags.jobs, is_quick: flags.planting.quick, only };
    let rows = campaign(effort, |row| println!("{row}"));
    let text = table(&rows, effort);
    let written = flags.write.as_ref().map_or(Ok(()), |path| ledger::put(path, "planted", &text));
    if let Err(error) = written {
        eprintln!("{error}");
        return Some(ExitCode::FAILURE);
    }
    Some(verdict(rows.iter().all(Row::is_found)))
}

/// Histories of voters alone.
#[cfg(feature = "plant")]
fn voters(flags: &Flags) -> ExitCode {
    let seeds = flags.seed.map(|seed| seed..seed + 1).or_else(|| flags.seeds.clone()).unwrap_or(0..1_000);
    let fleet = Fleet::sail(seeds, flags.jobs, flags.findings, ottla_sim::voters::run);
    for outcome in &fleet.findings {
        print!("{}", outcome.summary());
    }
    println!("{} seeds", fleet.seeds);
    verdict(fleet.findings.is_empty())
}

/// Replays the flight of a process.
fn flown(path: &Path, is_traced: bool) -> ExitCode {
    let mut tell = |line| {
        if is_traced {
            println!("{line}");
        }
    };
    let opened = File::open(path).map_err(|fault| fault.to_string());
    let replayed = opened.and_then(|file| flight::replay(BufReader::new(file), functions(), &mut tell));
    match replayed {
        Ok(replayed) => {
            println!("{replayed}");
            verdict(replayed.is_same())
        }
        Err(fault) => {
            eprintln!("{}: {fault}", path.display());
            ExitCode::from(2)
        }
    }
}

/// What is in a ledger.
fn campaigns(path: &Path, to: Option<&Path>) -> ExitCode {
    let told = ledger::read(path).and_then(|entries| {
        let campaigns = ledger::campaigns(&entries);
        let table = ledger::table(&campaigns);
        print!("{}{table}", ledger::reached(&campaigns));
        to.map_or(Ok(()), |to| ledger::put(to, "campaigns", &table))
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{}: {fault}", path.display());
            ExitCode::from(2)
        }
    }
}

fn one(seed: u64, flags: &Flags) -> ExitCode {
    if flags.store {
        let (outcome, lines) = solo::run(seed, flags.looking.trace);
        lines.iter().for_each(|line| println!("{line}"));
        print!("{}", outcome.summary());
        return verdict(outcome.finding.is_none());
    }
    let list = |numbers: &Option<Numbers>| numbers.as_ref().map(|numbers| numbers.0.clone());
    let cut = Cut {
        ops: list(&flags.cutting.strikes),
        clients: list(&flags.cutting.clients),
        topics: list(&flags.cutting.topics),
        partitions: flags.cutting.partitions,
        machines: flags.cutting.machines,
        end_secs: flags.cutting.end,
        ..whole(flags)
    };
    let command = format!("{} --seed {seed}{}", program(flags), cut.flags());
    planned(Plan::of(seed, &cut), &command, flags)
}

/// What a file says is run.
fn case(path: &Path, flags: &Flags) -> ExitCode {
    match Case::read(path) {
        Ok(Case { oracle, text, sources, plan }) => {
            println!("found once, by sources {sources}: {oracle}: {text}");
            planned(plan, &format!("{} --case {}", program(flags), path.display()), flags)
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}

/// One run, told as the flags have it.
fn planned(plan: Plan, command: &str, flags: &Flags) -> ExitCode {
    println!("{}", plan.describe());
    if flags.looking.plan {
        return ExitCode::SUCCESS;
    }
    let (outcome, lines) = match &flags.looking.page {
        None => run_plan(plan.clone(), flags.looking.trace),
        Some(path) => {
            let recorded = record(plan.clone(), command, flags.looking.span.clone());
            match written(path, &recorded.page) {
                Ok(()) => println!("page: {}", path.display()),
                Err(fault) => eprintln!("{}: {fault}", path.display()),
            }
            (recorded.outcome, recorded.lines)
        }
    };
    if flags.looking.trace {
        lines.iter().for_each(|line| println!("{line}"));
    }
    if flags.meta {
        let (again, _) = run_plan(plan, false);
        assert_eq!(again.digest, outcome.digest, "the same plan ran differently");
    }
    print!("{}", outcome.summary());
    verdict(outcome.finding.is_none())
}

/// How this program is called.
fn program(flags: &Flags) -> String {
    #[cfg(feature = "plant")]
    if let Some(bug) = &flags.planting.plant {
        return format!("cargo plant -- --plant {bug}");
    }
    let _ = flags;
    "cargo sim --".to_owned()
}

fn written(path: &Path, text: &str) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}

fn many(seeds: Range<u64>, flags: &Flags) -> ExitCode {
    if let Some(path) = &flags.ledger
        && let Some(entry) = Entry::known(path, &what(flags), &seeds)
    {
        print!("{}", ledger::table(&ledger::campaigns(std::slice::from_ref(&entry))));
        return verdict(entry.is_well);
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed}, {eta} left  {msg}");
    let bar = ProgressBar::new(seeds.end.saturating_sub(seeds.start)).with_style(style.expect("a fixed template"));
    let began = (Instant::now(), cpu());
    let cut = whole(flags);
    let play = |seed| if flags.store { solo::run(seed, false).0 } else { run(seed, &cut, false).0 };
    let fleet = Fleet::sail(seeds.clone(), flags.jobs, flags.findings, |seed| {
        let outcome = play(seed);
        if flags.meta {
            assert_eq!(play(seed).digest, outcome.digest, "seed {seed} ran differently");
        }
        bar.inc(1);
        if let Some(finding) = &outcome.finding {
            bar.set_message(format!("seed {}: {}", outcome.seed, finding.oracle));
        }
        outcome
    });
    bar.finish_and_clear();
    let spent = cpu().saturating_sub(began.1);
    let spent = if spent.is_zero() { began.0.elapsed() } else { spent };
    print!("{}", fleet.summary(spent));
    for outcome in &fleet.findings {
        tell(outcome, flags);
    }
    let floors = match (flags.store, flags.cluster) {
        (true, _) => &STORE_FLOORS[..],
        (false, true) => &CLUSTER_FLOORS[..],
        (false, false) => &FLOORS[..],
    };
    let judged = fleet.findings.is_empty() && (flags.floors || fleet.seeds >= 1_000);
    let shortfalls = if judged { fleet.shortfalls(floors) } else { Vec::new() };
    shortfalls.iter().for_each(|short| println!("NOT REACHED  {short}"));
    let well = fleet.findings.is_empty() && shortfalls.is_empty();
    if let Some(path) = &flags.ledger
        && let Err(fault) = Entry::of(what(flags), seeds, &fleet, well, spent).enter(path)
    {
        eprintln!("{}: {fault}", path.display());
    }
    verdict(well)
}

/// The plan with everything in it.
fn whole(flags: &Flags) -> Cut {
    Cut {
        liar: flags.cutting.liar,
        recorded: flags.flights.recorded,
        cluster: flags.cluster,
        chain: flags.chain,
        storm: flags.storm,
        ..Cut::default()
    }
}

/// Shortens a finding, says how to bring it back, and writes its trace.
fn tell(outcome: &Outcome, flags: &Flags) {
    let Some(finding) = &outcome.finding else { return };
    let out = &flags.out;
    println!("seed {}: FOUND {}: {}", outcome.seed, finding.oracle, finding.text);
    if flags.store {
        return println!("  whole:    cargo sim --store --seed {} --trace", outcome.seed);
    }
    let shrunk = shrink(outcome, whole(flags), flags.tries);
    let file = |end: &str| out.join(format!("seed-{}.{end}", outcome.seed));
    let command = |cut: &Cut| format!("{} --seed {}{}", program(flags), outcome.seed, cut.flags());
    let shortest = command(&shrunk.cut);
    let shown = record(shrunk.plan.clone(), &shortest, None);
    let plan = shrunk.plan.describe();
    let text = format!("{plan}\n{}\n{}", shown.lines.join("\n"), shown.outcome.summary());
    println!("  whole:    {}", command(&whole(flags)));
    println!("  shortest: {shortest} --trace   ({shrunk})");
    let kept = Case::new(shrunk.plan, finding).write(&file("json")).map(|()| file("json"));
    let files = [
        ("case: ", kept),
        ("trace:", written(&file("txt"), &text).map(|()| file("txt"))),
        ("page: ", written(&file("html"), &shown.page).map(|()| file("html"))),
    ];
    for (what, path) in files {
        match path {
            Ok(path) if what == "case: " => println!("  {what}    {} --case {}", program(flags), path.display()),
            Ok(path) => println!("  {what}    {}", path.display()),
            Err(fault) => println!("  {what}    not written: {fault}"),
        }
    }
}

fn verdict(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The flags that say what a seed is the seed of.
fn what(flags: &Flags) -> String {
    let mut text = program(flags).replace("cargo sim --", "");
    for (is_set, flag) in [(flags.store, " --store"), (flags.meta, " --meta")] {
        if is_set {
            text.push_str(flag);
        }
    }
    text.push_str(&whole(flags).flags());
    text.trim().to_owned()
}

fn chain(text: &str) -> Result<Chain, String> {
    Chain::named(text).ok_or_else(|| "there is no such chain".to_owned())
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
