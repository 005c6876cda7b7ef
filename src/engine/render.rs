//! A step of a case into the exception that subscribers read.

use crate::domain::exception::exception_id;
use crate::domain::{Event, EventRef, Evidence, Exception, Kind, PolicyRef, Status, Str, Subject, Timestamp};
use crate::policy::case::{Case, CaseClock};
use crate::policy::view::OrderView;
use crate::policy::{Policies, Responsibility, Rung, Settings, escalate};

use super::reconcile::Step;

/// What a policy puts on all of its exceptions.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// SLA or check.
    pub kind: Kind,
    /// The policy's id.
    pub policy: &'a Str,
    /// Tells several exceptions of one policy on one order apart.
    pub discriminator: Option<&'a str>,
    /// Which fulfillment of the order it is about, where it is about one.
    pub fulfillment_id: Option<&'a Str>,
    /// Who answers for it.
    pub responsibility: &'a Responsibility,
    /// What the escalation rungs change.
    pub rungs: &'a [Rung],
}

/// Renders steps of one order.
#[derive(Clone, Copy, Debug)]
pub struct Renderer<'a> {
    /// Topic names, the replay's name.
    pub settings: &'a Settings,
    /// The document in force.
    pub policies: &'a Policies,
}

impl Renderer<'_> {
    /// The exception as it stands after `step`. `before` is what was published of it last. A new incarnation is built
    /// from the case; what follows in it keeps what its opening said. `detected_at` is filled in when it is drained.
    pub fn exception(
        &self,
        label: &Label<'_>,
        view: &OrderView<'_>,
        case: Option<&Case<'_>>,
        step: &Step,
        before: Option<&Exception>,
    ) -> Option<Exception> {
        let anew = before.is_none_or(|b| b.status.has_ended() && !corrects(b.status, step.status));
        let mut exception = match (before, case) {
            (Some(before), _) if !anew => before.clone(),
            (before, Some(case)) => self.fresh(label, view, case, before),
            (_, None) => return None,
        };
        exception.sequence = before.map_or(1, |b| b.sequence.saturating_add(1));
        exception.status = step.status;
        exception.warn_percent = step.warn_percent.or(exception.warn_percent);
        exception.frontier = step.frontier;
        exception.detected_at = step.frontier;
        exception.policy.version = self.policies.version.clone();
        if anew && matches!(step.status, Status::Resolved | Status::Cancelled) {
            self.open(&mut exception, case);
        }
        match step.status {
            Status::Opened => self.open(&mut exception, case),
            Status::Escalated => escalate(&mut exception, label.rungs, step.level),
            Status::Averted | Status::Resolved | Status::Cancelled => self.close(&mut exception, case),
            Status::Retracted => self.retract(&mut exception, case),
            Status::AtRisk => follow(&mut exception, case, self, step.frontier),
        }
        Some(exception)
    }

    fn fresh(&self, label: &Label<'_>, view: &OrderView<'_>, case: &Case<'_>, before: Option<&Exception>) -> Exception {
        let r = label.responsibility;
        let seen = view.as_of(case.started_at);
        let input = seen.condition_input(view.order_id());
        let (owner, route) = (r.owner.pick(&input, Some(case.trigger)), r.route.pick(&input, Some(case.trigger)));
        Exception {
            exception_id: exception_id(label.policy, view.entity().name(), view.order_id(), label.discriminator),
            sequence: 0,
            incarnation: before.map_or(1, |b| b.incarnation.saturating_add(1)),
            kind: label.kind,
            status: Status::Opened,
            policy: PolicyRef { id: label.policy.clone(), version: self.policies.version.clone() },
            subject: Subject::of(view.entity(), Str::new(view.order_id())),
            fulfillment_id: label.fulfillment_id.cloned(),
            severity: r.severity,
            owner,
            route,
            expected_outcome: r.expected_outcome.clone(),
            runbook: r.runbook.clone(),
            source: Some(case.trigger.source.clone()),
            trigger: Some(self.event_ref(case.trigger)),
            started_at: Some(case.started_at),
            deadline: case.deadline,
            breached_at: None,
            ended_at: None,
            closed_by: None,
            target_ms: target_ms(case),
            actual_elapsed_ms: None,
            business_elapsed_ms: None,
            warn_percent: None,
            escalation_level: 0,
            evidence: None,
            frontier: Timestamp::MIN,
            detected_at: Timestamp::MIN,
            attributes: seen.attributes,
            backlog: None,
            check: case.figures.as_deref().cloned(),
            earlier_routes: Vec::new(),
            replay: self.settings.replay.clone(),
        }
    }

    fn open(&self, exception: &mut Exception, case: Option<&Case<'_>>) {
        let Some(case) = case else { return };
        exception.deadline = case.deadline;
        exception.breached_at = case.deadline;
        exception.target_ms = target_ms(case);
        exception.trigger = Some(self.event_ref(case.trigger));
        exception.source = Some(case.trigger.source.clone());
        exception.started_at = Some(case.started_at);
        exception.escalation_level = 0;
        exception.warn_percent = None;
        exception.ended_at = None;
        exception.closed_by = None;
        exception.evidence = Some(if case.end.is_some() { Evidence::Late } else { Evidence::Absent });
        elapse(exception, case, case.deadline);
    }

    fn close(&self, exception: &mut Exception, case: Option<&Case<'_>>) {
        let Some(end) = case.and_then(|case| case.end) else {
            exception.ended_at = None;
            return;
        };
        exception.ended_at = Some(end.at);
        exception.closed_by = Some(self.event_ref(end.by));
        if exception.breached_at.is_some() {
            exception.evidence = Some(Evidence::Late);
        }
        if let Some(case) = case {
            if exception.status == Status::Averted {
                // It may have moved since the warning.
                (exception.deadline, exception.target_ms) = (case.deadline, target_ms(case));
            }
            elapse(exception, case, Some(end.at));
        }
    }

    /// Names what proved it wrong, where one event did.
    fn retract(&self, exception: &mut Exception, case: Option<&Case<'_>>) {
        let proof = case.and_then(|case| case.end).filter(|end| end.in_time);
        exception.ended_at = proof.map(|end| end.at);
        exception.closed_by = proof.map(|end| self.event_ref(end.by));
        if let (Some(case), Some(end)) = (case, proof) {
            elapse(exception, case, Some(end.at));
        }
    }

    /// Names an event so that a person can find it again.
    pub fn event_ref(&self, event: &Event) -> EventRef {
        let topic = self.settings.streams.get(usize::from(event.position.stream.0));
        EventRef {
            event_id: event.event_id.clone(),
            kind: Str::new(event.milestone.as_str()),
            event_time: event.event_time,
            topic: topic.cloned().unwrap_or_default(),
            partition: event.position.partition,
            offset: event.position.offset,
        }
    }
}

/// A close told after another close of the same incarnation: it corrects it and is no new incarnation. Back from
/// cancelled to resolved is one, so that no two states of an exception share a `ce_id`.
fn corrects(before: Status, after: Status) -> bool {
    match after {
        Status::Retracted => matches!(before, Status::Resolved | Status::Cancelled),
        Status::Cancelled => before == Status::Resolved,
        _ => false,
    }
}

fn target_ms(case: &Case<'_>) -> Option<i64> {
    match &case.clock {
        CaseClock::Running { target, .. } => Some(target.get()),
        CaseClock::Promised { .. } | CaseClock::Plain => {
            case.deadline.map(|deadline| (deadline - case.started_at).get())
        }
    }
}

fn elapse(exception: &mut Exception, case: &Case<'_>, until: Option<Timestamp>) {
    let elapsed = until.map(|until| case.elapsed(until));
    exception.actual_elapsed_ms = elapsed.map(|(actual, _)| actual.get());
    exception.business_elapsed_ms = elapsed.map(|(_, business)| business.get());
}

/// A warning says how long it has run at the moment the warning states.
fn follow(exception: &mut Exception, case: Option<&Case<'_>>, renderer: &Renderer<'_>, frontier: Timestamp) {
    let Some(case) = case else { return };
    exception.deadline = case.deadline;
    exception.started_at = Some(case.started_at);
    exception.trigger = Some(renderer.event_ref(case.trigger));
    elapse(exception, case, Some(frontier));
}
