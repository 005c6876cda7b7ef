//! Checks of what happens in which order, and of pieces.

use super::story::*;
use crate::domain::{Event, Line, Milestone, Millis};
use crate::policy::checks::CheckKind;

fn story(kind: CheckKind, settle: i64) -> Story {
    Story::new(policies(vec![], vec![check(kind, settle)]))
}

fn lines(event: Event, lines: &[(&'static str, i64)]) -> Event {
    let line = |(sku, quantity): &(&'static str, i64)| Line { sku: (*sku).into(), quantity: *quantity };
    with(event, |d| d.lines = Some(lines.iter().map(line).collect()))
}

fn parcel(minute: i64, id: &'static str, pieces: &[(&'static str, i64)]) -> Event {
    with(lines(event("fulfillment.shipped", minute), pieces), |d| d.fulfillment_id = Some(id.into()))
}

fn about(s: &Story) -> &str {
    s.published.last().unwrap().check.as_ref().unwrap().about.as_deref().unwrap()
}

#[test]
fn money_without_an_order_waits_for_the_order() {
    let orphan = || story(CheckKind::PaymentWithoutOrder, 10);
    let mut s = orphan();
    s.read(event("payment.captured", 0));
    s.read(event("payment.refunded", 5));
    s.advance(11);
    s.read(event("order.placed", 20));
    assert_eq!(s.said(), ["10+ opened", "20 resolved"]);

    let mut s = orphan();
    s.read(event("payment.captured", 0));
    s.advance(11);
    s.read_late(event("order.placed", 0), 20);
    assert_eq!(s.said(), ["10+ opened", "20 retracted"]);

    let mut s = orphan();
    s.read(event("payment.authorized", 0));
    s.read(event("order.placed", 10));
    s.read(event("fulfillment.shipped", 11));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn more_pieces_than_were_ordered_are_found_until_the_order_covers_them() {
    let mut s = story(CheckKind::OverShipped, 5);
    s.read(parcel(0, "f-0", &[("C", 1)]));
    s.advance(9);
    assert_eq!(s.said(), [""; 0], "nothing is known of lines");
    s.read(lines(event("order.placed", 10), &[("A", 2), ("B", 1), ("C", 1)]));
    s.read(parcel(20, "f-1", &[("A", 1), ("A", 1)]));
    // The same parcel told again under another event id.
    s.read(parcel(21, "f-1", &[("A", 1), ("A", 1)]));
    s.read(event("fulfillment.shipped", 22));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
    s.read(parcel(110, "f-2", &[("B", 3)]));
    s.advance(116);
    assert_eq!(about(&s), "B");
    let figures = s.published[0].check.as_ref().unwrap();
    assert_eq!((figures.expected, figures.actual), (Some(1), Some(3)));
    s.read(lines(event("order.changed", 120), &[("A", 2), ("B", 3), ("C", 1)]));
    assert_eq!(s.said(), ["115+ opened", "120 resolved"]);
}

#[test]
fn a_backorder_stands_until_what_is_missing_is_served() {
    let mut s = story(CheckKind::Backordered, 5);
    s.read(lines(event("fulfillment.backordered", 0), &[("A", 1), ("B", 1)]));
    s.advance(6);
    assert_eq!(about(&s), "A");
    s.read(lines(event("fulfillment.allocated", 10), &[("A", 1), ("X", 1)]));
    s.advance(30);
    s.read(lines(event("fulfillment.shipped", 31), &[("B", 1)]));
    assert_eq!(s.said(), ["5+ opened", "31 resolved"]);

    let mut s = story(CheckKind::Backordered, 0);
    s.read(event("fulfillment.backordered", 0));
    s.read(lines(event("fulfillment.packed", 1), &[("A", 1)]));
    s.advance(5);
    s.read(event("order.cancelled", 9));
    assert_eq!(s.said(), ["0+ opened", "9 resolved"]);
}

#[test]
fn served_at_the_same_instant_is_served() {
    let mut s = story(CheckKind::Backordered, 0);
    s.read(event("fulfillment.allocated", 0));
    s.read(event("fulfillment.backordered", 0));
    s.advance(5);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn a_step_that_is_skipped_is_named_until_it_is_made() {
    let sequence = ["order.placed", "payment.captured", "fulfillment.shipped"].map(Milestone::parse).to_vec();
    let sequenced = || story(CheckKind::OutOfSequence { sequence: sequence.clone() }, 5);
    let mut s = sequenced();
    s.read(event("order.placed", 0));
    s.read(event("fulfillment.shipped", 10));
    s.advance(16);
    assert_eq!(about(&s), "payment.captured");
    s.read(event("payment.captured", 20));
    assert_eq!(s.said(), ["15+ opened", "20 resolved"]);

    let mut s = sequenced();
    s.read(event("order.placed", 0));
    s.read(event("fulfillment.shipped", 10));
    s.advance(16);
    s.read_late(event("payment.captured", 9), 30);
    assert_eq!(s.said(), ["15+ opened", "30 retracted"]);

    // All at one instant is in order.
    let mut s = sequenced();
    s.read(event("fulfillment.shipped", 0));
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 0));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn an_open_order_of_which_nothing_is_heard_is_stuck_until_the_next_word() {
    let silent = || story(CheckKind::Stuck { after: Millis::new(HOUR) }, 0);
    let mut s = silent();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 60));
    s.advance(121);
    s.read(event("fulfillment.picked", 130));
    s.read(event("order.completed", 150));
    s.advance(1_000);
    assert_eq!(s.said(), ["120+ opened", "130 resolved"]);
    assert_eq!(s.published[0].trigger.as_ref().unwrap().event_id, "payment.captured@60");

    // What was told late was no silence.
    let mut s = silent();
    s.read(event("order.placed", 0));
    s.advance(61);
    s.read_late(event("order.confirmed", 30), 70);
    s.advance(200);
    assert_eq!(s.said(), ["60+ opened", "70 retracted", "90+ opened #2"]);
}
