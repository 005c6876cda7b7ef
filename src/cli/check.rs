//! `orderwatch check`

use std::io::{self, IsTerminal};

use super::{ConfigFile, Failure};
use crate::config::{self, Style};

/// Read the configuration and its policies, and say what they mean
///
/// Nothing is started and nothing is asked of Kafka. Ends with status 2 and every error of both files where they are
/// wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Prints what was understood, and what is probably not meant.
///
/// # Errors
/// The files are wrong, or standard output cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (config, warnings) = args.config.load(None)?;
    let mut text = config::summary(&config);
    if !warnings.is_empty() {
        text.push('\n');
        text.push_str(&config::render(&warnings, Style::of(io::stdout().is_terminal())));
    }
    super::print(text)
}
