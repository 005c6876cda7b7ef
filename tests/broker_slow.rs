//! A broker whose answers are slow, seen through a proxy: late, and nothing false.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use orderwatch::domain::Timestamp;
use shop::{Options, PATIENCE, Shop, assert_published_once, now_ms};
use support::door::{Door, Wire};
use support::{Broker, Process, Record, eventually};

/// Paid within three seconds.
const POLICIES: &str = "slas:\n  - {id: paid, start: order.placed, stop: payment.captured, target: 3s, severity: info, \
                        owner: o, route: r, expected_outcome: e}\n";
/// How often an order is placed that is paid in time, and one that is not.
const EVERY_MS: i64 = 500;
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

/// How fast the broker answers, and for how long.
const PHASES: [(Wire, i64); 4] = [
    (Wire::Slow(Duration::from_millis(300)), 6_000),
    (Wire::Slow(Duration::from_millis(800)), 8_000),
    (Wire::Slow(Duration::from_secs(3)), 12_000),
    (Wire::Whole, 2_000),
];

/// The frontier of the only shard; none before there is one.
fn frontier(process: &Process) -> Option<i64> {
    let body: serde_json::Value = serde_json::from_str(&process.get("/readyz").body).expect("JSON");
    let frontier = body["shards"][0]["frontier"].as_str()?;
    Some(Timestamp::parse_rfc3339(frontier).expect("a time").as_millis())
}

#[test]
fn a_broker_that_answers_slowly_makes_nothing_false_and_loses_nobody() {
    let door = Door::open();
    let broker: &'static Broker = Box::leak(Box::new(Broker::start_behind(&[door.listener])));
    let properties = "session.timeout.ms: \"10000\", heartbeat.interval.ms: \"500\"";
    let shop = Shop::new(
        broker,
        1,
        &Options { grace: "200ms", properties, policies: POLICIES.to_owned(), ..Options::default() },
    );
    let text = shop.workdir.read("orderwatch.yaml");
    shop.workdir.write("orderwatch.yaml", text.replace(broker.addresses(), &door.address()));
    let mut process = shop.start();
    shop.wait_judged(&process, 2.0);
    let producer = broker.producer();
    let told = || -> BTreeSet<String> { shop.history().iter().map(Record::key).collect() };
    let (mut unpaid, mut sent) = (BTreeSet::new(), 0.0);

    for (phase, (wire, lasts_ms)) in PHASES.into_iter().enumerate() {
        assert!(wire != Wire::Whole || !told().is_empty(), "slow is not silent: {}", process.stderr());
        door.set(wire);
        let ends = now_ms() + lasts_ms;
        let mut next = now_ms();
        while now_ms() < ends {
            eventually(PATIENCE, "the next order", || if now_ms() >= next { Ok(()) } else { Err(String::new()) });
            next += EVERY_MS;
            let (paid, late) = (format!("paid-{phase}-{next}"), format!("unpaid-{phase}-{next}"));
            let placed = now_ms();
            producer.send_all([
                shop.event(&paid, "order.placed", placed),
                shop.event(&late, "order.placed", placed),
                shop.event(&paid, "payment.captured", placed),
            ]);
            unpaid.insert(late);
            sent += 3.0;
            // The frontier first: what was not read after it was looked at was not read before.
            let frontier = frontier(&process);
            let read = process.try_metric("orderwatch_events_total", &[]).unwrap_or(0.0);
            assert!(read == sent || frontier <= Some(placed), "{read} of {sent} read, {frontier:?} past {placed}");
        }
    }
    eventually(PATIENCE, "the unpaid orders", || {
        let told = told();
        if told.is_superset(&unpaid) { Ok(()) } else { Err(format!("{} of {}", told.len(), unpaid.len())) }
    });
    assert_eq!(told(), unpaid, "nobody else was ever named");
    assert_published_once(&shop);
    assert_eq!(process.metric("orderwatch_rebalances_total", &[]), 1.0, "it stayed in its group: {}", process.stderr());
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
    broker.stop();
}
