//! `stuck`: nothing was heard of an open order for `after`.
//!
//! It is open from its first event until it is completed, cancelled or fully delivered; what is no order, until
//! `ENTITY.completed` or `ENTITY.cancelled`. The next event ends it, and begins the wait anew.

use crate::domain::{CheckFigures, Millis};
use crate::policy::case::{Case, CaseClock, End, EndKind};
use crate::policy::derived::instants;
use crate::policy::view::OrderView;

/// The only reason.
pub const REASONS: &[&str] = &["silent"];

/// Every silence that was, or will be, too long.
pub fn cases<'a>(view: &OrderView<'a>, after: Millis) -> Vec<Case<'a>> {
    let closed = view.first_of(view.entity().ends());
    let heard: Vec<_> = instants(view.events()).filter_map(<[_]>::last).collect();
    let open = heard.iter().enumerate().filter(|(_, event)| closed.is_none_or(|closed| event.event_time < closed.at));
    let silences = open.filter_map(|(i, event)| {
        let deadline = event.event_time + after;
        let next = heard.get(i + 1).copied();
        if next.is_some_and(|next| next.event_time <= deadline) {
            return None;
        }
        let end = next.map(|next| End {
            kind: EndKind::Done,
            at: next.event_time,
            by: next,
            known_at: next.record_time,
            in_time: false,
        });
        Some(Case {
            trigger: event,
            started_at: event.event_time,
            deadline: Some(deadline),
            clock: CaseClock::Plain,
            end,
            figures: Some(Box::new(CheckFigures::new("stuck", REASONS[0]))),
            follows: None,
        })
    });
    silences.collect()
}
