//! Copies of a shard: what comes back as it lay is what comes back event by event.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::properties::any_event;
use super::recovery::{copied, orders_of};
use super::story::*;
use crate::domain::Event;
use crate::engine::{Held, PackedOrders, RestoredOrder, Restoring, Shard, Stored, Transition, Unpacker};

fn muted() -> Shard {
    let document = policies(vec![sla("order.placed", "payment.captured", 60)], vec![]);
    let mut shard = Shard::new(0, Arc::new(document), Arc::new(settings()));
    shard.mute();
    shard
}

/// Events of some orders, each with an offset of its own.
fn of_orders() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..12_u32, any_event()), 0..60).prop_map(|events| {
        let numbered = (0..).zip(events).map(|(offset, (order, mut event))| {
            (event.order_id, event.position.offset) = (format!("o-{order}").into(), offset);
            event
        });
        numbered.collect()
    })
}

fn apply(shard: &mut Shard, events: impl IntoIterator<Item = Event>) {
    for event in events {
        let at = event.record_time;
        shard.apply(event, at).unwrap();
    }
}

fn restored(stored: Vec<Stored>) -> Shard {
    let mut shard = muted();
    let mut restoring = Restoring::new(&mut shard);
    stored.into_iter().for_each(|stored| restoring.take(stored));
    assert_eq!(restoring.finish().1, 0);
    shard
}

fn unpacked(copy: &[PackedOrders]) -> Vec<Stored> {
    let (mut stored, mut unpacker) = (Vec::new(), Unpacker::default());
    copy.iter().for_each(|packed| unpacker.read(packed, &mut |order| stored.push(Stored::Order(order))));
    stored
}

/// Through bytes, as a file holds it.
fn packed(copy: &[PackedOrders]) -> Vec<Stored> {
    let again = copy.iter().map(|packed| {
        let mut bytes = Vec::new();
        packed.write(&mut bytes);
        let parsed = PackedOrders::parse(bytes).unwrap();
        assert_eq!(&parsed, packed);
        Stored::Packed(parsed)
    });
    let all = copy.iter().fold(Held::default(), |mut all, packed| {
        all += packed.held();
        all
    });
    std::iter::once(Stored::Announced(all)).chain(again).collect()
}

fn sorted(shard: &mut Shard) -> Vec<String> {
    let mut orders: Vec<_> = orders_of(shard).into_iter().map(|order| format!("{order:?}")).collect();
    orders.sort();
    orders
}

/// Judged at `minute`: what is told then.
fn told(shard: &mut Shard, minute: i64) -> Vec<String> {
    shard.advance(at(minute));
    shard.unmute();
    let mut told: Vec<_> = shard.drain_transitions(None).iter().map(|transition| format!("{transition:?}")).collect();
    told.sort();
    shard.committed();
    told
}

proptest! {
    #[test]
    fn a_shard_comes_back_the_same_as_it_lay_or_event_by_event(
        events in of_orders(),
        more in of_orders(),
        limit in 1..9_usize,
        minute in 0..300_i64,
    ) {
        let mut shard = muted();
        apply(&mut shard, events);
        let copy = copied(&mut shard, limit);
        let (mut as_it_lay, mut one_by_one) = (restored(packed(&copy)), restored(unpacked(&copy)));
        prop_assert_eq!(sorted(&mut as_it_lay), sorted(&mut shard));
        prop_assert_eq!(sorted(&mut one_by_one), sorted(&mut shard));
        // What is read after it is merged into both alike.
        let more: Vec<Event> = more.into_iter().map(|mut event| {
            event.position.offset += 100;
            event
        }).collect();
        apply(&mut as_it_lay, more.clone());
        apply(&mut one_by_one, more);
        prop_assert_eq!(told(&mut as_it_lay, minute), told(&mut one_by_one, minute));
        prop_assert_eq!(sorted(&mut as_it_lay), sorted(&mut one_by_one));
        let open = |shard: &Shard| shard.open().map(|(entity, open)| format!("{entity:?} {open}")).collect::<Vec<_>>();
        prop_assert_eq!(open(&as_it_lay), open(&one_by_one));
    }

    /// Orders leave memory and come anew between two stretches, so that one id may be in a copy twice.
    #[test]
    fn what_leaves_and_comes_between_two_stretches_comes_back_alike(
        events in of_orders(),
        between in prop::collection::vec(of_orders(), 1..4),
        limit in 1..5_usize,
    ) {
        let mut shard = muted();
        apply(&mut shard, events);
        shard.begin_copy();
        let (mut copy, mut cursor, mut between) = (Vec::new(), Some(0), between.into_iter());
        let mut month = 0;
        while let Some(from) = cursor {
            let (packed, next) = shard.copy_orders(from, limit);
            copy.push(packed);
            cursor = next;
            if let Some(events) = between.next() {
                month += 31 * DAY / MINUTE;
                shard.advance(at(month));
                apply(&mut shard, events.into_iter().map(|mut event| {
                    event.event_time = event.event_time + (at(month) - at(0));
                    event.record_time = event.record_time + (at(month) - at(0));
                    event.position.offset += 100 * month;
                    event
                }));
            }
        }
        shard.end_copy();
        let (mut as_it_lay, mut one_by_one) = (restored(packed(&copy)), restored(unpacked(&copy)));
        prop_assert_eq!(sorted(&mut as_it_lay), sorted(&mut one_by_one));
        prop_assert_eq!(told(&mut as_it_lay, month), told(&mut one_by_one, month));
    }

    /// Bytes that are no stretch are refused or taken for one, and nothing panics. (That they are facts, a checksum says.)
    #[test]
    fn whatever_the_bytes_nothing_panics(
        events in of_orders(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut shard = muted();
        apply(&mut shard, events);
        let mut bytes = Vec::new();
        copied(&mut shard, usize::MAX)[0].write(&mut bytes);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Some(packed) = PackedOrders::parse(bytes) {
            unpacked(std::slice::from_ref(&packed));
            let mut shard = muted();
            let mut restoring = Restoring::new(&mut shard);
            restoring.take(Stored::Packed(packed));
            restoring.finish();
            orders_of(&mut shard);
        }
    }
}

#[test]
fn an_order_is_in_a_copy_whether_it_rests_or_not() {
    let mut shard = muted();
    for order in 0..3_000 {
        apply(&mut shard, [Event { order_id: format!("o-{order}").into(), ..event("order.placed", order) }]);
    }
    let held: u64 = copied(&mut shard, 700).iter().map(|packed| packed.held().orders).sum();
    assert_eq!(held, 3_000);
    let all = orders_of(&mut shard);
    assert!(all.iter().all(|order| matches!(order, RestoredOrder::Open(events) if events.len() == 1)));
    let mut back = restored(packed(&copied(&mut shard, 700)));
    back.advance(at(4_000));
    back.unmute();
    let late: BTreeSet<_> = back
        .drain_transitions(None)
        .into_iter()
        .filter_map(|transition| match transition {
            Transition::Publish(exception) => Some(exception.subject.key("")),
            Transition::Tombstone(_) => None,
        })
        .collect();
    assert_eq!(late.len(), 3_000, "each is judged");
}

#[test]
fn an_order_that_a_copy_holds_twice_is_one() {
    let mut shard = muted();
    let placed = |order: i64| Event { order_id: format!("o-{order}").into(), ..event("order.placed", order) };
    let paid = |order: i64| Event { order_id: format!("o-{order}").into(), ..event("payment.captured", order + 1) };
    apply(&mut shard, (0..3_000).map(placed));
    let before = copied(&mut shard, 700);
    apply(&mut shard, (0..4_000).step_by(3).map(paid));
    let after = copied(&mut shard, 700);
    let mut back = restored([packed(&before), packed(&after), packed(&before)].concat());
    assert_eq!(sorted(&mut back), sorted(&mut shard));
    assert_eq!(back.open().map(|(_, open)| open).sum::<usize>(), 3_334);
    // Each is found by its id.
    apply(&mut back, (0..3_000).map(placed));
    assert_eq!(sorted(&mut back), sorted(&mut shard));
    assert_eq!(told(&mut back, 5_000), told(&mut shard, 5_000));
}
