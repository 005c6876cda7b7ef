//! What the events of one kind have in common, as one number: stream, source, milestone, and which fields they carry.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain::event::Details;
use crate::domain::{Currency, Event, Milestone, Money, Promise, Str, StreamId};

use super::bytes::{Reader, put_signed, put_text, put_varint};
use super::words::Met;

/// The most shapes that are given a number: far more than the kinds of events there are.
pub(super) const MAX_SHAPES: usize = 4096;
/// The most bytes of a source and a milestone together in a shape with a number.
const MAX_BYTES: usize = 128;

/// Kinds of events by what is quickly seen of them.
const KINDS: usize = 32;

/// An event without what is its own.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Shape {
    pub stream: StreamId,
    pub partition: i32,
    pub source: Str,
    pub milestone: Milestone,
    /// Which fields there are, as the constants of [`has`].
    pub has: u16,
    /// Of its total, amount and fee.
    pub currencies: [Option<Currency>; 3],
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
        Shape {
            stream: event.position.stream,
            partition: event.position.partition,
            source: event.source.clone(),
            milestone: event.milestone.clone(),
            has,
            currencies: currencies(event),
        }
    }

    fn is_of(&self, event: &Event, has: u16) -> bool {
        self.has == has
            && self.stream == event.position.stream
            && self.partition == event.position.partition
            && self.milestone == event.milestone
            && self.source == event.source
            && self.currencies == currencies(event)
    }

    /// All of it: for one that has no number, and for those who learn its number.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.stream.0.into());
        put_signed(out, self.partition.into());
        put_text(out, &self.source);
        // By its name: our own list may get another order.
        put_text(out, self.milestone.as_str());
        put_varint(out, self.has.into());
        for currency in self.currencies {
            put_text(out, currency.as_ref().map_or("", Currency::as_str));
        }
    }

    pub fn read(from: &mut Reader<'_>) -> Self {
        let stream = StreamId(from.varint() as u16);
        let partition = from.signed() as i32;
        let source = Str::new(from.own_text());
        let milestone = Milestone::parse(from.own_text());
        let has = from.varint() as u16;
        let currencies = std::array::from_fn(|_| Currency::parse(from.own_text()));
        Shape { stream, partition, source, milestone, has, currencies }
    }
}

fn currencies(event: &Event) -> [Option<Currency>; 3] {
    let money = event.details.as_deref().map_or([None; 3], |d| [d.total, d.amount, d.fee]);
    money.map(|money: Option<Money>| money.map(|money| money.currency))
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
    /// The number that was found last for each kind of event: nearly always it is the next one's too.
    last: [u32; KINDS],
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
        let milestone = match &event.milestone {
            Milestone::Standard(standard) => *standard as usize,
            Milestone::Custom(name) => name.len(),
        };
        let kind = (milestone ^ usize::from(has)) % KINDS;
        let last = self.last.get(kind).copied().unwrap_or_default();
        if self.get(last.into()).is_some_and(|shape| shape.is_of(event, has)) {
            return Some(last);
        }
        let number = self.find(event, has)?;
        self.last.get_mut(kind).into_iter().for_each(|last| *last = number);
        Some(number)
    }

    fn find(&mut self, event: &Event, has: u16) -> Option<u32> {
        let place = (event.position.stream, event.position.partition);
        let currencies = currencies(event);
        let hash = self.hasher.hash_one((place, has, &event.milestone, &event.source, currencies));
        let is_it =
            |(_, number): &(u64, u32)| self.get(u64::from(*number)).is_some_and(|shape| shape.is_of(event, has));
        if let Some((_, number)) = self.numbers.find(hash, is_it) {
            return Some(*number);
        }
        let bytes = event.source.len() + event.milestone.as_str().len();
        if self.shapes.len() >= MAX_SHAPES || bytes > MAX_BYTES || !self.met.again(hash) {
            return None;
        }
        Some(self.push(hash, Shape::of(event, has)))
    }

    /// Gives a new shape the next number.
    pub fn add(&mut self, shape: Shape) {
        let Shape { stream, partition, source, milestone, has, currencies } = &shape;
        let hash = self.hasher.hash_one(((stream, partition), has, milestone, source, currencies));
        self.push(hash, shape);
    }

    fn push(&mut self, hash: u64, shape: Shape) -> u32 {
        let number = self.shapes.len() as u32;
        self.shapes.push(shape);
        self.numbers.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        number
    }

    /// All of them, by number.
    pub fn all(&self) -> &[Shape] {
        &self.shapes
    }

    /// The shape with this number.
    pub fn get(&self, number: u64) -> Option<&Shape> {
        self.shapes.get(number as usize)
    }
}
