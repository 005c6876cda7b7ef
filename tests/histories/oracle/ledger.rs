//! Which minutes of a cycle run, and the instant at which so much has run.

use super::Sla;
use super::facts::Facts;
use super::minutes::{MINUTE, OpenMinutes};

/// How far past the start the steps go: 60 days. What is not due by then is due for nobody.
const SIGHT_MINUTES: i64 = 60 * 24 * 60;

/// The minutes that count: open on the calendar and outside every pause.
pub(super) struct Ledger<'a> {
    calendar: Option<&'a OpenMinutes>,
    /// (from, until), `i64::MAX` for one without end.
    pauses: Vec<(i64, i64)>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(facts: &Facts, sla: &'a Sla) -> Ledger<'a> {
        let pauses = sla.pause.as_ref().map(|(from, until)| pauses(facts, from, until)).unwrap_or_default();
        Ledger { calendar: sla.calendar.as_deref(), pauses }
    }

    /// The same calendar without the pauses.
    pub(super) fn unpaused(&self) -> Ledger<'a> {
        Ledger { calendar: self.calendar, pauses: Vec::new() }
    }

    fn runs(&self, minute: i64) -> bool {
        let at = minute * MINUTE;
        let is_paused = self.pauses.iter().any(|&(from, until)| from <= at && at < until);
        !is_paused && self.calendar.is_none_or(|calendar| calendar.is_open(minute))
    }

    fn is_paused_for_ever(&self, minute: i64) -> bool {
        self.pauses.last().is_some_and(|&(from, until)| until == i64::MAX && from <= minute * MINUTE)
    }

    /// How much runs between two instants; nothing where the second is the earlier.
    pub(super) fn elapsed(&self, from: i64, until: i64) -> i64 {
        let mut elapsed = 0;
        let mut minute = from / MINUTE;
        while minute * MINUTE < until {
            if self.runs(minute) {
                elapsed += MINUTE.min(until - minute * MINUTE);
            }
            minute += 1;
        }
        elapsed
    }

    /// The first instant at which so much has run since `start` (R5); `None` where it is out of sight.
    pub(super) fn instant_after(&self, start: i64, running: i64) -> Option<i64> {
        self.instants_after(start, &[running])[0]
    }

    /// The same for several lengths, in one walk.
    pub(super) fn instants_after(&self, start: i64, lengths: &[i64]) -> Vec<Option<i64>> {
        let mut found: Vec<Option<i64>> = lengths.iter().map(|length| (*length <= 0).then_some(start)).collect();
        let mut ran = 0;
        let mut minute = start / MINUTE;
        let end_of_sight = minute + SIGHT_MINUTES;
        while found.contains(&None) && minute < end_of_sight && !self.is_paused_for_ever(minute) {
            if self.runs(minute) {
                for (length, found) in lengths.iter().zip(&mut found) {
                    if found.is_none() && *length <= ran + MINUTE {
                        *found = Some(minute * MINUTE + length - ran);
                    }
                }
                ran += MINUTE;
            }
            minute += 1;
        }
        found
    }
}

/// The pauses, by what began and ended them in the order of their events: one in a pause adds nothing, the first end
/// ends it, and an end without a beginning is nothing (R6). An open one has no end.
fn pauses(facts: &Facts, from: &str, until: &str) -> Vec<(i64, i64)> {
    let mut pauses = Vec::new();
    let mut paused_since = None;
    for event in facts.events().filter(|event| event.kind == from || event.kind == until) {
        if event.kind == from {
            paused_since = paused_since.or(Some(event.event_time));
        } else if let Some(since) = paused_since.take() {
            pauses.push((since, event.event_time));
        }
    }
    pauses.extend(paused_since.map(|since| (since, i64::MAX)));
    pauses
}
