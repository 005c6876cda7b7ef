//! Promised dates that change: what was told of the one before is taken back, and the next is told with its own date.

use super::story::*;
use crate::domain::{Event, Promise};
use crate::policy::sla::{Sla, Target};

fn story() -> Story {
    let sla = Sla { target: Target::PromisedDeliverBy, ..sla("order.placed", "fulfillment.delivered", 0) };
    Story::new(policies(vec![sla], vec![]))
}

fn promised(kind: &str, minute: i64, date: i64) -> Event {
    with(event(kind, minute), |d| d.promised_deliver_by = Promise::At(at(date)))
}

/// What was said, each with its deadline.
fn dated(s: &Story) -> Vec<String> {
    let date = |e: &crate::domain::Exception| (e.deadline.unwrap() - at(0)).get() / MINUTE;
    s.published.iter().map(|e| format!("{} of {}", line(e), date(e))).collect()
}

#[test]
fn a_warning_of_a_date_that_moves_away_ends_and_the_next_is_of_the_new_one() {
    let mut s = story();
    s.read(promised("order.placed", 0, 100));
    s.advance(85);
    s.read(promised("order.changed", 90, 200));
    s.advance(150);
    s.advance(170);
    s.read(event("fulfillment.delivered", 180));
    assert_eq!(
        dated(&s),
        [
            "80+ at_risk 80 of 100",
            "90 cancelled of 100",
            "100+ at_risk 50 #2 of 200",
            "160+ at_risk 80 #2 of 200",
            "180 averted #2 of 200"
        ]
    );
}

#[test]
fn a_date_that_comes_nearer_is_warned_of_anew() {
    let mut s = story();
    s.read(promised("order.placed", 0, 100));
    s.advance(52);
    s.read(promised("order.changed", 60, 70));
    s.advance(71);
    assert_eq!(
        dated(&s),
        ["50+ at_risk 50 of 100", "60 cancelled of 100", "60 at_risk 80 #2 of 70", "70+ opened #2 of 70"]
    );
}

#[test]
fn a_change_that_is_told_late_takes_the_breach_back() {
    let mut s = story();
    s.read(promised("order.placed", 0, 100));
    s.advance(101);
    s.read_late(promised("order.changed", 90, 150), 110);
    s.advance(130);
    s.advance(151);
    assert_eq!(
        dated(&s),
        [
            "80+ at_risk 80 of 100",
            "100+ opened of 100",
            "110 retracted of 100",
            "110 at_risk 50 #2 of 150",
            "120+ at_risk 80 #2 of 150",
            "150+ opened #2 of 150"
        ]
    );
}

#[test]
fn done_by_the_date_that_was_promised_meanwhile() {
    let mut s = story();
    s.read(promised("order.placed", 0, 100));
    s.advance(85);
    // Both are read in one batch.
    let mut changed = promised("order.changed", 84, 200);
    changed.position.offset = 7;
    s.shard.apply(changed, at(85)).unwrap();
    s.shard.apply(event("fulfillment.delivered", 85), at(85)).unwrap();
    s.listen();
    assert_eq!(dated(&s), ["80+ at_risk 80 of 100", "85 averted of 200"]);
}

#[test]
fn a_hold_ends_no_warning_that_was_due_before_it() {
    let mut s = Story::new(policies(vec![sla("order.placed", "payment.captured", 60)], vec![]));
    s.read(event("order.placed", 0));
    s.advance(50);
    s.read(event("order.held", 50));
    s.read(event("order.released", 80));
    s.advance(85);
    assert_eq!(s.said(), ["48+ at_risk 80"]);
    // It was held from minute 20 on: the warning came too early.
    s.read_late(event("order.held", 20), 86);
    s.advance(91);
    assert_eq!(s.said(), ["48+ at_risk 80", "86 cancelled", "90+ at_risk 50 #2"]);
}
