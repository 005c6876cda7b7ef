//! Facts and frontier against what was published: which states to publish now.
//!
//! This is the one place where a status follows from another. It knows no order and no policy, only a case, the rungs
//! and the last published state.

use crate::domain::{Exception, Millis, Status, Timestamp};
use crate::policy::Rung;
use crate::policy::case::{Case, CaseClock, EndKind};

/// The rungs and the grace a case is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    /// Warning percents, ascending.
    pub warn_at: &'a [u8],
    /// Escalation rungs, ascending.
    pub rungs: &'a [Rung],
    /// How long past a due instant the frontier must be.
    pub grace: Millis,
}

/// From where to where the frontier moves. Equal when facts changed and the frontier did not.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// Where it stood.
    pub from: Timestamp,
    /// Where it stands.
    pub to: Timestamp,
}

/// One state to publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The new status.
    pub status: Status,
    /// The warning rung, for `at_risk`.
    pub warn_percent: Option<u8>,
    /// The escalation rung from now on.
    pub level: u32,
    /// The frontier at which it is true.
    pub frontier: Timestamp,
    /// When it was due, for what `publish_after` keeps back.
    pub due: Option<Timestamp>,
}

impl Ladder<'_> {
    /// The frontier that something due at `due` is stated at: right past its grace, or where the frontier stood already
    /// when it became known.
    fn stated(&self, due: Timestamp, moved: Move) -> Timestamp {
        (due + self.grace).next().max(moved.from)
    }

    fn has_fired(&self, due: Timestamp, frontier: Timestamp) -> bool {
        frontier > due + self.grace
    }

    /// The highest warning that is due with no stop known at or before it.
    fn warning(&self, case: &Case<'_>, frontier: Timestamp) -> Option<(u8, Timestamp)> {
        let due = |&percent: &u8| {
            let due = case.warning_due(percent)?;
            let stopped = case.end.is_some_and(|end| end.at <= due);
            (self.has_fired(due, frontier) && !stopped).then_some((percent, due))
        };
        self.warn_at.iter().rev().find_map(due)
    }

    /// The highest escalation that is due, from 1.
    fn escalation(&self, case: &Case<'_>, frontier: Timestamp) -> Option<(u32, Timestamp)> {
        let fired = |(i, rung): (usize, &Rung)| {
            let due = case.rung_due(rung)?;
            self.has_fired(due, frontier).then_some((i as u32 + 1, due))
        };
        self.rungs.iter().enumerate().rev().find_map(fired)
    }

    /// The next instant that the frontier must pass before anything can change by itself.
    pub fn next_due(&self, case: &Case<'_>, frontier: Timestamp) -> Option<Timestamp> {
        if case.ended_in_time().is_some() {
            return None;
        }
        let breached = case.is_breached(frontier, self.grace);
        let warnings = self.warn_at.iter().filter(|_| !breached).filter_map(|p| case.warning_due(*p));
        let rungs = self.rungs.iter().filter(|_| case.end.is_none()).filter_map(|r| case.rung_due(r));
        let due = warnings.chain(case.deadline).chain(rungs);
        due.map(|due| due + self.grace).filter(|key| *key >= frontier).min()
    }

    /// Whether a case of which nothing was published has nothing to publish either, without a look at the steps: most have.
    pub fn is_quiet(&self, case: &Case<'_>, frontier: Timestamp) -> bool {
        let warns = || case.ended_in_time().is_none() && self.warning(case, frontier).is_some();
        !case.is_breached(frontier, self.grace) && !warns()
    }

    /// What to publish so that the published state follows what holds.
    pub fn steps(&self, case: Option<&Case<'_>>, published: Option<&Exception>, moved: Move) -> Vec<Step> {
        match case {
            Some(case) if case.is_breached(moved.to, self.grace) => self.breached(case, published, moved),
            _ => self.unbroken(case, published, moved),
        }
    }

    fn breached(&self, case: &Case<'_>, published: Option<&Exception>, moved: Move) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(deadline) = case.deadline else { return steps };
        let told = published.filter(|p| p.breached_at.is_some() && p.status != Status::Retracted);
        let same = told.filter(|p| p.deadline == Some(deadline));
        let reopened = same.is_some_and(|p| p.status.has_ended()) && case.end.is_none();
        let mut level = same.map_or(0, |p| p.escalation_level);
        let mut at = moved.from;
        let mut open = same.is_some_and(|p| p.status.is_open());
        if same.is_none() || reopened {
            let stands_beside = |p: &Exception| p.status.has_ended() && p.deadline == case.follows;
            if let Some(other) = told.filter(|p| !reopened && !stands_beside(p)) {
                // It was told with another deadline: that breach was none.
                steps.push(Step::new(Status::Retracted, other.escalation_level, at));
            }
            let first_known_past = moved.from > deadline + self.grace;
            let warned = published.filter(|p| p.status == Status::AtRisk).and_then(|p| p.warn_percent);
            if let Some((percent, due)) = self.warning(case, moved.to)
                && !first_known_past
                && !reopened
                && warned < Some(percent)
            {
                steps.push(Step { due: Some(due), ..Step::at_risk(percent, self.stated(due, moved)) });
            }
            at = self.stated(deadline, moved);
            level = 0;
            open = true;
            steps.push(Step { due: Some(deadline), ..Step::new(Status::Opened, 0, at) });
        }
        if case.end.is_none()
            && let Some((rung, due)) = self.escalation(case, moved.to)
            && rung > level
        {
            level = rung;
            at = self.stated(due, moved);
            steps.push(Step { due: Some(deadline), ..Step::new(Status::Escalated, level, at) });
        }
        if let Some(end) = case.end {
            let status = match end.kind {
                EndKind::Done => Status::Resolved,
                EndKind::Cancelled => Status::Cancelled,
            };
            if open || same.is_some_and(|p| p.status != status) {
                steps.push(Step::new(status, level, at.max(moved.from)));
            }
        }
        steps
    }

    fn unbroken(&self, case: Option<&Case<'_>>, published: Option<&Exception>, moved: Move) -> Vec<Step> {
        let told = published.filter(|p| p.status != Status::Retracted);
        if let Some(told) = told.filter(|p| p.breached_at.is_some()) {
            let mut steps = vec![Step::new(Status::Retracted, told.escalation_level, moved.from)];
            // The deadline may have moved on and a warning may stand at the new one.
            steps.extend(case.and_then(|case| self.warn(case, None, moved)));
            return steps;
        }
        let at_risk = told.filter(|p| p.status == Status::AtRisk);
        if let (Some(told), Some(case)) = (at_risk, case)
            && case.ended_in_time().is_none()
            && self.is_void(case, told, moved)
        {
            let mut steps = vec![Step::new(Status::Cancelled, 0, moved.from)];
            steps.extend(self.warn(case, None, moved));
            return steps;
        }
        let ended = case.map_or(Some(EndKind::Cancelled), Case::ended_in_time);
        match (at_risk, ended, case) {
            (Some(_), Some(EndKind::Done), _) => vec![Step::new(Status::Averted, 0, moved.from)],
            (Some(_), Some(EndKind::Cancelled), _) => vec![Step::new(Status::Cancelled, 0, moved.from)],
            (_, None, Some(case)) => self.warn(case, at_risk.and_then(|p| p.warn_percent), moved).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a warning was of a deadline that has moved: it is not due any more, or another date is promised now.
    fn is_void(&self, case: &Case<'_>, told: &Exception, moved: Move) -> bool {
        let due = self.warning(case, moved.to.max(told.frontier)).map(|(percent, _)| percent);
        let promises_another = matches!(case.clock, CaseClock::Promised { .. }) && told.deadline != case.deadline;
        promises_another || told.warn_percent > due
    }

    fn warn(&self, case: &Case<'_>, warned: Option<u8>, moved: Move) -> Option<Step> {
        if case.ended_in_time().is_some() {
            return None;
        }
        let (percent, due) = self.warning(case, moved.to)?;
        (warned < Some(percent)).then(|| Step { due: Some(due), ..Step::at_risk(percent, self.stated(due, moved)) })
    }
}

impl Step {
    fn new(status: Status, level: u32, frontier: Timestamp) -> Self {
        Step { status, warn_percent: None, level, frontier, due: None }
    }

    fn at_risk(percent: u8, frontier: Timestamp) -> Self {
        Step { warn_percent: Some(percent), ..Step::new(Status::AtRisk, 0, frontier) }
    }
}
