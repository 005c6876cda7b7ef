//! One order's facts, as policies read them.

use crate::domain::entity::{Entity, ORDER};
use crate::domain::{AttributeValue, Event, Line, Milestone, Money, Standard, Str, Timestamp};

use super::condition::ConditionInput;
use super::derived::Derived;
use super::reaches::Reaches;

/// A milestone that was reached: when, and by which event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached<'a> {
    /// The event's time; for a derived milestone the time at which the sum crossed.
    pub at: Timestamp,
    /// The event, or the one that completed a derived milestone.
    pub event: &'a Event,
    /// In record time: since when it can be known. For a derived milestone the latest of all events that count in it.
    pub known_at: Timestamp,
}

impl<'a> Reached<'a> {
    /// What one event reached by itself.
    pub fn by(event: &'a Event) -> Self {
        Reached { at: event.event_time, event, known_at: event.record_time }
    }
}

/// An order's events in (event_time, position) order, with what is derived from them. A checkout, a return or whatever
/// else a stream is about is seen in the same way; only orders have derived milestones.
#[derive(Clone, Copy, Debug)]
pub struct OrderView<'a> {
    entity: &'a Entity,
    order_id: &'a str,
    events: &'a [Event],
    reaches: Reaches,
    derived: Derived<'a>,
    /// Whose eyes it is seen with: what is about another fulfillment is not there.
    fulfillment: Option<&'a Str>,
}

/// What was in force of an order at one instant. Borrowed where one event carries it whole.
#[derive(Clone, Debug, Default)]
pub struct AsOf<'a> {
    /// The source of the first event of the whole.
    pub source: Option<&'a str>,
    /// The total then in force.
    pub total: Option<Money>,
    /// The lines then in force.
    pub lines: &'a [Line],
    /// The attributes then in force, sorted by name, without nulls.
    pub attributes: Vec<(Str, AttributeValue)>,
}

impl<'a> OrderView<'a> {
    /// `events` must be in (event_time, position) order, each identity once.
    pub fn new(order_id: &'a str, events: &'a [Event]) -> Self {
        OrderView::of(&ORDER, order_id, events)
    }

    /// The same for any entity.
    pub fn of(entity: &'a Entity, order_id: &'a str, events: &'a [Event]) -> Self {
        debug_assert!(events.is_sorted_by_key(Event::order_key));
        let reaches = Reaches::of(events);
        let derived = if entity.is_order() { Derived::of(events, reaches) } else { Derived::default() };
        OrderView { entity, order_id, events, reaches, derived, fulfillment: None }
    }

    /// The order as one of its fulfillments sees it: with its own events, and with those that name none. What is derived
    /// stays the whole order's.
    pub fn of_fulfillment(self, id: &'a Str) -> Self {
        OrderView { fulfillment: Some(id), ..self }
    }

    /// The fulfillments that its events name, sorted.
    pub fn fulfillments(&self) -> Vec<&'a Str> {
        let mut named: Vec<&Str> = self.events.iter().filter_map(Event::fulfillment_id).collect();
        named.sort_unstable();
        named.dedup();
        named
    }

    /// What it is.
    pub fn entity(&self) -> &'a Entity {
        self.entity
    }

    /// The order's id.
    pub fn order_id(&self) -> &'a str {
        self.order_id
    }

    /// Its events, all of them.
    pub fn events(&self) -> &'a [Event] {
        self.events
    }

    /// Those that are not about another fulfillment.
    pub fn seen(&self) -> impl DoubleEndedIterator<Item = &'a Event> + use<'a> {
        let own = self.fulfillment;
        let is_another = move |event: &Event| own.is_some() && event.fulfillment_id().is_some_and(|id| Some(id) != own);
        self.events.iter().filter(move |event| !is_another(event))
    }

    /// Whether an event names the fulfillment whose view this is.
    pub fn is_own(&self, event: &Event) -> bool {
        self.fulfillment.is_some() && event.fulfillment_id() == self.fulfillment
    }

    /// False where no event can have reached it: most questions are about such a milestone, and end here.
    pub fn may_have(&self, milestone: &Milestone) -> bool {
        match milestone.is_derived() {
            true => self.derived(milestone).is_some(),
            false => self.reaches.may_have(milestone),
        }
    }

    /// Every time the milestone was reached, in order; a derived one at most once.
    pub fn occurrences(&self, milestone: &Milestone) -> impl DoubleEndedIterator<Item = Reached<'a>> {
        let derived = self.derived(milestone);
        let milestone = milestone.clone();
        // No event has a derived one's name.
        let plain = self.seen().filter(move |e| e.milestone == milestone);
        plain.map(Reached::by).chain(derived)
    }

    /// The first time it was reached.
    pub fn first(&self, milestone: &Milestone) -> Option<Reached<'a>> {
        if milestone.is_derived() {
            return self.derived(milestone);
        }
        if !self.reaches.may_have(milestone) {
            return None;
        }
        self.seen().find(|e| e.milestone == *milestone).map(Reached::by)
    }

    /// The first time any of them was reached.
    pub fn first_of<'m>(&self, milestones: impl IntoIterator<Item = &'m Milestone>) -> Option<Reached<'a>> {
        milestones.into_iter().filter_map(|m| self.first(m)).min_by_key(|r| (r.at, r.event.position))
    }

    fn derived(&self, milestone: &Milestone) -> Option<Reached<'a>> {
        match milestone {
            Milestone::Standard(Standard::OrderPaidInFull) => self.derived.paid_in_full,
            Milestone::Standard(Standard::OrderFullyShipped) => self.derived.fully_shipped,
            Milestone::Standard(Standard::OrderFullyDelivered) => self.derived.fully_delivered,
            _ => None,
        }
    }

    /// Whether an event says what holds for the whole of it: its total, lines, promises and source. Of an order only
    /// `order.*` does; what is about another entity is never about a payment or a parcel.
    pub fn is_of_the_whole(&self, event: &Event) -> bool {
        !self.entity.is_order() || event.is_order()
    }

    /// What was in force at `at`: from events with event_time <= `at`, the newest first.
    pub fn as_of(&self, at: Timestamp) -> AsOf<'a> {
        let mut seen = AsOf::default();
        for event in self.seen().take_while(|e| e.event_time <= at) {
            let of_the_whole = self.is_of_the_whole(event);
            if of_the_whole && seen.source.is_none() {
                seen.source = Some(&event.source);
            }
            let Some(details) = &event.details else { continue };
            if of_the_whole {
                seen.total = details.total.or(seen.total);
                seen.lines = details.lines.as_deref().unwrap_or(seen.lines);
            }
            for (name, value) in &details.attributes {
                match seen.attributes.binary_search_by(|(n, _)| n.cmp(name)) {
                    Ok(i) => seen.attributes[i].1 = value.clone(),
                    Err(i) => seen.attributes.insert(i, (name.clone(), value.clone())),
                }
            }
        }
        seen.attributes.retain(|(_, value)| !value.is_null());
        seen
    }

    /// What is in force by all that is known.
    pub fn latest(&self) -> AsOf<'a> {
        self.as_of(Timestamp::MAX)
    }
}

impl AsOf<'_> {
    /// What a condition sees.
    pub fn condition_input<'s>(&'s self, order_id: &'s str) -> ConditionInput<'s> {
        ConditionInput {
            id: order_id,
            source: self.source,
            total: self.total,
            lines: self.lines,
            attributes: &self.attributes,
        }
    }
}
