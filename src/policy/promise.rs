//! Promised dates: which one is in force, and what withdrew it.

use crate::domain::event::Details;
use crate::domain::{Promise, Timestamp};

use super::view::{OrderView, Reached};

/// Which promised date counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromiseRule {
    /// The newest that was told before the one in force ran out.
    #[default]
    Latest,
    /// The first alone.
    Original,
}

/// The date that a cycle is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promised<'a> {
    pub date: Timestamp,
    /// What withdrew it, if that is where it stands.
    pub withdrawn: Option<Reached<'a>>,
}

/// Follows the promises in event_time order. A change counts only while the promise in force has not run out, so that
/// a shop cannot promise its breaches away, and only before the cycle's end: what was done in time stays so. From the
/// first promise on that a parcel's own events make, those of the order are nothing to it.
pub(super) fn promised_date<'a>(
    rule: PromiseRule,
    view: &OrderView<'a>,
    ended: Option<Timestamp>,
    promise: impl Fn(&Details) -> Promise,
) -> Option<Promised<'a>> {
    let mut in_force: Option<Timestamp> = None;
    let mut withdrawn: Option<Promised<'a>> = None;
    let mut has_own = false;
    for event in view.seen() {
        let is_own = view.is_own(event);
        let told = event.details.as_ref().map_or(Promise::Unchanged, |d| promise(d));
        if told == Promise::Unchanged || !(is_own || view.is_of_the_whole(event) && !has_own) {
            continue;
        }
        let too_late = |date| event.event_time > date || ended.is_some_and(|ended| event.event_time >= ended);
        let is_first = in_force.is_none() || is_own && !has_own && told != Promise::Withdrawn;
        if in_force.is_some_and(too_late) || rule == PromiseRule::Original && !is_first {
            continue;
        }
        has_own |= is_own;
        match told {
            Promise::At(date) => (in_force, withdrawn) = (Some(date), None),
            Promise::Withdrawn => {
                if let Some(date) = in_force.take() {
                    withdrawn = Some(Promised { date, withdrawn: Some(Reached::by(event)) });
                }
            }
            Promise::Unchanged => {}
        }
    }
    in_force.map(|date| Promised { date, withdrawn: None }).or(withdrawn)
}
