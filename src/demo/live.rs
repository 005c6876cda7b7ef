//! The shop at work: its orders come in and its events are produced when they happen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::domain::{Millis, Timestamp};
use crate::kafka::in_process::Feeder;

use super::shop::{Shop, ShopEvent};

/// An order comes in so often.
const ORDER_EVERY: Millis = Millis::new(250);
/// How often the shop looks at its clock.
const TICK: Duration = Duration::from_millis(20);

/// What the shop has done so far.
#[derive(Debug, Default)]
pub struct Done {
    /// Orders placed.
    pub orders: AtomicU64,
    /// Events produced.
    pub events: AtomicU64,
}

/// Runs the shop until `stop`. Each event is produced when its time has come.
pub fn run(shop: &Shop, feeder: &Feeder, done: &Done, stop: &AtomicBool, clock: impl Fn() -> Timestamp) {
    // By time, then in the order in which they were thought of.
    let mut coming: BTreeMap<(Timestamp, u64), ShopEvent> = BTreeMap::new();
    let (mut number, mut thought_of) = (0, 0);
    let mut next_order = shop.opened_at;
    while !stop.load(Ordering::Relaxed) {
        let now = clock();
        while next_order <= now {
            for event in shop.story(number, next_order).events {
                coming.insert((event.at, thought_of), event);
                thought_of += 1;
            }
            number += 1;
            next_order = next_order + ORDER_EVERY;
            done.orders.fetch_add(1, Ordering::Relaxed);
        }
        while let Some(entry) = coming.first_entry().filter(|entry| entry.key().0 <= now) {
            let event = entry.remove();
            // A full queue of the client: the shop loses an event, as shops do, and says so nowhere.
            if feeder.send(event.topic, &event.order_id, &event.payload, event.at).is_ok() {
                done.events.fetch_add(1, Ordering::Relaxed);
            }
        }
        feeder.tend();
        thread::sleep(TICK);
    }
    // What does not arrive now is missing at the end, and the demo says how many were read.
    let _ = feeder.flush(Duration::from_secs(2));
}
