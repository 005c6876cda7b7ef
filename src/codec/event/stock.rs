//! What an inventory stream's value must say (CONTRACT "Stock"): JSON -> [`StockEvent`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::StreamCodec;
use super::json::{self, Skipped, set};
use super::rules::{self, MAX_ID};
use super::told::Scalar;
use crate::codec::RawRecord;
use crate::codec::malformed::{Malformed, MalformedCode, Quoted};
use crate::domain::{Position, StockChange, StockEvent};

/// Reads one stock event. A record without a value is the caller's to count and skip; here it is an empty value.
///
/// # Errors
/// The record is no stock event: it belongs on the dead-letter topic.
pub fn decode_stock(stream: &StreamCodec, record: &RawRecord<'_>) -> Result<StockEvent, Malformed> {
    let value = super::value_of(stream, record)?;
    let told = json::read_as(value, PhantomData::<Told<'_>>)?;
    let event_id = rules::required("event_id", rules::text("event_id", told.event_id, MAX_ID)?)?;
    let sku = rules::required("sku", rules::text("sku", told.sku, MAX_ID)?)?;
    let kind = rules::required("type", rules::text("type", told.kind, MAX_ID)?)?;
    if record.key != Some(sku.as_bytes()) {
        let key = record.key.map(|key| Quoted(&String::from_utf8_lossy(key)).to_string());
        let there = key.unwrap_or_else(|| "missing".to_owned());
        let detail = format!("the record's key is {there}; expected the sku, {}", Quoted(&sku));
        return Err(Malformed::new(MalformedCode::KeyMismatch, detail));
    }
    let change = match kind.as_str() {
        "stock.level" => StockChange::Level(pieces("available", told.available)?),
        "stock.moved" => StockChange::Moved(pieces("quantity", told.quantity)?),
        _ => {
            let detail = format!("type is {}; expected stock.level or stock.moved", Quoted(&kind));
            return Err(Malformed::new(MalformedCode::WrongType, detail));
        }
    };
    let (event_time, _) = rules::event_time(stream, record, told.event_time)?;
    Ok(StockEvent {
        sku,
        event_id,
        source: rules::text("source", told.source, MAX_ID)?.unwrap_or_else(|| stream.topic.clone()),
        location: rules::text("location", told.location, MAX_ID)?.unwrap_or_default(),
        change,
        event_time,
        position: Position { stream: record.stream, partition: record.partition, offset: record.offset },
    })
}

/// A stock may be negative, where a shop sells ahead of it.
fn pieces(field: &str, told: Option<Scalar<'_>>) -> Result<i64, Malformed> {
    let pieces = rules::integer(field, told, "a whole number of pieces")?;
    if pieces.unsigned_abs() > StockEvent::PIECES_MAX.unsigned_abs() {
        let detail = format!("{field} is {pieces}; expected at most {} either way", StockEvent::PIECES_MAX);
        return Err(Malformed::new(MalformedCode::Overflow, detail));
    }
    Ok(pieces)
}

/// A value's fields. `None` where the field is absent.
#[derive(Default)]
struct Told<'a> {
    event_id: Option<Scalar<'a>>,
    sku: Option<Scalar<'a>>,
    kind: Option<Scalar<'a>>,
    event_time: Option<Scalar<'a>>,
    source: Option<Scalar<'a>>,
    location: Option<Scalar<'a>>,
    available: Option<Scalar<'a>>,
    quantity: Option<Scalar<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    EventId,
    Sku,
    Type,
    EventTime,
    Source,
    Location,
    Available,
    Quantity,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Told<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ToldVisitor)
    }
}

struct ToldVisitor;

impl<'de> Visitor<'de> for ToldVisitor {
    type Value = Told<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told<'de>, A::Error> {
        let mut told = Told::default();
        while let Some(field) = map.next_key()? {
            let (slot, name) = match field {
                Field::EventId => (&mut told.event_id, "event_id"),
                Field::Sku => (&mut told.sku, "sku"),
                Field::Type => (&mut told.kind, "type"),
                Field::EventTime => (&mut told.event_time, "event_time"),
                Field::Source => (&mut told.source, "source"),
                Field::Location => (&mut told.location, "location"),
                Field::Available => (&mut told.available, "available"),
                Field::Quantity => (&mut told.quantity, "quantity"),
                Field::Unknown => {
                    map.next_value::<Skipped>()?;
                    continue;
                }
            };
            set(slot, name, map.next_value()?)?;
        }
        Ok(told)
    }
}

#[cfg(test)]
#[path = "stock_tests.rs"]
mod tests;
