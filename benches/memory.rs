//! Resident memory for each open order, everything included: facts, index, timers, slots and the allocator; and for each closed one
//! that is only remembered. Each size is measured in a process of its own, and a figure is printed only after what is known was
//! found right.
//!
//! `cargo bench --bench memory -- 100000 10000000` takes other numbers of open orders, `-- remembered 50000000` another of
//! remembered ones.

#![allow(clippy::duplicate_mod, reason = "both kinds of orders are of one setup")]

mod goals;
mod open_orders;
mod orders;
mod remembered;
mod resident;

use std::process::Command;
use std::time::Instant;

use open_orders::{EVENTS, Shop, advance, mix};
use orderwatch::domain::{Event, Millis};
use orderwatch::engine::{Applied, Shard};

/// Bytes an order that are aimed at …
const GOAL: f64 = 256.0;
/// … where so many are open: with fewer, what every shard has once makes an order dearer.
const MANY: u64 = 10_000_000;
/// Of so many orders the events are laid down beside it as they are decoded, at most.
const PLAIN: u64 = 50_000;
/// How many orders are looked at one by one.
const SAMPLE: u64 = 1_000;
/// What the policies promise.
const SHIPPED_WITHIN: Millis = Millis::from_secs(48 * 3600);
const ALONE: &str = "ORDERWATCH_BENCH_ORDERS";
/// As many closed orders as are remembered where nothing else is said.
const REMEMBERED: u64 = 2_000_000;
const REMEMBERED_ALONE: &str = "ORDERWATCH_BENCH_REMEMBERED";

/// The product's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let asked = |name| std::env::var(name).ok().and_then(|n| n.parse().ok());
    if let Some(orders) = asked(ALONE) {
        return measure(&Shop { orders });
    }
    if let Some(count) = asked(REMEMBERED_ALONE) {
        return remembered::measure(count);
    }
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let of_remembered = std::env::args().any(|arg| arg == "remembered");
    let (open, remembered) = match (numbers.as_slice(), of_remembered) {
        ([], false) => (vec![100_000, 1_000_000], vec![REMEMBERED]),
        ([], true) => (Vec::new(), vec![REMEMBERED]),
        (_, false) => (numbers, Vec::new()),
        (_, true) => (Vec::new(), numbers),
    };
    open.into_iter().for_each(|orders| alone(ALONE, orders));
    remembered.into_iter().for_each(|orders| alone(REMEMBERED_ALONE, orders));
}

/// In a process of its own.
fn alone(what: &str, orders: u64) {
    let this = std::env::current_exe().expect("the bench has a path");
    let status = Command::new(&this).env(what, orders.to_string()).status().expect("the bench runs");
    assert!(status.success(), "{orders} orders: wrong");
}

fn measure(shop: &Shop) {
    let mut shards = shop.shards();
    let (before, began) = (resident::bytes(), Instant::now());
    shop.tell(&mut shards);
    let took = began.elapsed().as_secs_f64();
    let bytes = resident::bytes().saturating_sub(before) as f64 / shop.orders as f64;
    let plain = plain_bytes(shop);
    check_sample(shop, &mut shards);
    check_deadlines(shop, &mut shards);
    let spent = took * 1e6 / (shop.orders * EVENTS) as f64;
    let what = format!("{} open orders", shop.orders);
    if shop.orders >= MANY {
        goals::at_most(&what, bytes, GOAL, "bytes each");
    } else {
        goals::figure(&what, bytes, "bytes each");
    }
    goals::figure("the events of one alone, as they are decoded", plain, "bytes");
    goals::figure("an order, of that", bytes / plain, "x");
    goals::figure("an event told, the making of it included", spent, "µs");
}

/// What the events of one order take in lists of events.
fn plain_bytes(shop: &Shop) -> f64 {
    let (before, count) = (resident::bytes(), shop.orders.min(PLAIN));
    let orders: Vec<Vec<Event>> =
        (0..count).map(|order| (0..EVENTS).map(|nth| shop.event(order, nth)).collect()).collect();
    let bytes = resident::bytes().saturating_sub(before) as f64 / count as f64;
    assert_eq!(orders.iter().map(Vec::len).sum::<usize>() as u64, count * EVENTS);
    bytes
}

/// Some orders are known to the letter, and judged rightly.
fn check_sample(shop: &Shop, shards: &mut [Shard]) {
    for n in 0..SAMPLE {
        let order = mix(n) % shop.orders;
        let shard = &mut shards[shop.shard_of(order)];
        for nth in 0..EVENTS {
            let event = shop.event(order, nth);
            let at = event.record_time;
            assert_eq!(shard.apply(event.clone(), at), Ok(Applied::Reread));
            let elsewhere = |e: &mut orderwatch::domain::Event| e.position.offset += 1 << 40;
            let mut again = event;
            elsewhere(&mut again);
            assert_eq!(shard.apply(again.clone(), at), Ok(Applied::Repeat), "it is known to the letter");
            again.details = None;
            assert_eq!(shard.apply(again, at), Ok(Applied::Conflict));
        }
        let explained = shard.explain("order", &shop.order_id(order)).expect("it is known");
        assert_eq!(explained.timeline.len() as u64, EVENTS);
        let deadlines: Vec<_> = explained.policies.iter().flat_map(|p| &p.cycles).map(|c| c.deadline).collect();
        let placed_at = shop.event(order, 0).event_time;
        assert_eq!(deadlines, [Some(placed_at + Millis::from_secs(3_600)), Some(placed_at + SHIPPED_WITHIN)]);
        assert_eq!(explained.policies[0].cycles[0].ended.as_ref().map(|e| e.at), Some(shop.event(order, 2).event_time));
    }
}

/// The orders that were placed first break their promise, and no others.
fn check_deadlines(shop: &Shop, shards: &mut [Shard]) {
    let until = shop.placed_at(SAMPLE.min(shop.orders / 2)) + SHIPPED_WITHIN;
    let mut due = 0;
    for order in (0..shop.orders).take_while(|order| shop.placed_at(*order) + SHIPPED_WITHIN < until) {
        due += usize::from(shop.event(order, 0).event_time + SHIPPED_WITHIN < until);
    }
    let breached: usize = shards.iter_mut().map(|shard| advance(shard, until)).sum();
    assert_eq!(breached, due, "deadlines are wrong");
    assert!(due > 0);
}
