//! Owners and routes that are found by conditions or by what an event says, and handoffs between people.

use super::story::*;
use crate::domain::Event;
use crate::policy::choice::Whose;
use crate::policy::sla::Sla;
use crate::policy::{Choice, Condition, Responsibility};

fn first(rules: &[(&str, &'static str)], last: &'static str) -> Choice {
    let rule = |(when, is): &(&str, &'static str)| (Some(Condition::compile(when).unwrap()), (*is).into());
    Choice::First(rules.iter().map(rule).chain([(None, last.into())]).collect())
}

fn owned(owner: Choice, route: Choice) -> Story {
    let sla = sla("order.placed", "payment.captured", 60);
    let responsibility = Responsibility { owner, route, ..responsibility() };
    Story::new(policies(vec![Sla { responsibility, ..sla }], vec![]))
}

#[test]
fn the_first_that_fits_the_order_at_its_start_has_it_and_keeps_it() {
    let regions = [("order.attributes.region == \"US\"", "us"), ("order.attributes.region == \"EU\"", "eu")];
    for (region, owner) in [("US", "us"), ("EU", "eu"), ("JP", "rest")] {
        let mut s = owned(first(&regions, "rest"), first(&regions, "rest"));
        s.read(attribute(event("order.placed", 0), "region", region));
        s.read(attribute(event("order.changed", 40), "region", "elsewhere"));
        s.advance(61);
        let opened = s.published.last().unwrap();
        assert_eq!((opened.owner.as_str(), opened.route.as_str()), (owner, owner), "{region}");
    }
}

/// A task that goes from hand to hand: whoever has it must take it within 30 minutes.
fn handoff() -> Story {
    let holder = Choice::From { whose: Whose::Event, attribute: "handed_to".into(), or_else: "ops".into() };
    let sla = sla("handoff.requested", "handoff.accepted", 30);
    let responsibility = Responsibility { owner: holder, ..responsibility() };
    Story::new(policies(vec![Sla { responsibility, warn_at: vec![], escalate_after: vec![], ..sla }], vec![]))
}

fn requested(minute: i64, to: &'static str) -> Event {
    attribute(event("handoff.requested", minute), "handed_to", to)
}

#[test]
fn a_stalled_handoff_names_who_holds_it() {
    let mut s = handoff();
    s.read(event("order.placed", 0));
    s.read(requested(10, "anna"));
    s.advance(41);
    s.read(event("handoff.accepted", 50));
    assert_eq!(s.said(), ["40+ opened", "50 resolved"]);
    assert!(s.published.iter().all(|e| e.owner == "anna"));

    // An attribute of the order is not one of the event.
    let mut s = handoff();
    s.read(attribute(event("order.placed", 0), "handed_to", "berta"));
    s.read(event("handoff.requested", 10));
    s.advance(41);
    assert_eq!(s.published[0].owner, "ops");

    let order = Choice::From { whose: Whose::Order, attribute: "handed_to".into(), or_else: "ops".into() };
    let mut s = owned(order, "desk".into());
    s.read(attribute(event("order.placed", 0), "handed_to", "berta"));
    s.advance(61);
    assert_eq!(s.published.last().unwrap().owner, "berta");
}
