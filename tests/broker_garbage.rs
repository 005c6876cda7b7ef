//! Whatever arrives on a topic: garbage goes to the dead-letter topic with its reason, and moves nothing else.

mod shop;
mod support;

use std::collections::BTreeMap;

use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::{Broker, Message, Record, eventually};

/// A year, in milliseconds.
const YEAR: i64 = 365 * 24 * HOUR;

/// What is sent, and the codes that may come of it.
fn garbage(shop: &Shop, now: i64) -> Vec<(Message, &'static [&'static str])> {
    let orders = shop.topic("orders");
    let to = |key: &str, value: &[u8]| Message::to(&orders).key(key).value(value).at(now);
    let event = |key: &str, more: &str| {
        let text = format!(r#"{{"event_id":"e-{key}","order_id":"{key}","type":"order.placed"{more}}}"#);
        to(key, text.as_bytes())
    };
    let random: Vec<u8> = (0u32..4_096).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
    vec![
        (to("random", &random), &["not_utf8", "not_json"]),
        (to("cut", br#"{"event_id":"1","order_id":"cut","type":"order.pl"#), &["not_json"]),
        (event("types", r#","event_time":{"at":1}"#), &["wrong_type", "bad_time"]),
        (to("array", b"[1,2,3]"), &["wrong_type", "not_json", "missing_field"]),
        (event("nan", r#","attributes":{"x":NaN}"#), &["not_json"]),
        (to("deep", deep.as_bytes()), &["too_deep", "not_json"]),
        (
            to("utf8", b"{\"event_id\":\"\xff\xfe\",\"order_id\":\"utf8\",\"type\":\"order.placed\"}"),
            &["not_utf8", "not_json"],
        ),
        (event("mine", "").key("theirs"), &["key_mismatch"]),
        (event("y9999", r#","event_time":"9999-01-01T00:00:00Z""#), &["too_far_in_future"]),
        (event("last", r#","event_time":"9999-12-31T23:59:59Z""#), &["too_far_in_future", "bad_time"]),
        (event("y1970", r#","event_time":"1970-01-01T00:00:00Z""#), &["too_far_in_past"]),
        (to("missing", br#"{"event_id":"1","order_id":"missing"}"#), &["missing_field"]),
        (event("money", r#","total":{"amount_minor":1.5,"currency":"EUR"}"#), &["wrong_type"]),
        (
            event("derived", "").value(r#"{"event_id":"1","order_id":"derived","type":"order.paid_in_full"}"#),
            &["reserved_type"],
        ),
        (to("large", &vec![b'x'; 10 << 20]).header("trace", "t-1"), &["too_large"]),
    ]
}

#[test]
fn garbage_is_set_aside_with_its_reason_and_moves_nothing() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    broker.create_topics(&[&shop.topic("dead")], 1, &[("max.message.bytes", "600000")]);
    let producer = broker.producer();
    let process = shop.start();
    let now = now_ms();
    let sent = garbage(&shop, now);
    producer.send_all(sent.iter().map(|(message, _)| message.clone()));
    // A tombstone is nothing, and the partition goes on.
    producer.send(Message::to(&shop.topic("orders")).key("null").at(now));
    producer.send(shop.event("alive", "order.placed", now - HOUR));

    let dead = eventually(PATIENCE, "the dead letters", || {
        let dead = broker.read_committed(&shop.topic("dead"));
        if dead.len() >= sent.len() { Ok(dead) } else { Err(format!("{} of {}", dead.len(), sent.len())) }
    });
    eventually(PATIENCE, "the breach behind them", || {
        if shop.history().len() == 1 { Ok(()) } else { Err(format!("{} records", shop.history().len())) }
    });
    assert_eq!(dead.len(), sent.len());
    assert_eq!(shop.history()[0].key(), "alive");

    let offset =
        |record: &Record| record.header("orderwatch-offset").expect("its offset").parse::<usize>().expect("a number");
    let by_offset: BTreeMap<usize, &Record> = dead.iter().map(|record| (offset(record), record)).collect();
    let mut counted: BTreeMap<String, f64> = BTreeMap::new();
    for (at, (_, codes)) in sent.iter().enumerate() {
        let letter = by_offset[&at];
        let code = letter.header("orderwatch-error").expect("a code");
        assert!(codes.contains(&code.as_str()), "record {at}: {code}, not {codes:?}");
        assert!(!letter.header("orderwatch-detail").expect("a detail").is_empty());
        assert_eq!(letter.header("orderwatch-topic"), Some(shop.topic("orders")));
        assert_eq!(letter.header("orderwatch-partition").as_deref(), Some("0"));
        *counted.entry(code).or_default() += 1.0;
    }
    for (code, count) in counted {
        let labels = [("stream", shop.topic("orders")), ("reason", code)];
        let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(process.metric("orderwatch_dead_letters_total", &labels), count, "{labels:?}");
    }
    let events = [("stream", shop.topic("orders"))];
    let events: Vec<(&str, &str)> = events.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(process.metric("orderwatch_events_total", &events), 1.0, "only the good one is an event");
    assert_eq!(process.metric("orderwatch_null_records_total", &events), 1.0);

    // The untouched and the cut.
    let broken = by_offset[&1];
    assert_eq!(broken.value.as_deref(), Some(br#"{"event_id":"1","order_id":"cut","type":"order.pl"#.as_slice()));
    assert_eq!(broken.key(), "cut");
    let large = by_offset[&(sent.len() - 1)];
    assert_eq!(large.header("orderwatch-original-size").as_deref(), Some((10 << 20).to_string().as_str()));
    assert!(large.header("orderwatch-sha256").is_some_and(|hash| hash.len() == 64));
    assert_eq!(large.header("trace").as_deref(), Some("t-1"));
    let kept = large.value.as_ref().map_or(0, Vec::len);
    assert!(kept > 500_000 && kept < 600_000, "{kept} bytes are kept");
}

#[test]
fn a_record_time_of_next_year_moves_no_clock() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    let producer = broker.producer();
    let now = now_ms();
    // An order that is due in half an hour, and a record that claims to be of next year in each topic.
    producer.send(shop.event("waits", "order.placed", now));
    let claim = |order: &str, kind: &str| shop.event(order, kind, now).at(now + YEAR);
    producer.send(claim("ahead-1", "order.placed"));
    producer.send(claim("ahead-2", "payment.captured"));
    producer.send(claim("ahead-3", "fulfillment.shipped"));
    // One that is overdue already shows that judging goes on.
    producer.send(shop.event("overdue", "order.placed", now - HOUR).at(now));

    let process = shop.start();
    eventually(PATIENCE, "the overdue order", || {
        let named: Vec<String> = shop.history().iter().map(Record::key).collect();
        if named == ["overdue"] { Ok(()) } else { Err(format!("{named:?}")) }
    });
    process.wait_metric("orderwatch_ahead_records_total", &[], PATIENCE, |n| n == 3.0);
    process.wait_metric("orderwatch_frontier_lag_seconds", &[], PATIENCE, |lag| (0.0..5.0).contains(&lag));
    let frontier = shop.history()[0].json()["frontier"].as_str().expect("a frontier").to_owned();
    assert!(frontier.as_str() < "2099" && shop.history().len() == 1, "{frontier}");
    let committed = broker.committed(&shop.name, &shop.topic("orders"));
    let note: serde_json::Value = serde_json::from_str(&committed[&0].1).expect("our note");
    assert!(note["f"].as_i64().expect("a frontier") < now + 10 * MINUTE, "{note}");
    assert!(process.metric("orderwatch_orders_open", &[]) >= 2.0);
}
