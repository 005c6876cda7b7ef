//! What a lane knows of one group, shard by shard, and in which of its queues the group counts.

use std::collections::BTreeMap;

use crate::domain::exception::exception_id;
use crate::domain::{ExceptionId, Subject, Timestamp};
use crate::policy::Backlog;
use crate::policy::backlog::GroupKey;

use super::{WANTED_MAX, Wanting};

/// Which queue a group counts in. `Other` comes last, so that at one grid point it is judged after what may leave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum QueueId {
    /// A group's own.
    Own(GroupKey),
    /// The sum of the groups beyond `max_groups`.
    Other,
}

/// A partial's figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    pub stands: Stands,
    pub entered: i64,
    pub left: i64,
}

/// What stands in a group of one shard's orders; under [`super::stock::STOCK`], what is available of a sku.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    pub depth: i64,
    pub oldest_since: Option<Timestamp>,
    pub wanting: Vec<Wanting>,
}

impl Share {
    pub fn is_nothing(&self) -> bool {
        self.stands.depth == 0 && self.entered == 0 && self.left == 0
    }
}

impl QueueId {
    /// As the exception names it.
    pub fn subject(&self, policy: &Backlog) -> Subject {
        match self {
            QueueId::Own(group) => policy.subject(group),
            QueueId::Other => policy.subject(&GroupKey::other(policy.group_by.len())),
        }
    }

    pub fn exception_id(&self, policy: &Backlog) -> ExceptionId {
        exception_id(&policy.id, "group", &self.subject(policy).key(&policy.id), None)
    }

    /// The inverse of [`QueueId::subject`]; `None` where the policy does not group so.
    pub fn of(policy: &Backlog, subject: &Subject) -> Option<Self> {
        let Subject::Group(pairs) = subject else { return None };
        if !pairs.iter().map(|(name, _)| name).eq(&policy.group_by) {
            return None;
        }
        let group = GroupKey::new(pairs.iter().map(|(_, value)| value.clone()));
        Some(if policy.is_other(&group) { QueueId::Other } else { QueueId::Own(group) })
    }
}

/// The newest orders that must go short, newest first, where so many pieces are missing: who came first is served first.
pub(super) fn unmet(by_shard: &BTreeMap<i32, Stands>, mut missing: i64) -> Vec<Wanting> {
    let mut newest: Vec<&Wanting> = by_shard.values().flat_map(|stands| &stands.wanting).collect();
    newest.sort_by(|a, b| b.cmp(a));
    let goes_short = |wanting: &&&Wanting| {
        let short = missing > 0;
        missing -= wanting.quantity;
        short
    };
    newest.iter().take(WANTED_MAX).take_while(goes_short).map(|wanting| (*wanting).clone()).collect()
}
