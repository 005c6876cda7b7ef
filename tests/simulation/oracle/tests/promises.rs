//! Promised dates as targets.

use super::*;
use Promise::{At, Withdrawn};
use Standing::{CancelledInTime, CancelledLate, Met, Open, Resolved, Running};

const CHANGED: &str = "order.changed";

fn ship_by_promise() -> Sla {
    Sla { target: Target::PromisedShipBy, ..within_100(PLACED, SHIPPED) }
}

fn judged(story: &[Record]) -> Option<(i64, Standing)> {
    let verdict = verdict(story, &ship_by_promise(), LATE)?;
    Some((verdict.deadline.expect("a promised date"), verdict.standing))
}

#[test]
fn without_the_promised_date_there_is_no_cycle() {
    assert_eq!(judged(&log([at(0, PLACED)])), None);
    assert_eq!(judged(&log([at(0, PLACED).deliver_by(At(50))])), None, "the other promise");
    let deliver = Sla { target: Target::PromisedDeliverBy, ..within_100(PLACED, DELIVERED) };
    assert_eq!(standing(&log([at(0, PLACED).deliver_by(At(50))]), &deliver, 51), Some(Open { level: 0 }));
}

#[test]
fn any_order_event_may_carry_it_and_no_other() {
    assert_eq!(judged(&log([at(0, PLACED), at(20, "order.confirmed").ship_by(At(50))])), Some((50, Open { level: 0 })));
    assert_eq!(judged(&log([at(0, PLACED), at(20, CAPTURED).ship_by(At(50))])), None);
}

#[test]
fn a_change_counts_up_to_the_promise_then_in_force() {
    let story = |told| log([at(0, PLACED).ship_by(At(50)), at(told, CHANGED).ship_by(At(200)), at(120, SHIPPED)]);
    assert_eq!(judged(&story(50)), Some((200, Met)));
    assert_eq!(judged(&story(51)), Some((50, Resolved { at: 120 })));
}

#[test]
fn changes_chain_by_event_time() {
    let story = log([
        at(90, CHANGED).ship_by(At(300)),
        at(0, PLACED).ship_by(At(50)),
        at(40, CHANGED).ship_by(At(100)),
        at(101, CHANGED).ship_by(At(110)),
    ]);
    assert_eq!(judged(&story), Some((110, Open { level: 0 })));
    let broken =
        log([at(90, CHANGED).ship_by(At(300)), at(0, PLACED).ship_by(At(50)), at(60, CHANGED).ship_by(At(100))]);
    assert_eq!(judged(&broken), Some((50, Open { level: 0 })), "60 does not count, so neither does 90");
}

#[test]
fn a_promise_may_be_brought_forward() {
    let story = log([at(0, PLACED).ship_by(At(50)), at(20, CHANGED).ship_by(At(30)), at(40, SHIPPED)]);
    assert_eq!(judged(&story), Some((30, Resolved { at: 40 })));
}

#[test]
fn what_is_said_after_the_work_was_done_changes_nothing() {
    let story = |told| log([at(0, PLACED).ship_by(At(50)), at(20, SHIPPED), at(told, CHANGED).ship_by(At(10))]);
    assert_eq!(judged(&story(25)), Some((50, Met)));
    assert_eq!(judged(&story(20)), Some((50, Met)), "at the same instant the stop goes first");
    assert_eq!(judged(&story(19)), Some((10, Resolved { at: 20 })));
    let before_the_start =
        log([at(0, CHANGED).ship_by(At(50)), at(20, SHIPPED), at(25, CHANGED).ship_by(At(10)), at(30, PLACED)]);
    assert_eq!(judged(&before_the_start), Some((50, Met)));
}

#[test]
fn a_first_promise_counts_whenever_it_is_told() {
    let story = |date| log([at(0, PLACED), at(20, SHIPPED), at(25, CHANGED).ship_by(At(date))]);
    assert_eq!(judged(&story(20)), Some((20, Met)));
    assert_eq!(judged(&story(15)), Some((15, Resolved { at: 20 })));
}

#[test]
fn a_null_cancels_the_cycle() {
    let story = |told| log([at(0, PLACED).ship_by(At(50)), at(told, CHANGED).ship_by(Withdrawn)]);
    assert_eq!(judged(&story(20)), Some((50, CancelledInTime)));
    assert_eq!(judged(&story(50)), Some((50, CancelledInTime)));
    assert_eq!(judged(&story(51)), Some((50, Open { level: 0 })), "a shop cannot withdraw its breaches");
}

#[test]
fn a_null_after_the_stop_or_with_it_is_nothing() {
    let story = |told| log([at(0, PLACED).ship_by(At(50)), at(20, SHIPPED), at(told, CHANGED).ship_by(Withdrawn)]);
    assert_eq!(judged(&story(30)), Some((50, Met)));
    assert_eq!(judged(&story(20)), Some((50, Met)));
    assert_eq!(judged(&story(19)), Some((50, CancelledInTime)));
}

#[test]
fn a_promise_after_the_cancelling_null_does_not_revive_the_cycle() {
    let story =
        log([at(0, PLACED).ship_by(At(50)), at(20, CHANGED).ship_by(Withdrawn), at(30, CHANGED).ship_by(At(60))]);
    assert_eq!(judged(&story), Some((50, CancelledInTime)));
}

#[test]
fn a_null_up_to_the_start_leaves_no_cycle_until_another_promise() {
    let gone = log([at(0, CHANGED).ship_by(At(50)), at(5, CHANGED).ship_by(Withdrawn), at(10, PLACED)]);
    assert_eq!(judged(&gone), None);
    let at_the_start = log([at(0, CHANGED).ship_by(At(50)), at(5, PLACED), at(5, CHANGED).ship_by(Withdrawn)]);
    assert_eq!(judged(&at_the_start), None);
    let again = log([
        at(0, CHANGED).ship_by(At(50)),
        at(5, CHANGED).ship_by(Withdrawn),
        at(10, PLACED),
        at(15, CHANGED).ship_by(At(60)),
    ]);
    assert_eq!(judged(&again), Some((60, Open { level: 0 })));
}

#[test]
fn a_promise_before_the_start_breaches_at_once_without_a_warning() {
    let story = log([at(100, PLACED).ship_by(At(60))]);
    let sla = Sla { warn_at: vec![50, 100], grace: 5, ..ship_by_promise() };
    assert_eq!(standing(&story, &sla, 65), Some(Running { warn: None }));
    assert_eq!(standing(&story, &sla, 66), Some(Open { level: 0 }));
    let shipped = log([at(100, PLACED).ship_by(At(60)), at(70, SHIPPED)]);
    assert_eq!(standing(&shipped, &sla, LATE), Some(Resolved { at: 70 }));
    let cancelled = log([at(100, PLACED).ship_by(At(60)), at(110, CANCELLED)]);
    assert_eq!(standing(&cancelled, &sla, LATE), Some(CancelledLate { at: 110 }));
}

#[test]
fn no_pause_shifts_a_promise_its_warnings_or_its_rungs() {
    let pause = Some((HELD.to_string(), RELEASED.to_string()));
    let sla = Sla { pause, warn_at: vec![50], escalate_after: vec![10], ..ship_by_promise() };
    let story = log([at(20, PLACED).ship_by(At(60)), at(25, HELD)]);
    assert_eq!(standing(&story, &sla, 40), Some(Running { warn: None }));
    assert_eq!(standing(&story, &sla, 41), Some(Running { warn: Some(50) }));
    assert_eq!(standing(&story, &sla, 61), Some(Open { level: 0 }));
    assert_eq!(standing(&story, &sla, 71), Some(Open { level: 1 }));
}
