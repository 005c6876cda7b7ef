//! Backlogs: how many orders stand between two milestones, and how long the oldest has.

use std::sync::Arc;

use crate::domain::{Entity, Milestone, Millis, Str, Subject, Timestamp};

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
    /// What stands in it.
    pub entity: Entity,
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

/// Which of a policy's queues: the values of its `group_by` attributes, in the policy's order; `None` where an order has
/// none, which is a group of its own. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupKey(Arc<[Option<Str>]>);

/// One stay of an order in one of a policy's queues: it counts at `t` where `from <= t < until`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// Which queue.
    pub group: GroupKey,
    /// From here on it counts.
    pub from: Timestamp,
    /// Here it does not any more.
    pub until: Option<Timestamp>,
    /// From where its age counts: earlier than `from` where it came over from another group.
    pub since: Timestamp,
}

impl GroupKey {
    /// The group with these values.
    pub fn new(values: impl IntoIterator<Item = Option<Str>>) -> Self {
        GroupKey(values.into_iter().collect())
    }

    /// The sum of the groups beyond `max_groups`, for a policy that groups by `attributes` attributes: each is "other".
    pub fn other(attributes: usize) -> Self {
        GroupKey::new(std::iter::repeat_n(Some(Str::new_static(OTHER)), attributes))
    }

    /// The values, in the policy's order.
    pub fn values(&self) -> &[Option<Str>] {
        &self.0
    }

    /// True for what [`GroupKey::other`] makes.
    pub fn is_other(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|value| value.as_deref() == Some(OTHER))
    }
}

impl Backlog {
    /// As exceptions name a group.
    pub fn subject(&self, group: &GroupKey) -> Subject {
        Subject::Group(self.group_by.iter().cloned().zip(group.values().iter().cloned()).collect())
    }
}

const OTHER: &str = "other";
