//! `scope: fulfillment`: each parcel of an order has a cycle of its own.

use super::edits::{era, first};
use super::recovery::restarted_under;
use super::story::*;
use crate::domain::{Event, Exception, Promise};
use crate::engine::History;
use crate::policy::cycle::Scope;
use crate::policy::promise::PromiseRule;
use crate::policy::sla::{Sla, Target};
use crate::policy::{Condition, Policies};

fn each_parcel(start: &str) -> Sla {
    let sla = sla(start, "fulfillment.shipped", 60);
    Sla { scope: Scope::Fulfillment, warn_at: vec![], escalate_after: vec![], ..sla }
}

fn document(start: &str) -> Policies {
    policies(vec![each_parcel(start)], vec![])
}

fn story(start: &str) -> Story {
    Story::new(document(start))
}

fn parcel(id: &'static str, kind: &str, minute: i64) -> Event {
    let mut event = with(event(kind, minute), |d| d.fulfillment_id = Some(id.into()));
    event.event_id = format!("{id} {kind}@{minute}").into();
    event
}

/// What was said, each with the parcel that it was said of.
fn of_parcels(s: &Story) -> Vec<String> {
    let name = |e: &Exception| e.fulfillment_id.as_ref().map_or("-".to_owned(), ToString::to_string);
    s.published.iter().map(|e| format!("{} {}", name(e), line(e))).collect()
}

#[test]
fn one_parcel_is_late_and_the_other_in_time() {
    let mut s = story("fulfillment.packed");
    s.read(parcel("f-1", "fulfillment.packed", 0));
    s.read(parcel("f-2", "fulfillment.packed", 10));
    s.read(parcel("f-2", "fulfillment.shipped", 30));
    s.advance(100);
    s.read(parcel("f-1", "fulfillment.shipped", 110));
    assert_eq!(of_parcels(&s), ["f-1 60+ opened", "f-1 110 resolved"]);
    let ended = s.shard.drain_cycles_ended();
    assert_eq!(ended.map(|c| c.outcome).collect::<Vec<_>>(), ["met", "breached"], "each is counted");
}

#[test]
fn an_order_s_milestone_starts_every_parcel_once_it_is_known() {
    let mut s = story("order.placed");
    s.read(event("order.placed", 0));
    s.read(parcel("f-1", "fulfillment.allocated", 20));
    s.read(parcel("f-2", "fulfillment.allocated", 80));
    assert_eq!(of_parcels(&s), ["f-1 60+ opened", "f-2 80 opened"]);
    assert_ne!(s.published[0].exception_id, s.published[1].exception_id);

    let mut s = story("order.placed");
    s.read(event("order.placed", 0));
    s.advance(1000);
    assert_eq!(of_parcels(&s), [""; 0], "no parcel is known");
}

#[test]
fn what_is_of_the_whole_order_counts_for_every_parcel() {
    let mut s = story("fulfillment.packed");
    s.read(parcel("f-1", "fulfillment.packed", 0));
    s.read(parcel("f-2", "fulfillment.packed", 5));
    s.read(event("order.held", 10));
    s.read(event("order.released", 40));
    s.advance(92);
    s.read(event("order.cancelled", 93));
    s.advance(200);
    assert_eq!(of_parcels(&s), ["f-1 90+ opened", "f-1 93 cancelled"]);
}

#[test]
fn an_event_that_names_no_parcel_is_about_all_of_them() {
    let mut s = story("fulfillment.packed");
    s.read(parcel("f-1", "fulfillment.packed", 0));
    s.read(parcel("f-2", "fulfillment.packed", 5));
    s.read(event("fulfillment.shipped", 30));
    s.advance(1000);
    assert_eq!(of_parcels(&s), [""; 0]);
}

#[test]
fn an_order_that_names_no_parcel_is_one_and_gives_way_to_the_first_that_is_named() {
    let mut s = story("fulfillment.packed");
    s.read(event("fulfillment.packed", 0));
    s.advance(65);
    s.read(parcel("f-1", "fulfillment.delivery_failed", 70));
    s.read(parcel("f-1", "fulfillment.shipped", 80));
    assert_eq!(of_parcels(&s), ["- 60+ opened", "f-1 70 opened", "- 70 retracted", "f-1 80 resolved"]);
}

#[test]
fn a_parcel_told_twice_is_one() {
    let mut s = story("fulfillment.packed");
    for (kind, minute) in [("packed", 0), ("packed", 3), ("shipped", 70), ("shipped", 80)] {
        s.read(parcel("f-1", &format!("fulfillment.{kind}"), minute));
    }
    assert_eq!(of_parcels(&s), ["f-1 60+ opened", "f-1 70 resolved"]);
}

#[test]
fn a_condition_sees_nothing_of_another_parcel() {
    let when = Condition::compile("order.attributes.carrier == \"dhl\"").unwrap();
    let sla = Sla { when: Some(when), ..each_parcel("fulfillment.packed") };
    let mut s = Story::new(policies(vec![sla], vec![]));
    s.read(attribute(parcel("f-1", "fulfillment.packed", 0), "carrier", "dhl"));
    s.read(attribute(parcel("f-2", "fulfillment.packed", 0), "carrier", "ups"));
    s.advance(100);
    assert_eq!(of_parcels(&s), ["f-1 60+ opened"]);
    assert_eq!(s.published[0].attributes.len(), 1);
    assert_eq!(s.published[0].attributes[0].1.to_string(), "dhl");
}

fn promised(event: Event, minute: i64) -> Event {
    with(event, |d| d.promised_ship_by = Promise::At(at(minute)))
}

fn by_promise(promise: PromiseRule) -> Story {
    let sla = Sla { target: Target::PromisedShipBy, promise, ..each_parcel("order.placed") };
    Story::new(policies(vec![sla], vec![]))
}

#[test]
fn a_parcel_s_own_promise_wins_over_the_order_s() {
    let mut s = by_promise(PromiseRule::Latest);
    s.read(promised(event("order.placed", 0), 100));
    s.read(promised(parcel("f-1", "fulfillment.allocated", 10), 50));
    s.read(parcel("f-2", "fulfillment.allocated", 11));
    s.read(promised(event("order.changed", 30), 200));
    s.advance(300);
    assert_eq!(of_parcels(&s), ["f-1 50+ opened", "f-2 200+ opened"]);
}

#[test]
fn a_promise_of_its_own_cannot_undo_one_that_is_broken() {
    let mut s = by_promise(PromiseRule::Latest);
    s.read(promised(event("order.placed", 0), 100));
    s.read(promised(parcel("f-1", "fulfillment.allocated", 150), 300));
    assert_eq!(of_parcels(&s), ["f-1 150 opened"]);
    assert_eq!(s.published[0].deadline, Some(at(100)));
}

#[test]
fn a_parcel_without_a_promise_has_no_cycle_and_a_withdrawn_one_ends_it() {
    let mut s = by_promise(PromiseRule::Latest);
    s.read(event("order.placed", 0));
    s.read(promised(parcel("f-1", "fulfillment.allocated", 10), 100));
    s.read(parcel("f-2", "fulfillment.allocated", 11));
    s.advance(101);
    assert_eq!(of_parcels(&s), ["f-1 100+ opened"]);

    let mut s = by_promise(PromiseRule::Latest);
    s.read(promised(event("order.placed", 0), 100));
    s.read(with(parcel("f-1", "fulfillment.allocated", 10), |d| d.promised_ship_by = Promise::Withdrawn));
    s.read(promised(event("order.changed", 20), 120));
    s.advance(1000);
    assert_eq!(of_parcels(&s), [""; 0], "what is promised of the order is nothing to it any more");
}

#[test]
fn the_original_promise_is_the_first_of_its_own() {
    let mut s = by_promise(PromiseRule::Original);
    s.read(promised(event("order.placed", 0), 100));
    s.read(promised(event("order.changed", 5), 110));
    s.read(promised(parcel("f-1", "fulfillment.allocated", 10), 50));
    s.read(promised(parcel("f-1", "fulfillment.packed", 20), 500));
    s.read(parcel("f-2", "fulfillment.allocated", 20));
    s.advance(1000);
    assert_eq!(of_parcels(&s), ["f-1 50+ opened", "f-2 100+ opened"]);
}

#[test]
fn a_restart_amid_the_parcels_goes_on_with_each() {
    let mut s = story("fulfillment.packed");
    s.read(parcel("f-1", "fulfillment.packed", 0));
    s.read(parcel("f-2", "fulfillment.packed", 30));
    s.advance(70);
    let mut again = restarted_under(&mut s, 70, document("fulfillment.packed"), History::default());
    assert_eq!(of_parcels(&again), [""; 0]);
    again.advance(95);
    again.read(parcel("f-1", "fulfillment.shipped", 100));
    assert_eq!(of_parcels(&again), ["f-2 90+ opened", "f-1 100 resolved"]);
    assert_eq!(again.published[1].sequence, 2);
    let mut third = restarted_under(&mut s, 70, document("fulfillment.packed"), History::default());
    third.read_late(parcel("f-1", "fulfillment.shipped", 59), 75);
    assert_eq!(of_parcels(&third), ["f-1 75 retracted"]);
}

#[test]
fn an_order_closes_when_its_last_parcel_has_left() {
    let mut s = story("fulfillment.packed");
    s.read(parcel("f-1", "fulfillment.packed", 0));
    s.read(parcel("f-2", "fulfillment.packed", 1));
    s.read(parcel("f-1", "fulfillment.shipped", 2));
    s.read(event("order.completed", 3));
    assert_eq!(s.shard.orders_open(), 1);
    s.read(parcel("f-2", "fulfillment.shipped", 4));
    assert_eq!(s.shard.orders_open(), 0);
}

#[test]
fn a_policy_that_becomes_one_of_parcels_tells_what_stands_anew_and_nothing_that_is_over() {
    fn of_orders() -> Vec<Sla> {
        vec![Sla { scope: Scope::Order, ..each_parcel("fulfillment.packed") }]
    }
    let mut s = Story::new(policies(of_orders(), vec![]));
    s.read(parcel("f-1", "fulfillment.packed", 0));
    let of = |order: &'static str, mut event: Event| {
        event.order_id = order.into();
        event
    };
    s.read(of("o-2", parcel("f-9", "fulfillment.packed", 0)));
    s.read(of("o-2", parcel("f-9", "fulfillment.shipped", 70)));
    assert_eq!(of_parcels(&s), ["- 60+ opened", "- 60+ opened", "- 70 resolved"]);
    let history = History::new(vec![first(of_orders()), era(vec![each_parcel("fulfillment.packed")], 80, &s)]);
    let mut again = restarted_under(&mut s, 80, document("fulfillment.packed"), history);
    again.published.sort_by_key(|e| (e.subject.key(""), e.status));
    assert_eq!(of_parcels(&again), ["f-1 80 opened", "- 80 retracted", "- 80 retracted"]);
}
