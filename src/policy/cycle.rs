//! Which cycles an order has of an SLA: one, one for each fulfillment (`scope: fulfillment`), one for each time that it
//! starts (`each: true`), or both.

use smallvec::SmallVec;

use crate::domain::exception::percent_encode;
use crate::domain::{Event, Position, Str, Timestamp};

use super::case::Case;
use super::sla::Sla;
use super::view::{OrderView, Reached};

/// What of an order a cycle is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of it.
    #[default]
    Order,
    /// One of its fulfillments.
    Fulfillment,
}

/// One run of an SLA on an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle<'a> {
    /// Which fulfillment it is about, where the policy says `scope: fulfillment` and the order's events name any.
    pub fulfillment_id: Option<&'a Str>,
    /// What the facts say of it.
    pub case: Case<'a>,
}

/// An SLA's cycles on one order: hardly ever more than one.
pub type Cycles<'a> = SmallVec<[Cycle<'a>; 1]>;

/// What tells a cycle from the others that its SLA has on the same order; `None` where it is the only one. Part of the
/// exception's id, so it hangs on nothing that arrives later.
pub type CycleKey = Option<Str>;

/// The event that starts a cycle, as its identity is told.
#[derive(Clone, Copy, Debug)]
pub struct Start<'s> {
    /// Its topic.
    pub topic: &'s str,
    /// Its source.
    pub source: &'s str,
    /// Its source's number for it.
    pub event_id: &'s str,
}

impl Start<'_> {
    /// `orders/webshop/e-1`, after the fulfillment's id where there is one; what is in a part cannot be taken for a border.
    fn key(self, fulfillment_id: Option<&Str>) -> Str {
        let mut key = String::new();
        for part in fulfillment_id.map(Str::as_str).into_iter().chain([self.topic, self.source]) {
            percent_encode(part, &mut key);
            key.push('/');
        }
        percent_encode(self.event_id, &mut key);
        Str::from(key)
    }
}

impl Sla {
    /// The key of a cycle.
    pub fn cycle_key(&self, fulfillment_id: Option<&Str>, start: Start<'_>) -> CycleKey {
        if self.each { Some(start.key(fulfillment_id)) } else { fulfillment_id.cloned() }
    }

    /// Whether this SLA tells its cycles apart as another one does.
    pub fn has_cycles_like(&self, other: &Sla) -> bool {
        (self.scope, self.each) == (other.scope, other.each)
    }

    /// The order's cycles. A start that is not `free` (another SLA has it) begins none.
    pub(super) fn cycles<'a>(
        &self,
        view: &OrderView<'a>,
        free: &dyn Fn(&OrderView<'a>, Reached<'a>) -> bool,
    ) -> Cycles<'a> {
        let mut cycles = Cycles::new();
        if !view.may_have(&self.start.milestone) {
            return cycles;
        }
        if self.scope == Scope::Order {
            self.cycles_in(view, None, free, &mut cycles);
            return cycles;
        }
        let fulfillments = view.fulfillments();
        for &id in &fulfillments {
            self.cycles_in(&view.of_fulfillment(id), Some(id), free, &mut cycles);
        }
        // An order of which no event names a fulfillment is one.
        if fulfillments.is_empty() && view.events().iter().any(Event::is_fulfillment) {
            self.cycles_in(view, None, free, &mut cycles);
        }
        cycles
    }

    /// Whether an order has one cycle of it at the most.
    pub const fn has_one_cycle(&self) -> bool {
        matches!(self.scope, Scope::Order) && !self.each
    }

    /// The only cycle that there is in `view`, where not each start begins one.
    pub(super) fn only_case<'a>(
        &self,
        view: &OrderView<'a>,
        free: impl Fn(&OrderView<'a>, Reached<'a>) -> bool,
    ) -> Option<Case<'a>> {
        if !view.may_have(&self.start.milestone) {
            return None;
        }
        let ledger = self.ledger(view);
        let start = self.start_of(view, &ledger)?;
        if free(view, start) { self.case(view, start, ledger) } else { None }
    }

    fn cycles_in<'a>(
        &self,
        view: &OrderView<'a>,
        fulfillment_id: Option<&'a Str>,
        free: &dyn Fn(&OrderView<'a>, Reached<'a>) -> bool,
        cycles: &mut Cycles<'a>,
    ) {
        let cycle = |case| Cycle { fulfillment_id, case };
        if !self.each {
            cycles.extend(self.only_case(view, free).map(cycle));
            return;
        }
        let ledger = self.ledger(view);
        let starts = view.occurrences(&self.start.milestone).filter(|start| free(view, *start));
        cycles.extend(starts.filter_map(|start| self.case(view, start, ledger.clone())).map(cycle));
    }
}

/// Where a cycle of `each` begins: what came before belongs to those before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// When.
    pub at: Timestamp,
    /// Where its event lies, if that is known.
    pub position: Option<Position>,
}

impl Beginning {
    /// Whether what was reached counts from here on. Within one instant the log says what came first, where it is the same
    /// topic's; between topics nothing does, and a stop or a cancel goes before a start.
    pub fn is_passed(&self, reached: &Reached<'_>) -> bool {
        let by = reached.event.position;
        let logged_before = self.position.is_some_and(|own| own.stream == by.stream && by.offset < own.offset);
        reached.at > self.at || reached.at == self.at && !logged_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::any::bare;
    use crate::domain::{Milestone, StreamId};

    #[test]
    fn every_part_of_a_start_counts() {
        let key = |fulfillment: Option<&'static str>, topic, source, event_id| {
            Start { topic, source, event_id }.key(fulfillment.map(Str::new_static).as_ref())
        };
        assert_eq!(key(None, "handoffs", "web shop", "e/1"), "handoffs/web%20shop/e%2F1");
        let keys = [
            key(None, "a", "b", "c"),
            key(None, "a/b", "c", ""),
            key(None, "a", "b/c", ""),
            key(None, "a", "b%2Fc", ""),
            key(Some("a"), "a", "b", "c"),
            key(Some("f"), "a", "b", "c"),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    fn event(milestone: Milestone, minute: i64, stream: u16, offset: i64) -> Event {
        let position = Position { stream: StreamId(stream), partition: 0, offset };
        Event { position, ..bare(milestone, minute) }
    }

    #[test]
    fn a_cycle_begins_with_its_start() {
        let handed = Milestone::parse("handoff.accepted");
        let start = event(Milestone::parse("handoff.requested"), 10, 1, 5);
        let beginning = Beginning { at: start.event_time, position: Some(start.position) };
        let unknown = Beginning { position: None, ..beginning };
        let counts = |beginning: Beginning, milestone: &Milestone, minute, stream, offset| {
            beginning.is_passed(&Reached::by(&event(milestone.clone(), minute, stream, offset)))
        };
        assert!(!counts(beginning, &handed, 9, 1, 9));
        assert!(counts(beginning, &handed, 11, 1, 1));
        assert!(!counts(beginning, &handed, 10, 1, 4), "the log of one topic says what came first");
        assert!(counts(beginning, &handed, 10, 1, 6));
        assert!(counts(beginning, &handed, 10, 0, 4), "between topics a stop goes before a start");
        assert!(counts(unknown, &handed, 10, 1, 4));
    }
}
