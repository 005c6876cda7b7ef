//! The hours of each day: by the week, but for holidays and dates with hours of their own.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};

/// Minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

/// The spans of one date in minutes since its midnight, `[from, until)`, in order and apart. One that ends past 1440 runs
/// into the next date and belongs to the one where it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayHours(Vec<(u16, u16)>);

impl DayHours {
    /// All of the day.
    pub fn whole() -> Self {
        DayHours(vec![(0, DAY)])
    }

    /// Puts spans in order; those that touch or overlap become one.
    pub fn new(mut spans: Vec<(u16, u16)>) -> Self {
        spans.sort_unstable();
        let mut apart: Vec<(u16, u16)> = Vec::with_capacity(spans.len());
        for (from, until) in spans {
            match apart.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => apart.push((from, until)),
            }
        }
        DayHours(apart)
    }

    /// The spans.
    pub fn spans(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether nothing is open that day.
    pub fn is_closed(&self) -> bool {
        self.0.is_empty()
    }
}

/// The hours of every date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// Monday first.
    pub week: [DayHours; 7],
    /// Dates with hours of their own; a holiday has none.
    pub dates: BTreeMap<Date, DayHours>,
}

impl Hours {
    /// Those of a date.
    pub fn of(&self, date: Date) -> &DayHours {
        self.dates.get(&date).unwrap_or_else(|| self.of_weekday(date.weekday()))
    }

    /// Those of a weekday.
    pub fn of_weekday(&self, day: Weekday) -> &DayHours {
        const CLOSED: &DayHours = &DayHours(Vec::new());
        self.week.get(usize::from(day.to_monday_zero_offset().unsigned_abs())).unwrap_or(CLOSED)
    }
}
