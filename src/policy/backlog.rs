//! Backlogs: how many orders stand between two milestones, and how long the oldest has.

use crate::domain::{Milestone, Millis, Str};

use super::sla::Pause;
use super::{Condition, Responsibility, Rung};

/// The bounds of `open_when` or `clear_when`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Orders in the queue.
    pub depth: Option<i64>,
    /// Age of the oldest.
    pub oldest_age: Option<Millis>,
    /// How long the bounds must hold without a break.
    pub held_for: Millis,
}

/// One backlog policy.
#[derive(Debug)]
pub struct Backlog {
    /// Stable over edits; part of the exception's id.
    pub id: Str,
    /// An order joins the queue here.
    pub from: Milestone,
    /// It leaves it here (or when it is cancelled).
    pub until: Milestone,
    /// Which orders count; all, where there is none.
    pub when: Option<Condition>,
    /// An order does not count between these.
    pub exclude_between: Option<Pause>,
    /// Attribute names; one queue for each combination of values.
    pub group_by: Vec<Str>,
    /// Beyond this many groups, the rest are summed as `other`.
    pub max_groups: usize,
    /// Opens when any bound is reached (>=).
    pub open_when: Bounds,
    /// Clears when all bounds are kept (<=) and no opening bound is reached.
    pub clear_when: Bounds,
    /// Ascending by `after`.
    pub escalate_after: Vec<Rung>,
    /// The policy's own grace; `Settings::grace` where it has none.
    pub grace: Option<Millis>,
    /// Who answers for it.
    pub responsibility: Responsibility,
}
