//! Which records of the past a command reads: a dump, or a range of the topics.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::config::{Config, units};
use crate::domain::{Millis, Str, Timestamp};
use crate::kafka::range;
use crate::replay::decode::Codecs;
use crate::replay::{Dump, Plan, Step};

/// `--input`, or `--from`: one of them.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct Records {
    /// Read a dump: lines of JSON as `kcat -C -J` writes them; `-` is standard input
    #[arg(long, value_name = "DUMP")]
    pub input: Option<PathBuf>,

    /// Read the topics themselves, from this record time to their end as it is now: RFC 3339, `-30d` for so long before
    /// now, or `earliest`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_from)]
    from: Option<Start>,
}

/// `--to`.
#[derive(Debug, clap::Args)]
pub struct Until {
    /// End before this record time: RFC 3339, or `-30d` for so long before now. Without it, with the last record
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_when)]
    to: Option<When>,
}

/// A point in record time, as the command line says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    At(Timestamp),
    Ago(Millis),
}

/// Where a range of the topics begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Earliest,
    When(When),
}

impl Records {
    /// Whether any are named.
    pub fn are_given(&self) -> bool {
        self.input.is_some() || self.from.is_some()
    }

    /// Opens the dump, or copies the range of the topics.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn open(&self, config: &Config, bar: &mut Bar) -> Result<Dump, Failure> {
        let topics: Vec<Str> = config.streams.iter().chain(&config.inventory).map(|s| s.topic.clone()).collect();
        match (&self.input, self.from) {
            (None, None) => Err(Failure::Wrong("error: give the records: --input DUMP or --from TIME".to_owned())),
            (Some(input), _) => open(input, &topics, &mut |step| bar.show(step)),
            (None, from) => fetch(config, &topics, from, &mut |step| bar.show(step)),
        }
    }
}

impl Until {
    /// How the records are judged. `name`: what the replay is called in what it says.
    pub fn plan(&self, config: &Config, name: &Str) -> Plan {
        let clock = now();
        let mut settings = config.settings();
        // A replay publishes everything: `start:` concerns `run` alone.
        settings.publish_after = Timestamp::MIN;
        settings.replay = Some(name.clone());
        Plan {
            codecs: Codecs { orders: config.stream_codecs(), inventory: config.inventory_codecs() },
            policies: Arc::clone(&config.policies),
            settings: Arc::new(settings),
            clock,
            to: self.to.map(|when| when.before(clock)),
        }
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
    let orders = config.streams.len();
    Dump::collect(Path::new("the topics"), topics, progress, |visit| {
        range::read(&config.kafka, topics, orders, from, visit)
    })
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
pub struct Bar {
    bar: ProgressBar,
    phase: Option<&'static str>,
}

impl Bar {
    /// Nothing to show yet.
    pub fn new() -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Bar { bar, phase: None }
    }

    /// Shows how far it has come.
    pub fn show(&mut self, step: Step) {
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

    /// Takes it away.
    pub fn clear(&self) {
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
