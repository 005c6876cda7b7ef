//! Promises by whole working days: "ordered before 14:00 ships today by 18:00, else the next working day".

use jiff::SignedDuration;
use jiff::civil::{Date, Time};

use crate::domain::Timestamp;

use super::Calendar;

/// `target: {business_days, cutoff, by}`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessDays {
    /// Working days after the first one: 0 is the same day.
    pub days: usize,
    /// What starts at or after this time of a working day, or on no working day, counts from the next one; without it, the
    /// end of that day's hours.
    pub cutoff: Option<Time>,
    /// The time of the last day by which it must be done; without it, the end of that day's hours.
    pub by: Option<Time>,
}

impl Calendar {
    /// By when a promise of whole working days must be kept. `None` past the last date.
    pub fn business_deadline(&self, start: Timestamp, promise: &BusinessDays) -> Option<Timestamp> {
        let began = self.wall_clock(start)?;
        let counts_today = match promise.cutoff {
            Some(cutoff) => began.time() < cutoff,
            None => self.hours_end(began.date()).is_some_and(|end| start < end),
        };
        let first = self.working_days.partition_point(|day| match counts_today {
            true => *day < began.date(),
            false => *day <= began.date(),
        });
        self.end_of(*self.working_days.get(first.checked_add(promise.days)?)?, promise)
    }

    /// The end, by the promise, of the first working day that ends at or after an instant.
    pub fn rounded_up(&self, at: Timestamp, promise: &BusinessDays) -> Option<Timestamp> {
        // A night shift belongs to the day where it begins.
        let date = self.wall_clock(at)?.date().yesterday().ok()?;
        let first = self.working_days.partition_point(|day| *day < date);
        let days = self.working_days.get(first..)?.iter();
        days.map_while(|day| self.end_of(*day, promise)).find(|end| *end >= at)
    }

    fn end_of(&self, day: Date, promise: &BusinessDays) -> Option<Timestamp> {
        match promise.by {
            // A time that is skipped that day is read as by the offset before: an hour later.
            Some(by) => self.instant(day.to_datetime(by)),
            None => self.hours_end(day),
        }
    }

    fn hours_end(&self, day: Date) -> Option<Timestamp> {
        let (_, end) = *self.hours.of(day).spans().last()?;
        self.instant(day.to_datetime(Time::midnight()).checked_add(SignedDuration::from_mins(end.into())).ok()?)
    }
}
