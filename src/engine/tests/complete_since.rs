//! What the facts can no longer show is counted, and not told.

use std::sync::Arc;

use super::story::*;
use crate::domain::{Event, Exception, Money, Subject};
use crate::engine::{RestoredOrder, Shard};
use crate::policy::Policies;
use crate::policy::checks::{CheckKind, CheckPolicy};

const MONTH: i64 = 30 * DAY / MINUTE;

fn paid_in_an_hour() -> Policies {
    policies(vec![sla("order.placed", "payment.captured", 60)], vec![])
}

/// A shop whose records are whole from `minute` on.
fn whole_from(minute: i64, policies: Policies) -> Story {
    let mut s = Story::new(policies);
    s.shard.set_complete_since(Some(at(minute)));
    s
}

fn of(order: &'static str, mut event: Event) -> Event {
    event.order_id = order.into();
    event
}

/// Who was named.
fn orders(s: &Story) -> Vec<&str> {
    let id = |e: &Exception| match &e.subject {
        Subject::Order(id) => id.clone(),
        other => panic!("not of an order: {other:?}"),
    };
    let mut named: Vec<&str> = s.published.iter().map(id).map(|id| if id == "o-1" { "o-1" } else { "other" }).collect();
    named.dedup();
    named
}

#[test]
fn a_cycle_that_began_before_is_counted_and_one_that_began_then_is_told() {
    let mut s = whole_from(10, paid_in_an_hour());
    s.read(event("order.placed", 9));
    s.read(of("o-2", event("order.placed", 10)));
    s.advance(1000);
    assert_eq!(orders(&s), ["other"]);
    assert_eq!(s.said(), ["58+ at_risk 80", "70+ opened", "310+ escalated 2"]);
    let counted = s.shard.counters();
    assert_eq!((counted.unproven, counted.kept_back), (1, 0));
    // Neither is its end: a first payment may have been removed.
    s.read(event("payment.captured", 1001));
    s.read(of("o-3", event("payment.captured", 1002)));
    assert_eq!(s.said().len(), 3);
    let ended = s.shard.drain_cycles_ended();
    assert_eq!(ended.as_slice(), [], "its length is not known");
}

#[test]
fn a_stop_that_came_late_may_not_be_the_first() {
    let mut s = whole_from(10, paid_in_an_hour());
    s.read(event("order.placed", 9));
    s.read(event("payment.captured", 80));
    s.advance(1000);
    assert_eq!(s.said(), [""; 0]);
    assert_eq!(s.shard.counters().unproven, 1);
}

#[test]
fn naming_a_time_to_publish_after_changes_nothing() {
    let mut settings = settings();
    settings.publish_after = at(0);
    let mut s = Story::with_settings(paid_in_an_hour(), settings);
    s.shard.set_complete_since(Some(at(10)));
    s.read(event("order.placed", 5));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
    assert_eq!(s.shard.counters().unproven, 1);
}

fn unpaid() -> CheckPolicy {
    check(CheckKind::ShippedBeforePayment, 10)
}

#[test]
fn a_parcel_without_a_payment_says_nothing_for_as_long_as_an_order_lasts() {
    let mut s = whole_from(10, policies(vec![], vec![unpaid()]));
    s.read(event("order.placed", 20));
    s.read(event("fulfillment.shipped", 10 + MONTH - 1));
    s.advance(10 + MONTH + 20);
    assert_eq!(s.said(), [""; 0], "it may have been paid before minute 10");
    s.read(of("o-2", event("fulfillment.shipped", 10 + MONTH + 20)));
    s.advance(10 + MONTH + 40);
    assert_eq!(orders(&s), ["other"]);
    assert_eq!(s.shard.counters().unproven, 1);
}

#[test]
fn money_is_compared_from_the_first_order_on_whose_beginning_was_read() {
    let money_of = |kind: &str, minute: i64, set: fn(&mut crate::domain::event::Details, Money), amount: i64| {
        with(event(kind, minute), |d| set(d, money(amount)))
    };
    let total = |minute, amount| money_of("order.placed", minute, |d, m| d.total = Some(m), amount);
    let changed = |minute, amount| money_of("order.changed", minute, |d, m| d.total = Some(m), amount);
    let captured = |minute, amount| money_of("payment.captured", minute, |d, m| d.amount = Some(m), amount);
    let kind = CheckKind::AmountMismatch { tolerance_minor: 1, after: None };
    let mut s = whole_from(10, policies(vec![], vec![check(kind, 10)]));
    // A first capture of 40 at minute 9 was removed; its order's placing was removed too, or was not.
    for (order, first) in [("o-1", changed(11, 100)), ("o-2", total(8, 100))] {
        s.read(of(order, first));
    }
    s.read(captured(20, 60));
    s.read(of("o-2", captured(20, 60)));
    s.advance(40);
    assert_eq!(s.said(), [""; 0]);
    assert_eq!(s.shard.counters().unproven, 2);
    s.read(of("o-3", total(50, 100)));
    s.read(of("o-3", captured(51, 60)));
    s.advance(100);
    assert_eq!(s.said(), ["61+ opened"]);
}

/// What `exceptions-current` had of `s`, on a shard that reads `events` again and whose records are whole from `minute`.
fn rebuilt(s: &Story, events: Vec<Event>, minute: i64, frontier: i64, with: fn() -> Policies) -> Story {
    let mut shard = Shard::new(0, Arc::new(with()), Arc::new(settings()));
    shard.mute();
    shard.set_complete_since(Some(at(minute)));
    assert_eq!(shard.restore_order(RestoredOrder::Open(events)), 0);
    shard.advance(at(frontier));
    shard.restore_published(s.published.last().unwrap().clone());
    shard.unmute();
    let mut again = Story::new(with());
    again.shard = shard;
    again.listen();
    again
}

#[test]
fn what_was_told_is_neither_told_again_nor_taken_back_when_its_past_is_lost() {
    let mut s = Story::new(paid_in_an_hour());
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 80));
    assert_eq!(s.said().last().unwrap(), "80 resolved");
    // Its payment was removed, its beginning was not: it stays resolved.
    let mut again = rebuilt(&s, vec![event("order.placed", 0)], 100, 120, paid_in_an_hour);
    again.advance(1000);
    assert_eq!(again.said(), [""; 0]);

    // What stood open is ended by an event alone.
    let mut s = Story::new(paid_in_an_hour());
    s.read(event("order.placed", 0));
    s.advance(70);
    let mut again = rebuilt(&s, vec![event("order.placed", 0)], 100, 120, paid_in_an_hour);
    again.advance(1000);
    assert_eq!(again.said(), [""; 0], "no escalation rests on what may be missing");
    again.read_late(event("payment.captured", 5), 1001);
    assert_eq!(again.said(), ["1001 resolved"]);
    again.read(event("payment.captured", 1100));
    assert_eq!(again.said().len(), 1);
}

#[test]
fn a_finding_whose_past_is_lost_ends_by_an_event_too() {
    let with: fn() -> Policies = || policies(vec![], vec![unpaid()]);
    let mut s = Story::new(with());
    s.read(event("fulfillment.shipped", 0));
    s.advance(20);
    assert_eq!(s.said(), ["10+ opened"]);
    let mut again = rebuilt(&s, vec![event("fulfillment.shipped", 0)], 5, 20, with);
    again.advance(100);
    assert_eq!(again.said(), [""; 0]);
    again.read(event("payment.captured", 101));
    assert_eq!(again.said(), ["101 resolved"]);
}

#[test]
fn where_nothing_was_removed_everything_is_as_before() {
    let mut s = Story::new(policies(vec![], vec![unpaid()]));
    s.shard.set_complete_since(None);
    s.read(event("fulfillment.shipped", 0));
    s.advance(20);
    assert_eq!(s.said(), ["10+ opened"]);
    assert_eq!(s.shard.complete_since(), None);
}
