//! Backlogs of `orderwatch run` against a real broker: summed over shards, through kills, to the grid point.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, fates, now_ms, told};
use support::{Broker, eventually};

const GRID: i64 = 10_000;
const POLICIES: &str = r#"
backlogs:
  - {id: many, from: payment.captured, until: fulfillment.shipped,
     open_when: {depth: 200, for: 5m}, clear_when: {depth: 175, for: 1m},
     severity: warning, owner: warehouse, route: ops, expected_outcome: "shipped"}
  - {id: old, from: payment.captured, until: fulfillment.shipped,
     open_when: {oldest_age: 6h}, clear_when: {oldest_age: 5h}, escalate_after: [1h],
     severity: warning, owner: warehouse, route: ops, expected_outcome: "shipped"}
"#;

/// (policy, status, the grid point that it names), told by walking the grid over the fates alone.
fn truth(fates: &[shop::Fate], from_ms: i64) -> BTreeSet<(String, String, i64)> {
    let at = |fate: &shop::Fate, kind: &str| fate.events.iter().find(|(held, _)| *held == kind).map(|(_, at)| *at);
    let stay = |fate: &shop::Fate| {
        let ends = [at(fate, "fulfillment.shipped"), at(fate, "order.cancelled")];
        Some((at(fate, "payment.captured")?, ends.into_iter().flatten().min().unwrap_or(i64::MAX)))
    };
    let stays: Vec<(i64, i64)> = fates.iter().filter_map(stay).collect();
    let (mut told, mut reached, mut open, mut clear, mut old) = (BTreeSet::new(), None, false, None, None);
    let mut tell = |policy: &str, status: &str, t: i64| told.insert((policy.to_owned(), status.to_owned(), t));
    let mut t = from_ms.div_euclid(GRID) * GRID;
    while t < now_ms() - MINUTE {
        let standing = || stays.iter().filter(|(from, until)| *from <= t && t < *until);
        let depth = standing().count();
        reached = if depth >= 200 { reached.or(Some(t)) } else { None };
        clear = if open && depth <= 175 { clear.or(Some(t)) } else { None };
        if !open && reached.is_some_and(|since| t - since >= 5 * MINUTE) {
            open = tell("many", "opened", t);
        } else if open && clear.is_some_and(|since| t - since >= MINUTE) {
            open = !tell("many", "resolved", t);
        }
        let age = standing().map(|(from, _)| t - from).max().unwrap_or(0);
        if old.is_none() && age >= 6 * HOUR {
            tell("old", "opened", t);
            tell("old", "escalated", t);
            old = Some(t);
        }
        t += GRID;
    }
    told
}

fn published(shop: &Shop) -> Vec<(String, String, i64)> {
    let records = shop.broker().read_committed(&shop.topic("backlog"));
    let each = records.iter().map(|record| {
        let e = record.json();
        let text = |name: &str| e[name].as_str().unwrap_or_default().to_owned();
        let (status, policy) = (text("status"), e["policy"]["id"].as_str().unwrap_or_default().to_owned());
        let named = if status == "resolved" { text("ended_at") } else { text("breached_at") };
        let at: jiff::Timestamp = named.parse().expect("a time");
        (policy, status, at.as_millisecond())
    });
    each.collect()
}

#[test]
fn backlogs_over_four_shards_open_and_clear_to_the_grid_point_through_kills() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 4, &Options { policies: POLICIES.to_owned(), ..Options::default() });
    let from_ms = now_ms() - 24 * HOUR;
    let fates = fates(3_000, from_ms, 2 * GRID);
    let told = told(&fates);
    let expected = truth(&fates, from_ms);
    assert_eq!(expected.len(), 4, "the fates say something: {expected:?}");
    broker.producer().send_all(told.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));

    let mut first = shop.start();
    eventually(PATIENCE, "an opening", || {
        if published(&shop).is_empty() { Err(format!("none yet; {}", first.stderr())) } else { Ok(()) }
    });
    first.kill();
    let mut second = shop.start();
    second.kill();
    let mut third = shop.start();
    eventually(PATIENCE, "the backlogs' truth", || {
        let got: BTreeSet<_> = published(&shop).into_iter().collect();
        if expected.is_subset(&got) {
            Ok(())
        } else {
            Err(format!("want {expected:?} got {got:?}; {}", third.stderr()))
        }
    });
    third.wait_metric("orderwatch_backlog_depth", &[("policy", "old")], PATIENCE, |depth| depth > 0.0);
    let records = broker.read_committed(&shop.topic("backlog"));
    let ids: BTreeSet<_> = records.iter().filter_map(|record| record.header("ce_id")).collect();
    assert_eq!(ids.len(), records.len(), "published twice");
    assert!(third.terminate(Duration::from_secs(10)).success());
}
