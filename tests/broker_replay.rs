//! A replay of a range of the topics of a real broker: where it begins is looked up by time.

mod shop;
mod support;

use serde_json::Value;
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::Broker;

/// Two orders of three hours ago, one paid late and one not at all, and one of 50 minutes ago, not paid.
fn told(broker: &'static Broker) -> Shop {
    let shop = Shop::new(broker, 2, &Options::default());
    let producer = broker.producer();
    let now = now_ms();
    for (order, placed) in [("o-1", now - 3 * HOUR), ("o-2", now - 3 * HOUR), ("o-3", now - 50 * MINUTE)] {
        producer.send(shop.event(order, "order.placed", placed));
    }
    producer.send(shop.event("o-1", "payment.captured", now - 3 * HOUR + 45 * MINUTE));
    shop
}

fn replay(shop: &Shop, args: &[&str]) -> String {
    let finished = shop.workdir.run(&[&["replay", "--config", "orderwatch.yaml"], args].concat(), PATIENCE);
    assert!(finished.status.success(), "{}", finished.stderr);
    finished.stdout
}

fn summary(shop: &Shop, from: &str, more: &[&str]) -> Value {
    let now = orderwatch::domain::Timestamp::from_millis(now_ms()).to_string();
    let args = [&["--from", from, "--to", &now, "--summary", "json"], more].concat();
    serde_json::from_str(&replay(shop, &args)).expect("a summary")
}

#[test]
fn a_range_begins_at_the_first_record_of_its_time() {
    let shop = told(Broker::shared());
    let all = summary(&shop, "earliest", &[]);
    assert_eq!((&all["events"], &all["orders"]), (&4.into(), &3.into()), "{all}");
    assert_eq!(all["exceptions"]["paid-in-30m"], serde_json::json!({"opened": 3, "resolved": 1}), "{all}");

    let late = summary(&shop, "-2h", &[]);
    assert_eq!((&late["events"], &late["orders"]), (&1.into(), &1.into()), "{late}");
    assert_eq!(late["exceptions"]["paid-in-30m"]["opened"], 1, "{late}");

    let between = orderwatch::domain::Timestamp::from_millis(now_ms() - 170 * MINUTE).to_string();
    let paid_alone = summary(&shop, &between, &[]);
    assert_eq!((&paid_alone["events"], &paid_alone["orders"]), (&2.into(), &2.into()), "{paid_alone}");

    let none = summary(&shop, "-1m", &[]);
    assert_eq!((&none["events"], &none["orders"]), (&0.into(), &0.into()), "{none}");
}

#[test]
fn other_policies_and_a_table() {
    let shop = told(Broker::shared());
    let patient = shop::PAID_AND_SHIPPED.replace("target: 30m", "target: 1h").replace("paid-in-30m", "paid-in-1h");
    shop.workdir.write("patient.yaml", patient);
    let other = summary(&shop, "earliest", &["--policies", "patient.yaml"]);
    assert!(other["exceptions"].get("paid-in-30m").is_none(), "{other}");
    assert_eq!(other["exceptions"]["paid-in-1h"]["opened"], 1, "o-3 has ten minutes left: {other}");

    let table = replay(&shop, &["--from", "earliest", "--summary", "table"]);
    let row = table.lines().find(|line| line.contains("paid-in-30m")).expect("a row for each policy");
    assert!(row.split_whitespace().any(|cell| cell == "3" || cell == "2"), "{table}");
}
