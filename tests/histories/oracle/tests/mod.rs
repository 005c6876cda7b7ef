//! Stories with figures computed by hand.

mod calendars;
mod facts;
mod pauses;
mod promises;
mod standing;

use std::sync::Arc;

use super::minutes::{Calendar, Hours, OpenMinutes, day};
use super::*;

const PLACED: &str = "order.placed";
const CAPTURED: &str = "payment.captured";
const CANCELLED: &str = "order.cancelled";
const HELD: &str = "order.held";
const RELEASED: &str = "order.released";

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// An instant, written as RFC 3339.
fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
}

/// A bare event of a kind; its stream is the one of its family.
fn event(kind: &str, event_time: i64) -> Record {
    let stream = match kind.split('.').next() {
        Some("fulfillment") => 0,
        Some("order") => 1,
        _ => 2,
    };
    let event = Event { kind: kind.to_string(), event_time, ..Event::default() };
    Record { stream, offset: 0, record_time: event_time, event }
}

/// A log of these events, each with an identity and an offset of its own.
fn log(events: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let number = |(index, mut record): (usize, Record)| {
        record.offset = i64::try_from(index).expect("few");
        record.event.event_id = format!("e{index}");
        record
    };
    events.into_iter().enumerate().map(number).collect()
}

/// An SLA from placed to captured without anything else.
fn within(target: i64) -> Sla {
    Sla {
        id: "sla".to_string(),
        when: None,
        first_match: None,
        start: PLACED.to_string(),
        stop: CAPTURED.to_string(),
        stop_last: false,
        cancel_on: vec![CANCELLED.to_string()],
        pause: Some((HELD.to_string(), RELEASED.to_string())),
        target: Target::Duration(target),
        calendar: None,
        warn_at: vec![],
        escalate_after: vec![],
        owner: "team".to_string(),
        grace: 0,
    }
}

fn judge(sla: &Sla, records: &[Record], until: i64) -> Verdict {
    expected(std::slice::from_ref(sla), records, until).remove(0)
}

fn figures(sla: &Sla, records: &[Record]) -> Figures {
    judge(sla, records, at("2026-01-01T00:00:00Z")).cycle.expect("a cycle")
}

fn deadline(sla: &Sla, records: &[Record]) -> Option<i64> {
    figures(sla, records).deadline
}

/// A calendar with the same hours on these days (0 for Monday).
fn calendar(zone: &str, days: &[usize], hours: &[(i64, i64)]) -> Calendar {
    let mut week: [Hours; 7] = Default::default();
    for day in days {
        week[*day] = hours.iter().map(|(from, until)| (from * 60, until * 60)).collect();
    }
    Calendar { time_zone: zone.to_string(), week, ..Calendar::default() }
}

/// The calendar's minutes from two days before an instant to twenty after it.
fn around(calendar: Calendar, at: i64) -> Option<Arc<OpenMinutes>> {
    Some(Arc::new(OpenMinutes::new(calendar, at - 48 * HOUR, at + 20 * 24 * HOUR)))
}
