//! SLAs: a promise that starts with one milestone and is kept by another, by a deadline.

use crate::domain::{Milestone, Millis, Str};

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
    /// Starts the cycle.
    pub start: MilestoneRef,
    /// Keeps the promise.
    pub stop: MilestoneRef,
    /// Ends it without a verdict.
    pub cancel_on: Vec<Milestone>,
    /// Stops its clock.
    pub pause: Option<Pause>,
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
    /// Who answers for it.
    pub responsibility: Responsibility,
}
