//! The shop at work: its orders come in and its events are produced when they happen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::domain::{Millis, Timestamp};
use crate::kafka::in_process::Feeder;

use super::log::ORDERS;
use super::office::Office;
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

/// What is still to happen: by time, then in the order in which it was thought of.
#[derive(Default)]
struct Coming {
    events: BTreeMap<(Timestamp, u64), Entry>,
    thought_of: u64,
}

struct Entry {
    event: ShopEvent,
    /// The first of an order, not of a checkout or of stock.
    places_order: bool,
}

impl Coming {
    /// The events of one order, checkout or sku.
    fn add(&mut self, events: Vec<ShopEvent>) {
        for (number, event) in events.into_iter().enumerate() {
            let places_order = number == 0 && event.topic == ORDERS;
            self.events.insert((event.at, self.thought_of), Entry { event, places_order });
            self.thought_of += 1;
        }
    }

    fn next(&mut self, now: Timestamp) -> Option<Entry> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

/// Runs the shop and its office until `stop`. Each event is produced when its time has come.
pub fn run(
    shop: &Shop,
    office: &Office,
    feeder: &Feeder,
    done: &Done,
    stop: &AtomicBool,
    clock: impl Fn() -> Timestamp,
) {
    let mut coming = Coming::default();
    let (mut number, mut next_order) = (0, shop.opened_at);
    let (mut hour, mut next_hour) = (0, shop.opened_at);
    while !stop.load(Ordering::Relaxed) {
        let now = clock();
        // Some of an hour's cases begin in the one before.
        while next_hour <= now + office.hour() {
            office.cases(hour).into_iter().for_each(|case| coming.add(case));
            hour += 1;
            next_hour = next_hour + office.hour();
        }
        while next_order <= now {
            coming.add(shop.story(number, next_order).events);
            number += 1;
            next_order = next_order + ORDER_EVERY;
        }
        while let Some(Entry { event, places_order }) = coming.next(now) {
            // A full queue of the client: the shop loses an event, as shops do, and says so nowhere.
            if feeder.send(event.topic, &event.order_id, &event.payload, event.at).is_ok() {
                done.events.fetch_add(1, Ordering::Relaxed);
                done.orders.fetch_add(u64::from(places_order), Ordering::Relaxed);
            }
        }
        feeder.tend();
        thread::sleep(TICK);
    }
    // What does not arrive now is missing at the end, and the demo says how many were read.
    let _ = feeder.flush(Duration::from_secs(2));
}
