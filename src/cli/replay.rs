//! `orderwatch replay`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::records::{Bar, Records, Until};
use super::{ConfigFile, Failure};
use crate::codec::{Format, encode_exception};
use crate::config::{self, Style};
use crate::domain::Str;
use crate::replay::output::Output;
use crate::replay::{Dump, Summary, replay};

/// Run records of the past through the engine, and say what comes out
///
/// The same input gives the same output to the byte, whatever the order of a dump's lines. Without --output and
/// --summary, the summary is printed as a table.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Judge by these policies instead of those that the configuration names
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,

    #[command(flatten)]
    records: Records,

    #[command(flatten)]
    until: Until,

    /// Write the exceptions here, one JSON value a line; `-` is standard output
    #[arg(long, value_parser = output_path, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print what was counted. With `--output -` it goes to standard error
    #[arg(long, value_name = "FORMAT")]
    summary: Option<SummaryFormat>,

    /// The replay's name, in the field `replay` of what it writes
    #[arg(long, value_name = "NAME", default_value = "replay")]
    name: Str,
}

/// How the summary is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SummaryFormat {
    /// One line, for programs.
    Json,
    /// A table, for people.
    Table,
}

/// Refuses what the contract names and is not built yet, so that it becomes no file of that name.
fn output_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("topic:") {
        Some(_) => Err("not built yet: write a file, or `-` for standard output, and produce its lines".to_owned()),
        None => Ok(PathBuf::from(text)),
    }
}

/// Replays, writes and counts.
///
/// # Errors
/// The configuration is wrong or the input is not there; the input is broken or the output cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (config, warnings) = args.config.load(args.policies.as_deref())?;
    if !warnings.is_empty() {
        eprint!("{}", config::render(&warnings, Style::of(io::stderr().is_terminal())));
    }
    let mut bar = Bar::new();
    let dump = args.records.open(&config, &mut bar)?;
    let plan = args.until.plan(&config, &args.name);
    let mut output = match args.output.as_deref() {
        Some(path) if path == Path::new("-") => Some(Output::stdout()),
        Some(path) => Some(Output::file(path, args.records.input.as_deref())?),
        None => None,
    };
    let mut write = |exception: &_| match &mut output {
        Some(output) => output.line(&encode_exception(exception, Format::Json)),
        None => Ok(()),
    };
    let summary = replay(&dump, &plan, &mut write, &mut |step| bar.show(step));
    bar.clear();
    let summary = summary?;
    output.map_or(Ok(()), Output::finish)?;
    remark(&dump, &summary);
    print_summary(&args, &summary)
}

/// What was left out of the dump is said, since it is in no count.
fn remark(dump: &Dump, summary: &Summary) {
    for (topic, lines) in &dump.undeclared {
        eprintln!("note: {lines} lines of topic {topic} were left out: no stream declares it");
    }
    if dump.repeated_lines > 0 {
        eprintln!("note: {} lines were left out: their record had come before", dump.repeated_lines);
    }
    for (reason, count) in &summary.dead_letter_reasons {
        eprintln!("note: {count} dead letters: {reason}");
    }
}

fn print_summary(args: &Args, summary: &Summary) -> Result<(), Failure> {
    let text = match args.summary {
        Some(SummaryFormat::Json) => summary.to_json()?,
        Some(SummaryFormat::Table) => summary.to_table(),
        None if args.output.is_none() => summary.to_table(),
        None => return Ok(()),
    };
    if args.output.as_deref() == Some(Path::new("-")) {
        eprint!("{text}");
        return Ok(());
    }
    super::print(text)
}
