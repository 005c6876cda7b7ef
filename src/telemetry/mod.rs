//! What the people who run orderwatch see: one typed event makes exactly one log line and its metrics.
//!
//! Nobody else calls the macros of `tracing` or `metrics` (a test below reads the sources for it): a happening is a struct in
//! [`events`], and [`emit`] says it. So the words of a log line and the metrics that go with it stand side by side.
//!
//! - `events/`: the happenings, a file for each part of the house
//! - `names`: every metric: name, kind, unit, labels, help; `docs/metrics.md` is checked against it
//! - `meters`: handles made once for what happens often
//! - `health`: what holds now, by shard; the gauges, `/healthz` and `/readyz` are read from it, so they cannot drift
//! - `flood`: a log line that repeats is said a few times and then summed up every 10 s
//! - `recorder`: makes the text of `/metrics`
//! - `logging`: text or JSON, to standard error

pub mod events;
mod exposition;
mod flood;
pub mod health;
pub mod logging;
pub mod meters;
pub mod names;
pub mod recorder;

pub use health::{
    BacklogStatus, Health, Held, Incomplete, InputStatus, OpenCount, RestoreStatus, ShardState, ShardStatus,
    SnapshotStatus,
};
pub use logging::{LogFormat, init_logging};
pub use meters::Meters;
pub use names::METRIC_NAMES;
pub use recorder::{MetricsHandle, install_metrics, wall_clock};

/// Something that happened, as the people who run orderwatch should hear of it.
pub trait InternalEvent {
    /// Writes the one log line and moves the metrics. Called by [`emit`] alone.
    fn emit(self);
}

/// Says that something happened.
pub fn emit(event: impl InternalEvent) {
    event.emit();
}

/// Writes out what the flood guard still holds back. For the end of a run; while it runs a thread does it.
pub fn flush() {
    flood::DEAD_LETTERS.report_all();
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn nobody_else_writes_log_lines_or_moves_metrics() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        sources(&src, &mut files);
        assert!(files.len() > 20, "the sources were not found");
        // `tracing::Level` and the like would be as telling: nobody outside needs the crates at all.
        let macros = ["trace", "debug", "info", "warn", "error"].map(|m| format!("tracing::{m}"));
        let metrics = ["counter", "gauge", "histogram"].map(|m| format!("metrics::{m}"));
        let forbidden: Vec<_> =
            macros.into_iter().chain(metrics).chain(["use tracing".to_owned(), "use metrics".to_owned()]).collect();
        for (path, text) in files.iter().filter(|(path, _)| !path.contains("/telemetry/")) {
            for word in &forbidden {
                assert!(
                    !text.contains(word),
                    "{path} says `{word}`: make it an event in src/telemetry/events and emit() it"
                );
            }
        }
    }
}
