//! `scope` and `each` of an SLA, with the fields that they must agree with.

use crate::domain::{Entity, Milestone};
use crate::policy::sla::{MilestoneRef, Occurrence, Target};

use super::read::Fields;

/// What is never about one fulfillment tells no cycle of one from another's.
pub fn scope_makes_sense(f: &mut Fields<'_, '_, '_>, entity: &Entity, start: &Milestone, stop: &Milestone) {
    if !entity.is_order() {
        let message = format!("only orders have fulfillments, and this is about `{entity}`");
        return f.reader.error(f.span("scope"), message);
    }
    let is_whole = |milestone: &Milestone| milestone.is_order();
    match (is_whole(start), is_whole(stop)) {
        (true, true) => {
            let message =
                format!("`{start}` and `{stop}` are of the whole order: no fulfillment has a cycle of its own");
            let help = "take a `fulfillment.*` milestone, or leave `scope` out".to_owned();
            f.reader.error_with_help(f.span("scope"), message, Some(help));
        }
        (false, true) => {
            let message = format!("`{stop}` is of the whole order: it ends the cycles of all its fulfillments");
            f.reader.warn(f.span("stop"), message, None);
        }
        _ => {}
    }
    for (name, milestone) in [("start", start), ("stop", stop)] {
        if milestone.is_payment() {
            let message = format!("a `{milestone}` without a fulfillment_id counts for every fulfillment");
            f.reader.warn(f.span(name), message, None);
        }
    }
}

/// What comes again begins a cycle of its own, so it must be able to, and have a deadline of its own.
pub fn each_makes_sense(
    f: &mut Fields<'_, '_, '_>,
    entity: &Entity,
    start: &MilestoneRef,
    stop: &MilestoneRef,
    target: Target,
) {
    if entity.is_for_good(&start.milestone) {
        let message = format!("`{}` is reached once: `each` has nothing to repeat", start.milestone);
        f.reader.error(f.span("each"), message);
    }
    for (name, milestone) in [("start", start), ("stop", stop)] {
        if milestone.occurrence == Occurrence::Last {
            let message = "with `each` every start has its own cycle and its own stop: `occurrence: last` has no place";
            f.reader.error(f.span(name), message);
        }
    }
    if target.is_promised() {
        let message = "a promised date is not of one cycle: with `each` one broken promise would be told many times";
        f.reader.error(f.span("target"), message);
    }
}
