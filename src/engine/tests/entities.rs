//! Checkouts, returns and tasks beside orders: each thing is known by its entity and its id.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::properties::{any_event, standing};
use super::recovery::{orders_of, restarted_with};
use super::story::*;
use crate::domain::{Entity, Event, ExceptionId, Milestone, Millis, StreamId, Subject, Timestamp};
use crate::engine::explain::Explainee;
use crate::engine::{Applied, Era, History, RestoredOrder};
use crate::policy::checks::{CheckKind, CheckPolicy};
use crate::policy::sla::Sla;
use crate::policy::{Entities, Policies, Settings};

/// Streams 0 to 2 are about orders, 3 about checkouts, whose events may come five minutes late, 4 about tasks.
fn with_checkouts() -> Settings {
    let (order, checkout, task) = (Entity::order(), Entity::named("checkout"), Entity::named("task"));
    let patient = Millis::new(5 * MINUTE);
    let streams = [&order, &order, &order, &checkout, &task].map(|entity| (entity, Millis::ZERO));
    let entities = Entities::of(streams.into_iter().chain([(&checkout, patient)]));
    let topics = ["orders", "payments", "fulfillments", "checkouts", "tasks"];
    Settings { streams: topics.map(Into::into).to_vec(), entities, ..settings() }
}

fn plain(sla: Sla) -> Sla {
    Sla { warn_at: vec![], escalate_after: vec![], pause: None, ..sla }
}

/// An order is paid within an hour, a checkout within half an hour of the payment step.
fn document() -> Policies {
    let checkout = Sla {
        id: "not-abandoned".into(),
        entity: Entity::named("checkout"),
        cancel_on: vec![Milestone::parse("checkout.cancelled")],
        ..plain(sla("payment_step.entered", "payment.captured", 30))
    };
    policies(vec![plain(sla("order.placed", "payment.captured", 60)), checkout], vec![])
}

fn story() -> Story {
    Story::with_settings(document(), with_checkouts())
}

/// An event of the order or the checkout `x`.
fn of(stream: u16, kind: &str, minute: i64) -> Event {
    let mut event = event(kind, minute);
    (event.order_id, event.position.stream) = ("x".into(), StreamId(stream));
    event
}

/// `ENTITY ID`, and what was said of it.
fn told(s: &Story) -> Vec<String> {
    let subject = |e: &crate::domain::Exception| e.subject.entity_and_id().map(|(entity, id)| format!("{entity} {id}"));
    s.published.iter().map(|e| format!("{}: {}", subject(e).unwrap_or_default(), line(e))).collect()
}

#[test]
fn an_order_and_a_checkout_of_one_id_are_two() {
    let mut s = story();
    s.read(of(0, "order.placed", 0));
    s.read(of(3, "payment_step.entered", 0));
    s.advance(70);
    // The checkout's events may come five minutes late; those of orders may not.
    assert_eq!(told(&s), ["checkout x: 35+ opened", "order x: 60+ opened"]);
    assert_ne!(s.published[0].exception_id, s.published[1].exception_id);
    assert_eq!(s.published[1].subject, Subject::Order("x".into()));
    s.read(of(3, "payment.captured", 71));
    assert_eq!(told(&s)[2..], ["checkout x: 71 resolved"]);
    s.read(of(0, "payment.captured", 72));
    assert_eq!(told(&s)[3..], ["order x: 72 resolved"]);
    let open: Vec<(&str, usize)> = s.shard.open().map(|(entity, open)| (entity.name().as_str(), open)).collect();
    assert_eq!(open, [("order", 1), ("checkout", 1), ("task", 0)], "a checkout is no order");
    s.read(of(3, "checkout.completed", 73));
    assert_eq!(s.shard.open().map(|(_, open)| open).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(s.shard.orders_open(), 1);
}

#[test]
fn each_has_its_own_end_and_its_own_policies() {
    let mut s = story();
    s.read(of(3, "payment_step.entered", 0));
    s.read(of(3, "order.cancelled", 1));
    s.advance(40);
    assert_eq!(told(&s), ["checkout x: 35+ opened"], "an order's cancel is another word there");
    s.read(of(3, "checkout.cancelled", 41));
    assert_eq!(told(&s)[1..], ["checkout x: 41 cancelled"]);
    let explained = s.shard.explain("checkout", "x").unwrap();
    assert_eq!(explained.subject, Explainee::Other { entity: "checkout".into(), id: "x".into() });
    assert_eq!(explained.closed_at, Some(at(41)));
    let ids: Vec<&str> = explained.policies.iter().map(|p| p.policy.as_str()).collect();
    assert_eq!(ids, ["not-abandoned"]);
    assert_eq!(s.shard.explain("order", "x"), None);
    assert_eq!(s.shard.explain("basket", "x"), None);
}

#[test]
fn what_is_late_for_a_closed_checkout_is_not_late_for_the_order() {
    let mut s = story();
    for e in [of(3, "payment_step.entered", 0), of(3, "checkout.completed", 1), of(3, "payment.captured", 2)] {
        s.read(e);
    }
    let (month, quarter) = (31 * DAY / MINUTE, 121 * DAY / MINUTE);
    assert_eq!(s.read(of(3, "payment.captured", month)), Applied::AfterClose);
    assert_eq!(s.read(of(0, "order.placed", month)), Applied::New);
    let mut s = restart(&mut s, month);
    assert_eq!(s.read(of(3, "payment.captured", month + 1)), Applied::AfterClose, "its tombstone is remembered");
    assert_eq!(s.read(of(3, "payment_step.entered", quarter + 1)), Applied::New, "and forgotten in its time");
}

/// The same shard, read back from a snapshot and from what it published.
fn restart(s: &mut Story, minute: i64) -> Story {
    restarted_with(s, minute, document(), History::default(), with_checkouts())
}

#[test]
fn a_restart_finds_both_of_one_id_and_tells_neither_twice() {
    let mut s = story();
    s.read(of(0, "order.placed", 0));
    s.read(of(3, "payment_step.entered", 0));
    s.advance(70);
    let mut again = restart(&mut s, 70);
    assert_eq!(again.said(), [""; 0]);
    again.read(of(3, "payment.captured", 71));
    again.read(of(0, "payment.captured", 72));
    assert_eq!(told(&again), ["checkout x: 71 resolved", "order x: 72 resolved"]);
    let sequences: Vec<u32> = again.published.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, [2, 2]);
}

#[test]
fn tombstones_of_both_survive_a_restart() {
    let mut s = story();
    for e in [of(0, "order.placed", 0), of(0, "payment.captured", 1), of(0, "order.completed", 2)] {
        s.read(e);
    }
    for e in [of(3, "payment_step.entered", 3), of(3, "payment.captured", 4), of(3, "checkout.completed", 5)] {
        s.read(e);
    }
    let month = 30 * DAY / MINUTE + 10;
    s.advance(month);
    let kept = orders_of(&mut s.shard);
    assert!(kept.iter().all(|order| matches!(order, RestoredOrder::Tombstone(_))) && kept.len() == 2, "{kept:?}");
    let mut again = restart(&mut s, month);
    assert_eq!(again.read(of(0, "payment.refunded", month)), Applied::AfterClose);
    assert_eq!(again.read(of(3, "payment.captured", month)), Applied::AfterClose);
    assert_eq!(again.read(of(4, "task.created", month)), Applied::New);
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let events = [
        of(0, "order.placed", 0),
        of(3, "payment_step.entered", 0),
        of(3, "payment.captured", 50),
        of(0, "payment.captured", 20),
        of(3, "checkout.completed", 51),
        of(4, "payment_step.entered", 0),
    ];
    let standing = |rotated: usize, backwards: bool| {
        let mut s = story();
        let mut arrival = events.to_vec();
        arrival.rotate_left(rotated);
        if backwards {
            arrival.reverse();
        }
        for mut e in arrival {
            e.position.offset = e.event_time.as_millis();
            s.shard.apply(e, at(60)).unwrap();
        }
        s.advance(200);
        let last: BTreeMap<ExceptionId, (&str, Option<Timestamp>)> =
            s.published.iter().map(|e| (e.exception_id.clone(), (e.status.as_str(), e.deadline))).collect();
        last
    };
    let told = standing(0, false);
    assert_eq!(told.values().map(|(status, _)| *status).collect::<Vec<_>>(), ["resolved"]);
    for rotated in 0..events.len() {
        assert_eq!(standing(rotated, false), told, "{rotated}");
        assert_eq!(standing(rotated, true), told, "{rotated}, backwards");
    }
}

#[test]
fn the_checks_of_orders_look_at_orders_alone_and_stuck_at_its_own() {
    let unknown = check(CheckKind::PaymentWithoutOrder, 0);
    let stuck =
        CheckPolicy { entity: Entity::named("task"), ..check(CheckKind::Stuck { after: Millis::new(10 * MINUTE) }, 0) };
    let mut s = Story::with_settings(policies(vec![], vec![unknown, stuck]), with_checkouts());
    s.read(of(3, "payment.captured", 0));
    s.read(of(4, "task.created", 0));
    s.read(of(0, "order.placed", 0));
    s.advance(30);
    assert_eq!(told(&s), ["task x: 10+ opened"]);
    s.read(of(4, "task.completed", 31));
    s.advance(60);
    assert_eq!(told(&s)[1..], ["task x: 31 resolved"], "what is done is not stuck");
}

#[test]
fn its_cancel_holds_for_every_cycle_of_each() {
    let handed = Sla {
        entity: Entity::named("task"),
        each: true,
        cancel_on: vec![Milestone::parse("task.cancelled")],
        ..plain(sla("handoff.requested", "handoff.accepted", 30))
    };
    let mut s = Story::with_settings(policies(vec![handed], vec![]), with_checkouts());
    s.read(of(4, "handoff.requested", 0));
    s.read(of(4, "task.cancelled", 10));
    s.read(of(4, "handoff.requested", 20));
    s.advance(100);
    assert_eq!(told(&s), [""; 0]);
}

#[test]
fn a_policy_that_moves_to_another_entity_takes_back_what_it_said() {
    let mut s = story();
    s.read(of(3, "payment_step.entered", 0));
    s.advance(40);
    let moved = || {
        let mut document = document();
        document.slas[1].entity = Entity::named("task");
        document
    };
    let era = |policies: Policies, frontier, offset| Era {
        policies: Arc::new(policies),
        frontier,
        positions: vec![offset; 5],
    };
    let history = History::new(vec![era(document(), Timestamp::MIN, 0), era(moved(), at(40), s.offset)]);
    let again = restarted_with(&mut s, 40, moved(), history, with_checkouts());
    assert_eq!(told(&again), ["checkout x: 40 retracted"]);
}

#[test]
fn what_was_published_of_an_entity_without_streams_is_ended_with_its_policy() {
    let mut s = story();
    s.read(of(3, "payment_step.entered", 0));
    s.advance(40);
    let orders_alone = policies(vec![plain(sla("order.placed", "payment.captured", 60))], vec![]);
    // Its stream is gone from the configuration, and with it what a snapshot held of it.
    let mut bare = Story::with_settings(orders_alone, settings());
    bare.shard.mute();
    bare.shard.advance(at(41));
    bare.shard.restore_published(s.published[0].clone());
    bare.shard.unmute();
    bare.listen();
    assert_eq!(told(&bare), ["checkout x: 41 retracted"]);
}

proptest! {
    /// Whatever happens to an order and to a checkout of the same id, neither is anything to the other: what stands of both is
    /// what stands of each alone, in any order of arrival.
    #[test]
    fn what_shares_an_id_shares_nothing_else(
        events in proptest::collection::vec((any_event(), any::<bool>()), 0..24),
        backwards in any::<bool>(),
    ) {
        let document = || {
            let of = |entity: &str, id: &'static str| {
                let cancel_on = vec![Milestone::parse("order.cancelled")];
                Sla { id: id.into(), entity: Entity::named(entity), cancel_on, ..sla("order.placed", "payment.captured", 2) }
            };
            let each = Sla { each: true, start: of("order", "").start, ..of("checkout", "each") };
            policies(vec![of("order", "paid"), of("checkout", "goes-on"), each], vec![])
        };
        let placed = events.into_iter().zip(0..).map(|((mut e, of_a_checkout), offset)| {
            e.position.offset = offset;
            e.position.stream = StreamId(if of_a_checkout { 3 } else { e.position.stream.0 });
            e
        });
        let mut placed: Vec<Event> = placed.collect();
        if backwards {
            placed.reverse();
        }
        let stands = |keep: &dyn Fn(&Event) -> bool| {
            let mut s = Story::with_settings(document(), with_checkouts());
            for e in placed.iter().filter(|e| keep(e)) {
                s.shard.apply(e.clone(), e.record_time).unwrap();
            }
            s.advance(100_000);
            standing(&s)
        };
        let is_checkout = |e: &Event| e.position.stream == StreamId(3);
        let mut apart = stands(&|e| is_checkout(e));
        apart.extend(stands(&|e| !is_checkout(e)));
        prop_assert_eq!(stands(&|_| true), apart);
    }
}
