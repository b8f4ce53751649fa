//! The command line.

use crate::rows;
use crate::systems::{self, System};

const HELP: &str = "bench: measures brokers side by side

  --rows 1,2           rows of the scoreboard (default 1,2; `all`)
  --systems a,b        ottla, ottla-relaxed, floor, floor-direct, floor-durable, kafka, kafka-flush
                       (default ottla,ottla-relaxed,floor,floor-direct,floor-durable,kafka)
  --rounds 7           rounds, interleaved
  --megabytes 512      record bytes of one measurement of row 1; other rows take their share
  --warm-megabytes 512 record bytes of each size produced before the first round
  --connections 5000   idle connections of row 7
  --partitions 10000   idle partitions of row 8
  --log-megabytes 10240  record bytes of row 10
  --codec none         compression of the records: none, lz4, zstd, gzip, snappy
  --keep-busy-rounds   do not drop rounds measured while the machine was busy

Rows:
";

/// What to measure.
pub struct Options {
    /// Names of rows.
    pub rows: Vec<String>,
    /// Who is measured, in order.
    pub systems: Vec<&'static System>,
    /// How often.
    pub rounds: usize,
    /// Record bytes of one measurement of row 1.
    pub bytes: u64,
    /// Record bytes of each request size before the first round.
    pub warm_bytes: u64,
    /// Idle connections of row 7.
    pub connections: usize,
    /// Idle partitions of row 8.
    pub partitions: i32,
    /// Record bytes in the log of row 10.
    pub log_bytes: u64,
    /// Compression of the records.
    pub codec: String,
    /// Whether busy rounds count.
    pub keep_busy_rounds: bool,
}

impl Options {
    /// Reads the arguments; the error is what to print instead of measuring.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let default = ["ottla", "ottla-relaxed", "floor", "floor-direct", "floor-durable", "kafka"];
        let mut options = Options {
            rows: vec!["1".into(), "2".into()],
            systems: default.iter().filter_map(|name| systems::named(name)).collect(),
            rounds: 7,
            bytes: 512 << 20,
            warm_bytes: 512 << 20,
            connections: 5000,
            partitions: 10_000,
            log_bytes: 10 << 30,
            codec: "none".into(),
            keep_busy_rounds: false,
        };
        let mut arguments = arguments;
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--rows" => options.rows = value()?.split(',').map(str::to_owned).collect(),
                "--systems" => {
                    let found = |name: &str| systems::named(name).ok_or(format!("no system {name}"));
                    options.systems = value()?.split(',').map(found).collect::<Result<_, _>>()?;
                }
                "--rounds" => options.rounds = number(&value()?)?,
                "--megabytes" => options.bytes = (number(&value()?)? as u64) << 20,
                "--warm-megabytes" => options.warm_bytes = (number(&value()?)? as u64) << 20,
                "--connections" => options.connections = number(&value()?)?,
                "--partitions" => {
                    options.partitions = value()?.parse().map_err(|_| "--partitions is a number".to_owned())?;
                }
                "--log-megabytes" => options.log_bytes = (number(&value()?)? as u64) << 20,
                "--codec" => options.codec = value()?,
                "--keep-busy-rounds" => options.keep_busy_rounds = true,
                "--help" => return Err(format!("{HELP}{}", rows::list())),
                other => return Err(format!("no flag {other}; see --help")),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
