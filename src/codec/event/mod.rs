//! Events in: a record's bytes -> [`Event`], or why not.
//!
//! [`json`] and [`protobuf`] say what a value holds ([`told`]); [`rules`] says whether that is an event. So a rule is
//! written once and holds for both. [`plain`] reads the JSON that nearly every record holds without that detour.

pub(crate) mod cursor;
mod json;
mod plain;
mod protobuf;
mod require;
mod rules;
mod stock;
mod told;

#[cfg(test)]
pub(super) mod garbage_tests;
#[cfg(test)]
mod tests;

use super::malformed::{Malformed, MalformedCode};
use super::{Format, RawRecord};
use crate::domain::{Event, Millis, Str};

pub use require::Requirement;
pub use stock::decode_stock;

/// How one stream's records are read.
#[derive(Clone, Debug)]
pub struct StreamCodec {
    /// The topic, which is also the source of events that name none.
    pub topic: Str,
    /// How its values are written.
    pub format: Format,
    /// The field that holds the id; `None` for orders' own `order_id`. A Protobuf event has any other in its `id`.
    pub id: Option<Str>,
    /// Fields without which an event of this stream is a dead letter.
    pub require: Vec<Requirement>,
    /// Key and value together may be as long as this, in bytes.
    pub max_record_bytes: usize,
    /// How far event_time may lie after the record's time.
    pub max_future_skew: Millis,
    /// How far event_time may lie before the record's time.
    pub max_past_skew: Millis,
}

/// Reads one event. A record without a value is the caller's to count and skip; here it is an empty value.
///
/// # Errors
/// The record is no event of this stream: it belongs on the dead-letter topic.
pub fn decode(stream: &StreamCodec, record: &RawRecord<'_>) -> Result<Event, Malformed> {
    let value = value_of(stream, record)?;
    if let Some(event) = (stream.format == Format::Json).then(|| plain::read(stream, record, value)).flatten() {
        return Ok(event);
    }
    in_full(stream, record, value)
}

/// Whatever a value says, field by field, and then the rules.
fn in_full(stream: &StreamCodec, record: &RawRecord<'_>, value: &[u8]) -> Result<Event, Malformed> {
    let told = match stream.format {
        Format::Json => json::read(value, stream.id.as_deref())?,
        Format::Protobuf => protobuf::read(value)?,
    };
    rules::event(stream, record, told)
}

/// The record's value, unless it is too large to be looked at.
fn value_of<'a>(stream: &StreamCodec, record: &RawRecord<'a>) -> Result<&'a [u8], Malformed> {
    let value = record.value.unwrap_or_default();
    let size = value.len().saturating_add(record.key.map_or(0, <[u8]>::len));
    if size > stream.max_record_bytes {
        let detail = format!("key and value are {size} bytes long; expected at most {}", stream.max_record_bytes);
        return Err(Malformed::new(MalformedCode::TooLarge, detail));
    }
    Ok(value)
}
