//! One order's facts, as policies read them.

use crate::domain::{AttributeValue, Event, Line, Milestone, Money, Str, Timestamp};

use super::condition::ConditionInput;

/// A milestone that was reached: when, and by which event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached<'a> {
    /// The event's time; for a derived milestone the time at which the sum crossed.
    pub at: Timestamp,
    /// The event, or the one that completed a derived milestone.
    pub event: &'a Event,
}

/// An order's events in (event_time, position) order, with what is derived from them.
#[derive(Clone, Copy, Debug)]
pub struct OrderView<'a> {
    order_id: &'a str,
    events: &'a [Event],
}

/// What was in force of an order at one instant. Borrowed where one event carries it whole.
#[derive(Clone, Debug, Default)]
pub struct AsOf<'a> {
    /// The first order event's source.
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
        OrderView { order_id, events }
    }

    /// The order's id.
    pub fn order_id(&self) -> &'a str {
        self.order_id
    }

    /// Its events.
    pub fn events(&self) -> &'a [Event] {
        self.events
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

// Coming in the next commits (signatures are fixed):
//   fn occurrences(&self, milestone: &Milestone) -> impl Iterator<Item = Reached<'a>>   in order; a derived one has at most one
//   fn first(&self, milestone: &Milestone) -> Option<Reached<'a>>
//   fn last(&self, milestone: &Milestone) -> Option<Reached<'a>>
//   fn as_of(&self, at: Timestamp) -> AsOf<'a>                                           events with event_time <= at
//   fn latest(&self) -> AsOf<'a>                                                         all events
#[allow(dead_code)]
fn signatures(_: &Milestone) {}
