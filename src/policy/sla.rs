//! SLAs: a promise that starts with one milestone and is kept by another, by a deadline.

use std::sync::Arc;

use crate::domain::event::Details;
use crate::domain::{Entity, Milestone, Millis, Str, Timestamp};

use super::calendar::{BusinessDays, Calendar};
use super::case::{Case, CaseClock, End, EndKind};
use super::cycle::{Beginning, Scope};
use super::ledger::Ledger;
use super::promise::{PromiseRule, promised_date};
use super::view::{OrderView, Reached};
use super::{Condition, Responsibility, Rung};

/// Which of several events of one milestone counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Occurrence {
    /// The earliest by event_time.
    #[default]
    First,
    /// The latest by event_time, fixed when the deadline is judged.
    Last,
}

/// A milestone and which occurrence of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneRef {
    /// What must be reached.
    pub milestone: Milestone,
    /// Which of several.
    pub occurrence: Occurrence,
}

/// The milestones between which the SLA's clock stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Stops the clock.
    pub from: Milestone,
    /// Lets it go on.
    pub until: Milestone,
}

/// What the deadline is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// So much running time after the start.
    Duration(Millis),
    /// So many working days of the calendar.
    BusinessDays(BusinessDays),
    /// The date promised for handing over.
    PromisedShipBy,
    /// The date promised for delivery.
    PromisedDeliverBy,
}

impl Target {
    /// Whether it is a date that was promised, and no running time.
    pub const fn is_promised(self) -> bool {
        matches!(self, Target::PromisedShipBy | Target::PromisedDeliverBy)
    }
}

/// One SLA policy.
#[derive(Debug)]
pub struct Sla {
    /// Stable over edits; part of the exception's id.
    pub id: Str,
    /// What it is about.
    pub entity: Entity,
    /// Which orders it applies to; all, where there is none.
    pub when: Option<Condition>,
    /// Of the SLAs of one group, all with one start, an order runs the first whose `when` holds.
    pub first_match: Option<Str>,
    /// What a cycle is about.
    pub scope: Scope,
    /// Each event of the start milestone begins a cycle of its own; `occurrence` is `first` then.
    pub each: bool,
    /// Starts the cycle.
    pub start: MilestoneRef,
    /// Keeps the promise.
    pub stop: MilestoneRef,
    /// Ends it without a verdict.
    pub cancel_on: Vec<Milestone>,
    /// Stops its clock.
    pub pause: Option<Pause>,
    /// Its clock runs while this is open.
    pub calendar: Option<Arc<Calendar>>,
    /// The deadline.
    pub target: Target,
    /// For promised dates.
    pub promise: PromiseRule,
    /// Percent of deadline − start, ascending, each 1 to 99.
    pub warn_at: Vec<u8>,
    /// Ascending by `after`.
    pub escalate_after: Vec<Rung>,
    /// The policy's own grace; `Settings::grace` where it has none.
    pub grace: Option<Millis>,
    /// What was overdue when its id came is published all the same.
    pub backfill: bool,
    /// Who answers for it.
    pub responsibility: Responsibility,
}

/// What the facts say of a cycle's deadline.
struct Due<'a> {
    /// `None` while its clock stands still with no end in sight.
    deadline: Option<Timestamp>,
    /// The running time allowed; `None` for a promised date.
    allowed: Option<Millis>,
    /// What withdrew the promise.
    withdrawn: Option<Reached<'a>>,
}

impl Sla {
    /// Whether it would run on this start of its group.
    pub fn applies<'a>(&self, view: &OrderView<'a>, start: Reached<'a>) -> bool {
        let start = match self.start.occurrence {
            Occurrence::First => Some(start),
            // Which one is the last hangs on this SLA's own deadline.
            Occurrence::Last => self.start_of(view, &self.ledger(view)),
        };
        start.is_some_and(|start| self.holds_at(view, start.at))
    }

    /// Whether `when` holds at the start.
    pub fn holds_at(&self, view: &OrderView<'_>, start: Timestamp) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(&view.as_of(start).condition_input(view.order_id())))
    }

    /// When its clock runs.
    pub(super) fn ledger(&self, view: &OrderView<'_>) -> Ledger {
        Ledger::of(self.pause.as_ref(), self.calendar.as_ref(), view)
    }

    /// What the facts say of the cycle with this start; `None` where there is none: `when` does not hold, no promised
    /// date, or cancelled at or before the start.
    pub(super) fn case<'a>(&self, view: &OrderView<'a>, start: Reached<'a>, ledger: Ledger) -> Option<Case<'a>> {
        if !self.holds_at(view, start.at) {
            return None;
        }
        let Due { deadline, allowed, withdrawn } = self.due(view, start, &ledger)?;
        let beginning = Beginning { at: start.at, position: Some(start.event.position) };
        let cancel = self.cancel_of(view, beginning, withdrawn);
        if cancel.is_some_and(|cancel| cancel.at <= start.at) {
            return None;
        }
        let clock = match allowed {
            Some(target) => CaseClock::Running { ledger, target },
            None => CaseClock::Promised { ledger },
        };
        Some(Case {
            trigger: start.event,
            started_at: start.at,
            deadline,
            clock,
            end: first_end(self.stop_of(view, beginning, deadline), cancel, deadline),
            figures: None,
            follows: None,
        })
    }

    /// The end by events alone, for a cycle whose start was never read.
    pub fn end<'a>(&self, view: &OrderView<'a>, started_at: Option<Timestamp>) -> Option<End<'a>> {
        let beginning = Beginning { at: started_at.unwrap_or(Timestamp::MIN), position: None };
        first_end(self.stop_of(view, beginning, None), self.cancel_of(view, beginning, None), None)
    }

    /// Every time that a milestone was reached and counts for the cycle.
    fn counting<'a>(
        &self,
        view: &OrderView<'a>,
        milestone: &Milestone,
        beginning: Beginning,
    ) -> impl DoubleEndedIterator<Item = Reached<'a>> {
        let all = !self.each || self.entity.is_for_good(milestone);
        view.occurrences(milestone).filter(move |reached| all || beginning.is_passed(reached))
    }

    /// The first time that it counts for the cycle.
    fn first_counting<'a>(
        &self,
        view: &OrderView<'a>,
        milestone: &Milestone,
        beginning: Beginning,
    ) -> Option<Reached<'a>> {
        match self.each {
            true => self.counting(view, milestone, beginning).next(),
            false => view.first(milestone),
        }
    }

    fn cancel_of<'a>(
        &self,
        view: &OrderView<'a>,
        beginning: Beginning,
        withdrawn: Option<Reached<'a>>,
    ) -> Option<Reached<'a>> {
        let told = self.cancel_on.iter().filter_map(|milestone| self.first_counting(view, milestone, beginning));
        told.chain(withdrawn).min_by_key(|r| (r.at, r.event.position))
    }

    /// With `occurrence: last` each start moves the cycle, until one comes after the deadline of the one before.
    pub(super) fn start_of<'a>(&self, view: &OrderView<'a>, ledger: &Ledger) -> Option<Reached<'a>> {
        if self.start.occurrence == Occurrence::First {
            return view.first(&self.start.milestone);
        }
        let mut in_force = view.first(&self.start.milestone)?;
        // A promised date does not hang on the start: one look is enough.
        let mut deadline = self.due(view, in_force, ledger).and_then(|due| due.deadline);
        for next in view.occurrences(&self.start.milestone).skip(1) {
            if deadline.is_some_and(|deadline| next.at > deadline) {
                break;
            }
            in_force = next;
            deadline = match self.target {
                Target::Duration(_) | Target::BusinessDays(_) => self.due(view, in_force, ledger)?.deadline,
                Target::PromisedShipBy | Target::PromisedDeliverBy => deadline,
            };
        }
        Some(in_force)
    }

    /// With `occurrence: last` the latest up to the deadline; past it, the first that comes.
    fn stop_of<'a>(
        &self,
        view: &OrderView<'a>,
        beginning: Beginning,
        deadline: Option<Timestamp>,
    ) -> Option<Reached<'a>> {
        let first = self.first_counting(view, &self.stop.milestone, beginning);
        match self.stop.occurrence {
            Occurrence::First => first,
            Occurrence::Last => {
                let limit = deadline.unwrap_or(Timestamp::MAX);
                let stops = self.counting(view, &self.stop.milestone, beginning);
                stops.take_while(|r| r.at <= limit).last().or(first)
            }
        }
    }

    /// `None` without a target.
    fn due<'a>(&self, view: &OrderView<'a>, start: Reached<'a>, ledger: &Ledger) -> Option<Due<'a>> {
        let running = |deadline, allowed| Due { deadline, allowed: Some(allowed), withdrawn: None };
        let promise = match self.target {
            Target::Duration(target) => return Some(running(ledger.deadline(start.at, target), target)),
            Target::BusinessDays(promise) => {
                let (deadline, allowed) = ledger.business_deadline(start.at, &promise)?;
                return Some(running(deadline, allowed));
            }
            Target::PromisedShipBy => |d: &Details| d.promised_ship_by,
            Target::PromisedDeliverBy => |d: &Details| d.promised_deliver_by,
        };
        let stop = view.first(&self.stop.milestone).filter(|_| self.stop.occurrence == Occurrence::First);
        let ended = stop.into_iter().chain(view.first_of(&self.cancel_on)).map(|r| r.at).min();
        let promised = promised_date(self.promise, view, ended, promise)?;
        Some(Due { deadline: Some(promised.date), allowed: None, withdrawn: promised.withdrawn })
    }
}

/// The end of a cycle: the earlier of stop and cancel, the stop at the same instant.
fn first_end<'a>(
    stop: Option<Reached<'a>>,
    cancel: Option<Reached<'a>>,
    deadline: Option<Timestamp>,
) -> Option<End<'a>> {
    let (kind, reached) = match (stop, cancel) {
        (Some(stop), Some(cancel)) if cancel.at < stop.at => (EndKind::Cancelled, cancel),
        (Some(stop), _) => (EndKind::Done, stop),
        (None, Some(cancel)) => (EndKind::Cancelled, cancel),
        (None, None) => return None,
    };
    let in_time = deadline.is_none_or(|deadline| reached.at <= deadline);
    Some(End { kind, at: reached.at, by: reached.event, known_at: reached.known_at, in_time })
}
