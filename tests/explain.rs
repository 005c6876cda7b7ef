//! `orderwatch explain`: an order's timeline, and why each policy says what it says.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::Workdir;

const PATIENCE: Duration = Duration::from_secs(30);

const CONFIG: &str = "kafka: {brokers: nowhere:1, group_id: shop}\n\
    streams: [{topic: orders}, {topic: payments}, {topic: fulfillments}]\npolicies: policies.yaml\ngrace: 5s\n";

const POLICIES: &str = r#"
slas:
  - {id: paid-in-30m, start: order.placed, stop: payment.captured, cancel_on: [order.cancelled],
     pause: {from: order.held, until: order.released}, target: 30m,
     severity: critical, owner: payments-team, route: oncall, expected_outcome: "paid"}
  - {id: shipped-by-promise, start: order.placed, stop: order.fully_shipped, target: promised_ship_by,
     severity: warning, owner: warehouse, route: ops, expected_outcome: "shipped"}
  - {id: wholesale-paid, when: 'order.attributes.channel == "wholesale"', start: order.placed, stop: payment.captured,
     target: 30d, severity: warning, owner: sales, route: ops, expected_outcome: "paid"}
checks:
  - {check: amount_mismatch, settle: 1m, severity: warning, owner: finance, route: ops, expected_outcome: "agree"}
"#;

const EXPLAINED: &str = r#"Order o-1 at frontier 2026-11-21T11:00:00.000Z

Timeline
  2026-11-21T10:00:00.000Z  order.placed             webshop (orders/3/0)
  2026-11-21T10:10:00.000Z  order.held               fraud (orders/3/1)
  2026-11-21T10:20:00.000Z  order.released           fraud (orders/3/2)
  2026-11-21T10:52:00.000Z  payment.captured         psp (payments/3/0)  told at 2026-11-21T10:53:00.000Z

Policies
  paid-in-30m [payments-team]
    started at 2026-11-21T10:00:00.000Z by order.placed
    breached: no payment.captured by 2026-11-21T10:40:00.000Z; it came at 2026-11-21T10:52:00.000Z, 12 min late; its clock stood still from 2026-11-21T10:10:00.000Z to 2026-11-21T10:20:00.000Z; `resolved` was published at frontier 2026-11-21T10:53:00.000Z
  shipped-by-promise
    no cycle: no date was promised
  wholesale-paid
    no cycle: its `when` did not hold at the start
  amount-mismatch [finance]
    started at 2026-11-21T10:52:00.000Z by payment.captured
    amount_mismatch under: expected 5000, found 4000 EUR; it stands since 2026-11-21T10:52:00.000Z; `opened` was published at frontier 2026-11-21T10:53:05.001Z

What was said
  frontier 2026-11-21T10:40:05.001Z  opened    paid-in-30m
  frontier 2026-11-21T10:53:00.000Z  resolved  paid-in-30m
  frontier 2026-11-21T10:53:05.001Z  opened    amount-mismatch
"#;

fn minute(at: i64) -> i64 {
    // 2026-11-21T10:00:00Z
    1_795_255_200_000 + at * 60_000
}

/// Held from 10:10 to 10:20, paid at 10:52 by too little, and told of it a minute later.
fn dump() -> String {
    let total = json!({"amount_minor": 5000, "currency": "EUR"});
    let paid = json!({"amount_minor": 4000, "currency": "EUR"});
    let records = [
        ("orders", 0, json!({"event_id": "1", "type": "order.placed", "source": "webshop", "total": total}), 0, 0),
        ("orders", 1, json!({"event_id": "2", "type": "order.held", "source": "fraud"}), 10, 10),
        ("orders", 2, json!({"event_id": "3", "type": "order.released", "source": "fraud"}), 20, 20),
        ("payments", 0, json!({"event_id": "4", "type": "payment.captured", "source": "psp", "amount": paid}), 52, 53),
    ];
    let mut text = String::new();
    for (topic, offset, mut event, happened, told) in records {
        event["order_id"] = "o-1".into();
        event["event_time"] = minute(happened).into();
        let line = json!({"topic": topic, "partition": 3, "offset": offset, "ts": minute(told), "key": "o-1",
            "payload": event.to_string()});
        text.push_str(&format!("{line}\n"));
    }
    text
}

fn explain(args: &[&str]) -> (Option<i32>, String, String) {
    let workdir = Workdir::new();
    workdir.write("orderwatch.yaml", CONFIG);
    workdir.write("policies.yaml", POLICIES);
    workdir.write("dump.jsonl", dump());
    let finished = workdir.run(&[&["explain"], args].concat(), PATIENCE);
    (finished.status.code(), finished.stdout, finished.stderr)
}

#[test]
fn a_person_reads_when_what_happened_and_why_it_was_said() {
    let (code, told, said) = explain(&["o-1", "--input", "dump.jsonl", "--to", "2026-11-21T11:00:00Z"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(told, EXPLAINED);
}

#[test]
fn a_program_reads_the_same() {
    let (_, told, _) = explain(&["o-1", "--input", "dump.jsonl", "--to", "2026-11-21T11:00:00Z", "--json"]);
    let value: Value = serde_json::from_str(&told).expect("JSON");
    let paid = &value["policies"][0];
    assert_eq!(paid["policy"], "paid-in-30m");
    assert_eq!(paid["cycles"][0]["verdict"], "breached_then_done");
    assert_eq!(paid["cycles"][0]["deadline"], "2026-11-21T10:40:00.000Z", "ten minutes of hold");
    assert_eq!(paid["cycles"][0]["ended"]["by"]["offset"], 0);
    assert_eq!(value["policies"][1]["none_because"]["reason"], "nothing_promised");
    assert_eq!(value["policies"][2]["none_because"]["reason"], "when_does_not_hold");
    let statuses: Vec<_> = value["history"].as_array().expect("a history").iter().map(|e| &e["status"]).collect();
    assert_eq!(statuses, ["opened", "resolved", "opened"]);
    assert_eq!(value["timeline"][3]["record_time"], "2026-11-21T10:53:00.000Z");
}

#[test]
fn an_order_that_nobody_told_of_is_said_to_be_unknown() {
    let (code, _, said) = explain(&["o-2", "--input", "dump.jsonl"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("order o-2 is not known in these records"), "{said}");
    let (code, _, said) = explain(&["o-2"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--input DUMP, --from TIME and --url URL"), "{said}");
}
