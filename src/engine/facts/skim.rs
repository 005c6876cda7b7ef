//! What an event that joins an order's facts must know of them, read where they lie. Most events come behind all that is
//! known of their order, and unpacking it for them would be most of their cost.

use crate::domain::{AttributeValue, Event, Position, Timestamp};
use crate::engine::bounds::Sums;

use super::bytes::Reader;
use super::own::Own;
use super::pack::{FIELDS, REACH};
use super::shape::{Shape, has};
use super::words::MAX_BYTES;
use super::{Codebook, ERA, Facts, Head, spelled, value};

/// Of an order with more events, or more bytes, each event more would read and copy too much: it is unpacked.
const MOST_EVENTS: usize = 32;
const MOST_BYTES: usize = 1 << 12;

/// Facts, skimmed for an event that follows them.
#[derive(Debug)]
pub(in crate::engine) struct Skimmed<'f> {
    pub head: Head<'f>,
    /// The earliest of its events' record times.
    pub first_record_time: Timestamp,
    /// The latest.
    pub last_record_time: Timestamp,
    /// The order key of its last event.
    pub last: (Timestamp, Position),
    /// Its events' bytes.
    pub(super) events: Reader<'f>,
    /// What they come to; of texts that have a number, the most that they may come to.
    pub(super) sums: Sums,
    /// What each of [`FIELDS`] said last, and in which event.
    said: [Option<(Own<'f>, usize)>; FIELDS.len()],
}

impl Codebook {
    /// Skims an order's facts for an event that is to join them. `None` where it is not a new one behind all others, as
    /// most are, or the facts are not of the usual kind: then they are to be unpacked, and the event merged.
    pub fn skim<'f>(&self, facts: Facts<'f>, event: &Event) -> Option<Skimmed<'f>> {
        let (head, count, mut from) = facts.parts();
        if count == 0 || count > MOST_EVENTS || facts.0.len() > MOST_BYTES {
            return None;
        }
        let mut skimmed = Skimmed {
            head,
            first_record_time: Timestamp::MAX,
            last_record_time: Timestamp::MIN,
            last: (Timestamp::from_millis(ERA), event.position),
            events: from,
            sums: Sums::default(),
            said: [None; FIELDS.len()],
        };
        let event_id = Own::of(&event.event_id, head.id);
        while !from.is_empty() {
            let shape = self.shapes.get(from.varint().checked_sub(1)?)?;
            let known = if shape.has & has::UUID != 0 { Own::Uuid(from.array()) } else { Own::read(&mut from) };
            if known == event_id && shape.stream == event.position.stream && shape.source == event.source {
                return None;
            }
            skimmed.pass(shape, &mut from);
            if shape.has & has::DETAILS != 0 {
                skimmed.pass_details(shape, &mut from);
                skimmed.pass_fields(shape, &mut from)?;
            }
            skimmed.sums.events += 1;
        }
        let follows = skimmed.last < event.order_key() && skimmed.sums.with(event).is_ok();
        follows.then_some(skimmed)
    }
}

impl<'f> Skimmed<'f> {
    /// How many events back the field of this place in [`FIELDS`] said the same, if it said that last.
    pub(super) fn back_to(&self, field: usize, text: &str) -> Option<u64> {
        let (said, place) = self.said.get(field).copied().flatten()?;
        let back = self.sums.events - place;
        (back <= REACH && said == Own::of(text, self.head.id)).then_some(back as u64)
    }

    /// Past an event's times and offset.
    fn pass(&mut self, shape: &Shape, from: &mut Reader<'f>) {
        let event_time = self.last.0.as_millis().wrapping_add(from.varint() as i64);
        let record_time = Timestamp::from_millis(event_time.wrapping_add(from.signed()));
        let position = Position { stream: shape.stream, partition: shape.partition, offset: from.varint() as i64 };
        self.last = (Timestamp::from_millis(event_time), position);
        self.first_record_time = self.first_record_time.min(record_time);
        self.last_record_time = self.last_record_time.max(record_time);
    }

    /// Past its figures, promises, lines and attributes.
    fn pass_details(&mut self, shape: &Shape, from: &mut Reader<'f>) {
        let [_, amount, _] = shape.currencies.map(|currency| currency.map_or(0, |_| from.signed()));
        self.sums.amounts = self.sums.amounts.saturating_add(amount.unsigned_abs());
        for _ in 0..(shape.has & (has::SHIP_BY | has::DELIVER_BY)).count_ones() {
            _ = from.signed();
        }
        if shape.has & has::LINES != 0 {
            let lines = from.varint();
            self.sums.lines += lines as usize;
            for _ in 0..lines {
                pass_shared(from);
                self.sums.pieces = self.sums.pieces.saturating_add(from.signed().unsigned_abs());
            }
        }
        if shape.has & has::ATTRIBUTES != 0 {
            let attributes = from.varint();
            self.sums.attributes += attributes as usize;
            for _ in 0..attributes {
                self.pass_attribute(from);
            }
        }
    }

    fn pass_attribute(&mut self, from: &mut Reader<'f>) {
        let told = from.varint();
        let name = if told >> 3 == 0 { from.own_text().len() } else { MAX_BYTES };
        let mut value = size_of::<AttributeValue>();
        match told & 7 {
            value::TEXT => value = pass_shared(from) + self.head.id.len(),
            value::INTEGER => _ = from.signed(),
            value::DECIMAL => _ = from.array::<8>(),
            _ => {}
        }
        self.sums.attribute_bytes += name + value;
    }

    /// Past the texts that its events often repeat. `None` where one refers to another than what was said last.
    fn pass_fields(&mut self, shape: &Shape, from: &mut Reader<'f>) -> Option<()> {
        let place = self.sums.events;
        for ((bit, _), said) in FIELDS.iter().zip(&mut self.said) {
            if shape.has & bit == 0 {
                continue;
            }
            let told = from.varint();
            let own = match told & 3 {
                spelled::BACK => said.filter(|(_, at)| (place - at) as u64 == told >> 2)?.0,
                _ => Own::read_told(from, told),
            };
            *said = Some((own, place));
        }
        Some(())
    }
}

/// Past a text that may have a number; as many bytes as it has at most, the order's id aside.
fn pass_shared(from: &mut Reader<'_>) -> usize {
    if from.varint() != 0 {
        return MAX_BYTES;
    }
    match Own::read(from) {
        Own::Out(bytes) | Own::AfterId(bytes) => bytes.len(),
        Own::Uuid(_) => 36,
    }
}
