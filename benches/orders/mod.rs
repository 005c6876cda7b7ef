//! Orders for the benches that drive the engine without a broker: placed with total, lines and attributes, captured,
//! shipped, delivered; one every tick, made one by one so that the bench itself holds none of them.
//!
//! Each bench compiles all of it and uses a part, hence the `allow`.
#![allow(dead_code)]

#[path = "../shop/setup.rs"]
mod setup;

use std::ops::Range;

use orderwatch::domain::event::Details;
use orderwatch::domain::{
    AttributeValue, Currency, Event, Line, Milestone, Millis, Money, Position, StreamId, Timestamp,
};
use orderwatch::engine::{PackedOrders, Shard};
use orderwatch::policy::Settings;

pub use setup::policies;

/// policies.yaml: one promise of payment.
pub const PAID_IN_1H: &str = "slas:\n  - {id: paid-in-1h, start: order.placed, stop: order.paid_in_full, target: 1h, severity: critical, \
     owner: desk, route: desk, expected_outcome: paid}\n";
const KINDS: [&str; 4] = ["order.placed", "payment.captured", "fulfillment.shipped", "fulfillment.delivered"];
/// The stream of each kind.
const STREAMS: [u16; 4] = [0, 1, 2, 2];
const BEGAN_MS: i64 = 1_763_719_200_000;
const DAY: Millis = Millis::from_secs(86_400);

/// A shop that goes on at one pace.
#[derive(Clone, Copy)]
pub struct Shop {
    pub partitions: i32,
    pub warehouses: u64,
    /// From one order to the next.
    pub tick: Millis,
    /// After how many ticks each of an order's four events comes.
    pub after: [u64; 4],
    /// One order in so many is late, with all that follows its placing …
    pub late_every: u64,
    /// … by so many ticks.
    pub late_by: u64,
}

impl Shop {
    pub fn time(&self, tick: u64) -> Timestamp {
        Timestamp::from_millis(BEGAN_MS + self.tick.get() * tick as i64)
    }

    pub fn is_late(&self, order: u64) -> bool {
        self.late_every > 0 && order % self.late_every == self.late_every - 1
    }

    /// At which tick an order's event of a kind comes.
    pub fn tick_of(&self, order: u64, kind: usize) -> u64 {
        order + self.after[kind] + if kind > 0 && self.is_late(order) { self.late_by } else { 0 }
    }

    /// What happens at a tick, of these orders.
    pub fn events_at(&self, tick: u64, orders: Range<u64>) -> impl Iterator<Item = Event> + '_ {
        let due = (0..KINDS.len()).flat_map(move |kind| {
            let in_time = tick.checked_sub(self.after[kind]);
            let late = in_time.and_then(|order| order.checked_sub(self.late_by)).filter(|_| self.late_by > 0);
            [in_time, late].into_iter().flatten().map(move |order| (order, kind))
        });
        due.filter(move |(order, kind)| orders.contains(order) && self.tick_of(*order, *kind) == tick)
            .map(|(order, kind)| self.event(order, kind))
    }

    /// All of an order's events.
    pub fn order(&self, order: u64) -> Vec<Event> {
        (0..KINDS.len()).map(|kind| self.event(order, kind)).collect()
    }

    pub fn partition(&self, order: u64) -> i32 {
        i32::try_from(order % self.partitions as u64).expect("a partition")
    }

    pub fn warehouse(&self, order: u64) -> u64 {
        // Not in step with the partitions: every shard has orders of every warehouse.
        (order / self.partitions as u64) % self.warehouses.max(1)
    }

    pub fn event(&self, order: u64, kind: usize) -> Event {
        let at = self.time(self.tick_of(order, kind));
        let scrambled = (order as u32).wrapping_mul(0x9E37_79B1);
        Event {
            order_id: format!("{scrambled:08x}-{:04x}-order", order % 65_536).into(),
            event_id: format!("{:012x}{kind}", order.wrapping_mul(0x85EB_CA6B)).into(),
            source: "webshop".into(),
            milestone: Milestone::parse(KINDS[kind]),
            event_time: at,
            event_time_inferred: false,
            record_time: at,
            position: Position {
                stream: StreamId(STREAMS[kind]),
                partition: self.partition(order),
                offset: 2 * order as i64 + kind as i64,
            },
            details: Some(Box::new(self.details(order, kind))),
        }
    }

    fn details(&self, order: u64, kind: usize) -> Details {
        let euros = || Money {
            amount_minor: 1_000 + (order % 100_000) as i64,
            currency: Currency::parse("EUR").expect("a currency"),
        };
        let lines = || Some(vec![Line { sku: format!("SKU-{}", order % 997).into(), quantity: 2 }]);
        let text = |text: String| AttributeValue::Text(text.into());
        match kind {
            0 => Details {
                total: Some(euros()),
                lines: lines(),
                attributes: vec![
                    ("channel".into(), text("web".to_owned())),
                    ("warehouse".into(), text(format!("W-{:04}", self.warehouse(order)))),
                ],
                ..Details::default()
            },
            1 => Details { amount: Some(euros()), ..Details::default() },
            _ => Details { lines: lines(), ..Details::default() },
        }
    }
}

/// Of a running engine; closed orders are kept for a day, and remembered for a day more.
pub fn settings() -> Settings {
    Settings { group_id: "shop".into(), retain_closed: DAY, remember_closed: DAY, replay: None, ..setup::settings() }
}

/// Visits all that a snapshot of the shard would hold.
pub fn copied(shard: &mut Shard, mut visit: impl FnMut(&PackedOrders)) {
    let mut cursor = Some(0);
    shard.begin_copy();
    while let Some(from) = cursor {
        let (packed, next) = shard.copy_orders(from, usize::MAX);
        visit(&packed);
        cursor = next;
    }
    shard.end_copy();
}
