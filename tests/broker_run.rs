//! `orderwatch run` as a process against a real broker: what it publishes, exactly once, killed or not.

mod shop;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shop::{
    HOUR, MINUTE, Options, PATIENCE, Shop, assert_no_false_alarm, assert_published_once, fates, now_ms, told, truth,
    wait_for_truth,
};
use support::{Broker, eventually};

/// What SIGTERM may take.
const LEAVES_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn the_truth_comes_out_and_a_kill_in_the_middle_changes_nothing() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 4, &Options::default());
    let fates = fates(400, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let producer = broker.producer();
    let batch = |part: &[(String, &'static str, i64)]| {
        producer.send_all(part.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    };
    let thirds: Vec<_> = told.chunks(told.len().div_ceil(3)).collect();

    batch(thirds[0]);
    let mut first = shop.start();
    eventually(PATIENCE, "the first exceptions", || {
        if shop.history().is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
    });
    batch(thirds[1]);
    first.kill();

    let mut second = shop.start();
    batch(thirds[2]);
    second.kill();

    let mut third = shop.start();
    wait_for_truth(&shop, &fates);
    assert_published_once(&shop);
    let broken = |(_, status): &(_, String)| status == "opened" || status == "resolved";
    let live: BTreeMap<_, _> = shop.standing().into_iter().filter(broken).collect();
    let replayed: BTreeMap<_, _> = shop.replayed().into_iter().filter(broken).collect();
    assert_eq!(live, replayed, "a replay of the same topics finds the same");
    let status = third.terminate(LEAVES_WITHIN);
    assert!(status.success(), "{status}: {}", third.stderr());

    // A last start finds everything said.
    let before = shop.history().len();
    let mut fourth = shop.start();
    shop.wait_judged(&fourth, 8.0);
    assert_eq!(shop.history().len(), before);
    assert!(fourth.terminate(LEAVES_WITHIN).success());
}

#[test]
fn a_backlog_is_caught_up_with_in_step_through_kills() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 4, &Options::default());
    let fates = fates(24_000, now_ms() - 24 * HOUR, 2_500);
    let told = told(&fates);
    // A broken promise is told when it is broken, and when it is kept after all.
    let all = truth(&fates).values().map(|status| if status == "resolved" { 2 } else { 1 }).sum::<usize>();
    // One topic after the other, so that each lies whole before its siblings begin.
    let producer = broker.producer();
    for prefix in ["fulfillment", "order", "payment"] {
        let of_topic = told.iter().filter(|(_, kind, _)| kind.starts_with(prefix));
        producer.send_all(of_topic.map(|(order, kind, at)| shop.event(order, kind, *at)));
    }
    let mut said = 0;
    for _ in 0..2 {
        let mut process = shop.start();
        eventually(PATIENCE, "more to be said", || match shop.history().len() {
            now if now > said || now == all => {
                said = now;
                Ok(())
            }
            _ => Err(format!("still {said} of {all}; {}", process.stderr())),
        });
        process.kill();
    }
    let process = shop.start();
    wait_for_truth(&shop, &fates);
    // What a killed process left open hides what comes behind it, until the broker aborts it.
    eventually(PATIENCE, "all to be told", || match shop.history().len() {
        now if now == all => Ok(()),
        now => Err(format!("{now} of {all}; {}", process.stderr())),
    });
    assert_published_once(&shop);
    assert_no_false_alarm(&shop, &fates);
    drop(process);
}

#[test]
fn a_consumer_that_was_away_raises_no_false_alarm() {
    const TARGET_MS: i64 = 5_000;
    let broker = Broker::shared();
    let policies = "slas:\n  - {id: paid, start: order.placed, stop: payment.captured, target: 5s, severity: info, \
                    owner: o, route: r, expected_outcome: e}\n";
    let shop = Shop::new(broker, 2, &Options { grace: "500ms", policies: policies.to_owned(), ..Options::default() });
    let producer = broker.producer();
    let mut process = shop.start();
    let placed = now_ms();
    producer.send_all((0..100).map(|n| shop.event(&format!("o-{n}"), "order.placed", placed)));
    process.wait_metric("orderwatch_events_total", &[("stream", &shop.topic("orders"))], PATIENCE, |n| n >= 100.0);
    assert!(process.terminate(LEAVES_WITHIN).success());

    // While it is away, half of them pay in time, behind a crowd of others that make that topic lag.
    producer.send_all((0..20_000).map(|n| shop.event(&format!("noise-{n}"), "payment.authorized", placed + 1)));
    producer.send_all((0..50).map(|n| shop.event(&format!("o-{}", 2 * n), "payment.captured", placed + 1_000)));
    eventually(PATIENCE, "all deadlines to pass while it is away", || {
        let over = now_ms() - (placed + TARGET_MS + 1_000);
        if over > 0 { Ok(()) } else { Err(format!("{} ms to go", -over)) }
    });

    let process = shop.start();
    let unpaid: BTreeSet<String> = (0..50).map(|n| format!("o-{}", 2 * n + 1)).collect();
    eventually(PATIENCE, "the unpaid orders to be reported", || {
        let opened: BTreeSet<String> = shop.standing().into_keys().map(|(order, _)| order).collect();
        if opened.is_superset(&unpaid) { Ok(()) } else { Err(format!("{} of 50", opened.len())) }
    });
    shop.wait_judged(&process, 6.0);
    eventually(PATIENCE, "the unpaid orders alone in the history", || {
        let told: BTreeSet<String> = shop.history().iter().map(support::Record::key).collect();
        assert!(told.is_subset(&unpaid), "nobody else was ever named: {told:?}");
        if told == unpaid { Ok(()) } else { Err(format!("{} of 50", told.len())) }
    });
}

#[test]
fn a_first_start_on_old_orders_pages_nobody() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 2, &Options { publish_after: "start".to_owned(), ..Options::default() });
    let fates = fates(100, now_ms() - 48 * HOUR, MINUTE);
    let expected = truth(&fates).len();
    broker.producer().send_all(told(&fates).iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    for start in 0..2 {
        let mut process = shop.start();
        shop.wait_judged(&process, 5.0);
        if start == 0 {
            process.wait_metric("orderwatch_kept_back_total", &[], PATIENCE, |n| n >= expected as f64);
            assert!(process.stderr().contains("kept back"), "{}", process.stderr());
        }
        assert!(process.terminate(LEAVES_WITHIN).success());
        assert!(shop.history().is_empty(), "start {start} paged: {}", shop.history()[0].json());
    }
    // What breaks from now on is told.
    let process = shop.start();
    broker.producer().send(shop.event("new", "order.placed", now_ms() - 30 * MINUTE + 1_000));
    eventually(PATIENCE, "the new order's breach", || match shop.history().as_slice() {
        [only] if only.key() == "new" => Ok(()),
        other => Err(format!("{} records", other.len())),
    });
    drop(process);
}

#[test]
fn a_late_event_retracts_and_a_repeat_changes_nothing() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    let producer = broker.producer();
    let process = shop.start();
    let placed = now_ms() - 3 * HOUR;
    producer.send(shop.event("o-1", "order.placed", placed));
    let statuses = || -> Vec<String> {
        shop.history().iter().map(|record| record.json()["status"].as_str().expect("a status").to_owned()).collect()
    };
    let become_ = |expected: &[&str]| {
        eventually(PATIENCE, "the history", || {
            let now = statuses();
            if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}")) }
        });
    };
    become_(&["opened"]);

    // It was told again: a duplicate.
    producer.send(shop.event("o-1", "order.placed", placed));
    process.wait_metric("orderwatch_duplicate_events_total", &[], PATIENCE, |n| n == 1.0);
    assert_eq!(statuses(), ["opened"]);

    // It was paid in time, and nobody told us until now.
    let paid = shop.event("o-1", "payment.captured", placed + 10 * MINUTE);
    producer.send(paid.clone().at(now_ms()));
    become_(&["opened", "retracted", "opened"]);
    assert_eq!(shop.standing()[&("o-1".to_owned(), "paid-in-30m".to_owned())], "retracted");
    producer.send(paid.at(now_ms()));
    process.wait_metric("orderwatch_duplicate_events_total", &[], PATIENCE, |n| n == 2.0);
    assert_eq!(statuses(), ["opened", "retracted", "opened"], "the shipment's breach is the last word");
}

#[test]
fn a_backlog_opens_and_clears_over_all_shards_and_survives_a_kill() {
    let policies = "backlogs:\n  - {id: to-ship, from: order.placed, until: fulfillment.shipped, \
                    open_when: {depth: 10, for: 0s}, clear_when: {depth: 4, for: 0s}, severity: warning, owner: w, \
                    route: r, expected_outcome: e}\n";
    let more = "backlog_grid: 1s\n".to_owned();
    let broker = Broker::shared();
    let options = Options { grace: "500ms", policies: policies.to_owned(), more, ..Options::default() };
    let shop = Shop::new(broker, 4, &options);
    let producer = broker.producer();
    let statuses = || -> Vec<String> {
        let records = broker.read_committed(&shop.topic("backlog"));
        records.iter().map(|record| record.json()["status"].as_str().expect("a status").to_owned()).collect()
    };
    let become_ = |expected: &[&str]| {
        eventually(PATIENCE, "the backlog", || {
            let now = statuses();
            if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}")) }
        });
    };
    let mut process = shop.start();
    let placed = now_ms() - MINUTE;
    producer.send_all((0..12).map(|n| shop.event(&format!("o-{n}"), "order.placed", placed + n)));
    become_(&["opened"]);
    process.kill();

    let process = shop.start();
    process.wait_metric("orderwatch_backlog_depth", &[("policy", "to-ship")], PATIENCE, |depth| depth == 12.0);
    assert_eq!(statuses(), ["opened"], "it stands, and is not told again");
    let shipped = now_ms();
    producer.send_all((0..8).map(|n| shop.event(&format!("o-{n}"), "fulfillment.shipped", shipped)));
    become_(&["opened", "resolved"]);
}

/// What a repeat must state as the first time.
fn stated(exception: &serde_json::Value) -> serde_json::Value {
    let policy = &exception["policy"]["id"];
    let of = |name: &str| exception[name].clone();
    serde_json::json!({
        "exception_id": of("exception_id"), "incarnation": of("incarnation"), "sequence": of("sequence"),
        "order_id": of("order_id"), "policy": policy, "status": of("status"), "deadline": of("deadline"),
        "breached_at": of("breached_at"), "ended_at": of("ended_at"),
    })
}

#[test]
fn at_least_once_tells_the_same_truth() {
    let broker = Broker::shared();
    let more = "delivery: at_least_once\n".to_owned();
    let shop = Shop::new(broker, 2, &Options { more, ..Options::default() });
    let fates = fates(100, now_ms() - 12 * HOUR, MINUTE);
    broker.producer().send_all(told(&fates).iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    for _ in 0..2 {
        let (mut process, before) = (shop.start(), shop.history().len());
        eventually(PATIENCE, "more to be said, or all", || match shop.history().len() {
            now if now > before || shop.standing().len() == truth(&fates).len() => Ok(()),
            _ => Err(process.stderr()),
        });
        process.kill();
    }
    let mut process = shop.start();
    shop.wait_judged(&process, 6.0);
    wait_for_truth(&shop, &fates);
    assert_no_false_alarm(&shop, &fates);
    // What was told again is the same, to the letter that counts; without it, the history is the truth's.
    let mut first_told: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for record in shop.history() {
        let (said, id) = (record.json(), record.header("ce_id").expect("a CloudEvents id"));
        let before = first_told.entry(id).or_insert_with(|| said.clone());
        assert_eq!(stated(before), stated(&said), "a repeat says something else");
        // A subscriber ignores a state whose frontier is lower than one that it has.
        assert!(before["frontier"].as_str() <= said["frontier"].as_str(), "{before}, and then {said}");
    }
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let mut transitions: Vec<_> =
        first_told.values().map(|said| [&said["order_id"], &said["policy"]["id"], &said["status"]].map(text)).collect();
    transitions.sort();
    let mut expected = Vec::new();
    for ((order, policy), ends) in truth(&fates) {
        let opened = [order, policy, "opened".to_owned()];
        let resolved = [opened[0].clone(), opened[1].clone(), "resolved".to_owned()];
        expected.extend([Some(opened), (ends == "resolved").then_some(resolved)].into_iter().flatten());
    }
    expected.sort();
    assert_eq!(transitions, expected);
    assert!(process.terminate(LEAVES_WITHIN).success());
}

#[test]
fn what_is_wrong_with_the_topics_is_said_in_one_line() {
    let broker = Broker::shared();
    let refused = |shop: &Shop| {
        let finished = shop.workdir.run(&["run", "--config", "orderwatch.yaml"], PATIENCE);
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        finished.stderr.lines().find(|line| line.starts_with("error:")).unwrap_or_default().to_owned()
    };
    let shop = Shop::new(broker, 2, &Options::default());
    let text = shop.workdir.read("orderwatch.yaml");

    let missing = text.replace(&format!("{{topic: {}}}", shop.topic("payments")), "{topic: nowhere}");
    shop.workdir.write("orderwatch.yaml", missing);
    assert!(refused(&shop).contains("the input topic nowhere does not exist: create it"), "{}", refused(&shop));

    let uneven = shop.topic("uneven");
    broker.create_topics(&[&uneven], 3, &[]);
    let unlike = text.replace(&format!("{{topic: {}}}", shop.topic("payments")), &format!("{{topic: {uneven}}}"));
    shop.workdir.write("orderwatch.yaml", unlike);
    let said = refused(&shop);
    assert!(said.contains("not co-partitioned") && said.contains(&format!("{uneven} 3")), "{said}");

    shop.workdir.write("orderwatch.yaml", text.replace("create_topics: true", "create_topics: false"));
    let said = refused(&shop);
    assert!(said.contains("does not exist: create it with 2 partitions"), "{said}");

    // A compacted topic with another number of partitions would lose what shards publish.
    broker.create_topics(&[&shop.topic("current")], 5, &[]);
    shop.workdir.write("orderwatch.yaml", &text);
    let said = refused(&shop);
    assert!(said.contains("has 5 partitions and needs 2"), "{said}");
}
