//! Events to bytes.

use crate::domain::event::Details;
use crate::domain::{AttributeValue, Event, Money, Promise, Str, Timestamp};

use super::bytes::{Reader, put_signed, put_text, put_varint};
use super::shape::has;
use super::words::Words;
use super::{Codebook, ERA, Facts, Head, spelled, value};

/// How many events back a text is looked for.
const REACH: usize = 8;

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
        for place in done..events.len() {
            self.put_event(&mut out, head.id, events, place);
        }
        self.buffer = out;
        Some(Facts(&self.buffer))
    }

    /// Facts that lie packed, behind another head.
    pub fn join(&mut self, head: Head<'_>, events: usize, rest: Reader<'_>) -> Facts<'_> {
        self.buffer.clear();
        head.write(events, &mut self.buffer);
        self.buffer.extend_from_slice(rest.0);
        Facts(&self.buffer)
    }

    fn put_event(&mut self, out: &mut Vec<u8>, order_id: &str, events: &[Event], place: usize) {
        let Some(event) = events.get(place) else { return };
        let before = place.checked_sub(1).and_then(|i| events.get(i)).map_or(ERA, |e| e.event_time.as_millis());
        let uuid = uuid_bytes(&event.event_id);
        let has = self.shapes.write(event, uuid.is_some(), out);
        match uuid {
            Some(uuid) => out.extend_from_slice(&uuid),
            None => put_own_text(out, &event.event_id, order_id),
        }
        put_varint(out, event.event_time.as_millis().wrapping_sub(before) as u64);
        put_time(out, event.record_time, event.event_time);
        put_varint(out, event.position.offset as u64);
        if let Some(details) = event.details.as_deref() {
            self.put_details(out, details, order_id, event.event_time);
            let earlier = events.get(..place).unwrap_or_default();
            for (bit, field) in FIELDS {
                if has & bit != 0
                    && let Some(text) = field(details)
                {
                    put_field(out, text, order_id, earlier, field);
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

fn put_field(out: &mut Vec<u8>, text: &Str, order_id: &str, earlier: &[Event], field: Field) {
    let said = |event: &Event| event.details.as_deref().and_then(field) == Some(text);
    match earlier.iter().rev().take(REACH).position(said) {
        Some(back) => put_varint(out, (back as u64 + 1) << 2 | spelled::BACK),
        None => put_own_text(out, text, order_id),
    }
}

fn put_shared_text(out: &mut Vec<u8>, text: &str, order_id: &str, words: &mut Words) {
    match words.number(text) {
        Some(number) => put_varint(out, u64::from(number) + 1),
        None => {
            put_varint(out, 0);
            put_own_text(out, text, order_id);
        }
    }
}

fn put_own_text(out: &mut Vec<u8>, text: &str, order_id: &str) {
    if let Some(uuid) = uuid_bytes(text) {
        put_varint(out, spelled::UUID);
        return out.extend_from_slice(&uuid);
    }
    let rest = text.strip_prefix(order_id).filter(|_| !order_id.is_empty());
    let (how, rest) = rest.map_or((spelled::OUT, text), |rest| (spelled::AFTER_ID, rest));
    put_varint(out, (rest.len() as u64) << 2 | how);
    out.extend_from_slice(rest.as_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Timestamp, from: Timestamp) {
    put_signed(out, time.as_millis().wrapping_sub(from.as_millis()));
}

/// The bytes of a UUID as it is commonly written: any other spelling could not be told from it afterwards.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = text.iter().enumerate();
    for byte in &mut bytes {
        for _ in 0..2 {
            let (mut at, mut digit) = digits.next()?;
            if matches!(at, 8 | 13 | 18 | 23) {
                if *digit != b'-' {
                    return None;
                }
                (at, digit) = digits.next()?;
            }
            debug_assert!(at < 36);
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | nibble;
        }
    }
    Some(bytes)
}
