//! The tools beside the broker: they speak to it as any client does.

mod consume;
mod group;
mod log;
mod produce;
mod remote;
mod show;
mod topic;

use crate::flags::Command;
use std::process::ExitCode;

/// Runs one tool. Exit codes: 0 if it did what it was asked, 1 if it could not.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Topic(command) => topic::run(command),
        Command::Produce(flags) => produce::run(&flags),
        Command::Consume(flags) => consume::run(&flags),
        Command::Group(command) => group::run(command),
        Command::Log(command) => log::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(mistake) => {
            eprintln!("ottla: {mistake}");
            ExitCode::FAILURE
        }
    }
}
