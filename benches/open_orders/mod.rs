//! Any number of open orders, each a function of its number: five events, two lines, four attributes, an id of twelve
//! characters, one SLA that was met and one that runs. Event ids are UUIDs, as most producers make them.

#[path = "../shop/setup.rs"]
mod setup;

use std::sync::Arc;

use orderwatch::domain::event::Details;
use orderwatch::domain::{
    AttributeValue, Currency, Event, Line, Milestone, Millis, Money, Position, Str, StreamId, Timestamp,
};
use orderwatch::engine::{Applied, Shard, Transition};

pub const EVENTS: u64 = 5;
const PARTITIONS: u64 = 6;
const MINUTE: i64 = 60_000;
const OPENED_AT: i64 = 1_763_719_200_000;
/// All orders are placed within so much.
const SPAN: i64 = 24 * 60 * MINUTE;
const POLICIES: &str = "slas:
  - {id: paid, start: order.placed, stop: payment.captured, target: 1h,
     severity: critical, owner: payments, route: desk, expected_outcome: Payment captured}
  - {id: shipped, start: order.placed, stop: fulfillment.shipped, target: 48h, warn_at: [90%],
     severity: warning, owner: warehouse, route: floor, expected_outcome: Parcel handed over}
";

/// What happens to an order: the milestone, its topic, and when after it was placed.
const STORY: [(&str, u16, i64); EVENTS as usize] = [
    ("order.placed", 0, 0),
    ("payment.authorized", 1, MINUTE),
    ("payment.captured", 1, 9 * MINUTE),
    ("fulfillment.allocated", 2, 100 * MINUTE),
    ("fulfillment.packed", 2, 290 * MINUTE),
];

/// Spreads a number over 64 bits.
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A shop with so many orders.
pub struct Shop {
    pub orders: u64,
}

impl Shop {
    pub fn placed_at(&self, order: u64) -> Timestamp {
        let at = i128::from(SPAN) * i128::from(order) / i128::from(self.orders);
        Timestamp::from_millis(OPENED_AT + at as i64)
    }

    /// When the last event of the last order has been told.
    pub fn told_until(&self) -> Timestamp {
        Timestamp::from_millis(OPENED_AT + SPAN + STORY[4].2 + 3 * MINUTE)
    }

    pub fn order_id(&self, order: u64) -> String {
        format!("{:012x}", order.wrapping_mul(0x9E37_79B9_7F4B) & 0xFFFF_FFFF_FFFF)
    }

    pub fn shard_of(&self, order: u64) -> usize {
        (order % PARTITIONS) as usize
    }

    /// The `nth` event of an order; those beyond its story are parcels that are picked.
    pub fn event(&self, order: u64, nth: u64) -> Event {
        let seed = mix(order * 64 + nth);
        let (kind, topic, after) = STORY.get(nth as usize).copied().unwrap_or(("fulfillment.picked", 2, 0));
        let (after, late) = if nth < EVENTS { (after, 0) } else { (STORY[4].2 + nth as i64 * MINUTE, 1) };
        let event_time = self.placed_at(order) + Millis::new(after + (seed % 30_000) as i64 + late);
        let place = order / PARTITIONS;
        let offset = match nth {
            0 => place,
            _ if nth < EVENTS => place * 2 + (nth - 1) % 2,
            _ => self.orders * 2 + place * 64 + nth,
        };
        Event {
            order_id: self.order_id(order).into(),
            event_id: uuid(seed).into(),
            source: Str::new(["webshop", "psp", "wms"][usize::from(topic)]),
            milestone: Milestone::parse(kind),
            event_time,
            event_time_inferred: false,
            record_time: event_time + Millis::new(50 + (seed % 2_000) as i64),
            position: Position {
                stream: StreamId(topic),
                partition: self.shard_of(order) as i32,
                offset: offset as i64,
            },
            details: Some(Box::new(self.details(order, nth))),
        }
    }

    fn details(&self, order: u64, nth: u64) -> Details {
        let seed = mix(order);
        let euros =
            Money { amount_minor: (seed % 20_000) as i64 + 500, currency: Currency::parse("EUR").expect("a code") };
        let line =
            |seed: u64| Line { sku: format!("SKU-{:05}", mix(seed) % 10_000).into(), quantity: 1 + (seed % 3) as i64 };
        match nth {
            0 => Details {
                total: Some(euros),
                lines: Some(vec![line(seed), line(seed + 1)]),
                attributes: vec![
                    (
                        "channel".into(),
                        AttributeValue::Text(["web", "app", "store", "phone"][seed as usize % 4].into()),
                    ),
                    ("express".into(), AttributeValue::Bool(seed.is_multiple_of(5))),
                    ("region".into(), AttributeValue::Text(format!("region-{}", seed % 40).into())),
                    ("tier".into(), AttributeValue::Integer((seed % 4) as i64)),
                ],
                ..Details::default()
            },
            1 | 2 => Details {
                amount: Some(euros),
                payment_id: Some(format!("pay_{:08x}", seed as u32).into()),
                ..Details::default()
            },
            _ => {
                Details { fulfillment_id: Some(format!("f-{:08x}", (seed >> 32) as u32).into()), ..Details::default() }
            }
        }
    }

    /// All events of all orders, in the order of their times.
    pub fn events(&self) -> impl Iterator<Item = (u64, Event)> {
        let mut next: [(u64, Timestamp); EVENTS as usize] =
            std::array::from_fn(|nth| (0, self.event(0, nth as u64).event_time));
        std::iter::from_fn(move || {
            let (nth, _) = next
                .iter()
                .enumerate()
                .filter(|(_, (order, _))| *order < self.orders)
                .min_by_key(|(_, (_, at))| *at)?;
            let order = next[nth].0;
            let event = self.event(order, nth as u64);
            next[nth] = (order + 1, self.placed_at(order + 1) + Millis::new(STORY[nth].2));
            Some((order, event))
        })
    }

    /// Its shards, with nothing in them.
    pub fn shards(&self) -> Vec<Shard> {
        let (policies, settings) = (setup::policies(POLICIES), Arc::new(setup::settings()));
        (0..PARTITIONS as i32).map(|p| Shard::new(p, Arc::clone(&policies), Arc::clone(&settings))).collect()
    }

    /// Tells the shards everything, and finds that every order is known, open and in time.
    pub fn tell(&self, shards: &mut [Shard]) {
        let mut paid = 0;
        for (told, (order, event)) in self.events().enumerate() {
            let shard = &mut shards[self.shard_of(order)];
            let at = event.record_time;
            assert_eq!(shard.apply(event, at), Ok(Applied::New));
            if told % 1_000 == 0 {
                let to = at - Millis::new(2 * MINUTE);
                shards.iter_mut().for_each(|shard| assert_eq!(advance(shard, to), 0));
                paid += shards.iter_mut().map(|shard| shard.drain_cycles_ended().len() as u64).sum::<u64>();
            }
        }
        shards.iter_mut().for_each(|shard| assert_eq!(advance(shard, self.told_until()), 0));
        paid += shards.iter_mut().map(|shard| shard.drain_cycles_ended().len() as u64).sum::<u64>();
        assert_eq!(paid, self.orders, "cycles are missing");
        let open: usize = shards.iter().map(Shard::orders_open).sum();
        assert_eq!(open as u64, self.orders, "orders are missing");
    }
}

/// Moves a shard's frontier and says how many breaches it published.
pub fn advance(shard: &mut Shard, to: Timestamp) -> usize {
    shard.advance(to);
    let told = shard.drain_transitions(None);
    shard.committed();
    let is_breach = |told: &&Transition| matches!(told, Transition::Publish(e) if e.breached_at.is_some());
    told.iter().filter(is_breach).count()
}

fn uuid(seed: u64) -> String {
    let (a, b) = (mix(seed), mix(!seed));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xFFFF,
        a & 0xFFF,
        b >> 52,
        b & 0xFFFF_FFFF_FFFF
    )
}
