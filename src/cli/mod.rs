//! The command line: one file a command.
//!
//! To add one: a file here with `pub struct Args` (clap) and `pub fn run(args: Args) -> Result<(), Failure>`, its name
//! in [`Command`], and its line in [`run`]. Results go to standard output by [`print`], errors to standard error, and
//! the exit status is 0 (done), 1 (it ran and failed) or 2 (the command line, configuration or policies are wrong).

mod check;
mod completions;
mod demo;
mod explain;
pub mod log;
mod records;
mod replay;
mod run;
mod snapshot;

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Style, Warning};

/// Says which orders broke a promise, which queues back up and which records disagree.
#[derive(Debug, Parser)]
#[command(name = "orderwatch", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Snapshot(snapshot::Args),
    Completions(completions::Args),
    Demo(demo::Args),
    Replay(replay::Args),
    Explain(explain::Args),
    Run(run::Args),
}

/// `--config`, for the commands that need one: `#[command(flatten)] config: ConfigFile`.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration; it names the policies
    #[arg(long = "config", value_name = "FILE", default_value = "orderwatch.yaml")]
    path: PathBuf,
}

impl ConfigFile {
    /// Reads the configuration and its policies, or `other_policies` in their place.
    ///
    /// # Errors
    /// Either file is wrong: every error of both.
    pub fn load(&self, other_policies: Option<&Path>) -> Result<(Config, Vec<Warning>), Failure> {
        Config::load_with(&self.path, other_policies, &|name| std::env::var(name).ok())
            .map_err(|errors| Failure::Wrong(errors.render(Style::of(io::stderr().is_terminal()))))
    }
}

/// Why a command ends with another status than 0.
#[derive(Debug)]
pub enum Failure {
    /// The command line, the configuration or the policies are wrong; nothing was started. Exit status 2. The text is
    /// printed as it is.
    Wrong(String),
    /// It ran and failed. Exit status 1. Printed with its causes.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Check(args) => check::run(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Run(args) => run::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is gone too, nobody is left to tell.
            let _ = writeln!(io::stderr().lock(), "{failure}");
            failure.exit_code()
        }
    }
}

/// Writes a command's result to standard output. A reader that has gone away (`orderwatch check | head`) has seen what
/// it wanted: that is no failure.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub fn print(result: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match write!(out, "{result}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Failed(Box::new(e))),
        _ => Ok(()),
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Wrong(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Wrong(text) => f.write_str(text.trim_end()),
            Failure::Failed(error) => {
                write!(f, "error: {error}")?;
                let mut cause = error.source();
                while let Some(e) = cause {
                    write!(f, "\n  because: {e}")?;
                    cause = e.source();
                }
                Ok(())
            }
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Failed(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_failure_is_printed_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the topic orders cannot be read")]
        struct Outer(#[source] io::Error);
        let failure = Failure::from(Outer(io::Error::other("connection refused")));
        assert_eq!(failure.to_string(), "error: the topic orders cannot be read\n  because: connection refused");
    }
}
