//! `amount_mismatch`: the money captured is not the money owed.
//!
//! - `over`: captured − refunded exceeds the total by more than the tolerance.
//! - `under`: captured is short of the total by more than the tolerance, once `after` is reached (the first capture
//!   where none is named). Refunds do not count: money given back was once paid.
//! - `currency`: money in another currency than the total's is there and was not given back. It is never summed with it.
//!
//! Without a total it is silent.

use crate::domain::{CheckFigures, Currency, Event, Milestone, Money, Standard, Timestamp};
use crate::policy::by_currency::ByCurrency;
use crate::policy::derived::{amount_of, sets_total};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The reasons, each an exception of its own.
pub const REASONS: &[&str] = &["over", "under", "currency"];

/// What was known of an order's money after one instant.
#[derive(Default)]
struct Ledger {
    total: Option<Money>,
    captured: ByCurrency<i128>,
    refunded: ByCurrency<i128>,
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
    let keeps_within = |money: Bounds| !money.may_break(reason, tolerance_minor);
    if after.is_none() && Bounds::of(view.events()).is_some_and(keeps_within) {
        return Vec::new();
    }
    by_instant(view, tolerance_minor, after, reason)
}

fn by_instant<'a>(
    view: &OrderView<'a>,
    tolerance_minor: i64,
    after: Option<&Milestone>,
    reason: &str,
) -> Vec<Point<'a>> {
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

/// What the money of an order keeps within at any instant: enough to know of most orders that nothing disagrees.
struct Bounds {
    currency: Currency,
    least_total: i64,
    greatest_total: i64,
    /// What the first capture says; `None` where it says nothing.
    first_capture: Option<i64>,
    captured: i128,
}

impl Bounds {
    /// `None` where there is no total, or money in several currencies.
    fn of(events: &[Event]) -> Option<Self> {
        let first = events.iter().find_map(sets_total)?;
        let first_capture = events.iter().find(|event| event.milestone == Standard::PaymentCaptured);
        let mut money = Bounds {
            currency: first.currency,
            least_total: first.amount_minor,
            greatest_total: first.amount_minor,
            first_capture: first_capture.and_then(|event| Some(event.details.as_ref()?.amount?.amount_minor)),
            captured: 0,
        };
        for event in events {
            let (total, captured) = (sets_total(event), amount_of(event, Standard::PaymentCaptured));
            if total.or(captured).is_some_and(|amount| amount.currency != money.currency) {
                return None;
            }
            if let Some(Money { amount_minor, .. }) = total {
                money.least_total = money.least_total.min(amount_minor);
                money.greatest_total = money.greatest_total.max(amount_minor);
            } else if let Some(Money { amount_minor, .. }) = captured {
                money.captured += i128::from(amount_minor);
            }
        }
        Some(money)
    }

    /// False where no instant can have a finding. Amounts are never negative, so what is captured only grows.
    fn may_break(&self, reason: &str, tolerance_minor: i64) -> bool {
        let tolerance = i128::from(tolerance_minor);
        match (reason, self.first_capture) {
            ("over", _) => self.captured > i128::from(self.least_total) + tolerance,
            ("under", Some(first)) => i128::from(first) < i128::from(self.greatest_total) - tolerance,
            ("currency", _) => false,
            _ => true,
        }
    }
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
            *self.captured.of(amount.currency) += i128::from(amount.amount_minor);
            return relevant;
        }
        if let Some(amount) = amount_of(event, Standard::PaymentRefunded) {
            let relevant = (own(amount) == (reason != "currency") || self.total.is_none()) && reason != "under";
            *self.refunded.of(amount.currency) += i128::from(amount.amount_minor);
            return relevant;
        }
        false
    }

    fn finding(&self, reason: &str, tolerance_minor: i64, after_reached: bool) -> Option<CheckFigures> {
        let total = self.total?;
        let owed = i128::from(total.amount_minor);
        let tolerance = i128::from(tolerance_minor);
        let captured = |c: Currency| self.captured.get(c).copied().unwrap_or(0);
        let net = |c: Currency| captured(c) - self.refunded.get(c).copied().unwrap_or(0);
        let (actual, currency) = match reason {
            "over" if net(total.currency) > owed + tolerance => (net(total.currency), total.currency),
            "under" if after_reached && captured(total.currency) < owed - tolerance => {
                (captured(total.currency), total.currency)
            }
            "currency" => {
                let mut paid_in = self.captured.iter().map(|(currency, _)| currency);
                let foreign = paid_in.find(|c| *c != total.currency && net(*c) > 0)?;
                (net(foreign), foreign)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::any::bare;
    use crate::domain::event::Details;

    fn event() -> impl Strategy<Value = Event> {
        let kinds = prop_oneof![
            2 => Just(Standard::OrderPlaced),
            3 => Just(Standard::PaymentCaptured),
            1 => Just(Standard::PaymentRefunded),
        ];
        let currency = prop_oneof![9 => Just("EUR"), 1 => Just("USD")];
        (kinds, proptest::option::weighted(0.9, 0..4i64), currency, 0..6i64).prop_map(|(kind, amount, currency, at)| {
            let currency = Currency::parse(currency).expect("a currency");
            let money = amount.map(|amount_minor| Money { amount_minor, currency });
            let (total, amount) = if kind == Standard::OrderPlaced { (money, None) } else { (None, money) };
            let details = Details { total, amount, ..Details::default() };
            Event { details: Some(Box::new(details)), ..bare(kind, at) }
        })
    }

    proptest! {
        #[test]
        fn what_keeps_within_its_bounds_has_no_finding(
            mut events in proptest::collection::vec(event(), 0..7),
            tolerance in 0..3i64,
        ) {
            for (offset, event) in events.iter_mut().enumerate() {
                event.position.offset = offset as i64;
            }
            events.sort_by_key(Event::order_key);
            let view = OrderView::new("o-1", &events);
            let Some(money) = Bounds::of(&events) else { return Ok(()) };
            for reason in REASONS {
                let finds = by_instant(&view, tolerance, None, reason).iter().any(|point| point.finding.is_some());
                prop_assert!(!finds || money.may_break(reason, tolerance), "{reason}");
            }
        }
    }
}
