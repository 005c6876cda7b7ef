//! Orders of which it is known when their promise breaks, or that it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use orderwatch::domain::Timestamp;

use super::PARTITIONS;
use crate::live::now_ms;
use crate::live::orders::{parcel, placed, shard_of};
use crate::support::{Message, Record, serial};

/// How many promises break, and over how long.
#[derive(Clone, Copy)]
pub struct Spread {
    pub samples: usize,
    pub over: Duration,
}

/// From an order's placing to the first deadline, at least.
pub const SOON_MS: i64 = 3_000;
/// Every so many-th order is shipped in time: it must not be heard of.
const KEPT_EVERY: usize = 10;

#[derive(Clone)]
struct Promise {
    id: String,
    shard: i32,
    placed_ms: i64,
    deadline_ms: i64,
    is_kept: bool,
}

#[derive(Default)]
pub struct Promises(Vec<Promise>);

impl Spread {
    /// The time of one sample, from the first on; a step that has nothing to do with any beat.
    fn offset_ms(&self, number: usize) -> i64 {
        let step = self.over.as_millis() as f64 / self.samples.max(1) as f64;
        (number as f64 * step) as i64
    }
}

impl Promises {
    /// All placed now, with deadlines that come one by one.
    pub fn soon(spread: Spread) -> Promises {
        let mut promises = Promises::default();
        let now = now_ms();
        for number in 0..spread.samples {
            promises.make(now, now + SOON_MS + spread.offset_ms(number));
        }
        promises
    }

    /// One that is placed then. Its messages.
    pub fn make(&mut self, placed_ms: i64, deadline_ms: i64) -> Vec<Message> {
        let shard = shard_of(self.0.len() as i64, PARTITIONS);
        let broken = Promise { id: format!("late-{}", serial()), shard, placed_ms, deadline_ms, is_kept: false };
        let mut made = vec![broken];
        if self.0.len().is_multiple_of(KEPT_EVERY) {
            made.push(Promise { id: format!("kept-{}", serial()), is_kept: true, ..made[0].clone() });
        }
        let messages = made.iter().flat_map(Promise::messages).collect();
        self.0.append(&mut made);
        messages
    }

    pub fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        self.0.iter().flat_map(Promise::messages)
    }

    pub fn events(&self) -> usize {
        self.0.iter().map(|promise| 1 + usize::from(promise.is_kept)).sum()
    }

    pub fn broken_so_far(&self) -> usize {
        self.0.iter().filter(|promise| !promise.is_kept).count()
    }

    pub fn latest_ms(&self) -> i64 {
        self.0.iter().map(|promise| promise.deadline_ms).max().unwrap_or(0)
    }

    pub fn add(&mut self, other: Promises) {
        self.0.extend(other.0);
    }

    /// The deadlines of those that break, by order.
    pub fn broken(&self) -> BTreeMap<&str, i64> {
        let broken = self.0.iter().filter(|promise| !promise.is_kept);
        broken.map(|promise| (promise.id.as_str(), promise.deadline_ms)).collect()
    }

    /// What was published is that each broken promise was broken, once, at its deadline, and nothing else.
    pub fn check(&self, published: &[Record]) {
        let mut truth = self.broken();
        for record in published {
            let exception = record.json();
            let (order, deadline) = (record.key(), exception["deadline"].as_str().expect("a deadline"));
            let deadline = Timestamp::parse_rfc3339(deadline).expect("RFC 3339").as_millis();
            assert_eq!(exception["status"], "opened", "nothing is ever mended: {exception}");
            assert_eq!(
                truth.remove(order.as_str()),
                Some(deadline),
                "no such broken promise, or told twice: {exception}"
            );
        }
        assert!(truth.is_empty(), "{} broken promises were not told", truth.len());
    }
}

impl Promise {
    fn messages(&self) -> Vec<Message> {
        let placed = placed(&self.id, self.shard, self.placed_ms, self.deadline_ms);
        let shipped = self.is_kept.then(|| parcel(&self.id, self.shard, "shipped", self.placed_ms));
        [placed].into_iter().chain(shipped).collect()
    }
}
