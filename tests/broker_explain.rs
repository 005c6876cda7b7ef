//! `orderwatch explain --url`: a running instance says what it knows of an order.

mod shop;
mod support;

use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, now_ms};
use support::{Broker, eventually};

#[test]
fn a_running_instance_says_why() {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 4, &Options::default());
    let placed = now_ms() - 3 * HOUR;
    let producer = broker.producer();
    producer.send(shop.event("o-1", "order.placed", placed));
    producer.send(shop.event("o-1", "payment.captured", placed + 45 * MINUTE));
    let mut process = shop.start();
    let url = format!("http://{}", shop.workdir.listen());
    let ask =
        |order: &str, more: &[&str]| shop.workdir.run(&[&["explain", order, "--url", &url], more].concat(), PATIENCE);
    let told = eventually(PATIENCE, "a breach to be explained", || {
        let finished = ask("o-1", &[]);
        if finished.stdout.contains("`resolved` was published") { Ok(finished.stdout) } else { Err(finished.stderr) }
    });
    let deadline = orderwatch::domain::Timestamp::from_millis(placed + 30 * MINUTE);
    let why = format!("breached: no payment.captured by {deadline}; it came at ");
    assert!(told.contains(&why) && told.contains(", 15 min late;"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&ask("o-1", &["--json"]).stdout).expect("JSON");
    assert_eq!(json["timeline"].as_array().map(Vec::len), Some(2), "{json}");
    let nobody = ask("o-2", &[]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(nobody.stderr.contains("order o-2 is not known in http://"), "{}", nobody.stderr);
    assert!(process.terminate(PATIENCE).success(), "{}", process.stderr());
}
