//! Fresh orders that break their promise soon, beside the many that stay open.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::SHARDS;
use crate::live::now_ms;
use crate::live::orders::placed;
use crate::support::Broker;

/// A fresh order's promise.
const SOON_MS: i64 = 2_000;
/// In each shard a fresh order comes so often.
const FRESH_EVERY: Duration = Duration::from_millis(500);

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
