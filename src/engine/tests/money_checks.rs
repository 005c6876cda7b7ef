//! Checks of captures, refunds and settlements.

use super::story::*;
use crate::domain::{Currency, Event, Millis, Money};
use crate::policy::checks::CheckKind;

fn story(kind: CheckKind, settle: i64) -> Story {
    Story::new(policies(vec![], vec![check(kind, settle)]))
}

fn paid(kind: &str, minute: i64, amount: i64) -> Event {
    with(event(kind, minute), |d| d.amount = Some(money(amount)))
}

/// A capture of a payment, perhaps with a number of its own.
fn capture(minute: i64, payment: &'static str, capture: Option<&'static str>) -> Event {
    with(paid("payment.captured", minute, 50), |d| {
        d.payment_id = Some(payment.into());
        d.capture_id = capture.map(Into::into);
    })
}

fn figures(s: &Story) -> (Option<&str>, Option<i64>, Option<i64>) {
    let figures = s.published.last().unwrap().check.as_ref().unwrap();
    (figures.about.as_deref(), figures.expected, figures.actual)
}

#[test]
fn a_payment_captured_twice_is_found_and_no_refund_undoes_it() {
    let mut s = story(CheckKind::DuplicateCapture, 10);
    s.read(capture(5, "p-1", None));
    s.read(capture(6, "p-1", Some("c-2")));
    s.read(paid("payment.refunded", 20, 50));
    s.advance(1_000);
    assert_eq!(s.said(), ["16+ opened"]);
    assert_eq!(figures(&s), (Some("p-1"), Some(50), Some(100)));
}

#[test]
fn captures_that_are_told_apart_or_of_several_payments_are_no_duplicates() {
    let mut s = story(CheckKind::DuplicateCapture, 0);
    s.read(capture(5, "p-1", Some("c-1")));
    s.read(capture(6, "p-1", Some("c-2")));
    s.read(capture(7, "p-2", Some("c-1")));
    s.read(paid("payment.captured", 8, 50));
    s.read(paid("payment.captured", 9, 50));
    s.read(with(capture(10, "p-1", Some("c-1")), |d| d.amount = Some(money(49))));
    s.advance(1_000);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn more_given_back_than_taken_opens_and_a_later_capture_resolves_it() {
    let mut s = story(CheckKind::RefundExceedsCapture { tolerance_minor: 1 }, 10);
    s.read(paid("payment.captured", 0, 100));
    s.read(paid("payment.refunded", 5, 60));
    s.read(paid("payment.refunded", 6, 41));
    s.advance(100);
    assert_eq!(s.said(), [""; 0], "within the tolerance");
    s.read(paid("payment.refunded", 120, 9));
    s.advance(200);
    assert_eq!(figures(&s), (None, Some(100), Some(110)));
    s.read(paid("payment.captured", 300, 10));
    assert_eq!(s.said(), ["130+ opened", "300 resolved"]);
}

#[test]
fn a_refund_that_is_told_before_its_capture_says_nothing() {
    let mut s = story(CheckKind::RefundExceedsCapture { tolerance_minor: 0 }, 10);
    s.read(paid("payment.refunded", 5, 60));
    s.read_late(paid("payment.captured", 1, 60), 7);
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn another_currency_covers_no_refund() {
    let mut s = story(CheckKind::RefundExceedsCapture { tolerance_minor: 0 }, 0);
    s.read(paid("payment.captured", 0, 100));
    let usd = Money { amount_minor: 5, currency: Currency::parse("USD").unwrap() };
    s.read(with(event("payment.refunded", 5), |d| d.amount = Some(usd)));
    s.advance(10);
    assert_eq!(s.said(), ["5+ opened"]);
    assert_eq!(s.published[0].check.as_ref().unwrap().currency, Currency::parse("USD"));
}

#[test]
fn a_capture_and_a_parcel_after_the_cancel_are_two_findings_that_stand() {
    let mut s = story(CheckKind::AfterCancel, 0);
    s.read(paid("payment.captured", 0, 10));
    s.read(event("order.cancelled", 10));
    s.read(paid("payment.captured", 10, 10));
    s.advance(19);
    assert_eq!(s.said(), [""; 0], "at the instant of the cancel is not after it");
    s.read(paid("payment.captured", 20, 10));
    s.read(event("fulfillment.shipped", 30));
    s.read(paid("payment.refunded", 40, 30));
    s.advance(100);
    assert_eq!(s.said(), ["20+ opened", "30+ opened"]);
    let reasons: Vec<&str> = s.published.iter().map(|e| e.check.as_ref().unwrap().reason.as_str()).collect();
    assert_eq!(reasons, ["captured", "shipped"]);
}

fn settlement() -> Story {
    story(CheckKind::SettlementMismatch { tolerance_minor: 0, after: Millis::new(HOUR) }, 0)
}

fn settled(minute: i64, amount: i64, fee: i64) -> Event {
    with(paid("payment.settled", minute, amount), |d| d.fee = Some(money(fee)))
}

#[test]
fn what_is_not_paid_out_in_time_is_short_until_the_rest_comes() {
    let mut s = settlement();
    s.read(paid("payment.captured", 0, 100));
    s.read(settled(50, 60, 2));
    s.advance(61);
    assert_eq!(figures(&s), (None, Some(100), Some(62)));
    s.read(settled(90, 37, 1));
    assert_eq!(s.said(), ["60+ opened", "90 resolved"]);

    let mut s = settlement();
    s.read(paid("payment.captured", 0, 100));
    s.read(settled(59, 97, 3));
    s.advance(1_000);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn a_refund_may_be_settled_sooner_or_later() {
    for settlement_of in [100, 70, 85] {
        let mut s = settlement();
        s.read(paid("payment.captured", 0, 100));
        s.read(paid("payment.refunded", 5, 30));
        s.read(settled(20, settlement_of, 0));
        s.advance(1_000);
        assert_eq!(s.said(), [""; 0], "{settlement_of}");
    }
    let mut s = settlement();
    s.read(paid("payment.captured", 0, 100));
    s.read(settled(20, 98, 3));
    s.advance(21);
    assert_eq!(figures(&s), (None, Some(100), Some(101)));
    assert_eq!(s.said(), ["20+ opened"]);
}
