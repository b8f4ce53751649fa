//! The command line for people: tools beside the broker. They speak to it as any client does, and to Kafka as well.
//!
//! ```text
//!   topic, partition, broker, quorum,
//!   produce, consume, group ──▶ cluster ──▶ remote (one blocking connection a broker) ──▶ ottla_core::conn::client
//!   log dump, format ──▶ files
//!   dev ──▶ processes, one a broker
//! ```

mod broker;
mod cluster;
mod consume;
mod dev;
mod format;
mod group;
mod interrupt;
mod log;
mod mistake;
mod partition;
mod produce;
mod progress;
mod quorum;
mod remote;
mod show;
mod topic;
mod units;

use clap::{Args, Subcommand};
use mistake::Mistake;
use std::process::ExitCode;

/// What to do instead of running a broker.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List, create, describe, alter and delete topics
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Where the replicas of partitions are and who leads: list, move, elect
    #[command(subcommand)]
    Partition(partition::PartitionCommand),
    /// List the brokers of a cluster; forget one that is gone
    #[command(subcommand)]
    Broker(broker::BrokerCommand),
    /// Describe the controllers; let them vote or not
    #[command(subcommand)]
    Quorum(quorum::QuorumCommand),
    /// Write records, one for each line of the standard input
    Produce(produce::ProduceFlags),
    /// Read records and print them
    Consume(consume::ConsumeFlags),
    /// List and describe consumer groups, their lag included; delete them, move their offsets
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Look at what is on disk
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Make the data directory of a node of a cluster
    Format(format::FormatFlags),
    /// Start a cluster of several brokers on this machine, in one terminal
    Dev(dev::DevFlags),
    /// Print a new id, for a cluster
    RandomUuid(format::RandomUuidFlags),
}

/// Where the broker is, and how to print.
#[derive(Args, Debug, Clone)]
pub struct Reach {
    /// Address of any broker of the cluster; several are separated by commas
    #[arg(
        short,
        long,
        visible_alias = "broker",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9092",
        env = "OTTLA_BROKER"
    )]
    pub bootstrap_server: String,
    /// Print JSON, one document a line, instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Runs one tool. Exit codes: 0 if it did what it was asked, 1 if it could not; clap's 2 stands for wrong flags.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Topic(command) => topic::run(command),
        Command::Partition(command) => partition::run(command),
        Command::Broker(command) => broker::run(command),
        Command::Quorum(command) => quorum::run(command),
        Command::Produce(flags) => produce::run(&flags),
        Command::Consume(flags) => consume::run(&flags),
        Command::Group(command) => group::run(command),
        Command::Log(command) => log::run(command),
        Command::Dev(flags) => dev::run(&flags),
        Command::Format(flags) => format::run(&flags),
        Command::RandomUuid(flags) => format::random_uuid(&flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has enough; that is no failure.
        Err(mistake) if mistake.is_unread() => ExitCode::SUCCESS,
        Err(mistake) => {
            eprintln!("ottla: {mistake}");
            mistake.others().iter().for_each(|other| eprintln!("ottla: {other}"));
            ExitCode::FAILURE
        }
    }
}

/// What a tool's work comes to.
type Done<T> = Result<T, Mistake>;
