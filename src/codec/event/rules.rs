//! What a value must say to be an event (CONTRACT "Input event"): [`Told`] -> [`Event`], the same for every format.

use std::fmt::Display;

use super::told::{AtMost, Scalar, Shaped, Told, ToldAttributes, ToldLine, ToldMoney};
use super::{StreamCodec, require};
use crate::codec::RawRecord;
use crate::codec::malformed::{Malformed, MalformedCode, Quoted};
use crate::domain::event::Details;
use crate::domain::{AttributeValue, Currency, Event, Line, Milestone, Money, Position, Promise, Str, Timestamp};

/// Longest id, source, type, sku or attribute name, in bytes.
pub(super) const MAX_ID: usize = 256;
/// Longest text of an attribute, in bytes.
pub(super) const MAX_ATTRIBUTE_TEXT: usize = 1024;
/// Longest reason, in bytes.
pub(super) const MAX_REASON: usize = 4096;
/// Most lines of one event.
pub(super) const MAX_LINES: usize = 1000;
/// Most attributes of one event.
pub(super) const MAX_ATTRIBUTES: usize = 64;

pub(super) fn event(stream: &StreamCodec, record: &RawRecord<'_>, told: Told<'_>) -> Result<Event, Malformed> {
    let event_id = required("event_id", text("event_id", told.event_id, MAX_ID)?)?;
    let (id_field, id) = match &stream.id {
        None => ("order_id", told.order_id),
        Some(field) => (field.as_str(), told.id),
    };
    let order_id = required(id_field, text(id_field, id, MAX_ID)?)?;
    let kind = required("type", text("type", told.kind, MAX_ID)?)?;
    key_is(record.key, id_field, &order_id)?;
    let milestone = milestone(&kind)?;
    let source = text("source", told.source, MAX_ID)?;
    let (event_time, event_time_inferred) = event_time(stream, record, told.event_time)?;
    let details = Details {
        total: money("total", told.total)?,
        lines: lines(told.lines)?,
        promised_ship_by: promise("promised_ship_by", told.promised_ship_by)?,
        promised_deliver_by: promise("promised_deliver_by", told.promised_deliver_by)?,
        attributes: attributes(told.attributes)?,
        payment_id: text("payment_id", told.payment_id, MAX_ID)?,
        capture_id: text("capture_id", told.capture_id, MAX_ID)?,
        amount: money("amount", told.amount)?,
        fee: money("fee", told.fee)?,
        fulfillment_id: text("fulfillment_id", told.fulfillment_id, MAX_ID)?,
        reason: text("reason", told.reason, MAX_REASON)?,
    };
    let has_source = source.is_some();
    let event = Event {
        order_id,
        event_id,
        source: source.unwrap_or_else(|| stream.topic.clone()),
        milestone,
        event_time,
        event_time_inferred,
        record_time: record.timestamp.unwrap_or(event_time),
        position: Position { stream: record.stream, partition: record.partition, offset: record.offset },
        details: (details != Details::default()).then(|| Box::new(details)),
    };
    require::all(&stream.require, &event, has_source)?;
    Ok(event)
}

fn wrong_type(field: impl Display, found: &Scalar<'_>, expected: &str) -> Malformed {
    Malformed::new(MalformedCode::WrongType, format!("{field} is {found}; expected {expected}"))
}

fn missing(field: impl Display, expected: &str) -> Malformed {
    Malformed::new(MalformedCode::MissingField, format!("{field} is missing, null or empty; expected {expected}"))
}

pub(super) fn required(field: &str, text: Option<Str>) -> Result<Str, Malformed> {
    text.ok_or_else(|| missing(field, "a string"))
}

/// Null and the empty string are the same as none: Protobuf cannot tell them apart.
pub(super) fn text(field: impl Display, told: Option<Scalar<'_>>, max: usize) -> Result<Option<Str>, Malformed> {
    match told {
        None | Some(Scalar::Null) => Ok(None),
        Some(Scalar::Text(text)) if text.is_empty() => Ok(None),
        Some(Scalar::Text(text)) if text.len() <= max => Ok(Some(Str::new(text))),
        Some(Scalar::Text(text)) => Err(too_long(field, &text, max)),
        Some(found) => Err(wrong_type(field, &found, "a string")),
    }
}

fn too_long(field: impl Display, text: &str, max: usize) -> Malformed {
    let detail = format!("{field} is {} bytes long: {}; expected at most {max}", text.len(), Quoted(text));
    Malformed::new(MalformedCode::TooLong, detail)
}

fn key_is(key: Option<&[u8]>, id_field: &str, id: &str) -> Result<(), Malformed> {
    if key == Some(id.as_bytes()) {
        return Ok(());
    }
    let there = key.map_or_else(|| "missing".to_owned(), |key| Quoted(&String::from_utf8_lossy(key)).to_string());
    let detail = format!("the record's key is {there}; expected the {id_field}, {}", Quoted(id));
    Err(Malformed::new(MalformedCode::KeyMismatch, detail))
}

pub(super) fn milestone(kind: &str) -> Result<Milestone, Malformed> {
    let milestone = Milestone::parse(kind);
    if milestone.is_derived() {
        let detail = format!("type is {kind}, which is computed from other events and can be on none itself");
        return Err(Malformed::new(MalformedCode::ReservedType, detail));
    }
    Ok(milestone)
}

/// The event's time, and whether the record's stands in for it.
pub(super) fn event_time(
    stream: &StreamCodec,
    record: &RawRecord<'_>,
    told: Option<Scalar<'_>>,
) -> Result<(Timestamp, bool), Malformed> {
    dated(stream, record, time("event_time", told)?)
}

/// The same of a time that can be written.
pub(super) fn dated(
    stream: &StreamCodec,
    record: &RawRecord<'_>,
    told: Option<Timestamp>,
) -> Result<(Timestamp, bool), Malformed> {
    let Some(event_time) = told else {
        let Some(record_time) = record.timestamp else {
            let detail = "event_time is missing, and the record has no timestamp that could stand in";
            return Err(Malformed::new(MalformedCode::BadTime, detail));
        };
        return instant("the record's timestamp", record_time).map(|t| (t, true));
    };
    // Without a record time there is nothing to hold the event's against.
    let Some(record_time) = record.timestamp else { return Ok((event_time, false)) };
    let (code, side, skew) = if event_time - record_time > stream.max_future_skew {
        (MalformedCode::TooFarInFuture, "after", stream.max_future_skew)
    } else if record_time - event_time > stream.max_past_skew {
        (MalformedCode::TooFarInPast, "before", stream.max_past_skew)
    } else {
        return Ok((event_time, false));
    };
    let skew = skew.get();
    let detail = format!("event_time {event_time} lies more than {skew} ms {side} the record's time, {record_time}");
    Err(Malformed::new(code, detail))
}

fn time(field: &str, told: Option<Scalar<'_>>) -> Result<Option<Timestamp>, Malformed> {
    const EXPECTED: &str = "RFC 3339 with an offset, or epoch milliseconds as an integer";
    match told {
        None | Some(Scalar::Null) => Ok(None),
        Some(Scalar::Integer(ms)) => instant(field, Timestamp::from_millis(ms)).map(Some),
        Some(Scalar::Text(text)) => {
            let parsed = Timestamp::parse_rfc3339(&text).map_err(|e| {
                let detail = format!("{field} is {} ({e}); expected {EXPECTED}", Quoted(&text));
                Malformed::new(MalformedCode::BadTime, detail)
            })?;
            instant(field, parsed).map(Some)
        }
        Some(found) => Err(wrong_type(field, &found, EXPECTED)),
    }
}

/// Refuses what no output could write.
fn instant(field: &str, time: Timestamp) -> Result<Timestamp, Malformed> {
    if time.is_writable() {
        return Ok(time);
    }
    let detail = format!("{field} is {} epoch milliseconds, outside the years 0 to 9999", time.as_millis());
    Err(Malformed::new(MalformedCode::BadTime, detail))
}

fn promise(field: &str, told: Option<Scalar<'_>>) -> Result<Promise, Malformed> {
    Ok(match told {
        None => Promise::Unchanged,
        Some(told) => time(field, Some(told))?.map_or(Promise::Withdrawn, Promise::At),
    })
}

pub(super) fn integer(field: impl Display, told: Option<Scalar<'_>>, expected: &str) -> Result<i64, Malformed> {
    match told {
        Some(Scalar::Integer(i)) => Ok(i),
        None | Some(Scalar::Null) => Err(missing(field, expected)),
        Some(found) => Err(wrong_type(field, &found, expected)),
    }
}

/// An amount below zero is refused: a refund or a chargeback is a type, not a sign. Only a fee may be given back.
fn money(field: &str, told: Option<Shaped<ToldMoney<'_>>>) -> Result<Option<Money>, Malformed> {
    let ToldMoney { amount_minor, currency } = match told {
        None | Some(Shaped::Null) => return Ok(None),
        Some(Shaped::As(money)) => money,
        Some(Shaped::Other(found)) => {
            return Err(wrong_type(field, &found, "an object with amount_minor and currency"));
        }
    };
    let amount_minor =
        integer(format_args!("{field}.amount_minor"), amount_minor, "a whole number of minor units, within 64 bits")?;
    if amount_minor < 0 && field != "fee" {
        let detail = format!("{field}.amount_minor is {amount_minor}; expected 0 or more");
        return Err(Malformed::new(MalformedCode::Negative, detail));
    }
    let code = text(format_args!("{field}.currency"), currency, MAX_ID)?
        .ok_or_else(|| missing(format_args!("{field}.currency"), "an ISO 4217 code"))?;
    let currency = Currency::parse(&code).ok_or_else(|| {
        let detail = format!("{field}.currency is {}; expected three upper-case letters", Quoted(&code));
        Malformed::new(MalformedCode::BadCurrency, detail)
    })?;
    Ok(Some(Money { amount_minor, currency }))
}

fn too_many(field: &str, count: usize, max: usize) -> Malformed {
    Malformed::new(MalformedCode::TooMany, format!("{field} has {count} entries; expected at most {max}"))
}

fn lines(told: Option<Shaped<AtMost<ToldLine<'_>>>>) -> Result<Option<Vec<Line>>, Malformed> {
    let told = match told {
        None | Some(Shaped::Null) => return Ok(None),
        Some(Shaped::As(lines)) => lines,
        Some(Shaped::Other(found)) => return Err(wrong_type("lines", &found, "an array of objects")),
    };
    if told.count > MAX_LINES {
        return Err(too_many("lines", told.count, MAX_LINES));
    }
    summed(told.items.into_iter().enumerate().map(|(i, l)| line(i, l)).collect::<Result<_, _>>()?)
}

/// Sorted by sku, lines of one sku summed: so two tellings of one parcel are equal whatever their order. An empty list
/// is the same as none.
pub(super) fn summed(mut lines: Vec<Line>) -> Result<Option<Vec<Line>>, Malformed> {
    if lines.is_sorted_by(|a, b| a.sku < b.sku) {
        lines.shrink_to_fit();
        return Ok((!lines.is_empty()).then_some(lines));
    }
    lines.sort_by(|a, b| a.sku.cmp(&b.sku));
    let mut summed: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match summed.last_mut().filter(|last| last.sku == line.sku) {
            Some(last) => last.quantity = last.quantity.checked_add(line.quantity).ok_or_else(|| overflow(&line))?,
            None => summed.push(line),
        }
    }
    Ok(Some(summed))
}

fn overflow(line: &Line) -> Malformed {
    let detail = format!("the quantities of sku {} sum to more than 64 bits hold", Quoted(&line.sku));
    Malformed::new(MalformedCode::Overflow, detail)
}

fn line(index: usize, told: ToldLine<'_>) -> Result<Line, Malformed> {
    if let Some(found) = told.not_an_object {
        return Err(wrong_type(format_args!("lines[{index}]"), &found, "an object with sku and quantity"));
    }
    let sku = text(format_args!("lines[{index}].sku"), told.sku, MAX_ID)?
        .ok_or_else(|| missing(format_args!("lines[{index}].sku"), "a string"))?;
    let quantity = integer(format_args!("lines[{index}].quantity"), told.quantity, "a whole number, within 64 bits")?;
    if quantity < 0 {
        let detail = format!("lines[{index}].quantity is {quantity}; expected 0 or more");
        return Err(Malformed::new(MalformedCode::Negative, detail));
    }
    Ok(Line { sku, quantity })
}

fn attributes(told: Option<Shaped<ToldAttributes<'_>>>) -> Result<Vec<(Str, AttributeValue)>, Malformed> {
    let told = match told {
        None | Some(Shaped::Null) => return Ok(Vec::new()),
        Some(Shaped::As(attributes)) => attributes,
        Some(Shaped::Other(found)) => return Err(wrong_type("attributes", &found, "an object of scalars")),
    };
    if told.count > MAX_ATTRIBUTES {
        return Err(too_many("attributes", told.count, MAX_ATTRIBUTES));
    }
    let mut attributes = Vec::with_capacity(told.items.len());
    for (name, value) in told.items {
        if name.len() > MAX_ID {
            return Err(too_long("an attribute's name", &name, MAX_ID));
        }
        let value = attribute(&name, value)?;
        attributes.push((Str::new(name), value));
    }
    sorted(attributes)
}

/// Sorted by name, each name once.
pub(super) fn sorted(mut attributes: Vec<(Str, AttributeValue)>) -> Result<Vec<(Str, AttributeValue)>, Malformed> {
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut neighbours = attributes.iter().zip(attributes.iter().skip(1));
    if let Some(((name, _), _)) = neighbours.find(|((a, _), (b, _))| a == b) {
        let detail = format!("attributes holds {} twice", Quoted(name));
        return Err(Malformed::new(MalformedCode::DuplicateField, detail));
    }
    Ok(attributes)
}

fn attribute(name: &str, value: Scalar<'_>) -> Result<AttributeValue, Malformed> {
    Ok(match value {
        Scalar::Null => AttributeValue::Null,
        Scalar::Bool(b) => AttributeValue::Bool(b),
        Scalar::Integer(i) => AttributeValue::Integer(i),
        Scalar::Decimal(d) if d.is_finite() => AttributeValue::Decimal(d),
        Scalar::Text(text) if text.len() <= MAX_ATTRIBUTE_TEXT => AttributeValue::Text(Str::new(text)),
        Scalar::Text(text) => {
            return Err(too_long(format_args!("attributes.{}", Quoted(name)), &text, MAX_ATTRIBUTE_TEXT));
        }
        found @ (Scalar::Decimal(_) | Scalar::Array | Scalar::Object) => {
            return Err(wrong_type(format_args!("attributes.{}", Quoted(name)), &found, "a scalar"));
        }
    })
}
