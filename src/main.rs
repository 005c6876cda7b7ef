//! The command line's entry: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;

/// A record, its event and what is said of it live for a moment each: with the system's allocator a sixth of a catch-up's time
/// was malloc's (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orderwatch::cli::run(orderwatch::cli::Cli::parse())
}
