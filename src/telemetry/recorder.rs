//! The text of `/metrics`: counters and histograms from the `metrics` recorder, gauges from [`Health`], and `process_*`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::health::Health;
use super::names::{METRICS, MetricKind};
use super::{exposition, flood};
use crate::domain::Timestamp;

/// Makes the text of `/metrics`.
#[derive(Clone, Debug)]
pub struct MetricsHandle {
    recorder: PrometheusHandle,
    process: metrics_process::Collector,
    health: Arc<Health>,
}

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics could not be set up: {0}")]
pub struct MetricsError(#[from] BuildError);

/// Installs the process's recorder and starts the thread that keeps it (and the flood guard) in order. Call it before
/// the first [`super::Meters`] is made; without it, metrics go nowhere and cost nothing.
///
/// # Errors
/// A recorder is installed already.
pub fn install_metrics(health: Arc<Health>) -> Result<MetricsHandle, MetricsError> {
    let recorder = build_recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(BuildError::from)?;
    describe();
    let metrics = MetricsHandle { recorder: handle, process: metrics_process::Collector::default(), health };
    metrics.process.describe();
    let kept = metrics.recorder.clone();
    // Histograms keep each sample until they are drained; a scrape drains them, and nobody may scrape.
    let upkeep = std::thread::Builder::new().name("metrics".into()).spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            kept.run_upkeep();
            flood::DEAD_LETTERS.report_due(Instant::now());
        }
    });
    if let Err(error) = upkeep {
        tracing::warn!(%error, "the metrics thread could not be started: histograms are drained at scrapes only");
    }
    Ok(metrics)
}

/// A recorder with our buckets, not installed: for tests.
pub(crate) fn build_recorder() -> Result<PrometheusRecorder, BuildError> {
    METRICS
        .iter()
        .try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
            MetricKind::Histogram(buckets) => {
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
            }
            MetricKind::Counter | MetricKind::Gauge => Ok(builder),
        })
        .map(PrometheusBuilder::build_recorder)
}

/// Describes what the recorder holds, and makes series without labels exist from the start, so that `rate()` sees their
/// first step. The gauges describe themselves.
pub(crate) fn describe() {
    for m in METRICS {
        match m.kind {
            MetricKind::Counter => describe_counter!(m.name, m.unit, m.help),
            MetricKind::Gauge => describe_gauge!(m.name, m.unit, m.help),
            MetricKind::Histogram(_) => describe_histogram!(m.name, m.unit, m.help),
        }
        if m.kind == MetricKind::Counter && m.labels.is_empty() {
            metrics::counter!(m.name).increment(0);
        }
    }
}

impl MetricsHandle {
    /// For tests: the process's one recorder, installed by whoever comes first, with this test's own `health`.
    #[cfg(test)]
    pub(crate) fn for_tests(health: Arc<Health>) -> Self {
        static INSTALLED: std::sync::OnceLock<MetricsHandle> = std::sync::OnceLock::new();
        let installed = INSTALLED.get_or_init(|| install_metrics(Arc::clone(&health)).unwrap());
        MetricsHandle { health, ..installed.clone() }
    }

    /// The metrics as of now, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        self.process.collect();
        let mut text = self.recorder.render();
        exposition::render(&self.health, wall_clock(), &mut text);
        text
    }
}

/// The wall clock, for ages at a scrape. The engine never asks it.
pub fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
