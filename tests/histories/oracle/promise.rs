//! Which promised date counts.

use super::facts::Facts;
use super::{Event, Promise, Target, Which};

/// A promise that counts.
pub(super) struct Promised {
    pub(super) deadline: i64,
    /// When it was withdrawn, which cancelled the cycle.
    pub(super) withdrawn: Option<i64>,
}

/// The promise that counts for a cycle whose work was done, or called off, at `done_at`.
/// `None` where nothing is promised.
pub(super) fn promised(facts: &Facts, target: Target, done_at: Option<i64>) -> Option<Promised> {
    let (of, which): (fn(&Event) -> Promise, _) = match target {
        Target::PromisedShipBy(which) => (|event| event.promised_ship_by, which),
        Target::PromisedDeliverBy(which) => (|event| event.promised_deliver_by, which),
        Target::Duration(_) | Target::BusinessDays { .. } => return None,
    };
    // Only the order's own events promise (R9).
    let said =
        facts.events().filter(|event| event.kind.starts_with("order.")).map(|event| (event.event_time, of(event)));
    let said: Vec<(i64, Promise)> = said.filter(|(_, promise)| *promise != Promise::Absent).collect();
    match which {
        Which::Original => original(&said),
        Which::Latest => latest(&said, done_at),
    }
}

/// The first date alone: no change and no withdrawal touches it (R12).
fn original(said: &[(i64, Promise)]) -> Option<Promised> {
    said.iter().find_map(|(_, promise)| match promise {
        Promise::At(deadline) => Some(Promised { deadline: *deadline, withdrawn: None }),
        Promise::Withdrawn | Promise::Absent => None,
    })
}

/// The newest that was made in time. What is said counts only at or before the deadline then in force, and before the
/// work was done (R10); a promise counts whenever it is made while none is in force. What is taken back, and not made
/// again, cancels (R11).
fn latest(said: &[(i64, Promise)], done_at: Option<i64>) -> Option<Promised> {
    let mut in_force: Option<i64> = None;
    let mut taken_back: Option<Promised> = None;
    for (at, promise) in said {
        let is_done = done_at.is_some_and(|done| done <= *at);
        if in_force.is_some_and(|deadline| *at > deadline || is_done) {
            continue;
        }
        match promise {
            Promise::At(deadline) => in_force = Some(*deadline),
            Promise::Withdrawn => {
                if let Some(deadline) = in_force.take() {
                    taken_back = Some(Promised { deadline, withdrawn: Some(*at) });
                }
            }
            Promise::Absent => {}
        }
    }
    in_force.map(|deadline| Promised { deadline, withdrawn: None }).or(taken_back)
}
