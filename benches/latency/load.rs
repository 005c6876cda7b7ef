//! Other orders' events, all of them kept promises: placed, paid, shipped, delivered.

use std::time::{Duration, Instant};

use super::PARTITIONS;
use super::promises::{Promises, SOON_MS, Spread};
use crate::live::now_ms;
use crate::live::orders::{FAR_OFF_MS, captured, parcel, placed, shard_of};
use crate::support::{Broker, Message, Producer};

/// Events are written in bursts, so often.
const BURST: Duration = Duration::from_millis(10);
/// How far the process has read is asked no more often: it costs it time.
const ASKED_EVERY: Duration = Duration::from_millis(50);
/// So many orders are under way at once.
const UNDER_WAY: i64 = 2_000;

/// Small batches, soon: what is measured is not the producer's linger.
const SETTINGS: [(&str, &str); 3] =
    [("linger.ms", "2"), ("compression.type", "lz4"), ("queue.buffering.max.messages", "500000")];

pub enum Pace<'a> {
    /// Events a second.
    Rate(f64),
    /// As fast as the process takes them: it is never so many `records` behind of what was `written` for it. `read` says how
    /// many it has read.
    Ahead { read: &'a dyn Fn() -> i64, written: usize, records: i64 },
}

/// What a phase wrote.
pub struct Written {
    pub written: usize,
    took: Duration,
}

impl Written {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.written as f64 / self.took.as_secs_f64()
    }

    pub fn line(&self) -> String {
        format!("{:.0} events/s for {:.0} s", self.rate(), self.took.as_secs_f64())
    }
}

pub struct Load {
    producer: Producer,
    /// The number of the next event.
    next: i64,
}

impl Load {
    pub fn new(broker: &Broker) -> Load {
        Load { producer: broker.producer_with(&SETTINGS), next: 0 }
    }

    /// So many orders of the last ten minutes, to be drained. How many events these are.
    pub fn backlog(&mut self, orders: u64) -> usize {
        const TEN_MINUTES_MS: i64 = 600_000;
        let (events, now) = (4 * orders as i64, now_ms());
        let messages = (0..events).map(|n| event(n, now - TEN_MINUTES_MS + TEN_MINUTES_MS * n / events));
        self.next = events;
        self.producer.send_all(messages).len()
    }

    /// Writes at a pace, and promises that break among it, until the last of their deadlines has passed.
    pub fn run(&mut self, spread: Spread, pace: Pace<'_>) -> (Promises, Written) {
        let (began, mut promises, mut written) = (Instant::now(), Promises::default(), 0);
        let end = spread.over + Duration::from_millis(SOON_MS as u64) + Duration::from_secs(1);
        let mut next_burst = began;
        let (mut asked, mut known) = (began - ASKED_EVERY, 0);
        while began.elapsed() < end {
            let now = now_ms();
            let due = (began.elapsed().as_secs_f64() / spread.over.as_secs_f64() * spread.samples as f64) as usize;
            let mut messages = Vec::new();
            for _ in promises.broken_so_far()..due.min(spread.samples) {
                messages.extend(promises.make(now, now + SOON_MS));
            }
            let wanted = match &pace {
                Pace::Rate(rate) => (rate * began.elapsed().as_secs_f64()) as i64 - written as i64,
                Pace::Ahead { read, written: before, records } => {
                    if asked.elapsed() >= ASKED_EVERY {
                        (asked, known) = (Instant::now(), read());
                    }
                    records - ((before + written) as i64 - known)
                }
            };
            messages.extend((self.next..self.next + wanted.max(0)).map(|n| event(n, now)));
            self.next += wanted.max(0);
            written += self.producer.send_all(messages).len();
            next_burst += BURST;
            // A pace is kept by the clock; there is no condition to wait for.
            std::thread::sleep(next_burst.saturating_duration_since(Instant::now()));
        }
        (promises, Written { written, took: began.elapsed() })
    }
}

/// Event `n` of all: each order's four lie [`UNDER_WAY`] orders apart.
fn event(n: i64, at_ms: i64) -> Message {
    let (step, kind) = (n / 4, n % 4);
    // Below 0 these are orders whose beginning nobody told.
    let number = step - kind * UNDER_WAY;
    let (id, shard) = (format!("load-{number}"), shard_of(number.rem_euclid(i64::from(PARTITIONS)), PARTITIONS));
    match kind {
        0 => placed(&id, shard, at_ms, at_ms + FAR_OFF_MS),
        1 => captured(&id, shard, at_ms),
        2 => parcel(&id, shard, "shipped", at_ms),
        _ => parcel(&id, shard, "delivered", at_ms),
    }
}
