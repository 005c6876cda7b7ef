//! What the broker's authorizer does not let orderwatch do: said clearly, and mended without loss.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use shop::{HOUR, Options, PATIENCE, Shop, assert_published_once, now_ms};
use support::acl::{AUTHORIZER, Operation, Resource};
use support::{Broker, Message, Process, Record, eventually};

const LEAVES_WITHIN: Duration = Duration::from_secs(10);

fn guarded() -> &'static Broker {
    static GUARDED: OnceLock<Broker> = OnceLock::new();
    GUARDED.get_or_init(|| Broker::start_with(&AUTHORIZER))
}

/// Waits until the openings of these orders, and of no others, are in a topic.
#[track_caller]
fn wait_told(shop: &Shop, process: &Process, topic: &str, orders: &[&str]) {
    eventually(PATIENCE, "what is told", || {
        let records = shop.broker().read_committed(&shop.topic(topic));
        let told: BTreeSet<String> =
            records.iter().map(|record| record.json()["order_id"].as_str().unwrap_or_default().to_owned()).collect();
        if told.iter().eq(orders) { Ok(()) } else { Err(format!("{told:?}, not {orders:?}; {}", process.stderr())) }
    });
}

fn note(process: &Process) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(&process.get("/readyz").body).expect("JSON");
    body["notes"]["permissions"].as_str().map(str::to_owned)
}

/// An output loses a permission while orderwatch runs, and is given it back.
fn an_output_is_denied(delivery: &str, output: &str, operation: Operation) {
    let broker = guarded();
    let shop = Shop::new(broker, 2, &Options { more: format!("delivery: {delivery}\n"), ..Options::default() });
    let topic = shop.topic(output);
    let mut process = shop.start();
    let producer = broker.producer();
    let overdue = |order: &str| producer.send(shop.event(order, "order.placed", now_ms() - HOUR));
    overdue("a");
    wait_told(&shop, &process, "current", &["a"]);

    broker.deny(Resource::Topic(&topic), operation);
    let (shard, _) = overdue("b");
    process.wait_metric("orderwatch_writes_denied_total", &[("topic", &topic)], PATIENCE, |n| n >= 1.0);
    assert_eq!(
        note(&process),
        Some(format!("orderwatch may not write to {topic}: allow WRITE there; nothing is lost"))
    );
    let said = process.stderr();
    assert!(
        said.contains("orderwatch may not write to this topic: allow WRITE on it") && said.contains(&topic),
        "{said}"
    );
    if delivery == "exactly_once" {
        // The other shard has something to say elsewhere, and says it.
        producer.send(Message::to(&shop.topic("orders")).partition(1 - shard).key("x").value("no event"));
        let dead = || broker.read_committed(&shop.topic("dead")).len();
        eventually(PATIENCE, "a dead letter", || if dead() == 1 { Ok(()) } else { Err(process.stderr()) });
        wait_told(&shop, &process, "sla", &["a"]);
    }
    assert!(note(&process).is_some());

    broker.deny_no_more(Resource::Topic(&topic));
    for told in ["sla", "current"] {
        wait_told(&shop, &process, told, &["a", "b"]);
    }
    overdue("c");
    wait_told(&shop, &process, "sla", &["a", "b", "c"]);
    eventually(PATIENCE, "the note to go", || note(&process).map_or(Ok(()), Err));
    if delivery == "exactly_once" {
        assert_published_once(&shop);
    }
    assert_eq!(process.metric("orderwatch_exceptions_total", &[("status", "opened")]), 3.0);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn a_history_that_may_not_be_written_is_said_and_written_when_it_may() {
    an_output_is_denied("exactly_once", "sla", Operation::Write);
}

#[test]
fn the_same_at_least_once() {
    an_output_is_denied("at_least_once", "sla", Operation::Write);
}

#[test]
fn the_current_states_may_not_even_be_known_of() {
    an_output_is_denied("exactly_once", "current", Operation::All);
}

#[test]
fn what_a_start_may_not_do_is_said_in_one_line() {
    let broker = guarded();
    let shop = Shop::new(broker, 2, &Options::default());
    let (orders, group) = (shop.topic("orders"), shop.name.clone());
    let transactions = Resource::TransactionalIds(&group);
    for (resource, operation, said) in [
        (Resource::Topic(&orders), Operation::Describe, format!("the topic {orders}: allow DESCRIBE on it")),
        (Resource::Topic(&orders), Operation::Read, format!("the topic {orders}: allow READ on it")),
        (Resource::Group(&group), Operation::Read, format!("the group {group}: allow READ on it")),
        (Resource::Group(&group), Operation::All, format!("the group {group}: allow READ on it")),
        (transactions, Operation::Write, format!("that begin with {group}-: allow WRITE and DESCRIBE on it")),
    ] {
        broker.deny(resource, operation);
        let finished = shop.workdir.run(&["run", "--config", "orderwatch.yaml"], PATIENCE);
        assert_eq!(finished.status.code(), Some(1), "{resource:?} {operation:?}: {}", finished.stderr);
        let error = finished.stderr.lines().find(|line| line.starts_with("error:")).unwrap_or_default();
        assert!(error.contains(&said), "{resource:?} {operation:?}: {}", finished.stderr);
        broker.deny_no_more(resource);
    }
    let mut process = shop.start();
    broker.producer().send(shop.event("a", "order.placed", now_ms() - HOUR));
    wait_told(&shop, &process, "sla", &["a"]);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
    assert!(shop.history().iter().map(Record::key).eq(["a"]));
}

#[test]
fn what_is_taken_away_while_it_runs_is_waited_for() {
    let broker = guarded();
    let shop = Shop::new(broker, 2, &Options::default());
    let (orders, group) = (shop.topic("orders"), shop.name.clone());
    let mut process = shop.start();
    let producer = broker.producer();
    let overdue = |order: &str| producer.send(shop.event(order, "order.placed", now_ms() - HOUR));
    overdue("a");
    wait_told(&shop, &process, "sla", &["a"]);
    for (resource, words, order, told) in [
        (Resource::Topic(&orders), format!("the topic {orders}: allow READ on it"), "b", &["a", "b"][..]),
        (Resource::Group(&group), format!("the group {group}: allow READ on it"), "c", &["a", "b", "c"]),
    ] {
        broker.deny(resource, Operation::Read);
        overdue(order);
        eventually(PATIENCE, "a word of what to do", || {
            let said = process.stderr();
            if said.contains(&words) { Ok(()) } else { Err(said) }
        });
        broker.deny_no_more(resource);
        wait_told(&shop, &process, "sla", told);
    }
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}
