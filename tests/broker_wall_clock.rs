//! A wall clock that is set forward and back while orderwatch runs, against a real broker.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod shop;
mod support;

use std::time::Duration;

use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, assert_published_once, now_ms};
use support::wall_clock::WallClock;
use support::{Broker, Process, eventually};

/// Paid within two seconds, shipped within forty minutes.
const POLICIES: &str = "slas:\n  - {id: paid, start: order.placed, stop: payment.captured, target: 2s, severity: info, \
                        owner: o, route: r, expected_outcome: e}\n  - {id: shipped, start: order.placed, stop: \
                        fulfillment.shipped, target: 40m, severity: info, owner: o, route: r, expected_outcome: e}\n";
const TARGET_MS: i64 = 2_000;
const LEAVES_WITHIN: Duration = Duration::from_secs(10);

fn wait_until(at_ms: i64) {
    eventually(PATIENCE, "time to pass", || if now_ms() >= at_ms { Ok(()) } else { Err("not yet".to_owned()) });
}

/// What was published so far: order, status.
fn said(shop: &Shop) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    shop.history().iter().map(|record| (record.key(), text(&record.json()["status"]))).collect()
}

#[track_caller]
fn wait_said(shop: &Shop, process: &Process, expected: &[(String, String)]) {
    eventually(PATIENCE, "the history", || {
        let now = said(shop);
        if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}; {}", process.stderr())) }
    });
}

fn start(shop: &Shop, clock: &WallClock) -> Process {
    let mut process = Process::spawn_with(&shop.workdir, &["run", "--config", "orderwatch.yaml"], &clock.environment());
    process.wait_ready(PATIENCE);
    process
}

#[test]
fn a_wall_clock_that_steps_fires_nothing_false_and_loses_nothing() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 2, &Options { grace: "200ms", policies: POLICIES.to_owned(), ..Options::default() });
    // As a broker has it by default: what is stamped more than an hour ahead of its clock is refused.
    let text = shop.workdir.read("orderwatch.yaml");
    let strict = "create_topics: true\n  topic_config: {message.timestamp.after.max.ms: 3600000}";
    shop.workdir.write("orderwatch.yaml", text.replace("create_topics: true", strict));
    let clock = WallClock::new(shop.workdir.path());
    let mut process = start(&shop, &clock);
    let producer = broker.producer();
    let held = |is: bool| {
        let labels = [("cause", "clock_hold")];
        let shards = if is { f64::from(shop.partitions) } else { 0.0 };
        process.wait_metric("orderwatch_frontier_held", &labels, PATIENCE, move |n| n == shards);
    };
    let mut expected = Vec::new();
    let mut events = 0.0;
    let mut send = |order: &str, kind: &str, at: i64| {
        producer.send(shop.event(order, kind, at));
        events += 1.0;
        process.wait_metric("orderwatch_events_total", &[], PATIENCE, |n| n == events);
    };

    for (n, step) in [HOUR + MINUTE, -(HOUR + MINUTE)].into_iter().enumerate() {
        let order = |name: &str| format!("{name}-{n}");
        send(&order("before"), "order.placed", now_ms() - TARGET_MS);
        expected.push((order("before"), "opened".to_owned()));
        wait_said(&shop, &process, &expected);

        clock.set_off_by(step);
        held(true);
        process.wait_metric("orderwatch_clock_holds_total", &[], PATIENCE, |holds| holds == n as f64 + 1.0);
        // What comes meanwhile has the true time; what events alone decide is said.
        let placed = now_ms();
        send(&order("unpaid"), "order.placed", placed);
        send(&order("paid"), "order.placed", placed - TARGET_MS);
        send(&order("paid"), "payment.captured", placed);
        send(&order("before"), "payment.captured", placed);
        expected.push((order("before"), "resolved".to_owned()));
        wait_said(&shop, &process, &expected);
        wait_until(placed + TARGET_MS + 2_000);
        held(true);
        assert_eq!(said(&shop), expected, "a clock that is in doubt judges nothing");

        clock.set_off_by(0);
        expected.push((order("unpaid"), "opened".to_owned()));
        wait_said(&shop, &process, &expected);
        held(false);
    }
    let log = process.stderr();
    assert_eq!(log.matches("the wall clock jumped: idle partitions").count(), 2, "{log}");
    let count = |name: &str| process.try_metric(name, &[]).unwrap_or(0.0);
    assert_eq!(count("orderwatch_dead_letters_total"), 0.0, "{log}");
    assert_eq!(count("orderwatch_ahead_records_total"), 0.0, "{log}");
    assert!(broker.read_committed(&shop.topic("dead")).is_empty());
    assert_eq!(count("orderwatch_rebalances_total"), 1.0, "it stayed in its group: {log}");
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

/// `clock_hold`, and some time to see that it is over.
const BELIEVED_WITHIN: Duration = Duration::from_secs(330);

#[test]
#[ignore = "the wall clock is believed after five minutes"]
fn a_wall_clock_that_stays_an_hour_ahead_is_believed_in_the_end() {
    let shop = Shop::new(
        Broker::shared(),
        1,
        &Options { grace: "200ms", policies: POLICIES.to_owned(), ..Options::default() },
    );
    let clock = WallClock::new(shop.workdir.path());
    let mut process = start(&shop, &clock);
    shop.broker().producer().send(shop.event("o", "order.placed", now_ms()));
    process.wait_metric("orderwatch_events_total", &[], PATIENCE, |n| n == 1.0);
    clock.set_off_by(HOUR);
    eventually(BELIEVED_WITHIN, "the wall clock to be believed", || {
        let log = process.stderr();
        if log.contains("the wall clock is believed from now on") { Ok(()) } else { Err(log) }
    });
    // By its word both promises are broken.
    eventually(PATIENCE, "both breaches", || match said(&shop).len() {
        2 => Ok(()),
        other => Err(format!("{other}")),
    });
    process.wait_metric("orderwatch_frontier_held", &[("cause", "clock_hold")], PATIENCE, |held| held == 0.0);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}
