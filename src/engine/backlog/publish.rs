//! What is published of the queues: the difference between what stands and what was said of it, until it is committed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    AttributeValue, CheckFigures, Exception, ExceptionId, Kind, Millis, OrderPieces, PolicyRef, Status, Str, Subject,
    Timestamp,
};
use crate::engine::Transition;
use crate::policy::backlog::{OVERSOLD, OVERSOLD_REASON};
use crate::policy::condition::ConditionInput;
use crate::policy::escalate;
use crate::policy::{Backlog, Settings};

use super::group::QueueId;
use super::queue::{Open, Queue};
use super::{Grid, Wanting};

/// The last published state of every queue that was ever backed up, and the transitions on their way out.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    /// As of the newest transition made, committed or not: the ones in between are in the two lists below.
    published: BTreeMap<ExceptionId, Exception>,
    /// By the time they ended: when the incarnation need not be remembered any more.
    ended: BTreeSet<(Timestamp, ExceptionId)>,
    outbox: Vec<Transition>,
    in_flight: Vec<Transition>,
    /// Openings that ended before `publish_after`.
    pub kept_back: u64,
}

/// One queue as it was judged.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    pub policy: &'a Backlog,
    pub version: &'a str,
    pub settings: &'a Settings,
    pub id: &'a QueueId,
    pub queue: &'a Queue,
    /// The escalation rung in force.
    pub level: u32,
    /// The grid point that was judged.
    pub at: Timestamp,
    /// The frontier that passes it.
    pub frontier: Timestamp,
    pub grid: Grid,
    /// For a check `oversold` that is open: the orders that cannot be met, newest first.
    pub unmet: Vec<Wanting>,
}

impl Publisher {
    /// Publishes the difference between the verdict and what was said last, if there is one.
    ///
    /// Returns the frontier of the last state where that lies at or past the verdict's (at_least_once: the state was
    /// written and the memory behind it was not): then nothing is said until the queue is judged past it.
    pub fn publish(&mut self, verdict: &Verdict<'_>) -> Option<Timestamp> {
        let open = verdict.queue.clocks.open;
        let last = self.published.get(&verdict.queue.id);
        let stands = last.filter(|last| last.status.is_open());
        let differs = match (open, stands) {
            (Some(_), None) => verdict.at >= verdict.settings.publish_after,
            (Some(_), Some(last)) => verdict.level > last.escalation_level,
            (None, stands) => stands.is_some(),
        };
        if !differs {
            return None;
        }
        if let Some(last) = last
            && last.frontier >= verdict.frontier
        {
            return Some(last.frontier);
        }
        let next = match (open, stands) {
            (Some(open), None) => {
                let next = figured(verdict, opened(verdict, open, last));
                // Its record was lost, and rungs have passed since: both are news.
                let rung = (verdict.level > 0).then(|| escalated(verdict, &next));
                self.push(next);
                rung.into_iter().for_each(|rung| self.push(rung));
                return None;
            }
            (Some(_), Some(last)) => figured(verdict, escalated(verdict, last)),
            (None, Some(last)) => figured(verdict, resolved(verdict, last)),
            (None, None) => return None,
        };
        self.push(next);
        None
    }

    /// Ends what no policy judges any more: its policy is gone, or groups otherwise.
    pub fn cancel(&mut self, id: &ExceptionId, frontier: Timestamp) {
        let Some(last) = self.published.get(id).filter(|last| last.status.is_open()) else { return };
        let frontier = frontier.max(last.frontier.next());
        let next = Exception {
            sequence: last.sequence.saturating_add(1),
            status: Status::Cancelled,
            ended_at: Some(frontier),
            frontier,
            detected_at: frontier,
            ..last.clone()
        };
        self.push(next);
    }

    /// Forgets what ended more than `max_open` before `t`, and says so with a tombstone. No subscriber looks back as far,
    /// so the next incarnation may begin at 1.
    pub fn expire(&mut self, t: Timestamp, max_open: Millis) {
        while self.ended.first().is_some_and(|(ended, _)| *ended + max_open <= t) {
            let Some((_, id)) = self.ended.pop_first() else { return };
            self.published.remove(&id);
            self.outbox.push(Transition::Tombstone(id));
        }
    }

    pub fn restore(&mut self, exception: Exception) {
        self.remember(exception);
    }

    /// Whether nothing is on its way, and what was published of the exception is older than this, or nothing.
    pub fn is_older_than(&self, exception: &Exception) -> bool {
        let known = self.published.get(&exception.exception_id);
        let is_older = known.is_none_or(|known| known.frontier < exception.frontier);
        is_older && self.outbox.is_empty() && self.in_flight.is_empty()
    }

    pub fn is_open(&self, id: &ExceptionId) -> bool {
        self.published.get(id).is_some_and(|last| last.status.is_open())
    }

    pub fn standing(&self) -> impl Iterator<Item = &Exception> {
        self.published.values().filter(|last| last.status.is_open())
    }

    pub fn drain(&mut self, detected_at: Option<Timestamp>) -> Vec<Transition> {
        let mut drained = std::mem::take(&mut self.outbox);
        for transition in &mut drained {
            if let Transition::Publish(exception) = transition {
                exception.detected_at = detected_at.unwrap_or(exception.frontier);
                if let Some(last) = self.published.get_mut(&exception.exception_id) {
                    last.detected_at = exception.detected_at;
                }
            }
        }
        self.in_flight.extend(drained.iter().cloned());
        drained
    }

    pub fn committed(&mut self) {
        self.in_flight.clear();
    }

    pub fn aborted(&mut self) {
        let later = std::mem::replace(&mut self.outbox, std::mem::take(&mut self.in_flight));
        self.outbox.extend(later);
    }

    fn push(&mut self, next: Exception) {
        self.remember(next.clone());
        let next = Box::new(next);
        // Rungs that nobody has been told of yet collapse to the highest.
        let same = |t: &&mut Transition| matches!(t, Transition::Publish(e) if e.exception_id == next.exception_id);
        match self.outbox.iter_mut().rev().find(same) {
            Some(Transition::Publish(e)) if (e.status, next.status) == (Status::Escalated, Status::Escalated) => {
                let sequence = e.sequence;
                if let Some(last) = self.published.get_mut(&next.exception_id) {
                    last.sequence = sequence;
                }
                **e = Exception { sequence, ..*next };
            }
            _ => self.outbox.push(Transition::Publish(next)),
        }
    }

    fn remember(&mut self, next: Exception) {
        let id = next.exception_id.clone();
        let ends = |e: &Exception| e.status.has_ended().then_some((e.ended_at.unwrap_or(e.frontier), id.clone()));
        let new = ends(&next);
        if let Some(old) = self.published.insert(id.clone(), next)
            && let Some(entry) = ends(&old)
        {
            self.ended.remove(&entry);
        }
        self.ended.extend(new);
    }
}

fn opened(verdict: &Verdict<'_>, open: Open, last: Option<&Exception>) -> Exception {
    let Backlog { id, open_when, responsibility, .. } = verdict.policy;
    let subject = verdict.id.subject(verdict.policy);
    let group = attributes(&subject);
    // A condition sees the group's attributes as an order's.
    let input = ConditionInput { id: "", source: None, total: None, lines: &[], attributes: &group };
    Exception {
        exception_id: verdict.queue.id.clone(),
        sequence: last.map_or(1, |last| last.sequence.saturating_add(1)),
        incarnation: last.map_or(1, |last| last.incarnation.saturating_add(1)),
        kind: if verdict.policy.is_oversold() { Kind::Reconciliation } else { Kind::Backlog },
        status: Status::Opened,
        policy: PolicyRef { id: id.clone(), version: verdict.version.into() },
        subject,
        severity: responsibility.severity,
        owner: responsibility.owner.pick(&input, None),
        route: responsibility.route.pick(&input, None),
        expected_outcome: responsibility.expected_outcome.clone(),
        runbook: responsibility.runbook.clone(),
        source: None,
        trigger: None,
        started_at: Some(open.started_at),
        deadline: Some(open.opened_at),
        breached_at: Some(open.opened_at),
        ended_at: None,
        closed_by: None,
        target_ms: Some(open_when.held_for.get()),
        actual_elapsed_ms: Some((open.opened_at - open.started_at).get()),
        business_elapsed_ms: None,
        warn_percent: None,
        escalation_level: 0,
        evidence: None,
        frontier: verdict.frontier,
        detected_at: verdict.frontier,
        attributes: Vec::new(),
        backlog: None,
        check: None,
        earlier_routes: Vec::new(),
        fulfillment_id: None,
        replay: verdict.settings.replay.clone(),
    }
}

/// With the figures at the grid point that was judged.
fn figured(verdict: &Verdict<'_>, next: Exception) -> Exception {
    if !verdict.policy.is_oversold() {
        return Exception { backlog: Some(verdict.queue.figures(verdict.grid, verdict.at)), ..next };
    }
    let sku = match &next.subject {
        Subject::Group(pairs) => pairs.first().and_then(|(_, sku)| sku.clone()),
        _ => None,
    };
    let orders =
        verdict.unmet.iter().map(|unmet| OrderPieces { order_id: unmet.order_id.clone(), quantity: unmet.quantity });
    let check = CheckFigures {
        about: sku,
        expected: verdict.queue.stock.map(|stock| stock.max(0)),
        actual: Some(verdict.queue.depth),
        orders: orders.collect(),
        ..CheckFigures::new(OVERSOLD, OVERSOLD_REASON)
    };
    Exception { check: Some(check), ..next }
}

/// A group's values as an order's attributes, sorted by name.
fn attributes(subject: &Subject) -> Vec<(Str, AttributeValue)> {
    let Subject::Group(pairs) = subject else { return Vec::new() };
    let text = |(name, value): &(Str, Option<Str>)| Some((name.clone(), AttributeValue::Text(value.clone()?)));
    let mut attributes: Vec<_> = pairs.iter().filter_map(text).collect();
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    attributes
}

/// What a later state of one incarnation takes over from the one before.
fn follows(verdict: &Verdict<'_>, last: &Exception) -> Exception {
    Exception {
        sequence: last.sequence.saturating_add(1),
        policy: PolicyRef { id: last.policy.id.clone(), version: verdict.version.into() },
        frontier: verdict.frontier,
        detected_at: verdict.frontier,
        ..last.clone()
    }
}

fn escalated(verdict: &Verdict<'_>, last: &Exception) -> Exception {
    let mut next = Exception { status: Status::Escalated, ..follows(verdict, last) };
    escalate(&mut next, &verdict.policy.escalate_after, verdict.level);
    next
}

fn resolved(verdict: &Verdict<'_>, last: &Exception) -> Exception {
    let lasted = last.started_at.map(|started| (verdict.at - started).get());
    Exception {
        status: Status::Resolved,
        ended_at: Some(verdict.at),
        actual_elapsed_ms: lasted,
        ..follows(verdict, last)
    }
}
