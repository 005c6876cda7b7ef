//! `each: true`: a milestone that comes again begins the next cycle.

use super::recovery::restarted_under;
use super::story::*;
use crate::domain::{Event, Milestone};
use crate::engine::History;
use crate::policy::choice::Whose;
use crate::policy::cycle::Scope;
use crate::policy::sla::Sla;
use crate::policy::{Choice, Policies, Responsibility};

/// Whoever is handed a task must take it within 30 minutes.
fn handoff() -> Sla {
    let holder = Choice::From { whose: Whose::Event, attribute: "handed_to".into(), or_else: "ops".into() };
    let responsibility = Responsibility { owner: holder, ..responsibility() };
    let cancel_on = ["handoff.withdrawn", "order.cancelled"].map(Milestone::parse).to_vec();
    let sla = sla("handoff.requested", "handoff.accepted", 30);
    Sla { each: true, cancel_on, responsibility, warn_at: vec![], escalate_after: vec![], ..sla }
}

fn document() -> Policies {
    policies(vec![handoff()], vec![])
}

fn story() -> Story {
    Story::new(document())
}

fn requested(minute: i64, to: &'static str) -> Event {
    attribute(event("handoff.requested", minute), "handed_to", to)
}

/// What was said, each with whose it is.
fn owned(s: &Story) -> Vec<String> {
    s.published.iter().map(|e| format!("{} {}", e.owner, line(e))).collect()
}

#[test]
fn to_and_fro_and_the_second_one_stalls() {
    let mut s = story();
    s.read(requested(10, "anna"));
    s.read(event("handoff.accepted", 20));
    s.read(requested(100, "berta"));
    s.advance(140);
    s.read(event("handoff.accepted", 150));
    s.read(requested(200, "anna"));
    s.read(event("handoff.accepted", 210));
    s.advance(1000);
    assert_eq!(owned(&s), ["berta 130+ opened", "berta 150 resolved"]);
    let outcomes: Vec<&str> = s.shard.drain_cycles_ended().map(|c| c.outcome).collect();
    assert_eq!(outcomes, ["met", "breached", "met"]);
}

#[test]
fn a_request_while_another_stands_is_one_of_its_own() {
    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(requested(20, "berta"));
    s.advance(55);
    s.read(event("handoff.accepted", 60));
    assert_eq!(owned(&s), ["anna 30+ opened", "berta 50+ opened", "anna 60 resolved", "berta 60 resolved"]);
    let ids: std::collections::BTreeSet<_> = s.published.iter().map(|e| &e.exception_id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_acceptance_told_late_ends_the_request_that_it_followed_and_no_other() {
    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(requested(20, "berta"));
    s.advance(31);
    s.read_late(event("handoff.accepted", 15), 35);
    s.advance(100);
    assert_eq!(owned(&s), ["anna 30+ opened", "anna 35 retracted", "berta 50+ opened"]);
}

#[test]
fn a_request_told_late_moves_no_other() {
    let mut s = story();
    s.read(requested(50, "berta"));
    s.advance(85);
    s.read(event("handoff.accepted", 90));
    s.read_late(requested(0, "anna"), 95);
    assert_eq!(owned(&s), ["berta 80+ opened", "berta 90 resolved", "anna 95 opened", "anna 95 resolved"]);
}

#[test]
fn a_withdrawal_ends_what_stands_and_a_cancelled_order_everything() {
    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(event("handoff.withdrawn", 10));
    s.read(requested(20, "berta"));
    s.advance(55);
    s.read(event("order.cancelled", 60));
    s.read(requested(70, "anna"));
    s.advance(1000);
    assert_eq!(owned(&s), ["berta 50+ opened", "berta 60 cancelled"]);
}

#[test]
fn within_one_instant_of_one_topic_the_log_says_which_came_first() {
    let mut s = story();
    s.read(requested(0, "anna"));
    // Anna takes it and hands it on in one click.
    s.read(event("handoff.accepted", 10));
    s.read(requested(10, "berta"));
    s.advance(100);
    assert_eq!(owned(&s), ["berta 40+ opened"]);

    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(event("handoff.accepted", 0));
    s.advance(100);
    assert_eq!(owned(&s), [""; 0]);
}

#[test]
fn what_is_reached_for_good_is_reached_for_every_later_cycle() {
    let failed = Sla { each: true, ..sla("payment.failed", "order.paid_in_full", 30) };
    let mut s = Story::new(policies(vec![failed], vec![]));
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 1));
    s.read(event("payment.failed", 5));
    s.advance(1000);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn a_parcel_that_comes_back_twice_is_tried_twice() {
    let tried = Sla {
        each: true,
        scope: Scope::Fulfillment,
        warn_at: vec![],
        escalate_after: vec![],
        ..sla("fulfillment.delivery_failed", "fulfillment.delivered", 30)
    };
    let mut s = Story::new(policies(vec![tried], vec![]));
    let of = |id: &'static str, kind: &str, minute| with(event(kind, minute), |d| d.fulfillment_id = Some(id.into()));
    s.read(of("f-1", "fulfillment.delivery_failed", 0));
    s.read(of("f-2", "fulfillment.delivered", 10));
    s.read(of("f-1", "fulfillment.delivery_failed", 20));
    s.advance(40);
    s.read(of("f-1", "fulfillment.delivered", 45));
    assert_eq!(s.said(), ["30+ opened", "45 resolved"]);
    assert!(s.published.iter().all(|e| e.fulfillment_id.as_deref() == Some("f-1")));
}

#[test]
fn a_restart_amid_the_handoffs_goes_on_with_each() {
    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(event("handoff.accepted", 40));
    s.read(requested(50, "berta"));
    s.advance(85);
    assert_eq!(owned(&s), ["anna 30+ opened", "anna 40 resolved", "berta 80+ opened"]);
    let mut again = restarted_under(&mut s, 85, document(), History::default());
    assert_eq!(owned(&again), [""; 0]);
    again.read(event("handoff.accepted", 90));
    again.read_late(event("handoff.accepted", 20), 95);
    assert_eq!(owned(&again), ["berta 90 resolved", "anna 95 retracted"]);
    assert_eq!(again.published[0].sequence, 2);
}

#[test]
fn an_event_ends_a_cycle_whose_beginning_was_not_read() {
    let mut s = story();
    s.read(requested(0, "anna"));
    s.advance(40);
    // The same, without its facts.
    let mut lost = story();
    lost.published = s.published.clone();
    let mut again = restarted_under(&mut lost, 50, document(), History::default());
    again.read_late(event("handoff.accepted", 0), 55);
    assert_eq!(owned(&again), ["anna 55 resolved"]);
    again.read(requested(60, "berta"));
    again.advance(100);
    assert_eq!(owned(&again), ["anna 55 resolved", "berta 90+ opened"]);
}

#[test]
fn a_cycle_that_was_over_is_frozen_by_itself() {
    use super::edits::{era, first};
    let mut s = story();
    s.read(requested(0, "anna"));
    s.read(event("handoff.accepted", 20));
    s.read(requested(60, "berta"));
    s.advance(80);
    let tight = || {
        vec![Sla { target: crate::policy::sla::Target::Duration(crate::domain::Millis::new(15 * MINUTE)), ..handoff() }]
    };
    let history = History::new(vec![first(vec![handoff()]), era(tight(), 80, &s)]);
    let again = restarted_under(&mut s, 80, policies(tight(), vec![]), history);
    assert_eq!(owned(&again), ["berta 80 opened"], "what Anna took in 20 minutes was in time then");
}
