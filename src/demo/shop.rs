//! A small shop: what happens to its n-th order, made from a seed and a number alone.
//!
//! The demo, the tests and the benchmarks share it. [`super::truth`] says what must come out of it, from the stories'
//! own times and without orderwatch.

use std::fmt::Write as _;

use crate::domain::{Millis, Timestamp};

/// What goes right or wrong with an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Plot {
    /// Paid, packed, shipped and delivered in time.
    Smooth,
    /// Paid after the promise had passed.
    PaidLate,
    /// Never paid.
    NeverPaid,
    /// Held by the fraud desk and released: slow by the clock, in time without the pause.
    Held,
    /// Shipped after the promise had passed.
    ShippedLate,
    /// Paid and never shipped.
    NeverShipped,
    /// Shipped and never delivered.
    LostParcel,
    /// The whole amount captured twice.
    PaidTwice,
    /// More captured than the order's total.
    WrongAmount,
    /// Shipped before it was paid.
    ShippedUnpaid,
    /// Cancelled by the customer before anything was late.
    Cancelled,
    /// Not paid, and cancelled when that had been noticed.
    CancelledLate,
}

/// How many of a thousand orders follow each plot; the rest is smooth. 13 % break the promise of payment or shipment.
const MIX: [(Plot, u64); 11] = [
    (Plot::PaidLate, 50),
    (Plot::NeverPaid, 10),
    (Plot::Held, 20),
    (Plot::ShippedLate, 50),
    (Plot::NeverShipped, 10),
    (Plot::LostParcel, 10),
    (Plot::PaidTwice, 10),
    (Plot::WrongAmount, 10),
    (Plot::ShippedUnpaid, 10),
    (Plot::Cancelled, 20),
    (Plot::CancelledLate, 10),
];

/// The first orders follow this, so that whoever watches sees each plot soon.
const OPENING: [Plot; 20] = [
    Plot::Smooth,
    Plot::NeverPaid,
    Plot::PaidTwice,
    Plot::ShippedUnpaid,
    Plot::PaidLate,
    Plot::Smooth,
    Plot::WrongAmount,
    Plot::CancelledLate,
    Plot::ShippedLate,
    Plot::Smooth,
    Plot::Cancelled,
    Plot::Held,
    Plot::Smooth,
    Plot::NeverShipped,
    Plot::Smooth,
    Plot::PaidLate,
    Plot::LostParcel,
    Plot::Smooth,
    Plot::Smooth,
    Plot::ShippedLate,
];

const WAREHOUSES: [(&str, &str); 3] = [("BER-1", "DE"), ("LYS-2", "FR"), ("MXP-3", "IT")];
const CHANNELS: [&str; 3] = ["web", "app", "marketplace"];
const SKUS: [&str; 6] = ["kettle", "lamp", "mug", "chair", "rug", "clock"];

/// A time at which a warehouse ships nothing, again and again, in minutes of the shop since it opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stoppage {
    /// Which warehouse: its place in the list.
    pub warehouse: usize,
    /// When it first stops.
    pub first: i64,
    /// For how long.
    pub minutes: i64,
    /// How long from one stop to the next.
    pub every: i64,
}

/// The shop.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    /// Two shops with one seed tell the same stories.
    pub seed: u64,
    /// When it opened.
    pub opened_at: Timestamp,
    /// How long a minute of the shop takes: 60,000 ms, or less where its time is sped up.
    pub minute: Millis,
    /// When a warehouse stands still.
    pub stoppage: Option<Stoppage>,
}

/// One event, ready to be produced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShopEvent {
    /// Its event_time and its record's time.
    pub at: Timestamp,
    /// The topic it belongs on.
    pub topic: &'static str,
    /// The record's key; the sku or the checkout_id, where it tells of one.
    pub order_id: String,
    /// The record's value: JSON.
    pub payload: String,
}

/// The times of an order's life: what [`super::truth`] judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// order.placed
    pub placed: Timestamp,
    /// The capture that pays it in full.
    pub paid: Option<Timestamp>,
    /// fulfillment.shipped
    pub shipped: Option<Timestamp>,
    /// fulfillment.delivered
    pub delivered: Option<Timestamp>,
    /// order.held and order.released
    pub held: Option<(Timestamp, Timestamp)>,
    /// order.cancelled
    pub cancelled: Option<Timestamp>,
    /// The promised date of delivery.
    pub promised: Timestamp,
    /// The capture that makes the sum too large.
    pub overpaid: Option<Timestamp>,
}

/// One order from beginning to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The order.
    pub order_id: String,
    /// What happens to it.
    pub plot: Plot,
    /// When.
    pub times: Times,
    /// Its events, by time.
    pub events: Vec<ShopEvent>,
}

impl Shop {
    /// The story of order `number`, placed at `placed`.
    pub fn story(&self, number: u64, placed: Timestamp) -> Story {
        let mut dice = Dice(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let plot = self.plot(number, &mut dice);
        let site = dice.below(WAREHOUSES.len() as u64) as usize;
        let times = self.times(plot, placed, site, &mut dice);
        let order_id = format!("o-{number:06}");
        let events = Telling { order_id: &order_id, events: Vec::with_capacity(6) }.tell(plot, &times, site, &mut dice);
        Story { order_id, plot, times, events }
    }

    fn plot(&self, number: u64, dice: &mut Dice) -> Plot {
        let mut roll = dice.below(1000);
        if let Some(plot) = OPENING.get(number as usize) {
            return *plot;
        }
        for (plot, share) in MIX {
            match roll.checked_sub(share) {
                Some(rest) => roll = rest,
                None => return plot,
            }
        }
        Plot::Smooth
    }

    /// When things happen. No time lies within a quarter of a minute of a promise that it keeps or breaks, so that it
    /// does not matter how long an allowance for late records is.
    fn times(&self, plot: Plot, placed: Timestamp, site: usize, dice: &mut Dice) -> Times {
        let mut minutes = |from: i64, to: i64| {
            Millis::new((self.minute.get() * from) + dice.below((self.minute.get() * (to - from)) as u64) as i64)
        };
        let paid = match plot {
            Plot::NeverPaid | Plot::CancelledLate => None,
            Plot::PaidLate => Some(placed + minutes(6, 12)),
            Plot::ShippedUnpaid => Some(placed + minutes(16, 20)),
            _ => Some(placed + minutes(0, 2)),
        };
        let held = (plot == Plot::Held).then(|| {
            let from = placed + minutes(3, 5);
            (from, from + minutes(15, 20))
        });
        let cancelled = match plot {
            Plot::Cancelled => Some(placed + minutes(4, 8)),
            Plot::CancelledLate => Some(placed + minutes(9, 12)),
            _ => None,
        };
        let shipped = match (plot, paid) {
            (Plot::NeverShipped | Plot::Cancelled, _) | (_, None) => None,
            (Plot::ShippedUnpaid, _) => Some(placed + minutes(7, 10)),
            (Plot::ShippedLate, Some(paid)) => Some(self.when_open(site, paid + minutes(23, 40))),
            (Plot::Held, Some(_)) => held.map(|(_, until)| self.when_open(site, until + minutes(4, 8))),
            (_, Some(paid)) => Some(self.when_open(site, paid + minutes(6, 14))),
        };
        let delivered = shipped.filter(|_| plot != Plot::LostParcel).map(|at| at + minutes(10, 20));
        let overpaid = match (plot, paid) {
            (Plot::PaidTwice, Some(paid)) => Some(paid + minutes(1, 2)),
            (Plot::WrongAmount, paid) => paid,
            _ => None,
        };
        let promised = placed + Millis::new(90 * self.minute.get());
        Times { placed, paid, shipped, delivered, held, cancelled, promised, overpaid }
    }

    /// `at`, or the end of the stoppage that it falls into (and the parcels then leave one by one).
    fn when_open(&self, site: usize, at: Timestamp) -> Timestamp {
        let Some(stop) = self.stoppage.filter(|stop| stop.warehouse == site && stop.every > 0) else { return at };
        let (first, length) = (stop.first * self.minute.get(), stop.minutes * self.minute.get());
        let since = (at - self.opened_at).get() - first;
        let within = since.rem_euclid(stop.every * self.minute.get());
        if since < 0 || within >= length {
            return at;
        }
        // The queue drains in the order in which it built up, eight times as fast.
        at + Millis::new(length - within + within / 8)
    }
}

/// Puts a story into events.
struct Telling<'a> {
    order_id: &'a str,
    events: Vec<ShopEvent>,
}

impl Telling<'_> {
    fn tell(mut self, plot: Plot, times: &Times, site: usize, dice: &mut Dice) -> Vec<ShopEvent> {
        let lines: Vec<(usize, u64)> =
            (0..=dice.below(2)).map(|_| dice.below(SKUS.len() as u64) as usize).zip([1, 2]).collect();
        let total = lines.iter().map(|(sku, pieces)| (*sku as u64 * 700 + 1250) * pieces).sum::<u64>();
        let lines: Vec<String> = lines
            .iter()
            .map(|(sku, n)| format!(r#"{{"sku":"{}","quantity":{n}}}"#, SKUS.get(*sku).unwrap_or(&"mug")))
            .collect();
        let lines = lines.join(",");
        let (warehouse, region) = WAREHOUSES.get(site).copied().unwrap_or(("BER-1", "DE"));
        let channel = CHANNELS.get(dice.below(CHANNELS.len() as u64) as usize).copied().unwrap_or("web");
        self.event(times.placed, "orders", "order.placed", "webshop", &format!(
            r#","total":{{"amount_minor":{total},"currency":"EUR"}},"lines":[{lines}],"promised_deliver_by":"{}","attributes":{{"channel":"{channel}","region":"{region}","warehouse":"{warehouse}"}}"#,
            times.promised
        ));
        self.payments(plot, times, total);
        if let Some((from, until)) = times.held {
            self.event(from, "orders", "order.held", "fraud-desk", r#","reason":"manual review""#);
            self.event(until, "orders", "order.released", "fraud-desk", "");
        }
        if let Some(at) = times.cancelled {
            self.event(at, "orders", "order.cancelled", "webshop", r#","reason":"customer asked""#);
        }
        if let Some(at) = times.shipped {
            let parcel = format!(r#","fulfillment_id":"f-{}","lines":[{lines}]"#, self.order_id);
            let packed = at - Millis::new((at - times.placed).get() / 10);
            self.event(packed, "fulfillments", "fulfillment.packed", "wms", &parcel);
            self.event(at, "fulfillments", "fulfillment.shipped", "wms", &parcel);
            if let Some(delivered) = times.delivered {
                self.event(delivered, "fulfillments", "fulfillment.delivered", "carrier", &parcel);
            }
        }
        self.events.sort_by_key(|e| e.at);
        self.events
    }

    fn payments(&mut self, plot: Plot, times: &Times, total: u64) {
        let captured = |amount: u64, payment: &str, id: &str| {
            format!(r#","payment_id":"{payment}-{id}","amount":{{"amount_minor":{amount},"currency":"EUR"}}"#)
        };
        let id = self.order_id;
        if let Some(at) = times.paid {
            let amount = if plot == Plot::WrongAmount { total + 990 } else { total };
            self.event(at, "payments", "payment.captured", "psp", &captured(amount, "p", id));
        }
        if let (Plot::PaidTwice, Some(at)) = (plot, times.overpaid) {
            self.event(at, "payments", "payment.captured", "psp", &captured(total, "q", id));
        }
    }

    fn event(&mut self, at: Timestamp, topic: &'static str, kind: &str, source: &str, rest: &str) {
        let mut payload = String::with_capacity(256);
        let (id, number) = (self.order_id, self.events.len() + 1);
        let _ = write!(
            payload,
            r#"{{"event_id":"{id}-{number}","order_id":"{id}","type":"{kind}","event_time":"{at}","source":"{source}"{rest}}}"#
        );
        self.events.push(ShopEvent { at, topic, order_id: id.to_owned(), payload });
    }
}

/// SplitMix64: small, and the same on every machine.
#[derive(Clone, Copy, Debug)]
struct Dice(u64);

impl Dice {
    /// A number below `bound`; 0 where the bound is 0. (The bias of a modulus does not matter to a shop.)
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(bound).unwrap_or(0)
    }
}
