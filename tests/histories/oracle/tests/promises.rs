//! Promised dates.

use super::*;
use Standing::{CancelledInTime, Met, Open, Running, StoppedLate};

const LATE: i64 = 10_000 * MINUTE;

fn sla(which: Which) -> Sla {
    Sla { target: Target::PromisedShipBy(which), warn_at: vec![50], ..within(0) }
}

/// An order's event that promises (`None`: takes back) at a minute.
fn says(kind: &str, minute: i64, promised: Option<i64>) -> Record {
    let mut record = event(kind, minute * MINUTE);
    record.event.promised_ship_by = promised.map_or(Promise::Withdrawn, |promised| Promise::At(promised * MINUTE));
    record
}

fn changed(minute: i64, promised: Option<i64>) -> Record {
    says("order.changed", minute, promised)
}

fn due(which: Which, events: impl IntoIterator<Item = Record>) -> Option<i64> {
    let cycle = judge(&sla(which), &log(events), LATE).cycle;
    cycle.and_then(|cycle| cycle.deadline).map(|deadline| deadline / MINUTE)
}

fn standing(events: impl IntoIterator<Item = Record>) -> Standing {
    judge(&sla(Which::Latest), &log(events), LATE).standing
}

fn open() -> Standing {
    Open { rung: 0, owner: "team".to_string() }
}

#[test]
fn a_promise_changes_only_until_it_is_due() {
    let placed = || says(PLACED, 0, Some(100));
    assert_eq!(due(Which::Latest, [placed(), changed(100, Some(300))]), Some(300));
    assert_eq!(due(Which::Latest, [placed(), changed(101, Some(300))]), Some(100));
    assert_eq!(due(Which::Latest, [placed(), changed(50, Some(60)), changed(70, Some(300))]), Some(60));
    assert_eq!(due(Which::Original, [placed(), changed(50, Some(60)), changed(55, None)]), Some(100));
    assert_eq!(due(Which::Latest, [event(PLACED, 0)]), None, "without a promise there is no cycle");
    assert_eq!(due(Which::Latest, [event(PLACED, 0), changed(50, Some(60))]), Some(60));
}

#[test]
fn a_promise_that_is_taken_back_cancels() {
    let placed = || says(PLACED, 0, Some(100));
    assert_eq!(standing([placed(), changed(50, None)]), CancelledInTime);
    assert_eq!(standing([placed(), changed(50, None), changed(60, Some(70))]), open(), "until there is another");
    assert_eq!(standing([placed(), changed(101, None)]), open());
    let before = says("order.confirmed", -5, Some(100));
    let taken_back = changed(-3, None);
    assert_eq!(standing([before.clone(), taken_back.clone(), event(PLACED, 0)]), Standing::None);
    assert_eq!(due(Which::Latest, [before, taken_back, event(PLACED, 0), changed(3, Some(50))]), Some(50));
}

#[test]
fn what_is_said_after_the_end_changes_nothing() {
    let placed = || says(PLACED, 0, Some(100));
    let captured = || event(CAPTURED, 50 * MINUTE);
    assert_eq!(standing([placed(), captured(), changed(60, Some(40))]), Met);
    assert_eq!(standing([placed(), captured(), changed(50, Some(40))]), Met, "a stop goes first");
    assert_eq!(standing([placed(), captured(), changed(49, Some(40))]), StoppedLate, "said before the end");
    assert_eq!(standing([event(PLACED, 0), captured(), changed(60, Some(40))]), StoppedLate, "a first promise counts");
}

#[test]
fn nothing_shifts_a_promised_instant() {
    let night = around(calendar("Europe/Berlin", &[0], &[(1, 2)]), 0);
    let sla = Sla { calendar: night, ..sla(Which::Latest) };
    let story = log([says(PLACED, 0, Some(100)), event(HELD, 10 * MINUTE)]);
    assert_eq!(judge(&sla, &story, 50 * MINUTE).standing, Running { at_risk: vec![] });
    assert_eq!(judge(&sla, &story, 50 * MINUTE + 1).standing, Running { at_risk: vec![50] });
    assert_eq!(judge(&sla, &story, 100 * MINUTE + 1).standing, open());
    assert_eq!(standing([says(PLACED, 10, Some(5)), event(CAPTURED, 7 * MINUTE)]), StoppedLate, "due before its start");
}
