//! Edited policies on a real broker: exactly the difference comes out, and a rolling deploy flips nothing.

mod shop;
mod support;

use std::time::Duration;

use shop::{HOUR, Options, PATIENCE, Shop, now_ms};
use support::{Broker, Process, eventually};

fn paid_within(revision: u64, target: &str) -> String {
    format!(
        "revision: {revision}\nslas:\n  - {{id: paid, start: order.placed, stop: payment.captured, target: {target}, \
         severity: info, owner: o, route: r, expected_outcome: e}}\n"
    )
}

fn under(shop: &Shop, revision: u64, target: &str) -> Process {
    shop.configure(&Options { policies: paid_within(revision, target), ..Options::default() });
    shop.start()
}

/// The statuses published of each order, in order.
#[track_caller]
fn told(shop: &Shop, expected: &[(&str, &str)]) {
    let mut expected: Vec<String> = expected.iter().map(|(order, status)| format!("{order} {status}")).collect();
    expected.sort();
    eventually(PATIENCE, "the history", || {
        let status = |record: &support::Record| {
            let json = record.json();
            format!("{} {}", record.key(), json["status"].as_str().unwrap_or_default())
        };
        let mut told: Vec<String> = shop.history().iter().map(status).collect();
        told.sort();
        if told == expected { Ok(()) } else { Err(format!("{told:?}, not {expected:?}")) }
    });
}

fn stop(mut process: Process) {
    assert!(process.terminate(Duration::from_secs(10)).success(), "it leaves in good order");
}

#[test]
fn an_edit_publishes_the_difference_and_an_older_file_flips_nothing() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 1, &Options::default());
    let (producer, now) = (broker.producer(), now_ms());
    producer.send(shop.event("met", "order.placed", now - 3 * HOUR));
    producer.send(shop.event("met", "payment.captured", now - 3 * HOUR + HOUR / 2));
    producer.send(shop.event("late", "order.placed", now - 3 * HOUR));
    producer.send(shop.event("due", "order.placed", now - HOUR / 2));

    let process = under(&shop, 1, "1h");
    let first = [("late", "opened")];
    told(&shop, &first);
    stop(process);

    // Tighter: what was met under the hour stays met, what runs is judged anew.
    let process = under(&shop, 2, "20m");
    let tighter = [first.as_slice(), &[("late", "retracted"), ("late", "opened"), ("due", "opened")]].concat();
    told(&shop, &tighter);

    // A file of before: said, and not used, while that one runs and after it.
    let old = shop.beside();
    old.write("policies.yaml", paid_within(1, "1h"));
    let other = Process::ready(&old, &["run", "--config", "orderwatch.yaml"], PATIENCE);
    assert_eq!(other.metric("orderwatch_policies_refused_total", &[]), 1.0);
    let ready = other.get("/readyz").body;
    assert!(ready.contains("revision 2 is in force"), "{ready}");
    stop(process);
    producer.send(shop.event("new", "order.placed", now_ms() - HOUR / 2));
    told(&shop, &[tighter.as_slice(), &[("new", "opened")]].concat());
    stop(other);
}
