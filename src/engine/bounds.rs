//! How much is kept of one order: far above anything real, so that one broken producer cannot slow a shard, or fill it.

use crate::domain::{AttributeValue, Event, Str};

use super::shard::Rejected;

/// The most events kept of one order.
pub const MAX_EVENTS: usize = 1000;
/// The most lines kept of one order, over all its events.
pub const MAX_LINES: usize = 10_000;
/// The most attributes kept of one order, over all its events.
pub const MAX_ATTRIBUTES: usize = 1_000;
/// The most bytes of attribute names and values kept of one order: an exception carries them, and must fit into a record
/// even where every byte is escaped.
pub const MAX_ATTRIBUTE_BYTES: usize = 128 << 10;

/// What is bounded of an order, added up over its first events in whatever order. Figures are added without regard to sign, so that
/// no order of arrival leaves the bounds on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub events: usize,
    pub lines: usize,
    pub attributes: usize,
    pub attribute_bytes: usize,
    pub amounts: u64,
    pub pieces: u64,
}

impl Sums {
    /// With one event more, if an order may have it.
    ///
    /// # Errors
    /// It would have too much.
    pub fn with(self, event: &Event) -> Result<Self, Rejected> {
        if self.events >= MAX_EVENTS {
            return Err(Rejected::TooManyEvents { limit: MAX_EVENTS });
        }
        let sums = self.and(event);
        let Some(details) = &event.details else { return Ok(sums) };
        if details.lines.is_some() && sums.lines > MAX_LINES {
            return Err(Rejected::TooManyLines { limit: MAX_LINES });
        }
        let too_many = sums.attributes > MAX_ATTRIBUTES || sums.attribute_bytes > MAX_ATTRIBUTE_BYTES;
        if !details.attributes.is_empty() && too_many {
            return Err(Rejected::TooManyAttributes { limit: MAX_ATTRIBUTES, bytes: MAX_ATTRIBUTE_BYTES });
        }
        if details.amount.is_some() && sums.amounts > i64::MAX.unsigned_abs() {
            return Err(Rejected::Overflow { what: "amounts" });
        }
        if details.lines.is_some() && sums.pieces > i64::MAX.unsigned_abs() {
            return Err(Rejected::Overflow { what: "quantities" });
        }
        Ok(sums)
    }

    /// With one event more, whatever it comes to.
    pub fn and(self, event: &Event) -> Self {
        let events = self.events + 1;
        let Some(details) = event.details.as_deref() else { return Sums { events, ..self } };
        let lines = details.lines.as_deref().unwrap_or(&[]);
        Sums {
            events,
            lines: self.lines + lines.len(),
            attributes: self.attributes + details.attributes.len(),
            attribute_bytes: self.attribute_bytes + details.attributes.iter().map(attribute_bytes).sum::<usize>(),
            amounts: self.amounts.saturating_add(details.amount.map_or(0, |m| m.amount_minor.unsigned_abs())),
            pieces: lines.iter().fold(self.pieces, |sum, l| sum.saturating_add(l.quantity.unsigned_abs())),
        }
    }
}

fn attribute_bytes((name, value): &(Str, AttributeValue)) -> usize {
    let value = match value {
        AttributeValue::Text(text) => text.len(),
        _ => size_of::<AttributeValue>(),
    };
    name.len() + value
}
