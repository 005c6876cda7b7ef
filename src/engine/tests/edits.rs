//! Edited policies: exactly the difference is published, and nothing that is over is judged again.

use std::sync::Arc;

use super::recovery::restarted_under;
use super::story::*;
use crate::domain::{Millis, Str, Timestamp};
use crate::engine::{Era, History};
use crate::policy::Policies;
use crate::policy::checks::{CheckKind, CheckPolicy};
use crate::policy::sla::Sla;

fn paid_within(minutes: i64) -> Sla {
    Sla { escalate_after: Vec::new(), warn_at: Vec::new(), ..sla("order.placed", "payment.captured", minutes) }
}

fn document(slas: Vec<Sla>) -> Policies {
    policies(slas, vec![])
}

/// A document that came into force at `minute`, when everything of the story had been read.
pub fn era(slas: Vec<Sla>, minute: i64, s: &Story) -> Era {
    Era { policies: Arc::new(document(slas)), frontier: at(minute), positions: vec![s.offset; 3] }
}

pub fn first(slas: Vec<Sla>) -> Era {
    Era { policies: Arc::new(document(slas)), frontier: Timestamp::MIN, positions: vec![0; 3] }
}

/// Restarted at `minute` with an edited document, which is in force from there on.
fn edited(s: &mut Story, minute: i64, before: fn() -> Vec<Sla>, after: fn() -> Vec<Sla>) -> Story {
    let history = History::new(vec![first(before()), era(after(), minute, s)]);
    restarted_under(s, minute, document(after()), history)
}

#[test]
fn a_cycle_that_was_met_is_not_judged_by_a_tighter_target_until_its_order_is_heard_of_again() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 50));
    s.advance(70);
    let mut again = edited(&mut s, 70, || vec![paid_within(60)], || vec![paid_within(40)]);
    again.advance(80);
    assert_eq!(again.said(), [""; 0]);
    again.read(event("order.confirmed", 90));
    assert_eq!(again.said(), ["90 opened", "90 resolved"]);
}

/// `at_least_once`: a process that stood still said the older state last, and who restores under another document finds it.
#[test]
fn what_stands_in_the_log_is_ended_though_it_was_over_before_the_edit() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.advance(70);
    s.read(event("payment.captured", 80));
    assert_eq!(s.said(), ["60+ opened", "80 resolved"]);
    s.published.pop();
    let again = edited(&mut s, 90, || vec![paid_within(60)], || vec![paid_within(50)]);
    assert_eq!(again.said(), ["90 resolved"], "by the document that it was over under");
    assert_eq!(again.published[0].policy.version, s.published[0].policy.version);
    let again = edited(&mut s, 90, || vec![paid_within(60)], || vec![paid_within(90)]);
    assert_eq!(again.said(), ["90 resolved"]);
    let history = History::new(vec![first(vec![paid_within(60)]), era(vec![paid_within(60)], 90, &s)]);
    let again = restarted_under(&mut s, 90, document(vec![paid_within(60)]), history);
    assert_eq!(again.said(), ["90 resolved"]);
}

#[test]
fn it_stays_frozen_over_further_edits_and_restarts() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 50));
    s.advance(70);
    let tight = || vec![paid_within(40)];
    let tighter = || vec![paid_within(30)];
    let eras = vec![first(vec![paid_within(60)]), era(tight(), 70, &s), era(tighter(), 80, &s)];
    let again = restarted_under(&mut s, 90, document(tighter()), History::new(eras));
    assert_eq!(again.said(), [""; 0]);
}

#[test]
fn a_running_cycle_moves_to_the_new_document() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.advance(45);
    let again = edited(&mut s, 45, || vec![paid_within(60)], || vec![paid_within(40)]);
    assert_eq!(again.said(), ["45 opened"]);
}

#[test]
fn an_open_breach_that_the_new_document_allows_is_retracted() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.advance(70);
    assert_eq!(s.said(), ["60+ opened"]);
    let mut again = edited(&mut s, 70, || vec![paid_within(60)], || vec![paid_within(120)]);
    assert_eq!(again.said(), ["70 retracted"]);
    again.advance(130);
    assert_eq!(again.said(), ["70 retracted", "120+ opened #2"]);
}

#[test]
fn a_new_id_does_not_publish_what_was_overdue_when_it_came() {
    fn confirmed_too() -> Vec<Sla> {
        let confirmed = sla("order.placed", "order.confirmed", 30);
        let id = Str::new_static("confirmed");
        vec![paid_within(600), Sla { id, escalate_after: Vec::new(), warn_at: Vec::new(), ..confirmed }]
    }
    let mut s = Story::new(document(vec![paid_within(600)]));
    s.read(event("order.placed", 0));
    let late = crate::domain::Event { order_id: Str::new_static("o-2"), ..event("order.placed", 60) };
    s.read(late);
    s.advance(70);
    let mut again = edited(&mut s, 70, || vec![paid_within(600)], confirmed_too);
    assert_eq!((again.said(), again.shard.counters().kept_back), (vec![], 1), "o-1 was 40 minutes late by then");
    again.advance(100);
    assert_eq!(again.said(), ["90+ opened"], "o-2 was not due yet");
    assert_eq!(again.published[0].subject.key("").to_string(), "o-2");
}

#[test]
fn what_stands_of_a_policy_that_is_gone_is_retracted_once() {
    let mut s = Story::new(document(vec![paid_within(60)]));
    s.read(event("order.placed", 0));
    s.advance(70);
    fn others() -> Vec<Sla> {
        vec![Sla { id: Str::new_static("other"), ..paid_within(6_000) }]
    }
    let mut again = edited(&mut s, 70, || vec![paid_within(60)], others);
    assert_eq!(again.said(), ["70 retracted"]);
    again.read(event("payment.captured", 80));
    again.advance(90);
    assert_eq!(again.said(), ["70 retracted"]);
}

#[test]
fn a_new_id_that_says_so_publishes_what_was_overdue_when_it_came() {
    let mut s = Story::new(document(vec![]));
    s.read(event("order.placed", 0));
    s.advance(70);
    let again = edited(&mut s, 70, Vec::new, || vec![paid_within(60)]);
    assert_eq!(again.said(), [""; 0]);
    let again = edited(&mut s, 70, Vec::new, || vec![Sla { backfill: true, ..paid_within(60) }]);
    assert_eq!(again.said(), ["70 opened"]);
}

#[test]
fn a_breach_whose_end_is_known_before_it_is_due_is_told_over_an_edit() {
    let patient = || vec![Sla { grace: Some(Millis::new(5 * MINUTE)), ..paid_within(60) }];
    let mut s = Story::new(document(patient()));
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 61));
    assert_eq!(s.said(), [""; 0], "the deadline and its grace are not over yet");
    let mut again = edited(&mut s, 62, patient, patient);
    again.advance(70);
    assert_eq!(again.said(), ["65+ opened", "65+ resolved"]);

    // Of a finding of a check likewise.
    let unpaid = || {
        let check = check(CheckKind::ShippedBeforePayment, 10);
        policies(vec![], vec![CheckPolicy { grace: Some(Millis::new(5 * MINUTE)), ..check }])
    };
    let mut s = Story::new(unpaid());
    s.read(event("fulfillment.shipped", 0));
    s.read(event("payment.captured", 12));
    let era = |frontier, positions| Era { policies: Arc::new(unpaid()), frontier, positions };
    let history = History::new(vec![era(Timestamp::MIN, vec![0; 3]), era(at(13), vec![s.offset; 3])]);
    let mut again = restarted_under(&mut s, 13, unpaid(), history);
    again.advance(70);
    assert_eq!(again.said(), ["15+ opened", "15+ resolved"]);
}
