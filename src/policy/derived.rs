//! Derived milestones: `order.paid_in_full`, `order.fully_shipped`, `order.fully_delivered`.
//!
//! Each is the first instant at which a sum reaches what is then in force. Events of one instant count together, and
//! what arrived in which order does not matter: only event_time does (DESIGN section 3).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Event, Line, Money, Standard, Str, Timestamp};

use super::by_currency::ByCurrency;
use super::reaches::Reaches;
use super::view::Reached;

/// The derived milestones of one order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Derived<'a> {
    pub paid_in_full: Option<Reached<'a>>,
    pub fully_shipped: Option<Reached<'a>>,
    pub fully_delivered: Option<Reached<'a>>,
}

impl<'a> Derived<'a> {
    /// `events` in (event_time, position) order.
    pub fn of(events: &'a [Event], reaches: Reaches) -> Self {
        let pieces = |milestone| if reaches.has(milestone) { all_pieces(events, milestone) } else { None };
        Derived {
            paid_in_full: paid_in_full(events),
            fully_shipped: pieces(Standard::FulfillmentShipped),
            fully_delivered: pieces(Standard::FulfillmentDelivered),
        }
    }
}

/// The events of each instant, in time order.
pub(super) fn instants(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    events.chunk_by(|a, b| a.event_time == b.event_time)
}

/// The order's total, where this event sets it.
pub(super) fn sets_total(event: &Event) -> Option<Money> {
    if event.is_order() { event.details.as_ref()?.total } else { None }
}

pub(super) fn sets_lines(event: &Event) -> Option<&[Line]> {
    if event.is_order() { event.details.as_ref()?.lines.as_deref() } else { None }
}

/// The amount this event moves, if it reaches `milestone`.
pub(super) fn amount_of(event: &Event, milestone: Standard) -> Option<Money> {
    if event.milestone == milestone { event.details.as_ref()?.amount } else { None }
}

fn paid_in_full(events: &[Event]) -> Option<Reached<'_>> {
    if !events.iter().any(|e| sets_total(e).is_some()) {
        return first(events, Standard::PaymentCaptured);
    }
    let mut total: Option<(Money, Timestamp)> = None;
    let mut captured: ByCurrency<(i128, Option<Timestamp>)> = ByCurrency::default();
    for instant in instants(events) {
        let mut relevant = None;
        for event in instant {
            if let Some(new_total) = sets_total(event) {
                total = Some((new_total, event.record_time));
                relevant = Some(event);
            } else if let Some(amount) = amount_of(event, Standard::PaymentCaptured) {
                let (sum, known_at) = captured.of(amount.currency);
                *sum += i128::from(amount.amount_minor);
                *known_at = Some(event.record_time).max(*known_at);
                relevant = Some(event);
            }
        }
        let (Some((total, told_at)), Some(event)) = (total, relevant) else { continue };
        let (paid, known_at) = captured.get(total.currency).copied().unwrap_or_default();
        if paid >= i128::from(total.amount_minor) {
            return Some(Reached { known_at: known_at.map_or(told_at, |at| at.max(told_at)), ..Reached::by(event) });
        }
    }
    None
}

fn first(events: &[Event], milestone: Standard) -> Option<Reached<'_>> {
    events.iter().find(|e| e.milestone == milestone).map(Reached::by)
}

/// The first instant at which the parcels that reached `milestone` cover the lines then in force.
fn all_pieces(events: &[Event], milestone: Standard) -> Option<Reached<'_>> {
    let first_parcel = first(events, milestone)?;
    if !events.iter().any(|e| sets_lines(e).is_some_and(|lines| !lines.is_empty())) {
        return Some(first_parcel);
    }
    in_one_parcel(events, milestone).or_else(|| in_sum(events, milestone))
}

/// The same by sums, sku by sku.
fn in_sum(events: &[Event], milestone: Standard) -> Option<Reached<'_>> {
    let mut moved = Moved::default();
    let (mut ordered_at, mut moved_at) = (Timestamp::MIN, Timestamp::MIN);
    for instant in instants(events) {
        let mut relevant = None;
        for event in instant {
            if let Some(lines) = sets_lines(event) {
                moved.order(lines);
                ordered_at = event.record_time;
                relevant = Some(event);
            } else if event.milestone == milestone {
                moved.parcel(event);
                moved_at = event.record_time.max(moved_at);
                relevant = Some(event);
            }
        }
        if let Some(event) = relevant.filter(|_| moved.is_everything()) {
            return Some(Reached { known_at: ordered_at.max(moved_at), ..Reached::by(event) });
        }
    }
    None
}

/// The usual order, which needs no sums: its lines are told once, and one parcel holds just these, or none, which means all of
/// them. `None` where it is another.
fn in_one_parcel(events: &[Event], milestone: Standard) -> Option<Reached<'_>> {
    let only = |is_meant: &dyn Fn(&Event) -> bool| {
        let mut found = events.iter().enumerate().filter(|(_, event)| is_meant(event));
        found.next().filter(|_| found.next().is_none())
    };
    let ordered = only(&|event| sets_lines(event).is_some())?;
    let parcel = only(&|event| event.milestone == milestone)?;
    let (lines, moved) = (sets_lines(ordered.1)?, lines_of(parcel.1));
    let (_, last) = if ordered.0 > parcel.0 { ordered } else { parcel };
    let known_at = ordered.1.record_time.max(parcel.1.record_time);
    (moved.is_empty() || moved == lines).then_some(Reached { known_at, ..Reached::by(last) })
}

/// What was ordered, and what of it has left (or arrived) so far. Kept up line by line, so that an order of a thousand
/// lines in a thousand parcels costs no more than its lines.
#[derive(Default)]
struct Moved<'a> {
    ordered: BTreeMap<&'a Str, i128>,
    pieces: BTreeMap<&'a Str, i128>,
    /// Skus of which fewer pieces moved than were ordered.
    short: usize,
    /// A parcel without lines says "everything", once.
    everything: bool,
    /// The same parcel told twice under two event ids, with equal lines, is one.
    parcels: BTreeSet<(&'a Str, &'a [Line])>,
}

impl<'a> Moved<'a> {
    fn order(&mut self, lines: &'a [Line]) {
        self.ordered.clear();
        for line in lines {
            *self.ordered.entry(&line.sku).or_default() += i128::from(line.quantity);
        }
        let is_short = |(sku, ordered): &(&&Str, &i128)| self.pieces.get(**sku).copied().unwrap_or(0) < **ordered;
        self.short = self.ordered.iter().filter(is_short).count();
    }

    fn parcel(&mut self, event: &'a Event) {
        let lines = lines_of(event);
        self.everything |= lines.is_empty();
        let id = event.details.as_ref().and_then(|d| d.fulfillment_id.as_ref());
        if id.is_some_and(|id| !self.parcels.insert((id, lines))) {
            return;
        }
        for line in lines {
            let ordered = self.ordered.get(&line.sku).copied().unwrap_or(0);
            let pieces = self.pieces.entry(&line.sku).or_default();
            let was_short = *pieces < ordered;
            *pieces += i128::from(line.quantity);
            self.short -= usize::from(was_short && *pieces >= ordered);
        }
    }

    fn is_everything(&self) -> bool {
        let moved = self.everything || !self.pieces.is_empty();
        moved && !self.ordered.is_empty() && (self.everything || self.short == 0)
    }
}

pub(super) fn lines_of(event: &Event) -> &[Line] {
    event.details.as_ref().and_then(|d| d.lines.as_deref()).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::any::bare;
    use crate::domain::event::Details;

    fn lines() -> impl Strategy<Value = Option<Vec<Line>>> {
        let line = (0..2_usize, 0..3_i64).prop_map(|(sku, quantity)| Line { sku: ["A", "B"][sku].into(), quantity });
        proptest::option::weighted(0.9, proptest::collection::vec(line, 0..3))
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let kinds = prop_oneof![Just(Standard::OrderPlaced), Just(Standard::FulfillmentShipped)];
        let event = (kinds, lines(), 0..3_i64, 0..5_i64).prop_map(|(kind, lines, at, told_at)| Event {
            record_time: Timestamp::from_millis(told_at),
            details: Some(Box::new(Details { lines, ..Details::default() })),
            ..bare(kind, at)
        });
        proptest::collection::vec(event, 1..4).prop_map(|mut events| {
            for (offset, event) in (0..).zip(&mut events) {
                event.position.offset = offset;
            }
            events.sort_by_key(Event::order_key);
            events
        })
    }

    proptest! {
        #[test]
        fn one_parcel_with_all_lines_is_what_the_sums_say(events in events()) {
            let has_lines = events.iter().any(|e| sets_lines(e).is_some_and(|lines| !lines.is_empty()));
            let in_one = in_one_parcel(&events, Standard::FulfillmentShipped);
            if has_lines && in_one.is_some() {
                prop_assert_eq!(in_one, in_sum(&events, Standard::FulfillmentShipped));
            }
        }
    }
}
