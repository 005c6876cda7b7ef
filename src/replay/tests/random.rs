//! Random dumps: few ids, few instants and few partitions, so that ties, repeats, late records and empty shards are common.

use std::borrow::Cow;
use std::fs;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config::Config;
use crate::domain::{Str, Timestamp};
use crate::policy::Settings;
use crate::replay::Plan;
use crate::replay::decode::Codecs;
use crate::replay::line::Line;
use crate::simulation::rng::Rng;

const CONFIG: &str = "
kafka: {brokers: none, group_id: replays}
streams: [{topic: orders}, {topic: payments}, {topic: fulfillments}, {topic: checkouts, entity: checkout, id: basket},
          {topic: inventory, key: sku}]
grace: 2s
retain_closed: 4m
remember_closed: 3m
max_open: 12m
policies: policies.yaml
";

const POLICIES: &str = r#"
slas:
  - {id: paid, start: order.placed, stop: order.paid_in_full, cancel_on: [order.cancelled],
     pause: {from: order.held, until: order.released}, target: 1m, warn_at: [50%, 80%], escalate_after: [30s, 2m],
     severity: critical, owner: o, route: r, expected_outcome: e}
  - {id: each-hold, each: true, start: order.held, stop: order.released, cancel_on: [order.cancelled],
     target: 30s, warn_at: [50%], escalate_after: [30s], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: goes-on, entity: checkout, start: step.entered, stop: step.left, target: 1m, warn_at: [50%],
     severity: warning, owner: o, route: r, expected_outcome: e}
backlogs:
  - {id: unshipped, from: order.placed, until: order.fully_shipped, group_by: [warehouse],
     exclude_between: {from: order.held, until: order.released},
     open_when: {depth: 3, for: 20s}, clear_when: {depth: 1, for: 10s},
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: old, from: order.placed, until: order.paid_in_full, open_when: {oldest_age: 2m}, clear_when: {oldest_age: 1m}, grace: 7s,
     severity: warning, owner: o, route: r, expected_outcome: e}
checks:
  - {check: amount_mismatch, settle: 20s, severity: warning, owner: o, route: r, expected_outcome: e}
  - {check: shipped_before_payment, settle: 10s, severity: warning, owner: o, route: r, expected_outcome: e}
  - {check: oversold, settle: 20s, severity: warning, owner: o, route: r, expected_outcome: e}
"#;

/// The topics, in the order of their streams.
pub const TOPICS: [&str; 5] = ["orders", "payments", "fulfillments", "checkouts", "inventory"];
/// When all of it begins, in milliseconds.
pub const BEGINNING: i64 = 1_772_323_200_000;

/// What every random dump is judged by.
pub fn plan(to: Option<Timestamp>) -> Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    Plan { to, ..PLAN.get_or_init(plan_of_all).clone() }
}

fn plan_of_all() -> Plan {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("orderwatch.yaml"), CONFIG).unwrap();
    fs::write(dir.path().join("policies.yaml"), POLICIES).unwrap();
    let (config, _) = Config::load(&dir.path().join("orderwatch.yaml")).unwrap();
    let settings = Settings { publish_after: Timestamp::MIN, replay: Some(Str::new("t")), ..config.settings() };
    Plan {
        codecs: Codecs { orders: config.stream_codecs(), inventory: config.inventory_codecs() },
        policies: Arc::clone(&config.policies),
        settings: Arc::new(settings),
        clock: Timestamp::MAX,
        to: None,
    }
}

/// An instant on the way through a dump of so many records.
pub fn instant(rng: &mut Rng, records: i64) -> Timestamp {
    Timestamp::from_millis(BEGINNING + rng.between(0, records * 1000))
}

/// Lines of `records` records, in no order.
pub fn lines(rng: &mut Rng, records: i64) -> Vec<Vec<u8>> {
    let partitions = rng.between(1, 5);
    let mut next = [[0_i64; 5]; TOPICS.len()];
    let mut lines = Vec::new();
    let mut seconds = 0;
    for _ in 0..records {
        // Several at one instant, and now and then a silence in which everything falls due.
        seconds += if rng.chance(2) { rng.between(0, 400) } else { rng.between(0, 2) };
        let stream = *rng.pick(&[0, 0, 0, 1, 1, 2, 2, 3, 4]).unwrap();
        // Other partitions than an order's own, too: an order may be known to several shards.
        let id = rng.between(0, 25);
        let partition = if rng.chance(95) { id % partitions } else { rng.between(0, partitions - 1) };
        let late = if rng.chance(15) { rng.between(0, 90) } else { 0 };
        let ts = BEGINNING + (seconds - late) * 1000;
        let (key, mut value) = event(rng, stream, id, ts);
        match rng.below(40) {
            0 => value = None,
            1 => value = Some(b"{\"type\":".to_vec()),
            _ => {}
        }
        let offset = &mut next[stream][partition as usize];
        let mut line = Vec::new();
        Line {
            topic: Cow::Borrowed(TOPICS[stream]),
            partition: partition as i32,
            offset: *offset,
            timestamp: (!rng.chance(2)).then_some(Timestamp::from_millis(ts)),
            key: Some(Cow::Owned(key.into_bytes())),
            value: value.map(Cow::Owned),
            headers: if rng.chance(5) { vec![("h".into(), None)] } else { Vec::new() },
        }
        .write(&mut line);
        lines.push(line);
        *offset += rng.between(1, 3);
    }
    rng.shuffle(&mut lines);
    lines
}

/// The key and the value of an event of this stream.
fn event(rng: &mut Rng, stream: usize, id: i64, ts: i64) -> (String, Option<Vec<u8>>) {
    let kinds: &[&str] = match stream {
        0 => &["order.placed", "order.placed", "order.held", "order.released", "order.cancelled", "order.changed"],
        1 => &["payment.captured", "payment.captured", "payment.refunded"],
        2 => &["fulfillment.shipped", "fulfillment.shipped", "fulfillment.delivered"],
        3 => &["step.entered", "step.left"],
        _ => &["stock.level", "stock.moved"],
    };
    let kind = *rng.pick(kinds).unwrap();
    let skewed = if rng.chance(3) { 4_000_000_000 } else { rng.between(-20, 5) * 1000 };
    let at = Timestamp::from_millis(ts + skewed).to_string();
    let mut value = json!({"event_id": format!("e-{}", rng.between(0, 4000)), "type": kind, "event_time": at});
    let (mut set, sku) = (|name: &str, to: Value| drop(value.as_object_mut().unwrap().insert(name.into(), to)), id % 3);
    let key = match stream {
        3 => format!("c-{id}"),
        4 => format!("sku-{sku}"),
        _ => format!("o-{id}"),
    };
    let money = json!({"amount_minor": rng.between(9, 10) * 100, "currency": "EUR"});
    match kind {
        "order.placed" | "order.changed" => {
            set("total", json!({"amount_minor": 1000, "currency": "EUR"}));
            set("lines", json!([{"sku": format!("sku-{sku}"), "quantity": rng.between(1, 3)}]));
            set("attributes", json!({"warehouse": format!("w-{}", rng.below(3)), "note": "a \"b\"\n\u{e4}"}));
        }
        "payment.captured" | "payment.refunded" => {
            set("payment_id", format!("p-{}", rng.below(3)).into());
            set("amount", money);
        }
        "fulfillment.shipped" | "fulfillment.delivered" => set("fulfillment_id", format!("f-{}", rng.below(2)).into()),
        "stock.level" => set("available", rng.between(0, 12).into()),
        "stock.moved" => set("quantity", rng.between(-3, 3).into()),
        _ => {}
    }
    let named = match stream {
        3 => "basket",
        4 => "sku",
        _ => "order_id",
    };
    set(named, key.clone().into());
    (key, Some(value.to_string().into_bytes()))
}
