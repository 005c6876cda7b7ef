//! What the people who run orderwatch see: one typed event makes exactly one log line and its metrics.
//!
//! Nobody else calls the macros of `tracing` or `metrics` (clippy.toml refuses them elsewhere): a happening is a struct in
//! [`events`], and [`emit`] says it. So the words of a log line and the metrics that go with it stand side by side.
//!
//! - `events/`: the happenings, a file for each part of the house
//! - `names`: every metric: name, kind, unit, labels, help; `docs/metrics.md` is checked against it
//! - `meters`: handles made once for what happens often
//! - `health`: what holds now, by shard; the gauges, `/healthz` and `/readyz` are read from it, so they cannot drift
//! - `flood`: a log line that repeats is said a few times and then summed up every 10 s
//! - `recorder`: makes the text of `/metrics`
//! - `logging`: text or JSON, to standard error

#![allow(clippy::disallowed_macros)]

pub mod events;
mod exposition;
mod flood;
pub mod health;
pub mod logging;
pub mod meters;
pub mod names;
pub mod recorder;

pub use health::{
    BacklogStatus, Health, Held, InputStatus, OpenCount, RestoreStatus, ShardState, ShardStatus, SnapshotStatus,
};
pub use logging::{LogFormat, init_logging};
pub use meters::Meters;
pub use names::METRIC_NAMES;
pub use recorder::{MetricsHandle, install_metrics};

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
