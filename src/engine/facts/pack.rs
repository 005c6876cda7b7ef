//! Events to bytes.

use crate::domain::event::Details;
use crate::domain::{AttributeValue, Event, Money, Promise, Str, Timestamp};

use super::bytes::{Reader, put_signed, put_text, put_varint};
use super::own::Own;
use super::shape::has;
use super::skim::Skimmed;
use super::words::Words;
use super::{Codebook, ERA, Facts, Head, spelled, value};

/// How many events back a text is looked for.
pub(super) const REACH: usize = 8;

impl Codebook {
    /// Packs an order. `known`: its facts as they were, and how many events they hold, which are its first, unchanged. `None`
    /// where these are its facts still.
    pub fn pack(&mut self, head: Head<'_>, events: &[Event], known: Option<(Facts<'_>, usize)>) -> Option<Facts<'_>> {
        let mut out = std::mem::take(&mut self.buffer);
        out.clear();
        head.write(events.len(), &mut out);
        let mut done = 0;
        if let Some((facts, count)) = known {
            if count == events.len() && facts.0.starts_with(&out) {
                self.buffer = out;
                return None;
            }
            out.extend_from_slice(facts.parts().2.0);
            done = count;
        }
        for (place, event) in events.iter().enumerate().skip(done) {
            let earlier = events.get(..place).unwrap_or_default();
            let before = earlier.last().map_or(ERA, |event| event.event_time.as_millis());
            self.put_event(&mut out, head.id, event, before, |field, text| back_to(earlier, field, text));
        }
        self.buffer = out;
        Some(Facts(&self.buffer))
    }

    /// The facts that were skimmed, with an event that follows them.
    pub fn append(&mut self, skimmed: &Skimmed<'_>, event: &Event) -> Facts<'_> {
        self.join(skimmed.head, skimmed.sums.events + 1, skimmed.events);
        let mut out = std::mem::take(&mut self.buffer);
        let before = skimmed.last.0.as_millis();
        self.put_event(&mut out, skimmed.head.id, event, before, |field, text| skimmed.back_to(field, text));
        self.buffer = out;
        Facts(&self.buffer)
    }

    /// Facts that lie packed, behind another head.
    pub fn join(&mut self, head: Head<'_>, events: usize, rest: Reader<'_>) -> Facts<'_> {
        self.buffer.clear();
        head.write(events, &mut self.buffer);
        self.buffer.extend_from_slice(rest.0);
        Facts(&self.buffer)
    }

    /// `before`: the time of the event before, in milliseconds; `back_to`: how many events back the field said the same.
    fn put_event(
        &mut self,
        out: &mut Vec<u8>,
        order_id: &str,
        event: &Event,
        before: i64,
        back_to: impl Fn(usize, &Str) -> Option<u64>,
    ) {
        let event_id = Own::of(&event.event_id, order_id);
        let has = self.shapes.write(event, matches!(event_id, Own::Uuid(_)), out);
        match event_id {
            Own::Uuid(uuid) => out.extend_from_slice(&uuid),
            event_id => event_id.write(out),
        }
        put_varint(out, event.event_time.as_millis().wrapping_sub(before) as u64);
        put_time(out, event.record_time, event.event_time);
        put_varint(out, event.position.offset as u64);
        let Some(details) = event.details.as_deref() else { return };
        self.put_details(out, details, order_id, event.event_time);
        for (place, (bit, field)) in FIELDS.into_iter().enumerate() {
            if has & bit != 0
                && let Some(text) = field(details)
            {
                match back_to(place, text) {
                    Some(back) => put_varint(out, back << 2 | spelled::BACK),
                    None => Own::of(text, order_id).write(out),
                }
            }
        }
    }

    fn put_details(&mut self, out: &mut Vec<u8>, details: &Details, order_id: &str, event_time: Timestamp) {
        for Money { amount_minor, .. } in [details.total, details.amount, details.fee].into_iter().flatten() {
            put_signed(out, amount_minor);
        }
        for promise in [details.promised_ship_by, details.promised_deliver_by] {
            if let Promise::At(at) = promise {
                put_time(out, at, event_time);
            }
        }
        if let Some(lines) = &details.lines {
            put_varint(out, lines.len() as u64);
            for line in lines {
                put_shared_text(out, &line.sku, order_id, &mut self.skus);
                put_signed(out, line.quantity);
            }
        }
        if !details.attributes.is_empty() {
            put_varint(out, details.attributes.len() as u64);
            for (name, value) in &details.attributes {
                self.put_attribute(out, name, value, order_id);
            }
        }
    }

    fn put_attribute(&mut self, out: &mut Vec<u8>, name: &str, value: &AttributeValue, order_id: &str) {
        let number = self.names.number(name);
        let kind = match value {
            AttributeValue::Null => value::NULL,
            AttributeValue::Bool(false) => value::FALSE,
            AttributeValue::Bool(true) => value::TRUE,
            AttributeValue::Integer(_) => value::INTEGER,
            AttributeValue::Decimal(_) => value::DECIMAL,
            AttributeValue::Text(_) => value::TEXT,
        };
        put_varint(out, number.map_or(0, |number| u64::from(number) + 1) << 3 | kind);
        if number.is_none() {
            put_text(out, name);
        }
        match value {
            AttributeValue::Null | AttributeValue::Bool(_) => {}
            AttributeValue::Integer(number) => put_signed(out, *number),
            AttributeValue::Decimal(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
            AttributeValue::Text(text) => put_shared_text(out, text, order_id, &mut self.values),
        }
    }
}

/// A field with a text that an order's events often repeat.
pub(super) type Field = fn(&Details) -> Option<&Str>;

/// Those fields, in the order in which they are told.
pub(super) const FIELDS: [(u16, Field); 4] = [
    (has::PAYMENT_ID, |d| d.payment_id.as_ref()),
    (has::CAPTURE_ID, |d| d.capture_id.as_ref()),
    (has::FULFILLMENT_ID, |d| d.fulfillment_id.as_ref()),
    (has::REASON, |d| d.reason.as_ref()),
];

/// How many events back the field of this place in [`FIELDS`] said the same, if it said that last, as [`Skimmed::back_to`] finds.
fn back_to(earlier: &[Event], field: usize, text: &Str) -> Option<u64> {
    let (_, field) = FIELDS.get(field)?;
    let mut told = earlier.iter().rev().take(REACH).map(|event| event.details.as_deref().and_then(field)).enumerate();
    let (back, said) = told.find_map(|(back, said)| Some((back, said?)))?;
    (said == text).then_some(back as u64 + 1)
}

fn put_shared_text(out: &mut Vec<u8>, text: &str, order_id: &str, words: &mut Words) {
    match words.number(text) {
        Some(number) => put_varint(out, u64::from(number) + 1),
        None => {
            put_varint(out, 0);
            Own::of(text, order_id).write(out);
        }
    }
}

fn put_time(out: &mut Vec<u8>, time: Timestamp, from: Timestamp) {
    put_signed(out, time.as_millis().wrapping_sub(from.as_millis()));
}
