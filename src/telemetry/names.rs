//! Every metric orderwatch exports. CONTRACT's list comes first; what follows it is ours.

use metrics::Unit;

/// What kind of series a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only ever rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper bound.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As scraped.
    pub name: &'static str,
    /// What kind of series.
    pub kind: MetricKind,
    /// The base unit.
    pub unit: Unit,
    /// Label names. None of them ever holds an order.
    pub labels: &'static [&'static str],
    /// One sentence, for `# HELP` and docs/metrics.md.
    pub help: &'static str,
}

/// 1 min to 30 d.
const CYCLE_BUCKETS: &[f64] = &[
    60.0,
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    14_400.0,
    28_800.0,
    43_200.0,
    86_400.0,
    172_800.0,
    259_200.0,
    432_000.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
];
/// 5 ms to 1 h.
const DETECTION_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];
/// 1 ms to 15 s: a transaction cannot take longer than its time-out.
const COMMIT_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

macro_rules! metrics_table {
    ($( $konst:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $help:literal; )*) => {
        $( #[doc = $help] pub const $konst: &str = $name; )*
        /// Every metric of our own; `process_*` comes from the metrics-process crate.
        pub const METRICS: &[Metric] = &[ $( Metric {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &[$($label),*], help: $help,
        } ),* ];
    };
}

use MetricKind::{Counter, Gauge, Histogram};

metrics_table! {
    EVENTS = "orderwatch_events_total", Counter, Count, ["stream"],
        "Events decoded, repeats and late ones included.";
    DEAD_LETTERS = "orderwatch_dead_letters_total", Counter, Count, ["stream", "reason"],
        "Records that could not be read or applied and went to the dead-letter topic.";
    DUPLICATE_EVENTS = "orderwatch_duplicate_events_total", Counter, Count, ["stream"],
        "Events that were told again, to the letter.";
    LATE_EVENTS = "orderwatch_late_events_total", Counter, Count, ["stream"],
        "Events that arrived below the frontier.";
    EXCEPTIONS = "orderwatch_exceptions_total", Counter, Count, ["kind", "policy", "status"],
        "Transitions published and committed.";
    EXCEPTIONS_OPEN = "orderwatch_exceptions_open", Gauge, Count, ["kind", "policy", "severity", "owner", "route", "status"],
        "Exceptions that stand now (at_risk, opened or escalated), counted from the published set.";
    ORDERS_OPEN = "orderwatch_orders_open", Gauge, Count, [],
        "Orders known and not closed, over the shards held here.";
    ENTITIES_OPEN = "orderwatch_entities_open", Gauge, Count, ["entity"],
        "Checkouts, returns and what else streams are about, known and not closed, over the shards held here.";
    CYCLE_SECONDS = "orderwatch_cycle_seconds", Histogram(CYCLE_BUCKETS), Seconds, ["policy", "outcome"],
        "Running time of ended SLA cycles, by the policy's calendar and without its pauses.";
    DETECTION_DELAY_SECONDS = "orderwatch_detection_delay_seconds", Histogram(DETECTION_BUCKETS), Seconds, [],
        "From deadline + grace until the breach was committed.";
    BACKLOG_DEPTH = "orderwatch_backlog_depth", Gauge, Count, ["policy", "group"],
        "Orders in the queue at the last grid point judged.";
    BACKLOG_OLDEST_AGE_SECONDS = "orderwatch_backlog_oldest_age_seconds", Gauge, Seconds, ["policy", "group"],
        "Age of the oldest order in the queue at the last grid point judged; 0 for an empty queue.";
    FRONTIER_LAG_SECONDS = "orderwatch_frontier_lag_seconds", Gauge, Seconds, ["shard"],
        "How far the shard's frontier lies behind the clock, at the scrape.";
    FRONTIER_HELD = "orderwatch_frontier_held", Gauge, Count, ["shard", "cause"],
        "1 while the shard's frontier is held for this cause.";
    INPUT_LAG_RECORDS = "orderwatch_input_lag_records", Gauge, Count, ["topic", "partition"],
        "Offsets between our position and the high watermark last seen.";
    COMMIT_SECONDS = "orderwatch_commit_seconds", Histogram(COMMIT_BUCKETS), Seconds, [],
        "From the start of a batch's commit until the broker confirmed it.";
    SNAPSHOT_AGE_SECONDS = "orderwatch_snapshot_age_seconds", Gauge, Seconds, ["shard"],
        "Time since the shard's newest good snapshot was taken, at the scrape.";
    SNAPSHOT_SECONDS = "orderwatch_snapshot_seconds", Gauge, Seconds, [],
        "How long the newest snapshot of a shard took; the longest over the shards held here.";
    SNAPSHOT_BYTES = "orderwatch_snapshot_bytes", Gauge, Bytes, [],
        "Size of the newest snapshots, summed over the shards held here.";
    SNAPSHOT_FAILURES = "orderwatch_snapshot_failures_total", Counter, Count, [],
        "Snapshots that could not be taken, written or, for a restore, read.";
    RESTORE_SECONDS = "orderwatch_restore_seconds", Gauge, Seconds, [],
        "How long the last restore of a shard took; the longest over the shards held here.";
    REBALANCES = "orderwatch_rebalances_total", Counter, Count, [],
        "Changes of this member's assignment.";
    BUILD_INFO = "orderwatch_build_info", Gauge, Count, ["version"],
        "Always 1; the version runs here.";
    POLICIES_INFO = "orderwatch_policies_info", Gauge, Count, ["version"],
        "Always 1; the policy document in force here.";

    // --- beyond CONTRACT's list ---
    SHARDS = "orderwatch_shards", Gauge, Count, ["state"],
        "Shards held here, by state.";
    LOOP_AGE_SECONDS = "orderwatch_loop_age_seconds", Gauge, Seconds, [],
        "Time since the loop last turned, at the scrape.";
    EVENT_CONFLICTS = "orderwatch_event_conflicts_total", Counter, Count, ["stream"],
        "Events whose identity was known with other content; the first in the log stands.";
    AFTER_CLOSE_EVENTS = "orderwatch_after_close_events_total", Counter, Count, ["stream"],
        "Events of orders that had been closed for longer than retain_closed: counted, not applied.";
    NULL_RECORDS = "orderwatch_null_records_total", Counter, Count, ["stream"],
        "Records without a value, skipped.";
    AHEAD_RECORDS = "orderwatch_ahead_records_total", Counter, Count, ["stream"],
        "Records whose time lay ahead of the clock when they were read; they moved no frontier.";
    ORDERS_EVICTED = "orderwatch_orders_evicted_total", Counter, Count, [],
        "Orders that were silent for max_open and left memory.";
    KEPT_BACK = "orderwatch_kept_back_total", Counter, Count, [],
        "Exceptions that were due before publish_after and were not published.";
    UNPROVEN = "orderwatch_unproven_total", Counter, Count, [],
        "Exceptions that began before complete_since and were not published: what would disprove them may be removed.";
    COMPLETE_SINCE = "orderwatch_complete_since_timestamp_seconds", Gauge, Seconds, ["shard"],
        "Unix time from which on the shard could read every record of its inputs; absent where that is always.";
    INPUT_RECORDS_LOST = "orderwatch_input_records_lost_total", Counter, Count, ["topic"],
        "Input offsets that a restore needed and retention had removed.";
    TRANSACTIONS_ABORTED = "orderwatch_transactions_aborted_total", Counter, Count, [],
        "Output transactions that were aborted and made again.";
    EXCEPTIONS_CUT = "orderwatch_exceptions_cut_total", Counter, Count, [],
        "Records of exceptions that were written without the order's attributes, being too large for their topic.";
    RECORDS_TOO_LARGE = "orderwatch_records_too_large_total", Counter, Count, [],
        "Records that were too large for their topic even so; each try counts.";
    WRITES_DENIED = "orderwatch_writes_denied_total", Counter, Count, ["topic"],
        "Batches that were not written because the broker lets us not write to this topic; each try counts.";
    KAFKA_ERRORS = "orderwatch_kafka_errors_total", Counter, Count, ["code"],
        "Errors that the Kafka client reported.";
    CLOCK_HOLDS = "orderwatch_clock_holds_total", Counter, Count, [],
        "Times the wall clock and the monotonic clock disagreed by more than a second.";
    POLICIES_REFUSED = "orderwatch_policies_refused_total", Counter, Count, [],
        "Policy documents that were not put in force (a lower revision, or an equal one with other text).";
    SNAPSHOTS = "orderwatch_snapshots_total", Counter, Count, [],
        "Snapshots written.";
    SNAPSHOTS_SKIPPED = "orderwatch_snapshots_skipped_total", Counter, Count, [],
        "Snapshots found damaged or foreign at a restore and skipped for the one before.";
}

const COUNT: usize = METRICS.len();

/// The names of [`METRICS`], for tests and dashboards to check against.
pub const METRIC_NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let mut i = 0;
    while i < COUNT {
        names[i] = METRICS[i].name;
        i += 1;
    }
    names
};

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.name == name)
}

impl MetricKind {
    /// As `# TYPE` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nServed at `/metrics` in Prometheus' text format, with `process_*` beside them. No label ever holds \
             an order; series of a shard go when the shard does. This page is made from `src/telemetry/names.rs` by \
             `ORDERWATCH_REGENERATE=1 cargo test --lib telemetry::names`.\n\n| metric | kind | labels | what it says |\n\
             |---|---|---|---|\n",
        );
        for m in METRICS {
            let labels: Vec<_> = m.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(page, "| `{}` | {} | {} | {} |", m.name, m.kind.as_str(), labels.join(" "), m.help);
        }
        page
    }

    #[test]
    fn the_page_of_metrics_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        if std::env::var_os("ORDERWATCH_REGENERATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page(), "docs/metrics.md says how it is made");
    }

    #[test]
    fn names_follow_prometheus_conventions() {
        for m in METRICS {
            assert!(m.name.starts_with("orderwatch_"), "{}", m.name);
            assert_eq!(m.name.ends_with("_total"), m.kind == Counter, "{}", m.name);
            if m.unit == Unit::Seconds {
                assert!(m.name.ends_with("_seconds"), "{}", m.name);
            }
            if let Histogram(buckets) = m.kind {
                assert!(buckets.is_sorted() && !buckets.is_empty(), "{}", m.name);
            }
            assert!(!m.labels.contains(&"order_id") && m.help.ends_with('.'), "{}", m.name);
        }
        assert_eq!(METRIC_NAMES.iter().collect::<std::collections::BTreeSet<_>>().len(), METRICS.len());
    }
}
