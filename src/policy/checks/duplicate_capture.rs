//! `duplicate_capture`: the same payment was captured again with the same amount, under another identity.
//!
//! Two captures are two where each has a `capture_id` and these differ. Several payments for one order (split tender)
//! never count, and neither does a capture that names no payment. Nothing that comes later makes it undone: it ends only
//! by retraction.

use std::collections::BTreeMap;

use crate::domain::{CheckFigures, Money, Standard, Str};
use crate::policy::derived::amount_of;
use crate::policy::view::{OrderView, Reached};

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["twice"];

/// What the check thinks after the first instant that can change its mind.
pub fn points<'a>(view: &OrderView<'a>) -> Vec<Point<'a>> {
    let mut seen: BTreeMap<(&Str, Money), Vec<Option<&Str>>> = BTreeMap::new();
    for event in view.events() {
        let (Some(amount), Some(details)) = (amount_of(event, Standard::PaymentCaptured), &event.details) else {
            continue;
        };
        let Some(payment) = &details.payment_id else { continue };
        let captures = seen.entry((payment, amount)).or_default();
        let capture = details.capture_id.as_ref();
        let told_apart = |other: &Option<&Str>| matches!((other, capture), (Some(a), Some(b)) if *a != b);
        if !captures.iter().all(told_apart) {
            let figures = CheckFigures {
                about: Some(payment.clone()),
                expected: Some(amount.amount_minor),
                actual: amount.amount_minor.checked_mul(2),
                currency: Some(amount.currency),
                ..CheckFigures::new("duplicate_capture", REASONS[0])
            };
            return vec![Point::of(Reached::by(event), Some(figures))];
        }
        captures.push(capture);
    }
    Vec::new()
}
