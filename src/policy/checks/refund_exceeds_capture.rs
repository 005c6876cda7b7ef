//! `refund_exceeds_capture`: more was given back than was taken, by more than the tolerance. Each currency by itself; the
//! first by name is told. A later capture resolves it.

use crate::domain::{CheckFigures, Currency, Standard, Timestamp};
use crate::policy::by_currency::ByCurrency;
use crate::policy::derived::{amount_of, instants};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["over"];

/// What the check thinks after each capture and refund.
pub fn points<'a>(view: &OrderView<'a>, tolerance_minor: i64) -> Vec<Point<'a>> {
    // By currency: (captured, refunded).
    let mut money: ByCurrency<(i128, i128)> = ByCurrency::default();
    let (mut points, mut known_at) = (Vec::new(), Timestamp::MIN);
    for instant in instants(view.events()) {
        let mut last = None;
        for event in instant {
            let captured = amount_of(event, Standard::PaymentCaptured);
            let Some(amount) = captured.or(amount_of(event, Standard::PaymentRefunded)) else { continue };
            let (taken, given_back) = money.of(amount.currency);
            *(if captured.is_some() { taken } else { given_back }) += i128::from(amount.amount_minor);
            known_at = event.record_time.max(known_at);
            last = Some(event);
        }
        let Some(event) = last else { continue };
        let exceeds =
            |(_, (taken, given_back)): &(Currency, &(i128, i128))| *given_back > *taken + i128::from(tolerance_minor);
        let finding = money.iter().find(exceeds).map(|(currency, (taken, given_back))| CheckFigures {
            expected: i64::try_from(*taken).ok(),
            actual: i64::try_from(*given_back).ok(),
            currency: Some(currency),
            ..CheckFigures::new("refund_exceeds_capture", REASONS[0])
        });
        points.push(Point { at: event.event_time, event, known_at, finding });
    }
    points
}
