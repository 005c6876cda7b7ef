//! `orderwatch check`

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::{ConfigFile, Failure};
use crate::config::problem::SourceFile;
use crate::config::{self, Config, Style};
use crate::scenario;

/// Read the configuration and its policies, and say what they mean
///
/// Nothing is started and nothing is asked of Kafka. Ends with status 2 and every error of both files where they are
/// wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Runs every scenario (*.yaml) below this folder against the policies
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
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
    super::print(text)?;
    args.scenarios.map_or(Ok(()), |dir| run_scenarios(&dir, &config))
}

/// Runs them all; those that come out otherwise are said with their lines.
fn run_scenarios(dir: &Path, config: &Config) -> Result<(), Failure> {
    let files = documents_below(dir).map_err(|e| Failure::Wrong(format!("error: {}: {e}", dir.display())))?;
    if files.is_empty() {
        return Err(Failure::Wrong(format!("error: there is no scenario (*.yaml) below {}", dir.display())));
    }
    let (mut problems, mut otherwise) = (Vec::new(), 0);
    for path in &files {
        let text = fs::read_to_string(path).map_err(|e| Failure::Wrong(format!("error: {}: {e}", path.display())))?;
        let found = scenario::check(SourceFile::new(path.display().to_string(), text), config);
        otherwise += usize::from(!found.is_empty());
        problems.extend(found);
    }
    if problems.is_empty() {
        return super::print(format!("\n{} scenarios come out as told\n", files.len()));
    }
    let said = config::render(&problems, Style::of(io::stderr().is_terminal()));
    Err(Failure::Wrong(format!("{said}{otherwise} of {} scenarios come out otherwise", files.len())))
}

/// By name.
fn documents_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(documents_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
