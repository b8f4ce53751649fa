//! The command line: what `ottla --help` teaches.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A replicated log that speaks the Kafka protocol.
#[derive(Parser, Debug)]
#[command(
    name = "ottla",
    version,
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
#[derive(Args, Debug, Default)]
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
    pub port: Option<u16>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as info,ottla::net=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
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

/// The tools beside the broker.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List, create, describe and delete topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Write records, one for each line of the standard input
    Produce(ProduceFlags),
    /// Read records and print them
    Consume(ConsumeFlags),
    /// List and describe consumer groups
    #[command(subcommand)]
    Group(GroupCommand),
    /// Look at what is on disk
    #[command(subcommand)]
    Log(LogCommand),
}

/// Where the broker is, and how to print.
#[derive(Args, Debug, Clone)]
pub struct Reach {
    /// Address of a broker
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", env = "OTTLA_BROKER")]
    pub broker: String,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// What to do with topics.
#[derive(Subcommand, Debug)]
pub enum TopicCommand {
    /// All topics
    List {
        /// Internal ones too
        #[arg(long)]
        internal: bool,
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
    /// Make a topic
    Create {
        /// Its name
        name: String,
        /// Number of partitions; the broker's num.partitions if not given
        #[arg(short, long)]
        partitions: Option<i32>,
        /// Number of replicas; the broker's default.replication.factor if not given
        #[arg(short, long)]
        replication: Option<i16>,
        /// A topic setting, such as retention.ms=60000; may be given many times
        #[arg(short, long = "config", value_name = "KEY=VALUE")]
        configs: Vec<String>,
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
    /// Partitions, offsets and settings of a topic
    Describe {
        /// Its name
        name: String,
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
    /// Remove a topic and all its records
    Delete {
        /// Its name
        name: String,
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
}

/// How to write records.
#[derive(Args, Debug)]
pub struct ProduceFlags {
    /// The topic
    pub topic: String,
    /// The partition; by the hash of the key, or spread, if not given
    #[arg(short, long)]
    pub partition: Option<i32>,
    /// Key of every record
    #[arg(short, long)]
    pub key: Option<String>,
    /// What stands between key and value on each line
    #[arg(long, value_name = "TEXT")]
    pub key_separator: Option<String>,
    /// A header NAME=VALUE of every record; may be given many times
    #[arg(long = "header", value_name = "NAME=VALUE")]
    pub headers: Vec<String>,
    /// Compression of the batches
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = ["none", "gzip", "snappy", "lz4", "zstd"])]
    pub compression: String,
    /// Where the broker is, and how to print.
    #[command(flatten)]
    pub reach: Reach,
}

/// How to read records.
#[derive(Args, Debug)]
pub struct ConsumeFlags {
    /// The topic
    pub topic: String,
    /// Only this partition
    #[arg(short, long)]
    pub partition: Option<i32>,
    /// Where to begin: beginning, end, an offset, -N for the last N records, or @MILLISECONDS since 1970
    #[arg(short, long, value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true)]
    pub offset: String,
    /// Stop after this many records
    #[arg(short = 'n', long)]
    pub count: Option<u64>,
    /// Stop at the end instead of waiting for more
    #[arg(short, long)]
    pub exit: bool,
    /// Where the broker is, and how to print.
    #[command(flatten)]
    pub reach: Reach,
}

/// What to do with groups.
#[derive(Subcommand, Debug)]
pub enum GroupCommand {
    /// All groups
    List {
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
    /// Members, offsets and lag of a group
    Describe {
        /// Its name
        name: String,
        /// Where the broker is, and how to print.
        #[command(flatten)]
        reach: Reach,
    },
}

/// What to do with files.
#[derive(Subcommand, Debug)]
pub enum LogCommand {
    /// Print the batches of a segment, a file that ends in .log
    Dump {
        /// The file
        file: PathBuf,
        /// Print every record, not only the batches
        #[arg(short, long)]
        records: bool,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
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

Settings have Kafka's names. They come from, each winning over the one before: FILE, the environment
(OTTLA_LOG_DIRS or KAFKA_LOG_DIRS for log.dirs), --set. An acknowledged record is on disk:
ottla.durability=relaxed gives that up for Kafka's behaviour.

Any Kafka client works too:
  kcat -b 127.0.0.1:9092 -L";
