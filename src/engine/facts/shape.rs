//! What the events of one kind have in common, as one number: stream, source, milestone, and which fields they carry.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain::event::Details;
use crate::domain::{Currency, Event, Milestone, Money, Promise, Standard, Str, StreamId};

use super::bytes::{Reader, put_signed, put_text, put_varint};
use super::words::Met;

/// The most shapes that are given a number: far more than the kinds of events there are.
pub(super) const MAX_SHAPES: usize = 4096;
/// The most bytes of a source and a milestone together in a shape with a number.
const MAX_BYTES: usize = 128;

/// An event without what is its own.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Shape {
    pub stream: StreamId,
    pub partition: i32,
    pub source: Str,
    pub milestone: Milestone,
    /// Which fields there are, as the constants of [`has`].
    pub has: u16,
    pub total: Option<Currency>,
    pub amount: Option<Currency>,
    pub fee: Option<Currency>,
}

/// The bits of [`Shape::has`].
pub(super) mod has {
    pub const TIME_INFERRED: u16 = 1;
    pub const DETAILS: u16 = 1 << 1;
    pub const LINES: u16 = 1 << 2;
    pub const ATTRIBUTES: u16 = 1 << 3;
    pub const PAYMENT_ID: u16 = 1 << 4;
    pub const CAPTURE_ID: u16 = 1 << 5;
    pub const FULFILLMENT_ID: u16 = 1 << 6;
    pub const REASON: u16 = 1 << 7;
    pub const SHIP_BY: u16 = 1 << 8;
    pub const NO_SHIP_BY: u16 = 1 << 9;
    pub const DELIVER_BY: u16 = 1 << 10;
    pub const NO_DELIVER_BY: u16 = 1 << 11;
    /// Its event_id is a UUID, told as 16 bytes.
    pub const UUID: u16 = 1 << 12;
}

impl Shape {
    fn of(event: &Event, has: u16) -> Self {
        let currency = |money: Option<Money>| money.map(|money| money.currency);
        let details = event.details.as_deref();
        Shape {
            stream: event.position.stream,
            partition: event.position.partition,
            source: event.source.clone(),
            milestone: event.milestone.clone(),
            has,
            total: currency(details.and_then(|d| d.total)),
            amount: currency(details.and_then(|d| d.amount)),
            fee: currency(details.and_then(|d| d.fee)),
        }
    }

    fn is_of(&self, event: &Event, has: u16) -> bool {
        let currency = |money: Option<Money>| money.map(|money| money.currency);
        let money = event.details.as_deref().map_or((None, None, None), |d| (d.total, d.amount, d.fee));
        self.has == has
            && self.stream == event.position.stream
            && self.partition == event.position.partition
            && self.milestone == event.milestone
            && self.source == event.source
            && (self.total, self.amount, self.fee) == (currency(money.0), currency(money.1), currency(money.2))
    }

    /// For one that has no number.
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.stream.0.into());
        put_signed(out, self.partition.into());
        put_text(out, &self.source);
        match &self.milestone {
            Milestone::Standard(standard) => put_varint(out, 1 + *standard as u64),
            Milestone::Custom(name) => {
                put_varint(out, 0);
                put_text(out, name);
            }
        }
        put_varint(out, self.has.into());
        for currency in [self.total, self.amount, self.fee] {
            put_text(out, currency.as_ref().map_or("", Currency::as_str));
        }
    }

    pub fn read(from: &mut Reader<'_>) -> Self {
        let text = |from: &mut Reader<'_>| {
            let length = from.varint();
            from.text(length).to_owned()
        };
        let stream = StreamId(from.varint() as u16);
        let partition = from.signed() as i32;
        let source = Str::from(text(from));
        let milestone = match from.varint() {
            0 => Milestone::Custom(text(from).into()),
            place => Standard::ALL.get(place as usize - 1).map_or(Milestone::Custom(Str::default()), |s| (*s).into()),
        };
        let has = from.varint() as u16;
        let mut currency = || Currency::parse(&text(from));
        Shape { stream, partition, source, milestone, has, total: currency(), amount: currency(), fee: currency() }
    }
}

fn fields(event: &Event) -> u16 {
    let bit = |is: bool, bit: u16| if is { bit } else { 0 };
    let inferred = bit(event.event_time_inferred, has::TIME_INFERRED);
    let Some(details) = event.details.as_deref() else { return inferred };
    let Details { lines, attributes, payment_id, capture_id, fulfillment_id, reason, .. } = details;
    let promise = |promise: Promise, at: u16, none: u16| match promise {
        Promise::Unchanged => 0,
        Promise::Withdrawn => none,
        Promise::At(_) => at,
    };
    inferred
        | has::DETAILS
        | bit(lines.is_some(), has::LINES)
        | bit(!attributes.is_empty(), has::ATTRIBUTES)
        | bit(payment_id.is_some(), has::PAYMENT_ID)
        | bit(capture_id.is_some(), has::CAPTURE_ID)
        | bit(fulfillment_id.is_some(), has::FULFILLMENT_ID)
        | bit(reason.is_some(), has::REASON)
        | promise(details.promised_ship_by, has::SHIP_BY, has::NO_SHIP_BY)
        | promise(details.promised_deliver_by, has::DELIVER_BY, has::NO_DELIVER_BY)
}

/// Shapes by number.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    numbers: HashTable<(u64, u32)>,
    hasher: RandomState,
    met: Met,
}

impl Shapes {
    /// Writes the event's shape: its number, or itself where it has none.
    pub fn write(&mut self, event: &Event, is_uuid: bool, out: &mut Vec<u8>) -> u16 {
        let has = fields(event) | if is_uuid { has::UUID } else { 0 };
        match self.number(event, has) {
            Some(number) => put_varint(out, u64::from(number) + 1),
            None => {
                put_varint(out, 0);
                Shape::of(event, has).write(out);
            }
        }
        has
    }

    fn number(&mut self, event: &Event, has: u16) -> Option<u32> {
        let mut hasher = self.hasher.build_hasher();
        event.position.stream.hash(&mut hasher);
        (event.position.partition, has).hash(&mut hasher);
        event.milestone.hash(&mut hasher);
        event.source.hash(&mut hasher);
        if let Some(d) = event.details.as_deref() {
            [d.total, d.amount, d.fee].map(|money| money.map(|money| money.currency)).hash(&mut hasher);
        }
        let hash = hasher.finish();
        let is_it =
            |(_, number): &(u64, u32)| self.get(u64::from(*number)).is_some_and(|shape| shape.is_of(event, has));
        if let Some((_, number)) = self.numbers.find(hash, is_it) {
            return Some(*number);
        }
        let bytes = event.source.len() + event.milestone.as_str().len();
        if self.shapes.len() >= MAX_SHAPES || bytes > MAX_BYTES || !self.met.again(hash) {
            return None;
        }
        let number = self.shapes.len() as u32;
        self.shapes.push(Shape::of(event, has));
        self.numbers.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        Some(number)
    }

    /// The shape with this number.
    pub fn get(&self, number: u64) -> Option<&Shape> {
        self.shapes.get(number as usize)
    }
}
