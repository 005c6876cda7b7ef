//! Amount mismatch and shipped before payment.

use super::*;
use Standing::{Open, Resolved};

/// (reason, settled, standing) of every finding.
type Findings = Vec<(String, i64, Standing)>;

fn findings(story: &[Record], check: Check, frontier: i64) -> Findings {
    let verdicts = judge(story, &rules(vec![], vec![check]), frontier);
    let named = |v: Verdict| (v.reason.expect("a reason"), v.deadline.expect("settled"), v.standing);
    verdicts.into_iter().map(named).collect()
}

fn amounts(tolerance: i64, settle: i64, grace: i64) -> Check {
    Check::AmountMismatch { id: "amount-mismatch".to_string(), tolerance, settle, grace }
}

fn unpaid(settle: i64, grace: i64) -> Check {
    Check::ShippedBeforePayment { id: "shipped-before-payment".to_string(), settle, grace }
}

fn finding(reason: &str, settled: i64, standing: Standing) -> (String, i64, Standing) {
    (reason.to_string(), settled, standing)
}

#[test]
fn over_and_under_are_beyond_the_tolerance() {
    let captured = |amount| log([at(0, PLACED).total(100), at(10, CAPTURED).amount(amount)]);
    for agreeing in [99, 100, 101] {
        assert!(findings(&captured(agreeing), amounts(1, 0, 0), LATE).is_empty(), "{agreeing}");
    }
    assert_eq!(findings(&captured(102), amounts(1, 0, 0), LATE), [finding("over", 10, Open { level: 0 })]);
    assert_eq!(findings(&captured(98), amounts(1, 0, 0), LATE), [finding("under", 10, Open { level: 0 })]);
}

#[test]
fn a_finding_opens_when_the_frontier_is_past_settle_and_grace() {
    let story = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(120)]);
    assert!(findings(&story, amounts(0, 20, 5), 35).is_empty());
    assert_eq!(findings(&story, amounts(0, 20, 5), 36), [finding("over", 30, Open { level: 0 })]);
}

#[test]
fn nothing_is_under_before_the_first_capture_or_without_a_total() {
    assert!(findings(&log([at(0, PLACED).total(100)]), amounts(0, 0, 0), LATE).is_empty());
    assert!(findings(&log([at(0, PLACED), at(5, CAPTURED).amount(7)]), amounts(0, 0, 0), LATE).is_empty());
}

#[test]
fn over_is_net_of_refunds_and_under_ignores_them() {
    let over = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(120), at(50, REFUNDED).amount(20)]);
    assert_eq!(findings(&over, amounts(0, 20, 0), LATE), [finding("over", 30, Resolved { at: 50 })]);
    let exact = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(100), at(50, REFUNDED).amount(20)]);
    assert!(findings(&exact, amounts(0, 0, 0), LATE).is_empty());
}

#[test]
fn another_relevant_event_up_to_settle_later_restarts_the_settling() {
    let story = |second| log([at(0, PLACED).total(100), at(10, CAPTURED).amount(20), at(second, CAPTURED).amount(20)]);
    assert_eq!(findings(&story(30), amounts(0, 20, 0), LATE), [finding("under", 50, Open { level: 0 })]);
    assert_eq!(findings(&story(31), amounts(0, 20, 0), LATE), [finding("under", 30, Open { level: 0 })]);
}

#[test]
fn what_never_held_for_settle_is_no_finding() {
    let story = |second| log([at(0, PLACED).total(100), at(10, CAPTURED).amount(60), at(second, CAPTURED).amount(40)]);
    assert!(findings(&story(30), amounts(0, 20, 0), LATE).is_empty());
    assert_eq!(findings(&story(31), amounts(0, 20, 0), LATE), [finding("under", 30, Resolved { at: 31 })]);
}

#[test]
fn an_end_that_is_known_before_the_settling_is_judged_leaves_nothing_yet() {
    let story = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(60), at(31, CAPTURED).amount(40)]);
    assert!(findings(&story, amounts(0, 20, 5), 35).is_empty());
    assert_eq!(findings(&story, amounts(0, 20, 5), 36).len(), 1);
}

#[test]
fn a_refund_does_not_restart_under_but_it_does_over() {
    let under = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(60), at(20, REFUNDED).amount(5)]);
    assert_eq!(findings(&under, amounts(0, 20, 0), LATE), [finding("under", 30, Open { level: 0 })]);
    let over = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(160), at(20, REFUNDED).amount(5)]);
    assert_eq!(findings(&over, amounts(0, 20, 0), LATE), [finding("over", 40, Open { level: 0 })]);
}

#[test]
fn events_of_one_instant_are_judged_together() {
    let story = log([
        at(0, PLACED).total(100),
        at(10, CAPTURED).amount(60),
        at(10, CAPTURED).amount(60),
        at(10, REFUNDED).amount(20),
    ]);
    assert!(findings(&story, amounts(0, 0, 0), LATE).is_empty());
}

#[test]
fn a_check_may_hold_end_and_hold_again() {
    let story = log([
        at(0, PLACED).total(100),
        at(10, CAPTURED).amount(120),
        at(50, "order.changed").total(120),
        at(80, "order.changed").total(100),
    ]);
    let expected = [finding("over", 20, Resolved { at: 50 }), finding("over", 90, Open { level: 0 })];
    assert_eq!(findings(&story, amounts(0, 10, 0), LATE), expected);
    assert_eq!(findings(&story, amounts(0, 10, 0), 90), expected[..1]);
}

#[test]
fn a_change_of_the_total_can_leave_what_was_paid_under() {
    let story = log([at(0, PLACED).total(50), at(10, CAPTURED).amount(50), at(40, "order.changed").total(90)]);
    assert_eq!(findings(&story, amounts(0, 10, 0), LATE), [finding("under", 50, Open { level: 0 })]);
}

#[test]
fn a_capture_before_the_total_is_judged_when_the_total_comes_into_force() {
    let story = log([at(0, PLACED), at(10, CAPTURED).amount(50), at(40, "order.changed").total(90)]);
    assert_eq!(findings(&story, amounts(0, 10, 0), LATE), [finding("under", 50, Open { level: 0 })]);
}

#[test]
fn another_currency_is_a_finding_of_its_own_and_is_never_summed() {
    let story = log([
        at(0, PLACED).total(100),
        at(10, CAPTURED).amount(100),
        at(30, CAPTURED).amount_in("USD", 5),
        at(60, "order.changed").total_in("USD", 5),
    ]);
    let expected = [finding("currency", 30, Open { level: 0 })];
    assert_eq!(findings(&story, amounts(0, 0, 0), LATE), expected, "the euros are the foreign ones from 60 on");
}

#[test]
fn a_first_capture_in_another_currency_leaves_the_order_under_too() {
    let story = log([at(0, PLACED).total(100), at(10, CAPTURED).amount_in("USD", 100)]);
    let expected = [finding("under", 10, Open { level: 0 }), finding("currency", 10, Open { level: 0 })];
    assert_eq!(findings(&story, amounts(0, 0, 0), LATE), expected);
}

#[test]
fn shipped_before_payment_holds_from_the_shipment_to_the_payment() {
    let shipped = |paid, kind| log([at(0, PLACED), at(10, SHIPPED), at(paid, kind)]);
    assert!(findings(&shipped(10, CAPTURED), unpaid(0, 0), LATE).is_empty());
    assert!(findings(&shipped(9, "payment.authorized"), unpaid(0, 0), LATE).is_empty());
    let later = findings(&shipped(40, "payment.authorized"), unpaid(20, 0), LATE);
    assert_eq!(later, [finding("unpaid", 30, Resolved { at: 40 })]);
    let soon = findings(&shipped(20, CAPTURED), unpaid(20, 0), LATE);
    assert_eq!(soon, [finding("unpaid", 30, Resolved { at: 20 })], "the parcel had gone unpaid all the same");
    let never = log([at(10, SHIPPED)]);
    assert!(findings(&never, unpaid(20, 5), 35).is_empty());
    assert_eq!(findings(&never, unpaid(20, 5), 36), [finding("unpaid", 30, Open { level: 0 })]);
}

#[test]
fn shipped_before_payment_settles_from_the_first_shipment_alone() {
    let story = log([at(10, SHIPPED), at(15, SHIPPED), at(18, "order.changed").total(5), at(20, REFUNDED).amount(5)]);
    assert_eq!(findings(&story, unpaid(20, 0), LATE), [finding("unpaid", 30, Open { level: 0 })]);
}
