//! A shop whose events come late, twice, contradicting, garbled, and in transactions that commit or do not.

use serde_json::{Value, json};

use super::broker::{Broker, Record, Txn};
use super::oracle::{Event, Money, Promise};
use super::rng::Rng;

/// The streams, in the order in which they are declared.
pub const TOPICS: [&str; 4] = ["orders", "payments", "fulfillments", "checkouts"];
/// Before the id of a checkout, which may be an order's too: here they must be told apart.
pub const CHECKOUT: &str = "checkout/";
pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;

/// What a record of an input holds, as the simulation knows it.
#[derive(Clone, Debug)]
pub enum Content {
    Event(Box<Event>),
    /// A dead letter whose record time counts, or a null.
    Nothing,
    /// A dead letter for its event's time: not even its record time counts.
    Skewed,
}

/// A record that is to be produced.
#[derive(Clone, Debug)]
struct Planned {
    at: i64,
    stream: usize,
    partition: i32,
    order: String,
    value: Option<Vec<u8>>,
    content: Content,
    /// Those of one number go into one transaction.
    together: Option<usize>,
}

/// A transaction of a producer.
#[derive(Clone, Copy, Debug)]
struct Upstream {
    txn: Txn,
    ends_at: i64,
    commits: bool,
}

/// The shop.
#[derive(Debug)]
pub struct Shop {
    planned: Vec<Planned>,
    /// What was produced, by the tag of its record.
    pub contents: Vec<Content>,
    open: Vec<(usize, Upstream)>,
    pub partitions: i32,
}

/// The order that is being told, and the events so far.
struct Story<'a> {
    rng: &'a mut Rng,
    order: String,
    partition: i32,
    events: usize,
    out: Vec<Planned>,
}

impl Shop {
    /// So many orders from `start` on.
    pub fn new(rng: &mut Rng, orders: usize, partitions: i32, start: i64) -> Self {
        let mut planned = Vec::new();
        for n in 0..orders {
            let partition = (n as i32) % partitions;
            let placed = start + rng.between(0, 4 * MINUTE);
            let mut story = Story { rng, order: format!("o-{n}"), partition, events: 0, out: Vec::new() };
            story.tell(placed);
            planned.extend(story.out);
            if rng.chance(50) {
                let order = format!("{CHECKOUT}o-{n}");
                let mut checkout = Story { rng, order, partition, events: 0, out: Vec::new() };
                checkout.linger(placed);
                planned.extend(checkout.out);
            }
        }
        planned.sort_by_key(|planned| std::cmp::Reverse(planned.at));
        Shop { planned, contents: Vec::new(), open: Vec::new(), partitions }
    }

    pub fn is_done(&self) -> bool {
        self.planned.is_empty() && self.open.is_empty()
    }

    /// Produces what is due, and ends the transactions whose time has come.
    pub fn produce(&mut self, rng: &mut Rng, broker: &mut Broker) {
        let now = broker.now;
        while self.planned.last().is_some_and(|planned| planned.at <= now) {
            let Some(planned) = self.planned.pop() else { break };
            let txn = planned.together.map(|number| self.transaction(number, rng, broker));
            let tag = self.contents.len();
            self.contents.push(planned.content);
            // The producer stamps a record before the broker has it.
            let time = planned.at - rng.between(0, 300);
            let record = Record { time, key: planned.order.into_bytes(), value: planned.value, tag };
            broker.append(TOPICS[planned.stream], planned.partition, txn, record);
        }
        for (_, upstream) in self.open.iter().filter(|(_, upstream)| upstream.ends_at <= now) {
            let fate = if upstream.commits { super::broker::Fate::Committed } else { super::broker::Fate::Aborted };
            broker.end(upstream.txn, fate);
        }
        self.open.retain(|(_, upstream)| upstream.ends_at > now);
    }

    fn transaction(&mut self, number: usize, rng: &mut Rng, broker: &mut Broker) -> Txn {
        if let Some((_, upstream)) = self.open.iter().find(|(open, _)| *open == number) {
            return upstream.txn;
        }
        let ends_at = broker.now + rng.between(10, 20 * SECOND);
        let upstream = Upstream { txn: broker.begin(None), ends_at, commits: rng.chance(70) };
        self.open.push((number, upstream));
        upstream.txn
    }
}

impl Story<'_> {
    /// One order's life.
    fn tell(&mut self, placed: i64) {
        let placing = self.rng.chance(95);
        let total = self.rng.pick(&[0, 500, 1_000]).copied().unwrap_or(1_000);
        if placing {
            let mut event = self.event("order.placed", placed);
            event.total = self.rng.chance(85).then(|| euros(total));
            event.lines = self.rng.chance(80).then(|| vec![("A".to_owned(), 2), ("B".to_owned(), 1)]);
            event.attributes = vec![("channel".to_owned(), ["web", "store"][self.rng.below(2)].to_owned())];
            if self.rng.chance(60) {
                event.promised_ship_by = Promise::At(placed + self.rng.between(-10, 180) * SECOND);
            }
            self.send(0, event.clone());
            if self.rng.chance(20) {
                // Sent once more long after, as payment providers and shops do: the order may be closed by then.
                let again = placed + self.rng.between(120, 700) * SECOND;
                self.plan(again, 0, Some(json_of(&event)), Content::Event(Box::new(event)));
            }
        }
        let mut at = placed;
        if self.rng.chance(85) {
            at += self.soon(60);
            self.pay(at, total);
        }
        if self.rng.chance(30) {
            self.hold(placed);
        }
        if self.rng.chance(25) {
            self.change(placed, total);
        }
        if self.rng.chance(75) {
            at += self.soon(90);
            self.ship(at);
        }
        if self.rng.chance(20) {
            let when = placed + self.soon(150);
            let event = self.event("order.cancelled", when);
            self.send(0, event);
        }
        if self.rng.chance(15) {
            let when = placed + self.rng.between(60, 400) * SECOND;
            let event = self.event("order.completed", when);
            self.send(0, event);
        }
        // Long after: the order may be closed, remembered, or forgotten.
        while self.rng.chance(25) {
            let when = placed + self.rng.between(100, 800) * SECOND;
            let mut event = self.event("payment.refunded", when);
            event.amount = Some(euros(self.rng.between(0, 10) * 100));
            self.send(1, event);
        }
    }

    /// One checkout's life: whoever comes to a step leaves it, or does not.
    fn linger(&mut self, began: i64) {
        let mut at = began + self.rng.between(-60, 60) * SECOND;
        for _ in 0..self.rng.between(1, 2) {
            let mut entered = self.event("step.entered", at);
            entered.attributes = vec![("channel".to_owned(), ["web", "store"][self.rng.below(2)].to_owned())];
            self.send(3, entered);
            at += self.soon(70);
            if self.rng.chance(70) {
                let left = self.event("step.left", at);
                self.send(3, left);
            }
            at += self.soon(20);
        }
        for (kind, chance) in [("checkout.cancelled", 25), ("checkout.completed", 40)] {
            if self.rng.chance(chance) {
                let when = began + self.soon(150);
                let event = self.event(kind, when);
                self.send(3, event);
            }
        }
        while self.rng.chance(25) {
            let when = began + self.rng.between(100, 800) * SECOND;
            let event = self.event("step.left", when);
            self.send(3, event);
        }
    }

    fn pay(&mut self, at: i64, total: i64) {
        if self.rng.chance(30) {
            let when = at - self.rng.between(0, 20) * SECOND;
            let mut event = self.event("payment.authorized", when);
            event.amount = Some(euros(total));
            self.send(1, event);
        }
        let parts: &[i64] = match self.rng.below(6) {
            0 => &[50, 50],
            1 => &[50],
            2 => &[100, 50],
            _ => &[100],
        };
        for (n, percent) in parts.iter().enumerate() {
            let when = at + n as i64 * self.soon(30);
            let mut event = self.event("payment.captured", when);
            let currency = if self.rng.chance(4) { "USD" } else { "EUR" };
            event.amount = Some(Money { minor: total * percent / 100, currency: currency.to_owned() });
            event.payment_id = Some(format!("p-{n}"));
            self.send(1, event);
        }
    }

    fn hold(&mut self, placed: i64) {
        let mut at = placed + self.rng.between(-20, 60) * SECOND;
        for _ in 0..self.rng.between(1, 2) {
            let event = self.event("order.held", at);
            self.send(0, event);
            at += self.soon(60);
            if self.rng.chance(80) {
                let event = self.event("order.released", at);
                self.send(0, event);
            }
            at += self.soon(20);
        }
    }

    fn change(&mut self, placed: i64, total: i64) {
        let when = placed + self.soon(120);
        let mut event = self.event("order.changed", when);
        match self.rng.below(3) {
            0 => event.total = Some(euros(total + 100)),
            1 => event.lines = Some(vec![("A".to_owned(), 1)]),
            _ => {
                let promised = when + self.rng.between(-20, 120) * SECOND;
                event.promised_ship_by = if self.rng.chance(70) { Promise::At(promised) } else { Promise::Withdrawn };
            }
        }
        if self.rng.chance(30) {
            event.attributes = vec![("channel".to_owned(), ["web", "store"][self.rng.below(2)].to_owned())];
        }
        self.send(0, event);
    }

    fn ship(&mut self, at: i64) {
        let parcels: Vec<Option<Vec<(String, i64)>>> = match self.rng.below(3) {
            0 => vec![None],
            1 => vec![Some(vec![("A".to_owned(), 2), ("B".to_owned(), 1)])],
            _ => vec![Some(vec![("A".to_owned(), 2)]), Some(vec![("B".to_owned(), 1)])],
        };
        let mut when = at;
        for (n, lines) in parcels.into_iter().enumerate() {
            let mut event = self.event("fulfillment.shipped", when);
            event.fulfillment_id = Some(format!("f-{n}"));
            event.lines = lines;
            self.send(2, event.clone());
            if self.rng.chance(50) {
                let arrived = when + self.soon(60);
                let mut delivered = self.event("fulfillment.delivered", arrived);
                (delivered.fulfillment_id, delivered.lines) = (event.fulfillment_id, event.lines);
                self.send(2, delivered);
            }
            when += self.soon(40);
        }
    }

    /// Up to so many seconds, sometimes none, sometimes twice as many.
    fn soon(&mut self, seconds: i64) -> i64 {
        match self.rng.below(8) {
            0 => 0,
            1 => self.rng.between(0, 2 * seconds) * SECOND,
            _ => self.rng.between(0, seconds * SECOND),
        }
    }

    fn event(&mut self, kind: &str, event_time: i64) -> Event {
        self.events += 1;
        Event {
            event_id: format!("e-{}", self.events),
            source: "sim".to_owned(),
            order_id: self.order.clone(),
            kind: kind.to_owned(),
            event_time,
            total: None,
            amount: None,
            lines: None,
            payment_id: None,
            fulfillment_id: None,
            promised_ship_by: Promise::Absent,
            promised_deliver_by: Promise::Absent,
            attributes: Vec::new(),
        }
    }

    /// Sends an event: at once, some seconds late, or minutes late; sometimes twice, sometimes with garbage beside it.
    fn send(&mut self, stream: usize, event: Event) {
        let late = match self.rng.below(12) {
            0 => self.rng.between(0, 3 * MINUTE),
            1 => self.rng.between(0, 10 * SECOND),
            _ => self.rng.between(0, 800),
        };
        let at = event.event_time + late;
        self.plan(at, stream, Some(json_of(&event)), Content::Event(Box::new(event.clone())));
        if self.rng.chance(8) {
            let again = at + self.soon(120);
            self.plan(again, stream, Some(json_of(&event)), Content::Event(Box::new(event.clone())));
        }
        if self.rng.chance(3) {
            let mut other = event.clone();
            other.event_time += self.rng.between(-30, 30) * SECOND;
            let again = at.max(other.event_time) + self.soon(60);
            self.plan(again, stream, Some(json_of(&other)), Content::Event(Box::new(other)));
        }
        match self.rng.below(40) {
            0 => self.plan(at, stream, Some(b"{\"event_id\":".to_vec()), Content::Nothing),
            1 => self.plan(at, stream, None, Content::Nothing),
            2 => {
                let mut skewed = event;
                skewed.event_id.push_str("-skewed");
                skewed.event_time = at + 1_000 * MINUTE;
                self.plan(at, stream, Some(json_of(&skewed)), Content::Skewed);
            }
            _ => {}
        }
    }

    fn plan(&mut self, at: i64, stream: usize, value: Option<Vec<u8>>, content: Content) {
        let together = self.rng.chance(20).then(|| self.rng.below(1_000_000));
        let (partition, order) = (self.partition, self.order.trim_start_matches(CHECKOUT).to_owned());
        self.out.push(Planned { at, stream, partition, order, value, content, together });
    }
}

fn euros(minor: i64) -> Money {
    Money { minor, currency: "EUR".to_owned() }
}

/// The event as its producer writes it (the contract's JSON).
fn json_of(event: &Event) -> Vec<u8> {
    let money = |money: &Money| json!({"amount_minor": money.minor, "currency": money.currency});
    let mut value = json!({
        "event_id": event.event_id, "source": event.source, "type": event.kind, "event_time": event.event_time,
    });
    match event.order_id.strip_prefix(CHECKOUT) {
        Some(id) => value["checkout_id"] = json!(id),
        None => value["order_id"] = json!(event.order_id),
    }
    let mut set = |name: &str, field: Option<Value>| {
        if let Some(field) = field {
            value[name] = field;
        }
    };
    set("total", event.total.as_ref().map(money));
    set("amount", event.amount.as_ref().map(money));
    let line = |(sku, quantity): &(String, i64)| json!({"sku": sku, "quantity": quantity});
    set("lines", event.lines.as_ref().map(|lines| lines.iter().map(line).collect()));
    set("payment_id", event.payment_id.as_ref().map(|id| json!(id)));
    set("fulfillment_id", event.fulfillment_id.as_ref().map(|id| json!(id)));
    for (name, promise) in
        [("promised_ship_by", event.promised_ship_by), ("promised_deliver_by", event.promised_deliver_by)]
    {
        let date = |at: i64| json!(orderwatch_time(at));
        set(
            name,
            match promise {
                Promise::Absent => None,
                Promise::Withdrawn => Some(Value::Null),
                Promise::At(at) => Some(date(at)),
            },
        );
    }
    let attributes: serde_json::Map<String, Value> =
        event.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    set("attributes", (!attributes.is_empty()).then_some(Value::Object(attributes)));
    value.to_string().into_bytes()
}

fn orderwatch_time(at: i64) -> String {
    crate::domain::Timestamp::from_millis(at).to_string()
}
