//! SLAs: a promise that starts with one milestone and is kept by another, by a deadline.

use std::sync::Arc;

use crate::domain::event::Details;
use crate::domain::{Milestone, Millis, Promise, Str, Timestamp};

use super::calendar::{BusinessDays, Calendar};
use super::case::{Case, CaseClock, End, EndKind};
use super::ledger::Ledger;
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

/// Which promised date counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromiseRule {
    /// The newest that was told before the one in force ran out.
    #[default]
    Latest,
    /// The first alone.
    Original,
}

/// One SLA policy.
#[derive(Debug)]
pub struct Sla {
    /// Stable over edits; part of the exception's id.
    pub id: Str,
    /// Which orders it applies to; all, where there is none.
    pub when: Option<Condition>,
    /// Of the SLAs of one group, all with one start, an order runs the first whose `when` holds.
    pub first_match: Option<Str>,
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

impl Sla {
    /// Whether it has started and its `when` holds, whatever becomes of it.
    pub(super) fn applies(&self, view: &OrderView<'_>) -> bool {
        let ledger = Ledger::of(self.pause.as_ref(), self.calendar.as_ref(), view);
        self.start_of(view, &ledger).is_some_and(|start| self.holds_at(view, start.at))
    }

    fn holds_at(&self, view: &OrderView<'_>, start: Timestamp) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(&view.as_of(start).condition_input(view.order_id())))
    }

    /// What the order's facts say of this SLA; `None` where it has no cycle: not started, `when` does not hold, no
    /// promised date, or cancelled at or before the start.
    pub fn case<'a>(&self, view: &OrderView<'a>) -> Option<Case<'a>> {
        let ledger = Ledger::of(self.pause.as_ref(), self.calendar.as_ref(), view);
        let start = self.start_of(view, &ledger)?;
        if !self.holds_at(view, start.at) {
            return None;
        }
        let (deadline, withdrawn) = self.deadline(view, start, &ledger)?;
        let cancel = self.cancel_of(view, withdrawn);
        if cancel.is_some_and(|cancel| cancel.at <= start.at) {
            return None;
        }
        let clock = match self.target {
            Target::Duration(target) => CaseClock::Running { ledger, target },
            Target::BusinessDays(promise) => {
                let (_, target) = ledger.business_deadline(start.at, &promise)?;
                CaseClock::Running { ledger, target }
            }
            Target::PromisedShipBy | Target::PromisedDeliverBy => CaseClock::Promised { ledger },
        };
        Some(Case {
            trigger: start.event,
            started_at: start.at,
            deadline,
            clock,
            end: first_end(self.stop_of(view, deadline), cancel, deadline),
            figures: None,
            follows: None,
        })
    }

    /// The end by events alone, for a cycle whose start was never read; judged against `deadline`.
    pub fn end<'a>(&self, view: &OrderView<'a>, deadline: Option<Timestamp>) -> Option<End<'a>> {
        first_end(self.stop_of(view, deadline), self.cancel_of(view, None), deadline)
    }

    fn cancel_of<'a>(&self, view: &OrderView<'a>, withdrawn: Option<Reached<'a>>) -> Option<Reached<'a>> {
        let cancels = view.first_of(&self.cancel_on).into_iter().chain(withdrawn);
        cancels.min_by_key(|r| (r.at, r.event.position))
    }

    /// With `occurrence: last` each start moves the cycle, until one comes after the deadline of the one before.
    fn start_of<'a>(&self, view: &OrderView<'a>, ledger: &Ledger) -> Option<Reached<'a>> {
        if self.start.occurrence == Occurrence::First {
            return view.first(&self.start.milestone);
        }
        let mut in_force = view.first(&self.start.milestone)?;
        // A promised date does not hang on the start: one look is enough.
        let mut deadline = self.deadline(view, in_force, ledger).and_then(|(deadline, _)| deadline);
        for next in view.occurrences(&self.start.milestone).skip(1) {
            if deadline.is_some_and(|deadline| next.at > deadline) {
                break;
            }
            in_force = next;
            deadline = match self.target {
                Target::Duration(_) | Target::BusinessDays(_) => self.deadline(view, in_force, ledger)?.0,
                Target::PromisedShipBy | Target::PromisedDeliverBy => deadline,
            };
        }
        Some(in_force)
    }

    /// With `occurrence: last` the latest up to the deadline; past it, the first that comes.
    fn stop_of<'a>(&self, view: &OrderView<'a>, deadline: Option<Timestamp>) -> Option<Reached<'a>> {
        let first = view.first(&self.stop.milestone);
        match self.stop.occurrence {
            Occurrence::First => first,
            Occurrence::Last => {
                let limit = deadline.unwrap_or(Timestamp::MAX);
                view.occurrences(&self.stop.milestone).take_while(|r| r.at <= limit).last().or(first)
            }
        }
    }

    /// The deadline (`None` inside: the clock stands still) and what withdrew the promise; `None` without a target.
    fn deadline<'a>(
        &self,
        view: &OrderView<'a>,
        start: Reached<'a>,
        ledger: &Ledger,
    ) -> Option<(Option<Timestamp>, Option<Reached<'a>>)> {
        let promise = match self.target {
            Target::Duration(target) => return Some((ledger.deadline(start.at, target), None)),
            Target::BusinessDays(promise) => {
                return ledger.business_deadline(start.at, &promise).map(|(deadline, _)| (deadline, None));
            }
            Target::PromisedShipBy => |d: &Details| d.promised_ship_by,
            Target::PromisedDeliverBy => |d: &Details| d.promised_deliver_by,
        };
        let stop = view.first(&self.stop.milestone).filter(|_| self.stop.occurrence == Occurrence::First);
        let ended = stop.into_iter().chain(view.first_of(&self.cancel_on)).map(|r| r.at).min();
        promised_date(self.promise, view, ended, promise)
    }
}

/// Follows the promises in event_time order. A change counts only while the promise in force has not run out, so that
/// a shop cannot promise its breaches away, and only before the cycle's end: what was done in time stays so.
fn promised_date<'a>(
    rule: PromiseRule,
    view: &OrderView<'a>,
    ended: Option<Timestamp>,
    promise: impl Fn(&Details) -> Promise,
) -> Option<(Option<Timestamp>, Option<Reached<'a>>)> {
    let mut in_force: Option<Timestamp> = None;
    let mut withdrawn: Option<(Timestamp, Reached<'a>)> = None;
    for event in view.events().iter().filter(|e| e.is_order()) {
        let told = event.details.as_ref().map_or(Promise::Unchanged, |d| promise(d));
        let too_late = |deadline| event.event_time > deadline || ended.is_some_and(|ended| event.event_time >= ended);
        if told == Promise::Unchanged || in_force.is_some_and(too_late) {
            continue;
        }
        match told {
            Promise::At(date) => {
                in_force = Some(date);
                withdrawn = None;
                if rule == PromiseRule::Original {
                    break;
                }
            }
            Promise::Withdrawn => {
                if let Some(date) = in_force.take() {
                    withdrawn = Some((date, Reached::by(event)));
                }
            }
            Promise::Unchanged => {}
        }
    }
    match (in_force, withdrawn) {
        (Some(date), _) => Some((Some(date), None)),
        (None, Some((date, by))) => Some((Some(date), Some(by))),
        (None, None) => None,
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
