//! The command line's entry: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    orderwatch::cli::run(orderwatch::cli::Cli::parse())
}
