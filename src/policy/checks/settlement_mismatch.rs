//! `settlement_mismatch`: what the payment provider paid out, with what it kept, is not what was captured.
//!
//! - `under`: `after` has passed since the last capture, and settled plus fee is short of captured minus refunded.
//! - `over`: settled plus fee exceeds what was captured.
//!
//! Both by more than the tolerance, each currency by itself. Between captured and captured minus refunded anything goes:
//! providers settle refunds sooner or later.

use crate::domain::{CheckFigures, Currency, Event, Millis, Money, Standard, Timestamp};
use crate::policy::by_currency::ByCurrency;
use crate::policy::derived::{amount_of, instants};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The reasons, each an exception of its own.
pub const REASONS: &[&str] = &["under", "over"];

#[derive(Default)]
struct Sums {
    captured: i128,
    refunded: i128,
    settled: i128,
}

/// What the check thinks after each instant that can change its mind about `reason`. A settlement that leaves it short does
/// not: the wait goes on from the last capture, and at its end what came by then is told.
pub fn points<'a>(view: &OrderView<'a>, tolerance_minor: i64, after: Millis, reason: &str) -> Vec<Point<'a>> {
    let mut sums: ByCurrency<Sums> = ByCurrency::default();
    let (mut points, mut known_at): (Vec<Point<'a>>, _) = (Vec::new(), Timestamp::MIN);
    for instant in instants(view.events()) {
        let (mut last, mut captured) = (None, false);
        for event in instant.iter().filter(|event| book(&mut sums, event)) {
            captured |= event.milestone == Standard::PaymentCaptured;
            known_at = event.record_time.max(known_at);
            last = Some(event);
        }
        let Some(event) = last else { continue };
        let finding = sums.iter().find_map(|(currency, sums)| sums.finding(currency, tolerance_minor, reason));
        match points.last_mut() {
            Some(last) if reason == "under" && !captured && last.finding.is_some() && finding.is_some() => {
                if event.event_time <= last.at + after {
                    last.finding = finding;
                }
            }
            _ => points.push(Point { at: event.event_time, event, known_at, finding }),
        }
    }
    points
}

/// How long a finding must hold.
pub fn settle(after: Millis, settle: Millis, reason: &str) -> Millis {
    if reason == "under" { after.max(settle) } else { settle }
}

fn book(sums: &mut ByCurrency<Sums>, event: &Event) -> bool {
    let mut add = |amount: Option<Money>, field: fn(&mut Sums) -> &mut i128| {
        let Some(amount) = amount else { return false };
        *field(sums.of(amount.currency)) += i128::from(amount.amount_minor);
        true
    };
    let fee = event.details.as_ref().filter(|_| event.milestone == Standard::PaymentSettled).and_then(|d| d.fee);
    let captured = add(amount_of(event, Standard::PaymentCaptured), |sums| &mut sums.captured);
    let refunded = add(amount_of(event, Standard::PaymentRefunded), |sums| &mut sums.refunded);
    let settled = add(amount_of(event, Standard::PaymentSettled), |sums| &mut sums.settled);
    let kept = add(fee, |sums| &mut sums.settled);
    captured || refunded || settled || kept
}

impl Sums {
    fn finding(&self, currency: Currency, tolerance_minor: i64, reason: &str) -> Option<CheckFigures> {
        let tolerance = i128::from(tolerance_minor);
        let expected = match reason {
            "under" if self.settled < self.captured - self.refunded - tolerance => self.captured - self.refunded,
            "over" if self.settled > self.captured + tolerance => self.captured,
            _ => return None,
        };
        Some(CheckFigures {
            expected: i64::try_from(expected).ok(),
            actual: i64::try_from(self.settled).ok(),
            currency: Some(currency),
            ..CheckFigures::new("settlement_mismatch", reason)
        })
    }
}
