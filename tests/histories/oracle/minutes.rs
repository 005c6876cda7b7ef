//! Calendars by the minute: local time is stepped through, and each minute is open or it is not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A minute, ms.
pub const MINUTE: i64 = 60_000;

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// (from, until) in minutes of the local day. One that ends at or before its beginning goes over midnight.
pub type Hours = Vec<(i64, i64)>;

/// A local date, as days since 1970-01-01.
pub type Day = i64;

/// The number of a date.
pub fn day(year: i16, month: i8, day: i8) -> Day {
    let midnight = jiff::civil::date(year, month, day).to_zoned(TimeZone::UTC).expect("a date in range");
    midnight.timestamp().as_second() / 60 / DAY
}

/// A business calendar as it is written.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// An IANA name.
    pub time_zone: String,
    /// Monday's to Sunday's hours.
    pub week: [Hours; 7],
    /// Days without hours.
    pub holidays: BTreeSet<Day>,
    /// Days with hours of their own, in place of the week's.
    pub exceptions: BTreeMap<Day, Hours>,
}

impl Calendar {
    /// The hours that begin on a day.
    fn hours_of(&self, day: Day) -> &[(i64, i64)] {
        if let Some(hours) = self.exceptions.get(&day) {
            return hours;
        }
        if self.holidays.contains(&day) {
            return &[];
        }
        // The first of January 1970 was a Thursday.
        &self.week[usize::try_from((day + 3).rem_euclid(7)).expect("0 to 6")]
    }

    /// Whether a minute of the local day is open. Hours over midnight belong to the day on which they begin: a holiday
    /// takes its own evening away, not the rest of the night before (R3).
    fn is_open(&self, day: Day, minute: i64) -> bool {
        let today = self.hours_of(day).iter().any(|&(from, until)| match from < until {
            true => from <= minute && minute < until,
            false => from <= minute,
        });
        today || self.hours_of(day - 1).iter().any(|&(from, until)| until <= from && minute < until)
    }
}

/// A calendar's minutes over a range of time.
#[derive(Debug)]
pub struct OpenMinutes {
    /// What it was made from.
    pub calendar: Calendar,
    zone: TimeZone,
    first: i64,
    open: Vec<bool>,
}

impl OpenMinutes {
    /// Steps through every minute from `from` to `until` (ms). A local hour that comes twice is open twice, one that is
    /// left out is not there to be open (R2).
    pub fn new(calendar: Calendar, from: i64, until: i64) -> OpenMinutes {
        let zone = TimeZoneDatabase::bundled().get(&calendar.time_zone).expect("a known zone");
        let first = from / MINUTE;
        let is_open = |minute: i64| {
            let (day, of_day) = local(&zone, minute * MINUTE);
            calendar.is_open(day, of_day)
        };
        let open = (first..until / MINUTE).map(is_open).collect();
        OpenMinutes { calendar, zone, first, open }
    }

    /// Whether the minute of this number (since the epoch) is open; beyond the range none is.
    pub fn is_open(&self, minute: i64) -> bool {
        usize::try_from(minute - self.first).is_ok_and(|index| self.open.get(index).copied().unwrap_or(false))
    }

    /// The local day and the minute of it at an instant.
    pub fn local(&self, at: i64) -> (Day, i64) {
        local(&self.zone, at)
    }

    /// The first instant at or past a local time of day, found by stepping.
    fn instant(&self, day: Day, of_day: i64) -> Option<i64> {
        // No zone is a day away from UTC, so a day before and two after hold it.
        let minutes = (day - 1) * DAY..(day + 2) * DAY;
        minutes.map(|minute| minute * MINUTE).find(|&at| self.local(at) >= (day, of_day))
    }

    /// When a business day ends: at a time of day or, without one, with its hours (R7).
    pub fn end_of(&self, day: Day, by: Option<i64>) -> Option<i64> {
        if let Some(by) = by {
            return self.instant(day, by);
        }
        let end_of_span = |&(from, until): &(i64, i64)| if from < until { until } else { until + DAY };
        let end = self.calendar.hours_of(day).iter().map(end_of_span).max()?;
        self.instant(day + end / DAY, end % DAY)
    }

    /// Whether a day has hours of its own.
    pub fn is_business_day(&self, day: Day) -> bool {
        !self.calendar.hours_of(day).is_empty()
    }

    /// The first business day at or after a day, and then as many business days further.
    pub fn business_day(&self, day: Day, further: usize) -> Option<Day> {
        (day..day + 1000).filter(|day| self.is_business_day(*day)).nth(further)
    }
}

fn local(zone: &TimeZone, at: i64) -> (Day, i64) {
    let offset = zone.to_offset(Timestamp::from_millisecond(at).expect("a time in range"));
    let minutes = at / MINUTE + i64::from(offset.seconds()) / 60;
    (minutes.div_euclid(DAY), minutes.rem_euclid(DAY))
}
