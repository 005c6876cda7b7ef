//! What the broker's authorizer does not let orderwatch do: said clearly, and mended without loss.

mod shop;
mod support;

use std::time::Duration;

use shop::{HOUR, Options, PATIENCE, Shop, assert_published_once, now_ms};
use support::acl::{AUTHORIZER, Operation, Resource};
use support::{Broker, Process, Record, eventually};

const LEAVES_WITHIN: Duration = Duration::from_secs(10);

fn guarded() -> &'static Broker {
    static GUARDED: std::sync::OnceLock<Broker> = std::sync::OnceLock::new();
    GUARDED.get_or_init(|| Broker::start_with(&AUTHORIZER))
}

#[track_caller]
fn wait_told(shop: &Shop, process: &Process, orders: &[&str]) {
    eventually(PATIENCE, "the history", || {
        let told: Vec<String> = shop.history().iter().map(Record::key).collect();
        let mut sorted = told.clone();
        sorted.sort();
        if sorted == orders { Ok(()) } else { Err(format!("{told:?}, not {orders:?}; {}", process.stderr())) }
    });
}

fn an_output_that_may_not_be_written(delivery: &str) {
    let broker = guarded();
    let shop = Shop::new(broker, 2, &Options { more: format!("delivery: {delivery}\n"), ..Options::default() });
    let mut process = shop.start();
    let producer = broker.producer();
    let overdue = |order: &str| producer.send(shop.event(order, "order.placed", now_ms() - HOUR));
    let (shard, _) = overdue("a");
    wait_told(&shop, &process, &["a"]);

    let sla = shop.topic("sla");
    broker.deny(Resource::Topic(&sla), Operation::Write);
    let (denied, _) = overdue("b");
    eventually(Duration::from_secs(15), "the refusal to be counted", || {
        let refused = support::metrics::sum(
            &support::metrics::parse(
                &process.try_get("/metrics").map_err(|e| format!("{e}; {}", process.stderr()))?.body,
            ),
            "orderwatch_writes_denied_total",
            &[("topic", &sla)],
        );
        refused.filter(|n| *n >= 1.0).map(drop).ok_or_else(|| process.stderr())
    });
    let note = eventually(PATIENCE, "a note", || {
        let body: serde_json::Value =
            serde_json::from_str(&process.try_get("/readyz")?.body).map_err(|e| e.to_string())?;
        body["notes"]["permissions"].as_str().map(str::to_owned).ok_or(body.to_string())
    });
    let words = format!("orderwatch may not write to {sla}: allow WRITE there");
    assert!(note.contains(&words), "{note}");
    assert!(process.stderr().contains(&sla) && process.stderr().contains("allow WRITE on it"));
    let _ = (shard, denied);
    assert_eq!(process.get("/readyz").status, 200);

    broker.deny_no_more(Resource::Topic(&sla));
    wait_told(&shop, &process, &["a", "b"]);
    overdue("c");
    wait_told(&shop, &process, &["a", "b", "c"]);
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn an_output_that_may_not_be_written_is_said_and_written_when_it_may() {
    an_output_that_may_not_be_written("exactly_once");
}

#[test]
fn the_same_at_least_once() {
    an_output_that_may_not_be_written("at_least_once");
}
