//! Topics that change under a running orderwatch, against a real broker: too small, split, gone, made anew.

mod shop;
mod support;

use std::time::Duration;

use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, assert_published_once, fates, now_ms, told, wait_for_truth};
use support::{Broker, Message, Process, eventually};

const LEAVES_WITHIN: Duration = Duration::from_secs(10);

/// An order long overdue, with attributes of so many bytes in all.
fn large(shop: &Shop, order: &str, kind: &str, bytes: usize) -> Message {
    let at = now_ms() - 12 * HOUR;
    let notes =
        (0..bytes.div_ceil(1_000)).map(|n| (format!("note-{n}"), "x".repeat(1_000.min(bytes - n * 1_000)).into()));
    let notes = serde_json::Value::Object(notes.collect());
    let topic = if kind.starts_with("payment") { "payments" } else { "orders" };
    let value = format!(
        r#"{{"event_id":"{order}-{kind}","order_id":"{order}","type":"{kind}","event_time":{at},"source":"test","attributes":{notes}}}"#
    );
    Message::to(&shop.topic(topic)).key(order).value(value).at(at)
}

/// The value of `attributes.orderwatch_cut` and the length of the other attributes of an order's opening in a topic.
#[track_caller]
fn opening(shop: &Shop, topic: &str, order: &str) -> (bool, usize) {
    eventually(PATIENCE, &format!("the opening of {order} in {topic}"), || {
        let records = shop.broker().read_committed(&shop.topic(topic));
        let mut of_order = records.iter().map(support::Record::json).filter(|e| e["order_id"] == order);
        let exception = of_order.next().ok_or("none yet")?;
        let attributes = &exception["attributes"];
        let notes = attributes.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("note-"));
        let bytes = notes.map(|(_, note)| note.as_str().map_or(0, str::len)).sum();
        Ok((attributes["orderwatch_cut"] == true, bytes))
    })
}

#[test]
fn what_is_too_large_for_its_topic_is_cut_and_holds_nobody_else() {
    let broker = Broker::shared();
    let more = "routes: {}\n".to_owned();
    let shop = Shop::new(broker, 2, &Options { more, ..Options::default() });
    let text = shop.workdir.read("orderwatch.yaml");
    shop.workdir.write(
        "orderwatch.yaml",
        text.replace("routes: {}", &format!("routes: {{ops: {{topic: {}}}}}", shop.topic("ops"))),
    );
    let producer = broker.producer();
    let mut process = shop.start();
    producer.send(large(&shop, "whole", "order.placed", 4_000));
    assert_eq!(opening(&shop, "sla", "whole"), (false, 4_000));

    // The topic takes less from now on; many small ones come with a large one, in one batch.
    broker.configure_topic(&shop.topic("sla"), &[("max.message.bytes", "3000")]);
    let small = (0..200).map(|n| large(&shop, &format!("small-{n}"), "order.placed", 10));
    producer.send_all(small.chain([large(&shop, "large", "order.placed", 4_000)]));
    assert_eq!(opening(&shop, "sla", "large"), (true, 0));
    assert_eq!(opening(&shop, "current", "large"), (false, 4_000), "what fits is whole");
    eventually(PATIENCE, "the small ones, whole", || {
        let whole = |e: &serde_json::Value| e["attributes"]["note-0"] == "x".repeat(10) && e["status"] == "opened";
        let count = shop.history().iter().map(support::Record::json).filter(whole).count();
        if count == 200 { Ok(()) } else { Err(format!("{count} of 200")) }
    });
    assert!(process.stderr().contains("the topic refused what was too large for it"), "{}", process.stderr());
    assert_eq!(process.metric("orderwatch_exceptions_cut_total", &[]), 1.0);

    // What cannot be cut holds its shard, and no other.
    broker.configure_topic(&shop.topic("ops"), &[("max.message.bytes", "700")]);
    let (held, _) = producer.send(large(&shop, "held", "payment.captured", 10));
    process.wait_metric("orderwatch_records_too_large_total", &[], PATIENCE, |n| n >= 1.0);
    let names = (0..).map(|n| format!("other-{n}"));
    let mut sent = names.map(|name| (producer.send(large(&shop, &name, "order.placed", 10)).0, name));
    let (_, other) = sent.find(|(shard, _)| *shard != held).expect("a key of the other shard");
    assert_eq!(opening(&shop, "sla", &other), (false, 10));
    let note = process.get("/readyz").body;
    assert!(note.contains(&format!("is too large for {}: raise its max.message.bytes", shop.topic("ops"))), "{note}");
    assert!(shop.broker().read_committed(&shop.topic("ops")).is_empty());
    assert_eq!(shop.standing().keys().filter(|(order, _)| order == "held").count(), 0);

    broker.configure_topic(&shop.topic("ops"), &[("max.message.bytes", "1000000")]);
    assert_eq!(opening(&shop, "ops", "held"), (false, 10));
    assert!(!process.get("/readyz").body.contains("is too large"));
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn partitions_that_are_added_end_it_with_a_clear_word() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 2, &Options::default());
    let fates = fates(100, now_ms() - 12 * HOUR, MINUTE);
    broker.producer().send_all(told(&fates).iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    let mut process = shop.start();
    wait_for_truth(&shop, &fates);
    for topic in ["orders", "payments", "fulfillments"] {
        broker.add_partitions(&shop.topic(topic), 3);
    }
    assert_eq!(process.wait_exit(PATIENCE).code(), Some(1));
    let said = process.stderr();
    let words = "the input topics had 2 partitions each when this process started and now have others";
    assert!(said.contains(words) && said.contains("keys have moved") && said.contains("RUNBOOK"), "{said}");
    // Started again it says that its own topic does not match, and begins nothing.
    let again = shop.workdir.run(&["run", "--config", "orderwatch.yaml"], PATIENCE);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("has 2 partitions and needs 3"), "{}", again.stderr);
    assert_published_once(&shop);
}

/// The statuses that the history says of an order.
fn statuses(shop: &Shop, order: &str) -> Vec<String> {
    let of_order = shop.history().into_iter().filter(|record| record.key() == order);
    of_order.map(|record| record.json()["status"].as_str().expect("a status").to_owned()).collect()
}

#[track_caller]
fn wait_statuses(shop: &Shop, process: &Process, order: &str, expected: &[&str]) {
    eventually(PATIENCE, &format!("what is said of {order}"), || {
        let now = statuses(shop, order);
        if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}; {}", process.stderr())) }
    });
}

#[test]
fn an_input_that_is_made_anew_is_read_from_its_beginning() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    let producer = broker.producer();
    let mut process = shop.start();
    producer.send_all((0..50).map(|n| shop.event(&format!("noise-{n}"), "payment.authorized", now_ms())));
    let placed = now_ms() - 12 * HOUR;
    producer.send_all(["o-1", "o-2"].map(|order| shop.event(order, "order.placed", placed)));
    wait_statuses(&shop, &process, "o-2", &["opened"]);
    process.wait_snapshots(1.0, PATIENCE);

    // Its offsets begin again, below what was read.
    let payments = shop.topic("payments");
    broker.delete_topic(&payments);
    broker.create_topics(&[&payments], 1, &[]);
    producer.send(shop.event("o-1", "payment.captured", now_ms()));
    assert_eq!(process.wait_exit(PATIENCE).code(), Some(1));
    // At 1, or at 0 where it was asked before the record came.
    let ends_at = |end: i64| format!("was deleted and made anew: it ends at offset {end}, below what was read of it");
    let said = process.stderr();
    assert!([0, 1].into_iter().any(|end| said.contains(&ends_at(end))), "{said}");
    assert_eq!(statuses(&shop, "o-1"), ["opened"]);

    // The next one reads it from its beginning, and those after it go on.
    let mut process = shop.start();
    wait_statuses(&shop, &process, "o-1", &["opened", "resolved"]);
    producer.send(shop.event("new", "order.placed", now_ms()));
    shop.wait_judged(&process, 5.0);
    process.kill();
    let mut process = shop.start();
    producer.send(shop.event("o-2", "payment.captured", now_ms()));
    wait_statuses(&shop, &process, "o-2", &["opened", "resolved"]);
    assert!(statuses(&shop, "new").is_empty());
    assert_eq!(process.stderr().matches("was made anew").count(), 0, "its commits are of the new topic by now");
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn a_group_whose_offsets_are_gone_goes_on_from_its_snapshots() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 2, &Options::default());
    let fates = fates(100, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let (earlier, later) = told.split_at(told.len() / 2);
    let send = |events: &[(String, &'static str, i64)]| {
        broker.producer().send_all(events.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    };
    send(earlier);
    let mut process = shop.start();
    shop.wait_judged(&process, 5.0);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
    let before = shop.history().len();
    assert!(before > 0);

    broker.delete_group(&shop.name);
    let mut process = shop.start();
    shop.wait_judged(&process, 5.0);
    assert_eq!(shop.history().len(), before, "nothing is told again");
    send(later);
    wait_for_truth(&shop, &fates);
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn an_output_that_is_gone_ends_it_with_a_clear_word_and_a_start_makes_it_again() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    let producer = broker.producer();
    let mut process = shop.start();
    let placed = now_ms() - 12 * HOUR;
    producer.send(shop.event("o-1", "order.placed", placed));
    wait_statuses(&shop, &process, "o-1", &["opened"]);
    for gone in ["sla", "current"] {
        broker.delete_topic(&shop.topic(gone));
        let order = format!("without-{gone}");
        producer.send(shop.event(&order, "order.placed", placed));
        assert_eq!(process.wait_exit(PATIENCE).code(), Some(1), "{}", process.stderr());
        let word = format!("the output topic {} is gone: start orderwatch again", shop.topic(gone));
        assert!(process.stderr().contains(&word), "{}", process.stderr());
        process = shop.start();
        wait_statuses(&shop, &process, &order, &["opened"]);
    }
    // It found less than the group's commits say, and did not wait for it.
    assert!(process.stderr().contains("the topic was made anew and what it held is lost"), "{}", process.stderr());
    producer.send(shop.event("without-current", "payment.captured", now_ms()));
    wait_statuses(&shop, &process, "without-current", &["opened", "resolved"]);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}
