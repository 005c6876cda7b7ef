//! Backlogs of `orderwatch run` against a real broker: summed over shards, through kills, to the grid point.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use shop::members::{RUN, running, wait_shared};
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, fates, now_ms, told};
use support::{Broker, Process, eventually};

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
    records.iter().map(|record| named(&record.json())).collect()
}

/// (policy, status, the grid point that it names).
fn named(e: &serde_json::Value) -> (String, String, i64) {
    let text = |name: &str| e[name].as_str().unwrap_or_default().to_owned();
    let (status, policy) = (text("status"), e["policy"]["id"].as_str().unwrap_or_default().to_owned());
    let named = if status == "resolved" { text("ended_at") } else { text("breached_at") };
    let at: jiff::Timestamp = named.parse().expect("a time");
    (policy, status, at.as_millisecond())
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

/// What `orderwatch replay` says of the same topics.
fn replayed(shop: &Shop) -> BTreeSet<(String, String, i64)> {
    let to = orderwatch::domain::Timestamp::from_millis(now_ms() - MINUTE).to_string();
    let args = ["replay", "--config", "orderwatch.yaml", "--from", "earliest", "--to", &to, "--output", "-"];
    let finished = shop.workdir.run(&args, PATIENCE);
    assert!(finished.status.success(), "{}", finished.stderr);
    let lines = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("an exception"));
    lines.filter(|e: &serde_json::Value| e["kind"] == "backlog").map(|e| named(&e)).collect()
}

/// Several processes over 12 shards say what the fates say, and what a replay of the same records says; one of them dies.
fn say_what_one_says(processes: usize, victim_owns: bool) {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 12, &Options { policies: POLICIES.to_owned(), ..Options::default() });
    let from_ms = now_ms() - 24 * HOUR;
    let fates = fates(3_000, from_ms, 2 * GRID);
    let expected = truth(&fates, from_ms);
    let told = told(&fates);
    broker.producer().send_all(told.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    let dirs: Vec<_> = (0..processes).map(|_| shop.beside()).collect();
    let mut members: Vec<Process> = dirs.iter().map(|dir| Process::ready(dir, &RUN, PATIENCE)).collect();
    let held = wait_shared(&shop, &members.iter().collect::<Vec<_>>());
    let victim = held.iter().position(|shards| shards.contains(&0) == victim_owns).expect("one of each kind");
    members.remove(victim).kill();
    eventually(PATIENCE, "the backlogs' truth", || {
        let got: BTreeSet<_> = published(&shop).into_iter().collect();
        let missing: Vec<_> = expected.difference(&got).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?} got {got:?}")) }
    });
    let got = published(&shop);
    assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), expected, "nothing else");
    assert_eq!(got.len(), expected.len(), "nothing twice");
    assert_eq!(replayed(&shop), expected);
}

#[test]
fn two_processes_say_what_one_says_though_the_one_that_sums_dies() {
    say_what_one_says(2, true);
}

#[test]
fn three_processes_say_what_one_says_though_one_that_tells_dies() {
    say_what_one_says(3, false);
}

const HALF_FULL: &str = r#"
backlogs:
  - {id: full, from: payment.captured, until: fulfillment.shipped, open_when: {depth: 100}, clear_when: {depth: 10},
     severity: warning, owner: warehouse, route: ops, expected_outcome: "shipped"}
"#;

#[test]
fn a_process_that_lags_raises_no_false_backlog() {
    let broker = Broker::shared();
    let options = Options {
        policies: HALF_FULL.to_owned(),
        properties: "session.timeout.ms: \"45000\"",
        more: "backlog_grid: 1s\n".to_owned(),
        ..Options::default()
    };
    let shop = Shop::new(broker, 4, &options);
    let beside = shop.beside();
    let first = shop.start();
    let second = Process::ready(&beside, &RUN, PATIENCE);
    let held = wait_shared(&shop, &[&first, &second]);
    let (sums, lags) = if held[0].contains(&0) { (&first, &second) } else { (&second, &first) };
    let of_the_other = running(lags).expect("its shards");
    let send = |orders: std::ops::Range<usize>, kind: &str, at: i64, there: bool| {
        let partition = |order: usize| {
            (0..4).filter(|p| of_the_other.contains(&i64::from(*p)) == there).nth(order % 2).expect("two each")
        };
        broker
            .producer()
            .send_all(orders.map(|order| shop.event(&format!("o-{order}"), kind, at).partition(partition(order))));
    };
    let depth =
        |is: f64| sums.wait_metric("orderwatch_backlog_depth", &[("policy", "full")], PATIENCE, |depth| depth == is);
    // An hour ago eighty orders were paid on its shards.
    send(0..80, "payment.captured", now_ms() - HOUR, true);
    depth(80.0);
    lags.freeze();
    // They were shipped; it does not know. Then sixty are paid on the other's.
    send(0..80, "fulfillment.shipped", now_ms() - 2_000, true);
    let paid = now_ms();
    send(100..160, "payment.captured", paid, false);
    let told = || {
        broker.read_committed(&shop.topic("control-partials")).into_iter().any(|record| {
            let record = record.json();
            held.iter().flatten().any(|shard| record["shard"] == *shard)
                && record["frontier"].as_i64() > Some(paid + 10_000)
        })
    };
    eventually(PATIENCE, "the other to have told", || if told() { Ok(()) } else { Err("not yet".to_owned()) });
    assert_eq!(published(&shop), [], "its figures are not known, so nothing is judged");
    lags.thaw();
    depth(60.0);
    assert_eq!(published(&shop), []);
    send(200..240, "payment.captured", now_ms(), true);
    eventually(PATIENCE, "a hundred", || if published(&shop).len() == 1 { Ok(()) } else { Err("not yet".to_owned()) });
}
