//! Bytes to events.

use std::borrow::Cow;

use crate::domain::event::Details;
use crate::domain::{AttributeValue, Currency, Event, Line, Money, Position, Promise, Str, Timestamp};

use super::bytes::Reader;
use super::own::Own;
use super::pack::{FIELDS, Field};
use super::shape::{Shape, has};
use super::spare::Spare;
use super::words::Words;
use super::{Codebook, ERA, Facts, Head, spelled, value};

impl Codebook {
    /// Puts an order's events behind those that are in `events`, which should be none, and says what else is known of it.
    pub fn unpack<'f>(&self, facts: Facts<'f>, spare: &mut Spare, events: &mut Vec<Event>) -> Head<'f> {
        let (head, _, mut from) = facts.parts();
        let order_id = Str::new(head.id);
        let mut before = ERA;
        while !from.is_empty() {
            let event = self.event(&mut from, &order_id, before, spare, events);
            before = event.event_time.as_millis();
            events.push(event);
        }
        head
    }

    fn event(&self, from: &mut Reader<'_>, order_id: &Str, before: i64, spare: &mut Spare, earlier: &[Event]) -> Event {
        let known = from.varint().checked_sub(1).and_then(|number| self.shapes.get(number));
        let shape = known.map_or_else(|| Cow::Owned(Shape::read(from)), Cow::Borrowed);
        let is_uuid = shape.has & has::UUID != 0;
        let event_id = if is_uuid { Own::Uuid(from.array()) } else { Own::read(from) }.text(order_id);
        let event_time = Timestamp::from_millis(before.wrapping_add(from.varint() as i64));
        let record_time = time(from, event_time);
        let position = Position { stream: shape.stream, partition: shape.partition, offset: from.varint() as i64 };
        let details = (shape.has & has::DETAILS != 0).then(|| {
            let mut details = spare.details();
            self.details(&mut details, from, &shape, order_id, event_time, spare);
            for (bit, field) in FIELDS {
                if shape.has & bit != 0 {
                    let text = field_text(from, order_id, earlier, field);
                    *field_mut(&mut details, bit) = Some(text);
                }
            }
            details
        });
        Event {
            order_id: order_id.clone(),
            event_id,
            source: shape.source.clone(),
            milestone: shape.milestone.clone(),
            event_time,
            event_time_inferred: shape.has & has::TIME_INFERRED != 0,
            record_time,
            position,
            details,
        }
    }

    fn details(
        &self,
        details: &mut Details,
        from: &mut Reader<'_>,
        shape: &Shape,
        order_id: &Str,
        event_time: Timestamp,
        spare: &mut Spare,
    ) {
        let money =
            |currency: Option<Currency>| currency.map(|currency| Money { amount_minor: from.signed(), currency });
        [details.total, details.amount, details.fee] = shape.currencies.map(money);
        let mut promise = |at: u16, none: u16| match shape.has & (at | none) {
            0 => Promise::Unchanged,
            bit if bit == none => Promise::Withdrawn,
            _ => Promise::At(time(from, event_time)),
        };
        details.promised_ship_by = promise(has::SHIP_BY, has::NO_SHIP_BY);
        details.promised_deliver_by = promise(has::DELIVER_BY, has::NO_DELIVER_BY);
        if shape.has & has::LINES != 0 {
            let mut lines = spare.lines();
            for _ in 0..from.varint() {
                lines.push(Line { sku: shared_text(from, order_id, &self.skus), quantity: from.signed() });
            }
            details.lines = Some(lines);
        }
        if shape.has & has::ATTRIBUTES != 0 {
            for _ in 0..from.varint() {
                details.attributes.push(self.attribute(from, order_id));
            }
        }
    }

    fn attribute(&self, from: &mut Reader<'_>, order_id: &Str) -> (Str, AttributeValue) {
        let told = from.varint();
        let name = match told >> 3 {
            0 => Str::new(from.own_text()),
            number => self.names.text(number - 1),
        };
        let value = match told & 7 {
            value::FALSE => AttributeValue::Bool(false),
            value::TRUE => AttributeValue::Bool(true),
            value::INTEGER => AttributeValue::Integer(from.signed()),
            value::DECIMAL => AttributeValue::Decimal(f64::from_bits(u64::from_le_bytes(from.array()))),
            value::TEXT => AttributeValue::Text(shared_text(from, order_id, &self.values)),
            _ => AttributeValue::Null,
        };
        (name, value)
    }
}

fn field_mut(details: &mut Details, bit: u16) -> &mut Option<Str> {
    match bit {
        has::PAYMENT_ID => &mut details.payment_id,
        has::CAPTURE_ID => &mut details.capture_id,
        has::FULFILLMENT_ID => &mut details.fulfillment_id,
        _ => &mut details.reason,
    }
}

fn field_text(from: &mut Reader<'_>, order_id: &Str, earlier: &[Event], field: Field) -> Str {
    let told = from.varint();
    match (told & 3, told >> 2) {
        (spelled::BACK, back) => {
            let said = earlier.len().checked_sub(back as usize).and_then(|place| earlier.get(place));
            said.and_then(|event| event.details.as_deref()).and_then(field).cloned().unwrap_or_default()
        }
        _ => Own::read_told(from, told).text(order_id),
    }
}

fn shared_text(from: &mut Reader<'_>, order_id: &Str, words: &Words) -> Str {
    from.varint().checked_sub(1).map_or_else(|| Own::read(from).text(order_id), |number| words.text(number))
}

fn time(from: &mut Reader<'_>, base: Timestamp) -> Timestamp {
    Timestamp::from_millis(base.as_millis().wrapping_add(from.signed()))
}
