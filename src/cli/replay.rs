//! `orderwatch replay`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use super::{ConfigFile, Failure};
use crate::codec::{Format, encode_exception};
use crate::config::{self, Config, Style, units};
use crate::domain::{Millis, Str, Timestamp};
use crate::kafka::range;
use crate::replay::output::Output;
use crate::replay::{Dump, Plan, Step, Summary, replay};

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

    /// Read a dump: lines of JSON as `kcat -C -J` writes them; `-` is standard input
    #[arg(long, value_name = "DUMP", required_unless_present = "from", conflicts_with = "from")]
    input: Option<PathBuf>,

    /// Read the topics themselves, from this record time to their end as it is now: RFC 3339, `-30d` for so long before
    /// now, or `earliest`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_from)]
    from: Option<Start>,

    /// End before this record time: RFC 3339, or `-30d` for so long before now. Without it, with the last record
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_when)]
    to: Option<When>,

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

/// A point in record time, as the command line says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    At(Timestamp),
    Ago(Millis),
}

/// Where a range of the topics begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    Earliest,
    When(When),
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
    let topics: Vec<Str> = config.streams.iter().map(|s| s.topic.clone()).collect();
    let dump = match (&args.input, args.from) {
        (Some(input), _) => open(input, &topics, &mut |step| bar.show(step))?,
        (None, from) => fetch(&config, &topics, from, &mut |step| bar.show(step))?,
    };
    let plan = plan(&config, &args);
    let mut output = match args.output.as_deref() {
        Some(path) if path == Path::new("-") => Some(Output::stdout()),
        Some(path) => Some(Output::file(path, args.input.as_deref())?),
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

fn plan(config: &Config, args: &Args) -> Plan {
    let clock = now();
    let mut settings = config.settings();
    // A replay publishes everything: `start:` concerns `run` alone.
    settings.publish_after = Timestamp::MIN;
    settings.replay = Some(args.name.clone());
    Plan {
        codecs: config.stream_codecs(),
        policies: Arc::clone(&config.policies),
        settings: Arc::new(settings),
        clock,
        to: args.to.map(|when| when.before(clock)),
    }
}

fn open(input: &Path, topics: &[Str], progress: &mut dyn FnMut(Step)) -> Result<Dump, Failure> {
    if input == Path::new("-") {
        return Ok(Dump::spool(io::stdin().lock(), Path::new("standard input"), topics, progress)?);
    }
    if let Err(e) = input.metadata() {
        return Err(Failure::Wrong(format!("error: --input {}: {e}", input.display())));
    }
    Ok(Dump::open(input, topics, progress)?)
}

/// Copies a range of the topics.
fn fetch(
    config: &Config,
    topics: &[Str],
    from: Option<Start>,
    progress: &mut dyn FnMut(Step),
) -> Result<Dump, Failure> {
    let from = match from {
        Some(Start::When(when)) => Some(when.before(now())),
        Some(Start::Earliest) | None => None,
    };
    Dump::collect(Path::new("the topics"), topics, progress, |visit| range::read(&config.kafka, topics, from, visit))
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

fn parse_when(text: &str) -> Result<When, String> {
    match text.strip_prefix('-') {
        Some(length) => units::duration(length).map(When::Ago),
        None => units::instant(text).map(When::At),
    }
}

fn parse_from(text: &str) -> Result<Start, String> {
    if text == "earliest" { Ok(Start::Earliest) } else { parse_when(text).map(Start::When) }
}

impl When {
    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(at) => at,
            When::Ago(length) => now - length,
        }
    }
}

/// The wall clock.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// The progress bar: on a terminal alone.
struct Bar {
    bar: ProgressBar,
    phase: Option<&'static str>,
}

impl Bar {
    fn new() -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Bar { bar, phase: None }
    }

    fn show(&mut self, step: Step) {
        match step {
            Step::Copying { bytes } => {
                self.enter("copying", "copying {bytes} ({bytes_per_sec})");
                self.bar.set_position(bytes);
            }
            Step::Indexing { bytes, total } => {
                self.enter("indexing", "indexing {bar:30} {bytes}/{total_bytes} ({bytes_per_sec})");
                self.bar.set_length(total);
                self.bar.set_position(bytes);
            }
            Step::Replaying { records, total, record_time } => {
                self.enter(
                    "replaying",
                    "replaying {bar:30} {human_pos}/{human_len} records ({per_sec}) {msg} eta {eta}",
                );
                self.bar.set_length(total);
                self.bar.set_position(records);
                self.bar.set_message(record_time.to_string());
            }
        }
    }

    fn enter(&mut self, phase: &'static str, template: &str) {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.bar.reset();
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_or_so_long_ago() {
        let now = Timestamp::from_millis(1_000_000_000);
        assert_eq!(parse_when("-1h").unwrap().before(now), Timestamp::from_millis(996_400_000));
        assert_eq!(parse_when("1970-01-01T00:00:01Z").unwrap().before(now), Timestamp::from_millis(1000));
        for wrong in ["", "-", "yesterday", "-1", "2026-01-01"] {
            assert!(parse_when(wrong).is_err(), "{wrong}");
        }
    }
}
