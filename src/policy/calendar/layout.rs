//! From hours by the wall clock to intervals of time.
//!
//! Between two changes of a zone's offset its wall clock runs evenly, so that an open span of wall-clock time is one of
//! time, moved by the offset. Where the clock is put back, the same span is open twice.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, ToSpan as _};

use crate::domain::{Millis, Timestamp};

use super::Open;
use super::hours::Hours;

/// All open intervals whose dates lie in `dates`, in order and apart.
pub(super) fn lay_out(zone: &TimeZone, hours: &Hours, dates: (Date, Date)) -> Vec<Open> {
    let mut open: Vec<Open> = Vec::new();
    for (from, until, offset) in stretches(zone, dates) {
        let (first, last) = (offset.to_datetime(from), offset.to_datetime(until));
        // A span of the date before may run into this one.
        let mut date = first.date().yesterday().unwrap_or(first.date());
        while date <= last.date() {
            if dates.0 <= date && date <= dates.1 {
                for (begins, ends) in hours.of(date).spans() {
                    let edges = (moment(date, *begins, offset), moment(date, *ends, offset));
                    let (Some(begins), Some(ends)) = edges else { continue };
                    push(&mut open, begins.max(instant(from)), ends.min(instant(until)));
                }
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
    }
    let mut before = Millis::ZERO;
    for interval in &mut open {
        interval.before = before;
        before = before + (interval.until - interval.from);
    }
    open
}

/// The stretches of time during which the zone's offset stays the same.
fn stretches(zone: &TimeZone, (first, last): (Date, Date)) -> Vec<(jiff::Timestamp, jiff::Timestamp, Offset)> {
    let start_of = |date: Date| zone.to_timestamp(date.to_datetime(Time::midnight()));
    let edges = (first.checked_sub(2.days()).and_then(start_of), last.checked_add(2.days()).and_then(start_of));
    let (Ok(begin), Ok(end)) = edges else { return Vec::new() };
    let mut stretches = Vec::new();
    let mut from = begin;
    for change in zone.following(begin) {
        let at = change.timestamp();
        if at >= end {
            break;
        }
        stretches.push((from, at, zone.to_offset(from)));
        from = at;
    }
    stretches.push((from, end, zone.to_offset(from)));
    stretches
}

/// The instant at which the wall clock shows so many minutes of a date, while the offset is this one.
fn moment(date: Date, minutes: u16, offset: Offset) -> Option<Timestamp> {
    let at = date.to_datetime(Time::midnight()).checked_add(SignedDuration::from_mins(minutes.into())).ok()?;
    offset.to_timestamp(at).ok().map(instant)
}

fn instant(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

fn push(open: &mut Vec<Open>, from: Timestamp, until: Timestamp) {
    match open.last_mut() {
        _ if from >= until => {}
        Some(last) if from <= last.until => last.until = last.until.max(until),
        _ => open.push(Open { from, until, before: Millis::ZERO }),
    }
}
