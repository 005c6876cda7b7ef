//! Closed orders after they have left memory: what is late for them, and what begins anew.

use std::sync::Arc;

use proptest::prelude::*;

use super::recovery::orders_of;
use super::story::*;
use crate::domain::event::Details;
use crate::domain::{Event, Line, Millis, Timestamp};
use crate::engine::{Applied, MAX_LINES, PackedOrders, Rejected, RestoredOrder, Restoring, Shard, Stored, Tombstone};
use crate::policy::{Policies, Settings};

/// Closed for ten minutes an order leaves, and is remembered for thirty more; silent ones leave after a hundred.
fn shard() -> Shard {
    let minutes = |minutes: i64| Millis::new(minutes * MINUTE);
    let (retain_closed, remember_closed, max_open) = (minutes(10), minutes(30), minutes(100));
    let settings = Settings { retain_closed, remember_closed, max_open, ..settings() };
    Shard::new(0, Arc::new(Policies::default()), Arc::new(settings))
}

fn of(order: u32, kind: &str, minute: i64, offset: i64) -> Event {
    let mut event = event(kind, minute);
    event.order_id = format!("o-{order}").into();
    event.position.offset = offset;
    event
}

/// An order that was closed at 0, in a shard whose frontier is at `minute`.
fn closed_at_0(minute: i64) -> Shard {
    let mut shard = shard();
    assert_eq!(shard.apply(of(1, "order.cancelled", 0, 0), at(0)), Ok(Applied::New));
    shard.advance(at(minute));
    shard
}

#[test]
fn a_tombstone_holds_to_the_millisecond() {
    let (retired, forgotten) = (at(10), at(40));
    let before = |t: Timestamp| t - Millis::new(1);
    let told = |effective: Timestamp| closed_at_0(5).apply(of(1, "payment.captured", 1, 1), effective);
    assert_eq!([told(before(retired)), told(retired)], [Ok(Applied::New), Ok(Applied::AfterClose)]);
    let told = |effective: Timestamp| closed_at_0(20).apply(of(1, "payment.captured", 1, 1), effective);
    assert_eq!([told(before(forgotten)), told(forgotten)], [Ok(Applied::AfterClose), Ok(Applied::New)]);
}

#[test]
fn an_event_that_no_order_may_have_ends_none() {
    let lines = vec![Line { sku: "s".into(), quantity: 1 }; MAX_LINES + 1];
    let details = Details { lines: Some(lines), ..Details::default() };
    let too_much = Event { details: Some(Box::new(details)), ..of(1, "order.placed", 40, 1) };
    let mut shard = closed_at_0(20);
    assert_eq!(shard.apply(too_much, at(40)), Err(Rejected::TooManyLines { limit: MAX_LINES }));
    let held_back = at(10);
    assert_eq!(shard.apply(of(1, "payment.captured", 1, 2), held_back), Ok(Applied::AfterClose));
}

#[test]
fn one_whose_time_is_over_and_none_are_the_same() {
    let mut shard = closed_at_0(20);
    shard.begin_copy();
    // The frontier must be past its time, strictly.
    shard.advance(at(40));
    assert_eq!(shard.apply(of(1, "payment.captured", 1, 1), at(30)), Ok(Applied::AfterClose));
    shard.advance(at(40).next());
    assert_eq!(orders_of(&mut shard), [], "a copy that begins now lacks it");
    assert_eq!(shard.apply(of(1, "payment.captured", 1, 1), at(30)), Ok(Applied::New));
    assert_eq!(shard.orders_open(), 1);
}

#[test]
fn a_copy_has_what_was_remembered_when_it_began() {
    let mut shard = closed_at_0(20);
    shard.begin_copy();
    shard.advance(at(50));
    let remembered = RestoredOrder::Tombstone(Tombstone::of("order", "o-1", at(0)));
    let (mut copy, mut cursor) = (Vec::new(), Some(0));
    // The id begins anew meanwhile: that is found in the records that follow.
    assert_eq!(shard.apply(of(1, "order.placed", 50, 1), at(50)), Ok(Applied::New));
    while let Some(from) = cursor {
        let (packed, next) = shard.copy_orders(from, 1);
        copy.push(packed);
        cursor = next;
    }
    shard.end_copy();
    assert_eq!(unpacked(&copy), [remembered]);
    assert!(matches!(orders_of(&mut shard).as_slice(), [RestoredOrder::Open(_)]));
}

fn unpacked(copy: &[PackedOrders]) -> Vec<RestoredOrder> {
    let (mut orders, mut unpacker) = (Vec::new(), crate::engine::Unpacker::default());
    copy.iter().for_each(|packed| unpacker.read(packed, &mut |order| orders.push(order)));
    orders
}

/// The frontier comes to a time, and then a record is read that was written a while before.
#[derive(Clone, Debug)]
struct Step {
    frontier: Timestamp,
    event: Event,
    effective: Timestamp,
}

/// Few orders, most of which are closed soon; times go on by up to twenty minutes, and sometimes by hours.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![3 => Just("order.placed"), 3 => Just("order.cancelled"), 2 => Just("payment.captured")];
    let on = prop_oneof![8 => 0..20_i64, 1 => 60..200_i64];
    let step = (on, 0..4_u32, kind, 0..30_i64, 0..30_i64);
    prop::collection::vec(step, 1..60).prop_map(|steps| {
        let mut now = 0;
        let numbered = (0..).zip(steps).map(|(offset, (on, order, kind, ahead, old))| {
            now += on;
            let event = of(order, kind, now + ahead - old, offset);
            Step { frontier: at(now), event, effective: at(now + ahead) }
        });
        numbered.collect()
    })
}

/// A record that begins an order anew waits until the frontier has come to it.
fn take(shard: &mut Shard, step: &Step) -> Applied {
    shard.advance(step.frontier);
    match shard.apply(step.event.clone(), step.effective).unwrap() {
        Applied::NotYet => {
            shard.advance(step.effective);
            shard.committed();
            let applied = shard.apply(step.event.clone(), step.effective).unwrap();
            assert_ne!(applied, Applied::NotYet);
            applied
        }
        applied => applied,
    }
}

/// Once all is judged that was read.
fn known(shard: &mut Shard) -> Vec<String> {
    assert_eq!(shard.drain_transitions(None), [], "there are no policies");
    (0..4).map(|order| format!("{:?}", shard.explain("order", &format!("o-{order}")))).collect()
}

proptest! {
    /// One shard drops what is past as it goes on, the other keeps all.
    #[test]
    fn when_a_tombstone_is_dropped_shows_nowhere(steps in steps()) {
        let (mut dropping, mut keeping) = (shard(), shard());
        keeping.begin_copy();
        for step in &steps {
            prop_assert_eq!(take(&mut dropping, step), take(&mut keeping, step));
            prop_assert_eq!(known(&mut dropping), known(&mut keeping));
        }
        prop_assert_eq!(dropping.counters(), keeping.counters());
    }

    /// A copy that is taken while the shard goes on, and the records from where it began, make the same shard.
    #[test]
    fn a_copy_and_what_was_read_since_it_began_are_the_shard(
        steps in steps(),
        begin in any::<prop::sample::Index>(),
        every in 1..4_usize,
    ) {
        let (mut live, begin) = (shard(), begin.index(steps.len()));
        let (before, after) = steps.split_at(begin);
        before.iter().for_each(|step| { take(&mut live, step); });
        let frontier = live.frontier();
        live.begin_copy();
        let (mut copy, mut cursor, mut read) = (Vec::new(), Some(0), Vec::new());
        while let Some(from) = cursor {
            let (packed, next) = live.copy_orders(from, 1);
            copy.push(packed);
            cursor = next;
            for step in after.iter().skip(read.len()).take(every) {
                take(&mut live, step);
                read.push(Step { frontier: live.frontier(), ..step.clone() });
            }
        }
        live.end_copy();

        let mut back = shard();
        back.mute();
        let mut restoring = Restoring::new(&mut back);
        copy.into_iter().for_each(|packed| restoring.take(Stored::Packed(packed)));
        prop_assert_eq!(restoring.finish().1, 0);
        back.advance(frontier);
        read.iter().for_each(|step| { take(&mut back, step); });
        back.advance(live.frontier());
        back.unmute();
        prop_assert_eq!(known(&mut back), known(&mut live));
        for step in after.iter().skip(read.len()) {
            prop_assert_eq!(take(&mut back, step), take(&mut live, step));
            prop_assert_eq!(known(&mut back), known(&mut live));
        }
    }
}
