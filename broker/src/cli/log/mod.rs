//! `ottla log`: what is on disk. Works on files alone, whether a broker runs or not.

mod dump;
mod says;
mod scan;

use super::Done;
use clap::Subcommand;

/// What to do with files.
#[derive(Subcommand, Debug)]
pub enum LogCommand {
    /// Print what a segment, an index, the journal or the catalogue holds
    Dump(dump::DumpFlags),
}

/// Runs `ottla log`.
pub fn run(command: LogCommand) -> Done<()> {
    match command {
        LogCommand::Dump(flags) => dump::run(&flags),
    }
}
