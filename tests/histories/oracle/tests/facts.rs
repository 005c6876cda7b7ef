//! Merging events, and what is derived from them.

use super::*;

fn eur(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "EUR".to_string() })
}

fn with_total(kind: &str, minute: i64, minor: i64) -> Record {
    let mut record = event(kind, minute * MINUTE);
    record.event.total = eur(minor);
    record
}

fn capture(minute: i64, minor: i64) -> Record {
    let mut record = event(CAPTURED, minute * MINUTE);
    record.event.amount = eur(minor);
    record
}

fn with_lines(kind: &str, minute: i64, lines: &[(&str, i64)]) -> Record {
    let mut record = event(kind, minute * MINUTE);
    record.event.lines = Some(lines.iter().map(|(sku, pieces)| (sku.to_string(), *pieces)).collect());
    record
}

fn parcel(id: &str, minute: i64, lines: &[(&str, i64)]) -> Record {
    let mut record = with_lines("fulfillment.shipped", minute, lines);
    record.event.fulfillment_id = Some(id.to_string());
    record
}

/// When a milestone was reached, in minutes.
fn reached(milestone: &str, records: &[Record]) -> Option<i64> {
    super::super::facts::Facts::new(records).times(milestone).first().map(|at| at / MINUTE)
}

fn paid(records: impl IntoIterator<Item = Record>) -> Option<i64> {
    reached("order.paid_in_full", &log(records))
}

fn shipped(records: impl IntoIterator<Item = Record>) -> Option<i64> {
    reached("order.fully_shipped", &log(records))
}

#[test]
fn an_identity_is_told_once_and_the_first_in_the_log_stands() {
    let mut story = log([event(PLACED, 50 * MINUTE), event(PLACED, 10 * MINUTE), event(PLACED, 20 * MINUTE)]);
    assert_eq!(reached(PLACED, &story), Some(10), "the earliest of several");
    story[1].event.event_id = "e0".to_string();
    assert_eq!(reached(PLACED, &story), Some(20), "a conflict adds nothing");
    story.reverse();
    assert_eq!(reached(PLACED, &story), Some(20), "whatever order they came in");
    story[1].event.source = "another shop".to_string();
    assert_eq!(reached(PLACED, &story), Some(10), "another system numbers for itself");
}

#[test]
fn paid_in_full_is_when_the_sum_crosses_the_total_then_in_force() {
    assert_eq!(paid([with_total(PLACED, 0, 100), capture(30, 60), capture(20, 40)]), Some(30));
    assert_eq!(paid([with_total(PLACED, 0, 100), capture(20, 60), with_total("order.changed", 25, 60)]), Some(25));
    assert_eq!(paid([with_total(PLACED, 0, 100), capture(20, 100), with_total("order.changed", 25, 200)]), Some(20));
    assert_eq!(paid([with_total(PLACED, 10, 100), capture(5, 100)]), Some(10), "money before the total");
    assert_eq!(paid([event(PLACED, 0), capture(20, 1), capture(30, 1)]), Some(20), "without a total the first capture");
    assert_eq!(paid([with_total(PLACED, 7, 0)]), Some(7), "nothing to pay");
    let mut foreign = capture(20, 100);
    foreign.event.amount = Some(Money { minor: 100, currency: "USD".to_string() });
    assert_eq!(paid([with_total(PLACED, 0, 100), foreign]), None);
}

#[test]
fn fully_shipped_counts_each_parcel_once() {
    let placed = || with_lines(PLACED, 0, &[("a", 2), ("b", 1)]);
    assert_eq!(shipped([placed(), parcel("1", 10, &[("a", 1)]), parcel("1", 20, &[("a", 1)])]), None);
    let three = [placed(), parcel("1", 10, &[("a", 1)]), parcel("2", 30, &[("a", 1)]), parcel("3", 20, &[("b", 1)])];
    assert_eq!(shipped(three), Some(30));
    assert_eq!(shipped([placed(), event("fulfillment.shipped", 40 * MINUTE)]), Some(40), "without lines: everything");
    assert_eq!(shipped([event(PLACED, 0), parcel("1", 10, &[("a", 1)])]), Some(10), "nothing known of the lines");
    let fewer = with_lines("order.changed", 15, &[("a", 1)]);
    assert_eq!(shipped([placed(), parcel("1", 10, &[("a", 1)]), fewer]), Some(15));
}
