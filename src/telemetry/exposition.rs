//! The gauges that are read from [`Health`] at the scrape, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::health::{Health, Incomplete, ShardState, ShardStatus, State};
use super::names::{self, find};
use crate::domain::{Millis, Timestamp};
use crate::engine::HeldCause;

/// One gauge's series: label values in the table's order, and the value.
type Series = Vec<(Vec<String>, f64)>;

/// Writes every gauge of the table that is derived from `health`, as of `now`.
pub fn render(health: &Health, now: Timestamp, out: &mut String) {
    let state = health.snapshot();
    let version = vec![env!("CARGO_PKG_VERSION").to_owned()];
    let policies = state.policies.iter().map(|(version, _)| (vec![version.to_string()], 1.0)).collect();
    let orders_open = state.shards.values().map(|s| s.orders_open as f64).sum();

    write_gauge(out, names::BUILD_INFO, vec![(version, 1.0)]);
    write_gauge(out, names::POLICIES_INFO, policies);
    write_gauge(out, names::LOOP_AGE_SECONDS, vec![(vec![], health.loop_age().as_secs_f64())]);
    write_gauge(out, names::SHARDS, shards_by_state(&state));
    write_gauge(out, names::ORDERS_OPEN, vec![(vec![], orders_open)]);
    write_gauge(out, names::ENTITIES_OPEN, others_open(&state));
    write_gauge(out, names::EXCEPTIONS_OPEN, exceptions_open(&state));
    write_backlogs(out, &state);
    write_frontiers(out, &state, now);
    write_snapshots(out, &state, now);
}

fn shards_by_state(state: &State) -> Series {
    let count = |wanted| state.shards.values().filter(|s| s.state == wanted).count() as f64;
    ShardState::ALL.into_iter().map(|s| (vec![s.as_str().to_owned()], count(s))).collect()
}

fn others_open(state: &State) -> Series {
    let mut sums: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for (entity, open) in state.shards.values().flat_map(|s| &s.others_open) {
        *sums.entry(vec![entity.to_string()]).or_default() += *open as f64;
    }
    sums.into_iter().collect()
}

fn exceptions_open(state: &State) -> Series {
    let mut sums: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for open in state.shards.values().flat_map(|s| &s.open) {
        let labels =
            [open.kind.as_str(), &open.policy, open.severity.as_str(), &open.owner, &open.route, open.status.as_str()];
        *sums.entry(labels.map(str::to_owned).to_vec()).or_default() += open.count as f64;
    }
    sums.into_iter().collect()
}

fn write_backlogs(out: &mut String, state: &State) {
    let mut depth: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    let mut age: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for queue in state.shards.values().flat_map(|s| &s.backlogs) {
        let labels = vec![queue.policy.to_string(), queue.group.to_string()];
        let seconds = queue.oldest_since.map_or(0.0, |since| (queue.at - since).as_secs_f64().max(0.0));
        *depth.entry(labels.clone()).or_default() += queue.depth as f64;
        let oldest = age.entry(labels).or_default();
        *oldest = oldest.max(seconds);
    }
    write_gauge(out, names::BACKLOG_DEPTH, depth.into_iter().collect());
    write_gauge(out, names::BACKLOG_OLDEST_AGE_SECONDS, age.into_iter().collect());
}

fn write_frontiers(out: &mut String, state: &State, now: Timestamp) {
    let (mut lags, mut held, mut inputs) = (Series::new(), Series::new(), Series::new());
    for (shard, status) in &state.shards {
        lags.extend(status.frontier.map(|frontier| (vec![shard.to_string()], since(frontier, now))));
        for cause in HeldCause::ALL {
            let is = status.held.as_ref().is_some_and(|h| h.cause == cause);
            held.push((vec![shard.to_string(), cause.as_str().to_owned()], f64::from(u8::from(is))));
        }
        for input in &status.inputs {
            let labels = vec![input.topic.to_string(), shard.to_string()];
            inputs.extend(input.lag_records.map(|lag| (labels, lag as f64)));
        }
    }
    let since = |incomplete: &Incomplete| incomplete.before.as_millis() as f64 / 1_000.0;
    let whole =
        state.shards.iter().filter_map(|(shard, s)| Some((vec![shard.to_string()], since(s.incomplete.as_ref()?))));
    write_gauge(out, names::COMPLETE_SINCE, whole.collect());
    write_gauge(out, names::FRONTIER_LAG_SECONDS, lags);
    write_gauge(out, names::FRONTIER_HELD, held);
    write_gauge(out, names::INPUT_LAG_RECORDS, inputs);
}

fn write_snapshots(out: &mut String, state: &State, now: Timestamp) {
    let newest = || state.shards.iter().filter_map(|(shard, s)| s.snapshot.map(|snap| (shard, snap)));
    let ages = newest().map(|(shard, s)| (vec![shard.to_string()], since(s.taken_at, now))).collect();
    let longest = |took: &dyn Fn(&ShardStatus) -> Option<f64>| -> Series {
        state.shards.values().filter_map(took).reduce(f64::max).map(|s| (vec![], s)).into_iter().collect()
    };
    write_gauge(out, names::SNAPSHOT_AGE_SECONDS, ages);
    write_gauge(out, names::SNAPSHOT_SECONDS, longest(&|s| s.snapshot?.took.map(|d| d.as_secs_f64())));
    write_gauge(out, names::SNAPSHOT_BYTES, vec![(vec![], newest().map(|(_, s)| s.bytes as f64).sum())]);
    write_gauge(out, names::RESTORE_SECONDS, longest(&|s| s.restore_took.map(|d| d.as_secs_f64())));
}

/// Seconds from `then` to `now`; a `then` ahead of our clock is no lag.
fn since(then: Timestamp, now: Timestamp) -> f64 {
    (now - then).max(Millis::ZERO).as_secs_f64()
}

fn write_gauge(out: &mut String, name: &str, series: Series) {
    let Some(metric) = find(name).filter(|_| !series.is_empty()) else { return };
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind.as_str());
    for (values, value) in series {
        out.push_str(name);
        for (i, (label, text)) in metric.labels.iter().zip(&values).enumerate() {
            let _ = write!(out, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escape(text));
        }
        let _ = writeln!(out, "{} {value}", if metric.labels.is_empty() { "" } else { "}" });
    }
    out.push('\n');
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, Severity, Status};
    use crate::telemetry::{BacklogStatus, Held, InputStatus, OpenCount};

    fn open(count: u64) -> OpenCount {
        OpenCount {
            kind: Kind::Sla,
            policy: "paid-in-1h".into(),
            severity: Severity::Critical,
            owner: "pay \"A\"\\B".into(),
            route: "oncall".into(),
            status: Status::Opened,
            count,
        }
    }

    fn text(health: &Health, now_ms: i64) -> String {
        let mut out = String::new();
        render(health, Timestamp::from_millis(now_ms), &mut out);
        out
    }

    #[test]
    fn sums_over_shards_and_forgets_a_shard_that_left() {
        let health = Health::new("g".into());
        for (shard, count) in [(0, 2), (1, 3)] {
            health.update_shard(shard, |s| {
                s.open = vec![open(count)];
                s.orders_open = 10;
                s.others_open = vec![("checkout".into(), 4)];
                s.frontier = Some(Timestamp::from_millis(1_000));
                s.incomplete = Some(Incomplete { before: Timestamp::from_millis(2_500), note: String::new() });
                s.held = Some(Held { cause: crate::engine::HeldCause::Behind, note: String::new() });
                s.inputs = vec![InputStatus { topic: "orders".into(), lag_records: Some(7) }];
            });
        }
        let both = text(&health, 3_500);
        let labels = r#"{kind="sla",policy="paid-in-1h",severity="critical",owner="pay \"A\"\\B",route="oncall",status="opened"}"#;
        assert!(both.contains(&format!("orderwatch_exceptions_open{labels} 5\n")), "{both}");
        assert!(both.contains("orderwatch_orders_open 20\n"), "{both}");
        assert!(both.contains("orderwatch_entities_open{entity=\"checkout\"} 8\n"), "{both}");
        assert!(both.contains("orderwatch_frontier_lag_seconds{shard=\"1\"} 2.5\n"), "{both}");
        assert!(both.contains("orderwatch_complete_since_timestamp_seconds{shard=\"0\"} 2.5\n"), "{both}");
        assert!(both.contains("orderwatch_frontier_held{shard=\"1\",cause=\"behind\"} 1\n"), "{both}");
        assert!(both.contains("orderwatch_frontier_held{shard=\"1\",cause=\"clock_hold\"} 0\n"), "{both}");
        assert!(both.contains("orderwatch_input_lag_records{topic=\"orders\",partition=\"1\"} 7\n"), "{both}");

        health.remove_shard(1);
        let one = text(&health, 3_500);
        assert!(one.contains(&format!("orderwatch_exceptions_open{labels} 2\n")), "{one}");
        assert!(!one.contains("shard=\"1\"") && !one.contains("partition=\"1\""), "{one}");
    }

    #[test]
    fn a_queue_over_two_shards_is_one_series_with_the_older_age() {
        let health = Health::new("g".into());
        for (shard, since) in [(0, 4_000), (1, 1_000)] {
            health.update_shard(shard, |s| {
                s.backlogs = vec![BacklogStatus {
                    policy: "ship".into(),
                    group: "region=EU".into(),
                    depth: 4,
                    oldest_since: Some(Timestamp::from_millis(since)),
                    at: Timestamp::from_millis(10_000),
                }];
            });
        }
        let out = text(&health, 99_000);
        assert!(out.contains("orderwatch_backlog_depth{policy=\"ship\",group=\"region=EU\"} 8\n"), "{out}");
        assert!(
            out.contains("orderwatch_backlog_oldest_age_seconds{policy=\"ship\",group=\"region=EU\"} 9\n"),
            "{out}"
        );
    }
}
