//! The orders: many that stay open, and fresh ones that break their promise soon.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use orderwatch::domain::Timestamp;

use super::SHARDS;
use crate::live::now_ms;
use crate::support::{Broker, Message};

/// Each order carries its own promise: that of the open ones lies far off.
pub const POLICIES: &str = "slas:\n  - {id: shipped-as-promised, start: order.placed, stop: fulfillment.shipped, \
     target: promised_ship_by,\n     severity: critical, owner: desk, route: desk, expected_outcome: \"shipped\"}\n";

const FAR_OFF_MS: i64 = 30 * 86_400_000;
/// A fresh order's promise.
const SOON_MS: i64 = 2_000;
/// In each shard a fresh order comes so often.
const FRESH_EVERY: Duration = Duration::from_millis(500);

/// Orders that were placed and paid within the last hour, one after the other.
pub fn open(orders: u64) -> impl Iterator<Item = Message> {
    const HOUR_MS: i64 = 3_600_000;
    let now = now_ms();
    let orders = i64::try_from(orders).expect("a number of orders");
    (0..orders).flat_map(move |number| {
        let placed = now - HOUR_MS + HOUR_MS * number / orders;
        let (id, shard) = (format!("o-{number:07}"), shard_of(number));
        let paid = format!(
            r#"{{"event_id":"{id}-2","order_id":"{id}","type":"payment.captured","event_time":"{}","source":"psp","payment_id":"p-{id}","amount":{{"amount_minor":6150,"currency":"EUR"}}}}"#,
            Timestamp::from_millis(placed)
        );
        let paid = Message::to("payments").partition(shard).key(&id).value(paid).at(placed);
        [self::placed(&id, shard, placed, placed + FAR_OFF_MS), paid]
    })
}

fn shard_of(number: i64) -> i32 {
    i32::try_from(number % i64::from(SHARDS)).expect("a shard")
}

fn placed(id: &str, shard: i32, at_ms: i64, promised_ms: i64) -> Message {
    let (at, promised) = (Timestamp::from_millis(at_ms), Timestamp::from_millis(promised_ms));
    let value = format!(
        r#"{{"event_id":"{id}-1","order_id":"{id}","type":"order.placed","event_time":"{at}","source":"webshop","total":{{"amount_minor":6150,"currency":"EUR"}},"lines":[{{"sku":"lamp","quantity":1}},{{"sku":"rug","quantity":2}}],"promised_ship_by":"{promised}","attributes":{{"channel":"web","region":"DE","warehouse":"BER-1"}}}}"#
    );
    Message::to("orders").partition(shard).key(id).value(value).at(at_ms)
}

/// The shard of a fresh order, by its id.
pub fn shard_of_fresh(order_id: &str) -> Option<i32> {
    order_id.strip_prefix("fresh-")?.split_once('-')?.0.parse().ok()
}

/// Places fresh orders in every shard until it is stopped.
pub struct Fresh {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Fresh {
    pub fn start(broker: &Broker) -> Fresh {
        let (stop, stopped) = channel();
        let producer = broker.producer();
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while stopped.recv_timeout(FRESH_EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = now_ms();
                let fresh = |shard| placed(&format!("fresh-{shard}-{number}"), shard, now, now + SOON_MS);
                producer.send_all((0..SHARDS).map(fresh));
                number += 1;
            }
        });
        Fresh { stop, thread }
    }

    pub fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("fresh orders come to the end");
    }
}
