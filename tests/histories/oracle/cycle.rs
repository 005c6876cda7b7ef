//! One SLA on one order: its start, its deadline, what ended it, and where that leaves it at a frontier.

use super::facts::Facts;
use super::ledger::Ledger;
use super::minutes::OpenMinutes;
use super::promise;
use super::{Figures, Sla, Standing, Target, When};

/// One run of an SLA on an order, as the facts alone describe it.
pub(super) struct Cycle<'a> {
    start: i64,
    deadline: Option<i64>,
    target: i64,
    end: Option<End>,
    ledger: Ledger<'a>,
    /// (percent, due), ascending.
    warnings: Vec<(u8, i64)>,
    /// When each rung is due, ascending.
    rungs: Vec<i64>,
}

/// What ended a cycle.
#[derive(Clone, Copy)]
enum End {
    Stop(i64),
    Cancel(i64),
}

impl End {
    fn at(self) -> i64 {
        match self {
            End::Stop(at) | End::Cancel(at) => at,
        }
    }
}

/// When an order began this SLA: its start is known and its `when` is true of the order as it was then.
pub(super) fn start(facts: &Facts, sla: &Sla) -> Option<i64> {
    let start = facts.times(&sla.start).first().copied()?;
    sla.when.as_ref().is_none_or(|when| holds(when, facts, start)).then_some(start)
}

/// Whether a condition is true by what had happened up to and at an instant. What is missing compares false.
fn holds(when: &When, facts: &Facts, at: i64) -> bool {
    match when {
        When::Is(key, text) => facts.attribute(key, at).is_some_and(|value| value == text),
        When::IsNot(key, text) => facts.attribute(key, at).is_some_and(|value| value != text),
        When::TotalAtLeast(minor) => facts.total(at).is_some_and(|total| total.minor >= *minor),
        When::TotalBelow(minor) => facts.total(at).is_some_and(|total| total.minor < *minor),
        When::And(one, other) => holds(one, facts, at) && holds(other, facts, at),
        When::Or(one, other) => holds(one, facts, at) || holds(other, facts, at),
    }
}

/// What the facts make of an SLA; `None` where there is no cycle.
pub(super) fn cycle<'a>(facts: &Facts, sla: &'a Sla) -> Option<Cycle<'a>> {
    let start = start(facts, sla)?;
    let told_cancel = sla.cancel_on.iter().flat_map(|kind| facts.times(kind)).min();
    let stops = facts.times(&sla.stop);
    let ledger = Ledger::new(facts, sla);
    // With `last` no stop ends it before its deadline is judged (R14).
    let first_stop = stops.first().copied().filter(|_| !sla.stop_last);
    let done_at = first_stop.into_iter().chain(told_cancel).min();
    let course = course(facts, sla, &ledger, start, done_at)?;
    let cancel = told_cancel.into_iter().chain(course.withdrawn).min();
    // A cancel at or before the start means that there is none.
    if cancel.is_some_and(|cancel| cancel <= start) {
        return None;
    }
    let stop = stop_that_counts(&stops, sla.stop_last, course.deadline, cancel);
    let end = match (stop, cancel) {
        // At the same instant a stop goes before a cancel.
        (Some(stop), Some(cancel)) if cancel < stop => Some(End::Cancel(cancel)),
        (Some(stop), _) => Some(End::Stop(stop)),
        (None, cancel) => cancel.map(End::Cancel),
    };
    Some(Cycle {
        start,
        deadline: course.deadline,
        target: course.target,
        end,
        ledger,
        warnings: course.warnings,
        rungs: course.rungs,
    })
}

/// The first stop; with `last`, the last one in time (up to the deadline and to a cancel), else the first one late (R14).
fn stop_that_counts(stops: &[i64], last: bool, deadline: Option<i64>, cancel: Option<i64>) -> Option<i64> {
    let first = stops.first().copied();
    let is_in_time =
        |stop: &i64| deadline.is_none_or(|deadline| *stop <= deadline) && cancel.is_none_or(|cancel| *stop <= cancel);
    let in_time = stops.iter().copied().filter(is_in_time).max();
    if last { in_time.or(first) } else { first }
}

/// What a target makes of a cycle's time.
struct Course {
    deadline: Option<i64>,
    /// The running time allowed; for a promised date, wall time.
    target: i64,
    warnings: Vec<(u8, i64)>,
    rungs: Vec<i64>,
    /// When the promise was withdrawn, which cancels the cycle.
    withdrawn: Option<i64>,
}

fn course(facts: &Facts, sla: &Sla, ledger: &Ledger, start: i64, done_at: Option<i64>) -> Option<Course> {
    match sla.target {
        Target::Duration(target) => {
            let deadline = ledger.instant_after(start, target);
            Some(running(sla, ledger, start, target, deadline))
        }
        Target::BusinessDays { days, cutoff, by } => business_days(sla, ledger, start, days, cutoff, by),
        Target::PromisedShipBy(_) | Target::PromisedDeliverBy(_) => promise(facts, sla, start, done_at),
    }
}

/// Warnings and rungs on the ledger of the target.
fn running(sla: &Sla, ledger: &Ledger, start: i64, target: i64, deadline: Option<i64>) -> Course {
    let shares: Vec<i64> = sla.warn_at.iter().map(|percent| share(target, *percent)).collect();
    let warnings = sla.warn_at.iter().zip(ledger.instants_after(start, &shares));
    let after: Vec<i64> = sla.escalate_after.iter().map(|rung| rung.after).collect();
    let rungs = deadline.map(|deadline| ledger.instants_after(deadline, &after)).unwrap_or_default();
    Course {
        deadline,
        target,
        warnings: warnings.filter_map(|(percent, at)| Some((*percent, at?))).collect(),
        rungs: rungs.into_iter().flatten().collect(),
        withdrawn: None,
    }
}

/// The end of the last of so many business days. What began at or past the cutoff, or on a day that is none, counts from
/// the next business day (R7). The open time from the start until then is the target: what a pause takes from it has to
/// run after it, and then the cycle ends with the business day that this reaches (R8).
fn business_days(
    sla: &Sla,
    ledger: &Ledger,
    start: i64,
    days: usize,
    cutoff: Option<i64>,
    by: Option<i64>,
) -> Option<Course> {
    let calendar = sla.calendar.as_deref()?;
    let (day, of_day) = calendar.local(start);
    let is_too_late = calendar.is_business_day(day)
        && match cutoff {
            Some(cutoff) => of_day >= cutoff,
            None => start >= calendar.end_of(day, None)?,
        };
    let first = if is_too_late { day + 1 } else { day };
    let due = calendar.end_of(calendar.business_day(first, days)?, by)?;
    let target = ledger.unpaused().elapsed(start, due);
    let is_paused_in_it = ledger.elapsed(start, due) < target;
    let deadline = match is_paused_in_it {
        true => ledger.instant_after(start, target).and_then(|reached| next_end(calendar, reached, by)),
        false => Some(due),
    };
    Some(running(sla, ledger, start, target, deadline))
}

/// The first end of a business day at or after an instant.
fn next_end(calendar: &OpenMinutes, reached: i64, by: Option<i64>) -> Option<i64> {
    // A night's hours end on the day after.
    let mut day = calendar.local(reached).0 - 1;
    loop {
        day = calendar.business_day(day, 0)?;
        let end = calendar.end_of(day, by)?;
        if end >= reached {
            return Some(end);
        }
        day += 1;
    }
}

/// A promised instant, which nothing shifts, nor its warnings and rungs. One before the start gives no warning.
fn promise(facts: &Facts, sla: &Sla, start: i64, done_at: Option<i64>) -> Option<Course> {
    let promised = promise::promised(facts, sla.target, done_at)?;
    let deadline = promised.deadline;
    let warned = if deadline < start { &[] } else { sla.warn_at.as_slice() };
    Some(Course {
        deadline: Some(deadline),
        target: deadline - start,
        warnings: warned.iter().map(|percent| (*percent, start + share(deadline - start, *percent))).collect(),
        rungs: sla.escalate_after.iter().map(|step| deadline + step.after).collect(),
        withdrawn: promised.withdrawn,
    })
}

/// A percentage of a stretch of time, with finer digits than a millisecond cut.
fn share(whole: i64, percent: u8) -> i64 {
    whole * i64::from(percent) / 100
}

impl Cycle<'_> {
    /// Where it stands at a frontier, which decides only what is due: an end in time is one whenever it is known.
    pub(super) fn standing(&self, sla: &Sla, until: i64) -> Standing {
        let is_due = |at: i64| until > at + sla.grace;
        let is_in_time = |at: i64| self.deadline.is_none_or(|deadline| at <= deadline);
        match self.end {
            Some(End::Stop(at)) if is_in_time(at) => return Standing::Met,
            Some(End::Cancel(at)) if is_in_time(at) => return Standing::CancelledInTime,
            _ => {}
        }
        if !self.deadline.is_some_and(is_due) {
            let due = self.warnings.iter().filter(|(_, at)| is_due(*at));
            return Standing::Running { at_risk: due.map(|(percent, _)| *percent).collect() };
        }
        match self.end {
            Some(End::Stop(_)) => Standing::StoppedLate,
            Some(End::Cancel(_)) => Standing::CancelledLate,
            None => {
                let rung = self.rungs.iter().filter(|at| is_due(**at)).count();
                let named = sla.escalate_after[..rung].iter().rev().find_map(|step| step.owner.clone());
                Standing::Open { rung, owner: named.unwrap_or_else(|| sla.owner.clone()) }
            }
        }
    }

    /// Its figures, elapsed up to its end, else to its deadline; never below nothing (R16).
    pub(super) fn figures(&self) -> Figures {
        let ended = self.end.map(End::at);
        let up_to = ended.or(self.deadline);
        Figures {
            start: self.start,
            deadline: self.deadline,
            ended,
            target: Some(self.target),
            actual_elapsed: up_to.map(|up_to| (up_to - self.start).max(0)),
            business_elapsed: up_to.map(|up_to| self.ledger.elapsed(self.start, up_to)),
        }
    }
}
