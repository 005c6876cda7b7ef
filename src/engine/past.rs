//! What the facts can no longer show: events that retention removed, or that `start.from` left out, before they were
//! read here (DESIGN section 9, `complete_since`).

use crate::domain::{Millis, Timestamp};
use crate::policy::backlog::Membership;
use crate::policy::checks::CheckKind;
use crate::policy::view::OrderView;

/// How far back a shard's facts are whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    /// From when on every record could be read; `Timestamp::MIN` where all were.
    pub complete_since: Timestamp,
    /// How long an order's records may lie apart.
    pub retain_closed: Millis,
}

impl Past {
    /// Whether a case that began then may be none by events that were never read: the first stop of a cycle, or, of a
    /// check, an earlier event of its order.
    pub fn may_lack(&self, view: &OrderView<'_>, began: Timestamp, check: Option<&CheckKind>) -> bool {
        if self.complete_since == Timestamp::MIN {
            return false;
        }
        let earlier = |kind: &CheckKind| kind.may_lack_its_past(view, began, self.complete_since, self.retain_closed);
        began < self.complete_since || check.is_some_and(earlier)
    }

    /// An order that joined a queue before may have left it before: it counts in none.
    pub fn provable(&self, stays: Vec<Membership>) -> Vec<Membership> {
        match stays.first() {
            Some(first) if first.from.min(first.since) < self.complete_since => Vec::new(),
            _ => stays,
        }
    }
}
