//! What is unpacked is what was packed, to the letter and the bit.

use proptest::prelude::*;

use super::*;
use crate::domain::any;
use crate::domain::event::Details;
use crate::domain::{AttributeValue, Event, Line, Milestone, Promise, Timestamp};
use crate::engine::order::Order;
use crate::engine::shard::Applied;

fn unpacked(codebook: &Codebook, facts: &[u8], spare: &mut Spare) -> (EntityId, Option<Timestamp>, Vec<Event>) {
    let mut events = Vec::new();
    let head = codebook.unpack(Facts(facts), spare, &mut events);
    assert_eq!((head.id, Facts(facts).id()), ("o-1", "o-1".as_bytes()));
    (head.entity, head.closed_at, events)
}

fn head(entity: u16, closed_at: Option<i64>) -> Head<'static> {
    Head { id: "o-1", entity: EntityId(entity), closed_at: closed_at.map(Timestamp::from_millis) }
}

fn packed(codebook: &mut Codebook, head: Head<'_>, events: &[Event]) -> Vec<u8> {
    codebook.pack(head, events, None).unwrap().0.to_vec()
}

proptest! {
    /// Orders one after the other, as a shard packs them: what was common to those before has a number by then, and boxes
    /// are used again.
    #[test]
    fn unpacking_gives_back_what_was_packed(
        orders in prop::collection::vec((any::<u16>(), any::<Option<i64>>(), prop::collection::vec(any::event(), 0..6)), 1..6),
        again in 1..3usize,
    ) {
        let (mut codebook, mut spare) = (Codebook::default(), Spare::default());
        let mut all = Vec::new();
        for (entity, closed_at, events) in std::iter::repeat_n(&orders, again + 1).flatten() {
            all.push((packed(&mut codebook, head(*entity, *closed_at), events), *entity, *closed_at, events));
        }
        for (facts, entity, closed_at, events) in all {
            let mut found = unpacked(&codebook, &facts, &mut spare);
            prop_assert_eq!(&found.2, events);
            prop_assert_eq!((found.0, found.1), (EntityId(entity), closed_at.map(Timestamp::from_millis)));
            spare.take(&mut found.2);
        }
    }

    /// An order that comes to rest again after each event, in any order of arrival, with its first events taken over as bytes
    /// where they may be.
    #[test]
    fn what_rests_in_between_stays_what_it_is(events in prop::collection::vec(any::event(), 1..9), closes in any::<u8>()) {
        let (mut codebook, mut spare) = (Codebook::default(), Spare::default());
        let (mut plain, mut resting, mut store) = (Order::default(), Order::default(), Store::default());
        for (i, event) in events.into_iter().enumerate() {
            let merged = plain.merge(event.clone());
            prop_assert_eq!(resting.merge(event), merged);
            let closed_at = (closes >> (i % 8) & 1 == 1).then_some(i as i64);
            let known = resting.packed.filter(|(_, known)| *known > 0);
            let known = known.map(|(handle, known)| (Facts(store.get(handle)).0.to_vec(), known));
            let known = known.as_ref().map(|(facts, known)| (Facts(facts), *known));
            let handle = match codebook.pack(head(0, closed_at), &resting.events, known) {
                Some(facts) => store.put(0, facts.0).unwrap(),
                None => resting.packed.unwrap().0,
            };
            resting.events.clear();
            let (_, found, events) = unpacked(&codebook, store.get(handle), &mut spare);
            prop_assert_eq!(found, closed_at.map(Timestamp::from_millis));
            resting.events = events;
            resting.packed = Some((handle, resting.events.len()));
            prop_assert_eq!(&plain.events, &resting.events);
        }
    }
}

/// What becomes of an order to which events come one by one, and how many joined: each joins the facts where they lie if it can,
/// and is merged otherwise.
fn joined(codebook: &mut Codebook, events: &[Event]) -> (Vec<u8>, Vec<Event>, usize) {
    let (mut facts, mut order, mut joins) = (packed(codebook, head(0, None), &[]), Order::default(), 0);
    for event in events {
        let skimmed = codebook.skim(Facts(&facts), event);
        let merged = order.merge(event.clone());
        if let Some(skimmed) = skimmed {
            assert!(matches!(merged, Ok((Applied::New, _))), "{merged:?}");
            assert_eq!(skimmed.first_record_time, before_last(&order).map(|e| e.record_time).min().unwrap());
            assert_eq!(skimmed.last_record_time, before_last(&order).map(|e| e.record_time).max().unwrap());
            facts = codebook.append(&skimmed, event).0.to_vec();
            joins += 1;
        } else {
            facts = packed(codebook, head(0, None), &order.events);
        }
        assert_eq!(unpacked(codebook, &facts, &mut Spare::default()).2, order.events);
    }
    (facts, order.events, joins)
}

fn before_last(order: &Order) -> impl Iterator<Item = &Event> {
    order.events.iter().take(order.events.len() - 1)
}

proptest! {
    /// In any order of arrival, told again, and with others' shapes known or not.
    #[test]
    fn what_joins_the_facts_is_what_would_be_merged(
        orders in prop::collection::vec(prop::collection::vec(any::event(), 1..9), 1..5),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut codebook = Codebook::default();
        for events in orders.iter().chain(&orders) {
            let mut events = events.clone();
            for (offset, index) in (0..).zip(&again) {
                let mut event = index.get(&events).clone();
                // The same record, the same told later, and another of the same identity.
                event.position.offset = event.position.offset.saturating_add(offset);
                event.event_time = Timestamp::from_millis(event.event_time.as_millis().saturating_add(offset / 2));
                events.push(event);
            }
            joined(&mut codebook, &events);
            events.sort_by_key(Event::order_key);
            joined(&mut codebook, &events);
        }
    }
}

/// What the shop of the benches sends.
#[test]
fn events_in_their_order_join_the_facts() {
    let mut codebook = Codebook::default();
    let told = |number: usize| {
        let mut event = placed(number);
        event.record_time = event.event_time;
        event
    };
    let events: Vec<Event> = (0..40).map(told).collect();
    joined(&mut codebook, &events);
    let (facts, known, joins) = joined(&mut codebook, &events);
    assert_eq!(known, events);
    // The first begins the order, and one of so many joins no more.
    assert_eq!(joins, 32);
    assert_eq!(facts, packed(&mut codebook, head(0, None), &known), "as if it had been packed at once");
}

#[test]
fn what_the_bounds_refuse_does_not_join() {
    let mut codebook = Codebook::default();
    let amount = |number: usize, amount_minor: i64| {
        let mut event = placed(number);
        let currency = crate::domain::Currency::parse("EUR").unwrap();
        event.details.as_mut().unwrap().amount = Some(crate::domain::Money { amount_minor, currency });
        event
    };
    let first = amount(1, i64::MAX);
    let mut pack = || packed(&mut codebook, head(0, None), std::slice::from_ref(&first));
    // Its shape has a number from the second time on.
    let (_, facts) = (pack(), pack());
    assert!(codebook.skim(Facts(&facts), &amount(2, 1)).is_none());
    assert!(codebook.skim(Facts(&facts), &amount(2, 0)).is_some());
}

fn placed(number: usize) -> Event {
    let mut event = crate::engine::tests::story::event("order.placed", number as i64);
    event.event_id = format!("{number:08x}-0000-4000-8000-000000000000").into();
    event.details = Some(Box::new(Details {
        lines: Some(vec![Line { sku: format!("sku-{}", number % 50).into(), quantity: 1 }]),
        attributes: vec![
            ("channel".into(), AttributeValue::Text(["web", "app"][number % 2].into())),
            ("customer".into(), AttributeValue::Text(format!("customer-{number}").into())),
        ],
        promised_ship_by: Promise::At(event.event_time),
        payment_id: Some("p-1".into()),
        ..Details::default()
    }));
    event
}

#[test]
fn what_is_an_orders_own_gets_no_number() {
    let mut codebook = Codebook::default();
    for number in 0..10_000 {
        packed(&mut codebook, head(0, None), &[placed(number)]);
    }
    assert_eq!(codebook.values.all().len(), 2, "the channels");
    assert_eq!(codebook.names.all().len(), 2);
    // Two that take turns in one place of what was met keep each other out.
    assert!((40..=50).contains(&codebook.skus.all().len()), "{} of 50", codebook.skus.all().len());
}

#[test]
fn a_full_codebook_spells_out_what_is_new() {
    let (mut codebook, mut spare) = (Codebook::default(), Spare::default());
    let shaped = |number: usize| {
        let mut event = placed(0);
        event.milestone = Milestone::parse(&format!("step.{number}"));
        event.source = format!("source-{number}").into();
        event
    };
    for number in 0..6_000 {
        let event = [shaped(number)];
        let sizes = [(); 2].map(|()| packed(&mut codebook, head(0, None), &event));
        for facts in &sizes {
            assert_eq!(unpacked(&codebook, facts, &mut spare).2, event);
        }
        assert_eq!(sizes[1].len() < sizes[0].len(), number < shape::MAX_SHAPES, "shape {number}");
    }
}

#[test]
fn a_field_that_repeats_an_earlier_event_costs_a_byte() {
    let mut codebook = Codebook::default();
    let (mut one, mut other) = (placed(1), placed(2));
    packed(&mut codebook, head(0, None), &[one.clone(), other.clone()]);
    let same = packed(&mut codebook, head(0, None), &[one.clone(), other.clone()]).len();
    one.details.as_mut().unwrap().payment_id = Some("a-payment-of-its-own".into());
    other.details.as_mut().unwrap().payment_id = Some("a-payment-of-its-own".into());
    let longer = packed(&mut codebook, head(0, None), &[one, other]).len();
    assert_eq!(longer - same, "a-payment-of-its-own".len() - "p-1".len());
}
