//! Topics whose beginning retention has removed: nothing false is told of what began before what is left, also after a
//! restart that has no snapshot.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::{Broker, Process, Record, eventually};

const LEAVES_WITHIN: Duration = Duration::from_secs(10);

const POLICIES: &str = r#"
slas:
  - {id: paid-in-30m, start: order.placed, stop: payment.captured, target: 30m,
     escalate_after: [{after: 10m}], severity: critical, owner: o, route: r, expected_outcome: e}
checks:
  - {check: shipped_before_payment, settle: 1m, severity: critical, owner: o, route: r, expected_outcome: e}
"#;

/// A shop of one shard, which would publish all of the past.
fn shop() -> Shop {
    Shop::new(Broker::shared(), 1, &Options { policies: POLICIES.to_owned(), ..Options::default() })
}

fn tell(shop: &Shop, events: &[(&str, &str, i64)]) {
    shop.broker().producer().send_all(events.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
}

/// The end of an input as it is now.
fn end(shop: &Shop, topic: &str) -> i64 {
    shop.broker().end_offset(&shop.topic(topic), 0, support::topics::Isolation::Committed)
}

fn cut(shop: &Shop, topic: &str, before: i64) {
    shop.broker().delete_records(&shop.topic(topic), 0, before);
}

/// (order, status) of everything that was ever told, checks included.
fn told(shop: &Shop) -> BTreeSet<(String, String)> {
    let of = |record: &Record| (record.key(), record.json()["status"].as_str().expect("a status").to_owned());
    let checks = shop.broker().read_committed(&shop.topic("recon"));
    shop.history().iter().chain(&checks).map(of).collect()
}

#[track_caller]
fn become_told(shop: &Shop, expected: &[(&str, &str)]) {
    let expected: BTreeSet<(String, String)> =
        expected.iter().map(|(order, status)| ((*order).to_owned(), (*status).to_owned())).collect();
    eventually(PATIENCE, "what is told", || {
        let now = told(shop);
        if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}")) }
    });
}

/// Waits until everything up to now is judged.
fn wait_judged(process: &Process, at_ms: i64) {
    process.wait_metric("orderwatch_frontier_lag_seconds", &[], PATIENCE, |lag| now_ms() - (lag * 1e3) as i64 > at_ms);
}

fn wait_complete_since(process: &Process, ms: i64) {
    let wanted = ms as f64 / 1e3;
    let labels = [("shard", "0")];
    process.wait_metric("orderwatch_complete_since_timestamp_seconds", &labels, PATIENCE, |at| at == wanted);
}

/// What /readyz says of the shard's completeness.
fn incomplete(process: &Process) -> Value {
    let body: Value = serde_json::from_str(&process.get("/readyz").body).expect("JSON");
    body["shards"][0]["incomplete"].clone()
}

/// Orders of which some payments are removed before anybody reads them. Gives the first time that is left.
fn tell_and_cut(shop: &Shop) -> i64 {
    let start = now_ms() - 10 * HOUR;
    let left = start + HOUR;
    // `paid` was paid in time and its payment is removed; `unpaid` never was, which nobody can know any more.
    tell(shop, &[("before", "order.placed", start), ("paid", "order.placed", start + MINUTE)]);
    tell(shop, &[("unpaid", "order.placed", start + 2 * MINUTE), ("paid", "payment.captured", start + 3 * MINUTE)]);
    let payments = end(shop, "payments");
    tell(shop, &[("seen", "payment.captured", left), ("late", "payment.captured", left + MINUTE)]);
    tell(shop, &[("late", "order.placed", start + 4 * MINUTE), ("parcel", "fulfillment.shipped", start + 2 * HOUR)]);
    tell(shop, &[("new", "order.placed", left + 1), ("kept", "order.placed", left + 2)]);
    tell(shop, &[("kept", "payment.captured", left + 2 * MINUTE)]);
    cut(shop, "payments", payments);
    cut(shop, "orders", 1);
    left
}

const NEW: [(&str, &str); 2] = [("new", "opened"), ("new", "escalated")];
const OPEN: [(&str, &str); 2] = [("open", "opened"), ("open", "escalated")];

#[test]
fn what_retention_cut_is_counted_and_later_orders_breach_and_a_lost_past_is_said_loudly() {
    let shop = shop();
    let left = tell_and_cut(&shop);
    let mut first = shop.start();
    // `paid`, `unpaid`, `late`, and the parcel, whose payment may have been removed.
    first.wait_metric("orderwatch_unproven_total", &[], PATIENCE, |n| n == 4.0);
    become_told(&shop, &NEW);
    wait_complete_since(&first, left);
    let said = incomplete(&first);
    assert_eq!(said["before"], orderwatch::domain::Timestamp::from_millis(left).to_string(), "{said}");
    assert!(first.stderr().contains("does not begin at offset 0"), "{}", first.stderr());
    assert!(!first.stderr().contains("RECORDS LOST"), "{}", first.stderr());
    assert!(first.terminate(LEAVES_WITHIN).success());

    // Whoever comes next goes on with what was noted.
    let mut second = shop.start();
    wait_complete_since(&second, left);
    let placed = now_ms() - 5 * HOUR;
    let payments = tell_of_what_will_be_lost(&shop, placed);
    become_told(&shop, &[&NEW[..], &OPEN, &[("new", "resolved")]].concat());
    assert!(second.terminate(LEAVES_WITHIN).success());

    std::fs::remove_dir_all(shop.workdir.path().join("snapshots")).expect("snapshots");
    cut(&shop, "payments", payments);
    rebuilt_from_what_is_left(&shop, placed + 2 * HOUR);
}

/// `lost` pays in time, and `open` never; what comes before the offset that this gives will be removed.
fn tell_of_what_will_be_lost(shop: &Shop, placed: i64) -> i64 {
    // The payment first: the inputs are read as they come, and its order is long due.
    tell(shop, &[("lost", "payment.captured", placed + MINUTE)]);
    tell(shop, &[("lost", "order.placed", placed), ("open", "order.placed", placed)]);
    let payments = end(shop, "payments");
    tell(shop, &[("new", "payment.captured", placed + 2 * HOUR)]);
    payments
}

fn rebuilt_from_what_is_left(shop: &Shop, left: i64) {
    let mut third = shop.start();
    wait_complete_since(&third, left);
    let topic = shop.topic("payments");
    third.wait_metric("orderwatch_input_records_lost_total", &[("topic", &topic)], PATIENCE, |n| n > 0.0);
    assert!(third.stderr().contains("RECORDS LOST"), "{}", third.stderr());
    let said = incomplete(&third);
    assert!(said["note"].as_str().expect("a note").contains(&format!("{topic}/0 offsets ")), "{said}");

    // What stood open is ended by an event, and what begins now breaks as ever.
    let later = now_ms() - HOUR;
    tell(shop, &[("open", "payment.captured", later), ("later", "order.placed", later)]);
    let since = [("new", "resolved"), ("open", "resolved"), ("later", "opened"), ("later", "escalated")];
    let all = [&NEW[..], &OPEN, &since].concat();
    become_told(shop, &all);
    wait_judged(&third, now_ms());
    become_told(shop, &all);
    shop::assert_published_once(shop);
    assert!(third.terminate(LEAVES_WITHIN).success());

    // The restart after it finds all that it needs, and what was lost stays lost.
    let mut fourth = shop.start();
    wait_complete_since(&fourth, left);
    wait_judged(&fourth, now_ms());
    become_told(shop, &all);
    assert!(!fourth.stderr().contains("RECORDS LOST"), "{}", fourth.stderr());
    assert!(fourth.terminate(LEAVES_WITHIN).success());
}

#[test]
fn an_input_whose_records_are_all_gone_begins_when_it_is_first_read() {
    let shop = shop();
    let placed = now_ms() - HOUR;
    tell(&shop, &[("old", "order.placed", placed), ("old", "payment.captured", placed + MINUTE)]);
    cut(&shop, "payments", end(&shop, "payments"));
    let began = now_ms();
    let mut process = shop.start();
    process.wait_metric("orderwatch_unproven_total", &[], PATIENCE, |n| n == 1.0);
    let since = |at: f64| at >= began as f64 / 1e3 && at <= now_ms() as f64 / 1e3;
    process.wait_metric("orderwatch_complete_since_timestamp_seconds", &[], PATIENCE, since);
    assert_eq!(told(&shop), BTreeSet::new());
    assert!(process.terminate(LEAVES_WITHIN).success());
}
