//! The two promises that a catch-up is measured by, and what they come to.

use orderwatch::demo::policies::{PAID, Promise, SHIPPED};
use orderwatch::demo::truth::Counts;
use orderwatch::domain::{Millis, Status};

/// policies.yaml. They give no warnings and do not escalate: which of those a catch-up tells depends on how far its
/// frontier moves at a time, and every build is to publish the same.
pub fn policies(minute: Millis) -> String {
    let sla = |promise: Promise, cycle: &str| {
        format!(
            "  - {{id: {}, {cycle}, cancel_on: [order.cancelled], target: {}s,\n     \
             severity: critical, owner: desk, route: desk, expected_outcome: \"kept\"}}\n",
            promise.id,
            promise.target * minute.get() / 1000
        )
    };
    let paid = sla(PAID, "start: order.placed, stop: order.paid_in_full");
    let held = "pause: {from: order.held, until: order.released}";
    let shipped = sla(SHIPPED, &format!("start: order.paid_in_full, stop: order.fully_shipped, {held}"));
    format!("slas:\n{paid}{shipped}")
}

/// Of all that is true of the shop, what these policies publish. A breach that is cancelled is counted where it opens.
pub fn published(mut counts: Counts) -> Counts {
    counts.retain(|(policy, status), _| is_counted(policy, *status));
    counts
}

/// Whether the truth says how many of these there are.
pub fn is_counted(policy: &str, status: Status) -> bool {
    [PAID.id, SHIPPED.id].contains(&policy) && matches!(status, Status::Opened | Status::Resolved)
}
