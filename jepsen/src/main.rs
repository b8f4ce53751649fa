//! The command: flags to a plan, a run, a verdict. Exit codes: 0 if nothing is wrong, 1 if something is, 2 for wrong flags.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ottla_jepsen::history::History;
use ottla_jepsen::plan::{Load, Pace, Plan, Until, Victim};
use ottla_jepsen::{check, report, run};
use ottla_tests::harness::broker::{Kind, Purpose};
use ottla_tests::harness::cluster::Shape;

/// Breaks a cluster of real brokers under real clients, and judges what they saw.
#[derive(Parser)]
#[command(name = "ottla-jepsen", max_term_width = 110)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// kill -9, again and again
    Kill(KillFlags),
    /// Judge a history that was kept
    Check {
        /// The history, as a run leaves it
        file: PathBuf,
    },
}

#[derive(Args)]
struct KillFlags {
    /// For how long
    #[arg(long, default_value = "10")]
    minutes: f64,
    /// Seconds from one kill to the next
    #[arg(long, default_value = "20")]
    every: f64,
    /// Seconds that a killed broker stays away
    #[arg(long, default_value = "3")]
    down: f64,
    /// Kill the leader of the metadata quorum instead; with --leader in turn
    #[arg(long)]
    controller: bool,
    /// Kill the leader of the watched partition, which is what is done unless something else is asked for
    #[arg(long)]
    leader: bool,
    /// Kill all brokers at once; with other flags in turn
    #[arg(long)]
    all: bool,
    /// How many brokers
    #[arg(long, default_value = "3")]
    brokers: usize,
    /// How many of them, from the first on, vote in the metadata quorum
    #[arg(long, default_value = "3")]
    voters: usize,
    /// How many partitions, over all topics
    #[arg(long, default_value = "1")]
    partitions: usize,
    /// How many topics
    #[arg(long, default_value = "1")]
    topic_count: usize,
    /// How many processes send at a time
    #[arg(long, default_value = "32")]
    senders: usize,
    /// Records of an operation
    #[arg(long, default_value = "100")]
    batch: usize,
    /// Bytes of a record
    #[arg(long, default_value = "100")]
    record_bytes: usize,
    /// Break Apache Kafka instead
    #[arg(long)]
    kafka: bool,
    /// Where history, logs and report are left
    #[arg(long, default_value = "target/jepsen")]
    out: PathBuf,
}

impl KillFlags {
    fn plan(&self) -> Plan {
        let asked = [(self.leader, Victim::Leader), (self.controller, Victim::Controller), (self.all, Victim::All)];
        let mut victims: Vec<Victim> = asked.iter().filter(|(is_asked, _)| *is_asked).map(|(_, who)| *who).collect();
        if victims.is_empty() {
            victims.push(Victim::Leader);
        }
        let kind = if self.kafka { Kind::Kafka } else { Kind::Ottla };
        Plan {
            shape: Shape {
                kind,
                purpose: Purpose::Measure,
                brokers: self.brokers,
                voters: self.voters.min(self.brokers),
                turnover: false,
            },
            load: Load {
                partitions: self.partitions,
                topics: self.topic_count,
                replicas: self.brokers.min(3),
                senders: self.senders,
                producers: 4,
                readers: 1,
                batch: self.batch,
                record_bytes: self.record_bytes,
            },
            victims,
            pace: Pace::Time(Duration::from_secs_f64(self.every)),
            down: Duration::from_secs_f64(self.down),
            until: Until::Time(Duration::from_secs_f64(self.minutes * 60.0)),
            out: self.out.clone(),
        }
    }
}

fn main() -> ExitCode {
    let done = match Flags::parse().command {
        Command::Kill(flags) => break_it(&flags.plan()),
        Command::Check { file } => History::read(&file).map(|history| {
            let findings = check::judge(&history);
            print!("{}", report::verdict(&findings));
            findings.is_empty()
        }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("ottla-jepsen: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn break_it(plan: &Plan) -> std::io::Result<bool> {
    fs::create_dir_all(&plan.out)?;
    let outcome = run::run(plan)?;
    let page = plan.out.join("report.html");
    let command: Vec<String> = std::env::args().skip(1).collect();
    fs::write(&page, report::page(plan, &outcome, &command.join(" ")))?;
    print!("{}{}", report::figures(&outcome), report::verdict(&outcome.findings));
    println!("{} has it all; what happened is in {}", page.display(), plan.out.join("history.jsonl").display());
    Ok(outcome.findings.is_empty())
}
