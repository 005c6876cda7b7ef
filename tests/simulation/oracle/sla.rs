//! One SLA on one order: its start, its deadline, what ended it, and where that leaves it at a frontier.

use super::facts::{Facts, Known, Moment, is_derived};
use super::{Event, Promise, Sla, Standing, Target};

/// One run of an SLA on an order, as the facts alone describe it.
pub(super) struct Cycle {
    /// `None` while an open pause keeps it out of reach.
    pub(super) deadline: Option<i64>,
    /// The first of the stop and the cancel; `None` while neither is known.
    pub(super) end: Option<End>,
    /// (percent, due), ascending.
    warnings: Vec<(u8, i64)>,
    /// When each escalation rung is due, ascending.
    rungs: Vec<i64>,
}

/// What ended a cycle.
#[derive(Clone, Copy)]
pub(super) enum End {
    Stop(Moment),
    Cancel(Moment),
}

impl End {
    pub(super) fn moment(self) -> Moment {
        match self {
            End::Stop(moment) | End::Cancel(moment) => moment,
        }
    }
}

impl Cycle {
    /// Where the cycle stands at a frontier, which decides only what is due: an end in time is one whenever it is known.
    pub(super) fn standing(&self, frontier: i64, grace: i64) -> Standing {
        let due = |at: i64| frontier > at.saturating_add(grace);
        let in_time = |end: &Moment| self.deadline.is_none_or(|deadline| end.at <= deadline);
        match self.end {
            Some(End::Stop(stop)) if in_time(&stop) => return Standing::Met,
            Some(End::Cancel(cancel)) if in_time(&cancel) => return Standing::CancelledInTime,
            _ => {}
        }
        if !self.deadline.is_some_and(due) {
            // No stop is at or before any of these: it would be at or before the deadline too, which was asked above.
            let warn = self.warnings.iter().filter(|(_, at)| due(*at)).map(|(percent, _)| *percent).max();
            return Standing::Running { warn };
        }
        match self.end {
            Some(End::Stop(stop)) => Standing::Resolved { at: stop.at },
            Some(End::Cancel(cancel)) => Standing::CancelledLate { at: cancel.at },
            None => Standing::Open { level: self.rungs.iter().map(|at| u32::from(due(*at))).sum() },
        }
    }
}

/// A cycle, and what tells it from the SLA's others on the order.
pub(super) struct Run {
    pub(super) parcel: Option<String>,
    /// The start event's identity, with `each`.
    pub(super) start: Option<(u16, String, String)>,
    pub(super) cycle: Cycle,
}

/// The cycles of an SLA on an order: one for each parcel, each start, or both.
pub(super) fn cycles(facts: &Facts, sla: &Sla) -> Vec<Run> {
    let named = if sla.by_parcel { facts.parcels_named() } else { Default::default() };
    let is_known = !sla.by_parcel || facts.events.iter().any(|known| known.event.kind.starts_with("fulfillment."));
    if named.is_empty() {
        return if is_known { runs(facts, sla, None) } else { Vec::new() };
    }
    named.iter().flat_map(|id| runs(&facts.of_parcel(id), sla, Some(id))).collect()
}

fn runs(facts: &Facts, sla: &Sla, parcel: Option<&String>) -> Vec<Run> {
    let parcel = parcel.cloned();
    if sla.each {
        let starts = facts.of_kind(&sla.start);
        let run = |known: &Known| {
            let cycle = cycle_from(facts, sla, known.at(), Some(known))?;
            Some(Run { parcel: parcel.clone(), start: Some(known.identity()), cycle })
        };
        return starts.filter_map(run).collect();
    }
    let start = facts.milestone(&sla.start);
    let cycle = start.and_then(|start| cycle_from(facts, sla, start.at, None));
    cycle.map(|cycle| Run { parcel, start: None, cycle }).into_iter().collect()
}

/// The cycle that begins at an instant, or with an event; `None` when there is none.
fn cycle_from(facts: &Facts, sla: &Sla, start: i64, from: Option<&Known>) -> Option<Cycle> {
    if let Some((key, text)) = &sla.when
        && !facts.attribute_is(key, text, start)
    {
        return None;
    }
    let first = |kind: &String| facts.occurrences_from(kind, from).into_iter().next();
    let told_cancel = earliest(sla.cancel_on.iter().filter_map(first));
    if told_cancel.is_some_and(|cancel| cancel.at <= start) {
        return None;
    }
    let stops = facts.occurrences_from(&sla.stop, from);
    let course = match sla.target {
        Target::Duration(target) => running_time(facts, sla, start, target),
        Target::PromisedShipBy | Target::PromisedDeliverBy => {
            let done_at = earliest(stops.first().copied().into_iter().chain(told_cancel)).map(|done| done.at);
            promised(facts, sla, start, done_at)?
        }
    };
    let cancel = earliest(told_cancel.into_iter().chain(course.withdrawn));
    let stop = stop_that_counts(&stops, sla.stop_last, course.deadline, cancel);
    let end = match (stop, cancel) {
        // At the same instant a stop goes before a cancel.
        (Some(stop), Some(cancel)) if stop.at > cancel.at => Some(End::Cancel(cancel)),
        (Some(stop), _) => Some(End::Stop(stop)),
        (None, cancel) => cancel.map(End::Cancel),
    };
    Some(Cycle { deadline: course.deadline, end, warnings: course.warnings, rungs: course.rungs })
}

/// Which stop is the stop.
///
/// `occurrence: last` is "the latest …, fixed when the deadline is judged" (R17). As a pure function: the latest stop
/// at or before the deadline, since that is what an ideal judge, who reads everything in time, has seen when he judges;
/// none that comes later can undo it, as the contract breaches a cycle only "with no stop at or before the deadline".
/// A cancel ends the cycle, so stops after it do not count either. With none in time, the first one later is what ends
/// the breach. So `last` never moves a cycle from met to breached: it moves only which event is named as the stop.
fn stop_that_counts(stops: &[Moment], last: bool, deadline: Option<i64>, cancel: Option<Moment>) -> Option<Moment> {
    let in_time = |stop: &&Moment| {
        deadline.is_none_or(|deadline| stop.at <= deadline) && cancel.is_none_or(|cancel| stop.at <= cancel.at)
    };
    let latest = if last { stops.iter().rfind(in_time) } else { None };
    latest.or(stops.first()).copied()
}

/// The first of some moments.
fn earliest(moments: impl Iterator<Item = Moment>) -> Option<Moment> {
    moments.min_by_key(|moment| moment.at)
}

/// What a target makes of a cycle's time.
struct Course {
    deadline: Option<i64>,
    warnings: Vec<(u8, i64)>,
    rungs: Vec<i64>,
    /// The withdrawal of the promise, which cancels the cycle.
    withdrawn: Option<Moment>,
}

/// A target that counts running time: deadline, warnings and rungs all come from the ledger of pauses.
fn running_time(facts: &Facts, sla: &Sla, start: i64, target: i64) -> Course {
    let pauses = sla.pause.as_ref().map(|(from, until)| pauses(facts, from, until)).unwrap_or_default();
    let after = |running: i64| instant_after(start, running, &pauses);
    let warning = |percent: u8| Some((percent, after(share(target, percent))?));
    Course {
        deadline: after(target),
        warnings: sla.warn_at.iter().filter_map(|percent| warning(*percent)).collect(),
        rungs: sla.escalate_after.iter().filter_map(|rung| after(target.saturating_add(*rung))).collect(),
        withdrawn: None,
    }
}

/// A percentage of a stretch of time, with finer digits than a millisecond cut.
fn share(whole: i64, percent: u8) -> i64 {
    i64::try_from(i128::from(whole) * i128::from(percent) / 100).unwrap_or(i64::MAX)
}

/// The ledger: (from, until), in order and apart; an open one has no `until`. A pause within a pause adds nothing, the
/// first end ends it, and an end without a beginning is nothing (R19).
fn pauses(facts: &Facts, from: &str, until: &str) -> Vec<(i64, Option<i64>)> {
    let mut marks: Vec<(i64, bool)> = Vec::new();
    if [from, until].iter().any(|kind| is_derived(kind)) {
        // A derived milestone has no position of its own; at one instant the end goes first, so that pausing wins.
        marks.extend(facts.occurrences(until).iter().map(|moment| (moment.at, false)));
        marks.extend(facts.occurrences(from).iter().map(|moment| (moment.at, true)));
        marks.sort();
    } else {
        let told = facts.events.iter().filter(|known| known.event.kind == from || known.event.kind == until);
        marks.extend(told.map(|known| (known.at(), known.event.kind == from)));
    }
    let mut ledger: Vec<(i64, Option<i64>)> = Vec::new();
    for (at, begins) in marks {
        let is_open = ledger.last().is_some_and(|(_, until)| until.is_none());
        if begins && !is_open {
            ledger.push((at, None));
        } else if !begins && let Some((_, until @ None)) = ledger.last_mut() {
            *until = Some(at);
        }
    }
    ledger
}

/// The first instant at which so much time has run since `start` outside the pauses; `None` if an open pause comes
/// before it.
fn instant_after(start: i64, running: i64, pauses: &[(i64, Option<i64>)]) -> Option<i64> {
    let mut now = start;
    let mut left = running;
    for (from, until) in pauses {
        if until.is_some_and(|until| until <= now) {
            continue;
        }
        let runs_until = now.max(*from);
        if runs_until - now >= left {
            break;
        }
        left -= runs_until - now;
        now = (*until)?;
    }
    Some(now.saturating_add(left))
}

/// A target that is a promised instant, which no pause shifts; `None` where nothing is promised.
fn promised(facts: &Facts, sla: &Sla, start: i64, done_at: Option<i64>) -> Option<Course> {
    let of: fn(&Event) -> Promise = match sla.target {
        Target::PromisedDeliverBy => |event| event.promised_deliver_by,
        _ => |event| event.promised_ship_by,
    };
    let (deadline, withdrawn) = promise_in_force(&facts.promises(of), start, done_at)?;
    // A promise before the start breaches at once, without a warning.
    let warned = if deadline < start { &[] } else { sla.warn_at.as_slice() };
    let warning = |percent: u8| (percent, start.saturating_add(share(deadline.saturating_sub(start), percent)));
    Some(Course {
        deadline: Some(deadline),
        warnings: warned.iter().map(|percent| warning(*percent)).collect(),
        rungs: sla.escalate_after.iter().map(|rung| deadline.saturating_add(*rung)).collect(),
        withdrawn,
    })
}

/// The promise that counts, and its withdrawal if that cancelled the cycle.
///
/// A change counts only at or before the promise then in force, and only before the end: what is said at or after the
/// stop or the cancel changes no verdict (R22), save that a first promise counts whenever it is told. A withdrawal up to the start leaves no promise, until
/// another is made; one after the start cancels the cycle for good (R23).
fn promise_in_force(said: &[(Moment, Promise)], start: i64, done_at: Option<i64>) -> Option<(i64, Option<Moment>)> {
    let mut in_force: Option<i64> = None;
    for (told, promise) in said {
        if let Some(current) = in_force {
            let is_over = done_at.is_some_and(|done| done <= told.at);
            if told.at > current || is_over {
                continue;
            }
            if *promise == Promise::Withdrawn && told.at > start {
                return Some((current, Some(*told)));
            }
        }
        in_force = match promise {
            Promise::At(date) => Some(*date),
            Promise::Withdrawn => None,
            Promise::Absent => in_force,
        };
    }
    in_force.map(|date| (date, None))
}
