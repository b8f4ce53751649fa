//! The command line: what `ottla --help` teaches.

use crate::cli::Command;
use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

/// A replicated log that speaks the Kafka protocol.
#[derive(Parser, Debug)]
#[command(
    name = "ottla",
    version = env!("BUILT_VERSION"),
    args_conflicts_with_subcommands = true,
    about = "A replicated log that speaks the Kafka protocol. Without a subcommand it runs a broker.",
    after_help = AFTER_HELP,
    max_term_width = 110
)]
pub struct Flags {
    /// What to do instead of running a broker.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run the broker.
    #[command(flatten)]
    pub serve: Serve,
}

/// How to run a broker.
#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// Settings file in the syntax of Kafka's server.properties
    #[arg(value_name = "FILE")]
    pub properties: Option<PathBuf>,
    /// One setting by its Kafka name; may be given many times, and wins over file and environment
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Keep nothing: data lives in a temporary directory that is removed at exit. Prints one line of JSON with port and
    /// pid when ready
    #[arg(long)]
    pub ephemeral: bool,
    /// Listen on this port of 127.0.0.1 (0: any free one); short for --set listeners=PLAINTEXT://127.0.0.1:PORT
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as info,ottla::net=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// End in order when this process does
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
    /// The file and --set are all: environment variables are no settings
    #[arg(skip)]
    pub is_bare: bool,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

const AFTER_HELP: &str = "\
Examples:
  ottla                                        a broker on 127.0.0.1:9092, data in ./ottla-data
  ottla server.properties                      a broker with Kafka's own settings file
  ottla --set listeners=PLAINTEXT://:9092 --set log.dirs=/var/lib/ottla
  ottla --ephemeral --port 0                   a broker for a test suite; prints {\"port\":…,\"pid\":…}
  echo hello | ottla produce greetings         write one record
  ottla consume greetings --exit               read it back
  ottla topic create orders --partitions 6
  ottla dev                                    a cluster of three brokers on this machine

Settings have Kafka's names. They come from, each winning over the one before: FILE, the environment
(OTTLA_LOG_DIRS or KAFKA_LOG_DIRS for log.dirs), --set. An acknowledged record is on disk:
ottla.durability=relaxed gives that up for Kafka's behaviour.

Any Kafka client works too:
  kcat -b 127.0.0.1:9092 -L";

#[cfg(test)]
mod flags_test {
    use clap::CommandFactory;

    #[test]
    fn no_tool_has_two_flags_of_one_name() {
        super::Flags::command().debug_assert();
    }
}
