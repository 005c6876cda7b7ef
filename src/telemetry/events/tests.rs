//! One event, one log line, its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;
use crate::domain::{Kind, Millis, Severity, Str, StreamId, Timestamp};
use crate::engine::HeldCause;
use crate::policy::cycle::Scope;
use crate::policy::promise::PromiseRule;
use crate::policy::sla::{MilestoneRef, Occurrence, Sla, Target};
use crate::policy::{Policies, Responsibility};
use crate::telemetry::recorder::{build_recorder, describe};
use crate::telemetry::{InternalEvent, Meters, emit};

struct Counting(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What `run` wrote: log lines, and the metrics afterwards.
fn observe(run: impl FnOnce(&PrometheusHandle)) -> (usize, String) {
    let lines = Arc::new(AtomicUsize::new(0));
    let subscriber = tracing_subscriber::registry().with(Counting(Arc::clone(&lines)));
    let recorder = build_recorder().unwrap();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe();
        tracing::subscriber::with_default(subscriber, || run(&handle));
    });
    (lines.load(Ordering::Relaxed), handle.render())
}

fn check(event: impl InternalEvent, series: &[&str]) {
    let (lines, text) = observe(|_| emit(event));
    assert_eq!(lines, 1, "log lines; {series:?}");
    for line in series {
        assert!(text.lines().any(|l| l == *line), "`{line}` is not in\n{text}");
    }
}

fn policies() -> Policies {
    let milestone =
        |name: &str| MilestoneRef { milestone: crate::domain::Milestone::parse(name), occurrence: Occurrence::First };
    let sla = Sla {
        id: "paid-in-1h".into(),
        entity: crate::domain::Entity::order(),
        when: None,
        first_match: None,
        scope: Scope::Order,
        each: false,
        start: milestone("order.placed"),
        stop: milestone("order.paid_in_full"),
        cancel_on: vec![],
        pause: None,
        calendar: None,
        target: Target::Duration(Millis::from_secs(3600)),
        promise: PromiseRule::Latest,
        warn_at: vec![],
        escalate_after: vec![],
        grace: None,
        backfill: false,
        responsibility: Responsibility {
            severity: Severity::Critical,
            owner: "pay".into(),
            route: "pay".into(),
            expected_outcome: "paid".into(),
            runbook: None,
        },
    };
    Policies { slas: vec![sla], ..Policies::default() }
}

fn topics() -> [Str; 2] {
    ["orders".into(), "payments".into()]
}

#[test]
fn each_event_is_one_line_and_its_metrics() {
    check(PoliciesRefused { version: "a", in_force: "b", reason: "lower" }, &["orderwatch_policies_refused_total 1"]);
    check(ShardsAssigned { shards: &[0, 1] }, &["orderwatch_rebalances_total 1"]);
    check(ShardsRevoked { shards: &[0], lost: true }, &["orderwatch_rebalances_total 0"]);
    check(SpareMember { note: "…" }, &["orderwatch_rebalances_total 0"]);
    check(KeptBack { shard: 0, count: 7 }, &["orderwatch_kept_back_total 7"]);
    let since = Timestamp::from_millis(1_763_719_200_000);
    check(UnprovenKeptBack { shard: 0, count: 5, complete_since: since }, &["orderwatch_unproven_total 5"]);
    check(InputBeginsLate { shard: 0, topic: "orders", offset: 3, since }, &["orderwatch_unproven_total 0"]);
    check(
        InputRecordsLost { shard: 0, topic: "orders", needed: 3, offset: 10, since },
        &["orderwatch_input_records_lost_total{topic=\"orders\"} 7"],
    );
    check(OrdersEvicted { shard: 0, count: 3 }, &["orderwatch_orders_evicted_total 3"]);
    check(TransactionAborted { reason: "fenced" }, &["orderwatch_transactions_aborted_total 1"]);
    check(ExceptionCut { topic: "t", exception: "e", bytes: 9 }, &["orderwatch_exceptions_cut_total 1"]);
    let too_large = RecordTooLarge { topic: "t", exception: "e", shard: None, bytes: 9, max_bytes: 8 };
    check(too_large, &["orderwatch_records_too_large_total 1"]);
    check(WriteDenied { topic: "t" }, &["orderwatch_writes_denied_total{topic=\"t\"} 1"]);
    check(OutputMadeAnew { topic: "t", partition: 0, expected: 9, end: 1 }, &[]);
    check(InputMadeAnew { topic: "t", partition: 0, expected: 9, end: 1 }, &[]);
    check(TopicTakesLess { topic: "t", max_bytes: 8 }, &[]);
    check(SnapshotFailed { shard: 0, error: "full" }, &["orderwatch_snapshot_failures_total 1"]);
    check(SnapshotSkipped { shard: 0, name: "x", reason: "cut" }, &["orderwatch_snapshots_skipped_total 1"]);
    let again_in = Duration::from_secs(5);
    check(SnapshotsUnreadable { shard: 0, error: "403", again_in }, &["orderwatch_snapshot_failures_total 1"]);
    check(
        SnapshotWritten { shard: 0, name: "x", bytes: 1, orders: 1, took: Duration::ZERO },
        &["orderwatch_snapshots_total 1", "orderwatch_snapshot_failures_total 0"],
    );
    check(
        KafkaError { code: "AllBrokersDown".into(), detail: "…" },
        &["orderwatch_kafka_errors_total{code=\"AllBrokersDown\"} 1"],
    );
    check(
        ClockHeld { difference: Millis::from_secs(2), hold: Millis::from_secs(300) },
        &["orderwatch_clock_holds_total 1"],
    );
    for difference in [Millis::from_secs(-3_600), Millis::from_secs(3_600)] {
        check(ClockBelieved { difference }, &[]);
    }
    check(OthersPublish { shard: 1 }, &[]);
    check(BacklogsWait { shards: &[1] }, &[]);
    check(BacklogsSkipped { shards: &[1] }, &[]);
    check(PartialsRefused { offset: 7, detail: "d" }, &[]);
    for cause in HeldCause::ALL {
        check(FrontierHeld { shard: 0, frontier: None, cause, note: "orders[0]" }, &[]);
        let frontier = Timestamp::from_millis(0);
        check(FrontierMoves { shard: 0, frontier, cause, held_for: Duration::ZERO }, &[]);
    }
    for level in 0..8 {
        check(KafkaLog { level, facility: "FAIL", message: "…" }, &[]);
    }
}

#[test]
fn a_batch_moves_the_counters_of_its_stream_alone() {
    let (lines, text) = observe(|_| {
        let meters = Meters::new(&topics(), &policies());
        let counts = StreamCounts { events: 10, duplicates: 2, late: 1, nulls: 4, ..StreamCounts::default() };
        emit(BatchApplied { meters: &meters, stream: StreamId(1), counts });
        // A stream that nobody declared is not a reason to fall over.
        emit(BatchApplied { meters: &meters, stream: StreamId(9), counts });
    });
    assert_eq!(lines, 2);
    for line in [
        "orderwatch_events_total{stream=\"payments\"} 10",
        "orderwatch_events_total{stream=\"orders\"} 0",
        "orderwatch_duplicate_events_total{stream=\"payments\"} 2",
        "orderwatch_late_events_total{stream=\"payments\"} 1",
        "orderwatch_null_records_total{stream=\"payments\"} 4",
        "orderwatch_event_conflicts_total{stream=\"payments\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "`{line}` is not in\n{text}");
    }
}

#[test]
fn every_dead_letter_counts_and_few_are_written() {
    let (lines, text) = observe(|_| {
        for offset in 0..1_000 {
            emit(DeadLettered {
                topic: "events-test-topic",
                partition: 0,
                offset,
                reason: "not_json",
                detail: "expected value",
            });
        }
    });
    assert!((1..=5).contains(&lines), "{lines} lines");
    let series = "orderwatch_dead_letters_total{stream=\"events-test-topic\",reason=\"not_json\"} 1000";
    assert!(text.lines().any(|l| l == series), "{text}");
}

#[test]
fn policies_have_all_their_series_from_the_start_and_one_that_left_still_counts() {
    let (_, text) = observe(|_| {
        let meters = Meters::new(&topics(), &policies());
        let cycle = |policy: &str, outcome| crate::engine::CycleEnded {
            policy: policy.into(),
            outcome,
            elapsed: Millis::from_secs(1_000),
        };
        emit(CycleEnded { meters: &meters, cycle: &cycle("paid-in-1h", "met") });
        emit(CycleEnded { meters: &meters, cycle: &cycle("gone", "breached") });
        meters.count_exception(Kind::Sla, &"gone".into(), crate::domain::Status::Opened);
        emit(BatchCommitted { meters: &meters, records: 1, took: Duration::from_millis(4) });
    });
    for line in [
        "orderwatch_exceptions_total{kind=\"sla\",policy=\"paid-in-1h\",status=\"retracted\"} 0",
        "orderwatch_exceptions_total{kind=\"sla\",policy=\"gone\",status=\"opened\"} 1",
        "orderwatch_cycle_seconds_bucket{policy=\"paid-in-1h\",outcome=\"met\",le=\"900\"} 0",
        "orderwatch_cycle_seconds_bucket{policy=\"paid-in-1h\",outcome=\"met\",le=\"1800\"} 1",
        "orderwatch_cycle_seconds_count{policy=\"gone\",outcome=\"breached\"} 1",
        "orderwatch_commit_seconds_bucket{le=\"0.005\"} 1",
        "orderwatch_detection_delay_seconds_count 0",
    ] {
        assert!(text.lines().any(|l| l == line), "`{line}` is not in\n{text}");
    }
}
