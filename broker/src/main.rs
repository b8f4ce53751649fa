//! The binary: flags, then a broker or one of the tools.

use clap::Parser;
use ottla::flags::Flags;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let flags = Flags::parse();
    match flags.command {
        None => ottla::serve::run(&flags.serve),
        Some(command) => ottla::cli::run(command),
    }
}
