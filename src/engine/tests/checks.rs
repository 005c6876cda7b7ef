use super::story::*;
use crate::domain::{Currency, Event, Money};
use crate::policy::checks::CheckKind;

fn mismatch(settle: i64) -> Story {
    let kind = CheckKind::AmountMismatch { tolerance_minor: 1, after: None };
    Story::new(policies(vec![], vec![check(kind, settle)]))
}

fn placed(total: i64) -> Event {
    with(event("order.placed", 0), |d| d.total = Some(money(total)))
}

fn captured(minute: i64, amount: i64) -> Event {
    with(event("payment.captured", minute), |d| d.amount = Some(money(amount)))
}

fn refunded(minute: i64, amount: i64) -> Event {
    with(event("payment.refunded", minute), |d| d.amount = Some(money(amount)))
}

#[test]
fn under_opens_after_settle_and_resolves_when_the_rest_comes() {
    let mut s = mismatch(10);
    s.read(placed(100));
    s.read(captured(5, 60));
    s.advance(15);
    assert_eq!(s.said(), [""; 0]);
    s.advance(16);
    s.read(captured(30, 40));
    assert_eq!(s.said(), ["15+ opened", "30 resolved"]);
    let figures = s.published[0].check.as_ref().unwrap();
    assert_eq!((figures.reason.as_str(), figures.expected, figures.actual), ("under", Some(100), Some(60)));
}

#[test]
fn a_relevant_event_within_settle_starts_the_clock_anew_also_at_its_end() {
    let mut s = mismatch(10);
    s.read(placed(100));
    s.read(captured(5, 30));
    s.read(captured(15, 30));
    s.advance(25);
    assert_eq!(s.said(), [""; 0]);
    s.advance(26);
    assert_eq!(s.said(), ["25+ opened"]);
}

#[test]
fn evidence_that_it_never_held_for_settle_retracts() {
    let mut s = mismatch(10);
    s.read(placed(100));
    s.read(captured(5, 60));
    s.advance(20);
    s.read_late(captured(9, 40), 21);
    assert_eq!(s.said(), ["15+ opened", "21 retracted"]);
}

#[test]
fn within_tolerance_says_nothing_and_without_a_total_it_is_silent() {
    let mut s = mismatch(0);
    s.read(placed(100));
    s.read(captured(5, 99));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
    let mut s = mismatch(0);
    s.read(captured(5, 99));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn over_counts_refunds_and_opens_again() {
    let mut s = mismatch(0);
    s.read(placed(100));
    s.read(captured(5, 100));
    s.read(captured(6, 100));
    s.advance(7);
    s.read(refunded(20, 100));
    s.read(captured(30, 50));
    s.advance(31);
    assert_eq!(s.said(), ["6+ opened", "20 resolved", "30+ opened #2"]);
    assert_eq!(s.published[0].check.as_ref().unwrap().reason, "over");
    assert_eq!(s.published[2].check.as_ref().unwrap().actual, Some(150));
}

#[test]
fn another_currency_is_an_exception_of_its_own() {
    let mut s = mismatch(0);
    s.read(placed(100));
    s.read(captured(5, 100));
    let usd = Money { amount_minor: 7, currency: Currency::parse("USD").unwrap() };
    s.read(with(event("payment.captured", 6), |d| d.amount = Some(usd)));
    s.advance(7);
    assert_eq!(s.said(), ["6+ opened"]);
    let figures = s.published[0].check.as_ref().unwrap();
    assert_eq!((figures.reason.as_str(), figures.actual), ("currency", Some(7)));
}

#[test]
fn shipped_before_payment_settles_from_the_shipment_alone() {
    let unpaid = || Story::new(policies(vec![], vec![check(CheckKind::ShippedBeforePayment, 10)]));
    let mut s = unpaid();
    s.read(event("order.placed", 0));
    s.read(event("fulfillment.shipped", 5));
    s.read(event("payment.captured", 8));
    s.advance(16);
    assert_eq!(s.said(), ["15+ opened", "15+ resolved"]);

    let mut s = unpaid();
    s.read(event("payment.authorized", 5));
    s.read(event("fulfillment.shipped", 5));
    s.advance(1000);
    assert_eq!(s.said(), [""; 0], "at the same instant is not earlier");

    let mut s = unpaid();
    s.read(event("fulfillment.shipped", 5));
    s.advance(20);
    s.read_late(event("payment.authorized", 4), 30);
    assert_eq!(s.said(), ["15+ opened", "30 retracted"]);
}

#[test]
fn every_finding_known_at_once_is_told() {
    let mut s = mismatch(0);
    s.shard.advance(at(100));
    for (offset, mut e) in
        [placed(100), captured(5, 100), captured(6, 100), refunded(20, 100), captured(30, 50)].into_iter().enumerate()
    {
        e.position.offset = offset as i64;
        s.shard.apply(e, at(100)).unwrap();
    }
    s.listen();
    assert_eq!(s.said(), ["100 opened", "100 resolved", "100 opened #2"]);
}
