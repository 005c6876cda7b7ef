//! Facts are a set: the same events give the same facts in any order, with any repeats and splits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::story::*;
use crate::domain::{Event, Exception, ExceptionId, Milestone, Position, Status, StreamId, Timestamp};
use crate::engine::order::Order;
use crate::policy::cycle::Scope;
use crate::policy::sla::Sla;
use crate::policy::view::OrderView;

const KINDS: [&str; 10] = [
    "order.placed",
    "order.changed",
    "order.held",
    "order.released",
    "order.cancelled",
    "payment.captured",
    "payment.refunded",
    "fulfillment.shipped",
    "handoff.requested",
    "handoff.accepted",
];

/// Few ids, times and offsets, so that repeats, conflicts and ties are common.
pub(super) fn any_event() -> impl Strategy<Value = Event> {
    let parcel = proptest::option::of(0..2usize);
    let numbers = (0..KINDS.len(), 0..6i64, 0..8usize, 0..200i64, 0..3i64, parcel);
    numbers.prop_map(|(kind, minute, id, offset, amount, parcel)| {
        let mut e = event(KINDS[kind], minute);
        e.event_id = format!("e{id}").into();
        e.position = Position { stream: StreamId(e.position.stream.0), partition: 0, offset };
        with(e, |d| {
            d.amount = Some(money(amount * 50));
            d.total = Some(money(100));
            d.fulfillment_id = parcel.map(|n| format!("f-{n}").into());
        })
    })
}

/// One record an offset: what a log can hold.
fn log() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 0..24).prop_map(|mut events| {
        events.sort_by_key(|e| e.position);
        events.dedup_by_key(|e| e.position);
        events
    })
}

fn merged(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut order = Order::default();
    for event in events {
        order.merge(event).unwrap();
    }
    order.events
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(
        events in log(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let in_log_order = merged(events.clone());
        let repeats: Vec<Event> = order.iter().filter(|_| !events.is_empty()).map(|i| i.get(&events).clone()).collect();
        let shuffled = merged(repeats.iter().cloned().chain(events.iter().rev().cloned()).chain(repeats.iter().cloned()));
        prop_assert_eq!(&in_log_order, &shuffled);
        let cut = if events.is_empty() { 0 } else { cut.index(events.len()) };
        let (left, right) = (merged(events[cut..].to_vec()), merged(events[..cut].to_vec()));
        prop_assert_eq!(&in_log_order, &merged(left.into_iter().chain(right)));
    }

    #[test]
    fn derived_milestones_do_not_depend_on_arrival(events in log()) {
        let facts = merged(events.clone());
        let backwards = merged(events.into_iter().rev());
        for name in ["order.paid_in_full", "order.fully_shipped", "order.fully_delivered"] {
            let milestone = Milestone::parse(name);
            let a = OrderView::new("o-1", &facts).first(&milestone).map(|r| r.at);
            let b = OrderView::new("o-1", &backwards).first(&milestone).map(|r| r.at);
            prop_assert_eq!(a, b);
        }
    }

    /// However the log is cut into batches, and whatever the order of arrival across topics, what stands at the end
    /// is the same (DESIGN section 4: open, resolved, cancelled after a breach).
    #[test]
    fn what_stands_at_the_end_does_not_depend_on_batches(events in log(), batch in 1..6usize, backwards in any::<bool>()) {
        let policy = || {
            let each = Sla { id: "each".into(), each: true, ..sla("handoff.requested", "handoff.accepted", 2) };
            let parcels = Sla { scope: Scope::Fulfillment, ..sla("order.placed", "fulfillment.shipped", 2) };
            let both = Sla { scope: Scope::Fulfillment, id: "both".into(), ..sla("handoff.requested", "handoff.accepted", 1) };
            let slas = vec![sla("order.placed", "payment.captured", 2), each, Sla { id: "parcels".into(), ..parcels }];
            policies(slas.into_iter().chain([Sla { each: true, ..both }]).collect(), vec![])
        };
        let mut one_by_one = Story::new(policy());
        let mut by_time = events.clone();
        by_time.sort_by_key(|e| (e.record_time, e.position));
        for e in by_time {
            one_by_one.shard.advance(e.record_time);
            one_by_one.shard.apply(e.clone(), e.record_time).unwrap();
            one_by_one.listen();
        }
        one_by_one.advance(100_000);
        let mut batched = Story::new(policy());
        let mut arrival = events.clone();
        if backwards {
            arrival.reverse();
        }
        for chunk in arrival.chunks(batch) {
            for e in chunk {
                batched.shard.apply(e.clone(), e.record_time).unwrap();
            }
            batched.listen();
        }
        batched.advance(100_000);
        prop_assert_eq!(standing(&one_by_one), standing(&batched));
    }
}

/// The last state of each exception, where it is one that two runs must agree on.
pub(super) fn standing(story: &Story) -> BTreeMap<ExceptionId, (&'static str, Option<Timestamp>)> {
    let last: BTreeMap<&ExceptionId, &Exception> = story.published.iter().map(|e| (&e.exception_id, e)).collect();
    let stands = |e: &&&Exception| e.breached_at.is_some() && e.status != Status::Retracted;
    let state = |e: &Exception| (if e.status.is_open() { "open" } else { e.status.as_str() }, e.deadline);
    last.values().filter(stands).map(|e| (e.exception_id.clone(), state(e))).collect()
}
