//! `amount_mismatch`: the money captured is not the money owed.
//!
//! - `over`: captured − refunded exceeds the total by more than the tolerance.
//! - `under`: captured is short of the total by more than the tolerance, once `after` is reached (the first capture
//!   where none is named). Refunds do not count: money given back was once paid.
//! - `currency`: money in another currency than the total's is there and was not given back. It is never summed with it.
//!
//! Without a total it is silent.

use std::collections::BTreeMap;

use crate::domain::{CheckFigures, Currency, Event, Milestone, Money, Standard, Timestamp};
use crate::policy::derived::{amount_of, sets_total};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The reasons, each an exception of its own.
pub const REASONS: &[&str] = &["over", "under", "currency"];

/// What was known of an order's money after one instant.
#[derive(Default)]
struct Ledger {
    total: Option<Money>,
    captured: BTreeMap<Currency, i128>,
    refunded: BTreeMap<Currency, i128>,
}

/// What the check thinks after each instant that can change its mind about `reason`.
pub fn points<'a>(
    view: &OrderView<'a>,
    tolerance_minor: i64,
    after: Option<&Milestone>,
    reason: &str,
) -> Vec<Point<'a>> {
    if !view.events().iter().any(|e| sets_total(e).is_some()) {
        return Vec::new();
    }
    let after = match after {
        Some(milestone) => view.first(milestone),
        None => view.first(&Standard::PaymentCaptured.into()),
    };
    let mut money = Ledger::default();
    let mut points = Vec::new();
    let mut known_at = Timestamp::MIN;
    for instant in view.events().chunk_by(|a, b| a.event_time == b.event_time) {
        let mut last = None;
        for event in instant {
            if money.book(event, reason)
                || (reason == "under" && after.is_some_and(|r| r.event.position == event.position))
            {
                last = Some(event);
                known_at = event.record_time.max(known_at);
            }
        }
        let Some(event) = last else { continue };
        let reached = after.is_some_and(|r| r.at <= event.event_time);
        let finding = money.finding(reason, tolerance_minor, reached);
        points.push(Point { at: event.event_time, event, known_at, finding });
    }
    points
}

impl Ledger {
    /// Books an event; true where it can change the verdict on `reason`.
    fn book(&mut self, event: &Event, reason: &str) -> bool {
        if let Some(total) = sets_total(event) {
            self.total = Some(total);
            return true;
        }
        let own = |amount: Money| self.total.is_none_or(|total| total.currency == amount.currency);
        if let Some(amount) = amount_of(event, Standard::PaymentCaptured) {
            let relevant = own(amount) == (reason != "currency") || self.total.is_none();
            *self.captured.entry(amount.currency).or_default() += i128::from(amount.amount_minor);
            return relevant;
        }
        if let Some(amount) = amount_of(event, Standard::PaymentRefunded) {
            let relevant = (own(amount) == (reason != "currency") || self.total.is_none()) && reason != "under";
            *self.refunded.entry(amount.currency).or_default() += i128::from(amount.amount_minor);
            return relevant;
        }
        false
    }

    fn finding(&self, reason: &str, tolerance_minor: i64, after_reached: bool) -> Option<CheckFigures> {
        let total = self.total?;
        let owed = i128::from(total.amount_minor);
        let tolerance = i128::from(tolerance_minor);
        let captured = |c: &Currency| self.captured.get(c).copied().unwrap_or(0);
        let net = |c: &Currency| captured(c) - self.refunded.get(c).copied().unwrap_or(0);
        let (actual, currency) = match reason {
            "over" if net(&total.currency) > owed + tolerance => (net(&total.currency), total.currency),
            "under" if after_reached && captured(&total.currency) < owed - tolerance => {
                (captured(&total.currency), total.currency)
            }
            "currency" => {
                let foreign = self.captured.keys().find(|c| **c != total.currency && net(c) > 0)?;
                (net(foreign), *foreign)
            }
            _ => return None,
        };
        Some(CheckFigures {
            expected: Some(if currency == total.currency { total.amount_minor } else { 0 }),
            // An order's amounts are kept within 64 bits in sum (`Rejected::Overflow`).
            actual: i64::try_from(actual).ok(),
            currency: Some(currency),
            ..CheckFigures::new("amount_mismatch", reason)
        })
    }
}
