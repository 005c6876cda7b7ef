//! `oversold` of `orderwatch run` against a real broker: demand over the shards of two processes, stock from a topic with
//! partitions of its own, through the death of the one that sums.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use shop::members::{RUN, readiness, wait_shared};
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::{Broker, Message, Process, eventually};

const GRID: i64 = 10_000;
const SETTLE: i64 = MINUTE;
const SKUS: i64 = 20;
const CHECKS: &str = r#"
checks:
  - {check: oversold, settle: SETTLE, severity: warning, owner: buying, route: ops, expected_outcome: "restocked"}
"#;

/// A shop with an inventory topic of 3 partitions.
fn shop(partitions: i32, settle: &str, more: &str) -> Shop {
    let broker = Broker::shared();
    let options = Options { policies: CHECKS.replace("SETTLE", settle), more: more.to_owned(), ..Options::default() };
    let shop = Shop::new(broker, partitions, &options);
    let inventory = shop.topic("inventory");
    broker.create_topics(&[&inventory], 3, &[]);
    let stream = format!("  - {{topic: {inventory}, key: sku}}\noutputs:\n");
    let text = shop.workdir.read("orderwatch.yaml").replacen("outputs:\n", &stream, 1);
    shop.workdir.write("orderwatch.yaml", text);
    shop
}

fn sku(n: i64) -> String {
    format!("s-{n}")
}

fn stock(shop: &Shop, sku: &str, kind: &str, pieces: i64, at: i64) -> Message {
    let field = if kind == "stock.level" { "available" } else { "quantity" };
    let value = json!({"event_id": format!("{sku}-{kind}-{at}"), "sku": sku, "type": kind, "event_time": at,
        "source": "wms", "location": "BER-1", field: pieces});
    Message::to(&shop.topic("inventory")).key(sku).json(&value).at(at)
}

fn order(shop: &Shop, id: &str, kind: &str, at: i64, lines: &[(&str, i64)]) -> Message {
    let topic = if kind.starts_with("fulfillment") { "fulfillments" } else { "orders" };
    let lines: Vec<_> = lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    let value = json!({"event_id": format!("{id}-{kind}"), "order_id": id, "type": kind, "event_time": at,
        "source": "test", "lines": lines});
    Message::to(&shop.topic(topic)).key(id).json(&value).at(at)
}

/// Ten hours of one sku each: (when, what changes its demand, what changes its stock).
#[derive(Default)]
struct Story {
    demand: Vec<(i64, i64)>,
    levels: Vec<(i64, i64)>,
    moves: Vec<(i64, i64)>,
}

/// What a shop sells in ten hours, as records by their times, and the same as plain changes.
fn stories(shop: &Shop, from: i64) -> (Vec<Message>, Vec<Story>) {
    let mut told: Vec<(i64, Message)> = Vec::new();
    let mut stories: Vec<Story> = (0..SKUS).map(|_| Story::default()).collect();
    for (n, story) in (0..SKUS).zip(&mut stories) {
        // What nobody counts is not oversold.
        let hours: &[i64] = if n == 7 { &[] } else { &[0, 4, 8] };
        for hour in hours {
            let (at, available) = (from + hour * HOUR, 6 + (n * 7 + hour) % 13);
            story.levels.push((at, available));
            told.push((at, stock(shop, &sku(n), "stock.level", available, at)));
        }
    }
    for n in 0..600 {
        let (placed, k) = (from + MINUTE + n * MINUTE + n * 137, n % SKUS);
        let (pieces, id, story) = (1 + n % 3, format!("o-{n}"), &mut stories[usize::try_from(k).expect("small")]);
        story.demand.push((placed, pieces));
        told.push((placed, order(shop, &id, "order.placed", placed, &[(&sku(k), pieces)])));
        let ends = placed + HOUR + n % 90 * MINUTE;
        story.demand.push((ends, -pieces));
        if n % 5 == 0 {
            told.push((ends, order(shop, &id, "order.cancelled", ends, &[])));
            continue;
        }
        told.push((ends, order(shop, &id, "fulfillment.shipped", ends, &[(&sku(k), pieces)])));
        if k != 7 && n % 2 == 0 {
            // Only every second parcel is booked out of the stock, and so the shelf is wrong until it is counted anew.
            story.moves.push((ends, -pieces));
            told.push((ends, stock(shop, &sku(k), "stock.moved", -pieces, ends)));
        }
    }
    told.sort_by_key(|(at, _)| *at);
    let now = now_ms();
    let past = told.into_iter().filter(|(at, _)| *at < now);
    (past.map(|(_, message)| message).collect(), stories)
}

/// (opened or resolved, sku, the grid point, demand, stock).
type Said = (String, String, i64, i64, i64);

/// What is to be said of the stories, told by walking the grid.
fn truth(stories: &[Story], from: i64, until: i64) -> BTreeSet<Said> {
    let mut said = BTreeSet::new();
    for (n, story) in (0..SKUS).zip(stories) {
        let (mut since, mut open) = (None, false);
        let mut t = from.div_euclid(GRID) * GRID;
        while t < until {
            let demand: i64 = story.demand.iter().filter(|(at, _)| *at <= t).map(|(_, by)| by).sum();
            if let Some((counted, available)) = story.levels.iter().rev().find(|(at, _)| *at <= t) {
                let moved = story.moves.iter().filter(|(at, _)| *at > *counted && *at <= t).map(|(_, by)| by);
                let available = (available + moved.sum::<i64>()).max(0);
                since = if demand > available { since.or(Some(t)) } else { None };
                let mut tell = |status: &str| said.insert((status.to_owned(), sku(n), t, demand, available));
                if !open && since.is_some_and(|since| t - since >= SETTLE) {
                    open = tell("opened");
                } else if open && since.is_none() {
                    open = !tell("resolved");
                }
            }
            t += GRID;
        }
    }
    said
}

fn of(e: &serde_json::Value) -> Said {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let at = if e["status"] == "resolved" { &e["ended_at"] } else { &e["breached_at"] };
    let at: jiff::Timestamp = text(at).parse().expect("a time");
    let figure = |name: &str| e["check"][name].as_i64().expect("a figure");
    (text(&e["status"]), text(&e["group"]["sku"]), at.as_millisecond(), figure("actual"), figure("expected"))
}

fn published(shop: &Shop) -> Vec<Said> {
    shop.broker().read_committed(&shop.topic("recon")).iter().map(|record| of(&record.json())).collect()
}

#[test]
fn two_processes_say_what_a_plain_function_says_though_the_one_that_sums_dies() {
    let broker = Broker::shared();
    let shop = shop(4, "1m", "");
    let from = now_ms() - 9 * HOUR;
    let (told, stories) = stories(&shop, from);
    let until = now_ms() - MINUTE;
    let expected = truth(&stories, from, until);
    assert!(expected.len() > 20, "the stories say something: {expected:?}");
    let mut bad = stock(&shop, "s-1", "stock.level", 1, from + 5);
    bad = bad.key("s-2");
    broker.producer().send_all(told.into_iter().chain([bad]));

    let beside = shop.beside();
    let mut members = vec![Process::ready(&shop.workdir, &RUN, PATIENCE), Process::ready(&beside, &RUN, PATIENCE)];
    let held = wait_shared(&shop, &members.iter().collect::<Vec<_>>());
    eventually(PATIENCE, "an opening", || if published(&shop).is_empty() { Err("none".to_owned()) } else { Ok(()) });
    let owner = held.iter().position(|shards| shards.contains(&0)).expect("an owner");
    members.remove(owner).kill();
    let until_now = |said: &Said| said.2 < until;
    eventually(PATIENCE, "the truth", || {
        let got: BTreeSet<Said> = published(&shop).into_iter().filter(until_now).collect();
        let missing: Vec<_> = expected.difference(&got).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?} got {got:?}")) }
    });
    let got: Vec<Said> = published(&shop).into_iter().filter(until_now).collect();
    assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), expected, "nothing else");
    assert_eq!(got.len(), expected.len(), "nothing twice");
    let letters = broker.read_committed(&shop.topic("dead"));
    let errors: Vec<_> = letters.iter().filter_map(|letter| letter.header("orderwatch-error")).collect();
    assert_eq!(errors, ["key_mismatch"], "read by both, told once");

    // A third takes over from a clean end, and says nothing anew; a replay says the same.
    assert!(members[0].terminate(Duration::from_secs(10)).success());
    let third = shop.start();
    shop.wait_judged(&third, 5.0);
    let to = orderwatch::domain::Timestamp::from_millis(until + 2_000).to_string();
    let args = ["replay", "--config", "orderwatch.yaml", "--from", "earliest", "--to", &to, "--output", "-"];
    let finished = shop.workdir.run(&args, PATIENCE);
    assert!(finished.status.success(), "{}", finished.stderr);
    let lines = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("an exception"));
    let replayed: Vec<Said> = lines.map(|e: serde_json::Value| of(&e)).filter(until_now).collect();
    assert_eq!(replayed.iter().cloned().collect::<BTreeSet<_>>(), expected);
    let again: Vec<Said> = published(&shop).into_iter().filter(until_now).collect();
    assert_eq!(again, got, "nothing anew");
}

#[test]
fn an_inventory_that_lags_raises_no_false_finding() {
    let broker = Broker::shared();
    let shop = shop(2, "0s", "backlog_grid: 1s\n");
    let process = shop.start();
    let told_past = |ms: i64| {
        eventually(PATIENCE, "the shards to have told", || {
            let records = broker.read_committed(&shop.topic("control-partials"));
            let told = |shard: i64| {
                let mine = records.iter().map(|record| record.json()).filter(move |record| record["shard"] == shard);
                mine.filter_map(|record| record["frontier"].as_i64()).max() > Some(ms)
            };
            if told(0) && told(1) { Ok(()) } else { Err("not yet".to_owned()) }
        });
    };
    broker.producer().send(stock(&shop, "a", "stock.level", 1, now_ms() - HOUR));
    // Somebody books in what has come, and does not say so yet.
    let warehouse = broker.transactional(&shop.topic("warehouse"), Duration::from_secs(120));
    warehouse.begin();
    warehouse.send(stock(&shop, "a", "stock.level", 9, now_ms() - 1_000));
    let placed = now_ms();
    broker.producer().send(order(&shop, "o-1", "order.placed", placed, &[("a", 5)]));
    told_past(placed + 10_000);
    assert_eq!(published(&shop), [], "the stock is not known");
    eventually(PATIENCE, "the reason", || {
        let note = readiness(&process)?["notes"]["backlogs"].as_str().unwrap_or_default().to_owned();
        let says = note.contains(&shop.topic("inventory")) && note.contains("open_transaction");
        if says { Ok(()) } else { Err(readiness(&process)?.to_string()) }
    });
    warehouse.commit();
    let placed = now_ms();
    broker.producer().send(order(&shop, "o-2", "order.placed", placed, &[("a", 6)]));
    eventually(PATIENCE, "the opening", || if published(&shop).is_empty() { Err("none".to_owned()) } else { Ok(()) });
    let said = published(&shop);
    assert_eq!((said.len(), &*said[0].0, said[0].3, said[0].4), (1, "opened", 11, 9));
    assert!(said[0].2 >= placed, "not before there was too little");
    assert_eq!(process.metric("orderwatch_events_total", &[("stream", &shop.topic("inventory"))]), 2.0);
}
