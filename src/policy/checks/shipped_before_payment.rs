//! `shipped_before_payment`: a parcel left earlier than the first authorization or capture, or with neither.
//!
//! A later payment resolves it. It settles from the shipment alone: a payment that comes while it settles does not
//! start the clock anew, because the parcel had gone unpaid all the same.

use crate::domain::{CheckFigures, Milestone, Millis, Standard};
use crate::policy::case::{Case, CaseClock, End, EndKind};
use crate::policy::view::OrderView;

/// The only reason.
pub const REASONS: &[&str] = &["unpaid"];

/// What the order's facts say.
pub fn case<'a>(view: &OrderView<'a>, settle: Millis) -> Option<Case<'a>> {
    let shipped = view.first(&Standard::FulfillmentShipped.into())?;
    let payment = [Milestone::from(Standard::PaymentAuthorized), Standard::PaymentCaptured.into()];
    let paid = view.first_of(&payment);
    if paid.is_some_and(|paid| paid.at <= shipped.at) {
        return None;
    }
    Some(Case {
        trigger: shipped.event,
        started_at: shipped.at,
        deadline: Some(shipped.at + settle),
        clock: CaseClock::Plain,
        end: paid.map(|paid| End {
            kind: EndKind::Done,
            at: paid.at,
            by: paid.event,
            known_at: paid.known_at,
            in_time: false,
        }),
        figures: Some(Box::new(CheckFigures::new("shipped_before_payment", REASONS[0]))),
        follows: None,
    })
}
