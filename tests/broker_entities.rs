//! Checkouts beside orders on a real broker: a breach is told once, whatever is killed, and ended by its own event.

mod shop;
mod support;

use serde_json::{Value, json};
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::{Broker, Message, eventually};

const POLICIES: &str = r#"
slas:
  - {id: paid-in-30m, start: order.placed, stop: payment.captured, target: 30m, severity: critical, owner: payments,
     route: oncall, expected_outcome: "paid"}
  - {id: checkout-goes-on, entity: checkout, when: 'checkout.attributes.channel == "web"', start: payment_step.entered,
     stop: checkout.completed, cancel_on: [checkout.cancelled], target: 30m, severity: info, owner: care, route: care,
     expected_outcome: "helped"}
backlogs:
  - {id: at-the-payment-step, entity: checkout, from: payment_step.entered, until: checkout.completed,
     open_when: {depth: 1}, clear_when: {depth: 0}, severity: info, owner: care, route: care, expected_outcome: "fewer"}
"#;

/// The shop's configuration with a stream of checkouts.
fn with_checkouts(shop: &Shop) {
    let text = shop.workdir.read("orderwatch.yaml");
    let stream = format!("  - {{topic: {}, entity: checkout}}\noutputs:", shop.topic("checkouts"));
    shop.workdir.write("orderwatch.yaml", text.replacen("outputs:", &stream, 1));
}

fn checkout(shop: &Shop, id: &str, kind: &str, at_ms: i64) -> Message {
    let value = json!({
        "event_id": format!("{id}-{kind}"), "checkout_id": id, "type": kind, "event_time": at_ms, "source": "webshop",
        "attributes": {"channel": "web"},
    });
    Message::to(&shop.topic("checkouts")).key(id).json(&value).at(at_ms)
}

/// `ENTITY ID STATUS` of all that was said, in order.
fn said(shop: &Shop) -> Vec<String> {
    let line = |e: Value| {
        let text = |name: &str| e[name].as_str().unwrap_or("order").to_owned();
        let id = e["order_id"].as_str().map_or_else(|| text("id"), str::to_owned);
        format!("{} {id} {}", text("entity"), text("status"))
    };
    let mut said: Vec<String> = shop.history().iter().map(|record| line(record.json())).collect();
    said.sort();
    said
}

#[test]
fn a_checkouts_breach_is_told_once_survives_a_kill_and_is_ended() {
    let broker = Broker::shared();
    let more = "backlog_grid: 1s\n".to_owned();
    let shop = Shop::new(broker, 2, &Options { policies: POLICIES.to_owned(), more, ..Options::default() });
    broker.create_topics(&[&shop.topic("checkouts")], 2, &[]);
    with_checkouts(&shop);
    let producer = broker.producer();
    let entered = now_ms() - 3 * HOUR;
    // One id for an order and for a checkout: two things.
    producer.send(shop.event("x-1", "order.placed", entered));
    producer.send(checkout(&shop, "x-1", "payment_step.entered", entered));
    let become_ = |expected: &[&str]| {
        eventually(PATIENCE, "what is said", || {
            let now = said(&shop);
            if now == expected { Ok(()) } else { Err(format!("{now:?}, not {expected:?}")) }
        });
    };
    let mut first = shop.start();
    become_(&["checkout x-1 opened", "order x-1 opened"]);
    first.wait_snapshots(1.0, PATIENCE);
    let told = shop.history().into_iter().find(|record| record.json()["entity"] == "checkout").expect("the checkout's");
    let (key, value) = (told.key(), told.json());
    assert_eq!((key.as_str(), &value["id"], value.get("order_id")), ("x-1", &json!("x-1"), None), "{value}");
    assert_eq!((value["source"].as_str(), told.header("ce_subject").as_deref()), (Some("webshop"), Some("x-1")));
    first.kill();

    let mut second = shop.start();
    shop.wait_judged(&second, 6.0);
    second
        .wait_metric("orderwatch_backlog_depth", &[("policy", "at-the-payment-step")], PATIENCE, |depth| depth == 1.0);
    assert_eq!(said(&shop), ["checkout x-1 opened", "order x-1 opened"], "neither is told again");
    assert_eq!(second.metric("orderwatch_orders_open", &[]), 1.0, "a checkout is no order");
    assert_eq!(second.metric("orderwatch_entities_open", &[("entity", "checkout")]), 1.0);
    producer.send(checkout(&shop, "x-1", "checkout.completed", entered + 45 * MINUTE).at(now_ms()));
    become_(&["checkout x-1 opened", "checkout x-1 resolved", "order x-1 opened"]);

    let url = format!("http://{}", shop.workdir.listen());
    let ask = |more: &[&str]| shop.workdir.run(&[&["explain", "x-1", "--url", &url], more].concat(), PATIENCE);
    let said_of_it = ask(&["--entity", "checkout"]).stdout;
    assert!(said_of_it.starts_with("checkout x-1 at frontier") && said_of_it.contains("15 min late"), "{said_of_it}");
    let order = ask(&["--json"]).stdout;
    assert!(order.contains(r#""order_id": "x-1""#) && !order.contains("checkout"), "{order}");
    assert!(second.terminate(PATIENCE).success(), "{}", second.stderr());

    // What is keyed otherwise, or by the wrong field, is no checkout.
    let mut third = shop.start();
    producer.send(checkout(&shop, "x-2", "payment_step.entered", now_ms()).key("other"));
    let dead = eventually(PATIENCE, "a dead letter", || {
        broker.read_committed(&shop.topic("dead")).pop().ok_or("none yet".to_owned())
    });
    let detail = dead.header("orderwatch-detail").unwrap_or_default();
    assert!(detail.contains("expected the checkout_id, \"x-2\""), "{detail}");
    assert!(third.terminate(PATIENCE).success(), "{}", third.stderr());
}
