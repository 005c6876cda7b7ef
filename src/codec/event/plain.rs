//! The events that nearly every record holds, JSON -> [`Event`] in one pass, each field put where it belongs at once.
//!
//! It knows the plain shape alone: no escapes, no fraction or exponent, nothing twice, nothing that a rule refuses. Of all
//! else it says nothing (`None`): [`super::json`] and [`super::rules`] are asked, and word the error where there is one.
//! Where it does make an event, they would make the same; `plain_tests.rs` holds it to them.

use smallvec::SmallVec;

use super::cursor::Cursor;
use super::rules::{self, MAX_ATTRIBUTE_TEXT, MAX_ATTRIBUTES, MAX_ID, MAX_LINES, MAX_REASON};
use super::{StreamCodec, require};
use crate::codec::RawRecord;
use crate::domain::event::Details;
use crate::domain::{AttributeValue, Currency, Event, Line, Money, Position, Promise, Str, Timestamp};

/// The event that a plain value is; `None` where it is not plain, whether it is an event or not.
pub(super) fn read(stream: &StreamCodec, record: &RawRecord<'_>, value: &[u8]) -> Option<Event> {
    let mut plain = Plain { id_field: stream.id.as_deref().unwrap_or("order_id").as_bytes(), ..Plain::default() };
    let mut cursor = Cursor::new(std::str::from_utf8(value).ok()?);
    cursor.object(|cursor, name| plain.field(cursor, name))?;
    cursor.end()?;
    let order_id = plain.id.filter(|id| record.key == Some(id.as_bytes()))?;
    let (event_time, event_time_inferred) = rules::dated(stream, record, plain.event_time).ok()?;
    let event = Event {
        order_id: Str::new(order_id),
        event_id: Str::new(plain.event_id?),
        source: plain.source.map_or_else(|| stream.topic.clone(), Str::new),
        milestone: rules::milestone(plain.kind?).ok()?,
        event_time,
        event_time_inferred,
        record_time: record.timestamp.unwrap_or(event_time),
        position: Position { stream: record.stream, partition: record.partition, offset: record.offset },
        details: plain.details,
    };
    require::all(&stream.require, &event, plain.source.is_some()).ok()?;
    Some(event)
}

/// What was read of an event so far.
#[derive(Default)]
struct Plain<'a> {
    /// The field that holds the id.
    id_field: &'a [u8],
    /// One bit for each field that was there.
    seen: u32,
    id: Option<&'a str>,
    event_id: Option<&'a str>,
    kind: Option<&'a str>,
    source: Option<&'a str>,
    event_time: Option<Timestamp>,
    /// `None` until there is one: an event without any has none.
    details: Option<Box<Details>>,
}

impl<'a> Plain<'a> {
    fn field(&mut self, value: &mut Cursor<'a>, name: &'a [u8]) -> Option<()> {
        match name {
            b"event_id" => self.event_id = self.first(0, value)?.text(MAX_ID)?,
            b"order_id" => drop(self.id_too(1, value, name)?),
            b"type" => self.kind = self.first(2, value)?.text(MAX_ID)?,
            b"event_time" => self.event_time = time(self.first(3, value)?)?,
            b"source" => self.source = self.first(4, value)?.text(MAX_ID)?,
            b"total" => keep(money(self.first(5, value)?)?, &mut self.details, |found| &mut found.total),
            b"lines" => keep(lines(self.first(6, value)?)?, &mut self.details, |found| &mut found.lines),
            b"promised_ship_by" => self.details().promised_ship_by = promise(self.first(7, value)?)?,
            b"promised_deliver_by" => self.details().promised_deliver_by = promise(self.first(8, value)?)?,
            b"attributes" => {
                let attributes = attributes(self.first(9, value)?)?;
                if !attributes.is_empty() {
                    self.details().attributes = attributes;
                }
            }
            b"payment_id" => keep(self.id_too(10, value, name)?, &mut self.details, |found| &mut found.payment_id),
            b"capture_id" => keep(self.id_too(11, value, name)?, &mut self.details, |found| &mut found.capture_id),
            b"amount" => keep(money(self.first(12, value)?)?, &mut self.details, |found| &mut found.amount),
            b"fee" => keep(money(self.first(13, value)?)?, &mut self.details, |found| &mut found.fee),
            b"fulfillment_id" => {
                keep(self.id_too(14, value, name)?, &mut self.details, |found| &mut found.fulfillment_id)
            }
            b"reason" => {
                let reason = self.first(15, value)?.text(MAX_REASON)?;
                keep(reason.map(Str::new), &mut self.details, |found| &mut found.reason);
            }
            _ if name == self.id_field => self.id = self.first(16, value)?.text(MAX_ID)?,
            _ => value.skip()?,
        }
        Some(())
    }

    /// Gives the value of a field that was not there before.
    fn first<'v>(&mut self, field: u32, value: &'v mut Cursor<'a>) -> Option<&'v mut Cursor<'a>> {
        let bit = 1 << field;
        let is_first = self.seen & bit == 0;
        self.seen |= bit;
        is_first.then_some(value)
    }

    /// A field that says something of its own and may be the id too.
    fn id_too(&mut self, field: u32, value: &mut Cursor<'a>, name: &[u8]) -> Option<Option<Str>> {
        let text = self.first(field, value)?.text(MAX_ID)?;
        if name == self.id_field {
            self.id = text;
        }
        Some(text.map(Str::new))
    }

    fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_with(Box::default)
    }
}

fn keep<T>(found: Option<T>, details: &mut Option<Box<Details>>, slot: impl FnOnce(&mut Details) -> &mut Option<T>) {
    if found.is_some() {
        *slot(details.get_or_insert_with(Box::default)) = found;
    }
}

/// Fills what may be there once.
fn once<T>(slot: &mut Option<T>, found: T) -> Option<()> {
    slot.replace(found).is_none().then_some(())
}

/// `Some(None)` where it is null.
fn time(value: &mut Cursor<'_>) -> Option<Option<Timestamp>> {
    let time = match value.peek()? {
        b'"' => Timestamp::parse_rfc3339(value.string()?).ok()?,
        b'n' => return value.null().map(|()| None),
        _ => Timestamp::from_millis(value.integer()?),
    };
    time.is_writable().then_some(Some(time))
}

fn promise(value: &mut Cursor<'_>) -> Option<Promise> {
    Some(time(value)?.map_or(Promise::Withdrawn, Promise::At))
}

fn money(value: &mut Cursor<'_>) -> Option<Option<Money>> {
    if value.peek()? == b'n' {
        return value.null().map(|()| None);
    }
    let (mut amount_minor, mut currency) = (None, None);
    value.object(|value, name| match name {
        b"amount_minor" => once(&mut amount_minor, value.count()?),
        b"currency" => once(&mut currency, Currency::parse(value.string()?)?),
        _ => value.skip(),
    })?;
    Some(Some(Money { amount_minor: amount_minor?, currency: currency? }))
}

fn lines(value: &mut Cursor<'_>) -> Option<Option<Vec<Line>>> {
    if value.peek()? == b'n' {
        return value.null().map(|()| None);
    }
    // Most have one, and what is kept for months takes no more than it needs.
    let mut lines = Vec::with_capacity(1);
    value.array(|value| {
        lines.push(line(value)?);
        (lines.len() <= MAX_LINES).then_some(())
    })?;
    rules::summed(lines).ok()
}

fn line(value: &mut Cursor<'_>) -> Option<Line> {
    let (mut sku, mut quantity) = (None, None);
    value.object(|value, name| match name {
        b"sku" => once(&mut sku, value.text(MAX_ID)??),
        b"quantity" => once(&mut quantity, value.count()?),
        _ => value.skip(),
    })?;
    Some(Line { sku: Str::new(sku?), quantity: quantity? })
}

fn attributes(value: &mut Cursor<'_>) -> Option<Vec<(Str, AttributeValue)>> {
    if value.peek()? == b'n' {
        return value.null().map(|()| Vec::new());
    }
    let mut attributes: SmallVec<[(Str, AttributeValue); 8]> = SmallVec::new();
    value.object(|value, name| {
        attributes.push((Str::new(std::str::from_utf8(name).ok()?), attribute(value)?));
        (name.len() <= MAX_ID && attributes.len() <= MAX_ATTRIBUTES).then_some(())
    })?;
    rules::sorted(attributes.into_vec()).ok()
}

fn attribute(value: &mut Cursor<'_>) -> Option<AttributeValue> {
    Some(match value.peek()? {
        b'"' => AttributeValue::Text(Str::new(value.string().filter(|text| text.len() <= MAX_ATTRIBUTE_TEXT)?)),
        b'n' => value.null().map(|()| AttributeValue::Null)?,
        b't' | b'f' => AttributeValue::Bool(value.boolean()?),
        _ => AttributeValue::Integer(value.integer()?),
    })
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
