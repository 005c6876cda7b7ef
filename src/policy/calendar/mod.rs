//! Business calendars: the hours during which an SLA's clock runs.
//!
//! A moment is open when the wall clock in the calendar's zone shows an open time of its date. All else follows from this:
//! a night shift over the autumn change is an hour longer, a time that is skipped in spring is never open, and a date
//! that a zone leaves out (Samoa, 2011-12-30) has no hours.
//!
//! The open intervals of all years are laid out once, with the running time before each, so that elapsed time and
//! deadlines are two binary searches.

mod business_days;
mod hours;
mod layout;

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::domain::{Millis, Str, Timestamp};

pub use business_days::BusinessDays;
pub use hours::{DayHours, Hours};

/// One `calendars:` entry.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Its name.
    pub name: Str,
    zone: TimeZone,
    hours: Hours,
    open: Vec<Open>,
    working_days: Vec<Date>,
}

/// An open interval, `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    from: Timestamp,
    until: Timestamp,
    /// The open time of all intervals before this one.
    before: Millis,
}

impl Calendar {
    /// The first and the last date that have hours. Outside of them nothing is ever open.
    pub const DATES: (Date, Date) = (Date::constant(1990, 1, 1), Date::constant(2099, 12, 31));

    /// Lays the hours out.
    pub fn new(name: Str, zone: TimeZone, hours: Hours) -> Self {
        let open = layout::lay_out(&zone, &hours, Self::DATES);
        let (first, last) = Self::DATES;
        let days = first.series(1.day()).take_while(|day| *day <= last);
        let working_days = days.filter(|day| !hours.of(*day).is_closed()).collect();
        Calendar { name, zone, hours, open, working_days }
    }

    /// How much open time lies in `[start, until)`.
    pub fn elapsed(&self, start: Timestamp, until: Timestamp) -> Millis {
        if until <= start { Millis::ZERO } else { self.open_before(until) - self.open_before(start) }
    }

    /// The first instant at which the calendar has been open for `target` since `start`: the inverse of
    /// [`Calendar::elapsed`]. `None` past the last date.
    pub fn deadline(&self, start: Timestamp, target: Millis) -> Option<Timestamp> {
        if target <= Millis::ZERO {
            return Some(start);
        }
        let wanted = self.open_before(start) + target;
        // The last interval before which less than the wanted time has run.
        let index = self.open.partition_point(|open| open.before < wanted).checked_sub(1)?;
        let open = self.open.get(index)?;
        let at = open.from + (wanted - open.before);
        (at <= open.until).then_some(at)
    }

    /// What the wall clock shows; `None` far off the dates.
    fn wall_clock(&self, at: Timestamp) -> Option<DateTime> {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(self.zone.to_datetime(at))
    }

    fn instant(&self, at: DateTime) -> Option<Timestamp> {
        let at = self.zone.to_timestamp(at).ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    }

    /// Whether an order can be worked on at this moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let index = self.open.partition_point(|open| open.from <= at);
        index.checked_sub(1).and_then(|index| self.open.get(index)).is_some_and(|open| at < open.until)
    }

    /// The open time from the first date on to an instant.
    fn open_before(&self, at: Timestamp) -> Millis {
        let index = self.open.partition_point(|open| open.from < at);
        match index.checked_sub(1).and_then(|index| self.open.get(index)) {
            None => Millis::ZERO,
            Some(open) => open.before + (at.min(open.until) - open.from),
        }
    }
}

/// Two calendars are one where they say the same; how it is laid out follows.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.zone == other.zone && self.hours == other.hours
    }
}

impl Eq for Calendar {}

#[cfg(test)]
mod tests;
