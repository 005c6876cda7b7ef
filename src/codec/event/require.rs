//! `require:` of a stream: fields without which an event of that stream is a dead letter.

use crate::codec::malformed::{Malformed, MalformedCode};
use crate::domain::event::Details;
use crate::domain::{Event, Promise, Str};

/// One field that a stream requires.
#[derive(Clone, Debug)]
pub struct Requirement {
    name: Str,
    is_met: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// This attribute must be there and not null.
    Attribute(Str),
    /// The field's own test: the event, and whether it named a source.
    Field(fn(&Event, bool) -> bool),
}

/// A field's name and whether an event has it.
type Field = (&'static str, fn(&Event, bool) -> bool);

/// The fields that an event may lack and a stream may require.
const FIELDS: &[Field] = &[
    ("event_time", |event, _| !event.event_time_inferred),
    ("source", |_, has_source| has_source),
    ("total", |event, _| has(event, |d| d.total.is_some())),
    ("lines", |event, _| has(event, |d| d.lines.is_some())),
    ("promised_ship_by", |event, _| has(event, |d| matches!(d.promised_ship_by, Promise::At(_)))),
    ("promised_deliver_by", |event, _| has(event, |d| matches!(d.promised_deliver_by, Promise::At(_)))),
    ("payment_id", |event, _| has(event, |d| d.payment_id.is_some())),
    ("capture_id", |event, _| has(event, |d| d.capture_id.is_some())),
    ("amount", |event, _| has(event, |d| d.amount.is_some())),
    ("fee", |event, _| has(event, |d| d.fee.is_some())),
    ("fulfillment_id", |event, _| has(event, |d| d.fulfillment_id.is_some())),
    ("reason", |event, _| has(event, |d| d.reason.is_some())),
];

fn has(event: &Event, test: impl FnOnce(&Details) -> bool) -> bool {
    event.details.as_deref().is_some_and(test)
}

impl Requirement {
    /// Reads `attributes.NAME` or an optional field's name; `None` for any other name, and for what every event has.
    pub fn parse(name: &str) -> Option<Self> {
        let is_met = match name.strip_prefix("attributes.") {
            Some("") => return None,
            Some(attribute) => Test::Attribute(Str::new(attribute)),
            None => Test::Field(FIELDS.iter().find(|(field, _)| *field == name)?.1),
        };
        Some(Requirement { name: Str::new(name), is_met })
    }

    /// The name that it was read from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names that [`Requirement::parse`] takes beside `attributes.NAME`, for an error's text.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(name, _)| *name)
    }

    fn is_met(&self, event: &Event, has_source: bool) -> bool {
        match &self.is_met {
            Test::Attribute(name) => {
                has(event, |d| d.attributes.iter().any(|(n, value)| n == name && !value.is_null()))
            }
            Test::Field(test) => test(event, has_source),
        }
    }
}

/// Refuses an event that lacks one of `requirements`.
pub(super) fn all(requirements: &[Requirement], event: &Event, has_source: bool) -> Result<(), Malformed> {
    match requirements.iter().find(|r| !r.is_met(event, has_source)) {
        None => Ok(()),
        Some(lacking) => {
            let detail = format!("{} is missing, null or empty; this stream requires it", lacking.name);
            Err(Malformed::new(MalformedCode::MissingField, detail))
        }
    }
}
