//! Closed orders that a shard only remembers: each came, was paid, shipped and delivered, and left memory.

use std::sync::Arc;
use std::time::Instant;

use orderwatch::domain::Millis;
use orderwatch::engine::{Applied, Shard, Transition};
use orderwatch::policy::Settings;

use crate::orders::{self, Shop};
use crate::{goals, resident};

/// Bytes each that are aimed at, id, time and all.
const GOAL: f64 = 16.0;
/// They come first, so that what every shard has once is not counted.
const BEFORE: u64 = 200_000;
const SHOP: Shop =
    Shop { partitions: 1, warehouses: 4, tick: Millis::new(10), after: [0, 20, 40, 55], late_every: 0, late_by: 0 };
/// By then an order's last event was long ago.
const GONE_AFTER: u64 = 400;
const TICKS_A_TURN: u64 = 16;
const SAMPLE: u64 = 1_000;

pub fn measure(remembered: u64) {
    let settings = Settings {
        retain_closed: Millis::from_secs(1),
        remember_closed: Millis::from_secs(90 * 86_400),
        ..orders::settings()
    };
    let mut shard = Shard::new(0, orders::policies(orders::PAID_IN_1H), Arc::new(settings));
    pass(&mut shard, 0, BEFORE);
    let (before, began) = (resident::bytes(), Instant::now());
    let end = pass(&mut shard, BEFORE + GONE_AFTER, remembered);
    let took = began.elapsed().as_secs_f64();
    let bytes = resident::bytes().saturating_sub(before) as f64 / remembered as f64;
    check(&mut shard, end, remembered);
    goals::at_most(&format!("{remembered} closed orders, remembered"), bytes, GOAL, "bytes each");
    goals::figure("an order that comes and goes, in all", took * 1e6 / remembered as f64, "µs");
}

/// Takes so many orders through the shard, from a number on. Gives the tick at which all are gone.
fn pass(shard: &mut Shard, first: u64, count: u64) -> u64 {
    let end = first + count + GONE_AFTER;
    for tick in first..=end {
        for event in SHOP.events_at(tick, first..first + count) {
            let at = event.record_time;
            assert_eq!(shard.apply(event, at), Ok(Applied::New));
        }
        if tick.is_multiple_of(TICKS_A_TURN) || tick == end {
            shard.advance(SHOP.time(tick));
            let told = shard.drain_transitions(None);
            assert!(!told.iter().any(|told| matches!(told, Transition::Publish(_))), "all keep their promise");
            drop(shard.drain_cycles_ended());
        }
    }
    end
}

/// Each is remembered, and no other.
fn check(shard: &mut Shard, tick: u64, remembered: u64) {
    let mut held = (0, 0);
    orders::copied(shard, |packed| held = (held.0 + packed.held().orders, held.1 + packed.held().tombstones));
    assert_eq!(held, (0, BEFORE + remembered), "all are remembered, and none is known");
    let numbers = |n: u64| BEFORE + GONE_AFTER + n * (remembered / SAMPLE.min(remembered));
    for order in (0..SAMPLE.min(remembered)).map(numbers) {
        assert_eq!(shard.apply(SHOP.event(order, 3), SHOP.time(tick)), Ok(Applied::AfterClose));
        let new = order + 10 * tick;
        assert_eq!(shard.apply(SHOP.event(new, 0), SHOP.time(tick)), Ok(Applied::New));
    }
}
